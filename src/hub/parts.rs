//! Parts of FLUX.2 [klein] that lie apart: which the user has, and which a transformer lacks.

use std::path::{Path, PathBuf};

use super::catalogue::{KNOWN, TEXT_4B, TEXT_8B, TOKENIZER, VAE};
use super::error::{HubError, Missing};
use super::inspect::part;
use super::message::SMALL_DECODER;
use super::registry::{Entry, Registry, Source};
use crate::model::flux2::{Files, Header, Part, context_width, is_base, text_width};

/// The tokenizer's file.
pub(super) const TOKENIZER_FILE: &str = "tokenizer.json";
/// What a diffusers folder begins with.
pub(super) const INDEX: &str = "model_index.json";
/// Columns of the texts that klein 9B takes: three taps of Qwen3-8B.
const CONTEXT_9B: usize = 3 * 4096;
/// Shards that a file has at most.
const MOST_SHARDS: usize = 99;

/// A part in one file or in shards.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub part: Part,
    /// The width of its texts, if it is a text encoder.
    width: Option<usize>,
    pub files: Vec<PathBuf>,
}

/// Parts of models, those to be taken first at the beginning.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool {
    pieces: Vec<Piece>,
    pub tokenizers: Vec<PathBuf>,
}

impl Pool {
    /// What the user's own models are made of: parts that were got alone first, and the small decoder last. What a
    /// model only has links to comes with the model that it belongs to.
    pub fn of(registry: &Registry, data: &Path) -> Self {
        let mut ranked: Vec<(u8, Self)> = Vec::new();
        for entry in &registry.models {
            let pool = Self::of_entry(entry, data);
            let rank = if entry.name.eq_ignore_ascii_case(SMALL_DECODER) {
                2
            } else {
                u8::from(pool.has(Part::Transformer))
            };
            ranked.push((rank, pool));
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        let mut all = Self::default();
        for (_, pool) in ranked {
            all.extend(pool);
        }
        all
    }

    /// The parts of one model as far as they are whole.
    pub fn of_entry(entry: &Entry, data: &Path) -> Self {
        let place = data.join(&entry.path);
        let mut pool = Self::default();
        match &entry.source {
            Source::Downloaded { files, .. } => {
                for file in files {
                    pool.add(&place.join(&file.path));
                }
            }
            Source::Added { .. } => {
                if let Ok(files) = Files::find(&place) {
                    let paths = [&files.transformer, &files.vae, &files.text];
                    for path in paths.into_iter().flatten() {
                        pool.add(path);
                    }
                    pool.add(&files.tokenizer);
                }
            }
        }
        pool
    }

    /// Adds a file, if it is a part or a tokenizer; a first shard stands for all.
    pub fn add(&mut self, path: &Path) {
        if path.file_name().is_some_and(|name| name == TOKENIZER_FILE) && path.is_file() {
            self.tokenizers.push(path.to_owned());
        }
        if is_weights(path)
            && let Some(files) = shards(path)
            && let Ok(Some((part, header))) = part(path)
        {
            let width = text_width(&header).filter(|_| part == Part::TextEncoder);
            self.pieces.push(Piece { part, width, files });
        }
    }

    /// What another has comes after what is there.
    pub fn extend(&mut self, other: Self) {
        self.pieces.extend(other.pieces);
        self.tokenizers.extend(other.tokenizers);
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.tokenizers.is_empty()
    }

    pub fn has(&self, part: Part) -> bool {
        self.pieces.iter().any(|piece| piece.part == part)
    }

    /// The files of the first piece of a kind.
    pub fn first(&self, part: Part) -> Option<&[PathBuf]> {
        let found = self.pieces.iter().find(|piece| piece.part == part);
        found.map(|piece| &piece.files[..])
    }

    /// The files of the first text encoder whose three taps have so many columns.
    fn text(&self, columns: Option<usize>) -> Option<&[PathBuf]> {
        let fits = |piece: &&Piece| {
            piece.part == Part::TextEncoder && piece.width.map(|width| width * 3) == columns
        };
        self.pieces.iter().find(fits).map(|piece| &piece.files[..])
    }

    /// In words what is here, without a model around it.
    pub fn words(&self) -> String {
        let mut words: Vec<&str> = Vec::new();
        for piece in &self.pieces {
            words.push(piece.part.words().trim_start_matches("the "));
        }
        if !self.tokenizers.is_empty() {
            words.push("tokenizer");
        }
        words.dedup();
        words.join(", ")
    }

    /// A whole model of a transformer's files and what belongs to it here; `names` are all that may say whether it is
    /// klein base, which has the same shapes.
    ///
    /// # Errors
    /// If parts are missing; the sentence says which, and what gets them.
    pub fn complete(
        &self,
        transformer: &[PathBuf],
        header: &Header,
        names: &str,
    ) -> Result<Files, HubError> {
        let columns = context_width(header);
        let (vae, text) = (self.first(Part::Vae), self.text(columns));
        let tokenizer = self.tokenizers.first();
        let (Some(vae), Some(text), Some(tokenizer)) = (vae, text, tokenizer) else {
            let text_name = match columns {
                Some(CONTEXT_9B) => TEXT_8B,
                _ => TEXT_4B,
            };
            let all = [
                (vae.is_some(), Part::Vae.words(), VAE),
                (text.is_some(), Part::TextEncoder.words(), text_name),
                (tokenizer.is_some(), "the tokenizer", TOKENIZER),
            ];
            return Err(HubError::Parts {
                file: header.name(),
                missing: Missing(
                    all.into_iter()
                        .filter(|(here, ..)| !here)
                        .map(|(_, words, name)| (words, name))
                        .collect(),
                ),
            });
        };
        Ok(Files {
            transformer: transformer.to_vec(),
            vae: vae.to_vec(),
            text: text.to_vec(),
            tokenizer: tokenizer.clone(),
            distilled: !is_base(names),
        })
    }
}

/// What a downloaded model is, if it is no diffusers folder but has a transformer's file: its parts.
pub(super) fn lone_transformer(entry: &Entry, data: &Path) -> Option<Pool> {
    let Source::Downloaded { files, .. } = &entry.source else {
        return None;
    };
    if files.iter().any(|file| file.path == INDEX) {
        return None;
    }
    Some(Pool::of_entry(entry, data)).filter(|pool| pool.has(Part::Transformer))
}

/// Whether a path is that of a file of weights.
pub(super) fn is_weights(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("safetensors" | "gguf"))
}

