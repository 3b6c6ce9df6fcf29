use super::*;
use proptest::prelude::*;

const CANVAS: Purpose = Purpose::Canvas;
const ASSET: Purpose = Purpose::Asset;
const MASK: Purpose = Purpose::Control(ControlKind::Mask);

fn labels(text: &str) -> Vec<String> {
    words(text).iter().map(Word::label).collect()
}

#[test]
fn finds_words() {
    let text = "The dog from IMG1 (not IMG_2, IMG3a or aIMG4) at img2's place; RES1, IMG?";
    assert_eq!(labels(text), ["IMG1", "IMG2", "RES1", "IMG?"]);
    let found = words(text);
    assert_eq!(&text[found[1].range.clone()], "img2");
    assert_eq!(found[0].row(), Some(0));
    assert_eq!(found[2].row(), Some(8));
    assert_eq!(labels("IMG"), [""; 0]);
    assert_eq!(labels("IMG12"), ["IMG12"]);
    assert_eq!(words("RES5")[0].row(), None);
    assert_eq!(labels("ÄIMG1 IMG2ß –IMG3–"), ["IMG3"]);
}

#[test]
fn a_dangling_word_is_named() {
    let error = compile("Put IMG4 on IMG1", &[CANVAS, ASSET, MASK], 1, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "IMG4 is not there: this job has 3 inputs"
    );
    assert_eq!(error.range(), 4..8);
    let error = compile("RES2", &[], 1, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "RES2 is not there: this job has 1 output picture"
    );
    let error = compile("a IMG0", &[], 1, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "IMG0 is not there: this job has no inputs"
    );
    let error = compile("a img?", &[CANVAS], 1, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "IMG? stands for a picture that was removed: write another word there, or delete it"
    );
    assert_eq!(problems("IMG2 IMG3 IMG1", 1, 1).len(), 2);
    let huge = compile("IMG99999999999999", &[CANVAS], 1, None).unwrap_err();
    assert_eq!(
        huge.to_string(),
        "IMG99999999999999 is not there: this job has 1 input"
    );
}

#[test]
fn compiles_the_exact_text() {
    let compiled = compile(
        "  Place the mug of img2\nat the position of IMG3 ",
        &[CANVAS, ASSET, MASK],
        1,
        None,
    )
    .unwrap();
    assert_eq!(
        compiled.text,
        "Realistic style; static scenario; with reference object. \
         Place the mug of IMG2 at the position of IMG3"
    );
    assert_eq!(
        compiled.base,
        "Place the mug of IMG2 at the position of IMG3"
    );
    assert!(compiled.derived_tags);
    let word = &compiled.words[0];
    assert_eq!(&compiled.text[word.range.clone()], "IMG2");
    let set = |tags: &[&str]| tags.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    let compiled = compile("A dog", &[], 1, Some(&[])).unwrap();
    assert_eq!(compiled.text, "A dog");
    assert!(!compiled.derived_tags);
    let compiled = compile("", &[], 1, Some(&set(&["Static scenario", " night; "]))).unwrap();
    assert_eq!(compiled.text, "Static scenario; night.");
    assert_eq!(compiled.tags, ["static scenario", "night"]);
    assert_eq!(compile("", &[], 1, Some(&[])).unwrap().text, "");
}

#[test]
fn derives_tags() {
    let tags = |base: &str, inputs: &[Purpose]| derive_tags(base, inputs).join("; ");
    assert_eq!(tags("A dog", &[]), "realistic style");
    assert_eq!(tags("A cartoon dog", &[]), "synthetic style");
    assert_eq!(
        tags("The dog from IMG1 on grass", &[ASSET, ASSET, MASK]),
        "realistic style; novel scenario; with reference object"
    );
    assert_eq!(
        tags("Segment the dog", &[CANVAS]),
        "realistic style; perception task"
    );
    assert_eq!(
        tags("The dog runs away", &[CANVAS]),
        "realistic style; dynamic scenario"
    );
    assert_eq!(
        tags("The dog runs away", &[CANVAS, MASK]),
        "realistic style; static scenario"
    );
    assert_eq!(
        tags("Add a prune", &[CANVAS]),
        "realistic style; static scenario",
        "no clue inside a word"
    );
}

#[test]
fn tags_are_read_from_a_line() {
    assert_eq!(parse_tags(" Auto "), None);
    assert_eq!(parse_tags(""), Some(vec![]));
    assert_eq!(
        parse_tags("Realistic Style; ; night.;realistic style"),
        Some(vec!["realistic style".to_owned(), "night".to_owned()])
    );
}

#[test]
fn derives_roles() {
    let roles = |given: &[Option<Purpose>], base: &str| derive_roles(given, base);
    assert_eq!(roles(&[None, None], ""), [CANVAS, ASSET]);
    assert_eq!(
        roles(
            &[None; 4],
            "Put IMG2 in IMG1, with the depth map IMG3, at the position of IMG4"
        ),
        [CANVAS, ASSET, Purpose::Control(ControlKind::Depth), MASK]
    );
    assert_eq!(
        roles(&[None, Some(CANVAS)], ""),
        [ASSET, CANVAS],
        "one canvas at most"
    );
    assert_eq!(roles(&[Some(ASSET), None], ""), [ASSET, ASSET]);
    assert_eq!(
        roles(&[Some(ASSET)], "the depth of IMG1"),
        [ASSET],
        "what the artist said stays"
    );
    assert_eq!(
        roles(&[None], "follow the edges of IMG1"),
        [Purpose::Control(ControlKind::Edge)]
    );
}

#[test]
fn renumbering_marks_removed_pictures() {
    let text = "img1 and IMG2, IMG3; IMG7 RES1";
    let moved = renumber(text, 3, |old| match old {
        2 => None,
        3 => Some(2),
        n => Some(n),
    });
    assert_eq!(moved, "IMG1 and IMG?, IMG2; IMG7 RES1");
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "(?s).{0,60}") {
        for word in words(&text) {
            prop_assert!(text.get(word.range).is_some());
        }
        let _ = compile(&text, &[CANVAS], 1, None);
    }

    #[test]
    fn renumbering_there_and_back_is_the_identity(
        numbers in prop::collection::vec(1usize..=8, 0..10),
        order in Just((1usize..=8).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let text = numbers.iter().map(|n| format!("a IMG{n}")).collect::<Vec<_>>().join(", ");
        let there = renumber(&text, 8, |old| Some(order[old - 1]));
        let back = renumber(&there, 8, |old| order.iter().position(|&o| o == old).map(|i| i + 1));
        prop_assert_eq!(back, text);
    }

    #[test]
    fn compiling_twice_gives_the_same_text(base in "[a-z ,.]{0,30}(IMG[12])?[a-z ]{0,20}") {
        let once = compile(&base, &[CANVAS, ASSET], 1, None).unwrap();
        let twice = compile(&once.base, &[CANVAS, ASSET], 1, Some(&once.tags)).unwrap();
        prop_assert_eq!(once.text, twice.text);
    }
}
