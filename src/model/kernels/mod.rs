//! The fused kernels of the processor: slices in, slices out, no tensors.
//!
//! Everything rests on one register tile ([`tile`]) that multiplies a few rows by 16 or 32 columns. Each output
//! value is summed in one fixed order whatever the number of rows, threads or tiles, so that a batch equals its
//! members one by one, bit for bit, on one machine.

// In kernels an index that runs over several arrays is the clearest notation.
#![allow(clippy::needless_range_loop)]

pub(crate) mod attention;
pub(crate) mod conv;
pub(crate) mod gemm;
pub(crate) mod norm;
pub(crate) mod simd;
pub(crate) mod tile;
