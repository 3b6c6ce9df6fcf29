//! Triangles to pixels: a z-buffer with 2×2 samples a pixel, shaded afterwards where something is visible. What
//! reaches behind the camera is clipped at the near plane.

use super::camera::Camera;
use super::colour::tone;
use super::light::Light;
use super::occlusion::Shadows;
use super::placed::Placed;
use super::vector::{V3, add, dot, luminance, mix, scale, sub, times, unit};

/// Samples along each side of a pixel.
pub const SAMPLES: usize = 2;

/// The near plane's distance in metres.
const NEAR: f32 = 0.02;

/// What one object's samples show, inside the rectangle of the frame that it may cover.
pub struct Layer {
    /// Left, top, width and height of the rectangle, in samples.
    pub area: [usize; 4],
    nearness: Vec<f32>,
    /// The same with what is see-through, where there is any.
    outline: Vec<f32>,
    colour: Vec<V3>,
    height: Vec<f32>,
}

/// The light that falls on an object.
pub struct Lighting<'a> {
    /// The scene's light.
    pub light: &'a Light,
    /// What the object hides from itself.
    pub own: &'a Shadows,
    /// What others hide from it.
    pub others: &'a [&'a Shadows],
    /// Share of the ambient light that the surroundings leave here.
    pub surround: V3,
    /// Whether the surroundings let the sun through to a point.
    pub sunlit: &'a dyn Fn(V3) -> bool,
}

/// A corner of a clipped triangle: pixel position, 1 / depth, and barycentric weights in the whole triangle.
#[derive(Clone, Copy)]
struct Corner {
    at: V3,
    weights: V3,
}

#[derive(Clone, Copy)]
struct Hit {
    triangle: u32,
    w1: f32,
    w2: f32,
}

const MISS: Hit = Hit {
    triangle: u32::MAX,
    w1: 0.0,
    w2: 0.0,
};

impl Layer {
    /// Draws `object` as `camera` (in pixels of the final frame, `size` on each side) sees it; `mirrored` draws its
    /// reflection in the plane y = 0 instead.
    pub fn draw(
        object: &Placed<'_>,
        camera: &Camera,
        size: usize,
        lighting: &Lighting<'_>,
        mirrored: bool,
    ) -> Self {
        let side = size * SAMPLES;
        let camera = camera.scaled(SAMPLES as f32);
        let near = NEAR;
        let flip = |p: V3| if mirrored { [p[0], -p[1], p[2]] } else { p };
        // View coordinates: sideways, down and along, in units in which pixels are x / z.
        let seen: Vec<V3> = object
            .positions
            .iter()
            .map(|&p| camera.view(flip(p)))
            .collect();
        let mut pieces: Vec<(u32, [Corner; 3])> = Vec::with_capacity(seen.len());
        let mut bounds = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
        for (t, corners) in object.mesh.triangles.iter().enumerate() {
            clip(corners.map(|i| seen[i as usize]), near, |piece| {
                for corner in &piece {
                    bounds = [
                        bounds[0].min(corner.at[0]),
                        bounds[1].min(corner.at[1]),
                        bounds[2].max(corner.at[0]),
                        bounds[3].max(corner.at[1]),
                    ];
                }
                pieces.push((t as u32, piece));
            });
        }
        let limit = side as f32;
        let low = |v: f32| v.floor().clamp(0.0, limit) as usize / SAMPLES * SAMPLES;
        let high = |v: f32| ((v.ceil() + 1.0).clamp(0.0, limit) as usize).next_multiple_of(SAMPLES);
        let (x0, y0) = (low(bounds[0]), low(bounds[1]));
        let width = high(bounds[2]).saturating_sub(x0);
        let height = high(bounds[3]).saturating_sub(y0);
        let mut layer = Self {
            area: [x0, y0, width, height],
            nearness: vec![0.0; width * height],
            outline: if object.has_glass() {
                vec![0.0; width * height]
            } else {
                Vec::new()
            },
            colour: vec![[0.0; 3]; width * height],
            height: if mirrored {
                vec![0.0; width * height]
            } else {
                Vec::new()
            },
        };
        let mut hits = vec![MISS; width * height];
        for (t, piece) in &pieces {
            layer.fill(object, *t as usize, piece, &mut hits);
        }
        layer.shade(object, &camera, lighting, &hits);
        layer
    }

