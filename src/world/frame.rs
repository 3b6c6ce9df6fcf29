//! A moment of a stage made into a picture with its labels.

use std::sync::Arc;

use super::camera::Camera;
use super::colour::encode;
use super::light::Light;
use super::mesh::Mesh;
use super::occlusion::{Shadows, left};
use super::placed::Placed;
use super::raster::{Layer, Lighting, SAMPLES};
use super::set::{Surface, View};
use super::stage::{Actor, Shot, Stage};
use super::vector::{V3, add, luminance, scale, times};

/// A picture and what is known about it.
pub struct Frame {
    /// RGB bytes, row by row.
    pub rgb: Vec<[u8; 3]>,
    /// For each actor the share of each pixel it covers, hidden parts included: 0, 64, 128, 192 or 255.
    pub amodal: Vec<Vec<u8>>,
    /// For each actor the share of each pixel in which it is seen.
    pub visible: Vec<Vec<u8>>,
    /// The actor (counted from 1) that most of a pixel shows, 0 for none.
    pub ids: Vec<u8>,
    /// Distance along the view in metres; infinite where nothing is known to be.
    pub depth: Vec<f32>,
    /// Shadow and reflection: what the objects change beside themselves, in levels; 0 where an object is seen.
    pub effect: Vec<[i16; 3]>,
}

/// The stage under one light, from one camera.
struct Empty {
    camera: Camera,
    turned: f32,
    light: Arc<Light>,
    view: View,
}

/// What an actor looks like in one moment.
struct Drawn {
    layer: Layer,
    reflection: Option<Reflection>,
    /// What is left of the light of every pixel that it darkens.
    shade: Vec<(u32, V3)>,
}

/// A mirror image, blurred, in pixels: display colour times coverage, coverage.
struct Reflection {
    area: [usize; 4],
    pixels: Vec<[f32; 4]>,
}

struct Known {
    actor: Actor,
    around: Vec<Actor>,
    camera: Camera,
    turned: f32,
    drawn: Arc<Drawn>,
}

struct Cast {
    actor: Actor,
    turned: f32,
    shadows: Shadows,
}

/// Films a stage; what two moments share is computed once.
pub struct Renderer<'a> {
    stage: &'a Stage<'a>,
    empties: Vec<Arc<Empty>>,
    known: Vec<Known>,
    casts: Vec<Cast>,
}

impl<'a> Renderer<'a> {
    /// A renderer of `stage`.
    pub fn new(stage: &'a Stage<'a>) -> Self {
        Self {
            stage,
            empties: Vec::new(),
            known: Vec::new(),
            casts: Vec::new(),
        }
    }

    /// The picture of a moment and its labels; `None` if a mesh is not usable.
    pub fn frame(&mut self, shot: &Shot) -> Option<Frame> {
        let empty = self.empty(shot);
        let mut drawn = Vec::with_capacity(shot.actors.len());
        for at in 0..shot.actors.len() {
            drawn.push(if shot.actors[at].present {
                Some(self.drawn(shot, at, &empty)?)
            } else {
                None
            });
        }
        Some(compose(self.stage, &empty.view, &drawn))
    }

    /// The light of a moment.
    pub fn light(&mut self, shot: &Shot) -> Arc<Light> {
        Arc::clone(&self.empty(shot).light)
    }

    fn empty(&mut self, shot: &Shot) -> Arc<Empty> {
        let found = self
            .empties
            .iter()
            .find(|e| e.camera == shot.camera && e.turned == shot.light);
        if let Some(found) = found {
            return Arc::clone(found);
        }
        let light = self
            .empties
            .iter()
            .find(|e| e.turned == shot.light)
            .map(|e| Arc::clone(&e.light))
            // The level belongs to the first camera: one that moves does not change the light.
            .unwrap_or_else(|| {
                Arc::new(self.stage.lamp.light(shot.light, &self.stage.first.camera))
            });
        let size = self.stage.size;
        let view = if shot.light == 0.0 {
            self.stage.set.view(&shot.camera, size, &light)
        } else {
            self.stage
                .set
                .relit(&light)
                .view(&shot.camera, size, &light)
        };
        let empty = Arc::new(Empty {
            camera: shot.camera,
            turned: shot.light,
            light,
            view,
        });
        self.empties.push(Arc::clone(&empty));
        empty
    }

