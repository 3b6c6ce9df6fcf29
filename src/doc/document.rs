//! The document: slots, regions, the prompt and the settings. Every change is an [`Edit`], applied in one
//! place, so that numbering, the prompt's words and the masks' size always agree.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::job::{
    JOB_VERSION, Job, JobError, JobInput, JobRegion, JobSpec, ModelChoice, hash_mask, hash_picture,
};
use super::prompt::{self, CompiledPrompt, Intent, MAX_INPUTS, PromptError};
use super::{Level, Mask, Picture, Purpose, SlotId};

mod restored;
mod settings;

pub use super::edit::{Edit, EditError};
pub use settings::Settings;

/// A region's identity; stays the same when other regions are added or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RegionId(pub u64);

/// A picture and what it is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// Its identity.
    pub id: SlotId,
    /// What it is called, such as the file's name.
    pub name: String,
    /// The file it came from.
    pub source: Option<String>,
    /// The pixels.
    pub picture: Arc<Picture>,
    /// What the artist said it is for; `None` derives it (see [`Document::purposes`]).
    pub purpose: Option<Purpose>,
}

/// A masked place on the canvas.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Its identity.
    pub id: RegionId,
    /// What is selected; of the canvas's size.
    pub mask: Mask,
    /// How strictly the mask is meant.
    pub level: Level,
    /// The asset that is placed here; `None` edits by words.
    pub asset: Option<SlotId>,
}

/// What an IMG number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// The picture of a slot.
    Slot(SlotId),
    /// The mask of a region.
    Region(RegionId),
}

/// The document. A clone shares all pictures and mask tiles.
#[derive(Clone, Debug, Default)]
pub struct Document {
    slots: Vec<Slot>,
    regions: Vec<Region>,
    prompt: String,
    tags: Option<Vec<String>>,
    settings: Settings,
    /// The last id given to a slot or region; none is given twice, not even after an undo.
    last_id: u64,
}

impl PartialEq for Document {
    /// Equal contents; how many ids were given plays no part.
    fn eq(&self, other: &Self) -> bool {
        self.slots == other.slots
            && self.regions == other.regions
            && self.prompt == other.prompt
            && self.tags == other.tags
            && self.settings == other.settings
    }
}

impl Document {
    /// An empty document.
    pub fn new() -> Self {
        Self::default()
    }

    /// The pictures in IMG order.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The regions; their masks' IMG numbers follow those of the slots.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The base text.
    pub fn prompt(&self) -> &str {
        &self.prompt
    }

    /// The context tags, if the artist set them.
    pub fn tags(&self) -> Option<&[String]> {
        self.tags.as_deref()
    }

