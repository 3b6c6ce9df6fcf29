//! New pictures, made without a canvas: with given objects, after a map, from another side, from words alone.

use std::sync::Arc;

use super::super::case::{Case, Settings};
use super::super::command::generate;
use super::super::metrics::{psnr, selected, ssim};
use super::likeness::likeness;
use super::made::{iou, object_traced, recoloured};
use super::perception::{canny, depth_error, edge_f1, grey};
use super::table::{Column, Measures, Plan};
use super::tasks::Judged;
use crate::data::plan::Task;
use crate::doc::perceive::MapKind;
use crate::doc::{ControlKind, Picture, Plane};
use crate::pipeline::generator::Generator;

/// A picture's figures as a whole and where the object truly is.
fn whole(case: &Case, picture: &Picture) -> Measures {
    let place = selected(&case.object);
    let all = vec![true; place.len()];
    let mut measures = Measures::new();
    measures.extend(psnr(picture, &case.target, &all).map(|v| ("PSNR whole", v)));
    measures.extend(ssim(picture, &case.target, &all).map(|v| ("SSIM whole", v)));
    measures.extend(psnr(picture, &case.target, &place).map(|v| ("PSNR object", v)));
    measures
}

/// An asset's picture, and which of its pixels are the object: all of them where that is not known.
fn asset<'a>(picture: &'a Picture, object: Option<&Plane>) -> (&'a Picture, Vec<bool>) {
    let all = || vec![true; picture.pixels().len() / 4];
    (picture, object.map_or_else(all, selected))
}

fn assets(case: &Case) -> Vec<(&Picture, Vec<bool>)> {
    let first = case.asset.as_deref();
    let first = first.map(|picture| asset(picture, case.asset_object.as_ref()));
    let more = case.more.iter();
    let more = more.map(|f| asset(&f.picture, f.object.as_ref()));
    first.into_iter().chain(more).collect()
}

/// The case with asset `at` in other colours, and all else of its picture as it is.
pub fn with_other_colours(case: &Case, at: usize) -> Case {
    let other = |(picture, object): &(&Picture, Vec<bool>)| {
        let mut mixed = recoloured(picture);
        let own = picture.pixels().chunks_exact(4).zip(object);
        for (pixel, (own, object)) in mixed.pixels_mut().chunks_exact_mut(4).zip(own) {
            if !object {
                pixel.copy_from_slice(own);
            }
        }
        Arc::new(mixed)
    };
    let mut changed = case.clone();
    if let Some(picture) = assets(case).get(at).map(other) {
        match at {
            0 => changed.asset = Some(picture),
            _ => changed.more[at - 1].picture = picture,
        }
    }
    changed
}

/// Where a result shows each of the assets: what comes out otherwise when that one's colours are others.
fn traced(
    case: &Case,
    result: &Picture,
    settings: &Settings,
    generator: &mut dyn Generator,
) -> anyhow::Result<Vec<Vec<bool>>> {
    let everywhere = vec![true; result.pixels().len() / 4];
    (0..assets(case).len())
        .map(|at| {
            let other = generate(&with_other_colours(case, at), settings, generator)?;
            Ok(object_traced(result, &other, &everywhere))
        })
        .collect()
}

/// Likeness of what a picture shows of each asset to that asset's own picture.
pub fn identity(case: &Case, picture: &Picture, places: &[Vec<bool>]) -> Measures {
    let alike: Vec<f64> = assets(case)
        .iter()
        .zip(places)
        .map(|((asset, object), place)| likeness((asset, object), (picture, place)))
        .collect();
    let mut measures = Measures::new();
    if let (Some(first), Some(place)) = (alike.first(), places.first()) {
        let count = place.iter().filter(|p| **p).count();
        measures.insert("identity of the first", *first);
        measures.insert("its share", count as f64 / place.len() as f64);
        // Of an object that is not looked for nothing is known.
        if alike.len() == assets(case).len() {
            measures.insert("identity", alike.iter().sum::<f64>() / alike.len() as f64);
        }
    }
    measures
}

