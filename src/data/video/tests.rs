//! Over a film made on the spot: a red square crosses a plain scene.

use super::frames::{Film, films};
use super::motion::{background, motion, objects};
use super::samples::{Words, samples};
use super::shard::Shards;
use crate::data::record::{MASK, Record, header, record_bytes};
use crate::data::task::Task;

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
                [210, 40, 30]
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
fn a_film_gives_samples_of_five_tasks() {
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
    assert!(count(Task::Frame2Frame) >= 8);
    for record in &records {
        assert_eq!(record.to_bytes(SIZE).len(), record_bytes(SIZE));
        assert!(
            record.text.starts_with("Realistic style; "),
            "{}",
            record.text
        );
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
