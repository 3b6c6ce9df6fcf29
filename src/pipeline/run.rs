//! Running a job.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use candle_core::Tensor;

use super::ask::{beyond, check, guidance_of, model_warning, without_effect};
use super::blend::{Layer, Rgb, Stopped, composite, enlarged};
use super::canvas::CanvasPart;
use super::colour::ColourMatch;
use super::detail::Base;
use super::error::PipelineError;
use super::event::{CropRect, JobEvent, Look, OutputPicture, Preview};
use super::generator::{Branch, Cancel, Family, Focus, Generator, GeneratorInfo};
use super::join::{self, Joining, Made, Own};
use super::light::LightInput;
use super::look::look;
use super::prepare::{Prepared, go_on, latent_cells, prepare, shares};
use crate::doc::job::MaskedMode;
use crate::doc::perceive::MapKind;
use crate::doc::{Job, Picture, Plane};
use crate::sampler::guidance::mix;
use crate::sampler::{Guidance, Masked, batch_noise, first_step, integrate, times};

/// How a job is run; nothing here changes its result.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions<'a> {
    /// Whether [`JobEvent::Preview`]s are made.
    pub previews: bool,
    /// Which picture is looked at: it is shown better, if the model can.
    pub focus: Option<&'a Focus>,
}

impl Default for RunOptions<'_> {
    fn default() -> Self {
        Self {
            previews: true,
            focus: None,
        }
    }
}

impl From<Stopped> for PipelineError {
    fn from(_: Stopped) -> Self {
        PipelineError::Cancelled
    }
}

/// Runs a job with previews. See [`run_with`].
///
/// # Errors
/// As [`run_with`].
pub fn run(
    job: &Job,
    generator: &mut dyn Generator,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(JobEvent),
) -> Result<(), PipelineError> {
    run_with(job, generator, cancel, RunOptions::default(), on_event)
}

/// Runs a job: prepares the inputs, samples, composes, and tells what happens. The same job gives the same bytes on
/// the same device, whatever the batches and with or without previews. Outputs are told as soon as they are sampled, or
/// all of them at the end ([`Generator::decodes_last`]).
///
/// # Errors
/// [`PipelineError::Cancelled`] soon after `cancel` is set; else what was wrong with the job or the model. Outputs
/// told before stay valid.
pub fn run_with(
    job: &Job,
    generator: &mut dyn Generator,
    cancel: &Cancel,
    options: RunOptions<'_>,
    on_event: &mut dyn FnMut(JobEvent),
) -> Result<(), PipelineError> {
    let began = Instant::now();
    let info = generator.info().clone();
    check(job, &info)?;
    for warning in model_warning(job, &info)
        .into_iter()
        .chain(without_effect(job, &info))
        .chain(beyond(job, &info))
    {
        on_event(JobEvent::Warning(warning));
    }
    on_event(JobEvent::Preparing);
    let mut lamp = |input: &LightInput| Ok(generator.light(input, cancel)?);
    let prepared = prepare(job, &info, &mut lamp, cancel)?;
    go_on(cancel)?;
    generator.prepare(&prepared.inputs, cancel)?;
    if let Some(text) = generator.sent_text() {
        on_event(JobEvent::Sent(text.to_owned()));
    }
    for warning in generator.take_warnings() {
        on_event(JobEvent::Warning(warning));
    }
    let stage = Stage::new(job, &info, prepared, generator, cancel)?;
    let outputs = job.spec.outputs as usize;
    let joint = job.spec.joint as usize;
    let limit = generator.batch_limit(stage.frame_width, stage.frame_height);
    let mut batch = (limit / joint).clamp(1, outputs);
    let mut told = Told {
        began,
        sampling: Instant::now(),
        done: 0,
        steps: 0,
        previews: options.previews,
        focus: options.focus,
        estimates: vec![None; outputs * job.spec.joint as usize],
        look: None,
    };
    let mut first = 0;
    let mut waiting = Vec::new();
    while first < outputs {
        let count = batch.min(outputs - first);
        let batches_left = (outputs - first).div_ceil(batch);
        told.steps = told.done + stage.steps() * batches_left as u32;
        let before = told.done;
        let seeds: Vec<u64> = (first..first + count)
            .map(|i| job.spec.seed.wrapping_add(i as u64))
            .collect();
        let sampled = stage
            .sample(generator, &seeds, first, cancel, &mut told, on_event)
            .and_then(|z| {
                if generator.decodes_last() {
                    waiting.push((z, seeds.clone(), first));
                    return Ok(());
                }
                stage.decode_and_tell(generator, &z, &seeds, first, cancel, on_event)
            });
        match sampled {
            Ok(()) => first += count,
            // What was told of this batch is made again: outputs only follow when the whole batch is decoded.
            Err(PipelineError::OutOfMemory) if count > 1 => {
                batch = count.div_ceil(2);
                told.done = before;
                on_event(JobEvent::Warning(
                    "The outputs do not fit into memory together: they are made in smaller groups"
                        .into(),
                ));
            }
            Err(error) => return Err(error),
        }
    }
    for (z, seeds, first) in waiting {
        stage.decode_and_tell(generator, &z, &seeds, first, cancel, on_event)?;
    }
    Ok(())
}

