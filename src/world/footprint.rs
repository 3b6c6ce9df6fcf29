//! What an object takes of the ground.

use super::mesh::Mesh;
use super::stage::Actor;
use super::vector::{V3, scale};

/// A footprint: a rectangle about a foot, turned.
#[derive(Clone, Copy)]
pub struct Footprint {
    /// Its middle.
    pub foot: V3,
    /// Half of its extent in the object's own x and z.
    pub half: [f32; 2],
    yaw: f32,
}

impl Footprint {
    /// The footprint of an actor.
    pub fn of(mesh: &Mesh, actor: &Actor) -> Self {
        let extent = scale(mesh.extent(), actor.size);
        Self {
            foot: actor.foot,
            half: [extent[0], extent[2]],
            yaw: actor.yaw,
        }
    }

    fn axes(&self) -> [[f32; 2]; 2] {
        let (s, c) = self.yaw.sin_cos();
        [[c, -s], [s, c]]
    }

    /// Its corners (x, z).
    pub fn corners(&self) -> [[f32; 2]; 4] {
        let [a, b] = self.axes();
        let [h, k] = self.half;
        [(1.0, 1.0), (1.0, -1.0), (-1.0, -1.0), (-1.0, 1.0)].map(|(i, j)| {
            [
                self.foot[0] + i * h * a[0] + j * k * b[0],
                self.foot[2] + i * h * a[1] + j * k * b[1],
            ]
        })
    }

    /// Whether two footprints are apart by a share `gap` of their sizes (separating axes).
    pub fn apart(&self, other: &Self, gap: f32) -> bool {
        let room = gap * (self.half[0] + self.half[1]).min(other.half[0] + other.half[1]);
        self.axes().into_iter().chain(other.axes()).any(|axis| {
            let span = |corners: [[f32; 2]; 4]| {
                corners.iter().fold([f32::MAX, f32::MIN], |s, p| {
                    let d = p[0] * axis[0] + p[1] * axis[1];
                    [s[0].min(d), s[1].max(d)]
                })
            };
            let (a, b) = (span(self.corners()), span(other.corners()));
            a[1] + room < b[0] || b[1] + room < a[0]
        })
    }
}
