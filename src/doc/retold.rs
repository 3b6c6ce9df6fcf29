//! What FLUX.2 is told: references in its order, and a text that calls them "image 1", "image 2", … and says what each
//! is for. Trained on plain instructions, it knows neither IMG words nor context tags.

use super::job::MaskedMode;
use super::prompt::{TAGS, WordKind, words};
use super::{CompiledPrompt, ControlKind, Document, Purpose};

/// What is asked of a model, as far as its text depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The pictures in IMG order, masks last.
    pub pictures: &'a [Purpose],
    /// The artist's words, with their IMG words ([`super::CompiledPrompt::base`]).
    pub base: &'a str,
    /// The context tags.
    pub tags: &'a [String],
    /// How what is masked is worked on.
    pub mode: MaskedMode,
    /// Only a part of the canvas may change.
    pub masked: bool,
}

impl<'a> Asked<'a> {
    /// What a document asks, with its compiled prompt.
    pub fn of(document: &Document, compiled: &'a CompiledPrompt) -> Self {
        let regions = !document.regions().is_empty();
        let whole = document
            .canvas_size()
            .map(|[width, height]| [0, 0, width, height]);
        let crop = document.settings().crop.filter(|_| whole.is_some());
        Self {
            pictures: &compiled.inputs,
            base: &compiled.base,
            tags: &compiled.tags,
            mode: document.settings().masked.mode_for(regions),
            masked: regions || crop.is_some_and(|crop| Some(crop) != whole),
        }
    }
}

impl Asked<'_> {
    /// Pictures that are no masks.
    pub fn shown(&self) -> usize {
        let mask = Purpose::Control(ControlKind::Mask);
        self.pictures.iter().filter(|p| **p != mask).count()
    }
}

/// Which input pictures become references, as positions among them: the canvas first, unless it is only blended
/// in, then assets, then control maps. Masks are never shown.
pub fn references(asked: &Asked<'_>) -> Vec<usize> {
    let rank = |purpose: &Purpose| match purpose {
        Purpose::Canvas if asked.mode == MaskedMode::Insert => None,
        Purpose::Canvas => Some(0),
        Purpose::Asset => Some(1),
        Purpose::Control(ControlKind::Mask) => None,
        Purpose::Control(_) => Some(2),
    };
    let mut order: Vec<(u8, usize)> = asked
        .pictures
        .iter()
        .enumerate()
        .filter_map(|(at, purpose)| Some((rank(purpose)?, at)))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, at)| at).collect()
}

/// The exact text that is sent: what each reference is, the artist's words with IMGn as "image k", the context tags
/// that say something new.
pub fn sent(asked: &Asked<'_>) -> String {
    let order = references(asked);
    let number = |at: usize| order.iter().position(|&other| other == at).map(|k| k + 1);
    let canvas = asked.pictures.iter().position(|p| *p == Purpose::Canvas);
    let context = asked.mode == MaskedMode::Context;
    let place = match canvas.and_then(number) {
        Some(k) if context => format!("the grey area of image {k}"),
        _ => "the marked place".to_owned(),
    };
    let mut sentences = Vec::new();
    for (k, &at) in (1..).zip(&order) {
        sentences.push(match asked.pictures[at] {
            Purpose::Canvas if context => {
                format!("Image {k} is the background, its grey area is to be filled in.")
            }
            Purpose::Canvas => format!("Image {k} is the picture to change."),
            Purpose::Asset => format!("Image {k} is a reference for an object."),
            Purpose::Control(ControlKind::Depth) => {
                format!("Image {k} is the depth map of the result.")
            }
            Purpose::Control(ControlKind::Edge) => {
                format!("Image {k} shows the edges of the result.")
            }
            Purpose::Control(ControlKind::Scribble) => {
                format!("Image {k} is a rough sketch of the result.")
            }
            Purpose::Control(_) => {
                format!("Image {k} shows where everything goes in the result.")
            }
        });
    }
    let base = base(asked, &number, canvas, &place);
    if !base.is_empty() {
        let ends = base.ends_with(['.', '!', '?', '…']);
        sentences.push(format!("{base}{}", if ends { "" } else { "." }));
    }
    for tag in asked.tags {
        match tag.as_str() {
            t if t == TAGS[0] => sentences.push("Photorealistic.".into()),
            t if t == TAGS[1] => sentences.push("Drawn or rendered, not a photograph.".into()),
            t if t == TAGS[2] && canvas.is_some() => {
                sentences.push("Everything else stays as it is.".into());
            }
            // The roles and the words say these already.
            t if TAGS.contains(&t) => {}
            other => {
                let mut letters = other.chars();
                let first: String = letters
                    .next()
                    .into_iter()
                    .flat_map(char::to_uppercase)
                    .collect();
                sentences.push(format!("{first}{}.", letters.as_str()));
            }
        }
    }
    sentences.join(" ")
}