    /// 1 / depth and display colour (linear, 0..1) of the sample in column `x` and row `y` of the frame.
    pub fn sample(&self, x: usize, y: usize) -> Option<(f32, V3)> {
        let at = self.index(x, y)?;
        let near = self.nearness[at];
        (near > 0.0).then(|| (near, self.colour[at]))
    }

    /// 1 / depth of a sample; 0 where the object is not.
    pub fn near(&self, x: usize, y: usize) -> f32 {
        self.index(x, y).map_or(0.0, |at| self.nearness[at])
    }

    /// 1 / depth of a sample as labels have it: glass is there, however little of it is seen; 0 where the object is
    /// not.
    pub fn outline(&self, x: usize, y: usize) -> f32 {
        self.index(x, y).map_or(0.0, |at| {
            let glass = self.outline.get(at).copied().unwrap_or(0.0);
            self.nearness[at].max(glass)
        })
    }

    /// How high above the ground the mirrored point of a sample is.
    pub fn raised(&self, x: usize, y: usize) -> f32 {
        self.index(x, y).map_or(0.0, |at| self.height[at])
    }

    fn index(&self, x: usize, y: usize) -> Option<usize> {
        let [x0, y0, width, height] = self.area;
        (x >= x0 && y >= y0 && x < x0 + width && y < y0 + height)
            .then(|| (y - y0) * width + (x - x0))
    }

