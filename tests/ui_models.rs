//! The page of models, with a scripted model manager.

mod ui_support;

use std::path::PathBuf;

use eframe::App as _;
use egui::{Key, Modifiers, Theme};
use egui_kittest::kittest::{NodeT as _, Queryable};
use inlay::engine::message::{Event as EngineEvent, ModelSource};
use inlay::hub::message::{
    Event, Found, Origin, Phase, Report, Request, Row, SMALL_DECODER, State,
};
use inlay::ui::{Action, ModelState, ModelsAction, Start};
use ui_support::models::{
    Window, click, messages, open, progress, row, rows, window_sized, window_with,
};
use ui_support::{settle, summary};

#[test]
fn the_chosen_model_is_remembered_once_it_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let start = Start {
        model: Some(ModelSource::Embedded),
        data: Some(folder.path().to_owned()),
        ..Start::default()
    };
    let loaded = || EngineEvent::Loaded(summary());
    let (mut window, hub, engine) = window_with([1280.0, 1000.0], Theme::Dark, start, loaded());
    let note = folder.path().join("model.json");
    window.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::M);
    settle(&mut window);
    hub.tell(&mut window, Event::Listed(rows()));
    assert!(!note.exists(), "nothing was chosen");
    click(&mut window, "Use klein");
    engine
        .0
        .tell(EngineEvent::LoadFailed("its files are broken".to_owned()));
    window.step();
    settle(&mut window);
    assert!(!note.exists(), "it was not loaded");
    click(&mut window, "Use klein");
    engine.0.tell(loaded());
    window.step();
    settle(&mut window);
    let text = std::fs::read_to_string(&note).unwrap();
    let source: ModelSource = serde_json::from_str(&text).unwrap();
    assert_eq!(source, ModelSource::Folder("models/klein".into()));
}

#[test]
fn a_remembered_model_that_is_gone_gives_way_to_the_one_in_the_program() {
    let klein = ModelSource::Folder("models/klein".into());
    let failed = || EngineEvent::LoadFailed("models/klein is not there".to_owned());
    for remembered in [true, false] {
        let start = Start {
            model: Some(klein.clone()),
            remembered,
            ..Start::default()
        };
        let (mut window, _, engine) = window_with([1280.0, 1000.0], Theme::Dark, start, failed());
        // Whoever named it on purpose is told, and decides.
        let expected = match remembered {
            true => vec![klein.clone(), ModelSource::Embedded],
            false => vec![klein.clone()],
        };
        assert_eq!(*engine.1.borrow(), expected);
        assert!(
            messages(&window)
                .iter()
                .any(|m| m.contains("klein is not there"))
        );
        // If that can't be loaded either, there is no third.
        engine.0.tell(failed());
        window.step();
        settle(&mut window);
        assert_eq!(*engine.1.borrow(), expected);
        assert!(matches!(
            window.state().session.model,
            ModelState::Failed(_)
        ));
    }
}

#[test]
fn the_list_says_what_each_model_is_and_needs() {
    let (window, _, _) = open();
    window.get_by_label("In use");
    window.get_by_label("unireal · 21 MB · MIT or Apache-2.0");
    window.get_by_label("FLUX.2 [klein] 4B, BF16 · 16.0 GB · Apache-2.0");
    window.get_by_label(
        "Needs 17.4 GB of main memory, 9.1 GB with its parts loaded in turn, 5.4 GB rounded to 8 bits as well; 5.0 GB are free now",
    );
    window.get_by_label("models/klein");
    window.get_by_label("FLUX.2 [klein] 4B, BF16 · 2.1 GB of 15.9 GB are here · Apache-2.0");
    window.get_by_label("its files are gone, remove it from the list: models/old");
    window.get_by_label("FLUX.2 [klein] 4B, BF16 · about 16 GB · Apache-2.0");
    window.get_by_label("FLUX.2 [klein] 9B · size not known yet · FLUX Non-Commercial License");
    window.get_by_label("For non-commercial use only");
    // What can't be done is not offered.
    for label in [
        "Use unireal-nano",
        "Remove unireal-nano",
        "Use klein-base",
        "Use klein-4B",
        "Verify old",
    ] {
        assert!(window.query_by_label(label).is_none(), "{label}");
    }
}

