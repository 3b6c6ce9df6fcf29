//! A model as a line of the list.

use std::path::Path;

use super::catalogue::{Known, OWN, known};
use super::inspect::inspect;
use super::message::{Memory, Origin, Row, State};
use super::registry::{Entry, Source};
use super::store::{Store, parts_of};
use crate::model::flux2::{Estimate, MemoryOf};
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
            let alone = known.is_some_and(|known| !known.files.is_empty());
            if alone && files.iter().all(|file| place.join(&file.path).is_file()) {
                row.is_model = false;
                return row;
            }
        }
        match inspect(&place) {
            Ok(inspected) => {
                row.kind = inspected.kind;
                row.bytes = Some(inspected.bytes);
                row.memory = inspected.memory;
            }
            Err(error) => {
                let why = if place.exists() {
                    error.to_string()
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
