//! Cases as folders: one folder a case with `canvas.png`, `asset.png`, `asset-object.png`, `placement.png`, `mask.png`,
//! `mask-from.png` (all of these but the canvas only where the case has them), `target.png`, `object.png`,
//! `changed.png` and `case.json` (`task`, `level`, `prompt`, `tags`). New pictures have no `canvas.png`, and at times
//! `asset-2.png` and `asset-3.png`, each with its `…-object.png`, or `edge.png` or `depth.png` to follow.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::case::{Case, Further, MAPS, task_named};
use crate::doc::{ControlKind, Level, Picture, Plane};
use crate::io::{mask, metadata, picture, save};

/// The file that makes a folder a case.
const ABOUT: &str = "case.json";

#[derive(Serialize, Deserialize)]
struct About {
    task: String,
    #[serde(default)]
    level: Level,
    #[serde(default)]
    prompt: String,
    /// Left out or null: derived.
    #[serde(default)]
    tags: Option<Vec<String>>,
}

/// The file of a map that a new picture follows.
fn map_name(kind: ControlKind) -> &'static str {
    match kind {
        ControlKind::Depth => "depth.png",
        _ => "edge.png",
    }
}

/// Writes a case into a folder of its name below `dir`.
///
/// # Errors
/// A file that can't be written.
pub fn write(dir: &Path, case: &Case) -> anyhow::Result<()> {
    let folder = dir.join(&case.name);
    save::make_folder(&folder)?;
    let canvas = case.task.has_canvas().then_some(&case.canvas);
    let pictures = [
        ("canvas.png", canvas),
        ("asset.png", case.asset.as_ref()),
        ("asset-2.png", case.more.first().map(|f| &f.picture)),
        ("asset-3.png", case.more.get(1).map(|f| &f.picture)),
        ("placement.png", case.placement.as_ref()),
        ("target.png", Some(&case.target)),
    ];
    for (name, picture) in pictures {
        if let Some(picture) = picture {
            metadata::write(&folder.join(name), picture, None)?;
        }
    }
    if let Some((kind, map)) = &case.map {
        metadata::write(&folder.join(map_name(*kind)), map, None)?;
    }
    let further = |at: usize| case.more.get(at).and_then(|f| f.object.as_ref());
    let masks = [
        ("asset-object.png", case.asset_object.as_ref()),
        ("asset-2-object.png", further(0)),
        ("asset-3-object.png", further(1)),
        ("mask.png", case.mask.as_deref()),
        ("mask-from.png", case.mask_from.as_deref()),
        ("object.png", Some(&case.object)),
        ("changed.png", Some(&case.changed)),
    ];
    for (name, plane) in masks {
        if let Some(plane) = plane {
            mask::write(&folder.join(name), plane)?;
        }
    }
    let about = About {
        task: case.task.name().to_owned(),
        level: case.level,
        prompt: case.prompt.clone(),
        tags: case.tags.clone(),
    };
    let text = serde_json::to_string_pretty(&about)?;
    Ok(save::replace(&folder.join(ABOUT), text.as_bytes())?)
}

/// Writes what a model made of a case as `dir/NAME.png`.
///
/// # Errors
/// A file that can't be written.
pub fn write_result(dir: &Path, case: &str, result: &Picture) -> anyhow::Result<()> {
    save::make_folder(dir)?;
    Ok(metadata::write(
        &dir.join(format!("{case}.png")),
        result,
        None,
    )?)
}

