//! The text encoder: Qwen3 (Yang et al. 2025) without its last layers, read out at three depths; its tokenizer with
//! the chat template around the prompt.

use std::path::{Path, PathBuf};

use candle_core::{D, DType, Device, Tensor};
use tokenizers::Tokenizer;

use super::archive::Archive;
use super::attention::{attend, join_heads, rms_norm, split_heads};
use super::detect::{Naming, Part};
use super::linear::{Compute, Linear};
use crate::model::error::{ModelError, Result, check_cancel};

/// Tokens of every prompt: shorter ones are padded, longer ones are cut.
pub const TEXT_TOKENS: usize = 512;
/// The angles' base.
const THETA: f64 = 1e6;
/// ε of all norms.
const EPS: f64 = 1e-6;
const PADDING: &str = "<|endoftext|>";

/// A prompt as token ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextTokens {
    /// The ids, padded to their length.
    pub ids: Vec<u32>,
    /// How many of them are no padding.
    pub real: usize,
    /// How many tokens were cut off.
    pub cut: usize,
}

/// The tokenizer of Qwen3.
pub struct ChatTokenizer {
    tokenizer: Tokenizer,
    padding: u32,
}

impl ChatTokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`ModelError::File`] if it cannot be read, [`ModelError::Damaged`] if it is no tokenizer of Qwen3.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(path).map_err(|e| super::header::unreadable(path, &e.to_string()))?;
        let damaged = |reason: String| super::header::damaged(path, reason);
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|e| damaged(e.to_string()))?;
        // Files saved in use keep both, and what is cut and padded would count as prompt.
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|e| damaged(e.to_string()))?;
        let padding = tokenizer
            .token_to_id(PADDING)
            .ok_or_else(|| damaged(format!("it has no token {PADDING}, so it is not Qwen3's")))?;
        Ok(Self { tokenizer, padding })
    }

    /// How many tokens it knows.
    pub fn size(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// The chat that the model was trained on, with thinking turned off.
    pub fn chat(prompt: &str) -> String {
        format!(
            "<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
        )
    }

    /// The ids of a prompt: chat template, cut and padded on the right to `length`.
    ///
    /// # Errors
    /// [`ModelError::Input`] if it cannot be split into tokens.
    pub fn tokenize(&self, prompt: &str, length: usize) -> Result<TextTokens> {
        let encoding = self
            .tokenizer
            .encode(Self::chat(prompt), true)
            .map_err(|e| {
                ModelError::Input(format!(
                    "the prompt cannot be split into tokens ({e}): write it differently"
                ))
            })?;
        let mut ids = encoding.get_ids().to_vec();
        let cut = ids.len().saturating_sub(length);
        ids.truncate(length);
        let real = ids.len();
        ids.resize(length, self.padding);
        Ok(TextTokens { ids, real, cut })
    }
}

/// Sizes, all read off the weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextEncoderConfig {
    /// Width of a token.
    pub width: usize,
    /// Width of the feed-forward networks.
    pub mlp: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Dimensions of a head.
    pub head_dim: usize,
    /// Layers of the whole model; those behind the last tap are not loaded.
    pub layers: usize,
    /// Known tokens.
    pub vocabulary: usize,
}

impl TextEncoderConfig {
    /// The hidden states that make up the embedding: the outputs of as many layers. 9, 18 and 27 for the 36 layers
    /// of Qwen3-4B and 8B.
    pub fn taps(&self) -> [usize; 3] {
        [1, 2, 3].map(|i| (self.layers * i / 4).max(1))
    }

    fn of(archive: &Archive) -> Result<Self> {
        let names = Names(archive.detected.naming);
        let shape = |name: &str| -> Result<[usize; 2]> {
            match archive.shape(name)?[..] {
                [rows, columns] => Ok([rows, columns]),
                _ => Err(archive.wrong(name, "it must be a matrix")),
            }
        };
        let embed = names.embed();
        let [vocabulary, width] = shape(&embed)?;
        let q_norm = names.layer(0, "self_attn.q_norm");
        let head_dim = archive.shape(&q_norm)?.first().copied().unwrap_or(0);
        let [q, _] = shape(&names.layer(0, "self_attn.q_proj"))?;
        let [k, _] = shape(&names.layer(0, "self_attn.k_proj"))?;
        let [mlp, _] = shape(&names.layer(0, "mlp.gate_proj"))?;
        let fits = head_dim > 0
            && head_dim.is_multiple_of(2)
            && q.is_multiple_of(head_dim)
            && k.is_multiple_of(head_dim)
            && k > 0
            && q > 0
            && q.is_multiple_of(k);
        if !fits {
            return Err(archive.wrong(&q_norm, "the heads around it make no sense"));
        }
        Ok(Self {
            width,
            mlp,
            heads: q / head_dim,
            kv_heads: k / head_dim,
            head_dim,
            layers: archive.count(|n| names.layer(n, "self_attn.q_norm")),
            vocabulary,
        })
    }
}

