//! Small pictures for cards, as egui textures.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use eframe::egui::{self, ColorImage, TextureHandle, TextureOptions};

use crate::doc::Picture;

/// Longest side of a thumbnail in texels: sharp at two pixels per point.
const SIDE: u32 = 192;

/// Thumbnails by the picture's address; a weak reference keeps the address from being reused.
#[derive(Default)]
pub struct Thumbs {
    known: HashMap<usize, (Weak<Picture>, Thumb)>,
}

/// A picture's thumbnail, made once.
#[derive(Clone)]
pub struct Thumb {
    /// The small picture.
    pub texture: TextureHandle,
    /// Whether the picture has pixels that are not opaque: finding out takes a look at all of them.
    pub has_alpha: bool,
}

impl Thumbs {
    /// The picture's thumbnail.
    pub fn get(&mut self, ctx: &egui::Context, picture: &Arc<Picture>) -> Thumb {
        self.known
            .retain(|_, (picture, _)| picture.strong_count() > 0);
        let (_, thumb) = self
            .known
            .entry(Arc::as_ptr(picture) as usize)
            .or_insert_with(|| {
                let small = shrunk(picture);
                let texture = ctx.load_texture("thumbnail", small, TextureOptions::LINEAR);
                let has_alpha = picture.has_alpha();
                (Arc::downgrade(picture), Thumb { texture, has_alpha })
            });
        thumb.clone()
    }
}

/// The picture at thumbnail size, each texel the mean of the pixels it covers.
fn shrunk(picture: &Picture) -> ColorImage {
    let (width, height) = (picture.width(), picture.height());
    let longest = width.max(height);
    let scaled = |side: u32| (side * SIDE.min(longest) / longest).max(1);
    let (w, h) = (scaled(width), scaled(height));
    // At most 4 × 4 samples a texel: enough for a thumbnail, and fast for any size.
    let mut pixels = Vec::with_capacity((w * h) as usize);
    for y in 0..h {
        for x in 0..w {
            let (x0, x1) = (x * width / w, ((x + 1) * width / w).max(x * width / w + 1));
            let (y0, y1) = (
                y * height / h,
                ((y + 1) * height / h).max(y * height / h + 1),
            );
            let mut sum = [0u32; 4];
            let mut count = 0;
            for j in (y0..y1).step_by(((y1 - y0) as usize).div_ceil(4)) {
                for i in (x0..x1).step_by(((x1 - x0) as usize).div_ceil(4)) {
                    let [r, g, b, a] = picture.pixel(i, j).map(u32::from);
                    sum = [sum[0] + r * a, sum[1] + g * a, sum[2] + b * a, sum[3] + a];
                    count += 1;
                }
            }
            let alpha = (sum[3] / count) as u8;
            let [r, g, b] = [sum[0], sum[1], sum[2]].map(|c| (c / sum[3].max(1)) as u8);
            pixels.push(egui::Color32::from_rgba_unmultiplied(r, g, b, alpha));
        }
    }
    ColorImage::new([w as usize, h as usize], pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_looked_at_once() {
        let (ctx, mut thumbs) = (egui::Context::default(), Thumbs::default());
        let mut glass = Picture::filled(40, 30, [9, 9, 9, 255]);
        glass.pixels_mut()[3] = 0;
        let [glass, stone] = [glass, Picture::filled(40, 30, [9, 9, 9, 255])].map(Arc::new);
        for _ in 0..2 {
            assert!(thumbs.get(&ctx, &glass).has_alpha);
            assert!(!thumbs.get(&ctx, &stone).has_alpha);
        }
        let first = thumbs.get(&ctx, &glass).texture.id();
        assert_eq!(thumbs.get(&ctx, &glass).texture.id(), first);
        drop(glass);
        thumbs.get(&ctx, &stone);
        assert_eq!(thumbs.known.len(), 1);
    }

    #[test]
    fn thumbnails_keep_shape_and_colour() {
        let image = shrunk(&Picture::filled(1000, 250, [200, 100, 50, 255]));
        assert_eq!(image.size, [192, 48]);
        assert!(
            image
                .pixels
                .iter()
                .all(|p| p.to_array() == [200, 100, 50, 255])
        );
        assert_eq!(shrunk(&Picture::filled(3, 2, [0; 4])).size, [3, 2]);
    }
}
