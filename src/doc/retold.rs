//! What FLUX.2 is told: references in its order, and a text that calls them "image 1", "image 2", … and says what each
//! is for. Trained on plain instructions, it knows neither IMG words nor context tags.

pub mod places;

use super::job::{CropBox, MaskedMode};
use super::prompt::{TAGS, WordKind, words};
use super::{CompiledPrompt, ControlKind, Document, Purpose};

use places::{Bounds, places};

/// A pixel is masked from this value on.
const MASKED: u8 = 128;

/// A masked place, as far as words can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedRegion {
    /// Which of the pictures is placed there.
    pub asset: Option<usize>,
    /// Where it lies: "on the left".
    pub place: String,
}

/// The masked places of a job: which picture each places and where its mask lies on the canvas, of which the model sees
/// `crop`.
pub fn asked_regions(regions: &[(Option<usize>, Bounds)], crop: CropBox) -> Vec<AskedRegion> {
    let bounds: Vec<Bounds> = regions.iter().map(|(_, bounds)| *bounds).collect();
    regions
        .iter()
        .zip(places(&bounds, crop))
        .map(|(&(asset, _), place)| AskedRegion { asset, place })
        .collect()
}

/// What is asked of a model, as far as its text depends on it.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// The pictures in IMG order, masks last.
    pub pictures: &'a [Purpose],
    /// The artist's words, with their IMG words ([`super::CompiledPrompt::base`]).
    pub base: &'a str,
    /// The context tags.
    pub tags: &'a [String],
    /// The artist set them; those that follow from words and pictures say nothing of the style, which may be that of a
    /// drawn canvas.
    pub tags_set: bool,
    /// How what is masked is worked on.
    pub mode: MaskedMode,
    /// Only a part of the canvas may change.
    pub masked: bool,
    /// The masked places, in the order of their masks.
    pub regions: Vec<AskedRegion>,
}

