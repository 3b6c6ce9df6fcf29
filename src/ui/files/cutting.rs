//! Objects cut out of photographs, off the window's thread: it takes up to seconds.

use std::sync::Arc;

use super::{Files, Outcome};
use crate::doc::{Picture, Plane, SlotId};
use crate::io::cutout;

/// What is to be cut out of what.
#[derive(Clone, Debug)]
pub struct Cutting {
    /// Which of the session's documents it is for.
    pub which: u64,
    /// The object's slot; `None` for a new one.
    pub slot: Option<SlotId>,
    /// The photograph.
    pub picture: Arc<Picture>,
    /// Where the object is; `None` if it is what the photograph is of.
    pub mask: Option<Plane>,
    /// What the photograph is called.
    pub name: String,
    /// Whether the artist asked for it: if not, only what is sure to be right counts.
    pub asked: bool,
}

impl Files {
    /// Cuts an object out.
    pub fn cut(&mut self, cutting: Cutting) {
        self.errand("cut out", move |tell| {
            let picture = &*cutting.picture;
            let object = match (&cutting.mask, cutting.asked) {
                (Some(mask), _) => cutout::object_in(picture, mask),
                (None, true) => cutout::object_of(picture),
                (None, false) => cutout::sure_object_of(picture),
            };
            tell(Outcome::Cut(Box::new(cutting), object.map(Arc::new)));
        });
    }
}