    /// The shadows of an actor; those of one that only moved are shared.
    fn shadows(&mut self, shot: &Shot, at: usize, light: &Light) -> Option<Shadows> {
        let actor = &shot.actors[at];
        let same = |c: &&Cast| {
            c.turned == shot.light
                && c.actor.object == actor.object
                && c.actor.file == actor.file
                && c.actor.yaw == actor.yaw
                && c.actor.size == actor.size
        };
        if let Some(cast) = self.casts.iter().find(same) {
            return Some(cast.shadows.at(actor.foot));
        }
        let mesh = self.stage.mesh(actor)?;
        let shadows = Shadows::new(&self.stage.put(&mesh, actor), light);
        self.casts.push(Cast {
            actor: actor.clone(),
            turned: shot.light,
            shadows: shadows.clone(),
        });
        Some(shadows)
    }

    fn drawn(&mut self, shot: &Shot, at: usize, empty: &Empty) -> Option<Arc<Drawn>> {
        let actor = &shot.actors[at];
        let light = &empty.light;
        let mesh: Arc<Mesh> = self.stage.mesh(actor)?;
        let placed = self.stage.put(&mesh, actor);
        let own = self.shadows(shot, at, light)?;
        let radius = placed.radius();
        let mut around = Vec::new();
        let mut others = Vec::new();
        for i in (0..shot.actors.len()).filter(|&i| i != at && shot.actors[i].present) {
            let shadows = self.shadows(shot, i, light)?;
            if shadows.touches(actor.foot, radius) {
                around.push(shot.actors[i].clone());
                others.push(shadows);
            }
        }
        let known = self.known.iter().find(|k| {
            k.camera == shot.camera
                && k.turned == shot.light
                && k.actor == *actor
                && k.around == around
        });
        if let Some(known) = known {
            return Some(Arc::clone(&known.drawn));
        }
        let others: Vec<&Shadows> = others.iter().collect();
        let set = &self.stage.set;
        let middle = add(actor.foot, [0.0, 0.4 * placed.height(), 0.0]);
        let lighting = Lighting {
            light,
            own: &own,
            others: &others,
            surround: set.surround(middle, light),
            sunlit: &|p| set.sunlit(p, light),
        };
        let size = self.stage.size;
        let layer = Layer::draw(&placed, &shot.camera, size, &lighting, false);
        let glossy = empty.view.surfaces.iter().any(|s| s.fresnel > 0.0);
        let reflection = glossy.then(|| {
            let mirrored = Layer::draw(&placed, &shot.camera, size, &lighting, true);
            Reflection::new(&mirrored, &placed, size, set.roughness())
        });
        let drawn = Arc::new(Drawn {
            layer,
            reflection,
            shade: shade(&empty.view.surfaces, size, &own, light),
        });
        self.known.push(Known {
            actor: actor.clone(),
            around,
            camera: shot.camera,
            turned: shot.light,
            drawn: Arc::clone(&drawn),
        });
        Some(drawn)
    }
}

/// What `own` leaves of the light of the surfaces it darkens. The sky's part, which is soft, is evaluated at every
/// second row and column; the sun's at every pixel.
fn shade(surfaces: &[Surface], size: usize, own: &Shadows, light: &Light) -> Vec<(u32, V3)> {
    let half = size.div_ceil(2);
    let mut soft: Vec<Option<V3>> = vec![None; half * half];
    let sky = |s: &Surface| own.sky_lost(s.point, s.normal, light, s.sky);
    for (i, value) in soft.iter_mut().enumerate() {
        let s = &surfaces[i / half * 2 * size + i % half * 2];
        if s.receives {
            *value = Some(sky(s));
        }
    }
    let mut shade = Vec::new();
    for (i, s) in surfaces.iter().enumerate() {
        if !s.receives {
            continue;
        }
        let (x, y) = (i % size, i / size);
        let (x1, y1) = ((x / 2 + x % 2).min(half - 1), (y / 2 + y % 2).min(half - 1));
        let corners = [(x / 2, y / 2), (x1, y / 2), (x / 2, y1), (x1, y1)];
        let mut lost = [0.0; 3];
        let mut exact = false;
        for (cx, cy) in corners {
            let panel = surfaces[cy * 2 * size + cx * 2].panel;
            match soft[cy * half + cx] {
                Some(value) if panel == s.panel => lost = add(lost, scale(value, 0.25)),
                _ => exact = true,
            }
        }
        if exact {
            lost = sky(s);
        }
        let hidden = if s.sun == [0.0; 3] {
            0.0
        } else {
            own.sun_lost(s.point)
        };
        if hidden == 0.0 && lost == [0.0; 3] {
            continue;
        }
        let whole = add(s.sky, s.sun);
        let share: V3 = std::array::from_fn(|c| {
            (lost[c].min(1.0) * s.sky[c] + hidden * s.sun[c]) / whole[c].max(1e-5)
        });
        let left = left(share);
        if left.iter().any(|&l| l < 0.996) {
            shade.push((i as u32, left));
        }
    }
    shade
}

