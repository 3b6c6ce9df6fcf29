//! What moves: optical flow between frames by block matching, and moving objects by their difference from the
//! background of a camera that stands still.

use crate::world::colour::linear_table;
use crate::world::vector::luminance;

/// Edge of a block in pixels of the small pictures that flow is measured on.
const BLOCK: usize = 8;
/// The farthest a block is looked for, in pixels of the small pictures.
const REACH: i64 = 6;
/// The largest difference of a channel that compression and noise make.
pub const NOISE: u8 = 12;
/// Edge of the small pictures.
const SMALL: usize = 64;

/// How two frames differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Motion {
    /// The median of the blocks' displacements (x, y) as shares of the frame's side: what the camera did.
    pub camera: [f32; 2],
    /// The share of blocks that moved against that.
    pub moving: f32,
    /// Mean squared difference of lightness (0..1).
    pub error: f32,
}

impl Motion {
    /// Whether the camera stands still and most of the picture stays what it is.
    pub fn is_static(&self) -> bool {
        let still = 0.75 / SMALL as f32;
        self.camera.iter().all(|c| c.abs() < still) && self.moving < 0.35 && self.error < 0.03
    }
}

/// Perceived lightness 0..1 of a square picture, averaged down to `SMALL` pixels on each side.
fn lightness(frame: &[[u8; 3]], size: usize) -> Vec<f32> {
    let mut sums = vec![(0.0f32, 0.0f32); SMALL * SMALL];
    for (i, p) in frame.iter().enumerate() {
        let (x, y) = (i % size * SMALL / size, i / size * SMALL / size);
        let light = luminance(p.map(|v| linear_table()[v as usize])).sqrt();
        let sum = &mut sums[y * SMALL + x];
        *sum = (sum.0 + light, sum.1 + 1.0);
    }
    // A frame smaller than that leaves cells empty: they show their left neighbour.
    let mut last = 0.0;
    sums.into_iter()
        .map(|(sum, count)| {
            if count > 0.0 {
                last = sum / count;
            }
            last
        })
        .collect()
}

/// The motion from one frame to another, both `size` pixels on each side.
pub fn motion(from: &[[u8; 3]], to: &[[u8; 3]], size: usize) -> Motion {
    let (a, mut b) = (lightness(from, size), lightness(to, size));
    let error = a.iter().zip(&b).map(|(x, y)| (x - y).powi(2)).sum::<f32>() / a.len() as f32;
    // A lens that shuts is no motion: flow is sought at one exposure.
    let mut ratios: Vec<f32> = a
        .iter()
        .zip(&b)
        .filter(|(_, b)| **b > 0.02)
        .map(|(a, b)| a / b)
        .collect();
    if !ratios.is_empty() {
        let middle = ratios.len() / 2;
        let gain = *ratios.select_nth_unstable_by(middle, f32::total_cmp).1;
        b.iter_mut().for_each(|v| *v *= gain);
    }
    let mut flows: Vec<[i64; 2]> = Vec::new();
    for by in (0..SMALL).step_by(BLOCK) {
        for bx in (0..SMALL).step_by(BLOCK) {
            let cost = |dx: i64, dy: i64| -> Option<f32> {
                let (x0, y0) = (bx as i64 + dx, by as i64 + dy);
                let limit = (SMALL - BLOCK) as i64;
                if x0 < 0 || y0 < 0 || x0 > limit || y0 > limit {
                    return None;
                }
                let mut sum = 0.0;
                for y in 0..BLOCK {
                    for x in 0..BLOCK {
                        let i = (by + y) * SMALL + bx + x;
                        let j = (y0 as usize + y) * SMALL + x0 as usize + x;
                        sum += (a[i] - b[j]).powi(2);
                    }
                }
                Some(sum)
            };
            let here = cost(0, 0).unwrap_or(0.0);
            let mut best = (here, [0, 0]);
            for dy in -REACH..=REACH {
                for dx in -REACH..=REACH {
                    if let Some(c) = cost(dx, dy)
                        // Even blocks match everywhere: a displacement must be worth it.
                        && c < best.0 - 0.02 - 0.1 * here
                    {
                        best = (c, [dx, dy]);
                    }
                }
            }
            flows.push(best.1);
        }
    }
    let median = |c: usize| {
        let mut list: Vec<i64> = flows.iter().map(|f| f[c]).collect();
        list.sort_unstable();
        list[list.len() / 2]
    };
    let camera = [median(0), median(1)];
    let moving = flows
        .iter()
        .filter(|f| (f[0] - camera[0]).abs() > 1 || (f[1] - camera[1]).abs() > 1)
        .count();
    Motion {
        camera: camera.map(|c| c as f32 / SMALL as f32),
        moving: moving as f32 / flows.len() as f32,
        error,
    }
}