#[test]
fn a_flux2_can_be_used_with_the_small_decoder_once_that_is_here() {
    let start = Start {
        model: Some(ModelSource::Embedded),
        ..Start::default()
    };
    let loaded = EngineEvent::Loaded(summary());
    let (mut window, hub, engine) = window_with([1280.0, 1000.0], Theme::Dark, start, loaded);
    window.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::M);
    settle(&mut window);
    let with = "Use with small decoder klein";
    let decoder = |origin, state| Row {
        kind: "Smaller decoder for FLUX.2".to_owned(),
        place: Some("models/small".into()),
        is_model: false,
        ..row(SMALL_DECODER, origin, state)
    };
    for state in [State::Absent, State::Ready] {
        let mut list = rows();
        list.push(decoder(Origin::Downloaded, state.clone()));
        hub.tell(&mut window, Event::Listed(list));
        let offered = window.query_by_label(with).is_some();
        assert_eq!(offered, state == State::Ready);
    }
    // The model inside the program has its own.
    let own = window.query_by_label("Use with small decoder unireal-nano");
    assert!(own.is_none());
    click(&mut window, with);
    let chosen = ModelSource::WithVae {
        model: "models/klein".into(),
        vae: "models/small".into(),
    };
    assert_eq!(engine.1.borrow().last(), Some(&chosen));
    // What is in use is not removed, and the way back is there.
    assert!(window.query_by_label(with).is_none());
    let disabled = |label: &str| window.get_by_label(label).accesskit_node().is_disabled();
    assert!(disabled("Remove klein") && disabled("Remove FLUX.2-small-decoder"));
    click(&mut window, "Use own decoder klein");
    let own = ModelSource::Folder("models/klein".into());
    assert_eq!(engine.1.borrow().last(), Some(&own));
}

#[test]
fn the_menu_and_the_palette_open_it_and_esc_closes_it() {
    let (mut window, hub, _) = window_sized([1280.0, 800.0], Theme::Light);
    click(&mut window, "File");
    window.get_by_label_contains("Models…").click();
    settle(&mut window);
    assert!(window.state().session.models.open);
    assert_eq!(hub.asked(), [Request::List]);
    // Keys are for the page.
    let tool = window.state().session.tool;
    window.key_press(Key::E);
    settle(&mut window);
    assert_eq!(window.state().session.tool, tool);
    window.key_press(Key::Escape);
    settle(&mut window);
    assert!(!window.state().session.models.open);
    window.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::P);
    settle(&mut window);
    for letter in ["m", "odels"] {
        window.event(egui::Event::Text(letter.to_owned()));
        settle(&mut window);
    }
    window.key_press(Key::Enter);
    settle(&mut window);
    assert!(window.state().session.models.open);
}

#[test]
fn a_chosen_model_becomes_the_editor_s() {
    let (mut window, _, engine) = open();
    engine.1.borrow_mut().clear();
    click(&mut window, "Use klein");
    let source = ModelSource::Folder("models/klein".into());
    assert_eq!(*engine.1.borrow(), [source]);
    assert!(
        matches!(&window.state().session.model, ModelState::Loading(_, what) if what == "klein")
    );
    window.get_by_label("In use");
    assert!(window.query_by_label("Use klein").is_none());
    // What is in use is not removed; and the one before can be had again.
    assert!(
        window
            .get_by_label("Remove klein")
            .accesskit_node()
            .is_disabled()
    );
    click(&mut window, "Use unireal-nano");
    assert_eq!(engine.1.borrow().last(), Some(&ModelSource::Embedded));
    engine.0.tell(EngineEvent::LoadFailed("no memory".into()));
    window.step();
    settle(&mut window);
    assert!(window.query_by_label("In use").is_none());
}

