//! Models as files: which there are, where they are, downloading, checking and forgetting them.
//!
//! [`Store`] does the work and blocks; [`service`] does it on threads of its own for whoever must not wait. The
//! network is touched by [`Store::download`] alone, and only when it is called.

pub mod catalogue;
mod download;
mod error;
mod find;
mod inspect;
mod links;
pub mod message;
mod meter;
mod options;
mod parts;
mod registry;
mod remote;
mod rows;
pub mod service;
mod store;
mod sum;
mod transfer;
mod wanted;

pub use error::{HubError, Missing, Result};
pub use message::gigabytes;
pub use options::{Options, Places, data_folder};
pub use store::Store;
pub use sum::Sum;
pub use wanted::Wanted;
