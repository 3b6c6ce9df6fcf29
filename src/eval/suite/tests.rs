use std::sync::Arc;

use super::insertion::{self, at_levels};
use super::{perception, tasks};
use crate::data::plan::Task;
use crate::doc::job::{BlendSpec, Solver};
use crate::doc::{Level, Picture, Plane};
use crate::eval::case::{Case, Settings};
use crate::eval::tests as of_eval;
use crate::model::{AttentionKind, Source, random_folder, tiny_config};
use crate::pipeline::unireal::UniRealGenerator;

const SIDE: u32 = 64;

fn picture(of: impl Fn(u32, u32) -> [u8; 3]) -> Picture {
    of_eval::picture(SIDE, SIDE, of)
}

fn plane(of: impl Fn(u32, u32) -> bool) -> Plane {
    of_eval::plane(SIDE, SIDE, of)
}

fn ground(x: u32, y: u32) -> [u8; 3] {
    [
        120 + (x * 7 + y * 3) as u8 % 20,
        130,
        140 + (y * 5) as u8 % 16,
    ]
}

fn inside(x: u32, y: u32) -> bool {
    (24..40).contains(&x) && (20..44).contains(&y)
}

/// A red box on grey ground, with its shadow to the right.
fn case(task: Task, masked: bool, placement: bool) -> Case {
    let shaded = |x: u32, y: u32| (40..50).contains(&x) && (38..44).contains(&y);
    let scene = picture(|x, y| match (inside(x, y), shaded(x, y)) {
        (true, _) => [200, 40, 40],
        (_, true) => ground(x, y).map(|v| v * 3 / 5),
        _ => ground(x, y),
    });
    let empty = picture(ground);
    let map = task
        .is_perception()
        .then(|| picture(|x, y| [if inside(x, y) { 255 } else { 0 }; 3]));
    let (canvas, target) = match (task, map) {
        (_, Some(map)) => (scene, map),
        (Task::Remove, _) => (scene, empty),
        (Task::Customise, _) => (Picture::filled(SIDE, SIDE, [128, 128, 128, 255]), scene),
        _ => (empty, scene),
    };
    let assets = matches!(task, Task::InsertReference | Task::Customise);
    let asset = Arc::new(picture(|x, y| {
        match (8..56).contains(&x) && (4..60).contains(&y) {
            true => [190, 50, 50],
            false => [128; 3],
        }
    }));
    Case {
        name: "one".into(),
        task,
        level: Level::Blob,
        prompt: match task {
            Task::Depth => "Depth of IMG1.".into(),
            _ => "Make it.".into(),
        },
        tags: Some(Vec::new()),
        asset: assets.then(|| Arc::clone(&asset)),
        asset_object: assets.then(|| plane(|x, y| (8..56).contains(&x) && (4..60).contains(&y))),
        more: Vec::new(),
        placement: placement.then(|| Arc::clone(&asset)),
        mask: masked.then(|| Arc::new(plane(|x, y| inside(x, y) || inside(x, y + 2)))),
        mask_from: None,
        canvas: Arc::new(canvas),
        target: Arc::new(target),
        object: plane(inside),
        changed: plane(|x, y| inside(x, y) || shaded(x, y)),
    }
}

fn settings() -> Settings {
    Settings {
        seed: 3,
        steps: 1,
        guidance_text: 1.0,
        guidance_image: 1.0,
        solver: Solver::Euler,
        blend: BlendSpec::default(),
        cut_out: true,
        whole: false,
        context: true,
    }
}

pub fn generator() -> UniRealGenerator {
    let folder = tempfile::tempdir().unwrap();
    random_folder(&tiny_config(AttentionKind::Cached), 1, folder.path()).unwrap();
    let source = Source::Folder(folder.path().into());
    let device = candle_core::Device::Cpu;
    UniRealGenerator::load("tiny", &source, &device, &mut |_, _| {}).unwrap()
}

