//! The outputs: live while they are made, side by side, with one zoom and pan.

use eframe::egui::{
    self, Align, Align2, Color32, CornerRadius, FontId, Layout, Rect, RichText, Role, Sense,
    Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};

use super::canvas::{keep_keys, pan, wheel};
use super::commands::Command;
use super::icons::{self, Icon};
use super::scene;
use super::state::{Action, Compare, Output, Session, Which};
use super::theme::{HANDLE, ICON_BUTTON, Palette, space};

/// Height of the row of buttons under a cell.
const BUTTONS: f32 = 26.0;
/// Height of the heading of the large grid.
const HEADER: f32 = 38.0;

fn header(ui: &mut Ui, session: &Session, out: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        let levels = session.grid && session.only.is_some();
        ui.strong(if levels {
            "The four levels, from one seed"
        } else {
            "Results"
        });
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let any = !session.outputs.is_empty();
            // Beside the heading of the narrow panel.
            let side = if ui.available_width() < 160.0 {
                ui.spacing_mut().item_spacing.x = space::S;
                24.0
            } else {
                ICON_BUTTON
            };
            if icons::command_sized(ui, Command::Grid, session.grid, any, side).clicked() {
                out.push(Action::Command(Command::Grid));
            }
            let compare = session.compare;
            for (command, chosen) in [
                (Command::Flicker, compare == Some(Compare::Flicker)),
                (Command::Difference, compare == Some(Compare::Difference)),
                (Command::Wipe, session.wipe().is_some()),
            ] {
                if icons::command_sized(ui, command, chosen, any, side).clicked() {
                    out.push(Action::Command(command));
                }
            }
            if session.grid && session.only.is_some() && ui.button("Show all results").clicked() {
                out.push(Action::Only(None));
            }
        });
    });
}

/// The panel at the side.
pub fn panel(ui: &mut Ui, session: &mut Session, out: &mut Vec<Action>) {
    header(ui, session, out);
    if session.outputs.is_empty() {
        let palette = Palette::of(ui);
        let text = "Results appear here while they are made. Press Ctrl+Enter to generate";
        ui.add(egui::Label::new(RichText::new(text).color(palette.weak)).wrap());
        return;
    }
    if session.canvas().is_some() {
        let button = egui::Button::new("Canvas").selected(session.shown.is_none());
        let wide = vec2(ui.available_width(), 0.0);
        let button = ui.add(button.min_size(wide));
        if icons::tooltip(button, Command::ShowCanvas).clicked() {
            out.push(Action::Show(None));
        }
    }
    egui::ScrollArea::vertical()
        .auto_shrink([false, false])
        // The wheel and the bar scroll; dragging is for the cells.
        .scroll_source(
            egui::scroll_area::ScrollSource::SCROLL_BAR
                | egui::scroll_area::ScrollSource::MOUSE_WHEEL,
        )
        .show(ui, |ui| {
            let width = ui.available_width();
            let columns = if width < 250.0 { 1 } else { 2 };
            let side = ((width - space::M * (columns - 1) as f32) / columns as f32).floor();
            let aspect = aspect(session);
            let height = (side / aspect).clamp(60.0, side * 1.5).round();
            for group in groups(session) {
                for row in group.chunks(columns) {
                    ui.horizontal(|ui| {
                        ui.spacing_mut().item_spacing.x = space::M;
                        for &at in row {
                            cell(ui, session, at, [side, height], out);
                        }
                    });
                }
                ui.add_space(space::S);
            }
        });
}

