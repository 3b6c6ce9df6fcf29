//! How much memory a model takes, told before it is loaded, and how its parts share what there is.

use candle_core::{DType, Device};
use serde::Serialize;
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::archive::plain_type;
use super::attention::scores_bytes;
use super::conv::BAND_BYTES;
use super::detect::Part;
use super::files::Files;
use super::header::{Element, Header};
use super::klein::{KEPT, Residency};
use super::linear::{ROUNDED_BITS, is_roundable};
use super::text::TEXT_TOKENS;
use super::transformer::WIDTHS_HELD;
use crate::model::error::{ModelError, Result};

/// Tokens of the largest usual request: text, a picture of 1024² and two references of that size.
const TOKENS: u64 = TEXT_TOKENS as u64 + 3 * 4096;

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

    /// Bytes that are free for programs on an opened device; `None` where nobody says.
    pub fn free_on(device: &Device) -> Option<u64> {
        // There may be several cards, and the driver knows which of them this is.
        #[cfg(feature = "cuda")]
        if let Device::Cuda(card) = device {
            let (free, _) = card.cuda_stream().context().mem_get_info().ok()?;
            return Some(free as u64);
        }
        Self::of(device).free()
    }

    /// Bytes that are free there for programs; `None` where nobody says. Of several cards it is the one with the most:
    /// which will be computed on is known when it is opened ([`MemoryOf::free_on`]).
    pub fn free(self) -> Option<u64> {
        match self {
            // Macs have one memory for both.
            MemoryOf::Gpu if !candle_core::utils::metal_is_available() => graphics_memory(),
            _ => main_memory(),
        }
    }

    /// The type that is usually computed in there.
    pub(super) fn usual_type(self) -> DType {
        match self {
            MemoryOf::Cpu => DType::F32,
            MemoryOf::Gpu => DType::BF16,
        }
    }
}

/// Bytes that a model takes, as estimated from its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The transformer.
    pub transformer: u64,
    /// The text encoder, up to the last layer that is needed; without its embedding where that stays in main memory.
    pub text: u64,
    /// The autoencoder, in f32.
    pub vae: u64,
    /// What the transformer computes on the way, at 1024² with two references.
    pub work: u64,
    /// What the text encoder computes on the way.
    pub text_work: u64,
    /// What the autoencoder computes on the way, at 1024².
    pub vae_work: u64,
    /// The largest matrices of transformer and text encoder, spread out to be multiplied with; 0 where they are stored
    /// in the type that is computed in.
    pub spread: [u64; 2],
    /// Transformer and text encoder with their matrices rounded to 8 bits ([`super::Compute::rounded`]).
    pub rounded: [u64; 2],
    /// [`Estimate::spread`] then.
    pub rounded_spread: [u64; 2],
}

/// How a model is loaded into the memory that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// How its parts share the memory.
    pub residency: Residency,
    /// Its matrices are rounded to 8 bits.
    pub rounded: bool,
}

impl Estimate {
    /// From the headers of the files, for the type that is usually computed in.
    ///
    /// # Errors
    /// As [`Header::read`] of each file.
    pub fn of(files: &Files, place: MemoryOf) -> Result<Self> {
        Self::in_type(files, place, place.usual_type())
    }

