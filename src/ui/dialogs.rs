//! The command palette, the key sheet, and where dropped files go.

use eframe::egui::{
    self, Align, Align2, Color32, Id, Key, Layout, Modal, RichText, ScrollArea, TextEdit, Ui, vec2,
};

use super::chrome::is_enabled;
use super::commands::Command;
use super::files::Destination;
use super::icons;
use super::slots::DropTarget;
use super::state::{Action, Dropped, Session};
use super::theme::{self, Palette, space};
use crate::doc::{ControlKind, Purpose};

/// Seconds after a drop in which the pointer may show up.
const POINTER_WAIT: f64 = 0.15;

/// The commands whose name or explanation has all the typed words, names first.
pub fn found(text: &str) -> Vec<Command> {
    let wanted = text.to_lowercase();
    let wanted: Vec<_> = wanted.split_whitespace().collect();
    let mut found: Vec<_> = Command::ALL
        .into_iter()
        .filter(|command| *command != Command::Palette)
        .filter_map(|command| {
            let info = command.info();
            let (name, tip) = (info.text.to_lowercase(), info.tip.to_lowercase());
            // A word in the explanation alone counts as if it stood behind any name.
            let place = |word: &&str| {
                let in_tip = || tip.find(word).map(|at| usize::from(u8::MAX) + at);
                name.find(word).or_else(in_tip)
            };
            let at = wanted.iter().map(place).collect::<Option<Vec<_>>>()?;
            Some((at.into_iter().max().unwrap_or(0), command))
        })
        .collect();
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, command)| command).collect()
}

/// The command palette.
pub fn palette(ctx: &egui::Context, session: &Session, out: &mut Vec<Action>) {
    let Some(state) = &session.palette else {
        return;
    };
    let found = found(&state.text);
    let chosen = state.chosen.min(found.len().saturating_sub(1));
    let (up, down, enter) = ctx.input_mut(|input| {
        (
            input.consume_key(egui::Modifiers::NONE, Key::ArrowUp),
            input.consume_key(egui::Modifiers::NONE, Key::ArrowDown),
            input.consume_key(egui::Modifiers::NONE, Key::Enter),
        )
    });
    if up {
        out.push(Action::PaletteMove(-1));
    }
    if down && chosen + 1 < found.len() {
        out.push(Action::PaletteMove(1));
    }
    let mut picked = enter.then(|| found.get(chosen).copied()).flatten();
    let area =
        Modal::default_area(Id::unique("palette")).anchor(Align2::CENTER_TOP, vec2(0.0, 72.0));
    let modal = Modal::new(Id::unique("palette"))
        .frame(theme::dialog(ctx))
        .area(area)
        .show(ctx, |ui| {
            ui.set_width(440.0);
            let mut text = state.text.clone();
            let field = TextEdit::singleline(&mut text)
                .hint_text("Find a command")
                .desired_width(f32::INFINITY);
            let response = ui.add(field);
            response.request_focus();
            if response.changed() {
                out.push(Action::PaletteText(text));
            }
            ui.add_space(space::S);
            let height = (ctx.content_rect().height() - 220.0).clamp(120.0, 380.0);
            ScrollArea::vertical().max_height(height).show(ui, |ui| {
                ui.set_width(ui.available_width());
                for (at, command) in found.iter().enumerate() {
                    let row = row(ui, session, *command, at == chosen);
                    if at == chosen && (up || down) {
                        row.scroll_to_me(None);
                    }
                    if row.clicked() {
                        picked = Some(*command);
                    }
                }
                if found.is_empty() {
                    ui.label("No command has this name");
                }
            });
        });
    if let Some(command) = picked {
        out.push(Action::CloseDialogs);
        if is_enabled(session, command) {
            out.push(Action::Command(command));
        }
    } else if modal.should_close() {
        out.push(Action::CloseDialogs);
    }
}

fn row(ui: &mut Ui, session: &Session, command: Command, chosen: bool) -> egui::Response {
    let mut button = egui::Button::new(command.info().text)
        .selected(chosen)
        .frame_when_inactive(chosen)
        .min_size(vec2(ui.available_width(), 26.0));
    button = match command.key_text(ui.ctx()) {
        Some(keys) => button.shortcut_text(keys),
        None => button.shortcut_text(""),
    };
    ui.add_enabled(is_enabled(session, command), button)
}

/// The sheet of all keys.
pub fn keys(ctx: &egui::Context, session: &Session, out: &mut Vec<Action>) {
    if !session.keys {
        return;
    }
    let modal = Modal::new(Id::unique("keys"))
        .frame(theme::dialog(ctx))
        .show(ctx, |ui| {
            let room = ctx.content_rect().size();
            let width = (room.x - 80.0).min(760.0);
            ui.set_width(width);
            ui.horizontal(|ui| {
                ui.heading("Keyboard and mouse");
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if icons::button(ui, icons::Icon::Close, "Close", false, true).clicked() {
                        out.push(Action::CloseDialogs);
                    }
                });
            });
            ui.add_space(space::S);
            ScrollArea::vertical()
                .max_height(room.y - 170.0)
                .min_scrolled_height(room.y - 170.0)
                .show(ui, |ui| {
                    let rows = key_rows(ui.ctx());
                    let half = rows.len().div_ceil(2);
                    ui.spacing_mut().item_spacing.x = 36.0;
                    ui.columns(2, |columns| {
                        for (ui, rows) in columns.iter_mut().zip(rows.chunks(half)) {
                            for (what, keys) in rows {
                                ui.horizontal(|ui| {
                                    ui.label(*what);
                                    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                                        let weak = Palette::of(ui).weak;
                                        ui.label(RichText::new(keys).color(weak));
                                    });
                                });
                            }
                        }
                    });
                });
        });
    if modal.should_close() {
        out.push(Action::CloseDialogs);
    }
}

