//! Projects: OpenRaster files (openraster.org, baseline 0.0.3) that Krita and GIMP open as layers, with the rest of
//! the document in one JSON entry, `inlay/document.json`.
//!
//! Layers from bottom to top are the slots' pictures and the regions' masks; a mask is white with its values as
//! alpha. Results that the artist keeps come last. Only the canvas is visible, so that the merged picture is what the
//! artist sees.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use serde::{Deserialize, Serialize};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::error::SaveError;
use super::save::Pending;
use super::{PictureError, metadata, names, picture};
use crate::doc::document::Settings;
use crate::doc::prompt::MAX_INPUTS;
use crate::doc::{
    Document, Edit, EditError, Level, Mask, Picture, Plane, Purpose, Region, RegionId, Slot, SlotId,
};

mod kept;
#[cfg(test)]
mod tests;

pub use kept::Kept;

/// The version of the JSON entry.
const VERSION: u32 = 1;
/// The entry that holds it.
const STATE: &str = "inlay/document.json";
/// The most bytes any entry may unpack to: the largest picture takes 1 GiB, and as PNG a little more where nothing in
/// it can be compressed.
const MAX_ENTRY: u64 = 5 << 28;
/// The bytes at a file's beginning that tell a project.
const HEAD: u64 = 54;
/// Longest side of the thumbnail, as the specification wants it.
const THUMBNAIL: u32 = 256;

/// The document without its pixels.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    version: u32,
    slots: Vec<SlotState>,
    regions: Vec<RegionState>,
    prompt: String,
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    settings: Settings,
    /// Each of [`kept::KeptState`]: one that is not understood costs no other.
    #[serde(default)]
    results: Vec<serde_json::Value>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SlotState {
    file: String,
    name: String,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    purpose: Option<Purpose>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RegionState {
    file: String,
    level: Level,
    /// Position of the placed asset among the slots.
    #[serde(default)]
    asset: Option<usize>,
}

/// Why a project could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The file or a picture in it can't be read.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// Not OpenRaster at all.
    #[error("this is no OpenRaster project: {}", .0.display())]
    NotAProject(PathBuf),
    /// Something in it is broken.
    #[error("the project is damaged ({0}), open an older copy: {path}", path = .1.display())]
    Damaged(String, PathBuf),
    /// A project of a later version of the program.
    #[error("the project is of a newer Inlay (format {0}), update Inlay first: {path}", path = .1.display())]
    Newer(u64, PathBuf),
}

/// A document and what should be said about it.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The document.
    pub document: Document,
    /// Results that were kept with it.
    pub results: Vec<Kept>,
    /// Sentences for the artist.
    pub warnings: Vec<String>,
    /// Whether another program made the file: writing the document there would lose that program's layers.
    pub foreign: bool,
}

/// Whether these are the first bytes of an OpenRaster file.
pub fn is_project(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
        && bytes.get(30..HEAD as usize) == Some(b"mimetypeimage/openraster")
}

/// Writes the document and results to be kept with it; a file that is there is replaced only when the new one is whole.
///
/// # Errors
/// [`SaveError`], a sentence with the path last.
pub fn write(path: &Path, document: &Document, results: &[Kept]) -> Result<(), SaveError> {
    Writer::default().write(path, document, results)
}

/// Writes one document again and again: pictures that were written the last time are not encoded again.
#[derive(Debug, Default)]
pub struct Writer {
    /// Pictures' files; a weak reference keeps an address from being reused.
    encoded: Vec<Encoded>,
}

#[derive(Debug)]
struct Encoded {
    picture: Weak<Picture>,
    png: Vec<u8>,
    used: bool,
}

impl Writer {
    /// As [`write`](fn@write).
    ///
    /// # Errors
    /// [`SaveError`], a sentence with the path last.
    pub fn write(
        &mut self,
        path: &Path,
        document: &Document,
        results: &[Kept],
    ) -> Result<(), SaveError> {
        for one in &mut self.encoded {
            one.used = false;
        }
        // Into the file as it is made: a project of many large pictures need not fit into memory once more.
        let mut file = Pending::new(path)?;
        pack(self, (document, results), &mut file).map_err(|error| match error {
            PackError::Io(error) | PackError::Zip(ZipError::Io(error)) => {
                SaveError::from_write(&error, path)
            }
            error => SaveError::Encode(error.to_string(), path.into()),
        })?;
        self.encoded.retain(|one| one.used);
        file.finish()
    }

    fn png(&mut self, picture: &Arc<Picture>) -> Result<&[u8], PackError> {
        let kept = |one: &Encoded| one.picture.as_ptr() == Arc::as_ptr(picture);
        let at = match self.encoded.iter().position(kept) {
            Some(at) => at,
            None => {
                let png = metadata::encode_png(picture, None).map_err(PackError::Png)?;
                self.encoded.push(Encoded {
                    picture: Arc::downgrade(picture),
                    png,
                    used: true,
                });
                self.encoded.len() - 1
            }
        };
        let one = &mut self.encoded[at];
        one.used = true;
        Ok(&one.png)
    }
}

