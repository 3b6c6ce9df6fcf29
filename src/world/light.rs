//! Light from far away: a small radiance map reduced to spherical harmonics (ambient), a handful of directions whose
//! light objects can block, and a sun. Ramamoorthi and Hanrahan, "An Efficient Representation for Irradiance
//! Environment Maps", gives the harmonics' factors.

use super::vector::{V3, add, dot, luminance, scale, times, unit};

/// Radiance over all directions, equirectangular as the packs' panoramas.
pub struct RadianceMap {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Linear radiance, row by row.
    pub radiance: Vec<V3>,
}

impl RadianceMap {
    /// The map turned about the y axis by about `angle` radians (whole columns).
    pub fn turned(&self, angle: f32) -> Self {
        let shift = (angle / std::f32::consts::TAU * self.width as f32).round() as i64;
        let mut radiance = Vec::with_capacity(self.radiance.len());
        for row in self.radiance.chunks(self.width.max(1)) {
            for x in 0..row.len() as i64 {
                radiance.push(row[(x - shift).rem_euclid(row.len() as i64) as usize]);
            }
        }
        Self {
            radiance,
            width: self.width,
            height: self.height,
        }
    }
}

/// The direction of a panorama's position, u and v in 0..1.
pub fn direction(u: f32, v: f32) -> V3 {
    let azimuth = std::f32::consts::TAU * u - std::f32::consts::PI;
    let elevation = std::f32::consts::PI * (0.5 - v);
    [
        elevation.cos() * azimuth.sin(),
        elevation.sin(),
        -elevation.cos() * azimuth.cos(),
    ]
}

/// The panorama position (u, v) of a direction.
pub fn position(d: V3) -> [f32; 2] {
    let d = unit(d);
    let azimuth = d[0].atan2(-d[2]);
    [
        azimuth / std::f32::consts::TAU + 0.5,
        0.5 - d[1].clamp(-1.0, 1.0).asin() / std::f32::consts::PI,
    ]
}

/// A small far light.
#[derive(Clone, Copy, Debug)]
pub struct Sun {
    /// Towards the light.
    pub direction: V3,
    /// Irradiance / π on a surface that faces it.
    pub strength: V3,
    /// Angular radius in radians: how soft its shadows are.
    pub softness: f32,
}

/// Light of one part of the upper hemisphere.
#[derive(Clone, Copy, Debug)]
pub struct Patch {
    /// Towards the patch.
    pub direction: V3,
    /// Its part of the ground's irradiance / π.
    pub ground: V3,
    /// Its irradiance / π on a surface that faces it.
    pub flux: V3,
    /// Its weight in a surface's sky visibility.
    pub weight: f32,
}

/// How many patches the upper hemisphere is cut into.
pub const PATCHES: usize = 8;

/// The light of a scene. A white matte surface that gets 1 is as bright as the film's white point can show.
#[derive(Clone, Debug)]
pub struct Light {
    harmonics: [V3; 9],
    /// The sun or brightest lamp, if it stands out.
    pub sun: Option<Sun>,
    /// The upper hemisphere.
    pub patches: [Patch; PATCHES],
}

fn basis(d: V3) -> [f32; 9] {
    let [x, y, z] = d;
    [
        0.282_095,
        0.488_603 * y,
        0.488_603 * z,
        0.488_603 * x,
        1.092_548 * x * y,
        1.092_548 * y * z,
        0.315_392 * (3.0 * z * z - 1.0),
        1.092_548 * x * z,
        0.546_274 * (x * x - y * y),
    ]
}

