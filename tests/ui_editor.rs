//! The window through its accessible names, with a scripted engine.

mod ui_support;

use std::path::PathBuf;
use std::sync::Arc;

use egui::{Event as Input, Key, Modifiers, Pos2, accesskit::Role};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use inlay::doc::{Edit, Level, Mask, Picture, Purpose};
use inlay::engine::message::Event;
use inlay::pipeline::event::CropRect;
use inlay::ui::{App, Tool};
use ui_support::{Dropped, Scripted, click, file, sample, settle, window};

type Window = Harness<'static, App>;

fn with_files(files: Vec<PathBuf>) -> (Window, Scripted) {
    window([1280.0, 800.0], 1.0, egui::Theme::Dark, Some(files))
}

fn canvas(window: &Window) -> egui::Rect {
    window.get_by_role_and_label(Role::Image, "Canvas").rect()
}

/// A drag over the canvas; positions as shares of its pane.
fn drag(window: &mut Window, path: &[(f32, f32)]) {
    let rect = canvas(window);
    let at = |&(x, y): &(f32, f32)| rect.min + egui::vec2(rect.width() * x, rect.height() * y);
    let points: Vec<Pos2> = path.iter().map(at).collect();
    window.hover_at(points[0]);
    window.run();
    window.drag_at(points[0]);
    window.run();
    for &point in &points[1..] {
        window.hover_at(point);
        window.run();
    }
    window.drop_at(points[points.len() - 1]);
    settle(window);
}

fn mask(window: &Window) -> Mask {
    let session = &window.state().session;
    session.active_mask().expect("there is a mask").1.clone()
}

fn has_message(window: &Window, part: &str) -> bool {
    let toasts = window.state().session.toasts.list();
    toasts.iter().any(|toast| toast.text.contains(part))
}

#[test]
fn the_sample_is_ready_to_generate() {
    let (window, _) = sample();
    let session = &window.state().session;
    assert_eq!(
        session.document.purposes(),
        [Purpose::Canvas, Purpose::Asset]
    );
    assert!(session.document.compile().is_ok());
    assert!(!mask(&window).is_empty());
    for label in [
        "Prompt", "Generate", "Brush", "Blob", "IMG1", "IMG2", "IMG3",
    ] {
        window.get_by_label(label);
    }
}

/// 20×20 pixels of red on nothing, 40×40.
fn lonely_object() -> Picture {
    let mut object = Picture::filled(40, 40, [0, 0, 0, 0]);
    for (at, pixel) in object.pixels_mut().chunks_exact_mut(4).enumerate() {
        if (10..30).contains(&(at % 40)) && (5..25).contains(&(at / 40)) {
            pixel.copy_from_slice(&[200, 10, 10, 255]);
        }
    }
    object
}

/// Drops a file on something.
fn drop_on(window: &mut Window, path: PathBuf, label: &str) {
    let file = Arc::new(Dropped(path));
    window.input_mut().dropped_files.push(file);
    let card = window.get_by_label(label).rect().center();
    window.hover_at(card);
    window.step();
    settle(window);
}

#[test]
fn files_become_canvas_and_object_and_can_be_removed() {
    let folder = tempfile::tempdir().unwrap();
    let photo = file(
        folder.path(),
        "photo.png",
        &Picture::filled(64, 48, [9, 80, 9, 255]),
    );
    let object = file(folder.path(), "object.png", &lonely_object());
    let (mut window, _) = with_files(vec![photo, object]);
    let document = &window.state().session.document;
    assert_eq!(document.purposes(), [Purpose::Canvas, Purpose::Asset]);
    let cut = &document.slots()[1].picture;
    assert_eq!((cut.width(), cut.height()), (20, 20), "cut to what shows");
    assert_eq!(window.state().session.name, "photo");

    click(&mut window, "Remove object");
    assert_eq!(window.state().session.document.slots().len(), 1);
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    settle(&mut window);
    assert_eq!(window.state().session.document.slots().len(), 2);
}

