//! What an artist might have written: a base text in many phrasings, and the context tags before it.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::plan::{Backdrop, Input, Plan, Side, Task};
use crate::world::pack::{Object, Pack};

/// The most bytes a caption may take in a record.
pub const TEXT_BYTES: usize = 320;

/// Phrases with holes; a phrase is used only if every hole can be filled. `{the}` is "the red chair", `{an}` "a red
/// chair", `{C}` the canvas's word, `{A}` the asset's, `{P}` the placement's, `{M}` the mask's, `{F}` the first mask's
/// of a move, `{side}` "on the left", `{from}` the side it comes from, `{place}` "the paved plaza", `{rel}` "next to the
/// lamp".
const INSERT_REFERENCE: &[&str] = &[
    "Put {the} from {A} into {C} at the place of {M}.",
    "Put {the} from {A} into {C}.",
    "Place {the} of {A} in {C} where {M} is.",
    "Place {the} of {A} {side} of {C}.",
    "Add {the} of {A} to {C} in the region of {M}.",
    "Add {the} of {A} on the ground.",
    "Add {the} from {A} {side}.",
    "Insert {the} from {A} into {C}, guided by {M}.",
    "Insert {the} shown in {A} into {C} {rel}, at the position of {M}.",
    "{The} from {A} stands {rel} in {C}, at the position of {M}.",
    "{The} from {A} stands {side} of {C}.",
    "{The} from {A} is in {C} at {M}.",
    "{The} of {A} {rel}.",
    "{The} of {A} in {M}.",
    "{The} of {A} in {place}.",
    "In {C}, {place}, add {the} of {A} {side}.",
    "In {place} of {C} stands {the} from {A}, {rel}.",
    "A photo of {place} with {the} of {A} {side}.",
    "Fill {M} of {C} with {the} of {A}.",
    "Let {the} of {A} stand in {C} where {M} shows it, with a natural shadow.",
    "Compose {the} of {A} into {C}; {P} shows roughly how it should be.",
    "Use {P} as a rough sketch and put {the} from {A} into {C} at {M}.",
    "Put {the} of {A} into {C} as placed in {P}.",
    "{The} of {A} as in {P}, at {M}.",
    "Blend {the} into {C} as {P} shows.",
    "Show {the} from {A} {side} in {C}, with matching light.",
    "Set {the} of {A} down {rel} in {C}.",
    "Set {the} of {A} down in {C} at the spot of {M}, turned to fit the scene.",
    "Bring {the} of {A} into {C} and match the light of {place}.",
    "{A} in {C}.",
    "{A} in {C} at {M}.",
    "Put {A} here.",
    "Add {A}.",
    "{The} from {A}.",
];

const INSERT_WORDS: &[&str] = &[
    "Add {an} to {C} at the place of {M}.",
    "Add {an} to {C} {side}.",
    "Add {an} {rel}.",
    "Put {an} into {C} where {M} is.",
    "Put {an} on the ground {side}.",
    "{An} in {M}.",
    "{An} stands {rel} in {C}.",
    "{An} stands {side} in {place}.",
    "Insert {an} into {C}, guided by {M}.",
    "Fill {M} of {C} with {an}.",
    "In {C}, {place}, add {an} {side}.",
    "A picture of {place} with {an} {side}.",
    "Draw {an} at {M} with a natural shadow.",
    "{An}.",
];

const REMOVE: &[&str] = &[
    "Remove {the} from {C}.",
    "Remove {the} in {M} from {C}.",
    "Remove {the} {side} of {C}.",
    "Remove {the} {rel}.",
    "Remove {the} and its shadow.",
    "Remove the object at {M}.",
    "Erase {the} at {M} and show {place} behind it.",
    "Erase {the} from {place}.",
    "Take {the} away from {C}, with its shadow.",
    "Take away what {M} shows.",
    "Clear the region of {M} in {C}.",
    "{C} without {the}.",
    "Empty {place}, without {the} {side}.",
    "Delete {the}.",
    "Remove {M}.",
];

const MOVE: &[&str] = &[
    "Move {the} from {F} to {M}.",
    "Move {the} in {C} from the place of {F} to the place of {M}.",
    "Move {the} {from} to {M}.",
    "Move what {F} shows to {M}.",
    "Put {the} of {F} where {M} is.",
    "Shift {the} in {C} from {F} to {M}, with its shadow.",
    "{The} at {F} now stands at {M}, {side}.",
    "{The} of {C} stands {side} instead of {from}.",
    "Take {the} at {F} and set it down at {M}, {rel}.",
    "Relocate {the} in {place} from {F} to {M}.",
];

const IDENTITY: &[&str] = &[
    "Show {the} from {A} from another side.",
    "Show {the} of {A} from another angle on a plain ground.",
    "Turn {the} of {A}.",
    "Another view of {the} in {A}.",
    "{The} of {A}, seen from another side.",
    "{The} from {A} under another light.",
    "A picture of {the} of {A} on a grey ground.",
    "The same {noun} as in {A}, turned.",
    "{A} from another side.",
    "Rotate {A}.",
];

