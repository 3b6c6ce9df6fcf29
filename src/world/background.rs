//! What is behind and below the objects.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::camera::Camera;
use super::colour::tone;
use super::light::{Light, position};
use super::texture::Texture;
use super::vector::{V3, add, mix, scale, times};

/// A made-up floor or wall.
#[derive(Clone, Debug)]
pub struct Pattern {
    colours: [V3; 2],
    kind: PatternKind,
    size: f32,
    noise: f32,
    phase: [f32; 2],
    turn: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PatternKind {
    Plain,
    Checker,
    Planks,
    Stripes,
}

/// The surroundings of a scene.
pub enum Background<'a> {
    /// A panorama seen from its own centre; its lower half is the ground.
    Panorama(&'a Texture),
    /// A part of a photograph: left, top, width and height in 0..1, mirrored or not.
    Photo {
        /// The photograph.
        picture: &'a Texture,
        /// The part that fills the frame.
        part: [f32; 4],
        /// Mirrored from left to right.
        mirrored: bool,
        /// Factor on its light.
        gain: V3,
    },
    /// A floor, and a wall that stands across the view at a distance.
    Room {
        /// The floor's tile and its size, or none for the pattern.
        tile: Option<(&'a Texture, f32)>,
        /// The floor without a tile, and the tint of one.
        floor: Pattern,
        /// The wall: a photograph or a pattern.
        wall: Option<&'a Texture>,
        /// The wall without a photograph.
        paint: Pattern,
        /// The wall's distance from the camera.
        distance: f32,
    },
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
        let kind = match rng.random_range(0..if calm { 6 } else { 10 }) {
            0..5 => PatternKind::Plain,
            5 => PatternKind::Stripes,
            6..8 => PatternKind::Checker,
            _ => PatternKind::Planks,
        };
        Self {
            colours: [first, second],
            kind,
            size: rng.random_range(0.15..0.6),
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
        let pattern = match self.kind {
            PatternKind::Plain => 0.0,
            PatternKind::Checker => {
                if (u.floor() as i64 + v.floor() as i64).rem_euclid(2) == 0 {
                    0.0
                } else {
                    1.0
                }
            }
            PatternKind::Stripes => {
                if (u * 2.0).floor() as i64 % 2 == 0 {
                    0.0
                } else {
                    0.6
                }
            }
            PatternKind::Planks => {
                let row = (v * 2.0).floor();
                let along = u * 0.5 + lattice(row as i64, 3) * 7.0;
                let tone = lattice(along.floor() as i64, row as i64);
                let joint = (v * 2.0 - row) < 0.05 || along.fract().abs() < 0.02;
                if joint { 1.0 } else { tone * 0.5 }
            }
        };
        let fade = sharp.clamp(0.0, 1.0);
        let mut colour = mix(a, b, 0.3 + (pattern - 0.3) * fade);
        let grain = smooth(u * 3.1, v * 3.1) * 0.6 + smooth(u * 9.7, v * 9.7) * 0.4 * fade;
        colour = scale(colour, 1.0 + self.noise * (2.0 * grain - 1.0));
        colour
    }
}

fn lattice(x: i64, y: i64) -> f32 {
    let mut h = (x as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ (y as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
    h ^= h >> 29;
    h = h.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    h ^= h >> 32;
    (h & 0xFFFF) as f32 / 65535.0
}

fn smooth(x: f32, y: f32) -> f32 {
    let below = |x: f32| x as i32 - i32::from(x < 0.0);
    let (fx, fy) = (below(x), below(y));
    let (tx, ty) = (x - fx as f32, y - fy as f32);
    let (tx, ty) = (tx * tx * (3.0 - 2.0 * tx), ty * ty * (3.0 - 2.0 * ty));
    let (x, y) = (i64::from(fx), i64::from(fy));
    let top = lattice(x, y) * (1.0 - tx) + lattice(x + 1, y) * tx;
    let bottom = lattice(x, y + 1) * (1.0 - tx) + lattice(x + 1, y + 1) * tx;
    top * (1.0 - ty) + bottom * ty
}

fn hsv(hue: f32, saturation: f32, value: f32) -> V3 {
    let channel = |offset: f32| {
        let k = (offset + hue.rem_euclid(1.0) * 6.0) % 6.0;
        value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
    };
    [channel(5.0), channel(3.0), channel(1.0)]
}

impl Background<'_> {
    /// Display colours (linear, 0..1) of the frame, and for each pixel the point of the ground it shows.
    pub fn render(
        &self,
        camera: &Camera,
        size: usize,
        light: &Light,
    ) -> (Vec<V3>, Vec<Option<V3>>) {
        let mut colours = Vec::with_capacity(size * size);
        let mut ground = Vec::with_capacity(size * size);
        let forward = camera.ray(camera.centre[0], camera.centre[1]);
        let level = scale(
            [forward[0], 0.0, forward[2]],
            1.0 / forward[0].hypot(forward[2]).max(1e-6),
        );
        let wall_light = add(
            light.ambient(scale(level, -1.0)),
            light.direct(scale(level, -1.0)),
        );
        let floor_light = light.ground();
        // Pictures are smooth at this scale already; patterns have edges.
        let offsets: &[(f32, f32)] = match self {
            Background::Room { .. } => &[(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)],
            Background::Panorama(_) => &[(0.25, 0.25), (0.75, 0.75)],
            Background::Photo { .. } => &[(0.5, 0.5)],
        };
        for y in 0..size {
            for x in 0..size {
                let middle = (x as f32 + 0.5, y as f32 + 0.5);
                let mut floor = camera.ground(middle.0, middle.1);
                if let Background::Room { distance, .. } = self {
                    floor = floor.filter(|p| {
                        (p[0] - camera.eye[0]) * level[0] + (p[2] - camera.eye[2]) * level[2]
                            < *distance
                    });
                }
                ground.push(floor);
                let mut sum = [0.0; 3];
                for &(dx, dy) in offsets {
                    let (px, py) = (x as f32 + dx, y as f32 + dy);
                    sum = add(
                        sum,
                        self.at(camera, (px, py), size, level, wall_light, floor_light),
                    );
                }
                colours.push(scale(sum, 1.0 / offsets.len() as f32));
            }
        }
        (colours, ground)
    }

    fn at(
        &self,
        camera: &Camera,
        (x, y): (f32, f32),
        size: usize,
        level: V3,
        wall_light: V3,
        floor_light: V3,
    ) -> V3 {
        match self {
            Background::Panorama(picture) => {
                let [u, v] = position(camera.ray(x, y));
                let per_pixel =
                    picture.size().0 as f32 / (std::f32::consts::TAU * camera.focal) * 0.5;
                picture.sample(u, v, per_pixel.max(1.0).log2()).0
            }
            Background::Photo {
                picture,
                part,
                mirrored,
                gain,
            } => {
                let mut u = x / size as f32;
                if *mirrored {
                    u = 1.0 - u;
                }
                let v = y / size as f32;
                let texels = picture.size().0 as f32 * part[2] / size as f32;
                let c = picture
                    .sample(
                        part[0] + u * part[2],
                        part[1] + v * part[3],
                        texels.max(1.0).log2(),
                    )
                    .0;
                times(c, *gain).map(|c| c.min(1.0))
            }
            Background::Room {
                tile,
                floor,
                wall,
                paint,
                distance,
            } => {
                let ray = camera.ray(x, y);
                let ahead = ray[0] * level[0] + ray[2] * level[2];
                let to_wall = distance / ahead.max(1e-4);
                let to_floor = if ray[1] < -1e-4 {
                    -camera.eye[1] / ray[1]
                } else {
                    f32::MAX
                };
                if to_floor < to_wall {
                    let p = add(camera.eye, scale(ray, to_floor));
                    // How much floor one pixel covers, along the view.
                    let step = to_floor * to_floor / (camera.focal * camera.eye[1]);
                    let albedo = match tile {
                        Some((texture, size)) => {
                            let texels = texture.size().0 as f32 / size
                                * step.sqrt()
                                * (to_floor / camera.focal).sqrt();
                            let c = texture
                                .sample(p[0] / size, p[2] / size, (texels * 0.7).max(1.0).log2())
                                .0;
                            times(c, mix([1.0; 3], scale(floor.colours[0], 1.6), 0.4))
                        }
                        None => floor.at(p[0], p[2], 0.5 * floor.size / step.max(1e-4)),
                    };
                    tone(times(albedo, floor_light))
                } else {
                    let p = add(camera.eye, scale(ray, to_wall));
                    let sideways = p[0] * level[2] - p[2] * level[0];
                    match wall {
                        Some(picture) => {
                            let height = 2.2 * distance / 3.0;
                            let (w, h) = picture.size();
                            let width = height * w as f32 / h as f32;
                            let c = picture
                                .sample(0.5 + sideways / width, 1.0 - p[1] / height, 1.0)
                                .0;
                            c.map(|c| c * 0.9)
                        }
                        None => {
                            let albedo = paint.at(
                                sideways,
                                p[1],
                                0.5 * paint.size * camera.focal / to_wall.max(1e-3),
                            );
                            // Corners are darker: the floor and the wall take each other's sky.
                            let corner = 0.72 + 0.28 * (p[1] / (0.35 * distance)).clamp(0.0, 1.0);
                            tone(scale(times(albedo, wall_light), corner))
                        }
                    }
                }
            }
        }
    }
}
