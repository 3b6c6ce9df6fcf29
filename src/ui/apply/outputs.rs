//! Jobs and what comes out of them.

use std::sync::Arc;

use super::{Env, Session};
use crate::doc::document::{Edit, ModelChoice};
use crate::engine::message::{JobId, Request};
use crate::io::metadata::Recipe;
use crate::ui::state::{ModelState, Output, Running};
use crate::ui::toasts::Kind;
use crate::ui::tool::Input;

impl Session {
    pub(super) fn generate(&mut self, env: &mut Env<'_>) {
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

    pub(super) fn cancel(&mut self, env: &mut Env<'_>) {
        match &mut self.job {
            Some(job) => {
                job.cancelling = true;
                env.backend.cancel(job.id);
            }
            None => self.say("no job is running"),
        }
    }

    pub(super) fn accept(&mut self, id: u64) {
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

    pub(super) fn save(&mut self, id: u64, env: &mut Env<'_>) {
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
