//! Writing whole files or nothing: a temporary file in the same folder, then a rename.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::error::SaveError;

/// What to do with a file that already has the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Existing {
    Replace,
    Keep,
}

/// Writes `bytes` to `path`, replacing a file that is there only when all bytes are on the disk.
///
/// # Errors
/// [`SaveError`]; then the path is as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), SaveError> {
    write(path, Existing::Replace, |file| file.write_all(bytes))
}

/// Like [`replace`], for content that is produced while it is written.
///
/// # Errors
/// [`SaveError`]; then the path is as it was.
pub fn replace_with(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), SaveError> {
    write(path, Existing::Replace, content)
}

/// Writes `bytes` to a new file.
///
/// # Errors
/// [`SaveError::Exists`] if the name is taken, and the others of [`SaveError`].
pub fn create(path: &Path, bytes: &[u8]) -> Result<(), SaveError> {
    write(path, Existing::Keep, |file| file.write_all(bytes))
}

/// Whether a result could be written into this folder, found out by writing: a job of minutes must not end
/// at a folder that was closed from the start.
///
/// # Errors
/// [`SaveError`] as a write would give.
pub fn check_folder(folder: &Path) -> Result<(), SaveError> {
    let probe = folder.join("result.png");
    temporary(folder)
        .map(drop)
        .map_err(|error| SaveError::from_write(&error, &probe))
}

/// Makes a folder and those above it.
///
/// # Errors
/// [`SaveError`] if it can't be made or is a file.
pub fn make_folder(folder: &Path) -> Result<(), SaveError> {
    match std::fs::create_dir_all(folder) {
        Ok(()) => Ok(()),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::AlreadyExists | ErrorKind::NotADirectory
            ) =>
        {
            Err(SaveError::NotAFolder(folder.into()))
        }
        Err(error) => Err(SaveError::from_write(&error, &folder.join("result.png"))),
    }
}

fn write(
    path: &Path,
    existing: Existing,
    content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), SaveError> {
    let from_write = |error: std::io::Error| SaveError::from_write(&error, path);
    // A link is followed, so that what it points to is replaced and not the link.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    match std::fs::metadata(&target) {
        Ok(metadata) if metadata.is_dir() => return Err(SaveError::IsAFolder(path.into())),
        Ok(_) if existing == Existing::Keep => return Err(SaveError::Exists(path.into())),
        // A device or a pipe can't be replaced, only written.
        Ok(metadata) if !metadata.is_file() => {
            let mut device = File::options()
                .write(true)
                .open(&target)
                .map_err(from_write)?;
            return buffered(&mut device, content).map_err(from_write);
        }
        _ => {}
    }
    if path.file_name().is_none() {
        return Err(SaveError::NoName(path.into()));
    }
    let mut file = temporary(&folder_of(&target)).map_err(from_write)?;
    buffered(file.as_file_mut(), content)
        .and_then(|()| file.as_file().sync_all())
        .map_err(from_write)?;
    let persisted = match existing {
        Existing::Replace => file.persist(&target),
        Existing::Keep => file.persist_noclobber(&target),
    };
    persisted.map(drop).map_err(|error| from_write(error.error))
}

fn buffered(
    file: &mut File,
    content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut writer = BufWriter::new(file);
    content(&mut writer)?;
    writer.flush()
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// A hidden file that vanishes unless it is renamed, readable as the user's other files are.
fn temporary(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".inlay-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    // tempfile adds the path to its errors and drops their kind's text; the kind is what is kept.
    builder.tempfile_in(folder)
}
