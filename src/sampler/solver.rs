//! Integrating the velocity from noise to picture.

use candle_core::Tensor;

use super::Masked;
use crate::doc::job::Solver;

/// What is known after a step.
pub struct StepState<'a> {
    /// Steps done, from 1.
    pub step: usize,
    /// The time reached.
    pub t: f64,
    /// The latent at that time.
    pub z: &'a Tensor,
    before: &'a Tensor,
    velocity: &'a Tensor,
    t_before: f64,
    masked: Option<&'a Masked>,
}

impl StepState<'_> {
    /// The clean latent the step aimed at: x0 = z_t − t·v with the step's first velocity, the known cells as they
    /// are. Computed only when asked for.
    ///
    /// # Errors
    /// What candle says, if there is no memory.
    pub fn x0(&self) -> candle_core::Result<Tensor> {
        if self.t == 0.0 {
            return Ok(self.z.clone());
        }
        let x0 = (self.before - self.velocity.affine(self.t_before, 0.0)?)?;
        match self.masked {
            Some(masked) => masked.clamp(&x0, 0.0),
            None => Ok(x0),
        }
    }
}

/// Follows `velocity` from `noise` at `times[0]` to the last of `times`; `after_step` may stop it with an error.
///
/// Euler asks for one velocity a step. Heun asks for two and is of second order; its last step, where the second
/// evaluation would fall on t = 0 and the velocity of a model that predicts x0 is not defined, is an Euler step
/// (Karras et al. 2022, algorithm 1). With `masked` the known cells are set anew after each step and before each
/// second evaluation.
///
/// # Errors
/// The first error of `velocity` or `after_step`; what candle says, if a velocity has another shape than `noise` or
/// there is no memory.
pub fn integrate<E: From<candle_core::Error>>(
    noise: &Tensor,
    times: &[f64],
    solver: Solver,
    masked: Option<&Masked>,
    velocity: &mut dyn FnMut(&Tensor, f64) -> Result<Tensor, E>,
    after_step: &mut dyn FnMut(&StepState<'_>) -> Result<(), E>,
) -> Result<Tensor, E> {
    let clamped = |z: Tensor, t: f64| match masked {
        Some(masked) => masked.clamp(&z, t),
        None => Ok(z),
    };
    let mut z = clamped(noise.clone(), times.first().copied().unwrap_or(1.0))?;
    for (step, pair) in times.windows(2).enumerate() {
        let (t, next) = (pair[0], pair[1]);
        let first = velocity(&z, t)?;
        let mut ahead = clamped((&z + first.affine(next - t, 0.0)?)?, next)?;
        if solver == Solver::Heun && next > 0.0 {
            let second = velocity(&ahead, next)?;
            let mean = (&first + second)?;
            ahead = clamped((&z + mean.affine((next - t) / 2.0, 0.0)?)?, next)?;
        }
        after_step(&StepState {
            step: step + 1,
            t: next,
            z: &ahead,
            before: &z,
            velocity: &first,
            t_before: t,
            masked,
        })?;
        z = ahead;
    }
    Ok(z)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::times;
    use candle_core::{DType, Device, Error};

    fn values(z: &Tensor) -> Vec<f64> {
        z.to_dtype(DType::F64)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap()
    }

    fn scalar(value: f64) -> Tensor {
        Tensor::new(&[value], &Device::Cpu).unwrap()
    }

    fn solve(
        start: f64,
        steps: u32,
        solver: Solver,
        field: impl Fn(&Tensor, f64) -> Tensor,
    ) -> f64 {
        let z = integrate::<Error>(
            &scalar(start),
            &times(steps, 1.0),
            solver,
            None,
            &mut |z, t| Ok(field(z, t)),
            &mut |_| Ok(()),
        )
        .unwrap();
        values(&z)[0]
    }

    #[test]
    fn a_constant_velocity_is_followed_exactly() {
        // Powers of two keep the arithmetic free of rounding.
        for solver in [Solver::Euler, Solver::Heun] {
            for steps in [1, 4, 16] {
                let z = integrate::<Error>(
                    &Tensor::new(&[3.0f32, -1.0], &Device::Cpu).unwrap(),
                    &times(steps, 1.0),
                    solver,
                    None,
                    &mut |_, _| Ok(Tensor::new(&[2.0f32, -0.5], &Device::Cpu).unwrap()),
                    &mut |_| Ok(()),
                )
                .unwrap();
                assert_eq!(values(&z), [1.0, -0.5]);
            }
        }
    }

    #[test]
    fn the_straight_path_to_a_known_picture_ends_on_it() {
        // v = (z_t − x0) / t is the velocity of a perfect x0 prediction: one step is exact, many stay on the line.
        let target = 0.25;
        for steps in [1, 2, 4, 8] {
            let end = solve(-1.75, steps, Solver::Euler, |z, t| {
                (z - target).unwrap().affine(1.0 / t, 0.0).unwrap()
            });
            assert!((end - target).abs() < 1e-12, "{end}");
        }
    }

    #[test]
    fn euler_is_of_first_order_and_heun_of_second() {
        // dz/dt = z from 1 to 0: z(0) = z(1)/e.
        let exact = (-1.0f64).exp();
        let error = |steps, solver| (solve(1.0, steps, solver, |z, _| z.clone()) - exact).abs();
        let euler = error(64, Solver::Euler) / error(128, Solver::Euler);
        let heun = error(64, Solver::Heun) / error(128, Solver::Heun);
        assert!((euler - 2.0).abs() < 0.1, "{euler}");
        assert!((heun - 4.0).abs() < 0.3, "{heun}");
        assert!(error(64, Solver::Heun) < error(64, Solver::Euler) / 20.0);
    }

    #[test]
    fn heun_asks_twice_a_step_but_for_the_last() {
        let mut asked = Vec::new();
        integrate::<Error>(
            &scalar(1.0),
            &times(2, 1.0),
            Solver::Heun,
            None,
            &mut |z, t| {
                asked.push(t);
                Ok(z.clone())
            },
            &mut |_| Ok(()),
        )
        .unwrap();
        assert_eq!(asked, [1.0, 0.5, 0.5]);
    }

    #[test]
    fn known_cells_end_exactly_on_the_canvas_whatever_the_velocity() {
        let device = Device::Cpu;
        let noise = Tensor::new(&[[[[0.3f32, -1.2, 0.7, 2.0]]]], &device).unwrap();
        let clean = Tensor::new(&[[[[0.11f32, 0.22, 0.33, 0.44]]]], &device).unwrap();
        let editable = Tensor::new(&[[[[0u8, 1, 1, 0]]]], &device).unwrap();
        let masked = Masked::new(&editable, &clean, &noise).unwrap();
        for solver in [Solver::Euler, Solver::Heun] {
            let mut estimates = Vec::new();
            let end = integrate::<Error>(
                &noise,
                &times(5, 2.0),
                solver,
                Some(&masked),
                &mut |z, t| {
                    // The model always sees the known cells on their path.
                    let seen = values(z);
                    for cell in [0, 3] {
                        let expected = (1.0 - t) * values(&clean)[cell] + t * values(&noise)[cell];
                        assert!((seen[cell] - expected).abs() < 1e-6);
                    }
                    z.affine(1.7, 0.3)
                },
                &mut |state| {
                    estimates.push(values(&state.x0()?));
                    Ok(())
                },
            )
            .unwrap();
            let end = end.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!((end[0], end[3]), (0.11, 0.44));
            assert_ne!(end[1], 0.22);
            assert_eq!(estimates.len(), 5);
            for estimate in &estimates {
                assert_eq!(estimate[0] as f32, 0.11);
            }
        }
    }

    #[test]
    fn the_estimate_of_a_perfect_prediction_is_the_picture() {
        let mut seen = Vec::new();
        integrate::<Error>(
            &scalar(2.0),
            &times(4, 1.0),
            Solver::Euler,
            None,
            &mut |z, t| (z - 0.5)?.affine(1.0 / t, 0.0),
            &mut |state| {
                seen.push((state.step, state.t, values(&state.x0()?)[0]));
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(
            seen,
            [(1, 0.75, 0.5), (2, 0.5, 0.5), (3, 0.25, 0.5), (4, 0.0, 0.5)]
        );
    }

    #[test]
    fn an_error_after_a_step_stops_the_run() {
        let mut evaluations = 0;
        let result = integrate::<Error>(
            &scalar(2.0),
            &times(10, 1.0),
            Solver::Euler,
            None,
            &mut |z, _| {
                evaluations += 1;
                Ok(z.clone())
            },
            &mut |state| {
                if state.step == 3 {
                    Err(Error::Msg("stop".into()))
                } else {
                    Ok(())
                }
            },
        );
        assert!(result.is_err());
        assert_eq!(evaluations, 3);
    }
}
