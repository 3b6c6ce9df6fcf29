//! How much an object looks like another picture of it: colours and outlines, without any learned measure.
//!
//! Likeness = (colours + gradients) / 2, each 0 to 1:
//!
//! * colours: the intersection (Swain and Ballard 1991) of two RGB histograms of 4 × 4 × 4 bins, each pixel shared
//!   among its nearest bins; the pixels of both objects are first scaled to one mean luma, so that brighter light is no
//!   other object;
//! * gradients: the cosine of two descriptors of 4 × 4 cells of 8 orientations without sign (Dalal and Triggs 2005,
//!   square roots of the histograms, no block overlap), of the objects' bounding boxes at 32 × 32 pixels; what is
//!   beside the object has the object's mean colour.
//!
//! Another view, pose and light take their share: so the true picture and the pasted object get the same measure.

use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Luma};

use crate::doc::Picture;

/// Bins of a channel.
const BINS: usize = 4;
/// Side of what gradients are taken of, in pixels.
const SIDE: usize = 32;
/// Cells along a side.
const CELLS: usize = 4;
/// Orientations of a cell.
const TURNS: usize = 8;
/// Fewer pixels than this are no object.
const FEWEST: usize = 16;

/// A picture and which of its pixels are the object.
pub type Object<'a> = (&'a Picture, &'a [bool]);

/// How alike two objects look, 0..1; 0 where one of them is nothing.
pub fn likeness(a: Object<'_>, b: Object<'_>) -> f64 {
    let count = |place: &[bool]| place.iter().filter(|p| **p).count();
    if count(a.1) < FEWEST || count(b.1) < FEWEST {
        return 0.0;
    }
    let (x, y) = (colours(a), colours(b));
    let shared: f64 = x.iter().zip(&y).map(|(a, b)| a.min(*b)).sum();
    (shared + cosine(&gradients(a), &gradients(b))) / 2.0
}

fn luma(p: &[u8]) -> f64 {
    0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2])
}

fn mean_luma((picture, place): Object<'_>) -> f64 {
    let pixels = picture.pixels().chunks_exact(4).zip(place);
    let (sum, count) = pixels
        .filter(|(_, place)| **place)
        .fold((0.0, 0u32), |(sum, count), (p, _)| {
            (sum + luma(p), count + 1)
        });
    sum / f64::from(count.max(1))
}

/// Shares of the colour bins; they sum to 1.
fn colours(object: Object<'_>) -> Vec<f64> {
    // Very dark objects are not blown up without limit.
    let gain = (110.0 / mean_luma(object).max(1.0)).clamp(0.5, 3.0);
    let mut bins = vec![0.0; BINS * BINS * BINS];
    let mut total = 0.0;
    let pixels = object.0.pixels().chunks_exact(4).zip(object.1);
    for (p, _) in pixels.filter(|(_, place)| **place) {
        let shares: [[(usize, f64); 2]; 3] = std::array::from_fn(|c| {
            let v = (f64::from(p[c]) * gain / 255.0).min(1.0) * BINS as f64 - 0.5;
            let low = v.floor();
            let near = |at: f64| at.clamp(0.0, (BINS - 1) as f64) as usize;
            [(near(low), 1.0 - (v - low)), (near(low + 1.0), v - low)]
        });
        for (r, a) in shares[0] {
            for (g, b) in shares[1] {
                for (h, c) in shares[2] {
                    bins[(r * BINS + g) * BINS + h] += a * b * c;
                }
            }
        }
        total += 1.0;
    }
    bins.iter_mut().for_each(|bin| *bin /= total);
    bins
}

