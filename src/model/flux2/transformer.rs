//! The diffusion transformer of FLUX.2 [klein] (Black Forest Labs 2025): double-stream blocks, in which text and
//! picture tokens have weights of their own but attend together, then single-stream blocks on both.

use std::path::PathBuf;

use candle_core::{D, DType, Tensor};

use super::archive::Archive;
use super::attention::{attend, join_heads, rms_norm};
use super::detect::{Naming, Part};
use super::layout::{Names, Stream, TransformerConfig};
use super::linear::{Compute, Linear};
use super::rope::RopeTable;
use crate::model::error::{ModelError, Result, check_cancel};

/// The angles' base.
const THETA: f64 = 2000.0;
/// ε of all norms.
const EPS: f64 = 1e-6;
/// The largest finite half-precision value.
const F16_MAX: f32 = 65504.0;
/// Values that a block holds at most for each token, in widths, with networks thrice as wide: its input, q, k, v, gate
/// and up (9), silu of the gate (3) and its product with up (3). With half precision, norms in f32 take as much.
/// `inlay bench flux2` in f32 takes 16.4 widths more for every further token.
pub(super) const WIDTHS_HELD: u64 = 1 + 9 + 3 + 3;

/// Called with the name and the value of intermediate tensors.
pub type Trace<'a> = &'a mut dyn FnMut(&str, &Tensor);

/// A pair of norms, for queries and keys.
struct HeadNorms {
    q: Tensor,
    k: Tensor,
}

struct StreamWeights {
    qkv: Linear,
    norms: HeadNorms,
    proj: Linear,
    mlp_in: Linear,
    mlp_out: Linear,
}

struct DoubleBlock {
    image: StreamWeights,
    text: StreamWeights,
}

struct SingleBlock {
    norms: HeadNorms,
    linear1: Linear,
    linear2: Linear,
}

/// Shift, scale and gate of one part of a block, `[1, width]` each.
#[derive(Clone)]
struct Triple {
    shift: Tensor,
    scale: Tensor,
    gate: Tensor,
}

/// All that depends on the time alone.
#[derive(Clone)]
pub struct Modulation {
    image: [Triple; 2],
    text: [Triple; 2],
    single: Triple,
    out_shift: Tensor,
    out_scale: Tensor,
}

/// The transformer.
pub struct Transformer {
    config: TransformerConfig,
    compute: Compute,
    img_in: Linear,
    txt_in: Linear,
    time_in: [Linear; 2],
    modulation_img: Linear,
    modulation_txt: Linear,
    modulation_single: Linear,
    doubles: Vec<DoubleBlock>,
    singles: Vec<SingleBlock>,
    final_modulation: Linear,
    final_linear: Linear,
}

