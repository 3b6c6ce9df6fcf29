//! Over a tiny pack made on the spot.

use super::camera::Camera;
use super::casting::{Casting, generator};
use super::clip::{ChangeKind, changed, clip};
use super::command::video;
use super::footprint::Footprint;
use super::frame::Renderer;
use super::lamp::Lamp;
use super::mesh::Mesh;
use super::occlusion::{Shadows, left};
use super::pack::{Pack, Split};
use super::placed::{Finish, Placed, Pose};
use super::raster::{Layer, Lighting};
use super::set::Around;
use super::sizes::guessed_height;
use super::stage::{Backdrop, Part, Shot, Stage, Where, Wish};

use self::pack::{cube, pack};

pub mod pack;

const SIZE: usize = 64;

fn wish(backdrop: Backdrop, objects: &[usize]) -> Wish {
    Wish {
        backdrop,
        parts: objects
            .iter()
            .enumerate()
            .map(|(i, &object)| Part {
                object,
                file: 0,
                place: if i == 0 {
                    Where::Subject
                } else {
                    Where::Beside
                },
                facing: None,
            })
            .collect(),
        u: 0.5,
        extent: 0.4,
    }
}

/// A stage of the pack; another seed where one does not work out.
fn stage<'a>(pack: &'a Pack, wish: &Wish, actors: usize) -> Stage<'a> {
    (0..200)
        .filter_map(|seed| Stage::new(pack, wish, SIZE, &mut generator(seed, 0, 0)))
        .find(|stage| stage.first.actors.len() == actors)
        .unwrap()
}

const BACKDROPS: [Backdrop; 5] = [
    Backdrop::Panorama(0),
    Backdrop::Photo(0),
    Backdrop::Floor(Some(0)),
    Backdrop::Table(None),
    Backdrop::Shelf,
];

#[test]
fn the_same_seed_gives_the_same_video() {
    let (_dir, pack) = pack(Split::Train);
    let casting = Casting::new(&pack).unwrap();
    let film = |index| video(&pack, &casting, 3, index, SIZE).unwrap();
    for index in 0..4 {
        let (a, b) = (film(index), film(index));
        assert!((4..=6).contains(&a.frames.len()));
        assert_eq!(a.changes, b.changes);
        for (x, y) in a.frames.iter().zip(&b.frames) {
            assert!(x.rgb == y.rgb && x.depth == y.depth && x.amodal == y.amodal);
        }
    }
    assert!(film(0).frames[0].rgb != film(1).frames[0].rgb);
}

#[test]
fn a_renderer_that_remembers_films_what_a_new_one_films() {
    let (_dir, pack) = pack(Split::Train);
    for backdrop in BACKDROPS {
        let stage = stage(&pack, &wish(backdrop, &[0, 1]), 2);
        let shots = clip(&stage, 6, &mut generator(9, 0, 0));
        let mut renderer = Renderer::new(&stage);
        for (shot, change) in &shots {
            let one = renderer.frame(shot).unwrap();
            let other = Renderer::new(&stage).frame(shot).unwrap();
            assert!(one.rgb == other.rgb, "{backdrop:?} {change:?}");
        }
    }
}

#[test]
fn what_no_object_touches_is_the_empty_set_to_the_bit() {
    let (_dir, pack) = pack(Split::Train);
    for backdrop in BACKDROPS {
        let stage = stage(&pack, &wish(backdrop, &[0, 1]), 2);
        let mut empty = stage.first.clone();
        empty.actors.iter_mut().for_each(|a| a.present = false);
        let mut renderer = Renderer::new(&stage);
        let empty = renderer.frame(&empty).unwrap();
        assert!(empty.effect.iter().all(|e| *e == [0; 3]));
        let mut same = 0;
        for kind in [ChangeKind::Absent, ChangeKind::Recoloured] {
            let rng = &mut generator(4, 0, 0);
            let (shot, _) = changed(&stage, &stage.first, kind, 1, rng).unwrap();
            let (a, b) = (
                renderer.frame(&stage.first).unwrap(),
                renderer.frame(&shot).unwrap(),
            );
            for i in 0..SIZE * SIZE {
                let covered = |f: &super::frame::Frame| f.visible.iter().any(|v| v[i] > 0);
                for frame in [&a, &b] {
                    if !covered(frame) {
                        let sum = std::array::from_fn(|c| {
                            (i16::from(empty.rgb[i][c]) + frame.effect[i][c]) as u8
                        });
                        assert_eq!(frame.rgb[i], sum);
                    }
                }
                same += usize::from(a.rgb[i] == b.rgb[i]);
            }
        }
        // Most of the picture is beyond the reach of one small object.
        assert!(same > SIZE * SIZE, "{backdrop:?}: {same}");
    }
}