impl<'a> Asked<'a> {
    /// What a document asks, with its compiled prompt; `seen` is the part of the canvas that the model sees.
    pub fn of(document: &Document, compiled: &'a CompiledPrompt, seen: CropBox) -> Self {
        let whole = document
            .canvas_size()
            .map(|[width, height]| [0, 0, width, height]);
        let crop = document.settings().crop.filter(|_| whole.is_some());
        let slot = |id| document.slots().iter().position(|slot| slot.id == id);
        let regions: Vec<(Option<usize>, Bounds)> = document
            .regions()
            .iter()
            .map(|region| (region.asset.and_then(slot), region.mask.bounds(MASKED)))
            .collect();
        let masked = !regions.is_empty();
        Self {
            pictures: &compiled.inputs,
            base: &compiled.base,
            tags: &compiled.tags,
            tags_set: !compiled.derived_tags,
            mode: document.settings().masked.mode_for(masked, document.wish()),
            masked: masked || crop.is_some_and(|crop| Some(crop) != whole),
            regions: asked_regions(&regions, seen),
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
    let shown = canvas.and_then(number);
    let several = asked.regions.len() > 1;
    // What a region is called: grey areas can be seen, other places must be told.
    let place = |region: usize| -> String {
        let region = asked.regions.get(region);
        match (shown, region) {
            (Some(k), Some(region)) if context && several => {
                format!("the grey area of image {k} {}", region.place)
            }
            (Some(k), _) if context => format!("the grey area of image {k}"),
            (Some(k), Some(region)) => format!("the part of image {k} {}", region.place),
            (None, Some(region)) => format!("the place {}", region.place),
            (Some(_) | None, None) => "the marked place".to_owned(),
        }
    };
    let mut sentences = Vec::new();
    for (k, &at) in (1..).zip(&order) {
        sentences.push(match asked.pictures[at] {
            Purpose::Canvas if context && several => {
                format!("Image {k} is the background, its grey areas are to be filled in.")
            }
            Purpose::Canvas if context => {
                format!("Image {k} is the background, its grey area is to be filled in.")
            }
            Purpose::Canvas => format!("Image {k} is the picture to change."),
            Purpose::Asset => match asked.regions.iter().position(|r| r.asset == Some(at)) {
                Some(region) if several => {
                    format!(
                        "Image {k} is a reference for the object in {}.",
                        place(region)
                    )
                }
                _ => format!("Image {k} is a reference for an object."),
            },
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
            t if t == TAGS[0] && asked.tags_set => sentences.push("Photorealistic.".into()),
            t if t == TAGS[1] && asked.tags_set => {
                sentences.push("Drawn or rendered, not a photograph.".into());
            }
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
    place: &dyn Fn(usize) -> String,
) -> String {
    if asked.base.is_empty() {
        let assets = (0..asked.pictures.len()).filter(|&at| asked.pictures[at] == Purpose::Asset);
        let several = asked.regions.len() > 1;
        let objects: Vec<String> = assets
            .filter_map(|at| {
                let object = format!("the object of image {}", number(at)?);
                let region = asked.regions.iter().position(|r| r.asset == Some(at));
                Some(match region.filter(|_| several) {
                    Some(region) => format!("{object} into {}", place(region)),
                    None => object,
                })
            })
            .collect();
        let objects = (!objects.is_empty()).then(|| objects.join(" and "));
        return match (objects, canvas.is_some()) {
            (None, _) => String::new(),
            (Some(objects), true) if several => format!("Put {objects}."),
            (Some(objects), true) if asked.masked => format!("Put {objects} into {}.", place(0)),
            (Some(objects), true) => format!("Put {objects} into the picture."),
            (Some(objects), false) => format!("Show {objects}."),
        };
    }
    let text = asked.base;
    // Regions' masks come last.
    let masks = asked.pictures.len() - asked.regions.len().min(asked.pictures.len());
    let region = |at: Option<usize>| at.map_or(usize::MAX, |at| at.wrapping_sub(masks));
    let mut out = String::with_capacity(text.len() + 16);
    let mut from = 0;
    for word in words(text) {
        out.push_str(&text[from..word.range.start]);
        from = word.range.end;
        let at = word.number.and_then(|n| (n as usize).checked_sub(1));
        let name = match (word.kind, at.and_then(|at| asked.pictures.get(at))) {
            (WordKind::Result, _) => "the result".to_owned(),
            (_, Some(Purpose::Control(ControlKind::Mask))) => place(region(at)),
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
    use super::super::job::MaskedSpec;
    use super::super::prompt::Intent;
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
            tags_set: true,
            mode,
            masked: true,
            regions: vec![region(Some(2), "on the left")],
        })
    }

    fn region(asset: Option<usize>, place: &str) -> AskedRegion {
        AskedRegion {
            asset,
            place: place.to_owned(),
        }
    }

    #[test]
    fn the_canvas_comes_first_and_maps_last_and_masks_never() {
        let order = |mode| {
            references(&Asked {
                pictures: &PICTURES,
                base: "",
                tags: &[],
                tags_set: false,
                mode,
                masked: true,
                regions: Vec::new(),
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
    fn only_a_style_that_was_set_is_told() {
        let tags = [TAGS[0].to_owned()];
        for (tags_set, text) in [
            (true, "A pencil sketch of a house. Photorealistic."),
            (false, "A pencil sketch of a house."),
        ] {
            let asked = Asked {
                pictures: &[],
                base: "A pencil sketch of a house",
                tags: &tags,
                tags_set,
                mode: MaskedMode::Edit,
                masked: false,
                regions: Vec::new(),
            };
            assert_eq!(super::sent(&asked), text);
        }
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
             Image 1 stands in the background at the place on the left. \
             Drawn or rendered, not a photograph. Seen from above."
        );
    }

    #[test]
    fn pictures_alone_ask_for_something_too() {
        let text = sent(&PICTURES, MaskedMode::Edit, "", &[]);
        assert!(
            text.ends_with(
                " Put the object of image 2 and the object of image 3 into the part of image 1 on the left."
            ),
            "{text}"
        );
        assert_eq!(sent(&[], MaskedMode::Edit, "A red cup", &[]), "A red cup.");
    }

    /// Canvas, two assets, two masks.
    fn two(mode: MaskedMode, base: &str) -> String {
        let mask = Purpose::Control(ControlKind::Mask);
        super::sent(&Asked {
            pictures: &[Purpose::Canvas, Purpose::Asset, Purpose::Asset, mask, mask],
            base,
            tags: &[],
            tags_set: false,
            mode,
            masked: true,
            regions: vec![
                region(Some(2), "at the bottom"),
                region(Some(1), "on the right"),
            ],
        })
    }

    #[test]
    fn several_places_are_told_apart_and_each_knows_its_object() {
        assert_eq!(
            two(MaskedMode::Context, "Put IMG2 at IMG5 and IMG3 at IMG4"),
            "Image 1 is the background, its grey areas are to be filled in. \
             Image 2 is a reference for the object in the grey area of image 1 on the right. \
             Image 3 is a reference for the object in the grey area of image 1 at the bottom. \
             Put image 2 at the grey area of image 1 on the right and image 3 at the grey area of image 1 at the bottom."
        );
        assert!(
            two(MaskedMode::Insert, "").ends_with(
                " Put the object of image 1 into the place on the right and the object of image 2 into the place \
                 at the bottom."
            )
        );
    }

    #[test]
    fn what_is_moved_or_changed_is_told_where_it_is_since_it_is_seen() {
        let mask = Purpose::Control(ControlKind::Mask);
        let moved = super::sent(&Asked {
            pictures: &[Purpose::Canvas, mask, mask],
            base: "Move the ball from IMG2 to IMG3.",
            tags: &[],
            tags_set: false,
            mode: MaskedSpec::default().mode_for(true, Intent::Move),
            masked: true,
            regions: vec![region(None, "on the left"), region(None, "on the right")],
        });
        assert_eq!(
            moved,
            "Image 1 is the picture to change. \
             Move the ball from the part of image 1 on the left to the part of image 1 on the right."
        );
    }
}