impl Transformer {
    /// Loads the files of a transformer: one, or several shards. `progress` is told the share that is read, 0 to 1.
    ///
    /// # Errors
    /// If a file cannot be read, is damaged or is no transformer, the device has no room, or `cancel` says so.
    pub fn load(
        paths: &[PathBuf],
        compute: &Compute,
        cancel: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(f32),
    ) -> Result<Self> {
        let mut archive = Archive::open(paths, Part::Transformer)?;
        let a = &mut archive;
        let c = TransformerConfig::of(a)?;
        let names = Names(a.detected.naming);
        let (w, m) = (c.width, c.mlp);
        let mut top = |single: &str, rows: usize, columns: usize| {
            a.linear(&names.top(single), rows, columns, compute)
        };
        let img_in = top("img_in", w, c.channels)?;
        let txt_in = top("txt_in", w, c.text_width)?;
        let time_in = [
            top("time_in.in_layer", w, c.time_channels)?,
            top("time_in.out_layer", w, w)?,
        ];
        let modulation_img = top("double_stream_modulation_img.lin", 6 * w, w)?;
        let modulation_txt = top("double_stream_modulation_txt.lin", 6 * w, w)?;
        let modulation_single = top("single_stream_modulation.lin", 3 * w, w)?;
        let final_linear = top("final_layer.linear", c.channels, w)?;
        let name = names.top("final_layer.adaLN_modulation.1");
        let raw = a.raw(&name)?;
        // diffusers stores (scale, shift), the single file (shift, scale).
        let raw = match names.0 {
            Naming::Diffusers => raw.halves_swapped(),
            _ => raw,
        };
        let final_modulation = a.matrix(&name, raw, 2 * w, w, compute)?;
        let blocks = (c.doubles + c.singles) as f32;
        let norms = |a: &mut Archive, block: &str, stream: Stream| -> Result<HeadNorms> {
            let q = names.norm(a, block, "q", stream)?;
            let k = names.norm(a, block, "k", stream)?;
            Ok(HeadNorms {
                q: a.vector(&q, c.head_dim, &compute.device)?,
                k: a.vector(&k, c.head_dim, &compute.device)?,
            })
        };
        let mut doubles = Vec::with_capacity(c.doubles);
        for n in 0..c.doubles {
            check_cancel(cancel)?;
            progress(n as f32 / blocks);
            let mut stream = |stream: Stream| -> Result<StreamWeights> {
                let at = names.double(n, stream);
                Ok(StreamWeights {
                    qkv: a.stacked(&at.qkv, 3 * w, w, compute)?,
                    norms: norms(a, &names.block(n, true), stream)?,
                    proj: a.linear(&at.proj, w, w, compute)?,
                    mlp_in: a.linear(&at.mlp_in, 2 * m, w, compute)?,
                    mlp_out: a.linear(&at.mlp_out, w, m, compute)?,
                })
            };
            doubles.push(DoubleBlock {
                image: stream(Stream::Image)?,
                text: stream(Stream::Text)?,
            });
        }
        let mut singles = Vec::with_capacity(c.singles);
        for n in 0..c.singles {
            check_cancel(cancel)?;
            progress((c.doubles + n) as f32 / blocks);
            let (first, second) = names.single(n);
            singles.push(SingleBlock {
                norms: norms(a, &names.block(n, false), Stream::Single)?,
                linear1: a.linear(&first, 3 * w + 2 * m, w, compute)?,
                linear2: a.linear(&second, w, w + m, compute)?,
            });
        }
        progress(1.0);
        Ok(Self {
            config: c,
            compute: compute.clone(),
            img_in,
            txt_in,
            time_in,
            modulation_img,
            modulation_txt,
            modulation_single,
            doubles,
            singles,
            final_modulation,
            final_linear,
        })
    }

    /// Of random weights: for measuring.
    pub(super) fn random(c: &TransformerConfig, compute: &Compute) -> Result<Self> {
        let (w, m) = (c.width, c.mlp);
        let matrix = |rows: usize, columns: usize| Linear::random(rows, columns, compute);
        let norms = || -> Result<HeadNorms> {
            let ones = || Tensor::ones(c.head_dim, DType::F32, &compute.device);
            Ok(HeadNorms {
                q: ones()?,
                k: ones()?,
            })
        };
        let stream = || -> Result<StreamWeights> {
            Ok(StreamWeights {
                qkv: matrix(3 * w, w)?,
                norms: norms()?,
                proj: matrix(w, w)?,
                mlp_in: matrix(2 * m, w)?,
                mlp_out: matrix(w, m)?,
            })
        };
        let double = |_| -> Result<DoubleBlock> {
            Ok(DoubleBlock {
                image: stream()?,
                text: stream()?,
            })
        };
        let single = |_| -> Result<SingleBlock> {
            Ok(SingleBlock {
                norms: norms()?,
                linear1: matrix(3 * w + 2 * m, w)?,
                linear2: matrix(w, w + m)?,
            })
        };
        Ok(Self {
            img_in: matrix(w, c.channels)?,
            txt_in: matrix(w, c.text_width)?,
            time_in: [matrix(w, c.time_channels)?, matrix(w, w)?],
            modulation_img: matrix(6 * w, w)?,
            modulation_txt: matrix(6 * w, w)?,
            modulation_single: matrix(3 * w, w)?,
            doubles: (0..c.doubles).map(double).collect::<Result<_>>()?,
            singles: (0..c.singles).map(single).collect::<Result<_>>()?,
            final_modulation: matrix(2 * w, w)?,
            final_linear: matrix(c.channels, w)?,
            config: c.clone(),
            compute: compute.clone(),
        })
    }

    /// Weights in its matrices.
    pub fn parameters(&self) -> u64 {
        self.matrices().iter().map(|m| m.parameters()).sum()
    }

    /// Its sizes.
    pub fn config(&self) -> &TransformerConfig {
        &self.config
    }

    /// Where it computes.
    pub fn compute(&self) -> &Compute {
        &self.compute
    }

