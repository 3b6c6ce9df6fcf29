//! What goes to the [service](super::service) and what comes back: plain data.

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use crate::io::names;

use crate::model::flux2::Estimate;
pub use crate::model::flux2::MemoryOf;

/// Where a model comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Inside the program.
    BuiltIn,
    /// Inlay downloaded it.
    Downloaded,
    /// The user's own files; Inlay never deletes them.
    Added,
    /// Not here: it can be downloaded.
    Available,
}

/// Whether a model can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum State {
    /// It can.
    Ready,
    /// It is not here.
    Absent,
    /// A part of its download is here.
    Partial {
        /// Bytes that are here.
        have: u64,
        /// Bytes in all.
        total: u64,
    },
    /// It can't; the sentence says why and what to do.
    Unusable {
        /// The sentence.
        why: String,
    },
}

/// Memory that a model takes where models usually go, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// With all parts loaded.
    pub all: u64,
    /// With its parts loaded in turn.
    pub in_turn: u64,
    /// The least: with its parts rounded to 8 bits as well.
    pub least: u64,
    /// What is free for programs now, where the system says so.
    pub free: Option<u64>,
    /// Whose memory it is.
    pub place: MemoryOf,
}

impl Memory {
    /// As estimated for `place`.
    pub fn of(estimate: &Estimate, place: MemoryOf) -> Self {
        Self {
            all: estimate.all(),
            in_turn: estimate.in_turn(),
            least: estimate.rounded().in_turn().min(estimate.in_turn()),
            free: place.free(),
            place,
        }
    }
}

/// The name of a smaller decoder for all FLUX.2 models: an autoencoder's file with the encoder as it is.
pub const SMALL_DECODER: &str = "FLUX.2-small-decoder";
/// What the kinds of FLUX.2 models begin with.
pub(super) const FLUX2: &str = "FLUX.2 [klein]";

/// A model in the list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What it is called: on the command line, and its folder.
    pub name: String,
    /// What it is: family, size, how its weights are stored.
    pub kind: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether it can be used.
    #[serde(flatten)]
    pub state: State,
    /// Bytes on the disk, or that it would take.
    pub bytes: Option<u64>,
    /// Whether `bytes` is only about right.
    pub about: bool,
    /// Its licence, if it is known.
    pub licence: Option<String>,
    /// Whether its licence allows work for money, if that is known.
    pub commercial: Option<bool>,
    /// Whether a token of an account that accepted the licence is needed to download it.
    pub gated: bool,
    /// Memory on the processor, where it can be told before loading.
    pub memory: Option<Memory>,
    /// Where it is.
    #[serde(serialize_with = "shown")]
    pub place: Option<PathBuf>,
    /// Its page on the hub.
    pub page: Option<String>,
    /// Whether pictures can be made with it: a tokenizer alone is no model.
    pub is_model: bool,
}

fn shown<S: Serializer>(place: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
    match place {
        Some(place) => names::shown(place, to),
        None => to.serialize_none(),
    }
}

impl Row {
    /// Whether the editor can load it.
    pub fn is_usable(&self) -> bool {
        self.is_model && self.state == State::Ready
    }

    /// Whether it is a FLUX.2 that can be used.
    pub fn is_usable_flux2(&self) -> bool {
        self.is_usable() && self.kind.starts_with(FLUX2)
    }
}

/// A model among files that the user has already.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// A name for it.
    pub name: String,
    /// What it is.
    pub kind: String,
    /// Whose folder it is in: ComfyUI, InvokeAI, the hub's cache.
    pub owner: String,
    /// The file or the folder.
    #[serde(serialize_with = "names::shown")]
    pub place: PathBuf,
    /// Bytes of all its files.
    pub bytes: Option<u64>,
    /// Why it can't be used, and what to do.
    pub problem: Option<String>,
}

/// What a long task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The hub is asked which files there are.
    Asking,
    /// Bytes come.
    Downloading,
    /// Nothing comes; it is tried again.
    Waiting,
    /// Checksums of what is here are computed.
    Checking,
}

/// How far a long task is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The model.
    pub name: String,
    /// What is being done.
    pub phase: Phase,
    /// The file.
    pub file: String,
    /// Bytes done.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
    /// Bytes a second, 0 while it is not known.
    pub speed: f64,
}

impl Progress {
    /// The share done, 0 to 1.
    pub fn share(&self) -> f32 {
        if self.total == 0 {
            return 0.0;
        }
        (self.done as f64 / self.total as f64).min(1.0) as f32
    }

    /// Seconds left, while that can be told.
    pub fn seconds_left(&self) -> Option<f64> {
        (self.speed > 0.0).then(|| self.total.saturating_sub(self.done) as f64 / self.speed)
    }
}

