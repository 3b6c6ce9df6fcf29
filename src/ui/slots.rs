//! The slot rail: pictures with their numbers and roles, and the masks.

use eframe::egui::{
    self, Align, Color32, CornerRadius, Frame, Layout, Margin, Rect, Response, RichText, Sense,
    Stroke, Ui, Vec2, vec2,
};

use super::commands::Command;
use super::files::Destination;
use super::icons::{self, Icon};
use super::state::{Action, Session};
use super::theme::{Palette, space};
use super::thumbs::{Thumb, Thumbs};
use crate::doc::document::{Edit, Region, Slot, Target};
use crate::doc::{ControlKind, Purpose, SlotId};

/// Side of a thumbnail in points.
const THUMB: f32 = 52.0;

/// A slot that is dragged to another place.
#[derive(Clone, Copy)]
struct Dragged(SlotId);

/// Where a drop would go, for pictures that are dragged in.
pub struct DropTarget {
    /// The area.
    pub rect: Rect,
    /// The destination.
    pub destination: Destination,
    /// What dropping there does.
    pub text: &'static str,
}

/// Draws the rail; adds what can be dropped on to `targets`.
pub fn show(
    ui: &mut Ui,
    session: &Session,
    thumbs: &mut Thumbs,
    targets: &mut Vec<DropTarget>,
    out: &mut Vec<Action>,
) {
    let palette = Palette::of(ui);
    ui.horizontal(|ui| {
        ui.strong("Pictures");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if icons::command_button(ui, Command::Paste, false, true).clicked() {
                out.push(Action::Command(Command::Paste));
            }
            if icons::command_button(ui, Command::AddPicture, false, true).clicked() {
                out.push(Action::Command(Command::AddPicture));
            }
        });
    });
    let area = egui::ScrollArea::vertical().auto_shrink([false, false]);
    area.show(ui, |ui| {
        let purposes = session.document.purposes();
        for (at, (slot, purpose)) in session.document.slots().iter().zip(&purposes).enumerate() {
            let rect = card(ui, session, slot, *purpose, at, thumbs, out);
            targets.push(DropTarget {
                rect,
                destination: Destination::Slot(slot.id),
                text: "Replace this picture",
            });
        }
        let rect = add_card(ui, session, out);
        targets.push(DropTarget {
            rect,
            destination: Destination::Auto,
            text: "Add here",
        });
        if session.document.canvas().is_some() {
            ui.add_space(space::M);
            masks(ui, session, palette, out);
        }
    });
}

/// The number of an image on its colour.
pub fn badge(ui: &mut Ui, number: usize, tip: &str) -> Response {
    let palette = Palette::of(ui);
    let text = RichText::new(format!("IMG{number}"))
        .small()
        .strong()
        .color(palette.on_accent);
    let button = egui::Button::new(text)
        .fill(palette.image(number))
        .corner_radius(CornerRadius::same(4))
        .min_size(vec2(40.0, 18.0));
    ui.scope(|ui| {
        ui.spacing_mut().button_padding = vec2(5.0, 1.0);
        ui.spacing_mut().interact_size.y = 18.0;
        ui.add(button)
    })
    .inner
    .on_hover_text(tip)
}

fn card_frame(palette: &Palette, chosen: bool) -> Frame {
    let stroke = if chosen {
        Stroke::new(1.5, palette.accent)
    } else {
        Stroke::new(1.0, palette.line)
    };
    Frame::new()
        .fill(palette.card)
        .stroke(stroke)
        .corner_radius(CornerRadius::same(6))
        .inner_margin(Margin::same(6))
}

