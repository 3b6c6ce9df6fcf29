//! Joining a generated crop to its canvas, and joining it again in another way: all that this takes is kept with a
//! finished output, so that feather, size and colours can be changed without generating anything anew.

use std::sync::Arc;

use super::blend::{Layer, Rgb, Stopped, composite, soft_alpha};
use super::cast::{Cast, strengthen};
use super::colour::ColourMatch;
use super::detail::{Base, Detail};
use super::event::CropRect;
use super::generator::Cancel;
use super::prepare::Region;
use crate::doc::field::squared_distance;
use crate::doc::job::BlendSpec;
use crate::doc::{Picture, Plane};

/// What joins one generated crop to its canvas.
#[derive(Debug)]
pub struct Joining {
    pub(super) canvas: Arc<Picture>,
    pub(super) crop: CropRect,
    pub(super) made: Made,
    pub(super) region: Arc<Region>,
    /// Fitted on the known ground, whether it is used or not.
    pub(super) colour: ColourMatch,
}

/// What a crop is made of before it is joined.
#[derive(Debug)]
pub(super) struct Made {
    pub generated: Rgb,
    /// The canvas with what was laid into it, of `generated`'s size.
    pub base: Arc<Base>,
    /// [`super::generator::GeneratorInfo::grain`].
    pub grain: f32,
    /// The crop with what was laid into it, of the crop's size.
    pub collage: Option<Arc<Picture>>,
    /// The same with the objects in the light they came in; `None` if the model gave them no other.
    pub own: Option<Arc<Own>>,
    /// The collage with its ground in the light it came in; `None` if the model gave it no other.
    pub flat: Option<Arc<Picture>>,
    /// How far objects cover each pixel of the crop; `None` if nothing was laid in and lit.
    pub cover: Option<Arc<Plane>>,
    /// What the light that the model found does to the ground around the region.
    pub cast: Option<Arc<Cast>>,
}

/// A collage whose objects are in the light they came in.
#[derive(Debug)]
pub(super) struct Own {
    /// At the model's size: RGB in 0..1.
    pub small: Vec<f32>,
    /// Of the crop's size.
    pub collage: Arc<Picture>,
}

impl Made {
    /// The canvas with this laid over `crop` through `alpha`.
    pub fn over(
        &self,
        (canvas, crop): (&Picture, CropRect),
        alpha: &Plane,
        blend: &BlendSpec,
        colour: &ColourMatch,
        cancel: &Cancel,
    ) -> Result<Picture, Stopped> {
        let place = (canvas, crop);
        let mut joined = self.relit(place, alpha, blend, colour, cancel)?;
        if let Some(cover) = self.cover.as_deref().filter(|_| blend.brightness != 1.0) {
            brighten(&mut joined, place, (alpha, cover), blend.brightness);
        }
        if blend.shadow != 1.0
            && let (Some(lit), Some(flat)) = (&self.collage, &self.flat)
        {
            strengthen(&mut joined, place, alpha, (lit, flat), blend.shadow, cancel)?;
        }
        if let Some(cast) = self.cast.as_deref().filter(|_| blend.cast > 0.0) {
            let share = (blend.cast, blend.shadow);
            cast.on(&mut joined, place, alpha, share, cancel)?;
        }
        Ok(joined)
    }

    /// The same without what its light does beyond the region, its objects in as much of the model's light as
    /// [`BlendSpec::relight`] says.
    fn relit(
        &self,
        place: (&Picture, CropRect),
        alpha: &Plane,
        blend: &BlendSpec,
        colour: &ColourMatch,
        cancel: &Cancel,
    ) -> Result<Picture, Stopped> {
        let own = self.own.as_deref().filter(|_| blend.relight < 1.0);
        let Some(own) = own else {
            return self.lit(place, alpha, blend, colour, cancel);
        };
        let mut generated = self.generated.clone();
        // Before the objects have their own colours again: they are not to be matched to anything.
        for pixel in generated.values.chunks_exact_mut(3) {
            pixel.copy_from_slice(&colour.apply([pixel[0], pixel[1], pixel[2]]));
        }
        let base = self.base.unlit(&mut generated.values, &own.small);
        let bare = Self {
            generated,
            base: Arc::new(base),
            grain: self.grain,
            collage: Some(Arc::clone(&own.collage)),
            own: None,
            flat: None,
            cover: None,
            cast: None,
        };
        let none = ColourMatch::none();
        let bare = bare.lit(place, alpha, blend, &none, cancel)?;
        if blend.relight == 0.0 {
            return Ok(bare);
        }
        let lit = self.lit(place, alpha, blend, colour, cancel)?;
        Ok(mixed(bare, &lit, blend.relight))
    }

