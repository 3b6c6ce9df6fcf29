//! From a job's pictures and masks to what the model sees.

use std::sync::Arc;

use super::asset::asset_image;
use super::canvas::CanvasPart;
use super::collage::add_collage;
use super::error::PipelineError;
use super::event::CropRect;
use super::frame::Frame;
use super::generator::{Cancel, Family, GeneratorInfo, InputImage, Inputs};
use super::light::{Light, LightInput};
use super::read::{grey, on_ground, plane, rgb};
use super::resample::{Window, resampled};
use crate::doc::job::JobInput;
use crate::doc::level::{editable_region, shown_mask};
use crate::doc::retold::{AskedRegion, asked_regions};
use crate::doc::{ControlKind, Job, Level, Picture, Plane, Role};

/// The ground under an asset, and what is around it.
pub(super) const ASSET_GROUND: [u8; 3] = [128; 3];

/// All that is known before the model computes anything.
pub(super) struct Prepared {
    /// What the generator is to be given.
    pub inputs: Inputs,
    /// What is generated, and at which size.
    pub frame: Frame,
    /// The canvas, for jobs that have one.
    pub canvas: Option<CanvasPart>,
}

/// What may change, of the crop's size.
#[derive(Debug)]
pub(super) struct Region {
    /// 255 where the picture may change.
    pub editable: Plane,
    /// 255 on the masks themselves.
    pub selected: Plane,
}

/// The part of the canvas a job would work on, for a model of this resolution; `None` for a job whose masks
/// select nothing. Needs no model: the window draws it.
pub fn frame_of(job: &Job, resolution: u32, multiple: u32) -> Option<Frame> {
    let canvas = canvas_of(job)?;
    let whole = CropRect {
        x: 0,
        y: 0,
        width: canvas.width(),
        height: canvas.height(),
    };
    if let Some([x, y, width, height]) = job.spec.crop {
        let crop = CropRect {
            x,
            y,
            width,
            height,
        };
        return Some(Frame::fixed(crop, resolution, multiple));
    }
    if job.masks.is_empty() {
        return Some(Frame::fixed(whole, resolution, multiple));
    }
    let editable = editable_union(job, &Cancel::default()).ok()?;
    let size = (canvas.width(), canvas.height());
    Some(Frame::around(
        size,
        editable.bounds()?,
        resolution,
        multiple,
    ))
}

fn canvas_of(job: &Job) -> Option<&Arc<Picture>> {
    job.pictures.get(job.spec.canvas()?)
}

pub(super) fn go_on(cancel: &Cancel) -> Result<(), PipelineError> {
    if cancel.is_cancelled() {
        Err(PipelineError::Cancelled)
    } else {
        Ok(())
    }
}

/// Where any region may change the canvas.
fn editable_union(job: &Job, cancel: &Cancel) -> Result<Plane, PipelineError> {
    let mut union: Option<Plane> = None;
    for (mask, region) in job.masks.iter().zip(&job.spec.regions) {
        go_on(cancel)?;
        let editable = editable_region(mask, region.level);
        match &mut union {
            None => union = Some(editable),
            Some(union) => {
                for (value, new) in union.values_mut().iter_mut().zip(editable.values()) {
                    *value |= new;
                }
            }
        }
    }
    Ok(union.unwrap_or_else(|| Plane::filled(1, 1, 0)))
}

/// Asks the generator for light.
pub(super) type Lamp<'a> = dyn FnMut(&LightInput) -> Result<Option<Light>, PipelineError> + 'a;

