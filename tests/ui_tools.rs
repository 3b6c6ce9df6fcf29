//! Tools that drag, comparing, the queue and the sweep over the levels, through accessible names.

mod files;
mod ui_support;

use std::sync::Arc;

use egui::{Event, Key, Modifiers, PointerButton, Pos2, accesskit::Role};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use inlay::doc::{ControlKind, Edit, Level, Mask, Picture, Purpose};
use inlay::engine::message::{Event as Told, JobId};
use inlay::ui::{App, Compare, Tool};
use inlay::ui::{Cutting, Outcome};
use ui_support::{Scripted, click, press, sample, settle, window};

type Window = Harness<'static, App>;

/// Where a pixel of the canvas is in the window.
fn place(window: &Window, at: [f32; 2]) -> Pos2 {
    let session = &window.state().session;
    let pane = window.get_by_role_and_label(Role::Image, "Canvas").rect();
    session.view.to_window(at.into(), pane, 1.0)
}

/// A drag over the canvas, in its pixels, without letting go.
fn hold(window: &mut Window, path: &[[f32; 2]]) {
    let points: Vec<Pos2> = path.iter().map(|&at| place(window, at)).collect();
    window.hover_at(points[0]);
    window.run();
    window.drag_at(points[0]);
    window.run();
    for &point in &points[1..] {
        window.hover_at(point);
        window.run();
    }
}

fn drag(window: &mut Window, path: &[[f32; 2]]) {
    hold(window, path);
    let end = place(window, path[path.len() - 1]);
    window.drop_at(end);
    settle(window);
}

fn mask(window: &Window) -> Mask {
    let session = &window.state().session;
    session.active_mask().expect("there is a mask").1.clone()
}

fn crop(window: &Window) -> Option<[u32; 4]> {
    window.state().session.document.settings().crop
}

#[test]
fn a_mask_is_moved_and_moving_is_one_undo_step() {
    let (mut window, _) = sample();
    let before = mask(&window);
    let (x0, y0, x1, y1) = before.bounds(1).unwrap();
    press(&mut window, Modifiers::NONE, Key::V);
    assert_eq!(window.state().session.tool, Tool::Move);
    let from = [(x0 + x1) as f32 / 2.0, (y0 + y1) as f32 / 2.0];
    let path = [
        from,
        [from[0] - 30.0, from[1] - 5.0],
        [from[0] - 90.0, from[1] - 20.0],
    ];
    drag(&mut window, &path);
    let (left, top, right, bottom) = mask(&window).bounds(1).unwrap();
    assert_eq!((right - left, bottom - top), (x1 - x0, y1 - y0));
    // The window's points fall between pixels.
    assert!(
        (i64::from(left) - i64::from(x0) + 90).abs() <= 1,
        "{left} {x0}"
    );
    assert!(
        (i64::from(top) - i64::from(y0) + 20).abs() <= 1,
        "{top} {y0}"
    );
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(mask(&window), before);

    hold(&mut window, &path);
    assert_ne!(mask(&window), before);
    window.key_press(Key::Escape);
    window.run();
    assert_eq!(mask(&window), before);
    window.drop_at(place(&window, from));
    settle(&mut window);
    // Beside all masks there is nothing to take.
    drag(&mut window, &[[40.0, 40.0], [80.0, 80.0]]);
    assert_eq!(mask(&window), before);
    assert!(window.state().session.history.is_empty());
}

#[test]
fn the_context_rectangle_is_shown_drawn_and_given_to_the_job() {
    let (mut window, engine) = sample();
    assert_eq!(crop(&window), None);
    click(&mut window, "Context rectangle");
    let automatic = window.state().session.context.expect("the model is known");
    assert!(!automatic.drawn);
    window.get_by_label_contains("Object at ");
    // It is around the mask.
    let (x0, y0, x1, y1) = mask(&window).bounds(1).unwrap();
    let [x, y, width, height] = automatic.crop;
    assert!(x <= x0 && y <= y0 && x + width >= x1 && y + height >= y1);

    let middle = [(x + width / 2) as f32, (y + height / 2) as f32];
    drag(
        &mut window,
        &[
            middle,
            [middle[0] - 25.0, middle[1]],
            [middle[0] - 50.0, middle[1]],
        ],
    );
    let moved = crop(&window).expect("it was moved");
    assert_eq!(moved[2..], automatic.crop[2..]);
    assert!((i64::from(moved[0]) - i64::from(x) + 50).abs() <= 1);
    drag(&mut window, &[[20.0, 30.0], [100.0, 100.0], [148.0, 158.0]]);
    let drawn = crop(&window).expect("it was drawn");
    assert!(
        drawn[2].abs_diff(128) <= 1 && drawn[3].abs_diff(128) <= 1,
        "{drawn:?}"
    );
    window.get_by_label_contains("Object at 1.0×");
    click(&mut window, "Generate");
    assert_eq!(engine.job().1.spec.crop, Some(drawn));

    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(crop(&window), Some(moved));
    click(&mut window, "Automatic");
    assert_eq!(crop(&window), None);
}