#[test]
fn a_case_gets_every_level_and_keeps_the_rest() {
    let case = case(Task::InsertReference, true, false);
    let levels = at_levels(&case, 1);
    let named: Vec<Level> = levels.iter().map(|case| case.level).collect();
    assert_eq!(named, Level::ALL);
    for level in &levels {
        let mask = level.mask.as_deref().unwrap();
        assert_eq!((mask.width(), mask.height()), (SIDE, SIDE));
        assert!(mask.bounds().is_some());
        assert_eq!((&level.canvas, &level.object), (&case.canvas, &case.object));
    }
    // The same masks for the same seed.
    for (a, b) in levels.iter().zip(at_levels(&case, 1)) {
        assert_eq!(a.mask, b.mask);
    }
    let mut free = case;
    free.mask = None;
    assert_eq!(at_levels(&free, 1).len(), 1);
}

#[test]
fn insertions_have_their_tables_and_the_truth_is_the_best() {
    let cases = [
        case(Task::InsertReference, true, true),
        Case {
            name: "two".into(),
            ..case(Task::InsertReference, true, false)
        },
        Case {
            name: "three".into(),
            ..case(Task::InsertReference, false, false)
        },
    ];
    let found = insertion::section(&cases, true, &settings(), &mut generator(), &|| {}).unwrap();
    // canvas, naive, Poisson, two of the model, truth at 4 levels of two cases; one of the model without a mask.
    assert_eq!(found.entries.len(), 2 * 4 * 6 + 5);
    let of = |method: &str, measure: &str| -> Vec<f64> {
        let entries = found.entries.iter().filter(|entry| entry.method == method);
        entries
            .filter_map(|e| e.measures.get(measure).copied())
            .collect()
    };
    assert!(
        of("truth", "IoU with true object")
            .iter()
            .all(|iou| *iou > 0.8)
    );
    // The true object is of the asset's colours and as even; its rim alone is what gradients see.
    let identity = of("truth", "identity");
    assert_eq!(identity.len(), 9);
    assert!(identity.iter().all(|value| (0.3..=1.0).contains(value)));
    assert!(of("model", "outside").iter().all(|outside| *outside == 0.0));
    assert_eq!(of("truth", "IoU with mask").len(), 8);
    let titles: Vec<&str> = found
        .tables
        .iter()
        .map(|table| table.title.as_str())
        .collect();
    assert_eq!(titles.len(), 3);
    let groups = |at: usize| -> Vec<&str> {
        let groups = &found.tables[at].groups;
        groups.iter().map(|group| group.name.as_str()).collect()
    };
    assert_eq!(
        groups(0),
        ["all", "exact", "outline", "blob", "box", "none"]
    );
    assert_eq!(groups(1), ["artist's collage given", "no collage given"]);
    assert_eq!(groups(2), ["exact", "outline", "blob", "box"]);
    assert_eq!((found.sheets[0].1.len(), found.sheets[1].1.len()), (3, 2));
}

#[test]
fn every_task_is_judged_against_what_needs_no_model() {
    let mut model = generator();
    for (task, masked, rows) in [
        (Task::InsertWords, true, 2),
        (Task::Remove, true, 3),
        (Task::Outpaint, true, 3),
        (Task::Frame2Frame, false, 2),
        (Task::Customise, false, 4),
        (Task::Segment, false, 2),
        (Task::Depth, false, 3),
        (Task::Edges, false, 2),
    ] {
        let one = case(task, masked, false);
        let two = Case {
            name: "two".into(),
            ..one.clone()
        };
        let cases = [one, two];
        let found = tasks::section(task, &cases, &settings(), &mut model, &|| {}).unwrap();
        assert_eq!(found.entries.len(), 2 * rows, "{}", task.name());
        let table = &found.tables[0];
        assert_eq!(table.groups[0].rows.len(), rows, "{}", task.name());
        assert!(!table.groups[0].compared.is_empty(), "{}", task.name());
        assert_eq!(found.sheets[0].1.len(), 2);
    }
}

#[test]
fn maps_are_asked_for_as_such() {
    let job = case(Task::Depth, false, false).job(&settings());
    job.validate().unwrap();
    assert_eq!(
        job.spec.compile().unwrap().text,
        "Perception task. Depth of IMG1."
    );
    assert!(!job.spec.blend.keep_detail);
    let customise = case(Task::Customise, false, false).job(&settings());
    customise.validate().unwrap();
    assert_eq!(
        (customise.spec.canvas(), customise.spec.size),
        (None, Some([SIDE; 2]))
    );
    let truth = case(Task::Segment, false, false).target;
    assert_eq!(
        perception::mask_iou(&perception::grey(&truth), &perception::grey(&truth)),
        1.0
    );
}
