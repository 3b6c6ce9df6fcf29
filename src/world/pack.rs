//! An asset pack: a folder with `manifest.json` and the files it names. Files are decoded at first use and kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::Deserialize;

use super::light::RadianceMap;
use super::mesh::{Mesh, MeshError};
use super::sizes::guessed_height;
use super::texture::{Texture, Wrap};
use crate::io::error::plain;

/// What can go wrong while a pack is opened.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The folder has no readable manifest.
    #[error("{path} can't be read ({why}); give the folder of an asset pack with a manifest.json")]
    Unreadable {
        /// The manifest's path.
        path: String,
        /// Why, in the system's words.
        why: String,
    },
    /// The manifest is not the JSON that it should be.
    #[error("{path} is not a valid pack manifest: {why}")]
    Manifest {
        /// The manifest's path.
        path: String,
        /// Where it went wrong.
        why: String,
    },
    /// Too little of what samples are made of.
    #[error("the pack has no {0} for this split; add some or use another pack")]
    Missing(&'static str),
}

/// Which part of a pack samples are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Split {
    /// What models are trained with.
    Train,
    /// What they are judged with: never seen in training.
    Heldout,
}

impl Split {
    /// The split an asset belongs to: about one id in twenty is held out. Poses, views and the two files of a
    /// light share an id, so they stay together.
    pub fn of(id: &str) -> Split {
        let hash = blake3::hash(id.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        if u64::from_le_bytes(first).is_multiple_of(20) {
            Split::Heldout
        } else {
            Split::Train
        }
    }
}

#[derive(Deserialize)]
struct Manifest {
    entries: Vec<Entry>,
}

impl Manifest {
    fn read(dir: &Path) -> Result<Self, PackError> {
        let path = dir.join("manifest.json");
        let text = std::fs::read(&path).map_err(|error| PackError::Unreadable {
            path: path.display().to_string(),
            why: plain(&error),
        })?;
        serde_json::from_slice(&text).map_err(|error| PackError::Manifest {
            path: path.display().to_string(),
            why: error.to_string(),
        })
    }
}

/// Every asset id of the pack in `dir` and its split, sorted by id; absent files count too.
///
/// # Errors
/// A folder without a readable manifest.
pub fn splits(dir: &Path) -> Result<BTreeMap<String, Split>, PackError> {
    let entries = Manifest::read(dir)?.entries.into_iter();
    Ok(entries
        .map(|entry| {
            let split = Split::of(&entry.id);
            (entry.id, split)
        })
        .collect())
}

#[derive(Clone, Default, Deserialize)]
struct Flags {
    #[serde(default)]
    can_stand: bool,
    #[serde(default)]
    flat: bool,
    #[serde(default)]
    wall: bool,
    #[serde(default)]
    hanging: bool,
    #[serde(default)]
    flat_ground: bool,
    #[serde(default)]
    ground_visible: bool,
    #[serde(default)]
    animated: bool,
    #[serde(default)]
    night: bool,
    place: Option<String>,
    pose: Option<u32>,
    view: Option<u32>,
}

#[derive(Clone, Default, Deserialize)]
struct SunEntry {
    #[serde(default)]
    direction: [f32; 3],
    #[serde(default)]
    energy_fraction_8deg: f32,
}

#[derive(Clone, Deserialize)]
struct Entry {
    id: String,
    kind: String,
    file: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    colours: Vec<String>,
    size_m: Option<f32>,
    dims_m: Option<[f32; 3]>,
    size_px: Option<[f32; 2]>,
    #[serde(default)]
    flags: Flags,
    sun: Option<SunEntry>,
    jpg_exposure: Option<f32>,
}

impl Entry {
    /// Whether it is put into pictures rather than around what is.
    fn is_object(&self) -> bool {
        matches!(self.kind.as_str(), "mesh" | "cutout")
    }
}

/// How an object is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// A triangle mesh; several files are poses.
    Mesh,
    /// A picture with alpha; several files are views, a quarter turn apart.
    Cutout,
}

