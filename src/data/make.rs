//! The pictures of a sample.

use std::sync::Arc;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::collage::{collage, laid_over, over, shaded_under};
use super::mask::drawn;
use super::plan::{AssetGround, Backdrop, Plan, Planner, Task};
use super::record::{DEPTH, EDGES, MASK, PICTURE};
use super::staging::{Facts, Staged, area, is_known, is_seen, staged};
use crate::doc::{ControlKind, Level, Plane};
use crate::world::depth::{edges, nearness};
use crate::world::frame::{Frame, Renderer};
use crate::world::lamp::Lamp;
use crate::world::mesh::Mesh;
use crate::world::pack::Pack;
use crate::world::placed::Finish;
use crate::world::portrait::{camera, portrait, relit};
use crate::world::stage::{Part, Stage, Where, Wish, facing};

/// RGB bytes, row by row.
pub type Rgb = Vec<[u8; 3]>;

/// An asset picture, and where in it the object is.
pub struct Asset {
    /// The picture.
    pub picture: Rgb,
    /// The object's coverage.
    pub object: Vec<u8>,
}

/// The pictures of one sample, before they are a record.
pub struct Pictures {
    /// The picture to edit or to look at.
    pub canvas: Option<Rgb>,
    /// Kinds and pictures of the outputs.
    pub outputs: Vec<(u8, Rgb)>,
    /// The asset pictures.
    pub assets: Vec<Asset>,
    /// The rough collage; that of removals and moves follows from their masks.
    pub placement: Option<Rgb>,
    /// The map that steers.
    pub map: Option<Rgb>,
    /// The visible part of the object where it is at last.
    pub object: Vec<u8>,
    /// The same where it was.
    pub before: Option<Vec<u8>>,
    /// A mask that follows from no object: a hole.
    pub hole: Option<Plane>,
    /// Only a part of the canvas changes.
    pub still: bool,
    /// What a caption can say.
    pub facts: Facts,
}

/// Makes the pictures of plans.
pub struct Studio<'a> {
    /// Where the assets come from.
    pub pack: &'a Pack,
    /// Who chooses backdrops.
    pub planner: &'a Planner,
    /// Pixels along each side.
    pub size: usize,
}

fn grey(values: &[u8]) -> Rgb {
    values.iter().map(|&v| [v; 3]).collect()
}

