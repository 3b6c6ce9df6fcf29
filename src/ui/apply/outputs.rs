//! Jobs and what comes out of them.

use std::sync::Arc;

use super::{Env, Session};
use crate::doc::document::{Document, Edit, Settings, Target};
use crate::doc::job::{BlendSpec, ModelChoice};
use crate::doc::perceive::MapKind;
use crate::doc::prompt::{WordKind, words};
use crate::doc::{ControlKind, Job, JobSpec, Level, Picture, Purpose};
use crate::engine::message::{JobId, ModelSummary, Request};
use crate::io::metadata::Recipe;
use crate::ui::files::Destination;
use crate::ui::state::{ModelState, Once, Output, Running};
use crate::ui::toasts::Kind;
use crate::ui::tool::Input;

impl Session {
    /// Asks for the outputs; `first` before all jobs that wait.
    pub(super) fn generate(&mut self, first: bool, env: &mut Env<'_>) {
        // A stroke that is being painted counts.
        self.pointer(Input::Up, env.ctx);
        if let Some(why) = self.unplaced() {
            return self.toasts.add(Kind::Warning, why);
        }
        let Some(mut job) = self.new_job(env) else {
            return;
        };
        self.warn_of_uncut();
        let set = job.spec.seed;
        job.spec.seed = self.next_seed();
        let after = job.spec.seed.wrapping_add(job.spec.outputs.into());
        if self.start(job, first, None, env).is_some() {
            self.seeds = Some([set, after]);
        }
        self.history.seal();
    }

    /// An object that nothing is said about: the built-in model would draw the canvas anew without it.
    fn unplaced(&self) -> Option<String> {
        let document = self.wanted();
        if self.retells() || document.canvas().is_none() {
            return None;
        }
        let controls = (document.purposes().iter())
            .any(|purpose| matches!(purpose, Purpose::Control(kind) if *kind != ControlKind::Mask));
        let slots = document.slots().iter().enumerate();
        let (at, _) = slots.clone().find(|(at, slot)| {
            let placed = document.regions().iter().any(|r| r.asset == Some(slot.id));
            let number = Some(*at as u32 + 1);
            let named = words(document.prompt())
                .iter()
                .any(|word| word.kind == WordKind::Image && word.number == number);
            document.purpose(slot.id) == Some(Purpose::Asset) && !placed && !named && !controls
        })?;
        Some(format!(
            "paint where IMG{0} goes, or say in the prompt what to do with IMG{0}",
            at + 1
        ))
    }

    /// An object with what is around it can't be laid into the canvas.
    fn warn_of_uncut(&mut self) {
        if self.retells() {
            return;
        }
        let document = &self.document;
        let slots = document.slots().iter().enumerate();
        let uncut: Vec<usize> = slots
            .filter(|(_, slot)| {
                let placed = document.regions().iter().any(|r| r.asset == Some(slot.id));
                placed && !slot.picture.has_alpha()
            })
            .map(|(at, _)| at + 1)
            .collect();
        for number in uncut {
            self.toasts.add(
                Kind::Warning,
                format!(
                    "IMG{number} is not cut out, so the model can only guess at it: choose Cut out at its picture"
                ),
            );
        }
    }

    /// The first seed of what is generated next: as it is set, but generating again goes on with the next ones, or it
    /// would make the same results.
    pub fn next_seed(&self) -> u64 {
        let set = self.document.settings().seed;
        match self.seeds {
            Some([then, next]) if then == set && !self.same_seeds => next,
            _ => set,
        }
    }

    /// Asks for one output at each of the four levels of the chosen mask, all from one seed.
    pub(super) fn sweep(&mut self, env: &mut Env<'_>) {
        self.pointer(Input::Up, env.ctx);
        let wanted = self.wanted();
        let mut regions = wanted.regions().iter();
        let Some(at) = regions.position(|region| Some(region.id) == self.region) else {
            return self.say("paint a mask first, the levels are about masks");
        };
        let Some(job) = self.new_job(env) else { return };
        let mut group = None;
        for level in Level::ALL {
            let mut job = job.clone();
            job.spec.outputs = 1;
            job.spec.joint = 1;
            if let Some(region) = job.spec.regions.get_mut(at) {
                region.level = level;
            }
            let started = self.start(job, false, Some((level, group)), env);
            if started.is_none() {
                break;
            }
            group = group.or(started);
        }
        self.grid = group.is_some();
        self.only = group;
        self.history.seal();
    }

