//! Brush and eraser. A stroke is the hull of dabs along its samples: coverage accumulates as the maximum
//! within one stroke and is then laid over the mask once, so that overlaps never exceed the opacity.

use super::{Mask, Rect, TILE, TileIndex};
use crate::doc::picture::MAX_SIDE;

/// A little more than half the diagonal of a tile, in pixels.
const HALF_DIAGONAL: f32 = TILE as f32 * 0.708;

/// A share 0..1 as a value, rounded. (`f32::round` is a call on processors it was not compiled for.)
fn quantised(share: f32) -> u8 {
    (share * 255.0 + 0.5) as u8
}

/// What a stroke does to the mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BrushMode {
    /// Selects.
    #[default]
    Paint,
    /// Unselects.
    Erase,
}

/// A round brush.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Brush {
    /// Diameter in picture pixels, at least 1.
    pub size: f32,
    /// Share of the radius that is fully covered, 0..1; 1 has a sharp, anti-aliased edge.
    pub hardness: f32,
    /// Coverage of a whole stroke, 0..1.
    pub opacity: f32,
    /// Whether pen pressure, where there is any, scales the size.
    pub pressure_size: bool,
    /// Paint or erase.
    pub mode: BrushMode,
}

impl Default for Brush {
    fn default() -> Self {
        Self {
            size: 48.0,
            hardness: 0.8,
            opacity: 1.0,
            pressure_size: true,
            mode: BrushMode::Paint,
        }
    }
}

impl Brush {
    /// Radius of a dab in pixels.
    fn radius(&self, pressure: Option<f32>) -> f32 {
        let share = match pressure {
            Some(pressure) if self.pressure_size => pressure.clamp(0.0, 1.0),
            _ => 1.0,
        };
        (self.size * share).clamp(1.0, 2.0 * MAX_SIDE as f32) / 2.0
    }

    /// Coverage 0..1 at `distance` from the centre of a dab.
    fn coverage(&self, distance: f32, radius: f32) -> f32 {
        let inner = radius * self.hardness.clamp(0.0, 1.0);
        if radius - inner < 1.0 {
            return (radius + 0.5 - distance).clamp(0.0, 1.0);
        }
        let t = ((radius - distance) / (radius - inner)).clamp(0.0, 1.0);
        t * t * (3.0 - 2.0 * t)
    }
}

/// One reading of the pointer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// x and y in picture pixels; (0, 0) is the left top corner, and pixels have their centres at halves.
    /// May lie outside the picture.
    pub pos: [f32; 2],
    /// Seconds since any fixed time.
    pub t: f64,
    /// Pen pressure 0..1, where the device tells it.
    pub pressure: Option<f32>,
}

impl Sample {
    /// A sample at a place, without pressure.
    pub fn at(x: f32, y: f32) -> Self {
        Self {
            pos: [x, y],
            t: 0.0,
            pressure: None,
        }
    }
}

/// A stroke being drawn.
#[derive(Clone, Debug)]
pub struct Stroke {
    brush: Brush,
    /// The mask before the stroke; shares its tiles.
    base: Mask,
    /// The greatest coverage so far.
    coverage: Mask,
    last: Option<Sample>,
}

impl Stroke {
    /// Begins a stroke on a mask, which stays as it is until [`Stroke::add`].
    pub fn begin(mask: &Mask, brush: Brush) -> Self {
        Self {
            brush,
            base: mask.clone(),
            coverage: Mask::new(mask.width(), mask.height()),
            last: None,
        }
    }

    /// The mask before the stroke, to give up the stroke.
    pub fn base(&self) -> &Mask {
        &self.base
    }

    /// Goes on to a sample and paints what that adds on `mask`, which must be the mask that the stroke began
    /// on, with what the stroke painted since. A sample that is no number is passed over.
    pub fn add(&mut self, mask: &mut Mask, sample: Sample) {
        if !sample.pos.iter().all(|p| p.is_finite()) || mask.width() != self.base.width() {
            return;
        }
        // Far outside nothing is painted; nearer coordinates keep the arithmetic exact enough.
        let limit = 8.0 * MAX_SIDE as f32;
        let sample = Sample {
            pos: sample.pos.map(|p| p.clamp(-limit, limit)),
            ..sample
        };
        let from = self.last.replace(sample).unwrap_or(sample);
        self.sweep(mask, from, sample);
    }

