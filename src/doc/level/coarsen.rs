//! How an exact mask is made coarser for training.

use rand::Rng;

use super::window::{Window, margin};
use super::{Level, object_size};
use crate::doc::Plane;
use crate::doc::field::squared_distance;

/// Makes an exact mask as coarse as an artist's mask of this level would be; the result holds 0 and 255 only.
///
/// With d = √area: Exact moves edges by up to one pixel; Outline blurs with σ = 0.04 d and keeps ≥ 0.25; Blob
/// blurs with σ = 0.12 d, keeps ≥ 0.12, is warped elastically half the time and always holds the mask; Box is
/// the bounding box × U(1, 1.2), cut at the picture's edge. An empty mask stays empty, and no other becomes so.
pub fn coarsen(exact: &Plane, level: Level, rng: &mut impl Rng) -> Plane {
    let chance = match level {
        Level::Exact => Chance::jitter(rng),
        Level::Outline => Chance::None,
        Level::Blob if rng.random_bool(0.5) => Chance::Warp {
            amplitude: rng.random_range(0.04..0.12),
            noise: [Noise::new(rng, 0.35), Noise::new(rng, 0.35)],
        },
        Level::Blob => Chance::None,
        Level::Box => Chance::Scale(rng.random_range(1.0..=1.2)),
    };
    coarsen_by(exact, level, &chance)
}

/// [`coarsen`] without chance: edges as they are, no warp, and a box of the middle size (× 1.1).
pub fn coarsen_plainly(exact: &Plane, level: Level) -> Plane {
    coarsen_by(exact, level, &Chance::None)
}

/// What is left to chance when a mask is coarsened.
enum Chance {
    None,
    Jitter(Noise),
    Warp {
        /// Largest displacement, as a share of d.
        amplitude: f32,
        /// Displacement in x and in y.
        noise: [Noise; 2],
    },
    Scale(f32),
}

impl Chance {
    fn jitter(rng: &mut impl Rng) -> Self {
        Chance::Jitter(Noise::new(rng, 0.2))
    }
}

fn coarsen_by(exact: &Plane, level: Level, chance: &Chance) -> Plane {
    let mut out = Plane::filled(exact.width(), exact.height(), 0);
    let Some(bounds) = exact.bounds() else {
        return out;
    };
    let d = object_size(exact);
    match level {
        Level::Exact => {
            let window = Window::around(exact, bounds, [2; 4]);
            let mask = window.read(exact);
            let picked = match chance {
                Chance::Jitter(noise) => jitter_edges(&window, &mask, noise, d),
                _ => mask.clone(),
            };
            window.write(&mut out, &picked);
        }
        Level::Outline => {
            let window = Window::around(exact, bounds, [margin(3.0 * 0.04 * d); 4]);
            let mask = window.read(exact);
            let blurred = window.blurred(&mask, 0.04 * d);
            let picked: Vec<bool> = blurred.iter().map(|&v| v >= 0.25).collect();
            window.write(&mut out, &picked);
        }
        Level::Blob => {
            let reach = match chance {
                Chance::Warp { amplitude, .. } => *amplitude,
                _ => 0.0,
            };
            let window = Window::around(exact, bounds, [margin((3.0 * 0.12 + reach) * d); 4]);
            let mask = window.read(exact);
            let mut blurred = window.blurred(&mask, 0.12 * d);
            if let Chance::Warp { amplitude, noise } = chance {
                blurred = warp(&window, &blurred, noise, amplitude * d, d);
            }
            let picked: Vec<bool> = blurred
                .iter()
                .zip(&mask)
                .map(|(&v, &m)| m || v >= 0.12)
                .collect();
            window.write(&mut out, &picked);
        }
        Level::Box => {
            let factor = match chance {
                Chance::Scale(factor) => *factor,
                _ => 1.1,
            };
            let (x0, y0, x1, y1) = bounds;
            let grow = |side: u32| ((factor - 1.0) * 0.5 * side as f32).round() as u32;
            let (x, y) = (grow(x1 - x0), grow(y1 - y0));
            let window = Window::around(exact, bounds, [x, y, x, y]);
            window.write(&mut out, &vec![true; window.width * window.height]);
        }
    }
    // Erosion or a blur may swallow a mask of very few pixels.
    if out.bounds().is_none() {
        let window = Window::around(exact, bounds, [0; 4]);
        window.write(&mut out, &window.read(exact));
    }
    out
}

/// Each stretch of the edge goes one pixel in, one pixel out, or stays.
fn jitter_edges(window: &Window, mask: &[bool], noise: &Noise, d: f32) -> Vec<bool> {
    let unset: Vec<bool> = mask.iter().map(|m| !m).collect();
    let to_mask = squared_distance(mask, window.width, 1.0);
    let to_unset = squared_distance(&unset, window.width, 1.0);
    (0..mask.len())
        .map(|i| {
            let (x, y) = ((i % window.width) as f32, (i / window.width) as f32);
            let wave = noise.at(x / d.max(8.0), y / d.max(8.0));
            if wave < -0.2 {
                mask[i] && to_unset[i] > 1.0
            } else if wave > 0.2 {
                to_mask[i] <= 1.0
            } else {
                mask[i]
            }
        })
        .collect()
}

/// Samples a field at smoothly displaced places.
fn warp(window: &Window, field: &[f32], noise: &[Noise; 2], amplitude: f32, unit: f32) -> Vec<f32> {
    (0..field.len())
        .map(|i| {
            let (x, y) = ((i % window.width) as f32, (i / window.width) as f32);
            let (u, v) = (x / unit, y / unit);
            let (x, y) = (
                x + amplitude * noise[0].at(u, v),
                y + amplitude * noise[1].at(u, v),
            );
            bilinear(field, window.width, window.height, x, y)
        })
        .collect()
}

fn bilinear(field: &[f32], width: usize, height: usize, x: f32, y: f32) -> f32 {
    let (x, y) = (
        x.clamp(0.0, (width - 1) as f32),
        y.clamp(0.0, (height - 1) as f32),
    );
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(width - 1), (y0 + 1).min(height - 1));
    let (u, v) = (x - x0 as f32, y - y0 as f32);
    let at = |x: usize, y: usize| field[y * width + x];
    let top = at(x0, y0) * (1.0 - u) + at(x1, y0) * u;
    let bottom = at(x0, y1) * (1.0 - u) + at(x1, y1) * u;
    top * (1.0 - v) + bottom * v
}

/// Smooth noise in −1..1 on a lattice that repeats every [`Noise::SIDE`] cells.
struct Noise {
    lattice: Vec<f32>,
    /// Side of a lattice cell, in the caller's units.
    cell: f32,
}

impl Noise {
    const SIDE: usize = 16;

    fn new(rng: &mut impl Rng, cell: f32) -> Self {
        let nodes = Self::SIDE * Self::SIDE;
        Self {
            lattice: (0..nodes).map(|_| rng.random_range(-1.0..=1.0)).collect(),
            cell,
        }
    }

    fn at(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (x / self.cell, y / self.cell);
        let (x0, y0) = (x.floor(), y.floor());
        let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
        let (u, v) = (smooth(x - x0), smooth(y - y0));
        let node = |dx: usize, dy: usize| {
            let wrap = |at: f32, by: usize| (at as usize + by) % Self::SIDE;
            self.lattice[wrap(y0, dy) * Self::SIDE + wrap(x0, dx)]
        };
        let top = node(0, 0) * (1.0 - u) + node(1, 0) * u;
        let bottom = node(0, 1) * (1.0 - u) + node(1, 1) * u;
        top * (1.0 - v) + bottom * v
    }
}
