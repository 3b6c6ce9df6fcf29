//! What a model learns light from: collages as the program lays them, beside the true pictures.
//!
//! The records of `inlay data stream` show whole pictures; here is what the program itself would show a model of them,
//! by the same code: the crop around the region, the object laid at its level, the ground filled.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use candle_core::{Device, Tensor};
use clap::Args;
use serde_json::json;

use super::case::{Case, Settings};
use crate::data::command::{SourceArgs, into_file, maker};
use crate::data::plan::Task;
use crate::data::record::MAGIC;
use crate::data::stream;
use crate::doc::job::{BlendSpec, Solver};
use crate::doc::{Picture, Plane, Role};
use crate::pipeline::generator::{
    Branch, Cancel, Family, Generator, GeneratorError, GeneratorInfo, Inputs,
};
use crate::pipeline::light::{Light, LightInput};
use crate::pipeline::{PipelineError, RunOptions, run_with};

/// The tasks that begin with a collage, and how often each comes up.
const TASKS: &str = "insert_reference=6,remove=2,move=2";
/// Of so many insertions one shows the sample's own collage, as if the artist had laid it.
const GIVEN: u64 = 4;

/// Arguments of `inlay data collages`
#[derive(Debug, Args)]
pub struct CollagesArgs {
    /// Where samples come from
    #[command(flatten)]
    pub source: SourceArgs,
    /// How many samples; those that have no collage are left out
    #[arg(long, default_value_t = 1000)]
    pub count: u64,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Writes the collages of a stream's samples.
///
/// # Errors
/// A pack that can't be read, samples that can't be made, a file that can't be written.
pub fn run(args: &CollagesArgs) -> anyhow::Result<()> {
    let mut source = args.source.clone();
    source.tasks.get_or_insert_with(|| TASKS.to_owned());
    let maker = maker(&source, None)?;
    let size = maker.size();
    into_file(&args.out, |out| {
        out.write_all(&header(size))?;
        stream::each(&maker, args.count, source.workers, |record| {
            let index = record.id;
            let case = Case::from_record(&record, size)?;
            if let Some(collage) = Collage::of(&case, index.is_multiple_of(GIVEN), size)? {
                out.write_all(&collage.to_bytes())?;
            }
            Ok(())
        })
    })
}

/// One record: what light is estimated from, and what it should make of it.
struct Collage {
    task: u16,
    input: LightInput,
    /// The true picture, RGB in 0..1.
    target: Vec<f32>,
    /// The visible part of the true object, 0..1.
    object: Vec<f32>,
}

/// The header of a file of collages: as [`crate::data::record::header`] describes records.
fn header(size: usize) -> Vec<u8> {
    let frame = size * size;
    let mut offset = 0;
    let mut field = |name: &str, dtype: &str, shape: &[usize], bytes: usize| {
        let value = json!({"name": name, "offset": offset, "dtype": dtype, "shape": shape});
        offset += bytes;
        value
    };
    let rgb = [size, size, 3];
    let fields = [
        field("task", "u16", &[], 2),
        field("canvas", "u8", &rgb, frame * 3),
        field("laid", "u8", &rgb, frame * 3),
        field("target", "u8", &rgb, frame * 3),
        field("cover", "u8", &rgb[..2], frame),
        field("masked", "u8", &rgb[..2], frame),
        field("object", "u8", &rgb[..2], frame),
    ];
    let text =
        json!({"version": 1, "size": size, "record_bytes": offset, "fields": fields}).to_string();
    let mut bytes = MAGIC.to_vec();
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

impl Collage {
    /// The collage of a case; `None` if it has none.
    fn of(case: &Case, given: bool, size: usize) -> anyhow::Result<Option<Self>> {
        // Where the object goes without a mask only the artist's own collage tells.
        let given = (given || case.mask.is_none()) && case.task == Task::InsertReference;
        let told = match (given && case.placement.is_some(), case.task) {
            (true, _) => case.clone(),
            (false, Task::InsertReference) if case.mask.is_none() => return Ok(None),
            (false, _) => case.told(),
        };
        let mut witness = Witness::new(size);
        witness.see(&told)?;
        let Some(input) = witness.input.take() else {
            return Ok(None);
        };
        // The same crop of the true picture, and of where the object is.
        let mut seen = |canvas: Arc<Picture>| -> anyhow::Result<Option<Vec<f32>>> {
            witness.see(&Case {
                canvas,
                asset: None,
                placement: None,
                prompt: "a picture".into(),
                ..told.clone()
            })?;
            Ok(witness.canvas.take())
        };
        let target = seen(Arc::clone(&case.target))?;
        let object = seen(Arc::new(grey(&case.object)))?;
        Ok(target.zip(object).map(|(target, object)| Self {
            task: case.task as u16,
            input,
            target,
            object: object.iter().step_by(3).copied().collect(),
        }))
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.task.to_le_bytes().to_vec();
        let input = &self.input;
        for values in [
            &input.canvas,
            &input.laid,
            &self.target,
            &input.cover,
            &input.masked,
            &self.object,
        ] {
            bytes.extend(
                values
                    .iter()
                    .map(|v| (v * 255.0).round().clamp(0.0, 255.0) as u8),
            );
        }
        bytes
    }
}

fn grey(mask: &Plane) -> Picture {
    let mut picture = Picture::filled(mask.width(), mask.height(), [0, 0, 0, 255]);
    let pixels = picture.pixels_mut().chunks_exact_mut(4);
    for (pixel, value) in pixels.zip(mask.values()) {
        pixel[..3].fill(*value);
    }
    picture
}

/// A generator that computes nothing: it takes down what it is shown.
struct Witness {
    info: GeneratorInfo,
    input: Option<LightInput>,
    canvas: Option<Vec<f32>>,
}

impl Witness {
    fn new(size: usize) -> Self {
        Self {
            info: GeneratorInfo {
                name: String::new(),
                hash: String::new(),
                resolution: size as u32,
                multiple: 16,
                downscale: 8,
                latent_channels: 1,
                latent_rgb: Vec::new(),
                max_inputs: 8,
                max_joint: 4,
                default_steps: 1,
                default_guidance: 1.0,
                shift: 1.0,
                grain: 0.0,
                family: Family::UniReal,
                lights: true,
            },
            input: None,
            canvas: None,
        }
    }

    fn see(&mut self, case: &Case) -> anyhow::Result<()> {
        let settings = Settings {
            seed: 0,
            steps: 1,
            guidance_text: 1.0,
            guidance_image: 1.0,
            solver: Solver::Euler,
            blend: BlendSpec::default(),
            cut_out: true,
            whole: false,
            context: true,
        };
        let options = RunOptions {
            previews: false,
            focus: None,
        };
        let job = case.job(&settings);
        match run_with(&job, self, &Cancel::default(), options, &mut |_| {}) {
            // Ends as soon as everything is taken down.
            Ok(()) | Err(PipelineError::Cancelled) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("case {} failed", case.name)),
        }
    }
}

impl Generator for Witness {
    fn info(&self) -> &GeneratorInfo {
        &self.info
    }