impl Studio<'_> {
    /// The pictures of a plan; `None` if it can't be made as planned.
    pub fn pictures(&self, plan: &Plan, rng: &mut ChaCha8Rng) -> Option<Pictures> {
        if plan.task == Task::IdentityPair {
            return self.identity(plan, rng);
        }
        let staged = staged(self.pack, plan, self.size, rng)?;
        let mut renderer = Renderer::new(&staged.stage);
        let target = renderer.frame(&staged.target)?;
        let canvas = if staged.canvas == staged.target {
            None
        } else {
            Some(renderer.frame(&staged.canvas)?)
        };
        let canvas = canvas.as_ref().unwrap_or(&target);
        let at = staged.subject;
        let (shown, shot) = if staged.target.actors[at].present {
            (&target, &staged.target)
        } else {
            (canvas, &staged.canvas)
        };
        if !is_subject(shown, at) {
            return None;
        }
        // What is given must be in the picture.
        if plan.task == Task::Customise && !(0..plan.assets).all(|i| is_known(shown, i)) {
            return None;
        }
        let object = shown.visible[at].clone();
        let change = staged.facts.change.map(|(change, _)| change);
        let still = !plan.task.is_perception() && change.is_none_or(|c| c.is_still());
        let edits = plan.task.has_canvas() && !plan.task.is_perception();
        if edits && plan.task != Task::Outpaint && !differs(&canvas.rgb, &target.rgb, &object) {
            return None;
        }
        let mut assets = Vec::new();
        let mut cut = None;
        // Most collages show the object as it will stand, in another light: what was laid there with care stays.
        let laid = if plan.placement && plan.assets > 0 && rng.random_bool(0.65) {
            let actor = &staged.target.actors[at];
            let mesh = staged.stage.mesh(actor)?;
            let placed = staged.stage.put(&mesh, actor);
            let light = self.light(rng);
            Some(relit(&placed, &staged.target.camera, &light, self.size))
        } else {
            None
        };
        let alike = laid.is_some() && rng.random_bool(0.5);
        for i in 0..plan.assets {
            let (asset, alone) = self.asset(plan, &staged, i, alike, rng)?;
            assets.push(asset);
            if i == 0 {
                cut = Some(alone);
            }
        }
        // As the program lays it; an artist's own collage has no shade.
        let grounded = cut.is_some() && plan.placement && rng.random_bool(0.8);
        let placement = match (&cut, &laid) {
            (Some(_), Some(laid)) => {
                let ground = match grounded {
                    true => shaded_under(&canvas.rgb, laid, self.size)?,
                    false => canvas.rgb.clone(),
                };
                Some(laid_over(&ground, laid))
            }
            (Some(cut), None) if plan.placement => Some(collage(
                &canvas.rgb,
                cut,
                &object,
                self.size,
                plan.level.unwrap_or(Level::Box),
                grounded,
                rng,
            )?),
            _ => None,
        };
        let output = match plan.task {
            Task::Segment => (MASK, grey(&thresholded(&object))),
            Task::Depth => (DEPTH, grey(&nearness(&target.depth))),
            Task::Edges => (EDGES, grey(&edges(&target.rgb, self.size))),
            _ => (PICTURE, target.rgb.clone()),
        };
        let mut outputs = vec![output];
        if plan.joint {
            outputs.push((MASK, grey(&thresholded(&object))));
        }
        let map = (plan.task == Task::Control)
            .then(|| match plan.control {
                ControlKind::Depth => Some(grey(&nearness(&target.depth))),
                ControlKind::Mask => None,
                _ => Some(grey(&edges(&target.rgb, self.size))),
            })
            .flatten();
        let hole = match plan.task {
            Task::Outpaint => Some(self.hole(&staged.facts, &object, plan.assets > 0, rng)?),
            _ => None,
        };
        let shown_canvas = plan.task.has_canvas().then(|| match &hole {
            Some(hole) => canvas
                .rgb
                .iter()
                .zip(hole.values())
                .map(|(&p, &h)| if h >= 128 { [128; 3] } else { p })
                .collect(),
            None => canvas.rgb.clone(),
        });
        let before = (plan.task == Task::Move).then(|| canvas.visible[at].clone());
        if plan.task == Task::Move && !is_subject(canvas, at) {
            return None;
        }
        let facts = staged
            .facts
            .filmed(shot, shown, at, hole.as_ref().map(Plane::values));
        Some(Pictures {
            canvas: shown_canvas,
            outputs,
            assets,
            placement,
            map,
            object,
            before,
            hole,
            still,
            facts,
        })
    }

    /// A region to fill: about the object, or what is beyond an inner rectangle. The most of the object is in it
    /// where the object is `given`; `None` if that can't be.
    fn hole(
        &self,
        facts: &Facts,
        object: &[u8],
        given: bool,
        rng: &mut ChaCha8Rng,
    ) -> Option<Plane> {
        let side = self.size as u32;
        let exact = Plane::from_values(side, side, object.to_vec())?;
        if !facts.outside {
            let level = if rng.random() {
                Level::Blob
            } else {
                Level::Box
            };
            return Some(drawn(&exact, level, rng));
        }
        let mut hole = Plane::filled(side, side, 255);
        let mut cut = |from: f32, to: f32| (rng.random_range(from..to) * side as f32) as u32;
        let mut edges = [cut(0.0, 0.3), cut(0.0, 0.3), cut(0.7, 1.0), cut(0.7, 1.0)];
        // Not on every side: most pictures are extended one way.
        for (i, whole) in [0, 0, side, side].into_iter().enumerate() {
            if rng.random_bool(0.5) {
                edges[i] = whole;
            }
        }
        if given {
            // One way: what is cut away on the opposite side would leave too little.
            let (edge, cut) = beyond(object, self.size, rng)?;
            edges[(edge + 2) % 4] = if edge < 2 { side } else { 0 };
            edges[edge] = cut;
        }
        if edges == [0, 0, side, side] {
            edges[2] = side * 3 / 4;
        }
        let [x0, y0, x1, y1] = edges;
        for y in y0..y1 {
            for x in x0..x1 {
                hole.values_mut()[(y * side + x) as usize] = 0;
            }
        }
        Some(hole)
    }

    /// Another picture of actor `at`, and the object alone with straight alpha; `alike` shows it nearly as it stands.
    fn asset(
        &self,
        plan: &Plan,
        staged: &Staged<'_>,
        at: usize,
        alike: bool,
        rng: &mut ChaCha8Rng,
    ) -> Option<(Asset, Vec<[u8; 4]>)> {
        let actor = &staged.target.actors[at];
        let eye = staged.target.camera.eye;
        let look = (eye[0] - actor.foot[0]).atan2(eye[2] - actor.foot[2]);
        let shown = self.pack.mesh(actor.object, actor.file)?;
        let file = if at == 0 && !alike {
            plan.asset_file
        } else {
            actor.file
        };
        let mesh = self.pack.mesh(actor.object, file)?;
        let facing = actor.yaw - look;
        let other = if alike {
            facing + rng.random_range(-0.1..0.1f32)
        } else if Arc::ptr_eq(&shown, &mesh) || !mesh.faces() {
            turned(&mesh, facing, rng)
        } else {
            facing * 0.5
        };
        let off = if alike { 0.03 } else { 0.2 };
        let pitch = (staged.stage.pitch + rng.random_range(-off..off)).clamp(0.03, 0.7);
        let light = self.light(rng);
        let cut = portrait(&mesh, &Finish::Own, [other, pitch], &light, self.size, 0.10)?;
        if !is_shown(&cut) {
            return None;
        }
        let asset = match plan.asset_ground {
            AssetGround::Plain(ground) => Asset {
                picture: over(&cut, ground),
                object: cut.iter().map(|p| p[3]).collect(),
            },
            AssetGround::Scene => self.snapshot(actor.object, file, other, rng)?,
        };
        Some((asset, cut))
    }

    fn light(&self, rng: &mut ChaCha8Rng) -> crate::world::light::Light {
        Lamp::studio(self.pack, rng, 0.4, [0.7, 1.15]).light(0.0, &camera())
    }

    /// The object in a scene of its own, not cut out.
    fn snapshot(
        &self,
        object: usize,
        file: usize,
        facing: f32,
        rng: &mut ChaCha8Rng,
    ) -> Option<Asset> {
        for _ in 0..4 {
            let wish = Wish {
                backdrop: match self.planner.casting().backdrop(
                    self.pack.objects[object].reach,
                    false,
                    rng,
                ) {
                    // Panoramas are few: the model shall not learn where objects come from.
                    Backdrop::Panorama(_) => Backdrop::Floor(None),
                    other => other,
                },
                parts: vec![Part {
                    object,
                    file,
                    place: Where::Subject,
                    facing: Some(facing),
                }],
                u: rng.random_range(0.42..0.58),
                extent: rng.random_range(0.58..0.82),
            };
            if let Some(stage) = Stage::new(self.pack, &wish, self.size, rng) {
                let frame = Renderer::new(&stage).frame(&stage.first)?;
                return Some(Asset {
                    object: frame.visible.into_iter().next()?,
                    picture: frame.rgb,
                });
            }
        }
        None
    }

    fn identity(&self, plan: &Plan, rng: &mut ChaCha8Rng) -> Option<Pictures> {
        let object = plan.subject();
        let first = self.pack.mesh(object, plan.wish.parts[0].file)?;
        let second = self.pack.mesh(object, plan.asset_file)?;
        let front = facing(&first, rng);
        let other = if Arc::ptr_eq(&first, &second) || !first.faces() {
            turned(&first, front, rng)
        } else {
            front * 0.5
        };
        let one = |mesh: &Mesh, yaw: f32, rng: &mut ChaCha8Rng| {
            let pitch = rng.random_range(0.05..0.5f32);
            let light = self.light(rng);
            portrait(mesh, &Finish::Own, [yaw, pitch], &light, self.size, 0.10)
        };
        let target = one(&first, front, rng)?;
        let given = one(&second, other, rng)?;
        if !is_shown(&target) || !is_shown(&given) {
            return None;
        }
        let ground = match plan.asset_ground {
            AssetGround::Plain(ground) => ground,
            AssetGround::Scene => [128; 3],
        };
        Some(Pictures {
            canvas: None,
            outputs: vec![(PICTURE, over(&target, [128; 3]))],
            assets: vec![Asset {
                picture: over(&given, ground),
                object: given.iter().map(|p| p[3]).collect(),
            }],
            placement: None,
            map: None,
            object: target.iter().map(|p| p[3]).collect(),
            before: None,
            hole: None,
            still: false,
            facts: Facts::of(object),
        })
    }
}

