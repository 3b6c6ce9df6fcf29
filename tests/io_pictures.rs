//! Every kind of picture file an artist may have, and every kind that is broken.

mod files;

use std::path::Path;

use image::{DynamicImage, ImageFormat};
use inlay::io::picture::{self, decode};
use inlay::io::{PictureError, load};

fn open(bytes: &[u8]) -> Result<picture::Loaded, PictureError> {
    decode(bytes, Path::new("photo.png"))
}

fn refusal(bytes: &[u8]) -> String {
    open(bytes).expect_err("refused").to_string()
}

#[test]
fn lossless_formats_return_every_pixel() {
    let ramp = files::ramp(37, 21);
    for format in [
        ImageFormat::Png,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
        ImageFormat::WebP,
    ] {
        let loaded = open(&files::encoded(ramp.clone(), format)).expect("opens");
        let expected = DynamicImage::from(ramp.clone()).into_rgba8().into_raw();
        assert_eq!(loaded.picture.pixels(), expected, "{format:?}");
        assert_eq!(loaded.warnings, Vec::<String>::new(), "{format:?}");
    }
}

#[test]
fn lossy_formats_open_at_their_size() {
    for format in [ImageFormat::Jpeg, ImageFormat::Gif] {
        let image = DynamicImage::from(files::ramp(37, 21)).into_rgba8();
        let image = match format {
            ImageFormat::Jpeg => DynamicImage::from(image).into_rgb8().into(),
            _ => DynamicImage::from(image),
        };
        let loaded = open(&files::encoded(image, format)).expect("opens");
        assert_eq!((loaded.picture.width(), loaded.picture.height()), (37, 21));
        assert_eq!(loaded.warnings, Vec::<String>::new(), "{format:?}");
    }
}

#[test]
fn grey_palette_and_16_bits() {
    let grey = image::GrayImage::from_pixel(2, 2, image::Luma([77]));
    let loaded = open(&files::encoded(grey, ImageFormat::Png)).expect("opens");
    assert_eq!(loaded.picture.pixel(1, 1), [77, 77, 77, 255]);

    type Deep = image::ImageBuffer<image::Rgba<u16>, Vec<u16>>;
    let deep = Deep::from_pixel(2, 2, image::Rgba([65535, 32768, 257, 65535]));
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        let deep = DynamicImage::ImageRgba16(deep.clone());
        let loaded = open(&files::encoded(deep, format)).expect("opens");
        assert_eq!(loaded.picture.pixel(0, 1), [255, 128, 1, 255], "{format:?}");
    }

    let palette = files::png_of(&[
        files::png_header(4, 1, 2, 3),
        files::chunk(b"PLTE", &[1, 2, 3, 40, 50, 60, 70, 80, 90, 255, 0, 255]),
        files::chunk(b"tRNS", &[255, 0]),
        // One row: filter 0, then the four entries at two bits each.
        files::chunk(b"IDAT", &files::deflated(&[0, 0b00_01_10_11])),
        files::chunk(b"IEND", b""),
    ]);
    let loaded = open(&palette).expect("opens");
    assert_eq!(
        loaded.picture.pixels(),
        [
            1, 2, 3, 255, 40, 50, 60, 0, 70, 80, 90, 255, 255, 0, 255, 255
        ]
    );
}

#[test]
fn cmyk_jpeg_has_its_colours() {
    for (cmyk, rgb) in [
        ([0, 0, 0, 0], [255, 255, 255]),
        ([0, 255, 255, 0], [255, 0, 0]),
        ([255, 0, 0, 0], [0, 255, 255]),
        ([0, 0, 0, 255], [0, 0, 0]),
        ([0, 0, 255, 55], [200, 200, 0]),
    ] {
        let loaded = open(&files::cmyk_jpeg(cmyk)).expect("opens");
        let pixel = loaded.picture.pixel(3, 3);
        for channel in 0..3 {
            assert!(
                pixel[channel].abs_diff(rgb[channel]) <= 1,
                "{cmyk:?} gives {pixel:?}"
            );
        }
    }
}

