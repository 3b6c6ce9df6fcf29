//! The list, and what was found among files that are here.

use eframe::egui::{
    self, Align, Button, Frame, Id, Label, Layout, Margin, Modal, ProgressBar, RichText,
    ScrollArea, Stroke, Ui, WidgetInfo, vec2,
};

use super::{ModelsAction, Question, is_of};
use crate::hub::message::{Found, MemoryOf, Origin, Phase, Progress, Row, State, gigabytes};
use crate::ui::icons;
use crate::ui::state::{Action, Session};
use crate::ui::theme::{self, Palette, space};

/// The widest page, in points.
const WIDTH: f32 = 760.0;
/// Height of the buttons in points.
const BUTTON: f32 = 26.0;

/// Draws the page.
pub fn show(ctx: &egui::Context, session: &Session, out: &mut Vec<Action>) {
    let models = &session.models;
    let modal = Modal::new(Id::unique("models"))
        .frame(theme::dialog(ctx))
        .show(ctx, |ui| {
            let room = ctx.content_rect().size();
            ui.set_width((room.x - 80.0).min(WIDTH));
            ui.horizontal(|ui| {
                ui.heading(match &models.found {
                    Some(_) => "Files you already have",
                    None => "Models",
                });
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if icons::button(ui, icons::Icon::Close, "Close", false, true).clicked() {
                        out.push(Action::CloseDialogs);
                    }
                });
            });
            let top = ui.cursor().top();
            if let Some(why) = &models.failure {
                ui.label(RichText::new(why).color(Palette::of(ui).error));
            }
            let height = room.y - 210.0 - (ui.cursor().top() - top);
            ui.add_space(space::S);
            ScrollArea::vertical()
                .max_height(height)
                .min_scrolled_height(height)
                .auto_shrink([false, true])
                .show(ui, |ui| match (&models.found, &models.rows) {
                    (Some(found), _) => list_found(ui, found, out),
                    (None, Some(rows)) => {
                        // What is on its way from the hub is in the list once it is here.
                        let running = models.progress.as_ref().map(|progress| &progress.name);
                        let listed = |name: &&String| {
                            let its = |row: &Row| Some(&row.name) == running && is_of(row, name);
                            rows.iter().any(|row| row.name == **name || its(row))
                        };
                        for name in models.tasks.iter().filter(|name| !listed(name)) {
                            card(ui, |ui| {
                                ui.label(RichText::new(name).strong());
                                task(ui, session, name, out);
                            });
                        }
                        for row in rows {
                            card(ui, |ui| model(ui, session, row, out));
                        }
                    }
                    (None, None) => {
                        ui.label("Reading the list");
                    }
                });
            ui.add_space(space::M);
            footer(ui, session, out);
        });
    // Esc is for the question while there is one.
    if modal.should_close() && models.question.is_none() {
        out.push(Action::CloseDialogs);
    }
}

fn footer(ui: &mut Ui, session: &Session, out: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        let mut tell = |action| out.push(Action::Models(action));
        if session.models.found.is_some() {
            if ui.button("Back to the list").clicked() {
                tell(ModelsAction::Back);
            }
        } else {
            let text = if session.models.looking {
                "Looking…"
            } else {
                "Use files I already have"
            };
            let find = ui.add_enabled(!session.models.looking, Button::new(text));
            let find = find.on_hover_text(
                "Look in the folders of ComfyUI and InvokeAI and in the hub's cache; nothing is copied",
            );
            if find.clicked() {
                tell(ModelsAction::Find);
            }
        }
        if ui.button("From the hub…").clicked() {
            tell(ModelsAction::Question(Question::Repository {
                name: String::new(),
                file: String::new(),
                token: String::new(),
            }));
        }
        if ui.button("Add a folder…").clicked() {
            tell(ModelsAction::Browse { folder: true });
        }
        if ui.button("Add a file…").clicked() {
            tell(ModelsAction::Browse { folder: false });
        }
    });
}

fn card(ui: &mut Ui, content: impl FnOnce(&mut Ui)) {
    let palette = Palette::of(ui);
    Frame::new()
        .fill(palette.card)
        .stroke(Stroke::new(1.0, palette.line))
        .corner_radius(6)
        .inner_margin(Margin::symmetric(12, 8))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            content(ui);
        });
    ui.add_space(space::S);
}

