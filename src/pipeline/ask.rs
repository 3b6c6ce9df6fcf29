//! What a job asks of a model, and what of that the model can't do or does not know.

use super::error::PipelineError;
use super::generator::{Family, GeneratorInfo};
use crate::doc::Job;
use crate::sampler::Guidance;

/// Refuses what the model can't do.
pub(super) fn check(job: &Job, info: &GeneratorInfo) -> Result<(), PipelineError> {
    job.validate()?;
    let inputs = job.spec.inputs.len() + job.spec.regions.len();
    if inputs > info.max_inputs {
        return Err(PipelineError::TooManyInputs {
            limit: info.max_inputs,
            found: inputs,
        });
    }
    let joint = job.spec.joint as usize;
    if joint > info.max_joint {
        return Err(PipelineError::TooManyJoint {
            limit: info.max_joint,
            found: joint,
        });
    }
    Ok(())
}

/// A recipe made with other weights still runs, but its result will differ.
pub(super) fn model_warning(job: &Job, info: &GeneratorInfo) -> Option<String> {
    let spec = &job.spec;
    if !spec.model.is_empty() && spec.model != info.name {
        return Some(format!(
            "This recipe was made with the model {}: with {} the result will differ",
            spec.model, info.name
        ));
    }
    let other = !spec.model_hash.is_empty() && spec.model_hash != info.hash;
    other.then(|| {
        format!(
            "This recipe was made with other weights of {}: the result will differ",
            info.name
        )
    })
}

/// What was chosen and changes nothing with this model.
pub(super) fn without_effect(job: &Job, info: &GeneratorInfo) -> Vec<String> {
    let (spec, family) = (&job.spec, info.family);
    let mut idle = Vec::new();
    if spec.guidance_text != 1.0 && !family.takes_text_guidance() {
        idle.push("text guidance");
    }
    if spec.guidance_image != 1.0 && !family.takes_image_guidance() {
        idle.push("image guidance");
    }
    if spec.masked.mode.is_some() && family == Family::UniReal {
        idle.push("the masked mode");
    }
    let sentence = |what| format!("{} does not know {what}: it changes nothing", info.name);
    let mut sentences: Vec<String> = idle.into_iter().map(sentence).collect();
    if spec.masked.mode.is_some() && family != Family::UniReal && spec.regions.is_empty() {
        sentences.push("There is no mask: the masked mode changes nothing".into());
    }
    if spec.masked.strength.is_some() && spec.canvas().is_none() {
        sentences.push("There is no canvas to keep anything of: strength changes nothing".into());
    }
    sentences
}

/// What the artist's guidance means for a model.
pub(super) fn guidance_of(job: &Job, info: &GeneratorInfo) -> Guidance {
    let (text, image) = (
        f64::from(job.spec.guidance_text),
        f64::from(job.spec.guidance_image),
    );
    match info.family {
        Family::UniReal => Guidance { text, image },
        Family::Flux2 { guided: true } => Guidance { text, image: 1.0 },
        Family::Flux2 { guided: false } => Guidance {
            text: 1.0,
            image: 1.0,
        },
    }
}
