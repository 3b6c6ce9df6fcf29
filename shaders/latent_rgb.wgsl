// Latent to RGB: rgb = M · [z; 1], one matrix for every cell.
// The latent is a texture of width w and height h · channels, channel after channel.

struct Matrix {
    // x: channels, y: rows of a channel.
    shape: vec4<u32>,
    columns: array<vec4<f32>, 128>,
}

@group(0) @binding(0) var<uniform> matrix: Matrix;
@group(0) @binding(1) var latent: texture_2d<f32>;

@vertex
fn vs_main(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    // One triangle that covers the target.
    let corner = vec2<f32>(f32((index << 1u) & 2u), f32(index & 2u));
    return vec4<f32>(corner * 2.0 - 1.0, 0.0, 1.0);
}

@fragment
fn fs_main(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let cell = vec2<i32>(position.xy);
    let channels = i32(matrix.shape.x);
    let rows = i32(matrix.shape.y);
    var rgb = matrix.columns[channels].rgb;
    for (var c = 0; c < channels; c += 1) {
        let z = textureLoad(latent, vec2<i32>(cell.x, cell.y + c * rows), 0).r;
        rgb += matrix.columns[c].rgb * z;
    }
    return vec4<f32>(clamp(rgb, vec3<f32>(0.0), vec3<f32>(1.0)), 1.0);
}
