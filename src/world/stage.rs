//! A stage: what stands still, the light, the camera, and objects of near their real sizes that stand without
//! touching each other.

use std::sync::Arc;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::camera::Camera;
use super::colour::tone;
use super::footprint::Footprint;
use super::lamp::Lamp;
use super::mesh::Mesh;
use super::pack::Pack;
use super::placed::{Finish, Placed, Pose};
use super::set::Set;
use super::site::Site;
use super::vector::{V3, add, length, luminance, scale, sub, unit};

/// What stands behind and below the objects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Backdrop {
    /// Panorama by position in the pack; the floor is its lower half.
    Panorama(usize),
    /// Photograph by position in the pack.
    Photo(usize),
    /// Floor of a tile by position in the pack, or of a made-up pattern, before a wall.
    Floor(Option<usize>),
    /// A table, its top of a tile or a pattern.
    Table(Option<usize>),
    /// A shelf.
    Shelf,
}

/// The part of the ground that feet may be on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bounds {
    /// x0, z0, x1, z1.
    Rectangle([f32; 4]),
    /// Around a point.
    Disc {
        /// Its middle: x, z.
        centre: [f32; 2],
        /// In metres.
        radius: f32,
    },
}

impl Bounds {
    /// Whether a point (x, z) of the ground is inside.
    pub fn hold(self, [x, z]: [f32; 2]) -> bool {
        match self {
            Bounds::Rectangle([x0, z0, x1, z1]) => x >= x0 && x <= x1 && z >= z0 && z <= z1,
            Bounds::Disc { centre, radius } => (x - centre[0]).hypot(z - centre[1]) <= radius,
        }
    }
}

/// Where an object stands relative to the subject, as the camera sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// It is the subject.
    Subject,
    /// To the left or right of it.
    Beside,
    /// Farther away, partly hidden.
    Behind,
    /// Nearer, hiding a part of it.
    Front,
}

/// An object that is wanted on the stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// Position in [`Pack::objects`].
    pub object: usize,
    /// Which of its files.
    pub file: usize,
    /// Where.
    pub place: Where,
    /// Its turn relative to facing the camera; `None` leaves it to chance.
    pub facing: Option<f32>,
}

/// What a stage is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// What is around the objects.
    pub backdrop: Backdrop,
    /// The objects; the first is the subject.
    pub parts: Vec<Part>,
    /// Where the subject is, 0..1 from left to right.
    pub u: f32,
    /// The larger of its width and height, as a share of the frame's side.
    pub extent: f32,
}

/// An object in one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Actor {
    /// Position in [`Pack::objects`].
    pub object: usize,
    /// Which of its files.
    pub file: usize,
    /// Its turn about the y axis, in the world.
    pub yaw: f32,
    /// Factor on the mesh's size.
    pub size: f32,
    /// Where it stands.
    pub foot: V3,
    /// What it is made of.
    pub finish: Finish,
    /// It is there.
    pub present: bool,
}

/// One moment of a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Shot {
    /// The objects, in the order of the wish.
    pub actors: Vec<Actor>,
    /// The camera.
    pub camera: Camera,
    /// How far the light is turned, in radians.
    pub light: f32,
}

/// A stage ready to be filmed.
pub struct Stage<'a> {
    /// Where the assets come from.
    pub pack: &'a Pack,
    /// Pixels along each side.
    pub size: usize,
    /// What is around.
    pub backdrop: Backdrop,
    /// What stands still, lit by the light of the first moment.
    pub set: Set,
    /// Where the light comes from.
    pub lamp: Lamp,
    /// The first moment.
    pub first: Shot,
    /// Downward pitch of the camera.
    pub pitch: f32,
    /// Where feet may be, if not everywhere.
    pub bounds: Option<Bounds>,
    /// Factor on display colours that clamps the median luminance.
    pub exposure: f32,
    /// Noise of the film, in levels.
    pub grain: Vec<i8>,
}

/// Medians of luminance (linear) that pictures are brought between.
const MEDIAN: [f32; 2] = [0.07, 0.50];
/// Where (linear display colour) exposure brings a white object at most; what is above 0.6 is rolled off.
const WHITE: f32 = 1.0;

