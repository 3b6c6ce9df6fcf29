use std::sync::Arc;

use super::baseline::{baselines, fit, layer, over, seamless};
use super::case::{Case, Further, Settings, split_tags};
use super::metrics::{largest_error, mean_error, psnr, ssim, ssim_map};
use super::report::{CaseFigures, Difference, groups, table};
use super::{folder, sheet};
use crate::data::phrases::INSERT_REFERENCE;
use crate::data::plan::Task;
use crate::doc::job::{BlendSpec, Solver};
use crate::doc::poisson::{clone_into, fill};
use crate::doc::{ControlKind, Level, Picture, Plane, Purpose};
use crate::world::pack::{Pack, Split, splits};
use crate::world::tests::pack::write_pack;

pub(super) fn picture(width: u32, height: u32, of: impl Fn(u32, u32) -> [u8; 3]) -> Picture {
    let bytes = (0..width * height)
        .flat_map(|i| {
            let [r, g, b] = of(i % width, i / width);
            [r, g, b, 255]
        })
        .collect();
    Picture::from_rgba(width, height, bytes).unwrap()
}

pub(super) fn plane(width: u32, height: u32, of: impl Fn(u32, u32) -> bool) -> Plane {
    let values = (0..width * height)
        .map(|i| if of(i % width, i / width) { 255 } else { 0 })
        .collect();
    Plane::from_values(width, height, values).unwrap()
}

fn noisy(x: u32, y: u32) -> [u8; 3] {
    [0, 1, 2].map(|c| 60 + ((x * 37 + y * 91 + c * 53 + x * y * 7) % 101) as u8)
}

#[test]
fn psnr_of_known_differences() {
    let a = picture(4, 4, |_, _| [100; 3]);
    let b = picture(4, 4, |x, _| if x < 2 { [151; 3] } else { [100; 3] });
    let left: Vec<bool> = (0..16).map(|i| i % 4 < 2).collect();
    let all = [true; 16];
    // 51 levels are 0.2: −20 log10 0.2, and half the pixels are half the error.
    assert!((psnr(&a, &b, &left).unwrap() - 13.979_400_1).abs() < 1e-6);
    assert!((psnr(&a, &b, &all).unwrap() - 16.989_700_0).abs() < 1e-6);
    assert!((mean_error(&a, &b, &all).unwrap() - 0.1).abs() < 1e-12);
    assert!((largest_error(&a, &b, &all).unwrap() - 0.2).abs() < 1e-12);
    assert_eq!(psnr(&a, &a, &all), Some(100.0));
    assert_eq!(psnr(&a, &b, &[false; 16]), None);
}

#[test]
fn ssim_of_even_pictures_is_the_formula() {
    let (a, b) = (
        picture(16, 12, |_, _| [50; 3]),
        picture(16, 12, |_, _| [80; 3]),
    );
    let expected = (2.0 * 50.0 * 80.0 + 6.5025) / (2500.0 + 6400.0 + 6.5025);
    for value in ssim_map(&a, &b) {
        assert!((value - expected).abs() < 1e-9, "{value}");
    }
}

#[test]
fn ssim_is_one_for_equals_and_symmetric() {
    let a = picture(20, 20, noisy);
    let b = picture(20, 20, |x, y| noisy(y, x));
    let all = [true; 400];
    assert!((ssim(&a, &a, &all).unwrap() - 1.0).abs() < 1e-12);
    assert_eq!(ssim(&a, &b, &all), ssim(&b, &a, &all));
    assert!(ssim(&a, &b, &all).unwrap() < 0.5);
    // The window's weights: one pixel of 11 × 11 that differs, seen from the middle of the picture.
    let flat = picture(11, 11, |_, _| [100; 3]);
    let spot = picture(
        11,
        11,
        |x, y| if (x, y) == (5, 5) { [200; 3] } else { [100; 3] },
    );
    let total: f64 = (-5i32..=5).map(|d| (-f64::from(d * d) / 4.5).exp()).sum();
    let weight = 1.0 / (total * total);
    let (mean, variance) = (100.0 + 100.0 * weight, 1e4 * weight * (1.0 - weight));
    let expected =
        (200.0 * mean + 6.5025) * 58.5225 / ((1e4 + mean * mean + 6.5025) * (variance + 58.5225));
    assert!((ssim_map(&flat, &spot)[60] - expected).abs() < 1e-9);
}

