//! Over a tiny pack made on the spot.

use std::path::Path;

use serde_json::{Value, json};

use super::caption::{Caption, Draft};
use super::plan::{Input as Slot, Task, Weights};
use super::record::{MAGIC, MAX_INPUTS, PICTURE, Record, header, place, record_bytes};
use super::sample::Maker;
use super::stream;
use super::tokens::END;
use crate::doc::prompt::compile;
use crate::doc::{ControlKind, Purpose, Role};
use crate::world::pack::{Pack, Split};
use crate::world::tests::pack::pack;

mod tasks;

const SIZE: usize = 64;

/// A tokenizer of single characters and the IMG and RES words.
fn write_tokenizer(path: &Path) {
    let mut words: Vec<String> = ["<pad>", "</s>", "<unk>"].map(str::to_owned).to_vec();
    words.extend((1..=8).map(|i| format!("IMG{i}")));
    words.extend((1..=4).map(|i| format!("RES{i}")));
    let special = words.len();
    words.push("▁".to_owned());
    // Pairs are scored better than their letters, so that a caption fits into a record.
    let letters: Vec<char> = (33u8..127).map(char::from).collect();
    words.extend(letters.iter().map(char::to_string));
    for (w, list) in [
        "object",
        "style",
        "scenario",
        "with",
        "reference",
        "static",
        "synthetic",
        "realistic",
    ]
    .iter()
    .enumerate()
    {
        assert!(w < 8);
        words.push((*list).to_owned());
    }
    let vocabulary: Vec<Value> = words
        .iter()
        .enumerate()
        .map(|(i, w)| {
            json!([
                w,
                if i < special {
                    0.0
                } else if w.chars().count() > 1 {
                    -2.0
                } else {
                    -5.0
                }
            ])
        })
        .collect();
    let added: Vec<Value> = (0..special)
        .map(|i| {
            json!({"id": i, "content": words[i], "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true})
        })
        .collect();
    let spaces =
        json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true});
    let tokenizer = json!({"version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null, "pre_tokenizer": spaces, "post_processor": null, "decoder": spaces,
        "model": {"type": "Unigram", "unk_id": 2, "vocab": vocabulary, "byte_fallback": false}});
    std::fs::write(path, tokenizer.to_string()).unwrap();
}

fn records(count: u64) -> Vec<Record> {
    let (_dir, pack) = pack(Split::Train);
    let maker = Maker::new(pack, None, SIZE, 7).unwrap();
    (0..count).map(|i| maker.record(i).unwrap()).collect()
}