#[test]
fn a_file_that_is_no_picture_is_one_sentence_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.png");
    std::fs::write(&path, b"\x89PNG\r\n\x1a\nnonsense").unwrap();
    let (window, _) = with_files(vec![path]);
    assert!(has_message(&window, "broken.png"));
    assert!(window.state().session.document.slots().is_empty());
    window.get_by_label("Add a photo");
}

#[test]
fn a_stroke_paints_and_undo_takes_it_back_byte_for_byte() {
    let (mut window, _) = sample();
    let before = mask(&window);
    drag(&mut window, &[(0.3, 0.3), (0.4, 0.35), (0.5, 0.3)]);
    let painted = mask(&window);
    assert_ne!(painted, before);
    assert_eq!(
        window.state().session.history.undo_label(),
        Some("Paint mask")
    );
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    settle(&mut window);
    assert_eq!(mask(&window), before);
    window.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    settle(&mut window);
    assert_eq!(mask(&window), painted);

    window.key_press(Key::E);
    window.run();
    assert_eq!(window.state().session.tool, Tool::Eraser);
    drag(&mut window, &[(0.3, 0.3), (0.4, 0.35), (0.5, 0.3)]);
    let erased = mask(&window);
    let sum = |mask: &Mask| {
        mask.to_plane()
            .values()
            .iter()
            .map(|&v| u64::from(v))
            .sum::<u64>()
    };
    assert!(sum(&erased) < sum(&painted));
}

#[test]
fn escape_gives_a_stroke_up() {
    let (mut window, _) = sample();
    let before = mask(&window);
    let start = canvas(&window).center();
    window.hover_at(start);
    window.run();
    window.drag_at(start);
    window.run();
    window.hover_at(start + egui::vec2(40.0, 10.0));
    window.run();
    assert_ne!(mask(&window), before);
    window.key_press(Key::Escape);
    window.run();
    assert_eq!(mask(&window), before);
    window.drop_at(start + egui::vec2(60.0, 10.0));
    settle(&mut window);
    assert_eq!(mask(&window), before);
    assert!(window.state().session.history.is_empty());
}

#[test]
fn boxes_add_and_take_away() {
    let (mut window, _) = sample();
    click(&mut window, "Clear mask");
    assert!(mask(&window).is_empty());
    click(&mut window, "Box");
    drag(&mut window, &[(0.3, 0.3), (0.6, 0.6)]);
    let (x0, y0, x1, y1) = mask(&window).bounds(255).unwrap();
    assert!(x1 - x0 > 50 && y1 - y0 > 50);
    assert_eq!(mask(&window).get(i64::from(x0), i64::from(y0)), 255);
}

#[test]
fn the_level_changes_by_click_and_key() {
    let (mut window, _) = sample();
    let level = |window: &Window| window.state().session.document.regions()[0].level;
    assert_eq!(level(&window), Level::Blob);
    click(&mut window, "Box level");
    assert_eq!(level(&window), Level::Box);
    window.key_press(Key::Num1);
    settle(&mut window);
    assert_eq!(level(&window), Level::Exact);
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    settle(&mut window);
    assert_eq!(level(&window), Level::Box);
}

