//! The crash journal: the document is written again soon after each change, into one file a session, and starred results into
//! another, on a thread of its own. A session that ends as it should removes its file; what lies there when the program starts, and
//! belongs to no running program, is offered for recovery.
//!
//! A session holds a lock on its `.lock` file, which the system lets go of when the program dies.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize, Serializer};

use crate::doc::{Document, Picture};
use crate::io;
use crate::io::project::{Kept, Writer};

#[cfg(test)]
mod tests;

/// Between two writings; a change after a quiet time is written at once.
const PAUSE: Duration = Duration::from_secs(2);
/// Writing takes at most this share of the time: after a slow one the pause is longer.
const SHARE: u32 = 4;
/// Sessions kept for recovery; the oldest go first.
const KEPT: usize = 4;
/// The extension of a session's starred results.
const RESULTS: &str = "results";
/// Bytes of pictures above which a session, or its results, are not kept.
const LARGEST: usize = 2 << 30;

/// What is known of a session besides its document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct About {
    name: String,
    #[serde(serialize_with = "if_text")]
    path: Option<PathBuf>,
}

/// JSON has no way to write other paths; the document is worth more than its file's name.
fn if_text<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
    path.as_deref().and_then(Path::to_str).serialize(to)
}

/// A session that did not end as it should.
#[derive(Debug)]
pub struct Lost {
    /// The document's name.
    pub name: String,
    /// The project's file, if it had one.
    pub path: Option<PathBuf>,
    /// When it was written last.
    pub when: SystemTime,
    /// The document.
    pub file: PathBuf,
    /// Held until it is decided what becomes of it, so that a second window does not offer it as well.
    lock: File,
    /// Results of it could not be read: their file stays, its place was told.
    unread: bool,
}

impl Lost {
    /// How long ago, in a few words.
    pub fn age(&self) -> String {
        let seconds = SystemTime::now()
            .duration_since(self.when)
            .map_or(0, |age| age.as_secs());
        match seconds {
            0..90 => "a minute ago".to_owned(),
            90..5400 => format!("{} minutes ago", seconds.div_ceil(60)),
            5400..129_600 => format!("{} hours ago", seconds.div_ceil(3600)),
            _ => format!("{} days ago", seconds.div_ceil(86_400)),
        }
    }

    /// The starred results; those whose file can't be read are told in `warnings`. Pictures that the document has, too, are
    /// its own.
    pub fn results(&mut self, document: &Document, warnings: &mut Vec<String>) -> Vec<Kept> {
        let file = self.file.with_extension(RESULTS);
        if !file.exists() {
            return Vec::new();
        }
        let opened = match io::project::open(&file) {
            Ok(opened) => opened,
            Err(error) => {
                self.unread = true;
                warnings.push(error.to_string());
                return Vec::new();
            }
        };
        self.unread = !opened.warnings.is_empty();
        warnings.extend(opened.warnings);
        let own = |picture: &mut Arc<Picture>| {
            let mut slots = document.slots().iter();
            if let Some(slot) = slots.find(|slot| slot.picture == *picture) {
                *picture = Arc::clone(&slot.picture);
            }
        };
        let mut results = opened.results;
        for kept in &mut results {
            own(&mut kept.picture);
            kept.base.iter_mut().for_each(own);
        }
        results
    }

    fn remove(self) {
        // A file that can't be removed is offered again: better than one that is lost.
        let _ = fs::remove_file(&self.file);
        if !self.unread {
            let _ = fs::remove_file(self.file.with_extension(RESULTS));
        }
        let _ = fs::remove_file(self.file.with_extension("lock"));
        drop(self.lock);
    }
}

struct Note {
    document: Document,
    about: About,
    /// The results, which are written only when they change: they are large.
    results: Arc<[Kept]>,
}

fn are_same(a: &[Kept], b: &[Kept]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_same(b))
}

#[derive(Default)]
struct Shared {
    /// The newest change, `Some(None)` if there is nothing to keep any more.
    note: Option<Option<Arc<Note>>>,
    busy: bool,
    /// Sessions to be removed at once, and those to be removed when this one is on the disk.
    discard: Vec<Lost>,
    adopted: Vec<Lost>,
    lost: Vec<Lost>,
    failed: Option<String>,
    scanned: bool,
    closed: bool,
    /// The session ended as it should.
    finished: bool,
}

/// The journal of this session. Dropping it leaves the file, as a crash does: see [`Journal::finish`].
pub struct Journal {
    shared: Arc<(Mutex<Shared>, Condvar)>,
    noted: Option<Arc<Note>>,
    thread: Option<JoinHandle<()>>,
}