/// All files of the weights that begin in this one: `NAME-00001-of-00002.safetensors` and those that follow it.
/// `None` for later ones, and if some are not there.
pub(super) fn shards(path: &Path) -> Option<Vec<PathBuf>> {
    let numbers = |stem: &str| {
        let (rest, count) = stem.rsplit_once("-of-")?;
        let (name, number) = rest.rsplit_once('-')?;
        let whole = number.len() == count.len();
        let number: usize = number.parse().ok().filter(|_| whole)?;
        Some((name.to_owned(), number, count.to_owned()))
    };
    let stem = path.file_stem()?.to_string_lossy().into_owned();
    let ending = path.extension()?.to_string_lossy().into_owned();
    let numbered = numbers(&stem).and_then(|(name, number, count)| {
        let all: usize = count.parse().ok()?;
        Some((name, number, all, count.clone()))
    });
    let Some((name, number, all, count)) = numbered else {
        return path.is_file().then(|| vec![path.to_owned()]);
    };
    if number != 1 || !(1..=MOST_SHARDS).contains(&all) {
        return None;
    }
    let digits = count.len();
    let paths =
        (1..=all).map(|n| path.with_file_name(format!("{name}-{n:0digits$}-of-{count}.{ending}")));
    let paths: Vec<PathBuf> = paths.collect();
    paths.iter().all(|path| path.is_file()).then_some(paths)
}

/// The repositories whose tokenizer is Qwen3's, and where it is in them.
pub(super) fn with_tokenizer() -> impl Iterator<Item = (&'static str, &'static str)> {
    let known = KNOWN.iter().filter(|known| known.files.is_empty());
    known
        .map(|known| (known.repo, "tokenizer/tokenizer.json"))
        .chain([
            ("Qwen/Qwen3-4B", TOKENIZER_FILE),
            ("Qwen/Qwen3-8B", TOKENIZER_FILE),
        ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_shard_stands_for_all_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, b"x").unwrap();
            path
        };
        let whole = put("a-of-b.gguf");
        assert_eq!(shards(&whole), Some(vec![whole.clone()]));
        let first = put("m-00001-of-00002.safetensors");
        assert_eq!(shards(&first), None, "the second is not there");
        let second = put("m-00002-of-00002.safetensors");
        assert_eq!(shards(&first), Some(vec![first, second.clone()]));
        assert_eq!(shards(&second), None);
        assert_eq!(shards(&folder.path().join("none.gguf")), None);
    }
}