/// Builds everything the generator needs; the job has been validated.
pub(super) fn prepare(
    job: &Job,
    info: &GeneratorInfo,
    lamp: &mut Lamp<'_>,
    cancel: &Cancel,
) -> Result<Prepared, PipelineError> {
    let compiled = job.spec.compile()?;
    let (resolution, multiple) = (info.resolution, info.multiple);
    let (frame, mut canvas) = match canvas_of(job) {
        None => {
            let [width, height] = job.spec.size.unwrap_or([resolution, resolution]);
            let whole = CropRect {
                x: 0,
                y: 0,
                width,
                height,
            };
            (Frame::fixed(whole, resolution, multiple), None)
        }
        Some(picture) => {
            let (frame, region) = canvas_frame(job, picture, info, cancel)?;
            let size = (frame.width as usize, frame.height as usize);
            let rgb = canvas_rgb(picture, frame.crop, size);
            let picture = Arc::clone(picture);
            let part = CanvasPart {
                picture,
                rgb,
                region: region.map(Arc::new),
                collage: None,
                own: None,
                flat: None,
                cover: None,
                varies: false,
                lit: false,
                cast: None,
            };
            (frame, Some(part))
        }
    };
    let mut images = Vec::with_capacity(job.pictures.len() + job.masks.len());
    for (at, (input, picture)) in job.spec.inputs.iter().zip(&job.pictures).enumerate() {
        go_on(cancel)?;
        images.push(input_image(job, at, input, picture, &frame, &canvas, info));
    }
    for (mask, region) in job.masks.iter().zip(&job.spec.regions) {
        go_on(cancel)?;
        let size = (frame.width as usize, frame.height as usize);
        // A box was trained as a rectangle, whatever the stroke looks like.
        let shown = shown_mask(mask, region.level);
        let values = resampled(window(frame.crop), size, 1, &mut |y, x, row| {
            plane(&shown, y, x, row)
        });
        images.push(mask_image(values, region.level, &frame));
    }
    let mut inputs = Inputs {
        text: compiled.text,
        base: compiled.base,
        tags_set: !compiled.derived_tags,
        tags: compiled.tags,
        images,
        width: frame.width,
        height: frame.height,
        joint: job.spec.joint as usize,
        map: job.spec.is_map(),
        mode: job.spec.masked_mode(),
        regions: regions_in_words(job, frame.crop),
        editable: editable_pixels(&frame, &canvas),
    };
    if info.family == Family::UniReal
        && let Some(part) = &mut canvas
    {
        add_collage(job, info, &mut inputs, part, &frame, lamp, cancel)?;
    }
    Ok(Prepared {
        inputs,
        frame,
        canvas,
    })
}

/// The masked places as a model is told of them that sees this crop.
fn regions_in_words(job: &Job, crop: CropRect) -> Vec<AskedRegion> {
    let regions = job.spec.regions.iter().zip(&job.masks);
    let regions: Vec<_> = regions.map(|(r, mask)| (r.asset, mask.bounds())).collect();
    asked_regions(&regions, [crop.x, crop.y, crop.width, crop.height])
}

/// The crop of the canvas on white, RGB in 0..1.
pub(super) fn canvas_rgb(canvas: &Picture, crop: CropRect, size: (usize, usize)) -> Vec<f32> {
    resampled(window(crop), size, 3, &mut |y, x, row| {
        rgb(canvas, y, x, row, &|_, _| [255; 3]);
    })
}

/// What may change, at the model's size, in 0..1.
fn editable_pixels(frame: &Frame, canvas: &Option<CanvasPart>) -> Option<Vec<f32>> {
    let region = canvas.as_ref()?.region.as_ref()?;
    let size = (frame.width as usize, frame.height as usize);
    Some(shares(&region.editable, size))
}

/// A plane of the crop at another size, in 0..1: means of what lies under each value.
pub(super) fn shares(mask: &Plane, size: (usize, usize)) -> Vec<f32> {
    let whole = Window {
        x: 0.0,
        y: 0.0,
        width: f64::from(mask.width()),
        height: f64::from(mask.height()),
    };
    let mut values = resampled(whole, size, 1, &mut |y, x, row| {
        plane(mask, y, x, row);
    });
    for value in &mut values {
        *value = value.clamp(0.0, 1.0);
    }
    values
}

