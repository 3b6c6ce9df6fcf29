//! The window with the real engine: the model inside the program if it was built with one, else the same network
//! with random weights.

mod ui_support;

use std::sync::Arc;

use egui::accesskit::Role;
use egui::{Key, Modifiers, Theme};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use inlay::doc::Edit;
use inlay::engine::Engine;
use inlay::engine::message::ModelSource;
use inlay::model::{self, AttentionKind};
use inlay::ui::{App, ModelState, Start};
use ui_support::until;

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
fn a_result_is_joined_anew_without_a_job() {
    let (mut window, _folder) = window();
    set(&mut window, 1, 1);
    window.get_by_label("Generate").click();
    until(&mut window, |app| app.session.job.is_some());
    until(&mut window, |app| app.session.job.is_none());
    let first = window.state().session.outputs[0].clone();
    let picture = first.picture.clone().unwrap();
    window.get_by_label("Adjust result 1").click();
    // A new window is measured before it is shown.
    for _ in 0..4 {
        window.step();
    }
    window.get_by_label("Match colours").click();
    until(&mut window, |app| {
        !app.session.outputs[0].spec.blend.colour_match && app.is_settled()
    });
    let other = window.state().session.outputs[0].picture.clone().unwrap();
    assert_ne!(other, picture);
    window.get_by_label("Use for new results").click();
    window.step();
    window.step();
    let blend = window.state().session.document.settings().blend;
    assert!(!blend.colour_match);
    // A job that is joined so from the start gives the same.
    window.get_by_label("Generate").click();
    until(&mut window, |app| app.session.job.is_some());
    until(&mut window, |app| app.session.job.is_none());
    let again = window.state().session.outputs[1].clone();
    assert_eq!(again.spec.blend, blend);
    assert_eq!(again.picture.unwrap(), other);
    window.get_by_label("Reset").click();
    until(&mut window, |app| {
        app.is_settled() && app.session.outputs[1].spec.blend.colour_match
    });
    assert_eq!(
        window.state().session.outputs[1].picture.clone().unwrap(),
        picture
    );
}

#[test]
fn a_long_job_is_cancelled_and_the_next_one_runs() {
    let (mut window, _folder) = window();
    set(&mut window, 1, 100);
    window.get_by_label("Generate").click();
    until(&mut window, |app| {
        app.session.job.as_ref().is_some_and(|job| job.steps > 0)
    });
    // Meanwhile a stroke is painted, which is not for this job.
    let mask =
        |window: &Harness<'_, App>| window.state().session.document.regions()[0].mask.clone();
    let before = mask(&window);
    let canvas = window.get_by_role_and_label(Role::Image, "Canvas").rect();
    let at = |x: f32| canvas.min + egui::vec2(canvas.width() * x, canvas.height() * 0.4);
    window.hover_at(at(0.3));
    window.step();
    window.drag_at(at(0.3));
    window.step();
    for x in [0.35, 0.4, 0.45] {
        window.hover_at(at(x));
        window.step();
    }
    window.drop_at(at(0.45));
    window.step();
    assert_ne!(mask(&window), before);
    assert!(window.state().session.job.is_some(), "it still runs");
    window.get_by_label("Cancel").click();
    until(&mut window, |app| app.session.job.is_none());
    assert!(window.state().session.outputs.is_empty());
    set(&mut window, 1, 1);
    window.get_by_label("Generate").click();
    until(&mut window, |app| app.session.job.is_some());
    until(&mut window, |app| app.session.job.is_none());
    assert!(window.state().session.outputs[0].picture.is_some());
}
