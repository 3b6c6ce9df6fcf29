//! Light on collages: what a model is shown, and what becomes of it at every size.

mod common;

use common::{Toy, events, outputs, rectangle, with_picture, with_region, words};
use inlay::doc::job::BlendSpec;
use inlay::doc::level::editable_region;
use inlay::doc::{ControlKind, Job, Level, Picture, Role};
use inlay::pipeline::event::OutputPicture;
use inlay::pipeline::generator::Cancel;
use inlay::pipeline::light::LightInput;

const SIZE: (u32, u32) = (128, 96);

/// A green cut-out to be laid exactly into a square of an even canvas.
fn insertion() -> Job {
    let job = with_picture(
        words("Put IMG2 into IMG3 of IMG1."),
        Role::Canvas,
        Picture::filled(SIZE.0, SIZE.1, [100, 100, 100, 255]),
    );
    let mut cut = Picture::filled(40, 40, [0; 4]);
    for y in 5..35 {
        for x in 5..35 {
            cut.pixels_mut()[(y * 40 + x) * 4..][..4].copy_from_slice(&[0, 200, 0, 255]);
        }
    }
    let job = with_picture(job, Role::Asset, cut);
    let mut job = with_region(job, rectangle(SIZE, 48..80, 32..64), Level::Exact, Some(1));
    job.spec.crop = Some([0, 0, SIZE.0, SIZE.1]);
    job
}

/// The same in a collage that the artist made.
fn collage() -> Job {
    let canvas = Picture::filled(SIZE.0, SIZE.1, [100, 100, 100, 255]);
    let mut collage = canvas.clone();
    for y in 32..64u32 {
        for x in 48..80u32 {
            let at = ((y * SIZE.0 + x) * 4) as usize;
            collage.pixels_mut()[at..at + 3].copy_from_slice(&[0, 200, 0]);
        }
    }
    let job = with_picture(words("Put it into IMG1."), Role::Canvas, canvas);
    let mut job = with_picture(job, Role::Control, collage);
    job.spec.inputs[1].kind = Some(ControlKind::Placement);
    let mut job = with_region(job, rectangle(SIZE, 40..90, 24..72), Level::Box, None);
    job.spec.crop = Some([0, 0, SIZE.0, SIZE.1]);
    job
}

/// A green square of the canvas that is to be moved.
fn moved() -> Job {
    let mut canvas = Picture::filled(SIZE.0, SIZE.1, [100, 100, 100, 255]);
    for y in 36..60u32 {
        for x in 8..32u32 {
            let at = ((y * SIZE.0 + x) * 4) as usize;
            canvas.pixels_mut()[at..at + 3].copy_from_slice(&[0, 200, 0]);
        }
    }
    let job = with_picture(words("Move IMG2 to IMG3 in IMG1."), Role::Canvas, canvas);
    let job = with_region(job, rectangle(SIZE, 8..32, 36..60), Level::Exact, None);
    let mut job = with_region(job, rectangle(SIZE, 52..76, 36..60), Level::Exact, None);
    job.spec.crop = Some([0, 0, SIZE.0, SIZE.1]);
    job
}

fn toy(lights: bool, light: [f32; 3]) -> Toy {
    let mut toy = Toy {
        light,
        ..Toy::default()
    };
    toy.info.resolution = 112;
    toy.info.lights = lights;
    toy
}

fn placement(toy: &Toy) -> Vec<f32> {
    let seen = toy.asked.inputs.lock().unwrap();
    let mut placements = seen[0].images.iter();
    let placement = placements.find(|i| i.kind == Some(ControlKind::Placement));
    placement.unwrap().values.clone()
}

fn shown(toy: &Toy) -> LightInput {
    let seen = toy.asked.collages.lock().unwrap();
    assert_eq!(seen.len(), 1);
    seen[0].clone()
}

fn pixel(values: &[f32], x: usize, y: usize) -> [u8; 3] {
    let at = (y * SIZE.0 as usize + x) * 3;
    std::array::from_fn(|c| (values[at + c] * 255.0).round() as u8)
}

