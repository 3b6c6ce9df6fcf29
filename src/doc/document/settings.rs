//! The numbers of a job, as the artist sets them.

use serde::{Deserialize, Serialize};

use crate::doc::job::{BlendSpec, MaskedSpec, Solver};

/// The numbers of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Independent outputs, 1 to 8.
    pub outputs: u32,
    /// Joint pictures of each output, 1 to 4.
    pub joint: u32,
    /// Seed of the first output.
    pub seed: u64,
    /// Denoising steps; `None` takes the model's own number.
    pub steps: Option<u32>,
    /// Guidance by the text; 1 is none, `None` takes the model's own.
    pub guidance_text: Option<f32>,
    /// Guidance by the reference pictures; 1 is none.
    pub guidance_image: f32,
    /// The solver.
    pub solver: Solver,
    /// Whether the outputs of a job differ in how bright objects are and how strong their shadow.
    pub vary: bool,
    /// How results are joined to the canvas.
    #[serde(deserialize_with = "BlendSpec::of_settings")]
    pub blend: BlendSpec,
    /// The context rectangle on the canvas: x, y, width, height; `None` chooses it.
    pub crop: Option<[u32; 4]>,
    /// Width and height of a new picture, without a canvas.
    pub size: Option<[u32; 2]>,
    /// How masked places come about.
    #[serde(skip_serializing_if = "MaskedSpec::is_default")]
    pub masked: MaskedSpec,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            outputs: 4,
            joint: 1,
            seed: 0,
            steps: None,
            guidance_text: None,
            guidance_image: 1.0,
            solver: Solver::default(),
            vary: true,
            blend: BlendSpec::default(),
            crop: None,
            size: None,
            masked: MaskedSpec::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_from_before_there_was_light_beyond_the_region_have_it() {
        let mut told = serde_json::to_value(Settings::default()).expect("JSON");
        told["blend"]
            .as_object_mut()
            .expect("an object")
            .remove("cast");
        let old: Settings = serde_json::from_value(told).expect("settings");
        assert_eq!(old, Settings::default());
        let none = Settings {
            blend: BlendSpec {
                cast: 0.0,
                ..BlendSpec::default()
            },
            ..Settings::default()
        };
        let text = serde_json::to_string(&none).expect("JSON");
        assert_eq!(
            serde_json::from_str::<Settings>(&text).expect("settings"),
            none
        );
    }
}
