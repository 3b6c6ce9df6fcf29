//! Links in a folder of Inlay's to parts of a model that lie apart.

use std::path::{Path, PathBuf};

use super::error::{HubError, Result};
use super::parts::{INDEX, TOKENIZER_FILE};
use crate::model::flux2::Files;

/// Makes a diffusers folder of links to parts that lie apart; gives the names of what was made, with `/`. Parts that
/// lie in their place already stay as they are.
///
/// # Errors
/// If a part is gone or a link can't be made; then nothing is left of those that were.
pub(super) fn link(files: &Files, folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let made = link_all(files, folder, &mut names);
    if let Err(error) = made {
        unlink(folder, &names);
        return Err(error);
    }
    Ok(names)
}

fn link_all(files: &Files, folder: &Path, names: &mut Vec<String>) -> Result<()> {
    let tokenizer = [files.tokenizer.clone()];
    let parts: [(&str, &[PathBuf]); 4] = [
        ("transformer", &files.transformer),
        ("vae", &files.vae),
        ("text_encoder", &files.text),
        ("tokenizer", &tokenizer),
    ];
    for (part, targets) in parts {
        crate::io::save::make_folder(&folder.join(part))?;
        for target in targets {
            // The hub's cache names contents by checksums alone, so the name is the link's there.
            let file = match part {
                "tokenizer" => TOKENIZER_FILE.into(),
                _ => target.file_name().unwrap_or_default().to_string_lossy(),
            };
            let name = format!("{part}/{file}");
            let path = folder.join(&name);
            // What is linked to is the file itself: another link may go.
            let target =
                std::fs::canonicalize(target).map_err(|error| HubError::read(&error, target))?;
            if std::fs::canonicalize(&path).is_ok_and(|there| there == target) {
                continue;
            }
            make_link(&target, &path).map_err(|error| HubError::write(&error, &path))?;
            names.push(name);
        }
    }
    // The links' names do not say whether it is klein base.
    let index = serde_json::json!({
        "_class_name": "Flux2KleinPipeline",
        "is_distilled": files.distilled,
    });
    crate::io::save::replace(&folder.join(INDEX), index.to_string().as_bytes())?;
    names.push(INDEX.to_owned());
    Ok(())
}

/// Takes links away that [`link`] made. What they lead to stays.
pub(super) fn unlink(folder: &Path, names: &[String]) {
    for name in names {
        // One that is gone already is as good.
        let _ = std::fs::remove_file(folder.join(name));
    }
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