impl<'a> Stage<'a> {
    /// A stage as wished, `size` pixels on each side; `None` if files are not usable or the subject does not fit.
    /// Other objects that find no place are left out.
    pub fn new(pack: &'a Pack, wish: &Wish, size: usize, rng: &mut ChaCha8Rng) -> Option<Self> {
        let part = wish.parts.first()?;
        let mesh = pack.mesh(part.object, part.file)?;
        let frame = size as f32;
        let fov = rng.random_range(0.5..0.95f32);
        let made = !matches!(wish.backdrop, Backdrop::Panorama(_) | Backdrop::Photo(_));
        let yaw = match wish.backdrop {
            Backdrop::Shelf => rng.random_range(-0.3..0.3),
            _ if made => rng.random_range(-0.6..0.6),
            _ => rng.random_range(0.0..std::f32::consts::TAU),
        };
        let subject = Actor {
            object: part.object,
            file: part.file,
            yaw: yaw + part.facing.unwrap_or_else(|| facing(&mesh, rng)),
            size: pack.objects[part.object].scale * rng.random_range(0.92..1.08),
            foot: [0.0; 3],
            finish: Finish::Own,
            present: true,
        };
        let tall = mesh.extent()[1] * subject.size;
        let wide = mesh.extent()[0].hypot(mesh.extent()[2]) * subject.size;
        let mut pitch = pitch(wish.backdrop, pack, tall, wide, wish.extent, fov, rng);
        if mesh.lies {
            // From the side nothing would be seen of it, and a shelf is looked into from there.
            if wish.backdrop == Backdrop::Shelf {
                return None;
            }
            pitch = pitch.max(rng.random_range(0.4..0.8));
        }
        let v = match wish.backdrop {
            Backdrop::Photo(_) => rng.random_range(0.56..0.74),
            Backdrop::Shelf => rng.random_range(0.5..0.64),
            _ => rng.random_range(0.46..0.66f32),
        };
        let look = Look { yaw, pitch, fov };
        let camera = aim(&mesh, &subject, look, [wish.u, v], wish.extent, frame)?;
        let mut actors = vec![subject];
        let mut taken = vec![Footprint::of(&mesh, &actors[0])];
        for part in &wish.parts[1..] {
            let Some(mesh) = pack.mesh(part.object, part.file) else {
                continue;
            };
            let place = match (wish.backdrop, part.place) {
                (Backdrop::Shelf, _) | (_, Where::Subject) => Where::Beside,
                (_, place) => place,
            };
            for _ in 0..8 {
                let Some((actor, footprint)) =
                    beside(pack, part, &mesh, place, &camera, &taken, rng)
                else {
                    continue;
                };
                actors.push(actor);
                taken.push(footprint);
                break;
            }
        }
        let group = taken.iter().flat_map(Footprint::corners).fold(
            [f32::MAX, f32::MAX, f32::MIN, f32::MIN],
            |b, p| {
                [
                    b[0].min(p[0]),
                    b[1].min(p[1]),
                    b[2].max(p[0]),
                    b[3].max(p[1]),
                ]
            },
        );
        let tallest = actors
            .iter()
            .filter_map(|a| Some(pack.mesh(a.object, a.file)?.extent()[1] * a.size))
            .fold(0.0, f32::max);
        let site = Site {
            group,
            tallest,
            camera: &camera,
            // The subject stands at the origin.
            distance: length(camera.eye).max(0.05),
        };
        let (set, lamp, bounds) = site.build(pack, wish.backdrop, rng)?;
        let light = lamp.light(0.0, &camera);
        let set = Set::new(set.0, set.1, &light);
        let strength = rng.random::<f32>().powi(2) * 2.5;
        let grain = (0..size * size)
            .map(|_| {
                let bell: f32 =
                    rng.random::<f32>() + rng.random::<f32>() + rng.random::<f32>() - 1.5;
                (bell * 2.0 * strength).round() as i8
            })
            .collect();
        let mut stage = Self {
            pack,
            size,
            backdrop: wish.backdrop,
            set,
            lamp,
            first: Shot {
                actors,
                camera,
                light: 0.0,
            },
            pitch,
            bounds,
            exposure: 1.0,
            grain,
        };
        // A quarter of the pixels tells the median.
        let small = stage.set.view(&camera.scaled(0.25), size / 4, &light);
        let mut levels: Vec<f32> = small.colours.iter().map(|&c| luminance(c)).collect();
        levels.sort_by(f32::total_cmp);
        let median = levels.get(levels.len() / 2).copied()?.max(1e-3);
        // A white object must not burn out in a dark place.
        let middle = [0.0, 0.3 * tallest, 0.0];
        let forward = stage.first.camera.forward();
        let level = light.level(unit([-forward[0], 0.0, -forward[2]]))
            * luminance(stage.set.surround(middle, &light));
        let white = luminance(tone([0.9 * level; 3])).max(1e-3);
        let most = (WHITE / white).clamp(1.0, 4.0);
        stage.exposure = (median.clamp(MEDIAN[0], MEDIAN[1]) / median).clamp(0.5, most);
        Some(stage)
    }

