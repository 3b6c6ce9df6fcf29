//! FLUX.2 [klein] against diffusers: `training/flux2_goldens.py` wrote `tests/golden/flux2`. Every stage first from
//! the reference's own inputs, then chained.

mod flux2;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::quantized::{GgmlDType, QTensor, gguf_file};
use candle_core::{D, DType, Device, Tensor};
use flux2::{Goldens, check, differences, model, none, rewritten, single, text_shards};
use inlay::model::flux2::{
    ChatTokenizer, Compute, RopeTable, TextEncoder, TextTokens, Transformer, Vae, mu,
    picture_places, reference_time, text_places,
};
use inlay::sampler::times;

/// Absolute, in f32: blocks and embeddings.
const BLOCKS: f32 = 1e-4;
/// Absolute: pictures in 0..1.
const PICTURES: f32 = 1e-3;

fn cpu() -> Compute {
    Compute::on_processor()
}

fn transformer(paths: &[PathBuf]) -> Transformer {
    Transformer::load(paths, &cpu(), &none, &mut |_| ()).unwrap()
}

fn diffusers() -> Transformer {
    transformer(&[model("transformer/diffusion_pytorch_model.safetensors")])
}

fn text_encoder() -> TextEncoder {
    text_encoder_in(cpu())
}

fn text_encoder_in(compute: Compute) -> TextEncoder {
    TextEncoder::load(&text_shards(), &compute, &none, &mut |_| ()).unwrap()
}

fn vae() -> Vae {
    Vae::load(&[model("vae/diffusion_pytorch_model.safetensors")], &cpu()).unwrap()
}

#[test]
fn prompts_become_the_same_chat_and_tokens() {
    let g = Goldens::load();
    let tokenizer = ChatTokenizer::load(&model("tokenizer/tokenizer.json")).unwrap();
    for name in ["prompt", "empty", "long"] {
        let prompt = g.text(&format!("{name}.text"));
        assert_eq!(
            ChatTokenizer::chat(&prompt),
            g.text(&format!("{name}.chat"))
        );
        let tokens = tokenizer.tokenize(&prompt, 80).unwrap();
        assert_eq!(tokens.ids, g.numbers(&format!("{name}.ids")), "{name}");
        let real: u32 = g.numbers(&format!("{name}.mask")).iter().sum();
        assert_eq!(tokens.real as u32, real);
        assert_eq!(tokens.cut > 0, name == "long");
    }
}

#[test]
fn padding_and_truncation_that_a_tokenizer_was_saved_with_are_left_off() {
    let g = Goldens::load();
    let folder = tempfile::tempdir().unwrap();
    let file = model("tokenizer/tokenizer.json");
    let mut json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    json["truncation"] = serde_json::json!({
        "direction": "Right", "max_length": 6, "strategy": "LongestFirst", "stride": 0
    });
    json["padding"] = serde_json::json!({
        "strategy": {"Fixed": 70}, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "<|endoftext|>"
    });
    let saved = folder.path().join("tokenizer.json");
    std::fs::write(&saved, json.to_string()).unwrap();
    let [plain, saved] = [file, saved].map(|file| {
        let tokenizer = ChatTokenizer::load(&file).unwrap();
        tokenizer.tokenize(&g.text("prompt.text"), 80).unwrap()
    });
    assert_eq!(plain, saved);
}

fn tokens(g: &Goldens, name: &str) -> TextTokens {
    TextTokens {
        ids: g.numbers(&format!("{name}.ids")),
        real: g.numbers(&format!("{name}.mask")).iter().sum::<u32>() as usize,
        cut: 0,
    }
}

#[test]
fn hidden_states_of_the_text_encoder() {
    let g = Goldens::load();
    let encoder = text_encoder();
    let mut seen = Vec::new();
    encoder
        .run(&tokens(&g, "prompt"), &none, &mut |depth, state| {
            check(&format!("prompt.hidden.{depth}"), state, &g, BLOCKS);
            seen.push(depth);
            Ok(())
        })
        .unwrap();
    // The fourth layer lies behind the last tap and is not even loaded.
    assert_eq!(seen, [0, 1, 2, 3]);
}

