//! How soon a job stops when it is cancelled, measured from the call to the event that tells it, at moments spread
//! evenly over a whole job: encoding, steps, decoding, composing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{DeviceKind, Engine, Event, JobId, ModelSource, Request};
use crate::doc::document::{Document, Edit, Settings};
use crate::doc::job::ModelChoice;
use crate::doc::mask::Combine;
use crate::doc::{Job, Level, Mask, Picture, Purpose};

/// Sides of the canvas in pixels.
const CANVAS: [u32; 2] = [1024, 768];
/// Object pictures; with the canvas and the mask they are all the inputs a job may have.
const OBJECTS: u8 = 6;
/// The longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(600);

/// What was measured, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// How long the job takes that is cancelled.
    pub job_ms: f64,
    /// Jobs that were cancelled before they were done.
    pub cancelled: usize,
    /// The middle one's time from the call to its end.
    pub cancel_ms: f64,
    /// The longest.
    pub longest_cancel_ms: f64,
}

/// Loads a model into an engine of its own and cancels `repeats` jobs of 8 inputs and 4 outputs.
///
/// # Errors
/// Why the model could not be loaded or the job not run.
pub fn measure(source: ModelSource, device: DeviceKind, repeats: usize) -> Result<Latency, String> {
    let engine = Engine::start_on(device, || {}).map_err(|error| error.to_string())?;
    let send = |request| engine.send(request).map_err(|error| error.to_string());
    let mut reader = Reader {
        engine: &engine,
        events: VecDeque::new(),
    };
    send(Request::Load(source))?;
    let name = reader.until(|event| match event {
        Event::Loaded(summary) => Some(Ok(summary.name.clone())),
        Event::LoadFailed(why) => Some(Err(why.clone())),
        _ => None,
    })?;
    // The first job is slow for reasons of its own, such as memory that was never used.
    let mut job_ms = 0.0;
    for id in 0..2 {
        let began = Instant::now();
        send(Request::Generate(JobId(id), Box::new(job(&name, id)?)))?;
        reader.until(ended)?;
        job_ms = began.elapsed().as_secs_f64() * 1e3;
    }
    let mut times = Vec::with_capacity(repeats);
    for repeat in 0..repeats {
        let id = JobId(2 + repeat as u64);
        send(Request::Generate(id, Box::new(job(&name, id.0)?)))?;
        reader.until(|event| matches!(event, Event::Started(_)).then_some(Ok(())))?;
        let share = (repeat as f64 + 0.5) / repeats as f64;
        std::thread::sleep(Duration::from_secs_f64(job_ms / 1e3 * share));
        let asked = Instant::now();
        engine.cancel(id);
        if reader.until(ended)? {
            times.push(asked.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(Latency {
        job_ms,
        cancelled: times.len(),
        cancel_ms: times.get(times.len() / 2).copied().unwrap_or(0.0),
        longest_cancel_ms: times.last().copied().unwrap_or(0.0),
    })
}

/// Whether the job's end was that it was cancelled.
fn ended(event: &Event) -> Option<Result<bool, String>> {
    match event {
        Event::Cancelled(_) => Some(Ok(true)),
        Event::Done(_) => Some(Ok(false)),
        Event::Failed(_, why) => Some(Err(why.clone())),
        _ => None,
    }
}

/// Events one by one.
struct Reader<'a> {
    engine: &'a Engine,
    events: VecDeque<Event>,
}

impl Reader<'_> {
    /// Waits for an event.
    fn until<T>(
        &mut self,
        mut found: impl FnMut(&Event) -> Option<Result<T, String>>,
    ) -> Result<T, String> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            while let Some(event) = self.events.pop_front() {
                if let Some(result) = found(&event) {
                    return result;
                }
            }
            self.events
                .extend(self.engine.wait(Duration::from_millis(200)));
        }
        Err("the engine does not answer, try another device".to_owned())
    }
}

/// A job of the most inputs, with pictures that no other job has: nothing of an earlier one can be used again.
fn job(model: &str, number: u64) -> Result<Job, String> {
    let tint = |i: u8| (number as u8).wrapping_mul(31).wrapping_add(i * 17);
    let mut document = Document::new();
    let mut apply = |edit| document.apply(edit).map_err(|error| error.to_string());
    let add = |colour: [u8; 4], size: [u32; 2], purpose| Edit::AddSlot {
        picture: Arc::new(Picture::filled(size[0], size[1], colour)),
        name: "bench".to_owned(),
        source: None,
        purpose: Some(purpose),
    };
    apply(add([tint(0), 90, 60, 255], CANVAS, Purpose::Canvas))?;
    for i in 1..=OBJECTS {
        apply(add([40, tint(i), 70, 255], [300, 200], Purpose::Asset))?;
    }
    let mut mask = Mask::new(CANVAS[0], CANVAS[1]);
    mask.fill_box([400.0, 300.0], [600.0, 480.0], Combine::Add);
    apply(Edit::AddRegion {
        mask: Some(mask),
        level: Level::Blob,
        asset: None,
    })?;
    apply(Edit::SetPrompt("Put IMG2 into IMG1 at IMG8".to_owned()))?;
    let settings = Settings {
        outputs: 4,
        steps: Some(4),
        ..Settings::default()
    };
    apply(Edit::SetSettings(settings))?;
    let choice = ModelChoice {
        name: model,
        hash: "",
        default_steps: 4,
        default_guidance: 1.0,
    };
    document.to_job(choice).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AttentionKind, random_folder, tiny_config};

    #[test]
    fn jobs_are_cancelled_and_timed() {
        let folder = tempfile::tempdir().unwrap();
        random_folder(&tiny_config(AttentionKind::Cached), 1, folder.path()).unwrap();
        let source = ModelSource::Folder(folder.path().into());
        let latency = measure(source, DeviceKind::Cpu, 2).unwrap();
        assert!(latency.job_ms > 0.0 && latency.cancelled <= 2);
        assert!(latency.cancel_ms <= latency.longest_cancel_ms);
    }

    #[test]
    fn a_model_that_is_not_there_is_one_sentence() {
        let source = ModelSource::Folder("no/such/folder".into());
        let why = measure(source, DeviceKind::Cpu, 1).unwrap_err();
        assert!(why.contains("no/such/folder"), "{why}");
    }

    #[test]
    fn every_job_has_pictures_of_its_own() {
        let (a, b) = (job("x", 1).unwrap(), job("x", 2).unwrap());
        assert_eq!(a.spec.inputs.len() + a.spec.regions.len(), 8);
        for (a, b) in a.spec.inputs.iter().zip(&b.spec.inputs) {
            assert_ne!(a.hash, b.hash);
        }
    }
}
