//! The register tile: up to 12 rows times 16 or 32 columns.

use super::simd::Isa;

/// Rows of a tile at most.
pub(crate) const MR: usize = 12;
/// Columns of a tile at most.
pub(crate) const NR: usize = 32;

/// Part of a sum: rows of `a` times rows of `b`.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    /// First value of the first row of the left matrix.
    pub a: *const f32,
    /// First value of the right matrix's first row.
    pub b: *const f32,
    /// Values in a row of `a`, and rows of `b`.
    pub k: usize,
}

/// A tile's results, row by row.
#[repr(align(64))]
pub(crate) struct Out(pub [[f32; NR]; MR]);

impl Out {
    pub fn new() -> Self {
        Self([[0.0; NR]; MR])
    }
}

/// Splits `rows` into tiles of nearly equal height: first row and height of tile `index` of `count`.
pub(crate) fn split(rows: usize, index: usize, count: usize) -> (usize, usize) {
    let start = rows * index / count;
    (start, rows * (index + 1) / count - start)
}

/// out[i][j] = Σ over parts, over k: a[i·lda + k] · b[k·ldb + j], for i < rows ≤ [`MR`] and j < 16·halves,
/// `halves` 1 or 2.
///
/// # Safety
/// All addressed values of all parts are readable; `isa` is available on this machine; rows is 1 to [`MR`].
#[inline]
pub(crate) unsafe fn multiply(
    isa: Isa,
    rows: usize,
    halves: usize,
    parts: &[Part],
    lda: usize,
    ldb: usize,
    out: &mut Out,
) {
    debug_assert!((1..=MR).contains(&rows) && (1..=2).contains(&halves));
    // SAFETY: by the caller's promise.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => x86::multiply512(rows, halves, parts, lda, ldb, out),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => {
                for half in 0..halves {
                    for first in (0..rows).step_by(6) {
                        let height = (rows - first).min(6);
                        x86::multiply2(height, first, half, parts, lda, ldb, out);
                    }
                }
            }
            Isa::Portable => {
                for half in 0..halves {
                    for first in (0..rows).step_by(4) {
                        portable((rows - first).min(4), first, half, parts, lda, ldb, out);
                    }
                }
            }
        }
    }
}