fn card(
    ui: &mut Ui,
    session: &Session,
    slot: &Slot,
    purpose: Purpose,
    at: usize,
    thumbs: &mut Thumbs,
    out: &mut Vec<Action>,
) -> Rect {
    let palette = Palette::of(ui);
    let frame = card_frame(palette, session.slot == Some(slot.id));
    let cutting = session.cutting.contains(&Some(slot.id));
    let object = purpose == Purpose::Asset && !cutting;
    let uncut = object && !thumbs.get(ui.ctx(), &slot.picture).has_alpha;
    let drawn = frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal(|ui| {
            let picture = thumb(ui, slot, thumbs);
            if picture.clicked() {
                out.push(Action::SelectSlot(slot.id));
            }
            picture.dnd_set_drag_payload(Dragged(slot.id));
            picture.context_menu(|ui| menu(ui, session, slot, (at, uncut), out));
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing = vec2(space::S, 3.0);
                ui.horizontal(|ui| {
                    if badge(ui, at + 1, "Write this picture's word into the prompt").clicked() {
                        out.push(Action::InsertWord(format!("IMG{}", at + 1)));
                    }
                    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                        let label = format!("Remove {}", slot.name);
                        if icons::sized(ui, Icon::Close, &label, 18.0)
                            .on_hover_text("Remove this picture")
                            .clicked()
                        {
                            out.push(Action::Edit(Edit::RemoveSlot(slot.id)));
                        }
                    });
                });
                let size = format!("{}×{}", slot.picture.width(), slot.picture.height());
                let about = match &slot.source {
                    Some(source) => format!("{}\n{size} pixels\n{source}", slot.name),
                    None => format!("{}\n{size} pixels", slot.name),
                };
                let name = egui::Label::new(&slot.name).truncate();
                // Models that are told in words look at the whole picture.
                if cutting {
                    ui.horizontal(|ui| {
                        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                            let stop = ui
                                .small_button("Stop")
                                .on_hover_text("Keep the whole picture");
                            if stop.clicked() {
                                out.push(Action::StopCutting(Some(slot.id)));
                            }
                            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                                let text = RichText::new("Cutting out…").color(palette.weak);
                                ui.add(egui::Label::new(text).truncate())
                                    .on_hover_text(about);
                            });
                        });
                    });
                } else if uncut && !session.retells() {
                    ui.horizontal(|ui| {
                        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                            let cut = ui.small_button("Cut out").on_hover_text(CUT_OUT);
                            if cut.clicked() {
                                out.push(Action::CutOut(slot.id, true));
                            }
                            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                                ui.add(name).on_hover_text(about);
                            });
                        });
                    });
                } else {
                    ui.add(name).on_hover_text(about);
                }
                role(ui, slot, purpose, at, out);
            });
        });
    });
    let response = &drawn.response;
    if let Some(dragged) = response.dnd_release_payload::<Dragged>() {
        out.push(Action::Edit(Edit::MoveSlot(dragged.0, at)));
    }
    if response.dnd_hover_payload::<Dragged>().is_some() {
        ui.painter().rect_stroke(
            response.rect,
            CornerRadius::same(6),
            Stroke::new(2.0, palette.accent),
            egui::StrokeKind::Outside,
        );
    }
    response.rect
}

fn thumb(ui: &mut Ui, slot: &Slot, thumbs: &mut Thumbs) -> Response {
    let Thumb { texture, has_alpha } = thumbs.get(ui.ctx(), &slot.picture);
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(THUMB), Sense::click_and_drag());
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Select {}", slot.name))
    });
    let palette = Palette::of(ui);
    let painter = ui.painter();
    if has_alpha {
        let cell = THUMB / 6.0;
        for i in 0..36 {
            let (x, y) = ((i % 6) as f32, (i / 6) as f32);
            let at = rect.min + vec2(x, y) * cell;
            let colour = palette.checker[(i % 6 + i / 6) % 2];
            painter.rect_filled(Rect::from_min_size(at, Vec2::splat(cell)), 0.0, colour);
        }
    }
    let size = texture.size_vec2();
    let scale = (THUMB / size.x).min(THUMB / size.y);
    let inner = Rect::from_center_size(rect.center(), size * scale);
    let whole = Rect::from_min_max(egui::Pos2::ZERO, egui::pos2(1.0, 1.0));
    painter.image(texture.id(), inner, whole, Color32::WHITE);
    if response.has_focus() {
        painter.rect_stroke(
            rect,
            2.0,
            Stroke::new(2.0, palette.accent),
            egui::StrokeKind::Inside,
        );
    }
    response
        .on_hover_cursor(egui::CursorIcon::Grab)
        .on_hover_text("Drag to another place; right-click for more")
}

/// What roles are called in the window.
pub fn role_text(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Canvas => "Canvas",
        Purpose::Asset => "Object",
        Purpose::Control(ControlKind::Mask) => "Mask",
        Purpose::Control(ControlKind::Edge) => "Edges",
        Purpose::Control(ControlKind::Depth) => "Depth",
        Purpose::Control(ControlKind::Scribble) => "Scribble",
        Purpose::Control(ControlKind::Placement) => "Placement",
    }
}

