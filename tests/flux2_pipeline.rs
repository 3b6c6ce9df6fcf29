//! FLUX.2 [klein] through the pipeline, the loader and the command line, with the tiny random model of the goldens.

mod common;
mod flux2;

use std::path::Path;
use std::sync::Arc;

use assert_cmd::Command;
use candle_core::{DType, Device, Tensor};
use common::{events, insertion, rectangle, speckled, with_picture, with_region, words};
use flux2::{Goldens, check, comfy, folder, none};
use inlay::doc::job::MaskedMode;
use inlay::doc::{Level, Picture, Role};
use inlay::engine::{Loader, ModelLoader, ModelSource};
use inlay::model::flux2::{
    Compute, Estimate, Files, Klein, KleinRequest, KleinStats, MemoryOf, Reference, Residency,
    TextEncoder, Transformer, is_flux2, unfolded,
};
use inlay::model::{DeviceKind, ModelError};
use inlay::pipeline::event::JobEvent;
use inlay::pipeline::flux2::Flux2Generator;
use inlay::pipeline::generator::{Branch, Cancel, Generator};
use inlay::pipeline::run;

fn klein(residency: Residency) -> Klein {
    let files = Files::find(&folder().join("model")).unwrap();
    let compute = Compute::on_processor();
    Klein::load(files, compute, residency, &none, &mut |_, _| ()).unwrap()
}

fn generator() -> Flux2Generator {
    Flux2Generator::new("tiny", klein(Residency::All), 64)
}

fn pictures(events: &[JobEvent]) -> Vec<Arc<Picture>> {
    let outputs = events.iter().filter_map(|event| match event {
        JobEvent::Output(output) => Some(output.picture.clone()),
        _ => None,
    });
    outputs.collect()
}

fn sent(events: &[JobEvent]) -> &str {
    let text = events.iter().find_map(|event| match event {
        JobEvent::Sent(text) => Some(text.as_str()),
        _ => None,
    });
    text.unwrap()
}

fn values(picture: &Tensor) -> Arc<[f32]> {
    // Of pictures in −1..1, planes.
    let unit = picture.affine(0.5, 0.5).unwrap();
    let rows = unit.squeeze(0).unwrap().permute((1, 2, 0)).unwrap();
    let values: Vec<f32> = rows.flatten_all().unwrap().to_vec1().unwrap();
    values.into()
}

fn request(g: &Goldens, text: &str) -> KleinRequest {
    let reference = |name: &str, key: u64| {
        let pixels = &g[&format!("{name}.pixels")];
        let (_, _, height, width) = pixels.dims4().unwrap();
        Reference {
            key,
            width: width as u32,
            height: height as u32,
            values: values(pixels),
        }
    };
    KleinRequest {
        text: text.into(),
        references: vec![reference("canvas", 1), reference("asset", 2)],
        width: 80,
        height: 64,
    }
}

#[test]
fn encoding_and_decoding_equal_the_reference() {
    let g = Goldens::load();
    let mut klein = klein(Residency::All);
    let z = klein
        .encode(&values(&g["canvas.pixels"]), 80, 64, &none)
        .unwrap();
    let golden = unfolded(&g["canvas.latent"]).unwrap();
    assert_eq!(z.dims(), golden.dims());
    assert!(flux2::differences(&z, &golden) < 1e-4);
    let end = inlay::model::flux2::from_tokens(&g["klein.step.1"], 4, 5).unwrap();
    let rgb = klein.decode(&unfolded(&end).unwrap(), &none).unwrap();
    check("klein.image", &rgb, &g, 1e-3);
}

