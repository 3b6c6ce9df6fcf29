//! A plan made into pictures.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tokenizers::Tokenizer;

use super::caption::caption;
use super::plan::{AssetGround, Backdrop, Input as Slot, Plan, Planner, Task, generator};
use super::record::{Input, MAX_TOKENS, NONE, Record};
use crate::doc::level::coarsen;
use crate::doc::{ControlKind, Level, Plane, Role};
use crate::world::mesh::Mesh;
use crate::world::pack::{Pack, Split};
use crate::world::scene::{Drawn, Scene, Spot, portrait, studio};

/// The id of the end token.
pub const END: u16 = 1;

/// Makes records; shared by all workers.
pub struct Maker {
    pack: Pack,
    planner: Planner,
    tokenizer: Option<Tokenizer>,
    size: usize,
    seed: u64,
}

/// The pictures of one sample, before they are a record.
struct Pictures {
    canvas: Option<Vec<[u8; 3]>>,
    target: Vec<[u8; 3]>,
    asset: Option<Vec<[u8; 3]>>,
    /// Where in the asset picture the object is.
    asset_object: Option<Vec<u8>>,
    placement: Option<Vec<[u8; 3]>>,
    /// The visible part of the object where it is at last, and where it was.
    object: Vec<u8>,
    before: Option<Vec<u8>>,
}

/// The largest difference that is no change, in levels.
const TOLERANCE: u8 = 2;

/// How often a sample is planned anew before the stream gives up.
const ATTEMPTS: u64 = 200;

impl Maker {
    /// A maker over `pack`; without a tokenizer records have the end token alone.
    pub fn new(
        pack: Pack,
        tokenizer: Option<&Path>,
        size: usize,
        seed: u64,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(
            size.is_multiple_of(16) && (32..=512).contains(&size),
            "the size must be a multiple of 16 from 32 to 512"
        );
        let tokenizer = tokenizer
            .map(|path| {
                Tokenizer::from_file(path)
                    .map_err(|e| anyhow::anyhow!("{e}"))
                    .with_context(|| format!("{} is not a usable tokenizer.json", path.display()))
            })
            .transpose()?;
        Ok(Self {
            planner: Planner::new(&pack)?,
            pack,
            tokenizer,
            size,
            seed,
        })
    }

    /// The pictures' side.
    pub fn size(&self) -> usize {
        self.size
    }

    /// What sample `index` is planned to be. Only if it can't be made as planned it becomes something else.
    pub fn planned(&self, index: u64) -> Task {
        self.planner.plan(&self.pack, self.seed, index, 0).task
    }

    /// Sample `index` of the stream.
    pub fn record(&self, index: u64) -> anyhow::Result<Record> {
        for attempt in 0..ATTEMPTS {
            let plan = self.planner.plan(&self.pack, self.seed, index, attempt);
            let mut rng = generator(plan.seed, index, attempt);
            let Some(pictures) = self.pictures(&plan, &mut rng) else {
                continue;
            };
            let Some(mut record) = self.inputs(&plan, pictures, &mut rng) else {
                continue;
            };
            record.id = index;
            let mut words = generator(self.seed, index, 2 * attempt + 1);
            record.text = caption(&self.pack, &plan, &mut words).text();
            record.tokens = self.tokens(&record.text)?;
            return Ok(record);
        }
        anyhow::bail!(
            "sample {index} could not be made in {ATTEMPTS} tries; the pack's pictures or meshes are not usable"
        )
    }

    fn tokens(&self, text: &str) -> anyhow::Result<Vec<u16>> {
        let mut tokens = Vec::new();
        if let Some(tokenizer) = &self.tokenizer {
            let encoded = tokenizer
                .encode_fast(text, false)
                .map_err(|e| anyhow::anyhow!("{text:?} could not be tokenised: {e}"))?;
            for &id in encoded.get_ids().iter().take(MAX_TOKENS - 1) {
                tokens.push(u16::try_from(id).context("the tokenizer has ids above 65535")?);
            }
        }
        tokens.push(END);
        Ok(tokens)
    }

    fn facing(&self, mesh: &Mesh, rng: &mut ChaCha8Rng) -> f32 {
        if mesh.relief {
            rng.random_range(-0.45..0.45)
        } else {
            rng.random_range(0.0..std::f32::consts::TAU)
        }
    }

