//! What can go wrong with models as files, in one sentence each that says what to do.

use std::path::{Path, PathBuf};

use super::catalogue::TOKENIZER;
use super::message::gigabytes;
use crate::io::SaveError;
use crate::io::error::plain;
use crate::model::ModelError;

/// Why a model could not be had, kept or removed.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The caller asked to stop; what came is kept.
    #[error("cancelled, what came is kept: download again to go on from there")]
    Cancelled,
    /// Downloads are switched off.
    #[error("Inlay works offline: unset HF_HUB_OFFLINE or leave out --offline to download")]
    Offline,
    /// The host does not answer at all.
    #[error(
        "{host} can't be reached ({reason}): check the connection and download again, what came is kept"
    )]
    Unreachable {
        /// The hub's host.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// The hub wants an account that accepted the licence.
    #[error(
        "the hub gives {repo} only to those who accepted its licence: accept it at {page}, and give a token of that account"
    )]
    Gated {
        /// The repository.
        repo: String,
        /// Where its licence can be accepted.
        page: String,
    },
    /// The token was given and refused.
    #[error(
        "the hub does not give {repo} to this token: accept the licence at {page} with the token's account, and let the token read gated repositories"
    )]
    Refused {
        /// The repository.
        repo: String,
        /// Where its licence can be accepted.
        page: String,
    },
    /// The hub does not have it.
    #[error("the hub has no {0}: check the name")]
    NotFound(String),
    /// The hub answers with a status that makes no sense here.
    #[error("the hub answers {status} for {what}: try again later")]
    Status {
        /// What was asked for.
        what: String,
        /// The HTTP status.
        status: u16,
    },
    /// The hub's answer is not understood.
    #[error("the hub's answer about {repo} is not understood ({reason}): try again later")]
    Reply {
        /// The repository.
        repo: String,
        /// What is wrong with it.
        reason: String,
    },
    /// All tries were used up.
    #[error(
        "{file} did not arrive in {tries} tries ({reason}): what came is kept, download again to go on from there"
    )]
    GaveUp {
        /// The file.
        file: String,
        /// How often it was tried.
        tries: u32,
        /// What went wrong the last time.
        reason: String,
    },
    /// The bytes are not those that the hub names.
    #[error(
        "{0} arrived damaged (its checksum is not the one the hub names) and was deleted: download it again"
    )]
    Damaged(String),
    /// There is no room.
    #[error(
        "the download needs {} and {} are free: free some space or choose another folder with INLAY_DATA: {}",
        gigabytes(*.needed), gigabytes(*.free), .folder.display()
    )]
    Space {
        /// Bytes that are needed besides what is there.
        needed: u64,
        /// Bytes that are free.
        free: u64,
        /// Where.
        folder: PathBuf,
    },
    /// Another program works on the same file.
    #[error("{0} is being downloaded already: wait for it, or cancel it where it runs")]
    Busy(String),
    /// A repository has no files that make a model.
    #[error("{0} holds no model that Inlay loads: name the files to download with --file")]
    NothingWanted(String),
    /// A repository names a file outside of it.
    #[error("{repo} names a file that may not be written ({path}): do not use this repository")]
    Unsafe {
        /// The repository.
        repo: String,
        /// The file's path in it.
        path: String,
    },
    /// The licence was not accepted.
    #[error(
        "{name} is under the {licence}, for non-commercial use only: read it at {page}, accept it there, and repeat with --accept-licence"
    )]
    Licence {
        /// The model.
        name: String,
        /// The licence's name.
        licence: String,
        /// Where it can be read and accepted.
        page: String,
    },
    /// There is no such model.
    #[error("there is no model “{0}”: `inlay models list` shows the names")]
    Unknown(String),
    /// The name is used.
    #[error("a model is called “{0}” already: choose another with --name")]
    Taken(String),
    /// The name is that of a download from elsewhere.
    #[error(
        "“{name}” comes from {repo}: choose another name with --name, Inlay puts the parts of a model together whatever they are called"
    )]
    OtherRepo {
        /// The model.
        name: String,
        /// Its repository.
        repo: String,
    },
    /// Parts of a model are not here.
    #[error("{missing} for {file}: {}, then try again", .missing.what_to_do())]
    Parts {
        /// The transformer's file.
        file: String,
        /// The parts.
        missing: Missing,
    },
    /// Another model is made of its files.
    #[error("“{by}” uses files of “{name}”: remove “{by}” first")]
    Needed {
        /// The model that was to be removed.
        name: String,
        /// The one that uses its files.
        by: String,
    },
    /// The name can't be a folder's.
    #[error("“{0}” can't be a model's name: use letters, digits, dots and dashes")]
    Name(String),
    /// The model inside the program.
    #[error("“{0}” is part of the program: there is nothing to {1}")]
    BuiltIn(String, &'static str),
    /// A model is known already.
    #[error("this model is in the list already as “{0}”: use that name")]
    Known(String),
    /// The list of models can't be read.
    #[error("the list of models is damaged ({reason}), mend it or delete it: {path}", path = .path.display())]
    Registry {
        /// What is wrong with it.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// The list of models can't hold a path.
    #[error("the list of models can't name this path because it is no text in UTF-8, rename it first: {}", .0.display())]
    NotText(PathBuf),
    /// The user's folder is not known.
    #[error("the system names no folder for data: set INLAY_DATA to one")]
    NoFolder,
    /// There is no such file.
    #[error("there is no such file or folder, check its name: {}", .0.display())]
    Missing(PathBuf),
    /// A file can't be read.
    #[error("the file can't be read ({0}): {path}", path = .1.display())]
    Read(String, PathBuf),
    /// A file can't be deleted.
    #[error("the file can't be deleted ({0}), delete it by hand: {path}", path = .1.display())]
    Delete(String, PathBuf),
    /// No thread.
    #[error("the system has no room for another thread ({0}): close other programs first")]
    Thread(String),
    /// A file can't be written.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// It is no model, or none that can be loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Parts that are missing: in words, and the name under which each can be downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing(pub Vec<(&'static str, &'static str)>);

impl Missing {
    /// Whether more than the tokenizer is missing.
    pub(super) fn is_of_weights(&self) -> bool {
        self.0.iter().any(|(_, name)| *name != TOKENIZER)
    }

    /// The commands that get them.
    fn what_to_do(&self) -> String {
        let commands = self.0.iter();
        let commands: Vec<String> = commands
            .map(|(_, name)| format!("`inlay models download {name}`"))
            .collect();
        let what = if self.0.len() == 1 { "it" } else { "them" };
        format!("get {what} with {}", listed(&commands))
    }
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<&str> = self.0.iter().map(|(words, _)| *words).collect();
        let verb = if self.0.len() == 1 { "is" } else { "are" };
        write!(f, "{} {verb} missing", listed(&words))
    }
}

/// Things in a sentence: "a, b and c".
fn listed<S: AsRef<str>>(things: &[S]) -> String {
    let mut text = String::new();
    for (n, thing) in things.iter().enumerate() {
        text.push_str(match n {
            0 => "",
            n if n + 1 == things.len() => " and ",
            _ => ", ",
        });
        text.push_str(thing.as_ref());
    }
    text
}

/// The result of what is done with models as files.
pub type Result<T> = std::result::Result<T, HubError>;

impl HubError {
    /// A failed read of a file.
    pub(super) fn read(error: &std::io::Error, path: &Path) -> Self {
        Self::Read(plain(error), path.to_owned())
    }

    /// A failed write of a file.
    pub(super) fn write(error: &std::io::Error, path: &Path) -> Self {
        Self::Save(SaveError::from_write(error, path))
    }
}
