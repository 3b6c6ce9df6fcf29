//! `inlay perceive` from end to end: with a small model of random weights, and with the model in the program.

mod files;

use std::path::Path;

use assert_cmd::Command;
use inlay::doc::Picture;
use inlay::io::metadata;
use inlay::model::{AttentionKind, embedded, random_folder, tiny_config};

fn studio() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    random_folder(&tiny_config(AttentionKind::Cached), 5, &at.join("model")).expect("a model");
    files::put(at, "photo.png", &files::png(120, 90));
    folder
}

fn inlay(words: &[&str], folder: &Path) -> (i32, String, String) {
    let output = Command::cargo_bin("inlay")
        .expect("the program")
        .args(words)
        .current_dir(folder)
        .output()
        .expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let code = output.status.code().expect("an exit code");
    (code, text(output.stdout), text(output.stderr))
}

fn fails(words: &[&str], folder: &Path, code: i32, sentence: &str) {
    let (found, out, err) = inlay(words, folder);
    assert_eq!((found, out.as_str()), (code, ""), "{err}");
    let last = err.lines().last().unwrap_or_default();
    assert_eq!(last, format!("error: {sentence}"));
}

fn picture(folder: &Path, name: &str) -> Picture {
    inlay::io::load(&folder.join(name)).expect("opens").picture
}

const TINY: [&str; 4] = ["--model", "model", "--device", "cpu"];

#[test]
fn a_map_is_grey_of_the_pictures_size_and_made_again_to_the_byte() {
    let folder = studio();
    let at = folder.path();
    for (task, words, text) in [
        (
            "segment",
            Some("a red cup"),
            "Realistic style; perception task. Segment the red cup in IMG1.",
        ),
        (
            "depth",
            None,
            "Realistic style; perception task. The depth map of IMG1.",
        ),
        (
            "edge",
            None,
            "Realistic style; perception task. The edges of IMG1.",
        ),
    ] {
        let mut line = vec![
            "perceive",
            "--task",
            task,
            "photo.png",
            "--out",
            "map.png",
            "--steps",
            "2",
        ];
        line.extend(words.iter().flat_map(|words| ["--words", words]));
        line.extend(TINY);
        let (code, out, err) = inlay(&line, at);
        assert_eq!((code, out.as_str()), (0, ""), "{err}");
        let map = picture(at, "map.png");
        assert_eq!((map.width(), map.height()), (120, 90));
        for [r, g, b, a] in map
            .pixels()
            .chunks_exact(4)
            .map(|p| [p[0], p[1], p[2], p[3]])
        {
            assert_eq!((r, r, 255), (g, b, a));
        }
        // Soft: not a picture of two values.
        let mut values: Vec<u8> = map.pixels().iter().step_by(4).copied().collect();
        values.sort_unstable();
        values.dedup();
        assert!(values.len() > 2);
        let recipe = metadata::read(&at.join("map.png")).expect("a recipe");
        assert_eq!(recipe.job.compile().expect("compiles").text, text);
        assert!(recipe.job.is_map() && !recipe.job.blend.keep_detail);
        let mut line = vec!["rerun", "map.png", "--out", "again.png"];
        line.extend(TINY);
        let again = inlay(&line, at);
        assert_eq!(again.0, 0, "{}", again.2);
        let bytes = |name: &str| std::fs::read(at.join(name)).expect("reads");
        assert!(bytes("map.png") == bytes("again.png"), "{task}");
    }
}

#[test]
fn the_same_words_as_a_prompt_give_the_same_map() {
    let folder = studio();
    let at = folder.path();
    let mut line = vec!["perceive", "--task", "depth", "photo.png", "--out", "a.png"];
    line.extend(TINY);
    assert_eq!(inlay(&line, at).0, 0);
    let mut line = vec!["generate", "--canvas", "photo.png", "--out", "b.png"];
    line.extend(["--prompt", "The depth map of IMG1."]);
    line.extend(TINY);
    assert_eq!(inlay(&line, at).0, 0);
    assert_eq!(picture(at, "a.png"), picture(at, "b.png"));
}

#[test]
fn maps_steer_the_next_job() {
    let folder = studio();
    let at = folder.path();
    // The model in the program, if there is one.
    let model: &[&str] = match embedded() {
        Ok(_) => &["--device", "cpu"],
        Err(_) => &TINY,
    };
    for (task, words) in [
        ("depth", None),
        ("edge", None),
        ("segment", Some("the cup")),
    ] {
        let name = format!("{task}.png");
        let mut line = vec!["perceive", "--task", task, "photo.png", "--out", &name];
        line.extend(words.iter().flat_map(|words| ["--words", words]));
        line.extend(model);
        let (code, _, err) = inlay(&line, at);
        assert_eq!(code, 0, "{err}");
    }
    for kind in ["depth", "edge"] {
        let control = format!("{kind}={kind}.png");
        let mut line = vec![
            "generate",
            "--control",
            &control,
            "--size",
            "120x90",
            "--out",
            "new.png",
        ];
        line.extend(["--prompt", "A cup in the room, following IMG1."]);
        line.extend(model);
        let (code, _, err) = inlay(&line, at);
        assert_eq!(code, 0, "{err}");
        assert_eq!(picture(at, "new.png").width(), 120);
        let recipe = metadata::read(&at.join("new.png")).expect("a recipe");
        assert_eq!(recipe.job.inputs[0].source, Some(format!("{kind}.png")));
        assert!(!recipe.job.is_map());
    }
    // A mask is a region of the canvas. What a model finds may be nothing: then that is what is said.
    let mask = inlay::io::mask::load(&at.join("segment.png"))
        .expect("reads")
        .mask;
    let mut line = vec!["generate", "--canvas", "photo.png", "--mask", "segment.png"];
    line.extend(["--prompt", "A blue bowl.", "--out", "bowl.png"]);
    line.extend(model);
    match mask.bounds() {
        Some(_) => {
            let (code, _, err) = inlay(&line, at);
            assert_eq!(code, 0, "{err}");
            assert_ne!(picture(at, "bowl.png"), picture(at, "photo.png"));
        }
        None => fails(
            &line,
            at,
            1,
            "the mask selects nothing, paint white where the object goes: segment.png",
        ),
    }
}

#[test]
fn what_makes_no_sense_is_said_before_anything_is_opened() {
    let folder = studio();
    let at = folder.path();
    let line = |task: &'static str, more: &[&'static str]| -> Vec<&'static str> {
        let line = ["perceive", "none.png", "--out", "a.png", "--task", task];
        line.iter().chain(more).chain(&TINY).copied().collect()
    };
    fails(
        &line("colour", &[]),
        at,
        2,
        "“colour” is no task: use segment, depth or edge",
    );
    fails(
        &line("segment", &[]),
        at,
        2,
        "--task segment needs to know what: add --words, such as --words \"the red chair\"",
    );
    fails(
        &line("depth", &["--words", "cup"]),
        at,
        2,
        "--words says what to segment, leave it out with --task depth",
    );
    fails(
        &line("segment", &["--words", "IMG2"]),
        at,
        2,
        "IMG2 is not there: this job has 1 input",
    );
    let (code, _, err) = inlay(&line("depth", &[]), at);
    assert_eq!(code, 1);
    assert!(
        err.lines()
            .last()
            .is_some_and(|line| line.ends_with("none.png")),
        "{err}"
    );
    let mut replaced = line("depth", &[]);
    replaced[1] = "photo.png";
    replaced[3] = "photo.png";
    fails(
        &replaced,
        at,
        2,
        "the result would replace a picture it is made from, choose another --out: photo.png",
    );
}
