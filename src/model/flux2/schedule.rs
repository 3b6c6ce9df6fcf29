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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jump_at_4300_tokens_is_kept() {
        assert!(mu(4300, 4) > 2.3 && mu(4301, 4) < 1.2);
        assert_eq!(mu(4301, 4), mu(4301, 50));
    }
}
