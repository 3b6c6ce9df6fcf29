//! What a sample is to be, decided before anything is rendered: the task, the assets, where things stand and which
//! inputs the model gets.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

pub use super::task::{Task, Weights};
use crate::doc::{ControlKind, Level};
use crate::world::casting::Casting;
pub use crate::world::casting::generator;
use crate::world::clip::ChangeKind;
use crate::world::pack::{ObjectKind, Pack, PackError};
pub use crate::world::stage::Backdrop;
use crate::world::stage::{Part, Where, Wish};

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

/// How an asset picture is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AssetGround {
    /// Cut out, on one colour.
    Plain([u8; 3]),
    /// Standing in another scene.
    Scene,
}

impl AssetGround {
    /// A cut-out's ground, grey mostly.
    fn plain(rng: &mut ChaCha8Rng) -> Self {
        Self::Plain(match rng.random_range(0..8) {
            0..6 => [128; 3],
            6 => [255; 3],
            _ => std::array::from_fn(|_| rng.random_range(20..236)),
        })
    }
}

/// A sample before it is rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What is asked.
    pub task: Task,
    /// Seed of everything that is decided while rendering.
    pub seed: u64,
    /// The scene; its first part is the object it is about.
    pub wish: Wish,
    /// Which of the subject's files the asset picture shows.
    pub asset_file: usize,
    /// The mask's level; `None` for no mask.
    pub level: Option<Level>,
    /// A placement control is given.
    pub placement: bool,
    /// How many asset pictures are given.
    pub assets: usize,
    /// The map that steers, for [`Task::Control`].
    pub control: ControlKind,
    /// What changes, for [`Task::Frame2Frame`].
    pub change: ChangeKind,
    /// The second frame is the canvas.
    pub backward: bool,
    /// The object's mask is a second output.
    pub joint: bool,
    /// The asset picture's ground.
    pub asset_ground: AssetGround,
    /// The object's share of the mask is told.
    pub fit_known: bool,
}

/// How often insertion with reference has a mask.
const MASKED: f64 = 0.90;
/// How often it has a placement control: the program lays a collage under most jobs (pipeline::collage).
const PLACED: f64 = 0.7;
/// How often an insertion with a mask gives the object's mask as well.
const JOINT: f64 = 0.06;

/// Draws plans from one pack.
pub struct Planner {
    casting: Casting,
    weights: Weights,
}

impl Planner {
    /// A planner for `pack`.
    ///
    /// # Errors
    /// [`PackError::Missing`] if nothing in it can stand.
    pub fn new(pack: &Pack, weights: Weights) -> Result<Self, PackError> {
        Ok(Self {
            casting: Casting::new(pack)?,
            weights,
        })
    }

    /// Who chooses objects and backdrops.
    pub fn casting(&self) -> &Casting {
        &self.casting
    }

