// A mask over the picture: a tint inside and a double line around it, one dark and one light, the brighter
// one on whichever side shows better against what lies beneath. The same shader draws the dashed edge of the
// region that the model may change.
// first: tint, straight alpha. second.xy: texture size of the mask. second.zw: the picture's size in pixels.
// params.x: 1 dashed edge, 0 solid. params.y: line width in target pixels. params.z: 1 if `beneath` is bound.

@group(1) @binding(0) var mask: texture_2d<f32>;
@group(1) @binding(1) var mask_sampler: sampler;
@group(1) @binding(2) var beneath: texture_2d<f32>;

fn inside(uv: vec2<f32>) -> f32 {
    // Outside the picture nothing is selected; the line then also runs along the picture's own edge.
    let within = all(uv >= vec2<f32>(0.0)) && all(uv <= vec2<f32>(1.0));
    return select(0.0, textureSampleLevel(mask, mask_sampler, uv, 0.0).r, within);
}

// How many of eight points around `uv` at `radius` (in texture coordinates) are selected.
fn ring(uv: vec2<f32>, radius: vec2<f32>) -> f32 {
    var sum = 0.0;
    for (var i = 0; i < 8; i += 1) {
        let angle = f32(i) * 0.78539816;
        let offset = vec2<f32>(cos(angle), sin(angle)) * radius;
        sum += step(0.5, inside(uv + offset));
    }
    return sum;
}

@fragment
fn fs_main(in: Corner) -> @location(0) vec4<f32> {
    if clipped(in.position.xy) {
        discard;
    }
    let here = inside(in.uv);
    let selected = here >= 0.5;
    // One target pixel in texture coordinates.
    let px = vec2<f32>(1.0) / (draw.map.x * draw.second.zw);
    let width = draw.params.y;
    let near = ring(in.uv, px * width);
    let far = ring(in.uv, px * width * 2.2);
    let on_edge = (near > 0.0 && !selected) || (near < 8.0 && selected);
    let by_edge = (far > 0.0 && !selected) || (far < 8.0 && selected);

    let under = textureSampleLevel(beneath, mask_sampler, clamp(in.uv, vec2<f32>(0.0), vec2<f32>(1.0)), 0.0).rgb;
    let light = luma(under);

    if on_edge || by_edge {
        let bright = vec4<f32>(1.0, 1.0, 1.0, 1.0);
        let dark = vec4<f32>(0.04, 0.04, 0.05, 1.0);
        // The line itself contrasts with the picture, its companion with the line.
        let core = select(bright, dark, light > 0.6);
        let casing = select(dark, bright, light > 0.6);
        if draw.params.x > 0.5 {
            let phase = (in.position.x + in.position.y) / (draw.map.w * 4.0);
            let dash = (phase - 2.0 * floor(phase / 2.0)) < 1.0;
            if on_edge {
                return select(casing * 0.55, core, dash);
            }
            return select(vec4<f32>(0.0), casing * 0.35, dash);
        }
        if on_edge {
            return core;
        }
        return casing * 0.75;
    }

    // The tint moves away from colours it would vanish on.
    var tint = draw.first.rgb;
    let apart = luma(tint) - light;
    // Gradually, or every edge of the picture would show as an edge of the mask.
    let near_it = 1.0 - smoothstep(0.08, 0.30, abs(apart));
    let goal = vec3<f32>(1.0 - smoothstep(0.35, 0.65, light));
    tint = mix(tint, goal, 0.45 * near_it);
    let opacity = draw.first.a * here;
    return vec4<f32>(tint * opacity, opacity);
}