#[test]
fn embeddings_of_short_empty_and_cut_prompts() {
    let g = Goldens::load();
    let encoder = text_encoder();
    for name in ["prompt", "empty", "long"] {
        let found = encoder.encode(&tokens(&g, name), &none).unwrap();
        check(&format!("{name}.embeds"), &found, &g, BLOCKS);
    }
}

#[test]
fn padding_would_change_the_embedding_if_it_were_seen() {
    let g = Goldens::load();
    let encoder = text_encoder();
    let mut seen = tokens(&g, "prompt");
    seen.real = seen.ids.len();
    let found = encoder.encode(&seen, &none).unwrap();
    assert!(differences(&found, &g["prompt.embeds"]) > 100.0 * BLOCKS);
}

fn encodes_and_decodes(vae: &Vae, g: &Goldens) {
    for name in ["canvas", "asset"] {
        let pixels = &g[&format!("{name}.pixels")];
        let mean = vae.mean_latent(pixels, &none).unwrap();
        check(&format!("{name}.mean"), &mean, g, BLOCKS);
        let latent = vae.encode(pixels, &none).unwrap();
        check(&format!("{name}.latent"), &latent, g, BLOCKS);
    }
    let decoded = vae.decode_latent(&g["vae.z"], &none).unwrap();
    check("vae.decoded", &decoded, g, PICTURES);
}

#[test]
fn autoencoder_in_both_layouts() {
    let g = Goldens::load();
    let folder = vae();
    encodes_and_decodes(&folder, &g);
    let file = Vae::load(&[single("vae.safetensors")], &cpu()).unwrap();
    encodes_and_decodes(&file, &g);
    assert_eq!(folder.config(), file.config());
    let pictures = [folder, file].map(|vae| {
        let picture = vae.decode(&g["canvas.latent"], &none).unwrap();
        picture.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    });
    assert_eq!(pictures[0], pictures[1]);
}

#[test]
fn the_small_decoder() {
    let g = Goldens::load();
    let small = Vae::load(&[single("small_decoder.safetensors")], &cpu()).unwrap();
    assert_eq!(small.config().decoder, [4, 4, 8, 8]);
    assert_eq!(small.config().encoder, [4, 8, 8, 8]);
    let decoded = small.decode_latent(&g["vae.z"], &none).unwrap();
    check("small.decoded", &decoded, &g, PICTURES);
}

#[test]
fn the_shift_and_a_jobs_times_for_all_sizes() {
    let g = Goldens::load();
    let sizes = |key: &str| -> (usize, usize) {
        let (s, n) = key.split_once(',').unwrap();
        (s.parse().unwrap(), n.parse().unwrap())
    };
    let mut seen = 0;
    for (key, expected) in g.scalars["mu"].as_object().unwrap() {
        let (s, n) = sizes(key);
        assert!(
            (mu(s, n) - expected.as_f64().unwrap()).abs() < 1e-9,
            "{key}"
        );
        seen += 1;
    }
    for (key, expected) in g.scalars["sigmas"].as_object().unwrap() {
        let (s, n) = sizes(key);
        let expected = expected.as_array().unwrap();
        assert_eq!(expected.len(), n + 1);
        // As a job takes them.
        let found = times(n as u32, mu(s, n).exp());
        assert_eq!(found.len(), n + 1);
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b.as_f64().unwrap()).abs() < 1e-6, "{key}");
        }
        seen += 1;
    }
    assert_eq!(seen, 28 + 6);
}

/// Rotary angles of the golden call: text, noise 4×5, canvas 4×5, asset 4×4.
fn rope(transformer: &Transformer) -> RopeTable {
    let mut places = text_places(80);
    places.extend(picture_places(0, 4, 5));
    places.extend(picture_places(reference_time(0), 4, 5));
    places.extend(picture_places(reference_time(1), 4, 4));
    transformer.rope(&places).unwrap()
}

#[test]
fn places_and_angles() {
    let g = Goldens::load();
    let flat = |places: Vec<[u32; 4]>| places.concat();
    assert_eq!(flat(text_places(80)), g.numbers("ids.text"));
    assert_eq!(flat(picture_places(0, 4, 5)), g.numbers("ids.noise"));
    let mut references = picture_places(reference_time(0), 4, 5);
    references.extend(picture_places(reference_time(1), 4, 4));
    assert_eq!(flat(references), g.numbers("ids.refs"));
    let table = rope(&diffusers());
    check("net.rope.cos", &table.cos, &g, 1e-6);
    check("net.rope.sin", &table.sin, &g, 1e-6);
}

