//! The hierarchical prompt (UniReal): a base text with IMGn and RESn words, context tags before it, and the
//! roles of the pictures. Tags and roles are derived from slots and words until the artist sets them.
//! [`compile`] is the one place where the text that the model reads is made.

use std::ops::Range;

use super::{ControlKind, Purpose};

mod intent;

pub use intent::{Intent, intent};

/// Input pictures at most, IMG1 … IMG8, the masks of regions included.
pub const MAX_INPUTS: usize = 8;
/// Joint pictures of one output at most, RES1 … RES4.
pub const MAX_JOINT: usize = 4;

/// The context tags that the shipped models know, in the order in which they are written.
pub const TAGS: [&str; 7] = [
    "realistic style",
    "synthetic style",
    "static scenario",
    "dynamic scenario",
    "novel scenario",
    "perception task",
    "with reference object",
];

/// Whether a word names an input or an output picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WordKind {
    /// IMGn.
    Image,
    /// RESn.
    Result,
}

impl WordKind {
    fn prefix(self) -> &'static str {
        match self {
            WordKind::Image => "IMG",
            WordKind::Result => "RES",
        }
    }
}

/// A word of the prompt that stands for a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Input or output.
    pub kind: WordKind,
    /// The number, counted from 1; `None` for IMG? and RES?, whose picture was removed.
    pub number: Option<u32>,
    /// Where the word stands in the text, in bytes.
    pub range: Range<usize>,
}

impl Word {
    /// The word as it is written: "IMG2", or "IMG?" for a removed picture.
    pub fn label(&self) -> String {
        match self.number {
            Some(number) => format!("{}{number}", self.kind.prefix()),
            None => format!("{}?", self.kind.prefix()),
        }
    }

    /// Row of the model's index embedding: IMGn is n − 1, RESn is 8 + n − 1; `None` beyond its 12 rows.
    pub fn row(&self) -> Option<usize> {
        let number = self.number? as usize;
        match self.kind {
            WordKind::Image => (1..=MAX_INPUTS).contains(&number).then(|| number - 1),
            WordKind::Result => (1..=MAX_JOINT)
                .contains(&number)
                .then(|| MAX_INPUTS + number - 1),
        }
    }
}

/// What is wrong with a prompt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// A word names a picture that is not among the inputs or outputs.
    #[error("{word} is not there: this job has {}", count(*.kind, *.present))]
    Dangling {
        /// The word as it is written.
        word: String,
        /// Input or output.
        kind: WordKind,
        /// How many there are.
        present: usize,
        /// Where the word stands in the text it was found in, in bytes.
        range: Range<usize>,
    },
    /// A word whose picture was removed.
    #[error("{word} stands for a picture that was removed: write another word there, or delete it")]
    Removed {
        /// The word as it is written.
        word: String,
        /// Where the word stands in the text it was found in, in bytes.
        range: Range<usize>,
    },
}

impl PromptError {
    /// Where the word stands, in bytes.
    pub fn range(&self) -> Range<usize> {
        match self {
            PromptError::Dangling { range, .. } | PromptError::Removed { range, .. } => {
                range.clone()
            }
        }
    }
}

fn count(kind: WordKind, n: usize) -> String {
    let noun = match kind {
        WordKind::Image => "input",
        WordKind::Result => "output picture",
    };
    match n {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{n} {noun}s"),
    }
}

/// Finds the IMGn and RESn words of a text, in order. They may be written in lower case; letters, digits or
/// `_` right before or after make it an ordinary word (IMG_2034, IMG1a).
pub fn words(text: &str) -> Vec<Word> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at + 3 < bytes.len() {
        let kind = match &bytes[at..at + 3] {
            p if p.eq_ignore_ascii_case(b"IMG") => WordKind::Image,
            p if p.eq_ignore_ascii_case(b"RES") => WordKind::Result,
            _ => {
                at += 1;
                continue;
            }
        };
        let digits = bytes[at + 3..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count();
        let removed = digits == 0 && bytes[at + 3] == b'?';
        let end = at + 3 + digits + usize::from(removed);
        let joined = |c: char| c.is_alphanumeric() || c == '_';
        // Both ends lie beside ASCII bytes, so they are character boundaries.
        let apart = !text[..at].ends_with(joined) && !text[end..].starts_with(joined);
        if apart && (digits > 0 || removed) {
            found.push(Word {
                kind,
                // A number too large to hold is dangling all the same.
                number: (!removed).then(|| text[at + 3..end].parse().unwrap_or(u32::MAX)),
                range: at..end,
            });
        }
        at = end;
    }
    found
}

