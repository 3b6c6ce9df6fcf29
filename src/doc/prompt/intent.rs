//! What a prompt without reference pictures wants done with what is masked.

use super::{contains_words, plain};

/// What is to happen to the object under a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// It is to go: "remove the chair", "erase IMG2", "take it away".
    Remove,
    /// It is to be elsewhere: "move IMG2 to IMG3", "shift the chair".
    Move,
    /// What is around is to go on there: "extend IMG1 to the left", "outpaint".
    Extend,
    /// It is to look different: "make it blue", "turn IMG2 into glass", "recolour the chair".
    Change,
    /// Anything else.
    Other,
}

/// Politeness and the like before the verb.
const BEFORE: [&str; 4] = ["please", "now", "just", "then"];
const REMOVE: [&str; 5] = ["remove", "erase", "delete", "clear", "empty"];
const MOVE: [&str; 3] = ["move", "shift", "relocate"];
const EXTEND: [&str; 4] = ["extend", "continue", "outpaint", "complete"];
const CHANGE: [&str; 14] = [
    "change", "recolour", "recolor", "colour", "color", "tint", "dye", "darken", "brighten",
    "lighten", "relight", "blur", "sharpen", "restyle",
];
/// These change something, unless they make something new.
const TURN: [&str; 3] = ["make", "turn", "paint"];
const NEW: [&str; 4] = ["a", "an", "some", "there"];
/// "Take" means several things.
const TAKE_AWAY: [&str; 3] = ["away", "out", "off"];

/// Verbs that move what already is somewhere, if the words say where from or what then.
const PUT: [&str; 3] = ["put", "place", "set"];
/// What is laid down again is not taken away.
const DOWN: [&str; 3] = ["and set", "and put", "and place"];

/// What a prompt asks for, judged by the verb that it begins with: in the imperative a verb means what it says,
/// elsewhere ("a clear glass", "without leaves") it need not. Or it describes the picture that is wanted: the canvas
/// without something, something that now stands elsewhere.
pub fn intent(base: &str) -> Intent {
    let text = plain(base);
    let mut tokens = text.split(' ').skip_while(|t| BEFORE.contains(t));
    match tokens.next() {
        Some(verb) if REMOVE.contains(&verb) => Intent::Remove,
        Some(verb) if MOVE.contains(&verb) => Intent::Move,
        Some(verb) if EXTEND.contains(&verb) => Intent::Extend,
        Some(verb) if CHANGE.contains(&verb) => Intent::Change,
        Some(verb) if TURN.contains(&verb) => match tokens.next() {
            Some(next) if !NEW.contains(&next) => Intent::Change,
            _ => Intent::Other,
        },
        Some("take") if DOWN.iter().any(|words| contains_words(&text, words)) => Intent::Move,
        Some(verb) if PUT.contains(&verb) && contains_words(&text, "where") => Intent::Move,
        Some("take") if TAKE_AWAY.iter().any(|word| contains_words(&text, word)) => Intent::Remove,
        Some("get") if contains_words(&text, "rid of") => Intent::Remove,
        Some(picture) if picture.starts_with("img") && tokens.next() == Some("without") => {
            Intent::Remove
        }
        _ if contains_words(&text, "now stands") => Intent::Move,
        _ if contains_words(&text, "stands") && contains_words(&text, "instead of") => Intent::Move,
        _ => Intent::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imperatives_mean_what_they_say() {
        for prompt in [
            "Remove the chair from IMG1.",
            "remove IMG2",
            "Please erase the lamp at IMG2 and show the wall behind it.",
            "Take the chair away from IMG1, with its shadow.",
            "Take away what IMG2 shows.",
            "Clear the region of IMG2 in IMG1.",
            "Get rid of the sign.",
            "Delete it!",
            "IMG1 without the white chicken.",
        ] {
            assert_eq!(intent(prompt), Intent::Remove, "{prompt}");
        }
        for prompt in [
            "Move the chair from IMG2 to IMG3.",
            "shift it to the left",
            "Put the green frog of IMG2 where IMG3 is.",
            "Take the wrapper at IMG2 and set it down at IMG3.",
            "The sailboat at IMG2 now stands at IMG3, on the left side.",
            "The red apple of IMG1 stands in the middle instead of on the right.",
        ] {
            assert_eq!(intent(prompt), Intent::Move, "{prompt}");
        }
        for prompt in ["Extend IMG1 beyond its edges.", "Outpaint IMG1."] {
            assert_eq!(intent(prompt), Intent::Extend, "{prompt}");
        }
        for prompt in [
            "Make the ball blue.",
            "turn IMG2 into glass",
            "Recolour the chair at IMG2.",
            "Paint it red.",
            "Please darken the wall",
        ] {
            assert_eq!(intent(prompt), Intent::Change, "{prompt}");
        }
        for prompt in [
            "",
            "Make a cup stand here.",
            "Paint some birds",
            "Turn",
            "Add a clear glass of water.",
            "A vase without flowers.",
            "Take a picture of the sea.",
            "Get a chair.",
            "A removed tile.",
            "Put the cup on the table.",
            "Set the table for two, without plates.",
            "A bus stands in the street.",
            "Put IMG2 into IMG1 and remove nothing.",
        ] {
            assert_eq!(intent(prompt), Intent::Other, "{prompt}");
        }
    }
}
