//! That whatever the editor can write, it opens again.

use proptest::prelude::*;

use super::*;
use crate::doc::job::hash_picture;
use crate::doc::tests::{any_step, edit};

/// The document as it is written and opened again.
fn returned(document: &Document) -> Document {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("work.ora");
    write(&path, document, &[]).unwrap();
    open(&path).unwrap().document
}

/// Everything but the identities of slots and regions.
fn contents(document: &Document) -> String {
    let slots = document.slots().iter().map(|slot| {
        let picture = hash_picture(&slot.picture);
        format!(
            "{} {:?} {:?} {picture}\n",
            slot.name, slot.source, slot.purpose
        )
    });
    let regions = document.regions().iter().map(|region| {
        let placed = |slot: &Slot| Some(slot.id) == region.asset;
        let asset = document.slots().iter().position(placed);
        let mask = crate::doc::job::hash_mask(&region.mask.to_plane());
        format!("{:?} {asset:?} {mask}\n", region.level)
    });
    let told = (document.prompt(), document.tags(), document.settings());
    slots.chain(regions).collect::<String>() + &format!("{told:?}")
}

fn edited(edits: &[&dyn Fn(&Document) -> Edit]) -> Document {
    let mut document = Document::new();
    for edit in edits {
        document.apply(edit(&document)).unwrap();
    }
    document
}

#[test]
fn masks_whose_canvas_went_away_are_kept() {
    let add = |_: &Document| Edit::AddSlot {
        picture: Arc::new(Picture::filled(40, 30, [1, 2, 3, 255])),
        name: "photo".into(),
        source: None,
        purpose: None,
    };
    let mask = |document: &Document| Edit::AddRegion {
        mask: None,
        level: Level::Box,
        asset: document.slots().get(1).map(|slot| slot.id),
    };
    let remove = |document: &Document| Edit::RemoveSlot(document.slots()[0].id);
    let object =
        |document: &Document| Edit::SetPurpose(document.slots()[0].id, Some(Purpose::Asset));
    type Make<'a> = &'a dyn Fn(&Document) -> Edit;
    let documents: [&[Make]; 3] = [
        &[&add, &add, &mask, &remove],
        &[&add, &mask, &remove],
        &[&add, &mask, &object],
    ];
    for edits in documents {
        let document = edited(edits);
        assert_eq!(document.regions().len(), 1);
        assert_eq!(contents(&returned(&document)), contents(&document));
    }
}

#[test]
fn a_mask_that_places_the_canvas_is_opened_without_the_object() {
    // As an older version wrote it.
    let picture = Arc::new(Picture::filled(9, 7, [1, 2, 3, 255]));
    let layer = |file: &str| Layer {
        file: file.into(),
        name: file.into(),
        picture: Arc::clone(&picture),
        visible: true,
    };
    let state = serde_json::from_str(
        r#"{"version": 1, "slots": [{"file": "a", "name": "cup"}], "prompt": "",
            "regions": [{"file": "b", "level": "box", "asset": 0}]}"#,
    );
    let layers = [layer("a"), layer("b")];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.ora");
    let mut file = Pending::new(&path).unwrap();
    let (state, writer) = (state.unwrap(), &mut Writer::default());
    let files: Vec<_> = layers.iter().map(|l| (&l.file, &l.picture)).collect();
    zipped(writer, (&layers, &files), &picture, &state, &mut file).unwrap();
    file.finish().unwrap();
    let document = open(&path).unwrap().document;
    assert_eq!(document.regions()[0].asset, None);
    assert_eq!(document.purposes(), [Purpose::Canvas]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_edits_lead_to_returns_whole(steps in prop::collection::vec(any_step(), 1..40)) {
        let mut document = Document::new();
        for step in &steps {
            if let Some(edit) = edit(step, &document) {
                // A refused edit changes nothing.
                let _ = document.apply(edit);
            }
        }
        prop_assert_eq!(contents(&returned(&document)), contents(&document));
    }
}
