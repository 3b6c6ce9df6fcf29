//! Shaders, bind group layouts, samplers and pipelines.

use eframe::wgpu;

const COMMON: &str = include_str!("../../shaders/common.wgsl");

/// Every shader as it is compiled, with its file's name; the shaders of panes begin with `common.wgsl`.
pub const SHADERS: [(&str, &str); 7] = [
    (
        "checker.wgsl",
        concat!(
            include_str!("../../shaders/common.wgsl"),
            include_str!("../../shaders/checker.wgsl")
        ),
    ),
    (
        "picture.wgsl",
        concat!(
            include_str!("../../shaders/common.wgsl"),
            include_str!("../../shaders/picture.wgsl")
        ),
    ),
    (
        "preview.wgsl",
        concat!(
            include_str!("../../shaders/common.wgsl"),
            include_str!("../../shaders/preview.wgsl")
        ),
    ),
    (
        "overlay.wgsl",
        concat!(
            include_str!("../../shaders/common.wgsl"),
            include_str!("../../shaders/overlay.wgsl")
        ),
    ),
    (
        "wipe.wgsl",
        concat!(
            include_str!("../../shaders/common.wgsl"),
            include_str!("../../shaders/wipe.wgsl")
        ),
    ),
    (
        "latent_rgb.wgsl",
        include_str!("../../shaders/latent_rgb.wgsl"),
    ),
    (
        "difference.wgsl",
        concat!(
            include_str!("../../shaders/common.wgsl"),
            include_str!("../../shaders/difference.wgsl")
        ),
    ),
];

/// What a draw of a pane needs; equals `Draw` in `common.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub struct DrawUniform {
    pub pane: [f32; 4],
    pub quad: [f32; 4],
    pub uv: [f32; 4],
    pub map: [f32; 4],
    pub clip: [f32; 4],
    pub first: [f32; 4],
    pub second: [f32; 4],
    pub params: [f32; 4],
}

/// Bytes between two [`DrawUniform`]s: the largest alignment that any device asks for.
pub const DRAW_STRIDE: u64 = 256;

/// What is drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Checker,
    Picture,
    Preview,
    Overlay,
    Wipe,
    Difference,
}

/// Everything that is built once.
pub struct Pipelines {
    pub draw_layout: wgpu::BindGroupLayout,
    pub picture_layout: wgpu::BindGroupLayout,
    pub preview_layout: wgpu::BindGroupLayout,
    pub overlay_layout: wgpu::BindGroupLayout,
    pub latent_layout: wgpu::BindGroupLayout,
    pub linear: wgpu::Sampler,
    pub nearest: wgpu::Sampler,
    pub latent: wgpu::RenderPipeline,
    checker: wgpu::RenderPipeline,
    picture: wgpu::RenderPipeline,
    preview: wgpu::RenderPipeline,
    overlay: wgpu::RenderPipeline,
    wipe: wgpu::RenderPipeline,
    difference: wgpu::RenderPipeline,
}

fn texture_entry(binding: u32, filterable: bool) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::FRAGMENT,
        ty: wgpu::BindingType::Texture {
            sample_type: wgpu::TextureSampleType::Float { filterable },
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        },
        count: None,
    }
}

fn sampler_entry(binding: u32) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::FRAGMENT,
        ty: wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering),
        count: None,
    }
}

fn uniform_entry(dynamic: bool, stages: wgpu::ShaderStages) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding: 0,
        visibility: stages,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Uniform,
            has_dynamic_offset: dynamic,
            min_binding_size: None,
        },
        count: None,
    }
}