#[test]
fn a_model_sees_the_collage_without_any_shade_and_its_light_is_laid_on_it() {
    let mut toy = toy(true, [0.5, 0.8, 0.12]);
    events(&insertion(), &mut toy);
    let input = shown(&toy);
    assert_eq!((input.width, input.height), SIZE);
    assert_eq!(pixel(&input.laid, 64, 48), [0, 200, 0]);
    // Right under it, where the program would put shade.
    assert_eq!(pixel(&input.laid, 64, 66), [100; 3]);
    assert_eq!(pixel(&input.canvas, 64, 48), [100; 3]);
    let covered = |x: usize, y: usize| input.cover[y * SIZE.0 as usize + x];
    assert_eq!((covered(64, 48), covered(64, 66)), (1.0, 0.0));
    assert_eq!(input.masked, input.cover);
    let lit = placement(&toy);
    assert_eq!(pixel(&lit, 64, 48), [0, 100, 0]);
    // 0.8 · 100 + 0.12 · 255.
    assert_eq!(pixel(&lit, 64, 66), [111; 3]);
}

#[test]
fn without_light_the_ground_is_shaded_as_on_average() {
    let mut toy = toy(false, [0.5, 0.8, 0.12]);
    events(&insertion(), &mut toy);
    assert!(toy.asked.collages.lock().unwrap().is_empty());
    let shaded = placement(&toy);
    assert_eq!(pixel(&shaded, 64, 48), [0, 200, 0]);
    assert!(pixel(&shaded, 64, 66)[0] < 90);
}

#[test]
fn light_reaches_the_result_and_nothing_beyond_the_region() {
    let job = insertion();
    let of = |light| {
        let mut toy = toy(true, light);
        toy.variety = 0.0;
        outputs(&job, &mut toy)[0].picture.clone()
    };
    let (even, dark) = (of([1.0, 1.0, 0.0]), of([0.4, 1.0, 0.0]));
    assert_ne!(even.pixel(64, 48), dark.pixel(64, 48));
    for y in (0..SIZE.1).filter(|y| !(16..80).contains(y)) {
        for x in 0..SIZE.0 {
            assert_eq!(dark.pixel(x, y), [100, 100, 100, 255]);
        }
    }
}

/// The same on a canvas with a grain of its own, of which the crop is a part.
fn on_grain(mut job: Job) -> Job {
    let canvas = std::sync::Arc::make_mut(&mut job.pictures[0]);
    for (at, pixel) in canvas.pixels_mut().chunks_exact_mut(4).enumerate() {
        for (c, value) in pixel[..3].iter_mut().enumerate() {
            *value = 90 + ((at * 37 + c * 11) % 41) as u8;
        }
    }
    job.spec.inputs[0].hash = inlay::doc::job::hash_picture(&job.pictures[0]);
    job.spec.crop = Some([16, 0, 112, SIZE.1]);
    job
}