    fn device(&self) -> &Device {
        &Device::Cpu
    }

    fn prepare(&mut self, inputs: &Inputs, _: &Cancel) -> Result<(), GeneratorError> {
        let canvas = inputs.images.iter().find(|i| i.role == Role::Canvas);
        self.canvas = canvas.map(|i| i.values.clone());
        Err(GeneratorError::Cancelled)
    }

    fn light(&mut self, input: &LightInput, _: &Cancel) -> Result<Option<Light>, GeneratorError> {
        self.input = Some(input.clone());
        Err(GeneratorError::Cancelled)
    }

    fn encode(&mut self, _: &[f32], _: u32, _: u32, _: &Cancel) -> Result<Tensor, GeneratorError> {
        Err(GeneratorError::Cancelled)
    }

    fn velocity(
        &mut self,
        _: &Tensor,
        _: f64,
        _: Branch,
        _: &Cancel,
    ) -> Result<Tensor, GeneratorError> {
        Err(GeneratorError::Cancelled)
    }

    fn decode(&mut self, _: &Tensor, _: &Cancel) -> Result<Tensor, GeneratorError> {
        Err(GeneratorError::Cancelled)
    }

    fn batch_limit(&self, _: u32, _: u32) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::record::place;
    use crate::data::sample::Maker;
    use crate::data::task::Weights;
    use crate::world::pack::Split;
    use crate::world::tests::pack::pack;

