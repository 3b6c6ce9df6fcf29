//! Opens the window.

use std::path::PathBuf;

use eframe::egui;

use super::app::{App, Start};
use super::backend::Backend;
use super::models::Hub;
use super::remembered;
use crate::engine::Engine;
use crate::engine::message::{Event, JobId, JobPreview, ModelSource, Request};
use crate::hub::message as hub;
use crate::hub::service::{Options, Service};

impl Backend for Engine {
    fn send(&mut self, request: Request) -> Result<(), String> {
        Engine::send(self, request).map_err(|error| error.to_string())
    }

    fn send_first(&mut self, request: Request) -> Result<(), String> {
        Engine::send_first(self, request).map_err(|error| error.to_string())
    }

    fn arrange(&mut self, order: &[JobId]) {
        Engine::arrange(self, order);
    }

    fn cancel(&mut self, job: JobId) {
        Engine::cancel(self, job);
    }

    fn cancel_loading(&mut self) {
        Engine::cancel_loading(self);
    }

    fn look_at(&mut self, picture: Option<usize>) {
        Engine::look_at(self, picture);
    }

    fn poll(&mut self) -> Vec<Event> {
        Engine::poll(self)
    }

    fn latest_preview(&mut self) -> Option<JobPreview> {
        Engine::latest_preview(self)
    }
}

impl Hub for Service {
    fn ask(&mut self, request: hub::Request) -> Result<(), String> {
        Service::ask(self, request)
    }

    fn cancel(&mut self) {
        Service::cancel(self);
    }

    fn withdraw(&mut self, name: &str) -> bool {
        Service::withdraw(self, name)
    }

    fn poll(&mut self) -> Vec<hub::Event> {
        Service::poll(self)
    }

    fn progress(&mut self) -> Option<hub::Progress> {
        Service::progress(self)
    }
}

/// Names a model's folder to use instead of the model inside the program.
const MODEL_VARIABLE: &str = "INLAY_MODEL";

/// The smallest window in points.
const SMALLEST: [f32; 2] = [900.0, 600.0];

/// Opens the editor with these files, or with the sample project, and returns when its window is closed.
///
/// # Errors
/// One sentence if there is no display, no graphics adapter or no worker thread; it names `inlay generate`.
pub fn run(files: Vec<PathBuf>) -> anyhow::Result<()> {
    let store = Options::of_user();
    let options = eframe::NativeOptions {
        // The window's size, its panels', theme and interface size are those of the last session.
        persistence_path: store.as_ref().ok().map(|o| o.data.join("window.ron")),
        persist_window: store.is_ok(),
        viewport: egui::ViewportBuilder::default()
            .with_title("Inlay")
            .with_app_id("inlay")
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size(SMALLEST)
            .with_drag_and_drop(true),
        ..Default::default()
    };
    let opened = eframe::run_native(
        "Inlay",
        options,
        Box::new(move |creation| {
            let ctx = creation.egui_ctx.clone();
            let engine = Engine::start(move || ctx.request_repaint())?;
            // For trying another model without choosing it each time.
            let folder = std::env::var_os(MODEL_VARIABLE).filter(|folder| !folder.is_empty());
            // Without a folder for data there is neither a journal nor a list of models.
            let options = store;
            let data = options.as_ref().ok().map(|options| options.data.clone());
            let last = match &folder {
                Some(_) => None,
                None => data.as_deref().and_then(remembered::model),
            };
            let start = Start {
                remembered: last.is_some(),
                model: folder
                    .map(|folder| ModelSource::Folder(folder.into()))
                    .or(last)
                    .or(Some(ModelSource::Embedded)),
                files: files.into_iter().map(absolute).collect(),
                data,
            };
            let app = App::new(creation, Box::new(engine), start);
            let ctx = creation.egui_ctx.clone();
            let hub = options.and_then(|o| Service::start(o, move || ctx.request_repaint()));
            Ok(match hub {
                Ok(hub) => Box::new(app.with_hub(Box::new(hub))),
                Err(error) => {
                    tracing::debug!("{error}");
                    Box::new(app)
                }
            })
        }),
    );
    opened.map_err(|error| anyhow::anyhow!(why_not(&error)))
}

/// The file's path for every working folder: it is written into the list of recent projects and the crash journal.
fn absolute(file: PathBuf) -> PathBuf {
    std::path::absolute(&file).unwrap_or(file)
}

/// Why the window could not be opened. winit's own words name its source files, so they are only logged.
fn why_not(error: &eframe::Error) -> String {
    tracing::debug!("{error}");
    match error {
        eframe::Error::AppCreation(error) => error.to_string(),
        eframe::Error::Wgpu(error) => format!(
            "no graphics adapter can draw the window ({error}): install a Vulkan, Metal or DirectX 12 driver, \
             or use `inlay generate` to work without a window"
        ),
        _ => "the display does not answer: check the DISPLAY or WAYLAND_DISPLAY variable, or use `inlay generate` \
              to work without a window"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_the_same_from_every_folder() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(absolute("cup.ora".into()), here.join("cup.ora"));
        assert_eq!(absolute(here.join("cup.ora")), here.join("cup.ora"));
    }
}