fn lock(mutex: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // The state is valid between any two statements, so a panic elsewhere does not matter.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal {
    /// Starts the thread, which looks for lost sessions in `folder` first; `wake` is called when there is news.
    pub fn start(folder: PathBuf, wake: impl Fn() + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(Shared::default()), Condvar::new()));
        let theirs = Arc::clone(&shared);
        let started = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || work(&theirs, &folder, &wake));
        if let Err(error) = &started {
            tracing::warn!("the session is not kept for recovery: {error}");
        }
        Self {
            shared,
            noted: None,
            thread: started.ok(),
        }
    }

    /// Keeps the document and the results with it if they changed; `worth` tells whether anything in them would be lost.
    pub fn note(
        &mut self,
        (document, results): (&Document, Vec<Kept>),
        worth: bool,
        name: &str,
        path: Option<&Path>,
    ) {
        if self.thread.is_none() {
            return;
        }
        let next = if worth {
            // In every frame: nothing is copied unless something changed.
            if self.noted.as_ref().is_some_and(|noted| {
                noted.document.is_same(document)
                    && are_same(&noted.results, &results)
                    && noted.about.name == name
                    && noted.about.path.as_deref() == path
            }) {
                return;
            }
            let note = Arc::new(Note {
                document: document.clone(),
                about: About {
                    name: name.to_owned(),
                    path: path.map(Path::to_owned),
                },
                results: results.into(),
            });
            self.noted = Some(Arc::clone(&note));
            Some(note)
        } else {
            if self.noted.take().is_none() {
                return;
            }
            None
        };
        let (mutex, news) = &*self.shared;
        lock(mutex).note = Some(next);
        news.notify_one();
    }

    /// The sessions that were found, once.
    pub fn take_lost(&mut self) -> Vec<Lost> {
        std::mem::take(&mut lock(&self.shared.0).lost)
    }

    /// Why the session could not be kept, once.
    pub fn take_failure(&mut self) -> Option<String> {
        lock(&self.shared.0).failed.take()
    }

    /// The lost session is this one now: it is removed when this one is on the disk.
    pub fn adopt(&mut self, lost: Lost) {
        lock(&self.shared.0).adopted.push(lost);
    }

    /// Removes a lost session.
    pub fn discard(&mut self, lost: Lost) {
        let (mutex, news) = &*self.shared;
        lock(mutex).discard.push(lost);
        news.notify_one();
    }

    /// Whether all is on the disk.
    pub fn is_idle(&self) -> bool {
        let shared = lock(&self.shared.0);
        let rests = shared.note.is_none() && !shared.busy && shared.discard.is_empty();
        self.thread.is_none() || (rests && shared.scanned && shared.lost.is_empty())
    }

    /// The session ends as it should: nothing of it is kept.
    pub fn finish(&mut self) {
        lock(&self.shared.0).finished = true;
        self.close();
    }

    fn close(&mut self) {
        let (mutex, news) = &*self.shared;
        lock(mutex).closed = true;
        news.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there was told on stderr; nothing is left to do.
            let _ = thread.join();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

/// This session's files.
struct Session {
    file: PathBuf,
    lock: File,
    about: Option<About>,
    /// Those that are on the disk.
    results: Arc<[Kept]>,
}

impl Session {
    fn create(folder: &Path) -> std::io::Result<Self> {
        fs::create_dir_all(folder)?;
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_nanos());
        let file = folder.join(format!("{time}-{}.ora", std::process::id()));
        let lock = OpenOptions::new()
            .create_new(true)
            .read(true)
            .write(true)
            .open(file.with_extension("lock"))?;
        lock.lock()?;
        Ok(Self {
            file,
            lock,
            about: None,
            results: Arc::default(),
        })
    }

    fn say(&mut self, about: &About) -> std::io::Result<()> {
        if self.about.as_ref() != Some(about) {
            let text = serde_json::to_vec(about)?;
            self.lock.set_len(0)?;
            self.lock.rewind()?;
            self.lock.write_all(&text)?;
            self.about = Some(about.clone());
        }
        Ok(())
    }

    /// Writes the results if they changed.
    fn keep_results(&mut self, writer: &mut Writer, results: &Arc<[Kept]>) -> Result<(), String> {
        if are_same(&self.results, results) {
            return Ok(());
        }
        let file = self.file.with_extension(RESULTS);
        if results.is_empty() {
            // A file that can't be removed gives back what was starred: no loss.
            let _ = fs::remove_file(file);
        } else {
            let bases = results.iter().filter_map(|kept| kept.base.as_ref());
            let pictures = results.iter().map(|kept| &kept.picture).chain(bases);
            if bytes(pictures) > LARGEST {
                // Told once.
                self.results = Arc::clone(results);
                return Err(
                    "the starred results are too large to be kept against a crash, save them"
                        .to_owned(),
                );
            }
            let written = writer.write(&file, &Document::new(), results);
            written.map_err(|error| {
                format!("the starred results can't be kept against a crash, save them: {error}")
            })?;
        }
        self.results = Arc::clone(results);
        Ok(())
    }

    fn remove(self) {
        let _ = fs::remove_file(&self.file);
        let _ = fs::remove_file(self.file.with_extension(RESULTS));
        let _ = fs::remove_file(self.file.with_extension("lock"));
    }
}

