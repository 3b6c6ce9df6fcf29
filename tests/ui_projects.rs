//! Projects in the window: opening, saving, questions before something is lost, recovery after a crash.

mod ui_support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eframe::App as _;
use egui::{Key, Modifiers, Theme, ViewportEvent, ViewportId};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use inlay::doc::{Document, Edit, Level, Picture};
use inlay::engine::message::Event;
use inlay::io::project;
use inlay::ui::{App, Start};
use ui_support::{Dropped, Scripted, file, settle, until, window_with};

type Window = Harness<'static, App>;

fn window(files: &[&Path], data: Option<&Path>) -> (Window, Scripted) {
    let start = Start {
        files: files.iter().map(|path| path.to_path_buf()).collect(),
        data: data.map(Path::to_owned),
        ..Start::default()
    };
    window_with([1280.0, 800.0], 1.0, Theme::Dark, start)
}

fn project_file(folder: &Path, name: &str, colour: u8) -> PathBuf {
    let mut document = Document::new();
    for edit in [
        Edit::AddSlot {
            picture: Arc::new(Picture::filled(64, 48, [colour, 9, 9, 255])),
            name: name.to_owned(),
            source: None,
            purpose: None,
        },
        Edit::AddRegion {
            mask: None,
            level: Level::Box,
            asset: None,
        },
        Edit::SetPrompt(format!("About {name}")),
    ] {
        document.apply(edit).unwrap();
    }
    let path = folder.join(format!("{name}.ora"));
    project::write(&path, &document, &[]).unwrap();
    path
}

fn press(window: &mut Window, modifiers: Modifiers, key: Key) {
    window.key_press_modifiers(modifiers, key);
    settle(window);
}

fn click(window: &mut Window, label: &str) {
    window.get_by_label(label).click();
    settle(window);
}

fn write_prompt(window: &mut Window, text: &str) {
    window.get_by_label("Prompt").focus();
    window.run();
    window.get_by_label("Prompt").type_text(text);
    settle(window);
}

fn ask_to_close(window: &mut Window) {
    let viewports = &mut window.input_mut().viewports;
    let events = &mut viewports.entry(ViewportId::ROOT).or_default().events;
    events.push(ViewportEvent::Close);
    window.step();
    settle(window);
}

#[test]
fn a_project_opens_is_changed_and_saved_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = project_file(folder.path(), "cup", 10);
    let (mut window, _) = window(&[&path], None);
    assert_eq!(window.state().session.titled(), "cup");
    assert_eq!(
        window.state().session.document.regions()[0].level,
        Level::Box
    );
    write_prompt(&mut window, " and more");
    assert_eq!(window.state().session.titled(), "cup*");
    press(&mut window, Modifiers::COMMAND, Key::S);
    assert_eq!(window.state().session.titled(), "cup");
    let written = project::open(&path).unwrap().document;
    assert_eq!(written, window.state().session.document);
    assert!(written.prompt().ends_with(" and more"));
    // Undoing past the save is a change again.
    press(&mut window, Modifiers::NONE, Key::Escape);
    window.state_mut().session.history.seal();
    window.get_by_label("Undo").click();
    settle(&mut window);
    assert_eq!(window.state().session.titled(), "cup*");
}

#[test]
fn changes_are_asked_about_before_another_project_opens() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (
        project_file(folder.path(), "cup", 10),
        project_file(folder.path(), "lamp", 20),
    );
    let (mut window, _) = window(&[&first], None);
    let drop_second = |window: &mut Window| {
        let file = Arc::new(Dropped(second.clone()));
        window.input_mut().dropped_files.push(file);
        window.step();
        settle(window);
    };
    write_prompt(&mut window, " once");
    drop_second(&mut window);
    click(&mut window, "Go back");
    assert_eq!(window.state().session.titled(), "cup*");
    drop_second(&mut window);
    click(&mut window, "Don't save");
    assert_eq!(window.state().session.titled(), "lamp");
    let kept = project::open(&first).unwrap().document;
    assert_eq!(kept.prompt(), "About cup");

    write_prompt(&mut window, " twice");
    press(&mut window, Modifiers::COMMAND, Key::N);
    window.get_by_label("Save the changes to lamp?");
    // Keys are for the question: Enter does not accept a result.
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert_eq!(window.state().session.titled(), "untitled");
    let kept = project::open(&second).unwrap().document;
    assert_eq!(kept.prompt(), "About lamp twice");
}

