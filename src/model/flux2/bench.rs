//! How fast a step of FLUX.2 [klein] is here: real shapes, random weights, so that no file is needed.
//!
//! `training/bench_flux2.py` measures the same shapes in PyTorch.

use candle_core::{DType, Device, Tensor};
use serde::Serialize;

use super::layout::TransformerConfig;
use super::linear::Compute;
use super::rope::{picture_places, reference_time, text_places};
use super::text::TEXT_TOKENS;
use super::transformer::Transformer;
use super::vae::TOKEN_PIXELS;
use crate::model::bench::{median, peak_memory};
use crate::model::device::FloatType;
use crate::model::error::Result;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Flux2BenchOptions {
    /// Width and height of pictures in pixels, a multiple of 16.
    pub size: usize,
    /// Reference pictures of that size.
    pub references: usize,
    /// Outputs that are made at once.
    pub outputs: usize,
    /// Double-stream and single-stream blocks; those of the 4B model if left out.
    pub blocks: Option<[usize; 2]>,
    /// How often a step is taken; the median is reported.
    pub repeats: usize,
    /// The type to compute in.
    pub dtype: FloatType,
}

/// The figures.
#[derive(Clone, Debug, Serialize)]
pub struct Flux2BenchReport {
    /// `cpu`, `cuda` or `metal`.
    pub device: String,
    /// The type that is computed in.
    pub dtype: String,
    /// Threads of the processor.
    pub threads: usize,
    /// Double-stream and single-stream blocks.
    pub blocks: [usize; 2],
    /// Weights of the transformer.
    pub parameters: u64,
    /// Tokens of text, outputs and references in a step.
    pub tokens: usize,
    /// Seconds of a step.
    pub step_s: f64,
    /// Billions of floating-point operations a second in a step's matrix products.
    pub step_gflops: f64,
    /// The same of one large matrix product in the same type.
    pub matmul_gflops: f64,
    /// Share of that which a step reaches.
    pub share: f64,
    /// Most memory that this program had resident, where the system tells; a card's own is not in it.
    pub peak_memory_bytes: Option<u64>,
}

/// Sizes of the transformer of klein 4B.
pub const KLEIN_4B: TransformerConfig = TransformerConfig {
    channels: 128,
    width: 3072,
    heads: 24,
    head_dim: 128,
    doubles: 5,
    singles: 20,
    mlp: 9216,
    text_width: 7680,
    time_channels: 256,
};

/// Measures. `progress` is told what.
///
/// # Errors
/// Too little memory for the weights or a step, or a type that the device does not compute in.
pub fn run(
    device: &Device,
    options: &Flux2BenchOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<Flux2BenchReport> {
    let mut config = KLEIN_4B;
    if let Some([doubles, singles]) = options.blocks {
        config = TransformerConfig {
            doubles,
            singles,
            ..config
        };
    }
    let compute = Compute {
        device: device.clone(),
        dtype: options.dtype.on(device)?,
        rounded: false,
    };
    progress("making random weights");
    let net = Transformer::random(&config, &compute)?;
    progress("taking steps");
    let side = options.size / TOKEN_PIXELS;
    let picture = side * side;
    let tokens = |batch: usize, count: usize, width: usize| -> Result<Tensor> {
        Ok(Tensor::randn(0f32, 1f32, (batch, count, width), device)?.to_dtype(compute.dtype)?)
    };
    let noise = tokens(options.outputs, picture, config.channels)?;
    let references = match options.references {
        0 => None,
        n => Some(net.embed_tokens(&tokens(1, n * picture, config.channels)?)?),
    };
    let text = net.embed_text(&tokens(1, TEXT_TOKENS, config.text_width)?)?;
    let mut places = text_places(TEXT_TOKENS);
    for i in 0..=options.references {
        let time = i.checked_sub(1).map_or(0, reference_time);
        places.extend(picture_places(time, side, side));
    }
    let rope = net.rope(&places)?;
    let modulation = net.modulation(0.5, None)?;
    let step = || {
        let references = references.as_ref();
        net.velocity(
            &noise,
            references,
            &text,
            &rope,
            &modulation,
            &|| false,
            None,
        )
    };
    let ms = median(options.repeats, step, device)?;
    progress("measuring the peak");
    let matmul_gflops = peak(device, compute.dtype, options.repeats)?;
    let images = picture * (1 + options.references);
    let step_gflops = options.outputs as f64 * operations(&config, TEXT_TOKENS, images) / ms / 1e6;
    Ok(Flux2BenchReport {
        device: crate::model::bench::device_name(device).into(),
        dtype: format!("{:?}", compute.dtype).to_lowercase(),
        threads: rayon::current_num_threads(),
        blocks: [config.doubles, config.singles],
        parameters: net.parameters(),
        tokens: TEXT_TOKENS + images,
        step_s: ms / 1e3,
        step_gflops,
        matmul_gflops,
        share: step_gflops / matmul_gflops,
        peak_memory_bytes: peak_memory(),
    })
}

/// Multiplications and additions of the matrix products of one output's step, without the small ones before and behind
/// the blocks.
fn operations(c: &TransformerConfig, text: usize, images: usize) -> f64 {
    let (w, m) = (c.width as f64, c.mlp as f64);
    let all = (text + images) as f64;
    // q, k, v and the projection; a network with a gate.
    let token = 4.0 * w * w + 3.0 * w * m;
    let attention = 2.0 * all * w;
    let block = all * (token + attention);
    2.0 * block * (c.doubles + c.singles) as f64
}

/// Billions of operations a second of a large matrix product.
fn peak(device: &Device, dtype: DType, repeats: usize) -> Result<f64> {
    // A card is only busy with large ones.
    let n = if device.is_cpu() { 2048 } else { 8192 };
    let a = Tensor::randn(0f32, 1f32, (n, n), device)?.to_dtype(dtype)?;
    let b = Tensor::randn(0f32, 1f32, (n, n), device)?.to_dtype(dtype)?;
    let ms = median(repeats.clamp(1, 10), || Ok(a.matmul(&b)?), device)?;
    Ok(2.0 * (n as f64).powi(3) / ms / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shapes_are_those_of_the_published_model() {
        // 3.88 billion weights, of which the blocks have nearly all.
        let blocks = operations(&KLEIN_4B, 1, 0) / 2.0;
        assert!((3.0e9..3.2e9).contains(&blocks), "{blocks}");
        let tiny = TransformerConfig {
            width: 64,
            heads: 2,
            head_dim: 32,
            mlp: 96,
            text_width: 48,
            time_channels: 32,
            channels: 16,
            doubles: 1,
            singles: 2,
        };
        let net = Transformer::random(&tiny, &Compute::on_processor()).unwrap();
        let streams = 2 * (4 * 64 * 64 + 3 * 64 * 96);
        let singles = 2 * (4 * 64 * 64 + 3 * 64 * 96);
        let rest = 64 * (16 + 48 + 32 + 64) + (6 + 6 + 3 + 2) * 64 * 64 + 16 * 64;
        assert_eq!(net.parameters(), streams + singles + rest as u64);
    }
}
