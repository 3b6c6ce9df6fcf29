//! How what was generated is joined to its canvas, and how outputs vary in that.

use serde::{Deserialize, Serialize};

use super::JobSpec;

/// How a generated region is joined to the canvas.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlendSpec {
    /// Width of the soft edge, as a share of the region's √area.
    pub feather: f32,
    /// How far the edge of what is joined is moved outwards (inwards if negative), in the same unit.
    #[serde(default)]
    pub grow: f32,
    /// Whether the generated crop's colours are matched to the canvas around the region.
    pub colour_match: bool,
    /// Whether the canvas and the pasted objects lend the result the detail that the model's size lacks. Recipes
    /// from before there was a choice ran without.
    #[serde(default)]
    pub keep_detail: bool,
    /// How far pasted objects take on the light that the model found, 0 to 1; at 0 they keep their own colours. What
    /// they do to the ground, such as their shadow, stays.
    #[serde(
        default = "BlendSpec::full",
        skip_serializing_if = "BlendSpec::is_full"
    )]
    pub relight: f32,
    /// How bright pasted objects are, as a factor, [`BlendSpec::BRIGHTNESS`]: a model can hardly know whether a thing is dark or
    /// in the dark.
    #[serde(
        default = "BlendSpec::full",
        skip_serializing_if = "BlendSpec::is_full"
    )]
    pub brightness: f32,
    /// How strongly the light that the model found changes the ground (shadow, light, reflection), 0 to
    /// [`BlendSpec::MOST_SHADOW`]: at 0 not at all, at 1 as found, at 2 as if it came twice.
    #[serde(
        default = "BlendSpec::full",
        skip_serializing_if = "BlendSpec::is_full"
    )]
    pub shadow: f32,
    /// How much of the shadow and the reflection that the model found falls on the canvas beyond the region, 0 to 1; at 0
    /// every pixel there stays as it is. Recipes from before there was a choice ran without.
    #[serde(default)]
    pub cast: f32,
}

/// How far the brightness of objects varies between outputs, as a logarithm. What the light model can't tell of it has a
/// standard deviation of 0.37 on rendered insertions.
const BRIGHTER: f64 = 0.4;
/// The same for what light does to the ground.
const STRONGER: f64 = 0.6;

impl BlendSpec {
    /// The least and the largest [`BlendSpec::brightness`].
    pub const BRIGHTNESS: std::ops::RangeInclusive<f32> = 0.25..=3.0;
    /// The strongest [`BlendSpec::shadow`].
    pub const MOST_SHADOW: f32 = 3.0;

    /// Reads the settings of a document: those from before there was light beyond the region are for new results, which have
    /// it. (A recipe is for the results that there were.)
    pub(in crate::doc) fn of_settings<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<Self, D::Error> {
        let mut value = serde_json::Value::deserialize(from)?;
        if let Some(fields) = value.as_object_mut() {
            fields.entry("cast").or_insert(Self::full().into());
        }
        Self::deserialize(value).map_err(serde::de::Error::custom)
    }

    fn full() -> f32 {
        1.0
    }

    /// Recipes without it are the same to programs that do not know it.
    fn is_full(share: &f32) -> bool {
        *share == Self::full()
    }
}

impl Default for BlendSpec {
    fn default() -> Self {
        Self {
            feather: 0.06,
            grow: 0.0,
            colour_match: true,
            keep_detail: true,
            relight: Self::full(),
            brightness: Self::full(),
            shadow: Self::full(),
            cast: Self::full(),
        }
    }
}

impl JobSpec {
    /// How output number `output`, from 0, of a job that lays cut-outs into light is joined: the first as the job says, the
    /// others by up to [`BRIGHTER`] and [`STRONGER`] to either side of it if they are to vary. One job's outputs lie apart (an
    /// additive recurrence after Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018), and where they
    /// begin depends on its seed.
    pub fn blend_of(&self, output: u32) -> BlendSpec {
        if !self.vary || output == 0 {
            return self.blend;
        }
        let apart = |step: f64, salt: u64| {
            let mixed = (self.seed ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let begin = (mixed >> 11) as f64 / (1u64 << 53) as f64;
            2.0 * (begin + step * f64::from(output)).fract() - 1.0
        };
        let times = |value: f32, by: f64, range: std::ops::RangeInclusive<f32>| {
            let (least, most) = range.into_inner();
            // Hundredths, as they are shown.
            let value = (f64::from(value) * by.exp() * 100.0).round() / 100.0;
            (value as f32).clamp(least, most)
        };
        let BlendSpec {
            brightness, shadow, ..
        } = self.blend;
        BlendSpec {
            brightness: times(
                brightness,
                BRIGHTER * apart(0.754_877_666_2, 1),
                BlendSpec::BRIGHTNESS,
            ),
            shadow: times(
                shadow,
                STRONGER * apart(0.569_840_291_0, 2),
                0.0..=BlendSpec::MOST_SHADOW,
            ),
            ..self.blend
        }
    }
}