/// Square roots of the shares of orientations in each cell.
fn gradients(object: Object<'_>) -> Vec<f64> {
    let (picture, place) = object;
    let width = picture.width() as usize;
    let set = || (0..place.len()).filter(|&i| place[i]);
    let (mut x0, mut y0, mut x1, mut y1) = (usize::MAX, usize::MAX, 0, 0);
    for i in set() {
        (x0, y0) = (x0.min(i % width), y0.min(i / width));
        (x1, y1) = (x1.max(i % width + 1), y1.max(i / width + 1));
    }
    // 0 to 1: beyond that resizing would cut it off.
    let mean = mean_luma(object) as f32 / 255.0;
    let cut = ImageBuffer::from_fn((x1 - x0) as u32, (y1 - y0) as u32, |x, y| {
        let at = (y0 + y as usize) * width + x0 + x as usize;
        Luma([match place[at] {
            true => luma(&picture.pixels()[at * 4..at * 4 + 3]) as f32 / 255.0,
            false => mean,
        }])
    });
    let small = resize(&cut, SIDE as u32, SIDE as u32, FilterType::Triangle);
    let at = |x: usize, y: usize| f64::from(small.get_pixel(x as u32, y as u32)[0]);
    let mut bins = vec![0.0; CELLS * CELLS * TURNS];
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (right, left) = ((x + 1).min(SIDE - 1), x.saturating_sub(1));
            let (below, above) = ((y + 1).min(SIDE - 1), y.saturating_sub(1));
            let (gx, gy) = (at(right, y) - at(left, y), at(x, below) - at(x, above));
            let turn = gy.atan2(gx).rem_euclid(std::f64::consts::PI) / std::f64::consts::PI;
            let cell = y * CELLS / SIDE * CELLS + x * CELLS / SIDE;
            let bin = ((turn * TURNS as f64) as usize).min(TURNS - 1);
            bins[cell * TURNS + bin] += gx.hypot(gy);
        }
    }
    bins.iter_mut().for_each(|bin| *bin = bin.sqrt());
    bins
}

/// 1 for two even objects, which have no gradients.
fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let (aa, bb) = (dot(a, a), dot(b, b));
    match (aa > 0.0, bb > 0.0) {
        (true, true) => (dot(a, b) / (aa * bb).sqrt()).min(1.0),
        (false, false) => 1.0,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture with an object of stripes in it: its place, its colours, which way the stripes run.
    fn object(
        at: (u32, u32),
        side: u32,
        colours: [[u8; 3]; 2],
        upright: bool,
    ) -> (Picture, Vec<bool>) {
        let inside =
            |x: u32, y: u32| (at.0..at.0 + side).contains(&x) && (at.1..at.1 + side).contains(&y);
        let mut picture = Picture::filled(64, 64, [90, 100, 110, 255]);
        let mut place = vec![false; 64 * 64];
        for (i, set) in place.iter_mut().enumerate() {
            let (x, y) = (i as u32 % 64, i as u32 / 64);
            if inside(x, y) {
                let along = if upright { x - at.0 } else { y - at.1 };
                let [r, g, b] = colours[(along * 4 / side % 2) as usize];
                picture.pixels_mut()[i * 4..i * 4 + 3].copy_from_slice(&[r, g, b]);
                *set = true;
            }
        }
        (picture, place)
    }

    const REDS: [[u8; 3]; 2] = [[200, 40, 40], [90, 20, 20]];

    fn alike(a: &(Picture, Vec<bool>), b: &(Picture, Vec<bool>)) -> f64 {
        likeness((&a.0, &a.1), (&b.0, &b.1))
    }

    #[test]
    fn the_same_object_elsewhere_is_the_same() {
        let (here, there) = (
            object((4, 4), 32, REDS, true),
            object((20, 25), 32, REDS, true),
        );
        assert!((alike(&here, &here) - 1.0).abs() < 1e-9);
        assert!((alike(&here, &there) - 1.0).abs() < 1e-9);
        assert_eq!(alike(&here, &there), alike(&there, &here));
        // Half as large: only resampling differs.
        let small = alike(&here, &object((30, 30), 16, REDS, true));
        assert!(small > 0.8, "{small}");
    }

    #[test]
    fn light_costs_little_colour_and_pattern_cost_much() {
        let own = object((4, 4), 32, REDS, true);
        let darker = object((4, 4), 32, [[140, 28, 28], [63, 14, 14]], true);
        let blue = object((4, 4), 32, [[40, 40, 200], [20, 20, 90]], true);
        let lying = object((4, 4), 32, REDS, false);
        assert!(alike(&own, &darker) > 0.95, "{}", alike(&own, &darker));
        assert!(alike(&own, &blue) < 0.7, "{}", alike(&own, &blue));
        assert!(alike(&own, &lying) < 0.8, "{}", alike(&own, &lying));
        assert!(alike(&own, &lying) > alike(&blue, &lying));
    }

    #[test]
    fn nothing_is_like_nothing() {
        let own = object((4, 4), 32, REDS, true);
        let none = vec![false; 64 * 64];
        assert_eq!(likeness((&own.0, &own.1), (&own.0, &none)), 0.0);
    }
}
