//! The scene renderer: an asset pack's objects, put on backgrounds under the background's own light, with exact
//! masks and shadows. Everything is a function of the plan and the seed; no clock, no global state.

pub mod pack;

pub use pack::{Pack, PackError, Split};
