//! The window's state: the document, what is chosen, what runs, what came out. Widgets read it; only `apply`
//! and `logic.rs` change it.

use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui::{Id, Key, Pos2, Rect, Vec2};

use super::context::CropDrag;
use super::files::Destination;
use super::models::{Models, ModelsAction};
use super::project::Project;
use super::toasts::Toasts;
use super::tool::{Input, Machine, Tool};
use super::view::Viewport;
use crate::doc::document::{Document, Edit, RegionId, Settings, Target};
use crate::doc::job::{BlendSpec, CropBox, MaskedSpec};
use crate::doc::mask::{Brush, Stroke};
use crate::doc::perceive::MapKind;
use crate::doc::prompt::{WordKind, words};
use crate::doc::{History, JobSpec, Level, Mask, Picture, SlotId};
use crate::engine::message::{JobId, JobPreview, ModelSummary};
use crate::pipeline::event::Joining;

use super::commands::Command;
pub use super::project::{Answer, Next, Recovery};

/// What a widget asks for.
#[derive(Clone, Debug)]
pub enum Action {
    /// A command of the table.
    Command(Command),
    /// A change of the document.
    Edit(Edit),
    /// Ends an undo entry that typing or dragging goes on with.
    Seal,
    /// Chooses a slot.
    SelectSlot(SlotId),
    /// Chooses the mask that the tools paint.
    SelectRegion(RegionId),
    /// Shows an output on the canvas, or the canvas itself.
    Show(Option<u64>),
    /// Stars an output, or takes the star away.
    Star(u64),
    /// Makes an output the canvas.
    Accept(u64),
    /// Cuts the object out of a slot's picture; whether the artist asked for it.
    CutOut(SlotId, bool),
    /// Stops that; `None` for what is cut out from under a mask.
    StopCutting(Option<SlotId>),
    /// Makes an output that is a map a mask, or a picture that steers.
    UseMap(u64),
    /// Asks for a map of the canvas; for a mask these words name the object.
    Perceive(MapKind, String),
    /// What is written in the window that asks what to select.
    SelectText(String),
    /// Saves an output.
    Save(u64),
    /// Removes an output from the list.
    Remove(u64),
    /// Takes a job out of the queue, or stops it.
    CancelJob(JobId),
    /// Loads the model no further.
    CancelLoading,
    /// Moves a waiting job up or down.
    MoveJob(JobId, isize),
    /// Joins an output to its canvas in another way.
    Blend(u64, BlendSpec),
    /// Opens the window that does so for an output.
    Adjust(u64),
    /// Shows the outputs of one request side by side, or all of them.
    Only(Option<u64>),
    /// Whether generating again repeats the same seeds.
    SameSeeds(bool),
    /// Lets the context rectangle be chosen.
    AutoContext,
    /// A mask tool is used on the canvas.
    Pointer(Input),
    /// Another brush.
    Brush(Brush),
    /// Zooms a view by a factor around a point of the window.
    Zoom {
        /// Which.
        view: Which,
        /// Factor.
        by: f32,
        /// The point that stays.
        at: Pos2,
        /// The pane it is in.
        pane: Rect,
    },
    /// Moves a view by points.
    Pan(Which, Vec2),
    /// Fits a view.
    Fit(Which),
    /// Moves the compare handle.
    WipeTo(f32),
    /// Lets the artist choose files.
    Browse(Destination),
    /// Files or pictures were dropped, and where they go is known.
    Take(Vec<Dropped>, Destination),
    /// Files or pictures were pasted.
    Paste(Vec<Dropped>),
    /// Adds a sample object.
    SampleObject(usize),
    /// Puts a word into the prompt where the cursor is.
    InsertWord(String),
    /// Opens a project, after asking about changes.
    OpenProject(PathBuf),
    /// What to do about changes that are not saved.
    Answer(Answer),
    /// Goes on with what was to be done next, after asking about what would be lost by now.
    Proceed,
    /// What to do about the nth lost session.
    Lost(usize, Recovery),
    /// Something about models.
    Models(ModelsAction),
    /// Closes dialogs.
    CloseDialogs,
    /// Changes the text in the palette's field.
    PaletteText(String),
    /// Moves the palette's choice.
    PaletteMove(isize),
}

/// One of the two shared views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The canvas.
    Canvas,
    /// All cells of the results grid.
    Results,
}

/// A file that was dropped or pasted.
#[derive(Clone, Debug)]
pub enum Dropped {
    /// A file.
    Path(PathBuf),
    /// A picture.
    Picture(Arc<Picture>),
}

