//! Light on what is laid into a canvas, and what that does to the ground around it.
//!
//! A collage is two layers: the ground G (the canvas, or the canvas with a part of it filled) and the objects on it
//! with their cover a. A model that knows about light gives each a change that is smooth for the objects and for what
//! is mirrored, and as fine as the model's own pixels for shade, which has edges:
//!
//! out = a · F · g + (1 − a) · (G · s + r)
//!
//! g is light on the objects, s is shade or light on the ground and r what is mirrored in it. Cut-out and canvas keep
//! their own detail at any size, and so does the edge between them.

use super::detail::mean;
pub use crate::doc::grid::Field;

/// What a model estimates light from; all of `height · width` pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct LightInput {
    /// Width in pixels, a multiple of [`super::generator::GeneratorInfo::multiple`].
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The canvas as it is: RGB in 0..1, interleaved.
    pub canvas: Vec<f32>,
    /// The collage, without any light or shade: RGB in 0..1, interleaved.
    pub laid: Vec<f32>,
    /// How far objects cover each pixel, 0..1.
    pub cover: Vec<f32>,
    /// The masks, 0..1.
    pub masked: Vec<f32>,
}

/// What light changes in a collage.
#[derive(Clone, Debug, PartialEq)]
pub struct Light {
    /// Factors for the objects' red, green and blue.
    pub objects: Field<3>,
    /// What is added to the ground's red, green and blue: what is mirrored in it.
    pub mirrored: Field<3>,
    /// Factors for the ground's red, green and blue.
    pub ground: Field<3>,
}

/// The reach, in pixels of the model's picture, over which light on filled ground is evened.
const EVEN: usize = 8;
/// The same for the edge of what is filled.
const SOFT: usize = 2;

impl Light {
    /// The same for the ground alone: objects keep their colours.
    pub(super) fn on_ground_alone(&self) -> Self {
        Self {
            objects: Field::even([1.0; 3]),
            ..self.clone()
        }
    }

    /// The same for the objects alone: the ground keeps its colours.
    pub(super) fn on_objects_alone(&self) -> Self {
        Self {
            ground: Field::even([1.0; 3]),
            mirrored: Field::even([0.0; 3]),
            ..self.clone()
        }
    }

    /// Light that is smooth where the ground was filled (`filled`, 0..1, of `size`): no shadow has an edge there that
    /// could be known, and what the model saw of the object that is gone would show through.
    pub(super) fn even_where(self, filled: &[f32], size: (usize, usize)) -> Self {
        let all: Vec<[f32; 3]> = (0..size.1)
            .flat_map(|y| self.ground.row(y, size).collect::<Vec<_>>())
            .collect();
        let even: [Vec<f32>; 3] = std::array::from_fn(|c| {
            let channel: Vec<f32> = all.iter().map(|factors| factors[c]).collect();
            // Twice, so that the window leaves no edges of its own.
            mean(&mean(&channel, size, EVEN), size, EVEN)
        });
        let share = mean(filled, size, SOFT);
        let values = all.iter().enumerate().map(|(i, own)| {
            std::array::from_fn(|c| own[c] + share[i].clamp(0.0, 1.0) * (even[c][i] - own[c]))
        });
        match Field::new(size.0, values.collect()) {
            Some(ground) => Self { ground, ..self },
            None => self,
        }
    }

    /// Lights a ground: RGB in 0..1 of `size` (width, height).
    pub(super) fn on_ground(&self, values: &mut [f32], size: (usize, usize)) {
        for (y, row) in values.chunks_exact_mut(size.0 * 3).enumerate() {
            let light = self.ground.row(y, size).zip(self.mirrored.row(y, size));
            for (pixel, (factor, mirrored)) in row.chunks_exact_mut(3).zip(light) {
                for (c, value) in pixel.iter_mut().enumerate() {
                    *value = (*value * factor[c] + mirrored[c]).clamp(0.0, 1.0);
                }
            }
        }
    }

    /// Lights objects: colours times cover in 0..1, of `size`.
    pub(super) fn on_objects(&self, values: &mut [f32], cover: &[f32], size: (usize, usize)) {
        let rows = values
            .chunks_exact_mut(size.0 * 3)
            .zip(cover.chunks_exact(size.0));
        for (y, (row, cover)) in rows.enumerate() {
            let pixels = row.chunks_exact_mut(3).zip(cover);
            for ((pixel, cover), light) in pixels.zip(self.objects.row(y, size)) {
                for (value, light) in pixel.iter_mut().zip(light) {
                    *value = (*value * light).min(*cover);
                }
            }
        }
    }

