//! The table's rows for jobs and results.

use eframe::egui::Key;

use super::{Info, Menu, ctrl, ctrl_shift, key, shift};
use crate::ui::icons::Icon;

pub const GENERATE: Info = Info {
    text: "Generate",
    tip: "Make the outputs",
    menu: Some(Menu::Edit),
    icon: Some(Icon::Play),
    keys: &[ctrl(Key::Enter)],
};

pub const GENERATE_FIRST: Info = Info {
    text: "Generate first",
    tip: "Make the outputs before all jobs that wait",
    menu: Some(Menu::Edit),
    icon: Some(Icon::Play),
    keys: &[ctrl_shift(Key::Enter)],
};

pub const SWEEP: Info = Info {
    text: "Compare the four levels",
    tip: "One output at each level of the chosen mask, all from one seed, side by side",
    menu: Some(Menu::Edit),
    icon: Some(Icon::Levels),
    keys: &[shift(Key::L)],
};

pub const DEPTH_MAP: Info = Info {
    text: "Make a depth map",
    tip: "How near everything on the canvas is; the answer can steer other results",
    menu: Some(Menu::Edit),
    icon: None,
    keys: &[],
};

pub const EDGE_MAP: Info = Info {
    text: "Make an edge map",
    tip: "The edges of the canvas; the answer can steer other results",
    menu: Some(Menu::Edit),
    icon: None,
    keys: &[],
};

pub const USE_MAP: Info = Info {
    text: "Use as mask or control",
    tip: "Make this map a mask, or a picture that steers",
    menu: Some(Menu::Result),
    icon: Some(Icon::Plus),
    keys: &[],
};

pub const USE_AS_OBJECT: Info = Info {
    text: "Use as object",
    tip: "Add the result to the objects",
    menu: Some(Menu::Result),
    icon: Some(Icon::Plus),
    keys: &[],
};

pub const USE_SETTINGS: Info = Info {
    text: "Use its words and settings",
    tip: "Prompt, seed and numbers become those that the result was made with",
    menu: Some(Menu::Result),
    icon: None,
    keys: &[],
};

pub const CANCEL: Info = Info {
    text: "Cancel",
    tip: "Stop the running job; finished outputs stay",
    menu: Some(Menu::Edit),
    icon: Some(Icon::Stop),
    keys: &[shift(Key::X)],
};

pub const CANCEL_ALL: Info = Info {
    text: "Cancel all",
    tip: "Stop the running job and forget those that wait; finished outputs stay",
    menu: Some(Menu::Edit),
    icon: Some(Icon::Stop),
    keys: &[],
};

pub const RANDOM_SEED: Info = Info {
    text: "Random seed",
    tip: "Other noise, other results",
    menu: Some(Menu::Edit),
    icon: Some(Icon::Dice),
    keys: &[key(Key::R)],
};

pub const PREVIOUS_RESULT: Info = Info {
    text: "Previous result",
    tip: "Show the result before",
    menu: Some(Menu::Result),
    icon: None,
    keys: &[key(Key::ArrowLeft)],
};

pub const NEXT_RESULT: Info = Info {
    text: "Next result",
    tip: "Show the next result",
    menu: Some(Menu::Result),
    icon: None,
    keys: &[key(Key::ArrowRight)],
};

pub const STAR_RESULT: Info = Info {
    text: "Star",
    tip: "Mark the result as one to keep",
    menu: Some(Menu::Result),
    icon: Some(Icon::Star),
    keys: &[key(Key::S)],
};

pub const ACCEPT_RESULT: Info = Info {
    text: "Accept as canvas",
    tip: "The result becomes the canvas; one undo step",
    menu: Some(Menu::Result),
    icon: Some(Icon::Accept),
    keys: &[key(Key::Enter)],
};

pub const REMOVE_RESULT: Info = Info {
    text: "Remove result",
    tip: "Take the result out of the list; undo brings it back",
    menu: Some(Menu::Result),
    icon: Some(Icon::Trash),
    keys: &[key(Key::Backspace)],
};

pub const CLEAR_RESULTS: Info = Info {
    text: "Remove results without a star",
    tip: "Keep what is starred; undo brings the others back",
    menu: Some(Menu::Result),
    icon: None,
    keys: &[],
};

pub const WIPE: Info = Info {
    text: "Compare with a wipe",
    tip: "Original on the left of the handle, result on the right",
    menu: Some(Menu::Result),
    icon: Some(Icon::Wipe),
    keys: &[key(Key::W)],
};

pub const DIFFERENCE: Info = Info {
    text: "Show the difference",
    tip: "Bright where the result differs from the original, black where it is the same",
    menu: Some(Menu::Result),
    icon: Some(Icon::Difference),
    keys: &[key(Key::D)],
};

pub const FLICKER: Info = Info {
    text: "Flicker",
    tip: "Original and result in turn at the same place",
    menu: Some(Menu::Result),
    icon: Some(Icon::Flicker),
    keys: &[key(Key::K)],
};

pub const ADJUST: Info = Info {
    text: "Adjust the result…",
    tip: "Feather, size and colours of what was joined, without generating again",
    menu: Some(Menu::Result),
    icon: Some(Icon::Feather),
    keys: &[key(Key::J)],
};

pub const SHOW_CANVAS: Info = Info {
    text: "Show the canvas",
    tip: "Show the original instead of a result; hold Tab to do so for a moment",
    menu: Some(Menu::Result),
    icon: Some(Icon::Eye),
    keys: &[key(Key::Escape)],
};
