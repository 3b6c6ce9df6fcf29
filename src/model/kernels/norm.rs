//! Norms with what is done right after them.

use super::gemm::filled;
use super::simd::{for_each, multiversion, sum};
use super::tile::{NR, split};

/// Values below which threads cost more than they save.
const SERIAL: usize = 1 << 16;
/// Rows of one task.
const BLOCK: usize = 32;

/// rms(x)·(1 + scale) + shift of each row.
pub(crate) fn modulate(x: &[f32], shift: &[f32], scale: &[f32], eps: f32) -> Vec<f32> {
    let width = shift.len();
    assert!(scale.len() == width && x.len().is_multiple_of(width));
    let rows = x.len() / width;
    let blocks = rows.div_ceil(BLOCK);
    // SAFETY: each task writes its own rows, all of them.
    unsafe {
        filled(x.len(), |out| {
            for_each(blocks, x.len() > SERIAL, |block| {
                let (first, height) = split(rows, block, blocks);
                for row in first..first + height {
                    let to = out.slice(row * width, width);
                    modulate_row(to, &x[row * width..(row + 1) * width], shift, scale, eps);
                }
            });
        })
    }
}

multiversion! {
    pub(crate) fn modulate_row(to: &mut [f32], x: &[f32], shift: &[f32], scale: &[f32], eps: f32) = modulate_row_body
}

#[inline(always)]
fn modulate_row_body(to: &mut [f32], x: &[f32], shift: &[f32], scale: &[f32], eps: f32) {
    let n = to.len();
    let (x, shift, scale) = (&x[..n], &shift[..n], &scale[..n]);
    let r = (sum(x, |v| v * v) / n as f32 + eps).sqrt().recip();
    for i in 0..n {
        to[i] = x[i] * r * (1.0 + scale[i]) + shift[i];
    }
}

/// A rotation by token: cosines and sines, `[tokens][D / 2]` each.
#[derive(Clone, Copy)]
pub(crate) struct Turn<'a> {
    pub cos: &'a [f32],
    pub sin: &'a [f32],
}

/// Shape and parameters of [`split_heads`].
#[derive(Clone, Copy)]
pub(crate) struct Split<'a> {
    pub batch: usize,
    pub tokens: usize,
    pub heads: usize,
    pub dim: usize,
    pub q_norm: &'a [f32],
    pub k_norm: &'a [f32],
    pub eps: f32,
    pub turn: Option<Turn<'a>>,
}

/// Queries, keys and values by head.
pub(crate) struct SplitHeads {
    /// `[batch, heads, tokens, D]`: normalised, rotated, divided by √D.
    pub queries: Vec<f32>,
    /// [`panel_len`] values for each batch and head: normalised and rotated.
    pub keys: Vec<f32>,
    /// `[batch, heads, tokens, D]`.
    pub values: Vec<f32>,
    /// `[batch, heads, tokens, D]`: normalised, not rotated; empty unless asked for.
    pub raw_keys: Vec<f32>,
}

/// Values that the keys of one head take as panels of 32 tokens, each `[D][32]`.
pub(crate) fn panel_len(tokens: usize, dim: usize) -> usize {
    tokens.div_ceil(NR) * NR * dim
}

/// Splits rows of q | k | v (each head-major) into heads, normalises and rotates.
pub(crate) fn split_heads(qkv: &[f32], s: Split, keep_raw: bool) -> SplitHeads {
    let (width, dim) = (s.heads * s.dim, s.dim);
    let rows = s.batch * s.tokens;
    assert!(qkv.len() == rows * 3 * width && s.q_norm.len() == dim && s.k_norm.len() == dim);
    if let Some(turn) = s.turn {
        assert!(turn.cos.len() == s.tokens * dim / 2 && turn.sin.len() == s.tokens * dim / 2);
    }
    let panel = panel_len(s.tokens, dim);
    let mut keys = vec![0.0; s.batch * s.heads * panel];
    let keys_out = super::simd::Shared(keys.as_mut_ptr());
    let raw_len = if keep_raw { rows * width } else { 0 };
    let scale = (dim as f32).sqrt().recip();
    let blocks = s.tokens.div_ceil(NR);
    let (mut queries, mut values) = (Vec::new(), Vec::new());
    // SAFETY: each task writes the rows of its own tokens, all of them; keys of one block of 32 tokens are one
    // panel, so tasks share none.
    let raw_keys = unsafe {
        filled(raw_len, |raw| {
            values = filled(rows * width, |v_out| {
                queries = filled(rows * width, |q_out| {
                    for_each(s.batch * blocks, rows * width > SERIAL / 4, |task| {
                        let (b, block) = (task / blocks, task % blocks);
                        let mut buffer = [0f32; MAX_DIM];
                        let key = &mut buffer[..dim];
                        // One head after the other: its panel of keys stays in the cache.
                        for h in 0..s.heads {
                            for t in block * NR..((block + 1) * NR).min(s.tokens) {
                                let row = &qkv[(b * s.tokens + t) * 3 * width..][..3 * width];
                                let at = ((b * s.heads + h) * s.tokens + t) * dim;
                                let q = q_out.slice(at, dim);
                                normalise(q, &row[h * dim..(h + 1) * dim], s.q_norm, s.eps, scale);
                                normalise(
                                    key,
                                    &row[width + h * dim..][..dim],
                                    s.k_norm,
                                    s.eps,
                                    1.0,
                                );
                                if keep_raw {
                                    raw.slice(at, dim).copy_from_slice(key);
                                }
                                if let Some(turn) = s.turn {
                                    let pairs = t * dim / 2..(t + 1) * dim / 2;
                                    rotate(q, &turn.cos[pairs.clone()], &turn.sin[pairs.clone()]);
                                    rotate(key, &turn.cos[pairs.clone()], &turn.sin[pairs]);
                                }
                                let panel = keys_out
                                    .slice((b * s.heads + h) * panel + block * NR * dim, NR * dim);
                                for (d, v) in key.iter().enumerate() {
                                    panel[d * NR + t % NR] = *v;
                                }
                                v_out
                                    .slice(at, dim)
                                    .copy_from_slice(&row[2 * width + h * dim..][..dim]);
                            }
                        }
                    });
                });
            });
        })
    };
    SplitHeads {
        queries,
        keys,
        values,
        raw_keys,
    }
}

