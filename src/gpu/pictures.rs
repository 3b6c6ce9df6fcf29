//! Pictures on the GPU: tiles with mip levels, and a small copy for overlays that adapt to what lies beneath.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use eframe::wgpu;

use super::pipelines::Pipelines;
use crate::doc::Picture;

/// The longest side of a tile's texture. eframe asks devices for 8192; half of that keeps single uploads short.
const TILE: u32 = 4096;
/// Pixels that a tile's texture repeats from its neighbours on each side, so that filtering at its edge reads
/// the right pixels on the first mip levels.
const BORDER: u32 = 8;
/// The longest side of the small copy.
const SMALL: u32 = 512;
/// Bytes of textures above which pictures that were not drawn of late are dropped.
const BUDGET: u64 = 768 << 20;

/// One tile.
pub struct Tile {
    /// The part of the picture, in pixels: left, top, right, bottom.
    pub rect: [u32; 4],
    /// The same in the texture's coordinates.
    pub uv: [f32; 4],
    /// The texture.
    pub view: wgpu::TextureView,
    /// For small scales.
    pub linear: wgpu::BindGroup,
    /// For large scales, where pixels should look like pixels.
    pub nearest: wgpu::BindGroup,
}

/// A picture's textures.
pub struct Textures {
    /// Its tiles, row by row.
    pub tiles: Vec<Tile>,
    /// The whole picture, small.
    pub small: wgpu::TextureView,
    of: Weak<Picture>,
    bytes: u64,
    used: u64,
}

/// All pictures' textures, by the picture's address; a weak reference keeps the address from being reused.
#[derive(Default)]
pub struct Pictures {
    textures: HashMap<usize, Textures>,
}

/// The name of a picture in [`Pictures`].
pub fn key(picture: &Arc<Picture>) -> usize {
    Arc::as_ptr(picture) as usize
}

impl Pictures {
    /// Makes sure that the picture's textures exist and marks them as used in `frame`.
    pub fn ensure(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        pipelines: &Pipelines,
        picture: &Arc<Picture>,
        frame: u64,
    ) {
        let entry = self
            .textures
            .entry(key(picture))
            .or_insert_with(|| upload(device, queue, pipelines, picture));
        entry.used = frame;
    }

    /// The textures of a picture that was [`ensure`](Self::ensure)d.
    pub fn get(&self, key: usize) -> Option<&Textures> {
        self.textures.get(&key)
    }

    /// Drops the textures of pictures that are gone, and the least recently drawn ones beyond the budget.
    pub fn evict(&mut self, frame: u64) {
        self.textures.retain(|_, entry| entry.of.strong_count() > 0);
        let mut total: u64 = self.textures.values().map(|entry| entry.bytes).sum();
        while total > BUDGET {
            let oldest = self
                .textures
                .iter()
                .filter(|(_, entry)| entry.used + 1 < frame)
                .min_by_key(|(_, entry)| entry.used)
                .map(|(&key, _)| key);
            let Some(removed) = oldest.and_then(|key| self.textures.remove(&key)) else {
                break;
            };
            total -= removed.bytes;
        }
    }
}

/// The tiles of a picture: how many pixels each shows, borders excluded.
fn spans(side: u32) -> Vec<(u32, u32)> {
    if side <= TILE {
        return vec![(0, side)];
    }
    let payload = TILE - 2 * BORDER;
    (0..side.div_ceil(payload))
        .map(|i| (i * payload, ((i + 1) * payload).min(side)))
        .collect()
}

fn upload(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    pipelines: &Pipelines,
    picture: &Arc<Picture>,
) -> Textures {
    let (width, height) = (picture.width(), picture.height());
    let mut tiles = Vec::new();
    let mut bytes = 0;
    for (y0, y1) in spans(height) {
        for (x0, x1) in spans(width) {
            let left = x0.saturating_sub(BORDER);
            let top = y0.saturating_sub(BORDER);
            let right = (x1 + BORDER).min(width);
            let bottom = (y1 + BORDER).min(height);
            let (w, h) = (right - left, bottom - top);
            let pixels = premultiplied(picture, left, top, w, h);
            bytes += pixels.len() as u64 * 4 / 3;
            let view = mipped(device, queue, pixels, w, h);
            let group = |sampler| {
                device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some("inlay tile"),
                    layout: &pipelines.picture_layout,
                    entries: &[
                        wgpu::BindGroupEntry {
                            binding: 0,
                            resource: wgpu::BindingResource::TextureView(&view),
                        },
                        wgpu::BindGroupEntry {
                            binding: 1,
                            resource: wgpu::BindingResource::Sampler(sampler),
                        },
                    ],
                })
            };
            let share = |at: u32, from: u32, size: u32| (at - from) as f32 / size as f32;
            tiles.push(Tile {
                rect: [x0, y0, x1, y1],
                uv: [
                    share(x0, left, w),
                    share(y0, top, h),
                    share(x1, left, w),
                    share(y1, top, h),
                ],
                linear: group(&pipelines.linear),
                nearest: group(&pipelines.nearest),
                view,
            });
        }
    }
    Textures {
        tiles,
        small: small(device, queue, picture),
        of: Arc::downgrade(picture),
        bytes,
        used: 0,
    }
}