#[test]
fn rotation_in_exif_is_applied() {
    // (orientation, size, is the first pixel red)
    for (orientation, size, red_first) in [
        (1, (32, 16), true),
        (2, (32, 16), false),
        (3, (32, 16), false),
        (4, (32, 16), true),
        (5, (16, 32), true),
        (6, (16, 32), true),
        (7, (16, 32), false),
        (8, (16, 32), false),
    ] {
        let loaded = open(&files::rotated_jpeg(orientation)).expect("opens");
        let picture = loaded.picture;
        assert_eq!((picture.width(), picture.height()), size, "{orientation}");
        let (first, last) = (picture.pixel(2, 2), picture.pixel(size.0 - 3, size.1 - 3));
        assert_eq!(first[0] > 200 && first[2] < 50, red_first, "{orientation}");
        assert_eq!(last[0] > 200 && last[2] < 50, !red_first, "{orientation}");
    }
}

#[test]
fn rotation_in_a_png_is_applied() {
    let good = files::png(3, 2);
    let mut bytes = good[..33].to_vec();
    bytes.extend(files::chunk(b"eXIf", &files::exif_orientation(6)));
    bytes.extend_from_slice(&good[33..]);
    let loaded = open(&bytes).expect("opens");
    assert_eq!((loaded.picture.width(), loaded.picture.height()), (2, 3));
}

#[test]
fn the_content_decides_not_the_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let jpeg = files::encoded(files::ramp(8, 8), ImageFormat::Jpeg);
    let path = files::put(folder.path(), "really-a-jpeg.png", &jpeg);
    assert_eq!(load(&path).expect("opens").picture.width(), 8);
    let path = files::put(folder.path(), "no-extension", &files::png(5, 5));
    assert_eq!(load(&path).expect("opens").picture.width(), 5);
}

#[test]
fn what_is_no_picture_is_named() {
    for bytes in [
        &b"BM is how this letter begins, and it goes on for a while"[..],
        b"",
        b"%PDF-1.7",
        b"#?RADIANCE\n",
        b"RIFF\x10\0\0\0WAVEfmt ",
    ] {
        assert_eq!(
            refusal(bytes),
            "photo.png is not a picture Inlay can read (PNG, JPEG, WebP, BMP, TIFF, GIF)"
        );
    }
}

#[test]
fn missing_files_and_folders() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("nothing.png");
    assert_eq!(
        load(&missing).expect_err("refused").to_string(),
        format!(
            "there is no such file, check its name: {}",
            missing.display()
        )
    );
    assert_eq!(
        load(folder.path()).expect_err("refused").to_string(),
        format!(
            "this is a folder, name one picture in it: {}",
            folder.path().display()
        )
    );
}

#[test]
fn every_format_cut_short_is_refused() {
    let noisy = image::RgbImage::from_fn(64, 64, |x, y| {
        let n = x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503_001);
        image::Rgb([(n >> 3) as u8, (n >> 11) as u8, (n >> 19) as u8])
    });
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
        ImageFormat::WebP,
        ImageFormat::Gif,
    ] {
        let image = if format == ImageFormat::Gif {
            DynamicImage::from(noisy.clone()).into_rgba8().into()
        } else {
            DynamicImage::from(noisy.clone())
        };
        let whole = files::encoded(image, format);
        assert!(open(&whole).is_ok(), "{format:?}");
        for share in [0.3, 0.6, 0.9] {
            let cut = &whole[..(whole.len() as f64 * share) as usize];
            let error = open(cut).expect_err("refused");
            // A TIFF's directory may lie at its end: without it the file can't even be begun.
            assert!(
                matches!(error, PictureError::Truncated(_)),
                "{format:?} at {share}: {error:?}"
            );
        }
    }
    assert_eq!(
        refusal(&files::png(64, 64)[..100]),
        "the file ends before the picture does, copy or download it again: photo.png"
    );
}