/// Reads a project. A file that another program made gives its merged picture as the canvas.
///
/// # Errors
/// [`ProjectError`], a sentence with the path last.
pub fn open(path: &Path) -> Result<Opened, ProjectError> {
    let from_read = |error| PictureError::from_read(&error, path);
    // A project may be larger than any one picture: only its entries are taken into memory.
    let mut file = BufReader::new(File::open(path).map_err(from_read)?);
    let mut head = Vec::new();
    file.by_ref()
        .take(HEAD)
        .read_to_end(&mut head)
        .map_err(from_read)?;
    if !is_project(&head) {
        return Err(ProjectError::NotAProject(path.into()));
    }
    let damaged = |reason: String| ProjectError::Damaged(reason, path.into());
    let mut archive = ZipArchive::new(file).map_err(|error| damaged(error.to_string()))?;
    let Some(json) = entry(&mut archive, STATE).map_err(damaged)? else {
        return foreign(&mut archive, path);
    };
    let state: serde_json::Value =
        serde_json::from_slice(&json).map_err(|error| damaged(error.to_string()))?;
    let version = state["version"].as_u64().unwrap_or(0);
    if version > u64::from(VERSION) {
        return Err(ProjectError::Newer(version, path.into()));
    }
    let state: State = serde_json::from_value(state).map_err(|error| damaged(error.to_string()))?;
    restore(&mut archive, state, path)
}

type Archive = ZipArchive<BufReader<File>>;

fn restore(archive: &mut Archive, state: State, path: &Path) -> Result<Opened, ProjectError> {
    let refused = |error: EditError| ProjectError::Damaged(error.to_string(), path.into());
    // Before any picture takes memory.
    if state.slots.len() + state.regions.len() > MAX_INPUTS {
        return Err(refused(EditError::Full));
    }
    let mut ids = 1..;
    let mut fresh = || ids.next().unwrap_or(u64::MAX);
    let (mut slots, mut known) = (Vec::new(), Vec::new());
    for slot in state.slots {
        let picture = Arc::new(layer(archive, &slot.file, path)?);
        known.push((slot.file, Arc::clone(&picture)));
        slots.push(Slot {
            id: SlotId(fresh()),
            picture,
            name: slot.name,
            source: slot.source,
            purpose: slot.purpose,
        });
    }
    let mut regions = Vec::new();
    for region in state.regions {
        let placed = region.asset.and_then(|at| slots.get(at));
        regions.push(Region {
            id: RegionId(fresh()),
            asset: placed.map(|slot| slot.id),
            mask: Mask::from_alpha(&layer(archive, &region.file, path)?),
            level: region.level,
        });
    }
    let document = Document::restored(slots, regions, state.prompt, state.tags, state.settings)
        .map_err(refused)?;
    let mut warnings = Vec::new();
    let results = kept::restored(archive, state.results, known, path, &mut warnings);
    Ok(Opened {
        document,
        results,
        warnings,
        foreign: false,
    })
}

/// A project of another program: what it shows becomes the canvas.
fn foreign(archive: &mut Archive, path: &Path) -> Result<Opened, ProjectError> {
    let picture = layer(archive, "mergedimage.png", path)?;
    let mut document = Document::new();
    let edit = Edit::AddSlot {
        picture: Arc::new(picture),
        name: names::stem_of(path),
        source: Some(path.to_string_lossy().into_owned()),
        purpose: Some(Purpose::Canvas),
    };
    document
        .apply(edit)
        .map_err(|error| ProjectError::Damaged(error.to_string(), path.into()))?;
    Ok(Opened {
        document,
        results: Vec::new(),
        warnings: vec![format!(
            "the project was made by another program, its layers were merged: {}",
            path.display()
        )],
        foreign: true,
    })
}

fn layer(archive: &mut Archive, name: &str, path: &Path) -> Result<Picture, ProjectError> {
    let damaged = |reason: String| ProjectError::Damaged(reason, path.into());
    let bytes = entry(archive, name)
        .map_err(damaged)?
        .ok_or_else(|| damaged(format!("{name} is missing")))?;
    Ok(picture::decode(&bytes, path)?.picture)
}

