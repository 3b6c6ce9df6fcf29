//! The window with the real engine: the model inside the program if it was built with one, else the same network
//! with random weights.

mod ui_support;

use std::sync::Arc;

use egui::accesskit::Role;
use egui::{Key, Modifiers, Theme};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use inlay::doc::job::BlendSpec;
use inlay::doc::perceive::MapKind;
use inlay::doc::{ControlKind, Edit, Picture, Purpose};
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
    // A job of the same seed that is joined so from the start gives the same.
    window.state_mut().session.same_seeds = true;
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
fn an_object_gets_its_own_colours_back() {
    let (mut window, _folder) = window();
    set(&mut window, 1, 1);
    window.get_by_label("Generate").click();
    until(&mut window, |app| app.session.job.is_some());
    until(&mut window, |app| app.session.job.is_none());
    let lit = window.state().session.outputs[0].picture.clone().unwrap();
    window.get_by_label("Adjust result 1").click();
    for _ in 0..4 {
        window.step();
    }
    assert!(window.query_all_by_label("Relight").next().is_some());
    let id = window.state().session.outputs[0].id;
    let blend = BlendSpec {
        relight: 0.0,
        ..window.state().session.outputs[0].blend
    };
    let output = &mut window.state_mut().session.outputs[0];
    assert_eq!(output.id, id);
    output.blend = blend;
    until(&mut window, |app| {
        app.session.outputs[0].spec.blend.relight == 0.0 && app.is_settled()
    });
    let bare = window.state().session.outputs[0].picture.clone().unwrap();
    assert_ne!(bare, lit);
    // In the middle of the object, on average as far from the light as its own picture is.
    let object = Arc::clone(&window.state().session.document.slots()[1].picture);
    let solid = object.pixels().chunks_exact(4).filter(|p| p[3] == 255);
    let (mut sum, mut count) = (0.0, 0.0);
    for pixel in solid {
        sum += f64::from(pixel[0]) + f64::from(pixel[1]) + f64::from(pixel[2]);
        count += 3.0;
    }
    let own: f64 = sum / count;
    let mask = window.state().session.document.regions()[0].mask.to_plane();
    let (x0, y0, x1, y1) = mask.bounds().unwrap();
    let mean = |picture: &Picture| {
        // A third of the mask's bounds, around their middle: nothing but object.
        let third = |low: u32, high: u32| low + (high - low) / 3..high - (high - low) / 3;
        let pixels = third(y0, y1).flat_map(|y| third(x0, x1).map(move |x| (x, y)));
        let values: Vec<f64> = pixels
            .flat_map(|(x, y)| picture.pixel(x, y)[..3].to_vec())
            .map(f64::from)
            .collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    let (lit, bare) = (mean(&lit), mean(&bare));
    assert!((bare - own).abs() < (lit - own).abs(), "{own} {lit} {bare}");
}

#[test]
fn a_map_of_the_canvas_becomes_a_mask_or_steers() {
    let (mut window, _folder) = window();
    let (slots, regions) = {
        let document = &window.state().session.document;
        (document.slots().len(), document.regions().len())
    };
    let run = |window: &mut Harness<'_, App>| {
        until(window, |app| app.session.job.is_some());
        until(window, |app| app.session.job.is_none());
    };
    let palette = |window: &mut Harness<'_, App>, text: &str| {
        window.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::P);
        window.step();
        window.step();
        window.state_mut().session.palette.as_mut().unwrap().text = text.to_owned();
        window.step();
        window.key_press(Key::Enter);
        window.step();
    };
    palette(&mut window, "make a depth map");
    run(&mut window);
    let output = window.state().session.outputs.last().unwrap().clone();
    assert_eq!(output.map, Some(MapKind::Depth));
    // Of the canvas alone, whatever else the document has.
    assert_eq!(
        (output.spec.inputs.len(), output.spec.regions.len()),
        (1, 0)
    );
    let map = output.picture.clone().unwrap();
    let canvas = Arc::clone(window.state().session.canvas().unwrap());
    assert_eq!(
        (map.width(), map.height()),
        (canvas.width(), canvas.height())
    );
    assert!(window.query_by_label("Accept result 1").is_none());
    window.get_by_label("Use result 1").click();
    until(&mut window, App::is_settled);
    let document = &window.state().session.document;
    assert_eq!(document.slots().len(), slots + 1);
    let depth = Purpose::Control(ControlKind::Depth);
    assert_eq!(document.purposes().last(), Some(&depth));
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.step();
    palette(&mut window, "select by words");
    window.state_mut().session.select = Some("the cup".to_owned());
    window.step();
    window.step();
    window.get_by_label("Find").click();
    run(&mut window);
    let output = window.state().session.outputs.last().unwrap().clone();
    assert_eq!(output.map, Some(MapKind::Segment));
    assert_eq!(output.spec.prompt, MapKind::Segment.prompt("the cup"));
    window.get_by_label("Use result 2").click();
    until(&mut window, App::is_settled);
    // What was painted before is still there.
    let document = &window.state().session.document;
    assert_eq!(document.regions().len(), regions + 1);
    let wanted = inlay::io::mask::from_picture(&output.picture.unwrap());
    assert_eq!(document.regions()[regions].mask.to_plane(), wanted);
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
