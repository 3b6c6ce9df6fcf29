//! Triangles to pixels: a z-buffer with 2×2 samples a pixel, shaded afterwards where something is visible.

use super::camera::Camera;
use super::colour::tone;
use super::light::Light;
use super::mesh::Mesh;
use super::shadow::ShadowMap;
use super::vector::{V3, add, dot, luminance, scale, sub, times, turn, unit};

/// Samples along each side of a pixel.
pub const SAMPLES: usize = 2;

/// How an object is turned.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pose {
    /// About the y axis, in radians.
    pub yaw: f32,
    /// Backwards, before that.
    pub lean: f32,
}

impl Pose {
    fn apply(self, [x, y, z]: V3) -> V3 {
        let (s, c) = self.lean.sin_cos();
        turn([x, y * c + z * s, z * c - y * s], self.yaw)
    }
}

/// An object in the world.
pub struct Placed<'a> {
    /// Its triangles.
    pub mesh: &'a Mesh,
    /// Vertex positions in the world.
    pub positions: Vec<V3>,
    pose: Pose,
    /// The point of the ground it stands on.
    pub foot: V3,
    /// Factor on the mesh's size.
    pub size: f32,
}

impl<'a> Placed<'a> {
    /// `mesh` in `pose`, `size` times as large, standing at `foot`.
    pub fn new(mesh: &'a Mesh, pose: Pose, size: f32, foot: V3) -> Self {
        let positions = mesh
            .positions
            .iter()
            .map(|&p| add(scale(pose.apply(p), size), foot))
            .collect();
        Self {
            mesh,
            positions,
            pose,
            foot,
            size,
        }
    }

    /// The radius of its footprint around `foot`.
    pub fn radius(&self) -> f32 {
        self.positions
            .iter()
            .map(|p| (p[0] - self.foot[0]).hypot(p[2] - self.foot[2]))
            .fold(0.0, f32::max)
    }

    /// Its height.
    pub fn height(&self) -> f32 {
        self.positions.iter().map(|p| p[1]).fold(0.0, f32::max)
    }

    /// The rectangle (x0, y0, x1, y1) it takes in the frame, and the least depth of its vertices.
    pub fn bounds(&self, camera: &Camera) -> ([f32; 4], f32) {
        let mut bounds = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
        let mut near = f32::MAX;
        for &p in &self.positions {
            let [x, y, depth] = camera.project(p);
            near = near.min(depth);
            bounds = [
                bounds[0].min(x),
                bounds[1].min(y),
                bounds[2].max(x),
                bounds[3].max(y),
            ];
        }
        (bounds, near)
    }

    /// Whether a triangle has see-through parts.
    pub fn has_holes(&self, triangle: usize) -> bool {
        let material = &self.mesh.materials[self.mesh.surfaces[triangle] as usize];
        material.cutoff.is_some() || material.colour[3] < 0.98
    }

    /// Whether a triangle is solid at a barycentric position; glass is solid for as many of four `sample`s as its
    /// alpha says.
    pub fn solid(&self, triangle: usize, weights: [f32; 3], sample: usize) -> bool {
        let material = &self.mesh.materials[self.mesh.surfaces[triangle] as usize];
        let mut alpha = material.colour[3];
        if let Some(texture) = &material.texture {
            let [u, v] = self.uv(triangle, weights);
            alpha *= texture.sample(u, v, 0.0).1;
        }
        match material.cutoff {
            Some(cutoff) => alpha >= cutoff,
            None => alpha * 4.0 > sample as f32 + 0.25,
        }
    }

    fn uv(&self, triangle: usize, w: [f32; 3]) -> [f32; 2] {
        let t = self.mesh.triangles[triangle].map(|i| self.mesh.uvs[i as usize]);
        std::array::from_fn(|c| w[0] * t[0][c] + w[1] * t[1][c] + w[2] * t[2][c])
    }
}

/// The share of the ground's light whose loss is not drawn.
const FAINT: f32 = 0.06;

