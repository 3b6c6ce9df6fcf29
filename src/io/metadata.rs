//! What a result says about itself: the whole recipe, the line other programs read, and its provenance.
//!
//! PNG (all iTXt, UTF-8): `inlay` holds the recipe as JSON; `parameters` the prompt and settings in the grammar
//! that A1111 began; `XML:com.adobe.xmp` an XMP packet with IPTC's DigitalSourceType.
//! JPEG: the parameters as EXIF UserComment and the same XMP packet.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::{PictureError, SaveError};
use super::header::Format;
use super::picture::read_file;
use super::{png_text, save};
use crate::doc::{JobSpec, Picture, Role};

/// Keyword of the recipe.
pub const RECIPE_KEY: &str = "inlay";
/// Keyword of the A1111 line.
pub const PARAMETERS_KEY: &str = "parameters";
/// Keyword that the XMP specification gives for PNG.
pub const XMP_KEY: &str = "XML:com.adobe.xmp";

/// Everything that made one picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The program's version.
    pub inlay: String,
    /// Which output of the job this is, from 0.
    pub output: u32,
    /// Which joint picture of the output, from 0 (RES1).
    pub joint: u32,
    /// The seed of this output's own noise.
    pub seed: u64,
    /// The job, with hashes of all its inputs.
    pub job: JobSpec,
}

impl Recipe {
    /// The recipe of output `output`, joint picture `joint`, of a job run by this version of the program.
    pub fn new(job: JobSpec, output: u32, joint: u32, seed: u64) -> Self {
        Self {
            inlay: env!("CARGO_PKG_VERSION").to_string(),
            output,
            joint,
            seed,
            job,
        }
    }

    /// The prompt and the settings in A1111's grammar: the prompt, then one line of `Key: value` pairs.
    /// `size` is the picture's width and height.
    pub fn parameters(&self, size: (u32, u32)) -> String {
        let job = &self.job;
        let mut pairs = vec![
            ("Steps", job.steps.to_string()),
            ("Sampler", format!("{:?}", job.solver)),
            ("CFG scale", job.guidance_text.to_string()),
            ("Image CFG scale", job.guidance_image.to_string()),
            ("Seed", self.seed.to_string()),
            ("Size", format!("{}x{}", size.0, size.1)),
            ("Model", job.model.clone()),
        ];
        if !job.model_hash.is_empty() {
            pairs.push(("Model hash", job.model_hash.chars().take(10).collect()));
        }
        if !job.regions.is_empty() {
            let levels: Vec<String> = job
                .regions
                .iter()
                .map(|region| format!("{:?}", region.level).to_lowercase())
                .collect();
            pairs.push(("Mask level", levels.join(", ")));
        }
        if let Some(tags) = &job.tags {
            pairs.push(("Context", tags.join("; ")));
        }
        pairs.push(("Version", format!("Inlay {}", self.inlay)));
        let line: Vec<String> = pairs
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| format!("{key}: {}", quoted(&value)))
            .collect();
        // Blank lines at the end would be read as part of the settings.
        format!("{}\n{}", job.prompt.trim_end(), line.join(", "))
    }

    /// IPTC's word for how the picture came to be: a photo with generated parts, or all generated.
    pub fn digital_source_type(&self) -> &'static str {
        let has_canvas = self
            .job
            .inputs
            .iter()
            .any(|input| input.role == Role::Canvas);
        if has_canvas {
            "compositeWithTrainedAlgorithmicMedia"
        } else {
            "trainedAlgorithmicMedia"
        }
    }

    /// The XMP packet.
    pub fn xmp(&self) -> String {
        format!(
            "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n\
             <x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n\
             <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n\
             <rdf:Description rdf:about=\"\"\n\
             xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\"\n\
             xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\"\n\
             xmp:CreatorTool=\"Inlay {}\"\n\
             Iptc4xmpExt:DigitalSourceType=\"http://cv.iptc.org/newscodes/digitalsourcetype/{}\"/>\n\
             </rdf:RDF>\n\
             </x:xmpmeta>\n\
             <?xpacket end=\"w\"?>",
            xml_safe(&self.inlay),
            self.digital_source_type()
        )
    }
}

