//! The window. `logic.rs` takes in what happened, the widgets draw and emit actions, `apply` carries them out.

mod adjust;
mod app;
mod apply;
mod backend;
mod canvas;
mod chrome;
mod commands;
mod context;
mod dialogs;
mod files;
mod icons;
mod journal;
mod logic;
mod models;
mod prompt;
mod questions;
mod regions;
mod rejoin;
mod results;
mod run;
mod sample;
mod scene;
mod slots;
mod state;
mod theme;
mod thumbs;
mod toasts;
mod tool;
mod view;

pub use app::{App, Start};
pub use backend::Backend;
pub use commands::Command;
pub use models::{Hub, ModelsAction};
pub use run::run;
pub use state::{Action, Compare, ModelState, Session};
pub use tool::Tool;
