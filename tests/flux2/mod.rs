//! The tensors that `training/flux2_goldens.py` wrote.
#![allow(dead_code)] // Each test file uses a part.

use std::collections::HashMap;
use std::ops::Index;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use inlay::model::flux2::to_tokens;

pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/flux2")
}

/// A file of the model in diffusers' layout.
pub fn model(file: &str) -> PathBuf {
    folder().join("model").join(file)
}

/// A file in the single-file layout.
pub fn single(file: &str) -> PathBuf {
    folder().join("single").join(file)
}

/// Nobody cancels.
pub fn none() -> bool {
    false
}

/// Writes a file's tensors anew, changed.
pub fn rewritten(
    from: &[PathBuf],
    to: &Path,
    mut change: impl FnMut(String, Tensor) -> (String, Tensor),
) {
    let mut all = HashMap::new();
    for file in from {
        let tensors = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
        all.extend(tensors.into_iter().map(|(name, t)| change(name, t)));
    }
    candle_core::safetensors::save(&all, to).unwrap();
}

/// The shards of the model's text encoder.
pub fn text_shards() -> [PathBuf; 2] {
    [1, 2].map(|n| model(&format!("text_encoder/model-0000{n}-of-00002.safetensors")))
}

/// A single-file model's folder as ComfyUI lays it out; gives the transformer's file.
pub fn comfy(folder: &Path, transformer: &str) -> PathBuf {
    for name in ["diffusion_models", "vae", "text_encoders"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    let file = folder.join("diffusion_models").join(transformer);
    std::fs::copy(single(transformer), &file).unwrap();
    std::fs::copy(
        single("vae.safetensors"),
        folder.join("vae/flux2-vae.safetensors"),
    )
    .unwrap();
    // ComfyUI keeps the text encoder in one file.
    let text = folder.join("text_encoders/qwen_3_4b.safetensors");
    rewritten(&text_shards(), &text, |name, t| (name, t));
    let tokenizer = folder.join("text_encoders/tokenizer.json");
    std::fs::copy(model("tokenizer/tokenizer.json"), tokenizer).unwrap();
    file
}

pub struct Goldens {
    tensors: HashMap<String, Tensor>,
    pub scalars: serde_json::Value,
}

impl Goldens {
    pub fn load() -> Self {
        let file = folder().join("golden.safetensors");
        let json = std::fs::read(folder().join("golden.json")).unwrap();
        Self {
            tensors: candle_core::safetensors::load(file, &Device::Cpu).unwrap(),
            scalars: serde_json::from_slice(&json).unwrap(),
        }
    }

    pub fn text(&self, name: &str) -> String {
        self.scalars[name].as_str().unwrap().to_owned()
    }

    pub fn numbers(&self, name: &str) -> Vec<u32> {
        self[name]
            .flatten_all()
            .unwrap()
            .to_dtype(DType::U32)
            .unwrap()
            .to_vec1()
            .unwrap()
    }

    /// The starting noise of the first `outputs` outputs as tokens.
    pub fn noise_tokens(&self, outputs: usize) -> Tensor {
        to_tokens(&self["noise"].narrow(0, 0, outputs).unwrap()).unwrap()
    }
}

impl Index<&str> for Goldens {
    type Output = Tensor;

    fn index(&self, name: &str) -> &Tensor {
        self.tensors
            .get(name)
            .unwrap_or_else(|| panic!("no golden tensor {name}"))
    }
}

/// The largest absolute difference.
pub fn differences(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.elem_count(), b.elem_count(), "{a:?} {b:?}");
    let values = |t: &Tensor| -> Vec<f32> {
        let t = t.to_dtype(DType::F32).unwrap();
        t.flatten_all().unwrap().to_vec1().unwrap()
    };
    values(a).iter().zip(values(b)).fold(0f32, |m, (a, b)| {
        assert!(a.is_finite());
        m.max((a - b).abs())
    })
}

#[track_caller]
pub fn check(name: &str, found: &Tensor, g: &Goldens, tolerance: f32) {
    assert_eq!(found.dims(), g[name].dims(), "{name}");
    let e = differences(found, &g[name]);
    assert!(e <= tolerance, "{name}: {e:e}, allowed {tolerance:e}");
}
