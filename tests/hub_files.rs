//! Files that the user has already: found where other programs keep them, added by their headers, never deleted.

mod hub_support;

use std::path::{Path, PathBuf};

use hub_support::{comfy, model_folder, never, options, quietly, tree};
use inlay::hub::message::{Origin, State};
use inlay::hub::{HubError, Places, Store};
use inlay::model::flux2::Files;

fn copy_model(to: &Path) {
    for (path, bytes) in hub_support::model_files() {
        let path = to.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn store(data: &Path, places: Places) -> Store {
    // No server: nothing of this may ask for one.
    let mut options = options(data, "http://127.0.0.1:9");
    options.places = places;
    Store::new(options)
}

fn comfy_places(root: &Path) -> Places {
    Places {
        comfy: vec![root.to_owned()],
        ..Places::default()
    }
}

#[test]
fn a_folder_is_added_where_it_lies_and_only_forgotten() {
    let (data, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = own.path().join("my klein");
    copy_model(&folder);
    let before = tree(own.path());
    let store = store(data.path(), Places::default());
    assert_eq!(store.add(&folder, None).unwrap(), "my klein");
    let rows = store.list().unwrap();
    let row = rows.iter().find(|row| row.name == "my klein").unwrap();
    assert_eq!((row.origin, &row.state), (Origin::Added, &State::Ready));
    assert_eq!(row.place.as_deref(), Some(folder.as_path()));
    // Licences can't be told from shapes this small.
    assert_eq!(row.licence, None);
    assert!(matches!(store.add(&folder, None), Err(HubError::Known(name)) if name == "my klein"));
    let report = store.verify("my klein", &never, &mut quietly).unwrap();
    assert_eq!((report.right, report.unchanged), (0, 5));
    // Another header, or other first bytes, is noticed.
    let vae = folder.join("vae/diffusion_pytorch_model.safetensors");
    let mut bytes = std::fs::read(&vae).unwrap();
    let first = bytes.len() - 10;
    bytes[first] ^= 1;
    std::fs::write(&vae, &bytes).unwrap();
    assert!(
        !store
            .verify("my klein", &never, &mut quietly)
            .unwrap()
            .is_good()
    );
    bytes[first] ^= 1;
    std::fs::write(&vae, &bytes).unwrap();
    assert_eq!(store.remove("my klein").unwrap(), 0);
    assert_eq!(tree(own.path()), before);
    assert!(
        store
            .list()
            .unwrap()
            .iter()
            .all(|row| row.name != "my klein")
    );
}

#[test]
fn what_is_no_model_is_refused_in_words() {
    let (data, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = store(data.path(), Places::default());
    let put = |name: &str, bytes: &[u8]| {
        let path = own.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let refusal = |path: &Path| store.add(path, None).unwrap_err().to_string();
    assert_eq!(
        refusal(&put("model.ckpt", b"PK\x03\x04pickled")),
        "model.ckpt is a pickle file, which can run any code when it is opened: get the model as .safetensors or .gguf"
    );
    assert!(refusal(&put("x.safetensors", b"short")).contains("damaged"));
    assert!(refusal(&own.path().join("none")).contains("check its name"));
    let empty = own.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert!(refusal(&empty).contains("there is no model in"));
    let vae = model_folder().join("vae/diffusion_pytorch_model.safetensors");
    assert!(refusal(&vae).contains("choose the transformer's file"));
    std::fs::write(own.path().join("config.json"), b"{}").unwrap();
    std::fs::remove_file(own.path().join("x.safetensors")).unwrap();
    assert!(refusal(own.path()).contains("config.json"));
    assert!(!data.path().join("models.json").exists());
}

#[test]
fn a_light_model_belongs_to_its_model() {
    let (data, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut config = inlay::model::tiny_config(inlay::model::AttentionKind::Cached);
    config.light = Some(inlay::model::LightConfig {
        c0: 4,
        n0: 1,
        c1: 6,
        n1: 1,
        c2: 8,
        n2: 1,
        c3: 8,
        n3: 1,
    });
    inlay::model::random_folder(&config, 1, own.path()).unwrap();
    let store = store(data.path(), Places::default());
    store.add(own.path(), Some("lit")).unwrap();
    let entries = std::fs::read_dir(own.path()).unwrap();
    let bytes: u64 = entries.map(|e| e.unwrap().metadata().unwrap().len()).sum();
    let rows = store.list().unwrap();
    let row = rows.iter().find(|row| row.name == "lit").unwrap();
    assert_eq!(row.bytes, Some(bytes));
    let is_good = || {
        let found = store.verify("lit", &never, &mut quietly);
        found.is_ok_and(|found| found.is_good())
    };
    assert!(is_good());
    let light = own.path().join(inlay::model::LIGHT_FILE);
    let mut weights = std::fs::read(&light).unwrap();
    *weights.last_mut().unwrap() ^= 1;
    std::fs::write(&light, weights).unwrap();
    assert!(!is_good());
    std::fs::remove_file(&light).unwrap();
    assert!(!is_good());
}

#[test]
fn a_model_of_the_built_in_family_is_added_too() {
    let (data, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = inlay::model::tiny_config(inlay::model::AttentionKind::Cached);
    inlay::model::random_folder(&config, 1, own.path()).unwrap();
    let store = store(data.path(), Places::default());
    let name = store.add(own.path(), Some("mine")).unwrap();
    let rows = store.list().unwrap();
    let row = rows.iter().find(|row| row.name == name).unwrap();
    assert_eq!((row.kind.as_str(), row.memory), ("unireal", None));
    assert!(
        store
            .verify("mine", &never, &mut quietly)
            .unwrap()
            .is_good()
    );
    std::fs::write(own.path().join("transformer.safetensors"), b"other").unwrap();
    assert!(
        !store
            .verify("mine", &never, &mut quietly)
            .unwrap()
            .is_good()
    );
    // Gone files are told, and the model can be forgotten.
    std::fs::remove_file(own.path().join("text.safetensors")).unwrap();
    let rows = store.list().unwrap();
    let row = rows.iter().find(|row| row.name == name).unwrap();
    assert!(matches!(&row.state, State::Unusable { why } if why.contains("text.safetensors")));
    assert!(store.add(own.path(), Some("unireal-nano")).is_err());
    store.remove("mine").unwrap();
}

#[test]
fn comfyui_s_files_need_only_a_tokenizer() {
    let (data, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let transformer = comfy(root.path());
    let before = tree(root.path());
    let store = store(data.path(), comfy_places(root.path()));
    let found = store.find();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].name.as_str(), found[0].owner.as_str()),
        ("klein", "ComfyUI")
    );
    assert_eq!(
        found[0].problem.as_deref(),
        Some(
            "the tokenizer is missing for klein.safetensors: get it with `inlay models download qwen3-tokenizer`, then try again"
        )
    );
    // As the download of it would leave it.
    let tokenizer = data.path().join("models/qwen3-tokenizer/tokenizer");
    std::fs::create_dir_all(&tokenizer).unwrap();
    let from = model_folder().join("tokenizer/tokenizer.json");
    std::fs::copy(from, tokenizer.join("tokenizer.json")).unwrap();
    let found = store.find();
    assert_eq!(found[0].problem, None);
    assert_eq!(found[0].kind, "FLUX.2 [klein], BF16");
    let name = store.add(&transformer, None).unwrap();
    // Links to the parts, which the loader finds as if they lay together.
    let place = store.path_of(&name).unwrap();
    let files = Files::find(&place).unwrap();
    assert!(files.distilled);
    assert_eq!(
        files.transformer,
        [place.join("transformer/klein.safetensors")]
    );
    assert!(store.verify(&name, &never, &mut quietly).unwrap().is_good());
    assert!(store.find().is_empty(), "it is no news any more");
    assert_eq!(store.remove(&name).unwrap(), 0);
    assert!(!place.exists());
    assert_eq!(tree(root.path()), before);
}

#[test]
fn invokeai_s_root_is_searched() {
    let (data, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = root.path().join("models/0f1e2d/FLUX.2-klein");
    copy_model(&folder);
    let other = root.path().join("models/sdxl");
    std::fs::create_dir_all(&other).unwrap();
    let index = r#"{"_class_name": "StableDiffusionXLPipeline"}"#;
    std::fs::write(other.join("model_index.json"), index).unwrap();
    let places = Places {
        invoke: vec![root.path().to_owned()],
        ..Places::default()
    };
    let store = store(data.path(), places);
    let found = store.find();
    // One folder, not each of its weight files; and other kinds of models are no news.
    let places: Vec<_> = found.iter().map(|found| &found.place).collect();
    assert_eq!(places, [&folder]);
    assert_eq!(found[0].problem, None);
    store.add(&found[0].place, None).unwrap();
}

/// The hub's cache: contents named by their checksums, and links to them by commits.
#[cfg(unix)]
#[test]
fn the_hub_s_cache_is_searched_and_its_names_are_checksums() {
    let (data, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let repo = root
        .path()
        .join("models--black-forest-labs--FLUX.2-klein-4B");
    let snapshot = repo.join("snapshots/e7b7dc27");
    std::fs::create_dir_all(repo.join("blobs")).unwrap();
    std::fs::create_dir_all(repo.join("refs")).unwrap();
    std::fs::write(repo.join("refs/main"), "e7b7dc27").unwrap();
    let mut blobs: Vec<PathBuf> = Vec::new();
    for (path, bytes) in hub_support::model_files() {
        let blob = repo.join("blobs").join(hub_support::sha256(&bytes));
        std::fs::write(&blob, bytes).unwrap();
        let link = snapshot.join(&path);
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(&blob, link).unwrap();
        blobs.extend(path.ends_with(".safetensors").then_some(blob));
    }
    let places = Places {
        hub: vec![root.path().to_owned()],
        ..Places::default()
    };
    let store = store(data.path(), places);
    let found = store.find();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].place, snapshot);
    let name = store.add(&snapshot, None).unwrap();
    assert_eq!(name, "FLUX.2-klein-4B");
    let rows = store.list().unwrap();
    let row = rows.iter().find(|row| row.name == name).unwrap();
    assert_eq!(
        (row.licence.as_deref(), row.commercial),
        (Some("Apache-2.0"), Some(true))
    );
    assert_eq!(row.origin, Origin::Added);
    // It is offered once: as what is here.
    assert_eq!(rows.iter().filter(|row| row.name == name).count(), 1);
    let report = store.verify(&name, &never, &mut quietly).unwrap();
    assert_eq!((report.right, report.unchanged), (5, 0));
    let mut bytes = std::fs::read(&blobs[0]).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&blobs[0], bytes).unwrap();
    let report = store.verify(&name, &never, &mut quietly).unwrap();
    assert_eq!((report.right, report.damaged.len()), (4, 1));
}