/// Whether enough of an actor is seen to be what a sample is about.
fn is_subject(frame: &Frame, at: usize) -> bool {
    is_seen(frame, at, 6, 55)
}

/// Whether a portrait shows its object, which may be all of faint glass.
fn is_shown(cut: &[[u8; 4]]) -> bool {
    let alpha: Vec<u8> = cut.iter().map(|p| p[3]).collect();
    area(&alpha) * 1000 >= cut.len() * 6
}

/// An edge of the frame (left, top, right or bottom, counted from 0) and where to cut there, in pixels from the left or
/// the top, so that at least 60 % of the object, but not the whole picture, is cut away.
fn beyond(object: &[u8], size: usize, rng: &mut ChaCha8Rng) -> Option<(usize, u32)> {
    let all = area(object);
    let first = rng.random_range(0..4);
    let share = rng.random_range(0.6..1.0f32);
    (0..4).find_map(|turn| {
        let edge = (first + turn) % 4;
        // Columns or rows, counted from the edge.
        let line = |i: usize| {
            let at = if edge % 2 == 0 { i % size } else { i / size };
            if edge < 2 { at } else { size - 1 - at }
        };
        let mut lines = vec![0; size];
        for (i, _) in object.iter().enumerate().filter(|(_, v)| **v >= 128) {
            lines[line(i)] += 1;
        }
        let mut sum = 0;
        let last = lines.iter().position(|count| {
            sum += count;
            sum as f32 >= share * all as f32
        })?;
        let cut = last + 1;
        (cut * 4 <= size * 3).then(|| {
            let at = if edge < 2 { cut } else { size - cut };
            (edge, at as u32)
        })
    })
}

/// Another way to look at an object that is shown as `facing`.
fn turned(mesh: &Mesh, facing: f32, rng: &mut ChaCha8Rng) -> f32 {
    if mesh.faces() {
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

/// Whether the object can be told from what is behind it.
fn differs(canvas: &[[u8; 3]], target: &[[u8; 3]], object: &[u8]) -> bool {
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

/// A coverage as a mask.
pub fn thresholded(cover: &[u8]) -> Vec<u8> {
    cover
        .iter()
        .map(|&v| if v >= 128 { 255 } else { 0 })
        .collect()
}
