//! What removals, moves and extensions start from.

mod common;

use std::sync::Arc;

use common::{Toy, events, input, rectangle, with_picture, with_region, words};
use inlay::doc::{ControlKind, Job, Level, Picture, Plane, Role};
use inlay::pipeline::generator::InputImage;

const SIZE: (u32, u32) = (128, 96);
const RED: [u8; 3] = [220, 20, 30];

/// A ramp from left to right with a red square, if wanted, at `left`, 40 to 60 pixels down.
fn ramp(left: Option<u32>) -> Picture {
    let mut picture = Picture::filled(SIZE.0, SIZE.1, [0, 0, 0, 255]);
    for (i, pixel) in picture.pixels_mut().chunks_exact_mut(4).enumerate() {
        let (x, y) = (i as u32 % SIZE.0, i as u32 / SIZE.0);
        let red = left.is_some_and(|left| (left..left + 20).contains(&x) && (40..60).contains(&y));
        let colour = if red { RED } else { [x as u8; 3] };
        pixel[..3].copy_from_slice(&colour);
    }
    picture
}

fn square(left: u32) -> Plane {
    rectangle(SIZE, left..left + 20, 40..60)
}

fn job(prompt: &str, masks: &[u32]) -> Job {
    let mut job = with_picture(words(prompt), Role::Canvas, ramp(Some(40)));
    for &left in masks {
        job = with_region(job, square(left), Level::Exact, None);
    }
    // The whole canvas at half its size: 64 by 48 pixels.
    job.spec.crop = Some([0, 0, SIZE.0, SIZE.1]);
    job
}

fn placements(job: &Job) -> Vec<InputImage> {
    let mut toy = Toy::default();
    toy.info.resolution = 56;
    toy.info.multiple = 8;
    events(job, &mut toy);
    let seen = toy.asked.inputs.lock().unwrap();
    let all = seen[0].images.iter();
    all.filter(|image| image.kind == Some(ControlKind::Placement))
        .cloned()
        .collect()
}

/// The largest difference to a picture, both at the model's size.
fn farthest(placement: &InputImage, picture: &Picture) -> f32 {
    let scale = SIZE.0 / placement.width;
    assert_eq!((placement.width * scale, placement.height * scale), SIZE);
    let mut worst = 0.0f32;
    for (i, pixel) in placement.values.chunks_exact(3).enumerate() {
        let (x, y) = (
            i as u32 % placement.width * scale,
            i as u32 / placement.width * scale,
        );
        for (c, value) in pixel.iter().enumerate() {
            let mut mean = 0.0;
            for (dx, dy) in (0..scale * scale).map(|k| (k % scale, k / scale)) {
                mean += f32::from(picture.pixel(x + dx, y + dy)[c]) / 255.0;
            }
            worst = worst.max((value - mean / (scale * scale) as f32).abs());
        }
    }
    worst
}

#[test]
fn what_is_to_go_is_filled_from_around() {
    // Patches of the ramp lie above and below, so it comes back.
    for prompt in [
        "Remove the red square.",
        "Take IMG2 away from IMG1.",
        "Extend IMG1 into IMG2.",
    ] {
        let made = placements(&job(prompt, &[40]));
        assert_eq!(made.len(), 1, "{prompt}");
        let error = farthest(&made[0], &ramp(None));
        assert!(error < 2e-3, "{prompt}: {error}");
    }
}

#[test]
fn what_moves_is_laid_where_it_goes() {
    let made = placements(&job("Move the square from IMG2 to IMG3.", &[40, 80]));
    assert_eq!(made.len(), 1);
    // Only the pasted square's rim is soft.
    let there = ramp(Some(80));
    let mut inner = made[0].clone();
    let scale = SIZE.0 / inner.width;
    for (i, pixel) in inner.values.chunks_exact_mut(3).enumerate() {
        let (x, y) = (
            i as u32 % inner.width * scale,
            i as u32 / inner.width * scale,
        );
        let near = |v: u32, from: u32| v + 2 * scale > from && v < from + 20 + scale;
        let deep = |v: u32, from: u32| v >= from + scale && v + 2 * scale <= from + 20;
        if near(x, 80) && near(y, 40) && !(deep(x, 80) && deep(y, 40)) {
            for (c, value) in pixel.iter_mut().enumerate() {
                let sum: u32 = (0..scale * scale)
                    .map(|k| u32::from(there.pixel(x + k % scale, y + k / scale)[c]))
                    .sum();
                *value = sum as f32 / (255 * scale * scale) as f32;
            }
        }
    }
    let error = farthest(&inner, &there);
    assert!(error < 6e-3, "{error}");
}

#[test]
fn other_words_start_from_the_canvas() {
    for (prompt, masks) in [
        ("Paint the square blue.", &[40][..]),
        ("A clear glass of water in IMG2.", &[40]),
        ("Move the square.", &[40]),
        ("Remove the square.", &[]),
    ] {
        assert!(placements(&job(prompt, masks)).is_empty(), "{prompt}");
    }
}

#[test]
fn an_artists_own_placement_is_the_only_one() {
    let mut job = job("Remove the square.", &[40]);
    job.spec
        .inputs
        .push(input(Role::Control, Some(ControlKind::Placement)));
    job.pictures.push(Arc::new(ramp(Some(10))));
    let made = placements(&job);
    assert_eq!(made.len(), 1);
    assert!(farthest(&made[0], &ramp(Some(10))) < 2e-3);
}
