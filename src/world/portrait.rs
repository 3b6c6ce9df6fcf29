//! Pictures of an object alone.

use super::camera::Camera;
use super::colour::encode;
use super::light::Light;
use super::mesh::Mesh;
use super::occlusion::Shadows;
use super::placed::{Finish, Placed, Pose};
use super::raster::{Layer, Lighting, SAMPLES};
use super::vector::add;

/// The camera of portraits, as lamps need it: it looks along −z from z > 0.
pub fn camera() -> Camera {
    Camera::new([0.0, 1.6, 4.0], 0.0, 0.2, 0.6, 2.0)
}

/// A picture of an object alone, filling the frame but for a margin: straight-alpha RGBA. What lies is seen from
/// farther above than `pitch`.
pub fn portrait(
    mesh: &Mesh,
    finish: &Finish,
    [facing, pitch]: [f32; 2],
    light: &Light,
    size: usize,
    margin: f32,
) -> Option<Vec<[u8; 4]>> {
    let probe = Placed::new(mesh, Pose::default(), 1.0, [0.0; 3]);
    let pitch = if mesh.lies {
        (pitch + 0.7).clamp(0.8, 1.35)
    } else {
        pitch
    };
    let scaled = 1.0 / probe.radius().max(probe.height()).max(1e-6);
    let pose = Pose {
        yaw: facing,
        lean: if mesh.faces() { pitch * 0.75 } else { 0.0 },
    };
    let object = Placed::new(mesh, pose, scaled, [0.0; 3]).of(finish.clone());
    let middle = 0.5 * object.height();
    let distance = 4.5;
    let eye = [0.0, middle + distance * pitch.sin(), distance * pitch.cos()];
    let mut camera = Camera::new(eye, 0.0, pitch, 0.6, size as f32);
    let (b, near) = object.bounds(&camera);
    if near <= 0.1 {
        return None;
    }
    let frame = size as f32;
    let zoom = frame * (1.0 - 2.0 * margin) / (b[2] - b[0]).max(b[3] - b[1]).max(1e-3);
    camera.focal *= zoom;
    let centre = camera.centre;
    camera.centre = [
        frame / 2.0 - zoom * ((b[0] + b[2]) / 2.0 - centre[0]),
        frame / 2.0 - zoom * ((b[1] + b[3]) / 2.0 - centre[1]),
    ];
    let shadows = Shadows::new(&object, light);
    let lighting = Lighting {
        light,
        own: &shadows,
        others: &[],
        surround: [1.0; 3],
        sunlit: &|_| true,
    };
    let layer = Layer::draw(&object, &camera, size, &lighting, false);
    Some(cut_out(&layer, size))
}

/// A drawn object alone: straight-alpha RGBA.
fn cut_out(layer: &Layer, size: usize) -> Vec<[u8; 4]> {
    let mut picture = vec![[0; 4]; size * size];
    for y in 0..size {
        for x in 0..size {
            let mut sum = [0.0; 3];
            let mut count = 0;
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                if let Some((_, colour)) = layer.sample(x * SAMPLES + dx, y * SAMPLES + dy) {
                    sum = add(sum, colour);
                    count += 1;
                }
            }
            if count > 0 {
                let c = sum.map(|s| encode(s / count as f32));
                picture[y * size + x] = [c[0], c[1], c[2], (count * 64).min(255) as u8];
            }
        }
    }
    picture
}

/// An object where it stands before `camera`, alone and in another light: straight-alpha RGBA.
pub fn relit(object: &Placed<'_>, camera: &Camera, light: &Light, size: usize) -> Vec<[u8; 4]> {
    let shadows = Shadows::new(object, light);
    let lighting = Lighting {
        light,
        own: &shadows,
        others: &[],
        surround: [1.0; 3],
        sunlit: &|_| true,
    };
    cut_out(&Layer::draw(object, camera, size, &lighting, false), size)
}