#[test]
fn what_does_not_change_is_computed_once() {
    let g = Goldens::load();
    let mut klein = klein(Residency::All);
    let noise = unfolded(&g["noise"]).unwrap();
    let counted = |before: KleinStats, klein: &Klein| {
        let now = klein.stats();
        [
            now.text_encodes - before.text_encodes,
            now.image_encodes - before.image_encodes,
            now.embeds - before.embeds,
            now.ropes - before.ropes,
            now.modulations - before.modulations,
            now.loads - before.loads,
        ]
    };
    let mut begin = klein.stats();
    assert_eq!(begin.loads, 3);
    let mut step = |klein: &mut Klein, request: &KleinRequest, sigma: f64| {
        klein.prepare(request, false, &none).unwrap();
        let velocity = klein.velocity(&noise, sigma, true, &none).unwrap();
        let counts = counted(begin, klein);
        begin = klein.stats();
        (velocity, counts)
    };
    let first = request(&g, "A red cup");
    let (velocity, counts) = step(&mut klein, &first, 0.7);
    assert_eq!(counts, [1, 2, 2, 1, 1, 0]);
    // Another step.
    assert_eq!(step(&mut klein, &first, 0.5).1, [0, 0, 0, 0, 1, 0]);
    // The same again, as for another output or seed: nothing, and the same bits.
    let (again, counts) = step(&mut klein, &first, 0.7);
    assert_eq!(counts, [0; 6]);
    assert_eq!(flux2::differences(&velocity, &again), 0.0);
    // Another prompt keeps the references.
    let other = request(&g, "A blue cup");
    assert_eq!(step(&mut klein, &other, 0.7).1, [1, 0, 1, 0, 0, 0]);
    // Another order of references: the angles stay only if the shapes do.
    let mut turned = other.clone();
    turned.references.reverse();
    assert_eq!(step(&mut klein, &turned, 0.7).1, [0, 0, 1, 1, 0, 0]);
    // One picture less.
    let mut fewer = other.clone();
    fewer.references.pop();
    assert_eq!(step(&mut klein, &fewer, 0.7).1, [0, 0, 1, 1, 0, 0]);
    // And back to the first.
    let (again, counts) = step(&mut klein, &first, 0.7);
    assert_eq!(counts, [0; 6]);
    assert_eq!(flux2::differences(&velocity, &again), 0.0);
}

#[test]
fn what_does_not_fit_the_request_is_refused() {
    let g = Goldens::load();
    let mut klein = klein(Residency::All);
    let noise = unfolded(&g["noise"]).unwrap();
    let good = request(&g, "A red cup");
    let refused = |klein: &mut Klein, request: &KleinRequest| {
        let error = klein.prepare(request, false, &none).unwrap_err();
        assert!(matches!(error, ModelError::Input(_)), "{error}");
        // And what was prepared before is not what is gone on with.
        assert!(klein.velocity(&noise, 0.7, true, &none).is_err());
    };
    for (width, height) in [
        (0, good.height),
        (good.width + 8, good.height),
        (good.width, 0),
    ] {
        klein.prepare(&good, false, &none).unwrap();
        let sides = KleinRequest {
            width,
            height,
            ..good.clone()
        };
        refused(&mut klein, &sides);
        let mut reference = good.clone();
        (
            reference.references[0].width,
            reference.references[0].height,
        ) = (width, height);
        klein.prepare(&good, false, &none).unwrap();
        refused(&mut klein, &reference);
    }
    klein.prepare(&good, false, &none).unwrap();
    assert!(klein.velocity(&noise, 0.7, true, &none).is_ok());
    // As many cells, and another shape.
    let turned = noise.transpose(2, 3).unwrap().contiguous().unwrap();
    assert_ne!(turned.dims(), noise.dims());
    let error = klein.velocity(&turned, 0.7, true, &none).unwrap_err();
    assert!(matches!(error, ModelError::Input(_)), "{error}");
}