#[test]
fn closing_asks_about_changes_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = project_file(folder.path(), "cup", 10);
    let (mut window, _) = window(&[&path], None);
    ask_to_close(&mut window);
    assert!(!window.state().session.project.asking);
    write_prompt(&mut window, " more");
    ask_to_close(&mut window);
    assert!(window.state().session.project.asking);
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(!window.state().session.project.asking);
    assert!(!window.state().session.project.leaving);
    ask_to_close(&mut window);
    click(&mut window, "Don't save");
    assert!(window.state().session.project.leaving);
}

#[test]
fn what_cannot_be_opened_or_written_is_one_sentence_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = project_file(folder.path(), "cup", 10);
    let broken = folder.path().join("broken.ora");
    std::fs::write(&broken, b"PK nothing").unwrap();
    let (mut window, _) = window(&[&path], None);
    let before = window.state().session.document.clone();
    let file = Arc::new(Dropped(broken));
    window.input_mut().dropped_files.push(file);
    window.step();
    settle(&mut window);
    let messages = |window: &Window| {
        let list = window.state().session.toasts.list();
        list.iter().map(|t| t.text.clone()).collect::<Vec<_>>()
    };
    assert!(messages(&window)[0].starts_with("This is no OpenRaster project"));
    assert_eq!(window.state().session.document, before);
    // The folder is gone: the changes stay changes.
    drop(folder);
    write_prompt(&mut window, " more");
    press(&mut window, Modifiers::COMMAND, Key::S);
    assert!(messages(&window).iter().any(|text| text.contains("folder")));
    assert_eq!(window.state().session.titled(), "cup*");
}

#[test]
fn a_picture_of_another_program_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = project_file(folder.path(), "cup", 10);
    // Without our own entry it is a file like Krita's.
    let bytes = std::fs::read(&path).unwrap();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut written = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    for at in 0..archive.len() {
        let entry = archive.by_index_raw(at).unwrap();
        if !entry.name().unwrap().starts_with("inlay/") {
            written.raw_copy_file(entry).unwrap();
        }
    }
    written.finish().unwrap();
    let (window, _) = window(&[&path], None);
    let session = &window.state().session;
    assert!(session.canvas().is_some());
    assert_eq!(
        (session.name.as_str(), &session.project.path),
        ("cup", &None)
    );
}

#[test]
fn recent_projects_are_kept_from_session_to_session() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = project_file(folder.path(), "cup", 10);
    let second = project_file(folder.path(), "lamp", 20);
    for path in [&first, &second] {
        let (mut window, _) = window(&[path], Some(&data));
        settle(&mut window);
        window.state_mut().on_exit();
    }
    std::fs::remove_file(&first).unwrap();
    let (mut window, _) = window(&[], Some(&data));
    // The list is read on a thread of its own.
    until(&mut window, |app| !app.session.project.recent.is_empty());
    assert_eq!(window.state().session.project.recent, [second]);
    click(&mut window, "File");
    window.get_by_label_contains("Open recent").click();
    settle(&mut window);
    click(&mut window, "lamp");
    assert_eq!(window.state().session.titled(), "lamp");
}

#[test]
fn a_crash_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let path = project_file(folder.path(), "cup", 10);
    let (mut first, _) = window(&[&path], Some(&data));
    write_prompt(&mut first, " before the crash");
    let document = first.state().session.document.clone();
    // As in a crash nothing is told: the thread only writes what it has.
    drop(first);

    let (mut second, _) = window(&[], Some(&data));
    settle(&mut second);
    second.get_by_label("Inlay was not closed properly");
    click(&mut second, "Recover cup");
    let session = &second.state().session;
    assert_eq!(session.document, document);
    assert_eq!(session.titled(), "cup*");
    assert_eq!(session.project.path.as_deref(), Some(path.as_path()));
    press(&mut second, Modifiers::COMMAND, Key::S);
    assert_eq!(project::open(&path).unwrap().document, document);
    settle(&mut second);
    second.state_mut().on_exit();
    drop(second);

    let (third, _) = window(&[], Some(&data));
    assert!(third.state().session.project.lost.is_empty());
    assert!(
        third
            .query_by_label("Inlay was not closed properly")
            .is_none()
    );
}

/// Presses the keys for one frame only: what they begin is still going on then.
fn press_only(window: &mut Window, modifiers: Modifiers, key: Key) {
    window.key_press_modifiers(modifiers, key);
    window.step();
}

#[test]
fn what_was_saved_late_does_not_become_another_documents_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = project_file(folder.path(), "cup", 10);
    let (mut window, _) = window(&[&path], None);
    write_prompt(&mut window, " late");
    press_only(&mut window, Modifiers::COMMAND, Key::S);
    let session = &mut window.state_mut().session;
    assert!(session.project.saving);
    session.replace_document(Document::new(), Document::new(), "untitled");
    assert!(!session.project.saving);
    settle(&mut window);
    let session = &window.state().session;
    assert_eq!(session.project.path, None);
    assert_eq!(session.titled(), "untitled");
    let told = session.toasts.list().iter().any(|toast| {
        let text = toast.text.to_lowercase();
        text.starts_with("saved as")
    });
    assert!(told);
    let kept = project::open(&path).unwrap().document;
    assert_eq!(kept.prompt(), "About cup late");
}

