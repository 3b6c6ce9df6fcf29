//! The table's rows for tools and mask levels.

use eframe::egui::{Key, KeyboardShortcut};

use super::{Info, Menu, key};
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
