//! Writing whole files or nothing: a temporary file in the same folder, then a rename.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Seek, SeekFrom, Write};
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
    temporary(folder)
        .map(drop)
        .map_err(|error| SaveError::in_folder(&error, folder))
}

/// Whether a file could be written here: [`check_folder`] and [`check_name`]. A device takes what it is given.
///
/// # Errors
/// [`SaveError`] as a write would give.
pub fn check_file(path: &Path) -> Result<(), SaveError> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(SaveError::IsAFolder(path.into())),
        Ok(metadata) if !metadata.is_file() => return Ok(()),
        _ => {}
    }
    check_folder(&folder_of(path))?;
    check_name(path)
}

/// Whether the system takes a file of this name in a folder that is there: a job of minutes must not end at a name
/// that is too long. The file need not exist.
///
/// # Errors
/// [`SaveError::LongName`].
pub fn check_name(path: &Path) -> Result<(), SaveError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::InvalidFilename => {
            Err(SaveError::LongName(path.into()))
        }
        _ => Ok(()),
    }
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
        Err(error) => Err(SaveError::in_folder(&error, folder)),
    }
}

/// A file that is written piece by piece. It lies hidden beside its place and takes it in [`Pending::finish`]; dropped
/// before, it leaves nothing behind.
pub struct Pending {
    path: PathBuf,
    target: PathBuf,
    writer: BufWriter<tempfile::NamedTempFile>,
}

impl Pending {
    /// Begins a file that is to replace what is at `path`.
    ///
    /// # Errors
    /// [`SaveError`]; then the path is as it was.
    pub fn new(path: &Path) -> Result<Self, SaveError> {
        // A link is followed, so that what it points to is replaced and not the link.
        let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        if target.is_dir() {
            return Err(SaveError::IsAFolder(path.into()));
        }
        if path.file_name().is_none() {
            return Err(SaveError::NoName(path.into()));
        }
        check_name(path)?;
        let file =
            temporary(&folder_of(&target)).map_err(|error| SaveError::from_write(&error, path))?;
        Ok(Self {
            path: path.into(),
            target,
            writer: BufWriter::new(file),
        })
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// [`SaveError`]; then the path is as it was.
    pub fn finish(self) -> Result<(), SaveError> {
        self.persist(Existing::Replace)
    }

    fn persist(self, existing: Existing) -> Result<(), SaveError> {
        let from_write = |error: std::io::Error| SaveError::from_write(&error, &self.path);
        let file = self
            .writer
            .into_inner()
            .map_err(|error| from_write(error.into_error()))?;
        file.as_file().sync_all().map_err(from_write)?;
        let persisted = match existing {
            Existing::Replace => file.persist(&self.target),
            Existing::Keep => file.persist_noclobber(&self.target),
        };
        persisted.map(drop).map_err(|error| from_write(error.error))
    }

    /// Where it will be, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}

impl Seek for Pending {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.writer.seek(to)
    }
}

fn write(
    path: &Path,
    existing: Existing,
    content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), SaveError> {
    let from_write = |error: std::io::Error| SaveError::from_write(&error, path);
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(SaveError::IsAFolder(path.into())),
        Ok(_) if existing == Existing::Keep => return Err(SaveError::Exists(path.into())),
        // A device or a pipe can't be replaced, only written.
        Ok(metadata) if !metadata.is_file() => {
            let device = File::options().write(true).open(path).map_err(from_write)?;
            let mut device = BufWriter::new(device);
            return content(&mut device)
                .and_then(|()| device.flush())
                .map_err(from_write);
        }
        _ => {}
    }
    let mut file = Pending::new(path)?;
    content(&mut file).map_err(from_write)?;
    file.persist(existing)
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