#[test]
fn parts_loaded_in_turn_compute_the_same() {
    let g = Goldens::load();
    let noise = unfolded(&g["noise"]).unwrap();
    let run = |klein: &mut Klein| {
        klein
            .prepare(&request(&g, "A red cup"), true, &none)
            .unwrap();
        let v = klein.velocity(&noise, 0.7, true, &none).unwrap();
        let w = klein.velocity(&noise, 0.7, false, &none).unwrap();
        let rgb = klein.decode(&v, &none).unwrap();
        [v, w, rgb]
    };
    let mut all = klein(Residency::All);
    let mut turn = klein(Residency::InTurn);
    assert_eq!(turn.stats().loads, 1);
    for (a, b) in run(&mut all).iter().zip(run(&mut turn)) {
        assert_eq!(flux2::differences(a, &b), 0.0);
    }
    assert_eq!(all.stats().loads, 3);
    // Autoencoder, text encoder, autoencoder, transformer, autoencoder.
    assert_eq!(turn.stats().loads, 5);
}

#[test]
fn several_outputs_load_parts_as_often_as_one() {
    let mut job = insertion((200, 120), Level::Blob);
    job.spec.steps = 2;
    let mut run = |residency: Residency, outputs: u32| {
        let mut generator = Flux2Generator::new("tiny", klein(residency), 64);
        job.spec.outputs = outputs;
        let before = generator.stats().loads;
        let told = events(&job, &mut generator);
        (generator.stats().loads - before, told)
    };
    let (_, all) = run(Residency::All, 2);
    let (once, one) = run(Residency::InTurn, 1);
    let (twice, two) = run(Residency::InTurn, 2);
    // The text encoder, the autoencoder for references and canvas, the transformer, the autoencoder.
    assert_eq!((once, twice), (4, 4));
    let (expected, made) = (pictures(&all), pictures(&two));
    assert_eq!((expected.len(), made.len()), (2, 2));
    for (a, b) in expected.iter().zip(&made) {
        assert!(a.pixels() == b.pixels());
    }
    assert!(pictures(&one)[0].pixels() == made[0].pixels());
    // The same is told but for the order: outputs come last.
    let kinds = |told: &[JobEvent]| -> String {
        let letter = |event: &JobEvent| match event {
            JobEvent::Step { .. } => Some('s'),
            JobEvent::Preview(_) => Some('p'),
            JobEvent::Output(_) => Some('o'),
            _ => None,
        };
        told.iter().filter_map(letter).collect()
    };
    assert_eq!(kinds(&all), "spspospspo");
    assert_eq!(kinds(&two), "spspspspoo");
}

#[test]
fn a_strip_is_refused_in_words() {
    let mut generator = generator();
    let strip = |length| {
        let canvas = speckled(length, 100, 5, false);
        let mut job = with_picture(words("Make IMG1 blue"), Role::Canvas, canvas);
        job.spec.steps = 1;
        job
    };
    let failed = run(
        &strip(1600),
        &mut generator,
        &Cancel::default(),
        &mut |_| (),
    );
    assert_eq!(
        failed.unwrap_err().to_string(),
        "the loaded model takes pictures of which one side is at most 8 times the other, and what it is to see has 256 × 16 pixels: choose a part of the canvas that is nearer to a square"
    );
    assert_eq!(pictures(&events(&strip(800), &mut generator)).len(), 1);
}

#[test]
fn every_job_is_told_that_its_prompt_was_cut() {
    let g = Goldens::load();
    let mut klein = klein(Residency::All);
    let long = "A red cup. ".repeat(400);
    let mut warnings = |text: &str| {
        klein.prepare(&request(&g, text), false, &none).unwrap();
        klein.take_warnings()
    };
    let first = warnings(&long);
    assert!(first[0].starts_with("The prompt is longer than the model reads: its last "));
    assert_eq!(warnings(&long), first);
    assert!(warnings("A red cup").is_empty());
    assert_eq!(warnings(&long), first);
}

