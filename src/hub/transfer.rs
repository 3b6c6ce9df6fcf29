//! Downloading a model: what is whole stays whole until all that replaces it is here.

use std::path::Path;

use super::catalogue::is_non_commercial;
use super::download::{Errand, part_of};
use super::error::{HubError, Result};
use super::message::{Phase, Progress};
use super::meter::Meter;
use super::registry::{Entry, MODELS, Record, Registry, Source};
use super::remote::{Listing, Remote, RemoteFile};
use super::store::Store;
use super::wanted::Wanted;

/// Bytes that are left free beside a download.
const RESERVE: u64 = 64 << 20;

impl Store {
    /// Downloads a model, or the rest of it, and gives its name. Parts that a transformer lacks are linked if they
    /// are here.
    ///
    /// # Errors
    /// If it could not be had. What came is kept, and the next call goes on from there; a model that was whole before
    /// is as it was.
    pub fn download(
        &self,
        wanted: &Wanted,
        token: Option<String>,
        cancel: &dyn Fn() -> bool,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<String> {
        let options = self.options();
        if options.offline {
            return Err(HubError::Offline);
        }
        let before = self.before(wanted)?;
        // Its name may be in other letters.
        let name = before.as_ref().map_or(&wanted.name, |entry| &entry.name);
        let mut meter = Meter::new(name, tell);
        meter.tell(Phase::Asking, "", 0);
        let remote = Remote::new(options, token);
        let listing = remote.list(&wanted.repo, cancel, &mut || {
            meter.tell(Phase::Waiting, "", 0);
        })?;
        let files = wanted.choose(&listing)?;
        let mut entry = coming_entry(name, wanted, &listing, &files, before.as_ref());
        let target = options.data.join(&entry.path);
        self.check_space(&target, &files)?;
        let whole = before.as_ref().filter(|before| {
            let is_whole =
                |source: &Source| matches!(source, Source::Downloaded { complete: true, .. });
            is_whole(&before.source)
        });
        // Written first: whatever comes is known to be ours.
        self.put(match whole {
            Some(whole) => with_coming(whole, &files),
            None => entry.clone(),
        })?;
        meter.total = files.iter().map(|file| file.size).sum();
        let mut arrived = Vec::new();
        for file in &files {
            let errand = Errand {
                remote: &remote,
                options,
                repo: &wanted.repo,
                commit: &listing.commit,
                file,
                target: &target.join(&file.path),
                cancel,
            };
            let file_arrived =
                errand.run(&mut |phase, have| meter.tell(phase, &file.path, have))?;
            match file_arrived {
                // Old and new files do not go together.
                Some(file) if whole.is_some() => arrived.push(file),
                Some(file) => file.put()?,
                None => {}
            }
            meter.finished += file.size;
        }
        if !arrived.is_empty() {
            self.put(entry.clone())?;
        }
        for file in arrived {
            file.put()?;
        }
        if let Source::Downloaded { complete, .. } = &mut entry.source {
            *complete = true;
        }
        let name = entry.name.clone();
        self.change(|registry| {
            registry.put(entry);
            self.join_parts(registry, Some(&name));
            Ok(())
        })?;
        Ok(name)
    }

    /// What is there under the name.
    fn before(&self, wanted: &Wanted) -> Result<Option<Entry>> {
        let registry = Registry::read(&self.options().data)?;
        let Some(before) = registry.get(&wanted.name) else {
            return Ok(None);
        };
        match &before.source {
            Source::Downloaded { repo, .. } if repo.eq_ignore_ascii_case(&wanted.repo) => {
                Ok(Some(before.clone()))
            }
            Source::Downloaded { repo, .. } => Err(HubError::OtherRepo {
                name: before.name.clone(),
                repo: repo.clone(),
            }),
            Source::Added { .. } => Err(HubError::Taken(wanted.name.clone())),
        }
    }

    fn put(&self, entry: Entry) -> Result<()> {
        self.change(|registry| {
            registry.put(entry);
            Ok(())
        })
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
        match (self.options().free)(folder) {
            Some(free) if needed > 0 && free < needed + RESERVE => Err(HubError::Space {
                needed,
                free,
                folder: folder.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

/// The model as it will be, and not whole yet.
fn coming_entry(
    name: &str,
    wanted: &Wanted,
    listing: &Listing,
    files: &[RemoteFile],
    before: Option<&Entry>,
) -> Entry {
    let licence = wanted.licence;
    let named = listing.licence.clone();
    let forbidden = named.as_deref().is_some_and(is_non_commercial);
    let path = before.map(|entry| entry.path.clone());
    Entry {
        name: name.to_owned(),
        path: path.unwrap_or_else(|| Path::new(MODELS).join(name)),
        licence: licence.map(|licence| licence.name.to_owned()).or(named),
        commercial: licence
            .map(|licence| licence.commercial)
            .or(forbidden.then_some(false)),
        source: Source::Downloaded {
            repo: wanted.repo.clone(),
            commit: listing.commit.clone(),
            complete: false,
            files: records(files, before),
            links: before.map_or_else(Vec::new, |entry| entry.source.links().to_vec()),
            coming: Vec::new(),
        },
    }
}

/// A whole model, and the names of what comes besides.
fn with_coming(whole: &Entry, new: &[RemoteFile]) -> Entry {
    let mut entry = whole.clone();
    if let Source::Downloaded { files, coming, .. } = &mut entry.source {
        for file in new {
            let is_it = |path: &String| *path == file.path;
            if !files.iter().any(|old| is_it(&old.path)) && !coming.iter().any(is_it) {
                coming.push(file.path.clone());
            }
        }
    }
    entry
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