    /// All matrices, in a fixed order.
    fn matrices(&self) -> Vec<&Linear> {
        let mut all = vec![
            &self.img_in,
            &self.txt_in,
            &self.time_in[0],
            &self.time_in[1],
            &self.modulation_img,
            &self.modulation_txt,
            &self.modulation_single,
            &self.final_modulation,
            &self.final_linear,
        ];
        for block in &self.doubles {
            for s in [&block.image, &block.text] {
                all.extend([&s.qkv, &s.proj, &s.mlp_in, &s.mlp_out]);
            }
        }
        for block in &self.singles {
            all.extend([&block.linear1, &block.linear2]);
        }
        all
    }

    /// Bytes that its matrices take.
    pub fn bytes(&self) -> u64 {
        self.matrices().iter().map(|m| m.bytes()).sum()
    }

    /// All weights in f32 in a fixed order, the same for both layouts: first the matrices, then the norms of heads.
    ///
    /// # Errors
    /// What candle says, if there is no memory for them.
    pub fn weights(&self) -> Result<Vec<Tensor>> {
        let mut all = Vec::new();
        for matrix in self.matrices() {
            all.push(matrix.weight(DType::F32)?);
        }
        let norms = self
            .doubles
            .iter()
            .flat_map(|b| [&b.image.norms, &b.text.norms])
            .chain(self.singles.iter().map(|b| &b.norms));
        for norm in norms {
            all.extend([norm.q.clone(), norm.k.clone()]);
        }
        Ok(all)
    }

    /// The angles of a sequence of tokens.
    ///
    /// # Errors
    /// What candle says, if there is no memory on the device.
    pub fn rope(&self, places: &[super::rope::Place]) -> Result<RopeTable> {
        RopeTable::new(places, self.config.head_dim, THETA, &self.compute.device)
    }

    /// Latent tokens `[B, N, channels]` as the blocks see them.
    ///
    /// # Errors
    /// What candle says, if they have other channels than [`TransformerConfig::channels`] or the device fails.
    pub fn embed_tokens(&self, tokens: &Tensor) -> Result<Tensor> {
        self.img_in.forward(&tokens.to_dtype(self.compute.dtype)?)
    }

    /// The text encoder's embedding `[1, T, text_width]` as the blocks see it.
    ///
    /// # Errors
    /// [`ModelError::Format`] if its values are not as many as [`TransformerConfig::text_width`]; what candle says, if
    /// the device fails.
    pub fn embed_text(&self, text: &Tensor) -> Result<Tensor> {
        if text.dim(D::Minus1)? != self.config.text_width {
            return Err(ModelError::Format(format!(
                "the text encoder makes embeddings of {} values and the transformer expects {}: they belong to different models (klein 4B needs Qwen3-4B, 9B needs Qwen3-8B)",
                text.dim(D::Minus1)?,
                self.config.text_width
            )));
        }
        self.txt_in.forward(&text.to_dtype(self.compute.dtype)?)
    }

    /// The embedding of a time σ in 0..1, `[1, width]`: cosines, then sines of 1000·σ·exp(−ln 10000 · i / half).
    ///
    /// # Errors
    /// What candle says, if the device fails.
    pub fn embed_time(&self, sigma: f64) -> Result<Tensor> {
        let half = self.config.time_channels / 2;
        let angle = |i: usize| -> f32 {
            // In f32 like the reference: at 1000 the rounding of the angle shows.
            let frequency = (-(10000f32.ln()) * i as f32 / half as f32).exp();
            (sigma as f32 * 1000.0) * frequency
        };
        let mut values: Vec<f32> = (0..half).map(|i| angle(i).cos()).collect();
        values.extend((0..half).map(|i| angle(i).sin()));
        let device = &self.compute.device;
        let x = Tensor::from_vec(values, (1, 2 * half), device)?.to_dtype(self.compute.dtype)?;
        self.time_in[1].forward(&self.time_in[0].forward(&x)?.silu()?)
    }

    /// Shifts, scales and gates at a time.
    ///
    /// # Errors
    /// As [`Self::embed_time`].
    pub fn modulation(&self, sigma: f64, mut trace: Option<Trace>) -> Result<Modulation> {
        let time = self.embed_time(sigma)?;
        let active = time.silu()?;
        let mut parts = |name: &str, linear: &Linear| -> Result<Vec<Tensor>> {
            let all = linear.forward(&active)?;
            if let Some(trace) = trace.as_mut() {
                trace(name, &all);
            }
            Ok(all.chunk(linear.outputs() / self.config.width, 1)?)
        };
        let triple = |p: &[Tensor]| Triple {
            shift: p[0].clone(),
            scale: p[1].clone(),
            gate: p[2].clone(),
        };
        let image = parts("mod_img", &self.modulation_img)?;
        let text = parts("mod_txt", &self.modulation_txt)?;
        let single = parts("mod_single", &self.modulation_single)?;
        let out = parts("mod_out", &self.final_modulation)?;
        if let Some(trace) = trace.as_mut() {
            trace("time", &time);
        }
        Ok(Modulation {
            image: [triple(&image[..3]), triple(&image[3..])],
            text: [triple(&text[..3]), triple(&text[3..])],
            single: triple(&single),
            out_shift: out[0].clone(),
            out_scale: out[1].clone(),
        })
    }