/// What one object's samples show.
pub struct Layer {
    /// Samples along each side of the frame.
    pub side: usize,
    /// 1 / depth of each sample; 0 where the object is not.
    pub nearness: Vec<f32>,
    /// Display colour (linear, 0..1) of each sample.
    pub colour: Vec<V3>,
    /// The samples that may be covered: x0, y0, x1, y1 (exclusive).
    pub bounds: [usize; 4],
}

/// The shadows an object casts: one view for each patch of sky, one for the sun.
pub struct Shadows {
    sky: Vec<ShadowMap>,
    sun: Option<ShadowMap>,
    reach: f32,
    centre: V3,
}

impl Shadows {
    /// The shadows of `object` under `light`; `sharp` is the sun view's blur in texels.
    pub fn new(object: &Placed<'_>, light: &Light, sharp: usize) -> Self {
        let low = light
            .patches
            .iter()
            .map(|p| p.direction)
            .chain(light.sun.iter().map(|s| s.direction))
            .map(|d| d[1])
            .fold(1.0, f32::min);
        let height = object.height();
        Self {
            sky: light
                .patches
                .iter()
                .map(|p| {
                    ShadowMap::new(
                        object,
                        p.direction,
                        40,
                        if p.direction[1] < 0.6 { 3 } else { 2 },
                    )
                })
                .collect(),
            sun: light
                .sun
                .map(|s| ShadowMap::new(object, s.direction, 96, sharp)),
            reach: object.radius() * 1.5 + height * 1.4 * (1.0 - low * low).sqrt() / low.max(0.1),
            centre: object.foot,
        }
    }

    /// What share of the ground's light is left at a point of it, for each channel.
    pub fn ground(&self, p: V3, light: &Light, whole: V3) -> V3 {
        if (p[0] - self.centre[0]).hypot(p[2] - self.centre[2]) > self.reach {
            return [1.0; 3];
        }
        let mut lost = [0.0; 3];
        for (map, patch) in self.sky.iter().zip(&light.patches) {
            let hidden = 1.0 - map.below(p);
            if hidden > 0.0 {
                lost = add(lost, scale(patch.ground, hidden));
            }
        }
        if let (Some(map), Some(sun)) = (&self.sun, &light.sun) {
            let hidden = 1.0 - map.below(p);
            lost = add(
                lost,
                scale(sun.strength, hidden * sun.direction[1].max(0.0)),
            );
        }
        // Wide faint shade is no more than a level or two: leaving it out keeps the changed region tight.
        std::array::from_fn(|c| {
            let lost = (lost[c] / whole[c].max(1e-5) - FAINT).max(0.0) / (1.0 - FAINT);
            (1.0 - lost).clamp(0.04, 1.0)
        })
    }
}

impl Layer {
    /// Draws `object` as `camera` (in pixels of the final frame, `size` on each side) sees it.
    pub fn draw(
        object: &Placed<'_>,
        camera: &Camera,
        size: usize,
        light: &Light,
        shadows: &Shadows,
    ) -> Self {
        let side = size * SAMPLES;
        let camera = camera.scaled(SAMPLES as f32);
        let projected: Vec<V3> = object
            .positions
            .iter()
            .map(|&p| {
                let [x, y, depth] = camera.project(p);
                [
                    x - 0.5,
                    y - 0.5,
                    if depth > 1e-3 { 1.0 / depth } else { -1.0 },
                ]
            })
            .collect();
        let limit = side as f32;
        let mut bounds = [side, side, 0, 0];
        for p in &projected {
            bounds[0] = bounds[0].min(p[0].floor().clamp(0.0, limit) as usize);
            bounds[1] = bounds[1].min(p[1].floor().clamp(0.0, limit) as usize);
            bounds[2] = bounds[2].max((p[0].ceil() + 1.0).clamp(0.0, limit) as usize);
            bounds[3] = bounds[3].max((p[1].ceil() + 1.0).clamp(0.0, limit) as usize);
        }
        let mut layer = Self {
            side,
            nearness: vec![0.0; side * side],
            colour: vec![[0.0; 3]; side * side],
            bounds,
        };
        let mut hits: Vec<(u32, f32, f32)> = vec![(u32::MAX, 0.0, 0.0); side * side];
        for t in 0..object.mesh.triangles.len() {
            layer.fill(object, &projected, t, &mut hits);
        }
        layer.shade(object, &projected, &camera, light, shadows, &hits);
        layer
    }

