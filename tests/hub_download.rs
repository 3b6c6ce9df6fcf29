//! Downloads from a hub on loopback that drops connections, stalls, sends wrong bytes and too few.

mod hub_support;

use std::cell::Cell;
use std::path::Path;

use hub_support::{
    COMMIT, Fault, REPO, Server, model_files, model_folder, never, options, quietly, tree,
};
use inlay::hub::message::{Origin, Phase, State};
use inlay::hub::{HubError, Options, Result, Store, Wanted};

/// A large file of the model, and a small one.
const WEIGHTS: &str = "transformer/diffusion_pytorch_model.safetensors";
const NAME: &str = "tiny-klein";

fn wanted() -> Wanted {
    Wanted::of(REPO, Vec::new(), None).unwrap()
}

fn only(file: &str) -> Wanted {
    Wanted::of(REPO, vec![file.to_owned()], None).unwrap()
}

fn get(options: Options, wanted: &Wanted) -> Result<String> {
    Store::new(options).download(wanted, None, &never, &mut quietly)
}

fn model_in(data: &Path) -> std::path::PathBuf {
    data.join("models").join(NAME)
}

/// Names of files below the model's folder that are not whole.
fn parts(data: &Path) -> Vec<String> {
    let files = tree(&model_in(data)).into_keys();
    files.filter(|name| name.ends_with(".part")).collect()
}

/// One file through these faults; the ranges that were asked for.
fn through(faults: Vec<Fault>) -> Vec<Option<String>> {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    server.fail(WEIGHTS, faults);
    get(options(data.path(), &server.address), &only(WEIGHTS)).unwrap();
    let whole = std::fs::read(model_in(data.path()).join(WEIGHTS)).unwrap();
    assert_eq!(whole, model_files()[WEIGHTS]);
    assert_eq!(parts(data.path()), Vec::<String>::new());
    server.ranges(WEIGHTS)
}

fn from(start: usize) -> Option<String> {
    Some(format!("bytes={start}-"))
}

#[test]
fn a_model_arrives_whole_and_can_be_used() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let store = Store::new(options(data.path(), &server.address));
    let mut seen = Vec::new();
    let name = store
        .download(&wanted(), None, &never, &mut |progress| {
            seen.push((progress.phase, progress.done, progress.total));
        })
        .unwrap();
    assert_eq!(name, NAME);
    // What the model needs and its licence, and nothing else of the repository.
    let mut expected = model_files();
    expected.insert("LICENSE.md".into(), b"a licence".to_vec());
    assert_eq!(tree(&model_in(data.path())), expected);
    let total = expected.values().map(|bytes| bytes.len() as u64).sum();
    assert_eq!(seen.first(), Some(&(Phase::Asking, 0, 0)));
    assert_eq!(seen.last(), Some(&(Phase::Downloading, total, total)));
    assert!(seen.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    // Files are asked for by the commit of the list, once each.
    let asked = server.asked();
    let files = asked.iter().filter(|asked| {
        asked
            .path
            .starts_with(&format!("/{REPO}/resolve/{COMMIT}/"))
            && asked.range.is_none()
    });
    assert_eq!(files.count(), expected.len());
    assert!(asked.iter().all(|asked| asked.token.is_none()));

    let rows = store.list().unwrap();
    let row = rows.iter().find(|row| row.name == NAME).unwrap();
    assert_eq!(row.origin, Origin::Downloaded);
    assert_eq!(row.state, State::Ready);
    assert_eq!(row.licence.as_deref(), Some("apache-2.0"));
    assert_eq!(row.kind, "FLUX.2 [klein], BF16");
    assert!(row.is_usable() && row.memory.unwrap().in_turn > 0);
    assert_eq!(store.path_of("TINY-klein").unwrap(), model_in(data.path()));
    // Neither the list nor looking around nor checking asks anybody.
    store.find();
    let report = store.verify(NAME, &never, &mut quietly).unwrap();
    assert_eq!((report.right, report.unchanged), (expected.len(), 0));
    assert!(report.is_good());
    assert_eq!(server.asked().len(), asked.len());
}

#[test]
fn a_dropped_connection_goes_on_where_it_broke() {
    let ranges = through(vec![Fault::Drop(1000), Fault::Drop(500)]);
    assert_eq!(ranges, [None, from(1000), from(1500)]);
    assert_eq!(through(vec![Fault::Drop(0)]), [None, None]);
}

#[test]
fn a_stalled_connection_is_given_up_and_goes_on() {
    assert_eq!(through(vec![Fault::Stall(700)]), [None, from(700)]);
}

