//! Models with random weights, for tests, benches and as a trainer's start.

use std::collections::HashMap;
use std::path::Path;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::config::{AttentionKind, AutoencoderConfig, Config, DecoderConfig, EncoderConfig};
use super::error::{ModelError, Result, plain};
use super::preset::Preset;
use super::spec::{self, Init, TensorSpec};
use super::weights::{
    AUTOENCODER_FILE, CONFIG_FILE, LIGHT_FILE, TEXT_FILE, TOKENIZER_FILE, TRANSFORMER_FILE,
};

/// A model of a few thousand parameters, for tests.
pub fn tiny_config(attention: AttentionKind) -> Config {
    let preset = Preset {
        name: "tiny",
        about: "for tests",
        resolution: 64,
        width: 64,
        layers: 2,
        heads: 2,
        mlp: 96,
        text: [32, 2, 48],
        vocabulary: 271,
        shift: 1.0,
    };
    let mut config = preset.config();
    config.transformer.attention = attention;
    config.schedule.steps = 3;
    config.autoencoder = AutoencoderConfig {
        encoder: EncoderConfig {
            c1: 8,
            n1: 1,
            c2: 16,
            n2: 1,
        },
        decoder: DecoderConfig {
            c2: 16,
            n2: 1,
            c1: 12,
            n1: 1,
            c0: 8,
            n0: 1,
        },
        ..AutoencoderConfig::default()
    };
    config
}

/// Writes a complete model folder of that configuration with random weights in f32; the same seed writes the
/// same bytes. The folder is created if need be.
///
/// # Errors
/// As [`Config::validate`], and [`ModelError::File`] if the folder or a file can't be written.
pub fn random_folder(config: &Config, seed: u64, folder: &Path) -> Result<()> {
    config.validate()?;
    let write = |file: &str, bytes: &[u8]| {
        std::fs::write(folder.join(file), bytes).map_err(|e| ModelError::File {
            file: file.into(),
            reason: format!("{}: {}", plain(&e), folder.display()),
        })
    };
    std::fs::create_dir_all(folder).map_err(|e| ModelError::File {
        file: CONFIG_FILE.into(),
        reason: format!("{}: {}", plain(&e), folder.display()),
    })?;
    let json = serde_json::to_vec_pretty(config).map_err(|e| ModelError::Config(e.to_string()))?;
    write(CONFIG_FILE, &json)?;
    write(TOKENIZER_FILE, byte_tokenizer().to_string().as_bytes())?;
    let parts = [
        (AUTOENCODER_FILE, spec::autoencoder(config)),
        (TEXT_FILE, spec::text(config)),
        (TRANSFORMER_FILE, spec::transformer(config)),
    ];
    let light = config
        .light
        .as_ref()
        .map(|light| (LIGHT_FILE, spec::light(light)));
    for (number, (file, tensors)) in parts.into_iter().chain(light).enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number as u64);
        write(file, &archive(file, &tensors, &mut rng)?)?;
    }
    Ok(())
}

fn archive(file: &str, tensors: &[TensorSpec], rng: &mut ChaCha8Rng) -> Result<Vec<u8>> {
    let damaged = |e: safetensors::SafeTensorError| ModelError::Damaged {
        file: file.into(),
        reason: e.to_string(),
    };
    let values: Vec<Vec<u8>> = tensors.iter().map(|spec| draw(spec, rng)).collect();
    let mut views = Vec::with_capacity(tensors.len());
    for (spec, bytes) in tensors.iter().zip(&values) {
        let view = TensorView::new(Dtype::F32, spec.shape.clone(), bytes).map_err(damaged)?;
        views.push((spec.name.clone(), view));
    }
    safetensors::serialize(views, None::<HashMap<String, String>>).map_err(damaged)
}

fn draw(spec: &TensorSpec, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let count = spec.shape.iter().product();
    let mut bytes = Vec::with_capacity(4 * count);
    for _ in 0..count {
        let normal: f32 = StandardNormal.sample(rng);
        let value = match spec.init {
            Init::Normal(deviation) => deviation * normal,
            Init::One => 1.0 + 0.2 * normal,
        };
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes
}

/// A tokenizer that knows the special tokens and bytes, and nothing else.
fn byte_tokenizer() -> serde_json::Value {
    let mut names: Vec<String> = ["<pad>", "</s>", "<unk>"].map(String::from).to_vec();
    names.extend((1..=8).map(|n| format!("IMG{n}")));
    names.extend((1..=4).map(|n| format!("RES{n}")));
    let added: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(id, name)| {
            serde_json::json!({
                "id": id, "content": name, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true,
            })
        })
        .collect();
    let mut vocabulary: Vec<(String, f32)> = names.into_iter().map(|name| (name, 0.0)).collect();
    vocabulary.extend((0..256).map(|byte| (format!("<0x{byte:02X}>"), -10.0)));
    serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": { "type": "Unigram", "unk_id": 2, "vocab": vocabulary, "byte_fallback": true },
    })
}
