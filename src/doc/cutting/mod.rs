//! Freeing an object from what surrounds it in a photograph: GrabCut (Rother, Kolmogorov and Blake, "GrabCut: interactive
//! foreground extraction using iterated graph cuts", 2004) on a small copy, and a soft edge at full size from the colours
//! on both sides of it.

mod matte;
mod mincut;
mod mixture;
#[cfg(test)]
mod tests;

use mincut::{Grid, PAIRS};
use mixture::Mixture;

use super::{Picture, Plane};

/// The longer side of the small copy.
const SIDE: usize = 256;
/// How often colours are learned from what was found, at the most.
const ROUNDS: usize = 8;
/// What it costs to part equal neighbours, in nats; the paper's γ.
const SMOOTH: f64 = 50.0;
/// What a cost of one nat is in whole numbers.
const UNIT: f64 = 64.0;
/// No colour says more than this, in nats: a single pixel never outweighs its neighbours.
const MOST: f64 = 40.0;
/// More than any cut costs.
const NEVER: i32 = i32::MAX / 16;
/// Without a mask: what it costs in nats to be of the object at the picture's edge, and to be of the surroundings in its
/// middle. People put what they photograph in the middle.
const PLACE: f64 = 3.0;
/// Pieces of an object are at least so much of its largest.
const PIECE: f64 = 0.1;

/// An object in a picture.
pub struct Found {
    small: Small,
    object: Vec<bool>,
    /// How well its colours tell it from its surroundings: the share of pixels, on the small copy, that their colours alone
    /// would put where they are, 0.5 to 1.
    pub told: f64,
    /// The object's share of the picture.
    pub share: f64,
    /// The share of the picture's edge that it touches.
    pub touching: f64,
}

impl Found {
    /// How far each pixel of the picture that it was found in is the object's. `None` soon after `stop` says so.
    pub fn alpha(&self, picture: &Picture, stop: &dyn Fn() -> bool) -> Option<Plane> {
        matte::alpha(picture, &self.small, &self.object, stop)
    }

    /// That picture with everything but the object transparent, and the surroundings' share taken out of its edge's colours.
    /// `None` soon after `stop` says so.
    pub fn freed(&self, picture: &Picture, stop: &dyn Fn() -> bool) -> Option<Picture> {
        matte::freed(picture, &self.alpha(picture, stop)?, stop)
    }
}

/// The small copy.
struct Small {
    width: usize,
    height: usize,
    /// Pixels of the picture to one of these, across and down.
    cell: (f64, f64),
    /// RGB in 0..255.
    colours: Vec<[f32; 3]>,
}

/// What is known of a pixel of the small copy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Nothing,
    Surroundings,
}

/// The object inside a mask of the picture's size (values ≥ 128), or, without one, what the picture seems to be of. `None` if
/// nothing is found, if the mask is empty, or if `stop` says so. A fraction of a second on one core, and for large pictures
/// as long as it takes to read them once.
pub fn object(picture: &Picture, within: Option<&Plane>, stop: &dyn Fn() -> bool) -> Option<Found> {
    let small = Small::of(picture);
    let (known, guess, place) = match within {
        Some(mask) => small.by_mask(mask)?,
        None => small.by_middle(),
    };
    let (mut object, told) = small.grab(&known, guess, &place, stop)?;
    small.keep_pieces(&mut object);
    let count = object.iter().filter(|o| **o).count();
    if count == 0 {
        return None;
    }
    let edge = small.edge();
    // The frame itself is never the object's: what lies right inside of it touches it.
    let near = edge.iter().filter(|&&at| object[at]).count();
    Some(Found {
        told,
        share: count as f64 / object.len() as f64,
        touching: near as f64 / edge.len().max(1) as f64,
        small,
        object,
    })
}

