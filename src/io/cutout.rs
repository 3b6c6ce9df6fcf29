//! Objects freed from what surrounds them, so that they can be placed.

use crate::doc::Picture;

/// The largest difference of any channel at which a pixel still counts as background.
const NEAR: u8 = 24;
/// The share of the border that must be near the border's median colour.
const BORDER_SHARE: f32 = 0.9;
/// The shares of the picture an object may cover.
const OBJECT_SHARE: std::ops::RangeInclusive<f32> = 0.002..=0.98;

/// The part of a picture that shows, cropped to the bounds of its alpha; `None` if nothing shows.
pub fn crop_to_alpha(picture: &Picture) -> Option<Picture> {
    let (x0, y0, x1, y1) = picture.visible_bounds()?;
    let row = picture.width() as usize * 4;
    let pixels = (y0..y1)
        .flat_map(|y| {
            let start = y as usize * row;
            &picture.pixels()[start + x0 as usize * 4..start + x1 as usize * 4]
        })
        .copied()
        .collect();
    Picture::from_rgba(x1 - x0, y1 - y0, pixels)
}

/// The object of a picture, cropped: by its alpha where it has any, else by taking away a plain background.
/// `None` if the picture is opaque and its background not plain, or nothing would be left.
pub fn cut_out(picture: &Picture) -> Option<Picture> {
    if picture.has_alpha() {
        crop_to_alpha(picture)
    } else {
        crop_to_alpha(&without_plain_background(picture)?)
    }
}

/// An opaque picture whose border has nearly one colour, with everything of that colour that touches the
/// border made transparent. Pixels at the object's edge get part of their alpha by how far their colour lies
/// from the background, and lose the background's share of it. `None` if the border is not plain or the object
/// would be nearly nothing or nearly everything.
pub fn without_plain_background(picture: &Picture) -> Option<Picture> {
    let background = plain_border(picture)?;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let distance = |at: usize| {
        let pixel = &picture.pixels()[at * 4..at * 4 + 3];
        let apart = pixel.iter().zip(background).map(|(&a, b)| a.abs_diff(b));
        apart.max().unwrap_or(0)
    };
    let mut outside = vec![false; width * height];
    let mut open: Vec<usize> = border(width, height)
        .filter(|&at| distance(at) <= NEAR)
        .collect();
    for &at in &open {
        outside[at] = true;
    }
    while let Some(at) = open.pop() {
        for next in neighbours(at, width, height).into_iter().flatten() {
            if !outside[next] && distance(next) <= NEAR {
                outside[next] = true;
                open.push(next);
            }
        }
    }
    let share = outside.iter().filter(|&&out| !out).count() as f32 / outside.len() as f32;
    if !OBJECT_SHARE.contains(&share) {
        return None;
    }
    let mut cut = picture.clone();
    for (at, pixel) in cut.pixels_mut().chunks_exact_mut(4).enumerate() {
        if outside[at] {
            pixel[3] = 0;
        } else if neighbours(at, width, height)
            .into_iter()
            .flatten()
            .any(|next| outside[next])
        {
            // Fully the object's from three times the distance that still is background.
            let alpha = (f32::from(distance(at)) / f32::from(NEAR) / 3.0).clamp(0.1, 1.0);
            for (value, back) in pixel.iter_mut().zip(background) {
                let own = (f32::from(*value) - (1.0 - alpha) * f32::from(back)) / alpha;
                *value = own.round().clamp(0.0, 255.0) as u8;
            }
            pixel[3] = (alpha * 255.0).round() as u8;
        }
    }
    Some(cut)
}

/// The border's median colour, if nearly all of the border has it.
fn plain_border(picture: &Picture) -> Option<[u8; 3]> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mut median = [0u8; 3];
    for (channel, value) in median.iter_mut().enumerate() {
        let mut values: Vec<u8> = border(width, height)
            .map(|at| picture.pixels()[at * 4 + channel])
            .collect();
        let middle = values.len() / 2;
        *value = *values.select_nth_unstable(middle).1;
    }
    let near = border(width, height).filter(|&at| {
        let pixel = &picture.pixels()[at * 4..at * 4 + 3];
        pixel
            .iter()
            .zip(median)
            .all(|(&a, b)| a.abs_diff(b) <= NEAR)
    });
    let total = border(width, height).count();
    (near.count() as f32 >= BORDER_SHARE * total as f32).then_some(median)
}

