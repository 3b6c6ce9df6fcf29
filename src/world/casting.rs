//! Who and what is on a stage, by chance: objects of sizes that go together, on a backdrop that suits them.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::pack::{Object, ObjectKind, Pack, PackError};
use super::stage::{Backdrop, Part, Where, Wish};

/// The generator of decision `lane` of item `index` in the stream of `seed`.
pub fn generator(seed: u64, index: u64, lane: u64) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new();
    for part in [seed, index, lane] {
        hasher.update(&part.to_le_bytes());
    }
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}

/// The largest things, in metres, that rooms and halls have room for in panoramas.
const INDOORS: f32 = 1.5;

/// Chooses objects and backdrops from one pack.
pub struct Casting {
    /// Meshes that stand, by size.
    standing: Vec<usize>,
    cutouts: Vec<usize>,
    /// Meshes that stand in several poses.
    posed: Vec<usize>,
    /// Everything, standing or not.
    pub any: Vec<usize>,
    /// Panoramas with ground to stand on.
    floors: Vec<usize>,
    /// Those of them that are large enough for anything.
    outdoors: Vec<usize>,
    photos: Vec<usize>,
    groceries: Vec<usize>,
    tiles: usize,
}

impl Casting {
    /// A casting over `pack`.
    ///
    /// # Errors
    /// [`PackError::Missing`] if nothing in it can stand.
    pub fn new(pack: &Pack) -> Result<Self, PackError> {
        let objects = |keep: &dyn Fn(&Object) -> bool| -> Vec<usize> {
            let mut found: Vec<usize> = (0..pack.objects.len())
                .filter(|&i| keep(&pack.objects[i]))
                .collect();
            found.sort_by(|&a, &b| {
                let of = |i: usize| pack.objects[i].reach;
                of(a).total_cmp(&of(b)).then(a.cmp(&b))
            });
            found
        };
        let floors = |keep: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (0..pack.panoramas.len())
                .filter(|&i| pack.panoramas[i].flat_ground && keep(i))
                .collect()
        };
        let photos = |keep: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (0..pack.photos.len()).filter(|&i| keep(i)).collect()
        };
        let casting = Self {
            standing: objects(&|o| o.stands && o.kind == ObjectKind::Mesh),
            cutouts: objects(&|o| o.stands && o.kind == ObjectKind::Cutout),
            posed: objects(&|o| o.stands && o.kind == ObjectKind::Mesh && o.files.len() > 1),
            any: objects(&|_| true),
            floors: floors(&|_| true),
            outdoors: floors(&|i| !pack.panoramas[i].indoor),
            // Before the others things would hang in the air.
            photos: photos(&|i| !pack.photos[i].grocery && pack.photos[i].ground),
            groceries: photos(&|i| pack.photos[i].grocery),
            tiles: pack.tiles.len(),
        };
        if casting.standing.is_empty() && casting.cutouts.is_empty() {
            return Err(PackError::Missing("objects that can stand"));
        }
        Ok(casting)
    }

    /// An object that can stand.
    pub fn subject(&self, rng: &mut ChaCha8Rng) -> usize {
        if !self.posed.is_empty() && rng.random_bool(0.06) {
            return self.posed.choose(rng).copied().unwrap_or(0);
        }
        let (first, second) = if rng.random_bool(0.18) {
            (&self.cutouts, &self.standing)
        } else {
            (&self.standing, &self.cutouts)
        };
        let list = if first.is_empty() { second } else { first };
        list.choose(rng).copied().unwrap_or(0)
    }

    /// Another object, whose size goes with one of `reach` metres.
    pub fn companion(&self, pack: &Pack, reach: f32, rng: &mut ChaCha8Rng) -> Option<usize> {
        let list = if rng.random_bool(0.12) {
            &self.cutouts
        } else {
            &self.standing
        };
        let of = |&i: &usize| pack.objects[i].reach;
        let low = list.partition_point(|i| of(i) < 0.35 * reach);
        let high = list.partition_point(|i| of(i) <= 2.2 * reach);
        list.get(low..high)?.choose(rng).copied()
    }

    /// A backdrop for things of up to `reach` metres; `exact` asks for one whose depth is known everywhere.
    pub fn backdrop(&self, reach: f32, exact: bool, rng: &mut ChaCha8Rng) -> Backdrop {
        let choose = |list: &[usize], rng: &mut ChaCha8Rng| list.choose(rng).copied();
        // Six tiles tire the eye: most floors are made up.
        let tile = |rng: &mut ChaCha8Rng| {
            (self.tiles > 0 && rng.random_bool(0.45)).then(|| rng.random_range(0..self.tiles))
        };
        let pick = rng.random::<f32>();
        // Shares of: panorama, photograph, photograph of goods, table, shelf; what is left is a room.
        let shares = match reach {
            _ if exact && reach < 0.6 => [0.0, 0.0, 0.0, 0.45, 0.25],
            _ if exact => [0.0; 5],
            // So near to the ground a panorama or a photograph of a landscape has nothing to show.
            r if r < 0.12 => [0.0, 0.0, 0.16, 0.40, 0.20],
            r if r < 0.45 => [0.12, 0.06, 0.16, 0.30, 0.18],
            r if r < 0.8 => [0.40, 0.10, 0.06, 0.12, 0.04],
            r if r < 4.0 => [0.56, 0.12, 0.02, 0.0, 0.0],
            _ => [0.72, 0.14, 0.0, 0.0, 0.0],
        };
        let mut end = 0.0;
        let at = shares
            .iter()
            .position(|share| {
                end += share;
                pick < end
            })
            .unwrap_or(5);
        let found = match at {
            0 if reach > INDOORS => choose(&self.outdoors, rng).map(Backdrop::Panorama),
            0 => choose(&self.floors, rng).map(Backdrop::Panorama),
            1 => choose(&self.photos, rng).map(Backdrop::Photo),
            2 => choose(&self.groceries, rng).map(Backdrop::Photo),
            3 => Some(Backdrop::Table(tile(rng))),
            4 => Some(Backdrop::Shelf),
            _ => None,
        };
        found.unwrap_or_else(|| Backdrop::Floor(tile(rng)))
    }

    /// A stage with 1 to 4 objects.
    pub fn wish(&self, pack: &Pack, rng: &mut ChaCha8Rng) -> Wish {
        let subject = self.subject(rng);
        self.about(pack, subject, rng)
    }

    /// A stage whose subject has several poses; `None` if nothing in the pack has.
    pub fn posed_wish(&self, pack: &Pack, rng: &mut ChaCha8Rng) -> Option<Wish> {
        let subject = self.posed.choose(rng).copied()?;
        Some(self.about(pack, subject, rng))
    }

    /// A stage about an object, with up to 3 others.
    fn about(&self, pack: &Pack, subject: usize, rng: &mut ChaCha8Rng) -> Wish {
        let reach = pack.objects[subject].reach;
        let file = |object: usize, rng: &mut ChaCha8Rng| {
            rng.random_range(0..pack.objects[object].files.len())
        };
        let mut parts = vec![Part {
            object: subject,
            file: file(subject, rng),
            place: Where::Subject,
            facing: None,
        }];
        let count = *[0, 0, 1, 1, 1, 2, 2, 3].choose(rng).unwrap_or(&0);
        for _ in 0..count {
            if let Some(object) = self.companion(pack, reach, rng) {
                let place = match rng.random_range(0..10) {
                    0..5 => Where::Beside,
                    5..8 => Where::Behind,
                    _ => Where::Front,
                };
                parts.push(Part {
                    object,
                    file: file(object, rng),
                    place,
                    facing: None,
                });
            }
        }
        let largest = parts
            .iter()
            .map(|part| pack.objects[part.object].reach)
            .fold(0.0, f32::max);
        Wish {
            backdrop: self.backdrop(largest, false, rng),
            extent: rng.random_range(0.24..if parts.len() > 1 { 0.5 } else { 0.62f32 }),
            u: if parts.len() > 1 {
                rng.random_range(0.34..0.66)
            } else {
                rng.random_range(0.25..0.75)
            },
            parts,
        }
    }
}