const ROLES: [Purpose; 6] = [
    Purpose::Canvas,
    Purpose::Asset,
    Purpose::Control(ControlKind::Edge),
    Purpose::Control(ControlKind::Depth),
    Purpose::Control(ControlKind::Scribble),
    Purpose::Control(ControlKind::Placement),
];

/// What a role does, for tooltips.
fn role_tip(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Canvas => "The picture that is edited; its layout stays",
        Purpose::Asset => "An object to insert; the model chooses size, pose and light",
        Purpose::Control(ControlKind::Mask) => "Where to work",
        Purpose::Control(ControlKind::Edge) => "Edges to follow, bright on dark",
        Purpose::Control(ControlKind::Depth) => "Depth to follow, near is bright",
        Purpose::Control(ControlKind::Scribble) => "A rough drawing to follow",
        Purpose::Control(ControlKind::Placement) => "A rough collage of what should come out",
    }
}

fn role(ui: &mut Ui, slot: &Slot, purpose: Purpose, at: usize, out: &mut Vec<Action>) {
    let text = if slot.purpose.is_none() {
        format!("{} · auto", role_text(purpose))
    } else {
        role_text(purpose).to_owned()
    };
    // The name has to fit beside the picture.
    ui.spacing_mut().button_padding.x = 6.0;
    let combo = egui::ComboBox::from_id_salt(("role", slot.id))
        .selected_text(RichText::new(text).small())
        .width(ui.available_width())
        .truncate();
    let shown = combo.show_ui(ui, |ui| {
        let automatic = ui.selectable_label(slot.purpose.is_none(), "Auto");
        if automatic
            .on_hover_text("Chosen from the order and the words of the prompt")
            .clicked()
        {
            out.push(Action::Edit(Edit::SetPurpose(slot.id, None)));
        }
        for role in ROLES {
            let chosen = ui.selectable_label(slot.purpose == Some(role), role_text(role));
            if chosen.on_hover_text(role_tip(role)).clicked() {
                out.push(Action::Edit(Edit::SetPurpose(slot.id, Some(role))));
            }
        }
    });
    shown.response.widget_info(|| {
        let label = format!("Role of IMG{}", at + 1);
        egui::WidgetInfo::labeled(egui::Role::ComboBox, true, label)
    });
    shown.response.on_hover_text(role_tip(purpose));
}

/// What cutting out does, for tooltips.
const CUT_OUT: &str = "Take away what is around the object; undo gives it back";

fn menu(
    ui: &mut Ui,
    session: &Session,
    slot: &Slot,
    (at, uncut): (usize, bool),
    out: &mut Vec<Action>,
) {
    if ui.button("Replace…").clicked() {
        out.push(Action::Browse(Destination::Slot(slot.id)));
    }
    if ui.button("Make it the canvas").clicked() {
        let edit = Edit::SetPurpose(slot.id, Some(Purpose::Canvas));
        out.push(Action::Edit(edit));
    }
    if uncut {
        let cut = ui.button("Cut out the object").on_hover_text(CUT_OUT);
        if cut.clicked() {
            out.push(Action::CutOut(slot.id, true));
        }
    }
    ui.separator();
    if ui
        .add_enabled(at > 0, egui::Button::new("Move up"))
        .clicked()
    {
        out.push(Action::Edit(Edit::MoveSlot(slot.id, at - 1)));
    }
    let last = at + 1 == session.document.slots().len();
    if ui
        .add_enabled(!last, egui::Button::new("Move down"))
        .clicked()
    {
        out.push(Action::Edit(Edit::MoveSlot(slot.id, at + 1)));
    }
    ui.separator();
    if ui.button("Remove").clicked() {
        out.push(Action::Edit(Edit::RemoveSlot(slot.id)));
    }
}

