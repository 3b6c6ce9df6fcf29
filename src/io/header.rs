//! The first bytes of a picture file: format, size and whether it moves, before anything is decoded.
//!
//! Formats: PNG (W3C PNG 3rd edition), GIF89a, JPEG (ITU T.81 B.2.2), BMP (BITMAPCOREHEADER and later),
//! WebP (RFC 9649), TIFF 6.0.

/// A format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Portable Network Graphics.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP.
    WebP,
    /// Windows bitmap.
    Bmp,
    /// Tagged Image File Format.
    Tiff,
    /// Graphics Interchange Format.
    Gif,
}

impl Format {
    /// The format of these bytes, whatever the file is called; `None` if it is none of the six.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            Some(Self::Jpeg)
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            Some(Self::WebP)
        } else if bytes.starts_with(b"BM") && bytes.len() >= 18 && dib_size(bytes) {
            Some(Self::Bmp)
        } else if bytes.starts_with(b"II*\0") || bytes.starts_with(b"MM\0*") {
            Some(Self::Tiff)
        } else if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
            Some(Self::Gif)
        } else {
            None
        }
    }
}

/// "BM" begins many a text; a bitmap goes on with a known header size.
fn dib_size(bytes: &[u8]) -> bool {
    matches!(
        u32_le(bytes, 14),
        Some(12 | 16 | 40 | 52 | 56 | 64 | 108 | 124)
    )
}

/// Width and height in pixels as the header states them, before rotation; `None` where the header ends
/// early, or for TIFF, whose header may lie anywhere.
pub fn size(bytes: &[u8], format: Format) -> Option<(u32, u32)> {
    match format {
        Format::Png => Some((u32_be(bytes, 16)?, u32_be(bytes, 20)?)),
        Format::Gif => Some((u16_le(bytes, 6)?, u16_le(bytes, 8)?)),
        Format::Bmp if u32_le(bytes, 14)? == 12 => Some((u16_le(bytes, 18)?, u16_le(bytes, 20)?)),
        Format::Bmp => {
            // Negative heights are stored top to bottom.
            let side = |at| Some((u32_le(bytes, at)? as i32).unsigned_abs());
            Some((side(18)?, side(22)?))
        }
        Format::Jpeg => jpeg_size(bytes),
        Format::WebP => webp_size(bytes),
        Format::Tiff => None,
    }
}

/// Whether the file holds more than one frame.
pub fn is_animated(bytes: &[u8], format: Format) -> bool {
    match format {
        Format::Png => png_chunks(bytes)
            .take_while(|(kind, _)| kind != b"IDAT")
            .any(|(kind, _)| &kind == b"acTL"),
        Format::WebP => {
            bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|flags| flags & 2 != 0)
        }
        Format::Gif => gif_frames(bytes) > 1,
        Format::Jpeg | Format::Bmp | Format::Tiff => false,
    }
}

/// Whether the file has its end, for the formats whose decoders do not tell: a JPEG decoder fills what is
/// missing with grey without a word, a WebP decoder takes it for damage.
pub fn is_whole(bytes: &[u8], format: Format) -> bool {
    match format {
        // In coded data 0xff is always followed by 0 or a restart marker (T.81 B.1.1.5), so the first FF D9
        // there is the end.
        Format::Jpeg => {
            let scan = jpeg_segments(bytes).find(|segment| segment.marker == 0xda);
            scan.is_some_and(|scan| bytes[scan.at..].windows(2).any(|pair| pair == [0xff, 0xd9]))
        }
        Format::WebP => u32_le(bytes, 4).is_some_and(|length| length as usize <= bytes.len() - 8),
        Format::Png | Format::Bmp | Format::Tiff | Format::Gif => true,
    }
}

/// The chunks of a PNG: four-letter kind and data; stops where the file does.
pub fn png_chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut at = 8;
    std::iter::from_fn(move || {
        let length = u32_be(bytes, at)? as usize;
        let kind = bytes.get(at + 4..at + 8)?.try_into().ok()?;
        let data = bytes.get(at + 8..(at + 8).checked_add(length)?)?;
        at += 12 + length;
        Some((kind, data))
    })
}

struct Segment<'a> {
    marker: u8,
    at: usize,
    data: &'a [u8],
}

/// The marker segments of a JPEG up to and with the first scan header.
fn jpeg_segments(bytes: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut at = 2;
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        // Any number of fill bytes may stand before a marker.
        while bytes.get(at) == Some(&0xff) && bytes.get(at + 1) == Some(&0xff) {
            at += 1;
        }
        if bytes.get(at) != Some(&0xff) {
            return None;
        }
        let marker = *bytes.get(at + 1)?;
        let length = usize::from(u16::from_be_bytes([
            *bytes.get(at + 2)?,
            *bytes.get(at + 3)?,
        ]));
        let data = bytes.get(at + 4..at + 2 + length)?;
        let segment = Segment { marker, at, data };
        at += 2 + length;
        ended = marker == 0xda;
        Some(segment)
    })
}

fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let frame = jpeg_segments(bytes).find(|segment| {
        (0xc0..=0xcf).contains(&segment.marker) && !matches!(segment.marker, 0xc4 | 0xc8 | 0xcc)
    })?;
    let side = |at: usize| {
        let pair = frame.data.get(at..at + 2)?;
        Some(u32::from(u16::from_be_bytes([pair[0], pair[1]])))
    };
    Some((side(3)?, side(1)?))
}

fn webp_size(bytes: &[u8]) -> Option<(u32, u32)> {
    match bytes.get(12..16)? {
        b"VP8X" => {
            let side = |at| Some((u32_le(bytes, at)? & 0xff_ffff) + 1);
            Some((side(24)?, side(27).or_else(|| side_at_end(bytes, 27))?))
        }
        b"VP8L" => {
            let bits = u32_le(bytes, 21)?;
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        b"VP8 " => Some((u16_le(bytes, 26)? & 0x3fff, u16_le(bytes, 28)? & 0x3fff)),
        _ => None,
    }
}

/// Three bytes, where the file has no fourth.
fn side_at_end(bytes: &[u8], at: usize) -> Option<u32> {
    let three = bytes.get(at..at + 3)?;
    Some(u32::from_le_bytes([three[0], three[1], three[2], 0]) + 1)
}

/// Frames of a GIF, counted to two.
fn gif_frames(bytes: &[u8]) -> usize {
    let table = |flags: u8| {
        if flags & 0x80 != 0 {
            3 << ((flags & 7) + 1)
        } else {
            0
        }
    };
    let skip_blocks = |mut at: usize| {
        while let Some(&length) = bytes.get(at) {
            at += 1 + usize::from(length);
            if length == 0 {
                break;
            }
        }
        at
    };
    let Some(&flags) = bytes.get(10) else {
        return 0;
    };
    let mut at = 13 + table(flags);
    let mut frames = 0;
    while frames < 2 {
        match bytes.get(at) {
            Some(0x21) => at = skip_blocks(at + 2),
            Some(0x2c) => {
                frames += 1;
                let local = bytes.get(at + 9).map_or(0, |&flags| table(flags));
                at = skip_blocks(at + 10 + local + 1);
            }
            _ => break,
        }
    }
    frames
}

fn u16_le(bytes: &[u8], at: usize) -> Option<u32> {
    let two = bytes.get(at..at + 2)?;
    Some(u32::from(u16::from_le_bytes([two[0], two[1]])))
}

fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
