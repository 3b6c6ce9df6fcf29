//! Transformers alone, as GGUF and fp8 are published: the parts they lack come from the list, or are named.

mod hub_support;

use std::path::Path;

use hub_support::{REPO, Server, model_folder, never, options, quietly, single, tree};
use inlay::hub::message::{Row, State};
use inlay::hub::{HubError, Places, Store, Wanted};
use inlay::model::flux2::Files;

const KLEIN: &str = "black-forest-labs/FLUX.2-klein-4B";
const GGUF: &str = "tiny-Q8_0.gguf";
const PARTS: [&str; 3] = ["flux2-vae", "qwen3-4b-text-encoder", "qwen3-tokenizer"];

fn server() -> Server {
    let server = Server::with_model();
    server.also_as(KLEIN);
    server.put(
        GGUF,
        std::fs::read(single("transformer_q8_0.gguf")).unwrap(),
    );
    server
}

fn get(store: &Store, name: &str) -> String {
    let wanted = store.wanted(name, Vec::new(), None).unwrap();
    store.download(&wanted, None, &never, &mut quietly).unwrap()
}

fn get_file(store: &Store, repo: &str, name: &str) -> Result<String, HubError> {
    let wanted = Wanted::of(repo, vec![GGUF.to_owned()], Some(name.to_owned())).unwrap();
    store.download(&wanted, None, &never, &mut quietly)
}

fn row(store: &Store, name: &str) -> Row {
    let rows = store.list().unwrap();
    let row = rows.iter().find(|row| row.name == name);
    row.unwrap_or_else(|| panic!("no {name} in {rows:?}"))
        .clone()
}

fn why(store: &Store, name: &str) -> String {
    match row(store, name).state {
        State::Unusable { why } => why,
        state => panic!("{state:?}"),
    }
}

#[test]
fn a_downloaded_transformer_names_what_it_lacks_and_takes_it_when_it_comes() {
    let (server, data) = (server(), tempfile::tempdir().unwrap());
    let store = Store::new(options(data.path(), &server.address));
    assert_eq!(get_file(&store, REPO, "mine").unwrap(), "mine");
    assert_eq!(
        why(&store, "mine"),
        "the autoencoder (VAE), the text encoder (Qwen3) and the tokenizer are missing for tiny-Q8_0.gguf: get them with `inlay models download flux2-vae`, `inlay models download qwen3-4b-text-encoder` and `inlay models download qwen3-tokenizer`, then try again"
    );
    get(&store, PARTS[0]);
    get(&store, PARTS[2]);
    assert_eq!(
        why(&store, "mine"),
        "the text encoder (Qwen3) is missing for tiny-Q8_0.gguf: get it with `inlay models download qwen3-4b-text-encoder`, then try again"
    );
    get(&store, PARTS[1]);
    let mine = row(&store, "mine");
    assert_eq!((&mine.state, mine.is_model), (&State::Ready, true));
    // Only the blocks' matrices are Q8_0, and a tiny model has more besides them.
    assert_eq!(mine.kind, "FLUX.2 [klein], F32");
    let place = store.path_of("mine").unwrap();
    let files = Files::find(&place).unwrap();
    assert!(files.distilled);
    // Both shards, and the very files of the parts.
    let real = |path: &Path| std::fs::canonicalize(path).unwrap();
    let text = store.path_of(PARTS[1]).unwrap().join("text_encoder");
    let shard = |n| real(&text.join(format!("model-0000{n}-of-00002.safetensors")));
    let found: Vec<_> = files.text.iter().map(|path| real(path)).collect();
    assert_eq!(found, [shard(1), shard(2)]);
    assert_eq!(files.transformer.len(), 1);
    assert_eq!(real(&files.transformer[0]), real(&place.join(GGUF)));
    // Parts are there to be used by others, and are no models themselves.
    for part in PARTS {
        let part = row(&store, part);
        assert_eq!((part.state, part.is_model), (State::Ready, false));
        assert_eq!(part.commercial, Some(true));
    }
    let report = store.verify("mine", &never, &mut quietly).unwrap();
    assert_eq!((report.right, report.is_good()), (1, true));
    // What is used stays as long as it is.
    let parts = tree(&store.path_of(PARTS[0]).unwrap());
    assert_eq!(
        store.remove(PARTS[0]).unwrap_err().to_string(),
        "“mine” uses files of “flux2-vae”: remove “mine” first"
    );
    let length = std::fs::metadata(place.join(GGUF)).unwrap().len();
    assert_eq!(store.remove("mine").unwrap(), length);
    assert!(!place.exists());
    assert_eq!(tree(&store.path_of(PARTS[0]).unwrap()), parts);
    assert_eq!(
        shard(1),
        real(&text.join("model-00001-of-00002.safetensors"))
    );
    for part in PARTS {
        assert!(store.remove(part).unwrap() > 0);
    }
    assert!(tree(&data.path().join("models")).is_empty());
}

