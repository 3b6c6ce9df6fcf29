//! How fast a model is here. The numbers compare within one run: the machine's own peak is measured beside them.
//!
//! `training/bench.py` measures the same shapes in PyTorch.

use std::time::Instant;

use candle_core::{Device, Tensor};
use serde::Serialize;

use super::config::{AttentionKind, Config, DOWNSCALE, TOKEN};
use super::embed::{Content, ImageInput};
use super::error::Result;
use super::kernels::gemm::{Packed, linear};
use super::kernels::simd;
use super::ops::Kernels;
use super::rope::{Grid, Rope};
use super::transformer::{Context, Transformer};
use super::unireal::UniReal;
use super::weights::Source;
use crate::doc::{ControlKind, Level, Role};

/// Tokens of the prompt that is measured with.
const TEXT_TOKENS: usize = 24;
/// Side of the square matrices that the machine's peak is measured with.
const PEAK_SIDE: usize = 1024;

/// What to measure.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// Numbers of input pictures.
    pub inputs: Vec<usize>,
    /// How often each figure is taken; the median is reported.
    pub repeats: usize,
    /// The form of the operations.
    pub kernels: Kernels,
}

impl BenchOptions {
    /// The usual figures for a device.
    pub fn for_device(device: &Device) -> Self {
        Self {
            inputs: vec![1, 2, 3, 4, 8],
            repeats: 15,
            kernels: Kernels::for_device(device),
        }
    }
}

/// A step with some number of inputs, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct StepReport {
    /// Input pictures: canvas, asset, mask, and then assets.
    pub inputs: usize,
    /// With the keys and values of text and inputs at hand, as a job's steps run.
    pub cached_ms: f64,
    /// The same attention with everything computed again.
    pub uncached_ms: f64,
    /// Every token attending to every token, as published.
    pub full_ms: f64,
    /// Share of the machine's peak that the cached step reaches.
    pub cached_share: f64,
    /// Share of the machine's peak that the uncached step reaches.
    pub uncached_share: f64,
}

/// All figures.
#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    /// `cpu`, `cuda` or `metal`.
    pub device: String,
    /// The instructions that the kernels use.
    pub instructions: String,
    /// Threads.
    pub threads: usize,
    /// The configuration's preset.
    pub preset: String,
    /// Width and height of the pictures in pixels.
    pub size: [u32; 2],
    /// Learned numbers in all.
    pub parameters: usize,
    /// Billions of floating-point operations a second of a large matrix product, measured between the others.
    pub matmul_gflops: f64,
    /// Steps, by number of inputs.
    pub steps: Vec<StepReport>,
    /// Pixels to latents.
    pub encode_ms: f64,
    /// Latents to pixels.
    pub decode_ms: f64,
    /// Share of the peak that decoding reaches.
    pub decode_share: f64,
    /// Most memory that this program had resident, where the system tells.
    pub peak_memory_bytes: Option<u64>,
}

/// Loads a model and measures it. `progress` is told what is being measured.
///
/// # Errors
/// As [`UniReal::load_with`], and for more inputs than the model tells apart or too little memory for a step.
pub fn run(
    source: &Source,
    device: &Device,
    options: &BenchOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<BenchReport> {
    progress("loading the model");
    let model = UniReal::load_with(source, device, options.kernels, &mut |_, _| {})?;
    let config = model.config().clone();
    let side = config.resolution as usize;
    let frame = (side / TOKEN, side / TOKEN);
    let mut peaks = vec![peak(device, options.repeats)?];
    let mut steps = Vec::new();
    for inputs in &options.inputs {
        progress(&format!("steps with {inputs} inputs"));
        let step = Step::new(&model, *inputs, frame)?;
        let (cached, uncached, full) = step.measure(options.repeats)?;
        peaks.push(peak(device, options.repeats)?);
        steps.push((*inputs, cached, uncached, full));
    }
    progress("encoding and decoding");
    let rgb = Tensor::rand(0f32, 1f32, (1, 3, side, side), device)?;
    let go = || false;
    let encode_ms = median(
        options.repeats,
        || model.autoencoder().encode(&rgb, &go),
        device,
    )?;
    let z = model.autoencoder().encode(&rgb, &go)?;
    let decode_ms = median(
        options.repeats,
        || model.autoencoder().decode(&z, &go),
        device,
    )?;
    peaks.push(peak(device, options.repeats)?);
    let matmul_gflops = peaks.into_iter().fold(0.0, f64::max);
    let share = |operations: f64, ms: f64| operations / ms / 1e6 / matmul_gflops;
    Ok(BenchReport {
        device: device_name(device).into(),
        instructions: format!("{:?}", simd::isa()).to_lowercase(),
        threads: rayon::current_num_threads(),
        preset: config.preset.clone(),
        size: [config.resolution; 2],
        parameters: config.parameters().total(),
        matmul_gflops,
        steps: steps
            .into_iter()
            .map(|(inputs, cached_ms, uncached_ms, full_ms)| StepReport {
                inputs,
                cached_ms,
                uncached_ms,
                full_ms,
                cached_share: share(step_operations(&config, frame, inputs, false), cached_ms),
                uncached_share: share(step_operations(&config, frame, inputs, true), uncached_ms),
            })
            .collect(),
        encode_ms,
        decode_ms,
        decode_share: share(decode_operations(&config, side), decode_ms),
        peak_memory_bytes: peak_memory(),
    })
}

pub(super) fn device_name(device: &Device) -> &'static str {
    match device {
        Device::Cpu => "cpu",
        Device::Cuda(_) => "cuda",
        Device::Metal(_) => "metal",
    }
}

