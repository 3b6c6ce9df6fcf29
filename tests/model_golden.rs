//! The model against the PyTorch reference: `training/goldens.py` wrote `tests/golden`.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use inlay::doc::{ControlKind, Level, Role};
use inlay::model::{
    AttentionKind, Content, Grid, ImageInput, Kernels, ModelError, OutputBasis, PREVIEW_CHANNELS,
    PreviewDecoder, Source, Transformer, UniReal, embedded,
};

type Goldens = HashMap<String, Tensor>;

const PROMPTS: [&str; 3] = [
    "With reference object; static scenario. Put the red chair of IMG2 into IMG1 at the place of IMG3.",
    "",
    "RES1 is the picture, RES2 its mask: naïve 漢字.",
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn goldens() -> Goldens {
    candle_core::safetensors::load(folder().join("golden.safetensors"), &Device::Cpu).unwrap()
}

/// The tiny model; with full attention, through a copy of its folder with another config.json.
fn model(attention: AttentionKind) -> UniReal {
    let tiny = folder().join("tiny");
    if attention == AttentionKind::Cached {
        return UniReal::load(&Source::Folder(tiny), &Device::Cpu).unwrap();
    }
    let copy = tempfile::tempdir().unwrap();
    for file in inlay::model::FILES {
        std::fs::copy(tiny.join(file), copy.path().join(file)).unwrap();
    }
    let config = std::fs::read_to_string(tiny.join("config.json")).unwrap();
    let full = config.replace("\"attention\": \"cached\"", "\"attention\": \"full\"");
    assert_ne!(config, full);
    std::fs::write(copy.path().join("config.json"), full).unwrap();
    UniReal::load(&Source::Folder(copy.path().into()), &Device::Cpu).unwrap()
}

/// Largest difference as a share of the largest value of the golden tensor.
fn error(found: &Tensor, golden: &Tensor) -> f32 {
    assert_eq!(
        found.elem_count(),
        golden.elem_count(),
        "{found:?} {golden:?}"
    );
    let a: Vec<f32> = found.flatten_all().unwrap().to_vec1().unwrap();
    let b: Vec<f32> = golden.flatten_all().unwrap().to_vec1().unwrap();
    let scale = b.iter().fold(0f32, |m, v| m.max(v.abs()));
    let largest = a.iter().zip(&b).fold(0f32, |m, (a, b)| {
        assert!(a.is_finite());
        m.max((a - b).abs())
    });
    largest / scale
}

#[track_caller]
fn check(name: &str, found: &Tensor, g: &Goldens, tolerance: f32) {
    let e = error(found, &g[name]);
    assert!(
        e <= tolerance,
        "{name}: relative error {e:e}, allowed {tolerance:e}"
    );
}

fn ids(g: &Goldens, name: &str) -> Vec<u32> {
    g[name]
        .flatten_all()
        .unwrap()
        .to_dtype(DType::U32)
        .unwrap()
        .to_vec1()
        .unwrap()
}

#[test]
fn prompts_become_the_same_tokens() {
    let g = goldens();
    let mut model = model(AttentionKind::Cached);
    for (i, prompt) in PROMPTS.iter().enumerate() {
        let tokens = model.text().tokenize(prompt).unwrap();
        assert_eq!(tokens.ids, ids(&g, &format!("text.{i}.ids")), "{prompt:?}");
        assert_eq!(tokens.cut, 0);
    }
}

#[test]
fn text_encoder() {
    let g = goldens();
    let mut model = model(AttentionKind::Cached);
    for i in 0..PROMPTS.len() {
        let encoded = model
            .text()
            .encode(&ids(&g, &format!("text.{i}.ids")))
            .unwrap();
        check(&format!("text.{i}.out"), &encoded, &g, 1e-5);
    }
}

#[test]
fn the_autoencoder_refuses_other_shapes() {
    let model = model(AttentionKind::Cached);
    let zeros = |shape: (usize, usize, usize, usize)| {
        Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap()
    };
    let channels = model.config().autoencoder.latent_channels;
    for shape in [
        (1, 3, 30, 32),
        (1, 3, 32, 30),
        (1, 2, 32, 32),
        (1, 4, 32, 32),
    ] {
        let encoded = model.autoencoder().encode(&zeros(shape), &|| false);
        let error = encoded.unwrap_err();
        assert!(matches!(error, ModelError::Input(_)), "{shape:?}: {error}");
    }
    let other = zeros((1, channels + 1, 4, 4));
    let error = model.autoencoder().decode(&other, &|| false).unwrap_err();
    assert!(matches!(error, ModelError::Input(_)), "{error}");
}

#[test]
fn autoencoder_at_two_aspects() {
    let g = goldens();
    let model = model(AttentionKind::Cached);
    for name in ["square", "wide"] {
        let z = model
            .autoencoder()
            .encode(&g[&format!("ae.{name}.rgb")], &|| false)
            .unwrap();
        assert_eq!(z.dims(), g[&format!("ae.{name}.latent")].dims());
        check(&format!("ae.{name}.latent"), &z, &g, 1e-5);
        let rgb = model
            .autoencoder()
            .decode(&g[&format!("ae.{name}.latent")], &|| false)
            .unwrap();
        assert_eq!(rgb.dims(), g[&format!("ae.{name}.decoded")].dims());
        check(&format!("ae.{name}.decoded"), &rgb, &g, 1e-5);
    }
}

/// Canvas, placed asset, mask and placement control, as goldens.py builds them.
fn images(g: &Goldens, level: Level, fit: Option<f32>) -> Vec<ImageInput> {
    let latent = |name: &str| Content::Latent(g[name].clone());
    let image = |role, index, kind, content| ImageInput {
        role,
        kind,
        index,
        content,
        level: None,
        fit: None,
        placed: None,
    };
    let placed: Vec<f32> = g["x.placed"].flatten_all().unwrap().to_vec1().unwrap();
    let mask = g["x.mask"].squeeze(0).unwrap();
    vec![
        image(Role::Canvas, 0, None, latent("x.canvas")),
        ImageInput {
            placed: Some([placed[0], placed[1], placed[2], placed[3]]),
            ..image(Role::Asset, 1, None, latent("x.asset"))
        },
        ImageInput {
            level: Some(level),
            fit,
            ..image(
                Role::Control,
                2,
                Some(ControlKind::Mask),
                Content::Mask(mask),
            )
        },
        image(
            Role::Control,
            3,
            Some(ControlKind::Placement),
            latent("x.placement"),
        ),
    ]
}

const FRAME: Grid = (4, 6);

struct Case<'a> {
    transformer: &'a Transformer,
    text: Tensor,
}