#[test]
fn a_short_answer_is_not_the_file() {
    assert_eq!(through(vec![Fault::Short(900)]), [None, from(900)]);
}

#[test]
fn servers_that_know_no_ranges_or_wrong_ones_begin_anew() {
    let ranges = through(vec![Fault::Drop(800), Fault::NoRanges]);
    assert_eq!(ranges, [None, from(800)]);
    let ranges = through(vec![Fault::Drop(800), Fault::OtherPart]);
    assert_eq!(ranges, [None, from(800), None]);
}

#[test]
fn a_hub_that_is_busy_is_asked_again() {
    let ranges = through(vec![Fault::Status(503, ""), Fault::Status(429, "")]);
    assert_eq!(ranges, [None, None, None]);
}

#[test]
fn a_hub_that_is_busy_is_asked_for_its_list_again() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let store = Store::new(options(data.path(), &server.address));
    server.fail("", [Fault::Status(429, ""), Fault::Status(503, "")]);
    let (wanted, mut phases) = (only("model_index.json"), Vec::new());
    let got = store.download(&wanted, None, &never, &mut |progress| {
        phases.push(progress.phase);
    });
    assert_eq!(got.unwrap(), NAME);
    let expected = [Phase::Asking, Phase::Waiting, Phase::Waiting];
    assert_eq!(phases[..3], expected);
    // Three lists and the file.
    assert_eq!(server.asked().len(), 4);
    // Not for ever; and what is no matter of time is not asked for again.
    for (faults, status, asked) in [
        (vec![Fault::Status(429, ""); 3], "429", 3),
        (vec![Fault::Status(418, "")], "418", 1),
    ] {
        server.fail("", faults);
        let before = server.asked().len();
        let error = store.download(&wanted, None, &never, &mut quietly);
        assert_eq!(
            error.unwrap_err().to_string(),
            format!("the hub answers {status} for repository {REPO}: try again later")
        );
        assert_eq!(server.asked().len(), before + asked);
    }
}

#[test]
fn after_some_tries_it_says_what_to_do_and_keeps_what_came() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let options = options(data.path(), &server.address);
    server.fail(
        WEIGHTS,
        [Fault::Short(600), Fault::Short(0), Fault::Drop(0)],
    );
    let error = get(options.clone(), &only(WEIGHTS)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{WEIGHTS} did not arrive in 3 tries (the connection was lost): what came is kept, download again to go on from there"
        )
    );
    assert!(!model_in(data.path()).join(WEIGHTS).exists());
    let store = Store::new(options.clone());
    let rows = store.list().unwrap();
    let row = rows.iter().find(|row| row.name == NAME).unwrap();
    let total = model_files()[WEIGHTS].len() as u64;
    assert_eq!(row.state, State::Partial { have: 600, total });
    get(options, &only(WEIGHTS)).unwrap();
    assert_eq!(server.ranges(WEIGHTS).last(), Some(&from(600)));
}

#[test]
fn wrong_bytes_are_deleted_and_told() {
    for fault in [Fault::Flip(40), Fault::Long] {
        let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
        let options = options(data.path(), &server.address);
        server.fail(WEIGHTS, [fault]);
        let error = get(options.clone(), &only(WEIGHTS)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{WEIGHTS} arrived damaged (its checksum is not the one the hub names) and was deleted: download it again"
            )
        );
        assert_eq!(tree(&model_in(data.path())).len(), 0);
        get(options, &only(WEIGHTS)).unwrap();
    }
}

#[test]
fn small_files_are_checked_as_well() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    server.lie("model_index.json", &"0".repeat(40));
    let error = get(options(data.path(), &server.address), &wanted()).unwrap_err();
    assert!(matches!(error, HubError::Damaged(file) if file == "model_index.json"));
}

#[test]
fn a_cancelled_download_keeps_its_part_and_goes_on_later() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let options = options(data.path(), &server.address);
    // It hangs; cancelling does not wait for it.
    server.fail(WEIGHTS, [Fault::Stall(1200)]);
    let stop = Cell::new(false);
    let error = Store::new(options.clone())
        .download(&only(WEIGHTS), None, &|| stop.get(), &mut |progress| {
            stop.set(progress.done == 1200);
        })
        .unwrap_err();
    assert!(matches!(error, HubError::Cancelled));
    assert_eq!(parts(data.path()).len(), 1);
    get(options, &only(WEIGHTS)).unwrap();
    assert_eq!(server.ranges(WEIGHTS), [None, from(1200)]);
    let whole = std::fs::read(model_in(data.path()).join(WEIGHTS)).unwrap();
    assert_eq!(whole, model_files()[WEIGHTS]);
}

