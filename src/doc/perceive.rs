//! Maps of a picture: what can be asked for, and the words that ask for it.

use std::fmt;
use std::str::FromStr;

/// A map that a model can give of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MapKind {
    /// The mask of an object named in words.
    Segment,
    /// How near everything is: near is bright.
    Depth,
    /// Edges, bright on dark.
    Edge,
}

/// See [`MapKind::told`]; chosen on 24 scenes.
const LIKELY: f32 = 0.3;
/// The quantile that is taken for the surest.
const SUREST: f64 = 0.995;
/// A model that is less sure than this has found nothing: it is not amplified further.
const LEAST_SURE: f32 = 0.1;

impl MapKind {
    /// All kinds.
    pub const ALL: [MapKind; 3] = [MapKind::Segment, MapKind::Depth, MapKind::Edge];

    /// The word of the command line.
    pub fn name(self) -> &'static str {
        match self {
            MapKind::Segment => "segment",
            MapKind::Depth => "depth",
            MapKind::Edge => "edge",
        }
    }

    /// The sentence that asks for it, with `{the}` for the object ("the red chair") and `{C}` for the picture: one of
    /// those that models are trained with.
    pub const fn phrase(self) -> &'static str {
        match self {
            MapKind::Segment => "Segment {the} in {C}.",
            MapKind::Depth => "The depth map of {C}.",
            MapKind::Edge => "The edges of {C}.",
        }
    }

    /// The map that a prompt asks for: that of the first word that names one.
    pub fn asked(prompt: &str) -> Option<MapKind> {
        let words = prompt.split(|c: char| !c.is_alphabetic());
        words
            .map(str::to_lowercase)
            .find_map(|word| match word.as_str() {
                "segment" | "segmentation" | "mask" => Some(MapKind::Segment),
                "depth" => Some(MapKind::Depth),
                "edge" | "edges" => Some(MapKind::Edge),
                _ => None,
            })
    }

    /// Turns a model's answer, 0..1, into the map. For a mask and for edges the answer is how likely each pixel is one
    /// of them, and a small model is rarely sure: what is [`LIKELY`] of its surest becomes a half. (The threshold of the
    /// best F1 lies at half of that F1, far below a half where answers are uncertain: Lipton, Elkan and
    /// Naryanaswamy, "Optimal thresholding of classifiers to maximize F1 measure", 2014.) Depth stays as it is.
    pub fn told(self, values: &mut [f32]) {
        if self == MapKind::Depth || values.is_empty() {
            return;
        }
        let mut sorted = values.to_vec();
        let at = ((sorted.len() - 1) as f64 * SUREST).round() as usize;
        let (_, surest, _) = sorted.select_nth_unstable_by(at, f32::total_cmp);
        let gain = 0.5 / (LIKELY * surest.max(LEAST_SURE));
        for value in values {
            *value = (*value * gain).clamp(0.0, 1.0);
        }
    }

    /// The prompt for a map of IMG1; `words` name the object to segment, with or without an article.
    pub fn prompt(self, words: &str) -> String {
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        let plain = words.trim_end_matches(['.', '!', '?']);
        let lower = plain.to_lowercase();
        let article = ["a ", "an ", "the "]
            .into_iter()
            .find(|article| lower.starts_with(article));
        let noun = &plain[article.map_or(0, str::len)..];
        self.phrase()
            .replace("{C}", "IMG1")
            .replace("{the}", &format!("the {noun}"))
    }
}

impl fmt::Display for MapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is no task: use segment, depth or edge")]
pub struct UnknownMap(pub String);

impl FromStr for MapKind {
    type Err = UnknownMap;

    fn from_str(word: &str) -> Result<Self, UnknownMap> {
        MapKind::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(word.trim()))
            .ok_or_else(|| UnknownMap(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::Purpose;
    use crate::doc::prompt::{TAGS, derive_tags};

    #[test]
    fn prompts_are_whole_sentences() {
        let segment = |words: &str| MapKind::Segment.prompt(words);
        assert_eq!(segment("the red chair"), "Segment the red chair in IMG1.");
        assert_eq!(segment(" A  red chair. "), "Segment the red chair in IMG1.");
        assert_eq!(segment("theatre"), "Segment the theatre in IMG1.");
        assert_eq!(MapKind::Depth.prompt(""), "The depth map of IMG1.");
        assert_eq!(MapKind::Edge.prompt(""), "The edges of IMG1.");
    }

    #[test]
    fn every_prompt_is_known_as_a_perception_task() {
        for kind in MapKind::ALL {
            let tags = derive_tags(&kind.prompt("chair"), &[Purpose::Canvas]);
            assert_eq!(tags[1], TAGS[5], "{kind}");
        }
    }

    #[test]
    fn prompts_say_which_map() {
        for kind in MapKind::ALL {
            assert_eq!(MapKind::asked(&kind.prompt("edge of the mask")), Some(kind));
        }
        assert_eq!(MapKind::asked("Put IMG2 into IMG1"), None);
    }

    #[test]
    fn unsure_masks_become_clear_and_depth_stays() {
        let answer: Vec<f32> = (0..1000).map(|i| i as f32 / 1000.0 * 0.4).collect();
        let mut mask = answer.clone();
        MapKind::Segment.told(&mut mask);
        let selected = mask.iter().filter(|v| **v >= 0.5).count();
        // From 0.3 of the surest on.
        assert_eq!(selected, 701);
        assert!(mask.is_sorted() && mask[0] == 0.0 && mask[999] == 1.0);
        let mut depth = answer.clone();
        MapKind::Depth.told(&mut depth);
        assert_eq!(depth, answer);
        // Where nothing was found, nothing is made up.
        let mut nothing = vec![0.01; 50];
        MapKind::Edge.told(&mut nothing);
        assert!(nothing.iter().all(|v| *v < 0.2));
        MapKind::Edge.told(&mut []);
    }

    #[test]
    fn names_are_read_back() {
        for kind in MapKind::ALL {
            assert_eq!(kind.name().to_uppercase().parse(), Ok(kind));
        }
        let error = "mask".parse::<MapKind>().unwrap_err().to_string();
        assert_eq!(error, "“mask” is no task: use segment, depth or edge");
    }
}
