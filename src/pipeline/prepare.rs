//! From a job's pictures and masks to what the model sees.

use std::sync::Arc;

use super::collage::collage;
use super::error::PipelineError;
use super::event::CropRect;
use super::frame::Frame;
use super::generator::{Cancel, GeneratorInfo, InputImage, Inputs};
use super::resample::{Window, resampled};
use crate::doc::job::JobInput;
use crate::doc::level::{editable_region, shown_mask};
use crate::doc::{ControlKind, Job, Level, Picture, Plane, Role};

/// The ground under an asset, and what is around it.
const ASSET_GROUND: [u8; 3] = [128; 3];
/// Air around a cut-out on each side, as a share of the square's side: as in the training data.
const ASSET_MARGIN: f64 = 0.1;
/// Alpha from which a pixel belongs to a cut-out.
const CUT_OUT: u8 = 8;

/// All that is known before the model computes anything.
pub(super) struct Prepared {
    /// What the generator is to be given.
    pub inputs: Inputs,
    /// What is generated, and at which size.
    pub frame: Frame,
    /// The canvas, for jobs that have one.
    pub canvas: Option<CanvasPart>,
}

/// The canvas as far as the job is concerned.
pub(super) struct CanvasPart {
    /// The whole canvas.
    pub picture: Arc<Picture>,
    /// The crop at the model's size, RGB in 0..1.
    pub rgb: Vec<f32>,
    /// What may change in the crop, of the crop's size; `None` if everything may.
    pub region: Option<Arc<Region>>,
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

fn go_on(cancel: &Cancel) -> Result<(), PipelineError> {
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

/// Builds everything the generator needs; the job has been validated.
pub(super) fn prepare(
    job: &Job,
    info: &GeneratorInfo,
    cancel: &Cancel,
) -> Result<Prepared, PipelineError> {
    let text = job.spec.compile()?.text;
    let (resolution, multiple) = (info.resolution, info.multiple);
    let (frame, canvas) = match canvas_of(job) {
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
            let ground = [255; 3];
            let rgb = resampled(
                window(frame.crop),
                (frame.width as usize, frame.height as usize),
                3,
                &mut |y, x, row| read_rgb(picture, y, x, row, &|_, _| ground),
            );
            let picture = Arc::clone(picture);
            let part = CanvasPart {
                picture,
                rgb,
                region: region.map(Arc::new),
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
            read_plane(&shown, y, x, row)
        });
        images.push(mask_image(values, region.level, &frame));
    }
    let mut inputs = Inputs {
        text,
        images,
        width: frame.width,
        height: frame.height,
        joint: job.spec.joint as usize,
    };
    if let Some(canvas) = &canvas
        && let Some(values) = collage(job, &inputs, &canvas.rgb, info.max_inputs)
    {
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
    }
    Ok(Prepared {
        inputs,
        frame,
        canvas,
    })
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
        let frame = Frame::fixed(crop, resolution, multiple);
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

fn cut(plane: &Plane, crop: CropRect) -> Plane {
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
fn window_in(picture: &Picture, crop: CropRect, canvas: Option<&Picture>) -> Window {
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
        let values = resampled(part, size, 1, &mut |y, x, row| {
            read_grey(picture, y, x, row)
        });
        return mask_image(values, Level::Exact, frame);
    }
    // A collage lies on the canvas; maps are bright on dark.
    let collage = input.kind == Some(ControlKind::Placement);
    let scale = whole.map_or((1.0, 1.0), |canvas| {
        (
            f64::from(canvas.width()) / f64::from(picture.width()),
            f64::from(canvas.height()) / f64::from(picture.height()),
        )
    });
    let ground = |y: i64, x: i64| match (collage, whole) {
        (false, _) => [0; 3],
        (true, None) => ASSET_GROUND,
        (true, Some(canvas)) => {
            let place = |at: i64, scale: f64| ((at as f64 + 0.5) * scale).max(0.0) as u32;
            let [r, g, b, a] = canvas.pixel(place(x, scale.0), place(y, scale.1));
            [r, g, b].map(|v| on_ground(v, 255, a))
        }
    };
    let values = resampled(part, size, 3, &mut |y, x, row| {
        read_rgb(picture, y, x, row, &ground)
    });
    image(input, values, frame.width, frame.height)
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

/// A cut-out with some air around it, or a whole opaque picture, centred in a square on mid grey.
fn asset_image(picture: &Picture, placed: Option<[f32; 4]>, info: &GeneratorInfo) -> InputImage {
    let (x0, y0, x1, y1) =
        cut_out_bounds(picture).unwrap_or((0, 0, picture.width(), picture.height()));
    let (width, height) = (f64::from(x1 - x0), f64::from(y1 - y0));
    let margin = if picture.has_alpha() {
        ASSET_MARGIN
    } else {
        0.0
    };
    let side = width.max(height) / (1.0 - 2.0 * margin);
    let square = Window {
        x: f64::from(x0) + (width - side) / 2.0,
        y: f64::from(y0) + (height - side) / 2.0,
        width: side,
        height: side,
    };
    let pixels = (info.resolution / info.multiple).max(1) * info.multiple;
    let size = (pixels as usize, pixels as usize);
    let values = resampled(square, size, 3, &mut |y, x, row| {
        let (w, h) = (i64::from(picture.width()), i64::from(picture.height()));
        for (i, pixel) in row.chunks_exact_mut(3).enumerate() {
            let x = x + i as i64;
            let inside = (0..w).contains(&x) && (0..h).contains(&y);
            let [r, g, b, a] = if inside {
                picture.pixel(x as u32, y as u32)
            } else {
                [0; 4]
            };
            for (value, (c, ground)) in pixel
                .iter_mut()
                .zip([r, g, b].into_iter().zip(ASSET_GROUND))
            {
                *value = unit(c, ground, a);
            }
        }
    });
    InputImage {
        key: key(&values, pixels, pixels),
        role: Role::Asset,
        kind: None,
        level: None,
        fit: None,
        width: pixels,
        height: pixels,
        values,
        placed,
    }
}

/// Bounds (x0, y0, x1, y1) of what is not transparent.
pub(super) fn cut_out_bounds(picture: &Picture) -> Option<(u32, u32, u32, u32)> {
    let alpha: Vec<u8> = picture
        .pixels()
        .iter()
        .skip(3)
        .step_by(4)
        .map(|&a| if a >= CUT_OUT { 255 } else { 0 })
        .collect();
    Plane::from_values(picture.width(), picture.height(), alpha)?.bounds()
}

/// Where the first region that places input `at` lies in the crop: top, left, bottom, right as shares.
fn placed(job: &Job, at: usize, crop: CropRect) -> Option<[f32; 4]> {
    let region = job.spec.regions.iter().position(|r| r.asset == Some(at))?;
    let (x0, y0, x1, y1) = job.masks.get(region)?.bounds()?;
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

/// A value of straight alpha over a ground, in 0..1.
fn unit(value: u8, ground: u8, alpha: u8) -> f32 {
    if alpha == 255 {
        return f32::from(value) / 255.0;
    }
    let a = f32::from(alpha) / 255.0;
    (a * f32::from(value) + (1.0 - a) * f32::from(ground)) / 255.0
}

fn on_ground(value: u8, ground: u8, alpha: u8) -> u8 {
    (unit(value, ground, alpha) * 255.0).round() as u8
}

/// A row of a picture over a ground; the edge goes on outside.
pub(super) fn read_rgb(
    picture: &Picture,
    y: i64,
    x: i64,
    row: &mut [f32],
    ground: &dyn Fn(i64, i64) -> [u8; 3],
) {
    for (i, pixel) in row.chunks_exact_mut(3).enumerate() {
        let x = (x + i as i64).max(0);
        let [r, g, b, a] = picture.pixel(x as u32, y.max(0) as u32);
        if a == 255 {
            for (value, c) in pixel.iter_mut().zip([r, g, b]) {
                *value = f32::from(c) / 255.0;
            }
            continue;
        }
        for (value, (c, ground)) in pixel
            .iter_mut()
            .zip([r, g, b].into_iter().zip(ground(y, x)))
        {
            *value = unit(c, ground, a);
        }
    }
}

/// A row of a picture's brightness (Rec. 709 weights), black where it is transparent.
fn read_grey(picture: &Picture, y: i64, x: i64, row: &mut [f32]) {
    for (i, value) in row.iter_mut().enumerate() {
        let x = (x + i as i64).max(0) as u32;
        let [r, g, b, a] = picture.pixel(x, y.max(0) as u32);
        let grey = 0.2126 * f32::from(r) + 0.7152 * f32::from(g) + 0.0722 * f32::from(b);
        *value = grey * f32::from(a) / (255.0 * 255.0);
    }
}

/// A row of a mask in 0..1; the edge goes on outside.
fn read_plane(plane: &Plane, y: i64, x: i64, row: &mut [f32]) {
    let y = y.clamp(0, i64::from(plane.height()) - 1);
    for (i, value) in row.iter_mut().enumerate() {
        let x = (x + i as i64).clamp(0, i64::from(plane.width()) - 1);
        *value = f32::from(plane.get(x, y)) / 255.0;
    }
}

/// Hash of what is encoded.
fn key(values: &[f32], width: u32, height: u32) -> u64 {
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
            shift: 1.0,
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
