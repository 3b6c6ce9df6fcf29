//! Telling FLUX.2's files apart by their headers, and refusing in words what cannot be loaded.

mod flux2;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::D;
use flux2::{comfy, model, rewritten, single, text_shards};
use inlay::model::flux2::{Element, Files, Header, Naming, Part, detect, is_base};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// Writes a safetensors file with these tensors, all of 4 elements.
fn write(folder: &Path, name: &str, tensors: &[(&str, Dtype)]) -> PathBuf {
    let bytes = [0u8; 32];
    let views = tensors.iter().map(|(name, dtype)| {
        let size = dtype.bitsize() / 8 * 4;
        let view = TensorView::new(*dtype, vec![2, 2], &bytes[..size]).unwrap();
        (name.to_string(), view)
    });
    let path = folder.join(name);
    let data = safetensors::serialize(views, None::<HashMap<String, String>>).unwrap();
    std::fs::write(&path, data).unwrap();
    path
}

/// Names and types of tensors.
type Tensors<'a> = &'a [(&'a str, Dtype)];

fn sentence(path: &Path) -> String {
    let found = Header::read(path).and_then(|header| detect(&header));
    found.expect_err("a refusal").to_string()
}

#[test]
fn every_golden_file_is_what_it_is() {
    let cases = [
        (
            model("transformer/diffusion_pytorch_model.safetensors"),
            Part::Transformer,
            Naming::Diffusers,
            Element::Bf16,
        ),
        (
            single("transformer.safetensors"),
            Part::Transformer,
            Naming::Single,
            Element::Bf16,
        ),
        (
            single("transformer_fp8.safetensors"),
            Part::Transformer,
            Naming::Single,
            Element::F8E4M3,
        ),
        (
            single("transformer_q8_0.gguf"),
            Part::Transformer,
            Naming::Single,
            // Only the blocks' matrices are Q8_0, and a tiny model has more besides them.
            Element::F32,
        ),
        (
            model("vae/diffusion_pytorch_model.safetensors"),
            Part::Vae,
            Naming::Diffusers,
            Element::Bf16,
        ),
        (
            single("vae.safetensors"),
            Part::Vae,
            Naming::Single,
            Element::Bf16,
        ),
        (
            single("small_decoder.safetensors"),
            Part::Vae,
            Naming::Diffusers,
            Element::Bf16,
        ),
    ];
    for (path, part, naming, element) in cases {
        let found = detect(&Header::read(&path).unwrap()).unwrap().unwrap();
        assert_eq!(
            (found.part, found.naming, found.element),
            (part, naming, element),
            "{}",
            path.display()
        );
        assert_eq!(found.prefix, "");
    }
}

#[test]
fn another_autoencoder_takes_the_place_of_the_models_own() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::find(&model("")).unwrap();
    let small = single("small_decoder.safetensors");
    let with = files.clone().with_vae(&small).unwrap();
    assert_eq!(with.vae, std::slice::from_ref(&small));
    assert_eq!(with.transformer, files.transformer);
    assert_ne!(with.fingerprint().unwrap(), files.fingerprint().unwrap());
    // As a download has it: a folder with this file alone.
    let alone = folder.path().join("diffusion_pytorch_model.safetensors");
    std::fs::copy(&small, &alone).unwrap();
    let with = files.clone().with_vae(folder.path()).unwrap();
    assert_eq!(with.vae, [alone]);
    // Another model's is taken as well.
    assert_eq!(with.with_vae(&model("")).unwrap(), files);
    let why = |path: &Path| files.clone().with_vae(path).unwrap_err().to_string();
    assert_eq!(
        why(&single("transformer.safetensors")),
        "transformer.safetensors is the transformer, not an autoencoder of FLUX.2: choose flux2-vae.safetensors or the small decoder"
    );
    let empty = tempfile::tempdir().unwrap();
    assert!(why(empty.path()).starts_with("there must be one autoencoder, and 0 weight files"));
}

#[test]
fn prefixes_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    for prefix in ["model.diffusion_model.", "diffusion_model."] {
        let name = format!("{prefix}single_stream_modulation.lin.weight");
        let path = write(folder.path(), "a.safetensors", &[(&name, Dtype::BF16)]);
        let found = detect(&Header::read(&path).unwrap()).unwrap().unwrap();
        assert_eq!(
            (found.part, found.prefix.as_str()),
            (Part::Transformer, prefix)
        );
    }
}

