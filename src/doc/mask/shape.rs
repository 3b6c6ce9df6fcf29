//! Box, lasso, fill and invert.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::{Mask, Rect, SIDE, TILE, TileIndex, full_tile};

/// How a shape is joined to the mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Combine {
    /// Selects the shape as well.
    #[default]
    Add,
    /// Unselects the shape.
    Subtract,
    /// Selects the shape alone.
    Replace,
}

impl Combine {
    fn join(self, old: u8, coverage: u8) -> u8 {
        match self {
            Combine::Add => old.max(coverage),
            Combine::Subtract => old.min(255 - coverage),
            Combine::Replace => coverage,
        }
    }
}

/// Sub-scanlines of a pixel row; along a row coverage is exact.
const SUBROWS: usize = 8;

impl Mask {
    /// Combines with the box between two corners, rounded to whole pixels.
    pub fn fill_box(&mut self, a: [f32; 2], b: [f32; 2], combine: Combine) {
        if combine == Combine::Replace {
            self.clear();
        }
        // A cast brings what is negative or no number to 0.
        let span = |a: f32, b: f32| (a.min(b).round() as u32, a.max(b).round() as u32);
        let ((x0, x1), (y0, y1)) = (span(a[0], b[0]), span(a[1], b[1]));
        self.update(Rect { x0, y0, x1, y1 }, |_, _, old| combine.join(old, 255));
    }

    /// Combines with a closed polygon (even-odd rule), anti-aliased. Points may lie outside the picture; those
    /// that are no numbers are passed over.
    pub fn fill_polygon(&mut self, points: &[[f32; 2]], combine: Combine) {
        if combine == Combine::Replace {
            self.clear();
        }
        let points: Vec<[f64; 2]> = points
            .iter()
            .filter(|p| p[0].is_finite() && p[1].is_finite())
            .map(|p| p.map(f64::from))
            .collect();
        let mut edges: Vec<Edge> = points
            .iter()
            .zip(points.iter().cycle().skip(1))
            .filter_map(|(a, b)| Edge::new(*a, *b))
            .collect();
        edges.sort_by(|a, b| a.top.total_cmp(&b.top));
        let Some(first) = edges.first() else {
            return;
        };
        let height = f64::from(self.height());
        let start = first.top.clamp(0.0, height) as u32;
        let bottom = edges.iter().map(|e| e.bottom).fold(0.0, f64::max);
        let end = bottom.ceil().clamp(0.0, height) as u32;
        let stride = self.width() as usize + 2;
        let width = f64::from(self.width());
        let mut coverage = vec![0.0_f32; stride * SIDE];
        let mut crossings = Vec::new();
        let (mut active, mut next): (Vec<Edge>, usize) = (Vec::new(), 0);
        // One row of tiles at a time, so that each tile is written once.
        for band in start / TILE..end.div_ceil(TILE) {
            coverage.fill(0.0);
            let (mut low, mut high) = (self.width(), 0);
            let rows = start.max(band * TILE)..end.min((band + 1) * TILE);
            for y in rows.clone() {
                let (top, bottom) = (f64::from(y), f64::from(y + 1));
                while let Some(edge) = edges.get(next).filter(|edge| edge.top < bottom) {
                    active.push(*edge);
                    next += 1;
                }
                active.retain(|edge| edge.bottom > top);
                let row = &mut coverage[(y % TILE) as usize * stride..][..stride];
                for subrow in 0..SUBROWS {
                    let at = top + (subrow as f64 + 0.5) / SUBROWS as f64;
                    crossings.clear();
                    crossings.extend(active.iter().filter_map(|edge| edge.cross(at)));
                    crossings.sort_by(f64::total_cmp);
                    for pair in crossings.chunks_exact(2) {
                        let (a, b) = (pair[0].clamp(0.0, width), pair[1].clamp(0.0, width));
                        if a < b {
                            add_span(row, a, b);
                            low = low.min(a as u32);
                            high = high.max(b.ceil() as u32);
                        }
                    }
                }
            }
            for row in coverage.chunks_exact_mut(stride) {
                let mut sum = 0.0;
                for value in &mut row[(low as usize).min(stride)..(high as usize).max(low as usize)]
                {
                    sum += *value;
                    *value = sum;
                }
            }
            let rect = Rect {
                x0: low,
                y0: rows.start,
                x1: high,
                y1: rows.end,
            };
            self.update(rect, |x, y, old| {
                let sum = coverage[(y % TILE) as usize * stride + x as usize];
                // The cast keeps to 0..255.
                combine.join(old, (sum / SUBROWS as f32 * 255.0 + 0.5) as u8)
            });
        }
    }

    /// Selects everything.
    pub fn fill_all(&mut self) {
        for index in Self::touched(self.whole()) {
            let full = self.full_at(index);
            self.store(index, &full);
        }
    }

    /// Unselects everything.
    pub fn clear(&mut self) {
        *self = Mask::new(self.width(), self.height());
    }

    /// Selects what is unselected and the other way round.
    pub fn invert(&mut self) {
        for index in Self::touched(self.whole()) {
            let mut values = *self.full_at(index);
            for (value, old) in values.iter_mut().zip(self.tile(index)) {
                *value -= old;
            }
            self.store(index, &values);
        }
    }

