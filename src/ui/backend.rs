//! The engine as the window sees it: a few calls, so that tests can script what it answers.

use crate::engine::message::{Event, JobId, JobPreview, Request};

/// Where jobs go. None of the calls waits.
pub trait Backend {
    /// Asks for something.
    ///
    /// # Errors
    /// Why it can't be asked now, as a sentence for the artist.
    fn send(&mut self, request: Request) -> Result<(), String>;
    /// Asks for something before all else that waits.
    ///
    /// # Errors
    /// As [`Backend::send`].
    fn send_first(&mut self, request: Request) -> Result<(), String>;

    /// Puts the waiting jobs into this order.
    fn arrange(&mut self, order: &[JobId]);

    /// Asks a job to stop.
    fn cancel(&mut self, job: JobId);
    /// Asks to load the model no further.
    fn cancel_loading(&mut self);
    /// Says which picture of the running job is looked at.
    fn look_at(&mut self, picture: Option<usize>);
    /// All events since the last call, in order.
    fn poll(&mut self) -> Vec<Event>;
    /// The newest preview since the last call, if there is one.
    fn latest_preview(&mut self) -> Option<JobPreview>;
}