/// What has been told so far.
struct Told<'a> {
    began: Instant,
    sampling: Instant,
    done: u32,
    steps: u32,
    previews: bool,
    focus: Option<&'a Focus>,
    estimates: Vec<Option<Arc<Vec<f32>>>>,
    look: Option<Look>,
}

impl Told<'_> {
    fn step(&mut self) -> JobEvent {
        self.done += 1;
        let mean = self.sampling.elapsed().as_secs_f64() / f64::from(self.done);
        JobEvent::Step {
            step: self.done,
            steps: self.steps,
            elapsed: self.began.elapsed().as_secs_f64(),
            eta: mean * f64::from(self.steps.saturating_sub(self.done)),
        }
    }
}

/// All that stays the same over the batches of a job.
struct Stage<'a> {
    job: &'a Job,
    crop: CropRect,
    frame_width: u32,
    frame_height: u32,
    canvas: Option<CanvasPart>,
    /// What shows of the result in the crop; `None` for a new picture.
    alpha: Option<Arc<Plane>>,
    /// Channels, rows and columns of a latent.
    shape: [usize; 3],
    /// The canvas's latent and, for each cell, whether it may change; `None` if all may.
    known: Option<(Tensor, Vec<u8>)>,
    /// How much each cell may change, for families with soft masks.
    soft: Option<Vec<f32>>,
    /// The canvas's latent, if the run begins on it.
    start: Option<Tensor>,
    times: Vec<f64>,
    /// How the guidance counts; nothing for models that take none.
    guidance: Guidance,
    latent_rgb: Arc<Vec<[f32; 3]>>,
    /// The canvas with what was laid into it, at the model's size; empty without a canvas.
    base: Arc<Base>,
    /// The same with objects in the light they came in.
    own: Option<Arc<Own>>,
    /// [`GeneratorInfo::grain`].
    grain: f32,
    /// The outputs are maps of the canvas.
    maps: bool,
    /// Which, if the words say so.
    map: Option<MapKind>,
}

