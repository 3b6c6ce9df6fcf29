//! The rough collage that a job without a placement control starts from: each cut-out laid into its mask's bounds,
//! or the canvas without what the words take away.
//!
//! A small model need not invent what can be pasted or filled in: it gets that as a placement control and mends
//! pose, light, contact and shadow.

use super::canvas::CanvasPart;
use super::error::PipelineError;
use super::event::CropRect;
use super::frame::Frame;
use super::generator::{Cancel, GeneratorInfo, InputImage, Inputs};
use super::light::{Light, LightInput, unlike};
use super::prepare::{Lamp, canvas_rgb, collage_ground, cut, go_on, key, window_in};
use super::read::rgb;
use super::resample::{Window, resampled};
use super::start::start;
use crate::doc::contact::shade;
use crate::doc::job::JobInput;
use crate::doc::prompt::{Intent, intent};
use crate::doc::silhouette::bend;
use crate::doc::{ControlKind, Job, Level, Picture, Role};

/// Gives the model a rough collage if the job needs one, and the composition the collage at full resolution; both in
/// the light that `lamp` gives them.
pub(super) fn add_collage(
    job: &Job,
    info: &GeneratorInfo,
    inputs: &mut Inputs,
    part: &mut CanvasPart,
    frame: &Frame,
    lamp: &mut Lamp<'_>,
    cancel: &Cancel,
) -> Result<(), PipelineError> {
    let masks = inputs.images.get(job.pictures.len()..).unwrap_or_default();
    let mut masked = vec![0.0f32; part.rgb.len() / 3];
    for mask in masks {
        for (all, one) in masked.iter_mut().zip(&mask.values) {
            *all = all.max(*one);
        }
    }
    let canvas = part.rgb.clone();
    let mut light = |laid: &[f32], cover: &[f32]| {
        if !info.lights {
            return Ok(None);
        }
        go_on(cancel)?;
        lamp(&LightInput {
            width: frame.width,
            height: frame.height,
            canvas: canvas.clone(),
            laid: laid.to_vec(),
            cover: cover.to_vec(),
            masked: masked.clone(),
        })
    };
    let size = (frame.width as usize, frame.height as usize);
    let (width, height) = (frame.crop.width, frame.crop.height);
    let full = (width as usize, height as usize);
    let placement = |input: &JobInput| input.kind == Some(ControlKind::Placement);
    if let Some(at) = job.spec.inputs.iter().position(placement) {
        go_on(cancel)?;
        let mut values = given_collage(&job.pictures[at], &part.picture, frame.crop);
        let (mut own, mut flat, mut full_cover) = (None, None, Vec::new());
        let image = &mut inputs.images[at];
        let cover = unlike(&image.values, &part.rgb);
        let cover = match light(&image.values, &cover)? {
            None => Cover::Unknown,
            Some(light) => {
                light.on_unknown(&mut image.values, &part.rgb, &cover, size);
                image.key = key(&image.values, frame.width, frame.height);
                let ground = canvas_rgb(&part.picture, frame.crop, full);
                let whole = unlike(&values, &ground);
                let in_light = |light: &Light| {
                    let mut lit = values.clone();
                    light.on_unknown(&mut lit, &ground, &whole, full);
                    Some(lit)
                };
                own = in_light(&light.on_ground_alone());
                flat = in_light(&light.on_objects_alone());
                light.on_unknown(&mut values, &ground, &whole, full);
                part.light(&light, &cover, frame);
                full_cover = whole;
                Cover::Objects(cover)
            }
        };
        let laid = Laid {
            values,
            own,
            flat,
            cover: full_cover,
        };
        part.lay(&laid, (width, height), cover);
        return Ok(());
    }
    if inputs.images.len() >= info.max_inputs {
        return Ok(());
    }
    let mask = |region: usize| masks[region].values.clone();
    let ground = || part.rgb.clone();
    let unlit = Laying {
        shaded: !info.lights,
        light: None,
    };
    let (values, full, cover) = match collage(job, inputs, size, ground, mask, unlit) {
        Some(mut small) => {
            go_on(cancel)?;
            let light = light(&small.values, &small.cover)?;
            let lit = Laying {
                shaded: light.is_none(),
                light: light.as_ref(),
            };
            if light.is_some()
                && let Some(again) = collage(job, inputs, size, ground, mask, lit)
            {
                small = again;
            }
            let ground = || canvas_rgb(&part.picture, frame.crop, full);
            let mask = |region: usize| {
                let mask = cut(&job.masks[region], frame.crop);
                mask.values()
                    .iter()
                    .map(|v| f32::from(*v) / 255.0)
                    .collect()
            };
            let full = collage(job, inputs, full, ground, mask, lit);
            if let Some(light) = &light {
                part.light(light, &small.cover, frame);
                part.varies = true;
            }
            let cover = Cover::Objects(small.cover);
            (small.values, full, cover)
        }
        None => {
            let Some(mut start) = start(job, inputs, part, frame, cancel)? else {
                return Ok(());
            };
            let small = start.small(size, None);
            // Light is learned from what is laid and what is taken away.
            let light = match intent(&job.spec.prompt) {
                Intent::Extend => None,
                _ => light(&small.values, &small.cover)?,
            };
            let light = light.map(|light| start.evened(light, size));
            let small = match &light {
                None => small,
                light => start.small(size, light.as_ref()),
            };
            if let Some(light) = &light {
                part.light(light, &small.cover, frame);
            }
            let full = start.full(full, light.as_ref());
            (small.values, Some(full), Cover::OnFilled(small.cover))
        }
    };
    if let Some(full) = full {
        part.lay(&full, (width, height), cover);
    }
    // Last, so that the prompt's numbers stay; the words never name it.
    inputs.images.push(InputImage {
        key: key(&values, frame.width, frame.height),
        role: Role::Control,
        kind: Some(ControlKind::Placement),
        level: None,
        fit: None,
        width: frame.width,
        height: frame.height,
        values,
        placed: None,
    });
    Ok(())
}

