//! What made-up surfaces look like: patterns of two colours, and tiles.

use std::sync::Arc;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::texture::Texture;
use super::vector::{V3, mix, scale, times};

/// A pattern of two colours; lengths in metres.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// Its linear colours.
    pub colours: [V3; 2],
    /// How they are laid out.
    pub kind: PatternKind,
    /// The length of one repetition.
    pub size: f32,
    noise: f32,
    phase: [f32; 2],
    turn: f32,
}

/// How a pattern is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternKind {
    /// The first colour alone.
    Plain,
    /// Squares.
    Checker,
    /// Boards with joints.
    Planks,
    /// Stripes.
    Stripes,
    /// Grain along one direction, as of wood.
    Grain,
    /// Blotches, as of stone.
    Speckle,
}

impl Pattern {
    /// A pattern by chance; `calm` for walls.
    pub fn random(rng: &mut ChaCha8Rng, calm: bool) -> Self {
        let hue = rng.random::<f32>();
        let saturation = rng.random::<f32>().powi(2) * 0.6;
        let value = rng.random_range(0.12..0.75f32);
        let first = hsv(hue, saturation, value);
        let second = mix(
            first,
            hsv(
                hue + rng.random_range(-0.1..0.1),
                saturation * 0.7,
                rng.random_range(0.1..0.8),
            ),
            rng.random_range(0.1..0.7),
        );
        let kind = match rng.random_range(0..if calm { 8 } else { 13 }) {
            0..5 => PatternKind::Plain,
            5 => PatternKind::Stripes,
            6 | 7 => PatternKind::Speckle,
            8 | 9 => PatternKind::Checker,
            10 => PatternKind::Grain,
            _ => PatternKind::Planks,
        };
        Self::of(kind, [first, second], rng.random_range(0.15..0.6), rng)
    }

    /// Wood, in one piece or as boards.
    pub fn wood(rng: &mut ChaCha8Rng, kind: PatternKind, size: f32) -> Self {
        let value = rng.random_range(0.12..0.55f32);
        let first = hsv(
            rng.random_range(0.05..0.10),
            rng.random_range(0.35..0.7),
            value,
        );
        let second = scale(first, rng.random_range(0.45..0.75));
        Self::of(kind, [first, second], size, rng)
    }

    /// Grey or coloured stone.
    pub fn stone(rng: &mut ChaCha8Rng, size: f32) -> Self {
        let first = hsv(
            rng.random(),
            rng.random_range(0.0..0.12),
            rng.random_range(0.2..0.6),
        );
        let second = scale(first, rng.random_range(0.5..0.8));
        Self::of(PatternKind::Speckle, [first, second], size, rng)
    }

    /// One colour with hardly any structure.
    pub fn plain(colour: V3, rng: &mut ChaCha8Rng) -> Self {
        Self {
            noise: 0.06,
            ..Self::of(PatternKind::Plain, [colour; 2], 0.5, rng)
        }
    }

    fn of(kind: PatternKind, colours: [V3; 2], size: f32, rng: &mut ChaCha8Rng) -> Self {
        Self {
            colours,
            kind,
            size,
            noise: rng.random_range(0.0..0.25),
            phase: [rng.random_range(0.0..100.0), rng.random_range(0.0..100.0)],
            turn: rng.random_range(0.0..std::f32::consts::TAU),
        }
    }