impl Pipelines {
    pub fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        let layout = |label, entries: &[wgpu::BindGroupLayoutEntry]| {
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(label),
                entries,
            })
        };
        let draw_layout = layout(
            "inlay draw",
            &[uniform_entry(true, wgpu::ShaderStages::VERTEX_FRAGMENT)],
        );
        let picture_layout = layout("inlay picture", &[texture_entry(0, true), sampler_entry(1)]);
        let preview_layout = layout(
            "inlay preview",
            &[
                texture_entry(0, true),
                texture_entry(1, true),
                sampler_entry(2),
            ],
        );
        let overlay_layout = layout(
            "inlay overlay",
            &[
                texture_entry(0, true),
                sampler_entry(1),
                texture_entry(2, true),
            ],
        );
        let latent_layout = layout(
            "inlay latent",
            &[
                uniform_entry(false, wgpu::ShaderStages::FRAGMENT),
                texture_entry(1, false),
            ],
        );
        let sampler = |label, filter, mipmap_filter| {
            device.create_sampler(&wgpu::SamplerDescriptor {
                label: Some(label),
                mag_filter: filter,
                min_filter: filter,
                mipmap_filter,
                ..Default::default()
            })
        };
        let pane = |index: usize, group: Option<&wgpu::BindGroupLayout>| {
            let mut groups = vec![Some(&draw_layout)];
            groups.extend(group.map(Some));
            pipeline(device, index, &groups, target, Some(PREMULTIPLIED))
        };
        let (checker, picture) = (pane(0, None), pane(1, Some(&picture_layout)));
        let (preview, overlay) = (
            pane(2, Some(&preview_layout)),
            pane(3, Some(&overlay_layout)),
        );
        let wipe = pane(4, None);
        // Two textures and a sampler, as previews have them.
        let difference = pane(6, Some(&preview_layout));
        let latent = pipeline(
            device,
            5,
            &[Some(&latent_layout)],
            wgpu::TextureFormat::Rgba8Unorm,
            None,
        );
        Self {
            linear: sampler(
                "inlay linear",
                wgpu::FilterMode::Linear,
                wgpu::MipmapFilterMode::Linear,
            ),
            nearest: sampler(
                "inlay nearest",
                wgpu::FilterMode::Nearest,
                wgpu::MipmapFilterMode::Nearest,
            ),
            draw_layout,
            picture_layout,
            preview_layout,
            overlay_layout,
            latent_layout,
            latent,
            checker,
            picture,
            preview,
            overlay,
            wipe,
            difference,
        }
    }

    pub fn of(&self, kind: Kind) -> &wgpu::RenderPipeline {
        match kind {
            Kind::Checker => &self.checker,
            Kind::Picture => &self.picture,
            Kind::Preview => &self.preview,
            Kind::Overlay => &self.overlay,
            Kind::Wipe => &self.wipe,
            Kind::Difference => &self.difference,
        }
    }
}

/// egui's own blending.
const PREMULTIPLIED: wgpu::BlendState = wgpu::BlendState {
    color: wgpu::BlendComponent {
        src_factor: wgpu::BlendFactor::One,
        dst_factor: wgpu::BlendFactor::OneMinusSrcAlpha,
        operation: wgpu::BlendOperation::Add,
    },
    alpha: wgpu::BlendComponent {
        src_factor: wgpu::BlendFactor::OneMinusDstAlpha,
        dst_factor: wgpu::BlendFactor::One,
        operation: wgpu::BlendOperation::Add,
    },
};

fn pipeline(
    device: &wgpu::Device,
    index: usize,
    groups: &[Option<&wgpu::BindGroupLayout>],
    target: wgpu::TextureFormat,
    blend: Option<wgpu::BlendState>,
) -> wgpu::RenderPipeline {
    let (name, source) = SHADERS[index];
    debug_assert!(source.starts_with(COMMON) || name == "latent_rgb.wgsl");
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(name),
        source: wgpu::ShaderSource::Wgsl(source.into()),
    });
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(name),
        bind_group_layouts: groups,
        immediate_size: 0,
    });
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some(name),
        layout: Some(&layout),
        vertex: wgpu::VertexState {
            module: &module,
            entry_point: Some("vs_main"),
            buffers: &[],
            compilation_options: wgpu::PipelineCompilationOptions::default(),
        },
        primitive: wgpu::PrimitiveState::default(),
        depth_stencil: None,
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module: &module,
            entry_point: Some("fs_main"),
            targets: &[Some(wgpu::ColorTargetState {
                format: target,
                blend,
                write_mask: wgpu::ColorWrites::ALL,
            })],
            compilation_options: wgpu::PipelineCompilationOptions::default(),
        }),
        multiview_mask: None,
        cache: None,
    })
}
