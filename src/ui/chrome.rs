//! Menu bar, tool strip, tool options, status line.

use eframe::egui::{self, Align, Layout, RichText, Ui, vec2};

use super::commands::{Command, Menu};
use super::context::scale_text;
use super::icons;
use super::state::{Action, Compare, ModelState, Session};
use super::theme::{ICON_BUTTON, Palette, space};
use super::tool::Tool;
use super::{apply, sample};
use crate::doc::Level;
use crate::hub::message::Phase;

/// Draws the menu bar.
pub fn menu_bar(ui: &mut Ui, session: &Session, out: &mut Vec<Action>) {
    egui::MenuBar::new().ui(ui, |ui| {
        for menu in Menu::ALL {
            ui.menu_button(menu.text(), |ui| {
                ui.set_min_width(230.0);
                // The longest is higher than the smallest window.
                let room = ui.ctx().content_rect().height() - BAR;
                egui::ScrollArea::vertical()
                    .max_height(room)
                    .min_scrolled_height(room)
                    .show(ui, |ui| items(ui, session, menu, out));
            });
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if icons::command_button(ui, Command::Theme, false, true).clicked() {
                out.push(Action::Command(Command::Theme));
            }
            let redo = session.history.redo_label().is_some();
            if icons::command_button(ui, Command::Redo, false, redo).clicked() {
                out.push(Action::Command(Command::Redo));
            }
            let undo = undone(session).is_some();
            if icons::command_button(ui, Command::Undo, false, undo).clicked() {
                out.push(Action::Command(Command::Undo));
            }
            ui.add_space(space::M);
            let palette = Palette::of(ui);
            let name = RichText::new(session.titled()).color(palette.weak);
            let shown = ui.add(egui::Label::new(name).truncate());
            if let Some(path) = &session.project.path {
                shown.on_hover_text(path.display().to_string());
            }
        });
    });
}

/// Height of the menu bar and of a menu's own frame, in points.
const BAR: f32 = 52.0;

fn items(ui: &mut Ui, session: &Session, menu: Menu, out: &mut Vec<Action>) {
    for command in Command::ALL {
        if command.info().menu == Some(menu) {
            if starts_group(command) {
                ui.separator();
            }
            item(ui, session, command, out);
            if command == Command::Open {
                recent(ui, session, out);
            }
        }
    }
    if menu == Menu::File {
        sample_objects(ui, out);
    }
}

/// Whether a line stands above the command in its menu.
fn starts_group(command: Command) -> bool {
    matches!(
        command,
        Command::Save
            | Command::AddPicture
            | Command::SaveResult
            | Command::Models
            | Command::Quit
            | Command::Undo
            | Command::Tool(Tool::Brush)
            | Command::SwapBrush
            | Command::RandomSeed
            | Command::NewMask
            | Command::ClearMask
            | Command::GrowMask
            | Command::Level(Level::Exact)
            | Command::StarResult
            | Command::RemoveResult
            | Command::ZoomFit
            | Command::Theme
            | Command::Grid
    )
}

/// What undo takes back, in words.
fn undone(session: &Session) -> Option<&'static str> {
    match session.removed.is_empty() {
        true => session.history.undo_label(),
        false => Some("remove result"),
    }
}

fn item(ui: &mut Ui, session: &Session, command: Command, out: &mut Vec<Action>) {
    let text = match command {
        Command::Undo => labelled("Undo", undone(session)),
        Command::Redo => labelled("Redo", session.history.redo_label()),
        _ => command.info().text.to_owned(),
    };
    let mut button = egui::Button::new(text);
    if let Some(keys) = command.key_text(ui.ctx()) {
        button = button.shortcut_text(keys);
    }
    if ui
        .add_enabled(is_enabled(session, command), button)
        .on_hover_text(command.info().tip)
        .clicked()
    {
        out.push(Action::Command(command));
    }
}

fn labelled(what: &str, label: Option<&'static str>) -> String {
    match label {
        Some(label) => format!("{what}: {}", label.to_lowercase()),
        None => what.to_owned(),
    }
}

