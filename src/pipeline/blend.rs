//! Joining a generated crop to the canvas.

use super::colour::ColourMatch;
use super::detail::{self, Detail, detail_at};
use super::event::CropRect;
use super::generator::Cancel;
use super::resample::{Window, resample};
use crate::doc::field::squared_distance;
use crate::doc::perceive::MapKind;
use crate::doc::{Picture, Plane};

/// RGB in 0..1, interleaved.
#[derive(Clone, Debug, PartialEq)]
pub struct Rgb {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `height · width · 3` values.
    pub values: Vec<f32>,
}

impl Rgb {
    /// Every pixel's channels become their mean, told as a map of this kind is.
    pub fn become_map(&mut self, kind: Option<MapKind>) {
        let pixels = self.values.chunks_exact(3);
        let mut grey: Vec<f32> = pixels
            .map(|pixel| pixel.iter().sum::<f32>() / 3.0)
            .collect();
        if let Some(kind) = kind {
            kind.told(&mut grey);
        }
        for (pixel, grey) in self.values.chunks_exact_mut(3).zip(grey) {
            pixel.fill(grey);
        }
    }

    /// Fills `row` with the pixels of row `y` from column `x` on; the edge goes on outside.
    fn read(&self, y: i64, x: i64, row: &mut [f32]) {
        let y = y.clamp(0, self.height as i64 - 1) as usize;
        let line = &self.values[y * self.width * 3..][..self.width * 3];
        for (i, pixel) in row.chunks_exact_mut(3).enumerate() {
            let x = (x + i as i64).clamp(0, self.width as i64 - 1) as usize;
            pixel.copy_from_slice(&line[x * 3..x * 3 + 3]);
        }
    }
}

fn whole((width, height): (usize, usize)) -> Window {
    Window {
        x: 0.0,
        y: 0.0,
        width: width as f64,
        height: height as f64,
    }
}

/// Stopping was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

fn go_on(cancel: &Cancel) -> Result<(), Stopped> {
    if cancel.is_cancelled() {
        Err(Stopped)
    } else {
        Ok(())
    }
}

/// How much of the generated picture shows at each pixel of the crop.
///
/// `editable` is what may change and `selected` the masks themselves, both of the crop's size. Alpha is exactly 0
/// outside `editable`, 255 on the masks (all of an object stays), and between them rises over `feather` pixels from
/// the region's edge, or over what room there is. `open` says for left, top, right and bottom whether the canvas
/// goes on beyond the crop: what lies there is not editable; the canvas's own edge is no edge of the region.
pub fn soft_alpha(editable: &Plane, selected: &Plane, feather: f32, open: [bool; 4]) -> Plane {
    let mut alpha = Plane::filled(editable.width(), editable.height(), 0);
    let Some((x0, y0, x1, y1)) = editable.bounds() else {
        return alpha;
    };
    let (crop_w, crop_h) = (i64::from(editable.width()), i64::from(editable.height()));
    // One pixel more than the region on each side, beyond the crop only where it is open.
    let from = |low: u32, open: bool| (i64::from(low) - 1).max(if open { -1 } else { 0 });
    let to = |high: u32, side: i64, open: bool| {
        (i64::from(high) + 1).min(if open { side + 1 } else { side })
    };
    let (left, top) = (from(x0, open[0]), from(y0, open[1]));
    let (right, bottom) = (to(x1, crop_w, open[2]), to(y1, crop_h, open[3]));
    let (width, height) = ((right - left) as usize, (bottom - top) as usize);
    let read = |plane: &Plane| -> Vec<bool> {
        let mut set = Vec::with_capacity(width * height);
        for y in top..bottom {
            set.extend((left..right).map(|x| plane.get(x, y) >= 128));
        }
        set
    };
    let inside = read(editable);
    let outside: Vec<bool> = inside.iter().map(|set| !set).collect();
    let to_outside = squared_distance(&outside, width, 1.0);
    let to_mask = squared_distance(&read(selected), width, 1.0);
    let stride = crop_w as usize;
    for (i, (&out, &mask)) in to_outside.iter().zip(&to_mask).enumerate() {
        if out == 0.0 {
            continue;
        }
        let (out, mask) = (out.sqrt(), mask.sqrt());
        let room = feather.min(out + mask).max(1.0);
        let t = (out / room).min(1.0);
        let (x, y) = (left + (i % width) as i64, top + (i / width) as i64);
        alpha.values_mut()[y as usize * stride + x as usize] =
            (255.0 * t * t * (3.0 - 2.0 * t)).round() as u8;
    }
    alpha
}

