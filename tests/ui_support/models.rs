//! What the tests of the page of models share: a scripted model manager, a list, and the page opened.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use egui::{Key, Modifiers, Theme};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use inlay::engine::message::{Event as EngineEvent, ModelSource, Request as EngineRequest};
use inlay::hub::message::{Event, Memory, MemoryOf, Origin, Phase, Progress, Request, Row, State};
use inlay::ui::{App, Backend, Hub, Start};

use super::{Scripted, settle, summary};

pub type Window = Harness<'static, App>;

/// What a model manager was asked, and what it is to answer.
#[derive(Default)]
pub struct Script {
    pub asked: Vec<Request>,
    pub cancelled: usize,
    pub withdrawn: Vec<String>,
    pub events: Vec<Event>,
    pub progress: Option<Progress>,
    pub refuse: Option<String>,
}

#[derive(Clone, Default)]
pub struct ScriptedHub(pub Rc<RefCell<Script>>);

impl Hub for ScriptedHub {
    fn ask(&mut self, request: Request) -> Result<(), String> {
        let mut script = self.0.borrow_mut();
        if let Some(why) = script.refuse.clone() {
            return Err(why);
        }
        script.asked.push(request);
        Ok(())
    }

    fn cancel(&mut self) {
        self.0.borrow_mut().cancelled += 1;
    }

    fn withdraw(&mut self, name: &str) -> bool {
        self.0.borrow_mut().withdrawn.push(name.to_owned());
        true
    }

    fn poll(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.0.borrow_mut().events)
    }

    fn progress(&mut self) -> Option<Progress> {
        self.0.borrow().progress.clone()
    }
}

impl ScriptedHub {
    pub fn asked(&self) -> Vec<Request> {
        std::mem::take(&mut self.0.borrow_mut().asked)
    }

    pub fn tell(&self, window: &mut Window, event: Event) {
        self.0.borrow_mut().events.push(event);
        window.step();
        settle(window);
    }
}

/// An engine that keeps what it is asked to load.
#[derive(Clone, Default)]
pub struct Engine(pub Scripted, pub Rc<RefCell<Vec<ModelSource>>>);

impl Backend for Engine {
    fn send(&mut self, request: EngineRequest) -> Result<(), String> {
        if let EngineRequest::Load(source) = &request {
            self.1.borrow_mut().push(source.clone());
        }
        self.0.send(request)
    }

    fn send_first(&mut self, request: EngineRequest) -> Result<(), String> {
        self.0.send_first(request)
    }

    fn arrange(&mut self, order: &[inlay::engine::message::JobId]) {
        self.0.arrange(order);
    }

    fn cancel(&mut self, job: inlay::engine::message::JobId) {
        self.0.cancel(job);
    }

    fn cancel_loading(&mut self) {
        self.0.cancel_loading();
    }

    fn poll(&mut self) -> Vec<EngineEvent> {
        self.0.poll()
    }

    fn look_at(&mut self, _: Option<usize>) {}

    fn latest_preview(&mut self) -> Option<inlay::engine::message::JobPreview> {
        self.0.latest_preview()
    }
}

pub fn row(name: &str, origin: Origin, state: State) -> Row {
    Row {
        name: name.to_owned(),
        kind: "FLUX.2 [klein] 4B, BF16".to_owned(),
        origin,
        state,
        bytes: Some(16_000_000_000),
        about: origin == Origin::Available,
        licence: Some("Apache-2.0".to_owned()),
        commercial: Some(true),
        gated: false,
        memory: None,
        place: None,
        page: Some(format!("https://huggingface.co/black-forest-labs/{name}")),
        is_model: true,
    }
}

pub fn rows() -> Vec<Row> {
    let built_in = Row {
        kind: "unireal".to_owned(),
        bytes: Some(21_000_000),
        licence: Some("MIT or Apache-2.0".to_owned()),
        page: None,
        ..row("unireal-nano", Origin::BuiltIn, State::Ready)
    };
    let own = Row {
        place: Some(PathBuf::from("models/klein")),
        memory: Some(Memory {
            all: 17_400_000_000,
            in_turn: 9_100_000_000,
            least: 5_400_000_000,
            free: Some(5_000_000_000),
            place: MemoryOf::Cpu,
        }),
        ..row("klein", Origin::Downloaded, State::Ready)
    };
    let partial = State::Partial {
        have: 2_100_000_000,
        total: 15_900_000_000,
    };
    let broken = State::Unusable {
        why: "its files are gone, remove it from the list: models/old".to_owned(),
    };
    let large = Row {
        bytes: None,
        about: false,
        licence: Some("FLUX Non-Commercial License".to_owned()),
        commercial: Some(false),
        gated: true,
        kind: "FLUX.2 [klein] 9B".to_owned(),
        ..row("klein-9B", Origin::Available, State::Absent)
    };
    vec![
        built_in,
        own,
        row("klein-base", Origin::Downloaded, partial),
        Row {
            licence: None,
            commercial: None,
            place: Some(PathBuf::from("models/old")),
            ..row("old", Origin::Added, broken)
        },
        row("klein-4B", Origin::Available, State::Absent),
        large,
    ]
}

pub fn window_sized(size: [f32; 2], theme: Theme) -> (Window, ScriptedHub, Engine) {
    let start = Start {
        model: Some(ModelSource::Embedded),
        ..Start::default()
    };
    window_with(size, theme, start, EngineEvent::Loaded(summary()))
}

/// The window, and what the engine says of the model it starts with.
pub fn window_with(
    size: [f32; 2],
    theme: Theme,
    start: Start,
    event: EngineEvent,
) -> (Window, ScriptedHub, Engine) {
    let (hub, engine) = (ScriptedHub::default(), Engine::default());
    engine.0.tell(event);
    let (of_app, backend) = (hub.clone(), Box::new(engine.clone()));
    let mut window = Harness::builder()
        .with_size(size)
        .with_theme(theme)
        .with_max_steps(16)
        .wgpu()
        .build_eframe(move |creation| {
            App::new(creation, backend, start).with_hub(Box::new(of_app))
        });
    settle(&mut window);
    (window, hub, engine)
}

pub fn open() -> (Window, ScriptedHub, Engine) {
    let (mut window, hub, engine) = window_sized([1280.0, 1000.0], Theme::Dark);
    window.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::M);
    settle(&mut window);
    assert_eq!(hub.asked(), [Request::List]);
    hub.tell(&mut window, Event::Listed(rows()));
    (window, hub, engine)
}

pub fn click(window: &mut Window, label: &str) {
    window.get_by_label(label).click();
    settle(window);
}

pub fn messages(window: &Window) -> Vec<String> {
    let list = window.state().session.toasts.list();
    list.iter().map(|toast| toast.text.clone()).collect()
}

pub fn progress(name: &str, phase: Phase) -> Option<Progress> {
    Some(Progress {
        name: name.to_owned(),
        phase,
        file: "transformer/a.safetensors".to_owned(),
        done: 4_000_000_000,
        total: 16_000_000_000,
        speed: 20e6,
    })
}
