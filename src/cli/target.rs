//! Where results go: told from the options, and found to be writable before minutes are spent.

use std::path::{Path, PathBuf};

use super::args::RunArgs;
use super::error::CliError;
use crate::io::{names, save};

/// Where results go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To this file, or to it with numbers if there are several.
    File(PathBuf),
    /// Into this folder, under names made of document, time and seed.
    Folder(PathBuf),
}

impl Target {
    /// Whether `--out` is a file or a folder: what is a folder, ends as one, or has no extension, is one.
    ///
    /// # Errors
    /// A usage error for an extension that is no picture's, and for `-`.
    pub fn of(out: &Path, is_folder: bool) -> Result<Self, CliError> {
        let text = out.to_string_lossy();
        refuse_dash(out)?;
        if is_folder || text.ends_with(['/', std::path::MAIN_SEPARATOR]) {
            return Ok(Self::Folder(out.into()));
        }
        let extension = out
            .extension()
            .map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            // A device has no extension, and takes a PNG.
            None if names::takes_png(out) => Ok(Self::File(out.into())),
            None => Ok(Self::Folder(out.into())),
            Some("png" | "jpg" | "jpeg") => Ok(Self::File(out.into())),
            Some(_) => Err(CliError::Usage(format!(
                "results are PNG or JPEG files, let --out end in .png or .jpg, or name a folder: {text}"
            ))),
        }
    }

    /// Whether results are JPEG files.
    pub fn is_jpeg(&self) -> bool {
        matches!(self, Self::File(file) if !names::takes_png(file))
    }

    /// The file of the n-th of `count` results, if they have names before they are made.
    pub fn file(&self, n: u32, count: u32) -> Option<PathBuf> {
        match self {
            Self::File(file) if count == 1 => Some(file.clone()),
            Self::File(file) => Some(names::numbered(file, n)),
            Self::Folder(_) => None,
        }
    }

    /// Finds out whether `count` results can be written, and makes the folders.
    ///
    /// # Errors
    /// A failure for a place that can't be written, or a name that the system does not take.
    pub fn prepare(&self, args: &RunArgs, count: u32) -> Result<(), CliError> {
        match self {
            Self::File(file) => {
                // The last number is the longest.
                let last = self.file(count, count);
                save::check_file(last.as_deref().unwrap_or(file))?;
            }
            Self::Folder(folder) => {
                save::make_folder(folder)?;
                save::check_folder(folder)?;
            }
        }
        if let Some(previews) = &args.previews {
            save::make_folder(previews)?;
            save::check_folder(previews)?;
        }
        Ok(())
    }

    /// No result may take the place of a picture it is made from.
    ///
    /// # Errors
    /// A usage error that names the file.
    pub fn refuse_to_replace(&self, count: u32, protected: &[PathBuf]) -> Result<(), CliError> {
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        for result in (1..=count).filter_map(|n| self.file(n, count)) {
            let taken = real(&result).is_some_and(|result| {
                protected
                    .iter()
                    .any(|path| real(path).as_ref() == Some(&result))
            });
            if taken {
                return Err(CliError::Usage(format!(
                    "the result would replace a picture it is made from, choose another --out: {}",
                    result.display()
                )));
            }
        }
        Ok(())
    }
}

/// A hyphen is a name like others to the system, and hardly ever meant as one.
///
/// # Errors
/// A usage error that says what to name instead.
pub fn refuse_dash(out: &Path) -> Result<(), CliError> {
    if out == Path::new("-") {
        return Err(CliError::usage(
            "results do not go to standard output, name a file or a folder with --out",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_told_apart() {
        let of = |text: &str, is_folder| Target::of(Path::new(text), is_folder).ok();
        let file = |text: &str| Some(Target::File(text.into()));
        let folder = |text: &str| Some(Target::Folder(text.into()));
        assert_eq!(of("a.png", false), file("a.png"));
        assert_eq!(of("a/b.JPG", false), file("a/b.JPG"));
        assert_eq!(of("a.png", true), folder("a.png"));
        assert_eq!(of("out/", false), folder("out/"));
        assert_eq!(of("out", false), folder("out"));
        assert_eq!(of("out.webp", false), None);
        assert_eq!(of("-", false), None);
    }

    #[test]
    fn several_results_are_numbered_and_never_replace_their_inputs() {
        let folder = tempfile::tempdir().expect("a folder");
        let input = folder.path().join("a-2.png");
        std::fs::write(&input, b"x").expect("written");
        let target = Target::File(folder.path().join("a.png"));
        let protected = vec![input];
        assert!(target.refuse_to_replace(1, &protected).is_ok());
        assert!(matches!(
            target.refuse_to_replace(2, &protected),
            Err(CliError::Usage(_))
        ));
    }

    #[test]
    fn names_are_tried_with_their_numbers() {
        let folder = tempfile::tempdir().expect("a folder");
        // 255 bytes are the most that the usual file systems take.
        let name = format!("{}.png", "x".repeat(250));
        let target = Target::File(folder.path().join(name));
        let args = RunArgs::default();
        assert!(target.prepare(&args, 1).is_ok());
        let Err(CliError::Failure(sentence)) = target.prepare(&args, 2) else {
            panic!("a name of 256 bytes is taken");
        };
        let start = "the name of the file is too long, choose a shorter one: ";
        assert!(sentence.starts_with(start), "{sentence}");
    }
}
