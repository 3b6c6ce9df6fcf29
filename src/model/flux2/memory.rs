//! How much memory a model takes, told before it is loaded, and how its parts share what there is.

use candle_core::{DType, Device};
use serde::Serialize;
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::detect::Part;
use super::files::Files;
use super::header::{Element, Header};
use super::klein::Residency;
use crate::model::error::{ModelError, Result};

/// Tokens of the largest usual request: text, a picture of 1024² and two references of that size.
const TOKENS: u64 = 512 + 3 * 4096;

/// Whose memory a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryOf {
    /// The processor's.
    Cpu,
    /// The graphics card's.
    Gpu,
}

impl MemoryOf {
    /// That of a device.
    pub fn of(device: &Device) -> Self {
        match device.is_cpu() {
            true => MemoryOf::Cpu,
            false => MemoryOf::Gpu,
        }
    }

    /// Where models go if no device is asked for, told without opening one.
    pub fn usual() -> Self {
        let cuda = candle_core::utils::cuda_is_available() && graphics_memory().is_some();
        match cuda || candle_core::utils::metal_is_available() {
            true => MemoryOf::Gpu,
            false => MemoryOf::Cpu,
        }
    }

    /// Bytes that are free there for programs; `None` where nobody says.
    pub fn free(self) -> Option<u64> {
        match self {
            // Macs have one memory for both.
            MemoryOf::Gpu if !candle_core::utils::metal_is_available() => graphics_memory(),
            _ => main_memory(),
        }
    }

    /// Bytes of an activation, as [`super::Compute::for_device`] chooses.
    fn activation(self) -> u64 {
        let dtype = match self {
            MemoryOf::Cpu => DType::F32,
            MemoryOf::Gpu => DType::BF16,
        };
        dtype.size_in_bytes() as u64
    }
}

/// Bytes that a model takes, as estimated from its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The transformer.
    pub transformer: u64,
    /// The text encoder, up to the last layer that is needed.
    pub text: u64,
    /// The autoencoder, in f32.
    pub vae: u64,
    /// What is computed on the way, at 1024² with two references.
    pub work: u64,
}

impl Estimate {
    /// From the headers of the files.
    pub fn of(files: &Files, place: MemoryOf) -> Result<Self> {
        let mut sums = [0u64; 3];
        let mut width = 0;
        for (at, part) in Part::ALL.into_iter().enumerate() {
            let paths = match part {
                Part::Transformer => &files.transformer,
                Part::Vae => &files.vae,
                Part::TextEncoder => &files.text,
            };
            for path in paths {
                let header = Header::read(path)?;
                for (name, entry) in &header.entries {
                    if part == Part::TextEncoder && !is_needed(name) {
                        continue;
                    }
                    let count: u64 = entry.shape.iter().map(|d| *d as u64).product();
                    sums[at] += loaded_bytes(part, entry.element, entry.bytes, count, place);
                    if part == Part::Transformer && name.ends_with("img_in.weight")
                        || name.ends_with("x_embedder.weight")
                    {
                        width = entry.shape.first().copied().unwrap_or(0) as u64;
                    }
                }
            }
        }
        // A single block holds its input, q, k, v, two widths of the network thrice as wide and the result.
        let work = TOKENS * width * (1 + 3 + 6 + 4) * place.activation();
        Ok(Self {
            transformer: sums[0],
            vae: sums[1],
            text: sums[2],
            work,
        })
    }

    /// With all parts loaded.
    pub fn all(&self) -> u64 {
        self.transformer + self.text + self.vae + self.work
    }

    /// With one part loaded at a time.
    pub fn in_turn(&self) -> u64 {
        (self.transformer + self.work).max(self.text).max(self.vae)
    }

