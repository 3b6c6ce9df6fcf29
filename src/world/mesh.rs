//! Objects as triangles: glTF files, and cut-out pictures raised to a relief.

use std::sync::{Arc, OnceLock};

use super::texture::{Texture, Wrap};
use super::vector::{V3, luminance, times, unit};

/// What a surface looks like.
pub struct Material {
    /// Linear base colour and alpha.
    pub colour: [f32; 4],
    /// Picture that multiplies the colour.
    pub texture: Option<Arc<Texture>>,
    /// Texels below this alpha are holes.
    pub cutoff: Option<f32>,
    /// Light that is already in the picture: 0 for none, 1 for a picture that is shown as it is.
    pub baked: f32,
}

impl Material {
    /// Whether it is seen through everywhere, as a cut-out's holes are not.
    pub fn is_glass(&self) -> bool {
        self.cutoff.is_none() && (0.02..0.98).contains(&self.colour[3])
    }
}

/// Triangles with materials; y up, standing on y = 0, centred in x and z.
pub struct Mesh {
    /// Vertex positions.
    pub positions: Vec<V3>,
    /// Unit normals, not always pointing outwards.
    pub normals: Vec<V3>,
    /// Texture coordinates.
    pub uvs: Vec<[f32; 2]>,
    /// Vertex indices.
    pub triangles: Vec<[u32; 3]>,
    /// Material of each triangle.
    pub surfaces: Vec<u16>,
    /// The materials.
    pub materials: Vec<Material>,
    /// Made from a picture: only its front may be shown.
    pub relief: bool,
    /// A relief that would topple if it stood: it lies on its back, its front facing up.
    pub lies: bool,
    brightness: OnceLock<f32>,
}

