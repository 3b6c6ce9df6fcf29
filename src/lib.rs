//! Inlay: an editor for artists who put objects into pictures.
//!
//! ARCHITECTURE.md has the bird's-eye view. Imports go one way only:
//! `doc` ← `io`; `model` ← `sampler` ← `pipeline` ← `engine`; `hub` keeps models as files; `gpu`, `ui` and `cli` sit on top;
//! `world` ← `data` ← `eval` make and judge training samples. `tests/arch.rs` holds the edges.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod cli;
pub mod data;
pub mod doc;
pub mod engine;
pub mod eval;
pub mod gpu;
pub mod hub;
pub mod io;
pub mod model;
pub mod pipeline;
pub mod sampler;
pub mod ui;
pub mod world;
