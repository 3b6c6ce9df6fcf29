//! What an artist's mask means at each level.

use super::window::{Window, margin};
use super::{Level, object_size};
use crate::doc::Plane;
use crate::doc::field::squared_distance;

/// How far around the mask the object itself may go at Exact, Outline and Blob, as shares of d.
const GROW: [f32; 3] = [0.02, 0.06, 0.16];
/// How far beside the mask's lower part shadows and reflections may fall, as shares of d; half as far below.
const SHADOW: [f32; 3] = [0.25, 0.32, 0.42];
/// The lower part of the mask, as a share of its height: what stands on the ground casts its shadow from there.
const FOOT: f32 = 0.4;
/// What Box adds to the mask's bounding box, as shares of d: left, top, right, bottom. Never less than Blob.
const BOX: [f32; 4] = [0.45, 0.24, 0.45, 0.3];
/// From this many pixels on, distances are computed on a reduced grid.
const FULL_RESOLUTION: usize = 1 << 20;

/// The region the model may change when an artist painted `mask` at `level`: 255 there, 0 elsewhere.
///
/// Around the mask a rim that grows with the level, and beside and below its lower part room for shadow and
/// reflection; all widths scale with d = √area. Box is a rectangle. For one mask each level's region holds that
/// of the level before, and every region holds the mask. An empty mask (nothing ≥ 128) gives an empty region,
/// a full one a full region. Linear in the area of the mask's bounding box.
pub fn editable_region(mask: &Plane, level: Level) -> Plane {
    let mut out = Plane::filled(mask.width(), mask.height(), 0);
    let Some(bounds) = mask.bounds() else {
        return out;
    };
    let d = object_size(mask).max(4.0);
    // The same window and grid for every level, so that nesting is exact.
    let window = Window::around(mask, bounds, BOX.map(|share| margin(share * d)));
    let Some(n) = [Level::Exact, Level::Outline, Level::Blob]
        .iter()
        .position(|&l| l == level)
    else {
        window.write(&mut out, &vec![true; window.width * window.height]);
        return out;
    };
    let selected = window.read(mask);
    let mut factor = 1;
    while window.width.div_ceil(factor) * window.height.div_ceil(factor) > FULL_RESOLUTION {
        factor += 1;
    }
    let (grid, width) = window.pooled(&selected, factor);
    let height = grid.len() / width;
    let foot_from = {
        let (_, y0, _, y1) = bounds;
        let foot = ((y1 - y0) as f32 * FOOT).ceil() as u32;
        (y1 - foot) as usize - window.y
    } / factor;
    let mut foot = grid.clone();
    foot[..foot_from * width].fill(false);

    let unit = factor as f32;
    let (grow, shadow) = ((GROW[n] * d).max(1.0 + n as f32), SHADOW[n] * d);
    let mut field = squared_distance(&grid, width, 1.0);
    let beside = squared_distance(&foot, width, 2.0);
    for (near, beside) in field.iter_mut().zip(&beside) {
        *near = (near.sqrt() * unit / grow).min(beside.sqrt() * unit / shadow);
    }
    let mut picked = if factor == 1 {
        field.iter().map(|&v| v <= 1.0).collect()
    } else {
        within_one(&field, width, height, &window, factor)
    };
    for (picked, selected) in picked.iter_mut().zip(&selected) {
        *picked |= selected;
    }
    window.write(&mut out, &picked);
    out
}

/// Where a field on a grid of `factor²` pixels a cell, interpolated bilinearly, is at most 1.
fn within_one(
    field: &[f32],
    width: usize,
    height: usize,
    window: &Window,
    factor: usize,
) -> Vec<bool> {
    let place = |at: usize, cells: usize| {
        let place = ((at as f32 + 0.5) / factor as f32 - 0.5).clamp(0.0, (cells - 1) as f32);
        (place as usize, place.fract())
    };
    let columns: Vec<(usize, f32)> = (0..window.width).map(|x| place(x, width)).collect();
    let mut picked = Vec::with_capacity(window.width * window.height);
    for y in 0..window.height {
        let (row, v) = place(y, height);
        let upper = &field[row * width..][..width];
        let lower = &field[(row + 1).min(height - 1) * width..][..width];
        let blend = |a: f32, b: f32, share: f32| a * (1.0 - share) + b * share;
        let line: Vec<f32> = (0..width).map(|x| blend(upper[x], lower[x], v)).collect();
        picked.extend(columns.iter().map(|&(column, u)| {
            let right = line[(column + 1).min(width - 1)];
            blend(line[column], right, u) <= 1.0
        }));
    }
    picked
}

/// The mask that the model is shown for an artist's mask at a level: the bounding rectangle of what is selected
/// (≥ 128) at Box, where a scribble stands for "this big"; else the mask as it is.
pub fn shown_mask(mask: &Plane, level: Level) -> Plane {
    match (level, mask.bounds()) {
        (Level::Box, Some(bounds)) => {
            let mut out = Plane::filled(mask.width(), mask.height(), 0);
            let window = Window::around(mask, bounds, [0; 4]);
            window.write(&mut out, &vec![true; window.width * window.height]);
            out
        }
        _ => mask.clone(),
    }
}
