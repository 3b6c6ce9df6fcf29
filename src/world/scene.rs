//! A scene: a background with its light and camera, objects put on its ground, pictures of both.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::background::{Background, Pattern};
use super::camera::Camera;
use super::colour::encode;
use super::light::{Light, RadianceMap, direction};
use super::mesh::Mesh;
use super::pack::Pack;
use super::raster::{Layer, Placed, Pose, SAMPLES, Shadows};
use super::vector::{V3, add, dot, length, luminance, mix, scale, sub, times, unit};

/// What stands behind and below the objects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Backdrop {
    /// Panorama by position in the pack; the floor is its lower half.
    Panorama(usize),
    /// Photograph by position in the pack.
    Photo(usize),
    /// Floor of a tile by position in the pack, or of a made-up pattern, before a wall.
    Floor(Option<usize>),
}

/// A background ready for objects.
pub struct Scene {
    /// Pixels along each side.
    pub size: usize,
    /// The camera, in pixels of the frame.
    pub camera: Camera,
    /// The light on objects and ground.
    pub light: Light,
    pitch: f32,
    wall: f32,
    colours: Vec<V3>,
    ground: Vec<Option<V3>>,
    grain: Vec<i8>,
    sharp: usize,
}

/// What to look for when an object is put somewhere.
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    /// Where its foot is, 0..1 from left to right.
    pub u: f32,
    /// Rows its foot may be in, 0..1 from top to bottom.
    pub rows: [f32; 2],
    /// The larger of its width and height, as a share of the frame's side.
    pub size: f32,
    /// Its turn relative to facing the camera.
    pub facing: f32,
}

/// An object in a scene, drawn.
pub struct Drawn {
    layer: Layer,
    shade: Vec<V3>,
}

impl Scene {
    /// A scene before `backdrop`, `size` pixels on each side; `None` if its files are not usable.
    pub fn new(pack: &Pack, backdrop: Backdrop, size: usize, rng: &mut ChaCha8Rng) -> Option<Self> {
        let frame = size as f32;
        let yaw = rng.random_range(0.0..std::f32::consts::TAU);
        let spin = rng.random_range(0.0..std::f32::consts::TAU);
        let eye = [0.0, 1.6, 0.0];
        let mut wall = f32::MAX;
        let (camera, pitch, light, background);
        let panorama;
        let picture;
        let tile;
        let wall_picture;
        match backdrop {
            Backdrop::Panorama(at) => {
                pitch = rng.random_range(0.10..0.50f32);
                let fov = rng.random_range(0.7..1.2);
                camera = Camera::new(eye, yaw, pitch, fov, frame);
                light = panorama_light(pack, at, spin)
                    .map(|l| exposed(l, &camera, 0.5, 1.1))
                    .unwrap_or_else(|| made_light(rng, &camera, spin, [1.0; 3]));
                panorama = pack.panorama(at)?;
                background = Background::Panorama(&panorama);
            }
            Backdrop::Photo(at) => {
                picture = pack.photo(at)?;
                let photo = &pack.photos[at];
                pitch = if photo.grocery {
                    rng.random_range(0.3..0.75)
                } else {
                    rng.random_range(0.08..0.3)
                };
                camera = Camera::new(eye, yaw, pitch, rng.random_range(0.6..0.95), frame);
                let (w, h) = picture.size();
                let side = w.min(h) as f32
                    * rng.random_range(if photo.grocery {
                        0.75..1.0
                    } else {
                        0.45..1.0f32
                    });
                let (pw, ph) = (side / w as f32, side / h as f32);
                // Ground is in the lower part, where there is any.
                let top = if photo.ground {
                    1.0
                } else {
                    rng.random::<f32>()
                };
                let part = [rng.random::<f32>() * (1.0 - pw), top * (1.0 - ph), pw, ph];
                let mean = picture.mean();
                let bright = luminance(mean).max(1e-3);
                // Near-black and blown-out photographs are brought to where objects can be seen.
                let gain = (bright.clamp(0.06, 0.5) / bright).clamp(0.4, 3.0);
                let cast: V3 =
                    std::array::from_fn(|c| (mean[c] / bright).clamp(0.6, 1.6).powf(0.5));
                light = made_light(
                    rng,
                    &camera,
                    spin,
                    scale(cast, (bright * gain * 2.4).clamp(0.45, 1.0)),
                );
                background = Background::Photo {
                    picture: &picture,
                    part,
                    mirrored: rng.random_bool(0.5),
                    gain: [gain; 3],
                };
            }
            Backdrop::Floor(at) => {
                pitch = rng.random_range(0.14..0.65f32);
                camera = Camera::new(eye, yaw, pitch, rng.random_range(0.55..0.95), frame);
                let lights = pack.panoramas.len();
                let borrowed = (lights > 0 && rng.random_bool(0.7))
                    .then(|| rng.random_range(0..lights))
                    .and_then(|at| panorama_light(pack, at, spin));
                let level = rng.random_range(0.6..1.1);
                light = match borrowed {
                    Some(light) => exposed(light, &camera, level, level),
                    None => made_light(rng, &camera, spin, [level; 3]),
                };
                let row = rng.random_range(0.08..0.45f32);
                wall = camera
                    .ground(frame / 2.0, row * frame)
                    .map_or(12.0, |p| length(sub(p, [0.0; 3])))
                    .clamp(2.0, 14.0);
                tile = at.and_then(|at| pack.tile(at));
                wall_picture = (!pack.photos.is_empty() && rng.random_bool(0.3))
                    .then(|| rng.random_range(0..pack.photos.len()))
                    .and_then(|at| pack.photo(at));
                let width = at.map_or(1.0, |at| pack.tiles[at].size) * rng.random_range(0.6..1.5);
                background = Background::Room {
                    tile: tile.as_deref().map(|t| (t, width)),
                    floor: Pattern::random(rng, false),
                    wall: wall_picture.as_deref(),
                    paint: Pattern::random(rng, true),
                    distance: wall,
                };
            }
        }
        let (colours, ground) = background.render(&camera, size, &light);
        let strength = rng.random::<f32>().powi(2) * 2.5;
        let grain = (0..size * size)
            .map(|_| {
                let bell: f32 =
                    rng.random::<f32>() + rng.random::<f32>() + rng.random::<f32>() - 1.5;
                (bell * 2.0 * strength).round() as i8
            })
            .collect();
        Some(Self {
            size,
            camera,
            light,
            pitch,
            wall,
            colours,
            ground,
            grain,
            sharp: rng.random_range(1..5),
        })
    }

