//! A tiny pack made on the spot, for tests: cubes, a cut-out disc, a photograph, a panorama with its light, a tile.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use serde_json::{Value, json};

use crate::world::pack::{Pack, Split};

/// An id of the given stem that falls into `split`.
fn id(stem: &str, split: Split) -> String {
    (0..)
        .map(|i| format!("{stem}_{i}"))
        .find(|id| Split::of(id) == split)
        .unwrap()
}

/// A cube of 1 m standing on the ground, as a GLB file.
pub fn cube() -> Vec<u8> {
    let mut positions: Vec<[f32; 3]> = Vec::new();
    let mut normals: Vec<[f32; 3]> = Vec::new();
    let mut indices: Vec<u16> = Vec::new();
    for axis in 0..3 {
        for sign in [-1.0f32, 1.0] {
            let base = positions.len() as u16;
            for (a, b) in [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)] {
                let mut p = [0.0; 3];
                p[axis] = 0.5 * sign;
                p[(axis + 1) % 3] = a;
                p[(axis + 2) % 3] = b;
                p[1] += 0.5;
                positions.push(p);
                let mut n = [0.0; 3];
                n[axis] = sign;
                normals.push(n);
            }
            indices.extend([0, 1, 2, 0, 2, 3].map(|i| base + i));
        }
    }
    let mut bin: Vec<u8> = Vec::new();
    bin.extend_from_slice(bytemuck::cast_slice(&positions));
    bin.extend_from_slice(bytemuck::cast_slice(&normals));
    bin.extend_from_slice(bytemuck::cast_slice(&indices));
    let (vectors, index_bytes) = (positions.len() * 12, indices.len() * 2);
    let document = json!({
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{
            "attributes": {"POSITION": 0, "NORMAL": 1}, "indices": 2, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorFactor": [0.7, 0.15, 0.1, 1.0]}}],
        "buffers": [{"byteLength": bin.len()}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": vectors},
            {"buffer": 0, "byteOffset": vectors, "byteLength": vectors},
            {"buffer": 0, "byteOffset": 2 * vectors, "byteLength": index_bytes}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": positions.len(), "type": "VEC3",
             "min": [-0.5, 0.0, -0.5], "max": [0.5, 1.0, 0.5]},
            {"bufferView": 1, "componentType": 5126, "count": normals.len(), "type": "VEC3"},
            {"bufferView": 2, "componentType": 5123, "count": indices.len(), "type": "SCALAR"}],
    });
    let mut text = document.to_string().into_bytes();
    text.resize(text.len().next_multiple_of(4), b' ');
    bin.resize(bin.len().next_multiple_of(4), 0);
    let mut glb = b"glTF".to_vec();
    glb.extend(2u32.to_le_bytes());
    glb.extend((28 + text.len() as u32 + bin.len() as u32).to_le_bytes());
    glb.extend((text.len() as u32).to_le_bytes());
    glb.extend(b"JSON");
    glb.extend(text);
    glb.extend((bin.len() as u32).to_le_bytes());
    glb.extend(b"BIN\0");
    glb.extend(bin);
    glb
}

fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Writes a pack with one asset of each kind in each split.
pub fn write_pack(dir: &Path) {
    let mut entries: Vec<Value> = Vec::new();
    let mut put = |file: String, bytes: Vec<u8>, mut entry: Value| {
        std::fs::write(dir.join(&file), bytes).unwrap();
        entry["file"] = file.into();
        entries.push(entry);
    };
    for split in [Split::Train, Split::Heldout] {
        for (stem, name) in [("cube", "crate"), ("block", "stone block")] {
            let id = id(stem, split);
            for pose in 0..2 {
                put(
                    format!("{id}_{pose}.glb"),
                    cube(),
                    json!({"id": id, "kind": "mesh", "name": name, "category": "prop", "colours": ["red", "brown"],
                        "size_m": 1.0, "flags": {"can_stand": true, "animated": true, "pose": pose}}),
                );
            }
        }
        let disc = id("disc", split);
        let cut = RgbaImage::from_fn(48, 48, |x, y| {
            let r = (x as f32 - 23.5).hypot(y as f32 - 23.5);
            Rgba([40 + 3 * x as u8, 180, 60, if r < 20.0 { 255 } else { 0 }])
        });
        put(
            format!("{disc}.webp"),
            encoded(cut, ImageFormat::WebP),
            json!({"id": disc, "kind": "cutout", "name": "green ball", "colours": ["green"],
                "flags": {"can_stand": true}}),
        );
        let photo = id("photo", split);
        let picture = RgbImage::from_fn(96, 64, |x, y| Rgb([90 + x as u8, 120 + y as u8, 140]));
        put(
            format!("{photo}.jpg"),
            encoded(picture, ImageFormat::Jpeg),
            json!({"id": photo, "kind": "photo", "name": "a beach", "flags": {"ground_visible": true}}),
        );
        let tile = id("tile", split);
        let picture = RgbImage::from_fn(32, 32, |x, y| {
            Rgb([if (x / 8 + y / 8) % 2 == 0 { 190 } else { 120 }; 3])
        });
        put(
            format!("{tile}.jpg"),
            encoded(picture, ImageFormat::Jpeg),
            json!({"id": tile, "kind": "texture", "name": "floor tiles", "size_m": 1.0}),
        );
        let sky = id("sky", split);
        let picture = RgbImage::from_fn(128, 64, |x, y| {
            if y < 32 {
                Rgb([150, 170, 210])
            } else {
                Rgb([120, 110, 90 + (x / 2) as u8])
            }
        });
        let sun = json!({"direction": [0.5, 0.7, -0.5], "energy_fraction_8deg": 0.4});
        put(
            format!("{sky}.jpg"),
            encoded(picture, ImageFormat::Jpeg),
            json!({"id": sky, "kind": "hdri_ldr", "name": "an open field", "flags": {"flat_ground": true},
                "jpg_exposure": 1.0, "sun": sun}),
        );
        let light = image::Rgb32FImage::from_fn(16, 8, |x, y| {
            Rgb(if (x, y) == (10, 2) {
                [60.0; 3]
            } else if y < 4 {
                [0.8, 0.9, 1.1]
            } else {
                [0.3, 0.28, 0.25]
            })
        });
        put(
            format!("{sky}.hdr"),
            encoded(light, ImageFormat::Hdr),
            json!({"id": sky, "kind": "hdri_light", "name": "an open field", "flags": {"flat_ground": true},
                "jpg_exposure": 1.0, "sun": sun}),
        );
    }
    // Named, but not there: left out without a word.
    entries.push(json!({"id": "absent", "kind": "photo", "file": "absent.jpg", "name": "nothing"}));
    let manifest = json!({"version": 1, "entries": entries});
    std::fs::write(dir.join("manifest.json"), manifest.to_string()).unwrap();
}

/// The pack of a split, and the folder it lives in.
pub fn pack(split: Split) -> (tempfile::TempDir, Pack) {
    let dir = tempfile::tempdir().unwrap();
    write_pack(dir.path());
    let pack = Pack::open(dir.path(), split).unwrap();
    (dir, pack)
}
