// The checkerboard under transparent pictures. params.x: side of a square in target pixels.

@fragment
fn fs_main(in: Corner) -> @location(0) vec4<f32> {
    if clipped(in.position.xy) {
        discard;
    }
    // Anchored to the picture's corner, so that it moves along when panned.
    let cell = floor((in.position.xy - draw.map.yz) / draw.params.x);
    let odd = abs(cell.x + cell.y) % 2.0;
    return select(draw.first, draw.second, odd > 0.5);
}
