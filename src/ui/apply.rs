//! Carries out what widgets ask for: the one file that changes the session on the artist's behalf.

use std::sync::Arc;

use eframe::egui;

use super::backend::Backend;
use super::commands::Command;
use super::files::{Destination, Files};
use super::sample;
use super::state::{
    Action, Dropped, Live, ModelState, Output, PaletteState, Running, Session, Which,
};
use super::toasts::Kind;
use super::tool::{Effect, Input, Tool};
use crate::doc::document::{Edit, ModelChoice, RegionId};
use crate::doc::mask::{Brush, BrushMode, Combine, Sample, Stroke};
use crate::doc::{Level, Mask, Picture, Purpose};
use crate::engine::message::{JobId, Request};
use crate::io::metadata::Recipe;

/// The least and the largest brush, in picture pixels.
pub const BRUSH_SIZES: std::ops::RangeInclusive<f32> = 1.0..=2048.0;
/// Pixels by which the mask is grown, shrunk and feathered at once.
const EDGE_STEP: f32 = 4.0;

/// What actions reach beyond the session.
pub struct Env<'a> {
    /// egui.
    pub ctx: &'a egui::Context,
    /// The engine.
    pub backend: &'a mut dyn Backend,
    /// Files.
    pub files: &'a mut Files,
}

impl Session {
    /// Carries out one action.
    pub fn apply(&mut self, action: Action, env: &mut Env<'_>) {
        match action {
            Action::Command(command) => self.run(command, env),
            Action::Edit(edit) => {
                self.edit(edit);
            }
            Action::Seal => self.history.seal(),
            Action::SelectSlot(slot) => self.slot = Some(slot),
            Action::SelectRegion(region) => self.region = Some(region),
            Action::Show(output) => self.shown = output,
            Action::Star(id) => {
                if let Some(output) = self.outputs.iter_mut().find(|o| o.id == id) {
                    output.starred = !output.starred;
                }
            }
            Action::Accept(id) => self.accept(id),
            Action::Save(id) => self.save(id, env),
            Action::Remove(id) => self.remove(id),
            Action::Pointer(input) => self.pointer(input, env.ctx),
            Action::Brush(brush) => self.set_brush(brush),
            Action::Zoom { view, by, at, pane } => {
                let points = env.ctx.pixels_per_point();
                self.view_mut(view).zoom(by, at, pane, points);
            }
            Action::Pan(view, by) => {
                let points = env.ctx.pixels_per_point();
                self.view_mut(view).pan(by, points);
            }
            Action::Fit(view) => self.view_mut(view).fit(),
            Action::WipeTo(at) => self.wipe = Some(at.clamp(0.0, 1.0)),
            Action::Browse(destination) => env.files.browse(destination),
            Action::Take(dropped, destination) => self.take(dropped, destination, env),
            Action::SampleObject(index) => {
                if let Some((picture, name)) = sample::object(index) {
                    self.add_picture(picture, None, name.to_owned(), None, Destination::Auto);
                }
            }
            Action::InsertWord(word) => self.insert = Some(word),
            Action::CloseDialogs => {
                self.palette = None;
                self.keys = false;
                self.exact = false;
                self.pending = None;
            }
            Action::PaletteText(text) => self.palette = Some(PaletteState { text, chosen: 0 }),
            Action::PaletteMove(by) => {
                if let Some(palette) = &mut self.palette {
                    palette.chosen = palette.chosen.saturating_add_signed(by);
                }
            }
        }
    }

    fn view_mut(&mut self, which: Which) -> &mut super::view::Viewport {
        match which {
            Which::Canvas => &mut self.view,
            Which::Results => &mut self.results_view,
        }
    }

    /// Makes an undoable change; a refusal becomes a message.
    pub fn edit(&mut self, edit: Edit) -> bool {
        match self.history.apply(&mut self.document, edit) {
            Ok(()) => {
                self.mend_choices();
                true
            }
            Err(error) => {
                self.toasts.add(Kind::Error, error.to_string());
                false
            }
        }
    }

