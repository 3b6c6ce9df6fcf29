//! The prompt line with its words, the context tags, the numbers, and Generate.

use std::sync::Arc;

use eframe::egui::text::{CCursor, CCursorRange};
use eframe::egui::{
    self, Align, Color32, FontId, Galley, Layout, Margin, RichText, TextBuffer, TextEdit,
    TextFormat, TextStyle, Ui, vec2,
};

use super::commands::Command;
use super::icons::{self, Icon};
use super::numbers;
use super::state::{Action, ModelState, Session};
use super::theme::{Palette, space};
use crate::doc::document::Edit;
use crate::doc::prompt::{TAGS, WordKind, derive_tags, problems, words};
use crate::doc::retold::{Asked, references, sent};

/// Characters that a prompt may have; the model reads far fewer.
const LONGEST: usize = 20_000;

/// Draws the panel under the canvas.
pub fn show(ui: &mut Ui, session: &mut Session, out: &mut Vec<Action>) {
    let wide = ui.available_width() > 760.0;
    let button = if wide { 150.0 } else { 132.0 };
    ui.horizontal_top(|ui| {
        let width = ui.available_width() - button - space::M;
        ui.allocate_ui(vec2(width, 48.0), |ui| field(ui, session, out));
        ui.vertical(|ui| generate(ui, session, button, out));
    });
    if let Some(text) = problem(session) {
        ui.colored_label(Palette::of(ui).error, text);
    }
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(if wide { space::M } else { space::S }, space::S);
        tags(ui, session, out);
    });
    ui.horizontal_wrapped(|ui| numbers::show(ui, session, out));
}

/// How many inputs IMG words may name.
fn images(session: &Session) -> usize {
    session.document.targets().len()
}

/// What is wrong with the prompt, as one line.
fn problem(session: &Session) -> Option<String> {
    let joint = session.document.settings().joint as usize;
    let first = problems(session.document.prompt(), images(session), joint)
        .into_iter()
        .next()?;
    Some(first.to_string())
}

fn field(ui: &mut Ui, session: &mut Session, out: &mut Vec<Action>) {
    let mut text = session.document.prompt().to_owned();
    let joint = session.document.settings().joint as usize;
    let count = images(session);
    let palette = Palette::of(ui);
    let mut layouter = |ui: &Ui, buffer: &dyn TextBuffer, width: f32| -> Arc<Galley> {
        let job = layout(buffer.as_str(), count, joint, palette, width);
        ui.fonts_mut(|fonts| fonts.layout_job(job))
    };
    let hint = if count == 0 {
        "Write what to make, or add pictures first"
    } else {
        "Write what to do, such as: put the cup from IMG2 into IMG1 at the place of IMG3"
    };
    let edit = TextEdit::multiline(&mut text)
        .hint_text(hint)
        .desired_rows(2)
        .desired_width(f32::INFINITY)
        .margin(Margin::symmetric(8, 6))
        .char_limit(LONGEST)
        .layouter(&mut layouter);
    let mut shown = edit.show(ui);
    shown
        .response
        .widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Prompt"));
    session.prompt_field = Some(shown.response.id);
    if let Some(word) = session.insert.take() {
        let at = shown
            .state
            .cursor
            .char_range()
            .map_or(text.chars().count(), |range| range.primary.index.into());
        let end = insert_word(&mut text, at, &word);
        // The next word goes behind this one.
        let cursor = CCursorRange::one(CCursor::new(end));
        shown.state.cursor.set_char_range(Some(cursor));
        shown.state.store(ui.ctx(), shown.response.id);
        shown.response.request_focus();
        out.push(Action::Edit(Edit::SetPrompt(text)));
    } else if shown.response.changed() {
        out.push(Action::Edit(Edit::SetPrompt(text)));
    }
    if shown.response.lost_focus() {
        out.push(Action::Seal);
    }
}

/// Puts a word in at a character, apart from its neighbours; the character behind it.
fn insert_word(text: &mut String, at: usize, word: &str) -> usize {
    let byte = text
        .char_indices()
        .nth(at)
        .map_or(text.len(), |(byte, _)| byte);
    let joined = |c: char| !c.is_whitespace() && !matches!(c, '(' | '"' | '“');
    let before = text[..byte].chars().next_back().is_some_and(joined);
    let after = text[byte..]
        .chars()
        .next()
        .is_some_and(char::is_alphanumeric);
    let gap = |needed| if needed { " " } else { "" };
    text.insert_str(byte, &format!("{}{word}{}", gap(before), gap(after)));
    let end = byte + gap(before).len() + word.len();
    text[..end].chars().count()
}

