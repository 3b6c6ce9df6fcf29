//! Masks in and out of files and recipes.

use std::path::Path;

use image::imageops::FilterType;

use super::error::{PictureError, SaveError};
use super::picture::{decode_image, read_file};
use super::{base64, save};
use crate::doc::{Picture, Plane};

/// A mask and what should be said about it.
#[derive(Clone, Debug)]
pub struct LoadedMask {
    /// 255 is selected.
    pub mask: Plane,
    /// Sentences for the artist.
    pub warnings: Vec<String>,
}

/// A mask is not of the size of the picture that it belongs to.
#[derive(Debug, thiserror::Error)]
#[error(
    "the mask has {mask_width}×{mask_height} pixels and the {of} {width}×{height}, \
     make them the same size: {path}",
    path = .path.display()
)]
pub struct MaskSizeError {
    mask_width: u32,
    mask_height: u32,
    of: &'static str,
    width: u32,
    height: u32,
    path: std::path::PathBuf,
}

/// Reads a mask: the alpha channel of a picture whose colours say nothing (all alike where it shows),
/// else its luminance over black.
///
/// # Errors
/// [`PictureError`], a sentence with the path last.
pub fn load(path: &Path) -> Result<LoadedMask, PictureError> {
    let (image, warnings) = decode_image(&read_file(path)?, path)?;
    let rgba = image.into_rgba8();
    let (width, height) = rgba.dimensions();
    let picture = Picture::from_rgba(width, height, rgba.into_raw())
        .ok_or_else(|| PictureError::TooLarge(width, height, path.into()))?;
    Ok(LoadedMask {
        mask: from_picture(&picture),
        warnings,
    })
}

/// A picture read as a mask; see [`load`].
pub fn from_picture(picture: &Picture) -> Plane {
    let by_alpha = picture.has_alpha() && colours_are_alike(picture);
    let values = picture
        .pixels()
        .chunks_exact(4)
        .map(|p| if by_alpha { p[3] } else { luminance(p) })
        .collect();
    Plane::from_values(picture.width(), picture.height(), values)
        .unwrap_or_else(|| Plane::filled(picture.width(), picture.height(), 0))
}

/// Whether all pixels that show at all have one colour, to within what a lossy file changes.
fn colours_are_alike(picture: &Picture) -> bool {
    let mut low = [255u8; 3];
    let mut high = [0u8; 3];
    for pixel in picture.pixels().chunks_exact(4).filter(|p| p[3] > 0) {
        for channel in 0..3 {
            low[channel] = low[channel].min(pixel[channel]);
            high[channel] = high[channel].max(pixel[channel]);
        }
    }
    (0..3).all(|channel| high[channel].saturating_sub(low[channel]) <= 8)
}

/// Rec. 709 luma of the stored values, over black.
fn luminance(pixel: &[u8]) -> u8 {
    let luma = 2126 * u32::from(pixel[0]) + 7152 * u32::from(pixel[1]) + 722 * u32::from(pixel[2]);
    ((luma * u32::from(pixel[3]) + 1_275_000) / 2_550_000) as u8
}

/// Says so if a mask is not of the size of the picture that it belongs to; `of` is what that is called ("canvas").
///
/// # Errors
/// [`MaskSizeError`].
pub fn check_size(
    mask: &Plane,
    (of, width, height): (&'static str, u32, u32),
    path: &Path,
) -> Result<(), MaskSizeError> {
    if (mask.width(), mask.height()) == (width, height) {
        return Ok(());
    }
    Err(MaskSizeError {
        mask_width: mask.width(),
        mask_height: mask.height(),
        of,
        width,
        height,
        path: path.into(),
    })
}

/// A mask stretched to another size, with linear interpolation.
pub fn resized(mask: &Plane, width: u32, height: u32) -> Plane {
    let (width, height) = (width.max(1), height.max(1));
    let grey = image::GrayImage::from_raw(mask.width(), mask.height(), mask.values().to_vec());
    grey.map(|grey| image::imageops::resize(&grey, width, height, FilterType::Triangle))
        .and_then(|grey| Plane::from_values(width, height, grey.into_raw()))
        .unwrap_or_else(|| Plane::filled(width, height, 0))
}

/// Writes a mask as a grey PNG; see [`save::replace`].
///
/// # Errors
/// [`SaveError`], a sentence with the path last.
pub fn write(path: &Path, mask: &Plane) -> Result<(), SaveError> {
    let bytes = encode(mask).map_err(|error| SaveError::Encode(error, path.into()))?;
    save::replace(path, &bytes)
}

/// A mask as the text that a recipe holds: a grey PNG in Base64. Empty if it can't be encoded.
pub fn to_text(mask: &Plane) -> String {
    encode(mask)
        .map(|png| base64::encode(&png))
        .unwrap_or_default()
}

/// A mask from a recipe; `None` if the text is not one.
pub fn from_text(text: &str) -> Option<Plane> {
    let bytes = base64::decode(text)?;
    let (image, _) = decode_image(&bytes, Path::new("mask")).ok()?;
    let grey = image.into_luma8();
    let (width, height) = grey.dimensions();
    Plane::from_values(width, height, grey.into_raw())
}

/// A mask as a grey PNG file.
fn encode(mask: &Plane) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, mask.width(), mask.height());
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|error| error.to_string())?;
    writer
        .write_image_data(mask.values())
        .map_err(|error| error.to_string())?;
    writer.finish().map_err(|error| error.to_string())?;
    Ok(bytes)
}
