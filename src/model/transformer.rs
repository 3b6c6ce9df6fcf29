//! The single-stream diffusion transformer.
//!
//! Text, input pictures and outputs are tokens of one sequence. Only output tokens know the time. With
//! `cached` attention, text and input pictures see only themselves, so that their keys and values serve all
//! steps ([`Transformer::segment`], [`Transformer::cached_context`]); with `full` attention everything is
//! computed every step ([`Transformer::full_context`]).

use candle_core::{Device, Tensor};

use super::config::{AttentionKind, Config, Prediction, TIME_FEATURES, TransformerConfig};
use super::embed::{Embedding, ImageInput, unpatchify};
use super::error::{Result, check_cancel};
use super::ops::{self, Heads, Linear};
use super::rope::{self, Grid, Rope};
use super::weights::{Reader, TRANSFORMER_FILE, Tensors};

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
    heads: usize,
    qkv: Linear,
    q_norm: Tensor,
    k_norm: Tensor,
    proj: Linear,
    gate: Linear,
    up: Linear,
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
            heads: config.heads,
            qkv: Linear::load_matrix(&b, "qkv")?,
            q_norm: b.below("q_norm").get("weight")?,
            k_norm: b.below("k_norm").get("weight")?,
            proj: Linear::load_matrix(&b, "proj")?,
            gate: Linear::load_matrix(&b, "gate")?,
            up: Linear::load_matrix(&b, "up")?,
            down: Linear::load_matrix(&b, "down")?,
            mod_in: Modulation::split(&row("mod_in")?)?,
            mod_out: row("mod_out")?,
        })
    }

    fn heads(&self, x: &Tensor, m: &Modulation) -> Result<Heads> {
        let h = ops::modulate(x, &m.shift1, &m.scale1)?;
        ops::split_heads(
            &self.qkv.forward(&h)?,
            self.heads,
            &self.q_norm,
            &self.k_norm,
        )
    }

    fn finish(&self, x: &Tensor, attended: &Tensor, m: &Modulation) -> Result<Tensor> {
        let x = self.proj.forward_gated(attended, &m.gate1, x)?;
        let h = ops::modulate(&x, &m.shift2, &m.scale2)?;
        let h = ops::swiglu(&h, &self.gate, &self.up)?;
        self.down.forward_gated(&h, &m.gate2, &x)
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

/// All that output tokens attend to besides themselves, and what they are made of besides noise.
#[derive(Debug)]
pub struct Context {
    frame: Grid,
    joint: usize,
    constant: Tensor,
    rope: Rope,
    inputs: Inputs,
}

#[derive(Debug)]
enum Inputs {
    /// Rotated keys and values by layer, each `[1, heads, tokens, D]`.
    Cached(Vec<(Tensor, Tensor)>),
    /// Tokens `[tokens, width]` and their rotation.
    Full(Tensor, Rope),
}

/// The transformer.
pub struct Transformer {
    config: TransformerConfig,
    device: Device,
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
    pub fn new(config: &Config, tensors: &Tensors, device: &Device) -> Result<Self> {
        let r = Reader::new(tensors, TRANSFORMER_FILE);
        let config = config.transformer.clone();
        let time = r.below("time_in");
        Ok(Self {
            device: device.clone(),
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
    pub fn text_tokens(&self, encoded: &Tensor, ids: &[u32]) -> Result<Tensor> {
        self.embedding.text_tokens(encoded, ids)
    }

    /// A picture's tokens: `[n, width]`.
    pub fn image_tokens(&self, image: &ImageInput) -> Result<Tensor> {
        self.embedding.image_tokens(image)
    }

    /// Runs text (`grid` is `None`) or one picture through all layers, seeing only itself.
    pub fn segment(
        &self,
        tokens: &Tensor,
        grid: Option<Grid>,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Segment> {
        let rope = grid
            .map(|grid| {
                Rope::new(
                    &rope::own_positions(grid),
                    self.config.head_dim(),
                    &self.device,
                )
            })
            .transpose()?;
        let turn = |x: &Tensor| match &rope {
            Some(rope) => ops::rotate(x, rope),
            None => Ok(x.clone()),
        };
        let mut x = tokens.unsqueeze(0)?;
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for (layer, block) in self.blocks.iter().enumerate() {
            check_cancel(cancel)?;
            let h = block.heads(&x, &block.mod_in)?;
            // Nobody reads the last layer's states.
            if layer + 1 < self.blocks.len() {
                let attended = ops::attention(&turn(&h.q)?, &[&turn(&h.k)?], &[&h.v])?;
                x = block.finish(&x, &attended, &block.mod_in)?;
            }
            keys.push(h.k);
            values.push(h.v);
        }
        Ok(Segment {
            keys,
            values,
            tokens: x.dim(1)?,
        })
    }

    /// Joins segments, in any order; pictures come with the positions at which the outputs see them.
    pub fn cached_context(
        &self,
        segments: &[(&Segment, Option<Rope>)],
        constant: Tensor,
        frame: Grid,
    ) -> Result<Context> {
        let mut layers = Vec::with_capacity(self.blocks.len());
        for layer in 0..self.blocks.len() {
            let mut keys = Vec::with_capacity(segments.len());
            for (segment, rope) in segments {
                keys.push(match rope {
                    Some(rope) => ops::rotate(&segment.keys[layer], rope)?,
                    None => segment.keys[layer].clone(),
                });
            }
            let values: Vec<_> = segments.iter().map(|(s, _)| &s.values[layer]).collect();
            layers.push((Tensor::cat(&keys, 2)?, Tensor::cat(&values, 2)?));
        }
        self.context(Inputs::Cached(layers), constant, frame)
    }

    /// Joins tokens for `full` attention; text comes without positions.
    pub fn full_context(
        &self,
        parts: &[(&Tensor, Option<Rope>)],
        constant: Tensor,
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
        self.context(
            Inputs::Full(Tensor::cat(&tokens, 0)?, rope),
            constant,
            frame,
        )
    }

    fn context(&self, inputs: Inputs, constant: Tensor, frame: Grid) -> Result<Context> {
        let joint = constant.dim(0)?;
        let own = Rope::new(
            &rope::own_positions(frame),
            self.config.head_dim(),
            &self.device,
        )?;
        Ok(Context {
            frame,
            joint,
            constant,
            rope: own.repeat(joint)?,
            inputs,
        })
    }

    /// The table at which outputs of grid `frame` see a picture.
    pub fn cross_rope(&self, image: &ImageInput, frame: Grid) -> Result<Rope> {
        let positions = rope::cross_positions(image.grid()?, image.placed, frame);
        Rope::new(&positions, self.config.head_dim(), &self.device)
    }

    /// What output tokens are made of besides noise: see [`Embedding::output_constant`].
    pub fn output_constant(
        &self,
        images: &[&ImageInput],
        frame: Grid,
        joint: usize,
    ) -> Result<Tensor> {
        self.embedding.output_constant(images, frame, joint)
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
        let mut x = self.embedding.output_tokens(z, &context.constant)?;
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
            let h = block.heads(&x, &m)?;
            let q = ops::rotate(&h.q, &context.rope)?;
            let k = ops::rotate(&h.k, &context.rope)?;
            let attended = match (&context.inputs, &inputs) {
                (Inputs::Full(_, rope), Some(states)) => {
                    let other = block.heads(states, &block.mod_in)?;
                    let other_k = ops::rotate(&other.k, rope)?;
                    let (keys, values) = ([&other_k, &k], [&other.v, &h.v]);
                    if layer + 1 < self.blocks.len() {
                        let other_q = ops::rotate(&other.q, rope)?;
                        let attended = ops::attention(&other_q, &keys, &values)?;
                        inputs = Some(block.finish(states, &attended, &block.mod_in)?);
                    }
                    ops::attention(&q, &keys, &values)?
                }
                (Inputs::Cached(layers), _) => {
                    let (keys, values) = &layers[layer];
                    ops::attention(&q, &[keys, &k], &[values, &h.v])?
                }
                (Inputs::Full(..), None) => ops::attention(&q, &[&k], &[&h.v])?,
            };
            x = block.finish(&x, &attended, &m)?;
            note(&format!("block.{layer}"), &x);
        }
        check_cancel(cancel)?;
        let last = self.final_mod.forward(&time)?.squeeze(0)?;
        let width = self.config.width;
        let x = ops::modulate(
            &x,
            &last.narrow(0, 0, width)?,
            &last.narrow(0, width, width)?,
        )?;
        let y = self.out.forward(&x)?;
        let (rows, cols) = context.frame;
        let values = y.dim(2)?;
        unpatchify(
            &y.reshape((batch * context.joint, rows * cols, values))?,
            context.frame,
        )
    }
}