#[test]
fn amodal_masks_hold_what_others_hide() {
    let (_dir, pack) = pack(Split::Train);
    let mut hidden = 0;
    for seed in 0..60 {
        let mut wanted = wish(Backdrop::Floor(None), &[0, 1]);
        wanted.parts[1].place = Where::Front;
        let Some(stage) = Stage::new(&pack, &wanted, SIZE, &mut generator(seed, 1, 0)) else {
            continue;
        };
        if stage.first.actors.len() < 2 {
            continue;
        }
        let mut renderer = Renderer::new(&stage);
        let both = renderer.frame(&stage.first).unwrap();
        let alone = |at: usize| {
            let mut shot = stage.first.clone();
            shot.actors[1 - at].present = false;
            Renderer::new(&stage).frame(&shot).unwrap()
        };
        for at in 0..2 {
            let alone = alone(at);
            assert_eq!(both.amodal[at], alone.amodal[at]);
            assert_eq!(alone.amodal[at], alone.visible[at]);
            for i in 0..SIZE * SIZE {
                assert!(both.visible[at][i] <= both.amodal[at][i]);
                hidden += usize::from(both.visible[at][i] < both.amodal[at][i]);
            }
        }
        for i in 0..SIZE * SIZE {
            let sum: u16 = both.visible.iter().map(|v| u16::from(v[i])).sum();
            assert!(sum <= 256);
        }
    }
    assert!(hidden > 50, "{hidden}");
}

#[test]
fn objects_stand_and_do_not_touch() {
    let (_dir, pack) = pack(Split::Train);
    let casting = Casting::new(&pack).unwrap();
    let mut several = 0;
    for index in 0..60 {
        let rng = &mut generator(8, index, 0);
        let wish = casting.wish(&pack, rng);
        assert!((1..=4).contains(&wish.parts.len()));
        let Some(stage) = Stage::new(&pack, &wish, SIZE, rng) else {
            continue;
        };
        several += usize::from(stage.first.actors.len() > 1);
        for (at, actor) in stage.first.actors.iter().enumerate() {
            let mesh = stage.mesh(actor).unwrap();
            let placed = stage.put(&mesh, actor);
            let lowest = placed
                .positions
                .iter()
                .map(|p| p[1])
                .fold(f32::MAX, f32::min);
            assert!(lowest.abs() < 1e-4, "it stands {lowest} m above the ground");
            // A cube of 1 m is a cube of about 1 m.
            let tall = placed.height() / pack.objects[actor.object].reach;
            assert!((0.8..1.2).contains(&tall) || mesh.relief, "{tall}");
            assert!(stage.fits(&stage.first, at, 1.0), "{index} {at}");
        }
        let brightness = stage.exposure;
        assert!((0.5..=4.0).contains(&brightness));
    }
    assert!(several > 10, "{several}");
}

