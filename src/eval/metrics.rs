//! Measures of likeness: PSNR, and SSIM after Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from
//! error visibility to structural similarity" (2004). Alpha is ignored: the pictures compared here are opaque.

use crate::doc::{Picture, Plane};

/// Mean squared errors below this count as this, so that equal pictures have a finite PSNR: 100 dB.
const LEAST_ERROR: f64 = 1e-10;
/// Half of SSIM's window of 11 pixels.
const REACH: usize = 5;
/// σ of the window, in pixels.
const SIGMA: f64 = 1.5;
/// (0.01 · 255)² and (0.03 · 255)².
const STABLE: [f64; 2] = [6.5025, 58.5225];

/// Which pixels of a mask are meant: those of at least half coverage.
pub fn selected(mask: &Plane) -> Vec<bool> {
    mask.values().iter().map(|&v| v >= 128).collect()
}

fn differences<'a>(
    a: &'a Picture,
    b: &'a Picture,
    place: &'a [bool],
) -> impl Iterator<Item = f64> + 'a {
    let pixels = a.pixels().chunks_exact(4).zip(b.pixels().chunks_exact(4));
    pixels
        .zip(place)
        .filter(|(_, place)| **place)
        .flat_map(|((a, b), _)| (0..3).map(|c| f64::from(a[c].abs_diff(b[c])) / 255.0))
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0u64, 0.0), |(count, sum), v| (count + 1, sum + v));
    (count > 0).then(|| sum / count as f64)
}

/// Peak signal-to-noise ratio in dB over all channels of the pixels of `place`, 100 at the most; `None` if there
/// are none.
pub fn psnr(a: &Picture, b: &Picture, place: &[bool]) -> Option<f64> {
    let error = mean(differences(a, b, place).map(|d| d * d))?;
    Some(-10.0 * error.max(LEAST_ERROR).log10())
}

/// Mean absolute difference, 0..1, over all channels of the pixels of `place`; `None` if there are none.
pub fn mean_error(a: &Picture, b: &Picture, place: &[bool]) -> Option<f64> {
    mean(differences(a, b, place))
}

/// Largest absolute difference of any channel, 0..1, in the pixels of `place`; `None` if there are none.
pub fn largest_error(a: &Picture, b: &Picture, place: &[bool]) -> Option<f64> {
    differences(a, b, place).reduce(f64::max)
}

/// Structural similarity of the lumas (Rec. 601) at each pixel. The window is cut at the picture's edge and its
/// weights there sum to 1 again.
pub fn ssim_map(a: &Picture, b: &Picture) -> Vec<f64> {
    let (width, height) = (a.width() as usize, a.height() as usize);
    let luma = |picture: &Picture| -> Vec<f64> {
        let pixels = picture.pixels().chunks_exact(4);
        pixels
            .map(|p| 0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2]))
            .collect()
    };
    let (a, b) = (luma(a), luma(b));
    let product = |x: &[f64], y: &[f64]| -> Vec<f64> {
        let of: Vec<f64> = x.iter().zip(y).map(|(x, y)| x * y).collect();
        windowed(&of, width, height)
    };
    let (mean_a, mean_b) = (windowed(&a, width, height), windowed(&b, width, height));
    let (aa, bb, ab) = (product(&a, &a), product(&b, &b), product(&a, &b));
    (0..width * height)
        .map(|i| {
            let (ma, mb) = (mean_a[i], mean_b[i]);
            let (va, vb, vab) = (aa[i] - ma * ma, bb[i] - mb * mb, ab[i] - ma * mb);
            (2.0 * ma * mb + STABLE[0]) * (2.0 * vab + STABLE[1])
                / ((ma * ma + mb * mb + STABLE[0]) * (va + vb + STABLE[1]))
        })
        .collect()
}

/// The mean of [`ssim_map`] over the pixels of `place`; `None` if there are none.
pub fn ssim(a: &Picture, b: &Picture, place: &[bool]) -> Option<f64> {
    ssim_over(&ssim_map(a, b), place)
}

/// The mean of a map over the pixels of `place`; `None` if there are none.
pub fn ssim_over(map: &[f64], place: &[bool]) -> Option<f64> {
    mean(map.iter().zip(place).filter(|(_, p)| **p).map(|(v, _)| *v))
}

/// Means under the Gaussian window.
fn windowed(values: &[f64], width: usize, height: usize) -> Vec<f64> {
    let weights: [f64; 2 * REACH + 1] = std::array::from_fn(|i| {
        let d = i as f64 - REACH as f64;
        (-d * d / (2.0 * SIGMA * SIGMA)).exp()
    });
    let blurred = |length: usize, at: usize, value: &dyn Fn(usize) -> f64| {
        let (mut sum, mut total) = (0.0, 0.0);
        for i in at.saturating_sub(REACH)..(at + REACH + 1).min(length) {
            let weight = weights[i + REACH - at];
            sum += weight * value(i);
            total += weight;
        }
        sum / total
    };
    let rows: Vec<f64> = (0..values.len())
        .map(|i| {
            let row = i / width * width;
            blurred(width, i % width, &|x| values[row + x])
        })
        .collect();
    (0..values.len())
        .map(|i| blurred(height, i / width, &|y| rows[y * width + i % width]))
        .collect()
}
