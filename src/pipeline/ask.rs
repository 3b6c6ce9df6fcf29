//! What a job asks of a model, and what of that the model can't do or does not know.

use super::error::PipelineError;
use super::generator::{Family, GeneratorInfo};
use crate::doc::Job;
use crate::model::EMBEDDED_NAME;
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
    if let Some(how) = used_otherwise(&spec.model_hash, &info.hash) {
        return Some(format!("This recipe was made with {how}"));
    }
    let other = !spec.model_hash.is_empty() && spec.model_hash != info.hash;
    other.then(|| {
        format!(
            "This recipe was made with other weights of {}: the result will differ",
            info.name
        )
    })
}

/// How the same weights were used in a recipe and are used here, if not alike; `None` for other weights. A hash tells it
/// in words behind a comma ([`GeneratorInfo::hash`]).
fn used_otherwise(recipe: &str, here: &str) -> Option<String> {
    fn parts(hash: &str) -> (&str, &str) {
        hash.split_once(", ").unwrap_or((hash, "as they are"))
    }
    let ((then, how_then), (now, how_now)) = (parts(recipe), parts(here));
    (then == now && how_then != how_now).then(|| {
        format!(
            "the same weights {how_then}, and here they are used {how_now}: the result will differ"
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

/// What the model in the program is too small for, as its card says.
pub(super) fn beyond(job: &Job, info: &GeneratorInfo) -> Option<String> {
    let small = info.name == EMBEDDED_NAME && info.family == Family::UniReal;
    (small && job.spec.canvas().is_none()).then(|| {
        format!("{EMBEDDED_NAME} is too small to make pictures without a canvas: add one, or use a FLUX.2 model")
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_weights_used_otherwise_are_told_from_others() {
        let plain = "ab12";
        let rounded = "ab12, rounded to 8 bits";
        let both = "ab12, rounded to 8 bits, in bf16";
        let told = |recipe, here| used_otherwise(recipe, here);
        assert_eq!(
            told(plain, rounded).as_deref(),
            Some(
                "the same weights as they are, and here they are used rounded to 8 bits: the result will differ"
            )
        );
        assert_eq!(
            told(both, rounded).as_deref(),
            Some(
                "the same weights rounded to 8 bits, in bf16, and here they are used rounded to 8 bits: the result will differ"
            )
        );
        assert_eq!(told(rounded, rounded), None);
        assert_eq!(told(plain, plain), None);
        assert_eq!(told("cd34", rounded), None);
        assert_eq!(told("", rounded), None);
    }
}