/// All outputs in the canvas's place.
pub fn grid(ui: &mut Ui, session: &mut Session, out: &mut Vec<Action>) {
    let rect = ui.available_rect_before_wrap();
    ui.painter()
        .rect_filled(rect, 0.0, Palette::of(ui).pasteboard);
    let top = Rect::from_min_max(rect.min, pos2(rect.right(), rect.top() + HEADER));
    ui.scope_builder(
        egui::UiBuilder::new().max_rect(top.shrink2(vec2(space::M, space::S))),
        |ui| header(ui, session, out),
    );
    let inner = rect.with_min_y(top.bottom()).shrink(space::M);
    let order: Vec<usize> = (0..session.outputs.len())
        .filter(|&at| {
            let group = session.outputs.get(at).map(|output| output.group);
            session.only.is_none() || session.only == group
        })
        .collect();
    let count = order.len().max(1);
    let aspect = aspect(session);
    let gap = space::M;
    // The number of columns with the largest cells.
    let cell_size = |columns: usize| {
        let rows = count.div_ceil(columns);
        let width = (inner.width() - gap * (columns - 1) as f32) / columns as f32;
        let height = (inner.height() - gap * (rows - 1) as f32) / rows as f32 - BUTTONS - space::S;
        (width, height, width.min(height * aspect))
    };
    let largest = (1..=count)
        .max_by(|&a, &b| cell_size(a).2.total_cmp(&cell_size(b).2))
        .unwrap_or(1);
    // Levels are compared two by two.
    let columns = if session.only.is_some() {
        count.min(2)
    } else {
        largest
    };
    let (width, height, _) = cell_size(columns);
    let size = [width.floor().max(40.0), height.floor().max(40.0)];
    ui.scope_builder(egui::UiBuilder::new().max_rect(inner), |ui| {
        for row in order.chunks(columns) {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = gap;
                for &at in row {
                    cell(ui, session, at, size, out);
                }
            });
        }
    });
    ui.allocate_rect(rect, Sense::hover());
}

/// Width by height of what the cells show.
fn aspect(session: &Session) -> f32 {
    let [width, height] = session.shown_size().unwrap_or([1, 1]);
    width as f32 / height as f32
}

/// The outputs' positions, those that were asked for last first.
fn groups(session: &Session) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (at, output) in session.outputs.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if session.outputs[group[0]].group == output.group => group.push(at),
            _ => groups.push(vec![at]),
        }
    }
    groups.reverse();
    groups
}

fn cell(ui: &mut Ui, session: &mut Session, at: usize, size: [f32; 2], out: &mut Vec<Action>) {
    let palette = Palette::of(ui);
    let output = &session.outputs[at];
    let (id, chosen) = (output.id, session.shown == Some(output.id));
    let name = format!("Result {}", output.number);
    let own = output.picture.as_ref().or(output.base.as_ref());
    let own = own.map(|picture| [picture.width(), picture.height()]);
    let size_shown = own.or_else(|| session.shown_size());
    ui.vertical(|ui| {
        ui.set_width(size[0]);
        ui.spacing_mut().item_spacing.y = 2.0;
        let (rect, response) =
            ui.allocate_exact_size(vec2(size[0], size[1]), Sense::click_and_drag());
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, chosen, &name));
        if !ui.is_rect_visible(rect) {
            return;
        }
        ui.painter()
            .rect_filled(rect, CornerRadius::same(4), palette.pasteboard);
        let points = ui.ctx().pixels_per_point();
        if let Some([width, height]) = size_shown {
            // While it fits, each picture fits its own cell, of whatever canvas it is.
            session.results_view.update(
                rect.expand(12.0),
                vec2(width as f32, height as f32),
                points,
            );
        }
        let items = scene::output(session, palette, &session.outputs[at], session.original);
        let pane = scene::pane(ui, id, rect, &session.results_view, items);
        ui.painter()
            .with_clip_rect(rect.intersect(ui.clip_rect()))
            .add(pane.shape());
        caption(ui, session, &session.outputs[at], rect);
        let (width, colour) = if chosen {
            (2.0, palette.accent)
        } else {
            (1.0, palette.line)
        };
        ui.painter().rect_stroke(
            rect,
            CornerRadius::same(4),
            Stroke::new(width, colour),
            StrokeKind::Inside,
        );
        keep_keys(ui, &response);
        if response.clicked() {
            out.push(Action::Show(Some(id)));
            if session.grid && response.double_clicked() {
                out.push(Action::Command(Command::Grid));
            }
        }
        // In the panel the wheel scrolls.
        if session.grid || ui.input(|input| input.modifiers.command) {
            wheel(ui, &response, session, rect, Which::Results, out);
        }
        pan(ui, &response, true, Which::Results, out);
        if response.double_clicked() && !session.grid {
            out.push(Action::Fit(Which::Results));
        }
        buttons(ui, &session.outputs[at], size[0], out);
    });
}

