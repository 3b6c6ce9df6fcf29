//! The four precision levels of a mask (IMPRINT's shape guidance), from both sides: how an exact mask is made
//! coarser for training, and which region the model may change when an artist paints at a level.

use std::fmt;
use std::str::FromStr;

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::Plane;
use super::field::{gaussian, squared_distance};

/// How strictly a mask is meant.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// "This silhouette."
    Exact,
    /// "About this outline."
    Outline,
    /// "This pose, roughly." The default: tight masks starve shadows.
    #[default]
    Blob,
    /// "Somewhere in here, this big."
    Box,
}

impl Level {
    /// All levels, strictest first; also the order of the model's level embedding.
    pub const ALL: [Level; 4] = [Level::Exact, Level::Outline, Level::Blob, Level::Box];

    /// Row in the model's level embedding.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The word of the command line and of recipes.
    pub fn name(self) -> &'static str {
        match self {
            Level::Exact => "exact",
            Level::Outline => "outline",
            Level::Blob => "blob",
            Level::Box => "box",
        }
    }

    /// What an artist says by choosing it.
    pub fn meaning(self) -> &'static str {
        match self {
            Level::Exact => "This silhouette",
            Level::Outline => "About this outline",
            Level::Blob => "This pose, roughly",
            Level::Box => "Somewhere in here, this big",
        }
    }

    /// A level drawn with the shares of training: .15, .25, .30, .30.
    pub fn sample(rng: &mut impl Rng) -> Level {
        match rng.random_range(0..20) {
            0..3 => Level::Exact,
            3..8 => Level::Outline,
            8..14 => Level::Blob,
            _ => Level::Box,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is no mask level: use exact, outline, blob or box")]
pub struct UnknownLevel(pub String);

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(word: &str) -> Result<Self, UnknownLevel> {
        Level::ALL
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(word.trim()))
            .ok_or_else(|| UnknownLevel(word.to_owned()))
    }
}

/// √area of what a mask selects (values ≥ 128), in pixels: the object's size `d`.
pub fn object_size(mask: &Plane) -> f32 {
    let area = mask.values().iter().filter(|&&v| v >= 128).count();
    (area as f64).sqrt() as f32
}

/// Makes an exact mask as coarse as an artist's mask of this level would be; the result holds 0 and 255 only.
///
/// With d = √area: Exact moves edges by up to one pixel; Outline blurs with σ = 0.04 d and keeps ≥ 0.25; Blob
/// blurs with σ = 0.12 d, keeps ≥ 0.12, is warped elastically half the time and always holds the mask; Box is
/// the bounding box × U(1, 1.2), cut at the picture's edge. An empty mask stays empty, and no other becomes so.
pub fn coarsen(exact: &Plane, level: Level, rng: &mut impl Rng) -> Plane {
    let chance = match level {
        Level::Exact => Chance::jitter(rng),
        Level::Outline => Chance::None,
        Level::Blob if rng.random_bool(0.5) => Chance::Warp {
            amplitude: rng.random_range(0.04..0.12),
            noise: [Noise::new(rng, 0.35), Noise::new(rng, 0.35)],
        },
        Level::Blob => Chance::None,
        Level::Box => Chance::Scale(rng.random_range(1.0..=1.2)),
    };
    coarsen_by(exact, level, &chance)
}

/// [`coarsen`] without chance: edges as they are, no warp, and a box of the middle size (× 1.1).
pub fn coarsen_plainly(exact: &Plane, level: Level) -> Plane {
    coarsen_by(exact, level, &Chance::None)
}

/// What is left to chance when a mask is coarsened.
enum Chance {
    None,
    Jitter(Noise),
    Warp {
        /// Largest displacement, as a share of d.
        amplitude: f32,
        /// Displacement in x and in y.
        noise: [Noise; 2],
    },
    Scale(f32),
}

impl Chance {
    fn jitter(rng: &mut impl Rng) -> Self {
        Chance::Jitter(Noise::new(rng, 0.2))
    }
}

