//! The model manager on its threads: events in order, progress, cancelling, and an end that does not hang.

mod hub_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hub_support::{Fault, Server, model_folder, options};
use inlay::hub::message::{Event, Origin, Phase, Progress, Request, State};
use inlay::hub::service::Service;

fn start(data: &std::path::Path, server: &Server) -> (Service, Arc<AtomicUsize>) {
    let woken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&woken);
    let mut options = options(data, &server.address);
    // What hangs here hangs until it is cancelled.
    options.patience = Duration::from_secs(600);
    let service = Service::start(options, move || {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    (service.unwrap(), woken)
}

/// Events until there are so many.
fn events(service: &Service, count: usize) -> Vec<Event> {
    let end = Instant::now() + Duration::from_secs(60);
    let mut events = Vec::new();
    while events.len() < count {
        assert!(Instant::now() < end, "only {events:?}");
        events.extend(service.poll());
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(events.len(), count, "{events:?}");
    events
}

fn until(service: &Service, found: impl Fn(&Progress) -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !service.progress().is_some_and(|progress| found(&progress)) {
        assert!(Instant::now() < end, "{:?}", service.progress());
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn download(name: &str) -> Request {
    Request::Download {
        name: name.to_owned(),
        files: Vec::new(),
        token: None,
    }
}

#[test]
fn what_is_asked_is_answered_with_the_list_where_it_changed() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let (service, woken) = start(data.path(), &server);
    service.ask(Request::Add(model_folder())).unwrap();
    let answers = events(&service, 2);
    assert_eq!(answers[0], Event::Added("model".into()));
    let Event::Listed(rows) = &answers[1] else {
        panic!("{answers:?}");
    };
    assert!(
        rows.iter()
            .any(|row| row.name == "model" && row.origin == Origin::Added)
    );
    service.ask(Request::Verify("model".into())).unwrap();
    let answers = events(&service, 1);
    assert!(
        matches!(&answers[0], Event::Verified(name, report) if name == "model" && report.is_good())
    );
    service.ask(Request::Remove("model".into())).unwrap();
    assert_eq!(events(&service, 2)[0], Event::Removed("model".into(), 0));
    service.ask(Request::Remove("model".into())).unwrap();
    assert!(
        matches!(&events(&service, 2)[0], Event::Failed(None, why) if why.contains("no model"))
    );
    service.ask(Request::Find).unwrap();
    assert_eq!(events(&service, 1), [Event::Found(Vec::new())]);
    assert!(woken.load(Ordering::SeqCst) >= 8);
    assert_eq!(server.asked(), []);
}

#[test]
fn a_download_is_cancelled_while_the_list_is_still_answered() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let (service, _) = start(data.path(), &server);
    server.fail("vae/config.json", [Fault::Stall(10)]);
    service.ask(download(hub_support::REPO)).unwrap();
    until(&service, |progress| progress.file == "vae/config.json");
    service.ask(Request::List).unwrap();
    let answers = events(&service, 1);
    let Event::Listed(rows) = &answers[0] else {
        panic!("{answers:?}");
    };
    let row = rows.iter().find(|row| row.name == "tiny-klein").unwrap();
    assert!(matches!(row.state, State::Partial { .. }));
    service.cancel();
    let answers = events(&service, 2);
    assert_eq!(answers[0], Event::Cancelled(hub_support::REPO.into()));
    assert_eq!(service.progress(), None);
    // The next one is not cancelled with it, and goes on by the name in the list.
    service.ask(download("tiny-klein")).unwrap();
    let answers = events(&service, 2);
    assert_eq!(
        answers[0],
        Event::Downloaded {
            asked: "tiny-klein".into(),
            name: "tiny-klein".into()
        }
    );
}

#[test]
fn what_waits_is_taken_out_of_the_queue() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let (service, _) = start(data.path(), &server);
    server.fail("vae/config.json", [Fault::Stall(10)]);
    service.ask(download(hub_support::REPO)).unwrap();
    until(&service, |progress| progress.file == "vae/config.json");
    for name in ["makers/a", "makers/b"] {
        service.ask(download(name)).unwrap();
    }
    assert!(service.withdraw("makers/a"));
    assert!(!service.withdraw("makers/a"), "it is gone");
    assert!(!service.withdraw(hub_support::REPO), "it is running");
    let asked = server.asked().len();
    service.cancel();
    let answers = events(&service, 4);
    assert_eq!(answers[0], Event::Cancelled(hub_support::REPO.into()));
    let failed =
        |event: &Event| matches!(event, Event::Failed(Some(name), _) if name == "makers/b");
    assert!(failed(&answers[2]), "{answers:?}");
    let after: Vec<_> = server.asked()[asked..]
        .iter()
        .map(|asked| asked.path.contains("makers/b"))
        .collect();
    assert_eq!(after, [true], "nobody asks for what was withdrawn");
}

#[test]
fn there_is_an_end_to_what_may_wait() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let (service, _) = start(data.path(), &server);
    server.fail("", [Fault::Stall(0)]);
    service.ask(download(hub_support::REPO)).unwrap();
    until(&service, |progress| progress.phase == Phase::Asking);
    for _ in 0..32 {
        service.ask(download("makers/a")).unwrap();
    }
    let refused = service.ask(download("makers/a")).unwrap_err();
    assert_eq!(refused, "too much is waiting already: let it finish first");
    // What was withdrawn leaves room.
    assert!(service.withdraw("makers/a"));
    service.ask(download("makers/b")).unwrap();
}

#[test]
fn failures_name_their_task() {
    let (server, data) = (Server::start(), tempfile::tempdir().unwrap());
    let (service, _) = start(data.path(), &server);
    service.ask(download("makers/none")).unwrap();
    let answers = events(&service, 2);
    assert_eq!(
        answers[0],
        Event::Failed(
            Some("makers/none".into()),
            "the hub has no repository makers/none: check the name".into()
        )
    );
}

#[test]
fn its_end_does_not_wait_for_the_network() {
    let (server, data) = (Server::with_model(), tempfile::tempdir().unwrap());
    let (service, _) = start(data.path(), &server);
    server.fail("", vec![Fault::Stall(0); 2]);
    // The second one is never begun.
    service.ask(download(hub_support::REPO)).unwrap();
    service.ask(download(hub_support::REPO)).unwrap();
    until(&service, |progress| progress.phase == Phase::Asking);
    drop(service);
    assert!(server.asked().len() <= 1);
    assert!(!data.path().join("models.json").exists());
}
