//! softmax(q·kᵀ)·v in blocks of rows that stay in cache.

use std::cell::RefCell;

use super::gemm::filled;
use super::norm::panel_len;
use super::simd::{Isa, Shared, exp, for_each, isa, max, multiversion};
use super::tile::{self, MR, NR, Out, Part};

/// Scores kept at once, in values: a block of rows times all keys, within the second-level cache.
const SCORES: usize = 1 << 17;

/// Keys and values that queries attend to.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    /// [`panel_len`] values for each batch member and head.
    pub keys: &'a [f32],
    /// `[batch, heads, tokens, D]`.
    pub values: &'a [f32],
    pub tokens: usize,
    /// Whether all batch members share one set.
    pub shared: bool,
}

/// Sizes of the queries.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub batch: usize,
    pub heads: usize,
    pub tokens: usize,
    /// A multiple of 16.
    pub dim: usize,
}

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Queries `[batch, heads, tokens, D]`, already divided by √D → `[batch, tokens, heads·D]`.
pub(crate) fn attend(queries: &[f32], shape: Shape, sources: &[Source]) -> Vec<f32> {
    attend_with(isa(), queries, shape, sources)
}

fn attend_with(isa: Isa, queries: &[f32], shape: Shape, sources: &[Source]) -> Vec<f32> {
    let Shape {
        batch,
        heads,
        tokens,
        dim,
    } = shape;
    assert!(
        sources.len() <= 4
            && dim.is_multiple_of(16)
            && queries.len() == batch * heads * tokens * dim
    );
    for s in sources {
        let sets = if s.shared { heads } else { batch * heads };
        assert!(s.keys.len() == sets * panel_len(s.tokens, dim));
        assert!(s.values.len() == sets * s.tokens * dim);
    }
    let padded: usize = sources.iter().map(|s| s.tokens.next_multiple_of(NR)).sum();
    // An odd number of cache lines, so that rows do not fall on each other in the cache.
    let stride = padded + 16;
    let most = (SCORES / stride / MR).clamp(1, 16) * MR;
    let blocks = tokens.div_ceil(most);
    let parallel = batch * heads * tokens * padded * dim > 1 << 17;
    // SAFETY: each task writes the columns of its head in its own rows, all of them.
    unsafe {
        filled(batch * tokens * heads * dim, |out| {
            for_each(batch * heads * blocks, parallel, |task| {
                let (set, block) = (task / blocks, task % blocks);
                let (first, rows) = tile::split(tokens, block, blocks);
                let q = &queries[(set * tokens + first) * dim..][..rows * dim];
                let (b, h) = (set / heads, set % heads);
                let place = Place {
                    out,
                    start: (b * tokens + first) * heads * dim + h * dim,
                    stride: heads * dim,
                };
                SCRATCH.with_borrow_mut(|scratch| {
                    scratch.resize(most * stride, 0.0);
                    let one = Set {
                        index: set,
                        head: h,
                        dim,
                    };
                    block_of_rows(isa, q, rows, one, sources, (scratch, stride), place);
                });
            });
        })
    }
}

#[derive(Clone, Copy)]
struct Set {
    index: usize,
    head: usize,
    dim: usize,
}

#[derive(Clone, Copy)]
struct Place {
    out: Shared,
    start: usize,
    stride: usize,
}

