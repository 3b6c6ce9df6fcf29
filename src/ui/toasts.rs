//! Short messages in a corner of the window. Errors stay until they are closed.

use eframe::egui::{self, Align2, Frame, Id, Margin, Pos2, Stroke, vec2};

use super::icons::{self, Icon};
use super::theme::{Palette, space};

/// Messages that are shown at once; older ones make room.
const SHOWN: usize = 4;
/// Seconds that a message stays that asks for nothing.
const SECONDS: f64 = 6.0;

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something was done.
    Info,
    /// Something to know.
    Warning,
    /// Something failed.
    Error,
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub struct Toast {
    /// How much it matters.
    pub kind: Kind,
    /// One sentence.
    pub text: String,
    id: u64,
    /// Whether it says why a job was refused.
    refusal: bool,
    /// When it goes away by itself; set when it is first shown.
    until: Option<f64>,
}

/// The messages, oldest first.
#[derive(Debug, Default)]
pub struct Toasts {
    list: Vec<Toast>,
    last: u64,
}

impl Toasts {
    /// Adds a message; one that is there already is not repeated.
    pub fn add(&mut self, kind: Kind, text: impl Into<String>) {
        self.push(kind, text.into(), false);
    }

    /// Says why a job was refused, until one begins.
    pub fn refuse(&mut self, why: impl Into<String>) {
        self.push(Kind::Error, why.into(), true);
    }

    /// A job was taken: why others were not is over.
    pub fn forget_refusals(&mut self) {
        self.list.retain(|toast| !toast.refusal);
    }

    fn push(&mut self, kind: Kind, text: String, refusal: bool) {
        let text = sentence(&text);
        self.list.retain(|toast| toast.text != text);
        self.last += 1;
        self.list.push(Toast {
            kind,
            text,
            id: self.last,
            refusal,
            until: None,
        });
        if self.list.len() > SHOWN {
            self.list.remove(0);
        }
    }

    /// The messages that are shown.
    pub fn list(&self) -> &[Toast] {
        &self.list
    }

    /// Draws the messages above everything else, the newest in the lower right `corner`, and removes those that
    /// are over.
    pub fn show(&mut self, ctx: &egui::Context, corner: Pos2) {
        let now = ctx.input(|input| input.time);
        for toast in &mut self.list {
            if toast.kind != Kind::Error && toast.until.is_none() {
                toast.until = Some(now + SECONDS);
                ctx.request_repaint_after_secs(SECONDS as f32 + 0.05);
            }
        }
        self.list
            .retain(|toast| toast.until.is_none_or(|until| until > now));
        let mut closed = None;
        let mut at = corner - vec2(space::L, space::L);
        for toast in self.list.iter().rev() {
            let area = egui::Area::new(Id::unique(("toast", toast.id)))
                .order(egui::Order::Foreground)
                .pivot(Align2::RIGHT_BOTTOM)
                .fixed_pos(at)
                .show(ctx, |ui| {
                    let palette = Palette::of(ui);
                    let colour = match toast.kind {
                        Kind::Info => palette.accent,
                        Kind::Warning => palette.warning,
                        Kind::Error => palette.error,
                    };
                    Frame::popup(ui.style())
                        .stroke(Stroke::new(1.0, colour))
                        .inner_margin(Margin::symmetric(12, 8))
                        .show(ui, |ui| {
                            ui.horizontal(|ui| {
                                ui.set_max_width(360.0);
                                ui.scope(|ui| {
                                    ui.set_max_width(320.0);
                                    ui.add(egui::Label::new(&toast.text).wrap());
                                });
                                let close = icons::small_button(
                                    ui,
                                    Icon::Close,
                                    "Close message",
                                    false,
                                    true,
                                );
                                if close.clicked() {
                                    closed = Some(toast.id);
                                }
                            });
                        });
                });
            at.y -= area.response.rect.height() + space::M;
        }
        if let Some(id) = closed {
            self.list.retain(|toast| toast.id != id);
        }
    }
}

/// A message as a line of the window: the first letter upper-cased, no full stop.
fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_not_repeated_and_make_room() {
        let mut toasts = Toasts::default();
        for text in ["a", "b", "a", "c", "d", "e."] {
            toasts.add(Kind::Info, text);
        }
        let texts: Vec<_> = toasts.list().iter().map(|t| t.text.as_str()).collect();
        assert_eq!(texts, ["A", "C", "D", "E"]);
    }

    #[test]
    fn refusals_are_over_when_a_job_begins() {
        let mut toasts = Toasts::default();
        toasts.add(Kind::Error, "a");
        toasts.refuse("b");
        toasts.forget_refusals();
        let texts: Vec<_> = toasts.list().iter().map(|t| t.text.as_str()).collect();
        assert_eq!(texts, ["A"]);
    }
}
