//! What a job without cut-outs starts from: the canvas without the object that the words take away or move, its place
//! (or where the picture is to be extended) filled from around, and a moved object laid where it goes.
//!
//! The model starts from what is under its masks, and a small one hardly gets away from it: an object that is to go
//! would show through. So its place is filled with patches from around (`doc/texture.rs`), and what is left to the model
//! is the shadow and what the patches got wrong.

use super::canvas::CanvasPart;
use super::collage::{Fit, Laid, meant, paste};
use super::error::PipelineError;
use super::frame::Frame;
use super::generator::{Cancel, Inputs};
use super::light::Light;
use super::prepare::{bounds_in, canvas_rgb, go_on};
use super::resample::{Window, resampled};
use crate::doc::level::shown_mask;
use crate::doc::poisson::{FILL_REACH, widened};
use crate::doc::prompt::{Intent, intent};
use crate::doc::texture::fill_texture;
use crate::doc::{Job, Picture};

/// The longer side, in pixels, of the picture whose patches fill: larger crops get coarser texture.
const MOST_TEXTURE: usize = 512;

/// A start.
pub(super) struct Start {
    /// The ground at the model's size: RGB in 0..1.
    small: Vec<f32>,
    /// The same at the crop's own size.
    full: Vec<f32>,
    /// Where the ground was filled, 0 or 1, at the model's size.
    filled: Vec<f32>,
    /// What is moved, and where to: top, left, bottom, right as shares.
    moved: Option<(Picture, [f32; 4])>,
}

impl Start {
    /// Light that lets nothing show through where the ground was filled.
    pub fn evened(&self, light: Light, size: (usize, usize)) -> Light {
        light.even_where(&self.filled, size)
    }

    /// At the model's size, in this light.
    pub fn small(&self, size: (usize, usize), light: Option<&Light>) -> Laid {
        self.laid(self.small.clone(), size, light)
    }

    /// At the crop's own size, in this light.
    pub fn full(&mut self, size: (usize, usize), light: Option<&Light>) -> Laid {
        let ground = std::mem::take(&mut self.full);
        self.laid(ground, size, light)
    }

    fn laid(&self, ground: Vec<f32>, size: (usize, usize), light: Option<&Light>) -> Laid {
        let mut laid = Laid::ground(ground, size, light);
        if let Some((object, place)) = &self.moved {
            if light.is_some() {
                laid.own = Some(laid.values.clone());
            }
            // What goes along under a coarse mask has its shade with it.
            let fit = Fit {
                light,
                ..Fit::PLAIN
            };
            paste(&mut laid, size, object, *place, &fit);
        }
        laid
    }
}

/// The start of a job that takes an object away, moves it or extends the picture; `None` for others.
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
    let wish = intent(&job.spec.prompt);
    let gone = match wish {
        Intent::Remove | Intent::Extend => given,
        Intent::Move if given.len() == 2 => &given[..1],
        _ => return Ok(None),
    };
    let size = (frame.width as usize, frame.height as usize);
    let mut inside = vec![false; size.0 * size.1];
    for mask in gone {
        for (all, one) in inside
            .iter_mut()
            .zip(widened(&mask.values, size.0, FILL_REACH))
        {
            *all |= one;
        }
    }
    let mut start = cleared(part, frame, &inside, size, cancel);
    let crop = (frame.crop.width as usize, frame.crop.height as usize);
    if wish == Intent::Move
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
        start.moved = Some((object, place));
    }
    go_on(cancel)?;
    Ok(Some(start))
}

/// The canvas's crop with what lies `inside` (at the model's `size`) filled from around, at the model's size and at its
/// own.
fn cleared(
    part: &CanvasPart,
    frame: &Frame,
    inside: &[bool],
    size: (usize, usize),
    cancel: &Cancel,
) -> Start {
    let crop = (frame.crop.width as usize, frame.crop.height as usize);
    let shrink = (MOST_TEXTURE as f64 / crop.0.max(crop.1) as f64).min(1.0);
    let scaled = |side: usize, least: usize| ((side as f64 * shrink).round() as usize).max(least);
    let work = (scaled(crop.0, size.0), scaled(crop.1, size.1));
    let hole: Vec<bool> = (0..work.0 * work.1)
        .map(|i| {
            let (x, y) = (i % work.0 * size.0 / work.0, i / work.0 * size.1 / work.1);
            inside[y * size.0 + x]
        })
        .collect();
    let mut filled = canvas_rgb(&part.picture, frame.crop, work);
    fill_texture(&mut filled, work.0, &hole, &|| cancel.is_cancelled());
    let cover: Vec<f32> = hole.iter().map(|&b| f32::from(u8::from(b))).collect();
    let over = |mut values: Vec<f32>, to| {
        let filled = resized(&filled, work, to, 3);
        let cover = resized(&cover, work, to, 1);
        let pixels = values.chunks_exact_mut(3).zip(filled.chunks_exact(3));
        for ((value, filled), cover) in pixels.zip(&cover) {
            for (value, filled) in value.iter_mut().zip(filled) {
                *value += cover.clamp(0.0, 1.0) * (filled.clamp(0.0, 1.0) - *value);
            }
        }
        values
    };
    Start {
        small: over(part.rgb.clone(), size),
        full: over(canvas_rgb(&part.picture, frame.crop, crop), crop),
        filled: inside.iter().map(|&b| f32::from(u8::from(b))).collect(),
        moved: None,
    }
}

/// `values` (`from` pixels of `channels` values) at the size `to`.
fn resized(values: &[f32], from: (usize, usize), to: (usize, usize), channels: usize) -> Vec<f32> {
    let whole = Window {
        x: 0.0,
        y: 0.0,
        width: from.0 as f64,
        height: from.1 as f64,
    };
    resampled(whole, to, channels, &mut |y, x, row| {
        let y = y.clamp(0, from.1 as i64 - 1) as usize;
        for (i, pixel) in row.chunks_exact_mut(channels).enumerate() {
            let x = (x + i as i64).clamp(0, from.0 as i64 - 1) as usize;
            pixel.copy_from_slice(&values[(y * from.0 + x) * channels..][..channels]);
        }
    })
}
