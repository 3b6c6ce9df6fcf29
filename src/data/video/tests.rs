//! Over films made on the spot: a red square that crosses a plain scene, and what the simulator films.

use std::collections::BTreeSet;
use std::path::Path;

use rand::Rng;

use super::frames::{Film, films};
use super::insertion::overlap;
use super::motion::{background, cleared, exposed, motion, objects};
use super::samples::{EARLIER, LATER, Words, samples};
use super::shard::Shards;
use crate::data::command::{DataCommand, VideoArgs, run};
use crate::data::record::{MASK, NONE, PICTURE, Record, header, place, record_bytes};
use crate::data::sample::Maker;
use crate::data::task::{Task, Weights};
use crate::doc::{ControlKind, Level, Role};
use crate::world::casting::generator;
use crate::world::frame::{Frame, Renderer};
use crate::world::pack::{Pack, Split};
use crate::world::stage::{Backdrop, Part, Stage, Where, Wish};
use crate::world::tests::pack::pack;

const SIZE: usize = 64;

fn inside(i: usize, at: i64) -> bool {
    let (x, y) = ((i % SIZE) as i64, (i / SIZE) as i64);
    (at..at + 14).contains(&x) && (24..40).contains(&y)
}

/// A frame with the square's left edge in column `at` (none at negative values), the camera moved by `pan`.
fn frame(at: i64, pan: i64) -> Vec<[u8; 3]> {
    (0..SIZE * SIZE)
        .map(|i| {
            let (x, y) = ((i % SIZE) as i64 + pan, (i / SIZE) as i64);
            if at >= 0 && inside(i, at) {
                // Where it is shows in its colour.
                [200 + at as u8 / 2, 40, 30]
            } else {
                let wave = ((x * 13 + y * 7) % 31 + (x / 9 % 3) * 30) as u8;
                [60 + wave, 80 + wave, 70]
            }
        })
        .collect()
}

fn film() -> Film {
    let starts = [-1, 2, 10, 18, 26, 34, 42, 48, -1];
    Film {
        name: "crossing".to_owned(),
        size: SIZE,
        frames: starts.into_iter().map(|at| frame(at, 0)).collect(),
    }
}

#[test]
fn a_still_camera_is_told_from_one_that_moves() {
    let still = motion(&frame(2, 0), &frame(10, 0), SIZE);
    assert_eq!(still.camera, [0.0, 0.0]);
    assert!(still.is_static() && still.error > 0.0);
    assert_eq!(motion(&frame(2, 0), &frame(2, 0), SIZE).moving, 0.0);
    let panned = motion(&frame(-1, 0), &frame(-1, 4), SIZE);
    assert_eq!(panned.camera, [-4.0 / 64.0, 0.0]);
    assert!(!panned.is_static());
}

#[test]
fn what_moves_is_found_by_its_difference_from_the_background() {
    let film = film();
    let behind = background(&film.frames);
    assert_eq!(behind, frame(-1, 0));
    let found = objects(&film.frames[3], &behind, SIZE, 0.006);
    assert_eq!(found.len(), 1);
    let truth: Vec<bool> = (0..SIZE * SIZE).map(|i| inside(i, 18)).collect();
    let both = (0..SIZE * SIZE)
        .filter(|&i| truth[i] && found[0][i] == 255)
        .count();
    let any = (0..SIZE * SIZE)
        .filter(|&i| truth[i] || found[0][i] == 255)
        .count();
    assert!(both * 100 >= any * 95, "{both} of {any}");
    assert!(objects(&film.frames[0], &behind, SIZE, 0.006).is_empty());
}

#[test]
fn a_film_gives_samples_of_six_tasks() {
    let words = Words {
        object: Some("red box".to_owned()),
        caption: None,
    };
    let records = samples(&film(), &words, 4);
    let count = |task: Task| records.iter().filter(|r| r.task == task as u16).count();
    assert_eq!(count(Task::Segment), 7);
    assert_eq!(count(Task::InsertWords), 7);
    assert_eq!(count(Task::Remove), 7);
    assert_eq!(count(Task::Move), 6);
    assert_eq!(count(Task::InsertReference), 7);
    assert!(count(Task::Frame2Frame) >= 8);
    for record in &records {
        assert_eq!(record.to_bytes(SIZE).len(), record_bytes(SIZE));
        // As in the simulator's samples, some tags of insertion with reference are dropped.
        if record.task != Task::InsertReference as u16 {
            let text = &record.text;
            assert!(text.starts_with("Realistic style; "), "{text}");
        }
        if record.task == Task::Segment as u16 {
            assert_eq!(record.outputs[0].0, MASK);
            assert!(record.text.contains("red box"));
        }
        if record.task == Task::Remove as u16 {
            assert_eq!(record.outputs[0].1, frame(-1, 0));
        }
    }
    // As bytes: what is not told is NaN, which equals nothing.
    let bytes =
        |records: &[Record]| -> Vec<Vec<u8>> { records.iter().map(|r| r.to_bytes(SIZE)).collect() };
    assert!(bytes(&samples(&film(), &words, 4)) == bytes(&records));
}

