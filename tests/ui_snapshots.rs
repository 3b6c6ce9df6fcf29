//! Pictures of the window at 1.0 and 1.5 pixels per point. `UPDATE_SNAPSHOTS=true` writes them anew.

mod ui_support;

use egui::{Key, Modifiers, Theme};
use egui_kittest::SnapshotOptions;
use egui_kittest::kittest::Queryable;
use inlay::engine::message::Event;
use inlay::pipeline::event::CropRect;
use ui_support::{Scripted, settle, window};

/// Rasterisers differ at edges: a pixel may be off by a little, and some by more.
fn tolerant() -> SnapshotOptions {
    SnapshotOptions::new()
        .threshold(2.0)
        .max_failed_pixels(3000)
}

#[test]
fn the_sample_in_the_dark() {
    let (mut window, _) = window([960.0, 640.0], 1.0, Theme::Dark, None);
    window.snapshot_options("sample_dark_1.0", &tolerant());
}

#[test]
fn the_sample_in_the_light() {
    let (mut window, _) = window([960.0, 640.0], 1.5, Theme::Light, None);
    window.snapshot_options("sample_light_1.5", &tolerant());
}

/// Two of the running job's four outputs have estimates.
fn estimate(engine: &Scripted) {
    let (id, _) = engine.job();
    engine.tell(Event::Progress(id, 3, 12, 4.0, 12.0));
    let crop = CropRect {
        x: 430,
        y: 220,
        width: 160,
        height: 160,
    };
    engine.preview(4, 2, crop);
}

#[test]
fn outputs_in_the_making() {
    let (mut window, engine) = window([960.0, 640.0], 1.0, Theme::Dark, None);
    window.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    settle(&mut window);
    estimate(&engine);
    window.step();
    window.run();
    window.snapshot_options("running", &tolerant());
}

#[test]
fn the_output_that_is_looked_at_is_sharp() {
    let (mut window, engine) = window([960.0, 640.0], 1.0, Theme::Dark, None);
    window.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    settle(&mut window);
    let (id, _) = engine.job();
    engine.tell(Event::Started(id));
    window.step();
    window.get_by_label("Result 1").click();
    settle(&mut window);
    estimate(&engine);
    engine.look(0, 128);
    window.step();
    window.run();
    window.snapshot_options("looked_at", &tolerant());
}

#[test]
fn the_context_rectangle() {
    let (mut window, _) = window([900.0, 600.0], 1.0, Theme::Light, None);
    window.key_press(Key::C);
    settle(&mut window);
    window.snapshot_options("context", &tolerant());
}

#[test]
fn the_four_levels_wait() {
    let (mut window, _) = window([960.0, 640.0], 1.5, Theme::Dark, None);
    window.key_press_modifiers(Modifiers::SHIFT, Key::L);
    settle(&mut window);
    window.snapshot_options("levels", &tolerant());
}

#[test]
fn changes_are_asked_about() {
    let (mut window, _) = window([900.0, 600.0], 1.0, Theme::Dark, None);
    window.key_press_modifiers(Modifiers::SHIFT, Key::V);
    settle(&mut window);
    window.key_press_modifiers(Modifiers::COMMAND, Key::N);
    settle(&mut window);
    window.snapshot_options("question", &tolerant());
}

#[test]
fn nothing_loaded() {
    let (mut window, _) = window([900.0, 600.0], 1.0, Theme::Light, None);
    window.key_press_modifiers(Modifiers::COMMAND, Key::N);
    settle(&mut window);
    window.snapshot_options("empty", &tolerant());
}
