//! What is computed once and what again, and that it makes no difference to the result.

use std::cell::Cell;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use inlay::doc::{ControlKind, Level, Role};
use inlay::model::{
    AttentionKind, CacheStats, Condition, InputPicture, Kernels, ModelError, Request, Source,
    UniReal, random_folder, tiny_config,
};

fn load(attention: AttentionKind, kernels: Kernels) -> UniReal {
    let folder = tempfile::tempdir().unwrap();
    random_folder(&tiny_config(attention), 5, folder.path()).unwrap();
    let source = Source::Folder(folder.path().into());
    UniReal::load_with(&source, &Device::Cpu, kernels, &mut |_, _| {}).unwrap()
}

fn go() -> bool {
    false
}

/// Pixels that depend on the key alone.
fn values(key: u64, count: usize) -> Arc<[f32]> {
    (0..count as u64)
        .map(|i| ((i + 1).wrapping_mul(key.wrapping_mul(2654435761) + 40503) >> 7) % 256)
        .map(|v| v as f32 / 255.0)
        .collect()
}

fn picture(key: u64, role: Role, width: u32, height: u32) -> InputPicture {
    InputPicture {
        key,
        role,
        kind: None,
        level: None,
        fit: None,
        width,
        height,
        values: values(key, (width * height * 3) as usize),
        placed: None,
    }
}

fn control(key: u64, kind: ControlKind, width: u32, height: u32) -> InputPicture {
    InputPicture {
        kind: Some(kind),
        ..picture(key, Role::Control, width, height)
    }
}

fn mask(key: u64, width: u32, height: u32) -> InputPicture {
    InputPicture {
        kind: Some(ControlKind::Mask),
        level: Some(Level::Blob),
        fit: Some(0.5),
        values: values(key, (width * height) as usize),
        ..picture(key, Role::Control, width, height)
    }
}

fn asset(key: u64) -> InputPicture {
    InputPicture {
        placed: Some([0.25, 0.1, 0.9, 0.6]),
        ..picture(key, Role::Asset, 48, 32)
    }
}

/// Canvas, placed asset and mask.
fn request() -> Request {
    Request {
        text: "Put IMG2 into IMG1 at IMG3".into(),
        images: vec![picture(1, Role::Canvas, 64, 48), asset(2), mask(3, 64, 48)],
        width: 64,
        height: 48,
        joint: 1,
        map: false,
    }
}