/// An artist's own collage over the canvas, of the crop's size.
fn given_collage(given: &Picture, canvas: &Picture, crop: CropRect) -> Vec<f32> {
    let part = window_in(given, crop, Some(canvas));
    let ground = collage_ground(given, Some(canvas));
    let size = (crop.width as usize, crop.height as usize);
    resampled(part, size, 3, &mut |y, x, row| {
        rgb(given, y, x, row, &ground);
    })
}

/// An opaque picture of RGB in 0..1.
pub(super) fn opaque(values: &[f32], width: u32, height: u32) -> Picture {
    let mut picture = Picture::filled(width, height, [0, 0, 0, 255]);
    for (pixel, rgb) in picture
        .pixels_mut()
        .chunks_exact_mut(4)
        .zip(values.chunks_exact(3))
    {
        for (value, new) in pixel.iter_mut().zip(rgb) {
            *value = (new * 255.0).round() as u8;
        }
    }
    picture
}

/// What is known of what was laid into a canvas, at the model's size.
pub(super) enum Cover {
    /// An artist's own collage: nothing but its difference from the canvas.
    Unknown,
    /// How far objects cover each pixel, 0..1.
    Objects(Vec<f32>),
    /// The same where a part of the ground was filled besides.
    OnFilled(Vec<f32>),
}

/// A picture with something laid into it.
pub(super) struct Laid {
    /// RGB in 0..1.
    pub values: Vec<f32>,
    /// How far each pixel is covered by what was laid in, 0..1.
    pub cover: Vec<f32>,
    /// The same as `values` but for the objects, which are in the light they came in; only where they are lit.
    pub own: Option<Vec<f32>>,
    /// The same as `values` but for the ground, which is in the light it came in; only where it is lit.
    pub flat: Option<Vec<f32>>,
}

