//! Guidance by two conditions.

use candle_core::{Result, Tensor};

/// How strongly text and reference pictures steer; 1 and 1 is no guidance.
///
/// v = v₀ + image·(v_refs − v₀) + text·(v_full − v_refs), where v₀ knows neither text nor references and
/// v_refs knows the references only (Brooks et al. 2023, "InstructPix2Pix", equation 3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guidance {
    /// Weight of the text.
    pub text: f64,
    /// Weight of the reference pictures.
    pub image: f64,
}

/// What each of the three velocities counts for; their sum is 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// Text and references.
    pub full: f64,
    /// References only.
    pub no_text: f64,
    /// Neither.
    pub no_references: f64,
}

impl Guidance {
    /// The formula, collected by velocity. A velocity with weight exactly 0 need not be computed.
    pub fn weights(self) -> Weights {
        Weights {
            full: self.text,
            no_text: self.image - self.text,
            no_references: 1.0 - self.image,
        }
    }
}

/// The weighted sum of velocities of one shape; a single one with weight 1 is returned untouched.
/// `None` if there are none.
///
/// # Errors
/// What candle says, if the shapes differ or there is no memory.
pub fn mix(terms: Vec<(f64, Tensor)>) -> Result<Option<Tensor>> {
    let mut sum: Option<Tensor> = None;
    for (weight, velocity) in terms {
        let term = if weight == 1.0 {
            velocity
        } else {
            velocity.affine(weight, 0.0)?
        };
        sum = Some(match sum {
            None => term,
            Some(sum) => (sum + term)?,
        });
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn constant(value: f32) -> Tensor {
        Tensor::new(&[value, 2.0 * value], &Device::Cpu).unwrap()
    }

    #[test]
    fn no_guidance_is_one_pass() {
        let weights = Guidance {
            text: 1.0,
            image: 1.0,
        }
        .weights();
        assert_eq!(
            weights,
            Weights {
                full: 1.0,
                no_text: 0.0,
                no_references: 0.0
            }
        );
    }

    #[test]
    fn equal_weights_skip_the_middle_velocity() {
        let weights = Guidance {
            text: 3.5,
            image: 3.5,
        }
        .weights();
        assert_eq!(weights.no_text, 0.0);
        assert_eq!(weights.full + weights.no_text + weights.no_references, 1.0);
    }

    #[test]
    fn the_mixture_is_the_published_formula() {
        let (full, refs, none) = (5.0f32, 3.0f32, 2.0f32);
        let weights = Guidance {
            text: 4.0,
            image: 1.5,
        }
        .weights();
        let mixed = mix(vec![
            (weights.full, constant(full)),
            (weights.no_text, constant(refs)),
            (weights.no_references, constant(none)),
        ])
        .unwrap()
        .unwrap();
        let expected = none + 1.5 * (refs - none) + 4.0 * (full - refs);
        assert_eq!(mixed.to_vec1::<f32>().unwrap(), [expected, 2.0 * expected]);
        assert!(mix(Vec::new()).unwrap().is_none());
    }
}