fn noise(pictures: usize, width: u32, height: u32) -> Tensor {
    let count = pictures * 32 * (width as usize / 8) * (height as usize / 8);
    let values: Vec<f32> = values(77, count).iter().map(|v| 3.0 * v - 1.5).collect();
    let shape = (pictures, 32, height as usize / 8, width as usize / 8);
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn velocity(
    model: &mut UniReal,
    request: &Request,
    outputs: usize,
    condition: Condition,
) -> Tensor {
    model.prepare(request, &go).unwrap();
    let z = noise(outputs * request.joint, request.width, request.height);
    let v = model.velocity(&z, 0.6, condition, &go).unwrap();
    assert_eq!(v.dims(), z.dims());
    v
}

fn flat(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

#[track_caller]
fn close(a: &Tensor, b: &Tensor, tolerance: f32) {
    let (a, b) = (flat(a), flat(b));
    let scale = b.iter().fold(0f32, |m, v| m.max(v.abs()));
    for (a, b) in a.iter().zip(&b) {
        assert!(
            a.is_finite() && (a - b).abs() <= tolerance * scale,
            "{a} {b}"
        );
    }
}

/// What a call added to the counters.
fn counted(model: &mut UniReal, work: impl FnOnce(&mut UniReal)) -> CacheStats {
    let before = model.stats();
    work(model);
    let after = model.stats();
    CacheStats {
        text_encodes: after.text_encodes - before.text_encodes,
        image_encodes: after.image_encodes - before.image_encodes,
        text_segments: after.text_segments - before.text_segments,
        image_segments: after.image_segments - before.image_segments,
        contexts: after.contexts - before.contexts,
        hits: 0,
    }
}

#[test]
fn each_change_recomputes_only_its_part() {
    for attention in [AttentionKind::Cached, AttentionKind::Full] {
        let mut model = load(attention, Kernels::Fused);
        let mut step = |request: &Request, expected: [u64; 5]| {
            let found = counted(&mut model, |m| {
                velocity(m, request, 1, Condition::Full);
            });
            let [
                text_encodes,
                image_encodes,
                text_segments,
                image_segments,
                contexts,
            ] = expected;
            let expected = CacheStats {
                text_encodes,
                image_encodes,
                text_segments,
                image_segments,
                contexts,
                hits: 0,
            };
            assert_eq!(found, expected);
        };
        let mut r = request();
        // The mask is no picture to the autoencoder.
        step(&r, [1, 2, 1, 3, 1]);
        // Another seed is the same request.
        step(&r, [0, 0, 0, 0, 0]);
        r.text = "Remove IMG2".into();
        step(&r, [1, 0, 1, 0, 1]);
        r.text = request().text;
        step(&r, [0, 0, 0, 0, 1]);
        r.images[1] = asset(20);
        step(&r, [0, 1, 0, 1, 1]);
        r.images[2] = mask(30, 64, 48);
        step(&r, [0, 0, 0, 1, 1]);
        r.images[2].level = Some(Level::Box);
        step(&r, [0, 0, 0, 1, 1]);
        r.images[2].fit = None;
        step(&r, [0, 0, 0, 1, 1]);
        // Where an asset is placed is not part of its keys.
        r.images[1].placed = Some([0.0, 0.0, 0.5, 0.5]);
        step(&r, [0, 0, 0, 0, 1]);
        // Other numbers need other index embeddings, but no other latents.
        r.images.swap(0, 1);
        step(&r, [0, 0, 0, 2, 1]);
        r.images.swap(0, 1);
        step(&r, [0, 0, 0, 0, 1]);
        r.images.pop();
        step(&r, [0, 0, 0, 0, 1]);
        r.images.push(picture(40, Role::Asset, 32, 32));
        step(&r, [0, 1, 0, 1, 1]);
        // A joint output or another frame changes nothing that was encoded.
        r.joint = 2;
        step(&r, [0, 0, 0, 0, 1]);
        r.width = 32;
        step(&r, [0, 0, 0, 0, 1]);
    }
}

#[test]
fn branches_share_pictures() {
    let mut model = load(AttentionKind::Cached, Kernels::Fused);
    let r = request();
    velocity(&mut model, &r, 1, Condition::Full);
    let z = noise(1, 64, 48);
    for (condition, texts) in [(Condition::NoText, 1), (Condition::NoReferences, 0)] {
        for contexts in [1, 0] {
            let found = counted(&mut model, |m| {
                m.velocity(&z, 0.6, condition, &go).unwrap();
            });
            assert_eq!(
                (found.text_encodes, found.text_segments),
                (texts * contexts, texts * contexts)
            );
            assert_eq!(
                (found.image_encodes, found.image_segments, found.contexts),
                (0, 0, contexts)
            );
        }
    }
    // The same request again keeps all three.
    let found = counted(&mut model, |m| {
        m.prepare(&r, &go).unwrap();
        for condition in [Condition::Full, Condition::NoText, Condition::NoReferences] {
            m.velocity(&z, 0.5, condition, &go).unwrap();
        }
    });
    assert_eq!(found, CacheStats::default());
}

#[test]
fn no_references_is_the_request_without_them() {
    for attention in [AttentionKind::Cached, AttentionKind::Full] {
        let mut model = load(attention, Kernels::Fused);
        let mut r = request();
        r.images = vec![
            picture(1, Role::Canvas, 64, 48),
            mask(3, 64, 48),
            control(4, ControlKind::Depth, 64, 48),
            asset(2),
            control(5, ControlKind::Placement, 64, 48),
        ];
        let found = velocity(&mut model, &r, 1, Condition::NoReferences);
        let no_text = velocity(&mut model, &r, 1, Condition::NoText);
        r.images.truncate(3);
        r.text.clear();
        assert_eq!(
            flat(&found),
            flat(&velocity(&mut model, &r, 1, Condition::Full))
        );
        assert_ne!(flat(&found), flat(&no_text));
    }
}

#[test]
fn warm_equals_cold_equals_plain() {
    for attention in [AttentionKind::Cached, AttentionKind::Full] {
        let mut warm = load(attention, Kernels::Fused);
        let mut other = request();
        other.images.swap(0, 1);
        other.text = "something else".into();
        velocity(&mut warm, &other, 2, Condition::Full);
        velocity(&mut warm, &request(), 1, Condition::NoText);
        for condition in [Condition::Full, Condition::NoText, Condition::NoReferences] {
            let found = velocity(&mut warm, &request(), 2, condition);
            let mut cold = load(attention, Kernels::Fused);
            assert_eq!(
                flat(&found),
                flat(&velocity(&mut cold, &request(), 2, condition))
            );
            let mut plain = load(attention, Kernels::Plain);
            let slow = velocity(&mut plain, &request(), 2, condition);
            close(&found, &slow, 1e-5);
        }
        warm.clear_caches();
        let again = counted(&mut warm, |m| m.prepare(&request(), &go).unwrap());
        assert_eq!(
            (
                again.text_encodes,
                again.image_encodes,
                again.image_segments
            ),
            (1, 2, 3)
        );
    }
}

/// Inputs of many shapes and kinds for one frame.
fn inputs(count: usize, width: u32, height: u32) -> Vec<InputPicture> {
    let all = [
        picture(1, Role::Canvas, width, height),
        asset(2),
        mask(3, width, height),
        picture(4, Role::Asset, 16, 64),
        control(5, ControlKind::Depth, width, height),
        control(6, ControlKind::Edge, 32, 32),
        mask(7, width, height),
        control(8, ControlKind::Scribble, width, height),
    ];
    all[..count].to_vec()
}

#[test]
fn any_aspect_and_number_of_inputs() {
    for attention in [AttentionKind::Cached, AttentionKind::Full] {
        let mut fused = load(attention, Kernels::Fused);
        let mut plain = load(attention, Kernels::Plain);
        let frames = [
            (16, 16),
            (64, 64),
            (16, 96),
            (112, 32),
            (80, 48),
            (48, 80),
            (32, 32),
            (64, 16),
            (48, 48),
        ];
        for (count, (width, height)) in frames.into_iter().enumerate() {
            let mut r = request();
            (r.width, r.height) = (width, height);
            r.images = inputs(count, width, height);
            let v = velocity(&mut fused, &r, 1, Condition::Full);
            close(&v, &velocity(&mut plain, &r, 1, Condition::Full), 1e-5);
        }
    }
}

#[test]
fn one_to_four_joint_outputs() {
    for attention in [AttentionKind::Cached, AttentionKind::Full] {
        let mut fused = load(attention, Kernels::Fused);
        let mut plain = load(attention, Kernels::Plain);
        for joint in 1..=4 {
            let r = Request { joint, ..request() };
            let v = velocity(&mut fused, &r, 1, Condition::Full);
            assert_eq!(v.dim(0).unwrap(), joint);
            close(&v, &velocity(&mut plain, &r, 1, Condition::Full), 1e-5);
        }
        // Joint outputs see each other: other noise in the second changes the first.
        let r = Request {
            joint: 2,
            ..request()
        };
        fused.prepare(&r, &go).unwrap();
        let z = noise(2, 64, 48);
        let first = z.narrow(0, 0, 1).unwrap();
        let twice = Tensor::cat(&[&first, &first], 0).unwrap();
        let a = fused.velocity(&z, 0.6, Condition::Full, &go).unwrap();
        let b = fused.velocity(&twice, 0.6, Condition::Full, &go).unwrap();
        assert_ne!(flat(&a.get(0).unwrap()), flat(&b.get(0).unwrap()));
    }
}

#[test]
fn a_batch_equals_its_members_bit_for_bit() {
    for attention in [AttentionKind::Cached, AttentionKind::Full] {
        let mut model = load(attention, Kernels::Fused);
        for joint in [1, 2] {
            let r = Request { joint, ..request() };
            model.prepare(&r, &go).unwrap();
            let z = noise(5 * joint, 64, 48);
            let all = model.velocity(&z, 0.4, Condition::Full, &go).unwrap();
            for n in 0..5 {
                let one = z.narrow(0, n * joint, joint).unwrap();
                let one = model.velocity(&one, 0.4, Condition::Full, &go).unwrap();
                assert_eq!(flat(&one), flat(&all.narrow(0, n * joint, joint).unwrap()));
            }
            let decoded = model.decode(&z, &go).unwrap();
            let one = model.decode(&z.narrow(0, 1, 1).unwrap(), &go).unwrap();
            assert_eq!(flat(&one), flat(&decoded.get(1).unwrap()));
        }
    }
}

/// A change of a request.
type Change = fn(&mut Request);

#[test]
fn every_part_of_a_request_matters() {
    let mut model = load(AttentionKind::Cached, Kernels::Fused);
    let base = flat(&velocity(&mut model, &request(), 1, Condition::Full));
    let changes: [(&str, Change); 8] = [
        ("text", |r| r.text = "another text".into()),
        ("canvas", |r| r.images[0] = picture(9, Role::Canvas, 64, 48)),
        ("asset", |r| r.images[1] = asset(9)),
        ("placement", |r| r.images[1].placed = None),
        ("mask", |r| r.images[2] = mask(9, 64, 48)),
        ("level", |r| r.images[2].level = Some(Level::Exact)),
        ("fit", |r| r.images[2].fit = None),
        ("order", |r| r.images.swap(1, 2)),
    ];
    for (name, change) in changes {
        let mut r = request();
        change(&mut r);
        assert_ne!(
            base,
            flat(&velocity(&mut model, &r, 1, Condition::Full)),
            "{name}"
        );
    }
    assert_eq!(
        base,
        flat(&velocity(&mut model, &request(), 1, Condition::Full))
    );
}

#[test]
fn cancelling_anywhere_leaves_a_usable_model() {
    for attention in [AttentionKind::Cached, AttentionKind::Full] {
        let expected = flat(&velocity(
            &mut load(attention, Kernels::Fused),
            &request(),
            1,
            Condition::Full,
        ));
        let mut model = load(attention, Kernels::Fused);
        let z = noise(1, 64, 48);
        let mut stops = 0;
        loop {
            model.clear_caches();
            let left = Cell::new(stops);
            let cancel = || match left.get() {
                0 => true,
                n => {
                    left.set(n - 1);
                    false
                }
            };
            let found = model
                .prepare(&request(), &cancel)
                .and_then(|()| model.velocity(&z, 0.6, Condition::Full, &cancel));
            match found {
                Ok(v) => {
                    assert_eq!(flat(&v), expected);
                    break;
                }
                Err(e) => assert!(matches!(e, ModelError::Cancelled), "{e}"),
            }
            stops += 1;
        }
        // Between the blocks of the step at least.
        assert!(stops > 3, "{stops}");
        assert!(matches!(
            model.decode(&z, &|| true),
            Err(ModelError::Cancelled)
        ));
    }
}

#[test]
fn unfit_requests_are_refused_with_a_sentence() {
    let mut model = load(AttentionKind::Cached, Kernels::Fused);
    let cases: [(&str, Change); 11] = [
        (
            "9 input pictures, masks included, are more than the model's 8",
            |r| {
                r.images = vec![mask(1, 64, 48); 9];
            },
        ),
        (
            "0 joint pictures were asked for, the model makes 1 to 4",
            |r| r.joint = 0,
        ),
        ("5 joint pictures were asked for", |r| r.joint = 5),
        (
            "the output is 60 × 48 pixels, expected multiples of 16",
            |r| r.width = 60,
        ),
        ("the output is 64 × 0 pixels", |r| r.height = 0),
        ("IMG1 is 8208 × 48 pixels", |r| r.images[0].width = 8208),
        ("IMG1 must have a kind of control", |r| {
            r.images[0].role = Role::Control
        }),
        ("IMG2 must have a kind of control", |r| {
            r.images[1].kind = Some(ControlKind::Edge)
        }),
        ("IMG3 is a mask without level", |r| r.images[2].level = None),
        ("IMG1 has 3 values, expected 9216", |r| {
            r.images[0].values = Arc::from([0.0; 3])
        }),
        ("IMG3 holds values that are not finite", |r| {
            r.images[2].fit = Some(f32::NAN)
        }),
    ];
    for (expected, change) in cases {
        let mut r = request();
        change(&mut r);
        let error = model.prepare(&r, &go).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let z = noise(1, 64, 48);
    let error = model
        .velocity(&z, 0.5, Condition::Full, &go)
        .unwrap_err()
        .to_string();
    assert!(error.contains("call prepare first"), "{error}");
    model.prepare(&request(), &go).unwrap();
    let error = model
        .velocity(&noise(1, 64, 64), 0.5, Condition::Full, &go)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("latents have shape [1, 32, 8, 8]"),
        "{error}"
    );
    let error = model
        .encode(&[0.0; 5], 16, 16, &|| false)
        .unwrap_err()
        .to_string();
    assert!(error.contains("has 5 values, expected 768"), "{error}");
}

#[test]
fn a_long_prompt_is_cut_with_a_warning() {
    let mut model = load(AttentionKind::Cached, Kernels::Fused);
    let mut r = request();
    r.text = "a ".repeat(5000);
    model.prepare(&r, &go).unwrap();
    let warnings = model.take_warnings();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("too long"), "{warnings:?}");
    assert!(model.take_warnings().is_empty());
    let tokens = model.text().tokenize(&r.text).unwrap();
    assert_eq!((tokens.ids.len(), *tokens.ids.last().unwrap()), (256, 1));
    assert_eq!(model.text().tokenize("").unwrap().ids, [1]);
}

#[test]
fn names_of_pictures_are_single_tokens() {
    let mut model = load(AttentionKind::Cached, Kernels::Fused);
    let ids = model.text().tokenize("IMG1IMG8RES1RES4").unwrap().ids;
    assert_eq!(ids, [3, 10, 11, 14, 1]);
}
