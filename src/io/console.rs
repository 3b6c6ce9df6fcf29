//! What commands of other modules than the command line's own say, and how they read options.

use std::io::{Write, stderr};
use std::path::PathBuf;

use super::names;
use crate::doc::job::{BlendSpec, MAX_GUIDANCE};

/// Sides of generated pictures, in pixels.
const SIDES: std::ops::RangeInclusive<usize> = 32..=512;

/// A command that makes no sense as it was given: exit code 2, where other errors are 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misuse(pub String);

/// Prints a line to stderr; if stderr is gone there is nobody to tell, and what was made still counts.
pub fn line(text: &str) {
    let _ = writeln!(stderr().lock(), "{text}");
}

/// The name of a PNG that is to be written.
///
/// # Errors
/// [`Misuse`] for a name that ends otherwise.
pub fn png(path: PathBuf) -> Result<PathBuf, Misuse> {
    if names::takes_png(&path) {
        return Ok(path);
    }
    Err(Misuse("this is written as PNG, let it end in .png".into()))
}

/// A side of generated pictures, in pixels.
///
/// # Errors
/// [`Misuse`] for a side that is none.
pub fn side(text: &str) -> Result<usize, Misuse> {
    let side = text.trim().parse().ok();
    side.filter(|side: &usize| side.is_multiple_of(16) && SIDES.contains(side))
        .ok_or_else(|| Misuse("use a multiple of 16 from 32 to 512".into()))
}

/// A seed, or another number that counts from 0.
///
/// # Errors
/// [`Misuse`] for what is no such number.
pub fn whole(text: &str) -> Result<u64, Misuse> {
    text.trim()
        .parse()
        .map_err(|_| Misuse(format!("use a whole number from 0 to {}", u64::MAX)))
}

/// How strongly light changes the ground.
///
/// # Errors
/// [`Misuse`] for what is no number from 0 to [`BlendSpec::MOST_SHADOW`].
pub fn strength(text: &str) -> Result<f32, Misuse> {
    number(text, BlendSpec::MOST_SHADOW)
}

/// A share of something.
///
/// # Errors
/// [`Misuse`] for what is no number from 0 to 1.
pub fn share(text: &str) -> Result<f32, Misuse> {
    number(text, 1.0)
}

/// How strongly a model is guided.
///
/// # Errors
/// [`Misuse`] for what is no number that a job may have.
pub fn guidance(text: &str) -> Result<f32, Misuse> {
    number(text, MAX_GUIDANCE)
}

/// A number from 0 to `high`; NaN is none.
fn number(text: &str, high: f32) -> Result<f32, Misuse> {
    let number = text.trim().parse().ok();
    number
        .filter(|number| (0.0..=high).contains(number))
        .ok_or_else(|| Misuse(format!("use a number from 0 to {high}")))
}

/// A number of frames a second.
///
/// # Errors
/// [`Misuse`] for what is no number above 0.
pub fn rate(text: &str) -> Result<f32, Misuse> {
    let rate = text.trim().parse().ok();
    rate.filter(|rate: &f32| rate.is_finite() && *rate > 0.0)
        .ok_or_else(|| Misuse("use a number above 0".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_or_refused_in_a_sentence() {
        assert_eq!(side("128").expect("a side"), 128);
        for wrong in ["16", "100", "528", "-32", "big"] {
            let sentence = "use a multiple of 16 from 32 to 512";
            assert_eq!(side(wrong).expect_err(wrong).to_string(), sentence);
        }
        assert_eq!(whole("18446744073709551615").expect("a seed"), u64::MAX);
        assert!(whole("-1").is_err() && whole("1.5").is_err());
        assert_eq!(share("0.25").expect("a share"), 0.25);
        for wrong in ["-3", "NaN", "1.5", "inf"] {
            let sentence = "use a number from 0 to 1";
            assert_eq!(share(wrong).expect_err(wrong).to_string(), sentence);
        }
        assert!(guidance("50").is_ok() && guidance("50.5").is_err());
        assert!(rate("0.5").is_ok() && rate("0").is_err() && rate("inf").is_err());
        assert!(png("a.PNG".into()).is_ok() && png("a.foo".into()).is_err());
    }
}