#[test]
fn a_download_is_asked_about_shown_and_cancelled() {
    let (mut window, hub, _) = open();
    click(&mut window, "Download klein-4B");
    window.get_by_label("Download klein-4B?");
    window.get_by_label("Size: about 16 GB");
    window.get_by_label("From: https://huggingface.co/black-forest-labs/klein-4B");
    window.get_by_label("Licence: Apache-2.0");
    // Esc answers the question and leaves the page.
    window.key_press(Key::Escape);
    settle(&mut window);
    assert!(window.query_by_label("Download klein-4B?").is_none());
    assert!(window.state().session.models.open);
    click(&mut window, "Download klein-4B");
    click(&mut window, "Go back");
    assert_eq!(hub.asked(), []);
    click(&mut window, "Download klein-4B");
    click(&mut window, "Download");
    let asked = Request::Download {
        name: "klein-4B".into(),
        files: Vec::new(),
        token: None,
    };
    assert_eq!(hub.asked(), [asked]);
    window.get_by_label("Waits for its turn");
    hub.0.borrow_mut().progress = progress("klein-4B", Phase::Downloading);
    window.step();
    settle(&mut window);
    window.get_by_label("4.0 GB of 16.0 GB · 20 MB a second · 10 min left");
    assert!(
        window
            .get_by_label("Download klein-4B")
            .accesskit_node()
            .is_disabled()
    );
    hub.0.borrow_mut().progress = progress("klein-4B", Phase::Waiting);
    window.step();
    settle(&mut window);
    window.get_by_label("4.0 GB of 16.0 GB · the connection was lost, trying again");
    click(&mut window, "Cancel klein-4B");
    assert_eq!(hub.0.borrow().cancelled, 1);
    hub.0.borrow_mut().progress = None;
    hub.tell(&mut window, Event::Cancelled("klein-4B".into()));
    assert!(window.state().session.models.tasks.is_empty());
    assert_eq!(
        messages(&window),
        ["Klein-4B: cancelled, what came is kept"]
    );
}

#[test]
fn what_waits_can_be_taken_out_of_the_queue() {
    let (mut window, hub, _) = open();
    for name in ["klein-base", "klein-4B"] {
        let text = if name == "klein-4B" {
            "Download"
        } else {
            "Continue"
        };
        click(&mut window, &format!("{text} {name}"));
        click(&mut window, "Download");
    }
    hub.0.borrow_mut().progress = progress("klein-base", Phase::Downloading);
    window.step();
    settle(&mut window);
    click(&mut window, "Cancel klein-4B");
    assert_eq!(hub.0.borrow().withdrawn, ["klein-4B"]);
    assert_eq!(hub.0.borrow().cancelled, 0, "what runs goes on");
    assert_eq!(window.state().session.models.tasks, ["klein-base"]);
    assert!(window.query_by_label("Waits for its turn").is_none());
    assert_eq!(messages(&window), ["Klein-4B is no longer waiting"]);
    // It can be asked for again.
    let download = window.get_by_label("Download klein-4B");
    assert!(!download.accesskit_node().is_disabled());
    click(&mut window, "Cancel klein-base");
    assert_eq!(hub.0.borrow().cancelled, 1);
}

#[test]
fn downloads_go_on_while_the_page_is_closed() {
    let (mut window, hub, _) = open();
    click(&mut window, "Continue klein-base");
    click(&mut window, "Download");
    hub.0.borrow_mut().progress = progress("klein-base", Phase::Downloading);
    click(&mut window, "Close");
    window.get_by_label("Downloading klein-base 25 %");
    hub.0.borrow_mut().progress = None;
    hub.tell(
        &mut window,
        Event::Downloaded {
            asked: "klein-base".into(),
            name: "klein-base".into(),
        },
    );
    assert!(
        window
            .query_by_label("Downloading klein-base 25 %")
            .is_none()
    );
    assert_eq!(
        messages(&window),
        ["Klein-base is downloaded and can be used"]
    );
    // Without the page a failure is a message.
    hub.tell(&mut window, Event::Failed(None, "the disk is full".into()));
    assert_eq!(messages(&window).last().unwrap(), "The disk is full");
}

#[test]
fn a_licence_must_be_accepted_and_a_token_given() {
    let (mut window, hub, _) = open();
    click(&mut window, "Download klein-9B");
    let disabled = |window: &Window| {
        window
            .get_by_label("Download")
            .accesskit_node()
            .is_disabled()
    };
    assert!(disabled(&window));
    click(&mut window, "I have read the licence and accept it");
    assert!(disabled(&window));
    window
        .get_by_label("Access token, used once and not stored")
        .focus();
    window.run();
    window.event(egui::Event::Text("hf_secret".to_owned()));
    settle(&mut window);
    assert!(!disabled(&window));
    click(&mut window, "Download");
    let asked = Request::Download {
        name: "klein-9B".into(),
        files: Vec::new(),
        token: Some("hf_secret".into()),
    };
    assert_eq!(hub.asked(), [asked]);
    assert_eq!(window.state().session.models.question, None);
}