    /// How the parts can share `available` bytes of `place`; if nobody knows how many there are, all stay loaded.
    ///
    /// # Errors
    /// If not even one at a time fits; the sentence says what to get instead.
    pub fn residency(&self, place: MemoryOf, available: Option<u64>) -> Result<Residency> {
        match available {
            Some(bytes) if self.in_turn() > bytes => Err(ModelError::Format(format!(
                "this model needs about {} and {} are free{}: get a smaller file of it, such as a GGUF of type Q4_K, or close other programs",
                gigabytes(self.in_turn()),
                gigabytes(bytes),
                match place {
                    MemoryOf::Cpu => "",
                    MemoryOf::Gpu => " on the graphics card",
                }
            ))),
            Some(bytes) if self.all() > bytes => Ok(Residency::InTurn),
            _ => Ok(Residency::All),
        }
    }
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

/// The last quarter of the text encoder's 36 layers lies behind the last tap.
fn is_needed(name: &str) -> bool {
    let layer = name
        .split('.')
        .zip(name.split('.').skip(1))
        .find(|(before, _)| matches!(*before, "layers" | "blk"))
        .and_then(|(_, number)| number.parse::<usize>().ok());
    layer.is_none_or(|layer| layer < 27)
}

fn loaded_bytes(part: Part, element: Element, bytes: u64, count: u64, place: MemoryOf) -> u64 {
    match (part, element) {
        (Part::Vae, _) => count * DType::F32.size_in_bytes() as u64,
        (_, Element::Other) => 0,
        // On the processor everything stays as it is stored; elsewhere all but blocks is cast.
        (_, Element::Ggml(_)) => bytes,
        _ if place == MemoryOf::Cpu => bytes,
        _ => count * place.activation(),
    }
}

fn main_memory() -> Option<u64> {
    let wanted = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let bytes = System::new_with_specifics(wanted).ok()?.available_memory();
    (bytes > 0).then_some(bytes)
}

/// Free bytes of the NVIDIA card that has the fewest: CUDA and the driver count cards differently.
#[cfg(any(target_os = "linux", windows))]
fn graphics_memory() -> Option<u64> {
    use nvml_wrapper::Nvml;

    // Only packages for developers have the name without a version.
    let versioned = || {
        Nvml::builder()
            .lib_path("libnvidia-ml.so.1".as_ref())
            .init()
    };
    let library = if cfg!(windows) {
        Nvml::init()
    } else {
        versioned()
    }
    .ok()?;
    let cards = 0..library.device_count().ok()?;
    let free =
        cards.filter_map(|at| Some(library.device_by_index(at).ok()?.memory_info().ok()?.free));
    free.min()
}

#[cfg(not(any(target_os = "linux", windows)))]
fn graphics_memory() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;

    #[test]
    fn parts_stay_loaded_take_turns_or_are_refused() {
        let klein = Estimate {
            transformer: 7_750_000_000,
            text: 6 * GB,
            vae: 340_000_000,
            work: GB,
        };
        assert_eq!(
            klein.residency(MemoryOf::Cpu, None).unwrap(),
            Residency::All
        );
        assert_eq!(
            klein.residency(MemoryOf::Gpu, Some(24 * GB)).unwrap(),
            Residency::All
        );
        assert_eq!(
            klein.residency(MemoryOf::Cpu, Some(12 * GB)).unwrap(),
            Residency::InTurn
        );
        assert_eq!(
            klein
                .residency(MemoryOf::Cpu, Some(8 * GB))
                .unwrap_err()
                .to_string(),
            "this model needs about 8.8 GB and 8.0 GB are free: get a smaller file of it, such as a GGUF of type Q4_K, or close other programs"
        );
        let why = klein
            .residency(MemoryOf::Gpu, Some(8 * GB))
            .unwrap_err()
            .to_string();
        assert!(
            why.contains("8.0 GB are free on the graphics card: get"),
            "{why}"
        );
    }

    #[test]
    fn the_processors_memory_is_known_and_no_card_is_made_up() {
        assert!(MemoryOf::Cpu.free().unwrap() > GB / 10);
        // Without CUDA and Metal in the program, models go to the processor, whatever cards there are.
        if !candle_core::utils::cuda_is_available() && !candle_core::utils::metal_is_available() {
            assert_eq!(MemoryOf::usual(), MemoryOf::Cpu);
        }
        assert_eq!(MemoryOf::of(&Device::Cpu), MemoryOf::Cpu);
    }

    #[test]
    fn weights_are_cast_on_the_card_and_stay_as_stored_on_the_processor() {
        let bytes = |part, element, stored, place| loaded_bytes(part, element, stored, 100, place);
        let transformer = Part::Transformer;
        for (element, stored, cpu, gpu) in [
            (Element::F32, 400, 400, 200),
            (Element::Bf16, 200, 200, 200),
            (Element::F8E4M3, 100, 100, 200),
            (Element::Ggml(12), 57, 57, 57),
        ] {
            assert_eq!(bytes(transformer, element, stored, MemoryOf::Cpu), cpu);
            assert_eq!(bytes(transformer, element, stored, MemoryOf::Gpu), gpu);
            assert_eq!(bytes(Part::Vae, element, stored, MemoryOf::Gpu), 400);
        }
    }

    #[test]
    fn layers_behind_the_last_tap_take_nothing() {
        assert!(is_needed("model.layers.26.mlp.up_proj.weight"));
        assert!(!is_needed("model.layers.27.mlp.up_proj.weight"));
        assert!(!is_needed("blk.35.attn_q.weight"));
        assert!(is_needed("model.embed_tokens.weight"));
    }
}
