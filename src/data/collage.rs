//! Cut-outs laid over grounds and canvases.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::doc::contact::shade;
use crate::doc::poisson::{FILL_REACH, widened};
use crate::doc::texture::fill_texture;
use crate::doc::{Level, Plane};

/// A cut-out over one colour.
pub fn over(cut: &[[u8; 4]], ground: [u8; 3]) -> Vec<[u8; 3]> {
    cut.iter()
        .map(|p| {
            let a = u32::from(p[3]);
            std::array::from_fn(|c| {
                ((u32::from(p[c]) * a + u32::from(ground[c]) * (255 - a) + 127) / 255) as u8
            })
        })
        .collect()
}

/// `canvas` with the shade under an object of this width that stands at `foot` (pipeline::collage).
fn shaded(canvas: &[[u8; 3]], size: usize, foot: [f32; 2], width: f32) -> Vec<[u8; 3]> {
    let mut values: Vec<f32> = canvas
        .iter()
        .flatten()
        .map(|&v| f32::from(v) / 255.0)
        .collect();
    shade(&mut values, size, foot, width);
    values
        .chunks_exact(3)
        .map(|p| std::array::from_fn(|c| (p[c] * 255.0).round() as u8))
        .collect()
}

/// `canvas` with the shade that the object of `cut` casts where it is.
pub fn shaded_under(canvas: &[[u8; 3]], cut: &[[u8; 4]], size: usize) -> Option<Vec<[u8; 3]>> {
    let alpha = cut.iter().map(|p| p[3]).collect();
    let (x0, _, x1, y1) = Plane::from_values(size as u32, size as u32, alpha)?.bounds()?;
    let foot = [(x0 + x1) as f32 / 2.0, y1 as f32];
    Some(shaded(canvas, size, foot, (x1 - x0) as f32))
}

/// `cut` over `canvas`, where it is.
pub fn laid_over(canvas: &[[u8; 3]], cut: &[[u8; 4]]) -> Vec<[u8; 3]> {
    let blend = |below: &[u8; 3], above: &[u8; 4]| {
        let a = f32::from(above[3]) / 255.0;
        std::array::from_fn(|c| {
            (f32::from(above[c]) * a + f32::from(below[c]) * (1.0 - a)).round() as u8
        })
    };
    canvas.iter().zip(cut).map(|(b, a)| blend(b, a)).collect()
}

/// The cut-out pasted into the canvas about where the object belongs: off in size, place, turn and light; `grounded`
/// with the shade under it.
pub fn collage(
    canvas: &[[u8; 3]],
    cut: &[[u8; 4]],
    object: &[u8],
    size: usize,
    level: Level,
    grounded: bool,
    rng: &mut ChaCha8Rng,
) -> Option<Vec<[u8; 3]>> {
    let side = size as u32;
    let (x0, y0, x1, y1) = Plane::from_values(side, side, object.to_vec())?.bounds()?;
    let alpha = cut.iter().map(|p| p[3]).collect();
    let (a0, b0, a1, b1) = Plane::from_values(side, side, alpha)?.bounds()?;
    let extent = |a: u32, b: u32| (b - a) as f32;
    let ratios = [
        extent(x0, x1) / extent(a0, a1),
        extent(y0, y1) / extent(b0, b1),
    ];
    // Half as the program lays it (pipeline::collage): as large as fits, on the lower edge; half as a hand does.
    let by_hand = rng.random_bool(0.5);
    let (factor, angle, centre) = if by_hand {
        let reach = 0.06 * extent(x0, x1).max(extent(y0, y1));
        let mut about =
            |a: u32, b: u32| (a + b) as f32 / 2.0 + rng.random_range(-reach..reach.max(1e-3));
        let centre = [about(x0, x1), about(y0, y1)];
        (
            [(ratios[0] * ratios[1]).sqrt() * rng.random_range(0.85..1.15f32); 2],
            rng.random_range(-0.14..0.14f32),
            centre,
        )
    } else {
        let about = rng.random_range(0.97..1.06f32);
        let most = ratios[0].min(ratios[1]) * level.most_stretch() as f32;
        let factor = ratios.map(|ratio| ratio.min(most) * about);
        let high = factor[1] * extent(b0, b1);
        (
            factor,
            0.0,
            [(x0 + x1) as f32 / 2.0, y1 as f32 - high / 2.0],
        )
    };
    let from = [(a0 + a1) as f32 / 2.0, (b0 + b1) as f32 / 2.0];
    let ground = if grounded {
        let foot = [centre[0], centre[1] + factor[1] * extent(b0, b1) / 2.0];
        &shaded(canvas, size, foot, factor[0] * extent(a0, a1))
    } else {
        canvas
    };
    Some(turned_over(ground, cut, size, from, centre, factor, angle))
}