/// The prompt with every IMGn on its slot's colour, and words that name nothing in the error colour.
fn layout(
    text: &str,
    images: usize,
    joint: usize,
    palette: &Palette,
    width: f32,
) -> egui::text::LayoutJob {
    let font = FontId::proportional(14.5);
    let plain = TextFormat::simple(font.clone(), palette.text);
    let mut job = egui::text::LayoutJob::default();
    job.wrap.max_width = width;
    let mut at = 0;
    for word in words(text) {
        job.append(&text[at..word.range.start], 0.0, plain.clone());
        let present = match word.kind {
            WordKind::Image => images,
            WordKind::Result => joint,
        };
        let number = word.number.unwrap_or(0) as usize;
        let format = if number == 0 || number > present {
            TextFormat {
                underline: egui::Stroke::new(1.5, palette.error),
                ..TextFormat::simple(font.clone(), palette.error)
            }
        } else {
            let (background, colour) = match word.kind {
                WordKind::Image => (palette.image(number), palette.on_accent),
                WordKind::Result => (palette.line, palette.text),
            };
            TextFormat {
                background,
                ..TextFormat::simple(font.clone(), colour)
            }
        };
        job.append(&text[word.range.clone()], 0.0, format);
        at = word.range.end;
    }
    job.append(&text[at..], 0.0, plain);
    job
}

/// What the large button does: Generate, or choosing a model where there is none.
fn begin(ui: &mut Ui, text: &str, command: Command, width: f32, out: &mut Vec<Action>) {
    let palette = Palette::of(ui);
    let size = if text.len() > 10 { 14.0 } else { 16.0 };
    let text = RichText::new(text)
        .size(size)
        .strong()
        .color(palette.on_accent);
    let button = egui::Button::new(text).fill(palette.accent);
    let response = ui.add_sized([width, 48.0], button);
    if icons::tooltip(response, command).clicked() {
        out.push(Action::Command(command));
    }
}

/// How far something is, over its buttons.
fn bar(ui: &mut Ui, share: f32, text: String, width: f32) -> egui::Response {
    let fill = Palette::of(ui).accent.gamma_multiply(0.6);
    let bar = egui::ProgressBar::new(share)
        .desired_width(width)
        .desired_height(18.0)
        .corner_radius(4)
        .text(RichText::new(text).small())
        .fill(fill);
    ui.spacing_mut().item_spacing.y = space::S;
    ui.add(bar)
}

/// How far the model is loaded, and Cancel.
fn loading(ui: &mut Ui, share: f32, what: &str, width: f32, out: &mut Vec<Action>) {
    let text = format!("Loading {:.0} %", share * 100.0);
    bar(ui, share, text, width).on_hover_text(format!("Loading {what}"));
    ui.horizontal(|ui| {
        ui.set_width(width);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let button = ui.button("Cancel");
            if button.on_hover_text("Do not load this model").clicked() {
                out.push(Action::CancelLoading);
            }
        });
    });
}

/// Generate, or the running job's progress and Cancel.
fn generate(ui: &mut Ui, session: &Session, width: f32, out: &mut Vec<Action>) {
    let Some(job) = &session.job else {
        let choose = match session.models.is_there {
            true => Command::Models,
            false => Command::OpenModel,
        };
        return match &session.model {
            ModelState::Ready(_) => begin(ui, "Generate", Command::Generate, width, out),
            ModelState::Failed(_) => begin(ui, "Choose a model…", choose, width, out),
            ModelState::Loading(share, what) => loading(ui, *share, what, width, out),
        };
    };
    let share = if job.steps == 0 {
        0.0
    } else {
        job.step as f32 / job.steps as f32
    };
    let bar = bar(ui, share, progress(job.step, job.steps, job.eta), width);
    if let Some(sent) = &job.sent {
        bar.on_hover_text(format!("Sent to the model: {sent}"));
    }
    ui.horizontal(|ui| {
        ui.set_width(width);
        ui.spacing_mut().item_spacing.x = space::S;
        ui.spacing_mut().button_padding.x = 7.0;
        let more = icons::sized(ui, Icon::Play, "Add to the queue", 26.0);
        if icons::tooltip(more, Command::Generate).clicked() {
            out.push(Action::Command(Command::Generate));
        }
        queue(ui, session, out);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let text = if job.cancelling {
                "Cancelling…"
            } else {
                "Cancel"
            };
            let button = ui.add_enabled(!job.cancelling, egui::Button::new(text));
            if icons::tooltip(button, Command::Cancel).clicked() {
                out.push(Action::Command(Command::Cancel));
            }
        });
    });
}

