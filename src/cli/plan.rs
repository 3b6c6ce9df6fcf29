//! From options to a checked job, without touching a file.

use std::path::PathBuf;

use super::args::GenerateArgs;
use super::error::CliError;
use crate::doc::job::{JOB_VERSION, JobInput, JobRegion, MaskedMode, MaskedSpec, Solver};
use crate::doc::prompt::parse_tags;
use crate::doc::{ControlKind, JobSpec, Level, Purpose};

/// Guidance where none is asked for: the model as it was trained, one pass a step.
pub const GUIDANCE: f32 = 1.0;

/// A job as the options describe it: all but the pixels and what only the model knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The job; hashes are empty, steps are 0, guidance is no number and size is `None` where the model decides.
    pub spec: JobSpec,
    /// The files of [`JobSpec::inputs`].
    pub inputs: Vec<PathBuf>,
    /// The files of [`JobSpec::regions`].
    pub masks: Vec<PathBuf>,
}

/// Reads the options of `inlay generate`.
///
/// # Errors
/// A usage error that says which option is wrong and what it takes.
pub fn plan(args: &GenerateArgs) -> Result<Plan, CliError> {
    let mut purposes = Vec::new();
    let mut inputs = Vec::new();
    let files = (args.canvas.iter().map(|file| (Purpose::Canvas, file)))
        .chain(args.assets.iter().map(|file| (Purpose::Asset, file)));
    for (purpose, file) in files {
        purposes.push(purpose);
        inputs.push(file.clone());
    }
    for control in &args.controls {
        let (kind, file) = parse_control(control)?;
        purposes.push(Purpose::Control(kind));
        inputs.push(file);
    }
    for role in &args.roles {
        let (number, purpose) = parse_role(role)?;
        let Some(slot) = purposes.get_mut(number - 1) else {
            return Err(CliError::Usage(format!(
                "--role names IMG{number} but there are {} pictures besides masks",
                inputs.len()
            )));
        };
        *slot = purpose;
    }
    // As they are after all roles are known.
    let assets: Vec<usize> = (0..purposes.len())
        .filter(|&at| purposes[at] == Purpose::Asset)
        .collect();
    let levels = levels(&args.levels, args.masks.len())?;
    let regions = levels
        .into_iter()
        .enumerate()
        .map(|(i, level)| JobRegion {
            level,
            asset: assets.get(i).copied(),
            hash: String::new(),
            mask_png: String::new(),
        })
        .collect();
    if args.canvas.is_some() && args.size.is_some() {
        return Err(CliError::usage(
            "--size is for new pictures, leave it out with --canvas",
        ));
    }
    let spec = JobSpec {
        version: JOB_VERSION,
        model: String::new(),
        model_hash: String::new(),
        inputs: purposes
            .iter()
            .zip(&inputs)
            .map(|(purpose, file)| JobInput {
                role: purpose.role(),
                kind: purpose.kind(),
                hash: String::new(),
                source: Some(file.to_string_lossy().into_owned()),
            })
            .collect(),
        regions,
        prompt: args.prompt.clone(),
        tags: parse_tags(&args.context),
        outputs: args.outputs,
        joint: args.joint,
        seed: args.seed,
        steps: args.steps.unwrap_or(1),
        guidance_text: args.guidance_text.unwrap_or(GUIDANCE),
        guidance_image: args.guidance_image,
        solver: Solver::Euler,
        size: args.size.as_deref().map(parse_size).transpose()?,
        crop: None,
        vary: !args.no_vary,
        blend: args.join.blend(),
        masked: MaskedSpec {
            mode: args.mode.as_deref().map(parse_mode).transpose()?,
            strength: args.strength,
        },
    };
    spec.validate().map_err(CliError::usage)?;
    let steps = args.steps.unwrap_or(0);
    Ok(Plan {
        spec: JobSpec {
            steps,
            guidance_text: args.guidance_text.unwrap_or(f32::NAN),
            ..spec
        },
        inputs,
        masks: args.masks.clone(),
    })
}

/// How regions come about, by name.
///
/// # Errors
/// A usage error that names the modes.
pub fn parse_mode(name: &str) -> Result<MaskedMode, CliError> {
    MaskedMode::ALL
        .into_iter()
        .find(|mode| mode.name() == name.trim().to_lowercase())
        .ok_or_else(|| {
            CliError::Usage(format!(
                "there is no mode “{name}”, use edit, insert or context"
            ))
        })
}

/// "640x480" as width and height.
///
/// # Errors
/// A usage error that shows the form.
pub fn parse_size(text: &str) -> Result<[u32; 2], CliError> {
    let sides = text.split_once(['x', 'X', '×']);
    sides
        .and_then(|(width, height)| Some([width.trim().parse().ok()?, height.trim().parse().ok()?]))
        .ok_or_else(|| {
            CliError::Usage(format!(
                "“{text}” is no size, write width and height in pixels, such as 640x480"
            ))
        })
}