#[test]
fn shadow_falls_beyond_the_region_as_far_as_the_artist_wants() {
    let job = on_grain(insertion());
    let with = |cast: f32, light: [f32; 3]| {
        let mut job = job.clone();
        job.spec.blend.cast = cast;
        outputs(&job, &mut toy(true, light)).remove(0)
    };
    let editable = editable_region(&job.masks[0], Level::Exact);
    let beyond = |x: u32, y: u32| editable.get(i64::from(x), i64::from(y)) == 0;
    let places = || (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| (x, y)));
    let canvas = &job.pictures[0];
    let whole = with(1.0, [0.5, 0.8, 0.0]);
    let joining = whole.joining.unwrap();
    assert!(joining.casts());
    let mut seen = 0;
    for cast in [1.0, 0.5, 0.0] {
        let made = with(cast, [0.5, 0.8, 0.0]).picture;
        for (x, y) in places().filter(|&(x, y)| beyond(x, y)) {
            let (own, now) = (canvas.pixel(x, y), made.pixel(x, y));
            // Nothing left of the crop, and less and less towards its open side.
            let wanted = |c: usize| f32::from(own[c]) * (1.0 - 0.2 * cast);
            for c in 0..3 {
                let exact = match x {
                    0..16 => now[c] == own[c],
                    16..26 => now[c] <= own[c] && f32::from(now[c]) >= wanted(c).floor(),
                    _ => (f32::from(now[c]) - wanted(c)).abs() <= 0.5,
                };
                assert!(exact, "{cast} {x} {y}: {own:?} {now:?}");
            }
            seen += u32::from(now != own);
            assert!(cast > 0.0 || now == own);
        }
        let blend = BlendSpec {
            cast,
            ..BlendSpec::default()
        };
        let again = joining.joined(&blend, &Cancel::default()).unwrap();
        assert_eq!(again, *made, "{cast}");
    }
    assert!(seen > 10_000, "{seen}");
    let mirrored = with(1.0, [0.5, 1.0, 0.2]).picture;
    assert_eq!(mirrored.pixel(120, 90)[0], canvas.pixel(120, 90)[0] + 51);
    // What light does not change is the canvas's.
    let even = with(1.0, [0.5, 1.0, 0.0]);
    assert!(!even.joining.unwrap().casts());
    assert!(
        places()
            .filter(|&(x, y)| beyond(x, y))
            .all(|(x, y)| even.picture.pixel(x, y) == canvas.pixel(x, y))
    );
}

#[test]
fn shadow_is_as_strong_as_the_artist_wants_and_objects_stay_as_they_are() {
    let with = |mut job: Job, shadow: f32, light: [f32; 3]| {
        job.spec.blend.shadow = shadow;
        outputs(&job, &mut toy(true, light)).remove(0)
    };
    // Shade multiplies, what is brighter adds up.
    let again = |ground: f32, lit: f32, times: f32| match lit < ground {
        true => (ground + 4.0) * ((lit + 4.0) / (ground + 4.0)).powf(times) - 4.0,
        false => ground + times * (lit - ground),
    };
    let dark = || {
        let mut job = on_grain(insertion());
        let canvas = std::sync::Arc::make_mut(&mut job.pictures[0]);
        for pixel in canvas.pixels_mut().chunks_exact_mut(4) {
            pixel[..3].copy_from_slice(&[2, 40, 180]);
        }
        job
    };
    for (job, light) in [
        (on_grain(insertion()), [0.5, 0.8, 0.0]),
        (on_grain(insertion()), [0.5, 1.0, 0.1]),
        (on_grain(insertion()), [0.5, 0.5, 0.1]),
        (dark(), [0.5, 0.3, 0.0]),
        (collage(), [0.5, 0.8, 0.0]),
    ] {
        let canvas = &job.pictures[0];
        let editable = editable_region(&job.masks[0], job.spec.regions[0].level);
        let once = with(job.clone(), 1.0, light);
        let joining = once.joining.unwrap();
        assert!(joining.shades());
        for shadow in [0.0, 0.5, 2.0] {
            let made = with(job.clone(), shadow, light).picture;
            let mut changed = 0;
            for (x, y) in (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| (x, y))) {
                let [own, once, now] = [canvas, &once.picture, &made].map(|p| p.pixel(x, y));
                let beyond = editable.get(i64::from(x), i64::from(y)) == 0;
                if (50..78).contains(&x) && (34..62).contains(&y) {
                    assert_eq!(now, once, "the object, {shadow} {x} {y}");
                    continue;
                }
                for c in 0..3 {
                    let [own, once, now] = [own[c], once[c], now[c]].map(f32::from);
                    let lit = own * light[1] + 255.0 * light[2];
                    let wanted = again(own, lit, shadow);
                    if beyond && x >= 26 {
                        assert!(
                            (now - wanted).abs() <= 0.51,
                            "{shadow} {x} {y}: {now} {wanted}"
                        );
                    } else if !beyond {
                        // No more than the light is stronger, and the same way.
                        let (more, most) = (now - once, wanted - lit);
                        let so = more * most >= 0.0 && more.abs() <= most.abs() + 2.0;
                        assert!(so, "{shadow} {x} {y}: {once} {now} {most}");
                        changed += u32::from(more != 0.0);
                    }
                }
            }
            assert!(changed > 400, "{shadow}: {changed}");
            let blend = BlendSpec {
                shadow,
                ..BlendSpec::default()
            };
            let again = joining.joined(&blend, &Cancel::default()).unwrap();
            assert_eq!(again, *made, "{shadow}");
            // However the objects are lit.
            let bare = |shadow| {
                let blend = BlendSpec {
                    shadow,
                    relight: 0.0,
                    ..BlendSpec::default()
                };
                joining.joined(&blend, &Cancel::default()).unwrap()
            };
            let (one, now) = (bare(1.0), bare(shadow));
            assert_eq!(one.pixel(64, 48), now.pixel(64, 48));
            assert_ne!(one.pixel(64, 67), now.pixel(64, 67), "{shadow}");
        }
    }
    let even = with(insertion(), 2.0, [0.5, 1.0, 0.0]);
    let once = with(insertion(), 1.0, [0.5, 1.0, 0.0]);
    assert_eq!(even.picture, once.picture);
    let without = outputs(&insertion(), &mut toy(false, [0.5, 0.8, 0.0])).remove(0);
    assert!(!without.joining.unwrap().shades());
}