impl Small {
    fn of(picture: &Picture) -> Self {
        let (wide, high) = (picture.width() as usize, picture.height() as usize);
        let shrink = (SIDE as f64 / wide.max(high) as f64).min(1.0);
        let scaled = |side: usize| ((side as f64 * shrink).round() as usize).max(1);
        let (width, height) = (scaled(wide), scaled(high));
        let cell = (wide as f64 / width as f64, high as f64 / height as f64);
        let span = |at: usize, cell: f64, side: usize| {
            let from = (at as f64 * cell) as usize;
            from..(((at + 1) as f64 * cell) as usize).clamp(from + 1, side)
        };
        let mut colours = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let (mut sum, mut count) = ([0.0f32; 3], 0.0);
                for row in span(y, cell.1, high) {
                    for column in span(x, cell.0, wide) {
                        let [r, g, b, a] = picture.pixel(column as u32, row as u32);
                        let a = f32::from(a) / 255.0;
                        for (sum, v) in sum.iter_mut().zip([r, g, b]) {
                            *sum += f32::from(v) * a + 255.0 * (1.0 - a);
                        }
                        count += 1.0;
                    }
                }
                colours.push(sum.map(|v| v / count));
            }
        }
        Self {
            width,
            height,
            cell,
            colours,
        }
    }

    /// The frame of pixels at the picture's edge.
    fn is_frame(&self, at: usize, thick: usize) -> bool {
        let (x, y) = (at % self.width, at / self.width);
        x < thick || y < thick || x + thick >= self.width || y + thick >= self.height
    }

    /// Pixels right inside of the frame.
    fn edge(&self) -> Vec<usize> {
        (0..self.colours.len())
            .filter(|&at| !self.is_frame(at, 2) && self.is_frame(at, 4))
            .collect()
    }

    /// All that is known from a mask: outside of it there is no object.
    fn by_mask(&self, mask: &Plane) -> Option<(Vec<Known>, Vec<bool>, Vec<f64>)> {
        let mut inside = vec![false; self.colours.len()];
        let cell = |at: usize, cell: f64, side: usize| ((at as f64 / cell) as usize).min(side - 1);
        // However little of it a pixel of the copy holds: thin masks are masks.
        for (at, _) in mask.values().iter().enumerate().filter(|(_, v)| **v >= 128) {
            let (x, y) = (at % mask.width() as usize, at / mask.width() as usize);
            let (x, y) = (
                cell(x, self.cell.0, self.width),
                cell(y, self.cell.1, self.height),
            );
            inside[y * self.width + x] = true;
        }
        let known = |inside: &bool| match inside {
            true => Known::Nothing,
            false => Known::Surroundings,
        };
        let place = vec![0.0; inside.len()];
        inside
            .contains(&true)
            .then(|| (inside.iter().map(known).collect(), inside, place))
    }

    /// What is likely without a mask: surroundings at the edge, the object in the middle.
    fn by_middle(&self) -> (Vec<Known>, Vec<bool>, Vec<f64>) {
        let away = |at: usize| {
            let across = |at: usize, side: usize| 2.0 * (at as f64 + 0.5) / side as f64 - 1.0;
            let x = across(at % self.width, self.width);
            let y = across(at / self.width, self.height);
            x.hypot(y)
        };
        let all = 0..self.colours.len();
        let known = all.clone().map(|at| match self.is_frame(at, 2) {
            true => Known::Surroundings,
            false => Known::Nothing,
        });
        let place = |at: usize| PLACE * (2.0 * away(at).min(1.0).powi(2) - 1.0);
        (
            known.collect(),
            all.clone().map(|at| away(at) < 0.7).collect(),
            all.map(place).collect(),
        )
    }

    /// Which pixels are the object's, learned in turns from their colours and the other way round, and the share of pixels
    /// that their colours alone put there.
    fn grab(
        &self,
        known: &[Known],
        guess: Vec<bool>,
        place: &[f64],
        stop: &dyn Fn() -> bool,
    ) -> Option<(Vec<bool>, f64)> {
        let mut object = guess;
        let mut told = 0.0;
        let edges = self.edges();
        for _ in 0..ROUNDS {
            if stop() {
                return None;
            }
            let of = |wanted: bool| -> Vec<[f32; 3]> {
                let all = self.colours.iter().zip(&object);
                all.filter(|(_, object)| **object == wanted)
                    .map(|(c, _)| *c)
                    .collect()
            };
            let (inside, outside) = (Mixture::of(&of(true))?, Mixture::of(&of(false))?);
            let says: Vec<f64> = self
                .colours
                .iter()
                .map(|c| (inside.log_density(c) - outside.log_density(c)).clamp(-MOST, MOST))
                .collect();
            let ties =
                says.iter()
                    .zip(place)
                    .zip(known)
                    .map(|((says, place), known)| match known {
                        Known::Surroundings => -NEVER,
                        Known::Nothing => ((says - place) * UNIT).round() as i32,
                    });
            let mut grid = Grid::new(self.width, ties.collect());
            for (at, costs) in edges.iter().enumerate() {
                for (pair, cost) in costs.iter().enumerate() {
                    grid.tie(at, pair, *cost);
                }
            }
            let found = grid.cut(stop)?;
            let moved = found.iter().zip(&object).filter(|(a, b)| a != b).count();
            object = found;
            let open = says.iter().zip(&object).zip(known);
            let open = open.filter(|(_, known)| **known == Known::Nothing);
            let (right, all) = open.fold((0, 0), |(right, all), ((says, object), _)| {
                (right + usize::from((*says > 0.0) == *object), all + 1)
            });
            told = right as f64 / f64::from(all.max(1));
            if moved * 1000 < object.len() {
                break;
            }
        }
        Some((object, told))
    }

    /// What it costs to part each pixel from its neighbours.
    fn edges(&self) -> Vec<[i32; 4]> {
        let apart = |at: usize, (dx, dy): (i32, i32)| {
            let (x, y) = ((at % self.width) as i32 + dx, (at / self.width) as i32 + dy);
            let inside =
                x >= 0 && y >= 0 && (x as usize) < self.width && (y as usize) < self.height;
            inside.then(|| {
                let other = &self.colours[y as usize * self.width + x as usize];
                let pairs = self.colours[at].iter().zip(other);
                pairs
                    .map(|(a, b)| f64::from((a - b) * (a - b)))
                    .sum::<f64>()
            })
        };
        let all: Vec<[Option<f64>; 4]> = (0..self.colours.len())
            .map(|at| PAIRS.map(|step| apart(at, step)))
            .collect();
        let squares = all.iter().flatten().flatten();
        let mean = squares.clone().sum::<f64>() / squares.count().max(1) as f64;
        let beta = 1.0 / (2.0 * mean.max(1e-3));
        let cost = |(square, (dx, dy)): (Option<f64>, (i32, i32))| {
            let away = f64::from(dx * dx + dy * dy).sqrt();
            let cost = square.map(|s| SMOOTH * (-beta * s).exp() / away);
            (cost.unwrap_or(0.0) * UNIT).round() as i32
        };
        all.iter()
            .map(|squares| std::array::from_fn(|pair| cost((squares[pair], PAIRS[pair]))))
            .collect()
    }

    /// Drops the small pieces of an object.
    fn keep_pieces(&self, object: &mut [bool]) {
        let mut piece = vec![usize::MAX; object.len()];
        let mut sizes = Vec::new();
        for start in 0..object.len() {
            if !object[start] || piece[start] != usize::MAX {
                continue;
            }
            let mut open = vec![start];
            piece[start] = sizes.len();
            let mut size = 0;
            while let Some(at) = open.pop() {
                size += 1;
                let (x, y) = (at % self.width, at / self.width);
                let near = [
                    (x > 0).then(|| at - 1),
                    (x + 1 < self.width).then(|| at + 1),
                    (y > 0).then(|| at - self.width),
                    (y + 1 < self.height).then(|| at + self.width),
                ];
                for next in near.into_iter().flatten() {
                    if object[next] && piece[next] == usize::MAX {
                        piece[next] = sizes.len();
                        open.push(next);
                    }
                }
            }
            sizes.push(size);
        }
        let least = PIECE * sizes.iter().copied().max().unwrap_or(0) as f64;
        for (object, piece) in object.iter_mut().zip(piece) {
            *object &= piece != usize::MAX && sizes[piece] as f64 >= least;
        }
    }
}
