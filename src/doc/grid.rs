//! Coarse grids of values over pictures.

use std::ops::Range;

/// A grid of values that covers a picture, read between its points.
#[derive(Clone, Debug, PartialEq)]
pub struct Field<const N: usize> {
    columns: usize,
    rows: usize,
    values: Vec<[f32; N]>,
}

impl<const N: usize> Field<N> {
    /// The same values everywhere.
    pub fn even(values: [f32; N]) -> Self {
        Self {
            columns: 1,
            rows: 1,
            values: vec![values],
        }
    }

    /// A grid of so many columns, row by row; `None` if the values are not as many or none.
    pub fn new(columns: usize, values: Vec<[f32; N]>) -> Option<Self> {
        let rows = values.len().checked_div(columns)?;
        (rows > 0 && rows * columns == values.len()).then_some(Self {
            columns,
            rows,
            values,
        })
    }

    /// The values for the pixels of row `y` of a picture of this size, between the grid's points in straight lines, as
    /// an enlarged picture has them (pixel centres).
    pub(crate) fn row(&self, y: usize, size: (usize, usize)) -> impl Iterator<Item = [f32; N]> {
        self.row_in(y, size, 0..size.0)
    }

    /// The same for a part of the row.
    pub(crate) fn row_in(
        &self,
        y: usize,
        (width, height): (usize, usize),
        columns: Range<usize>,
    ) -> impl Iterator<Item = [f32; N]> {
        let rows = between(y, height, self.rows);
        columns.map(move |x| self.read(rows, between(x, width, self.columns)))
    }

    /// The same for one pixel, x and y.
    pub(crate) fn at(&self, (x, y): (usize, usize), size: (usize, usize)) -> [f32; N] {
        let rows = between(y, size.1, self.rows);
        self.read(rows, between(x, size.0, self.columns))
    }

    fn read(&self, (top, bottom, down): Place, (left, right, along): Place) -> [f32; N] {
        let (top, bottom) = (top * self.columns, bottom * self.columns);
        std::array::from_fn(|c| {
            let at = |i: usize| self.values[i][c];
            let mix = |a: f32, b: f32, t: f32| a + t * (b - a);
            let above = mix(at(top + left), at(top + right), along);
            let below = mix(at(bottom + left), at(bottom + right), along);
            mix(above, below, down)
        })
    }
}

/// Two neighbouring points of a grid, and how far it is to the second.
type Place = (usize, usize, f32);

/// The points of a grid around a pixel of `pixels`.
fn between(pixel: usize, pixels: usize, points: usize) -> Place {
    let at = (pixel as f32 + 0.5) * points as f32 / pixels as f32 - 0.5;
    let at = at.clamp(0.0, points as f32 - 1.0);
    let first = at as usize;
    (first, (first + 1).min(points - 1), at - first as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_in_straight_lines_between_its_points() {
        let field = Field::new(2, vec![[0.0], [1.0], [2.0], [3.0]]).unwrap();
        let row = |y: usize| -> Vec<f32> { field.row(y, (4, 4)).map(|[v]| v).collect() };
        // Points lie at a quarter and three quarters of each side; beyond them nothing changes.
        assert_eq!(row(0), [0.0, 0.25, 0.75, 1.0]);
        assert_eq!(row(1), [0.5, 0.75, 1.25, 1.5]);
        assert_eq!(row(3), [2.0, 2.25, 2.75, 3.0]);
        // At its own size it is what it is.
        let own: Vec<f32> = (0..2)
            .flat_map(|y| field.row(y, (2, 2)).map(|[v]| v))
            .collect();
        assert_eq!(own, [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(Field::new(2, vec![[0.0]; 3]), None);
        assert_eq!(Field::<1>::new(0, Vec::new()), None);
    }
}