/// What is behind everything that moves: the median of each channel over time.
pub fn background(frames: &[Vec<[u8; 3]>]) -> Vec<[u8; 3]> {
    let pixels = frames.first().map_or(0, Vec::len);
    let mut values = vec![0u8; frames.len()];
    (0..pixels)
        .map(|i| {
            std::array::from_fn(|c| {
                for (value, frame) in values.iter_mut().zip(frames) {
                    *value = frame[i][c];
                }
                values.sort_unstable();
                values[values.len() / 2]
            })
        })
        .collect()
}

/// `picture` in the exposure of `like`, a picture of nearly the same: each channel by the median of their ratios.
pub fn exposed(picture: &[[u8; 3]], like: &[[u8; 3]]) -> Vec<[u8; 3]> {
    let gains: [f32; 3] = std::array::from_fn(|c| {
        let mut ratios: Vec<f32> = picture
            .iter()
            .zip(like)
            .filter(|(a, b)| a[c] >= 8 && b[c] < 250)
            .map(|(a, b)| f32::from(b[c]) / f32::from(a[c]))
            .collect();
        let middle = ratios.len() / 2;
        if ratios.is_empty() {
            return 1.0;
        }
        *ratios.select_nth_unstable_by(middle, f32::total_cmp).1
    });
    picture
        .iter()
        .map(|p| std::array::from_fn(|c| (f32::from(p[c]) * gains[c]).round().min(255.0) as u8))
        .collect()
}

/// Whether `mask` marks where something is that only the background shows: its outline is seen there and not in the
/// frame.
pub fn is_ghost(frame: &[[u8; 3]], background: &[[u8; 3]], mask: &[u8], size: usize) -> bool {
    let across = |picture: &[[u8; 3]]| -> u64 {
        let mut sum = 0;
        // A little to both sides of every edge between two neighbours, along rows and columns.
        for step in [1, size] {
            for i in step..size * size - 2 * step {
                let inside = step != 1 || (1..size - 2).contains(&(i % size));
                if inside && mask[i] != mask[i + step] {
                    let (a, b) = (picture[i - step], picture[i + 2 * step]);
                    sum += (0..3).map(|c| u64::from(a[c].abs_diff(b[c]))).sum::<u64>();
                }
            }
        }
        sum
    };
    across(background) > across(frame)
}

/// The background without what stood still for most of the film: where frames show what is behind it, that.
pub fn cleared(frames: &[Vec<[u8; 3]>], size: usize, least: f32) -> Vec<[u8; 3]> {
    let mut behind = background(frames);
    let mut seen: Vec<Vec<[u8; 3]>> = vec![Vec::new(); size * size];
    for frame in frames {
        let frame = exposed(frame, &behind);
        for mask in objects(&frame, &behind, size, least) {
            if is_ghost(&frame, &behind, &mask, size) {
                let mut all: Vec<bool> = mask.iter().map(|&v| v == 255).collect();
                for _ in 0..3 {
                    all = grown(&all, size, true);
                }
                for i in (0..size * size).filter(|&i| all[i]) {
                    seen[i].push(frame[i]);
                }
            }
        }
    }
    for (pixel, mut seen) in behind.iter_mut().zip(seen) {
        // A few agree: one alone may show what passes.
        if seen.len() >= 3 {
            let middle = seen.len() / 2;
            *pixel =
                std::array::from_fn(|c| seen.select_nth_unstable_by_key(middle, |p| p[c]).1[c]);
        }
    }
    behind
}

