//! A hole filled with what the picture is made of around it: exemplar-based completion.
//!
//! Coarse to fine, every patch that touches the hole looks for its like outside (PatchMatch: Barnes, Shechtman,
//! Finkelstein, Goldman 2009), and what the patches found say of a pixel is averaged (Wexler, Shechtman, Irani 2007).
//! The coarsest picture starts harmonically filled; at last the light is made to go on across the hole's edge.

use super::poisson::fill_values;

/// A patch reaches this many pixels to each side.
const REACH: usize = 3;
/// Searches and votes at each size of the picture.
const ROUNDS: usize = 4;
/// Below this shorter side no coarser picture is made.
const SMALLEST: usize = 24;

/// RGB values, row by row.
struct Level {
    width: usize,
    height: usize,
    values: Vec<f32>,
    hole: Vec<bool>,
}

impl Level {
    fn pixel(&self, at: usize) -> [f32; 3] {
        [
            self.values[at * 3],
            self.values[at * 3 + 1],
            self.values[at * 3 + 2],
        ]
    }

    /// Half as large: means over what is known; a pixel is in the hole if more than half of it is.
    fn halved(&self) -> Level {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut values = Vec::with_capacity(width * height * 3);
        let mut hole = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let at = 2 * y * self.width + 2 * x;
                let four = [at, at + 1, at + self.width, at + self.width + 1];
                let missing = four.iter().filter(|&&i| self.hole[i]).count();
                let mut sum = [0.0; 3];
                let used = four.iter().filter(|&&i| missing == 4 || !self.hole[i]);
                let mut count = 0.0;
                for &i in used {
                    let p = self.pixel(i);
                    (0..3).for_each(|c| sum[c] += p[c]);
                    count += 1.0;
                }
                values.extend(sum.map(|v| v / count));
                hole.push(missing > 2);
            }
        }
        Level {
            width,
            height,
            values,
            hole,
        }
    }

    /// The pixel of this level that pixel `at` of one twice as large, `width` pixels wide, lies in.
    fn under(&self, at: usize, width: usize) -> usize {
        let (x, y) = (at % width / 2, at / width / 2);
        y.min(self.height - 1) * self.width + x.min(self.width - 1)
    }

    /// Fills the hole with what the same place has at half the size.
    fn start_from(&mut self, coarse: &Level) {
        for at in (0..self.hole.len()).filter(|&at| self.hole[at]) {
            let rgb = coarse.pixel(coarse.under(at, self.width));
            self.values[at * 3..][..3].copy_from_slice(&rgb);
        }
    }

    /// Patch centres: those whose patch touches the hole, and those whose patch does not; both lie inside the rim
    /// that a patch needs.
    fn centres(&self) -> (Vec<usize>, Vec<bool>) {
        let (w, h) = (self.width, self.height);
        // Sums over rectangles, so that a patch is one look.
        let mut sums = vec![0u32; (w + 1) * (h + 1)];
        for y in 0..h {
            for x in 0..w {
                sums[(y + 1) * (w + 1) + x + 1] = u32::from(self.hole[y * w + x])
                    + sums[y * (w + 1) + x + 1]
                    + sums[(y + 1) * (w + 1) + x]
                    - sums[y * (w + 1) + x];
            }
        }
        let mut touching = Vec::new();
        let mut whole = vec![false; w * h];
        for y in REACH..h.saturating_sub(REACH) {
            for x in REACH..w.saturating_sub(REACH) {
                let (x0, x1) = (x - REACH, x + REACH + 1);
                let (y0, y1) = (y - REACH, y + REACH + 1);
                let inside = sums[y1 * (w + 1) + x1] + sums[y0 * (w + 1) + x0]
                    - sums[y0 * (w + 1) + x1]
                    - sums[y1 * (w + 1) + x0];
                if inside > 0 {
                    touching.push(y * w + x);
                } else {
                    whole[y * w + x] = true;
                }
            }
        }
        (touching, whole)
    }

    /// The squared difference of two patches, given up once it is `most`.
    fn distance(&self, a: usize, b: usize, most: f32) -> f32 {
        let mut sum = 0.0;
        let side = 2 * REACH + 1;
        let corner = REACH * self.width + REACH;
        for row in 0..side {
            let from = |at: usize| (at - corner + row * self.width) * 3;
            let (a, b) = (
                &self.values[from(a)..][..side * 3],
                &self.values[from(b)..][..side * 3],
            );
            sum += a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
            if sum >= most {
                return most;
            }
        }
        sum
    }
}

