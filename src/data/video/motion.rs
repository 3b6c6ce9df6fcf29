//! What moves: optical flow between frames by block matching, and moving objects by their difference from the
//! background of a camera that stands still.

use crate::world::colour::linear_table;
use crate::world::vector::luminance;

/// Edge of a block in pixels of the small pictures that flow is measured on.
const BLOCK: usize = 8;
/// The farthest a block is looked for, in pixels of the small pictures.
const REACH: i64 = 6;
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
    let (a, b) = (lightness(from, size), lightness(to, size));
    let error = a.iter().zip(&b).map(|(x, y)| (x - y).powi(2)).sum::<f32>() / a.len() as f32;
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

/// The masks (0 and 255) of what differs from the background, largest first: connected, without specks. `least` is
/// the smallest share of the frame that counts.
pub fn objects(frame: &[[u8; 3]], background: &[[u8; 3]], size: usize, least: f32) -> Vec<Vec<u8>> {
    let raw: Vec<bool> = frame
        .iter()
        .zip(background)
        .map(|(a, b)| (0..3).map(|c| u32::from(a[c].abs_diff(b[c]))).sum::<u32>() > 60)
        .collect();
    // Opened, then closed: specks go, gaps fill.
    let grown = |set: &[bool], grow: bool| -> Vec<bool> {
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
    };
    let opened = grown(&grown(&raw, false), true);
    let solid = grown(&grown(&opened, true), false);
    let mut seen = vec![false; size * size];
    let mut found: Vec<Vec<usize>> = Vec::new();
    for start in 0..size * size {
        if !solid[start] || seen[start] {
            continue;
        }
        let mut part = Vec::new();
        let mut open = vec![start];
        seen[start] = true;
        while let Some(i) = open.pop() {
            part.push(i);
            let (x, y) = (i % size, i / size);
            let beside = [
                (x > 0).then(|| i - 1),
                (x + 1 < size).then_some(i + 1),
                (y > 0).then(|| i - size),
                (y + 1 < size).then_some(i + size),
            ];
            for j in beside.into_iter().flatten() {
                if solid[j] && !seen[j] {
                    seen[j] = true;
                    open.push(j);
                }
            }
        }
        if part.len() as f32 >= least * (size * size) as f32 {
            found.push(part);
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
