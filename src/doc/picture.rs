//! Pictures in memory.

use super::Plane;

/// A picture: RGBA, 8 bits a channel, straight (not premultiplied) alpha, sRGB, row-major.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}×{})", self.width, self.height)
    }
}

/// The longest side of any picture, in pixels.
pub const MAX_SIDE: u32 = 16384;

/// Values of alpha below this are taken for empty: soft shadows and the noise of lossy files.
const VISIBLE: u8 = 8;

impl Picture {
    /// A picture from `width · height · 4` bytes; `None` if the length or a side is wrong
    /// (sides are 1 to [`MAX_SIDE`]).
    pub fn from_rgba(width: u32, height: u32, pixels: Vec<u8>) -> Option<Self> {
        let sides = (1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height);
        (sides && pixels.len() == width as usize * height as usize * 4).then_some(Self {
            width,
            height,
            pixels,
        })
    }

    /// A picture of one colour; sides are clamped to 1 to [`MAX_SIDE`].
    pub fn filled(width: u32, height: u32, rgba: [u8; 4]) -> Self {
        let (width, height) = (width.clamp(1, MAX_SIDE), height.clamp(1, MAX_SIDE));
        Self {
            width,
            height,
            pixels: rgba.repeat(width as usize * height as usize),
        }
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// All bytes, RGBA row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// All bytes, to be changed in place.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// The pixel at column `x`, row `y`; coordinates outside are clamped to the edge.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 4] {
        let (x, y) = (
            x.min(self.width - 1) as usize,
            y.min(self.height - 1) as usize,
        );
        let at = (y * self.width as usize + x) * 4;
        [
            self.pixels[at],
            self.pixels[at + 1],
            self.pixels[at + 2],
            self.pixels[at + 3],
        ]
    }

    /// Bounds (x0, y0, x1, y1) of what shows, the far edges outside of it; `None` if nothing does.
    pub fn visible_bounds(&self) -> Option<(u32, u32, u32, u32)> {
        let alpha = self.pixels.iter().skip(3).step_by(4);
        let shows = alpha
            .map(|&alpha| if alpha >= VISIBLE { 255 } else { 0 })
            .collect();
        Plane::from_values(self.width, self.height, shows)?.bounds()
    }

    /// Whether any pixel is not fully opaque.
    pub fn has_alpha(&self) -> bool {
        self.pixels
            .iter()
            .skip(3)
            .step_by(4)
            .any(|&alpha| alpha != 255)
    }
}
