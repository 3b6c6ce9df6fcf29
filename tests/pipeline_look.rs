//! Quick looks at the picture that is looked at.

mod common;

use common::{Toy, events, insertion, outputs_of, previews_of};
use inlay::doc::{Job, Level};
use inlay::pipeline::event::JobEvent;
use inlay::pipeline::generator::{Cancel, Focus};
use inlay::pipeline::{RunOptions, run_with};

const COLOUR: [f32; 3] = [0.25, 0.5, 0.75];

fn two() -> Job {
    let mut job = insertion((200, 200), Level::Box);
    job.spec.outputs = 2;
    job
}

fn looked_at(job: &Job, toy: &mut Toy, picture: Option<usize>) -> Vec<JobEvent> {
    let focus = Focus::default();
    focus.set(picture);
    let options = RunOptions {
        previews: true,
        focus: Some(&focus),
    };
    let mut told = Vec::new();
    run_with(job, toy, &Cancel::default(), options, &mut |event| {
        told.push(event);
    })
    .unwrap();
    told
}

#[test]
fn the_picture_that_is_looked_at_is_shown_better() {
    let mut toy = Toy {
        look: Some(Ok(COLOUR)),
        ..Toy::default()
    };
    let told = looked_at(&two(), &mut toy, Some(1));
    let previews = previews_of(&told);
    assert_eq!(previews.len(), 3);
    for preview in previews {
        let look = preview.look.as_ref().unwrap();
        assert_eq!(look.of, 1);
        let [_, rows, columns] = preview.shape;
        assert_eq!(look.size, [rows * 8, columns * 8]);
        let plane = look.size[0] * look.size[1];
        assert_eq!(look.rgb.len(), 3 * plane);
        for (c, values) in look.rgb.chunks_exact(plane).enumerate() {
            assert!(values.iter().all(|v| *v == COLOUR[c]));
        }
    }
    for nobody in [None, Some(2)] {
        let told = looked_at(&two(), &mut toy, nobody);
        assert!(previews_of(&told).iter().all(|p| p.look.is_none()));
    }
}

#[test]
fn a_picture_of_another_batch_is_not_shown() {
    let mut toy = Toy {
        look: Some(Ok(COLOUR)),
        batch: 1,
        ..Toy::default()
    };
    let told = looked_at(&two(), &mut toy, Some(1));
    let looks: Vec<bool> = previews_of(&told)
        .iter()
        .map(|p| p.look.is_some())
        .collect();
    assert_eq!(looks, [false, false, false, true, true, true]);
}

#[test]
fn looks_change_no_result_and_a_failing_one_ends_no_job() {
    let plain = outputs_of(&events(&two(), &mut Toy::default()));
    for look in [Ok(COLOUR), Err(())] {
        let mut toy = Toy {
            look: Some(look),
            ..Toy::default()
        };
        let told = looked_at(&two(), &mut toy, Some(0));
        let looks = previews_of(&told);
        assert!(looks.iter().all(|p| p.look.is_some() == look.is_ok()));
        let made = outputs_of(&told);
        assert_eq!(made.len(), plain.len());
        for (made, plain) in made.iter().zip(&plain) {
            assert_eq!(made.picture.pixels(), plain.picture.pixels());
        }
    }
}

#[test]
fn joint_pictures_have_estimates_of_their_own() {
    let mut job = two();
    job.spec.joint = 2;
    let told = events(&job, &mut Toy::default());
    for preview in previews_of(&told) {
        assert_eq!(preview.outputs.len(), 4);
        let values: Vec<_> = preview.outputs.iter().flatten().collect();
        assert_eq!(values.len(), 4);
        assert!((1..4).all(|i| values[i] != values[0]));
    }
}
