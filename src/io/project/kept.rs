//! Results that are kept with a document.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Archive, Layer, layer};
use crate::doc::perceive::MapKind;
use crate::doc::{JobSpec, Picture};

/// A finished result.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// What the artist calls it.
    pub number: u32,
    /// The picture.
    pub picture: Arc<Picture>,
    /// The canvas it was made on.
    pub base: Option<Arc<Picture>>,
    /// The job, with the masks in it.
    pub spec: Arc<JobSpec>,
    /// Which output of the job it is, from 0.
    pub output: u32,
    /// Which joint picture of the output, from 0.
    pub joint: u32,
    /// The seed of this output's own noise.
    pub seed: u64,
    /// The map that it is, if it is none of the wanted pictures.
    pub map: Option<MapKind>,
}

impl Kept {
    /// Whether both are one result and share their pixels; quick enough for every frame.
    pub fn is_same(&self, other: &Self) -> bool {
        self.number == other.number && Arc::ptr_eq(&self.picture, &other.picture)
    }
}

/// A result without its pixels.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeptState {
    file: String,
    number: u32,
    #[serde(default)]
    base: Option<String>,
    output: u32,
    joint: u32,
    seed: u64,
    #[serde(default)]
    map: Option<MapKind>,
    job: JobSpec,
}

/// The most results that are read: no artist stars as many, and each takes memory.
const MOST: usize = 1000;

/// Adds the pictures of results to the layers, hidden, and of their canvases what is not among them to `beside`.
pub(super) fn state(
    kept: &[Kept],
    layers: &mut Vec<Layer>,
    beside: &mut Vec<(String, Arc<Picture>)>,
) -> Vec<KeptState> {
    let mut states = Vec::with_capacity(kept.len());
    for (at, one) in kept.iter().enumerate() {
        // A result that was accepted is a layer already.
        let file = file_of(layers, beside, &one.picture).unwrap_or_else(|| {
            let file = format!("data/result{at}.png");
            layers.push(Layer {
                file: file.clone(),
                name: format!("Result {}", one.number),
                picture: Arc::clone(&one.picture),
                visible: false,
            });
            file
        });
        let base = one.base.as_ref().map(|base| {
            file_of(layers, beside, base).unwrap_or_else(|| {
                let file = format!("inlay/canvas{at}.png");
                beside.push((file.clone(), Arc::clone(base)));
                file
            })
        });
        states.push(KeptState {
            file,
            number: one.number,
            base,
            output: one.output,
            joint: one.joint,
            seed: one.seed,
            map: one.map,
            job: (*one.spec).clone(),
        });
    }
    states
}

/// The file that a picture has already.
fn file_of(
    layers: &[Layer],
    beside: &[(String, Arc<Picture>)],
    picture: &Arc<Picture>,
) -> Option<String> {
    let files = layers.iter().map(|layer| (&layer.file, &layer.picture));
    let mut all = files.chain(beside.iter().map(|(file, picture)| (file, picture)));
    all.find(|(_, known)| Arc::ptr_eq(known, picture))
        .map(|(file, _)| file.clone())
}

/// Reads results; `known` are pictures that were read already. Those that can't be read are told in `warnings`: the
/// document is worth more.
pub(super) fn restored(
    archive: &mut Archive,
    mut states: Vec<serde_json::Value>,
    mut known: Vec<(String, Arc<Picture>)>,
    path: &Path,
    warnings: &mut Vec<String>,
) -> Vec<Kept> {
    states.truncate(MOST);
    let mut picture = |file: &str| -> Result<Arc<Picture>, String> {
        if let Some((_, picture)) = known.iter().find(|(name, _)| name == file) {
            return Ok(Arc::clone(picture));
        }
        let picture = layer(archive, file, path).map_err(|error| error.to_string())?;
        let picture = Arc::new(picture);
        known.push((file.to_owned(), Arc::clone(&picture)));
        Ok(picture)
    };
    let mut kept = Vec::new();
    for state in states {
        let number = state["number"].as_u64().unwrap_or(0);
        let read = serde_json::from_value::<KeptState>(state)
            .map_err(|error| format!("{error}: {}", path.display()))
            .and_then(|state| Ok((picture(&state.file)?, state)));
        let (own, state) = match read {
            Ok(read) => read,
            Err(why) => {
                warnings.push(format!(
                    "result {number} can't be read and goes when the project is saved: {why}"
                ));
                continue;
            }
        };
        let base = state.base.as_deref().map(&mut picture).transpose();
        kept.push(Kept {
            number: state.number,
            picture: own,
            base: base.unwrap_or_else(|why| {
                warnings.push(format!(
                    "result {number} can't be compared, its canvas can't be read: {why}"
                ));
                None
            }),
            spec: Arc::new(state.job),
            output: state.output,
            joint: state.joint,
            seed: state.seed,
            map: state.map,
        });
    }
    kept
}
