//! What stands still: made-up surfaces (floors, walls, tables, shelves), and a panorama or a photograph around them.

use std::sync::Arc;

use super::camera::Camera;
use super::colour::tone;
use super::light::{Light, position};
use super::paint::{Paint, smooth};
use super::texture::Texture;
use super::vector::{V3, add, cross, dot, length, luminance, mix, scale, sub, times, unit};

/// Light cells along each side of a panel.
const CELLS: usize = 9;
/// Directions that a light cell looks into.
const RAYS: usize = 20;

/// A rectangle in the world.
#[derive(Clone)]
pub struct Panel {
    origin: V3,
    edges: [V3; 2],
    size: [f32; 2],
    normal: V3,
    paint: Paint,
    /// Objects stand on it or before it, and darken it.
    receives: bool,
    /// Reflectance seen from straight above; 0 for a matte surface.
    gloss: f32,
    /// How blurred what it mirrors is, 0 for a clear mirror to 1.
    rough: f32,
    light: Vec<V3>,
}

impl Panel {
    /// A rectangle from `origin` along two edges at right angles; it faces `edges[0] × edges[1]`.
    pub fn new(origin: V3, edges: [V3; 2], paint: Paint) -> Self {
        let size = edges.map(length);
        Self {
            origin,
            edges: [unit(edges[0]), unit(edges[1])],
            size,
            normal: unit(cross(edges[0], edges[1])),
            paint,
            receives: false,
            gloss: 0.0,
            rough: 0.0,
            light: Vec::new(),
        }
    }

    /// A level rectangle at height `y`, from (x0, z0) to (x1, z1), facing up.
    pub fn level(y: f32, [x0, z0, x1, z1]: [f32; 4], paint: Paint) -> Self {
        let edges = [[0.0, 0.0, z1 - z0], [x1 - x0, 0.0, 0.0]];
        Self::new([x0, y, z0], edges, paint)
    }

    /// The same, and objects darken it.
    pub fn receiving(mut self) -> Self {
        self.receives = true;
        self
    }

    /// The same, as glossy as `gloss` seen from straight above, its mirror blurred by `rough` (0 to 1).
    pub fn glossy(mut self, gloss: f32, rough: f32) -> Self {
        self.gloss = gloss;
        self.rough = rough;
        self
    }

    fn hit(&self, from: V3, ray: V3) -> Option<(f32, f32, f32)> {
        let along = dot(self.normal, ray);
        if along.abs() < 1e-7 {
            return None;
        }
        let t = dot(self.normal, sub(self.origin, from)) / along;
        if t <= 1e-4 {
            return None;
        }
        let p = sub(add(from, scale(ray, t)), self.origin);
        let (s, u) = (dot(p, self.edges[0]), dot(p, self.edges[1]));
        (s >= 0.0 && u >= 0.0 && s <= self.size[0] && u <= self.size[1]).then_some((t, s, u))
    }

    /// Irradiance / π of the sky and the other panels at (s, u).
    fn ambient(&self, s: f32, u: f32) -> V3 {
        let last = (CELLS - 1) as f32;
        let (x, y) = (
            (s / self.size[0] * last).clamp(0.0, last - 1e-3),
            (u / self.size[1] * last).clamp(0.0, last - 1e-3),
        );
        let (i, j) = (x as usize, y as usize);
        let at = |i: usize, j: usize| self.light.get(j * CELLS + i).copied().unwrap_or([0.0; 3]);
        mix(
            mix(at(i, j), at(i + 1, j), x - i as f32),
            mix(at(i, j + 1), at(i + 1, j + 1), x - i as f32),
            y - j as f32,
        )
    }
}