/// Positions of the outermost pixels; corners may come twice.
fn border(width: usize, height: usize) -> impl Iterator<Item = usize> {
    let rows = (0..width).flat_map(move |x| [x, (height - 1) * width + x]);
    let columns = (0..height).flat_map(move |y| [y * width, y * width + width - 1]);
    rows.chain(columns)
}

fn neighbours(at: usize, width: usize, height: usize) -> [Option<usize>; 4] {
    let (x, y) = (at % width, at / width);
    [
        (x > 0).then(|| at - 1),
        (x + 1 < width).then(|| at + 1),
        (y > 0).then(|| at - width),
        (y + 1 < height).then(|| at + width),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A red disc of radius `r` on a plain ground.
    fn disc(size: u32, r: f32, ground: [u8; 4]) -> Picture {
        let mut picture = Picture::filled(size, size, ground);
        let middle = size as f32 / 2.0 - 0.5;
        for (at, pixel) in picture.pixels_mut().chunks_exact_mut(4).enumerate() {
            let (x, y) = (at as u32 % size, at as u32 / size);
            if (x as f32 - middle).hypot(y as f32 - middle) <= r {
                pixel.copy_from_slice(&[200, 20, 30, 255]);
            }
        }
        picture
    }

    #[test]
    fn alpha_bounds_are_kept_and_nothing_else() {
        let cut = cut_out(&disc(40, 9.6, [0, 0, 0, 0])).expect("an object");
        assert_eq!((cut.width(), cut.height()), (20, 20));
        assert_eq!(cut.pixel(10, 10), [200, 20, 30, 255]);
        assert_eq!(crop_to_alpha(&Picture::filled(5, 5, [1, 2, 3, 0])), None);
    }

    #[test]
    fn a_plain_background_goes_and_holes_stay() {
        let mut picture = disc(40, 9.6, [250, 250, 250, 255]);
        // A white spot inside the object does not touch the border.
        let at = (20 * 40 + 20) * 4;
        picture.pixels_mut()[at..at + 3].copy_from_slice(&[250, 250, 250]);
        let cut = cut_out(&picture).expect("an object");
        assert_eq!((cut.width(), cut.height()), (20, 20));
        assert_eq!(cut.pixel(0, 0)[3], 0);
        assert_eq!(cut.pixel(10, 10), [250, 250, 250, 255]);
        assert_eq!(cut.pixel(10, 0), [200, 20, 30, 255]);
    }

    #[test]
    fn edges_lose_the_background_by_their_share() {
        // One column of the object's edge is half object, half ground.
        let mut picture = Picture::filled(9, 9, [255, 255, 255, 255]);
        for y in 2..7 {
            for x in 3..7 {
                let at = (y * 9 + x) * 4;
                let value = if x == 3 { 219 } else { 0 };
                picture.pixels_mut()[at..at + 3].fill(value);
            }
        }
        let cut = without_plain_background(&picture).expect("an object");
        // 36 of the 72 that make a pixel fully the object's.
        assert_eq!(cut.pixel(3, 4), [183, 183, 183, 128]);
        assert_eq!(cut.pixel(5, 4), [0, 0, 0, 255]);
        assert_eq!(cut.pixel(2, 4)[3], 0);
    }

    #[test]
    fn a_photo_is_left_alone() {
        let mut picture = Picture::filled(32, 32, [0, 0, 0, 255]);
        for (at, pixel) in picture.pixels_mut().chunks_exact_mut(4).enumerate() {
            pixel[0] = (at * 37 % 256) as u8;
        }
        assert_eq!(cut_out(&picture), None);
        assert_eq!(cut_out(&Picture::filled(8, 8, [9, 9, 9, 255])), None);
    }
}
