//! `inlay [FILES…]`: the editor.

use std::path::PathBuf;

use super::error::CliError;
use crate::io::PictureError;

/// Opens the window.
pub fn run(files: Vec<PathBuf>) -> Result<(), CliError> {
    // A mistyped command looks like a file; better said here than in a window.
    if let Some(missing) = files.iter().find(|file| !file.exists()) {
        return Err(PictureError::Missing(missing.clone()).into());
    }
    if !has_display() {
        return Err(CliError::failure(
            "there is no display to open the editor on, use `inlay generate` to work without a window",
        ));
    }
    crate::ui::run(files).map_err(|error| CliError::failure(error.to_string()))
}

/// Whether a window could be opened at all. Only X11 and Wayland sessions can lack a display.
fn has_display() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(all(
        unix,
        not(any(
            target_os = "macos",
            target_os = "ios",
            target_os = "android"
        ))
    )) || is_set("DISPLAY")
        || is_set("WAYLAND_DISPLAY")
        || is_set("WAYLAND_SOCKET")
}
