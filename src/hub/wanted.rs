//! What is to be downloaded: a known model, or files of any repository.

use super::catalogue::{Known, Licence, known};
use super::error::{HubError, Result};
use super::parts::INDEX;
use super::registry::{is_inside, is_name, tidy};
use super::remote::{Listing, RemoteFile};
use crate::model::EMBEDDED_NAME;

/// The folders of a diffusers model.
const FOLDERS: [&str; 5] = [
    "transformer",
    "vae",
    "text_encoder",
    "tokenizer",
    "scheduler",
];
/// What is downloaded from them: weights in a format that runs no code, and texts.
const ENDINGS: [&str; 5] = ["safetensors", "json", "txt", "model", "jinja"];

/// What is to be downloaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// What it will be called.
    pub name: String,
    /// The repository on the hub.
    pub repo: String,
    /// Its files, or with `/` at their end folders; those of a diffusers model if empty.
    pub files: Vec<String>,
    /// Its licence, if it is known here.
    pub licence: Option<Licence>,
}

impl Wanted {
    /// A known model by its name, or any repository of the hub, `OWNER/NAME`.
    ///
    /// # Errors
    /// If it is neither, or the name can't be a folder's.
    pub fn of(text: &str, files: Vec<String>, name: Option<String>) -> Result<Self> {
        let wanted = match known(text).filter(|_| files.is_empty()) {
            Some(Known {
                name,
                repo,
                files,
                licence,
                ..
            }) => Self {
                name: (*name).to_owned(),
                repo: (*repo).to_owned(),
                files: files.iter().map(|file| (*file).to_owned()).collect(),
                licence: Some(*licence),
            },
            None if text.eq_ignore_ascii_case(EMBEDDED_NAME) => {
                return Err(HubError::BuiltIn(text.to_owned(), "download"));
            }
            None => {
                let repo = known(text).map_or(text, |known| known.repo);
                let whole = repo.split('/').filter(|part| is_name(part)).count() == 2;
                if !whole || repo.split('/').count() != 2 {
                    return Err(HubError::Unknown(text.to_owned()));
                }
                Self {
                    name: tidy(repo.rsplit('/').next().unwrap_or(repo)),
                    repo: repo.to_owned(),
                    files,
                    licence: known(repo).map(|known| known.licence),
                }
            }
        };
        let name = name.unwrap_or(wanted.name);
        if !is_name(&name) || name.eq_ignore_ascii_case(EMBEDDED_NAME) {
            return Err(HubError::Name(name));
        }
        Ok(Self { name, ..wanted })
    }

    /// The files of a repository that are wanted, the smallest first: what is refused is refused early.
    pub(super) fn choose(&self, listing: &Listing) -> Result<Vec<RemoteFile>> {
        let mut chosen: Vec<RemoteFile> = if self.files.is_empty() {
            let diffusers = listing.files.iter().any(|file| file.path == INDEX);
            let wanted = |file: &&RemoteFile| diffusers && is_of_model(&file.path);
            listing.files.iter().filter(wanted).cloned().collect()
        } else {
            let mut chosen = Vec::new();
            for path in &self.files {
                let is_it = |file: &&RemoteFile| match path.ends_with('/') {
                    true => file.path.starts_with(path) && has_ending(&file.path),
                    false => file.path == *path,
                };
                let before = chosen.len();
                chosen.extend(listing.files.iter().filter(is_it).cloned());
                if chosen.len() == before {
                    return Err(HubError::NotFound(format!("file {path} in {}", self.repo)));
                }
            }
            chosen
        };
        if chosen.is_empty() {
            return Err(HubError::NothingWanted(self.repo.clone()));
        }
        if let Some(file) = chosen.iter().find(|file| !is_inside(&file.path)) {
            return Err(HubError::Unsafe {
                repo: self.repo.clone(),
                path: file.path.clone(),
            });
        }
        chosen.sort_by_key(|file| file.size);
        Ok(chosen)
    }
}

/// Whether a file of a diffusers repository is needed, or says what it may be used for.
fn is_of_model(path: &str) -> bool {
    match path.split_once('/') {
        None => path == INDEX || path.to_uppercase().starts_with("LICENSE"),
        Some((folder, _)) => FOLDERS.contains(&folder) && has_ending(path),
    }
}

fn has_ending(path: &str) -> bool {
    let ending = path.rsplit('.').next().unwrap_or_default();
    ENDINGS.contains(&ending)
}