impl Laid {
    /// A ground in this light, with nothing on it yet.
    pub fn ground(mut values: Vec<f32>, size: (usize, usize), light: Option<&Light>) -> Self {
        let flat = light.map(|_| values.clone());
        if let Some(light) = light {
            light.on_ground(&mut values, size);
        }
        Self {
            values,
            cover: vec![0.0; size.0 * size.1],
            own: None,
            flat,
        }
    }

    /// Bends an object (colours times cover) into a silhouette.
    fn bend(&mut self, silhouette: &[f32], width: usize) {
        let pixels = self.values.chunks_exact_mut(3).zip(&self.cover);
        for (pixel, cover) in pixels.filter(|(_, cover)| **cover > 0.0) {
            pixel.iter_mut().for_each(|value| *value /= cover);
        }
        bend(&mut self.values, &mut self.cover, silhouette, width);
        for (pixel, cover) in self.values.chunks_exact_mut(3).zip(&self.cover) {
            pixel.iter_mut().for_each(|value| *value *= cover);
        }
    }

    /// Lays an object (colours times cover, of its size) over it.
    fn over_whole(&mut self, mut object: Laid, size: (usize, usize), light: Option<&Light>) {
        if let Some(own) = &mut self.own {
            let pixels = own.chunks_exact_mut(3).zip(object.values.chunks_exact(3));
            for ((pixel, colour), alpha) in pixels.zip(&object.cover) {
                mix(pixel, colour, *alpha);
            }
        }
        if let Some(light) = light {
            light.on_objects(&mut object.values, &object.cover, size);
        }
        self.over(&object, size.0, size.0, (0, 0));
    }

    /// Lays an object (colours times cover, `wide` pixels wide) over it (`width` pixels wide), its corner at `at`.
    fn over(&mut self, object: &Laid, wide: usize, width: usize, at: (usize, usize)) {
        let colours = object.values.chunks_exact(3);
        for (i, (colour, alpha)) in colours.zip(&object.cover).enumerate() {
            let to = (at.1 + i / wide) * width + at.0 + i % wide;
            self.cover[to] = self.cover[to].max(*alpha);
            mix(&mut self.values[to * 3..], colour, *alpha);
            if let Some(flat) = &mut self.flat {
                mix(&mut flat[to * 3..], colour, *alpha);
            }
        }
    }
}

/// A colour times its cover over a pixel.
fn mix(pixel: &mut [f32], colour: &[f32], alpha: f32) {
    for (value, colour) in pixel.iter_mut().zip(colour) {
        *value = (*value * (1.0 - alpha) + colour).clamp(0.0, 1.0);
    }
}

/// How a cut-out is laid.
pub(super) struct Fit<'a> {
    /// On a ground as dark as under objects on average.
    pub shaded: bool,
    /// How far it may be stretched to fill its place, as a ratio; 1 keeps its shape.
    pub stretch: f64,
    /// What it is bent into: how far each pixel is to be covered, 0..1.
    pub silhouette: Option<Vec<f32>>,
    /// The light it stands in.
    pub light: Option<&'a Light>,
}

impl Fit<'_> {
    /// As it is.
    pub const PLAIN: Self = Self {
        shaded: false,
        stretch: 1.0,
        silhouette: None,
        light: None,
    };
}

/// What a collage's objects and ground look like.
#[derive(Clone, Copy)]
struct Laying<'a> {
    /// The ground is as dark as under objects on average.
    shaded: bool,
    /// The light on both.
    light: Option<&'a Light>,
}

