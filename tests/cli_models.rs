//! `inlay models`: names, tables, JSON, exit codes; and models by name on the command line.

mod hub_support;

use std::path::Path;

use assert_cmd::Command;
use hub_support::{Fault, REPO, Server, comfy, model_folder, single, tree};

struct User {
    home: tempfile::TempDir,
    server: Server,
}

impl User {
    fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            server: Server::with_model(),
        }
    }

    fn data(&self) -> std::path::PathBuf {
        self.home.path().join("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("inlay").expect("the program");
        for other in [
            "HF_HUB_OFFLINE",
            "HF_HUB_CACHE",
            "HF_TOKEN",
            "COMFYUI_PATH",
            "INVOKEAI_ROOT",
        ] {
            command.env_remove(other);
        }
        command
            .args(arguments)
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("HF_HOME", self.home.path().join("hf"))
            .env("INLAY_DATA", self.data())
            .env("HF_ENDPOINT", &self.server.address);
        command
    }

    /// Exit code, stdout, stderr.
    fn inlay(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(arguments).output().expect("runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let code = output.status.code().expect("an exit code");
        (code, text(output.stdout), text(output.stderr))
    }

    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let (code, out, err) = self.inlay(arguments);
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).expect("JSON")
    }
}

fn row<'a>(rows: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    let rows = rows.as_array().expect("a list");
    rows.iter().find(|row| row["name"] == name).expect("a row")
}

