//! A cheap stand-in for a model, and jobs to run it on.
#![allow(dead_code)] // Each test file uses a part.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use candle_core::{Device, Tensor};
use inlay::doc::job::{BlendSpec, JOB_VERSION, JobInput, JobRegion, JobSpec, MaskedSpec, Solver};
use inlay::doc::{ControlKind, Job, Level, Picture, Plane, Role};
use inlay::pipeline::event::{JobEvent, OutputPicture, Preview};
use inlay::pipeline::generator::{
    Branch, Cancel, Family, Generator, GeneratorError, GeneratorInfo, Inputs,
};
use inlay::pipeline::light::{Field, Light, LightInput};
use inlay::pipeline::{PipelineError, run};

type Hook = Box<dyn FnMut(usize, &Tensor) -> Result<(), GeneratorError> + Send>;

/// What a [`Toy`] was asked, shared with the test.
#[derive(Default)]
pub struct Asked {
    pub velocities: AtomicUsize,
    pub branches: Mutex<Vec<Branch>>,
    pub batches: Mutex<Vec<usize>>,
    pub inputs: Mutex<Vec<Inputs>>,
    pub collages: Mutex<Vec<LightInput>>,
}

/// A deterministic generator without weights: latents are 8×8 means, and it draws a colour that depends on the text,
/// the pictures and the noise.
pub struct Toy {
    pub info: GeneratorInfo,
    pub asked: Arc<Asked>,
    /// Called before each velocity with the number of calls before it.
    pub hook: Hook,
    /// Outputs in one batch at most.
    pub batch: usize,
    /// Added to every decoded value.
    pub drift: f64,
    /// How strongly the noise decides; 0 draws the same for every seed.
    pub variety: f64,
    /// Gives a quick look of one colour, or fails at it.
    pub look: Option<Result<[f32; 3], ()>>,
    /// Factors for objects and ground, and what is mirrored, if it knows about light ([`GeneratorInfo::lights`]).
    pub light: [f32; 3],
    /// What it draws when it should not derive it.
    pub target: Option<[f32; 4]>,
    pub base: [f32; 4],
}

impl Default for Toy {
    fn default() -> Self {
        Self {
            info: GeneratorInfo {
                name: "toy".into(),
                hash: "0".repeat(64),
                resolution: 64,
                multiple: 16,
                downscale: 8,
                latent_channels: 4,
                latent_rgb: [0, 1, 2, 3, 4]
                    .map(|i| [0, 1, 2].map(|c| if i == c || i == 4 { 0.5 } else { 0.0 }))
                    .to_vec(),
                max_inputs: 8,
                max_joint: 4,
                default_steps: 4,
                default_guidance: 1.0,
                shift: 1.5,
                grain: 0.0,
                family: Family::UniReal,
                lights: false,
            },
            asked: Arc::default(),
            hook: Box::new(|_, _| Ok(())),
            batch: 8,
            drift: 0.0,
            variety: 0.6,
            look: None,
            light: [1.0, 1.0, 0.0],
            target: None,
            base: [0.0; 4],
        }
    }
}

impl Generator for Toy {
    fn info(&self) -> &GeneratorInfo {
        &self.info
    }

    fn device(&self) -> &Device {
        &Device::Cpu
    }

    fn prepare(&mut self, inputs: &Inputs, _: &Cancel) -> Result<(), GeneratorError> {
        let mut sums = [inputs.text.len() as f32 * 0.013, 0.0, 0.1, -0.2];
        for (i, image) in inputs.images.iter().enumerate() {
            let mean = image.values.iter().sum::<f32>() / image.values.len() as f32;
            sums[i % 4] += mean;
        }
        self.base = self.target.unwrap_or(sums.map(|s| s.sin() * 0.5));
        self.asked.inputs.lock().unwrap().push(inputs.clone());
        Ok(())
    }

    fn light(&mut self, input: &LightInput, _: &Cancel) -> Result<Option<Light>, GeneratorError> {
        self.asked.collages.lock().unwrap().push(input.clone());
        let even = |value| Field::new(1, vec![[value; 3]]).unwrap();
        Ok(Some(Light {
            objects: even(self.light[0]),
            ground: even(self.light[1]),
            mirrored: even(self.light[2]),
        }))
    }

    fn take_warnings(&mut self) -> Vec<String> {
        vec!["The toy is no model".into()]
    }

    fn encode(
        &mut self,
        rgb: &[f32],
        width: u32,
        height: u32,
        _: &Cancel,
    ) -> Result<Tensor, GeneratorError> {
        let (w, h) = (width as usize, height as usize);
        let rgb = Tensor::from_slice(rgb, (1, h, w, 3), &Device::Cpu)?.permute((0, 3, 1, 2))?;
        let mean = rgb.contiguous()?.avg_pool2d(8)?.affine(2.0, -1.0)?;
        Ok(mean.pad_with_zeros(1, 0, 1)?)
    }

    fn velocity(
        &mut self,
        z: &Tensor,
        t: f64,
        branch: Branch,
        cancel: &Cancel,
    ) -> Result<Tensor, GeneratorError> {
        if cancel.is_cancelled() {
            return Err(GeneratorError::Cancelled);
        }
        let before = self.asked.velocities.fetch_add(1, Ordering::SeqCst);
        self.asked.branches.lock().unwrap().push(branch);
        self.asked.batches.lock().unwrap().push(z.dim(0)?);
        (self.hook)(before, z)?;
        let shade = match branch {
            Branch::Full => 0.0,
            Branch::NoText => 0.1,
            Branch::NoReferences => -0.1,
        };
        let base = Tensor::new(&self.base, &Device::Cpu)?
            .affine(1.0, shade)?
            .reshape((1, 4, 1, 1))?;
        let x0 = z.tanh()?.affine(self.variety, 0.0)?.broadcast_add(&base)?;
        Ok((z - x0)?.affine(1.0 / t.max(0.05), 0.0)?)
    }

