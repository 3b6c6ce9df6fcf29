//! Questions before something would be lost: changes that are not saved, and sessions that a crash left.

use eframe::egui::{self, Button, Id, Key, Modal, Modifiers, RichText, TextEdit, Ui, vec2};

use super::project::Stakes;
use super::state::{Action, Answer, Recovery, Session};
use super::theme::{self, Palette, space};
use crate::doc::perceive::MapKind;

/// Width of the questions in points.
const WIDTH: f32 = 380.0;

pub(super) fn strong_button(ui: &mut Ui, text: &str) -> egui::Response {
    let palette = Palette::of(ui);
    let text = RichText::new(text).strong().color(palette.on_accent);
    ui.add(
        Button::new(text)
            .fill(palette.accent)
            .min_size(vec2(84.0, 28.0)),
    )
}

pub(super) fn plain_button(ui: &mut Ui, text: &str) -> egui::Response {
    ui.add(Button::new(text).min_size(vec2(84.0, 28.0)))
}

/// Whether changes are to be saved, and what else would be lost, before something takes the document's place.
pub fn unsaved(ctx: &egui::Context, session: &Session, out: &mut Vec<Action>) {
    if !session.project.asking {
        return;
    }
    let stakes = session.stakes();
    let changed = stakes.changes.is_some();
    // Enter never throws anything away.
    let has_file = session.project.path.is_some();
    let saves = changed || !stakes.results.is_empty();
    let safe = match changed || (saves && has_file) {
        true => Answer::Save,
        false => Answer::Stay,
    };
    // A button that has the keyboard gets Enter for itself.
    let free = ctx.memory(|memory| memory.focused().is_none());
    let enter = free && ctx.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter));
    let mut answer = enter.then_some(safe);
    let [heading, sentences @ ..] = &told(&stakes, &session.name)[..] else {
        return;
    };
    let modal = Modal::new(Id::unique("unsaved"))
        .frame(theme::dialog(ctx))
        .show(ctx, |ui| {
            ui.set_width(WIDTH);
            ui.heading(heading);
            ui.add_space(space::S);
            for sentence in sentences {
                ui.label(sentence);
            }
            ui.add_space(space::L);
            ui.horizontal(|ui| {
                let save = match safe {
                    Answer::Save => strong_button,
                    _ => plain_button,
                };
                if saves && save(ui, "Save").clicked() {
                    answer = Some(Answer::Save);
                }
                let discard = if changed { "Don't save" } else { "Go on" };
                if plain_button(ui, discard).clicked() {
                    answer = Some(Answer::Discard);
                }
                if plain_button(ui, "Go back").clicked() {
                    answer = Some(Answer::Stay);
                }
            });
        });
    if answer.is_none() && modal.should_close() {
        answer = Some(Answer::Stay);
    }
    out.extend(answer.map(Action::Answer));
}

/// What is to be found on the canvas.
pub fn select(ctx: &egui::Context, session: &Session, out: &mut Vec<Action>) {
    let Some(before) = &session.select else {
        return;
    };
    let mut text = before.clone();
    let writing = ctx.text_edit_focused();
    let enter = writing && ctx.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter));
    let (mut find, mut close) = (enter, false);
    let modal = Modal::new(Id::unique("select"))
        .frame(theme::dialog(ctx))
        .show(ctx, |ui| {
            ui.set_width(WIDTH);
            ui.heading("Select by words");
            ui.add_space(space::S);
            let field = TextEdit::singleline(&mut text)
                .hint_text("the red chair")
                .desired_width(f32::INFINITY)
                .char_limit(200);
            let field = ui.add(field);
            field.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::TextInput, true, "What to select")
            });
            if ui.memory(|memory| memory.focused().is_none()) {
                field.request_focus();
            }
            ui.add_space(space::S);
            ui.weak("The answer appears among the results");
            ui.add_space(space::L);
            ui.horizontal(|ui| {
                ui.add_enabled_ui(!text.trim().is_empty(), |ui| {
                    find |= strong_button(ui, "Find").clicked();
                });
                close |= plain_button(ui, "Go back").clicked();
            });
        });
    if close || modal.should_close() {
        out.push(Action::CloseDialogs);
    } else if find && !text.trim().is_empty() {
        out.push(Action::Perceive(MapKind::Segment, text));
    } else if text != *before {
        out.push(Action::SelectText(text));
    }
}

/// What the artist is asked, and a sentence about each kind of thing that would be lost.
fn told(stakes: &Stakes, name: &str) -> Vec<String> {
    let Stakes {
        changes,
        results,
        jobs,
    } = stakes;
    let heading = match (changes, results.len()) {
        (Some(_), _) => format!("Save the changes to {name}?"),
        // It may finish while the question is open.
        (None, 0) if jobs.is_empty() => "The job is finished".to_owned(),
        (None, 0) => "Stop the running job?".to_owned(),
        (None, 1) => "Leave a starred result unsaved?".to_owned(),
        (None, count) => format!("Leave {count} starred results unsaved?"),
    };
    let results = match results.len() {
        0 => None,
        1 => Some("A starred result is in no file; saving keeps it in the project".to_owned()),
        count => Some(format!(
            "{count} starred results are in no file; saving keeps them in the project"
        )),
    };
    let jobs = match jobs.len() {
        0 => None,
        1 => Some("A job is running and is cancelled if you go on".to_owned()),
        count => Some(format!("{count} jobs are cancelled if you go on")),
    };
    let changes = changes
        .as_ref()
        .map(|_| "They are lost if you go on without saving".to_owned());
    let sentences = changes.into_iter().chain(results).chain(jobs);
    std::iter::once(heading).chain(sentences).collect()
}

/// Which of the sessions that did not end as they should are opened.
pub fn lost(ctx: &egui::Context, session: &Session, out: &mut Vec<Action>) {
    let lost = &session.project.lost;
    if lost.is_empty() || session.project.asking {
        return;
    }
    let mut decided = None;
    let modal = Modal::new(Id::unique("lost"))
        .frame(theme::dialog(ctx))
        .show(ctx, |ui| {
            ui.set_width(WIDTH);
            ui.heading("Inlay was not closed properly");
            ui.add_space(space::S);
            ui.label("What was not saved then is still there");
            ui.add_space(space::M);
            for (at, lost) in lost.iter().enumerate() {
                ui.horizontal(|ui| {
                    ui.vertical(|ui| {
                        ui.set_width(WIDTH - 200.0);
                        ui.add(egui::Label::new(RichText::new(&lost.name).strong()).truncate());
                        ui.label(RichText::new(lost.age()).small().weak());
                    });
                    let name = |what: &str| format!("{what} {}", lost.name);
                    let open = strong_button(ui, "Recover");
                    open.widget_info(|| {
                        egui::WidgetInfo::labeled(egui::Role::Button, true, name("Recover"))
                    });
                    if open.clicked() {
                        decided = Some((at, Recovery::Open));
                    }
                    let remove = plain_button(ui, "Delete");
                    remove.widget_info(|| {
                        egui::WidgetInfo::labeled(egui::Role::Button, true, name("Delete"))
                    });
                    if remove.clicked() {
                        decided = Some((at, Recovery::Remove));
                    }
                });
                ui.add_space(space::S);
            }
            ui.add_space(space::S);
            if plain_button(ui, "Decide later").clicked() {
                decided = Some((0, Recovery::Later));
            }
        });
    if decided.is_none() && modal.should_close() {
        decided = Some((0, Recovery::Later));
    }
    out.extend(decided.map(|(at, recovery)| Action::Lost(at, recovery)));
}