    /// How far the camera looks down, in radians.
    pub fn pitch(&self) -> f32 {
        self.pitch
    }

    /// The mean luminance of the empty scene.
    pub fn brightness(&self) -> f32 {
        let sum: f32 = self.colours.iter().map(|&c| luminance(c)).sum();
        sum / self.colours.len() as f32
    }

    /// Puts `mesh` near a spot, away from what `others` (foot and radius) take; `None` if it does not fit there.
    pub fn place<'a>(
        &self,
        mesh: &'a Mesh,
        spot: Spot,
        others: &[(V3, f32)],
        rng: &mut ChaCha8Rng,
    ) -> Option<Placed<'a>> {
        let frame = self.size as f32;
        let forward = self
            .camera
            .ray(self.camera.centre[0], self.camera.centre[1]);
        let horizon = (0..self.size)
            .find(|&y| self.camera.ground(frame / 2.0, y as f32).is_some())
            .unwrap_or(self.size) as f32
            / frame;
        let low = spot.rows[0].max(horizon + 0.10);
        let high = spot.rows[1].max(low + 0.01);
        let (mut u, mut v) = (spot.u, rng.random_range(low..high));
        let pose = self.pose(mesh, spot.facing);
        let unit_size = {
            let probe = Placed::new(mesh, pose, 1.0, [0.0; 3]);
            1.0 / probe.radius().max(probe.height()).max(1e-6)
        };
        let mut size = unit_size;
        for round in 0..6 {
            let foot = self.camera.ground(u * frame, v * frame)?;
            // An object keeps its pose to the line of sight wherever it stands.
            for _ in 0..3 {
                let placed = Placed::new(mesh, pose, size, foot);
                let (b, near) = placed.bounds(&self.camera);
                if near <= 1e-3 {
                    size *= 0.5;
                    continue;
                }
                let extent = (b[2] - b[0]).max(b[3] - b[1]) / frame;
                size *= spot.size / extent.max(1e-4);
            }
            let placed = Placed::new(mesh, pose, size, foot);
            let (b, near) = placed.bounds(&self.camera);
            if near <= 0.05 {
                return None;
            }
            let margin = 0.01 * frame;
            let mut fits = true;
            for (value, over) in [(&mut u, [b[0], b[2]]), (&mut v, [b[1], b[3]])] {
                if over[0] < margin {
                    *value += (margin - over[0]) / frame;
                    fits = false;
                } else if over[1] > frame - margin {
                    *value -= (over[1] - frame + margin) / frame;
                    fits = false;
                }
            }
            let ahead =
                (foot[0] * forward[0] + foot[2] * forward[2]) / forward[0].hypot(forward[2]);
            let radius = placed.radius();
            if ahead + radius > self.wall {
                v += 0.04;
                fits = false;
            }
            let free = others
                .iter()
                .all(|(at, r)| (foot[0] - at[0]).hypot(foot[2] - at[2]) > r + radius);
            if !free {
                return None;
            }
            if fits {
                return Some(placed);
            }
            if v < horizon + 0.05 || v > 1.0 || round == 5 {
                return None;
            }
        }
        None
    }

    fn pose(&self, mesh: &Mesh, facing: f32) -> Pose {
        Pose {
            yaw: self.camera.yaw + facing,
            lean: if mesh.relief { self.pitch * 0.75 } else { 0.0 },
        }
    }

    /// Draws an object and its shadow.
    pub fn draw(&self, object: &Placed<'_>) -> Drawn {
        let shadows = Shadows::new(object, &self.light, self.sharp);
        let layer = Layer::draw(object, &self.camera, self.size, &self.light, &shadows);
        let whole = self.light.ground();
        let shade = self
            .ground
            .iter()
            .map(|p| p.map_or([1.0; 3], |p| shadows.ground(p, &self.light, whole)))
            .collect();
        Drawn { layer, shade }
    }

    /// An object where it stands, alone and in another light: straight-alpha RGBA.
    pub fn relit(&self, object: &Placed<'_>, light: &Light) -> Vec<[u8; 4]> {
        let shadows = Shadows::new(object, light, self.sharp);
        let layer = Layer::draw(object, &self.camera, self.size, light, &shadows);
        cut_out(&layer, self.size)
    }

    /// The picture with some objects: RGB bytes.
    pub fn picture(&self, objects: &[&Drawn]) -> Vec<[u8; 3]> {
        let side = self.size * SAMPLES;
        let mut picture = Vec::with_capacity(self.size * self.size);
        for y in 0..self.size {
            for x in 0..self.size {
                let at = y * self.size + x;
                let mut base = self.colours[at];
                for object in objects {
                    let shade = object.shade[at];
                    if shade.iter().any(|&s| s < 0.992) {
                        base = times(base, shade);
                    }
                }
                let mut sum = [0.0; 3];
                for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    let sample = (y * SAMPLES + dy) * side + x * SAMPLES + dx;
                    let mut near = 0.0;
                    let mut colour = base;
                    for object in objects {
                        let n = object.layer.nearness[sample];
                        if n > near {
                            near = n;
                            colour = object.layer.colour[sample];
                        }
                    }
                    sum = add(sum, colour);
                }
                let grain = i16::from(self.grain[at]);
                picture
                    .push(sum.map(|s| (i16::from(encode(s * 0.25)) + grain).clamp(0, 255) as u8));
            }
        }
        picture
    }

    /// What of `object` is not hidden by `others`: 0, 64, 128, 192 or 255 for each pixel.
    pub fn visible(&self, object: &Drawn, others: &[&Drawn]) -> Vec<u8> {
        let side = self.size * SAMPLES;
        let mut mask = vec![0u8; self.size * self.size];
        for y in 0..side {
            for x in 0..side {
                let sample = y * side + x;
                let near = object.layer.nearness[sample];
                if near > 0.0 && others.iter().all(|o| o.layer.nearness[sample] <= near) {
                    let value = &mut mask[y / SAMPLES * self.size + x / SAMPLES];
                    *value = value.saturating_add(64);
                }
            }
        }
        mask
    }
}