    /// The triangles of an actor.
    pub fn mesh(&self, actor: &Actor) -> Option<Arc<Mesh>> {
        self.pack.mesh(actor.object, actor.file)
    }

    /// An actor's mesh put into the world.
    pub fn put<'m>(&self, mesh: &'m Mesh, actor: &Actor) -> Placed<'m> {
        let pose = Pose {
            yaw: actor.yaw,
            lean: if mesh.faces() { self.pitch * 0.6 } else { 0.0 },
        };
        Placed::new(mesh, pose, actor.size, actor.foot).of(actor.finish.clone())
    }

    /// Whether actor `at` of `shot` stands where it may: on the support, apart from the others, inside the frame
    /// but for a share `over` of it.
    pub fn fits(&self, shot: &Shot, at: usize, over: f32) -> bool {
        let Some(mesh) = self.mesh(&shot.actors[at]) else {
            return false;
        };
        let own = Footprint::of(&mesh, &shot.actors[at]);
        if let Some(bounds) = self.bounds
            && !own.corners().into_iter().all(|p| bounds.hold(p))
        {
            return false;
        }
        let clear = shot.actors.iter().enumerate().all(|(i, other)| {
            i == at
                || !other.present
                || self
                    .mesh(other)
                    .is_none_or(|m| own.apart(&Footprint::of(&m, other), 0.02))
        });
        let (b, near) = self.put(&mesh, &shot.actors[at]).bounds(&shot.camera);
        let frame = self.size as f32;
        let spare = over * (b[2] - b[0]).max(b[3] - b[1]);
        clear
            && near > 0.05
            && b[0] > -spare
            && b[1] > -spare
            && b[2] < frame + spare
            && b[3] < frame + spare
    }

    /// The point of the ground seen at (u, v) of the frame, inside the bounds.
    pub fn ground(&self, camera: &Camera, u: f32, v: f32) -> Option<V3> {
        let frame = self.size as f32;
        camera.ground(u * frame, v * frame)
    }
}

/// A turn relative to facing the camera.
pub fn facing(mesh: &Mesh, rng: &mut ChaCha8Rng) -> f32 {
    if mesh.faces() {
        rng.random_range(-0.45..0.45)
    } else {
        rng.random_range(0.0..std::f32::consts::TAU)
    }
}

fn pitch(
    backdrop: Backdrop,
    pack: &Pack,
    tall: f32,
    wide: f32,
    extent: f32,
    fov: f32,
    rng: &mut ChaCha8Rng,
) -> f32 {
    let distance = tall.max(wide) * 0.5 / (fov / 2.0).tan() / extent;
    match backdrop {
        Backdrop::Photo(at) if pack.photos[at].grocery => rng.random_range(0.2..0.6),
        Backdrop::Photo(_) => rng.random_range(0.08..0.3),
        Backdrop::Shelf => rng.random_range(0.0..0.22),
        Backdrop::Table(_) => rng.random_range(0.2..0.75),
        // Somebody who stands, sits or kneels takes the picture.
        _ if distance > 1.6 => {
            let eye = rng.random_range(0.9..1.9f32).max(0.35 * tall);
            ((eye - 0.5 * tall) / distance).clamp(0.04, 0.8).atan()
        }
        _ => rng.random_range(0.2..0.7),
    }
}

/// How a camera is held, in radians.
#[derive(Clone, Copy)]
struct Look {
    yaw: f32,
    pitch: f32,
    fov: f32,
}

