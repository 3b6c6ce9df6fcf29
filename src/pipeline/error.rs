//! Why a job ended without all its outputs.

use super::generator::GeneratorError;
use crate::doc::job::JobError;

/// Why a job ended without all its outputs.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// Stopping was asked for.
    #[error("cancelled")]
    Cancelled,
    /// The job cannot run.
    #[error(transparent)]
    Job(#[from] JobError),
    /// More input pictures than the loaded model takes.
    #[error(
        "the loaded model takes {limit} inputs at most, masks included, and this job has {found}: remove some"
    )]
    TooManyInputs {
        /// What the model takes.
        limit: usize,
        /// What the job has.
        found: usize,
    },
    /// More joint pictures than the loaded model makes.
    #[error(
        "the loaded model makes {limit} joint pictures at most and this job asks for {found}: ask for fewer"
    )]
    TooManyJoint {
        /// What the model makes.
        limit: usize,
        /// What the job asks for.
        found: usize,
    },
    /// The given crop holds nothing of the regions.
    #[error(
        "the context rectangle does not reach what the masks select: draw it around a mask or let it be chosen"
    )]
    CropMissesRegion,
    /// The device has too little memory.
    #[error(
        "there is not enough memory for this job: use fewer input pictures or a smaller model, or choose the processor as device"
    )]
    OutOfMemory,
    /// The model's result is no picture.
    #[error(
        "the model produced values that are not numbers: lower the guidance, or load the model's files again"
    )]
    NotFinite,
    /// The model could not go on.
    #[error(transparent)]
    Generator(GeneratorError),
}

impl From<GeneratorError> for PipelineError {
    fn from(error: GeneratorError) -> Self {
        match error {
            GeneratorError::Cancelled => PipelineError::Cancelled,
            GeneratorError::Tensor(error) if is_out_of_memory(&error.to_string()) => {
                PipelineError::OutOfMemory
            }
            other => PipelineError::Generator(other),
        }
    }
}

impl From<candle_core::Error> for PipelineError {
    fn from(error: candle_core::Error) -> Self {
        GeneratorError::from(error).into()
    }
}

/// Whether a device's message says that memory ran out: candle passes on what the driver says.
pub(crate) fn is_out_of_memory(message: &str) -> bool {
    let message = message.to_lowercase();
    [
        "out of memory",
        "out_of_memory",
        "outofmemory",
        "alloc_failed",
        "failed to allocate",
        "memory allocation",
    ]
    .iter()
    .any(|sign| message.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_errors_become_advice() {
        for message in [
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")",
            "Metal error: failed to allocate buffer",
            "CublasError(CUBLAS_STATUS_ALLOC_FAILED)",
        ] {
            let error = PipelineError::from(candle_core::Error::Msg(message.into()));
            assert!(matches!(error, PipelineError::OutOfMemory), "{message}");
        }
        let error = PipelineError::from(candle_core::Error::Msg("shape mismatch".into()));
        assert_eq!(
            error.to_string(),
            "the model could not compute this: shape mismatch"
        );
        assert!(matches!(
            PipelineError::from(GeneratorError::Cancelled),
            PipelineError::Cancelled
        ));
    }
}
