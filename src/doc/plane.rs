//! One-channel pictures: masks and coverage.

/// One channel of 8 bits a pixel, row-major. In masks 255 is selected.
#[derive(Clone, PartialEq, Eq)]
pub struct Plane {
    width: u32,
    height: u32,
    values: Vec<u8>,
}

impl std::fmt::Debug for Plane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plane({}×{})", self.width, self.height)
    }
}

impl Plane {
    /// A plane of one value; a side of 0 becomes 1.
    pub fn filled(width: u32, height: u32, value: u8) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        Self {
            width,
            height,
            values: vec![value; width as usize * height as usize],
        }
    }

    /// A plane from `width · height` bytes; `None` if the length is wrong or a side is 0.
    pub fn from_values(width: u32, height: u32, values: Vec<u8>) -> Option<Self> {
        let fits = width > 0 && height > 0 && values.len() == width as usize * height as usize;
        fits.then_some(Self {
            width,
            height,
            values,
        })
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// All values, row by row.
    pub fn values(&self) -> &[u8] {
        &self.values
    }

    /// All values, to be changed in place.
    pub fn values_mut(&mut self) -> &mut [u8] {
        &mut self.values
    }

    /// The value at column `x`, row `y`; 0 outside.
    pub fn get(&self, x: i64, y: i64) -> u8 {
        if x < 0 || y < 0 || x >= i64::from(self.width) || y >= i64::from(self.height) {
            return 0;
        }
        self.values[y as usize * self.width as usize + x as usize]
    }

    /// The smallest rectangle (x0, y0, x1, y1; x1 and y1 exclusive) holding every value ≥ 128;
    /// `None` for an empty plane.
    pub fn bounds(&self) -> Option<(u32, u32, u32, u32)> {
        let width = self.width as usize;
        let mut bounds: Option<(u32, u32, u32, u32)> = None;
        for (y, row) in self.values.chunks_exact(width).enumerate() {
            let Some(first) = row.iter().position(|&v| v >= 128) else {
                continue;
            };
            let last = row.iter().rposition(|&v| v >= 128).unwrap_or(first);
            let (x0, x1, y) = (first as u32, last as u32 + 1, y as u32);
            bounds = Some(match bounds {
                None => (x0, y, x1, y + 1),
                Some((a, b, c, _)) => (a.min(x0), b, c.max(x1), y + 1),
            });
        }
        bounds
    }
}
