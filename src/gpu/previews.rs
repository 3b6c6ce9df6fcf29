//! Running outputs on the GPU: latents in, a small RGB picture out, redone only for new estimates.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use eframe::wgpu;

use super::masks;
use super::pictures::write;
use super::pipelines::Pipelines;
use super::stage::LatentPreview;
use crate::doc::Plane;

/// Matrix columns that the shader has room for; a latent has at most one channel less.
const COLUMNS: usize = 128;
/// Previews that are kept at most.
const KEPT: usize = 32;

struct Entry {
    generation: u64,
    shape: [usize; 3],
    latent: wgpu::Texture,
    matrix: wgpu::Buffer,
    into_rgb: wgpu::BindGroup,
    rgb: wgpu::TextureView,
    /// The soft mask that `draw` is bound to.
    alpha: Option<Weak<Plane>>,
    draw: wgpu::BindGroup,
    used: u64,
}

/// All running outputs.
#[derive(Default)]
pub struct Previews {
    entries: HashMap<u64, Entry>,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct MatrixUniform {
    shape: [u32; 4],
    columns: [[f32; 4]; COLUMNS],
}

/// Whether the latent can be shown: the right number of values, room for its matrix, a texture of legal size.
fn showable(preview: &LatentPreview) -> bool {
    let [channels, rows, columns] = preview.shape;
    let values = channels
        .checked_mul(rows)
        .and_then(|n| n.checked_mul(columns));
    channels > 0
        && channels < COLUMNS
        && preview.matrix.len() == channels + 1
        && (1..=8192).contains(&columns)
        && (1..=8192).contains(&(rows * channels))
        && values == Some(preview.latents.len())
}

impl Previews {
    /// Uploads and converts the estimate if it is new. Does nothing for latents that cannot be shown.
    pub fn ensure(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        encoder: &mut wgpu::CommandEncoder,
        pipelines: &Pipelines,
        preview: &LatentPreview,
        frame: u64,
    ) {
        if !showable(preview) {
            self.entries.remove(&preview.key);
            return;
        }
        let stale = self
            .entries
            .get(&preview.key)
            .is_none_or(|entry| entry.shape != preview.shape);
        if stale {
            self.entries
                .insert(preview.key, create(device, queue, pipelines, preview));
        }
        let Some(entry) = self.entries.get_mut(&preview.key) else {
            return;
        };
        entry.used = frame;
        if !same(&entry.alpha, &preview.alpha) {
            entry.draw = draw_group(device, queue, pipelines, &entry.rgb, preview);
            entry.alpha = preview.alpha.as_ref().map(Arc::downgrade);
        }
        if entry.generation != preview.generation {
            entry.generation = preview.generation;
            entry.fill(queue, encoder, pipelines, preview);
        }
    }

    /// What draws the estimate, if it can be shown.
    pub fn get(&self, key: u64) -> Option<&wgpu::BindGroup> {
        self.entries.get(&key).map(|entry| &entry.draw)
    }