/// One object: everything that shares an asset id.
pub struct Object {
    /// The asset id.
    pub id: String,
    /// Lower-case English noun phrase without an article.
    pub name: String,
    /// One or two colour words, the largest first; may be empty.
    pub colours: Vec<String>,
    /// The pack's category.
    pub category: String,
    /// Mesh or picture.
    pub kind: ObjectKind,
    /// Files, in pose or view order.
    pub files: Vec<String>,
    /// May be put on the ground.
    pub stands: bool,
    /// Factor from the mesh's lengths to metres.
    pub scale: f32,
    /// Its largest extent in metres.
    pub reach: f32,
}

/// A background with a light: a panorama.
pub struct Panorama {
    /// The asset id.
    pub id: String,
    /// What it shows, with an article.
    pub name: String,
    /// The display picture's file.
    pub file: String,
    /// The radiance file, if the pack has it.
    pub light: Option<String>,
    /// Radiance × this is in the scale of the display picture.
    pub exposure: f32,
    /// Direction of the brightest light.
    pub sun: [f32; 3],
    /// Its share of all light.
    pub sun_share: f32,
    /// The lower half can be taken as a plane.
    pub flat_ground: bool,
    /// Taken in a room or a hall: its ground ends at walls.
    pub indoor: bool,
}

/// A photograph.
pub struct Photo {
    /// The asset id.
    pub id: String,
    /// What it shows.
    pub name: String,
    /// The file.
    pub file: String,
    /// Ground that things can stand on is in the picture.
    pub ground: bool,
    /// A close view of goods in a shop.
    pub grocery: bool,
}

/// A tile that can be laid on the floor.
pub struct Tile {
    /// The asset id.
    pub id: String,
    /// What it is.
    pub name: String,
    /// The file.
    pub file: String,
    /// Edge of one tile in metres.
    pub size: f32,
}

/// A pack, narrowed to one split.
pub struct Pack {
    dir: PathBuf,
    /// The split that its objects were narrowed to.
    pub split: Split,
    /// Objects, sorted by id.
    pub objects: Vec<Object>,
    /// Panoramas, sorted by id.
    pub panoramas: Vec<Panorama>,
    /// Photographs, sorted by id.
    pub photos: Vec<Photo>,
    /// Floor tiles, sorted by id.
    pub tiles: Vec<Tile>,
    meshes: Vec<Vec<OnceLock<Option<Arc<Mesh>>>>>,
    panorama_cells: Vec<OnceLock<Option<Arc<Texture>>>>,
    radiance_cells: Vec<OnceLock<Option<Arc<RadianceMap>>>>,
    photo_cells: Vec<OnceLock<Option<Arc<Texture>>>>,
    tile_cells: Vec<OnceLock<Option<Arc<Texture>>>>,
}

/// A panorama's name as its picture shows it: those of the night are exposed like those of the day.
fn shown(name: &str, night: bool) -> String {
    let mut name = name.to_owned();
    if night {
        for words in [" at night", " in moonlight", " by night"] {
            name = name.replace(words, "");
        }
    }
    name
}

/// A file that can't be decoded is left out with a warning: one bad file must not end a long stream.
fn usable<T>(file: &str, made: Result<T, MeshError>) -> Option<T> {
    made.map_err(|error| tracing::warn!("{file} is left out: {error}"))
        .ok()
}

impl Pack {
    /// Opens the pack in `dir` and keeps what belongs to `split`. Files that the manifest names but that are
    /// absent are skipped.
    ///
    /// # Errors
    /// [`PackError`] for a folder without a readable manifest or without objects of `split`.
    pub fn open(dir: &Path, split: Split) -> Result<Self, PackError> {
        Self::open_parts(dir, split, split)
    }

