//! How a command ends when it does not end well.

use std::process::ExitCode;

use crate::doc::job::JobError;
use crate::io::console::Misuse;
use crate::io::metadata::RecipeError;
use crate::io::{PictureError, SaveError};

/// One sentence for the user, and the exit code that goes with it.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command can't be understood or makes no sense: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// It could not be done: exit code 1.
    #[error("{0}")]
    Failure(String),
    /// The reader of stdout went away, which is its right: exit code 0 and no word.
    #[error("the reader of the output is gone")]
    ClosedPipe,
}

impl CliError {
    /// A failure with this sentence.
    pub fn failure(sentence: impl ToString) -> Self {
        Self::Failure(sentence.to_string())
    }

    /// A usage error with this sentence.
    pub fn usage(sentence: impl ToString) -> Self {
        Self::Usage(sentence.to_string())
    }

    /// The program's exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failure(_) => ExitCode::FAILURE,
            Self::ClosedPipe => ExitCode::SUCCESS,
        }
    }
}

macro_rules! failures {
    ($($error:ty),*) => {
        $(impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                Self::failure(error)
            }
        })*
    };
}

failures!(
    PictureError,
    RecipeError,
    JobError,
    crate::io::mask::MaskSizeError,
    crate::hub::HubError,
    crate::model::ModelError
);

impl From<SaveError> for CliError {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::NoReader(_) => Self::ClosedPipe,
            error => Self::failure(error),
        }
    }
}

impl From<anyhow::Error> for CliError {
    fn from(error: anyhow::Error) -> Self {
        if error.is::<Misuse>() {
            return Self::Usage(format!("{error:#}"));
        }
        if let Some(SaveError::NoReader(_)) = error.downcast_ref() {
            return Self::ClosedPipe;
        }
        Self::Failure(sentence(&error))
    }
}

/// The whole chain in one sentence: what was done, then why it failed. Errors that tell their causes themselves tell
/// them once, and the system's numbers are left out.
fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = String::new();
    for cause in error.chain() {
        let text = without_number(&cause.to_string());
        if sentence.is_empty() {
            sentence = text;
        } else if !sentence.contains(&text) {
            sentence.push_str(": ");
            sentence.push_str(&text);
        }
    }
    sentence
}

/// A text without the "(os error 5)" in it.
fn without_number(text: &str) -> String {
    let number = text.split_once(" (os error ");
    match number.and_then(|(before, after)| Some((before, after.split_once(')')?.1))) {
        Some((before, after)) => format!("{before}{after}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn causes_are_told_once_and_without_numbers() {
        let missing = std::io::Error::from_raw_os_error(2);
        let raw: anyhow::Result<()> = Err(missing.into());
        let error = raw.context("a.png is no picture").context("no film");
        let found = CliError::from(error.expect_err("an error")).to_string();
        assert!(
            found.starts_with("no film: a.png is no picture: "),
            "{found}"
        );
        assert!(!found.contains("os error"), "{found}");
        let doubled: anyhow::Result<()> = Err(anyhow::anyhow!("no such entry"));
        let doubled = doubled.context("the pack is damaged: no such entry");
        let found = CliError::from(doubled.expect_err("an error")).to_string();
        assert_eq!(found, "the pack is damaged: no such entry");
    }
}
