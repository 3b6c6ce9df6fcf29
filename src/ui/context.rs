//! The context rectangle: the part of the canvas that the model sees, how large the object is there, and dragging
//! it.

use eframe::egui::{self, Align2, Color32, CursorIcon, FontId, Pos2, Rect, Stroke, pos2, vec2};

use super::regions::Regions;
use super::state::{Context, ModelState, Session};
use super::theme::HANDLE;
use super::tool::Tool;
use crate::engine::Frame;
use crate::pipeline::event::CropRect;

/// The least side of a rectangle that is drawn, in canvas pixels.
const LEAST: u32 = 16;
/// How far from a side the pointer may be to take it, in points.
pub const REACH: f32 = 8.0;

/// What of the rectangle is dragged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grab {
    /// All of it.
    Inside,
    /// Some sides: left, top, right, bottom.
    Sides([bool; 4]),
    /// A new one is drawn.
    New,
}

/// The rectangle while it is dragged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CropDrag {
    grab: Grab,
    start: [u32; 4],
    canvas: [u32; 2],
    /// The rectangle as it would be now: left, top, width, height.
    pub now: Option<[u32; 4]>,
}

/// What a pointer takes hold of, all in canvas pixels.
pub fn grab(crop: [u32; 4], at: [f32; 2], reach: f32) -> Grab {
    let [x, y, width, height] = crop.map(|v| v as f32);
    let near = |line: f32, at: f32| (at - line).abs() <= reach;
    let along = |low: f32, length: f32, at: f32| at >= low - reach && at <= low + length + reach;
    let (across, down) = (along(x, width, at[0]), along(y, height, at[1]));
    let sides = [
        down && near(x, at[0]),
        across && near(y, at[1]),
        down && near(x + width, at[0]),
        across && near(y + height, at[1]),
    ];
    if sides != [false; 4] {
        // Of a very small rectangle one of two opposite sides is enough.
        let [left, top, right, bottom] = sides;
        return Grab::Sides([left && !right, top && !bottom, right, bottom]);
    }
    if across && down {
        Grab::Inside
    } else {
        Grab::New
    }
}

impl CropDrag {
    /// The button goes down at `at`.
    pub fn begin(crop: Option<[u32; 4]>, at: [f32; 2], reach: f32, canvas: [u32; 2]) -> Self {
        Self {
            grab: crop.map_or(Grab::New, |crop| grab(crop, at, reach)),
            start: crop.unwrap_or([0, 0, canvas[0], canvas[1]]),
            canvas,
            now: crop,
        }
    }

    /// The pointer went from where the button went down to `to`.
    pub fn pull(&mut self, from: [f32; 2], to: [f32; 2]) {
        let axis = |i: usize| -> Option<(u32, u32)> {
            let side = i64::from(self.canvas[i]);
            let least = i64::from(LEAST).min(side);
            let (low, length) = (i64::from(self.start[i]), i64::from(self.start[i + 2]));
            let by = (to[i] - from[i]).round() as i64;
            let (low, high) = match self.grab {
                Grab::Inside => {
                    let low = (low + by).clamp(0, side - length);
                    (low, low + length)
                }
                Grab::Sides(sides) => {
                    let mut high = low + length;
                    let mut low = low;
                    if sides[i] {
                        low = (low + by).clamp(0, (high - least).max(0));
                    }
                    if sides[i + 2] {
                        high = (high + by).clamp((low + least).min(side), side);
                    }
                    (low, high)
                }
                Grab::New => {
                    let inside = |v: f32| (v.round() as i64).clamp(0, side);
                    let (a, b) = (inside(from[i]), inside(to[i]));
                    (a.min(b), a.max(b))
                }
            };
            let wide = high - low >= least;
            wide.then_some((low as u32, (high - low) as u32))
        };
        if let (Some((x, width)), Some((y, height))) = (axis(0), axis(1)) {
            self.now = Some([x, y, width, height]);
        }
    }
}

impl Session {
    /// Works out what the model sees of the canvas.
    pub fn find_context(&mut self, regions: &Regions) {
        self.context = self.context_of(regions);
    }