/// Where the square's left edge is.
fn edge(frame: &[[u8; 3]]) -> Option<usize> {
    let row = &frame[30 * SIZE..31 * SIZE];
    row.iter().position(|p| p[0] >= 200)
}

#[test]
fn words_say_which_way_a_film_runs() {
    let said = |phrases: &[&str], text: &str| {
        phrases
            .iter()
            .any(|p| text.ends_with(&p.replace("{o}", "red box")))
    };
    let mut seen = [0; 2];
    for (caption, seed) in [(None, 0), (None, 1), (Some("The box goes right."), 0)] {
        let words = Words {
            object: Some("red box".to_owned()),
            caption: caption.map(str::to_owned),
        };
        for record in samples(&film(), &words, seed) {
            let [canvas] = record.inputs.as_slice() else {
                continue;
            };
            if record.task != Task::Frame2Frame as u16 {
                continue;
            }
            let (from, to) = (edge(&canvas.picture), edge(&record.outputs[0].1));
            let (Some(from), Some(to)) = (from, to) else {
                continue;
            };
            match caption {
                Some(caption) => assert!(record.text.ends_with(caption) && from < to),
                None => {
                    assert_eq!(said(LATER, &record.text), from < to, "{}", record.text);
                    assert_eq!(said(EARLIER, &record.text), from > to, "{}", record.text);
                    seen[usize::from(from < to)] += 1;
                }
            }
        }
    }
    assert!(seen.iter().all(|&n| n > 2), "{seen:?}");
}

#[test]
fn a_stray_file_does_not_end_a_folder_of_films() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("crossing");
    std::fs::create_dir(&clip).unwrap();
    for (i, rgb) in film().frames.iter().enumerate() {
        let bytes: Vec<u8> = rgb.as_flattened().to_vec();
        image::RgbImage::from_raw(SIZE as u32, SIZE as u32, bytes)
            .unwrap()
            .save(clip.join(format!("{i:03}.png")))
            .unwrap();
    }
    std::fs::write(folder.path().join("about.txt"), "films").unwrap();
    std::fs::write(folder.path().join(".thumbs"), [0; 9]).unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let read = films(folder.path(), SIZE, 4.0).unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].name, "crossing");
    std::fs::remove_dir_all(&clip).unwrap();
    let none = films(folder.path(), SIZE, 4.0).err().unwrap().to_string();
    assert!(
        none.contains(" has no film of two frames or more"),
        "{none}"
    );
}

#[test]
fn shards_are_tar_files_with_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("crossing");
    std::fs::create_dir(&pictures).unwrap();
    for (i, rgb) in film().frames.iter().enumerate() {
        let bytes: Vec<u8> = rgb.as_flattened().to_vec();
        image::RgbImage::from_raw(SIZE as u32, SIZE as u32, bytes)
            .unwrap()
            .save(pictures.join(format!("{i:03}.png")))
            .unwrap();
    }
    let read = films(&pictures, SIZE, 4.0).unwrap();
    assert_eq!(read.len(), 1);
    assert!(read[0].frames == film().frames);
    let records = samples(&read[0], &Words::default(), 1);
    let out = folder.path().join("out");
    let mut shards = Shards::create(&out, "clips", SIZE, 10).unwrap();
    for record in &records {
        shards.add(&format!("{:06}", record.id), record).unwrap();
    }
    assert_eq!(shards.finish().unwrap(), records.len());
    assert_eq!(std::fs::read(out.join("header.bin")).unwrap(), header(SIZE));
    let index: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("index.json")).unwrap()).unwrap();
    let list = index["shardlist"].as_array().unwrap();
    assert_eq!(list.len(), records.len().div_ceil(10));
    let tar = std::fs::read(out.join(list[0]["url"].as_str().unwrap())).unwrap();
    assert_eq!(tar.len() % 512, 0);
    // The first entry is the first record, byte by byte.
    assert_eq!(&tar[..13], b"000000.record");
    let length = usize::from_str_radix(std::str::from_utf8(&tar[124..135]).unwrap(), 8).unwrap();
    assert_eq!(&tar[512..512 + length], records[0].to_bytes(SIZE));
    let sum: u32 = tar[..512]
        .iter()
        .enumerate()
        .map(|(i, &b)| {
            if (148..156).contains(&i) {
                32
            } else {
                u32::from(b)
            }
        })
        .sum();
    let stated = u32::from_str_radix(std::str::from_utf8(&tar[148..154]).unwrap(), 8).unwrap();
    assert_eq!(sum, stated);
    let nothing = films(&out.join("missing"), SIZE, 4.0)
        .err()
        .unwrap()
        .to_string();
    assert!(nothing.starts_with("the folder "), "{nothing}");
}

