//! A plan put on a stage: the moments that are filmed, and what a caption can say about them.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::plan::{Plan, Task};
use crate::world::clip::{Change, ChangeKind, changed};
use crate::world::frame::Frame;
use crate::world::pack::Pack;
use crate::world::stage::{Shot, Stage};

/// The least part of an object, in hundredths, that something before it hides.
const HIDDEN: usize = 8;

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
    /// Before or behind it without hiding it, or hidden by it.
    Near,
}

/// What a caption can say.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The objects in the picture that the caption is about, the subject first, by position in [`Pack::objects`].
    pub objects: Vec<usize>,
    /// Those of them, by position in `objects`, that a list of what is to be seen names.
    pub listed: Vec<usize>,
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
            listed: vec![0],
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
    /// What a caption can say; of other objects only once they are filmed.
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
    let facts = Facts {
        u,
        from_u,
        change,
        outside: plan.task == Task::Outpaint && rng.random_bool(0.5),
        ..Facts::of(shown.actors[subject].object)
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

/// Whether enough of an actor is seen to know it: so many thousandths of the frame, and so many hundredths of what
/// would be seen if nothing was before it.
pub fn is_seen(frame: &Frame, at: usize, of_frame: usize, of_whole: usize) -> bool {
    let (seen, whole) = (area(&frame.visible[at]), area(&frame.amodal[at]));
    seen * 1000 >= frame.rgb.len() * of_frame && seen * 100 >= whole * of_whole
}

/// Whether enough of an actor is seen to speak of it, or to show a picture of it.
pub fn is_known(frame: &Frame, at: usize) -> bool {
    is_seen(frame, at, 4, 40)
}

/// Pixels that are covered for the greater part.
pub fn area(mask: &[u8]) -> usize {
    mask.iter().filter(|&&v| v >= 128).count()
}

impl Facts {
    /// The same, and what `frame` shows of the other objects of `shot`. A list names those of which at least half
    /// is inside `region`, if there is one.
    pub fn filmed(
        mut self,
        shot: &Shot,
        frame: &Frame,
        subject: usize,
        region: Option<&[u8]>,
    ) -> Self {
        let listed = |at: usize| {
            region.is_none_or(|region| {
                let inside = frame.visible[at].iter().zip(region);
                let inside = inside.filter(|(v, r)| **v >= 128 && **r >= 128).count();
                inside * 2 >= area(&frame.visible[at])
            })
        };
        let others: Vec<usize> = (0..shot.actors.len())
            .filter(|&i| i != subject && shot.actors[i].present && is_known(frame, i))
            .collect();
        self.listed.retain(|_| listed(subject));
        for &at in &others {
            if listed(at) {
                self.listed.push(self.objects.len());
            }
            self.objects.push(shot.actors[at].object);
        }
        self.relation = others
            .first()
            .map(|&at| (relation(frame, subject, at), shot.actors[at].object));
        self
    }
}

/// How an actor stands to another, as the picture shows it.
fn relation(frame: &Frame, at: usize, other: usize) -> Relation {
    // How much of one is hidden by the other, in hundredths of it.
    let hidden = |of: usize, by: usize| {
        let both = frame.amodal[of].iter().zip(&frame.visible[by]);
        let both = both.filter(|(a, v)| **a >= 128 && **v >= 128).count();
        both * 100 / area(&frame.amodal[of]).max(1)
    };
    if hidden(at, other) >= HIDDEN {
        return Relation::Behind;
    }
    if hidden(other, at) >= HIDDEN {
        return Relation::Front;
    }
    let side = frame.rgb.len().isqrt();
    let span = |of: usize| {
        let columns = frame.amodal[of].iter().enumerate();
        columns
            .filter(|(_, v)| **v >= 128)
            .fold([usize::MAX, 0], |[low, high], (i, _)| {
                [low.min(i % side), high.max(i % side + 1)]
            })
            .map(|v| v as f32)
    };
    let (a, b) = (span(at), span(other));
    let overlap = a[1].min(b[1]) - a[0].max(b[0]);
    if overlap > 0.3 * (a[1] - a[0]).min(b[1] - b[0]) {
        return Relation::Near;
    }
    if a[0] + a[1] < b[0] + b[1] {
        Relation::Left
    } else {
        Relation::Right
    }
}