/// What is behind the panels.
#[derive(Clone)]
pub enum Around {
    /// A panorama on a dome.
    Dome {
        /// The picture.
        picture: Arc<Texture>,
        /// Where it was taken from.
        centre: V3,
        /// The dome's radius.
        radius: f32,
        /// Its lower part is the ground at y = 0 that things stand on.
        floor: bool,
        /// How many pyramid levels it is out of focus.
        blur: f32,
        /// Reflectance of the ground seen from straight above.
        gloss: f32,
        /// How blurred what the ground mirrors is, 0 to 1.
        rough: f32,
    },
    /// A part of a photograph, fixed to the frame: left, top, width and height in 0..1.
    Photo {
        /// The photograph.
        picture: Arc<Texture>,
        /// The part that fills the frame.
        part: [f32; 4],
        /// Mirrored from left to right.
        mirrored: bool,
        /// Factor on its light.
        gain: f32,
    },
    /// Nothing but one colour.
    Plain(V3),
}

/// What a pixel of the empty set shows.
#[derive(Clone, Copy, Debug)]
pub struct Surface {
    /// The point, in the world.
    pub point: V3,
    /// Which way it faces.
    pub normal: V3,
    /// Irradiance / π without objects, but for the sun's.
    pub sky: V3,
    /// Irradiance / π of the sun without objects.
    pub sun: V3,
    /// Objects darken it.
    pub receives: bool,
    /// Objects behind it are hidden.
    pub blocks: bool,
    /// Reflectance at this angle, 0 for matte.
    pub fresnel: f32,
    /// What it mirrors without objects, display colour.
    pub mirrored: V3,
    /// Which panel it belongs to; 255 is what is around.
    pub panel: u8,
    /// Distance along the view.
    pub depth: f32,
}

/// The empty set as a camera sees it.
pub struct View {
    /// Display colours (linear, 0..1), row by row.
    pub colours: Vec<V3>,
    /// What is there.
    pub surfaces: Vec<Surface>,
}

/// Everything that stands still.
#[derive(Clone)]
pub struct Set {
    /// The rectangles.
    pub panels: Vec<Panel>,
    /// What is behind them.
    pub around: Around,
}

impl Set {
    /// A set in which every panel knows how much light it gets.
    pub fn new(panels: Vec<Panel>, around: Around, light: &Light) -> Self {
        let mut set = Self { panels, around };
        set.relight(light);
        set
    }

    /// The same set under another light.
    pub fn relit(&self, light: &Light) -> Self {
        let mut set = self.clone();
        set.relight(light);
        set
    }

    fn relight(&mut self, light: &Light) {
        let mut all = Vec::with_capacity(self.panels.len());
        for panel in &self.panels {
            let mut cells = Vec::with_capacity(CELLS * CELLS);
            for j in 0..CELLS {
                for i in 0..CELLS {
                    let inset = |k: usize| 0.03 + 0.94 * k as f32 / (CELLS - 1) as f32;
                    let at = add(
                        panel.origin,
                        add(
                            scale(panel.edges[0], panel.size[0] * inset(i)),
                            scale(panel.edges[1], panel.size[1] * inset(j)),
                        ),
                    );
                    cells.push(self.ambient(at, panel.normal, light));
                }
            }
            all.push(cells);
        }
        for (panel, cells) in self.panels.iter_mut().zip(all) {
            panel.light = cells;
        }
    }

