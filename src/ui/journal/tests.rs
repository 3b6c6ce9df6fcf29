//! Sessions that die, and what is found of them.

use super::*;
use crate::doc::Edit;

fn document(colour: u8) -> Document {
    let mut document = Document::new();
    document
        .apply(Edit::AddSlot {
            picture: Arc::new(Picture::filled(9, 7, [colour, 2, 3, 255])),
            name: "photo".into(),
            source: None,
            purpose: None,
        })
        .unwrap();
    document
}

fn until(so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(Instant::now() < end, "it never came");
        thread::sleep(Duration::from_millis(2));
    }
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, |entries| entries.count())
}

#[test]
fn a_session_that_dies_is_found_with_its_last_change() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::start(folder.path().into(), || {});
    journal.note(
        (&document(1), Vec::new()),
        true,
        "cup",
        Some(Path::new("cup.ora")),
    );
    until(|| journal.is_idle());
    // A running session is nobody else's.
    assert!(find(folder.path()).is_empty());
    let last = document(9);
    journal.note((&last, Vec::new()), true, "cup", Some(Path::new("cup.ora")));
    drop(journal);
    let found = find(folder.path());
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].name.as_str(), found[0].path.as_deref()),
        ("cup", Some(Path::new("cup.ora")))
    );
    let opened = crate::io::project::open(&found[0].file).unwrap();
    assert_eq!(opened.document, last);
    assert_eq!(found[0].age(), "a minute ago");
}

fn result(number: u32, picture: Arc<Picture>, base: Option<Arc<Picture>>) -> Kept {
    Kept {
        number,
        picture,
        base,
        spec: Arc::new(crate::doc::job::tests::spec()),
        output: 0,
        joint: 0,
        seed: 5,
        map: None,
    }
}

#[test]
fn starred_results_are_found_again_and_are_written_only_when_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::start(folder.path().into(), || {});
    let first = document(1);
    let canvas = Arc::clone(&first.slots()[0].picture);
    let made = Arc::new(Picture::filled(9, 7, [7, 7, 7, 255]));
    let star = vec![result(3, made, Some(canvas))];
    journal.note((&first, star.clone()), true, "cup", None);
    until(|| journal.is_idle());
    let file = || {
        let mut all = fs::read_dir(folder.path())
            .unwrap()
            .map(|e| e.unwrap().path());
        all.find(|path| path.extension().is_some_and(|e| e == RESULTS))
    };
    let written = || fs::metadata(file().unwrap()).unwrap().modified().unwrap();
    let before = written();
    let mut second = first.clone();
    second.apply(Edit::SetPrompt("a cup".into())).unwrap();
    journal.note((&second, star.clone()), true, "cup", None);
    until(|| journal.is_idle());
    assert_eq!(written(), before);
    drop(journal);
    let mut lost = find(folder.path()).remove(0);
    let opened = io::project::open(&lost.file).unwrap();
    assert_eq!(opened.document, second);
    let mut warnings = Vec::new();
    let results = lost.results(&opened.document, &mut warnings);
    assert_eq!((&results, warnings.len()), (&star, 0));
    let base = results[0].base.as_ref().unwrap();
    assert!(Arc::ptr_eq(base, &opened.document.slots()[0].picture));
    lost.remove();
    assert_eq!(count(folder.path()), 0);
}

/// A journal that has written a document with one starred result.
fn with_a_star(folder: &Path) -> Journal {
    let mut journal = Journal::start(folder.into(), || {});
    let made = Arc::new(Picture::filled(9, 7, [7, 7, 7, 255]));
    let work = (&document(1), vec![result(1, made, None)]);
    journal.note(work, true, "cup", None);
    until(|| journal.is_idle());
    journal
}

#[test]
fn results_without_a_star_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = with_a_star(folder.path());
    assert_eq!(count(folder.path()), 3);
    journal.note((&document(1), Vec::new()), true, "cup", None);
    until(|| journal.is_idle());
    assert_eq!(count(folder.path()), 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_session_whose_path_is_no_text_is_kept_all_the_same() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let odd = Path::new(std::ffi::OsStr::from_bytes(b"caf\xe9.ora"));
    let mut journal = Journal::start(folder.path().into(), || {});
    journal.note((&document(1), Vec::new()), true, "cup", Some(odd));
    until(|| journal.is_idle());
    assert_eq!(journal.take_failure(), None);
    drop(journal);
    let found = find(folder.path());
    assert_eq!((found[0].name.as_str(), &found[0].path), ("cup", &None));
}

#[test]
fn a_session_that_ends_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::start(folder.path().into(), || {});
    journal.note((&document(1), Vec::new()), true, "cup", None);
    until(|| journal.is_idle());
    assert_eq!(count(folder.path()), 2);
    journal.finish();
    assert_eq!(count(folder.path()), 0);
}

#[test]
fn what_is_saved_elsewhere_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::start(folder.path().into(), || {});
    journal.note((&document(1), Vec::new()), true, "cup", None);
    until(|| journal.is_idle());
    journal.note((&document(1), Vec::new()), false, "cup", None);
    drop(journal);
    assert_eq!(count(folder.path()), 0);
}

#[test]
fn an_adopted_session_goes_when_the_new_one_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Journal::start(folder.path().into(), || {});
    first.note((&document(1), Vec::new()), true, "cup", None);
    drop(first);
    let mut second = Journal::start(folder.path().into(), || {});
    until(|| lock(&second.shared.0).scanned);
    let lost = second.take_lost().remove(0);
    let old = lost.file.clone();
    second.adopt(lost);
    assert!(old.exists());
    second.note((&document(1), Vec::new()), true, "cup", None);
    // The old session's picture and lock go one after the other.
    until(|| second.is_idle() && count(folder.path()) == 2);
    assert!(!old.exists());
}

#[test]
fn a_folder_that_cannot_be_written_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"x").unwrap();
    let mut journal = Journal::start(file.join("journal"), || {});
    journal.note((&document(1), Vec::new()), true, "cup", None);
    until(|| journal.is_idle());
    let why = journal.take_failure().unwrap();
    assert!(why.starts_with("the document can't be kept"), "{why}");
}

#[test]
fn results_that_cannot_be_read_stay_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let journal = with_a_star(folder.path());
    drop(journal);
    let mut lost = find(folder.path()).remove(0);
    let file = lost.file.with_extension(RESULTS);
    fs::write(&file, b"PK").unwrap();
    let mut warnings = Vec::new();
    assert!(lost.results(&document(1), &mut warnings).is_empty());
    // The sentence says where.
    assert!(warnings[0].contains(file.to_str().unwrap()), "{warnings:?}");
    lost.remove();
    assert!(file.exists());
    assert_eq!(count(folder.path()), 1);
}