#[test]
fn a_tool_whose_key_is_held_is_given_back() {
    let (mut window, _) = sample();
    window.key_down(Key::C);
    window.run();
    assert_eq!(window.state().session.tool, Tool::Context);
    // Time goes on with every frame.
    for _ in 0..60 {
        window.step();
    }
    window.key_up(Key::C);
    window.run();
    assert_eq!(window.state().session.tool, Tool::Brush);
    press(&mut window, Modifiers::NONE, Key::C);
    window.run();
    assert_eq!(window.state().session.tool, Tool::Context);
}

fn one_result(window: &mut Window, engine: &Scripted) {
    click(window, "Generate");
    let (id, _) = engine.job();
    for index in 0..4 {
        engine.finish(index);
    }
    engine.tell(Told::Done(id));
    window.step();
    settle(window);
}

#[test]
fn results_are_compared_three_ways() {
    let (mut window, engine) = sample();
    one_result(&mut window, &engine);
    press(&mut window, Modifiers::NONE, Key::D);
    assert_eq!(window.state().session.compare, Some(Compare::Difference));
    window.get_by_label("Difference, 4 times as strong");
    press(&mut window, Modifiers::NONE, Key::W);
    window.get_by_label("Compare handle");
    click(&mut window, "Flicker");
    let mut seen = [false; 2];
    for _ in 0..80 {
        window.step();
        seen[usize::from(window.state().session.original)] = true;
    }
    assert_eq!(seen, [true, true], "original and result in turn");
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert_eq!(window.state().session.compare, None);
    window.run();
    assert!(!window.state().session.original);
}