/// The collage of a job at `size` pixels, on the crop of the canvas that `ground` gives; `None` if no
/// cut-out has a place. `inputs` are the model's pictures of the job, in the order of the job's; `mask` gives a region's
/// mask in the crop, of `size`.
fn collage(
    job: &Job,
    inputs: &Inputs,
    size: (usize, usize),
    ground: impl FnOnce() -> Vec<f32>,
    mask: impl Fn(usize) -> Vec<f32>,
    laying: Laying<'_>,
) -> Option<Laid> {
    let regions = &job.spec.regions;
    let region = |at: usize| regions.iter().position(|r| r.asset == Some(at));
    let placed: Vec<(&Picture, [f32; 4], usize)> = inputs
        .images
        .iter()
        .zip(&job.pictures)
        .enumerate()
        .filter(|(_, (image, picture))| image.role == Role::Asset && picture.has_alpha())
        .filter_map(|(at, (image, picture))| {
            let region = region(at)?;
            let place = meant(image.placed?, regions[region].level);
            Some((picture.as_ref(), place, region))
        })
        .collect();
    if placed.is_empty() {
        return None;
    }
    let mut laid = Laid::ground(ground(), size, laying.light);
    if laying.light.is_some() {
        laid.own = Some(laid.values.clone());
    }
    let mut any = false;
    for (picture, placed, region) in placed {
        let level = regions[region].level;
        let fit = Fit {
            shaded: laying.shaded,
            light: laying.light,
            stretch: level.most_stretch(),
            silhouette: (level == Level::Exact).then(|| mask(region)),
        };
        any |= paste(&mut laid, size, picture, placed, &fit);
    }
    any.then_some(laid)
}

/// Where in a mask's bounds (top, left, bottom, right) the object is meant to be.
pub(super) fn meant([top, left, bottom, right]: [f32; 4], level: Level) -> [f32; 4] {
    let (share, lift) = level.object_share();
    let (width, height) = (f64::from(right - left), f64::from(bottom - top));
    let margin = (1.0 - share) / 2.0 * width;
    let low = f64::from(bottom) - lift * height;
    [
        (low - share * height) as f32,
        (f64::from(left) + margin) as f32,
        low as f32,
        (f64::from(right) - margin) as f32,
    ]
}