#[test]
fn another_version_does_not_go_on_where_the_first_broke_off() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let options = options(data.path(), &server.address);
    server.fail(WEIGHTS, vec![Fault::Drop(300); 3]);
    get(options.clone(), &only(WEIGHTS)).unwrap_err();
    let mut newer = model_files()[WEIGHTS].clone();
    newer.reverse();
    server.put(WEIGHTS, newer.clone());
    server.set_commit("beef");
    get(options, &only(WEIGHTS)).unwrap();
    assert_eq!(server.ranges(WEIGHTS).last(), Some(&None));
    let whole = std::fs::read(model_in(data.path()).join(WEIGHTS)).unwrap();
    assert_eq!(whole, newer);
}

#[test]
fn what_is_left_of_older_versions_goes_when_a_newer_one_is_whole() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let options = options(data.path(), &server.address);
    let mut newer = model_files()[WEIGHTS].clone();
    for commit in ["beef", "cafe"] {
        server.fail(WEIGHTS, vec![Fault::Drop(300); 3]);
        get(options.clone(), &only(WEIGHTS)).unwrap_err();
        newer.reverse();
        newer.push(0);
        server.put(WEIGHTS, newer.clone());
        server.set_commit(commit);
    }
    let [first, second] = &parts(data.path())[..] else {
        panic!("{:?}", parts(data.path()));
    };
    // Another program is at the first.
    let held = std::fs::File::open(model_in(data.path()).join(first)).unwrap();
    held.lock().unwrap();
    get(options.clone(), &only(WEIGHTS)).unwrap();
    assert_eq!(parts(data.path()), std::slice::from_ref(first));
    assert!(!model_in(data.path()).join(second).exists());
    drop(held);
    get(options, &only(WEIGHTS)).unwrap();
    assert_eq!(parts(data.path()), Vec::<String>::new());
}

#[test]
fn a_whole_model_stays_so_until_all_of_a_newer_version_is_here() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let store = Store::new(options(data.path(), &server.address));
    let load = || store.download(&wanted(), None, &never, &mut quietly);
    load().unwrap();
    let before = tree(&model_in(data.path()));
    let mut newer = before.clone();
    // A small file comes first, and a new one; the large one does not come.
    let index = newer.get_mut("model_index.json").unwrap();
    index.push(b' ');
    newer.insert("vae/notes.json".to_owned(), b"{}".to_vec());
    newer.get_mut(WEIGHTS).unwrap()[60_000] ^= 1;
    for (path, bytes) in &newer {
        server.put(path, bytes.clone());
    }
    server.set_commit("beef");
    server.fail(
        WEIGHTS,
        vec![Fault::Drop(300), Fault::Drop(0), Fault::Drop(0)],
    );
    load().unwrap_err();
    let row = || {
        let rows = store.list().unwrap();
        rows.into_iter().find(|row| row.name == NAME).unwrap()
    };
    assert_eq!(row().state, State::Ready);
    let mut now = tree(&model_in(data.path()));
    now.retain(|path, _| !path.ends_with(".part"));
    assert_eq!(now, before);
    let report = store.verify(NAME, &never, &mut quietly).unwrap();
    assert_eq!((report.right, report.is_good()), (before.len(), true));
    // It goes on where it broke off, and only then is what is new in place.
    load().unwrap();
    assert_eq!(server.ranges(WEIGHTS).last(), Some(&from(300)));
    assert_eq!(tree(&model_in(data.path())), newer);
    let report = store.verify(NAME, &never, &mut quietly).unwrap();
    assert_eq!((report.right, report.is_good()), (newer.len(), true));
}

#[test]
fn what_came_of_a_newer_version_is_removed_with_the_model() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let store = Store::new(options(data.path(), &server.address));
    store
        .download(&only(WEIGHTS), None, &never, &mut quietly)
        .unwrap();
    let other = "vae/diffusion_pytorch_model.safetensors";
    server.fail(other, vec![Fault::Drop(50), Fault::Drop(0), Fault::Drop(0)]);
    let both = Wanted::of(REPO, vec![WEIGHTS.to_owned(), other.to_owned()], None).unwrap();
    store
        .download(&both, None, &never, &mut quietly)
        .unwrap_err();
    assert_eq!(parts(data.path()).len(), 1);
    // By its name in the list it goes on with what had begun.
    let wanted = store.wanted(NAME, Vec::new(), None).unwrap();
    assert_eq!(wanted.files, [WEIGHTS, other]);
    let length = model_files()[WEIGHTS].len() as u64;
    assert_eq!(store.remove(NAME).unwrap(), length + 50);
    assert!(!model_in(data.path()).exists());
}

