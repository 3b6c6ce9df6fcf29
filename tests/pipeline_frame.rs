//! Which part of the canvas a job works on, and what the model sees of it.

mod common;

use std::sync::Arc;

use common::{
    Toy, events, fails, input, insertion, previews_of, rectangle, speckled, with_picture,
    with_region, words,
};
use inlay::doc::job::JobError;
use inlay::doc::level::editable_region;
use inlay::doc::{ControlKind, Level, Picture, Role};
use inlay::pipeline::PipelineError;
use inlay::pipeline::event::CropRect;
use inlay::pipeline::prepare::frame_of;

#[test]
fn a_given_crop_is_where_it_happens() {
    let mut job = insertion((300, 220), Level::Box);
    job.spec.crop = Some([100, 60, 90, 100]);
    let told = events(&job, &mut Toy::default());
    let preview = &previews_of(&told)[0];
    assert_eq!(
        preview.crop,
        CropRect {
            x: 100,
            y: 60,
            width: 90,
            height: 100
        }
    );
    // Where the canvas goes on beyond the crop, the edge is soft.
    let alpha = preview.alpha.clone().unwrap();
    assert!(alpha.get(89, 30) < 128 && alpha.get(89, 30) > 0);
    job.spec.crop = Some([0, 0, 20, 20]);
    assert!(matches!(
        fails(&job, &mut Toy::default()),
        PipelineError::CropMissesRegion
    ));
    job.spec.crop = Some([250, 0, 51, 20]);
    assert!(matches!(
        fails(&job, &mut Toy::default()),
        PipelineError::Job(JobError::Crop)
    ));
}

#[test]
fn the_model_sees_the_crop_the_mask_as_drawn_and_the_place_of_the_asset() {
    let mut job = insertion((300, 220), Level::Blob);
    job.spec
        .inputs
        .push(input(Role::Control, Some(ControlKind::Depth)));
    job.pictures
        .push(Arc::new(Picture::filled(150, 110, [255, 255, 255, 255])));
    let mut toy = Toy::default();
    let told = events(&job, &mut toy);
    let crop = previews_of(&told)[0].crop;
    let frame = frame_of(&job, toy.info.resolution, toy.info.multiple).unwrap();
    assert_eq!(frame.crop, crop);
    let seen = toy.asked.inputs.lock().unwrap()[0].clone();
    assert_eq!((seen.width, seen.height), (frame.width, frame.height));
    let roles: Vec<_> = seen
        .images
        .iter()
        .map(|i| (i.role, i.kind, i.level))
        .collect();
    assert_eq!(
        roles,
        [
            (Role::Canvas, None, None),
            (Role::Asset, None, None),
            (Role::Control, Some(ControlKind::Depth), None),
            (Role::Control, Some(ControlKind::Mask), Some(Level::Blob)),
            // The collage, made because the asset is cut out and no placement was given.
            (Role::Control, Some(ControlKind::Placement), None),
        ]
    );
    // A constant map stays constant whatever its size.
    assert!(seen.images[2].values.iter().all(|v| (v - 1.0).abs() < 1e-6));
    // The mask's area survives: 60 × 66 pixels.
    let mask = &seen.images[3];
    let share = mask.values.iter().sum::<f32>() / mask.values.len() as f32;
    let expected = 60.0 * 66.0 / (crop.width * crop.height) as f32;
    assert!((share - expected).abs() < 1e-4, "{share} {expected}");
    let placed = seen.images[1].placed.unwrap();
    let share = |v: u32, from: u32, side: u32| (v - from) as f32 / side as f32;
    assert_eq!(
        placed,
        [
            share(88, crop.y, crop.height),
            share(120, crop.x, crop.width),
            share(154, crop.y, crop.height),
            share(180, crop.x, crop.width),
        ]
    );
}

#[test]
fn a_region_fills_about_half_of_the_crop() {
    for (side, level) in [(60u32, Level::Blob), (110, Level::Exact), (90, Level::Box)] {
        let job = with_picture(words("a ball"), Role::Canvas, speckled(900, 700, 1, false));
        let mask = rectangle((900, 700), 300..300 + side, 300..300 + side);
        let region = editable_region(&mask, level);
        let (x0, y0, x1, y1) = region.bounds().unwrap();
        let job = with_region(job, mask, level, None);
        let crop = frame_of(&job, 64, 16).unwrap().crop;
        let fill = f64::from((x1 - x0).max(y1 - y0)) / f64::from(crop.width.max(crop.height));
        assert!((0.45..=0.65).contains(&fill), "{level}: {fill}");
    }
}
