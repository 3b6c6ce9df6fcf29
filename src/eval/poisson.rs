//! Pictures from gradients: Pérez, Gangnet and Blake, "Poisson image editing" (2003), on small pictures, by conjugate
//! gradients.

use crate::doc::{Picture, Plane};

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

/// Solves Σ (f_p − f_q) = Σ gradient(p, q) over the neighbours q of each pixel p inside.
fn solve(
    target: &Picture,
    inside: &Plane,
    gradient: &dyn Fn(usize, usize, usize) -> f32,
) -> Picture {
    let (width, height) = (target.width() as usize, target.height() as usize);
    let mut numbers = vec![None; width * height];
    let mut equations = Equations {
        pixels: Vec::new(),
        neighbours: Vec::new(),
        degree: Vec::new(),
    };
    for (at, &value) in inside.values().iter().enumerate().take(width * height) {
        if value >= 128 {
            numbers[at] = Some(equations.pixels.len());
            equations.pixels.push(at);
        }
    }
    let beside = |at: usize| -> [Option<usize>; 4] {
        let (x, y) = (at % width, at / width);
        [
            (x > 0).then(|| at - 1),
            (x + 1 < width).then(|| at + 1),
            (y > 0).then(|| at - width),
            (y + 1 < height).then(|| at + width),
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
    let mut result = target.clone();
    for channel in 0..3 {
        let value = |at: usize| f32::from(target.pixels()[at * 4 + channel]) / 255.0;
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
        let pixels = result.pixels_mut();
        for (&p, x) in equations.pixels.iter().zip(&x) {
            pixels[p * 4 + channel] = (x * 255.0).round().clamp(0.0, 255.0) as u8;
        }
    }
    result
}