#[test]
fn a_job_runs_shows_its_outputs_and_one_is_accepted_in_one_undo_step() {
    let (mut window, engine) = sample();
    let before = window.state().session.document.clone();
    window.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    window.run();
    let (id, job) = engine.job();
    assert_eq!(
        (job.spec.outputs, job.spec.seed, job.spec.steps),
        (4, 1, 12)
    );
    assert_eq!(job.spec.regions[0].level, Level::Blob);
    assert_eq!(window.state().session.outputs.len(), 4);

    engine.tell(Event::Started(id));
    engine.tell(Event::Progress(id, 3, 12, 1.5, 4.5));
    let crop = CropRect {
        x: 400,
        y: 200,
        width: 200,
        height: 200,
    };
    engine.preview(4, 2, crop);
    window.step();
    window.run();
    window.get_by_label_contains("5 s left");
    window.get_by_label("Cancel");
    assert_eq!(engine.0.borrow().looked_at, Some(0));
    click(&mut window, "Result 2");
    window.step();
    assert_eq!(engine.0.borrow().looked_at, Some(1));

    // Drawing goes on meanwhile, and the running job does not change.
    let painted_before = mask(&window);
    drag(&mut window, &[(0.2, 0.2), (0.3, 0.2)]);
    assert_ne!(mask(&window), painted_before);
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.run();

    for index in 0..4 {
        engine.finish(index);
    }
    engine.tell(Event::Done(id));
    window.step();
    window.run();
    window.get_by_label("Generate");
    assert!(window.state().session.job.is_none());
    assert_eq!(engine.0.borrow().looked_at, None);
    click(&mut window, "Result 3");
    let chosen = window.state().session.shown().unwrap().clone();
    assert_eq!((chosen.index, chosen.seed), (2, 3));
    click(&mut window, "Star result 3");
    assert!(window.state().session.shown().unwrap().starred);

    click(&mut window, "Accept result 3");
    let session = &window.state().session;
    assert!(Arc::ptr_eq(
        session.canvas().unwrap(),
        chosen.picture.as_ref().unwrap()
    ));
    assert_eq!(session.document.regions().len(), 1);
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    settle(&mut window);
    assert_eq!(window.state().session.document, before);
}

#[test]
fn cancelling_asks_the_engine_and_keeps_what_is_finished() {
    let (mut window, engine) = sample();
    click(&mut window, "Generate");
    let (id, _) = engine.job();
    engine.finish(0);
    window.step();
    click(&mut window, "Cancel");
    assert_eq!(engine.0.borrow().cancelled, [id]);
    engine.tell(Event::Cancelled(id));
    window.step();
    window.run();
    assert_eq!(window.state().session.outputs.len(), 1);
    window.get_by_label("Generate");
}

#[test]
fn a_failed_job_is_one_sentence_and_the_next_one_runs() {
    let (mut window, engine) = sample();
    click(&mut window, "Generate");
    let (id, _) = engine.job();
    engine.tell(Event::Failed(
        id,
        "the device is out of memory, use fewer outputs".to_owned(),
    ));
    window.step();
    window.run();
    assert!(has_message(&window, "out of memory"));
    assert!(window.state().session.outputs.is_empty());
    click(&mut window, "Generate");
    assert_eq!(engine.0.borrow().jobs.len(), 2);
}

#[test]
fn a_word_that_names_nothing_is_an_error_and_no_job() {
    let (mut window, engine) = sample();
    window.get_by_label("Prompt").focus();
    window.run();
    window.get_by_label("Prompt").type_text(" with IMG7");
    settle(&mut window);
    assert!(window.state().session.document.prompt().contains("IMG7"));
    window.get_by_label_contains("IMG7 is not there");
    window.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    settle(&mut window);
    assert!(engine.0.borrow().jobs.is_empty());
    assert!(has_message(&window, "IMG7"));
    // The reason goes with its cause.
    let edit = Edit::SetPrompt("Put IMG2 into IMG1".to_owned());
    assert!(window.state_mut().session.edit(edit));
    window.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    settle(&mut window);
    assert_eq!(engine.0.borrow().jobs.len(), 1);
    assert!(!has_message(&window, "IMG7"));
}

#[test]
fn keys_write_text_while_the_prompt_has_the_focus() {
    let (mut window, _) = sample();
    window.get_by_label("Prompt").focus();
    window.run();
    window.key_press(Key::E);
    window.get_by_label("Prompt").type_text("e");
    window.run();
    assert_eq!(window.state().session.tool, Tool::Brush);
    assert!(window.state().session.document.prompt().contains('e'));
}

