//! `inlay rerun`: a result again, from the recipe in its file.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::args::RerunArgs;
use super::error::CliError;
use super::generate::{Photos, as_input};
use super::models;
use super::plan::{parse_image, parse_mode, parse_size};
use super::run::{self, Run};
use super::target::Target;
use crate::doc::job::{JobInput, Solver, hash_mask, hash_picture};
use crate::doc::prompt::parse_tags;
use crate::doc::{Job, JobSpec, Level, Picture, Plane, Role};
use crate::io::{self, cutout, metadata, names};
use crate::model::EMBEDDED_NAME;

/// Reads the recipe, finds its pictures, runs.
pub fn run(args: &RerunArgs) -> Result<(), CliError> {
    let recipe = metadata::read(&args.file)?;
    let mut spec = recipe.job;
    // This one picture again: of several outputs the one in the file, by its own seed; of joint pictures, which the
    // model can only make together, that one is kept.
    spec.seed = recipe.seed;
    spec.outputs = 1;
    let mut only = (spec.joint > 1).then_some(recipe.joint);
    for change in &args.set {
        if set(&mut spec, change)? == "joint" {
            only = None;
        }
    }
    spec.validate().map_err(CliError::usage)?;
    let mut run_args = args.run.clone();
    if run_args.model.is_none() && spec.model != EMBEDDED_NAME {
        // A model of the list that is called so; else only the user knows where it is.
        run_args.model = models::registered(&spec.model);
    }
    if run_args.model.is_none() && spec.model != EMBEDDED_NAME {
        return Err(CliError::Usage(format!(
            "the recipe is for the model “{}”, name its folder with --model",
            spec.model
        )));
    }
    let replaced = replacements(&args.inputs, spec.inputs.len())?;
    run_args.device()?;
    run_args.dtype()?;
    let target = Target::of(&run_args.out, run_args.out.is_dir())?;
    let mut protected = vec![args.file.clone()];
    let mut warnings = Vec::new();
    let mut pictures = Vec::new();
    let folder = args.file.parent().unwrap_or(Path::new("."));
    for (number, input) in (1..).zip(spec.inputs.iter_mut()) {
        let given = replaced.iter().rev().find(|(n, _)| *n == number);
        let (picture, file) = match given {
            Some((_, file)) => replacement(number, file, input, &mut warnings)?,
            None => recorded(number, input, folder)?,
        };
        protected.push(file);
        pictures.push(Arc::new(picture));
    }
    let masks = masks(&spec, &args.file)?;
    let job = Job {
        spec,
        pictures,
        masks,
    };
    let canvas = job.spec.canvas().and_then(|at| job.spec.inputs.get(at));
    let document = canvas
        .and_then(|input| input.source.as_deref())
        .map(|source| names::stem_of(Path::new(source)))
        .unwrap_or_default();
    run::run(
        Run {
            job,
            document,
            protected,
            only,
            warnings,
            maps: false,
            args: &run_args,
        },
        &target,
    )
}

/// What can be set, for messages.
const KEYS: &str = "seed, steps, outputs, vary, joint, prompt, context, guidance_text, guidance_image, solver, level, \
                    size, feather, grow, colour_match, keep_detail, relight, brightness, shadow, cast, mode, strength";

