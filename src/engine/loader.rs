//! Where the worker's models come from.

use std::path::Path;

use super::message::ModelSource;
use crate::model::flux2::{self, Compute, Estimate, Files, Fit, Klein, MemoryOf, Residency};
use crate::model::{self, DeviceKind, FloatType, Source};
use crate::pipeline::error::is_out_of_memory;
use crate::pipeline::flux2::Flux2Generator;
use crate::pipeline::generator::{Cancel, Generator};
use crate::pipeline::unireal::UniRealGenerator;

/// A model ready to run.
pub struct Loaded {
    /// The model.
    pub generator: Box<dyn Generator>,
    /// The device in words: "CPU, 2 threads".
    pub device: String,
    /// Parameters in all.
    pub parameters: u64,
}

/// Loads models on the worker's thread.
pub trait Loader: Send + 'static {
    /// Loads a model. `progress` gets the share done, 0 to 1, and what is being read.
    ///
    /// # Errors
    /// Why not, and what to do, in one sentence.
    fn load(
        &mut self,
        source: &ModelSource,
        cancel: &Cancel,
        progress: &mut dyn FnMut(f32, &str),
    ) -> Result<Loaded, String>;
}

/// Loads models of the families `unireal` and FLUX.2 [klein].
#[derive(Clone, Copy, Debug)]
pub struct ModelLoader {
    device: DeviceKind,
    dtype: FloatType,
}

impl ModelLoader {
    /// Loads onto this device.
    pub fn new(device: DeviceKind) -> Self {
        Self {
            device,
            dtype: FloatType::Auto,
        }
    }

    /// Has FLUX.2 compute in this type.
    pub fn computing_in(self, dtype: FloatType) -> Self {
        Self { dtype, ..self }
    }
}

impl Loader for ModelLoader {
    fn load(
        &mut self,
        source: &ModelSource,
        cancel: &Cancel,
        progress: &mut dyn FnMut(f32, &str),
    ) -> Result<Loaded, String> {
        progress(0.0, "the device");
        let device = model::open_device(self.device).map_err(|error| error.to_string())?;
        if source.path().is_some_and(flux2::is_flux2) {
            return load_flux2(source, &device, self.dtype, cancel, progress).map_err(advice);
        }
        let (name, source) = match source {
            ModelSource::Embedded => (model::EMBEDDED_NAME.to_owned(), model::embedded()?),
            ModelSource::Folder(folder) => (name_of(folder), Source::Folder(folder.clone())),
            ModelSource::WithVae { model, .. } => {
                return Err(format!(
                    "only a FLUX.2 model takes another autoencoder, and this is none: {}",
                    model.display()
                ));
            }
        };
        let bytes = bytes_of(&source).max(1);
        let generator = UniRealGenerator::load(&name, &source, &device, &mut |read, file| {
            progress((read as f64 / bytes as f64).min(1.0) as f32, file);
        })
        .map_err(advice)?;
        let parameters = generator.model().config().parameters().total() as u64;
        Ok(Loaded {
            device: device_words(&device),
            parameters,
            generator: Box::new(generator),
        })
    }
}

/// Why a model could not be loaded, and what to do.
fn advice(error: model::ModelError) -> String {
    let text = error.to_string();
    if is_out_of_memory(&text) {
        "there is not enough memory for this model: choose a smaller one, or the processor as device".into()
    } else {
        text
    }
}

/// The side of FLUX.2's pictures, in pixels.
const FLUX2_SIDE: u32 = 1024;
/// The same for models too narrow to be the real one, as tests have them.
const TINY_SIDE: u32 = 64;
/// Parameters below which a model is such a one.
const TINY: u64 = 10_000_000;

fn load_flux2(
    source: &ModelSource,
    device: &candle_core::Device,
    dtype: FloatType,
    cancel: &Cancel,
    progress: &mut dyn FnMut(f32, &str),
) -> model::Result<Loaded> {
    let path = source.path().unwrap_or(Path::new(""));
    let mut files = Files::find(path)?;
    if let ModelSource::WithVae { vae, .. } = source {
        files = files.with_vae(vae)?;
    }
    let cancelled = || cancel.is_cancelled();
    let place = MemoryOf::of(device);
    let dtype = dtype.on(device)?;
    let fit = Estimate::in_type(&files, place, dtype)?.fit(place, MemoryOf::free_on(device))?;
    let compute = Compute {
        device: device.clone(),
        dtype,
        rounded: fit.rounded,
    };
    let klein = Klein::load(files, compute, fit.residency, &cancelled, progress)?;
    let parameters = klein.parameters();
    let side = if parameters < TINY {
        TINY_SIDE
    } else {
        FLUX2_SIDE
    };
    Ok(Loaded {
        generator: Box::new(Flux2Generator::new(&name_of(path), klein, side)),
        device: fitted_words(device, fit),
        parameters,
    })
}

/// The device, and how a model was made to fit it.
fn fitted_words(device: &candle_core::Device, fit: Fit) -> String {
    let mut words = device_words(device);
    if fit.residency == Residency::InTurn {
        words.push_str(", parts loaded in turn");
    }
    if fit.rounded {
        words.push_str(", rounded to 8 bits");
    }
    words
}

/// What a model is called: its file, its folder, or its repository where the hub's cache names folders by commits
/// (`models--OWNER--NAME/snapshots/COMMIT`).
fn name_of(folder: &Path) -> String {
    let above = |steps: usize| folder.ancestors().nth(steps).and_then(Path::file_name);
    if above(1).is_some_and(|name| name == "snapshots")
        && let Some(repository) = above(2).map(|name| name.to_string_lossy())
        && let Some(name) = repository.strip_prefix("models--")
    {
        return name.rsplit("--").next().unwrap_or(name).to_owned();
    }
    let name = if folder.is_file() {
        folder.file_stem()
    } else {
        folder.file_name()
    };
    name.map_or_else(
        || "model".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// The size of all files; those that are missing count nothing (loading will say so).
fn bytes_of(source: &Source) -> u64 {
    match source {
        Source::Embedded(files) => files.iter().map(|(_, bytes)| bytes.len() as u64).sum(),
        Source::Folder(folder) => source
            .files()
            .unwrap_or_default()
            .iter()
            .filter_map(|file| std::fs::metadata(folder.join(file)).ok())
            .map(|data| data.len())
            .sum(),
    }
}

fn device_words(device: &candle_core::Device) -> String {
    use candle_core::DeviceLocation;
    match device.location() {
        DeviceLocation::Cpu => match rayon::current_num_threads() {
            1 => "CPU, 1 thread".to_owned(),
            threads => format!("CPU, {threads} threads"),
        },
        DeviceLocation::Cuda { gpu_id } => format!("NVIDIA GPU {gpu_id}"),
        DeviceLocation::Metal { gpu_id } => format!("Apple GPU {gpu_id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_in_the_hubs_cache_are_called_as_their_repository() {
        for (path, name) in [
            ("hub/models--a--b-c/snapshots/0123", "b-c"),
            ("models/FLUX.2-klein-4B", "FLUX.2-klein-4B"),
            ("x/snapshots/0123", "0123"),
        ] {
            assert_eq!(name_of(Path::new(path)), name);
        }
    }
}