#[test]
fn rooms_hold_what_stands_in_them() {
    let (_dir, mut pack) = pack(Split::Train);
    pack.panoramas[0].indoor = true;
    let mut seen = 0;
    for seed in 0..80 {
        let rng = &mut generator(seed, 5, 0);
        let Some(stage) = Stage::new(&pack, &wish(Backdrop::Panorama(0), &[0, 1]), SIZE, rng)
        else {
            continue;
        };
        let Around::Dome { centre, radius, .. } = &stage.set.around else {
            unreachable!("a panorama is a dome")
        };
        assert_eq!(*radius, 2.5 * centre[1]);
        let corner = |p: [f32; 2]| (p[0] - centre[0]).hypot(p[1] - centre[2]);
        for at in 0..stage.first.actors.len() {
            let actor = &stage.first.actors[at];
            let mesh = stage.mesh(actor).unwrap();
            let corners = Footprint::of(&mesh, actor).corners();
            assert!(corners.into_iter().all(|p| corner(p) <= *radius));
            assert!(stage.fits(&stage.first, at, 1.0), "{seed} {at}");
        }
        let mut shot = stage.first.clone();
        shot.actors[0].foot = [centre[0] + radius, 0.0, centre[2]];
        assert!(!stage.fits(&shot, 0, 100.0));
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
    // Too large for a room, and nothing stands before a photograph without ground.
    pack.photos[0].ground = false;
    let casting = Casting::new(&pack).unwrap();
    let backdrops = |reach: f32| -> Vec<Backdrop> {
        (0..200)
            .map(|seed| casting.backdrop(reach, false, &mut generator(seed, 6, 0)))
            .collect()
    };
    let panorama = |b: &Backdrop| matches!(b, Backdrop::Panorama(_));
    assert!(!backdrops(1.6).iter().any(panorama));
    assert!(backdrops(1.4).iter().any(panorama));
    let photo = |b: &Backdrop| matches!(b, Backdrop::Photo(_));
    assert!(!backdrops(1.4).iter().any(photo));
}

#[test]
fn all_about_a_shelf_has_a_depth_and_light() {
    let (_dir, pack) = pack(Split::Train);
    let mut seen = 0;
    for seed in 0..30 {
        let rng = &mut generator(seed, 7, 0);
        let Some(stage) = Stage::new(&pack, &wish(Backdrop::Shelf, &[0]), SIZE, rng) else {
            continue;
        };
        let light = stage.lamp.light(0.0, &stage.first.camera);
        let view = stage.set.view(&stage.first.camera, SIZE, &light);
        for (surface, colour) in view.surfaces.iter().zip(&view.colours) {
            assert!(surface.depth.is_finite() && surface.panel != 255, "{seed}");
            assert!(colour.iter().all(|c| *c > 0.0));
        }
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn what_would_topple_lies() {
    let cut = |inside: &dyn Fn(f32, f32) -> bool| {
        let picture = image::RgbaImage::from_fn(64, 64, |x, y| {
            let alpha = if inside(x as f32, y as f32) { 255 } else { 0 };
            image::Rgba([200, 120, 60, alpha])
        });
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture
            .write_to(&mut bytes, image::ImageFormat::Png)
            .unwrap();
        bytes.into_inner()
    };
    // A bar from the lower left to the upper right, and a disc.
    let bar = cut(&|x, y| (x + y - 63.0).abs() < 8.0 && (8.0..56.0).contains(&x));
    let disc = cut(&|x, y| (x - 31.5).hypot(y - 31.5) < 24.0);
    let lying = Mesh::from_cutout(&bar, false).unwrap();
    assert!(lying.lies && lying.relief && !lying.faces());
    let [x, y, z] = lying.extent();
    assert!(y < 0.25 && (0.4..0.6).contains(&x) && (0.4..0.6).contains(&z));
    // Its front faces up, and it is centred on its foot.
    assert!(lying.normals.iter().all(|n| n[1] > 0.0));
    let sum: f32 = lying.positions.iter().map(|p| p[2]).sum();
    assert!((sum / lying.positions.len() as f32).abs() < 0.01);
    for mesh in [
        Mesh::from_cutout(&bar, true).unwrap(),
        Mesh::from_cutout(&disc, false).unwrap(),
    ] {
        assert!(!mesh.lies && mesh.faces());
        assert!(mesh.extent()[1] > 0.8);
    }
}

#[test]
fn names_tell_heights() {
    for (name, category, height) in [
        ("horse head", "animal", 0.6),
        ("horse", "animal", 1.8),
        ("carousel horse", "object", 1.4),
        ("tokyo tower", "object", 18.0),
        ("table tennis paddle and ball", "object", 0.25),
        ("bathtub", "object", 1.0),
        ("coin", "object", 0.035),
        ("ant", "animal", 0.03),
        ("whale", "animal", 4.0),
        // Whole words alone: no ant is in a plant.
        ("plant", "object", 0.2),
        ("unheard of", "food", 0.1),
    ] {
        assert_eq!(guessed_height(name, category), height, "{name}");
    }
}

#[test]
fn odd_meshes_are_refused_and_never_panic() {
    // Each is as long as what it takes the place of.
    for (what, odd) in [
        ("\"componentType\":5123", "\"componentType\":5122"),
        ("\"componentType\":5123", "\"componentType\":5126"),
        ("\"indices\":2,", "\"mode\":1,   "),
        ("\"indices\":2,", "\"mode\":0,   "),
    ] {
        let mut bytes = cube();
        let places = bytes.windows(what.len());
        let place = places.clone().position(|w| w == what.as_bytes()).unwrap();
        bytes[place..place + odd.len()].copy_from_slice(odd.as_bytes());
        assert!(Mesh::from_glb(&bytes).is_err(), "{odd}");
    }
}

#[test]
fn glass_is_where_it_is_however_faint() {
    let mut mesh = Mesh::from_glb(&cube()).unwrap();
    let (_dir, pack) = pack(Split::Train);
    let camera = Camera::new([0.0, 0.5, 4.0], 0.0, 0.0, 0.6, 32.0);
    let lamp = Lamp::studio(&pack, &mut generator(1, 0, 0), 0.0, [0.9, 1.0]);
    let light = lamp.light(0.0, &camera);
    let mut drawn = |alpha: f32| {
        mesh.materials[0].colour[3] = alpha;
        let object = Placed::new(&mesh, Pose::default(), 1.0, [0.0; 3]);
        let shadows = Shadows::new(&object, &light);
        let lighting = Lighting {
            light: &light,
            own: &shadows,
            others: &[],
            surround: [1.0; 3],
            sunlit: &|_| true,
        };
        let layer = Layer::draw(&object, &camera, 32, &lighting, false);
        let all = || (0..64 * 64).map(|i| (i % 64, i / 64));
        let outline: Vec<f32> = all().map(|(x, y)| layer.outline(x, y)).collect();
        let solid = all().filter(|&(x, y)| layer.near(x, y) > 0.0).count();
        (outline, solid)
    };
    let (whole, all) = drawn(1.0);
    let (glass, few) = drawn(0.2);
    assert!(all > 500 && few < all / 2);
    assert_eq!(whole, glass);
    // What can't be seen at all is not there.
    assert!(drawn(0.0).0.iter().all(|&near| near == 0.0));
}

#[test]
fn what_reaches_behind_the_camera_is_clipped() {
    let mut mesh = Mesh::from_glb(&cube()).unwrap();
    for p in &mut mesh.positions {
        // A slab of 40 m below the camera.
        *p = [p[0] * 40.0, p[1] * 0.1, p[2] * 40.0];
    }
    let object = Placed::new(&mesh, Pose::default(), 1.0, [0.0; 3]);
    let camera = Camera::new([0.0, 1.6, 0.0], 0.3, 0.2, 0.9, 32.0);
    let (_dir, pack) = pack(Split::Train);
    let lamp = Lamp::studio(&pack, &mut generator(1, 0, 0), 0.0, [0.9, 1.0]);
    let light = lamp.light(0.0, &camera);
    let shadows = Shadows::new(&object, &light);
    let lighting = Lighting {
        light: &light,
        own: &shadows,
        others: &[],
        surround: [1.0; 3],
        sunlit: &|_| true,
    };
    let layer = Layer::draw(&object, &camera, 32, &lighting, false);
    for x in 0..64 {
        // The row at the bottom looks at the slab's top, 1.5 m below, closer than where its corners are.
        let (near, colour) = layer.sample(x, 63).unwrap();
        let depth = 1.0 / near;
        assert!((1.5..4.0).contains(&depth), "{depth}");
        assert!(colour.iter().all(|c| c.is_finite()));
        assert!(layer.sample(x, 0).is_none());
    }
}

#[test]
fn shadows_are_darkest_at_the_foot_and_end() {
    let mesh = Mesh::from_glb(&cube()).unwrap();
    let object = Placed::new(&mesh, Pose::default(), 1.0, [2.0, 0.0, 0.0]);
    let (_dir, pack) = pack(Split::Train);
    for seed in 0..8 {
        let lamp = Lamp::studio(&pack, &mut generator(seed, 0, 0), 0.5, [0.8, 1.0]);
        let light = lamp.light(0.0, &super::portrait::camera());
        let shadows = Shadows::new(&object, &light);
        let up = [0.0, 1.0, 0.0];
        let lost = |x: f32| {
            let whole = light
                .patches
                .iter()
                .fold([0.0; 3], |s, p| super::vector::add(s, p.ground));
            let sky = shadows.sky_lost([2.0 + x, 0.0, 0.0], up, &light, whole);
            assert!(sky.iter().all(|l| (0.0..=1.2).contains(l)));
            sky[1] + shadows.sun_lost([2.0 + x, 0.0, 0.0])
        };
        let (under, near, far) = (lost(0.0), lost(0.56), lost(50.0));
        assert!(under > 0.6, "{under}");
        assert!(under >= near && near > 0.05, "{near}");
        assert_eq!(far, 0.0);
        // Moved with its object, a shadow is the same.
        let moved = shadows.at([5.0, 0.0, 1.0]);
        let at = |s: &Shadows, p| s.sky_lost(p, up, &light, [1.0; 3]);
        let (a, b) = (at(&shadows, [2.6, 0.0, 0.1]), at(&moved, [5.6, 0.0, 1.1]));
        assert!((0..3).all(|c| (a[c] - b[c]).abs() < 1e-3));
    }
    assert_eq!(left([0.0; 3]), [1.0; 3]);
    assert_eq!(left([0.02; 3]), [1.0; 3]);
    assert!(left([0.5; 3])[0] < 0.6 && left([2.0; 3])[0] >= 0.05);
}

#[test]
fn a_change_changes_what_it_says() {
    let (_dir, pack) = pack(Split::Train);
    let mut seen = std::collections::HashSet::new();
    for backdrop in BACKDROPS {
        let stage = stage(&pack, &wish(backdrop, &[0]), 1);
        let first: &Shot = &stage.first;
        for kind in ChangeKind::ALL {
            for seed in 0..6 {
                let rng = &mut generator(seed, 2, 0);
                let Some((shot, change)) = changed(&stage, first, kind, 0, rng) else {
                    continue;
                };
                seen.insert(kind);
                let (old, new) = (&first.actors[0], &shot.actors[0]);
                assert_eq!(
                    change.is_still(),
                    shot.camera == first.camera && shot.light == first.light
                );
                assert_eq!(new.present, kind != ChangeKind::Absent);
                assert_eq!(new.foot != old.foot, kind == ChangeKind::Moved);
                assert_eq!(new.file != old.file, kind == ChangeKind::Posed);
                assert_eq!(new.size != old.size, kind == ChangeKind::Resized);
                let painted = matches!(kind, ChangeKind::Recoloured | ChangeKind::Made);
                assert_eq!(new.finish != Finish::Own, painted);
                assert_eq!(shot.light != 0.0, kind == ChangeKind::Relit);
                // A photograph can neither be lit anew nor gone around.
                if matches!(backdrop, Backdrop::Photo(_)) {
                    assert!(change.is_still());
                }
            }
        }
    }
    assert_eq!(seen.len(), ChangeKind::ALL.len());
}

#[test]
fn a_rougher_floor_mirrors_less_sharply() {
    let (_dir, pack) = pack(Split::Train);
    // How much neighbours in what the floor shows differ: squared, so that a blurred edge counts less than a sharp one.
    let steps = |rough: f32| {
        let mut stage = stage(&pack, &wish(Backdrop::Floor(None), &[0]), 1);
        stage.set.panels[0] = stage.set.panels[0].clone().glossy(0.5, rough);
        assert_eq!(stage.set.roughness(), rough);
        let frame = Renderer::new(&stage).frame(&stage.first).unwrap();
        (0..SIZE * SIZE - 1)
            .map(|i| i64::from(frame.effect[i][1] - frame.effect[i + 1][1]).pow(2))
            .sum::<i64>()
    };
    let (clear, rough) = (steps(0.0), steps(1.0));
    assert!(clear > rough, "{clear} {rough}");
}

#[test]
fn a_glossy_floor_shows_the_object_upside_down() {
    let (_dir, pack) = pack(Split::Train);
    let wanted = wish(Backdrop::Floor(None), &[0]);
    let mut seen = 0;
    for seed in 0..60 {
        let Some(stage) = Stage::new(&pack, &wanted, SIZE, &mut generator(seed, 3, 0)) else {
            continue;
        };
        let mut renderer = Renderer::new(&stage);
        let frame = renderer.frame(&stage.first).unwrap();
        let light = renderer.light(&stage.first);
        let view = stage.set.view(&stage.first.camera, SIZE, &light);
        if !view.surfaces.iter().any(|s| s.fresnel > 0.0) {
            continue;
        }
        for s in view.surfaces.iter().filter(|s| s.fresnel > 0.0) {
            assert!(s.normal[1] > 0.9 && s.fresnel <= 1.0);
        }
        // Right below the object the floor is not what it is without it.
        let rows: Vec<usize> = (0..SIZE * SIZE)
            .filter(|&i| frame.visible[0][i] == 255)
            .collect();
        let last = rows[rows.len() - 1] + 2 * SIZE;
        if last < SIZE * SIZE {
            assert_ne!(frame.effect[last], [0; 3]);
            seen += 1;
        }
    }
    assert!(seen > 3, "{seen}");
}