/// Roles and kinds of the inputs, and kinds of the outputs: what the trainer makes batches of.
fn signature(record: &Record) -> (Vec<(u8, u8)>, Vec<u8>) {
    (
        record.inputs.iter().map(|i| (i.role, i.kind)).collect(),
        record.outputs.iter().map(|o| o.0).collect(),
    )
}

#[test]
fn the_object_of_one_frame_is_put_where_another_shows_it() {
    let words = Words {
        object: Some("red box".to_owned()),
        caption: None,
    };
    let empty = frame(-1, 0);
    let mut texts = String::new();
    let (mut levels, mut placements) = ([0; 4], 0);
    for seed in 0..12 {
        for record in samples(&film(), &words, seed) {
            if record.task != Task::InsertReference as u16 {
                continue;
            }
            texts += &format!("{}\n", record.text);
            assert_eq!(record.flags, 1);
            let [canvas, asset, rest @ ..] = record.inputs.as_slice() else {
                panic!("a canvas and an asset are missing");
            };
            assert_eq!(canvas.role, Role::Canvas.index() as u8);
            assert!(canvas.picture == empty);
            assert_eq!((asset.role, asset.kind), (Role::Asset.index() as u8, NONE));
            // The target is that frame, and the canvas beyond the object.
            let (kind, target) = &record.outputs[0];
            assert_eq!(*kind, PICTURE);
            let at = film().frames.iter().position(|frame| frame == target);
            let red = target[record.object.iter().position(|&v| v == 255).unwrap() + 70];
            let near = |i: usize| {
                (0..SIZE * SIZE).any(|j| {
                    let far = |a: usize, b: usize| a.abs_diff(b) > 3;
                    record.object[j] == 255 && !far(i % SIZE, j % SIZE) && !far(i / SIZE, j / SIZE)
                })
            };
            assert!(at.is_some_and(|at| (1..8).contains(&at)));
            for i in (0..SIZE * SIZE).filter(|&i| target[i] != empty[i]) {
                assert!(record.changed[i] == 255 && near(i), "pixel {i}");
            }
            // The asset is the box of another frame over one colour, and nothing else.
            let cover = record.asset_object.as_ref().unwrap();
            let ground = asset.picture[0];
            let shown = cover.iter().position(|&v| v == 255).unwrap();
            let own = asset.picture[shown];
            assert!(own[0] != red[0] && own[0] >= 200, "{own:?} in {red:?}");
            assert!(cover.iter().filter(|&&v| v == 255).count() > 900);
            for (p, &cover) in asset.picture.iter().zip(cover) {
                let a = f32::from(cover) / 255.0;
                for c in 0..3 {
                    let mixed = f32::from(own[c]) * a + f32::from(ground[c]) * (1.0 - a);
                    assert!((f32::from(p[c]) - mixed).abs() < 2.0, "{p:?}");
                }
            }
            for control in rest {
                if control.kind != ControlKind::Mask.index() as u8 {
                    assert_eq!(control.kind, ControlKind::Placement.index() as u8);
                    assert!(control.picture != canvas.picture);
                    placements += 1;
                    continue;
                }
                levels[usize::from(control.level)] += 1;
                let marks = |i: &usize| control.picture[*i] == [255; 3];
                let object: Vec<usize> = (0..SIZE * SIZE)
                    .filter(|&i| record.object[i] == 255)
                    .collect();
                let inside = object.iter().filter(|&i| marks(i)).count();
                assert!(inside * 100 >= object.len() * 75, "level {}", control.level);
                if control.level == Level::Exact.index() as u8 {
                    let marked = (0..SIZE * SIZE).filter(marks).count();
                    assert!(
                        marked.abs_diff(object.len()) * 10 < object.len(),
                        "{marked}"
                    );
                }
                // The asset is told which part of the frame the mask takes.
                let rows = (0..SIZE * SIZE).filter(marks).map(|i| i / SIZE);
                assert_eq!(asset.placed[0], rows.min().unwrap() as f32 / SIZE as f32);
            }
        }
    }
    assert!(
        levels.iter().all(|&n| n > 3) && placements > 30,
        "{levels:?} {placements}"
    );
    assert!(texts.contains("red box") && texts.contains("IMG2"));
    assert!(texts.contains("Realistic style; static scenario; with reference object. "));
    assert!(!texts.contains('{'));
}

