//! Pairs of frames made into records.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::frames::Film;
use super::insertion::insertions;
use super::motion::{NOISE, cleared, exposed, is_ghost, motion, objects};
use crate::data::caption::Caption;
use crate::data::mask::drawn;
use crate::data::record::{Input, MASK, NONE, PICTURE, Record};
use crate::data::task::Task;
use crate::doc::prompt::TAGS;
use crate::doc::{ControlKind, Level, Plane, Role};
use crate::world::casting::generator;

/// What the user says about a film.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// What moves in it, such as "red car"; without an article.
    pub object: Option<String>,
    /// What happens in it, as an instruction.
    pub caption: Option<String>,
}

/// The smallest moving object, as a share of the frame.
const LEAST: f32 = 0.006;

/// What is said of a later frame.
pub(super) const LATER: &[&str] = &[
    "IMG1 a moment later.",
    "The next frame of IMG1.",
    "The {o} of IMG1 a moment later.",
    "The {o} moves on in IMG1.",
];
/// And of an earlier one.
pub(super) const EARLIER: &[&str] = &[
    "IMG1 a moment earlier.",
    "The frame before IMG1.",
    "The {o} of IMG1 a moment earlier.",
    "The {o} moves back in IMG1.",
];

/// The records of a film: pairs of frames, and where the camera stands still insertion (by words and with
/// reference), removal, moving and segmentation of what moves. Tokens are left to whoever writes them.
pub fn samples(film: &Film, words: &Words, seed: u64) -> Vec<Record> {
    let count = film.frames.len();
    let mut made = Vec::new();
    if count < 2 {
        return made;
    }
    let rng = &mut generator(seed, 0, 0);
    let fixed = (1..count)
        .all(|i| motion(&film.frames[0], &film.frames[i], film.size).camera == [0.0, 0.0]);
    // What is behind each frame, in its exposure, and what is before that.
    let mut behind: Vec<Vec<[u8; 3]>> = Vec::new();
    let mut masks: Vec<Vec<Vec<u8>>> = vec![Vec::new(); count];
    if fixed && count >= 5 {
        let clear = cleared(&film.frames, film.size, LEAST);
        behind.extend(film.frames.iter().map(|frame| exposed(&clear, frame)));
        for ((found, frame), behind) in masks.iter_mut().zip(&film.frames).zip(&behind) {
            *found = objects(frame, behind, film.size, LEAST);
            found.retain(|mask| !is_ghost(frame, behind, mask, film.size));
        }
    }
    let maker = Pairs { film, words };
    // Neighbours first, then frames farther apart.
    for step in [1, 3, 7] {
        for i in (0..count.saturating_sub(step)).step_by(step) {
            // What happens in a film is said of it as it runs.
            let backward = words.caption.is_none() && rng.random();
            let (a, b) = match backward {
                false => (i, i + step),
                true => (i + step, i),
            };
            made.extend(maker.frame2frame(a, b, rng));
        }
    }
    let empty = (0..count).find(|&i| masks[i].is_empty());
    for i in 0..count {
        let [mask] = masks[i].as_slice() else {
            continue;
        };
        made.push(maker.segment(i, mask, rng));
        if let Some(empty) = empty {
            made.extend(maker.edited(Task::InsertWords, empty, i, mask, None, rng));
            made.extend(maker.edited(Task::Remove, i, empty, mask, None, rng));
        }
        let other = (i + 1..count.min(i + 6))
            .rev()
            .find(|&j| masks[j].len() == 1);
        if let Some(j) = other {
            made.extend(maker.edited(Task::Move, i, j, &masks[j][0], Some(mask), rng));
        }
    }
    made.extend(insertions(film, maker.object(), &behind, &masks, rng));
    for (id, record) in made.iter_mut().enumerate() {
        record.id = id as u64;
        record.seed = seed;
    }
    made
}

struct Pairs<'a> {
    film: &'a Film,
    words: &'a Words,
}

