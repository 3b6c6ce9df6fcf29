//! Every action of the artist as one value, with its words, keys and icon. Menus, the palette, the key sheet
//! and the keyboard are made from this table; widgets emit these, and `apply` carries them out.

mod files;
mod results;
mod tools;
mod views;

use eframe::egui::{self, Key, KeyboardShortcut, Modifiers};

use super::icons::Icon;
use super::tool::Tool;
use crate::doc::Level;

/// An action without further content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    New,
    Open,
    OpenSample,
    Save,
    SaveAs,
    AddPicture,
    Paste,
    LoadMask,
    SaveMask,
    SaveResult,
    Models,
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
    GenerateFirst,
    Sweep,
    SelectByWords,
    ObjectFromMask,
    DepthMap,
    EdgeMap,
    UseMap,
    UseAsObject,
    UseSettings,
    AutoContext,
    Cancel,
    CancelAll,
    RandomSeed,
    PreviousResult,
    NextResult,
    StarResult,
    AcceptResult,
    RemoveResult,
    ClearResults,
    Wipe,
    Difference,
    Flicker,
    Adjust,
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
    pub const ALL: [Command; 79] = [
        Command::Generate,
        Command::GenerateFirst,
        Command::Sweep,
        Command::DepthMap,
        Command::EdgeMap,
        Command::Cancel,
        Command::CancelAll,
        Command::New,
        Command::Open,
        Command::OpenSample,
        Command::Save,
        Command::SaveAs,
        Command::AddPicture,
        Command::Paste,
        Command::LoadMask,
        Command::SaveMask,
        Command::SaveResult,
        Command::Models,
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
        Command::Tool(Tool::Move),
        Command::Tool(Tool::Context),
        Command::Tool(Tool::Hand),
        Command::AutoContext,
        Command::SwapBrush,
        Command::BrushSmaller,
        Command::BrushLarger,
        Command::NewMask,
        Command::SelectByWords,
        Command::ObjectFromMask,
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
        Command::UseMap,
        Command::UseAsObject,
        Command::UseSettings,
        Command::Wipe,
        Command::Difference,
        Command::Flicker,
        Command::Adjust,
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
        match self {
            Command::Tool(tool) => tools::tool_info(tool),
            Command::Level(level) => tools::level_info(level),
            Command::New => files::NEW,
            Command::Open => files::OPEN,
            Command::OpenSample => files::OPEN_SAMPLE,
            Command::Save => files::SAVE,
            Command::SaveAs => files::SAVE_AS,
            Command::AddPicture => files::ADD_PICTURE,
            Command::Paste => files::PASTE,
            Command::LoadMask => tools::LOAD_MASK,
            Command::SaveMask => tools::SAVE_MASK,
            Command::SaveResult => files::SAVE_RESULT,
            Command::Models => files::MODELS,
            Command::OpenModel => files::OPEN_MODEL,
            Command::Quit => files::QUIT,
            Command::Undo => views::UNDO,
            Command::Redo => views::REDO,
            Command::SwapBrush => tools::SWAP_BRUSH,
            Command::BrushSmaller => tools::BRUSH_SMALLER,
            Command::BrushLarger => tools::BRUSH_LARGER,
            Command::NewMask => tools::NEW_MASK,
            Command::RemoveMask => tools::REMOVE_MASK,
            Command::ClearMask => tools::CLEAR_MASK,
            Command::FillMask => tools::FILL_MASK,
            Command::InvertMask => tools::INVERT_MASK,
            Command::GrowMask => tools::GROW_MASK,
            Command::ShrinkMask => tools::SHRINK_MASK,
            Command::FeatherMask => tools::FEATHER_MASK,
            Command::Generate => results::GENERATE,
            Command::GenerateFirst => results::GENERATE_FIRST,
            Command::Sweep => results::SWEEP,
            Command::SelectByWords => tools::SELECT_BY_WORDS,
            Command::ObjectFromMask => tools::OBJECT_FROM_MASK,
            Command::DepthMap => results::DEPTH_MAP,
            Command::EdgeMap => results::EDGE_MAP,
            Command::UseMap => results::USE_MAP,
            Command::UseAsObject => results::USE_AS_OBJECT,
            Command::UseSettings => results::USE_SETTINGS,
            Command::AutoContext => tools::AUTO_CONTEXT,
            Command::Cancel => results::CANCEL,
            Command::CancelAll => results::CANCEL_ALL,
            Command::RandomSeed => results::RANDOM_SEED,
            Command::PreviousResult => results::PREVIOUS_RESULT,
            Command::NextResult => results::NEXT_RESULT,
            Command::StarResult => results::STAR_RESULT,
            Command::AcceptResult => results::ACCEPT_RESULT,
            Command::RemoveResult => results::REMOVE_RESULT,
            Command::ClearResults => results::CLEAR_RESULTS,
            Command::Wipe => results::WIPE,
            Command::Difference => results::DIFFERENCE,
            Command::Flicker => results::FLICKER,
            Command::Adjust => results::ADJUST,
            Command::ShowCanvas => results::SHOW_CANVAS,
            Command::ZoomFit => views::ZOOM_FIT,
            Command::Zoom100 => views::ZOOM100,
            Command::Zoom200 => views::ZOOM200,
            Command::Zoom400 => views::ZOOM400,
            Command::Zoom800 => views::ZOOM800,
            Command::ZoomIn => views::ZOOM_IN,
            Command::ZoomOut => views::ZOOM_OUT,
            Command::ShowMask => views::SHOW_MASK,
            Command::Grid => views::GRID,
            Command::Theme => views::THEME,
            Command::LargerUi => views::LARGER_UI,
            Command::SmallerUi => views::SMALLER_UI,
            Command::ExactText => views::EXACT_TEXT,
            Command::Palette => views::PALETTE,
            Command::Keys => views::KEYS,
        }
    }

    /// The first of its keys in words, such as "Ctrl+Z".
    pub fn key_text(self, ctx: &egui::Context) -> Option<String> {
        let shortcut = self.info().keys.first()?;
        Some(ctx.format_shortcut(shortcut))
    }

    /// Whether it may run while the artist writes in a text field: such keys write nothing and move nothing.
    pub fn works_while_typing(self, shortcut: &KeyboardShortcut) -> bool {
        let edits_text = matches!(
            self,
            Command::Undo | Command::Redo | Command::FillMask | Command::Paste
        );
        is_of_the_window(shortcut) && !edits_text
    }
}

/// Whether no widget has a use for the keys.
fn is_of_the_window(shortcut: &KeyboardShortcut) -> bool {
    shortcut.logical_key == Key::F1 || shortcut.modifiers.command
}

/// Whether a command's keys were pressed; they are then taken.
pub fn is_pressed(ctx: &egui::Context, command: Command) -> bool {
    let keys = command.info().keys;
    ctx.input_mut(|input| keys.iter().any(|keys| input.consume_shortcut(keys)))
}

/// The commands whose keys were pressed, which are then used up; `all` if no widget has a use for any.
pub fn pressed(ctx: &egui::Context, all: bool) -> Vec<Command> {
    let typing = ctx.text_edit_focused();
    let mut found = Vec::new();
    ctx.input_mut(|input| {
        // Those with more modifiers first: egui lets Ctrl+Z match while Shift is held as well.
        let mut table: Vec<_> = Command::ALL
            .into_iter()
            .flat_map(|command| command.info().keys.iter().map(move |keys| (command, keys)))
            .filter(|(command, keys)| match typing {
                true => command.works_while_typing(keys),
                false => all || is_of_the_window(keys),
            })
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
