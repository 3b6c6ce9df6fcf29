//! Pictures and masks that come in.

use std::sync::Arc;

use super::{Env, Session};
use crate::doc::document::Edit;
use crate::doc::{Mask, Picture, Purpose, SlotId};
use crate::ui::files::Destination;
use crate::ui::state::Dropped;
use crate::ui::toasts::Kind;

impl Session {
    pub(super) fn take(
        &mut self,
        dropped: Vec<Dropped>,
        destination: Destination,
        env: &mut Env<'_>,
    ) {
        let mut paths = Vec::new();
        for item in dropped {
            match item {
                Dropped::Path(path) => paths.push(path),
                Dropped::Picture(picture) => {
                    let cutout = crate::io::cutout::cut_out_plainly(&picture).map(Arc::new);
                    let name = "pasted".to_owned();
                    if let Some(slot) = self.add_picture(picture, cutout, name, None, destination) {
                        self.cut_out(slot, false, env);
                    }
                }
            }
        }
        if !paths.is_empty() {
            env.files.load(self.project.which, paths, destination);
        }
    }

    /// Puts a picture where it belongs; the slot, if it is an object's and the picture is not cut out.
    pub fn add_picture(
        &mut self,
        picture: Arc<Picture>,
        cutout: Option<Arc<Picture>>,
        name: String,
        source: Option<String>,
        destination: Destination,
    ) -> Option<SlotId> {
        let whole = cutout.is_none();
        let edit = match destination {
            Destination::Mask => {
                let plane = crate::io::mask::from_picture(&picture);
                self.take_mask(&plane);
                return None;
            }
            Destination::Slot(slot) => {
                let is_object = self.document.purpose(slot) == Some(Purpose::Asset);
                let alone = cutout.filter(|_| is_object);
                Edit::ReplacePicture {
                    slot,
                    picture: alone.unwrap_or(picture),
                    name,
                    source,
                }
            }
            Destination::As(Purpose::Canvas) => match self.document.canvas().map(|slot| slot.id) {
                Some(slot) => Edit::ReplacePicture {
                    slot,
                    picture,
                    name: name.clone(),
                    source,
                },
                None => Edit::AddSlot {
                    picture,
                    name: name.clone(),
                    source,
                    purpose: Some(Purpose::Canvas),
                },
            },
            Destination::As(purpose) => {
                let alone = cutout.filter(|_| purpose == Purpose::Asset);
                Edit::AddSlot {
                    picture: alone.unwrap_or(picture),
                    name,
                    source,
                    purpose: Some(purpose),
                }
            }
            Destination::Auto if self.document.canvas().is_none() => {
                if self.project.path.is_none() {
                    self.name.clone_from(&name);
                }
                Edit::AddSlot {
                    picture,
                    name,
                    source,
                    purpose: Some(Purpose::Canvas),
                }
            }
            Destination::Auto => Edit::AddSlot {
                picture: cutout.unwrap_or(picture),
                name,
                source,
                purpose: None,
            },
        };
        let canvas_before = self.shown_size();
        let replaced = match &edit {
            Edit::ReplacePicture { slot, .. } => Some(*slot),
            _ => None,
        };
        if !self.edit(edit) {
            return None;
        }
        // Ids are given in order: the newest picture has the largest.
        let newest = || self.document.slots().iter().map(|slot| slot.id).max();
        self.slot = replaced.or_else(newest);
        if replaced.is_none() {
            self.place_new_asset();
        }
        if self.shown_size() != canvas_before {
            self.view.fit();
            self.results_view.fit();
        }
        let slot = self.slot?;
        let is_object = self.document.purpose(slot) == Some(Purpose::Asset);
        (is_object && whole).then_some(slot)
    }

    /// A new object belongs to the first mask that places nothing yet.
    pub(super) fn place_new_asset(&mut self) {
        let Some(slot) = self.slot else { return };
        if self.document.purpose(slot) != Some(Purpose::Asset) {
            return;
        }
        let taken = |id| {
            let mut regions = self.document.regions().iter();
            regions.any(|region| region.asset == Some(id))
        };
        let free = self.document.regions().iter().find(|r| r.asset.is_none());
        if let Some(region) = free.map(|region| region.id)
            && !taken(slot)
        {
            self.edit(Edit::SetAsset(region, Some(slot)));
        }
    }

    /// Makes a plane the chosen mask, stretched to the canvas.
    pub fn take_mask(&mut self, plane: &crate::doc::Plane) {
        let Some(canvas) = self.canvas() else {
            return self.say("add a canvas first, the mask lies on it");
        };
        let (width, height) = (canvas.width(), canvas.height());
        let mut mask = Mask::from_plane(plane);
        if (mask.width(), mask.height()) != (width, height) {
            mask = mask.resized(width, height);
            self.toasts.add(
                Kind::Warning,
                "the mask had another size and was stretched to the canvas",
            );
        }
        if mask.is_empty() {
            return self.say("nothing is selected in this mask, it is not used");
        }
        self.change_mask(|old| *old = mask);
    }
}
