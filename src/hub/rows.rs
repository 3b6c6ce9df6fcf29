//! A model as a line of the list.

use std::path::Path;

use super::catalogue::{Known, OWN, known};
use super::download::parts_of;
use super::error::HubError;
use super::inspect::inspect;
use super::message::{Memory, Origin, Row, State};
use super::parts::{Pool, lone_transformer};
use super::registry::{Entry, Registry, Source};
use super::store::Store;
use crate::model::flux2::{Estimate, MemoryOf, Part};
use crate::model::{self, EMBEDDED_NAME};

impl Store {
    fn page(&self, repo: &str) -> String {
        format!("{}/{repo}", self.options().endpoint.trim_end_matches('/'))
    }

    /// A model of the user's.
    pub(super) fn row(&self, entry: &Entry) -> Row {
        let place = self.options().data.join(&entry.path);
        let origin = match entry.source {
            Source::Downloaded { .. } => Origin::Downloaded,
            Source::Added { .. } => Origin::Added,
        };
        let known = known(&entry.name);
        let mut row = Row {
            name: entry.name.clone(),
            kind: known.map_or_else(String::new, |known| known.title.to_owned()),
            origin,
            state: State::Ready,
            bytes: None,
            about: false,
            licence: entry.licence.clone(),
            commercial: entry.commercial,
            gated: known.is_some_and(|known| known.gated) && origin == Origin::Downloaded,
            memory: None,
            is_model: true,
            page: None,
            place: Some(place.clone()),
        };
        if let Source::Downloaded {
            repo,
            complete,
            files,
            ..
        } = &entry.source
        {
            row.page = Some(self.page(repo));
            let total = files.iter().map(|file| file.size).sum();
            let have = files
                .iter()
                .map(|file| on_disk(&place.join(&file.path)))
                .sum();
            row.bytes = Some(have);
            if !complete {
                row.state = State::Partial { have, total };
                return row;
            }
        }
        match inspect(&place) {
            Ok(inspected) => {
                row.kind = inspected.kind;
                row.bytes = Some(inspected.bytes);
                row.memory = inspected.memory;
                // Shapes do not lie, other people's cards may.
                if let Some(licence) = inspected.licence {
                    row.licence = Some(licence.name.to_owned());
                    row.commercial = Some(licence.commercial);
                }
            }
            Err(_) if self.is_part(entry) => {
                row.is_model = false;
                if known.is_none() {
                    row.kind = Pool::of_entry(entry, &self.options().data).words();
                }
            }
            Err(error) => {
                let why = if place.exists() {
                    self.lacking(entry).unwrap_or(error).to_string()
                } else {
                    format!(
                        "its files are gone, remove it from the list: {}",
                        place.display()
                    )
                };
                row.state = State::Unusable { why };
            }
        }
        row
    }

    /// Whether a downloaded model is parts alone, all of them here: they are for transformers.
    fn is_part(&self, entry: &Entry) -> bool {
        let Source::Downloaded { files, .. } = &entry.source else {
            return false;
        };
        let data = &self.options().data;
        let is_there = |path: &str| data.join(&entry.path).join(path).is_file();
        let parts = Pool::of_entry(entry, data);
        !parts.is_empty()
            && !parts.has(Part::Transformer)
            && files.iter().all(|file| is_there(&file.path))
    }

    /// That a downloaded transformer lacks parts, if it does.
    fn lacking(&self, entry: &Entry) -> Option<HubError> {
        let data = &self.options().data;
        let lone = lone_transformer(entry, data)?;
        let registry = Registry::read(data).ok()?;
        let whole = self.whole_of(entry, lone, &self.own(&registry));
        whole.err()
    }

    /// A model that could be downloaded.
    pub(super) fn offer(&self, known: &Known) -> Row {
        Row {
            name: known.name.to_owned(),
            kind: known.title.to_owned(),
            origin: Origin::Available,
            state: State::Absent,
            bytes: known.about,
            about: known.about.is_some(),
            licence: Some(known.licence.name.to_owned()),
            commercial: Some(known.licence.commercial),
            gated: known.gated,
            memory: known.size.map(|(parameters, width)| {
                let place = MemoryOf::usual();
                Memory::of(&Estimate::of_size(parameters, width, place), place)
            }),
            place: None,
            page: Some(self.page(known.repo)),
            is_model: known.files.is_empty(),
        }
    }
}

/// The model inside the program, if it was built with one.
pub(super) fn built_in() -> Option<Row> {
    let model::Source::Embedded(files) = model::embedded().ok()? else {
        return None;
    };
    Some(Row {
        name: EMBEDDED_NAME.to_owned(),
        kind: "unireal".to_owned(),
        origin: Origin::BuiltIn,
        state: State::Ready,
        bytes: Some(files.iter().map(|(_, bytes)| bytes.len() as u64).sum()),
        about: false,
        licence: Some(OWN.name.to_owned()),
        commercial: Some(OWN.commercial),
        gated: false,
        memory: None,
        place: None,
        page: None,
        is_model: true,
    })
}

/// Bytes of a file, or of its part that is here.
fn on_disk(path: &Path) -> u64 {
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |data| data.len());
    match length(path) {
        0 => parts_of(path)
            .iter()
            .map(|part| length(part))
            .max()
            .unwrap_or(0),
        bytes => bytes,
    }
}
