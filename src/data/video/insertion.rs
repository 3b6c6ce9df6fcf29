//! Insertion with reference: what moves is put into the background of one frame as another frame shows it.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::frames::Film;
use super::motion::{exposed, grown, reach};
use crate::data::caption::filmed;
use crate::data::collage::{collage, over};
use crate::data::make::{Asset, Pictures};
use crate::data::plan::{AssetGround, Plan};
use crate::data::record::{MASK, PICTURE, Record};
use crate::data::sample::recorded;
use crate::data::staging::Facts;
use crate::doc::{Level, Plane};
use crate::world::pack::Split;

/// The share of the frame that stays free about a cut-out, on each side; as in the simulator's portraits.
const MARGIN: f32 = 0.10;
/// The most a cut-out is enlarged: there is no more in it.
const ENLARGED: f32 = 3.0;

/// A record for each frame with one object that another frame shows elsewhere or in another pose. `behind` is the
/// background of each frame in its exposure, `masks` what is before it; no `behind`, no records.
pub fn insertions(
    film: &Film,
    name: &str,
    behind: &[Vec<[u8; 3]>],
    masks: &[Vec<Vec<u8>>],
    rng: &mut ChaCha8Rng,
) -> Vec<Record> {
    let mut made = Vec::new();
    // As long as it is alone from frame to frame it is the same object.
    let mut start = 0;
    while start < behind.len() {
        let alone: Vec<&[u8]> = masks[start..]
            .iter()
            .map_while(|found| match found.as_slice() {
                [mask] => Some(mask.as_slice()),
                _ => None,
            })
            .collect();
        let scene = Passage {
            film,
            start,
            masks: &alone,
        };
        for at in 0..alone.len() {
            made.extend(scene.insertion(at, &behind[start + at], name, rng));
        }
        start += alone.len() + 1;
    }
    made
}

/// Frames in which one object is there.
struct Passage<'a> {
    film: &'a Film,
    start: usize,
    masks: &'a [&'a [u8]],
}

fn area(mask: &[u8]) -> usize {
    mask.iter().filter(|&&v| v == 255).count()
}

/// What two masks share of what both cover.
pub(super) fn overlap(a: &[u8], b: &[u8]) -> f32 {
    let both = a.iter().zip(b).filter(|&(&a, &b)| a.min(b) == 255).count();
    both as f32 / (area(a) + area(b) - both).max(1) as f32
}

