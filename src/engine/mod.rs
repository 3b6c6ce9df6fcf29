//! The worker thread that owns the device and the weights.

pub mod message;