    fn quick_look(&mut self, z: &Tensor, _: &Cancel) -> Result<Option<Tensor>, GeneratorError> {
        let (_, _, h, w) = z.dims4()?;
        match self.look {
            None => Ok(None),
            Some(Err(())) => Err(GeneratorError::Input("there is no room for a look".into())),
            Some(Ok(rgb)) => {
                let rgb = Tensor::new(&rgb, &Device::Cpu)?.reshape((1, 3, 1, 1))?;
                Ok(Some(rgb.broadcast_as((1, 3, h * 8, w * 8))?.contiguous()?))
            }
        }
    }

    fn decode(&mut self, z: &Tensor, _: &Cancel) -> Result<Tensor, GeneratorError> {
        let (_, _, h, w) = z.dims4()?;
        Ok(z.narrow(1, 0, 3)?
            .upsample_nearest2d(h * 8, w * 8)?
            .affine(0.5, 0.5 + self.drift)?
            .clamp(0f32, 1f32)?)
    }

    fn batch_limit(&self, _: u32, _: u32) -> usize {
        self.batch
    }
}

/// Pixels without pattern, the same for the same numbers; with some transparent ones if asked.
pub fn speckled(width: u32, height: u32, seed: u32, alpha: bool) -> Picture {
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 11) as u8
    };
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 4);
    for _ in 0..width as usize * height as usize {
        let a = if alpha && next() < 60 { next() } else { 255 };
        pixels.extend([next(), next(), next(), a]);
    }
    Picture::from_rgba(width, height, pixels).unwrap()
}

/// A mask that selects a rectangle.
pub fn rectangle(size: (u32, u32), x: std::ops::Range<u32>, y: std::ops::Range<u32>) -> Plane {
    let values = (0..size.0 * size.1)
        .map(|i| {
            let inside = x.contains(&(i % size.0)) && y.contains(&(i / size.0));
            if inside { 255 } else { 0 }
        })
        .collect();
    Plane::from_values(size.0, size.1, values).unwrap()
}

/// One input of a job.
pub fn input(role: Role, kind: Option<ControlKind>) -> JobInput {
    JobInput {
        role,
        kind,
        hash: String::new(),
        source: None,
    }
}

/// A job of words alone.
pub fn words(prompt: &str) -> Job {
    Job {
        spec: JobSpec {
            version: JOB_VERSION,
            model: "toy".into(),
            model_hash: String::new(),
            inputs: Vec::new(),
            regions: Vec::new(),
            prompt: prompt.into(),
            tags: None,
            outputs: 1,
            joint: 1,
            seed: 5,
            steps: 3,
            guidance_text: 1.0,
            guidance_image: 1.0,
            solver: Solver::Euler,
            size: None,
            crop: None,
            vary: false,
            blend: BlendSpec::default(),
            masked: MaskedSpec::default(),
        },
        pictures: Vec::new(),
        masks: Vec::new(),
    }
}

/// Adds a picture to a job.
pub fn with_picture(mut job: Job, role: Role, picture: Picture) -> Job {
    job.spec.inputs.push(input(role, None));
    job.pictures.push(Arc::new(picture));
    job
}

/// Adds a region to a job.
pub fn with_region(mut job: Job, mask: Plane, level: Level, asset: Option<usize>) -> Job {
    job.spec.regions.push(JobRegion {
        level,
        asset,
        hash: String::new(),
        mask_png: String::new(),
    });
    job.masks.push(Arc::new(mask));
    job
}

/// An object to be put into the middle of a canvas.
pub fn insertion(size: (u32, u32), level: Level) -> Job {
    let job = words("Put IMG2 into IMG1 at IMG3");
    let job = with_picture(job, Role::Canvas, speckled(size.0, size.1, 3, false));
    let mut asset = Picture::filled(40, 30, [200, 40, 60, 255]);
    asset.pixels_mut()[..40 * 8 * 4].fill(0);
    let job = with_picture(job, Role::Asset, asset);
    let (w, h) = size;
    let mask = rectangle(size, w * 2 / 5..w * 3 / 5, h * 2 / 5..h * 7 / 10);
    with_region(job, mask, level, Some(1))
}

/// All that a run tells; it must succeed.
pub fn events(job: &Job, generator: &mut dyn Generator) -> Vec<JobEvent> {
    let mut events = Vec::new();
    run(job, generator, &Cancel::default(), &mut |event| {
        events.push(event)
    })
    .unwrap();
    events
}

/// The finished pictures among events.
pub fn outputs_of(events: &[JobEvent]) -> Vec<OutputPicture> {
    events
        .iter()
        .filter_map(|event| match event {
            JobEvent::Output(output) => Some(output.clone()),
            _ => None,
        })
        .collect()
}

/// The previews among events.
pub fn previews_of(events: &[JobEvent]) -> Vec<Preview> {
    events
        .iter()
        .filter_map(|event| match event {
            JobEvent::Preview(preview) => Some(preview.clone()),
            _ => None,
        })
        .collect()
}

/// The finished pictures of a run.
pub fn outputs(job: &Job, generator: &mut dyn Generator) -> Vec<OutputPicture> {
    outputs_of(&events(job, generator))
}

/// Why a run fails.
pub fn fails(job: &Job, generator: &mut dyn Generator) -> PipelineError {
    run(job, generator, &Cancel::default(), &mut |_| ()).unwrap_err()
}
