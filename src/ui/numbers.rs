//! The numbers of a job: outputs, seed, steps, guidance, strength, and how masked places come about.

use eframe::egui::containers::menu::{MenuButton, MenuConfig};
use eframe::egui::{self, PopupCloseBehavior, RichText, Stroke, Ui};

use super::commands::Command;
use super::icons::{self, Icon};
use super::state::{Action, ModelState, Session};
use super::theme::{Palette, space};
use crate::doc::job::MaskedMode;
use crate::doc::prompt::MAX_JOINT;
use crate::engine::message::ModelSummary;

/// A number with its name before it.
fn number<N: egui::emath::Numeric>(
    ui: &mut Ui,
    name: &str,
    tip: &str,
    value: &mut N,
    range: std::ops::RangeInclusive<N>,
    speed: f64,
) -> bool {
    let text = RichText::new(name).color(Palette::of(ui).weak);
    let label = ui.add(egui::Label::new(text).extend());
    ui.spacing_mut().item_spacing.x = space::S;
    let drag = egui::DragValue::new(value).range(range).speed(speed);
    let response = ui.add(drag).labelled_by(label.id).on_hover_text(tip);
    ui.add_space(space::M);
    response.changed()
}

/// Width of the menu with the rest, in points.
const MORE: f32 = 230.0;

/// Draws them in one line, or more where there is little room.
pub fn show(ui: &mut Ui, session: &Session, out: &mut Vec<Action>) {
    let settings = session.document.settings();
    let roomy = ui.available_width() > 620.0;
    ui.spacing_mut().item_spacing.x = space::S;
    let mut outputs = settings.outputs;
    if number(
        ui,
        "Outputs",
        "How many results, each from its own noise",
        &mut outputs,
        1..=8,
        0.05,
    ) {
        out.push(session.settings_with(|s| s.outputs = outputs));
    }
    let mut seed = settings.seed;
    let label = ui.label(RichText::new("Seed").color(Palette::of(ui).weak));
    let drag = ui
        .add(egui::DragValue::new(&mut seed).speed(0.2))
        .labelled_by(label.id)
        .on_hover_text("The first output's noise; the same seed gives the same result. Generating again goes on with the next seeds");
    if drag.changed() {
        out.push(session.settings_with(|s| s.seed = seed));
    }
    let dice = icons::small_button(ui, Icon::Dice, "Random seed", false, true);
    if icons::tooltip(dice, Command::RandomSeed).clicked() {
        out.push(Action::Command(Command::RandomSeed));
    }
    ui.add_space(space::M);
    let mut steps = session.steps();
    if number(
        ui,
        "Steps",
        "More steps are finer and take longer",
        &mut steps,
        1..=100,
        0.1,
    ) {
        out.push(session.settings_with(|s| s.steps = Some(steps)));
    }
    let mut text = session.guidance_text();
    if takes(session, |model| model.takes_text_guidance)
        && number(
            ui,
            if roomy { "Text guidance" } else { "Text" },
            "Text guidance: how strongly to follow the words; 1 is plain and fastest",
            &mut text,
            1.0..=20.0,
            0.02,
        )
    {
        out.push(session.settings_with(|s| s.guidance_text = Some(text)));
    }
    if roomy {
        image_guidance(ui, session, out);
    }
    more(ui, session, !roomy, out);
}

/// Whether the loaded model takes something; until it is known, everything is offered.
fn takes(session: &Session, of: fn(&ModelSummary) -> bool) -> bool {
    match &session.model {
        ModelState::Ready(model) => of(model),
        _ => true,
    }
}

fn image_guidance(ui: &mut Ui, session: &Session, out: &mut Vec<Action>) {
    if !takes(session, |model| model.takes_image_guidance) {
        return;
    }
    let mut image = session.document.settings().guidance_image;
    let tip = "How strongly to follow the objects' pictures; 1 is plain and fastest";
    if number(ui, "Image guidance", tip, &mut image, 1.0..=20.0, 0.02) {
        out.push(session.settings_with(|s| s.guidance_image = image));
    }
}