    fn fill(
        &mut self,
        object: &Placed<'_>,
        projected: &[V3],
        t: usize,
        hits: &mut [(u32, f32, f32)],
    ) {
        let [a, b, c] = object.mesh.triangles[t].map(|i| projected[i as usize]);
        if a[2] < 0.0 || b[2] < 0.0 || c[2] < 0.0 {
            return;
        }
        let area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
        if area.abs() < 1e-9 {
            return;
        }
        let last = self.side as f32 - 1.0;
        let y0 = a[1].min(b[1]).min(c[1]).ceil().max(0.0);
        let y1 = a[1].max(b[1]).max(c[1]).floor().min(last);
        let x0 = a[0].min(b[0]).min(c[0]).ceil().max(0.0);
        let x1 = a[0].max(b[0]).max(c[0]).floor().min(last);
        if x0 > x1 || y0 > y1 {
            return;
        }
        let inverse = 1.0 / area;
        let holes = object.has_holes(t);
        let (dx1, dx2) = ((c[1] - a[1]) * inverse, -(b[1] - a[1]) * inverse);
        for y in y0 as usize..=y1 as usize {
            let py = y as f32 - a[1];
            let px = x0 - a[0];
            let mut w1 = (px * (c[1] - a[1]) - py * (c[0] - a[0])) * inverse;
            let mut w2 = ((b[0] - a[0]) * py - (b[1] - a[1]) * px) * inverse;
            for x in x0 as usize..=x1 as usize {
                let w0 = 1.0 - w1 - w2;
                if w0 >= -1e-5 && w1 >= -1e-5 && w2 >= -1e-5 {
                    let near = w0 * a[2] + w1 * b[2] + w2 * c[2];
                    let at = y * self.side + x;
                    if near > self.nearness[at] {
                        let open = holes && {
                            let weights = [w0 * a[2] / near, w1 * b[2] / near, w2 * c[2] / near];
                            !object.solid(t, weights, (x & 1) + 2 * (y & 1))
                        };
                        if !open {
                            self.nearness[at] = near;
                            hits[at] = (t as u32, w1, w2);
                        }
                    }
                }
                w1 += dx1;
                w2 += dx2;
            }
        }
    }

