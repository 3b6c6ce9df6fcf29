//! The window with the real engine: the model inside the program if it was built with one, else the same network
//! with random weights.

mod ui_support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Key, Modifiers, Theme};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use inlay::doc::Edit;
use inlay::engine::Engine;
use inlay::engine::message::ModelSource;
use inlay::model::{self, AttentionKind};
use inlay::ui::{App, ModelState, Start};

/// The window with the sample and a loaded model; the folder of a random model is kept for as long.
fn window() -> (Harness<'static, App>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let source = if model::embedded().is_ok() {
        ModelSource::Embedded
    } else {
        let config = model::tiny_config(AttentionKind::Cached);
        model::random_folder(&config, 7, folder.path()).unwrap();
        ModelSource::Folder(folder.path().to_owned())
    };
    let mut window = Harness::builder()
        .with_size([1280.0, 800.0])
        .with_theme(Theme::Dark)
        .wgpu()
        .build_eframe(move |creation| {
            let ctx = creation.egui_ctx.clone();
            let engine = Engine::start(move || ctx.request_repaint()).expect("starts");
            let start = Start {
                model: Some(source),
                ..Start::default()
            };
            App::new(creation, Box::new(engine), start)
        });
    until(&mut window, |app| {
        if let ModelState::Failed(why) = &app.session.model {
            panic!("{why}");
        }
        matches!(app.session.model, ModelState::Ready(_))
    });
    (window, folder)
}

/// Steps the window until something is so.
fn until(window: &mut Harness<'_, App>, so: impl Fn(&App) -> bool) {
    let end = Instant::now() + Duration::from_secs(600);
    loop {
        window.step();
        if so(window.state()) {
            return;
        }
        assert!(Instant::now() < end, "it never came");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn set(window: &mut Harness<'_, App>, outputs: u32, steps: u32) {
    let session = &mut window.state_mut().session;
    let mut settings = session.document.settings().clone();
    settings.outputs = outputs;
    settings.steps = Some(steps);
    session.document.apply(Edit::SetSettings(settings)).unwrap();
    window.step();
}

#[test]
fn the_sample_is_generated_accepted_and_taken_back() {
    let (mut window, _folder) = window();
    set(&mut window, 2, 2);
    let before = Arc::clone(window.state().session.canvas().unwrap());
    window.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    until(&mut window, |app| app.session.job.is_some());
    until(&mut window, |app| app.session.job.is_none());
    let outputs = window.state().session.outputs.clone();
    assert_eq!(outputs.len(), 2);
    let first = outputs[0].picture.clone().unwrap();
    let second = outputs[1].picture.clone().unwrap();
    assert_ne!(*first, *second, "two seeds, two results");
    assert_ne!(*first, *before);
    // Far from the mask not a byte differs.
    for y in 0..before.height() {
        for x in 0..150 {
            assert_eq!(first.pixel(x, y), before.pixel(x, y));
        }
    }
    window.get_by_label("Accept result 1").click();
    until(&mut window, |app| app.session.shown.is_none());
    assert_eq!(**window.state().session.canvas().unwrap(), *first);
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.step();
    window.step();
    assert!(Arc::ptr_eq(
        window.state().session.canvas().unwrap(),
        &before
    ));
}

#[test]
fn a_long_job_is_cancelled_and_the_next_one_runs() {
    let (mut window, _folder) = window();
    set(&mut window, 1, 100);
    window.get_by_label("Generate").click();
    until(&mut window, |app| {
        app.session.job.as_ref().is_some_and(|job| job.steps > 0)
    });
    window.get_by_label("Cancel").click();
    until(&mut window, |app| app.session.job.is_none());
    assert!(window.state().session.outputs.is_empty());
    set(&mut window, 1, 1);
    window.get_by_label("Generate").click();
    until(&mut window, |app| app.session.job.is_some());
    until(&mut window, |app| app.session.job.is_none());
    assert!(window.state().session.outputs[0].picture.is_some());
}
