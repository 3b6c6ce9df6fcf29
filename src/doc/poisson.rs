//! Pictures from gradients: Pérez, Gangnet and Blake, "Poisson image editing" (2003), on small pictures, by conjugate
//! gradients.

use super::{Picture, Plane};

/// How far beyond a mask's edge an object that goes is filled over, in pixels of the model's picture: its soft rim
/// lies there. Data and pipeline agree on it.
pub const FILL_REACH: usize = 2;

/// Iterations at most; the residual of a region of a few thousand pixels is gone long before.
const MOST_STEPS: usize = 4000;
/// The residual that counts as none, per pixel, in 0..1.
const RESIDUAL: f64 = 1e-6;

/// `target` with the gradients of `source` inside, and its own values around.
///
/// Solves the discrete Poisson equation of 4 neighbours with `target` as Dirichlet boundary; the picture's own edge is
/// no boundary. Between a pixel inside and one outside, `source` counts only where `known` holds on both sides: a
/// cut-out has no values beside itself, and there the gradient is 0. All of one size; alpha is ignored.
pub fn clone_into(target: &Picture, source: &Picture, inside: &Plane, known: &Plane) -> Picture {
    let known: Vec<bool> = known.values().iter().map(|&v| v >= 128).collect();
    let from = source.pixels();
    solve(target, inside, &|p, q, channel| {
        if known[p] && known[q] {
            (f32::from(from[p * 4 + channel]) - f32::from(from[q * 4 + channel])) / 255.0
        } else {
            0.0
        }
    })
}

/// `target` with the inside filled harmonically from what is around it.
pub fn fill(target: &Picture, inside: &Plane) -> Picture {
    solve(target, inside, &|_, _, _| 0.0)
}

/// The equations of the pixels inside: for each its neighbours inside, as numbers of unknowns, and how many
/// neighbours it has in all.
struct Equations {
    pixels: Vec<usize>,
    neighbours: Vec<[Option<usize>; 4]>,
    degree: Vec<f32>,
}

impl Equations {
    fn apply(&self, x: &[f32], out: &mut [f32]) {
        for (i, out) in out.iter_mut().enumerate() {
            let around: f32 = self.neighbours[i].iter().flatten().map(|&j| x[j]).sum();
            *out = self.degree[i] * x[i] - around;
        }
    }

    /// Improves `x` until it solves A x = b, by conjugate gradients.
    fn solve(&self, b: &[f32], x: &mut [f32]) {
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter()
                .zip(b)
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum()
        };
        let mut of = vec![0.0; x.len()];
        self.apply(x, &mut of);
        let mut rest: Vec<f32> = b.iter().zip(&of).map(|(b, a)| b - a).collect();
        let mut way = rest.clone();
        let mut square = dot(&rest, &rest);
        let enough = RESIDUAL * RESIDUAL * x.len() as f64;
        for _ in 0..MOST_STEPS {
            if square <= enough {
                return;
            }
            self.apply(&way, &mut of);
            let bend = dot(&way, &of);
            // Only a region without any boundary has directions without a bend; there is nothing more to gain.
            if bend <= 0.0 {
                return;
            }
            let step = (square / bend) as f32;
            for i in 0..x.len() {
                x[i] += step * way[i];
                rest[i] -= step * of[i];
            }
            let before = std::mem::replace(&mut square, dot(&rest, &rest));
            let turn = (square / before) as f32;
            for (way, rest) in way.iter_mut().zip(&rest) {
                *way = rest + turn * *way;
            }
        }
    }
}

/// `values` (RGB, row by row, `width` pixels a row) filled harmonically where `inside` holds.
pub fn fill_values(values: &mut [f32], width: usize, inside: &[bool]) {
    for (pixel, rgb) in solved(values, width, inside, &|_, _, _| 0.0) {
        values[pixel * 3..][..3].copy_from_slice(&rgb);
    }
}

fn solve(
    target: &Picture,
    inside: &Plane,
    gradient: &dyn Fn(usize, usize, usize) -> f32,
) -> Picture {
    let values: Vec<f32> = target
        .pixels()
        .chunks_exact(4)
        .flat_map(|p| [p[0], p[1], p[2]].map(|v| f32::from(v) / 255.0))
        .collect();
    let inside: Vec<bool> = inside.values().iter().map(|&v| v >= 128).collect();
    let mut result = target.clone();
    for (pixel, rgb) in solved(&values, target.width() as usize, &inside, gradient) {
        let bytes = rgb.map(|v| (v * 255.0).round().clamp(0.0, 255.0) as u8);
        result.pixels_mut()[pixel * 4..][..3].copy_from_slice(&bytes);
    }
    result
}

