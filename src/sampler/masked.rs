//! Keeping what must not change clean during sampling.

use candle_core::{Result, Tensor};

/// The known part of a latent: at every time it is what the canvas would be with the run's own noise, so only the
/// editable cells are denoised ("background blending", IMPRINT, CVPR 2024).
#[derive(Clone, Debug)]
pub struct Masked {
    editable: Tensor,
    clean: Tensor,
    noise: Tensor,
}

impl Masked {
    /// `editable` is u8 (1 where the model may change the latent, else 0), `clean` the canvas's latent, `noise` the
    /// run's starting noise; `editable` and `clean` broadcast to the noise's shape.
    pub fn new(editable: &Tensor, clean: &Tensor, noise: &Tensor) -> Result<Self> {
        Ok(Self {
            editable: editable.broadcast_as(noise.shape())?.contiguous()?,
            clean: clean.broadcast_as(noise.shape())?.contiguous()?,
            noise: noise.clone(),
        })
    }

    /// `z` with the known cells at time `t`: (1 − t)·clean + t·noise. At `t` = 0 they equal the canvas's latent.
    pub fn clamp(&self, z: &Tensor, t: f64) -> Result<Tensor> {
        let known = if t == 0.0 {
            self.clean.clone()
        } else {
            (self.clean.affine(1.0 - t, 0.0)? + self.noise.affine(t, 0.0)?)?
        };
        self.editable.where_cond(z, &known)
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
}