    /// Covers the hull of the dabs from `a` to `b`.
    fn sweep(&mut self, mask: &mut Mask, a: Sample, b: Sample) {
        let brush = self.brush;
        let (ra, rb) = (brush.radius(a.pressure), brush.radius(b.pressure));
        let reach = ra.max(rb) + 1.0;
        let side = |low: f32, high: f32, length: u32| {
            let clip = |v: f32| v.clamp(0.0, length as f32) as u32;
            (clip((low - reach).floor()), clip((high + reach).ceil()))
        };
        let (x0, x1) = side(a.pos[0].min(b.pos[0]), a.pos[0].max(b.pos[0]), mask.width());
        let (y0, y1) = side(
            a.pos[1].min(b.pos[1]),
            a.pos[1].max(b.pos[1]),
            mask.height(),
        );
        let segment = Segment::new(a.pos, b.pos);
        let opacity = brush.opacity.clamp(0.0, 1.0);
        for index in Mask::touched(Rect { x0, y0, x1, y1 }) {
            let (left, top) = index.origin();
            let half = TILE as f32 / 2.0;
            // No pixel of the tile is farther from its centre than half a diagonal.
            let centre = segment.nearest(left as f32 + half, top as f32 + half).0;
            let (near, far) = ((centre - HALF_DIAGONAL).max(0.0), centre + HALF_DIAGONAL);
            let most = quantised(brush.coverage(near, ra.max(rb)));
            let covered = self.coverage.tile(index).iter().min().copied();
            if near > reach || covered.is_some_and(|least| least >= most) {
                continue;
            }
            if quantised(brush.coverage(far, ra.min(rb))) == 255 {
                let full = self.coverage.full_at(index);
                self.coverage.store(index, &full);
            } else {
                let rect = Rect {
                    x0: x0.max(left),
                    y0: y0.max(top),
                    x1: x1.min(left + TILE),
                    y1: y1.min(top + TILE),
                };
                self.coverage.update(rect, |x, y, old| {
                    let (distance, along) = segment.nearest(x as f32 + 0.5, y as f32 + 0.5);
                    let radius = ra + (rb - ra) * along;
                    old.max(quantised(brush.coverage(distance, radius)))
                });
            }
            self.composite(mask, index, opacity);
        }
    }

    /// Lays the coverage of one tile over the base.
    fn composite(&self, mask: &mut Mask, index: TileIndex, opacity: f32) {
        let coverage = self.coverage.tile(index);
        let mut values = *self.base.tile(index);
        for (value, &coverage) in values.iter_mut().zip(coverage) {
            let share = f32::from(coverage) / 255.0 * opacity;
            let old = f32::from(*value) / 255.0;
            *value = quantised(match self.brush.mode {
                BrushMode::Paint => old + (1.0 - old) * share,
                BrushMode::Erase => old * (1.0 - share),
            });
        }
        mask.store(index, &values);
    }
}

impl Mask {
    /// A whole stroke at once; a straight line is one of two samples.
    pub fn stroke(&mut self, brush: Brush, samples: &[Sample]) {
        let mut stroke = Stroke::begin(self, brush);
        for &sample in samples {
            stroke.add(self, sample);
        }
    }
}

/// A line between two points.
struct Segment {
    from: [f32; 2],
    by: [f32; 2],
    /// 1 / length², or 0 for a point.
    inverse: f32,
}

impl Segment {
    fn new(a: [f32; 2], b: [f32; 2]) -> Self {
        let by = [b[0] - a[0], b[1] - a[1]];
        let length = by[0] * by[0] + by[1] * by[1];
        Self {
            from: a,
            by,
            inverse: if length > 0.0 { 1.0 / length } else { 0.0 },
        }
    }

    /// Distance to the nearest point of the segment, and where on it that is, 0..1.
    fn nearest(&self, x: f32, y: f32) -> (f32, f32) {
        let (dx, dy) = (x - self.from[0], y - self.from[1]);
        let along = ((dx * self.by[0] + dy * self.by[1]) * self.inverse).clamp(0.0, 1.0);
        let (dx, dy) = (dx - along * self.by[0], dy - along * self.by[1]);
        ((dx * dx + dy * dy).sqrt(), along)
    }
}
