//! The rough collage that a job without a placement control starts from: each cut-out laid into its mask's bounds.
//!
//! A small model need not invent what can be pasted: it gets the pasted object as a placement control and mends
//! pose, light, contact and shadow.

use super::generator::{InputImage, Inputs};
use super::prepare::{cut_out_bounds, read_rgb};
use super::resample::{Window, resampled};
use crate::doc::{ControlKind, Job, Picture, Role};

/// A placement control for `inputs`, or `None` if the job has one, has no cut-out with a place, or no room for it.
/// `canvas` is the crop at the output's size, RGB in 0..1.
pub(super) fn collage(job: &Job, inputs: &Inputs, canvas: &[f32], room: usize) -> Option<Vec<f32>> {
    let given = |i: &InputImage| i.kind == Some(ControlKind::Placement);
    if inputs.images.len() >= room || inputs.images.iter().any(given) {
        return None;
    }
    let size = (inputs.width as usize, inputs.height as usize);
    let mut values = canvas.to_vec();
    let mut any = false;
    for (image, picture) in inputs.images.iter().zip(&job.pictures) {
        if let (Role::Asset, Some(placed)) = (image.role, image.placed) {
            any |= paste(&mut values, size, picture, placed);
        }
    }
    any.then_some(values)
}

/// Lays a cut-out into `placed` (top, left, bottom, right as shares): as large as fits, standing on the lower edge.
fn paste(values: &mut [f32], size: (usize, usize), picture: &Picture, placed: [f32; 4]) -> bool {
    if !picture.has_alpha() {
        return false;
    }
    let Some((x0, y0, x1, y1)) = cut_out_bounds(picture) else {
        return false;
    };
    let [top, left, bottom, right] = placed.map(f64::from);
    let (columns, rows) = (size.0 as f64, size.1 as f64);
    let (left, right) = (left * columns, right * columns);
    let (top, bottom) = (top * rows, bottom * rows);
    let (width, height) = (f64::from(x1 - x0), f64::from(y1 - y0));
    let scale = ((right - left) / width).min((bottom - top) / height);
    let w = ((width * scale).round() as usize).clamp(1, size.0);
    let h = ((height * scale).round() as usize).clamp(1, size.1);
    let middle = (left + right) / 2.0;
    let x = ((middle - w as f64 / 2.0).round().max(0.0) as usize).min(size.0 - w);
    let y = ((bottom.round() as usize).max(h) - h).min(size.1 - h);
    let part = Window {
        x: f64::from(x0),
        y: f64::from(y0),
        width,
        height,
    };
    // Colours times alpha, so that transparent pixels leave no rim.
    let colour = resampled(part, (w, h), 3, &mut |y, x, row| {
        read_rgb(picture, y, x, row, &|_, _| [0; 3]);
    });
    let alpha = resampled(part, (w, h), 1, &mut |y, x, row| {
        for (i, value) in row.iter_mut().enumerate() {
            let x = (x + i as i64).max(0) as u32;
            *value = f32::from(picture.pixel(x, y.max(0) as u32)[3]) / 255.0;
        }
    });
    for row in 0..h {
        for column in 0..w {
            let from = row * w + column;
            let to = (y + row) * size.0 + x + column;
            let a = alpha[from].clamp(0.0, 1.0);
            for c in 0..3 {
                let value = &mut values[to * 3 + c];
                *value = (*value * (1.0 - a) + colour[from * 3 + c]).clamp(0.0, 1.0);
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_out_stands_on_the_lower_edge_of_its_place_and_keeps_its_shape() {
        let mut picture = Picture::filled(40, 40, [0; 4]);
        for y in 10..20 {
            for x in 10..30 {
                picture.pixels_mut()[(y * 40 + x) * 4..][..4].copy_from_slice(&[255, 0, 0, 255]);
            }
        }
        let mut values = vec![0.5; 64 * 64 * 3];
        // Twice as wide as high, into a square of 32 pixels: 32 × 16 at its lower edge, its rim softened.
        assert!(paste(
            &mut values,
            (64, 64),
            &picture,
            [0.25, 0.25, 0.75, 0.75]
        ));
        let red: Vec<usize> = (0..64 * 64)
            .filter(|i| values[i * 3] > 0.99 && values[i * 3 + 1] < 0.01)
            .collect();
        assert_eq!(red.len(), 30 * 14);
        assert_eq!((red[0] / 64, red[0] % 64), (33, 17));
        let inside = |i: usize| (32..48).contains(&(i / 64)) && (16..48).contains(&(i % 64));
        assert!((0..64 * 64).all(|i| inside(i) || values[i * 3..i * 3 + 3] == [0.5; 3]));
    }

    #[test]
    fn opaque_pictures_are_not_pasted() {
        let mut values = vec![0.5; 16 * 16 * 3];
        let picture = Picture::filled(8, 8, [1, 2, 3, 255]);
        assert!(!paste(
            &mut values,
            (16, 16),
            &picture,
            [0.0, 0.0, 1.0, 1.0]
        ));
        assert!(values.iter().all(|v| *v == 0.5));
    }
}
