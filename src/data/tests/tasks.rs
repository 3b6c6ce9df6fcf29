//! What each task's samples are.

use super::super::make::{Studio, thresholded};
use super::super::mask::{Style, styled};
use super::super::plan::{Planner, Side, Task, Weights, generator};
use super::super::record::{DEPTH, EDGES, Input, MASK, MAX_INPUTS, PICTURE, Record, record_bytes};
use super::super::sample::Maker;
use super::super::staging::{Relation, area, is_known, staged};
use super::{SIZE, records_of};
use crate::doc::perceive::MapKind;
use crate::doc::poisson::{FILL_REACH, widened};
use crate::doc::{ControlKind, Level, Plane, Role};
use crate::world::clip::ChangeKind;
use crate::world::depth::{edges, nearness};
use crate::world::frame::Renderer;
use crate::world::pack::Split;
use crate::world::tests::pack::pack;

fn of_role(record: &Record, role: Role) -> Vec<&Input> {
    let role = role.index() as u8;
    record.inputs.iter().filter(|i| i.role == role).collect()
}

fn of_kind(record: &Record, kind: ControlKind) -> Option<&Input> {
    let kind = kind.index() as u8;
    record.inputs.iter().find(|i| i.kind == kind)
}

fn grey(picture: &[[u8; 3]]) -> Vec<u8> {
    assert!(picture.iter().all(|p| p[0] == p[1] && p[1] == p[2]));
    picture.iter().map(|p| p[0]).collect()
}

#[test]
fn every_task_has_its_inputs_and_outputs() {
    for task in Task::ALL {
        for record in records_of(task, 4) {
            let kinds: Vec<u8> = record.outputs.iter().map(|o| o.0).collect();
            let first = match task {
                Task::Segment => MASK,
                Task::Depth => DEPTH,
                Task::Edges => EDGES,
                _ => PICTURE,
            };
            assert!(
                kinds == [first] || kinds == [PICTURE, MASK],
                "{task:?} {kinds:?}"
            );
            assert_eq!(
                of_role(&record, Role::Canvas).len(),
                usize::from(task.has_canvas())
            );
            let assets = of_role(&record, Role::Asset).len();
            assert!(match task {
                Task::InsertReference | Task::IdentityPair => assets == 1,
                Task::Customise => (1..=3).contains(&assets),
                Task::Control | Task::Outpaint => assets <= 1,
                _ => assets == 0,
            });
            assert!(record.inputs.len() <= MAX_INPUTS);
            let full = |p: &[[u8; 3]]| p.len() == SIZE * SIZE;
            assert!(record.inputs.iter().all(|i| full(&i.picture)));
            assert!(record.outputs.iter().all(|o| full(&o.1)));
            assert_eq!(record.to_bytes(SIZE).len(), record_bytes(SIZE));
            if task == Task::TextToImage {
                assert!(record.inputs.is_empty());
            }
        }
    }
}

