//! The document as a file: opening, saving, what was not saved, what a crash left.

use std::path::PathBuf;

use eframe::egui;

use super::{Env, Session};
use crate::doc::Document;
use crate::io::names::stem_of;
use crate::ui::Command;
use crate::ui::files::Outcome;
use crate::ui::journal::Lost;
use crate::ui::sample;
use crate::ui::state::{Action, Answer, Next, Recovery};
use crate::ui::toasts::Kind;

/// Projects in the list of recent ones at most.
const RECENT: usize = 10;

impl Session {
    /// Puts something else in the document's place, after asking about changes that are not saved.
    pub fn request(&mut self, next: Next, env: &mut Env<'_>) {
        if self.job.is_some() && next != Next::Quit {
            return self.say("a job is running, cancel it first");
        }
        self.project.next = Some(next);
        if self.is_modified() {
            self.project.asking = true;
        } else {
            self.go_on(env);
        }
    }

    /// The artist's answer about changes that are not saved.
    pub(super) fn answer(&mut self, answer: Answer, env: &mut Env<'_>) {
        self.project.asking = false;
        match answer {
            Answer::Save => self.save_project(false, env),
            Answer::Discard => self.go_on(env),
            Answer::Stay => self.project.next = None,
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
        env.files
            .save_project(self.document.clone(), &self.name, path);
    }

    /// Takes the outcome of a project's errand in; what is to be done then.
    pub fn on_project(&mut self, outcome: Outcome) -> Vec<Action> {
        match outcome {
            Outcome::Project {
                document,
                path,
                ours,
            } => {
                self.replace_document((*document).clone(), *document, &stem_of(&path));
                if ours {
                    self.project.path = Some(path.clone());
                }
                self.remember(path);
                Vec::new()
            }
            Outcome::ProjectSaved(document, path) => {
                self.project.saving = false;
                self.project.saved = *document;
                self.name = stem_of(&path);
                self.say(&format!("saved as {}", path.display()));
                self.project.path = Some(path.clone());
                self.remember(path);
                if std::mem::take(&mut self.project.again) {
                    vec![Action::Command(Command::Save)]
                } else if self.project.next.is_some() {
                    vec![Action::Answer(Answer::Discard)]
                } else {
                    Vec::new()
                }
            }
            Outcome::ProjectNotSaved(why) => {
                self.project.saving = false;
                self.project.again = false;
                self.project.next = None;
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

    /// A lost session was read: nothing of it is in its file yet.
    pub fn on_recovered(&mut self, document: Document, lost: &Lost) {
        self.replace_document(document, Document::new(), &lost.name);
        self.project.path.clone_from(&lost.path);
        self.say("the document is as it was, save it to keep it");
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
