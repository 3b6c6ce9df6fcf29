//! The [`Store`] on threads of its own: one for what is quick, one for downloads and checks, one after the other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::error::{HubError, Result};
use super::message::{Event, Progress, Request};
pub use super::options::Options;
use super::store::Store;

/// Requests that may wait.
const REQUESTS: usize = 32;
/// Events that may wait.
const EVENTS: usize = 64;
/// How often progress wakes whoever listens, at most.
const PACE: Duration = Duration::from_millis(100);

/// What both threads share.
struct Shared {
    store: Store,
    wake: Box<dyn Fn() + Send + Sync>,
    cancel: AtomicBool,
    /// Nobody listens any more: what waits is not begun.
    over: AtomicBool,
    progress: Mutex<Option<Progress>>,
}

/// The threads' handle. Dropping it cancels what runs and waits for the threads to end.
pub struct Service {
    shared: Arc<Shared>,
    quick: Option<SyncSender<Request>>,
    long: Option<SyncSender<Request>>,
    events: Option<Receiver<Event>>,
    threads: Vec<JoinHandle<()>>,
}

impl Service {
    /// Starts the threads. `wake` is called on them whenever there is something new.
    ///
    /// # Errors
    /// If there are no threads to be had.
    pub fn start(options: Options, wake: impl Fn() + Send + Sync + 'static) -> Result<Self> {
        let shared = Arc::new(Shared {
            store: Store::new(options),
            wake: Box::new(wake),
            cancel: AtomicBool::new(false),
            over: AtomicBool::new(false),
            progress: Mutex::new(None),
        });
        let (sender, events) = sync_channel(EVENTS);
        let mut threads = Vec::new();
        let mut senders = Vec::new();
        for name in ["inlay-hub", "inlay-hub-transfer"] {
            let (requests, waiting) = sync_channel::<Request>(REQUESTS);
            let (shared, sender) = (Arc::clone(&shared), sender.clone());
            let thread = std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || {
                    for request in waiting {
                        shared.serve(request, &sender);
                    }
                })
                .map_err(|error| HubError::Thread(error.to_string()))?;
            threads.push(thread);
            senders.push(requests);
        }
        let long = senders.pop();
        Ok(Self {
            shared,
            quick: senders.pop(),
            long,
            events: Some(events),
            threads,
        })
    }

    /// Asks for something. Never waits.
    ///
    /// # Errors
    /// If too much is waiting already.
    pub fn ask(&self, request: Request) -> std::result::Result<(), String> {
        let is_long = matches!(request, Request::Download { .. } | Request::Verify(_));
        let queue = if is_long { &self.long } else { &self.quick };
        match queue.as_ref().map(|queue| queue.try_send(request)) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => {
                Err("too much is waiting already: let it finish first".to_owned())
            }
            _ => Err("the model manager has stopped: start Inlay again".to_owned()),
        }
    }

    /// Cancels the download or check that runs.
    pub fn cancel(&self) {
        self.shared.cancel.store(true, Ordering::Relaxed);
    }

    /// All events since the last call, in order. Never waits.
    pub fn poll(&self) -> Vec<Event> {
        let events = self.events.iter();
        events.flat_map(|events| events.try_iter()).collect()
    }

    /// How far the download or check is; `None` while none runs.
    pub fn progress(&self) -> Option<Progress> {
        self.shared.slot().clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // Without them the threads' loops and blocked sends end.
        self.quick = None;
        self.long = None;
        self.events = None;
        for thread in self.threads.drain(..) {
            // A panic has been told on stderr.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Progress>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, request: Request, sender: &SyncSender<Event>) {
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        let name = match &request {
            Request::Download { name, .. } | Request::Verify(name) => name.clone(),
            _ => String::new(),
        };
        let is_long = !name.is_empty();
        let may_change = !matches!(request, Request::List | Request::Find | Request::Verify(_));
        let done = catch_unwind(AssertUnwindSafe(|| self.carry_out(request)));
        if is_long {
            *self.slot() = None;
            self.cancel.store(false, Ordering::Relaxed);
        }
        let failed = |why: String| Event::Failed(is_long.then(|| name.clone()), why);
        let event = match done {
            Ok(Ok(event)) => event,
            Ok(Err(HubError::Cancelled)) => Event::Cancelled(name),
            Ok(Err(error)) => failed(error.to_string()),
            Err(_) => failed(
                "the model manager made a mistake, please report it and start Inlay again"
                    .to_owned(),
            ),
        };
        let listed = may_change.then(|| self.store.list());
        let listed = listed.and_then(|rows| rows.ok()).map(Event::Listed);
        for event in std::iter::once(event).chain(listed) {
            // Nobody listens any more when the window is closed.
            let _ = sender.send(event);
            (self.wake)();
        }
    }

    fn carry_out(&self, request: Request) -> Result<Event> {
        let cancel = || {
            let is_set = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
            is_set(&self.cancel) || is_set(&self.over)
        };
        let mut last = Instant::now();
        let mut tell = |progress: Progress| {
            let mut slot = self.slot();
            let news = slot.as_ref().is_none_or(|old| old.phase != progress.phase);
            *slot = Some(progress);
            drop(slot);
            if news || last.elapsed() > PACE {
                last = Instant::now();
                (self.wake)();
            }
        };
        let store = &self.store;
        match request {
            Request::List => Ok(Event::Listed(store.list()?)),
            Request::Find => Ok(Event::Found(store.find())),
            Request::Add(path) => Ok(Event::Added(store.add(&path, None)?)),
            Request::Remove(name) => {
                let bytes = store.remove(&name)?;
                Ok(Event::Removed(name, bytes))
            }
            Request::Verify(name) => {
                let report = store.verify(&name, &cancel, &mut tell)?;
                Ok(Event::Verified(name, report))
            }
            Request::Download { name, files, token } => {
                let wanted = store.wanted(&name, files, None)?;
                let asked = name;
                let name = store.download(&wanted, token, &cancel, &mut tell)?;
                Ok(Event::Downloaded { asked, name })
            }
        }
    }
}