#[test]
fn the_list_asks_nobody_and_says_what_may_be_used_for_what() {
    let user = User::new();
    let rows = user.json(&["models", "list", "--json"]);
    let klein = row(&rows, "FLUX.2-klein-4B");
    assert_eq!(klein["origin"], "available");
    assert_eq!(klein["state"], "absent");
    assert_eq!(klein["licence"], "Apache-2.0");
    assert_eq!(klein["commercial"], true);
    let large = row(&rows, "FLUX.2-klein-9B");
    assert_eq!(
        (&large["commercial"], &large["gated"]),
        (&false.into(), &true.into())
    );
    let own = row(&rows, "unireal-nano");
    assert_eq!(
        (&own["origin"], &own["state"]),
        (&"built-in".into(), &"ready".into())
    );
    let (code, out, err) = user.inlay(&["models", "list"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 1 + rows.as_array().unwrap().len());
    assert!(lines[0].starts_with("name ") && lines[0].ends_with("where"));
    assert!(out.contains("FLUX Non-Commercial License (not for commercial use)"));
    // Columns stand below each other.
    let at = lines[0].find("licence").unwrap();
    let licence = |line: &str| line.chars().skip(at).take(10).collect::<String>();
    let of_klein = lines
        .iter()
        .find(|line| line.starts_with("FLUX.2-klein-4B "))
        .unwrap();
    assert_eq!(licence(of_klein), "Apache-2.0");
    assert_eq!(user.server.asked(), []);
    assert!(!user.data().exists());
}

#[test]
fn a_model_is_downloaded_checked_and_removed() {
    let user = User::new();
    let weights = "transformer/diffusion_pytorch_model.safetensors";
    user.server.fail(weights, [Fault::Drop(1000)]);
    let (code, out, err) = user.inlay(&["models", "download", REPO]);
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    let place = user.data().join("models/tiny-klein");
    assert!(err.starts_with("asking the hub\n"), "{err}");
    assert!(
        err.contains("warning: the connection was lost, trying again\n"),
        "{err}"
    );
    let last = format!("downloaded tiny-klein: {}", place.display());
    assert_eq!(err.lines().last(), Some(last.as_str()));
    assert_eq!(user.server.ranges(weights).len(), 2);
    let rows = user.json(&["models", "list", "--json"]);
    assert_eq!(row(&rows, "tiny-klein")["state"], "ready");
    assert!(row(&rows, "tiny-klein")["memory"]["all"].as_u64() > Some(0));
    let report = user.json(&["models", "verify", "tiny-klein", "--json"]);
    assert_eq!(report["damaged"].as_array().map(Vec::len), Some(0));
    std::fs::write(place.join("model_index.json"), b"{}").unwrap();
    let (code, _, err) = user.inlay(&["models", "verify", "tiny-klein"]);
    assert_eq!(code, 1);
    assert!(
        err.ends_with(
            "error: tiny-klein: damaged: model_index.json; download or copy these files again\n"
        ),
        "{err}"
    );
    // Nobody can be asked here.
    let (code, _, err) = user.inlay(&["models", "remove", "tiny-klein"]);
    assert_eq!(
        (code, err.as_str()),
        (2, "error: nobody can be asked here, add --yes\n")
    );
    assert!(place.join(weights).exists());
    let (code, _, err) = user.inlay(&["models", "remove", "tiny-klein", "--yes"]);
    assert_eq!(code, 0);
    assert!(err.starts_with("removed tiny-klein, "), "{err}");
    assert!(!place.exists());
    let (code, _, err) = user.inlay(&["models", "verify", "tiny-klein"]);
    assert_eq!(
        (code, err.as_str()),
        (
            1,
            "error: there is no model “tiny-klein”: `inlay models list` shows the names\n"
        )
    );
}

#[test]
fn licences_and_tokens_are_the_user_s_to_give() {
    let user = User::new();
    let (code, _, err) = user.inlay(&["models", "download", "FLUX.2-klein-9B"]);
    assert_eq!(code, 1);
    assert_eq!(
        err,
        format!(
            "error: FLUX.2-klein-9B is under the FLUX Non-Commercial License, for non-commercial use only: read it at {}/black-forest-labs/FLUX.2-klein-9B, accept it there, and repeat with --accept-licence\n",
            user.server.address
        )
    );
    assert_eq!(user.server.asked(), []);
    // What other programs keep or name is not taken.
    std::fs::create_dir(user.home.path().join("hf")).unwrap();
    std::fs::write(user.home.path().join("hf/token"), "stored").unwrap();
    user.command(&["models", "download", REPO])
        .env("HF_TOKEN", "named")
        .output()
        .unwrap();
    assert!(
        user.server
            .asked()
            .iter()
            .all(|asked| asked.token.is_none())
    );
    let mut command = user.command(&[
        "models",
        "download",
        REPO,
        "--name",
        "b",
        "--token-file",
        "-",
    ]);
    let before = user.server.asked().len();
    assert!(
        command
            .write_stdin("mine\n")
            .output()
            .unwrap()
            .status
            .success()
    );
    let asked = user.server.asked();
    let mine = Some("Bearer mine".to_owned());
    assert!(asked.len() > before && asked[before..].iter().all(|asked| asked.token == mine));
    for bytes in tree(&user.data()).values() {
        assert!(!bytes.windows(4).any(|part| part == b"mine"));
    }
    let mut command = user.command(&["models", "download", REPO, "--token-file", "-"]);
    let output = command.write_stdin(" \n").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn offline_is_one_sentence() {
    let user = User::new();
    let sentence =
        "error: Inlay works offline: unset HF_HUB_OFFLINE or leave out --offline to download\n";
    let (code, _, err) = user.inlay(&["models", "download", REPO, "--offline"]);
    assert_eq!((code, err.as_str()), (1, sentence));
    let mut command = user.command(&["models", "download", REPO]);
    let output = command.env("HF_HUB_OFFLINE", "1").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), sentence);
    assert_eq!(user.server.asked(), []);
}

#[test]
fn what_is_here_already_is_found_and_added() {
    let user = User::new();
    let (code, _, err) = user.inlay(&["models", "add", "--find"]);
    assert_eq!(code, 1);
    assert!(err.starts_with("error: no new model was found"), "{err}");
    // Where ComfyUI usually is.
    comfy(&user.home.path().join("ComfyUI"));
    let found = user.json(&["models", "add", "--find", "--json"]);
    assert_eq!(found["added"].as_array().map(Vec::len), Some(0));
    assert_eq!(found["unusable"][0]["owner"], "ComfyUI");
    user.server.put("x/tokenizer.json", b"{}".to_vec());
    let elsewhere = tempfile::tempdir().unwrap();
    comfy(elsewhere.path());
    let folder = elsewhere.path().join("models/diffusion_models/flux2");
    let tokenizer = model_folder().join("tokenizer/tokenizer.json");
    std::fs::copy(tokenizer, folder.join("tokenizer.json")).unwrap();
    let place = elsewhere.path().to_str().unwrap();
    let found = user.json(&["models", "add", "--find", "--in", place, "--json"]);
    assert_eq!(found["added"], serde_json::json!(["klein"]));
    let (code, _, err) = user.inlay(&["models", "add"]);
    assert_eq!(code, 2, "{err}");
    assert_eq!(user.server.asked(), []);
}

