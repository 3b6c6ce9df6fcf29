//! What the command line never overwrites, what it refuses before any work, and how it says so.

mod files;

use std::path::Path;

use assert_cmd::Command;
use inlay::io::metadata;
use inlay::model::{AttentionKind, random_folder, tiny_config};

/// Runs a command line (words split at spaces) and gives exit code and stderr.
fn inlay(line: &str, folder: &Path) -> (i32, String) {
    let output = Command::cargo_bin("inlay")
        .expect("the program")
        .args(line.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("runs");
    let code = output.status.code().expect("an exit code");
    (code, String::from_utf8(output.stderr).expect("UTF-8"))
}

/// Asserts this exit code, and that the first line on stderr is an error that ends so.
fn fails(line: &str, folder: &Path, code: i32, end: &str) {
    let (found, err) = inlay(line, folder);
    assert_eq!(found, code, "{line}: {err}");
    let first = err.lines().next().unwrap_or_default();
    assert!(
        first.starts_with("error: ") && first.ends_with(end),
        "{line}: {first}"
    );
}

fn done(line: &str, folder: &Path) -> String {
    let (code, err) = inlay(line, folder);
    assert_eq!(code, 0, "{line}: {err}");
    err
}

fn tiny(folder: &Path, name: &str, seed: u64) {
    let config = tiny_config(AttentionKind::Cached);
    random_folder(&config, seed, &folder.join(name)).expect("a model");
}

/// A folder with a model and a canvas.
fn studio() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    tiny(folder.path(), "model", 5);
    files::put(folder.path(), "photo.png", &files::png(64, 48));
    folder
}

const JOB: &str =
    "generate --model model --device cpu --canvas photo.png --prompt brighter --steps 1";

#[test]
fn a_mask_never_takes_the_place_of_what_it_is_made_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let mask = files::mask_png(40, 30, (10, 8, 20, 16));
    files::put(at, "m.png", &mask);
    for out in ["m.png", "./m.png"] {
        fails(
            &format!("mask --from m.png --level box --out {out}"),
            at,
            2,
            &format!(
                "the result would replace a picture it is made from, choose another --out: {out}"
            ),
        );
    }
    fails(
        "mask --from m.png --level box --out m.jpg",
        at,
        2,
        "masks are PNG files, let --out end in .png: m.jpg",
    );
    assert_eq!(std::fs::read(at.join("m.png")).expect("reads"), mask);
    assert_eq!(files::listing(at), ["m.png"]);
}

#[test]
fn previews_leave_alone_what_is_there() {
    let folder = studio();
    let at = folder.path();
    std::fs::create_dir(at.join("steps")).expect("a folder");
    let canvas = files::put(&at.join("steps"), "step-001-1.png", &files::png(64, 48));
    let line = JOB.replace("photo.png", "steps/step-001-1.png");
    done(&format!("{line} --previews steps --out a.png"), at);
    assert_eq!(std::fs::read(canvas).expect("reads"), files::png(64, 48));
    assert_eq!(
        files::listing(&at.join("steps")),
        ["step-001-1-2.png", "step-001-1.png"]
    );
}

#[test]
fn what_fails_leaves_no_folder_behind() {
    let folder = studio();
    let at = folder.path();
    let line = JOB.replace("photo.png", "gone.png");
    fails(
        &format!("{line} --out results --previews steps"),
        at,
        1,
        "there is no such file, check its name: gone.png",
    );
    let dash = "results do not go to standard output, name a file or a folder with --out";
    fails(&format!("{JOB} --out -"), at, 2, dash);
    fails("mask --from photo.png --level box --out -", at, 2, dash);
    assert_eq!(files::listing(at), ["model", "photo.png"]);
}

#[test]
fn names_of_many_bytes_are_cut_before_they_are_too_long() {
    let folder = studio();
    let at = folder.path();
    let name = format!("{}.png", "🦆".repeat(60));
    std::fs::rename(at.join("photo.png"), at.join(&name)).expect("renames");
    done(
        &format!("{} --out results", JOB.replace("photo.png", &name)),
        at,
    );
    let names = files::listing(&at.join("results"));
    assert_eq!(names.len(), 1);
    let start = format!("{}-2", "🦆".repeat(37));
    assert!(names[0].starts_with(&start), "{names:?}");

    // The name would do for one result, but not with a number.
    std::fs::rename(at.join(&name), at.join("photo.png")).expect("renames");
    let long = format!("{}.png", "x".repeat(250));
    let sentence = "the name of the file is too long, choose a shorter one: ";
    fails(
        &format!("{JOB} --outputs 2 --out {long}"),
        at,
        1,
        &format!("{sentence}{}-2.png", "x".repeat(250)),
    );
}

