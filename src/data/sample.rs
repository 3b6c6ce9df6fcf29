//! Plans made into records.

use std::path::Path;

use rand_chacha::ChaCha8Rng;
use tokenizers::Tokenizer;

use super::caption::{Caption, caption};
use super::collage::{cleared, moved};
use super::make::{Pictures, Studio};
use super::mask::drawn;
use super::plan::{Input as Slot, Plan, Planner, Task, Weights, generator};
use super::record::{Input, NONE, PICTURE, Record};
use super::staging::Facts;
use super::tokens;
use crate::doc::{ControlKind, Level, Plane, Role};
use crate::world::pack::{Pack, Split};

/// Makes records; shared by all workers.
pub struct Maker {
    pack: Pack,
    planner: Planner,
    tokenizer: Option<Tokenizer>,
    size: usize,
    seed: u64,
}

/// The largest difference that is no change, in levels.
const TOLERANCE: u8 = 2;

/// How often a sample is planned anew before the stream gives up.
const ATTEMPTS: u64 = 200;

/// How often a caption is worded anew that does not fit.
const REWORDED: usize = 12;

impl Maker {
    /// A maker over `pack` with the usual task weights; without a tokenizer records have the end token alone.
    ///
    /// # Errors
    /// As [`Maker::weighted`].
    pub fn new(
        pack: Pack,
        tokenizer: Option<&Path>,
        size: usize,
        seed: u64,
    ) -> anyhow::Result<Self> {
        Self::weighted(pack, tokenizer, size, seed, Weights::default())
    }