    /// The same with objects of one split before what is around them (panoramas and their light, photographs, tiles) of
    /// another.
    ///
    /// # Errors
    /// As [`Pack::open`].
    pub fn open_parts(dir: &Path, split: Split, around: Split) -> Result<Self, PackError> {
        let manifest = Manifest::read(dir)?;
        let mut groups: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for entry in manifest.entries {
            let wanted = if entry.is_object() { split } else { around };
            if Split::of(&entry.id) == wanted && dir.join(&entry.file).is_file() {
                groups.entry(entry.id.clone()).or_default().push(entry);
            }
        }
        let mut pack = Self {
            dir: dir.to_owned(),
            split,
            objects: Vec::new(),
            panoramas: Vec::new(),
            photos: Vec::new(),
            tiles: Vec::new(),
            meshes: Vec::new(),
            panorama_cells: Vec::new(),
            radiance_cells: Vec::new(),
            photo_cells: Vec::new(),
            tile_cells: Vec::new(),
        };
        for entries in groups.into_values() {
            pack.add(entries);
        }
        fn cells<T>(count: usize) -> Vec<OnceLock<T>> {
            (0..count).map(|_| OnceLock::new()).collect()
        }
        pack.meshes = pack.objects.iter().map(|o| cells(o.files.len())).collect();
        pack.panorama_cells = cells(pack.panoramas.len());
        pack.radiance_cells = cells(pack.panoramas.len());
        pack.photo_cells = cells(pack.photos.len());
        pack.tile_cells = cells(pack.tiles.len());
        if pack.objects.is_empty() {
            return Err(PackError::Missing("objects"));
        }
        Ok(pack)
    }

    fn add(&mut self, mut entries: Vec<Entry>) {
        // The base file first, then poses or views in order, whatever the manifest's order.
        entries.sort_by(|a, b| {
            let key = |e: &Entry| (e.flags.pose.or(e.flags.view), e.file.clone());
            key(a).cmp(&key(b))
        });
        let Some(first) = entries.first().cloned() else {
            return;
        };
        match first.kind.as_str() {
            "mesh" | "cutout" => {
                let kind = if first.kind == "mesh" {
                    ObjectKind::Mesh
                } else {
                    ObjectKind::Cutout
                };
                let flags = &first.flags;
                // Cut-outs are one high, meshes are in metres.
                let (scale, reach) = match kind {
                    ObjectKind::Mesh => {
                        let dims = first.dims_m.unwrap_or([first.size_m.unwrap_or(1.0); 3]);
                        (1.0, dims.into_iter().fold(0.01, f32::max))
                    }
                    ObjectKind::Cutout => {
                        let height = first
                            .size_m
                            .unwrap_or_else(|| guessed_height(&first.name, &first.category));
                        let wide = first.size_px.map_or(1.0, |[w, h]| w / h.max(1.0));
                        (height, height * wide.max(1.0))
                    }
                };
                self.objects.push(Object {
                    scale,
                    reach,
                    // Cut-outs with views are isometric: their lower edge is a corner, upright they would hover.
                    stands: (flags.can_stand || flags.flat)
                        && !flags.wall
                        && !flags.hanging
                        && !(kind == ObjectKind::Cutout && flags.view.is_some()),
                    id: first.id,
                    name: first.name,
                    colours: first.colours,
                    category: first.category,
                    kind,
                    // The base file of an animated object is its bind pose, arms spread: poses alone look natural.
                    files: {
                        let posed = entries.iter().any(|e| e.flags.pose.is_some());
                        let keep =
                            |e: &&Entry| !(posed && e.flags.animated && e.flags.pose.is_none());
                        entries
                            .iter()
                            .filter(keep)
                            .map(|e| e.file.clone())
                            .collect()
                    },
                });
            }
            "hdri_ldr" | "hdri_light" => {
                let of = |kind: &str| entries.iter().find(|e| e.kind == kind);
                let Some(picture) = of("hdri_ldr") else {
                    return;
                };
                let sun = picture.sun.clone().unwrap_or_default();
                self.panoramas.push(Panorama {
                    id: picture.id.clone(),
                    name: shown(&picture.name, picture.flags.night),
                    file: picture.file.clone(),
                    light: of("hdri_light").map(|e| e.file.clone()),
                    exposure: picture.jpg_exposure.unwrap_or(1.0),
                    sun: sun.direction,
                    sun_share: sun.energy_fraction_8deg,
                    flat_ground: picture.flags.flat_ground,
                    indoor: picture.flags.place.as_deref() == Some("indoor"),
                });
            }
            "photo" | "photo_grocery" => self.photos.push(Photo {
                grocery: first.kind == "photo_grocery",
                id: first.id,
                name: first.name,
                file: first.file,
                ground: first.flags.ground_visible,
            }),
            "texture" => self.tiles.push(Tile {
                id: first.id,
                name: first.name,
                file: first.file,
                size: first.size_m.unwrap_or(1.0),
            }),
            _ => {}
        }
    }

