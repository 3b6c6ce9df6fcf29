//! What needs no model: pasting the object, pasting it seamlessly, filling its place.

use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Rgba};

use super::case::Case;
use crate::data::plan::Task;
use crate::doc::contact::shade;
use crate::doc::{Picture, Plane, poisson};
use crate::io::cutout::{crop_to_alpha, cut_out_plainly};

/// The pictures of both baselines; `None` where a task has nothing to paste.
pub struct Baselines {
    /// Pasting. For removal, holes, and where there is no object to paste, the canvas as it is.
    pub naive: Picture,
    /// Pasting with the gradients kept. For removal and holes the mask filled harmonically.
    pub poisson: Option<Picture>,
}

/// Both baselines of a case. What an artist would know without a mask (where the object goes, or which one is to go)
/// they are told: the true object's place.
pub fn baselines(case: &Case) -> Baselines {
    let place = case.mask.as_deref().unwrap_or(&case.object);
    match case.task {
        Task::Remove | Task::Outpaint => Baselines {
            naive: (*case.canvas).clone(),
            poisson: Some(poisson::fill(&case.canvas, place)),
        },
        Task::Move => {
            let from = case.mask_from.as_deref().unwrap_or(place);
            let object = crop_to_alpha(&with_alpha(&case.canvas, from));
            let cleared = poisson::fill(&case.canvas, from);
            pasted(&cleared, object, place)
        }
        _ => pasted(&case.canvas, object(case), place),
    }
}

/// The object of a case's asset picture, cropped: by its own alpha, by its true mask, by taking away a plain ground,
/// or else the whole picture.
pub fn object(case: &Case) -> Option<Picture> {
    let asset = case.asset.as_deref()?;
    match &case.asset_object {
        Some(mask) if !asset.has_alpha() => crop_to_alpha(&with_alpha(asset, mask)),
        _ => cut_out_plainly(asset).or_else(|| Some(asset.clone())),
    }
}

fn pasted(canvas: &Picture, object: Option<Picture>, place: &Plane) -> Baselines {
    let layer = object.and_then(|object| layer(&object, canvas, place));
    match layer {
        Some(layer) => Baselines {
            naive: over(canvas, &layer),
            poisson: Some(seamless(canvas, &layer)),
        },
        None => Baselines {
            naive: canvas.clone(),
            poisson: None,
        },
    }
}

/// A picture with a mask of its size as its alpha.
pub(super) fn with_alpha(picture: &Picture, mask: &Plane) -> Picture {
    let mut cut = picture.clone();
    let pixels = cut.pixels_mut().chunks_exact_mut(4);
    for (pixel, &alpha) in pixels.zip(mask.values()) {
        pixel[3] = alpha;
    }
    cut
}

/// Where a cut-out of `size` goes to fill `bounds` (x0, y0, x1, y1) with its shape kept, in the middle and at the
/// bottom: x, y, width, height.
pub fn fit(size: (u32, u32), bounds: (u32, u32, u32, u32)) -> (u32, u32, u32, u32) {
    let (x0, y0, x1, y1) = bounds;
    let (wide, high) = (x1 - x0, y1 - y0);
    let scale = (f64::from(wide) / f64::from(size.0)).min(f64::from(high) / f64::from(size.1));
    let side = |own: u32, room: u32| ((f64::from(own) * scale).round() as u32).clamp(1, room);
    let (width, height) = (side(size.0, wide), side(size.1, high));
    (x0 + (wide - width) / 2, y1 - height, width, height)
}

/// The canvas with the shade that the program puts under an object that it lays like this.
pub fn shaded_under(canvas: &Picture, layer: &Picture) -> Picture {
    let (width, height) = (layer.width(), layer.height());
    let alpha = layer.pixels().iter().skip(3).step_by(4).copied().collect();
    let bounds = Plane::from_values(width, height, alpha).and_then(|alpha| alpha.bounds());
    let Some((x0, _, x1, y1)) = bounds else {
        return canvas.clone();
    };
    let colours = canvas
        .pixels()
        .chunks_exact(4)
        .flat_map(|p| [p[0], p[1], p[2]]);
    let mut values: Vec<f32> = colours.map(|v| f32::from(v) / 255.0).collect();
    let foot = [(x0 + x1) as f32 / 2.0, y1 as f32];
    shade(&mut values, width as usize, foot, (x1 - x0) as f32);
    let mut shaded = canvas.clone();
    let pixels = shaded.pixels_mut().chunks_exact_mut(4);
    for (pixel, rgb) in pixels.zip(values.chunks_exact(3)) {
        for (value, new) in pixel.iter_mut().zip(rgb) {
            *value = (new * 255.0).round() as u8;
        }
    }
    shaded
}

/// The object at its place on an empty picture of the canvas's size; `None` for an empty place.
pub fn layer(object: &Picture, canvas: &Picture, place: &Plane) -> Option<Picture> {
    layer_in(object, canvas, place.bounds()?)
}

/// The object in a rectangle (x0, y0, x1, y1) on an empty picture of the canvas's size.
pub fn layer_in(
    object: &Picture,
    canvas: &Picture,
    bounds: (u32, u32, u32, u32),
) -> Option<Picture> {
    let (x, y, width, height) = fit((object.width(), object.height()), bounds);
    // Premultiplied, so that transparent pixels lend no colour.
    let values = object.pixels().chunks_exact(4).flat_map(|p| {
        let alpha = f32::from(p[3]) / 255.0;
        [0, 1, 2]
            .map(|c| f32::from(p[c]) / 255.0 * alpha)
            .into_iter()
            .chain([alpha])
    });
    let from: ImageBuffer<Rgba<f32>, Vec<f32>> =
        ImageBuffer::from_raw(object.width(), object.height(), values.collect())?;
    let scaled = resize(&from, width, height, FilterType::Triangle);
    let mut layer = Picture::filled(canvas.width(), canvas.height(), [0; 4]);
    let stride = canvas.width() as usize;
    for (column, row, &Rgba([r, g, b, alpha])) in scaled.enumerate_pixels() {
        let at = ((y + row) as usize * stride + (x + column) as usize) * 4;
        let alpha = alpha.clamp(0.0, 1.0);
        let byte = |v: f32| (v * 255.0).round().clamp(0.0, 255.0) as u8;
        let straight = [r, g, b].map(|v| byte(v / alpha.max(1e-6)));
        layer.pixels_mut()[at..at + 3].copy_from_slice(&straight);
        layer.pixels_mut()[at + 3] = byte(alpha);
    }
    Some(layer)
}

/// `layer` over an opaque picture.
pub fn over(canvas: &Picture, layer: &Picture) -> Picture {
    let mut result = canvas.clone();
    let pixels = result.pixels_mut().chunks_exact_mut(4);
    for (to, from) in pixels.zip(layer.pixels().chunks_exact(4)) {
        let alpha = u32::from(from[3]);
        for c in 0..3 {
            to[c] =
                ((u32::from(from[c]) * alpha + u32::from(to[c]) * (255 - alpha) + 127) / 255) as u8;
        }
    }
    result
}

/// `layer` cloned into a picture by its gradients, where it covers at least half.
pub fn seamless(canvas: &Picture, layer: &Picture) -> Picture {
    let alpha = layer.pixels().iter().skip(3).step_by(4).copied().collect();
    match Plane::from_values(layer.width(), layer.height(), alpha) {
        Some(inside) => poisson::clone_into(canvas, layer, &inside, &inside),
        None => canvas.clone(),
    }
}
