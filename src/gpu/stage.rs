//! A pane: what is drawn in one rectangle of the window, back to front.

use std::collections::HashMap;
use std::sync::Arc;

use eframe::egui_wgpu::{CallbackResources, CallbackTrait, ScreenDescriptor};
use eframe::{egui, wgpu};

use super::masks::Masks;
use super::pictures::{self, Pictures};
use super::pipelines::{DRAW_STRIDE, DrawUniform, Kind, Pipelines};
use super::previews::Previews;
use crate::doc::mask::{TILE, dirty_tiles};
use crate::doc::{Mask, Picture, Plane};

/// From picture pixels to points of the window: point = pixel · scale + offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Points per picture pixel.
    pub scale: f32,
    /// Where the picture's top left corner is, in points.
    pub offset: egui::Vec2,
}

/// The part of a pane, as shares of its width, in which an item is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clip {
    /// Left end.
    pub from: f32,
    /// Right end.
    pub to: f32,
}

impl Clip {
    /// All of it.
    pub const ALL: Clip = Clip { from: 0.0, to: 1.0 };
}

/// A mask or region and where its pixels are.
#[derive(Clone, Debug)]
pub enum MaskPixels {
    /// A whole plane; changed when it is another one.
    Plane(Arc<Plane>),
    /// A mask of tiles; changed where its tiles are others.
    Mask(Arc<Mask>),
}

impl MaskPixels {
    /// Width and height.
    pub fn size(&self) -> [u32; 2] {
        match self {
            MaskPixels::Plane(plane) => [plane.width(), plane.height()],
            MaskPixels::Mask(mask) => [mask.width(), mask.height()],
        }
    }

    /// The value at a pixel.
    pub(super) fn get(&self, x: u32, y: u32) -> u8 {
        match self {
            MaskPixels::Plane(plane) => plane.get(x.into(), y.into()),
            MaskPixels::Mask(mask) => mask.get(x.into(), y.into()),
        }
    }

    /// The rectangles (left, top, right, bottom) in which `self` may differ from `before`, of the same size.
    pub(super) fn changed_since(&self, before: Option<&MaskPixels>) -> Vec<[u32; 4]> {
        let [width, height] = self.size();
        match (self, before) {
            (MaskPixels::Plane(new), Some(MaskPixels::Plane(old))) if Arc::ptr_eq(new, old) => {
                Vec::new()
            }
            (MaskPixels::Mask(new), Some(MaskPixels::Mask(old))) => dirty_tiles(old, new)
                .into_iter()
                .map(|tile| {
                    let (x, y) = tile.origin();
                    [x, y, (x + TILE).min(width), (y + TILE).min(height)]
                })
                .collect(),
            _ => vec![[0, 0, width, height]],
        }
    }
}

/// A running output, as latents.
#[derive(Clone, Debug)]
pub struct LatentPreview {
    /// Names the output.
    pub key: u64,
    /// Changes with every new estimate.
    pub generation: u64,
    /// Channels, rows, columns.
    pub shape: [usize; 3],
    /// The estimate: `channels · rows · columns` values.
    pub latents: Arc<Vec<f32>>,
    /// rgb = M · [z; 1]: one column a channel and one for the constant.
    pub matrix: Arc<Vec<[f32; 3]>>,
    /// Where it lies in the picture, in pixels: left, top, width, height.
    pub crop: [u32; 4],
    /// The soft mask it is joined through; `None` covers the whole crop.
    pub alpha: Option<Arc<Plane>>,
}

/// One thing that a pane draws.
#[derive(Clone, Debug)]
pub enum Item {
    /// The checkerboard under a transparent picture of this size, in two colours, squares of `cell` points.
    Checker {
        /// Width and height in pixels.
        size: [u32; 2],
        /// The two colours.
        colours: [egui::Color32; 2],
        /// Side of a square in points.
        cell: f32,
    },
    /// A picture.
    Picture(Arc<Picture>, Clip),
    /// Where two pictures of one size differ, enlarged by a factor.
    Difference(Arc<Picture>, Arc<Picture>, f32),
    /// A running output.
    Preview(LatentPreview, Clip),
    /// A mask: its tint and a double line around it, or only a dashed line.
    Mask {
        /// Names the mask; the same name keeps its texture.
        key: u64,
        /// The mask.
        pixels: MaskPixels,
        /// The picture that it lies on.
        beneath: Arc<Picture>,
        /// The rectangle (left, top, right, bottom, in pixels) that holds all that is selected.
        bounds: [u32; 4],
        /// Colour and opacity of the tint.
        tint: egui::Color32,
        /// Dashed, as the region the model may change, or solid, as the mask itself.
        dashed: bool,
        /// Width of the line in points.
        line: f32,
    },
    /// The handle of the compare wipe, at a share of the pane's width.
    Wipe {
        /// Where, 0..1.
        at: f32,
        /// Its colour.
        colour: egui::Color32,
        /// The colour around it.
        casing: egui::Color32,
    },
}

