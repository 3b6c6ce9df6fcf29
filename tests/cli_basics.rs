//! The command line's manners: exit codes, one sentence on stderr, JSON on stdout, nothing half-written.

mod files;

use std::path::Path;

use assert_cmd::Command;

/// What a command gave: exit code, stdout, stderr.
fn inlay(arguments: &[&str], folder: &Path) -> (i32, String, String) {
    let mut command = Command::cargo_bin("inlay").expect("the program");
    let output = command
        .args(arguments)
        .current_dir(folder)
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .output()
        .expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let code = output.status.code().expect("an exit code");
    (code, text(output.stdout), text(output.stderr))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Asserts a failure of exit code 1 with exactly this sentence.
fn fails(arguments: &[&str], folder: &Path, sentence: &str) {
    let expected = (1, String::new(), format!("error: {sentence}\n"));
    assert_eq!(inlay(arguments, folder), expected);
}

#[test]
fn help_and_version_are_results() {
    let folder = folder();
    let (code, out, err) = inlay(&["--version"], folder.path());
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, format!("inlay {}\n", env!("CARGO_PKG_VERSION")));
    let (code, out, err) = inlay(&["--help"], folder.path());
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("inspect") && out.contains("mask") && !out.contains('\u{1b}'));
}

#[test]
fn what_is_not_understood_is_a_usage_error() {
    let folder = folder();
    for arguments in [
        &["mask", "--frm", "x"][..],
        &["inspect"],
        &[
            "mask", "--from", "m.png", "--level", "round", "--out", "o.png",
        ],
    ] {
        let (code, out, err) = inlay(arguments, folder.path());
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(
            err.starts_with("error: ") && !err.contains('\u{1b}'),
            "{err}"
        );
    }
}