    /// Another way to look at an object that is shown as `facing`.
    fn turned(&self, mesh: &Mesh, facing: f32, rng: &mut ChaCha8Rng) -> f32 {
        if mesh.relief {
            let side = if facing > 0.0 { -1.0 } else { 1.0 };
            return facing + side * rng.random_range(0.3..0.7);
        }
        let side = if rng.random() { 1.0 } else { -1.0 };
        // Mostly so little that what the target shows is in the asset picture, as when an artist chooses a cut-out that
        // suits the place: nothing tells the model a back.
        let degrees = match rng.random::<f32>() {
            p if p < 0.50 => 4f32..20.0,
            p if p < 0.85 => 20.0..50.0,
            _ => 50.0..110.0,
        };
        facing + side * rng.random_range(degrees).to_radians()
    }

    fn pictures(&self, plan: &Plan, rng: &mut ChaCha8Rng) -> Option<Pictures> {
        let meshes: [Arc<Mesh>; 2] = [
            self.pack.mesh(plan.subject, plan.files[0])?,
            self.pack.mesh(plan.subject, plan.files[1])?,
        ];
        let facing = self.facing(&meshes[0], rng);
        let other = if Arc::ptr_eq(&meshes[0], &meshes[1]) || !meshes[0].relief {
            self.turned(&meshes[0], facing, rng)
        } else {
            facing * 0.5
        };
        let pitch = rng.random_range(0.05..0.5f32);
        if plan.task == Task::IdentityPair {
            let first = portrait(
                &meshes[0],
                facing,
                pitch,
                &studio(&self.pack, rng),
                self.size,
                0.10,
            )?;
            let second_pitch = rng.random_range(0.05..0.5f32);
            let second = portrait(
                &meshes[1],
                other,
                second_pitch,
                &studio(&self.pack, rng),
                self.size,
                0.10,
            )?;
            let AssetGround::Plain(ground) = plan.asset_ground else {
                return self.identity(first, second, [128; 3]);
            };
            return self.identity(first, second, ground);
        }
        let scene = Scene::new(&self.pack, plan.backdrop, self.size, rng)?;
        if !(0.01..0.85).contains(&scene.brightness()) {
            return None;
        }
        let spot = Spot {
            u: plan.u,
            // Photographs seldom show ground high up.
            rows: if matches!(plan.backdrop, Backdrop::Photo(_)) {
                [0.62, 0.96]
            } else {
                [0.42, 0.94]
            },
            size: plan.size,
            facing,
        };
        let subject = scene.place(&meshes[0], spot, &[], rng)?;
        let taken = vec![(subject.foot, subject.radius())];
        let drawn = scene.draw(&subject);
        let moved = if plan.task == Task::Move {
            let from = Spot {
                u: plan.from_u,
                facing: facing + rng.random_range(-0.25..0.25),
                size: plan.size * rng.random_range(0.8..1.2),
                ..spot
            };
            Some(scene.place(&meshes[0], from, &taken, rng)?)
        } else {
            None
        };
        let before = moved.as_ref().map(|m| scene.draw(m));
        let companion_mesh;
        let companion: Option<Drawn> = match &plan.companion {
            Some(companion) => {
                let count = self.pack.objects[companion.object].files.len();
                companion_mesh = self
                    .pack
                    .mesh(companion.object, rng.random_range(0..count))?;
                let row = scene.camera.project(subject.foot)[1] / self.size as f32;
                let spot = Spot {
                    u: companion.u,
                    rows: if companion.in_front {
                        [row + 0.03, 0.97]
                    } else {
                        [0.35, row.max(0.4)]
                    },
                    size: companion.size,
                    facing: self.facing(&companion_mesh, rng),
                };
                let mut taken = taken.clone();
                taken.extend(moved.as_ref().map(|m| (m.foot, m.radius())));
                let placed =
                    (0..4).find_map(|_| scene.place(&companion_mesh, spot, &taken, rng))?;
                Some(scene.draw(&placed))
            }
            None => None,
        };
        let around: Vec<&Drawn> = companion.iter().collect();
        let with = |object: &Drawn| {
            let mut all = around.clone();
            all.push(object);
            scene.picture(&all)
        };
        let object = scene.visible(&drawn, &around);
        let whole = scene.visible(&drawn, &[]);
        let area = |mask: &[u8]| mask.iter().filter(|&&v| v >= 128).count();
        // Enough of the object must be seen to know it.
        if area(&object) * 1000 < self.size * self.size * 6
            || area(&object) * 100 < area(&whole) * 55
        {
            return None;
        }
        let full = with(&drawn);
        let (canvas, target) = match plan.task {
            Task::Remove => (full, scene.picture(&around)),
            Task::Move => (with(before.as_ref()?), full),
            _ => (scene.picture(&around), full),
        };
        if !self.stands_out(&canvas, &target, &object) {
            return None;
        }
        let lamp = studio(&self.pack, rng);
        // Most collages show the object as it will stand, in another light: what was laid there with care stays.
        let relit = (plan.placement && rng.random_bool(0.65)).then(|| scene.relit(&subject, &lamp));
        let (asset_mesh, asset_facing, asset_pitch) = if relit.is_some() && rng.random_bool(0.5) {
            (
                &meshes[0],
                facing + rng.random_range(-0.1..0.1f32),
                scene.pitch(),
            )
        } else {
            (&meshes[1], other, pitch)
        };
        let cut = matches!(plan.task, Task::InsertReference).then(|| {
            portrait(
                asset_mesh,
                asset_facing,
                asset_pitch,
                &lamp,
                self.size,
                0.10,
            )
        });
        let cut = match cut {
            Some(cut) => Some(cut?),
            None => None,
        };
        let (asset, asset_object) = match (&cut, plan.asset_ground) {
            (None, _) => (None, None),
            (Some(cut), AssetGround::Plain(ground)) => (
                Some(over(cut, ground)),
                Some(cut.iter().map(|p| p[3]).collect()),
            ),
            (Some(_), AssetGround::Scene) => {
                let (picture, object) = self.snapshot(plan, asset_mesh, asset_facing, rng)?;
                (Some(picture), Some(object))
            }
        };
        let placement = match (&cut, &relit) {
            (Some(_), Some(relit)) => Some(laid_over(&canvas, relit)),
            (Some(cut), None) if plan.placement => {
                Some(collage(&canvas, cut, &object, self.size, rng)?)
            }
            _ => None,
        };
        Some(Pictures {
            before: before.map(|b| scene.visible(&b, &around)),
            canvas: Some(canvas),
            target,
            asset,
            asset_object,
            placement,
            object,
        })
    }