/// A paint callback that draws [`Item`]s.
#[derive(Clone, Debug)]
pub struct Pane {
    /// Names the pane among the panes of a frame.
    pub id: u64,
    /// Where it is, in points.
    pub rect: egui::Rect,
    /// How pictures are placed.
    pub view: View,
    /// What is drawn, back to front.
    pub items: Vec<Item>,
    /// Grows from frame to frame.
    pub frame: u64,
}

impl Pane {
    /// The shape to add to egui's painter.
    pub fn shape(self) -> egui::Shape {
        let rect = self.rect;
        egui::Shape::Callback(eframe::egui_wgpu::Callback::new_paint_callback(rect, self))
    }
}

struct Step {
    kind: Kind,
    group: Option<wgpu::BindGroup>,
}

#[derive(Default)]
struct PaneState {
    buffer: Option<(wgpu::Buffer, wgpu::BindGroup, u64)>,
    steps: Vec<Step>,
    used: u64,
}

/// What lives as long as the window.
pub struct Resources {
    pipelines: Pipelines,
    pictures: Pictures,
    masks: Masks,
    previews: Previews,
    panes: HashMap<u64, PaneState>,
    frame: u64,
}

impl Resources {
    pub fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        Self {
            pipelines: Pipelines::new(device, target),
            pictures: Pictures::default(),
            masks: Masks::default(),
            previews: Previews::default(),
            panes: HashMap::new(),
            frame: 0,
        }
    }

    /// Once a frame, before its first pane.
    fn begin(&mut self, frame: u64) {
        if self.frame != frame {
            self.frame = frame;
            self.pictures.evict(frame);
            self.masks.evict();
            self.previews.evict();
            self.panes.retain(|_, pane| pane.used + 8 > frame);
        }
    }
}

fn colour(colour: egui::Color32) -> [f32; 4] {
    colour.to_normalized_gamma_f32()
}

/// A pane's geometry in target pixels.
struct Placing {
    pane: [f32; 4],
    scale: f32,
    offset: [f32; 2],
    points: f32,
}

impl Placing {
    fn uniform(&self, clip: Clip) -> DrawUniform {
        let [left, top, width, height] = self.pane;
        DrawUniform {
            pane: self.pane,
            uv: [0.0, 0.0, 1.0, 1.0],
            map: [self.scale, self.offset[0], self.offset[1], self.points],
            clip: [
                (left + width * clip.from).round(),
                top,
                (left + width * clip.to).round(),
                top + height,
            ],
            ..DrawUniform::default()
        }
    }
}

impl CallbackTrait for Pane {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        screen: &ScreenDescriptor,
        encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        let Some(resources) = resources.get_mut::<Resources>() else {
            return Vec::new();
        };
        resources.begin(self.frame);
        let points = screen.pixels_per_point;
        let viewport = egui::PaintCallbackInfo {
            viewport: self.rect,
            clip_rect: self.rect,
            pixels_per_point: points,
            screen_size_px: screen.size_in_pixels,
        }
        .viewport_in_pixels();
        let placing = Placing {
            pane: [
                viewport.left_px as f32,
                viewport.top_px as f32,
                viewport.width_px.max(1) as f32,
                viewport.height_px.max(1) as f32,
            ],
            scale: self.view.scale * points,
            offset: [self.view.offset.x * points, self.view.offset.y * points],
            points,
        };
        let mut draws = Vec::new();
        let mut steps = Vec::new();
        for item in &self.items {
            self.collect(
                item, device, queue, encoder, resources, &placing, &mut draws, &mut steps,
            );
        }
        let pane = resources.panes.entry(self.id).or_default();
        pane.used = self.frame;
        pane.steps = steps;
        upload_draws(device, queue, &resources.pipelines, pane, &draws);
        Vec::new()
    }

    fn paint(
        &self,
        _info: egui::PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        let Some(resources) = resources.get::<Resources>() else {
            return;
        };
        let Some(pane) = resources.panes.get(&self.id) else {
            return;
        };
        let Some((_, uniforms, _)) = &pane.buffer else {
            return;
        };
        for (index, step) in pane.steps.iter().enumerate() {
            pass.set_pipeline(resources.pipelines.of(step.kind));
            pass.set_bind_group(0, uniforms, &[(index as u64 * DRAW_STRIDE) as u32]);
            if let Some(group) = &step.group {
                pass.set_bind_group(1, group, &[]);
            }
            pass.draw(0..6, 0..1);
        }
    }
}

