//! What an object hides from a far light: its depth and coverage as seen from there.

use super::raster::Placed;
use super::vector::{V3, add, cross, dot, scale, unit};

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
    texel: f32,
}

impl ShadowMap {
    /// The view of `object` from `towards`, `side` texels wide; `blur` box-blurs the coverage by so many texels each
    /// way, three times.
    pub fn new(object: &Placed<'_>, towards: V3, side: usize, blur: usize) -> Self {
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
            .map(|&p| [dot(p, across), dot(p, along), dot(p, towards)])
            .collect();
        let mut low = [f32::MAX; 2];
        let mut high = [f32::MIN; 2];
        for p in &projected {
            for c in 0..2 {
                low[c] = low[c].min(p[c]);
                high[c] = high[c].max(p[c]);
            }
        }
        let margin = (3 * blur + 2) as f32;
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
            texel: 1.0 / per_unit,
        };
        for (t, triangle) in object.mesh.triangles.iter().enumerate() {
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
        map.cover = map
            .nearest
            .iter()
            .map(|&d| if d > f32::MIN { 1.0 } else { 0.0 })
            .collect();
        let mut spare = vec![0.0; side * side];
        for _ in 0..if blur == 0 { 0 } else { 3 } {
            blur_rows(&map.cover, &mut spare, side, blur);
            blur_rows(&spare, &mut map.cover, side, blur);
        }
        map
    }

    fn fill(&mut self, corners: [V3; 3], object: &Placed<'_>, triangle: usize) {
        let [a, b, c] = corners;
        let area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
        let limit = self.side as f32 - 1.0;
        // Triangles seen edge-on still stop light: a texel each.
        if area.abs() < 1e-6 {
            return;
        }
        let x0 = a[0].min(b[0]).min(c[0]).ceil().clamp(0.0, limit) as usize;
        let x1 = a[0].max(b[0]).max(c[0]).floor().clamp(0.0, limit) as usize;
        let y0 = a[1].min(b[1]).min(c[1]).ceil().clamp(0.0, limit) as usize;
        let y1 = a[1].max(b[1]).max(c[1]).floor().clamp(0.0, limit) as usize;
        let holes = object.has_holes(triangle);
        for y in y0..=y1 {
            for x in x0..=x1 {
                let p = [x as f32, y as f32];
                let w1 = ((p[0] - a[0]) * (c[1] - a[1]) - (p[1] - a[1]) * (c[0] - a[0])) / area;
                let w2 = ((b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])) / area;
                let w0 = 1.0 - w1 - w2;
                if w0 < -1e-4 || w1 < -1e-4 || w2 < -1e-4 {
                    continue;
                }
                if holes && !object.solid(triangle, [w0, w1, w2], 0) {
                    continue;
                }
                let depth = w0 * a[2] + w1 * b[2] + w2 * c[2];
                let at = y * self.side + x;
                if depth > self.nearest[at] {
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

    /// How much of the light reaches a point below the object: 1 all of it.
    pub fn below(&self, p: V3) -> f32 {
        let Some((at, tx, ty)) = self.place(p) else {
            return 1.0;
        };
        let row = |at: usize| self.cover[at] * (1.0 - tx) + self.cover[at + 1] * tx;
        1.0 - (row(at) * (1.0 - ty) + row(at + self.side) * ty)
    }

    /// How much of the light reaches a point of the object itself; looked up a little off the surface, or a slanted
    /// one would shade itself in stripes.
    pub fn on(&self, p: V3, normal: V3) -> f32 {
        let p = add(p, scale(normal, 2.0 * self.texel));
        let Some((at, tx, ty)) = self.place(p) else {
            return 1.0;
        };
        let depth = dot(p, self.towards) + 1.5 * self.texel;
        let lit = |at: usize| if self.nearest[at] > depth { 0.0 } else { 1.0 };
        let row = |at: usize| lit(at) * (1.0 - tx) + lit(at + 1) * tx;
        row(at) * (1.0 - ty) + row(at + self.side) * ty
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
            to[x * side + y] = sum * scale;
        }
    }
}