impl<'a> Case<'a> {
    fn new(model: &'a mut UniReal, g: &Goldens) -> Self {
        let ids = ids(g, "x.ids");
        let encoded = model.text().encode(&ids).unwrap();
        let transformer = model.transformer();
        Self {
            text: transformer.text_tokens(&encoded, &ids).unwrap(),
            transformer,
        }
    }

    fn basis(&self, images: &[ImageInput], joint: usize) -> OutputBasis {
        let images: Vec<_> = images.iter().collect();
        self.transformer
            .output_basis(&images, FRAME, joint)
            .unwrap()
    }

    fn context(&self, images: &[ImageInput], joint: usize) -> inlay::model::Context {
        self.context_from(images, self.basis(images, joint))
    }

    fn context_from(&self, images: &[ImageInput], basis: OutputBasis) -> inlay::model::Context {
        let t = self.transformer;
        let go = || false;
        let tokens: Vec<_> = images.iter().map(|i| t.image_tokens(i).unwrap()).collect();
        let ropes: Vec<_> = images
            .iter()
            .map(|i| t.cross_rope(i, FRAME).unwrap())
            .collect();
        match t.attention() {
            AttentionKind::Full => {
                let mut parts = vec![(&self.text, None)];
                parts.extend(tokens.iter().zip(ropes).map(|(t, r)| (t, Some(r))));
                t.full_context(&parts, basis, FRAME).unwrap()
            }
            AttentionKind::Cached => {
                let text = t.segment(&self.text, None, &go).unwrap();
                let segments: Vec<_> = images
                    .iter()
                    .zip(&tokens)
                    .map(|(i, x)| t.segment(x, Some(i.grid().unwrap()), &go).unwrap())
                    .collect();
                let mut parts = vec![(&text, None)];
                parts.extend(segments.iter().zip(ropes).map(|(s, r)| (s, Some(r))));
                t.cached_context(&parts, basis, FRAME).unwrap()
            }
        }
    }
}

