//! Training and judging samples: plans, captions, masks, records and their stream.

pub mod caption;
pub mod collage;
pub mod command;
pub mod make;
pub mod mask;
pub mod phrases;
pub mod plan;
pub mod record;
pub mod sample;
pub mod sheet;
pub mod staging;
pub mod stream;
pub mod task;
#[cfg(test)]
mod tests;
pub mod tokens;
pub mod video;
