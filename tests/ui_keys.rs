//! Who gets a key: commands, menus, questions, or the widget that has the keyboard.

mod ui_support;

use egui::{Id, Key, Modifiers, accesskit::Role, pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use inlay::doc::Edit;
use inlay::engine::message::Event;
use inlay::ui::{App, Tool};
use ui_support::{Scripted, click, press, sample, settle};

type Window = Harness<'static, App>;

fn focused(window: &Window) -> Option<Id> {
    window.ctx.memory(|memory| memory.focused())
}

/// A finished result, which is shown.
fn with_result() -> (Window, Scripted) {
    let (mut window, engine) = sample();
    click(&mut window, "Generate");
    let (id, _) = engine.job();
    engine.finish(0);
    engine.tell(Event::Done(id));
    window.step();
    settle(&mut window);
    assert!(window.state().session.shown.is_some());
    (window, engine)
}

#[test]
fn keys_are_for_a_menu_while_one_is_open() {
    let (mut window, _) = with_result();
    click(&mut window, "File");
    window.get_by_label_contains("Open recent");
    press(&mut window, Modifiers::NONE, Key::E);
    assert_eq!(window.state().session.tool, Tool::Brush);
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(window.query_by_label_contains("Open recent").is_none());
    assert!(window.state().session.shown.is_some(), "only the menu");
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(window.state().session.shown.is_none());
}

#[test]
fn commands_do_not_run_behind_the_key_sheet() {
    let (mut window, engine) = sample();
    press(&mut window, Modifiers::NONE, Key::F1);
    assert!(window.state().session.keys);
    let before = window.state().session.document.clone();
    press(&mut window, Modifiers::NONE, Key::E);
    press(&mut window, Modifiers::NONE, Key::Delete);
    press(&mut window, Modifiers::COMMAND, Key::Enter);
    let session = &window.state().session;
    assert_eq!((session.tool, &session.document), (Tool::Brush, &before));
    assert!(engine.0.borrow().jobs.is_empty());
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(!window.state().session.keys);
    // The keys that open a sheet close it.
    for open in [true, false] {
        press(&mut window, Modifiers::NONE, Key::F1);
        assert_eq!(window.state().session.keys, open);
    }
    for open in [true, false] {
        let keys = Modifiers::COMMAND | Modifiers::SHIFT;
        press(&mut window, keys, Key::P);
        assert_eq!(window.state().session.palette.is_some(), open);
    }
    press(&mut window, Modifiers::NONE, Key::E);
    assert_eq!(window.state().session.tool, Tool::Eraser);
}

#[test]
fn enter_is_for_the_button_that_has_the_keyboard() {
    let (mut window, _) = with_result();
    let before = window.state().session.document.clone();
    window.get_by_label("Star result 1").focus();
    settle(&mut window);
    press(&mut window, Modifiers::NONE, Key::Enter);
    let session = &window.state().session;
    assert!(session.outputs[0].starred);
    assert_eq!(session.document, before, "it was not accepted");

    let edit = Edit::SetPrompt("another".to_owned());
    assert!(window.state_mut().session.edit(edit));
    press(&mut window, Modifiers::COMMAND, Key::N);
    window.get_by_label("Go back").focus();
    settle(&mut window);
    press(&mut window, Modifiers::NONE, Key::Enter);
    let project = &window.state().session.project;
    assert!(!project.asking && !project.saving);
    assert_eq!(window.state().session.document.prompt(), "another");
}

#[test]
fn esc_that_leaves_a_text_field_does_nothing_else() {
    let (mut window, _) = with_result();
    window.get_by_label("Prompt").focus();
    settle(&mut window);
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert_eq!(focused(&window), None);
    assert!(window.state().session.shown.is_some());
}

#[test]
fn tab_leads_on_from_the_canvas_when_the_pointer_has_left_it() {
    let (mut window, _) = with_result();
    let canvas = window.get_by_role_and_label(Role::Image, "Canvas").rect();
    window.hover_at(canvas.center());
    settle(&mut window);
    let pane = focused(&window);
    assert!(pane.is_some());
    press(&mut window, Modifiers::NONE, Key::Tab);
    assert_eq!(focused(&window), pane, "Tab shows the original");
    window.hover_at(pos2(canvas.left() + 40.0, 8.0));
    settle(&mut window);
    window.key_down(Key::Tab);
    window.run();
    assert!(!window.state().session.original);
    window.key_up(Key::Tab);
    settle(&mut window);
    assert_ne!(focused(&window), pane);
}
