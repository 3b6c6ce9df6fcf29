//! Files that the user has already: in ComfyUI's folders, InvokeAI's root and the hub's cache.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use hf_hub::Cache;

use super::error::{HubError, Result};
use super::inspect::{Inspected, flux2, inspect, part};
use super::message::Found;
use super::options::Places;
use super::parts::{INDEX, Pool, TOKENIZER_FILE, is_weights, shards, with_tokenizer};
use super::registry::MODELS;
use crate::model::ModelError;
use crate::model::flux2::{Files, Header, Part};

/// Folders below a root that are looked into at most.
const DEPTH: usize = 5;
/// Files that are looked at in one place at most.
const MOST: usize = 2000;
/// Where ComfyUI keeps the parts besides the transformer.
const PARTS: [&str; 4] = ["vae", "text_encoders", "text_encoder", "clip"];
/// How a model can be used.
pub(super) enum Way {
    /// As it lies.
    Whole(Inspected),
    /// By links to its parts.
    Apart(Inspected, Files),
}

/// A model, or what looks like one.
struct Candidate {
    owner: &'static str,
    place: PathBuf,
    name: String,
}

/// Everything that looks like a model, with what it is or why it can't be used.
pub(super) fn find(places: &Places, own: &Own<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for candidate in candidates(places) {
        let real = std::fs::canonicalize(&candidate.place);
        if !seen.insert(real.unwrap_or_else(|_| candidate.place.clone())) {
            continue;
        }
        let way = way_to_use(&candidate.place, places, own);
        let (kind, bytes, problem) = match way {
            Ok(Way::Whole(inspected) | Way::Apart(inspected, _)) => {
                (inspected.kind, Some(inspected.bytes), None)
            }
            Err(error) => (String::new(), None, Some(error.to_string())),
        };
        found.push(Found {
            name: candidate.name,
            kind,
            owner: candidate.owner.to_owned(),
            place: candidate.place,
            bytes,
            problem,
        });
    }
    // What can be used comes first.
    found.sort_by(|a, b| (a.problem.is_some(), &a.name).cmp(&(b.problem.is_some(), &b.name)));
    found
}

/// What the user has in Inlay's own list.
pub(super) struct Own<'a> {
    /// The folder of data.
    pub data: &'a Path,
    /// The parts of all models.
    pub pool: Pool,
}

/// How the model at a path can be used: as it lies, or with parts from where other programs keep them, or from Inlay's
/// own models.
///
/// # Errors
/// If neither; the sentence says what is missing.
pub(super) fn way_to_use(path: &Path, places: &Places, own: &Own<'_>) -> Result<Way> {
    let why = match inspect(path) {
        Ok(inspected) => return Ok(Way::Whole(inspected)),
        Err(why) => why,
    };
    // Only a transformer's file can have its parts elsewhere.
    let Some(files) = shards(path).filter(|_| is_weights(path)) else {
        return Err(why);
    };
    let Some((Part::Transformer, header)) = part(path)? else {
        return Err(why);
    };
    let (pool, refusal) = around(path, places, own);
    let name = file_name(path);
    let parts = pool.complete(&files, &header, &name);
    // What lies where a missing part belongs, and can't be loaded, says better what to get.
    let parts = parts.map_err(|error| match (&error, refusal) {
        (HubError::Parts { missing, .. }, Some(refusal)) if missing.is_of_weights() => refusal,
        _ => error,
    })?;
    Ok(Way::Apart(flux2(&parts)?, parts))
}

/// The parts that a transformer's file could have, those of its own program first, and why one of those can't be
/// loaded.
fn around(path: &Path, places: &Places, own: &Own<'_>) -> (Pool, Option<HubError>) {
    let mut files = Vec::new();
    for root in &roots_of(path, places) {
        walk(root, 0, &mut files);
    }
    let (mut pool, mut refusal) = (Pool::default(), None);
    for file in &files {
        match part(file) {
            Err(error @ HubError::Model(ModelError::Format(_))) => {
                refusal = refusal.or(Some(error));
            }
            _ => pool.add(file),
        }
    }
    pool.tokenizers = tokenizers(path, places, own.data);
    pool.extend(own.pool.clone());
    (pool, refusal)
}

/// A whole model of a transformer that was downloaded, with the parts beside it in its repository and all others that
/// are here. `names` are all that may say whether it is klein base.
///
/// # Errors
/// If parts are missing, or a file can't be read.
pub(super) fn whole_of(lone: Pool, names: &str, places: &Places, own: &Own<'_>) -> Result<Files> {
    let files = lone.first(Part::Transformer).unwrap_or_default().to_vec();
    let Some(first) = files.first() else {
        return Err(ModelError::Format("the transformer is missing".to_owned()).into());
    };
    let header = Header::read(first)?;
    let (around, _) = around(first, places, own);
    let mut pool = lone;
    pool.extend(around);
    pool.complete(&files, &header, names)
}

