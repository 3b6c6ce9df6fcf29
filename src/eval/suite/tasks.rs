//! The other tasks: editing, new pictures, perception.

use std::sync::Arc;

use super::super::baseline::baselines;
use super::super::case::{Case, Settings};
use super::super::command::generate;
use super::super::metrics::psnr;
use super::super::report::Judge;
use super::super::sheet::masks;
use super::insertion::at_levels;
use super::new;
use super::perception::{
    centre_box, depth_error, edge_f1, even, grey, mask_iou, picture, ramp, sobel,
};
use super::table::{Column, Entry, Measures, Plan, Table};
use crate::data::plan::Task;
use crate::doc::Picture;
use crate::pipeline::generator::Generator;

/// One row of a sheet.
pub type Strip = Vec<Option<Arc<Picture>>>;

/// What was found out about one task.
pub struct Section {
    /// The tables.
    pub tables: Vec<Table>,
    /// Every picture's figures.
    pub entries: Vec<Entry>,
    /// Sheets by name.
    pub sheets: Vec<(&'static str, Vec<Strip>)>,
}

/// The figures of an edited picture.
pub fn edited(judge: &Judge<'_>, case: &Case, result: &Picture) -> Measures {
    let figures = judge.figures(result);
    let all = vec![true; case.changed.values().len()];
    [
        ("PSNR", figures.psnr),
        ("SSIM", figures.ssim),
        ("PSNR object", figures.psnr_object),
        ("shadow", figures.shadow),
        ("background", figures.background),
        ("outside", figures.outside),
        ("PSNR whole", psnr(result, &case.target, &all)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

/// Judges cases of one task other than insertion with reference.
pub fn section(
    task: Task,
    cases: &[Case],
    settings: &Settings,
    generator: &mut dyn Generator,
    tick: &dyn Fn(),
) -> anyhow::Result<Section> {
    let (mut entries, mut strips) = (Vec::new(), Vec::new());
    for case in cases {
        // What a new picture's mask says is told as it is read there.
        let exact = match task {
            Task::Control => at_levels(case, settings.seed).into_iter().next(),
            _ => None,
        };
        let case = exact.as_ref().unwrap_or(case);
        let result = generate(&case.told(), settings, generator)?;
        let pictures = match task {
            Task::Segment | Task::Depth | Task::Edges => mapped(task, case, &result),
            Task::Customise => new::composed(case, &result, settings, generator)?,
            Task::Control => new::controlled(case, &result, settings, generator)?,
            Task::IdentityPair => new::turned(case, &result),
            Task::TextToImage => vec![("model", Some((*result).clone()), Measures::new())],
            _ => compared(case, &result),
        };
        let mut strip = vec![
            case.task.has_canvas().then(|| Arc::clone(&case.canvas)),
            case.asset.clone(),
        ];
        strip.extend(case.more.iter().map(|f| Some(Arc::clone(&f.picture))));
        strip.resize(if task == Task::Customise { 4 } else { 2 }, None);
        strip.push(case.map.as_ref().map(|(_, map)| Arc::clone(map)));
        strip.push(masks(case).map(Arc::new));
        for (method, shown, measures) in pictures {
            // The canvas is there already.
            if method != "canvas" {
                strip.push(shown.map(Arc::new));
            }
            entries.push(Entry {
                case: case.name.clone(),
                level: case.level_name(),
                scene: match task {
                    Task::Control => new::control_name(case),
                    _ => "",
                },
                method,
                measures,
            });
        }
        strip.push(Some(Arc::clone(&case.target)));
        strips.push(strip);
        tick();
    }
    Ok(Section {
        tables: vec![match task {
            Task::Control => Table::new(&plan(task), &entries, |entry| entry.scene),
            _ => Table::new(&plan(task), &entries, |entry| entry.level),
        }],
        entries,
        sheets: vec![(task.name(), strips)],
    })
}

/// Who made a picture, the picture if a sheet is to show it, and its figures.
pub type Judged = (&'static str, Option<Picture>, Measures);

fn compared(case: &Case, result: &Picture) -> Vec<Judged> {
    let judge = Judge::new(case);
    let pasted = baselines(case);
    let judged =
        |method, picture: &Picture| (method, Some(picture.clone()), edited(&judge, case, picture));
    let mut all = vec![judged("canvas", &case.canvas)];
    if pasted.naive != *case.canvas {
        all.push(judged("naive", &pasted.naive));
    }
    if let Some(poisson) = &pasted.poisson {
        let name = match case.task {
            Task::Remove | Task::Outpaint => "harmonic fill",
            _ => "Poisson",
        };
        all.push(judged(name, poisson));
    }
    all.push(judged("model", result));
    all
}

fn mapped(task: Task, case: &Case, result: &Picture) -> Vec<Judged> {
    let truth = grey(&case.target);
    let canvas = &case.canvas;
    let width = canvas.width() as usize;
    let measure = |map: &[u8]| -> Measures {
        match task {
            Task::Segment => [("IoU", mask_iou(map, &truth))].into(),
            Task::Depth => [("log RMSE", depth_error(map, &truth))].into(),
            _ => [1, 2]
                .map(|reach| edge_f1(map, &truth, width, reach))
                .into_iter()
                .zip(["F1 within 1 px", "F1 within 2 px"])
                .map(|(value, name)| (name, value))
                .collect(),
        }
    };
    let guesses = match task {
        Task::Segment => vec![("centre box", centre_box(canvas))],
        Task::Depth => vec![("even", even(canvas)), ("ramp", ramp(canvas))],
        _ => vec![("Sobel", sobel(canvas))],
    };
    guesses
        .into_iter()
        .chain([("model", grey(result))])
        .map(|(method, map)| (method, picture(&map, canvas), measure(&map)))
        .collect()
}

const EDITED: &[Column] = &[
    Column::more("PSNR", 2),
    Column::more("SSIM", 3),
    Column::plain("PSNR object", 2),
    Column::less("shadow", 4),
    Column::plain("shadow of canvas's", 2),
    Column::plain("background", 5),
    Column::plain("outside", 3),
];

fn plan(task: Task) -> Plan<'static> {
    let edits = |title, note, methods, pairs| Plan {
        title,
        note,
        columns: EDITED,
        methods,
        pairs,
        all: true,
    };
    match task {
        Task::InsertWords => edits(
            "Insertion by words",
            "Nothing can be pasted: the canvas as it is stands for doing nothing. What an object of these words looks \
             like is open, so a good result need not be near the true picture.",
            &["canvas", "model"],
            &[("model", "canvas")],
        ),
        Task::Remove => edits(
            "Removal",
            "Against the canvas as it is and the mask filled harmonically. “Object” is the place that it leaves.",
            &["canvas", "harmonic fill", "model"],
            &[("model", "canvas"), ("model", "harmonic fill")],
        ),
        Task::Move => edits(
            "Moving",
            "Pasting: the place it leaves filled harmonically, the object pasted into the mask it goes to.",
            &["canvas", "naive", "Poisson", "model"],
            &[("model", "naive"), ("model", "Poisson")],
        ),
        Task::Outpaint => Plan {
            title: "Filling holes and growing pictures",
            note: "The canvas has a grey hole, within it or all around. PSNR and SSIM in the hole.",
            columns: const {
                &[
                    Column::more("PSNR", 2),
                    Column::more("SSIM", 3),
                    Column::plain("background", 5),
                    Column::plain("outside", 3),
                ]
            },
            methods: &["canvas", "harmonic fill", "model"],
            pairs: &[("model", "canvas"), ("model", "harmonic fill")],
            all: true,
        },
        Task::Frame2Frame => Plan {
            title: "Another frame of the scene, by words alone",
            note: "The canvas as it is stands for doing nothing; words leave much of the second frame open.",
            columns: const {
                &[
                    Column::more("PSNR", 2),
                    Column::more("SSIM", 3),
                    Column::more("PSNR whole", 2),
                    Column::plain("background", 5),
                ]
            },
            methods: &["canvas", "model"],
            pairs: &[("model", "canvas")],
            all: true,
        },
        Task::Customise | Task::Control | Task::IdentityPair | Task::TextToImage => new::plan(task),
        Task::Segment => Plan {
            title: "Segmentation by words",
            note: "Intersection over union at a half. Centre box: half the picture's width and height.",
            columns: const { &[Column::more("IoU", 3)] },
            methods: &["centre box", "model"],
            pairs: &[("model", "centre box")],
            all: true,
        },
        Task::Depth => Plan {
            title: "Depth",
            note: "Scale-invariant log RMSE (Eigen et al. 2014) of nearness, at least 0.05; less is better. Even: all \
                   equally far. Ramp: lower is nearer.",
            columns: const { &[Column::less("log RMSE", 3)] },
            methods: &["even", "ramp", "model"],
            pairs: &[("model", "even"), ("model", "ramp")],
            all: true,
        },
        Task::Edges => Plan {
            title: "Edges",
            note: "F1 at a half. The true edges are Canny's of the same picture. Sobel: squared gradients above four \
                   times their mean.",
            columns: const {
                &[
                    Column::more("F1 within 1 px", 3),
                    Column::more("F1 within 2 px", 3),
                ]
            },
            methods: &["Sobel", "model"],
            pairs: &[("model", "Sobel")],
            all: true,
        },
        _ => edits(
            "Editing",
            "Against the canvas as it is.",
            &["canvas", "naive", "Poisson", "model"],
            &[("model", "canvas")],
        ),
    }
}
