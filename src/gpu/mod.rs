//! Drawing on the GPU: pictures in tiles, masks, running outputs, the compare wipe. Each pane of the window is
//! one paint callback; what it needs lives in egui-wgpu's callback resources, is built once, and is uploaded
//! again only when it changed. Nothing here reads back from the GPU or waits for it.

mod masks;
mod pictures;
mod pipelines;
mod previews;
mod stage;

pub use pipelines::SHADERS;
pub use stage::{Clip, Item, LatentPreview, MaskPixels, Pane, View};

use eframe::egui_wgpu::RenderState;

/// Builds the pipelines and puts them where the panes' callbacks find them. Call once, when the window opens.
pub fn install(state: &RenderState) {
    // A fault of the driver should cost a frame, not the document.
    state
        .device
        .on_uncaptured_error(std::sync::Arc::new(|error: eframe::wgpu::Error| {
            tracing::error!("drawing failed: {error}");
        }));
    let resources = stage::Resources::new(&state.device, state.target_format);
    state.renderer.write().callback_resources.insert(resources);
}
