//! What the window's tests share: a scripted engine, and the window in a harness.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod models;

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use inlay::doc::{Job, Picture, Plane};
use inlay::engine::message::{Event, JobId, JobPreview, ModelSummary, Request};
use inlay::pipeline::event::{CropRect, Look, OutputPicture, Preview};
use inlay::ui::{App, Backend, Start};

/// What an engine was asked, and what it is to answer.
#[derive(Default)]
pub struct Script {
    pub jobs: Vec<(JobId, Job)>,
    pub cancelled: Vec<JobId>,
    /// How often the model was to be loaded no further.
    pub loading_cancelled: usize,
    /// The jobs that were to go before all others, and the last order of those that wait.
    pub first: Vec<JobId>,
    pub order: Vec<JobId>,
    pub events: Vec<Event>,
    pub preview: Option<JobPreview>,
    pub looked_at: Option<usize>,
}

#[derive(Clone, Default)]
pub struct Scripted(pub Rc<RefCell<Script>>);

impl Backend for Scripted {
    fn send(&mut self, request: Request) -> Result<(), String> {
        if let Request::Generate(id, job) = request {
            self.0.borrow_mut().jobs.push((id, *job));
        }
        Ok(())
    }

    fn send_first(&mut self, request: Request) -> Result<(), String> {
        if let Request::Generate(id, _) = &request {
            self.0.borrow_mut().first.push(*id);
        }
        self.send(request)
    }

    fn arrange(&mut self, order: &[JobId]) {
        self.0.borrow_mut().order = order.to_vec();
    }

    fn cancel(&mut self, job: JobId) {
        self.0.borrow_mut().cancelled.push(job);
    }

    fn cancel_loading(&mut self) {
        self.0.borrow_mut().loading_cancelled += 1;
    }

    fn poll(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.0.borrow_mut().events)
    }

    fn look_at(&mut self, picture: Option<usize>) {
        self.0.borrow_mut().looked_at = picture;
    }

    fn latest_preview(&mut self) -> Option<JobPreview> {
        self.0.borrow_mut().preview.take()
    }
}

impl Scripted {
    pub fn tell(&self, event: Event) {
        self.0.borrow_mut().events.push(event);
    }

    /// The last job that was asked for.
    pub fn job(&self) -> (JobId, Job) {
        self.0
            .borrow()
            .jobs
            .last()
            .cloned()
            .expect("no job was sent")
    }

    /// Estimates for the first `started` of `outputs`, a colour ramp in the crop, through a soft ellipse.
    pub fn preview(&self, outputs: usize, started: usize, crop: CropRect) {
        let (channels, rows, columns) = (4, 16, 16);
        let latents = |which: usize| {
            let mut values = vec![0.0; channels * rows * columns];
            for y in 0..rows {
                for x in 0..columns {
                    let at = y * columns + x;
                    values[at] = x as f32 / columns as f32;
                    values[rows * columns + at] = y as f32 / rows as f32;
                    values[2 * rows * columns + at] = which as f32 / outputs as f32;
                }
            }
            Arc::new(values)
        };
        let mut alpha = Plane::filled(crop.width, crop.height, 0);
        let width = crop.width as usize;
        for (at, value) in alpha.values_mut().iter_mut().enumerate() {
            let x = (at % width) as f32 / crop.width as f32 - 0.5;
            let y = (at / width) as f32 / crop.height as f32 - 0.5;
            let r = (x * x + y * y).sqrt() * 2.0;
            *value = ((1.0 - (r - 0.7) / 0.2).clamp(0.0, 1.0) * 255.0) as u8;
        }
        let unit = |i: usize| {
            let mut column = [0.0; 3];
            column[i] = 0.8;
            column
        };
        let preview = Preview {
            step: 3,
            shape: [channels, rows, columns],
            outputs: (0..outputs)
                .map(|i| (i < started).then(|| latents(i)))
                .collect(),
            crop,
            alpha: Some(Arc::new(alpha)),
            latent_rgb: Arc::new(vec![unit(0), unit(1), unit(2), [0.0; 3], [0.1; 3]]),
            look: None,
        };
        let job = self.job().0;
        self.0.borrow_mut().preview = Some(JobPreview { job, preview });
    }