#[test]
fn insertions_from_film_go_into_the_batches_of_the_simulators() {
    let (_dir, pack) = pack(Split::Train);
    let weights = Weights::parse("insert_reference").unwrap();
    let maker = Maker::weighted(pack, None, SIZE, 3, weights).unwrap();
    let known: BTreeSet<_> = (0..300)
        .map(|i| signature(&maker.record(i).unwrap()))
        .collect();
    let mut own = BTreeSet::new();
    for seed in 0..40 {
        let made = samples(&film(), &Words::default(), seed);
        let insertions = made
            .iter()
            .filter(|r| r.task == Task::InsertReference as u16);
        own.extend(insertions.map(signature));
    }
    // With and without a mask, a collage, and with a mask the object's own as a second output.
    assert_eq!(known.len(), 6);
    assert_eq!(own, known);
}

#[test]
fn what_stood_still_for_long_is_no_background() {
    // The square comes in, stays for most of the film and goes on.
    let starts = [-1, -1, -1, 2, 10, 18, 18, 18, 18, 18, 18, 18, 18, 26, 34];
    let frames: Vec<_> = starts.into_iter().map(|at| frame(at, 0)).collect();
    assert!(background(&frames) != frame(-1, 0));
    assert!(cleared(&frames, SIZE, 0.006) == frame(-1, 0));
    let film = Film {
        name: "halt".to_owned(),
        size: SIZE,
        frames,
    };
    for record in samples(&film, &Words::default(), 2) {
        if record.task == Task::Segment as u16 {
            let first = record.object.iter().position(|&v| v == 255).unwrap();
            assert_eq!(record.inputs[0].picture[first + 70][1], 40);
        }
    }
}

#[test]
fn a_camera_that_shuts_its_lens_sees_the_same_object() {
    let darker = |frame: Vec<[u8; 3]>| -> Vec<[u8; 3]> {
        frame
            .iter()
            .map(|p| p.map(|v| (f32::from(v) * 0.7).round() as u8))
            .collect()
    };
    let (behind, shown) = (frame(-1, 0), darker(frame(18, 0)));
    assert_eq!(motion(&behind, &shown, SIZE).camera, [0.0, 0.0]);
    assert!(exposed(&behind, &behind) == behind);
    let dark = exposed(&behind, &shown);
    let found = objects(&shown, &dark, SIZE, 0.006);
    let plain = objects(&frame(18, 0), &behind, SIZE, 0.006);
    assert_eq!((found.len(), plain.len()), (1, 1));
    assert!(overlap(&found[0], &plain[0]) > 0.95);
}

/// Moments of a stage of a 128 px frame before a fixed camera: an object that goes from left to right; the first and
/// the last without it.
fn crossing(pack: &Pack, backdrop: Backdrop, object: usize) -> Option<Vec<Frame>> {
    let part = Part {
        object,
        file: 0,
        place: Where::Subject,
        facing: None,
    };
    let wish = Wish {
        backdrop,
        parts: vec![part],
        u: 0.5,
        extent: 0.3,
    };
    (0..40).find_map(|seed| {
        let stage = Stage::new(pack, &wish, 128, &mut generator(seed, 0, 0))?;
        let first = &stage.first;
        let [_, y, _] = first.camera.project(first.actors[0].foot);
        let mut gone = first.clone();
        gone.actors[0].present = false;
        let mut shots = vec![gone.clone()];
        for step in 0..9 {
            let mut shot = first.clone();
            let u = 0.18 + 0.08 * step as f32;
            shot.actors[0].foot = stage.ground(&first.camera, u, y / 128.0)?;
            shot.actors[0].yaw += 0.1 * step as f32;
            if stage.fits(&shot, 0, 0.05) {
                shots.push(shot);
            }
        }
        shots.push(gone);
        let mut renderer = Renderer::new(&stage);
        (shots.len() > 9).then(|| shots.iter().map(|s| renderer.frame(s)).collect())?
    })
}

