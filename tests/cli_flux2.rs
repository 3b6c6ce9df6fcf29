//! FLUX.2 on the command line, with a tiny model of random weights.

mod flux2;

use std::path::Path;

use assert_cmd::Command;
use image::RgbImage;

/// Runs a command line with the tiny FLUX.2 and gives exit code and stderr.
fn generate(words: &[&str], folder: &Path) -> (i32, String) {
    let output = Command::cargo_bin("inlay")
        .expect("the program")
        .args("generate --device cpu --seed 3 --prompt apple".split(' '))
        .args(words)
        .current_dir(folder)
        .output()
        .expect("runs");
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    (output.status.code().expect("an exit code"), text)
}

fn read(path: &Path) -> RgbImage {
    image::open(path).expect("a picture").to_rgb8()
}

/// Root of the mean squared difference, of 255.
fn apart(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let squares = a.iter().zip(b.iter()).map(|(a, b)| {
        let d = f64::from(*a) - f64::from(*b);
        d * d
    });
    (squares.sum::<f64>() / a.len() as f64).sqrt()
}

#[test]
fn autoencoder_and_type_are_those_that_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (model, small) = (flux2::model(""), flux2::single("small_decoder.safetensors"));
    let (model, small) = (model.to_str().unwrap(), small.to_str().unwrap());
    let made = |name: &str, more: &[&str]| {
        let words = [&["--model", model, "--out", name], more].concat();
        let (code, err) = generate(&words, at);
        assert_eq!(code, 0, "{err}");
        read(&at.join(name))
    };
    let usual = made("usual.png", &[]);
    assert_eq!(usual, made("f32.png", &["--dtype", "f32"]));
    let half = made("half.png", &["--dtype", "bf16"]);
    let by_small = made("small.png", &["--vae", small]);
    // Another type rounds, another decoder paints otherwise.
    assert!(half != usual && apart(&half, &usual) < 8.0);
    assert!(apart(&by_small, &usual) > apart(&half, &usual));
}

#[test]
fn what_does_not_fit_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let model = flux2::model("");
    let transformer = flux2::single("transformer.safetensors");
    let model = ["--model", model.to_str().unwrap(), "--out", "a.png"];
    let vae = ["--vae", transformer.to_str().unwrap()];
    for (words, code, sentence) in [
        (
            [&model[..], &["--dtype", "f8"]].concat(),
            2,
            "there is no type “f8” to compute in, use auto, f32, f16 or bf16",
        ),
        (
            [&["--out", "a.png"], &vae[..]].concat(),
            2,
            "--vae is an autoencoder for a FLUX.2 model: name that with --model",
        ),
        (
            [&model[..], &vae[..]].concat(),
            1,
            "transformer.safetensors is the transformer, not an autoencoder of FLUX.2: choose flux2-vae.safetensors or the small decoder",
        ),
    ] {
        let (found, err) = generate(&words, at);
        assert_eq!(found, code, "{err}");
        let last = err.lines().last().unwrap_or_default();
        assert_eq!(last, format!("error: {sentence}"));
    }
    assert_eq!(std::fs::read_dir(at).unwrap().count(), 0);
}
