// Where two pictures differ: the distance of each channel, enlarged, on black. Transparency counts in all of them.
// params.x: how much it is enlarged.

@group(1) @binding(0) var before: texture_2d<f32>;
@group(1) @binding(1) var after: texture_2d<f32>;
@group(1) @binding(2) var tile_sampler: sampler;

@fragment
fn fs_main(in: Corner) -> @location(0) vec4<f32> {
    let apart = abs(textureSample(after, tile_sampler, in.uv) - textureSample(before, tile_sampler, in.uv));
    if clipped(in.position.xy) {
        discard;
    }
    let shown = (apart.rgb + vec3<f32>(apart.a)) * draw.params.x;
    return vec4<f32>(min(shown, vec3<f32>(1.0)), 1.0);
}