#[test]
fn one_of_joint_pictures_is_made_again_alone() {
    let folder = studio();
    let at = folder.path();
    done(&format!("{JOB} --joint 2 --out r.png"), at);
    let again = "rerun r-2.png --model model --device cpu";
    done(&format!("{again} --out again.png"), at);
    let bytes = |name: &str| std::fs::read(at.join(name)).expect("reads");
    assert!(bytes("r-2.png") == bytes("again.png"));
    assert!(bytes("r-1.png") != bytes("again.png"));
    done(&format!("{again} --set joint=2 --out both.png"), at);
    assert!(bytes("r-1.png") == bytes("both-1.png") && bytes("r-2.png") == bytes("both-2.png"));
    assert_eq!(
        files::listing(at),
        [
            "again.png",
            "both-1.png",
            "both-2.png",
            "model",
            "photo.png",
            "r-1.png",
            "r-2.png"
        ]
    );
}

#[test]
fn another_model_is_told_from_other_weights() {
    let folder = studio();
    let at = folder.path();
    done(&format!("{JOB} --out a.png"), at);
    tiny(at, "other", 6);
    let warnings = |err: &str| -> Vec<String> {
        let lines = err.lines();
        let warnings = lines.filter(|line| line.starts_with("warning: "));
        warnings.map(str::to_owned).collect()
    };
    let err = done("rerun a.png --model other --device cpu --out b.png", at);
    let sentence =
        "warning: This recipe was made with the model model: with other the result will differ";
    assert_eq!(warnings(&err), [sentence]);
    // The new recipe names what the new result was made with.
    let recipe = metadata::read(&at.join("b.png")).expect("a recipe");
    assert_eq!(recipe.job.model, "other");
    let before = metadata::read(&at.join("a.png")).expect("a recipe");
    assert_ne!(recipe.job.model_hash, before.job.model_hash);

    std::fs::remove_dir_all(at.join("model")).expect("removes");
    tiny(at, "model", 7);
    let err = done("rerun a.png --model model --device cpu --out c.png", at);
    let sentence =
        "warning: This recipe was made with other weights of model: the result will differ";
    assert_eq!(warnings(&err), [sentence]);
}

#[test]
fn what_has_no_effect_or_is_not_kept_is_told() {
    let folder = studio();
    let at = folder.path();
    let err = done(&format!("{JOB} --dtype f16 --out a.jpg"), at);
    for warning in [
        "warning: model does not know --dtype: it changes nothing",
        "warning: a JPEG holds no recipe, so it can't be made again by `inlay rerun`: let --out end in .png to keep it",
    ] {
        assert!(err.lines().any(|line| line == warning), "{err}");
    }
    let err = done(&format!("{JOB} --dtype AUTO --out a.png"), at);
    assert!(!err.contains("warning: "), "{err}");
}

#[test]
fn numbers_are_told_as_they_were_given() {
    let folder = studio();
    let at = folder.path();
    for (options, sentence) in [
        ("--feather 1.1", "the feather is 1.1: use 0 to 1"),
        ("--feather -1", "the feather is -1: use 0 to 1"),
        ("--relight -0.3", "the relighting is -0.3: use 0 to 1"),
        ("--strength 0.01", "the strength is 0.01: use 0.05 to 1"),
        (
            "--seed -1",
            "use a whole number from 0 to 18446744073709551615",
        ),
    ] {
        fails(&format!("{JOB} {options} --out a.png"), at, 2, sentence);
    }
}

