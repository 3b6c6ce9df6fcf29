//! `inlay cut`: an object out of a photograph.

use super::args::CutArgs;
use super::error::CliError;
use super::output::Progress;
use super::target::{Target, refuse_dash};
use crate::io::{self, SaveError, metadata, names};

/// Reads, cuts, writes.
pub fn run(args: &CutArgs) -> Result<(), CliError> {
    refuse_dash(&args.out)?;
    if !names::takes_png(&args.out) && !args.out.is_dir() {
        return Err(CliError::Usage(format!(
            "objects are PNG files, let --out end in .png: {}",
            args.out.display()
        )));
    }
    let mut read = vec![args.from.clone()];
    read.extend(args.mask.clone());
    Target::File(args.out.clone()).refuse_to_replace(1, &read)?;
    let progress = Progress::new();
    let loaded = io::load(&args.from)?;
    let mut warnings = loaded.warnings;
    let picture = loaded.picture;
    let mask = match &args.mask {
        None => None,
        Some(path) => {
            let loaded = io::mask::load(path)?;
            warnings.extend(loaded.warnings);
            let size = ("picture", picture.width(), picture.height());
            io::mask::check_size(&loaded.mask, size, path)?;
            Some(loaded.mask)
        }
    };
    for warning in &warnings {
        progress.warning(warning);
    }
    // An interrupt ends the program: nothing is written before the end.
    let go_on = || false;
    let object = match &mask {
        Some(mask) => io::cutout::object_in(&picture, mask, &go_on),
        None => io::cutout::object_of(&picture, &go_on),
    };
    let (object, sure) = object.ok_or_else(|| {
        CliError::Failure(format!(
            "no object was found that stands out from what is around it, paint a mask over it and give that with --mask: {}",
            args.from.display()
        ))
    })?;
    if !sure {
        progress.warning(
            "the object may be another than you meant, look at the file; a mask over the object, --mask, tells",
        );
    }
    let bytes = metadata::encode_png(&object, None)
        .map_err(|why| SaveError::Encode(why, args.out.clone()))?;
    io::save::replace(&args.out, &bytes)?;
    Ok(())
}
