//! The whole evaluation of a model, written as a report: every task on scenes that were not trained on, each against
//! what needs no model, with the commands that repeat it and sheets of the first samples as they come.

mod insertion;
mod joint;
pub mod likeness;
pub mod made;
mod new;
pub mod perception;
mod run;
pub mod table;
mod tasks;
#[cfg(test)]
pub(super) mod tests;

pub use run::run;