#[test]
fn without_a_network_one_sentence_stands_on_the_page() {
    let (mut window, hub, _) = open();
    click(&mut window, "Download klein-4B");
    click(&mut window, "Download");
    let why = "huggingface.co can't be reached (no connection): check the connection and download again, what came is kept";
    hub.tell(
        &mut window,
        Event::Failed(Some("klein-4B".into()), why.into()),
    );
    window.get_by_label(&format!("H{}", &why[1..]));
    assert!(window.query_by_label("Waits for its turn").is_none());
    assert!(messages(&window).is_empty());
    // It goes when something else is done.
    hub.0.borrow_mut().refuse = Some("too much is waiting already: let it finish first".into());
    click(&mut window, "Verify klein");
    assert!(window.query_by_label_contains("can't be reached").is_none());
    window.get_by_label("Too much is waiting already: let it finish first");
    assert!(window.state().session.models.tasks.is_empty());
}

#[test]
fn files_are_checked_and_models_removed_after_a_question() {
    let (mut window, hub, _) = open();
    click(&mut window, "Verify klein");
    assert_eq!(hub.asked(), [Request::Verify("klein".into())]);
    hub.0.borrow_mut().progress = progress("klein", Phase::Checking);
    window.step();
    settle(&mut window);
    window.get_by_label("Checking · 4.0 GB of 16.0 GB");
    hub.0.borrow_mut().progress = None;
    let good = Report {
        right: 12,
        ..Report::default()
    };
    hub.tell(&mut window, Event::Verified("klein".into(), good));
    assert_eq!(
        messages(&window),
        ["Klein: all checksums are right (12 files)"]
    );
    let bad = Report {
        damaged: vec!["vae/a.safetensors".into()],
        ..Report::default()
    };
    hub.tell(&mut window, Event::Verified("klein".into(), bad));
    window.get_by_label("Klein: damaged: vae/a.safetensors; download or copy these files again");

    click(&mut window, "Remove old");
    window.get_by_label("It is taken off the list; your files stay where they are");
    click(&mut window, "Remove");
    assert_eq!(hub.asked(), [Request::Remove("old".into())]);
    click(&mut window, "Remove klein");
    window.get_by_label("Inlay downloaded these files and deletes them: 16.0 GB become free");
    click(&mut window, "Go back");
    assert_eq!(hub.asked(), []);
    let left: Vec<Row> = rows().into_iter().filter(|row| row.name != "old").collect();
    hub.tell(&mut window, Event::Removed("old".into(), 0));
    hub.tell(&mut window, Event::Listed(left));
    assert!(window.query_by_label("Remove old").is_none());
}

#[test]
fn files_that_are_here_are_found_and_added() {
    let (mut window, hub, _) = open();
    click(&mut window, "Use files I already have");
    assert_eq!(hub.asked(), [Request::Find]);
    assert!(
        window
            .get_by_label("Looking…")
            .accesskit_node()
            .is_disabled()
    );
    let found = |name: &str, problem: Option<&str>| Found {
        name: name.to_owned(),
        kind: "FLUX.2 [klein] 4B, Q8_0".to_owned(),
        owner: "ComfyUI".to_owned(),
        place: PathBuf::from(format!("ComfyUI/models/{name}.gguf")),
        bytes: Some(8_000_000_000),
        problem: problem.map(str::to_owned),
    };
    let refused =
        "flux1.safetensors is FLUX.1, which this program does not run: get FLUX.2 [klein] 4B";
    let list = vec![found("klein-q8", None), found("flux1", Some(refused))];
    hub.tell(&mut window, Event::Found(list));
    window.get_by_label("Files you already have");
    window.get_by_label("FLUX.2 [klein] 4B, Q8_0 · 8.0 GB");
    window.get_by_label(refused);
    assert!(window.query_by_label("Add flux1").is_none());
    click(&mut window, "Add klein-q8");
    assert_eq!(
        hub.asked(),
        [Request::Add("ComfyUI/models/klein-q8.gguf".into())]
    );
    hub.tell(&mut window, Event::Added("klein-q8".into()));
    // The rest is looked at again.
    assert_eq!(hub.asked(), [Request::Find]);
    hub.tell(&mut window, Event::Found(Vec::new()));
    window.get_by_label_contains("No new model was found");
    click(&mut window, "Back to the list");
    window.get_by_label("Models");
    // Files that were chosen in the system's dialog.
    let ctx = window.ctx.clone();
    let chosen = Action::Models(ModelsAction::Add("x.gguf".into()));
    window.state_mut().apply(&ctx, vec![chosen]);
    assert_eq!(hub.asked(), [Request::Add("x.gguf".into())]);
    window.state_mut().on_exit();
}

