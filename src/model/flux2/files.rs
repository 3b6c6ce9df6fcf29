//! Finding a model's files: a diffusers folder, or single files beside each other as ComfyUI keeps them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::detect::{Part, context_width, detect, text_width};
use super::header::{Header, name_of, unreadable};
use crate::model::error::{ModelError, Result};

/// What a diffusers folder begins with.
const INDEX: &str = "model_index.json";
const TOKENIZER: &str = "tokenizer.json";
/// Bytes of each tensor that go into the fingerprint.
const SAMPLE: usize = 4096;

/// The files of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The transformer: one file, or shards.
    pub transformer: Vec<PathBuf>,
    /// The autoencoder.
    pub vae: Vec<PathBuf>,
    /// The text encoder.
    pub text: Vec<PathBuf>,
    /// The text encoder's tokenizer.json.
    pub tokenizer: PathBuf,
    /// Whether the model was distilled to few steps without guidance (klein) or not (klein-base).
    pub distilled: bool,
}

/// Whether a path is meant as a FLUX.2 [klein]: a weight file, a diffusers folder, or a folder of weight files
/// without a config.json of our own.
pub fn is_flux2(path: &Path) -> bool {
    path.is_file()
        || path.join(INDEX).is_file()
        || !path.join(crate::model::CONFIG_FILE).is_file() && !weights_in(path).is_empty()
}

impl Files {
    /// Finds all files of the model in a folder, or those that belong to a transformer's file.
    ///
    /// # Errors
    /// If a part is missing or in a form that cannot be loaded; the sentence says what to get and where to put it.
    pub fn find(path: &Path) -> Result<Self> {
        if path.join(INDEX).is_file() {
            return diffusers(path);
        }
        if path.is_file() {
            let header = Header::read(path)?;
            return match detect(&header)? {
                Some(found) if found.part == Part::Transformer => beside(path),
                Some(found) => Err(ModelError::Format(format!(
                    "{} is {} alone: choose the transformer's file, the rest is found beside it",
                    header.name(),
                    found.part.words()
                ))),
                None => Err(ModelError::Format(format!(
                    "{} is no FLUX.2 [klein]: choose a file or a folder with its transformer",
                    header.name()
                ))),
            };
        }
        let mut refusal = None;
        for file in weights_in(path) {
            match Header::read(&file).and_then(|header| detect(&header)) {
                Ok(Some(found)) if found.part == Part::Transformer => return beside(&file),
                Ok(_) => {}
                Err(error) => refusal = Some(error),
            }
        }
        Err(refusal.unwrap_or_else(|| {
            ModelError::Format(format!(
                "there is no model in {}: choose a folder with a complete model",
                path.display()
            ))
        }))
    }

    /// The same with another autoencoder: a file, a folder in which it is the only one, or another model's folder.
    ///
    /// # Errors
    /// If there is none, or it is something else.
    pub fn with_vae(self, path: &Path) -> Result<Self> {
        // A whole model keeps it in a folder of its own.
        let within = path.join("vae");
        let found = match path.is_dir() {
            true if within.is_dir() => weights_in(&within),
            true => weights_in(path),
            false => vec![path.to_owned()],
        };
        let [file] = &found[..] else {
            return Err(ModelError::Format(format!(
                "there must be one autoencoder, and {} weight files are in {}: choose the file",
                found.len(),
                path.display()
            )));
        };
        let header = Header::read(file)?;
        match detect(&header)? {
            Some(found) if found.part == Part::Vae => Ok(Self {
                vae: vec![file.clone()],
                ..self
            }),
            found => Err(ModelError::Format(format!(
                "{} is {}, not an autoencoder of FLUX.2: choose flux2-vae.safetensors or the small decoder",
                header.name(),
                found.map_or("something else", |found| found.part.words())
            ))),
        }
    }