/// The records of a folder of shards, as bytes.
fn records_in(folder: &Path) -> Vec<Vec<u8>> {
    let tar = std::fs::read(folder.join("video-000000.tar")).unwrap();
    let (mut at, mut found) = (0, Vec::new());
    while tar[at] != 0 {
        let length = std::str::from_utf8(&tar[at + 124..at + 135]).unwrap();
        let length = usize::from_str_radix(length, 8).unwrap();
        let name = tar[at..at + 100].split(|&b| b == 0).next().unwrap();
        if name.ends_with(b".record") {
            found.push(tar[at + 512..at + 512 + length].to_vec());
        }
        at += 512 + length.next_multiple_of(512);
    }
    found
}

#[test]
fn masks_of_what_moves_are_those_of_the_simulator() {
    let (dir, pack) = pack(Split::Train);
    let mut clips = 0;
    for (b, backdrop) in [
        Backdrop::Panorama(0),
        Backdrop::Photo(0),
        Backdrop::Floor(Some(0)),
    ]
    .into_iter()
    .enumerate()
    {
        for object in 0..pack.objects.len() {
            let Some(frames) = crossing(&pack, backdrop, object) else {
                continue;
            };
            let clip = dir.path().join(format!("clip-{b}-{object}"));
            std::fs::create_dir(&clip).unwrap();
            // A camera's noise, and compression.
            let rng = &mut generator(5, b as u64, object as u64);
            for (i, frame) in frames.iter().enumerate() {
                let mut bytes = frame.rgb.as_flattened().to_vec();
                for value in &mut bytes {
                    *value = value.saturating_add_signed(rng.random_range(-3..=3));
                }
                let picture = image::RgbImage::from_raw(128, 128, bytes).unwrap();
                let file = std::fs::File::create(clip.join(format!("{i:03}.jpg"))).unwrap();
                image::codecs::jpeg::JpegEncoder::new_with_quality(file, 90)
                    .encode_image(&picture)
                    .unwrap();
            }
            let out = dir.path().join(format!("out-{b}-{object}"));
            run(DataCommand::Video(VideoArgs {
                source: clip.clone(),
                out: out.clone(),
                tokenizer: None,
                size: 128,
                rate: 4.0,
                object: None,
                caption: None,
                seed: 1,
                shard: 1000,
            }))
            .unwrap();
            let shown = films(&clip, 128, 4.0).unwrap().remove(0).frames;
            let field = |record: &[u8], name: &str, length: usize| {
                let (at, _) = place(128, name).unwrap();
                record[at..at + length].to_vec()
            };
            let mut shares = Vec::new();
            let mut insertions = 0;
            for record in records_in(&out) {
                let task = field(&record, "task", 2)[0];
                insertions += usize::from(task == Task::InsertReference as u8);
                if task != Task::Segment as u8 {
                    continue;
                }
                let canvas = field(&record, "inputs", 128 * 128 * 3);
                let at = shown
                    .iter()
                    .position(|f| f.as_flattened() == canvas)
                    .unwrap();
                let truth: Vec<u8> = frames[at].visible[0]
                    .iter()
                    .map(|&v| if v >= 128 { 255 } else { 0 })
                    .collect();
                shares.push(overlap(&field(&record, "object", 128 * 128), &truth));
            }
            let mean = shares.iter().sum::<f32>() / shares.len().max(1) as f32;
            let least = shares.iter().copied().fold(1.0, f32::min);
            // Measured: 0.964 to 0.984 on average, 0.931 at least; with shadows taken for the object it was 0.65.
            let clip = format!("{backdrop:?} {}", pack.objects[object].name);
            assert!(shares.len() >= 7, "{clip}: {} masks", shares.len());
            assert!(mean > 0.95 && least > 0.9, "{clip}: {mean} {least}");
            assert!(insertions >= 6, "{clip}: {insertions} insertions");
            clips += 1;
        }
    }
    assert_eq!(clips, 9);
}