    /// From the headers of the files, to compute in `dtype`.
    ///
    /// # Errors
    /// As [`Header::read`] of each file.
    pub fn in_type(files: &Files, place: MemoryOf, dtype: DType) -> Result<Self> {
        let mut sums = [0u64; 3];
        let mut rounded = [0u64; 3];
        let (mut spread, mut rounded_spread) = ([0u64; 3], [0u64; 3]);
        let (mut width, mut channels, mut widest) = (0, 0, 0);
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
                    if part == Part::TextEncoder && is_embedding(name) {
                        // In main memory, as it is stored: a prompt needs few of its rows.
                        let here = if place == MemoryOf::Cpu {
                            entry.bytes
                        } else {
                            0
                        };
                        sums[at] += here;
                        rounded[at] += here;
                        continue;
                    }
                    let bytes =
                        loaded_bytes(part, entry.element, entry.bytes, count, (place, dtype));
                    sums[at] += bytes;
                    let mut least = bytes;
                    if let [rows, inputs] = entry.shape[..] {
                        let as_stored = spread_bytes(entry.element, count, (place, dtype));
                        spread[at] = spread[at].max(as_stored);
                        let mut then = as_stored;
                        if is_roundable(inputs) {
                            least = bytes.min((count as f64 * ROUNDED_BITS / 8.0) as u64);
                            then = spread_bytes(Element::Ggml(8), count, (place, dtype));
                        }
                        rounded_spread[at] = rounded_spread[at].max(then);
                        if part == Part::TextEncoder {
                            widest = widest.max(rows as u64);
                        }
                    }
                    rounded[at] += least;
                    if part == Part::Vae && is_last_of_decoder(name) {
                        channels = entry.shape.get(1).copied().unwrap_or(0) as u64;
                    }
                    if part == Part::Transformer
                        && (name.ends_with("img_in.weight") || name.ends_with("x_embedder.weight"))
                    {
                        width = entry.shape.first().copied().unwrap_or(0) as u64;
                    }
                }
            }
        }
        Ok(Self {
            transformer: sums[0],
            vae: sums[1],
            text: sums[2],
            work: work(width, place, dtype),
            text_work: text_work(widest),
            vae_work: vae_work(channels),
            spread: [spread[0], spread[2]],
            rounded: [rounded[0], rounded[2]],
            rounded_spread: [rounded_spread[0], rounded_spread[2]],
        })
    }

    /// Of models with so many parameters in transformer and text encoder (up to the layer that is needed), stored in
    /// bfloat16, with a transformer of this width; told before a file is there.
    pub fn of_size(parameters: [u64; 2], width: u64, place: MemoryOf) -> Self {
        let bytes = parameters.map(|count| count * DType::BF16.size_in_bytes() as u64);
        let rounded = parameters.map(|count| (count as f64 * ROUNDED_BITS / 8.0) as u64);
        let dtype = place.usual_type();
        // The first matrix of a single block, and one of a network thrice as wide as it reads.
        let largest = [9 * width * width, 3 * width * width];
        let spread = |element| largest.map(|count| spread_bytes(element, count, (place, dtype)));
        Self {
            transformer: bytes[0],
            text: bytes[1],
            vae: VAE_PARAMETERS * DType::F32.size_in_bytes() as u64,
            work: work(width, place, dtype),
            text_work: text_work(3 * width),
            vae_work: vae_work(VAE_CHANNELS),
            spread: spread(Element::Bf16),
            rounded,
            rounded_spread: spread(Element::Ggml(8)),
        }
    }

    /// What each part takes while it works, beside all weights: transformer, text encoder, autoencoder.
    fn works(&self) -> [u64; 3] {
        let [transformer, text] = self.spread;
        [
            self.work + transformer,
            self.text_work + text,
            self.vae_work,
        ]
    }

    /// With all parts loaded.
    pub fn all(&self) -> u64 {
        let [transformer, text, vae] = self.works();
        self.transformer + self.text + self.vae + KEPT.sum() + transformer.max(text).max(vae)
    }

    /// With one part loaded at a time.
    pub fn in_turn(&self) -> u64 {
        let [transformer, text, vae] = self.works();
        let most = (self.transformer + transformer)
            .max(self.text + text)
            .max(self.vae + vae);
        most + KEPT.sum()
    }

    /// The same with matrices rounded to 8 bits.
    pub fn rounded(&self) -> Self {
        let [transformer, text] = self.rounded;
        Self {
            transformer,
            text,
            spread: self.rounded_spread,
            ..*self
        }
    }

    /// How it is loaded into `available` bytes of `place`: as it is with all parts, or one after the other, else rounded
    /// to 8 bits. If nobody knows how many bytes there are, as it is with all parts.
    ///
    /// # Errors
    /// If nothing fits; the sentence says what to get instead.
    pub fn fit(&self, place: MemoryOf, available: Option<u64>) -> Result<Fit> {
        let Some(available) = available else {
            return Ok(Fit {
                residency: Residency::All,
                rounded: false,
            });
        };
        for (rounded, estimate) in [(false, *self), (true, self.rounded())] {
            let ways = [
                (Residency::All, estimate.all()),
                (Residency::InTurn, estimate.in_turn()),
            ];
            if let Some((residency, _)) = ways.into_iter().find(|(_, bytes)| *bytes <= available) {
                return Ok(Fit { residency, rounded });
            }
        }
        let place = match place {
            MemoryOf::Cpu => "",
            MemoryOf::Gpu => " on the graphics card",
        };
        Err(ModelError::Format(format!(
            "this model needs about {} even when it is rounded to 8 bits and {} are free{place}: get a smaller file of it, such as a GGUF of type Q4_K, or close other programs",
            gigabytes(self.rounded().in_turn()),
            gigabytes(available),
        )))
    }
}

/// What a block holds, and its scores.
fn work(width: u64, place: MemoryOf, dtype: DType) -> u64 {
    let values = TOKENS * width * WIDTHS_HELD * dtype.size_in_bytes() as u64;
    values + scores_bytes(place == MemoryOf::Cpu, dtype)
}

/// A layer holds less than eight times what its widest matrix makes, and two times the scores of 32 heads; in f32.
fn text_work(widest: u64) -> u64 {
    let tokens = TEXT_TOKENS as u64;
    tokens * (8 * widest + 2 * 32 * tokens) * DType::F32.size_in_bytes() as u64
}