fn key_rows(ctx: &egui::Context) -> Vec<(&'static str, String)> {
    let mut rows: Vec<_> = Command::ALL
        .into_iter()
        .filter_map(|command| Some((command.info().text, command.key_text(ctx)?)))
        .collect();
    rows.extend(
        [
            ("Show the original", "hold Tab"),
            ("Move the picture", "Space or middle drag"),
            ("Zoom at the pointer", "wheel"),
            ("Brush size", "Ctrl and the wheel"),
            ("Brush size and hardness", "Alt and drag"),
            ("Straight line from the last stroke", "Shift and click"),
            ("Take away from the mask", "Ctrl and drag"),
            ("Use a tool for a moment", "hold its key"),
        ]
        .map(|(what, keys)| (what, keys.to_owned())),
    );
    rows
}

/// While files hover over the window: what can be dropped where.
pub fn hover(ctx: &egui::Context, targets: &[DropTarget]) {
    if !ctx.input(|input| !input.raw.hovered_files.is_empty()) {
        return;
    }
    let layer = egui::LayerId::new(egui::Order::Foreground, Id::unique("drop"));
    let painter = ctx.layer_painter(layer);
    let palette = Palette::when(ctx.theme() == egui::Theme::Dark);
    for target in targets {
        let rect = target.rect;
        painter.rect_filled(rect, 6.0, palette.accent.gamma_multiply(0.22));
        painter.rect_stroke(
            rect,
            6.0,
            egui::Stroke::new(2.0, palette.accent),
            egui::StrokeKind::Inside,
        );
        let galley = painter.layout_no_wrap(
            target.text.to_owned(),
            egui::FontId::proportional(13.5),
            palette.on_accent,
        );
        let back = egui::Rect::from_center_size(rect.center(), galley.size() + vec2(16.0, 8.0));
        painter.rect_filled(back, 4.0, palette.accent);
        painter.galley(
            back.center() - galley.size() / 2.0,
            galley,
            Color32::PLACEHOLDER,
        );
    }
}

/// Routes dropped files: to what is under the pointer, or after a moment by asking.
pub fn route(
    ctx: &egui::Context,
    session: &mut Session,
    targets: &[DropTarget],
    out: &mut Vec<Action>,
) {
    let Some(pending) = &mut session.pending else {
        return;
    };
    let (now, pointer) = ctx.input(|input| {
        let moved = input
            .events
            .iter()
            .any(|event| matches!(event, egui::Event::PointerMoved(_)));
        (input.time, input.pointer.latest_pos().filter(|_| moved))
    });
    if !pending.asking {
        if let Some(at) = pointer
            && let Some(target) = targets.iter().find(|target| target.rect.contains(at))
        {
            out.push(Action::Take(pending.files.clone(), target.destination));
            return;
        }
        if now - pending.since < POINTER_WAIT {
            ctx.request_repaint_after_secs(POINTER_WAIT as f32);
            return;
        }
        // Nothing to ask while there is no canvas, or for several files at once.
        if session.document.canvas().is_none() || pending.files.len() > 1 {
            out.push(Action::Take(pending.files.clone(), Destination::Auto));
            return;
        }
        pending.asking = true;
    }
    let files = pending.files.clone();
    ask(ctx, session, &files, out);
}

fn ask(ctx: &egui::Context, session: &Session, files: &[Dropped], out: &mut Vec<Action>) {
    let modal = Modal::new(Id::unique("where"))
        .frame(theme::dialog(ctx))
        .show(ctx, |ui| {
            ui.set_width(260.0);
            ui.heading("Where should this go?");
            ui.add_space(space::S);
            let mut choices = vec![
                ("New object", Destination::As(Purpose::Asset)),
                ("Replace the canvas", Destination::As(Purpose::Canvas)),
                ("Mask", Destination::Mask),
                (
                    "Depth map",
                    Destination::As(Purpose::Control(ControlKind::Depth)),
                ),
                (
                    "Edges",
                    Destination::As(Purpose::Control(ControlKind::Edge)),
                ),
                (
                    "Scribble",
                    Destination::As(Purpose::Control(ControlKind::Scribble)),
                ),
            ];
            if let Some(slot) = session.slot {
                choices.insert(1, ("Replace the chosen picture", Destination::Slot(slot)));
            }
            for (text, destination) in choices {
                let button = egui::Button::new(text).min_size(vec2(ui.available_width(), 28.0));
                if ui.add(button).clicked() {
                    out.push(Action::Take(files.to_vec(), destination));
                }
            }
            ui.add_space(space::S);
            if ui.button("Do nothing").clicked() {
                out.push(Action::CloseDialogs);
            }
        });
    if modal.should_close() {
        out.push(Action::CloseDialogs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_palette_finds_by_words_in_any_order() {
        assert_eq!(found("gen")[0], Command::Generate);
        assert_eq!(found("mask inv"), [Command::InvertMask]);
        assert!(found("no such thing").is_empty());
        // What only explanations speak of.
        assert_eq!(found("theme"), [Command::Theme]);
        assert_eq!(found("").len(), Command::ALL.len() - 1);
    }
}
