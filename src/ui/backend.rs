//! The engine as the window sees it: four calls, so that tests can script what it answers.

use crate::engine::message::{Event, JobId, JobPreview, Request};

/// Where jobs go. None of the calls waits.
pub trait Backend {
    /// Asks for something.
    ///
    /// # Errors
    /// Why it can't be asked now, as a sentence for the artist.
    fn send(&mut self, request: Request) -> Result<(), String>;
    /// Asks a job to stop.
    fn cancel(&mut self, job: JobId);
    /// All events since the last call, in order.
    fn poll(&mut self) -> Vec<Event>;
    /// The newest preview since the last call, if there is one.
    fn latest_preview(&mut self) -> Option<JobPreview>;
}
