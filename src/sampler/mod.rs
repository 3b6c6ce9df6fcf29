//! Flow-matching samplers: the schedule, the solvers, guidance, noise and the masked re-clamp.
//!
//! Conventions (Liu et al. 2023, "rectified flow"): z_t = (1 − t)·x0 + t·ε, the velocity is dz/dt = ε − x0,
//! and t runs from 1 (noise) to 0 (picture).

pub mod guidance;
pub mod masked;
pub mod noise;
pub mod schedule;
pub mod solver;

pub use guidance::Guidance;
pub use masked::Masked;
pub use noise::batch_noise;
pub use schedule::{first_step, times};
pub use solver::{StepState, integrate};