fn coarsen_by(exact: &Plane, level: Level, chance: &Chance) -> Plane {
    let mut out = Plane::filled(exact.width(), exact.height(), 0);
    let Some(bounds) = exact.bounds() else {
        return out;
    };
    let d = object_size(exact);
    match level {
        Level::Exact => {
            let window = Window::around(exact, bounds, [2; 4]);
            let mask = window.read(exact);
            let picked = match chance {
                Chance::Jitter(noise) => jitter_edges(&window, &mask, noise, d),
                _ => mask.clone(),
            };
            window.write(&mut out, &picked);
        }
        Level::Outline => {
            let window = Window::around(exact, bounds, [margin(3.0 * 0.04 * d); 4]);
            let mask = window.read(exact);
            let blurred = window.blurred(&mask, 0.04 * d);
            let picked: Vec<bool> = blurred.iter().map(|&v| v >= 0.25).collect();
            window.write(&mut out, &picked);
        }
        Level::Blob => {
            let reach = match chance {
                Chance::Warp { amplitude, .. } => *amplitude,
                _ => 0.0,
            };
            let window = Window::around(exact, bounds, [margin((3.0 * 0.12 + reach) * d); 4]);
            let mask = window.read(exact);
            let mut blurred = window.blurred(&mask, 0.12 * d);
            if let Chance::Warp { amplitude, noise } = chance {
                blurred = warp(&window, &blurred, noise, amplitude * d, d);
            }
            let picked: Vec<bool> = blurred
                .iter()
                .zip(&mask)
                .map(|(&v, &m)| m || v >= 0.12)
                .collect();
            window.write(&mut out, &picked);
        }
        Level::Box => {
            let factor = match chance {
                Chance::Scale(factor) => *factor,
                _ => 1.1,
            };
            let (x0, y0, x1, y1) = bounds;
            let grow = |side: u32| ((factor - 1.0) * 0.5 * side as f32).round() as u32;
            let (x, y) = (grow(x1 - x0), grow(y1 - y0));
            let window = Window::around(exact, bounds, [x, y, x, y]);
            window.write(&mut out, &vec![true; window.width * window.height]);
        }
    }
    // Erosion or a blur may swallow a mask of very few pixels.
    if out.bounds().is_none() {
        let window = Window::around(exact, bounds, [0; 4]);
        window.write(&mut out, &window.read(exact));
    }
    out
}

/// Each stretch of the edge goes one pixel in, one pixel out, or stays.
fn jitter_edges(window: &Window, mask: &[bool], noise: &Noise, d: f32) -> Vec<bool> {
    let unset: Vec<bool> = mask.iter().map(|m| !m).collect();
    let to_mask = squared_distance(mask, window.width, 1.0);
    let to_unset = squared_distance(&unset, window.width, 1.0);
    (0..mask.len())
        .map(|i| {
            let (x, y) = ((i % window.width) as f32, (i / window.width) as f32);
            let wave = noise.at(x / d.max(8.0), y / d.max(8.0));
            if wave < -0.2 {
                mask[i] && to_unset[i] > 1.0
            } else if wave > 0.2 {
                to_mask[i] <= 1.0
            } else {
                mask[i]
            }
        })
        .collect()
}

/// Samples a field at smoothly displaced places.
fn warp(window: &Window, field: &[f32], noise: &[Noise; 2], amplitude: f32, unit: f32) -> Vec<f32> {
    (0..field.len())
        .map(|i| {
            let (x, y) = ((i % window.width) as f32, (i / window.width) as f32);
            let (u, v) = (x / unit, y / unit);
            let (x, y) = (
                x + amplitude * noise[0].at(u, v),
                y + amplitude * noise[1].at(u, v),
            );
            bilinear(field, window.width, window.height, x, y)
        })
        .collect()
}

fn bilinear(field: &[f32], width: usize, height: usize, x: f32, y: f32) -> f32 {
    let (x, y) = (
        x.clamp(0.0, (width - 1) as f32),
        y.clamp(0.0, (height - 1) as f32),
    );
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(width - 1), (y0 + 1).min(height - 1));
    let (u, v) = (x - x0 as f32, y - y0 as f32);
    let at = |x: usize, y: usize| field[y * width + x];
    let top = at(x0, y0) * (1.0 - u) + at(x1, y0) * u;
    let bottom = at(x0, y1) * (1.0 - u) + at(x1, y1) * u;
    top * (1.0 - v) + bottom * v
}

/// Smooth noise in −1..1 on a lattice that repeats every [`Noise::SIDE`] cells.
struct Noise {
    lattice: Vec<f32>,
    /// Side of a lattice cell, in the caller's units.
    cell: f32,
}

impl Noise {
    const SIDE: usize = 16;

    fn new(rng: &mut impl Rng, cell: f32) -> Self {
        let nodes = Self::SIDE * Self::SIDE;
        Self {
            lattice: (0..nodes).map(|_| rng.random_range(-1.0..=1.0)).collect(),
            cell,
        }
    }

