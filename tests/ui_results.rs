//! The list of results: numbers, seeds, removing and bringing back, and what results are used for.

mod ui_support;

use std::sync::Arc;

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use inlay::doc::{Edit, Picture};
use inlay::engine::message::Event;
use inlay::ui::App;
use ui_support::{Scripted, click, press, sample, settle};

type Window = Harness<'static, App>;

/// Generates and finishes the sample's four outputs.
fn four(window: &mut Window, engine: &Scripted) {
    press(window, Modifiers::COMMAND, Key::Enter);
    let (id, _) = engine.job();
    for index in 0..4 {
        engine.finish(index);
    }
    engine.tell(Event::Done(id));
    window.step();
    settle(window);
}

fn numbers(window: &Window) -> Vec<u32> {
    let outputs = &window.state().session.outputs;
    outputs.iter().map(|output| output.number).collect()
}

fn has_message(window: &Window, part: &str) -> bool {
    let toasts = window.state().session.toasts.list();
    toasts.iter().any(|toast| toast.text.contains(part))
}

#[test]
fn a_removed_result_comes_back_in_its_place_and_with_its_number() {
    let (mut window, engine) = sample();
    four(&mut window, &engine);
    let document = window.state().session.document.clone();
    click(&mut window, "Result 2");
    press(&mut window, Modifiers::NONE, Key::Backspace);
    assert_eq!(numbers(&window), [1, 3, 4]);
    assert!(window.query_by_label("Result 2").is_none());
    click(&mut window, "Result 4");
    window.get_by_label("Result 4 · hold Tab for the original");
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(numbers(&window), [1, 2, 3, 4]);
    assert_eq!(window.state().session.shown().unwrap().number, 2);
    assert_eq!(window.state().session.document, document);

    // Several at once come back at once, and starred ones never went.
    click(&mut window, "Star result 3");
    click(&mut window, "Result");
    window
        .get_by_label_contains("Remove results without a star")
        .click();
    settle(&mut window);
    assert_eq!(numbers(&window), [3]);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(numbers(&window), [1, 2, 3, 4]);

    // What was removed before an edit stays away: undo takes the edit back.
    click(&mut window, "Result 1");
    press(&mut window, Modifiers::NONE, Key::Backspace);
    press(&mut window, Modifiers::NONE, Key::Num1);
    assert_ne!(window.state().session.document, document);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(window.state().session.document, document);
    assert_eq!(numbers(&window), [2, 3, 4]);
    // New ones go on counting.
    four(&mut window, &engine);
    assert_eq!(numbers(&window), [2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn generating_again_goes_on_with_the_next_seeds() {
    let (mut window, engine) = sample();
    let seeds = |window: &mut Window| {
        four(window, &engine);
        engine.job().1.spec.seed
    };
    assert_eq!(seeds(&mut window), 1);
    assert_eq!(seeds(&mut window), 5);
    assert_eq!(seeds(&mut window), 9);
    let document = &window.state().session.document;
    assert_eq!(document.settings().seed, 1, "nothing to undo");
    click(&mut window, "More settings");
    click(&mut window, "Same seeds each time");
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert_eq!(seeds(&mut window), 1);
    window.state_mut().session.same_seeds = false;
    // A seed that is set is taken.
    let mut settings = window.state().session.document.settings().clone();
    settings.seed = 40;
    let edit = Edit::SetSettings(settings);
    window.state_mut().session.document.apply(edit).unwrap();
    assert_eq!(seeds(&mut window), 40);
    assert_eq!(seeds(&mut window), 44);
}

#[test]
fn an_accepted_result_is_seen_without_its_mask_until_something_is_painted() {
    let (mut window, engine) = sample();
    four(&mut window, &engine);
    assert!(window.state().session.shows_masks());
    click(&mut window, "Accept result 1");
    let session = &window.state().session;
    assert!(!session.shows_masks() && session.show_mask);
    assert_eq!(session.document.regions().len(), 1, "it is still there");
    let pane = window.get_by_role_and_label(Role::Image, "Canvas").rect();
    window.hover_at(pane.center());
    window.run();
    window.drag_at(pane.center());
    window.run();
    window.hover_at(pane.center() + egui::vec2(30.0, 0.0));
    window.run();
    assert!(window.state().session.shows_masks());
    window.drop_at(pane.center() + egui::vec2(30.0, 0.0));
    settle(&mut window);
    assert!(window.state().session.shows_masks());
}

#[test]
fn an_object_that_nothing_is_said_about_is_no_job() {
    let (mut window, engine) = sample();
    let region = window.state().session.document.regions()[0].id;
    let session = &mut window.state_mut().session;
    assert!(session.edit(Edit::RemoveRegion(region)));
    assert!(session.edit(Edit::SetPrompt("a sunny day".into())));
    settle(&mut window);
    press(&mut window, Modifiers::COMMAND, Key::Enter);
    assert!(engine.0.borrow().jobs.is_empty());
    assert!(has_message(
        &window,
        "Paint where IMG2 goes, or say in the prompt what to do with IMG2"
    ));
    let session = &mut window.state_mut().session;
    assert!(session.edit(Edit::SetPrompt("IMG2 beside the cup".into())));
    four(&mut window, &engine);
    assert_eq!(numbers(&window), [1, 2, 3, 4]);
}

#[test]
fn an_object_that_is_not_cut_out_is_told() {
    let (mut window, engine) = sample();
    four(&mut window, &engine);
    assert!(!has_message(&window, "is not cut out"));
    let slot = window.state().session.document.slots()[1].id;
    let opaque = Picture::from_rgba(8, 8, vec![255; 8 * 8 * 4]).unwrap();
    let session = &mut window.state_mut().session;
    assert!(session.edit(Edit::ReplacePicture {
        slot,
        picture: Arc::new(opaque),
        name: "cup".into(),
        source: None,
    }));
    four(&mut window, &engine);
    assert!(has_message(&window, "IMG2 is not cut out"));
}

#[test]
fn a_result_of_another_canvas_is_shown_at_its_own_size() {
    let (mut window, engine) = sample();
    four(&mut window, &engine);
    let made = window.state().session.shown_size().unwrap();
    let slot = window.state().session.document.slots()[0].id;
    let other = Picture::from_rgba(50, 100, vec![255; 50 * 100 * 4]).unwrap();
    let session = &mut window.state_mut().session;
    assert!(session.edit(Edit::ReplacePicture {
        slot,
        picture: Arc::new(other),
        name: "other".into(),
        source: None,
    }));
    click(&mut window, "Result 2");
    assert_eq!(window.state().session.shown_size(), Some(made));
    window.get_by_role_and_label(Role::Button, "Canvas").click();
    settle(&mut window);
    assert_eq!(window.state().session.shown, None);
    assert_eq!(window.state().session.shown_size(), Some([50, 100]));
}

#[test]
fn a_result_becomes_an_object_or_gives_its_words_and_numbers() {
    let (mut window, engine) = sample();
    four(&mut window, &engine);
    let words = window.state().session.document.prompt().to_owned();
    let session = &mut window.state_mut().session;
    assert!(session.edit(Edit::SetPrompt("IMG2 elsewhere".into())));
    click(&mut window, "Result 3");
    click(&mut window, "Result");
    window
        .get_by_label_contains("Use its words and settings")
        .click();
    settle(&mut window);
    let document = &window.state().session.document;
    assert_eq!(document.prompt(), words);
    let settings = document.settings();
    assert_eq!((settings.seed, settings.steps), (3, Some(12)));
    let before = document.slots().len();
    let picture = window.state().session.shown().unwrap().picture.clone();
    click(&mut window, "Result");
    window.get_by_label_contains("Use as object").click();
    settle(&mut window);
    let slots = window.state().session.document.slots();
    assert_eq!(slots.len(), before + 1);
    assert!(Arc::ptr_eq(&slots[before].picture, &picture.unwrap()));
    assert_eq!(slots[before].name, "result 3 of sample");
}

#[test]
fn results_vary_in_light_unless_the_artist_says_no() {
    let (mut window, engine) = sample();
    four(&mut window, &engine);
    let (_, job) = engine.job();
    assert!(job.spec.vary);
    let outputs = &window.state().session.outputs;
    for (output, index) in outputs.iter().zip(0..) {
        // Each says what it has, which Adjust begins with and its recipe repeats.
        assert_eq!(output.blend, job.spec.blend_of(index));
        assert_eq!((output.spec.blend, output.spec.vary), (output.blend, false));
        assert!(!output.is_joining());
    }
    assert_eq!(outputs[0].blend, job.spec.blend);
    assert_ne!(outputs[1].blend, outputs[2].blend);
    click(&mut window, "More settings");
    click(&mut window, "Vary the light between results");
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(!window.state().session.document.settings().vary);
    press(&mut window, Modifiers::COMMAND, Key::Enter);
    assert!(!engine.job().1.spec.vary);
}