#[test]
fn quantisations_that_cannot_be_loaded_name_what_to_get() {
    let folder = tempfile::tempdir().unwrap();
    let base = ("single_stream_modulation.lin.weight", Dtype::BF16);
    let cases: [(&str, Tensors, &str); 6] = [
        (
            "nf4.safetensors",
            &[
                ("double_blocks.0.img_attn.qkv.weight", Dtype::U8),
                (
                    "double_blocks.0.img_attn.qkv.weight.quant_state.bitsandbytes__nf4",
                    Dtype::U8,
                ),
            ],
            "nf4.safetensors is stored in bitsandbytes nf4, which cannot be loaded here: get the fp8 file or a GGUF of type Q4_K of the same model instead",
        ),
        (
            "svdq.safetensors",
            &[("double_blocks.0.img_attn.qkv.wscales", Dtype::BF16)],
            "svdq.safetensors is stored in SVDQuant (Nunchaku), which cannot be loaded here: get the fp8 file or a GGUF of type Q4_K of the same model instead",
        ),
        (
            "nvfp4.safetensors",
            &[
                ("double_blocks.0.img_attn.qkv.weight", Dtype::U8),
                ("double_blocks.0.img_attn.qkv.weight_scale_2", Dtype::F32),
            ],
            "nvfp4.safetensors is stored in nvfp4, which cannot be loaded here: get the fp8 file or a GGUF of type Q4_K of the same model instead",
        ),
        (
            "comfy.safetensors",
            &[
                ("double_blocks.0.img_attn.qkv.comfy_quant", Dtype::U8),
                ("double_blocks.0.img_attn.qkv.weight", Dtype::U8),
            ],
            "comfy.safetensors is stored in nvfp4, which cannot be loaded here: get the fp8 file or a GGUF of type Q4_K of the same model instead",
        ),
        (
            "int8.safetensors",
            &[("double_blocks.0.img_attn.qkv.weight", Dtype::I8)],
            "int8.safetensors is stored with elements of type I8, which cannot be loaded here: get the bf16 file or the fp8 file (E4M3) of the same model instead",
        ),
        (
            "dev.safetensors",
            &[("guidance_in.in_layer.weight", Dtype::BF16)],
            "dev.safetensors is FLUX.2 [dev], which this program does not run: get FLUX.2 [klein] 4B",
        ),
    ];
    for (name, tensors, expected) in cases {
        let mut all = vec![base];
        all.extend(tensors);
        assert_eq!(sentence(&write(folder.path(), name, &all)), expected);
    }
    let path = write(
        folder.path(),
        "flux1.safetensors",
        &[("double_blocks.0.img_mod.lin.weight", Dtype::BF16)],
    );
    assert_eq!(
        sentence(&path),
        "flux1.safetensors is FLUX.1, which this program does not run: get FLUX.2 [klein] 4B"
    );
}

#[test]
fn fp8_that_comfyui_marks_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let tensors = [
        ("single_stream_modulation.lin.weight", Dtype::BF16),
        ("double_blocks.0.img_attn.qkv.weight", Dtype::F8_E4M3),
        ("double_blocks.0.img_attn.qkv.weight_scale", Dtype::F32),
        ("double_blocks.0.img_attn.qkv.comfy_quant", Dtype::U8),
    ];
    let path = write(folder.path(), "fp8.safetensors", &tensors);
    let found = detect(&Header::read(&path).unwrap()).unwrap().unwrap();
    assert_eq!(found.part, Part::Transformer);
}

#[test]
fn a_header_as_long_as_a_pickles_first_bytes_is_no_pickle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    // 0x80 0x02, as a pickle of the second protocol begins.
    let length = 0x0280u64;
    let json = r#"{"bn.running_mean":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend(format!("{json:<640}").as_bytes());
    bytes.extend([0; 4]);
    std::fs::write(&path, &bytes).unwrap();
    let header = Header::read(&path).unwrap();
    assert_eq!(header.entries["bn.running_mean"].shape, [1]);
    bytes[8] = b'}';
    std::fs::write(&path, &bytes).unwrap();
    assert!(sentence(&path).contains("is a pickle file"));
}

#[test]
fn gemma_is_no_qwen() {
    let folder = tempfile::tempdir().unwrap();
    let part = |more: &[(&str, Dtype)]| {
        let mut tensors = vec![
            ("model.embed_tokens.weight", Dtype::BF16),
            ("model.layers.0.self_attn.q_norm.weight", Dtype::BF16),
        ];
        tensors.extend(more);
        let path = write(folder.path(), "text.safetensors", &tensors);
        detect(&Header::read(&path).unwrap()).unwrap()
    };
    assert_eq!(part(&[]).unwrap().part, Part::TextEncoder);
    let norm = "model.layers.0.pre_feedforward_layernorm.weight";
    assert_eq!(part(&[(norm, Dtype::BF16)]), None);
}

