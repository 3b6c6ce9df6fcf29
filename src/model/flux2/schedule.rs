//! When the velocity is asked: a shift that depends on the picture's size and the number of steps.

/// The tokens from which the shift no longer depends on the steps. The jump there is the makers' own.
const LONG: usize = 4300;

/// The logarithm of the shift for `tokens` output tokens (references do not count) and `steps` steps: a line in the
/// tokens, fitted by the makers at 10 and at 200 steps.
pub fn mu(tokens: usize, steps: usize) -> f64 {
    let s = tokens as f64;
    let at_200 = 0.000_169_27 * s + 0.456_666_66;
    if tokens > LONG {
        return at_200;
    }
    let at_10 = 8.738_095_24e-5 * s + 1.898_333_33;
    let slope = (at_200 - at_10) / 190.0;
    slope * steps as f64 + at_200 - 200.0 * slope
}

/// The `steps + 1` noise levels from 1 to 0: σ = e^μ / (e^μ + 1/u − 1) at u = 1 − i/n.
pub fn sigmas(tokens: usize, steps: usize) -> Vec<f64> {
    let steps = steps.max(1);
    let shift = mu(tokens, steps).exp();
    // The ends are written out: the formula rounds at 1.
    std::iter::once(1.0)
        .chain((1..steps).map(|i| {
            let u = 1.0 - i as f64 / steps as f64;
            shift / (shift + 1.0 / u - 1.0)
        }))
        .chain(std::iter::once(0.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_steps_at_512_and_1024_pixels() {
        let close = |tokens: usize, expected: [f64; 5]| {
            for (a, b) in sigmas(tokens, 4).iter().zip(expected) {
                assert!((a - b).abs() < 5e-5, "{tokens}: {a} {b}");
            }
        };
        close(1024, [1.0, 0.9581, 0.8840, 0.7175, 0.0]);
        close(4096, [1.0, 0.9674, 0.9081, 0.7672, 0.0]);
    }

    #[test]
    fn the_jump_at_4300_tokens_is_kept() {
        assert!(mu(4300, 4) > 2.3 && mu(4301, 4) < 1.2);
        assert_eq!(mu(4301, 4), mu(4301, 50));
    }

    #[test]
    fn the_ends_are_exact() {
        for tokens in [16, 1024, 5000] {
            for steps in [1, 2, 4, 50] {
                let sigmas = sigmas(tokens, steps);
                assert_eq!(sigmas.len(), steps + 1);
                assert_eq!((sigmas[0], sigmas[steps]), (1.0, 0.0));
                assert!(sigmas.windows(2).all(|pair| pair[0] > pair[1]));
            }
        }
    }
}