#[test]
fn a_disk_without_room_is_noticed_before_anything_comes() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let mut options = options(data.path(), &server.address);
    options.free = |_| Some(1 << 20);
    let error = get(options, &wanted()).unwrap_err().to_string();
    assert!(
        error.starts_with("the download needs ") && error.contains("and 1 MB are free"),
        "{error}"
    );
    assert_eq!(server.asked().len(), 1, "only the list");
    assert!(tree(data.path()).is_empty());
}

#[test]
fn what_the_hub_refuses_is_said_in_words() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let options = options(data.path(), &server.address);
    let store = Store::new(options.clone());
    let page = format!("{}/{REPO}", server.address);
    server.fail("", [Fault::Status(401, "GatedRepo")]);
    assert_eq!(
        get(options.clone(), &wanted()).unwrap_err().to_string(),
        format!(
            "the hub gives {REPO} only to those who accepted its licence: accept it at {page}, and give a token of that account"
        )
    );
    server.fail("model_index.json", [Fault::Status(403, "GatedRepo")]);
    let token = Some("secret\n".to_owned());
    let error = store
        .download(&only("model_index.json"), token, &never, &mut quietly)
        .unwrap_err();
    assert!(matches!(&error, HubError::Refused { .. }), "{error}");
    let tokens: Vec<_> = server
        .asked()
        .into_iter()
        .map(|asked| asked.token)
        .collect();
    let sent = Some("Bearer secret".to_owned());
    assert_eq!(tokens, [None, sent.clone(), sent]);
    let missing = Wanted::of("makers/nothing", Vec::new(), None).unwrap();
    assert_eq!(
        get(options.clone(), &missing).unwrap_err().to_string(),
        "the hub has no repository makers/nothing: check the name"
    );
    assert_eq!(
        get(options.clone(), &only("none.gguf"))
            .unwrap_err()
            .to_string(),
        format!("the hub has no file none.gguf in {REPO}: check the name")
    );
    server.fail(WEIGHTS, [Fault::Status(404, "EntryNotFound")]);
    assert!(matches!(
        get(options, &only(WEIGHTS)).unwrap_err(),
        HubError::NotFound(_)
    ));
}

#[test]
fn a_token_is_not_passed_on_to_other_servers() {
    let (hub, other) = (Server::with_model(), Server::with_model());
    let data = tempfile::tempdir().unwrap();
    hub.fail(WEIGHTS, [Fault::Elsewhere(other.address.clone())]);
    let token = Some("secret".to_owned());
    Store::new(options(data.path(), &hub.address))
        .download(&only(WEIGHTS), token, &never, &mut quietly)
        .unwrap();
    assert!(hub.asked().iter().all(|asked| asked.token.is_some()));
    let tokens: Vec<_> = other.asked().into_iter().map(|asked| asked.token).collect();
    assert_eq!(tokens, [None]);
    // To itself the hub may refer; in circles it may not for long.
    let before = hub.asked().len();
    hub.fail("vae/config.json", [Fault::Elsewhere(String::new())]);
    let token = Some("secret".to_owned());
    Store::new(options(data.path(), &hub.address))
        .download(&only("vae/config.json"), token, &never, &mut quietly)
        .unwrap();
    let asked = hub.asked();
    assert_eq!(asked.len(), before + 3);
    assert!(asked.iter().all(|asked| asked.token.is_some()));
    hub.fail("vae/config.json", vec![Fault::Elsewhere(String::new()); 24]);
    std::fs::remove_file(model_in(data.path()).join("vae/config.json")).unwrap();
    let error = get(options(data.path(), &hub.address), &only("vae/config.json")).unwrap_err();
    assert!(error.to_string().contains("in circles"), "{error}");
}

#[test]
fn without_a_network_it_is_one_sentence() {
    let data = tempfile::tempdir().unwrap();
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = get(options(data.path(), &format!("http://{host}")), &wanted()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{host} can't be reached (the connection is refused): check the connection and download again, what came is kept"
        )
    );
}

#[test]
fn a_hub_that_never_answers_is_one_sentence() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    server.fail("", [Fault::Stall(0)]);
    let error = get(options(data.path(), &server.address), &wanted()).unwrap_err();
    assert!(error.to_string().contains("it does not answer"), "{error}");
}

