//! The table's rows for tools, masks and mask levels.

use eframe::egui::{Key, KeyboardShortcut};

use super::{Info, Menu, ctrl, ctrl_shift, key, shift};
use crate::doc::Level;
use crate::ui::icons::Icon;
use crate::ui::tool::Tool;

pub fn tool_info(tool: Tool) -> Info {
    let (text, tip, icon, keys): (_, _, _, &[KeyboardShortcut]) = match tool {
        Tool::Brush => (
            "Brush",
            "Paint where the object goes; Shift-click draws a straight line, Ctrl takes away, Alt-drag changes the size",
            Icon::Brush,
            const { &[key(Key::B)] },
        ),
        Tool::Eraser => (
            "Eraser",
            "Take away from the mask; Shift-click draws a straight line",
            Icon::Eraser,
            const { &[key(Key::E)] },
        ),
        Tool::Line => (
            "Straight line",
            "Drag a straight stroke",
            Icon::Line,
            const { &[key(Key::N)] },
        ),
        Tool::Box => (
            "Box",
            "Select a box; Ctrl takes away",
            Icon::Box,
            const { &[key(Key::U)] },
        ),
        Tool::Lasso => (
            "Lasso",
            "Select a free shape; Ctrl takes away",
            Icon::Lasso,
            const { &[key(Key::L)] },
        ),
        Tool::Fill => (
            "Fill",
            "Click inside a closed outline to fill it",
            Icon::Fill,
            const { &[key(Key::F)] },
        ),
        Tool::Move => (
            "Move",
            "Drag a mask to where its object should go",
            Icon::Move,
            const { &[key(Key::V)] },
        ),
        Tool::Context => (
            "Context rectangle",
            "What the model sees of the picture: drag its sides, or draw another rectangle; hold C to look at it",
            Icon::Context,
            const { &[key(Key::C)] },
        ),
        Tool::Hand => (
            "Hand",
            "Drag the picture; also Space or the middle button with any tool",
            Icon::Hand,
            const { &[key(Key::H)] },
        ),
    };
    Info {
        text,
        tip,
        menu: Some(Menu::Edit),
        icon: Some(icon),
        keys,
    }
}

pub fn level_info(level: Level) -> Info {
    let (text, tip, icon, keys): (_, _, _, &[KeyboardShortcut]) = match level {
        Level::Exact => (
            "Exact",
            "This silhouette: the object keeps to the mask's edge",
            Icon::LevelExact,
            const { &[key(Key::Num1)] },
        ),
        Level::Outline => (
            "Outline",
            "About this outline: small departures are fine",
            Icon::LevelOutline,
            const { &[key(Key::Num2)] },
        ),
        Level::Blob => (
            "Blob",
            "This pose, roughly: the mask is a scribble",
            Icon::LevelBlob,
            const { &[key(Key::Num3)] },
        ),
        Level::Box => (
            "Box level",
            "Somewhere in here, this big: only the mask's bounds count",
            Icon::LevelBox,
            const { &[key(Key::Num4)] },
        ),
    };
    Info {
        text,
        tip,
        menu: Some(Menu::Mask),
        icon: Some(icon),
        keys,
    }
}

pub const SELECT_BY_WORDS: Info = Info {
    text: "Select by words…",
    tip: "Let the model find an object on the canvas",
    menu: Some(Menu::Mask),
    icon: None,
    keys: &[],
};

pub const OBJECT_FROM_MASK: Info = Info {
    text: "Object from mask",
    tip: "Cut what stands out under the mask out of the canvas, and add it to the objects",
    menu: Some(Menu::Mask),
    icon: None,
    keys: &[],
};

pub const LOAD_MASK: Info = Info {
    text: "Load mask…",
    tip: "Use a black and white picture, or a transparent one, as the mask",
    menu: Some(Menu::Mask),
    icon: None,
    keys: &[],
};

pub const SAVE_MASK: Info = Info {
    text: "Save mask…",
    tip: "Write the mask as a PNG",
    menu: Some(Menu::Mask),
    icon: None,
    keys: &[],
};

pub const SWAP_BRUSH: Info = Info {
    text: "Swap brush and eraser",
    tip: "Change between painting and taking away",
    menu: Some(Menu::Edit),
    icon: None,
    keys: &[key(Key::X)],
};

pub const BRUSH_SMALLER: Info = Info {
    text: "Smaller brush",
    tip: "Also Ctrl and the wheel",
    menu: Some(Menu::Edit),
    icon: None,
    keys: &[key(Key::OpenBracket)],
};

pub const BRUSH_LARGER: Info = Info {
    text: "Larger brush",
    tip: "Also Ctrl and the wheel",
    menu: Some(Menu::Edit),
    icon: None,
    keys: &[key(Key::CloseBracket)],
};

pub const NEW_MASK: Info = Info {
    text: "New mask",
    tip: "Add a second place on the canvas, for the next object",
    menu: Some(Menu::Mask),
    icon: Some(Icon::Plus),
    keys: &[ctrl_shift(Key::N)],
};

pub const REMOVE_MASK: Info = Info {
    text: "Remove mask",
    tip: "Remove the chosen mask from the job",
    menu: Some(Menu::Mask),
    icon: Some(Icon::Trash),
    keys: &[],
};

pub const CLEAR_MASK: Info = Info {
    text: "Clear mask",
    tip: "Unselect everything",
    menu: Some(Menu::Mask),
    icon: Some(Icon::Clear),
    keys: &[key(Key::Delete)],
};

pub const FILL_MASK: Info = Info {
    text: "Select all",
    tip: "The model may change the whole picture",
    menu: Some(Menu::Mask),
    icon: None,
    keys: &[ctrl(Key::A)],
};

pub const INVERT_MASK: Info = Info {
    text: "Invert mask",
    tip: "Select what is not selected",
    menu: Some(Menu::Mask),
    icon: Some(Icon::Invert),
    keys: &[shift(Key::V)],
};

pub const GROW_MASK: Info = Info {
    text: "Grow mask",
    tip: "Move its edge outwards by 4 pixels",
    menu: Some(Menu::Mask),
    icon: Some(Icon::Grow),
    keys: &[shift(Key::G)],
};

pub const SHRINK_MASK: Info = Info {
    text: "Shrink mask",
    tip: "Move its edge inwards by 4 pixels",
    menu: Some(Menu::Mask),
    icon: Some(Icon::Shrink),
    keys: &[shift(Key::S)],
};

pub const FEATHER_MASK: Info = Info {
    text: "Feather mask",
    tip: "Soften its edge over 4 pixels",
    menu: Some(Menu::Mask),
    icon: Some(Icon::Feather),
    keys: &[shift(Key::F)],
};

pub const AUTO_CONTEXT: Info = Info {
    text: "Automatic context",
    tip: "Let the part of the picture that the model sees follow the masks",
    menu: Some(Menu::Edit),
    icon: Some(Icon::Context),
    keys: &[],
};