/// Solves Σ (f_p − f_q) = Σ gradient(p, q) over the neighbours q of each pixel p inside: the pixels and their RGB.
fn solved(
    values: &[f32],
    width: usize,
    inside: &[bool],
    gradient: &dyn Fn(usize, usize, usize) -> f32,
) -> Vec<(usize, [f32; 3])> {
    let count = values.len() / 3;
    let mut numbers = vec![None; count];
    let mut equations = Equations {
        pixels: Vec::new(),
        neighbours: Vec::new(),
        degree: Vec::new(),
    };
    for (at, &inside) in inside.iter().enumerate().take(count) {
        if inside {
            numbers[at] = Some(equations.pixels.len());
            equations.pixels.push(at);
        }
    }
    let beside = |at: usize| -> [Option<usize>; 4] {
        let x = at % width;
        [
            (x > 0).then(|| at - 1),
            (x + 1 < width).then(|| at + 1),
            (at >= width).then(|| at - width),
            (at + width < count).then(|| at + width),
        ]
    };
    for &p in &equations.pixels {
        let around = beside(p);
        equations
            .degree
            .push(around.iter().flatten().count() as f32);
        equations
            .neighbours
            .push(around.map(|q| q.and_then(|q| numbers[q])));
    }
    let mut result: Vec<(usize, [f32; 3])> =
        equations.pixels.iter().map(|&p| (p, [0.0; 3])).collect();
    for channel in 0..3 {
        let value = |at: usize| values[at * 3 + channel];
        let b: Vec<f32> = equations
            .pixels
            .iter()
            .map(|&p| {
                let terms = beside(p).into_iter().flatten().map(|q| {
                    let edge = if numbers[q].is_none() { value(q) } else { 0.0 };
                    edge + gradient(p, q, channel)
                });
                terms.sum()
            })
            .collect();
        let mut x: Vec<f32> = equations.pixels.iter().map(|&p| value(p)).collect();
        equations.solve(&b, &mut x);
        for ((_, rgb), x) in result.iter_mut().zip(x) {
            rgb[channel] = x;
        }
    }
    result
}

/// Where `mask` (row by row, `width` values a row, 0..1) is at least a half, and `reach` pixels around.
pub fn widened(mask: &[f32], width: usize, reach: usize) -> Vec<bool> {
    let height = mask.len() / width.max(1);
    let mut wide = vec![false; mask.len()];
    for (at, _) in mask.iter().enumerate().filter(|(_, v)| **v >= 0.5) {
        let (x, y) = (at % width, at / width);
        for row in y.saturating_sub(reach)..(y + reach + 1).min(height) {
            let from = row * width + x.saturating_sub(reach);
            let to = row * width + (x + reach + 1).min(width);
            wide[from..to].fill(true);
        }
    }
    wide
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_comes_back_from_its_rim() {
        let width = 12;
        let whole: Vec<f32> = (0..12 * 10)
            .flat_map(|i| [i % 12, i / 12, 5].map(|v| v as f32 / 12.0))
            .collect();
        let inside: Vec<bool> = (0..12 * 10)
            .map(|i| (3..9).contains(&(i % 12)) && (2..8).contains(&(i / 12)))
            .collect();
        let mut values = whole.clone();
        for (pixel, &inside) in values.chunks_exact_mut(3).zip(&inside) {
            if inside {
                pixel.fill(0.9);
            }
        }
        fill_values(&mut values, width, &inside);
        for (i, (value, whole)) in values.iter().zip(&whole).enumerate() {
            assert!((value - whole).abs() < 1e-5, "{i}: {value} {whole}");
            assert!(inside[i / 3] || value == whole);
        }
    }

    #[test]
    fn nothing_around_leaves_what_is_there() {
        let mut values = vec![0.5; 4 * 4 * 3];
        fill_values(&mut values, 4, &[true; 16]);
        assert!(values.iter().all(|v| *v == 0.5));
    }

    #[test]
    fn masks_are_widened_within_the_picture() {
        let mut mask = vec![0.0; 6 * 5];
        mask[0] = 1.0;
        mask[3 * 6 + 4] = 0.5;
        mask[2 * 6 + 2] = 0.49;
        let wide = widened(&mask, 6, 1);
        let expected = [
            "##....", //
            "##....", "...###", "...###", "...###",
        ];
        for (i, &set) in wide.iter().enumerate() {
            assert_eq!(set, expected[i / 6].as_bytes()[i % 6] == b'#', "{i}");
        }
    }
}