/// The jobs that wait, the next first.
fn queue(ui: &mut Ui, session: &Session, out: &mut Vec<Action>) {
    if session.waiting.is_empty() {
        return;
    }
    let text = format!("+{}", session.waiting.len());
    let menu = ui.menu_button(RichText::new(text).small(), |ui| {
        ui.set_width(250.0);
        ui.horizontal(|ui| {
            ui.strong("Waiting jobs");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let all = ui.button(Command::CancelAll.info().text);
                if icons::tooltip(all, Command::CancelAll).clicked() {
                    out.push(Action::Command(Command::CancelAll));
                }
            });
        });
        let last = session.waiting.len() - 1;
        for (at, job) in session.waiting.iter().enumerate() {
            ui.horizontal(|ui| {
                ui.label(&job.text);
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let name = |what: &str| format!("{what} waiting job {}", at + 1);
                    let buttons = [
                        (Icon::Close, "Cancel", true, Action::CancelJob(job.id)),
                        (
                            Icon::Down,
                            "Move down",
                            at < last,
                            Action::MoveJob(job.id, 1),
                        ),
                        (Icon::Up, "Move up", at > 0, Action::MoveJob(job.id, -1)),
                    ];
                    for (icon, what, enabled, action) in buttons {
                        let button = icons::small_button(ui, icon, &name(what), false, enabled);
                        if button.on_hover_text(what).clicked() {
                            out.push(action);
                        }
                    }
                });
            });
        }
    });
    menu.response
        .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Waiting jobs"));
    menu.response
        .on_hover_text("Jobs that wait; click to change their order");
}

/// How far the job is and how long it will take.
fn progress(step: u32, steps: u32, eta: f64) -> String {
    let left = if step < steps {
        left(steps, eta)
    } else {
        String::new()
    };
    if left.is_empty() {
        done(step, steps)
    } else {
        format!("{} · {left}", done(step, steps))
    }
}

/// How far the job is, in a few words.
fn done(step: u32, steps: u32) -> String {
    if steps == 0 {
        "Preparing…".to_owned()
    } else if step >= steps {
        // Large pictures take longer to be decoded and joined than to be denoised.
        "Finishing…".to_owned()
    } else {
        format!("{step} of {steps}")
    }
}

/// The time left, in a few words.
fn left(steps: u32, eta: f64) -> String {
    let seconds = eta.max(0.0).round() as u64;
    match seconds {
        _ if steps == 0 => String::new(),
        0..60 => format!("{seconds} s left"),
        60..3600 => format!("{} min left", seconds.div_ceil(60)),
        _ => format!("{} h left", seconds.div_ceil(3600)),
    }
}

fn tags(ui: &mut Ui, session: &Session, out: &mut Vec<Action>) {
    let palette = Palette::of(ui);
    let document = &session.document;
    let derived = document.tags().is_none();
    let current = match document.tags() {
        Some(tags) => tags.to_vec(),
        None => match document.compile() {
            Ok(compiled) => compiled.tags,
            // With a dangling word the tags are still those of the words.
            Err(_) => derive_tags(document.prompt(), &document.purposes()),
        },
    };
    ui.label(RichText::new("Context").color(palette.weak));
    for tag in &current {
        let chip = egui::Button::new(RichText::new(sentence(tag)).small()).selected(!derived);
        let tip = if derived {
            "Derived from the pictures and words; click to leave it out"
        } else {
            "Click to leave it out"
        };
        if ui.add(chip).on_hover_text(tip).clicked() {
            let rest = current.iter().filter(|t| *t != tag).cloned().collect();
            out.push(Action::Edit(Edit::SetTags(Some(rest))));
        }
    }
    let others: Vec<_> = TAGS
        .into_iter()
        .filter(|tag| !current.iter().any(|t| t == tag))
        .collect();
    if !others.is_empty() {
        ui.menu_button(RichText::new("+ tag").small(), |ui| {
            for tag in others {
                if ui.button(sentence(tag)).clicked() {
                    let mut tags = current.clone();
                    tags.push(tag.to_owned());
                    out.push(Action::Edit(Edit::SetTags(Some(tags))));
                }
            }
        });
    }
    if derived {
        ui.label(RichText::new("auto").small().color(palette.weak))
            .on_hover_text("The tags follow the pictures and the words until you change one");
    } else if ui
        .button(RichText::new("Back to auto").small())
        .on_hover_text("Derive the tags from the pictures and words again")
        .clicked()
    {
        out.push(Action::Edit(Edit::SetTags(None)));
    }
    let exact = icons::small_button(ui, Icon::Search, "Exact text", session.exact, true);
    if icons::tooltip(exact, Command::ExactText).clicked() {
        out.push(Action::Command(Command::ExactText));
    }
}