    /// The numbers.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A slot by its id.
    pub fn slot(&self, id: SlotId) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.id == id)
    }

    /// A region by its id.
    pub fn region(&self, id: RegionId) -> Option<&Region> {
        self.regions.iter().find(|region| region.id == id)
    }

    /// What the slots' pictures are for, in slot order: as the artist said, else derived from the order and
    /// the words (see [`prompt::derive_roles`]).
    pub fn purposes(&self) -> Vec<Purpose> {
        let mut given: Vec<Option<Purpose>> = self.slots.iter().map(|slot| slot.purpose).collect();
        // Masks lie on the first picture, so no word of the prompt may make it anything but the canvas.
        if let [first @ None, ..] = &mut given[..]
            && !self.regions.is_empty()
        {
            *first = Some(Purpose::Canvas);
        }
        prompt::derive_roles(&given, &self.prompt)
    }

    /// What one slot's picture is for.
    pub fn purpose(&self, id: SlotId) -> Option<Purpose> {
        let at = self.slots.iter().position(|slot| slot.id == id)?;
        self.purposes().get(at).copied()
    }

    /// The canvas. It is always the first slot.
    pub fn canvas(&self) -> Option<&Slot> {
        (self.purposes().first() == Some(&Purpose::Canvas))
            .then(|| self.slots.first())
            .flatten()
    }

    /// What IMG1, IMG2, … stand for.
    pub fn targets(&self) -> Vec<Target> {
        let slots = self.slots.iter().map(|slot| Target::Slot(slot.id));
        let regions = self.regions.iter().map(|region| Target::Region(region.id));
        slots.chain(regions).collect()
    }

    /// Whether words change what is masked and keep its shape.
    pub fn modifies(&self) -> bool {
        let placed = self.regions.iter().any(|r| r.asset.is_some());
        let levels = self.regions.iter().map(|r| r.level);
        !self.regions.is_empty() && super::job::modifies(self.wish(), placed, levels)
    }

    /// What is to be done with what is masked.
    pub(super) fn wish(&self) -> Intent {
        super::job::wish(&self.prompt, self.regions.iter().map(|r| r.asset.is_some()))
    }

    /// The IMG number of a slot or region, counted from 1.
    pub fn number(&self, target: Target) -> Option<usize> {
        Some(self.targets().iter().position(|&t| t == target)? + 1)
    }

    /// The purposes in IMG order, the regions' masks included.
    fn all_purposes(&self) -> Vec<Purpose> {
        let mask = Purpose::Control(super::ControlKind::Mask);
        let mut purposes = self.purposes();
        purposes.extend(self.regions.iter().map(|_| mask));
        purposes
    }

    /// The exact text, tags and pictures that the model will get.
    ///
    /// # Errors
    /// The first word that names no picture.
    pub fn compile(&self) -> Result<CompiledPrompt, PromptError> {
        prompt::compile(
            &self.prompt,
            &self.all_purposes(),
            self.settings.joint as usize,
            self.tags(),
        )
    }

    /// The job that the document describes, with hashes and pixels, checked. The masks' PNGs are left empty:
    /// [`Job::recipe`] fills them in.
    ///
    /// # Errors
    /// The first thing that is wrong, as a sentence that says what to do.
    pub fn to_job(&self, model: ModelChoice<'_>) -> Result<Job, JobError> {
        let masks: Vec<_> = self
            .regions
            .iter()
            .map(|region| Arc::new(region.mask.to_plane()))
            .collect();
        let inputs = self
            .slots
            .iter()
            .zip(self.purposes())
            .map(|(slot, purpose)| JobInput {
                role: purpose.role(),
                kind: purpose.kind(),
                hash: hash_picture(&slot.picture),
                source: slot.source.clone(),
            })
            .collect();
        let regions = self
            .regions
            .iter()
            .zip(&masks)
            .map(|(region, mask)| JobRegion {
                level: region.level,
                asset: region
                    .asset
                    .and_then(|id| self.slots.iter().position(|slot| slot.id == id)),
                hash: hash_mask(mask),
                mask_png: String::new(),
            })
            .collect();
        let settings = &self.settings;
        let has_canvas = self.canvas().is_some();
        let job = Job {
            spec: JobSpec {
                version: JOB_VERSION,
                model: model.name.to_owned(),
                model_hash: model.hash.to_owned(),
                inputs,
                regions,
                prompt: self.prompt.clone(),
                tags: self.tags.clone(),
                outputs: settings.outputs,
                joint: settings.joint,
                seed: settings.seed,
                steps: settings.steps.unwrap_or(model.default_steps),
                guidance_text: settings.guidance_text.unwrap_or(model.default_guidance),
                guidance_image: settings.guidance_image,
                solver: settings.solver,
                size: settings.size.filter(|_| !has_canvas),
                crop: settings.crop.filter(|_| has_canvas),
                vary: settings.vary,
                blend: settings.blend,
                masked: settings.masked,
            },
            pictures: self
                .slots
                .iter()
                .map(|slot| Arc::clone(&slot.picture))
                .collect(),
            masks,
        };
        job.validate()?;
        Ok(job)
    }

    /// Makes a change. Nothing is changed if it is refused. For changes that can be undone, see
    /// [`super::history::History::apply`].
    ///
    /// # Errors
    /// Why the edit makes no sense, as a sentence that says what to do.
    pub fn apply(&mut self, edit: Edit) -> Result<(), EditError> {
        let mut changed = self.clone();
        let before = self.targets();
        changed.make(edit)?;
        let after = changed.targets();
        if before != after {
            changed.prompt = prompt::renumber(&changed.prompt, before.len(), |old| {
                let target = before.get(old - 1)?;
                Some(after.iter().position(|t| t == target)? + 1)
            });
        }
        changed.mend();
        *self = changed;
        Ok(())
    }

    /// Changes a mask in place by `change`, which must keep its size.
    pub(super) fn with_mask(&mut self, id: RegionId, change: impl FnOnce(&mut Mask)) {
        if let Some(region) = self.regions.iter_mut().find(|region| region.id == id) {
            change(&mut region.mask);
        }
    }

    /// Becomes an earlier or later state of itself, but never gives an id twice.
    pub(super) fn restore(&mut self, state: &Document) {
        let last_id = self.last_id.max(state.last_id);
        *self = state.clone();
        self.last_id = last_id;
    }

    /// Makes a change, but leaves the prompt's words and the masks' size to [`Document::apply`].
    fn make(&mut self, edit: Edit) -> Result<(), EditError> {
        match edit {
            Edit::AddSlot {
                picture,
                name,
                source,
                purpose,
            } => self.add_slot(picture, name, source, purpose)?,
            Edit::RemoveSlot(id) => {
                let at = self.slot_at(id)?;
                self.slots.remove(at);
            }
            Edit::MoveSlot(id, to) => {
                let at = self.slot_at(id)?;
                let slot = self.slots.remove(at);
                let first = |slots: &[Slot]| {
                    slots
                        .first()
                        .is_some_and(|slot| slot.purpose == Some(Purpose::Canvas))
                };
                let to = if slot.purpose == Some(Purpose::Canvas) {
                    0
                } else {
                    to.max(usize::from(first(&self.slots)))
                };
                self.slots.insert(to.min(self.slots.len()), slot);
            }
            Edit::SetPurpose(id, purpose) => self.set_purpose(id, purpose)?,
            Edit::ReplacePicture {
                slot,
                picture,
                name,
                source,
            } => {
                let at = self.slot_at(slot)?;
                let slot = &mut self.slots[at];
                slot.picture = picture;
                slot.name = name;
                slot.source = source;
            }
            Edit::AddRegion { mask, level, asset } => self.add_region(mask, level, asset)?,
            Edit::RemoveRegion(id) => {
                let at = self.region_at(id)?;
                self.regions.remove(at);
            }
            Edit::MoveRegion(id, to) => {
                let at = self.region_at(id)?;
                let region = self.regions.remove(at);
                self.regions.insert(to.min(self.regions.len()), region);
            }
            Edit::SetMask(id, mask) => {
                let at = self.region_at(id)?;
                self.check_mask(&mask)?;
                self.regions[at].mask = mask;
            }
            Edit::SetLevel(id, level) => {
                let at = self.region_at(id)?;
                self.regions[at].level = level;
            }
            Edit::SetAsset(id, asset) => {
                let at = self.region_at(id)?;
                self.check_asset(asset)?;
                self.regions[at].asset = asset;
            }
            Edit::SetPrompt(text) => self.prompt = text,
            Edit::SetTags(tags) => self.tags = tags,
            Edit::SetSettings(settings) => {
                self.check_settings(&settings)?;
                self.settings = settings;
            }
            Edit::Accept { picture, name } => match self.canvas().map(|slot| slot.id) {
                Some(id) => self.make(Edit::ReplacePicture {
                    slot: id,
                    picture,
                    name,
                    source: None,
                })?,
                None => self.add_slot(picture, name, None, Some(Purpose::Canvas))?,
            },
        }
        Ok(())
    }

    fn add_slot(
        &mut self,
        picture: Arc<Picture>,
        name: String,
        source: Option<String>,
        purpose: Option<Purpose>,
    ) -> Result<(), EditError> {
        self.check_room()?;
        let id = SlotId(self.fresh_id());
        let slot = Slot {
            id,
            name,
            source,
            picture,
            purpose,
        };
        if purpose == Some(Purpose::Canvas) {
            if self.has_said_canvas() {
                return Err(EditError::CanvasTaken);
            }
            self.slots.insert(0, slot);
        } else {
            self.slots.push(slot);
        }
        Ok(())
    }

    fn add_region(
        &mut self,
        mask: Option<Mask>,
        level: Level,
        asset: Option<SlotId>,
    ) -> Result<(), EditError> {
        self.check_room()?;
        // The first picture becomes the canvas with the first mask, if nothing else was said of it.
        let canvas = self
            .slots
            .first()
            .filter(|slot| slot.purpose.is_none() || slot.purpose == Some(Purpose::Canvas))
            .ok_or(EditError::NoCanvas)?;
        let mask =
            mask.unwrap_or_else(|| Mask::new(canvas.picture.width(), canvas.picture.height()));
        let id = RegionId(self.fresh_id());
        self.regions.push(Region {
            id,
            mask: Mask::new(1, 1),
            level,
            asset: None,
        });
        self.check_mask(&mask)?;
        self.check_asset(asset)?;
        if let Some(region) = self.regions.last_mut() {
            region.mask = mask;
            region.asset = asset;
        }
        Ok(())
    }

    fn set_purpose(&mut self, id: SlotId, purpose: Option<Purpose>) -> Result<(), EditError> {
        let at = self.slot_at(id)?;
        if purpose == Some(Purpose::Canvas) {
            for slot in &mut self.slots {
                if slot.purpose == purpose {
                    slot.purpose = Some(Purpose::Asset);
                }
            }
            let slot = self.slots.remove(at);
            self.slots.insert(0, slot);
        }
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.id == id) {
            slot.purpose = purpose;
        }
        Ok(())
    }

    fn fresh_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn slot_at(&self, id: SlotId) -> Result<usize, EditError> {
        let at = self.slots.iter().position(|slot| slot.id == id);
        at.ok_or(EditError::NoSlot)
    }

    fn region_at(&self, id: RegionId) -> Result<usize, EditError> {
        let at = self.regions.iter().position(|region| region.id == id);
        at.ok_or(EditError::NoRegion)
    }

    fn has_said_canvas(&self) -> bool {
        let canvas = Some(Purpose::Canvas);
        self.slots.iter().any(|slot| slot.purpose == canvas)
    }

    fn check_room(&self) -> Result<(), EditError> {
        if self.slots.len() + self.regions.len() >= MAX_INPUTS {
            return Err(EditError::Full);
        }
        Ok(())
    }

    /// The canvas's width and height.
    pub fn canvas_size(&self) -> Option<[u32; 2]> {
        let canvas = self.canvas()?;
        Some([canvas.picture.width(), canvas.picture.height()])
    }

    fn check_mask(&self, mask: &Mask) -> Result<(), EditError> {
        let canvas = self.canvas_size().ok_or(EditError::NoCanvas)?;
        let mask = [mask.width(), mask.height()];
        if mask != canvas {
            return Err(EditError::MaskSize { mask, canvas });
        }
        Ok(())
    }

    fn check_asset(&self, asset: Option<SlotId>) -> Result<(), EditError> {
        let Some(id) = asset else {
            return Ok(());
        };
        match self.purpose(id) {
            Some(Purpose::Asset) => Ok(()),
            Some(_) => Err(EditError::NotAnAsset),
            None => Err(EditError::NoSlot),
        }
    }

    fn check_settings(&self, settings: &Settings) -> Result<(), EditError> {
        let spec = JobSpec {
            version: JOB_VERSION,
            model: String::new(),
            model_hash: String::new(),
            inputs: Vec::new(),
            regions: Vec::new(),
            prompt: String::new(),
            tags: None,
            outputs: settings.outputs,
            joint: settings.joint,
            seed: settings.seed,
            steps: settings.steps.unwrap_or(1),
            guidance_text: settings.guidance_text.unwrap_or(1.0),
            guidance_image: settings.guidance_image,
            solver: settings.solver,
            size: settings.size,
            crop: settings.crop,
            vary: settings.vary,
            blend: settings.blend,
            masked: settings.masked,
        };
        spec.validate_numbers()?;
        match (settings.crop, self.canvas_size()) {
            (Some(crop), Some(canvas)) => Ok(super::job::check_crop(crop, canvas)?),
            _ => Ok(()),
        }
    }

    /// After a change: regions go on by words if what they place is no asset any more, be it by its place or by
    /// words, and masks and the context rectangle fit the canvas. Without a canvas masks wait for the next one.
    fn mend(&mut self) {
        let purposes = self.purposes();
        let pictures = self.slots.iter().zip(purposes);
        let assets: Vec<SlotId> = pictures
            .filter_map(|(slot, purpose)| (purpose == Purpose::Asset).then_some(slot.id))
            .collect();
        for region in &mut self.regions {
            region.asset = region.asset.filter(|id| assets.contains(id));
        }
        self.fit_to_canvas();
    }

    /// Stretches masks to the canvas's size and gives up a context rectangle that no longer fits.
    fn fit_to_canvas(&mut self) {
        let Some(size) = self.canvas_size() else {
            return;
        };
        for region in &mut self.regions {
            if [region.mask.width(), region.mask.height()] != size {
                region.mask = region.mask.resized(size[0], size[1]);
            }
        }
        let fits = |&crop: &[u32; 4]| super::job::check_crop(crop, size).is_ok();
        self.settings.crop = self.settings.crop.filter(fits);
    }
}