#[test]
fn objects_are_as_bright_as_the_artist_wants_and_the_ground_stays_as_it_is() {
    for job in [on_grain(insertion()), collage()] {
        let with = |brightness: f32, relight: f32| {
            let mut job = job.clone();
            job.spec.blend.brightness = brightness;
            job.spec.blend.relight = relight;
            outputs(&job, &mut toy(true, [0.5, 0.8, 0.0])).remove(0)
        };
        for relight in [1.0, 0.0] {
            let once = with(1.0, relight);
            let joining = once.joining.unwrap();
            for brightness in [0.5, 1.5] {
                let made = with(brightness, relight).picture;
                for (x, y) in (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| (x, y))) {
                    let (before, now) = (once.picture.pixel(x, y), made.pixel(x, y));
                    if (50..78).contains(&x) && (34..62).contains(&y) {
                        for c in 0..3 {
                            let wanted = (f32::from(before[c]) * brightness).round().min(255.0);
                            assert_eq!(f32::from(now[c]), wanted, "{x} {y}");
                        }
                    } else if !(46..82).contains(&x) || !(30..66).contains(&y) {
                        assert_eq!(now, before, "{x} {y}");
                    }
                }
                let blend = BlendSpec {
                    brightness,
                    relight,
                    ..BlendSpec::default()
                };
                let again = joining.joined(&blend, &Cancel::default()).unwrap();
                assert_eq!(again, *made);
            }
        }
    }
}

