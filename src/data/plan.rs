//! What a sample is to be, decided before anything is rendered: the task, the assets, where things stand and which
//! inputs the model gets. Captions need nothing more than this.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::doc::Level;
use crate::world::pack::{ObjectKind, Pack, PackError};
pub use crate::world::scene::Backdrop;

/// What the model is asked to do. The numbers are the record's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Task {
    /// Put the asset's object into the canvas.
    InsertReference = 0,
    /// Put an object named in words into the canvas.
    InsertWords = 1,
    /// Take an object and its shadow away.
    Remove = 2,
    /// Move an object from one mask to another.
    Move = 3,
    /// Show the asset's object from another side, on its own.
    IdentityPair = 12,
}

impl Task {
    /// All tasks that are made, with their share of the samples.
    pub const SHARES: [(Task, f32); 5] = [
        (Task::InsertReference, 0.60),
        (Task::InsertWords, 0.08),
        (Task::Remove, 0.12),
        (Task::Move, 0.08),
        (Task::IdentityPair, 0.12),
    ];

    /// The name used on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Task::InsertReference => "insert_reference",
            Task::InsertWords => "insert_words",
            Task::Remove => "remove",
            Task::Move => "move",
            Task::IdentityPair => "identity_pair",
        }
    }
}

/// Where in the picture something is, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The left third.
    Left,
    /// The middle.
    Middle,
    /// The right third.
    Right,
}

impl Side {
    /// The side of a horizontal position in 0..1.
    pub fn of(u: f32) -> Side {
        match u {
            u if u < 0.40 => Side::Left,
            u if u > 0.60 => Side::Right,
            _ => Side::Middle,
        }
    }
}

/// A second object in the scene.
#[derive(Clone, Debug, PartialEq)]
pub struct Companion {
    /// Position in [`Pack::objects`].
    pub object: usize,
    /// Where it stands, 0..1 from left to right.
    pub u: f32,
    /// Its height as a share of the frame's.
    pub size: f32,
    /// It stands nearer to the camera than the subject and may hide a part of it.
    pub in_front: bool,
}

/// How the asset picture is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AssetGround {
    /// Cut out, on one colour.
    Plain([u8; 3]),
    /// Standing in another scene.
    Scene,
}

/// A sample before it is rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What is asked.
    pub task: Task,
    /// Seed of everything that is decided while rendering.
    pub seed: u64,
    /// The object it is about, by position in [`Pack::objects`].
    pub subject: usize,
    /// Which of its files is in the scene, and which in the asset picture.
    pub files: [usize; 2],
    /// What is around it.
    pub backdrop: Backdrop,
    /// Where the subject stands, 0..1 from left to right.
    pub u: f32,
    /// Where it stood before, for moves.
    pub from_u: f32,
    /// Its height (or width, if that is larger) as a share of the frame's.
    pub size: f32,
    /// Another object in the scene.
    pub companion: Option<Companion>,
    /// The mask's level; `None` for no mask.
    pub level: Option<Level>,
    /// A placement control is given.
    pub placement: bool,
    /// The asset picture's ground.
    pub asset_ground: AssetGround,
    /// The object's share of the mask is told.
    pub fit_known: bool,
}

/// The generator of decision `lane` of sample `index` in the stream of `seed`.
pub fn generator(seed: u64, index: u64, lane: u64) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new();
    for part in [seed, index, lane] {
        hasher.update(&part.to_le_bytes());
    }
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}

/// Draws plans from one pack.
pub struct Planner {
    standing: Vec<usize>,
    standing_cutouts: Vec<usize>,
    any: Vec<usize>,
    floors: Vec<usize>,
    photos: Vec<usize>,
    groceries: Vec<usize>,
    tiles: usize,
}

impl Planner {
    /// A planner for `pack`; an error if nothing in it can stand.
    pub fn new(pack: &Pack) -> Result<Self, PackError> {
        let objects = |keep: &dyn Fn(&crate::world::pack::Object) -> bool| -> Vec<usize> {
            (0..pack.objects.len())
                .filter(|&i| keep(&pack.objects[i]))
                .collect()
        };
        let photos = |grocery: bool| -> Vec<usize> {
            (0..pack.photos.len())
                .filter(|&i| pack.photos[i].grocery == grocery)
                .collect()
        };
        let planner = Self {
            standing: objects(&|o| o.stands && o.kind == ObjectKind::Mesh),
            standing_cutouts: objects(&|o| o.stands && o.kind == ObjectKind::Cutout),
            any: objects(&|_| true),
            floors: (0..pack.panoramas.len())
                .filter(|&i| pack.panoramas[i].flat_ground)
                .collect(),
            // Those with ground to stand on come up three times as often.
            photos: photos(false)
                .into_iter()
                .flat_map(|i| std::iter::repeat_n(i, if pack.photos[i].ground { 3 } else { 1 }))
                .collect(),
            groceries: photos(true),
            tiles: pack.tiles.len(),
        };
        if planner.standing.is_empty() && planner.standing_cutouts.is_empty() {
            return Err(PackError::Missing("objects that can stand"));
        }
        Ok(planner)
    }

    fn object(&self, rng: &mut ChaCha8Rng) -> usize {
        let cutout = rng.random_bool(0.18);
        let (first, second) = if cutout {
            (&self.standing_cutouts, &self.standing)
        } else {
            (&self.standing, &self.standing_cutouts)
        };
        let list = if first.is_empty() { second } else { first };
        list.choose(rng).copied().unwrap_or(0)
    }

