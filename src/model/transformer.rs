//! The single-stream diffusion transformer.
//!
//! Text, input pictures and outputs are tokens of one sequence. Only output tokens know the time. With
//! `cached` attention, text and input pictures see only themselves, so that their keys and values serve all
//! steps ([`Transformer::segment`], [`Transformer::cached_context`]); with `full` attention everything is
//! computed every step ([`Transformer::full_context`]).

use candle_core::{Device, Tensor};

use super::config::{AttentionKind, Config, Prediction, TIME_FEATURES, TransformerConfig};
use super::embed::{Content, Embedding, ImageInput, unpatchify};
use super::error::{ModelError, Result, check_cancel};
use super::ops::{self, Attendable, HeadSplit, Heads, Kernels, Linear, Swiglu};
use super::rope::{self, Grid, Rope};
use super::weights::{Reader, TRANSFORMER_FILE, Tensors};
use crate::doc::{ControlKind, Role};

/// Called with the name and value of intermediate tensors, for tests against the reference.
pub type Trace<'a> = Option<&'a mut dyn FnMut(&str, &Tensor)>;

/// Shift, scale and gate of both halves of a block, each `[width]`.
struct Modulation {
    shift1: Tensor,
    scale1: Tensor,
    gate1: Tensor,
    shift2: Tensor,
    scale2: Tensor,
    gate2: Tensor,
}

impl Modulation {
    fn split(all: &Tensor) -> Result<Self> {
        let width = all.dim(0)? / 6;
        let part = |i: usize| -> Result<Tensor> { Ok(all.narrow(0, i * width, width)?) };
        Ok(Self {
            shift1: part(0)?,
            scale1: part(1)?,
            gate1: part(2)?,
            shift2: part(3)?,
            scale2: part(4)?,
            gate2: part(5)?,
        })
    }
}

struct Block {
    kernels: Kernels,
    qkv: Linear,
    split: HeadSplit,
    proj: Linear,
    swiglu: Swiglu,
    down: Linear,
    /// Modulation of text and input tokens.
    mod_in: Modulation,
    /// The part of the outputs' modulation that does not know the time, `[6·width]`.
    mod_out: Tensor,
}

impl Block {
    fn load(r: &Reader, config: &TransformerConfig, layer: usize) -> Result<Self> {
        let b = r.below("blocks").below(layer);
        let row = |name: &str| -> Result<Tensor> { Ok(r.below(name).get("weight")?.get(layer)?) };
        Ok(Self {
            kernels: r.kernels(),
            qkv: Linear::load_matrix(&b, "qkv")?,
            split: HeadSplit::load(&b, config.heads)?,
            proj: Linear::load_matrix(&b, "proj")?,
            swiglu: Swiglu::load(&b)?,
            down: Linear::load_matrix(&b, "down")?,
            mod_in: Modulation::split(&row("mod_in")?)?,
            mod_out: row("mod_out")?,
        })
    }

    fn heads(
        &self,
        x: &Tensor,
        m: &Modulation,
        rope: Option<&Rope>,
        keep_raw: bool,
    ) -> Result<Heads> {
        let h = ops::modulate(self.kernels, x, &m.shift1, &m.scale1)?;
        self.split.forward(&self.qkv.forward(&h)?, rope, keep_raw)
    }

    fn finish(&self, x: &Tensor, attended: &Tensor, m: &Modulation) -> Result<Tensor> {
        let x = self.proj.forward_gated(attended, &m.gate1, x)?;
        let h = ops::modulate(self.kernels, &x, &m.shift2, &m.scale2)?;
        self.down
            .forward_gated(&self.swiglu.forward(&h)?, &m.gate2, &x)
    }
}

/// Keys (not rotated) and values of one input picture or of the text, by layer, each `[1, heads, tokens, D]`.
#[derive(Clone, Debug)]
pub struct Segment {
    keys: Vec<Tensor>,
    values: Vec<Tensor>,
    tokens: usize,
}

impl Segment {
    /// Its size in memory.
    pub fn bytes(&self) -> usize {
        let count = |t: &Tensor| t.elem_count() * t.dtype().size_in_bytes();
        self.keys.iter().chain(&self.values).map(count).sum()
    }

    /// How many tokens it stands for.
    pub fn tokens(&self) -> usize {
        self.tokens
    }
}

/// What outputs are made of besides noise and attention.
#[derive(Clone, Debug)]
pub struct OutputBasis {
    /// `[joint, tokens, width]`, added to the noise tokens: see [`Embedding::output_constant`].
    tokens: Tensor,
    /// `[1, C, h, w]`, added to the first joint output: the placement or the canvas, for residual models.
    base: Option<Tensor>,
}

