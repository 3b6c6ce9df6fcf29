//! The list of models that the user has: one JSON file beside their folders, written whole or not at all.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{HubError, Result};
use super::sum::Sum;
use crate::io::save;

/// The file's format.
const VERSION: u32 = 1;
/// The file's name.
const FILE: &str = "models.json";
/// The folder of models.
pub(super) const MODELS: &str = "models";

/// All models that are not part of the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Registry {
    version: u32,
    pub models: Vec<Entry>,
}

/// A model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub name: String,
    /// A file or a folder; below the folder of data if it is relative.
    pub path: PathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commercial: Option<bool>,
    pub source: Source,
}

/// Where its files come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Source {
    /// Inlay downloaded them.
    Downloaded {
        repo: String,
        commit: String,
        /// Whether all of them are here.
        complete: bool,
        files: Vec<Record>,
        /// Links that Inlay made in its folder, to parts of other models that it lacks.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        links: Vec<String>,
        /// Further files of a download that has not come to its end, while all that is there is still whole.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        coming: Vec<String>,
    },
    /// They are the user's.
    Added {
        /// Of names, shapes and samples of the weights, as they were when they were added.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<String>,
        /// Links that Inlay made, in a folder of its own, to parts that lie apart.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        links: Vec<String>,
    },
}

impl Source {
    /// The links that Inlay made in its folder.
    pub fn links(&self) -> &[String] {
        match self {
            Self::Downloaded { links, .. } | Self::Added { links, .. } => links,
        }
    }
}

/// A downloaded file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Below the model's folder, with `/`.
    pub path: String,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum: Option<Sum>,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            version: VERSION,
            models: Vec::new(),
        }
    }
}

impl Registry {
    /// Reads the list; it is empty while there is no file.
    pub fn read(data: &Path) -> Result<Self> {
        let path = data.join(FILE);
        let damaged = |reason: String| HubError::Registry {
            reason,
            path: path.clone(),
        };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(HubError::read(&error, &path)),
        };
        let read: Self =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if read.version > VERSION {
            return Err(damaged("a newer Inlay wrote it".to_owned()));
        }
        // What is deleted and written is named by it.
        let wrong = read.models.iter().find(|entry| match &entry.source {
            Source::Downloaded {
                files,
                links,
                coming,
                ..
            } => {
                let mut paths = files.iter().map(|file| &file.path);
                let outside = paths.any(|path| !is_inside(path));
                let mut others = links.iter().chain(coming);
                outside || others.any(|path| !is_inside(path)) || !is_below(&entry.path)
            }
            Source::Added { links, .. } if links.is_empty() => false,
            Source::Added { links, .. } => {
                links.iter().any(|link| !is_inside(link)) || !is_below(&entry.path)
            }
        });
        match wrong {
            Some(entry) => Err(damaged(format!("{} leaves its folder", entry.name))),
            None => Ok(read),
        }
    }

    /// Writes the list.
    ///
    /// # Errors
    /// A path that JSON has no way to write, or what the system says.
    pub fn write(&self, data: &Path) -> Result<()> {
        let mut places = self.models.iter().map(|entry| &entry.path);
        if let Some(place) = places.find(|place| place.to_str().is_none()) {
            return Err(HubError::NotText(place.clone()));
        }
        save::make_folder(data)?;
        let path = data.join(FILE);
        let text = serde_json::to_vec_pretty(self).map_err(|error| HubError::Registry {
            reason: error.to_string(),
            path: path.clone(),
        })?;
        Ok(save::replace(&path, &text)?)
    }

    /// A model by its name, in any case of letters: folders are the same in some systems then.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.models
            .iter()
            .find(|entry| entry.name.eq_ignore_ascii_case(name))
    }

    /// Puts a model in, in place of the one of its name.
    pub fn put(&mut self, entry: Entry) {
        let same = |old: &Entry| old.name.eq_ignore_ascii_case(&entry.name);
        match self.models.iter().position(same) {
            Some(at) => self.models[at] = entry,
            None => self.models.push(entry),
        }
    }

    /// A name that is not used.
    pub fn free_name(&self, wanted: &str) -> String {
        let wanted = tidy(wanted);
        let taken = |name: &str| self.get(name).is_some() || name == crate::model::EMBEDDED_NAME;
        if !taken(&wanted) {
            return wanted;
        }
        let mut number = 2;
        while taken(&format!("{wanted}-{number}")) {
            number += 1;
        }
        format!("{wanted}-{number}")
    }
}

