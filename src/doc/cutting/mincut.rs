//! The cheapest cut through a grid of pixels, by the algorithm of Boykov and Kolmogorov ("An experimental comparison of
//! min-cut/max-flow algorithms for energy minimization in vision", 2004): two trees grow from source and sink over what is
//! left of the edges' capacities, and where they meet, flow is sent until an edge is full.

use std::collections::VecDeque;

/// The neighbours of a pixel, each opposite to the one at 7 less its place.
const STEPS: [(i32, i32); 8] = [
    (-1, -1),
    (0, -1),
    (1, -1),
    (-1, 0),
    (1, 0),
    (-1, 1),
    (0, 1),
    (1, 1),
];
/// Half of them: each pair of neighbours once.
pub const PAIRS: [(i32, i32); 4] = [STEPS[4], STEPS[5], STEPS[6], STEPS[7]];

/// How a pixel hangs in its tree: by the step to its parent, or
const FREE: u8 = 255;
/// by its own edge to source or sink, or
const ROOT: u8 = 8;
/// by nothing any more.
const ORPHAN: u8 = 9;

/// A grid of pixels, each tied to source, sink and its eight neighbours.
pub struct Grid {
    width: usize,
    height: usize,
    /// For each pixel what is left towards each neighbour.
    edges: Vec<[i32; 8]>,
    /// What is left from the source, or to the sink if negative.
    ties: Vec<i32>,
    parents: Vec<u8>,
    sinks: Vec<bool>,
    /// How far each pixel is from its root, and when that was found out.
    far: Vec<u32>,
    seen: Vec<u32>,
    now: u32,
    active: VecDeque<usize>,
    waiting: Vec<bool>,
    orphans: VecDeque<usize>,
}

impl Grid {
    /// Pixels with these ties: so much more it costs to be cut from the source than from the sink.
    pub fn new(width: usize, ties: Vec<i32>) -> Self {
        let count = ties.len();
        Self {
            width,
            height: count / width,
            edges: vec![[0; 8]; count],
            ties,
            parents: vec![FREE; count],
            sinks: vec![false; count],
            far: vec![0; count],
            seen: vec![0; count],
            now: 0,
            active: VecDeque::new(),
            waiting: vec![false; count],
            orphans: VecDeque::new(),
        }
    }

    /// What it costs to part a pixel from its neighbour in the direction `pair` of [`PAIRS`]; nothing beyond the edge.
    pub fn tie(&mut self, at: usize, pair: usize, cost: i32) {
        let step = pair + 4;
        if let Some(other) = self.next(at, step) {
            self.edges[at][step] = cost;
            self.edges[other][7 - step] = cost;
        }
    }

    fn next(&self, at: usize, step: usize) -> Option<usize> {
        let (dx, dy) = STEPS[step];
        let (x, y) = ((at % self.width) as i32 + dx, (at / self.width) as i32 + dy);
        let inside = x >= 0 && y >= 0 && (x as usize) < self.width && (y as usize) < self.height;
        inside.then(|| y as usize * self.width + x as usize)
    }

    /// The pixels on the source's side of a cheapest cut; `None` if `stop` says so.
    pub fn cut(mut self, stop: &dyn Fn() -> bool) -> Option<Vec<bool>> {
        for at in 0..self.ties.len() {
            if self.ties[at] != 0 {
                self.sinks[at] = self.ties[at] < 0;
                self.parents[at] = ROOT;
                self.far[at] = 1;
                self.activate(at);
            }
        }
        let mut rounds = 0u32;
        while let Some(at) = self.active.pop_front() {
            self.waiting[at] = false;
            // The same pixel goes on as long as it meets the other tree.
            while self.parents[at] != FREE {
                let Some((from, step)) = self.grow(at) else {
                    break;
                };
                self.now += 1;
                self.send(from, step);
                while let Some(orphan) = self.orphans.pop_front() {
                    self.adopt(orphan);
                }
            }
            rounds = rounds.wrapping_add(1);
            if rounds.is_multiple_of(4096) && stop() {
                return None;
            }
        }
        let source = self.parents.iter().zip(&self.sinks);
        Some(source.map(|(&p, sink)| p != FREE && !sink).collect())
    }

    fn activate(&mut self, at: usize) {
        if !self.waiting[at] {
            self.waiting[at] = true;
            self.active.push_back(at);
        }
    }

    /// What is left from a pixel's tree's root side towards `step`: in the sink's tree flow comes the other way.
    fn left(&self, at: usize, step: usize, other: usize) -> i32 {
        if self.sinks[at] {
            self.edges[other][7 - step]
        } else {
            self.edges[at][step]
        }
    }

    /// Lets a pixel's tree grow to its neighbours; the edge, from the source's side, where it meets the other one.
    fn grow(&mut self, at: usize) -> Option<(usize, usize)> {
        for step in 0..8 {
            let Some(other) = self.next(at, step) else {
                continue;
            };
            if self.left(at, step, other) == 0 {
                continue;
            }
            if self.parents[other] == FREE {
                self.sinks[other] = self.sinks[at];
                self.hang(other, 7 - step, at);
                self.activate(other);
            } else if self.sinks[other] != self.sinks[at] {
                return Some(match self.sinks[at] {
                    true => (other, 7 - step),
                    false => (at, step),
                });
            } else if self.seen[other] <= self.seen[at] && self.far[other] > self.far[at] {
                self.hang(other, 7 - step, at);
            }
        }
        None
    }

    fn hang(&mut self, child: usize, step: usize, parent: usize) {
        self.parents[child] = step as u8;
        self.seen[child] = self.seen[parent];
        self.far[child] = self.far[parent] + 1;
    }

