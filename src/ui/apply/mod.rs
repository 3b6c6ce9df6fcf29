//! Carries out what widgets ask for: the one module that changes the session on the artist's behalf.

mod cutting;
mod mask;
mod models;
mod outputs;
mod pictures;
mod project;

use eframe::egui;

use super::backend::Backend;
use super::commands::Command;
use super::files::{Destination, Files};
use super::journal::Journal;
use super::models::Hub;
use super::sample;
use super::state::{Action, Compare, Next, PaletteState, Session, Which};
use super::toasts::Kind;
use super::tool::{Input, Tool};
use crate::doc::document::Edit;
use crate::doc::perceive::MapKind;
use crate::doc::{Document, Mask};

/// The least and the largest brush, in picture pixels.
pub const BRUSH_SIZES: std::ops::RangeInclusive<f32> = 1.0..=2048.0;
/// A brush at first, as a share of the canvas's shorter side.
const BRUSH_SHARE: f32 = 0.06;
/// Pixels by which the mask is grown, shrunk and feathered at once.
const EDGE_STEP: f32 = 4.0;
/// What is said instead of changing a mask that is not there.
const NO_MASK: &str = "there is no mask to change, paint one first";

/// What actions reach beyond the session.
pub struct Env<'a> {
    /// egui.
    pub ctx: &'a egui::Context,
    /// The engine.
    pub backend: &'a mut dyn Backend,
    /// The model manager, where there is one.
    pub hub: Option<&'a mut dyn Hub>,
    /// Files.
    pub files: &'a mut Files,
    /// The crash journal, where there is one.
    pub journal: Option<&'a mut Journal>,
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
            Action::SelectRegion(region) => {
                self.region = Some(region);
                self.mask_rests = false;
            }
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
            Action::WipeTo(at) => self.compare = Some(Compare::Wipe(at.clamp(0.0, 1.0))),
            Action::CancelJob(id) => self.cancel_job(id, env),
            Action::CancelLoading => env.backend.cancel_loading(),
            Action::MoveJob(id, by) => self.move_job(id, by, env),
            Action::Blend(id, blend) => {
                if let Some(output) = self.outputs.iter_mut().find(|o| o.id == id) {
                    output.blend = blend;
                }
            }
            Action::Adjust(id) => {
                self.shown = Some(id);
                self.grid = false;
                self.adjust = true;
            }
            Action::SameSeeds(same) => self.same_seeds = same,
            Action::Only(group) => self.only = group,
            Action::AutoContext => self.set_crop(None),
            Action::Browse(destination) => env.files.browse(self.project.which, destination),
            Action::Take(dropped, destination) => {
                self.pending = None;
                self.take(dropped, destination, env);
            }
            Action::Paste(pasted) => self.take(pasted, Destination::Auto, env),
            Action::SampleObject(index) => {
                if let Some((picture, name)) = sample::object(index) {
                    self.add_picture(picture, None, name.to_owned(), None, Destination::Auto);
                }
            }
            Action::CutOut(slot, asked) => self.cut_out(slot, asked, env),
            Action::StopCutting(slot) => {
                let which = self.project.which;
                env.files
                    .stop_cutting(|cutting| (cutting.which, cutting.slot) != (which, slot));
            }
            Action::InsertWord(word) => self.insert = Some(word),
            Action::OpenProject(path) => self.request(Next::Open(path), env),
            Action::Answer(answer) => self.answer(answer, env),
            Action::Proceed => self.proceed(env),
            Action::Lost(at, recovery) => self.decide(at, recovery, env),
            Action::Models(action) => self.models_action(action, env),
            Action::CloseDialogs => {
                self.models.close();
                self.palette = None;
                self.keys = false;
                self.exact = false;
                self.select = None;
                self.adjust = false;
                self.pending = None;
            }
            Action::UseMap(id) => self.use_map(id),
            Action::Perceive(kind, words) => self.perceive(kind, &words, env),
            Action::SelectText(text) => self.select = Some(text),
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
                self.removed.clear();
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
            && live.region.is_some_and(|id| document.region(id).is_none())
        {
            self.live = None;
        }
        self.fit_brush();
    }

    /// Carries out a command.
    pub fn run(&mut self, command: Command, env: &mut Env<'_>) {
        match command {
            Command::New => self.request(Next::New, env),
            Command::Open => self.request(Next::Choose, env),
            Command::OpenSample => self.request(Next::Sample, env),
            Command::Save => self.save_project(false, env),
            Command::SaveAs => self.save_project(true, env),
            Command::AddPicture => env.files.browse(self.project.which, Destination::Auto),
            Command::Paste => env
                .ctx
                .send_viewport_cmd(egui::ViewportCommand::RequestPaste),
            Command::LoadMask => env.files.browse(self.project.which, Destination::Mask),
            Command::SaveMask => match self.active_mask() {
                Some((_, mask)) => env.files.save_mask(mask.to_plane()),
                None => self.say("there is no mask to save, paint one first"),
            },
            Command::SaveResult => match self.shown {
                Some(id) => self.save(id, env),
                None => self.say("choose a result to save first"),
            },
            Command::Models => self.open_models(env),
            Command::OpenModel => env.files.browse_model(),
            Command::Quit => self.request(Next::Quit, env),
            Command::Undo => {
                self.give_up_stroke();
                if self.bring_back() {
                    return;
                }
                self.mask_rests = false;
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
            Command::FillMask => self.change_mask(Mask::fill_all),
            Command::ClearMask => self.filter_mask(Mask::clear),
            Command::InvertMask => self.filter_mask(Mask::invert),
            Command::GrowMask => self.filter_mask(|mask| mask.grow(EDGE_STEP)),
            Command::ShrinkMask => self.filter_mask(|mask| mask.shrink(EDGE_STEP)),
            Command::FeatherMask => self.filter_mask(|mask| mask.feather(EDGE_STEP)),
            Command::Level(level) => match self.region {
                Some(region) => {
                    self.edit(Edit::SetLevel(region, level));
                }
                None => self.say(NO_MASK),
            },
            Command::Generate => self.generate(false, env),
            Command::GenerateFirst => self.generate(true, env),
            Command::Sweep => self.sweep(env),
            Command::Adjust => self.adjust = !self.adjust,
            Command::SelectByWords => {
                self.select = match self.select {
                    None => Some(String::new()),
                    Some(_) => None,
                };
            }
            Command::DepthMap => self.perceive(MapKind::Depth, "", env),
            Command::EdgeMap => self.perceive(MapKind::Edge, "", env),
            Command::ObjectFromMask => self.object_from_mask(env),
            Command::UseAsObject => match self.shown {
                Some(id) => self.use_as_object(id),
                None => self.say("choose a result first"),
            },
            Command::UseSettings => match self.shown {
                Some(id) => self.use_settings(id, env),
                None => self.say("choose a result first"),
            },
            Command::UseMap => match self.shown {
                Some(id) => self.use_map(id),
                None => self.say("choose a map among the results first"),
            },
            Command::AutoContext => self.set_crop(None),
            Command::Cancel => self.cancel(env),
            Command::CancelAll => self.cancel_all(env),
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
                self.take_out(|output| !output.starred);
                self.mend_shown();
            }
            Command::Wipe => self.compare_by(Compare::Wipe(0.5)),
            Command::Difference => self.compare_by(Compare::Difference),
            Command::Flicker => self.compare_by(Compare::Flicker),
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
            Command::ShowMask => {
                self.show_mask = !self.shows_masks();
                self.mask_rests = false;
            }
            Command::Grid => {
                self.grid = !self.grid;
                self.only = None;
            }
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
        } else if self.exact || self.pending.is_some() {
            self.apply(Action::CloseDialogs, env);
        } else if self.adjust {
            self.adjust = false;
        } else if self.compare.is_some() {
            self.compare = None;
        } else if self.grid {
            self.grid = false;
        } else {
            self.shown = None;
        }
    }

    /// Puts another document in this one's place, which counts as saved as far as `saved` tells.
    pub fn replace_document(&mut self, document: Document, saved: Document, name: &str) {
        self.give_up_stroke();
        self.document = document;
        self.project.replace(saved);
        self.slot = None;
        self.history = crate::doc::History::default();
        self.name = name.to_owned();
        self.outputs.clear();
        self.removed.clear();
        self.numbered = 0;
        self.seeds = None;
        self.once_joined = None;
        self.mask_rests = false;
        self.shown = None;
        self.live = None;
        self.compare = None;
        self.only = None;
        self.crop_drag = None;
        self.grid = false;
        self.region = None;
        self.view.fit();
        self.results_view.fit();
        self.mend_choices();
    }

    /// Begins or ends a comparison.
    fn compare_by(&mut self, compare: Compare) {
        let same = self
            .compare
            .is_some_and(|old| std::mem::discriminant(&old) == std::mem::discriminant(&compare));
        self.compare = (!same).then_some(compare);
        if self.compare.is_some() && self.shown.is_none() {
            self.shown = self.outputs.last().map(|output| output.id);
        }
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
}

fn scale_interface(ctx: &egui::Context, by: f32) {
    ctx.set_zoom_factor((ctx.zoom_factor() * by).clamp(0.5, 3.0));
}
