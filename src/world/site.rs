//! The surroundings of a group of objects: outside, before a photograph, in a room, on a table, in a shelf.

use std::ops::Range;

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::camera::Camera;
use super::lamp::Lamp;
use super::pack::Pack;
use super::paint::{Paint, Pattern, PatternKind};
use super::set::{Around, Panel};
use super::stage::{Backdrop, Bounds};
use super::vector::{V3, luminance, mix, scale, times};

/// The least mean albedo of a tile.
const DARKEST: f32 = 0.08;

/// How far the floor of a room reaches in its panorama, in heights that it was taken from.
const INDOORS: f32 = 2.5;

/// What is known of a stage before its surroundings are built.
pub struct Site<'a> {
    /// The rectangle of the ground that the objects take: x0, z0, x1, z1.
    pub group: [f32; 4],
    /// The tallest object's height.
    pub tallest: f32,
    /// The camera.
    pub camera: &'a Camera,
    /// The camera's distance from the subject.
    pub distance: f32,
}

/// Panels and what is around them, the light, and where feet may be.
pub type Built = ((Vec<Panel>, Around), Lamp, Option<Bounds>);

impl Site<'_> {
    /// The surroundings of `backdrop`; `None` if its files are not usable.
    pub fn build(&self, pack: &Pack, backdrop: Backdrop, rng: &mut ChaCha8Rng) -> Option<Built> {
        match backdrop {
            Backdrop::Panorama(at) => self.outside(pack, at, rng),
            Backdrop::Photo(at) => self.before_photo(pack, at, rng),
            Backdrop::Floor(tile) => self.room(pack, tile, rng),
            Backdrop::Table(tile) => self.table(pack, tile, rng),
            Backdrop::Shelf => self.shelf(pack, rng),
        }
    }

    fn outside(&self, pack: &Pack, at: usize, rng: &mut ChaCha8Rng) -> Option<Built> {
        let picture = pack.panorama(at)?;
        let eye = self.camera.eye;
        // Panoramas are taken from about 1.6 m; a camera near the ground sees it as if from not much lower.
        let height = (eye[1] * rng.random_range(0.85..1.25f32)).clamp(0.6, 2.4);
        let off = 0.3 * height;
        let near = [
            eye[0] + rng.random_range(-off..off),
            eye[2] + rng.random_range(-off..off),
        ];
        let (centre, height) = match pack.panoramas[at].indoor {
            true => self.indoors(near, height)?,
            false => (near, height),
        };
        let radius = match pack.panoramas[at].indoor {
            true => INDOORS * height,
            false => (7.0 * height).max(2.5 * self.distance),
        };
        let (gloss, rough) = polish(0.15, 0.02..0.07, rng);
        let around = Around::Dome {
            picture,
            centre: [centre[0], height, centre[1]],
            radius,
            floor: true,
            blur: 0.0,
            gloss,
            rough,
        };
        let lamp = Lamp::of_panorama(pack, at, [0.5, 1.1], rng)
            .unwrap_or_else(|| Lamp::made(rng, [1.0; 3]));
        let bounds = pack.panoramas[at]
            .indoor
            .then_some(Bounds::Disc { centre, radius });
        Some(((Vec::new(), around), lamp, bounds))
    }

    /// Where (x, z) and from which height a panorama of a room was taken, near those given, so that the group stands on
    /// what it shows of the floor; `None` if it does not reach so far.
    fn indoors(&self, near: [f32; 2], height: f32) -> Option<([f32; 2], f32)> {
        let [x0, z0, x1, z1] = self.group;
        let farthest = |from: [f32; 2]| {
            let (x, z) = (
                (x0 - from[0]).abs().max((x1 - from[0]).abs()),
                (z0 - from[1]).abs().max((z1 - from[1]).abs()),
            );
            x.hypot(z) / (0.96 * INDOORS)
        };
        let middle = [0.5 * (x0 + x1), 0.5 * (z0 + z1)];
        // It is nearer to the group than the camera is where it must be.
        (0..5)
            .map(|step| {
                let t = 0.125 * step as f32;
                std::array::from_fn(|c| near[c] + t * (middle[c] - near[c]))
            })
            .find(|&centre| farthest(centre) <= 2.2)
            .map(|centre| (centre, height.max(farthest(centre))))
    }

    fn before_photo(&self, pack: &Pack, at: usize, rng: &mut ChaCha8Rng) -> Option<Built> {
        let picture = pack.photo(at)?;
        let photo = &pack.photos[at];
        let (w, h) = picture.size();
        let share = if photo.grocery {
            0.75..1.0
        } else {
            0.45..1.0f32
        };
        let side = w.min(h) as f32 * rng.random_range(share);
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
        let cast: V3 = std::array::from_fn(|c| (mean[c] / bright).clamp(0.6, 1.6).powf(0.5));
        let level = (bright * gain * 2.4).clamp(0.45, 1.0);
        let around = Around::Photo {
            picture,
            part,
            mirrored: rng.random_bool(0.5),
            gain,
        };
        Some((
            (Vec::new(), around),
            Lamp::made(rng, scale(cast, level)),
            None,
        ))
    }

    fn room(&self, pack: &Pack, tile: Option<usize>, rng: &mut ChaCha8Rng) -> Option<Built> {
        let lamp = Lamp::studio(pack, rng, 0.7, [0.6, 1.05]);
        let far = (12.0 * self.distance).max(10.0);
        let back =
            self.group[1] - self.distance * rng.random_range(0.08..1.6f32) - 0.02 * self.tallest;
        let (gloss, rough) = polish(0.35, 0.03..0.12, rng);
        let floor = Panel::level(0.0, [-far, back, far, far], surface(pack, tile, 1.0, rng))
            .receiving()
            .glossy(gloss, rough);
        let height = far;
        let wall = Panel::new(
            [-far, 0.0, back],
            [[2.0 * far, 0.0, 0.0], [0.0, height, 0.0]],
            Paint::Pattern(Pattern::random(rng, true)),
        )
        .receiving();
        let mut panels = vec![floor, wall];
        let mut left = -far;
        if rng.random_bool(0.25) {
            left = self.group[0] - self.distance * rng.random_range(0.2..0.9f32);
            panels.push(
                Panel::new(
                    [left, 0.0, back],
                    [[0.0, height, 0.0], [0.0, 0.0, far - back]],
                    Paint::Pattern(Pattern::random(rng, true)),
                )
                .receiving(),
            );
            if self.camera.eye[0] < left + 0.1 {
                panels.pop();
                left = -far;
            }
        }
        let around = Around::Plain([0.3; 3]);
        let bounds = Bounds::Rectangle([left, back, far, far]);
        Some(((panels, around), lamp, Some(bounds)))
    }

    fn table(&self, pack: &Pack, tile: Option<usize>, rng: &mut ChaCha8Rng) -> Option<Built> {
        let lamp = Lamp::studio(pack, rng, 0.7, [0.6, 1.05]);
        let [x0, z0, x1, z1] = self.group;
        let spare = |rng: &mut ChaCha8Rng| self.distance * rng.random_range(0.12..0.9f32);
        let top = [
            x0 - spare(rng),
            z0 - spare(rng),
            x1 + spare(rng),
            z1 + spare(rng) * 0.6,
        ];
        let thick = self.distance * rng.random_range(0.03..0.07f32);
        let (gloss, rough) = polish(0.4, 0.03..0.10, rng);
        let paint = match tile {
            None if rng.random_bool(0.5) => {
                let kind = *[PatternKind::Grain, PatternKind::Planks]
                    .choose(rng)
                    .unwrap_or(&PatternKind::Grain);
                {
                    let size = rng.random_range(0.12..0.4);
                    Paint::Pattern(Pattern::wood(rng, kind, size))
                }
            }
            _ => surface(pack, tile, 0.35, rng),
        };
        let edge = Paint::Pattern(Pattern::plain(scale(paint.mean(), 0.8), rng));
        let mut panels = vec![
            Panel::level(0.0, top, paint)
                .receiving()
                .glossy(gloss, rough),
            Panel::new(
                [top[0], -thick, top[3]],
                [[top[2] - top[0], 0.0, 0.0], [0.0, thick, 0.0]],
                edge.clone(),
            ),
            Panel::new(
                [top[0], -thick, top[1]],
                [[0.0, thick, 0.0], [0.0, 0.0, top[3] - top[1]]],
                edge.clone(),
            ),
            Panel::new(
                [top[2], -thick, top[3]],
                [[0.0, thick, 0.0], [0.0, 0.0, top[1] - top[3]]],
                edge,
            ),
        ];
        let drop = (0.75 * rng.random_range(0.9..1.1f32)).max(0.8 * self.distance);
        let domes: Vec<usize> = (0..pack.panoramas.len()).collect();
        let picture = (rng.random_bool(0.55))
            .then(|| domes.choose(rng).copied())
            .flatten()
            .and_then(|at| pack.panorama(at));
        let around = match picture {
            Some(picture) => {
                let radius = (6.0f32).max(4.0 * self.distance);
                Around::Dome {
                    picture,
                    centre: [
                        self.camera.eye[0],
                        (1.6 - drop).max(self.camera.eye[1] * 0.5),
                        self.camera.eye[2],
                    ],
                    radius,
                    floor: false,
                    // The background is out of focus.
                    blur: rng.random_range(0.0..2.2),
                    gloss: 0.0,
                    rough: 0.0,
                }
            }
            None => {
                let far = 8.0 * drop.max(self.distance);
                let back = top[1] - self.distance * rng.random_range(0.05..2.5f32);
                panels.push(Panel::level(
                    -drop,
                    [-far, back, far, far],
                    surface(pack, None, 1.0, rng),
                ));
                let mut wall = Panel::new(
                    [-far, -drop, back],
                    [[2.0 * far, 0.0, 0.0], [0.0, far, 0.0]],
                    Paint::Pattern(Pattern::random(rng, true)),
                );
                if back > top[1] - 0.5 * self.distance {
                    wall = wall.receiving();
                }
                panels.push(wall);
                Around::Plain([0.3; 3])
            }
        };
        Some(((panels, around), lamp, Some(Bounds::Rectangle(top))))
    }

    fn shelf(&self, pack: &Pack, rng: &mut ChaCha8Rng) -> Option<Built> {
        // Light comes from the room before the shelf.
        let lamp = Lamp::studio(pack, rng, 0.6, [0.75, 1.15]);
        let [x0, z0, x1, z1] = self.group;
        let (wide, deep) = (x1 - x0, z1 - z0);
        let side =
            |rng: &mut ChaCha8Rng| 0.1 * wide + self.distance * rng.random_range(0.05..0.5f32);
        let (left, right) = (x0 - side(rng), x1 + side(rng));
        let back = z0 - deep * rng.random_range(0.05..0.35f32);
        let front = z1 + deep * rng.random_range(0.05..0.3f32);
        let height = self.tallest.max(0.3 * wide) * rng.random_range(1.25..1.8f32);
        let thick = self.tallest.max(0.3 * wide) * rng.random_range(0.04..0.08f32);
        let board = match rng.random_range(0..3) {
            0 => Paint::Pattern(Pattern::random(rng, true)),
            _ => {
                let size = rng.random_range(0.15..0.5);
                Paint::Pattern(Pattern::wood(rng, PatternKind::Grain, size))
            }
        };
        let behind = if rng.random_bool(0.5) {
            board.clone()
        } else {
            Paint::Pattern(Pattern::random(rng, true))
        };
        let edge = Paint::Pattern(Pattern::plain(scale(board.mean(), 0.9), rng));
        let across = [right - left, 0.0, 0.0];
        let out = [0.0, 0.0, front - back];
        // The back and the sides from one height to another, and the edges of the sides.
        let case = |y: f32, tall: f32| {
            let up = [0.0, tall, 0.0];
            [
                Panel::new([left, y, back], [across, up], behind.clone()),
                Panel::new([left, y, back], [up, out], board.clone()),
                Panel::new([right, y, back], [out, up], board.clone()),
            ]
        };
        let level = |y: f32| Panel::level(y, [left, back, right, front], board.clone());
        let ceiling = |y: f32| Panel::new([left, y, back], [across, out], board.clone());
        let strip = |y: f32, tall: f32, paint: Paint| {
            Panel::new(
                [left - thick, y, front],
                [[right - left + 2.0 * thick, 0.0, 0.0], [0.0, tall, 0.0]],
                paint,
            )
        };
        let (gloss, rough) = polish(0.3, 0.03..0.05, rng);
        let mut panels = vec![
            level(0.0).receiving().glossy(gloss, rough),
            ceiling(height),
            strip(-thick, thick, edge.clone()),
            strip(height, thick, edge.clone()),
        ];
        panels.extend(case(0.0, height).map(Panel::receiving));
        let mut outside = [left - thick, -thick, right + thick, height + thick];
        // One board of a case with three, a box on a wall, or a niche in one.
        let kind = rng.random_range(0..3);
        if kind == 0 {
            let below = height * rng.random_range(0.8..1.2f32);
            let above = height * rng.random_range(0.8..1.2f32);
            let (low, high) = (-thick - below, height + thick + above);
            panels.extend(case(low, below));
            panels.extend(case(height + thick, above));
            panels.extend([level(low), ceiling(-thick)]);
            panels.extend([level(height + thick), ceiling(high)]);
            panels.push(strip(low - thick, thick, edge.clone()));
            panels.push(strip(high, thick, edge.clone()));
            (outside[1], outside[3]) = (low - thick, high + thick);
        }
        for x in [left - thick, right] {
            panels.push(Panel::new(
                [x, outside[1], front],
                [[thick, 0.0, 0.0], [0.0, outside[3] - outside[1], 0.0]],
                edge.clone(),
            ));
        }
        let wall = match rng.random_range(0..3) {
            0 => edge,
            // Of one colour: a pattern would begin anew in each of the wall's parts.
            _ => {
                let colour = Pattern::random(rng, true).colours[0];
                Paint::Pattern(Pattern::plain(colour, rng))
            }
        };
        let z = if kind == 2 { front } else { back };
        panels.extend(wall_about(outside, z, 12.0 * self.distance, &wall));
        let around = Around::Plain([0.3; 3]);
        let bounds = Bounds::Rectangle([left, back, right, front]);
        Some(((panels, around), lamp, Some(bounds)))
    }
}