/// New pictures with given objects: each is looked for, wherever it was put.
///
/// # Errors
/// As for the model itself.
pub fn composed(
    case: &Case,
    result: &Picture,
    settings: &Settings,
    generator: &mut dyn Generator,
) -> anyhow::Result<Vec<Judged>> {
    let mut judges = vec![("canvas", None, whole(case, &case.canvas))];
    let all = assets(case);
    if let Some((asset, object)) = all.first()
        && (asset.width(), asset.height()) == (result.width(), result.height())
    {
        let mut places = vec![vec![false; object.len()]; all.len()];
        places[0].clone_from(object);
        let mut measures = whole(case, asset);
        measures.extend(identity(case, asset, &places));
        judges.push(("asset as it is", Some((*asset).clone()), measures));
    }
    let places = traced(case, result, settings, generator)?;
    let mut measures = whole(case, result);
    measures.extend(identity(case, result, &places));
    judges.push(("model", Some(result.clone()), measures));
    // Only where the first object truly is is known.
    let truth = identity(case, &case.target, &[selected(&case.object)]);
    judges.push(("truth", None, truth));
    Ok(judges)
}

/// The name of what a new picture is to follow.
pub fn control_name(case: &Case) -> &'static str {
    match &case.map {
        Some((ControlKind::Depth, _)) => "depth",
        Some(_) => "edges",
        None => "mask",
    }
}

/// The depth map that the model itself gives of a picture.
fn depth_of(
    picture: &Picture,
    case: &Case,
    settings: &Settings,
    generator: &mut dyn Generator,
) -> anyhow::Result<Vec<u8>> {
    let picture = Arc::new(picture.clone());
    let asked = Case {
        task: Task::Depth,
        prompt: MapKind::Depth.prompt(""),
        tags: Some(Vec::new()),
        canvas: Arc::clone(&picture),
        target: picture,
        asset: None,
        asset_object: None,
        more: Vec::new(),
        placement: None,
        map: None,
        mask: None,
        mask_from: None,
        ..case.clone()
    };
    Ok(grey(&*generate(&asked, settings, generator)?))
}

/// New pictures after edges, a depth map or a mask: how well they follow it.
///
/// # Errors
/// As for the model itself.
pub fn controlled(
    case: &Case,
    result: &Picture,
    settings: &Settings,
    generator: &mut dyn Generator,
) -> anyhow::Result<Vec<Judged>> {
    let mut pictures = vec![("canvas", &*case.canvas)];
    if let Some((_, map)) = &case.map
        && (map.width(), map.height()) == (result.width(), result.height())
    {
        pictures.push(("map as it is", &**map));
    }
    pictures.extend([("model", result), ("truth", &*case.target)]);
    // A mask says where an object is; which pixels of a picture that is, only an asset's colours tell.
    let object = match (&case.map, &case.asset) {
        (None, Some(_)) => traced(case, result, settings, generator)?
            .into_iter()
            .next(),
        _ => None,
    };
    let truth = selected(&case.object);
    let mut judges = Vec::new();
    for (method, picture) in pictures {
        let mut measures = match method {
            "truth" => Measures::new(),
            _ => whole(case, picture),
        };
        match &case.map {
            Some((ControlKind::Depth, map)) => {
                let read = depth_of(picture, case, settings, generator)?;
                measures.insert("depth", depth_error(&read, &grey(map)));
            }
            Some((_, map)) => {
                let width = map.width() as usize;
                let found = canny(picture);
                measures.extend(
                    found.map(|found| ("edges within 1 px", edge_f1(&found, &grey(map), width, 1))),
                );
            }
            None => {
                let mask = case.mask.as_deref().map(selected);
                let place = match method {
                    "model" => object.as_ref(),
                    "truth" => Some(&truth),
                    _ => None,
                };
                let follows = mask.as_ref().zip(place);
                measures
                    .extend(follows.map(|(mask, place)| ("mask", iou(place, mask).unwrap_or(0.0))));
            }
        }
        let shown = (method == "model").then(|| picture.clone());
        judges.push((method, shown, measures));
    }
    Ok(judges)
}

