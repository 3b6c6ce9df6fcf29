//! Cases to judge a model by: what an artist gives, and the true picture.

use std::sync::Arc;

use anyhow::Context;

use super::baseline::{layer_in, object, over, shaded_under, with_alpha};
use crate::data::plan::Task;
use crate::data::record::{NONE, Record};
use crate::doc::job::{
    BlendSpec, JOB_VERSION, Job, JobInput, JobRegion, MaskedSpec, Solver, hash_mask, hash_picture,
};
use crate::doc::level::editable_region;
use crate::doc::prompt::{TAGS, WordKind, words};
use crate::doc::{ControlKind, JobSpec, Level, Picture, Plane, Role};

/// A further object to put into a picture.
#[derive(Clone, Debug)]
pub struct Further {
    /// Its picture.
    pub picture: Arc<Picture>,
    /// Where in it the object is, if that is known; only the measures are told.
    pub object: Option<Plane>,
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in reports and the name of its folder.
    pub name: String,
    /// What is asked.
    pub task: Task,
    /// How strictly the masks are meant.
    pub level: Level,
    /// The base text.
    pub prompt: String,
    /// Context tags; `None` derives them.
    pub tags: Option<Vec<String>>,
    /// The picture to edit or to look at. For tasks without one an even grey that no model is given.
    pub canvas: Arc<Picture>,
    /// The object to put in.
    pub asset: Option<Arc<Picture>>,
    /// Where in its picture the object is; only the baselines are told.
    pub asset_object: Option<Plane>,
    /// Further objects, for new pictures of several.
    pub more: Vec<Further>,
    /// A rough collage.
    pub placement: Option<Arc<Picture>>,
    /// The edges or the depth map that a new picture is to follow.
    pub map: Option<(ControlKind, Arc<Picture>)>,
    /// Where to work; `None` leaves it to the words. For a new picture: where the object is to be.
    pub mask: Option<Arc<Plane>>,
    /// Where the object is that is to be moved.
    pub mask_from: Option<Arc<Plane>>,
    /// The true picture.
    pub target: Arc<Picture>,
    /// The visible part of the object put in, taken away or moved (where it is at last).
    pub object: Plane,
    /// 255 where the target differs from the canvas.
    pub changed: Plane,
}

/// How the model is asked.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Settings {
    /// Seed of the noise.
    pub seed: u64,
    /// Denoising steps.
    pub steps: u32,
    /// Guidance by the text.
    pub guidance_text: f32,
    /// Guidance by the reference pictures.
    pub guidance_image: f32,
    /// The solver.
    pub solver: Solver,
    /// How results are joined to the canvas.
    pub blend: BlendSpec,
    /// The model gets the object cut out, as the baselines do, where it is known; else its whole picture.
    pub cut_out: bool,
    /// The model works on the whole canvas instead of a crop around the region.
    pub whole: bool,
    /// Context tags are told ([`super::untagged`]).
    pub context: bool,
}

