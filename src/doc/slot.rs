//! Slots and what the picture in them is for.

use serde::{Deserialize, Serialize};

/// A slot's identity; stays the same when other slots are added, removed or moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SlotId(pub u64);

/// What an input picture is to the model (UniReal's image prompt).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The picture that is edited: its layout stays.
    Canvas,
    /// An object to be placed: the model finds it and chooses size, pose and light.
    Asset,
    /// A map that steers: mask, edges, depth, scribble, placement.
    Control,
}

impl Role {
    /// All roles, in the order of the model's role embedding.
    pub const ALL: [Role; 3] = [Role::Canvas, Role::Asset, Role::Control];
    /// Row in the model's role embedding.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// What a control picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ControlKind {
    /// Where to work, at one of the four levels.
    Mask,
    /// Edges, bright on dark.
    Edge,
    /// Depth, near is bright.
    Depth,
    /// A rough line drawing.
    Scribble,
    /// A rough collage: the object pasted where it should stand.
    Placement,
}

impl ControlKind {
    /// All kinds, in the order of the model's control embedding.
    pub const ALL: [ControlKind; 5] = [
        ControlKind::Mask,
        ControlKind::Edge,
        ControlKind::Depth,
        ControlKind::Scribble,
        ControlKind::Placement,
    ];
    /// Row in the model's control embedding.
    pub fn index(self) -> usize {
        self as usize
    }
}