#[test]
fn the_text_encoder_that_fits_is_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let file = comfy(folder.path(), "transformer.safetensors");
    let fitting = folder.path().join("text_encoders/qwen_3_4b.safetensors");
    let other = fitting.with_file_name("qwen_3_0.6b.safetensors");
    rewritten(&text_shards(), &other, |name, t| {
        let width = t.dim(D::Minus1).unwrap() / 2;
        (
            name,
            t.narrow(D::Minus1, 0, width).unwrap().contiguous().unwrap(),
        )
    });
    let gemma = fitting.with_file_name("gemma.safetensors");
    rewritten(&text_shards(), &gemma, |name, t| {
        (
            name.replace("input_layernorm", "pre_feedforward_layernorm"),
            t,
        )
    });
    assert_eq!(
        Files::find(&file).unwrap().text,
        std::slice::from_ref(&fitting)
    );
    // One that does not fit is named where it is refused.
    std::fs::remove_file(&fitting).unwrap();
    assert_eq!(
        Files::find(&file).unwrap().text,
        std::slice::from_ref(&other)
    );
    std::fs::remove_file(other).unwrap();
    let why = Files::find(&file).unwrap_err().to_string();
    assert!(
        why.starts_with("the text encoder (Qwen3) was not found"),
        "{why}"
    );
}

#[test]
fn a_text_encoder_in_shards_lies_beside_a_single_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = comfy(folder.path(), "transformer.safetensors");
    std::fs::remove_file(folder.path().join("text_encoders/qwen_3_4b.safetensors")).unwrap();
    // As it is downloaded: shards and the index that names them.
    let place = folder.path().join("text_encoder");
    std::fs::create_dir(&place).unwrap();
    let index = model("text_encoder/model.safetensors.index.json");
    let shards = text_shards().map(|from| {
        let to = place.join(from.file_name().unwrap());
        std::fs::copy(from, &to).unwrap();
        to
    });
    std::fs::copy(&index, place.join(index.file_name().unwrap())).unwrap();
    assert_eq!(Files::find(&file).unwrap().text, shards);
    // Another list, of other files, and one that is broken.
    std::fs::write(
        place.join("a.safetensors.index.json"),
        r#"{"weight_map": {"x": "other.safetensors"}}"#,
    )
    .unwrap();
    std::fs::write(place.join("b.safetensors.index.json"), "{").unwrap();
    assert_eq!(Files::find(&file).unwrap().text, shards);
    // What the index does not name is a file of its own.
    let whole = place.join("a.safetensors");
    rewritten(&text_shards(), &whole, |name, t| (name, t));
    assert_eq!(Files::find(&file).unwrap().text, [whole]);
}

#[test]
fn missing_parts_are_named() {
    let sentence = |path: &Path| Files::find(path).unwrap_err().to_string();
    let folder = tempfile::tempdir().unwrap();
    let file = comfy(folder.path(), "transformer.safetensors");
    assert_eq!(
        sentence(&folder.path().join("vae/flux2-vae.safetensors")),
        "flux2-vae.safetensors is the autoencoder (VAE) alone: choose the transformer's file, the rest is found beside it"
    );
    std::fs::remove_file(folder.path().join("text_encoders/tokenizer.json")).unwrap();
    assert_eq!(
        sentence(&file),
        "the tokenizer was not found beside transformer.safetensors: put tokenizer.json of Qwen3-4B into the same folder"
    );
    std::fs::remove_file(folder.path().join("vae/flux2-vae.safetensors")).unwrap();
    assert_eq!(
        sentence(&file),
        "the autoencoder (VAE) was not found beside transformer.safetensors: put flux2-vae.safetensors into the same folder"
    );
    let empty = tempfile::tempdir().unwrap();
    assert!(sentence(empty.path()).contains("there is no model in"));
    // A folder of another pipeline, and one whose weights are pickles.
    std::fs::write(
        empty.path().join("model_index.json"),
        r#"{"_class_name":"FluxPipeline"}"#,
    )
    .unwrap();
    assert!(sentence(empty.path()).contains("get FLUX.2 [klein] 4B"));
    std::fs::write(
        empty.path().join("model_index.json"),
        r#"{"_class_name":"Flux2KleinPipeline"}"#,
    )
    .unwrap();
    std::fs::create_dir(empty.path().join("transformer")).unwrap();
    std::fs::write(empty.path().join("transformer/a.bin"), b"PK\x03\x04").unwrap();
    assert!(sentence(empty.path()).contains("a.bin is a pickle file"));
}

#[test]
fn base_is_a_word_of_the_name() {
    for name in ["flux-2-klein-base-4b", "FLUX.2_klein_4B_Base", "base"] {
        assert!(is_base(name), "{name}");
    }
    for name in ["flux-2-klein-4b", "database-klein", "klein-based", ""] {
        assert!(!is_base(name), "{name}");
    }
}