#[test]
fn each_block_from_golden_inputs() {
    let g = Goldens::load();
    let net = diffusers();
    let rope = rope(&net);
    let tokens = Tensor::cat(&[&g.noise_tokens(1), &g["tokens.refs"]], 1).unwrap();
    check(
        "net.img_in",
        &net.embed_tokens(&tokens).unwrap(),
        &g,
        BLOCKS,
    );
    let text = net.embed_text(&g["prompt.embeds"]).unwrap();
    check("net.txt_in", &text, &g, BLOCKS);
    check("net.time", &net.embed_time(0.7).unwrap(), &g, BLOCKS);
    let mut traced = Vec::new();
    let mut trace = |name: &str, value: &Tensor| {
        if name != "mod_out" {
            check(&format!("net.{name}"), value, &g, BLOCKS);
        }
        traced.push(name.to_owned());
    };
    let modulation = net.modulation(0.7, Some(&mut trace)).unwrap();
    assert_eq!(
        traced,
        ["mod_img", "mod_txt", "mod_single", "mod_out", "time"]
    );
    let (mut image, mut text) = (g["net.img_in"].clone(), g["net.txt_in"].clone());
    for n in 0..2 {
        let (i, t) = net
            .double_block(n, &image, &text, &rope, &modulation)
            .unwrap();
        check(&format!("net.double.{n}.img"), &i, &g, BLOCKS);
        check(&format!("net.double.{n}.txt"), &t, &g, BLOCKS);
        image = g[&format!("net.double.{n}.img")].clone();
        text = g[&format!("net.double.{n}.txt")].clone();
    }
    let mut x = Tensor::cat(&[&text, &image], 1).unwrap();
    for n in 0..2 {
        let y = net.single_block(n, &x, &rope, &modulation).unwrap();
        check(&format!("net.single.{n}"), &y, &g, BLOCKS);
        x = g[&format!("net.single.{n}")].clone();
    }
    assert!(
        net.double_block(2, &image, &text, &rope, &modulation)
            .is_err()
    );
    assert!(net.single_block(2, &x, &rope, &modulation).is_err());
}

/// The golden call of a transformer, from latents and the embedding to the velocity.
fn velocity(net: &Transformer, g: &Goldens, check_stages: bool) -> Tensor {
    let references = net.embed_tokens(&g["tokens.refs"]).unwrap();
    let text = net.embed_text(&g["prompt.embeds"]).unwrap();
    let modulation = net.modulation(0.7, None).unwrap();
    let mut seen = 0;
    let mut trace = |name: &str, value: &Tensor| {
        if check_stages {
            let golden = &g[&format!("net.{name}")];
            // Only the output's tokens are taken to the end.
            let golden = golden.narrow(1, 0, value.dim(1).unwrap()).unwrap();
            let e = differences(value, &golden);
            assert!(e <= BLOCKS, "{name}: {e:e}");
        }
        seen += 1;
    };
    let out = net
        .velocity(
            &g.noise_tokens(1),
            Some(&references),
            &text,
            &rope(net),
            &modulation,
            &none,
            Some(&mut trace),
        )
        .unwrap();
    assert_eq!(seen, 9);
    out
}

#[test]
fn the_chained_transformer_in_both_layouts() {
    let g = Goldens::load();
    let folder = diffusers();
    let file = transformer(&[single("transformer.safetensors")]);
    let found = velocity(&folder, &g, true);
    check("net.velocity", &found, &g, BLOCKS);
    assert_eq!(folder.config(), file.config());
    let (a, b) = (folder.weights().unwrap(), file.weights().unwrap());
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(&b) {
        assert_eq!(a.dims(), b.dims());
        assert_eq!(differences(a, b), 0.0);
    }
    assert_eq!(differences(&found, &velocity(&file, &g, true)), 0.0);
}

#[test]
fn scaled_fp8_equals_the_values_that_it_stands_for() {
    let g = Goldens::load();
    let net = transformer(&[single("transformer_fp8.safetensors")]);
    let found = velocity(&net, &g, false);
    check("fp8.velocity", &found, &g, BLOCKS);
    // And these are near the unquantised ones: 3 bits of mantissa.
    let exact = diffusers();
    let relative = relative_error(&net, &exact);
    assert!((0.01..0.04).contains(&relative), "{relative}");
    let moved = differences(&found, &g["net.velocity"]);
    assert!((0.01..0.5).contains(&moved), "{moved}");
    // On the processor it stays small.
    assert!(net.bytes() < exact.bytes() * 2 / 3);
}