/// Reads all cases below `dir`, by name; or `dir` itself if it is a case.
///
/// # Errors
/// A folder without cases, or a case with something missing or of a wrong size.
pub fn read_all(dir: &Path) -> anyhow::Result<Vec<Case>> {
    if dir.join(ABOUT).is_file() {
        return Ok(vec![read(dir)?]);
    }
    let mut folders = Vec::new();
    let entries = std::fs::read_dir(dir)
        .with_context(|| format!("{} can't be read: give a folder of cases", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.join(ABOUT).is_file() {
            folders.push(path);
        }
    }
    folders.sort();
    ensure!(
        !folders.is_empty(),
        "{} has no folders with a {ABOUT}: give a folder of cases, or make one with --write-cases",
        dir.display()
    );
    folders.iter().map(|folder| read(folder)).collect()
}

/// Reads one case.
///
/// # Errors
/// As [`read_all`].
pub fn read(folder: &Path) -> anyhow::Result<Case> {
    let path = folder.join(ABOUT);
    let text = std::fs::read(&path).with_context(|| format!("{} can't be read", path.display()))?;
    let about: About = serde_json::from_slice(&text)
        .with_context(|| format!("{} is no description of a case", path.display()))?;
    let task = task_named(&about.task)
        .with_context(|| format!("{} has an unknown task", path.display()))?;
    let picture = |name: &str| -> anyhow::Result<Option<Arc<Picture>>> {
        let path = folder.join(name);
        if !path.exists() {
            return Ok(None);
        }
        Ok(Some(Arc::new(picture::load(&path)?.picture)))
    };
    let required = |name: &str| {
        picture(name)?
            .with_context(|| format!("{} is missing: add it", folder.join(name).display()))
    };
    let target = required("target.png")?;
    let canvas = match task.has_canvas() {
        true => required("canvas.png")?,
        false => Arc::new(Picture::filled(
            target.width(),
            target.height(),
            [128, 128, 128, 255],
        )),
    };
    let size = (canvas.width(), canvas.height());
    ensure!(
        (target.width(), target.height()) == size,
        "{} is not of the canvas's size: make both the same size",
        folder.join("target.png").display()
    );
    let asset = picture("asset.png")?;
    let plane = |name: &str, size: (u32, u32)| -> anyhow::Result<Option<Plane>> {
        let path = folder.join(name);
        if !path.exists() {
            return Ok(None);
        }
        let mask = mask::load(&path)?.mask;
        mask::check_size(&mask, ("canvas", size.0, size.1), &path)?;
        Ok(Some(mask))
    };
    let asset_object = match &asset {
        Some(asset) => plane("asset-object.png", (asset.width(), asset.height()))?,
        None => None,
    };
    let mut more = Vec::new();
    for name in ["asset-2", "asset-3"] {
        if let Some(picture) = picture(&format!("{name}.png"))? {
            let size = (picture.width(), picture.height());
            let object = plane(&format!("{name}-object.png"), size)?;
            more.push(Further { picture, object });
        }
    }
    let mut map = None;
    for kind in MAPS {
        if let Some(picture) = picture(map_name(kind))? {
            map = Some((kind, picture));
        }
    }
    let changed = match plane("changed.png", size)? {
        Some(changed) => changed,
        None => difference(&canvas, &target),
    };
    let object = plane("object.png", size)?
        .with_context(|| format!("{} is missing: add it", folder.join("object.png").display()))?;
    let name = folder.file_name().map_or_else(
        || "case".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    Ok(Case {
        name,
        task,
        level: about.level,
        prompt: about.prompt,
        tags: about.tags,
        asset,
        asset_object,
        more,
        placement: picture("placement.png")?,
        map,
        mask: plane("mask.png", size)?.map(Arc::new),
        mask_from: plane("mask-from.png", size)?.map(Arc::new),
        canvas,
        target,
        object,
        changed,
    })
}

/// 255 where two pictures differ by more than 2 levels in any channel.
fn difference(a: &Picture, b: &Picture) -> Plane {
    let mut plane = Plane::filled(a.width(), a.height(), 0);
    let pixels = a.pixels().chunks_exact(4).zip(b.pixels().chunks_exact(4));
    for (value, (a, b)) in plane.values_mut().iter_mut().zip(pixels) {
        if (0..3).any(|c| a[c].abs_diff(b[c]) > 2) {
            *value = 255;
        }
    }
    plane
}
