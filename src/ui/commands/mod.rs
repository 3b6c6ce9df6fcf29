//! Every action of the artist as one value, with its words, keys and icon. Menus, the palette, the key sheet
//! and the keyboard are made from this table; widgets emit these, and `apply` carries them out.

mod tools;

use eframe::egui::{self, Key, KeyboardShortcut, Modifiers};

use super::icons::Icon;
use super::tool::Tool;
use crate::doc::Level;

/// An action without further content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    New,
    OpenSample,
    AddPicture,
    Paste,
    LoadMask,
    SaveMask,
    SaveResult,
    OpenModel,
    Quit,
    Undo,
    Redo,
    Tool(Tool),
    SwapBrush,
    BrushSmaller,
    BrushLarger,
    NewMask,
    RemoveMask,
    ClearMask,
    FillMask,
    InvertMask,
    GrowMask,
    ShrinkMask,
    FeatherMask,
    Level(Level),
    Generate,
    Cancel,
    RandomSeed,
    PreviousResult,
    NextResult,
    StarResult,
    AcceptResult,
    RemoveResult,
    ClearResults,
    Wipe,
    ShowCanvas,
    ZoomFit,
    Zoom100,
    Zoom200,
    Zoom400,
    Zoom800,
    ZoomIn,
    ZoomOut,
    ShowMask,
    Grid,
    Theme,
    LargerUi,
    SmallerUi,
    ExactText,
    Palette,
    Keys,
}

/// A part of the menu bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Menu {
    File,
    Edit,
    Mask,
    View,
    Result,
    Help,
}

impl Menu {
    /// All menus from left to right.
    pub const ALL: [Menu; 6] = [
        Menu::File,
        Menu::Edit,
        Menu::Mask,
        Menu::Result,
        Menu::View,
        Menu::Help,
    ];

    /// What stands in the menu bar.
    pub fn text(self) -> &'static str {
        match self {
            Menu::File => "File",
            Menu::Edit => "Edit",
            Menu::Mask => "Mask",
            Menu::View => "View",
            Menu::Result => "Result",
            Menu::Help => "Help",
        }
    }
}

/// What a command is called and looks like.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// Sentence case, `…` when more input follows.
    pub text: &'static str,
    /// What it does, in a few words.
    pub tip: &'static str,
    /// The menu that it stands in.
    pub menu: Option<Menu>,
    /// Its picture.
    pub icon: Option<Icon>,
    /// Its keys; the first is shown.
    pub keys: &'static [KeyboardShortcut],
}

const fn key(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

const fn shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::SHIFT, key)
}

const fn ctrl(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

const fn ctrl_shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), key)
}

impl Command {
    /// Every command, in the order of the menus and the palette.
    pub const ALL: [Command; 59] = [
        Command::Generate,
        Command::Cancel,
        Command::New,
        Command::OpenSample,
        Command::AddPicture,
        Command::Paste,
        Command::LoadMask,
        Command::SaveMask,
        Command::SaveResult,
        Command::OpenModel,
        Command::Quit,
        Command::Undo,
        Command::Redo,
        Command::Tool(Tool::Brush),
        Command::Tool(Tool::Eraser),
        Command::Tool(Tool::Line),
        Command::Tool(Tool::Box),
        Command::Tool(Tool::Lasso),
        Command::Tool(Tool::Fill),
        Command::Tool(Tool::Hand),
        Command::SwapBrush,
        Command::BrushSmaller,
        Command::BrushLarger,
        Command::NewMask,
        Command::RemoveMask,
        Command::ClearMask,
        Command::FillMask,
        Command::InvertMask,
        Command::GrowMask,
        Command::ShrinkMask,
        Command::FeatherMask,
        Command::Level(Level::Exact),
        Command::Level(Level::Outline),
        Command::Level(Level::Blob),
        Command::Level(Level::Box),
        Command::RandomSeed,
        Command::ExactText,
        Command::PreviousResult,
        Command::NextResult,
        Command::ShowCanvas,
        Command::StarResult,
        Command::AcceptResult,
        Command::Wipe,
        Command::RemoveResult,
        Command::ClearResults,
        Command::Grid,
        Command::ShowMask,
        Command::ZoomFit,
        Command::Zoom100,
        Command::Zoom200,
        Command::Zoom400,
        Command::Zoom800,
        Command::ZoomIn,
        Command::ZoomOut,
        Command::Theme,
        Command::LargerUi,
        Command::SmallerUi,
        Command::Palette,
        Command::Keys,
    ];

