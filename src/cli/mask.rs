//! `inlay mask`: a mask as coarse as a level asks.

use super::args::MaskArgs;
use super::error::CliError;
use super::output::Progress;
use super::target::{Target, refuse_dash};
use crate::doc::Level;
use crate::doc::level::{coarsen_plainly, editable_region};
use crate::io::{self, names};

/// Reads, coarsens, writes.
pub fn run(args: &MaskArgs) -> Result<(), CliError> {
    let level: Level = args.level.parse().map_err(CliError::usage)?;
    refuse_dash(&args.out)?;
    // That a folder is one is said when it is written to.
    if !names::takes_png(&args.out) && !args.out.is_dir() {
        return Err(CliError::Usage(format!(
            "masks are PNG files, let --out end in .png: {}",
            args.out.display()
        )));
    }
    Target::File(args.out.clone()).refuse_to_replace(1, std::slice::from_ref(&args.from))?;
    let loaded = io::mask::load(&args.from)?;
    let progress = Progress::new();
    for warning in &loaded.warnings {
        progress.warning(warning);
    }
    if loaded.mask.bounds().is_none() {
        return Err(CliError::Failure(format!(
            "the mask selects nothing, paint white where the object goes: {}",
            args.from.display()
        )));
    }
    let mask = if args.region {
        editable_region(&loaded.mask, level)
    } else {
        coarsen_plainly(&loaded.mask, level)
    };
    io::mask::write(&args.out, &mask)?;
    Ok(())
}