    fn identity(
        &self,
        first: Vec<[u8; 4]>,
        second: Vec<[u8; 4]>,
        ground: [u8; 3],
    ) -> Option<Pictures> {
        Some(Pictures {
            canvas: None,
            target: over(&second, [128; 3]),
            asset: Some(over(&first, ground)),
            asset_object: Some(first.iter().map(|p| p[3]).collect()),
            placement: None,
            object: second.iter().map(|p| p[3]).collect(),
            before: None,
        })
    }

    /// The object in a scene of its own, not cut out, and where it is.
    fn snapshot(
        &self,
        plan: &Plan,
        mesh: &Mesh,
        facing: f32,
        rng: &mut ChaCha8Rng,
    ) -> Option<(Vec<[u8; 3]>, Vec<u8>)> {
        let backdrop = match plan.backdrop {
            Backdrop::Floor(_) if !self.pack.photos.is_empty() && rng.random_bool(0.4) => {
                Backdrop::Photo(rng.random_range(0..self.pack.photos.len()))
            }
            _ => Backdrop::Floor(
                (!self.pack.tiles.is_empty() && rng.random_bool(0.5))
                    .then(|| rng.random_range(0..self.pack.tiles.len())),
            ),
        };
        for _ in 0..4 {
            let scene = Scene::new(&self.pack, backdrop, self.size, rng)?;
            let spot = Spot {
                u: 0.5,
                rows: [0.6, 0.95],
                size: rng.random_range(0.6..0.85),
                facing,
            };
            if let Some(placed) = scene.place(mesh, spot, &[], rng) {
                let drawn = scene.draw(&placed);
                return Some((scene.picture(&[&drawn]), scene.visible(&drawn, &[])));
            }
        }
        None
    }