impl Pane {
    #[expect(clippy::too_many_arguments, reason = "the device and its parts")]
    fn collect(
        &self,
        item: &Item,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        encoder: &mut wgpu::CommandEncoder,
        resources: &mut Resources,
        placing: &Placing,
        draws: &mut Vec<DrawUniform>,
        steps: &mut Vec<Step>,
    ) {
        match item {
            Item::Checker {
                size,
                colours,
                cell,
            } => {
                draws.push(DrawUniform {
                    quad: [0.0, 0.0, size[0] as f32, size[1] as f32],
                    first: colour(colours[0]),
                    second: colour(colours[1]),
                    params: [(cell * placing.points).round().max(1.0), 0.0, 0.0, 0.0],
                    ..placing.uniform(Clip::ALL)
                });
                steps.push(Step {
                    kind: Kind::Checker,
                    group: None,
                });
            }
            Item::Picture(picture, clip) => {
                let pictures = &mut resources.pictures;
                pictures.ensure(device, queue, &resources.pipelines, picture, self.frame);
                let Some(textures) = pictures.get(pictures::key(picture)) else {
                    return;
                };
                for tile in &textures.tiles {
                    let [x0, y0, x1, y1] = tile.rect;
                    draws.push(DrawUniform {
                        quad: [x0 as f32, y0 as f32, x1 as f32, y1 as f32],
                        uv: tile.uv,
                        params: [1.0, 0.0, 0.0, 0.0],
                        ..placing.uniform(*clip)
                    });
                    // Above 200 % pixels are shown as they are.
                    let crisp = placing.scale > 2.0;
                    steps.push(Step {
                        kind: Kind::Picture,
                        group: Some(if crisp {
                            tile.nearest.clone()
                        } else {
                            tile.linear.clone()
                        }),
                    });
                }
            }
            Item::Difference(before, after, gain) => {
                let Resources {
                    pictures,
                    pipelines,
                    ..
                } = resources;
                for picture in [before, after] {
                    pictures.ensure(device, queue, pipelines, picture, self.frame);
                }
                let both = (
                    pictures.get(pictures::key(before)),
                    pictures.get(pictures::key(after)),
                );
                let (Some(before), Some(after)) = both else {
                    return;
                };
                for (a, b) in before.tiles.iter().zip(&after.tiles) {
                    let [x0, y0, x1, y1] = a.rect;
                    draws.push(DrawUniform {
                        quad: [x0 as f32, y0 as f32, x1 as f32, y1 as f32],
                        uv: a.uv,
                        params: [*gain, 0.0, 0.0, 0.0],
                        ..placing.uniform(Clip::ALL)
                    });
                    let sampler = if placing.scale > 2.0 {
                        &pipelines.nearest
                    } else {
                        &pipelines.linear
                    };
                    steps.push(Step {
                        kind: Kind::Difference,
                        group: Some(pair(device, pipelines, &a.view, &b.view, sampler)),
                    });
                }
            }
            Item::Preview(preview, clip) => {
                resources.previews.ensure(
                    device,
                    queue,
                    encoder,
                    &resources.pipelines,
                    preview,
                    self.frame,
                );
                let Some(group) = resources.previews.get(preview.key) else {
                    return;
                };
                let [x, y, width, height] = preview.crop.map(|v| v as f32);
                draws.push(DrawUniform {
                    quad: [x, y, x + width, y + height],
                    params: [f32::from(u8::from(preview.alpha.is_some())), 1.0, 0.0, 0.0],
                    ..placing.uniform(*clip)
                });
                steps.push(Step {
                    kind: Kind::Preview,
                    group: Some(group.clone()),
                });
            }
            Item::Mask {
                key,
                pixels,
                beneath,
                bounds,
                tint,
                dashed,
                line,
            } => {
                let pictures = &mut resources.pictures;
                pictures.ensure(device, queue, &resources.pipelines, beneath, self.frame);
                let name = pictures::key(beneath);
                let Some(textures) = pictures.get(name) else {
                    return;
                };
                resources.masks.ensure(
                    device,
                    queue,
                    &resources.pipelines,
                    *key,
                    pixels,
                    (name, &textures.small),
                    self.frame,
                );
                let Some(group) = resources.masks.get(*key) else {
                    return;
                };
                let [width, height] = pixels.size().map(|v| v as f32);
                // Room for the line, which lies half outside.
                let margin = line * placing.points * 3.0 / placing.scale + 1.0;
                let [x0, y0, x1, y1] = bounds.map(|v| v as f32);
                let quad = [x0 - margin, y0 - margin, x1 + margin, y1 + margin];
                let (r, g, b, a) = tint.to_srgba_unmultiplied().into();
                draws.push(DrawUniform {
                    quad,
                    uv: [
                        quad[0] / width,
                        quad[1] / height,
                        quad[2] / width,
                        quad[3] / height,
                    ],
                    first: [r, g, b, a].map(|v| f32::from(v) / 255.0),
                    second: [0.0, 0.0, width, height],
                    params: [
                        f32::from(u8::from(*dashed)),
                        line * placing.points,
                        1.0,
                        0.0,
                    ],
                    ..placing.uniform(Clip::ALL)
                });
                steps.push(Step {
                    kind: Kind::Overlay,
                    group: Some(group.clone()),
                });
            }
            Item::Wipe {
                at,
                colour: line,
                casing,
            } => {
                let [left, top, width, height] = placing.pane;
                let x = left + width * at;
                let grip = 7.0 * placing.points;
                let corner = |x: f32, y: f32| {
                    [
                        (x - placing.offset[0]) / placing.scale,
                        (y - placing.offset[1]) / placing.scale,
                    ]
                };
                let (a, b) = (
                    corner(x - grip * 1.5, top),
                    corner(x + grip * 1.5, top + height),
                );
                draws.push(DrawUniform {
                    quad: [a[0], a[1], b[0], b[1]],
                    first: colour(*line),
                    second: colour(*casing),
                    params: [x, placing.points, grip, 0.0],
                    ..placing.uniform(Clip::ALL)
                });
                steps.push(Step {
                    kind: Kind::Wipe,
                    group: None,
                });
            }
        }
    }
}