impl Case {
    /// A generated sample as a case.
    ///
    /// # Errors
    /// A record of a task that can't be judged, or with pictures missing or of a wrong size.
    pub fn from_record(record: &Record, size: usize) -> anyhow::Result<Self> {
        let task = task_of(record.task).context("a sample has an unknown task")?;
        let side = size as u32;
        let picture = |rgb: &[[u8; 3]]| {
            let bytes = rgb.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect();
            Picture::from_rgba(side, side, bytes)
                .map(Arc::new)
                .context("a sample's picture has another size than the stream")
        };
        let plane = |values: &[u8]| {
            Plane::from_values(side, side, values.to_vec())
                .context("a sample's mask has another size than the stream")
        };
        let input = |role: Role, kind: Option<ControlKind>| {
            let kind = kind.map_or(NONE, |kind| kind.index() as u8);
            record
                .inputs
                .iter()
                .filter(move |i| i.role == role.index() as u8 && i.kind == kind)
        };
        let masks: Vec<_> = input(Role::Control, Some(ControlKind::Mask)).collect();
        let mut planes = masks
            .iter()
            .map(|mask| {
                let values: Vec<u8> = mask.picture.iter().map(|p| p[0]).collect();
                plane(&values).map(Arc::new)
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let level = masks.first().and_then(|mask| {
            let of = |level: &Level| level.index() == usize::from(mask.level);
            Level::ALL.into_iter().find(of)
        });
        let one = |role, kind| {
            input(role, kind)
                .next()
                .map(|i| picture(&i.picture))
                .transpose()
        };
        let (tags, prompt) = split_tags(&record.text);
        let mask = planes.pop();
        let canvas = match task.has_canvas() {
            true => one(Role::Canvas, None)?.context("a sample has no canvas")?,
            false => Arc::new(Picture::filled(side, side, [128, 128, 128, 255])),
        };
        let mut more = Vec::new();
        for (at, asset) in input(Role::Asset, None).skip(1).enumerate() {
            let object = record.more_objects.get(at).map(|o| plane(o)).transpose()?;
            more.push(Further {
                picture: picture(&asset.picture)?,
                object,
            });
        }
        let mut map = None;
        for kind in MAPS {
            if let Some(picture) = one(Role::Control, Some(kind))? {
                map = Some((kind, picture));
            }
        }
        Ok(Self {
            name: format!("{:06}", record.id),
            task,
            level: level.unwrap_or_default(),
            prompt,
            tags: Some(tags),
            canvas,
            more,
            asset: one(Role::Asset, None)?,
            asset_object: record.asset_object.as_deref().map(plane).transpose()?,
            placement: one(Role::Control, Some(ControlKind::Placement))?,
            map,
            mask,
            mask_from: planes.pop(),
            target: picture(&record.outputs.first().context("a sample has no output")?.1)?,
            object: plane(&record.object)?,
            changed: plane(&record.changed)?,
        })
    }

    /// The case without what an artist's own collage tells: where there is a mask the program lays one, and without a
    /// mask the object lies where the baselines paste it, shaded as the program does. What removals and moves start from
    /// the program makes of their masks.
    pub fn told(&self) -> Case {
        match self.task {
            _ if self.placement.is_none() => return self.clone(),
            Task::InsertReference => {}
            // Canvas, collage, masks.
            Task::Remove | Task::Move => {
                return Case {
                    placement: None,
                    prompt: self.prompt.replace("IMG3", "IMG2").replace("IMG4", "IMG3"),
                    ..self.clone()
                };
            }
            _ => return self.clone(),
        }
        if self.mask.is_some() {
            // Canvas, asset, collage, mask: without the collage the mask takes its number. The program's own comes last
            // and has no word: what a prompt says of the case's is left out.
            return Case {
                placement: None,
                prompt: without_collage(&self.prompt),
                ..self.clone()
            };
        }
        let laid = self.object.bounds().zip(object(self));
        let laid = laid.and_then(|(bounds, object)| {
            let layer = layer_in(&object, &self.canvas, bounds)?;
            Some(over(&shaded_under(&self.canvas, &layer), &layer))
        });
        Case {
            placement: Some(laid.map_or_else(|| Arc::clone(&self.canvas), Arc::new)),
            ..self.clone()
        }
    }

    /// The level's name, or "none" for a case without mask.
    pub fn level_name(&self) -> &'static str {
        match self.mask {
            Some(_) => self.level.name(),
            None => "none",
        }
    }

    /// Pictures to an output: as many as the prompt speaks of.
    pub fn joint(&self) -> u32 {
        words(&self.prompt)
            .iter()
            .filter(|word| word.kind == WordKind::Result)
            .filter_map(|word| word.number)
            .max()
            .map_or(1, |most| most.max(1))
    }

    /// The job that asks a model for this case.
    pub fn job(&self, settings: &Settings) -> Job {
        let mut job = Job {
            spec: JobSpec {
                version: JOB_VERSION,
                model: String::new(),
                model_hash: String::new(),
                inputs: Vec::new(),
                regions: Vec::new(),
                prompt: self.prompt.clone(),
                tags: self.told_tags(),
                outputs: 1,
                joint: self.joint(),
                seed: settings.seed,
                steps: settings.steps,
                guidance_text: settings.guidance_text,
                guidance_image: settings.guidance_image,
                solver: settings.solver,
                size: (!self.task.has_canvas())
                    .then(|| [self.target.width(), self.target.height()]),
                crop: (settings.whole && self.task.has_canvas())
                    .then(|| [0, 0, self.canvas.width(), self.canvas.height()]),
                vary: false,
                blend: BlendSpec {
                    // A map has no detail of its canvas.
                    keep_detail: settings.blend.keep_detail && !self.task.is_perception(),
                    ..settings.blend
                },
                masked: MaskedSpec::default(),
            },
            pictures: Vec::new(),
            masks: Vec::new(),
        };
        let mut add = |picture: &Option<Arc<Picture>>, role, kind| {
            let picture = picture.as_ref()?;
            job.spec.inputs.push(JobInput {
                role,
                kind,
                hash: hash_picture(picture),
                source: None,
            });
            job.pictures.push(Arc::clone(picture));
            Some(job.spec.inputs.len() - 1)
        };
        if self.task.has_canvas() {
            add(&Some(Arc::clone(&self.canvas)), Role::Canvas, None);
        }
        let cut = match (&self.asset, &self.asset_object) {
            (Some(asset), Some(object)) if settings.cut_out && !asset.has_alpha() => {
                Some(Arc::new(with_alpha(asset, object)))
            }
            (asset, _) => asset.clone(),
        };
        // A hole says where to paint, not where the object goes.
        let asset = add(&cut, Role::Asset, None).filter(|_| self.task != Task::Outpaint);
        for further in &self.more {
            add(&Some(Arc::clone(&further.picture)), Role::Asset, None);
        }
        add(&self.placement, Role::Control, Some(ControlKind::Placement));
        if let Some((kind, map)) = &self.map {
            add(&Some(Arc::clone(map)), Role::Control, Some(*kind));
        }
        if !self.task.has_canvas() {
            // Without a canvas there is nothing to work on: a mask is a map as edges and depth are.
            let mask = self.mask.as_deref().and_then(mask_picture);
            add(&mask.map(Arc::new), Role::Control, Some(ControlKind::Mask));
            return job;
        }
        // As in training: first where the object is, then where it goes.
        for (mask, asset) in [(&self.mask_from, None), (&self.mask, asset)] {
            if let Some(mask) = mask {
                job.spec.regions.push(JobRegion {
                    level: self.level,
                    asset,
                    hash: hash_mask(mask),
                    mask_png: String::new(),
                });
                job.masks.push(Arc::clone(mask));
            }
        }
        job
    }

    /// The tags: the case's, and that a map is asked for where one is, which captions leave out at times.
    fn told_tags(&self) -> Option<Vec<String>> {
        let mut tags = self.tags.clone()?;
        let perception = TAGS[5];
        if self.task.is_perception() && !tags.iter().any(|tag| tag == perception) {
            tags.push(perception.to_owned());
        }
        Some(tags)
    }

    /// Where the model may change the canvas: all of it without a mask.
    pub fn editable(&self) -> Vec<bool> {
        let mut editable = vec![self.mask.is_none(); self.changed.values().len()];
        for mask in self.mask_from.iter().chain(&self.mask) {
            let region = editable_region(mask, self.level);
            for (all, &one) in editable.iter_mut().zip(region.values()) {
                *all |= one > 0;
            }
        }
        editable
    }
}

/// The maps that a new picture can follow, other than masks.
pub(super) const MAPS: [ControlKind; 2] = [ControlKind::Edge, ControlKind::Depth];

/// A mask as a picture, white on black.
fn mask_picture(mask: &Plane) -> Option<Picture> {
    let bytes = mask.values().iter().flat_map(|&v| [v, v, v, 255]).collect();
    Picture::from_rgba(mask.width(), mask.height(), bytes)
}

/// The tasks that are compared with pasting: those that edit a canvas.
pub const TASKS: [Task; 4] = [
    Task::InsertReference,
    Task::InsertWords,
    Task::Remove,
    Task::Move,
];

/// The tasks that cases can have, in the order of the report.
pub const ALL_TASKS: [Task; 13] = [
    Task::InsertReference,
    Task::InsertWords,
    Task::Remove,
    Task::Move,
    Task::Outpaint,
    Task::Frame2Frame,
    Task::Customise,
    Task::Control,
    Task::IdentityPair,
    Task::TextToImage,
    Task::Segment,
    Task::Depth,
    Task::Edges,
];

fn task_of(number: u16) -> Option<Task> {
    ALL_TASKS.into_iter().find(|&task| task as u16 == number)
}

/// The task of this name.
///
/// # Errors
/// A sentence with the names of all tasks.
pub fn task_named(name: &str) -> anyhow::Result<Task> {
    let named = ALL_TASKS.into_iter().find(|task| task.name() == name);
    named.with_context(|| {
        format!(
            "“{name}” is no task: use {}",
            ALL_TASKS.map(|task| task.name()).join(", ")
        )
    })
}

/// What captions say of a collage, which is their third picture, and what is left of it without one.
const COLLAGE: [(&str, &str); 6] = [
    ("; IMG3 shows roughly how it should be", ""),
    ("Use IMG3 as a rough sketch and put", "Put"),
    ("use IMG3 as a rough sketch and put", "put"),
    (" as placed in IMG3", ""),
    (" as in IMG3,", ""),
    (" as IMG3 shows", ""),
];

/// The words of an insertion into a mask without the collage: the mask, the fourth picture, is then the third. Other
/// words for the collage than captions' own would name a picture that no one gave: they name the mask.
fn without_collage(prompt: &str) -> String {
    let mut prompt = prompt.to_owned();
    for (said, left) in COLLAGE {
        prompt = prompt.replace(said, left);
    }
    prompt.replace("IMG4", "IMG3")
}

/// A text apart into its context tags and its base.
pub fn split_tags(text: &str) -> (Vec<String>, String) {
    if let Some((line, base)) = text.split_once(". ") {
        let known = |tag: &str| TAGS.into_iter().find(|t| t.eq_ignore_ascii_case(tag));
        let tags: Option<Vec<String>> = line
            .split("; ")
            .map(|tag| known(tag).map(str::to_owned))
            .collect();
        if let Some(tags) = tags {
            return (tags, base.to_owned());
        }
    }
    (Vec::new(), text.to_owned())
}
