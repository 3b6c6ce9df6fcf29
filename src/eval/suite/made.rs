//! The object that a result shows, without the shadow it casts: what comes out otherwise when the asset's colours are
//! others. What is found is closed by 3 × 3 pixels, pieces of less than a tenth of the largest are dropped, and holes of
//! less than a tenth of the object are filled.

use crate::doc::Picture;
use crate::world::colour::linear_table;

/// A shade's ratio at most.
const LIGHTEST: f32 = 1.02;
/// A shade's ratio at least.
const DARKEST: f32 = 0.15;
/// The smallest of a shade's three ratios as a share of the largest, at least.
const EVEN: f32 = 0.7;
/// Added to linear light before ratios are taken.
const EPSILON: f32 = 0.01;
/// Pieces below this share of the largest are dropped, and holes below it are filled.
const SMALL: f32 = 0.1;

/// Whether a pixel is a mere shading of the canvas's: its linear light is that of the canvas times about one factor,
/// no more than 1, in all channels.
pub fn is_shade(pixel: &[u8], canvas: &[u8]) -> bool {
    let linear = |v: u8| linear_table()[v as usize] + EPSILON;
    let ratios: [f32; 3] = std::array::from_fn(|i| linear(pixel[i]) / linear(canvas[i]));
    let largest = ratios.into_iter().fold(f32::MIN, f32::max);
    let smallest = ratios.into_iter().fold(f32::MAX, f32::min);
    largest <= LIGHTEST && smallest >= DARKEST.max(EVEN * largest)
}

/// How far [`recoloured`] moves every value.
const RECOLOURED: u8 = 96;
/// The least answer to that which counts: a fifth of it, for objects in the shade.
const ANSWER: u8 = RECOLOURED / 5;

/// The picture in quite other colours: light values darker, dark ones lighter.
pub fn recoloured(picture: &Picture) -> Picture {
    let mut other = picture.clone();
    for pixel in other.pixels_mut().chunks_exact_mut(4) {
        for value in &mut pixel[..3] {
            *value = match *value {
                v if v < 128 => v + RECOLOURED,
                v => v - RECOLOURED,
            };
        }
    }
    other
}

/// Where `result` shows the asset, within `region`: what comes out otherwise in `other`, the result of the same job with
/// the asset [`recoloured`]. Shadows do not answer to the colour of what casts them, and no object is too like its
/// ground to be found.
pub fn object_traced(result: &Picture, other: &Picture, region: &[bool]) -> Vec<bool> {
    let pixels = result
        .pixels()
        .chunks_exact(4)
        .zip(other.pixels().chunks_exact(4));
    let found: Vec<bool> = pixels
        .zip(region)
        .map(|((a, b), region)| *region && (0..3).any(|c| a[c].abs_diff(b[c]) >= ANSWER))
        .collect();
    let width = result.width() as usize;
    filled(without_specks(closed(&found, width), width), width)
}

/// Dilation, then erosion by 3 × 3 pixels, as on an endless plane that is empty beyond the picture.
fn closed(set: &[bool], width: usize) -> Vec<bool> {
    let (wide, high) = (width as i64, (set.len() / width) as i64);
    let beside =
        |x: i64, y: i64| (y - 1..y + 2).flat_map(move |y| (x - 1..x + 2).map(move |x| (x, y)));
    let is_set = |(x, y): (i64, i64)| {
        (0..wide).contains(&x) && (0..high).contains(&y) && set[(y * wide + x) as usize]
    };
    // One pixel more on every side.
    let padded = (wide + 2) as usize;
    let dilated: Vec<bool> = (-1..high + 1)
        .flat_map(|y| (-1..wide + 1).map(move |x| (x, y)))
        .map(|(x, y)| beside(x, y).any(is_set))
        .collect();
    (0..set.len())
        .map(|at| {
            let (x, y) = ((at % width) as i64, (at / width) as i64);
            beside(x, y).all(|(x, y)| dilated[(y + 1) as usize * padded + (x + 1) as usize])
        })
        .collect()
}

/// The pixel and its neighbours in 3 × 3.
fn around(at: usize, width: usize, count: usize) -> impl Iterator<Item = usize> {
    let (x, y, height) = (at % width, at / width, count / width);
    let columns = x.saturating_sub(1)..(x + 2).min(width);
    let rows = y.saturating_sub(1)..(y + 2).min(height);
    rows.flat_map(move |y| columns.clone().map(move |x| y * width + x))
}

/// The pieces of what is set, each as its pixels: neighbours are 8 for `wide`, else 4.
fn pieces(set: &[bool], width: usize, wide: bool) -> Vec<Vec<usize>> {
    let mut seen = vec![false; set.len()];
    let mut pieces = Vec::new();
    for start in 0..set.len() {
        if !set[start] || seen[start] {
            continue;
        }
        seen[start] = true;
        let mut piece = vec![start];
        let mut next = 0;
        while let Some(&at) = piece.get(next) {
            next += 1;
            for i in around(at, width, set.len()) {
                let straight = i % width == at % width || i / width == at / width;
                if set[i] && !seen[i] && (wide || straight) {
                    seen[i] = true;
                    piece.push(i);
                }
            }
        }
        pieces.push(piece);
    }
    pieces
}