    /// The velocity of latent tokens `[B, N, channels]`, f32.
    ///
    /// `text` `[1, T, width]` and `references` `[1, R, width]` are embedded already; `rope` covers text, noise and
    /// references in this order. References are seen by all tokens and are themselves left as they are.
    ///
    /// # Errors
    /// What candle says, if shapes do not fit, `rope` covers too few tokens, or the device fails; or if `cancel` says
    /// so.
    #[expect(clippy::too_many_arguments, reason = "one call, once a step")]
    pub fn velocity(
        &self,
        noise: &Tensor,
        references: Option<&Tensor>,
        text: &Tensor,
        rope: &RopeTable,
        modulation: &Modulation,
        cancel: &dyn Fn() -> bool,
        mut trace: Option<Trace>,
    ) -> Result<Tensor> {
        let (batch, tokens, _) = noise.dims3()?;
        let mut tell = |name: String, value: &Tensor| {
            if let Some(trace) = trace.as_mut() {
                trace(&name, value);
            }
        };
        let spread = |x: &Tensor| -> Result<Tensor> {
            let (_, n, w) = x.dims3()?;
            Ok(x.broadcast_as((batch, n, w))?.contiguous()?)
        };
        let mut image = self.embed_tokens(noise)?;
        if let Some(references) = references {
            image = Tensor::cat(&[&image, &spread(references)?], 1)?;
        }
        let mut text = spread(text)?;
        tell("img_in".into(), &image);
        tell("txt_in".into(), &text);
        let text_tokens = text.dim(1)?;
        for n in 0..self.doubles.len() {
            check_cancel(cancel)?;
            (image, text) = self.double_block(n, &image, &text, rope, modulation)?;
            tell(format!("double.{n}.img"), &image);
            tell(format!("double.{n}.txt"), &text);
        }
        let mut x = Tensor::cat(&[&text, &image], 1)?;
        drop((text, image));
        for n in 0..self.singles.len() {
            check_cancel(cancel)?;
            x = self.single_block(n, &x, rope, modulation)?;
            tell(format!("single.{n}"), &x);
        }
        let x = x.narrow(1, text_tokens, tokens)?.contiguous()?;
        let x = modulated(&x, &modulation.out_shift, &modulation.out_scale)?;
        tell("norm_out".into(), &x);
        Ok(self.final_linear.forward(&x)?.to_dtype(DType::F32)?)
    }

    /// One double-stream block on picture and text tokens `[B, N, width]`.
    ///
    /// # Errors
    /// [`ModelError::Input`] if there is no block `n`; what candle says, if shapes do not fit, `rope` covers too few
    /// tokens, or the device fails.
    pub fn double_block(
        &self,
        n: usize,
        image: &Tensor,
        text: &Tensor,
        rope: &RopeTable,
        modulation: &Modulation,
    ) -> Result<(Tensor, Tensor)> {
        let Some(block) = self.doubles.get(n) else {
            return Err(no_block(n));
        };
        let tokens = text.dim(1)?;
        let heads = |w: &StreamWeights, x: &Tensor, m: &Triple| -> Result<[Tensor; 3]> {
            let qkv = w.qkv.forward(&modulated(x, &m.shift, &m.scale)?)?;
            self.heads(&qkv, &w.norms)
        };
        let [tq, tk, tv] = heads(&block.text, text, &modulation.text[0])?;
        let [iq, ik, iv] = heads(&block.image, image, &modulation.image[0])?;
        let both = |text: Tensor, image: Tensor| Tensor::cat(&[&text, &image], 2);
        let all = attention([both(tq, iq)?, both(tk, ik)?, both(tv, iv)?], rope)?;
        let finish = |w: &StreamWeights, x: &Tensor, part: Tensor, m: &[Triple; 2]| {
            let x = gated(x, &w.proj.forward(&part)?, &m[0].gate)?;
            drop(part);
            let h = w
                .mlp_in
                .forward(&modulated(&x, &m[1].shift, &m[1].scale)?)?;
            let h = w.mlp_out.forward(&self.swiglu(h)?)?;
            limited(gated(&x, &h, &m[1].gate)?)
        };
        let (text_part, image_part) = (
            all.narrow(1, 0, tokens)?.contiguous()?,
            all.narrow(1, tokens, image.dim(1)?)?.contiguous()?,
        );
        drop(all);
        Ok((
            finish(&block.image, image, image_part, &modulation.image)?,
            finish(&block.text, text, text_part, &modulation.text)?,
        ))
    }

