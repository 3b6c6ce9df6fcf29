//! The scene renderer: an asset pack's objects, put on backgrounds under the background's own light, with exact
//! masks and shadows. Everything is a function of the plan and the seed; no clock, no global state.

pub mod camera;
pub mod casting;
pub mod clip;
pub mod colour;
pub mod command;
pub mod depth;
pub mod footprint;
pub mod frame;
pub mod lamp;
pub mod light;
pub mod mesh;
pub mod occlusion;
pub mod pack;
pub mod paint;
pub mod placed;
pub mod portrait;
pub mod raster;
pub mod set;
pub mod shadow;
pub mod site;
mod sizes;
pub mod stage;
#[cfg(test)]
pub(crate) mod tests;
pub mod texture;
pub mod vector;

pub use pack::{Pack, PackError, Split};
