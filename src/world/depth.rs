//! Depth and edges as pictures.

use super::colour::linear_table;
use super::vector::luminance;

/// Depth as a picture: near is bright. Inverse depth, linear from 0 at what is farthest (or infinitely far) to 255 at
/// what is nearest.
pub fn nearness(depth: &[f32]) -> Vec<u8> {
    let inverse = |d: f32| {
        if d.is_finite() {
            1.0 / d.max(1e-3)
        } else {
            0.0
        }
    };
    let (mut low, mut high) = (f32::MAX, 0.0f32);
    for &d in depth {
        low = low.min(inverse(d));
        high = high.max(inverse(d));
    }
    let span = (high - low).max(1e-6);
    depth
        .iter()
        .map(|&d| ((inverse(d) - low) / span * 255.0 + 0.5) as u8)
        .collect()
}

/// Edges of a picture of `size` pixels on each side, bright on dark: the Sobel gradient of its lightness, thinned to
/// ridges, kept where it is strong or touches what is (Canny).
pub fn edges(rgb: &[[u8; 3]], size: usize) -> Vec<u8> {
    let light: Vec<f32> = rgb
        .iter()
        .map(|p| luminance(p.map(|v| linear_table()[v as usize])).sqrt())
        .collect();
    let clamp = |v: i64| v.clamp(0, size as i64 - 1) as usize;
    // A small blur first: grain is no edge.
    let soft: Vec<f32> = (0..size * size)
        .map(|i| {
            let (x, y) = ((i % size) as i64, (i / size) as i64);
            let mut sum = 0.0;
            for (dy, wy) in [(-1, 1.0), (0, 2.0), (1, 1.0)] {
                for (dx, wx) in [(-1, 1.0), (0, 2.0), (1, 1.0)] {
                    sum += wx * wy * light[clamp(y + dy) * size + clamp(x + dx)];
                }
            }
            sum / 16.0
        })
        .collect();
    let at = |x: i64, y: i64| soft[clamp(y) * size + clamp(x)];
    let mut strength = vec![0.0f32; size * size];
    let mut across = vec![(0i64, 0i64); size * size];
    for i in 0..size * size {
        let (x, y) = ((i % size) as i64, (i / size) as i64);
        let gx = at(x + 1, y - 1) + 2.0 * at(x + 1, y) + at(x + 1, y + 1)
            - at(x - 1, y - 1)
            - 2.0 * at(x - 1, y)
            - at(x - 1, y + 1);
        let gy = at(x - 1, y + 1) + 2.0 * at(x, y + 1) + at(x + 1, y + 1)
            - at(x - 1, y - 1)
            - 2.0 * at(x, y - 1)
            - at(x + 1, y - 1);
        strength[i] = gx.hypot(gy);
        across[i] = match gy.atan2(gx).rem_euclid(std::f32::consts::PI) {
            a if !(0.393..2.749).contains(&a) => (1, 0),
            a if a < 1.178 => (1, 1),
            a if a < 1.963 => (0, 1),
            _ => (-1, 1),
        };
    }
    let ridge = |i: usize| {
        let (x, y) = ((i % size) as i64, (i / size) as i64);
        let (dx, dy) = across[i];
        let beside = |s: i64| strength[clamp(y + s * dy) * size + clamp(x + s * dx)];
        strength[i] >= beside(1) && strength[i] > beside(-1)
    };
    let (weak, strong) = (0.09, 0.22);
    let mut edges = vec![0u8; size * size];
    let mut open: Vec<usize> = (0..size * size)
        .filter(|&i| strength[i] > strong && ridge(i))
        .collect();
    while let Some(i) = open.pop() {
        if edges[i] == 255 {
            continue;
        }
        edges[i] = 255;
        let (x, y) = ((i % size) as i64, (i / size) as i64);
        for dy in -1..=1 {
            for dx in -1..=1 {
                let j = clamp(y + dy) * size + clamp(x + dx);
                if edges[j] == 0 && strength[j] > weak && ridge(j) {
                    open.push(j);
                }
            }
        }
    }
    edges
}
