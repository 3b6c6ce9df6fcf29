//! Assets as the model sees them.

use super::generator::{Family, GeneratorInfo, InputImage};
use super::prepare::{ASSET_GROUND, key};
use super::read::unit;
use super::resample::{Window, resampled};
use crate::doc::{Picture, Role};

/// Air around a cut-out on each side, as a share of the square's side: as in the training data.
const ASSET_MARGIN: f64 = 0.1;

/// A cut-out with some air around it, or a whole opaque picture, centred in a square on mid grey.
pub(super) fn asset_image(
    picture: &Picture,
    placed: Option<[f32; 4]>,
    info: &GeneratorInfo,
) -> InputImage {
    let (x0, y0, x1, y1) =
        picture
            .visible_bounds()
            .unwrap_or((0, 0, picture.width(), picture.height()));
    if info.family != Family::UniReal
        && let Some(image) = natural_asset(picture, (x0, y0, x1, y1), placed, info)
    {
        return image;
    }
    let (width, height) = (f64::from(x1 - x0), f64::from(y1 - y0));
    let margin = if picture.has_alpha() {
        ASSET_MARGIN
    } else {
        0.0
    };
    let side = width.max(height) / (1.0 - 2.0 * margin);
    let square = Window {
        x: f64::from(x0) + (width - side) / 2.0,
        y: f64::from(y0) + (height - side) / 2.0,
        width: side,
        height: side,
    };
    let pixels = (info.resolution / info.multiple).max(1) * info.multiple;
    let size = (pixels as usize, pixels as usize);
    let values = resampled(square, size, 3, &mut |y, x, row| {
        read_on_ground(picture, y, x, row);
    });
    asset_input(values, (pixels, pixels), placed)
}

fn asset_input(
    values: Vec<f32>,
    (width, height): (u32, u32),
    placed: Option<[f32; 4]>,
) -> InputImage {
    InputImage {
        key: key(&values, width, height),
        role: Role::Asset,
        kind: None,
        level: None,
        fit: None,
        width,
        height,
        values,
        placed,
    }
}

/// A row of an asset; grey where it is transparent and outside.
fn read_on_ground(picture: &Picture, y: i64, x: i64, row: &mut [f32]) {
    let (w, h) = (i64::from(picture.width()), i64::from(picture.height()));
    for (i, pixel) in row.chunks_exact_mut(3).enumerate() {
        let x = x + i as i64;
        let inside = (0..w).contains(&x) && (0..h).contains(&y);
        let [r, g, b, a] = if inside {
            picture.pixel(x as u32, y as u32)
        } else {
            [0; 4]
        };
        for (value, (c, ground)) in pixel
            .iter_mut()
            .zip([r, g, b].into_iter().zip(ASSET_GROUND))
        {
            *value = unit(c, ground, a);
        }
    }
}

/// The least side of a reference in pixels.
const LEAST_SIDE: f64 = 64.0;
/// The greatest ratio of a reference's sides.
const GREATEST_RATIO: f64 = super::flux2::GREATEST_RATIO as f64;

