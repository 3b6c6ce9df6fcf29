//! Which part of a FLUX.2 [klein] a file is, told by its header alone; and what is refused, with what to get instead.

use super::header::{Container, Element, Header};
use crate::model::error::{ModelError, Result};

/// A part of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The diffusion transformer.
    Transformer,
    /// Encoder and decoder between pictures and latents.
    Vae,
    /// The Qwen3 text encoder.
    TextEncoder,
}

impl Part {
    /// All parts.
    pub const ALL: [Part; 3] = [Part::Transformer, Part::Vae, Part::TextEncoder];

    /// In words, for messages.
    pub fn words(self) -> &'static str {
        match self {
            Part::Transformer => "the transformer",
            Part::Vae => "the autoencoder (VAE)",
            Part::TextEncoder => "the text encoder (Qwen3)",
        }
    }
}

/// Whose names a file's tensors have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Naming {
    /// Those of diffusers and transformers.
    Diffusers,
    /// Those of the single files, as the model's makers and ComfyUI publish them.
    Single,
    /// Those of llama.cpp, for text encoders.
    LlamaCpp,
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// The part.
    pub part: Part,
    /// Whose names its tensors have.
    pub naming: Naming,
    /// What stands before all names.
    pub prefix: String,
    /// The type that most of its bytes have.
    pub element: Element,
}

const PREFIXES: [&str; 4] = [
    "",
    "model.diffusion_model.",
    "diffusion_model.",
    "transformer.",
];
const VAE_PREFIXES: [&str; 4] = ["", "vae.", "first_stage_model.", "model."];
const TEXT_PREFIXES: [&str; 3] = ["model.", "", "text_encoder.model."];

/// Whether names ending in `ending` occur.
fn ends(header: &Header, ending: &str) -> bool {
    header.entries.keys().any(|name| name.ends_with(ending))
}

fn contains(header: &Header, part: &str) -> bool {
    header.entries.keys().any(|name| name.contains(part))
}

/// Tells what a file is; `None` if it is no part of a FLUX.2 [klein].
///
/// # Errors
/// If it is one, or a near relative, in a form that cannot be loaded: the sentence names what to get instead.
pub fn detect(header: &Header) -> Result<Option<Detected>> {
    let found = find(header);
    let Some((part, naming, prefix)) = found else {
        return unknown(header);
    };
    refuse(header, part)?;
    if part == Part::Transformer
        && (contains(header, "guidance_in.") || contains(header, "guidance_embedder."))
    {
        return Err(ModelError::Format(format!(
            "{} is FLUX.2 [dev], which this program does not run: get FLUX.2 [klein] 4B",
            header.name()
        )));
    }
    Ok(Some(Detected {
        part,
        naming,
        prefix: prefix.to_owned(),
        element: main_element(header),
    }))
}

fn find(header: &Header) -> Option<(Part, Naming, &'static str)> {
    let has = |name: String| {
        header.entries.contains_key(&name)
            // Quantisers that replace a weight keep its name's beginning.
            || header
                .entries
                .range(name.trim_end_matches("weight").to_owned()..)
                .next()
                .is_some_and(|(found, _)| found.starts_with(name.trim_end_matches("weight")))
    };
    for prefix in PREFIXES {
        for (naming, name) in [
            (Naming::Single, "single_stream_modulation.lin.weight"),
            (Naming::Diffusers, "single_stream_modulation.linear.weight"),
        ] {
            if has(format!("{prefix}{name}")) {
                return Some((Part::Transformer, naming, prefix));
            }
        }
    }
    for prefix in VAE_PREFIXES {
        // The batch norm of the latents tells FLUX.2's from all others.
        if has(format!("{prefix}bn.running_mean")) {
            for (naming, name) in [
                (Naming::Single, "decoder.mid.block_1.conv1.weight"),
                (
                    Naming::Diffusers,
                    "decoder.mid_block.resnets.0.conv1.weight",
                ),
            ] {
                if has(format!("{prefix}{name}")) {
                    return Some((Part::Vae, naming, prefix));
                }
            }
        }
    }
    // Gemma's layers begin like Qwen3's and have two norms more.
    if contains(header, ".pre_feedforward_layernorm.") || contains(header, ".post_ffw_norm.") {
        return None;
    }
    for prefix in TEXT_PREFIXES {
        if has(format!("{prefix}layers.0.self_attn.q_norm.weight"))
            && has(format!("{prefix}embed_tokens.weight"))
        {
            return Some((Part::TextEncoder, Naming::Diffusers, prefix));
        }
    }
    (has("blk.0.attn_q_norm.weight".into()) && has("token_embd.weight".into())).then_some((
        Part::TextEncoder,
        Naming::LlamaCpp,
        "",
    ))
}

