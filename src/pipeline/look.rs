//! A quick look at the estimate that the artist looks at.

use std::sync::Arc;

use candle_core::Tensor;

use super::error::PipelineError;
use super::event::Look;
use super::generator::{Cancel, Generator, GeneratorError};

/// The estimate `z` `[1, C, h, w]` of picture `of`; `None` if the model has no better way to show it than by its matrix.
pub(super) fn look(
    generator: &mut dyn Generator,
    z: &Tensor,
    of: usize,
    cancel: &Cancel,
) -> Result<Option<Look>, PipelineError> {
    let rgb = match generator.quick_look(z, cancel) {
        Ok(Some(rgb)) => rgb,
        Ok(None) => return Ok(None),
        Err(GeneratorError::Cancelled) => return Err(PipelineError::Cancelled),
        // No room, mostly. A look is not worth a job: it goes on with coarse previews.
        Err(_) => return Ok(None),
    };
    let (_, _, height, width) = rgb.dims4()?;
    Ok(Some(Look {
        of,
        size: [height, width],
        rgb: Arc::new(rgb.flatten_all()?.to_vec1()?),
    }))
}