#[test]
fn offline_nobody_is_asked() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let mut options = options(data.path(), &server.address);
    options.offline = true;
    let error = get(options, &wanted()).unwrap_err();
    assert!(matches!(error, HubError::Offline));
    assert_eq!(server.asked(), []);
}

#[test]
fn files_that_reach_out_of_the_folder_are_refused() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    for path in ["../x.json", "transformer/../../x.json", "vae\\x.json"] {
        server.put(path, b"{}".to_vec());
        let error = get(options(data.path(), &server.address), &only(path)).unwrap_err();
        assert!(matches!(error, HubError::Unsafe { .. }), "{error}");
    }
    assert!(tree(data.path()).is_empty());
}

#[test]
fn a_repository_without_a_model_asks_for_files() {
    let (server, data) = (Server::start(), tempfile::tempdir().unwrap());
    server.put("a.gguf", vec![0; 9]);
    let error = get(options(data.path(), &server.address), &wanted()).unwrap_err();
    assert!(error.to_string().contains("--file"), "{error}");
}

#[test]
fn two_downloads_of_one_file_do_not_mix() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let options = options(data.path(), &server.address);
    server.fail(WEIGHTS, [Fault::Drop(100), Fault::Drop(0), Fault::Drop(0)]);
    get(options.clone(), &only(WEIGHTS)).unwrap_err();
    let part = model_in(data.path()).join(&parts(data.path())[0]);
    let held = std::fs::File::open(&part).unwrap();
    held.lock().unwrap();
    let error = get(options.clone(), &only(WEIGHTS)).unwrap_err();
    assert!(matches!(error, HubError::Busy(_)), "{error}");
    assert_eq!(std::fs::read(&part).unwrap().len(), 100);
    drop(held);
    get(options, &only(WEIGHTS)).unwrap();
}

#[test]
fn damage_is_found_and_only_the_damaged_file_comes_again() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let store = Store::new(options(data.path(), &server.address));
    let load = || store.download(&wanted(), None, &never, &mut quietly);
    load().unwrap();
    let weights = model_in(data.path()).join(WEIGHTS);
    let mut bytes = std::fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    std::fs::remove_file(model_in(data.path()).join("model_index.json")).unwrap();
    let report = store.verify(NAME, &never, &mut quietly).unwrap();
    assert_eq!(report.damaged, [WEIGHTS]);
    assert_eq!(report.missing, ["model_index.json"]);
    assert!(!report.is_good());
    let before = server.asked().len();
    load().unwrap();
    let again: Vec<_> = server.asked()[before..]
        .iter()
        .map(|a| a.path.clone())
        .collect();
    assert_eq!(again.len(), 3, "{again:?}");
    assert!(store.verify(NAME, &never, &mut quietly).unwrap().is_good());
}

#[test]
fn removing_deletes_what_was_downloaded_and_nothing_else() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let store = Store::new(options(data.path(), &server.address));
    server.fail(
        "vae/diffusion_pytorch_model.safetensors",
        vec![Fault::Drop(50); 3],
    );
    store
        .download(&wanted(), None, &never, &mut quietly)
        .unwrap_err();
    let note = model_in(data.path()).join("transformer/note.txt");
    std::fs::write(&note, b"mine").unwrap();
    assert_eq!(parts(data.path()).len(), 1);
    let bytes = store.remove(NAME).unwrap();
    assert!(bytes > 50);
    let left: Vec<_> = tree(&data.path().join("models")).into_keys().collect();
    assert_eq!(left, ["tiny-klein/transformer/note.txt"]);
    assert!(matches!(store.path_of(NAME), Err(HubError::Unknown(_))));
    assert!(matches!(store.remove(NAME), Err(HubError::Unknown(_))));
    assert!(matches!(
        store.remove("unireal-nano"),
        Err(HubError::BuiltIn(..))
    ));
}

#[test]
fn a_name_belongs_to_one_model() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let store = Store::new(options(data.path(), &server.address));
    store.add(&model_folder(), Some(NAME)).unwrap();
    let error = store
        .download(&wanted(), None, &never, &mut quietly)
        .unwrap_err();
    assert!(matches!(error, HubError::Taken(_)), "{error}");
    assert_eq!(server.asked(), []);
    for name in ["..", "a/b", "unireal-nano"] {
        let error = Wanted::of(REPO, Vec::new(), Some(name.to_owned())).unwrap_err();
        assert!(matches!(error, HubError::Name(_)), "{error}");
    }
    for name in ["nothing", "a/b/c", "../b", "a/"] {
        let error = Wanted::of(name, Vec::new(), None).unwrap_err();
        assert!(matches!(error, HubError::Unknown(_)), "{error}");
    }
}
