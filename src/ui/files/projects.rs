//! Projects: read, written, and the list of those that were opened last.

use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, PoisonError};

use super::{Arrived, Destination, Files, Outcome, PROJECT, remember, tell_loaded, with_extension};
use crate::doc::Document;
use crate::io;
use crate::io::project::Kept;
use crate::ui::journal::Lost;

/// That something is told of a project that is to be written, also if the thread can't be started or panics: the window waits
/// for it.
struct Promise {
    /// `None` once it is kept.
    sender: Option<SyncSender<Outcome>>,
    which: u64,
}

impl Promise {
    fn keep(mut self) {
        self.sender = None;
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(sender) = &self.sender {
            let why = "the project was not saved, save it again".to_owned();
            // Never waits: this may be the window's own thread.
            let _ = sender.try_send(Outcome::ProjectNotSaved(self.which, Some(why)));
        }
    }
}

impl Files {
    /// Lets the artist choose a project and reads it.
    pub fn browse_project(&mut self) {
        self.errand("open dialog", move |tell| {
            let chosen = rfd::FileDialog::new()
                .set_title("Open project")
                .add_filter("Projects", &[PROJECT])
                .add_filter("All files", &["*"])
                .pick_file();
            if let Some(path) = chosen {
                tell_project(path, tell);
            }
        });
    }

    /// Reads a project, and pictures after it.
    pub fn open_project(&mut self, path: PathBuf, pictures: Vec<PathBuf>) {
        let read = self.reading.begin(&path);
        self.errand("open project", move |tell| {
            tell_project(path, tell);
            drop(read);
            for path in pictures {
                tell_loaded(&path, None, Destination::Auto, tell);
            }
        });
    }

    /// Writes the project, a document and the results kept with it; asks where unless a path is given. `which` of the
    /// session's documents it is comes back.
    pub fn save_project(
        &mut self,
        which: u64,
        (document, results): (Document, Vec<Kept>),
        name: &str,
        path: Option<PathBuf>,
    ) {
        let name = format!("{}.{PROJECT}", io::names::file_safe(name));
        let ask = move || {
            rfd::FileDialog::new()
                .set_title("Save project")
                .set_file_name(&name)
                .add_filter("Projects", &[PROJECT])
                .save_file()
        };
        let writer = Arc::clone(&self.writer);
        let promise = Promise {
            sender: Some(self.sender.clone()),
            which,
        };
        self.write_where("save project", path, ask, move |path, tell| {
            let Some(path) = path.map(|path| with_extension(path, PROJECT)) else {
                promise.keep();
                return tell(Outcome::ProjectNotSaved(which, None));
            };
            let written = {
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                writer.write(&path, &document, &results)
            };
            promise.keep();
            tell(match written {
                Ok(()) => {
                    let results = results.into_iter().map(|kept| kept.picture).collect();
                    Outcome::ProjectSaved(which, Box::new(document), results, path)
                }
                Err(error) => Outcome::ProjectNotSaved(which, Some(error.to_string())),
            });
        });
    }

    /// Reads a lost session. One that can't be read stays where it is.
    pub fn recover(&mut self, mut lost: Lost) {
        self.errand("recover", move |tell| match io::project::open(&lost.file) {
            Ok(opened) => {
                let mut warnings = opened.warnings;
                let results = lost.results(&opened.document, &mut warnings);
                let document = Box::new(opened.document);
                tell(Outcome::Arrived(Arrived::Recovered(
                    document, results, lost,
                )));
                for warning in warnings {
                    tell(Outcome::Warning(warning));
                }
            }
            Err(error) => tell(Outcome::Failed(error.to_string())),
        });
    }

    /// Reads the list of projects that were opened last.
    pub fn load_recent(&mut self, file: PathBuf) {
        self.errand("recent projects", move |tell| {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let list: Vec<PathBuf> = serde_json::from_str(&text).unwrap_or_default();
            let here = list.into_iter().filter(|path| path.is_file()).collect();
            tell(Outcome::Recent(here));
        });
    }

    /// Writes the list of projects that were opened last.
    pub fn save_recent(&mut self, file: PathBuf, mut list: Vec<PathBuf>) {
        // JSON has no way to write the others.
        list.retain(|path| path.to_str().is_some());
        self.write("recent projects", move || remember(&file, &list));
    }
}

fn tell_project(path: PathBuf, tell: &dyn Fn(Outcome)) {
    match io::project::open(&path) {
        Ok(opened) => {
            tell(Outcome::Arrived(Arrived::Project {
                document: Box::new(opened.document),
                results: opened.results,
                path,
                ours: !opened.foreign,
            }));
            for warning in opened.warnings {
                tell(Outcome::Warning(warning));
            }
        }
        Err(error) => tell(Outcome::Failed(error.to_string())),
    }
}