/// Width of a head at most.
pub(crate) const MAX_DIM: usize = 256;

multiversion! {
    fn normalise(to: &mut [f32], x: &[f32], weight: &[f32], eps: f32, factor: f32) = normalise_body
}

#[inline(always)]
fn normalise_body(to: &mut [f32], x: &[f32], weight: &[f32], eps: f32, factor: f32) {
    let n = to.len();
    let (x, weight) = (&x[..n], &weight[..n]);
    let r = (sum(x, |v| v * v) / n as f32 + eps).sqrt().recip() * factor;
    for i in 0..n {
        to[i] = x[i] * r * weight[i];
    }
}

multiversion! {
    /// Rotates the pairs (2i, 2i + 1).
    pub(crate) fn rotate(x: &mut [f32], cos: &[f32], sin: &[f32]) = rotate_body
}

#[inline(always)]
fn rotate_body(x: &mut [f32], cos: &[f32], sin: &[f32]) {
    let pairs = x.as_chunks_mut::<2>().0;
    let n = pairs.len();
    let (cos, sin) = (&cos[..n], &sin[..n]);
    for i in 0..n {
        let [a, b] = pairs[i];
        pairs[i] = [a * cos[i] - b * sin[i], a * sin[i] + b * cos[i]];
    }
}

/// Part of the keys that [`join_keys`] joins.
pub(crate) struct KeyPart<'a> {
    /// `[heads, tokens, D]`, not rotated.
    pub keys: &'a [f32],
    pub tokens: usize,
    pub turn: Option<Turn<'a>>,
}

/// Rotates the keys of several parts and joins them as panels: [`panel_len`] values for each head.
pub(crate) fn join_keys(parts: &[KeyPart], heads: usize, dim: usize) -> Vec<f32> {
    let tokens: usize = parts.iter().map(|p| p.tokens).sum();
    let panel = panel_len(tokens, dim);
    let mut out = vec![0.0; heads * panel];
    let shared = super::simd::Shared(out.as_mut_ptr());
    for_each(heads, out.len() > SERIAL, |h| {
        // SAFETY: each task writes its own head.
        let to = unsafe { shared.slice(h * panel, panel) };
        let mut buffer = [0f32; MAX_DIM];
        let key = &mut buffer[..dim];
        let mut at = 0;
        for part in parts {
            for t in 0..part.tokens {
                key.copy_from_slice(&part.keys[(h * part.tokens + t) * dim..][..dim]);
                if let Some(turn) = part.turn {
                    let pairs = t * dim / 2..(t + 1) * dim / 2;
                    rotate(key, &turn.cos[pairs.clone()], &turn.sin[pairs]);
                }
                let base = at / NR * NR * dim + at % NR;
                for (d, v) in key.iter().enumerate() {
                    to[base + d * NR] = *v;
                }
                at += 1;
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modulate_by_hand() {
        let found = modulate(&[3.0, 4.0, 0.0, 5.0], &[1.0, 0.0], &[0.0, 1.0], 0.0);
        let r = 12.5f32.sqrt().recip();
        let expected = [3.0 * r + 1.0, 8.0 * r, 1.0, 10.0 * r];
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-6);
        }
    }

    #[test]
    fn rotation_by_a_quarter() {
        let mut x = [1.0, 2.0, 3.0, 4.0];
        rotate(&mut x, &[0.0, 1.0], &[1.0, 0.0]);
        assert_eq!(x, [-2.0, 1.0, 3.0, 4.0]);
    }

    #[test]
    fn joined_keys_are_panels() {
        let first: Vec<f32> = (0..3 * 4).map(|v| v as f32).collect();
        let second: Vec<f32> = (0..40 * 4).map(|v| 100.0 + v as f32).collect();
        let part = |keys, tokens| KeyPart {
            keys,
            tokens,
            turn: None,
        };
        let out = join_keys(&[part(&first, 3), part(&second, 40)], 1, 4);
        assert_eq!(out.len(), 64 * 4);
        assert_eq!(out[2], 8.0); // token 2, value 0
        assert_eq!(out[32 + 3], 101.0); // token 3 is the second part's first, value 1
        assert_eq!(out[32 * 4 + 32], second[29 * 4 + 1]); // token 32, value 1
        assert_eq!(out[32 * 4 + 12], 0.0); // padding
    }
}