impl OutputBasis {
    /// The same, but the first output starts from nothing, as that of a map does: a mask or a depth map is no change
    /// of the canvas.
    pub fn from_nothing(self) -> Self {
        Self { base: None, ..self }
    }
}

/// All that output tokens attend to besides themselves, and what they are made of besides noise.
#[derive(Debug)]
pub struct Context {
    frame: Grid,
    joint: usize,
    basis: OutputBasis,
    rope: Rope,
    inputs: Inputs,
}

#[derive(Debug)]
enum Inputs {
    /// Rotated keys and values by layer.
    Cached(Vec<Attendable>),
    /// Tokens `[tokens, width]` and their rotation.
    Full(Tensor, Rope),
}

/// The transformer.
pub struct Transformer {
    config: TransformerConfig,
    device: Device,
    kernels: Kernels,
    /// [`TransformerConfig::residual`] as `[1, C, 1, 1]`.
    deviation: Option<Tensor>,
    embedding: Embedding,
    time_in: Linear,
    time_out: Linear,
    mod_time: Linear,
    blocks: Vec<Block>,
    final_mod: Linear,
    out: Linear,
}

impl Transformer {
    /// From checked tensors.
    pub(crate) fn new(
        config: &Config,
        tensors: &Tensors,
        device: &Device,
        kernels: Kernels,
    ) -> Result<Self> {
        let r = Reader::new(tensors, TRANSFORMER_FILE, kernels);
        let config = config.transformer.clone();
        let time = r.below("time_in");
        let deviation = match config.residual.len() {
            0 => None,
            c => Some(Tensor::from_slice(&config.residual, (1, c, 1, 1), device)?),
        };
        Ok(Self {
            deviation,
            device: device.clone(),
            kernels,
            embedding: Embedding::load(&r, &config)?,
            time_in: Linear::load(&time, "0")?,
            time_out: Linear::load(&time, "2")?,
            mod_time: Linear::load(&r, "mod_time")?,
            blocks: (0..config.layers)
                .map(|layer| Block::load(&r, &config, layer))
                .collect::<Result<_>>()?,
            final_mod: Linear::load(&r, "final_mod")?,
            out: Linear::load(&r, "out")?,
            config,
        })
    }

    /// Who attends to whom.
    pub fn attention(&self) -> AttentionKind {
        self.config.attention
    }

    /// The text's tokens from the encoder's states: `[n, width]`.
    ///
    /// # Errors
    /// What candle says, if there are not as many `ids` as states, these are not the encoder's in width, or the device
    /// fails.
    pub fn text_tokens(&self, encoded: &Tensor, ids: &[u32]) -> Result<Tensor> {
        self.embedding.text_tokens(encoded, ids)
    }

    /// A picture's tokens: `[n, width]`.
    ///
    /// # Errors
    /// [`crate::model::ModelError::Input`] for a mask without level; what candle says, if the picture is not whole
    /// tokens of the model's channels, has a number that the model does not know, or the device fails.
    pub fn image_tokens(&self, image: &ImageInput) -> Result<Tensor> {
        self.embedding.image_tokens(image)
    }

