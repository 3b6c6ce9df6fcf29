//! How the chosen result is joined to its canvas, changed after generating.

use eframe::egui::{self, Align, Align2, Id, Layout, Slider, Stroke, Ui, vec2};

use super::icons::{self, Icon};
use super::state::{Action, Session};
use super::theme::{Palette, space};
use crate::doc::document::{Edit, Settings};
use crate::doc::job::BlendSpec;

/// The widest feather and the farthest growth that are offered, in percent of the region's size.
const FEATHER: f32 = 30.0;
const GROW: f32 = 15.0;
/// Width of the window in points.
const WIDTH: f32 = 276.0;
/// A pane that is lower than this, in points, has little room beside it.
const LOW: f32 = 400.0;

/// The window, beside the result so that it can be judged.
pub fn window(ctx: &egui::Context, session: &Session, out: &mut Vec<Action>) {
    let Some(output) = session.shown() else {
        return;
    };
    let Some(joining) = &output.joining else {
        return;
    };
    let offered = Offered {
        relight: joining.relights(),
        shadow: joining.shades(),
        cast: joining.casts(),
    };
    if !session.adjust {
        return;
    }
    let mut open = true;
    let before = output.blend;
    let mut blend = before;
    let offset = session.pane.left_bottom() - ctx.content_rect().left_bottom();
    // Small, and in the corner farthest from where results are chosen.
    egui::Area::new(Id::unique("adjust"))
        .anchor(Align2::LEFT_BOTTOM, offset + vec2(space::L, -space::L))
        .show(ctx, |ui| {
            egui::Frame::popup(ui.style())
                .inner_margin(egui::Margin::same(10))
                .show(ui, |ui| {
                    ui.set_width(WIDTH);
                    ui.horizontal(|ui| {
                        ui.strong("Adjust the result");
                        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                            let name = "Close the adjustment";
                            if icons::sized(ui, Icon::Close, name, 20.0).clicked() {
                                open = false;
                            }
                        });
                    });
                    controls(ui, session, &mut blend, offered, out);
                });
        });
    if blend != before {
        out.push(Action::Blend(output.id, blend));
    }
    if !open {
        out.push(Action::Command(super::Command::Adjust));
    }
}

/// What changes something in a result.
#[derive(Clone, Copy)]
struct Offered {
    relight: bool,
    shadow: bool,
    cast: bool,
}

fn controls(
    ui: &mut Ui,
    session: &Session,
    blend: &mut BlendSpec,
    offered: Offered,
    out: &mut Vec<Action>,
) {
    if session.pane.height() < LOW {
        // Rows as low as their numbers: the result is to be seen.
        ui.spacing_mut().interact_size.y = 20.0;
        ui.spacing_mut().item_spacing.y = 2.0;
        ui.spacing_mut().button_padding.y = 1.0;
    }
    egui::Grid::new("blend").num_columns(2).show(ui, |ui| {
        percent(ui, "Feather", &mut blend.feather, 0.0..=FEATHER);
        ui.end_row();
        percent(ui, "Grow", &mut blend.grow, -GROW..=GROW);
        ui.end_row();
        if offered.relight {
            let tip = "How far the object takes on the light that was found; at 0 it keeps its own colours";
            percent(ui, "Relight", &mut blend.relight, 0.0..=100.0).on_hover_text(tip);
            ui.end_row();
        }
        if offered.relight {
            let tip = "How bright the object is; 100 % is as found";
            let (least, most) = BlendSpec::BRIGHTNESS.into_inner();
            let range = 100.0 * least..=100.0 * most;
            percent(ui, "Brightness", &mut blend.brightness, range).on_hover_text(tip);
            ui.end_row();
        }
        if offered.shadow {
            let tip = "How strongly the light that was found changes the ground: shadow, light and reflection; at 0 the \
                       ground stays as it is, at 100 % it is as found";
            let most = 100.0 * BlendSpec::MOST_SHADOW;
            percent(ui, "Shadow", &mut blend.shadow, 0.0..=most).on_hover_text(tip);
            ui.end_row();
        }
        if offered.cast {
            let tip = "How much of the shadow and the reflection falls on the picture beyond the mask's region; at 0 \
                       nothing there changes";
            percent(ui, "Shadow beyond", &mut blend.cast, 0.0..=100.0).on_hover_text(tip);
            ui.end_row();
        }
    });
    ui.scope(|ui| {
        // Its box is as light as what lies around it.
        let line = Stroke::new(1.0, Palette::of(ui).weak);
        ui.visuals_mut().widgets.inactive.bg_stroke = line;
        ui.horizontal(|ui| {
            ui.checkbox(&mut blend.colour_match, "Match colours")
                .on_hover_text("Fit the result's colours to the picture around the mask");
            let tip =
                "Take detail finer than the model paints from the picture and the pasted objects";
            ui.checkbox(&mut blend.keep_detail, "Keep detail")
                .on_hover_text(tip);
        });
    });
    ui.horizontal(|ui| {
        let usual = BlendSpec::default();
        let reset = ui.add_enabled(*blend != usual, egui::Button::new("Reset"));
        if reset.clicked() {
            *blend = usual;
        }
        let settings = session.document.settings();
        let keep = egui::Button::new("Use for new results");
        if ui.add_enabled(settings.blend != *blend, keep).clicked() {
            let settings = Settings {
                blend: *blend,
                ..settings.clone()
            };
            out.push(Action::Edit(Edit::SetSettings(settings)));
            out.push(Action::Seal);
        }
    });
}

/// A share as percent: of the region's size, or of all there is.
fn percent(
    ui: &mut egui::Ui,
    name: &str,
    share: &mut f32,
    range: std::ops::RangeInclusive<f32>,
) -> egui::Response {
    let label = ui.label(name);
    let mut value = *share * 100.0;
    let slider = Slider::new(&mut value, range)
        .suffix(" %")
        .max_decimals(1)
        .trailing_fill(true);
    let response = ui.add(slider).labelled_by(label.id);
    if response.changed() {
        *share = value / 100.0;
    }
    response
}
