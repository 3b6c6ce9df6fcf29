//! Blur and distance over one-channel fields, all linear in the number of pixels.

/// Blurs a `width × height` field with a Gaussian of `sigma` pixels; beyond the edge the edge's value goes on,
/// so a constant field stays as it is. Small kernels are exact (cut at 3 σ); from σ = 4 on three box blurs
/// take their place (Kovesi, "Fast almost-Gaussian filtering", 2010).
pub(crate) fn gaussian(field: &mut [f32], width: usize, height: usize, sigma: f32) {
    if sigma < 0.1 || field.is_empty() {
        return;
    }
    let mut other = vec![0.0; field.len()];
    if sigma < 4.0 {
        let kernel = kernel(sigma);
        convolve_rows(field, &mut other, width, &kernel);
        convolve_columns(&other, field, width, height, &kernel);
        return;
    }
    for radius in box_radii(sigma) {
        box_rows(field, &mut other, width, radius);
        box_columns(&other, field, width, height, radius);
    }
}

/// Half a normalised Gaussian: weight of the centre, then of offset 1, 2, ….
fn kernel(sigma: f32) -> Vec<f32> {
    let radius = (3.0 * sigma).ceil() as usize;
    let mut half: Vec<f32> = (0..=radius)
        .map(|i| (-0.5 * (i as f32 / sigma).powi(2)).exp())
        .collect();
    let sum = half[0] + 2.0 * half[1..].iter().sum::<f32>();
    half.iter_mut().for_each(|w| *w /= sum);
    half
}

/// Radii of three boxes whose variances add up to about σ².
fn box_radii(sigma: f32) -> [usize; 3] {
    let ideal = (4.0 * sigma * sigma + 1.0).sqrt() as i64;
    let low = if ideal % 2 == 0 { ideal - 1 } else { ideal };
    let lows =
        (12.0 * sigma * sigma - (3 * low * low + 12 * low + 9) as f32) / (-4.0 * low as f32 - 4.0);
    let lows = lows.round() as i64;
    [0, 1, 2].map(|i| if i < lows { low / 2 } else { low / 2 + 1 } as usize)
}

fn convolve_rows(from: &[f32], to: &mut [f32], width: usize, kernel: &[f32]) {
    for (from, to) in from.chunks_exact(width).zip(to.chunks_exact_mut(width)) {
        for (x, out) in to.iter_mut().enumerate() {
            let mut sum = kernel[0] * from[x];
            for (i, weight) in kernel.iter().enumerate().skip(1) {
                sum += weight * (from[x.saturating_sub(i)] + from[(x + i).min(width - 1)]);
            }
            *out = sum;
        }
    }
}

fn convolve_columns(from: &[f32], to: &mut [f32], width: usize, height: usize, kernel: &[f32]) {
    for (y, to) in to.chunks_exact_mut(width).enumerate() {
        let row = |y: usize| &from[y * width..(y + 1) * width];
        for (out, value) in to.iter_mut().zip(row(y)) {
            *out = kernel[0] * value;
        }
        for (i, weight) in kernel.iter().enumerate().skip(1) {
            let (above, below) = (row(y.saturating_sub(i)), row((y + i).min(height - 1)));
            for ((out, a), b) in to.iter_mut().zip(above).zip(below) {
                *out += weight * (a + b);
            }
        }
    }
}

fn box_rows(from: &[f32], to: &mut [f32], width: usize, radius: usize) {
    let scale = 1.0 / (2 * radius + 1) as f64;
    for (from, to) in from.chunks_exact(width).zip(to.chunks_exact_mut(width)) {
        let at = |x: usize| f64::from(from[x.min(width - 1)]);
        let mut sum = at(0) * (radius + 1) as f64 + (1..=radius).map(at).sum::<f64>();
        for (x, out) in to.iter_mut().enumerate() {
            *out = (sum * scale) as f32;
            sum += at(x + radius + 1) - at(x.saturating_sub(radius));
        }
    }
}

