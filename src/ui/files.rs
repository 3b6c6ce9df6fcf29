//! Files off the window's thread: dialogs, reading, writing. Each errand is a short-lived named thread, and
//! its outcome comes back through a bounded channel.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

pub use cutting::Cutting;

use super::journal::Lost;
use crate::doc::{Document, Picture, Plane, Purpose, SlotId};
use crate::engine::message::ModelSource;
use crate::io;
use crate::io::metadata::Recipe;
use crate::io::project::{Kept, Writer};

mod cutting;
mod projects;

/// Outcomes that may wait for the window.
const WAITING: usize = 64;

/// Where a picture is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The canvas if there is none yet, else an object.
    Auto,
    /// A new slot for this purpose.
    As(Purpose),
    /// Into this slot.
    Slot(SlotId),
    /// It is the mask of the chosen region.
    Mask,
}

/// How an errand ended.
#[derive(Debug)]
pub enum Outcome {
    /// A picture was read.
    Picture {
        /// Which of the session's documents it was read for; `None` for whichever is there.
        which: Option<u64>,
        /// The pixels.
        picture: Arc<Picture>,
        /// The object alone, if it could be cut out.
        cutout: Option<Arc<Picture>>,
        /// What it is called.
        name: String,
        /// Where it came from.
        source: Option<PathBuf>,
        /// Where it is to go.
        destination: Destination,
    },
    /// An object was cut out, or nothing stood out.
    Cut(Box<Cutting>, Option<Arc<Picture>>),
    /// A mask was read, for which of the session's documents as above.
    Mask(Option<u64>, Plane),
    /// A result was written.
    Saved(u64, PathBuf),
    /// A mask was written.
    MaskSaved(PathBuf),
    /// A model's folder was chosen.
    Model(PathBuf),
    /// A model's folder or file was chosen for the list.
    ModelFiles(PathBuf),
    /// A document was read.
    Arrived(Arrived),
    /// A project was written, as it was then, with these results' pictures; which of the session's documents it is.
    ProjectSaved(u64, Box<Document>, Vec<Arc<Picture>>, PathBuf),
    /// That project was not written: the artist gave it up, or the sentence says why.
    ProjectNotSaved(u64, Option<String>),
    /// The projects that were opened last, newest first.
    Recent(Vec<PathBuf>),
    /// Something the artist should know.
    Warning(String),
    /// It failed; the sentence says why and what to do.
    Failed(String),
}

/// A document that was read.
#[derive(Debug)]
pub enum Arrived {
    /// A project.
    Project {
        /// The document.
        document: Box<Document>,
        /// The results that were kept with it.
        results: Vec<Kept>,
        /// The file.
        path: PathBuf,
        /// Whether saving may replace the file: another program's layers would be lost.
        ours: bool,
    },
    /// A lost session.
    Recovered(Box<Document>, Vec<Kept>, Lost),
}

/// Runs errands.
pub struct Files {
    sender: SyncSender<Outcome>,
    receiver: Receiver<Outcome>,
    wake: Arc<dyn Fn() + Send + Sync>,
    running: Arc<AtomicUsize>,
    writing: Writing,
    reading: Reading,
    cuttings: cutting::Cuttings,
    /// Held while a project is written: two of them may have one file, and the older may not come last.
    writer: Arc<Mutex<Writer>>,
}

/// Counts what is being written to a place that is known: the window waits for it when it closes.
#[derive(Clone, Default)]
struct Writing(Arc<AtomicUsize>);

impl Writing {
    fn begin(&self) -> Held {
        self.0.fetch_add(1, Ordering::AcqRel);
        Held(self.clone())
    }

    fn is_over(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}

/// One of them, until it is dropped.
struct Held(Writing);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The names of the files that are read, the first of them first.
#[derive(Clone, Default)]
struct Reading(Arc<Mutex<Vec<String>>>);

impl Reading {
    fn names(&self) -> MutexGuard<'_, Vec<String>> {
        // The list is valid between any two statements, so a panic elsewhere does not matter.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, path: &Path) -> Read {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let name = name.to_string_lossy().into_owned();
        self.names().push(name.clone());
        Read(self.clone(), name)
    }
}

/// One of them, until it is dropped.
struct Read(Reading, String);

impl Drop for Read {
    fn drop(&mut self) {
        let mut names = self.0.names();
        if let Some(at) = names.iter().position(|name| *name == self.1) {
            names.remove(at);
        }
    }
}

/// The extension of projects.
pub const PROJECT: &str = "ora";

/// Whether a file's name is a project's.
pub fn is_project(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case(PROJECT))
}

const PICTURES: [&str; 8] = ["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif"];

