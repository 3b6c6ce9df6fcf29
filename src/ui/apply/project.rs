//! The document as a file: opening, saving, what was not saved, what a crash left.

use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui;

use super::{Env, Session};
use crate::doc::Document;
use crate::io::names::stem_of;
use crate::io::project::Kept;
use crate::ui::Command;
use crate::ui::files::{Arrived, Outcome};
use crate::ui::journal::Lost;
use crate::ui::project::{Answer, Next, Recovery, Stakes};
use crate::ui::sample;
use crate::ui::state::Action;
use crate::ui::toasts::Kind;

/// Projects in the list of recent ones at most.
const RECENT: usize = 10;

impl Session {
    /// Puts something else in the document's place, after asking about what would be lost.
    pub fn request(&mut self, next: Next, env: &mut Env<'_>) {
        if self.job.is_some() && next != Next::Quit {
            return self.say("a job is running, cancel it first");
        }
        self.project.agreed = Stakes::default();
        self.project.next = Some(next);
        self.proceed(env);
    }

    /// Goes on if nothing would be lost but what the artist has agreed to lose; else asks. Files are read and
    /// written while the artist works on.
    pub(super) fn proceed(&mut self, env: &mut Env<'_>) {
        self.project.asking = !self.stakes().is_within(&self.project.agreed);
        if !self.project.asking {
            self.go_on(env);
        }
    }

    /// The artist's answer about what would be lost.
    pub(super) fn answer(&mut self, answer: Answer, env: &mut Env<'_>) {
        self.project.asking = false;
        self.project.agreed = self.stakes();
        match answer {
            Answer::Save => {
                // Both are in the file then.
                self.project.agreed.changes = None;
                self.project.agreed.results.clear();
                self.save_project(false, env);
            }
            Answer::Discard => self.go_on(env),
            Answer::Stay => self.project.stay(),
        }
    }

    /// Does what was to be done next.
    fn go_on(&mut self, env: &mut Env<'_>) {
        match self.project.next.take() {
            None => {}
            Some(Next::New) => self.replace_document(Document::new(), Document::new(), "untitled"),
            Some(Next::Sample) => match sample::document() {
                Some(document) => self.replace_document(document.clone(), document, "sample"),
                None => self
                    .toasts
                    .add(Kind::Error, "the sample can't be read, install Inlay again"),
            },
            Some(Next::Choose) => env.files.browse_project(),
            Some(Next::Open(path)) => env.files.open_project(path, Vec::new()),
            Some(Next::Arrived) => {
                let jobs = self.stakes().jobs;
                jobs.into_iter().for_each(|job| self.cancel_job(job, env));
                match self.project.arrived.take() {
                    None => {}
                    Some(Arrived::Project {
                        document,
                        results,
                        path,
                        ours,
                    }) => self.open((*document, results), path, ours),
                    Some(Arrived::Recovered(document, results, lost)) => {
                        self.recover((*document, results), lost, env);
                    }
                }
            }
            Some(Next::Quit) => {
                self.project.leaving = true;
                env.ctx.send_viewport_cmd(egui::ViewportCommand::Close);
            }
        }
    }

    /// Writes the project, to a file that the artist chooses if it has none or another is wanted.
    pub(super) fn save_project(&mut self, elsewhere: bool, env: &mut Env<'_>) {
        if self.project.saving {
            // One after the other, so that the older one can't come last.
            self.project.again = true;
            return;
        }
        self.project.saving = true;
        let path = self.project.path.clone().filter(|_| !elsewhere);
        let which = self.project.which;
        env.files.save_project(
            which,
            (self.document.clone(), self.results()),
            &self.name,
            path,
        );
    }

    /// Takes the outcome of a project's errand in; what is to be done then.
    pub fn on_project(&mut self, outcome: Outcome) -> Vec<Action> {
        match outcome {
            Outcome::Arrived(_) if self.project.next == Some(Next::Quit) => Vec::new(),
            Outcome::Arrived(arrived) => {
                self.project.arrived = Some(arrived);
                self.project.next = Some(Next::Arrived);
                vec![Action::Proceed]
            }
            Outcome::ProjectSaved(which, document, results, path) => {
                self.say(&format!("saved as {}", path.display()));
                self.remember(path.clone());
                if which != self.project.which {
                    return Vec::new();
                }
                self.project.saving = false;
                self.project.saved = *document;
                self.project.kept = results.iter().map(Arc::downgrade).collect();
                self.name = stem_of(&path);
                self.project.path = Some(path);
                if std::mem::take(&mut self.project.again) {
                    vec![Action::Command(Command::Save)]
                } else if self.project.next.is_some() {
                    vec![Action::Proceed]
                } else {
                    Vec::new()
                }
            }
            Outcome::ProjectNotSaved(which, why) => {
                if which == self.project.which {
                    self.project.saving = false;
                    self.project.again = false;
                    self.project.stay();
                }
                if let Some(why) = why {
                    self.toasts.add(Kind::Error, why);
                }
                Vec::new()
            }
            Outcome::Recent(list) => {
                // A project may have been opened before the list was read.
                let recent = &mut self.project.recent;
                let older = list.into_iter().filter(|path| !recent.contains(path));
                let older: Vec<_> = older.collect();
                recent.extend(older);
                recent.truncate(RECENT);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// A project takes the document's place.
    fn open(&mut self, (document, results): (Document, Vec<Kept>), path: PathBuf, ours: bool) {
        self.replace_document(document.clone(), document, &stem_of(&path));
        let pictures = results.iter().map(|kept| Arc::downgrade(&kept.picture));
        self.project.kept = pictures.collect();
        self.show_kept(results);
        self.project.path = Some(path.clone()).filter(|_| ours);
        self.remember(path);
    }

    /// A lost session takes the document's place: nothing of it is in its file yet.
    fn recover(
        &mut self,
        (document, results): (Document, Vec<Kept>),
        lost: Lost,
        env: &mut Env<'_>,
    ) {
        self.replace_document(document, Document::new(), &lost.name);
        self.show_kept(results);
        self.project.path.clone_from(&lost.path);
        self.say("the document is as it was, save it to keep it");
        if let Some(journal) = &mut env.journal {
            journal.adopt(lost);
        }
    }

    /// A project was opened or saved: it is the first of the recent ones.
    fn remember(&mut self, path: PathBuf) {
        let recent = &mut self.project.recent;
        recent.retain(|known| *known != path);
        recent.insert(0, path);
        recent.truncate(RECENT);
    }

    /// What becomes of a lost session.
    pub(super) fn decide(&mut self, at: usize, recovery: Recovery, env: &mut Env<'_>) {
        if recovery == Recovery::Later {
            // Letting go of them offers them again.
            self.project.lost.clear();
            return;
        }
        if at >= self.project.lost.len() {
            return;
        }
        let lost: Lost = self.project.lost.remove(at);
        match recovery {
            Recovery::Open => {
                // The others are offered again at the next start: two documents have no room here.
                self.project.lost.clear();
                self.project.agreed = Stakes::default();
                env.files.recover(lost);
            }
            Recovery::Remove => {
                if let Some(journal) = &mut env.journal {
                    journal.discard(lost);
                }
            }
            Recovery::Later => {}
        }
    }
}
