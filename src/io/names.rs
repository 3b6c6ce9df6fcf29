//! Names of result files: `{document}-{timestamp}-{seed}-RES{n}.png` in a folder named by the date.

use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use serde::{Serialize, Serializer};

use super::error::SaveError;
use super::save;

/// The longest part of a document's name that is kept, in bytes: file systems count those, mostly to 255, and time,
/// seed and numbers follow.
const MAX_DOCUMENT: usize = 150;

/// The name of a result, without its folder. `n` counts from 1.
pub fn result_name(document: &str, when: DateTime, seed: u64, n: u32) -> String {
    let document = file_safe(document);
    let stamp = when.strftime("%Y%m%d-%H%M%S");
    format!("{document}-{stamp}-{seed}-RES{n}.png")
}

/// The folder of a day's results: `{root}/2026-11-22`.
pub fn dated_folder(root: &Path, when: DateTime) -> PathBuf {
    root.join(when.strftime("%Y-%m-%d").to_string())
}

/// Writes a path that is only shown into JSON, which has no way to write what is no text: that becomes U+FFFD.
///
/// # Errors
/// The serialiser's own.
pub fn shown<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    path.to_string_lossy().serialize(to)
}

/// Writes `bytes` into `folder` under `name`, or under the first of `name-2`, `name-3`, … that is free;
/// never over another file. Gives the path.
///
/// # Errors
/// [`SaveError`], a sentence with the path last.
pub fn save_new(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, SaveError> {
    let path = folder.join(name);
    let stem = stem_of(&path);
    let extension = path
        .extension()
        .map(|extension| format!(".{}", extension.to_string_lossy()))
        .unwrap_or_default();
    let mut attempt = path.clone();
    for number in 2..10_000 {
        match save::create(&attempt, bytes) {
            Err(SaveError::Exists(_)) => {
                attempt = folder.join(format!("{stem}-{number}{extension}"));
            }
            Err(error) => return Err(error),
            Ok(()) => return Ok(attempt),
        }
    }
    Err(SaveError::Exists(path))
}

/// `FILE-{n}.png` beside `FILE.png`. `n` counts from 1.
pub fn numbered(path: &Path, n: u32) -> PathBuf {
    let extension = path
        .extension()
        .map(|extension| format!(".{}", extension.to_string_lossy()))
        .unwrap_or_default();
    path.with_file_name(format!("{}-{n}{extension}", stem_of(path)))
}

/// Whether a PNG may be written under this name: one that ends so, or a device, which takes what it is given.
pub fn takes_png(path: &Path) -> bool {
    let named = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    let device =
        || std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
    named || device()
}

/// The document's name that a file suggests: its name without extension.
pub fn stem_of(path: &Path) -> String {
    path.file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// A document's name as it may stand in a file name on every system; "untitled" if nothing is left.
pub fn file_safe(name: &str) -> String {
    let kept: String = name[..name.floor_char_boundary(MAX_DOCUMENT)]
        .chars()
        .map(|c| match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            // Some of these take two bytes, and none gets longer.
            c if c.is_control() => '_',
            c => c,
        })
        .collect();
    let kept = kept.trim_matches(|c: char| c == '.' || c.is_whitespace());
    if kept.is_empty() {
        "untitled".to_string()
    } else {
        kept.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime {
        jiff::civil::date(2026, 11, 22).at(12, 5, 9, 0)
    }

    #[test]
    fn a_result_is_named_by_document_time_seed_and_number() {
        assert_eq!(
            result_name("coffee", noon(), 42, 3),
            "coffee-20261122-120509-42-RES3.png"
        );
        assert_eq!(
            dated_folder(Path::new("results"), noon()),
            Path::new("results/2026-11-22")
        );
    }

    #[test]
    fn names_are_safe_on_every_system() {
        assert_eq!(file_safe("a/b:c*?"), "a_b_c__");
        assert_eq!(file_safe("  .. "), "untitled");
        assert_eq!(file_safe(""), "untitled");
        assert_eq!(file_safe("Größe 3"), "Größe 3");
        assert_eq!(file_safe(&"x".repeat(500)).len(), MAX_DOCUMENT);
    }

    #[test]
    fn long_names_are_cut_between_characters_and_can_be_written() {
        // Four bytes each: 60 of them would be 240, and with time and seed no file system would take them.
        assert_eq!(file_safe(&"🦆".repeat(60)), "🦆".repeat(37));
        assert_eq!(file_safe(&format!("x{}", "ß".repeat(80))).len(), 149);
        let folder = tempfile::tempdir().expect("a folder");
        let name = result_name(&"🦆".repeat(60), noon(), u64::MAX, 32);
        let path = save_new(folder.path(), &name, b"a").expect("saved");
        assert_eq!(path, folder.path().join(&name));
        let again = save_new(folder.path(), &name, b"b").expect("saved");
        assert_eq!(std::fs::read(again).expect("read"), b"b");
    }

    #[test]
    fn only_pngs_and_devices_take_a_png() {
        for (name, fits) in [
            ("a.png", true),
            ("b/a.PNG", true),
            ("a.jpg", false),
            ("a", false),
            ("-", false),
        ] {
            assert_eq!(takes_png(Path::new(name)), fits, "{name}");
        }
        #[cfg(unix)]
        assert!(takes_png(Path::new("/dev/null")));
    }

    #[test]
    fn a_taken_name_gets_a_number() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut names = Vec::new();
        for content in [b"a", b"b", b"c"] {
            let path = save_new(folder.path(), "x.png", content).expect("saved");
            assert_eq!(std::fs::read(&path).expect("read"), content);
            names.push(
                path.file_name()
                    .expect("name")
                    .to_string_lossy()
                    .into_owned(),
            );
        }
        assert_eq!(names, ["x.png", "x-2.png", "x-3.png"]);
    }

    #[test]
    fn outputs_are_numbered_before_the_extension() {
        assert_eq!(numbered(Path::new("a/b.png"), 2), Path::new("a/b-2.png"));
        assert_eq!(numbered(Path::new("b"), 1), Path::new("b-1"));
    }
}
