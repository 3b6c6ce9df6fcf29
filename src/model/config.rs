//! The configuration of a model of the family `unireal`.

use serde::{Deserialize, Serialize};

use super::error::{ModelError, Result};
use super::spec;

/// The format number that this program reads and writes.
pub const FORMAT: u32 = 1;
/// The family's name in config.json.
pub const FAMILY: &str = "unireal";
/// Latent cells along each side of a token.
pub const PATCH: usize = 2;
/// Pixels per latent cell along a side.
pub const DOWNSCALE: usize = 8;
/// Pixels per token along a side.
pub const TOKEN: usize = PATCH * DOWNSCALE;
/// The base of the rotary embedding's frequencies.
pub const ROPE_THETA: f64 = 100.0;
/// Width of the sinusoid that stands for the time.
pub const TIME_FEATURES: usize = 256;
/// The added constant in every RMS norm of the transformer.
pub const RMS_EPS: f32 = 1e-6;
/// Tokens of a prompt at most, `</s>` included.
pub const MAX_TEXT_TOKENS: usize = 256;

/// config.json: everything about a model but its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// [`FORMAT`].
    pub format: u32,
    /// [`FAMILY`].
    pub family: String,
    /// The preset's name, as a label.
    pub preset: String,
    /// Side in pixels of a square picture of the area that the model was trained at.
    pub resolution: u32,
    /// The autoencoder.
    pub autoencoder: AutoencoderConfig,
    /// The text encoder.
    pub text: TextConfig,
    /// The transformer.
    pub transformer: TransformerConfig,
    /// The sampling schedule.
    pub schedule: ScheduleConfig,
    /// The light model, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub light: Option<LightConfig>,
    /// rgb (0..1) = M · [z; 1]: three rows of `latent_channels + 1` values.
    pub latent_rgb: Vec<Vec<f32>>,
}

/// The convolutional autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutoencoderConfig {
    /// `conv`, the only kind so far.
    pub kind: String,
    /// Channels of the latent.
    pub latent_channels: usize,
    /// The encoder.
    pub encoder: EncoderConfig,
    /// The decoder.
    pub decoder: DecoderConfig,
}

/// Widths and block counts of the encoder, finest first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EncoderConfig {
    /// Channels at a quarter of the picture's size.
    pub c1: usize,
    /// Residual blocks there.
    pub n1: usize,
    /// Channels at an eighth.
    pub c2: usize,
    /// Residual blocks there.
    pub n2: usize,
}

/// Widths and block counts of the decoder, coarsest first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecoderConfig {
    /// Channels at an eighth of the picture's size.
    pub c2: usize,
    /// Residual blocks there.
    pub n2: usize,
    /// Channels at a quarter.
    pub c1: usize,
    /// Residual blocks there.
    pub n1: usize,
    /// Channels at half the picture's size.
    pub c0: usize,
    /// Residual blocks there.
    pub n0: usize,
}

/// Widths and block counts of the light model, finest first: at half the picture's size, a quarter, an eighth, a
/// sixteenth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LightConfig {
    /// Channels at half the picture's size.
    pub c0: usize,
    /// Residual blocks there, on either way.
    pub n0: usize,
    /// Channels at a quarter.
    pub c1: usize,
    /// Residual blocks there, on either way.
    pub n1: usize,
    /// Channels at an eighth.
    pub c2: usize,
    /// Residual blocks there, on either way.
    pub n2: usize,
    /// Channels at a sixteenth.
    pub c3: usize,
    /// Residual blocks there.
    pub n3: usize,
}

/// A T5 encoder, in the words of Hugging Face's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextConfig {
    /// Rows of the token embedding.
    pub vocab_size: usize,
    /// Width.
    pub d_model: usize,
    /// Width of one head.
    pub d_kv: usize,
    /// Hidden width of the feed-forward part.
    pub d_ff: usize,
    /// Layers.
    pub num_layers: usize,
    /// Heads.
    pub num_heads: usize,
    /// Buckets of the relative position bias.
    #[serde(default = "default_buckets")]
    pub relative_attention_num_buckets: usize,
    /// Distance from which on all positions share a bucket.
    #[serde(default = "default_distance")]
    pub relative_attention_max_distance: usize,
    /// The constant in the norms.
    #[serde(default = "default_epsilon")]
    pub layer_norm_epsilon: f64,
    /// `gated-gelu`, the only kind so far.
    #[serde(default = "default_projection")]
    pub feed_forward_proj: String,
}

pub(super) fn default_buckets() -> usize {
    32
}
pub(super) fn default_distance() -> usize {
    128
}
pub(super) fn default_epsilon() -> f64 {
    1e-6
}
pub(super) fn default_projection() -> String {
    "gated-gelu".into()
}

/// Who attends to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttentionKind {
    /// Every token to every token, as published.
    Full,
    /// Text to text, each input picture to itself, outputs to everything: keys and values of text and inputs
    /// are computed once.
    Cached,
}

/// What the last layer gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prediction {
    /// The clean latent.
    X0,
    /// The velocity ε − x0.
    Velocity,
}