fn transformer_equals_reference(attention: AttentionKind, name: &str) {
    let g = goldens();
    let mut model = model(attention);
    let case = Case::new(&mut model, &g);
    let images4 = images(&g, Level::Blob, Some(0.6));
    check(&format!("{name}.tokens.text"), &case.text, &g, 1e-5);
    for (i, image) in images4.iter().enumerate() {
        let tokens = case.transformer.image_tokens(image).unwrap();
        check(&format!("{name}.tokens.image.{i}"), &tokens, &g, 1e-5);
    }
    let z = g["x.z"].flatten(0, 1).unwrap();
    let context = case.context(&images4, 2);
    let mut seen = Vec::new();
    let mut trace = |step: &str, value: &Tensor| {
        check(&format!("{name}.{step}"), value, &g, 2e-5);
        seen.push(step.to_string());
    };
    let go = || false;
    let output = case
        .transformer
        .output(&z, 0.7, &context, &go, Some(&mut trace))
        .unwrap();
    assert_eq!(seen, ["temb", "tokens.out", "block.0", "block.1"]);
    check(&format!("{name}.out"), &output, &g, 2e-5);
    let velocity = case
        .transformer
        .velocity(&z, 0.7, &context, &go, None)
        .unwrap();
    check(&format!("{name}.velocity"), &velocity, &g, 2e-5);

    let context = case.context_from(&images4, case.basis(&images4, 2).from_nothing());
    let output = case
        .transformer
        .output(&z, 0.7, &context, &go, None)
        .unwrap();
    check(&format!("{name}.map"), &output, &g, 2e-5);

    let unknown = images(&g, Level::Exact, None);
    let context = case.context(&unknown[..3], 2);
    let output = case
        .transformer
        .output(&z, 0.7, &context, &go, None)
        .unwrap();
    check(&format!("{name}.unknown_fit"), &output, &g, 2e-5);

    let context = case.context(&[], 2);
    let output = case
        .transformer
        .output(&z, 0.7, &context, &go, None)
        .unwrap();
    check(&format!("{name}.text_only"), &output, &g, 2e-5);
}

#[test]
fn transformer_with_cached_attention() {
    transformer_equals_reference(AttentionKind::Cached, "cached");
}

#[test]
fn transformer_with_full_attention() {
    transformer_equals_reference(AttentionKind::Full, "full");
}

#[test]
fn three_masked_steps() {
    let g = goldens();
    let mut model = model(AttentionKind::Cached);
    let rgb = {
        let case = Case::new(&mut model, &g);
        let context = case.context(&images(&g, Level::Blob, Some(0.6))[..3], 1);
        let times: Vec<f32> = g["sample.times"].to_vec1().unwrap();
        let noise = g["sample.noise"].flatten(0, 1).unwrap();
        let canvas = &g["x.canvas"];
        // The mask at the latents' resolution: a cell is kept if any of its pixels is.
        let mask = g["x.mask"].squeeze(0).unwrap();
        let (h, w) = mask.dims2().unwrap();
        let keep = mask
            .reshape((h / 8, 8, w / 8, 8))
            .unwrap()
            .max(3)
            .unwrap()
            .max(1)
            .unwrap();
        let drop = keep.affine(-1.0, 1.0).unwrap();
        let mut z = noise.clone();
        for i in 0..3 {
            let (t, next) = (f64::from(times[i]), f64::from(times[i + 1]));
            let v = case
                .transformer
                .velocity(&z, t, &context, &|| false, None)
                .unwrap();
            z = (&z + (v * (next - t)).unwrap()).unwrap();
            let known = ((canvas * (1.0 - next)).unwrap() + (&noise * next).unwrap()).unwrap();
            z = (z.broadcast_mul(&keep).unwrap() + known.broadcast_mul(&drop).unwrap()).unwrap();
            check(&format!("sample.z.{i}"), &z, &g, 5e-5);
        }
        model.autoencoder().decode(&z, &|| false).unwrap()
    };
    check("sample.rgb", &rgb, &g, 5e-5);
}

#[test]
fn previews_of_flux2_are_the_references_and_near_the_picture() {
    let file = folder().join("preview.safetensors");
    let golden = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
    let latents = &golden["latents"];
    assert_eq!(latents.dim(1).unwrap(), PREVIEW_CHANNELS);
    let picture = (golden["picture"].to_dtype(DType::F32).unwrap() / 255.0).unwrap();
    for kernels in [Kernels::Plain, Kernels::Fused] {
        let decoder = PreviewDecoder::load(&Device::Cpu, kernels).unwrap();
        let rgb = decoder.decode(latents, &|| false).unwrap();
        assert!(error(&rgb, &golden["rgb"]) < 1e-4);
        let missed = (&rgb - &picture)
            .unwrap()
            .sqr()
            .unwrap()
            .mean_all()
            .unwrap();
        let psnr = -10.0 * missed.to_scalar::<f32>().unwrap().log10();
        assert!(psnr > 28.0, "{psnr} dB");
        assert!(decoder.decode(latents, &|| true).is_err());
    }
}

#[test]
fn light_is_the_references() {
    let file = folder().join("light.safetensors");
    let golden = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
    let model = UniReal::load(&embedded().unwrap(), &Device::Cpu).unwrap();
    let light = model.light().unwrap();
    let maps = light.light(&golden["input"], &|| false).unwrap();
    for (name, found) in [
        ("objects", &maps.objects),
        ("mirrored", &maps.mirrored),
        ("ground", &maps.ground),
    ] {
        assert_eq!(found.dims(), golden[name].dims());
        assert!(error(found, &golden[name]) < 1e-4, "{name}");
    }
    assert!(light.light(&golden["input"], &|| true).is_err());
}