    /// Adds a quick look at one of them to the estimates: stripes of 4 pixels.
    pub fn look(&self, of: usize, side: usize) {
        let stripe = |at: usize| f32::from(u8::from((at / 4).is_multiple_of(2)));
        let plane = || (0..side * side).map(|i| stripe(i % side));
        let rgb = plane().chain(plane()).chain((0..side * side).map(|_| 0.2));
        let look = Look {
            of,
            size: [side, side],
            rgb: Arc::new(rgb.collect()),
        };
        if let Some(preview) = &mut self.0.borrow_mut().preview {
            preview.preview.look = Some(look);
        }
    }

    /// Finishes an output of the last job: the canvas with a block of colour.
    pub fn finish(&self, index: u32) {
        let (id, job) = self.job();
        let mut picture = (*job.pictures[0]).clone();
        let width = picture.width() as usize;
        for y in 270..330usize {
            for x in 500..570usize {
                let at = (y * width + x) * 4;
                if at + 4 <= picture.pixels().len() {
                    let colour = [60 * index as u8, 200, 120, 255];
                    picture.pixels_mut()[at..at + 4].copy_from_slice(&colour);
                }
            }
        }
        self.tell(Event::Output(
            id,
            OutputPicture {
                index,
                joint: 0,
                seed: job.spec.seed + u64::from(index),
                picture: Arc::new(picture),
                blend: job.spec.blend_of(index),
                joining: None,
            },
        ));
    }
}

pub fn summary() -> ModelSummary {
    ModelSummary {
        name: "unireal-nano".to_owned(),
        hash: "0".repeat(64),
        device: "CPU, 2 threads".to_owned(),
        parameters: 20_000_000,
        resolution: 128,
        multiple: 16,
        default_steps: 12,
        default_guidance: 1.0,
        max_inputs: 8,
        takes_text_guidance: true,
        takes_image_guidance: true,
        retold: false,
    }
}

/// The window of a size at so many pixels per point, with a loaded scripted model and the sample, or these files.
pub fn window(
    size: [f32; 2],
    points: f32,
    theme: egui::Theme,
    files: Option<Vec<PathBuf>>,
) -> (Harness<'static, App>, Scripted) {
    let start = Start {
        files: files.unwrap_or_default(),
        ..Start::default()
    };
    window_with(size, points, theme, start)
}

/// The window with a loaded scripted model and whatever it starts with.
pub fn window_with(
    size: [f32; 2],
    points: f32,
    theme: egui::Theme,
    start: Start,
) -> (Harness<'static, App>, Scripted) {
    let engine = Scripted::default();
    engine.tell(Event::Loaded(summary()));
    let backend = Box::new(engine.clone());
    let mut harness = Harness::builder()
        .with_size(size)
        .with_pixels_per_point(points)
        .with_theme(theme)
        .with_max_steps(16)
        .wgpu()
        .build_eframe(move |creation| App::new(creation, backend, start));
    settle(&mut harness);
    (harness, engine)
}

/// The window with the sample, dark, at a usual size.
pub fn sample() -> (Harness<'static, App>, Scripted) {
    window([1280.0, 800.0], 1.0, egui::Theme::Dark, None)
}

/// Presses a key and waits until nothing moves any more.
pub fn press(harness: &mut Harness<'_, App>, modifiers: egui::Modifiers, key: egui::Key) {
    harness.key_press_modifiers(modifiers, key);
    settle(harness);
}

/// Clicks what has this name and waits until nothing moves any more.
pub fn click(harness: &mut Harness<'_, App>, label: &str) {
    harness.get_by_label(label).click();
    settle(harness);
}

/// Runs until the threads beside the window are done and the window rests.
pub fn settle(harness: &mut Harness<'_, App>) {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        harness.run();
        if harness.state().is_settled() {
            harness.run();
            return;
        }
        assert!(Instant::now() < end, "the window never settled");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Steps until it is so: the engine works meanwhile.
pub fn until(harness: &mut Harness<'_, App>, mut so: impl FnMut(&App) -> bool) {
    let end = Instant::now() + Duration::from_secs(600);
    loop {
        harness.step();
        if so(harness.state()) {
            return;
        }
        assert!(Instant::now() < end, "it never came");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A picture file in a folder.
pub fn file(folder: &std::path::Path, name: &str, picture: &Picture) -> PathBuf {
    let path = folder.join(name);
    let bytes = inlay::io::metadata::encode_png(picture, None).expect("encodes");
    std::fs::write(&path, bytes).expect("writes");
    path
}

/// A file that is dropped on the window.
#[derive(Debug)]
pub struct Dropped(pub PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &std::path::Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|error| error.to_string())
    }
}