#[test]
fn no_cut_and_no_flipped_byte_panics() {
    let sources = [
        files::png(9, 7),
        files::cmyk_jpeg([10, 20, 30, 40]),
        files::rotated_jpeg(6),
        files::animated_gif(),
        files::encoded(files::ramp(9, 7), ImageFormat::Bmp),
        files::encoded(files::ramp(9, 7), ImageFormat::Tiff),
        files::encoded(files::ramp(9, 7), ImageFormat::WebP),
    ];
    for source in sources {
        for end in 0..source.len() {
            let _ = open(&source[..end]);
            let mut flipped = source.clone();
            flipped[end] ^= 0x55;
            let _ = open(&flipped);
        }
    }
}

#[test]
fn huge_and_empty_headers_are_refused_before_decoding() {
    assert_eq!(
        refusal(&files::png_claiming(70_000, 20)),
        "the picture has 70000×20 pixels and Inlay takes at most 16384 a side, make it smaller first: photo.png"
    );
    assert_eq!(
        refusal(&files::png_claiming(0, 20)),
        "the picture has no pixels (0×20), choose another: photo.png"
    );
    let mut gif = files::animated_gif();
    gif[6..10].copy_from_slice(&[0, 0, 9, 0]);
    assert!(matches!(open(&gif), Err(PictureError::Empty(0, 9, _))));
    gif[6..10].copy_from_slice(&[0xff, 0xff, 9, 0]);
    assert!(matches!(
        open(&gif),
        Err(PictureError::TooLarge(65535, 9, _))
    ));

    let mut bmp = files::encoded(files::ramp(4, 4), ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&40_000u32.to_le_bytes());
    assert!(matches!(
        open(&bmp),
        Err(PictureError::TooLarge(40_000, 4, _))
    ));
    bmp[18..22].copy_from_slice(&4u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&0u32.to_le_bytes());
    assert!(matches!(open(&bmp), Err(PictureError::Empty(4, 0, _))));

    let mut jpeg = files::cmyk_jpeg([0; 4]);
    let frame = jpeg
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .expect("a frame");
    jpeg[frame + 7..frame + 9].copy_from_slice(&65_500u16.to_be_bytes());
    assert!(matches!(
        open(&jpeg),
        Err(PictureError::TooLarge(65_500, 8, _))
    ));
    jpeg[frame + 7..frame + 9].copy_from_slice(&[0, 0]);
    assert!(matches!(open(&jpeg), Err(PictureError::Empty(0, 8, _))));
}

#[test]
fn texts_that_inflate_without_end_do_no_harm() {
    let bomb = files::png_text_bomb(300);
    assert_eq!(open(&bomb).expect("opens").picture.width(), 2);
    assert_eq!(inlay::io::png_text::read(&bomb), []);
}

#[test]
fn moving_pictures_give_their_first_frame_and_say_so() {
    let loaded = open(&files::animated_gif()).expect("opens");
    assert_eq!(loaded.picture.pixel(1, 1), [255, 0, 0, 255]);
    let warning = "the picture is animated, only its first frame is used: photo.png";
    assert_eq!(loaded.warnings, [warning]);
    assert_eq!(
        open(&files::animated_png()).expect("opens").warnings,
        [warning]
    );
}

#[test]
fn photographs_of_phones_come_in_as_they_look() {
    use image::ImageEncoder;

    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, profile: Vec<u8>| {
        let path = folder.path().join(name);
        let mut encoder =
            image::codecs::png::PngEncoder::new(std::fs::File::create(&path).unwrap());
        encoder.set_icc_profile(profile).unwrap();
        let pixels = [200, 100, 60].repeat(6);
        encoder
            .write_image(&pixels, 3, 2, image::ExtendedColorType::Rgb8)
            .unwrap();
        path
    };
    let p3 = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let loaded = inlay::io::load(&written("phone.png", p3)).unwrap();
    assert!(loaded.warnings.is_empty());
    let [r, g, b, a] = loaded.picture.pixel(2, 1);
    assert!(
        r.abs_diff(215) <= 1 && g.abs_diff(93) <= 1 && b.abs_diff(47) <= 1,
        "{r} {g} {b}"
    );
    assert_eq!(a, 255);
    let loaded = inlay::io::load(&written("broken.png", vec![7; 200])).unwrap();
    assert_eq!(loaded.picture.pixel(2, 1), [200, 100, 60, 255]);
    assert!(loaded.warnings[0].starts_with("the picture's colour profile can't be read"));
}