/// The transformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransformerConfig {
    /// Width of a token.
    pub width: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Hidden width of the SwiGLU part.
    pub mlp: usize,
    /// Who attends to whom.
    pub attention: AttentionKind,
    /// What the last layer gives.
    pub prediction: Prediction,
    /// Standard deviation, by latent channel, of what the network adds to the placement or else the canvas, from
    /// which the first output starts; empty for networks that give plain outputs.
    #[serde(default)]
    pub residual: Vec<f32>,
    /// Input pictures at most.
    #[serde(default = "default_inputs")]
    pub max_inputs: usize,
    /// Joint outputs at most.
    #[serde(default = "default_outputs")]
    pub max_outputs: usize,
}

pub(super) fn default_inputs() -> usize {
    8
}
pub(super) fn default_outputs() -> usize {
    4
}

impl TransformerConfig {
    /// Width of one head.
    pub fn head_dim(&self) -> usize {
        self.width / self.heads
    }
}

/// The sampling schedule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleConfig {
    /// s in t' = s·t / (1 + (s − 1)·t).
    pub shift: f64,
    /// Steps to use when nobody has chosen.
    pub steps: u32,
    /// Standard deviation, in RGB 0..1, of the noise that sampling leaves in pictures; 0 if it leaves none.
    #[serde(default)]
    pub grain: f64,
}

/// How many numbers a model learns, by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ParameterCounts {
    /// The autoencoder.
    pub autoencoder: usize,
    /// The text encoder.
    pub text: usize,
    /// The transformer.
    pub transformer: usize,
    /// The light model; 0 without one.
    pub light: usize,
}

impl ParameterCounts {
    /// All parts together.
    pub fn total(&self) -> usize {
        self.autoencoder + self.text + self.transformer + self.light
    }
}

/// Checks sizes by name against their least and most.
fn within(sizes: &[(&str, usize, usize, usize)]) -> Result<()> {
    for &(name, value, low, high) in sizes {
        if value < low || value > high {
            let wanted = if low == high {
                format!("{low}")
            } else {
                format!("{low} to {high}")
            };
            return Err(ModelError::Config(format!(
                "{name} is {value}, expected {wanted}"
            )));
        }
    }
    Ok(())
}

impl Default for AutoencoderConfig {
    fn default() -> Self {
        Self {
            kind: "conv".into(),
            latent_channels: 32,
            encoder: EncoderConfig {
                c1: 64,
                n1: 2,
                c2: 160,
                n2: 3,
            },
            decoder: DecoderConfig {
                c2: 160,
                n2: 4,
                c1: 96,
                n1: 3,
                c0: 48,
                n0: 2,
            },
        }
    }
}