/// The model's state.
#[derive(Clone, Debug)]
pub enum ModelState {
    /// It is being loaded: share done, what is read.
    Loading(f32, String),
    /// It is ready.
    Ready(ModelSummary),
    /// It could not be loaded.
    Failed(String),
}

/// A running or waiting job.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its name.
    pub id: JobId,
    /// What it makes, in a few words.
    pub text: String,
    /// The exact text that the model was given, if it is told in words of its own.
    pub sent: Option<String>,
    /// Steps done and in all; none in all until the first step.
    pub step: u32,
    /// Steps in all.
    pub steps: u32,
    /// Seconds since it began.
    pub elapsed: f64,
    /// Seconds left.
    pub eta: f64,
    /// The newest estimates.
    pub preview: Option<JobPreview>,
    /// Counts the estimates.
    pub generation: u64,
    /// Whether it was asked to stop.
    pub cancelling: bool,
}

/// An output that is finished or in the making.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its name in the window.
    pub id: u64,
    /// What the artist calls it: the results of a document are counted from 1, and keep their numbers.
    pub number: u32,
    /// The job that makes it.
    pub job: JobId,
    /// What was asked for at once: the job's number, or that of a sweep's first job.
    pub group: u64,
    /// Its level, in a sweep over the levels.
    pub level: Option<Level>,
    /// Which output of the job, from 0.
    pub index: u32,
    /// Which joint picture, from 0.
    pub joint: u32,
    /// Its seed.
    pub seed: u64,
    /// The finished picture.
    pub picture: Option<Arc<Picture>>,
    /// What joins it to its canvas anew.
    pub joining: Option<Arc<Joining>>,
    /// How it is to be joined; how it is joined now says its job.
    pub blend: BlendSpec,
    /// The canvas it was made on.
    pub base: Option<Arc<Picture>>,
    /// The job, with the masks in it.
    pub spec: Arc<JobSpec>,
    /// The map that it is, if it is none of the wanted pictures.
    pub map: Option<MapKind>,
    /// Whether the artist likes it.
    pub starred: bool,
    /// Where it was saved.
    pub saved: Option<PathBuf>,
}

impl Output {
    /// Whether it is still to be joined as was last wished.
    pub fn is_joining(&self) -> bool {
        self.blend != self.spec.blend && self.joining.is_some()
    }

    /// Its place among the pictures of its job's previews.
    pub fn preview_place(&self) -> usize {
        self.index as usize * self.spec.joint.max(1) as usize + self.joint as usize
    }
}

/// A stroke that is being painted.
pub struct Live {
    /// On which mask; `None` while there is none, which makes one in the end.
    pub region: Option<RegionId>,
    /// The mask with what was painted so far.
    pub mask: Mask,
    /// What is being done.
    pub work: Work,
}

/// What is being done to a mask.
pub enum Work {
    /// A stroke is painted.
    Stroke(Stroke),
    /// The mask is carried; where it was.
    Carried(Mask),
}

/// What waits for an output that is joined anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Once {
    /// It becomes the canvas.
    Accept,
    /// It is saved.
    Save,
}

/// How a result is compared with its canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Compare {
    /// The canvas left of a handle, which is at a share of the pane's width.
    Wipe(f32),
    /// Where they differ.
    Difference,
    /// One after the other.
    Flicker,
}

/// The part of the canvas that the model sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Context {
    /// Left, top, width, height in canvas pixels.
    pub crop: [u32; 4],
    /// Model pixels per canvas pixel.
    pub scale: f64,
    /// Whether the artist drew it.
    pub drawn: bool,
}

/// The command palette.
#[derive(Clone, Debug, Default)]
pub struct PaletteState {
    /// What was typed.
    pub text: String,
    /// The chosen line.
    pub chosen: usize,
}

/// Files that were dropped and whose place is not known yet.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The files.
    pub files: Vec<Dropped>,
    /// When they were dropped, in seconds of the window's clock.
    pub since: f64,
    /// Whether the artist is being asked.
    pub asking: bool,
}

