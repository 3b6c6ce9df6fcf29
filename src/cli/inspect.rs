//! `inlay inspect`: the recipe in a result.

use super::args::InspectArgs;
use super::error::CliError;
use super::output;
use crate::io::metadata;

/// Prints the recipe as JSON.
pub fn run(args: &InspectArgs) -> Result<(), CliError> {
    output::json(&metadata::read(&args.file)?)
}