/// The projects that were opened last.
fn recent(ui: &mut Ui, session: &Session, out: &mut Vec<Action>) {
    let recent = &session.project.recent;
    ui.add_enabled_ui(!recent.is_empty(), |ui| {
        ui.menu_button("Open recent", |ui| {
            for path in recent {
                let open = ui.button(crate::io::names::stem_of(path));
                if open.on_hover_text(path.display().to_string()).clicked() {
                    out.push(Action::OpenProject(path.clone()));
                }
            }
        });
    });
}

fn sample_objects(ui: &mut Ui, out: &mut Vec<Action>) {
    ui.separator();
    ui.menu_button("Sample objects", |ui| {
        for (at, name) in sample::object_names().into_iter().enumerate() {
            if ui.button(format!("Add the {name}")).clicked() {
                out.push(Action::SampleObject(at));
            }
        }
    });
}

/// Whether a command can do something now.
pub fn is_enabled(session: &Session, command: Command) -> bool {
    let shown_is_done = session
        .shown()
        .is_some_and(|output| output.picture.is_some());
    let has_canvas = session.document.canvas().is_some();
    match command {
        Command::Undo => undone(session).is_some(),
        Command::Redo => session.history.redo_label().is_some(),
        Command::Generate | Command::GenerateFirst => {
            matches!(session.model, ModelState::Ready(_))
        }
        Command::Sweep => session.region.is_some() && matches!(session.model, ModelState::Ready(_)),
        Command::Adjust => session
            .shown()
            .is_some_and(|output| output.joining.is_some()),
        // FLUX.2 makes pictures, not maps.
        Command::SelectByWords | Command::DepthMap | Command::EdgeMap => {
            has_canvas && matches!(session.model, ModelState::Ready(_)) && !session.retells()
        }
        Command::UseAsObject => shown_is_done,
        Command::UseSettings => session.shown().is_some(),
        Command::UseMap => shown_is_done && session.shown().is_some_and(|o| o.map.is_some()),
        Command::Models => session.models.is_there,
        Command::AutoContext => session.document.settings().crop.is_some(),
        Command::Cancel => session.job.is_some(),
        Command::CancelAll => !session.waiting.is_empty(),
        Command::ObjectFromMask => session
            .active_mask()
            .is_some_and(|(_, mask)| !mask.is_empty()),
        Command::SaveMask
        | Command::RemoveMask
        | Command::ClearMask
        | Command::InvertMask
        | Command::GrowMask
        | Command::ShrinkMask
        | Command::FeatherMask
        | Command::Level(_) => session.region.is_some(),
        Command::LoadMask | Command::NewMask | Command::FillMask => has_canvas,
        Command::SaveResult | Command::AcceptResult | Command::RemoveResult => shown_is_done,
        Command::StarResult => session.shown.is_some(),
        Command::PreviousResult
        | Command::NextResult
        | Command::ClearResults
        | Command::Wipe
        | Command::Difference
        | Command::Flicker
        | Command::Grid => !session.outputs.is_empty(),
        _ => true,
    }
}

/// The tools, one below the other.
pub fn tool_strip(ui: &mut Ui, session: &Session, out: &mut Vec<Action>) {
    ui.vertical_centered(|ui| {
        ui.spacing_mut().item_spacing = vec2(0.0, 2.0);
        // All of them have to fit into the smallest window.
        let count = Tool::ALL.len() as f32 + 2.0;
        let room = (ui.available_height() - space::M) / count - 2.0;
        let side = room.floor().clamp(22.0, ICON_BUTTON);
        for tool in Tool::ALL {
            let chosen = session.tool == tool;
            if icons::command_sized(ui, Command::Tool(tool), chosen, true, side).clicked() {
                out.push(Action::Command(Command::Tool(tool)));
            }
        }
        ui.add_space(space::M);
        for command in [Command::ShowMask, Command::ZoomFit] {
            let chosen = command == Command::ShowMask && session.shows_masks();
            if icons::command_sized(ui, command, chosen, true, side).clicked() {
                out.push(Action::Command(command));
            }
        }
    });
}