/// Everything that the window shows.
pub struct Session {
    /// The document.
    pub document: Document,
    /// Its undo history.
    pub history: History,
    /// The document's name.
    pub name: String,
    /// The document's file.
    pub project: Project,
    /// The chosen slot.
    pub slot: Option<SlotId>,
    /// The mask that the tools paint.
    pub region: Option<RegionId>,
    /// The stroke or the carried mask in progress.
    pub live: Option<Live>,
    /// The tool.
    pub tool: Tool,
    /// What the tool is doing.
    pub machine: Machine,
    /// The brush.
    pub brush: Brush,
    /// Whether the artist chose its size; else it is the canvas's.
    pub brush_sized: bool,
    /// The canvas view.
    pub view: Viewport,
    /// The view of all results.
    pub results_view: Viewport,
    /// Where the canvas was drawn last.
    pub pane: Rect,
    /// Whether masks are drawn.
    pub show_mask: bool,
    /// Whether they are not drawn for now: their result was accepted, and nothing was painted since.
    pub mask_rests: bool,
    /// Whether the results take the canvas's place.
    pub grid: bool,
    /// How the shown result is compared with its canvas.
    pub compare: Option<Compare>,
    /// What the model sees of the canvas, as far as it is known.
    pub context: Option<Context>,
    /// The context rectangle while it is dragged.
    pub crop_drag: Option<CropDrag>,
    /// A tool that is used while its key is held: the key, the tool before, and since when.
    pub sprung: Option<(Key, Tool, f64)>,
    /// The outputs that the large grid is limited to.
    pub only: Option<u64>,
    /// Whether the key that shows the original is held.
    pub original: bool,
    /// The model.
    pub model: ModelState,
    /// The page of models.
    pub models: Models,
    /// The running job.
    pub job: Option<Running>,
    /// Jobs that wait for it, the next first.
    pub waiting: Vec<Running>,
    /// Outputs, oldest first.
    pub outputs: Vec<Output>,
    /// How many were numbered.
    pub numbered: u32,
    /// Outputs that were removed since the last edit, with where each was: undo brings the last ones back.
    pub removed: Vec<Vec<(usize, Output)>>,
    /// What is to be done with an output once it is joined as was last wished.
    pub once_joined: Option<(u64, Once)>,
    /// Generating again repeats the same seeds.
    pub same_seeds: bool,
    /// The seed that was set when the artist generated last, and the first one that was not used then.
    pub seeds: Option<[u64; 2]>,
    /// The output shown on the canvas.
    pub shown: Option<u64>,
    /// Messages.
    pub toasts: Toasts,
    /// The palette, while it is open.
    pub palette: Option<PaletteState>,
    /// Whether the key sheet is open.
    pub keys: bool,
    /// Whether the exact text is shown.
    pub exact: bool,
    /// What is written in the window that asks what to select, while it is open.
    pub select: Option<String>,
    /// Whether it is shown how the chosen result is joined.
    pub adjust: bool,
    /// Dropped files.
    pub pending: Option<Pending>,
    /// The file that is being read.
    pub reading: Option<String>,
    /// The slots whose objects are being cut out; `None` for what is cut out from under a mask.
    pub cutting: Vec<Option<SlotId>>,
    /// A word that the prompt field is to insert at its cursor.
    pub insert: Option<String>,
    /// The prompt field, once it was drawn.
    pub prompt_field: Option<Id>,
    /// The last job or output id given.
    pub last_id: u64,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            document: Document::new(),
            history: History::default(),
            name: "untitled".to_owned(),
            project: Project::default(),
            slot: None,
            region: None,
            live: None,
            tool: Tool::default(),
            machine: Machine::default(),
            brush: Brush::default(),
            brush_sized: false,
            view: Viewport::default(),
            results_view: Viewport::default(),
            pane: Rect::from_min_max(Pos2::ZERO, Pos2::new(640.0, 480.0)),
            show_mask: true,
            mask_rests: false,
            grid: false,
            compare: None,
            context: None,
            crop_drag: None,
            sprung: None,
            only: None,
            original: false,
            model: ModelState::Loading(0.0, "the model".to_owned()),
            models: Models::default(),
            job: None,
            waiting: Vec::new(),
            outputs: Vec::new(),
            numbered: 0,
            removed: Vec::new(),
            once_joined: None,
            same_seeds: false,
            seeds: None,
            shown: None,
            toasts: Toasts::default(),
            palette: None,
            keys: false,
            exact: false,
            select: None,
            adjust: false,
            pending: None,
            reading: None,
            cutting: Vec::new(),
            insert: None,
            prompt_field: None,
            last_id: 0,
        }
    }
}

impl Session {
    /// A name that was not given before.
    pub fn fresh_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// An output by its name.
    pub fn output(&self, id: u64) -> Option<&Output> {
        self.outputs.iter().find(|output| output.id == id)
    }

    /// Whether the loaded model is told in words of its own.
    pub fn retells(&self) -> bool {
        matches!(&self.model, ModelState::Ready(model) if model.retold)
    }

    /// The picture of the running job that is shown on the canvas, by its place among the job's previews.
    pub fn looked_at(&self) -> Option<usize> {
        let running = self.job.as_ref()?.id;
        let shown = self.shown().filter(|output| output.job == running)?;
        Some(shown.preview_place())
    }

    /// The output shown on the canvas.
    pub fn shown(&self) -> Option<&Output> {
        self.output(self.shown?)
    }