/// What is seldom changed, behind a button that shows whether it was.
fn more(ui: &mut Ui, session: &Session, narrow: bool, out: &mut Vec<Action>) {
    let settings = session.document.settings();
    let guided = narrow && settings.guidance_image != 1.0;
    let mode = session.retells() && settings.masked.mode.is_some();
    let changed = settings.masked.strength.is_some()
        || settings.joint > 1
        || mode
        || guided
        || session.same_seeds
        || !settings.vary;
    let text = RichText::new("More").small();
    let text = if changed {
        text.strong().color(Palette::of(ui).accent)
    } else {
        text
    };
    // Menus draw their numbers bare, as if they could not be changed.
    let fill = ui.visuals().widgets.inactive.weak_bg_fill;
    let stays = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let (button, _) = MenuButton::new(text).config(stays).ui(ui, |ui| {
        ui.set_width(MORE);
        ui.visuals_mut().widgets.inactive.weak_bg_fill = fill;
        if narrow && takes(session, |model| model.takes_image_guidance) {
            ui.horizontal(|ui| image_guidance(ui, session, out));
        }
        ui.horizontal(|ui| strength(ui, session, out));
        // A box that is as light as what lies around it can't be seen.
        ui.visuals_mut().widgets.inactive.bg_stroke = Stroke::new(1.0, Palette::of(ui).weak);
        let mut same = session.same_seeds;
        let tip = "Off, generating again makes other results; on, it makes the same ones as far as nothing else was changed";
        if ui
            .checkbox(&mut same, "Same seeds each time")
            .on_hover_text(tip)
            .changed()
        {
            out.push(Action::SameSeeds(same));
        }
        if !session.retells() {
            let mut vary = settings.vary;
            let tip = "How bright an object is and how strong its shadow can't be told for sure: the first result has what is \
                       likeliest, the others lie around it; Adjust changes both";
            let box_ = ui.checkbox(&mut vary, "Vary the light between results");
            if box_.on_hover_text(tip).changed() {
                out.push(session.settings_with(|s| s.vary = vary));
            }
        }
        if session.retells() {
            ui.separator();
            modes(ui, settings.masked.mode, session, out);
        }
        if !session.retells() || settings.joint > 1 {
            let mut joint = settings.joint;
            let tip = "Pictures in each result, RES1, RES2, …: name them in the prompt, such as: also give its mask as RES2";
            let most = MAX_JOINT as u32;
            ui.horizontal(|ui| {
                if number(ui, "Joint pictures", tip, &mut joint, 1..=most, 0.05) {
                    out.push(session.settings_with(|s| s.joint = joint));
                }
            });
        }
    });
    let name = "More settings";
    button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name));
    button.on_hover_text("How much may change, and how it comes about");
}

/// How much of what is there may change.
fn strength(ui: &mut Ui, session: &Session, out: &mut Vec<Action>) {
    let mut percent = f64::from(session.strength()) * 100.0;
    let label = ui.label(RichText::new("Strength").color(Palette::of(ui).weak));
    let drag = egui::DragValue::new(&mut percent)
        .range(5.0..=100.0)
        .max_decimals(0)
        .speed(0.5)
        .suffix(" %");
    let tip = "How much of what is there may change: less keeps more of its shape and colours";
    let response = ui.add(drag).labelled_by(label.id).on_hover_text(tip);
    if response.changed() {
        let strength = (percent / 100.0) as f32;
        // What a job takes by itself is not pinned, so that it still follows masks and levels.
        let usual = session.usual_strength();
        let chosen = ((strength - usual).abs() > 1e-3).then_some(strength);
        out.push(session.settings_with(|s| s.masked.strength = chosen));
    }
    ui.add_space(space::M);
}

/// The ways of working on what is masked, as the artist sees them; none is chosen by the job.
const MODES: [(Option<MaskedMode>, &str, &str); 4] = [
    (
        None,
        "As suits the job",
        "Words that move or change something draw anew, all else fills in view",
    ),
    (
        Some(MaskedMode::Context),
        "Fill, with the canvas in view",
        "The model sees the canvas with the masked place in grey, and fills it",
    ),
    (
        Some(MaskedMode::Insert),
        "Fill, without it",
        "The model fills the masked place and is not shown the canvas",
    ),
    (
        Some(MaskedMode::Edit),
        "Draw all of it anew",
        "The model sees the canvas and draws all of it anew; what is masked is kept of that",
    ),
];

/// How masked places come about, for models that know several ways.
fn modes(ui: &mut Ui, now: Option<MaskedMode>, session: &Session, out: &mut Vec<Action>) {
    ui.label(RichText::new("Masked places").color(Palette::of(ui).weak));
    // Circles that are as light as what lies around them can't be seen.
    ui.visuals_mut().widgets.inactive.bg_stroke = Stroke::new(1.0, Palette::of(ui).weak);
    for (mode, name, tip) in MODES {
        if ui.radio(now == mode, name).on_hover_text(tip).clicked() && now != mode {
            out.push(session.settings_with(|s| s.masked.mode = mode));
        }
    }
}