/// A GGUF file with one tensor of a type.
fn gguf(name: &str, kind: u32, data: usize) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    let text = |bytes: &mut Vec<u8>, s: &str| {
        bytes.extend((s.len() as u64).to_le_bytes());
        bytes.extend(s.as_bytes());
    };
    bytes.extend(3u32.to_le_bytes());
    bytes.extend(1u64.to_le_bytes());
    bytes.extend(2u64.to_le_bytes());
    text(&mut bytes, "general.architecture");
    bytes.extend(8u32.to_le_bytes());
    text(&mut bytes, "flux");
    text(&mut bytes, "general.alignment");
    bytes.extend(4u32.to_le_bytes());
    bytes.extend(64u32.to_le_bytes());
    text(&mut bytes, name);
    bytes.extend(2u32.to_le_bytes());
    bytes.extend(256u64.to_le_bytes());
    bytes.extend(2u64.to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    bytes.extend(0u64.to_le_bytes());
    bytes.resize(bytes.len().div_ceil(64) * 64 + data, 0);
    bytes
}

#[test]
fn gguf_types_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, kind: u32, data: usize| {
        let path = folder.path().join(name);
        let bytes = gguf("single_stream_modulation.lin.weight", kind, data);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    // Q4_K: two rows of one block of 256 in 144 bytes.
    let header = Header::read(&file("q4.gguf", 12, 288)).unwrap();
    let entry = &header.entries["single_stream_modulation.lin.weight"];
    assert_eq!(entry.shape, [2, 256]);
    assert_eq!((entry.element, entry.bytes), (Element::Ggml(12), 288));
    assert_eq!(entry.offset % 64, 0);
    assert!(detect(&header).unwrap().is_some());
    assert_eq!(
        sentence(&file("iq4.gguf", 23, 300)),
        "iq4.gguf is stored in a GGUF type of the IQ family, which cannot be loaded here: get a GGUF of type Q4_K, Q5_K, Q6_K or Q8_0 of the same model instead"
    );
    assert_eq!(
        sentence(&file("mx.gguf", 39, 300)),
        "mx.gguf is stored in the GGUF type MXFP4, which cannot be loaded here: get a GGUF of type Q4_K, Q5_K, Q6_K or Q8_0 of the same model instead"
    );
    // The data end before the header says.
    assert!(sentence(&file("short.gguf", 12, 287)).contains("damaged"));
}

#[test]
fn pickles_are_never_opened() {
    let folder = tempfile::tempdir().unwrap();
    for (name, start) in [
        ("a.pt", &b"PK\x03\x04rest"[..]),
        ("b.bin", &b"\x80\x02}q\x00."[..]),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, start).unwrap();
        assert_eq!(
            sentence(&path),
            format!(
                "{name} is a pickle file, which can run any code when it is opened: get the model as .safetensors or .gguf"
            )
        );
    }
}

#[test]
fn other_files_are_no_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(
        folder.path(),
        "lora.safetensors",
        &[("lora.down", Dtype::F32)],
    );
    assert_eq!(detect(&Header::read(&path).unwrap()).unwrap(), None);
}

#[test]
fn damaged_headers_are_refused_without_harm() {
    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read(single("vae.safetensors")).unwrap();
    let check = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let text = sentence(&path);
        assert!(text.contains("damaged") && text.contains(name), "{text}");
    };
    check("empty.safetensors", b"");
    check("short.safetensors", &good[..7]);
    check("cut.safetensors", &good[..good.len() - 1]);
    check("header.safetensors", &good[..200]);
    let mut long = good.clone();
    long[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    check("long.safetensors", &long);
    // A GGUF that claims a billion billion tensors.
    let mut many = b"GGUF".to_vec();
    many.extend(3u32.to_le_bytes());
    many.extend([0xff; 16]);
    check("many.gguf", &many);
    // More elements than anything has, of types that are never read: their products would not be numbers.
    let huge =
        br#"{"a":{"dtype":"I64","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,0]}}"#;
    let mut odd = (huge.len() as u64).to_le_bytes().to_vec();
    odd.extend(huge);
    check("odd.safetensors", &odd);
    let mut odd = gguf("a", 99, 288);
    let place = odd
        .windows(8)
        .rposition(|w| w == 256u64.to_le_bytes())
        .unwrap();
    odd[place..place + 16].fill(0x7f);
    check("odd.gguf", &odd);
    let full = gguf("single_stream_modulation.lin.weight", 12, 288);
    for length in 4..full.len() {
        let path = folder.path().join("part.gguf");
        std::fs::write(&path, &full[..length]).unwrap();
        assert!(Header::read(&path).is_err(), "{length}");
    }
    let missing = folder.path().join("none.safetensors");
    assert!(sentence(&missing).contains("cannot be read"));
}