/// Whether a path in a repository stays below its folder, on every system.
pub(super) fn is_inside(path: &str) -> bool {
    let fits = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':', '\0'])
    };
    path.split('/').all(fits)
}

/// Whether a path stays below the folder it is joined to.
fn is_below(path: &Path) -> bool {
    let mut parts = path.components();
    path.components().next().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// Whether a name can be a folder's on every system.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 100 && tidy(name) == name
}

/// A name with what can't stand in a folder's replaced.
pub(super) fn tidy(name: &str) -> String {
    let kept: String = name
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || "._-+ ".contains(c) {
                c
            } else {
                '-'
            }
        })
        .take(100)
        .collect();
    let kept = kept.trim_matches(|c: char| c == '.' || c == '-' || c.is_whitespace());
    if kept.is_empty() {
        "model".to_owned()
    } else {
        kept.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, file: &str) -> Entry {
        Entry {
            name: name.to_owned(),
            path: Path::new(MODELS).join(name),
            licence: None,
            commercial: None,
            source: Source::Downloaded {
                repo: "a/b".to_owned(),
                commit: "1".to_owned(),
                complete: true,
                files: vec![Record {
                    path: file.to_owned(),
                    size: 3,
                    sum: Sum::from_etag(&"a".repeat(64)),
                }],
                links: Vec::new(),
                coming: Vec::new(),
            },
        }
    }

    #[test]
    fn the_list_comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("new");
        assert_eq!(Registry::read(&data).unwrap(), Registry::default());
        let mut registry = Registry::default();
        registry.put(entry("A", "x/y.json"));
        registry.put(entry("a", "z"));
        assert_eq!(registry.models.len(), 1);
        registry.write(&data).unwrap();
        assert_eq!(Registry::read(&data).unwrap(), registry);
        assert_eq!(registry.free_name("a"), "a-2");
        assert_eq!(registry.free_name("unireal-nano"), "unireal-nano-2");
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_no_text_is_refused_and_the_list_stays() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let mut registry = Registry::default();
        registry.put(entry("a", "x"));
        registry.write(folder.path()).unwrap();
        let before = registry.clone();
        let mut odd = entry("b", "y");
        odd.path = std::ffi::OsStr::from_bytes(b"caf\xe9").into();
        registry.put(odd);
        let refused = registry.write(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("rename it"), "{refused}");
        assert_eq!(Registry::read(folder.path()).unwrap(), before);
    }

    #[test]
    fn a_list_that_reaches_out_of_its_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["../x", "a/../../x", "/etc/x", "a\\..\\x", "c:x", ""] {
            let mut registry = Registry::default();
            registry.put(entry("a", path));
            registry.write(folder.path()).unwrap();
            let refused = Registry::read(folder.path()).unwrap_err().to_string();
            assert!(refused.contains("leaves its folder"), "{refused}");
        }
        std::fs::write(folder.path().join(FILE), r#"{"version":2,"models":[]}"#).unwrap();
        let refused = Registry::read(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("newer"), "{refused}");
    }

    #[test]
    fn names_are_folders_on_every_system() {
        assert!(is_name("FLUX.2-klein-4B") && is_name("flux 2"));
        for name in ["", "..", "a/b", "a:b", "-a", "x."] {
            assert!(!is_name(name), "{name}");
        }
        assert_eq!(tidy("a/b:c "), "a-b-c");
    }
}
