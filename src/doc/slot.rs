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

/// A role with the kind of control where the role needs one: everything an input picture can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// See [`Role::Canvas`].
    Canvas,
    /// See [`Role::Asset`].
    Asset,
    /// See [`Role::Control`].
    Control(ControlKind),
}

impl Purpose {
    /// The role alone.
    pub fn role(self) -> Role {
        match self {
            Purpose::Canvas => Role::Canvas,
            Purpose::Asset => Role::Asset,
            Purpose::Control(_) => Role::Control,
        }
    }

    /// The kind of control; `None` for the other roles.
    pub fn kind(self) -> Option<ControlKind> {
        match self {
            Purpose::Control(kind) => Some(kind),
            _ => None,
        }
    }

    /// Joins a role and a kind; `None` for a control without a kind, or a kind without a control.
    pub fn from_parts(role: Role, kind: Option<ControlKind>) -> Option<Self> {
        match (role, kind) {
            (Role::Canvas, None) => Some(Purpose::Canvas),
            (Role::Asset, None) => Some(Purpose::Asset),
            (Role::Control, Some(kind)) => Some(Purpose::Control(kind)),
            _ => None,
        }
    }

    /// The word for badges and the command line: "canvas", "asset", or the kind of control.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Canvas => "canvas",
            Purpose::Asset => "asset",
            Purpose::Control(ControlKind::Mask) => "mask",
            Purpose::Control(ControlKind::Edge) => "edge",
            Purpose::Control(ControlKind::Depth) => "depth",
            Purpose::Control(ControlKind::Scribble) => "scribble",
            Purpose::Control(ControlKind::Placement) => "placement",
        }
    }
}

/// A word that names no purpose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "“{0}” is no role: use canvas, asset, or a control (mask, edge, depth, scribble, placement)"
)]
pub struct UnknownPurpose(pub String);

impl std::str::FromStr for Purpose {
    type Err = UnknownPurpose;

    fn from_str(word: &str) -> Result<Self, UnknownPurpose> {
        ControlKind::ALL
            .map(Purpose::Control)
            .into_iter()
            .chain([Purpose::Canvas, Purpose::Asset])
            .find(|purpose| purpose.name().eq_ignore_ascii_case(word.trim()))
            .ok_or_else(|| UnknownPurpose(word.to_owned()))
    }
}
