//! Resampling with fractional source windows: exact area averages downwards, Catmull–Rom upwards.

use std::collections::VecDeque;

/// A part of a picture in its pixel coordinates, where pixel (0, 0) covers 0..1 in both directions.
/// It may reach beyond the picture: what lies there is the caller's choice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// The source pixels that one output pixel is made of, along one axis.
#[derive(Clone, Debug, PartialEq)]
struct Taps {
    first: i64,
    weights: Vec<f32>,
}

impl Taps {
    fn end(&self) -> i64 {
        self.first + self.weights.len() as i64
    }
}

/// Taps of `count` output pixels over `start .. start + length` of the source.
fn taps(start: f64, length: f64, count: usize) -> Vec<Taps> {
    let scale = length / count as f64;
    (0..count)
        .map(|i| {
            if scale >= 1.0 {
                area(start + i as f64 * scale, scale)
            } else {
                cubic(start + (i as f64 + 0.5) * scale - 0.5)
            }
        })
        .collect()
}

/// Shares of the pixels under `from .. from + length`.
fn area(from: f64, length: f64) -> Taps {
    // Rounding must not give a pixel that is barely touched, nor drop one that is.
    const TOUCH: f64 = 1e-9;
    let first = (from + TOUCH).floor() as i64;
    let end = ((from + length - TOUCH).ceil() as i64).max(first + 1);
    let shares: Vec<f64> = (first..end)
        .map(|j| ((j + 1) as f64).min(from + length) - (j as f64).max(from))
        .collect();
    let sum: f64 = shares.iter().sum();
    Taps {
        first,
        weights: shares
            .into_iter()
            .map(|share| (share / sum) as f32)
            .collect(),
    }
}

/// The four taps around a place between pixel centres (Keys 1981, a = −1/2).
fn cubic(at: f64) -> Taps {
    let floor = at.floor();
    let t = at - floor;
    let weights = [
        ((2.0 - t) * t - 1.0) * t / 2.0,
        ((3.0 * t - 5.0) * t * t + 2.0) / 2.0,
        ((4.0 - 3.0 * t) * t + 1.0) * t / 2.0,
        (t - 1.0) * t * t / 2.0,
    ];
    Taps {
        first: floor as i64 - 1,
        weights: weights.map(|w| w as f32).to_vec(),
    }
}

/// Takes a finished row by its number, and may stop with an error.
pub type WriteRow<'a, E> = dyn FnMut(usize, &[f32]) -> Result<(), E> + 'a;

/// Resamples `window` of a picture to `width` × `height` pixels of `channels` interleaved values.
///
/// `read(y, x, row)` fills `row` with the pixels of row `y` from column `x` on; both may lie outside the picture.
/// `write(y, row)` gets the finished rows in order, of those for which `wanted(y)` holds, and may stop with an
/// error. A window of whole pixels at scale 1 comes out as it is.
///
/// # Errors
/// The first error of `write`.
pub fn resample<E>(
    window: Window,
    (width, height): (usize, usize),
    channels: usize,
    read: &mut dyn FnMut(i64, i64, &mut [f32]),
    wanted: &dyn Fn(usize) -> bool,
    write: &mut WriteRow<'_, E>,
) -> Result<(), E> {
    let columns = taps(window.x, window.width, width);
    let rows = taps(window.y, window.height, height);
    let left = columns.iter().map(|taps| taps.first).min().unwrap_or(0);
    let right = columns.iter().map(Taps::end).max().unwrap_or(0);
    let mut source = vec![0.0; (right - left) as usize * channels];
    // Source rows, already resampled across, that later output rows may still need.
    let mut kept: VecDeque<(i64, Vec<f32>)> = VecDeque::new();
    let mut out = vec![0.0; width * channels];
    for (y, taps) in rows.iter().enumerate() {
        if !wanted(y) {
            continue;
        }
        while kept.front().is_some_and(|(row, _)| *row < taps.first) {
            kept.pop_front();
        }
        let next = kept.back().map_or(taps.first, |(row, _)| row + 1);
        for row in next.max(taps.first)..taps.end() {
            read(row, left, &mut source);
            let mut across = vec![0.0; width * channels];
            for (pixel, taps) in across.chunks_exact_mut(channels).zip(&columns) {
                let from = (taps.first - left) as usize * channels;
                for (weight, value) in taps.weights.iter().zip(source[from..].chunks(channels)) {
                    for (sum, value) in pixel.iter_mut().zip(value) {
                        *sum += weight * value;
                    }
                }
            }
            kept.push_back((row, across));
        }
        out.fill(0.0);
        for ((_, across), weight) in kept.iter().zip(&taps.weights) {
            for (sum, value) in out.iter_mut().zip(across) {
                *sum += weight * value;
            }
        }
        write(y, &out)?;
    }
    Ok(())
}

