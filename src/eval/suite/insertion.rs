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
use super::joint;
use super::likeness::likeness;
use super::made::{iou, is_shade, object_traced, recoloured, share_in};
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

/// What is made of a case in one way, and what of the same with the asset in other colours.
struct Made {
    method: &'static str,
    picture: Arc<Picture>,
    other: Arc<Picture>,
}

/// The case with its asset in other colours, wherever it is shown.
fn in_other_colours(case: &Case) -> Case {
    let placement = case.placement.as_ref().map(|collage| {
        let other = recoloured(collage);
        let mut mixed = (**collage).clone();
        let stays = collage
            .pixels()
            .chunks_exact(4)
            .zip(case.canvas.pixels().chunks_exact(4));
        let pixels = mixed
            .pixels_mut()
            .chunks_exact_mut(4)
            .zip(other.pixels().chunks_exact(4));
        for ((pixel, other), (laid, canvas)) in pixels.zip(stays) {
            if laid != canvas && !is_shade(laid, canvas) {
                pixel.copy_from_slice(other);
            }
        }
        Arc::new(mixed)
    });
    Case {
        asset: case
            .asset
            .as_deref()
            .map(|asset| Arc::new(recoloured(asset))),
        placement,
        ..case.clone()
    }
}

/// What the model makes under every condition that a case allows.
fn results(
    case: &Case,
    settings: &Settings,
    generator: &mut dyn Generator,
) -> anyhow::Result<Vec<Made>> {
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
            Ok(Made {
                method,
                picture: generate(&told, &settings, generator)?,
                other: generate(&in_other_colours(&told), &settings, generator)?,
            })
        })
        .collect()
}

/// How much of the object there is, where, and how it looks.
fn object(case: &Case, picture: &Picture, made: &[bool]) -> Measures {
    let mut measures = Measures::new();
    if let (Some(asset), Some(place)) = (&case.asset, &case.asset_object) {
        let identity = likeness((asset, &selected(place)), (picture, made));
        measures.insert("identity", identity);
    }
    if let Some(mask) = &case.mask {
        let mask = selected(mask);
        measures.insert("IoU with mask", iou(made, &mask).unwrap_or(0.0));
        measures.extend(share_in(made, &mask).map(|share| ("made inside mask", share)));
        measures.extend(share_in(&mask, made).map(|share| ("mask filled", share)));
    }
    let true_object = selected(&case.object);
    measures.insert(
        "IoU with true object",
        iou(made, &true_object).unwrap_or(0.0),
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
    let (mut entries, mut joined) = (Vec::new(), Vec::new());
    let (mut strips, mut levels) = (Vec::new(), Vec::new());
    for case in cases {
        let scene = match (&case.mask, &case.placement) {
            (None, _) => UNMASKED,
            (Some(_), Some(_)) => COLLAGE,
            (Some(_), None) => NO_COLLAGE,
        };
        joined.extend(joint::entries(case, settings, generator)?);
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
            let others = baselines(&in_other_colours(variant));
            let made = results(variant, settings, generator)?;
            enter("canvas", edited(&judge, variant, &variant.canvas));
            let mut pictures = vec![("naive", &pasted.naive, &others.naive)];
            pictures.extend(
                (pasted.poisson.iter().zip(&others.poisson)).map(|(a, b)| ("Poisson", a, b)),
            );
            pictures.extend(made.iter().map(|r| (r.method, &*r.picture, &*r.other)));
            for (method, picture, other) in pictures {
                // A paste may be anywhere, the model's object where it may change the canvas.
                let everywhere = vec![true; judge.editable().len()];
                let region = match method {
                    "naive" | "Poisson" => &everywhere,
                    _ => judge.editable(),
                };
                let mut measures = edited(&judge, variant, picture);
                measures.extend(object(
                    variant,
                    picture,
                    &object_traced(picture, other, region),
                ));
                enter(method, measures);
            }
            let truth = selected(&variant.object);
            enter("truth", object(variant, &variant.target, &truth));
            let shown = made.first().map(|result| Arc::clone(&result.picture));
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
    let mut tables = tables(&entries);
    if !joined.is_empty() {
        tables.push(Table::new(&joint::PLAN, &joined, |entry| entry.level));
    }
    entries.extend(joined);
    Ok(Section {
        tables,
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
               nothing changed; outside: largest difference to the canvas beyond the region, where only shadow and \
               reflection may fall; identity: likeness to the asset's own picture (another view of the object, in other light).",
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
        note: "Object made: pixels that come out otherwise when the asset's colours are others \
               (`src/eval/suite/made.rs`). The truth's row is the true object, which need not fill the mask.",
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
