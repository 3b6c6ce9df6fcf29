//! `inlay mask`: a mask as coarse as a level asks.

use super::args::MaskArgs;
use super::error::CliError;
use super::output::Progress;
use crate::doc::Level;
use crate::doc::level::{coarsen_plainly, editable_region};
use crate::io;

/// Reads, coarsens, writes.
pub fn run(args: &MaskArgs) -> Result<(), CliError> {
    let level: Level = args.level.parse().map_err(CliError::usage)?;
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
