// One tile of a picture; drawn twice with different clips it makes the compare wipe.
// The texture holds premultiplied colours; params.x: opacity.

@group(1) @binding(0) var tile: texture_2d<f32>;
@group(1) @binding(1) var tile_sampler: sampler;

@fragment
fn fs_main(in: Corner) -> @location(0) vec4<f32> {
    let colour = textureSample(tile, tile_sampler, in.uv);
    if clipped(in.position.xy) {
        discard;
    }
    return colour * draw.params.x;
}
