//! Rotary coordinates with four axes: time, row, column and place in the text.

use candle_core::{DType, Device, Tensor};

use crate::model::error::Result;

/// Where a token is: time, row, column, place in the text.
pub type Place = [u32; 4];

/// Places of text tokens: only their number counts.
pub fn text_places(tokens: usize) -> Vec<Place> {
    (0..tokens as u32).map(|k| [0, 0, 0, k]).collect()
}

/// Places of a picture's tokens, row by row. The output has time 0, reference r (from 0) has 10 + 10·r.
pub fn picture_places(time: u32, rows: usize, columns: usize) -> Vec<Place> {
    (0..rows as u32)
        .flat_map(|h| (0..columns as u32).map(move |w| [time, h, w, 0]))
        .collect()
}

/// The time of reference `r`, from 0.
pub fn reference_time(r: usize) -> u32 {
    10 + 10 * r as u32
}

/// Cosine and sine of every token's angles, `[tokens, head_dim / 2]`, f32.
#[derive(Clone, Debug)]
pub struct RopeTable {
    /// Cosines.
    pub cos: Tensor,
    /// Sines.
    pub sin: Tensor,
}

impl RopeTable {
    /// Angles p·θ^(−2j/d) for each of the four axes of d = head_dim / 4 dimensions (Su et al. 2021, in axes), computed
    /// in f64.
    ///
    /// # Errors
    /// What candle says, if `head_dim` does not split into four axes of pairs or there is no memory on the device.
    pub fn new(places: &[Place], head_dim: usize, theta: f64, device: &Device) -> Result<Self> {
        let axis = head_dim / 4;
        let mut angles = Vec::with_capacity(places.len() * head_dim / 2);
        for place in places {
            for &p in place {
                for j in 0..axis / 2 {
                    let frequency = theta.powf(-2.0 * j as f64 / axis as f64);
                    angles.push(f64::from(p) * frequency);
                }
            }
        }
        let shape = (places.len(), head_dim / 2);
        let table = |f: fn(f64) -> f64| -> Result<Tensor> {
            let values: Vec<f32> = angles.iter().map(|a| f(*a) as f32).collect();
            Ok(Tensor::from_vec(values, shape, device)?)
        };
        Ok(Self {
            cos: table(f64::cos)?,
            sin: table(f64::sin)?,
        })
    }

    /// Rotates interleaved pairs of `[B, H, tokens, D]`, in f32.
    ///
    /// # Errors
    /// What candle says, if D is not twice the table's width, there are more tokens than it has, or the device fails.
    pub fn rotate(&self, x: &Tensor) -> Result<Tensor> {
        let dtype = x.dtype();
        let x = x.to_dtype(DType::F32)?.contiguous()?;
        Ok(candle_nn::rotary_emb::rope_i(&x, &self.cos, &self.sin)?.to_dtype(dtype)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_numbered_row_by_row() {
        assert_eq!(
            picture_places(20, 2, 3),
            [
                [20, 0, 0, 0],
                [20, 0, 1, 0],
                [20, 0, 2, 0],
                [20, 1, 0, 0],
                [20, 1, 1, 0],
                [20, 1, 2, 0]
            ]
        );
        assert_eq!(text_places(2), [[0, 0, 0, 0], [0, 0, 0, 1]]);
        assert_eq!((reference_time(0), reference_time(3)), (10, 40));
    }

    #[test]
    fn pairs_turn_by_their_axis_and_frequency() {
        // One token at row 2: head dimension 16 has two pairs an axis; the row's are the third and the fourth.
        let table = RopeTable::new(&[[0, 2, 0, 0]], 16, 100.0, &Device::Cpu).unwrap();
        let x: Vec<f32> = (0..16)
            .map(|i| if i % 2 == 0 { 1.0 } else { 0.0 })
            .collect();
        let x = Tensor::from_vec(x, (1, 1, 1, 16), &Device::Cpu).unwrap();
        let y: Vec<f32> = table
            .rotate(&x)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap();
        let mut expected = [1.0, 0.0].repeat(8);
        (expected[4], expected[5]) = (2f64.cos() as f32, 2f64.sin() as f32);
        // θ^(−2/4) = 1/10.
        (expected[6], expected[7]) = (0.2f64.cos() as f32, 0.2f64.sin() as f32);
        for (found, expected) in y.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-7, "{y:?}");
        }
    }
}
