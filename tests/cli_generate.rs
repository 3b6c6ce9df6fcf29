//! `inlay generate` and `inlay rerun` from end to end, with a small model of random weights.

mod files;

use std::path::Path;

use assert_cmd::Command;
use inlay::io::metadata;
use inlay::model::{AttentionKind, random_folder, tiny_config};

/// A folder with a model, a canvas, an object and a mask.
fn studio() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    random_folder(&tiny_config(AttentionKind::Cached), 5, &at.join("model")).expect("a model");
    files::put(at, "photo.png", &files::png(120, 90));
    let object = image::RgbaImage::from_fn(30, 30, |x, y| {
        let inside = (x as i32 - 15).pow(2) + (y as i32 - 15).pow(2) < 150;
        image::Rgba([200, 30, (x * 8) as u8, if inside { 255 } else { 0 }])
    });
    let object = files::encoded(object, image::ImageFormat::Png);
    files::put(at, "cup.png", &object);
    files::put(at, "mask.png", &files::mask_png(120, 90, (40, 30, 80, 66)));
    folder
}

/// Runs a command line (words split at spaces) and gives exit code, stdout, stderr.
fn inlay(line: &str, folder: &Path) -> (i32, String, String) {
    let output = Command::cargo_bin("inlay")
        .expect("the program")
        .args(line.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let code = output.status.code().expect("an exit code");
    (code, text(output.stdout), text(output.stderr))
}

fn fails(line: &str, folder: &Path, code: i32, sentence: &str) {
    let (found, out, err) = inlay(line, folder);
    assert_eq!((found, out.as_str()), (code, ""), "{err}");
    let last = err.lines().last().unwrap_or_default();
    assert_eq!(last, format!("error: {sentence}"), "{line}");
}

const JOB: &str = "generate --model model --device cpu --canvas photo.png --asset cup.png --mask mask.png --steps 2";

#[test]
fn an_insertion_is_made_inspected_and_made_again() {
    let folder = studio();
    let at = folder.path();
    let (code, out, err) = inlay(
        &format!("{JOB} --mask-level outline --seed 5 --out a.png"),
        at,
    );
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    assert!(
        err.lines().any(|line| line.starts_with("step 2 of 2, ")),
        "{err}"
    );
    assert_eq!(err.lines().last(), Some("saved a.png"));
    assert!(!err.contains('\u{1b}'));

    let recipe = metadata::read(&at.join("a.png")).expect("a recipe");
    assert_eq!((recipe.seed, recipe.output), (5, 0));
    assert_eq!(recipe.job.inputs[1].source.as_deref(), Some("cup.png"));
    assert_eq!(recipe.job.model, "model");
    assert_eq!(recipe.job.model_hash.len(), 64);
    let (code, out, _) = inlay("inspect a.png", at);
    assert_eq!(code, 0);
    let printed: metadata::Recipe = serde_json::from_str(&out).expect("JSON");
    assert_eq!(printed, recipe);

    // Far from the mask nothing changed; inside it something did.
    let canvas = inlay::io::load(&at.join("photo.png"))
        .expect("opens")
        .picture;
    let made = inlay::io::load(&at.join("a.png")).expect("opens").picture;
    assert_eq!((made.width(), made.height()), (120, 90));
    for x in 0..120 {
        assert_eq!(made.pixel(x, 0), canvas.pixel(x, 0));
    }
    assert_ne!(made.pixel(60, 48), canvas.pixel(60, 48));

    let again = inlay("rerun a.png --model model --device cpu --out b.png", at);
    assert_eq!(again.0, 0, "{}", again.2);
    let bytes = |name: &str| std::fs::read(at.join(name)).expect("reads");
    assert!(bytes("a.png") == bytes("b.png"));

    let other = inlay(
        "rerun a.png --model model --device cpu --set seed=6 --out c.png",
        at,
    );
    assert_eq!(other.0, 0, "{}", other.2);
    let other = inlay::io::load(&at.join("c.png")).expect("opens").picture;
    assert_ne!(other, made);
    assert_eq!(metadata::read(&at.join("c.png")).expect("a recipe").seed, 6);
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_text_is_told_as_far_as_it_is() {
    use std::os::unix::ffi::OsStrExt;
    let folder = studio();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.png");
    let output = Command::cargo_bin("inlay")
        .expect("the program")
        .args(JOB.split_whitespace())
        .arg("--json")
        .arg("--out")
        .arg(name)
        .current_dir(folder.path())
        .output()
        .expect("runs");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(folder.path().join(name).exists());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["outputs"][0]["file"], "caf\u{fffd}.png");
}

#[test]
fn several_outputs_are_numbered_and_told_as_json() {
    let folder = studio();
    let at = folder.path();
    let line = format!("{JOB} --outputs 3 --seed 8 --out r.png --previews steps --json");
    let (code, out, err) = inlay(&line, at);
    assert_eq!(code, 0, "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let of = |key: &str| -> Vec<String> {
        let outputs = json["outputs"].as_array().expect("outputs");
        outputs
            .iter()
            .map(|output| output[key].to_string())
            .collect()
    };
    assert_eq!(of("file"), ["\"r-1.png\"", "\"r-2.png\"", "\"r-3.png\""]);
    assert_eq!(of("seed"), ["8", "9", "10"]);
    assert_eq!(of("width"), ["120", "120", "120"]);
    assert_eq!(json["job"]["steps"], 2);
    let steps = files::listing(&at.join("steps"));
    assert!(steps.contains(&"step-001-1.png".to_string()), "{steps:?}");

    // One of several made again is that one, and previews change nothing.
    let again = inlay(
        "rerun r-2.png --model model --device cpu --out again.png",
        at,
    );
    assert_eq!(again.0, 0, "{}", again.2);
    let picture = |name: &str| inlay::io::load(&at.join(name)).expect("opens").picture;
    assert_eq!(picture("r-2.png"), picture("again.png"));
    assert_ne!(picture("r-1.png"), picture("r-2.png"));
}

#[test]
fn a_folder_gets_names_that_tell_and_never_collide() {
    let folder = studio();
    let at = folder.path();
    for _ in 0..2 {
        let (code, _, err) = inlay(&format!("{JOB} --seed 3 --out results"), at);
        assert_eq!(code, 0, "{err}");
    }
    let names = files::listing(&at.join("results"));
    assert_eq!(names.len(), 2, "{names:?}");
    for name in names {
        assert!(
            name.starts_with("photo-2") && name.contains("-3-RES1"),
            "{name}"
        );
    }
}

#[test]
fn a_new_picture_has_the_size_asked_for() {
    let folder = studio();
    let at = folder.path();
    let line =
        "generate --model model --device cpu --prompt cup --size 96x64 --steps 1 --out new.png";
    let (code, _, err) = inlay(line, at);
    assert_eq!(code, 0, "{err}");
    let made = inlay::io::load(&at.join("new.png")).expect("opens").picture;
    assert_eq!((made.width(), made.height()), (96, 64));
}

#[test]
fn a_prompt_of_ten_thousand_letters_is_cut_with_a_warning() {
    let folder = studio();
    let at = folder.path();
    let output = Command::cargo_bin("inlay")
        .expect("the program")
        .args(JOB.split_whitespace())
        .args(["--out", "a.png", "--prompt", &"long ".repeat(2000)])
        .current_dir(at)
        .output();
    let output = output.expect("runs");
    let err = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(
        err.lines().any(|line| line.starts_with("warning: ")),
        "{err}"
    );
    let recipe = metadata::read(&at.join("a.png")).expect("a recipe");
    assert_eq!(recipe.job.prompt.len(), 10_000);
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    let folder = studio();
    let at = folder.path();
    let nine = "--asset cup.png ".repeat(8);
    fails(
        &format!("generate --canvas photo.png {nine} --out a.png"),
        at,
        2,
        "a job takes 8 inputs at most, masks included, and this one has 9: remove a picture or a mask",
    );
    fails(
        &format!("{JOB} --prompt IMG7 --out a.png"),
        at,
        2,
        "IMG7 is not there: this job has 3 inputs",
    );
    fails(
        &format!("{JOB} --out a.webp"),
        at,
        2,
        "results are PNG or JPEG files, let --out end in .png or .jpg, or name a folder: a.webp",
    );
    fails(
        &format!("{JOB} --out photo.png"),
        at,
        2,
        "the result would replace a picture it is made from, choose another --out: photo.png",
    );
    assert_eq!(
        files::listing(at),
        ["cup.png", "mask.png", "model", "photo.png"]
    );
}

#[test]
fn files_that_do_not_serve_end_in_one_sentence() {
    let folder = studio();
    let at = folder.path();
    files::put(at, "small.png", &files::mask_png(60, 45, (20, 15, 40, 33)));
    files::put(at, "empty.png", &files::mask_png(120, 90, (0, 0, 0, 0)));
    files::put(at, "cut.png", &files::png(120, 90)[..200]);
    files::put(at, "file", b"");
    let with = |mask: &str| format!("generate --canvas photo.png --mask {mask} --out a.png");
    fails(
        &with("small.png"),
        at,
        1,
        "the mask has 60×45 pixels and the canvas 120×90, make them the same size: small.png",
    );
    fails(
        &with("empty.png"),
        at,
        1,
        "the mask selects nothing, paint white where the object goes: empty.png",
    );
    fails(
        &with("cut.png"),
        at,
        1,
        "the file ends before the picture does, copy or download it again: cut.png",
    );
    fails(
        &format!("{JOB} --out none/a.png"),
        at,
        1,
        "the folder for the result does not exist, create it or choose another: none",
    );
    fails(
        &format!("{JOB} --out file/"),
        at,
        1,
        "a file stands where the folder for the result should be, choose another folder: file/",
    );
    fails(
        &format!("{JOB} --out a.png --previews file"),
        at,
        1,
        "a file stands where the folder for the result should be, choose another folder: file",
    );
    assert!(!at.join("a.png").exists());
}

#[test]
fn a_model_that_is_missing_or_corrupt_is_named() {
    let folder = studio();
    let at = folder.path();
    let failure = |line: &str| {
        let (code, out, err) = inlay(line, at);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        err.lines().last().unwrap_or_default().to_string()
    };
    let line = JOB.replace("--model model", "--model gone");
    assert_eq!(
        failure(&format!("{line} --out a.png")),
        "error: there is no file or folder “gone” and no model of this name: `inlay models list` shows the names"
    );

    let weights = at.join("model/transformer.safetensors");
    let whole = std::fs::read(&weights).expect("reads");
    std::fs::write(&weights, &whole[..whole.len() / 2]).expect("writes");
    let sentence = failure(&format!("{JOB} --out a.png"));
    assert!(sentence.contains("transformer.safetensors"), "{sentence}");
    std::fs::write(&weights, b"no weights").expect("writes");
    let sentence = failure(&format!("{JOB} --out a.png"));
    assert!(sentence.contains("transformer.safetensors"), "{sentence}");
    std::fs::write(at.join("model/config.json"), b"{").expect("writes");
    let sentence = failure(&format!("{JOB} --out a.png"));
    assert!(sentence.contains("config.json"), "{sentence}");
    assert!(!at.join("a.png").exists());
}

/// With no room for a result (the limit on file sizes stands for a full disk), what was there stays.
#[cfg(unix)]
#[test]
fn a_full_disk_loses_nothing() {
    let folder = studio();
    let at = folder.path();
    files::put(at, "a.png", b"old");
    let program = assert_cmd::cargo::cargo_bin("inlay");
    let script = format!(
        "trap '' XFSZ; ulimit -f 1; exec {} {JOB} --out a.png",
        program.display()
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(at)
        .output()
        .expect("runs");
    let err = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{err}");
    let last = err.lines().last();
    let sentence = "error: the disk is full, free some space or choose another folder: a.png";
    assert_eq!(last, Some(sentence), "{err}");
    assert_eq!(std::fs::read(at.join("a.png")).expect("reads"), b"old");
    let names = files::listing(at);
    assert_eq!(
        names,
        ["a.png", "cup.png", "mask.png", "model", "photo.png"]
    );
}

#[test]
fn a_rerun_finds_its_pictures_or_asks_for_them() {
    let folder = studio();
    let at = folder.path();
    let (code, _, err) = inlay(&format!("{JOB} --out a.png"), at);
    assert_eq!(code, 0, "{err}");
    let rerun = "rerun a.png --model model --device cpu --out b.png";

    std::fs::rename(at.join("cup.png"), at.join("moved.png")).expect("renames");
    fails(
        rerun,
        at,
        1,
        "IMG2 is not where it was, give it with --input IMG2=FILE: cup.png",
    );
    let (code, _, err) = inlay(&format!("{rerun} --input IMG2=moved.png"), at);
    assert_eq!(code, 0, "{err}");
    let bytes = |name: &str| std::fs::read(at.join(name)).expect("reads");
    assert!(bytes("a.png") == bytes("b.png"));

    files::put(at, "cup.png", &files::png(9, 9));
    fails(
        rerun,
        at,
        1,
        "IMG2 has changed since the result was made, give the right file with --input IMG2=FILE: cup.png",
    );
    let (code, _, err) = inlay(&format!("{rerun} --input IMG2=cup.png"), at);
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains(
            "warning: IMG2 is another picture than the recipe's, the result will differ: cup.png"
        ),
        "{err}"
    );
    fails(
        "rerun a.png --out b.png",
        at,
        2,
        "the recipe is for the model “model”, name its folder with --model",
    );
    fails(
        &format!("{rerun} --set colour=red"),
        at,
        2,
        "a recipe has no “colour” to set, use one of seed, steps, outputs, vary, joint, prompt, context, \
         guidance_text, guidance_image, solver, level, size, feather, grow, colour_match, keep_detail, relight, brightness, shadow, cast, \
         mode, strength",
    );
}

#[test]
fn a_step_of_flux2_is_measured_without_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let line = "bench flux2 --device cpu --size 16 --references 1 --blocks 1,1 --repeats 1 --json";
    let (code, out, err) = inlay(line, folder.path());
    assert_eq!(code, 0, "{err}");
    let figures: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(figures["blocks"], serde_json::json!([1, 1]));
    assert_eq!(figures["tokens"], 512 + 2);
    assert!(figures["step_s"].as_f64().unwrap() > 0.0);
    fails(
        "bench flux2 --blocks 5",
        folder.path(),
        2,
        "--blocks takes two numbers, double and single blocks, such as 5,20",
    );
    fails(
        "bench flux2 --size 100",
        folder.path(),
        2,
        "--size 100 is no multiple of 16",
    );
}

