//! Jobs from end to end with a stand-in for the model.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use candle_core::Tensor;
use common::{
    Toy, events, fails, insertion, outputs, outputs_of, previews_of, rectangle, speckled,
    with_picture, with_region, words,
};
use inlay::doc::job::{JobError, Solver};
use inlay::doc::level::editable_region;
use inlay::doc::{Job, Level, Picture, Plane, Role};
use inlay::pipeline::event::{JobEvent, OutputPicture};
use inlay::pipeline::generator::{Branch, Cancel, GeneratorError};
use inlay::pipeline::{PipelineError, RunOptions, run, run_with};
use proptest::prelude::*;

fn bytes(outputs: &[OutputPicture]) -> Vec<(u32, u32, u64, Vec<u8>)> {
    outputs
        .iter()
        .map(|o| (o.index, o.joint, o.seed, o.picture.pixels().to_vec()))
        .collect()
}

fn any_mask(size: (u32, u32)) -> impl Strategy<Value = Plane> {
    let part = (
        0.0f64..1.0,
        0.0f64..1.0,
        0.02f64..0.6,
        0.02f64..0.6,
        prop::bool::ANY,
    );
    prop::collection::vec(part, 1..4).prop_map(move |parts| {
        let mut mask = Plane::filled(size.0, size.1, 0);
        for (cx, cy, w, h, round) in parts {
            let (sw, sh) = (f64::from(size.0), f64::from(size.1));
            for y in 0..size.1 {
                for x in 0..size.0 {
                    let dx = ((f64::from(x) + 0.5) / sw - cx) / w * 2.0;
                    let dy = ((f64::from(y) + 0.5) / sh - cy) / h * 2.0;
                    let inside = if round {
                        dx * dx + dy * dy <= 1.0
                    } else {
                        dx.abs().max(dy.abs()) <= 1.0
                    };
                    if inside {
                        mask.values_mut()[(y * size.0 + x) as usize] = 255;
                    }
                }
            }
        }
        // However small the parts: something is selected.
        mask.values_mut()[(size.1 / 2 * size.0 + size.0 / 2) as usize] = 255;
        mask
    })
}

