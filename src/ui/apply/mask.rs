//! The mask tools at work.

use eframe::egui;

use super::{BRUSH_SIZES, Session};
use crate::doc::document::{Edit, RegionId};
use crate::doc::mask::{Brush, BrushMode, Combine, Sample, Stroke};
use crate::doc::{Level, Mask, Purpose};
use crate::ui::state::Live;
use crate::ui::tool::{Effect, Gesture, Input};

impl Session {
    pub(super) fn set_brush(&mut self, brush: Brush) {
        self.brush = Brush {
            size: brush.size.clamp(*BRUSH_SIZES.start(), *BRUSH_SIZES.end()),
            hardness: brush.hardness.clamp(0.0, 1.0),
            ..brush
        };
    }

    pub(super) fn scale_brush(&mut self, by: f32) {
        // At least one pixel, so that small brushes change at all.
        let size = self.brush.size;
        let size = if by > 1.0 {
            (size * by).max(size + 1.0)
        } else {
            (size * by).min(size - 1.0)
        };
        self.set_brush(Brush { size, ..self.brush });
    }

    /// The chosen region; the first is made when it is needed.
    pub fn ensure_region(&mut self) -> Option<RegionId> {
        if self.region.is_none() {
            self.new_mask();
        }
        self.region
    }

    /// Adds a mask for the next asset that has none.
    pub(super) fn new_mask(&mut self) {
        let purposes = self.document.purposes();
        let placed: Vec<_> = self
            .document
            .regions()
            .iter()
            .filter_map(|region| region.asset)
            .collect();
        let asset = self
            .document
            .slots()
            .iter()
            .zip(purposes)
            .find(|(slot, purpose)| *purpose == Purpose::Asset && !placed.contains(&slot.id))
            .map(|(slot, _)| slot.id);
        let level = self
            .region
            .and_then(|id| self.document.region(id))
            .map_or(Level::default(), |region| region.level);
        let added = self.edit(Edit::AddRegion {
            mask: None,
            level,
            asset,
        });
        if added {
            self.region = self.document.regions().last().map(|region| region.id);
        }
    }

    pub(super) fn change_mask(&mut self, change: impl FnOnce(&mut Mask)) {
        self.give_up_stroke();
        let Some(id) = self.ensure_region() else {
            return;
        };
        let Some(mut mask) = self.document.region(id).map(|region| region.mask.clone()) else {
            return;
        };
        change(&mut mask);
        self.edit(Edit::SetMask(id, mask));
    }

    pub(super) fn give_up_stroke(&mut self) {
        self.live = None;
        self.machine.gesture = Gesture::Idle;
    }

    pub(super) fn pointer(&mut self, input: Input, ctx: &egui::Context) {
        if matches!(input, Input::Down { .. }) {
            if self.canvas().is_none() {
                return self.say("add a canvas first, then paint on it");
            }
            // What is painted on the canvas should be seen on the canvas.
            self.show_mask = true;
            if self.shown().is_some_and(|output| output.picture.is_some()) {
                self.shown = None;
            }
        }
        let (machine, effect) = self.machine.step(self.tool, input);
        self.machine = machine;
        let time = ctx.input(|input| input.time);
        let sample = |at: [f32; 2]| Sample {
            t: time,
            ..Sample::at(at[0], at[1])
        };
        let combine = |subtract| {
            if subtract {
                Combine::Subtract
            } else {
                Combine::Add
            }
        };
        match effect {
            Effect::None => {}
            Effect::Begin(at, subtract) => self.begin_stroke(sample(at), subtract),
            Effect::Extend(at) => {
                if let Some(live) = &mut self.live {
                    live.stroke.add(&mut live.mask, sample(at));
                }
            }
            Effect::Finish => {
                if let Some(live) = self.live.take() {
                    self.edit(Edit::SetMask(live.region, live.mask));
                }
            }
            Effect::GiveUp => self.live = None,
            Effect::Straight(from, to, subtract) => {
                let brush = self.brush_that(subtract);
                self.change_mask(|mask| mask.stroke(brush, &[sample(from), sample(to)]));
            }
            Effect::FillBox(a, b, subtract) => {
                self.change_mask(|mask| mask.fill_box(a, b, combine(subtract)));
            }
            Effect::FillPolygon(points, subtract) => {
                self.change_mask(|mask| mask.fill_polygon(&points, combine(subtract)));
            }
            Effect::Flood([x, y]) => {
                if x >= 0.0 && y >= 0.0 {
                    self.change_mask(|mask| mask.flood(x as u32, y as u32));
                }
            }
            Effect::ResizeBrush([dx, dy]) => {
                let brush = self.brush;
                self.set_brush(Brush {
                    size: brush.size + 2.0 * dx,
                    hardness: brush.hardness - dy / 200.0,
                    ..brush
                });
            }
        }
    }

    pub(super) fn brush_that(&self, subtracts: bool) -> Brush {
        let mode = if subtracts {
            BrushMode::Erase
        } else {
            BrushMode::Paint
        };
        Brush { mode, ..self.brush }
    }

    pub(super) fn begin_stroke(&mut self, sample: Sample, subtract: bool) {
        let brush = self.brush_that(subtract);
        let Some(region) = self.ensure_region() else {
            self.give_up_stroke();
            return;
        };
        let Some(mut mask) = self.document.region(region).map(|r| r.mask.clone()) else {
            return;
        };
        let mut stroke = Stroke::begin(&mask, brush);
        stroke.add(&mut mask, sample);
        self.live = Some(Live {
            region,
            mask,
            stroke,
        });
    }
}