#[test]
fn a_hash_tells_how_the_weights_are_used() {
    let files = Files::find(&folder().join("model")).unwrap();
    let hash = |rounded, dtype| {
        let compute = Compute {
            rounded,
            dtype,
            ..Compute::on_processor()
        };
        let residency = Residency::InTurn;
        let loaded = Klein::load(files.clone(), compute, residency, &none, &mut |_, _| ());
        loaded.unwrap().hash().to_owned()
    };
    let plain = files.fingerprint().unwrap();
    assert_eq!(hash(false, DType::F32), plain);
    assert_eq!(
        hash(true, DType::F32),
        format!("{plain}, rounded to 8 bits")
    );
    assert_eq!(hash(false, DType::BF16), format!("{plain}, in bf16"));
    let both = format!("{plain}, rounded to 8 bits, in f16");
    assert_eq!(hash(true, DType::F16), both);
}

#[test]
fn an_insertion_changes_the_region_alone() {
    let mut generator = generator();
    let mut job = insertion((200, 120), Level::Blob);
    job.spec.model = "tiny".into();
    job.spec.outputs = 2;
    job.spec.steps = 2;
    let told = events(&job, &mut generator);
    assert!(
        sent(&told).starts_with(
            "Image 1 is the background, its grey area is to be filled in. Image 2 is a reference for an object. Put image 2 into image 1 at the grey area of image 1."
        ),
        "{}",
        sent(&told)
    );
    let made = pictures(&told);
    assert_eq!(made.len(), 2);
    let canvas = &job.pictures[0];
    for picture in &made {
        assert_eq!((picture.width(), picture.height()), (200, 120));
        assert_eq!(picture.pixel(0, 0), canvas.pixel(0, 0));
        assert_eq!(picture.pixel(199, 119), canvas.pixel(199, 119));
        assert_ne!(picture.pixel(100, 70), canvas.pixel(100, 70));
    }
    assert!(made[0].pixels() != made[1].pixels());
    // The same job again, and with more outputs before it: the same bytes.
    let again = pictures(&events(&job, &mut generator));
    assert!(again[0].pixels() == made[0].pixels() && again[1].pixels() == made[1].pixels());
    job.spec.seed += 1;
    job.spec.outputs = 1;
    assert!(pictures(&events(&job, &mut generator))[0].pixels() == made[1].pixels());
}

#[test]
fn the_modes_differ_and_are_kept_apart() {
    let mut generator = generator();
    let mut job = insertion((200, 120), Level::Blob);
    job.spec.steps = 2;
    let mut seen: Vec<(Vec<u8>, String)> = Vec::new();
    for mode in MaskedMode::ALL {
        job.spec.masked.mode = Some(mode);
        let told = events(&job, &mut generator);
        let entry = (pictures(&told)[0].pixels().to_vec(), sent(&told).to_owned());
        assert!(!seen.contains(&entry), "{mode:?}");
        assert!(
            seen.iter().all(|(pixels, _)| *pixels != entry.0),
            "{mode:?}"
        );
        seen.push(entry);
    }
    // Only where the canvas is not shown it is called the background.
    assert!(
        seen[1]
            .1
            .contains("Put image 1 into the background at the place in the middle.")
    );
}

#[test]
fn strength_takes_fewer_steps_and_keeps_more() {
    let mut generator = generator();
    let canvas = speckled(64, 64, 5, false);
    let job = with_picture(
        words("Make IMG1 blue at IMG2"),
        Role::Canvas,
        canvas.clone(),
    );
    let mut job = with_region(job, rectangle((64, 64), 8..56, 8..56), Level::Box, None);
    job.spec.steps = 4;
    let mut moved = Vec::new();
    for (strength, steps) in [(None, 4), (Some(0.75), 3), (Some(0.25), 1)] {
        job.spec.masked.strength = strength;
        let told = events(&job, &mut generator);
        let count = told.iter().filter(|e| matches!(e, JobEvent::Step { .. }));
        assert_eq!(count.count(), steps);
        let whole = told.iter().all(|e| match e {
            JobEvent::Step { steps: all, .. } => *all == steps as u32,
            _ => true,
        });
        assert!(whole);
        let picture = pictures(&told).swap_remove(0);
        let pairs = picture.pixels().iter().zip(canvas.pixels());
        moved.push(pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>());
    }
    assert!(
        moved[0] > 0 && moved[0] != moved[1] && moved[1] != moved[2],
        "{moved:?}"
    );
}

