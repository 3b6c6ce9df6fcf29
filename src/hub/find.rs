//! Files that the user has already: in ComfyUI's folders, InvokeAI's root and the hub's cache.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use hf_hub::Cache;

use super::catalogue::TOKENIZER;
use super::error::{HubError, Result};
use super::inspect::{Inspected, flux2, inspect, part};
use super::message::Found;
use super::options::Places;
use super::registry::MODELS;
use crate::model::ModelError;
use crate::model::flux2::{Files, Part, context_width, is_base, text_width};

/// Folders below a root that are looked into at most.
const DEPTH: usize = 5;
/// Files that are looked at in one place at most.
const MOST: usize = 2000;
/// Where ComfyUI keeps the parts besides the transformer.
const PARTS: [&str; 4] = ["vae", "text_encoders", "text_encoder", "clip"];
/// What a diffusers folder begins with.
const INDEX: &str = "model_index.json";
/// The tokenizer's file.
const TOKENIZER_FILE: &str = "tokenizer.json";

/// A model's parts that lie apart.
pub(super) struct Apart {
    pub transformer: PathBuf,
    pub vae: PathBuf,
    pub text: PathBuf,
    pub tokenizer: PathBuf,
}

/// How a model can be used.
pub(super) enum Way {
    /// As it lies.
    Whole(Inspected),
    /// By links to its parts.
    Apart(Inspected, Apart),
}

/// A model, or what looks like one.
struct Candidate {
    owner: &'static str,
    place: PathBuf,
    name: String,
}

/// Everything that looks like a model, with what it is or why it can't be used.
pub(super) fn find(places: &Places, data: &Path) -> Vec<Found> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for candidate in candidates(places) {
        let real = std::fs::canonicalize(&candidate.place);
        if !seen.insert(real.unwrap_or_else(|_| candidate.place.clone())) {
            continue;
        }
        let way = way_to_use(&candidate.place, places, data);
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

/// How the model at a path can be used: as it lies, or with parts from where other programs keep them.
///
/// # Errors
/// If neither; the sentence says what is missing.
pub(super) fn way_to_use(path: &Path, places: &Places, data: &Path) -> Result<Way> {
    let why = match inspect(path) {
        Ok(inspected) => return Ok(Way::Whole(inspected)),
        Err(why) => why,
    };
    // Only a transformer's file can have its parts elsewhere.
    if !path.is_file() {
        return Err(why);
    }
    let Some((Part::Transformer, header)) = part(path)? else {
        return Err(why);
    };
    let width = context_width(&header);
    let mut pool = Vec::new();
    for root in &roots_of(path, places) {
        walk(root, 0, &mut pool);
    }
    let of_part = |wanted: Part| {
        pool.iter().find(|file| match part(file) {
            Ok(Some((found, header))) => {
                let fits = wanted != Part::TextEncoder
                    || text_width(&header).map(|side| side * 3) == width;
                found == wanted && fits
            }
            _ => false,
        })
    };
    let (Some(vae), Some(text)) = (of_part(Part::Vae), of_part(Part::TextEncoder)) else {
        return Err(why);
    };
    let Some(tokenizer) = tokenizer(path, places, data) else {
        return Err(HubError::Model(ModelError::Format(format!(
            "only the tokenizer is missing for {}: get it with `inlay models download {TOKENIZER}`, then look again",
            file_name(path)
        ))));
    };
    let apart = Apart {
        transformer: path.to_owned(),
        vae: vae.clone(),
        text: text.clone(),
        tokenizer: tokenizer.clone(),
    };
    let inspected = flux2(&Files {
        transformer: vec![path.to_owned()],
        vae: vec![vae.clone()],
        text: vec![text.clone()],
        tokenizer,
        distilled: !is_base(&stem(path)),
    })?;
    Ok(Way::Apart(inspected, apart))
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

/// A tokenizer of Qwen3: beside the file, among Inlay's own models, or in the hub's caches.
fn tokenizer(path: &Path, places: &Places, data: &Path) -> Option<PathBuf> {
    let beside = path.parent().map(|folder| folder.join(TOKENIZER_FILE));
    let own = std::fs::read_dir(data.join(MODELS))
        .into_iter()
        .flatten()
        .flatten();
    let own = own.map(|entry| entry.path().join("tokenizer").join(TOKENIZER_FILE));
    let cached = places.hub.iter().flat_map(|hub| {
        let cache = Cache::new(hub.clone());
        super::catalogue::KNOWN
            .iter()
            .map(|known| (known.repo, "tokenizer/tokenizer.json"))
            .chain([
                ("Qwen/Qwen3-4B", TOKENIZER_FILE),
                ("Qwen/Qwen3-8B", TOKENIZER_FILE),
            ])
            .filter_map(|(repo, file)| cache.model(repo.to_owned()).get(file))
            .collect::<Vec<_>>()
    });
    beside
        .into_iter()
        .chain(own)
        .chain(cached)
        .find(|path| path.is_file())
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
        let extension = path.extension().and_then(|end| end.to_str());
        let weights = matches!(extension, Some("safetensors" | "gguf"));
        if weights || file_name(&path) == INDEX {
            found.push(path);
        }
    }
}
