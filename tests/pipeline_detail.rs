//! What is finer than the model paints comes from the canvas and from what was pasted into it.

mod common;

use common::{Toy, outputs, rectangle, with_picture, with_region, words};
use inlay::doc::{Job, Level, Picture, Role};

/// Pixels of two greys by turns: even at a model's size.
fn chequered(side: u32, dark: u8, light: u8) -> Picture {
    let mut picture = Picture::filled(side, side, [dark, dark, dark, 255]);
    for (i, pixel) in picture.pixels_mut().chunks_exact_mut(4).enumerate() {
        if (i as u32 % side + i as u32 / side) % 2 == 1 {
            pixel[..3].fill(light);
        }
    }
    picture
}

/// A grey that the toy paints everywhere.
fn painted(job: &Job, grey: f32) -> Picture {
    let mut toy = Toy {
        variety: 0.0,
        target: Some([2.0 * grey - 1.0; 4]),
        ..Toy::default()
    };
    outputs(job, &mut toy)[0].picture.as_ref().clone()
}

/// Darkest and lightest red in the middle of a picture.
fn middle(picture: &Picture) -> (u8, u8) {
    let (w, h) = (picture.width(), picture.height());
    let values = (h / 2 - 4..h / 2 + 4)
        .flat_map(|y| (w / 2 - 4..w / 2 + 4).map(move |x| (x, y)))
        .map(|(x, y)| picture.pixel(x, y)[0]);
    values.fold((255, 0), |(low, high), v| (low.min(v), high.max(v)))
}

fn shaded(keep_detail: bool, size: u32) -> Job {
    let job = with_picture(words("Shade it"), Role::Canvas, chequered(size, 104, 200));
    let mask = rectangle((size, size), size / 8..size * 7 / 8, size / 8..size * 7 / 8);
    let mut job = with_region(job, mask, Level::Box, None);
    job.spec.blend.keep_detail = keep_detail;
    job.spec.blend.colour_match = false;
    job
}

#[test]
fn a_shadow_keeps_the_texture_under_it() {
    // The canvas is 152 on average, the toy paints 76: half the light, and so half the texture.
    let grey = 76.0 / 255.0;
    let (low, high) = middle(&painted(&shaded(true, 512), grey));
    assert!(
        (49..=55).contains(&low) && (97..=103).contains(&high),
        "{low} {high}"
    );
    let (low, high) = middle(&painted(&shaded(false, 512), grey));
    assert!(
        (75..=77).contains(&low) && (75..=77).contains(&high),
        "{low} {high}"
    );
}

#[test]
fn a_pasted_object_keeps_its_own_texture() {
    let size = 512;
    let canvas = Picture::filled(size, size, [152, 152, 152, 255]);
    let mut asset = chequered(320, 104, 200);
    // A cut-out: its upper rows are transparent.
    asset.pixels_mut()[..320 * 16 * 4].fill(0);
    let job = with_picture(words("Put IMG2 into IMG1"), Role::Canvas, canvas);
    let job = with_picture(job, Role::Asset, asset);
    // As large as the cut-out, so that its pixels lie on the canvas's.
    let mask = rectangle((size, size), 96..416, 96..400);
    let mut job = with_region(job, mask, Level::Exact, Some(1));
    job.spec.blend.colour_match = false;
    let (low, high) = middle(&painted(&job, 76.0 / 255.0));
    assert!(
        (49..=55).contains(&low) && (97..=103).contains(&high),
        "{low} {high}"
    );
    job.spec.blend.keep_detail = false;
    let (low, high) = middle(&painted(&job, 76.0 / 255.0));
    assert!(
        (75..=77).contains(&low) && (75..=77).contains(&high),
        "{low} {high}"
    );
}