/// Reflectivity, in `range` for a `share` of surfaces and else none, and roughness.
fn polish(share: f64, range: Range<f32>, rng: &mut ChaCha8Rng) -> (f32, f32) {
    if rng.random_bool(share) {
        (rng.random_range(range), rng.random())
    } else {
        (0.0, 0.0)
    }
}

/// A wall at depth `z` about the rectangle x0, y0, x1, y1, as wide as `far` on each side.
fn wall_about([x0, y0, x1, y1]: [f32; 4], z: f32, far: f32, paint: &Paint) -> [Panel; 4] {
    let part = |x: f32, y: f32, wide: f32, tall: f32| {
        let edges = [[wide, 0.0, 0.0], [0.0, tall, 0.0]];
        Panel::new([x, y, z], edges, paint.clone())
    };
    let wide = x1 - x0 + 2.0 * far;
    [
        part(x0 - far, y1, wide, far),
        part(x0 - far, y0 - far, wide, far),
        part(x0 - far, y0, far, y1 - y0),
        part(x1, y0, far, y1 - y0),
    ]
}

/// A floor or a table's top.
fn surface(pack: &Pack, tile: Option<usize>, size: f32, rng: &mut ChaCha8Rng) -> Paint {
    match tile.and_then(|at| Some((pack.tile(at)?, pack.tiles[at].size))) {
        Some((texture, edge)) => {
            let tint = mix(
                [1.0; 3],
                scale(Pattern::random(rng, true).colours[0], 1.6),
                0.35,
            );
            // On a floor of coal the exposure would burn out what stands there.
            let albedo = luminance(times(texture.mean(), tint)).max(1e-4);
            let tint = scale(tint, (DARKEST / albedo).max(1.0));
            Paint::Tile(texture, edge * size * rng.random_range(0.6..1.5), tint)
        }
        None => {
            let mut pattern = Pattern::random(rng, false);
            pattern.size *= size;
            Paint::Pattern(pattern)
        }
    }
}