/// The artist's words, or what the pictures alone ask for.
fn base(
    asked: &Asked<'_>,
    number: &dyn Fn(usize) -> Option<usize>,
    canvas: Option<usize>,
    place: &str,
) -> String {
    if asked.base.is_empty() {
        let assets: Vec<String> = (0..asked.pictures.len())
            .filter(|&at| asked.pictures[at] == Purpose::Asset)
            .filter_map(|at| Some(format!("the object of image {}", number(at)?)))
            .collect();
        return match (assets.is_empty(), canvas.is_some()) {
            (true, _) => String::new(),
            (false, true) if asked.masked => format!("Put {} into {place}.", assets.join(" and ")),
            (false, true) => format!("Put {} into the picture.", assets.join(" and ")),
            (false, false) => format!("Show {}.", assets.join(" and ")),
        };
    }
    let text = asked.base;
    let mut out = String::with_capacity(text.len() + 16);
    let mut from = 0;
    for word in words(text) {
        out.push_str(&text[from..word.range.start]);
        from = word.range.end;
        let at = word.number.and_then(|n| (n as usize).checked_sub(1));
        let name = match (word.kind, at.and_then(|at| asked.pictures.get(at))) {
            (WordKind::Result, _) => "the result".to_owned(),
            (_, Some(Purpose::Control(ControlKind::Mask))) => place.to_owned(),
            (_, Some(purpose)) => match at.and_then(number) {
                Some(k) => format!("image {k}"),
                None if *purpose == Purpose::Canvas => "the background".into(),
                None => "the picture".into(),
            },
            (_, None) => text[word.range.clone()].to_owned(),
        };
        // A sentence begins with a capital letter.
        let begins = out.trim_end().is_empty() || out.trim_end().ends_with(['.', '!', '?']);
        let mut letters = name.chars();
        match letters.next().filter(|_| begins) {
            Some(first) => {
                out.extend(first.to_uppercase());
                out.push_str(letters.as_str());
            }
            None => out.push_str(&name),
        }
    }
    out.push_str(&text[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Depth map, canvas, asset, another asset, mask.
    const PICTURES: [Purpose; 5] = [
        Purpose::Control(ControlKind::Depth),
        Purpose::Canvas,
        Purpose::Asset,
        Purpose::Asset,
        Purpose::Control(ControlKind::Mask),
    ];

    fn sent(pictures: &[Purpose], mode: MaskedMode, base: &str, tags: &[&str]) -> String {
        let tags: Vec<String> = tags.iter().map(|t| (*t).to_owned()).collect();
        super::sent(&Asked {
            pictures,
            base,
            tags: &tags,
            mode,
            masked: true,
        })
    }

    #[test]
    fn the_canvas_comes_first_and_maps_last_and_masks_never() {
        let order = |mode| {
            references(&Asked {
                pictures: &PICTURES,
                base: "",
                tags: &[],
                mode,
                masked: true,
            })
        };
        assert_eq!(order(MaskedMode::Edit), [1, 2, 3, 0]);
        assert_eq!(order(MaskedMode::Context), [1, 2, 3, 0]);
        // What is only blended in is not shown, or the old subject would bleed in.
        assert_eq!(order(MaskedMode::Insert), [2, 3, 0]);
    }

    #[test]
    fn words_name_the_references_by_their_new_numbers() {
        let base = "Put IMG3 next to img4 in IMG2 at IMG5, as deep as IMG1";
        let text = sent(
            &PICTURES,
            MaskedMode::Context,
            base,
            &[
                "realistic style",
                "static scenario",
                "with reference object",
            ],
        );
        assert_eq!(
            text,
            "Image 1 is the background, its grey area is to be filled in. \
             Image 2 is a reference for an object. Image 3 is a reference for an object. \
             Image 4 is the depth map of the result. \
             Put image 2 next to image 3 in image 1 at the grey area of image 1, as deep as image 4. \
             Photorealistic. Everything else stays as it is."
        );
    }

    #[test]
    fn a_canvas_that_is_not_shown_is_the_background() {
        let text = sent(
            &PICTURES,
            MaskedMode::Insert,
            "IMG3 stands in IMG2 at IMG5.",
            &["synthetic style", "seen from above"],
        );
        assert_eq!(
            text,
            "Image 1 is a reference for an object. Image 2 is a reference for an object. \
             Image 3 is the depth map of the result. \
             Image 1 stands in the background at the marked place. \
             Drawn or rendered, not a photograph. Seen from above."
        );
    }

    #[test]
    fn pictures_alone_ask_for_something_too() {
        let text = sent(&PICTURES, MaskedMode::Edit, "", &[]);
        assert!(
            text.ends_with(
                " Put the object of image 2 and the object of image 3 into the marked place."
            ),
            "{text}"
        );
        assert_eq!(sent(&[], MaskedMode::Edit, "A red cup", &[]), "A red cup.");
    }
}