    /// Runs text (`grid` is `None`) or one picture through all layers, seeing only itself; `tokens` are `[n, width]`, a
    /// picture's as many as `grid` has.
    ///
    /// # Errors
    /// If the device fails, or `cancel` says so.
    pub fn segment(
        &self,
        tokens: &Tensor,
        grid: Option<Grid>,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Segment> {
        if let Some((rows, columns)) = grid
            && tokens.dim(0)? != rows * columns
        {
            return Err(ModelError::Input(format!(
                "{} tokens are no picture of {columns} × {rows}",
                tokens.dim(0)?
            )));
        }
        let rope = grid
            .map(|grid| {
                Rope::new(
                    &rope::own_positions(grid),
                    self.config.head_dim(),
                    &self.device,
                )
            })
            .transpose()?;
        let mut x = tokens.unsqueeze(0)?;
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for (layer, block) in self.blocks.iter().enumerate() {
            check_cancel(cancel)?;
            let h = block.heads(&x, &block.mod_in, rope.as_ref(), true)?;
            // Nobody reads the last layer's states.
            if layer + 1 < self.blocks.len() {
                let attended = block.split.attend(&h.queries, &[&h.own])?;
                x = block.finish(&x, &attended, &block.mod_in)?;
            }
            values.push(h.values().clone());
            keys.extend(h.raw_keys);
        }
        Ok(Segment {
            keys,
            values,
            tokens: x.dim(1)?,
        })
    }

    /// Joins segments, in any order; pictures come with the positions at which the outputs see them.
    ///
    /// # Errors
    /// What candle says, if there are no segments or the device fails.
    pub fn cached_context(
        &self,
        segments: &[(&Segment, Option<Rope>)],
        basis: OutputBasis,
        frame: Grid,
    ) -> Result<Context> {
        let mut layers = Vec::with_capacity(self.blocks.len());
        for (layer, block) in self.blocks.iter().enumerate() {
            let parts: Vec<_> = segments
                .iter()
                .map(|(s, rope)| (&s.keys[layer], &s.values[layer], rope.as_ref()))
                .collect();
            layers.push(block.split.join(&parts)?);
        }
        self.context(Inputs::Cached(layers), basis, frame)
    }

    /// Joins tokens for `full` attention; text comes without positions.
    ///
    /// # Errors
    /// What candle says, if there are no parts, their widths differ, or the device fails.
    pub fn full_context(
        &self,
        parts: &[(&Tensor, Option<Rope>)],
        basis: OutputBasis,
        frame: Grid,
    ) -> Result<Context> {
        let mut ropes = Vec::with_capacity(parts.len());
        for (tokens, rope) in parts {
            ropes.push(match rope {
                Some(rope) => rope.clone(),
                None => Rope::identity(tokens.dim(0)?, self.config.head_dim(), &self.device)?,
            });
        }
        let tokens: Vec<_> = parts.iter().map(|(tokens, _)| *tokens).collect();
        let rope = Rope::concatenate(&ropes.iter().collect::<Vec<_>>())?;
        self.context(Inputs::Full(Tensor::cat(&tokens, 0)?, rope), basis, frame)
    }

    fn context(&self, inputs: Inputs, basis: OutputBasis, frame: Grid) -> Result<Context> {
        let joint = basis.tokens.dim(0)?;
        let own = Rope::new(
            &rope::own_positions(frame),
            self.config.head_dim(),
            &self.device,
        )?;
        Ok(Context {
            frame,
            joint,
            basis,
            rope: own.repeat(joint)?,
            inputs,
        })
    }

    /// The table at which outputs of grid `frame` see a picture.
    ///
    /// # Errors
    /// As [`ImageInput::grid`], and if there is no memory on the device.
    pub fn cross_rope(&self, image: &ImageInput, frame: Grid) -> Result<Rope> {
        let positions = rope::cross_positions(image.grid()?, image.placed, frame);
        Rope::new(&positions, self.config.head_dim(), &self.device)
    }

    /// What outputs on grid `frame` are made of besides noise and attention.
    ///
    /// # Errors
    /// What candle says, if there are more joint pictures than [`TransformerConfig::max_outputs`], a picture has other
    /// channels than the model, or the device fails.
    pub fn output_basis(
        &self,
        images: &[&ImageInput],
        frame: Grid,
        joint: usize,
    ) -> Result<OutputBasis> {
        if joint == 0 {
            return Err(ModelError::Input(
                "an output has at least one picture".into(),
            ));
        }
        let mut base = None;
        for image in images.iter().filter(|_| self.deviation.is_some()) {
            let starts = image.role == Role::Canvas || image.kind == Some(ControlKind::Placement);
            if let (true, true, Content::Latent(z)) =
                (starts, image.is_aligned(frame)?, &image.content)
            {
                base = Some(z.clone());
            }
        }
        Ok(OutputBasis {
            tokens: self.embedding.output_constant(images, frame, joint)?,
            base,
        })
    }

    /// silu of the time embedding, `[1, width]`; `t` is in 0..1.
    fn time_embedding(&self, t: f64) -> Result<Tensor> {
        let half = TIME_FEATURES / 2;
        // In f32, as the reference does: an angle of 1000 is only known to a few 1e-5.
        let angle = |i: usize| {
            let frequency = (-(10000f64.ln() as f32) * i as f32 / half as f32).exp();
            1000.0 * t as f32 * frequency
        };
        let features: Vec<f32> = (0..half)
            .map(|i| angle(i).cos())
            .chain((0..half).map(|i| angle(i).sin()))
            .collect();
        let features = Tensor::from_vec(features, (1, TIME_FEATURES), &self.device)?;
        let hidden = self.time_in.forward(&features)?.silu()?;
        Ok(self.time_out.forward(&hidden)?.silu()?)
    }

    /// dz/dt at `z` (`[N·joint, C, h, w]`, the joint pictures of one output adjacent).
    ///
    /// # Errors
    /// As [`Self::output`].
    pub fn velocity(
        &self,
        z: &Tensor,
        t: f64,
        context: &Context,
        cancel: &dyn Fn() -> bool,
        trace: Trace,
    ) -> Result<Tensor> {
        let output = self.output(z, t, context, cancel, trace)?;
        match self.config.prediction {
            Prediction::Velocity => Ok(output),
            Prediction::X0 => Ok(((z - output)? / t.max(0.05))?),
        }
    }

    /// The network's output: x0 or the velocity, as it was trained.
    ///
    /// # Errors
    /// What candle says, if `z` has not the frame and the joint pictures of `context` or the device fails; or if
    /// `cancel` says so.
    pub fn output(
        &self,
        z: &Tensor,
        t: f64,
        context: &Context,
        cancel: &dyn Fn() -> bool,
        mut trace: Trace,
    ) -> Result<Tensor> {
        let mut note = |name: &str, value: &Tensor| {
            if let Some(trace) = trace.as_mut() {
                trace(name, value);
            }
        };
        let time = self.time_embedding(t)?;
        note("temb", &time);
        let time_mod = self.mod_time.forward(&time)?.squeeze(0)?;
        let mut x = self.embedding.output_tokens(z, &context.basis.tokens)?;
        note("tokens.out", &x);
        let batch = x.dim(0)?;
        let mut inputs = match &context.inputs {
            Inputs::Cached(_) => None,
            Inputs::Full(tokens, _) => {
                let (n, width) = tokens.dims2()?;
                Some(tokens.broadcast_as((batch, n, width))?.contiguous()?)
            }
        };
        for (layer, block) in self.blocks.iter().enumerate() {
            check_cancel(cancel)?;
            let m = Modulation::split(&(&block.mod_out + &time_mod)?)?;
            let h = block.heads(&x, &m, Some(&context.rope), false)?;
            let attend = |queries: &Tensor, others: &Attendable| {
                block.split.attend(queries, &[others, &h.own])
            };
            let attended = match (&context.inputs, inputs.take()) {
                (Inputs::Cached(layers), _) => attend(&h.queries, &layers[layer])?,
                (Inputs::Full(_, rope), Some(states)) => {
                    let other = block.heads(&states, &block.mod_in, Some(rope), false)?;
                    if layer + 1 < self.blocks.len() {
                        let attended = attend(&other.queries, &other.own)?;
                        inputs = Some(block.finish(&states, &attended, &block.mod_in)?);
                    }
                    attend(&h.queries, &other.own)?
                }
                (Inputs::Full(..), None) => block.split.attend(&h.queries, &[&h.own])?,
            };
            x = block.finish(&x, &attended, &m)?;
            note(&format!("block.{layer}"), &x);
        }
        check_cancel(cancel)?;
        let last = self.final_mod.forward(&time)?.squeeze(0)?;
        let width = self.config.width;
        let x = ops::modulate(
            self.kernels,
            &x,
            &last.narrow(0, 0, width)?,
            &last.narrow(0, width, width)?,
        )?;
        let y = self.out.forward(&x)?;
        let (rows, cols) = context.frame;
        let values = y.dim(2)?;
        let y = unpatchify(
            &y.reshape((batch * context.joint, rows * cols, values))?,
            context.frame,
        )?;
        match &self.deviation {
            Some(deviation) => precondition(&y, z, t, &context.basis, context.joint, deviation),
            None => Ok(y),
        }
    }
}

/// x̂0 from the network's unit-scale answer `y` (`[N·joint, C, h, w]`, like `z`); `deviation` is σ, `[1, C, 1, 1]`.
///
/// With x0 ~ N(base, σ²) and z = (1−t)·x0 + t·ε, the best linear estimate is base + k·(z − (1−t)·base) with
/// k = (1−t)σ² / ((1−t)²σ² + t²), and what it leaves unexplained has deviation σt / √((1−t)²σ² + t²)
/// (Karras et al. 2022, table 1, for the linear path and a known mean).
fn precondition(
    y: &Tensor,
    z: &Tensor,
    t: f64,
    basis: &OutputBasis,
    joint: usize,
    deviation: &Tensor,
) -> Result<Tensor> {
    let variance = deviation.sqr()?;
    let spread = ((&variance * (1.0 - t).powi(2))? + t * t)?;
    let k = ((&variance * (1.0 - t))? / &spread)?;
    let unexplained = ((deviation * t)? / spread.sqrt()?)?;
    let x = (z.broadcast_mul(&k)? + y.broadcast_mul(&unexplained)?)?;
    let Some(base) = &basis.base else {
        return Ok(x);
    };
    let kept = base.broadcast_mul(&(k * (t - 1.0))?.affine(1.0, 1.0)?)?;
    if joint == 1 {
        return Ok(x.broadcast_add(&kept)?);
    }
    let (n, c, h, w) = x.dims4()?;
    let x = x.reshape((n / joint, joint, c, h, w))?;
    let first = x.narrow(1, 0, 1)?.broadcast_add(&kept.unsqueeze(1)?)?;
    let rest = x.narrow(1, 1, joint - 1)?;
    Ok(Tensor::cat(&[&first, &rest], 1)?.reshape((n, c, h, w))?)
}
