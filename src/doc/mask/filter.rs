//! Grow, shrink, feather and resize. They work block by block with a margin, so that memory stays small
//! on large masks, and skip blocks in which nothing can change.

use std::sync::Arc;

use super::{Mask, Rect, TILE, TileIndex, full_tile};
use crate::doc::field::{gaussian, squared_distance};

/// The widest grow, shrink and feather in pixels.
pub const MAX_REACH: f32 = 1024.0;

impl Mask {
    /// Moves the edge (where half is selected) outwards by `radius` pixels, at most [`MAX_REACH`].
    pub fn grow(&mut self, radius: f32) {
        self.move_edge(radius, true, |old, to_set| {
            old.max(share(radius.min(MAX_REACH) + 1.0 - to_set))
        });
    }

    /// Moves the edge inwards by `radius` pixels, at most [`MAX_REACH`]; the picture's own edge is none.
    pub fn shrink(&mut self, radius: f32) {
        self.move_edge(radius, false, |old, to_unset| {
            old.min(share(to_unset - radius.min(MAX_REACH)))
        });
    }

    /// Makes the edge soft: over about `radius` pixels to either side (a Gaussian of σ = radius / 2).
    pub fn feather(&mut self, radius: f32) {
        if radius.is_nan() || radius <= 0.0 {
            return;
        }
        let sigma = radius.min(MAX_REACH) / 2.0;
        let halo = (3.0 * sigma).ceil() as u32 + 3;
        self.filter(halo, |values, width, height| {
            let mut field: Vec<f32> = values.iter().map(|&v| f32::from(v)).collect();
            gaussian(&mut field, width, height, sigma);
            field.into_iter().map(|v| (v + 0.5) as u8).collect()
        });
    }

    /// The mask moved by whole pixels, to the right and down; what leaves the picture is gone.
    pub fn moved(&self, dx: i64, dy: i64) -> Mask {
        let mut moved = Mask::new(self.width, self.height);
        let Some((x0, y0, x1, y1)) = self.bounds(1) else {
            return moved;
        };
        // The part that stays inside.
        let kept = |low: u32, high: u32, by: i64, side: u32| {
            let low = i64::from(low).max(by.saturating_neg());
            let high = i64::from(high).min(i64::from(side).saturating_sub(by));
            (low < high).then_some((low as u32, high as u32))
        };
        let (Some((x0, x1)), Some((y0, y1))) =
            (kept(x0, x1, dx, self.width), kept(y0, y1, dy, self.height))
        else {
            return moved;
        };
        let stride = (x1 - x0) as usize;
        let mut values = vec![0; stride * (y1 - y0) as usize];
        self.read(Rect { x0, y0, x1, y1 }, &mut values);
        let shifted = |at: u32, by: i64| (i64::from(at) + by) as u32;
        let target = Rect {
            x0: shifted(x0, dx),
            y0: shifted(y0, dy),
            x1: shifted(x1, dx),
            y1: shifted(y1, dy),
        };
        moved.update(target, |x, y, _| {
            values[(y - target.y0) as usize * stride + (x - target.x0) as usize]
        });
        moved
    }

    /// The mask stretched to another size, bilinear.
    pub fn resized(&self, width: u32, height: u32) -> Mask {
        let mut mask = Mask::new(width, height);
        let scale_x = f64::from(self.width()) / f64::from(mask.width());
        let scale_y = f64::from(self.height()) / f64::from(mask.height());
        for index in Self::touched(mask.whole()) {
            let (left, top) = index.origin();
            let source = |at: u32, scale: f64, side: u32, up: f64| {
                ((f64::from(at) * scale + up).max(0.0) as u32).min(side)
            };
            let from = Rect {
                x0: source(left, scale_x, self.width() - 1, -1.0),
                y0: source(top, scale_y, self.height() - 1, -1.0),
                x1: source(left + TILE, scale_x, self.width(), 2.0),
                y1: source(top + TILE, scale_y, self.height(), 2.0),
            };
            match self.uniform(from) {
                Some(0) => {}
                Some(_) => {
                    let full = mask.full_at(index);
                    mask.store(index, &full);
                }
                None => {
                    let tile = Rect {
                        x0: left,
                        y0: top,
                        x1: left + TILE,
                        y1: top + TILE,
                    };
                    mask.update(tile, |x, y, _| {
                        let x = (f64::from(x) + 0.5) * scale_x - 0.5;
                        let y = (f64::from(y) + 0.5) * scale_y - 0.5;
                        self.bilinear(x, y)
                    });
                }
            }
        }
        mask
    }