/// A small generator of numbers: the same fill every time.
struct Numbers(u64);

impl Numbers {
    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        // Knuth's constants (MMIX).
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end.max(1)
    }
}

/// `values` (RGB in 0..1, row by row, `width` pixels a row) with the hole (`hole` holds) filled with patches from
/// outside, or smoothly if there are none to take. A hole without any outside is left as it is, as is one whose filling
/// was `cancelled`.
pub fn fill_texture(values: &mut [f32], width: usize, hole: &[bool], cancelled: &dyn Fn() -> bool) {
    if hole.iter().all(|&inside| inside) {
        return;
    }
    let mut levels = vec![Level {
        width,
        height: hole.len() / width,
        values: values.to_vec(),
        hole: hole.to_vec(),
    }];
    while let Some(last) = levels.last()
        && last.width.min(last.height) >= 2 * SMALLEST
    {
        let half = last.halved();
        if !half.hole.contains(&true) || !half.hole.contains(&false) {
            break;
        }
        levels.push(half);
    }
    if let Some(coarsest) = levels.last_mut() {
        fill_values(&mut coarsest.values, coarsest.width, &coarsest.hole);
    }
    let mut numbers = Numbers(1);
    // The size below, and for each of its pixels the patch that is like the one around it.
    let mut below: Option<(Level, Option<Vec<usize>>)> = None;
    while let Some(mut level) = levels.pop() {
        if let Some((coarse, _)) = &below {
            level.start_from(coarse);
        }
        let found = improved(&mut level, below.as_ref(), &mut numbers, cancelled);
        below = Some((level, found));
    }
    if cancelled() {
        return;
    }
    match below {
        Some((mut level, Some(found))) => {
            let (touching, _) = level.centres();
            settle(&mut level, &touching, &found);
            values.copy_from_slice(&level.values);
        }
        _ => fill_values(values, width, hole),
    }
}

/// Fills a level's hole in [`ROUNDS`] rounds, from the matches at half its size on; the matches, or nothing if there are
/// no patches to take or it was cancelled.
fn improved(
    level: &mut Level,
    below: Option<&(Level, Option<Vec<usize>>)>,
    numbers: &mut Numbers,
    cancelled: &dyn Fn() -> bool,
) -> Option<Vec<usize>> {
    let (w, h) = (level.width, level.height);
    let (touching, whole) = level.centres();
    let sources: Vec<usize> = (0..w * h).filter(|&i| whole[i]).collect();
    if sources.is_empty() {
        return None;
    }
    // From the size below, where it is a patch here too.
    let mut found = vec![usize::MAX; w * h];
    for &at in &touching {
        let like = below.and_then(|(coarse, found)| {
            let from = *found.as_ref()?.get(coarse.under(at, w))?;
            let (x, y) = (
                from % coarse.width * 2 + at % w % 2,
                from / coarse.width * 2 + at / w % 2,
            );
            (from != usize::MAX && x < w && y < h && whole[y * w + x]).then_some(y * w + x)
        });
        found[at] = like.unwrap_or_else(|| sources[numbers.below(sources.len())]);
    }
    if below.is_some_and(|(_, found)| found.is_some()) {
        vote(level, &touching, &found);
    }
    for round in 0..ROUNDS {
        if cancelled() {
            return None;
        }
        let forward = round % 2 == 0;
        let mut search = |at: usize| {
            let mut best = found[at];
            let mut error = level.distance(at, best, f32::INFINITY);
            let mut offer = |patch: usize, best: &mut usize| {
                let other = level.distance(at, patch, error);
                if other < error {
                    (*best, error) = (patch, other);
                }
            };
            // What the neighbours found, shifted by as much.
            for step in [1, w] {
                let (beside, shifted) = if forward {
                    (at - step, found[at - step].wrapping_add(step))
                } else {
                    (at + step, found[at + step].wrapping_sub(step))
                };
                if found[beside] != usize::MAX && whole.get(shifted) == Some(&true) {
                    offer(shifted, &mut best);
                }
            }
            let mut radius = w.max(h) as i64;
            while radius >= 1 {
                let side = 2 * radius as usize + 1;
                let x = (best % w) as i64 + numbers.below(side) as i64 - radius;
                let y = (best / w) as i64 + numbers.below(side) as i64 - radius;
                if (0..w as i64).contains(&x) && (0..h as i64).contains(&y) {
                    let patch = y as usize * w + x as usize;
                    if whole[patch] {
                        offer(patch, &mut best);
                    }
                }
                radius /= 2;
            }
            found[at] = best;
        };
        if forward {
            touching.iter().for_each(|&at| search(at));
        } else {
            touching.iter().rev().for_each(|&at| search(at));
        }
        vote(level, &touching, &found);
    }
    Some(found)
}

