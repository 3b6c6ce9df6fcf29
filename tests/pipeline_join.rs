//! Joining an output anew gives what a job with that blend gives, and touches nothing else.

mod common;

use common::{Toy, insertion, words};
use inlay::doc::job::BlendSpec;
use inlay::doc::level::editable_region;
use inlay::doc::{Job, Level};
use inlay::pipeline::event::OutputPicture;
use inlay::pipeline::generator::Cancel;

fn outputs(job: &Job) -> Vec<OutputPicture> {
    common::outputs(job, &mut Toy::default())
}

fn blends() -> [BlendSpec; 5] {
    let usual = BlendSpec::default();
    [
        usual,
        BlendSpec {
            feather: 0.3,
            ..usual
        },
        BlendSpec { grow: 0.1, ..usual },
        BlendSpec {
            grow: -0.1,
            colour_match: false,
            ..usual
        },
        BlendSpec {
            keep_detail: false,
            ..usual
        },
    ]
}

#[test]
fn joined_anew_is_joined_from_the_start() {
    for level in Level::ALL {
        let mut job = insertion((150, 110), level);
        job.spec.outputs = 2;
        let first = outputs(&job);
        let mut seen = Vec::new();
        for blend in blends() {
            job.spec.blend = blend;
            for (output, wanted) in first.iter().zip(outputs(&job)) {
                let joining = output.joining.as_ref().expect("there is a region");
                let joined = joining.joined(&blend, &Cancel::default()).unwrap();
                assert_eq!(joined, *wanted.picture, "{level:?} {blend:?}");
                seen.push(joined);
            }
        }
        seen.dedup();
        assert_eq!(seen.len(), 10, "every blend shows");
    }
}

#[test]
fn beyond_the_grown_region_every_pixel_is_the_canvas() {
    let mut job = insertion((150, 110), Level::Blob);
    job.spec.blend.grow = 0.1;
    let editable = editable_region(&job.masks[0], Level::Blob);
    let area = editable.values().iter().filter(|v| **v > 0).count() as f64;
    let reach = 0.1 * area.sqrt();
    let (canvas, picture) = (&job.pictures[0], &outputs(&job)[0].picture);
    let inside: Vec<(f64, f64)> = (0..150 * 110)
        .filter(|i| editable.values()[*i] > 0)
        .map(|i| ((i % 150) as f64, (i / 150) as f64))
        .collect();
    for y in 0..110 {
        for x in 0..150 {
            let near = |&(a, b): &(f64, f64)| (a - f64::from(x)).hypot(b - f64::from(y)) <= reach;
            if !inside.iter().any(near) {
                assert_eq!(picture.pixel(x, y), canvas.pixel(x, y), "{x} {y}");
            }
        }
    }
}

#[test]
fn what_covers_everything_has_no_edge_to_adjust() {
    assert!(outputs(&words("a red ball"))[0].joining.is_none());
}