/// # Safety
/// As for [`multiply`].
unsafe fn portable(
    rows: usize,
    first: usize,
    half: usize,
    parts: &[Part],
    lda: usize,
    ldb: usize,
    out: &mut Out,
) {
    let mut sums = [[0f32; 16]; 4];
    for part in parts {
        for k in 0..part.k {
            // SAFETY: by the caller's promise.
            let b = unsafe { &*part.b.add(k * ldb + 16 * half).cast::<[f32; 16]>() };
            for (i, row) in sums.iter_mut().enumerate().take(rows) {
                // SAFETY: by the caller's promise.
                let a = unsafe { *part.a.add((first + i) * lda + k) };
                for j in 0..16 {
                    row[j] += a * b[j];
                }
            }
        }
    }
    for (i, row) in sums.iter().enumerate().take(rows) {
        out.0[first + i][16 * half..16 * half + 16].copy_from_slice(row);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{MR, Out, Part};

    /// Rows are reached from one pointer in three: an address of the form base + 0, 1 or 2 strides needs no
    /// register of its own.
    const GROUPS: usize = MR.div_ceil(3);

    macro_rules! by_rows {
        ($rows:expr, $call:ident::<$($n:literal),*>, $halves:tt, $args:tt) => {
            match $rows {
                $($n => $call::<$n, $halves> $args,)*
                _ => {}
            }
        };
    }

    /// # Safety
    /// As for [`super::multiply`].
    #[target_feature(enable = "avx512f,avx2,fma")]
    pub unsafe fn multiply512(
        rows: usize,
        halves: usize,
        parts: &[Part],
        lda: usize,
        ldb: usize,
        out: &mut Out,
    ) {
        // SAFETY: by the caller's promise.
        unsafe {
            if halves == 2 {
                by_rows!(
                    rows,
                    tile512::<1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>,
                    2,
                    (parts, lda, ldb, out)
                )
            } else {
                by_rows!(
                    rows,
                    tile512::<1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>,
                    1,
                    (parts, lda, ldb, out)
                )
            }
        }
    }

    #[target_feature(enable = "avx512f,avx2,fma")]
    #[allow(
        clippy::needless_range_loop,
        reason = "indices of several registers and pointers at once"
    )]
    unsafe fn tile512<const ROWS: usize, const HALVES: usize>(
        parts: &[Part],
        lda: usize,
        ldb: usize,
        out: &mut Out,
    ) {
        // SAFETY: by the caller's promise.
        unsafe {
            let mut sums = [[_mm512_setzero_ps(); HALVES]; ROWS];
            for part in parts {
                let mut a: [*const f32; GROUPS] =
                    std::array::from_fn(|g| part.a.wrapping_add(3 * g * lda));
                let mut b = part.b;
                for _ in 0..part.k {
                    let mut right = [_mm512_setzero_ps(); HALVES];
                    for j in 0..HALVES {
                        right[j] = _mm512_loadu_ps(b.add(16 * j));
                    }
                    for i in 0..ROWS {
                        let left = _mm512_set1_ps(*a[i / 3].add(i % 3 * lda));
                        for j in 0..HALVES {
                            sums[i][j] = _mm512_fmadd_ps(left, right[j], sums[i][j]);
                        }
                    }
                    for pointer in &mut a {
                        *pointer = pointer.wrapping_add(1);
                    }
                    b = b.wrapping_add(ldb);
                }
            }
            for i in 0..ROWS {
                for j in 0..HALVES {
                    _mm512_storeu_ps(out.0[i].as_mut_ptr().add(16 * j), sums[i][j]);
                }
            }
        }
    }

    /// # Safety
    /// As for [`super::multiply`].
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn multiply2(
        rows: usize,
        first: usize,
        half: usize,
        parts: &[Part],
        lda: usize,
        ldb: usize,
        out: &mut Out,
    ) {
        // SAFETY: by the caller's promise.
        unsafe {
            by_rows!(
                rows,
                tile2::<1, 2, 3, 4, 5, 6>,
                2,
                (first, half, parts, lda, ldb, out)
            )
        }
    }

    #[target_feature(enable = "avx2,fma")]
    #[allow(
        clippy::needless_range_loop,
        reason = "indices of several registers and pointers at once"
    )]
    unsafe fn tile2<const ROWS: usize, const VECTORS: usize>(
        first: usize,
        half: usize,
        parts: &[Part],
        lda: usize,
        ldb: usize,
        out: &mut Out,
    ) {
        // SAFETY: by the caller's promise.
        unsafe {
            let mut sums = [[_mm256_setzero_ps(); VECTORS]; ROWS];
            for part in parts {
                let start = part.a.add(first * lda);
                let mut a: [*const f32; GROUPS] =
                    std::array::from_fn(|g| start.wrapping_add(3 * g * lda));
                let mut b = part.b.wrapping_add(16 * half);
                for _ in 0..part.k {
                    let mut right = [_mm256_setzero_ps(); VECTORS];
                    for j in 0..VECTORS {
                        right[j] = _mm256_loadu_ps(b.add(8 * j));
                    }
                    for i in 0..ROWS {
                        let left = _mm256_set1_ps(*a[i / 3].add(i % 3 * lda));
                        for j in 0..VECTORS {
                            sums[i][j] = _mm256_fmadd_ps(left, right[j], sums[i][j]);
                        }
                    }
                    for pointer in &mut a {
                        *pointer = pointer.wrapping_add(1);
                    }
                    b = b.wrapping_add(ldb);
                }
            }
            for i in 0..ROWS {
                for j in 0..VECTORS {
                    _mm256_storeu_ps(
                        out.0[first + i].as_mut_ptr().add(16 * half + 8 * j),
                        sums[i][j],
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kernels::simd::available;

    #[test]
    fn every_height_and_width_on_every_instruction_set() {
        let (k, lda, ldb) = (9, 11, 40);
        let value = |i: usize| ((i * 37) % 101) as f32 / 50.0 - 1.0;
        let a: Vec<f32> = (0..MR * lda + k).map(value).collect();
        let b: Vec<f32> = (0..k * ldb).map(|i| value(i + 5)).collect();
        let part = |from: usize, k: usize| Part {
            a: a[from..].as_ptr(),
            b: b[from * ldb..].as_ptr(),
            k,
        };
        for isa in available() {
            for rows in 1..=MR {
                for halves in 1..=2 {
                    let mut out = Out::new();
                    unsafe {
                        multiply(
                            isa,
                            rows,
                            halves,
                            &[part(0, 4), part(4, 5)],
                            lda,
                            ldb,
                            &mut out,
                        )
                    };
                    for i in 0..rows {
                        for j in 0..16 * halves {
                            let exact: f64 = (0..k)
                                .map(|k| f64::from(a[i * lda + k]) * f64::from(b[k * ldb + j]))
                                .sum();
                            assert!(
                                (f64::from(out.0[i][j]) - exact).abs() < 1e-5,
                                "{isa:?} {rows} {i} {j}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn tiles_cover_all_rows_once() {
        for rows in 1..100usize {
            let count = rows.div_ceil(MR);
            let mut next = 0;
            for index in 0..count {
                let (start, height) = split(rows, index, count);
                assert_eq!(start, next);
                assert!((1..=MR).contains(&height));
                next = start + height;
            }
            assert_eq!(next, rows);
        }
    }
}