#[test]
fn gguf_q8_0_equals_the_values_that_it_stands_for() {
    let g = Goldens::load();
    let net = transformer(&[single("transformer_q8_0.gguf")]);
    let found = velocity(&net, &g, false);
    check("q8_0.velocity", &found, &g, BLOCKS);
    let relative = relative_error(&net, &diffusers());
    assert!((0.001..0.01).contains(&relative), "{relative}");
    let moved = differences(&found, &g["net.velocity"]);
    assert!((0.001..0.1).contains(&moved), "{moved}");
}

/// Every weight of both, bit by bit.
fn equal(a: &Transformer, b: &Transformer) {
    let (a, b) = (a.weights().unwrap(), b.weights().unwrap());
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(&b) {
        assert_eq!(a.dims(), b.dims());
        assert_eq!(differences(a, b), 0.0);
    }
}

#[test]
fn prefixes_and_other_names_of_norms_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prefixed.safetensors");
    let mut renamed = 0;
    rewritten(&[single("transformer.safetensors")], &file, |name, t| {
        let other = name.replace("_norm.scale", "_norm.weight");
        renamed += usize::from(other != name);
        (format!("model.diffusion_model.{other}"), t)
    });
    // Two in each of two single blocks, four in each of two double blocks.
    assert_eq!(renamed, 2 * 2 + 2 * 4);
    equal(&transformer(&[file]), &diffusers());
}

#[test]
fn norms_in_fp8_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, stored: DType| {
        let file = folder.path().join(name);
        let mut cast = 0;
        rewritten(&[single("transformer.safetensors")], &file, |name, t| {
            if !name.ends_with("_norm.scale") {
                return (name, t);
            }
            cast += 1;
            let fp8 = t.to_dtype(DType::F32).unwrap().to_dtype(DType::F8E4M3);
            (name, fp8.unwrap().to_dtype(stored).unwrap())
        });
        assert_eq!(cast, 12);
        transformer(&[file])
    };
    let found = write("fp8.safetensors", DType::F8E4M3);
    equal(&found, &write("f32.safetensors", DType::F32));
    assert!(relative_error(&found, &diffusers()) > 0.0);
}

/// The text encoder as llama.cpp names and stores it, its matrices in a type.
fn llama(folder: &Path, matrices: GgmlDType) -> PathBuf {
    let mut tensors = HashMap::new();
    for shard in text_shards() {
        tensors.extend(candle_core::safetensors::load(shard, &Device::Cpu).unwrap());
    }
    let words = [
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("embed_tokens", "token_embd"),
        ("layers.", "blk."),
        ("model.", ""),
    ];
    let named: Vec<(String, QTensor)> = tensors
        .iter()
        .map(|(name, t)| {
            let name = match name.as_str() {
                "model.norm.weight" => "output_norm.weight".to_owned(),
                name => words
                    .iter()
                    .fold(name.to_owned(), |name, (from, to)| name.replace(from, to)),
            };
            let dtype = match t.dims() {
                [_, inputs] if inputs.is_multiple_of(matrices.block_size()) => matrices,
                _ => GgmlDType::F32,
            };
            let t = t.to_dtype(DType::F32).unwrap();
            (name, QTensor::quantize(&t, dtype).unwrap())
        })
        .collect();
    let named: Vec<(&str, &QTensor)> = named.iter().map(|(n, t)| (n.as_str(), t)).collect();
    let path = folder.join("qwen.gguf");
    let mut file = std::fs::File::create(&path).unwrap();
    gguf_file::write(&mut file, &[], &named).unwrap();
    path
}

