//! Takes in what happened outside the window: the engine's events, files, dropped and pasted pictures.

use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui;

use super::files::{Outcome, is_project};
use super::models::ModelsAction;
use super::rejoin::Joined;
use super::state::{Action, Dropped, ModelState, Pending, Session};
use super::toasts::Kind;
use crate::doc::Picture;
use crate::engine::message::{Event, JobId, JobPreview};

impl Session {
    /// Takes an event of the engine in.
    pub fn on_event(&mut self, event: Event) {
        match event {
            Event::Loading(share, what) => self.model = ModelState::Loading(share, what),
            Event::Loaded(summary) => self.model = ModelState::Ready(summary),
            Event::LoadFailed(why) => {
                self.toasts.add(Kind::Error, why.clone());
                self.model = ModelState::Failed(why);
                self.models.loaded = None;
                self.models.chosen = None;
            }
            Event::Started(id) => self.begin(id),
            Event::Warning(_, text) => self.toasts.add(Kind::Warning, text),
            Event::Sent(id, text) => {
                if let Some(job) = self.job.as_mut().filter(|job| job.id == id) {
                    job.sent = Some(text);
                }
            }
            Event::Progress(id, step, steps, elapsed, eta) => {
                if let Some(job) = self.job.as_mut().filter(|job| job.id == id) {
                    job.step = step;
                    job.steps = steps;
                    job.elapsed = elapsed;
                    job.eta = eta;
                }
            }
            Event::Output(id, finished) => {
                let output = self.outputs.iter_mut().find(|output| {
                    output.job == id
                        && output.index == finished.index
                        && output.joint == finished.joint
                });
                if let Some(output) = output {
                    output.seed = finished.seed;
                    output.picture = Some(finished.picture);
                    output.joining = finished.joining;
                    // Its recipe says how it is joined itself.
                    if output.spec.vary {
                        let spec = Arc::make_mut(&mut output.spec);
                        spec.vary = false;
                        spec.blend = finished.blend;
                        output.blend = finished.blend;
                    }
                }
            }
            Event::Done(id) => self.end(id),
            Event::Cancelled(id) => {
                self.end(id);
                self.toasts.add(Kind::Info, "cancelled");
            }
            Event::Failed(id, why) => {
                self.end(id);
                self.toasts.add(Kind::Error, why);
            }
        }
    }

    /// An output was joined anew; its recipe says so.
    pub fn on_joined(&mut self, joined: Joined) {
        let output = self.outputs.iter_mut().find(|o| o.id == joined.output);
        if let Some(output) = output {
            Arc::make_mut(&mut output.spec).blend = joined.blend;
            output.picture = Some(joined.picture);
            output.saved = None;
        }
    }

    /// The engine has begun a job, perhaps another one than was next when the window looked.
    fn begin(&mut self, id: JobId) {
        if let Some(at) = self.waiting.iter().position(|job| job.id == id) {
            let begun = self.waiting.remove(at);
            if let Some(other) = self.job.replace(begun) {
                self.waiting.insert(0, other);
            }
        }
    }

    /// The job is over: outputs that were not finished go away, and the next one's turn has come.
    fn end(&mut self, id: JobId) {
        if self.job.as_ref().is_some_and(|job| job.id == id) {
            self.job = (!self.waiting.is_empty()).then(|| self.waiting.remove(0));
        } else {
            self.waiting.retain(|job| job.id != id);
        }
        self.outputs
            .retain(|output| output.job != id || output.picture.is_some());
        self.mend_shown();
    }

    /// Takes the newest estimates in.
    pub fn on_preview(&mut self, preview: JobPreview) {
        if let Some(job) = self.job.as_mut().filter(|job| job.id == preview.job) {
            job.preview = Some(preview);
            job.generation += 1;
        }
    }

    /// Takes the outcome of a file errand in; what is to be done then.
    pub fn on_file(&mut self, outcome: Outcome) -> Vec<Action> {
        match outcome {
            Outcome::Picture { which, name, .. } if self.is_gone(which) => {
                let text = format!("{name} was read too late: its document is closed");
                self.toasts.add(Kind::Warning, text);
            }
            Outcome::Picture {
                picture,
                cutout,
                name,
                source,
                destination,
                ..
            } => {
                let source = source.map(|path| path.display().to_string());
                let uncut = self.add_picture(picture, cutout, name, source, destination);
                return uncut
                    .map(|slot| Action::CutOut(slot, false))
                    .into_iter()
                    .collect();
            }
            Outcome::Cut(cutting, object) => self.on_cut(*cutting, object),
            Outcome::Mask(which, _) if self.is_gone(which) => {
                let text = "the mask was read too late: its document is closed";
                self.toasts.add(Kind::Warning, text);
            }
            Outcome::Mask(_, plane) => self.take_mask(&plane),
            Outcome::Saved(id, path) => {
                let text = format!("saved as {}", path.display());
                self.toasts.add(Kind::Info, text);
                if let Some(output) = self.outputs.iter_mut().find(|output| output.id == id) {
                    output.saved = Some(path);
                }
            }
            Outcome::MaskSaved(path) => {
                let text = format!("mask saved as {}", path.display());
                self.toasts.add(Kind::Info, text);
            }
            Outcome::ModelFiles(path) => {
                return vec![Action::Models(ModelsAction::Add(path))];
            }
            Outcome::Model(_) => self.model = ModelState::Loading(0.0, "the model".to_owned()),
            Outcome::Warning(text) => self.toasts.add(Kind::Warning, text),
            Outcome::Failed(text) => self.toasts.add(Kind::Error, text),
            outcome => return self.on_project(outcome),
        }
        Vec::new()
    }