/// The width that all options need in one row, in points.
const ONE_ROW: f32 = 500.0;
/// Height of a row of options.
const ROW: f32 = 40.0;

/// How high the options are over a canvas of a width: where one row has no room there are two.
pub fn options_height(width: f32) -> f32 {
    if width < ONE_ROW {
        2.0 * ROW - 6.0
    } else {
        ROW
    }
}

/// The brush, the mask's edge, the level.
pub fn tool_options(ui: &mut Ui, session: &Session, out: &mut Vec<Action>) {
    let roomy = ui.available_width() > 640.0;
    let size = ui.available_size();
    let wraps = size.y > ROW;
    let height = if wraps { size.y / 2.0 } else { size.y };
    let row = |ui: &mut Ui, content: &mut dyn FnMut(&mut Ui)| {
        let layout = Layout::left_to_right(Align::Center);
        ui.allocate_ui_with_layout(vec2(size.x, height), layout, |ui| {
            ui.spacing_mut().item_spacing.x = space::S;
            content(ui);
        });
    };
    ui.spacing_mut().item_spacing.y = 0.0;
    let sees = session.tool == Tool::Context;
    row(ui, &mut |ui| {
        level(ui, session, roomy, out);
        if !sees {
            ui.separator();
            brush(ui, session, roomy, out);
        }
        if !wraps {
            ui.separator();
            edge(ui, session, out);
        }
    });
    if wraps {
        row(ui, &mut |ui| edge(ui, session, out));
    }
}

/// What is done to the mask's edge, or the context rectangle while that is the tool.
fn edge(ui: &mut Ui, session: &Session, out: &mut Vec<Action>) {
    if session.tool == Tool::Context {
        return context(ui, session, out);
    }
    for command in [
        Command::GrowMask,
        Command::ShrinkMask,
        Command::FeatherMask,
        Command::InvertMask,
        Command::ClearMask,
    ] {
        let enabled = is_enabled(session, command);
        if icons::command_button(ui, command, false, enabled).clicked() {
            out.push(Action::Command(command));
        }
    }
}

/// What the model sees of the canvas.
fn context(ui: &mut Ui, session: &Session, out: &mut Vec<Action>) {
    let Some(context) = session.context else {
        ui.label(RichText::new("Add a canvas and paint a mask first").color(Palette::of(ui).weak));
        return;
    };
    let [_, _, width, height] = context.crop;
    ui.label(scale_text(context.scale)).on_hover_text(
        "How large the model sees the object. Below 1× it sees less than the canvas has: a smaller rectangle \
         gives finer results",
    );
    let size = RichText::new(format!("{width}×{height}")).color(Palette::of(ui).weak);
    ui.label(size);
    let auto = egui::Button::new("Automatic").selected(!context.drawn);
    let auto = icons::tooltip(ui.add(auto), Command::AutoContext);
    if auto.clicked() && context.drawn {
        out.push(Action::AutoContext);
    }
}

fn brush(ui: &mut Ui, session: &Session, roomy: bool, out: &mut Vec<Action>) {
    let mut brush = session.brush;
    let speed = f64::from(brush.size) / 100.0 + 0.05;
    let size = egui::DragValue::new(&mut brush.size)
        .range(apply::BRUSH_SIZES)
        .speed(speed)
        .max_decimals(0)
        .suffix(" px");
    let label = ui.label(RichText::new("Size").color(Palette::of(ui).weak));
    let sized = ui
        .add_enabled(session.tool.has_brush(), size)
        .labelled_by(label.id)
        .on_hover_text("Brush size in pixels of the picture; keys [ and ], or Ctrl and the wheel");
    let mut percent = (brush.hardness * 100.0).round();
    let hardness = egui::DragValue::new(&mut percent)
        .range(0.0..=100.0)
        .speed(0.5)
        .max_decimals(0)
        .suffix(" %");
    let name = if roomy { "Hardness" } else { "Hard" };
    let label = ui.label(RichText::new(name).color(Palette::of(ui).weak));
    let hardened = ui
        .add_enabled(session.tool.has_brush(), hardness)
        .labelled_by(label.id)
        .on_hover_text("How sharp the brush's edge is");
    if hardened.changed() {
        brush.hardness = percent / 100.0;
    }
    if sized.changed() || hardened.changed() {
        out.push(Action::Brush(brush));
    }
}

