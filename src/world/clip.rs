//! A short video of a stage: a first moment, and others in which one thing is different.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::camera::Camera;
use super::paint::{Pattern, PatternKind};
use super::placed::Finish;
use super::set::Around;
use super::stage::{Bounds, Shot, Stage};
use super::vector::{V3, add, sub, turn};

/// What differs from the first moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// An object is not there.
    Absent,
    /// It stands elsewhere: so far to the right, as a share of the frame, and so much nearer (below).
    Moved(f32, f32),
    /// It is turned by so many radians.
    Turned(f32),
    /// It has another pose.
    Posed,
    /// It is larger or smaller by a factor.
    Resized(f32),
    /// It has another colour: a word for it.
    Recoloured(&'static str),
    /// It is made of something else: a word for it.
    Made(&'static str),
    /// The light comes from elsewhere.
    Relit,
    /// The camera went around by so many radians.
    Orbited(f32),
}

/// The kinds of change, for those who draw one by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// [`Change::Absent`].
    Absent,
    /// [`Change::Moved`].
    Moved,
    /// [`Change::Turned`].
    Turned,
    /// [`Change::Posed`].
    Posed,
    /// [`Change::Resized`].
    Resized,
    /// [`Change::Recoloured`].
    Recoloured,
    /// [`Change::Made`].
    Made,
    /// [`Change::Relit`].
    Relit,
    /// [`Change::Orbited`].
    Orbited,
}

impl ChangeKind {
    /// All kinds.
    pub const ALL: [ChangeKind; 9] = [
        ChangeKind::Absent,
        ChangeKind::Moved,
        ChangeKind::Turned,
        ChangeKind::Posed,
        ChangeKind::Resized,
        ChangeKind::Recoloured,
        ChangeKind::Made,
        ChangeKind::Relit,
        ChangeKind::Orbited,
    ];
}

impl Change {
    /// Whether the camera and the light stay as they are, so that what is not concerned stays the same to the bit.
    pub fn is_still(self) -> bool {
        !matches!(self, Change::Relit | Change::Orbited(_))
    }
}

/// Colours that an object can be given: words and linear values.
pub const COLOURS: [(&str, V3); 11] = [
    ("red", [0.55, 0.03, 0.03]),
    ("orange", [0.75, 0.22, 0.02]),
    ("yellow", [0.75, 0.55, 0.04]),
    ("green", [0.05, 0.32, 0.06]),
    ("teal", [0.02, 0.30, 0.30]),
    ("blue", [0.03, 0.10, 0.55]),
    ("purple", [0.22, 0.05, 0.40]),
    ("pink", [0.75, 0.25, 0.40]),
    ("brown", [0.18, 0.08, 0.03]),
    ("white", [0.80, 0.80, 0.78]),
    ("black", [0.02, 0.02, 0.02]),
];

const METALS: [(&str, V3); 3] = [
    ("gold", [0.90, 0.60, 0.18]),
    ("copper", [0.80, 0.40, 0.25]),
    ("steel", [0.55, 0.56, 0.58]),
];