/// The object from another side, alone: where it truly is it is compared with its given picture and with the true one.
pub fn turned(case: &Case, result: &Picture) -> Vec<Judged> {
    let place = selected(&case.object);
    let all = assets(case);
    let judged = |method, picture: &Picture| {
        let mut measures = match method {
            "truth" => Measures::new(),
            _ => whole(case, picture),
        };
        if let Some((asset, object)) = all.first() {
            measures.insert(
                "like the asset",
                likeness((asset, object), (picture, &place)),
            );
        }
        if method != "truth" {
            let truth = likeness((&case.target, &place), (picture, &place));
            measures.insert("like the truth", truth);
        }
        let shown = (method == "model").then(|| picture.clone());
        (method, shown, measures)
    };
    let mut judges = Vec::new();
    if let Some((asset, _)) = all.first()
        && (asset.width(), asset.height()) == (result.width(), result.height())
    {
        judges.push(judged("asset as it is", asset));
    }
    judges.push(judged("model", result));
    judges.push(judged("truth", &case.target));
    judges
}

/// What the tables of these tasks show.
pub fn plan(task: Task) -> Plan<'static> {
    match task {
        Task::Customise => Plan {
            title: "New pictures with given objects",
            note: "Surroundings, place and size are left to the model. Each object is looked for in the picture: what \
                   comes out otherwise when its asset's colours are others (`src/eval/suite/made.rs`). Identity: its \
                   likeness to the asset's picture, the mean over all assets, 0 for one that is not found; its share: \
                   what the first takes of the picture. “Canvas” is even grey; “asset as it is” is the first asset's \
                   picture in place of a new one. Of the truth only the first object's place is known.",
            columns: const {
                &[
                    Column::more("PSNR whole", 2),
                    Column::more("SSIM whole", 3),
                    Column::more("identity", 3),
                    Column::more("identity of the first", 3),
                    Column::plain("its share", 3),
                ]
            },
            methods: &["canvas", "asset as it is", "model", "truth"],
            pairs: &[
                ("model", "canvas"),
                ("model", "asset as it is"),
                ("model", "truth"),
            ],
            all: true,
        },
        Task::Control => Plan {
            title: "New pictures after edges, depth or a mask",
            note: "Edges: F1 of the picture's own edges (Canny's, which the map was made with) against the map. Depth: \
                   scale-invariant log RMSE of what the model itself reads of the picture against the map, less is \
                   better; the truth's row is what that reading costs. Mask: overlap of the object that is made, where \
                   an asset's colours tell which that is, with the mask, told at the level exact; without an asset \
                   nothing tells it. “Canvas” is even grey, “map as it is” the drawing itself.",
            columns: const {
                &[
                    Column::more("edges within 1 px", 3),
                    Column::less("depth", 3),
                    Column::more("mask", 3),
                    Column::more("PSNR whole", 2),
                    Column::more("SSIM whole", 3),
                ]
            },
            methods: &["canvas", "map as it is", "model", "truth"],
            pairs: &[("model", "canvas"), ("model", "map as it is")],
            all: false,
        },
        Task::IdentityPair => Plan {
            title: "Another view of an object",
            note: "Likeness of colours and gradients at the true object's place to the asset's picture and to the true \
                   one. “Asset as it is”: the given view in place of another.",
            columns: const {
                &[
                    Column::more("like the truth", 3),
                    Column::more("like the asset", 3),
                    Column::more("PSNR object", 2),
                ]
            },
            methods: &["asset as it is", "model", "truth"],
            pairs: &[("model", "asset as it is")],
            all: true,
        },
        _ => Plan {
            title: "New pictures from words alone",
            note: "No figure: words leave open what a picture looks like, so there is no true one; the model's own \
                   masks would judge themselves; and colours like the set's say nothing of words. Below are the \
                   pictures, each before the scene that its words were taken from.",
            columns: &[],
            methods: &[],
            pairs: &[],
            all: true,
        },
    }
}