impl<'a> Stage<'a> {
    fn new(
        job: &'a Job,
        info: &GeneratorInfo,
        prepared: Prepared,
        generator: &mut dyn Generator,
        cancel: &Cancel,
    ) -> Result<Self, PipelineError> {
        let Prepared { frame, canvas, .. } = prepared;
        let crop = frame.crop;
        let shape = [
            info.latent_channels,
            (frame.height / info.downscale) as usize,
            (frame.width / info.downscale) as usize,
        ];
        // The whole frame is drawn anew and the region of it kept: nothing is held in place on the way.
        let redraws = info.family != Family::UniReal && job.spec.masked_mode() == MaskedMode::Edit;
        let (mut alpha, mut known, mut soft) = (None, None, None);
        if let Some(canvas) = &canvas {
            alpha = Some(Arc::new(match &canvas.region {
                None => Plane::filled(crop.width, crop.height, 255),
                Some(region) => join::alpha(region, crop, &canvas.picture, &job.spec.blend),
            }));
            go_on(cancel)?;
            if let Some(region) = &canvas.region
                && !redraws
            {
                let cells = match info.family {
                    Family::UniReal => latent_cells(&region.editable, shape[2], shape[1]),
                    Family::Flux2 { .. } => {
                        let shares = soft_cells(&region.editable, shape[2], shape[1]);
                        let any = shares.iter().map(|share| u8::from(*share > 0.0)).collect();
                        soft = Some(shares);
                        any
                    }
                };
                if cells.contains(&0) || soft.iter().flatten().any(|share| *share < 1.0) {
                    let clean = generator.encode(&canvas.rgb, frame.width, frame.height, cancel)?;
                    known = Some((clean, cells));
                }
            }
        }
        let base = canvas.as_ref().map(|part| part.base(&frame));
        let own = canvas.as_ref().and_then(|part| part.own(&frame));
        let steps = job.spec.steps;
        let shift = generator.shift(frame.width, frame.height, steps as usize);
        let mut times = times(steps, shift);
        let mut start = None;
        let strength = match info.family {
            Family::UniReal => f64::from(job.spec.masked.strength.unwrap_or(1.0)),
            Family::Flux2 { .. } => job.spec.strength(),
        };
        if let Some(canvas) = &canvas
            && strength < 1.0
        {
            times.drain(..first_step(steps, strength));
            start = Some(match (&known, &base) {
                // It goes on from what was laid in.
                (_, Some(base)) if canvas.collage.is_some() => {
                    generator.encode(base.rgb(), frame.width, frame.height, cancel)?
                }
                (Some((clean, _)), _) => clean.clone(),
                (None, _) => generator.encode(&canvas.rgb, frame.width, frame.height, cancel)?,
            });
        }
        Ok(Self {
            job,
            crop,
            frame_width: frame.width,
            frame_height: frame.height,
            canvas,
            alpha,
            shape,
            known,
            soft,
            start,
            times,
            guidance: guidance_of(job, info),
            latent_rgb: Arc::new(info.latent_rgb.clone()),
            base: Arc::new(base.unwrap_or_default()),
            own: own.map(Arc::new),
            grain: info.grain as f32,
            maps: info.family == Family::UniReal && job.spec.is_map(),
            map: MapKind::asked(&job.spec.prompt),
        })
    }

    /// Steps of one batch.
    fn steps(&self) -> u32 {
        self.times.len().saturating_sub(1) as u32
    }

    /// The known cells for a batch; joint pictures beyond the first are new throughout.
    fn masked(&self, noise: &Tensor) -> Result<Option<Masked>, PipelineError> {
        let Some((clean, cells)) = &self.known else {
            return Ok(None);
        };
        let joint = self.job.spec.joint as usize;
        let mut editable = cells.clone();
        editable.resize(cells.len() * joint, 1);
        let pictures = noise.dim(0)?;
        let editable = editable.repeat(pictures / joint);
        let [_, rows, columns] = self.shape;
        let shape = (pictures, 1, rows, columns);
        let editable = match &self.soft {
            None => Tensor::from_vec(editable, shape, noise.device())?,
            Some(soft) => {
                let mut soft = soft.clone();
                soft.resize(cells.len() * joint, 1.0);
                Tensor::from_vec(soft.repeat(pictures / joint), shape, noise.device())?
            }
        };
        Ok(Some(Masked::new(&editable, clean, noise)?))
    }