/// # Safety
/// `place` is the caller's alone, for `rows` rows of `dim` values.
unsafe fn block_of_rows(
    isa: Isa,
    q: &[f32],
    rows: usize,
    set: Set,
    sources: &[Source],
    (scores, stride): (&mut [f32], usize),
    place: Place,
) {
    let dim = set.dim;
    let tiles = rows.div_ceil(MR);
    let mut out = Out::new();
    let mut offset = 0;
    for s in sources {
        let index = if s.shared { set.head } else { set.index };
        let size = panel_len(s.tokens, dim);
        let keys = &s.keys[index * size..(index + 1) * size];
        for (p, panel) in keys.chunks_exact(NR * dim).enumerate() {
            for t in 0..tiles {
                let (row, height) = tile::split(rows, t, tiles);
                let part = Part {
                    a: q[row * dim..].as_ptr(),
                    b: panel.as_ptr(),
                    k: dim,
                };
                // SAFETY: `q` holds `rows` rows of `dim` values, the panel `dim` rows of 32.
                unsafe { tile::multiply(isa, height, 2, &[part], dim, NR, &mut out) };
                for i in 0..height {
                    let at = (row + i) * stride + offset + p * NR;
                    scores[at..at + NR].copy_from_slice(&out.0[i]);
                }
            }
        }
        offset += s.tokens.next_multiple_of(NR);
    }
    let mut inverse = [0f32; 16 * MR];
    for (row, inverse) in inverse.iter_mut().enumerate().take(rows) {
        let row = &mut scores[row * stride..(row + 1) * stride];
        let mut largest = f32::NEG_INFINITY;
        let mut offset = 0;
        for s in sources {
            let mut found = [0f32];
            row_max(&row[offset..offset + s.tokens], &mut found);
            largest = largest.max(found[0]);
            offset += s.tokens.next_multiple_of(NR);
        }
        let mut total = [0f32];
        let mut offset = 0;
        for s in sources {
            row_exp(&mut row[offset..offset + s.tokens], largest, &mut total);
            offset += s.tokens.next_multiple_of(NR);
        }
        *inverse = total[0].recip();
    }
    for first in (0..dim).step_by(NR) {
        let halves = (dim - first).min(NR) / 16;
        for t in 0..tiles {
            let (row, height) = tile::split(rows, t, tiles);
            let mut offset = 0;
            let mut parts = [const {
                Part {
                    a: std::ptr::null(),
                    b: std::ptr::null(),
                    k: 0,
                }
            }; 4];
            for (part, s) in parts.iter_mut().zip(sources) {
                let index = if s.shared { set.head } else { set.index };
                *part = Part {
                    a: scores[row * stride + offset..].as_ptr(),
                    b: s.values[index * s.tokens * dim + first..].as_ptr(),
                    k: s.tokens,
                };
                offset += s.tokens.next_multiple_of(NR);
            }
            // SAFETY: `scores` holds `rows` rows of `stride` values, each source `tokens` rows of `dim` values.
            unsafe {
                tile::multiply(
                    isa,
                    height,
                    halves,
                    &parts[..sources.len()],
                    stride,
                    dim,
                    &mut out,
                )
            };
            for i in 0..height {
                // SAFETY: by the caller's promise.
                let to = unsafe {
                    place
                        .out
                        .slice(place.start + (row + i) * place.stride + first, 16 * halves)
                };
                for (to, v) in to.iter_mut().zip(&out.0[i]) {
                    *to = v * inverse[row + i];
                }
            }
        }
    }
}

multiversion! {
    fn row_max(row: &[f32], found: &mut [f32; 1]) = row_max_body
}

#[inline(always)]
fn row_max_body(row: &[f32], found: &mut [f32; 1]) {
    found[0] = max(row);
}

multiversion! {
    /// row = exp(row − largest); adds the sum to `total`.
    fn row_exp(row: &mut [f32], largest: f32, total: &mut [f32; 1]) = row_exp_body
}

#[inline(always)]
fn row_exp_body(row: &mut [f32], largest: f32, total: &mut [f32; 1]) {
    let mut lanes = [0f32; 16];
    let (chunks, rest) = row.as_chunks_mut::<16>();
    for chunk in chunks {
        for i in 0..16 {
            chunk[i] = exp(chunk[i] - largest);
            lanes[i] += chunk[i];
        }
    }
    let mut sum = 0.0;
    for v in rest {
        *v = exp(*v - largest);
        sum += *v;
    }
    for lane in lanes {
        sum += lane;
    }
    total[0] += sum;
}
