//! A document put together from what a file holds.

use super::{Document, EditError, MAX_INPUTS, Purpose, Region, Settings, Slot};

impl Document {
    /// A document of these contents; each id is given once. Whatever edits lead to is taken as it is, and what they
    /// can't lead to is mended where nothing is lost by it: a region that places no asset goes on by words, the canvas
    /// comes first, and masks are stretched to it.
    ///
    /// # Errors
    /// Too many inputs, two canvases, or a number out of its range.
    pub fn restored(
        mut slots: Vec<Slot>,
        regions: Vec<Region>,
        prompt: String,
        tags: Option<Vec<String>>,
        settings: Settings,
    ) -> Result<Self, EditError> {
        let is_canvas = |slot: &Slot| slot.purpose == Some(Purpose::Canvas);
        if slots.len() + regions.len() > MAX_INPUTS {
            return Err(EditError::Full);
        }
        if slots.iter().filter(|slot| is_canvas(slot)).count() > 1 {
            return Err(EditError::CanvasTaken);
        }
        // Without a canvas only the numbers are judged: mending frees a rectangle that does not fit.
        Self::new().check_settings(&settings)?;
        slots.sort_by_key(|slot| !is_canvas(slot));
        let ids = slots.iter().map(|slot| slot.id.0);
        let last_id = ids.chain(regions.iter().map(|region| region.id.0)).max();
        let mut document = Self {
            slots,
            regions,
            prompt,
            tags,
            settings,
            last_id: last_id.unwrap_or(0),
        };
        document.mend();
        Ok(document)
    }
}
