//! Figures of masks, depth maps and edges, and the answers that need no model.
//!
//! * Masks: intersection over union, both at a threshold of a half.
//! * Depth: the scale-invariant error of Eigen, Puhrsch and Fergus (2014), √(mean d² − (mean d)²) with d = ln y − ln y*
//!   of nearness (near is bright: inverse depth, whose logarithm differs from depth's in its sign alone). Nearness
//!   below [`FARTHEST`] counts as that: at infinity there is no logarithm.
//! * Edges: F1 of the pixels of at least a half, found within one or two pixels (also diagonally) of each other.

use super::made::iou;
use crate::doc::Picture;
use crate::world::depth::edges;

/// The least nearness, 0..1.
pub const FARTHEST: f64 = 0.05;

/// A picture as a map, 0..255: the mean of its channels.
pub fn grey(picture: &Picture) -> Vec<u8> {
    let pixels = picture.pixels().chunks_exact(4);
    pixels
        .map(|p| ((u32::from(p[0]) + u32::from(p[1]) + u32::from(p[2]) + 1) / 3) as u8)
        .collect()
}

fn selected(map: &[u8]) -> Vec<bool> {
    map.iter().map(|&v| v >= 128).collect()
}

/// Intersection over union at a half; 1 if both are empty.
pub fn mask_iou(found: &[u8], truth: &[u8]) -> f64 {
    iou(&selected(found), &selected(truth)).unwrap_or(1.0)
}

/// Scale-invariant log RMSE of nearness.
pub fn depth_error(found: &[u8], truth: &[u8]) -> f64 {
    let log = |v: u8| (f64::from(v) / 255.0).max(FARTHEST).ln();
    let count = truth.len().max(1) as f64;
    let differences = || found.iter().zip(truth).map(|(a, b)| log(*a) - log(*b));
    let mean = differences().sum::<f64>() / count;
    let square = differences().map(|d| d * d).sum::<f64>() / count;
    (square - mean * mean).max(0.0).sqrt()
}

/// F1 of edges within `reach` pixels; 1 if both are empty.
pub fn edge_f1(found: &[u8], truth: &[u8], width: usize, reach: usize) -> f64 {
    let (found, truth) = (selected(found), selected(truth));
    let hits = |of: &[bool], by: &[bool]| -> Option<f64> {
        let height = by.len() / width;
        let near = |at: usize| {
            let (x, y) = (at % width, at / width);
            let columns = x.saturating_sub(reach)..(x + reach + 1).min(width);
            (y.saturating_sub(reach)..(y + reach + 1).min(height))
                .any(|y| by[y * width..][columns.clone()].contains(&true))
        };
        let all = of.iter().filter(|v| **v).count();
        let hit = (0..of.len()).filter(|&at| of[at] && near(at)).count();
        (all > 0).then(|| hit as f64 / all as f64)
    };
    match (hits(&found, &truth), hits(&truth, &found)) {
        (None, None) => 1.0,
        (Some(precision), Some(recall)) if precision + recall > 0.0 => {
            2.0 * precision * recall / (precision + recall)
        }
        _ => 0.0,
    }
}

fn map(canvas: &Picture, of: impl Fn(f64, f64) -> u8) -> Vec<u8> {
    let (width, height) = (canvas.width(), canvas.height());
    let share = |at: u32, side: u32| (f64::from(at) + 0.5) / f64::from(side);
    (0..width * height)
        .map(|i| of(share(i % width, width), share(i / width, height)))
        .collect()
}

/// The guess of a mask: a box in the middle, half as wide and half as high as the picture.
pub fn centre_box(canvas: &Picture) -> Vec<u8> {
    let middle = |v: f64| (0.25..0.75).contains(&v);
    map(canvas, |x, y| if middle(x) && middle(y) { 255 } else { 0 })
}

/// The guess of depth: everything is equally far.
pub fn even(canvas: &Picture) -> Vec<u8> {
    map(canvas, |_, _| 128)
}

/// The better guess of depth: lower is nearer.
pub fn ramp(canvas: &Picture) -> Vec<u8> {
    map(canvas, |_, y| (y * 255.0) as u8)
}