/// What is inside `from` laid so that it fills `to`, on its lower edge, over the canvas with `from` filled: what a
/// move starts from (pipeline::start). Masks are 0 or 255.
pub fn moved(canvas: &[[u8; 3]], from: &Plane, to: &Plane, size: usize) -> Option<Vec<[u8; 3]>> {
    let cut: Vec<[u8; 4]> = canvas
        .iter()
        .zip(from.values())
        .map(|(&[r, g, b], &a)| [r, g, b, a])
        .collect();
    let (x0, y0, x1, y1) = to.bounds()?;
    let (a0, b0, a1, b1) = from.bounds()?;
    let extent = |a: u32, b: u32| (b - a) as f32;
    let factor = (extent(x0, x1) / extent(a0, a1)).min(extent(y0, y1) / extent(b0, b1));
    let centre = [
        (x0 + x1) as f32 / 2.0,
        y1 as f32 - factor * extent(b0, b1) / 2.0,
    ];
    let middle = [(a0 + a1) as f32 / 2.0, (b0 + b1) as f32 / 2.0];
    let ground = cleared(canvas, from, size);
    Some(turned_over(
        &ground,
        &cut,
        size,
        middle,
        centre,
        [factor; 2],
        0.0,
    ))
}

/// The canvas with what `mask` shows filled from around: what a removal starts from (pipeline::start).
pub fn cleared(canvas: &[[u8; 3]], mask: &Plane, size: usize) -> Vec<[u8; 3]> {
    let mask: Vec<f32> = mask
        .values()
        .iter()
        .map(|&v| f32::from(v) / 255.0)
        .collect();
    let mut values: Vec<f32> = canvas
        .iter()
        .flatten()
        .map(|&v| f32::from(v) / 255.0)
        .collect();
    let hole = widened(&mask, size, FILL_REACH);
    fill_texture(&mut values, size, &hole, &|| false);
    values
        .chunks_exact(3)
        .map(|p| std::array::from_fn(|c| (p[c] * 255.0).round().clamp(0.0, 255.0) as u8))
        .collect()
}

/// `cut` over `canvas`: its point `from` at `centre`, `factor` times as wide and high, turned by `angle` radians.
fn turned_over(
    canvas: &[[u8; 3]],
    cut: &[[u8; 4]],
    size: usize,
    from: [f32; 2],
    centre: [f32; 2],
    factor: [f32; 2],
    angle: f32,
) -> Vec<[u8; 3]> {
    let (s, c) = angle.sin_cos();
    let mut picture = canvas.to_vec();
    for y in 0..size {
        for x in 0..size {
            let (dx, dy) = (x as f32 + 0.5 - centre[0], y as f32 + 0.5 - centre[1]);
            // Two samples a side, for when the cut-out shrinks.
            let mut sum = [0.0f32; 4];
            for (ox, oy) in [(-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25)] {
                let (px, py) = (dx + ox, dy + oy);
                let u = from[0] + (c * px + s * py) / factor[0];
                let v = from[1] + (c * py - s * px) / factor[1];
                if u < 0.0 || v < 0.0 || u >= size as f32 || v >= size as f32 {
                    continue;
                }
                let p = cut[v as usize * size + u as usize];
                let a = f32::from(p[3]) / 255.0;
                for i in 0..3 {
                    sum[i] += f32::from(p[i]) * a * 0.25;
                }
                sum[3] += a * 0.25;
            }
            let out = &mut picture[y * size + x];
            for i in 0..3 {
                out[i] = (sum[i] + f32::from(out[i]) * (1.0 - sum[3]) + 0.5) as u8;
            }
        }
    }
    picture
}