    fn fill(&mut self, object: &Placed<'_>, t: usize, corners: &[Corner; 3], hits: &mut [Hit]) {
        let [a, b, c] = corners.map(|corner| corner.at);
        let area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
        if area.abs() < 1e-9 {
            return;
        }
        let [left, top, width, height] = self.area;
        if width == 0 || height == 0 {
            return;
        }
        let y0 = a[1].min(b[1]).min(c[1]).ceil().max(top as f32);
        let y1 = a[1]
            .max(b[1])
            .max(c[1])
            .floor()
            .min((top + height - 1) as f32);
        let x0 = a[0].min(b[0]).min(c[0]).ceil().max(left as f32);
        let x1 = a[0]
            .max(b[0])
            .max(c[0])
            .floor()
            .min((left + width - 1) as f32);
        if x0 > x1 || y0 > y1 {
            return;
        }
        let inverse = 1.0 / area;
        let holes = object.has_holes(t);
        let glass = object.is_glass(t);
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
                    let at = (y - top) * width + (x - left);
                    if glass && near > self.outline[at] {
                        self.outline[at] = near;
                    }
                    if near > self.nearness[at] {
                        let parts = [w0 * a[2] / near, w1 * b[2] / near, w2 * c[2] / near];
                        let weights: V3 = std::array::from_fn(|i| {
                            (0..3).map(|k| parts[k] * corners[k].weights[i]).sum()
                        });
                        if !holes || object.solid(t, weights, (x & 1) + 2 * (y & 1)) {
                            self.nearness[at] = near;
                            hits[at] = Hit {
                                triangle: t as u32,
                                w1: weights[1],
                                w2: weights[2],
                            };
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
        camera: &Camera,
        lighting: &Lighting<'_>,
        hits: &[Hit],
    ) {
        let shader = Shader::new(object, camera, lighting);
        let [_, _, width, height] = self.area;
        for y in (0..height).step_by(SAMPLES) {
            for x in (0..width).step_by(SAMPLES) {
                // How open the sky is changes slowly: once a pixel will do for its samples. So will one colour for
                // the samples that show the same triangle.
                let mut open = None;
                let mut done: [(u32, V3, f32); 4] = [(u32::MAX, [0.0; 3], 0.0); 4];
                for (k, (dx, dy)) in [(0, 0), (1, 0), (0, 1), (1, 1)].into_iter().enumerate() {
                    let at = (y + dy) * width + x + dx;
                    let hit = hits[at];
                    if hit.triangle == u32::MAX {
                        continue;
                    }
                    let known = done[..k].iter().find(|d| d.0 == hit.triangle).copied();
                    let (colour, raised) = match known {
                        Some((_, colour, raised)) => (colour, raised),
                        None => shader.colour(hit, self.nearness[at], &mut open),
                    };
                    done[k] = (hit.triangle, colour, raised);
                    self.colour[at] = colour;
                    if let Some(height) = self.height.get_mut(at) {
                        *height = raised;
                    }
                }
            }
        }
    }
}

/// Cuts a triangle in view coordinates at the near plane and hands on what is in front of it, projected.
fn clip(corners: [V3; 3], near: f32, mut take: impl FnMut([Corner; 3])) {
    let project = |p: V3, weights: V3| Corner {
        at: [p[0] / p[2] - 0.5, p[1] / p[2] - 0.5, 1.0 / p[2]],
        weights,
    };
    let whole: [V3; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let inside = corners.map(|p| p[2] >= near);
    if inside == [true; 3] {
        take(std::array::from_fn(|i| project(corners[i], whole[i])));
        return;
    }
    let mut kept: Vec<(V3, V3)> = Vec::with_capacity(4);
    for i in 0..3 {
        let j = (i + 1) % 3;
        if inside[i] {
            kept.push((corners[i], whole[i]));
        }
        if inside[i] != inside[j] {
            let t = (near - corners[i][2]) / (corners[j][2] - corners[i][2]);
            kept.push((mix(corners[i], corners[j], t), mix(whole[i], whole[j], t)));
        }
    }
    for k in 2..kept.len() {
        take([kept[0], kept[k - 1], kept[k]].map(|(p, w)| project(p, w)));
    }
}

struct Shader<'a> {
    object: &'a Placed<'a>,
    lighting: &'a Lighting<'a>,
    camera: &'a Camera,
    normals: Vec<V3>,
    total: f32,
    height: f32,
    mean: f32,
}

impl<'a> Shader<'a> {
    fn new(object: &'a Placed<'a>, camera: &'a Camera, lighting: &'a Lighting<'a>) -> Self {
        Self {
            normals: object
                .mesh
                .normals
                .iter()
                .map(|&n| object.pose.apply(n))
                .collect(),
            total: lighting.light.patches.iter().map(|p| p.weight).sum(),
            height: object.height().max(1e-4),
            mean: object.mesh.brightness(),
            object,
            lighting,
            camera,
        }
    }

    /// Display colour, and the height above the ground.
    fn colour(&self, hit: Hit, near: f32, open: &mut Option<f32>) -> (V3, f32) {
        let (object, light) = (self.object, self.lighting.light);
        let mesh = object.mesh;
        let t = hit.triangle as usize;
        let corners = mesh.triangles[t];
        let w = [1.0 - hit.w1 - hit.w2, hit.w1, hit.w2];
        let blend = |list: &[V3]| -> V3 {
            let [a, b, c] = corners.map(|i| list[i as usize]);
            std::array::from_fn(|i| w[0] * a[i] + w[1] * b[i] + w[2] * c[i])
        };
        let p = blend(&object.positions);
        let mut normal = unit(blend(&self.normals));
        let away = sub(p, self.camera.eye);
        if dot(normal, away) > 0.0 {
            normal = scale(normal, -1.0);
        }
        let material = &mesh.materials[mesh.surfaces[t] as usize];
        let mut albedo = [material.colour[0], material.colour[1], material.colour[2]];
        if let Some(texture) = &material.texture {
            let [u, v] = object.uv(t, w);
            let lod = self.lod(t, near, texture.size());
            albedo = times(albedo, texture.sample(u, v, lod).0);
        }
        let at = || scale(blend(&mesh.positions), object.size);
        if object.finish != super::placed::Finish::Own {
            albedo = object.finish.albedo(albedo, self.mean, at());
        }
        // Real things are neither coal nor chalk.
        albedo = albedo.map(|a| 0.012 + 0.9 * a.clamp(0.0, 1.0));
        let open = *open.get_or_insert_with(|| {
            self.lighting
                .own
                .open(self.lighting.others, light, p, normal)
        });
        let sky = (0.3 + 0.7 * open) * if self.total > 0.0 { 1.0 } else { 0.6 };
        // The floor under an object is in its shadow, so it sends little light up.
        let above = ((p[1] - object.foot[1]) / self.height * 3.0).clamp(0.0, 1.0);
        let bounce = 1.0 - 0.55 * (1.0 - above) * (0.5 - 0.5 * normal[1]).clamp(0.0, 1.0);
        let around = scale(self.lighting.surround, sky * bounce);
        let mut energy = times(light.ambient(normal), around);
        let mut lit = 0.0;
        if let Some(sun) = &light.sun {
            let facing = dot(normal, sun.direction);
            if facing > 0.0 {
                lit = self.lighting.own.sun(self.lighting.others, p, normal);
                if lit > 0.0 && !(self.lighting.sunlit)(p) {
                    lit = 0.0;
                }
                energy = add(energy, scale(sun.strength, facing * lit));
            }
        }
        let towards = scale(unit(away), -1.0);
        if material.baked > 0.0 {
            // The picture has light of its own: take the direction's share away, keep colour and level.
            let even = times(
                add(light.ambient([0.0, 1.0, 0.0]), light.ambient(towards)),
                scale(self.lighting.surround, 0.5 * (0.4 + 0.6 * sky)),
            );
            let lift = luminance(light.direct(unit(add(towards, [0.0, 0.7, 0.0]))))
                * 0.7
                * (0.4 + 0.6 * self.lighting.own.sun(self.lighting.others, p, normal))
                * if (self.lighting.sunlit)(p) { 1.0 } else { 0.0 };
            energy = mix(energy, add(even, [lift; 3]), material.baked);
        }
        let mut colour = times(albedo, energy);
        let mirror = object.finish.mirror();
        if mirror > 0.0 {
            let back = sub(scale(normal, 2.0 * dot(normal, towards)), towards);
            let mut shine = times(light.radiance(back), around);
            if let Some(sun) = &light.sun {
                let glint = dot(back, sun.direction).max(0.0).powi(24) * 5.0 * lit;
                shine = add(shine, scale(sun.strength, glint));
            }
            colour = mix(colour, times(albedo, shine), mirror);
        }
        (tone(colour), p[1].max(0.0))
    }

    /// The pyramid level at which a texel of a triangle is about as large as a sample.
    fn lod(&self, t: usize, near: f32, size: (usize, usize)) -> f32 {
        let corners = self.object.mesh.triangles[t];
        let [d, e, f] = corners.map(|i| self.object.mesh.uvs[i as usize]);
        let texels = ((e[0] - d[0]) * (f[1] - d[1]) - (e[1] - d[1]) * (f[0] - d[0])).abs()
            * (size.0 * size.1) as f32;
        let [a, b, c] = corners.map(|i| self.object.positions[i as usize]);
        let n = super::vector::cross(sub(b, a), sub(c, a));
        let metres = super::vector::length(n).max(1e-12);
        let slant = (dot(n, unit(sub(a, self.camera.eye))).abs() / metres).max(0.2);
        let samples = metres * (self.camera.focal * near).powi(2) * slant;
        0.5 * (texels.max(1e-6) / samples.max(1e-3)).log2()
    }
}