impl Reflection {
    fn new(layer: &Layer, object: &Placed<'_>, size: usize, rough: f32) -> Self {
        let [x0, y0, width, height] = layer.area.map(|v| v / SAMPLES);
        let pad = ((size as f32 / 24.0 * (0.6 + 0.8 * rough)) as usize).max(2);
        let (left, top) = (x0.saturating_sub(pad), y0.saturating_sub(pad));
        let right = (x0 + width + pad).min(size);
        let bottom = (y0 + height + pad).min(size);
        let area = [left, top, right - left, bottom - top];
        let mut sharp = vec![[0.0f32; 4]; area[2] * area[3]];
        let mut raised = vec![0.0f32; area[2] * area[3]];
        for y in 0..area[3] {
            for x in 0..area[2] {
                let at = y * area[2] + x;
                for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    let (sx, sy) = ((left + x) * SAMPLES + dx, (top + y) * SAMPLES + dy);
                    if let Some((_, colour)) = layer.sample(sx, sy) {
                        for (c, value) in colour.into_iter().enumerate() {
                            sharp[at][c] += 0.25 * value;
                        }
                        sharp[at][3] += 0.25;
                        raised[at] = raised[at].max(layer.raised(sx, sy));
                    }
                }
            }
        }
        // What is farther from the floor is mirrored less sharply, the less so the clearer the mirror is.
        let radius = (pad / 3).max(1);
        let (at_foot, above) = (0.1 + 0.5 * rough, 0.6 + 2.8 * rough);
        let soft = smeared(&sharp, area, radius);
        let tall = object.height().max(1e-4);
        let pixels = sharp
            .iter()
            .zip(&soft)
            .zip(&raised)
            .map(|((a, b), &h)| {
                let t = if a[3] > 0.0 {
                    (at_foot + above * h / tall).clamp(0.0, 1.0)
                } else {
                    1.0
                };
                std::array::from_fn(|c| a[c] + (b[c] - a[c]) * t)
            })
            .collect();
        Self { area, pixels }
    }

    fn at(&self, x: usize, y: usize) -> Option<[f32; 4]> {
        let [x0, y0, width, height] = self.area;
        (x >= x0 && y >= y0 && x < x0 + width && y < y0 + height)
            .then(|| self.pixels[(y - y0) * width + (x - x0)])
            .filter(|p| p[3] > 0.004)
    }
}

/// Two box blurs.
fn smeared(pixels: &[[f32; 4]], area: [usize; 4], radius: usize) -> Vec<[f32; 4]> {
    let (width, height) = (area[2] as i64, area[3] as i64);
    let r = radius as i64;
    let pass = |from: &[[f32; 4]], dx: i64, dy: i64| -> Vec<[f32; 4]> {
        (0..width * height)
            .map(|i| {
                let (x, y) = (i % width, i / width);
                let mut sum = [0.0; 4];
                for k in -r..=r {
                    let (sx, sy) = (x + k * dx, y + k * dy);
                    if sx >= 0 && sy >= 0 && sx < width && sy < height {
                        let p = from[(sy * width + sx) as usize];
                        for c in 0..4 {
                            sum[c] += p[c];
                        }
                    }
                }
                sum.map(|s| s / (2 * r + 1) as f32)
            })
            .collect()
    };
    let across = pass(pixels, 1, 0);
    let both = pass(&across, 0, 1);
    let across = pass(&both, 1, 0);
    pass(&across, 0, 1)
}