    /// After a change: what is chosen must be there.
    pub fn mend_choices(&mut self) {
        let document = &self.document;
        self.slot = self.slot.filter(|&id| document.slot(id).is_some());
        self.region = self
            .region
            .filter(|&id| document.region(id).is_some())
            .or_else(|| document.regions().last().map(|region| region.id));
        if let Some(live) = &self.live
            && document.region(live.region).is_none()
        {
            self.live = None;
        }
    }

    /// Carries out a command.
    pub fn run(&mut self, command: Command, env: &mut Env<'_>) {
        match command {
            Command::New => self.replace_document(crate::doc::Document::new(), "untitled"),
            Command::OpenSample => match sample::document() {
                Some(document) => self.replace_document(document, "sample"),
                None => self
                    .toasts
                    .add(Kind::Error, "the sample can't be read, install Inlay again"),
            },
            Command::AddPicture => env.files.browse(Destination::Auto),
            Command::Paste => env
                .ctx
                .send_viewport_cmd(egui::ViewportCommand::RequestPaste),
            Command::LoadMask => env.files.browse(Destination::Mask),
            Command::SaveMask => match self.active_mask() {
                Some((_, mask)) => env.files.save_mask(mask.to_plane()),
                None => self.say("there is no mask to save, paint one first"),
            },
            Command::SaveResult => match self.shown {
                Some(id) => self.save(id, env),
                None => self.say("choose a result to save first"),
            },
            Command::Quit => env.ctx.send_viewport_cmd(egui::ViewportCommand::Close),
            Command::Undo => {
                self.give_up_stroke();
                if self.history.undo(&mut self.document).is_none() {
                    self.say("there is nothing to undo");
                }
                self.mend_choices();
            }
            Command::Redo => {
                self.give_up_stroke();
                if self.history.redo(&mut self.document).is_none() {
                    self.say("there is nothing to redo");
                }
                self.mend_choices();
            }
            Command::Tool(tool) => {
                self.pointer(Input::Abort, env.ctx);
                self.tool = tool;
            }
            Command::SwapBrush => {
                self.tool = if self.tool == Tool::Eraser {
                    Tool::Brush
                } else {
                    Tool::Eraser
                };
            }
            Command::BrushSmaller => self.scale_brush(1.0 / 1.2),
            Command::BrushLarger => self.scale_brush(1.2),
            Command::NewMask => self.new_mask(),
            Command::RemoveMask => match self.region {
                Some(region) => {
                    self.edit(Edit::RemoveRegion(region));
                }
                None => self.say("there is no mask to remove"),
            },
            Command::ClearMask => self.change_mask(Mask::clear),
            Command::FillMask => self.change_mask(Mask::fill_all),
            Command::InvertMask => self.change_mask(Mask::invert),
            Command::GrowMask => self.change_mask(|mask| mask.grow(EDGE_STEP)),
            Command::ShrinkMask => self.change_mask(|mask| mask.shrink(EDGE_STEP)),
            Command::FeatherMask => self.change_mask(|mask| mask.feather(EDGE_STEP)),
            Command::Level(level) => {
                if let Some(region) = self.ensure_region() {
                    self.edit(Edit::SetLevel(region, level));
                }
            }
            Command::Generate => self.generate(env),
            Command::Cancel => self.cancel(env),
            Command::RandomSeed => {
                // The clock's low bits are as good as dice for choosing a seed.
                let clock = std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .map_or(0, |time| time.as_nanos() as u64);
                let seed = (clock ^ (clock >> 17)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44;
                let action = self.settings_with(|settings| settings.seed = seed);
                self.apply(action, env);
            }
            Command::PreviousResult => self.step_result(-1),
            Command::NextResult => self.step_result(1),
            Command::StarResult => {
                if let Some(id) = self.shown {
                    self.apply(Action::Star(id), env);
                }
            }
            Command::AcceptResult => match self.shown {
                Some(id) => self.accept(id),
                None => self.say("choose a result to accept first"),
            },
            Command::RemoveResult => {
                if let Some(id) = self.shown {
                    self.remove(id);
                }
            }
            Command::ClearResults => {
                let running = self.job.as_ref().map(|job| job.id);
                self.outputs
                    .retain(|output| output.starred || Some(output.job) == running);
                self.mend_shown();
            }
            Command::Wipe => {
                self.wipe = match self.wipe {
                    None => Some(0.5),
                    Some(_) => None,
                };
                if self.wipe.is_some() && self.shown.is_none() {
                    self.shown = self.outputs.last().map(|output| output.id);
                }
            }
            Command::ShowCanvas => self.escape(env),
            Command::ZoomFit => {
                self.view.fit();
                self.results_view.fit();
            }
            Command::Zoom100 => self.set_scale(1.0, env),
            Command::Zoom200 => self.set_scale(2.0, env),
            Command::Zoom400 => self.set_scale(4.0, env),
            Command::Zoom800 => self.set_scale(8.0, env),
            Command::ZoomIn => self.set_scale(self.view.stop(true), env),
            Command::ZoomOut => self.set_scale(self.view.stop(false), env),
            Command::ShowMask => self.show_mask = !self.show_mask,
            Command::Grid => self.grid = !self.grid,
            Command::Theme => {
                let theme = match env.ctx.theme() {
                    egui::Theme::Dark => egui::Theme::Light,
                    egui::Theme::Light => egui::Theme::Dark,
                };
                env.ctx.set_theme(theme);
            }
            Command::LargerUi => scale_interface(env.ctx, 1.1),
            Command::SmallerUi => scale_interface(env.ctx, 1.0 / 1.1),
            Command::ExactText => self.exact = !self.exact,
            Command::Palette => {
                self.palette = match self.palette {
                    None => Some(PaletteState::default()),
                    Some(_) => None,
                };
            }
            Command::Keys => self.keys = !self.keys,
        }
    }

    fn say(&mut self, text: &str) {
        self.toasts.add(Kind::Info, text);
    }

    /// Esc: gives up what is going on, closes what is open, or shows the canvas.
    fn escape(&mut self, env: &mut Env<'_>) {
        if self.machine.is_busy() || self.live.is_some() {
            self.pointer(Input::Abort, env.ctx);
        } else if self.palette.is_some() || self.keys || self.exact || self.pending.is_some() {
            self.apply(Action::CloseDialogs, env);
        } else if self.wipe.is_some() {
            self.wipe = None;
        } else if self.grid {
            self.grid = false;
        } else {
            self.shown = None;
        }
    }

    fn replace_document(&mut self, document: crate::doc::Document, name: &str) {
        if self.job.is_some() {
            return self.say("a job is running, cancel it first");
        }
        self.document = document;
        self.history = crate::doc::History::default();
        self.name = name.to_owned();
        self.outputs.clear();
        self.shown = None;
        self.live = None;
        self.wipe = None;
        self.grid = false;
        self.region = None;
        self.view.fit();
        self.results_view.fit();
        self.mend_choices();
    }

    fn set_scale(&mut self, scale: f32, env: &Env<'_>) {
        let (pane, points) = (self.pane, env.ctx.pixels_per_point());
        let at = env
            .ctx
            .pointer_hover_pos()
            .filter(|at| pane.contains(*at))
            .unwrap_or(pane.center());
        self.view.set_scale(scale, at, pane, points);
    }

    fn set_brush(&mut self, brush: Brush) {
        self.brush = Brush {
            size: brush.size.clamp(*BRUSH_SIZES.start(), *BRUSH_SIZES.end()),
            hardness: brush.hardness.clamp(0.0, 1.0),
            ..brush
        };
    }

    fn scale_brush(&mut self, by: f32) {
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
    fn new_mask(&mut self) {
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

    fn change_mask(&mut self, change: impl FnOnce(&mut Mask)) {
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

    fn give_up_stroke(&mut self) {
        self.live = None;
        self.machine.gesture = super::tool::Gesture::Idle;
    }

    fn pointer(&mut self, input: Input, ctx: &egui::Context) {
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

    fn brush_that(&self, subtracts: bool) -> Brush {
        let mode = if subtracts {
            BrushMode::Erase
        } else {
            BrushMode::Paint
        };
        Brush { mode, ..self.brush }
    }

    fn begin_stroke(&mut self, sample: Sample, subtract: bool) {
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

    fn generate(&mut self, env: &mut Env<'_>) {
        if self.job.is_some() {
            return self.say("a job is running, cancel it or wait for it");
        }
        self.pointer(Input::Up, env.ctx);
        let choice = match &self.model {
            ModelState::Ready(summary) => ModelChoice {
                name: &summary.name,
                hash: &summary.hash,
                default_steps: summary.default_steps,
            },
            ModelState::Loading(..) => return self.say("the model is still being loaded"),
            ModelState::Failed(why) => {
                let why = why.clone();
                return self.toasts.add(Kind::Error, why);
            }
        };
        if let Err(error) = self.document.compile() {
            return self.toasts.add(Kind::Error, error.to_string());
        }
        let job = match self.document.to_job(choice) {
            Ok(job) => job,
            Err(error) => return self.toasts.add(Kind::Error, error.to_string()),
        };
        let spec = job
            .recipe(|mask| Ok::<_, std::convert::Infallible>(crate::io::mask::to_text(mask)))
            .unwrap_or_else(|never| match never {});
        let spec = Arc::new(spec);
        let id = JobId(self.fresh_id());
        if let Err(error) = env.backend.send(Request::Generate(id, Box::new(job))) {
            return self.toasts.add(Kind::Error, error);
        }
        self.job = Some(Running {
            id,
            step: 0,
            steps: 0,
            elapsed: 0.0,
            eta: 0.0,
            preview: None,
            generation: 0,
            cancelling: false,
        });
        let base = self.canvas().cloned();
        let (joint, seed) = (spec.joint, spec.seed);
        for index in 0..spec.outputs {
            for picture in 0..joint {
                let output = Output {
                    id: self.fresh_id(),
                    job: id,
                    index,
                    joint: picture,
                    seed: seed.wrapping_add(index.into()),
                    picture: None,
                    base: base.clone(),
                    spec: Arc::clone(&spec),
                    starred: false,
                    saved: None,
                };
                if index == 0 && picture == 0 {
                    self.shown = Some(output.id);
                }
                self.outputs.push(output);
            }
        }
        self.history.seal();
    }

    fn cancel(&mut self, env: &mut Env<'_>) {
        match &mut self.job {
            Some(job) => {
                job.cancelling = true;
                env.backend.cancel(job.id);
            }
            None => self.say("no job is running"),
        }
    }

    fn accept(&mut self, id: u64) {
        let Some(picture) = self.output(id).and_then(|output| output.picture.clone()) else {
            return self.say("this output is not finished yet");
        };
        let name = self
            .document
            .canvas()
            .map_or_else(|| "result".to_owned(), |slot| slot.name.clone());
        if self.edit(Edit::Accept { picture, name }) {
            self.shown = None;
            self.wipe = None;
            self.grid = false;
            self.say("the result is the canvas now, undo takes it back");
        }
    }

    fn save(&mut self, id: u64, env: &mut Env<'_>) {
        let name = self.name.clone();
        let Some((output, picture)) = self
            .output(id)
            .and_then(|output| Some((output, output.picture.clone()?)))
        else {
            return self.say("this output is not finished yet");
        };
        let recipe = Recipe::new(
            (*output.spec).clone(),
            output.index,
            output.joint,
            output.seed,
        );
        let now = jiff::Zoned::now().datetime();
        let name = crate::io::names::result_name(&name, now, output.seed, output.joint + 1);
        env.files.save(id, picture, Some(recipe), name, None);
    }

    fn remove(&mut self, id: u64) {
        let running = self.job.as_ref().map(|job| job.id);
        let unfinished = |output: &Output| output.picture.is_none() && Some(output.job) == running;
        if self.output(id).is_some_and(unfinished) {
            return self.say("this output is being made, cancel the job first");
        }
        let at = self.outputs.iter().position(|output| output.id == id);
        self.outputs.retain(|output| output.id != id);
        if self.shown == Some(id) {
            self.shown = at
                .and_then(|at| self.outputs.get(at).or_else(|| self.outputs.last()))
                .map(|output| output.id);
        }
    }

    /// After outputs went away: what is shown must be there.
    pub fn mend_shown(&mut self) {
        self.shown = self.shown.filter(|&id| self.output(id).is_some());
        if self.outputs.is_empty() {
            self.grid = false;
            self.wipe = None;
        }
    }

    fn step_result(&mut self, by: isize) {
        if self.outputs.is_empty() {
            return;
        }
        let count = self.outputs.len() as isize;
        let at = self
            .shown
            .and_then(|id| self.outputs.iter().position(|output| output.id == id));
        let next = match at {
            Some(at) => (at as isize + by).rem_euclid(count),
            None if by < 0 => count - 1,
            None => 0,
        };
        self.shown = self.outputs.get(next as usize).map(|output| output.id);
    }

    fn take(&mut self, dropped: Vec<Dropped>, destination: Destination, env: &mut Env<'_>) {
        self.pending = None;
        let mut paths = Vec::new();
        for item in dropped {
            match item {
                Dropped::Path(path) => paths.push(path),
                Dropped::Picture(picture) => {
                    let cutout = crate::io::cutout::cut_out(&picture).map(Arc::new);
                    let name = "pasted".to_owned();
                    self.add_picture(picture, cutout, name, None, destination);
                }
            }
        }
        if !paths.is_empty() {
            env.files.load(paths, destination);
        }
    }

    /// Puts a picture where it belongs.
    pub fn add_picture(
        &mut self,
        picture: Arc<Picture>,
        cutout: Option<Arc<Picture>>,
        name: String,
        source: Option<String>,
        destination: Destination,
    ) {
        let edit = match destination {
            Destination::Mask => {
                let plane = crate::io::mask::from_picture(&picture);
                return self.take_mask(&plane);
            }
            Destination::Slot(slot) => Edit::ReplacePicture {
                slot,
                picture,
                name,
                source,
            },
            Destination::As(Purpose::Canvas) => match self.document.canvas().map(|slot| slot.id) {
                Some(slot) => Edit::ReplacePicture {
                    slot,
                    picture,
                    name: name.clone(),
                    source,
                },
                None => Edit::AddSlot {
                    picture,
                    name: name.clone(),
                    source,
                    purpose: Some(Purpose::Canvas),
                },
            },
            Destination::As(purpose) => {
                let alone = cutout.filter(|_| purpose == Purpose::Asset);
                Edit::AddSlot {
                    picture: alone.unwrap_or(picture),
                    name,
                    source,
                    purpose: Some(purpose),
                }
            }
            Destination::Auto if self.document.canvas().is_none() => {
                self.name.clone_from(&name);
                Edit::AddSlot {
                    picture,
                    name,
                    source,
                    purpose: Some(Purpose::Canvas),
                }
            }
            Destination::Auto => Edit::AddSlot {
                picture: cutout.unwrap_or(picture),
                name,
                source,
                purpose: None,
            },
        };
        let canvas_before = self.shown_size();
        if self.edit(edit) {
            self.slot = self.document.slots().last().map(|slot| slot.id);
            self.place_new_asset();
            if self.shown_size() != canvas_before {
                self.view.fit();
                self.results_view.fit();
            }
        }
    }

    /// A new object belongs to the first mask that places nothing yet.
    fn place_new_asset(&mut self) {
        let Some(slot) = self.slot else { return };
        if self.document.purpose(slot) != Some(Purpose::Asset) {
            return;
        }
        let taken = |id| {
            let mut regions = self.document.regions().iter();
            regions.any(|region| region.asset == Some(id))
        };
        let free = self.document.regions().iter().find(|r| r.asset.is_none());
        if let Some(region) = free.map(|region| region.id)
            && !taken(slot)
        {
            self.edit(Edit::SetAsset(region, Some(slot)));
        }
    }

    /// Makes a plane the chosen mask, stretched to the canvas.
    pub fn take_mask(&mut self, plane: &crate::doc::Plane) {
        let Some(canvas) = self.canvas() else {
            return self.say("add a canvas first, the mask lies on it");
        };
        let (width, height) = (canvas.width(), canvas.height());
        let mut mask = Mask::from_plane(plane);
        if (mask.width(), mask.height()) != (width, height) {
            mask = mask.resized(width, height);
            self.toasts.add(
                Kind::Warning,
                "the mask had another size and was stretched to the canvas",
            );
        }
        self.change_mask(|old| *old = mask);
    }
}

fn scale_interface(ctx: &egui::Context, by: f32) {
    ctx.set_zoom_factor((ctx.zoom_factor() * by).clamp(0.5, 3.0));
}
