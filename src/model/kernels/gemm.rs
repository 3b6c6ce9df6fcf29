//! Rows times packed weights, with what follows done tile by tile while the results are at hand.

use super::simd::{Isa, Shared, for_each, isa};
use super::tile::{self, MR, NR, Out, Part};

/// Rows that are multiplied by one panel of weights before the next panel is read.
const BLOCK: usize = 192;
/// Multiplications below which threads cost more than they save.
const SERIAL: usize = 1 << 18;

/// Weights of shape `[out, in]`, rearranged into panels of 32 columns (the last one 16 or 32), each `[in][32]`.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    panels: Vec<f32>,
    /// Rows of the right matrix: inputs.
    pub inputs: usize,
    /// Columns without padding: outputs.
    pub outputs: usize,
}

impl Packed {
    /// `value(output, input)` gives the weights.
    pub fn new(outputs: usize, inputs: usize, value: impl Fn(usize, usize) -> f32) -> Self {
        let padded = outputs.next_multiple_of(16);
        let mut panels = vec![0.0; padded * inputs];
        for first in (0..padded).step_by(NR) {
            let width = (padded - first).min(NR);
            let panel = &mut panels[first * inputs..(first + width) * inputs];
            for k in 0..inputs {
                for j in 0..width.min(outputs.saturating_sub(first)) {
                    panel[k * width + j] = value(first + j, k);
                }
            }
        }
        Self {
            panels,
            inputs,
            outputs,
        }
    }

    /// Weights of shape `[out, in]`, row-major.
    pub fn from_rows(weights: &[f32], outputs: usize, inputs: usize) -> Self {
        Self::new(outputs, inputs, |o, i| weights[o * inputs + i])
    }

    /// How many panels.
    pub fn panels(&self) -> usize {
        self.outputs.div_ceil(NR)
    }

    /// The panel's values, its width in halves of 16, and how many of its columns are real.
    #[inline]
    pub fn panel(&self, index: usize) -> (&[f32], usize, usize) {
        let first = index * NR;
        let padded = self.outputs.next_multiple_of(16);
        let width = (padded - first).min(NR);
        let values = &self.panels[first * self.inputs..(first + width) * self.inputs];
        (values, width / 16, (self.outputs - first).min(width))
    }
}

/// Results that are ready: `rows` rows from `row` on, `real` columns from `column` on.
pub(crate) struct Done<'a> {
    pub row: usize,
    pub rows: usize,
    pub column: usize,
    pub real: usize,
    pub values: &'a [[f32; NR]; MR],
}

/// Multiplies `rows` rows of `a` (each `lda` after the one before) by `weights` and hands each tile to `finish`.
pub(crate) fn multiply(
    rows: usize,
    a: &[f32],
    lda: usize,
    weights: &Packed,
    finish: impl Fn(Done) + Sync,
) {
    multiply_with(isa(), rows, a, lda, weights, finish);
}

fn multiply_with(
    isa: Isa,
    rows: usize,
    a: &[f32],
    lda: usize,
    weights: &Packed,
    finish: impl Fn(Done) + Sync,
) {
    if rows == 0 {
        return;
    }
    assert!(lda >= weights.inputs && a.len() >= (rows - 1) * lda + weights.inputs);
    let panels = weights.panels();
    let parallel = rows * weights.inputs * weights.outputs > SERIAL;
    let blocks = rows.div_ceil(BLOCK);
    let threads = rayon::current_num_threads();
    let chunks = if parallel {
        (4 * threads).div_ceil(blocks).clamp(1, panels)
    } else {
        1
    };
    for_each(blocks * chunks, parallel, |task| {
        let (from, height) = tile::split(rows, task / chunks, blocks);
        let (first, count) = tile::split(panels, task % chunks, chunks);
        let tiles = height.div_ceil(MR);
        let mut out = Out::new();
        for panel in first..first + count {
            let (b, halves, real) = weights.panel(panel);
            for t in 0..tiles {
                let (start, tile_rows) = tile::split(height, t, tiles);
                let row = from + start;
                let part = Part {
                    a: a[row * lda..].as_ptr(),
                    b: b.as_ptr(),
                    k: weights.inputs,
                };
                // SAFETY: `a` holds all rows (asserted above) and the panel `inputs` rows of 16·halves values.
                unsafe {
                    tile::multiply(isa, tile_rows, halves, &[part], lda, 16 * halves, &mut out)
                };
                finish(Done {
                    row,
                    rows: tile_rows,
                    column: panel * NR,
                    real,
                    values: &out.0,
                });
            }
        }
    });
}