    /// Lights a collage of which only its difference from the ground is known; both RGB in 0..1 of `size`.
    pub(super) fn on_unknown(
        &self,
        collage: &mut [f32],
        ground: &[f32],
        cover: &[f32],
        size: (usize, usize),
    ) {
        let mut lit = ground.to_vec();
        self.on_ground(&mut lit, size);
        let pixels = collage
            .chunks_exact_mut(3)
            .zip(ground.chunks_exact(3))
            .zip(cover);
        for ((pixel, ground), cover) in pixels {
            for (value, ground) in pixel.iter_mut().zip(ground) {
                *value -= (1.0 - cover) * ground;
            }
        }
        self.on_objects(collage, cover, size);
        let pixels = collage
            .chunks_exact_mut(3)
            .zip(lit.chunks_exact(3))
            .zip(cover);
        for ((pixel, lit), cover) in pixels {
            for (value, lit) in pixel.iter_mut().zip(lit) {
                *value = (*value + (1.0 - cover) * lit).clamp(0.0, 1.0);
            }
        }
    }
}

/// The difference from the canvas, in 0..1, from which on a pixel is surely of what was laid in.
const LAID: f32 = 0.06;

/// How surely each pixel of a collage was laid there: where it differs from the canvas. Both RGB in 0..1.
pub(super) fn unlike(collage: &[f32], canvas: &[f32]) -> Vec<f32> {
    let pixels = collage.chunks_exact(3).zip(canvas.chunks_exact(3));
    pixels
        .map(|(a, b)| {
            let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
            (apart.fold(0.0, f32::max) / LAID).min(1.0)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn even(value: f32) -> Field<3> {
        Field::new(1, vec![[value; 3]]).unwrap()
    }

    fn near(a: &[f32], b: &[f32]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6)
    }

    #[test]
    fn each_layer_has_its_own_light() {
        let light = Light {
            objects: even(0.5),
            mirrored: even(0.1),
            ground: even(0.8),
        };
        let mut ground = vec![0.5, 0.25, 1.0];
        light.on_ground(&mut ground, (1, 1));
        assert!(near(&ground, &[0.5, 0.3, 0.9]), "{ground:?}");
        // Colours times cover never exceed the cover.
        let mut object = vec![0.2, 0.6, 0.0];
        light.on_objects(&mut object, &[0.6], (1, 1));
        assert!(near(&object, &[0.1, 0.3, 0.0]), "{object:?}");
        let bright = Light {
            objects: even(4.0),
            ..light.clone()
        };
        bright.on_objects(&mut object, &[0.6], (1, 1));
        assert!(near(&object, &[0.4, 0.6, 0.0]), "{object:?}");
        // Ground, half and wholly covered: 0.8 · 0.5 + 0.1 and 0.5 · 0.75 of an object.
        let mut collage = [[0.5; 3], [0.625; 3], [0.75; 3]].concat();
        light.on_unknown(&mut collage, &[0.5; 9], &[0.0, 0.5, 1.0], (3, 1));
        let found = [collage[0], collage[3], collage[6]];
        assert!(near(&found, &[0.5, 0.4375, 0.375]), "{found:?}");
    }

    #[test]
    fn filled_ground_is_lit_evenly_and_the_rest_as_it_was() {
        const SIZE: (usize, usize) = (64, 48);
        // Stripes: what shows through where something was taken away.
        let stripes = |i: usize| [if i.is_multiple_of(2) { 0.5 } else { 1.0 }; 3];
        let light = Light {
            objects: even(1.0),
            mirrored: even(0.0),
            ground: Field::new(SIZE.0, (0..SIZE.0 * SIZE.1).map(stripes).collect()).unwrap(),
        };
        let inside =
            |i: usize| (20..40).contains(&(i % SIZE.0)) && (15..35).contains(&(i / SIZE.0));
        let filled: Vec<f32> = (0..SIZE.0 * SIZE.1)
            .map(|i| f32::from(u8::from(inside(i))))
            .collect();
        let lit = light.even_where(&filled, SIZE);
        let mut values = vec![0.8; SIZE.0 * SIZE.1 * 3];
        lit.on_ground(&mut values, SIZE);
        let at = |x: usize, y: usize| values[(y * SIZE.0 + x) * 3];
        for x in 23..36 {
            assert!((at(x, 25) - 0.6).abs() < 0.01, "{}", at(x, 25));
        }
        assert!((at(10, 25) - 0.4).abs() < 1e-6 && (at(11, 25) - 0.8).abs() < 1e-6);
    }

    #[test]
    fn light_that_changes_nothing_changes_nothing() {
        let light = Light {
            objects: even(1.0),
            mirrored: even(0.0),
            ground: even(1.0),
        };
        let values: Vec<f32> = (0..36).map(|i| i as f32 / 40.0).collect();
        let mut ground = values.clone();
        light.on_ground(&mut ground, (4, 3));
        assert_eq!(ground, values);
        let mut objects = values.clone();
        light.on_objects(&mut objects, &[1.0; 12], (4, 3));
        assert_eq!(objects, values);
    }
}
