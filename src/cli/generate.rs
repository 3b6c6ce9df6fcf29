//! `inlay generate`: a job from options.

use std::path::Path;
use std::sync::Arc;

use super::args::GenerateArgs;
use super::error::CliError;
use super::plan::{self, Plan};
use super::run::{self, Run};
use super::target::Target;
use crate::doc::job::{hash_mask, hash_picture};
use crate::doc::{Job, Picture, Role};
use crate::io::{self, cutout, names};

/// Checks the options, reads the files, runs.
pub fn run(args: &GenerateArgs) -> Result<(), CliError> {
    run_plan(args, plan::plan(args)?, false)
}

/// Reads the files of a plan and runs it; `maps` refuses models that make none.
///
/// # Errors
/// As [`run`].
pub fn run_plan(args: &GenerateArgs, plan: Plan, maps: bool) -> Result<(), CliError> {
    args.run.device()?;
    args.run.dtype()?;
    let target = Target::of(&args.run.out, args.run.out.is_dir())?;
    let document = match &args.canvas {
        Some(canvas) => names::stem_of(canvas),
        None => String::new(),
    };
    let protected = [plan.inputs.clone(), plan.masks.clone()].concat();
    // Models of the user's own may be told in words and look at whole pictures.
    let photos = match args.whole_assets || args.run.model.is_some() {
        true => Photos::Whole,
        false => Photos::Cut,
    };
    let (job, warnings) = load(plan, photos)?;
    run::run(
        Run {
            job,
            document,
            protected,
            only: None,
            warnings,
            maps,
            args: &args.run,
        },
        &target,
    )
}

/// Reads the files of a plan.
fn load(plan: Plan, photos: Photos) -> Result<(Job, Vec<String>), CliError> {
    let Plan {
        mut spec,
        inputs,
        masks,
    } = plan;
    let mut warnings = Vec::new();
    let mut pictures = Vec::new();
    for (input, file) in spec.inputs.iter_mut().zip(&inputs) {
        let loaded = io::load(file)?;
        warnings.extend(loaded.warnings);
        let picture = as_input(loaded.picture, input.role, file, photos, &mut warnings)?;
        input.hash = hash_picture(&picture);
        pictures.push(Arc::new(picture));
    }
    let mut planes = Vec::new();
    for (region, file) in spec.regions.iter_mut().zip(&masks) {
        let loaded = io::mask::load(file)?;
        warnings.extend(loaded.warnings);
        if let Some(canvas) = spec_canvas(&spec.inputs).and_then(|at| pictures.get(at)) {
            let size = ("canvas", canvas.width(), canvas.height());
            io::mask::check_size(&loaded.mask, size, file)?;
        }
        if loaded.mask.bounds().is_none() {
            return Err(CliError::Failure(format!(
                "the mask selects nothing, paint white where the object goes: {}",
                file.display()
            )));
        }
        region.hash = hash_mask(&loaded.mask);
        planes.push(Arc::new(loaded.mask));
    }
    let job = Job {
        spec,
        pictures,
        masks: planes,
    };
    Ok((job, warnings))
}

fn spec_canvas(inputs: &[crate::doc::job::JobInput]) -> Option<usize> {
    inputs.iter().position(|input| input.role == Role::Canvas)
}

/// What is done with photographs of objects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Photos {
    /// They stay as they are, unless their ground is plain.
    Whole,
    /// The object is cut out where that is sure to be right.
    Cut,
}

/// A picture as the job gets it: of an asset only the object, where it can be told from its surroundings. Objects cut out
/// of photographs are told in `warnings`.
///
/// # Errors
/// A failure if an asset shows nothing.
pub fn as_input(
    picture: Picture,
    role: Role,
    file: &Path,
    photos: Photos,
    warnings: &mut Vec<String>,
) -> Result<Picture, CliError> {
    if role != Role::Asset {
        return Ok(picture);
    }
    if let Some(object) = cutout::cut_out_plainly(&picture) {
        return Ok(object);
    }
    let object = match photos {
        Photos::Whole => None,
        Photos::Cut => cutout::sure_object_of(&picture, &|| false),
    };
    match object {
        Some(object) => {
            warnings.push(format!(
                "the object was cut out of its picture, --whole-assets leaves photographs as they are: {}",
                file.display()
            ));
            Ok(object)
        }
        None if picture.has_alpha() => Err(CliError::Failure(format!(
            "the picture of the object is fully transparent, choose another: {}",
            file.display()
        ))),
        None => Ok(picture),
    }
}
