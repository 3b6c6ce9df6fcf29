//! The model family `unireal` in candle, inference only: autoencoder, text encoder and transformer. FLUX.2 [klein]
//! is in [`flux2`].
//!
//! A [`UniReal`] is loaded from a [`Source`], prepared with a [`Request`] and then asked for velocities; what
//! integrates them is in `sampler`. The same networks are written once more in `training/model.py`; tests hold
//! the two together.

mod autoencoder;
pub mod bench;
mod cache;
mod config;
mod device;
mod embed;
mod embedded;
mod error;
pub mod flux2;
mod kernels;
mod light;
mod ops;
mod preset;
mod random;
mod rope;
mod spec;
mod text;
mod transformer;
mod unireal;
mod weights;

pub use autoencoder::{Autoencoder, PREVIEW_CHANNELS, PreviewDecoder};
pub use cache::CacheStats;
pub use config::{
    AttentionKind, AutoencoderConfig, Config, DOWNSCALE, DecoderConfig, EncoderConfig, LightConfig,
    MAX_TEXT_TOKENS, ParameterCounts, Prediction, ScheduleConfig, TOKEN, TextConfig,
    TransformerConfig,
};
pub use device::{DeviceKind, FloatType, open as open_device};
pub use embed::{Content, ImageInput};
pub use embedded::{EMBEDDED_NAME, embedded};
pub use error::{ModelError, Result};
pub use light::{LIGHT_CELL, LightMaps, LightModel};
pub use ops::Kernels;
pub use preset::{PRESETS, Preset, preset};
pub use random::{random_folder, tiny_config};
pub use rope::{Grid, Position, Rope};
pub use text::{TextEncoder, Tokens};
pub use transformer::{Context, OutputBasis, Segment, Trace, Transformer};
pub use unireal::{Condition, InputPicture, Request, UniReal};
pub use weights::{
    AUTOENCODER_FILE, CONFIG_FILE, FILES, LIGHT_FILE, LoadProgress, Source, TEXT_FILE,
    TOKENIZER_FILE, TRANSFORMER_FILE,
};
