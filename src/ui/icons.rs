//! Icons, drawn with lines on a grid of 16 × 16, so that they are sharp at every scale and take the theme's
//! colours; and the buttons that show them.

use eframe::egui::{
    self, Color32, Painter, Pos2, Rect, Response, Role, Sense, Shape, Stroke, Ui, Vec2, WidgetInfo,
};

use super::commands::Command;
use super::theme::{ICON_BUTTON, Palette};

/// A picture of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Icon {
    Brush,
    Eraser,
    Line,
    Box,
    Lasso,
    Fill,
    Hand,
    Move,
    Context,
    Difference,
    Flicker,
    Levels,
    Invert,
    Grow,
    Shrink,
    Feather,
    Clear,
    LevelExact,
    LevelOutline,
    LevelBlob,
    LevelBox,
    Dice,
    Star,
    StarFull,
    Save,
    Accept,
    Wipe,
    Close,
    Plus,
    Undo,
    Redo,
    Theme,
    Eye,
    Paste,
    Folder,
    Grid,
    Play,
    Stop,
    Trash,
    Up,
    Down,
    Fit,
    Search,
    Picture,
}

struct Pen<'a> {
    painter: &'a Painter,
    rect: Rect,
    stroke: Stroke,
}

impl Pen<'_> {
    fn at(&self, x: f32, y: f32) -> Pos2 {
        self.rect.min + Vec2::new(x, y) * self.rect.width() / 16.0
    }

    fn line(&self, points: &[(f32, f32)]) {
        let points = points.iter().map(|&(x, y)| self.at(x, y)).collect();
        self.painter.add(Shape::line(points, self.stroke));
    }

    fn closed(&self, points: &[(f32, f32)]) {
        let points = points.iter().map(|&(x, y)| self.at(x, y)).collect();
        self.painter.add(Shape::closed_line(points, self.stroke));
    }

    fn dashed(&self, points: &[(f32, f32)]) {
        let points: Vec<_> = points.iter().map(|&(x, y)| self.at(x, y)).collect();
        let unit = self.rect.width() / 16.0;
        self.painter.extend(Shape::dashed_line(
            &points,
            self.stroke,
            2.0 * unit,
            1.6 * unit,
        ));
    }

    /// A convex polygon.
    fn solid(&self, points: &[(f32, f32)]) {
        let points = points.iter().map(|&(x, y)| self.at(x, y)).collect();
        self.painter.add(Shape::convex_polygon(
            points,
            self.stroke.color,
            Stroke::NONE,
        ));
    }

    fn circle(&self, x: f32, y: f32, radius: f32) {
        let radius = radius * self.rect.width() / 16.0;
        self.painter
            .circle_stroke(self.at(x, y), radius, self.stroke);
    }

    fn dot(&self, x: f32, y: f32, radius: f32) {
        let radius = radius * self.rect.width() / 16.0;
        self.painter
            .circle_filled(self.at(x, y), radius, self.stroke.color);
    }

    fn rect(&self, x0: f32, y0: f32, x1: f32, y1: f32) {
        self.closed(&[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]);
    }
}

/// A vase: the object that the level icons are about.
const VASE: [(f32, f32); 12] = [
    (6.4, 3.0),
    (9.6, 3.0),
    (9.2, 5.4),
    (10.8, 7.4),
    (11.0, 9.6),
    (9.8, 12.0),
    (9.0, 13.0),
    (7.0, 13.0),
    (6.2, 12.0),
    (5.0, 9.6),
    (5.2, 7.4),
    (6.8, 5.4),
];

fn star(scale: f32) -> Vec<(f32, f32)> {
    (0..10)
        .map(|i| {
            let angle = std::f32::consts::PI * (i as f32 / 5.0 - 0.5);
            let radius = if i % 2 == 0 { 6.4 } else { 2.8 } * scale;
            (8.0 + radius * angle.cos(), 8.4 + radius * angle.sin())
        })
        .collect()
}

