//! The document and its history: what edits do, and that any of them can be undone.

use std::sync::Arc;

use proptest::prelude::*;

use super::document::Target;
use super::job::ModelChoice;
use super::mask::tests::{Op, any_op};
use super::mask::{Brush, Combine, Sample};
use super::*;

const MODEL: ModelChoice<'static> = ModelChoice {
    name: "unireal-nano",
    hash: "",
    default_steps: 12,
    default_guidance: 1.0,
};

fn picture(width: u32, height: u32) -> Arc<Picture> {
    Arc::new(Picture::filled(width, height, [1, 2, 3, 255]))
}

fn add(purpose: Option<Purpose>, width: u32, height: u32) -> Edit {
    Edit::AddSlot {
        picture: picture(width, height),
        name: "a.png".to_owned(),
        source: None,
        purpose,
    }
}

fn add_region(asset: Option<SlotId>) -> Edit {
    Edit::AddRegion {
        mask: None,
        level: Level::Blob,
        asset,
    }
}

fn document(edits: Vec<Edit>) -> Document {
    let mut document = Document::new();
    for edit in edits {
        document.apply(edit).unwrap();
    }
    document
}

/// A canvas of 100×80, an asset, a region that places it, and a prompt.
fn usual() -> Document {
    let mut document = document(vec![add(None, 100, 80), add(None, 30, 30)]);
    let asset = document.slots()[1].id;
    document.apply(add_region(Some(asset))).unwrap();
    let text = "Put IMG2 into IMG1 at the position of IMG3".to_owned();
    document.apply(Edit::SetPrompt(text)).unwrap();
    document
}

fn paint(document: &Document, region: RegionId) -> Edit {
    let mut mask = document.region(region).unwrap().mask.clone();
    mask.stroke(Brush::default(), &[Sample::at(40.0, 40.0)]);
    Edit::SetMask(region, mask)
}

#[test]
fn a_document_becomes_a_job() {
    let mut document = usual();
    let region = document.regions()[0].id;
    assert_eq!(
        document.to_job(MODEL).unwrap_err().to_string(),
        "mask 1 is empty: paint where the object goes, or remove the mask"
    );
    document.apply(paint(&document, region)).unwrap();
    let job = document.to_job(MODEL).unwrap();
    assert_eq!((job.spec.steps, job.spec.guidance_text), (12, 1.0));
    let guided = ModelChoice {
        default_guidance: 4.0,
        ..MODEL
    };
    assert_eq!(document.to_job(guided).unwrap().spec.guidance_text, 4.0);
    assert_eq!(
        job.spec.inputs.iter().map(|i| i.role).collect::<Vec<_>>(),
        [Role::Canvas, Role::Asset]
    );
    assert_eq!(job.spec.regions[0].asset, Some(1));
    assert_eq!(job.spec.regions[0].hash, job::hash_mask(&job.masks[0]));
    assert_eq!(job.masks[0].get(40, 40), 255);
    assert!(Arc::ptr_eq(&job.pictures[1], &document.slots()[1].picture));
    assert_eq!(job.spec.compile().unwrap(), document.compile().unwrap());
    assert_eq!(
        document.compile().unwrap().text,
        "Realistic style; static scenario; with reference object. \
         Put IMG2 into IMG1 at the position of IMG3"
    );
}

#[test]
fn removing_a_picture_renames_words_and_frees_regions() {
    let mut document = usual();
    let asset = document.slots()[1].id;
    document.apply(Edit::RemoveSlot(asset)).unwrap();
    assert_eq!(
        document.prompt(),
        "Put IMG? into IMG1 at the position of IMG2"
    );
    assert_eq!(document.regions()[0].asset, None);
    assert_eq!(
        document.compile().unwrap_err().to_string(),
        "IMG? stands for a picture that was removed: write another word there, or delete it"
    );
    assert_eq!(
        document.apply(Edit::RemoveSlot(asset)),
        Err(EditError::NoSlot)
    );
}