/// The place for the next picture.
fn add_card(ui: &mut Ui, session: &Session, out: &mut Vec<Action>) -> Rect {
    let palette = Palette::of(ui);
    let text = if session.document.canvas().is_none() {
        "Add a photo"
    } else {
        "Add an object"
    };
    let size = vec2(ui.available_width(), 44.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, text));
    let colour = if response.hovered() || response.has_focus() {
        palette.accent
    } else {
        palette.weak
    };
    let r = rect.shrink(1.0);
    let outline = [
        r.left_top(),
        r.right_top(),
        r.right_bottom(),
        r.left_bottom(),
        r.left_top(),
    ];
    let painter = ui.painter();
    painter.extend(egui::Shape::dashed_line(
        &outline,
        Stroke::new(1.0, colour),
        5.0,
        4.0,
    ));
    let galley = painter.layout_no_wrap(text.to_owned(), egui::FontId::proportional(13.5), colour);
    let whole = galley.size().x + 22.0;
    let left = rect.center().x - whole / 2.0;
    let icon = Rect::from_center_size(egui::pos2(left + 7.0, rect.center().y), Vec2::splat(14.0));
    icons::paint(painter, Icon::Plus, icon, colour);
    let at = egui::pos2(left + 22.0, rect.center().y - galley.size().y / 2.0);
    painter.galley(at, galley, colour);
    if response
        .on_hover_text("Drop a picture here, paste one, or click to choose a file")
        .clicked()
    {
        out.push(Action::Browse(Destination::Auto));
    }
    rect
}

fn masks(ui: &mut Ui, session: &Session, palette: &Palette, out: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        ui.strong("Masks");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if icons::command_button(ui, Command::NewMask, false, true).clicked() {
                out.push(Action::Command(Command::NewMask));
            }
        });
    });
    if session.document.regions().is_empty() {
        ui.add(
            egui::Label::new(RichText::new("Paint on the canvas where the object goes").weak())
                .wrap(),
        );
    }
    for region in session.document.regions() {
        let number = session.document.number(Target::Region(region.id));
        mask_card(ui, session, region, number.unwrap_or(1), palette, out);
    }
}

fn mask_card(
    ui: &mut Ui,
    session: &Session,
    region: &Region,
    number: usize,
    palette: &Palette,
    out: &mut Vec<Action>,
) {
    let frame = card_frame(palette, session.region == Some(region.id));
    let builder = egui::UiBuilder::new()
        .id_salt(("mask", region.id))
        .sense(Sense::click());
    let card = ui.scope_builder(builder, |ui| {
        frame.show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing = vec2(space::S, 4.0);
            ui.horizontal(|ui| {
                if badge(ui, number, "Write this mask's word into the prompt").clicked() {
                    out.push(Action::InsertWord(format!("IMG{number}")));
                }
                let info = Command::Level(region.level).info();
                let (rect, _) = ui.allocate_exact_size(Vec2::splat(16.0), Sense::hover());
                if let Some(icon) = info.icon {
                    icons::paint(ui.painter(), icon, rect, palette.text);
                }
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let label = format!("Remove mask IMG{number}");
                    if icons::sized(ui, Icon::Close, &label, 18.0).clicked() {
                        out.push(Action::Edit(Edit::RemoveRegion(region.id)));
                    }
                });
            });
            places(ui, session, region, number, out);
        });
    });
    if card.response.clicked() {
        out.push(Action::SelectRegion(region.id));
    }
}

/// Which object a mask places.
fn places(ui: &mut Ui, session: &Session, region: &Region, number: usize, out: &mut Vec<Action>) {
    let position = |id| {
        session
            .document
            .slots()
            .iter()
            .position(|slot| slot.id == id)
    };
    let text = match region.asset.and_then(position) {
        Some(at) => format!("Places IMG{}", at + 1),
        None => "Edits by words".to_owned(),
    };
    let combo = egui::ComboBox::from_id_salt(("places", region.id))
        .selected_text(RichText::new(text).small())
        .width(ui.available_width() - 4.0)
        .truncate();
    let shown = combo.show_ui(ui, |ui| {
        if ui
            .selectable_label(region.asset.is_none(), "Edits by words")
            .clicked()
        {
            out.push(Action::Edit(Edit::SetAsset(region.id, None)));
        }
        let slots = session
            .document
            .slots()
            .iter()
            .zip(session.document.purposes());
        for (at, (slot, purpose)) in slots.enumerate() {
            if purpose == Purpose::Asset {
                let label = format!("Places IMG{} ({})", at + 1, slot.name);
                if ui
                    .selectable_label(region.asset == Some(slot.id), label)
                    .clicked()
                {
                    out.push(Action::Edit(Edit::SetAsset(region.id, Some(slot.id))));
                }
            }
        }
    });
    shown.response.widget_info(|| {
        let label = format!("What mask IMG{number} does");
        egui::WidgetInfo::labeled(egui::Role::ComboBox, true, label)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_have_different_names() {
        let names: std::collections::HashSet<_> = ROLES.map(role_text).into_iter().collect();
        assert_eq!(names.len(), ROLES.len());
    }
}
