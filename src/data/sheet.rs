//! Contact sheets: samples to look at, one a row.

use super::record::{MAX_INPUTS, MAX_OUTPUTS, Record};

/// Rows of pictures: the inputs, the outputs, the object's mask and what changed.
pub fn sheet(records: &[Record], size: usize) -> image::RgbImage {
    let gap = 4;
    let columns = MAX_INPUTS + MAX_OUTPUTS + 2;
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
        for (output, (_, picture)) in record.outputs.iter().enumerate() {
            put(MAX_INPUTS + output, &|i| picture.get(i).copied());
        }
        let last = MAX_INPUTS + MAX_OUTPUTS;
        put(last, &|i| record.object.get(i).map(|&v| [v; 3]));
        put(last + 1, &|i| record.changed.get(i).map(|&v| [v; 3]));
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::record::{Input, MASK, NONE, PICTURE};

    #[test]
    fn joint_outputs_are_shown_beside_each_other() {
        let plain = |v: u8| vec![[v; 3]; 16];
        let input = Input {
            role: 0,
            kind: NONE,
            level: NONE,
            fit: f32::NAN,
            placed: [f32::NAN; 4],
            picture: plain(10),
        };
        let one = Record {
            id: 0,
            seed: 0,
            task: 0,
            flags: 0,
            inputs: vec![input],
            outputs: vec![(PICTURE, plain(20))],
            tokens: Vec::new(),
            text: String::new(),
            object: vec![40; 16],
            changed: vec![50; 16],
            asset_object: None,
            more_objects: Vec::new(),
        };
        let mut two = one.clone();
        two.outputs.push((MASK, plain(30)));
        let drawn = sheet(&[one, two], 4);
        assert_eq!(drawn.dimensions(), (8 * 8 + 4, 2 * 8 + 4));
        let row = |row: u32| -> Vec<u8> {
            let at = |column: u32| drawn.get_pixel(4 + 8 * column + 3, 4 + 8 * row)[0];
            (0..8).map(at).collect()
        };
        assert_eq!(row(0), [10, 40, 40, 40, 20, 40, 40, 50]);
        assert_eq!(row(1), [10, 40, 40, 40, 20, 30, 40, 50]);
    }
}