/// A picture of an object alone, filling the frame but for a margin: straight-alpha RGBA.
pub fn portrait(
    mesh: &Mesh,
    facing: f32,
    pitch: f32,
    light: &Light,
    size: usize,
    margin: f32,
) -> Option<Vec<[u8; 4]>> {
    let probe = Placed::new(mesh, Pose::default(), 1.0, [0.0; 3]);
    let scaled = 1.0 / probe.radius().max(probe.height()).max(1e-6);
    let pose = Pose {
        yaw: facing,
        lean: if mesh.relief { pitch * 0.75 } else { 0.0 },
    };
    let object = Placed::new(mesh, pose, scaled, [0.0; 3]);
    let middle = 0.5 * object.height();
    let distance = 4.5;
    let eye = [0.0, middle + distance * pitch.sin(), distance * pitch.cos()];
    let mut camera = Camera::new(eye, 0.0, pitch, 0.6, size as f32);
    let (b, near) = object.bounds(&camera);
    if near <= 0.1 {
        return None;
    }
    let frame = size as f32;
    let zoom = frame * (1.0 - 2.0 * margin) / (b[2] - b[0]).max(b[3] - b[1]).max(1e-3);
    camera.focal *= zoom;
    let centre = camera.centre;
    camera.centre = [
        frame / 2.0 - zoom * ((b[0] + b[2]) / 2.0 - centre[0]),
        frame / 2.0 - zoom * ((b[1] + b[3]) / 2.0 - centre[1]),
    ];
    let shadows = Shadows::new(&object, light, 2);
    let layer = Layer::draw(&object, &camera, size, light, &shadows);
    Some(cut_out(&layer, size))
}