/// A value of the parameters line: as a JSON string where a comma, a colon or a line break would be misread.
fn quoted(value: &str) -> String {
    if value.contains([',', ':', '\n']) {
        serde_json::Value::from(value).to_string()
    } else {
        value.to_string()
    }
}

fn xml_safe(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

/// The key and value pairs of a parameters text's last line, unquoted, and the prompt before it.
pub fn parse_parameters(text: &str) -> (String, Vec<(String, String)>) {
    let (prompt, mut line) = text.rsplit_once('\n').unwrap_or(("", text));
    let mut pairs = Vec::new();
    while let Some((key, rest)) = line.split_once(": ") {
        let (value, after) = if rest.starts_with('"') {
            let mut parts = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            match parts.next() {
                Some(Ok(value)) => {
                    let end = parts.byte_offset();
                    (value, &rest[end..])
                }
                _ => break,
            }
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            (rest[..end].to_string(), &rest[end..])
        };
        pairs.push((key.trim().to_string(), value));
        line = after.trim_start_matches([',', ' ']);
    }
    (prompt.to_string(), pairs)
}

/// Why there is no recipe to be had from a file.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file can't be read.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// Another format.
    #[error("recipes are kept in PNG files, name the PNG that Inlay saved: {}", .0.display())]
    NotPng(std::path::PathBuf),
    /// A PNG from elsewhere.
    #[error("this picture holds no recipe, it was not made by Inlay or was saved again by another program: {}", .0.display())]
    None(std::path::PathBuf),
    /// A recipe that is not understood.
    #[error("the recipe in this picture can't be read ({0}): {path}", path = .1.display())]
    Damaged(String, std::path::PathBuf),
    /// A recipe of a later version of the program.
    #[error("the recipe in this picture is of a newer Inlay (format {0}), update Inlay first: {path}", path = .1.display())]
    Newer(u64, std::path::PathBuf),
}

/// The recipe in a PNG file. The picture itself need not be whole.
///
/// # Errors
/// [`RecipeError`], a sentence with the path last.
pub fn read(path: &Path) -> Result<Recipe, RecipeError> {
    let bytes = read_file(path)?;
    match Format::of(&bytes) {
        Some(Format::Png) => {}
        Some(_) => return Err(RecipeError::NotPng(path.into())),
        None => return Err(PictureError::NotAPicture(path.into()).into()),
    }
    let text = png_text::read(&bytes)
        .into_iter()
        .find_map(|(keyword, text)| (keyword == RECIPE_KEY).then_some(text))
        .ok_or_else(|| RecipeError::None(path.into()))?;
    let damaged = |error: serde_json::Error| RecipeError::Damaged(error.to_string(), path.into());
    let value: serde_json::Value = serde_json::from_str(&text).map_err(damaged)?;
    let version = value["job"]["version"].as_u64().unwrap_or(0);
    if version > u64::from(crate::doc::job::JOB_VERSION) {
        return Err(RecipeError::Newer(version, path.into()));
    }
    serde_json::from_value(value).map_err(damaged)
}

/// A picture as a PNG file, opaque pictures without alpha channel. No date is written: the same job gives
/// the same bytes. `recipe` may be `None` for pictures the model had no part in.
///
/// # Errors
/// What the encoder says, without path.
pub fn encode_png(picture: &Picture, recipe: Option<&Recipe>) -> Result<Vec<u8>, String> {
    let fail = |error: png::EncodingError| error.to_string();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, picture.width(), picture.height());
    let has_alpha = picture.has_alpha();
    encoder.set_color(if has_alpha {
        png::ColorType::Rgba
    } else {
        png::ColorType::Rgb
    });
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    if let Some(recipe) = recipe {
        let json = serde_json::to_string(recipe).map_err(|error| error.to_string())?;
        let size = (picture.width(), picture.height());
        for (key, text) in [
            (PARAMETERS_KEY, recipe.parameters(size)),
            (RECIPE_KEY, json),
            (XMP_KEY, recipe.xmp()),
        ] {
            encoder
                .add_itxt_chunk(key.to_string(), text)
                .map_err(fail)?;
        }
    }
    let mut writer = encoder.write_header().map_err(fail)?;
    if has_alpha {
        writer.write_image_data(picture.pixels()).map_err(fail)?;
    } else {
        writer.write_image_data(&rgb(picture)).map_err(fail)?;
    }
    writer.finish().map_err(fail)?;
    Ok(bytes)
}

