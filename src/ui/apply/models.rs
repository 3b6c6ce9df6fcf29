//! What the page of models asks for, and what the model manager tells.

use super::{Env, Session};
use crate::engine::message::{ModelSource, Request as EngineRequest};
use crate::hub::message::{Event, Request, gigabytes};
use crate::ui::models::{ModelsAction, Question, repository, source_of};
use crate::ui::state::{Action, ModelState};
use crate::ui::toasts::Kind;

impl Session {
    /// Opens the page and asks for the list.
    pub(super) fn open_models(&mut self, env: &mut Env<'_>) {
        if env.hub.is_none() {
            return self.say("there is no folder for models, set INLAY_DATA to one");
        }
        self.models.open = true;
        self.ask_hub(Request::List, env);
    }

    fn ask_hub(&mut self, request: Request, env: &mut Env<'_>) -> bool {
        let Some(hub) = env.hub.as_deref_mut() else {
            return false;
        };
        let asked = hub.ask(request);
        if let Err(why) = asked {
            self.models_failed(why);
            return false;
        }
        true
    }

    /// Carries out what the page asks for.
    pub(super) fn models_action(&mut self, action: ModelsAction, env: &mut Env<'_>) {
        self.models.failure = None;
        match action {
            ModelsAction::Use(name) => {
                let source = self.models.row(&name).and_then(source_of);
                self.use_model(&name, source, env);
            }
            ModelsAction::UseSmallDecoder(name) => {
                let row = self.models.row(&name);
                let source = row.and_then(|row| self.models.with_small_decoder(row));
                self.use_model(&name, source, env);
            }
            ModelsAction::Question(question) => self.models.question = Some(question),
            ModelsAction::Answer(yes) => {
                let question = self.models.question.take().filter(|_| yes);
                match question {
                    Some(Question::Download { name, token, .. }) => {
                        let token = Some(token).filter(|token| !token.trim().is_empty());
                        let request = Request::Download {
                            name: name.clone(),
                            files: Vec::new(),
                            token,
                        };
                        self.begin_task(name, request, env);
                    }
                    Some(Question::Repository { name, file, token }) => {
                        let Some(name) = repository(&name).map(str::to_owned) else {
                            return;
                        };
                        // Of a model of the list more is known, its licence above all.
                        if let Some(known) = self.models.offered(&name)
                            && (file.trim().is_empty() || known.gated)
                        {
                            self.models.question = Some(Question::download(&known.name));
                            return;
                        }
                        let request = Request::Download {
                            name: name.clone(),
                            files: Some(file.trim().to_owned())
                                .filter(|file| !file.is_empty())
                                .into_iter()
                                .collect(),
                            token: Some(token).filter(|token| !token.trim().is_empty()),
                        };
                        self.begin_task(name, request, env);
                    }
                    Some(Question::Remove(name)) => {
                        self.ask_hub(Request::Remove(name), env);
                    }
                    None => {}
                }
            }
            ModelsAction::Cancel => {
                if let Some(hub) = env.hub.as_deref_mut() {
                    hub.cancel();
                }
            }
            ModelsAction::Withdraw(name) => {
                let hub = env.hub.as_deref_mut();
                // What has begun in the meantime shows its own button.
                if hub.is_some_and(|hub| hub.withdraw(&name)) {
                    self.end_last_task(&name);
                    self.say(&format!("{name} is no longer waiting"));
                }
            }
            ModelsAction::Verify(name) => {
                self.begin_task(name.clone(), Request::Verify(name), env);
            }
            ModelsAction::Find => self.models.looking = self.ask_hub(Request::Find, env),
            ModelsAction::Add(path) => {
                self.ask_hub(Request::Add(path), env);
            }
            ModelsAction::Browse { folder } => env.files.browse_model_files(folder),
            ModelsAction::Back => self.models.found = None,
            ModelsAction::OpenOutside(what) => env.files.open_outside(what),
        }
    }

    fn begin_task(&mut self, name: String, request: Request, env: &mut Env<'_>) {
        if self.ask_hub(request, env) {
            self.models.tasks.push(name);
        }
    }

    fn use_model(&mut self, name: &str, source: Option<ModelSource>, env: &mut Env<'_>) {
        let Some(source) = source else {
            return;
        };
        match env.backend.send(EngineRequest::Load(source.clone())) {
            Ok(()) => {
                self.models.loaded = Some(source.clone());
                self.models.chosen = Some(source);
                self.model = ModelState::Loading(0.0, name.to_owned());
            }
            Err(why) => self.models_failed(why),
        }
    }

    /// A failure stands on the page while it is open, and in a message otherwise.
    fn models_failed(&mut self, why: String) {
        if self.models.open {
            self.models.failure = Some(sentence(&why));
        } else {
            self.toasts.add(Kind::Error, why);
        }
    }

    fn end_task(&mut self, name: &str) {
        if let Some(at) = self.models.tasks.iter().position(|task| task == name) {
            self.models.tasks.remove(at);
        }
    }

    /// Of two of one name the first may be running.
    fn end_last_task(&mut self, name: &str) {
        if let Some(at) = self.models.tasks.iter().rposition(|task| task == name) {
            self.models.tasks.remove(at);
        }
    }

    /// Takes an event of the model manager in; what is to be done then.
    pub fn on_hub(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Listed(rows) => self.models.rows = Some(rows),
            Event::Found(found) => {
                self.models.looking = false;
                self.models.found = Some(found).filter(|_| self.models.open);
            }
            Event::Downloaded { asked, name } => {
                self.end_task(&asked);
                self.say(&format!("{name} is downloaded and can be used"));
            }
            Event::Added(name) => {
                self.say(&format!("{name} is in the list of models now"));
                // What was found is one fewer.
                if self.models.found.is_some() {
                    return vec![Action::Models(ModelsAction::Find)];
                }
            }
            Event::Verified(name, report) => {
                self.end_task(&name);
                let text = format!("{name}: {}", report.sentence());
                if report.is_good() {
                    self.toasts.add(Kind::Info, text);
                } else {
                    self.models_failed(format!("{text}; download or copy these files again"));
                }
            }
            Event::Removed(name, 0) => self.say(&format!("{name} is no longer in the list")),
            Event::Removed(name, bytes) => {
                let free = gigabytes(bytes);
                self.say(&format!("{name} is removed, {free} are free again"));
            }
            Event::Cancelled(name) => {
                self.end_task(&name);
                self.say(&format!("{name}: cancelled, what came is kept"));
            }
            Event::Failed(task, why) => {
                if let Some(name) = task {
                    self.end_task(&name);
                }
                self.models.looking = false;
                self.models_failed(why);
            }
        }
        Vec::new()
    }
}

/// A sentence of the library as a line of the window: the first letter upper-cased.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}