/// Draws an icon into a square.
pub fn paint(painter: &Painter, icon: Icon, rect: Rect, colour: Color32) {
    let side = rect.width().min(rect.height());
    let rect = Rect::from_center_size(rect.center(), Vec2::splat(side));
    let pen = Pen {
        painter,
        rect,
        stroke: Stroke::new((side / 16.0 * 1.35).max(1.0), colour),
    };
    match icon {
        Icon::Brush => {
            pen.line(&[(13.5, 2.5), (7.5, 8.5)]);
            pen.line(&[(14.0, 4.0), (8.8, 9.8)]);
            pen.closed(&[
                (7.2, 8.6),
                (8.6, 10.0),
                (7.8, 12.4),
                (5.0, 13.6),
                (2.4, 13.4),
                (4.0, 12.0),
                (4.6, 9.8),
            ]);
        }
        Icon::Eraser => {
            pen.closed(&[
                (9.0, 2.6),
                (13.6, 7.2),
                (7.4, 13.4),
                (5.2, 13.4),
                (2.4, 10.4),
                (2.4, 9.2),
            ]);
            pen.line(&[(5.8, 5.8), (10.4, 10.4)]);
            pen.line(&[(7.4, 13.4), (13.5, 13.4)]);
        }
        Icon::Line => {
            pen.line(&[(3.6, 12.4), (12.4, 3.6)]);
            pen.dot(3.4, 12.6, 1.7);
            pen.dot(12.6, 3.4, 1.7);
        }
        Icon::Box => {
            for side in [
                [(2.5, 3.5), (13.5, 3.5)],
                [(13.5, 3.5), (13.5, 12.5)],
                [(13.5, 12.5), (2.5, 12.5)],
                [(2.5, 12.5), (2.5, 3.5)],
            ] {
                pen.dashed(&side);
            }
        }
        Icon::Lasso => {
            let loop_: Vec<_> = (0..=20)
                .map(|i| {
                    let a = i as f32 / 20.0 * std::f32::consts::TAU;
                    (8.0 + 5.6 * a.cos(), 6.2 + 3.6 * a.sin())
                })
                .collect();
            pen.line(&loop_);
            pen.line(&[(5.2, 9.4), (4.2, 10.6), (5.0, 12.0), (4.4, 13.6)]);
        }
        Icon::Fill => {
            pen.closed(&[(7.4, 2.8), (12.4, 7.8), (7.2, 13.0), (2.2, 8.0)]);
            pen.line(&[(2.4, 8.0), (12.2, 8.0)]);
            pen.line(&[(7.4, 2.8), (6.0, 1.4)]);
            pen.solid(&[(13.6, 9.4), (14.8, 12.0), (13.6, 13.4), (12.4, 12.0)]);
        }
        Icon::Hand => {
            // Four fingers, the palm and the thumb.
            pen.line(&[(5.0, 9.2), (5.0, 4.2)]);
            pen.line(&[(7.4, 8.0), (7.4, 2.6)]);
            pen.line(&[(9.8, 8.0), (9.8, 3.0)]);
            pen.line(&[(12.2, 8.8), (12.2, 4.8)]);
            pen.line(&[
                (5.0, 9.2),
                (2.8, 8.0),
                (2.2, 9.0),
                (5.6, 13.8),
                (10.8, 13.8),
                (12.2, 11.6),
                (12.2, 8.8),
            ]);
        }
        Icon::Context => {
            // Two corners that cross, as on a crop frame.
            pen.line(&[(4.6, 1.6), (4.6, 11.4), (14.4, 11.4)]);
            pen.line(&[(1.6, 4.6), (11.4, 4.6), (11.4, 14.4)]);
        }
        Icon::Difference => {
            pen.circle(6.0, 8.0, 4.2);
            pen.circle(10.0, 8.0, 4.2);
            pen.solid(&[(8.0, 4.3), (9.9, 8.0), (8.0, 11.7), (6.1, 8.0)]);
        }
        Icon::Flicker => {
            pen.line(&[(2.4, 6.0), (12.6, 6.0), (10.0, 3.4)]);
            pen.line(&[(13.6, 10.0), (3.4, 10.0), (6.0, 12.6)]);
        }
        Icon::Levels => {
            pen.rect(2.2, 2.2, 7.0, 7.0);
            pen.rect(9.0, 2.2, 13.8, 7.0);
            pen.rect(2.2, 9.0, 7.0, 13.8);
            pen.circle(11.4, 11.4, 2.4);
        }
        Icon::Move => {
            pen.line(&[(8.0, 2.0), (8.0, 14.0)]);
            pen.line(&[(2.0, 8.0), (14.0, 8.0)]);
            pen.line(&[(6.2, 3.8), (8.0, 2.0), (9.8, 3.8)]);
            pen.line(&[(6.2, 12.2), (8.0, 14.0), (9.8, 12.2)]);
            pen.line(&[(3.8, 6.2), (2.0, 8.0), (3.8, 9.8)]);
            pen.line(&[(12.2, 6.2), (14.0, 8.0), (12.2, 9.8)]);
        }
        Icon::Invert => {
            pen.circle(8.0, 8.0, 5.5);
            let half: Vec<_> = (0..=16)
                .map(|i| {
                    let a = std::f32::consts::PI * (i as f32 / 16.0 - 0.5);
                    (8.0 + 5.5 * a.cos(), 8.0 + 5.5 * a.sin())
                })
                .collect();
            pen.solid(&half);
        }
        Icon::Grow | Icon::Shrink => {
            pen.circle(8.0, 8.0, 2.2);
            let outer = [
                [(8.0, 4.4), (8.0, 1.4)],
                [(8.0, 11.6), (8.0, 14.6)],
                [(4.4, 8.0), (1.4, 8.0)],
                [(11.6, 8.0), (14.6, 8.0)],
            ];
            for [(ax, ay), (bx, by)] in outer {
                pen.line(&[(ax, ay), (bx, by)]);
                let (tip, back) = if icon == Icon::Grow {
                    ((bx, by), (ax, ay))
                } else {
                    ((ax, ay), (bx, by))
                };
                let (dx, dy) = ((tip.0 - back.0) / 3.0, (tip.1 - back.1) / 3.0);
                let wing = |side: f32| {
                    (
                        tip.0 - 1.5 * dx + 1.5 * side * dy,
                        tip.1 - 1.5 * dy + 1.5 * side * dx,
                    )
                };
                pen.line(&[wing(1.0), tip, wing(-1.0)]);
            }
        }
        Icon::Feather => {
            pen.circle(8.0, 8.0, 2.0);
            for (radius, alpha) in [(4.2, 0.6), (6.4, 0.3)] {
                let pen = Pen {
                    stroke: Stroke::new(pen.stroke.width, colour.gamma_multiply(alpha)),
                    ..pen
                };
                pen.circle(8.0, 8.0, radius);
            }
        }
        Icon::Clear => {
            for side in [
                [(2.5, 2.5), (13.5, 2.5)],
                [(13.5, 2.5), (13.5, 13.5)],
                [(13.5, 13.5), (2.5, 13.5)],
                [(2.5, 13.5), (2.5, 2.5)],
            ] {
                pen.dashed(&side);
            }
            pen.line(&[(5.5, 5.5), (10.5, 10.5)]);
            pen.line(&[(10.5, 5.5), (5.5, 10.5)]);
        }
        Icon::LevelExact => {
            // Filled in convex parts.
            pen.solid(&[VASE[0], VASE[1], VASE[2], VASE[11]]);
            pen.solid(&VASE[2..]);
        }
        Icon::LevelOutline => {
            pen.closed(&VASE);
            let wide: Vec<_> = VASE
                .iter()
                .map(|&(x, y)| (8.0 + (x - 8.0) * 1.55, 8.0 + (y - 8.0) * 1.28))
                .collect();
            let pen = Pen {
                stroke: Stroke::new(pen.stroke.width, colour.gamma_multiply(0.55)),
                ..pen
            };
            pen.closed(&wide);
        }
        Icon::LevelBlob => {
            pen.closed(&[
                (8.4, 1.8),
                (11.4, 3.2),
                (12.6, 6.4),
                (14.0, 9.4),
                (12.2, 13.0),
                (8.8, 14.2),
                (5.0, 13.6),
                (2.4, 10.6),
                (3.2, 6.8),
                (4.6, 3.4),
            ]);
            let vase: Vec<_> = VASE
                .iter()
                .map(|&(x, y)| (8.0 + (x - 8.0) * 0.62, 8.4 + (y - 8.0) * 0.62))
                .collect();
            pen.solid(&[vase[0], vase[1], vase[2], vase[11]]);
            pen.solid(&vase[2..]);
        }
        Icon::LevelBox => {
            pen.rect(2.0, 2.0, 14.0, 14.0);
            let vase: Vec<_> = VASE
                .iter()
                .map(|&(x, y)| (8.0 + (x - 8.0) * 0.7, 8.0 + (y - 8.0) * 0.7))
                .collect();
            pen.solid(&[vase[0], vase[1], vase[2], vase[11]]);
            pen.solid(&vase[2..]);
        }
        Icon::Dice => {
            pen.rect(2.8, 2.8, 13.2, 13.2);
            for (x, y) in [
                (5.6, 5.6),
                (10.4, 5.6),
                (8.0, 8.0),
                (5.6, 10.4),
                (10.4, 10.4),
            ] {
                pen.dot(x, y, 1.1);
            }
        }
        Icon::Star => pen.closed(&star(1.0)),
        Icon::StarFull => {
            let points = star(1.05);
            for i in (0..10).step_by(2) {
                pen.solid(&[points[(i + 9) % 10], points[i], points[i + 1], (8.0, 8.4)]);
            }
        }
        Icon::Save => {
            pen.line(&[(8.0, 2.0), (8.0, 10.0)]);
            pen.line(&[(4.8, 7.0), (8.0, 10.2), (11.2, 7.0)]);
            pen.line(&[(2.5, 10.5), (2.5, 13.5), (13.5, 13.5), (13.5, 10.5)]);
        }
        Icon::Accept => pen.line(&[(2.8, 8.6), (6.4, 12.2), (13.4, 4.2)]),
        Icon::Wipe => {
            pen.rect(2.0, 3.5, 14.0, 12.5);
            pen.line(&[(8.0, 1.4), (8.0, 14.6)]);
            pen.solid(&[(8.0, 3.5), (14.0, 3.5), (14.0, 12.5), (8.0, 12.5)]);
        }
        Icon::Close => {
            pen.line(&[(4.0, 4.0), (12.0, 12.0)]);
            pen.line(&[(12.0, 4.0), (4.0, 12.0)]);
        }
        Icon::Plus => {
            pen.line(&[(8.0, 3.0), (8.0, 13.0)]);
            pen.line(&[(3.0, 8.0), (13.0, 8.0)]);
        }
        Icon::Undo | Icon::Redo => {
            let mirror = |x: f32| if icon == Icon::Undo { x } else { 16.0 - x };
            let arc: Vec<_> = (0..=12)
                .map(|i| {
                    let a = std::f32::consts::PI * (i as f32 / 12.0 - 0.5);
                    (mirror(9.0 + 4.0 * a.cos()), 9.2 + 4.0 * a.sin())
                })
                .collect();
            pen.line(&arc);
            pen.line(&[(mirror(9.0), 5.2), (mirror(3.0), 5.2)]);
            pen.line(&[(mirror(5.6), 2.6), (mirror(3.0), 5.2), (mirror(5.6), 7.8)]);
            pen.line(&[(mirror(9.0), 13.2), (mirror(5.0), 13.2)]);
        }
        Icon::Theme => {
            pen.circle(8.0, 8.0, 3.0);
            for i in 0..8 {
                let a = i as f32 / 8.0 * std::f32::consts::TAU;
                pen.line(&[
                    (8.0 + 4.8 * a.cos(), 8.0 + 4.8 * a.sin()),
                    (8.0 + 6.6 * a.cos(), 8.0 + 6.6 * a.sin()),
                ]);
            }
        }
        Icon::Eye => {
            pen.closed(&[
                (1.6, 8.0),
                (4.0, 5.2),
                (8.0, 3.8),
                (12.0, 5.2),
                (14.4, 8.0),
                (12.0, 10.8),
                (8.0, 12.2),
                (4.0, 10.8),
            ]);
            pen.dot(8.0, 8.0, 2.1);
        }
        Icon::Paste => {
            pen.rect(3.0, 3.4, 13.0, 14.0);
            pen.solid(&[(5.6, 1.8), (10.4, 1.8), (10.4, 4.8), (5.6, 4.8)]);
            pen.line(&[(5.6, 8.0), (10.4, 8.0)]);
            pen.line(&[(5.6, 11.0), (9.0, 11.0)]);
        }
        Icon::Folder => pen.closed(&[
            (1.8, 13.0),
            (1.8, 3.4),
            (6.2, 3.4),
            (7.8, 5.4),
            (14.2, 5.4),
            (14.2, 13.0),
        ]),
        Icon::Grid => {
            pen.rect(2.2, 2.2, 7.0, 7.0);
            pen.rect(9.0, 2.2, 13.8, 7.0);
            pen.rect(2.2, 9.0, 7.0, 13.8);
            pen.rect(9.0, 9.0, 13.8, 13.8);
        }
        Icon::Play => pen.solid(&[(4.6, 2.8), (13.2, 8.0), (4.6, 13.2)]),
        Icon::Stop => pen.solid(&[(4.0, 4.0), (12.0, 4.0), (12.0, 12.0), (4.0, 12.0)]),
        Icon::Trash => {
            pen.line(&[(2.6, 4.4), (13.4, 4.4)]);
            pen.line(&[(6.0, 4.2), (6.0, 2.4), (10.0, 2.4), (10.0, 4.2)]);
            pen.line(&[(4.0, 4.6), (4.8, 13.6), (11.2, 13.6), (12.0, 4.6)]);
        }
        Icon::Up => pen.line(&[(3.6, 10.4), (8.0, 5.8), (12.4, 10.4)]),
        Icon::Down => pen.line(&[(3.6, 5.8), (8.0, 10.4), (12.4, 5.8)]),
        Icon::Fit => {
            pen.line(&[(2.4, 5.8), (2.4, 2.4), (5.8, 2.4)]);
            pen.line(&[(10.2, 2.4), (13.6, 2.4), (13.6, 5.8)]);
            pen.line(&[(13.6, 10.2), (13.6, 13.6), (10.2, 13.6)]);
            pen.line(&[(5.8, 13.6), (2.4, 13.6), (2.4, 10.2)]);
        }
        Icon::Search => {
            pen.circle(6.8, 6.8, 4.3);
            pen.line(&[(10.0, 10.0), (14.0, 14.0)]);
        }
        Icon::Picture => {
            pen.rect(2.0, 3.0, 14.0, 13.0);
            pen.line(&[
                (2.4, 11.4),
                (6.4, 7.4),
                (9.4, 10.4),
                (11.2, 8.8),
                (13.8, 11.2),
            ]);
            pen.circle(11.0, 5.8, 1.1);
        }
    }
}