/// A picture as a JPEG file over white, quality 1 to 100.
///
/// # Errors
/// What the encoder says, without path.
pub fn encode_jpeg(
    picture: &Picture,
    quality: u8,
    recipe: Option<&Recipe>,
) -> Result<Vec<u8>, String> {
    let mut coded = Vec::new();
    let pixels = over_white(picture);
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut coded, quality.clamp(1, 100))
        .encode(
            &pixels,
            picture.width(),
            picture.height(),
            image::ExtendedColorType::Rgb8,
        )
        .map_err(|error| error.to_string())?;
    let Some(recipe) = recipe else {
        return Ok(coded);
    };
    // Segments go after the JFIF header, which must be first.
    let after_jfif = match coded.get(2..6) {
        Some([0xff, 0xe0, high, low]) => 4 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => 2,
    };
    let mut bytes = coded[..after_jfif.min(coded.len())].to_vec();
    let comment = exif_comment(&recipe.parameters((picture.width(), picture.height())));
    for data in [comment, xmp_segment(&recipe.xmp())] {
        // A segment's length is 16 bits; a text that does not fit is left out.
        if let Ok(length) = u16::try_from(data.len() + 2) {
            bytes.extend_from_slice(&[0xff, 0xe1]);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&data);
        }
    }
    bytes.extend_from_slice(&coded[after_jfif.min(coded.len())..]);
    Ok(bytes)
}

/// Writes a picture as PNG, or as JPEG if the name ends in .jpg or .jpeg; see [`save::replace`].
///
/// # Errors
/// [`SaveError`], a sentence with the path last.
pub fn write(path: &Path, picture: &Picture, recipe: Option<&Recipe>) -> Result<(), SaveError> {
    let extension = path
        .extension()
        .map(|extension| extension.to_string_lossy().to_lowercase());
    let encoded = match extension.as_deref() {
        Some("jpg" | "jpeg") => encode_jpeg(picture, 95, recipe),
        _ => encode_png(picture, recipe),
    };
    save::replace(
        path,
        &encoded.map_err(|error| SaveError::Encode(error, path.into()))?,
    )
}

fn rgb(picture: &Picture) -> Vec<u8> {
    let opaque = picture.pixels().chunks_exact(4);
    opaque
        .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
        .collect()
}

fn over_white(picture: &Picture) -> Vec<u8> {
    let blend = |value: u8, alpha: u8| {
        let sum = u32::from(value) * u32::from(alpha) + 255 * (255 - u32::from(alpha));
        ((sum + 127) / 255) as u8
    };
    picture
        .pixels()
        .chunks_exact(4)
        .flat_map(|p| [blend(p[0], p[3]), blend(p[1], p[3]), blend(p[2], p[3])])
        .collect()
}

/// An APP1 payload: a big-endian TIFF block with an Exif directory that holds only UserComment (Exif 2.32, 4.6.5).
fn exif_comment(text: &str) -> Vec<u8> {
    let mut comment = b"UNICODE\0".to_vec();
    comment.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
    let length = (comment.len() as u32).to_be_bytes();
    let mut data = b"Exif\0\0MM\0\x2a\0\0\0\x08".to_vec();
    // First directory at 8: one entry, the Exif directory's offset (26).
    data.extend_from_slice(&[0, 1, 0x87, 0x69, 0, 4, 0, 0, 0, 1, 0, 0, 0, 26, 0, 0, 0, 0]);
    // Exif directory at 26: one entry of type undefined, its data at 44.
    data.extend_from_slice(&[0, 1, 0x92, 0x86, 0, 7]);
    data.extend_from_slice(&length);
    data.extend_from_slice(&[0, 0, 0, 44, 0, 0, 0, 0]);
    data.extend_from_slice(&comment);
    data
}

/// An APP1 payload with an XMP packet.
fn xmp_segment(packet: &str) -> Vec<u8> {
    let mut data = b"http://ns.adobe.com/xap/1.0/\0".to_vec();
    data.extend_from_slice(packet.as_bytes());
    data
}