    const SIZE: usize = 64;

    /// The collages of a task's first samples, and whether the artist laid them.
    fn collages(task: &str, given: bool) -> Vec<Collage> {
        let (_dir, pack) = pack(Split::Train);
        let weights = Weights::parse(&format!("{task}=1")).unwrap();
        let maker = Maker::weighted(pack, None, SIZE, 5, weights).unwrap();
        let collages = (0..12).filter_map(|i| {
            let case = Case::from_record(&maker.record(i).unwrap(), SIZE).unwrap();
            Collage::of(&case, given, SIZE).unwrap()
        });
        collages.collect()
    }

    fn farthest(a: &[f32], b: &[f32], seen: impl Fn(usize) -> bool) -> f32 {
        let pixels = a.chunks_exact(3).zip(b.chunks_exact(3)).enumerate();
        let seen = pixels.filter(|(i, _)| seen(*i));
        seen.flat_map(|(_, (a, b))| a.iter().zip(b).map(|(a, b)| (a - b).abs()))
            .fold(0.0, f32::max)
    }

    #[test]
    fn insertions_are_laid_without_light_or_shade() {
        let all = collages("insert_reference", false);
        assert!(all.len() > 6);
        let reaches = |values: &[f32]| values.iter().any(|v| *v > 0.5);
        // Where there is no mask the sample's own collage says where the object goes.
        let masked = all.iter().filter(|c| reaches(&c.input.masked));
        assert!(masked.count() * 2 > all.len());
        for Collage { input, object, .. } in &all {
            assert_eq!(input.canvas.len(), SIZE * SIZE * 3);
            let bare = |i: usize| input.cover[i] == 0.0;
            assert_eq!(farthest(&input.laid, &input.canvas, bare), 0.0);
            assert!(reaches(&input.cover));
            assert!(object.iter().any(|o| *o > 0.9));
        }
    }

    #[test]
    fn removals_begin_with_the_object_gone_and_moves_with_it_elsewhere() {
        for Collage { input, .. } in collages("remove", false) {
            assert!(input.cover.iter().all(|c| *c == 0.0));
            assert!(farthest(&input.laid, &input.canvas, |_| true) > 0.05);
        }
        for Collage { input, object, .. } in collages("move", false) {
            let both = input
                .cover
                .iter()
                .zip(&object)
                .filter(|(c, o)| **c > 0.5 && **o > 0.5);
            assert!(both.count() > 0);
        }
    }

    #[test]
    fn an_artists_collage_is_as_it_was_given() {
        let all = collages("insert_reference", true);
        // Without a mask the program lays none, and there are more of these.
        assert!(!all.is_empty());
        for Collage { input, .. } in &all {
            let bare = |i: usize| input.cover[i] == 0.0;
            assert_eq!(farthest(&input.laid, &input.canvas, bare), 0.0);
        }
    }

    #[test]
    fn records_are_as_the_header_says() {
        let all = collages("insert_reference", false);
        let bytes = all[0].to_bytes();
        let head = header(SIZE);
        let text: serde_json::Value = serde_json::from_slice(&head[12..]).unwrap();
        assert_eq!(&head[..8], MAGIC);
        assert_eq!(text["record_bytes"], bytes.len());
        let fields = text["fields"].as_array().unwrap();
        let at = |name: &str| {
            let field = fields.iter().find(|f| f["name"] == name).unwrap();
            field["offset"].as_u64().unwrap() as usize
        };
        let target = &bytes[at("target")..][..SIZE * SIZE * 3];
        let wanted: Vec<u8> = all[0]
            .target
            .iter()
            .map(|v| (v * 255.0).round() as u8)
            .collect();
        assert_eq!(target, wanted);
        // As other records, but not of their fields.
        assert!(place(SIZE, "laid").is_none());
    }
}
