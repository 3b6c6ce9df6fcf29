//! Picture files of every kind, good and bad, made here byte by byte.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

/// Writes bytes under a name in a folder and gives the path.
pub fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("test files can be written");
    path
}

/// Names of what lies in a folder, sorted.
pub fn listing(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// A picture in a format of the image crate.
pub fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).expect("encodes");
    bytes.into_inner()
}

/// A colour ramp.
pub fn ramp(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([
            (x * 255 / width.max(2)) as u8,
            (y * 255 / height.max(2)) as u8,
            128,
        ])
    })
}

/// A ramp as PNG.
pub fn png(width: u32, height: u32) -> Vec<u8> {
    encoded(ramp(width, height), ImageFormat::Png)
}

/// A black mask with a white rectangle (x0, y0, x1, y1) as PNG.
pub fn mask_png(width: u32, height: u32, rect: (u32, u32, u32, u32)) -> Vec<u8> {
    let mask = image::GrayImage::from_fn(width, height, |x, y| {
        let inside = (rect.0..rect.2).contains(&x) && (rect.1..rect.3).contains(&y);
        image::Luma([if inside { 255 } else { 0 }])
    });
    encoded(mask, ImageFormat::Png)
}

/// One PNG chunk with its checksum.
pub fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut bytes = (data.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(kind);
    bytes.extend_from_slice(data);
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[4..]);
    bytes.extend_from_slice(&crc.sum().to_be_bytes());
    bytes
}

/// The IHDR chunk.
pub fn png_header(width: u32, height: u32, depth: u8, color: u8) -> Vec<u8> {
    let mut data = width.to_be_bytes().to_vec();
    data.extend_from_slice(&height.to_be_bytes());
    data.extend_from_slice(&[depth, color, 0, 0, 0]);
    chunk(b"IHDR", &data)
}

/// A PNG of any chunks.
pub fn png_of(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.extend(chunks.iter().flatten());
    bytes
}

/// A PNG that states a size and holds next to nothing.
pub fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    png_of(&[
        png_header(width, height, 8, 6),
        chunk(b"IDAT", &deflated(&[0; 64])),
        chunk(b"IEND", b""),
    ])
}

/// A zlib stream.
pub fn deflated(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).expect("deflates");
    encoder.finish().expect("deflates")
}

/// A zlib stream of `megabytes` of zeros, made without holding them.
pub fn deflated_zeros(megabytes: usize) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..megabytes {
        encoder.write_all(&zeros).expect("deflates");
    }
    encoder.finish().expect("deflates")
}

/// A good 2×2 PNG whose zTXt and iTXt chunks grow to `megabytes` each when they are inflated.
pub fn png_text_bomb(megabytes: usize) -> Vec<u8> {
    let zeros = deflated_zeros(megabytes);
    let good = png(2, 2);
    let mut text = b"Comment\0\0".to_vec();
    text.extend_from_slice(&zeros);
    let mut international = b"inlay\0\x01\0\0\0".to_vec();
    international.extend_from_slice(&zeros);
    let mut bytes = good[..33].to_vec();
    bytes.extend(chunk(b"zTXt", &text));
    bytes.extend(chunk(b"iTXt", &international));
    bytes.extend_from_slice(&good[33..]);
    bytes
}