#[test]
fn without_a_display_the_editor_names_the_command_line() {
    let folder = folder();
    fails(
        &[],
        folder.path(),
        "there is no display to open the editor on, use `inlay generate` to work without a window",
    );
    fails(
        &["generat"],
        folder.path(),
        "there is no such file, check its name: generat",
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_display_that_does_not_answer_is_one_sentence_too() {
    let folder = folder();
    let output = Command::cargo_bin("inlay")
        .expect("the program")
        .current_dir(folder.path())
        .env("DISPLAY", ":7654")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .output()
        .expect("runs");
    let err = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(output.stdout.is_empty());
    assert!(
        err.starts_with("error: ") && err.contains("`inlay generate`"),
        "{err}"
    );
    assert_eq!(err.lines().count(), 1, "{err}");
}

#[test]
fn a_mask_becomes_a_box() {
    let folder = folder();
    files::put(
        folder.path(),
        "m.png",
        &files::mask_png(40, 30, (10, 8, 20, 16)),
    );
    let done = inlay(
        &[
            "mask", "--from", "m.png", "--level", "box", "--out", "l.png",
        ],
        folder.path(),
    );
    assert_eq!(done, (0, String::new(), String::new()));
    let mask = inlay::io::mask::load(&folder.path().join("l.png"))
        .expect("opens")
        .mask;
    let (x0, y0, x1, y1) = mask.bounds().expect("a box");
    let area = mask.values().iter().filter(|&&v| v == 255).count() as u32;
    assert_eq!(area, (x1 - x0) * (y1 - y0));
    assert!(x0 <= 10 && y0 <= 8 && x1 >= 20 && y1 >= 16);
    assert_eq!(files::listing(folder.path()), ["l.png", "m.png"]);
}

#[test]
fn broken_pictures_end_in_one_sentence() {
    let folder = folder();
    let put = |name: &str, bytes: &[u8]| files::put(folder.path(), name, bytes);
    put("cut.png", &files::png(50, 50)[..90]);
    put("huge.png", &files::png_claiming(100_000, 100_000));
    put("none.png", &files::png_claiming(0, 0));
    put("text.png", b"this is only a text");
    put("black.png", &files::mask_png(9, 9, (0, 0, 0, 0)));
    for (name, sentence) in [
        (
            "cut.png",
            "the file ends before the picture does, copy or download it again: cut.png",
        ),
        (
            "huge.png",
            "the picture has 100000×100000 pixels and Inlay takes at most 16384 a side, make it smaller first: huge.png",
        ),
        (
            "none.png",
            "the picture has no pixels (0×0), choose another: none.png",
        ),
        (
            "text.png",
            "text.png is not a picture Inlay can read (PNG, JPEG, WebP, BMP, TIFF, GIF)",
        ),
        (
            "black.png",
            "the mask selects nothing, paint white where the object goes: black.png",
        ),
        (
            "gone.png",
            "there is no such file, check its name: gone.png",
        ),
    ] {
        fails(
            &["mask", "--from", name, "--level", "blob", "--out", "o.png"],
            folder.path(),
            sentence,
        );
    }
    assert!(!folder.path().join("o.png").exists());
}

#[test]
fn moving_pictures_warn_and_go_on() {
    let folder = folder();
    files::put(folder.path(), "m.gif", &files::animated_gif());
    let (code, out, err) = inlay(
        &[
            "mask", "--from", "m.gif", "--level", "exact", "--out", "o.png",
        ],
        folder.path(),
    );
    // Red is too dark to be selected, but it was read.
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(
        err,
        "warning: the picture is animated, only its first frame is used: m.gif\n\
         error: the mask selects nothing, paint white where the object goes: m.gif\n"
    );
}

#[test]
fn places_that_cannot_be_written_end_in_one_sentence() {
    let folder = folder();
    files::put(folder.path(), "m.png", &files::mask_png(9, 9, (2, 2, 5, 5)));
    files::put(folder.path(), "file", b"");
    let to = |out: &str, sentence: &str| {
        fails(
            &["mask", "--from", "m.png", "--level", "exact", "--out", out],
            folder.path(),
            sentence,
        );
    };
    to(
        "none/o.png",
        "the folder for the result does not exist, create it or choose another: none",
    );
    to(
        "file/o.png",
        "a file stands where the folder for the result should be, choose another folder: file",
    );
    to(".", "this is a folder, add a file name: .");
    #[cfg(target_os = "linux")]
    to(
        "/dev/full",
        "the disk is full, free some space or choose another folder: /dev/full",
    );
}

/// With no room for a file (the limit on file sizes stands for a full disk), what was there stays.
#[cfg(unix)]
#[test]
fn a_full_disk_loses_nothing() {
    let folder = folder();
    files::put(folder.path(), "m.png", &files::mask_png(9, 9, (2, 2, 5, 5)));
    files::put(folder.path(), "o.png", b"old");
    let program = assert_cmd::cargo::cargo_bin("inlay");
    let script = format!(
        "trap '' XFSZ; ulimit -f 0; exec {} mask --from m.png --level exact --out o.png",
        program.display()
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder.path())
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(
        err,
        "error: the disk is full, free some space or choose another folder: o.png\n"
    );
    let old = std::fs::read(folder.path().join("o.png")).expect("reads");
    assert_eq!(old, b"old");
    assert_eq!(files::listing(folder.path()), ["m.png", "o.png"]);
}

/// A picture of a few bytes that claims gigabytes is refused without asking for them.
#[cfg(target_os = "linux")]
#[test]
fn bombs_are_refused_within_little_memory() {
    let folder = folder();
    files::put(
        folder.path(),
        "bomb.png",
        &files::png_claiming(2_000_000_000, 2),
    );
    files::put(folder.path(), "text.png", &files::png_text_bomb(400));
    let program = assert_cmd::cargo::cargo_bin("inlay");
    for (command, sentence) in [
        (
            "mask --from bomb.png --level exact --out o.png",
            "the picture has 2000000000×2 pixels and Inlay takes at most 16384 a side, make it smaller first: bomb.png",
        ),
        (
            "inspect text.png",
            "this picture holds no recipe, it was not made by Inlay or was saved again by another program: text.png",
        ),
    ] {
        // In KiB; the program alone reserves about one of the two GiB.
        let script = format!("ulimit -v 2097152; exec {} {command}", program.display());
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(folder.path())
            .output()
            .expect("runs");
        let err = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(err, format!("error: {sentence}\n"));
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn inspect_prints_the_recipe_and_nothing_else() {
    let folder = folder();
    files::put(folder.path(), "plain.png", &files::png(3, 3));
    fails(
        &["inspect", "plain.png"],
        folder.path(),
        "this picture holds no recipe, it was not made by Inlay or was saved again by another program: plain.png",
    );
    let job: inlay::doc::JobSpec = serde_json::from_str(
        r#"{"version":1,"model":"m","inputs":[],"regions":[],"prompt":"a cup","outputs":1,"seed":3,
            "steps":2,"guidance_text":1.0,"guidance_image":1.0,"solver":"heun"}"#,
    )
    .expect("a job");
    let recipe = inlay::io::metadata::Recipe::new(job, 0, 0, 3);
    let picture = inlay::doc::Picture::filled(4, 4, [1, 2, 3, 255]);
    let path = folder.path().join("made.png");
    inlay::io::metadata::write(&path, &picture, Some(&recipe)).expect("saved");
    let (code, out, err) = inlay(&["inspect", "made.png"], folder.path());
    assert_eq!((code, err.as_str()), (0, ""));
    let printed: inlay::io::metadata::Recipe = serde_json::from_str(&out).expect("JSON");
    assert_eq!(printed, recipe);
}

/// A result that can't be printed is a failure, not a panic.
#[cfg(target_os = "linux")]
#[test]
fn a_full_stdout_is_a_failure() {
    let folder = folder();
    let job: inlay::doc::JobSpec = serde_json::from_str(
        r#"{"version":1,"model":"m","inputs":[],"regions":[],"prompt":"","outputs":1,"seed":3,
            "steps":2,"guidance_text":1.0,"guidance_image":1.0,"solver":"euler"}"#,
    )
    .expect("a job");
    let recipe = inlay::io::metadata::Recipe::new(job, 0, 0, 3);
    let picture = inlay::doc::Picture::filled(4, 4, [1, 2, 3, 255]);
    inlay::io::metadata::write(&folder.path().join("made.png"), &picture, Some(&recipe))
        .expect("saved");
    let program = assert_cmd::cargo::cargo_bin("inlay");
    let output = Command::new("sh")
        .args([
            "-c",
            &format!("exec {} inspect made.png > /dev/full", program.display()),
        ])
        .current_dir(folder.path())
        .output()
        .expect("runs");
    let err = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(
        err,
        "error: the result can't be printed: no space left on device\n"
    );
    assert_eq!(output.status.code(), Some(1));
}