    /// The same with its objects in the model's light.
    fn lit(
        &self,
        (canvas, crop): (&Picture, CropRect),
        alpha: &Plane,
        blend: &BlendSpec,
        colour: &ColourMatch,
        cancel: &Cancel,
    ) -> Result<Picture, Stopped> {
        let detail = blend
            .keep_detail
            .then(|| Detail::new(&self.generated, &self.base, self.grain));
        let layer = match &detail {
            Some(detail) => Layer::Detailed(detail, self.collage.as_deref()),
            None => Layer::Plain(&self.generated),
        };
        composite(canvas, crop, layer, alpha, colour, cancel)
    }
}

/// Makes what covers the crop of a joined picture, where it shows, so many times as bright; both planes are of the crop's size.
/// Where it half covers a pixel, the canvas's share of that stays as it is.
fn brighten(
    joined: &mut Picture,
    (canvas, crop): (&Picture, CropRect),
    (alpha, cover): (&Plane, &Plane),
    factor: f32,
) {
    let (width, stride) = (crop.width as usize, joined.width() as usize);
    let rows = alpha
        .values()
        .chunks_exact(width)
        .zip(cover.values().chunks_exact(width));
    for (y, (alpha, cover)) in rows.enumerate() {
        let start = 4 * ((crop.y as usize + y) * stride + crop.x as usize);
        let place = start..start + 4 * width;
        let below = canvas.pixels()[place.clone()].chunks_exact(4);
        let pixels = joined.pixels_mut()[place].chunks_exact_mut(4).zip(below);
        for (((pixel, below), alpha), cover) in pixels.zip(alpha).zip(cover) {
            let share = f32::from(*alpha) * f32::from(*cover) / (255.0 * 255.0);
            if share == 0.0 {
                continue;
            }
            for (value, below) in pixel[..3].iter_mut().zip(below) {
                let now = f32::from(*value);
                let own = (now - (1.0 - share) * f32::from(*below)).clamp(0.0, 255.0 * share);
                *value = (now + (factor - 1.0) * own).round().clamp(0.0, 255.0) as u8;
            }
        }
    }
}

/// So much of `b` in `a`, a picture of the same size.
fn mixed(mut a: Picture, b: &Picture, share: f32) -> Picture {
    for (a, b) in a.pixels_mut().iter_mut().zip(b.pixels()) {
        let (from, to) = (f32::from(*a), f32::from(*b));
        *a = (from + share * (to - from)).round() as u8;
    }
    a
}

impl Joining {
    /// The whole picture, joined as `blend` says: the same bytes that a job with this blend gives.
    ///
    /// # Errors
    /// [`Stopped`] soon after `cancel` is set.
    pub fn joined(&self, blend: &BlendSpec, cancel: &Cancel) -> Result<Picture, Stopped> {
        let alpha = alpha(&self.region, self.crop, &self.canvas, blend);
        self.through(&alpha, blend, cancel)
    }

    /// As [`Joining::joined`], with the alpha of that blend at hand.
    pub(super) fn through(
        &self,
        alpha: &Plane,
        blend: &BlendSpec,
        cancel: &Cancel,
    ) -> Result<Picture, Stopped> {
        let colour = if blend.colour_match {
            self.colour
        } else {
            ColourMatch::none()
        };
        let place = (&*self.canvas, self.crop);
        self.made.over(place, alpha, blend, &colour, cancel)
    }

    /// Whether [`BlendSpec::relight`] changes anything: something was laid in and given another light.
    pub fn relights(&self) -> bool {
        self.made.own.is_some()
    }

    /// Whether [`BlendSpec::shadow`] changes anything: light was found on the ground.
    pub fn shades(&self) -> bool {
        self.made.flat.is_some()
    }

    /// Whether [`BlendSpec::cast`] changes anything: the light that was found reaches beyond what was masked.
    pub fn casts(&self) -> bool {
        self.made.cast.is_some()
    }
}

/// How much of the generated picture shows in the crop.
pub(super) fn alpha(region: &Region, crop: CropRect, canvas: &Picture, blend: &BlendSpec) -> Plane {
    let area = region.editable.values().iter().filter(|v| **v > 0).count();
    let unit = (area as f32).sqrt();
    let open = crop.open_in((canvas.width(), canvas.height()));
    let feather = blend.feather * unit;
    let by = blend.grow * unit;
    if by == 0.0 {
        return soft_alpha(&region.editable, &region.selected, feather, open);
    }
    let editable = moved_edge(&region.editable, by);
    // A region that shrinks takes the mask in it along, so that its edge stays as soft as it was.
    let selected = if by < 0.0 {
        moved_edge(&region.selected, by)
    } else {
        region.selected.clone()
    };
    soft_alpha(&editable, &selected, feather, open)
}

