//! Where a scene's light comes from: a panorama's radiance or a made-up sky, turned and brought to a level.

use std::sync::Arc;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::camera::Camera;
use super::light::{Light, RadianceMap, Sun, direction};
use super::pack::Pack;
use super::vector::{V3, add, dot, luminance, mix, scale, turn, unit};

/// A source of light that can be turned about the y axis.
#[derive(Clone)]
pub struct Lamp {
    map: Arc<RadianceMap>,
    /// The brightest direction of the map and its share of the light.
    peak: Option<(V3, f32)>,
    /// A sun that is not in the map: direction, strength against the ground's light, colour.
    sun: Option<(V3, f32, V3)>,
    levels: [f32; 2],
    tint: V3,
    spin: f32,
    softness: f32,
}

impl Lamp {
    /// The light of panorama `at`, brought between two levels; `None` if the pack has none.
    pub fn of_panorama(
        pack: &Pack,
        at: usize,
        levels: [f32; 2],
        rng: &mut ChaCha8Rng,
    ) -> Option<Self> {
        let panorama = &pack.panoramas[at];
        Some(Self {
            map: pack.radiance(at)?,
            peak: Some((panorama.sun, panorama.sun_share)),
            sun: None,
            levels,
            tint: [1.0; 3],
            spin: rng.random_range(0.0..std::f32::consts::TAU),
            softness: rng.random_range(0.012..0.05),
        })
    }

    /// A sky that is brighter on top, one or two windows, and at times a sun, at the level of `tint`.
    pub fn made(rng: &mut ChaCha8Rng, tint: V3) -> Self {
        let (width, height) = (24, 12);
        let top = rng.random_range(0.5..1.2f32);
        let bottom = rng.random_range(0.15..0.5f32);
        let warmth = rng.random_range(-0.08..0.08f32);
        let windows: Vec<(V3, f32, f32)> = (0..rng.random_range(1..3))
            .map(|_| {
                let towards = direction(rng.random(), rng.random_range(0.08..0.42));
                let edge = rng.random_range(0.75..0.93f32);
                (towards, edge, rng.random_range(1.0..9.0f32))
            })
            .collect();
        let mut radiance = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let d = direction(
                    (x as f32 + 0.5) / width as f32,
                    (y as f32 + 0.5) / height as f32,
                );
                let mut l = bottom + (top - bottom) * (0.5 + 0.5 * d[1]).powi(2);
                let mut colour = [l * (1.0 - warmth), l, l * (1.0 + warmth)];
                for &(towards, edge, strength) in &windows {
                    l = ((dot(d, towards) - edge) / (1.0 - edge)).clamp(0.0, 1.0) * strength;
                    colour = add(colour, [l * (1.0 + warmth), l, l * (1.0 - warmth)]);
                }
                radiance.push(colour);
            }
        }
        let sun = rng.random_bool(0.45).then(|| {
            let colour = mix([1.0; 3], [1.05, 1.0, 0.9], rng.random());
            let towards = direction(rng.random(), rng.random_range(0.12..0.36));
            (towards, rng.random_range(0.4..2.0), colour)
        });
        let level = luminance(tint).max(1e-3);
        Self {
            map: Arc::new(RadianceMap {
                width,
                height,
                radiance,
            }),
            peak: None,
            sun,
            levels: [level; 2],
            tint: scale(tint, 1.0 / level),
            spin: rng.random_range(0.0..std::f32::consts::TAU),
            softness: rng.random_range(0.012..0.09),
        }
    }

    /// Light for objects on a plain ground or in a room: borrowed from a panorama or made up.
    pub fn studio(pack: &Pack, rng: &mut ChaCha8Rng, borrowed: f64, levels: [f32; 2]) -> Self {
        let level = rng.random_range(levels[0]..levels[1]);
        let lights = pack.panoramas.len();
        (lights > 0 && rng.random_bool(borrowed))
            .then(|| rng.random_range(0..lights))
            .and_then(|at| Self::of_panorama(pack, at, [level; 2], rng))
            .unwrap_or_else(|| Self::made(rng, [level; 3]))
    }

    /// The same lamp in another colour.
    pub fn tinted(mut self, by: V3) -> Self {
        self.tint = super::vector::times(self.tint, by);
        self
    }

    /// The light, turned by `angle` radians, as bright as objects before `camera` need it.
    pub fn light(&self, angle: f32, camera: &Camera) -> Light {
        let about = |d: V3| turn(d, -angle);
        let peak = self.peak.map(|(d, share)| (about(d), share));
        let mut light = if angle == 0.0 {
            Light::new(&self.map, peak, self.spin)
        } else {
            Light::new(&self.map.turned(angle), peak, self.spin)
        };
        if let Some((towards, strength, colour)) = self.sun {
            let strength = luminance(light.ground()) * strength;
            light.sun = Some(Sun {
                direction: about(towards),
                strength: scale(colour, strength),
                softness: self.softness,
            });
        }
        if let Some(sun) = &mut light.sun {
            sun.softness = self.softness;
        }
        let forward = camera.forward();
        let level = light.level(unit([-forward[0], 0.0, -forward[2]])).max(1e-4);
        let wanted = level.clamp(self.levels[0], self.levels[1]);
        light.tinted(scale(self.tint, wanted / level))
    }
}
