// What every shader of a pane shares: one rectangle of the picture, drawn into one pane of the window.
// Colours are sRGB-encoded and premultiplied throughout, as egui's target is.

struct Draw {
    // The pane in target pixels: left, top, width, height.
    pane: vec4<f32>,
    // The rectangle in picture pixels: left, top, right, bottom.
    quad: vec4<f32>,
    // The rectangle's texture coordinates: left, top, right, bottom.
    uv: vec4<f32>,
    // Picture to target: target = picture * map.x + map.yz; map.w: target pixels per point.
    map: vec4<f32>,
    // Only target pixels inside are drawn: left, top, right, bottom.
    clip: vec4<f32>,
    // Meaning depends on the shader.
    first: vec4<f32>,
    second: vec4<f32>,
    params: vec4<f32>,
}

@group(0) @binding(0) var<uniform> draw: Draw;

struct Corner {
    @builtin(position) position: vec4<f32>,
    @location(0) uv: vec2<f32>,
    // Position in picture pixels.
    @location(1) at: vec2<f32>,
}

@vertex
fn vs_main(@builtin(vertex_index) index: u32) -> Corner {
    // Two triangles: 0 1 2, 2 1 3.
    var corners = array<u32, 6>(0u, 1u, 2u, 2u, 1u, 3u);
    let corner = corners[index];
    let share = vec2<f32>(f32(corner & 1u), f32(corner >> 1u));
    let at = mix(draw.quad.xy, draw.quad.zw, share);
    let target_px = at * draw.map.x + draw.map.yz;
    let ndc = (target_px - draw.pane.xy) / draw.pane.zw * 2.0 - 1.0;
    var out: Corner;
    out.position = vec4<f32>(ndc.x, -ndc.y, 0.0, 1.0);
    out.uv = mix(draw.uv.xy, draw.uv.zw, share);
    out.at = at;
    return out;
}

fn clipped(position: vec2<f32>) -> bool {
    return position.x < draw.clip.x || position.y < draw.clip.y
        || position.x >= draw.clip.z || position.y >= draw.clip.w;
}

// Lightness as the eye sees it, near enough in encoded values (Rec. 709 luma).
fn luma(colour: vec3<f32>) -> f32 {
    return dot(colour, vec3<f32>(0.2126, 0.7152, 0.0722));
}
