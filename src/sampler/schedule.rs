//! When the velocity is asked.

/// Moves a uniform time towards the noise end: t' = s·t / (1 + (s − 1)·t) (Esser et al. 2024, equation 23).
/// Larger pictures need larger `shift`; 1 leaves `t` as it is, 0 and 1 stay where they are.
pub fn shifted(t: f64, shift: f64) -> f64 {
    shift * t / (1.0 + (shift - 1.0) * t)
}

/// The `steps + 1` times of a run, from exactly 1 down to exactly 0. No steps count as one.
pub fn times(steps: u32, shift: f64) -> Vec<f64> {
    let steps = steps.max(1);
    // The ends are written out: the formula rounds at 1 for some shifts, and masks are exact only at exactly 0.
    std::iter::once(1.0)
        .chain((1..steps).map(|i| shifted(f64::from(steps - i) / f64::from(steps), shift)))
        .chain(std::iter::once(0.0))
        .collect()
}

/// The first step of a run of `steps` that changes no more than `strength` of the picture it begins on:
/// int(n − n·strength), never past the last (the rule of diffusers' inpainting pipelines). Strengths are kept in single
/// precision, so what is a whole number but for its rounding is one.
pub fn first_step(steps: u32, strength: f64) -> usize {
    const ROUNDING: f64 = 1e-5;
    let n = f64::from(steps);
    let skipped = (n - (n * strength).min(n) + n * ROUNDING).max(0.0) as usize;
    skipped.min(steps.saturating_sub(1) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_shift_the_times_are_uniform() {
        assert_eq!(times(4, 1.0), [1.0, 0.75, 0.5, 0.25, 0.0]);
        assert_eq!(times(0, 1.0), [1.0, 0.0]);
    }

    #[test]
    fn the_ends_stay_and_the_order_holds_at_any_shift() {
        for shift in [0.3, 1.0, 1.15, 3.0, 7.7] {
            for steps in [1, 2, 7, 50] {
                let times = times(steps, shift);
                assert_eq!(times.len(), steps as usize + 1);
                assert_eq!(times[0], 1.0);
                assert_eq!(times[steps as usize], 0.0);
                assert!(times.windows(2).all(|pair| pair[0] > pair[1]));
            }
        }
    }

    #[test]
    fn strength_skips_the_first_steps_but_never_all() {
        assert_eq!(first_step(4, 1.0), 0);
        assert_eq!(first_step(4, 0.75), 1);
        assert_eq!(first_step(4, 0.6), 1);
        assert_eq!(first_step(4, 0.5), 2);
        assert_eq!(first_step(50, 0.9), 5);
        assert_eq!(first_step(4, 0.0), 3);
        assert_eq!(first_step(1, 0.5), 0);
        // As documents keep them.
        for (steps, strength, first) in [(5, 0.8f32, 1), (5, 0.6, 2), (10, 0.8, 2), (20, 0.6, 8)] {
            assert_eq!(first_step(steps, f64::from(strength)), first);
        }
    }

    #[test]
    fn shift_three_is_the_published_curve() {
        assert_eq!(shifted(0.5, 3.0), 0.75);
        assert_eq!(shifted(0.25, 3.0), 0.5);
    }
}