/// A button whose name says what it is for.
fn named(ui: &mut Ui, text: &str, name: &str, enabled: bool) -> egui::Response {
    let button = Button::new(text).min_size(vec2(0.0, BUTTON));
    let response = ui.add_enabled(enabled, button);
    let label = format!("{} {name}", text.trim_end_matches('…'));
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, enabled, label.clone()));
    response
}

fn model(ui: &mut Ui, session: &Session, row: &Row, out: &mut Vec<Action>) {
    let palette = Palette::of(ui);
    ui.horizontal(|ui| {
        ui.add(Label::new(RichText::new(&row.name).strong()).truncate());
        if session.models.is_loaded(row) {
            ui.label(RichText::new("In use").color(palette.accent));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = space::S;
            buttons(ui, session, row, out);
        });
    });
    ui.label(RichText::new(facts(row)).color(palette.weak));
    if row.commercial == Some(false) {
        let text = "For non-commercial use only";
        ui.label(RichText::new(text).color(palette.warning));
    }
    if let Some(text) = memory(row) {
        ui.label(RichText::new(text.0).color(if text.1 {
            palette.warning
        } else {
            palette.weak
        }));
    }
    if let State::Unusable { why } = &row.state {
        ui.label(RichText::new(why).color(palette.error));
    }
    if let Some(place) = &row.place {
        let text = RichText::new(place.display().to_string())
            .small()
            .color(palette.weak);
        ui.add(Label::new(text).truncate());
    }
    task(ui, session, &row.name, out);
}

/// What it is, its size and its licence.
fn facts(row: &Row) -> String {
    let mut facts = Vec::new();
    if !row.kind.is_empty() && row.kind != row.name {
        facts.push(row.kind.clone());
    }
    facts.push(match (&row.state, row.size()) {
        (State::Partial { .. }, Some(size)) => format!("{size} are here"),
        (_, Some(size)) => size,
        (_, None) => "size not known yet".to_owned(),
    });
    facts.push(match &row.licence {
        Some(licence) => licence.clone(),
        None => "licence not known".to_owned(),
    });
    facts.join(" · ")
}

/// The memory that it needs, and whether that is more than there is.
fn memory(row: &Row) -> Option<(String, bool)> {
    let memory = row.memory?;
    let [all, in_turn, least] = [memory.all, memory.in_turn, memory.least].map(gigabytes);
    let place = match memory.place {
        MemoryOf::Cpu => "main memory",
        MemoryOf::Gpu => "memory on the graphics card",
    };
    let mut needs = format!("Needs {all} of {place}");
    if all != in_turn {
        needs.push_str(&format!(", {in_turn} with its parts loaded in turn"));
    }
    if least != in_turn {
        needs.push_str(&format!(", {least} rounded to 8 bits as well"));
    }
    Some(match memory.free {
        Some(free) if free < memory.least => {
            (format!("{needs}; {} are free now", gigabytes(free)), true)
        }
        _ => (needs, false),
    })
}

/// What can be done with it, from the right.
fn buttons(ui: &mut Ui, session: &Session, row: &Row, out: &mut Vec<Action>) {
    let name = &row.name;
    let mut tell = |action| out.push(Action::Models(action));
    let busy = session.models.tasks.contains(name);
    let loaded = session.models.is_loaded(row);
    let here = matches!(row.origin, Origin::Downloaded | Origin::Added);
    if here {
        let remove = named(ui, "Remove…", name, !busy && !loaded);
        if remove
            .on_disabled_hover_text("It is in use: use another model first")
            .clicked()
        {
            tell(ModelsAction::Question(Question::Remove(name.clone())));
        }
        if let Some(place) = &row.place {
            let folder = if place.is_file() {
                place.parent().unwrap_or(place)
            } else {
                place
            };
            if named(ui, "Open folder", name, true).clicked() {
                tell(ModelsAction::OpenOutside(folder.as_os_str().to_owned()));
            }
        }
        let whole = row.state == State::Ready;
        if whole && named(ui, "Verify", name, !busy).clicked() {
            tell(ModelsAction::Verify(name.clone()));
        }
    }
    let models = &session.models;
    let small = loaded && models.has_small_decoder();
    if row.is_usable() && (!loaded || small) {
        let text = if small { "Use own decoder" } else { "Use" };
        if named(ui, text, name, !busy).clicked() {
            tell(ModelsAction::Use(name.clone()));
        }
    }
    if !small && models.with_small_decoder(row).is_some() {
        let with = named(ui, "Use with small decoder", name, !busy);
        if with
            .on_hover_text("Decodes faster and in less memory, with slightly less detail")
            .clicked()
        {
            tell(ModelsAction::UseSmallDecoder(name.clone()));
        }
    }
    let text = match (&row.state, row.origin) {
        (State::Absent, _) => "Download…",
        (State::Partial { .. }, _) => "Continue…",
        (State::Unusable { .. }, Origin::Downloaded) => "Download again…",
        _ => return,
    };
    if named(ui, text, name, !busy).clicked() {
        tell(ModelsAction::Question(Question::download(name)));
    }
}