#[test]
fn a_project_that_arrives_late_asks_about_what_changed_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (
        project_file(folder.path(), "cup", 10),
        project_file(folder.path(), "lamp", 20),
    );
    let (mut window, _) = window(&[&first], None);
    let drop_and_change = |window: &mut Window, text: &str| {
        let file = Arc::new(Dropped(second.clone()));
        window.input_mut().dropped_files.push(file);
        window.step();
        let edit = Edit::SetPrompt(text.to_owned());
        assert!(window.state_mut().session.edit(edit));
        settle(window);
    };
    drop_and_change(&mut window, "meanwhile");
    assert_eq!(window.state().session.titled(), "cup*");
    click(&mut window, "Go back");
    assert_eq!(window.state().session.document.prompt(), "meanwhile");
    press(&mut window, Modifiers::COMMAND, Key::S);
    drop_and_change(&mut window, "meanwhile again");
    click(&mut window, "Save");
    assert_eq!(window.state().session.titled(), "lamp");
    let kept = project::open(&first).unwrap().document;
    assert_eq!(kept.prompt(), "meanwhile again");
}

#[test]
fn what_is_changed_while_saving_is_asked_about_before_closing() {
    let folder = tempfile::tempdir().unwrap();
    let path = project_file(folder.path(), "cup", 10);
    let (mut window, _) = window(&[&path], None);
    write_prompt(&mut window, " one");
    ask_to_close(&mut window);
    press_only(&mut window, Modifiers::NONE, Key::Enter);
    let session = &mut window.state_mut().session;
    assert!(session.project.saving);
    assert!(session.edit(Edit::SetPrompt("two".to_owned())));
    settle(&mut window);
    let project = &window.state().session.project;
    assert!(project.asking && !project.leaving);
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(window.state().session.project.leaving);
    assert_eq!(project::open(&path).unwrap().document.prompt(), "two");
}

#[test]
fn starred_results_and_running_jobs_are_asked_about() {
    let (mut window, engine) = window(&[], None);
    press(&mut window, Modifiers::COMMAND, Key::Enter);
    let (id, _) = engine.job();
    ask_to_close(&mut window);
    window.get_by_label("Stop the running job?");
    click(&mut window, "Go back");
    for index in 0..4 {
        engine.finish(index);
    }
    engine.tell(Event::Done(id));
    window.step();
    settle(&mut window);
    // Results are thrown away all day; a star says that one is not to be.
    assert!(window.state().session.stakes().is_none());
    click(&mut window, "Star result 2");
    press(&mut window, Modifiers::COMMAND, Key::N);
    window.get_by_label("Leave a starred result unsaved?");
    // Enter does not throw it away.
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert_eq!(window.state().session.outputs.len(), 4);
    ask_to_close(&mut window);
    assert!(window.state().session.project.asking);
    click(&mut window, "Go back");
    // What is in a file or in the document is not lost.
    window.state_mut().session.outputs[1].saved = Some("cup.png".into());
    assert!(window.state().session.stakes().is_none());
    window.state_mut().session.outputs[1].saved = None;
    click(&mut window, "Accept result 2");
    assert!(window.state().session.stakes().results.is_empty());
    press(&mut window, Modifiers::COMMAND, Key::Z);
    press(&mut window, Modifiers::COMMAND, Key::N);
    click(&mut window, "Go on");
    assert_eq!(window.state().session.titled(), "untitled");
}

/// The sample with four results, of which these are starred.
fn with_results(data: Option<&Path>, starred: &[u32]) -> (Window, Scripted) {
    let (mut window, engine) = window(&[], data);
    press(&mut window, Modifiers::COMMAND, Key::Enter);
    let (id, _) = engine.job();
    (0..4).for_each(|index| engine.finish(index));
    engine.tell(Event::Done(id));
    window.step();
    settle(&mut window);
    for number in starred {
        click(&mut window, &format!("Star result {number}"));
    }
    (window, engine)
}

/// The results' numbers and pictures.
fn results(window: &Window) -> Vec<(u32, Arc<Picture>)> {
    let outputs = window.state().session.outputs.iter();
    let finished = outputs.filter_map(|o| Some((o.number, o.picture.clone()?)));
    finished.collect()
}