impl Light {
    /// The light of a radiance map. `sun` is the brightest direction and its share of the light; above an eighth it
    /// becomes a light of its own with sharp shadows. `spin` turns the patches, so that their pattern differs.
    pub fn new(map: &RadianceMap, sun: Option<(V3, f32)>, spin: f32) -> Self {
        let mut directions = [[0.0; 3]; PATCHES];
        for (i, d) in directions.iter_mut().enumerate() {
            let (ring, count, elevation) = match i {
                0..4 => (i, 4.0, 0.38f32),
                4..7 => (i - 4, 3.0, 0.9),
                _ => (0, 1.0, 1.5),
            };
            let turn = spin + std::f32::consts::TAU * ring as f32 / count + elevation;
            *d = [
                elevation.cos() * turn.cos(),
                elevation.sin(),
                elevation.cos() * turn.sin(),
            ];
        }
        let cell =
            std::f32::consts::TAU / map.width as f32 * std::f32::consts::PI / map.height as f32;
        let near = 10f32.to_radians().cos();
        let split = sun.filter(|(d, share)| *share > 0.12 && d[1] > 0.08);
        // The sky around the sun fills the hole that the sun leaves.
        let mut around = ([0.0; 3], 0.0f32);
        if let Some((to_sun, _)) = split {
            let ring = 20f32.to_radians().cos();
            each(map, cell, |d, solid, l| {
                let c = dot(d, to_sun);
                if c < near && c > ring {
                    around = (add(around.0, scale(l, solid)), around.1 + solid);
                }
            });
        }
        let fill = scale(around.0, 1.0 / around.1.max(1e-6));
        let mut harmonics = [[0.0; 3]; 9];
        let mut ground = [[0.0; 3]; PATCHES];
        let mut weight = [0.0; PATCHES];
        let mut beam = [0.0; 3];
        each(map, cell, |d, solid, mut l| {
            if let Some((to_sun, _)) = split
                && dot(d, to_sun) > near
            {
                let kept: V3 = std::array::from_fn(|c| l[c].min(fill[c]));
                for c in 0..3 {
                    beam[c] += (l[c] - kept[c]) * solid;
                }
                l = kept;
            }
            let basis = basis(d);
            for (h, b) in harmonics.iter_mut().zip(basis) {
                *h = add(*h, scale(l, b * solid));
            }
            if d[1] > 0.0 {
                let (mut best, mut at) = (-2.0, 0);
                for (i, &p) in directions.iter().enumerate() {
                    let c = dot(d, p);
                    if c > best {
                        (best, at) = (c, i);
                    }
                }
                ground[at] = add(ground[at], scale(l, d[1] * solid / std::f32::consts::PI));
                weight[at] += luminance(l) * solid;
            }
        });
        // The cosine lobe's factors over π, times the basis at evaluation.
        for (i, h) in harmonics.iter_mut().enumerate() {
            let factor = match i {
                0 => 1.0,
                1..4 => 2.0 / 3.0,
                _ => 0.25,
            };
            *h = scale(*h, factor);
        }
        Self {
            harmonics,
            sun: split.map(|(direction, _)| Sun {
                direction: unit(direction),
                strength: scale(beam, 1.0 / std::f32::consts::PI),
                softness: 0.03,
            }),
            patches: std::array::from_fn(|i| Patch {
                direction: directions[i],
                ground: ground[i],
                flux: scale(ground[i], 1.0 / directions[i][1].max(0.2)),
                weight: weight[i],
            }),
        }
    }

    /// Ambient irradiance / π on a surface facing `normal`.
    pub fn ambient(&self, normal: V3) -> V3 {
        let mut sum = [0.0; 3];
        for (h, b) in self.harmonics.iter().zip(basis(normal)) {
            sum = add(sum, scale(*h, b));
        }
        // Few harmonics ring: no side of a real object is black.
        let floor = 0.25 * 0.282_095;
        std::array::from_fn(|c| sum[c].max(self.harmonics[0][c] * floor))
    }

    /// Radiance from a direction, as smooth as the harmonics are.
    pub fn radiance(&self, towards: V3) -> V3 {
        let mut sum = [0.0; 3];
        for (i, (h, b)) in self.harmonics.iter().zip(basis(towards)).enumerate() {
            let factor = match i {
                0 => 1.0,
                1..4 => 1.5,
                // The full factor would ring.
                _ => 2.0,
            };
            sum = add(sum, scale(*h, b * factor));
        }
        let floor = 0.15 * 0.282_095;
        std::array::from_fn(|c| sum[c].max(self.harmonics[0][c] * floor))
    }

    /// The sun's part on a surface facing `normal`, unblocked.
    pub fn direct(&self, normal: V3) -> V3 {
        match &self.sun {
            Some(sun) => scale(sun.strength, dot(normal, sun.direction).max(0.0)),
            None => [0.0; 3],
        }
    }

    /// Everything on the ground, unblocked.
    pub fn ground(&self) -> V3 {
        let sky = self
            .patches
            .iter()
            .fold([0.0; 3], |sum, p| add(sum, p.ground));
        add(sky, self.direct([0.0, 1.0, 0.0]))
    }

    /// All light multiplied by a colour.
    pub fn tinted(mut self, by: V3) -> Self {
        for h in &mut self.harmonics {
            *h = times(*h, by);
        }
        for p in &mut self.patches {
            p.ground = times(p.ground, by);
            p.flux = times(p.flux, by);
            p.weight *= luminance(by);
        }
        if let Some(sun) = &mut self.sun {
            sun.strength = times(sun.strength, by);
        }
        self
    }

    /// Brightness of a white object seen from `towards` (horizontal): the mean of its top and its front.
    pub fn level(&self, towards: V3) -> f32 {
        let of = |n: V3| luminance(add(self.ambient(n), self.direct(n)));
        0.4 * of([0.0, 1.0, 0.0]) + 0.6 * of(unit(add(towards, [0.0, 0.4, 0.0])))
    }
}

fn each(map: &RadianceMap, cell: f32, mut visit: impl FnMut(V3, f32, V3)) {
    for y in 0..map.height {
        let v = (y as f32 + 0.5) / map.height as f32;
        let solid = cell * (std::f32::consts::PI * v).sin();
        for x in 0..map.width {
            let u = (x as f32 + 0.5) / map.width as f32;
            visit(direction(u, v), solid, map.radiance[y * map.width + x]);
        }
    }
}
