//! Matching the generated crop's colours to the canvas.

/// For each channel: generated value → value in the canvas's colours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColourMatch {
    gain: [f32; 3],
    offset: [f32; 3],
}

/// Gains beyond this share of change are taken for something else than drift.
const MOST_GAIN: f32 = 0.12;
/// The same for the difference of the means.
const MOST_SHIFT: f32 = 0.1;
/// Fewer known pixels than this say nothing.
const FEWEST: usize = 32;

impl ColourMatch {
    /// Changes nothing.
    pub fn none() -> Self {
        Self {
            gain: [1.0; 3],
            offset: [0.0; 3],
        }
    }

    /// Fits `known` (the canvas) to `generated`, both interleaved RGB, where `place` holds: the straight line of
    /// least squares for each channel, without the pixels that differ much more than most (there the model drew
    /// something), and limited to what an autoencoder or a sampler drifts by.
    pub fn fit(known: &[f32], generated: &[f32], place: &[bool]) -> Self {
        let mut fitted = Self::none();
        for channel in 0..3 {
            let pairs: Vec<(f32, f32)> = place
                .iter()
                .enumerate()
                .filter(|(_, place)| **place)
                .map(|(i, _)| (generated[i * 3 + channel], known[i * 3 + channel]))
                .collect();
            if pairs.len() < FEWEST {
                return Self::none();
            }
            let (gain, offset) = line(&without_outliers(pairs));
            fitted.gain[channel] = gain;
            fitted.offset[channel] = offset;
        }
        fitted
    }

    /// A pixel in the canvas's colours.
    pub fn apply(&self, rgb: [f32; 3]) -> [f32; 3] {
        std::array::from_fn(|c| rgb[c] * self.gain[c] + self.offset[c])
    }
}

fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// Keeps differences within 3 σ of their median, σ from the median absolute deviation.
fn without_outliers(pairs: Vec<(f32, f32)>) -> Vec<(f32, f32)> {
    let mut differences: Vec<f32> = pairs.iter().map(|(g, k)| k - g).collect();
    let centre = median(&mut differences);
    let mut spread: Vec<f32> = differences.iter().map(|d| (d - centre).abs()).collect();
    let limit = 3.0 * 1.4826 * median(&mut spread) + 1.0 / 255.0;
    pairs
        .into_iter()
        .filter(|(g, k)| (k - g - centre).abs() <= limit)
        .collect()
}

/// Gain and offset of the limited least-squares line known = gain · generated + offset.
fn line(pairs: &[(f32, f32)]) -> (f32, f32) {
    let n = pairs.len() as f64;
    let mean = |pick: fn(&(f32, f32)) -> f32| {
        pairs.iter().map(|pair| f64::from(pick(pair))).sum::<f64>() / n
    };
    let (g, k) = (mean(|pair| pair.0), mean(|pair| pair.1));
    let (mut variance, mut covariance) = (0.0, 0.0);
    for (generated, known) in pairs {
        let (dg, dk) = (f64::from(*generated) - g, f64::from(*known) - k);
        variance += dg * dg / n;
        covariance += dg * dk / n;
    }
    // On a nearly even ground the slope is noise.
    let gain = if variance.sqrt() > 0.02 {
        ((covariance / variance) as f32).clamp(1.0 - MOST_GAIN, 1.0 + MOST_GAIN)
    } else {
        1.0
    };
    let shift = ((k - g) as f32).clamp(-MOST_SHIFT, MOST_SHIFT);
    let g = g as f32;
    (gain, g + shift - gain * g)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ground() -> Vec<f32> {
        (0..300 * 3)
            .map(|i| ((i * 97) % 251) as f32 / 400.0 + 0.1)
            .collect()
    }

    fn drift(values: &[f32], gain: f32, offset: f32) -> Vec<f32> {
        values.iter().map(|v| (v - offset) / gain).collect()
    }

    #[test]
    fn a_small_drift_is_taken_back() {
        let known = ground();
        let generated = drift(&known, 1.06, 0.03);
        let fitted = ColourMatch::fit(&known, &generated, &[true; 300]);
        for (pixel, known) in generated.chunks(3).zip(known.chunks(3)) {
            let matched = fitted.apply([pixel[0], pixel[1], pixel[2]]);
            for (m, k) in matched.iter().zip(known) {
                assert!((m - k).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn something_drawn_over_part_of_the_ring_does_not_matter() {
        let known = ground();
        let mut generated = drift(&known, 1.0, 0.04);
        generated[..60 * 3].fill(0.0);
        let fitted = ColourMatch::fit(&known, &generated, &[true; 300]);
        for c in 0..3 {
            assert!((fitted.gain[c] - 1.0).abs() < 1e-3);
            assert!((fitted.offset[c] - 0.04).abs() < 1e-3);
        }
    }

    #[test]
    fn large_differences_are_limited() {
        let known = ground();
        let fitted = ColourMatch::fit(&known, &drift(&known, 2.0, 0.0), &[true; 300]);
        assert!(fitted.gain.iter().all(|g| *g <= 1.0 + MOST_GAIN));
        let even = vec![0.9; 900];
        let fitted = ColourMatch::fit(&even, &vec![0.2; 900], &[true; 300]);
        assert_eq!(fitted.gain, [1.0; 3]);
        assert!((fitted.offset[0] - MOST_SHIFT).abs() < 1e-6);
    }

    #[test]
    fn too_little_ground_changes_nothing() {
        let known = ground();
        let mut place = [false; 300];
        place[..FEWEST - 1].fill(true);
        let generated = drift(&known, 1.0, 0.05);
        assert_eq!(
            ColourMatch::fit(&known, &generated, &place),
            ColourMatch::none()
        );
    }
}