#[test]
fn a_constant_offset_is_taken_back_exactly() {
    let canvas = picture(24, 20, noisy);
    let shifted = picture(24, 20, |x, y| noisy(x, y).map(|v| v + 64));
    let inside = plane(24, 20, |x, y| (5..18).contains(&x) && (4..16).contains(&y));
    let all = Plane::filled(24, 20, 255);
    assert_eq!(clone_into(&canvas, &shifted, &inside, &all), canvas);
}

#[test]
fn a_fill_is_harmonic_and_leaves_the_rest() {
    // A linear ramp is harmonic: the fill brings it back.
    let ramp = picture(24, 24, |x, y| {
        [(x * 10) as u8, (y * 10) as u8, (x * 4 + y * 5) as u8]
    });
    let inside = plane(24, 24, |x, y| (3..20).contains(&x) && (5..22).contains(&y));
    let mut holed = ramp.clone();
    for (pixel, &hole) in holed.pixels_mut().chunks_exact_mut(4).zip(inside.values()) {
        if hole > 0 {
            pixel[..3].fill(0);
        }
    }
    assert_eq!(fill(&holed, &inside), ramp);
    // At the picture's own edge nothing is known: an even picture stays even.
    let even = picture(12, 12, |_, _| [70, 80, 90]);
    let corner = plane(12, 12, |x, y| x < 6 && y < 6);
    assert_eq!(fill(&even, &corner), even);
    // No boundary at all: still an answer.
    fill(&ramp, &Plane::filled(24, 24, 255));
}

#[test]
fn a_cutout_takes_the_grounds_brightness() {
    let canvas = picture(20, 20, |_, _| [90; 3]);
    let mut layer = Picture::filled(20, 20, [0; 4]);
    for y in 5..15 {
        for x in 5..15 {
            let at = (y * 20 + x) * 4;
            layer.pixels_mut()[at..at + 4].copy_from_slice(&[200, 200, 200, 255]);
        }
    }
    // Even inside and nothing known beside it: all that is left of it is the canvas.
    assert_eq!(seamless(&canvas, &layer), canvas);
    let pasted = over(&canvas, &layer);
    assert_eq!(
        (pasted.pixel(5, 5), pasted.pixel(4, 5)),
        ([200, 200, 200, 255], [90, 90, 90, 255])
    );
}

#[test]
fn cutouts_stand_on_the_masks_lower_edge() {
    assert_eq!(fit((10, 20), (30, 40, 70, 80)), (40, 40, 20, 40));
    assert_eq!(fit((20, 10), (30, 40, 70, 80)), (30, 60, 40, 20));
    assert_eq!(fit((1, 1000), (0, 0, 100, 50)), (49, 0, 1, 50));
    let object = picture(8, 4, |x, _| if x < 4 { [250, 0, 0] } else { [0, 0, 250] });
    let canvas = Picture::filled(32, 32, [0, 0, 0, 255]);
    let place = plane(32, 32, |x, y| (8..24).contains(&x) && (4..20).contains(&y));
    let layer = layer(&object, &canvas, &place).unwrap();
    let covered: Vec<u8> = layer.pixels().iter().skip(3).step_by(4).copied().collect();
    let covered = Plane::from_values(32, 32, covered).unwrap();
    assert_eq!(covered.bounds(), Some((8, 12, 24, 20)));
    assert_eq!(layer.pixel(8, 12), [250, 0, 0, 255]);
    assert_eq!(layer.pixel(23, 19), [0, 0, 250, 255]);
}