/// An 8×8 baseline JPEG of one colour in four channels, as Adobe's programs store CMYK: 255 is no ink.
pub fn cmyk_jpeg(cmyk: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8];
    let mut segment = |marker: u8, data: &[u8]| {
        bytes.extend_from_slice(&[0xff, marker]);
        bytes.extend_from_slice(&(data.len() as u16 + 2).to_be_bytes());
        bytes.extend_from_slice(data);
    };
    segment(0xee, b"Adobe\0\x64\0\0\0\0\0");
    // Eight in the table makes the constant coefficient the value itself, less 128.
    let mut table = vec![0];
    table.extend_from_slice(&[8; 64]);
    segment(0xdb, &table);
    let mut frame = vec![8, 0, 8, 0, 8, 4];
    for id in 1..=4 {
        frame.extend_from_slice(&[id, 0x11, 0]);
    }
    segment(0xc0, &frame);
    // Constant coefficients: twelve codes of four bits. Others: one code of one bit, end of block.
    let mut constant = vec![0x00, 0, 0, 0, 12];
    constant.extend_from_slice(&[0; 12]);
    constant.extend(0..12);
    segment(0xc4, &constant);
    let mut others = vec![0x10, 1];
    others.extend_from_slice(&[0; 15]);
    others.push(0);
    segment(0xc4, &others);
    segment(0xda, &[4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0]);
    let mut bits = String::new();
    for ink in cmyk {
        let value = i32::from(255 - ink) - 128;
        let category = 32 - value.unsigned_abs().leading_zeros();
        let extra = if value < 0 {
            value + (1 << category) - 1
        } else {
            value
        };
        bits.push_str(&format!("{category:04b}"));
        if category > 0 {
            bits.push_str(&format!("{extra:0width$b}", width = category as usize));
        }
        bits.push('0');
    }
    while !bits.len().is_multiple_of(8) {
        bits.push('1');
    }
    for byte in bits.as_bytes().chunks(8) {
        let text = std::str::from_utf8(byte).expect("ASCII");
        let byte = u8::from_str_radix(text, 2).expect("binary");
        bytes.push(byte);
        if byte == 0xff {
            bytes.push(0);
        }
    }
    bytes.extend_from_slice(&[0xff, 0xd9]);
    bytes
}

/// A big-endian Exif block with an orientation.
pub fn exif_orientation(orientation: u8) -> Vec<u8> {
    let mut exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0]);
    exif
}

/// A 32×16 JPEG, left half red and right half blue, with an orientation.
pub fn rotated_jpeg(orientation: u8) -> Vec<u8> {
    let image = RgbImage::from_fn(32, 16, |x, _| {
        if x < 16 {
            Rgb([255, 0, 0])
        } else {
            Rgb([0, 0, 255])
        }
    });
    let plain = encoded(image, ImageFormat::Jpeg);
    let mut exif = b"Exif\0\0".to_vec();
    exif.extend(exif_orientation(orientation));
    let mut bytes = plain[..2].to_vec();
    bytes.extend_from_slice(&[0xff, 0xe1]);
    bytes.extend_from_slice(&(exif.len() as u16 + 2).to_be_bytes());
    bytes.extend(exif);
    bytes.extend_from_slice(&plain[2..]);
    bytes
}

/// A GIF of red, green and blue frames of 4×4.
pub fn animated_gif() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    for color in [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255]] {
        let frame = image::RgbaImage::from_pixel(4, 4, image::Rgba(color));
        encoder
            .encode_frame(image::Frame::new(frame))
            .expect("encodes");
    }
    drop(encoder);
    bytes
}

/// A PNG that says it is animated, of a 3×3 default picture and two frames.
pub fn animated_png() -> Vec<u8> {
    let good = png(3, 3);
    let mut control = 2u32.to_be_bytes().to_vec();
    control.extend_from_slice(&0u32.to_be_bytes());
    let mut bytes = good[..33].to_vec();
    bytes.extend(chunk(b"acTL", &control));
    bytes.extend_from_slice(&good[33..]);
    bytes
}

/// A photograph of a red box, 0.4 of each side, on grass: speckled, and darker at the bottom.
pub fn photo_of_a_box(width: u32, height: u32) -> RgbImage {
    photo_of_a_box_of(width, height, [190, 40, 40])
}

/// The same of a box of another colour, up to 240.
pub fn photo_of_a_box_of(width: u32, height: u32, colour: [u32; 3]) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let speckle = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 7 & 15;
        let inside = |at: u32, side: u32| (3 * side / 10..7 * side / 10).contains(&at);
        let colour = match inside(x, width) && inside(y, height) {
            true => colour,
            false => [70, 150 - 60 * y / height, 60],
        };
        Rgb(colour.map(|v| (v + speckle) as u8))
    })
}

/// A red box, 0.4 of each side, before white.
pub fn box_on_plain(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let inside = |at: u32, side: u32| (3 * side / 10..7 * side / 10).contains(&at);
        match inside(x, width) && inside(y, height) {
            true => Rgb([190, 40, 40]),
            false => Rgb([255; 3]),
        }
    })
}
