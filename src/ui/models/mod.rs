//! The page of models: which there are, choosing one, downloading, checking, removing, and files that are here.

mod page;
mod question;

use std::ffi::OsString;
use std::path::PathBuf;

use eframe::egui;

use super::state::{Action, Session};
use crate::engine::message::ModelSource;
use crate::hub::message::{Event, Found, Origin, Progress, Request, Row, SMALL_DECODER, State};

/// The model manager as the window sees it: a few calls, so that tests can script what it answers. None of them
/// waits.
pub trait Hub {
    /// Asks for something.
    ///
    /// # Errors
    /// Why it can't be asked now, as a sentence for the artist.
    fn ask(&mut self, request: Request) -> Result<(), String>;
    /// Cancels the download or check that runs.
    fn cancel(&mut self);
    /// Takes a download or check that waits out of the queue; whether there was one.
    fn withdraw(&mut self, name: &str) -> bool;
    /// All events since the last call, in order.
    fn poll(&mut self) -> Vec<Event>;
    /// How far the download or check is.
    fn progress(&mut self) -> Option<Progress>;
}

/// What a widget of the page asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelsAction {
    /// Makes a model the editor's.
    Use(String),
    /// Have the engine load a FLUX.2 with the small decoder.
    UseSmallDecoder(String),
    /// Asks a question before something is downloaded or removed.
    Question(Question),
    /// Does what was asked about, or not.
    Answer(bool),
    /// Cancels the download or check that runs.
    Cancel,
    /// Takes a download or check that waits out of the queue.
    Withdraw(String),
    /// Checks a model's files.
    Verify(String),
    /// Looks for files that are here.
    Find,
    /// Adds a folder or a file.
    Add(PathBuf),
    /// Lets the artist choose a folder, or a file.
    Browse {
        /// A folder.
        folder: bool,
    },
    /// Goes from what was found back to the list.
    Back,
    /// Opens a folder or a page in the system's own programs.
    OpenOutside(OsString),
}

/// A question about a model.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Whether it is to be downloaded.
    Download {
        /// The model.
        name: String,
        /// The token for models whose licence has to be accepted. It is never stored.
        token: String,
        /// Whether the artist accepts a licence for non-commercial use.
        accepted: bool,
    },
    /// Which repository of the hub is to be downloaded.
    Repository {
        /// `OWNER/NAME`, or the address of its page.
        name: String,
        /// A file of it; empty for a whole diffusers model.
        file: String,
        /// As of a download.
        token: String,
    },
    /// Whether it is to be removed.
    Remove(String),
}

/// The repository that an artist names, by itself or by its page: `OWNER/NAME`.
pub fn repository(text: &str) -> Option<&str> {
    let text = text.trim().trim_end_matches('/');
    let name = match text.split_once("://") {
        Some((_, address)) => address.split_once('/')?.1,
        None => text,
    };
    let mut parts = name.split('/');
    let whole = parts
        .by_ref()
        .take(2)
        .filter(|part| !part.is_empty())
        .count()
        == 2;
    let plain = !name.contains(char::is_whitespace);
    (whole && plain && parts.next().is_none()).then_some(name)
}

impl Question {
    /// Whether a model is to be downloaded.
    pub fn download(name: &str) -> Self {
        Self::Download {
            name: name.to_owned(),
            token: String::new(),
            accepted: false,
        }
    }

    /// The model.
    pub fn name(&self) -> &str {
        match self {
            Self::Download { name, .. } | Self::Repository { name, .. } | Self::Remove(name) => {
                name
            }
        }
    }
}