#[test]
fn jobs_wait_are_reordered_and_cancelled() {
    let (mut window, engine) = sample();
    for _ in 0..3 {
        press(&mut window, Modifiers::COMMAND, Key::Enter);
    }
    press(
        &mut window,
        Modifiers::COMMAND | Modifiers::SHIFT,
        Key::Enter,
    );
    let sent: Vec<JobId> = engine.0.borrow().jobs.iter().map(|(id, _)| *id).collect();
    assert_eq!(engine.0.borrow().first, [sent[3]]);
    let waiting = |window: &Window| {
        let jobs = &window.state().session.waiting;
        jobs.iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(waiting(&window), [sent[3], sent[1], sent[2]]);
    assert_eq!(window.state().session.outputs.len(), 16);
    click(&mut window, "Waiting jobs");
    click(&mut window, "Move down waiting job 1");
    assert_eq!(waiting(&window), [sent[1], sent[3], sent[2]]);
    assert_eq!(engine.0.borrow().order, [sent[1], sent[3], sent[2]]);
    if window.query_by_label("Cancel waiting job 3").is_none() {
        click(&mut window, "Waiting jobs");
    }
    click(&mut window, "Cancel waiting job 3");
    assert_eq!(engine.0.borrow().cancelled, [sent[2]]);
    engine.tell(Told::Cancelled(sent[2]));
    // The engine had begun another one already.
    engine.tell(Told::Done(sent[0]));
    engine.tell(Told::Started(sent[3]));
    window.step();
    settle(&mut window);
    let session = &window.state().session;
    assert_eq!(session.job.as_ref().map(|job| job.id), Some(sent[3]));
    assert_eq!(waiting(&window), [sent[1]]);
    assert_eq!(session.outputs.len(), 8);
}

#[test]
fn the_four_levels_are_compared_from_one_seed() {
    let (mut window, engine) = sample();
    one_result(&mut window, &engine);
    press(&mut window, Modifiers::SHIFT, Key::L);
    let jobs: Vec<_> = engine.0.borrow().jobs[1..].to_vec();
    let levels: Vec<Level> = jobs
        .iter()
        .map(|(_, job)| job.spec.regions[0].level)
        .collect();
    assert_eq!(levels, Level::ALL);
    for (_, job) in &jobs {
        assert_eq!((job.spec.outputs, job.spec.seed), (1, jobs[0].1.spec.seed));
    }
    // The document keeps its own level.
    assert_eq!(
        window.state().session.document.regions()[0].level,
        Level::Blob
    );
    window.get_by_label("The four levels, from one seed");
    let cells: Vec<_> = (5..=8)
        .map(|n| window.get_by_label(&format!("Result {n}")).rect())
        .collect();
    assert_eq!(cells[0].top(), cells[1].top());
    assert_eq!(cells[2].top(), cells[3].top());
    assert_eq!(cells[0].left(), cells[2].left());
    assert!(cells[2].top() > cells[0].bottom());
    assert!(window.query_by_label("Result 1").is_none());
    click(&mut window, "Show all results");
    window.get_by_label("Result 1");
}

/// What a slow frame gets at once.
fn at_once(window: &mut Window, events: &[(f32, f32, Option<bool>)]) {
    for &(x, y, pressed) in events {
        let pos = place(window, [x, y]);
        let event = match pressed {
            None => Event::PointerMoved(pos),
            Some(pressed) => Event::PointerButton {
                pos,
                button: PointerButton::Primary,
                pressed,
                modifiers: Modifiers::NONE,
            },
        };
        window.input_mut().events.push(event);
    }
    window.step();
    settle(window);
}

#[test]
fn a_slow_frame_loses_no_tap_and_gives_no_stroke_a_tail() {
    let (mut window, _) = sample();
    let (down, up) = (Some(true), Some(false));
    click(&mut window, "Clear mask");
    window.hover_at(place(&window, [200.0, 200.0]));
    window.run();
    at_once(&mut window, &[(200.0, 200.0, down), (200.0, 200.0, up)]);
    let dot = mask(&window);
    assert_eq!(dot.get(200, 200), 255);
    let (left, _, right, _) = dot.bounds(1).unwrap();
    assert!(left > 150 && right < 250, "{left} to {right}");
    // The pointer has gone on by the end of the frame.
    let swept = [
        (300.0, 100.0, None),
        (300.0, 100.0, down),
        (300.0, 160.0, None),
        (300.0, 200.0, up),
        (300.0, 320.0, None),
    ];
    at_once(&mut window, &swept);
    let painted = mask(&window);
    assert_eq!(painted.get(300, 150), 255);
    assert_eq!(painted.get(300, 200), 255);
    assert_eq!(painted.get(300, 260), 0);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(mask(&window), dot);

    click(&mut window, "Clear mask");
    press(&mut window, Modifiers::NONE, Key::U);
    at_once(&mut window, &swept.map(|(x, y, p)| (x + y / 2.0, y, p)));
    let (x0, y0, x1, y1) = mask(&window).bounds(255).unwrap();
    let near = |a: u32, b: u32| a.abs_diff(b) <= 2;
    assert!(near(x0, 350) && near(y0, 100), "{x0}, {y0}");
    assert!(near(x1, 400) && near(y1, 200), "{x1}, {y1}");
}

#[test]
fn a_press_beside_the_canvas_paints_nothing() {
    let (mut window, _) = sample();
    let before = mask(&window);
    let pane = window.get_by_role_and_label(Role::Image, "Canvas").rect();
    let beside = pane.left_center() - egui::vec2(6.0, 0.0);
    for pos in [beside, pane.center()] {
        window.input_mut().events.push(Event::PointerMoved(pos));
        if pos == beside {
            let press = Event::PointerButton {
                pos,
                button: PointerButton::Primary,
                pressed: true,
                modifiers: Modifiers::NONE,
            };
            window.input_mut().events.push(press);
        }
    }
    window.step();
    window.drop_at(pane.center());
    settle(&mut window);
    assert_eq!(mask(&window), before);
}

/// The sample without its mask, and with a prompt that names none.
fn without_mask() -> (Window, Scripted) {
    let (mut window, engine) = sample();
    click(&mut window, "Remove mask IMG3");
    let edit = Edit::SetPrompt("Put the cookie from IMG2 into IMG1".to_owned());
    assert!(window.state_mut().session.edit(edit));
    (window, engine)
}

#[test]
fn only_painting_makes_a_mask_and_it_is_one_undo_step() {
    let (mut window, engine) = without_mask();
    let before = window.state().session.document.clone();
    for (modifiers, key) in [
        (Modifiers::NONE, Key::Num1),
        (Modifiers::NONE, Key::Delete),
        (Modifiers::SHIFT, Key::V),
        (Modifiers::SHIFT, Key::G),
        (Modifiers::SHIFT, Key::F),
    ] {
        press(&mut window, modifiers, key);
        assert_eq!(window.state().session.document, before, "{key:?}");
    }
    let path = [[200.0, 200.0], [260.0, 220.0], [300.0, 200.0]];
    hold(&mut window, &path);
    assert!(window.state().session.live.is_some());
    assert_eq!(window.state().session.document, before);
    window.key_press(Key::Escape);
    window.run();
    window.drop_at(place(&window, path[2]));
    settle(&mut window);
    assert_eq!(window.state().session.document, before);

    drag(&mut window, &path);
    assert_eq!(window.state().session.document.regions().len(), 1);
    assert_eq!(mask(&window).get(260, 220), 255);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(window.state().session.document, before);
    press(&mut window, Modifiers::COMMAND, Key::Y);
    press(&mut window, Modifiers::COMMAND, Key::Enter);
    assert_eq!(engine.job().1.spec.regions.len(), 1);
}

#[test]
fn empty_masks_are_left_out_of_a_job_unless_they_are_named() {
    let (mut window, engine) = sample();
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::N);
    assert_eq!(window.state().session.document.regions().len(), 2);
    press(&mut window, Modifiers::COMMAND, Key::Enter);
    let (_, job) = engine.job();
    assert_eq!(job.spec.regions.len(), 1);
    let told = |window: &Window, part: &str| {
        let list = window.state().session.toasts.list();
        list.iter().any(|toast| toast.text.contains(part))
    };
    assert!(told(&window, "IMG4 is empty and is left out"));
    assert_eq!(window.state().session.document.regions().len(), 2);
    let edit = Edit::SetPrompt("Put IMG2 at the place of IMG4".to_owned());
    assert!(window.state_mut().session.edit(edit));
    press(&mut window, Modifiers::COMMAND, Key::Enter);
    assert_eq!(engine.0.borrow().jobs.len(), 1);
    assert!(told(&window, "Mask 2 is empty: paint"));
}

