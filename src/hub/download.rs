//! One file from the hub: resumed where it broke off, given up when nothing comes, checked, and renamed only then.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::error::{HubError, Result};
use super::message::Phase;
use super::options::Options;
use super::remote::{LONGEST, Piece, Remote, RemoteFile, is_busy, wait};
use super::sum::{CHUNK, Hasher, Sum};

/// Bytes after which a try counts as progress: the next ones are counted from one again.
const WORTHWHILE: u64 = 1 << 20;

/// A file on its way.
pub(super) struct Errand<'a> {
    pub remote: &'a Remote,
    pub options: &'a Options,
    pub repo: &'a str,
    pub commit: &'a str,
    pub file: &'a RemoteFile,
    pub target: &'a Path,
    pub cancel: &'a dyn Fn() -> bool,
}

/// Gets what is done and how many bytes of the file are here.
pub(super) type Tell<'a> = &'a mut dyn FnMut(Phase, u64);

/// The end of names of files that are not whole.
pub(super) const PART: &str = "part";

/// Where the bytes of a file are kept until they are whole: named by the content, so that another version of the
/// file does not go on where this one broke off.
pub(super) fn part_of(target: &Path, file: &RemoteFile) -> PathBuf {
    let mark = match &file.sum {
        Some(sum) => sum.digits().chars().take(12).collect(),
        None => file.size.to_string(),
    };
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{mark}.{PART}"));
    target.with_file_name(name)
}

/// The part files of a file.
pub(super) fn parts_of(path: &Path) -> Vec<PathBuf> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let folder = path
        .parent()
        .and_then(|folder| std::fs::read_dir(folder).ok());
    let is_part = |other: &Path| {
        let other = other.file_name().unwrap_or_default().to_string_lossy();
        other
            .strip_prefix(&name)
            .and_then(|rest| {
                rest.strip_prefix('.')?
                    .strip_suffix(PART)?
                    .strip_suffix('.')
            })
            .is_some_and(|mark| mark.bytes().all(|b| b.is_ascii_alphanumeric()))
    };
    let paths = folder
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    paths.filter(|path| is_part(path)).collect()
}

/// A part file that is open, locked, and whose bytes so far are in the hasher.
struct Part {
    path: PathBuf,
    file: File,
    have: u64,
    hasher: Hasher,
}

/// A file that is whole and right, and has not got its name yet.
pub(super) struct Arrived {
    part: PathBuf,
    /// Locked until then: nobody else writes to it.
    file: File,
    target: PathBuf,
}

impl Arrived {
    /// Gives it its name, in place of an older file.
    ///
    /// # Errors
    /// What the system says.
    pub fn put(self) -> Result<()> {
        drop(self.file);
        std::fs::rename(&self.part, &self.target)
            .map_err(|error| HubError::write(&error, &self.target))?;
        tidy(&self.target);
        Ok(())
    }
}

/// Deletes what is left of other versions of a file that is whole now, unless someone is at it.
fn tidy(target: &Path) {
    for part in parts_of(target) {
        let Ok(file) = File::open(&part) else {
            continue;
        };
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            continue;
        }
        drop(file);
        // What can't be deleted is deleted with the model.
        if let Err(error) = std::fs::remove_file(&part) {
            tracing::debug!("{error}");
        }
    }
}