/// What is laid over the canvas.
#[derive(Clone, Copy)]
pub enum Layer<'a> {
    /// The generated picture, enlarged.
    Plain(&'a Rgb),
    /// The generated picture with the detail of a collage of the crop's size; without one, of the canvas.
    Detailed(&'a Detail, Option<&'a Picture>),
}

/// The canvas with `layer` laid over `crop` through `alpha` (of the crop's size). Pixels with alpha 0 are the
/// canvas's own bytes; a transparent canvas becomes opaque as far as the generated picture covers it.
///
/// # Errors
/// [`Stopped`] soon after `cancel` is set.
pub fn composite(
    canvas: &Picture,
    crop: CropRect,
    layer: Layer<'_>,
    alpha: &Plane,
    colour: &ColourMatch,
    cancel: &Cancel,
) -> Result<Picture, Stopped> {
    let mut picture = canvas.clone();
    go_on(cancel)?;
    let stride = canvas.width() as usize * 4;
    let (width, height) = (crop.width as usize, crop.height as usize);
    let covered = |y: usize| &alpha.values()[y * width..(y + 1) * width];
    let pixels = picture.pixels_mut();
    let (size, channels) = match layer {
        Layer::Plain(rgb) => ((rgb.width, rgb.height), 3),
        Layer::Detailed(detail, _) => ((detail.width, detail.height), detail::CHANNELS),
    };
    resample(
        whole(size),
        (width, height),
        channels,
        &mut |y, x, row| match layer {
            Layer::Plain(rgb) => rgb.read(y, x, row),
            Layer::Detailed(detail, _) => detail.read(y, x, row),
        },
        &|y| covered(y).iter().any(|&a| a > 0),
        &mut |y, row| {
            go_on(cancel)?;
            let start = (crop.y as usize + y) * stride + crop.x as usize * 4;
            let line = &mut pixels[start..start + width * 4];
            let places = line.chunks_exact_mut(4).zip(row.chunks_exact(channels));
            for (x, ((pixel, values), &a)) in places.zip(covered(y)).enumerate() {
                if a == 0 {
                    continue;
                }
                let mut rgb = colour.apply([values[0], values[1], values[2]]);
                if let Layer::Detailed(_, collage) = layer {
                    let full = match collage {
                        Some(collage) => collage.pixel(x as u32, y as u32),
                        None => [pixel[0], pixel[1], pixel[2], pixel[3]],
                    };
                    let more = detail_at(values, on_white(full));
                    rgb = std::array::from_fn(|c| rgb[c] + more[c]);
                }
                over(pixel, rgb, f32::from(a) / 255.0);
            }
            Ok(())
        },
    )?;
    Ok(picture)
}

fn on_white([r, g, b, a]: [u8; 4]) -> [f32; 3] {
    let a = f32::from(a) / 255.0;
    [r, g, b].map(|v| f32::from(v) / 255.0 * a + 1.0 - a)
}

/// `rgb` with coverage `a` over a straight-alpha pixel.
fn over(pixel: &mut [u8], rgb: [f32; 3], a: f32) {
    let below = f32::from(pixel[3]) / 255.0 * (1.0 - a);
    let alpha = a + below;
    for (value, new) in pixel.iter_mut().zip(rgb) {
        let mixed = (a * new * 255.0 + below * f32::from(*value)) / alpha;
        *value = mixed.round().clamp(0.0, 255.0) as u8;
    }
    pixel[3] = (alpha * 255.0).round() as u8;
}

