//! Reading models: what is accepted, and one sentence for each way in which a model can be broken.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Device;
use inlay::model::{
    AUTOENCODER_FILE, AttentionKind, CONFIG_FILE, Config, DeviceKind, FILES, LIGHT_FILE,
    LightConfig, PRESETS, Source, TEXT_FILE, TOKENIZER_FILE, TRANSFORMER_FILE, UniReal,
    open_device, preset, random_folder, tiny_config,
};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tempfile::TempDir;

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    random_folder(&tiny_config(AttentionKind::Cached), 1, folder.path()).unwrap();
    folder
}

fn load(folder: &Path) -> Result<UniReal, String> {
    UniReal::load(&Source::Folder(folder.into()), &Device::Cpu).map_err(|e| e.to_string())
}

/// The error of a folder, which must be one line.
#[track_caller]
fn error(folder: &Path) -> String {
    let text = load(folder).err().expect("the broken model was loaded");
    assert!(!text.contains('\n'), "{text}");
    text
}

type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

/// Rewrites a file of tensors.
fn rewrite(folder: &Path, file: &str, change: impl FnOnce(&mut Tensors)) {
    let bytes = std::fs::read(folder.join(file)).unwrap();
    let archive = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Tensors = archive
        .tensors()
        .into_iter()
        .map(|(name, v)| (name, (v.dtype(), v.shape().to_vec(), v.data().to_vec())))
        .collect();
    change(&mut tensors);
    let views: Vec<_> = tensors
        .iter()
        .map(|(name, (dtype, shape, data))| {
            (
                name.clone(),
                TensorView::new(*dtype, shape.clone(), data).unwrap(),
            )
        })
        .collect();
    std::fs::write(
        folder.join(file),
        safetensors::serialize(views, None).unwrap(),
    )
    .unwrap();
}

#[test]
fn a_missing_file_is_named() {
    for file in FILES {
        let folder = folder();
        std::fs::remove_file(folder.path().join(file)).unwrap();
        let text = error(folder.path());
        assert!(
            text.contains(file) && text.contains("cannot be read"),
            "{text}"
        );
    }
    assert!(error(Path::new("no/such/folder")).contains(CONFIG_FILE));
    let empty = Source::Embedded(&[]);
    let text = UniReal::load(&empty, &Device::Cpu)
        .err()
        .unwrap()
        .to_string();
    assert!(
        text.contains("config.json") && text.contains("not part of this program"),
        "{text}"
    );
}

#[test]
fn a_truncated_or_garbled_file_is_named() {
    for file in [
        AUTOENCODER_FILE,
        TEXT_FILE,
        TRANSFORMER_FILE,
        TOKENIZER_FILE,
    ] {
        let bytes = std::fs::read(folder().path().join(file)).unwrap();
        let mut garbled = bytes.clone();
        garbled[..16].fill(0xff);
        let cases = [
            Vec::new(),
            bytes[..4].to_vec(),
            bytes[..bytes.len() / 2].to_vec(),
            bytes[..bytes.len() - 1].to_vec(),
            garbled,
        ];
        for broken in cases {
            let folder = folder();
            std::fs::write(folder.path().join(file), broken).unwrap();
            let text = error(folder.path());
            assert!(text.contains(file) && text.contains("is damaged"), "{text}");
        }
    }
}

#[test]
fn a_missing_tensor_is_named() {
    for (file, name) in [
        (AUTOENCODER_FILE, "decoder.stage0.0.conv2.bias"),
        (
            TEXT_FILE,
            "encoder.block.1.layer.1.DenseReluDense.wo.weight",
        ),
        (TRANSFORMER_FILE, "blocks.1.q_norm.weight"),
    ] {
        let folder = folder();
        rewrite(folder.path(), file, |t| {
            t.remove(name).unwrap();
        });
        let text = error(folder.path());
        assert!(
            text.contains(&format!("{file} lacks the tensor {name}")),
            "{text}"
        );
    }
}