/// A new vector that `fill` writes completely.
///
/// # Safety
/// `fill` must write all `len` values.
pub(crate) unsafe fn filled(len: usize, fill: impl FnOnce(Shared)) -> Vec<f32> {
    let mut values: Vec<f32> = Vec::with_capacity(len);
    fill(Shared(values.as_mut_ptr()));
    // SAFETY: by the caller's promise.
    unsafe { values.set_len(len) };
    values
}

/// a·Wᵀ + bias.
pub(crate) fn linear(rows: usize, a: &[f32], weights: &Packed, bias: Option<&[f32]>) -> Vec<f32> {
    let n = weights.outputs;
    assert!(bias.is_none_or(|b| b.len() == n));
    // SAFETY: `multiply` hands over every row and column once, and tasks never share one.
    unsafe {
        filled(rows * n, |out| {
            multiply(rows, a, weights.inputs, weights, |done| {
                for (i, values) in done.values.iter().enumerate().take(done.rows) {
                    let to = out.slice((done.row + i) * n + done.column, done.real);
                    to.copy_from_slice(&values[..done.real]);
                    if let Some(bias) = bias {
                        for (to, b) in to.iter_mut().zip(&bias[done.column..]) {
                            *to += b;
                        }
                    }
                }
            });
        })
    }
}

/// residual + gate · (a·Wᵀ).
pub(crate) fn linear_gated(
    rows: usize,
    a: &[f32],
    weights: &Packed,
    gate: &[f32],
    residual: &[f32],
) -> Vec<f32> {
    let n = weights.outputs;
    assert!(residual.len() == rows * n && gate.len() == n);
    // SAFETY: as in `linear`.
    unsafe {
        filled(rows * n, |out| {
            multiply(rows, a, weights.inputs, weights, |done| {
                let gate = &gate[done.column..done.column + done.real];
                for (i, values) in done.values.iter().enumerate().take(done.rows) {
                    let at = (done.row + i) * n + done.column;
                    let to = out.slice(at, done.real);
                    let old = &residual[at..at + done.real];
                    for (((to, old), gate), v) in to.iter_mut().zip(old).zip(gate).zip(values) {
                        *to = old + gate * v;
                    }
                }
            });
        })
    }
}

/// silu(a·Gᵀ) · (a·Uᵀ), with both matrices in one: panels of 16 columns of G beside 16 of U.
#[derive(Clone, Debug)]
pub(crate) struct PackedSwiglu {
    weights: Packed,
    hidden: usize,
}

impl PackedSwiglu {
    /// Both matrices are `[hidden, in]`, row-major.
    pub fn new(gate: &[f32], up: &[f32], hidden: usize, inputs: usize) -> Self {
        let padded = hidden.next_multiple_of(16);
        let weights = Packed::new(2 * padded, inputs, |o, i| {
            let (matrix, column) = (o / 16 % 2, o / 32 * 16 + o % 16);
            match (column < hidden, matrix) {
                (false, _) => 0.0,
                (true, 0) => gate[column * inputs + i],
                (true, _) => up[column * inputs + i],
            }
        });
        Self { weights, hidden }
    }

    /// Values in a row of the input.
    pub fn inputs(&self) -> usize {
        self.weights.inputs
    }