impl Errand<'_> {
    /// Gets the file, unless it is there and right: then there is nothing to put.
    ///
    /// # Errors
    /// If it could not be had; what came is kept, unless it is wrong.
    pub fn run(&self, tell: Tell<'_>) -> Result<Option<Arrived>> {
        let folder = self.target.parent().unwrap_or(Path::new("."));
        crate::io::save::make_folder(folder)?;
        if self.is_there(tell)? {
            tidy(self.target);
            return Ok(None);
        }
        let mut part = self.open(tell)?;
        self.fill(&mut part, tell)?;
        self.finish(part).map(Some)
    }

    fn name(&self) -> String {
        self.file.path.clone()
    }

    /// A checksum of the kind that the file has; SHA-256 of nothing in particular if it has none.
    fn hasher(&self) -> Hasher {
        let none = Sum::Sha256(String::new());
        let sum = self.file.sum.as_ref().unwrap_or(&none);
        sum.hasher(self.file.size)
    }

    fn is_there(&self, tell: Tell<'_>) -> Result<bool> {
        let length = std::fs::metadata(self.target).map_or(0, |data| data.len());
        if !self.target.is_file() || length != self.file.size {
            return Ok(false);
        }
        let Some(sum) = &self.file.sum else {
            return Ok(true);
        };
        let mut read = 0;
        let right = sum.matches(self.target, self.cancel, &mut |n| {
            read += n;
            tell(Phase::Checking, read);
        })?;
        if !right {
            tell(Phase::Downloading, 0);
        }
        Ok(right)
    }

    fn open(&self, tell: Tell<'_>) -> Result<Part> {
        let path = part_of(self.target, self.file);
        let failed = |error: std::io::Error| HubError::write(&error, &path);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(HubError::Busy(self.name())),
            // Some file systems know no locks.
            Err(TryLockError::Error(error)) => tracing::debug!("{error}"),
        }
        let mut have = file.metadata().map_err(failed)?.len();
        if have > self.file.size {
            file.set_len(0).map_err(failed)?;
            have = 0;
        }
        let mut hasher = self.hasher();
        let (mut left, mut chunk) = (have, vec![0; CHUNK]);
        while left > 0 {
            if (self.cancel)() {
                return Err(HubError::Cancelled);
            }
            let n = CHUNK.min(left as usize);
            file.read_exact(&mut chunk[..n]).map_err(failed)?;
            hasher.update(&chunk[..n]);
            left -= n as u64;
            tell(Phase::Checking, have - left);
        }
        Ok(Part {
            path,
            file,
            have,
            hasher,
        })
    }

    /// Tries until all bytes are here.
    fn fill(&self, part: &mut Part, tell: Tell<'_>) -> Result<()> {
        let (mut tries, mut pause) = (0, self.options.pause);
        while part.have < self.file.size {
            let before = part.have;
            let reason = self.attempt(part, tell)?;
            if part.have >= self.file.size {
                break;
            }
            if part.have.saturating_sub(before) >= WORTHWHILE {
                (tries, pause) = (0, self.options.pause);
            }
            tries += 1;
            if tries >= self.options.tries {
                // What came is to be found again.
                let _ = part.file.sync_all();
                return Err(match reason {
                    Why::Unreachable(reason) => self.remote.unreachable(&reason),
                    Why::Broken(reason) => HubError::GaveUp {
                        file: self.name(),
                        tries,
                        reason,
                    },
                });
            }
            tell(Phase::Waiting, part.have);
            wait(pause, self.cancel)?;
            pause = (pause * 2).min(LONGEST);
        }
        Ok(())
    }

    /// One request. What ended it, if it was not the file's end.
    fn attempt(&self, part: &mut Part, tell: Tell<'_>) -> Result<Why> {
        let path = part.path.clone();
        let failed = |error: std::io::Error| HubError::write(&error, &path);
        let Errand { repo, file, .. } = *self;
        let answer = self.remote.file(repo, self.commit, &file.path, part.have)?;
        loop {
            match answer.next(self.cancel)? {
                Piece::Head(206, Some(start), _) if start == part.have => {
                    part.file.seek(SeekFrom::Start(start)).map_err(failed)?;
                }
                // From the beginning: the server knows no ranges, or has its own idea of them.
                Piece::Head(200, ..) => {
                    self.start_over(part).map_err(failed)?;
                    tell(Phase::Downloading, 0);
                }
                Piece::Head(206 | 416, ..) => {
                    self.start_over(part).map_err(failed)?;
                    return Ok(Why::Broken("the server sent another part".to_owned()));
                }
                Piece::Head(status, ..) if is_busy(status) => {
                    return Ok(Why::Broken(format!("the hub answers {status}")));
                }
                Piece::Head(status, _, code) => {
                    let code = code.as_deref();
                    return Err(self.remote.refusal(status, code, repo, &file.path));
                }
                Piece::Bytes(bytes) => {
                    if part.have + bytes.len() as u64 > file.size {
                        // Longer than it is said to be: wrong whatever the rest is.
                        return Err(self.discard(part));
                    }
                    part.file.write_all(&bytes).map_err(failed)?;
                    part.hasher.update(&bytes);
                    part.have += bytes.len() as u64;
                    tell(Phase::Downloading, part.have);
                }
                Piece::End => return Ok(Why::Broken("the file ended too early".to_owned())),
                Piece::Broken(reason) => return Ok(Why::Broken(reason)),
                Piece::Stalled => {
                    return Ok(Why::Broken("nothing came any more".to_owned()));
                }
                Piece::Unreachable(reason) => return Ok(Why::Unreachable(reason)),
            }
        }
    }

    fn start_over(&self, part: &mut Part) -> std::io::Result<()> {
        part.file.set_len(0)?;
        part.file.seek(SeekFrom::Start(0))?;
        part.have = 0;
        part.hasher = self.hasher();
        Ok(())
    }

    /// Deletes what came: it is not the file.
    fn discard(&self, part: &Part) -> HubError {
        match std::fs::remove_file(&part.path) {
            Ok(()) => HubError::Damaged(self.name()),
            Err(error) => HubError::Delete(crate::io::error::plain(&error), part.path.clone()),
        }
    }

    /// Checks the whole file.
    fn finish(&self, mut part: Part) -> Result<Arrived> {
        let hasher = std::mem::replace(&mut part.hasher, self.hasher());
        let found = hasher.finish();
        if self.file.sum.as_ref().is_some_and(|sum| *sum != found) {
            return Err(self.discard(&part));
        }
        let failed = |error: std::io::Error| HubError::write(&error, self.target);
        part.file.sync_all().map_err(failed)?;
        Ok(Arrived {
            part: part.path,
            file: part.file,
            target: self.target.to_owned(),
        })
    }
}

/// Why a try ended early.
enum Why {
    Unreachable(String),
    Broken(String),
}