fn premultiplied(picture: &Picture, left: u32, top: u32, width: u32, height: u32) -> Vec<u8> {
    let stride = picture.width() as usize * 4;
    let (start, len) = (left as usize * 4, width as usize * 4);
    let mut out = Vec::with_capacity(len * height as usize);
    for row in picture
        .pixels()
        .chunks_exact(stride)
        .skip(top as usize)
        .take(height as usize)
    {
        out.extend_from_slice(&row[start..start + len]);
    }
    for pixel in out.chunks_exact_mut(4) {
        let alpha = u16::from(pixel[3]);
        if alpha != 255 {
            for channel in &mut pixel[..3] {
                *channel = ((u16::from(*channel) * alpha + 127) / 255) as u8;
            }
        }
    }
    out
}

/// The next mip level: each pixel the mean of four; the last row or column of an odd side is repeated.
pub(super) fn halved(pixels: &[u8], width: u32, height: u32) -> (Vec<u8>, u32, u32) {
    let (w, h) = ((width / 2).max(1), (height / 2).max(1));
    let mut out = Vec::with_capacity(w as usize * h as usize * 4);
    let stride = width as usize * 4;
    for y in 0..h as usize {
        let upper = &pixels[2 * y * stride..][..stride];
        let lower = &pixels[(2 * y + 1).min(height as usize - 1) * stride..][..stride];
        for x in 0..w as usize {
            let (a, b) = (8 * x, (2 * x + 1).min(width as usize - 1) * 4);
            for c in 0..4 {
                let sum = u16::from(upper[a + c])
                    + u16::from(upper[b + c])
                    + u16::from(lower[a + c])
                    + u16::from(lower[b + c]);
                out.push(((sum + 2) / 4) as u8);
            }
        }
    }
    (out, w, h)
}

fn mipped(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    mut pixels: Vec<u8>,
    mut width: u32,
    mut height: u32,
) -> wgpu::TextureView {
    let levels = 32 - width.max(height).leading_zeros();
    let texture = device.create_texture(&wgpu::TextureDescriptor {
        label: Some("inlay tile"),
        size: wgpu::Extent3d {
            width,
            height,
            depth_or_array_layers: 1,
        },
        mip_level_count: levels,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm,
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    });
    for level in 0..levels {
        write(queue, &texture, level, [0, 0], &pixels, width, height, 4);
        if level + 1 < levels {
            (pixels, width, height) = halved(&pixels, width, height);
        }
    }
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}

/// Writes a rectangle of a texture of `size` bytes a texel.
#[expect(clippy::too_many_arguments, reason = "wgpu's call takes as many")]
pub(super) fn write(
    queue: &wgpu::Queue,
    texture: &wgpu::Texture,
    mip_level: u32,
    origin: [u32; 2],
    bytes: &[u8],
    width: u32,
    height: u32,
    size: u32,
) {
    queue.write_texture(
        wgpu::TexelCopyTextureInfo {
            texture,
            mip_level,
            origin: wgpu::Origin3d {
                x: origin[0],
                y: origin[1],
                z: 0,
            },
            aspect: wgpu::TextureAspect::All,
        },
        bytes,
        wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(width * size),
            rows_per_image: Some(height),
        },
        wgpu::Extent3d {
            width,
            height,
            depth_or_array_layers: 1,
        },
    );
}

fn small(device: &wgpu::Device, queue: &wgpu::Queue, picture: &Picture) -> wgpu::TextureView {
    let (width, height) = (picture.width(), picture.height());
    let step = width.max(height).div_ceil(SMALL);
    let (w, h) = (width.div_ceil(step), height.div_ceil(step));
    let mut pixels = Vec::with_capacity((w * h * 4) as usize);
    for y in 0..h {
        for x in 0..w {
            let [r, g, b, _] = picture.pixel(x * step + step / 2, y * step + step / 2);
            pixels.extend([r, g, b, 255]);
        }
    }
    let texture = device.create_texture(&wgpu::TextureDescriptor {
        label: Some("inlay small picture"),
        size: wgpu::Extent3d {
            width: w,
            height: h,
            depth_or_array_layers: 1,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm,
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    });
    write(queue, &texture, 0, [0, 0], &pixels, w, h, 4);
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_a_side_once() {
        for side in [1, 4095, 4096, 4097, 8192, 16384] {
            let spans = spans(side);
            assert_eq!(spans[0].0, 0);
            assert_eq!(spans.last().map(|s| s.1), Some(side));
            assert!(spans.windows(2).all(|pair| pair[0].1 == pair[1].0));
            assert!(spans.iter().all(|(a, b)| b - a <= TILE));
        }
    }

    #[test]
    fn halving_takes_means_and_keeps_one_pixel_rows() {
        let pixels = [0, 0, 0, 0, 4, 8, 12, 16, 8, 8, 8, 8];
        assert_eq!(halved(&pixels, 3, 1), (vec![2, 4, 6, 8], 1, 1));
        assert_eq!(halved(&pixels[..4], 1, 1), (vec![0; 4], 1, 1));
    }
}