/// Files that are no part, but that people confuse with one.
fn unknown(header: &Header) -> Result<Option<Detected>> {
    // SVDQuant merges the modulation and is told by its own names.
    if ends(header, ".wscales") || ends(header, ".smooth_factor") {
        return Err(svdquant(header));
    }
    if PREFIXES.iter().any(|p| {
        header
            .get(&format!("{p}double_blocks.0.img_mod.lin.weight"))
            .is_some()
    }) {
        return Err(ModelError::Format(format!(
            "{} is FLUX.1, which this program does not run: get FLUX.2 [klein] 4B",
            header.name()
        )));
    }
    Ok(None)
}

fn svdquant(header: &Header) -> ModelError {
    refused(
        header,
        "in SVDQuant (Nunchaku)",
        "the fp8 file or a GGUF of type Q4_K",
    )
}

fn refused(header: &Header, what: &str, instead: &str) -> ModelError {
    ModelError::Format(format!(
        "{} is stored {what}, which cannot be loaded here: get {instead} of the same model instead",
        header.name()
    ))
}

/// Storage that is not read.
fn refuse(header: &Header, part: Part) -> Result<()> {
    let four_bit = match part {
        Part::Transformer => "the fp8 file or a GGUF of type Q4_K",
        Part::TextEncoder => "the bf16 file, the fp8 file or a GGUF of type Q4_K",
        Part::Vae => "the bf16 file",
    };
    if contains(header, ".quant_state.bitsandbytes__")
        || ends(header, ".absmax")
        || ends(header, ".quant_map")
    {
        return Err(refused(header, "in bitsandbytes nf4", four_bit));
    }
    if ends(header, ".wscales") || ends(header, ".smooth_factor") || ends(header, ".qweight") {
        return Err(svdquant(header));
    }
    // ComfyUI marks fp8 weights as well, and those are no bytes.
    let packed = || {
        let weights = header.entries.iter();
        weights
            .filter(|(name, _)| name.ends_with(".weight"))
            .any(|(_, entry)| entry.stored == "U8")
    };
    if ends(header, ".weight_scale_2") || ends(header, ".comfy_quant") && packed() {
        return Err(refused(header, "in nvfp4", four_bit));
    }
    for (name, entry) in &header.entries {
        match entry.element {
            Element::Ggml(16..=23 | 29) => {
                return Err(refused(
                    header,
                    "in a GGUF type of the IQ family",
                    "a GGUF of type Q4_K, Q5_K, Q6_K or Q8_0",
                ));
            }
            Element::Ggml(_) if entry.element.block().is_none() => {
                return Err(refused(
                    header,
                    &format!("in the GGUF type {}", entry.stored),
                    "a GGUF of type Q4_K, Q5_K, Q6_K or Q8_0",
                ));
            }
            Element::Other if name.ends_with(".weight") => {
                return Err(refused(
                    header,
                    &format!("with elements of type {}", entry.stored),
                    "the bf16 file or the fp8 file (E4M3)",
                ));
            }
            _ => {}
        }
    }
    if header.container == Container::Gguf && part == Part::Vae {
        return Err(refused(header, "as GGUF", "the safetensors file"));
    }
    Ok(())
}

/// The width of the texts that a transformer takes: three times that of its text encoder.
pub fn context_width(header: &Header) -> Option<usize> {
    side(header, &["txt_in.weight", "context_embedder.weight"], 1)
}

/// The width of a text encoder.
pub fn text_width(header: &Header) -> Option<usize> {
    side(header, &["embed_tokens.weight", "token_embd.weight"], 1)
}

/// The width of a transformer.
pub fn transformer_width(header: &Header) -> Option<usize> {
    side(header, &["img_in.weight", "x_embedder.weight"], 0)
}

fn side(header: &Header, endings: &[&str], axis: usize) -> Option<usize> {
    let found = header.entries.iter().find(|(name, _)| {
        let is = |ending: &&str| name.ends_with(ending);
        endings.iter().any(is)
    });
    found.and_then(|(_, entry)| entry.shape.get(axis).copied())
}

fn main_element(header: &Header) -> Element {
    let mut sums: Vec<(Element, u64)> = Vec::new();
    for entry in header.entries.values() {
        match sums
            .iter_mut()
            .find(|(element, _)| *element == entry.element)
        {
            Some((_, sum)) => *sum += entry.bytes,
            None => sums.push((entry.element, entry.bytes)),
        }
    }
    sums.into_iter()
        .max_by_key(|(_, sum)| *sum)
        .map_or(Element::Other, |(element, _)| element)
}