    fn read(&self, file: &str) -> std::io::Result<Vec<u8>> {
        std::fs::read(self.dir.join(file))
    }

    /// The triangles of an object's file; `None` if the file is not usable.
    pub fn mesh(&self, object: usize, file: usize) -> Option<Arc<Mesh>> {
        self.meshes[object][file]
            .get_or_init(|| {
                let object = &self.objects[object];
                let name = object.files.get(file)?;
                let made = self
                    .read(name)
                    .map_err(MeshError::from)
                    .and_then(|bytes| match object.kind {
                        ObjectKind::Mesh => Mesh::from_glb(&bytes),
                        // An animal is drawn standing, be it on one leg.
                        ObjectKind::Cutout => {
                            Mesh::from_cutout(&bytes, object.category == "animal")
                        }
                    });
                usable(name, made).map(Arc::new)
            })
            .clone()
    }

    fn picture(
        &self,
        cell: &OnceLock<Option<Arc<Texture>>>,
        file: &str,
        wrap: Wrap,
    ) -> Option<Arc<Texture>> {
        cell.get_or_init(|| {
            let made = self
                .read(file)
                .map_err(MeshError::from)
                .and_then(|bytes| Ok(Texture::decode(&bytes, wrap, true)?));
            usable(file, made).map(Arc::new)
        })
        .clone()
    }

    /// A panorama's display picture.
    pub fn panorama(&self, at: usize) -> Option<Arc<Texture>> {
        self.picture(
            &self.panorama_cells[at],
            &self.panoramas[at].file,
            Wrap::Around,
        )
    }

    /// A photograph.
    pub fn photo(&self, at: usize) -> Option<Arc<Texture>> {
        self.picture(&self.photo_cells[at], &self.photos[at].file, Wrap::Clamp)
    }

    /// A floor tile.
    pub fn tile(&self, at: usize) -> Option<Arc<Texture>> {
        self.picture(&self.tile_cells[at], &self.tiles[at].file, Wrap::Repeat)
    }

    /// A panorama's radiance in the scale of its display picture.
    pub fn radiance(&self, at: usize) -> Option<Arc<RadianceMap>> {
        self.radiance_cells[at]
            .get_or_init(|| {
                let panorama = &self.panoramas[at];
                let name = panorama.light.as_ref()?;
                let made = self.read(name).map_err(MeshError::from).and_then(|bytes| {
                    Ok(
                        image::load_from_memory_with_format(&bytes, image::ImageFormat::Hdr)?
                            .to_rgb32f(),
                    )
                });
                let picture = usable(name, made)?;
                Some(Arc::new(RadianceMap {
                    width: picture.width() as usize,
                    height: picture.height() as usize,
                    radiance: picture
                        .pixels()
                        .map(|p| p.0.map(|v| v * panorama.exposure))
                        .collect(),
                }))
            })
            .clone()
    }
}
