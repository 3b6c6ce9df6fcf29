//! Masks on the GPU: one channel, at most 4096 texels a side (larger masks at half or quarter size), updated
//! where they changed.

use std::collections::HashMap;

use eframe::wgpu;

use super::pictures::write;
use super::pipelines::Pipelines;
use super::stage::MaskPixels;
use crate::doc::Plane;

/// The longest side of a mask's texture.
const SIDE: u32 = 4096;
/// Masks that are kept at most.
const KEPT: usize = 16;

/// A mask's texture.
pub struct MaskTexture {
    texture: wgpu::Texture,
    view: wgpu::TextureView,
    /// Mask pixels per texel along a side.
    step: u32,
    size: [u32; 2],
    shown: Option<MaskPixels>,
    /// What `group` binds as the picture beneath.
    beneath: Option<usize>,
    group: Option<wgpu::BindGroup>,
    used: u64,
}

/// All masks' textures by a name that the window chooses.
#[derive(Default)]
pub struct Masks {
    textures: HashMap<u64, MaskTexture>,
}

impl Masks {
    /// Makes the mask's texture show `pixels`, bound together with the small picture beneath it.
    #[expect(clippy::too_many_arguments, reason = "the device and its parts")]
    pub fn ensure(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        pipelines: &Pipelines,
        key: u64,
        pixels: &MaskPixels,
        beneath: (usize, &wgpu::TextureView),
        frame: u64,
    ) {
        let size = pixels.size();
        let stale = self.textures.get(&key).is_none_or(|t| t.size != size);
        if stale {
            self.textures.insert(key, MaskTexture::new(device, size));
        }
        let Some(entry) = self.textures.get_mut(&key) else {
            return;
        };
        entry.used = frame;
        entry.update(queue, pixels);
        if entry.beneath != Some(beneath.0) || entry.group.is_none() {
            entry.beneath = Some(beneath.0);
            entry.group = Some(device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("inlay mask"),
                layout: &pipelines.overlay_layout,
                entries: &[
                    wgpu::BindGroupEntry {
                        binding: 0,
                        resource: wgpu::BindingResource::TextureView(&entry.view),
                    },
                    wgpu::BindGroupEntry {
                        binding: 1,
                        resource: wgpu::BindingResource::Sampler(&pipelines.linear),
                    },
                    wgpu::BindGroupEntry {
                        binding: 2,
                        resource: wgpu::BindingResource::TextureView(beneath.1),
                    },
                ],
            }));
        }
    }

    /// What draws the mask, and its texture's size.
    pub fn get(&self, key: u64) -> Option<&wgpu::BindGroup> {
        self.textures.get(&key)?.group.as_ref()
    }

    /// Drops masks that have not been drawn for long.
    pub fn evict(&mut self) {
        while self.textures.len() > KEPT {
            let oldest = self.textures.iter().min_by_key(|(_, entry)| entry.used);
            let Some((&key, _)) = oldest else { break };
            self.textures.remove(&key);
        }
    }
}

impl MaskTexture {
    fn new(device: &wgpu::Device, size: [u32; 2]) -> Self {
        let step = size[0].max(size[1]).div_ceil(SIDE).next_power_of_two();
        let texture = create(device, size[0].div_ceil(step), size[1].div_ceil(step));
        Self {
            view: texture.create_view(&wgpu::TextureViewDescriptor::default()),
            texture,
            step,
            size,
            shown: None,
            beneath: None,
            group: None,
            used: 0,
        }
    }

    fn update(&mut self, queue: &wgpu::Queue, pixels: &MaskPixels) {
        for rect in pixels.changed_since(self.shown.as_ref()) {
            self.upload(queue, pixels, rect);
        }
        self.shown = Some(pixels.clone());
    }

    /// Uploads the texels of a rectangle of mask pixels (left, top, right, bottom).
    fn upload(&self, queue: &wgpu::Queue, pixels: &MaskPixels, rect: [u32; 4]) {
        let step = self.step;
        let (x0, y0) = (rect[0] / step, rect[1] / step);
        let (x1, y1) = (rect[2].div_ceil(step), rect[3].div_ceil(step));
        if x1 <= x0 || y1 <= y0 {
            return;
        }
        let (w, h) = (x1 - x0, y1 - y0);
        let mut bytes = Vec::with_capacity(w as usize * h as usize);
        for y in y0..y1 {
            for x in x0..x1 {
                bytes.push(pixels.get(x * step, y * step));
            }
        }
        write(queue, &self.texture, 0, [x0, y0], &bytes, w, h, 1);
    }
}

fn create(device: &wgpu::Device, width: u32, height: u32) -> wgpu::Texture {
    device.create_texture(&wgpu::TextureDescriptor {
        label: Some("inlay mask"),
        size: wgpu::Extent3d {
            width,
            height,
            depth_or_array_layers: 1,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::R8Unorm,
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    })
}

/// A texture that shows a whole plane, at most [`SIDE`] texels a side.
pub fn plane_texture(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    plane: &Plane,
) -> wgpu::TextureView {
    let step = plane.width().max(plane.height()).div_ceil(SIDE).max(1);
    let (width, height) = (plane.width().div_ceil(step), plane.height().div_ceil(step));
    let texture = create(device, width, height);
    if step == 1 {
        write(queue, &texture, 0, [0, 0], plane.values(), width, height, 1);
    } else {
        let stride = plane.width() as usize;
        let bytes: Vec<u8> = (0..height as usize)
            .flat_map(|y| {
                (0..width as usize)
                    .map(move |x| plane.values()[y * step as usize * stride + x * step as usize])
            })
            .collect();
        write(queue, &texture, 0, [0, 0], &bytes, width, height, 1);
    }
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}
