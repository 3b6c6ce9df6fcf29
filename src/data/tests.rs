//! Over a tiny pack made on the spot: a cube, a cut-out disc, a photograph, a panorama with its light, a tile.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use serde_json::{Value, json};

use super::caption::caption;
use super::plan::{Input as Slot, Planner, Task, generator};
use super::record::{MAGIC, Record, header, place, record_bytes};
use super::sample::{END, Maker};
use super::stream;
use crate::doc::{ControlKind, Role};
use crate::world::pack::{Pack, Split};

const SIZE: usize = 64;

/// An id of the given stem that falls into `split`.
fn id(stem: &str, split: Split) -> String {
    (0..)
        .map(|i| format!("{stem}_{i}"))
        .find(|id| Split::of(id) == split)
        .unwrap()
}

/// A cube of 1 m standing on the ground, as a GLB file.
fn cube() -> Vec<u8> {
    let mut positions: Vec<[f32; 3]> = Vec::new();
    let mut normals: Vec<[f32; 3]> = Vec::new();
    let mut indices: Vec<u16> = Vec::new();
    for axis in 0..3 {
        for sign in [-1.0f32, 1.0] {
            let base = positions.len() as u16;
            for (a, b) in [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)] {
                let mut p = [0.0; 3];
                p[axis] = 0.5 * sign;
                p[(axis + 1) % 3] = a;
                p[(axis + 2) % 3] = b;
                p[1] += 0.5;
                positions.push(p);
                let mut n = [0.0; 3];
                n[axis] = sign;
                normals.push(n);
            }
            indices.extend([0, 1, 2, 0, 2, 3].map(|i| base + i));
        }
    }
    let mut bin: Vec<u8> = Vec::new();
    bin.extend_from_slice(bytemuck::cast_slice(&positions));
    bin.extend_from_slice(bytemuck::cast_slice(&normals));
    bin.extend_from_slice(bytemuck::cast_slice(&indices));
    let (vectors, index_bytes) = (positions.len() * 12, indices.len() * 2);
    let document = json!({
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{
            "attributes": {"POSITION": 0, "NORMAL": 1}, "indices": 2, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorFactor": [0.7, 0.15, 0.1, 1.0]}}],
        "buffers": [{"byteLength": bin.len()}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": vectors},
            {"buffer": 0, "byteOffset": vectors, "byteLength": vectors},
            {"buffer": 0, "byteOffset": 2 * vectors, "byteLength": index_bytes}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": positions.len(), "type": "VEC3",
             "min": [-0.5, 0.0, -0.5], "max": [0.5, 1.0, 0.5]},
            {"bufferView": 1, "componentType": 5126, "count": normals.len(), "type": "VEC3"},
            {"bufferView": 2, "componentType": 5123, "count": indices.len(), "type": "SCALAR"}],
    });
    let mut text = document.to_string().into_bytes();
    text.resize(text.len().next_multiple_of(4), b' ');
    bin.resize(bin.len().next_multiple_of(4), 0);
    let mut glb = b"glTF".to_vec();
    glb.extend(2u32.to_le_bytes());
    glb.extend((28 + text.len() as u32 + bin.len() as u32).to_le_bytes());
    glb.extend((text.len() as u32).to_le_bytes());
    glb.extend(b"JSON");
    glb.extend(text);
    glb.extend((bin.len() as u32).to_le_bytes());
    glb.extend(b"BIN\0");
    glb.extend(bin);
    glb
}

fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Writes a pack with one asset of each kind in each split.
fn write_pack(dir: &Path) {
    let mut entries: Vec<Value> = Vec::new();
    let mut put = |file: String, bytes: Vec<u8>, mut entry: Value| {
        std::fs::write(dir.join(&file), bytes).unwrap();
        entry["file"] = file.into();
        entries.push(entry);
    };
    for split in [Split::Train, Split::Heldout] {
        for (stem, name) in [("cube", "crate"), ("block", "stone block")] {
            let id = id(stem, split);
            for pose in 0..2 {
                put(
                    format!("{id}_{pose}.glb"),
                    cube(),
                    json!({"id": id, "kind": "mesh", "name": name, "category": "prop", "colours": ["red", "brown"],
                        "size_m": 1.0, "flags": {"can_stand": true, "animated": true, "pose": pose}}),
                );
            }
        }
        let disc = id("disc", split);
        let cut = RgbaImage::from_fn(48, 48, |x, y| {
            let r = (x as f32 - 23.5).hypot(y as f32 - 23.5);
            Rgba([40 + 3 * x as u8, 180, 60, if r < 20.0 { 255 } else { 0 }])
        });
        put(
            format!("{disc}.webp"),
            encoded(cut, ImageFormat::WebP),
            json!({"id": disc, "kind": "cutout", "name": "green ball", "colours": ["green"],
                "flags": {"can_stand": true}}),
        );
        let photo = id("photo", split);
        let picture = RgbImage::from_fn(96, 64, |x, y| Rgb([90 + x as u8, 120 + y as u8, 140]));
        put(
            format!("{photo}.jpg"),
            encoded(picture, ImageFormat::Jpeg),
            json!({"id": photo, "kind": "photo", "name": "a beach", "flags": {"ground_visible": true}}),
        );
        let tile = id("tile", split);
        let picture = RgbImage::from_fn(32, 32, |x, y| {
            Rgb([if (x / 8 + y / 8) % 2 == 0 { 190 } else { 120 }; 3])
        });
        put(
            format!("{tile}.jpg"),
            encoded(picture, ImageFormat::Jpeg),
            json!({"id": tile, "kind": "texture", "name": "floor tiles", "size_m": 1.0}),
        );
        let sky = id("sky", split);
        let picture = RgbImage::from_fn(128, 64, |x, y| {
            if y < 32 {
                Rgb([150, 170, 210])
            } else {
                Rgb([120, 110, 90 + (x / 2) as u8])
            }
        });
        let sun = json!({"direction": [0.5, 0.7, -0.5], "energy_fraction_8deg": 0.4});
        put(
            format!("{sky}.jpg"),
            encoded(picture, ImageFormat::Jpeg),
            json!({"id": sky, "kind": "hdri_ldr", "name": "an open field", "flags": {"flat_ground": true},
                "jpg_exposure": 1.0, "sun": sun}),
        );
        let light = image::Rgb32FImage::from_fn(16, 8, |x, y| {
            Rgb(if (x, y) == (10, 2) {
                [60.0; 3]
            } else if y < 4 {
                [0.8, 0.9, 1.1]
            } else {
                [0.3, 0.28, 0.25]
            })
        });
        put(
            format!("{sky}.hdr"),
            encoded(light, ImageFormat::Hdr),
            json!({"id": sky, "kind": "hdri_light", "name": "an open field", "flags": {"flat_ground": true},
                "jpg_exposure": 1.0, "sun": sun}),
        );
    }
    // Named, but not there: left out without a word.
    entries.push(json!({"id": "absent", "kind": "photo", "file": "absent.jpg", "name": "nothing"}));
    let manifest = json!({"version": 1, "entries": entries});
    std::fs::write(dir.join("manifest.json"), manifest.to_string()).unwrap();
}

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

fn pack(split: Split) -> (tempfile::TempDir, Pack) {
    let dir = tempfile::tempdir().unwrap();
    write_pack(dir.path());
    let pack = Pack::open(dir.path(), split).unwrap();
    (dir, pack)
}

fn records(count: u64) -> Vec<Record> {
    let (_dir, pack) = pack(Split::Train);
    let maker = Maker::new(pack, None, SIZE, 7).unwrap();
    (0..count).map(|i| maker.record(i).unwrap()).collect()
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
    for record in records(24) {
        let canvas = record
            .inputs
            .iter()
            .find(|i| i.role == Role::Canvas.index() as u8);
        let Some(canvas) = canvas else {
            assert_eq!(record.task, Task::IdentityPair as u16);
            continue;
        };
        let target = &record.outputs[0].1;
        let mut changed = 0;
        for (i, (from, to)) in canvas.picture.iter().zip(target).enumerate() {
            assert!(record.changed[i] == 0 || record.changed[i] == 255);
            if record.changed[i] == 0 {
                assert_eq!(from, to, "sample {} pixel {i}", record.id);
            } else {
                assert!((0..3).any(|c| from[c].abs_diff(to[c]) > 2));
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
    let planner = Planner::new(&pack).unwrap();
    let mut tasks = std::collections::HashSet::new();
    for index in 0..600 {
        let plan = planner.plan(&pack, 11, index, 0);
        let text = caption(&pack, &plan, &mut generator(11, index, 1)).text();
        tasks.insert(plan.task);
        assert!(text.len() <= super::caption::TEXT_BYTES);
        assert!(!text.contains(['{', '}']), "{text}");
        for n in plan.inputs().len() + 1..=8 {
            assert!(
                !text.contains(&format!("IMG{n}")),
                "{text} for {:?}",
                plan.inputs()
            );
        }
        assert!(plan.inputs().len() <= 4);
        if plan.inputs().contains(&Slot::Placement) {
            assert_eq!(plan.task, Task::InsertReference);
        }
    }
    assert_eq!(tasks.len(), Task::SHARES.len());
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