impl Passage<'_> {
    fn frame(&self, at: usize) -> &[[u8; 3]] {
        &self.film.frames[self.start + at]
    }

    /// Whether nothing of the object is beyond the frame's edges.
    fn is_whole(&self, at: usize) -> bool {
        let size = self.film.size;
        let edge =
            |i: usize| [0, size - 1].contains(&(i % size)) || i < size || i >= size * (size - 1);
        !(0..size * size).any(|i| edge(i) && self.masks[at][i] == 255)
    }

    /// The shares of coarse colours in the object, in the exposure of frame `like`.
    fn colours(&self, at: usize, like: usize) -> Vec<f32> {
        let mut shares = vec![0.0; 64];
        let weight = 1.0 / area(self.masks[at]).max(1) as f32;
        let frame = exposed(self.frame(at), self.frame(like));
        for (p, _) in frame.iter().zip(self.masks[at]).filter(|&(_, &m)| m == 255) {
            let [r, g, b] = p.map(|v| usize::from(v / 64));
            shares[r * 16 + g * 4 + b] += weight;
        }
        shares
    }

    /// Whether frame `other` shows the object of frame `at` whole, elsewhere or in another pose.
    fn shows(&self, other: usize, at: usize) -> bool {
        if !self.is_whole(other) || overlap(self.masks[at], self.masks[other]) > 0.7 {
            return false;
        }
        let (a, b) = (self.colours(at, at), self.colours(other, at));
        a.iter().zip(&b).map(|(a, b)| a.min(*b)).sum::<f32>() > 0.5
    }

    /// The object of frame `at` alone, in the middle and as large as it goes: straight-alpha RGBA.
    fn cut(&self, at: usize) -> Option<Vec<[u8; 4]>> {
        let size = self.film.size;
        // Without the outermost pixels, in which the background is mixed.
        let set: Vec<bool> = self.masks[at].iter().map(|&v| v == 255).collect();
        let inner = grown(&set, size, false);
        let alpha = inner.iter().map(|&v| if v { 255 } else { 0 }).collect();
        let (x0, y0, x1, y1) = Plane::from_values(size as u32, size as u32, alpha)?.bounds()?;
        let extent = (x1 - x0).max(y1 - y0) as f32;
        let scale = (size as f32 * (1.0 - 2.0 * MARGIN) / extent).min(ENLARGED);
        let half = size as f32 / 2.0;
        let frame = self.frame(at);
        let from =
            |o: usize, a: u32, b: u32| (a + b) as f32 / 2.0 + (o as f32 + 0.5 - half) / scale - 0.5;
        let cut = (0..size * size)
            .map(|i| {
                let (u, v) = (from(i % size, x0, x1), from(i / size, y0, y1));
                let mut sum = [0.0f32; 4];
                for (dx, dy) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
                    let (x, y) = (u.floor() + dx, v.floor() + dy);
                    if x < 0.0 || y < 0.0 || x >= size as f32 || y >= size as f32 {
                        continue;
                    }
                    let j = y as usize * size + x as usize;
                    if inner[j] {
                        let weight = (1.0 - (u - x).abs()) * (1.0 - (v - y).abs());
                        for c in 0..3 {
                            sum[c] += weight * f32::from(frame[j][c]);
                        }
                        sum[3] += weight;
                    }
                }
                let colour = |c: usize| (sum[c] / sum[3].max(1e-6)).round() as u8;
                let alpha = (sum[3] * 255.0).round() as u8;
                [colour(0), colour(1), colour(2), alpha]
            })
            .collect();
        Some(cut)
    }

    fn insertion(
        &self,
        at: usize,
        behind: &[[u8; 3]],
        name: &str,
        rng: &mut ChaCha8Rng,
    ) -> Option<Record> {
        let (size, mask) = (self.film.size, self.masks[at]);
        let most = self.masks.iter().map(|m| area(m)).max()?;
        // As in the simulator: more than half of it is seen.
        if area(mask) * 100 < most * 55 {
            return None;
        }
        let others: Vec<usize> = (0..self.masks.len())
            .filter(|&other| self.shows(other, at))
            .collect();
        let cut = self.cut(*others.choose(rng)?)?;
        let plan = Plan::filmed(rng);
        let AssetGround::Plain(ground) = plan.asset_ground else {
            return None;
        };
        // Noise is nothing to learn: what the object does not change is the canvas.
        let near = reach(self.frame(at), behind, mask, size);
        let target = (0..size * size)
            .map(|i| {
                if near[i] {
                    self.frame(at)[i]
                } else {
                    behind[i]
                }
            })
            .collect();
        let placement = if plan.placement {
            let level = plan.level.unwrap_or(Level::Box);
            let grounded = rng.random_bool(0.8);
            Some(collage(behind, &cut, mask, size, level, grounded, rng)?)
        } else {
            None
        };
        let mut outputs = vec![(PICTURE, target)];
        if plan.joint {
            outputs.push((MASK, mask.iter().map(|&v| [v; 3]).collect()));
        }
        let pictures = Pictures {
            canvas: Some(behind.to_vec()),
            outputs,
            assets: vec![Asset {
                picture: over(&cut, ground),
                object: cut.iter().map(|p| p[3]).collect(),
            }],
            placement,
            map: None,
            object: mask.to_vec(),
            before: None,
            hole: None,
            still: true,
            facts: Facts::of(0),
        };
        let (x0, _, x1, _) =
            Plane::from_values(size as u32, size as u32, mask.to_vec())?.bounds()?;
        let u = (x0 + x1) as f32 / 2.0 / size as f32;
        let text = filmed(&plan, name, u, rng).text();
        let mut record = recorded(&plan, pictures, size, Split::Train, rng)?;
        record.text = text;
        Some(record)
    }
}
