//! Errands: what is waited for, and what comes back.

use super::*;
use std::time::{Duration, Instant};

fn wait(files: &mut Files) -> Outcome {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(outcome) = files.poll() {
            return outcome;
        }
        assert!(Instant::now() < end, "no outcome");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_missing_file_is_one_sentence() {
    let mut files = Files::new(|| {});
    files.load(0, vec!["no/such/picture.png".into()], Destination::Auto);
    let Outcome::Failed(sentence) = wait(&mut files) else {
        panic!("must fail");
    };
    assert!(sentence.contains("picture.png"));
}

#[test]
fn closing_waits_for_what_is_written_once_its_place_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let [known, chosen] = ["known.png", "chosen.png"].map(|name| folder.path().join(name));
    let mut files = Files::new(|| {});
    let picture = Arc::new(Picture::filled(2000, 2000, [9, 8, 7, 255]));
    files.save(1, picture, None, "x".into(), Some(known.clone()));
    let (begin, begun) = sync_channel(1);
    let (answer, path) = (move || Some(chosen), folder.path().join("chosen.png"));
    files.write_where("save", None, answer, move |path, _| {
        begin.send(()).unwrap();
        thread::sleep(Duration::from_millis(100));
        std::fs::write(path.unwrap(), b"x").unwrap();
    });
    begun.recv().unwrap();
    files.finish();
    assert!(known.exists() && path.exists());
    // A dialog that is open is not waited for.
    let (_answer, answered) = sync_channel::<()>(1);
    let ask = move || answered.recv().ok().and(None);
    files.write_where("save", None, ask, |_, _| {});
    files.finish();
}

#[cfg(target_os = "linux")]
#[test]
fn a_path_that_is_no_text_costs_no_other_its_place() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    let here = folder.path().join("cup.ora");
    std::fs::write(&here, b"x").unwrap();
    let mut files = Files::new(|| {});
    let [recent, model] = ["recent.json", "model.json"].map(|name| folder.path().join(name));
    files.save_recent(recent.clone(), vec![odd.clone(), here.clone()]);
    files.save_model(model.clone(), ModelSource::Embedded);
    files.finish();
    files.load_recent(recent);
    let Outcome::Recent(list) = wait(&mut files) else {
        panic!("must be a list");
    };
    assert_eq!(list, [here]);
    files.save_model(model.clone(), ModelSource::Folder(odd));
    files.finish();
    assert!(!std::fs::read(&model).unwrap().is_empty());
}

#[test]
fn names_end_as_what_is_written() {
    for (chosen, written) in [
        ("a.png", "a.png"),
        ("a.PNG", "a.PNG"),
        ("b/a", "b/a.png"),
        ("a.jpg", "a.jpg.png"),
        ("v1.2", "v1.2.png"),
    ] {
        assert_eq!(with_extension(chosen.into(), "png"), Path::new(written));
    }
}

#[test]
fn a_saved_result_can_be_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.png");
    let picture = Arc::new(Picture::filled(5, 4, [9, 8, 7, 255]));
    let mut files = Files::new(|| {});
    files.save(
        3,
        Arc::clone(&picture),
        None,
        "x".into(),
        Some(path.clone()),
    );
    assert!(matches!(wait(&mut files), Outcome::Saved(3, _)));
    files.load(7, vec![path], Destination::As(Purpose::Canvas));
    let Outcome::Picture {
        which: Some(7),
        picture: back,
        name,
        ..
    } = wait(&mut files)
    else {
        panic!("must load");
    };
    assert_eq!((&*back, name.as_str()), (&*picture, "result"));
}

#[test]
fn what_is_read_has_a_name_until_it_is_told() {
    let mut files = Files::new(|| {});
    let paths = ["no/such/a.png", "no/such/b.png"].map(PathBuf::from);
    files.load(0, paths.to_vec(), Destination::Auto);
    for _ in 0..2 {
        wait(&mut files);
    }
    while !files.is_idle() {
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(files.reading(), None);
    let read = files.reading.begin(Path::new("folder/cup.png"));
    let same = files.reading.begin(Path::new("other/cup.png"));
    assert_eq!(files.reading().as_deref(), Some("cup.png"));
    drop(read);
    assert_eq!(files.reading().as_deref(), Some("cup.png"));
    drop(same);
    assert_eq!(files.reading(), None);
}

#[test]
fn objects_are_cut_out_in_turn_and_what_is_stopped_has_no_outcome() {
    let mut files = Files::new(|| {});
    let mut photo = Picture::filled(60, 40, [90, 140, 60, 255]);
    for y in 12..30 {
        for x in 20..44 {
            let at = (y * 60 + x) * 4;
            photo.pixels_mut()[at..at + 3].copy_from_slice(&[200, 30, 40]);
        }
    }
    let photo = Arc::new(photo);
    let slots: Vec<SlotId> = {
        let mut document = Document::new();
        let mut add = || {
            let edit = crate::doc::Edit::AddSlot {
                picture: Arc::clone(&photo),
                name: "cup".into(),
                source: None,
                purpose: Some(Purpose::Asset),
            };
            document.apply(edit).unwrap();
            document.slots().last().unwrap().id
        };
        (0..3).map(|_| add()).collect()
    };
    // Nobody's turn comes as long as this is held.
    let turn = Arc::clone(&files.cuttings.turn);
    let held = turn.lock().unwrap();
    for slot in &slots {
        files.cut(Cutting {
            which: 0,
            slot: Some(*slot),
            picture: Arc::clone(&photo),
            mask: None,
            name: "cup".into(),
            asked: true,
        });
    }
    let some = |at: usize| Some(slots[at]);
    assert_eq!(files.cutting(0), [some(0), some(1), some(2)]);
    files.stop_cutting(|cutting| cutting.slot != some(1));
    assert_eq!(files.cutting(0), [some(0), some(2)]);
    thread::sleep(Duration::from_millis(100));
    assert!(files.poll().is_none());
    assert!(files.cutting(1).is_empty());
    drop(held);
    let mut told: Vec<_> = (0..2)
        .map(|_| match wait(&mut files) {
            Outcome::Cut(cutting, object) => (cutting.slot, object.is_some()),
            other => panic!("{other:?}"),
        })
        .collect();
    told.sort_by_key(|(slot, _)| *slot != some(0));
    assert_eq!(told, [(some(0), true), (some(2), true)]);
    while !files.is_idle() {
        thread::sleep(Duration::from_millis(1));
    }
    assert!(files.poll().is_none() && files.cutting(0).is_empty());
}