#[test]
fn a_transformer_alone_takes_the_parts_of_a_whole_model() {
    let (server, data) = (server(), tempfile::tempdir().unwrap());
    let store = Store::new(options(data.path(), &server.address));
    store.add(&model_folder(), Some("whole")).unwrap();
    let own = tempfile::tempdir().unwrap();
    for (file, kind) in [
        ("transformer_q8_0.gguf", "FLUX.2 [klein], F32"),
        ("transformer_fp8.safetensors", "FLUX.2 [klein], fp8 E4M3"),
    ] {
        let path = own.path().join(file);
        std::fs::copy(single(file), &path).unwrap();
        let name = store.add(&path, None).unwrap();
        let added = row(&store, &name);
        assert_eq!((added.kind.as_str(), added.state), (kind, State::Ready));
    }
    assert_eq!(server.asked(), []);
    // One whose name says that it is klein base, if only its repository's does.
    server.also_as("makers/tiny-klein-base-gguf");
    get_file(&store, "makers/tiny-klein-base-gguf", "guided").unwrap();
    assert_eq!(row(&store, "guided").kind, "FLUX.2 [klein] base, F32");
    // Its own files stay where they are, whatever is removed.
    let before = tree(own.path());
    for name in ["guided", "whole", "transformer_q8_0", "transformer_fp8"] {
        store.remove(name).unwrap();
    }
    assert_eq!(tree(own.path()), before);
    assert!(tree(&data.path().join("models")).is_empty());
}

/// A text encoder as far as headers tell, of this width; with a tensor of this name besides.
fn text_encoder(width: usize, besides: &str, path: &Path) {
    let zeros = |shape: &[usize]| {
        let device = candle_core::Device::Cpu;
        candle_core::Tensor::zeros(shape, candle_core::DType::F32, &device).unwrap()
    };
    let tensors = std::collections::HashMap::from([
        ("model.embed_tokens.weight", zeros(&[4, width])),
        ("model.layers.0.self_attn.q_norm.weight", zeros(&[4])),
        (besides, zeros(&[1])),
    ]);
    candle_core::safetensors::save(&tensors, path).unwrap();
}

#[test]
fn a_text_encoder_of_another_width_is_left_alone() {
    let (data, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = own.path().join("models/text_encoders");
    std::fs::create_dir_all(&folder).unwrap();
    text_encoder(
        16,
        "model.norm.weight",
        &folder.join("qwen_3_8b.safetensors"),
    );
    let transformers = own.path().join("models/diffusion_models");
    std::fs::create_dir_all(&transformers).unwrap();
    let path = transformers.join("klein.gguf");
    std::fs::copy(single("transformer_q8_0.gguf"), &path).unwrap();
    let mut options = options(data.path(), "http://127.0.0.1:9");
    options.places = Places {
        comfy: vec![own.path().to_owned()],
        ..Places::default()
    };
    let store = Store::new(options);
    let error = store.add(&path, None).unwrap_err();
    let HubError::Parts { file, missing } = &error else {
        panic!("{error}");
    };
    assert_eq!((file.as_str(), missing.0.len()), ("klein.gguf", 3));
    assert!(!data.path().join("models").exists());
    store.add(&model_folder(), Some("whole")).unwrap();
    store.add(&path, None).unwrap();
    let files = Files::find(&store.path_of("klein").unwrap()).unwrap();
    assert_eq!(files.text.len(), 2, "{files:?}");
    // One that can't be loaded says what to get in its place.
    store.remove("klein").unwrap();
    store.remove("whole").unwrap();
    let scale = "model.layers.0.mlp.up_proj.weight_scale_2";
    text_encoder(32, scale, &folder.join("qwen_fp4.safetensors"));
    let error = store.add(&path, None).unwrap_err().to_string();
    let begin = "qwen_fp4.safetensors is stored in nvfp4, which cannot be loaded here";
    assert!(error.starts_with(begin), "{error}");
}

#[test]
fn a_name_holds_files_of_one_repository() {
    let (server, data) = (server(), tempfile::tempdir().unwrap());
    let store = Store::new(options(data.path(), &server.address));
    get_file(&store, REPO, "mine").unwrap();
    let asked = server.asked().len();
    assert_eq!(
        get_file(&store, KLEIN, "Mine").unwrap_err().to_string(),
        "“mine” comes from makers/tiny-klein: choose another name with --name, Inlay puts the parts of a model together whatever they are called"
    );
    assert_eq!(server.asked().len(), asked);
    // The hub takes a repository's name in any case of letters.
    server.also_as("Makers/Tiny-Klein");
    assert_eq!(
        get_file(&store, "Makers/Tiny-Klein", "MINE").unwrap(),
        "mine"
    );
    let rows = store.list().unwrap();
    let named = |row: &&Row| row.name.eq_ignore_ascii_case("mine");
    assert_eq!(rows.iter().filter(named).count(), 1);
}

#[test]
fn a_licence_that_forbids_work_is_flagged() {
    for (licence, commercial) in [("cc-by-nc-4.0", Some(false)), ("apache-2.0", None)] {
        let (server, data) = (server(), tempfile::tempdir().unwrap());
        server.set_licence(licence);
        let store = Store::new(options(data.path(), &server.address));
        get_file(&store, REPO, "mine").unwrap();
        let mine = row(&store, "mine");
        assert_eq!(mine.licence.as_deref(), Some(licence));
        assert_eq!(mine.commercial, commercial);
    }
}