    /// The latents of a batch, without noise.
    fn sample(
        &self,
        generator: &mut dyn Generator,
        seeds: &[u64],
        first: usize,
        cancel: &Cancel,
        told: &mut Told<'_>,
        on_event: &mut dyn FnMut(JobEvent),
    ) -> Result<Tensor, PipelineError> {
        let spec = &self.job.spec;
        let joint = spec.joint as usize;
        let device = generator.device().clone();
        let noise = batch_noise(seeds, joint, self.shape, &device)?;
        let masked = self.masked(&noise)?;
        let begin = match (&self.start, self.times.first()) {
            (Some(clean), Some(&t)) => noise
                .affine(t, 0.0)?
                .broadcast_add(&clean.affine(1.0 - t, 0.0)?)?,
            _ => noise,
        };
        let weights = self.guidance.weights();
        let branches = [
            (weights.full, Branch::Full),
            (weights.no_text, Branch::NoText),
            (weights.no_references, Branch::NoReferences),
        ];
        // Asked for velocities in a step, and for a look behind it.
        let generator = RefCell::new(generator);
        let mut velocity = |z: &Tensor, t: f64| -> Result<Tensor, PipelineError> {
            let mut generator = generator.borrow_mut();
            let mut terms = Vec::with_capacity(branches.len());
            for (weight, branch) in branches {
                if weight != 0.0 {
                    go_on(cancel)?;
                    terms.push((weight, generator.velocity(z, t, branch, cancel)?));
                }
            }
            // A device that works behind our back would make steps look quick and the last one slow.
            device.synchronize()?;
            match mix(terms)? {
                Some(velocity) => Ok(velocity),
                None => Ok(z.zeros_like()?),
            }
        };
        integrate(
            &begin,
            &self.times,
            spec.solver,
            masked.as_ref(),
            &mut velocity,
            &mut |state| {
                go_on(cancel)?;
                let step = told.step();
                on_event(step);
                if told.previews {
                    let x0 = state.x0()?;
                    let first = first * joint;
                    for i in 0..seeds.len() * joint {
                        let values = x0.narrow(0, i, 1)?.flatten_all()?.to_vec1::<f32>()?;
                        told.estimates[first + i] = Some(Arc::new(values));
                    }
                    told.look = None;
                    let focus = told.focus.and_then(Focus::get);
                    if let Some(of) =
                        focus.filter(|of| (first..first + seeds.len() * joint).contains(of))
                    {
                        let z = x0.narrow(0, of - first, 1)?;
                        told.look = look(&mut **generator.borrow_mut(), &z, of, cancel)?;
                    }
                    on_event(JobEvent::Preview(self.preview(told)));
                }
                Ok(())
            },
        )
    }

    fn preview(&self, told: &Told<'_>) -> Preview {
        Preview {
            step: told.done,
            shape: self.shape,
            outputs: told.estimates.clone(),
            look: told.look.clone(),
            crop: self.crop,
            alpha: self.alpha.clone(),
            latent_rgb: Arc::clone(&self.latent_rgb),
        }
    }

    /// Decodes all latents of a batch, then composes and tells its outputs.
    fn decode_and_tell(
        &self,
        generator: &mut dyn Generator,
        z: &Tensor,
        seeds: &[u64],
        first: usize,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(JobEvent),
    ) -> Result<(), PipelineError> {
        let finite = |z: &Tensor| -> candle_core::Result<bool> {
            let values = z.flatten_all()?.to_vec1::<f32>()?;
            Ok(values.iter().all(|value| value.is_finite()))
        };
        // A decoder's limits to 0..1 would hide it.
        if !finite(z)? {
            return Err(PipelineError::NotFinite);
        }
        // One at a time: decoding takes the most memory, and so a batch decodes to what single outputs decode to.
        let mut decoded = Vec::with_capacity(z.dim(0)?);
        for i in 0..z.dim(0)? {
            go_on(cancel)?;
            decoded.push(rgb_of(
                &generator.decode(&z.narrow(0, i, 1)?.contiguous()?, cancel)?,
            )?);
        }
        let joint = self.job.spec.joint as usize;
        for (i, mut rgb) in decoded.into_iter().enumerate() {
            go_on(cancel)?;
            let (mut joining, mut blend) = (None, self.job.spec.blend);
            let output = (first + i / joint) as u32;
            let mask = self
                .job
                .spec
                .map((i % joint) as u32)
                .filter(|_| i % joint > 0);
            if self.maps || mask.is_some() {
                rgb.become_map(mask.or(self.map));
            }
            if i % joint == 0 && self.canvas.as_ref().is_some_and(|part| part.lit) {
                self.base.meet(&mut rgb.values);
            }
            let picture = match (i % joint, &self.canvas, &self.alpha) {
                (0, Some(canvas), Some(alpha)) if !self.maps => {
                    let colour = self.colour_match(canvas, &rgb);
                    let made = Made {
                        base: Arc::clone(&self.base),
                        own: self.own.clone(),
                        grain: self.grain,
                        collage: canvas.collage().cloned(),
                        flat: canvas.flat.clone(),
                        cover: canvas.cover.clone(),
                        cast: canvas.cast.clone(),
                        generated: rgb,
                    };
                    if canvas.varies {
                        blend = self.job.spec.blend_of(output);
                    }
                    let blend = &blend;
                    match &canvas.region {
                        Some(region) => {
                            let parts = Joining {
                                canvas: Arc::clone(&canvas.picture),
                                crop: self.crop,
                                colour,
                                made,
                                region: Arc::clone(region),
                            };
                            let picture = parts.through(alpha, blend, cancel)?;
                            joining = Some(Arc::new(parts));
                            picture
                        }
                        None => {
                            let place = (&*canvas.picture, self.crop);
                            made.over(place, alpha, blend, &colour, cancel)?
                        }
                    }
                }
                // On black, so that it lies on the canvas where it belongs.
                (1.., Some(canvas), _) => {
                    let (width, height) = (canvas.picture.width(), canvas.picture.height());
                    let black = Picture::filled(width, height, [0, 0, 0, 255]);
                    let all = Plane::filled(self.crop.width, self.crop.height, 255);
                    let none = ColourMatch::none();
                    composite(&black, self.crop, Layer::Plain(&rgb), &all, &none, cancel)?
                }
                _ => enlarged(&rgb, self.crop.width, self.crop.height, cancel)?,
            };
            on_event(JobEvent::Output(OutputPicture {
                index: output,
                joint: (i % joint) as u32,
                seed: seeds[i / joint],
                picture: Arc::new(picture),
                blend,
                joining,
            }));
        }
        Ok(())
    }