/// Median milliseconds of a piece of work, after one run that does not count.
pub(super) fn median<T>(
    repeats: usize,
    mut work: impl FnMut() -> Result<T>,
    device: &Device,
) -> Result<f64> {
    let mut times = Vec::with_capacity(repeats);
    for repeat in 0..=repeats {
        let start = Instant::now();
        work()?;
        device.synchronize()?;
        if repeat > 0 {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(middle(times))
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The best of candle's matrix product and, on the processor, ours, in billions of operations a second.
fn peak(device: &Device, repeats: usize) -> Result<f64> {
    let n = PEAK_SIDE;
    let a = Tensor::rand(-1f32, 1f32, (n, n), device)?;
    let b = Tensor::rand(-1f32, 1f32, (n, n), device)?;
    let repeats = repeats.clamp(1, 5);
    let mut best = median(repeats, || Ok(a.matmul(&b)?), device)?;
    if device.is_cpu() {
        let values: Vec<f32> = a.flatten_all()?.to_vec1()?;
        let packed = Packed::from_rows(&values, n, n);
        best = best.min(median(
            repeats,
            || Ok(linear(n, &values, &packed, None)),
            device,
        )?);
    }
    Ok(2.0 * (n as f64).powi(3) / best / 1e6)
}

/// A step's inputs.
struct Step<'a> {
    transformer: &'a Transformer,
    text: Tensor,
    images: Vec<ImageInput>,
    frame: Grid,
    z: Tensor,
}

impl<'a> Step<'a> {
    fn new(model: &'a UniReal, inputs: usize, frame: Grid) -> Result<Self> {
        let (config, device) = (model.config(), model.device());
        let channels = config.autoencoder.latent_channels;
        let (rows, cols) = frame;
        let latent = || Tensor::randn(0f32, 1f32, (1, channels, 2 * rows, 2 * cols), device);
        let mut images = Vec::with_capacity(inputs);
        for index in 0..inputs {
            let mask = index == 2;
            images.push(ImageInput {
                role: match index {
                    0 => Role::Canvas,
                    2 => Role::Control,
                    _ => Role::Asset,
                },
                kind: mask.then_some(ControlKind::Mask),
                index,
                content: if mask {
                    Content::Mask(Tensor::rand(
                        0f32,
                        1f32,
                        (rows * TOKEN, cols * TOKEN),
                        device,
                    )?)
                } else {
                    Content::Latent(latent()?)
                },
                level: mask.then_some(Level::Blob),
                fit: mask.then_some(0.5),
                placed: None,
            });
        }
        let states = Tensor::randn(0f32, 1f32, (TEXT_TOKENS, config.text.d_model), device)?;
        let transformer = model.transformer();
        Ok(Self {
            text: transformer.text_tokens(&states, &[0; TEXT_TOKENS])?,
            transformer,
            images,
            frame,
            z: latent()?,
        })
    }

    fn context(&self, attention: AttentionKind) -> Result<Context> {
        let t = self.transformer;
        let images: Vec<_> = self.images.iter().collect();
        let basis = t.output_basis(&images, self.frame, 1)?;
        let tokens = images
            .iter()
            .map(|i| t.image_tokens(i))
            .collect::<Result<Vec<_>>>()?;
        let ropes = images
            .iter()
            .map(|i| t.cross_rope(i, self.frame))
            .collect::<Result<Vec<Rope>>>()?;
        let ropes = std::iter::once(None).chain(ropes.into_iter().map(Some));
        match attention {
            AttentionKind::Full => {
                let parts: Vec<_> = std::iter::once(&self.text)
                    .chain(&tokens)
                    .zip(ropes)
                    .collect();
                t.full_context(&parts, basis, self.frame)
            }
            AttentionKind::Cached => {
                let mut segments = vec![t.segment(&self.text, None, &|| false)?];
                for (image, tokens) in images.iter().zip(&tokens) {
                    segments.push(t.segment(tokens, Some(image.grid()?), &|| false)?);
                }
                let parts: Vec<_> = segments.iter().zip(ropes).collect();
                t.cached_context(&parts, basis, self.frame)
            }
        }
    }

    fn velocity(&self, context: &Context) -> Result<Tensor> {
        self.transformer
            .velocity(&self.z, 0.5, context, &|| false, None)
    }

    /// Cached, uncached and full, taken in turn so that a busy moment does not fall on one alone.
    fn measure(&self, repeats: usize) -> Result<(f64, f64, f64)> {
        let device = self.z.device();
        let cached = self.context(AttentionKind::Cached)?;
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        for repeat in 0..=repeats {
            let work: [&dyn Fn() -> Result<Tensor>; 3] = [
                &|| self.velocity(&cached),
                &|| self.velocity(&self.context(AttentionKind::Cached)?),
                &|| self.velocity(&self.context(AttentionKind::Full)?),
            ];
            for (work, times) in work.iter().zip(&mut times) {
                let start = Instant::now();
                work()?;
                device.synchronize()?;
                if repeat > 0 {
                    times.push(start.elapsed().as_secs_f64() * 1e3);
                }
            }
        }
        let [cached, uncached, full] = times;
        Ok((middle(cached), middle(uncached), middle(full)))
    }
}

/// Multiplications and additions of a step's matrix products, `cached` attention.
fn step_operations(config: &Config, (rows, cols): Grid, inputs: usize, uncached: bool) -> f64 {
    let m = &config.transformer;
    let (width, layers) = (m.width as f64, m.layers as f64);
    let tokens = (rows * cols) as f64;
    let text = TEXT_TOKENS as f64;
    let token = layers * (4.0 * width * width + 3.0 * width * m.mlp as f64);
    let attention = |queries: f64, keys: f64| layers * 2.0 * queries * keys * width;
    let all = tokens * (inputs as f64 + 1.0) + text;
    let mut products = tokens * token + attention(tokens, all);
    if uncached {
        products += (all - tokens) * token
            + attention(text, text)
            + inputs as f64 * attention(tokens, tokens);
    }
    2.0 * products
}

/// Multiplications and additions of the decoder's convolutions.
fn decode_operations(config: &Config, side: usize) -> f64 {
    let (d, z) = (
        &config.autoencoder.decoder,
        config.autoencoder.latent_channels,
    );
    let stage = |c: usize, n: usize| 2 * n * 9 * c * c;
    let eighth = 9 * z * d.c2 + stage(d.c2, d.n2) + d.c2 * 4 * d.c1;
    let quarter = stage(d.c1, d.n1) + d.c1 * 4 * d.c0;
    let half = stage(d.c0, d.n0) + 9 * d.c0 * 12;
    let cells = (side / DOWNSCALE) * (side / DOWNSCALE);
    2.0 * (cells * (eighth + 4 * quarter + 16 * half)) as f64
}

/// VmHWM of this process.
pub(super) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::random::{random_folder, tiny_config};

    #[test]
    fn every_figure_is_there() {
        let folder = tempfile::tempdir().unwrap();
        random_folder(&tiny_config(AttentionKind::Cached), 1, folder.path()).unwrap();
        let options = BenchOptions {
            inputs: vec![1, 3, 8],
            repeats: 1,
            kernels: Kernels::Fused,
        };
        let source = Source::Folder(folder.path().into());
        let mut told = Vec::new();
        let report = run(&source, &Device::Cpu, &options, &mut |text| {
            told.push(text.to_string())
        })
        .unwrap();
        let inputs: Vec<_> = report.steps.iter().map(|s| s.inputs).collect();
        assert_eq!(inputs, [1, 3, 8]);
        for s in &report.steps {
            for v in [
                s.cached_ms,
                s.uncached_ms,
                s.full_ms,
                s.cached_share,
                s.uncached_share,
            ] {
                assert!(v.is_finite() && v > 0.0);
            }
        }
        assert!(report.encode_ms > 0.0 && report.decode_ms > 0.0 && report.matmul_gflops > 0.0);
        assert_eq!(told.len(), 5);
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["steps"][1]["inputs"], 3);
    }

    #[test]
    fn operations_by_hand() {
        let config = tiny_config(AttentionKind::Cached);
        // 16 tokens, width 64, 2 layers, mlp 96; keys: 2 · 16 + 24.
        let linear = 16.0 * 2.0 * (4.0 * 4096.0 + 3.0 * 64.0 * 96.0);
        let attention = 2.0 * 2.0 * 16.0 * 56.0 * 64.0;
        assert_eq!(
            step_operations(&config, (4, 4), 1, false),
            2.0 * (linear + attention)
        );
    }
}
