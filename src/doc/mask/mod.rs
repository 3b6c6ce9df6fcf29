//! Masks as tiles of 64×64 pixels, shared until they are written: a clone costs next to nothing, an edit
//! copies only what it touches, and an empty or full 16384² mask takes hardly any memory.

use std::sync::{Arc, OnceLock};

use super::picture::MAX_SIDE;
use super::{Picture, Plane};

pub mod brush;
mod filter;
mod shape;
#[cfg(test)]
pub(in crate::doc) mod tests;

pub use brush::{Brush, BrushMode, Sample, Stroke};
pub use filter::MAX_REACH;
pub use shape::Combine;

/// Side of a tile in pixels.
pub const TILE: u32 = 64;
const SIDE: usize = TILE as usize;

/// The values of one tile, row by row; those beyond the picture's edge are 0.
pub type Tile = [u8; SIDE * SIDE];

/// A tile's place in the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileIndex {
    /// Tiles from the left.
    pub column: u32,
    /// Tiles from the top.
    pub row: u32,
}

impl TileIndex {
    /// The left top pixel.
    pub fn origin(self) -> (u32, u32) {
        (self.column * TILE, self.row * TILE)
    }
}

/// A rectangle of pixels; `x1` and `y1` are exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rect {
    pub x0: u32,
    pub y0: u32,
    pub x1: u32,
    pub y1: u32,
}

/// A mask of 8 bits a pixel, 0 to 255 selected, with sides of 1 to [`MAX_SIDE`].
#[derive(Clone)]
pub struct Mask {
    width: u32,
    height: u32,
    /// Row by row. `None` is empty; wholly selected inner tiles share one allocation.
    tiles: Arc<Vec<Option<Arc<Tile>>>>,
}

impl PartialEq for Mask {
    fn eq(&self, other: &Self) -> bool {
        let size = (self.width, self.height) == (other.width, other.height);
        let same = |(a, b): (&Option<Arc<Tile>>, &Option<Arc<Tile>>)| same_tile(a, b) || a == b;
        size && self.tiles.iter().zip(other.tiles.iter()).all(same)
    }
}

impl Eq for Mask {}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let present = self.tiles.iter().flatten().count();
        write!(f, "Mask({}×{}, {present} tiles)", self.width, self.height)
    }
}

fn same_tile(a: &Option<Arc<Tile>>, b: &Option<Arc<Tile>>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}

/// The one tile that is selected throughout.
fn full_tile() -> &'static Arc<Tile> {
    static FULL: OnceLock<Arc<Tile>> = OnceLock::new();
    FULL.get_or_init(|| Arc::new([255; SIDE * SIDE]))
}

/// The one empty tile, for reading.
static EMPTY: Tile = [0; SIDE * SIDE];

impl Mask {
    /// An empty mask; sides are clamped to 1 to [`MAX_SIDE`].
    pub fn new(width: u32, height: u32) -> Self {
        let (width, height) = (width.clamp(1, MAX_SIDE), height.clamp(1, MAX_SIDE));
        let count = width.div_ceil(TILE) as usize * height.div_ceil(TILE) as usize;
        Self {
            width,
            height,
            tiles: Arc::new(vec![None; count]),
        }
    }

    /// A mask with a plane's values; what lies beyond [`MAX_SIDE`] is cut.
    pub fn from_plane(plane: &Plane) -> Self {
        let mut mask = Self::new(plane.width(), plane.height());
        let stride = plane.width() as usize;
        mask.update(mask.whole(), |x, y, _| {
            plane.values()[y as usize * stride + x as usize]
        });
        mask
    }

    /// A mask from a picture's transparency: opaque is selected.
    pub fn from_alpha(picture: &Picture) -> Self {
        let mut mask = Self::new(picture.width(), picture.height());
        mask.update(mask.whole(), |x, y, _| picture.pixel(x, y)[3]);
        mask
    }