#[test]
fn a_segmentation_is_the_visible_mask_of_the_named_object() {
    for record in records_of(Task::Segment, 12) {
        let mask = grey(&record.outputs[0].1);
        assert_eq!(mask, thresholded(&record.object));
        assert!(mask.contains(&255) && mask.contains(&0));
    }
    // Against the scene itself, filmed again.
    let (_dir, pack) = pack(Split::Train);
    let weights = Weights::parse("segment").unwrap();
    let planner = Planner::new(&pack, weights).unwrap();
    let mut seen = 0;
    for index in 0..40 {
        let plan = planner.plan(&pack, 5, index, 0);
        let Some(staged) = staged(&pack, &plan, SIZE, &mut generator(plan.seed, index, 0)) else {
            continue;
        };
        let frame = Renderer::new(&staged.stage).frame(&staged.target).unwrap();
        let object = staged.stage.first.actors[staged.subject].object;
        assert_eq!(staged.facts.objects[0], object);
        let mut without = staged.target.clone();
        without.actors[staged.subject].present = false;
        let empty = Renderer::new(&staged.stage).frame(&without).unwrap();
        // Where the mask says the object is, the picture without it is another; the side is where the mask is.
        let mask = &frame.visible[staged.subject];
        let full: Vec<usize> = (0..SIZE * SIZE).filter(|&i| mask[i] == 255).collect();
        if full.len() < 60 {
            continue;
        }
        let same = full
            .iter()
            .filter(|&&i| frame.rgb[i] == empty.rgb[i])
            .count();
        assert!(same * 4 < full.len(), "{same} of {} pixels", full.len());
        let columns: Vec<usize> = full.iter().map(|i| i % SIZE).collect();
        let (low, high) = (columns.iter().min().unwrap(), columns.iter().max().unwrap());
        let u = staged.facts.u * SIZE as f32;
        assert!(u > *low as f32 - 8.0 && u < *high as f32 + 9.0);
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn depth_is_brighter_where_it_is_nearer() {
    let depth = [4.0, 1.0, f32::INFINITY, 2.0, 1.0];
    assert_eq!(nearness(&depth), [64, 255, 0, 128, 255]);
    let (_dir, pack) = pack(Split::Train);
    let planner = Planner::new(&pack, Weights::parse("depth").unwrap()).unwrap();
    let mut seen = 0;
    for index in 0..8 {
        let plan = planner.plan(&pack, 3, index, 0);
        let Some(staged) = staged(&pack, &plan, SIZE, &mut generator(plan.seed, index, 0)) else {
            continue;
        };
        let frame = Renderer::new(&staged.stage).frame(&staged.target).unwrap();
        let map = nearness(&frame.depth);
        let mut order: Vec<usize> = (0..SIZE * SIZE).collect();
        order.sort_by(|&a, &b| frame.depth[a].total_cmp(&frame.depth[b]));
        assert!(order.windows(2).all(|w| map[w[0]] >= map[w[1]]));
        // Known everywhere but beside a table; an object is before what is behind it.
        let mut empty = staged.target.clone();
        empty.actors.iter_mut().for_each(|a| a.present = false);
        let empty = Renderer::new(&staged.stage).frame(&empty).unwrap();
        for i in 0..SIZE * SIZE {
            if frame.ids[i] > 0 {
                assert!(frame.depth[i] <= empty.depth[i] * 1.05 + 0.01);
            } else {
                assert_eq!(frame.depth[i], empty.depth[i]);
            }
        }
        seen += 1;
    }
    assert!(seen > 3);
    for record in records_of(Task::Depth, 4) {
        let map = grey(&record.outputs[0].1);
        assert!(map.contains(&255));
    }
}

#[test]
fn edges_are_where_lightness_changes() {
    let picture: Vec<[u8; 3]> = (0..SIZE * SIZE)
        .map(|i| if i % SIZE < 20 { [30; 3] } else { [200; 3] })
        .collect();
    let map = edges(&picture, SIZE);
    for (i, &e) in map.iter().enumerate() {
        let near = (19..=20).contains(&(i % SIZE));
        assert!(e == 0 || near, "an edge at column {}", i % SIZE);
    }
    for y in 0..SIZE {
        let line = &map[y * SIZE..(y + 1) * SIZE];
        assert_eq!(line.iter().filter(|&&e| e == 255).count(), 1);
    }
    assert!(
        edges(&vec![[90; 3]; SIZE * SIZE], SIZE)
            .iter()
            .all(|&e| e == 0)
    );
    for record in records_of(Task::Edges, 4) {
        let canvas = &of_role(&record, Role::Canvas)[0].picture;
        assert_eq!(grey(&record.outputs[0].1), edges(canvas, SIZE));
    }
}

#[test]
fn the_words_for_maps_are_among_the_captions() {
    // Captions are made of what is filmed, so of small pictures here.
    for (kind, task) in MapKind::ALL.into_iter().zip(["segment", "depth", "edges"]) {
        let (_dir, pack) = pack(Split::Train);
        let weights = Weights::parse(task).unwrap();
        let maker = Maker::weighted(pack, None, 32, 3, weights).unwrap();
        let asked = (0..200)
            .filter_map(|i| Some(maker.caption(i)?.1.base))
            .find(|base| {
                let words = base.strip_prefix("Segment the ");
                let words = words.and_then(|rest| rest.strip_suffix(" in IMG1."));
                *base == kind.prompt(words.unwrap_or_default())
            });
        assert!(asked.is_some(), "{kind}");
    }
}

#[test]
fn controls_are_maps_of_the_target() {
    let mut kinds = std::collections::HashSet::new();
    for record in records_of(Task::Control, 24) {
        let target = &record.outputs[0].1;
        if let Some(map) = of_kind(&record, ControlKind::Edge) {
            assert_eq!(grey(&map.picture), edges(target, SIZE));
            kinds.insert("edge");
        } else if let Some(map) = of_kind(&record, ControlKind::Depth) {
            let map = grey(&map.picture);
            assert!(map.contains(&255));
            kinds.insert("depth");
        } else {
            let mask = of_kind(&record, ControlKind::Mask).unwrap();
            let inside = (0..SIZE * SIZE)
                .filter(|&i| record.object[i] >= 128 && mask.picture[i][0] >= 128)
                .count();
            let all = record.object.iter().filter(|&&o| o >= 128).count();
            assert!(inside * 10 >= all * 7);
            kinds.insert("mask");
        }
    }
    assert_eq!(kinds.len(), 3);
}

#[test]
fn a_hole_is_grey_and_the_rest_is_the_target() {
    let (mut outside, mut inside) = (0, 0);
    for record in records_of(Task::Outpaint, 16) {
        let canvas = &of_role(&record, Role::Canvas)[0].picture;
        let mask = of_kind(&record, ControlKind::Mask).unwrap();
        assert_eq!(mask.level, Level::Exact.index() as u8);
        for (i, &pixel) in canvas.iter().enumerate() {
            if mask.picture[i][0] == 255 {
                assert_eq!(pixel, [128; 3]);
            } else {
                assert_eq!(pixel, record.outputs[0].1[i]);
                assert_eq!(record.changed[i], 0);
            }
        }
        let corner = |i: usize| mask.picture[i][0] == 255;
        let touches = [0, SIZE - 1, SIZE * (SIZE - 1), SIZE * SIZE - 1];
        if touches.into_iter().any(corner) {
            outside += 1;
        } else {
            inside += 1;
        }
    }
    assert!(outside > 2 && inside > 2, "{outside} {inside}");
}

#[test]
fn removals_and_moves_start_from_a_canvas_that_is_filled_under_the_mask() {
    for task in [Task::Remove, Task::Move] {
        let mut seen = 0;
        for record in records_of(task, 10) {
            let Some(start) = of_kind(&record, ControlKind::Placement) else {
                continue;
            };
            seen += 1;
            let canvas = &of_role(&record, Role::Canvas)[0].picture;
            let mut may_differ = vec![false; SIZE * SIZE];
            let kind = ControlKind::Mask.index() as u8;
            let masks = record.inputs.iter().filter(|i| i.kind == kind);
            for (n, mask) in masks.enumerate() {
                let values = mask.picture.iter().map(|p| p[0]).collect();
                let mut mask = Plane::from_values(SIZE as u32, SIZE as u32, values).unwrap();
                if n == 1 {
                    // What moves fills the second mask's bounds, whatever its shape.
                    let (x0, y0, x1, y1) = mask.bounds().unwrap();
                    for i in 0..(SIZE * SIZE) as u32 {
                        let inside = (x0..x1).contains(&(i % SIZE as u32))
                            && (y0..y1).contains(&(i / SIZE as u32));
                        mask.values_mut()[i as usize] = if inside { 255 } else { 0 };
                    }
                }
                let values: Vec<f32> = mask
                    .values()
                    .iter()
                    .map(|&v| f32::from(v) / 255.0)
                    .collect();
                for (all, one) in may_differ
                    .iter_mut()
                    .zip(widened(&values, SIZE, FILL_REACH))
                {
                    *all |= one;
                }
            }
            let differs = |i: usize| (0..3).any(|c| canvas[i][c].abs_diff(start.picture[i][c]) > 1);
            assert!(
                (0..SIZE * SIZE).all(|i| may_differ[i] || !differs(i)),
                "{task:?}"
            );
            assert!((0..SIZE * SIZE).any(differs), "{task:?}");
        }
        assert!(seen >= 4, "{task:?} {seen}");
    }
}

#[test]
fn a_second_output_is_the_objects_mask() {
    let mut joint = 0;
    for record in records_of(Task::InsertReference, 80) {
        if record.outputs.len() == 2 {
            assert_eq!(grey(&record.outputs[1].1), thresholded(&record.object));
            joint += 1;
        }
    }
    assert!((1..20).contains(&joint), "{joint}");
}

#[test]
fn artists_masks_hold_the_object_and_stay_near_it() {
    let exact = Plane::from_values(
        96,
        96,
        (0..96 * 96)
            .map(|i| {
                let (x, y) = ((i % 96) as f32 - 50.0, (i / 96) as f32 - 44.0);
                if (x / 14.0).hypot(y / 22.0) < 1.0 {
                    255
                } else {
                    0
                }
            })
            .collect(),
    )
    .unwrap();
    let (x0, y0, x1, y1) = exact.bounds().unwrap();
    for level in [Level::Exact, Level::Outline, Level::Blob, Level::Box] {
        for style in [Style::Coarse, Style::Lasso, Style::Scribble] {
            for seed in 0..20 {
                let mask = styled(&exact, level, style, &mut generator(seed, 0, 0));
                assert!(mask.values().iter().all(|&v| v == 0 || v == 255));
                let pairs = || mask.values().iter().zip(exact.values());
                let area = exact.values().iter().filter(|&&e| e == 255).count();
                let inside = pairs().filter(|&(&m, &e)| m == 255 && e == 255).count();
                assert!(
                    inside * 100 >= area * 78,
                    "{level:?} {style:?}: {inside} of {area}"
                );
                let (a, b, c, d) = mask.bounds().unwrap();
                let reach = 16;
                assert!(a + reach >= x0 && b + reach >= y0 && c <= x1 + reach && d <= y1 + reach);
            }
        }
    }
}

#[test]
fn what_is_given_for_beyond_the_edges_is_there() {
    let (_dir, pack) = pack(Split::Train);
    let planner = Planner::new(&pack, Weights::parse("outpaint").unwrap()).unwrap();
    let studio = Studio {
        pack: &pack,
        planner: &planner,
        size: SIZE,
    };
    let (mut given, mut unlisted) = (0, 0);
    for index in 0..60 {
        let plan = planner.plan(&pack, 23, index, 0);
        let rng = &mut generator(plan.seed, index, 0);
        let Some(pictures) = studio.pictures(&plan, rng) else {
            continue;
        };
        if !pictures.facts.outside {
            continue;
        }
        let hole = pictures.hole.unwrap();
        let pairs = pictures.object.iter().zip(hole.values());
        let inside = pairs.filter(|(o, h)| **o >= 128 && **h >= 128).count();
        let whole = area(&pictures.object);
        if plan.assets > 0 {
            assert!(inside * 10 >= whole * 6, "{inside} of {whole}");
            let kept = hole.values().iter().filter(|&&h| h < 128).count();
            assert!(kept * 11 > SIZE * SIZE, "{kept} pixels are left");
            given += 1;
        }
        // A list names what is in the hole for the greater part.
        let listed = pictures.facts.listed.contains(&0);
        assert_eq!(listed, inside * 2 >= whole);
        unlisted += usize::from(!listed);
    }
    assert!(given > 5 && unlisted > 3, "{given} {unlisted}");
}

#[test]
fn behind_is_what_another_hides() {
    let (_dir, pack) = pack(Split::Train);
    let planner = Planner::new(&pack, Weights::parse("text_to_image").unwrap()).unwrap();
    let mut seen = std::collections::HashSet::new();
    for index in 0..120 {
        let plan = planner.plan(&pack, 29, index, 0);
        let Some(staged) = staged(&pack, &plan, SIZE, &mut generator(plan.seed, index, 0)) else {
            continue;
        };
        assert!(staged.facts.relation.is_none() && staged.facts.objects.len() == 1);
        let frame = Renderer::new(&staged.stage).frame(&staged.target).unwrap();
        let others: Vec<usize> = (1..staged.target.actors.len())
            .filter(|&i| is_known(&frame, i))
            .collect();
        let facts = staged.facts.filmed(&staged.target, &frame, 0, None);
        assert_eq!(facts.objects.len(), 1 + others.len());
        assert_eq!(facts.listed, (0..facts.objects.len()).collect::<Vec<_>>());
        let Some((relation, _)) = facts.relation else {
            assert!(others.is_empty());
            continue;
        };
        let other = others[0];
        let hidden = |of: usize, by: usize| {
            let both = frame.amodal[of].iter().zip(&frame.visible[by]);
            let both = both.filter(|(a, v)| **a >= 128 && **v >= 128).count();
            both as f32 / area(&frame.amodal[of]) as f32
        };
        match relation {
            Relation::Behind => assert!(hidden(0, other) >= 0.08),
            Relation::Front => assert!(hidden(other, 0) >= 0.08),
            _ => assert!(hidden(0, other) < 0.09 && hidden(other, 0) < 0.09),
        }
        seen.insert(format!("{relation:?}"));
    }
    assert!(seen.len() >= 4, "{seen:?}");
}

#[test]
fn poses_change_where_a_pose_is_to_change() {
    let (_dir, pack) = pack(Split::Train);
    let planner = Planner::new(&pack, Weights::parse("frame2frame").unwrap()).unwrap();
    let mut posed = 0;
    for index in 0..200 {
        let plan = planner.plan(&pack, 31, index, 0);
        if plan.change != ChangeKind::Posed {
            continue;
        }
        assert!(pack.objects[plan.subject()].files.len() > 1);
        if let Some(staged) = staged(&pack, &plan, SIZE, &mut generator(plan.seed, index, 0)) {
            assert_eq!(staged.subject, 0);
            posed += 1;
        }
    }
    assert!(posed >= 5, "{posed} of 200");
}

#[test]
fn weights_say_how_often_tasks_come_up() {
    let share = |weights: &Weights, task: Task| {
        let hits = (0..1000).filter(|&i| weights.at(i as f32 / 1000.0) == task);
        hits.count()
    };
    let usual = Weights::default();
    assert_eq!(usual.tasks().count(), Task::ALL.len());
    assert!((480..=520).contains(&share(&usual, Task::InsertReference)));
    let given = Weights::parse("segment=3, depth=1").unwrap();
    assert_eq!(
        share(&given, Task::Segment) + share(&given, Task::Depth),
        1000
    );
    assert!((745..=755).contains(&share(&given, Task::Segment)));
    let json = Weights::parse(r#"{"segment": 3, "depth": 1}"#).unwrap();
    assert_eq!(json, given);
    let wrong = Weights::parse("paint=1").unwrap_err().to_string();
    assert!(wrong.starts_with("there is no task \"paint\"; write one of insert_reference, "));
    assert_eq!(
        Weights::parse("depth=0").unwrap_err().to_string(),
        "no task has a weight above 0"
    );
    assert!(Weights::parse("depth=-1").is_err() && Weights::parse("depth=many").is_err());
    assert_eq!(
        Task::ALL.map(|t| t as u16),
        std::array::from_fn(|i| i as u16)
    );
    for task in Task::ALL {
        assert_eq!(Task::named(task.name()), Some(task));
    }
}

#[test]
fn captions_tell_the_side_the_object_is_on() {
    let mut seen = 0;
    for record in records_of(Task::InsertWords, 30) {
        let columns: Vec<f32> = (0..SIZE * SIZE)
            .filter(|&i| record.object[i] >= 128)
            .map(|i| (i % SIZE) as f32 / SIZE as f32)
            .collect();
        let middle = columns.iter().sum::<f32>() / columns.len() as f32;
        for (words, side) in [("left side", Side::Left), ("right side", Side::Right)] {
            if record.text.contains(words) {
                let off = if side == Side::Left {
                    middle - 0.5
                } else {
                    0.5 - middle
                };
                assert!(off < 0.02, "{} at {middle}", record.text);
                seen += 1;
            }
        }
    }
    assert!(seen > 0);
}