/// Every word that names no picture, for `images` inputs and `joint` output pictures.
pub fn problems(text: &str, images: usize, joint: usize) -> Vec<PromptError> {
    words(text)
        .into_iter()
        .filter_map(|word| {
            let present = match word.kind {
                WordKind::Image => images,
                WordKind::Result => joint,
            };
            let label = text[word.range.clone()].to_uppercase();
            match word.number {
                None => Some(PromptError::Removed {
                    word: label,
                    range: word.range,
                }),
                Some(number) if number == 0 || number as usize > present => {
                    Some(PromptError::Dangling {
                        word: label,
                        kind: word.kind,
                        present,
                        range: word.range,
                    })
                }
                Some(_) => None,
            }
        })
        .collect()
}

/// Rewrites the IMG words of a text for a new numbering: `new_number(old)` gives the new number, counted from
/// 1, or `None` if the picture is gone, which makes the word IMG?. Words that named no picture before
/// (`old` > `images`) and RES words stay as they are.
pub fn renumber(text: &str, images: usize, new_number: impl Fn(usize) -> Option<usize>) -> String {
    rewrite(text, |word| match word.number {
        Some(old) if word.kind == WordKind::Image && (1..=images).contains(&(old as usize)) => {
            match new_number(old as usize) {
                Some(new) => format!("IMG{new}"),
                None => "IMG?".to_owned(),
            }
        }
        _ => text[word.range.clone()].to_owned(),
    })
}

fn rewrite(text: &str, mut replace: impl FnMut(&Word) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for word in words(text) {
        out.push_str(&text[at..word.range.start]);
        out.push_str(&replace(&word));
        at = word.range.end;
    }
    out.push_str(&text[at..]);
    out
}

/// A prompt as the model will get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledPrompt {
    /// The exact text: tags joined by "; " with the first letter upper-cased, ". ", the base text.
    pub text: String,
    /// The base text as it stands in [`CompiledPrompt::text`]: white space collapsed, words in upper case.
    pub base: String,
    /// The tags used.
    pub tags: Vec<String>,
    /// Whether the tags were derived.
    pub derived_tags: bool,
    /// The pictures in IMG order: IMGn is `inputs[n − 1]`, its index embedding row n − 1.
    pub inputs: Vec<Purpose>,
    /// Output pictures: RESn's index embedding row is 8 + n − 1.
    pub joint: usize,
    /// The words of [`CompiledPrompt::text`], each of which names a picture that is there.
    pub words: Vec<Word>,
}

/// Makes the exact text from the base text, the pictures in IMG order (slots, then one mask for each region),
/// the number of joint output pictures and, if the artist set them, the context tags.
///
/// # Errors
/// The first word that names no picture; its range is that in `base` (or in the joined tags).
pub fn compile(
    base: &str,
    inputs: &[Purpose],
    joint: usize,
    tags: Option<&[String]>,
) -> Result<CompiledPrompt, PromptError> {
    let derived_tags = tags.is_none();
    let tags = match tags {
        Some(tags) => clean_tags(tags.iter().map(String::as_str)),
        None => derive_tags(base, inputs),
    };
    let joined = tags.join("; ");
    for text in [&joined, base] {
        if let Some(problem) = problems(text, inputs.len(), joint).into_iter().next() {
            return Err(problem);
        }
    }
    let base = base.split_whitespace().collect::<Vec<_>>().join(" ");
    let base = rewrite(&base, Word::label);
    let mut text = String::new();
    let mut letters = joined.chars();
    if let Some(first) = letters.next() {
        text.extend(first.to_uppercase());
        text.push_str(letters.as_str());
        text.push('.');
        if !base.is_empty() {
            text.push(' ');
        }
    }
    text.push_str(&base);
    Ok(CompiledPrompt {
        words: words(&text),
        text,
        base,
        derived_tags,
        tags,
        inputs: inputs.to_vec(),
        joint,
    })
}

/// Tags from a line such as "realistic style; static scenario"; `None` for "auto", which derives them.
pub fn parse_tags(line: &str) -> Option<Vec<String>> {
    (!line.trim().eq_ignore_ascii_case("auto")).then(|| clean_tags(line.split(';')))
}

/// Trims tags and drops empty and repeated ones. Known tags are written as in [`TAGS`].
fn clean_tags<'a>(tags: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut clean: Vec<String> = Vec::new();
    for tag in tags {
        let tag = tag.trim().trim_end_matches(['.', ';']).trim_end();
        let tag = TAGS
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(tag))
            .unwrap_or(tag);
        if !tag.is_empty() && !clean.iter().any(|other| other == tag) {
            clean.push(tag.to_owned());
        }
    }
    clean
}