fn compose(stage: &Stage<'_>, view: &View, drawn: &[Option<Arc<Drawn>>]) -> Frame {
    let size = stage.size;
    let pixels = size * size;
    let mut base = view.colours.clone();
    for object in drawn.iter().flatten() {
        for (at, left) in &object.shade {
            let at = *at as usize;
            base[at] = times(base[at], *left);
        }
    }
    for object in drawn.iter().flatten() {
        let Some(reflection) = &object.reflection else {
            continue;
        };
        let [x0, y0, width, height] = reflection.area;
        for y in y0..y0 + height {
            for x in x0..x0 + width {
                let at = y * size + x;
                let surface = &view.surfaces[at];
                if surface.fresnel > 0.0
                    && let Some([r, g, b, a]) = reflection.at(x, y)
                {
                    let seen = [r, g, b];
                    let change: V3 = std::array::from_fn(|c| seen[c] - a * surface.mirrored[c]);
                    let low = scale(base[at], 0.3);
                    let new = add(base[at], scale(change, surface.fresnel));
                    base[at] = std::array::from_fn(|c| new[c].max(low[c]));
                }
            }
        }
    }
    let finish = |colour: V3, at: usize| -> [u8; 3] {
        let grain = i16::from(stage.grain[at]);
        let colour = exposed(colour, stage.exposure);
        colour.map(|c| (i16::from(encode(c)) + grain).clamp(0, 255) as u8)
    };
    let mut frame = Frame {
        rgb: Vec::with_capacity(pixels),
        amodal: vec![vec![0; pixels]; drawn.len()],
        visible: vec![vec![0; pixels]; drawn.len()],
        ids: vec![0; pixels],
        depth: Vec::with_capacity(pixels),
        effect: Vec::with_capacity(pixels),
    };
    let mut seen = vec![0u8; drawn.len()];
    for y in 0..size {
        for x in 0..size {
            let at = y * size + x;
            let surface = &view.surfaces[at];
            let wall = if surface.blocks && surface.depth.is_finite() {
                1.0 / surface.depth
            } else {
                0.0
            };
            seen.fill(0);
            let mut sum = [0.0; 3];
            let mut nearest = 0.0f32;
            let mut covered = 0;
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let (sx, sy) = (x * SAMPLES + dx, y * SAMPLES + dy);
                let (mut near, mut first) = (wall, wall);
                let mut colour = base[at];
                let mut shown = None;
                for (i, object) in drawn.iter().enumerate() {
                    let Some(object) = object else { continue };
                    // Glass is where its outline is; its alpha is for the colour alone.
                    let outline = object.layer.outline(sx, sy);
                    if outline == 0.0 {
                        continue;
                    }
                    let part = &mut frame.amodal[i][at];
                    *part = part.saturating_add(64);
                    if outline > first {
                        (first, shown) = (outline, Some(i));
                    }
                    if let Some((n, c)) = object.layer.sample(sx, sy)
                        && n > near
                    {
                        (near, colour) = (n, c);
                    }
                }
                if let Some(i) = shown {
                    seen[i] += 1;
                    covered += 1;
                    nearest = nearest.max(first);
                }
                sum = add(sum, colour);
            }
            let colour = if covered == 0 {
                base[at]
            } else {
                scale(sum, 0.25)
            };
            let rgb = finish(colour, at);
            for (i, &count) in seen.iter().enumerate() {
                frame.visible[i][at] = (u16::from(count) * 64).min(255) as u8;
            }
            let most = (0..seen.len()).max_by_key(|&i| (seen[i], usize::MAX - i));
            if let Some(i) = most
                && seen[i] >= 2
            {
                frame.ids[at] = i as u8 + 1;
            }
            frame.depth.push(if covered >= 2 {
                1.0 / nearest
            } else {
                surface.depth
            });
            frame.effect.push(if covered > 0 {
                [0; 3]
            } else {
                let empty = finish(view.colours[at], at);
                std::array::from_fn(|c| i16::from(rgb[c]) - i16::from(empty[c]))
            });
            frame.rgb.push(rgb);
        }
    }
    frame
}

/// A display colour made brighter or darker; highlights roll off instead of clipping.
fn exposed(colour: V3, gain: f32) -> V3 {
    if gain == 1.0 {
        return colour;
    }
    let colour = scale(colour, gain);
    let level = luminance(colour);
    if gain < 1.0 || level < 0.6 {
        return colour;
    }
    let rolled = 0.6 + 0.4 * (1.0 - (-(level - 0.6) / 0.4).exp());
    scale(colour, rolled / level)
}