#[test]
fn a_wrong_shape_is_named_with_both_shapes() {
    let folder = folder();
    rewrite(folder.path(), TRANSFORMER_FILE, |t| {
        t.get_mut("blocks.0.qkv.weight").unwrap().1 = vec![64, 192];
    });
    let text = error(folder.path());
    let expected =
        "blocks.0.qkv.weight in transformer.safetensors has shape [64, 192], expected [192, 64]";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_wrong_type_is_named() {
    let folder = folder();
    rewrite(folder.path(), AUTOENCODER_FILE, |t| {
        t.get_mut("encoder.stem.bias").unwrap().0 = Dtype::I32;
    });
    let text = error(folder.path());
    assert!(
        text.contains("encoder.stem.bias in autoencoder.safetensors has type I32"),
        "{text}"
    );
}

#[test]
fn values_that_are_not_finite_are_refused() {
    let folder = folder();
    rewrite(folder.path(), TEXT_FILE, |t| {
        t.get_mut("shared.weight").unwrap().2[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    let text = error(folder.path());
    assert!(
        text.contains("shared.weight in text.safetensors holds values that are not finite"),
        "{text}"
    );
}

#[test]
fn unknown_tensors_are_reported() {
    let folder = folder();
    rewrite(folder.path(), TRANSFORMER_FILE, |t| {
        let extra = t["fit_null"].clone();
        t.insert("blocks.2.gate.weight".into(), extra.clone());
        t.insert("zzz".into(), extra);
    });
    let text = error(folder.path());
    assert!(
        text.contains("holds the tensor blocks.2.gate.weight and 1 more"),
        "{text}"
    );
}

#[test]
fn t5_may_come_with_its_tied_copy() {
    let folder = folder();
    rewrite(folder.path(), TEXT_FILE, |t| {
        let shared = t["shared.weight"].clone();
        t.insert("encoder.embed_tokens.weight".into(), shared);
    });
    load(folder.path()).map(|_| ()).unwrap();
}

#[test]
fn half_precision_files_are_read() {
    let folder = folder();
    for file in [AUTOENCODER_FILE, TEXT_FILE, TRANSFORMER_FILE] {
        for (dtype, encode) in [
            (
                Dtype::F16,
                (|v| half::f16::from_f32(v).to_bits()) as fn(f32) -> u16,
            ),
            (Dtype::BF16, |v| half::bf16::from_f32(v).to_bits()),
        ] {
            rewrite(folder.path(), file, |t| {
                for (kind, _, data) in t.values_mut().filter(|t| t.0 == Dtype::F32) {
                    *kind = dtype;
                    *data = data
                        .as_chunks::<4>()
                        .0
                        .iter()
                        .flat_map(|b| encode(f32::from_le_bytes(*b)).to_le_bytes())
                        .collect();
                }
            });
            load(folder.path()).map(|_| ()).unwrap();
            if dtype == Dtype::F16 {
                // Back to f32 values that BF16 will round once more.
                rewrite(folder.path(), file, |t| {
                    for (kind, _, data) in t.values_mut() {
                        *kind = Dtype::F32;
                        *data = data
                            .as_chunks::<2>()
                            .0
                            .iter()
                            .flat_map(|b| half::f16::from_le_bytes(*b).to_f32().to_le_bytes())
                            .collect();
                    }
                });
            }
        }
    }
}

#[test]
fn a_configuration_that_makes_no_sense_is_explained() {
    let cases: [(&str, &str, &str); 11] = [
        (
            "\"format\": 1",
            "\"format\": 2",
            "format is 2, this program reads 1",
        ),
        ("\"unireal\"", "\"other\"", "family is \"other\""),
        (
            "\"kind\": \"conv\"",
            "\"kind\": \"vq\"",
            "autoencoder.kind is \"vq\"",
        ),
        (
            "\"heads\": 2",
            "\"heads\": 3",
            "transformer.width 64 does not divide into 3 heads",
        ),
        (
            "\"heads\": 2",
            "\"heads\": 0",
            "transformer.heads is 0, expected 1 to 256",
        ),
        (
            "\"width\": 64",
            "\"width\": 99999999",
            "transformer.width is 99999999",
        ),
        (
            "\"resolution\": 64",
            "\"resolution\": 65",
            "resolution is 65, expected a multiple of 16",
        ),
        ("\"shift\": 1.0", "\"shift\": -1.0", "schedule.shift is -1"),
        (
            "\"gated-gelu\"",
            "\"relu\"",
            "text.feed_forward_proj is \"relu\"",
        ),
        ("\"cached\"", "\"sparse\"", "unknown variant `sparse`"),
        ("\"layers\": 2,", "", "missing field `layers`"),
    ];
    let json =
        String::from_utf8(serde_json::to_vec_pretty(&tiny_config(AttentionKind::Cached)).unwrap())
            .unwrap();
    for (from, to, expected) in cases {
        let changed = json.replacen(from, to, 1);
        assert_ne!(json, changed, "{from}");
        let text = Config::from_json(changed.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(text.contains(expected), "{text}");
        let folder = folder();
        std::fs::write(folder.path().join(CONFIG_FILE), changed).unwrap();
        assert_eq!(error(folder.path()), text);
    }
    for broken in ["", "{", "null", "[]", "\u{fffd}"] {
        let text = Config::from_json(broken.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("config.json of the model is not valid"),
            "{text}"
        );
    }
    let mut config = tiny_config(AttentionKind::Cached);
    config.latent_rgb[1].pop();
    let text = config.validate().unwrap_err().to_string();
    assert!(
        text.contains("latent_rgb must have 3 rows of 33 numbers"),
        "{text}"
    );
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let folder = folder();
    let path = folder.path().join(TOKENIZER_FILE);
    let json = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, json.replace("IMG1", "PIC1")).unwrap();
    let text = error(folder.path());
    assert!(text.contains("IMG1 must be token 3"), "{text}");

    let mut config = tiny_config(AttentionKind::Cached);
    config.text.vocab_size = 100;
    random_folder(&config, 1, folder.path()).unwrap();
    let text = error(folder.path());
    assert!(
        text.contains("it has 271 tokens, the text encoder 100"),
        "{text}"
    );
}

#[test]
fn the_hash_names_the_content() {
    let (a, b) = (folder(), folder());
    let hash = |f: &TempDir| load(f.path()).unwrap().hash().to_string();
    assert_eq!(hash(&a), hash(&b));
    assert_eq!(hash(&a).len(), 64);
    rewrite(b.path(), TRANSFORMER_FILE, |t| {
        t.get_mut("fit_null").unwrap().2[0] ^= 1
    });
    assert_ne!(hash(&a), hash(&b));
}

#[test]
fn loading_tells_how_far_it_is() {
    let folder = folder();
    let mut seen = Vec::new();
    let source = Source::Folder(folder.path().into());
    let kernels = inlay::model::Kernels::Fused;
    UniReal::load_with(&source, &Device::Cpu, kernels, &mut |bytes, file| {
        seen.push((bytes, file.to_string()));
    })
    .unwrap();
    let names: Vec<_> = seen.iter().map(|(_, file)| file.as_str()).collect();
    assert_eq!(names, FILES);
    let total: u64 = FILES
        .iter()
        .map(|f| std::fs::metadata(folder.path().join(f)).unwrap().len())
        .sum();
    assert_eq!(seen.last().unwrap().0, total);
}

#[test]
fn presets() {
    let found: Vec<_> = PRESETS
        .iter()
        .map(|p| {
            let config = p.config();
            config.validate().unwrap();
            let n = config.parameters();
            (p.name, n.autoencoder, n.text, n.transformer)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("nano-s", 4_203_756, 574_208, 5_044_864),
            ("nano", 4_203_756, 2_066_304, 23_397_632),
            ("small", 4_203_756, 13_767_936, 120_411_520),
            ("base", 4_203_756, 42_148_864, 493_918_080),
        ]
    );
    assert_eq!(preset("nano").unwrap().width, 384);
    let text = preset("huge").unwrap_err().to_string();
    assert!(
        text.contains("choose one of nano-s, nano, small, base"),
        "{text}"
    );
}

#[test]
fn devices() {
    assert!(open_device(DeviceKind::Cpu).unwrap().is_cpu());
    open_device(DeviceKind::Auto).unwrap();
    assert_eq!("metal".parse::<DeviceKind>().unwrap(), DeviceKind::Metal);
    let text = "tpu".parse::<DeviceKind>().unwrap_err().to_string();
    assert_eq!(
        text,
        "there is no device “tpu”, use auto, cpu, cuda or metal"
    );
    if !cfg!(feature = "cuda") {
        let text = open_device(DeviceKind::Cuda).unwrap_err().to_string();
        assert!(text.contains("built without CUDA"), "{text}");
    }
    if !cfg!(feature = "metal") {
        let text = open_device(DeviceKind::Metal).unwrap_err().to_string();
        assert!(text.contains("built without Metal"), "{text}");
    }
}

#[test]
fn a_light_model_is_read_if_the_configuration_speaks_of_one() {
    let plain = folder();
    assert!(load(plain.path()).unwrap().light().is_none());
    let lit = tempfile::tempdir().unwrap();
    let mut config = tiny_config(AttentionKind::Cached);
    config.light = Some(LightConfig {
        c0: 4,
        n0: 1,
        c1: 6,
        n1: 1,
        c2: 8,
        n2: 1,
        c3: 8,
        n3: 1,
    });
    random_folder(&config, 1, lit.path()).unwrap();
    let model = load(lit.path()).unwrap();
    assert_ne!(model.hash(), load(plain.path()).unwrap().hash());
    let input = candle_core::Tensor::rand(0f32, 1f32, (8, 48, 80), &Device::Cpu).unwrap();
    let maps = model.light().unwrap().light(&input, &|| false).unwrap();
    assert_eq!(maps.objects.dims(), [3, 6, 10]);
    assert_eq!(maps.mirrored.dims(), [3, 6, 10]);
    assert_eq!(maps.ground.dims(), [3, 48, 80]);
    std::fs::remove_file(lit.path().join(LIGHT_FILE)).unwrap();
    assert!(error(lit.path()).contains(LIGHT_FILE));
    config.light = Some(LightConfig {
        c0: 0,
        ..config.light.unwrap()
    });
    let broken = config.validate().unwrap_err().to_string();
    assert!(
        broken.contains("light.c0 is 0, expected 1 to 4096"),
        "{broken}"
    );
}
