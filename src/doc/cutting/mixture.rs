//! The colours of an object or of its surroundings: a mixture of a few Gaussians.

/// Gaussians of a mixture.
const PARTS: usize = 5;
/// What is added to every variance, in squared 255ths of full brightness: pictures have noise.
const LEAST: f64 = 6.0;

/// A mixture of Gaussians over colours (0..255).
pub struct Mixture {
    parts: Vec<Gaussian>,
}

struct Gaussian {
    mean: [f64; 3],
    /// The inverse of the covariance, symmetric: xx, xy, xz, yy, yz, zz.
    inverse: [f64; 6],
    /// ln of weight over the density's norm.
    scale: f64,
}

/// Sums over colours of which a Gaussian is made.
#[derive(Clone, Copy, Default)]
struct Sums {
    count: f64,
    first: [f64; 3],
    second: [f64; 6],
}

impl Sums {
    fn of<'a>(colours: impl Iterator<Item = &'a [f32; 3]>) -> Self {
        let mut sums = Self::default();
        for colour in colours {
            sums.add(colour);
        }
        sums
    }

    fn add(&mut self, colour: &[f32; 3]) {
        let [r, g, b] = colour.map(f64::from);
        self.count += 1.0;
        for (sum, v) in self.first.iter_mut().zip([r, g, b]) {
            *sum += v;
        }
        for (sum, v) in self
            .second
            .iter_mut()
            .zip([r * r, r * g, r * b, g * g, g * b, b * b])
        {
            *sum += v;
        }
    }

    fn mean(&self) -> [f64; 3] {
        self.first.map(|v| v / self.count.max(1.0))
    }

    /// xx, xy, xz, yy, yz, zz.
    fn covariance(&self) -> [f64; 6] {
        let [r, g, b] = self.mean();
        let products = [r * r, r * g, r * b, g * g, g * b, b * b];
        std::array::from_fn(|i| self.second[i] / self.count.max(1.0) - products[i])
    }

    fn gaussian(&self, all: f64) -> Option<Gaussian> {
        if self.count < 1.0 {
            return None;
        }
        let [xx, xy, xz, yy, yz, zz] = self.covariance();
        let (xx, yy, zz) = (xx + LEAST, yy + LEAST, zz + LEAST);
        let (a, b, c) = (yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy);
        let determinant = xx * a + xy * b + xz * c;
        let inverse = [
            a,
            b,
            c,
            xx * zz - xz * xz,
            xy * xz - xx * yz,
            xx * yy - xy * xy,
        ];
        Some(Gaussian {
            mean: self.mean(),
            inverse: inverse.map(|v| v / determinant),
            scale: (self.count / all).ln()
                - 0.5 * determinant.ln()
                - 1.5 * (2.0 * std::f64::consts::PI).ln(),
        })
    }

    /// The direction in which the colours vary most, and how much.
    fn spread(&self) -> ([f64; 3], f64) {
        let [xx, xy, xz, yy, yz, zz] = self.covariance();
        let mut axis = [0.577, 0.577, 0.577];
        let mut length = 0.0;
        for _ in 0..24 {
            let [x, y, z] = axis;
            let next = [
                xx * x + xy * y + xz * z,
                xy * x + yy * y + yz * z,
                xz * x + yz * y + zz * z,
            ];
            length = next.iter().map(|v| v * v).sum::<f64>().sqrt();
            if length < 1e-9 {
                return (axis, 0.0);
            }
            axis = next.map(|v| v / length);
        }
        (axis, length * self.count)
    }
}

impl Gaussian {
    fn log_density(&self, colour: &[f32; 3]) -> f64 {
        let [x, y, z] = std::array::from_fn(|c| f64::from(colour[c]) - self.mean[c]);
        let [xx, xy, xz, yy, yz, zz] = self.inverse;
        let square =
            xx * x * x + yy * y * y + zz * z * z + 2.0 * (xy * x * y + xz * x * z + yz * y * z);
        self.scale - 0.5 * square
    }
}

impl Mixture {
    /// Of these colours; `None` without any. The widest cluster is halved across its longest axis until there are enough
    /// (Orchard and Bouman, "Color quantization of images", 1991).
    pub fn of(colours: &[[f32; 3]]) -> Option<Self> {
        if colours.is_empty() {
            return None;
        }
        let mut clusters = vec![(Sums::of(colours.iter()), colours.to_vec())];
        while clusters.len() < PARTS {
            let widest = clusters
                .iter()
                .enumerate()
                .map(|(at, (sums, _))| (at, sums.spread()))
                .max_by(|a, b| a.1.1.total_cmp(&b.1.1))?;
            let (at, (axis, spread)) = widest;
            if spread < 1.0 {
                break;
            }
            let (sums, members) = clusters.swap_remove(at);
            let mean = sums.mean();
            let (high, low): (Vec<_>, Vec<_>) = members.into_iter().partition(|colour| {
                let along = |c: usize| axis[c] * (f64::from(colour[c]) - mean[c]);
                along(0) + along(1) + along(2) > 0.0
            });
            for half in [high, low] {
                clusters.push((Sums::of(half.iter()), half));
            }
        }
        let sums: Vec<Sums> = clusters.into_iter().map(|(sums, _)| sums).collect();
        let fitted = Self::from_sums(&sums);
        // Once more with every colour in the Gaussian that explains it best.
        let mut sums = vec![Sums::default(); fitted.parts.len()];
        for colour in colours {
            let density = |part: &Gaussian| part.log_density(colour);
            let best = fitted
                .parts
                .iter()
                .enumerate()
                .max_by(|a, b| density(a.1).total_cmp(&density(b.1)));
            if let Some((at, _)) = best {
                sums[at].add(colour);
            }
        }
        Some(Self::from_sums(&sums))
    }

    fn from_sums(sums: &[Sums]) -> Self {
        let all = sums.iter().map(|s| s.count).sum();
        Self {
            parts: sums.iter().filter_map(|s| s.gaussian(all)).collect(),
        }
    }

    /// ln of the density at a colour.
    pub fn log_density(&self, colour: &[f32; 3]) -> f64 {
        let logs = self.parts.iter().map(|part| part.log_density(colour));
        let most = logs.clone().fold(f64::MIN, f64::max);
        most + logs.map(|v| (v - most).exp()).sum::<f64>().ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_likely_where_they_were_seen() {
        let colours: Vec<[f32; 3]> = (0..200)
            .map(|i| {
                let noise = (i * 7 % 11) as f32 - 5.0;
                match i % 2 {
                    0 => [200.0 + noise, 30.0, 40.0 - noise],
                    _ => [20.0, 60.0 - noise, 180.0 + noise],
                }
            })
            .collect();
        let mixture = Mixture::of(&colours).unwrap();
        let at = |colour| mixture.log_density(&colour);
        assert!(at([200.0, 30.0, 40.0]) > at([110.0, 45.0, 110.0]) + 20.0);
        assert!(at([20.0, 60.0, 180.0]) > at([20.0, 180.0, 60.0]) + 20.0);
        assert!(Mixture::of(&[]).is_none());
    }

    #[test]
    fn one_colour_is_a_gaussian_as_wide_as_noise() {
        let mixture = Mixture::of(&[[100.0; 3]; 50]).unwrap();
        let (at, beside) = (
            mixture.log_density(&[100.0; 3]),
            mixture.log_density(&[100.0, 100.0, 103.0]),
        );
        // 3² over twice the least variance.
        assert!((at - beside - 9.0 / (2.0 * LEAST)).abs() < 1e-9);
    }
}
