//! The window with FLUX.2 [klein]: the goldens' tiny random model behind the same slots, masks and words.

mod flux2;
mod ui_support;

use std::sync::Arc;

use egui::{Key, Modifiers, Theme};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use inlay::doc::job::MaskedMode;
use inlay::doc::retold::{Asked, sent};
use inlay::doc::{Edit, Level, Mask, Picture};
use inlay::engine::Engine;
use inlay::engine::message::ModelSource;
use inlay::ui::{App, ModelState, Start};
use ui_support::{file, until};

const SIZE: (u32, u32) = (96, 80);

fn even(width: u32, height: u32, colour: [u8; 4]) -> Picture {
    Picture::filled(width, height, colour)
}

#[test]
fn an_insertion_with_flux2_is_made_in_the_window() {
    let folder = tempfile::tempdir().unwrap();
    let files = vec![
        file(
            folder.path(),
            "room.png",
            &even(SIZE.0, SIZE.1, [90, 120, 150, 255]),
        ),
        file(
            folder.path(),
            "chair.png",
            &even(40, 48, [200, 60, 40, 255]),
        ),
    ];
    let mut window = Harness::builder()
        .with_size([1280.0, 800.0])
        .with_theme(Theme::Dark)
        .wgpu()
        .build_eframe(move |creation| {
            let ctx = creation.egui_ctx.clone();
            let engine = Engine::start(move || ctx.request_repaint()).expect("starts");
            let start = Start {
                model: Some(ModelSource::Folder(flux2::folder().join("model"))),
                files,
                ..Start::default()
            };
            App::new(creation, Box::new(engine), start)
        });
    until(&mut window, |app| {
        if let ModelState::Failed(why) = &app.session.model {
            panic!("{why}");
        }
        matches!(app.session.model, ModelState::Ready(_)) && app.is_settled()
    });
    {
        let document = &mut window.state_mut().session.document;
        assert_eq!(document.slots().len(), 2, "canvas and asset");
        let mut mask = Mask::new(SIZE.0, SIZE.1);
        let corners = [[30.0, 20.0], [62.0, 20.0], [62.0, 60.0], [30.0, 60.0]];
        mask.fill_polygon(&corners, inlay::doc::mask::Combine::Add);
        let asset = document.slots()[1].id;
        document
            .apply(Edit::AddRegion {
                mask: Some(mask),
                level: Level::Box,
                asset: Some(asset),
            })
            .unwrap();
        let prompt = "Put IMG2 into IMG1 at IMG3".to_owned();
        document.apply(Edit::SetPrompt(prompt)).unwrap();
        let mut settings = document.settings().clone();
        settings.outputs = 2;
        settings.steps = Some(2);
        settings.guidance_image = 3.0;
        document.apply(Edit::SetSettings(settings)).unwrap();
    }
    window.step();
    // What will be sent can be read beforehand.
    let document = &window.state().session.document;
    let compiled = document.compile().unwrap();
    let promised = sent(&Asked::of(
        document,
        &compiled,
        window.state().session.seen(),
    ));
    assert!(
        promised.starts_with("Image 1 is the background, its grey area is to be filled in."),
        "{promised}"
    );
    window.state_mut().session.exact = true;
    window.step();
    window.step();
    window.get_by_label(&promised);
    window.get_by_label("Masks say where to paint; the model does not see them.");
    // Another way with masks is chosen behind the numbers, and told at once.
    window.get_by_label("More settings").click();
    window.step();
    window.step();
    window.get_by_label("Draw all of it anew").click();
    window.step();
    window.step();
    let document = &window.state().session.document;
    assert_eq!(document.settings().masked.mode, Some(MaskedMode::Edit));
    let compiled = document.compile().unwrap();
    let anew = sent(&Asked::of(
        document,
        &compiled,
        window.state().session.seen(),
    ));
    assert!(
        anew.starts_with("Image 1 is the picture to change."),
        "{anew}"
    );
    window.get_by_label(&anew);
    window.get_by_label("As suits the job").click();
    window.step();
    window.step();
    assert_eq!(window.state().session.document.settings().masked.mode, None);
    // A distilled model takes no guidance.
    assert!(window.query_by_label("Image guidance").is_none());
    window.key_press(Key::Escape);
    window.step();
    window.state_mut().session.exact = false;
    let before = Arc::clone(window.state().session.canvas().unwrap());
    window.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    until(&mut window, |app| app.session.job.is_some());
    until(&mut window, |app| app.session.job.is_none());
    let outputs = window.state().session.outputs.clone();
    assert_eq!(outputs.len(), 2);
    // What it has no use for does not come with the job, though the document keeps it for other models.
    assert_eq!(outputs[0].spec.guidance_image, 1.0);
    let pictures: Vec<Arc<Picture>> = outputs.iter().map(|o| o.picture.clone().unwrap()).collect();
    assert_ne!(*pictures[0], *pictures[1], "two seeds, two results");
    for picture in &pictures {
        assert_eq!((picture.width(), picture.height()), SIZE);
        assert_ne!(picture.pixel(46, 40), before.pixel(46, 40));
        assert_eq!(picture.pixel(1, 1), before.pixel(1, 1));
    }
    window.get_by_label("Accept result 1").click();
    until(&mut window, |app| app.session.shown.is_none());
    assert_eq!(**window.state().session.canvas().unwrap(), *pictures[0]);
}
