//! The worker thread that owns the device and the weights.
//!
//! Requests and events are kept in bounded queues behind one short lock, previews in a slot that holds the latest
//! only, so the worker never waits for whoever reads, and whoever reads never waits for the worker.

pub mod latency;
pub mod loader;
pub mod message;
mod queue;
mod worker;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

pub use crate::model::DeviceKind;
pub use crate::pipeline::frame::Frame;
pub use crate::pipeline::generator::Cancel;
pub use crate::pipeline::prepare::frame_of;
pub use loader::{Loaded, Loader, ModelLoader};
pub use message::{Event, JobId, JobPreview, ModelSource, ModelSummary, Request};
pub use queue::MAX_REQUESTS;

use queue::Shared;
use worker::Worker;

/// Why the engine did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The system gave no thread.
    #[error("the worker thread could not be started ({0}): close other programs and start again")]
    Thread(#[from] std::io::Error),
    /// Too many requests are waiting.
    #[error("{MAX_REQUESTS} jobs are waiting already: let some finish or cancel some")]
    Full,
    /// Nobody reads the events.
    #[error("the results of earlier jobs have not been fetched: fetch them first")]
    Unread,
    /// The thread is gone.
    #[error("the worker thread has stopped: save your work and start the program again")]
    Stopped,
}

/// The worker's handle. Dropping it cancels what runs, forgets what waits and waits for the thread to end.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Starts the worker on the best device. `wake` is called on the worker's thread whenever there is something
    /// new to [`Engine::poll`] or a new preview.
    ///
    /// # Errors
    /// If no thread could be started.
    pub fn start(wake: impl Fn() + Send + 'static) -> Result<Self, EngineError> {
        Self::start_on(DeviceKind::Auto, wake)
    }

    /// Starts the worker on a certain device; whether it can be had shows when a model is loaded.
    ///
    /// # Errors
    /// If no thread could be started.
    pub fn start_on(
        device: DeviceKind,
        wake: impl Fn() + Send + 'static,
    ) -> Result<Self, EngineError> {
        Self::start_with(ModelLoader::new(device), wake)
    }

    /// Starts the worker with another source of models.
    ///
    /// # Errors
    /// If no thread could be started.
    pub fn start_with(
        loader: impl Loader,
        wake: impl Fn() + Send + 'static,
    ) -> Result<Self, EngineError> {
        let shared = Arc::new(Shared::default());
        let of_worker = Arc::clone(&shared);
        // Models never leave the thread, so the worker is made there.
        let thread = std::thread::Builder::new()
            .name("inlay-worker".into())
            .spawn(move || Worker::new(of_worker, Box::new(loader), Box::new(wake)).run())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Puts a request at the end of the queue. Never waits.
    ///
    /// # Errors
    /// If the queue is full, the events are not read, or the thread is gone.
    pub fn send(&self, request: Request) -> Result<(), EngineError> {
        self.running()?;
        self.shared.add(request, false)
    }

    /// Puts a request before all others that wait.
    ///
    /// # Errors
    /// As [`Engine::send`].
    pub fn send_first(&self, request: Request) -> Result<(), EngineError> {
        self.running()?;
        self.shared.add(request, true)
    }

    fn running(&self) -> Result<(), EngineError> {
        match &self.thread {
            Some(thread) if !thread.is_finished() => Ok(()),
            _ => Err(EngineError::Stopped),
        }
    }

    /// Cancels a job at once: one that waits is taken out of the queue, one that runs stops between two blocks of
    /// the model. [`Event::Cancelled`] follows. False if there is no such job.
    pub fn cancel(&self, job: JobId) -> bool {
        self.shared.cancel(job)
    }

    /// Stops loading a model as soon as the loader looks; [`Event::LoadFailed`] follows then. False if none is being
    /// loaded.
    pub fn cancel_loading(&self) -> bool {
        self.shared.cancel_loading()
    }

    /// Puts the waiting jobs into this order; those it does not name come last.
    pub fn arrange(&self, order: &[JobId]) {
        self.shared.arrange(order);
    }

    /// Cancels every job.
    pub fn cancel_all(&self) {
        for job in self.jobs() {
            self.cancel(job);
        }
    }

    /// The jobs that run or wait, in the order in which they are done.
    pub fn jobs(&self) -> Vec<JobId> {
        self.shared.jobs()
    }

    /// Takes all events since the last call, in order. Of several [`Event::Progress`] of a job only the latest is
    /// kept; nothing else is ever dropped. Never waits.
    pub fn poll(&self) -> Vec<Event> {
        self.shared.take_events()
    }

    /// Like [`Engine::poll`], but waits up to `longest` for the first event. For programs without a window.
    pub fn wait(&self, longest: Duration) -> Vec<Event> {
        self.shared.wait_events(longest)
    }

    /// Says which picture of the running job is looked at, in the order of its previews: from its next step on it is
    /// shown better, if the model can.
    pub fn look_at(&self, picture: Option<usize>) {
        self.shared.focus.set(picture);
    }

    /// The newest preview, if there is one that was not taken yet.
    pub fn latest_preview(&self) -> Option<JobPreview> {
        self.shared.take_preview()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.shut_down();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been told on stderr; there is nobody left to tell it to.
            let _ = thread.join();
        }
    }
}