    fn context_of(&self, regions: &Regions) -> Option<Context> {
        let canvas = self.canvas()?;
        let ModelState::Ready(model) = &self.model else {
            return None;
        };
        let (width, height) = (canvas.width(), canvas.height());
        let dragged = self.crop_drag.and_then(|drag| drag.now);
        let drawn = dragged.or(self.document.settings().crop);
        let fixed = |[x, y, width, height]: [u32; 4]| {
            let crop = CropRect {
                x,
                y,
                width,
                height,
            };
            Frame::fixed(crop, model.resolution, model.multiple)
        };
        let frame = match drawn {
            Some(crop) => fixed(crop),
            None if self.document.regions().is_empty() => fixed([0, 0, width, height]),
            None => {
                let bounds = self.document.regions().iter().filter_map(|region| {
                    let answer = regions.get(region.id)?;
                    let size = [answer.plane.width(), answer.plane.height()];
                    answer.bounds.filter(|_| size == [width, height])
                });
                let [x0, y0, x1, y1] = bounds.reduce(|a, b| {
                    [
                        a[0].min(b[0]),
                        a[1].min(b[1]),
                        a[2].max(b[2]),
                        a[3].max(b[3]),
                    ]
                })?;
                Frame::around(
                    (width, height),
                    (x0, y0, x1, y1),
                    model.resolution,
                    model.multiple,
                )
            }
        };
        let crop = frame.crop;
        Some(Context {
            crop: [crop.x, crop.y, crop.width, crop.height],
            scale: frame.scale(),
            drawn: drawn.is_some(),
        })
    }
}

/// How large the object is for the model, in words.
pub fn scale_text(scale: f64) -> String {
    let digits = match scale {
        ..1.0 => 2,
        1.0..10.0 => 1,
        _ => 0,
    };
    format!("Object at {scale:.digits$}×")
}

/// Draws the rectangle over the canvas: with handles for its tool, else only if the artist drew it.
pub fn draw(ui: &egui::Ui, session: &Session, pane: Rect) {
    let Some(context) = session.context else {
        return;
    };
    let edited = session.tool == Tool::Context;
    let finished = session.shown().is_some_and(|o| o.picture.is_some());
    if !edited && (!context.drawn || finished || session.original) {
        return;
    }
    let points = ui.ctx().pixels_per_point();
    let [x, y, width, height] = context.crop.map(|v| v as f32);
    let corner = |x, y| session.view.to_window(pos2(x, y), pane, points);
    let rect = Rect::from_min_max(corner(x, y), corner(x + width, y + height));
    let painter = ui.painter().with_clip_rect(pane);
    let outline = [
        rect.left_top(),
        rect.right_top(),
        rect.right_bottom(),
        rect.left_bottom(),
        rect.left_top(),
    ];
    if !edited {
        painter.extend(egui::Shape::dashed_line(
            &outline,
            Stroke::new(1.0, HANDLE[0].gamma_multiply(0.8)),
            4.0,
            6.0,
        ));
        return;
    }
    let shade = Color32::from_black_alpha(120);
    let picture = session.shown_size().map_or(rect, |[w, h]| {
        Rect::from_min_max(corner(0.0, 0.0), corner(w as f32, h as f32))
    });
    for part in [
        Rect::from_min_max(picture.min, pos2(picture.right(), rect.top())),
        Rect::from_min_max(pos2(picture.left(), rect.bottom()), picture.max),
        Rect::from_min_max(
            pos2(picture.left(), rect.top()),
            pos2(rect.left(), rect.bottom()),
        ),
        Rect::from_min_max(
            pos2(rect.right(), rect.top()),
            pos2(picture.right(), rect.bottom()),
        ),
    ] {
        if part.is_positive() {
            painter.rect_filled(part, 0.0, shade);
        }
    }
    for (line, colour) in [(3.0, HANDLE[1]), (1.2, HANDLE[0])] {
        painter.line(outline.to_vec(), Stroke::new(line, colour));
    }
    let middle = rect.center();
    for at in [
        rect.left_top(),
        pos2(middle.x, rect.top()),
        rect.right_top(),
        pos2(rect.right(), middle.y),
        rect.right_bottom(),
        pos2(middle.x, rect.bottom()),
        rect.left_bottom(),
        pos2(rect.left(), middle.y),
    ] {
        let handle = Rect::from_center_size(at, vec2(8.0, 8.0));
        painter.rect_filled(handle.expand(1.0), 1.0, HANDLE[1]);
        painter.rect_filled(handle, 1.0, HANDLE[0]);
    }
    let galley = painter.layout_no_wrap(
        scale_text(context.scale),
        FontId::proportional(12.5),
        HANDLE[0],
    );
    // Above the rectangle where there is room, else in it.
    let size = galley.size() + vec2(12.0, 4.0);
    let top = if rect.top() - size.y - 6.0 > pane.top() {
        rect.top() - size.y - 6.0
    } else {
        rect.top() + 8.0
    };
    let left = rect.left().clamp(
        pane.left() + 4.0,
        (pane.right() - size.x - 4.0).max(pane.left() + 4.0),
    );
    let back = Align2::LEFT_TOP.anchor_size(pos2(left, top), size);
    painter.rect_filled(back, 4.0, HANDLE[1].gamma_multiply(0.9));
    painter.galley(back.center() - galley.size() / 2.0, galley, HANDLE[0]);
}