/// A red square of 8 pixels put on grey, with a dark strip beside it for a shadow.
fn case(task: Task) -> Case {
    let canvas = picture(48, 48, |x, y| [100, 100, ((x + y) % 90) as u8]);
    let object = plane(48, 48, |x, y| {
        (20..28).contains(&x) && (20..28).contains(&y)
    });
    let changed = plane(48, 48, |x, y| {
        (20..32).contains(&x) && (20..28).contains(&y)
    });
    let target = picture(48, 48, |x, y| {
        match (
            object.get(x.into(), y.into()),
            changed.get(x.into(), y.into()),
        ) {
            (255, _) => [220, 20, 30],
            (_, 255) => [50, 50, 40],
            _ => [100, 100, ((x + y) % 90) as u8],
        }
    });
    let mask = plane(48, 48, |x, y| {
        (18..30).contains(&x) && (18..28).contains(&y)
    });
    let reference = matches!(task, Task::InsertReference);
    Case {
        name: "one".into(),
        task,
        level: Level::Outline,
        prompt: "Put IMG2 here.".replace("IMG2", if reference { "IMG2" } else { "it" }),
        tags: Some(vec!["static scenario".into()]),
        asset: reference.then(|| Arc::new(picture(16, 16, |_, _| [220, 20, 30]))),
        asset_object: reference
            .then(|| plane(16, 16, |x, y| (4..12).contains(&x) && (4..12).contains(&y))),
        more: Vec::new(),
        placement: None,
        map: None,
        mask: Some(Arc::new(mask)),
        mask_from: matches!(task, Task::Move)
            .then(|| Arc::new(plane(48, 48, |x, y| x < 6 && (2..8).contains(&y)))),
        canvas: Arc::new(canvas),
        target: Arc::new(target),
        object,
        changed,
    }
}

#[test]
fn a_prompt_that_speaks_of_a_second_output_gets_one() {
    let mut case = case(Task::InsertReference);
    assert_eq!(case.job(&settings()).spec.joint, 1);
    case.prompt = "Put IMG2 here, RES2 is its mask.".into();
    let job = case.job(&settings());
    assert_eq!(job.spec.joint, 2);
    job.validate().unwrap();
}

pub(super) fn settings() -> Settings {
    Settings {
        seed: 3,
        steps: 4,
        guidance_text: 1.0,
        guidance_image: 1.0,
        solver: Solver::Euler,
        blend: BlendSpec::default(),
        cut_out: true,
        whole: false,
        context: true,
    }
}

#[test]
fn jobs_are_valid_and_in_training_order() {
    let insert = case(Task::InsertReference).job(&settings());
    insert.validate().unwrap();
    assert_eq!(insert.spec.regions[0].asset, Some(1));
    assert_eq!(insert.pictures[1].pixel(3, 8)[3], 0);
    assert_eq!(insert.pictures[1].pixel(4, 8), [220, 20, 30, 255]);
    assert_eq!(
        insert.spec.compile().unwrap().text,
        "Static scenario. Put IMG2 here."
    );
    let moved = case(Task::Move);
    let job = moved.job(&Settings {
        whole: true,
        ..settings()
    });
    job.validate().unwrap();
    assert_eq!(job.spec.crop, Some([0, 0, 48, 48]));
    assert_eq!(job.spec.purposes().unwrap()[0], Purpose::Canvas);
    assert_eq!(job.masks[0].bounds(), Some((0, 2, 6, 8)));
    assert_eq!(job.masks[1].bounds(), Some((18, 18, 30, 28)));
}

#[test]
fn texts_come_apart_into_tags_and_base() {
    let (tags, base) = split_tags("Realistic style; static scenario. Put IMG2 here. Add a shadow.");
    assert_eq!(tags, ["realistic style", "static scenario"]);
    assert_eq!(base, "Put IMG2 here. Add a shadow.");
    let plain = "Add IMG2. Match the light.";
    assert_eq!(split_tags(plain), (Vec::new(), plain.to_owned()));
}