/// Gives every pixel of the hole the mean of what the patches over it say.
fn vote(level: &mut Level, touching: &[usize], found: &[usize]) {
    for (at, said) in said(level, touching, found).into_iter().enumerate() {
        if let Some(rgb) = said.filter(|_| level.hole[at]) {
            level.values[at * 3..][..3].copy_from_slice(&rgb);
        }
    }
}

/// Takes the steps of light along the hole's edge away: what the patches miss on the known pixels beside it goes on
/// smoothly into the hole, as in seamless cloning (Pérez, Gangnet and Blake 2003).
fn settle(level: &mut Level, touching: &[usize], found: &[usize]) {
    let (w, h) = (level.width, level.height);
    let said = said(level, touching, found);
    let mut missed = vec![0.0; level.values.len()];
    let beside = |at: &usize| !level.hole[*at] && said[*at].is_some();
    for at in (0..w * h).filter(beside) {
        // Over a window: the texture itself differs from pixel to pixel.
        let (x, y) = (at % w, at / w);
        let mut sums = [0.0f32; 4];
        for row in y.saturating_sub(REACH)..(y + REACH + 1).min(h) {
            for near in row * w + x.saturating_sub(REACH)..row * w + (x + REACH + 1).min(w) {
                if let Some(rgb) = said[near].filter(|_| !level.hole[near]) {
                    for (c, said) in rgb.into_iter().enumerate() {
                        sums[c] += level.values[near * 3 + c] - said;
                    }
                    sums[3] += 1.0;
                }
            }
        }
        for c in 0..3 {
            missed[at * 3 + c] = sums[c] / sums[3];
        }
    }
    fill_values(&mut missed, w, &level.hole);
    for at in (0..w * h).filter(|&at| level.hole[at]) {
        let pixel = &mut level.values[at * 3..][..3];
        for (value, missed) in pixel.iter_mut().zip(&missed[at * 3..]) {
            *value = (*value + missed).clamp(0.0, 1.0);
        }
    }
}