fn level(ui: &mut Ui, session: &Session, roomy: bool, out: &mut Vec<Action>) {
    let current = session
        .region
        .and_then(|id| session.document.region(id))
        .map_or(Level::default(), |region| region.level);
    // The icons say enough where there is little room.
    if ui.available_width() > 560.0 {
        ui.label(RichText::new("Level").color(Palette::of(ui).weak))
            .on_hover_text("How strictly the mask is meant");
    }
    for level in Level::ALL {
        let command = Command::Level(level);
        let enabled = is_enabled(session, command);
        if icons::command_button(ui, command, level == current, enabled).clicked() {
            out.push(Action::Command(command));
        }
    }
    if roomy {
        ui.label(RichText::new(current.meaning()).small());
    }
}

/// The line under the canvas.
pub fn status(ui: &mut Ui, session: &Session, pointer: Option<[f32; 2]>, out: &mut Vec<Action>) {
    let palette = Palette::of(ui);
    let weak = |text: String| RichText::new(text).small().color(palette.weak);
    ui.horizontal_centered(|ui| {
        if let Some([width, height]) = session.shown_size() {
            ui.label(weak(format!("{:.0} %", session.view.scale() * 100.0)));
            ui.label(weak(format!("{width}×{height}")));
        }
        if let Some([x, y]) = pointer {
            ui.label(weak(format!("{x:.0}, {y:.0}")));
        }
        if let Some(name) = &session.reading {
            let text = RichText::new(format!("Reading {name}…")).small();
            ui.label(text.color(palette.accent));
        }
        if session.cutting.contains(&None) {
            let text = RichText::new("Cutting out what is under the mask…").small();
            ui.label(text.color(palette.accent));
            if ui.small_button("Stop").clicked() {
                out.push(Action::StopCutting(None));
            }
        }
        if session.original {
            ui.label(RichText::new("Original").small().color(palette.accent));
        } else if session.compare == Some(Compare::Difference)
            && session
                .shown()
                .is_some_and(|output| output.picture.is_some())
        {
            let text = format!("Difference, {} times as strong", super::scene::GAIN);
            ui.label(RichText::new(text).small().color(palette.accent));
        } else if let Some(output) = session.shown() {
            let text = format!("Result {} · hold Tab for the original", output.number);
            ui.label(RichText::new(text).small().color(palette.accent));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let (text, colour) = match &session.model {
                ModelState::Ready(model) => {
                    (format!("{} · {}", model.name, model.device), palette.weak)
                }
                ModelState::Loading(_, what) => (format!("Loading {what}"), palette.weak),
                ModelState::Failed(_) => ("The model is missing".to_owned(), palette.error),
            };
            let label = egui::Label::new(RichText::new(text).small().color(colour)).truncate();
            let shown = ui.add(label);
            match &session.model {
                ModelState::Ready(model) => {
                    shown.on_hover_text(format!(
                        "{:.1} million parameters, trained at {} pixels",
                        model.parameters as f64 / 1e6,
                        model.resolution
                    ));
                }
                ModelState::Failed(why) => {
                    shown.on_hover_text(why);
                }
                ModelState::Loading(..) => {}
            }
            if let Some(progress) = &session.models.progress {
                let percent = (progress.share() * 100.0).floor();
                let text = match progress.phase {
                    Phase::Checking => format!("Checking {} {percent} %", progress.name),
                    _ => format!("Downloading {} {percent} %", progress.name),
                };
                let text = RichText::new(text).small().color(palette.accent);
                ui.add(egui::Label::new(text).truncate());
            }
        });
    });
}
