//! The mask tools at work.

use eframe::egui;

use super::{BRUSH_SHARE, BRUSH_SIZES, NO_MASK, Session};
use crate::doc::document::{Edit, RegionId};
use crate::doc::mask::{Brush, BrushMode, Combine, Sample, Stroke};
use crate::doc::{Level, Mask, Purpose};
use crate::ui::context::CropDrag;
use crate::ui::state::{Live, Work};
use crate::ui::toasts::Kind;
use crate::ui::tool::{Effect, Gesture, Input, Tool};

impl Session {
    /// A brush that suits the canvas, until the artist chooses its size.
    pub(super) fn fit_brush(&mut self) {
        if let Some([width, height]) = self.document.canvas_size()
            && !self.brush_sized
        {
            let size = (width.min(height) as f32 * BRUSH_SHARE).round();
            self.brush.size = size.clamp(*BRUSH_SIZES.start(), *BRUSH_SIZES.end());
        }
    }

    pub(super) fn set_brush(&mut self, brush: Brush) {
        self.brush_sized |= brush.size != self.brush.size;
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

    /// Adds an empty mask.
    pub(super) fn new_mask(&mut self) {
        let edit = self.adding(None);
        self.add_region(edit);
    }

    fn add_region(&mut self, edit: Edit) {
        if self.edit(edit) {
            self.region = self.document.regions().last().map(|region| region.id);
        }
    }

    /// The edit that adds a mask for the next asset that has none.
    fn adding(&self, mask: Option<Mask>) -> Edit {
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
        Edit::AddRegion { mask, level, asset }
    }

    /// Changes the chosen mask. Without one, what becomes of an empty one is a new mask.
    pub(super) fn change_mask(&mut self, change: impl FnOnce(&mut Mask)) {
        self.give_up_stroke();
        if let Some(mut mask) = self.chosen_mask() {
            change(&mut mask);
            self.put_mask(self.region, mask);
        }
    }

    /// Changes the chosen mask if there is one.
    pub(super) fn filter_mask(&mut self, change: impl FnOnce(&mut Mask)) {
        match self.region {
            Some(_) => self.change_mask(change),
            None => self.say(NO_MASK),
        }
    }

    /// The chosen mask, or an empty one if there is room for another; else a message says why not.
    fn chosen_mask(&mut self) -> Option<Mask> {
        if let Some(region) = self.region {
            return self.document.region(region).map(|r| r.mask.clone());
        }
        if let Err(why) = self.document.clone().apply(self.adding(None)) {
            self.toasts.add(Kind::Error, why.to_string());
            return None;
        }
        let canvas = self.canvas()?;
        Some(Mask::new(canvas.width(), canvas.height()))
    }

    /// Replaces a region's mask, or makes a region of it: one undo step either way.
    fn put_mask(&mut self, region: Option<RegionId>, mask: Mask) {
        match region {
            Some(region) => {
                self.edit(Edit::SetMask(region, mask));
            }
            None if mask.is_empty() => self.say(NO_MASK),
            None => {
                let edit = self.adding(Some(mask));
                self.add_region(edit);
            }
        }
    }

    pub(super) fn give_up_stroke(&mut self) {
        self.live = None;
        self.crop_drag = None;
        self.machine.gesture = Gesture::Idle;
    }

    pub(super) fn pointer(&mut self, input: Input, ctx: &egui::Context) {
        if matches!(input, Input::Down { .. }) {
            if self.canvas().is_none() {
                return self.say("add a canvas first, then paint on it");
            }
            // What is painted on the canvas should be seen on the canvas.
            self.show_mask = true;
            self.mask_rests = false;
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
                if let Some(Live {
                    mask,
                    work: Work::Stroke(stroke),
                    ..
                }) = &mut self.live
                {
                    stroke.add(mask, sample(at));
                }
            }
            Effect::Finish => {
                if let Some(live) = self.live.take() {
                    self.put_mask(live.region, live.mask);
                }
            }
            Effect::GiveUp => self.live = None,
            Effect::Lift(at, reach) if self.tool == Tool::Context => {
                let canvas = self.canvas().map(|c| [c.width(), c.height()]);
                self.crop_drag = canvas.map(|canvas| {
                    let crop = self.context.map(|context| context.crop);
                    CropDrag::begin(crop, at, reach, canvas)
                });
            }
            Effect::Lift(at, _) => self.lift(at),
            Effect::Carry(from, to) => {
                if let Some(drag) = &mut self.crop_drag {
                    drag.pull(from, to);
                } else if let Some(Live {
                    mask,
                    work: Work::Carried(origin),
                    ..
                }) = &mut self.live
                {
                    let by = [0, 1].map(|i| (to[i] - from[i]).round() as i64);
                    *mask = origin.moved(by[0], by[1]);
                }
            }
            Effect::Drop => {
                if let Some(drag) = self.crop_drag.take() {
                    self.set_crop(drag.now);
                } else if let Some(live) = self.live.take() {
                    self.put_mask(live.region, live.mask);
                }
            }
            Effect::PutBack => {
                self.crop_drag = None;
                self.live = None;
            }
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
        let Some(mut mask) = self.chosen_mask() else {
            self.give_up_stroke();
            return;
        };
        let region = self.region;
        let mut stroke = Stroke::begin(&mask, brush);
        stroke.add(&mut mask, sample);
        self.live = Some(Live {
            region,
            mask,
            work: Work::Stroke(stroke),
        });
    }

    /// Takes the mask at a place up, the chosen one first.
    fn lift(&mut self, [x, y]: [f32; 2]) {
        let (x, y) = (x.floor() as i64, y.floor() as i64);
        let regions = self.document.regions();
        let chosen = regions.iter().filter(|r| Some(r.id) == self.region);
        let there = chosen
            .chain(regions.iter().rev())
            .find(|region| region.mask.get(x, y) >= 128);
        let Some(region) = there else {
            return self.say("drag a mask from inside it");
        };
        self.region = Some(region.id);
        self.mask_rests = false;
        self.live = Some(Live {
            region: Some(region.id),
            mask: region.mask.clone(),
            work: Work::Carried(region.mask.clone()),
        });
    }

    /// Says which part of the canvas the model sees; `None` lets it be chosen.
    pub(super) fn set_crop(&mut self, crop: Option<[u32; 4]>) {
        let mut settings = self.document.settings().clone();
        settings.crop = crop;
        // Not one undo step with other settings.
        self.history.seal();
        self.edit(Edit::SetSettings(settings));
        self.history.seal();
    }
}
