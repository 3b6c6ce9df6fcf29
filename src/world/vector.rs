//! Three-dimensional vectors as arrays; y is up.

/// A point, direction or linear RGB colour.
pub type V3 = [f32; 3];

/// a + b
pub fn add(a: V3, b: V3) -> V3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// a − b
pub fn sub(a: V3, b: V3) -> V3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// a · s
pub fn scale(a: V3, s: f32) -> V3 {
    [a[0] * s, a[1] * s, a[2] * s]
}

/// Component-wise product.
pub fn times(a: V3, b: V3) -> V3 {
    [a[0] * b[0], a[1] * b[1], a[2] * b[2]]
}

/// The inner product.
pub fn dot(a: V3, b: V3) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The cross product.
pub fn cross(a: V3, b: V3) -> V3 {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// The Euclidean length.
pub fn length(a: V3) -> f32 {
    dot(a, a).sqrt()
}

/// `a` at length 1; straight up for a vector of no length.
pub fn unit(a: V3) -> V3 {
    let l = length(a);
    if l > 1e-12 {
        scale(a, 1.0 / l)
    } else {
        [0.0, 1.0, 0.0]
    }
}

/// a + (b − a)·t
pub fn mix(a: V3, b: V3, t: f32) -> V3 {
    add(a, scale(sub(b, a), t))
}

/// `a` turned by `angle` radians about the y axis (z towards x).
pub fn turn(a: V3, angle: f32) -> V3 {
    let (s, c) = angle.sin_cos();
    [c * a[0] + s * a[2], a[1], c * a[2] - s * a[0]]
}

/// Relative luminance of a linear colour (Rec. 709).
pub fn luminance(c: V3) -> f32 {
    0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]
}