    /// Drops the estimates of outputs that have not been drawn for long.
    pub fn evict(&mut self) {
        while self.entries.len() > KEPT {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
            let Some((&key, _)) = oldest else { break };
            self.entries.remove(&key);
        }
    }
}

fn same(kept: &Option<Weak<Plane>>, new: &Option<Arc<Plane>>) -> bool {
    match (kept, new) {
        (None, None) => true,
        (Some(kept), Some(new)) => std::ptr::eq(kept.as_ptr(), Arc::as_ptr(new)),
        _ => false,
    }
}

fn create(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    pipelines: &Pipelines,
    preview: &LatentPreview,
) -> Entry {
    let [channels, rows, columns] = preview.shape;
    let texture = |label, width: usize, height: usize, format, usage| {
        device.create_texture(&wgpu::TextureDescriptor {
            label: Some(label),
            size: wgpu::Extent3d {
                width: width as u32,
                height: height as u32,
                depth_or_array_layers: 1,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage: usage | wgpu::TextureUsages::TEXTURE_BINDING,
            view_formats: &[],
        })
    };
    let latent = texture(
        "inlay latent",
        columns,
        rows * channels,
        wgpu::TextureFormat::R32Float,
        wgpu::TextureUsages::COPY_DST,
    );
    let rgb = texture(
        "inlay estimate",
        columns,
        rows,
        wgpu::TextureFormat::Rgba8Unorm,
        wgpu::TextureUsages::RENDER_ATTACHMENT,
    )
    .create_view(&wgpu::TextureViewDescriptor::default());
    let matrix = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("inlay latent matrix"),
        size: size_of::<MatrixUniform>() as u64,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let into_rgb = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("inlay latent"),
        layout: &pipelines.latent_layout,
        entries: &[
            wgpu::BindGroupEntry {
                binding: 0,
                resource: matrix.as_entire_binding(),
            },
            wgpu::BindGroupEntry {
                binding: 1,
                resource: wgpu::BindingResource::TextureView(
                    &latent.create_view(&wgpu::TextureViewDescriptor::default()),
                ),
            },
        ],
    });
    Entry {
        // Differs from the preview's, so that it is filled at once.
        generation: preview.generation.wrapping_sub(1),
        shape: preview.shape,
        draw: draw_group(device, queue, pipelines, &rgb, preview),
        alpha: preview.alpha.as_ref().map(Arc::downgrade),
        latent,
        matrix,
        into_rgb,
        rgb,
        used: 0,
    }
}

fn draw_group(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    pipelines: &Pipelines,
    rgb: &wgpu::TextureView,
    preview: &LatentPreview,
) -> wgpu::BindGroup {
    let one = Plane::filled(1, 1, 255);
    let alpha = preview.alpha.as_deref().unwrap_or(&one);
    device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("inlay preview"),
        layout: &pipelines.preview_layout,
        entries: &[
            wgpu::BindGroupEntry {
                binding: 0,
                resource: wgpu::BindingResource::TextureView(rgb),
            },
            wgpu::BindGroupEntry {
                binding: 1,
                resource: wgpu::BindingResource::TextureView(&masks::plane_texture(
                    device, queue, alpha,
                )),
            },
            wgpu::BindGroupEntry {
                binding: 2,
                resource: wgpu::BindingResource::Sampler(&pipelines.linear),
            },
        ],
    })
}

impl Entry {
    fn fill(
        &self,
        queue: &wgpu::Queue,
        encoder: &mut wgpu::CommandEncoder,
        pipelines: &Pipelines,
        preview: &LatentPreview,
    ) {
        let [channels, rows, columns] = preview.shape;
        let mut uniform = MatrixUniform {
            shape: [channels as u32, rows as u32, 0, 0],
            columns: [[0.0; 4]; COLUMNS],
        };
        for (column, [r, g, b]) in uniform.columns.iter_mut().zip(preview.matrix.iter()) {
            *column = [*r, *g, *b, 0.0];
        }
        queue.write_buffer(&self.matrix, 0, bytemuck::bytes_of(&uniform));
        write(
            queue,
            &self.latent,
            0,
            [0, 0],
            bytemuck::cast_slice(&preview.latents),
            columns as u32,
            (rows * channels) as u32,
            4,
        );
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("inlay latent to RGB"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &self.rgb,
                resolve_target: None,
                ops: wgpu::Operations {
                    load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                    store: wgpu::StoreOp::Store,
                },
                depth_slice: None,
            })],
            depth_stencil_attachment: None,
            timestamp_writes: None,
            occlusion_query_set: None,
            multiview_mask: None,
        });
        pass.set_pipeline(&pipelines.latent);
        pass.set_bind_group(0, &self.into_rgb, &[]);
        pass.draw(0..3, 0..1);
    }
}