impl Config {
    /// Reads and checks config.json.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is no such JSON, or as [`Self::validate`].
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let config: Config =
            serde_json::from_slice(bytes).map_err(|e| ModelError::Config(e.to_string()))?;
        config.validate()?;
        Ok(config)
    }

    /// Checks that the numbers fit together.
    ///
    /// # Errors
    /// [`ModelError::Config`] for the first entry that is wrong.
    pub fn validate(&self) -> Result<()> {
        let fail = |text: String| Err(ModelError::Config(text));
        if self.format != FORMAT {
            return fail(format!(
                "format is {}, this program reads {FORMAT}: update the program or the model",
                self.format
            ));
        }
        if self.family != FAMILY {
            return fail(format!(
                "family is {:?}, this program knows {FAMILY:?}",
                self.family
            ));
        }
        if self.resolution == 0
            || !self.resolution.is_multiple_of(TOKEN as u32)
            || self.resolution > 4096
        {
            return fail(format!(
                "resolution is {}, expected a multiple of {TOKEN} up to 4096",
                self.resolution
            ));
        }
        self.validate_sizes()?;
        self.validate_light()?;
        let a = &self.autoencoder;
        if a.kind != "conv" {
            return fail(format!(
                "autoencoder.kind is {:?}, this program knows \"conv\"",
                a.kind
            ));
        }
        let t = &self.text;
        if t.feed_forward_proj != "gated-gelu" {
            return fail(format!(
                "text.feed_forward_proj is {:?}, this program knows \"gated-gelu\"",
                t.feed_forward_proj
            ));
        }
        if !(t.layer_norm_epsilon > 0.0 && t.layer_norm_epsilon < 1.0) {
            return fail(format!(
                "text.layer_norm_epsilon is {}, expected a small positive number",
                t.layer_norm_epsilon
            ));
        }
        if !t.relative_attention_num_buckets.is_multiple_of(4)
            || t.relative_attention_max_distance <= t.relative_attention_num_buckets / 4
        {
            return fail("text.relative_attention_num_buckets must be a multiple of 4, and text.relative_attention_max_distance larger than a quarter of it".into());
        }
        let m = &self.transformer;
        if !m.width.is_multiple_of(m.heads) || !m.head_dim().is_multiple_of(4) {
            return fail(format!(
                "transformer.width {} does not divide into {} heads of a multiple of 4",
                m.width, m.heads
            ));
        }
        let s = &self.schedule;
        if !(s.shift.is_finite() && s.shift > 0.0) {
            return fail(format!(
                "schedule.shift is {}, expected a positive number",
                s.shift
            ));
        }
        if s.steps == 0 || s.steps > 1000 {
            return fail(format!("schedule.steps is {}, expected 1 to 1000", s.steps));
        }
        if !(0.0..=0.5).contains(&s.grain) {
            return fail(format!("schedule.grain is {}, expected 0 to 0.5", s.grain));
        }
        if self.latent_rgb.len() != 3
            || self
                .latent_rgb
                .iter()
                .any(|row| row.len() != a.latent_channels + 1)
        {
            return fail(format!(
                "latent_rgb must have 3 rows of {} numbers",
                a.latent_channels + 1
            ));
        }
        if self.latent_rgb.iter().flatten().any(|v| !v.is_finite()) {
            return fail("latent_rgb holds a number that is not finite".into());
        }
        Ok(())
    }

    /// Bounds that keep every size computable; a file may say anything.
    fn validate_light(&self) -> Result<()> {
        let Some(l) = &self.light else {
            return Ok(());
        };
        let sizes = [
            ("light.c0", l.c0, 1, 4096),
            ("light.c1", l.c1, 1, 4096),
            ("light.c2", l.c2, 1, 4096),
            ("light.c3", l.c3, 1, 4096),
            ("light.n0", l.n0, 0, 64),
            ("light.n1", l.n1, 0, 64),
            ("light.n2", l.n2, 0, 64),
            ("light.n3", l.n3, 0, 64),
        ];
        within(&sizes)
    }

    fn validate_sizes(&self) -> Result<()> {
        let residual = &self.transformer.residual;
        let fits = residual.is_empty() || residual.len() == self.autoencoder.latent_channels;
        if !fits || residual.iter().any(|x| !x.is_finite() || *x <= 0.0) {
            return Err(ModelError::Config(format!(
                "transformer.residual has {} values, expected none or {} positive ones",
                residual.len(),
                self.autoencoder.latent_channels
            )));
        }
        let (a, t, m) = (&self.autoencoder, &self.text, &self.transformer);
        let (e, d) = (&a.encoder, &a.decoder);
        let sizes = [
            ("autoencoder.latent_channels", a.latent_channels, 1, 256),
            ("autoencoder.encoder.c1", e.c1, 1, 4096),
            ("autoencoder.encoder.n1", e.n1, 0, 64),
            ("autoencoder.encoder.c2", e.c2, 1, 4096),
            ("autoencoder.encoder.n2", e.n2, 0, 64),
            ("autoencoder.decoder.c2", d.c2, 1, 4096),
            ("autoencoder.decoder.n2", d.n2, 0, 64),
            ("autoencoder.decoder.c1", d.c1, 1, 4096),
            ("autoencoder.decoder.n1", d.n1, 0, 64),
            ("autoencoder.decoder.c0", d.c0, 1, 4096),
            ("autoencoder.decoder.n0", d.n0, 0, 64),
            ("text.vocab_size", t.vocab_size, spec::FIRST_WORD, 1 << 20),
            ("text.d_model", t.d_model, 1, 16384),
            ("text.d_kv", t.d_kv, 1, 1024),
            ("text.d_ff", t.d_ff, 1, 65536),
            ("text.num_layers", t.num_layers, 1, 128),
            ("text.num_heads", t.num_heads, 1, 128),
            (
                "text.relative_attention_num_buckets",
                t.relative_attention_num_buckets,
                4,
                1024,
            ),
            (
                "text.relative_attention_max_distance",
                t.relative_attention_max_distance,
                2,
                65536,
            ),
            ("transformer.width", m.width, 4, 16384),
            ("transformer.layers", m.layers, 1, 256),
            ("transformer.heads", m.heads, 1, 256),
            ("transformer.mlp", m.mlp, 1, 65536),
            ("transformer.max_inputs", m.max_inputs, 8, 8),
            ("transformer.max_outputs", m.max_outputs, 4, 4),
        ];
        within(&sizes)
    }

    /// How many numbers each part learns.
    pub fn parameters(&self) -> ParameterCounts {
        let count = |tensors: Vec<spec::TensorSpec>| {
            tensors
                .iter()
                .map(|t| t.shape.iter().product::<usize>())
                .sum()
        };
        ParameterCounts {
            autoencoder: count(spec::autoencoder(self)),
            text: count(spec::text(self)),
            transformer: count(spec::transformer(self)),
            light: count(self.light.as_ref().map(spec::light).unwrap_or_default()),
        }
    }

    /// [`Config::latent_rgb`] by column: for each latent channel and last the constant, what it adds to red,
    /// green and blue.
    pub fn latent_rgb_columns(&self) -> Vec<[f32; 3]> {
        let channels = self.autoencoder.latent_channels;
        (0..=channels)
            .map(|c| std::array::from_fn(|row| self.latent_rgb[row][c]))
            .collect()
    }
}
