//! The worker with a stand-in for the model.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use candle_core::Tensor;
use common::{Asked, Toy, insertion, words};
use inlay::doc::{Job, Level};
use inlay::engine::{
    Engine, EngineError, Event, JobId, Loaded, Loader, MAX_REQUESTS, ModelSource, Request,
};
use inlay::pipeline::generator::{Cancel, GeneratorError};

type Hook = Arc<Mutex<dyn FnMut(usize, &Tensor) -> Result<(), GeneratorError> + Send>>;

/// Loads toys that share what they were asked and one hook.
struct ToyLoader {
    asked: Arc<Asked>,
    hook: Hook,
    loads: Arc<AtomicUsize>,
    fails: bool,
    /// Loading takes until it is cancelled.
    is_slow: bool,
}

impl ToyLoader {
    fn new(
        hook: impl FnMut(usize, &Tensor) -> Result<(), GeneratorError> + Send + 'static,
    ) -> Self {
        Self {
            asked: Arc::default(),
            hook: Arc::new(Mutex::new(hook)),
            loads: Arc::default(),
            fails: false,
            is_slow: false,
        }
    }
}

impl Loader for ToyLoader {
    fn load(
        &mut self,
        _: &ModelSource,
        cancel: &Cancel,
        progress: &mut dyn FnMut(f32, &str),
    ) -> Result<Loaded, String> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        progress(0.5, "toy.safetensors");
        if self.is_slow {
            while !cancel.is_cancelled() {
                std::thread::sleep(Duration::from_millis(1));
            }
            return Err("cancelled".into());
        }
        if self.fails {
            return Err("toy.safetensors is broken: glue it".into());
        }
        let hook = Arc::clone(&self.hook);
        Ok(Loaded {
            generator: Box::new(Toy {
                asked: Arc::clone(&self.asked),
                hook: Box::new(move |before, z| {
                    // A panic in the hook must not spoil it for the next job.
                    let mut hook = hook.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    hook(before, z)
                }),
                ..Toy::default()
            }),
            device: "toy device".into(),
            parameters: 7,
        })
    }
}

#[allow(clippy::type_complexity, reason = "a hook's type has no name")]
/// A hook that stops at a given call, says so, and goes on when told.
fn gate(
    at: usize,
) -> (
    impl FnMut(usize, &Tensor) -> Result<(), GeneratorError> + Send + 'static,
    Receiver<()>,
    SyncSender<()>,
) {
    let (reached, has_reached) = sync_channel(1);
    let (go, may_go) = sync_channel::<()>(1);
    let hook = move |before: usize, _: &Tensor| {
        if before == at {
            reached.send(()).unwrap();
            may_go.recv().unwrap();
        }
        Ok(())
    };
    (hook, has_reached, go)
}

fn start(loader: ToyLoader) -> Engine {
    let engine = Engine::start_with(loader, || ()).unwrap();
    engine.send(Request::Load(ModelSource::Embedded)).unwrap();
    engine
}

fn generate(id: u64, job: &Job) -> Request {
    Request::Generate(JobId(id), Box::new(job.clone()))
}

/// Reads events until one matches; the limit only keeps a broken engine from hanging the tests.
fn until(engine: &Engine, events: &mut Vec<Event>, last: impl Fn(&Event) -> bool) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        events.extend(engine.wait(Duration::from_millis(200)));
        if events.iter().any(&last) {
            return;
        }
    }
    panic!("never came; so far: {:?}", names(events));
}

fn ends(job: u64) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Done(id) | Event::Cancelled(id) | Event::Failed(id, _) if id.0 == job)
}

fn names(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .map(|event| match event {
            Event::Loading(share, what) => format!("loading {share} {what}"),
            Event::Loaded(summary) => format!("loaded {} on {}", summary.name, summary.device),
            Event::LoadFailed(text) => format!("load failed: {text}"),
            Event::Started(id) => format!("{} started", id.0),
            Event::Warning(id, text) => format!("{} warns: {text}", id.0),
            Event::Sent(id, text) => format!("{} sent {text}", id.0),
            Event::Progress(id, step, steps, ..) => format!("{} at {step}/{steps}", id.0),
            Event::Output(id, output) => format!("{} output {}", id.0, output.index),
            Event::Done(id) => format!("{} done", id.0),
            Event::Cancelled(id) => format!("{} cancelled", id.0),
            Event::Failed(id, text) => format!("{} failed: {text}", id.0),
        })
        .collect()
}

fn without_progress(events: &[Event]) -> Vec<String> {
    let mut rest = events.to_vec();
    rest.retain(|event| !matches!(event, Event::Progress(..)));
    names(&rest)
}