/// "IMG2=something" as 2 and "something"; numbers count from 1.
///
/// # Errors
/// A usage error that shows the form.
pub fn parse_image(option: &str, text: &str) -> Result<(usize, String), CliError> {
    let parts = text.split_once('=').and_then(|(name, value)| {
        let digits = name.trim().to_uppercase();
        let number: usize = digits.strip_prefix("IMG")?.parse().ok()?;
        (number >= 1 && !value.is_empty()).then(|| (number, value.to_string()))
    });
    parts.ok_or_else(|| {
        CliError::Usage(format!(
            "{option} “{text}” names no picture, write IMG1=…, IMG2=…"
        ))
    })
}

fn parse_role(text: &str) -> Result<(usize, Purpose), CliError> {
    let (number, role) = parse_image("--role", text)?;
    let purpose: Purpose = role.parse().map_err(CliError::usage)?;
    match purpose {
        Purpose::Control(ControlKind::Mask) => Err(CliError::usage(
            "a mask needs a region of its own, give it with --mask",
        )),
        purpose => Ok((number, purpose)),
    }
}

fn parse_control(text: &str) -> Result<(ControlKind, PathBuf), CliError> {
    let known = text.split_once('=').and_then(|(kind, file)| {
        let purpose: Purpose = kind.parse().ok()?;
        (!file.is_empty()).then(|| Some((purpose.kind()?, PathBuf::from(file))))?
    });
    match known {
        Some((ControlKind::Mask, _)) => Err(CliError::usage(
            "a mask needs a region of its own, give it with --mask",
        )),
        Some(control) => Ok(control),
        None => Err(CliError::Usage(format!(
            "--control “{text}” is no control, write depth=FILE, edge=FILE, scribble=FILE or placement=FILE"
        ))),
    }
}