/// The tensors' names in a naming.
struct Names(Naming);

impl Names {
    fn embed(&self) -> String {
        match self.0 {
            Naming::LlamaCpp => "token_embd.weight".into(),
            _ => "embed_tokens.weight".into(),
        }
    }

    fn layer(&self, n: usize, name: &str) -> String {
        if self.0 != Naming::LlamaCpp {
            return format!("layers.{n}.{name}.weight");
        }
        let short = match name {
            "self_attn.q_proj" => "attn_q",
            "self_attn.k_proj" => "attn_k",
            "self_attn.v_proj" => "attn_v",
            "self_attn.o_proj" => "attn_output",
            "self_attn.q_norm" => "attn_q_norm",
            "self_attn.k_norm" => "attn_k_norm",
            "input_layernorm" => "attn_norm",
            "post_attention_layernorm" => "ffn_norm",
            "mlp.gate_proj" => "ffn_gate",
            "mlp.up_proj" => "ffn_up",
            "mlp.down_proj" => "ffn_down",
            other => other,
        };
        format!("blk.{n}.{short}.weight")
    }
}

struct Layer {
    attention_norm: Tensor,
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    q_norm: Tensor,
    k_norm: Tensor,
    mlp_norm: Tensor,
    gate: Linear,
    up: Linear,
    down: Linear,
}

/// The encoder.
pub struct TextEncoder {
    config: TextEncoderConfig,
    compute: Compute,
    /// On the processor: a prompt needs few of its rows.
    embed: Linear,
    layers: Vec<Layer>,
}

impl TextEncoder {
    /// Loads the files of a text encoder up to the last layer that is needed. `progress` is told the share read.
    ///
    /// # Errors
    /// If a file cannot be read, is damaged or is no text encoder, the device has no room, or `cancel` says so.
    pub fn load(
        paths: &[PathBuf],
        compute: &Compute,
        cancel: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(f32),
    ) -> Result<Self> {
        let mut archive = Archive::open(paths, Part::TextEncoder)?;
        let a = &mut archive;
        let c = TextEncoderConfig::of(a)?;
        let names = Names(a.detected.naming);
        let host = Compute::on_processor();
        let embed = a.linear(&names.embed(), c.vocabulary, c.width, &host)?;
        let (q, kv) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
        let needed = c.taps()[2];
        let mut layers = Vec::with_capacity(needed);
        for n in 0..needed {
            check_cancel(cancel)?;
            progress(n as f32 / needed as f32);
            let mut matrix = |name: &str, rows: usize, columns: usize| {
                a.linear(&names.layer(n, name), rows, columns, compute)
            };
            let (q_proj, k_proj) = (
                matrix("self_attn.q_proj", q, c.width)?,
                matrix("self_attn.k_proj", kv, c.width)?,
            );
            let (v, o) = (
                matrix("self_attn.v_proj", kv, c.width)?,
                matrix("self_attn.o_proj", c.width, q)?,
            );
            let gate = matrix("mlp.gate_proj", c.mlp, c.width)?;
            let up = matrix("mlp.up_proj", c.mlp, c.width)?;
            let down = matrix("mlp.down_proj", c.width, c.mlp)?;
            let mut norm = |name: &str, length: usize| {
                a.vector(&names.layer(n, name), length, &compute.device)
            };
            layers.push(Layer {
                attention_norm: norm("input_layernorm", c.width)?,
                q_norm: norm("self_attn.q_norm", c.head_dim)?,
                k_norm: norm("self_attn.k_norm", c.head_dim)?,
                mlp_norm: norm("post_attention_layernorm", c.width)?,
                q: q_proj,
                k: k_proj,
                v,
                o,
                gate,
                up,
                down,
            });
        }
        progress(1.0);
        Ok(Self {
            config: c,
            compute: compute.clone(),
            embed,
            layers,
        })
    }

    /// Its sizes.
    pub fn config(&self) -> &TextEncoderConfig {
        &self.config
    }

    /// Bytes that its matrices take.
    pub fn bytes(&self) -> u64 {
        let layers = self.layers.iter().flat_map(|l| {
            [&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down]
                .into_iter()
                .map(Linear::bytes)
        });
        self.embed.bytes() + layers.sum::<u64>()
    }

