//! `inlay data video` and the `ffmpeg` program: a stand-in for it, and none at all.
#![cfg(unix)]

mod files;

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use assert_cmd::Command;
use image::{Rgb, RgbImage};

/// A program that is still open for writing in a process just forked can't be run: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// What `inlay data video film.mp4 --out out` gave with this PATH: exit code and stderr.
fn video(folder: &Path, path: &OsString) -> (i32, String) {
    let mut command = Command::cargo_bin("inlay").expect("the program");
    let output = command
        .args(["data", "video", "film.mp4", "--out", "out", "--size", "32"])
        .args(["--rate", "2.5", "--object", "red box"])
        .current_dir(folder)
        .env("PATH", path)
        .output()
        .expect("runs");
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    (output.status.code().expect("an exit code"), text)
}

/// Puts a script called `ffmpeg` into the folder `bin`; gives a PATH that finds it first.
fn stand_in(folder: &Path, script: &str) -> OsString {
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).expect("a folder");
    let program = files::put(&bin, "ffmpeg", format!("#!/bin/sh\n{script}").as_bytes());
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("made executable");
    let mut path = bin.into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path
}

#[test]
fn ffmpeg_takes_films_apart() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    files::put(folder, "film.mp4", b"not really");
    let shown = folder.join("shown");
    std::fs::create_dir(&shown).expect("a folder");
    // Wider than high, as films are: a red box crosses the middle square.
    for (i, at) in [-9i64, 20, 25, 30, 35, 40, -9].into_iter().enumerate() {
        let picture = RgbImage::from_fn(72, 40, |x, y| {
            if (at..at + 9).contains(&i64::from(x)) && (14..24).contains(&y) {
                Rgb([210, 40, 30])
            } else {
                Rgb([90 + (x * 7 % 31) as u8, 110 + (y * 5 % 23) as u8, 80])
            }
        });
        let name = format!("{:06}.png", i + 1);
        files::put(
            &shown,
            &name,
            &files::encoded(picture, image::ImageFormat::Png),
        );
    }
    let path = stand_in(
        folder,
        "printf '%s\\n' \"$@\" > asked\nfor last; do :; done\ncp shown/*.png \"${last%/*}\"\n",
    );
    let (code, told) = video(folder, &path);
    assert_eq!(code, 0, "{told}");
    assert!(
        told.starts_with("film: ") && told.contains(" samples of 7 frames\n"),
        "{told}"
    );

    // The film, at the rate asked for, as numbered pictures; it neither asks nor chats.
    let asked = std::fs::read_to_string(folder.join("asked")).expect("it was called");
    let asked: Vec<&str> = asked.lines().collect();
    let after = |flag: &str| {
        let at = asked.iter().position(|a| *a == flag)?;
        asked.get(at + 1).copied()
    };
    assert_eq!(after("-i"), Some("film.mp4"));
    assert_eq!(after("-vf"), Some("fps=2.5"));
    assert_eq!(after("-v"), Some("error"));
    assert!(asked.contains(&"-nostdin"));
    let pattern = Path::new(asked.last().expect("an output"));
    assert!(pattern.is_absolute() && pattern.ends_with("%06d.png"));
    assert!(
        !pattern.parent().expect("a folder").exists(),
        "frames were left behind"
    );

    assert_eq!(
        files::listing(&folder.join("out")),
        ["header.bin", "index.json", "video-000000.tar"]
    );
    let index = std::fs::read(folder.join("out/index.json")).expect("an index");
    let index: serde_json::Value = serde_json::from_slice(&index).expect("JSON");
    let count = index["shardlist"][0]["nsamples"]
        .as_u64()
        .expect("a number");
    assert!(
        told.ends_with(&format!("{count} samples in out\n")),
        "{told}"
    );
    let tar = std::fs::read(folder.join("out/video-000000.tar")).expect("a shard");
    let text = String::from_utf8_lossy(&tar);
    for task in [0, 1, 2, 3, 5, 7] {
        assert!(text.contains(&format!("\"task\":{task},")), "task {task}");
    }
    assert!(text.contains("red box"));
}

#[test]
fn what_ffmpeg_says_of_a_film_it_cannot_read_is_passed_on() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    files::put(folder, "film.mp4", b"not really");
    let path = stand_in(folder, "echo 'moov atom not found' >&2\nexit 1\n");
    let sentence = "error: ffmpeg could not read film.mp4: moov atom not found\n";
    assert_eq!(video(folder, &path), (1, sentence.to_owned()));
    assert!(!folder.join("out").exists());
}

#[test]
fn without_ffmpeg_a_film_is_refused_in_a_sentence() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a folder");
    let nothing = tempfile::tempdir().expect("a folder");
    files::put(folder.path(), "film.mp4", b"not really");
    let path = nothing.path().as_os_str().to_owned();
    let sentence = "error: ffmpeg is not installed, and films are read with it; install it, or give a folder of frames\n";
    assert_eq!(video(folder.path(), &path), (1, sentence.to_owned()));
    assert!(!folder.path().join("out").exists());
}
