//! Masks as artists draw them: boxes, lassos, blobs and scribbles, a little off.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::doc::level::coarsen;
use crate::doc::mask::{Brush, Combine, Mask, Sample};
use crate::doc::{Level, Plane};

/// How a mask was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As the level coarsens it.
    Coarse,
    /// Around the object, with corners.
    Lasso,
    /// With a wide brush, back and forth.
    Scribble,
}

/// A mask of `level` for the object `exact`, drawn in a style by chance and a little off, more so where less is
/// promised.
pub fn drawn(exact: &Plane, level: Level, rng: &mut ChaCha8Rng) -> Plane {
    let style = match level {
        Level::Outline if rng.random_bool(0.4) => Style::Lasso,
        Level::Blob => match rng.random_range(0..10) {
            0..5 => Style::Coarse,
            5..7 => Style::Lasso,
            _ => Style::Scribble,
        },
        _ => Style::Coarse,
    };
    moved(styled(exact, level, style, rng), level, rng)
}

/// A mask of `level` for the object `exact` in a given style.
pub fn styled(exact: &Plane, level: Level, style: Style, rng: &mut ChaCha8Rng) -> Plane {
    let coarse = coarsen(exact, level, rng);
    let made = match style {
        Style::Coarse => None,
        Style::Lasso => lasso(&coarse, rng),
        Style::Scribble => scribble(exact, rng),
    };
    made.filter(|m| covers(m, exact)).unwrap_or(coarse)
}

/// Whether a mask holds most of the object: what an artist meant to mark.
fn covers(mask: &Plane, exact: &Plane) -> bool {
    let mut inside = 0;
    let mut all = 0;
    for (&m, &e) in mask.values().iter().zip(exact.values()) {
        if e >= 128 {
            all += 1;
            inside += usize::from(m >= 128);
        }
    }
    inside * 100 >= all * 78
}

/// A polygon around a mask with a corner every so many degrees.
fn lasso(mask: &Plane, rng: &mut ChaCha8Rng) -> Option<Plane> {
    let (x0, y0, x1, y1) = mask.bounds()?;
    let centre = [(x0 + x1) as f32 / 2.0, (y0 + y1) as f32 / 2.0];
    let reach = ((x1 - x0) as f32).hypot((y1 - y0) as f32) / 2.0 + 2.0;
    let corners = rng.random_range(9..18);
    let start = rng.random::<f32>();
    let points: Vec<[f32; 2]> = (0..corners)
        .map(|k| {
            let angle = (k as f32 + start + rng.random_range(-0.25..0.25)) / corners as f32
                * std::f32::consts::TAU;
            let (s, c) = angle.sin_cos();
            // The farthest set pixel in this direction.
            let mut r = reach;
            while r > 1.0 && mask.get((centre[0] + r * c) as i64, (centre[1] + r * s) as i64) < 128
            {
                r -= 0.5;
            }
            let r = r * rng.random_range(1.0..1.1f32) + 1.0;
            [centre[0] + r * c, centre[1] + r * s]
        })
        .collect();
    let mut drawn = Mask::new(mask.width(), mask.height());
    drawn.fill_polygon(&points, Combine::Add);
    Some(thresholded(&drawn.to_plane()))
}

/// Strokes back and forth over an object.
fn scribble(exact: &Plane, rng: &mut ChaCha8Rng) -> Option<Plane> {
    let (x0, y0, x1, y1) = exact.bounds()?;
    let (width, height) = ((x1 - x0) as f32, (y1 - y0) as f32);
    let radius = (0.11 * width.max(height) * rng.random_range(0.8..1.3f32)).max(2.0);
    let lines = (height / (1.5 * radius)).ceil().max(1.0);
    let slant = rng.random_range(-0.4..0.4f32) * height / lines;
    let mut samples = Vec::new();
    for k in 0..lines as usize {
        let y = y0 as f32 + (k as f32 + 0.5) * height / lines;
        let row: Vec<i64> = (x0..x1)
            .filter(|&x| exact.get(i64::from(x), y as i64) >= 128)
            .map(i64::from)
            .collect();
        let (Some(&left), Some(&right)) = (row.first(), row.last()) else {
            continue;
        };
        let ends = if k % 2 == 0 {
            [left, right]
        } else {
            [right, left]
        };
        for (end, tilt) in ends.into_iter().zip([-0.5, 0.5]) {
            let jitter = 0.3 * radius;
            samples.push(Sample::at(
                end as f32 + rng.random_range(-jitter..jitter),
                y + tilt * slant,
            ));
        }
    }
    if samples.is_empty() {
        return None;
    }
    let mut drawn = Mask::new(exact.width(), exact.height());
    let brush = Brush {
        size: 2.0 * radius,
        pressure_size: false,
        hardness: 1.0,
        ..Brush::default()
    };
    drawn.stroke(brush, &samples);
    Some(thresholded(&drawn.to_plane()))
}

fn thresholded(mask: &Plane) -> Plane {
    let mut mask = mask.clone();
    for value in mask.values_mut() {
        *value = if *value >= 128 { 255 } else { 0 };
    }
    mask
}

fn moved(mask: Plane, level: Level, rng: &mut ChaCha8Rng) -> Plane {
    let off = match level {
        Level::Exact => 0,
        Level::Outline => 1,
        Level::Blob | Level::Box => 2,
    } * mask.width() as i64
        / 128;
    if off == 0 {
        return mask;
    }
    let (dx, dy) = (rng.random_range(-off..=off), rng.random_range(-off..=off));
    let mut moved = Plane::filled(mask.width(), mask.height(), 0);
    let width = mask.width() as usize;
    for (i, value) in moved.values_mut().iter_mut().enumerate() {
        *value = mask.get((i % width) as i64 - dx, (i / width) as i64 - dy);
    }
    // A mask that was pushed out of the frame would say nothing.
    if moved.bounds().is_some() {
        moved
    } else {
        mask
    }
}
