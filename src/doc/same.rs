//! Whether a document changed, told by addresses: quick enough for every frame, whatever the pictures' size.

use std::sync::Arc;

use super::document::{Document, Region, Slot};
use super::mask::dirty_tiles;

impl Document {
    /// Whether two documents are equal and share their pixels. Equal documents that were read from two files are
    /// not the same; a document is the same as its clone, also after a change that was undone.
    pub fn is_same(&self, other: &Document) -> bool {
        let slot = |(a, b): (&Slot, &Slot)| {
            a.id == b.id
                && Arc::ptr_eq(&a.picture, &b.picture)
                && (&a.name, &a.source, a.purpose) == (&b.name, &b.source, b.purpose)
        };
        let region = |(a, b): (&Region, &Region)| {
            (a.id, a.level, a.asset) == (b.id, b.level, b.asset)
                && (a.mask.width(), a.mask.height()) == (b.mask.width(), b.mask.height())
                && dirty_tiles(&a.mask, &b.mask).is_empty()
        };
        self.slots().len() == other.slots().len()
            && self.regions().len() == other.regions().len()
            && self.slots().iter().zip(other.slots()).all(slot)
            && self.regions().iter().zip(other.regions()).all(region)
            && self.prompt() == other.prompt()
            && self.tags() == other.tags()
            && self.settings() == other.settings()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::{Edit, History, Level, Mask, Picture};

    #[test]
    fn a_change_is_noticed_and_an_undone_one_is_none() {
        let mut document = Document::new();
        let picture = Arc::new(Picture::filled(90, 80, [1, 2, 3, 255]));
        document
            .apply(Edit::AddSlot {
                picture,
                name: "a".into(),
                source: None,
                purpose: None,
            })
            .unwrap();
        document
            .apply(Edit::AddRegion {
                mask: None,
                level: Level::Blob,
                asset: None,
            })
            .unwrap();
        let before = document.clone();
        assert!(document.is_same(&before));
        let region = document.regions()[0].id;
        let mut mask = Mask::new(90, 80);
        mask.fill_box([1.0, 1.0], [70.0, 9.0], crate::doc::mask::Combine::Add);
        for edit in [
            Edit::SetMask(region, mask),
            Edit::SetLevel(region, Level::Box),
            Edit::SetPrompt("x".into()),
        ] {
            let mut history = History::default();
            history.apply(&mut document, edit).unwrap();
            assert!(!document.is_same(&before));
            history.undo(&mut document);
            assert!(document.is_same(&before));
        }
        let slot = document.slots()[0].id;
        document.apply(Edit::RemoveSlot(slot)).unwrap();
        assert!(!document.is_same(&before));
    }
}