    /// Asks for a map of the canvas alone, whatever else is in the document.
    pub(super) fn perceive(&mut self, kind: MapKind, words: &str, env: &mut Env<'_>) {
        self.select = None;
        let Some(canvas) = self.document.canvas() else {
            return self.say("add a canvas first, the map is made of it");
        };
        let mut document = Document::new();
        let edits = [
            Edit::AddSlot {
                picture: Arc::clone(&canvas.picture),
                name: canvas.name.clone(),
                source: canvas.source.clone(),
                purpose: Some(Purpose::Canvas),
            },
            Edit::SetPrompt(kind.prompt(words)),
            Edit::SetSettings(Settings {
                outputs: 1,
                seed: self.document.settings().seed,
                // The whole answer is the map: nothing of the canvas is laid over it.
                blend: BlendSpec {
                    keep_detail: false,
                    colour_match: false,
                    ..BlendSpec::default()
                },
                ..Settings::default()
            }),
        ];
        for edit in edits {
            if let Err(error) = document.apply(edit) {
                self.toasts.add(Kind::Error, error.to_string());
                return;
            }
        }
        if let Some(job) = self.job_of(&document) {
            self.start(job, false, None, env);
        }
    }

    /// Makes a map a mask of its own, or a picture that steers.
    pub(super) fn use_map(&mut self, id: u64) {
        let output = self.output(id);
        let Some((picture, kind)) = output.and_then(|o| Some((o.picture.clone()?, o.map?))) else {
            return self.say("this output is no finished map");
        };
        match kind {
            MapKind::Segment => {
                // What is painted already is kept.
                let filled = self.active_mask().is_some_and(|(_, mask)| !mask.is_empty());
                let before = self.region.take_if(|_| filled);
                self.take_mask(&crate::io::mask::from_picture(&picture));
                if self.region.is_some() {
                    self.shown = None;
                } else {
                    // There is no room for another one, and the reason was told.
                    self.region = before;
                }
            }
            MapKind::Depth => self.steer_by(picture, ControlKind::Depth, "depth"),
            MapKind::Edge => self.steer_by(picture, ControlKind::Edge, "edges"),
        }
    }

    /// Adds a result to the objects.
    pub(super) fn use_as_object(&mut self, id: u64) {
        let output = self.output(id);
        let Some((picture, number)) = output.and_then(|o| Some((o.picture.clone()?, o.number)))
        else {
            return self.say("this output is not finished yet");
        };
        let name = format!("result {number} of {}", self.name);
        let destination = Destination::As(Purpose::Asset);
        self.add_picture(picture, None, name, None, destination);
    }

    /// Sets the words and the numbers that a result was made with; pictures and masks stay as they are.
    pub(super) fn use_settings(&mut self, id: u64, env: &mut Env<'_>) {
        let Some(output) = self.output(id) else {
            return;
        };
        let (spec, seed) = (Arc::clone(&output.spec), output.seed);
        let words = self.edit(Edit::SetPrompt(spec.prompt.clone()))
            && self.edit(Edit::SetTags(spec.tags.clone()));
        if !words {
            return;
        }
        // The seeds of this document are taken up from this one.
        self.seeds = None;
        let action = self.settings_with(|settings| {
            settings.seed = seed;
            settings.joint = spec.joint;
            settings.steps = Some(spec.steps);
            settings.guidance_text = Some(spec.guidance_text);
            settings.guidance_image = spec.guidance_image;
            settings.solver = spec.solver;
            settings.blend = spec.blend;
            settings.masked = spec.masked;
        });
        self.apply(action, env);
    }

    fn steer_by(&mut self, picture: Arc<Picture>, kind: ControlKind, what: &str) {
        let name = format!("{what} of {}", self.name);
        let destination = Destination::As(Purpose::Control(kind));
        self.add_picture(picture, None, name, None, destination);
    }

    /// The job that the document describes, or a message that says why there is none.
    fn new_job(&mut self, env: &mut Env<'_>) -> Option<Job> {
        self.pointer(Input::Up, env.ctx);
        let wanted = self.wanted();
        let job = self.job_of(&wanted)?;
        for region in self.document.regions() {
            if wanted.region(region.id).is_none()
                && let Some(number) = self.document.number(Target::Region(region.id))
            {
                let text = format!("the mask IMG{number} is empty and is left out");
                self.toasts.add(Kind::Warning, text);
            }
        }
        Some(job)
    }