    fn at(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (x / self.cell, y / self.cell);
        let (x0, y0) = (x.floor(), y.floor());
        let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
        let (u, v) = (smooth(x - x0), smooth(y - y0));
        let node = |dx: usize, dy: usize| {
            let wrap = |at: f32, by: usize| (at as usize + by) % Self::SIDE;
            self.lattice[wrap(y0, dy) * Self::SIDE + wrap(x0, dx)]
        };
        let top = node(0, 0) * (1.0 - u) + node(1, 0) * u;
        let bottom = node(0, 1) * (1.0 - u) + node(1, 1) * u;
        top * (1.0 - v) + bottom * v
    }
}

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

/// Pixels of margin for a width, with a little air.
fn margin(width: f32) -> u32 {
    width.ceil() as u32 + 2
}

/// A rectangle inside a plane.
struct Window {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

impl Window {
    /// Bounds (x0, y0, x1, y1) and a margin (left, top, right, bottom), cut at the plane's edges.
    fn around(plane: &Plane, bounds: (u32, u32, u32, u32), margin: [u32; 4]) -> Self {
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

    fn read(&self, plane: &Plane) -> Vec<bool> {
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

    fn write(&self, plane: &mut Plane, set: &[bool]) {
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

    fn blurred(&self, set: &[bool], sigma: f32) -> Vec<f32> {
        let mut field: Vec<f32> = set.iter().map(|&s| if s { 1.0 } else { 0.0 }).collect();
        gaussian(&mut field, self.width, self.height, sigma);
        field
    }

    /// Blocks of `factor²` pixels, set where any pixel is; with the grid's width.
    fn pooled(&self, set: &[bool], factor: usize) -> (Vec<bool>, usize) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn disc(width: u32, height: u32, cx: f32, cy: f32, radius: f32) -> Plane {
        let values = (0..width * height)
            .map(|i| {
                let (x, y) = ((i % width) as f32 - cx, (i / width) as f32 - cy);
                if x * x + y * y <= radius * radius {
                    255
                } else {
                    0
                }
            })
            .collect();
        Plane::from_values(width, height, values).unwrap()
    }

    fn any_mask() -> impl Strategy<Value = Plane> {
        let rect = (0u32..48, 0u32..40, 1u32..30, 1u32..30);
        (
            1u32..50,
            1u32..42,
            prop::collection::vec((rect, 0u8..=255), 0..4),
        )
            .prop_map(|(width, height, rects)| {
                let mut plane = Plane::filled(width, height, 0);
                for ((x, y, w, h), value) in rects {
                    for y in y..(y + h).min(height) {
                        for x in x..(x + w).min(width) {
                            plane.values_mut()[(y * width + x) as usize] = value;
                        }
                    }
                }
                plane
            })
    }

    fn holds(outer: &Plane, inner: &Plane) -> bool {
        outer
            .values()
            .iter()
            .zip(inner.values())
            .all(|(&outer, &inner)| inner < 128 || outer >= 128)
    }

    fn is_rectangle(plane: &Plane) -> bool {
        let area = plane.values().iter().filter(|&&v| v >= 128).count();
        plane.bounds().map_or(area == 0, |(x0, y0, x1, y1)| {
            area == ((x1 - x0) * (y1 - y0)) as usize
        })
    }

    proptest! {
        #[test]
        fn regions_are_nested_and_hold_the_mask(mask in any_mask()) {
            let regions = Level::ALL.map(|level| editable_region(&mask, level));
            prop_assert!(holds(&regions[0], &mask));
            for pair in regions.windows(2) {
                prop_assert!(holds(&pair[1], &pair[0]));
            }
            prop_assert!(is_rectangle(&regions[3]));
            for region in &regions {
                prop_assert_eq!(region.bounds().is_none(), mask.bounds().is_none());
                prop_assert!(region.values().iter().all(|&v| v == 0 || v == 255));
            }
        }

        #[test]
        fn coarse_masks_stay_where_they_belong(mask in any_mask(), seed in any::<u64>()) {
            for level in Level::ALL {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let coarse = coarsen(&mask, level, &mut rng);
                prop_assert_eq!((coarse.width(), coarse.height()), (mask.width(), mask.height()));
                prop_assert_eq!(coarse.bounds().is_none(), mask.bounds().is_none());
                prop_assert!(coarse.values().iter().all(|&v| v == 0 || v == 255));
                match level {
                    Level::Blob => prop_assert!(holds(&coarse, &mask)),
                    Level::Box => {
                        prop_assert!(holds(&coarse, &mask));
                        prop_assert!(is_rectangle(&coarse));
                    }
                    _ => {}
                }
                let again = coarsen(&mask, level, &mut ChaCha8Rng::seed_from_u64(seed));
                prop_assert_eq!(again, coarse);
            }
        }
    }

    #[test]
    fn empty_stays_empty_and_full_stays_full() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for level in Level::ALL {
            for value in [0, 255] {
                let plane = Plane::filled(33, 21, value);
                assert_eq!(editable_region(&plane, level), plane, "{level}");
                assert_eq!(coarsen_plainly(&plane, level), plane, "{level}");
                assert_eq!(coarsen(&plane, level, &mut rng), plane, "{level}");
            }
        }
    }

    #[test]
    fn exact_moves_edges_by_one_pixel_at_most() {
        let mask = disc(64, 64, 31.0, 30.0, 14.0);
        let (inner, outer) = (
            disc(64, 64, 31.0, 30.0, 12.5),
            disc(64, 64, 31.0, 30.0, 15.5),
        );
        let mut differs = 0;
        for seed in 0..8 {
            let coarse = coarsen(&mask, Level::Exact, &mut ChaCha8Rng::seed_from_u64(seed));
            assert!(holds(&coarse, &inner) && holds(&outer, &coarse));
            differs += usize::from(coarse != mask);
        }
        assert!(differs >= 7);
        assert_eq!(coarsen_plainly(&mask, Level::Exact), mask);
    }

    #[test]
    fn coarse_discs_grow_by_what_the_thresholds_say() {
        // A straight edge blurred with σ falls to .25 at .674 σ and to .12 at 1.175 σ.
        let mask = disc(256, 256, 128.0, 128.0, 50.0);
        let d = object_size(&mask);
        for (level, sigma, reach) in [
            (Level::Outline, 0.04 * d, 0.674),
            (Level::Blob, 0.12 * d, 1.175),
        ] {
            let (x0, _, x1, _) = coarsen_plainly(&mask, level).bounds().unwrap();
            let radius = (x1 - x0) as f32 / 2.0;
            assert!(
                (radius - 50.5 - reach * sigma).abs() < 2.0,
                "{level}: {radius}"
            );
        }
    }

    #[test]
    fn warped_blobs_differ() {
        let mask = disc(128, 128, 60.0, 60.0, 25.0);
        let plain = coarsen_plainly(&mask, Level::Blob);
        let warped = (0..40)
            .filter(|&seed| {
                coarsen(&mask, Level::Blob, &mut ChaCha8Rng::seed_from_u64(seed)) != plain
            })
            .count();
        assert!((10..=30).contains(&warped), "{warped} of 40");
    }

    #[test]
    fn shadows_have_room_beside_and_below_but_not_above() {
        let mask = disc(400, 400, 200.0, 150.0, 60.0);
        let d = object_size(&mask);
        for level in [Level::Exact, Level::Outline, Level::Blob] {
            let (_, top, _, bottom) = editable_region(&mask, level).bounds().unwrap();
            let (above, below) = (90 - top, bottom - 211);
            assert!(below as f32 >= 0.12 * d, "{level}: {below} below");
            assert!(above < below, "{level}: {above} above, {below} below");
            let region = editable_region(&mask, level);
            assert_eq!(region.get(200 + 60 + (0.2 * d) as i64, 170), 255, "{level}");
        }
    }

    #[test]
    fn reduced_grids_stay_nested() {
        let mask = disc(3000, 2600, 1500.0, 1200.0, 900.0);
        let regions = Level::ALL.map(|level| editable_region(&mask, level));
        assert!(holds(&regions[0], &mask));
        for pair in regions.windows(2) {
            assert!(holds(&pair[1], &pair[0]));
        }
        assert!(is_rectangle(&regions[3]));
    }

    #[test]
    fn names_round_trip() {
        for level in Level::ALL {
            assert_eq!(level.name().parse(), Ok(level));
            assert_eq!(
                serde_json::to_string(&level).unwrap(),
                format!("\"{level}\"")
            );
        }
        assert_eq!(
            "round".parse::<Level>().unwrap_err().to_string(),
            "“round” is no mask level: use exact, outline, blob or box"
        );
    }

    #[test]
    fn levels_are_drawn_in_their_shares() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut counts = [0; 4];
        (0..20_000).for_each(|_| counts[Level::sample(&mut rng).index()] += 1);
        for (count, share) in counts.into_iter().zip([0.15, 0.25, 0.3, 0.3]) {
            assert!((count as f64 / 20_000.0 - share).abs() < 0.02);
        }
    }
}