fn without_specks(mut set: Vec<bool>, width: usize) -> Vec<bool> {
    let pieces = pieces(&set, width, true);
    let largest = pieces.iter().map(Vec::len).max().unwrap_or(0) as f32;
    for piece in pieces.iter().filter(|p| (p.len() as f32) < SMALL * largest) {
        for &at in piece {
            set[at] = false;
        }
    }
    set
}

fn filled(mut set: Vec<bool>, width: usize) -> Vec<bool> {
    let area = set.iter().filter(|s| **s).count() as f32;
    let empty: Vec<bool> = set.iter().map(|s| !s).collect();
    let last = set.len() / width - 1;
    for hole in pieces(&empty, width, false) {
        let open = hole
            .iter()
            .any(|at| [0, width - 1].contains(&(at % width)) || [0, last].contains(&(at / width)));
        if !open && (hole.len() as f32) < SMALL * area {
            for at in hole {
                set[at] = true;
            }
        }
    }
    set
}

/// Intersection over union; `None` if both are empty.
pub fn iou(a: &[bool], b: &[bool]) -> Option<f64> {
    let count =
        |with: fn(bool, bool) -> bool| a.iter().zip(b).filter(|(a, b)| with(**a, **b)).count();
    let union = count(|a, b| a || b);
    (union > 0).then(|| count(|a, b| a && b) as f64 / union as f64)
}

/// The share of `a` that lies in `b`; `None` if `a` is empty.
pub fn share_in(a: &[bool], b: &[bool]) -> Option<f64> {
    let all = a.iter().filter(|a| **a).count();
    let both = a.iter().zip(b).filter(|(a, b)| **a && **b).count();
    (all > 0).then(|| both as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: u32 = 48;

    fn picture(of: impl Fn(u32, u32) -> [u8; 3]) -> Picture {
        crate::eval::tests::picture(SIDE, SIDE, of)
    }

    fn ground(x: u32, y: u32) -> [u8; 3] {
        let grain = ((x * 37 + y * 91 + x * y * 7) % 23) as u8;
        [150 + grain, 140 + grain, 120 + grain]
    }

    fn square(x: u32, y: u32) -> bool {
        (14..30).contains(&x) && (10..26).contains(&y)
    }

    fn strip(x: u32, y: u32) -> bool {
        (14..42).contains(&x) && (26..34).contains(&y)
    }

    fn plane(of: impl Fn(u32, u32) -> bool) -> Vec<bool> {
        (0..SIDE * SIDE).map(|i| of(i % SIDE, i / SIDE)).collect()
    }

    #[test]
    fn a_shade_is_one_factor_in_all_channels() {
        let canvas = [150, 140, 120];
        // In bytes: not quite one factor in linear light, as no real shadow is.
        for share in [1.0, 0.9, 0.75, 0.55, 0.45] {
            assert!(
                is_shade(&canvas.map(|v| (f32::from(v) * share) as u8), &canvas),
                "{share}"
            );
        }
        for other in [[180, 40, 60], [250, 250, 250], [60, 90, 20], [5, 5, 5]] {
            assert!(!is_shade(&other, &canvas), "{other:?}");
        }
    }

    #[test]
    fn specks_are_dropped_and_small_holes_filled() {
        let with = |object: [u8; 3]| {
            picture(|x, y| {
                let hole = (19..23).contains(&x) && (15..19).contains(&y);
                let speck = (3..6).contains(&x) && (40..43).contains(&y);
                match (square(x, y) && !hole) || speck {
                    true => object,
                    false => ground(x, y),
                }
            })
        };
        let all = plane(|_, _| true);
        let traced = object_traced(&with([30, 90, 200]), &with([126, 186, 104]), &all);
        assert_eq!(traced, plane(square));
        let none = plane(|_, _| false);
        assert_eq!(
            object_traced(&with([30, 90, 200]), &with([126, 186, 104]), &none),
            none
        );
        assert_eq!((iou(&none, &none), share_in(&none, &all)), (None, None));
    }

    #[test]
    fn what_answers_to_the_asset_s_colours_is_the_object() {
        let canvas = picture(ground);
        // As like its ground as can be, with a shadow.
        let asset = picture(|x, y| ground(x + 1, y));
        let with = |asset: &Picture| {
            picture(|x, y| match (square(x, y), strip(x, y)) {
                (true, _) => {
                    let [r, g, b, _] = asset.pixel(x, y);
                    [r, g, b].map(|v| v / 2)
                }
                (_, true) => ground(x, y).map(|v| v / 2),
                _ => ground(x, y),
            })
        };
        let all = plane(|_, _| true);
        let traced = object_traced(&with(&asset), &with(&recoloured(&asset)), &all);
        assert_eq!(traced, plane(square));
        let none = object_traced(&canvas, &canvas, &all);
        assert!(none.iter().all(|set| !set));
        let far = recoloured(&asset);
        let apart = asset.pixels().iter().zip(far.pixels());
        assert!(
            apart
                .enumerate()
                .all(|(i, (a, b))| a.abs_diff(*b) == if i % 4 == 3 { 0 } else { 96 })
        );
    }

    #[test]
    fn overlaps_by_hand() {
        let a = plane(|x, y| x < 4 && y < 4);
        let b = plane(|x, y| (2..6).contains(&x) && y < 4);
        assert_eq!(iou(&a, &b), Some(8.0 / 24.0));
        assert_eq!(share_in(&a, &b), Some(0.5));
    }
}
