//! The table's rows for documents and files.

use eframe::egui::Key;

use super::{Info, Menu, ctrl, ctrl_shift};
use crate::ui::icons::Icon;

pub const NEW: Info = Info {
    text: "New document",
    tip: "Start over with an empty document",
    menu: Some(Menu::File),
    icon: None,
    keys: &[ctrl(Key::N)],
};

pub const OPEN: Info = Info {
    text: "Open project…",
    tip: "Open an OpenRaster file: a project of Inlay, or a picture of Krita or GIMP",
    menu: Some(Menu::File),
    icon: None,
    keys: &[ctrl(Key::O)],
};

pub const SAVE: Info = Info {
    text: "Save project",
    tip: "Write pictures, masks, prompt and settings as one OpenRaster file",
    menu: Some(Menu::File),
    icon: None,
    keys: &[ctrl(Key::S)],
};

pub const SAVE_AS: Info = Info {
    text: "Save project as…",
    tip: "Write the project to another file",
    menu: Some(Menu::File),
    icon: None,
    keys: &[ctrl_shift(Key::S)],
};

pub const OPEN_SAMPLE: Info = Info {
    text: "Open the sample",
    tip: "A coffee cup, three objects and a mask to try things with",
    menu: Some(Menu::File),
    icon: None,
    keys: &[],
};

pub const ADD_PICTURE: Info = Info {
    text: "Add pictures…",
    tip: "The first picture becomes the canvas, the others objects",
    menu: Some(Menu::File),
    icon: Some(Icon::Folder),
    keys: &[ctrl_shift(Key::O)],
};

pub const PASTE: Info = Info {
    text: "Paste picture",
    tip: "Add the picture in the clipboard",
    menu: Some(Menu::File),
    icon: Some(Icon::Paste),
    keys: &[ctrl(Key::V)],
};

pub const SAVE_RESULT: Info = Info {
    text: "Save result…",
    tip: "Write the chosen result as a PNG that holds its whole recipe",
    menu: Some(Menu::File),
    icon: Some(Icon::Save),
    keys: &[ctrl(Key::E)],
};

pub const MODELS: Info = Info {
    text: "Models…",
    tip: "Choose, download, check and remove models, and use files you already have",
    menu: Some(Menu::File),
    icon: None,
    keys: &[ctrl_shift(Key::M)],
};

pub const OPEN_MODEL: Info = Info {
    text: "Open model…",
    tip: "Use another model: a folder with its config.json and weights",
    menu: Some(Menu::File),
    icon: None,
    keys: &[],
};

pub const QUIT: Info = Info {
    text: "Quit",
    tip: "Close the editor",
    menu: Some(Menu::File),
    icon: None,
    keys: &[ctrl(Key::Q)],
};