#[test]
fn the_brush_suits_the_canvas_until_its_size_is_chosen() {
    let (mut window, _) = sample();
    let size = |window: &Window| window.state().session.brush.size;
    let share = |window: &Window| {
        let canvas = window.state().session.canvas().unwrap();
        (canvas.width().min(canvas.height()) as f32 * 0.06).round()
    };
    assert_eq!(size(&window), share(&window));
    let another = |window: &mut Window, side: u32| {
        let session = &mut window.state_mut().session;
        let picture = std::sync::Arc::new(Picture::filled(side, side, [9, 9, 9, 255]));
        let slot = session.document.slots()[0].id;
        assert!(session.edit(Edit::ReplacePicture {
            slot,
            picture,
            name: "large".to_owned(),
            source: None,
        }));
    };
    another(&mut window, 2000);
    assert_eq!(size(&window), 120.0);
    press(&mut window, Modifiers::NONE, Key::CloseBracket);
    let chosen = size(&window);
    assert!(chosen > 120.0);
    another(&mut window, 500);
    assert_eq!(size(&window), chosen);
}

#[test]
fn all_jobs_are_cancelled_at_once() {
    let (mut window, engine) = sample();
    for _ in 0..3 {
        press(&mut window, Modifiers::COMMAND, Key::Enter);
    }
    let sent: Vec<JobId> = engine.0.borrow().jobs.iter().map(|(id, _)| *id).collect();
    click(&mut window, "Waiting jobs");
    click(&mut window, "Cancel all");
    let cancelled = engine.0.borrow().cancelled.clone();
    assert_eq!(cancelled, [sent[1], sent[2], sent[0]]);
}

fn from_menu(window: &mut Window, command: &str) {
    click(window, "Mask");
    click(window, command);
}

fn has_message(window: &Window, part: &str) -> bool {
    let toasts = window.state().session.toasts.list();
    toasts.iter().any(|toast| toast.text.contains(part))
}

/// The window with a photograph of a box as its canvas, and another one as an object.
fn with_boxes(folder: &std::path::Path) -> Window {
    let photo = |name: &str, width, height| {
        let bytes = files::encoded(
            files::photo_of_a_box(width, height),
            image::ImageFormat::Png,
        );
        files::put(folder, name, &bytes)
    };
    let paths = vec![photo("garden.png", 160, 120), photo("box.png", 120, 90)];
    window([1280.0, 800.0], 1.0, egui::Theme::Dark, Some(paths)).0
}

