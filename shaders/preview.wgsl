// A running output in place: the small RGB estimate, scaled up with a bicubic kernel (Catmull-Rom) and laid
// over the canvas through the soft mask the result will be joined with.
// params.x: 1 if there is a mask; params.y: opacity.

@group(1) @binding(0) var estimate: texture_2d<f32>;
@group(1) @binding(1) var alpha: texture_2d<f32>;
@group(1) @binding(2) var alpha_sampler: sampler;

fn weights(f: f32) -> vec4<f32> {
    let f2 = f * f;
    let f3 = f2 * f;
    return vec4<f32>(
        -0.5 * f3 + f2 - 0.5 * f,
        1.5 * f3 - 2.5 * f2 + 1.0,
        -1.5 * f3 + 2.0 * f2 + 0.5 * f,
        0.5 * f3 - 0.5 * f2,
    );
}

@fragment
fn fs_main(in: Corner) -> @location(0) vec4<f32> {
    let size = vec2<i32>(textureDimensions(estimate));
    let at = in.uv * vec2<f32>(size) - 0.5;
    let base = floor(at);
    let wx = weights(at.x - base.x);
    let wy = weights(at.y - base.y);
    var rgb = vec3<f32>(0.0);
    for (var j = 0; j < 4; j += 1) {
        for (var i = 0; i < 4; i += 1) {
            let cell = clamp(vec2<i32>(base) + vec2<i32>(i - 1, j - 1), vec2<i32>(0), size - 1);
            rgb += textureLoad(estimate, cell, 0).rgb * wx[i] * wy[j];
        }
    }
    rgb = clamp(rgb, vec3<f32>(0.0), vec3<f32>(1.0));
    let soft = textureSample(alpha, alpha_sampler, in.uv).r;
    if clipped(in.position.xy) {
        discard;
    }
    let opacity = mix(1.0, soft, draw.params.x) * draw.params.y;
    return vec4<f32>(rgb * opacity, opacity);
}
