//! What an object hides from a far light: its depth and coverage as seen from there. Points are given relative to the
//! object's foot.

use super::placed::Placed;
use super::vector::{V3, add, cross, dot, scale, sub, unit};

/// An orthographic view of one object from a light's direction.
pub struct ShadowMap {
    across: V3,
    along: V3,
    towards: V3,
    origin: [f32; 2],
    per_unit: f32,
    side: usize,
    nearest: Vec<f32>,
    cover: Vec<f32>,
    /// Coverage blurred as far away from the object, and the distance at which it is that.
    far: Option<(Vec<f32>, f32)>,
    /// The nearest part of the object.
    front: f32,
    texel: f32,
}

impl ShadowMap {
    /// The view of `object` from `towards`, `side` texels wide; `blur` box-blurs the coverage by so many texels each
    /// way, three times. Only what is lower than `below` counts.
    pub fn new(object: &Placed<'_>, towards: V3, side: usize, blur: usize, below: f32) -> Self {
        let mut map = Self::bare(object, towards, side, (3 * blur + 2) as f32, below);
        map.cover = map.covered();
        blurred(&mut map.cover, side, blur);
        map
    }

    /// The view of `object` from a light so wide that its shadow's edge is `wide` metres soft at the far end and sharp
    /// at the foot.
    pub fn soft(object: &Placed<'_>, towards: V3, side: usize, wide: f32) -> Self {
        let span = 2.0 * object.radius().max(0.5 * object.height());
        let texels = (wide / span.max(1e-5) * side as f32 * 0.45).clamp(1.0, side as f32 * 0.08);
        let blur = texels.round() as usize;
        let mut map = Self::bare(object, towards, side, (3 * blur + 2) as f32, f32::MAX);
        map.cover = map.covered();
        let mut far = map.cover.clone();
        blurred(&mut far, side, blur);
        blurred(&mut map.cover, side, 1);
        let reach = object.height() / towards[1].max(0.15);
        map.far = Some((far, reach));
        map
    }

    fn bare(object: &Placed<'_>, towards: V3, side: usize, margin: f32, below: f32) -> Self {
        let helper = if towards[1].abs() > 0.9 {
            [1.0, 0.0, 0.0]
        } else {
            [0.0, 1.0, 0.0]
        };
        let across = unit(cross(helper, towards));
        let along = cross(towards, across);
        let projected: Vec<V3> = object
            .positions
            .iter()
            .map(|&p| {
                let p = sub(p, object.foot);
                [dot(p, across), dot(p, along), dot(p, towards)]
            })
            .collect();
        let mut low = [f32::MAX; 2];
        let mut high = [f32::MIN; 2];
        let mut front = f32::MIN;
        for p in &projected {
            for c in 0..2 {
                low[c] = low[c].min(p[c]);
                high[c] = high[c].max(p[c]);
            }
            front = front.max(p[2]);
        }
        let span = (high[0] - low[0]).max(high[1] - low[1]).max(1e-5);
        let per_unit = (side as f32 - 2.0 * margin) / span;
        let origin = [low[0] - margin / per_unit, low[1] - margin / per_unit];
        let mut map = Self {
            across,
            along,
            towards,
            origin,
            per_unit,
            side,
            nearest: vec![f32::MIN; side * side],
            cover: Vec::new(),
            far: None,
            front,
            texel: 1.0 / per_unit,
        };
        for (t, triangle) in object.mesh.triangles.iter().enumerate() {
            let lowest = triangle
                .map(|i| object.positions[i as usize][1] - object.foot[1])
                .into_iter()
                .fold(f32::MAX, f32::min);
            if lowest > below {
                continue;
            }
            let corners = triangle.map(|i| {
                let p = projected[i as usize];
                [
                    (p[0] - origin[0]) * per_unit - 0.5,
                    (p[1] - origin[1]) * per_unit - 0.5,
                    p[2],
                ]
            });
            map.fill(corners, object, t);
        }
        map
    }

    fn covered(&self) -> Vec<f32> {
        self.nearest
            .iter()
            .map(|&d| if d > f32::MIN { 1.0 } else { 0.0 })
            .collect()
    }