/// The frame on the canvas, and what may change in it.
fn canvas_frame(
    job: &Job,
    canvas: &Picture,
    info: &GeneratorInfo,
    cancel: &Cancel,
) -> Result<(Frame, Option<Region>), PipelineError> {
    let (resolution, multiple) = (info.resolution, info.multiple);
    let given = job.spec.crop.map(|[x, y, width, height]| CropRect {
        x,
        y,
        width,
        height,
    });
    let size = (canvas.width(), canvas.height());
    if job.masks.is_empty() {
        let whole = CropRect {
            x: 0,
            y: 0,
            width: size.0,
            height: size.1,
        };
        let crop = given.unwrap_or(whole);
        // A small model reads pictures of the shape that it was trained on, and a map can be squeezed and stretched
        // back: in wide pictures it took the edges for objects.
        let square = info.family == Family::UniReal && job.spec.is_map();
        let frame = match square {
            true => Frame {
                crop,
                width: resolution,
                height: resolution,
            },
            false => Frame::fixed(crop, resolution, multiple),
        };
        // Words alone may change the whole picture, but a given crop must be joined to what is around it.
        let region = (crop != whole).then(|| Region {
            editable: Plane::filled(crop.width, crop.height, 255),
            selected: Plane::filled(crop.width, crop.height, 0),
        });
        return Ok((frame, region));
    }
    let editable = editable_union(job, cancel)?;
    let bounds = editable.bounds().ok_or(PipelineError::CropMissesRegion)?;
    let frame = match given {
        Some(crop) => Frame::fixed(crop, resolution, multiple),
        None => Frame::around(size, bounds, resolution, multiple),
    };
    go_on(cancel)?;
    let editable = cut(&editable, frame.crop);
    if editable.bounds().is_none() {
        return Err(PipelineError::CropMissesRegion);
    }
    let mut selected = Plane::filled(frame.crop.width, frame.crop.height, 0);
    for mask in &job.masks {
        let mask = cut(mask, frame.crop);
        for (value, new) in selected.values_mut().iter_mut().zip(mask.values()) {
            *value = (*value).max(*new);
        }
    }
    Ok((frame, Some(Region { editable, selected })))
}

pub(super) fn cut(plane: &Plane, crop: CropRect) -> Plane {
    let mut part = Plane::filled(crop.width, crop.height, 0);
    let (stride, width) = (plane.width() as usize, crop.width as usize);
    let rows = plane.values().chunks_exact(stride).skip(crop.y as usize);
    for (to, from) in part.values_mut().chunks_exact_mut(width).zip(rows) {
        to.copy_from_slice(&from[crop.x as usize..][..width]);
    }
    part
}

fn window(crop: CropRect) -> Window {
    Window {
        x: f64::from(crop.x),
        y: f64::from(crop.y),
        width: f64::from(crop.width),
        height: f64::from(crop.height),
    }
}

/// The same part of a picture that shows the whole canvas at another size.
pub(super) fn window_in(picture: &Picture, crop: CropRect, canvas: Option<&Picture>) -> Window {
    let Some(canvas) = canvas else {
        return Window {
            x: 0.0,
            y: 0.0,
            width: f64::from(picture.width()),
            height: f64::from(picture.height()),
        };
    };
    let (sx, sy) = (
        f64::from(picture.width()) / f64::from(canvas.width()),
        f64::from(picture.height()) / f64::from(canvas.height()),
    );
    let whole = window(crop);
    Window {
        x: whole.x * sx,
        y: whole.y * sy,
        width: whole.width * sx,
        height: whole.height * sy,
    }
}

fn input_image(
    job: &Job,
    at: usize,
    input: &JobInput,
    picture: &Picture,
    frame: &Frame,
    canvas: &Option<CanvasPart>,
    info: &GeneratorInfo,
) -> InputImage {
    let size = (frame.width as usize, frame.height as usize);
    if input.role == Role::Asset {
        return asset_image(picture, placed(job, at, frame.crop), info);
    }
    if let (Role::Canvas, Some(canvas)) = (input.role, canvas) {
        return image(input, canvas.rgb.clone(), frame.width, frame.height);
    }
    let whole = canvas.as_ref().map(|canvas| canvas.picture.as_ref());
    let part = window_in(picture, frame.crop, whole);
    if input.kind == Some(ControlKind::Mask) {
        let values = resampled(part, size, 1, &mut |y, x, row| grey(picture, y, x, row));
        return mask_image(values, Level::Exact, frame);
    }
    // A collage lies on the canvas; maps are bright on dark.
    let collage = input.kind == Some(ControlKind::Placement);
    let ground: Box<Ground<'_>> = if collage {
        Box::new(collage_ground(picture, whole))
    } else {
        Box::new(|_, _| [0; 3])
    };
    let values = resampled(part, size, 3, &mut |y, x, row| {
        rgb(picture, y, x, row, &ground)
    });
    image(input, values, frame.width, frame.height)
}

