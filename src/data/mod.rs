//! Training and judging samples: plans, captions, masks, records and their stream.

pub mod caption;
pub mod command;
pub mod plan;
pub mod record;
pub mod sample;
pub mod sheet;
pub mod stream;
#[cfg(test)]
mod tests;