    /// Whether the object can be told from what is behind it.
    fn stands_out(&self, canvas: &[[u8; 3]], target: &[[u8; 3]], object: &[u8]) -> bool {
        let mut sum = 0u64;
        let mut count = 0u64;
        for ((a, b), &o) in canvas.iter().zip(target).zip(object) {
            if o >= 128 {
                sum += (0..3).map(|c| u64::from(a[c].abs_diff(b[c]))).sum::<u64>();
                count += 3;
            }
        }
        count > 0 && sum > 9 * count
    }

    fn inputs(&self, plan: &Plan, mut pictures: Pictures, rng: &mut ChaCha8Rng) -> Option<Record> {
        let size = self.size;
        let mut changed = vec![255; size * size];
        if let Some(canvas) = &pictures.canvas {
            for (i, (from, to)) in canvas.iter().zip(&mut pictures.target).enumerate() {
                if (0..3).all(|c| from[c].abs_diff(to[c]) <= TOLERANCE) {
                    *to = *from;
                    changed[i] = 0;
                }
            }
        }
        let mask = |exact: &[u8], rng: &mut ChaCha8Rng| -> Option<(Plane, f32)> {
            let exact = Plane::from_values(size as u32, size as u32, exact.to_vec())?;
            let mask = drawn_mask(&exact, plan.level?, rng);
            let area = |p: &Plane| p.values().iter().filter(|&&v| v >= 128).count() as f32;
            let fit = (area(&exact) / area(&mask).max(1.0)).min(1.0);
            Some((mask, fit))
        };
        let to_mask = match plan.level {
            Some(_) => Some(mask(&pictures.object, rng)?),
            None => None,
        };
        let from_mask = match &pictures.before {
            Some(before) => Some(mask(before, rng)?),
            None => None,
        };
        let region = to_mask
            .as_ref()
            .and_then(|(m, _)| m.bounds())
            .map(|(x0, y0, x1, y1)| [y0, x0, y1, x1].map(|v| v as f32 / size as f32));
        let mut inputs = Vec::with_capacity(4);
        for slot in plan.inputs() {
            let mut input = Input {
                role: Role::Control.index() as u8,
                kind: NONE,
                level: NONE,
                fit: f32::NAN,
                placed: [f32::NAN; 4],
                picture: Vec::new(),
            };
            match slot {
                Slot::Canvas => {
                    input.role = Role::Canvas.index() as u8;
                    input.picture = pictures.canvas.clone()?;
                }
                Slot::Asset => {
                    input.role = Role::Asset.index() as u8;
                    input.placed = region.unwrap_or([f32::NAN; 4]);
                    input.picture = pictures.asset.take()?;
                }
                Slot::Placement => {
                    input.kind = ControlKind::Placement.index() as u8;
                    input.picture = pictures.placement.take()?;
                }
                Slot::MaskFrom | Slot::Mask => {
                    let (mask, fit) = match slot {
                        Slot::Mask => to_mask.as_ref()?,
                        _ => from_mask.as_ref()?,
                    };
                    input.kind = ControlKind::Mask.index() as u8;
                    input.level = plan.level?.index() as u8;
                    if plan.fit_known {
                        input.fit = *fit;
                    }
                    input.picture = mask.values().iter().map(|&v| [v; 3]).collect();
                }
            }
            inputs.push(input);
        }
        let still = u16::from(plan.task != Task::IdentityPair);
        let held_out = u16::from(self.pack.split == Split::Heldout);
        Some(Record {
            id: 0,
            seed: plan.seed,
            task: plan.task as u16,
            flags: still | held_out << 1,
            inputs,
            outputs: vec![(0, pictures.target)],
            tokens: Vec::new(),
            text: String::new(),
            object: pictures.object,
            changed,
            asset_object: pictures.asset_object,
        })
    }
}

/// A mask as an artist might draw it: coarsened, and a little off, more so where less is promised.
fn drawn_mask(exact: &Plane, level: Level, rng: &mut ChaCha8Rng) -> Plane {
    let coarse = coarsen(exact, level, rng);
    let off = match level {
        Level::Exact => 0,
        Level::Outline => 1,
        Level::Blob | Level::Box => 2,
    } * exact.width() as i64
        / 128;
    if off == 0 {
        return coarse;
    }
    let (dx, dy) = (rng.random_range(-off..=off), rng.random_range(-off..=off));
    let mut moved = Plane::filled(exact.width(), exact.height(), 0);
    let width = exact.width() as usize;
    for (i, value) in moved.values_mut().iter_mut().enumerate() {
        *value = coarse.get((i % width) as i64 - dx, (i / width) as i64 - dy);
    }
    // A mask that was pushed out of the frame would say nothing.
    if moved.bounds().is_some() {
        moved
    } else {
        coarse
    }
}