/// What a matrix takes that is spread out from how it is loaded to the type that is computed in: blocks and fp8 become
/// f32 first.
fn spread_bytes(element: Element, count: u64, (place, dtype): (MemoryOf, DType)) -> u64 {
    let cast = count * dtype.size_in_bytes() as u64;
    let from_f32 = match dtype {
        DType::F32 => cast,
        _ => count * DType::F32.size_in_bytes() as u64 + cast,
    };
    match (element, place) {
        (Element::Ggml(_), _) | (Element::F8E4M3, MemoryOf::Cpu) => from_f32,
        (_, MemoryOf::Gpu) => 0,
        (_, MemoryOf::Cpu) if plain_type(element) == Some(dtype) => 0,
        (_, MemoryOf::Cpu) => cast,
    }
}

/// Channels of the autoencoder's last stage before they are halved, as many as at 1024² at once.
const VAE_CHANNELS: u64 = 256;
/// Parameters of the autoencoder.
const VAE_PARAMETERS: u64 = 84_000_000;

/// The norm before the last stage's first convolution holds three pictures of its input's size
/// ([`super::conv::GroupNorm`]), and the convolution its input, normalised and not, its output of half as many channels
/// and a band; in f32.
fn vae_work(channels: u64) -> u64 {
    3 * channels * 1024 * 1024 * DType::F32.size_in_bytes() as u64 + BAND_BYTES
}

/// The first convolution of the decoder's last stage, in either naming; its inputs are the channels.
fn is_last_of_decoder(name: &str) -> bool {
    name.ends_with("decoder.up_blocks.3.resnets.0.conv1.weight")
        || name.ends_with("decoder.up.0.block.0.conv1.weight")
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

/// The text encoder's embedding, in either naming.
fn is_embedding(name: &str) -> bool {
    name.ends_with("embed_tokens.weight") || name == "token_embd.weight"
}

/// The last quarter of the text encoder's 36 layers lies behind the last tap, and so does its output.
fn is_needed(name: &str) -> bool {
    if name.ends_with("lm_head.weight") || name == "output.weight" {
        return false;
    }
    let layer = name
        .split('.')
        .zip(name.split('.').skip(1))
        .find(|(before, _)| matches!(*before, "layers" | "blk"))
        .and_then(|(_, number)| number.parse::<usize>().ok());
    layer.is_none_or(|layer| layer < 27)
}

fn loaded_bytes(
    part: Part,
    element: Element,
    bytes: u64,
    count: u64,
    (place, dtype): (MemoryOf, DType),
) -> u64 {
    match (part, element) {
        (Part::Vae, _) => count * DType::F32.size_in_bytes() as u64,
        (_, Element::Other) => 0,
        // On the processor everything stays as it is stored; elsewhere all but blocks is cast.
        (_, Element::Ggml(_)) => bytes,
        _ if place == MemoryOf::Cpu => bytes,
        _ => count * dtype.size_in_bytes() as u64,
    }
}

fn main_memory() -> Option<u64> {
    let wanted = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let bytes = System::new_with_specifics(wanted).ok()?.available_memory();
    (bytes > 0).then_some(bytes)
}

/// Free bytes of the NVIDIA card that has the most.
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
    free.max()
}

