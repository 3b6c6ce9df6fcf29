//! Maps of a picture: what can be asked for, and the words that ask for it.

use std::fmt;
use std::str::FromStr;

/// A map that a model can give of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MapKind {
    /// The mask of an object named in words.
    Segment,
    /// How near everything is: near is bright.
    Depth,
    /// Edges, bright on dark.
    Edge,
}

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
    fn names_are_read_back() {
        for kind in MapKind::ALL {
            assert_eq!(kind.name().to_uppercase().parse(), Ok(kind));
        }
        let error = "mask".parse::<MapKind>().unwrap_err().to_string();
        assert_eq!(error, "“mask” is no task: use segment, depth or edge");
    }
}