/// A cut-out over one colour.
fn over(cut: &[[u8; 4]], ground: [u8; 3]) -> Vec<[u8; 3]> {
    cut.iter()
        .map(|p| {
            let a = u32::from(p[3]);
            std::array::from_fn(|c| {
                ((u32::from(p[c]) * a + u32::from(ground[c]) * (255 - a) + 127) / 255) as u8
            })
        })
        .collect()
}

/// `cut` over `canvas`, where it is.
fn laid_over(canvas: &[[u8; 3]], cut: &[[u8; 4]]) -> Vec<[u8; 3]> {
    let blend = |below: &[u8; 3], above: &[u8; 4]| {
        let a = f32::from(above[3]) / 255.0;
        std::array::from_fn(|c| {
            (f32::from(above[c]) * a + f32::from(below[c]) * (1.0 - a)).round() as u8
        })
    };
    canvas.iter().zip(cut).map(|(b, a)| blend(b, a)).collect()
}

/// The cut-out pasted into the canvas about where the object belongs: off in size, place, turn and light.
fn collage(
    canvas: &[[u8; 3]],
    cut: &[[u8; 4]],
    object: &[u8],
    size: usize,
    rng: &mut ChaCha8Rng,
) -> Option<Vec<[u8; 3]>> {
    let side = size as u32;
    let (x0, y0, x1, y1) = Plane::from_values(side, side, object.to_vec())?.bounds()?;
    let alpha = cut.iter().map(|p| p[3]).collect();
    let (a0, b0, a1, b1) = Plane::from_values(side, side, alpha)?.bounds()?;
    let extent = |a: u32, b: u32| (b - a) as f32;
    let ratios = [
        extent(x0, x1) / extent(a0, a1),
        extent(y0, y1) / extent(b0, b1),
    ];
    // Half as the program lays it (pipeline::collage): as large as fits, on the lower edge; half as a hand does.
    let by_hand = rng.random_bool(0.5);
    let (factor, angle, centre) = if by_hand {
        let reach = 0.06 * extent(x0, x1).max(extent(y0, y1));
        let mut about =
            |a: u32, b: u32| (a + b) as f32 / 2.0 + rng.random_range(-reach..reach.max(1e-3));
        let centre = [about(x0, x1), about(y0, y1)];
        (
            (ratios[0] * ratios[1]).sqrt() * rng.random_range(0.85..1.15f32),
            rng.random_range(-0.14..0.14f32),
            centre,
        )
    } else {
        let factor = ratios[0].min(ratios[1]) * rng.random_range(0.97..1.06f32);
        let high = factor * extent(b0, b1);
        (
            factor,
            0.0,
            [(x0 + x1) as f32 / 2.0, y1 as f32 - high / 2.0],
        )
    };
    let from = [(a0 + a1) as f32 / 2.0, (b0 + b1) as f32 / 2.0];
    let (s, c) = angle.sin_cos();
    let mut picture = canvas.to_vec();
    for y in 0..size {
        for x in 0..size {
            let (dx, dy) = (x as f32 + 0.5 - centre[0], y as f32 + 0.5 - centre[1]);
            // Two samples a side, for when the cut-out shrinks.
            let mut sum = [0.0f32; 4];
            for (ox, oy) in [(-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25)] {
                let (px, py) = (dx + ox, dy + oy);
                let u = from[0] + (c * px + s * py) / factor;
                let v = from[1] + (c * py - s * px) / factor;
                if u < 0.0 || v < 0.0 || u >= size as f32 || v >= size as f32 {
                    continue;
                }
                let p = cut[v as usize * size + u as usize];
                let a = f32::from(p[3]) / 255.0;
                for i in 0..3 {
                    sum[i] += f32::from(p[i]) * a * 0.25;
                }
                sum[3] += a * 0.25;
            }
            let out = &mut picture[y * size + x];
            for i in 0..3 {
                out[i] = (sum[i] + f32::from(out[i]) * (1.0 - sum[3]) + 0.5) as u8;
            }
        }
    }
    Some(picture)
}
