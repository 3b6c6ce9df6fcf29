//! What the worker and its handle share.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::EngineError;
use super::message::{Event, JobId, JobPreview, Request};
use crate::pipeline::generator::{Cancel, Focus};

/// Requests that may wait.
pub const MAX_REQUESTS: usize = 64;
/// With this many events unread, no further requests are taken. A job makes a few dozen at most, so the queue's
/// length has a bound although the worker never waits.
const MAX_UNREAD: usize = 1024;

#[derive(Default)]
struct State {
    requests: VecDeque<Request>,
    running: Option<(JobId, Arc<Cancel>)>,
    loading: Option<Arc<Cancel>>,
    events: VecDeque<Event>,
    /// An event was added on another thread than the worker's, which is to call `wake` for it.
    wake_owed: bool,
    shut_down: bool,
}

/// Shared by the worker and its handle; no lock is held while anything is computed.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// There is something for the worker.
    work: Condvar,
    /// There is something for the reader.
    news: Condvar,
    preview: Mutex<Option<JobPreview>>,
    /// Which picture of the running job is looked at.
    pub focus: Focus,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

/// What the worker is to do next.
pub(super) enum Task {
    Load(super::ModelSource, Arc<Cancel>),
    Generate(JobId, Box<crate::doc::Job>, Arc<Cancel>),
    /// Call `wake`: somebody else has left an event.
    Wake,
    End,
}

fn job_of(request: &Request) -> Option<JobId> {
    match request {
        Request::Generate(id, _) => Some(*id),
        Request::Load(_) => None,
    }
}

impl Shared {
    // The data behind the locks is valid after every statement, so a panic elsewhere does not spoil it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self) -> MutexGuard<'_, Option<JobPreview>> {
        self.preview.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add(&self, request: Request, first: bool) -> Result<(), EngineError> {
        let mut state = self.state();
        if state.requests.len() >= MAX_REQUESTS {
            return Err(EngineError::Full);
        }
        if state.events.len() >= MAX_UNREAD {
            return Err(EngineError::Unread);
        }
        if first {
            state.requests.push_front(request);
        } else {
            state.requests.push_back(request);
        }
        self.work.notify_one();
        Ok(())
    }

    pub fn cancel(&self, job: JobId) -> bool {
        let mut state = self.state();
        if let Some((_, cancel)) = state.running.as_ref().filter(|(id, _)| *id == job) {
            cancel.cancel();
            return true;
        }
        let waits = |request: &Request| job_of(request) == Some(job);
        let Some(at) = state.requests.iter().position(waits) else {
            return false;
        };
        state.requests.remove(at);
        state.events.push_back(Event::Cancelled(job));
        state.wake_owed = true;
        self.work.notify_one();
        self.news.notify_all();
        true
    }

    /// Stops what is being loaded.
    pub fn cancel_loading(&self) -> bool {
        let state = self.state();
        let loading = state.loading.as_ref();
        loading.inspect(|cancel| cancel.cancel()).is_some()
    }

    /// Puts the waiting jobs into this order; those it does not name come last. Models are loaded when they were
    /// to be.
    pub fn arrange(&self, order: &[JobId]) {
        let mut state = self.state();
        let places: Vec<usize> = (0..state.requests.len())
            .filter(|&at| state.requests.get(at).and_then(job_of).is_some())
            .collect();
        let mut jobs: Vec<Request> = Vec::with_capacity(places.len());
        for &at in places.iter().rev() {
            jobs.extend(state.requests.remove(at));
        }
        jobs.reverse();
        let rank = |request: &Request| {
            let id = job_of(request);
            let at = order.iter().position(|named| Some(*named) == id);
            at.unwrap_or(order.len())
        };
        jobs.sort_by_key(rank);
        for (at, job) in places.into_iter().zip(jobs) {
            state.requests.insert(at, job);
        }
    }

    pub fn jobs(&self) -> Vec<JobId> {
        let state = self.state();
        let running = state.running.as_ref().map(|(id, _)| *id);
        running
            .into_iter()
            .chain(state.requests.iter().filter_map(job_of))
            .collect()
    }

    pub fn take_events(&self) -> Vec<Event> {
        self.state().events.drain(..).collect()
    }

    pub fn wait_events(&self, longest: Duration) -> Vec<Event> {
        let (mut state, _) = self
            .news
            .wait_timeout_while(self.state(), longest, |state| state.events.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        state.events.drain(..).collect()
    }

    pub fn take_preview(&self) -> Option<JobPreview> {
        self.slot().take()
    }

    pub fn shut_down(&self) {
        let mut state = self.state();
        state.shut_down = true;
        state.requests.clear();
        if let Some((_, cancel)) = &state.running {
            cancel.cancel();
        }
        if let Some(cancel) = &state.loading {
            cancel.cancel();
        }
        self.work.notify_one();
    }

    /// Waits for something to do. A job counts as running from here on.
    pub(super) fn next(&self) -> Task {
        let mut state = self.state();
        loop {
            if state.shut_down {
                return Task::End;
            }
            if std::mem::take(&mut state.wake_owed) {
                return Task::Wake;
            }
            let cancel = Arc::new(Cancel::default());
            match state.requests.pop_front() {
                Some(Request::Load(source)) => {
                    state.loading = Some(Arc::clone(&cancel));
                    return Task::Load(source, cancel);
                }
                Some(Request::Generate(id, job)) => {
                    state.running = Some((id, Arc::clone(&cancel)));
                    return Task::Generate(id, job, cancel);
                }
                None => {
                    state = self
                        .work
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Adds an event; a newer [`Event::Progress`] of a job takes the place of an older one.
    pub fn tell(&self, event: Event) {
        let mut state = self.state();
        if let Event::Progress(job, ..) = &event {
            state
                .events
                .retain(|old| !matches!(old, Event::Progress(id, ..) if id == job));
        }
        state.events.push_back(event);
        self.news.notify_all();
    }

    /// Adds the last event of what runs; from here on nothing does.
    pub fn finish(&self, event: Event) {
        *self.slot() = None;
        let mut state = self.state();
        state.running = None;
        state.loading = None;
        state.events.push_back(event);
        self.news.notify_all();
    }

    pub fn show(&self, preview: JobPreview) {
        // The old one is dropped outside the lock.
        let old = self.slot().replace(preview);
        drop(old);
    }
}