impl Files {
    /// `wake` is called whenever an outcome is ready.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        let (sender, receiver) = sync_channel(WAITING);
        Self {
            sender,
            receiver,
            wake: Arc::new(wake),
            running: Arc::new(AtomicUsize::new(0)),
            writing: Writing::default(),
            reading: Reading::default(),
            cuttings: cutting::Cuttings::default(),
            writer: Arc::default(),
        }
    }

    /// The next outcome, if there is one.
    pub fn poll(&mut self) -> Option<Outcome> {
        self.receiver.try_recv().ok()
    }

    /// Whether no errand is running; its outcomes may still wait to be polled.
    pub fn is_idle(&self) -> bool {
        self.running.load(Ordering::Acquire) == 0
    }

    /// Waits until everything is written whose place is known; dialogs that are open are given up.
    pub fn finish(&mut self) {
        while !self.writing.is_over() {
            // Nobody else reads the outcomes now, and a full channel would hold the writer.
            let _ = self.poll();
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// An errand that writes to a place that is known.
    fn write(&mut self, name: &str, work: impl FnOnce() + Send + 'static) {
        let held = self.writing.begin();
        self.errand(name, move |_| {
            work();
            drop(held);
        });
    }

    /// An errand that writes to `path`, or where `ask` says once it was answered: `None` if it was given up.
    fn write_where(
        &mut self,
        name: &str,
        path: Option<PathBuf>,
        ask: impl FnOnce() -> Option<PathBuf> + Send + 'static,
        work: impl FnOnce(Option<PathBuf>, &dyn Fn(Outcome)) + Send + 'static,
    ) {
        let writing = self.writing.clone();
        let held = path.is_some().then(|| writing.begin());
        self.errand(name, move |tell| {
            let path = path.or_else(ask);
            let held = held.or_else(|| path.is_some().then(|| writing.begin()));
            work(path, tell);
            drop(held);
        });
    }

    fn errand(&mut self, name: &str, work: impl FnOnce(&dyn Fn(Outcome)) + Send + 'static) {
        let (sender, wake) = (self.sender.clone(), Arc::clone(&self.wake));
        let running = Arc::clone(&self.running);
        running.fetch_add(1, Ordering::AcqRel);
        let started = thread::Builder::new().name(name.to_owned()).spawn(move || {
            work(&|outcome| {
                // The window is gone when nobody listens: nothing is left to do then.
                let _ = sender.send(outcome);
                wake();
            });
            running.fetch_sub(1, Ordering::AcqRel);
            wake();
        });
        if let Err(error) = started {
            self.running.fetch_sub(1, Ordering::AcqRel);
            let failed = Outcome::Failed(format!(
                "the system has no room for another thread ({error}), close other programs first"
            ));
            let _ = self.sender.try_send(failed);
            (self.wake)();
        }
    }

    /// The file that is being read, if there is one.
    pub fn reading(&self) -> Option<String> {
        self.reading.names().first().cloned()
    }

    /// Reads pictures from files, for `which` of the session's documents.
    pub fn load(&mut self, which: u64, paths: Vec<PathBuf>, destination: Destination) {
        let begun: Vec<_> = paths.iter().map(|path| self.reading.begin(path)).collect();
        self.errand("load pictures", move |tell| {
            for (path, read) in paths.iter().zip(begun) {
                tell_loaded(path, Some(which), destination, tell);
                drop(read);
            }
        });
    }

    /// Lets the artist choose pictures and reads them, for `which` of the session's documents.
    pub fn browse(&mut self, which: u64, destination: Destination) {
        let (reading, wake) = (self.reading.clone(), Arc::clone(&self.wake));
        self.errand("open dialog", move |tell| {
            let dialog = rfd::FileDialog::new()
                .set_title(match destination {
                    Destination::Mask => "Load mask",
                    _ => "Add pictures",
                })
                .add_filter("Pictures", &PICTURES)
                .add_filter("All files", &["*"]);
            let many = matches!(destination, Destination::Auto);
            let paths = if many {
                dialog.pick_files().unwrap_or_default()
            } else {
                dialog.pick_file().into_iter().collect()
            };
            let begun: Vec<_> = paths.iter().map(|path| reading.begin(path)).collect();
            wake();
            for (path, read) in paths.iter().zip(begun) {
                tell_loaded(path, Some(which), destination, tell);
                drop(read);
            }
        });
    }

    /// Lets the artist choose a model's folder.
    pub fn browse_model(&mut self) {
        self.errand("open dialog", move |tell| {
            let dialog = rfd::FileDialog::new().set_title("Open model");
            if let Some(folder) = dialog.pick_folder() {
                tell(Outcome::Model(folder));
            }
        });
    }

    /// Lets the artist choose a model's folder or file for the list.
    pub fn browse_model_files(&mut self, folder: bool) {
        self.errand("open dialog", move |tell| {
            let dialog = rfd::FileDialog::new().set_title("Add a model");
            let chosen = if folder {
                dialog.pick_folder()
            } else {
                let dialog = dialog.add_filter("Models", &["safetensors", "gguf"]);
                dialog.pick_file()
            };
            if let Some(path) = chosen {
                tell(Outcome::ModelFiles(path));
            }
        });
    }

    /// Opens a folder or a page in the system's own programs.
    pub fn open_outside(&mut self, what: OsString) {
        self.errand("open outside", move |tell| {
            let program = if cfg!(target_os = "macos") {
                "open"
            } else if cfg!(windows) {
                "explorer"
            } else {
                "xdg-open"
            };
            // Windows' program ends with an error even if it did what it should.
            if let Err(error) = std::process::Command::new(program).arg(&what).status() {
                tell(Outcome::Failed(format!(
                    "the system can't open it ({}), open it by hand: {}",
                    io::error::plain(&error),
                    what.display()
                )));
            }
        });
    }

    /// Writes which model was chosen.
    pub fn save_model(&mut self, file: PathBuf, source: ModelSource) {
        self.write("chosen model", move || remember(&file, &source));
    }

    /// Writes a result; asks where unless a path is given.
    pub fn save(
        &mut self,
        id: u64,
        picture: Arc<Picture>,
        recipe: Option<Recipe>,
        name: String,
        path: Option<PathBuf>,
    ) {
        let ask = move || {
            rfd::FileDialog::new()
                .set_title("Save result")
                .set_file_name(&name)
                .add_filter("PNG", &["png"])
                .save_file()
        };
        self.write_where("save result", path, ask, move |path, tell| {
            let Some(path) = path.map(|path| with_extension(path, "png")) else {
                return;
            };
            let bytes = io::metadata::encode_png(&picture, recipe.as_ref());
            tell(match bytes {
                Err(error) => Outcome::Failed(format!(
                    "the result can't be written as PNG ({error}), try again: {}",
                    path.display()
                )),
                Ok(bytes) => match io::save::replace(&path, &bytes) {
                    Ok(()) => Outcome::Saved(id, path),
                    Err(error) => Outcome::Failed(error.to_string()),
                },
            });
        });
    }

    /// Writes a mask; asks where.
    pub fn save_mask(&mut self, mask: Plane) {
        let ask = || {
            rfd::FileDialog::new()
                .set_title("Save mask")
                .set_file_name("mask.png")
                .add_filter("PNG", &["png"])
                .save_file()
        };
        self.write_where("save mask", None, ask, move |path, tell| {
            let Some(path) = path.map(|path| with_extension(path, "png")) else {
                return;
            };
            tell(match io::mask::write(&path, &mask) {
                Ok(()) => Outcome::MaskSaved(path),
                Err(error) => Outcome::Failed(error.to_string()),
            });
        });
    }
}

/// The name with this extension: the content is of that format, whatever was typed. "A.B" becomes "A.B.png".
fn with_extension(path: PathBuf, extension: &str) -> PathBuf {
    let has = path
        .extension()
        .is_some_and(|found| found.eq_ignore_ascii_case(extension));
    match path.file_name() {
        Some(name) if !has => {
            let mut name = name.to_owned();
            name.push(".");
            name.push(extension);
            path.with_file_name(name)
        }
        _ => path,
    }
}

/// Writes what the next session is to know. Only a convenience: a failure is not worth a message.
fn remember(file: &Path, what: &impl serde::Serialize) {
    let folder = file.parent().map_or(Ok(()), std::fs::create_dir_all);
    match (folder, serde_json::to_vec_pretty(what)) {
        (Ok(()), Ok(text)) => {
            if let Err(error) = io::save::replace(file, &text) {
                tracing::debug!("{error}");
            }
        }
        (Err(error), _) => tracing::debug!("{error}"),
        // What was noted before stays.
        (_, Err(error)) => tracing::debug!("{error}"),
    }
}

fn tell_loaded(path: &Path, which: Option<u64>, destination: Destination, tell: &dyn Fn(Outcome)) {
    if destination == Destination::Mask {
        return match io::mask::load(path) {
            Ok(loaded) => {
                for warning in loaded.warnings {
                    tell(Outcome::Warning(warning));
                }
                tell(Outcome::Mask(which, loaded.mask));
            }
            Err(error) => tell(Outcome::Failed(error.to_string())),
        };
    }
    tell_picture(io::load(path), path, which, destination, tell);
}

fn tell_picture(
    loaded: Result<io::Loaded, io::PictureError>,
    path: &Path,
    which: Option<u64>,
    destination: Destination,
    tell: &dyn Fn(Outcome),
) {
    match loaded {
        Ok(loaded) => {
            for warning in loaded.warnings {
                tell(Outcome::Warning(warning));
            }
            let cutout = match destination {
                Destination::Auto | Destination::As(Purpose::Asset) | Destination::Slot(_) => {
                    io::cutout::cut_out_plainly(&loaded.picture).map(Arc::new)
                }
                _ => None,
            };
            tell(Outcome::Picture {
                which,
                picture: Arc::new(loaded.picture),
                cutout,
                name: io::names::stem_of(path),
                source: Some(path.to_owned()),
                destination,
            });
        }
        Err(error) => tell(Outcome::Failed(error.to_string())),
    }
}

#[cfg(test)]
mod tests;
