//! Keeping what must not change clean during sampling.

use candle_core::{DType, Result, Tensor};

/// The known part of a latent: at every time it is what the canvas would be with the run's own noise, so only the
/// editable cells are denoised ("background blending", IMPRINT, CVPR 2024).
#[derive(Clone, Debug)]
pub struct Masked {
    editable: Tensor,
    clean: Tensor,
    noise: Tensor,
}

impl Masked {
    /// `editable` says where the model may change the latent: u8, 1 or 0, or f32 with values between, which mix both.
    /// `clean` is the canvas's latent, `noise` the run's starting noise; `editable` and `clean` broadcast to the
    /// noise's shape.
    ///
    /// # Errors
    /// What candle says, if `editable` or `clean` does not broadcast so or there is no memory.
    pub fn new(editable: &Tensor, clean: &Tensor, noise: &Tensor) -> Result<Self> {
        Ok(Self {
            editable: editable.broadcast_as(noise.shape())?.contiguous()?,
            clean: clean.broadcast_as(noise.shape())?.contiguous()?,
            noise: noise.clone(),
        })
    }

    /// `z` with the known cells at time `t`: (1 − t)·clean + t·noise. At `t` = 0 they equal the canvas's latent.
    ///
    /// # Errors
    /// What candle says, if `z` has another shape or type than the noise or there is no memory.
    pub fn clamp(&self, z: &Tensor, t: f64) -> Result<Tensor> {
        let known = if t == 0.0 {
            self.clean.clone()
        } else {
            (self.clean.affine(1.0 - t, 0.0)? + self.noise.affine(t, 0.0)?)?
        };
        if self.editable.dtype() == DType::U8 {
            return self.editable.where_cond(z, &known);
        }
        // Exact at both ends: 0·z + 1·known and 1·z + 0·known.
        (self.editable.affine(-1.0, 1.0)? * known)? + (&self.editable * z)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn known_cells_follow_the_straight_path_and_end_exactly_on_the_canvas() {
        let device = Device::Cpu;
        let noise = Tensor::new(&[[[[1.0f32, -2.0], [0.5, 4.0]]]], &device).unwrap();
        let clean = Tensor::new(&[[[[0.1f32, 0.2], [0.3, 0.4]]]], &device).unwrap();
        let editable = Tensor::new(&[[[[1u8, 0], [0, 1]]]], &device).unwrap();
        let masked = Masked::new(&editable, &clean, &noise).unwrap();
        let z = Tensor::full(9.0f32, (1, 1, 2, 2), &device).unwrap();
        let at = |t: f64| {
            masked
                .clamp(&z, t)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap()
        };
        assert_eq!(at(1.0), [9.0, -2.0, 0.5, 9.0]);
        assert_eq!(at(0.0), [9.0, 0.2, 0.3, 9.0]);
        assert_eq!(at(0.5), [9.0, 0.5 * 0.2 - 1.0, 0.5 * 0.3 + 0.25, 9.0]);
    }

    #[test]
    fn a_soft_mask_mixes_and_is_exact_at_its_ends() {
        let device = Device::Cpu;
        let noise = Tensor::new(&[[[[1.0f32, -2.0, 0.5]]]], &device).unwrap();
        let clean = Tensor::new(&[[[[0.1f32, 0.2, 0.3]]]], &device).unwrap();
        let editable = Tensor::new(&[[[[0.0f32, 1.0, 0.25]]]], &device).unwrap();
        let masked = Masked::new(&editable, &clean, &noise).unwrap();
        let z = Tensor::full(9.0f32, (1, 1, 1, 3), &device).unwrap();
        let at = |t: f64| {
            let z = masked.clamp(&z, t).unwrap();
            z.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        assert_eq!(at(0.0), [0.1, 9.0, 0.75 * 0.3 + 0.25 * 9.0]);
        assert_eq!(at(0.5), [0.55, 9.0, 0.75 * 0.4 + 0.25 * 9.0]);
    }
}