fn box_columns(from: &[f32], to: &mut [f32], width: usize, height: usize, radius: usize) {
    let scale = 1.0 / (2 * radius + 1) as f64;
    let row = |y: usize| {
        let y = y.min(height - 1);
        &from[y * width..(y + 1) * width]
    };
    let mut sums: Vec<f64> = row(0)
        .iter()
        .map(|&v| f64::from(v) * (radius + 1) as f64)
        .collect();
    for y in 1..=radius {
        for (sum, &value) in sums.iter_mut().zip(row(y)) {
            *sum += f64::from(value);
        }
    }
    for (y, to) in to.chunks_exact_mut(width).enumerate() {
        let (enters, leaves) = (row(y + radius + 1), row(y.saturating_sub(radius)));
        for (((out, sum), &enters), &leaves) in to.iter_mut().zip(&mut sums).zip(enters).zip(leaves)
        {
            *out = (*sum * scale) as f32;
            *sum += f64::from(enters) - f64::from(leaves);
        }
    }
}

/// For every pixel dx² + (`y_scale` · dy)² to the nearest pixel of `set`, infinite where there is none
/// (Felzenszwalb and Huttenlocher, "Distance transforms of sampled functions", 2012).
pub(crate) fn squared_distance(set: &[bool], width: usize, y_scale: f32) -> Vec<f32> {
    let mut field: Vec<f32> = set
        .iter()
        .map(|&s| if s { 0.0 } else { f32::INFINITY })
        .collect();
    if width == 0 || field.is_empty() {
        return field;
    }
    let height = field.len() / width;
    // Down, then up: dy to the nearest set pixel of the same column.
    for y in 1..height {
        let (above, row) = field.split_at_mut(y * width);
        for (value, above) in row.iter_mut().zip(&above[(y - 1) * width..]) {
            *value = value.min(above + 1.0);
        }
    }
    for y in (1..height).rev() {
        let (row, below) = field.split_at_mut(y * width);
        for (value, below) in row[(y - 1) * width..].iter_mut().zip(below.iter()) {
            *value = value.min(below + 1.0);
        }
    }
    let mut parabolas: Vec<(usize, f64, f64)> = Vec::with_capacity(width);
    for row in field.chunks_exact_mut(width) {
        lower_envelope(row, y_scale, &mut parabolas, &mut |_, _| {});
    }
    field
}

/// For every pixel the index of the nearest pixel of `set`; `None` if there is none at all.
pub(crate) fn nearest(set: &[bool], width: usize) -> Option<Vec<usize>> {
    if !set.contains(&true) {
        return None;
    }
    let height = set.len() / width;
    // The nearest row of the same column: the last one above, unless the next below is nearer.
    let mut rows: Vec<usize> = vec![usize::MAX; set.len()];
    for x in 0..width {
        let mut above = None;
        for y in 0..height {
            above = if set[y * width + x] { Some(y) } else { above };
            rows[y * width + x] = above.unwrap_or(usize::MAX);
        }
        let mut below = None;
        for y in (0..height).rev() {
            below = if set[y * width + x] { Some(y) } else { below };
            let row = &mut rows[y * width + x];
            if let Some(below) = below
                && (*row == usize::MAX || below - y < y - *row)
            {
                *row = below;
            }
        }
    }
    let mut found = vec![0; set.len()];
    let mut parabolas: Vec<(usize, f64, f64)> = Vec::with_capacity(width);
    for y in 0..height {
        let rows = &rows[y * width..][..width];
        let distance = |&row: &usize| match row {
            usize::MAX => f32::INFINITY,
            row => row.abs_diff(y) as f32,
        };
        let mut distances: Vec<f32> = rows.iter().map(distance).collect();
        lower_envelope(&mut distances, 1.0, &mut parabolas, &mut |x, vertex| {
            found[y * width + x] = rows[vertex] * width + vertex;
        });
    }
    Some(found)
}

