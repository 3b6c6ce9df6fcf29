//! What a job without cut-outs starts from: the canvas without the object that the words take away or move, its place
//! filled from around, and a moved object laid where it goes.
//!
//! The model starts from what is under its masks, and a small one hardly gets away from it: an object that is to go
//! would show through. What is filled in is smooth; the model gives it the ground's texture and takes the shadow away.

use super::collage::{meant, paste};
use super::error::PipelineError;
use super::frame::Frame;
use super::generator::{Cancel, Inputs};
use super::prepare::{CanvasPart, bounds_in, canvas_rgb, go_on};
use super::resample::{Window, resampled};
use crate::doc::level::shown_mask;
use crate::doc::poisson::{FILL_REACH, fill_values, widened};
use crate::doc::prompt::{Intent, intent};
use crate::doc::{Job, Picture};

/// A start, RGB in 0..1.
pub(super) struct Start {
    /// At the model's size.
    pub small: Vec<f32>,
    /// At the crop's own size.
    pub full: Vec<f32>,
}

/// The start of a job that takes an object away or moves it; `None` for others.
pub(super) fn start(
    job: &Job,
    inputs: &Inputs,
    part: &CanvasPart,
    frame: &Frame,
    cancel: &Cancel,
) -> Result<Option<Start>, PipelineError> {
    let regions = &job.spec.regions;
    let given = inputs.images.get(job.pictures.len()..).unwrap_or_default();
    if regions.is_empty() || regions.iter().any(|region| region.asset.is_some()) {
        return Ok(None);
    }
    let cleared = match intent(&job.spec.prompt) {
        Intent::Remove => given,
        Intent::Move if given.len() == 2 => &given[..1],
        _ => return Ok(None),
    };
    let size = (frame.width as usize, frame.height as usize);
    let mut inside = vec![false; size.0 * size.1];
    for mask in cleared {
        for (all, one) in inside
            .iter_mut()
            .zip(widened(&mask.values, size.0, FILL_REACH))
        {
            *all |= one;
        }
    }
    let mut small = part.rgb.clone();
    fill_values(&mut small, size.0, &inside);
    go_on(cancel)?;
    let crop = (frame.crop.width as usize, frame.crop.height as usize);
    let mut full = canvas_rgb(&part.picture, frame.crop, crop);
    lay_over(&mut full, crop, &small, &inside, size);
    if matches!(intent(&job.spec.prompt), Intent::Move)
        && let [from, to] = &job.masks[..]
        && let Some(place) = bounds_in(to, frame.crop)
    {
        go_on(cancel)?;
        let shown = shown_mask(from, regions[0].level);
        let mut object = Picture::filled(frame.crop.width, frame.crop.height, [0; 4]);
        for (i, pixel) in object.pixels_mut().chunks_exact_mut(4).enumerate() {
            let (x, y) = (i % crop.0, i / crop.0);
            let (x, y) = (frame.crop.x + x as u32, frame.crop.y + y as u32);
            pixel.copy_from_slice(&part.picture.pixel(x, y));
            pixel[3] = shown.get(i64::from(x), i64::from(y));
        }
        // Both masks are as much larger than the object, unless the artist drew them differently.
        let place = if regions[0].level == regions[1].level {
            place
        } else {
            meant(place, regions[1].level)
        };
        paste(&mut small, size, &object, place);
        paste(&mut full, crop, &object, place);
    }
    Ok(Some(Start { small, full }))
}

/// Lays what was filled at the model's size over the crop at its own.
fn lay_over(
    full: &mut [f32],
    crop: (usize, usize),
    small: &[f32],
    inside: &[bool],
    size: (usize, usize),
) {
    let whole = Window {
        x: 0.0,
        y: 0.0,
        width: size.0 as f64,
        height: size.1 as f64,
    };
    let place = |y: i64, x: i64| {
        let x = x.clamp(0, size.0 as i64 - 1) as usize;
        y.clamp(0, size.1 as i64 - 1) as usize * size.0 + x
    };
    let fill = resampled(whole, crop, 3, &mut |y, x, row| {
        for (i, pixel) in row.chunks_exact_mut(3).enumerate() {
            pixel.copy_from_slice(&small[place(y, x + i as i64) * 3..][..3]);
        }
    });
    let cover = resampled(whole, crop, 1, &mut |y, x, row| {
        for (i, value) in row.iter_mut().enumerate() {
            *value = f32::from(u8::from(inside[place(y, x + i as i64)]));
        }
    });
    for ((to, from), cover) in full
        .chunks_exact_mut(3)
        .zip(fill.chunks_exact(3))
        .zip(cover)
    {
        let cover = cover.clamp(0.0, 1.0);
        for (to, from) in to.iter_mut().zip(from) {
            *to += cover * (from.clamp(0.0, 1.0) - *to);
        }
    }
}
