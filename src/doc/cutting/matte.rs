//! The soft edge of an object that was found on a small copy.

use super::Small;
use crate::doc::field::{gaussian, squared_distance};
use crate::doc::grid::Field;
use crate::doc::{Picture, Plane};

/// How far around the edge found, in pixels of the small copy, a pixel may be of both.
const BAND: f32 = 1.6;
/// How far colours of object and surroundings are spread over that.
const SPREAD: f32 = 3.0;
/// Colours so far apart, in 255ths, say half of what there is to say about whose a pixel is.
const APART: f32 = 24.0;

/// How far each pixel of the picture is the object's, which `object` shows on the small copy. `None` soon after `stop` says so.
pub(super) fn alpha(
    picture: &Picture,
    small: &Small,
    object: &[bool],
    stop: &dyn Fn() -> bool,
) -> Option<Plane> {
    let width = small.width;
    let others: Vec<bool> = object.iter().map(|o| !o).collect();
    let outside = squared_distance(object, width, 1.0);
    let inside = squared_distance(&others, width, 1.0);
    // Positive inside, 0 on the line between the outermost pixel in and the first one out.
    let depths = inside.iter().zip(&outside).map(|(i, o)| match *o == 0.0 {
        true => [i.sqrt() - 0.5],
        false => [0.5 - o.sqrt()],
    });
    let depth = Field::new(width, depths.collect())?;
    let sure = |far: &[f32]| -> Vec<bool> { far.iter().map(|v| v.sqrt() >= BAND).collect() };
    let own = spread(small, &sure(&inside), object)?;
    let ground = spread(small, &sure(&outside), &others)?;
    let mut alpha = Plane::filled(picture.width(), picture.height(), 0);
    let size = (picture.width() as usize, picture.height() as usize);
    let rows = alpha.values_mut().chunks_exact_mut(size.0);
    for (y, row) in rows.enumerate() {
        if stop() {
            return None;
        }
        for ((x, value), [depth]) in row.iter_mut().enumerate().zip(depth.row(y, size)) {
            if depth >= BAND {
                *value = 255;
            }
            if depth.abs() >= BAND {
                continue;
            }
            let (object, ground) = (own.at((x, y), size), ground.at((x, y), size));
            let [r, g, b, _] = picture.pixel(x as u32, y as u32);
            let colour = [r, g, b].map(f32::from);
            let (mut along, mut square) = (0.0, 0.0);
            for c in 0..3 {
                let apart = object[c] - ground[c];
                along += (colour[c] - ground[c]) * apart;
                square += apart * apart;
            }
            let says = square / (square + APART * APART);
            let by_colour = (along / square.max(1e-3)).clamp(0.0, 1.0);
            let by_place = (0.5 + depth).clamp(0.0, 1.0);
            // What lies far to one side is mostly of that side whatever its colour.
            let limit = |v: f32| v.clamp((depth / BAND).max(0.0), 1.0 + (depth / BAND).min(0.0));
            let a = limit(says * by_colour + (1.0 - says) * by_place);
            *value = (((a - 0.08) / 0.84).clamp(0.0, 1.0) * 255.0).round() as u8;
        }
    }
    Some(alpha)
}

/// The colours of the pixels in `sure`, spread over what is around them; of those in `all` where none is sure.
fn spread(small: &Small, sure: &[bool], all: &[bool]) -> Option<Field<3>> {
    let picked = if sure.contains(&true) { sure } else { all };
    let blurred = |values: Vec<f32>| {
        let (mut near, mut far) = (values.clone(), values);
        gaussian(&mut near, small.width, small.height, SPREAD);
        gaussian(&mut far, small.width, small.height, 8.0 * SPREAD);
        near.iter()
            .zip(&far)
            .map(|(n, f)| n + 1e-3 * f)
            .collect::<Vec<f32>>()
    };
    let weight = blurred(picked.iter().map(|p| f32::from(u8::from(*p))).collect());
    let channels: [Vec<f32>; 3] = std::array::from_fn(|c| {
        let values = small.colours.iter().zip(picked);
        blurred(values.map(|(v, p)| if *p { v[c] } else { 0.0 }).collect())
    });
    let values = (0..weight.len())
        .map(|at| std::array::from_fn(|c| channels[c][at] / weight[at].max(1e-9)))
        .collect();
    Field::new(small.width, values)
}

/// The picture through `alpha`; pixels that are partly the object's lose the surroundings' share, which is what the nearest
/// pixels that are not the object's look like. `None` soon after `stop` says so.
pub(super) fn freed(picture: &Picture, alpha: &Plane, stop: &dyn Fn() -> bool) -> Option<Picture> {
    let (width, height) = (alpha.width() as i64, alpha.height() as i64);
    let mut cut = picture.clone();
    // So far it goes, in pixels: an edge is a few pixels of the small copy wide.
    let reach = (width.max(height) as usize).div_ceil(super::SIDE).max(1) as i64 * 3;
    for y in 0..height {
        if stop() {
            return None;
        }
        for x in 0..width {
            let own = alpha.get(x, y);
            let at = (y * width + x) as usize * 4;
            if own == 0 {
                cut.pixels_mut()[at + 3] = 0;
                continue;
            }
            let pixel = picture.pixel(x as u32, y as u32);
            cut.pixels_mut()[at + 3] = ((u32::from(own) * u32::from(pixel[3]) + 127) / 255) as u8;
            if own == 255 {
                continue;
            }
            let ways = [
                (1, 0),
                (-1, 0),
                (0, 1),
                (0, -1),
                (1, 1),
                (1, -1),
                (-1, 1),
                (-1, -1),
            ];
            let ground = (1..=reach).find_map(|far| {
                let place = ways.map(|(dx, dy)| (x + dx * far, y + dy * far));
                let inside = |(x, y): (i64, i64)| x >= 0 && y >= 0 && x < width && y < height;
                let free = |(x, y): &(i64, i64)| inside((*x, *y)) && alpha.get(*x, *y) == 0;
                place.into_iter().find(free)
            });
            let Some((gx, gy)) = ground else { continue };
            let ground = picture.pixel(gx as u32, gy as u32);
            let a = (f32::from(own) / 255.0).max(0.15);
            for c in 0..3 {
                let value = (f32::from(pixel[c]) - (1.0 - a) * f32::from(ground[c])) / a;
                cut.pixels_mut()[at + c] = value.round().clamp(0.0, 255.0) as u8;
            }
        }
    }
    Some(cut)
}
