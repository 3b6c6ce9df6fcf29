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
    /// Anything else.
    Other,
}

/// Politeness and the like before the verb.
const BEFORE: [&str; 4] = ["please", "now", "just", "then"];
const REMOVE: [&str; 5] = ["remove", "erase", "delete", "clear", "empty"];
const MOVE: [&str; 3] = ["move", "shift", "relocate"];
const EXTEND: [&str; 4] = ["extend", "continue", "outpaint", "complete"];
/// "Take" means several things.
const TAKE_AWAY: [&str; 3] = ["away", "out", "off"];

/// What a prompt asks for, judged by the verb that it begins with: in the imperative a verb means what it says,
/// elsewhere ("a clear glass", "without leaves") it need not.
pub fn intent(base: &str) -> Intent {
    let text = plain(base);
    let mut tokens = text.split(' ').skip_while(|t| BEFORE.contains(t));
    match tokens.next() {
        Some(verb) if REMOVE.contains(&verb) => Intent::Remove,
        Some(verb) if MOVE.contains(&verb) => Intent::Move,
        Some(verb) if EXTEND.contains(&verb) => Intent::Extend,
        Some("take") if TAKE_AWAY.iter().any(|word| contains_words(&text, word)) => Intent::Remove,
        Some("get") if contains_words(&text, "rid of") => Intent::Remove,
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
        ] {
            assert_eq!(intent(prompt), Intent::Remove, "{prompt}");
        }
        for prompt in ["Move the chair from IMG2 to IMG3.", "shift it to the left"] {
            assert_eq!(intent(prompt), Intent::Move, "{prompt}");
        }
        for prompt in ["Extend IMG1 beyond its edges.", "Outpaint IMG1."] {
            assert_eq!(intent(prompt), Intent::Extend, "{prompt}");
        }
        for prompt in [
            "",
            "Add a clear glass of water.",
            "A vase without flowers.",
            "Take a picture of the sea.",
            "Get a chair.",
            "A removed tile.",
            "Put IMG2 into IMG1 and remove nothing.",
        ] {
            assert_eq!(intent(prompt), Intent::Other, "{prompt}");
        }
    }
}