#[test]
fn outputs_after_the_first_vary_in_light_and_say_how() {
    let with = |vary: bool| {
        let mut job = on_grain(insertion());
        job.spec.outputs = 4;
        job.spec.vary = vary;
        let mut toy = toy(true, [0.5, 0.8, 0.0]);
        toy.variety = 0.0;
        (outputs(&job, &mut toy), job.spec)
    };
    let ((same, _), (varied, spec)) = (with(false), with(true));
    assert!(
        same.iter()
            .all(|output| output.blend == BlendSpec::default())
    );
    assert_eq!(same[0].picture, varied[0].picture);
    for (at, (plain, other)) in same.iter().zip(&varied).enumerate() {
        assert_eq!(other.blend, spec.blend_of(at as u32));
        // What was found is there to go back to, and what is said of it gives the same picture.
        let join = |blend: &BlendSpec| {
            let joining = other.joining.as_ref().unwrap();
            joining.joined(blend, &Cancel::default()).unwrap()
        };
        assert_eq!(join(&BlendSpec::default()), *plain.picture);
        assert_eq!(join(&other.blend), *other.picture);
        let [before, now] = [&plain.picture, &other.picture].map(|p| p.pixel(64, 48)[1]);
        let wanted = (f32::from(before) * other.blend.brightness).round();
        assert_eq!(f32::from(now), wanted.min(255.0));
        assert_eq!(now == before, at == 0, "{at}");
    }
    // Nothing is laid in where something is taken away, what is moved shows how bright it is, and an artist's collage says so.
    for mut job in [collage(), moved()] {
        (job.spec.outputs, job.spec.vary) = (3, true);
        let made = outputs(&job, &mut toy(true, [0.5, 0.8, 0.0]));
        assert!(made[0].joining.as_ref().unwrap().relights());
        assert!(
            made.iter()
                .all(|output| output.blend == BlendSpec::default())
        );
    }
    let canvas = Picture::filled(SIZE.0, SIZE.1, [100, 100, 100, 255]);
    let job = with_picture(words("Remove IMG2 from IMG1."), Role::Canvas, canvas);
    let mut job = with_region(job, rectangle(SIZE, 48..80, 32..64), Level::Exact, None);
    (job.spec.outputs, job.spec.vary) = (3, true);
    let gone = outputs(&job, &mut toy(true, [1.0, 1.3, 0.0]));
    assert!(
        gone.iter()
            .all(|output| output.blend == BlendSpec::default())
    );
}

#[test]
fn what_goes_takes_its_shadow_along_beyond_the_region() {
    let canvas = Picture::filled(SIZE.0, SIZE.1, [100, 100, 100, 255]);
    let job = with_picture(words("Remove IMG2 from IMG1."), Role::Canvas, canvas);
    let mut job = with_region(job, rectangle(SIZE, 48..80, 32..64), Level::Exact, None);
    job.spec.crop = Some([0, 0, SIZE.0, SIZE.1]);
    let made = outputs(&job, &mut toy(true, [1.0, 1.3, 0.0])).remove(0);
    assert_eq!(made.picture.pixel(4, 90), [130, 130, 130, 255]);
    // Without light at all nothing falls anywhere.
    let made = outputs(&job, &mut toy(false, [1.0, 1.3, 0.0])).remove(0);
    assert_eq!(made.picture.pixel(4, 90), [100, 100, 100, 255]);
}

#[test]
fn light_beyond_the_region_is_the_same_however_the_objects_are_lit() {
    let with = |relight: f32| joined(&on_grain(insertion()), relight).picture;
    let (lit, half, bare) = (with(1.0), with(0.5), with(0.0));
    for (x, y) in (80..96).flat_map(|y| (0..SIZE.0).map(move |x| (x, y))) {
        assert_eq!(lit.pixel(x, y), bare.pixel(x, y));
        assert_eq!(lit.pixel(x, y), half.pixel(x, y));
    }
    assert_ne!(
        lit.pixel(100, 90),
        on_grain(insertion()).pictures[0].pixel(100, 90)
    );
}

#[test]
fn what_is_taken_away_is_lit_ground_and_an_extension_is_not_lit() {
    for (prompt, asked) in [("Remove IMG2 from IMG1.", 1), ("Extend IMG1 into IMG2.", 0)] {
        let canvas = Picture::filled(SIZE.0, SIZE.1, [100, 100, 100, 255]);
        let job = with_picture(words(prompt), Role::Canvas, canvas);
        let mut job = with_region(job, rectangle(SIZE, 48..80, 32..64), Level::Exact, None);
        job.spec.crop = Some([0, 0, SIZE.0, SIZE.1]);
        let mut toy = toy(true, [0.5, 0.8, 0.12]);
        events(&job, &mut toy);
        let seen = toy.asked.collages.lock().unwrap().clone();
        assert_eq!(seen.len(), asked, "{prompt}");
        let lit = pixel(&placement(&toy), 64, 48);
        assert_eq!(lit, if asked == 1 { [111; 3] } else { [100; 3] });
        assert!(
            seen.iter()
                .all(|input| input.cover.iter().all(|c| *c == 0.0))
        );
    }
}

