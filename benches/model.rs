//! The model's speed on this machine: a step, encoding, decoding. `cargo bench --bench model`.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use criterion::{Criterion, criterion_group, criterion_main};
use inlay::doc::Role;
use inlay::model::{Condition, InputPicture, Request, Source, UniReal, preset, random_folder};

fn request(inputs: usize) -> Request {
    let side = 128;
    let images = (0..inputs).map(|index| InputPicture {
        key: index as u64,
        role: if index == 0 {
            Role::Canvas
        } else {
            Role::Asset
        },
        kind: None,
        level: None,
        fit: None,
        width: side,
        height: side,
        values: Arc::from(vec![0.1 * index as f32; (side * side * 3) as usize]),
        placed: None,
    });
    Request {
        text: "a red chair on the grass".into(),
        images: images.collect(),
        width: side,
        height: side,
        joint: 1,
        map: false,
    }
}

fn model(c: &mut Criterion) {
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    let loaded = preset("nano-s")
        .and_then(|p| random_folder(&p.config(), 1, folder.path()))
        .and_then(|()| UniReal::load(&Source::Folder(folder.path().into()), &Device::Cpu));
    let Ok(mut model) = loaded else { return };
    let go = || false;
    let Ok(z) = Tensor::randn(0f32, 1f32, (1, 32, 16, 16), &Device::Cpu) else {
        return;
    };
    for inputs in [1, 3, 8] {
        if model.prepare(&request(inputs), &go).is_err() {
            return;
        }
        c.bench_function(&format!("step, {inputs} inputs"), |b| {
            b.iter(|| model.velocity(&z, 0.5, Condition::Full, &go));
        });
    }
    c.bench_function("prepare 3 inputs", |b| {
        b.iter(|| {
            model.clear_caches();
            model.prepare(&request(3), &go)
        });
    });
    let rgb = vec![0.5; 128 * 128 * 3];
    c.bench_function("encode", |b| {
        b.iter(|| model.encode(&rgb, 128, 128, &|| false))
    });
    c.bench_function("decode", |b| b.iter(|| model.decode(&z, &go)));
}

criterion_group!(benches, model);
criterion_main!(benches);
