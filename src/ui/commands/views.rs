//! The table's rows for undo, the view and help.

use eframe::egui::Key;

use super::{Info, Menu, ctrl, ctrl_shift, key, shift};
use crate::ui::icons::Icon;

pub const UNDO: Info = Info {
    text: "Undo",
    tip: "Take the last change back",
    menu: Some(Menu::Edit),
    icon: Some(Icon::Undo),
    keys: &[ctrl(Key::Z)],
};

pub const REDO: Info = Info {
    text: "Redo",
    tip: "Make the change again",
    menu: Some(Menu::Edit),
    icon: Some(Icon::Redo),
    keys: &[ctrl_shift(Key::Z), ctrl(Key::Y)],
};

pub const ZOOM_FIT: Info = Info {
    text: "Fit",
    tip: "Show the whole picture",
    menu: Some(Menu::View),
    icon: Some(Icon::Fit),
    keys: &[ctrl(Key::Num0)],
};

pub const ZOOM100: Info = Info {
    text: "100 %",
    tip: "One pixel of the picture, one of the screen",
    menu: Some(Menu::View),
    icon: None,
    keys: &[ctrl(Key::Num1)],
};

pub const ZOOM200: Info = Info {
    text: "200 %",
    tip: "Two pixels of the screen a side",
    menu: Some(Menu::View),
    icon: None,
    keys: &[ctrl(Key::Num2)],
};

pub const ZOOM400: Info = Info {
    text: "400 %",
    tip: "Four pixels of the screen a side",
    menu: Some(Menu::View),
    icon: None,
    keys: &[ctrl(Key::Num3)],
};

pub const ZOOM800: Info = Info {
    text: "800 %",
    tip: "Eight pixels of the screen a side",
    menu: Some(Menu::View),
    icon: None,
    keys: &[ctrl(Key::Num4)],
};

pub const ZOOM_IN: Info = Info {
    text: "Zoom in",
    tip: "To the next usual scale; also the wheel",
    menu: Some(Menu::View),
    icon: None,
    keys: &[ctrl(Key::Plus), ctrl(Key::Equals)],
};

pub const ZOOM_OUT: Info = Info {
    text: "Zoom out",
    tip: "To the usual scale before; also the wheel",
    menu: Some(Menu::View),
    icon: None,
    keys: &[ctrl(Key::Minus)],
};

pub const SHOW_MASK: Info = Info {
    text: "Show mask",
    tip: "Show or hide the mask and the region the model may change",
    menu: Some(Menu::View),
    icon: Some(Icon::Eye),
    keys: &[key(Key::M)],
};

pub const GRID: Info = Info {
    text: "Results side by side",
    tip: "All results large, with one zoom and pan",
    menu: Some(Menu::View),
    icon: Some(Icon::Grid),
    keys: &[key(Key::G)],
};

pub const THEME: Info = Info {
    text: "Light or dark",
    tip: "Change the theme",
    menu: Some(Menu::View),
    icon: Some(Icon::Theme),
    keys: &[ctrl_shift(Key::T)],
};

pub const LARGER_UI: Info = Info {
    text: "Larger interface",
    tip: "Everything a tenth larger",
    menu: Some(Menu::View),
    icon: None,
    keys: &[ctrl_shift(Key::ArrowUp)],
};

pub const SMALLER_UI: Info = Info {
    text: "Smaller interface",
    tip: "Everything a tenth smaller",
    menu: Some(Menu::View),
    icon: None,
    keys: &[ctrl_shift(Key::ArrowDown)],
};

pub const EXACT_TEXT: Info = Info {
    text: "Exact text",
    tip: "Show the text and the pictures exactly as the model gets them",
    menu: Some(Menu::View),
    icon: Some(Icon::Search),
    keys: &[ctrl(Key::I)],
};

pub const PALETTE: Info = Info {
    text: "All commands…",
    tip: "Find a command by its name",
    menu: Some(Menu::Help),
    icon: Some(Icon::Search),
    keys: &[ctrl_shift(Key::P)],
};

pub const KEYS: Info = Info {
    text: "Keyboard and mouse",
    tip: "Show all keys",
    menu: Some(Menu::Help),
    icon: None,
    keys: &[
        key(Key::F1),
        key(Key::Questionmark),
        shift(Key::Questionmark),
    ],
};