    /// A maker whose tasks come up by `weights`.
    ///
    /// # Errors
    /// A size that is no multiple of 16 from 32 to 512, a tokenizer that can't be read, or a pack in which nothing can
    /// stand.
    pub fn weighted(
        pack: Pack,
        tokenizer: Option<&Path>,
        size: usize,
        seed: u64,
        weights: Weights,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(
            size.is_multiple_of(16) && (32..=512).contains(&size),
            "the size must be a multiple of 16 from 32 to 512"
        );
        let tokenizer = tokenizer.map(tokens::open).transpose()?;
        Ok(Self {
            planner: Planner::new(&pack, weights)?,
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

    /// The task of sample `index`.
    pub fn planned(&self, index: u64) -> Task {
        self.plan(index).task
    }

    /// What sample `index` is to be; if it can't be made so, it is planned anew.
    pub fn plan(&self, index: u64) -> Plan {
        self.planner.plan(&self.pack, self.seed, index, 0)
    }

    /// Sample `index` of the stream.
    ///
    /// # Errors
    /// The pack's files are not usable, or the tokenizer is not.
    pub fn record(&self, index: u64) -> anyhow::Result<Record> {
        for attempt in 0..ATTEMPTS {
            let (plan, mut rng) = self.attempt(index, attempt);
            let Some(pictures) = self.studio().pictures(&plan, &mut rng) else {
                continue;
            };
            let facts = pictures.facts.clone();
            let Some(mut record) = recorded(&plan, pictures, self.size, self.pack.split, &mut rng)
            else {
                continue;
            };
            record.id = index;
            record.text = self.words(&plan, &facts, index, attempt)?.text();
            record.tokens = tokens::tokens(self.tokenizer.as_ref(), &record.text)?;
            return Ok(record);
        }
        anyhow::bail!(
            "sample {index} could not be made in {ATTEMPTS} tries; the pack's pictures or meshes are not usable"
        )
    }

    /// The caption of sample `index`: only what is filmed can be spoken of.
    pub fn caption(&self, index: u64) -> Option<(Plan, Caption)> {
        (0..ATTEMPTS).find_map(|attempt| {
            let (plan, mut rng) = self.attempt(index, attempt);
            let pictures = self.studio().pictures(&plan, &mut rng)?;
            let caption = self.words(&plan, &pictures.facts, index, attempt).ok()?;
            Some((plan, caption))
        })
    }

    fn studio(&self) -> Studio<'_> {
        Studio {
            pack: &self.pack,
            planner: &self.planner,
            size: self.size,
        }
    }

    fn attempt(&self, index: u64, attempt: u64) -> (Plan, ChaCha8Rng) {
        let plan = self.planner.plan(&self.pack, self.seed, index, attempt);
        let rng = generator(plan.seed, index, attempt);
        (plan, rng)
    }

    /// A caption that a record's tokens have room for, if one of a few has.
    fn words(
        &self,
        plan: &Plan,
        facts: &Facts,
        index: u64,
        attempt: u64,
    ) -> anyhow::Result<Caption> {
        let rng = &mut generator(self.seed, index, 2 * attempt + 1);
        let fits = |text: &str| tokens::fit(self.tokenizer.as_ref(), text);
        let mut best = caption(&self.pack, plan, facts, rng).fitted(fits)?;
        for _ in 0..REWORDED {
            if fits(&best.text())? {
                break;
            }
            best = caption(&self.pack, plan, facts, rng).fitted(fits)?;
        }
        Ok(best)
    }
}

/// The pictures of a plan as a record without its text; `None` if its masks can't be drawn.
pub fn recorded(
    plan: &Plan,
    mut pictures: Pictures,
    size: usize,
    split: Split,
    rng: &mut ChaCha8Rng,
) -> Option<Record> {
    let side = size as u32;
    let mut changed = vec![255; size * size];
    if let (Some(canvas), Some((PICTURE, target))) =
        (&pictures.canvas, pictures.outputs.first_mut())
    {
        for (i, (from, to)) in canvas.iter().zip(target).enumerate() {
            let same = (0..3).all(|c| from[c].abs_diff(to[c]) <= TOLERANCE);
            if same && pictures.still {
                *to = *from;
            }
            if *to == *from {
                changed[i] = 0;
            }
        }
    }
    let mask = |exact: &[u8], rng: &mut ChaCha8Rng| -> Option<(Plane, f32)> {
        let exact = Plane::from_values(side, side, exact.to_vec())?;
        let mask = drawn(&exact, plan.level?, rng);
        let area = |p: &Plane| p.values().iter().filter(|&&v| v >= 128).count() as f32;
        let fit = (area(&exact) / area(&mask).max(1.0)).min(1.0);
        Some((mask, fit))
    };
    let to_mask = match (&pictures.hole, plan.level) {
        (Some(hole), _) => Some((hole.clone(), f32::NAN)),
        (None, Some(_)) => Some(mask(&pictures.object, rng)?),
        (None, None) => None,
    };
    let from_mask = match &pictures.before {
        Some(before) => Some(mask(before, rng)?),
        None => None,
    };
    // A hole says where to paint, not where the object goes.
    let region = to_mask
        .as_ref()
        .filter(|_| pictures.hole.is_none())
        .and_then(|(m, _)| m.bounds())
        .map(|(x0, y0, x1, y1)| [y0, x0, y1, x1].map(|v| v as f32 / size as f32));
    if plan.placement && plan.assets == 0 {
        let canvas = pictures.canvas.as_ref()?;
        let (to, _) = to_mask.as_ref()?;
        pictures.placement = Some(match &from_mask {
            Some((from, _)) => moved(canvas, from, to, size)?,
            None => cleared(canvas, to, size),
        });
    }
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
            Slot::Asset(at) => {
                input.role = Role::Asset.index() as u8;
                if at == 0 {
                    input.placed = region.unwrap_or([f32::NAN; 4]);
                }
                input.picture = std::mem::take(&mut pictures.assets.get_mut(at)?.picture);
            }
            Slot::Placement => {
                input.kind = ControlKind::Placement.index() as u8;
                input.picture = pictures.placement.take()?;
            }
            Slot::Map(kind) => {
                input.kind = kind.index() as u8;
                input.picture = pictures.map.take()?;
            }
            Slot::MaskFrom | Slot::Mask => {
                let (mask, fit) = match slot {
                    Slot::Mask => to_mask.as_ref()?,
                    _ => from_mask.as_ref()?,
                };
                input.kind = ControlKind::Mask.index() as u8;
                // What is filled follows a hole's edge exactly.
                input.level = match pictures.hole {
                    Some(_) => Level::Exact.index() as u8,
                    None => plan.level?.index() as u8,
                };
                if plan.fit_known {
                    input.fit = *fit;
                }
                input.picture = mask.values().iter().map(|&v| [v; 3]).collect();
            }
        }
        inputs.push(input);
    }
    let still = u16::from(pictures.canvas.is_some() && pictures.still);
    let held_out = u16::from(split == Split::Heldout);
    let mut objects = pictures.assets.into_iter().map(|asset| asset.object);
    Some(Record {
        id: 0,
        seed: plan.seed,
        task: plan.task as u16,
        flags: still | held_out << 1,
        inputs,
        outputs: pictures.outputs,
        tokens: Vec::new(),
        text: String::new(),
        object: pictures.object,
        changed,
        asset_object: objects.next(),
        more_objects: objects.collect(),
    })
}
