//! Contact sheets of judged cases, one a row: canvas, asset, mask, pasting, seamless pasting, the model, the truth.

use image::RgbImage;

use super::case::Case;
use crate::doc::{Picture, Plane};

/// Space between pictures.
const GAP: usize = 4;

/// A case with what was made of it.
pub struct Row<'a> {
    /// The case.
    pub case: &'a Case,
    /// Pasting.
    pub naive: &'a Picture,
    /// Seamless pasting.
    pub poisson: Option<&'a Picture>,
    /// The model's.
    pub model: &'a Picture,
}

/// The sheet; a field without a picture stays dark.
pub fn sheet(rows: &[Row]) -> RgbImage {
    let masks: Vec<Option<Picture>> = rows.iter().map(|row| masks(row.case)).collect();
    let fields: Vec<[Option<&Picture>; 7]> = rows
        .iter()
        .zip(&masks)
        .map(|(row, mask)| {
            [
                Some(&*row.case.canvas),
                row.case.asset.as_deref(),
                mask.as_ref(),
                Some(row.naive),
                row.poisson,
                Some(row.model),
                Some(&*row.case.target),
            ]
        })
        .collect();
    let fields: Vec<&[Option<&Picture>]> = fields.iter().map(|row| row.as_slice()).collect();
    grid(&fields)
}

/// Pictures in rows, each in a field of the size of the largest first one; a field without a picture stays dark.
pub fn grid(rows: &[&[Option<&Picture>]]) -> RgbImage {
    let side = |of: &dyn Fn(&Picture) -> u32| {
        let first = rows
            .iter()
            .filter_map(|row| row.iter().copied().flatten().next());
        first.map(of).max().unwrap_or(1) as usize
    };
    let (wide, high) = (side(&Picture::width), side(&Picture::height));
    let columns = rows.iter().map(|row| row.len()).max().unwrap_or(1);
    let mut sheet = RgbImage::from_pixel(
        (columns * (wide + GAP) + GAP) as u32,
        (rows.len() * (high + GAP) + GAP) as u32,
        image::Rgb([40, 40, 44]),
    );
    for (line, row) in rows.iter().enumerate() {
        for (column, field) in row.iter().enumerate() {
            let Some(picture) = field else { continue };
            let (left, top) = (GAP + column * (wide + GAP), GAP + line * (high + GAP));
            draw(&mut sheet, picture, [left, top, wide, high]);
        }
    }
    sheet
}

/// A picture shrunk into a field if it is larger, over grey where it is transparent.
fn draw(sheet: &mut RgbImage, picture: &Picture, [left, top, wide, high]: [usize; 4]) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let factor = (width as f64 / wide as f64)
        .max(height as f64 / high as f64)
        .max(1.0);
    let (w, h) = (
        (width as f64 / factor) as usize,
        (height as f64 / factor) as usize,
    );
    for y in 0..h {
        for x in 0..w {
            let at = |i: usize| ((i as f64 + 0.5) * factor) as u32;
            let [r, g, b, a] = picture.pixel(at(x), at(y)).map(u32::from);
            let mix = |v: u32| ((v * a + 128 * (255 - a) + 127) / 255) as u8;
            let rgb = image::Rgb([mix(r), mix(g), mix(b)]);
            sheet.put_pixel((left + x) as u32, (top + y) as u32, rgb);
        }
    }
}

/// The masks of a case: where to work white, where the object comes from grey.
pub fn masks(case: &Case) -> Option<Picture> {
    let mask = case.mask.as_deref()?;
    let grey = |plane: &Plane, i: usize| plane.values().get(i).copied().unwrap_or(0);
    let pixels = (0..mask.values().len())
        .flat_map(|i| {
            let from = case
                .mask_from
                .as_deref()
                .map_or(0, |from| grey(from, i) / 2);
            let value = grey(mask, i).max(from);
            [value, value, value, 255]
        })
        .collect();
    Picture::from_rgba(mask.width(), mask.height(), pixels)
}