#[test]
fn more_than_four_references_are_refused_in_words() {
    let mut generator = generator();
    let mut job = words("All of them");
    for seed in 0..5 {
        job = with_picture(job, Role::Asset, speckled(64, 64, seed, false));
    }
    let failed = run(&job, &mut generator, &Cancel::default(), &mut |_| ());
    assert_eq!(
        failed.unwrap_err().to_string(),
        "the loaded model takes 4 pictures at most besides masks and this job has 5: remove some"
    );
}

#[test]
fn cancelling_stops_between_blocks() {
    let mut generator = generator();
    let cancel = Cancel::default();
    let mut steps = 0;
    let mut job = insertion((200, 120), Level::Blob);
    job.spec.steps = 8;
    let ended = run(&job, &mut generator, &cancel, &mut |event| {
        if matches!(event, JobEvent::Step { .. }) {
            steps += 1;
            cancel.cancel();
        }
    });
    assert_eq!(ended.unwrap_err().to_string(), "cancelled");
    assert_eq!(steps, 1);
    // The generator is whole afterwards.
    let z = Tensor::zeros((1, 4, 8, 8), candle_core::DType::F32, &Device::Cpu).unwrap();
    assert!(generator.decode(&z, &Cancel::default()).is_ok());
    assert!(
        generator
            .velocity(&z, 0.5, Branch::NoReferences, &Cancel::default())
            .is_err()
    );
}

#[test]
fn memory_is_told_before_loading() {
    let files = Files::find(&folder().join("model")).unwrap();
    let compute = Compute::on_processor();
    let estimate = Estimate::of(&files, MemoryOf::Cpu).unwrap();
    let net = Transformer::load(&files.transformer, &compute, &none, &mut |_| ()).unwrap();
    // Only the norms of heads, a few hundred bytes, are no matrices.
    let rest = estimate.transformer - net.bytes();
    assert!(rest > 0 && rest < 1000, "{rest}");
    let text = TextEncoder::load(&files.text, &compute, &none, &mut |_| ()).unwrap();
    // The tiny encoder's fourth layer is counted: only those beyond the real one's 27th are known to be left out.
    assert!(estimate.text > text.bytes() && estimate.text < text.bytes() * 3 / 2);
    assert!(estimate.in_turn() < estimate.all());
    // Rounded to 8 bits: as promised, and less.
    let rounded = Compute {
        rounded: true,
        ..compute
    };
    let small = Transformer::load(&files.transformer, &rounded, &none, &mut |_| ()).unwrap();
    let promised = estimate.rounded();
    let rest = promised.transformer - small.bytes();
    assert!(rest > 0 && rest < 1000, "{rest}");
    assert!(small.bytes() < net.bytes() * 3 / 4);
    assert!(promised.in_turn() <= estimate.in_turn() && promised.all() < estimate.all());
}

fn picture_of(path: &Path) -> (Picture, String) {
    let mut loader = ModelLoader::new(DeviceKind::Cpu);
    let mut shares = Vec::new();
    let mut loaded = loader
        .load(
            &ModelSource::Folder(path.into()),
            &Cancel::default(),
            &mut |share, _| shares.push(share),
        )
        .unwrap();
    assert!(
        shares.windows(2).all(|pair| pair[0] <= pair[1]),
        "{shares:?}"
    );
    assert_eq!(shares.last(), Some(&1.0));
    assert!(loaded.parameters > 100_000);
    let mut job = insertion((200, 120), Level::Blob);
    job.spec.steps = 2;
    let told = events(&job, loaded.generator.as_mut());
    let picture = pictures(&told).swap_remove(0);
    (
        Picture::clone(&picture),
        loaded.generator.info().hash.clone(),
    )
}

