use std::sync::Arc;

use super::insertion::{self, at_levels};
use super::{new, perception, tasks};
use crate::data::plan::Task;
use crate::doc::job::{BlendSpec, Solver};
use crate::doc::{ControlKind, Level, Picture, Plane};
use crate::eval::case::{Case, Further, Settings};
use crate::eval::metrics::selected;
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
        (Task::Customise | Task::Control | Task::IdentityPair | Task::TextToImage, _) => {
            (Picture::filled(SIDE, SIDE, [128, 128, 128, 255]), scene)
        }
        _ => (empty, scene),
    };
    let assets = matches!(
        task,
        Task::InsertReference | Task::Customise | Task::IdentityPair
    );
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
        map: None,
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
    // And three masks of each of two masked cases.
    assert_eq!(found.entries.len(), 2 * 4 * 6 + 5 + 2 * 3);
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
    assert_eq!(titles.len(), 4);
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
    let joint = &found.tables[3].groups[0];
    assert_eq!(joint.cases, 2);
    let overlaps: Vec<f64> = joint.rows.iter().map(|row| row.means["IoU"]).collect();
    // The mask is the object and two rows above it.
    assert!((overlaps[0] - 24.0 / 26.0).abs() < 1e-12, "{overlaps:?}");
    // The cut-out is as wide and less high.
    assert!(
        overlaps[1] > 0.6 && overlaps[1] < overlaps[0],
        "{overlaps:?}"
    );
    assert_eq!(overlaps.len(), 3);
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
        (Task::Control, true, 3),
        (Task::IdentityPair, false, 3),
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
fn each_asset_is_looked_for_by_its_own_colours() {
    let mut case = case(Task::Customise, false, false);
    case.more = vec![Further {
        picture: Arc::new(picture(|x, y| [(x * 3) as u8, (y * 3) as u8, 90])),
        object: Some(plane(|x, _| x < 20)),
    }];
    let second = new::with_other_colours(&case, 1);
    assert_eq!(second.asset, case.asset);
    let (own, other) = (&case.more[0].picture, &second.more[0].picture);
    for (x, y) in [(0, 0), (19, 63), (20, 0), (63, 63)] {
        assert_eq!(own.pixel(x, y) != other.pixel(x, y), x < 20, "{x} {y}");
    }
    let first = new::with_other_colours(&case, 0);
    assert_ne!(first.asset, case.asset);
    assert_eq!(first.more[0].picture, case.more[0].picture);
    // A picture of both, each in its place: they are the assets. In each other's place they are not.
    let both = picture(|x, y| {
        let from = match x < 32 {
            true => case.asset.as_ref().unwrap().pixel(x, y),
            false => own.pixel(x - 32, y),
        };
        [from[0], from[1], from[2]]
    });
    let here = plane(|x, y| (8..32).contains(&x) && (4..60).contains(&y));
    let there = plane(|x, _| (32..52).contains(&x));
    let places = [selected(&here), selected(&there)];
    let alike = new::identity(&case, &both, &places);
    assert!(alike["identity of the first"] > 0.8, "{alike:?}");
    assert!(alike["identity"] > 0.85, "{alike:?}");
    assert_eq!(alike["its share"], (24.0 * 56.0) / (64.0 * 64.0));
    let swapped = new::identity(&case, &both, &[places[1].clone(), places[0].clone()]);
    assert!(swapped["identity"] < 0.6, "{swapped:?}");
    // One that is not found counts as nothing, one that is not looked for does not count.
    let lost = vec![false; places[0].len()];
    let half = new::identity(&case, &both, &[places[0].clone(), lost]);
    assert_eq!(half["identity"], half["identity of the first"] / 2.0);
    let one = new::identity(&case, &both, &places[..1]);
    assert!(!one.contains_key("identity"));
}

#[test]
fn a_new_picture_is_held_against_its_map() {
    let mut model = generator();
    let mut edges = case(Task::Control, false, false);
    let drawn = perception::canny(&edges.target).unwrap();
    let map = perception::picture(&drawn, &edges.target).unwrap();
    edges.map = Some((ControlKind::Edge, Arc::new(map)));
    let mut depth = edges.clone();
    depth.name = "two".into();
    let nearness: Vec<u8> = (0..SIDE * SIDE)
        .map(|i| (i / SIDE * 3) as u8 + 20)
        .collect();
    let map = perception::picture(&nearness, &edges.target).unwrap();
    depth.map = Some((ControlKind::Depth, Arc::new(map)));
    let mut mask = case(Task::Control, true, false);
    mask.name = "three".into();
    mask.asset = case(Task::Customise, false, false).asset;
    let cases = [edges, depth, mask];
    let found = tasks::section(Task::Control, &cases, &settings(), &mut model, &|| {}).unwrap();
    let of = |case: &str, method: &str, measure: &str| {
        let mut entries = found.entries.iter();
        let entry = entries.find(|e| e.case == case && e.method == method);
        entry.unwrap().measures.get(measure).copied()
    };
    assert_eq!(of("one", "truth", "edges within 1 px"), Some(1.0));
    assert_eq!(of("one", "canvas", "edges within 1 px"), Some(0.0));
    assert!(of("one", "model", "edges within 1 px").unwrap() < 1.0);
    assert_eq!(of("one", "model", "depth"), None);
    for method in ["canvas", "map as it is", "model", "truth"] {
        assert!(of("two", method, "depth").unwrap() > 0.0, "{method}");
    }
    assert_eq!(of("two", "model", "edges within 1 px"), None);
    // At the level exact, whatever the case's own: what is drawn as by hand is the object within a pixel.
    assert!(of("three", "truth", "mask").unwrap() > 0.85);
    assert!(of("three", "model", "mask").is_some() && of("three", "canvas", "mask").is_none());
    let groups = found.tables[0]
        .groups
        .iter()
        .map(|group| group.name.as_str());
    assert_eq!(groups.collect::<Vec<_>>(), ["edges", "depth", "mask"]);
}

#[test]
fn what_has_no_figure_has_a_line_and_its_pictures() {
    let cases = [case(Task::TextToImage, false, false)];
    let found = tasks::section(
        Task::TextToImage,
        &cases,
        &settings(),
        &mut generator(),
        &|| {},
    )
    .unwrap();
    let text = found.tables[0].markdown();
    assert!(
        text.starts_with("No figure: ") && !text.contains('|'),
        "{text}"
    );
    assert_eq!(found.sheets[0].1.len(), 1);
    assert!(found.entries.iter().all(|entry| entry.measures.is_empty()));
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