    /// The plan of sample `index`, attempt `attempt`, in the stream of `seed`.
    pub fn plan(&self, pack: &Pack, seed: u64, index: u64, attempt: u64) -> Plan {
        // The task stays when an attempt fails: what is hard to stage must not come up less often.
        let task = self.weights.at(generator(seed, index, 0).random());
        let mut rng = generator(seed, index, 2 * attempt + 2);
        let rng = &mut rng;
        let control = *[
            ControlKind::Mask,
            ControlKind::Edge,
            ControlKind::Edge,
            ControlKind::Depth,
        ]
        .choose(rng)
        .unwrap_or(&ControlKind::Edge);
        let exact = task == Task::Depth || task == Task::Control && control == ControlKind::Depth;
        let change = *[
            ChangeKind::Absent,
            ChangeKind::Absent,
            ChangeKind::Moved,
            ChangeKind::Moved,
            ChangeKind::Turned,
            ChangeKind::Posed,
            ChangeKind::Resized,
            ChangeKind::Recoloured,
            ChangeKind::Recoloured,
            ChangeKind::Made,
            ChangeKind::Relit,
            ChangeKind::Orbited,
        ]
        .choose(rng)
        .unwrap_or(&ChangeKind::Absent);
        let mut wish = self.casting.wish(pack, rng);
        if task == Task::Frame2Frame && change == ChangeKind::Posed {
            // Few objects have poses: one that has is chosen, from a lane that no other decision draws from.
            let lane = &mut generator(seed, index, u64::MAX - attempt);
            wish = self.casting.posed_wish(pack, lane).unwrap_or(wish);
        }
        let subject = match task {
            // Anything can be shown alone.
            Task::IdentityPair if rng.random_bool(0.5) => {
                self.casting.any.choose(rng).copied().unwrap_or(0)
            }
            _ => wish.parts[0].object,
        };
        let object = &pack.objects[subject];
        if exact {
            let reach = |part: &Part| pack.objects[part.object].reach;
            let largest = wish.parts.iter().map(reach).fold(0.0, f32::max);
            wish.backdrop = self.casting.backdrop(largest, true, rng);
        }
        let count = object.files.len();
        let in_scene = rng.random_range(0..count);
        let asset_file = match object.kind {
            ObjectKind::Cutout => rng.random_range(0..count),
            // A pose differs only at times: the artist's picture mostly shows the object as it is.
            ObjectKind::Mesh if rng.random_bool(0.3) => rng.random_range(0..count),
            ObjectKind::Mesh => in_scene,
        };
        wish.parts[0] = Part {
            object: subject,
            file: in_scene,
            place: Where::Subject,
            facing: None,
        };
        let assets = match task {
            Task::InsertReference | Task::IdentityPair => 1,
            Task::Customise => rng.random_range(1..=wish.parts.len().min(3)),
            Task::Control => usize::from(rng.random_bool(0.35)),
            Task::Outpaint => usize::from(rng.random_bool(0.5)),
            _ => 0,
        };
        if task == Task::Customise {
            wish.parts.truncate(assets);
        }
        let level = {
            let masked = match task {
                Task::InsertReference => rng.random_bool(MASKED),
                Task::InsertWords => rng.random_bool(0.80),
                Task::Remove => rng.random_bool(0.92),
                Task::Customise => assets == 1 && rng.random_bool(0.4),
                Task::Move | Task::Outpaint => true,
                Task::Control => control == ControlKind::Mask,
                _ => false,
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
        let masked = level.is_some();
        Plan {
            task,
            wish,
            asset_file,
            level,
            placement: match task {
                Task::InsertReference => rng.random_bool(PLACED),
                Task::Remove | Task::Move => masked && rng.random_bool(0.75),
                _ => false,
            },
            assets,
            control,
            change,
            backward: rng.random_bool(0.5),
            joint: masked
                && matches!(task, Task::InsertReference | Task::InsertWords)
                && rng.random_bool(JOINT),
            asset_ground,
            fit_known: rng.random_bool(0.5),
            seed: rng.random(),
        }
    }
}

/// What an input of a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The picture to edit.
    Canvas,
    /// Another picture of the object of a part of the wish.
    Asset(usize),
    /// The rough collage.
    Placement,
    /// A map that steers.
    Map(ControlKind),
    /// The mask where the object is (moves only).
    MaskFrom,
    /// The mask where the object goes, or is.
    Mask,
}

impl Plan {
    /// Insertion with reference in a film, with the inputs of the simulator's samples as often as there. Nothing is
    /// staged; what was filmed is a photograph.
    pub fn filmed(rng: &mut ChaCha8Rng) -> Self {
        let level = rng.random_bool(MASKED).then(|| Level::sample(rng));
        Self {
            task: Task::InsertReference,
            wish: Wish {
                backdrop: Backdrop::Photo(0),
                parts: Vec::new(),
                u: 0.5,
                extent: 0.5,
            },
            asset_file: 0,
            level,
            placement: rng.random_bool(PLACED),
            assets: 1,
            control: ControlKind::Mask,
            change: ChangeKind::Absent,
            backward: false,
            joint: level.is_some() && rng.random_bool(JOINT),
            asset_ground: AssetGround::plain(rng),
            fit_known: rng.random_bool(0.5),
            seed: rng.random(),
        }
    }

    /// The object it is about, by position in [`Pack::objects`].
    pub fn subject(&self) -> usize {
        self.wish.parts[0].object
    }

    /// The inputs in order: canvas, assets, controls, masks.
    pub fn inputs(&self) -> Vec<Input> {
        let mut inputs = Vec::with_capacity(4);
        if self.task.has_canvas() {
            inputs.push(Input::Canvas);
        }
        inputs.extend((0..self.assets).map(Input::Asset));
        if self.placement {
            inputs.push(Input::Placement);
        }
        if self.task == Task::Control && self.control != ControlKind::Mask {
            inputs.push(Input::Map(self.control));
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
