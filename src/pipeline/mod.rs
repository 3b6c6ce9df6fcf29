//! From a job to events and pictures: preparation, sampling, composition. No threads, no files.

mod ask;
mod asset;
pub mod blend;
mod canvas;
mod cast;
mod collage;
mod colour;
pub mod detail;
pub mod error;
pub mod event;
pub mod flux2;
pub mod frame;
pub mod generator;
mod join;
pub mod light;
mod look;
pub mod prepare;
mod read;
pub mod resample;
pub mod run;
mod start;
pub mod unireal;

pub use error::PipelineError;
pub use frame::Frame;
pub use run::{RunOptions, run, run_with};