#[test]
fn a_new_canvas_comes_first_and_words_follow() {
    let mut document = document(vec![add(Some(Purpose::Asset), 9, 9)]);
    document
        .apply(Edit::SetPrompt("IMG1 on a table".to_owned()))
        .unwrap();
    document.apply(add(Some(Purpose::Canvas), 50, 40)).unwrap();
    assert_eq!(document.prompt(), "IMG2 on a table");
    assert_eq!(document.purposes(), [Purpose::Canvas, Purpose::Asset]);
    assert_eq!(
        document.apply(add(Some(Purpose::Canvas), 5, 5)),
        Err(EditError::CanvasTaken)
    );
    let [canvas, asset] = [0, 1].map(|i| document.slots()[i].id);
    document.apply(Edit::MoveSlot(asset, 0)).unwrap();
    assert_eq!(document.slots()[0].id, canvas, "the canvas stays in front");
    document
        .apply(Edit::SetPurpose(asset, Some(Purpose::Canvas)))
        .unwrap();
    assert_eq!(document.slots()[0].id, asset);
    assert_eq!(document.purposes(), [Purpose::Canvas, Purpose::Asset]);
    assert_eq!(document.prompt(), "IMG1 on a table");
}

#[test]
fn eight_inputs_at_most() {
    let mut document = document(vec![add(None, 9, 9)]);
    for _ in 0..6 {
        document.apply(add(None, 9, 9)).unwrap();
    }
    document.apply(add_region(None)).unwrap();
    assert_eq!(document.targets().len(), 8);
    for edit in [add(None, 9, 9), add_region(None)] {
        assert_eq!(
            document.apply(edit).unwrap_err().to_string(),
            "a job takes 8 inputs at most, masks included: remove a picture or a mask first"
        );
    }
}

#[test]
fn refused_edits_change_nothing() {
    let mut document = usual();
    let (canvas, region) = (document.slots()[0].id, document.regions()[0].id);
    let before = document.clone();
    let refused = [
        (
            Edit::SetAsset(region, Some(canvas)),
            "only an object can be placed: change the picture's role to object first",
        ),
        (
            Edit::SetMask(region, Mask::new(9, 9)),
            "the mask is 9×9 pixels and the canvas 100×80: resize the mask first",
        ),
        (
            Edit::SetSettings(Settings {
                outputs: 0,
                ..Settings::default()
            }),
            "the number of outputs is 0: use 1 to 8",
        ),
        (
            Edit::SetSettings(Settings {
                crop: Some([90, 0, 20, 20]),
                ..Settings::default()
            }),
            "the context rectangle does not lie inside the canvas: draw it again or let it be chosen",
        ),
        (
            Edit::RemoveRegion(RegionId(999)),
            "this mask is not in the document any more: choose another",
        ),
    ];
    for (edit, sentence) in refused {
        assert_eq!(document.apply(edit).unwrap_err().to_string(), sentence);
        assert_eq!(document, before);
    }
    let mut empty = Document::new();
    assert_eq!(
        empty.apply(add_region(None)).unwrap_err().to_string(),
        "a mask needs a canvas to lie on: add a canvas first"
    );
}

#[test]
fn accepting_a_result_is_one_step() {
    let mut document = usual();
    let mut history = History::default();
    let before = document.clone();
    let result = picture(100, 80);
    let accept = Edit::Accept {
        picture: Arc::clone(&result),
        name: "RES1".to_owned(),
    };
    history.apply(&mut document, accept).unwrap();
    assert!(Arc::ptr_eq(&document.canvas().unwrap().picture, &result));
    assert_eq!(document.canvas().unwrap().id, before.slots()[0].id);
    assert_eq!(history.undo(&mut document), Some("Accept result"));
    assert_eq!(document, before);
    assert_eq!(history.undo(&mut document), None);

    let mut fresh = Document::new();
    let accept = Edit::Accept {
        picture: result,
        name: "RES1".to_owned(),
    };
    history.apply(&mut fresh, accept).unwrap();
    assert_eq!(fresh.purposes(), [Purpose::Canvas]);
}

#[test]
fn another_canvas_size_stretches_masks_and_frees_the_crop() {
    let mut document = usual();
    let region = document.regions()[0].id;
    let mut mask = Mask::new(100, 80);
    mask.fill_box([20.0, 20.0], [60.0, 40.0], Combine::Add);
    document.apply(Edit::SetMask(region, mask)).unwrap();
    let settings = Settings {
        crop: Some([50, 40, 50, 40]),
        ..Settings::default()
    };
    document.apply(Edit::SetSettings(settings)).unwrap();
    document
        .apply(Edit::ReplacePicture {
            slot: document.slots()[0].id,
            picture: picture(50, 40),
            name: "b".to_owned(),
            source: None,
        })
        .unwrap();
    let mask = &document.regions()[0].mask;
    assert_eq!(mask.bounds(128), Some((10, 10, 30, 20)));
    assert_eq!(document.settings().crop, None);
}

