//! The user's models: the list, downloading, adding, checking, removing.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::catalogue::{APACHE, KNOWN, Licence, known};
use super::download::{Errand, PART, part_of};
use super::error::{HubError, Result};
use super::find::{self, Way};
use super::inspect::inspect;
use super::links::link;
use super::message::{Found, Phase, Progress, Report, Row};
use super::meter::Meter;
use super::options::Options;
use super::registry::{Entry, MODELS, Record, Registry, Source, is_name};
use super::remote::{Remote, RemoteFile};
use super::rows::built_in;
use super::sum::Sum;
use super::wanted::Wanted;
use crate::model::flux2::Files;
use crate::model::{self, EMBEDDED_NAME};

/// Bytes that are left free beside a download.
const RESERVE: u64 = 64 << 20;

/// The user's models.
#[derive(Debug)]
pub struct Store {
    options: Options,
    changing: Mutex<()>,
}

impl Store {
    /// Reads and writes where the options say; nothing is touched yet.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            changing: Mutex::new(()),
        }
    }

    /// How it works.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// All models: that of the program, the user's, and those that could be downloaded. Asks nobody.
    ///
    /// # Errors
    /// If the list can't be read.
    pub fn list(&self) -> Result<Vec<Row>> {
        let registry = Registry::read(&self.options.data)?;
        let mut rows = Vec::new();
        rows.extend(built_in());
        rows.extend(registry.models.iter().map(|entry| self.row(entry)));
        let absent = KNOWN
            .iter()
            .filter(|known| registry.get(known.name).is_none());
        rows.extend(absent.map(|known| self.offer(known)));
        Ok(rows)
    }

    /// The file or folder of a model.
    ///
    /// # Errors
    /// If there is no such model. Whether it is whole shows when it is loaded.
    pub fn path_of(&self, name: &str) -> Result<PathBuf> {
        let registry = Registry::read(&self.options.data)?;
        let entry = registry.get(name);
        let entry = entry.ok_or_else(|| HubError::Unknown(name.to_owned()))?;
        Ok(self.options.data.join(&entry.path))
    }

    /// What is to be downloaded: as [`Wanted::of`], or the rest of a model of the list whose download was broken off.
    ///
    /// # Errors
    /// As [`Wanted::of`], and if the list can't be read.
    pub fn wanted(&self, text: &str, files: Vec<String>, name: Option<String>) -> Result<Wanted> {
        let wanted = Wanted::of(text, files, name);
        let Err(HubError::Unknown(_)) = &wanted else {
            return wanted;
        };
        let registry = Registry::read(&self.options.data)?;
        match registry.get(text).map(|entry| (entry, &entry.source)) {
            Some((entry, Source::Downloaded { repo, files, .. })) => Ok(Wanted {
                name: entry.name.clone(),
                repo: repo.clone(),
                files: files.iter().map(|file| file.path.clone()).collect(),
                licence: known(repo).map(|known| known.licence),
            }),
            _ => wanted,
        }
    }

    /// Downloads a model, or the rest of it, and gives its name.
    ///
    /// # Errors
    /// If it could not be had. What came is kept, and the next call goes on from there.
    pub fn download(
        &self,
        wanted: &Wanted,
        token: Option<String>,
        cancel: &dyn Fn() -> bool,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<String> {
        if self.options.offline {
            return Err(HubError::Offline);
        }
        let registry = Registry::read(&self.options.data)?;
        let before = registry.get(&wanted.name).cloned();
        let ours = |entry: &Entry| matches!(&entry.source, Source::Downloaded { repo, .. } if *repo == wanted.repo);
        if before.as_ref().is_some_and(|entry| !ours(entry)) {
            return Err(HubError::Taken(wanted.name.clone()));
        }
        let mut meter = Meter::new(&wanted.name, tell);
        meter.tell(Phase::Asking, "", 0);
        let remote = Remote::new(&self.options, token);
        let listing = remote.list(&wanted.repo, cancel)?;
        let files = wanted.choose(&listing)?;
        let folder = Path::new(MODELS).join(&wanted.name);
        let target = self.options.data.join(&folder);
        self.check_space(&target, &files)?;
        let mut entry = Entry {
            name: wanted.name.clone(),
            path: folder,
            licence: wanted
                .licence
                .map(|licence| licence.name.to_owned())
                .or_else(|| listing.licence.clone()),
            commercial: wanted.licence.map(|licence| licence.commercial),
            source: Source::Downloaded {
                repo: wanted.repo.clone(),
                commit: listing.commit.clone(),
                complete: false,
                files: records(&files, before.as_ref()),
            },
        };
        // Written first: whatever comes is known to be ours.
        self.change(|registry| {
            registry.put(entry.clone());
            Ok(())
        })?;
        meter.total = files.iter().map(|file| file.size).sum();
        for file in &files {
            let errand = Errand {
                remote: &remote,
                options: &self.options,
                repo: &wanted.repo,
                commit: &listing.commit,
                file,
                target: &target.join(&file.path),
                cancel,
            };
            errand.run(&mut |phase, have| meter.tell(phase, &file.path, have))?;
            meter.finished += file.size;
        }
        if let Source::Downloaded { complete, .. } = &mut entry.source {
            *complete = true;
        }
        self.change(|registry| {
            registry.put(entry);
            Ok(())
        })?;
        Ok(wanted.name.clone())
    }

    /// Files of other programs that are models, or look like some.
    pub fn find(&self) -> Vec<Found> {
        let mut found = find::find(&self.options.places, &self.options.data);
        let Ok(registry) = Registry::read(&self.options.data) else {
            return found;
        };
        // What is in the list already is no news.
        found.retain(|found| self.named(&registry, &found.place).is_none());
        found
    }

    /// Puts a model into the list that lies where the user has it. Gives its name.
    ///
    /// # Errors
    /// If it is none, or one that can't be loaded; the sentence says what to get instead.
    pub fn add(&self, path: &Path, name: Option<&str>) -> Result<String> {
        let path = std::path::absolute(path).map_err(|error| HubError::read(&error, path))?;
        if !path.exists() {
            return Err(HubError::Missing(path));
        }
        if let Some(known) = self.named(&Registry::read(&self.options.data)?, &path) {
            return Err(HubError::Known(known));
        }
        if let Some(name) = name.filter(|name| !is_name(name)) {
            return Err(HubError::Name(name.to_owned()));
        }
        let way = find::way_to_use(&path, &self.options.places, &self.options.data)?;
        let (Way::Whole(inspected) | Way::Apart(inspected, _)) = &way;
        let licence = inspected.licence.or_else(|| licence_of(&path));
        self.change(|registry| {
            let name = match name {
                Some(name) if registry.get(name).is_some() || name == EMBEDDED_NAME => {
                    return Err(HubError::Taken(name.to_owned()));
                }
                Some(name) => name.to_owned(),
                None => registry.free_name(&name_for(&path)),
            };
            let (place, links) = match &way {
                Way::Whole(_) => (path.clone(), Vec::new()),
                Way::Apart(_, apart) => {
                    let folder = Path::new(MODELS).join(&name);
                    let links = link(apart, &self.options.data.join(&folder))?;
                    (folder, links)
                }
            };
            let fingerprint = fingerprint(&self.options.data.join(&place))?;
            registry.put(Entry {
                name: name.clone(),
                path: place,
                licence: licence.map(|licence| licence.name.to_owned()),
                commercial: licence.map(|licence| licence.commercial),
                source: Source::Added {
                    fingerprint: Some(fingerprint),
                    links,
                },
            });
            Ok(name)
        })
    }

    /// Checks the files of a model against the checksums of the hub, or against what they were when they were added.
    ///
    /// # Errors
    /// If there is no such model, a file can't be read, or the caller asked to stop.
    pub fn verify(
        &self,
        name: &str,
        cancel: &dyn Fn() -> bool,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<Report> {
        let entry = self.entry(name, "verify")?;
        let place = self.options.data.join(&entry.path);
        let mut meter = Meter::new(&entry.name, tell);
        let mut report = Report::default();
        let (files, fingerprint_then) = match &entry.source {
            Source::Downloaded { files, .. } => (files.clone(), None),
            Source::Added { fingerprint, .. } => (recorded(&place)?, fingerprint.clone()),
        };
        meter.total = files.iter().map(|file| file.size).sum();
        let mut without_sum = Vec::new();
        for file in files {
            let path = place.join(&file.path);
            let length = std::fs::metadata(&path).ok().filter(|data| data.is_file());
            match (length.map(|data| data.len()), &file.sum) {
                (None, _) => report.missing.push(file.path.clone()),
                (Some(length), _) if length != file.size => report.damaged.push(file.path.clone()),
                (Some(_), None) => without_sum.push(file.path.clone()),
                (Some(_), Some(sum)) => {
                    let mut read = 0;
                    let right = sum.matches(&path, cancel, &mut |n| {
                        read += n;
                        meter.tell(Phase::Checking, &file.path, read);
                    })?;
                    if right {
                        report.right += 1;
                    } else {
                        report.damaged.push(file.path.clone());
                    }
                }
            }
            meter.finished += file.size;
        }
        let same = match &fingerprint_then {
            Some(then) => fingerprint(&place).is_ok_and(|now| now == *then),
            None => true,
        };
        if same {
            report.unchanged = without_sum.len();
        } else {
            report.damaged.extend(without_sum);
        }
        Ok(report)
    }

    /// Forgets a model, deletes what Inlay downloaded of it, and gives how many bytes that were.
    ///
    /// # Errors
    /// If there is no such model or a file can't be deleted; then it stays in the list.
    pub fn remove(&self, name: &str) -> Result<u64> {
        let entry = self.entry(name, "remove")?;
        let place = self.options.data.join(&entry.path);
        let mut bytes = 0;
        let files: Vec<String> = match &entry.source {
            Source::Downloaded { files, .. } => {
                files.iter().map(|file| file.path.clone()).collect()
            }
            Source::Added { links, .. } => links.clone(),
        };
        let ours = matches!(entry.source, Source::Downloaded { .. });
        for file in &files {
            let path = place.join(file);
            for path in std::iter::once(path.clone()).chain(parts_of(&path)) {
                let Ok(data) = std::fs::symlink_metadata(&path) else {
                    continue;
                };
                std::fs::remove_file(&path).map_err(|error| {
                    HubError::Delete(crate::io::error::plain(&error), path.clone())
                })?;
                bytes += if ours { data.len() } else { 0 };
            }
        }
        if !files.is_empty() {
            remove_empty(&place, &files);
        }
        self.change(|registry| {
            registry.models.retain(|other| other.name != entry.name);
            Ok(())
        })?;
        Ok(bytes)
    }

    fn entry(&self, name: &str, what: &'static str) -> Result<Entry> {
        if name.eq_ignore_ascii_case(EMBEDDED_NAME) {
            return Err(HubError::BuiltIn(name.to_owned(), what));
        }
        let registry = Registry::read(&self.options.data)?;
        let entry = registry.get(name).cloned();
        entry.ok_or_else(|| HubError::Unknown(name.to_owned()))
    }

    /// Changes the list as it is on the disk now: another Inlay may have changed it.
    fn change<T>(&self, change: impl FnOnce(&mut Registry) -> Result<T>) -> Result<T> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut registry = Registry::read(&self.options.data)?;
        let done = change(&mut registry)?;
        registry.write(&self.options.data)?;
        Ok(done)
    }

    fn named(&self, registry: &Registry, place: &Path) -> Option<String> {
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        let wanted = real(place)?;
        let same = |entry: &&Entry| {
            let path = self.options.data.join(&entry.path);
            if real(&path).as_ref() == Some(&wanted) {
                return true;
            }
            // Links point to the transformer that was added.
            match &entry.source {
                Source::Added { links, .. } => links
                    .iter()
                    .any(|link| real(&path.join(link)).as_ref() == Some(&wanted)),
                Source::Downloaded { .. } => false,
            }
        };
        registry
            .models
            .iter()
            .find(same)
            .map(|entry| entry.name.clone())
    }

    fn check_space(&self, folder: &Path, files: &[RemoteFile]) -> Result<()> {
        let length = |path: &Path| std::fs::metadata(path).map_or(0, |data| data.len());
        let needed: u64 = files
            .iter()
            .map(|file| {
                let target = folder.join(&file.path);
                let have = length(&part_of(&target, file));
                match length(&target) {
                    whole if whole == file.size => 0,
                    _ => file.size.saturating_sub(have),
                }
            })
            .sum();
        match (self.options.free)(folder) {
            Some(free) if needed > 0 && free < needed + RESERVE => Err(HubError::Space {
                needed,
                free,
                folder: folder.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

/// The files of a model, and those that an earlier download brought besides.
fn records(files: &[RemoteFile], before: Option<&Entry>) -> Vec<Record> {
    let mut records: Vec<Record> = files
        .iter()
        .map(|file| Record {
            path: file.path.clone(),
            size: file.size,
            sum: file.sum.clone(),
        })
        .collect();
    if let Some(Source::Downloaded { files, .. }) = before.map(|entry| &entry.source) {
        for old in files {
            if !records.iter().any(|new| new.path == old.path) {
                records.push(old.clone());
            }
        }
    }
    records
}

/// The files of a model that was added, with the checksums by which the hub's cache names its contents.
fn recorded(place: &Path) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for path in inspect(place)?.files {
        let data = std::fs::metadata(&path).map_err(|error| HubError::read(&error, &path))?;
        let blob = std::fs::canonicalize(&path).ok();
        let blob = blob.filter(|blob| blob.iter().any(|part| part == "blobs"));
        let blob = blob.and_then(|blob| Some(blob.file_name()?.to_string_lossy().into_owned()));
        // Paths that are absolute replace the folder they are joined to.
        records.push(Record {
            path: path.to_string_lossy().into_owned(),
            size: data.len(),
            sum: blob.and_then(|name| Sum::from_etag(&name)),
        });
    }
    Ok(records)
}

/// What tells a model's weights from others without reading all of them.
fn fingerprint(place: &Path) -> Result<String> {
    if model::flux2::is_flux2(place) {
        return Ok(Files::find(place)?.fingerprint()?);
    }
    let mut hasher = blake3::Hasher::new();
    for file in model::Source::Folder(place.to_owned()).files()? {
        let path = place.join(file);
        let bytes = std::fs::read(&path).map_err(|error| HubError::read(&error, &path))?;
        hasher.update(&bytes);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// A name for a model that lies at a path: the repository's in the hub's cache, else the file's or folder's.
fn name_for(path: &Path) -> String {
    if let Some(repo) = repo_of(path) {
        return repo.rsplit('/').next().unwrap_or(&repo).to_owned();
    }
    let name = if path.is_dir() {
        path.file_name()
    } else {
        path.file_stem()
    };
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// The repository that a path in the hub's cache belongs to.
fn repo_of(path: &Path) -> Option<String> {
    path.iter().find_map(|part| {
        let repo = part.to_str()?.strip_prefix("models--")?;
        Some(repo.replacen("--", "/", 1))
    })
}

/// The licence of a model that came from a known repository.
fn licence_of(path: &Path) -> Option<Licence> {
    let known = known(&repo_of(path)?)?;
    debug_assert!(known.licence == APACHE || known.gated);
    Some(known.licence)
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

/// Removes the folders of deleted files as far as nothing else is in them.
fn remove_empty(place: &Path, files: &[String]) {
    let mut folders: Vec<PathBuf> = files
        .iter()
        .flat_map(|file| Path::new(file).ancestors().skip(1))
        .map(|folder| place.join(folder))
        .collect();
    folders.sort_by_key(|folder| std::cmp::Reverse(folder.components().count()));
    folders.dedup();
    for folder in folders {
        // One that holds something else stays.
        let _ = std::fs::remove_dir(folder);
    }
}
