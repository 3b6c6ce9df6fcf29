//! Jobs from end to end with the real model family and random weights.

mod common;

use std::path::Path;

use candle_core::{Device, Tensor};
use common::{insertion, words};
use inlay::doc::job::Solver;
use inlay::doc::{Job, Level};
use inlay::engine::{Engine, Event, JobId, ModelSource, Request};
use inlay::model::{AttentionKind, DeviceKind, Source, random_folder, tiny_config};
use inlay::pipeline::event::{JobEvent, OutputPicture};
use inlay::pipeline::generator::{
    Branch, Cancel, Generator, GeneratorError, GeneratorInfo, Inputs,
};
use inlay::pipeline::unireal::UniRealGenerator;
use inlay::pipeline::{RunOptions, run_with};

/// The real generator with another limit for batches.
struct Limited {
    inner: UniRealGenerator,
    limit: usize,
}

impl Generator for Limited {
    fn info(&self) -> &GeneratorInfo {
        self.inner.info()
    }
    fn device(&self) -> &Device {
        self.inner.device()
    }
    fn prepare(&mut self, inputs: &Inputs, cancel: &Cancel) -> Result<(), GeneratorError> {
        self.inner.prepare(inputs, cancel)
    }
    fn take_warnings(&mut self) -> Vec<String> {
        self.inner.take_warnings()
    }
    fn encode(
        &mut self,
        rgb: &[f32],
        width: u32,
        height: u32,
        cancel: &Cancel,
    ) -> Result<Tensor, GeneratorError> {
        self.inner.encode(rgb, width, height, cancel)
    }
    fn velocity(
        &mut self,
        z: &Tensor,
        t: f64,
        branch: Branch,
        cancel: &Cancel,
    ) -> Result<Tensor, GeneratorError> {
        self.inner.velocity(z, t, branch, cancel)
    }
    fn decode(&mut self, z: &Tensor, cancel: &Cancel) -> Result<Tensor, GeneratorError> {
        self.inner.decode(z, cancel)
    }
    fn batch_limit(&self, _: u32, _: u32) -> usize {
        self.limit
    }
}

fn generator(folder: &Path, limit: usize) -> Limited {
    let source = Source::Folder(folder.to_owned());
    let inner = UniRealGenerator::load("tiny", &source, &Device::Cpu, &mut |_, _| ()).unwrap();
    Limited { inner, limit }
}

fn outputs(job: &Job, generator: &mut dyn Generator, previews: bool) -> Vec<OutputPicture> {
    let mut outputs = Vec::new();
    let options = RunOptions {
        previews,
        focus: None,
    };
    run_with(job, generator, &Cancel::default(), options, &mut |event| {
        if let JobEvent::Output(output) = event {
            outputs.push(output);
        }
    })
    .unwrap();
    outputs
}

fn bytes(outputs: &[OutputPicture]) -> Vec<&[u8]> {
    outputs.iter().map(|o| o.picture.pixels()).collect()
}

fn job() -> Job {
    let mut job = insertion((150, 120), Level::Blob);
    job.spec.model = "tiny".into();
    job.spec.outputs = 3;
    job.spec.guidance_text = 3.0;
    job.spec.guidance_image = 1.5;
    job
}

#[test]
fn batches_previews_and_kept_work_do_not_change_a_byte() {
    for attention in [AttentionKind::Cached, AttentionKind::Full] {
        let folder = tempfile::tempdir().unwrap();
        random_folder(&tiny_config(attention), 3, folder.path()).unwrap();
        let mut whole = generator(folder.path(), 8);
        let mut job = job();
        for joint in [1, 2] {
            job.spec.joint = joint;
            job.spec.solver = [Solver::Euler, Solver::Heun][joint as usize - 1];
            let first = outputs(&job, &mut whole, true);
            assert_eq!(first.len(), 3 * joint as usize);
            // The same generator again, with all that it kept.
            assert!(bytes(&first) == bytes(&outputs(&job, &mut whole, true)));
            assert!(bytes(&first) == bytes(&outputs(&job, &mut whole, false)));
            let mut single = generator(folder.path(), 1);
            assert!(
                bytes(&first) == bytes(&outputs(&job, &mut single, true)),
                "one by one, {attention:?}, {joint} joint"
            );
            let mut pairs = generator(folder.path(), 2 * joint as usize);
            assert!(bytes(&first) == bytes(&outputs(&job, &mut pairs, true)));
        }
    }
}

#[test]
fn the_engine_loads_a_folder_and_generates() {
    let folder = tempfile::tempdir().unwrap();
    random_folder(&tiny_config(AttentionKind::Cached), 3, folder.path()).unwrap();
    let engine = Engine::start_on(DeviceKind::Cpu, || ()).unwrap();
    let source = ModelSource::Folder(folder.path().to_owned());
    engine.send(Request::Load(source)).unwrap();
    let job = job();
    engine
        .send(Request::Generate(JobId(1), Box::new(job.clone())))
        .unwrap();
    let mut long = words(&"a red ball ".repeat(400));
    long.spec.size = Some([64, 64]);
    engine
        .send(Request::Generate(JobId(2), Box::new(long)))
        .unwrap();
    let mut events = Vec::new();
    for _ in 0..600 {
        events.extend(engine.wait(std::time::Duration::from_millis(100)));
        if events.iter().any(|e| matches!(e, Event::Done(JobId(2)))) {
            break;
        }
    }
    let shares: Vec<f32> = events
        .iter()
        .filter_map(|event| match event {
            Event::Loading(share, _) => Some(*share),
            _ => None,
        })
        .collect();
    assert!(
        shares.windows(2).all(|pair| pair[0] <= pair[1]),
        "{shares:?}"
    );
    assert_eq!(shares.last(), Some(&1.0));
    let mut made = Vec::new();
    for event in &events {
        match event {
            Event::Loaded(summary) => {
                assert!(summary.parameters > 0 && summary.device.starts_with("CPU"));
                assert_eq!(summary.hash.len(), 64);
            }
            Event::Output(JobId(1), output) => made.push(output.clone()),
            Event::Failed(_, text) | Event::LoadFailed(text) => panic!("{text}"),
            _ => {}
        }
    }
    let mut direct = generator(folder.path(), 1);
    assert!(bytes(&made) == bytes(&outputs(&job, &mut direct, false)));
    assert!(
        events
            .iter()
            .any(|e| matches!(e, Event::Warning(JobId(2), text) if text.contains("too long"))),
        "a cut prompt warns"
    );
}

#[test]
fn a_folder_without_a_model_says_which_file() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start_on(DeviceKind::Cpu, || ()).unwrap();
    let source = ModelSource::Folder(folder.path().to_owned());
    engine.send(Request::Load(source)).unwrap();
    let mut events = Vec::new();
    for _ in 0..600 {
        events.extend(engine.wait(std::time::Duration::from_millis(100)));
        if let Some(Event::LoadFailed(text)) = events.last() {
            assert!(text.contains("config.json"), "{text}");
            return;
        }
    }
    panic!("never failed: {events:?}");
}