    /// A fingerprint of the weights, hexadecimal: BLAKE3 over all names, shapes and types, the first bytes of every
    /// tensor and the tokenizer. Reading all 16 GB would take longer than loading them.
    ///
    /// # Errors
    /// As [`Header::read`] of each file, and if the tokenizer cannot be read.
    pub fn fingerprint(&self) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        for path in self.transformer.iter().chain(&self.vae).chain(&self.text) {
            let header = Header::read(path)?;
            let failed = |e: std::io::Error| unreadable(path, &e.to_string());
            let mut file = File::open(path).map_err(failed)?;
            let mut sample = [0u8; SAMPLE];
            for (name, entry) in &header.entries {
                let line = format!(
                    "{name} {:?} {} {}\n",
                    entry.shape, entry.stored, entry.bytes
                );
                hasher.update(line.as_bytes());
                let count = SAMPLE.min(entry.bytes as usize);
                file.seek(SeekFrom::Start(entry.offset))
                    .and_then(|_| file.read_exact(&mut sample[..count]))
                    .map_err(failed)?;
                hasher.update(&sample[..count]);
            }
        }
        let tokenizer = std::fs::read(&self.tokenizer)
            .map_err(|e| unreadable(&self.tokenizer, &e.to_string()))?;
        hasher.update(&tokenizer);
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// Parameters in all files.
    ///
    /// # Errors
    /// As [`Header::read`] of each file.
    pub fn parameters(&self) -> Result<u64> {
        let mut sum = 0;
        for path in self.transformer.iter().chain(&self.vae).chain(&self.text) {
            let header = Header::read(path)?;
            let counts = header.entries.values().map(|entry| {
                let count: usize = entry.shape.iter().product();
                count as u64
            });
            sum += counts.sum::<u64>();
        }
        Ok(sum)
    }

    /// Bytes of the files of a part.
    pub fn bytes(&self, part: Part) -> u64 {
        let paths = match part {
            Part::Transformer => &self.transformer,
            Part::Vae => &self.vae,
            Part::TextEncoder => &self.text,
        };
        paths
            .iter()
            .filter_map(|path| std::fs::metadata(path).ok())
            .map(|data| data.len())
            .sum()
    }
}

/// Whether a file's or folder's name, without its ending, is that of klein-base: it has the same shapes as klein and
/// says so by a word only.
pub fn is_base(name: &str) -> bool {
    name.split(|c: char| !c.is_alphanumeric())
        .any(|word| word.eq_ignore_ascii_case("base"))
}

fn diffusers(folder: &Path) -> Result<Files> {
    let path = folder.join(INDEX);
    let bytes = std::fs::read(&path).map_err(|e| unreadable(&path, &e.to_string()))?;
    let index: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|e| super::header::damaged(&path, e.to_string()))?;
    let class = index["_class_name"].as_str().unwrap_or("");
    if !class.starts_with("Flux2Klein") {
        return Err(ModelError::Format(format!(
            "{} holds a model of the kind {class:?}, which this program does not run: get FLUX.2 [klein] 4B",
            folder.display()
        )));
    }
    Ok(Files {
        transformer: shards(&folder.join("transformer"), Part::Transformer)?,
        vae: shards(&folder.join("vae"), Part::Vae)?,
        text: shards(&folder.join("text_encoder"), Part::TextEncoder)?,
        tokenizer: folder.join("tokenizer").join(TOKENIZER),
        distilled: index["is_distilled"]
            .as_bool()
            .unwrap_or_else(|| !is_base(&name_of(folder))),
    })
}

/// The lists of shards in a folder, sorted.
fn indices(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| name_of(path).ends_with(".safetensors.index.json"))
        .collect();
    found.sort();
    found
}