    /// All values in one plane.
    pub fn to_plane(&self) -> Plane {
        let mut plane = Plane::filled(self.width, self.height, 0);
        self.read(self.whole(), plane.values_mut());
        plane
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Tiles in a row.
    pub fn columns(&self) -> u32 {
        self.width.div_ceil(TILE)
    }

    /// Rows of tiles.
    pub fn rows(&self) -> u32 {
        self.height.div_ceil(TILE)
    }

    /// The value at column `x`, row `y`; 0 outside.
    pub fn get(&self, x: i64, y: i64) -> u8 {
        if x < 0 || y < 0 || x >= i64::from(self.width) || y >= i64::from(self.height) {
            return 0;
        }
        let (x, y) = (x as usize, y as usize);
        let slot = y / SIDE * self.columns() as usize + x / SIDE;
        self.tiles[slot]
            .as_ref()
            .map_or(0, |tile| tile[y % SIDE * SIDE + x % SIDE])
    }

    /// A tile's values, row by row; an index outside reads as empty.
    pub fn tile(&self, index: TileIndex) -> &Tile {
        self.slot(index)
            .and_then(|slot| self.tiles[slot].as_deref())
            .unwrap_or(&EMPTY)
    }

    /// Whether nothing is selected, not even faintly.
    pub fn is_empty(&self) -> bool {
        self.tiles.iter().all(Option::is_none)
    }

    /// The smallest rectangle (x0, y0, x1, y1; the last two exclusive) holding every value ≥ `least`
    /// (which is taken as 1 if 0); `None` if there is none.
    pub fn bounds(&self, least: u8) -> Option<(u32, u32, u32, u32)> {
        let least = least.max(1);
        let mut bounds: Option<(u32, u32, u32, u32)> = None;
        for (index, tile) in self.present() {
            let (left, top) = index.origin();
            for (y, row) in tile.chunks_exact(SIDE).enumerate() {
                let Some(first) = row.iter().position(|&v| v >= least) else {
                    continue;
                };
                let last = row.iter().rposition(|&v| v >= least).unwrap_or(first);
                let (x0, x1, y) = (left + first as u32, left + last as u32 + 1, top + y as u32);
                bounds = Some(match bounds {
                    None => (x0, y, x1, y + 1),
                    Some((a, b, c, d)) => (a.min(x0), b.min(y), c.max(x1), d.max(y + 1)),
                });
            }
        }
        bounds
    }

    /// Bytes held by this mask alone or shared with others: its grid and its tiles, the one full tile apart.
    pub fn bytes(&self) -> usize {
        let own = |tile: &&Arc<Tile>| !Arc::ptr_eq(tile, full_tile());
        self.grid_bytes() + self.tiles.iter().flatten().filter(own).count() * SIDE * SIDE
    }

    /// Bytes of the grid without its tiles.
    pub(super) fn grid_bytes(&self) -> usize {
        self.tiles.len() * size_of::<Option<Arc<Tile>>>()
    }

    /// Whether two masks are the same memory, which is certain to be equal.
    pub(super) fn shares_grid(&self, other: &Mask) -> bool {
        Arc::ptr_eq(&self.tiles, &other.tiles)
    }

    /// The tiles that hold anything.
    fn present(&self) -> impl Iterator<Item = (TileIndex, &Arc<Tile>)> {
        let columns = self.columns() as usize;
        self.tiles.iter().enumerate().filter_map(move |(i, tile)| {
            let index = TileIndex {
                column: (i % columns) as u32,
                row: (i / columns) as u32,
            };
            tile.as_ref().map(|tile| (index, tile))
        })
    }

    fn slot(&self, index: TileIndex) -> Option<usize> {
        (index.column < self.columns() && index.row < self.rows())
            .then(|| index.row as usize * self.columns() as usize + index.column as usize)
    }

    fn whole(&self) -> Rect {
        Rect {
            x0: 0,
            y0: 0,
            x1: self.width,
            y1: self.height,
        }
    }

    /// The part of a tile that lies in the picture: columns and rows.
    fn inside(&self, index: TileIndex) -> (usize, usize) {
        let (x, y) = index.origin();
        (
            (self.width - x).min(TILE) as usize,
            (self.height - y).min(TILE) as usize,
        )
    }

    /// The tile that is selected throughout at this place.
    fn full_at(&self, index: TileIndex) -> Arc<Tile> {
        let (columns, rows) = self.inside(index);
        if columns == SIDE && rows == SIDE {
            return Arc::clone(full_tile());
        }
        let mut tile = EMPTY;
        for row in tile.chunks_exact_mut(SIDE).take(rows) {
            row[..columns].fill(255);
        }
        Arc::new(tile)
    }

    /// The indices of the tiles that a rectangle touches.
    fn touched(rect: Rect) -> impl Iterator<Item = TileIndex> {
        let columns = rect.x0 / TILE..rect.x1.div_ceil(TILE);
        let rows = if rect.x0 < rect.x1 {
            rect.y0 / TILE..rect.y1.div_ceil(TILE)
        } else {
            0..0
        };
        rows.flat_map(move |row| columns.clone().map(move |column| TileIndex { column, row }))
    }

    /// Stores a tile's values if they differ from what is there, as `None` or the full tile where it can.
    fn store(&mut self, index: TileIndex, values: &Tile) {
        let Some(slot) = self.slot(index) else {
            return;
        };
        if self.tile(index) == values {
            return;
        }
        let tile = if values == &EMPTY {
            None
        } else if values == &**full_tile() {
            Some(Arc::clone(full_tile()))
        } else {
            Some(Arc::new(*values))
        };
        self.put(slot, tile);
    }

    fn put(&mut self, slot: usize, tile: Option<Arc<Tile>>) {
        Arc::make_mut(&mut self.tiles)[slot] = tile;
    }

    /// Gives every pixel of a rectangle (cut at the picture's edge) a new value from its place and old value.
    fn update(&mut self, rect: Rect, mut new: impl FnMut(u32, u32, u8) -> u8) {
        let rect = Rect {
            x1: rect.x1.min(self.width),
            y1: rect.y1.min(self.height),
            ..rect
        };
        for index in Self::touched(rect) {
            let (left, top) = index.origin();
            let mut values = *self.tile(index);
            let xs = rect.x0.max(left)..rect.x1.min(left + TILE);
            for y in rect.y0.max(top)..rect.y1.min(top + TILE) {
                let row = (y - top) as usize * SIDE;
                for x in xs.clone() {
                    let value = &mut values[row + (x - left) as usize];
                    *value = new(x, y, *value);
                }
            }
            self.store(index, &values);
        }
    }

    /// Copies a rectangle inside the mask, row by row.
    fn read(&self, rect: Rect, to: &mut [u8]) {
        let stride = (rect.x1 - rect.x0) as usize;
        for index in Self::touched(rect) {
            let (left, top) = index.origin();
            let tile = self.tile(index);
            let (x0, x1) = (rect.x0.max(left), rect.x1.min(left + TILE));
            for y in rect.y0.max(top)..rect.y1.min(top + TILE) {
                let from = (y - top) as usize * SIDE + (x0 - left) as usize;
                let at = (y - rect.y0) as usize * stride + (x0 - rect.x0) as usize;
                let length = (x1 - x0) as usize;
                to[at..at + length].copy_from_slice(&tile[from..from + length]);
            }
        }
    }
}

/// The tiles in which two masks of one size may differ, found by their addresses alone: what must be drawn
/// anew. All tiles of `new` if the sizes differ.
pub fn dirty_tiles(old: &Mask, new: &Mask) -> Vec<TileIndex> {
    if old.shares_grid(new) && old.width == new.width {
        return Vec::new();
    }
    let resized = (old.width, old.height) != (new.width, new.height);
    Mask::touched(new.whole())
        .zip(new.tiles.iter().enumerate())
        .filter(|(_, (i, tile))| resized || !same_tile(&old.tiles[*i], tile))
        .map(|(index, _)| index)
        .collect()
}

/// A change of one mask: the touched tiles before and after.
#[derive(Clone, Debug)]
pub struct MaskPatch {
    tiles: Vec<TileChange>,
}

#[derive(Clone, Debug)]
struct TileChange {
    slot: u32,
    before: Option<Arc<Tile>>,
    after: Option<Arc<Tile>>,
}

impl MaskPatch {
    /// What turns `old` into `new`, which must be of one size; `None` if they are not.
    pub fn between(old: &Mask, new: &Mask) -> Option<Self> {
        if (old.width, old.height) != (new.width, new.height) {
            return None;
        }
        let tiles = (old.tiles.iter().zip(new.tiles.iter()).enumerate())
            .filter(|(_, (before, after))| !same_tile(before, after) && before != after)
            .map(|(slot, (before, after))| TileChange {
                slot: slot as u32,
                before: before.clone(),
                after: after.clone(),
            })
            .collect();
        Some(Self { tiles })
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.tiles.is_empty()
    }

    /// Bytes held at most (tiles may be shared with masks and other patches).
    pub fn bytes(&self) -> usize {
        let tile = |tile: &Option<Arc<Tile>>| match tile {
            Some(tile) if !Arc::ptr_eq(tile, full_tile()) => SIDE * SIDE,
            _ => 0,
        };
        self.tiles
            .iter()
            .map(|change| size_of::<TileChange>() + tile(&change.before) + tile(&change.after))
            .sum()
    }

    /// Puts the tiles back as they were before.
    pub fn undo(&self, mask: &mut Mask) {
        for change in &self.tiles {
            mask.put(change.slot as usize, change.before.clone());
        }
    }

    /// Makes the change again.
    pub fn redo(&self, mask: &mut Mask) {
        for change in &self.tiles {
            mask.put(change.slot as usize, change.after.clone());
        }
    }
}
