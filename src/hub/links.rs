//! Links in a folder of Inlay's to parts of a model that other programs keep apart.

use std::path::Path;

use super::error::{HubError, Result};
use super::find::Apart;

/// Makes a folder with links to parts that lie apart; gives the links' names.
pub(super) fn link(apart: &Apart, folder: &Path) -> Result<Vec<String>> {
    crate::io::save::make_folder(folder)?;
    let ending = |path: &Path| {
        let ending = path.extension().unwrap_or_default();
        ending.to_string_lossy().into_owned()
    };
    let transformer = apart.transformer.file_name().unwrap_or_default();
    // klein-base is told by its file's name, which therefore stays.
    let parts = [
        (
            &apart.transformer,
            transformer.to_string_lossy().into_owned(),
        ),
        (&apart.vae, format!("inlay-vae.{}", ending(&apart.vae))),
        (
            &apart.text,
            format!("inlay-text-encoder.{}", ending(&apart.text)),
        ),
        (&apart.tokenizer, "tokenizer.json".to_owned()),
    ];
    let mut names = Vec::new();
    for (target, name) in parts {
        let path = folder.join(&name);
        let target =
            std::fs::canonicalize(target).map_err(|error| HubError::read(&error, target))?;
        make_link(&target, &path).map_err(|error| HubError::write(&error, &path))?;
        names.push(name);
    }
    Ok(names)
}

#[cfg(unix)]
fn make_link(target: &Path, path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

/// Only some users may make symbolic links; hard links do as well on the same disk.
#[cfg(not(unix))]
fn make_link(target: &Path, path: &Path) -> std::io::Result<()> {
    std::fs::hard_link(target, path)
}
