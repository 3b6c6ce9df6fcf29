//! How much memory a model takes, told before it is loaded, and how its parts share what there is.

use candle_core::DType;

use super::detect::Part;
use super::files::Files;
use super::header::{Element, Header};
use super::klein::Residency;
use super::linear::Compute;
use crate::model::error::{ModelError, Result};

/// Tokens of the largest usual request: text, a picture of 1024² and two references of that size.
const TOKENS: u64 = 512 + 3 * 4096;

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
    pub fn of(files: &Files, compute: &Compute) -> Result<Self> {
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
                    sums[at] += loaded_bytes(part, entry.element, entry.bytes, count, compute);
                    if part == Part::Transformer && name.ends_with("img_in.weight")
                        || name.ends_with("x_embedder.weight")
                    {
                        width = entry.shape.first().copied().unwrap_or(0) as u64;
                    }
                }
            }
        }
        // A single block holds its input, q, k, v, two widths of the network thrice as wide and the result.
        let work = TOKENS * width * (1 + 3 + 6 + 4) * compute.dtype.size_in_bytes() as u64;
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

    /// How the parts can share `available` bytes; if nobody knows how many there are, all stay loaded.
    ///
    /// # Errors
    /// If not even one at a time fits; the sentence says what to get instead.
    pub fn residency(&self, available: Option<u64>) -> Result<Residency> {
        match available {
            Some(bytes) if self.in_turn() > bytes => Err(ModelError::Format(format!(
                "this model needs about {} and {} are free: get a smaller file of it, such as a GGUF of type Q4_K, or close other programs",
                gigabytes(self.in_turn()),
                gigabytes(bytes)
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

fn loaded_bytes(part: Part, element: Element, bytes: u64, count: u64, compute: &Compute) -> u64 {
    let size = compute.dtype.size_in_bytes() as u64;
    match (part, element) {
        (Part::Vae, _) => count * DType::F32.size_in_bytes() as u64,
        (_, Element::Other) => 0,
        // On the processor everything stays as it is stored; elsewhere all but blocks is cast.
        (_, Element::Ggml(_)) => bytes,
        _ if compute.device.is_cpu() => bytes,
        _ => count * size,
    }
}

/// Bytes of main memory that are free for programs; `None` where the system does not say.
pub fn available_memory() -> Option<u64> {
    memory_in(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn memory_in(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
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
        assert_eq!(klein.residency(None).unwrap(), Residency::All);
        assert_eq!(klein.residency(Some(24 * GB)).unwrap(), Residency::All);
        assert_eq!(klein.residency(Some(12 * GB)).unwrap(), Residency::InTurn);
        assert_eq!(
            klein.residency(Some(8 * GB)).unwrap_err().to_string(),
            "this model needs about 8.8 GB and 8.0 GB are free: get a smaller file of it, such as a GGUF of type Q4_K, or close other programs"
        );
    }

    #[test]
    fn free_memory_is_read_as_the_system_writes_it() {
        let text =
            "MemTotal:       24000000 kB\nMemFree:         1 kB\nMemAvailable:   17000000 kB\n";
        assert_eq!(memory_in(text), Some(17_000_000 * 1024));
        assert_eq!(memory_in("MemTotal: 5 kB"), None);
        assert_eq!(memory_in("MemAvailable: many kB"), None);
    }

    #[test]
    fn layers_behind_the_last_tap_take_nothing() {
        assert!(is_needed("model.layers.26.mlp.up_proj.weight"));
        assert!(!is_needed("model.layers.27.mlp.up_proj.weight"));
        assert!(!is_needed("blk.35.attn_q.weight"));
        assert!(is_needed("model.embed_tokens.weight"));
    }
}
