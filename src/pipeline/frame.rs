//! Which part of the canvas the model works on, and at which size.

use super::event::CropRect;

/// The share of the crop's side that the region's longer side fills, where the canvas leaves the choice.
const FILL: f64 = 0.55;
/// Below this share the crop is made smaller than the model's picture, so that small regions do not starve.
const LEAST_FILL: f64 = 0.25;
/// How much a model pixel may be enlarged for that: a quarter of the model's side at the least.
const MOST_ENLARGED: f64 = 4.0;
/// The longer side of the model's picture is at most this often the side of its square.
const LONGEST: u32 = 4;

/// The part of the canvas that is generated and the size at which the model sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The part, in canvas pixels.
    pub crop: CropRect,
    /// The model's picture's width, a multiple of its `multiple`.
    pub width: u32,
    /// The model's picture's height.
    pub height: u32,
}

impl Frame {
    /// Model pixels per canvas pixel: above 1 the crop is enlarged for the model.
    pub fn scale(&self) -> f64 {
        let area = |width: u32, height: u32| f64::from(width) * f64::from(height);
        (area(self.width, self.height) / area(self.crop.width, self.crop.height)).sqrt()
    }

    /// A frame for a given part of the canvas (or for a whole new picture).
    pub fn fixed(crop: CropRect, resolution: u32, multiple: u32) -> Self {
        let (width, height) = model_size(crop.width, crop.height, resolution, multiple);
        Self {
            crop,
            width,
            height,
        }
    }

    /// The frame around `bounds` (x0, y0, x1, y1, ends exclusive, inside the canvas): the region fills about half
    /// of it, it is at least as large as the model's picture where the canvas allows (unless the region would be
    /// tiny in it), nearly square, and inside the canvas.
    pub fn around(
        canvas: (u32, u32),
        bounds: (u32, u32, u32, u32),
        resolution: u32,
        multiple: u32,
    ) -> Self {
        let (x0, y0, x1, y1) = bounds;
        let region = (x1 - x0, y1 - y0);
        let longest = f64::from(region.0.max(region.1));
        let side = f64::from(resolution);
        let least = (longest / LEAST_FILL).clamp(side / MOST_ENLARGED, side);
        let wanted = (longest / FILL).max(least).round() as u32;
        let (mut w, mut h) = (wanted.min(canvas.0), wanted.min(canvas.1));
        let (width, height) = model_size(w, h, resolution, multiple);
        // Trim one side so that pixels stay square on the way to the model, if the region still has some air.
        let ratio = f64::from(width) / f64::from(height);
        let roomy = |side: u32, region: u32| f64::from(side) >= 1.15 * f64::from(region);
        let (fit_w, fit_h) = (
            (f64::from(h) * ratio).round() as u32,
            (f64::from(w) / ratio).round() as u32,
        );
        if fit_w < w && roomy(fit_w, region.0) {
            w = fit_w;
        } else if fit_h < h && roomy(fit_h, region.1) {
            h = fit_h;
        } else if fit_w > w && fit_w <= canvas.0 {
            w = fit_w;
        } else if fit_h > h && fit_h <= canvas.1 {
            h = fit_h;
        }
        let place = |low: u32, high: u32, side: u32, limit: u32| {
            let centred = (i64::from(low) + i64::from(high) - i64::from(side)) / 2;
            centred.clamp(0, i64::from(limit - side)) as u32
        };
        let crop = CropRect {
            x: place(x0, x1, w, canvas.0),
            y: place(y0, y1, h, canvas.1),
            width: w,
            height: h,
        };
        Self {
            crop,
            width,
            height,
        }
    }
}