#[test]
fn both_layouts_make_the_same_picture() {
    let folder_of_files = tempfile::tempdir().unwrap();
    let file = comfy(folder_of_files.path(), "transformer.safetensors");
    let tiny = folder().join("model");
    assert!(is_flux2(&file) && is_flux2(&tiny) && is_flux2(file.parent().unwrap()));
    assert!(!is_flux2(&folder().join("../tiny")));
    let (a, hash) = picture_of(&tiny);
    let (b, other) = picture_of(&file);
    assert!(a.pixels() == b.pixels());
    assert_ne!(hash, other);
    // Fewer bits, another picture of the same job.
    for name in ["transformer_fp8.safetensors", "transformer_q8_0.gguf"] {
        let file = comfy(folder_of_files.path(), name);
        let (c, _) = picture_of(&file);
        assert!(c.pixels() != a.pixels(), "{name}");
    }
}

#[test]
fn klein_base_is_told_by_its_name_or_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let file = comfy(folder.path(), "transformer.safetensors");
    assert!(Files::find(&file).unwrap().distilled);
    let base = file.with_file_name("flux-2-klein-base-4b.safetensors");
    std::fs::rename(&file, &base).unwrap();
    let files = Files::find(&base).unwrap();
    assert!(!files.distilled);
    // Folders of single files and other words say nothing.
    let models = folder.path().join("base-models");
    std::fs::create_dir(&models).unwrap();
    let klein = comfy(&models, "transformer.safetensors");
    assert!(Files::find(&klein).unwrap().distilled);
    // Only the base is guided by the words unless the artist says otherwise.
    let compute = Compute::on_processor();
    let model = Klein::load(files, compute, Residency::All, &none, &mut |_, _| ()).unwrap();
    let guided = Flux2Generator::new("base", model, 64);
    let plain = generator();
    let defaults = |of: &Flux2Generator| (of.info().default_steps, of.info().default_guidance);
    assert_eq!((defaults(&guided), defaults(&plain)), ((28, 4.0), (4, 1.0)));
}

#[test]
fn the_command_line_generates_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let canvas = speckled(160, 120, 5, false);
    let save = |name: &str, picture: &Picture| {
        let (w, h) = (picture.width(), picture.height());
        image::save_buffer(at(name), picture.pixels(), w, h, image::ColorType::Rgba8).unwrap();
    };
    save("canvas.png", &canvas);
    save("asset.png", &speckled(70, 66, 6, false));
    let mask = rectangle((160, 120), 60..110, 40..90);
    let rgba: Vec<u8> = mask
        .values()
        .iter()
        .flat_map(|v| [*v, *v, *v, 255])
        .collect();
    save("mask.png", &Picture::from_rgba(160, 120, rgba).unwrap());
    let output = Command::cargo_bin("inlay")
        .unwrap()
        .arg("generate")
        .arg("--model")
        .arg(flux2::folder().join("model"))
        .args([
            "--device",
            "cpu",
            "--prompt",
            "Put IMG2 into IMG1 at IMG3",
            "--json",
        ])
        .args(["--mode", "context", "--outputs", "2"])
        .arg("--canvas")
        .arg(at("canvas.png"))
        .arg("--asset")
        .arg(at("asset.png"))
        .arg("--mask")
        .arg(at("mask.png"))
        .arg("--out")
        .arg(at("out.png"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["job"]["steps"], 4);
    assert_eq!(json["job"]["masked"]["mode"], "context");
    assert_eq!(json["job"]["model"], "model");
    let text = json["sent"].as_str().unwrap();
    assert!(
        text.contains("Put image 2 into image 1 at the grey area of image 1."),
        "{text}"
    );
    for n in [1, 2] {
        let made = image::open(at(&format!("out-{n}.png"))).unwrap().to_rgba8();
        assert_eq!(made.dimensions(), (160, 120));
        assert_eq!(made.get_pixel(0, 0).0, canvas.pixel(0, 0));
        assert_ne!(made.get_pixel(85, 65).0, canvas.pixel(85, 65));
    }
}