/// Lays a cut-out into `placed` (top, left, bottom, right as shares): as large as fits, standing on the lower edge.
pub(super) fn paste(
    laid: &mut Laid,
    size: (usize, usize),
    picture: &Picture,
    placed: [f32; 4],
    fit: &Fit<'_>,
) -> bool {
    if !picture.has_alpha() {
        return false;
    }
    let Some((x0, y0, x1, y1)) = picture.visible_bounds() else {
        return false;
    };
    let [top, left, bottom, right] = placed.map(f64::from);
    let (columns, rows) = (size.0 as f64, size.1 as f64);
    let (left, right) = (left * columns, right * columns);
    let (top, bottom) = (top * rows, bottom * rows);
    let (width, height) = (f64::from(x1 - x0), f64::from(y1 - y0));
    let (wide, high) = ((right - left) / width, (bottom - top) / height);
    let most = fit.stretch * wide.min(high);
    let w = ((width * wide.min(most)).round() as usize).clamp(1, size.0);
    let h = ((height * high.min(most)).round() as usize).clamp(1, size.1);
    let middle = (left + right) / 2.0;
    let x = ((middle - w as f64 / 2.0).round().max(0.0) as usize).min(size.0 - w);
    let y = ((bottom.round() as usize).max(h) - h).min(size.1 - h);
    let part = Window {
        x: f64::from(x0),
        y: f64::from(y0),
        width,
        height,
    };
    if fit.shaded {
        let foot = [x as f32 + w as f32 / 2.0, (y + h) as f32];
        shade(&mut laid.values, size.0, foot, w as f32);
    }
    // Colours times alpha, so that transparent pixels leave no rim.
    let colour = resampled(part, (w, h), 3, &mut |y, x, row| {
        rgb(picture, y, x, row, &|_, _| [0; 3]);
    });
    let alpha = resampled(part, (w, h), 1, &mut |y, x, row| {
        for (i, value) in row.iter_mut().enumerate() {
            let x = (x + i as i64).max(0) as u32;
            *value = f32::from(picture.pixel(x, y.max(0) as u32)[3]) / 255.0;
        }
    });
    let object = Laid {
        values: colour,
        cover: alpha.into_iter().map(|a| a.clamp(0.0, 1.0)).collect(),
        own: None,
        flat: None,
    };
    if fit.silhouette.is_none() && fit.light.is_none() {
        laid.over(&object, w, size.0, (x, y));
        return true;
    }
    let mut whole = Laid::ground(vec![0.0; size.0 * size.1 * 3], size, None);
    whole.over(&object, w, size.0, (x, y));
    if let Some(silhouette) = &fit.silhouette {
        // It may reach beyond where it is now.
        whole.bend(silhouette, size.0);
    }
    laid.over_whole(whole, size, fit.light);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_out_stands_on_the_lower_edge_of_its_place_and_keeps_its_shape() {
        let mut picture = Picture::filled(40, 40, [0; 4]);
        for y in 10..20 {
            for x in 10..30 {
                picture.pixels_mut()[(y * 40 + x) * 4..][..4].copy_from_slice(&[255, 0, 0, 255]);
            }
        }
        let mut laid = Laid::ground(vec![0.5; 64 * 64 * 3], (64, 64), None);
        // Twice as wide as high, into a square of 32 pixels: 32 × 16 at its lower edge, its rim softened.
        assert!(paste(
            &mut laid,
            (64, 64),
            &picture,
            [0.25, 0.25, 0.75, 0.75],
            &Fit::PLAIN
        ));
        let Laid { values, cover, .. } = &laid;
        let red: Vec<usize> = (0..64 * 64)
            .filter(|i| values[i * 3] > 0.99 && values[i * 3 + 1] < 0.01)
            .collect();
        assert_eq!(red.len(), 30 * 14);
        assert_eq!((red[0] / 64, red[0] % 64), (33, 17));
        let inside = |i: usize| (32..48).contains(&(i / 64)) && (16..48).contains(&(i % 64));
        assert!((0..64 * 64).all(|i| inside(i) || values[i * 3..i * 3 + 3] == [0.5; 3]));
        assert!((0..64 * 64).all(|i| (cover[i] > 0.0) == (values[i * 3] > 0.5)));
        let object = laid.values.clone();
        let cover = laid.cover.clone();
        assert!(paste(
            &mut laid,
            (64, 64),
            &picture,
            [0.25, 0.25, 0.75, 0.75],
            &Fit {
                shaded: true,
                ..Fit::PLAIN
            }
        ));
        // The ground at its foot is darker, the object is not.
        let foot = (48 * 64 + 32) * 3;
        assert!(laid.values[foot] < 0.8 * object[foot]);
        let whole = (0..64 * 64).filter(|i| cover[*i] == 1.0);
        assert!(
            whole
                .into_iter()
                .all(|i| laid.values[i * 3] == object[i * 3])
        );
    }

    #[test]
    fn coarse_masks_are_larger_than_what_is_meant() {
        let place = [0.25, 0.25, 0.75, 0.75];
        assert_eq!(meant(place, Level::Exact), place);
        let near = |a: [f32; 4], b: [f32; 4]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        // 0.44 wide in the middle, its foot 0.035 above the mask's.
        assert!(near(meant(place, Level::Blob), [0.275, 0.28, 0.715, 0.72]));
    }

    #[test]
    fn opaque_pictures_are_not_pasted() {
        let mut laid = Laid::ground(vec![0.5; 16 * 16 * 3], (16, 16), None);
        let picture = Picture::filled(8, 8, [1, 2, 3, 255]);
        let place = [0.0, 0.0, 1.0, 1.0];
        assert!(!paste(&mut laid, (16, 16), &picture, place, &Fit::PLAIN));
        assert!(laid.values.iter().all(|v| *v == 0.5));
    }
}