/// A button with an icon only; `label` is its name for screen readers and the first line of its tooltip.
pub fn button(ui: &mut Ui, icon: Icon, label: &str, chosen: bool, enabled: bool) -> Response {
    sized_button(ui, icon, label, chosen, enabled, ICON_BUTTON)
}

/// A smaller [`button`], for cards.
pub fn small_button(ui: &mut Ui, icon: Icon, label: &str, chosen: bool, enabled: bool) -> Response {
    sized_button(ui, icon, label, chosen, enabled, 24.0)
}

/// A [`button`] of any size that is never chosen and always enabled.
pub fn sized(ui: &mut Ui, icon: Icon, label: &str, side: f32) -> Response {
    sized_button(ui, icon, label, false, true, side)
}

fn sized_button(
    ui: &mut Ui,
    icon: Icon,
    label: &str,
    chosen: bool,
    enabled: bool,
    side: f32,
) -> Response {
    ui.add_enabled_ui(enabled, |ui| {
        let (rect, response) = ui.allocate_exact_size(Vec2::splat(side), Sense::click());
        response.widget_info(|| WidgetInfo::selected(Role::Button, ui.is_enabled(), chosen, label));
        if ui.is_rect_visible(rect) {
            let palette = Palette::of(ui);
            let visuals = ui.style().interact(&response);
            let (fill, colour) = if chosen {
                (palette.accent, palette.on_accent)
            } else if response.hovered() || response.has_focus() {
                (visuals.weak_bg_fill, visuals.fg_stroke.color)
            } else {
                (Color32::TRANSPARENT, visuals.fg_stroke.color)
            };
            ui.painter().rect_filled(rect, visuals.corner_radius, fill);
            if response.has_focus() {
                ui.painter().rect_stroke(
                    rect,
                    visuals.corner_radius,
                    Stroke::new(1.5, palette.accent),
                    egui::StrokeKind::Inside,
                );
            }
            let inner = Rect::from_center_size(rect.center(), Vec2::splat((side * 0.56).round()));
            paint(ui.painter(), icon, inner, colour);
        }
        response
    })
    .inner
}