fn object(window: &Window, at: usize) -> (u32, u32, bool) {
    let picture = &window.state().session.document.slots()[at].picture;
    (picture.width(), picture.height(), picture.has_alpha())
}

#[test]
fn objects_are_cut_out_of_photographs_and_undo_gives_the_whole_picture() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = with_boxes(folder.path());
    let (width, height, cut) = object(&window, 1);
    let fits = (47..=52).contains(&width) && (35..=40).contains(&height);
    assert!(cut && fits, "{cut} {width}×{height}");
    // The canvas is what it was.
    assert_eq!(object(&window, 0), (160, 120, false));
    assert!(has_message(
        &window,
        "IMG2 was cut out; undo for the whole picture"
    ));
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(object(&window, 1), (120, 90, false));
    // By hand from the slot's menu.
    let card = window.get_by_label("Select box").rect().center();
    window.hover_at(card);
    window.get_by_label("Select box").click_secondary();
    settle(&mut window);
    click(&mut window, "Cut out the object");
    assert_eq!(object(&window, 1), (width, height, true));
}

#[test]
fn what_is_under_a_mask_becomes_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = with_boxes(folder.path());
    let session = &mut window.state_mut().session;
    let mut plane = inlay::doc::Plane::filled(160, 120, 0);
    for y in 28..92 {
        plane.values_mut()[y * 160 + 38..y * 160 + 122].fill(255);
    }
    session.take_mask(&plane);
    assert_eq!(session.document.slots().len(), 2);
    let regions = session.document.regions().to_vec();
    from_menu(&mut window, "Object from mask");
    let (width, height, cut) = object(&window, 2);
    assert!(
        cut && (63..=68).contains(&width) && (47..=52).contains(&height),
        "{width} {height}"
    );
    let session = &window.state().session;
    let slot = &session.document.slots()[2];
    assert_eq!(
        (slot.name.as_str(), session.slot),
        ("part of garden", Some(slot.id))
    );
    // The mask is not where it is to go.
    assert_eq!(session.document.regions(), &regions[..]);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(window.state().session.document.slots().len(), 2);
    // Nothing stands out on grass.
    let session = &mut window.state_mut().session;
    let mut grass = inlay::doc::Plane::filled(160, 120, 0);
    for y in 4..24 {
        grass.values_mut()[y * 160 + 4..y * 160 + 40].fill(255);
    }
    session.take_mask(&grass);
    from_menu(&mut window, "Object from mask");
    assert!(has_message(&window, "Nothing stands out under the mask"));
    assert_eq!(window.state().session.document.slots().len(), 2);
}

#[test]
fn what_is_cut_out_late_or_unasked_takes_nothing_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = with_boxes(folder.path());
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(object(&window, 1), (120, 90, false));
    let cutting = |window: &Window, asked| {
        let session = &window.state().session;
        let slot = &session.document.slots()[1];
        Cutting {
            which: session.project.which,
            slot: Some(slot.id),
            picture: slot.picture.clone(),
            mask: None,
            name: slot.name.clone(),
            asked,
        }
    };
    let cut = Picture::filled(9, 9, [1, 2, 3, 200]);
    let tell = |window: &mut Window, cutting: Cutting| {
        let outcome = Outcome::Cut(Box::new(cutting), Some(Arc::new(cut.clone())));
        window.state_mut().session.on_file(outcome);
    };
    // Redo would be gone.
    let unasked = cutting(&window, false);
    tell(&mut window, unasked);
    assert_eq!(object(&window, 1), (120, 90, false));
    // Another document's.
    let late = Cutting {
        which: 99,
        ..cutting(&window, true)
    };
    tell(&mut window, late);
    assert_eq!(object(&window, 1), (120, 90, false));
    assert!(has_message(&window, "its document is closed"));
    // It is no object any more.
    let asked = cutting(&window, true);
    let slot = asked.slot.unwrap();
    let depth = Some(Purpose::Control(ControlKind::Depth));
    let session = &mut window.state_mut().session;
    assert!(session.edit(Edit::SetPurpose(slot, depth)));
    tell(&mut window, asked.clone());
    assert_eq!(object(&window, 1), (120, 90, false));
    let session = &mut window.state_mut().session;
    assert!(session.edit(Edit::SetPurpose(slot, None)));
    tell(&mut window, asked);
    assert_eq!(object(&window, 1), (9, 9, true));
}