/// Changes one thing of a recipe, and gives its name.
fn set(spec: &mut JobSpec, change: &str) -> Result<String, CliError> {
    let Some((key, value)) = change.split_once('=') else {
        return Err(CliError::Usage(format!(
            "--set “{change}” has no value, write KEY=VALUE, such as seed=2"
        )));
    };
    let key = key.trim().to_lowercase().replace('-', "_");
    match key.as_str() {
        "seed" => spec.seed = parse(&key, value)?,
        "steps" => spec.steps = parse(&key, value)?,
        "outputs" => spec.outputs = parse(&key, value)?,
        "vary" => spec.vary = parse(&key, value)?,
        "joint" => spec.joint = parse(&key, value)?,
        "prompt" => spec.prompt = value.to_string(),
        "context" => spec.tags = parse_tags(value),
        "guidance_text" => spec.guidance_text = parse(&key, value)?,
        "guidance_image" => spec.guidance_image = parse(&key, value)?,
        "solver" => {
            spec.solver = match value.trim().to_lowercase().as_str() {
                "euler" => Solver::Euler,
                "heun" => Solver::Heun,
                _ => {
                    return Err(CliError::Usage(format!(
                        "there is no solver “{value}”, use euler or heun"
                    )));
                }
            }
        }
        "level" => {
            let level: Level = value.parse().map_err(CliError::usage)?;
            for region in &mut spec.regions {
                region.level = level;
            }
        }
        "size" => spec.size = Some(parse_size(value)?),
        "feather" => spec.blend.feather = parse(&key, value)?,
        "grow" => spec.blend.grow = parse(&key, value)?,
        "colour_match" => spec.blend.colour_match = parse(&key, value)?,
        "keep_detail" => spec.blend.keep_detail = parse(&key, value)?,
        "relight" => spec.blend.relight = parse(&key, value)?,
        "brightness" => spec.blend.brightness = parse(&key, value)?,
        "shadow" => spec.blend.shadow = parse(&key, value)?,
        "cast" => spec.blend.cast = parse(&key, value)?,
        "mode" => spec.masked.mode = Some(parse_mode(value)?),
        "strength" => spec.masked.strength = Some(parse(&key, value)?),
        _ => {
            return Err(CliError::Usage(format!(
                "a recipe has no “{key}” to set, use one of {KEYS}"
            )));
        }
    }
    Ok(key)
}

fn parse<T: FromStr>(key: &str, value: &str) -> Result<T, CliError> {
    value.trim().parse().map_err(|_| {
        CliError::Usage(format!(
            "“{value}” is no value for {key}, see `inlay inspect` for its form"
        ))
    })
}

/// The files of `--input`, by IMG number.
fn replacements(options: &[String], inputs: usize) -> Result<Vec<(usize, PathBuf)>, CliError> {
    options
        .iter()
        .map(|option| {
            let (number, file) = parse_image("--input", option)?;
            if number > inputs {
                return Err(CliError::Usage(format!(
                    "--input names IMG{number} but the recipe has {inputs} pictures besides masks"
                )));
            }
            Ok((number, PathBuf::from(file)))
        })
        .collect()
}

/// An input picture given by name: whatever it shows is used, and the recipe says so.
fn replacement(
    number: usize,
    file: &Path,
    input: &mut JobInput,
    warnings: &mut Vec<String>,
) -> Result<(Picture, PathBuf), CliError> {
    let loaded = io::load(file)?;
    warnings.extend(loaded.warnings);
    if let Some(same) = matching(&loaded.picture, input) {
        return Ok((same, file.into()));
    }
    warnings.push(format!(
        "IMG{number} is another picture than the recipe's, the result will differ: {}",
        file.display()
    ));
    let picture = as_input(loaded.picture, input.role, file, Photos::Whole, warnings)?;
    input.hash = hash_picture(&picture);
    input.source = Some(file.to_string_lossy().into_owned());
    Ok((picture, file.into()))
}

/// An input picture from where the recipe says it came from: that path as it stands, then relative to the
/// result's folder, then beside the result.
fn recorded(
    number: usize,
    input: &JobInput,
    folder: &Path,
) -> Result<(Picture, PathBuf), CliError> {
    let Some(source) = input.source.as_deref().map(Path::new) else {
        return Err(CliError::Failure(format!(
            "the recipe does not say which file IMG{number} was, give it with --input IMG{number}=FILE"
        )));
    };
    let mut places = vec![source.to_path_buf(), folder.join(source)];
    places.extend(source.file_name().map(|name| folder.join(name)));
    let mut found = None;
    for place in places.iter().filter(|place| place.is_file()) {
        let loaded = io::load(place)?;
        if let Some(same) = matching(&loaded.picture, input) {
            return Ok((same, place.clone()));
        }
        found.get_or_insert(place);
    }
    Err(CliError::Failure(match found {
        Some(place) => format!(
            "IMG{number} has changed since the result was made, give the right file with --input IMG{number}=FILE: {}",
            place.display()
        ),
        None => format!(
            "IMG{number} is not where it was, give it with --input IMG{number}=FILE: {}",
            source.display()
        ),
    }))
}