/// Samples of one task, for different seeds.
fn records_of(task: Task, count: u64) -> Vec<Record> {
    let (_dir, pack) = pack(Split::Train);
    let weights = Weights::parse(task.name()).unwrap();
    let maker = Maker::weighted(pack, None, SIZE, 19, weights).unwrap();
    (0..count)
        .map(|i| {
            let record = maker.record(i).unwrap();
            assert_eq!(record.task, task as u16);
            record
        })
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_for_any_number_of_workers() {
    let stream = |workers, seed| {
        let (dir, pack) = pack(Split::Train);
        let tokenizer = dir.path().join("tokenizer.json");
        write_tokenizer(&tokenizer);
        let maker = Maker::new(pack, Some(&tokenizer), SIZE, seed).unwrap();
        let mut bytes = Vec::new();
        stream::write(&maker, 13, workers, &mut bytes).unwrap();
        bytes
    };
    let one = stream(1, 7);
    assert_eq!(one.len(), header(SIZE).len() + 13 * record_bytes(SIZE));
    assert!(
        one == stream(3, 7),
        "three workers wrote other bytes than one"
    );
    assert!(one != stream(1, 8), "the seed changed nothing");
}

#[test]
fn the_header_says_where_every_field_is() {
    let bytes = header(SIZE);
    assert_eq!(&bytes[..8], MAGIC);
    let length = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
    assert_eq!(bytes.len(), 12 + length);
    let head: Value = serde_json::from_slice(&bytes[12..]).unwrap();
    assert_eq!(head["size"], SIZE);
    assert_eq!(head["record_bytes"], record_bytes(SIZE));
    // 564 bytes before the text's 320, then pictures and planes.
    assert_eq!(place(SIZE, "n_inputs"), Some((20, 1)));
    assert_eq!(place(SIZE, "input_fit"), Some((40, 16)));
    assert_eq!(place(SIZE, "tokens"), Some((120, 128)));
    assert_eq!(place(SIZE, "text"), Some((248, 320)));
    assert_eq!(place(SIZE, "inputs"), Some((568, 4 * SIZE * SIZE * 3)));
    assert_eq!(record_bytes(SIZE), 568 + SIZE * SIZE * (4 * 3 + 2 * 3 + 2));
    let mut end = 0;
    for field in head["fields"].as_array().unwrap() {
        assert_eq!(field["offset"], end, "{}", field["name"]);
        end += place(SIZE, field["name"].as_str().unwrap()).unwrap().1;
    }
    let record = &records(1)[0];
    let bytes = record.to_bytes(SIZE);
    assert_eq!(bytes.len(), record_bytes(SIZE));
    let (at, _) = place(SIZE, "outputs").unwrap();
    assert_eq!(bytes[at..at + 3], record.outputs[0].1[0]);
    let (at, _) = place(SIZE, "text").unwrap();
    assert_eq!(&bytes[at..at + record.text.len()], record.text.as_bytes());
}

#[test]
fn the_splits_share_nothing() {
    let (dir, train) = pack(Split::Train);
    let held_out = Pack::open(dir.path(), Split::Heldout).unwrap();
    let ids = |pack: &Pack| -> Vec<String> {
        let mut ids: Vec<String> = pack.objects.iter().map(|o| o.id.clone()).collect();
        ids.extend(pack.panoramas.iter().map(|p| p.id.clone()));
        ids.extend(pack.photos.iter().map(|p| p.id.clone()));
        ids.extend(pack.tiles.iter().map(|t| t.id.clone()));
        ids
    };
    let (a, b) = (ids(&train), ids(&held_out));
    assert_eq!((a.len(), b.len()), (6, 6));
    assert!(a.iter().all(|id| !b.contains(id)));
    // Poses stay with their object.
    assert!(
        train
            .objects
            .iter()
            .chain(&held_out.objects)
            .any(|o| o.files.len() == 2)
    );
    let share = (0..4000)
        .filter(|i| Split::of(&format!("asset {i}")) == Split::Heldout)
        .count();
    assert!((150..250).contains(&share), "{share} of 4000 are held out");
}

#[test]
fn nothing_differs_outside_what_changed() {
    let mut edits = records_of(Task::Frame2Frame, 12);
    edits.retain(|r| r.flags & 1 == 1);
    assert!(edits.len() > 4);
    edits.extend(records(24));
    for record in edits {
        if record.outputs[0].0 != PICTURE {
            continue;
        }
        let canvas = record
            .inputs
            .iter()
            .find(|i| i.role == Role::Canvas.index() as u8);
        let Some(canvas) = canvas else {
            assert_eq!(record.flags & 1, 0);
            assert!(record.changed.iter().all(|&c| c == 255));
            continue;
        };
        let target = &record.outputs[0].1;
        let mut changed = 0;
        for (i, (from, to)) in canvas.picture.iter().zip(target).enumerate() {
            assert!(record.changed[i] == 0 || record.changed[i] == 255);
            if record.changed[i] == 0 {
                assert_eq!(from, to, "sample {} pixel {i}", record.id);
            } else {
                let least = if record.flags & 1 == 1 { 3 } else { 1 };
                assert!((0..3).any(|c| from[c].abs_diff(to[c]) >= least));
                changed += 1;
            }
        }
        assert!(
            changed > 20,
            "sample {} changes {changed} pixels",
            record.id
        );
    }
}

#[test]
fn the_asset_picture_is_never_the_pasted_pixels() {
    let mut seen = 0;
    for record in records(40) {
        if record.task != Task::InsertReference as u16 {
            continue;
        }
        let asset = &record.inputs[1].picture;
        let target = &record.outputs[0].1;
        let boxed = |inside: &dyn Fn(usize) -> bool| {
            let at: Vec<usize> = (0..SIZE * SIZE).filter(|&i| inside(i)).collect();
            let x0 = at.iter().map(|i| i % SIZE).min().unwrap();
            let x1 = at.iter().map(|i| i % SIZE).max().unwrap() + 1;
            (x0, at[0] / SIZE, x1, at[at.len() - 1] / SIZE + 1)
        };
        let object = boxed(&|i| record.object[i] >= 128);
        let ground = asset[0];
        let shown = boxed(&|i| asset[i] != ground);
        // The asset's box laid over the object's: a paste would agree but for resampling.
        let mut difference = 0.0;
        let mut count = 0.0;
        for y in object.1..object.3 {
            for x in object.0..object.2 {
                if record.object[y * SIZE + x] < 255 {
                    continue;
                }
                let u = shown.0 + (x - object.0) * (shown.2 - shown.0) / (object.2 - object.0);
                let v = shown.1 + (y - object.1) * (shown.3 - shown.1) / (object.3 - object.1);
                let (a, b) = (asset[v * SIZE + u], target[y * SIZE + x]);
                difference += (0..3).map(|c| f32::from(a[c].abs_diff(b[c]))).sum::<f32>() / 3.0;
                count += 1.0;
            }
        }
        if count > 30.0 {
            assert!(
                difference / count > 3.0,
                "sample {}: {}",
                record.id,
                difference / count
            );
            seen += 1;
        }
    }
    assert!(seen > 10);
}

#[test]
fn masks_cover_their_object_and_place_the_asset() {
    let mut seen = 0;
    for record in records(40) {
        let masks: Vec<_> = record
            .inputs
            .iter()
            .filter(|i| i.kind == ControlKind::Mask.index() as u8)
            .collect();
        let Some(mask) = masks.last() else { continue };
        assert!(mask.level < 4);
        if record.task == Task::Outpaint as u16 {
            continue;
        }
        assert!(mask.fit.is_nan() || (0.0..=1.0).contains(&mask.fit));
        let inside = |i: usize| mask.picture[i][0] >= 128;
        let object: Vec<usize> = (0..SIZE * SIZE)
            .filter(|&i| record.object[i] >= 128)
            .collect();
        let covered = object.iter().filter(|&&i| inside(i)).count();
        assert!(
            covered * 10 >= object.len() * 7,
            "sample {}: {covered} of {}",
            record.id,
            object.len()
        );
        let asset = record
            .inputs
            .iter()
            .find(|i| i.role == Role::Asset.index() as u8);
        if let Some(asset) = asset {
            let rows: Vec<usize> = (0..SIZE * SIZE)
                .filter(|&i| inside(i))
                .map(|i| i / SIZE)
                .collect();
            assert_eq!(asset.placed[0], rows[0] as f32 / SIZE as f32);
            assert_eq!(
                asset.placed[2],
                (rows[rows.len() - 1] + 1) as f32 / SIZE as f32
            );
        }
        seen += 1;
    }
    assert!(seen > 20);
}

#[test]
fn tokens_decode_to_the_text() {
    let (dir, pack) = pack(Split::Train);
    let path = dir.path().join("tokenizer.json");
    write_tokenizer(&path);
    let tokenizer = tokenizers::Tokenizer::from_file(&path).unwrap();
    let maker = Maker::new(pack, Some(&path), 32, 3).unwrap();
    let mut whole = 0;
    for i in 0..12 {
        let record = maker.record(i).unwrap();
        assert_eq!(record.tokens.last(), Some(&END));
        assert!(record.tokens.len() <= 64);
        let ids: Vec<u32> = record.tokens[..record.tokens.len() - 1]
            .iter()
            .map(|&t| t.into())
            .collect();
        let squeezed = |s: &str| s.split_whitespace().collect::<String>();
        let decoded = squeezed(&tokenizer.decode(&ids, false).unwrap());
        // A caption longer than a record's tokens is cut at its end.
        assert!(
            squeezed(&record.text).starts_with(&decoded),
            "{decoded} is not {}",
            record.text
        );
        whole += usize::from(squeezed(&record.text) == decoded);
    }
    assert!(whole > 0);
}

#[test]
fn captions_name_only_pictures_that_are_there() {
    let (_dir, pack) = pack(Split::Train);
    let even = Task::ALL.map(|t| t.name()).join(",");
    let maker = Maker::weighted(pack, None, 32, 11, Weights::parse(&even).unwrap()).unwrap();
    let mut tasks = std::collections::HashSet::new();
    let mut phrases = std::collections::HashSet::new();
    for index in 0..600 {
        let (plan, caption) = maker.caption(index).unwrap();
        let text = caption.text();
        tasks.insert(plan.task);
        phrases.insert(caption.base.clone());
        assert!(text.len() <= super::caption::TEXT_BYTES);
        assert!(!text.contains(['{', '}']), "{text}");
        for n in plan.inputs().len() + 1..=8 {
            assert!(
                !text.contains(&format!("IMG{n}")),
                "{text} for {:?}",
                plan.inputs()
            );
        }
        assert!(plan.inputs().len() <= MAX_INPUTS);
        if plan.inputs().contains(&Slot::Placement) {
            assert!(matches!(
                plan.task,
                Task::InsertReference | Task::Remove | Task::Move
            ));
        }
        // The editor makes the same text of the same words: what is trained on is what is asked.
        let purposes: Vec<Purpose> = plan.inputs().into_iter().map(purpose).collect();
        let tags: Vec<String> = caption.tags.iter().map(|t| (*t).to_owned()).collect();
        let joint = if plan.joint { 2 } else { 1 };
        let compiled = compile(&caption.base, &purposes, joint, Some(&tags)).unwrap();
        assert_eq!(compiled.text, text);
        assert_eq!(compiled.tags, tags);
    }
    assert_eq!(tasks.len(), Task::ALL.len());
    assert!(phrases.len() > 250, "{} different captions", phrases.len());
}

fn purpose(input: Slot) -> Purpose {
    match input {
        Slot::Canvas => Purpose::Canvas,
        Slot::Asset(_) => Purpose::Asset,
        Slot::Placement => Purpose::Control(ControlKind::Placement),
        Slot::Map(kind) => Purpose::Control(kind),
        Slot::Mask | Slot::MaskFrom => Purpose::Control(ControlKind::Mask),
    }
}

#[test]
fn a_caption_gives_up_what_adds_little_before_it_is_cut() {
    let draft = Draft {
        caption: Caption {
            tags: vec!["realistic style", "static scenario"],
            base: "Put the crate of IMG2 into IMG1.".to_owned(),
        },
        extra: Some("It should look natural.".to_owned()),
    };
    let words = |text: &str| text.split_whitespace().count();
    let fitted = |most: usize| {
        let fits = |text: &str| Ok::<bool, ()>(words(text) <= most);
        draft.clone().fitted(fits).unwrap().text()
    };
    let base = "Put the crate of IMG2 into IMG1.";
    let whole = format!("Realistic style; static scenario. {base} It should look natural.");
    assert_eq!(fitted(15), whole);
    assert_eq!(
        fitted(14),
        format!("Realistic style; static scenario. {base}")
    );
    assert_eq!(fitted(10), format!("Realistic style. {base}"));
    assert_eq!(fitted(7), base);
    // What names pictures stays whole in any case.
    assert_eq!(fitted(3), base);
}

#[test]
fn a_pack_that_is_none_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let missing = Pack::open(dir.path(), Split::Train)
        .err()
        .unwrap()
        .to_string();
    assert!(
        missing.contains("give the folder of an asset pack"),
        "{missing}"
    );
    std::fs::write(dir.path().join("manifest.json"), "{\"entries\": []}").unwrap();
    let empty = Pack::open(dir.path(), Split::Train)
        .err()
        .unwrap()
        .to_string();
    assert_eq!(
        empty,
        "the pack has no objects for this split; add some or use another pack"
    );
}
