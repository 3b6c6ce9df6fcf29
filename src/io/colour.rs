//! Colours of photographs that are not sRGB (Display P3, Adobe RGB) are converted when they are read: all else here, and
//! the models, know sRGB alone, and results are written as such.

use std::sync::Arc;

use image::{DynamicImage, ImageBuffer, Pixel, Primitive, Rgba};
use moxcms::{
    CmsError, ColorProfile, DataColorSpace, Layout, Transform8BitExecutor, Transform16BitExecutor,
    TransformExecutor, TransformOptions,
};

/// Steps of 255 by which colours may differ for a profile to be sRGB under another name: its pixels are not touched.
const SAME: u8 = 2;

/// The picture in sRGB, converted from the ICC profile that it came with; as it is if that is sRGB, or not of RGB
/// colours, or can't be read: then the error is given besides.
pub(super) fn to_srgb(image: DynamicImage, profile: &[u8]) -> (DynamicImage, Option<CmsError>) {
    let found = match Transforms::of(profile) {
        Ok(Some(found)) => found,
        Ok(None) => return (image, None),
        Err(error) => return (image, Some(error)),
    };
    let deep = image.color().bytes_per_pixel() > image.color().channel_count();
    let (image, error) = if deep {
        let mut picture = image.into_rgba16();
        let error = in_place(&*found.sixteen, &mut picture).err();
        (DynamicImage::ImageRgba16(picture), error)
    } else {
        let mut picture = image.into_rgba8();
        let error = in_place(&*found.eight, &mut picture).err();
        (DynamicImage::ImageRgba8(picture), error)
    };
    (image, error)
}

/// From a profile's colours to sRGB.
struct Transforms {
    eight: Arc<Transform8BitExecutor>,
    sixteen: Arc<Transform16BitExecutor>,
}

impl Transforms {
    /// `None` if there is nothing to convert.
    fn of(profile: &[u8]) -> Result<Option<Self>, CmsError> {
        let from = ColorProfile::new_from_slice(profile)?;
        if from.color_space != DataColorSpace::Rgb {
            return Ok(None);
        }
        let (to, options) = (ColorProfile::new_srgb(), TransformOptions::default());
        let eight = from.create_transform_8bit(Layout::Rgba, &to, Layout::Rgba, options)?;
        if is_same(&*eight)? {
            return Ok(None);
        }
        let sixteen = from.create_transform_16bit(Layout::Rgba, &to, Layout::Rgba, options)?;
        Ok(Some(Self { eight, sixteen }))
    }
}

/// Row by row: a second picture may be too much for the memory.
fn in_place<V: Copy + Default + Primitive>(
    transform: &(dyn TransformExecutor<V> + Send + Sync),
    picture: &mut ImageBuffer<Rgba<V>, Vec<V>>,
) -> Result<(), CmsError>
where
    Rgba<V>: Pixel<Subpixel = V>,
{
    let width = picture.width() as usize * 4;
    let mut row = vec![V::default(); width];
    for line in picture.chunks_exact_mut(width) {
        transform.transform(line, &mut row)?;
        line.copy_from_slice(&row);
    }
    Ok(())
}

/// Whether colours all over the cube stay what they are.
fn is_same(transform: &Transform8BitExecutor) -> Result<bool, CmsError> {
    const LEVELS: [u8; 4] = [0, 90, 180, 255];
    let mut colours = Vec::with_capacity(4 * 64);
    for r in LEVELS {
        for g in LEVELS {
            for b in LEVELS {
                colours.extend([r, g, b, 255]);
            }
        }
    }
    let mut found = vec![0; colours.len()];
    transform.transform(&colours, &mut found)?;
    Ok(colours
        .iter()
        .zip(found)
        .all(|(a, b)| a.abs_diff(b) <= SAME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage, RgbaImage};

    fn encoded(profile: &ColorProfile) -> Vec<u8> {
        profile.encode().unwrap()
    }

    #[test]
    fn wide_colours_become_those_of_srgb_and_greys_stay() {
        let mut picture = RgbImage::from_pixel(3, 1, Rgb([120, 120, 120]));
        picture.put_pixel(1, 0, Rgb([200, 100, 60]));
        let p3 = encoded(&ColorProfile::new_display_p3());
        let found = to_srgb(DynamicImage::ImageRgb8(picture), &p3).0;
        let found = found.to_rgb8();
        let near = |a: Rgb<u8>, b: [u8; 3]| a.0.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 1);
        assert!(near(*found.get_pixel(0, 0), [120, 120, 120]));
        // By the published matrices (CSS Color 4): color(display-p3 0.784 0.392 0.235) is rgb(215 93 47).
        assert!(
            near(*found.get_pixel(1, 0), [215, 93, 47]),
            "{:?}",
            found.get_pixel(1, 0)
        );
    }

    #[test]
    fn transparency_and_depth_are_kept() {
        let adobe = encoded(&ColorProfile::new_adobe_rgb());
        let clear = RgbaImage::from_pixel(2, 2, Rgba([10, 200, 30, 77]));
        let found = to_srgb(DynamicImage::ImageRgba8(clear), &adobe).0;
        assert_eq!(found.to_rgba8().get_pixel(1, 1).0[3], 77);
        assert_eq!(found.to_rgba8().get_pixel(1, 1).0[0], 0);
        let deep = DynamicImage::new_rgb16(2, 2);
        let found = to_srgb(deep, &adobe).0;
        assert!(matches!(found, DynamicImage::ImageRgba16(_)));
    }

    #[test]
    fn srgb_is_not_touched_and_other_profiles_neither() {
        let noise = RgbImage::from_fn(16, 16, |x, y| Rgb([x as u8 * 16, y as u8 * 16, 7]));
        let picture = DynamicImage::ImageRgb8(noise);
        for profile in [
            ColorProfile::new_srgb(),
            ColorProfile::new_gray_with_gamma(2.2),
        ] {
            let (found, error) = to_srgb(picture.clone(), &encoded(&profile));
            assert!(found == picture && error.is_none());
        }
        let (same, error) = to_srgb(picture.clone(), b"no profile");
        assert!(same == picture && error.is_some());
    }
}