    /// Irradiance / π at a point facing `normal`, the sun's not counted: light that panels are in the way of is
    /// replaced by what they send on.
    pub fn ambient(&self, at: V3, normal: V3, light: &Light) -> V3 {
        if self.panels.len() < 2 {
            return light.ambient(normal);
        }
        let side = unit(cross(
            normal,
            if normal[1].abs() > 0.9 {
                [1.0, 0.0, 0.0]
            } else {
                [0.0, 1.0, 0.0]
            },
        ));
        let other = cross(normal, side);
        let from = add(at, scale(normal, 1e-3));
        let mut free = [0.0; 3];
        let mut sum = [0.0; 3];
        for k in 0..RAYS {
            // Cosine-weighted directions (Malley's method) on a spiral.
            let r = ((k as f32 + 0.5) / RAYS as f32).sqrt();
            let (s, c) = (k as f32 * 2.399_963).sin_cos();
            let up = (1.0 - r * r).max(0.0).sqrt();
            let ray = add(
                scale(normal, up),
                add(scale(side, r * c), scale(other, r * s)),
            );
            let sky = light.radiance(ray);
            free = add(free, sky);
            let hit = self
                .panels
                .iter()
                .filter_map(|p| p.hit(from, ray).map(|(t, _, _)| (t, p)))
                .min_by(|a, b| a.0.total_cmp(&b.0));
            sum = add(
                sum,
                match hit {
                    // A panel that is lit about as the sky would light it.
                    Some((_, panel)) => {
                        let facing = if dot(panel.normal, ray) > 0.0 {
                            scale(panel.normal, -1.0)
                        } else {
                            panel.normal
                        };
                        times(scale(panel.paint.mean(), 0.6), light.ambient(facing))
                    }
                    None => sky,
                },
            );
        }
        let exact = light.ambient(normal);
        std::array::from_fn(|c| exact[c] * sum[c] / free[c].max(1e-5))
    }

    /// Whether the sun reaches a point, as far as the panels are concerned.
    pub fn sunlit(&self, p: V3, light: &Light) -> bool {
        let Some(sun) = &light.sun else {
            return true;
        };
        let from = add(p, scale(sun.direction, 2e-3));
        self.panels.len() < 2
            || self
                .panels
                .iter()
                .all(|panel| panel.hit(from, sun.direction).is_none())
    }

    /// How blurred what the ground mirrors is, 0 for a clear mirror to 1.
    pub fn roughness(&self) -> f32 {
        let panels = self.panels.iter().filter(|p| p.gloss > 0.0);
        let ground = match self.around {
            Around::Dome { rough, .. } => rough,
            _ => 0.0,
        };
        panels.map(|p| p.rough).reduce(f32::max).unwrap_or(ground)
    }

    /// Display colour seen from `from` along `ray`, as in a mirror blurred by `rough`.
    fn mirrored(&self, from: V3, ray: V3, rough: f32, light: &Light) -> V3 {
        let hit = self
            .panels
            .iter()
            .filter_map(|p| p.hit(from, ray).map(|h| (h, p)))
            .min_by(|a, b| a.0.0.total_cmp(&b.0.0));
        if let Some(((_, s, u), panel)) = hit {
            return tone(times(panel.paint.mean(), panel.ambient(s, u)));
        }
        match &self.around {
            Around::Dome {
                picture,
                centre,
                radius,
                ..
            } => {
                let [u, v] = position(dome(from, ray, *centre, *radius));
                picture.sample(u, v, 1.5 + 5.0 * rough).0
            }
            Around::Plain(colour) => *colour,
            Around::Photo { .. } => tone(light.radiance(ray)),
        }
    }

