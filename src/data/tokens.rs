//! Texts as token ids.

use std::path::Path;

use anyhow::Context;
use tokenizers::Tokenizer;

use super::record::MAX_TOKENS;

/// The id of the end token.
pub const END: u16 = 1;

/// Reads a tokenizer.json.
///
/// # Errors
/// It is not there or not usable.
pub fn open(path: &Path) -> anyhow::Result<Tokenizer> {
    Tokenizer::from_file(path)
        .map_err(|e| anyhow::anyhow!("{e}"))
        .with_context(|| format!("{} is not a usable tokenizer.json", path.display()))
}

/// Whether a record holds a text's ids and the end token; any text fits without a tokenizer.
///
/// # Errors
/// The text can't be tokenised.
pub fn fit(tokenizer: Option<&Tokenizer>, text: &str) -> anyhow::Result<bool> {
    let Some(tokenizer) = tokenizer else {
        return Ok(true);
    };
    let encoded = tokenizer
        .encode_fast(text, false)
        .map_err(|e| anyhow::anyhow!("{text:?} could not be tokenised: {e}"))?;
    Ok(encoded.len() < MAX_TOKENS)
}

/// A text's ids with the end token, cut to what a record holds; the end token alone without a tokenizer.
///
/// # Errors
/// Ids that a record can't hold.
pub fn tokens(tokenizer: Option<&Tokenizer>, text: &str) -> anyhow::Result<Vec<u16>> {
    let mut tokens = Vec::new();
    if let Some(tokenizer) = tokenizer {
        let encoded = tokenizer
            .encode_fast(text, false)
            .map_err(|e| anyhow::anyhow!("{text:?} could not be tokenised: {e}"))?;
        for &id in encoded.get_ids().iter().take(MAX_TOKENS - 1) {
            tokens.push(u16::try_from(id).context("the tokenizer has ids above 65535")?);
        }
    }
    tokens.push(END);
    Ok(tokens)
}