/// The page's state.
#[derive(Debug, Default)]
pub struct Models {
    /// Whether there is a model manager.
    pub is_there: bool,
    /// Whether the page is open.
    pub open: bool,
    /// The list, once it is known.
    pub rows: Option<Vec<Row>>,
    /// What was found among the files that are here, while it is shown.
    pub found: Option<Vec<Found>>,
    /// Whether such files are being looked for.
    pub looking: bool,
    /// The question that is open.
    pub question: Option<Question>,
    /// Models that are downloaded or checked, or wait for it.
    pub tasks: Vec<String>,
    /// How far the first of them is.
    pub progress: Option<Progress>,
    /// What failed last, while the page is open.
    pub failure: Option<String>,
    /// What was last asked of the engine.
    pub loaded: Option<ModelSource>,
    /// What the artist chose: kept for the next session once it is loaded.
    pub chosen: Option<ModelSource>,
}

impl Models {
    /// Closes the page; downloads go on.
    pub fn close(&mut self) {
        self.open = false;
        self.question = None;
        self.found = None;
        self.failure = None;
    }

    /// A model of the list.
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.as_ref()?.iter().find(|row| row.name == name)
    }

    /// The model of the list that a repository of the hub is, in any case of letters. A part that can be had alone is
    /// not meant by the repository of a whole model.
    pub fn offered(&self, repository: &str) -> Option<&Row> {
        let rows = self.rows.as_ref()?;
        let of_it: Vec<&Row> = rows.iter().filter(|row| is_of(row, repository)).collect();
        let parts_only = of_it.iter().all(|row| !row.is_model);
        of_it
            .into_iter()
            .find(|row| row.origin == Origin::Available && (row.is_model || parts_only))
    }

    /// Whether a model is the editor's, with whatever autoencoder.
    pub fn is_loaded(&self, row: &Row) -> bool {
        let loaded = self.loaded.as_ref();
        let source = source_of(row);
        loaded.is_some_and(|loaded| source.is_some_and(|source| source.path() == loaded.path()))
            || self.has_small_decoder() && row.name == SMALL_DECODER
    }

    /// Whether the editor's model has the small decoder.
    pub fn has_small_decoder(&self) -> bool {
        matches!(self.loaded, Some(ModelSource::WithVae { .. }))
    }

    /// A model with the small decoder, if it takes one and that is there.
    pub fn with_small_decoder(&self, row: &Row) -> Option<ModelSource> {
        let decoder = self.row(SMALL_DECODER)?;
        let vae = decoder.place.clone()?;
        let both = row.is_usable_flux2() && decoder.state == State::Ready;
        let model = row.place.clone().filter(|_| both)?;
        Some(ModelSource::WithVae { model, vae })
    }
}

/// Whether a model comes from a repository: the hub takes names in any case of letters.
pub fn is_of(row: &Row, repository: &str) -> bool {
    let page = row.page.as_deref().and_then(self::repository);
    page.is_some_and(|page| page.eq_ignore_ascii_case(repository))
}

/// Where the engine finds a model.
pub fn source_of(row: &Row) -> Option<ModelSource> {
    match row.origin {
        Origin::BuiltIn => Some(ModelSource::Embedded),
        _ => row.place.clone().map(ModelSource::Folder),
    }
}

/// Draws the page and its question, while they are open.
pub fn show(ctx: &egui::Context, session: &mut Session, out: &mut Vec<Action>) {
    if session.models.open {
        page::show(ctx, session, out);
        question::show(ctx, session, out);
    }
}

#[cfg(test)]
mod tests {
    use super::repository;

    #[test]
    fn repositories_are_named_or_pasted() {
        for text in [
            "black-forest-labs/FLUX.2-klein-4B",
            " black-forest-labs/FLUX.2-klein-4B/ ",
            "https://huggingface.co/black-forest-labs/FLUX.2-klein-4B",
        ] {
            assert_eq!(repository(text), Some("black-forest-labs/FLUX.2-klein-4B"));
        }
        for text in [
            "",
            "klein",
            "a/b/c",
            "/b",
            "a/",
            "a b/c",
            "https://huggingface.co/a",
        ] {
            assert_eq!(repository(text), None, "{text}");
        }
    }
}