/// Why a mesh could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// Not a glTF binary.
    #[error("not a readable glTF binary: {0}")]
    Gltf(#[from] gltf::Error),
    /// A texture or cut-out can't be decoded.
    #[error("a picture can't be decoded: {0}")]
    Picture(#[from] image::ImageError),
    /// The file can't be read.
    #[error("the file can't be read: {0}")]
    Io(#[from] std::io::Error),
    /// No triangles, or indices beyond the vertices.
    #[error("there are no usable triangles in it")]
    Empty,
}

/// Whether all that is read is of the types that the format allows: the reader panics at others.
fn is_readable(primitive: &gltf::Primitive<'_>) -> bool {
    use gltf::Semantic::{Normals, Positions, TexCoords};
    use gltf::accessor::DataType::{F32, U8, U16, U32};
    use gltf::accessor::Dimensions::{Scalar, Vec2, Vec3};
    let is = |accessor: Option<gltf::Accessor<'_>>, dimensions, types: &[_]| {
        accessor.is_none_or(|accessor| {
            accessor.dimensions() == dimensions
                && types.contains(&accessor.data_type())
                && accessor.count() > 0
        })
    };
    is(primitive.get(&Positions), Vec3, &[F32])
        && is(primitive.get(&Normals), Vec3, &[F32])
        && is(primitive.get(&TexCoords(0)), Vec2, &[U8, U16, F32])
        && is(primitive.indices(), Scalar, &[U8, U16, U32])
}

/// Whether a picture is in the file itself, and says what it is: the reader panics at others.
fn is_inside(gltf: &gltf::Gltf, image: usize) -> bool {
    let image = gltf.as_json().images.get(image);
    image.is_some_and(|image| image.buffer_view.is_some() && image.mime_type.is_some())
}

impl Mesh {
    /// A mesh from a GLB file's bytes.
    ///
    /// # Errors
    /// [`MeshError`] for bytes that are no glTF binary, a texture that can't be decoded, or no usable triangles.
    pub fn from_glb(bytes: &[u8]) -> Result<Self, MeshError> {
        let gltf = gltf::Gltf::from_slice(bytes)?;
        let blob = gltf.blob.as_deref().unwrap_or(&[]);
        let mut mesh = Mesh::empty(false);
        let mut textures: Vec<Option<Arc<Texture>>> = vec![None; gltf.images().count()];
        let triangles = |p: &gltf::Primitive<'_>| p.mode() == gltf::mesh::Mode::Triangles;
        let primitives = gltf.meshes().flat_map(|mesh| mesh.primitives());
        for primitive in primitives.filter(triangles) {
            if !is_readable(&primitive) {
                continue;
            }
            let reader = primitive.reader(|_| Some(blob));
            let Some(positions) = reader.read_positions() else {
                continue;
            };
            let base = mesh.positions.len() as u32;
            mesh.positions.extend(positions);
            let count = mesh.positions.len() - base as usize;
            match reader.read_normals() {
                Some(normals) => mesh.normals.extend(normals.map(unit)),
                None => mesh
                    .normals
                    .extend(std::iter::repeat_n([0.0, 1.0, 0.0], count)),
            }
            mesh.normals.resize(mesh.positions.len(), [0.0, 1.0, 0.0]);
            if let Some(uvs) = reader.read_tex_coords(0) {
                mesh.uvs.extend(uvs.into_f32());
            }
            mesh.uvs.resize(mesh.positions.len(), [0.0; 2]);
            let indices: Vec<u32> = match reader.read_indices() {
                Some(indices) => indices.into_u32().collect(),
                None => (0..count as u32).collect(),
            };
            let surface = mesh.materials.len() as u16;
            for t in indices.as_chunks::<3>().0 {
                if t.iter().all(|&i| (i as usize) < count) {
                    mesh.triangles.push(t.map(|i| i + base));
                    mesh.surfaces.push(surface);
                }
            }
            let material = primitive.material();
            let pbr = material.pbr_metallic_roughness();
            let texture = match pbr.base_color_texture() {
                Some(info) => {
                    let image = info.texture().source();
                    let slot = image.index();
                    if textures[slot].is_none()
                        && is_inside(&gltf, slot)
                        && let gltf::image::Source::View { view, .. } = image.source()
                        && let Some(end) = view.offset().checked_add(view.length())
                        && let Some(data) = blob.get(view.offset()..end)
                    {
                        let texture = Texture::decode(data, Wrap::Repeat, true)?;
                        textures[slot] = Some(Arc::new(texture));
                    }
                    textures[slot].clone()
                }
                None => None,
            };
            mesh.materials.push(Material {
                colour: pbr.base_color_factor(),
                texture,
                cutoff: (material.alpha_mode() == gltf::material::AlphaMode::Mask)
                    .then(|| material.alpha_cutoff().unwrap_or(0.5)),
                baked: 0.0,
            });
        }
        if mesh.triangles.is_empty() {
            return Err(MeshError::Empty);
        }
        Ok(mesh)
    }

    /// A relief from a cut-out picture: 1 high, its depth growing with the distance from the outline. It stands, or
    /// lies where its mass is beside what it would stand on, unless it is to be `upright` in any case.
    ///
    /// # Errors
    /// [`MeshError::Picture`] if it can't be decoded, [`MeshError::Empty`] if nothing of it is opaque.
    pub fn from_cutout(bytes: &[u8], upright: bool) -> Result<Self, MeshError> {
        let texture = Texture::decode(bytes, Wrap::Clamp, true)?;
        let (w, h) = texture.size();
        let longest = w.max(h) as f32;
        let cells = 26.0;
        let (nx, ny) = (
            ((cells * w as f32 / longest) as usize).max(4),
            ((cells * h as f32 / longest) as usize).max(4),
        );
        // Coverage at the grid's points, blurred: its root is the relief's height.
        let mut cover: Vec<f32> = Vec::with_capacity((nx + 1) * (ny + 1));
        for j in 0..=ny {
            for i in 0..=nx {
                let (u, v) = (i as f32 / nx as f32, j as f32 / ny as f32);
                cover.push(texture.sample(u, v, 3.0).1);
            }
        }
        let (columns, rows) = (nx + 1, ny + 1);
        for _ in 0..5 {
            let old = cover.clone();
            for j in 0..rows {
                for i in 0..columns {
                    let at = |x: i64, y: i64| {
                        let inside = x >= 0 && y >= 0 && x < columns as i64 && y < rows as i64;
                        if inside {
                            old[y as usize * columns + x as usize]
                        } else {
                            0.0
                        }
                    };
                    let (x, y) = (i as i64, j as i64);
                    let mut sum = 0.0;
                    for dy in -1..=1 {
                        for dx in -1..=1 {
                            sum += at(x + dx, y + dy);
                        }
                    }
                    cover[j * columns + i] = sum / 9.0;
                }
            }
        }
        // Trim to where the picture is: it must stand on its lowest visible row.
        let bottom = (0..h)
            .rev()
            .find(|&y| (0..w).any(|x| texture.texel(x, y)[3] >= 128))
            .ok_or(MeshError::Empty)?;
        let scale = 1.0 / h as f32;
        let depth = 0.22 * w.min(h) as f32 * scale;
        let mut mesh = Mesh::empty(true);
        let height = |i: usize, j: usize| {
            // Half of the blurred edge lies outside the outline.
            ((cover[j * columns + i] - 0.45).max(0.0) / 0.55).sqrt() * depth
        };
        let (step_x, step_y) = (w as f32 * scale / nx as f32, h as f32 * scale / ny as f32);
        for j in 0..rows {
            for i in 0..columns {
                let (u, v) = (i as f32 / nx as f32, j as f32 / ny as f32);
                mesh.positions.push([
                    (u - 0.5) * w as f32 * scale,
                    ((bottom + 1) as f32 - v * h as f32) * scale,
                    height(i, j),
                ]);
                mesh.uvs.push([u, v]);
                let dx = height((i + 1).min(nx), j) - height(i.saturating_sub(1), j);
                let dy = height(i, (j + 1).min(ny)) - height(i, j.saturating_sub(1));
                mesh.normals
                    .push(unit([-dx / (2.0 * step_x), dy / (2.0 * step_y), 1.0]));
            }
        }
        for j in 0..ny {
            for i in 0..nx {
                let a = (j * columns + i) as u32;
                let below = a + columns as u32;
                mesh.triangles.push([a, below, a + 1]);
                mesh.triangles.push([a + 1, below, below + 1]);
            }
        }
        mesh.surfaces = vec![0; mesh.triangles.len()];
        mesh.materials.push(Material {
            colour: [1.0; 4],
            texture: Some(Arc::new(texture)),
            cutoff: Some(0.5),
            baked: 0.6,
        });
        if !upright && topples(mesh.materials[0].texture.as_deref(), bottom) {
            mesh.lay();
        }
        Ok(mesh)
    }

    /// Lays a relief on its back, centred on its foot.
    fn lay(&mut self) {
        let (low, high) = self
            .positions
            .iter()
            .fold((f32::MAX, f32::MIN), |(low, high), p| {
                (low.min(p[1]), high.max(p[1]))
            });
        for [x, y, z] in &mut self.positions {
            // What is thin has some thickness all the same, or it would cast no shadow.
            [*x, *y, *z] = [*x, *z + 0.015, 0.5 * (low + high) - *y];
        }
        for [x, y, z] in &mut self.normals {
            [*x, *y, *z] = [*x, *z, -*y];
        }
        self.lies = true;
    }

    /// Whether it must face the camera: a relief that stands.
    pub fn faces(&self) -> bool {
        self.relief && !self.lies
    }

    fn empty(relief: bool) -> Self {
        Self {
            positions: Vec::new(),
            normals: Vec::new(),
            uvs: Vec::new(),
            triangles: Vec::new(),
            surfaces: Vec::new(),
            materials: Vec::new(),
            relief,
            lies: false,
            brightness: OnceLock::new(),
        }
    }

    /// The mean luminance of its materials, each by its number of triangles.
    pub fn brightness(&self) -> f32 {
        *self.brightness.get_or_init(|| {
            let means: Vec<f32> = self
                .materials
                .iter()
                .map(|m| {
                    let own = [m.colour[0], m.colour[1], m.colour[2]];
                    luminance(match &m.texture {
                        Some(texture) => times(own, texture.mean()),
                        None => own,
                    })
                })
                .collect();
            let sum: f32 = self.surfaces.iter().map(|&s| means[s as usize]).sum();
            sum / self.surfaces.len().max(1) as f32
        })
    }

    /// Half of its extent in x and in z around the foot, and its height.
    pub fn extent(&self) -> V3 {
        self.positions.iter().fold([0.0; 3], |e, p| {
            [e[0].max(p[0].abs()), e[1].max(p[1]), e[2].max(p[2].abs())]
        })
    }
}

/// Whether the middle of a picture's coverage is beside what its lowest twentieth, above row `bottom`, stands on.
fn topples(texture: Option<&Texture>, bottom: usize) -> bool {
    let Some(texture) = texture else {
        return false;
    };
    let (w, h) = texture.size();
    let covered = |x: usize, y: usize| texture.texel(x, y)[3] >= 128;
    let Some(top) = (0..h).find(|&y| (0..w).any(|x| covered(x, y))) else {
        return false;
    };
    let tall = bottom + 1 - top;
    let (mut sum, mut count) = (0, 0);
    let mut support = [usize::MAX, 0];
    for y in top..=bottom {
        for x in (0..w).filter(|&x| covered(x, y)) {
            // Twice the texel's middle.
            sum += 2 * x + 1;
            count += 1;
            if (bottom - y) * 20 < tall.max(20) {
                support = [support[0].min(x), support[1].max(x + 1)];
            }
        }
    }
    sum < 2 * support[0] * count || sum > 2 * support[1] * count
}