    /// The embedding of a prompt, `[1, tokens, 3·width]`, in f32: the hidden states at the taps side by side.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn encode(&self, tokens: &TextTokens, cancel: &dyn Fn() -> bool) -> Result<Tensor> {
        let taps = self.config.taps();
        let mut states = Vec::with_capacity(3);
        self.run(tokens, cancel, &mut |depth, state| {
            // Small models may name a layer twice.
            for _ in taps.iter().filter(|tap| **tap == depth) {
                states.push(state.to_dtype(DType::F32)?);
            }
            Ok(())
        })?;
        Ok(Tensor::cat(&states, D::Minus1)?)
    }

    /// Tells hidden states: 0 is the embedding of the tokens, k the output of the k-th layer.
    ///
    /// # Errors
    /// [`ModelError::Format`] for an id that the encoder does not know; what `tell` says; or if the device fails, or
    /// `cancel` says so.
    pub fn run(
        &self,
        tokens: &TextTokens,
        cancel: &dyn Fn() -> bool,
        tell: &mut dyn FnMut(usize, &Tensor) -> Result<()>,
    ) -> Result<()> {
        let c = &self.config;
        let (count, device) = (tokens.ids.len(), &self.compute.device);
        if let Some(id) = tokens.ids.iter().find(|id| **id as usize >= c.vocabulary) {
            return Err(ModelError::Format(format!(
                "the tokenizer knows token {id} and the text encoder only {}: they belong to different models",
                c.vocabulary
            )));
        }
        let ids = Tensor::new(tokens.ids.as_slice(), &Device::Cpu)?;
        // Qwen3's hidden states and the products in its networks go past the largest half-precision value.
        let dtype = match self.compute.dtype {
            DType::F16 => DType::F32,
            other => other,
        };
        let mut x = self
            .embed
            .rows(&ids)?
            .to_dtype(dtype)?
            .to_device(device)?
            .unsqueeze(0)?;
        tell(0, &x)?;
        let bias = mask(count, tokens.real, device)?;
        let (cos, sin) = angles(count, c.head_dim, device)?;
        let turn = |x: &Tensor| -> Result<Tensor> {
            let y = x.to_dtype(DType::F32)?.contiguous()?;
            Ok(candle_nn::rotary_emb::rope(&y, &cos, &sin)?.to_dtype(x.dtype())?)
        };
        let groups = c.heads / c.kv_heads;
        let shared = |x: Tensor| -> Result<Tensor> {
            let (b, h, n, d) = x.dims4()?;
            Ok(x.unsqueeze(2)?
                .broadcast_as((b, h, groups, n, d))?
                .reshape((b, h * groups, n, d))?)
        };
        for (n, layer) in self.layers.iter().enumerate() {
            check_cancel(cancel)?;
            let h = rms_norm(&x, &layer.attention_norm, EPS)?;
            let q = split_heads(&layer.q.forward(&h)?, c.heads)?;
            let k = split_heads(&layer.k.forward(&h)?, c.kv_heads)?;
            let v = split_heads(&layer.v.forward(&h)?, c.kv_heads)?;
            let q = turn(&rms_norm(&q, &layer.q_norm, EPS)?)?;
            let k = shared(turn(&rms_norm(&k, &layer.k_norm, EPS)?)?)?;
            let y = join_heads(&attend(&q, &k, &shared(v)?, Some(&bias))?)?;
            x = (x + layer.o.forward(&y)?)?;
            let h = rms_norm(&x, &layer.mlp_norm, EPS)?;
            let h = (layer.gate.forward(&h)?.silu()? * layer.up.forward(&h)?)?;
            x = (x + layer.down.forward(&h)?)?;
            tell(n + 1, &x)?;
        }
        Ok(())
    }
}

/// 0 where a token may look and −∞ elsewhere: at itself and before, and never at padding.
fn mask(tokens: usize, real: usize, device: &Device) -> Result<Tensor> {
    let mut values = vec![f32::NEG_INFINITY; tokens * tokens];
    for (row, line) in values.chunks_exact_mut(tokens.max(1)).enumerate() {
        line[..(row + 1).min(real.max(1))].fill(0.0);
    }
    Ok(Tensor::from_vec(values, (tokens, tokens), device)?)
}

/// Cosines and sines of positions, for pairs half a head apart.
fn angles(tokens: usize, head_dim: usize, device: &Device) -> Result<(Tensor, Tensor)> {
    let half = head_dim / 2;
    let values: Vec<f32> = (0..tokens)
        .flat_map(|p| {
            (0..half).map(move |j| {
                // In f32, as the model was trained.
                let frequency = 1.0 / (THETA as f32).powf(2.0 * j as f32 / head_dim as f32);
                p as f32 * frequency
            })
        })
        .collect();
    let angles = Tensor::from_vec(values, (tokens, half), device)?;
    Ok((angles.cos()?, angles.sin()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_never_looked_at() {
        let mask = mask(4, 2, &Device::Cpu).unwrap();
        let open: Vec<Vec<bool>> = mask
            .to_vec2::<f32>()
            .unwrap()
            .into_iter()
            .map(|row| row.into_iter().map(|v| v == 0.0).collect())
            .collect();
        assert_eq!(
            open,
            [
                [true, false, false, false],
                [true, true, false, false],
                [true, true, false, false],
                [true, true, false, false]
            ]
        );
    }

    #[test]
    fn the_taps_of_the_real_encoder_are_9_18_and_27() {
        let config = TextEncoderConfig {
            width: 2560,
            mlp: 9728,
            heads: 32,
            kv_heads: 8,
            head_dim: 128,
            layers: 36,
            vocabulary: 151_936,
        };
        assert_eq!(config.taps(), [9, 18, 27]);
    }
}