/// The pointer's shape over the rectangle.
pub fn cursor(session: &Session, pane: Rect, points: f32, at: Pos2) -> CursorIcon {
    let Some(context) = session.context else {
        return CursorIcon::Crosshair;
    };
    let place = session.view.to_picture(at, pane, points);
    let reach = REACH / session.view.points_per_pixel(points);
    match grab(context.crop, [place.x, place.y], reach) {
        Grab::Inside => CursorIcon::Move,
        Grab::New => CursorIcon::Crosshair,
        Grab::Sides([left, top, right, bottom]) => match (left || right, top || bottom) {
            (true, false) => CursorIcon::ResizeHorizontal,
            (false, _) => CursorIcon::ResizeVertical,
            _ if left == top => CursorIcon::ResizeNwSe,
            _ => CursorIcon::ResizeNeSw,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CROP: [u32; 4] = [100, 50, 200, 100];

    #[test]
    fn sides_corners_inside_and_outside_are_told_apart() {
        for (at, wanted) in [
            ([200.0, 100.0], Grab::Inside),
            ([101.0, 100.0], Grab::Sides([true, false, false, false])),
            ([299.0, 149.0], Grab::Sides([false, false, true, true])),
            ([200.0, 52.0], Grab::Sides([false, true, false, false])),
            ([50.0, 100.0], Grab::New),
            ([101.0, 200.0], Grab::New),
        ] {
            assert_eq!(grab(CROP, at, 4.0), wanted, "{at:?}");
        }
    }

    fn pulled(at: [f32; 2], to: [f32; 2]) -> [u32; 4] {
        let mut drag = CropDrag::begin(Some(CROP), at, 4.0, [400, 300]);
        drag.pull(at, to);
        drag.now.unwrap()
    }

    #[test]
    fn it_moves_is_resized_and_drawn_anew() {
        assert_eq!(pulled([200.0, 100.0], [210.0, 95.0]), [110, 45, 200, 100]);
        assert_eq!(pulled([200.0, 100.0], [999.0, 999.0]), [200, 200, 200, 100]);
        assert_eq!(pulled([300.0, 150.0], [310.0, 160.0]), [100, 50, 210, 110]);
        assert_eq!(pulled([100.0, 100.0], [900.0, 0.0]), [284, 50, 16, 100]);
        assert_eq!(pulled([10.0, 10.0], [60.0, 90.0]), [10, 10, 50, 80]);
        // Too small to be meant.
        assert_eq!(pulled([10.0, 10.0], [14.0, 90.0]), CROP);
    }

    #[test]
    fn scales_are_said_with_two_digits() {
        assert_eq!(scale_text(1.84), "Object at 1.8×");
        assert_eq!(scale_text(0.352), "Object at 0.35×");
        assert_eq!(scale_text(12.4), "Object at 12×");
    }

    proptest! {
        #[test]
        fn it_stays_on_the_canvas(
            canvas in [1u32..500, 1u32..500],
            crop in proptest::option::of([0.0f32..1.0, 0.0f32..1.0, 0.0f32..1.0, 0.0f32..1.0]),
            at in [-50f32..550.0, -50f32..550.0],
            to in [-50f32..550.0, -50f32..550.0],
        ) {
            let crop = crop.map(|[x, y, w, h]| {
                let part = |share: f32, side: u32| ((share * side as f32) as u32).min(side - 1);
                let (x, y) = (part(x, canvas[0]), part(y, canvas[1]));
                [x, y, part(w, canvas[0] - x) + 1, part(h, canvas[1] - y) + 1]
            });
            let mut drag = CropDrag::begin(crop, at, 4.0, canvas);
            drag.pull(at, to);
            if let Some([x, y, width, height]) = drag.now {
                prop_assert!(width > 0 && height > 0);
                prop_assert!(x + width <= canvas[0] && y + height <= canvas[1]);
            }
        }
    }
}