    fn bilinear(&self, x: f64, y: f64) -> u8 {
        let x = x.clamp(0.0, f64::from(self.width() - 1));
        let y = y.clamp(0.0, f64::from(self.height() - 1));
        let (x0, y0) = (x as i64, y as i64);
        let (x1, y1) = (
            (x0 + 1).min(i64::from(self.width() - 1)),
            (y0 + 1).min(i64::from(self.height() - 1)),
        );
        let (u, v) = (x.fract(), y.fract());
        let at = |x, y| f64::from(self.get(x, y));
        let top = at(x0, y0) * (1.0 - u) + at(x1, y0) * u;
        let bottom = at(x0, y1) * (1.0 - u) + at(x1, y1) * u;
        (top * (1.0 - v) + bottom * v + 0.5) as u8
    }

    /// New values from the old one and the distance in pixels to the nearest pixel that is (`selected`), or is
    /// not, at least half selected.
    fn move_edge(&mut self, radius: f32, selected: bool, new: impl Fn(u8, f32) -> u8) {
        if radius.is_nan() || radius <= 0.0 {
            return;
        }
        let halo = radius.min(MAX_REACH).ceil() as u32 + 2;
        self.filter(halo, |values, width, _| {
            let set: Vec<bool> = values.iter().map(|&v| (v >= 128) == selected).collect();
            let distances = squared_distance(&set, width, 1.0);
            let pairs = values.iter().zip(distances);
            pairs.map(|(&old, d)| new(old, d.sqrt())).collect()
        });
    }

    /// Replaces the values block by block by what `new` makes of the block and `halo` pixels around it.
    /// Blocks that are empty or full, the halo included, stay.
    fn filter(&mut self, halo: u32, new: impl Fn(&[u8], usize, usize) -> Vec<u8>) {
        const BLOCK: u32 = 16 * TILE;
        let old = self.clone();
        let mut values = Vec::new();
        for top in (0..old.height()).step_by(BLOCK as usize) {
            for left in (0..old.width()).step_by(BLOCK as usize) {
                let block = Rect {
                    x0: left,
                    y0: top,
                    x1: (left + BLOCK).min(old.width()),
                    y1: (top + BLOCK).min(old.height()),
                };
                let window = Rect {
                    x0: left.saturating_sub(halo),
                    y0: top.saturating_sub(halo),
                    x1: block.x1.saturating_add(halo).min(old.width()),
                    y1: block.y1.saturating_add(halo).min(old.height()),
                };
                if old.uniform(window).is_some() {
                    continue;
                }
                let (width, height) = (
                    (window.x1 - window.x0) as usize,
                    (window.y1 - window.y0) as usize,
                );
                values.clear();
                values.resize(width * height, 0);
                old.read(window, &mut values);
                let filtered = new(&values, width, height);
                self.update(block, |x, y, _| {
                    filtered[(y - window.y0) as usize * width + (x - window.x0) as usize]
                });
            }
        }
    }

    /// 0 or 255 if all tiles under a rectangle are empty or all are the full tile; else `None`.
    fn uniform(&self, rect: Rect) -> Option<u8> {
        let value = |index: TileIndex| {
            let tile = self.slot(index).and_then(|slot| self.tiles[slot].as_ref());
            match tile {
                None => Some(0),
                Some(tile) => Arc::ptr_eq(tile, full_tile()).then_some(255),
            }
        };
        let mut indices = Self::touched(rect);
        let first = value(indices.next()?)?;
        indices
            .all(|index| value(index) == Some(first))
            .then_some(first)
    }
}

/// A share 0..1 as a value.
fn share(share: f32) -> u8 {
    // The cast keeps to 0..255.
    (share * 255.0 + 0.5) as u8
}
