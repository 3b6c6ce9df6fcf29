//! Reading a model: from a folder or from bytes in the program, with every tensor checked.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{Device, Tensor};
use safetensors::{Dtype, SafeTensors};

use super::config::Config;
use super::error::{ModelError, Result, plain};
use super::ops::Kernels;
use super::spec::{self, TensorSpec};

/// The configuration's file name.
pub const CONFIG_FILE: &str = "config.json";
/// The tokenizer's file name.
pub const TOKENIZER_FILE: &str = "tokenizer.json";
/// The autoencoder's file name.
pub const AUTOENCODER_FILE: &str = "autoencoder.safetensors";
/// The text encoder's file name.
pub const TEXT_FILE: &str = "text.safetensors";
/// The transformer's file name.
pub const TRANSFORMER_FILE: &str = "transformer.safetensors";

/// The light model's file name; for models that have one.
pub const LIGHT_FILE: &str = "light.safetensors";

/// The files that every model has, in the order in which they are hashed; [`LIGHT_FILE`] follows.
pub const FILES: [&str; 5] = [
    CONFIG_FILE,
    TOKENIZER_FILE,
    AUTOENCODER_FILE,
    TEXT_FILE,
    TRANSFORMER_FILE,
];

/// Where a model's files are.
#[derive(Clone, Debug)]
pub enum Source {
    /// A folder with [`Source::files`].
    Folder(PathBuf),
    /// Name and content of each file, built into the program.
    Embedded(&'static [(&'static str, &'static [u8])]),
}

impl Source {
    /// The names of this model's files, in the order in which they are hashed: [`FILES`], and what its configuration
    /// asks for besides.
    ///
    /// # Errors
    /// A configuration that can't be read.
    pub fn files(&self) -> Result<Vec<&'static str>> {
        let config = Config::from_json(&self.read(CONFIG_FILE)?)?;
        let light = config.light.is_some().then_some(LIGHT_FILE);
        Ok(FILES.into_iter().chain(light).collect())
    }

    /// The content of one file.
    ///
    /// # Errors
    /// [`ModelError::File`] if it is not there or can't be read.
    pub fn read(&self, file: &str) -> Result<Cow<'static, [u8]>> {
        match self {
            Source::Folder(folder) => match std::fs::read(folder.join(file)) {
                Ok(bytes) => Ok(Cow::Owned(bytes)),
                Err(e) => Err(ModelError::File {
                    file: file.into(),
                    reason: format!("{}: {}", plain(&e), folder.display()),
                }),
            },
            Source::Embedded(files) => files
                .iter()
                .find(|(name, _)| *name == file)
                .map(|(_, bytes)| Cow::Borrowed(*bytes))
                .ok_or_else(|| ModelError::File {
                    file: file.into(),
                    reason: "it is not part of this program".into(),
                }),
        }
    }
}

/// The tensors of one file, in f32 on the device.
pub type Tensors = HashMap<String, Tensor>;

/// A model's content, read and checked.
pub struct Weights {
    /// config.json.
    pub config: Config,
    /// BLAKE3 over all files, hexadecimal.
    pub hash: String,
    /// tokenizer.json.
    pub tokenizer: Vec<u8>,
    /// The autoencoder's tensors.
    pub autoencoder: Tensors,
    /// The text encoder's tensors.
    pub text: Tensors,
    /// The transformer's tensors.
    pub transformer: Tensors,
    /// The light model's tensors, if there is one.
    pub light: Option<Tensors>,
}

/// What [`Weights::load`] tells while it works: bytes read so far and the file just read.
pub type LoadProgress<'a> = &'a mut dyn FnMut(u64, &str);

impl Weights {
    /// Reads and checks all files.
    pub fn load(source: &Source, device: &Device, progress: LoadProgress) -> Result<Self> {
        let mut hasher = blake3::Hasher::new();
        let mut done = 0u64;
        let mut read = |file: &str| -> Result<Cow<'static, [u8]>> {
            let bytes = source.read(file)?;
            hasher.update(file.as_bytes());
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(&bytes);
            done += bytes.len() as u64;
            progress(done, file);
            Ok(bytes)
        };
        let config = Config::from_json(&read(CONFIG_FILE)?)?;
        let tokenizer = read(TOKENIZER_FILE)?.into_owned();
        let autoencoder = tensors(
            AUTOENCODER_FILE,
            &read(AUTOENCODER_FILE)?,
            &spec::autoencoder(&config),
            device,
        )?;
        let text = tensors(TEXT_FILE, &read(TEXT_FILE)?, &spec::text(&config), device)?;
        let transformer = tensors(
            TRANSFORMER_FILE,
            &read(TRANSFORMER_FILE)?,
            &spec::transformer(&config),
            device,
        )?;
        let light = match &config.light {
            None => None,
            Some(light) => Some(tensors(
                LIGHT_FILE,
                &read(LIGHT_FILE)?,
                &spec::light(light),
                device,
            )?),
        };
        Ok(Self {
            config,
            hash: hasher.finalize().to_hex().to_string(),
            tokenizer,
            autoencoder,
            text,
            transformer,
            light,
        })
    }
}