#[test]
fn the_page_fits_into_the_smallest_window() {
    for theme in [Theme::Dark, Theme::Light] {
        let (mut window, hub, _) = window_sized([900.0, 600.0], theme);
        window.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::M);
        settle(&mut window);
        hub.tell(&mut window, Event::Listed(rows()));
        let screen = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(900.0, 600.0));
        for label in [
            "Close",
            "Use klein",
            "Open folder klein",
            "Use files I already have",
            "Add a file…",
        ] {
            let node = window.get_by_label(label);
            assert!(
                screen.contains_rect(node.rect()),
                "{label}: {:?}",
                node.rect()
            );
        }
    }
}

#[test]
fn a_repository_of_the_hub_is_downloaded_by_its_name_or_its_page() {
    let (mut window, hub, _) = open();
    let disabled = |window: &Window| {
        let button = window.get_by_label("Download");
        button.accesskit_node().is_disabled()
    };
    let write = |window: &mut Window, field: &str, text: &str| {
        window.get_by_label(field).focus();
        window.run();
        window.event(egui::Event::Text(text.to_owned()));
        settle(window);
    };
    let page = "Repository, or the address of its page";
    click(&mut window, "From the hub…");
    assert!(disabled(&window), "nothing is named yet");
    write(&mut window, page, "makers");
    assert!(disabled(&window), "an owner is no repository");
    write(&mut window, page, "/klein-gguf");
    write(
        &mut window,
        "File in it; empty for a whole model",
        "Q4_K.gguf",
    );
    click(&mut window, "Download");
    let asked = Request::Download {
        name: "makers/klein-gguf".into(),
        files: vec!["Q4_K.gguf".into()],
        token: None,
    };
    assert_eq!(hub.asked(), [asked]);
    // It is no model of the list yet: it stands above it.
    window.get_by_label("makers/klein-gguf");
    window.get_by_label("Waits for its turn");
    hub.0.borrow_mut().progress = progress("klein-gguf", Phase::Downloading);
    window.step();
    settle(&mut window);
    window.get_by_label("4.0 GB of 16.0 GB · 20 MB a second · 10 min left");
    hub.0.borrow_mut().progress = None;
    let done = Event::Downloaded {
        asked: "makers/klein-gguf".into(),
        name: "klein-gguf".into(),
    };
    hub.tell(&mut window, done);
    assert!(window.query_by_label("makers/klein-gguf").is_none());
    assert!(window.state().session.models.tasks.is_empty());

    // What the list has is asked about as if it had been chosen there: its licence is to be accepted.
    click(&mut window, "From the hub…");
    let address = "https://huggingface.co/Black-Forest-Labs/Klein-9b";
    write(&mut window, page, address);
    click(&mut window, "Download");
    assert_eq!(hub.asked(), []);
    window.get_by_label("Download klein-9B?");
    assert!(disabled(&window));
    click(&mut window, "Go back");

    // A part that comes from the same repository is not what is meant, whether the model is here or not.
    let part = Row {
        is_model: false,
        page: Some("https://huggingface.co/black-forest-labs/klein".to_owned()),
        ..row("vae", Origin::Available, State::Absent)
    };
    let mut list = rows();
    list.insert(0, part);
    hub.tell(&mut window, Event::Listed(list));
    assert!(
        window
            .state()
            .session
            .models
            .offered("black-forest-labs/klein")
            .is_none()
    );
    let alone = rows().into_iter().filter(|row| row.name != "klein");
    let mut list: Vec<Row> = alone.collect();
    list.push(Row {
        is_model: false,
        ..row("vae", Origin::Available, State::Absent)
    });
    hub.tell(&mut window, Event::Listed(list));
    let models = &window.state().session.models;
    let found = models.offered("black-forest-labs/VAE");
    assert_eq!(found.map(|row| row.name.as_str()), Some("vae"));
}

#[test]
fn loading_can_be_cancelled_and_another_model_chosen() {
    let start = Start {
        model: Some(ModelSource::Embedded),
        ..Start::default()
    };
    let loading = EngineEvent::Loading(0.25, "the weights".to_owned());
    let (mut window, _, engine) = window_with([1280.0, 1000.0], Theme::Dark, start, loading);
    window.get_by_label("Loading 25 %");
    click(&mut window, "Cancel");
    assert_eq!(engine.0.0.borrow().loading_cancelled, 1);
    engine
        .0
        .tell(EngineEvent::LoadFailed("Loading was cancelled".to_owned()));
    window.step();
    settle(&mut window);
    assert!(window.query_by_label("Generate").is_none());
    click(&mut window, "Choose a model…");
    assert!(window.state().session.models.open);
}