    fn shade(
        &mut self,
        object: &Placed<'_>,
        projected: &[V3],
        camera: &Camera,
        light: &Light,
        shadows: &Shadows,
        hits: &[(u32, f32, f32)],
    ) {
        let mesh = object.mesh;
        let normals: Vec<V3> = mesh.normals.iter().map(|&n| object.pose.apply(n)).collect();
        let total: f32 = light.patches.iter().map(|p| p.weight).sum();
        let height = object.height().max(1e-4);
        let mut open = vec![-1.0f32; (self.side / SAMPLES).pow(2)];
        for y in self.bounds[1]..self.bounds[3] {
            for x in self.bounds[0]..self.bounds[2] {
                let at = y * self.side + x;
                let (t, w1, w2) = hits[at];
                if t == u32::MAX {
                    continue;
                }
                let t = t as usize;
                let corners = mesh.triangles[t];
                let near = self.nearness[at];
                let w: [f32; 3] = {
                    let raw = [1.0 - w1 - w2, w1, w2];
                    std::array::from_fn(|i| raw[i] * projected[corners[i] as usize][2] / near)
                };
                let blend = |list: &[V3]| -> V3 {
                    let [a, b, c] = corners.map(|i| list[i as usize]);
                    std::array::from_fn(|i| w[0] * a[i] + w[1] * b[i] + w[2] * c[i])
                };
                let p = blend(&object.positions);
                let mut normal = unit(blend(&normals));
                let away = sub(p, camera.eye);
                if dot(normal, away) > 0.0 {
                    normal = scale(normal, -1.0);
                }
                let material = &mesh.materials[mesh.surfaces[t] as usize];
                let mut albedo = [material.colour[0], material.colour[1], material.colour[2]];
                if let Some(texture) = &material.texture {
                    let [u, v] = object.uv(t, w);
                    let lod = lod(object, projected, t, texture.size());
                    albedo = times(albedo, texture.sample(u, v, lod).0);
                }
                // Real things are neither coal nor chalk.
                albedo = albedo.map(|a| 0.012 + 0.9 * a.clamp(0.0, 1.0));
                // How open the sky is changes slowly: once a pixel will do for its four samples.
                let pixel = y / SAMPLES * (self.side / SAMPLES) + x / SAMPLES;
                if open[pixel] < 0.0 {
                    let (mut free, mut seen) = (0.0, 1e-6);
                    for (map, patch) in shadows.sky.iter().zip(&light.patches) {
                        let weight = patch.weight * (dot(normal, patch.direction) + 0.3).max(0.02);
                        seen += weight;
                        free += weight * map.on(p, normal);
                    }
                    open[pixel] = free / seen;
                }
                let sky = (0.3 + 0.7 * open[pixel]) * if total > 0.0 { 1.0 } else { 0.6 };
                // The floor under an object is in its shadow, so it sends little light up.
                let above = (p[1] / height * 3.0).clamp(0.0, 1.0);
                let bounce = 1.0 - 0.55 * (1.0 - above) * (0.5 - 0.5 * normal[1]).clamp(0.0, 1.0);
                let mut energy = scale(light.ambient(normal), sky * bounce);
                if let (Some(map), Some(sun)) = (&shadows.sun, &light.sun) {
                    let facing = dot(normal, sun.direction);
                    if facing > 0.0 {
                        energy = add(energy, scale(sun.strength, facing * map.on(p, normal)));
                    }
                }
                if material.baked > 0.0 {
                    // The picture has light of its own: take the direction's share away, keep colour and level.
                    let even = scale(
                        add(
                            light.ambient([0.0, 1.0, 0.0]),
                            light.ambient(scale(unit(away), -1.0)),
                        ),
                        0.5 * (0.4 + 0.6 * sky),
                    );
                    let lift = luminance(
                        light.direct(unit(add(scale(unit(away), -1.0), [0.0, 0.7, 0.0]))),
                    ) * 0.7;
                    energy = super::vector::mix(energy, add(even, [lift; 3]), material.baked);
                }
                self.colour[at] = tone(times(albedo, energy));
            }
        }
    }

    /// Covered samples of each pixel, 0 to 4, of the frame of `side / 2`.
    pub fn coverage(&self) -> Vec<u8> {
        let size = self.side / SAMPLES;
        let mut cover = vec![0; size * size];
        for y in self.bounds[1]..self.bounds[3] {
            for x in self.bounds[0]..self.bounds[2] {
                if self.nearness[y * self.side + x] > 0.0 {
                    cover[y / SAMPLES * size + x / SAMPLES] += 1;
                }
            }
        }
        cover
    }
}

/// The pyramid level at which a texel of a triangle is about as large as a sample.
fn lod(object: &Placed<'_>, projected: &[V3], t: usize, size: (usize, usize)) -> f32 {
    let corners = object.mesh.triangles[t];
    let twice = |a: [f32; 2], b: [f32; 2], c: [f32; 2]| {
        ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])).abs()
    };
    let [a, b, c] = corners.map(|i| [projected[i as usize][0], projected[i as usize][1]]);
    let [d, e, f] = corners.map(|i| object.mesh.uvs[i as usize]);
    let texels = twice(d, e, f) * (size.0 * size.1) as f32;
    0.5 * (texels.max(1e-6) / twice(a, b, c).max(1e-3)).log2()
}
