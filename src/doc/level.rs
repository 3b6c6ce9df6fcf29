//! The four precision levels of a mask (IMPRINT's shape guidance).

use serde::{Deserialize, Serialize};

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
}