    fn backdrop(&self, rng: &mut ChaCha8Rng) -> Backdrop {
        let pick = rng.random::<f32>();
        let choose = |list: &[usize], rng: &mut ChaCha8Rng| list.choose(rng).copied();
        let found = match pick {
            p if p < 0.48 => choose(&self.floors, rng).map(Backdrop::Panorama),
            p if p < 0.58 => choose(&self.photos, rng).map(Backdrop::Photo),
            p if p < 0.71 => choose(&self.groceries, rng).map(Backdrop::Photo),
            _ => None,
        };
        found.unwrap_or_else(|| {
            // Six tiles tire the eye: half of the floors are made up.
            let made_up = self.tiles == 0 || rng.random_bool(0.5);
            Backdrop::Floor((!made_up).then(|| rng.random_range(0..self.tiles)))
        })
    }

    /// The plan of sample `index`, attempt `attempt`, in the stream of `seed`.
    pub fn plan(&self, pack: &Pack, seed: u64, index: u64, attempt: u64) -> Plan {
        let mut rng = generator(seed, index, 2 * attempt);
        let rng = &mut rng;
        let mut pick = rng.random::<f32>();
        let mut task = Task::InsertReference;
        for (candidate, share) in Task::SHARES {
            task = candidate;
            pick -= share;
            if pick < 0.0 {
                break;
            }
        }
        let subject = if task == Task::IdentityPair {
            if rng.random_bool(0.5) {
                self.any.choose(rng).copied().unwrap_or(0)
            } else {
                self.object(rng)
            }
        } else {
            self.object(rng)
        };
        let count = pack.objects[subject].files.len();
        let in_scene = rng.random_range(0..count);
        let in_asset = match pack.objects[subject].kind {
            ObjectKind::Cutout => rng.random_range(0..count),
            // A pose differs only at times: the artist's picture mostly shows the object as it is.
            ObjectKind::Mesh if rng.random_bool(0.3) => rng.random_range(0..count),
            ObjectKind::Mesh => in_scene,
        };
        let size = rng.random_range(0.22..0.62f32);
        let u = rng.random_range(0.24..0.76f32);
        let mut from_u = rng.random_range(0.2..0.8f32);
        if (from_u - u).abs() < 0.25 {
            from_u = if u < 0.5 {
                rng.random_range(0.62..0.8)
            } else {
                rng.random_range(0.2..0.38)
            };
        }
        let companion = (task != Task::IdentityPair && rng.random_bool(0.35)).then(|| {
            let in_front = task == Task::InsertReference && rng.random_bool(0.3);
            let side = if u < 0.5 { 1.0 } else { -1.0 };
            let gap = if in_front {
                rng.random_range(0.1..0.25)
            } else {
                rng.random_range(0.25..0.5)
            };
            Companion {
                object: self.object(rng),
                u: (u + side * gap).clamp(0.05, 0.95),
                size: rng.random_range(0.18..0.45),
                in_front,
            }
        });
        let level = {
            let masked = match task {
                Task::InsertReference => rng.random_bool(0.90),
                Task::InsertWords => rng.random_bool(0.80),
                Task::Remove => rng.random_bool(0.92),
                Task::Move => true,
                Task::IdentityPair => false,
            };
            let at = rng.random::<f32>();
            masked.then_some(match at {
                a if a < 0.15 => Level::Exact,
                a if a < 0.40 => Level::Outline,
                a if a < 0.70 => Level::Blob,
                _ => Level::Box,
            })
        };
        let ground = rng.random::<f32>();
        let asset_ground = match ground {
            g if g < 0.60 => AssetGround::Plain([128; 3]),
            g if g < 0.70 => AssetGround::Plain([255; 3]),
            g if g < 0.80 => AssetGround::Plain(std::array::from_fn(|_| rng.random_range(20..236))),
            _ => AssetGround::Scene,
        };
        Plan {
            task,
            subject,
            files: [in_scene, in_asset],
            backdrop: self.backdrop(rng),
            u,
            from_u,
            size,
            companion,
            level,
            // The program lays a collage under most jobs (pipeline::collage).
            placement: task == Task::InsertReference && rng.random_bool(0.7),
            asset_ground,
            fit_known: rng.random_bool(0.5),
            seed: rng.random(),
        }
    }
}

/// The place of each input of a plan, in the order the model gets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The picture to edit.
    Canvas,
    /// The object's other picture.
    Asset,
    /// The rough collage.
    Placement,
    /// The mask where the object is (moves only).
    MaskFrom,
    /// The mask where the object goes, or is.
    Mask,
}

impl Plan {
    /// The inputs in order: canvas, asset, controls, masks.
    pub fn inputs(&self) -> Vec<Input> {
        let mut inputs = Vec::with_capacity(4);
        if self.task != Task::IdentityPair {
            inputs.push(Input::Canvas);
        }
        if matches!(self.task, Task::InsertReference | Task::IdentityPair) {
            inputs.push(Input::Asset);
        }
        if self.placement {
            inputs.push(Input::Placement);
        }
        if self.task == Task::Move {
            inputs.push(Input::MaskFrom);
        }
        if self.level.is_some() {
            inputs.push(Input::Mask);
        }
        inputs
    }
}
