//! What a file or folder is, told by headers alone; its size, and the memory it takes.

use std::path::{Path, PathBuf};

use super::catalogue::{Licence, NON_COMMERCIAL};
use super::error::Result;
use super::message::{FLUX2, Memory};
use crate::model::flux2::{
    Estimate, Files, Header, MemoryOf, Part, context_width, detect, text_width, transformer_width,
};
use crate::model::{CONFIG_FILE, ModelError, Source};

/// Widths of the transformer by which the two sizes are told.
const WIDTHS: [(usize, &str); 2] = [(3072, " 4B"), (4096, " 9B")];

/// What a model is.
#[derive(Clone, Debug)]
pub(super) struct Inspected {
    /// Family, size, how its weights are stored.
    pub kind: String,
    /// All its files.
    pub files: Vec<PathBuf>,
    /// Bytes of them.
    pub bytes: u64,
    /// Memory on the processor.
    pub memory: Option<Memory>,
    /// The licence, where the shapes alone tell it.
    pub licence: Option<Licence>,
}

/// Looks at a model's headers.
///
/// # Errors
/// If it is none, or one that can't be loaded; the sentence says what to get instead.
pub(super) fn inspect(path: &Path) -> Result<Inspected> {
    if path.join(CONFIG_FILE).is_file() && !crate::model::flux2::is_flux2(path) {
        return unireal(path);
    }
    let files = Files::find(path)?;
    flux2(&files)
}

/// A folder of the built-in model's family.
fn unireal(folder: &Path) -> Result<Inspected> {
    let source = Source::Folder(folder.to_owned());
    let names = source.files()?;
    let files: Vec<PathBuf> = names.iter().map(|file| folder.join(file)).collect();
    let mut bytes = 0;
    for (name, path) in names.iter().zip(&files) {
        let length = std::fs::metadata(path).map_err(|error| ModelError::File {
            file: (*name).to_owned(),
            reason: crate::io::error::plain(&error),
        })?;
        bytes += length.len();
    }
    Ok(Inspected {
        kind: "unireal".to_owned(),
        files,
        bytes,
        memory: None,
        licence: None,
    })
}

/// All parts of a FLUX.2 [klein].
pub(super) fn flux2(files: &Files) -> Result<Inspected> {
    if let Some(wrong) = mismatch(files)? {
        return Err(wrong.into());
    }
    let Some(first) = files.transformer.first() else {
        return Err(ModelError::Format("the transformer is missing".to_owned()).into());
    };
    let header = Header::read(first)?;
    let stored = detect(&header)?.map_or("", |found| found.element.name());
    let width = WIDTHS
        .iter()
        .find(|(width, _)| Some(*width) == transformer_width(&header));
    let size = width.map_or("", |(_, size)| size);
    let base = if files.distilled { "" } else { " base" };
    let place = MemoryOf::usual();
    let estimate = Estimate::of(files, place)?;
    let mut all = vec![files.tokenizer.clone()];
    all.extend(
        files
            .transformer
            .iter()
            .chain(&files.vae)
            .chain(&files.text)
            .cloned(),
    );
    let bytes = all.iter().filter_map(|path| std::fs::metadata(path).ok());
    Ok(Inspected {
        kind: format!("{FLUX2}{base}{size}, {stored}"),
        bytes: bytes.map(|data| data.len()).sum(),
        files: all,
        memory: Some(Memory::of(&estimate, place)),
        licence: (size == " 9B").then_some(NON_COMMERCIAL),
    })
}

/// What a part is that can't belong to the transformer: the text's width is three taps of the text encoder.
pub(super) fn mismatch(files: &Files) -> Result<Option<ModelError>> {
    let mut text = None;
    for path in &files.text {
        text = text.or(text_width(&Header::read(path)?));
    }
    let mut wanted = None;
    for path in &files.transformer {
        wanted = wanted.or(context_width(&Header::read(path)?));
    }
    let wrong = matches!((text, wanted), (Some(text), Some(wanted)) if text * 3 != wanted);
    Ok(wrong.then(|| {
        let name = |paths: &[PathBuf]| {
            let name = paths.first().and_then(|path| path.file_name());
            name.unwrap_or_default().to_string_lossy().into_owned()
        };
        ModelError::Format(format!(
            "the text encoder {} does not belong to {}: the 4B model needs Qwen3-4B, the 9B model Qwen3-8B",
            name(&files.text),
            name(&files.transformer)
        ))
    }))
}

/// Which part of a model a file is; `None` if it is none.
pub(super) fn part(path: &Path) -> Result<Option<(Part, Header)>> {
    let header = Header::read(path)?;
    Ok(detect(&header)?.map(|found| (found.part, header)))
}