#[test]
fn text_encoders_of_llama_cpp_are_read() {
    let g = Goldens::load();
    let folder = tempfile::tempdir().unwrap();
    let embedded = |encoder: &TextEncoder| encoder.encode(&tokens(&g, "prompt"), &none).unwrap();
    let load = |dtype| {
        let path = llama(folder.path(), dtype);
        TextEncoder::load(&[path], &cpu(), &none, &mut |_| ()).unwrap()
    };
    let plain = load(GgmlDType::F32);
    assert_eq!(plain.config(), text_encoder().config());
    check("prompt.embeds", &embedded(&plain), &g, BLOCKS);
    let same = differences(&embedded(&plain), &embedded(&text_encoder()));
    assert_eq!(same, 0.0);
    let small = load(GgmlDType::Q8_0);
    assert!(small.bytes() < plain.bytes() / 2);
    near(&embedded(&small), &g["prompt.embeds"]);
}

/// Rounded to 8 bits, and no more.
fn near(found: &Tensor, golden: &Tensor) {
    let size = golden.abs().unwrap().max_all().unwrap();
    let e = differences(found, golden) / size.to_scalar::<f32>().unwrap();
    assert!(e < 0.05 && e > 1e-6, "{e}");
}

#[test]
fn a_text_encoder_that_is_rounded_keeps_its_embedding() {
    let g = Goldens::load();
    let compute = Compute {
        rounded: true,
        ..cpu()
    };
    let rounded = text_encoder_in(compute);
    assert!(rounded.bytes() < text_encoder().bytes());
    let found = rounded.encode(&tokens(&g, "prompt"), &none).unwrap();
    near(&found, &g["prompt.embeds"]);
    rounded
        .run(&tokens(&g, "prompt"), &none, &mut |depth, state| {
            if depth == 0 {
                check("prompt.hidden.0", state, &g, 0.0);
            }
            Ok(())
        })
        .unwrap();
}

/// Root mean square of the weights' difference as a share of the weights'.
fn relative_error(a: &Transformer, b: &Transformer) -> f32 {
    let (mut difference, mut size) = (0f64, 0f64);
    for (a, b) in a.weights().unwrap().iter().zip(&b.weights().unwrap()) {
        let sum = |t: Tensor| -> f64 {
            let t = t.sqr().unwrap().sum_all().unwrap();
            f64::from(t.to_scalar::<f32>().unwrap())
        };
        difference += sum((a - b).unwrap());
        size += sum(b.clone());
    }
    (difference / size).sqrt() as f32
}

#[test]
fn weights_that_are_rounded_when_they_are_loaded_stay_near() {
    let g = Goldens::load();
    let compute = Compute {
        rounded: true,
        ..cpu()
    };
    let path = single("transformer.safetensors");
    let net = Transformer::load(&[path], &compute, &none, &mut |_| ()).unwrap();
    let found = velocity(&net, &g, false);
    let size = g["net.velocity"].abs().unwrap().max(D::Minus1).unwrap();
    let size = size.max_all().unwrap().to_scalar::<f32>().unwrap();
    let e = differences(&found, &g["net.velocity"]) / size;
    assert!(e < 0.05 && e > 1e-6, "{e}");
}

#[test]
fn half_precision_text_stays_near() {
    let g = Goldens::load();
    for dtype in [DType::BF16, DType::F16] {
        let encoder = text_encoder_in(Compute { dtype, ..cpu() });
        let found = encoder.encode(&tokens(&g, "prompt"), &none).unwrap();
        let size = g["prompt.embeds"].abs().unwrap().max_all().unwrap();
        let size = size.to_scalar::<f32>().unwrap();
        // The hidden states of f16 are kept in f32: only the weights differ.
        let allowed = if dtype == DType::BF16 { 0.05 } else { 1e-3 };
        let e = differences(&found, &g["prompt.embeds"]) / size;
        assert!(e < allowed, "{dtype:?}: {e}");
    }
}

#[test]
fn half_precision_stays_near() {
    let g = Goldens::load();
    for dtype in [DType::BF16, DType::F16] {
        let compute = Compute {
            device: Device::Cpu,
            dtype,
            rounded: false,
        };
        let path = single("transformer.safetensors");
        let net = Transformer::load(&[path], &compute, &none, &mut |_| ()).unwrap();
        let found = velocity(&net, &g, false);
        let size = g["net.velocity"].abs().unwrap().max(D::Minus1).unwrap();
        let size = size.max_all().unwrap().to_scalar::<f32>().unwrap();
        let allowed = if dtype == DType::BF16 { 0.05 } else { 0.01 };
        let e = differences(&found, &g["net.velocity"]) / size;
        assert!(e < allowed && e > 1e-6, "{dtype:?}: {e}");
    }
}
