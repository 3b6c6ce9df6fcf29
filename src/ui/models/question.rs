//! The question before something is downloaded or removed.

use eframe::egui::{self, Button, Id, Modal, RichText, Stroke, TextEdit, Ui, vec2};

use super::{ModelsAction, Question, repository};
use crate::hub::message::{Origin, Row, gigabytes};
use crate::ui::questions::plain_button;
use crate::ui::state::{Action, Session};
use crate::ui::theme::{self, Palette, space};

/// Width of the question in points.
const WIDTH: f32 = 440.0;

/// Draws the question, if there is one.
pub fn show(ctx: &egui::Context, session: &mut Session, out: &mut Vec<Action>) {
    let Some(mut question) = session.models.question.clone() else {
        return;
    };
    let mut answer = None;
    let models = &session.models;
    let modal = Modal::new(Id::unique("model question"))
        .frame(theme::dialog(ctx))
        .show(ctx, |ui| {
            ui.set_width(WIDTH);
            if let Question::Repository { name, file, token } = &mut question {
                answer = from_hub(ui, name, file, token);
                return;
            }
            let row = models.row(question.name()).cloned();
            let Some(row) = row else {
                answer = Some(false);
                return;
            };
            match &mut question {
                Question::Download {
                    token, accepted, ..
                } => answer = download(ui, &row, token, accepted, out),
                Question::Remove(_) => answer = remove(ui, &row),
                Question::Repository { .. } => {}
            }
        });
    if answer.is_none() && modal.should_close() {
        answer = Some(false);
    }
    session.models.question = Some(question);
    out.extend(answer.map(|yes| Action::Models(ModelsAction::Answer(yes))));
}

fn download(
    ui: &mut Ui,
    row: &Row,
    token: &mut String,
    accepted: &mut bool,
    out: &mut Vec<Action>,
) -> Option<bool> {
    let palette = Palette::of(ui);
    ui.heading(format!("Download {}?", row.name));
    ui.add_space(space::S);
    let from = row.page.as_deref().unwrap_or("the hub");
    let size = row.size().unwrap_or_else(|| "not known yet".to_owned());
    ui.label(format!("Size: {size}"));
    ui.label(format!("From: {from}"));
    let licence = row.licence.as_deref().unwrap_or("not known, see its page");
    ui.label(format!("Licence: {licence}"));
    if row.commercial == Some(false) {
        let text = "For non-commercial use only";
        ui.label(RichText::new(text).color(palette.warning));
    }
    let mut may = true;
    if row.gated {
        ui.add_space(space::S);
        ui.label("The hub asks for an account that accepted the licence on the model's page, and for a token of it");
        if let Some(page) = &row.page
            && ui.button("Open the model's page").clicked()
        {
            out.push(Action::Models(ModelsAction::OpenOutside(page.into())));
        }
        ui.scope(|ui| {
            // Its box is as light as what lies around it.
            let line = Stroke::new(1.0, palette.weak);
            ui.visuals_mut().widgets.inactive.bg_stroke = line;
            ui.checkbox(accepted, "I have read the licence and accept it");
        });
        may = *accepted && !token.trim().is_empty();
    }
    ui.add_space(space::S);
    let text = if row.gated {
        "Access token, used once and not stored"
    } else {
        IF_ASKED
    };
    field(
        ui,
        text,
        TextEdit::singleline(token).password(true).hint_text("hf_…"),
    );
    ui.add_space(space::L);
    buttons(ui, "Download", may)
}

/// What a token is for where the hub may ask for one.
const IF_ASKED: &str = "Access token, only if the hub asks for one; used once and not stored";

fn field(ui: &mut Ui, text: &str, edit: TextEdit<'_>) -> egui::Response {
    let label = ui.label(RichText::new(text).color(Palette::of(ui).weak));
    let edit = ui.add(edit.desired_width(f32::INFINITY));
    edit.labelled_by(label.id)
}

/// Which repository is to be downloaded.
fn from_hub(ui: &mut Ui, name: &mut String, file: &mut String, token: &mut String) -> Option<bool> {
    ui.heading("Download from the hub");
    ui.add_space(space::S);
    ui.label("FLUX.2 [klein] as a diffusers repository, or one file of a repository. Read its licence on its page first");
    ui.add_space(space::S);
    let edit = TextEdit::singleline(name).hint_text("owner/name");
    field(ui, "Repository, or the address of its page", edit);
    ui.add_space(space::S);
    let edit = TextEdit::singleline(file).hint_text("name.gguf");
    field(ui, "File in it; empty for a whole model", edit);
    ui.add_space(space::S);
    field(
        ui,
        IF_ASKED,
        TextEdit::singleline(token).password(true).hint_text("hf_…"),
    );
    ui.add_space(space::L);
    buttons(ui, "Download", repository(name).is_some())
}

fn remove(ui: &mut Ui, row: &Row) -> Option<bool> {
    ui.heading(format!("Remove {}?", row.name));
    ui.add_space(space::S);
    let size = gigabytes(row.bytes.unwrap_or(0));
    ui.label(match row.origin {
        Origin::Downloaded => {
            format!("Inlay downloaded these files and deletes them: {size} become free")
        }
        _ => "It is taken off the list; your files stay where they are".to_owned(),
    });
    ui.add_space(space::L);
    buttons(ui, "Remove", true)
}

fn buttons(ui: &mut Ui, yes: &str, may: bool) -> Option<bool> {
    let palette = Palette::of(ui);
    let mut answer = None;
    ui.horizontal(|ui| {
        let text = RichText::new(yes).strong().color(palette.on_accent);
        let button = Button::new(text)
            .fill(palette.accent)
            .min_size(vec2(84.0, 28.0));
        if ui.add_enabled(may, button).clicked() {
            answer = Some(true);
        }
        if plain_button(ui, "Go back").clicked() {
            answer = Some(false);
        }
    });
    answer
}
