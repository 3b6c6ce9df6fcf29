//! The [`Store`] on threads of its own: one for what is quick, one for downloads and checks, one after the other.

use std::collections::VecDeque;
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
    /// Downloads and checks that wait; whoever takes one out has it.
    waiting: Mutex<VecDeque<Request>>,
}

/// The threads' handle. Dropping it cancels what runs and waits for the threads to end.
pub struct Service {
    shared: Arc<Shared>,
    quick: Option<SyncSender<Request>>,
    /// Says that something waits.
    long: Option<SyncSender<()>>,
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
            waiting: Mutex::new(VecDeque::new()),
        });
        let (sender, events) = sync_channel(EVENTS);
        let (quick, requests) = sync_channel::<Request>(REQUESTS);
        // One call is enough for all that waits.
        let (long, calls) = sync_channel::<()>(1);
        let (of_quick, to_quick) = (Arc::clone(&shared), sender.clone());
        let of_long = Arc::clone(&shared);
        let threads = vec![
            thread("inlay-hub", move || {
                for request in requests {
                    of_quick.serve(request, &to_quick);
                }
            })?,
            thread("inlay-hub-transfer", move || {
                for () in calls {
                    while let Some(request) = of_long.next_task() {
                        of_long.serve(request, &sender);
                    }
                }
            })?,
        ];
        Ok(Self {
            shared,
            quick: Some(quick),
            long: Some(long),
            events: Some(events),
            threads,
        })
    }

    /// Asks for something. Never waits.
    ///
    /// # Errors
    /// If too much is waiting already.
    pub fn ask(&self, request: Request) -> std::result::Result<(), String> {
        let stopped = || "the model manager has stopped: start Inlay again".to_owned();
        let too_much = || "too much is waiting already: let it finish first".to_owned();
        let (Some(quick), Some(long)) = (&self.quick, &self.long) else {
            return Err(stopped());
        };
        if task_of(&request).is_none() {
            return quick.try_send(request).map_err(|error| match error {
                TrySendError::Full(_) => too_much(),
                TrySendError::Disconnected(_) => stopped(),
            });
        }
        let mut queue = self.shared.queue();
        if queue.len() >= REQUESTS {
            return Err(too_much());
        }
        queue.push_back(request);
        match long.try_send(()) {
            Err(TrySendError::Disconnected(())) => Err(stopped()),
            // Where a call is unanswered yet, its answer finds this too.
            _ => Ok(()),
        }
    }

    /// Takes a download or check that waits out of the queue; whether there was one. The last of its name goes.
    pub fn withdraw(&self, name: &str) -> bool {
        let mut queue = self.shared.queue();
        let at = queue
            .iter()
            .rposition(|request| task_of(request) == Some(name));
        at.and_then(|at| queue.remove(at)).is_some()
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

/// The model that is downloaded or checked, if the request is such a task.
fn task_of(request: &Request) -> Option<&str> {
    match request {
        Request::Download { name, .. } | Request::Verify(name) => Some(name),
        _ => None,
    }
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| HubError::Thread(error.to_string()))
}

impl Shared {
    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<Request>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_task(&self) -> Option<Request> {
        self.queue().pop_front()
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Progress>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, request: Request, sender: &SyncSender<Event>) {
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        let task = task_of(&request).map(str::to_owned);
        let is_long = task.is_some();
        let name = task.unwrap_or_default();
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