    fn fill(&mut self, corners: [V3; 3], object: &Placed<'_>, triangle: usize) {
        let [a, b, c] = corners;
        let area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
        let limit = self.side as f32 - 1.0;
        if area.abs() < 1e-6 {
            return;
        }
        let x0 = a[0].min(b[0]).min(c[0]).ceil().clamp(0.0, limit) as usize;
        let x1 = a[0].max(b[0]).max(c[0]).floor().clamp(0.0, limit) as usize;
        let y0 = a[1].min(b[1]).min(c[1]).ceil().clamp(0.0, limit) as usize;
        let y1 = a[1].max(b[1]).max(c[1]).floor().clamp(0.0, limit) as usize;
        if x0 > x1 || y0 > y1 {
            // Thinner than a texel, but it stops light all the same.
            let middle: V3 = std::array::from_fn(|i| (a[i] + b[i] + c[i]) / 3.0);
            let column = (middle[0] + 0.5).clamp(0.0, limit) as usize;
            let row = (middle[1] + 0.5).clamp(0.0, limit) as usize;
            if area.abs() > 0.08 {
                let at = row * self.side + column;
                self.nearest[at] = self.nearest[at].max(middle[2]);
            }
            return;
        }
        let holes = object.has_holes(triangle);
        let inverse = 1.0 / area;
        for y in y0..=y1 {
            for x in x0..=x1 {
                let p = [x as f32, y as f32];
                let w1 = ((p[0] - a[0]) * (c[1] - a[1]) - (p[1] - a[1]) * (c[0] - a[0])) * inverse;
                let w2 = ((b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])) * inverse;
                let w0 = 1.0 - w1 - w2;
                if w0 < -1e-4 || w1 < -1e-4 || w2 < -1e-4 {
                    continue;
                }
                let depth = w0 * a[2] + w1 * b[2] + w2 * c[2];
                let at = y * self.side + x;
                if depth > self.nearest[at] {
                    if holes && !object.solid(triangle, [w0, w1, w2], (x & 1) + 2 * (y & 1)) {
                        continue;
                    }
                    self.nearest[at] = depth;
                }
            }
        }
    }

    fn place(&self, p: V3) -> Option<(usize, f32, f32)> {
        let x = (dot(p, self.across) - self.origin[0]) * self.per_unit - 0.5;
        let y = (dot(p, self.along) - self.origin[1]) * self.per_unit - 0.5;
        let limit = (self.side - 1) as f32;
        if !(x >= 0.0 && y >= 0.0 && x < limit && y < limit) {
            return None;
        }
        let (column, row) = (x as u32, y as u32);
        let at = row as usize * self.side + column as usize;
        Some((at, x - column as f32, y - row as f32))
    }

    fn smooth(&self, values: &[f32], (at, tx, ty): (usize, f32, f32)) -> f32 {
        let row = |at: usize| values[at] * (1.0 - tx) + values[at + 1] * tx;
        row(at) * (1.0 - ty) + row(at + self.side) * ty
    }

    /// How much of the light reaches a point that is not part of the object, on a surface below or behind it: 1 all
    /// of it.
    pub fn below(&self, p: V3) -> f32 {
        let Some(place) = self.place(p) else {
            return 1.0;
        };
        let depth = dot(p, self.towards);
        if depth > self.front {
            return 1.0;
        }
        let near = self.smooth(&self.cover, place);
        let Some((far, reach)) = &self.far else {
            return 1.0 - near;
        };
        // How far behind the object the point is decides how soft its shadow is there.
        let (at, _, _) = place;
        let mut gap = 0.0f32;
        for i in [at, at + 1, at + self.side, at + self.side + 1] {
            gap = gap.max(self.nearest[i].max(depth) - depth);
        }
        if gap == 0.0 {
            // Beside the silhouette: as for its middle height.
            gap = 0.5 * (self.front - depth).max(0.0);
        }
        let t = (gap / reach.max(1e-5)).clamp(0.0, 1.0);
        1.0 - (near * (1.0 - t) + self.smooth(far, place) * t)
    }

    /// How much of the light passes the object on its way to `p`, which is part of another one.
    pub fn behind(&self, p: V3) -> f32 {
        let Some((at, tx, ty)) = self.place(p) else {
            return 1.0;
        };
        self.lit(at, tx, ty, dot(p, self.towards) + 0.5 * self.texel)
    }

    /// How much of the light reaches a point of the object itself; looked up a little off the surface, or a slanted
    /// one would shade itself in stripes.
    pub fn on(&self, p: V3, normal: V3) -> f32 {
        let p = add(p, scale(normal, 2.0 * self.texel));
        let Some((at, tx, ty)) = self.place(p) else {
            return 1.0;
        };
        self.lit(at, tx, ty, dot(p, self.towards) + 1.5 * self.texel)
    }

    fn lit(&self, at: usize, tx: f32, ty: f32, depth: f32) -> f32 {
        let lit = |at: usize| if self.nearest[at] > depth { 0.0 } else { 1.0 };
        let row = |at: usize| lit(at) * (1.0 - tx) + lit(at + 1) * tx;
        row(at) * (1.0 - ty) + row(at + self.side) * ty
    }
}

fn blurred(values: &mut [f32], side: usize, radius: usize) {
    let mut spare = vec![0.0; side * side];
    for _ in 0..if radius == 0 { 0 } else { 3 } {
        blur_rows(values, &mut spare, side, radius);
        blur_rows(&spare, values, side, radius);
    }
}

/// Box-blurs every row and writes the result transposed, so that two calls blur both ways.
fn blur_rows(from: &[f32], to: &mut [f32], side: usize, radius: usize) {
    let scale = 1.0 / (2 * radius + 1) as f32;
    for y in 0..side {
        let row = &from[y * side..(y + 1) * side];
        let mut sum: f32 = row.iter().take(radius).sum();
        for x in 0..side {
            if x + radius < side {
                sum += row[x + radius];
            }
            if x > radius {
                sum -= row[x - radius - 1];
            }
            // Rounding must leave no light where nothing is in the way.
            to[x * side + y] = if sum > 1e-4 { sum * scale } else { 0.0 };
        }
    }
}