fn generate(user: &User, model: &str) -> (i32, String, String) {
    let out = format!("{model}.png");
    user.inlay(&[
        "generate", "--model", model, "--device", "cpu", "--prompt", "a cup", "--size", "64x64",
        "--steps", "1", "--json", "--out", &out,
    ])
}

#[test]
fn models_are_used_by_their_names() {
    let user = User::new();
    let folder = model_folder();
    let (code, _, err) = user.inlay(&["models", "add", folder.to_str().unwrap(), "--name", "tiny"]);
    assert_eq!((code, err.as_str()), (0, "added tiny\n"));
    let (code, out, err) = generate(&user, "tiny");
    assert_eq!(code, 0, "{err}");
    let printed: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(printed["job"]["model"], "model");
    assert!(user.home.path().join("tiny.png").is_file());
    let (code, _, err) = generate(&user, "unknown");
    assert_eq!(code, 1);
    assert!(
        err.ends_with("error: there is no file or folder “unknown” and no model of this name: `inlay models list` shows the names\n"),
        "{err}"
    );
    let (code, _, _) = generate(&user, "unireal-nano");
    assert_eq!(code, 0);
    // A model of the list is forgotten, its files stay.
    let (code, _, err) = user.inlay(&["models", "remove", "tiny", "--yes"]);
    assert_eq!(
        (code, err.as_str()),
        (0, "tiny is no longer in the list, its files stay\n")
    );
    assert!(Path::new(&folder).join("model_index.json").is_file());
}

#[test]
fn a_transformer_alone_is_used_when_its_parts_are_here() {
    let user = User::new();
    user.server.also_as("black-forest-labs/FLUX.2-klein-4B");
    user.server.set_licence("cc-by-nc-4.0");
    let gguf = std::fs::read(single("transformer_q8_0.gguf")).unwrap();
    user.server.put("tiny-Q8_0.gguf", gguf);
    let get = |words: &[&str]| {
        let (code, out, err) = user.inlay(&[&["models", "download"], words].concat());
        assert_eq!((code, out.as_str()), (0, ""), "{err}");
        err
    };
    let err = get(&[REPO, "--file", "tiny-Q8_0.gguf", "--name", "mine"]);
    assert!(
        err.contains(
            "\nwarning: mine is under the licence cc-by-nc-4.0, for non-commercial use only\n"
        ),
        "{err}"
    );
    assert!(
        err.contains("\nwarning: the autoencoder (VAE), the text encoder (Qwen3) and the tokenizer are missing for tiny-Q8_0.gguf: get them with"),
        "{err}"
    );
    for (part, complete) in [
        ("qwen3-4b-text-encoder", false),
        ("flux2-vae", false),
        ("qwen3-tokenizer", true),
    ] {
        let err = get(&[part]);
        assert_eq!(err.ends_with("\nmine is complete now\n"), complete, "{err}");
        assert!(!err.contains("warning"), "{err}");
    }
    let (code, _, err) = generate(&user, "mine");
    assert_eq!(code, 0, "{err}");
    assert!(user.home.path().join("mine.png").is_file());
}

#[test]
fn a_recipe_finds_its_model_by_name() {
    let user = User::new();
    user.inlay(&["models", "download", REPO]);
    assert_eq!(generate(&user, "tiny-klein").0, 0);
    let (code, _, err) = user.inlay(&[
        "rerun",
        "tiny-klein.png",
        "--out",
        "again.png",
        "--device",
        "cpu",
    ]);
    assert_eq!(code, 0, "{err}");
    let pixels = |name: &str| image::open(user.home.path().join(name)).unwrap().to_rgba8();
    assert_eq!(pixels("again.png"), pixels("tiny-klein.png"));
}