    /// The empty set as `camera` sees it in a frame of `size` pixels on each side.
    pub fn view(&self, camera: &Camera, size: usize, light: &Light) -> View {
        let offsets: &[(f32, f32)] = match self.around {
            // Pictures are smooth at this scale already; panels have edges.
            _ if !self.panels.is_empty() => {
                &[(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]
            }
            Around::Dome { .. } => &[(0.25, 0.25), (0.75, 0.75)],
            _ => &[(0.5, 0.5)],
        };
        let mut view = View {
            colours: Vec::with_capacity(size * size),
            surfaces: Vec::with_capacity(size * size),
        };
        let eye = camera.eye;
        for y in 0..size {
            for x in 0..size {
                let middle = camera.ray(x as f32 + 0.5, y as f32 + 0.5);
                let surface = self.surface(camera, middle, light);
                let mut sum = [0.0; 3];
                for &(dx, dy) in offsets {
                    let (px, py) = (x as f32 + dx, y as f32 + dy);
                    let at = (px / size as f32, py / size as f32);
                    sum = add(sum, self.colour(camera, eye, camera.ray(px, py), at, light));
                }
                view.colours.push(scale(sum, 1.0 / offsets.len() as f32));
                view.surfaces.push(surface);
            }
        }
        view
    }

    fn nearest(&self, eye: V3, ray: V3) -> Option<(usize, f32, f32, f32)> {
        let mut best: Option<(usize, f32, f32, f32)> = None;
        for (i, panel) in self.panels.iter().enumerate() {
            if let Some((t, s, u)) = panel.hit(eye, ray)
                && best.is_none_or(|b| t < b.1)
            {
                best = Some((i, t, s, u));
            }
        }
        best
    }

    fn colour(&self, camera: &Camera, eye: V3, ray: V3, at: (f32, f32), light: &Light) -> V3 {
        if let Some((i, t, s, u)) = self.nearest(eye, ray) {
            let panel = &self.panels[i];
            let p = add(eye, scale(ray, t));
            let slant = (dot(panel.normal, ray).abs() / length(ray)).max(0.08);
            let step = t / camera.focal / slant.sqrt();
            let albedo = panel.paint.at(s, u, step);
            let mut energy = panel.ambient(s, u);
            let facing = light.direct(panel.normal);
            if facing != [0.0; 3] && self.sunlit(p, light) {
                energy = add(energy, facing);
            }
            let mut colour = tone(times(albedo, energy));
            if panel.gloss > 0.0 {
                let fresnel = schlick(panel.gloss, slant_of(panel.normal, ray));
                let back = sub(ray, scale(panel.normal, 2.0 * dot(panel.normal, ray)));
                colour = mix(colour, self.mirrored(p, back, panel.rough, light), fresnel);
            }
            return colour;
        }
        match &self.around {
            Around::Dome {
                picture,
                centre,
                radius,
                floor,
                blur,
                ..
            } => {
                let texels = picture.size().0 as f32 / std::f32::consts::TAU;
                let ground = floor.then(|| ground(eye, ray, *centre, *radius)).flatten();
                let towards = match ground {
                    Some(p) => sub(p, *centre),
                    None => dome(eye, ray, *centre, *radius),
                };
                // The dome seen from elsewhere: what is nearer to the eye than to the centre is larger.
                let far = length(towards) / length(sub(add(*centre, towards), eye)).max(1e-3);
                let per_pixel = texels / camera.focal / far.max(0.2);
                let [u, v] = position(towards);
                let mut colour = picture.sample(u, v, per_pixel.max(1.0).log2() + blur).0;
                if let Some(p) = ground {
                    // A kilopixel panorama has no grain so near: it gets some, as fine as two pixels.
                    let coarse = 0.5 / per_pixel.max(1e-3);
                    let amount = (coarse.log2() * 0.05).clamp(0.0, 0.12);
                    if amount > 0.004 {
                        let pixel = length(sub(p, eye)) / camera.focal;
                        let grid = 2f32.powf((pixel * 2.2).log2().ceil());
                        let n = smooth(p[0] / grid, p[2] / grid)
                            + smooth(p[2] / grid * 2.1, p[0] / grid * 2.1)
                            - 1.0;
                        colour = scale(colour, 1.0 + amount * n);
                    }
                }
                colour
            }
            Around::Photo {
                picture,
                part,
                mirrored,
                gain,
            } => {
                let u = if *mirrored { 1.0 - at.0 } else { at.0 };
                let texels = picture.size().0 as f32 * part[2] / (2.0 * camera.centre[0]);
                let c = picture
                    .sample(
                        part[0] + u * part[2],
                        part[1] + at.1 * part[3],
                        texels.max(1.0).log2(),
                    )
                    .0;
                scale(c, *gain).map(|c| c.min(1.0))
            }
            Around::Plain(colour) => *colour,
        }
    }

    fn surface(&self, camera: &Camera, ray: V3, light: &Light) -> Surface {
        let eye = camera.eye;
        let mut surface = Surface {
            point: [0.0; 3],
            normal: [0.0, 1.0, 0.0],
            sky: [0.0; 3],
            sun: [0.0; 3],
            receives: false,
            blocks: false,
            fresnel: 0.0,
            mirrored: [0.0; 3],
            panel: 255,
            depth: f32::INFINITY,
        };
        let (mut gloss, mut rough) = (0.0, 0.0);
        if let Some((i, t, s, u)) = self.nearest(eye, ray) {
            let panel = &self.panels[i];
            surface.point = add(eye, scale(ray, t));
            surface.normal = panel.normal;
            surface.receives = panel.receives;
            surface.blocks = !panel.receives;
            surface.panel = i as u8;
            surface.depth = t * dot(ray, camera.forward());
            (gloss, rough) = (panel.gloss, panel.rough);
            if panel.receives {
                surface.sky = panel.ambient(s, u);
                if self.sunlit(surface.point, light) {
                    surface.sun = light.direct(panel.normal);
                }
            }
        } else {
            let ground = match &self.around {
                Around::Dome {
                    centre,
                    radius,
                    floor: true,
                    gloss: g,
                    rough: r,
                    ..
                } => {
                    (gloss, rough) = (*g, *r);
                    ground(eye, ray, *centre, *radius)
                }
                Around::Photo { .. } => ground(eye, ray, eye, f32::MAX),
                _ => None,
            };
            if let Some(p) = ground {
                surface.point = p;
                surface.receives = true;
                surface.depth = dot(sub(p, eye), camera.forward());
                surface.sky = light
                    .patches
                    .iter()
                    .fold([0.0; 3], |sum, p| add(sum, p.ground));
                surface.sun = light.direct([0.0, 1.0, 0.0]);
            }
        }
        if gloss > 0.0 && surface.receives && surface.normal[1] > 0.9 {
            surface.fresnel = schlick(gloss, slant_of(surface.normal, ray));
            let back = [ray[0], -ray[1], ray[2]];
            surface.mirrored = self.mirrored(surface.point, back, rough, light);
        }
        surface
    }

    /// The share of the ambient light that reaches an object at `p`.
    pub fn surround(&self, p: V3, light: &Light) -> V3 {
        let up = [0.0, 1.0, 0.0];
        let here = luminance(self.ambient(p, up, light)) / luminance(light.ambient(up)).max(1e-5);
        [here.clamp(0.25, 1.1); 3]
    }
}

/// Fresnel reflectance by Schlick's approximation, for the cosine of the angle to the normal.
fn schlick(straight: f32, cosine: f32) -> f32 {
    straight + (1.0 - straight) * (1.0 - cosine.clamp(0.0, 1.0)).powi(5)
}

fn slant_of(normal: V3, ray: V3) -> f32 {
    dot(normal, ray).abs() / length(ray)
}

/// The ground point that a ray meets inside the dome.
fn ground(eye: V3, ray: V3, centre: V3, radius: f32) -> Option<V3> {
    if ray[1] > -1e-3 * length(ray) {
        return None;
    }
    let p = add(eye, scale(ray, -eye[1] / ray[1]));
    ((p[0] - centre[0]).hypot(p[2] - centre[2]) < radius).then_some(p)
}

/// The direction from the centre to where a ray meets the dome.
fn dome(eye: V3, ray: V3, centre: V3, radius: f32) -> V3 {
    let ray = unit(ray);
    let from = sub(eye, centre);
    // The dome meets the ground at its radius.
    let squared = radius * radius + centre[1] * centre[1];
    let b = dot(from, ray);
    let inside = (b * b + squared - dot(from, from)).max(0.0);
    add(from, scale(ray, inside.sqrt() - b))
}