/// The result with so much of the model's light on objects.
fn joined(job: &Job, relight: f32) -> OutputPicture {
    let mut job = job.clone();
    job.spec.blend.relight = relight;
    let mut toy = toy(true, [0.4, 0.8, 0.0]);
    toy.variety = 0.0;
    outputs(&job, &mut toy).remove(0)
}

/// Nothing is left of the light on the object at (64, 48), and all of it on the ground beside it.
fn keeps_its_colours(job: &Job, own: [u8; 4]) {
    let (lit, half, bare) = (joined(job, 1.0), joined(job, 0.5), joined(job, 0.0));
    let at = |output: &OutputPicture, x, y| output.picture.pixel(x, y);
    assert_eq!(at(&bare, 64, 48), own);
    let green = |output| at(output, 64, 48)[1];
    let found = [green(&lit), green(&half), green(&bare)];
    assert!(found.is_sorted_by(|a, b| a < b), "{found:?}");
    assert!(green(&lit) < own[1] - 40);
    // The ground right under it stays in the model's light, but for what the object's soft edge lends it.
    let ground = |output| f32::from(at(output, 64, 65)[0]);
    let (lit_by, bare_by) = (ground(&lit) - 100.0, ground(&bare) - 100.0);
    assert!(lit_by.abs() > 15.0, "{lit_by}");
    assert!(
        (lit_by - bare_by).abs() < 0.25 * lit_by.abs(),
        "{lit_by} {bare_by}"
    );
    for (relight, wanted) in [(1.0, &lit), (0.5, &half), (0.0, &bare)] {
        let blend = BlendSpec {
            relight,
            ..job.spec.blend
        };
        let joining = half.joining.as_ref().unwrap();
        assert!(joining.relights());
        let again = joining.joined(&blend, &Cancel::default()).unwrap();
        assert_eq!(again, *wanted.picture, "{relight}");
    }
}

#[test]
fn a_cut_out_keeps_its_own_colours_if_the_artist_wants_it() {
    let mut job = insertion();
    // Nothing but light is to change anything.
    job.spec.blend.colour_match = false;
    keeps_its_colours(&job, [0, 200, 0, 255]);
    job.spec.blend.colour_match = true;
    let bare = joined(&job, 0.0);
    assert_eq!(bare.picture.pixel(64, 48), [0, 200, 0, 255]);
}

#[test]
fn so_do_an_artists_collage_and_what_is_moved() {
    let mut own = collage();
    own.spec.blend.colour_match = false;
    keeps_its_colours(&own, [0, 200, 0, 255]);
    let job = moved();
    let (lit, bare) = (joined(&job, 1.0), joined(&job, 0.0));
    assert_eq!(bare.picture.pixel(64, 48), [0, 200, 0, 255]);
    assert!(lit.picture.pixel(64, 48)[1] < 160);
}

#[test]
fn without_light_there_is_none_to_take_back() {
    let mut toy = toy(false, [0.5, 0.8, 0.12]);
    let output = outputs(&insertion(), &mut toy).remove(0);
    assert!(!output.joining.unwrap().relights());
    // What goes has no light of its own.
    let canvas = Picture::filled(SIZE.0, SIZE.1, [100, 100, 100, 255]);
    let job = with_picture(words("Remove IMG2 from IMG1."), Role::Canvas, canvas);
    let job = with_region(job, rectangle(SIZE, 48..80, 32..64), Level::Exact, None);
    assert!(!joined(&job, 1.0).joining.unwrap().relights());
}

#[test]
fn an_artists_collage_is_lit_where_it_differs_from_the_canvas() {
    let job = collage();
    let mut toy = toy(true, [0.5, 0.8, 0.12]);
    events(&job, &mut toy);
    assert_eq!(pixel(&shown(&toy).laid, 64, 48), [0, 200, 0]);
    let lit = placement(&toy);
    assert_eq!(pixel(&lit, 64, 48), [0, 100, 0]);
    assert_eq!(pixel(&lit, 20, 20), [111; 3]);
}