#[cfg(not(any(target_os = "linux", windows)))]
fn graphics_memory() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;

    const KLEIN: Estimate = Estimate {
        transformer: 7_750_000_000,
        text: 6 * GB,
        vae: 340_000_000,
        work: GB,
        text_work: GB / 10,
        vae_work: 3 * GB,
        spread: [0; 2],
        rounded: [4 * GB, 3 * GB],
        rounded_spread: [GB / 2, GB / 10],
    };

    fn fit(available: u64) -> (Residency, bool) {
        // Beside what is kept between requests.
        let fit = KLEIN.fit(MemoryOf::Gpu, Some(available + KEPT.sum()));
        let fit = fit.unwrap();
        (fit.residency, fit.rounded)
    }

    #[test]
    fn parts_stay_loaded_take_turns_are_rounded_or_are_refused() {
        let unknown = KLEIN.fit(MemoryOf::Gpu, None).unwrap();
        assert_eq!(
            (unknown.residency, unknown.rounded),
            (Residency::All, false)
        );
        assert_eq!(fit(24 * GB), (Residency::All, false));
        // 17.09 GB, of which the autoencoder's work at the end is the most.
        assert_eq!(fit(17 * GB), (Residency::InTurn, false));
        assert_eq!(fit(9 * GB), (Residency::InTurn, false));
        assert_eq!(fit(8 * GB), (Residency::InTurn, true));
        // 4 GB of weights, 1 of work and the largest matrix, spread out.
        assert_eq!(KLEIN.rounded().in_turn(), 5_500_000_000 + KEPT.sum());
        assert_eq!(fit(5_500_000_000), (Residency::InTurn, true));
        let small = Estimate {
            rounded: [2 * GB, GB],
            ..KLEIN
        };
        let whole = small.fit(MemoryOf::Cpu, Some(7 * GB)).unwrap();
        assert_eq!((whole.residency, whole.rounded), (Residency::All, true));
        let why = |place| KLEIN.fit(place, Some(4 * GB)).unwrap_err().to_string();
        assert_eq!(
            why(MemoryOf::Cpu),
            "this model needs about 6.1 GB even when it is rounded to 8 bits and 4.0 GB are free: get a smaller file of it, such as a GGUF of type Q4_K, or close other programs"
        );
        assert!(why(MemoryOf::Gpu).contains("4.0 GB are free on the graphics card: get"));
    }

    #[test]
    fn a_model_that_is_not_here_yet_is_estimated_by_its_size() {
        let klein = Estimate::of_size([3_880_000_000, 3_110_000_000], 3072, MemoryOf::Gpu);
        assert_eq!(klein.transformer, 7_760_000_000);
        assert_eq!(klein.text, 6_220_000_000);
        assert!((17 * GB..19 * GB).contains(&klein.all()), "{}", klein.all());
        let in_turn = klein.in_turn();
        assert!((10 * GB..11 * GB).contains(&in_turn), "{in_turn}");
        // An 8 GB card is enough.
        let rounded = klein.rounded().in_turn();
        assert!((7 * GB..15 * GB / 2).contains(&rounded), "{rounded}");
    }

    #[test]
    fn a_step_is_counted_with_scores_and_the_largest_matrix() {
        let cpu = Estimate::of_size([3_880_000_000, 3_110_000_000], 3072, MemoryOf::Cpu);
        // 12,800 tokens of 3072 values, sixteen times, and 4 million scores twice, in f32.
        assert_eq!(cpu.work, 12_800 * 3072 * 16 * 4 + (4 << 20) * 2 * 4);
        // Of bfloat16, 27,648 × 3072 values become f32, and of blocks too.
        assert_eq!(cpu.spread[0], 27_648 * 3072 * 4);
        assert_eq!(cpu.rounded_spread[0], cpu.spread[0]);
        let gpu = Estimate::of_size([3_880_000_000, 3_110_000_000], 3072, MemoryOf::Gpu);
        assert_eq!(gpu.spread, [0, 0]);
        assert_eq!(gpu.rounded_spread[0], 27_648 * 3072 * (4 + 2));
        let bytes = |element, place, dtype| spread_bytes(element, 100, (place, dtype));
        for (element, f32, bf16) in [
            (Element::F32, 0, 200),
            (Element::Bf16, 400, 0),
            (Element::F8E4M3, 400, 600),
            (Element::Ggml(12), 400, 600),
        ] {
            assert_eq!(bytes(element, MemoryOf::Cpu, DType::F32), f32);
            assert_eq!(bytes(element, MemoryOf::Cpu, DType::BF16), bf16);
        }
        // On a card fp8 is cast when it is loaded.
        assert_eq!(bytes(Element::F8E4M3, MemoryOf::Gpu, DType::BF16), 0);
    }

    #[test]
    fn the_processors_memory_is_known_and_no_card_is_made_up() {
        assert!(MemoryOf::Cpu.free().unwrap() > GB / 10);
        // Without CUDA and Metal in the program, models go to the processor, whatever cards there are.
        if !candle_core::utils::cuda_is_available() && !candle_core::utils::metal_is_available() {
            assert_eq!(MemoryOf::usual(), MemoryOf::Cpu);
        }
        assert_eq!(MemoryOf::of(&Device::Cpu), MemoryOf::Cpu);
        assert!(MemoryOf::free_on(&Device::Cpu).unwrap() > GB / 10);
    }

    #[test]
    fn weights_are_cast_on_the_card_and_stay_as_stored_on_the_processor() {
        let bytes = |part, element, stored, place: MemoryOf| {
            loaded_bytes(part, element, stored, 100, (place, place.usual_type()))
        };
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
        let in_f32 = (MemoryOf::Gpu, DType::F32);
        assert_eq!(
            loaded_bytes(transformer, Element::Bf16, 200, 100, in_f32),
            400
        );
    }

    #[test]
    fn layers_behind_the_last_tap_take_nothing() {
        assert!(is_needed("model.layers.26.mlp.up_proj.weight"));
        assert!(!is_needed("model.layers.27.mlp.up_proj.weight"));
        assert!(!is_needed("blk.35.attn_q.weight"));
        assert!(is_needed("model.embed_tokens.weight"));
        assert!(!is_needed("lm_head.weight") && !is_needed("output.weight"));
        assert!(is_needed("blk.0.attn_output.weight"));
    }
}
