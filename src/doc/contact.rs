//! The shade under an object that is pasted: what grounds have on average.
//!
//! Two bells, fitted by hand to the logarithm of the ratio of linear light with and without the object, averaged over the
//! visible ground of 1531 rendered training insertions (`training/contact.py` prints the table), in units of the object's
//! width, from the middle of its foot: a deep, narrow one a little above the foot, and a wide, faint one. Light from the
//! side makes longer shadows on one side; that is left to the model, which starts from this.

/// A bell over the ground: its depth, where its middle is above the foot, and how wide and high it is; widths of the
/// object.
struct Bell {
    depth: f32,
    above: f32,
    across: f32,
    down: f32,
}

const BELLS: [Bell; 2] = [
    Bell {
        depth: 0.62,
        above: 0.07,
        across: 0.38,
        down: 0.13,
    },
    Bell {
        depth: 0.15,
        above: 0.05,
        across: 0.6,
        down: 0.3,
    },
];
/// Bytes are about this power of linear light.
const GAMMA: f32 = 1.0 / 2.2;
/// Beyond so many widths there is none.
const FAR: f32 = 2.0;

/// Darkens `values` (RGB in 0..1, row by row, `width` pixels a row) as the ground around an object is that is `object`
/// pixels wide and stands at `foot` (the middle of its lower edge, x and y in pixels).
pub fn shade(values: &mut [f32], width: usize, foot: [f32; 2], object: f32) {
    let height = values.len() / 3 / width.max(1);
    if object < 1.0 {
        return;
    }
    let reach = |at: f32, count: usize| {
        let low = (at - FAR * object).clamp(0.0, count as f32) as usize;
        let high = (at + FAR * object).ceil().clamp(0.0, count as f32) as usize;
        low..high
    };
    let bell = |at: f32, deviation: f32| (-0.5 * (at / deviation).powi(2)).exp();
    let (columns, rows) = (reach(foot[0], width), reach(foot[1], height));
    let across: Vec<[f32; 2]> = columns
        .clone()
        .map(|x| {
            let u = (x as f32 + 0.5 - foot[0]) / object;
            BELLS.each_ref().map(|b| b.depth * bell(u, b.across))
        })
        .collect();
    for y in rows {
        let v = (y as f32 + 0.5 - foot[1]) / object;
        let down = BELLS.each_ref().map(|b| bell(v + b.above, b.down));
        let row = &mut values[(y * width + columns.start) * 3..][..columns.len() * 3];
        for (pixel, across) in row.chunks_exact_mut(3).zip(&across) {
            let depth = across[0] * down[0] + across[1] * down[1];
            let factor = (-GAMMA * depth).exp();
            pixel.iter_mut().for_each(|value| *value *= factor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ground_is_half_as_light_at_the_foot_and_as_it_was_far_away() {
        let mut values = vec![0.8; 200 * 120 * 3];
        shade(&mut values, 200, [100.0, 60.0], 40.0);
        let linear = |x: usize, y: usize| (values[(y * 200 + x) * 3] / 0.8).powf(2.2);
        // The means measured there: 0.50, 0.68 to 0.79, 0.75, 0.87, 0.98.
        for (x, y, measured) in [
            (100, 60, 0.50),
            (120, 60, 0.72),
            (100, 65, 0.75),
            (100, 70, 0.87),
            (180, 60, 0.98),
        ] {
            assert!(
                (linear(x, y) - measured).abs() < 0.05,
                "{x} {y}: {}",
                linear(x, y)
            );
        }
        assert_eq!(values[0], 0.8);
        assert!((0..200).all(|x| (linear(x, 30) - linear(199 - x, 30)).abs() < 1e-5));
    }

    #[test]
    fn an_object_beyond_the_edge_shades_what_is_there() {
        let mut values = vec![1.0; 16 * 16 * 3];
        shade(&mut values, 16, [-4.0, 20.0], 12.0);
        assert!(values[15 * 16 * 3] < 0.97 && values.iter().all(|v| *v > 0.3));
        let mut none = vec![1.0; 16 * 16 * 3];
        shade(&mut none, 16, [8.0, 8.0], 0.0);
        shade(&mut none, 16, [900.0, 8.0], 10.0);
        assert!(none.iter().all(|v| *v == 1.0));
    }
}
