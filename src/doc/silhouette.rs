//! An object bent into a silhouette that an artist drew exactly.

use super::field::{gaussian, nearest};

/// From this coverage on a pixel is wholly the object's, and its colour is known.
const WHOLE: f32 = 0.9;
/// Less of the two shapes in common, as a share of both together, and the object is another one than was drawn: bent
/// into the silhouette it would be a smear.
const LEAST_SHARED: f32 = 0.5;
/// How far the bending reaches into the object, as a share of √area of the silhouette.
const REACH: f32 = 0.05;

/// Bends an object into `silhouette`: where it does not reach, its rim is drawn out, and where it stands over, it is cut
/// off. `colours` (RGB, interleaved, of any scale) and `cover` (0..1) become those of the bent object; its cover is then
/// the silhouette. All are of one size, `width` pixels wide. Returns whether it did: not where the two have little in
/// common.
///
/// Each pixel of the silhouette takes its colour from the object's nearest pixel, and these ways are smoothed, so that
/// what lies behind the rim moves along instead of the rim alone being drawn into streaks.
pub fn bend(colours: &mut [f32], cover: &mut [f32], silhouette: &[f32], width: usize) -> bool {
    let pairs = || cover.iter().zip(silhouette);
    let shared: f32 = pairs().map(|(a, b)| a.min(*b)).sum();
    let both: f32 = pairs().map(|(a, b)| a.max(*b)).sum();
    let whole: Vec<bool> = cover.iter().map(|cover| *cover >= WHOLE).collect();
    if shared < LEAST_SHARED * both {
        return false;
    }
    let Some(from) = nearest(&whole, width) else {
        return false;
    };
    let height = cover.len() / width;
    // Everywhere the colour of the object's nearest pixel, so that sampling beside its rim finds it.
    let source: Vec<f32> = from
        .iter()
        .flat_map(|&at| [0, 1, 2].map(|c| colours[at * 3 + c]))
        .collect();
    let area: f32 = silhouette.iter().sum();
    let sigma = REACH * area.sqrt();
    let mut weight = silhouette.to_vec();
    gaussian(&mut weight, width, height, sigma);
    let ways = |of: &dyn Fn(usize) -> usize| -> Vec<f32> {
        let mut way: Vec<f32> = (0..from.len())
            .map(|at| (of(from[at]) as f32 - of(at) as f32) * silhouette[at])
            .collect();
        gaussian(&mut way, width, height, sigma);
        let pairs = way.iter().zip(&weight);
        pairs.map(|(way, weight)| way / weight.max(1e-3)).collect()
    };
    let (across, down) = (ways(&|at| at % width), ways(&|at| at / width));
    for at in 0..from.len() {
        cover[at] = silhouette[at];
        if silhouette[at] <= 0.0 {
            continue;
        }
        let x = ((at % width) as f32 + across[at]).clamp(0.0, (width - 1) as f32);
        let y = ((at / width) as f32 + down[at]).clamp(0.0, (height - 1) as f32);
        let (x0, y0) = (x as usize, y as usize);
        let (x1, y1) = ((x0 + 1).min(width - 1), (y0 + 1).min(height - 1));
        let (u, v) = (x - x0 as f32, y - y0 as f32);
        for c in 0..3 {
            let read = |x: usize, y: usize| source[(y * width + x) * 3 + c];
            let upper = read(x0, y0) * (1.0 - u) + read(x1, y0) * u;
            let lower = read(x0, y1) * (1.0 - u) + read(x1, y1) * u;
            colours[at * 3 + c] = upper * (1.0 - v) + lower * v;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 40;

    fn rectangle(x: std::ops::Range<usize>, y: std::ops::Range<usize>) -> Vec<f32> {
        let inside = |i: usize| x.contains(&(i % SIZE)) && y.contains(&(i / SIZE));
        (0..SIZE * SIZE)
            .map(|i| f32::from(u8::from(inside(i))))
            .collect()
    }

    /// Red above row 20 and blue from there on, green where there is no object.
    fn object(cover: &[f32]) -> Vec<f32> {
        let colour = |i: usize| match (cover[i] > 0.0, i / SIZE < 20) {
            (false, _) => [0.0, 1.0, 0.0],
            (true, true) => [1.0, 0.0, 0.0],
            (true, false) => [0.0, 0.0, 1.0],
        };
        (0..SIZE * SIZE).flat_map(colour).collect()
    }

    #[test]
    fn the_silhouette_is_filled_with_nothing_but_the_object() {
        let mut cover = rectangle(12..28, 12..28);
        let mut colours = object(&cover);
        let silhouette = rectangle(9..26, 10..30);
        assert!(bend(&mut colours, &mut cover, &silhouette, SIZE));
        assert_eq!(cover, silhouette);
        for (i, pixel) in colours.chunks_exact(3).enumerate() {
            if silhouette[i] > 0.0 {
                assert_eq!(pixel[1], 0.0, "{i}");
            }
        }
        let at = |x: usize, y: usize| &colours[(y * SIZE + x) * 3..][..3];
        assert_eq!(at(9, 10), [1.0, 0.0, 0.0]);
        assert_eq!(at(9, 29), [0.0, 0.0, 1.0]);
        // Beside the silhouette nothing is touched.
        assert_eq!(at(27, 20), [0.0, 0.0, 1.0]);
    }

    #[test]
    fn an_object_of_this_silhouette_stays_as_it_is() {
        let silhouette = rectangle(12..28, 12..28);
        let mut cover = silhouette.clone();
        let mut colours = object(&cover);
        let before = colours.clone();
        assert!(bend(&mut colours, &mut cover, &silhouette, SIZE));
        assert_eq!(colours, before);
    }

    #[test]
    fn another_shape_is_not_bent() {
        let mut cover = rectangle(12..16, 4..36);
        let mut colours = object(&cover);
        let before = (colours.clone(), cover.clone());
        assert!(!bend(
            &mut colours,
            &mut cover,
            &rectangle(4..36, 12..16),
            SIZE
        ));
        assert_eq!((colours, cover), before);
        let mut nothing = vec![0.0; SIZE * SIZE];
        let mut colours = before.0.clone();
        assert!(!bend(
            &mut colours,
            &mut nothing,
            &rectangle(4..36, 12..16),
            SIZE
        ));
        assert!(!bend(&mut colours, &mut nothing.clone(), &nothing, SIZE));
    }
}
