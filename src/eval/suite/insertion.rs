//! Insertion with reference: by level, and by the collage that the model starts from.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::super::baseline::baselines;
use super::super::case::{Case, Settings};
use super::super::command::generate;
use super::super::metrics::selected;
use super::super::report::Judge;
use super::super::sheet::masks;
use super::likeness::likeness;
use super::made::{iou, object_made, share_in};
use super::table::{Column, Entry, Measures, Plan, Table};
use super::tasks::{Section, Strip, edited};
use crate::data::mask::drawn;
use crate::doc::{Level, Picture};
use crate::pipeline::generator::Generator;

/// Pasted by the program into the mask, as for an artist who only paints one.
const MODEL: &str = "model";
/// The sample's own collage, in which the object mostly stands as in the true picture.
const ARTIST: &str = "model, artist's collage";
/// Nothing is pasted: the model has the asset picture, not cut out.
const WITHOUT: &str = "model, no collage";

const COLLAGE: &str = "artist's collage given";
const NO_COLLAGE: &str = "no collage given";
const UNMASKED: &str = "no mask";

/// A case with its mask drawn anew at every level; a case without mask as it is.
pub fn at_levels(case: &Case, seed: u64) -> Vec<Case> {
    if case.mask.is_none() {
        return vec![case.clone()];
    }
    let mut digest = [0; 8];
    digest.copy_from_slice(&blake3::hash(case.name.as_bytes()).as_bytes()[..8]);
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ u64::from_le_bytes(digest));
    Level::ALL
        .into_iter()
        .map(|level| Case {
            level,
            mask: Some(Arc::new(drawn(&case.object, level, &mut rng))),
            ..case.clone()
        })
        .collect()
}

/// What the model makes under every condition that a case allows.
fn results(
    case: &Case,
    settings: &Settings,
    generator: &mut dyn Generator,
) -> anyhow::Result<Vec<(&'static str, Arc<Picture>)>> {
    let mut asked = vec![(MODEL, case.told(), true)];
    if case.placement.is_some() {
        asked.push((ARTIST, case.clone(), true));
    } else if case.mask.is_some() {
        asked.push((WITHOUT, case.clone(), false));
    }
    asked
        .into_iter()
        .map(|(method, told, cut_out)| {
            let settings = Settings {
                cut_out,
                ..*settings
            };
            Ok((method, generate(&told, &settings, generator)?))
        })
        .collect()
}

/// How much of the object there is, where, and how it looks.
fn object(case: &Case, picture: &Picture, judge: &Judge<'_>) -> Measures {
    let made = object_made(picture, &case.canvas, judge.editable());
    let mut measures = Measures::new();
    if let (Some(asset), Some(place)) = (&case.asset, &case.asset_object) {
        let identity = likeness((asset, &selected(place)), (picture, &made));
        measures.insert("identity", identity);
    }
    if let Some(mask) = &case.mask {
        let mask = selected(mask);
        measures.insert("IoU with mask", iou(&made, &mask).unwrap_or(0.0));
        measures.extend(share_in(&made, &mask).map(|share| ("made inside mask", share)));
        measures.extend(share_in(&mask, &made).map(|share| ("mask filled", share)));
    }
    let true_object = selected(&case.object);
    measures.insert(
        "IoU with true object",
        iou(&made, &true_object).unwrap_or(0.0),
    );
    measures
}