#[test]
fn wrong_usage_of_every_command_is_told_before_any_work() {
    let folder = studio();
    let at = folder.path();
    let eval = "eval --model model --generated 1 --pack gone";
    let share = "use a number from 0 to 1";
    let png = "this is written as PNG, let it end in .png";
    let side = "use a multiple of 16 from 32 to 512";
    for (line, sentence) in [
        (
            "eval",
            "nothing to judge: give --cases DIR, or --generated N with --pack DIR",
        ),
        (&format!("{eval} --feather=-3"), share),
        (&format!("{eval} --feather NaN"), share),
        (
            &format!("{eval} --guidance-text 51"),
            "use a number from 0 to 50",
        ),
        (&format!("{eval} --sheet a.foo"), png),
        (&format!("{eval} --size 100"), side),
        (
            &format!("{eval} --task depth"),
            "depth is judged with --suite DIR only: add it, or use insert_reference, insert_words, remove, move",
        ),
        ("data sheet --pack gone --out a.foo", png),
        ("data sheet --pack gone --size 40 --out a.png", side),
        ("data video . --out out --rate 0", "use a number above 0"),
        ("world render --pack gone --out a.jpg", png),
        ("bench world --pack gone --size 0", side),
        (
            "bench --model photo.png",
            "this is no model: name a model folder with --model",
        ),
    ] {
        fails(line, at, 2, sentence);
    }
    let (code, err) = inlay("data captions --pack gone --tasks dance", at);
    assert_eq!(code, 2, "{err}");
    assert!(
        err.starts_with("error: there is no task \"dance\""),
        "{err}"
    );
    assert_eq!(files::listing(at), ["model", "photo.png"]);
}

#[test]
fn the_systems_words_come_once_and_without_numbers() {
    let folder = studio();
    let at = folder.path();
    fails(
        "world render --pack gone --out a.png",
        at,
        1,
        "gone/manifest.json can't be read (no such file or directory); give the folder of an asset pack with a manifest.json",
    );
    std::fs::remove_file(at.join("model/text.safetensors")).expect("removes");
    let (code, err) = inlay(&format!("{JOB} --out a.png"), at);
    assert_eq!(code, 1);
    assert!(
        err.contains("text.safetensors cannot be read (no such file or directory: ")
            && !err.contains("os error"),
        "{err}"
    );
    // The header's checksum.
    let mut damaged = files::png(64, 48);
    damaged[30] ^= 1;
    files::put(at, "crc.png", &damaged);
    let (code, err) = inlay("mask --from crc.png --level box --out a.png", at);
    assert_eq!(code, 1);
    assert!(
        err.starts_with("error: the picture is damaged (CRC error") && !err.contains('{'),
        "{err}"
    );
}

/// Nothing is lost because nobody reads what a command says meanwhile.
#[cfg(target_os = "linux")]
#[test]
fn work_goes_on_when_stderr_takes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    std::fs::create_dir(at.join("frames")).expect("a folder");
    for name in ["1.png", "2.png"] {
        files::put(&at.join("frames"), name, &files::png(32, 32));
    }
    let program = assert_cmd::cargo::cargo_bin("inlay");
    let script = format!(
        "exec {} data video frames --out out --size 32 2> /dev/full",
        program.display()
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(at)
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(0));
    let names = files::listing(&at.join("out"));
    assert!(names.contains(&"index.json".to_owned()), "{names:?}");
}

