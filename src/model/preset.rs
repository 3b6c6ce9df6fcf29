//! The presets: sizes that models are trained at.

use super::config::{
    AttentionKind, AutoencoderConfig, Config, FAMILY, FORMAT, Prediction, ScheduleConfig,
    TextConfig, TransformerConfig, default_buckets, default_distance, default_epsilon,
    default_inputs, default_outputs, default_projection,
};
use super::error::{ModelError, Result};

/// A row of the table of presets.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The name.
    pub name: &'static str,
    /// What it is meant for.
    pub about: &'static str,
    /// Training resolution.
    pub resolution: u32,
    /// Transformer width.
    pub width: usize,
    /// Transformer layers.
    pub layers: usize,
    /// Transformer heads.
    pub heads: usize,
    /// SwiGLU width.
    pub mlp: usize,
    /// Text encoder: width, layers, feed-forward width; its heads are 32 wide.
    pub text: [usize; 3],
    /// Rows of the text embedding.
    pub vocabulary: usize,
    /// Schedule shift.
    pub shift: f64,
}

/// The presets, smallest first. The autoencoder is the same in all.
pub const PRESETS: [Preset; 4] = [
    Preset {
        name: "nano-s",
        about: "trainable on a CPU at 128 px",
        resolution: 128,
        width: 256,
        layers: 6,
        heads: 4,
        mlp: 512,
        text: [128, 2, 320],
        vocabulary: 1536,
        shift: 0.6,
    },
    Preset {
        name: "nano",
        about: "fast on any computer",
        resolution: 256,
        width: 384,
        layers: 12,
        heads: 6,
        mlp: 1024,
        text: [192, 4, 512],
        vocabulary: 1536,
        shift: 1.0,
    },
    Preset {
        name: "small",
        about: "for one GPU",
        resolution: 512,
        width: 768,
        layers: 16,
        heads: 12,
        mlp: 2048,
        text: [384, 6, 1024],
        vocabulary: 8192,
        shift: 2.0,
    },
    Preset {
        name: "base",
        about: "for several GPUs",
        resolution: 1024,
        width: 1280,
        layers: 24,
        heads: 20,
        mlp: 3456,
        text: [512, 8, 1408],
        vocabulary: 32128,
        shift: 3.0,
    },
];

/// The preset of that name.
///
/// # Errors
/// [`ModelError::Config`] if there is none; it names all presets.
pub fn preset(name: &str) -> Result<Preset> {
    PRESETS
        .iter()
        .find(|p| p.name == name)
        .copied()
        .ok_or_else(|| {
            let names: Vec<_> = PRESETS.iter().map(|p| p.name).collect();
            ModelError::Config(format!(
                "there is no preset {name:?}: choose one of {}",
                names.join(", ")
            ))
        })
}

impl Preset {
    /// The configuration, with a grey latent → RGB matrix (training replaces it).
    pub fn config(&self) -> Config {
        let [d_model, num_layers, d_ff] = self.text;
        Config {
            format: FORMAT,
            family: FAMILY.into(),
            preset: self.name.into(),
            resolution: self.resolution,
            autoencoder: AutoencoderConfig::default(),
            text: TextConfig {
                vocab_size: self.vocabulary,
                d_model,
                d_kv: 32,
                d_ff,
                num_layers,
                num_heads: d_model / 32,
                relative_attention_num_buckets: default_buckets(),
                relative_attention_max_distance: default_distance(),
                layer_norm_epsilon: default_epsilon(),
                feed_forward_proj: default_projection(),
            },
            transformer: TransformerConfig {
                width: self.width,
                layers: self.layers,
                heads: self.heads,
                mlp: self.mlp,
                attention: AttentionKind::Cached,
                prediction: Prediction::X0,
                residual: vec![0.7; 32],
                max_inputs: default_inputs(),
                max_outputs: default_outputs(),
            },
            schedule: ScheduleConfig {
                shift: self.shift,
                steps: 12,
                grain: 0.0,
            },
            light: None,
            latent_rgb: grey_matrix(32),
        }
    }
}

/// A latent → RGB matrix that knows nothing: mid grey.
fn grey_matrix(channels: usize) -> Vec<Vec<f32>> {
    let mut row = vec![0.0; channels + 1];
    row[channels] = 0.5;
    vec![row; 3]
}
