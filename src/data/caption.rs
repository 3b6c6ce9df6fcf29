//! What an artist might have written: a base text in many phrasings, and the context tags before it.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::phrases::*;
use super::plan::{Backdrop, Input, Plan, Side, Task};
use super::staging::{Facts, Relation};
use crate::doc::ControlKind;
use crate::doc::prompt::TAGS;
use crate::world::clip::Change;
use crate::world::pack::{Object, Pack};

/// The most bytes a caption may take in a record.
pub const TEXT_BYTES: usize = 320;

/// One caption: the tags as derived (some dropped), and the base text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caption {
    /// Context tags, lower case, in their fixed order.
    pub tags: Vec<&'static str>,
    /// The base text with IMGn words.
    pub base: String,
}

impl Caption {
    /// The text the model gets: tags, then the base.
    pub fn text(&self) -> String {
        let mut text = self.tags.join("; ");
        if !text.is_empty() {
            text = capitalised(&text) + ". ";
        }
        text.push_str(&self.base);
        // A record has room for so many bytes; the longest name in a long phrase stays below, this is the guard.
        while text.len() > TEXT_BYTES {
            text.pop();
        }
        text
    }
}

/// A caption that may still be made shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What must be said, and the tags.
    pub caption: Caption,
    /// A sentence after it that adds little.
    pub extra: Option<String>,
}

impl Draft {
    /// All of it as a caption.
    pub fn whole(&self) -> Caption {
        let mut caption = self.caption.clone();
        if let Some(extra) = &self.extra {
            caption.base = format!("{} {extra}", caption.base);
        }
        caption
    }

    /// The caption without as much as must go for its text to fit: first the extra sentence, then tags from the last
    /// on. The base stays whole, as it names pictures.
    ///
    /// # Errors
    /// Those of `fits`.
    pub fn fitted<E>(mut self, fits: impl Fn(&str) -> Result<bool, E>) -> Result<Caption, E> {
        while !fits(&self.whole().text())? {
            if self.extra.take().is_none() && self.caption.tags.pop().is_none() {
                break;
            }
        }
        Ok(self.whole())
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

fn article(noun: &str) -> &'static str {
    match noun.chars().next() {
        Some('a' | 'e' | 'i' | 'o' | 'u') => "an",
        _ => "a",
    }
}

fn without_article(name: &str) -> &str {
    ["a ", "an ", "the "]
        .iter()
        .find_map(|article| name.strip_prefix(article))
        .unwrap_or(name)
}

/// What an artist calls an object at times that a picture or a place points at.
fn thing(rng: &mut ChaCha8Rng) -> Option<&'static str> {
    rng.random_bool(0.12)
        .then(|| *["object", "thing", "item"].choose(rng).unwrap_or(&"object"))
}

/// "red chair", "chair" or "object".
fn noun(object: &Object, vague: bool, rng: &mut ChaCha8Rng) -> String {
    if vague && let Some(thing) = thing(rng) {
        return thing.to_owned();
    }
    match object.colours.as_slice() {
        [] => object.name.clone(),
        // Names that start with a colour word already would say it twice.
        [colour, ..] if object.name.contains(colour.as_str()) => object.name.clone(),
        [first, second, ..] if rng.random_bool(0.15) => {
            format!("{first} and {second} {}", object.name)
        }
        [colour, ..] if rng.random_bool(0.4) => format!("{colour} {}", object.name),
        _ => object.name.clone(),
    }
}

fn side_words(side: Side, rng: &mut ChaCha8Rng) -> &'static str {
    let words: &[&'static str] = match side {
        Side::Left => &["on the left", "on the left side", "at the left"],
        Side::Middle => &[
            "in the middle",
            "in the centre",
            "in the middle of the picture",
        ],
        Side::Right => &["on the right", "on the right side", "at the right"],
    };
    words.choose(rng).copied().unwrap_or(words[0])
}