/// The camera that sees the subject at (u, v) and as large as wished.
fn aim(
    mesh: &Mesh,
    subject: &Actor,
    Look { yaw, pitch, fov }: Look,
    [u, v]: [f32; 2],
    extent: f32,
    frame: f32,
) -> Option<Camera> {
    let focal = frame / 2.0 / (fov / 2.0).tan();
    let placed = Placed::new(
        mesh,
        Pose {
            yaw: subject.yaw,
            lean: if mesh.faces() { pitch * 0.6 } else { 0.0 },
        },
        subject.size,
        subject.foot,
    );
    let target = [0.0, 0.5 * placed.height(), 0.0];
    let mut distance = placed.radius().max(placed.height()) * focal / (frame * extent);
    let turn = yaw + ((u - 0.5) * frame / focal).atan();
    let nod = pitch - ((v - 0.5) * frame / focal).atan();
    let mut camera = None;
    for _ in 0..4 {
        let level = distance * pitch.cos();
        let eye = add(
            target,
            [level * yaw.sin(), distance * pitch.sin(), level * yaw.cos()],
        );
        let aimed = Camera::new(eye, turn, nod, fov, frame);
        let (b, near) = placed.bounds(&aimed);
        if near < 0.04 {
            distance *= 1.5;
            continue;
        }
        camera = Some((aimed, b));
        let seen = (b[2] - b[0]).max(b[3] - b[1]) / frame;
        distance *= (seen / extent).clamp(0.5, 2.0);
    }
    let (camera, b) = camera?;
    let margin = -0.01 * frame;
    (camera.eye[1] > 0.02
        && b[0] > margin
        && b[1] > margin
        && b[2] < frame - margin
        && b[3] < frame - margin)
        .then_some(camera)
}

/// A companion about the subject, if it finds room this time.
fn beside(
    pack: &Pack,
    part: &Part,
    mesh: &Mesh,
    place: Where,
    camera: &Camera,
    taken: &[Footprint],
    rng: &mut ChaCha8Rng,
) -> Option<(Actor, Footprint)> {
    let frame = 2.0 * camera.centre[0];
    let size = pack.objects[part.object].scale * rng.random_range(0.92..1.08);
    let extent = scale(mesh.extent(), size);
    let reach = |half: [f32; 2]| 0.5 * (half[0] + half[1]);
    let (own, other) = (reach([extent[0], extent[2]]), reach(taken[0].half));
    let forward = {
        let f = sub(taken[0].foot, camera.eye);
        let l = f[0].hypot(f[2]).max(1e-4);
        [f[0] / l, f[2] / l]
    };
    let right = [-forward[1], forward[0]];
    let side = if rng.random() { 1.0 } else { -1.0 };
    let gap = (own + other) * rng.random_range(1.05..1.9f32);
    let (across, along) = match place {
        Where::Behind => (
            side * other * rng.random_range(0.3..1.1),
            gap * rng.random_range(1.0..1.4),
        ),
        Where::Front => (
            side * (own + 0.6 * other) * rng.random_range(0.7..1.2),
            -gap,
        ),
        _ => (
            side * gap * rng.random_range(1.0..1.35),
            (own + other) * rng.random_range(-0.6..0.9),
        ),
    };
    let foot = [
        taken[0].foot[0] + across * right[0] + along * forward[0],
        0.0,
        taken[0].foot[2] + across * right[1] + along * forward[1],
    ];
    // It faces the camera from where it stands.
    let look = (camera.eye[0] - foot[0]).atan2(camera.eye[2] - foot[2]);
    let actor = Actor {
        object: part.object,
        file: part.file,
        yaw: look + part.facing.unwrap_or_else(|| facing(mesh, rng)),
        size,
        foot,
        finish: Finish::Own,
        present: true,
    };
    let footprint = Footprint::of(mesh, &actor);
    if !taken.iter().all(|t| t.apart(&footprint, 0.06)) {
        return None;
    }
    let placed = Placed::new(
        mesh,
        Pose {
            yaw: actor.yaw,
            lean: 0.0,
        },
        size,
        foot,
    );
    let (b, near) = placed.bounds(camera);
    let (cx, cy) = (0.5 * (b[0] + b[2]) / frame, 0.5 * (b[1] + b[3]) / frame);
    let share = (b[2] - b[0]).max(b[3] - b[1]) / frame;
    let seen = near > 0.05
        && (0.04..0.96).contains(&cx)
        && (0.02..0.94).contains(&cy)
        && (0.07..0.75).contains(&share);
    seen.then_some((actor, footprint))
}