/// [`resample`] into one buffer, limited to 0..1 (Catmull–Rom overshoots).
pub fn resampled(
    window: Window,
    (width, height): (usize, usize),
    channels: usize,
    read: &mut dyn FnMut(i64, i64, &mut [f32]),
) -> Vec<f32> {
    let mut values = Vec::with_capacity(width * height * channels);
    let done: Result<(), std::convert::Infallible> = resample(
        window,
        (width, height),
        channels,
        read,
        &|_| true,
        &mut |_, row| {
            values.extend(row.iter().map(|v| v.clamp(0.0, 1.0)));
            Ok(())
        },
    );
    match done {
        Ok(()) => values,
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(values: &[f32], width: i64) -> impl FnMut(i64, i64, &mut [f32]) {
        let height = values.len() as i64 / width;
        move |y, x, row| {
            for (i, out) in row.iter_mut().enumerate() {
                let x = (x + i as i64).clamp(0, width - 1);
                *out = values[(y.clamp(0, height - 1) * width + x) as usize];
            }
        }
    }

    fn window(x: f64, y: f64, width: f64, height: f64) -> Window {
        Window {
            x,
            y,
            width,
            height,
        }
    }

    #[test]
    fn whole_pixels_at_scale_one_stay_as_they_are() {
        let values: Vec<f32> = (0..35).map(|i| i as f32 / 37.0).collect();
        let all = resampled(
            window(0.0, 0.0, 7.0, 5.0),
            (7, 5),
            1,
            &mut reader(&values, 7),
        );
        assert_eq!(all, values);
        let part = resampled(
            window(2.0, 1.0, 3.0, 2.0),
            (3, 2),
            1,
            &mut reader(&values, 7),
        );
        assert_eq!(part, [9, 10, 11, 16, 17, 18].map(|i: usize| values[i]));
    }

    #[test]
    fn downwards_is_the_mean_of_the_area() {
        let values = [0.0, 0.25, 0.5, 1.0, 0.5, 0.25, 0.75, 0.25];
        let mean = resampled(
            window(0.0, 0.0, 4.0, 2.0),
            (2, 1),
            1,
            &mut reader(&values, 4),
        );
        assert_eq!(mean, [0.25, 0.625]);
        // 3 pixels to 2: the middle one counts half for each.
        let mean = resampled(
            window(0.0, 0.0, 3.0, 1.0),
            (2, 1),
            1,
            &mut reader(&[0.3, 0.6, 0.9], 3),
        );
        assert!((mean[0] - 0.4).abs() < 1e-6 && (mean[1] - 0.8).abs() < 1e-6);
    }

    #[test]
    fn upwards_keeps_constants_and_straight_ramps() {
        let constant = resampled(
            window(0.0, 0.0, 4.0, 3.0),
            (13, 11),
            1,
            &mut reader(&[0.4; 12], 4),
        );
        assert!(constant.iter().all(|v| (v - 0.4).abs() < 1e-6));
        let ramp: Vec<f32> = (0..16).map(|i| i as f32 / 16.0).collect();
        let fine = resampled(
            window(4.0, 0.0, 8.0, 1.0),
            (32, 1),
            1,
            &mut reader(&ramp, 16),
        );
        for (i, v) in fine.iter().enumerate() {
            let at = 4.0 + (i as f32 + 0.5) / 4.0 - 0.5;
            assert!((v - at / 16.0).abs() < 1e-5, "{i}: {v}");
        }
    }

    #[test]
    fn unwanted_rows_are_skipped_and_the_others_unchanged() {
        let values: Vec<f32> = (0..64).map(|i| ((i * 37) % 64) as f32 / 64.0).collect();
        for size in [(5, 30), (8, 3)] {
            let whole = resampled(window(0.0, 0.0, 8.0, 8.0), size, 1, &mut reader(&values, 8));
            let wanted = |y: usize| y % 5 == 2 || y > 24;
            let mut seen = 0;
            resample::<()>(
                window(0.0, 0.0, 8.0, 8.0),
                size,
                1,
                &mut reader(&values, 8),
                &wanted,
                &mut |y, row| {
                    assert!(wanted(y));
                    for (a, b) in row.iter().zip(&whole[y * size.0..]) {
                        assert_eq!(a.clamp(0.0, 1.0), *b);
                    }
                    seen += 1;
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(seen, (0..size.1).filter(|&y| wanted(y)).count());
        }
    }
}
