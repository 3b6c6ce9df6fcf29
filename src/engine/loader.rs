//! Where the worker's models come from.

use std::path::Path;

use super::message::ModelSource;
use crate::model::{self, DeviceKind, FILES, Source};
use crate::pipeline::error::is_out_of_memory;
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

/// Loads models of the family `unireal`.
#[derive(Clone, Copy, Debug)]
pub struct ModelLoader {
    device: DeviceKind,
}

impl ModelLoader {
    /// Loads onto this device.
    pub fn new(device: DeviceKind) -> Self {
        Self { device }
    }
}

impl Loader for ModelLoader {
    fn load(
        &mut self,
        source: &ModelSource,
        _: &Cancel,
        progress: &mut dyn FnMut(f32, &str),
    ) -> Result<Loaded, String> {
        progress(0.0, "the device");
        let device = model::open_device(self.device).map_err(|error| error.to_string())?;
        let (name, source) = match source {
            ModelSource::Embedded => (model::EMBEDDED_NAME.to_owned(), model::embedded()?),
            ModelSource::Folder(folder) => (name_of(folder), Source::Folder(folder.clone())),
        };
        let bytes = bytes_of(&source).max(1);
        let generator = UniRealGenerator::load(&name, &source, &device, &mut |read, file| {
            progress((read as f64 / bytes as f64).min(1.0) as f32, file);
        })
        .map_err(|error| {
            let text = error.to_string();
            if is_out_of_memory(&text) {
                "there is not enough memory for this model: choose a smaller one, or the processor as device".into()
            } else {
                text
            }
        })?;
        let parameters = generator.model().config().parameters().total() as u64;
        Ok(Loaded {
            device: device_words(&device),
            parameters,
            generator: Box::new(generator),
        })
    }
}

fn name_of(folder: &Path) -> String {
    folder.file_name().map_or_else(
        || "model".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// The size of all files; those that are missing count nothing (loading will say so).
fn bytes_of(source: &Source) -> u64 {
    match source {
        Source::Embedded(files) => files.iter().map(|(_, bytes)| bytes.len() as u64).sum(),
        Source::Folder(folder) => FILES
            .iter()
            .filter_map(|file| std::fs::metadata(folder.join(file)).ok())
            .map(|data| data.len())
            .sum(),
    }
}

fn device_words(device: &candle_core::Device) -> String {
    use candle_core::DeviceLocation;
    match device.location() {
        DeviceLocation::Cpu => format!("CPU, {} threads", rayon::current_num_threads()),
        DeviceLocation::Cuda { gpu_id } => format!("NVIDIA GPU {gpu_id}"),
        DeviceLocation::Metal { gpu_id } => format!("Apple GPU {gpu_id}"),
    }
}