/// A plane of 0 and 255 with its edge moved outwards by so many pixels, inwards if negative. The plane's own edge is
/// none.
fn moved_edge(plane: &Plane, by: f32) -> Plane {
    let set: Vec<bool> = plane.values().iter().map(|v| *v >= 128).collect();
    let width = plane.width() as usize;
    let mut moved = plane.clone();
    let limit = by * by;
    if by > 0.0 {
        let away = squared_distance(&set, width, 1.0);
        for (value, away) in moved.values_mut().iter_mut().zip(away) {
            *value = if away <= limit { 255 } else { 0 };
        }
    } else {
        let unset: Vec<bool> = set.iter().map(|set| !set).collect();
        let deep = squared_distance(&unset, width, 1.0);
        for (value, deep) in moved.values_mut().iter_mut().zip(deep) {
            *value = if deep > limit { 255 } else { 0 };
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(low: u32, high: u32) -> Plane {
        let values = (0..40 * 40)
            .map(|i| {
                let inside = |v: u32| (low..high).contains(&v);
                if inside(i % 40) && inside(i / 40) {
                    255
                } else {
                    0
                }
            })
            .collect();
        Plane::from_values(40, 40, values).unwrap()
    }

    #[test]
    fn an_edge_moves_both_ways() {
        let plane = square(10, 30);
        assert_eq!(moved_edge(&plane, 3.0).bounds(), Some((7, 7, 33, 33)));
        assert_eq!(moved_edge(&plane, -3.0).bounds(), Some((13, 13, 27, 27)));
        assert_eq!(moved_edge(&plane, -30.0).bounds(), None);
        let whole = square(0, 40);
        assert_eq!(moved_edge(&whole, -9.0), whole);
    }

    fn joining() -> Joining {
        let (editable, selected) = (square(10, 30), square(15, 25));
        let generated = Rgb {
            width: 8,
            height: 8,
            values: vec![1.0; 8 * 8 * 3],
        };
        Joining {
            canvas: Arc::new(Picture::filled(60, 50, [10, 20, 30, 255])),
            crop: CropRect {
                x: 5,
                y: 6,
                width: 40,
                height: 40,
            },
            made: Made {
                base: Arc::new(Base::plain(vec![1.0; 8 * 8 * 3])),
                grain: 0.0,
                collage: None,
                own: None,
                flat: None,
                cover: None,
                cast: None,
                generated,
            },
            region: Arc::new(Region { editable, selected }),
            colour: ColourMatch::none(),
        }
    }

    /// Where a joined picture differs from its canvas: left, top, right, bottom.
    fn changed(grow: f32, feather: f32) -> (u32, u32, u32, u32) {
        let joining = joining();
        let blend = BlendSpec {
            feather,
            grow,
            colour_match: true,
            keep_detail: false,
            ..BlendSpec::default()
        };
        let joined = joining.joined(&blend, &Cancel::default()).unwrap();
        let values = joined
            .pixels()
            .chunks_exact(4)
            .zip(joining.canvas.pixels().chunks_exact(4))
            .map(|(a, b)| if a == b { 0 } else { 255 })
            .collect();
        Plane::from_values(60, 50, values)
            .unwrap()
            .bounds()
            .unwrap()
    }

    #[test]
    fn growing_and_shrinking_change_what_is_joined() {
        // The region is 20 pixels wide: a tenth of it is 2.
        assert_eq!(changed(0.0, 0.0), (15, 16, 35, 36));
        assert_eq!(changed(0.1, 0.0), (13, 14, 37, 38));
        assert_eq!(changed(-0.1, 0.0), (17, 18, 33, 34));
        assert_eq!(changed(-0.1, 0.2), (17, 18, 33, 34));
    }

    #[test]
    fn brightness_is_the_objects_alone_where_it_half_covers_a_pixel() {
        let canvas = Picture::filled(3, 1, [200, 200, 200, 255]);
        let crop = CropRect {
            x: 0,
            y: 0,
            width: 3,
            height: 1,
        };
        let plane = |values: [u8; 3]| Plane::from_values(3, 1, values.to_vec()).unwrap();
        // An object of 40: not at all, to a fifth, and wholly there.
        let laid = [200, 168, 40].map(|v| [v, v, v, 255]).concat();
        for (factor, wanted) in [(3.0, [200, 184, 120]), (0.5, [200, 164, 20])] {
            let mut joined = Picture::from_rgba(3, 1, laid.clone()).unwrap();
            let planes = (&plane([255; 3]), &plane([0, 51, 255]));
            brighten(&mut joined, (&canvas, crop), planes, factor);
            assert_eq!([0, 1, 2].map(|x| joined.pixel(x, 0)[0]), wanted);
        }
    }

    #[test]
    fn a_cancelled_joining_stops() {
        let cancel = Cancel::default();
        cancel.cancel();
        let joined = joining().joined(&BlendSpec::default(), &cancel);
        assert_eq!(joined.unwrap_err(), Stopped);
    }
}
