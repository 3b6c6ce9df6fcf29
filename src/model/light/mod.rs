//! The light model: from a collage to the light on its objects and on the ground they stand on. A U-net of the
//! autoencoder's blocks; `training/light.py` is the same network.

mod fused;
mod plain;

use candle_core::Tensor;

use super::config::LightConfig;
use super::error::{ModelError, Result};
use super::ops::Kernels;
use super::weights::{LIGHT_FILE, Reader, Tensors};

/// Channels of what it looks at: canvas, collage, cover, masks.
const CHANNELS: usize = 8;
/// Sides of what it looks at are multiples of this.
const STEP: usize = 16;
/// Pixels per cell of the coarse grid along a side.
pub const LIGHT_CELL: usize = 8;
/// No factor is beyond e to the power of this, either way.
const GAINS: f32 = 3.0;

/// What the model gives, `[3, rows, columns]` each.
#[derive(Clone, Debug)]
pub struct LightMaps {
    /// Factors for the objects' colours, a cell of [`LIGHT_CELL`] pixels each.
    pub objects: Tensor,
    /// What is added to the ground's colours, by the same cells.
    pub mirrored: Tensor,
    /// Factors for the ground's colours, a pixel each.
    pub ground: Tensor,
}

/// A loaded light model.
pub struct LightModel(Form);

enum Form {
    Plain(Box<plain::Net>),
    Fused(Box<fused::Net>),
}

impl LightModel {
    /// From checked tensors.
    pub(crate) fn new(config: &LightConfig, tensors: &Tensors, kernels: Kernels) -> Result<Self> {
        let r = Reader::new(tensors, LIGHT_FILE, kernels);
        Ok(Self(match kernels {
            Kernels::Plain => Form::Plain(Box::new(plain::Net::new(config, &r)?)),
            Kernels::Fused => Form::Fused(Box::new(fused::Net::new(config, &r)?)),
        }))
    }

    /// Canvas (3), collage (3), its objects' cover and the masks, `[8, H, W]` in 0..1, to light. H and W are multiples
    /// of 16.
    ///
    /// # Errors
    /// [`ModelError::Input`] for other shapes; if the device fails, or `cancel` says so.
    pub fn light(&self, input: &Tensor, cancel: &dyn Fn() -> bool) -> Result<LightMaps> {
        let (channels, height, width) = input.dims3()?;
        if channels != CHANNELS || !height.is_multiple_of(STEP) || !width.is_multiple_of(STEP) {
            return Err(ModelError::Input(format!(
                "a collage of {width} × {height} pixels and {channels} channels can't be lit: {CHANNELS} channels and \
                 sides that are multiples of {STEP} can"
            )));
        }
        match &self.0 {
            Form::Plain(net) => net.light(input, cancel),
            Form::Fused(net) => net.light(input, cancel),
        }
    }

    /// The mean of what it says of a picture and of the mirrored picture: factors by their geometric mean. Left and
    /// right mean nothing to light, so a mirrored picture gets the mirrored light, and two estimates are better than
    /// one. Shapes as in [`Self::light`].
    ///
    /// # Errors
    /// If the device fails, or `cancel` says so.
    pub fn light_both_ways(&self, input: &Tensor, cancel: &dyn Fn() -> bool) -> Result<LightMaps> {
        let one = self.light(input, cancel)?;
        let other = self.light(&input.flip(&[2])?, cancel)?;
        let factor = |a: &Tensor, b: &Tensor| (a * b.flip(&[2])?)?.sqrt();
        Ok(LightMaps {
            objects: factor(&one.objects, &other.objects)?,
            mirrored: ((one.mirrored + other.mirrored.flip(&[2])?)? * 0.5)?,
            ground: factor(&one.ground, &other.ground)?,
        })
    }
}

/// What the network's heads say: the coarse `[6, H/8, W/8]` and the fine `[3, H, W]`.
fn maps(grid: &Tensor, ground: &Tensor) -> Result<LightMaps> {
    let factor = |x: &Tensor| x.clamp(-GAINS, GAINS)?.exp();
    Ok(LightMaps {
        objects: factor(&grid.narrow(0, 0, 3)?)?,
        mirrored: grid.narrow(0, 3, 3)?,
        ground: factor(ground)?,
    })
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::model::spec;

    /// Odd widths, and a stage without blocks.
    const CONFIG: LightConfig = LightConfig {
        c0: 7,
        n0: 1,
        c1: 18,
        n1: 0,
        c2: 21,
        n2: 2,
        c3: 10,
        n3: 1,
    };

    fn random_tensors() -> Tensors {
        spec::light(&CONFIG)
            .into_iter()
            .map(|s| {
                let fan: usize = s.shape.iter().skip(1).product();
                let t = Tensor::randn(0f32, (fan as f32).powf(-0.5), s.shape, &Device::Cpu);
                (s.name, t.unwrap())
            })
            .collect()
    }

    #[test]
    fn a_mirrored_picture_gets_the_mirrored_light() {
        let model = LightModel::new(&CONFIG, &random_tensors(), Kernels::Fused).unwrap();
        let input = Tensor::rand(0f32, 1f32, (CHANNELS, 32, 64), &Device::Cpu).unwrap();
        let flipped = |t: &Tensor| t.flip(&[2]).unwrap();
        let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let one = model.light_both_ways(&input, &|| false).unwrap();
        let other = model.light_both_ways(&flipped(&input), &|| false).unwrap();
        for (a, b) in [
            (&one.objects, &other.objects),
            (&one.mirrored, &other.mirrored),
            (&one.ground, &other.ground),
        ] {
            assert_eq!(values(a), values(&flipped(b)));
        }
        // One way alone is not even.
        let alone = model.light(&input, &|| false).unwrap();
        assert_ne!(values(&one.ground), values(&alone.ground));
    }

    #[test]
    fn fused_equals_plain() {
        // A picture that is no square.
        let tensors = random_tensors();
        let input = Tensor::rand(0f32, 1f32, (CHANNELS, 48, 80), &Device::Cpu).unwrap();
        let of = |kernels| {
            let model = LightModel::new(&CONFIG, &tensors, kernels).unwrap();
            assert!(model.light(&input, &|| true).is_err());
            model.light(&input, &|| false).unwrap()
        };
        let (a, b) = (of(Kernels::Fused), of(Kernels::Plain));
        // Factors as the network gives them: the exponential enlarges what rounding does.
        let log = |t: Tensor| t.log().unwrap();
        for (a, b) in [
            (log(a.objects), log(b.objects)),
            (a.mirrored, b.mirrored),
            (log(a.ground), log(b.ground)),
        ] {
            assert_eq!(a.dims(), b.dims());
            let largest = |t: &Tensor| {
                let t = t.abs().unwrap().max_all().unwrap();
                t.to_scalar::<f32>().unwrap()
            };
            let worst = largest(&(&a - &b).unwrap());
            assert!(worst <= 1e-5 * largest(&b), "{worst} of {}", largest(&b));
        }
    }
}
