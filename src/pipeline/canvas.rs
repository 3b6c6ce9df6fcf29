//! The canvas as far as a job is concerned, with what was laid into it.

use std::sync::Arc;

use super::cast::Cast;
use super::collage::{Cover, Laid, opaque};
use super::detail::Base;
use super::frame::Frame;
use super::join::Own;
use super::light::Light;
use super::prepare::Region;
use super::read::rgb;
use super::resample::{Window, resampled};
use crate::doc::{Picture, Plane};

/// The canvas as far as the job is concerned.
pub(super) struct CanvasPart {
    /// The whole canvas.
    pub picture: Arc<Picture>,
    /// The crop at the model's size, RGB in 0..1.
    pub rgb: Vec<f32>,
    /// What may change in the crop, of the crop's size; `None` if everything may.
    pub region: Option<Arc<Region>>,
    /// The crop with what was laid into it, of the crop's size; `None` if nothing was.
    pub collage: Option<(Arc<Picture>, Cover)>,
    /// The collage with its objects in the light they came in; `None` if the model gave them no other.
    pub own: Option<Arc<Picture>>,
    /// The collage with its ground in the light it came in; `None` if the model gave it no other.
    pub flat: Option<Arc<Picture>>,
    /// How far objects cover each pixel of the crop; `None` if the model gave them no light.
    pub cover: Option<Arc<Plane>>,
    /// Cut-outs were laid in and lit: how bright they are is open. (What is moved shows it, and an artist's collage says it.)
    pub varies: bool,
    /// The collage is in the model's light.
    pub lit: bool,
    /// What that light does to the ground around.
    pub cast: Option<Arc<Cast>>,
}

impl CanvasPart {
    /// The crop with what was laid into it.
    pub fn collage(&self) -> Option<&Arc<Picture>> {
        self.collage.as_ref().map(|(picture, _)| picture)
    }

    /// Takes down what was laid into the crop, of the crop's size.
    pub fn lay(&mut self, laid: &Laid, size: (u32, u32), cover: Cover) {
        let picture = |values: &[f32]| Arc::new(opaque(values, size.0, size.1));
        self.own = laid.own.as_deref().map(picture);
        self.cover = (laid.own.as_ref())
            .and_then(|_| plane(&laid.cover, size))
            .map(Arc::new);
        self.flat = laid.flat.as_deref().map(picture);
        self.collage = Some((picture(&laid.values), cover));
    }

    /// Takes down the light on what was laid into the crop, which covers it so far (`cover`, at the model's size).
    pub fn light(&mut self, light: &Light, cover: &[f32], frame: &Frame) {
        self.lit = true;
        let size = (frame.width as usize, frame.height as usize);
        let open = frame
            .crop
            .open_in((self.picture.width(), self.picture.height()));
        self.cast = Cast::new(light, cover, size, open).map(Arc::new);
    }

    /// The canvas with what was laid into it, as the model's picture would show it.
    pub fn base(&self, frame: &Frame) -> Base {
        let Some((collage, cover)) = &self.collage else {
            return Base::plain(self.rgb.clone());
        };
        let values = at_models_size(collage, frame);
        match cover {
            Cover::Unknown => Base::unlike(values, &self.rgb),
            Cover::Objects(cover) => Base::covered(values, cover.clone()),
            Cover::OnFilled(cover) => Base::filled(values, cover.clone()),
        }
    }

    /// The collage with its objects in the light they came in, if the model gave them another.
    pub fn own(&self, frame: &Frame) -> Option<Own> {
        let collage = Arc::clone(self.own.as_ref()?);
        Some(Own {
            small: at_models_size(&collage, frame),
            collage,
        })
    }
}

/// Values in 0..1 as a plane.
fn plane(values: &[f32], (width, height): (u32, u32)) -> Option<Plane> {
    let bytes = values.iter().map(|v| (v * 255.0).round() as u8);
    Plane::from_values(width, height, bytes.collect())
}

/// An opaque picture of the crop's size at the model's: RGB in 0..1.
fn at_models_size(picture: &Picture, frame: &Frame) -> Vec<f32> {
    let whole = Window {
        x: 0.0,
        y: 0.0,
        width: f64::from(picture.width()),
        height: f64::from(picture.height()),
    };
    let size = (frame.width as usize, frame.height as usize);
    resampled(whole, size, 3, &mut |y, x, row| {
        rgb(picture, y, x, row, &|_, _| [0; 3]);
    })
}