type Ground<'a> = dyn Fn(i64, i64) -> [u8; 3] + 'a;

/// What shows through a collage that shows the whole canvas at its own size.
pub(super) fn collage_ground<'a>(
    collage: &Picture,
    canvas: Option<&'a Picture>,
) -> impl Fn(i64, i64) -> [u8; 3] + use<'a> {
    let scale = canvas.map_or((1.0, 1.0), |canvas| {
        (
            f64::from(canvas.width()) / f64::from(collage.width()),
            f64::from(canvas.height()) / f64::from(collage.height()),
        )
    });
    move |y, x| {
        let Some(canvas) = canvas else {
            return ASSET_GROUND;
        };
        let place = |at: i64, scale: f64| ((at as f64 + 0.5) * scale).max(0.0) as u32;
        let [r, g, b, a] = canvas.pixel(place(x, scale.0), place(y, scale.1));
        [r, g, b].map(|v| on_ground(v, 255, a))
    }
}

fn image(input: &JobInput, values: Vec<f32>, width: u32, height: u32) -> InputImage {
    InputImage {
        key: key(&values, width, height),
        role: input.role,
        kind: input.kind,
        level: None,
        fit: None,
        width,
        height,
        values,
        placed: None,
    }
}

fn mask_image(values: Vec<f32>, level: Level, frame: &Frame) -> InputImage {
    InputImage {
        key: key(&values, frame.width, frame.height),
        role: Role::Control,
        kind: Some(ControlKind::Mask),
        level: Some(level),
        fit: None,
        width: frame.width,
        height: frame.height,
        values,
        placed: None,
    }
}

/// Where the first region that places input `at` lies in the crop: top, left, bottom, right as shares.
fn placed(job: &Job, at: usize, crop: CropRect) -> Option<[f32; 4]> {
    let region = job.spec.regions.iter().position(|r| r.asset == Some(at))?;
    bounds_in(job.masks.get(region)?, crop)
}

/// A mask's bounds in the crop: top, left, bottom, right as shares; `None` if it does not reach into it.
pub(super) fn bounds_in(mask: &Plane, crop: CropRect) -> Option<[f32; 4]> {
    let (x0, y0, x1, y1) = mask.bounds()?;
    let share = |v: u32, from: u32, side: u32| {
        ((f64::from(v) - f64::from(from)) / f64::from(side)).clamp(0.0, 1.0) as f32
    };
    let bounds = [
        share(y0, crop.y, crop.height),
        share(x0, crop.x, crop.width),
        share(y1, crop.y, crop.height),
        share(x1, crop.x, crop.width),
    ];
    (bounds[0] < bounds[2] && bounds[1] < bounds[3]).then_some(bounds)
}