#[test]
fn the_truth_is_perfect_and_the_canvas_is_the_measure() {
    let case = case(Task::InsertReference);
    let pasted = baselines(&case);
    let best = CaseFigures::new(&case, &pasted, &case.target, None).model;
    assert_eq!(
        (best.psnr, best.shadow, best.shadow_share),
        (Some(100.0), Some(0.0), Some(0.0))
    );
    assert!((best.ssim.unwrap() - 1.0).abs() < 1e-12);
    assert_eq!((best.background, best.outside), (Some(0.0), Some(0.0)));
    let lazy = CaseFigures::new(&case, &pasted, &case.canvas, None);
    assert_eq!(
        (lazy.model, lazy.model.shadow_share),
        (lazy.canvas, Some(1.0))
    );
    assert_eq!(lazy.reach, 1.0);
    // The paste fills the mask's height, 10 for 8 pixels, in the middle of its 12: the object itself and no shadow.
    assert!(lazy.naive.psnr_object.unwrap() > 99.0);
    assert!(lazy.naive.shadow_share.unwrap() > 0.9);
    assert!(lazy.naive.outside == Some(0.0) && lazy.naive.background.unwrap() > 0.0);
}

#[test]
fn an_artist_s_collage_tells_the_model_nothing() {
    let plain = case(Task::InsertReference);
    assert!(plain.told().placement.is_none());
    let mut given = case(Task::InsertReference);
    given.placement = Some(Arc::clone(&given.target));
    given.prompt = "Put IMG2 into IMG1 at IMG4.".into();
    // The program lays one into the mask, which moves up to its number.
    let told = given.told();
    assert_eq!(told.placement, None);
    assert_eq!(told.prompt, "Put IMG2 into IMG1 at IMG3.");
    told.job(&settings()).validate().unwrap();
    // What captions say of a collage is left out: the program's own comes last and has no word. What else names it names
    // the mask.
    for phrase in INSERT_REFERENCE.iter().filter(|p| p.contains("{P}")) {
        let holes = [
            ("{C}", "IMG1"),
            ("{A}", "IMG2"),
            ("{P}", "IMG3"),
            ("{M}", "IMG4"),
        ];
        let all = holes
            .iter()
            .copied()
            .chain([("{the}", "the cup"), ("{The}", "The cup")]);
        given.prompt = all.fold(phrase.to_string(), |text: String, (hole, word)| {
            text.replace(hole, word)
        });
        let told = given.told();
        assert_eq!(
            told.prompt.matches("IMG3").count(),
            phrase.matches("{M}").count(),
            "{phrase}"
        );
        assert!(
            !told.prompt.contains("IMG4") && told.prompt.contains("IMG2") == phrase.contains("{A}")
        );
        told.job(&settings()).validate().unwrap();
    }
    given.prompt = "Use IMG3 as a rough sketch and put the cup from IMG2 into IMG1 at IMG4.".into();
    assert_eq!(
        given.told().prompt,
        "Put the cup from IMG2 into IMG1 at IMG3."
    );
    given.prompt = "The cup of IMG2 as in IMG3, at IMG4.".into();
    assert_eq!(given.told().prompt, "The cup of IMG2 at IMG3.");
    given.prompt = "Follow IMG3 in IMG4.".into();
    assert_eq!(given.told().prompt, "Follow IMG3 in IMG3.");
    // Without a mask it lies where the baselines paste it, and shades the ground at its foot.
    given.mask = None;
    let told = given.told().placement.unwrap();
    assert_ne!(told, given.target);
    let (x0, _, x1, y1) = given.object.bounds().unwrap();
    let at = (u32::midpoint(x0, x1), y1 + 1);
    let (laid, before) = (told.pixel(at.0, at.1), given.canvas.pixel(at.0, at.1));
    assert!(laid[0] < before[0], "{laid:?} {before:?}");
    assert!((0..3).all(|c| told.pixel(0, 0)[c].abs_diff(given.canvas.pixel(0, 0)[c]) <= 12));
    // What removals and moves begin with the program makes of their masks.
    let mut moved = case(Task::Move);
    moved.placement = Some(Arc::clone(&moved.canvas));
    moved.prompt = "Move it from IMG3 to IMG4.".into();
    let told = moved.told();
    assert_eq!(told.placement, None);
    assert_eq!(told.prompt, "Move it from IMG2 to IMG3.");
    told.job(&settings()).validate().unwrap();
}