/// Names that exporters add and that mean nothing new: T5's tied copy of `shared.weight`.
const TIED: [&str; 1] = ["encoder.embed_tokens.weight"];

/// Checks a safetensors file against `wanted` and reads it.
pub(crate) fn tensors(
    file: &str,
    bytes: &[u8],
    wanted: &[TensorSpec],
    device: &Device,
) -> Result<Tensors> {
    let archive = SafeTensors::deserialize(bytes).map_err(|e| ModelError::Damaged {
        file: file.into(),
        reason: e.to_string(),
    })?;
    let mut found = HashMap::with_capacity(wanted.len());
    for spec in wanted {
        let view = archive
            .tensor(&spec.name)
            .map_err(|_| ModelError::MissingTensor {
                file: file.into(),
                tensor: spec.name.clone(),
                expected: spec.shape.clone(),
            })?;
        if view.shape() != spec.shape {
            return Err(ModelError::TensorShape {
                file: file.into(),
                tensor: spec.name.clone(),
                expected: spec.shape.clone(),
                found: view.shape().to_vec(),
            });
        }
        let values = to_f32(view.dtype(), view.data()).ok_or_else(|| ModelError::TensorType {
            file: file.into(),
            tensor: spec.name.clone(),
            found: format!("{:?}", view.dtype()),
        })?;
        if values.iter().any(|v| !v.is_finite()) {
            return Err(ModelError::TensorValue {
                file: file.into(),
                tensor: spec.name.clone(),
            });
        }
        let tensor = Tensor::from_vec(values, spec.shape.as_slice(), device)?;
        found.insert(spec.name.clone(), tensor);
    }
    let mut unknown: Vec<_> = archive
        .names()
        .into_iter()
        .filter(|name| !found.contains_key(*name) && !TIED.contains(name))
        .collect();
    unknown.sort_unstable();
    if let Some(first) = unknown.first() {
        return Err(ModelError::UnexpectedTensor {
            file: file.into(),
            tensor: first.to_string(),
            others: unknown.len() - 1,
        });
    }
    Ok(found)
}

/// Little-endian values as f32; `None` for a type that weights may not have.
fn to_f32(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let pairs = || bytes.as_chunks::<2>().0.iter();
    Some(match dtype {
        Dtype::F32 => bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect(),
        Dtype::F16 => pairs()
            .map(|b| half::f16::from_le_bytes(*b).to_f32())
            .collect(),
        Dtype::BF16 => pairs()
            .map(|b| half::bf16::from_le_bytes(*b).to_f32())
            .collect(),
        _ => return None,
    })
}

/// Takes tensors out of a file's map by name.
pub(crate) struct Reader<'a> {
    tensors: &'a Tensors,
    file: &'static str,
    kernels: Kernels,
    prefix: String,
}

impl<'a> Reader<'a> {
    /// Reads from the root.
    pub fn new(tensors: &'a Tensors, file: &'static str, kernels: Kernels) -> Self {
        Self {
            tensors,
            file,
            kernels,
            prefix: String::new(),
        }
    }

    /// Reads below `name`.
    pub fn below(&self, name: impl std::fmt::Display) -> Self {
        Self {
            tensors: self.tensors,
            file: self.file,
            kernels: self.kernels,
            prefix: format!("{}{name}.", self.prefix),
        }
    }

    /// The form of the operations that the tensors are read for.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Result<Tensor> {
        let name = format!("{}{name}", self.prefix);
        match self.tensors.get(&name) {
            Some(tensor) => Ok(tensor.clone()),
            None => Err(ModelError::MissingTensor {
                file: self.file.into(),
                tensor: name,
                expected: Vec::new(),
            }),
        }
    }
}