    /// Fits the decoded crop to the canvas on the known ground around the region.
    fn colour_match(&self, canvas: &CanvasPart, rgb: &Rgb) -> ColourMatch {
        match &self.known {
            Some((_, cells)) => {
                let ring = ring(cells, self.shape[2], rgb.width, rgb.height);
                ColourMatch::fit(&canvas.rgb, &rgb.values, &ring)
            }
            None => ColourMatch::none(),
        }
    }
}

/// For each latent cell the share of its token, two cells wide and high, that may change.
fn soft_cells(editable: &Plane, columns: usize, rows: usize) -> Vec<f32> {
    let (across, down) = ((columns / 2).max(1), (rows / 2).max(1));
    let tokens = shares(editable, (across, down));
    (0..rows * columns)
        .map(|cell| {
            let (x, y) = (cell % columns / 2, cell / columns / 2);
            tokens[y.min(down - 1) * across + x.min(across - 1)]
        })
        .collect()
}

/// Pixels of the known cells near those that may change, or of all known cells if those near are too few.
fn ring(cells: &[u8], columns: usize, width: usize, height: usize) -> Vec<bool> {
    let rows = cells.len() / columns;
    let reach = (columns.max(rows) * 3).div_ceil(20).max(2);
    let near = |x: usize, y: usize| {
        let lines = y.saturating_sub(reach)..(y + reach + 1).min(rows);
        lines.into_iter().any(|line| {
            let row = &cells[line * columns..(line + 1) * columns];
            row[x.saturating_sub(reach)..(x + reach + 1).min(columns)].contains(&1)
        })
    };
    let pick = |place: &dyn Fn(usize, usize) -> bool| -> Vec<bool> {
        let chosen: Vec<bool> = (0..cells.len())
            .map(|i| cells[i] == 0 && place(i % columns, i / columns))
            .collect();
        (0..width * height)
            .map(|i| chosen[(i / width * rows / height) * columns + i % width * columns / width])
            .collect()
    };
    let ring = pick(&near);
    if ring.iter().filter(|place| **place).count() >= 64 {
        ring
    } else {
        pick(&|_, _| true)
    }
}

/// A decoded picture `[1, 3, H, W]` on the processor.
fn rgb_of(decoded: &Tensor) -> Result<Rgb, PipelineError> {
    let (_, _, height, width) = decoded.dims4()?;
    let values = decoded
        .permute((0, 2, 3, 1))?
        .flatten_all()?
        .to_vec1::<f32>()?;
    if !values.iter().all(|value| value.is_finite()) {
        return Err(PipelineError::NotFinite);
    }
    Ok(Rgb {
        width,
        height,
        values,
    })
}