#[test]
fn events_come_in_order() {
    let engine = start(ToyLoader::new(|_, _| Ok(())));
    let mut job = insertion((120, 100), Level::Blob);
    job.spec.outputs = 2;
    engine.send(generate(1, &job)).unwrap();
    engine.send(generate(2, &words("a red ball"))).unwrap();
    let mut events = Vec::new();
    until(&engine, &mut events, ends(2));
    assert_eq!(
        without_progress(&events),
        [
            "loading 0.5 toy.safetensors",
            "loaded toy on toy device",
            "1 started",
            "1 warns: The toy is no model",
            "1 output 0",
            "1 output 1",
            "1 done",
            "2 started",
            "2 warns: The toy is no model",
            "2 output 0",
            "2 done",
        ]
    );
    let steps: Vec<u32> = events
        .iter()
        .filter_map(|event| match event {
            Event::Progress(JobId(1), step, 3, ..) => Some(*step),
            _ => None,
        })
        .collect();
    assert_eq!(steps.last(), Some(&3));
    assert!(steps.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(engine.jobs().is_empty());
}

#[test]
fn a_reader_that_never_reads_does_not_stop_the_worker() {
    let loader = ToyLoader::new(|_, _| Ok(()));
    let asked = Arc::clone(&loader.asked);
    let engine = start(loader);
    let mut job = words("a red ball");
    job.spec.steps = 300;
    engine.send(generate(1, &job)).unwrap();
    let began = Instant::now();
    while !engine.jobs().is_empty() && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(asked.velocities.load(Ordering::SeqCst), 300);
    assert_eq!(
        names(&engine.poll()),
        [
            "loading 0.5 toy.safetensors",
            "loaded toy on toy device",
            "1 started",
            "1 warns: The toy is no model",
            "1 at 300/300",
            "1 output 0",
            "1 done",
        ]
    );
    assert!(engine.poll().is_empty());
}

#[test]
fn a_running_job_stops_after_the_step_it_is_in() {
    let (hook, reached, go) = gate(4);
    let loader = ToyLoader::new(hook);
    let asked = Arc::clone(&loader.asked);
    let engine = start(loader);
    let mut job = words("a red ball");
    job.spec.steps = 100;
    engine.send(generate(1, &job)).unwrap();
    job.spec.steps = 2;
    engine.send(generate(2, &job)).unwrap();
    reached.recv().unwrap();
    assert!(engine.cancel(JobId(1)));
    go.send(()).unwrap();
    let mut events = Vec::new();
    until(&engine, &mut events, ends(2));
    // Five of the first job, two of the second.
    assert_eq!(asked.velocities.load(Ordering::SeqCst), 7);
    let names = without_progress(&events);
    assert!(names.contains(&"1 cancelled".to_owned()));
    assert!(!names.contains(&"1 output 0".to_owned()));
    assert_eq!(names.last().unwrap(), "2 done");
    assert!(!engine.cancel(JobId(1)));
}

#[test]
fn a_waiting_job_is_cancelled_at_once_and_the_queue_can_be_overtaken() {
    let (hook, reached, go) = gate(0);
    let loader = ToyLoader::new(hook);
    let wakes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&wakes);
    let engine = Engine::start_with(loader, move || {
        counter.fetch_add(1, Ordering::SeqCst);
    })
    .unwrap();
    engine.send(Request::Load(ModelSource::Embedded)).unwrap();
    let job = words("a red ball");
    for id in 1..=3 {
        engine.send(generate(id, &job)).unwrap();
    }
    reached.recv().unwrap();
    engine.send_first(generate(4, &job)).unwrap();
    assert_eq!(engine.jobs(), [1, 4, 2, 3].map(JobId));
    assert!(engine.cancel(JobId(2)));
    let mut events = engine.poll();
    assert_eq!(names(&events).last().unwrap(), "2 cancelled");
    assert_eq!(engine.jobs(), [1, 4, 3].map(JobId));
    // One that is not there changes nothing, one that is not named comes last.
    engine.arrange(&[JobId(9), JobId(3)]);
    assert_eq!(engine.jobs(), [1, 3, 4].map(JobId));
    engine.arrange(&[JobId(4), JobId(3), JobId(1)]);
    assert_eq!(engine.jobs(), [1, 4, 3].map(JobId));
    go.send(()).unwrap();
    until(&engine, &mut events, ends(3));
    let ended: Vec<String> = names(&events)
        .into_iter()
        .filter(|name| name.ends_with("done") || name.ends_with("cancelled"))
        .collect();
    assert_eq!(ended, ["2 cancelled", "1 done", "4 done", "3 done"]);
    assert!(wakes.load(Ordering::SeqCst) > 0);
}

#[test]
fn a_panic_ends_its_job_and_no_other() {
    let mut calls = 0;
    let loader = ToyLoader::new(move |_, _| {
        calls += 1;
        assert!(calls != 2, "the toy broke at call {calls}");
        Ok(())
    });
    let loads = Arc::clone(&loader.loads);
    let engine = start(loader);
    engine.send(generate(1, &words("a"))).unwrap();
    engine.send(generate(2, &words("b"))).unwrap();
    let mut events = Vec::new();
    until(&engine, &mut events, ends(2));
    let names = without_progress(&events);
    let failed = names.iter().find(|name| name.contains("failed")).unwrap();
    assert!(failed.starts_with("1 failed: This job ended because of a fault in the program"));
    assert!(failed.contains("the toy broke at call 2"), "{failed}");
    assert_eq!(names.last().unwrap(), "2 done");
    // The second job got a fresh model.
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}

