//! Undo and redo, one entry an edit (for masks: a stroke), bounded in bytes.

use std::collections::VecDeque;
use std::mem::discriminant;
use std::sync::Arc;

use super::document::{Document, RegionId};
use super::edit::{Edit, EditError};
use super::mask::MaskPatch;

/// What the history may hold when nothing else is said: 512 MiB.
pub const DEFAULT_BUDGET: usize = 512 << 20;

/// The edits made so far. Only changes that went through [`History::apply`] can be undone.
#[derive(Debug)]
pub struct History {
    /// Oldest first.
    undo: VecDeque<Entry>,
    /// The next to be made again last.
    redo: Vec<Entry>,
    budget: usize,
    used: usize,
    /// Whether the next edit may not join the last entry.
    sealed: bool,
}

#[derive(Debug)]
struct Entry {
    label: &'static str,
    change: Change,
    bytes: usize,
    /// Edits of the same kind one after another, such as letters typed, join into one entry.
    joins: Option<std::mem::Discriminant<Edit>>,
}

#[derive(Debug)]
enum Change {
    /// The touched tiles of one mask.
    Mask(RegionId, MaskPatch),
    /// The document before and after; pictures and tiles are shared.
    Document(Box<[Document; 2]>),
}

impl Default for History {
    fn default() -> Self {
        Self::new(DEFAULT_BUDGET)
    }
}

impl History {
    /// An empty history that holds `budget` bytes at most; the latest entry is kept even if it is larger.
    pub fn new(budget: usize) -> Self {
        Self {
            undo: VecDeque::new(),
            redo: Vec::new(),
            budget,
            used: 0,
            sealed: true,
        }
    }

    /// Makes a change that can be undone. What was undone before can no longer be made again. An edit that
    /// changes nothing leaves no entry.
    ///
    /// Consecutive edits of the prompt, of the tags or of the settings become one entry, until [`History::seal`].
    ///
    /// # Errors
    /// Why the edit was refused; document and history are as they were.
    pub fn apply(&mut self, document: &mut Document, edit: Edit) -> Result<(), EditError> {
        let label = edit.label();
        let joins = matches!(
            edit,
            Edit::SetPrompt(_) | Edit::SetTags(_) | Edit::SetSettings(_)
        )
        .then(|| discriminant(&edit));
        let painted = match &edit {
            Edit::SetMask(region, _) => Some(*region),
            _ => None,
        };
        let before = document.clone();
        document.apply(edit)?;
        if *document == before {
            return Ok(());
        }
        self.forget_redo();
        if !self.sealed
            && joins.is_some()
            && let Some(entry) = self.undo.back_mut().filter(|entry| entry.joins == joins)
            && let Change::Document(states) = &mut entry.change
        {
            states[1] = document.clone();
            self.used -= entry.bytes;
            entry.bytes = bytes_between(states);
            self.used += entry.bytes;
            return Ok(());
        }
        let patch = painted.and_then(|region| {
            let (old, new) = (before.region(region)?, document.region(region)?);
            Some((region, MaskPatch::between(&old.mask, &new.mask)?))
        });
        let (change, bytes) = match patch {
            Some((region, patch)) => {
                let bytes = patch.bytes();
                (Change::Mask(region, patch), bytes)
            }
            None => {
                let states = Box::new([before, document.clone()]);
                let bytes = bytes_between(&states);
                (Change::Document(states), bytes)
            }
        };
        let bytes = bytes + size_of::<Entry>();
        self.used += bytes;
        self.undo.push_back(Entry {
            label,
            change,
            bytes,
            joins,
        });
        self.sealed = false;
        while self.used > self.budget && self.undo.len() > 1 {
            if let Some(oldest) = self.undo.pop_front() {
                self.used -= oldest.bytes;
            }
        }
        Ok(())
    }

    /// Ends the entry that typing or dragging a slider goes on with: the next edit begins a new one.
    pub fn seal(&mut self) {
        self.sealed = true;
    }

    /// Takes the last edit back; gives its label, or `None` if there is none.
    pub fn undo(&mut self, document: &mut Document) -> Option<&'static str> {
        let entry = self.undo.pop_back()?;
        match &entry.change {
            Change::Mask(region, patch) => {
                document.with_mask(*region, |mask| patch.undo(mask));
            }
            Change::Document(states) => document.restore(&states[0]),
        }
        self.sealed = true;
        let label = entry.label;
        self.redo.push(entry);
        Some(label)
    }

    /// Makes the edit again that was taken back last; gives its label, or `None` if there is none.
    pub fn redo(&mut self, document: &mut Document) -> Option<&'static str> {
        let entry = self.redo.pop()?;
        match &entry.change {
            Change::Mask(region, patch) => {
                document.with_mask(*region, |mask| patch.redo(mask));
            }
            Change::Document(states) => document.restore(&states[1]),
        }
        self.sealed = true;
        let label = entry.label;
        self.undo.push_back(entry);
        Some(label)
    }

    /// What [`History::undo`] would take back.
    pub fn undo_label(&self) -> Option<&'static str> {
        self.undo.back().map(|entry| entry.label)
    }

    /// What [`History::redo`] would make again.
    pub fn redo_label(&self) -> Option<&'static str> {
        self.redo.last().map(|entry| entry.label)
    }

    /// Edits that can be taken back.
    pub fn len(&self) -> usize {
        self.undo.len()
    }

    /// Whether nothing can be taken back.
    pub fn is_empty(&self) -> bool {
        self.undo.is_empty()
    }

    /// Bytes held at most, by undo and redo together.
    pub fn bytes(&self) -> usize {
        self.used
    }

    fn forget_redo(&mut self) {
        for entry in self.redo.drain(..) {
            self.used -= entry.bytes;
        }
    }
}

/// Bytes that a pair of documents holds at most beyond the document itself: pictures and masks that are in one
/// of them only, and the masks' grids.
fn bytes_between(states: &[Document; 2]) -> usize {
    let one_way = |a: &Document, b: &Document| {
        let pictures = a
            .slots()
            .iter()
            .filter(|slot| {
                let there =
                    |other: &super::document::Slot| Arc::ptr_eq(&other.picture, &slot.picture);
                !b.slots().iter().any(there)
            })
            .map(|slot| slot.picture.pixels().len());
        let masks = a.regions().iter().map(|region| match b.region(region.id) {
            Some(other) if other.mask.shares_grid(&region.mask) => region.mask.grid_bytes(),
            _ => region.mask.bytes(),
        });
        pictures.chain(masks).sum::<usize>() + a.prompt().len() + size_of::<Document>()
    };
    one_way(&states[0], &states[1]) + one_way(&states[1], &states[0])
}