    /// The same for another document.
    fn job_of(&mut self, document: &Document) -> Option<Job> {
        let choice = match &self.model {
            ModelState::Ready(summary) => ModelChoice {
                name: &summary.name,
                hash: &summary.hash,
                default_steps: summary.default_steps,
                default_guidance: summary.default_guidance,
            },
            ModelState::Loading(..) => {
                self.say("the model is still being loaded");
                return None;
            }
            ModelState::Failed(why) => {
                let why = why.clone();
                self.toasts.refuse(why);
                return None;
            }
        };
        let job = match document.compile() {
            Ok(_) => document.to_job(choice).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let mut job = job.map_err(|why| self.toasts.refuse(why)).ok()?;
        if let ModelState::Ready(model) = &self.model {
            leave_out(&mut job.spec, model);
        }
        Some(job)
    }

    /// Sends a job and makes room for its outputs; the group they belong to.
    fn start(
        &mut self,
        job: Job,
        first: bool,
        sweep: Option<(Level, Option<u64>)>,
        env: &mut Env<'_>,
    ) -> Option<u64> {
        let spec = job
            .recipe(|mask| Ok::<_, std::convert::Infallible>(crate::io::mask::to_text(mask)))
            .unwrap_or_else(|never| match never {});
        let spec = Arc::new(spec);
        let id = JobId(self.fresh_id());
        let request = Request::Generate(id, Box::new(job));
        let sent = if first {
            env.backend.send_first(request)
        } else {
            env.backend.send(request)
        };
        if let Err(error) = sent {
            self.toasts.refuse(error);
            return None;
        }
        self.toasts.forget_refusals();
        let level = sweep.map(|(level, _)| level);
        let text = match (level, spec.outputs) {
            (Some(level), _) => format!("{} level · seed {}", level.name(), spec.seed),
            (None, 1) => format!("1 output · seed {}", spec.seed),
            (None, outputs) => format!("{outputs} outputs · seed {}", spec.seed),
        };
        let job = Running {
            sent: None,
            id,
            text,
            step: 0,
            steps: 0,
            elapsed: 0.0,
            eta: 0.0,
            preview: None,
            generation: 0,
            cancelling: false,
        };
        let is_next = self.job.is_none();
        match first {
            _ if is_next => self.job = Some(job),
            true => self.waiting.insert(0, job),
            false => self.waiting.push(job),
        }
        let group = sweep.and_then(|(_, group)| group).unwrap_or(id.0);
        let base = self.canvas().cloned();
        let retells = self.retells();
        let (joint, seed) = (spec.joint, spec.seed);
        for index in 0..spec.outputs {
            for picture in 0..joint {
                self.numbered = self.numbered.saturating_add(1);
                let output = Output {
                    id: self.fresh_id(),
                    number: self.numbered,
                    job: id,
                    group,
                    level,
                    index,
                    joint: picture,
                    seed: seed.wrapping_add(index.into()),
                    picture: None,
                    joining: None,
                    blend: spec.blend,
                    base: base.clone(),
                    // FLUX.2 answers with pictures, whatever the words.
                    map: spec.map(picture).filter(|_| !retells),
                    spec: Arc::clone(&spec),
                    starred: false,
                    saved: None,
                };
                if is_next && index == 0 && picture == 0 {
                    self.shown = Some(output.id);
                }
                self.outputs.push(output);
            }
        }
        Some(group)
    }

    pub(super) fn cancel(&mut self, env: &mut Env<'_>) {
        match &self.job {
            Some(job) => self.cancel_job(job.id, env),
            None => self.say("no job is running"),
        }
    }

    pub(super) fn cancel_all(&mut self, env: &mut Env<'_>) {
        // Those that wait first, so that none of them begins meanwhile.
        let jobs = self.waiting.iter().chain(&self.job);
        let jobs: Vec<_> = jobs.map(|job| job.id).collect();
        jobs.into_iter().for_each(|job| self.cancel_job(job, env));
    }

    pub(super) fn cancel_job(&mut self, id: JobId, env: &mut Env<'_>) {
        for job in self.job.iter_mut().chain(&mut self.waiting) {
            if job.id == id {
                job.cancelling = true;
            }
        }
        env.backend.cancel(id);
    }

    /// Moves a waiting job up or down.
    pub(super) fn move_job(&mut self, id: JobId, by: isize, env: &mut Env<'_>) {
        let Some(at) = self.waiting.iter().position(|job| job.id == id) else {
            return;
        };
        let to = at.saturating_add_signed(by).min(self.waiting.len() - 1);
        let job = self.waiting.remove(at);
        self.waiting.insert(to, job);
        let order: Vec<JobId> = self.waiting.iter().map(|job| job.id).collect();
        env.backend.arrange(&order);
    }

    /// Whether an output is being joined as was last wished: this is then done with it later.
    fn waits_for_join(&mut self, id: u64, once: Once) -> bool {
        let joining = self.output(id).is_some_and(Output::is_joining);
        if joining {
            self.once_joined = Some((id, once));
        }
        joining
    }

    pub(super) fn accept(&mut self, id: u64) {
        if self.waits_for_join(id, Once::Accept) {
            return;
        }
        let Some(picture) = self.output(id).and_then(|output| output.picture.clone()) else {
            return self.say("this output is not finished yet");
        };
        let name = self
            .document
            .canvas()
            .map_or_else(|| "result".to_owned(), |slot| slot.name.clone());
        if self.edit(Edit::Accept { picture, name }) {
            self.shown = None;
            self.compare = None;
            self.grid = false;
            // What was painted would lie over what it became; the next stroke shows it again.
            self.mask_rests = true;
            self.say("the result is the canvas now, undo takes it back");
        }
    }

    pub(super) fn save(&mut self, id: u64, env: &mut Env<'_>) {
        if self.waits_for_join(id, Once::Save) {
            return;
        }
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

    pub(super) fn remove(&mut self, id: u64) {
        if self
            .output(id)
            .is_some_and(|output| output.picture.is_none())
        {
            return self.say("this output is being made, cancel the job first");
        }
        let at = self.outputs.iter().position(|output| output.id == id);
        self.take_out(|output| output.id == id);
        if self.shown == Some(id) {
            self.shown = at
                .and_then(|at| self.outputs.get(at).or_else(|| self.outputs.last()))
                .map(|output| output.id);
        }
    }

    /// Removes finished outputs; undo brings them back until something is edited.
    pub(super) fn take_out(&mut self, goes: impl Fn(&Output) -> bool) {
        let (gone, stay): (Vec<_>, Vec<_>) = std::mem::take(&mut self.outputs)
            .into_iter()
            .enumerate()
            .partition(|(_, output)| output.picture.is_some() && goes(output));
        self.outputs = stay.into_iter().map(|(_, output)| output).collect();
        let text = match &gone[..] {
            [] => return,
            [(_, output)] => format!("result {} is removed, undo brings it back", output.number),
            several => format!(
                "{} results are removed, undo brings them back",
                several.len()
            ),
        };
        self.say(&text);
        self.removed.push(gone);
    }

    /// Brings back what was removed last; whether there was anything.
    pub(super) fn bring_back(&mut self) -> bool {
        let Some(gone) = self.removed.pop() else {
            return false;
        };
        self.shown = gone.last().map(|(_, output)| output.id);
        for (at, output) in gone {
            self.outputs.insert(at.min(self.outputs.len()), output);
        }
        true
    }

    /// After outputs went away: what is shown must be there.
    pub fn mend_shown(&mut self) {
        self.shown = self.shown.filter(|&id| self.output(id).is_some());
        let there = |group| self.outputs.iter().any(|output| output.group == group);
        self.only = self.only.filter(|&group| there(group));
        if self.outputs.is_empty() {
            self.grid = false;
            self.compare = None;
        }
    }

    pub(super) fn step_result(&mut self, by: isize) {
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
}

/// What was set for another model and is not offered for this one plays no part.
fn leave_out(spec: &mut JobSpec, model: &ModelSummary) {
    if !model.takes_text_guidance {
        spec.guidance_text = model.default_guidance;
    }
    if !model.takes_image_guidance {
        spec.guidance_image = 1.0;
    }
    if !model.retold {
        spec.masked.mode = None;
    }
}