    /// Whether another document has taken the place of the one that something was read for.
    fn is_gone(&self, which: Option<u64>) -> bool {
        which.is_some_and(|which| which != self.project.which)
    }

    /// Takes dropped files and pasted pictures in. Where dropped ones go is decided when the pointer is known; what
    /// is pasted is an object, or the canvas if there is none. A project is opened wherever it is dropped.
    pub fn on_input(&mut self, ctx: &egui::Context) -> Option<Action> {
        let typing = ctx.text_edit_focused();
        let (mut dropped, mut pasted, time) = ctx.input(|input| {
            let dropped = input.raw.dropped_files.iter();
            let dropped: Vec<Dropped> = dropped
                .map(|file| Dropped::Path(file.path().to_owned()))
                .collect();
            let mut pasted = Vec::new();
            for event in &input.events {
                match event {
                    egui::Event::PasteImage(image) => {
                        pasted.extend(picture_of(image).map(Dropped::Picture));
                    }
                    // A file manager copies files as their paths.
                    egui::Event::Paste(text) if !typing => {
                        pasted.extend(paths_in(text).map(Dropped::Path));
                    }
                    _ => {}
                }
            }
            (dropped, pasted, input.time)
        });
        if self.is_asking() {
            // Not behind a question.
            pasted.clear();
        }
        let project = dropped.iter().chain(&pasted).find_map(|file| match file {
            Dropped::Path(path) if is_project(path) => Some(path.clone()),
            _ => None,
        });
        if let Some(project) = project {
            return Some(Action::OpenProject(project));
        }
        if !dropped.is_empty() {
            if let Some(pending) = self.pending.take() {
                dropped.splice(0..0, pending.files);
            }
            self.pending = Some(Pending {
                files: dropped,
                since: time,
                asking: false,
            });
        }
        (!pasted.is_empty()).then_some(Action::Paste(pasted))
    }
}

fn picture_of(image: &egui::ColorImage) -> Option<Arc<Picture>> {
    let pixels = image
        .pixels
        .iter()
        .flat_map(|colour| colour.to_srgba_unmultiplied())
        .collect();
    let [width, height] = image.size.map(|side| u32::try_from(side).unwrap_or(0));
    Picture::from_rgba(width, height, pixels).map(Arc::new)
}

/// The existing files that a text names, one a line, as paths or file URLs.
fn paths_in(text: &str) -> impl Iterator<Item = PathBuf> + '_ {
    text.lines()
        .take(64)
        .map(|line| line.trim())
        .map(|line| of_url(line).unwrap_or_else(|| PathBuf::from(line)))
        .filter(|path| path.is_absolute() && path.is_file())
}

/// The path of a file URL of this computer.
fn of_url(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("file://")?;
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    // "/C:/cup.png" is how a path with a drive is written.
    let drive = |rest: &&str| cfg!(windows) && rest.as_bytes().get(1) == Some(&b':');
    let rest = rest.strip_prefix('/').filter(drive).unwrap_or(rest);
    let mut bytes = Vec::with_capacity(rest.len());
    let mut left = rest.as_bytes();
    while let [first, after @ ..] = left {
        let code = match left {
            [b'%', high, low, ..] => {
                let digit = |digit: u8| char::from(digit).to_digit(16);
                digit(*high).zip(digit(*low))
            }
            _ => None,
        };
        match code {
            Some((high, low)) => {
                bytes.push((high * 16 + low) as u8);
                left = &left[3..];
            }
            None => {
                bytes.push(*first);
                left = after;
            }
        }
    }
    of_bytes(bytes)
}

#[cfg(unix)]
fn of_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Some(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn of_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_names_are_read_as_paths_and_as_urls() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tea cup 50% é.png");
        std::fs::write(&path, b"x").unwrap();
        let plain = path.to_str().unwrap().replace('\\', "/");
        let plain = plain.trim_start_matches('/');
        let url = plain
            .replace('%', "%25")
            .replace(' ', "%20")
            .replace('é', "%C3%a9");
        for text in [
            format!("file:///{url}"),
            format!("file://localhost/{url}"),
            path.to_str().unwrap().to_owned(),
        ] {
            let found: Vec<_> = paths_in(&text).collect();
            assert_eq!(found, std::slice::from_ref(&path), "{text}");
        }
        assert_eq!(paths_in("file:///no%zzwhere").count(), 0);
        // A path that only looks coded is taken as it is.
        assert_eq!(paths_in(&format!("/{url}")).count(), 0);
    }
}
