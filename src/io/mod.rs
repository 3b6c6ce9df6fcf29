//! Files in and out: pictures, masks, what is written into a result, names, projects.
//!
//! Everything that is written goes through [`save`], which never leaves half a file behind.

pub mod base64;
mod colour;
pub mod console;
pub mod cutout;
pub mod error;
pub mod header;
pub mod mask;
pub mod metadata;
pub mod names;
pub mod picture;
pub mod png_text;
pub mod project;
pub mod save;

pub use error::{PictureError, SaveError};
pub use picture::{Loaded, load};