/// A drawn object alone: straight-alpha RGBA.
fn cut_out(layer: &Layer, size: usize) -> Vec<[u8; 4]> {
    let mut picture = vec![[0; 4]; size * size];
    for y in 0..size {
        for x in 0..size {
            let mut sum = [0.0; 3];
            let mut count = 0;
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let sample = (y * SAMPLES + dy) * layer.side + x * SAMPLES + dx;
                if layer.nearness[sample] > 0.0 {
                    sum = add(sum, layer.colour[sample]);
                    count += 1;
                }
            }
            if count > 0 {
                let c = sum.map(|s| encode(s / count as f32));
                picture[y * size + x] = [c[0], c[1], c[2], (count * 64).min(255) as u8];
            }
        }
    }
    picture
}

/// A light for a portrait: soft, from a random side.
pub fn studio(pack: &Pack, rng: &mut ChaCha8Rng) -> Light {
    let spin = rng.random_range(0.0..std::f32::consts::TAU);
    // Portraits look along −z from z > 0.
    let camera = Camera::new([0.0, 1.6, 4.0], 0.0, 0.2, 0.6, 2.0);
    let lights = pack.panoramas.len();
    let level = rng.random_range(0.7..1.15);
    let borrowed = (lights > 0 && rng.random_bool(0.4))
        .then(|| rng.random_range(0..lights))
        .and_then(|at| panorama_light(pack, at, spin));
    match borrowed {
        Some(light) => exposed(light, &camera, level, level),
        None => made_light(rng, &camera, spin, [level; 3]),
    }
}

fn panorama_light(pack: &Pack, at: usize, spin: f32) -> Option<Light> {
    let map = pack.radiance(at)?;
    let panorama = &pack.panoramas[at];
    Some(Light::new(
        &map,
        Some((panorama.sun, panorama.sun_share)),
        spin,
    ))
}

/// `light` brought to a level between `low` and `high` as `camera` sees objects in it.
fn exposed(light: Light, camera: &Camera, low: f32, high: f32) -> Light {
    let forward = camera.ray(camera.centre[0], camera.centre[1]);
    let level = light.level(unit([-forward[0], 0.0, -forward[2]])).max(1e-4);
    light.tinted([level.clamp(low, high) / level; 3])
}

/// A sky that is brighter on top, one or two windows, and at times a sun, at the level of `tint`.
fn made_light(rng: &mut ChaCha8Rng, camera: &Camera, spin: f32, tint: V3) -> Light {
    let (width, height) = (24, 12);
    let top = rng.random_range(0.5..1.2f32);
    let bottom = rng.random_range(0.15..0.5f32);
    let warmth = rng.random_range(-0.08..0.08f32);
    let windows: Vec<(V3, f32, f32)> = (0..rng.random_range(1..3))
        .map(|_| {
            let towards = direction(rng.random(), rng.random_range(0.08..0.42));
            (
                towards,
                rng.random_range(0.75..0.93f32),
                rng.random_range(1.0..9.0f32),
            )
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
    let map = RadianceMap {
        width,
        height,
        radiance,
    };
    let mut light = Light::new(&map, None, spin);
    if rng.random_bool(0.45) {
        let towards = direction(rng.random(), rng.random_range(0.12..0.36));
        let strength = luminance(light.ground()) * rng.random_range(0.4..2.0);
        light.sun = Some(super::light::Sun {
            direction: towards,
            strength: mix(
                [strength; 3],
                [strength * 1.05, strength, strength * 0.9],
                rng.random(),
            ),
            softness: 0.03,
        });
    }
    let level = luminance(tint).max(1e-3);
    exposed(light, camera, level, level).tinted(scale(tint, 1.0 / level))
}