impl Pairs<'_> {
    fn object(&self) -> &str {
        self.words.object.as_deref().unwrap_or("moving object")
    }

    fn text(&self, tag: &'static str, choices: &[&str], rng: &mut ChaCha8Rng) -> String {
        let phrase = choices.choose(rng).copied().unwrap_or("The next frame.");
        let caption = Caption {
            tags: vec![TAGS[0], tag],
            base: phrase.replace("{o}", self.object()),
        };
        caption.text()
    }

    fn record(
        &self,
        task: Task,
        still: bool,
        inputs: Vec<Input>,
        target: (u8, Vec<[u8; 3]>),
    ) -> Record {
        let pixels = self.film.size * self.film.size;
        let mut changed = vec![255; pixels];
        if let (Some(canvas), (PICTURE, to)) = (inputs.first(), &target) {
            for (i, (a, b)) in canvas.picture.iter().zip(to).enumerate() {
                // Compression and noise change every pixel a little.
                if (0..3).all(|c| a[c].abs_diff(b[c]) <= NOISE) {
                    changed[i] = 0;
                }
            }
        }
        Record {
            id: 0,
            seed: 0,
            task: task as u16,
            flags: u16::from(still),
            inputs,
            outputs: vec![target],
            tokens: Vec::new(),
            text: String::new(),
            object: vec![0; pixels],
            changed,
            asset_object: None,
            more_objects: Vec::new(),
        }
    }

    fn canvas(&self, at: usize) -> Input {
        Input {
            role: Role::Canvas.index() as u8,
            kind: NONE,
            level: NONE,
            fit: f32::NAN,
            placed: [f32::NAN; 4],
            picture: self.film.frames[at].clone(),
        }
    }

    fn mask(&self, exact: &[u8], level: Level, rng: &mut ChaCha8Rng) -> Option<Input> {
        let side = self.film.size as u32;
        let exact = Plane::from_values(side, side, exact.to_vec())?;
        let mask = drawn(&exact, level, rng);
        Some(Input {
            role: Role::Control.index() as u8,
            kind: ControlKind::Mask.index() as u8,
            level: level.index() as u8,
            fit: f32::NAN,
            placed: [f32::NAN; 4],
            picture: mask.values().iter().map(|&v| [v; 3]).collect(),
        })
    }

    /// A later or an earlier frame of the film; none of two frames that show the same.
    fn frame2frame(&self, from: usize, to: usize, rng: &mut ChaCha8Rng) -> Option<Record> {
        let (a, b) = (&self.film.frames[from], &self.film.frames[to]);
        let motion = motion(a, b, self.film.size);
        if motion.error < 2e-5 {
            return None;
        }
        let still = motion.is_static();
        let target = (PICTURE, b.clone());
        let mut record = self.record(Task::Frame2Frame, still, vec![self.canvas(from)], target);
        let tag = if still { TAGS[2] } else { TAGS[3] };
        record.text = match &self.words.caption {
            Some(caption) => self.text(tag, &[caption], rng),
            None if from < to => self.text(tag, LATER, rng),
            None => self.text(tag, EARLIER, rng),
        };
        Some(record)
    }

    fn segment(&self, at: usize, mask: &[u8], rng: &mut ChaCha8Rng) -> Record {
        let target = (MASK, mask.iter().map(|&v| [v; 3]).collect());
        let mut record = self.record(Task::Segment, false, vec![self.canvas(at)], target);
        record.object = mask.to_vec();
        record.text = self.text(
            TAGS[5],
            &[
                "Segment the {o}.",
                "Segment the {o} in IMG1.",
                "The mask of the {o} in IMG1.",
            ],
            rng,
        );
        record
    }

    /// `from` edited so that it becomes `to`, where `mask` shows the object put in, taken away or moved to.
    fn edited(
        &self,
        task: Task,
        from: usize,
        to: usize,
        mask: &[u8],
        before: Option<&[u8]>,
        rng: &mut ChaCha8Rng,
    ) -> Option<Record> {
        let level = Level::sample(rng);
        let mut inputs = vec![self.canvas(from)];
        if let Some(before) = before {
            inputs.push(self.mask(before, level, rng)?);
        }
        inputs.push(self.mask(mask, level, rng)?);
        let target = (PICTURE, self.film.frames[to].clone());
        let mut record = self.record(task, true, inputs, target);
        record.object = mask.to_vec();
        let phrases: &[&str] = match task {
            Task::InsertWords => &["Add a {o} at IMG2.", "Put a {o} into IMG1 where IMG2 is."],
            Task::Remove => &["Remove the {o} at IMG2.", "IMG1 without the {o} of IMG2."],
            _ => &["Move the {o} from IMG2 to IMG3."],
        };
        record.text = self.text(TAGS[2], phrases, rng);
        Some(record)
    }
}
