// The handle of the compare wipe: a double line and a grip in its middle.
// params.x: position in target pixels; params.y: line half-width; params.z: grip radius; first: colour; second: casing.

@fragment
fn fs_main(in: Corner) -> @location(0) vec4<f32> {
    let d = abs(in.position.x - draw.params.x);
    let middle = draw.pane.y + draw.pane.w * 0.5;
    let grip = length(vec2<f32>(d, in.position.y - middle)) - draw.params.z;
    let line = d - draw.params.y;
    let distance = min(line, grip);
    let one = draw.map.w;
    let core = clamp(0.5 - distance / one, 0.0, 1.0);
    let casing = clamp(0.5 - (distance - 1.5 * one) / one, 0.0, 1.0);
    let colour = mix(draw.second * casing, draw.first, core);
    if colour.a < 0.004 {
        discard;
    }
    return colour;
}
