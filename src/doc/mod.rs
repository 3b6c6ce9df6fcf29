//! The document: pictures in slots, masks, regions, the prompt and the job. Pure data and functions:
//! no files, no threads, no tensors.

pub mod contact;
pub mod cutting;
pub mod document;
pub mod edit;
pub(crate) mod field;
pub mod grid;
pub mod history;
pub mod job;
pub mod level;
pub mod mask;
pub mod perceive;
pub mod picture;
pub mod plane;
pub mod poisson;
pub mod prompt;
pub mod retold;
mod same;
pub mod silhouette;
pub mod slot;
#[cfg(test)]
pub(crate) mod tests;
pub mod texture;

pub use document::{Document, Region, RegionId, Settings, Slot, Target};
pub use edit::{Edit, EditError};
pub use history::History;
pub use job::{Job, JobError, JobSpec};
pub use level::Level;
pub use mask::Mask;
pub use picture::Picture;
pub use plane::Plane;
pub use prompt::{CompiledPrompt, PromptError};
pub use slot::{ControlKind, Purpose, Role, SlotId};