#[test]
fn what_becomes_the_canvas_or_a_control_is_no_longer_placed() {
    let by_place = |document: &Document| Edit::RemoveSlot(document.slots()[0].id);
    let by_order = |document: &Document| Edit::MoveSlot(document.slots()[1].id, 0);
    let by_words = |_: &Document| Edit::SetPrompt("the depth of IMG2".to_owned());
    let edits: [&dyn Fn(&Document) -> Edit; 3] = [&by_place, &by_order, &by_words];
    for edit in edits {
        let mut document = usual();
        assert!(document.regions()[0].asset.is_some());
        document.apply(edit(&document)).unwrap();
        assert_eq!(document.regions()[0].asset, None);
    }
}

#[test]
fn masks_wait_for_the_next_canvas() {
    let mut document = document(vec![add(None, 100, 80), add_region(None)]);
    let canvas = document.slots()[0].id;
    document.apply(Edit::RemoveSlot(canvas)).unwrap();
    assert_eq!(document.regions().len(), 1);
    document.apply(add(None, 50, 40)).unwrap();
    let mask = &document.regions()[0].mask;
    assert_eq!((mask.width(), mask.height()), (50, 40));
}

#[test]
fn words_cannot_take_the_canvas_from_under_a_mask() {
    let mut document = usual();
    let text = "the depth of IMG1 and IMG2".to_owned();
    document.apply(Edit::SetPrompt(text)).unwrap();
    assert_eq!(document.purposes()[0], Purpose::Canvas);
}

#[test]
fn typing_joins_into_one_entry_until_sealed() {
    let mut document = usual();
    let mut history = History::default();
    let start = document.clone();
    for text in ["a", "a d", "a do"] {
        history
            .apply(&mut document, Edit::SetPrompt(text.to_owned()))
            .unwrap();
    }
    assert_eq!(history.len(), 1);
    history.seal();
    history
        .apply(&mut document, Edit::SetPrompt("a dog".to_owned()))
        .unwrap();
    assert_eq!(history.len(), 2);
    history
        .apply(&mut document, Edit::SetPrompt("a dog".to_owned()))
        .unwrap();
    assert_eq!(history.len(), 2, "what changes nothing leaves no entry");
    history.undo(&mut document);
    assert_eq!(document.prompt(), "a do");
    history.undo(&mut document);
    assert_eq!(document, start);
    assert_eq!(history.redo_label(), Some("Write prompt"));
}

#[test]
fn the_history_is_bounded_and_drops_the_oldest() {
    let mut document = document(vec![add(None, 4000, 4000)]);
    document.apply(add_region(None)).unwrap();
    let region = document.regions()[0].id;
    let mut history = History::new(1 << 20);
    for i in 0..60 {
        let mut mask = document.region(region).unwrap().mask.clone();
        let y = 40.0 + 60.0 * i as f32;
        mask.stroke(
            Brush::default(),
            &[Sample::at(0.0, y), Sample::at(1500.0, y)],
        );
        history
            .apply(&mut document, Edit::SetMask(region, mask))
            .unwrap();
        assert!(history.bytes() <= 1 << 20);
    }
    assert!((2..59).contains(&history.len()), "{}", history.len());
    let left = history.len();
    for _ in 0..left {
        assert_eq!(history.undo(&mut document), Some("Paint mask"));
    }
    assert_eq!(history.undo(&mut document), None);
    let (_, _, _, bottom) = document.region(region).unwrap().mask.bounds(1).unwrap();
    assert!(bottom < 3600 && bottom > 64);
}

#[test]
fn ids_are_never_given_twice() {
    let mut document = Document::new();
    let mut history = History::default();
    history.apply(&mut document, add(None, 9, 9)).unwrap();
    let first = document.slots()[0].id;
    history.undo(&mut document);
    history.apply(&mut document, add(None, 9, 9)).unwrap();
    assert_ne!(document.slots()[0].id, first);
}

