//! Frames of a film: a folder of pictures, or a file that the `ffmpeg` program takes apart.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

/// RGB frames of one size, square.
pub struct Film {
    /// What names it in captions and shards: the file's or folder's name.
    pub name: String,
    /// Pixels along each side.
    pub size: usize,
    /// RGB bytes of each frame, row by row.
    pub frames: Vec<Vec<[u8; 3]>>,
}

/// A file that is no film, whatever its name says.
#[derive(Debug, thiserror::Error)]
#[error("ffmpeg could not read {path}: {why}")]
struct Unreadable {
    path: String,
    why: String,
}

/// Endings of films' names.
const FILMS: [&str; 14] = [
    "mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "ogv", "ts", "wmv", "flv", "3gp",
    "gif",
];
/// Endings of pictures' names.
const PICTURES: [&str; 7] = ["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff"];

fn ending(path: &Path) -> String {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    ending.unwrap_or_default()
}

/// Whether a file's name says that it is a picture.
fn is_picture(path: &Path) -> bool {
    PICTURES.contains(&ending(path).as_str())
}

/// Whether a file's name says that it is a film.
fn is_film(path: &Path) -> bool {
    FILMS.contains(&ending(path).as_str())
}

/// The entries of a folder in order of their names.
fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let list = std::fs::read_dir(folder)
        .with_context(|| format!("the folder {} can't be read", folder.display()))?;
    for entry in list {
        found.push(entry?.path());
    }
    found.sort();
    Ok(found)
}

/// The films of a file, a folder of frames, or a folder of films, in which what is no film is left out with a warning.
///
/// # Errors
/// Nothing usable there, or a film without `ffmpeg`.
pub fn films(source: &Path, size: usize, rate: f32) -> anyhow::Result<Vec<Film>> {
    let films = match source.is_file() {
        true => vec![from_file(source, size, rate)?],
        false => from_folder(source, size, rate)?,
    };
    anyhow::ensure!(
        films.iter().any(|film| film.frames.len() > 1),
        "{} has no film of two frames or more; give a video or a folder of frames",
        source.display()
    );
    Ok(films)
}

fn from_folder(folder: &Path, size: usize, rate: f32) -> anyhow::Result<Vec<Film>> {
    let all = entries(folder)?;
    let pictures: Vec<&PathBuf> = all.iter().filter(|p| is_picture(p)).collect();
    if !pictures.is_empty() {
        return Ok(vec![from_pictures(folder, &pictures, size)?]);
    }
    let mut films = Vec::new();
    for path in &all {
        if path.is_dir() {
            films.extend(from_folder(path, size, rate)?);
        } else if !is_film(path) {
            // ffmpeg would make a film of a text as well.
            tracing::warn!("{} is left out: it has no film's name", path.display());
        } else {
            match from_file(path, size, rate) {
                Err(error) if error.is::<Unreadable>() => tracing::warn!("left out: {error}"),
                film => films.push(film?),
            }
        }
    }
    Ok(films)
}

fn name_of(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn from_pictures(folder: &Path, pictures: &[&PathBuf], size: usize) -> anyhow::Result<Film> {
    let mut frames = Vec::with_capacity(pictures.len());
    for path in pictures {
        let picture = image::open(path)
            .with_context(|| format!("{} is not a readable picture", path.display()))?
            .to_rgb8();
        // The middle square, as large as it goes.
        let (w, h) = picture.dimensions();
        let side = w.min(h);
        let square =
            image::imageops::crop_imm(&picture, (w - side) / 2, (h - side) / 2, side, side)
                .to_image();
        let scaled = if side as usize == size {
            square
        } else {
            image::imageops::resize(
                &square,
                size as u32,
                size as u32,
                image::imageops::FilterType::Triangle,
            )
        };
        frames.push(scaled.pixels().map(|p| p.0).collect());
    }
    Ok(Film {
        name: name_of(folder),
        size,
        frames,
    })
}

fn from_file(path: &Path, size: usize, rate: f32) -> anyhow::Result<Film> {
    let folder = tempfile::tempdir().context("there is no room for temporary files")?;
    let run = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(path)
        .args(["-vf", &format!("fps={rate}")])
        .arg(folder.path().join("%06d.png"))
        .output();
    let output = match run {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => anyhow::bail!(
            "ffmpeg is not installed, and films are read with it; install it, or give a folder of frames"
        ),
        Err(error) => return Err(error).context("ffmpeg could not be started"),
    };
    if !output.status.success() {
        return Err(Unreadable {
            path: path.display().to_string(),
            why: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }
        .into());
    }
    let found = entries(folder.path())?;
    let pictures: Vec<&PathBuf> = found.iter().collect();
    let mut film = from_pictures(folder.path(), &pictures, size)?;
    film.name = name_of(path);
    Ok(film)
}