/// The picture in one of the forms in which a file can become an input, if one has the recipe's hash.
fn matching(picture: &Picture, input: &JobInput) -> Option<Picture> {
    let has_hash = |picture: &Picture| hash_picture(picture) == input.hash;
    if has_hash(picture) {
        return Some(picture.clone());
    }
    if input.role != Role::Asset {
        return None;
    }
    // One after the other: cutting a photograph takes its time.
    let forms: [fn(&Picture) -> Option<Picture>; 3] =
        [cutout::crop_to_alpha, cutout::cut_out_plainly, |picture| {
            cutout::object_of(picture, &|| false).map(|(object, _)| object)
        }];
    forms.iter().filter_map(|form| form(picture)).find(has_hash)
}

/// The masks that the recipe holds.
fn masks(spec: &JobSpec, file: &Path) -> Result<Vec<Arc<Plane>>, CliError> {
    let damaged = |number: usize| {
        CliError::Failure(format!(
            "mask {number} in the recipe is damaged, the result can't be made again: {}",
            file.display()
        ))
    };
    (1..)
        .zip(&spec.regions)
        .map(|(number, region)| {
            let mask = io::mask::from_text(&region.mask_png).ok_or_else(|| damaged(number))?;
            if hash_mask(&mask) != region.hash {
                return Err(damaged(number));
            }
            Ok(Arc::new(mask))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> JobSpec {
        serde_json::from_str(
            r#"{"version":1,"model":"m","inputs":[],"prompt":"a cup","outputs":1,"seed":3,"steps":2,
                "guidance_text":1.0,"guidance_image":1.0,"solver":"euler",
                "regions":[{"level":"blob","hash":""},{"level":"box","hash":""}]}"#,
        )
        .expect("a job")
    }

    #[test]
    fn every_key_can_be_set() {
        let mut job = spec();
        for change in [
            "seed=18446744073709551615",
            "steps=7",
            "outputs=4",
            "joint=2",
            "prompt=a = b, c",
            "context=static scenario; novel scenario",
            "guidance-text=2.5",
            "guidance_image=0",
            "solver=Heun",
            "level=exact",
            "size=64x48",
            "feather=0.1",
            "grow=-0.05",
            "colour_match=false",
        ] {
            set(&mut job, change).expect(change);
        }
        assert_eq!(
            (job.seed, job.steps, job.outputs, job.joint),
            (u64::MAX, 7, 4, 2)
        );
        assert_eq!(job.prompt, "a = b, c");
        let tags = ["static scenario", "novel scenario"].map(String::from);
        assert_eq!(job.tags.as_deref(), Some(&tags[..]));
        assert_eq!((job.guidance_text, job.guidance_image), (2.5, 0.0));
        assert_eq!(job.solver, Solver::Heun);
        assert!(
            job.regions
                .iter()
                .all(|region| region.level == Level::Exact)
        );
        assert_eq!(job.size, Some([64, 48]));
        assert_eq!((job.blend.feather, job.blend.colour_match), (0.1, false));
        assert_eq!(job.blend.grow, -0.05);
        set(&mut job, "context=auto").expect("auto");
        assert_eq!(job.tags, None);
    }

    #[test]
    fn what_cannot_be_set_is_a_usage_error() {
        let complaint = |change: &str| match set(&mut spec(), change) {
            Err(CliError::Usage(sentence)) => sentence,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            complaint("colour=2"),
            format!("a recipe has no “colour” to set, use one of {KEYS}")
        );
        assert_eq!(
            complaint("seed"),
            "--set “seed” has no value, write KEY=VALUE, such as seed=2"
        );
        assert_eq!(
            complaint("steps=many"),
            "“many” is no value for steps, see `inlay inspect` for its form"
        );
        assert!(complaint("solver=rk4").starts_with("there is no solver"));
    }

    #[test]
    fn inputs_are_named_by_number() {
        let files = replacements(&["IMG2=b.png".into()], 2).expect("files");
        assert_eq!(files, [(2, PathBuf::from("b.png"))]);
        assert!(replacements(&["IMG3=b.png".into()], 2).is_err());
        assert!(replacements(&["b.png".into()], 2).is_err());
    }
}