/// One row of the second pass; `lowest` is told for each pixel whose parabola is the lowest there. `parabolas` holds
/// (vertex, height, where it begins to be the lowest).
fn lower_envelope(
    row: &mut [f32],
    y_scale: f32,
    parabolas: &mut Vec<(usize, f64, f64)>,
    lowest: &mut dyn FnMut(usize, usize),
) {
    parabolas.clear();
    for (x, &dy) in row.iter().enumerate() {
        if dy.is_infinite() {
            continue;
        }
        let height = f64::from(dy * y_scale).powi(2);
        let mut begins = f64::NEG_INFINITY;
        while let Some(&(vertex, other, since)) = parabolas.last() {
            let (a, b) = (x as f64, vertex as f64);
            begins = (height + a * a - other - b * b) / (2.0 * (a - b));
            if begins > since {
                break;
            }
            parabolas.pop();
            begins = f64::NEG_INFINITY;
        }
        parabolas.push((x, height, begins));
    }
    let mut current = 0;
    for (x, value) in row.iter_mut().enumerate() {
        while parabolas
            .get(current + 1)
            .is_some_and(|next| next.2 <= x as f64)
        {
            current += 1;
        }
        if let Some(&(vertex, height, _)) = parabolas.get(current) {
            let dx = x as f64 - vertex as f64;
            *value = (dx * dx + height) as f32;
            lowest(x, vertex);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn constant_fields_stay() {
        for sigma in [0.5, 3.0, 6.0, 40.0] {
            let mut field = vec![1.0; 30 * 20];
            gaussian(&mut field, 30, 20, sigma);
            assert!(field.iter().all(|v| (v - 1.0).abs() < 1e-5), "σ {sigma}");
        }
    }

    #[test]
    fn blur_keeps_the_sum_and_has_the_variance() {
        for sigma in [1.5_f32, 5.0, 9.0] {
            let (width, height) = (121, 121);
            let mut field = vec![0.0; width * height];
            field[60 * width + 60] = 1.0;
            gaussian(&mut field, width, height, sigma);
            let sum: f32 = field.iter().sum();
            let variance: f32 = (0..width * height)
                .map(|i| field[i] * ((i % width) as f32 - 60.0).powi(2))
                .sum();
            assert!((sum - 1.0).abs() < 1e-4);
            assert!(
                (variance / (sigma * sigma) - 1.0).abs() < 0.08,
                "σ {sigma}: {variance}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_nearest_is_as_near_as_the_distance(
            set in prop::collection::vec(prop::bool::weighted(0.1), 9 * 7),
        ) {
            let distances = squared_distance(&set, 9, 1.0);
            match nearest(&set, 9) {
                None => prop_assert!(!set.contains(&true)),
                Some(found) => for (i, &j) in found.iter().enumerate() {
                    prop_assert!(set[j]);
                    let (dx, dy) = ((i % 9).abs_diff(j % 9), (i / 9).abs_diff(j / 9));
                    prop_assert_eq!((dx * dx + dy * dy) as f32, distances[i]);
                },
            }
        }

        #[test]
        fn distance_is_the_brute_force_distance(
            set in prop::collection::vec(prop::bool::weighted(0.1), 9 * 7),
            y_scale in prop::sample::select(vec![1.0_f32, 2.0]),
        ) {
            let found = squared_distance(&set, 9, y_scale);
            for (i, &value) in found.iter().enumerate() {
                let nearest = (0..set.len())
                    .filter(|&j| set[j])
                    .map(|j| {
                        let dx = (i % 9) as f32 - (j % 9) as f32;
                        let dy = ((i / 9) as f32 - (j / 9) as f32) * y_scale;
                        dx * dx + dy * dy
                    })
                    .fold(f32::INFINITY, f32::min);
                prop_assert_eq!(value, nearest);
            }
        }
    }
}