    /// Values in a row of the output.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// `rows` rows of `in` values → rows of `hidden` values.
    pub fn apply(&self, rows: usize, a: &[f32]) -> Vec<f32> {
        let n = self.hidden;
        // SAFETY: as in `linear`; every panel holds 16 columns of each matrix.
        unsafe {
            filled(rows * n, |out| {
                multiply(rows, a, self.weights.inputs, &self.weights, |done| {
                    let mut results = [[0f32; 16]; MR];
                    swiglu_tile(&mut results, done.values);
                    let first = done.column / 2;
                    let real = (n - first).min(16);
                    for (i, result) in results.iter().enumerate().take(done.rows) {
                        let to = out.slice((done.row + i) * n + first, real);
                        to.copy_from_slice(&result[..real]);
                    }
                });
            })
        }
    }
}

super::simd::multiversion! {
    /// results = silu(values[..16]) · values[16..], row by row.
    fn swiglu_tile(results: &mut [[f32; 16]; MR], values: &[[f32; NR]; MR]) = swiglu_tile_body
}

#[inline(always)]
fn swiglu_tile_body(results: &mut [[f32; 16]; MR], values: &[[f32; NR]; MR]) {
    // One long loop over flat copies: compilers do not turn short ones into vectors.
    let (mut gates, mut ups) = ([[0f32; 16]; MR], [[0f32; 16]; MR]);
    for i in 0..MR {
        gates[i].copy_from_slice(&values[i][..16]);
        ups[i].copy_from_slice(&values[i][16..]);
    }
    let flat = results.as_flattened_mut();
    for ((result, gate), up) in flat
        .iter_mut()
        .zip(gates.as_flattened())
        .zip(ups.as_flattened())
    {
        *result = super::simd::silu(*gate) * up;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kernels::simd::available;

    fn random(count: usize, seed: u64) -> Vec<f32> {
        let mut state = seed;
        (0..count)
            .map(|_| {
                state = state
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
            })
            .collect()
    }

    #[test]
    fn any_shape_on_every_instruction_set() {
        for (rows, inputs, outputs) in [
            (1, 1, 1),
            (5, 7, 12),
            (64, 48, 48),
            (205, 33, 70),
            (400, 64, 96),
        ] {
            let a = random(rows * inputs, 1);
            let w = random(outputs * inputs, 2);
            let packed = Packed::from_rows(&w, outputs, inputs);
            for isa in available() {
                let mut c = vec![f32::NAN; rows * outputs];
                let out = Shared(c.as_mut_ptr());
                multiply_with(isa, rows, &a, inputs, &packed, |done| {
                    for i in 0..done.rows {
                        let at = (done.row + i) * outputs + done.column;
                        unsafe { out.slice(at, done.real) }
                            .copy_from_slice(&done.values[i][..done.real]);
                    }
                });
                for row in 0..rows {
                    for column in 0..outputs {
                        let exact: f32 = (0..inputs)
                            .map(|k| a[row * inputs + k] * w[column * inputs + k])
                            .sum();
                        assert!((c[row * outputs + column] - exact).abs() < 1e-4, "{isa:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_the_others() {
        let (rows, inputs, outputs) = (137, 100, 80);
        let a = random(rows * inputs, 3);
        let packed = Packed::from_rows(&random(outputs * inputs, 4), outputs, inputs);
        let all = linear(rows, &a, &packed, None);
        for row in [0, 1, 55, 136] {
            let one = linear(1, &a[row * inputs..(row + 1) * inputs], &packed, None);
            assert_eq!(one, all[row * outputs..(row + 1) * outputs]);
        }
    }

    #[test]
    fn swiglu_of_an_odd_width() {
        let (rows, inputs, hidden) = (7, 20, 21);
        let (a, g, u) = (
            random(rows * inputs, 5),
            random(hidden * inputs, 6),
            random(hidden * inputs, 7),
        );
        let found = PackedSwiglu::new(&g, &u, hidden, inputs).apply(rows, &a);
        for row in 0..rows {
            for j in 0..hidden {
                let dot = |w: &[f32]| -> f32 {
                    (0..inputs)
                        .map(|k| a[row * inputs + k] * w[j * inputs + k])
                        .sum()
                };
                let (gate, up) = (dot(&g), dot(&u));
                let exact = gate / (1.0 + (-gate).exp()) * up;
                assert!((found[row * hidden + j] - exact).abs() < 1e-5);
            }
        }
    }
}
