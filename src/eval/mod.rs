//! How good a model is: the same cases by the model, by pasting and by seamless pasting, against the true picture.

pub mod baseline;
pub mod case;
pub mod ceiling;
pub mod collages;
pub mod command;
pub mod folder;
pub mod metrics;
pub mod report;
pub mod sheet;
pub mod suite;
#[cfg(test)]
mod tests;
mod untagged;
