//! Contact sheets: samples to look at, one a row.

use super::record::{MAX_INPUTS, Record};

/// Rows of pictures: the inputs, the output, the object's mask and what changed.
pub fn sheet(records: &[Record], size: usize) -> image::RgbImage {
    let gap = 4;
    let columns = MAX_INPUTS + 3;
    let width = columns * (size + gap) + gap;
    let height = records.len() * (size + gap) + gap;
    let mut sheet =
        image::RgbImage::from_pixel(width as u32, height as u32, image::Rgb([40, 40, 44]));
    for (row, record) in records.iter().enumerate() {
        let top = gap + row * (size + gap);
        let mut put = |column: usize, pixel: &dyn Fn(usize) -> Option<[u8; 3]>| {
            let left = gap + column * (size + gap);
            for i in 0..size * size {
                if let Some(rgb) = pixel(i) {
                    let (x, y) = (left + i % size, top + i / size);
                    sheet.put_pixel(x as u32, y as u32, image::Rgb(rgb));
                }
            }
        };
        for (column, input) in record.inputs.iter().enumerate() {
            put(column, &|i| input.picture.get(i).copied());
        }
        if let Some((_, picture)) = record.outputs.first() {
            put(MAX_INPUTS, &|i| picture.get(i).copied());
        }
        put(MAX_INPUTS + 1, &|i| record.object.get(i).map(|&v| [v; 3]));
        put(MAX_INPUTS + 2, &|i| record.changed.get(i).map(|&v| [v; 3]));
    }
    sheet
}