/// Two textures to be compared.
fn pair(
    device: &wgpu::Device,
    pipelines: &Pipelines,
    a: &wgpu::TextureView,
    b: &wgpu::TextureView,
    sampler: &wgpu::Sampler,
) -> wgpu::BindGroup {
    let view = |binding, view| wgpu::BindGroupEntry {
        binding,
        resource: wgpu::BindingResource::TextureView(view),
    };
    device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("inlay difference"),
        layout: &pipelines.preview_layout,
        entries: &[
            view(0, a),
            view(1, b),
            wgpu::BindGroupEntry {
                binding: 2,
                resource: wgpu::BindingResource::Sampler(sampler),
            },
        ],
    })
}

fn upload_draws(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    pipelines: &Pipelines,
    pane: &mut PaneState,
    draws: &[DrawUniform],
) {
    if draws.is_empty() {
        return;
    }
    let needed = draws.len() as u64;
    if pane
        .buffer
        .as_ref()
        .is_none_or(|(_, _, room)| *room < needed)
    {
        let room = needed.next_power_of_two();
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("inlay draws"),
            size: room * DRAW_STRIDE,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("inlay draws"),
            layout: &pipelines.draw_layout,
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &buffer,
                    offset: 0,
                    size: std::num::NonZeroU64::new(size_of::<DrawUniform>() as u64),
                }),
            }],
        });
        pane.buffer = Some((buffer, group, room));
    }
    if let Some((buffer, _, _)) = &pane.buffer {
        let mut bytes = vec![0; draws.len() * DRAW_STRIDE as usize];
        for (slot, draw) in bytes.chunks_exact_mut(DRAW_STRIDE as usize).zip(draws) {
            slot[..size_of::<DrawUniform>()].copy_from_slice(bytemuck::bytes_of(draw));
        }
        queue.write_buffer(buffer, 0, &bytes);
    }
}