/// The content of an entry; `None` if there is no such entry.
fn entry(archive: &mut Archive, name: &str) -> Result<Option<Vec<u8>>, String> {
    let file = match archive.by_name(name) {
        Ok(file) => file,
        Err(zip::result::ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut bytes = Vec::new();
    file.take(MAX_ENTRY + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_ENTRY {
        return Err(format!("{name} is too large"));
    }
    Ok(Some(bytes))
}

/// One layer of the stack.
struct Layer {
    file: String,
    name: String,
    picture: Arc<Picture>,
    visible: bool,
}

fn pack(
    writer: &mut Writer,
    (document, results): (&Document, &[Kept]),
    file: &mut Pending,
) -> Result<(), PackError> {
    let shown = usize::from(document.canvas().is_none());
    let mut layers: Vec<Layer> = document
        .slots()
        .iter()
        .enumerate()
        .map(|(at, slot)| Layer {
            file: format!("data/slot{at}.png"),
            name: format!("IMG{} {}", at + 1, slot.name),
            picture: Arc::clone(&slot.picture),
            // Without a canvas the first picture stands in, so that the file shows something.
            visible: at == 0 && shown <= 1,
        })
        .collect();
    let slots = layers.len();
    for (at, region) in document.regions().iter().enumerate() {
        layers.push(Layer {
            file: format!("data/mask{at}.png"),
            name: format!("IMG{} mask", slots + at + 1),
            picture: Arc::new(white_with_alpha(&region.mask.to_plane())),
            visible: false,
        });
    }
    let merged = match layers.first() {
        Some(layer) => Arc::clone(&layer.picture),
        None => {
            let [width, height] = document.settings().size.unwrap_or([512, 512]);
            Arc::new(Picture::filled(width, height, [0; 4]))
        }
    };
    let mut beside = Vec::new();
    let kept = kept::state(results, &mut layers, &mut beside);
    let state = State {
        version: VERSION,
        slots: document
            .slots()
            .iter()
            .zip(&layers)
            .map(|(slot, layer)| SlotState {
                file: layer.file.clone(),
                name: slot.name.clone(),
                source: slot.source.clone(),
                purpose: slot.purpose,
            })
            .collect(),
        regions: document
            .regions()
            .iter()
            .zip(&layers[slots..])
            .map(|(region, layer)| RegionState {
                file: layer.file.clone(),
                level: region.level,
                asset: region
                    .asset
                    .and_then(|id| document.slots().iter().position(|slot| slot.id == id)),
            })
            .collect(),
        prompt: document.prompt().to_string(),
        tags: document.tags().map(<[String]>::to_vec),
        settings: document.settings().clone(),
        results: kept
            .iter()
            .map(serde_json::to_value)
            .collect::<Result<_, _>>()?,
    };
    let beside = beside.iter().map(|(file, picture)| (file, picture));
    let files = layers.iter().map(|layer| (&layer.file, &layer.picture));
    let files: Vec<_> = files.chain(beside).collect();
    zipped(writer, (&layers, &files), &merged, &state, file)
}

fn zipped(
    writer: &mut Writer,
    (layers, files): (&[Layer], &[(&String, &Arc<Picture>)]),
    merged: &Arc<Picture>,
    state: &State,
    file: &mut Pending,
) -> Result<(), PackError> {
    let mut zip = ZipWriter::new(file);
    // PNG is compressed already; and the type must be first and readable as it stands.
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let mut put = |name: &str, options, bytes: &[u8]| -> Result<(), PackError> {
        zip.start_file(name, options)?;
        zip.write_all(bytes)?;
        Ok(())
    };
    put("mimetype", stored, b"image/openraster")?;
    put("stack.xml", deflated, stack(layers, merged).as_bytes())?;
    put(STATE, deflated, &serde_json::to_vec_pretty(state)?)?;
    for (file, picture) in files {
        put(file, stored, writer.png(picture)?)?;
    }
    put("mergedimage.png", stored, writer.png(merged)?)?;
    let bytes = metadata::encode_png(&thumbnail(merged), None).map_err(PackError::Png)?;
    put("Thumbnails/thumbnail.png", stored, &bytes)?;
    zip.finish()?;
    Ok(())
}

#[derive(Debug, thiserror::Error)]
enum PackError {
    #[error(transparent)]
    Zip(#[from] ZipError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Png(String),
}

/// stack.xml: the topmost layer comes first.
fn stack(layers: &[Layer], merged: &Picture) -> String {
    let mut xml = format!(
        "<?xml version='1.0' encoding='UTF-8'?>\n<image version=\"0.0.3\" w=\"{}\" h=\"{}\">\n <stack>\n",
        merged.width(),
        merged.height()
    );
    for layer in layers.iter().rev() {
        let visibility = if layer.visible { "visible" } else { "hidden" };
        xml.push_str(&format!(
            "  <layer name=\"{}\" src=\"{}\" x=\"0\" y=\"0\" opacity=\"1.0\" visibility=\"{visibility}\" \
             composite-op=\"svg:src-over\"/>\n",
            escaped(&layer.name),
            layer.file
        ));
    }
    xml.push_str(" </stack>\n</image>\n");
    xml
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // XML has no way to write these.
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

fn white_with_alpha(mask: &Plane) -> Picture {
    let mut picture = Picture::filled(mask.width(), mask.height(), [255; 4]);
    for (pixel, &value) in picture.pixels_mut().chunks_exact_mut(4).zip(mask.values()) {
        pixel[3] = value;
    }
    picture
}

fn thumbnail(picture: &Picture) -> Picture {
    let (width, height) = (picture.width(), picture.height());
    let longest = width.max(height);
    if longest <= THUMBNAIL {
        return picture.clone();
    }
    let side =
        |side: u32| (u64::from(side) * u64::from(THUMBNAIL) / u64::from(longest)).max(1) as u32;
    image::RgbaImage::from_raw(width, height, picture.pixels().to_vec())
        .map(|full| image::imageops::thumbnail(&full, side(width), side(height)))
        .and_then(|small| Picture::from_rgba(small.width(), small.height(), small.into_raw()))
        .unwrap_or_else(|| Picture::filled(1, 1, [0; 4]))
}
