//! Shadow and reflection beyond the region.
//!
//! A region ends where the object and what touches it end; a shadow goes on, and half of one looks wrong. So the light
//! that a model finds falls on the canvas around the region as well, as a factor and a summand to each of its own pixels:
//! nothing there is painted, and what it does not reach keeps its bytes.

use super::blend::Stopped;
use super::event::CropRect;
use super::generator::Cancel;
use super::light::{Field, Light};
use crate::doc::{Picture, Plane};

/// Changes of the ground up to the first are none, from the second on they count in full: as a factor's distance from 1,
/// or as what is mirrored.
const FAINT: (f32, f32) = (0.015, 0.04);
/// Towards sides beyond which the canvas goes on, light fades over so much of the crop.
const FADE: f32 = 1.0 / 12.0;

/// What light does to ground beside the objects.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cast {
    /// For red, green and blue: by which factor of itself the ground becomes brighter, and what is added to it.
    changes: Field<6>,
    /// What of the crop it can reach: left, top, right and bottom as shares.
    reach: [f64; 4],
}

impl Cast {
    /// Of a light on ground that objects cover so far (`cover`, 0..1, of `size`: width and height of the model's picture);
    /// `open` says for left, top, right and bottom whether the canvas goes on beyond the crop. `None` if nothing changes.
    pub fn new(
        light: &Light,
        cover: &[f32],
        size: (usize, usize),
        open: [bool; 4],
    ) -> Option<Self> {
        let (width, height) = size;
        let fade = |at: usize, side: usize, [low, high]: [bool; 2]| {
            let over = (FADE * side as f32).max(1.0);
            let from = |open: bool, away: usize| match open {
                true => (away as f32 / over).min(1.0),
                false => 1.0,
            };
            from(low, at) * from(high, side - 1 - at)
        };
        let mut values = Vec::with_capacity(width * height);
        let mut bounds: Option<[usize; 4]> = None;
        for (y, cover) in cover.chunks_exact(width).enumerate() {
            let down = fade(y, height, [open[1], open[3]]);
            let rows = light.ground.row(y, size).zip(light.mirrored.row(y, size));
            for (x, ((factor, mirrored), cover)) in rows.zip(cover).enumerate() {
                let change: [f32; 6] = std::array::from_fn(|i| match i {
                    0..3 => factor[i] - 1.0,
                    _ => mirrored[i - 3],
                });
                let most = change.iter().fold(0.0f32, |most, v| most.max(v.abs()));
                let t = ((most - FAINT.0) / (FAINT.1 - FAINT.0)).clamp(0.0, 1.0);
                let share = t * t * (3.0 - 2.0 * t);
                // Under an object nobody knows what the ground would be.
                let share = share * (1.0 - cover) * down * fade(x, width, [open[0], open[2]]);
                values.push(change.map(|v| v * share));
                if share > 0.0 {
                    let [x0, y0, x1, y1] = bounds.unwrap_or([x, y, x, y]);
                    bounds = Some([x0.min(x), y0.min(y), x1.max(x), y1.max(y)]);
                }
            }
        }
        let [x0, y0, x1, y1] = bounds?;
        // Half a pixel, and one more for what lies between it and the next.
        let low = |at: usize, side: usize| (at as f64 - 1.0) / side as f64;
        let high = |at: usize, side: usize| (at as f64 + 2.0) / side as f64;
        Some(Self {
            changes: Field::new(width, values)?,
            reach: [
                low(x0, width).max(0.0),
                low(y0, height).max(0.0),
                high(x1, width).min(1.0),
                high(y1, height).min(1.0),
            ],
        })
    }