    /// Words, keys, icon.
    pub fn info(self) -> Info {
        use Menu::{Edit, File, Help, Mask, Result, View};
        let make = |text, tip, menu, icon, keys| Info {
            text,
            tip,
            menu,
            icon,
            keys,
        };
        match self {
            Command::New => make(
                "New document",
                "Start over with an empty document",
                Some(File),
                None,
                const { &[ctrl(Key::N)] },
            ),
            Command::OpenSample => make(
                "Open the sample",
                "A coffee cup, three objects and a mask to try things with",
                Some(File),
                None,
                &[],
            ),
            Command::AddPicture => make(
                "Add pictures…",
                "The first picture becomes the canvas, the others objects",
                Some(File),
                Some(Icon::Folder),
                const { &[ctrl(Key::O)] },
            ),
            Command::Paste => make(
                "Paste picture",
                "Add the picture in the clipboard",
                Some(File),
                Some(Icon::Paste),
                const { &[ctrl(Key::V)] },
            ),
            Command::LoadMask => make(
                "Load mask…",
                "Use a black and white picture, or a transparent one, as the mask",
                Some(Mask),
                None,
                &[],
            ),
            Command::SaveMask => make(
                "Save mask…",
                "Write the mask as a PNG",
                Some(Mask),
                None,
                &[],
            ),
            Command::SaveResult => make(
                "Save result…",
                "Write the chosen result as a PNG that holds its whole recipe",
                Some(File),
                Some(Icon::Save),
                const { &[ctrl(Key::S)] },
            ),
            Command::OpenModel => make(
                "Open model…",
                "Use another model: a folder with its config.json and weights",
                Some(File),
                None,
                &[],
            ),
            Command::Quit => make(
                "Quit",
                "Close the editor",
                Some(File),
                None,
                const { &[ctrl(Key::Q)] },
            ),
            Command::Undo => make(
                "Undo",
                "Take the last change back",
                Some(Edit),
                Some(Icon::Undo),
                const { &[ctrl(Key::Z)] },
            ),
            Command::Redo => make(
                "Redo",
                "Make the change again",
                Some(Edit),
                Some(Icon::Redo),
                const { &[ctrl_shift(Key::Z), ctrl(Key::Y)] },
            ),
            Command::Tool(tool) => tools::tool_info(tool),
            Command::SwapBrush => make(
                "Swap brush and eraser",
                "Change between painting and taking away",
                Some(Edit),
                None,
                const { &[key(Key::X)] },
            ),
            Command::BrushSmaller => make(
                "Smaller brush",
                "Also Ctrl and the wheel",
                Some(Edit),
                None,
                const { &[key(Key::OpenBracket)] },
            ),
            Command::BrushLarger => make(
                "Larger brush",
                "Also Ctrl and the wheel",
                Some(Edit),
                None,
                const { &[key(Key::CloseBracket)] },
            ),
            Command::NewMask => make(
                "New mask",
                "Add a second place on the canvas, for the next object",
                Some(Mask),
                Some(Icon::Plus),
                const { &[ctrl_shift(Key::N)] },
            ),
            Command::RemoveMask => make(
                "Remove mask",
                "Remove the chosen mask from the job",
                Some(Mask),
                Some(Icon::Trash),
                &[],
            ),
            Command::ClearMask => make(
                "Clear mask",
                "Unselect everything",
                Some(Mask),
                Some(Icon::Clear),
                const { &[key(Key::Delete)] },
            ),
            Command::FillMask => make(
                "Select all",
                "The model may change the whole picture",
                Some(Mask),
                None,
                const { &[ctrl(Key::A)] },
            ),
            Command::InvertMask => make(
                "Invert mask",
                "Select what is not selected",
                Some(Mask),
                Some(Icon::Invert),
                const { &[shift(Key::V)] },
            ),
            Command::GrowMask => make(
                "Grow mask",
                "Move its edge outwards by 4 pixels",
                Some(Mask),
                Some(Icon::Grow),
                const { &[shift(Key::G)] },
            ),
            Command::ShrinkMask => make(
                "Shrink mask",
                "Move its edge inwards by 4 pixels",
                Some(Mask),
                Some(Icon::Shrink),
                const { &[shift(Key::S)] },
            ),
            Command::FeatherMask => make(
                "Feather mask",
                "Soften its edge over 4 pixels",
                Some(Mask),
                Some(Icon::Feather),
                const { &[shift(Key::F)] },
            ),
            Command::Level(level) => tools::level_info(level),
            Command::Generate => make(
                "Generate",
                "Make the outputs",
                Some(Edit),
                Some(Icon::Play),
                const { &[ctrl(Key::Enter)] },
            ),
            Command::Cancel => make(
                "Cancel",
                "Stop the running job; finished outputs stay",
                Some(Edit),
                Some(Icon::Stop),
                const { &[shift(Key::X)] },
            ),
            Command::RandomSeed => make(
                "Random seed",
                "Other noise, other results",
                Some(Edit),
                Some(Icon::Dice),
                const { &[key(Key::R)] },
            ),
            Command::PreviousResult => make(
                "Previous result",
                "Show the result before",
                Some(Result),
                None,
                const { &[key(Key::ArrowLeft)] },
            ),
            Command::NextResult => make(
                "Next result",
                "Show the next result",
                Some(Result),
                None,
                const { &[key(Key::ArrowRight)] },
            ),
            Command::StarResult => make(
                "Star",
                "Mark the result as one to keep",
                Some(Result),
                Some(Icon::Star),
                const { &[key(Key::S)] },
            ),
            Command::AcceptResult => make(
                "Accept as canvas",
                "The result becomes the canvas; one undo step",
                Some(Result),
                Some(Icon::Accept),
                const { &[key(Key::Enter)] },
            ),
            Command::RemoveResult => make(
                "Remove result",
                "Take the result out of the list; it is not saved",
                Some(Result),
                Some(Icon::Trash),
                const { &[key(Key::Backspace)] },
            ),
            Command::ClearResults => make(
                "Remove results without a star",
                "Keep what is starred",
                Some(Result),
                None,
                &[],
            ),
            Command::Wipe => make(
                "Compare with a wipe",
                "Original on the left of the handle, result on the right",
                Some(Result),
                Some(Icon::Wipe),
                const { &[key(Key::W)] },
            ),
            Command::ShowCanvas => make(
                "Show the canvas",
                "Show the original instead of a result; hold Tab to do so for a moment",
                Some(Result),
                Some(Icon::Eye),
                const { &[key(Key::Escape)] },
            ),
            Command::ZoomFit => make(
                "Fit",
                "Show the whole picture",
                Some(View),
                Some(Icon::Fit),
                const { &[ctrl(Key::Num0)] },
            ),
            Command::Zoom100 => make(
                "100 %",
                "One pixel of the picture, one of the screen",
                Some(View),
                None,
                const { &[ctrl(Key::Num1)] },
            ),
            Command::Zoom200 => make(
                "200 %",
                "Two pixels of the screen a side",
                Some(View),
                None,
                const { &[ctrl(Key::Num2)] },
            ),
            Command::Zoom400 => make(
                "400 %",
                "Four pixels of the screen a side",
                Some(View),
                None,
                const { &[ctrl(Key::Num3)] },
            ),
            Command::Zoom800 => make(
                "800 %",
                "Eight pixels of the screen a side",
                Some(View),
                None,
                const { &[ctrl(Key::Num4)] },
            ),
            Command::ZoomIn => make(
                "Zoom in",
                "To the next usual scale; also the wheel",
                Some(View),
                None,
                const { &[ctrl(Key::Plus), ctrl(Key::Equals)] },
            ),
            Command::ZoomOut => make(
                "Zoom out",
                "To the usual scale before; also the wheel",
                Some(View),
                None,
                const { &[ctrl(Key::Minus)] },
            ),
            Command::ShowMask => make(
                "Show mask",
                "Show or hide the mask and the region the model may change",
                Some(View),
                Some(Icon::Eye),
                const { &[key(Key::M)] },
            ),
            Command::Grid => make(
                "Results side by side",
                "All results large, with one zoom and pan",
                Some(View),
                Some(Icon::Grid),
                const { &[key(Key::G)] },
            ),
            Command::Theme => make(
                "Light or dark",
                "Change the theme",
                Some(View),
                Some(Icon::Theme),
                const { &[ctrl_shift(Key::T)] },
            ),
            Command::LargerUi => make(
                "Larger interface",
                "Everything a tenth larger",
                Some(View),
                None,
                const { &[ctrl_shift(Key::ArrowUp)] },
            ),
            Command::SmallerUi => make(
                "Smaller interface",
                "Everything a tenth smaller",
                Some(View),
                None,
                const { &[ctrl_shift(Key::ArrowDown)] },
            ),
            Command::ExactText => make(
                "Exact text",
                "Show the text and the pictures exactly as the model gets them",
                Some(View),
                Some(Icon::Search),
                const { &[ctrl(Key::I)] },
            ),
            Command::Palette => make(
                "All commands…",
                "Find a command by its name",
                Some(Help),
                Some(Icon::Search),
                const { &[ctrl_shift(Key::P)] },
            ),
            Command::Keys => make(
                "Keyboard and mouse",
                "Show all keys",
                Some(Help),
                None,
                const {
                    &[
                        key(Key::F1),
                        key(Key::Questionmark),
                        shift(Key::Questionmark),
                    ]
                },
            ),
        }
    }

