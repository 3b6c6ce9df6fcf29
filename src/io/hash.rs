//! The hashes by which a job names its pictures.

use crate::doc::{Picture, Plane};

/// BLAKE3 of width and height (u32, little endian) and the RGBA bytes, in hexadecimal.
pub fn picture(picture: &Picture) -> String {
    digest(picture.width(), picture.height(), picture.pixels())
}

/// BLAKE3 of width and height (u32, little endian) and the values, in hexadecimal.
pub fn plane(plane: &Plane) -> String {
    digest(plane.width(), plane.height(), plane.values())
}

fn digest(width: u32, height: u32, bytes: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&width.to_le_bytes());
    hasher.update(&height.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize().to_hex().to_string()
}