/// `first` with one change of `kind` to actor `at`; `None` if the stage does not allow it.
pub fn changed(
    stage: &Stage<'_>,
    first: &Shot,
    kind: ChangeKind,
    at: usize,
    rng: &mut ChaCha8Rng,
) -> Option<(Shot, Change)> {
    let mut shot = first.clone();
    let mesh = stage.mesh(&first.actors[at])?;
    let change = match kind {
        ChangeKind::Absent => {
            shot.actors[at].present = false;
            Change::Absent
        }
        ChangeKind::Moved => {
            let frame = stage.size as f32;
            let [x, y, _] = first.camera.project(first.actors[at].foot);
            let (u, v) = (x / frame, y / frame);
            for _ in 0..12 {
                let (du, dv) = (
                    rng.random_range(-0.55..0.55f32),
                    rng.random_range(-0.16..0.16),
                );
                if du.abs() < 0.16 {
                    continue;
                }
                let Some(foot) = stage.ground(&first.camera, u + du, v + dv) else {
                    continue;
                };
                let actor = &mut shot.actors[at];
                *actor = first.actors[at].clone();
                if mesh.faces() {
                    // A relief has no sides: it goes on facing the camera.
                    let look = |p: V3| {
                        let d = sub(first.camera.eye, p);
                        d[0].atan2(d[2])
                    };
                    actor.yaw += look(foot) - look(actor.foot);
                }
                actor.foot = foot;
                if stage.fits(&shot, at, 0.02) {
                    return Some((shot, Change::Moved(du, dv)));
                }
            }
            return None;
        }
        ChangeKind::Turned => {
            if mesh.faces() {
                return None;
            }
            let side = if rng.random() { 1.0 } else { -1.0 };
            let angle = side * rng.random_range(0.5..2.6f32);
            shot.actors[at].yaw += angle;
            if !stage.fits(&shot, at, 0.1) {
                return None;
            }
            Change::Turned(angle)
        }
        ChangeKind::Posed => {
            let count = stage.pack.objects[first.actors[at].object].files.len();
            if count < 2 || mesh.relief {
                return None;
            }
            let step = rng.random_range(1..count);
            let actor = &mut shot.actors[at];
            actor.file = (actor.file + step) % count;
            if !stage.fits(&shot, at, 0.1) {
                return None;
            }
            Change::Posed
        }
        ChangeKind::Resized => {
            let factor = if rng.random() {
                rng.random_range(1.3..1.7f32)
            } else {
                rng.random_range(0.55..0.78)
            };
            shot.actors[at].size *= factor;
            if !stage.fits(&shot, at, 0.03) {
                return None;
            }
            Change::Resized(factor)
        }
        ChangeKind::Recoloured => {
            let own = &stage.pack.objects[first.actors[at].object].colours;
            let new: Vec<_> = COLOURS
                .iter()
                .filter(|(word, _)| !own.iter().any(|c| c.contains(word)))
                .collect();
            let (word, colour) = new.choose(rng)?;
            shot.actors[at].finish = Finish::Colour(*colour);
            Change::Recoloured(word)
        }
        ChangeKind::Made => {
            let span = mesh.extent()[1] * first.actors[at].size;
            let (word, finish) = match rng.random_range(0..5) {
                0 => {
                    let size = span * rng.random_range(0.25..0.6);
                    let wood = Pattern::wood(rng, PatternKind::Grain, size);
                    ("wood", Finish::Solid(wood))
                }
                1 => {
                    let size = span * rng.random_range(0.2..0.6);
                    ("stone", Finish::Solid(Pattern::stone(rng, size)))
                }
                _ => {
                    let (word, colour) = METALS.choose(rng)?;
                    (*word, Finish::Metal(*colour))
                }
            };
            shot.actors[at].finish = finish;
            Change::Made(word)
        }
        ChangeKind::Relit => {
            // A picture's light is in the picture: only what is made up can be lit anew.
            if stage.set.panels.is_empty() {
                return None;
            }
            let side = if rng.random() { 1.0 } else { -1.0 };
            shot.light = side * rng.random_range(1.2..3.1f32);
            Change::Relit
        }
        ChangeKind::Orbited => {
            if matches!(stage.set.around, Around::Photo { .. }) {
                return None;
            }
            let relief = first
                .actors
                .iter()
                .any(|a| stage.mesh(a).is_none_or(|m| m.faces()));
            let side = if rng.random() { 1.0 } else { -1.0 };
            let most = match (relief, stage.set.panels.is_empty()) {
                (true, _) => 0.3,
                (_, true) => 0.7,
                _ => 0.5,
            };
            let angle = side * rng.random_range(0.15..most);
            shot.camera = orbited(&first.camera, first.actors[0].foot, angle);
            // It must not see things from behind the set, nor from outside the room.
            let eye = shot.camera.eye;
            let inside = match stage.bounds {
                Some(Bounds::Rectangle([x0, z0, _, _])) => eye[0] > x0 && eye[2] > z0,
                Some(bounds @ Bounds::Disc { .. }) => bounds.hold([eye[0], eye[2]]),
                None => true,
            };
            if !inside {
                return None;
            }
            Change::Orbited(angle)
        }
    };
    Some((shot, change))
}

/// The camera gone around `about` by `angle` radians, still looking at it as before.
fn orbited(camera: &Camera, about: V3, angle: f32) -> Camera {
    let eye = add(about, turn(sub(camera.eye, about), angle));
    camera.moved(eye, angle)
}

/// A video of the stage: the first moment and `count − 1` changed ones, with what changed and to which actor.
pub fn clip(
    stage: &Stage<'_>,
    count: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<(Shot, Option<(usize, Change)>)> {
    let mut shots = vec![(stage.first.clone(), None)];
    let mut kinds: Vec<ChangeKind> = Vec::new();
    for _ in 0..40 {
        if shots.len() >= count {
            break;
        }
        if kinds.is_empty() {
            kinds.extend(ChangeKind::ALL);
        }
        let kind = kinds.swap_remove(rng.random_range(0..kinds.len()));
        let at = if rng.random_bool(0.7) {
            0
        } else {
            rng.random_range(0..stage.first.actors.len())
        };
        if let Some((shot, change)) = changed(stage, &stage.first, kind, at, rng) {
            shots.push((shot, Some((at, change))));
        }
    }
    shots
}