/// Where a frame differs from its background because of the object of `mask`: there, and wherever differences hang
/// together with it, such as those of its shadow.
pub fn reach(frame: &[[u8; 3]], background: &[[u8; 3]], mask: &[u8], size: usize) -> Vec<bool> {
    let object: Vec<bool> = mask.iter().map(|&v| v == 255).collect();
    let start = grown(&object, size, true);
    let differs = |i: usize| (0..3).any(|c| frame[i][c].abs_diff(background[i][c]) > NOISE);
    let found = spread((0..size * size).filter(|&i| start[i]), size, &differs);
    grown(&found, size, true)
}

/// What can be reached from `start` from neighbour to neighbour over what is `open`.
fn spread(
    start: impl IntoIterator<Item = usize>,
    size: usize,
    open: &dyn Fn(usize) -> bool,
) -> Vec<bool> {
    let mut seen = vec![false; size * size];
    let mut next: Vec<usize> = start.into_iter().collect();
    for &i in &next {
        seen[i] = true;
    }
    while let Some(i) = next.pop() {
        let (x, y) = (i % size, i / size);
        let beside = [
            (x > 0).then(|| i - 1),
            (x + 1 < size).then_some(i + 1),
            (y > 0).then(|| i - size),
            (y + 1 < size).then_some(i + size),
        ];
        for j in beside.into_iter().flatten() {
            if !seen[j] && open(j) {
                seen[j] = true;
                next.push(j);
            }
        }
    }
    seen
}

/// A set of pixels a pixel larger on each side, or a pixel smaller.
pub fn grown(set: &[bool], size: usize, grow: bool) -> Vec<bool> {
    (0..size * size)
        .map(|i| {
            let (x, y) = ((i % size) as i64, (i / size) as i64);
            let mut any = !grow;
            for dy in -1..=1 {
                for dx in -1..=1 {
                    let (sx, sy) = (x + dx, y + dy);
                    if sx >= 0 && sy >= 0 && sx < size as i64 && sy < size as i64 {
                        let value = set[sy as usize * size + sx as usize];
                        any = if grow { any || value } else { any && value };
                    }
                }
            }
            any
        })
        .collect()
}

/// Whether a pixel is what the background is in the shade: darker, but not too dark, in the same hue.
fn is_shade(pixel: [u8; 3], behind: [u8; 3]) -> bool {
    let ratios: [f32; 3] =
        std::array::from_fn(|c| (f32::from(pixel[c]) + 1.0) / (f32::from(behind[c]) + 1.0));
    let least = ratios.into_iter().fold(f32::MAX, f32::min);
    let most = ratios.into_iter().fold(0.0, f32::max);
    least > 0.2 && most < 0.98 && most - least < 0.1
}

/// The masks (0 and 255) of what differs from the background, largest first: connected, without shade, specks
/// and holes. `least` is the smallest share of the frame that counts.
pub fn objects(frame: &[[u8; 3]], background: &[[u8; 3]], size: usize, least: f32) -> Vec<Vec<u8>> {
    let raw: Vec<bool> = frame
        .iter()
        .zip(background)
        .map(|(a, b)| {
            (0..3).map(|c| u32::from(a[c].abs_diff(b[c]))).sum::<u32>() > 60 && !is_shade(*a, *b)
        })
        .collect();
    // Opened, then closed: specks go, gaps fill.
    let opened = grown(&grown(&raw, size, false), size, true);
    let solid = grown(&grown(&opened, size, true), size, false);
    let mut seen = vec![false; size * size];
    let mut found: Vec<Vec<usize>> = Vec::new();
    for start in 0..size * size {
        if !solid[start] || seen[start] {
            continue;
        }
        let part = spread([start], size, &|i| solid[i]);
        for (seen, &part) in seen.iter_mut().zip(&part) {
            *seen |= part;
        }
        // What is not reached from the frame's edge is the object or a hole in it.
        let edge =
            (0..size).flat_map(|k| [k, k * size, k * size + size - 1, size * (size - 1) + k]);
        let outside = spread(edge.filter(|&i| !part[i]), size, &|i| !part[i]);
        let whole: Vec<usize> = (0..size * size).filter(|&i| !outside[i]).collect();
        if whole.len() as f32 >= least * (size * size) as f32 {
            found.push(whole);
        }
    }
    found.sort_by_key(|part| (usize::MAX - part.len(), part[0]));
    found
        .into_iter()
        .map(|part| {
            let mut mask = vec![0; size * size];
            for i in part {
                mask[i] = 255;
            }
            mask
        })
        .collect()
}