/// Edges without a model: where the squared Sobel gradient of luma is above four times its mean.
pub fn sobel(canvas: &Picture) -> Vec<u8> {
    let (width, height) = (canvas.width() as usize, canvas.height() as usize);
    let light: Vec<f64> = grey(canvas).into_iter().map(f64::from).collect();
    let at = |x: i64, y: i64| {
        let x = x.clamp(0, width as i64 - 1) as usize;
        light[y.clamp(0, height as i64 - 1) as usize * width + x]
    };
    let squares: Vec<f64> = (0..light.len())
        .map(|i| {
            let (x, y) = ((i % width) as i64, (i / width) as i64);
            let side = |d: i64| at(x + d, y - 1) + 2.0 * at(x + d, y) + at(x + d, y + 1);
            let end = |d: i64| at(x - 1, y + d) + 2.0 * at(x, y + d) + at(x + 1, y + d);
            (side(1) - side(-1)).powi(2) + (end(1) - end(-1)).powi(2)
        })
        .collect();
    let limit = 4.0 * squares.iter().sum::<f64>() / squares.len().max(1) as f64;
    let edge = |square: &f64| if *square > limit { 255 } else { 0 };
    squares.iter().map(edge).collect()
}

/// The edges that edge maps are made with (Canny's), of a square picture.
pub fn canny(picture: &Picture) -> Option<Vec<u8>> {
    let rgb: Vec<[u8; 3]> = picture
        .pixels()
        .chunks_exact(4)
        .map(|p| [p[0], p[1], p[2]])
        .collect();
    (picture.width() == picture.height()).then(|| edges(&rgb, picture.width() as usize))
}

/// A map as a picture.
pub fn picture(map: &[u8], like: &Picture) -> Option<Picture> {
    let bytes = map.iter().flat_map(|&v| [v, v, v, 255]).collect();
    Picture::from_rgba(like.width(), like.height(), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_of_masks_by_hand() {
        assert_eq!(mask_iou(&[255, 200, 0, 0], &[255, 0, 127, 128]), 1.0 / 3.0);
        assert_eq!(mask_iou(&[0; 4], &[0; 4]), 1.0);
        let canvas = Picture::filled(8, 8, [0, 0, 0, 255]);
        assert_eq!(
            centre_box(&canvas).iter().filter(|v| **v == 255).count(),
            16
        );
    }

    #[test]
    fn depth_does_not_mind_scale() {
        let truth: Vec<u8> = (0..64).map(|i| 40 + i).collect();
        let double: Vec<u8> = truth.iter().map(|v| v * 2).collect();
        assert!(depth_error(&double, &truth) < 1e-7);
        // Half the pixels off by a factor e^{0.5} or so: the deviation of two values is half their distance.
        let off = [100u8, 100, 165, 165];
        let expected = 0.5 * (165f64 / 100.0).ln();
        assert!((depth_error(&off, &[100; 4]) - expected).abs() < 1e-12);
        // Below the farthest all is one.
        assert!(depth_error(&[0, 5, 12], &[12, 0, 3]) < 1e-7);
        let canvas = Picture::filled(2, 4, [0, 0, 0, 255]);
        assert_eq!(ramp(&canvas), [31, 31, 95, 95, 159, 159, 223, 223]);
        assert!(depth_error(&even(&canvas), &[200; 8]) < 1e-7);
    }

    #[test]
    fn edges_may_be_a_pixel_off() {
        let line =
            |x: usize| -> Vec<u8> { (0..64).map(|i| if i % 8 == x { 255 } else { 0 }).collect() };
        assert_eq!(edge_f1(&line(3), &line(3), 8, 1), 1.0);
        assert_eq!(edge_f1(&line(3), &line(4), 8, 1), 1.0);
        assert_eq!(edge_f1(&line(3), &line(5), 8, 1), 0.0);
        assert_eq!(edge_f1(&line(3), &line(5), 8, 2), 1.0);
        // One line found of two, nothing else: precision 1, recall a half.
        let two: Vec<u8> = line(1).iter().zip(line(6)).map(|(a, b)| a | b).collect();
        assert!((edge_f1(&line(1), &two, 8, 1) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(edge_f1(&[0; 64], &line(3), 8, 1), 0.0);
        assert_eq!(edge_f1(&[0; 64], &[0; 64], 8, 1), 1.0);
    }

    #[test]
    fn sobel_finds_a_step_and_nothing_on_an_even_ground() {
        let mut step = Picture::filled(16, 16, [40, 40, 40, 255]);
        for pixel in step
            .pixels_mut()
            .chunks_exact_mut(64)
            .flat_map(|row| &mut row[32..])
        {
            *pixel = 255;
        }
        let found = sobel(&step);
        for (i, v) in found.iter().enumerate() {
            assert_eq!(*v == 255, (7..9).contains(&(i % 16)), "{i}");
        }
        let even = Picture::filled(16, 16, [90, 80, 70, 255]);
        assert!(sobel(&even).iter().all(|v| *v == 0));
        let drawn = picture(&found, &step).unwrap();
        assert_eq!(grey(&drawn), found);
    }
}