    /// The parent of a pixel that hangs on another one.
    fn parent(&self, at: usize) -> Option<(usize, usize)> {
        let step = usize::from(self.parents[at]);
        if step >= 8 {
            return None;
        }
        self.next(at, step).map(|parent| (parent, step))
    }

    /// Sends as much as goes from root to root over the edge from `from` in direction `step`.
    fn send(&mut self, from: usize, step: usize) {
        let Some(to) = self.next(from, step) else {
            return;
        };
        let mut most = self.edges[from][step];
        let mut at = from;
        while let Some((parent, step)) = self.parent(at) {
            most = most.min(self.edges[parent][7 - step]);
            at = parent;
        }
        most = most.min(self.ties[at]);
        let mut at = to;
        while let Some((parent, step)) = self.parent(at) {
            most = most.min(self.edges[at][step]);
            at = parent;
        }
        most = most.min(-self.ties[at]);

        self.edges[from][step] -= most;
        self.edges[to][7 - step] += most;
        let mut at = from;
        while let Some((parent, step)) = self.parent(at) {
            self.edges[at][step] += most;
            self.edges[parent][7 - step] -= most;
            if self.edges[parent][7 - step] == 0 {
                self.orphan(at);
            }
            at = parent;
        }
        self.ties[at] -= most;
        if self.ties[at] == 0 {
            self.orphan(at);
        }
        let mut at = to;
        while let Some((parent, step)) = self.parent(at) {
            self.edges[parent][7 - step] += most;
            self.edges[at][step] -= most;
            if self.edges[at][step] == 0 {
                self.orphan(at);
            }
            at = parent;
        }
        self.ties[at] += most;
        if self.ties[at] == 0 {
            self.orphan(at);
        }
    }

    fn orphan(&mut self, at: usize) {
        self.parents[at] = ORPHAN;
        self.orphans.push_front(at);
    }

    /// How far a pixel is from its root; `None` if it has none any more.
    fn depth(&mut self, from: usize) -> Option<u32> {
        let (mut at, mut depth) = (from, 0);
        loop {
            if self.seen[at] == self.now {
                depth += self.far[at];
                break;
            }
            depth += 1;
            match self.parents[at] {
                ROOT => {
                    self.seen[at] = self.now;
                    self.far[at] = 1;
                    break;
                }
                ORPHAN | FREE => return None,
                _ => at = self.parent(at)?.0,
            }
        }
        let (mut at, mut left) = (from, depth);
        while self.seen[at] != self.now {
            self.seen[at] = self.now;
            self.far[at] = left;
            left -= 1;
            at = self.parent(at)?.0;
        }
        Some(depth)
    }

    /// Hangs an orphan on the nearest neighbour that has a root, or sets it and its children free.
    fn adopt(&mut self, at: usize) {
        let sink = self.sinks[at];
        let mut best: Option<(u32, usize)> = None;
        for step in 0..8 {
            let Some(other) = self.next(at, step) else {
                continue;
            };
            if self.sinks[other] != sink || matches!(self.parents[other], FREE) {
                continue;
            }
            if self.left(other, 7 - step, at) == 0 {
                continue;
            }
            if let Some(depth) = self.depth(other)
                && best.is_none_or(|(least, _)| depth < least)
            {
                best = Some((depth, step));
            }
        }
        if let Some((depth, step)) = best {
            self.parents[at] = step as u8;
            self.seen[at] = self.now;
            self.far[at] = depth + 1;
            return;
        }
        self.parents[at] = FREE;
        for step in 0..8 {
            let Some(other) = self.next(at, step) else {
                continue;
            };
            if self.sinks[other] != sink || self.parents[other] == FREE {
                continue;
            }
            if self.left(other, 7 - step, at) > 0 {
                self.activate(other);
            }
            if self.parents[other] == (7 - step) as u8 {
                self.parents[other] = ORPHAN;
                self.orphans.push_back(other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a cut costs.
    fn cost(width: usize, ties: &[i32], pairs: &[[i32; 4]], source: &[bool]) -> i64 {
        let mut sum = 0i64;
        for (at, &tie) in ties.iter().enumerate() {
            if (tie > 0) != source[at] {
                sum += i64::from(tie.abs());
            }
            let grid = Grid::new(width, vec![0; ties.len()]);
            for (pair, cost) in pairs[at].iter().enumerate() {
                if let Some(other) = grid.next(at, pair + 4)
                    && source[at] != source[other]
                {
                    sum += i64::from(*cost);
                }
            }
        }
        sum
    }

    proptest! {
        #[test]
        fn no_other_cut_is_cheaper(
            width in 1usize..5,
            height in 1usize..4,
            values in prop::collection::vec((-20i32..20, [0i32..12, 0..12, 0..12, 0..12]), 12),
        ) {
            let count = width * height;
            let ties: Vec<i32> = values[..count].iter().map(|v| v.0).collect();
            let pairs: Vec<[i32; 4]> = values[..count].iter().map(|v| v.1).collect();
            let mut grid = Grid::new(width, ties.clone());
            for (at, costs) in pairs.iter().enumerate() {
                for (pair, cost) in costs.iter().enumerate() {
                    grid.tie(at, pair, *cost);
                }
            }
            let found = grid.cut(&|| false).unwrap();
            let found = cost(width, &ties, &pairs, &found);
            for bits in 0..1u32 << count {
                let other: Vec<bool> = (0..count).map(|i| bits >> i & 1 == 1).collect();
                prop_assert!(found <= cost(width, &ties, &pairs, &other));
            }
        }
    }
}