#[test]
fn an_object_is_cut_out_of_a_photograph() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let photo = files::encoded(files::photo_of_a_box(120, 90), image::ImageFormat::Png);
    files::put(at, "photo.png", &photo);
    files::put(at, "over.png", &files::mask_png(120, 90, (28, 20, 92, 70)));
    files::put(at, "beside.png", &files::mask_png(60, 45, (28, 20, 42, 40)));
    files::put(at, "even.png", &files::mask_png(120, 90, (0, 0, 0, 0)));
    for cut in [
        "cut photo.png --out box.png",
        "cut photo.png --mask over.png --out box.png",
    ] {
        assert_eq!(inlay(cut, at), (0, String::new()), "{cut}");
        let object = image::open(at.join("box.png")).expect("opens").into_rgba8();
        // Where the box is, to within a pixel on each side.
        let (width, height) = object.dimensions();
        assert!(
            (47..=52).contains(&width) && (35..=40).contains(&height),
            "{cut}: {width}×{height}"
        );
        let opaque = object.pixels().filter(|p| p.0[3] == 255).count();
        assert!(opaque > 1600, "{cut}: {opaque}");
        assert!(
            object
                .pixels()
                .filter(|p| p.0[3] == 255)
                .all(|p| p.0[0] > p.0[1] + 60)
        );
        std::fs::remove_file(at.join("box.png")).expect("removes");
    }
    // Hardly another colour than the grass's: it is said that this may be wrong.
    let faint = files::photo_of_a_box_of(120, 90, [76, 118, 66]);
    files::put(
        at,
        "faint.png",
        &files::encoded(faint, image::ImageFormat::Png),
    );
    let (code, err) = inlay("cut faint.png --out box.png", at);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("may be another than you meant"), "{err}");
    for file in ["box.png", "faint.png"] {
        std::fs::remove_file(at.join(file)).expect("removes");
    }
    fails(
        "cut photo.png --mask even.png --out box.png",
        at,
        1,
        "no object was found that stands out from what is around it, paint a mask over it and give that with --mask: \
         photo.png",
    );
    fails(
        "cut photo.png --mask beside.png --out box.png",
        at,
        1,
        "the mask has 60×45 pixels and the picture 120×90, make them the same size: beside.png",
    );
    fails(
        "cut photo.png --out box.jpg",
        at,
        2,
        "objects are PNG files, let --out end in .png: box.jpg",
    );
    fails(
        "cut photo.png --out photo.png",
        at,
        2,
        "the result would replace a picture it is made from, choose another --out: photo.png",
    );
    assert_eq!(
        files::listing(at),
        ["beside.png", "even.png", "over.png", "photo.png"]
    );
}

#[test]
fn generating_says_what_it_cuts_out_and_leaves_it_if_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let photo = files::encoded(files::photo_of_a_box(120, 90), image::ImageFormat::Png);
    files::put(at, "box.png", &photo);
    files::put(at, "room.png", &files::png(96, 64));
    files::put(at, "m.png", &files::mask_png(96, 64, (30, 20, 60, 50)));
    let job = "generate --device cpu --steps 1 --canvas room.png --asset box.png --mask m.png --prompt put_IMG2_there";
    let (code, err) = inlay(&format!("{job} --out cut.png"), at);
    assert_eq!(code, 0, "{err}");
    let said = "the object was cut out of its picture, --whole-assets leaves photographs as they are: box.png";
    assert!(err.contains(said), "{err}");
    let (code, err) = inlay(&format!("{job} --whole-assets --out whole.png"), at);
    assert_eq!(code, 0, "{err}");
    assert!(!err.contains("cut out of its picture"), "{err}");
    // On plain ground it is no photograph, and nothing is left to choose.
    files::put(
        at,
        "plain.png",
        &files::encoded(files::box_on_plain(120, 90), image::ImageFormat::Png),
    );
    let plain = job.replace("box.png", "plain.png");
    let (code, err) = inlay(&format!("{plain} --out plain-cut.png"), at);
    assert_eq!(code, 0, "{err}");
    assert!(!err.contains("--whole-assets"), "{err}");
    // Results vary in light, and each runs again as it is.
    let (code, err) = inlay(&format!("{job} --outputs 3 --out many"), at);
    assert_eq!(code, 0, "{err}");
    let pixels = |name: &str| image::open(at.join(name)).expect("opens").into_rgba8();
    let many: Vec<String> = files::listing(&at.join("many"));
    assert_eq!(many.len(), 3, "{many:?}");
    let third = format!("many/{}", many[2]);
    let (code, err) = inlay(&format!("rerun {third} --device cpu --out third.png"), at);
    assert_eq!(code, 0, "{err}");
    assert_eq!(pixels("third.png"), pixels(&third));
    assert_ne!(pixels(&third), pixels(&format!("many/{}", many[0])));
    // Both run again, each with what it had.
    for name in ["cut", "whole"] {
        let (code, err) = inlay(
            &format!("rerun {name}.png --device cpu --out again.png"),
            at,
        );
        assert_eq!(code, 0, "{err}");
        let pixels = |name: &str| image::open(at.join(name)).expect("opens").into_rgba8();
        assert_eq!(pixels("again.png"), pixels(&format!("{name}.png")));
        std::fs::remove_file(at.join("again.png")).expect("removes");
    }
}
