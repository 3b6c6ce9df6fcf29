//! Which instructions there are, and elementwise mathematics that compilers turn into vectors.

use std::sync::OnceLock;

/// Instruction sets that the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isa {
    /// AVX-512F.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Whatever the compiler's target has.
    Portable,
}

/// The best instruction set of this machine.
pub(crate) fn isa() -> Isa {
    static ISA: OnceLock<Isa> = OnceLock::new();
    *ISA.get_or_init(|| available()[0])
}

/// All instruction sets of this machine, best first.
pub(crate) fn available() -> Vec<Isa> {
    let mut all = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        let fma = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        if fma && is_x86_feature_detected!("avx512f") {
            all.push(Isa::Avx512);
        }
        if fma {
            all.push(Isa::Avx2);
        }
    }
    all.push(Isa::Portable);
    all
}

/// Compiles a function for every instruction set and calls the version of this machine.
/// The body must be one call of an `#[inline(always)]` function.
macro_rules! multiversion {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) = $body:ident) => {
        $(#[$meta])*
        $vis fn $name($($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx2,fma")]
                fn avx512($($arg: $type),*) {
                    $body($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $type),*) {
                    $body($($arg),*)
                }
                match $crate::model::kernels::simd::isa() {
                    // SAFETY: `isa` found these features on this machine.
                    $crate::model::kernels::simd::Isa::Avx512 => unsafe { return avx512($($arg),*) },
                    // SAFETY: as above.
                    $crate::model::kernels::simd::Isa::Avx2 => unsafe { return avx2($($arg),*) },
                    $crate::model::kernels::simd::Isa::Portable => {}
                }
            }
            $body($($arg),*)
        }
    };
}
pub(crate) use multiversion;

/// Lanes that sums and maxima run in; a fixed number, so that results do not depend on the instruction set's
/// width.
pub(crate) const LANES: usize = 16;

/// eˣ for finite x, to about 2 ulp: 2ⁿ·p(r) with x = n·ln 2 + r, |r| ≤ ln 2 / 2; the polynomial is Cephes'.
/// Below −87.3 the result is the smallest normal number.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2²³: adding it rounds to an integer
    let x = x.clamp(-87.3, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_4;
    let r = r + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    p = p * r * r + r + 1.0;
    // The low bits of `shifted` are n: no conversion is needed.
    let exponent = (shifted.to_bits() << 23).wrapping_add(127 << 23);
    p * f32::from_bits(exponent)
}

/// x / (1 + e⁻ˣ).
#[inline(always)]
pub(crate) fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// The sum of f(x) in [`LANES`] partial sums.
#[inline(always)]
pub(crate) fn sum(values: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] += f(chunk[i]);
        }
    }
    let mut total = 0.0;
    for lane in lanes {
        total += lane;
    }
    for v in rest {
        total += f(*v);
    }
    total
}

/// The largest value.
#[inline(always)]
pub(crate) fn max(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] = if chunk[i] > lanes[i] {
                chunk[i]
            } else {
                lanes[i]
            };
        }
    }
    let mut largest = f32::NEG_INFINITY;
    for lane in lanes {
        largest = largest.max(lane);
    }
    for v in rest {
        largest = largest.max(*v);
    }
    largest
}

/// A pointer that threads may share because they write disjoint parts.
#[derive(Clone, Copy)]
pub(crate) struct Shared(pub *mut f32);

// SAFETY: users write disjoint ranges; see each use.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// `len` values from `start`.
    ///
    /// # Safety
    /// The range lies inside the allocation and nobody else touches it meanwhile.
    #[inline(always)]
    pub unsafe fn slice<'a>(self, start: usize, len: usize) -> &'a mut [f32] {
        // SAFETY: by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), len) }
    }
}

/// Runs `work` for 0..tasks, on all threads if `parallel`.
pub(crate) fn for_each(tasks: usize, parallel: bool, work: impl Fn(usize) + Sync + Send) {
    use rayon::prelude::*;
    if parallel && tasks > 1 {
        (0..tasks).into_par_iter().with_max_len(1).for_each(work);
    } else {
        (0..tasks).for_each(work);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close() {
        let mut x = -87.0f32;
        while x < 88.0 {
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 3e-7, "{x}: {error:e}");
            x += 0.013;
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1000.0) < 2e-38);
    }

    #[test]
    fn silu_at_the_ends() {
        assert_eq!(silu(0.0), 0.0);
        assert_eq!(silu(100.0), 100.0);
        assert!(silu(-100.0).abs() < 1e-35);
        assert!((silu(1.0) - 0.731_058_6).abs() < 1e-6);
    }

    #[test]
    fn reductions_match_plain_loops() {
        let values: Vec<f32> = (0..37).map(|i| ((i * 7) % 11) as f32 - 5.0).collect();
        assert_eq!(sum(&values, |v| v), values.iter().sum::<f32>());
        assert_eq!(max(&values), 5.0);
        assert_eq!(max(&[]), f32::NEG_INFINITY);
    }
}