#[test]
fn every_task_has_its_baselines() {
    let mut removal = case(Task::Remove);
    std::mem::swap(&mut removal.canvas, &mut removal.target);
    let pasted = baselines(&removal);
    assert_eq!(pasted.naive, *removal.canvas);
    let filled = pasted.poisson.unwrap();
    assert_eq!(filled.pixel(17, 24), removal.canvas.pixel(17, 24));
    assert_ne!(filled.pixel(24, 24), removal.canvas.pixel(24, 24));
    let words = baselines(&case(Task::InsertWords));
    assert!(words.poisson.is_none());
    let moved = baselines(&case(Task::Move));
    // Six of the canvas's own pixels wide, as high as the mask.
    assert_ne!(
        moved.naive.pixel(24, 24),
        case(Task::Move).canvas.pixel(24, 24)
    );
    assert!(moved.poisson.is_some());
}

#[test]
fn intervals_hold_the_mean() {
    let spread: Vec<f64> = (0..40).map(|i| f64::from(i % 8) - 2.0).collect();
    let difference = Difference::of(&spread).unwrap();
    assert!((difference.mean - 1.5).abs() < 1e-12);
    assert!(difference.low < 1.5 && difference.high > 1.5);
    assert!(difference.high - difference.low < 2.0);
    assert_eq!(difference.better, 0.625);
    assert_eq!(Difference::of(&spread), Some(difference));
    assert_eq!(Difference::of(&[]), None);
    let same = Difference::of(&[0.5; 9]).unwrap();
    assert_eq!((same.low, same.high, same.better), (0.5, 0.5, 1.0));
}

#[test]
fn groups_go_by_task_and_level() {
    let figures: Vec<CaseFigures> = [Task::InsertReference, Task::Remove]
        .map(case)
        .iter()
        .map(|case| CaseFigures::new(case, &baselines(case), &case.target, None))
        .collect();
    let groups = groups(&figures);
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "all",
            "insert_reference",
            "insert_reference, outline",
            "remove",
            "remove, outline"
        ]
    );
    assert_eq!(groups[0].cases, 2);
    let text = table(&groups);
    assert!(text.contains("  model       100.00   1.000"), "{text}");
    serde_json::to_string(&groups).unwrap();
}