/// What was found by checking a model's files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Files whose checksum is right.
    pub right: usize,
    /// Files that no checksum is known of, and that are as they were when they were added.
    pub unchanged: usize,
    /// Files with other bytes than they should have.
    pub damaged: Vec<String>,
    /// Files that are gone.
    pub missing: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.damaged.is_empty() && self.missing.is_empty()
    }

    /// In one sentence, without the model's name.
    pub fn sentence(&self) -> String {
        let files = |n: usize| match n {
            1 => "1 file".to_owned(),
            n => format!("{n} files"),
        };
        if !self.is_good() {
            let mut wrong = self.damaged.clone();
            wrong.extend(self.missing.iter().map(|file| format!("{file} (missing)")));
            return format!("damaged: {}", wrong.join(", "));
        }
        match (self.right, self.unchanged) {
            (right, 0) => format!("all checksums are right ({})", files(right)),
            (0, same) => format!(
                "{} unchanged since it was added; the hub's checksums are not known for it",
                files(same)
            ),
            (right, same) => format!(
                "the checksums of {} are right, {} unchanged",
                files(right),
                files(same)
            ),
        }
    }
}

/// Bytes in words, in the unit that suits them.
pub fn gigabytes(bytes: u64) -> String {
    let in_units = |unit: f64| bytes as f64 / unit;
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.0} kB", in_units(1e3)),
        1_000_000..1_000_000_000 => format!("{:.0} MB", in_units(1e6)),
        _ => format!("{:.1} GB", in_units(1e9)),
    }
}

impl Row {
    /// How large it is, in words; `None` if that is not known.
    pub fn size(&self) -> Option<String> {
        match (&self.state, self.bytes) {
            (State::Partial { have, total }, _) => {
                Some(format!("{} of {}", gigabytes(*have), gigabytes(*total)))
            }
            (_, Some(bytes)) if self.about => Some(format!("about {:.0} GB", bytes as f64 / 1e9)),
            (_, bytes) => bytes.map(gigabytes),
        }
    }
}

/// What can be asked of the service.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// The list.
    List,
    /// Download a model.
    Download {
        /// A known model, one of the list, or a repository of the hub, `OWNER/NAME`.
        name: String,
        /// Files of the repository instead of a whole diffusers model.
        files: Vec<String>,
        /// A token of the user, if the model needs one. It is never stored.
        token: Option<String>,
    },
    /// Look for files that are here already.
    Find,
    /// Add a file or a folder.
    Add(PathBuf),
    /// Check a model's files.
    Verify(String),
    /// Forget a model, and delete what Inlay downloaded of it.
    Remove(String),
}

/// What the service tells. How far a long task is goes through a latest-only slot.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The list, whenever it may have changed.
    Listed(Vec<Row>),
    /// What was found.
    Found(Vec<Found>),
    /// A model is downloaded and ready.
    Downloaded {
        /// What was asked for.
        asked: String,
        /// What it is called in the list.
        name: String,
    },
    /// A model was added.
    Added(String),
    /// A model's files were checked.
    Verified(String, Report),
    /// A model was removed; how many bytes were deleted.
    Removed(String, u64),
    /// The long task was cancelled.
    Cancelled(String),
    /// Something failed: the model, if it was a download or a check, and why and what to do.
    Failed(Option<String>, String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_the_unit_that_suits_them() {
        for (bytes, text) in [
            (999, "999 bytes"),
            (1_000, "1 kB"),
            (414_520, "415 kB"),
            (20_400_000, "20 MB"),
            (7_750_000_000, "7.8 GB"),
        ] {
            assert_eq!(gigabytes(bytes), text);
        }
    }

    #[test]
    fn how_long_it_takes_follows_from_the_speed() {
        let mut progress = Progress {
            name: String::new(),
            phase: Phase::Downloading,
            file: String::new(),
            done: 25,
            total: 100,
            speed: 0.0,
        };
        assert_eq!((progress.share(), progress.seconds_left()), (0.25, None));
        progress.speed = 15.0;
        assert_eq!(progress.seconds_left(), Some(5.0));
        progress.total = 0;
        assert_eq!(progress.share(), 0.0);
    }

    #[test]
    fn a_report_is_one_sentence() {
        let mut report = Report {
            right: 1,
            ..Report::default()
        };
        assert_eq!(report.sentence(), "all checksums are right (1 file)");
        report.unchanged = 2;
        assert_eq!(
            report.sentence(),
            "the checksums of 1 file are right, 2 files unchanged"
        );
        report.missing.push("a".to_owned());
        assert_eq!(report.sentence(), "damaged: a (missing)");
    }
}