fn work(shared: &(Mutex<Shared>, Condvar), folder: &Path, wake: &dyn Fn()) {
    let (mutex, news) = shared;
    let found = find(folder);
    {
        let mut shared = lock(mutex);
        shared.lost = found;
        shared.scanned = true;
    }
    wake();
    let mut session: Option<Session> = None;
    let mut writers = [Writer::default(), Writer::default()];
    let mut not_before = Instant::now();
    loop {
        let (note, discard) = {
            let mut shared = lock(mutex);
            loop {
                let wait = not_before.saturating_duration_since(Instant::now());
                if shared.closed || !shared.discard.is_empty() {
                    break;
                }
                if shared.note.is_some() {
                    if wait.is_zero() {
                        break;
                    }
                    (shared, _) = news
                        .wait_timeout(shared, wait)
                        .unwrap_or_else(PoisonError::into_inner);
                } else {
                    shared = news.wait(shared).unwrap_or_else(PoisonError::into_inner);
                }
            }
            if shared.closed && (shared.finished || shared.note.is_none()) {
                let finished = shared.finished;
                drop(shared);
                if let Some(session) = session.filter(|_| finished) {
                    session.remove();
                }
                return;
            }
            shared.busy = true;
            let due = shared.closed || not_before <= Instant::now();
            let note = if due { shared.note.take() } else { None };
            (note, std::mem::take(&mut shared.discard))
        };
        discard.into_iter().for_each(Lost::remove);
        let began = Instant::now();
        let kept = match note {
            None => Ok(false),
            Some(None) => {
                if let Some(session) = session.take() {
                    session.remove();
                }
                Ok(true)
            }
            Some(Some(note)) => keep(&mut session, &mut writers, folder, &note).map(|()| {
                not_before = Instant::now() + PAUSE.max(began.elapsed() * SHARE);
                true
            }),
        };
        let adopted = {
            let mut shared = lock(mutex);
            shared.busy = false;
            match kept {
                Ok(true) => std::mem::take(&mut shared.adopted),
                Ok(false) => Vec::new(),
                Err(why) => {
                    shared.failed = Some(why);
                    not_before = Instant::now() + 10 * PAUSE;
                    Vec::new()
                }
            }
        };
        adopted.into_iter().for_each(Lost::remove);
        wake();
    }
}

fn keep(
    session: &mut Option<Session>,
    [writer, beside]: &mut [Writer; 2],
    folder: &Path,
    note: &Note,
) -> Result<(), String> {
    if bytes(note.document.slots().iter().map(|slot| &slot.picture)) > LARGEST {
        return Err(
            "this document is too large to be kept against a crash, save it often".to_owned(),
        );
    }
    let failed = |why: String| {
        format!("the document can't be kept against a crash, save it yourself: {why}")
    };
    let session = match session {
        Some(session) => session,
        None => {
            let plain = |error: &std::io::Error| io::error::plain(error);
            let created = Session::create(folder).map_err(|error| failed(plain(&error)))?;
            session.insert(created)
        }
    };
    session
        .say(&note.about)
        .map_err(|error| failed(io::error::plain(&error)))?;
    writer
        .write(&session.file, &note.document, &[])
        .map_err(|error| failed(error.to_string()))?;
    session.keep_results(beside, &note.results)
}

/// Bytes of the pictures, each counted once.
fn bytes<'a>(pictures: impl Iterator<Item = &'a Arc<Picture>>) -> usize {
    let mut seen: Vec<*const Picture> = Vec::new();
    pictures
        .map(|picture| {
            let address = Arc::as_ptr(picture);
            if seen.contains(&address) {
                return 0;
            }
            seen.push(address);
            picture.pixels().len()
        })
        .sum()
}

/// Sessions that nobody holds, newest first; what belongs to none is removed.
fn find(folder: &Path) -> Vec<Lost> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_none_or(|extension| extension != "lock") {
            continue;
        }
        let Ok(mut held) = OpenOptions::new().read(true).write(true).open(&path) else {
            continue;
        };
        if held.try_lock().is_err() {
            continue;
        }
        let file = path.with_extension("ora");
        let Ok(data) = fs::metadata(&file) else {
            // It ended before anything was written, or while it was being removed.
            let _ = fs::remove_file(path.with_extension(RESULTS));
            let _ = fs::remove_file(&path);
            continue;
        };
        let mut text = String::new();
        let _ = held.read_to_string(&mut text);
        let about: About = serde_json::from_str(&text).unwrap_or_default();
        found.push(Lost {
            name: if about.name.is_empty() {
                "untitled".to_owned()
            } else {
                about.name
            },
            path: about.path,
            when: data.modified().unwrap_or(UNIX_EPOCH),
            file,
            lock: held,
            unread: false,
        });
    }
    found.sort_by_key(|lost| std::cmp::Reverse(lost.when));
    let old = found.split_off(found.len().min(KEPT));
    old.into_iter().for_each(Lost::remove);
    found
}