/// What the patches over each pixel say of it in the mean, the better ones counting more.
fn said(level: &Level, touching: &[usize], found: &[usize]) -> Vec<Option<[f32; 3]>> {
    let w = level.width;
    let errors: Vec<f32> = touching
        .iter()
        .map(|&at| level.distance(at, found[at], f32::INFINITY))
        .collect();
    // The spread at which a patch counts for 1/e: the error that a quarter of them exceed.
    let mut sorted = errors.clone();
    sorted.sort_by(f32::total_cmp);
    let spread = sorted
        .get(sorted.len() * 3 / 4)
        .map_or(1e-6, |e| e.max(1e-6));
    let mut sums = vec![[0.0f32; 4]; level.hole.len()];
    for (&at, error) in touching.iter().zip(errors) {
        let weight = (-2.0 * error / spread).exp().max(1e-9);
        let corner = REACH * w + REACH;
        for row in 0..2 * REACH + 1 {
            for column in 0..2 * REACH + 1 {
                let step = row * w + column;
                let to = at - corner + step;
                let from = (found[at] - corner + step) * 3;
                let [r, g, b, all] = &mut sums[to];
                for (sum, value) in [r, g, b].into_iter().zip(&level.values[from..]) {
                    *sum += weight * value;
                }
                *all += weight;
            }
        }
    }
    sums.into_iter()
        .map(|[r, g, b, all]| (all > 0.0).then(|| [r / all, g / all, b / all]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 96;

    fn hole() -> Vec<bool> {
        (0..SIDE * SIDE)
            .map(|i| (36..62).contains(&(i % SIDE)) && (30..58).contains(&(i / SIDE)))
            .collect()
    }

    fn filled(picture: &[f32], hole: &[bool]) -> Vec<f32> {
        let mut values = picture.to_vec();
        for (pixel, &inside) in values.chunks_exact_mut(3).zip(hole) {
            if inside {
                pixel.copy_from_slice(&[1.0, 0.0, 1.0]);
            }
        }
        fill_texture(&mut values, SIDE, hole, &|| false);
        values
    }

    fn spread(values: &[f32], of: &[bool], inside: bool) -> f32 {
        let picked: Vec<f32> = values
            .chunks_exact(3)
            .zip(of)
            .filter(|(_, o)| **o == inside)
            .map(|(p, _)| p[1])
            .collect();
        let mean = picked.iter().sum::<f32>() / picked.len() as f32;
        (picked.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / picked.len() as f32).sqrt()
    }

    #[test]
    fn bricks_go_on_through_the_hole() {
        let brick = |i: usize| {
            let (x, y) = (i % SIDE, i / SIDE);
            let shift = if (y / 8) % 2 == 0 { 0 } else { 6 };
            let joint = y % 8 == 0 || (x + shift) % 12 == 0;
            if joint {
                [0.8, 0.8, 0.75]
            } else {
                [0.6, 0.3, 0.2]
            }
        };
        let picture: Vec<f32> = (0..SIDE * SIDE).flat_map(brick).collect();
        let hole = hole();
        let result = filled(&picture, &hole);
        let wrong = (0..SIDE * SIDE)
            .filter(|&i| hole[i] && (result[i * 3 + 1] - picture[i * 3 + 1]).abs() > 0.2)
            .count();
        let area = hole.iter().filter(|h| **h).count();
        assert!(
            wrong * 20 < area,
            "{wrong} of {area} pixels are not the wall's"
        );
        for i in (0..SIDE * SIDE).filter(|&i| !hole[i]) {
            assert_eq!(result[i * 3..i * 3 + 3], picture[i * 3..i * 3 + 3]);
        }
    }

    #[test]
    fn gravel_stays_as_rough_and_the_fill_is_always_the_same() {
        let mut numbers = Numbers(5);
        let mut stone = || numbers.below(1000) as f32 / 1000.0;
        let picture: Vec<f32> = (0..SIDE * SIDE).flat_map(|_| [stone(); 3]).collect();
        let hole = hole();
        let result = filled(&picture, &hole);
        let (inside, outside) = (spread(&result, &hole, true), spread(&result, &hole, false));
        assert!(inside > 0.4 * outside, "{inside} against {outside}");
        assert_eq!(result, filled(&picture, &hole));
    }

    #[test]
    fn without_anything_around_it_stays_smooth() {
        // Every patch of the picture touches the hole.
        let hole: Vec<bool> = (0..SIDE * SIDE).map(|i| i % 5 == 0).collect();
        let picture: Vec<f32> = (0..SIDE * SIDE * 3)
            .map(|i| (i / 3 / SIDE) as f32 / SIDE as f32)
            .collect();
        let result = filled(&picture, &hole);
        for (a, b) in result.iter().zip(&picture) {
            assert!((a - b).abs() < 0.02);
        }
        let all = vec![true; SIDE * SIDE];
        let mut values = picture.clone();
        fill_texture(&mut values, SIDE, &all, &|| false);
        assert_eq!(values, picture);
    }

    #[test]
    fn patches_from_the_shade_take_the_light_of_the_place() {
        let mut numbers = Numbers(3);
        let mut grain = || (numbers.below(100) as f32 - 50.0) / 1000.0;
        let light = |i: usize| if i % SIDE < 44 { 0.4 } else { 0.6 };
        let values: Vec<f32> = (0..SIDE * SIDE)
            .flat_map(|i| [light(i) + grain(); 3])
            .collect();
        let hole: Vec<bool> = (0..SIDE * SIDE)
            .map(|i| (56..76).contains(&(i % SIDE)) && (40..60).contains(&(i / SIDE)))
            .collect();
        let mut level = Level {
            width: SIDE,
            height: SIDE,
            values,
            hole: hole.clone(),
        };
        let (touching, _) = level.centres();
        let mut found = vec![usize::MAX; SIDE * SIDE];
        // All of them from the dark half.
        touching.iter().for_each(|&at| found[at] = at - 50);
        vote(&mut level, &touching, &found);
        let mean = |level: &Level| {
            let inside = (0..SIDE * SIDE).filter(|&i| hole[i]);
            inside.map(|i| level.values[i * 3]).sum::<f32>() / 400.0
        };
        assert!((mean(&level) - 0.4).abs() < 0.02, "{}", mean(&level));
        settle(&mut level, &touching, &found);
        assert!((mean(&level) - 0.6).abs() < 0.02, "{}", mean(&level));
        assert!(spread(&level.values, &hole, true) > 0.02, "the grain stays");
    }

    #[test]
    fn a_cancelled_fill_leaves_what_is_there() {
        let picture: Vec<f32> = (0..SIDE * SIDE * 3)
            .map(|i| (i % 17) as f32 / 17.0)
            .collect();
        let mut values = picture.clone();
        fill_texture(&mut values, SIDE, &hole(), &|| true);
        assert_eq!(values, picture);
    }
}
