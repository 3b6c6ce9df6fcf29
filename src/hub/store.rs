//! The user's models: the list, downloading, adding, checking, removing.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::catalogue::{APACHE, KNOWN, Licence, known};
use super::download::parts_of;
use super::error::{HubError, Result};
use super::find::{self, Own, Way};
use super::inspect::inspect;
use super::links::{link, unlink};
use super::message::{Found, Phase, Progress, Report, Row};
use super::meter::Meter;
use super::options::Options;
use super::parts::{Pool, lone_transformer};
use super::registry::{Entry, MODELS, Record, Registry, Source, is_name};
use super::rows::built_in;
use super::sum::Sum;
use super::wanted::Wanted;
use crate::model::flux2::{Files, Part};
use crate::model::{self, EMBEDDED_NAME};

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
            Some((
                entry,
                Source::Downloaded {
                    repo,
                    files,
                    coming,
                    ..
                },
            )) => Ok(Wanted {
                name: entry.name.clone(),
                repo: repo.clone(),
                files: files
                    .iter()
                    .map(|file| &file.path)
                    .chain(coming)
                    .cloned()
                    .collect(),
                licence: known(repo).map(|known| known.licence),
            }),
            _ => wanted,
        }
    }

    /// Files of other programs that are models, or look like some.
    pub fn find(&self) -> Vec<Found> {
        // Without a list there is nothing that is in it.
        let registry = Registry::read(&self.options.data).unwrap_or_default();
        let mut found = find::find(&self.options.places, &self.own(&registry));
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
        let registry = Registry::read(&self.options.data)?;
        if let Some(known) = self.named(&registry, &path) {
            return Err(HubError::Known(known));
        }
        if let Some(name) = name.filter(|name| !is_name(name)) {
            return Err(HubError::Name(name.to_owned()));
        }
        let way = find::way_to_use(&path, &self.options.places, &self.own(&registry))?;
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
            self.join_parts(registry, None);
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
        let no_links = Vec::new();
        let (files, links): (Vec<String>, _) = match &entry.source {
            Source::Downloaded {
                files,
                links,
                coming,
                ..
            } => {
                self.check_unused(&entry)?;
                let files = files.iter().map(|file| &file.path).chain(coming);
                (files.cloned().collect(), links)
            }
            Source::Added { links, .. } => (no_links, links),
        };
        unlink(&place, links);
        let mut bytes = 0;
        for file in &files {
            let path = place.join(file);
            for path in std::iter::once(path.clone()).chain(parts_of(&path)) {
                let Ok(data) = std::fs::symlink_metadata(&path) else {
                    continue;
                };
                std::fs::remove_file(&path).map_err(|error| {
                    HubError::Delete(crate::io::error::plain(&error), path.clone())
                })?;
                bytes += data.len();
            }
        }
        remove_empty(&place, &files);
        remove_empty(&place, links);
        self.change(|registry| {
            registry.models.retain(|other| other.name != entry.name);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// That no other model has links to a model's files.
    fn check_unused(&self, entry: &Entry) -> Result<()> {
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        let Some(folder) = real(&self.options.data.join(&entry.path)) else {
            return Ok(());
        };
        let registry = Registry::read(&self.options.data)?;
        let uses = |other: &&Entry| {
            let place = self.options.data.join(&other.path);
            let mut links = other.source.links().iter();
            other.name != entry.name
                && links
                    .any(|link| real(&place.join(link)).is_some_and(|to| to.starts_with(&folder)))
        };
        match registry.models.iter().find(uses) {
            Some(other) => Err(HubError::Needed {
                name: entry.name.clone(),
                by: other.name.clone(),
            }),
            None => Ok(()),
        }
    }

    /// What is in the list, for those who look for parts.
    pub(super) fn own(&self, registry: &Registry) -> Own<'_> {
        let data = &self.options.data;
        Own {
            data,
            pool: Pool::of(registry, data),
        }
    }

    /// Links the parts that downloaded transformers lack, as far as they are here; `fresh` was just downloaded and gets
    /// its links anew. What can't be completed says in the list what is missing.
    pub(super) fn join_parts(&self, registry: &mut Registry, fresh: Option<&str>) {
        let data = &self.options.data;
        let mut own = None;
        for at in 0..registry.models.len() {
            let entry = &registry.models[at];
            let place = data.join(&entry.path);
            let whole = matches!(&entry.source, Source::Downloaded { complete: true, .. });
            let Some(lone) = lone_transformer(entry, data).filter(|_| whole) else {
                continue;
            };
            let is_fresh = fresh == Some(entry.name.as_str());
            if !is_fresh && inspect(&place).is_ok() {
                continue;
            }
            unlink(&place, entry.source.links());
            let mut links = Vec::new();
            if inspect(&place).is_err() {
                let own = own.get_or_insert_with(|| self.own(registry));
                let made = self
                    .whole_of(entry, lone, own)
                    .and_then(|files| link(&files, &place));
                match made {
                    Ok(made) => links = made,
                    Err(error) => tracing::debug!("{}: {error}", entry.name),
                }
            }
            if let Source::Downloaded { links: old, .. } = &mut registry.models[at].source {
                let gone: Vec<String> = std::mem::replace(old, links);
                remove_empty(&place, &gone);
            }
        }
    }

    /// The files of a downloaded transformer with the parts that it lacks.
    ///
    /// # Errors
    /// If some are missing; the sentence says what gets them.
    pub(super) fn whole_of(&self, entry: &Entry, lone: Pool, own: &Own<'_>) -> Result<Files> {
        let repo = match &entry.source {
            Source::Downloaded { repo, .. } => repo,
            Source::Added { .. } => "",
        };
        let transformer = lone.first(Part::Transformer).unwrap_or_default();
        let file = transformer.first().and_then(|path| path.file_name());
        let file = file.unwrap_or_default().to_string_lossy();
        let names = format!("{repo} {} {file}", entry.name);
        find::whole_of(lone, &names, &self.options.places, own)
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
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Registry) -> Result<T>) -> Result<T> {
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
            let mut links = entry.source.links().iter();
            let added = matches!(entry.source, Source::Added { .. });
            added && links.any(|link| real(&path.join(link)).as_ref() == Some(&wanted))
        };
        registry
            .models
            .iter()
            .find(same)
            .map(|entry| entry.name.clone())
    }
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