#[test]
fn the_bench_prints_its_figures_as_json() {
    let folder = studio();
    let at = folder.path();
    let line = "bench --model model --device cpu --inputs 1,3 --repeats 1 --json";
    let (code, out, err) = inlay(line, at);
    assert_eq!(code, 0, "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let steps = json["steps"].as_array().expect("steps");
    let inputs: Vec<_> = steps.iter().map(|step| step["inputs"].as_u64()).collect();
    assert_eq!(inputs, [Some(1), Some(3)]);
    for key in ["matmul_gflops", "encode_ms", "decode_ms"] {
        assert!(json[key].as_f64().is_some_and(|value| value > 0.0), "{key}");
    }
    assert!(json["cancelling"]["longest_cancel_ms"].is_number());
    fails(
        "bench --model model --device gpu",
        at,
        2,
        "there is no device “gpu”, use auto, cpu, cuda or metal",
    );
}

/// Ctrl+C ends a job with a sentence and leaves no half file.
#[cfg(unix)]
#[test]
fn an_interrupt_cancels() {
    let folder = studio();
    let at = folder.path();
    let program = assert_cmd::cargo::cargo_bin("inlay");
    let line = JOB.replace("--steps 2", "--steps 1000");
    let mut child = std::process::Command::new(program)
        .args(line.split_whitespace())
        .args(["--outputs", "8", "--out", "a.png"])
        .current_dir(at)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("starts");
    let mut said = std::io::BufReader::new(child.stderr.take().expect("stderr"));
    let mut lines = String::new();
    // The first step tells that the job runs.
    while !lines.contains("step ") {
        let read = std::io::BufRead::read_line(&mut said, &mut lines).expect("reads");
        assert!(read > 0, "ended early: {lines}");
    }
    let kill = format!("kill -INT {}", child.id());
    assert!(
        Command::new("sh")
            .args(["-c", &kill])
            .output()
            .expect("runs")
            .status
            .success()
    );
    std::io::Read::read_to_string(&mut said, &mut lines).expect("reads");
    assert_eq!(child.wait().expect("ends").code(), Some(1));
    let last = lines.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("error: cancelled, 0 of 8 results are saved"),
        "{lines}"
    );
    let names = files::listing(at);
    assert_eq!(names, ["cup.png", "mask.png", "model", "photo.png"]);
}

#[test]
fn the_model_in_the_program_warns_of_pictures_without_a_canvas() {
    let folder = studio();
    let warned = |line: &str| {
        let (code, _, err) = inlay(line, folder.path());
        assert_eq!(code, 0, "{err}");
        err.contains("unireal-nano is too small to make pictures without a canvas: add one, or use a FLUX.2 model")
    };
    let words = "generate --device cpu --prompt cup --steps 1";
    assert!(warned(&format!("{words} --out a.png")));
    assert!(!warned(&format!("{words} --canvas photo.png --out b.png")));
    assert!(!warned(&format!("{words} --model model --out c.png")));
}
