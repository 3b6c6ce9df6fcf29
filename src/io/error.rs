//! What can go wrong with a file, in one sentence each, the path last.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::doc::picture::MAX_SIDE;

/// Why a picture could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// There is no such file.
    #[error("there is no such file, check its name: {}", .0.display())]
    Missing(PathBuf),
    /// The path names a folder.
    #[error("this is a folder, name one picture in it: {}", .0.display())]
    Folder(PathBuf),
    /// The system would not give the bytes.
    #[error("the file can't be read ({0}): {path}", path = .1.display())]
    Read(String, PathBuf),
    /// The content is none of the known formats.
    #[error("{} is not a picture Inlay can read (PNG, JPEG, WebP, BMP, TIFF, GIF)", .0.display())]
    NotAPicture(PathBuf),
    /// A side is longer than [`MAX_SIDE`].
    #[error("the picture has {0}×{1} pixels and Inlay takes at most {MAX_SIDE} a side, make it smaller first: {path}", path = .2.display())]
    TooLarge(u32, u32, PathBuf),
    /// A side is zero.
    #[error("the picture has no pixels ({0}×{1}), choose another: {path}", path = .2.display())]
    Empty(u32, u32, PathBuf),
    /// Reading it would take more memory than a picture may.
    #[error("the picture needs too much memory to open, save it with 8 bits a channel or make it smaller first: {}", .0.display())]
    TooMuchMemory(PathBuf),
    /// The data ends early.
    #[error("the file ends before the picture does, copy or download it again: {}", .0.display())]
    Truncated(PathBuf),
    /// The data makes no sense.
    #[error("the picture is damaged ({0}), save it again in another program: {path}", path = .1.display())]
    Damaged(String, PathBuf),
    /// A variant of a known format that is not handled.
    #[error("this kind of picture is not supported ({0}), save it as PNG first: {path}", path = .1.display())]
    Unsupported(String, PathBuf),
}

impl PictureError {
    /// The error for a failed read of `path`.
    pub fn from_read(error: &std::io::Error, path: &Path) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::Missing(path.into()),
            ErrorKind::IsADirectory => Self::Folder(path.into()),
            _ => Self::Read(plain(error), path.into()),
        }
    }
}

/// Why a file could not be written. Whatever stood at the path before is still there.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The folder does not exist.
    #[error("the folder for the result does not exist, create it or choose another: {}", .0.display())]
    NoFolder(PathBuf),
    /// A part of the path that should be a folder is a file.
    #[error("a file stands where the folder for the result should be, choose another folder: {}", .0.display())]
    NotAFolder(PathBuf),
    /// The path names a folder, not a file.
    #[error("this is a folder, add a file name: {}", .0.display())]
    IsAFolder(PathBuf),
    /// The system does not allow it.
    #[error("this place can't be written, choose another or change its permissions: {}", .0.display())]
    NotWritable(PathBuf),
    /// No room.
    #[error("the disk is full, free some space or choose another folder: {}", .0.display())]
    Full(PathBuf),
    /// A file of this name exists and must not be replaced.
    #[error("a file of this name exists already, choose another name: {}", .0.display())]
    Exists(PathBuf),
    /// The file name is not one.
    #[error("this path has no file name, add one: {}", .0.display())]
    NoName(PathBuf),
    /// The system takes no name of that length.
    #[error("the name of the file is too long, choose a shorter one: {}", .0.display())]
    LongName(PathBuf),
    /// What reads a pipe went away, which is its right.
    #[error("the reader of the output is gone: {}", .0.display())]
    NoReader(PathBuf),
    /// The picture could not be encoded.
    #[error("the picture can't be encoded ({0}): {path}", path = .1.display())]
    Encode(String, PathBuf),
    /// Anything else the system says.
    #[error("the file can't be written ({0}): {path}", path = .1.display())]
    Write(String, PathBuf),
}

impl SaveError {
    /// The error for a failed write to `path`.
    pub fn from_write(error: &std::io::Error, path: &Path) -> Self {
        let folder = || {
            path.parent()
                .filter(|parent| !parent.as_os_str().is_empty())
                .unwrap_or(Path::new("."))
                .to_path_buf()
        };
        match error.kind() {
            ErrorKind::NotFound => Self::NoFolder(folder()),
            ErrorKind::NotADirectory => Self::NotAFolder(folder()),
            ErrorKind::IsADirectory => Self::IsAFolder(path.into()),
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Self::NotWritable(path.into())
            }
            // A limit on the size of files or on the user's share of the disk ends the same way for
            // the artist as a disk without room.
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::Full(path.into())
            }
            ErrorKind::AlreadyExists => Self::Exists(path.into()),
            ErrorKind::InvalidFilename => Self::LongName(path.into()),
            ErrorKind::BrokenPipe => Self::NoReader(path.into()),
            _ => Self::Write(plain(error), path.into()),
        }
    }

    /// The error for a file that could not be made in `folder`, whatever its name.
    pub fn in_folder(error: &std::io::Error, folder: &Path) -> Self {
        match Self::from_write(error, &folder.join("result.png")) {
            Self::NotWritable(_) => Self::NotWritable(folder.into()),
            Self::Full(_) => Self::Full(folder.into()),
            Self::LongName(_) => Self::LongName(folder.into()),
            Self::Write(why, _) => Self::Write(why, folder.into()),
            other => other,
        }
    }
}

/// The system's message without "(os error 5)".
pub fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}
