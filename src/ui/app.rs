//! The window: takes in what happened, draws, carries out what the widgets asked for.

use std::path::PathBuf;

use eframe::egui::{self, CentralPanel, Frame, Id, Key, Margin, Panel, Ui};

use super::apply::Env;
use super::backend::Backend;
use super::files::{Destination, Files, Outcome, is_project};
use super::journal::Journal;
use super::models::{self, Hub};
use super::regions::Regions;
use super::rejoin::Rejoin;
use super::remembered;
use super::slots::DropTarget;
use super::state::{Action, Compare, ModelState, Once, Session};
use super::theme::{self, Palette, space};
use super::thumbs::Thumbs;
use super::toasts::Kind;
use super::{adjust, canvas, chrome, commands, dialogs, prompt, questions, results, sample, slots};
use crate::doc::Purpose;
use crate::engine::message::{ModelSource, Request};

/// Seconds that original and result are shown each while they flicker.
const FLICKER: f64 = 0.6;
/// Seconds after which a tool's key counts as held.
const HELD: f64 = 0.4;

/// What the editor starts with.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The model to load.
    pub model: Option<ModelSource>,
    /// `model` is the last session's: if it can't be loaded, the one in the program is.
    pub remembered: bool,
    /// A project, or pictures; the sample is opened without any.
    pub files: Vec<PathBuf>,
    /// The folder for the crash journal, the list of recent projects and the chosen model; without one none is kept.
    pub data: Option<PathBuf>,
}

/// The editor.
pub struct App {
    /// What the window shows.
    pub session: Session,
    backend: Box<dyn Backend>,
    hub: Option<Box<dyn Hub>>,
    files: Files,
    journal: Option<Journal>,
    /// The list of recent projects, and as what it was written last.
    recent: Option<(PathBuf, Vec<PathBuf>)>,
    /// Where the chosen model is remembered.
    remembered: Option<PathBuf>,
    /// The model in the program is to be loaded if the one that is being loaded can't be.
    fall_back: bool,
    regions: Regions,
    rejoin: Rejoin,
    thumbs: Thumbs,
    title: String,
    /// What had the keyboard when the window was drawn last.
    focused: Option<Id>,
}

