//! The canvas: the picture with its masks, and the pointer on it.

use eframe::egui::{
    self, Align2, CursorIcon, Event, EventFilter, FontId, Id, Key, PointerButton, Pos2, Rect,
    Response, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2,
};

use super::commands::Command;
use super::context;
use super::files::Destination;
use super::regions::Regions;
use super::scene;
use super::state::{Action, Session, Which};
use super::theme::{HANDLE, Palette, space};
use super::tool::{Gesture, Input, Keys, Tool};

/// How much a step of the wheel zooms: a notch is about 50 points.
const WHEEL: f32 = 1.0 / 240.0;
/// How far from the compare handle the pointer may be to take it, in points.
const HANDLE_REACH: f32 = 9.0;

/// The name of the canvas pane on the GPU; outputs' cells have the outputs' names, which start above.
const PANE: u64 = 0;

/// Draws the canvas and reads the pointer.
pub fn show(ui: &mut Ui, session: &mut Session, regions: &Regions, out: &mut Vec<Action>) {
    let rect = ui.available_rect_before_wrap();
    let palette = Palette::of(ui);
    let response = ui.allocate_rect(rect, Sense::drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Canvas"));
    session.pane = rect;
    ui.painter().rect_filled(rect, 0.0, palette.pasteboard);
    let Some([width, height]) = session.shown_size() else {
        return empty(ui, rect, out);
    };
    let points = ui.ctx().pixels_per_point();
    let size = vec2(width as f32, height as f32);
    session.view.update(rect, size, points);

    let items = scene::canvas(session, regions, palette);
    let pane = scene::pane(ui, PANE, rect, &session.view, items);
    ui.painter().with_clip_rect(rect).add(pane.shape());

    context::draw(ui, session, rect);
    keep_keys(ui, &response);
    let wiping = wipe_handle(ui, session, rect, out);
    wheel(ui, &response, session, rect, Which::Canvas, out);
    let hand = session.tool == Tool::Hand;
    let free = !wiping && !session.machine.is_busy();
    let panned = free && pan(ui, &response, hand, Which::Canvas, out);
    // What was begun goes on and ends, whatever is under the pointer by now.
    let may_begin = !wiping && !panned;
    paint(ui, &response, session, rect, may_begin, out);
    if !wiping {
        cursor(ui, &response, session, rect);
    }
}

/// The pane that has the keyboard.
#[derive(Clone, Copy)]
struct Keyed {
    pane: Id,
    /// Whether the pointer is over it.
    over: bool,
}

fn keyed(ctx: &egui::Context) -> Option<Keyed> {
    let focused = ctx.memory(|memory| memory.focused())?;
    let keyed = ctx.data(|data| data.get_temp::<Keyed>(Id::NULL))?;
    (keyed.pane == focused).then_some(keyed)
}

/// Whether a widget with the keyboard is a pane, which leaves all keys to the commands.
pub fn is_pane(ctx: &egui::Context, widget: Id) -> bool {
    let keyed = ctx.data(|data| data.get_temp::<Keyed>(Id::NULL));
    keyed.is_some_and(|keyed| keyed.pane == widget)
}

/// Whether Tab is for the pane under the pointer.
pub fn takes_tab(ctx: &egui::Context) -> bool {
    keyed(ctx).is_some_and(|keyed| keyed.over)
}

/// While the pointer is over a pane, Tab shows the original and arrows walk the outputs. When it has gone, Tab leads
/// on to other widgets.
pub fn keep_keys(ui: &Ui, response: &Response) {
    let over = response.contains_pointer();
    let focused = ui.memory(|memory| memory.focused());
    let other = |id| id != response.id && is_pane(ui.ctx(), id);
    if over && focused.is_none_or(other) {
        response.request_focus();
    }
    // Keys have a meaning of their own for what can be clicked and was reached by Tab.
    let by_tab = response.sense.senses_click() && !is_pane(ui.ctx(), response.id);
    if !response.has_focus() || by_tab && !over {
        return;
    }
    ui.memory_mut(|memory| {
        memory.set_focus_lock_filter(
            response.id,
            EventFilter {
                tab: over,
                horizontal_arrows: true,
                vertical_arrows: true,
                escape: true,
            },
        );
    });
    let pane = response.id;
    ui.data_mut(|data| data.insert_temp(Id::NULL, Keyed { pane, over }));
}

/// The wheel zooms at the pointer; with Ctrl it changes the brush; pinching zooms.
pub fn wheel(
    ui: &Ui,
    response: &Response,
    session: &Session,
    pane: Rect,
    view: Which,
    out: &mut Vec<Action>,
) {
    let Some(at) = response.hover_pos() else {
        return;
    };
    let (scroll, pinch, ctrl) = ui.input(|input| {
        (
            input.smooth_scroll_delta().y,
            input.zoom_delta(),
            input.modifiers.command,
        )
    });
    if ctrl && view == Which::Canvas && session.tool.has_brush() {
        if pinch != 1.0 {
            let mut brush = session.brush;
            brush.size *= pinch;
            out.push(Action::Brush(brush));
        }
        return;
    }
    let by = pinch * (scroll * WHEEL).exp();
    if by != 1.0 {
        out.push(Action::Zoom { view, by, at, pane });
    }
}

/// The middle button, Space, or the hand drags the picture.
pub fn pan(ui: &Ui, response: &Response, hand: bool, view: Which, out: &mut Vec<Action>) -> bool {
    let space_held = !ui.ctx().text_edit_focused() && ui.input(|input| input.key_down(Key::Space));
    let by_hand = (hand || space_held) && response.dragged_by(PointerButton::Primary);
    let panning = by_hand || response.dragged_by(PointerButton::Middle);
    if panning && response.drag_delta() != egui::Vec2::ZERO {
        out.push(Action::Pan(view, response.drag_delta()));
    }
    if response.hovered() && (hand || space_held) {
        ui.ctx().set_cursor_icon(if panning {
            CursorIcon::Grabbing
        } else {
            CursorIcon::Grab
        });
    }
    panning || hand || space_held
}

/// Hands the pointer's events to the tool in their order, each with its own position. A slow frame holds several of
/// them: for egui a press and release in one frame are no drag, and moves after a release are none of the stroke's.
fn paint(
    ui: &Ui,
    response: &Response,
    session: &Session,
    rect: Rect,
    may_begin: bool,
    out: &mut Vec<Action>,
) {
    let points = ui.ctx().pixels_per_point();
    let to_picture = |at: Pos2| {
        let at = session.view.to_picture(at, rect, points);
        [at.x, at.y]
    };
    let begins = response.drag_started_by(PointerButton::Primary);
    let (events, down) = ui.input(|input| (input.events.clone(), input.pointer.primary_down()));
    let mut held = session.machine.is_busy();
    for event in events {
        match event {
            Event::PointerMoved(at) if held => {
                out.push(Action::Pointer(Input::Move { at: to_picture(at) }));
            }
            Event::PointerButton {
                pos,
                button: PointerButton::Primary,
                pressed: true,
                modifiers,
            } if may_begin && !held && is_on(ui, response, rect, pos, begins) => {
                held = true;
                response.request_focus();
                out.push(Action::Pointer(Input::Down {
                    at: to_picture(pos),
                    reach: context::REACH / session.view.points_per_pixel(points),
                    keys: Keys {
                        subtract: modifiers.command,
                        straight: modifiers.shift,
                        resize: modifiers.alt,
                    },
                }));
            }
            Event::PointerButton {
                pos,
                button: PointerButton::Primary,
                pressed: false,
                ..
            } if held => {
                held = false;
                let at = to_picture(pos);
                out.push(Action::Pointer(Input::Move { at }));
                out.push(Action::Pointer(Input::Up));
            }
            _ => {}
        }
    }
    // The release went elsewhere.
    if held && !down {
        out.push(Action::Pointer(Input::Up));
    }
}

/// Whether a press is the canvas's. Where the panels' edges reach over it only egui can tell, which does so for
/// presses that last longer than the frame.
fn is_on(ui: &Ui, response: &Response, rect: Rect, at: Pos2, begins: bool) -> bool {
    let edge = ui.style().interaction.resize_grab_radius_side;
    let inside =
        || rect.shrink(edge).contains(at) && ui.ctx().layer_id_at(at) == Some(response.layer_id);
    rect.contains(at) && (begins || inside())
}

/// Lets the artist drag the compare handle; whether the pointer is on it.
fn wipe_handle(ui: &Ui, session: &Session, rect: Rect, out: &mut Vec<Action>) -> bool {
    let (Some(at), true) = (session.wipe(), session.shown.is_some()) else {
        return false;
    };
    let x = rect.left() + rect.width() * at;
    let strip = Rect::from_min_max(
        pos2(x - HANDLE_REACH, rect.top()),
        pos2(x + HANDLE_REACH, rect.bottom()),
    );
    let handle = ui.interact(strip, ui.scope_id().with("wipe"), Sense::drag());
    handle.widget_info(|| WidgetInfo::labeled(Role::Slider, true, "Compare handle"));
    if handle.hovered() || handle.dragged() {
        ui.ctx().set_cursor_icon(CursorIcon::ResizeHorizontal);
    }
    if handle.dragged()
        && let Some(pointer) = handle.interact_pointer_pos()
    {
        out.push(Action::WipeTo((pointer.x - rect.left()) / rect.width()));
    }
    handle.hovered() || handle.dragged()
}

/// The brush's outline at the pointer, and what box, lasso and line are about to do.
fn cursor(ui: &Ui, response: &Response, session: &Session, rect: Rect) {
    let points = ui.ctx().pixels_per_point();
    let painter = ui.painter().with_clip_rect(rect);
    let to_window = |[x, y]: [f32; 2]| session.view.to_window(pos2(x, y), rect, points);
    let twice = |points: &[Pos2], closed: bool| {
        for (width, colour) in [(3.0, HANDLE[1]), (1.2, HANDLE[0])] {
            let stroke = Stroke::new(width, colour);
            let points = points.to_vec();
            painter.add(if closed {
                egui::Shape::closed_line(points, stroke)
            } else {
                egui::Shape::line(points, stroke)
            });
        }
    };
    match &session.machine.gesture {
        Gesture::Line(from, to, _) => twice(&[to_window(*from), to_window(*to)], false),
        Gesture::Box(a, b, _) => {
            let corners = [*a, [b[0], a[1]], *b, [a[0], b[1]]];
            twice(&corners.map(to_window), true);
        }
        Gesture::Lasso(path, _) => {
            let path: Vec<_> = path.iter().map(|&at| to_window(at)).collect();
            twice(&path, true);
        }
        Gesture::Idle | Gesture::Stroke(_) | Gesture::Resize(..) | Gesture::Drag(_) => {}
    }
    let anchor = match session.machine.gesture {
        // The circle stays where the drag began while it changes.
        Gesture::Resize(from, _) => Some(to_window(from)),
        _ => response.hover_pos(),
    };
    let Some(at) = anchor.filter(|at| rect.contains(*at)) else {
        return;
    };
    match session.tool {
        Tool::Brush | Tool::Eraser | Tool::Line => {
            let radius = session.brush.size / 2.0 * session.view.points_per_pixel(points);
            if radius < 2.0 {
                ui.ctx().set_cursor_icon(CursorIcon::Crosshair);
                return;
            }
            ui.ctx().set_cursor_icon(CursorIcon::None);
            painter.circle_stroke(at, radius, Stroke::new(2.6, HANDLE[1].gamma_multiply(0.7)));
            painter.circle_stroke(at, radius, Stroke::new(1.2, HANDLE[0]));
            let core = radius * session.brush.hardness;
            if session.brush.hardness < 0.95 && core > 3.0 {
                painter.circle_stroke(at, core, Stroke::new(1.0, HANDLE[0].gamma_multiply(0.5)));
            }
            painter.circle_filled(at, 1.6, HANDLE[1]);
            painter.circle_filled(at, 1.0, HANDLE[0]);
        }
        Tool::Box | Tool::Lasso | Tool::Fill => ui.ctx().set_cursor_icon(CursorIcon::Crosshair),
        Tool::Move => ui.ctx().set_cursor_icon(CursorIcon::Move),
        Tool::Context => {
            let anchor = response.hover_pos().unwrap_or(at);
            let icon = context::cursor(session, rect, points, anchor);
            ui.ctx().set_cursor_icon(icon);
        }
        Tool::Hand => {}
    }
}

/// Nothing is loaded yet: what to do first.
fn empty(ui: &mut Ui, rect: Rect, out: &mut Vec<Action>) {
    let palette = Palette::of(ui);
    let frame = rect.shrink(36.0);
    let outline = [
        frame.left_top(),
        frame.right_top(),
        frame.right_bottom(),
        frame.left_bottom(),
        frame.left_top(),
    ];
    ui.painter().extend(egui::Shape::dashed_line(
        &outline,
        Stroke::new(1.5, palette.weak),
        7.0,
        6.0,
    ));
    let centre = frame.center();
    let line = |y: f32, text: &str, size: f32, colour| {
        ui.painter().text(
            centre + vec2(0.0, y),
            Align2::CENTER_CENTER,
            text,
            FontId::proportional(size),
            colour,
        );
    };
    line(-70.0, "Drop a photo here", 22.0, palette.text);
    line(-40.0, "It becomes the canvas", 13.5, palette.text);
    line(
        -20.0,
        "Then drop an object and paint where it goes",
        13.5,
        palette.text,
    );
    let buttons = Rect::from_center_size(centre + vec2(0.0, 18.0), vec2(360.0, 34.0));
    ui.scope_builder(
        egui::UiBuilder::new().max_rect(buttons).layout(
            egui::Layout::left_to_right(egui::Align::Center).with_main_align(egui::Align::Center),
        ),
        |ui| {
            ui.spacing_mut().item_spacing.x = space::M;
            if ui.button("Add pictures…").clicked() {
                out.push(Action::Browse(Destination::Auto));
            }
            if ui.button("Paste picture").clicked() {
                out.push(Action::Command(Command::Paste));
            }
            if ui.button("Open the sample").clicked() {
                out.push(Action::Command(Command::OpenSample));
            }
        },
    );
}