const EXTRAS: &[&str] = &[
    "Keep everything else as it is.",
    "Keep the rest of {C} unchanged.",
    "It should look natural.",
    "Match the light of the scene.",
    "Add a soft shadow.",
    "The scene is {place}.",
    "Let it cast a shadow on the ground.",
];

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

/// "red chair", "chair" or "object".
fn noun(object: &Object, vague: bool, rng: &mut ChaCha8Rng) -> String {
    if vague && rng.random_bool(0.12) {
        return (*["object", "thing", "item"].choose(rng).unwrap_or(&"object")).to_owned();
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
        Backdrop::Floor(None) => "the plain room".to_owned(),
    })
}

/// The caption of a plan.
pub fn caption(pack: &Pack, plan: &Plan, rng: &mut ChaCha8Rng) -> Caption {
    let inputs = plan.inputs();
    let word = |input: Input| {
        let at = inputs.iter().position(|&i| i == input)?;
        Some(format!("IMG{}", at + 1))
    };
    let subject = &pack.objects[plan.subject];
    let vague = word(Input::Asset).is_some() || plan.task == Task::Remove;
    let noun_words = noun(subject, vague, rng);
    let mut words = vec![
        ("the", format!("the {noun_words}")),
        ("The", format!("The {noun_words}")),
        ("an", format!("{} {noun_words}", article(&noun_words))),
        (
            "An",
            capitalised(&format!("{} {noun_words}", article(&noun_words))),
        ),
        ("noun", noun_words),
        ("side", side_words(Side::of(plan.u), rng).to_owned()),
    ];
    if plan.task == Task::Move && Side::of(plan.from_u) != Side::of(plan.u) {
        words.push(("from", side_words(Side::of(plan.from_u), rng).to_owned()));
    }
    for (hole, input) in [
        ("C", Input::Canvas),
        ("A", Input::Asset),
        ("P", Input::Placement),
        ("F", Input::MaskFrom),
        ("M", Input::Mask),
    ] {
        words.extend(word(input).map(|w| (hole, w)));
    }
    if plan.task != Task::IdentityPair {
        words.extend(place(pack, plan.backdrop, rng).map(|p| ("place", p)));
    }
    if let Some(companion) = &plan.companion {
        let other = noun(&pack.objects[companion.object], false, rng);
        let relation = if companion.in_front {
            *["behind", "partly behind"].choose(rng).unwrap_or(&"behind")
        } else {
            let beside = if plan.u < companion.u {
                "to the left of"
            } else {
                "to the right of"
            };
            *["next to", "beside", "near", beside]
                .choose(rng)
                .unwrap_or(&"near")
        };
        words.push(("rel", format!("{relation} the {other}")));
    }
    let words = Words(words);
    let phrases = match plan.task {
        Task::InsertReference => INSERT_REFERENCE,
        Task::InsertWords => INSERT_WORDS,
        Task::Remove => REMOVE,
        Task::Move => MOVE,
        Task::IdentityPair => IDENTITY,
    };
    // Without a mask only words can say where: phrases that say so, then.
    let says_where = |p: &str| {
        !(plan.level.is_none() && plan.task != Task::IdentityPair)
            || p.contains("{side}")
            || p.contains("{rel}")
    };
    let mut usable: Vec<String> = phrases
        .iter()
        .filter(|p| says_where(p) && (!plan.placement || p.contains("{P}") || p.contains("{A}")))
        .filter_map(|p| words.fill(p))
        .collect();
    if usable.is_empty() {
        usable.extend(phrases.iter().filter_map(|p| words.fill(p)));
    }
    let mut base = usable.choose(rng).cloned().unwrap_or_default();
    if plan.task != Task::IdentityPair && rng.random_bool(0.15) {
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
        if let Some(extra) = extras.choose(rng) {
            base = format!("{base} {extra}");
        }
    }
    if rng.random_bool(0.12) {
        // Artists don't always end a line with a full stop, or start it with a capital.
        base = base.trim_end_matches('.').to_owned();
        if !base.starts_with("IMG") && rng.random_bool(0.5) {
            let mut chars = base.chars();
            if let Some(first) = chars.next() {
                base = first.to_lowercase().chain(chars).collect();
            }
        }
    }
    Caption {
        tags: tags(plan)
            .into_iter()
            .filter(|_| !rng.random_bool(0.12))
            .collect(),
        base,
    }
}

/// The context tags that belong to a plan.
fn tags(plan: &Plan) -> Vec<&'static str> {
    let mut tags = Vec::with_capacity(3);
    if plan.task != Task::IdentityPair {
        tags.push(match plan.backdrop {
            Backdrop::Panorama(_) | Backdrop::Photo(_) => "realistic style",
            Backdrop::Floor(_) => "synthetic style",
        });
        tags.push("static scenario");
    } else {
        tags.push("synthetic style");
        tags.push("dynamic scenario");
    }
    if matches!(plan.task, Task::InsertReference | Task::IdentityPair) {
        tags.push("with reference object");
    }
    tags
}
