//! The four precision levels of a mask (IMPRINT's shape guidance), from both sides: how an exact mask is made
//! coarser for training, and which region the model may change when an artist paints at a level.

use std::fmt;
use std::str::FromStr;

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::Plane;

mod coarsen;
mod region;
#[cfg(test)]
mod tests;
mod window;

pub use coarsen::{coarsen, coarsen_plainly};
pub use region::{editable_region, shown_mask};

/// How strictly a mask is meant.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// "This silhouette."
    Exact,
    /// "About this outline."
    Outline,
    /// "This pose, roughly." The default: tight masks starve shadows.
    #[default]
    Blob,
    /// "Somewhere in here, this big."
    Box,
}

impl Level {
    /// All levels, strictest first; also the order of the model's level embedding.
    pub const ALL: [Level; 4] = [Level::Exact, Level::Outline, Level::Blob, Level::Box];

    /// Row in the model's level embedding.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The word of the command line and of recipes.
    pub fn name(self) -> &'static str {
        match self {
            Level::Exact => "exact",
            Level::Outline => "outline",
            Level::Blob => "blob",
            Level::Box => "box",
        }
    }

    /// How large an object is that is meant by a mask of this level, and how far above the mask's lower edge it
    /// stands: shares of the mask's width and height. Medians over the masks that models are trained with.
    pub fn object_share(self) -> (f64, f64) {
        match self {
            Level::Exact => (1.0, 0.0),
            Level::Outline => (0.98, 0.02),
            Level::Blob => (0.88, 0.07),
            Level::Box => (0.91, 0.045),
        }
    }

    /// How far, as a ratio, an object may be stretched to fill the width and height of a mask of this level: seen from
    /// another side it has another shape. The coarser the mask, the less it says of which; a tenth is hardly seen.
    pub fn most_stretch(self) -> f64 {
        match self {
            Level::Exact => 3.0,
            Level::Outline => 1.35,
            Level::Blob | Level::Box => 1.1,
        }
    }

    /// What an artist says by choosing it.
    pub fn meaning(self) -> &'static str {
        match self {
            Level::Exact => "This silhouette",
            Level::Outline => "About this outline",
            Level::Blob => "This pose, roughly",
            Level::Box => "Somewhere in here, this big",
        }
    }

    /// A level drawn with the shares of training: .15, .25, .30, .30.
    pub fn sample(rng: &mut impl Rng) -> Level {
        match rng.random_range(0..20) {
            0..3 => Level::Exact,
            3..8 => Level::Outline,
            8..14 => Level::Blob,
            _ => Level::Box,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is no mask level: use exact, outline, blob or box")]
pub struct UnknownLevel(pub String);

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(word: &str) -> Result<Self, UnknownLevel> {
        Level::ALL
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(word.trim()))
            .ok_or_else(|| UnknownLevel(word.to_owned()))
    }
}

/// √area of what a mask selects (values ≥ 128), in pixels: the object's size `d`.
pub fn object_size(mask: &Plane) -> f32 {
    let area = mask.values().iter().filter(|&&v| v >= 128).count();
    (area as f64).sqrt() as f32
}
