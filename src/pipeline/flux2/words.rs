//! What FLUX.2 is told: references in its order, and a text that calls them "image 1", "image 2", … and says what each
//! is for. Trained on plain instructions, it knows neither IMG words nor context tags.

use crate::doc::job::MaskedMode;
use crate::doc::prompt::{TAGS, WordKind, words};
use crate::doc::{ControlKind, Role};
use crate::pipeline::generator::{InputImage, Inputs};

/// Which input pictures become references, as positions among the inputs: the canvas first, unless it is only blended
/// in, then assets, then control maps. Masks are never shown.
pub fn references(inputs: &Inputs) -> Vec<usize> {
    let rank = |image: &InputImage| match (image.role, image.kind) {
        (Role::Canvas, _) if inputs.mode == MaskedMode::Insert => None,
        (Role::Canvas, _) => Some(0),
        (Role::Asset, _) => Some(1),
        (Role::Control, Some(ControlKind::Mask)) => None,
        (Role::Control, _) => Some(2),
    };
    let mut order: Vec<(u8, usize)> = inputs
        .images
        .iter()
        .enumerate()
        .filter_map(|(at, image)| Some((rank(image)?, at)))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, at)| at).collect()
}

/// The exact text that is sent: what each reference is, the artist's words with IMGn as "image k", the context tags
/// that say something new.
pub fn sent(inputs: &Inputs) -> String {
    let order = references(inputs);
    let number = |at: usize| order.iter().position(|&other| other == at).map(|k| k + 1);
    let canvas = inputs.images.iter().position(|i| i.role == Role::Canvas);
    let context = inputs.mode == MaskedMode::Context;
    let place = match canvas.and_then(number) {
        Some(k) if context => format!("the grey area of image {k}"),
        _ => "the marked place".to_owned(),
    };
    let mut sentences = Vec::new();
    for (k, &at) in (1..).zip(&order) {
        sentences.push(match (inputs.images[at].role, inputs.images[at].kind) {
            (Role::Canvas, _) if context => {
                format!("Image {k} is the background, its grey area is to be filled in.")
            }
            (Role::Canvas, _) => format!("Image {k} is the picture to change."),
            (Role::Asset, _) => format!("Image {k} is a reference for an object."),
            (_, Some(ControlKind::Depth)) => format!("Image {k} is the depth map of the result."),
            (_, Some(ControlKind::Edge)) => format!("Image {k} shows the edges of the result."),
            (_, Some(ControlKind::Scribble)) => {
                format!("Image {k} is a rough sketch of the result.")
            }
            _ => format!("Image {k} shows where everything goes in the result."),
        });
    }
    let base = base(inputs, &number, canvas, &place);
    if !base.is_empty() {
        let ends = base.ends_with(['.', '!', '?', '…']);
        sentences.push(format!("{base}{}", if ends { "" } else { "." }));
    }
    for tag in &inputs.tags {
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
    inputs: &Inputs,
    number: &dyn Fn(usize) -> Option<usize>,
    canvas: Option<usize>,
    place: &str,
) -> String {
    if inputs.base.is_empty() {
        let assets: Vec<String> = (0..inputs.images.len())
            .filter(|&at| inputs.images[at].role == Role::Asset)
            .filter_map(|at| Some(format!("the object of image {}", number(at)?)))
            .collect();
        let masked = inputs.editable.is_some();
        return match (assets.is_empty(), canvas.is_some()) {
            (true, _) => String::new(),
            (false, true) if masked => format!("Put {} into {place}.", assets.join(" and ")),
            (false, true) => format!("Put {} into the picture.", assets.join(" and ")),
            (false, false) => format!("Show {}.", assets.join(" and ")),
        };
    }
    let text = &inputs.base;
    let mut out = String::with_capacity(text.len() + 16);
    let mut from = 0;
    for word in words(text) {
        out.push_str(&text[from..word.range.start]);
        from = word.range.end;
        let at = word.number.and_then(|n| (n as usize).checked_sub(1));
        let name = match (word.kind, at.and_then(|at| inputs.images.get(at))) {
            (WordKind::Result, _) => "the result".to_owned(),
            (_, Some(image)) if image.kind == Some(ControlKind::Mask) => place.to_owned(),
            (_, Some(image)) => match at.and_then(number) {
                Some(k) => format!("image {k}"),
                None if image.role == Role::Canvas => "the background".into(),
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
    use crate::doc::Level;

    fn image(role: Role, kind: Option<ControlKind>) -> InputImage {
        InputImage {
            key: 0,
            role,
            kind,
            level: kind.map(|_| Level::Blob),
            fit: None,
            width: 16,
            height: 16,
            values: Vec::new(),
            placed: None,
        }
    }

    /// Depth map, canvas, asset, another asset, mask.
    fn inputs(mode: MaskedMode, base: &str, tags: &[&str]) -> Inputs {
        Inputs {
            text: String::new(),
            base: base.into(),
            tags: tags.iter().map(|t| (*t).to_owned()).collect(),
            images: vec![
                image(Role::Control, Some(ControlKind::Depth)),
                image(Role::Canvas, None),
                image(Role::Asset, None),
                image(Role::Asset, None),
                image(Role::Control, Some(ControlKind::Mask)),
            ],
            width: 16,
            height: 16,
            joint: 1,
            map: false,
            mode,
            editable: Some(vec![1.0; 256]),
        }
    }

    #[test]
    fn the_canvas_comes_first_and_maps_last_and_masks_never() {
        assert_eq!(references(&inputs(MaskedMode::Edit, "", &[])), [1, 2, 3, 0]);
        assert_eq!(
            references(&inputs(MaskedMode::Context, "", &[])),
            [1, 2, 3, 0]
        );
        // What is only blended in is not shown, or the old subject would bleed in.
        assert_eq!(references(&inputs(MaskedMode::Insert, "", &[])), [2, 3, 0]);
    }

    #[test]
    fn words_name_the_references_by_their_new_numbers() {
        let base = "Put IMG3 next to img4 in IMG2 at IMG5, as deep as IMG1";
        let text = sent(&inputs(
            MaskedMode::Context,
            base,
            &[
                "realistic style",
                "static scenario",
                "with reference object",
            ],
        ));
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
        let text = sent(&inputs(
            MaskedMode::Insert,
            "IMG3 stands in IMG2 at IMG5.",
            &["synthetic style", "seen from above"],
        ));
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
        let text = sent(&inputs(MaskedMode::Edit, "", &[]));
        assert!(
            text.ends_with(
                " Put the object of image 2 and the object of image 3 into the marked place."
            ),
            "{text}"
        );
        let mut words_only = inputs(MaskedMode::Edit, "A red cup", &[]);
        words_only.images.clear();
        assert_eq!(sent(&words_only), "A red cup.");
    }
}