impl App {
    /// Sets the window up: themes, GPU resources, the model, and the files or the sample.
    pub fn new(
        creation: &eframe::CreationContext<'_>,
        backend: Box<dyn Backend>,
        start: Start,
    ) -> Self {
        let ctx = &creation.egui_ctx;
        theme::install(ctx);
        if let Some(state) = &creation.wgpu_render_state {
            crate::gpu::install(state);
        }
        let [for_files, for_regions, for_journal, for_rejoin] = [(); 4].map(|()| ctx.clone());
        let Start {
            model,
            remembered,
            files,
            data,
        } = start;
        let mut app = Self {
            session: Session::default(),
            backend,
            hub: None,
            files: Files::new(move || for_files.request_repaint()),
            journal: data.as_ref().map(|folder| {
                Journal::start(folder.join("journal"), move || {
                    for_journal.request_repaint()
                })
            }),
            remembered: data.as_deref().map(remembered::file),
            fall_back: remembered,
            recent: data.map(|folder| (folder.join("recent.json"), Vec::new())),
            regions: Regions::start(move || for_regions.request_repaint()),
            rejoin: Rejoin::start(move || for_rejoin.request_repaint()),
            thumbs: Thumbs::default(),
            title: String::new(),
            focused: None,
        };
        if let Some(model) = model {
            app.load_model(model);
        }
        if let Some((file, _)) = &app.recent {
            app.files.load_recent(file.clone());
        }
        let (projects, pictures): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|path| is_project(path));
        if let Some(project) = projects.into_iter().next() {
            app.files.open_project(project, pictures);
        } else if !pictures.is_empty() {
            let which = app.session.project.which;
            app.files.load(which, pictures, Destination::Auto);
        } else if let Some(document) = sample::document() {
            app.session
                .replace_document(document.clone(), document, "sample");
        }
        app
    }

    /// Gives the window a model manager.
    #[must_use]
    pub fn with_hub(mut self, hub: Box<dyn Hub>) -> Self {
        self.hub = Some(hub);
        self.session.models.is_there = true;
        self
    }

    fn load_model(&mut self, model: ModelSource) {
        self.session.models.loaded = Some(model.clone());
        if let Err(why) = self.backend.send(Request::Load(model)) {
            self.session.model = ModelState::Failed(why);
        }
    }

    /// Whether nothing goes on in the background: no file is read or written, no region computed.
    pub fn is_settled(&self) -> bool {
        let kept = self.journal.as_ref().is_none_or(Journal::is_idle);
        self.files.is_idle() && self.regions.is_idle() && self.rejoin.is_idle() && kept
    }

    /// Carries out actions.
    pub fn apply(&mut self, ctx: &egui::Context, actions: Vec<Action>) {
        if actions.is_empty() {
            return;
        }
        for action in actions {
            let mut env = Env {
                ctx,
                backend: self.backend.as_mut(),
                hub: match &mut self.hub {
                    Some(hub) => Some(hub.as_mut()),
                    None => None,
                },
                files: &mut self.files,
                journal: self.journal.as_mut(),
            };
            self.session.apply(action, &mut env);
        }
        // What changed is drawn in the next frame.
        ctx.request_repaint();
    }

    fn ask_for_regions(&mut self) {
        for region in self.session.document.regions() {
            let live = self.session.live.as_ref();
            let mask = live
                .filter(|live| live.region == Some(region.id))
                .map_or(&region.mask, |live| &live.mask);
            self.regions.ask(region.id, mask, region.level);
        }
    }

    fn draw(&mut self, ui: &mut Ui) {
        let mut out = Vec::new();
        let mut targets = Vec::new();
        let ctx = ui.ctx().clone();
        let narrow = ui.available_width() < 1080.0;
        let session = &mut self.session;
        let panel = ui.visuals().panel_fill;
        let framed = |x: i8, y: i8| {
            Frame::new()
                .fill(panel)
                .inner_margin(Margin::symmetric(x, y))
        };

        Panel::top("menu")
            .frame(framed(8, 2))
            .show(ui, |ui| chrome::menu_bar(ui, session, &mut out));
        Panel::left("slots")
            .frame(framed(8, 8))
            .default_size(204.0)
            .size_range(160.0..=320.0)
            .show(ui, |ui| {
                slots::show(ui, session, &mut self.thumbs, &mut targets, &mut out);
            });
        if !session.grid {
            Panel::right("results")
                .frame(framed(8, 8))
                .default_size(if narrow { 190.0 } else { 330.0 })
                .size_range(170.0..=640.0)
                .show(ui, |ui| results::panel(ui, session, &mut out));
        }
        Panel::bottom("prompt")
            .frame(framed(8, 8))
            .show(ui, |ui| prompt::show(ui, session, &mut out));
        Panel::bottom("status")
            .frame(framed(8, 0))
            .exact_size(22.0)
            .show(ui, |ui| {
                let points = ui.ctx().pixels_per_point();
                let pointer = ui.ctx().pointer_hover_pos();
                let at = pointer
                    .filter(|at| session.pane.contains(*at) && !session.grid)
                    .map(|at| session.view.to_picture(at, session.pane, points))
                    .filter(|_| session.shown_size().is_some());
                chrome::status(ui, session, at.map(|at| [at.x, at.y]), &mut out);
            });
        let height = chrome::options_height(ui.available_width());
        Panel::top("options")
            .frame(framed(8, 0))
            .exact_size(height)
            .show(ui, |ui| chrome::tool_options(ui, session, &mut out));
        Panel::left("tools")
            .frame(framed(4, 6))
            .resizable(false)
            .exact_size(40.0)
            .show(ui, |ui| chrome::tool_strip(ui, session, &mut out));
        CentralPanel::no_frame().show(ui, |ui| {
            if session.grid {
                results::grid(ui, session, &mut out);
            } else {
                canvas::show(ui, session, &self.regions, &mut out);
            }
        });
        targets.push(DropTarget {
            rect: session.pane,
            destination: if session.document.canvas().is_none() {
                Destination::Auto
            } else {
                Destination::As(Purpose::Asset)
            },
            text: if session.document.canvas().is_none() {
                "Drop a photo"
            } else {
                "Add as an object"
            },
        });

        prompt::exact_text(&ctx, session, &mut out);
        adjust::window(&ctx, session, &mut out);
        questions::unsaved(&ctx, session, &mut out);
        questions::select(&ctx, session, &mut out);
        questions::lost(&ctx, session, &mut out);
        models::show(&ctx, session, &mut out);
        dialogs::palette(&ctx, session, &mut out);
        dialogs::keys(&ctx, session, &mut out);
        dialogs::hover(&ctx, &targets);
        dialogs::route(&ctx, session, &targets, &mut out);
        // Over the canvas, not over what is typed.
        session.toasts.show(&ctx, session.pane.right_bottom());
        self.apply(&ctx, out);
    }

    /// The window's title tells the document and, while a job runs, how far it is.
    fn set_title(&mut self, ctx: &egui::Context) {
        let name = self.session.titled();
        let title = match &self.session.job {
            Some(job) if job.steps > 0 => {
                let percent = 100 * job.step / job.steps;
                format!("{percent} % · {name} – Inlay")
            }
            Some(_) => format!("Preparing · {name} – Inlay"),
            None => match self.session.model {
                ModelState::Loading(..) => "Loading – Inlay".to_owned(),
                _ => format!("{name} – Inlay"),
            },
        };
        if title != self.title {
            self.title.clone_from(&title);
            ctx.send_viewport_cmd(egui::ViewportCommand::Title(title));
        }
    }

    /// A tool whose key is held is given back when the key is let go.
    fn spring(&mut self, ctx: &egui::Context, pressed: &[commands::Command]) {
        let session = &mut self.session;
        let time = ctx.input(|input| input.time);
        for command in pressed {
            if let commands::Command::Tool(tool) = command
                && *tool != session.tool
                && let Some(keys) = command.info().keys.first()
            {
                session.sprung = Some((keys.logical_key, session.tool, time));
            }
        }
        if let Some((key, before, since)) = session.sprung
            && ctx.input(|input| !input.key_down(key))
            && !session.machine.is_busy()
        {
            session.sprung = None;
            if time - since > HELD {
                session.tool = before;
                ctx.request_repaint();
            }
        }
    }

    /// The window is to be closed: not before the artist was asked about what would be lost.
    fn close_or_ask(&mut self, ctx: &egui::Context) {
        let closing = ctx.input(|input| input.viewport().close_requested());
        if closing && !self.session.project.leaving && !self.session.stakes().is_none() {
            ctx.send_viewport_cmd(egui::ViewportCommand::CancelClose);
            self.apply(ctx, vec![Action::Command(commands::Command::Quit)]);
        }
    }

    /// Outputs that are to be joined in another way, the shown one first.
    fn join_anew(&mut self, ctx: &egui::Context) {
        for joined in self.rejoin.take() {
            self.session.on_joined(joined);
        }
        if let Some((id, once)) = self.session.once_joined {
            let output = self.session.output(id);
            if output.is_none_or(|output| !output.is_joining()) {
                self.session.once_joined = None;
                let action = match once {
                    Once::Accept => Action::Accept(id),
                    Once::Save => Action::Save(id),
                };
                self.apply(ctx, vec![action]);
            }
        }
        let shown = self.session.shown();
        let wish = shown
            .into_iter()
            .chain(&self.session.outputs)
            .find(|output| output.blend != output.spec.blend && output.joining.is_some());
        if let Some(output) = wish
            && let Some(joining) = &output.joining
        {
            self.rejoin.ask(output.id, joining, output.blend);
        }
    }

    /// Keeps the document against a crash, and the list of recent projects.
    fn keep(&mut self) {
        let session = &mut self.session;
        if let Some(journal) = &mut self.journal {
            session.project.lost.extend(journal.take_lost());
            if let Some(why) = journal.take_failure() {
                session.toasts.add(Kind::Warning, why);
            }
            let worth = session.is_modified() || session.dear().next().is_some();
            let path = session.project.path.as_deref();
            let work = (&session.document, session.results());
            journal.note(work, worth, &session.name, path);
        }
        if let Some((file, written)) = &mut self.recent
            && *written != session.project.recent
        {
            written.clone_from(&session.project.recent);
            self.files.save_recent(file.clone(), written.clone());
        }
        match &session.model {
            ModelState::Ready(_) => {
                self.fall_back = false;
                if let Some(source) = session.models.chosen.take()
                    && let Some(file) = &self.remembered
                {
                    self.files.save_model(file.clone(), source);
                }
            }
            ModelState::Failed(_) if std::mem::take(&mut self.fall_back) => {
                self.load_model(ModelSource::Embedded);
            }
            _ => {}
        }
    }

    /// Whether no widget needs the keys for itself. One that Esc takes the keyboard from has lost it by now, but
    /// that Esc was for it.
    fn has_keys(&self, ctx: &egui::Context) -> bool {
        let (now, before) = ctx.memory(|memory| {
            let before = self.focused.filter(|&id| memory.had_focus_last_frame(id));
            (memory.focused(), before)
        });
        let mut widgets = now.into_iter().chain(before);
        widgets.all(|id| canvas::is_pane(ctx, id))
    }

    /// Holding Tab over a pane shows the original, and so does every other moment of flickering.
    fn hold_original(&mut self, ctx: &egui::Context) {
        let (held, time) = ctx.input(|input| {
            let held = input.key_down(Key::Tab) && input.modifiers.is_none();
            (held, input.time)
        });
        let mut original = held && canvas::takes_tab(ctx);
        if self.session.compare == Some(Compare::Flicker) && self.session.shown.is_some() {
            original |= (time / FLICKER) as u64 % 2 == 1;
            let left = FLICKER - time % FLICKER;
            ctx.request_repaint_after_secs(left.max(0.02) as f32);
        }
        if original != self.session.original {
            self.session.original = original;
            ctx.request_repaint();
        }
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        for event in self.backend.poll() {
            self.session.on_event(event);
        }
        if let Some(hub) = &mut self.hub {
            let (events, progress) = (hub.poll(), hub.progress());
            self.session.models.progress = progress;
            let then = events
                .into_iter()
                .flat_map(|event| self.session.on_hub(event));
            let then: Vec<_> = then.collect();
            self.apply(ctx, then);
        }
        self.backend.look_at(self.session.looked_at());
        if let Some(preview) = self.backend.latest_preview() {
            self.session.on_preview(preview);
        }
        while let Some(outcome) = self.files.poll() {
            let then = match outcome {
                Outcome::Model(folder) => {
                    let source = ModelSource::Folder(folder.clone());
                    self.session.models.chosen = Some(source.clone());
                    self.load_model(source);
                    self.session.on_file(Outcome::Model(folder))
                }
                Outcome::Recent(list) => {
                    if let Some((_, written)) = &mut self.recent {
                        written.clone_from(&list);
                    }
                    self.session.on_file(Outcome::Recent(list))
                }
                outcome => self.session.on_file(outcome),
            };
            self.apply(ctx, then);
        }
        self.session.reading = self.files.reading();
        let session = &self.session;
        self.files.stop_cutting(|cutting| session.wants(cutting));
        self.session.cutting = self.files.cutting(self.session.project.which);
        let dropped = self.session.on_input(ctx);
        self.apply(ctx, dropped.into_iter().collect());
        self.close_or_ask(ctx);
        self.set_title(ctx);
        self.regions.collect();
        self.ask_for_regions();
        self.session.find_context(&self.regions);
        self.join_anew(ctx);
        self.keep();
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        self.hold_original(&ctx);
        let mut pressed = Vec::new();
        // Keys are for a question or a menu while one is open.
        if !self.session.is_asking() && !egui::Popup::is_any_open(&ctx) {
            pressed = commands::pressed(&ctx, self.has_keys(&ctx));
        } else if let Some(command) = self.session.open_sheet() {
            // The keys that opened a sheet close it.
            pressed.extend(commands::is_pressed(&ctx, command).then_some(command));
        }
        self.spring(&ctx, &pressed);
        self.apply(&ctx, pressed.into_iter().map(Action::Command).collect());
        ui.spacing_mut().item_spacing.x = space::M;
        self.draw(ui);
        self.focused = ctx.memory(|memory| memory.focused());
    }

    fn on_exit(&mut self) {
        // What changed since the last frame.
        self.keep();
        self.files.finish();
        if let Some(journal) = &mut self.journal {
            journal.finish();
        }
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        Palette::when(visuals.dark_mode)
            .pasteboard
            .to_normalized_gamma_f32()
    }
}