/// An opaque picture of `generated` at another size.
///
/// # Errors
/// [`Stopped`] soon after `cancel` is set.
pub fn enlarged(
    generated: &Rgb,
    width: u32,
    height: u32,
    cancel: &Cancel,
) -> Result<Picture, Stopped> {
    let mut picture = Picture::filled(width, height, [0, 0, 0, 255]);
    let size = (picture.width() as usize, picture.height() as usize);
    let pixels = picture.pixels_mut();
    resample(
        whole((generated.width, generated.height)),
        size,
        3,
        &mut |y, x, row| generated.read(y, x, row),
        &|_| true,
        &mut |y, row| {
            go_on(cancel)?;
            let line = &mut pixels[y * size.0 * 4..(y + 1) * size.0 * 4];
            for (pixel, rgb) in line.chunks_exact_mut(4).zip(row.chunks_exact(3)) {
                for (value, new) in pixel.iter_mut().zip(rgb) {
                    *value = (new * 255.0).round().clamp(0.0, 255.0) as u8;
                }
            }
            Ok(())
        },
    )?;
    Ok(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect(size: (u32, u32), x: std::ops::Range<u32>, y: std::ops::Range<u32>) -> Plane {
        let values = (0..size.0 * size.1)
            .map(|i| {
                if x.contains(&(i % size.0)) && y.contains(&(i / size.0)) {
                    255
                } else {
                    0
                }
            })
            .collect();
        Plane::from_values(size.0, size.1, values).unwrap()
    }

    #[test]
    fn alpha_rises_from_the_regions_edge_and_is_full_on_the_mask() {
        let editable = rect((60, 60), 10..50, 10..50);
        let mask = rect((60, 60), 25..35, 10..35);
        let alpha = soft_alpha(&editable, &mask, 8.0, [true; 4]);
        for y in 0..60 {
            for x in 0..60 {
                let a = alpha.get(x, y);
                assert_eq!(a > 0, editable.get(x, y) > 0, "{x} {y}");
                if mask.get(x, y) > 0 {
                    assert_eq!(a, 255, "{x} {y}");
                }
            }
        }
        let row: Vec<u8> = (10..19).map(|x| alpha.get(x, 45)).collect();
        assert!(row.windows(2).all(|pair| pair[0] <= pair[1]));
        let expected = |t: f32| (255.0 * t * t * (3.0 - 2.0 * t)).round() as u8;
        // Row 45 lies 5 pixels above the region's lower edge.
        assert_eq!(row[0], expected(1.0 / 8.0));
        assert_eq!(row[8], expected(5.0 / 8.0));
        assert_eq!(alpha.get(20, 30), 255);
    }

    #[test]
    fn the_canvas_edge_is_no_edge_of_the_region() {
        let editable = rect((20, 20), 0..10, 0..20);
        let none = Plane::filled(20, 20, 0);
        let closed = soft_alpha(&editable, &none, 6.0, [false; 4]);
        assert_eq!((closed.get(0, 10), closed.get(0, 0)), (255, 255));
        assert!(closed.get(9, 10) < 30);
        let open = soft_alpha(&editable, &none, 6.0, [true; 4]);
        assert!(open.get(0, 10) < 30 && open.get(5, 0) < 30);
        let all = Plane::filled(20, 20, 255);
        assert_eq!(soft_alpha(&all, &all, 6.0, [false; 4]), all);
        assert_eq!(
            soft_alpha(&none, &none, 6.0, [true; 4]),
            Plane::filled(20, 20, 0)
        );
    }

    #[test]
    fn no_feather_is_a_hard_edge() {
        let editable = rect((20, 20), 5..15, 5..15);
        let none = Plane::filled(20, 20, 0);
        assert_eq!(soft_alpha(&editable, &none, 0.0, [true; 4]), editable);
    }

    #[test]
    fn compositing_blends_in_straight_alpha() {
        let canvas = Picture::from_rgba(
            3,
            1,
            vec![10, 20, 30, 255, 200, 100, 50, 0, 100, 100, 100, 255],
        )
        .unwrap();
        let alpha = Plane::from_values(3, 1, vec![0, 51, 255]).unwrap();
        let generated = Rgb {
            width: 3,
            height: 1,
            values: vec![1.0, 0.5, 0.0, 1.0, 0.5, 0.0, 1.0, 0.5, 0.0],
        };
        let crop = CropRect {
            x: 0,
            y: 0,
            width: 3,
            height: 1,
        };
        let out = composite(
            &canvas,
            crop,
            Layer::Plain(&generated),
            &alpha,
            &ColourMatch::none(),
            &Cancel::default(),
        )
        .unwrap();
        assert_eq!(out.pixel(0, 0), [10, 20, 30, 255]);
        assert_eq!(out.pixel(1, 0), [255, 128, 0, 51]);
        assert_eq!(out.pixel(2, 0), [255, 128, 0, 255]);
    }

    #[test]
    fn a_cancelled_composition_stops() {
        let cancel = Cancel::default();
        cancel.cancel();
        let generated = Rgb {
            width: 1,
            height: 1,
            values: vec![0.0; 3],
        };
        assert_eq!(enlarged(&generated, 4, 4, &cancel), Err(Stopped));
    }
}
