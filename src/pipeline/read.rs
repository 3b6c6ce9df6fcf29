//! Rows of pictures and masks as values in 0..1.

use crate::doc::{Picture, Plane};

/// A value of straight alpha over a ground, in 0..1.
pub(super) fn unit(value: u8, ground: u8, alpha: u8) -> f32 {
    if alpha == 255 {
        return f32::from(value) / 255.0;
    }
    let a = f32::from(alpha) / 255.0;
    (a * f32::from(value) + (1.0 - a) * f32::from(ground)) / 255.0
}

pub(super) fn on_ground(value: u8, ground: u8, alpha: u8) -> u8 {
    (unit(value, ground, alpha) * 255.0).round() as u8
}

/// A row of a picture over a ground; the edge goes on outside.
pub(super) fn rgb(
    picture: &Picture,
    y: i64,
    x: i64,
    row: &mut [f32],
    ground: &dyn Fn(i64, i64) -> [u8; 3],
) {
    for (i, pixel) in row.chunks_exact_mut(3).enumerate() {
        let x = (x + i as i64).max(0);
        let [r, g, b, a] = picture.pixel(x as u32, y.max(0) as u32);
        if a == 255 {
            for (value, c) in pixel.iter_mut().zip([r, g, b]) {
                *value = f32::from(c) / 255.0;
            }
            continue;
        }
        for (value, (c, ground)) in pixel
            .iter_mut()
            .zip([r, g, b].into_iter().zip(ground(y, x)))
        {
            *value = unit(c, ground, a);
        }
    }
}

/// A row of a picture's brightness (Rec. 709 weights), black where it is transparent.
pub(super) fn grey(picture: &Picture, y: i64, x: i64, row: &mut [f32]) {
    for (i, value) in row.iter_mut().enumerate() {
        let x = (x + i as i64).max(0) as u32;
        let [r, g, b, a] = picture.pixel(x, y.max(0) as u32);
        let grey = 0.2126 * f32::from(r) + 0.7152 * f32::from(g) + 0.0722 * f32::from(b);
        *value = grey * f32::from(a) / (255.0 * 255.0);
    }
}

/// A row of a mask in 0..1; the edge goes on outside.
pub(super) fn plane(mask: &Plane, y: i64, x: i64, row: &mut [f32]) {
    let y = y.clamp(0, i64::from(mask.height()) - 1);
    for (i, value) in row.iter_mut().enumerate() {
        let x = (x + i as i64).clamp(0, i64::from(mask.width()) - 1);
        *value = f32::from(mask.get(x, y)) / 255.0;
    }
}
