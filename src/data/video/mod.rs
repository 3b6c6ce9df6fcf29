//! Samples from real video: frames, what moves in them, pairs of frames as records, WebDataset shards.

pub mod frames;
pub mod insertion;
pub mod motion;
pub mod samples;
pub mod shard;
#[cfg(test)]
mod tests;