    /// So much of it (`share`, 0..1), so strong ([`BlendSpec::shadow`](crate::doc::job::BlendSpec::shadow)), on what shows of `canvas` in `joined`, which is `canvas` with something over `crop`
    /// that covers it by `alpha` (of the crop's size).
    ///
    /// # Errors
    /// [`Stopped`] soon after `cancel` is set.
    pub fn on(
        &self,
        joined: &mut Picture,
        (canvas, crop): (&Picture, CropRect),
        alpha: &Plane,
        (share, strength): (f32, f32),
        cancel: &Cancel,
    ) -> Result<(), Stopped> {
        let (width, height) = (crop.width as usize, crop.height as usize);
        let along = |from: usize, to: usize, side: usize| {
            let from = (self.reach[from] * side as f64).floor() as usize;
            from..((self.reach[to] * side as f64).ceil() as usize).min(side)
        };
        let (columns, stride) = (along(0, 2, width), canvas.width() as usize);
        for y in along(1, 3, height) {
            if cancel.is_cancelled() {
                return Err(Stopped);
            }
            let start = (crop.y as usize + y) * stride + crop.x as usize;
            let place = 4 * (start + columns.start)..4 * (start + columns.end);
            let from = canvas.pixels()[place.clone()].chunks_exact(4);
            let to = joined.pixels_mut()[place].chunks_exact_mut(4);
            let alpha = &alpha.values()[y * width..][columns.clone()];
            let changes = self.changes.row_in(y, (width, height), columns.clone());
            for (((to, from), &alpha), change) in to.zip(from).zip(alpha).zip(changes) {
                let (over, opaque) = (f32::from(alpha) / 255.0, f32::from(from[3]) / 255.0);
                let below = opaque * (1.0 - over);
                // The canvas's share of what is there now.
                let shows = share * below / (over + below).max(f32::EPSILON);
                if shows == 0.0 || change == [0.0; 6] {
                    continue;
                }
                for c in 0..3 {
                    let ground = f32::from(from[c]);
                    let lit =
                        (ground + ground * change[c] + 255.0 * change[c + 3]).clamp(0.0, 255.0);
                    let lit = match strength {
                        1.0 => lit,
                        _ => again(ground, lit, strength).clamp(0.0, 255.0),
                    };
                    to[c] = (f32::from(to[c]) + shows * (lit - ground))
                        .round()
                        .clamp(0.0, 255.0) as u8;
                }
            }
        }
        Ok(())
    }
}

/// What light that makes `ground` into `lit` makes of it if it comes `strength` times, all in 0..255: shade multiplies, what is
/// brighter adds up. Values this small are rounding, of which no power is taken.
fn again(ground: f32, lit: f32, strength: f32) -> f32 {
    const ROUNDING: f32 = 4.0;
    if lit < ground {
        let (ground, lit) = (ground + ROUNDING, lit + ROUNDING);
        ground * (lit / ground).powf(strength) - ROUNDING
    } else {
        ground + strength * (lit - ground)
    }
}