/// A tag as a line of the window.
fn sentence(tag: &str) -> String {
    let mut letters = tag.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// The window with the exact text.
pub fn exact_text(ctx: &egui::Context, session: &Session, out: &mut Vec<Action>) {
    if !session.exact {
        return;
    }
    let mut open = true;
    egui::Window::new("Exact text")
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .default_width(460.0)
        .pivot(egui::Align2::CENTER_CENTER)
        .default_pos(ctx.content_rect().center())
        .show(ctx, |ui| match session.wanted().compile() {
            Err(error) => {
                ui.colored_label(Palette::of(ui).error, error.to_string());
            }
            Ok(compiled) => {
                let asked = Asked::of(&session.wanted(), &compiled, session.seen());
                let retold = session.retells();
                // What a model that knows no IMG words is told, and the pictures in its order.
                let text = if retold {
                    sent(&asked)
                } else {
                    compiled.text.clone()
                };
                let order = match retold {
                    true => references(&asked),
                    false => (0..compiled.inputs.len()).collect(),
                };
                ui.label("The model reads");
                let shown = if text.is_empty() { "(nothing)" } else { &text };
                egui::Frame::new()
                    .fill(ui.visuals().extreme_bg_color)
                    .corner_radius(4)
                    .inner_margin(Margin::same(8))
                    .show(ui, |ui| {
                        ui.set_width(ui.available_width());
                        ui.add(egui::Label::new(RichText::new(shown).monospace()).wrap());
                    });
                ui.add_space(space::M);
                ui.label("with these pictures");
                for (k, at) in (1..).zip(order) {
                    ui.horizontal(|ui| {
                        let palette = Palette::of(ui);
                        let name = format!("IMG{}", at + 1);
                        if retold {
                            ui.label(format!("Image {k} is"));
                        }
                        chip(ui, &name, palette.image(at + 1), palette);
                        ui.label(super::slots::role_text(compiled.inputs[at]));
                    });
                }
                if retold && compiled.inputs.len() > asked.shown() {
                    ui.weak("Masks say where to paint; the model does not see them.");
                }
                ui.horizontal(|ui| {
                    let palette = Palette::of(ui);
                    for joint in 1..=compiled.joint {
                        let text = format!("RES{joint}");
                        ui.label(RichText::new(text).small().strong().color(palette.text));
                    }
                    ui.label("Result");
                });
            }
        });
    if !open {
        out.push(Action::Command(Command::ExactText));
    }
}

fn chip(ui: &mut Ui, text: &str, fill: Color32, palette: &Palette) {
    egui::Frame::new()
        .fill(fill)
        .corner_radius(4)
        .inner_margin(Margin::symmetric(6, 1))
        .show(ui, |ui| {
            let text = RichText::new(text)
                .text_style(TextStyle::Small)
                .strong()
                .color(palette.on_accent);
            ui.label(text);
        });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_inserted_apart_from_their_neighbours() {
        for (text, at, wanted) in [
            ("", 0, "IMG2"),
            ("put", 3, "put IMG2"),
            ("put ", 4, "put IMG2"),
            ("put here", 4, "put IMG2 here"),
            ("(", 1, "(IMG2"),
            ("Grüße.", 5, "Grüße IMG2."),
            ("x", 99, "x IMG2"),
        ] {
            let mut text = text.to_owned();
            let end = insert_word(&mut text, at, "IMG2");
            assert_eq!(text, wanted);
            let before: String = text.chars().take(end).collect();
            assert!(before.ends_with("IMG2"), "{before}");
        }
    }

    #[test]
    fn dangling_words_are_shown_in_the_error_colour() {
        let palette = Palette::when(true);
        let job = layout("IMG1 and IMG7", 2, 1, palette, 100.0);
        let formats: Vec<_> = job.sections.iter().map(|s| s.format.clone()).collect();
        assert_eq!(job.text, "IMG1 and IMG7");
        assert!(formats.iter().any(|f| f.background == palette.image(1)));
        assert!(formats.iter().any(|f| f.color == palette.error));
    }

    #[test]
    fn progress_is_said_in_a_few_words() {
        assert_eq!(
            (done(0, 0).as_str(), left(0, 9.0).as_str()),
            ("Preparing…", "")
        );
        assert_eq!(
            (done(3, 12).as_str(), left(12, 8.4).as_str()),
            ("3 of 12", "8 s left")
        );
        assert_eq!(left(12, 61.0), "2 min left");
        assert_eq!(progress(3, 12, 8.4), "3 of 12 · 8 s left");
        assert_eq!(progress(0, 0, 0.0), "Preparing…");
        assert_eq!(progress(12, 12, 0.0), "Finishing…");
    }
}
