//! How masked places come about, as far as an artist may choose, and what suits a job where nobody has.

use serde::{Deserialize, Serialize};

use crate::doc::Level;
use crate::doc::prompt::{Intent, intent};

/// How a region comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MaskedMode {
    /// The model sees the whole canvas and draws a new one; the region of it is kept.
    Edit,
    /// The region is filled from noise; the model knows the canvas only by what surrounds the region in the latents.
    Insert,
    /// The same, and the model is shown the canvas with the region made grey.
    Context,
}

impl MaskedMode {
    /// All modes.
    pub const ALL: [MaskedMode; 3] = [MaskedMode::Edit, MaskedMode::Insert, MaskedMode::Context];

    /// The name on the command line and in recipes.
    pub fn name(self) -> &'static str {
        match self {
            MaskedMode::Edit => "edit",
            MaskedMode::Insert => "insert",
            MaskedMode::Context => "context",
        }
    }
}

/// What an artist may choose about a region besides its level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MaskedSpec {
    /// How the region comes about; `None` chooses by the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<MaskedMode>,
    /// How much of what is there may change: 1 begins with noise alone, less with noise over the canvas; `None`
    /// chooses by the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<f32>,
}

impl MaskedSpec {
    /// How regions come about, for a job that has some or none and wants this done with them; see
    /// [`super::JobSpec::masked_mode`].
    ///
    /// Without a region there is nothing to grey out or to blend: words alone edit, whatever was chosen for masks.
    pub fn mode_for(&self, regions: bool, wish: Intent) -> MaskedMode {
        if !regions {
            return MaskedMode::Edit;
        }
        self.mode.unwrap_or(match wish {
            Intent::Move | Intent::Change => MaskedMode::Edit,
            _ => MaskedMode::Context,
        })
    }

    /// How much may change, for a job whose regions all modify what they select, or not; see [`super::JobSpec::strength`].
    pub fn strength_for(&self, modifies: bool) -> f64 {
        match (self.strength, modifies) {
            (Some(strength), _) => f64::from(strength),
            (None, true) => 0.75,
            (None, false) => 1.0,
        }
    }

    /// Whether nothing was chosen.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What is to be done with what is masked, where these assets are placed: with any at all the words are about them.
pub(in crate::doc) fn wish(prompt: &str, mut assets: impl Iterator<Item = bool>) -> Intent {
    match assets.any(|placed| placed) {
        true => Intent::Other,
        false => intent(prompt),
    }
}

/// Whether words keep the shape of what regions of these levels select.
pub(in crate::doc) fn modifies(
    wish: Intent,
    placed: bool,
    mut levels: impl Iterator<Item = Level>,
) -> bool {
    let stays = matches!(wish, Intent::Change | Intent::Other);
    stays && !placed && levels.all(|level| level == Level::Exact)
}
