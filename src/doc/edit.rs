//! What can be done to a document, and why it may be refused.

use std::sync::Arc;

use super::document::{RegionId, Settings};
use super::job::JobError;
use super::prompt::MAX_INPUTS;
use super::{Level, Mask, Picture, Purpose, SlotId};

/// A change of the document.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Adds a picture behind the others; a canvas goes to the front.
    AddSlot {
        /// The pixels.
        picture: Arc<Picture>,
        /// What it is called.
        name: String,
        /// The file it came from.
        source: Option<String>,
        /// What it is for; `None` derives it.
        purpose: Option<Purpose>,
    },
    /// Removes a picture. Words that name it become IMG?, and regions that place it go on by words.
    RemoveSlot(SlotId),
    /// Moves a picture to a position, counted from 0. The canvas stays in front.
    MoveSlot(SlotId, usize),
    /// Says what a picture is for, or derives it (`None`). A new canvas goes to the front, and the canvas
    /// before it becomes an asset.
    SetPurpose(SlotId, Option<Purpose>),
    /// Puts another picture into a slot. Masks are stretched if that changes the canvas's size.
    ReplacePicture {
        /// The slot.
        slot: SlotId,
        /// The pixels.
        picture: Arc<Picture>,
        /// What it is called.
        name: String,
        /// The file it came from.
        source: Option<String>,
    },
    /// Adds a region with an empty mask, or with this one, which must be of the canvas's size.
    AddRegion {
        /// What is selected.
        mask: Option<Mask>,
        /// How strictly the mask is meant.
        level: Level,
        /// The asset to place there.
        asset: Option<SlotId>,
    },
    /// Removes a region. Words that name its mask become IMG?.
    RemoveRegion(RegionId),
    /// Moves a region to a position, counted from 0.
    MoveRegion(RegionId, usize),
    /// Replaces a region's mask: what every finished stroke, fill or filter does.
    SetMask(RegionId, Mask),
    /// How strictly a region's mask is meant.
    SetLevel(RegionId, Level),
    /// What a region places; `None` edits by words.
    SetAsset(RegionId, Option<SlotId>),
    /// The base text.
    SetPrompt(String),
    /// The context tags; `None` derives them.
    SetTags(Option<Vec<String>>),
    /// The numbers.
    SetSettings(Settings),
    /// Makes a result the canvas, or adds it as the canvas.
    Accept {
        /// The result.
        picture: Arc<Picture>,
        /// What to call it.
        name: String,
    },
}

impl Edit {
    /// What the edit is called in the undo menu.
    pub fn label(&self) -> &'static str {
        match self {
            Edit::AddSlot { .. } => "Add picture",
            Edit::RemoveSlot(_) => "Remove picture",
            Edit::MoveSlot(..) => "Reorder pictures",
            Edit::SetPurpose(..) => "Change role",
            Edit::ReplacePicture { .. } => "Replace picture",
            Edit::AddRegion { .. } => "Add mask",
            Edit::RemoveRegion(_) => "Remove mask",
            Edit::MoveRegion(..) => "Reorder masks",
            Edit::SetMask(..) => "Paint mask",
            Edit::SetLevel(..) => "Change mask level",
            Edit::SetAsset(..) => "Change placed object",
            Edit::SetPrompt(_) => "Write prompt",
            Edit::SetTags(_) => "Change context tags",
            Edit::SetSettings(_) => "Change settings",
            Edit::Accept { .. } => "Accept result",
        }
    }
}

/// Why an edit was refused; the document is as it was.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EditError {
    /// No slot has this id.
    #[error("this picture is not in the document any more: choose another")]
    NoSlot,
    /// No region has this id.
    #[error("this mask is not in the document any more: choose another")]
    NoRegion,
    /// All IMG numbers are taken.
    #[error(
        "a job takes {MAX_INPUTS} inputs at most, masks included: remove a picture or a mask first"
    )]
    Full,
    /// A second canvas.
    #[error("there is a canvas already: replace its picture, or make it an object first")]
    CanvasTaken,
    /// A region without a canvas.
    #[error("a mask needs a canvas to lie on: add a canvas first")]
    NoCanvas,
    /// A region is to place something that is no asset.
    #[error("only an object can be placed: change the picture's role to object first")]
    NotAnAsset,
    /// A mask of another size than the canvas.
    #[error(
        "the mask is {}×{} pixels and the canvas {}×{}: resize the mask first", .mask[0], .mask[1], .canvas[0], .canvas[1]
    )]
    MaskSize {
        /// The mask's width and height.
        mask: [u32; 2],
        /// The canvas's.
        canvas: [u32; 2],
    },
    /// A setting is out of its range.
    #[error(transparent)]
    Setting(#[from] JobError),
}