/// The folders in which the parts of a file may lie: of the program whose folder it lies in itself.
fn roots_of(path: &Path, places: &Places) -> Vec<PathBuf> {
    let comfy = places.comfy.iter().map(|root| models_of(root));
    // A file that was named by hand: ComfyUI's folders around it.
    let around = path.ancestors().skip(1).take(4).map(Path::to_owned);
    let mut roots: Vec<PathBuf> = comfy
        .chain(around)
        .filter(|root| path.starts_with(root))
        .flat_map(|root| PARTS.map(|name| root.join(name)))
        .filter(|folder| folder.is_dir())
        .collect();
    let invoke = places.invoke.iter().map(|root| root.join(MODELS));
    roots.extend(invoke.filter(|root| path.starts_with(root)));
    roots
}

fn models_of(comfy: &Path) -> PathBuf {
    let inner = comfy.join(MODELS);
    if inner.is_dir() {
        inner
    } else {
        comfy.to_owned()
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn stem(path: &Path) -> String {
    let name = path.file_stem().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Tokenizers of Qwen3: beside the file, among Inlay's own models, and in the hub's caches.
fn tokenizers(path: &Path, places: &Places, data: &Path) -> Vec<PathBuf> {
    let beside = path.parent().map(|folder| folder.join(TOKENIZER_FILE));
    let own = entries(&data.join(MODELS)).into_iter();
    let own = own.map(|entry| entry.join("tokenizer").join(TOKENIZER_FILE));
    let cached = places.hub.iter().flat_map(|hub| {
        let cache = Cache::new(hub.clone());
        with_tokenizer()
            .filter_map(|(repo, file)| cache.model(repo.to_owned()).get(file))
            .collect::<Vec<_>>()
    });
    let all = beside.into_iter().chain(own).chain(cached);
    all.filter(|path| path.is_file()).collect()
}

fn candidates(places: &Places) -> Vec<Candidate> {
    let mut found = Vec::new();
    for root in &places.comfy {
        for folder in ["diffusion_models", "unet"] {
            collect(&models_of(root).join(folder), "ComfyUI", &mut found);
        }
        collect(&models_of(root).join("diffusers"), "ComfyUI", &mut found);
    }
    for root in &places.invoke {
        collect(&root.join(MODELS), "InvokeAI", &mut found);
    }
    for root in &places.hub {
        cached(root, &mut found);
    }
    found
}

/// Diffusers folders and transformers' files below a folder.
fn collect(folder: &Path, owner: &'static str, found: &mut Vec<Candidate>) {
    let mut files = Vec::new();
    walk(folder, 0, &mut files);
    for place in files {
        let name = if file_name(&place) == INDEX {
            let Some(folder) = place.parent().filter(|_| is_klein(&place)) else {
                continue;
            };
            found.push(Candidate {
                owner,
                name: file_name(folder),
                place: folder.to_owned(),
            });
            continue;
        } else {
            stem(&place)
        };
        // Parts of a diffusers folder belong to it.
        let in_folder = place
            .ancestors()
            .skip(2)
            .take(1)
            .any(|up| up.join(INDEX).is_file());
        let wanted = matches!(
            part(&place),
            Ok(Some((Part::Transformer, _))) | Err(HubError::Model(ModelError::Format(_)))
        );
        if wanted && !in_folder {
            found.push(Candidate { owner, place, name });
        }
    }
}

/// Models in a cache of the hub: `models--OWNER--NAME/snapshots/COMMIT`.
fn cached(root: &Path, found: &mut Vec<Candidate>) {
    let mut repos: Vec<PathBuf> = entries(root);
    repos.retain(|path| file_name(path).starts_with("models--"));
    let cache = Cache::new(root.to_owned());
    for repo in repos {
        let id = file_name(&repo)
            .trim_start_matches("models--")
            .replacen("--", "/", 1);
        // The commit that the main branch was at, or any there is.
        let current = cache.model(id.clone()).get(INDEX);
        let snapshot = current
            .and_then(|index| index.parent().map(Path::to_owned))
            .or_else(|| entries(&repo.join("snapshots")).pop());
        let Some(snapshot) = snapshot else { continue };
        let name = id.rsplit('/').next().unwrap_or(&id).to_owned();
        let index = snapshot.join(INDEX);
        if index.is_file() {
            if is_klein(&index) {
                found.push(Candidate {
                    owner: "the hub's cache",
                    place: snapshot,
                    name,
                });
            }
            continue;
        }
        collect(&snapshot, "the hub's cache", found);
    }
}

/// Whether a diffusers index is of this family: others are no news to their owner.
fn is_klein(index: &Path) -> bool {
    std::fs::read_to_string(index).is_ok_and(|text| text.contains("\"Flux2Klein"))
}

/// What is in a folder, sorted.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = read.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Weight files and diffusers indexes below a folder.
fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for path in entries(folder) {
        if found.len() >= MOST {
            return;
        }
        if path.is_dir() {
            if depth < DEPTH {
                walk(&path, depth + 1, found);
            }
            continue;
        }
        if is_weights(&path) || file_name(&path) == INDEX {
            found.push(path);
        }
    }
}