/// Words for the holes of the phrases.
struct Words(Vec<(&'static str, String)>);

impl Words {
    /// Words for an object called `noun` at `u`, and for the inputs of a plan.
    fn of(plan: &Plan, noun: &str, u: f32, rng: &mut ChaCha8Rng) -> Self {
        let an = format!("{} {noun}", article(noun));
        let mut words = vec![
            ("noun", noun.to_owned()),
            ("the", format!("the {noun}")),
            ("The", format!("The {noun}")),
            ("An", capitalised(&an)),
            ("an", an),
            ("side", side_words(Side::of(u), rng).to_owned()),
        ];
        let inputs = plan.inputs();
        for (hole, input) in [
            ("C", Input::Canvas),
            ("A", Input::Asset(0)),
            ("B", Input::Asset(1)),
            ("D", Input::Asset(2)),
            ("P", Input::Placement),
            ("K", Input::Map(plan.control)),
            ("F", Input::MaskFrom),
            ("M", Input::Mask),
        ] {
            let at = inputs.iter().position(|&i| i == input);
            words.extend(at.map(|at| (hole, format!("IMG{}", at + 1))));
        }
        Self(words)
    }

    /// The phrase with its holes filled; `None` if one can't be.
    fn fill(&self, phrase: &str) -> Option<String> {
        let mut text = String::with_capacity(phrase.len() * 2);
        let mut rest = phrase;
        while let Some(open) = rest.find('{') {
            let close = open + rest[open..].find('}')?;
            text.push_str(&rest[..open]);
            let hole = &rest[open + 1..close];
            text.push_str(&self.0.iter().find(|(name, _)| *name == hole)?.1);
            rest = &rest[close + 1..];
        }
        text.push_str(rest);
        Some(text)
    }
}

/// The name of what is around the objects, with "the".
fn place(pack: &Pack, backdrop: Backdrop, rng: &mut ChaCha8Rng) -> Option<String> {
    let one = |names: &[&str], rng: &mut ChaCha8Rng| {
        (*names.choose(rng).unwrap_or(&"the room")).to_owned()
    };
    Some(match backdrop {
        Backdrop::Panorama(at) => format!("the {}", without_article(&pack.panoramas[at].name)),
        Backdrop::Photo(at) if pack.photos[at].grocery => "the grocery shop".to_owned(),
        Backdrop::Photo(_) => return None,
        Backdrop::Floor(Some(at)) => {
            let name = &pack.tiles[at].name;
            match rng.random_range(0..2) {
                0 => format!("the {name}"),
                _ => format!("the room with {name}"),
            }
        }
        Backdrop::Floor(None) => one(&["the plain room", "the empty room", "the room"], rng),
        Backdrop::Table(_) => one(&["the room with a table", "the room with the table"], rng),
        Backdrop::Shelf => one(&["the shelf", "the wooden shelf", "the rack"], rng),
    })
}

/// "a chair, a lamp and a red box".
fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn related(relation: Relation, other: &str, rng: &mut ChaCha8Rng) -> String {
    let words: &[&str] = match relation {
        Relation::Behind => &["behind", "partly behind", "at the back of"],
        Relation::Front => &["in front of", "before"],
        Relation::Left => &["next to", "beside", "near", "to the left of", "left of"],
        Relation::Right => &["next to", "beside", "near", "to the right of", "right of"],
        Relation::Near => &["near", "close to"],
    };
    format!("{} {other}", words.choose(rng).unwrap_or(&"near"))
}

fn phrases(plan: &Plan, facts: &Facts) -> &'static [&'static str] {
    match plan.task {
        Task::InsertReference => INSERT_REFERENCE,
        Task::InsertWords => INSERT_WORDS,
        Task::Remove => REMOVE,
        Task::Move => MOVE,
        Task::TextToImage => TEXT_TO_IMAGE,
        Task::Customise => match plan.assets {
            1 => CUSTOMISE_ONE,
            2 => CUSTOMISE_TWO,
            _ => CUSTOMISE_THREE,
        },
        Task::Segment => SEGMENT,
        Task::Depth => DEPTH,
        Task::Edges => EDGES,
        Task::Control => match (plan.control == ControlKind::Mask, plan.assets > 0) {
            (true, true) => CONTROL_MASK_ASSET,
            (true, false) => CONTROL_MASK,
            (false, true) => CONTROL_MAP_ASSET,
            (false, false) => CONTROL_MAP,
        },
        Task::Outpaint => match (facts.outside, plan.assets > 0) {
            (true, true) => OUTPAINT_ASSET,
            (true, false) => OUTPAINT,
            (false, true) => INPAINT_ASSET,
            (false, false) => INPAINT,
        },
        Task::IdentityPair => IDENTITY,
        Task::Frame2Frame => match facts.change {
            Some((Change::Absent, true)) => FRAME_ADD,
            Some((Change::Absent, false)) | None => FRAME_REMOVE,
            Some((Change::Moved(..), _)) => FRAME_MOVE,
            Some((Change::Turned(_), _)) => FRAME_TURN,
            Some((Change::Posed, _)) => FRAME_POSE,
            Some((Change::Resized(factor), backward)) => {
                if (factor > 1.0) != backward {
                    FRAME_LARGER
                } else {
                    FRAME_SMALLER
                }
            }
            Some((Change::Recoloured(_), _)) => FRAME_COLOUR,
            Some((Change::Made(_), _)) => FRAME_MADE,
            Some((Change::Relit, _)) => FRAME_LIGHT,
            Some((Change::Orbited(_), _)) => FRAME_ORBIT,
        },
    }
}

fn way(u: f32, v: f32) -> String {
    let side = if u > 0.0 { "right" } else { "left" };
    match v {
        v if v > 0.07 => format!("to the {side} and nearer"),
        v if v < -0.07 => format!("to the {side} and farther back"),
        _ => format!("to the {side}"),
    }
}

/// The caption of a plan of which `facts` are known.
pub fn caption(pack: &Pack, plan: &Plan, facts: &Facts, rng: &mut ChaCha8Rng) -> Draft {
    let subject = &pack.objects[facts.objects[0]];
    // Where a picture or a place points at it, an artist may call it a thing.
    let vague = plan.inputs().contains(&Input::Asset(0)) || plan.task == Task::Remove;
    let recoloured = match facts.change {
        Some((Change::Recoloured(new), backward)) => Some((new, backward)),
        _ => None,
    };
    let noun_words = match recoloured {
        // The colour is what changes: it does not name the object.
        Some((new, true)) if rng.random_bool(0.3) => format!("{new} {}", subject.name),
        Some(_) => subject.name.clone(),
        None => noun(subject, vague, rng),
    };
    let mut words = Words::of(plan, &noun_words, facts.u, rng);
    let mut all = vec![format!("{} {noun_words}", article(&noun_words))];
    for (at, &object) in facts.objects.iter().enumerate().skip(1) {
        let other = noun(&pack.objects[object], false, rng);
        if let Some(hole) = ["", "b", "d"].get(at) {
            words.0.push((hole, format!("the {other}")));
        }
        all.push(format!("{} {other}", article(&other)));
    }
    let all: Vec<String> = facts
        .listed
        .iter()
        .filter_map(|&at| all.get(at).cloned())
        .collect();
    if !all.is_empty() {
        words.0.push(("all", list(&all)));
        words.0.push(("All", capitalised(&list(&all))));
    }
    if let Some(from) = facts.from_u
        && Side::of(from) != Side::of(facts.u)
    {
        words
            .0
            .push(("from", side_words(Side::of(from), rng).to_owned()));
    }
    let map = match plan.control {
        ControlKind::Depth => "depth map",
        _ => *["edges", "edge map", "edge drawing"]
            .choose(rng)
            .unwrap_or(&"edges"),
    };
    words.0.push(("map", map.to_owned()));
    match facts.change {
        Some((Change::Moved(u, v), backward)) => {
            let sign = if backward { -1.0 } else { 1.0 };
            words.0.push(("way", way(sign * u, sign * v)));
        }
        Some((Change::Recoloured(new), backward)) => {
            let own = subject.colours.first().map_or(new, String::as_str);
            words
                .0
                .push(("colour", if backward { own } else { new }.to_owned()));
        }
        Some((Change::Made(stuff), _)) => words.0.push(("stuff", stuff.to_owned())),
        Some((Change::Orbited(angle), backward)) => {
            // Turning about y from z to x takes the camera to the right.
            let right = (angle > 0.0) != backward;
            let round = if right { "to the right" } else { "to the left" };
            words.0.push(("round", round.to_owned()));
        }
        _ => {}
    }
    if plan.task != Task::IdentityPair
        && let Some(place) = place(pack, plan.wish.backdrop, rng)
    {
        words.0.push(("Place", capitalised(&place)));
        words.0.push(("place", place));
    }
    if let Some((relation, object)) = facts.relation {
        let other = noun(&pack.objects[object], false, rng);
        words
            .0
            .push(("rel", related(relation, &format!("the {other}"), rng)));
    }
    said(plan, facts, &words, rng)
}

/// The caption of a plan for a film, of whose object no more is known than a name and where it is.
pub fn filmed(plan: &Plan, name: &str, u: f32, rng: &mut ChaCha8Rng) -> Caption {
    let facts = Facts { u, ..Facts::of(0) };
    let noun = thing(rng).unwrap_or(without_article(name));
    let words = Words::of(plan, noun, u, rng);
    said(plan, &facts, &words, rng).whole()
}

/// One of a plan's phrases in these words, and its tags.
fn said(plan: &Plan, facts: &Facts, words: &Words, rng: &mut ChaCha8Rng) -> Draft {
    let phrases = phrases(plan, facts);
    // Without a mask only words can say where an object goes: phrases that say so, then.
    let placed = matches!(plan.task, Task::InsertReference | Task::InsertWords);
    let says_where =
        |p: &str| !(plan.level.is_none() && placed) || p.contains("{side}") || p.contains("{rel}");
    let mut usable: Vec<String> = phrases
        .iter()
        .filter(|p| says_where(p) && (!plan.placement || p.contains("{P}") || p.contains("{A}")))
        .filter_map(|p| words.fill(p))
        .collect();
    if usable.is_empty() {
        usable.extend(phrases.iter().filter_map(|p| words.fill(p)));
    }
    let mut base = usable.choose(rng).cloned().unwrap_or_default();
    let edits = matches!(
        plan.task,
        Task::InsertReference | Task::InsertWords | Task::Remove | Task::Move
    );
    let mut extra = None;
    if edits && rng.random_bool(0.15) {
        // The last ones speak of an object that is put in.
        let count = if plan.task == Task::Remove {
            3
        } else {
            EXTRAS.len()
        };
        let extras: Vec<String> = EXTRAS[..count]
            .iter()
            .filter_map(|p| words.fill(p))
            .collect();
        extra = extras.choose(rng).cloned();
    }
    if plan.joint {
        // The sentence that makes a second picture comes before others that may not fit.
        base = match rng.random_range(0..3) {
            0 => format!("{base} Also give its mask as RES2."),
            1 => format!("RES1 is the picture, RES2 the mask of the object. {base}"),
            _ => format!("Give the picture and the mask of the object. {base}"),
        };
    }
    if rng.random_bool(0.12) {
        // Artists don't always end a line with a full stop, or start it with a capital.
        let last = extra.as_mut().unwrap_or(&mut base);
        *last = last.trim_end_matches('.').to_owned();
        if !base.starts_with("IMG") && !base.starts_with("RES") && rng.random_bool(0.5) {
            let mut chars = base.chars();
            if let Some(first) = chars.next() {
                base = first.to_lowercase().chain(chars).collect();
            }
        }
    }
    let tags = tags(plan, facts)
        .into_iter()
        .filter(|_| !rng.random_bool(0.12))
        .collect();
    Draft {
        caption: Caption { tags, base },
        extra,
    }
}

/// The context tags that belong to a plan, in the order of [`TAGS`].
fn tags(plan: &Plan, facts: &Facts) -> Vec<&'static str> {
    let [
        realistic,
        synthetic,
        still,
        dynamic,
        novel,
        perception,
        reference,
    ] = TAGS;
    let alone = plan.task == Task::IdentityPair;
    let mut tags = Vec::with_capacity(3);
    tags.push(match plan.wish.backdrop {
        Backdrop::Panorama(_) | Backdrop::Photo(_) if !alone => realistic,
        _ => synthetic,
    });
    if alone {
        tags.push(dynamic);
    } else if plan.task.is_perception() {
        tags.push(perception);
    } else if plan.task.has_canvas() {
        tags.push(match facts.change {
            Some((change, _)) if !change.is_still() => dynamic,
            _ => still,
        });
    } else if !plan.inputs().is_empty() {
        tags.push(novel);
    }
    if plan.assets > 0 {
        tags.push(reference);
    }
    tags
}
