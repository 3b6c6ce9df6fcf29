//! A pinhole camera.

use super::vector::{V3, add, cross, dot, scale, sub, turn, unit};

/// Where the camera is and how it looks; pixel coordinates have the origin at the top left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// Position.
    pub eye: V3,
    right: V3,
    up: V3,
    forward: V3,
    /// Focal length in pixels.
    pub focal: f32,
    /// Principal point in pixels.
    pub centre: [f32; 2],
    /// Direction it looks to, about the y axis, in radians; 0 looks along −z.
    pub yaw: f32,
}

impl Camera {
    /// A camera at `eye`, turned by `yaw` about the y axis and down by `pitch` radians, for a square frame of
    /// `size` pixels that spans `fov` radians.
    pub fn new(eye: V3, yaw: f32, pitch: f32, fov: f32, size: f32) -> Self {
        let forward = unit([
            -yaw.sin() * pitch.cos(),
            -pitch.sin(),
            -yaw.cos() * pitch.cos(),
        ]);
        let right = unit(cross(forward, [0.0, 1.0, 0.0]));
        Self {
            eye,
            right,
            up: cross(right, forward),
            forward,
            focal: size / 2.0 / (fov / 2.0).tan(),
            centre: [size / 2.0; 2],
            yaw,
        }
    }

    /// The same camera at `eye`, turned by `angle` radians about the y axis.
    pub fn moved(&self, eye: V3, angle: f32) -> Self {
        Self {
            eye,
            right: turn(self.right, angle),
            up: turn(self.up, angle),
            forward: turn(self.forward, angle),
            yaw: self.yaw + angle,
            ..*self
        }
    }

    /// Pixel column and row, and the distance along the view direction, which is ≤ 0 behind the camera.
    pub fn project(&self, p: V3) -> [f32; 3] {
        let d = sub(p, self.eye);
        let depth = dot(d, self.forward);
        let f = self.focal / depth.max(1e-6);
        [
            self.centre[0] + f * dot(d, self.right),
            self.centre[1] - f * dot(d, self.up),
            depth,
        ]
    }

    /// A point in coordinates of the view: what is at (x, y, z) there is seen at pixel (x / z, y / z), at depth z.
    pub fn view(&self, p: V3) -> V3 {
        let d = sub(p, self.eye);
        let depth = dot(d, self.forward);
        [
            self.centre[0] * depth + self.focal * dot(d, self.right),
            self.centre[1] * depth - self.focal * dot(d, self.up),
            depth,
        ]
    }

    /// The direction it looks to.
    pub fn forward(&self) -> V3 {
        self.forward
    }

    /// The direction (not of length 1) in which pixel position (x, y) looks.
    pub fn ray(&self, x: f32, y: f32) -> V3 {
        add(
            self.forward,
            add(
                scale(self.right, (x - self.centre[0]) / self.focal),
                scale(self.up, (self.centre[1] - y) / self.focal),
            ),
        )
    }

    /// The point of the ground y = 0 seen at a pixel position; `None` at and above the horizon.
    pub fn ground(&self, x: f32, y: f32) -> Option<V3> {
        let ray = self.ray(x, y);
        if ray[1] > -1e-3 {
            return None;
        }
        Some(add(self.eye, scale(ray, -self.eye[1] / ray[1])))
    }

    /// The same camera with its pixels `factor` times as many along each side.
    pub fn scaled(&self, factor: f32) -> Self {
        Self {
            focal: self.focal * factor,
            centre: self.centre.map(|c| c * factor),
            ..*self
        }
    }
}