#[test]
fn cases_survive_their_folders() {
    let dir = tempfile::tempdir().unwrap();
    for task in [Task::InsertReference, Task::Move] {
        let mut case = case(task);
        case.name = task.name().into();
        folder::write(dir.path(), &case).unwrap();
        let read = folder::read(&dir.path().join(&case.name)).unwrap();
        assert_eq!(format!("{read:?}"), format!("{case:?}"));
        assert_eq!(
            (&read.canvas, &read.target, &read.asset),
            (&case.canvas, &case.target, &case.asset)
        );
        assert_eq!((&read.mask, &read.mask_from), (&case.mask, &case.mask_from));
        assert_eq!((&read.object, &read.changed), (&case.object, &case.changed));
        assert_eq!(read.asset_object, case.asset_object);
    }
    assert_eq!(folder::read_all(dir.path()).unwrap().len(), 2);
    let broken = dir.path().join("move");
    std::fs::remove_file(broken.join("object.png")).unwrap();
    let error = folder::read_all(dir.path()).unwrap_err().to_string();
    assert!(error.ends_with("object.png is missing: add it"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    let error = folder::read_all(empty.path()).unwrap_err().to_string();
    assert!(error.contains("--write-cases"), "{error}");
}

#[test]
fn new_pictures_survive_their_folders_and_are_valid_jobs() {
    let dir = tempfile::tempdir().unwrap();
    let mut case = case(Task::InsertReference);
    case.task = Task::Control;
    case.name = "new".into();
    case.prompt = "IMG1 beside IMG2 after the edges of IMG3, at IMG4.".into();
    case.canvas = Arc::new(picture(48, 48, |_, _| [128; 3]));
    case.more = vec![Further {
        picture: Arc::new(picture(16, 16, |_, _| [20, 20, 200])),
        object: Some(plane(16, 16, |x, _| x < 8)),
    }];
    case.map = Some((
        ControlKind::Edge,
        Arc::new(picture(48, 48, |x, _| [x as u8; 3])),
    ));
    folder::write(dir.path(), &case).unwrap();
    let read = folder::read(&dir.path().join("new")).unwrap();
    assert_eq!(format!("{read:?}"), format!("{case:?}"));
    let (further, given) = (&read.more[0], &case.more[0]);
    assert_eq!(
        (&further.picture, &further.object),
        (&given.picture, &given.object)
    );
    assert_eq!(read.map, case.map);
    // Canvas none, assets, map, mask: a mask without a canvas is no region.
    let job = read.job(&settings());
    job.validate().unwrap();
    let control = |kind| Purpose::Control(kind);
    assert_eq!(
        job.spec.purposes().unwrap(),
        [
            Purpose::Asset,
            Purpose::Asset,
            control(ControlKind::Edge),
            control(ControlKind::Mask)
        ]
    );
    assert!(job.spec.regions.is_empty() && job.masks.is_empty());
    assert_eq!(job.pictures[3].pixel(20, 20), [255; 4]);
    assert_eq!(job.pictures[3].pixel(2, 2), [0, 0, 0, 255]);
}

#[test]
fn held_out_objects_may_stand_in_trained_surroundings() {
    let dir = tempfile::tempdir().unwrap();
    write_pack(dir.path());
    let mixed = Pack::open_parts(dir.path(), Split::Heldout, Split::Train).unwrap();
    assert_eq!(mixed.split, Split::Heldout);
    let objects = mixed.objects.iter().map(|o| &o.id);
    let around = (mixed.panoramas.iter().map(|p| &p.id))
        .chain(mixed.photos.iter().map(|p| &p.id))
        .chain(mixed.tiles.iter().map(|t| &t.id));
    let is = |split: Split| move |id: &String| Split::of(id) == split;
    assert!(objects.clone().count() == 3 && objects.clone().all(is(Split::Heldout)));
    assert!(around.clone().count() == 3 && around.clone().all(is(Split::Train)));
    // The list says the same of every id, files that are not there included.
    let all = splits(dir.path()).unwrap();
    assert_eq!(all.len(), 13);
    assert!(objects.clone().all(|id| all[id] == Split::Heldout));
    assert!(around.clone().all(|id| all[id] == Split::Train));
    assert_eq!(all["absent"], Split::of("absent"));
}

#[test]
fn sheets_have_a_row_for_each_case() {
    let case = case(Task::InsertReference);
    let pasted = baselines(&case);
    let row = || sheet::Row {
        case: &case,
        naive: &pasted.naive,
        poisson: pasted.poisson.as_ref(),
        model: &case.target,
    };
    let drawn = sheet::sheet(&[row(), row()]);
    assert_eq!(drawn.dimensions(), (7 * 52 + 4, 2 * 52 + 4));
    assert_eq!(drawn.get_pixel(4 + 6 * 52 + 24, 4 + 24).0, [220, 20, 30]);
    assert_eq!(drawn.get_pixel(4 + 5 * 52 + 24, 56 + 24).0, [220, 20, 30]);
}