/// An asset in its own shape: never enlarged but to the least side, reduced to the model's area, cut around its
/// middle to whole multiples. `None` if it is too long for that.
fn natural_asset(
    picture: &Picture,
    (x0, y0, x1, y1): (u32, u32, u32, u32),
    placed: Option<[f32; 4]>,
    info: &GeneratorInfo,
) -> Option<InputImage> {
    let air = if picture.has_alpha() {
        ASSET_MARGIN * f64::from((x1 - x0).max(y1 - y0))
    } else {
        0.0
    };
    let (left, top) = (f64::from(x0) - air, f64::from(y0) - air);
    let width = f64::from(x1 - x0) + 2.0 * air;
    let height = f64::from(y1 - y0) + 2.0 * air;
    if width.max(height) > GREATEST_RATIO * width.min(height) {
        return None;
    }
    let area = f64::from(info.resolution).powi(2);
    let scale = (area / (width * height))
        .sqrt()
        .min(1.0)
        .max(LEAST_SIDE / width.min(height));
    let multiple = f64::from(info.multiple);
    let side = |length: f64| ((length * scale + 1e-6) / multiple).floor().max(1.0) * multiple;
    let (columns, rows) = (side(width), side(height));
    let window = Window {
        x: left + (width - columns / scale) / 2.0,
        y: top + (height - rows / scale) / 2.0,
        width: columns / scale,
        height: rows / scale,
    };
    // Whole pixels at scale 1 stay what they are.
    let window = if scale == 1.0 {
        Window {
            x: window.x.floor(),
            y: window.y.floor(),
            ..window
        }
    } else {
        window
    };
    let size = (columns as usize, rows as usize);
    let values = resampled(window, size, 3, &mut |y, x, row| {
        read_on_ground(picture, y, x, row);
    });
    Some(asset_input(values, (columns as u32, rows as u32), placed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(resolution: u32) -> GeneratorInfo {
        GeneratorInfo {
            name: "toy".into(),
            hash: String::new(),
            resolution,
            multiple: 16,
            downscale: 8,
            latent_channels: 4,
            latent_rgb: Vec::new(),
            max_inputs: 8,
            max_joint: 1,
            default_steps: 4,
            default_guidance: 1.0,
            shift: 1.0,
            grain: 0.0,
            family: Family::Flux2 { guided: false },
            lights: false,
        }
    }

    /// Column and row as colours.
    fn numbered(width: u32, height: u32) -> Picture {
        let pixels =
            (0..width * height).flat_map(|i| [(i % width) as u8, (i / width) as u8, 0, 255]);
        Picture::from_rgba(width, height, pixels.collect()).unwrap()
    }

    #[test]
    fn a_picture_keeps_its_shape_and_is_cut_around_its_middle() {
        let image = asset_image(&numbered(70, 67), None, &info(1024));
        assert_eq!((image.width, image.height), (64, 64));
        // As diffusers cuts: three columns and one row from the upper left.
        let first: Vec<f32> = image.values[..3].iter().map(|v| v * 255.0).collect();
        assert!(
            (first[0] - 3.0).abs() < 1e-4 && (first[1] - 1.0).abs() < 1e-4,
            "{first:?}"
        );
        let last = &image.values[image.values.len() - 3..];
        assert!((last[0] * 255.0 - 66.0).abs() < 1e-3 && (last[1] * 255.0 - 64.0).abs() < 1e-3);
    }

    #[test]
    fn sides_follow_the_makers_rules() {
        let size = |width: u32, height: u32| {
            let image = asset_image(
                &Picture::filled(width, height, [9, 9, 9, 255]),
                None,
                &info(1024),
            );
            (image.width, image.height)
        };
        // Reduced to the area of 1024², then cut: 1254 × 836 become 1248 × 832.
        assert_eq!(size(1500, 1000), (1248, 832));
        assert_eq!(size(1024, 1024), (1024, 1024));
        assert_eq!(size(640, 480), (640, 480));
        // Too small: the shorter side becomes 64.
        assert_eq!(size(32, 64), (64, 128));
        // Too long: in a square, with grey beside it.
        assert_eq!(size(1000, 100), (1024, 1024));
    }

    #[test]
    fn a_cut_out_keeps_some_air() {
        let mut picture = Picture::filled(200, 200, [0; 4]);
        for y in 50..150 {
            for x in 60..140 {
                picture.pixels_mut()[(y * 200 + x) * 4..][..4].copy_from_slice(&[255, 0, 0, 255]);
            }
        }
        let image = asset_image(&picture, None, &info(1024));
        // 80 × 100 and a tenth of the longer side around: 100 × 120.
        assert_eq!((image.width, image.height), (96, 112));
        let at = |x: usize, y: usize| image.values[(y * 96 + x) * 3];
        assert!((at(0, 56) - 128.0 / 255.0).abs() < 1e-5 && at(48, 56) == 1.0);
    }
}