    /// The linear colour at a place, in metres; `sharp` fades the pattern out where it is finer than a pixel.
    pub fn at(&self, x: f32, y: f32, sharp: f32) -> V3 {
        let (s, c) = self.turn.sin_cos();
        let (u, v) = (
            (c * x - s * y) / self.size + self.phase[0],
            (s * x + c * y) / self.size + self.phase[1],
        );
        let [a, b] = self.colours;
        let fade = sharp.clamp(0.0, 1.0);
        let pattern = match self.kind {
            PatternKind::Plain => 0.0,
            PatternKind::Checker => ((floor(u) + floor(v)) & 1) as f32,
            PatternKind::Stripes => (floor(u * 2.0) & 1) as f32 * 0.6,
            PatternKind::Planks => {
                let row = floor(v * 2.0);
                let along = u * 0.5 + lattice(row, 3) * 7.0;
                let tone = lattice(floor(along), row);
                let joint = (v * 2.0 - row as f32) < 0.05 || along - (floor(along) as f32) < 0.02;
                let grain = smooth(u * 2.0, v * 23.0 + tone * 40.0);
                if joint {
                    1.0
                } else {
                    tone * 0.4 + grain * 0.25
                }
            }
            PatternKind::Grain => {
                let wave = smooth(u * 0.7, v * 0.9) * 3.0;
                0.35 + 0.5 * (smooth(u * 1.3, v * 17.0 + wave) - 0.5)
                    + 0.35 * (smooth(u * 3.0, v * 41.0 + wave) - 0.5)
            }
            PatternKind::Speckle => {
                smooth(u * 2.3, v * 2.3) * 0.5
                    + smooth(u * 8.0, v * 8.0) * 0.3
                    + smooth(u * 21.0, v * 21.0) * 0.2
            }
        };
        let mut colour = mix(a, b, 0.3 + (pattern - 0.3) * fade);
        if self.noise > 0.02 {
            let mut grain = smooth(u * 3.1, v * 3.1) * 0.6 + 0.2;
            if fade > 0.05 {
                grain += (smooth(u * 9.7, v * 9.7) - 0.5) * 0.4 * fade;
            }
            colour = scale(colour, 1.0 + self.noise * (2.0 * grain - 1.0));
        }
        colour
    }

    /// The linear colour inside a body of the material.
    pub fn solid(&self, [x, y, z]: V3) -> V3 {
        match self.kind {
            PatternKind::Grain | PatternKind::Planks => self.at(y, x.hypot(z * 0.8) + 0.3 * x, 1.0),
            _ => self.at(x + 0.37 * y, z - 0.61 * y, 1.0),
        }
    }
}

/// How a surface is painted.
#[derive(Clone)]
pub enum Paint {
    /// A pattern.
    Pattern(Pattern),
    /// A tile of so many metres, times a tint.
    Tile(Arc<Texture>, f32, V3),
}

impl Paint {
    /// Linear albedo at (s, t) metres, where a pixel covers `step` metres.
    pub fn at(&self, s: f32, t: f32, step: f32) -> V3 {
        match self {
            Paint::Pattern(pattern) => pattern.at(s, t, 0.4 * pattern.size / step.max(1e-5)),
            Paint::Tile(texture, edge, tint) => {
                let texels = texture.size().0 as f32 / edge * step;
                let lod = (texels * 0.8).max(1.0).log2();
                times(texture.sample(s / edge, t / edge, lod).0, *tint)
            }
        }
    }

    /// Its mean albedo.
    pub fn mean(&self) -> V3 {
        match self {
            Paint::Pattern(p) => mix(p.colours[0], p.colours[1], 0.3),
            Paint::Tile(texture, _, tint) => times(texture.mean(), *tint),
        }
    }
}

fn floor(x: f32) -> i32 {
    x as i32 - i32::from(x < 0.0)
}

fn lattice(x: i32, y: i32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77);
    h ^= h >> 15;
    h = h.wrapping_mul(0xC2B2_AE3D);
    h ^= h >> 13;
    h = h.wrapping_mul(0x27D4_EB2F);
    (h >> 16) as f32 / 65535.0
}

/// Smooth noise in 0..1 with features of size 1.
pub fn smooth(x: f32, y: f32) -> f32 {
    let (fx, fy) = (floor(x), floor(y));
    let (tx, ty) = (x - fx as f32, y - fy as f32);
    let (tx, ty) = (tx * tx * (3.0 - 2.0 * tx), ty * ty * (3.0 - 2.0 * ty));
    let top = lattice(fx, fy) * (1.0 - tx) + lattice(fx + 1, fy) * tx;
    let bottom = lattice(fx, fy + 1) * (1.0 - tx) + lattice(fx + 1, fy + 1) * tx;
    top * (1.0 - ty) + bottom * ty
}

/// A linear colour from hue, saturation and value in 0..1.
pub fn hsv(hue: f32, saturation: f32, value: f32) -> V3 {
    let channel = |offset: f32| {
        let k = (offset + hue.rem_euclid(1.0) * 6.0) % 6.0;
        value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
    };
    [channel(5.0), channel(3.0), channel(1.0)]
}