fn any_job() -> impl Strategy<Value = Job> {
    (8u32..260, 8u32..260).prop_flat_map(|size| {
        (
            any::<u32>(),
            any::<bool>(),
            prop::collection::vec(
                (any_mask(size), prop::sample::select(&Level::ALL[..])),
                1..3,
            ),
            0.0f32..0.3,
            any::<bool>(),
            prop::option::of((0.0f64..0.8, 0.0f64..0.8, 0.2f64..1.0)),
        )
            .prop_map(move |(seed, alpha, regions, feather, colour_match, crop)| {
                let mut job = words("a red ball");
                let canvas = speckled(size.0, size.1, seed, alpha);
                job = with_picture(job, Role::Canvas, canvas);
                for (mask, level) in regions {
                    job = with_region(job, mask, level, None);
                }
                job.spec.blend.feather = feather;
                job.spec.blend.colour_match = colour_match;
                job.spec.seed = u64::from(seed);
                job.spec.steps = 2;
                job.spec.crop = crop.map(|(x, y, share)| {
                    let part = |side: u32, from: f64| {
                        let low = (f64::from(side) * from) as u32;
                        (low, ((f64::from(side) * share) as u32).clamp(1, side - low))
                    };
                    let ((x, w), (y, h)) = (part(size.0, x), part(size.1, y));
                    [x, y, w, h]
                });
                job
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_pixel_outside_the_blend_band_is_the_canvas_bit_by_bit(job in any_job()) {
        let mut told = Vec::new();
        let result = run(&job, &mut Toy::default(), &Cancel::default(), &mut |e| told.push(e));
        if let Err(error) = result {
            // A random crop may lie beside the masks.
            prop_assert!(matches!(error, PipelineError::CropMissesRegion), "{error}");
            return Ok(());
        }
        let output = &outputs_of(&told)[0].picture;
        let preview = &previews_of(&told)[0];
        let (crop, alpha) = (preview.crop, preview.alpha.clone().unwrap());
        prop_assert_eq!((alpha.width(), alpha.height()), (crop.width, crop.height));
        let canvas = &job.pictures[0];
        prop_assert_eq!((output.width(), output.height()), (canvas.width(), canvas.height()));
        let editable: Vec<Plane> = job
            .masks
            .iter()
            .zip(&job.spec.regions)
            .map(|(mask, region)| editable_region(mask, region.level))
            .collect();
        let mut changed = 0;
        for y in 0..canvas.height() {
            for x in 0..canvas.width() {
                let (cx, cy) = (i64::from(x), i64::from(y));
                let a = alpha.get(cx - i64::from(crop.x), cy - i64::from(crop.y));
                if a == 0 {
                    prop_assert_eq!(output.pixel(x, y), canvas.pixel(x, y), "at {} {}", x, y);
                } else {
                    changed += 1;
                    prop_assert!(editable.iter().any(|plane| plane.get(cx, cy) == 255));
                }
            }
        }
        prop_assert!(changed > 0);
    }
}

#[test]
fn batches_and_single_runs_give_the_same_bytes() {
    let mut job = insertion((300, 220), Level::Blob);
    job.spec.outputs = 5;
    job.spec.joint = 2;
    let with_limit = |batch: usize| {
        let mut toy = Toy {
            batch,
            ..Toy::default()
        };
        let outputs = outputs(&job, &mut toy);
        let batches = toy.asked.batches.lock().unwrap().clone();
        (bytes(&outputs), batches)
    };
    let (whole, batches) = with_limit(10);
    assert!(batches.iter().all(|pictures| *pictures == 10));
    assert_eq!(whole.len(), 10);
    for limit in [1, 2, 4, 7] {
        let (parts, batches) = with_limit(limit);
        assert!(batches.iter().all(|pictures| *pictures <= limit.max(2)));
        assert!(parts == whole, "limit {limit}");
    }
    // And each is what its own seed gives alone.
    for i in 0..5 {
        let mut alone = job.clone();
        alone.spec.outputs = 1;
        alone.spec.seed = job.spec.seed + i as u64;
        let alone = bytes(&outputs(&alone, &mut Toy::default()));
        assert_eq!(alone[0].3, whole[2 * i].3);
        assert_eq!(alone[1].3, whole[2 * i + 1].3);
    }
    assert_ne!(whole[0].3, whole[2].3);
}

#[test]
fn the_same_job_gives_the_same_bytes_with_previews_on_or_off() {
    for solver in [Solver::Euler, Solver::Heun] {
        let mut job = insertion((200, 200), Level::Box);
        job.spec.solver = solver;
        job.spec.outputs = 2;
        let with = events(&job, &mut Toy::default());
        assert_eq!(previews_of(&with).len(), 3);
        let mut without = Vec::new();
        let options = RunOptions {
            previews: false,
            focus: None,
        };
        run_with(
            &job,
            &mut Toy::default(),
            &Cancel::default(),
            options,
            &mut |e| without.push(e),
        )
        .unwrap();
        assert!(previews_of(&without).is_empty());
        assert!(bytes(&outputs_of(&with)) == bytes(&outputs_of(&without)));
        assert!(bytes(&outputs_of(&with)) == bytes(&outputs(&job, &mut Toy::default())));
    }
}

#[test]
fn events_come_in_order_and_count_all_steps() {
    let mut job = insertion((200, 200), Level::Blob);
    job.spec.outputs = 3;
    let mut toy = Toy {
        batch: 2,
        ..Toy::default()
    };
    let events = events(&job, &mut toy);
    let names: Vec<String> = events
        .iter()
        .map(|event| match event {
            JobEvent::Warning(text) => text.clone(),
            JobEvent::Preparing => "preparing".into(),
            JobEvent::Sent(text) => format!("sent {text}"),
            JobEvent::Step {
                step,
                steps,
                elapsed,
                eta,
            } => {
                assert!(*elapsed >= 0.0 && *eta >= 0.0 && (*eta == 0.0 || step < steps));
                format!("{step}/{steps}")
            }
            JobEvent::Preview(preview) => {
                let begun = preview.outputs.iter().filter(|o| o.is_some()).count();
                format!("preview {} of {begun}", preview.step)
            }
            JobEvent::Output(output) => format!("output {} seed {}", output.index, output.seed),
        })
        .collect();
    assert_eq!(
        names,
        [
            "preparing",
            "The toy is no model",
            "1/6",
            "preview 1 of 2",
            "2/6",
            "preview 2 of 2",
            "3/6",
            "preview 3 of 2",
            "output 0 seed 5",
            "output 1 seed 6",
            "4/6",
            "preview 4 of 3",
            "5/6",
            "preview 5 of 3",
            "6/6",
            "preview 6 of 3",
            "output 2 seed 7",
        ]
    );
    for preview in previews_of(&events) {
        assert_eq!(preview.shape, [4, 8, 8]);
        for values in preview.outputs.iter().flatten() {
            assert_eq!(values.len(), 4 * 8 * 8);
        }
        assert_eq!(preview.latent_rgb.len(), 5);
    }
}

#[test]
fn cancelling_asks_the_model_nothing_more() {
    let mut job = insertion((200, 200), Level::Blob);
    job.spec.steps = 50;
    job.spec.guidance_text = 4.0;
    job.spec.guidance_image = 2.0;
    for stop_after in [0, 1, 5] {
        let cancel = Arc::new(Cancel::default());
        let flag = Arc::clone(&cancel);
        let mut toy = Toy {
            hook: Box::new(move |before, _| {
                if before == stop_after {
                    flag.cancel();
                }
                Ok(())
            }),
            ..Toy::default()
        };
        let asked = Arc::clone(&toy.asked);
        let mut outputs = 0;
        let result = run(&job, &mut toy, &cancel, &mut |event| {
            outputs += usize::from(matches!(event, JobEvent::Output(_)));
        });
        assert!(matches!(result, Err(PipelineError::Cancelled)));
        assert_eq!(asked.velocities.load(Ordering::SeqCst), stop_after + 1);
        assert_eq!(outputs, 0);
    }
    // Cancelled before it begins: the model is not even prepared.
    let cancel = Cancel::default();
    cancel.cancel();
    let mut toy = Toy::default();
    let result = run(&job, &mut toy, &cancel, &mut |_| ());
    assert!(matches!(result, Err(PipelineError::Cancelled)));
    assert!(toy.asked.inputs.lock().unwrap().is_empty());
}

#[test]
fn guidance_computes_only_the_branches_it_needs() {
    use Branch::{Full, NoReferences, NoText};
    for (text, image, expected) in [
        (1.0, 1.0, vec![Full]),
        (3.0, 1.0, vec![Full, NoText]),
        (3.0, 3.0, vec![Full, NoReferences]),
        (3.0, 2.0, vec![Full, NoText, NoReferences]),
        (0.0, 1.0, vec![NoText]),
        (0.0, 0.0, vec![NoReferences]),
    ] {
        let mut job = words("a red ball");
        job.spec.steps = 1;
        job.spec.guidance_text = text;
        job.spec.guidance_image = image;
        let mut toy = Toy::default();
        events(&job, &mut toy);
        assert_eq!(
            *toy.asked.branches.lock().unwrap(),
            expected,
            "{text} {image}"
        );
    }
}

#[test]
fn a_new_picture_has_the_size_asked_for() {
    let mut job = words("a red ball");
    job.spec.size = Some([300, 200]);
    let mut toy = Toy::default();
    let told = events(&job, &mut toy);
    let picture = &outputs_of(&told)[0].picture;
    assert_eq!((picture.width(), picture.height()), (300, 200));
    assert!(!picture.has_alpha());
    let seen = toy.asked.inputs.lock().unwrap()[0].clone();
    assert_eq!((seen.width, seen.height), (96, 64));
    assert_eq!(seen.text, job.spec.compile().unwrap().text);
    assert!(previews_of(&told)[0].alpha.is_none());
    job.spec.size = None;
    let picture = &outputs(&job, &mut toy)[0].picture;
    assert_eq!((picture.width(), picture.height()), (64, 64));
}

#[test]
fn words_without_a_mask_may_change_the_whole_canvas() {
    let job = with_picture(
        words("make it a watercolour"),
        Role::Canvas,
        speckled(90, 60, 1, false),
    );
    let told = events(&job, &mut Toy::default());
    let picture = &outputs_of(&told)[0].picture;
    assert_eq!((picture.width(), picture.height()), (90, 60));
    let preview = &previews_of(&told)[0];
    assert_eq!(preview.alpha.as_deref(), Some(&Plane::filled(90, 60, 255)));
    let same = picture
        .pixels()
        .chunks(4)
        .zip(job.pictures[0].pixels().chunks(4));
    assert!(same.filter(|(a, b)| a == b).count() < 90);
}

#[test]
fn joint_pictures_beyond_the_first_lie_where_they_belong_on_black() {
    let mut job = insertion((300, 220), Level::Blob);
    job.spec.joint = 3;
    let told = events(&job, &mut Toy::default());
    let crop = previews_of(&told)[0].crop;
    let outputs = outputs_of(&told);
    let sizes: Vec<_> = outputs
        .iter()
        .map(|o| (o.joint, o.picture.width(), o.picture.height()))
        .collect();
    assert_eq!(sizes, [(0, 300, 220), (1, 300, 220), (2, 300, 220)]);
    assert_ne!(outputs[1].picture, outputs[2].picture);
    assert!(crop.width < 300 && crop.height < 220);
    let (columns, rows) = (crop.x..crop.x + crop.width, crop.y..crop.y + crop.height);
    for i in 0..300 * 220 {
        let (x, y) = (i % 300, i / 300);
        let inside = columns.contains(&x) && rows.contains(&y);
        let black = outputs[1].picture.pixel(x, y) == [0, 0, 0, 255];
        assert_eq!(black, !inside, "{x} {y}");
    }
}

#[test]
fn a_joint_mask_is_grey_and_as_sure_as_a_mask_that_is_asked_for_alone() {
    let mut job = insertion((300, 220), Level::Blob);
    job.spec.joint = 2;
    let second = |prompt: &str| {
        let mut job = job.clone();
        job.spec.prompt = prompt.into();
        let told = events(&job, &mut Toy::default());
        outputs_of(&told)[1].picture.clone()
    };
    let colours = |picture: &Picture| {
        let pixels = picture.pixels().chunks_exact(4);
        pixels.filter(|p| p[0] != p[1] || p[1] != p[2]).count()
    };
    let mask =
        second("Put IMG2 into IMG1 at IMG3. RES1 is the picture, RES2 the mask of the object.");
    assert_eq!(colours(&mask), 0);
    let brightest = mask.pixels().chunks_exact(4).map(|p| p[0]).max();
    assert_eq!(brightest, Some(255));
    for prompt in [
        "Put IMG2 into IMG1 at IMG3, RES2 from the left.",
        "Put IMG2 at the edge of the table of IMG1, RES2 from the left.",
        "Paint over the mask IMG3 of IMG1. RES2 shows it from the left.",
    ] {
        assert!(colours(&second(prompt)) > 0, "{prompt}");
    }
}

#[test]
fn too_little_memory_for_a_batch_makes_smaller_ones() {
    let mut job = insertion((200, 200), Level::Blob);
    job.spec.outputs = 4;
    let expected = bytes(&outputs(&job, &mut Toy::default()));
    let too_large = |most: usize| {
        Box::new(move |_: usize, z: &Tensor| {
            if z.dim(0)? > most {
                let error = candle_core::Error::Msg("CUDA_ERROR_OUT_OF_MEMORY".into());
                return Err(GeneratorError::Tensor(error));
            }
            Ok(())
        })
    };
    let mut toy = Toy {
        hook: too_large(1),
        ..Toy::default()
    };
    let told = events(&job, &mut toy);
    assert!(bytes(&outputs_of(&told)) == expected);
    let warnings: Vec<_> = told
        .iter()
        .filter(|e| matches!(e, JobEvent::Warning(text) if text.contains("smaller groups")))
        .collect();
    assert_eq!(warnings.len(), 2);
    let mut toy = Toy {
        hook: too_large(0),
        ..Toy::default()
    };
    assert!(matches!(fails(&job, &mut toy), PipelineError::OutOfMemory));
}

#[test]
fn numbers_that_are_none_never_become_a_picture() {
    let mut toy = Toy {
        variety: f64::NAN,
        ..Toy::default()
    };
    let error = fails(&insertion((100, 100), Level::Blob), &mut toy);
    assert!(matches!(error, PipelineError::NotFinite));
}

#[test]
fn a_drift_of_colours_is_taken_back() {
    // On an even grey canvas the toy draws the same grey, but its decoder is too dark.
    let grey = [120, 120, 120, 255];
    let mut job = with_picture(
        words("nothing"),
        Role::Canvas,
        Picture::filled(200, 200, grey),
    );
    job = with_region(
        job,
        rectangle((200, 200), 80..120, 80..120),
        Level::Blob,
        None,
    );
    let level = 120.0 / 255.0 * 2.0 - 1.0;
    let mut centre = |colour_match: bool| {
        job.spec.blend.colour_match = colour_match;
        let mut toy = Toy {
            target: Some([level; 4]),
            variety: 0.0,
            drift: -0.05,
            ..Toy::default()
        };
        outputs(&job, &mut toy)[0].picture.pixel(100, 100)
    };
    assert_eq!(centre(false), [107, 107, 107, 255]);
    assert_eq!(centre(true), grey);
}

#[test]
fn jobs_that_do_not_fit_the_model_say_so() {
    let mut toy = Toy::default();
    toy.info.max_inputs = 2;
    assert_eq!(
        fails(&insertion((100, 100), Level::Blob), &mut toy).to_string(),
        "the loaded model takes 2 inputs at most, masks included, and this job has 3: remove some"
    );
    let mut toy = Toy::default();
    toy.info.max_joint = 1;
    let mut job = insertion((100, 100), Level::Blob);
    job.spec.joint = 2;
    assert!(matches!(
        fails(&job, &mut toy),
        PipelineError::TooManyJoint { limit: 1, found: 2 }
    ));
    let empty = with_region(
        with_picture(words("x"), Role::Canvas, speckled(9, 9, 1, false)),
        Plane::filled(9, 9, 0),
        Level::Blob,
        None,
    );
    assert!(matches!(
        fails(&empty, &mut Toy::default()),
        PipelineError::Job(JobError::EmptyMask(1))
    ));
}

#[test]
fn a_recipe_of_another_model_warns_and_runs() {
    let warnings = |job: &Job| -> Vec<String> {
        events(job, &mut Toy::default())
            .into_iter()
            .filter_map(|event| match event {
                JobEvent::Warning(text) => Some(text),
                _ => None,
            })
            .collect()
    };
    let mut job = words("a red ball");
    assert_eq!(warnings(&job), ["The toy is no model"]);
    job.spec.model_hash = "1".repeat(64);
    assert_eq!(
        warnings(&job)[0],
        "This recipe was made with other weights of toy: the result will differ"
    );
    job.spec.model = "flux".into();
    assert_eq!(
        warnings(&job)[0],
        "This recipe was made with the model flux: with toy the result will differ"
    );
}

#[test]
fn maps_are_seen_square_and_come_out_in_the_canvas_size() {
    let mut toy = Toy::default();
    let canvas = speckled(200, 120, 5, false);
    let map = with_picture(
        words("The depth map of IMG1."),
        Role::Canvas,
        canvas.clone(),
    );
    let told = events(&map, &mut toy);
    assert!(previews_of(&told).iter().all(|p| p.shape == [4, 8, 8]));
    let made = outputs_of(&told);
    assert_eq!(
        (made[0].picture.width(), made[0].picture.height()),
        (200, 120)
    );
    // A picture keeps its shape.
    let edit = with_picture(words("Make IMG1 darker."), Role::Canvas, canvas);
    let told = events(&edit, &mut toy);
    assert!(previews_of(&told).iter().all(|p| p.shape[1] < p.shape[2]));
}
