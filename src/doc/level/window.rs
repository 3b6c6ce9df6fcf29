//! The part of a plane that a mask's shape concerns.

use crate::doc::Plane;
use crate::doc::field::gaussian;

/// Pixels of margin for a width, with a little air.
pub(super) fn margin(width: f32) -> u32 {
    width.ceil() as u32 + 2
}

/// A rectangle inside a plane.
pub(super) struct Window {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

impl Window {
    /// Bounds (x0, y0, x1, y1) and a margin (left, top, right, bottom), cut at the plane's edges.
    pub fn around(plane: &Plane, bounds: (u32, u32, u32, u32), margin: [u32; 4]) -> Self {
        let (x, y) = (
            bounds.0.saturating_sub(margin[0]),
            bounds.1.saturating_sub(margin[1]),
        );
        let right = bounds.2.saturating_add(margin[2]).min(plane.width());
        let bottom = bounds.3.saturating_add(margin[3]).min(plane.height());
        Self {
            x: x as usize,
            y: y as usize,
            width: (right - x) as usize,
            height: (bottom - y) as usize,
        }
    }

    pub fn read(&self, plane: &Plane) -> Vec<bool> {
        let stride = plane.width() as usize;
        let mut set = Vec::with_capacity(self.width * self.height);
        for row in plane
            .values()
            .chunks_exact(stride)
            .skip(self.y)
            .take(self.height)
        {
            set.extend(row[self.x..self.x + self.width].iter().map(|&v| v >= 128));
        }
        set
    }

    pub fn write(&self, plane: &mut Plane, set: &[bool]) {
        let stride = plane.width() as usize;
        let rows = plane
            .values_mut()
            .chunks_exact_mut(stride)
            .skip(self.y)
            .take(self.height);
        for (row, set) in rows.zip(set.chunks_exact(self.width)) {
            for (value, &set) in row[self.x..].iter_mut().zip(set) {
                *value = if set { 255 } else { 0 };
            }
        }
    }

    pub fn blurred(&self, set: &[bool], sigma: f32) -> Vec<f32> {
        let mut field: Vec<f32> = set.iter().map(|&s| if s { 1.0 } else { 0.0 }).collect();
        gaussian(&mut field, self.width, self.height, sigma);
        field
    }

    /// Blocks of `factor²` pixels, set where any pixel is; with the grid's width.
    pub fn pooled(&self, set: &[bool], factor: usize) -> (Vec<bool>, usize) {
        if factor == 1 {
            return (set.to_vec(), self.width);
        }
        let width = self.width.div_ceil(factor);
        let mut grid = vec![false; width * self.height.div_ceil(factor)];
        for (y, row) in set.chunks_exact(self.width).enumerate() {
            let cells = &mut grid[y / factor * width..][..width];
            for (cell, block) in cells.iter_mut().zip(row.chunks(factor)) {
                *cell |= block.contains(&true);
            }
        }
        (grid, width)
    }
}