/// Makes shade and light on the ground as strong as [`BlendSpec::shadow`](crate::doc::job::BlendSpec::shadow) says in what was
/// joined over `crop` of a canvas by `alpha`: it has them once now, as `lit` has what `flat` has not; both of the crop's size.
///
/// # Errors
/// [`Stopped`] soon after `cancel` is set.
pub(super) fn strengthen(
    joined: &mut Picture,
    (canvas, crop): (&Picture, CropRect),
    alpha: &Plane,
    (lit, flat): (&Picture, &Picture),
    strength: f32,
    cancel: &Cancel,
) -> Result<(), Stopped> {
    let (width, stride) = (crop.width as usize, canvas.width() as usize);
    let rows = lit
        .pixels()
        .chunks_exact(width * 4)
        .zip(flat.pixels().chunks_exact(width * 4))
        .zip(alpha.values().chunks_exact(width));
    for (y, ((lit, flat), alpha)) in rows.enumerate() {
        if cancel.is_cancelled() {
            return Err(Stopped);
        }
        let start = (crop.y as usize + y) * stride + crop.x as usize;
        let place = 4 * start..4 * (start + width);
        let below = canvas.pixels()[place.clone()].chunks_exact(4);
        let to = joined.pixels_mut()[place].chunks_exact_mut(4);
        let light = lit.chunks_exact(4).zip(flat.chunks_exact(4));
        for (((to, from), &alpha), (lit, flat)) in to.zip(below).zip(alpha).zip(light) {
            if alpha == 0 || lit == flat {
                continue;
            }
            let (over, opaque) = (f32::from(alpha) / 255.0, f32::from(from[3]) / 255.0);
            // The joined picture's share of what is there now; the rest is the canvas's.
            let share = over / (over + opaque * (1.0 - over));
            for c in 0..3 {
                let (lit, flat) = (f32::from(lit[c]), f32::from(flat[c]));
                let more = share * (again(flat, lit, strength) - lit);
                to[c] = (f32::from(to[c]) + more).round().clamp(0.0, 255.0) as u8;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (24, 24);

    #[test]
    fn light_that_comes_again_keeps_within_reason() {
        for ground in 0..=255u8 {
            for lit in 0..=255u8 {
                let (ground, lit) = (f32::from(ground), f32::from(lit));
                assert!((again(ground, lit, 0.0) - ground).abs() < 1e-3);
                assert!((again(ground, lit, 1.0) - lit).abs() < 1e-3);
                let [half, twice] = [0.5, 2.0].map(|k| again(ground, lit, k));
                let (low, high) = (ground.min(lit), ground.max(lit));
                assert!(
                    (low..=high).contains(&half) || ground == lit,
                    "{ground} {lit} {half}"
                );
                match lit < ground {
                    true => assert!(twice <= lit && twice > -4.0, "{ground} {lit} {twice}"),
                    false => assert_eq!(twice, 2.0 * lit - ground),
                }
            }
        }
    }

    /// Ground darkened by half in the middle third, and as it is around it.
    fn light() -> Light {
        let middle = |i: usize| (8..16).contains(&(i % 24)) && (8..16).contains(&(i / 24));
        let values = (0..24 * 24).map(|i| [if middle(i) { 0.5 } else { 1.0 }; 3]);
        Light {
            objects: Field::even([1.0; 3]),
            mirrored: Field::even([0.0; 3]),
            ground: Field::new(24, values.collect()).unwrap(),
        }
    }

    fn cast_on(light: &Light, alpha: u8, share: f32) -> Option<Picture> {
        let canvas = Picture::filled(40, 30, [200, 100, 50, 255]);
        let crop = CropRect {
            x: 10,
            y: 3,
            width: 24,
            height: 24,
        };
        let cast = Cast::new(light, &[0.0; 24 * 24], SIZE, [true; 4])?;
        let mut joined = canvas.clone();
        let alpha = Plane::filled(24, 24, alpha);
        let place = (&canvas, crop);
        cast.on(&mut joined, place, &alpha, (share, 1.0), &Cancel::default())
            .unwrap();
        Some(joined)
    }

    #[test]
    fn ground_is_multiplied_where_light_changes_it_and_nowhere_else() {
        let joined = cast_on(&light(), 0, 1.0).unwrap();
        for y in 0..30 {
            for x in 0..40 {
                let inside = (18..26).contains(&x) && (11..19).contains(&y);
                let wanted = if inside {
                    [100, 50, 25, 255]
                } else {
                    [200, 100, 50, 255]
                };
                assert_eq!(joined.pixel(x, y), wanted, "{x} {y}");
            }
        }
    }

    #[test]
    fn what_covers_the_ground_keeps_the_light_off_it() {
        let at = |picture: &Picture| picture.pixel(22, 15)[0];
        assert_eq!(at(&cast_on(&light(), 255, 1.0).unwrap()), 200);
        assert_eq!(at(&cast_on(&light(), 0, 0.5).unwrap()), 150);
        assert_eq!(at(&cast_on(&light(), 51, 1.0).unwrap()), 120);
        let mut cover = vec![0.0; 24 * 24];
        cover[12 * 24 + 12] = 1.0;
        let cast = Cast::new(&light(), &cover, SIZE, [true; 4]).unwrap();
        let row: Vec<_> = cast.changes.row(12, SIZE).collect();
        assert_eq!((row[11][0], row[12][0], row[13][0]), (-0.5, 0.0, -0.5));
    }

    #[test]
    fn faint_changes_are_none_and_light_fades_towards_open_sides() {
        let even = |factor: f32, mirrored: f32| Light {
            objects: Field::even([1.0; 3]),
            mirrored: Field::even([mirrored; 3]),
            ground: Field::even([factor; 3]),
        };
        let new = |light: &Light, open| Cast::new(light, &[0.0; 24 * 24], SIZE, open);
        assert_eq!(new(&even(1.01, -0.01), [false; 4]), None);
        let closed = new(&even(1.0, 0.1), [false; 4]).unwrap();
        assert_eq!(closed.reach, [0.0, 0.0, 1.0, 1.0]);
        let ends = |cast: &Cast| -> Vec<f32> {
            let row: Vec<_> = cast.changes.row(12, SIZE).collect();
            [0, 1, 2, 23].map(|x: usize| row[x][3]).to_vec()
        };
        assert_eq!(ends(&closed), [0.1; 4]);
        let open = new(&even(1.0, 0.1), [true, false, false, false]).unwrap();
        assert_eq!(ends(&open), [0.0, 0.05, 0.1, 0.1]);
    }

    #[test]
    fn a_cancelled_cast_stops_and_transparent_canvas_stays() {
        let cancel = Cancel::default();
        let cast = Cast::new(&light(), &[0.0; 24 * 24], SIZE, [false; 4]).unwrap();
        let canvas = Picture::filled(24, 24, [9, 9, 9, 0]);
        let crop = CropRect {
            x: 0,
            y: 0,
            width: 24,
            height: 24,
        };
        let mut joined = canvas.clone();
        let alpha = Plane::filled(24, 24, 0);
        let mut on =
            |cancel: &Cancel| cast.on(&mut joined, (&canvas, crop), &alpha, (1.0, 1.0), cancel);
        assert_eq!(on(&cancel), Ok(()));
        cancel.cancel();
        assert_eq!(on(&cancel), Err(Stopped));
        assert_eq!(joined, canvas);
    }
}