    /// Where the compare handle is, while there is one.
    pub fn wipe(&self) -> Option<f32> {
        match self.compare {
            Some(Compare::Wipe(at)) => Some(at),
            _ => None,
        }
    }

    /// The canvas's picture.
    pub fn canvas(&self) -> Option<&Arc<Picture>> {
        self.document.canvas().map(|slot| &slot.picture)
    }

    /// The chosen region, with its mask as it is right now.
    pub fn active_mask(&self) -> Option<(RegionId, &Mask)> {
        let region = self.document.region(self.region?)?;
        match &self.live {
            Some(live) if live.region == Some(region.id) => Some((region.id, &live.mask)),
            _ => Some((region.id, &region.mask)),
        }
    }

    /// The document as a job gets it: without empty masks, unless the prompt names them.
    pub fn wanted(&self) -> Document {
        let mut wanted = self.document.clone();
        for region in self.document.regions() {
            let number = wanted.number(Target::Region(region.id));
            let number = number.and_then(|number| u32::try_from(number).ok());
            let named = words(wanted.prompt())
                .iter()
                .any(|word| word.kind == WordKind::Image && word.number == number);
            if region.mask.is_empty() && !named {
                // What is in the document can be removed from it.
                let _ = wanted.apply(Edit::RemoveRegion(region.id));
            }
        }
        wanted
    }

    /// The steps a job will take.
    pub fn steps(&self) -> u32 {
        let default = match &self.model {
            ModelState::Ready(summary) => summary.default_steps,
            _ => 12,
        };
        self.document.settings().steps.unwrap_or(default)
    }

    /// The guidance by the text that a job will take.
    pub fn guidance_text(&self) -> f32 {
        let default = match &self.model {
            ModelState::Ready(summary) => summary.default_guidance,
            _ => 1.0,
        };
        self.document.settings().guidance_text.unwrap_or(default)
    }

    /// The part of the canvas that the model sees: x, y, width, height; all of it before that is known.
    pub fn seen(&self) -> CropBox {
        let whole = || self.document.canvas_size().unwrap_or_default();
        self.context.map_or_else(
            || {
                let [width, height] = whole();
                [0, 0, width, height]
            },
            |context| context.crop,
        )
    }

    /// How much of what is there may change, as a share.
    pub fn strength(&self) -> f32 {
        let chosen = self.document.settings().masked.strength;
        chosen.unwrap_or_else(|| self.usual_strength())
    }

    /// The same where the artist has not chosen.
    pub fn usual_strength(&self) -> f32 {
        let modifies = self.retells() && self.document.modifies();
        MaskedSpec::default().strength_for(modifies) as f32
    }

    /// The settings with a change.
    pub fn settings_with(&self, change: impl FnOnce(&mut Settings)) -> Action {
        let mut settings = self.document.settings().clone();
        change(&mut settings);
        Action::Edit(Edit::SetSettings(settings))
    }

    /// Whether masks are drawn now.
    pub fn shows_masks(&self) -> bool {
        self.show_mask && (!self.mask_rests || self.live.is_some())
    }

    /// The size of what the canvas view shows: the canvas, or the shown output of a job without one.
    pub fn shown_size(&self) -> Option<[u32; 2]> {
        // A result may be of another canvas than the document's.
        let shown = self.shown().filter(|_| !self.original);
        let made = shown.and_then(|output| output.picture.as_ref().or(output.base.as_ref()));
        let picture = made.or_else(|| self.canvas());
        if let Some(picture) = picture {
            return Some([picture.width(), picture.height()]);
        }
        // A running job without a canvas: its estimates cover the whole picture.
        let crop = self.job.as_ref()?.preview.as_ref()?.preview.crop;
        Some([crop.width, crop.height])
    }

    /// Whether a question or a sheet is open: keys are for it then.
    pub fn is_asking(&self) -> bool {
        let where_to = self.pending.as_ref().is_some_and(|p| p.asking);
        let select = self.select.is_some();
        let sheet = self.palette.is_some() || self.keys || self.models.open;
        self.project.asking || !self.project.lost.is_empty() || where_to || sheet || select
    }

    /// The command whose sheet is open, if its keys also close it.
    pub fn open_sheet(&self) -> Option<Command> {
        match (&self.palette, self.keys) {
            (Some(_), _) => Some(Command::Palette),
            (None, true) => Some(Command::Keys),
            (None, false) => None,
        }
    }

    /// The document's name, with a mark if it differs from its file.
    pub fn titled(&self) -> String {
        let mark = if self.is_modified() { "*" } else { "" };
        format!("{}{mark}", self.name)
    }
}
