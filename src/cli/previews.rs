//! What the model sees at every step, as files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::error::CliError;
use crate::doc::Picture;
use crate::io::{SaveError, metadata, names};
use crate::pipeline::event::Preview;

/// Side of a latent cell in a written preview, in pixels.
const PREVIEW_SCALE: u32 = 8;

/// Writes what the model sees at every step.
pub struct Previews<'a> {
    folder: &'a Path,
    /// What this job has written so far, by name: estimates are told again while other outputs are being made.
    written: HashMap<String, PathBuf>,
}

impl<'a> Previews<'a> {
    /// Into this folder.
    pub fn new(folder: &'a Path) -> Self {
        Self {
            folder,
            written: HashMap::new(),
        }
    }

    /// Writes the estimates of one step as `step-001-1.png`, one file for each output that has begun; where another
    /// file has that name, under one with a number.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn write(&mut self, preview: &Preview) -> Result<(), CliError> {
        for (n, latent) in (1..).zip(&preview.outputs) {
            let picture = latent
                .as_ref()
                .and_then(|latent| preview_picture(latent, preview.shape, &preview.latent_rgb));
            let Some(picture) = picture else { continue };
            let name = format!("step-{:03}-{n}.png", preview.step);
            if let Some(own) = self.written.get(&name) {
                metadata::write(own, &picture, None)?;
                continue;
            }
            let bytes = metadata::encode_png(&picture, None)
                .map_err(|error| SaveError::Encode(error, self.folder.join(&name)))?;
            let path = names::save_new(self.folder, &name, &bytes)?;
            self.written.insert(name, path);
        }
        Ok(())
    }
}

/// rgb = M · [z; 1] at every cell, enlarged; `None` if the sizes do not fit together.
fn preview_picture(latent: &[f32], shape: [usize; 3], matrix: &[[f32; 3]]) -> Option<Picture> {
    let [channels, rows, columns] = shape;
    let cells = rows * columns;
    if latent.len() != channels * cells || matrix.len() != channels + 1 {
        return None;
    }
    let mut rgba = Vec::with_capacity(cells * 4);
    let (weights, bias) = (&matrix[..channels], matrix[channels]);
    for cell in 0..cells {
        let mut rgb = bias;
        for (c, row) in weights.iter().enumerate() {
            let value = latent[c * cells + cell];
            for (sum, weight) in rgb.iter_mut().zip(row) {
                *sum += weight * value;
            }
        }
        rgba.extend(rgb.map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8));
        rgba.push(255);
    }
    let (width, height) = (columns as u32, rows as u32);
    let small = image::RgbaImage::from_raw(width, height, rgba)?;
    let (width, height) = (width * PREVIEW_SCALE, height * PREVIEW_SCALE);
    let filter = image::imageops::FilterType::Triangle;
    let large = image::imageops::resize(&small, width, height, filter);
    Picture::from_rgba(width, height, large.into_raw())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::event::CropRect;

    #[test]
    fn a_preview_is_the_matrix_applied_to_every_cell() {
        // Two channels, one row of two cells.
        let matrix = [[1.0, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.2]];
        let latent = [1.0, 0.0, 0.0, 2.0];
        let picture = preview_picture(&latent, [2, 1, 2], &matrix).expect("a picture");
        assert_eq!((picture.width(), picture.height()), (16, 8));
        assert_eq!(picture.pixel(0, 0), [255, 0, 51, 255]);
        assert_eq!(picture.pixel(15, 7), [0, 255, 51, 255]);
        assert!(preview_picture(&latent, [3, 1, 2], &matrix).is_none());
    }

    #[test]
    fn files_that_are_there_keep_their_names_and_contents() {
        let folder = tempfile::tempdir().expect("a folder");
        let canvas = folder.path().join("step-001-1.png");
        std::fs::write(&canvas, b"the canvas").expect("written");
        let preview = |value: f32| Preview {
            step: 1,
            shape: [1, 1, 1],
            outputs: vec![Some(vec![value].into()), None],
            look: None,
            crop: CropRect {
                x: 0,
                y: 0,
                width: 8,
                height: 8,
            },
            alpha: None,
            latent_rgb: vec![[1.0; 3], [0.0; 3]].into(),
        };
        let mut previews = Previews::new(folder.path());
        previews.write(&preview(0.0)).expect("written");
        previews.write(&preview(1.0)).expect("written");
        assert_eq!(std::fs::read(&canvas).expect("read"), b"the canvas");
        // Told twice within a job, an estimate is one file.
        let entries = std::fs::read_dir(folder.path()).expect("a folder");
        assert_eq!(entries.count(), 2);
        let own = folder.path().join("step-001-1-2.png");
        let picture = crate::io::load(&own).expect("opens").picture;
        assert_eq!(picture.pixel(0, 0), [255; 4]);
        Previews::new(folder.path())
            .write(&preview(0.5))
            .expect("written");
        assert!(folder.path().join("step-001-1-3.png").exists());
    }
}
