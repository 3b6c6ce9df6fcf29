//! Pictures to sample from: sRGB bytes with a box-filtered pyramid.

use super::colour::{encode, linear_table};
use super::vector::V3;

struct Tier {
    width: usize,
    height: usize,
    texels: Vec<[u8; 4]>,
}

/// How coordinates outside 0..1 are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrap {
    /// Repeat in both directions.
    Repeat,
    /// The edge goes on.
    Clamp,
    /// Repeat from left to right, clamp from top to bottom: panoramas.
    Around,
}

/// A picture with a pyramid of halved copies.
pub struct Texture {
    tiers: Vec<Tier>,
    wrap: Wrap,
}

impl Texture {
    /// A texture of RGBA bytes (straight alpha); `pyramid` adds the halved copies.
    pub fn new(width: usize, height: usize, rgba: &[u8], wrap: Wrap, pyramid: bool) -> Self {
        let texels = rgba.as_chunks::<4>().0.to_vec();
        let mut tiers = vec![Tier {
            width,
            height,
            texels,
        }];
        while pyramid && tiers.len() < 9 {
            let last = &tiers[tiers.len() - 1];
            if last.width.min(last.height) < 4 {
                break;
            }
            let next = halved(last);
            tiers.push(next);
        }
        Self { tiers, wrap }
    }

    /// A texture from an encoded picture.
    ///
    /// # Errors
    /// [`image::ImageError`] if it can't be decoded.
    pub fn decode(bytes: &[u8], wrap: Wrap, pyramid: bool) -> Result<Self, image::ImageError> {
        let picture = image::load_from_memory(bytes)?.to_rgba8();
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        Ok(Self::new(width, height, picture.as_raw(), wrap, pyramid))
    }

    /// Width and height of the largest copy.
    pub fn size(&self) -> (usize, usize) {
        (self.tiers[0].width, self.tiers[0].height)
    }

    /// Straight alpha bytes of a texel of the largest copy, clamped to the edge.
    pub fn texel(&self, x: usize, y: usize) -> [u8; 4] {
        let tier = &self.tiers[0];
        tier.texels[y.min(tier.height - 1) * tier.width + x.min(tier.width - 1)]
    }

    /// Linear colour and alpha at (u, v) in 0..1, bilinear in the copy nearest to `lod` (0 is the largest).
    pub fn sample(&self, u: f32, v: f32, lod: f32) -> (V3, f32) {
        let level = (lod + 0.5).clamp(0.0, (self.tiers.len() - 1) as f32) as usize;
        let tier = &self.tiers[level];
        let (w, h) = (tier.width as i32, tier.height as i32);
        let (x, y) = (u * w as f32 - 0.5, v * h as f32 - 0.5);
        // Without a rounding instruction `floor` is a call; this is the same but for exact negative whole numbers.
        let below = |x: f32| x as i32 - i32::from(x < 0.0);
        let (x0, y0) = (below(x), below(y));
        let (tx, ty) = (x - x0 as f32, y - y0 as f32);
        let column = |x: i32| match self.wrap {
            Wrap::Clamp => x.clamp(0, w - 1),
            _ => x.rem_euclid(w),
        } as usize;
        let row = |y: i32| match self.wrap {
            Wrap::Repeat => y.rem_euclid(h),
            _ => y.clamp(0, h - 1),
        } as usize;
        let (c0, c1) = (column(x0), column(x0 + 1));
        let (r0, r1) = (row(y0) * tier.width, row(y0 + 1) * tier.width);
        let table = linear_table();
        let mut colour = [0.0; 3];
        let mut alpha = 0.0;
        for (at, weight) in [
            (r0 + c0, (1.0 - tx) * (1.0 - ty)),
            (r0 + c1, tx * (1.0 - ty)),
            (r1 + c0, (1.0 - tx) * ty),
            (r1 + c1, tx * ty),
        ] {
            let texel = tier.texels[at];
            for (sum, &byte) in colour.iter_mut().zip(&texel) {
                *sum += table[byte as usize] * weight;
            }
            alpha += f32::from(texel[3]) * weight;
        }
        (colour, alpha / 255.0)
    }

    /// The mean linear colour.
    pub fn mean(&self) -> V3 {
        let tier = &self.tiers[self.tiers.len() - 1];
        let mut sum = [0.0; 3];
        for texel in &tier.texels {
            for (s, &b) in sum.iter_mut().zip(texel) {
                *s += linear_table()[b as usize];
            }
        }
        sum.map(|s| s / tier.texels.len() as f32)
    }
}

/// A copy of half the size: each texel the mean of four, in linear light, weighted by alpha.
fn halved(tier: &Tier) -> Tier {
    let (width, height) = ((tier.width / 2).max(1), (tier.height / 2).max(1));
    let table = linear_table();
    let mut texels = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let mut colour = [0.0f32; 3];
            let mut plain = [0.0f32; 3];
            let mut weight = 0.0f32;
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let sx = (2 * x + dx).min(tier.width - 1);
                let sy = (2 * y + dy).min(tier.height - 1);
                let t = tier.texels[sy * tier.width + sx];
                let a = f32::from(t[3]);
                weight += a;
                for c in 0..3 {
                    let l = table[t[c] as usize];
                    colour[c] += l * a;
                    plain[c] += l * 0.25;
                }
            }
            let mut texel = [0, 0, 0, (weight / 4.0 + 0.5) as u8];
            for c in 0..3 {
                texel[c] = encode(if weight > 0.0 {
                    colour[c] / weight
                } else {
                    plain[c]
                });
            }
            texels.push(texel);
        }
    }
    Tier {
        width,
        height,
        texels,
    }
}
