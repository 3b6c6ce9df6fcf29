//! The text encoder: a unigram tokenizer with byte fallback and a T5 encoder (Raffel et al. 2020).

use candle_core::{DType, Device, Tensor};
use candle_nn::{Activation, VarBuilder};
use candle_transformers::models::t5;
use tokenizers::Tokenizer;

use super::config::{MAX_TEXT_TOKENS, TextConfig};
use super::error::{ModelError, Result};
use super::weights::{TOKENIZER_FILE, Tensors};

/// `</s>`.
pub const END: u32 = 1;
/// The id of IMG1; IMG2 … IMG8 and then RES1 … RES4 follow.
pub const FIRST_PICTURE: u32 = 3;

/// A prompt as token ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The ids, `</s>` last.
    pub ids: Vec<u32>,
    /// How many tokens were cut off to keep to [`MAX_TEXT_TOKENS`].
    pub cut: usize,
}

/// Tokenizer and encoder.
pub struct TextEncoder {
    tokenizer: Tokenizer,
    encoder: t5::T5EncoderModel,
    device: Device,
}

impl TextEncoder {
    /// From checked tensors.
    ///
    /// # Errors
    /// [`ModelError::Damaged`] for a tokenizer that can't be read, has more tokens than the encoder, or has others in
    /// the first places; what candle says of tensors that are missing.
    pub fn new(
        config: &TextConfig,
        tokenizer: &[u8],
        tensors: &Tensors,
        device: &Device,
    ) -> Result<Self> {
        let damaged = |reason: String| ModelError::Damaged {
            file: TOKENIZER_FILE.into(),
            reason,
        };
        let tokenizer = Tokenizer::from_bytes(tokenizer).map_err(|e| damaged(e.to_string()))?;
        let entries = tokenizer.get_vocab_size(true);
        if entries > config.vocab_size {
            return Err(damaged(format!(
                "it has {entries} tokens, the text encoder {}",
                config.vocab_size
            )));
        }
        let named = (1..=8)
            .map(|n| format!("IMG{n}"))
            .chain((1..=4).map(|n| format!("RES{n}")));
        for (name, id) in ["<pad>", "</s>", "<unk>"]
            .map(String::from)
            .into_iter()
            .chain(named)
            .zip(0..)
        {
            if tokenizer.token_to_id(&name) != Some(id) {
                return Err(damaged(format!("{name} must be token {id}")));
            }
        }
        let builder = VarBuilder::from_tensors(tensors.clone(), DType::F32, device);
        let encoder = t5::T5EncoderModel::load(builder, &t5_config(config))?;
        Ok(Self {
            tokenizer,
            encoder,
            device: device.clone(),
        })
    }

    /// The ids of a prompt. No template; `</s>` is appended; an empty prompt is `</s>` alone.
    ///
    /// # Errors
    /// [`ModelError::Input`] if it can't be split into tokens.
    pub fn tokenize(&self, text: &str) -> Result<Tokens> {
        let encoding = self.tokenizer.encode(text, false).map_err(|e| {
            ModelError::Input(format!(
                "the prompt cannot be split into tokens ({e}): write it differently"
            ))
        })?;
        let mut ids = encoding.get_ids().to_vec();
        let kept = ids.len().min(MAX_TEXT_TOKENS - 1);
        let cut = ids.len() - kept;
        ids.truncate(kept);
        ids.push(END);
        Ok(Tokens { ids, cut })
    }

    /// The encoder's states, `[tokens, d_model]`.
    ///
    /// # Errors
    /// What candle says, if an id is beyond the vocabulary or the device fails.
    pub fn encode(&mut self, ids: &[u32]) -> Result<Tensor> {
        let ids = Tensor::new(ids, &self.device)?.unsqueeze(0)?;
        Ok(self.encoder.forward(&ids)?.squeeze(0)?.contiguous()?)
    }
}

fn t5_config(config: &TextConfig) -> t5::Config {
    t5::Config {
        vocab_size: config.vocab_size,
        d_model: config.d_model,
        d_kv: config.d_kv,
        d_ff: config.d_ff,
        num_layers: config.num_layers,
        num_heads: config.num_heads,
        relative_attention_num_buckets: config.relative_attention_num_buckets,
        relative_attention_max_distance: config.relative_attention_max_distance,
        layer_norm_epsilon: config.layer_norm_epsilon,
        feed_forward_proj: t5::ActivationWithOptionalGating {
            gated: true,
            activation: Activation::NewGelu,
        },
        is_encoder_decoder: false,
        use_cache: false,
        ..t5::Config::default()
    }
}