    /// Selects the connected area (by edges of pixels) around a pixel in which less than half is selected:
    /// fills a closed outline. Does nothing on a selected pixel or outside.
    pub fn flood(&mut self, x: u32, y: u32) {
        if x >= self.width() || y >= self.height() || self.get(x.into(), y.into()) >= 128 {
            return;
        }
        // Tile by tile: seeds wait until their tile is taken, and an empty tile is filled at a stroke.
        let index = TileIndex {
            column: x / TILE,
            row: y / TILE,
        };
        let mut seeds: HashMap<TileIndex, Vec<u16>> = HashMap::new();
        let at = (y as usize % SIDE) * SIDE + x as usize % SIDE;
        seeds.insert(index, vec![at as u16]);
        let mut queue = VecDeque::from([index]);
        while let Some(index) = queue.pop_front() {
            let Some(stack) = seeds.remove(&index) else {
                continue;
            };
            for (neighbour, at) in self.flood_tile(index, stack) {
                seeds
                    .entry(neighbour)
                    .or_insert_with(|| {
                        queue.push_back(neighbour);
                        Vec::new()
                    })
                    .push(at);
            }
        }
    }

    /// Floods one tile from some of its pixels; gives the pixels of other tiles that are reached.
    fn flood_tile(&mut self, index: TileIndex, mut stack: Vec<u16>) -> Vec<(TileIndex, u16)> {
        let (columns, rows) = self.inside(index);
        let mut values = *self.tile(index);
        let mut reached = Vec::new();
        let whole = values == super::EMPTY && columns == SIDE && rows == SIDE;
        if whole {
            values = **full_tile();
            stack = self.doors(index);
        }
        while let Some(at) = stack.pop() {
            let at = usize::from(at);
            let (x, y) = (at % SIDE, at / SIDE);
            if x >= columns || y >= rows || (values[at] >= 128 && !whole) {
                continue;
            }
            values[at] = 255;
            let mut go = |inside: bool, next: usize, tile: (i64, i64), entry: usize| {
                if inside {
                    if !whole {
                        stack.push(next as u16);
                    }
                    return;
                }
                let (column, row) = (
                    i64::from(index.column) + tile.0,
                    i64::from(index.row) + tile.1,
                );
                if let (Ok(column), Ok(row)) = (u32::try_from(column), u32::try_from(row)) {
                    reached.push((TileIndex { column, row }, entry as u16));
                }
            };
            go(x > 0, at.wrapping_sub(1), (-1, 0), y * SIDE + SIDE - 1);
            go(x + 1 < SIDE, at + 1, (1, 0), y * SIDE);
            go(y > 0, at.wrapping_sub(SIDE), (0, -1), (SIDE - 1) * SIDE + x);
            go(y + 1 < SIDE, at + SIDE, (0, 1), x);
        }
        self.store(index, &values);
        reached.retain(|(index, at)| {
            self.slot(*index)
                .is_some_and(|slot| match &self.tiles[slot] {
                    None => true,
                    Some(tile) => !Arc::ptr_eq(tile, full_tile()) && tile[usize::from(*at)] < 128,
                })
        });
        reached
    }
}

impl Mask {
    /// The border pixels of an empty tile through which a flood may leave it: one towards each neighbour that
    /// is empty too, all towards the others.
    fn doors(&self, index: TileIndex) -> Vec<u16> {
        let neighbours: [(i64, i64, usize, usize); 4] = [
            (-1, 0, 0, SIDE),
            (1, 0, SIDE - 1, SIDE),
            (0, -1, 0, 1),
            (0, 1, (SIDE - 1) * SIDE, 1),
        ];
        let mut doors = Vec::new();
        for (column, row, first, step) in neighbours {
            let column = u32::try_from(i64::from(index.column) + column);
            let row = u32::try_from(i64::from(index.row) + row);
            let (Ok(column), Ok(row)) = (column, row) else {
                continue;
            };
            let Some(slot) = self.slot(TileIndex { column, row }) else {
                continue;
            };
            let count = if self.tiles[slot].is_none() { 1 } else { SIDE };
            doors.extend((0..count).map(|i| (first + i * step) as u16));
        }
        doors
    }
}

/// Adds a span to a row that holds how much coverage changes from pixel to pixel.
fn add_span(changes: &mut [f32], from: f64, to: f64) {
    for (x, sign) in [(from, 1.0), (to, -1.0)] {
        let (pixel, part) = (x as usize, x.fract());
        changes[pixel] += (sign * (1.0 - part)) as f32;
        changes[pixel + 1] += (sign * part) as f32;
    }
}

/// A side of a polygon that is not level.
#[derive(Clone, Copy)]
struct Edge {
    top: f64,
    bottom: f64,
    /// x at `top`.
    x: f64,
    /// dx / dy.
    slope: f64,
}

impl Edge {
    fn new(a: [f64; 2], b: [f64; 2]) -> Option<Self> {
        let (top, bottom) = if a[1] < b[1] { (a, b) } else { (b, a) };
        (top[1] < bottom[1]).then(|| Self {
            top: top[1],
            bottom: bottom[1],
            x: top[0],
            slope: (bottom[0] - top[0]) / (bottom[1] - top[1]),
        })
    }

    /// x where the edge crosses a level line.
    fn cross(&self, y: f64) -> Option<f64> {
        (self.top <= y && y < self.bottom).then_some(self.x + (y - self.top) * self.slope)
    }
}