/// One level for each mask.
fn levels(words: &[String], masks: usize) -> Result<Vec<Level>, CliError> {
    let levels: Vec<Level> = words
        .iter()
        .map(|word| word.parse().map_err(CliError::usage))
        .collect::<Result<_, _>>()?;
    match levels.as_slice() {
        [] => Ok(vec![Level::default(); masks]),
        [level] if masks > 0 => Ok(vec![*level; masks]),
        several if several.len() == masks => Ok(levels),
        several => Err(CliError::Usage(format!(
            "--mask-level is given {} times for {masks} masks, give it once for all or once for each",
            several.len()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::job::BlendSpec;
    use clap::Parser;

    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        args: GenerateArgs,
    }

    fn parsed(line: &str) -> Result<Plan, CliError> {
        let words = ["generate", "--out", "o.png"].into_iter();
        let words = Words::try_parse_from(words.chain(line.split_whitespace()));
        plan(&words.expect("parses").args)
    }

    fn complaint(line: &str) -> String {
        match parsed(line) {
            Err(CliError::Usage(sentence)) => sentence,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn assets_and_masks_pair_up_in_order() {
        let plan = parsed(
            "--canvas a.png --asset b.png --mask m1.png --asset c.png --mask m2.png --mask m3.png \
             --control depth=d.png --mask-level box --outputs 4 --seed 9 --steps 3",
        )
        .expect("a plan");
        let names = ["a.png", "b.png", "c.png", "d.png"].map(PathBuf::from);
        assert_eq!(plan.inputs, names);
        assert_eq!(
            plan.masks,
            ["m1.png", "m2.png", "m3.png"].map(PathBuf::from)
        );
        let purposes = plan.spec.purposes().expect("purposes");
        assert_eq!(
            &purposes[..4],
            [
                Purpose::Canvas,
                Purpose::Asset,
                Purpose::Asset,
                Purpose::Control(ControlKind::Depth)
            ]
        );
        let assets: Vec<_> = plan
            .spec
            .regions
            .iter()
            .map(|region| region.asset)
            .collect();
        assert_eq!(assets, [Some(1), Some(2), None]);
        assert!(
            plan.spec
                .regions
                .iter()
                .all(|region| region.level == Level::Box)
        );
        assert_eq!(
            (plan.spec.outputs, plan.spec.seed, plan.spec.steps),
            (4, 9, 3)
        );
        assert_eq!(plan.spec.inputs[3].source.as_deref(), Some("d.png"));
    }

    #[test]
    fn levels_are_one_for_all_or_one_for_each() {
        let levels = |line: &str| -> Vec<Level> {
            let plan = parsed(&format!("--canvas a.png --mask m.png --mask n.png {line}"));
            let regions = plan.expect("a plan").spec.regions;
            regions.iter().map(|region| region.level).collect()
        };
        assert_eq!(levels(""), [Level::Blob, Level::Blob]);
        assert_eq!(levels("--mask-level exact"), [Level::Exact, Level::Exact]);
        assert_eq!(
            levels("--mask-level exact --mask-level OUTLINE"),
            [Level::Exact, Level::Outline]
        );
        assert_eq!(
            complaint("--canvas a.png --mask m.png --mask-level box --mask-level box"),
            "--mask-level is given 2 times for 1 masks, give it once for all or once for each"
        );
        assert_eq!(
            complaint("--canvas a.png --mask m.png --mask-level round"),
            "“round” is no mask level: use exact, outline, blob or box"
        );
    }

    #[test]
    fn masks_pair_up_with_what_is_an_asset_after_all() {
        let line = "--asset room.png --asset cup.png --role IMG1=canvas --mask m.png";
        let plan = parsed(line).unwrap();
        assert_eq!(plan.spec.canvas(), Some(0));
        assert_eq!(plan.spec.regions[0].asset, Some(1));
    }

    #[test]
    fn roles_override_what_the_option_says() {
        let plan = parsed("--asset a.png --asset b.png --role IMG1=canvas --role img2=scribble");
        let purposes = plan.expect("a plan").spec.purposes().expect("purposes");
        assert_eq!(
            purposes,
            [Purpose::Canvas, Purpose::Control(ControlKind::Scribble)]
        );
        assert_eq!(
            complaint("--asset a.png --role IMG3=asset"),
            "--role names IMG3 but there are 1 pictures besides masks"
        );
        assert_eq!(
            complaint("--asset a.png --role 2=asset"),
            "--role “2=asset” names no picture, write IMG1=…, IMG2=…"
        );
        assert_eq!(
            complaint("--canvas a.png --control mask=m.png"),
            "a mask needs a region of its own, give it with --mask"
        );
    }

    #[test]
    fn a_job_that_makes_no_sense_is_a_usage_error() {
        assert_eq!(
            complaint(""),
            "there is nothing to make: add a picture or write what to make"
        );
        assert_eq!(
            complaint("--asset a.png --mask m.png"),
            "a mask needs a canvas to lie on: add a canvas or remove the mask"
        );
        assert_eq!(
            complaint("--canvas a.png --prompt IMG4"),
            "IMG4 is not there: this job has 1 input"
        );
        assert_eq!(
            complaint("--canvas a.png --size 5x5"),
            "--size is for new pictures, leave it out with --canvas"
        );
        assert_eq!(
            complaint("--prompt x --size big"),
            "“big” is no size, write width and height in pixels, such as 640x480"
        );
        assert_eq!(
            complaint("--prompt x --outputs 9"),
            "the number of outputs is 9: use 1 to 8"
        );
        assert_eq!(
            complaint("--prompt x --steps 0"),
            "the number of steps is 0: use 1 to 1000"
        );
        assert_eq!(
            complaint("--prompt x --guidance-text NaN"),
            "text guidance is NaN: use 0 to 50"
        );
        let many = "--asset a.png ".repeat(9);
        assert_eq!(
            complaint(&many),
            "a job takes 8 inputs at most, masks included, and this one has 9: remove a picture or a mask"
        );
    }

    #[test]
    fn what_the_model_decides_stays_open() {
        let plan = parsed("--prompt cup").expect("a plan");
        assert_eq!((plan.spec.steps, plan.spec.size), (0, None));
        let plan = parsed("--prompt cup --size 64x48").expect("a plan");
        assert_eq!(plan.spec.size, Some([64, 48]));
    }

    #[test]
    fn results_are_joined_as_usual_or_as_told() {
        assert_eq!(
            parsed("--prompt x").unwrap().spec.blend,
            BlendSpec::default()
        );
        let told = "--prompt x --feather 0.1 --grow -0.05 --relight 0.5 --brightness 0.8 --shadow 1.5 --cast 0 --no-colour-match --no-detail";
        let blend = BlendSpec {
            feather: 0.1,
            grow: -0.05,
            colour_match: false,
            keep_detail: false,
            relight: 0.5,
            brightness: 0.8,
            shadow: 1.5,
            cast: 0.0,
        };
        assert_eq!(parsed(told).unwrap().spec.blend, blend);
        assert_eq!(
            complaint("--prompt x --relight 2"),
            "the relighting is 2: use 0 to 1"
        );
        assert_eq!(
            complaint("--prompt x --shadow 4"),
            "the shadow is 4: use 0 to 3"
        );
        assert_eq!(
            complaint("--prompt x --cast -1"),
            "the shadow beyond the region is -1: use 0 to 1"
        );
    }

    #[test]
    fn the_parser_is_sound() {
        use clap::CommandFactory;
        crate::cli::args::Cli::command().debug_assert();
    }
}