#[test]
fn settings_round_trip_and_may_be_partial() {
    let settings = Settings {
        seed: u64::MAX,
        crop: Some([1, 2, 3, 4]),
        ..Settings::default()
    };
    let json = serde_json::to_string(&settings).unwrap();
    assert_eq!(serde_json::from_str::<Settings>(&json).unwrap(), settings);
    assert_eq!(
        serde_json::from_str::<Settings>("{}").unwrap(),
        Settings::default()
    );
}

/// An edit with positions instead of ids, to be made of any document.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Add(Option<Purpose>, u32, u32),
    Remove(usize),
    Move(usize, usize),
    Purpose(usize, Option<Purpose>),
    Replace(usize, u32, u32),
    AddRegion(Option<usize>),
    RemoveRegion(usize),
    MoveRegion(usize, usize),
    Paint(usize, Op),
    Level(usize, Level),
    Asset(usize, Option<usize>),
    Prompt(String),
    Tags(Option<Vec<String>>),
    Seed(u64),
    Crop(Option<[u32; 4]>),
    Accept(u32, u32),
    Seal,
}

fn any_purpose() -> impl Strategy<Value = Option<Purpose>> {
    prop::sample::select(vec![
        None,
        None,
        Some(Purpose::Canvas),
        Some(Purpose::Asset),
        Some(Purpose::Control(ControlKind::Depth)),
    ])
}

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    let side = || prop::sample::select(vec![40u32, 100, 150]);
    let at = || 0usize..5;
    let words = "[a-z ]{0,5}(IMG[1-9] ){0,3}(the depth of IMG[12])?";
    prop_oneof![
        3 => (any_purpose(), side(), side()).prop_map(|(p, w, h)| Step::Add(p, w, h)),
        1 => at().prop_map(Step::Remove),
        2 => (at(), at()).prop_map(|(a, b)| Step::Move(a, b)),
        2 => (at(), any_purpose()).prop_map(|(a, p)| Step::Purpose(a, p)),
        1 => (at(), side(), side()).prop_map(|(a, w, h)| Step::Replace(a, w, h)),
        3 => prop::option::of(at()).prop_map(Step::AddRegion),
        1 => at().prop_map(Step::RemoveRegion),
        1 => (at(), at()).prop_map(|(a, b)| Step::MoveRegion(a, b)),
        6 => (at(), any_op()).prop_map(|(a, op)| Step::Paint(a, op)),
        1 => (at(), prop::sample::select(Level::ALL.to_vec())).prop_map(|(a, l)| Step::Level(a, l)),
        1 => (at(), prop::option::of(at())).prop_map(|(a, b)| Step::Asset(a, b)),
        2 => words.prop_map(Step::Prompt),
        1 => prop::option::of(prop::collection::vec("[a-z]{1,4}", 0..2)).prop_map(Step::Tags),
        1 => any::<u64>().prop_map(Step::Seed),
        1 => prop::option::of([0u32..80, 0u32..80, 1u32..40, 1u32..40]).prop_map(Step::Crop),
        1 => (side(), side()).prop_map(|(w, h)| Step::Accept(w, h)),
        1 => Just(Step::Seal),
    ]
}

pub(crate) fn edit(step: &Step, document: &Document) -> Option<Edit> {
    let slot = |at: &usize| document.slots().get(*at).map(|slot| slot.id);
    let region = |at: &usize| document.regions().get(*at).map(|region| region.id);
    Some(match step {
        Step::Add(purpose, width, height) => add(*purpose, *width, *height),
        Step::Remove(at) => Edit::RemoveSlot(slot(at)?),
        Step::Move(at, to) => Edit::MoveSlot(slot(at)?, *to),
        Step::Purpose(at, purpose) => Edit::SetPurpose(slot(at)?, *purpose),
        Step::Replace(at, width, height) => Edit::ReplacePicture {
            slot: slot(at)?,
            picture: picture(*width, *height),
            name: "r".to_owned(),
            source: None,
        },
        Step::AddRegion(asset) => add_region(asset.as_ref().and_then(slot)),
        Step::RemoveRegion(at) => Edit::RemoveRegion(region(at)?),
        Step::MoveRegion(at, to) => Edit::MoveRegion(region(at)?, *to),
        Step::Paint(at, op) => {
            let mut mask = document.regions().get(*at)?.mask.clone();
            op.apply(&mut mask);
            Edit::SetMask(region(at)?, mask)
        }
        Step::Level(at, level) => Edit::SetLevel(region(at)?, *level),
        Step::Asset(at, asset) => Edit::SetAsset(region(at)?, asset.as_ref().and_then(slot)),
        Step::Prompt(text) => Edit::SetPrompt(text.clone()),
        Step::Tags(tags) => Edit::SetTags(tags.clone()),
        Step::Seed(seed) => Edit::SetSettings(Settings {
            seed: *seed,
            ..document.settings().clone()
        }),
        Step::Crop(crop) => Edit::SetSettings(Settings {
            crop: *crop,
            ..document.settings().clone()
        }),
        Step::Accept(width, height) => Edit::Accept {
            picture: picture(*width, *height),
            name: "RES1".to_owned(),
        },
        Step::Seal => return None,
    })
}

