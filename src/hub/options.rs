//! Where models are kept, how the hub is reached, and where other programs keep theirs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{HubError, Result};

/// Names the folder for models, the journal and lists instead of the user's data folder.
const DATA: &str = "INLAY_DATA";
/// Names another hub, as in hf-hub.
const ENDPOINT: &str = "HF_ENDPOINT";
/// The hub itself.
const HUB: &str = "https://huggingface.co";
/// Set to anything but 0, no, off or false, nothing is downloaded, as in the hub's own programs.
const OFFLINE: &str = "HF_HUB_OFFLINE";

/// The folder for the user's models and the window's journal.
///
/// # Errors
/// If the system names none.
pub fn data_folder() -> Result<PathBuf> {
    if let Some(folder) = variable(DATA) {
        return Ok(folder);
    }
    directories::ProjectDirs::from("", "", "inlay")
        .map(|folders| folders.data_local_dir().to_owned())
        .ok_or(HubError::NoFolder)
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// Folders of other programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// ComfyUI's: each has `models/` or is such a folder.
    pub comfy: Vec<PathBuf>,
    /// InvokeAI's roots.
    pub invoke: Vec<PathBuf>,
    /// The hub's caches.
    pub hub: Vec<PathBuf>,
}

impl Places {
    /// The usual places of this user, and those that the programs' variables name.
    pub fn of_user() -> Self {
        let home = directories::BaseDirs::new().map(|folders| folders.home_dir().to_owned());
        let mut places = Self::default();
        places.comfy.extend(variable("COMFYUI_PATH"));
        places.invoke.extend(variable("INVOKEAI_ROOT"));
        places.hub.extend(variable("HF_HUB_CACHE"));
        if let Some(home) = home {
            let comfy = ["ComfyUI", "comfy/ComfyUI", "Documents/ComfyUI"];
            places.comfy.extend(comfy.map(|name| home.join(name)));
            places.invoke.push(home.join("invokeai"));
            // hf-hub panics without a home folder.
            places.hub.push(hf_hub::Cache::from_env().path().clone());
        }
        places
    }
}

/// How a [`Store`](super::Store) works.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that holds `models/` and `models.json`.
    pub data: PathBuf,
    /// The hub's address.
    pub endpoint: String,
    /// Whether nothing may be downloaded.
    pub offline: bool,
    /// How long a connection may bring nothing before it is given up.
    pub patience: Duration,
    /// Tries without notable progress before a download is given up.
    pub tries: u32,
    /// The pause before the second try; it doubles from try to try.
    pub pause: Duration,
    /// Bytes that are free where a folder is; `None` if nobody knows.
    pub free: fn(&Path) -> Option<u64>,
    /// Where other programs keep their models.
    pub places: Places,
}

impl Options {
    /// The usual ones, with this folder.
    pub fn new(data: PathBuf) -> Self {
        Self {
            data,
            endpoint: HUB.to_owned(),
            offline: false,
            patience: Duration::from_secs(30),
            tries: 6,
            pause: Duration::from_secs(1),
            free,
            places: Places::default(),
        }
    }

    /// What the user's environment says.
    ///
    /// # Errors
    /// If there is no folder for data.
    pub fn of_user() -> Result<Self> {
        let mut options = Self::new(data_folder()?);
        if let Some(endpoint) = variable(ENDPOINT) {
            let endpoint = endpoint.to_string_lossy();
            endpoint
                .trim_end_matches('/')
                .clone_into(&mut options.endpoint);
        }
        options.offline = variable(OFFLINE).is_some_and(|value| {
            let value = value.to_string_lossy().to_lowercase();
            !matches!(value.as_str(), "0" | "no" | "off" | "false")
        });
        options.places = Places::of_user();
        Ok(options)
    }
}

/// Bytes that are free where a folder is or will be.
fn free(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|path| path.exists())?;
    fs4::available_space(there).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_known_for_folders_that_are_yet_to_be_made() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free(&folder.path().join("models/new")).unwrap() > 0);
    }
}