#[test]
fn starred_results_are_saved_with_the_project() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.ora");
    let (mut window, engine) = with_results(None, &[2, 4]);
    let made = results(&window);
    window.state_mut().session.project.path = Some(path.clone());
    press(&mut window, Modifiers::COMMAND, Key::N);
    window.get_by_label("Leave 2 starred results unsaved?");
    window.get_by_label("2 starred results are in no file; saving keeps them in the project");
    // Enter saves what has a file.
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert_eq!(window.state().session.titled(), "untitled");
    assert!(window.state().session.outputs.is_empty());

    let file = Arc::new(Dropped(path.clone()));
    window.input_mut().dropped_files.push(file);
    window.step();
    settle(&mut window);
    assert_eq!(window.state().session.titled(), "table");
    assert_eq!(results(&window), [made[1].clone(), made[3].clone()]);
    let session = &window.state().session;
    assert!(session.outputs.iter().all(|output| output.starred));
    assert!(session.stakes().is_none());
    // They are compared with the document's own canvas, and say how they were made.
    let canvas = &session.document.canvas().unwrap().picture;
    assert!(Arc::ptr_eq(
        session.outputs[0].base.as_ref().unwrap(),
        canvas
    ));
    assert_eq!(session.outputs[0].seed + 2, session.outputs[1].seed);
    assert!(session.outputs[0].spec.prompt.contains("IMG2"));
    // New ones are numbered after them, and a project without stars holds none.
    press(&mut window, Modifiers::COMMAND, Key::Enter);
    let _ = engine.job();
    assert_eq!(window.state().session.outputs[2].number, 5);
    click(&mut window, "Take the star from result 2");
    click(&mut window, "Take the star from result 4");
    press(&mut window, Modifiers::COMMAND, Key::S);
    assert!(project::open(&path).unwrap().results.is_empty());
}

#[test]
fn a_result_that_changed_while_it_was_saved_is_asked_about_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.ora");
    let (mut window, _engine) = with_results(None, &[1]);
    window.state_mut().session.project.path = Some(path.clone());
    press(&mut window, Modifiers::COMMAND, Key::S);
    assert!(window.state().session.stakes().results.is_empty());
    // As when it is joined in another way.
    let session = &mut window.state_mut().session;
    let changed = Arc::new(Picture::filled(9, 9, [1, 2, 3, 255]));
    session.outputs[0].picture = Some(changed.clone());
    assert_eq!(session.stakes().results, [session.outputs[0].id]);
    press_only(&mut window, Modifiers::COMMAND, Key::N);
    settle(&mut window);
    click(&mut window, "Save");
    assert_eq!(window.state().session.titled(), "untitled");
    let kept = project::open(&path).unwrap().results;
    assert_eq!((kept.len(), &kept[0].picture), (1, &changed));
}

#[test]
fn an_accepted_result_is_kept_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.ora");
    let (mut window, _engine) = with_results(None, &[2]);
    click(&mut window, "Accept result 2");
    window.state_mut().session.project.path = Some(path.clone());
    press(&mut window, Modifiers::COMMAND, Key::S);
    let opened = project::open(&path).unwrap();
    let [kept] = &opened.results[..] else {
        panic!("{}", opened.results.len());
    };
    let canvas = &opened.document.canvas().unwrap().picture;
    assert!(Arc::ptr_eq(&kept.picture, canvas));
    // What it was made on is there to compare.
    assert_ne!(kept.base.as_ref().unwrap(), canvas);
}

#[test]
fn starred_results_survive_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (first, _) = with_results(Some(&data), &[3]);
    let made = results(&first);
    drop(first);
    let (mut second, _) = window(&[], Some(&data));
    settle(&mut second);
    click(&mut second, "Recover sample");
    assert_eq!(results(&second), [made[2].clone()]);
    // They are in no file yet.
    assert_eq!(second.state().session.stakes().results.len(), 1);
}

#[test]
fn a_picture_that_is_read_late_stays_out_of_another_document() {
    let folder = tempfile::tempdir().unwrap();
    let path = project_file(folder.path(), "cup", 10);
    let picture = Picture::filled(30, 20, [1, 99, 5, 255]);
    let leaf = file(folder.path(), "leaf.png", &picture);
    let (mut window, _) = window(&[&path], None);
    window
        .input_mut()
        .dropped_files
        .push(Arc::new(Dropped(leaf)));
    let card = window.get_by_label("Add an object").rect().center();
    window.hover_at(card);
    window.step();
    let session = &mut window.state_mut().session;
    session.replace_document(Document::new(), Document::new(), "untitled");
    settle(&mut window);
    let session = &window.state().session;
    assert!(session.document.slots().is_empty());
    let told = session.toasts.list();
    assert!(
        told.iter()
            .any(|t| t.text.starts_with("Leaf was read too late"))
    );
    assert_eq!(session.reading, None);
}