/// What holds of every document.
fn check(document: &Document) {
    let targets = document.targets();
    assert!(targets.len() <= prompt::MAX_INPUTS);
    for (i, &target) in targets.iter().enumerate() {
        assert_eq!(document.number(target), Some(i + 1));
        assert_eq!(
            targets.iter().filter(|&&other| other == target).count(),
            1,
            "an id is given twice"
        );
    }
    let canvases = document
        .purposes()
        .iter()
        .filter(|&&purpose| purpose == Purpose::Canvas)
        .count();
    assert!(canvases <= 1);
    assert_eq!(canvases == 1, document.canvas().is_some());
    for region in document.regions() {
        if let Some(canvas) = document.canvas() {
            let size = (region.mask.width(), region.mask.height());
            assert_eq!(size, (canvas.picture.width(), canvas.picture.height()));
        }
        if let Some(asset) = region.asset {
            assert_eq!(document.purpose(asset), Some(Purpose::Asset));
        }
    }
}

/// What each word of the prompt stands for.
fn meanings(document: &Document) -> Vec<Option<Target>> {
    let targets = document.targets();
    prompt::words(document.prompt())
        .iter()
        .map(|word| {
            let at = (word.number? as usize).checked_sub(1)?;
            targets.get(at).copied()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_edits_can_be_undone_and_made_again(steps in prop::collection::vec(any_step(), 1..40)) {
        let mut document = Document::new();
        let mut history = History::default();
        let mut states = vec![document.clone()];
        for step in &steps {
            let Some(edit) = edit(step, &document) else {
                history.seal();
                continue;
            };
            let before = document.clone();
            let count = history.len();
            if history.apply(&mut document, edit).is_err() {
                prop_assert_eq!(&document, &before);
                continue;
            }
            check(&document);
            if history.len() > count {
                states.push(document.clone());
            } else {
                *states.last_mut().unwrap() = document.clone();
            }
        }
        prop_assert_eq!(history.len() + 1, states.len());
        for state in states.iter().rev().skip(1) {
            prop_assert!(history.undo(&mut document).is_some());
            prop_assert_eq!(&document, state);
        }
        prop_assert!(history.undo(&mut document).is_none());
        for state in &states[1..] {
            prop_assert!(history.redo(&mut document).is_some());
            prop_assert_eq!(&document, state);
        }
        prop_assert!(history.redo(&mut document).is_none());
    }

    #[test]
    fn words_keep_their_meaning(steps in prop::collection::vec(any_step(), 1..30)) {
        let mut document = Document::new();
        for step in &steps {
            let Some(edit) = edit(step, &document) else { continue };
            let typed = matches!(edit, Edit::SetPrompt(_));
            let (old, number) = (meanings(&document), document.targets().len());
            if document.apply(edit).is_err() || typed {
                continue;
            }
            let targets = document.targets();
            let new = meanings(&document);
            prop_assert_eq!(old.len(), new.len());
            for (old, new) in old.iter().zip(&new) {
                match old {
                    Some(old) if targets.contains(old) => prop_assert_eq!(new.as_ref(), Some(old)),
                    Some(_) => prop_assert_eq!(*new, None),
                    // A word that named nothing may come to name a picture added since.
                    None => prop_assert!(new.is_none() || targets.len() > number),
                }
            }
        }
    }
}
