//! FLUX.2 [klein] in candle, inference only: transformer, autoencoder, Qwen3 text encoder, schedule, and the file
//! layouts that its weights come in. `training/flux2_goldens.py` writes what the tests hold it to.

mod archive;
mod attention;
pub mod bench;
mod conv;
mod detect;
mod files;
mod header;
mod klein;
mod layout;
mod linear;
mod memory;
mod rgb;
mod rope;
mod schedule;
mod text;
mod transformer;
mod vae;

pub use detect::{Detected, Naming, Part, context_width, detect, text_width, transformer_width};
pub use files::{Files, is_base, is_flux2};
pub use header::{Container, Element, Entry, Header};
pub use klein::{Klein, KleinRequest, KleinStats, Reference, Residency};
pub use layout::TransformerConfig;
pub use linear::Compute;
pub use memory::{Estimate, Fit, MemoryOf};
pub use rope::{Place, RopeTable, picture_places, reference_time, text_places};
pub use schedule::mu;
pub use text::{ChatTokenizer, TEXT_TOKENS, TextEncoder, TextEncoderConfig, TextTokens};
pub use transformer::{Modulation, Trace, Transformer};
pub use vae::{CELL, TOKEN_PIXELS, Vae, VaeConfig, folded, from_tokens, to_tokens, unfolded};