/// The number, the seed, and how far the output is.
fn caption(ui: &Ui, session: &Session, output: &Output, rect: Rect) {
    let painter = ui.painter();
    let running = output.picture.is_none();
    let mut text = output.number.to_string();
    if let Some(level) = output.level {
        text += &format!(" · {}", level.name());
    } else if !running {
        text += &format!(" · seed {}", output.seed);
    }
    if running {
        let started = session
            .job
            .as_ref()
            .filter(|job| job.id == output.job)
            .and_then(|job| job.preview.as_ref())
            .and_then(|preview| preview.preview.outputs.get(output.index as usize))
            .is_some_and(Option::is_some);
        text += if started {
            " · working"
        } else {
            " · waiting"
        };
    }
    let galley = painter.layout_no_wrap(text, FontId::proportional(11.5), HANDLE[0]);
    let at = rect.left_top() + vec2(6.0, 6.0);
    let back = Rect::from_min_size(at, galley.size()).expand2(vec2(5.0, 1.0));
    painter.rect_filled(back, 3.0, Color32::from_black_alpha(170));
    painter.galley(at, galley, HANDLE[0]);
    if output.starred {
        let icon = Rect::from_center_size(
            pos2(rect.right() - 14.0, rect.top() + 14.0),
            vec2(16.0, 16.0),
        );
        painter.circle_filled(icon.center(), 11.0, Color32::from_black_alpha(150));
        icons::paint(painter, Icon::StarFull, icon, Palette::when(true).star);
    }
    if output.saved.is_some() {
        painter.text(
            rect.right_bottom() - vec2(8.0, 6.0),
            Align2::RIGHT_BOTTOM,
            "saved",
            FontId::proportional(11.5),
            HANDLE[0],
        );
    }
}

fn buttons(ui: &mut Ui, output: &Output, width: f32, out: &mut Vec<Action>) {
    let done = output.picture.is_some();
    ui.allocate_ui(vec2(width, BUTTONS), |ui| {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            let name = |what: &str| format!("{what} result {}", output.number);
            let (icon, star) = if output.starred {
                (Icon::StarFull, "Take the star from")
            } else {
                (Icon::Star, "Star")
            };
            let star_button = icons::small_button(ui, icon, &name(star), false, true);
            if icons::tooltip(star_button, Command::StarResult).clicked() {
                out.push(Action::Star(output.id));
            }
            // A map is of use as a mask or to steer, hardly as the canvas.
            if output.map.is_some() {
                let use_map = icons::small_button(ui, Icon::Plus, &name("Use"), false, done);
                if icons::tooltip(use_map, Command::UseMap).clicked() {
                    out.push(Action::UseMap(output.id));
                }
            } else {
                let accept = icons::small_button(ui, Icon::Accept, &name("Accept"), false, done);
                if icons::tooltip(accept, Command::AcceptResult).clicked() {
                    out.push(Action::Accept(output.id));
                }
            }
            let save = icons::small_button(ui, Icon::Save, &name("Save"), false, done);
            if icons::tooltip(save, Command::SaveResult).clicked() {
                out.push(Action::Save(output.id));
            }
            let name = |what: &str| format!("{what} result {}", output.number);
            let joins = output.joining.is_some();
            let adjust = icons::small_button(ui, Icon::Feather, &name("Adjust"), false, joins);
            if icons::tooltip(adjust, Command::Adjust).clicked() {
                out.push(Action::Adjust(output.id));
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let remove = icons::small_button(ui, Icon::Trash, &name("Remove"), false, done);
                if icons::tooltip(remove, Command::RemoveResult).clicked() {
                    out.push(Action::Remove(output.id));
                }
            });
        });
    });
}