/// Judges cases; `redraw` gives each masked case all four levels.
pub fn section(
    cases: &[Case],
    redraw: bool,
    settings: &Settings,
    generator: &mut dyn Generator,
    tick: &dyn Fn(),
) -> anyhow::Result<Section> {
    let mut entries = Vec::new();
    let (mut strips, mut levels) = (Vec::new(), Vec::new());
    for case in cases {
        let scene = match (&case.mask, &case.placement) {
            (None, _) => UNMASKED,
            (Some(_), Some(_)) => COLLAGE,
            (Some(_), None) => NO_COLLAGE,
        };
        let variants = match redraw {
            true => at_levels(case, settings.seed),
            false => vec![case.clone()],
        };
        let mut by_level: Strip = vec![Some(Arc::clone(&case.canvas)), case.asset.clone()];
        for variant in &variants {
            let pasted = baselines(variant);
            let judge = Judge::new(variant);
            let mut enter = |method: &'static str, measures: Measures| {
                entries.push(Entry {
                    case: case.name.clone(),
                    level: variant.level_name(),
                    scene,
                    method,
                    measures,
                });
            };
            let mut pictures: Vec<(&'static str, &Picture)> =
                vec![("canvas", &variant.canvas), ("naive", &pasted.naive)];
            pictures.extend(pasted.poisson.iter().map(|picture| ("Poisson", picture)));
            let made = results(variant, settings, generator)?;
            pictures.extend(made.iter().map(|(method, picture)| (*method, &**picture)));
            for (method, picture) in pictures {
                let mut measures = edited(&judge, variant, picture);
                if method != "canvas" {
                    measures.extend(object(variant, picture, &judge));
                }
                enter(method, measures);
            }
            enter("truth", object(variant, &variant.target, &judge));
            let shown = made.first().map(|(_, picture)| Arc::clone(picture));
            by_level.push(masks(variant).map(Arc::new));
            by_level.push(shown.clone());
            // The level that the case came with.
            if variant.level == case.level {
                strips.push(vec![
                    Some(Arc::clone(&variant.canvas)),
                    variant.asset.clone(),
                    masks(variant).map(Arc::new),
                    Some(Arc::new(pasted.naive)),
                    pasted.poisson.map(Arc::new),
                    shown,
                    Some(Arc::clone(&variant.target)),
                ]);
            }
        }
        by_level.push(Some(Arc::clone(&case.target)));
        if variants.len() > 1 {
            levels.push(by_level);
        }
        tick();
    }
    Ok(Section {
        tables: tables(&entries),
        entries,
        sheets: vec![
            ("insert_reference", strips),
            ("insert_reference_levels", levels),
        ],
    })
}

fn tables(entries: &[Entry]) -> Vec<Table> {
    let by_level = Plan {
        title: "Insertion with reference, by level",
        note: "The model starts from the collage that the program lays, and knows no more of the place than the \
               baselines. PSNR and SSIM where the true picture differs from the canvas; shadow: mean error of what \
               changed beside the object, and as a share of the untouched canvas's; background: mean error where \
               nothing changed; outside: largest difference to the canvas beyond what may change, 0 unless something \
               is broken; identity: likeness to the asset's own picture (another view of the object, in other light).",
        columns: &[
            Column::more("PSNR", 2),
            Column::more("SSIM", 3),
            Column::plain("PSNR object", 2),
            Column::less("shadow", 4),
            Column::plain("shadow of canvas's", 2),
            Column::more("identity", 3),
            Column::plain("background", 5),
            Column::plain("outside", 3),
        ],
        methods: &["canvas", "naive", "Poisson", MODEL, "truth"],
        pairs: &[(MODEL, "naive"), (MODEL, "Poisson")],
        all: true,
    };
    let by_collage = Plan {
        title: "Insertion with reference, by collage",
        note: "The same scenes, all levels, started in two ways each. An artist's collage shows the object as it will \
               stand more often than not: it knows more than the baselines do.",
        columns: &[
            Column::more("PSNR", 2),
            Column::more("SSIM", 3),
            Column::less("shadow", 4),
            Column::plain("shadow of canvas's", 2),
            Column::more("identity", 3),
            Column::more("IoU with true object", 3),
        ],
        methods: &["canvas", "naive", MODEL, ARTIST, WITHOUT, "truth"],
        pairs: &[(ARTIST, MODEL), (WITHOUT, MODEL)],
        all: false,
    };
    let followed = Plan {
        title: "How strictly levels are followed",
        note: "Object made: pixels that may change, differ from the canvas and are no mere shading of it \
               (`src/eval/suite/made.rs` has the definition). The true picture's row is what the measure gives for a \
               perfect answer.",
        columns: &[
            Column::more("IoU with mask", 3),
            Column::plain("made inside mask", 3),
            Column::plain("mask filled", 3),
            Column::more("IoU with true object", 3),
        ],
        methods: &["naive", MODEL, WITHOUT, "truth"],
        pairs: &[(MODEL, "naive"), (MODEL, "truth")],
        all: false,
    };
    let masked = |entries: &[Entry]| -> Vec<Entry> {
        let masked = entries.iter().filter(|entry| entry.scene != UNMASKED);
        masked.cloned().collect()
    };
    let masked = masked(entries);
    vec![
        Table::new(&by_level, entries, |entry| entry.level),
        Table::new(&by_collage, &masked, |entry| entry.scene),
        Table::new(&followed, &masked, |entry| entry.level),
    ]
}