/// The shards that a list of a folder names.
fn indexed(folder: &Path, index: &Path) -> Result<Vec<PathBuf>> {
    let bytes = std::fs::read(index).map_err(|e| unreadable(index, &e.to_string()))?;
    let list: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|e| super::header::damaged(index, e.to_string()))?;
    let mut names: Vec<&str> = list["weight_map"]
        .as_object()
        .into_iter()
        .flat_map(|map| map.values())
        .filter_map(|name| name.as_str())
        // Only files of the folder itself.
        .filter(|name| !name.contains(['/', '\\']))
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Err(super::header::damaged(index, "it names no files"));
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// The weight files of a component: those that its index names, or all there are.
fn shards(folder: &Path, part: Part) -> Result<Vec<PathBuf>> {
    let missing = || {
        ModelError::Format(format!(
            "{} is missing, there are no weights in {}: download the model again, complete",
            part.words(),
            folder.display()
        ))
    };
    if let Some(index) = indices(folder).first() {
        return indexed(folder, index);
    }
    let found = weights_in(folder);
    if !found.is_empty() {
        return Ok(found);
    }
    let pickled = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            let extension = path.extension().and_then(|e| e.to_str());
            matches!(extension, Some("bin" | "pt" | "pth" | "ckpt"))
        });
    match pickled {
        Some(path) => Header::read(&path).and(Err(missing())),
        None => Err(missing()),
    }
}

/// The weight files of a folder, sorted.
fn weights_in(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let extension = path.extension().and_then(|e| e.to_str());
            matches!(extension, Some("safetensors" | "gguf"))
        })
        .collect();
    found.sort();
    found
}

/// Where the other parts of a single file may be: beside it, below it, or in ComfyUI's folders next to its own.
fn neighbours(file: &Path) -> Vec<PathBuf> {
    let here = file.parent().unwrap_or(Path::new("")).to_owned();
    let names = ["vae", "text_encoder", "text_encoders", "clip", "tokenizer"];
    let mut folders = vec![here.clone()];
    folders.extend(names.iter().map(|name| here.join(name)));
    if let Some(above) = here.parent() {
        folders.extend(names.iter().map(|name| above.join(name)));
        // Folders within ComfyUI's, such as diffusion_models/flux2/.
        if let Some(above) = above.parent() {
            folders.extend(names.iter().map(|name| above.join(name)));
        }
    }
    folders
}

fn beside(transformer: &Path) -> Result<Files> {
    let folders = neighbours(transformer);
    let context = context_width(&Header::read(transformer)?);
    let part = |wanted: Part, example: &str| -> Result<Vec<PathBuf>> {
        let (mut refusal, mut other) = (None, None);
        for folder in &folders {
            for path in weights_in(folder) {
                let header = Header::read(&path);
                match header.and_then(|header| Ok((detect(&header)?, header))) {
                    Ok((Some(found), header)) if found.part == wanted => {
                        let width = text_width(&header).map(|width| 3 * width);
                        if wanted != Part::TextEncoder || width == context {
                            // As one file, or as the first of those that the folder's index names.
                            let lists = indices(folder).into_iter();
                            let lists = lists.filter_map(|index| indexed(folder, &index).ok());
                            let all = lists.into_iter().find(|files| files.contains(&path));
                            return Ok(all.unwrap_or_else(|| vec![path]));
                        }
                        other.get_or_insert(path);
                    }
                    Err(error @ ModelError::Format(_)) => refusal = Some(error),
                    _ => {}
                }
            }
        }
        // One that does not belong to it is refused later, by its name.
        if let Some(path) = other {
            return Ok(vec![path]);
        }
        Err(refusal.unwrap_or_else(|| {
            ModelError::Format(format!(
                "{} was not found beside {}: put {example} into the same folder",
                wanted.words(),
                name_of(transformer)
            ))
        }))
    };
    let vae = part(Part::Vae, "flux2-vae.safetensors")?;
    let text = part(Part::TextEncoder, "qwen_3_4b.safetensors")?;
    let tokenizer = folders
        .iter()
        .map(|folder| folder.join(TOKENIZER))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            ModelError::Format(format!(
                "the tokenizer was not found beside {}: put tokenizer.json of Qwen3-4B into the same folder",
                name_of(transformer)
            ))
        })?;
    Ok(Files {
        transformer: vec![transformer.to_owned()],
        vae,
        text,
        tokenizer,
        distilled: !is_base(
            &transformer
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy(),
        ),
    })
}
