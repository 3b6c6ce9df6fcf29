//! From a job to events and pictures: preparation, sampling, composition. No threads, no files.

pub mod event;
pub mod generator;
pub mod unireal;