/// Hash of what is encoded.
pub(super) fn key(values: &[f32], width: u32, height: u32) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&width.to_le_bytes());
    hasher.update(&height.to_le_bytes());
    hasher.update(bytemuck::cast_slice(values));
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// For each latent cell 1 if any pixel of the crop that it stands for may change, else 0.
pub(super) fn latent_cells(editable: &Plane, columns: usize, rows: usize) -> Vec<u8> {
    let (width, height) = (editable.width() as usize, editable.height() as usize);
    let mut cells = vec![0; columns * rows];
    for (y, row) in editable.values().chunks_exact(width).enumerate() {
        let (top, bottom) = (y * rows / height, ((y + 1) * rows - 1) / height);
        for (x, _) in row.iter().enumerate().filter(|(_, v)| **v > 0) {
            let (left, right) = (x * columns / width, ((x + 1) * columns - 1) / width);
            for line in top..=bottom {
                cells[line * columns + left..=line * columns + right].fill(1);
            }
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> GeneratorInfo {
        GeneratorInfo {
            name: "toy".into(),
            hash: String::new(),
            resolution: 64,
            multiple: 16,
            downscale: 8,
            latent_channels: 4,
            latent_rgb: Vec::new(),
            max_inputs: 8,
            max_joint: 4,
            default_steps: 4,
            default_guidance: 1.0,
            shift: 1.0,
            grain: 0.0,
            family: Family::UniReal,
            lights: false,
        }
    }

    /// Which colour a pixel of a square picture is, to within the rounding of resampling.
    fn colour(image: &InputImage, x: usize, y: usize) -> &'static str {
        let pixel = &image.values[(y * image.width as usize + x) * 3..][..3];
        let is = |rgb: [f32; 3]| pixel.iter().zip(rgb).all(|(a, b)| (a - b).abs() < 1e-5);
        let named = [
            ("grey", [128.0 / 255.0; 3]),
            ("red", [1.0, 0.0, 0.0]),
            ("green", [0.0, 1.0, 0.0]),
        ];
        named
            .into_iter()
            .find(|(_, rgb)| is(*rgb))
            .map_or("mixed", |(name, _)| name)
    }

    #[test]
    fn a_cut_out_is_centred_on_grey_with_air_around_it() {
        let mut picture = Picture::filled(200, 100, [0; 4]);
        for y in 20..60 {
            for x in 50..130 {
                picture.pixels_mut()[(y * 200 + x) * 4..][..4].copy_from_slice(&[255, 0, 0, 255]);
            }
        }
        let image = asset_image(&picture, None, &info());
        assert_eq!((image.width, image.height), (64, 64));
        // 80 pixels fill 0.8 of the side: 51.2 of 64, from 6.4 to 57.6; 40 fill half of that.
        let row = [5, 6, 7, 56, 57, 58].map(|x| colour(&image, x, 32));
        assert_eq!(row, ["grey", "mixed", "red", "red", "mixed", "grey"]);
        let column = [18, 19, 20, 43, 44, 45].map(|y| colour(&image, 32, y));
        assert_eq!(column, ["grey", "mixed", "red", "red", "mixed", "grey"]);
    }

    #[test]
    fn an_opaque_asset_is_letterboxed() {
        let picture = Picture::filled(64, 32, [0, 255, 0, 255]);
        let image = asset_image(&picture, None, &info());
        let at = [(0, 15), (0, 16), (63, 47), (63, 48)].map(|(x, y)| colour(&image, x, y));
        assert_eq!(at, ["grey", "green", "green", "grey"]);
    }

    #[test]
    fn latent_cells_cover_every_editable_pixel_and_no_more() {
        let mut editable = Plane::filled(40, 40, 0);
        editable.values_mut()[9 * 40 + 10] = 255;
        editable.values_mut()[39 * 40 + 39] = 255;
        let cells = latent_cells(&editable, 4, 4);
        let set: Vec<usize> = (0..16).filter(|&i| cells[i] == 1).collect();
        assert_eq!(set, [1, 15]);
        // Fewer pixels than cells: a pixel stands for several cells.
        let mut small = Plane::filled(2, 2, 0);
        small.values_mut()[1] = 255;
        let cells = latent_cells(&small, 4, 4);
        let set: Vec<usize> = (0..16).filter(|&i| cells[i] == 1).collect();
        assert_eq!(set, [2, 3, 6, 7]);
    }

    #[test]
    fn equal_pixels_have_equal_keys() {
        let values = vec![0.25; 12];
        assert_eq!(key(&values, 2, 2), key(&values.clone(), 2, 2));
        assert_ne!(key(&values, 2, 2), key(&values, 4, 1));
    }
}