#[test]
fn tags_are_automatic_until_touched() {
    let (mut window, _) = sample();
    assert!(window.state().session.document.tags().is_none());
    click(&mut window, "Static scenario");
    let tags = window.state().session.document.tags().unwrap().to_vec();
    assert_eq!(tags, ["realistic style", "with reference object"]);
    click(&mut window, "Back to auto");
    assert!(window.state().session.document.tags().is_none());
}

#[test]
fn a_badge_writes_its_word_into_the_prompt() {
    let (mut window, _) = sample();
    click(&mut window, "IMG2");
    let prompt = window.state().session.document.prompt().to_owned();
    assert!(prompt.ends_with(". IMG2"), "{prompt}");
    // Where the cursor is, and the next one behind it.
    click(&mut window, "IMG1");
    click(&mut window, "IMG3");
    window.event(Input::Text(" now".to_owned()));
    settle(&mut window);
    let prompt = window.state().session.document.prompt().to_owned();
    assert!(prompt.ends_with(". IMG2 IMG1 IMG3 now"), "{prompt}");
}

#[test]
fn tab_shows_the_original_while_it_is_held() {
    let (mut window, engine) = sample();
    click(&mut window, "Generate");
    let (id, _) = engine.job();
    engine.finish(0);
    engine.tell(Event::Done(id));
    window.step();
    window.hover_at(canvas(&window).center());
    window.run();
    window.key_down(Key::Tab);
    window.run();
    assert!(window.state().session.original);
    window.get_by_label("Original");
    window.key_up(Key::Tab);
    window.run();
    assert!(!window.state().session.original);
}

#[test]
fn the_palette_finds_and_runs_a_command() {
    let (mut window, _) = sample();
    window.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::P);
    window.run();
    window.event(Input::Text("invert".to_owned()));
    window.run();
    let before = mask(&window);
    window.key_press(Key::Enter);
    settle(&mut window);
    let after = mask(&window);
    assert_eq!(after.get(0, 0), 255 - before.get(0, 0));
    assert!(window.state().session.palette.is_none());
}

#[test]
fn the_wheel_zooms_at_the_pointer_and_ctrl_0_fits() {
    let (mut window, _) = sample();
    let fitted = window.state().session.view.scale();
    window.hover_at(canvas(&window).center());
    window.run();
    window.event(Input::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: egui::vec2(0.0, 120.0),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Unknown,
        modifiers: Modifiers::NONE,
    });
    settle(&mut window);
    assert!(window.state().session.view.scale() > fitted * 1.2);
    window.key_press_modifiers(Modifiers::COMMAND, Key::Num2);
    settle(&mut window);
    assert_eq!(window.state().session.view.scale(), 2.0);
    window.key_press_modifiers(Modifiers::COMMAND, Key::Num0);
    settle(&mut window);
    assert_eq!(window.state().session.view.scale(), fitted);
}

#[test]
fn a_dropped_file_goes_where_the_pointer_shows_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(
        folder.path(),
        "leaf.png",
        &Picture::filled(30, 20, [1, 99, 5, 255]),
    );
    let (mut window, _) = sample();
    drop_on(&mut window, path, "Select cookie");
    let document = &window.state().session.document;
    assert_eq!(document.slots()[1].name, "leaf");
    assert_eq!(document.slots().len(), 2);
}

#[test]
fn another_canvas_leaves_masks_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(
        folder.path(),
        "leaf.png",
        &Picture::filled(30, 20, [1, 99, 5, 255]),
    );
    let (mut window, _) = sample();
    let session = &mut window.state_mut().session;
    let region = session.document.regions()[0].id;
    assert!(session.edit(Edit::SetAsset(region, None)));
    let canvas = session.document.slots()[0].clone();
    drop_on(&mut window, path, &format!("Select {}", canvas.name));
    let session = &window.state().session;
    assert_eq!(session.document.slots()[0].name, "leaf");
    assert_eq!(session.document.regions()[0].asset, None);
    assert_eq!(session.slot, Some(canvas.id));
}

