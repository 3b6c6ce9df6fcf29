//! An object in the world: its triangles in a pose, at a place, with a finish.

use super::camera::Camera;
use super::mesh::{Material, Mesh};
use super::paint::Pattern;
use super::vector::{V3, add, luminance, mix, scale, turn};

/// How an object is turned.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pose {
    /// About the y axis, in radians.
    pub yaw: f32,
    /// Backwards, before that.
    pub lean: f32,
}

impl Pose {
    /// A vector of the mesh as the pose turns it.
    pub fn apply(self, [x, y, z]: V3) -> V3 {
        let (s, c) = self.lean.sin_cos();
        turn([x, y * c + z * s, z * c - y * s], self.yaw)
    }
}

/// What an object's surface is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Finish {
    /// Its own materials.
    #[default]
    Own,
    /// Its own materials in another colour (linear): light and dark parts stay light and dark.
    Colour(V3),
    /// Rough metal of this colour.
    Metal(V3),
    /// A pattern that runs through the whole object, such as wood or stone.
    Solid(Pattern),
}

impl Finish {
    /// Linear albedo at a point `at` of the mesh (before pose and size, times `size`), where the object's own albedo
    /// is `own` and the mean of it has luminance `mean`.
    pub fn albedo(&self, own: V3, mean: f32, at: V3) -> V3 {
        match self {
            Finish::Own => own,
            Finish::Colour(colour) => {
                let ratio = (luminance(own) / mean.max(0.02)).clamp(0.35, 1.9);
                // What was grey before (tyres, screws) takes less of the colour than what was coloured.
                mix(own, scale(*colour, ratio), 0.94).map(|c| c.min(1.0))
            }
            Finish::Metal(colour) => *colour,
            Finish::Solid(pattern) => pattern.solid(at),
        }
    }

    /// How much of the surroundings it mirrors, 0 to 1.
    pub fn mirror(&self) -> f32 {
        match self {
            Finish::Metal(_) => 0.75,
            _ => 0.0,
        }
    }
}

/// An object in the world.
pub struct Placed<'a> {
    /// Its triangles.
    pub mesh: &'a Mesh,
    /// Vertex positions in the world.
    pub positions: Vec<V3>,
    /// How it is turned.
    pub pose: Pose,
    /// The point of the ground it stands on.
    pub foot: V3,
    /// Factor on the mesh's size.
    pub size: f32,
    /// What it is made of.
    pub finish: Finish,
}

impl<'a> Placed<'a> {
    /// `mesh` in `pose`, `size` times as large, standing at `foot`.
    pub fn new(mesh: &'a Mesh, pose: Pose, size: f32, foot: V3) -> Self {
        let mut positions: Vec<V3> = mesh
            .positions
            .iter()
            .map(|&p| scale(pose.apply(p), size))
            .collect();
        // A lean lowers what sticks out in front: it must not sink into the ground.
        let lowest = positions.iter().map(|p| p[1]).fold(f32::MAX, f32::min);
        let lift = [foot[0], foot[1] - lowest.min(0.0), foot[2]];
        for p in &mut positions {
            *p = add(*p, lift);
        }
        Self {
            mesh,
            positions,
            pose,
            foot,
            size,
            finish: Finish::Own,
        }
    }

    /// The same object of another material.
    pub fn of(mut self, finish: Finish) -> Self {
        self.finish = finish;
        self
    }

    /// The radius of its footprint around `foot`.
    pub fn radius(&self) -> f32 {
        self.positions
            .iter()
            .map(|p| (p[0] - self.foot[0]).hypot(p[2] - self.foot[2]))
            .fold(0.0, f32::max)
    }

    /// Its height above its foot.
    pub fn height(&self) -> f32 {
        let top = self.positions.iter().map(|p| p[1]).fold(f32::MIN, f32::max);
        (top - self.foot[1]).max(0.0)
    }

    /// The rectangle (x0, y0, x1, y1) it takes in the frame, and the least depth of its vertices.
    pub fn bounds(&self, camera: &Camera) -> ([f32; 4], f32) {
        let mut bounds = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
        let mut near = f32::MAX;
        for &p in &self.positions {
            let [x, y, depth] = camera.project(p);
            near = near.min(depth);
            bounds = [
                bounds[0].min(x),
                bounds[1].min(y),
                bounds[2].max(x),
                bounds[3].max(y),
            ];
        }
        (bounds, near)
    }

    /// Whether a triangle has see-through parts.
    pub fn has_holes(&self, triangle: usize) -> bool {
        let material = &self.mesh.materials[self.mesh.surfaces[triangle] as usize];
        material.cutoff.is_some() || material.colour[3] < 0.98
    }

    /// Whether a triangle is glass: seen through, but no hole.
    pub fn is_glass(&self, triangle: usize) -> bool {
        self.mesh.materials[self.mesh.surfaces[triangle] as usize].is_glass()
    }

    /// Whether any of it is glass.
    pub fn has_glass(&self) -> bool {
        self.mesh.materials.iter().any(Material::is_glass)
    }

    /// Whether a triangle is solid at a barycentric position; glass is solid for as many of four `sample`s as its
    /// alpha says.
    pub fn solid(&self, triangle: usize, weights: [f32; 3], sample: usize) -> bool {
        let material = &self.mesh.materials[self.mesh.surfaces[triangle] as usize];
        let mut alpha = material.colour[3];
        if let Some(texture) = &material.texture {
            let [u, v] = self.uv(triangle, weights);
            alpha *= texture.sample(u, v, 0.0).1;
        }
        match material.cutoff {
            Some(cutoff) => alpha >= cutoff,
            None => alpha * 4.0 > sample as f32 + 0.25,
        }
    }

    /// Texture coordinates at a barycentric position.
    pub fn uv(&self, triangle: usize, w: [f32; 3]) -> [f32; 2] {
        let t = self.mesh.triangles[triangle].map(|i| self.mesh.uvs[i as usize]);
        std::array::from_fn(|c| w[0] * t[0][c] + w[1] * t[1][c] + w[2] * t[2][c])
    }
}