/// The size, in multiples of `multiple`, that comes closest to the shape of `width` × `height` and to the area of
/// `resolution`².
pub fn model_size(width: u32, height: u32, resolution: u32, multiple: u32) -> (u32, u32) {
    let multiple = multiple.max(1);
    let aspect = f64::from(width.max(1)) / f64::from(height.max(1));
    let area = f64::from(resolution.max(1)).powi(2);
    let longest = (LONGEST * resolution / multiple).max(1);
    let cost = |w: u32, h: u32| {
        let (w, h) = (f64::from(w * multiple), f64::from(h * multiple));
        // Shape counts more than area: a wrong shape distorts, a wrong area only costs time.
        4.0 * (w / h / aspect).ln().abs() + (w * h / area).ln().abs()
    };
    let mut best = (1, 1);
    for h in 1..=longest {
        let exact = aspect * f64::from(h);
        for w in [exact.floor(), exact.ceil()] {
            let w = (w as u32).clamp(1, longest);
            if cost(w, h) < cost(best.0, best.1) {
                best = (w, h);
            }
        }
    }
    (best.0 * multiple, best.1 * multiple)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_of_common_shapes() {
        assert_eq!(model_size(512, 512, 128, 16), (128, 128));
        assert_eq!(model_size(3, 3, 256, 16), (256, 256));
        assert_eq!(model_size(1600, 1200, 256, 16), (304, 224));
        assert_eq!(model_size(1080, 1920, 512, 16), (384, 688));
        assert_eq!(model_size(16384, 16, 128, 16), (512, 16));
    }

    #[test]
    fn a_middling_region_fills_half_of_a_square() {
        let frame = Frame::around((1000, 800), (400, 300, 600, 450), 128, 16);
        assert_eq!((frame.width, frame.height), (128, 128));
        assert_eq!(
            frame.crop,
            CropRect {
                x: 318,
                y: 193,
                width: 364,
                height: 364
            }
        );
    }

    #[test]
    fn a_small_region_gets_the_models_own_pixels() {
        let frame = Frame::around((1000, 800), (500, 300, 540, 340), 128, 16);
        assert_eq!((frame.crop.width, frame.crop.height), (128, 128));
        assert_eq!(frame.scale(), 1.0);
        // Smaller still: enlarged, so that there is something to see.
        let frame = Frame::around((1000, 800), (500, 300, 520, 320), 128, 16);
        assert_eq!((frame.crop.width, frame.crop.height), (80, 80));
        let frame = Frame::around((1000, 800), (500, 300, 501, 301), 128, 16);
        assert_eq!(frame.scale(), 4.0);
    }

    #[test]
    fn the_canvas_limits_the_crop() {
        let frame = Frame::around((300, 200), (0, 150, 80, 200), 128, 16);
        assert_eq!((frame.crop.x, frame.crop.y + frame.crop.height), (0, 200));
        let frame = Frame::around((40, 30), (0, 0, 40, 30), 128, 16);
        assert_eq!((frame.crop.width, frame.crop.height), (40, 30));
    }

    proptest! {
        #[test]
        fn frames_hold_their_region_and_stay_inside(
            canvas in (1u32..3000, 1u32..3000),
            a in (0.0f64..1.0, 0.0f64..1.0),
            b in (0.0f64..1.0, 0.0f64..1.0),
            resolution in prop::sample::select(vec![64u32, 128, 256, 512]),
        ) {
            let range = |side: u32, a: f64, b: f64| {
                let (low, high) = (a.min(b), a.max(b));
                let low = ((f64::from(side) * low) as u32).min(side - 1);
                (low, ((f64::from(side) * high) as u32).clamp(low + 1, side))
            };
            let ((x0, x1), (y0, y1)) = (range(canvas.0, a.0, b.0), range(canvas.1, a.1, b.1));
            let frame = Frame::around(canvas, (x0, y0, x1, y1), resolution, 16);
            let crop = frame.crop;
            prop_assert!(crop.x <= x0 && crop.y <= y0);
            prop_assert!(crop.x + crop.width >= x1 && crop.y + crop.height >= y1);
            prop_assert!(crop.x + crop.width <= canvas.0 && crop.y + crop.height <= canvas.1);
            prop_assert!(frame.width.is_multiple_of(16) && frame.height.is_multiple_of(16));
            prop_assert!(frame.width >= 16 && frame.height >= 16);
            // Pixels stay square within a tenth unless the canvas is a strip.
            let stretch = f64::from(frame.width) / f64::from(crop.width)
                / (f64::from(frame.height) / f64::from(crop.height));
            let shape = f64::from(crop.width) / f64::from(crop.height);
            if resolution >= 128 && (0.5..2.0).contains(&shape) && crop.width.min(crop.height) > 32 {
                prop_assert!((stretch.ln()).abs() < 0.1, "{stretch} {frame:?}");
            }
        }
    }
}