#[test]
fn a_picture_that_replaces_an_object_is_cut_out_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "object.png", &lonely_object());
    let (mut window, _) = sample();
    drop_on(&mut window, path.clone(), "Select cookie");
    let size = |window: &Window, at: usize| {
        let picture = &window.state().session.document.slots()[at].picture;
        (picture.width(), picture.height())
    };
    assert_eq!(size(&window, 1), (20, 20));
    // A canvas is taken as it is.
    let canvas = window.state().session.document.slots()[0].name.clone();
    drop_on(&mut window, path, &format!("Select {canvas}"));
    assert_eq!(size(&window, 0), (40, 40));
}

#[test]
fn a_dropped_file_without_a_pointer_is_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(
        folder.path(),
        "leaf.png",
        &Picture::filled(30, 20, [1, 99, 5, 255]),
    );
    let (mut window, _) = sample();
    window
        .input_mut()
        .dropped_files
        .push(Arc::new(Dropped(path)));
    window.step();
    window.run();
    window.get_by_label("Where should this go?");
    click(&mut window, "New object");
    let document = &window.state().session.document;
    assert_eq!(document.slots().len(), 3);
    assert_eq!(document.purposes()[2], Purpose::Asset);
    assert_eq!(
        document.prompt(),
        "Put the cookie from IMG2 into IMG1 at the place of IMG4."
    );
}

#[test]
fn a_pasted_picture_starts_a_document() {
    let (mut window, _) = sample();
    window.key_press_modifiers(Modifiers::COMMAND, Key::N);
    settle(&mut window);
    window.get_by_label("Add a photo");
    let image = egui::ColorImage::filled([32, 16], egui::Color32::from_rgb(3, 4, 5));
    window.event(Input::PasteImage(Arc::new(image)));
    window.step();
    settle(&mut window);
    let session = &window.state().session;
    let canvas = session.canvas().expect("the canvas");
    assert_eq!((canvas.width(), canvas.height()), (32, 16));
    assert_eq!(canvas.pixel(0, 0), [3, 4, 5, 255]);
}

#[test]
fn what_is_pasted_is_an_object_wherever_the_pointer_moves() {
    let (mut window, _) = sample();
    let card = window.get_by_label("Select cookie").rect().center();
    let image = egui::ColorImage::filled([32, 16], egui::Color32::from_rgb(3, 4, 5));
    let events = &mut window.input_mut().events;
    events.push(Input::PasteImage(Arc::new(image)));
    events.push(Input::PointerMoved(card));
    window.step();
    settle(&mut window);
    let document = &window.state().session.document;
    assert_eq!(document.slots().len(), 3);
    assert_eq!(document.slots()[1].name, "cookie");
    assert_eq!(document.purposes()[2], Purpose::Asset);
}

#[test]
fn nothing_is_clipped_at_the_smallest_size() {
    for (size, points) in [
        ([900.0, 600.0], 1.0),
        ([900.0, 600.0], 1.5),
        ([900.0, 600.0], 2.0),
        ([800.0, 600.0], 1.0),
    ] {
        let (window, _) = window(size, points, egui::Theme::Light, None);
        let whole = egui::Rect::from_min_max(Pos2::ZERO, size.into());
        let pane = canvas(&window);
        for label in ["Feather mask", "Invert mask", "Clear mask"] {
            let rect = window.get_by_label(label).rect();
            assert!(
                rect.right() <= pane.right(),
                "{label} at {size:?}: {rect:?}"
            );
        }
        for label in [
            "Prompt",
            "Generate",
            "Canvas",
            "Fit",
            "Clear mask",
            "Light or dark",
            "Exact text",
            "Random seed",
            "Outputs",
            "Steps",
        ] {
            for node in window.get_all_by_label(label) {
                let rect = node.rect();
                assert!(whole.contains_rect(rect), "{label} at {points}: {rect:?}");
            }
        }
    }
}