/// A command's icon button, with its words and key as tooltip.
pub fn command_button(ui: &mut Ui, command: Command, chosen: bool, enabled: bool) -> Response {
    command_sized(ui, command, chosen, enabled, ICON_BUTTON)
}

/// A [`command_button`] of any size.
pub fn command_sized(
    ui: &mut Ui,
    command: Command,
    chosen: bool,
    enabled: bool,
    side: f32,
) -> Response {
    let info = command.info();
    let icon = info.icon.unwrap_or(Icon::Picture);
    let response = sized_button(ui, icon, info.text, chosen, enabled, side);
    tooltip(response, command)
}

/// The tooltip of a command: name, key, what it does.
pub fn tooltip(response: Response, command: Command) -> Response {
    let show = move |ui: &mut Ui| {
        let info = command.info();
        ui.horizontal(|ui| {
            ui.strong(info.text);
            if let Some(keys) = command.key_text(ui.ctx()) {
                ui.weak(keys);
            }
        });
        ui.label(info.tip);
    };
    response.on_hover_ui(show).on_disabled_hover_ui(show)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_are_centred() {
        let points = star(1.0);
        let sum = points
            .iter()
            .fold((0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1));
        assert!((sum.0 / 10.0 - 8.0).abs() < 1e-3);
        assert_eq!(points.len(), 10);
    }
}