/// How far its download or check is.
fn task(ui: &mut Ui, session: &Session, name: &str, out: &mut Vec<Action>) {
    let models = &session.models;
    // A repository gets its name in the list on the way; tasks are done in order.
    let first = models.tasks.first().is_some_and(|task| task == name);
    let is_its = |p: &&Progress| p.name == name || first && name.contains('/');
    let Some(progress) = models.progress.as_ref().filter(is_its) else {
        if models.tasks.iter().any(|task| task == name) {
            ui.horizontal(|ui| {
                ui.label("Waits for its turn");
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if named(ui, "Cancel", name, true).clicked() {
                        let withdraw = ModelsAction::Withdraw(name.to_owned());
                        out.push(Action::Models(withdraw));
                    }
                });
            });
        }
        return;
    };
    let bytes = format!(
        "{} of {}",
        gigabytes(progress.done),
        gigabytes(progress.total)
    );
    let text = match (progress.phase, progress.seconds_left()) {
        (Phase::Asking, _) => "Asking the hub".to_owned(),
        (Phase::Checking, _) => format!("Checking · {bytes}"),
        (Phase::Waiting, _) => format!("{bytes} · the connection was lost, trying again"),
        (Phase::Downloading, Some(left)) => format!(
            "{bytes} · {} a second · {} left",
            gigabytes(progress.speed as u64),
            duration(left)
        ),
        (Phase::Downloading, None) => bytes,
    };
    ui.add_space(space::S);
    ui.horizontal(|ui| {
        let palette = Palette::of(ui);
        // What is left to do shows on a card of either theme.
        ui.visuals_mut().extreme_bg_color = palette.line;
        let bar = ProgressBar::new(progress.share())
            .desired_width(ui.available_width() - 96.0)
            .desired_height(8.0)
            .fill(palette.accent);
        ui.add(bar);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if named(ui, "Cancel", name, true).clicked() {
                out.push(Action::Models(ModelsAction::Cancel));
            }
        });
    });
    ui.label(text);
}

/// Seconds in words of little precision.
fn duration(seconds: f64) -> String {
    match seconds as u64 {
        0..60 => format!("{} s", (seconds as u64).max(1)),
        60..5400 => format!("{} min", (seconds / 60.0).round()),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

fn list_found(ui: &mut Ui, found: &[Found], out: &mut Vec<Action>) {
    if found.is_empty() {
        ui.label(
            "No new model was found in the folders of ComfyUI and InvokeAI and in the hub's cache. Add a folder or \
             a file instead",
        );
    }
    for found in found {
        card(ui, |ui| {
            let palette = Palette::of(ui);
            ui.horizontal(|ui| {
                ui.add(Label::new(RichText::new(&found.name).strong()).truncate());
                ui.label(RichText::new(&found.owner).color(palette.weak));
                if found.problem.is_none() {
                    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                        if named(ui, "Add", &found.name, true).clicked() {
                            let add = ModelsAction::Add(found.place.clone());
                            out.push(Action::Models(add));
                        }
                    });
                }
            });
            match (&found.problem, found.bytes) {
                (Some(problem), _) => {
                    ui.label(RichText::new(problem).color(palette.warning));
                }
                (None, Some(bytes)) => {
                    let text = format!("{} · {}", found.kind, gigabytes(bytes));
                    ui.label(RichText::new(text).color(palette.weak));
                }
                (None, None) => {}
            }
            let place = RichText::new(found.place.display().to_string());
            ui.add(Label::new(place.small().color(palette.weak)).truncate());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_roughly() {
        for (seconds, text) in [
            (0.2, "1 s"),
            (59.0, "59 s"),
            (90.0, "2 min"),
            (7200.0, "2.0 h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }
}
