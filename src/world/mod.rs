//! The scene renderer: an asset pack's objects, put on backgrounds under the background's own light, with exact
//! masks and shadows. Everything is a function of the plan and the seed; no clock, no global state.

pub mod background;
pub mod camera;
pub mod colour;
pub mod light;
pub mod mesh;
pub mod pack;
pub mod raster;

pub mod scene;
pub mod shadow;
pub mod texture;
pub mod vector;

pub use pack::{Pack, PackError, Split};