/// Words that say the picture is drawn or rendered rather than photographed.
const SYNTHETIC: [&str; 12] = [
    "anime",
    "cartoon",
    "comic",
    "illustration",
    "line art",
    "low poly",
    "oil painting",
    "pixel art",
    "render",
    "rendering",
    "watercolor",
    "watercolour",
];
/// Words that say the whole frame changes, not only a part of it.
const DYNAMIC: [&str; 11] = [
    "another view",
    "camera",
    "jumping",
    "jumps",
    "later",
    "running",
    "runs",
    "seen from",
    "walking",
    "walks",
    "zoom",
];
/// Words that ask for a map of the picture.
const PERCEPTION: [&str; 8] = [
    "depth",
    "detect",
    "edge map",
    "edges",
    "mask of",
    "outline of",
    "segment",
    "segmentation",
];

/// The context tags that follow from the pictures and the words.
///
/// Style from the words (realistic unless they name a drawn one). Then, with a canvas: a perception task if
/// the canvas is the only picture and the words ask for a map of it; else a static scenario, or a dynamic one
/// if no mask limits the change and the words move the whole frame. Without a canvas but with other pictures a
/// novel scenario. An asset adds "with reference object".
pub fn derive_tags(base: &str, inputs: &[Purpose]) -> Vec<String> {
    let plain = plain(base);
    let says = |clues: &[&str]| clues.iter().any(|clue| contains_words(&plain, clue));
    let has = |purpose: Purpose| inputs.contains(&purpose);
    let mut tags = vec![if says(&SYNTHETIC) { TAGS[1] } else { TAGS[0] }];
    if has(Purpose::Canvas) {
        let masked = has(Purpose::Control(ControlKind::Mask));
        tags.push(if inputs.len() == 1 && says(&PERCEPTION) {
            TAGS[5]
        } else if !masked && says(&DYNAMIC) {
            TAGS[3]
        } else {
            TAGS[2]
        });
    } else if !inputs.is_empty() {
        tags.push(TAGS[4]);
    }
    if has(Purpose::Asset) {
        tags.push(TAGS[6]);
    }
    tags.into_iter().map(str::to_owned).collect()
}

/// What pictures are for when the artist has not said so (`None`): one that the words call a depth map, edges,
/// a scribble, a placement or a position is that control; the first picture is else the canvas, if no other
/// is; all others are assets.
pub fn derive_roles(given: &[Option<Purpose>], base: &str) -> Vec<Purpose> {
    let tokens: Vec<String> = plain(base).split(' ').map(str::to_owned).collect();
    let canvas_taken = given.contains(&Some(Purpose::Canvas));
    given
        .iter()
        .enumerate()
        .map(|(i, given)| {
            given.unwrap_or_else(|| match control_in_words(&tokens, i + 1) {
                Some(kind) => Purpose::Control(kind),
                None if i == 0 && !canvas_taken => Purpose::Canvas,
                None => Purpose::Asset,
            })
        })
        .collect()
}

/// The kind of control that the words before IMGn name: "the depth map of IMG2", "at the position of IMG3".
fn control_in_words(tokens: &[String], number: usize) -> Option<ControlKind> {
    const FILLERS: [&str; 10] = [
        "drawing", "from", "given", "image", "in", "map", "of", "picture", "shown", "the",
    ];
    let name = format!("img{number}");
    tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| **token == name)
        .find_map(|(at, _)| {
            let clue = tokens[..at]
                .iter()
                .rev()
                .take(4)
                .find(|token| !FILLERS.contains(&token.as_str()))?;
            match clue.as_str() {
                "depth" => Some(ControlKind::Depth),
                "edge" | "edges" | "contour" | "contours" => Some(ControlKind::Edge),
                "scribble" | "sketch" => Some(ControlKind::Scribble),
                "collage" | "placement" => Some(ControlKind::Placement),
                "mask" | "position" | "region" => Some(ControlKind::Mask),
                _ => None,
            }
        })
}

/// Lower case, single spaces, letters and digits only.
fn plain(text: &str) -> String {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|token| !token.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn contains_words(plain: &str, phrase: &str) -> bool {
    plain.match_indices(phrase).any(|(at, _)| {
        let (before, after) = (&plain[..at], &plain[at + phrase.len()..]);
        (before.is_empty() || before.ends_with(' ')) && (after.is_empty() || after.starts_with(' '))
    })
}

#[cfg(test)]
mod tests;