    /// The first of its keys in words, such as "Ctrl+Z".
    pub fn key_text(self, ctx: &egui::Context) -> Option<String> {
        let shortcut = self.info().keys.first()?;
        Some(ctx.format_shortcut(shortcut))
    }

    /// Whether it may run while the artist writes in a text field: such keys write nothing and move nothing.
    pub fn works_while_typing(self, shortcut: &KeyboardShortcut) -> bool {
        let function_key = matches!(shortcut.logical_key, Key::F1);
        let edits_text = matches!(
            self,
            Command::Undo | Command::Redo | Command::FillMask | Command::Paste
        );
        function_key || (shortcut.modifiers.command && !edits_text)
    }
}

/// The commands whose keys were pressed, which are then used up.
pub fn pressed(ctx: &egui::Context) -> Vec<Command> {
    let typing = ctx.text_edit_focused();
    let mut found = Vec::new();
    ctx.input_mut(|input| {
        // Those with more modifiers first: egui lets Ctrl+Z match while Shift is held as well.
        let mut table: Vec<_> = Command::ALL
            .into_iter()
            .flat_map(|command| command.info().keys.iter().map(move |keys| (command, keys)))
            .filter(|(command, keys)| !typing || command.works_while_typing(keys))
            .collect();
        table.sort_by_key(|(_, keys)| {
            std::cmp::Reverse(u8::from(keys.modifiers.shift) + u8::from(keys.modifiers.command))
        });
        for (command, keys) in table {
            // The system's paste arrives as an event of its own.
            if command != Command::Paste && input.consume_shortcut(keys) {
                found.push(command);
            }
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_key_means_two_things() {
        let mut seen = HashSet::new();
        for command in Command::ALL {
            for keys in command.info().keys {
                assert!(
                    seen.insert((keys.modifiers, keys.logical_key)),
                    "{command:?} shares {keys:?}"
                );
            }
        }
    }

    #[test]
    fn every_command_is_listed_once_and_has_its_words() {
        let all: HashSet<_> = Command::ALL.into_iter().collect();
        assert_eq!(all.len(), Command::ALL.len());
        let mut texts = HashSet::new();
        for command in Command::ALL {
            let info = command.info();
            assert!(texts.insert(info.text), "{} is used twice", info.text);
            assert!(!info.text.ends_with('.') && !info.tip.ends_with('.'));
            assert!(!info.tip.is_empty());
        }
        for tool in Tool::ALL {
            assert!(all.contains(&Command::Tool(tool)));
        }
        for level in Level::ALL {
            assert!(all.contains(&Command::Level(level)));
        }
    }
}