#[test]
fn too_little_memory_is_said_in_plain_words() {
    let loader = ToyLoader::new(|_, _| {
        let error = candle_core::Error::Msg("DriverError(CUDA_ERROR_OUT_OF_MEMORY)".into());
        Err(GeneratorError::Tensor(error))
    });
    let engine = start(loader);
    engine.send(generate(1, &words("a"))).unwrap();
    let mut events = Vec::new();
    until(&engine, &mut events, ends(1));
    let names = names(&events);
    assert!(
        names
            .last()
            .unwrap()
            .starts_with("1 failed: There is not enough memory"),
        "{names:?}"
    );
}

#[test]
fn only_the_latest_preview_is_kept_and_each_is_given_once() {
    let (hook, reached, go) = gate(3);
    let engine = start(ToyLoader::new(hook));
    let mut job = words("a red ball");
    job.spec.steps = 6;
    engine.send(generate(1, &job)).unwrap();
    reached.recv().unwrap();
    let preview = engine.latest_preview().unwrap();
    assert_eq!((preview.job, preview.preview.step), (JobId(1), 3));
    assert!(engine.latest_preview().is_none());
    go.send(()).unwrap();
    until(&engine, &mut Vec::new(), ends(1));
    // Finished jobs show their outputs.
    assert!(engine.latest_preview().is_none());
}

#[test]
fn without_a_model_jobs_say_what_to_do() {
    let engine = Engine::start_with(ToyLoader::new(|_, _| Ok(())), || ()).unwrap();
    engine.send(generate(1, &words("a"))).unwrap();
    let mut events = Vec::new();
    until(&engine, &mut events, ends(1));
    assert_eq!(
        names(&events),
        ["1 failed: No model is loaded: choose a model, then generate again"]
    );
    let mut loader = ToyLoader::new(|_, _| Ok(()));
    loader.fails = true;
    let engine = start(loader);
    engine.send(generate(1, &words("a"))).unwrap();
    let mut events = Vec::new();
    until(&engine, &mut events, ends(1));
    assert_eq!(
        names(&events),
        [
            "loading 0.5 toy.safetensors",
            "load failed: Toy.safetensors is broken: glue it",
            "1 failed: Toy.safetensors is broken: glue it",
        ]
    );
}

#[test]
fn a_full_queue_refuses_instead_of_waiting() {
    let (hook, reached, go) = gate(0);
    let engine = start(ToyLoader::new(hook));
    let job = words("a red ball");
    engine.send(generate(0, &job)).unwrap();
    reached.recv().unwrap();
    for id in 1..=MAX_REQUESTS as u64 {
        engine.send(generate(id, &job)).unwrap();
    }
    assert!(matches!(
        engine.send(generate(999, &job)),
        Err(EngineError::Full)
    ));
    engine.cancel_all();
    assert_eq!(engine.jobs(), [JobId(0)]);
    go.send(()).unwrap();
    let mut events = Vec::new();
    until(&engine, &mut events, ends(0));
    let cancelled = events.iter().filter(|e| matches!(e, Event::Cancelled(_)));
    assert_eq!(cancelled.count(), MAX_REQUESTS + 1);
}

#[test]
fn dropping_the_engine_cancels_and_ends_the_thread() {
    let (hook, reached, go) = gate(2);
    let loader = ToyLoader::new(hook);
    let asked = Arc::clone(&loader.asked);
    let engine = start(loader);
    let mut job = words("a red ball");
    job.spec.steps = 1000;
    engine.send(generate(1, &job)).unwrap();
    engine.send(generate(2, &job)).unwrap();
    reached.recv().unwrap();
    let dropped = std::thread::Builder::new()
        .spawn(move || drop(engine))
        .unwrap();
    // The job goes on only after the cancel flag can have been seen, or a few steps later.
    go.send(()).unwrap();
    dropped.join().unwrap();
    assert!(asked.velocities.load(Ordering::SeqCst) < 1000);
}

#[test]
fn loading_is_cancelled_and_another_model_can_be_loaded() {
    let slow = ToyLoader {
        is_slow: true,
        ..ToyLoader::new(|_, _| Ok(()))
    };
    let engine = start(slow);
    let mut events = Vec::new();
    until(&engine, &mut events, |event| {
        matches!(event, Event::Loading(..))
    });
    assert!(engine.cancel_loading());
    until(&engine, &mut events, |event| {
        matches!(event, Event::LoadFailed(_))
    });
    let last = names(&events).pop().unwrap();
    assert_eq!(last, "load failed: Loading was cancelled: choose a model");
    assert!(!engine.cancel_loading(), "nothing is being loaded");
    engine.send(Request::Load(ModelSource::Embedded)).unwrap();
    events.clear();
    until(&engine, &mut events, |event| {
        matches!(event, Event::Loading(..))
    });
    assert!(engine.cancel_loading());
}
