//! Where masks lie, in words: a model that never sees them has to be told which is which.

use crate::doc::job::CropBox;

/// Ordinals for as many masks as a job can have.
const ORDINALS: [&str; 8] = [
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth",
];

/// Thirds of a picture, by row and column. The middle one is a little narrower, or most would be there.
const THIRDS: [[&str; 3]; 3] = [
    ["at the upper left", "at the top", "at the upper right"],
    ["on the left", "in the middle", "on the right"],
    ["at the lower left", "at the bottom", "at the lower right"],
];
const MIDDLE: std::ops::Range<f64> = 0.36..0.64;

/// Left, top, right and bottom of a mask on the canvas; `None` if it is empty.
pub type Bounds = Option<(u32, u32, u32, u32)>;

/// For each mask where it lies in `crop`, such as "on the left"; where that does not tell them apart, their order, such
/// as "that is second from the left".
pub fn places(bounds: &[Bounds], crop: CropBox) -> Vec<String> {
    let centres: Vec<[f64; 2]> = bounds.iter().map(|b| centre(*b, crop)).collect();
    let third = |share: f64| match share {
        s if s < MIDDLE.start => 0,
        s if s < MIDDLE.end => 1,
        _ => 2,
    };
    let thirds: Vec<[usize; 2]> = centres.iter().map(|c| c.map(third)).collect();
    let apart = (1..thirds.len()).all(|i| !thirds[..i].contains(&thirds[i]));
    if apart {
        let named = thirds.iter().map(|&[x, y]| THIRDS[y][x].to_owned());
        return named.collect();
    }
    let spread = |axis: usize| {
        let along = centres.iter().map(|c| c[axis]);
        along.clone().fold(f64::MIN, f64::max) - along.fold(f64::MAX, f64::min)
    };
    let (axis, from) = if spread(0) >= spread(1) {
        (0, "left")
    } else {
        (1, "top")
    };
    let mut order: Vec<usize> = (0..centres.len()).collect();
    order.sort_by(|&a, &b| centres[a][axis].total_cmp(&centres[b][axis]));
    let rank = |i: usize| order.iter().position(|&other| other == i).unwrap_or(0);
    (0..centres.len())
        .map(|i| format!("that is {} from the {from}", ORDINALS[rank(i) % 8]))
        .collect()
}

/// The middle of a mask as shares of the crop; of an empty one that of the crop.
fn centre(bounds: Bounds, [x, y, width, height]: CropBox) -> [f64; 2] {
    let Some((left, top, right, bottom)) = bounds else {
        return [0.5; 2];
    };
    let share = |low: u32, high: u32, from: u32, length: u32| {
        ((f64::from(low) + f64::from(high)) / 2.0 - f64::from(from)) / f64::from(length.max(1))
    };
    [share(left, right, x, width), share(top, bottom, y, height)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const CROP: CropBox = [100, 50, 200, 100];

    /// A mask of 10 × 10 pixels around a point of the crop.
    fn at(x: u32, y: u32) -> Bounds {
        Some((100 + x - 5, 50 + y - 5, 100 + x + 5, 50 + y + 5))
    }

    #[test]
    fn masks_are_told_by_thirds_of_what_the_model_sees() {
        assert_eq!(places(&[at(100, 50)], CROP), ["in the middle"]);
        assert_eq!(
            places(&[at(10, 50), at(190, 10), at(100, 90)], CROP),
            ["on the left", "at the upper right", "at the bottom"]
        );
        assert!(places(&[], CROP).is_empty());
        assert_eq!(places(&[None], CROP), ["in the middle"]);
    }

    #[test]
    fn masks_in_the_same_third_are_told_by_their_order() {
        assert_eq!(
            places(&[at(110, 50), at(80, 50)], CROP),
            [
                "that is second from the left",
                "that is first from the left"
            ]
        );
        assert_eq!(
            places(&[at(100, 10), at(105, 30), at(110, 90)], CROP),
            [
                "that is first from the top",
                "that is second from the top",
                "that is third from the top"
            ]
        );
    }
}
