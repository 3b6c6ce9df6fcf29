//! A plan put on a stage: the moments that are filmed, and what a caption can say about them.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::plan::{Plan, Task};
use crate::world::clip::{Change, ChangeKind, changed};
use crate::world::pack::Pack;
use crate::world::stage::{Shot, Stage};

/// How an object stands to another, as the camera sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Farther away and partly hidden by it.
    Behind,
    /// Nearer and hiding a part of it.
    Front,
    /// To the left of it.
    Left,
    /// To the right of it.
    Right,
}

/// What a caption can say.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The objects in the picture that the caption is about, the subject first, by position in [`Pack::objects`].
    pub objects: Vec<usize>,
    /// Where the subject is (at last), 0..1 from left to right.
    pub u: f32,
    /// Where it was before.
    pub from_u: Option<f32>,
    /// How the subject stands to another object.
    pub relation: Option<(Relation, usize)>,
    /// What changes between the frames, and in which direction.
    pub change: Option<(Change, bool)>,
    /// The hole is the picture's surroundings.
    pub outside: bool,
}

impl Facts {
    /// What can be said of an object alone.
    pub fn of(object: usize) -> Self {
        Self {
            objects: vec![object],
            u: 0.5,
            from_u: None,
            relation: None,
            change: None,
            outside: false,
        }
    }
}

/// A plan on its stage.
pub struct Staged<'a> {
    /// The stage.
    pub stage: Stage<'a>,
    /// The canvas's moment.
    pub canvas: Shot,
    /// The target's moment.
    pub target: Shot,
    /// Which actor it is about.
    pub subject: usize,
    /// What a caption can say.
    pub facts: Facts,
}

/// Puts a plan on a stage; `None` if it can't be made as planned. Not for [`Task::IdentityPair`], which has no stage.
pub fn staged<'a>(
    pack: &'a Pack,
    plan: &Plan,
    size: usize,
    rng: &mut ChaCha8Rng,
) -> Option<Staged<'a>> {
    let stage = Stage::new(pack, &plan.wish, size, rng)?;
    let first = stage.first.clone();
    let actors = first.actors.len();
    if actors < plan.assets {
        return None;
    }
    let without = |at: usize| {
        let mut shot = first.clone();
        shot.actors[at].present = false;
        shot
    };
    let mut subject = 0;
    let mut change = None;
    let (canvas, target) = match plan.task {
        Task::InsertReference | Task::InsertWords => (without(0), first),
        Task::Remove => (first.clone(), without(0)),
        Task::Move => {
            let (mut moved, _) = changed(&stage, &first, ChangeKind::Moved, 0, rng)?;
            if rng.random_bool(0.35) {
                let factor = rng.random_range(0.65..1.5f32);
                let size = moved.actors[0].size;
                moved.actors[0].size *= factor;
                if !stage.fits(&moved, 0, 0.02) {
                    moved.actors[0].size = size;
                }
            }
            (first, moved)
        }
        Task::Frame2Frame => {
            // What has poses was made the first for the sake of them.
            if actors > 1 && plan.change != ChangeKind::Posed && rng.random_bool(0.3) {
                subject = rng.random_range(1..actors);
            }
            let (second, what) = changed(&stage, &first, plan.change, subject, rng)?;
            let own = &pack.objects[first.actors[subject].object].colours;
            let backward = plan.backward
                && match what {
                    // What it was must be sayable.
                    Change::Recoloured(_) => !own.is_empty(),
                    Change::Made(_) => false,
                    _ => true,
                };
            change = Some((what, backward));
            if backward {
                (second, first)
            } else {
                (first, second)
            }
        }
        Task::Segment => {
            if rng.random_bool(0.35) {
                subject = rng.random_range(0..actors);
            }
            let name = |i: usize| &pack.objects[first.actors[i].object].name;
            // A name that two objects share points at neither.
            if (0..actors).any(|i| i != subject && name(i) == name(subject)) {
                return None;
            }
            (first.clone(), first)
        }
        _ => (first.clone(), first),
    };
    let place = |shot: &Shot| place(&stage, shot, subject);
    let shown = if target.actors[subject].present {
        &target
    } else {
        &canvas
    };
    let u = place(shown)?;
    let from_u = (plan.task == Task::Move).then(|| place(&canvas)).flatten();
    let relation = (0..actors)
        .filter(|&i| i != subject)
        .find_map(|i| Some((relation(&stage, shown, subject, i)?, shown.actors[i].object)));
    let mut objects = vec![shown.actors[subject].object];
    objects.extend(
        (0..actors)
            .filter(|&i| i != subject)
            .map(|i| shown.actors[i].object),
    );
    let facts = Facts {
        objects,
        u,
        from_u,
        relation,
        change,
        outside: plan.task == Task::Outpaint && rng.random_bool(0.5),
    };
    Some(Staged {
        stage,
        canvas,
        target,
        subject,
        facts,
    })
}

/// Where an actor is from left to right.
fn place(stage: &Stage<'_>, shot: &Shot, at: usize) -> Option<f32> {
    let mesh = stage.mesh(&shot.actors[at])?;
    let (b, _) = stage.put(&mesh, &shot.actors[at]).bounds(&shot.camera);
    Some((b[0] + b[2]) / 2.0 / stage.size as f32)
}

fn relation(stage: &Stage<'_>, shot: &Shot, at: usize, other: usize) -> Option<Relation> {
    let seen = |i: usize| {
        let mesh = stage.mesh(&shot.actors[i])?;
        let (b, _) = stage.put(&mesh, &shot.actors[i]).bounds(&shot.camera);
        let depth = shot.camera.project(shot.actors[i].foot)[2];
        Some((b, depth))
    };
    let ((a, near), (b, far)) = (seen(at)?, seen(other)?);
    let overlap = a[2].min(b[2]) - a[0].max(b[0]);
    let least = (a[2] - a[0]).min(b[2] - b[0]);
    if overlap > 0.3 * least {
        return Some(if near > far {
            Relation::Behind
        } else {
            Relation::Front
        });
    }
    let (u, v) = (a[0] + a[2], b[0] + b[2]);
    Some(if u < v {
        Relation::Left
    } else {
        Relation::Right
    })
}