    /// One single-stream block on text and picture tokens `[B, N, width]`.
    ///
    /// Its intermediate results are the most that a step holds ([`WIDTHS_HELD`]): each is dropped after its last use.
    ///
    /// # Errors
    /// As [`Self::double_block`].
    pub fn single_block(
        &self,
        n: usize,
        x: &Tensor,
        rope: &RopeTable,
        modulation: &Modulation,
    ) -> Result<Tensor> {
        let Some(block) = self.singles.get(n) else {
            return Err(no_block(n));
        };
        let m = &modulation.single;
        let (w, mlp) = (self.config.width, self.config.mlp);
        let z = block.linear1.forward(&modulated(x, &m.shift, &m.scale)?)?;
        let h = self.swiglu(z.narrow(D::Minus1, 3 * w, 2 * mlp)?)?;
        let qkv = z.narrow(D::Minus1, 0, 3 * w)?.contiguous()?;
        drop(z);
        let heads = self.heads(&qkv, &block.norms)?;
        drop(qkv);
        let both = Tensor::cat(&[&attention(heads, rope)?, &h], D::Minus1)?;
        drop(h);
        let y = block.linear2.forward(&both)?;
        drop(both);
        limited(gated(x, &y, &m.gate)?)
    }

    /// Queries and keys, normalised, and values, of `[B, tokens, 3·width]`: `[B, heads, tokens, head_dim]` each.
    fn heads(&self, qkv: &Tensor, norms: &HeadNorms) -> Result<[Tensor; 3]> {
        let (heads, head_dim) = (self.config.heads, self.config.head_dim);
        let (batch, tokens, _) = qkv.dims3()?;
        let qkv = qkv.reshape((batch, tokens, 3 * heads, head_dim))?;
        let part = |i: usize| {
            let part = qkv.narrow(2, i * heads, heads)?;
            part.transpose(1, 2)?.contiguous()
        };
        Ok([
            rms_norm(&part(0)?, &norms.q, EPS)?,
            rms_norm(&part(1)?, &norms.k, EPS)?,
            part(2)?,
        ])
    }

    /// silu(first half)·second half.
    fn swiglu(&self, h: Tensor) -> Result<Tensor> {
        let mlp = self.config.mlp;
        let gate = h.narrow(D::Minus1, 0, mlp)?.silu()?;
        Ok((gate * h.narrow(D::Minus1, mlp, mlp)?)?)
    }
}

fn no_block(n: usize) -> ModelError {
    ModelError::Input(format!("the transformer has no block {n}"))
}

/// Attention of normalised queries, keys and values, turned to their places first: `[B, tokens, width]`.
fn attention([q, k, v]: [Tensor; 3], rope: &RopeTable) -> Result<Tensor> {
    let turned = |x: Tensor| rope.rotate(&x);
    let (q, k) = (turned(q)?, turned(k)?);
    join_heads(&attend(&q, &k, &v, None)?)
}

/// LN(x)·(1 + scale) + shift over the last axis, without weights of its own.
fn modulated(x: &Tensor, shift: &Tensor, scale: &Tensor) -> Result<Tensor> {
    let dtype = x.dtype();
    let x = {
        let x = x.to_dtype(DType::F32)?;
        let x = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = x.sqr()?.mean_keepdim(D::Minus1)?;
        x.broadcast_mul(&(variance + EPS)?.sqrt()?.recip()?)?
            .to_dtype(dtype)?
    };
    Ok(x.broadcast_mul(&(scale + 1.0)?)?.broadcast_add(shift)?)
}

/// x + gate·y.
fn gated(x: &Tensor, y: &Tensor, gate: &Tensor) -> Result<Tensor> {
    Ok((x + y.broadcast_mul(gate)?)?)
}

/// Half precision overflows in the last blocks: cut to what it can hold.
fn limited(x: Tensor) -> Result<Tensor> {
    Ok(match x.dtype() {
        DType::F16 => x.clamp(-F16_MAX, F16_MAX)?,
        _ => x,
    })
}
