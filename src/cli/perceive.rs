//! `inlay perceive`: a map of a picture.

use super::args::{GenerateArgs, PerceiveArgs};
use super::error::CliError;
use super::{generate, plan};
use crate::doc::perceive::MapKind;

/// Asks for the map as the editor would, and writes it.
pub fn run(args: &PerceiveArgs) -> Result<(), CliError> {
    let generate = as_generate(args)?;
    let mut plan = plan::plan(&generate)?;
    // The whole output is the answer: nothing of the picture is laid over it.
    plan.spec.blend.keep_detail = false;
    plan.spec.blend.colour_match = false;
    generate::run_plan(&generate, plan, true)
}

fn as_generate(args: &PerceiveArgs) -> Result<GenerateArgs, CliError> {
    let kind: MapKind = args.task.parse().map_err(CliError::usage)?;
    let words = args.words.as_deref().unwrap_or_default();
    match (kind, words.trim().is_empty()) {
        (MapKind::Segment, true) => {
            return Err(CliError::usage(
                "--task segment needs to know what: add --words, such as --words \"the red chair\"",
            ));
        }
        (MapKind::Depth | MapKind::Edge, _) if args.words.is_some() => {
            return Err(CliError::Usage(format!(
                "--words says what to segment, leave it out with --task {kind}"
            )));
        }
        _ => {}
    }
    Ok(GenerateArgs {
        canvas: Some(args.file.clone()),
        prompt: kind.prompt(words),
        context: "auto".into(),
        outputs: 1,
        joint: 1,
        seed: args.seed,
        steps: args.steps,
        guidance_text: args.guidance_text,
        guidance_image: plan::GUIDANCE,
        run: args.run.clone(),
        ..GenerateArgs::default()
    })
}
