//! The whole model: what is prepared once a request, what is kept between requests, and a step.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::autoencoder::Autoencoder;
use super::cache::{CacheStats, Lru};
use super::config::{AttentionKind, Config, TOKEN};
use super::embed::{Content, ImageInput};
use super::error::{ModelError, Result, check_cancel};
use super::light::LightModel;
use super::ops::Kernels;
use super::rope::Grid;
use super::text::TextEncoder;
use super::transformer::{Context, Segment, Transformer};
use super::weights::{LoadProgress, Source, Weights};
use crate::doc::{ControlKind, Level, Role};

/// Bytes of keys, values and latents that are kept between requests.
const CACHE_BYTES: usize = 1 << 30;
/// A picture's side in pixels at most; larger ones would take minutes and gigabytes.
const MAX_SIDE: u32 = 4096;

/// An input picture at the size the model is to see it.
#[derive(Clone, Debug)]
pub struct InputPicture {
    /// Equal keys mean equal pixels.
    pub key: u64,
    /// What it is for.
    pub role: Role,
    /// The kind, for controls.
    pub kind: Option<ControlKind>,
    /// The level, for masks.
    pub level: Option<Level>,
    /// Object area / mask area, if known, for masks.
    pub fit: Option<f32>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Masks: `height · width` values 0..1; others: `height · width · 3` RGB values 0..1.
    pub values: Arc<[f32]>,
    /// Where an asset is placed: top, left, bottom, right as shares of the output frame.
    pub placed: Option<[f32; 4]>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The exact text.
    pub text: String,
    /// The pictures in IMG order.
    pub images: Vec<InputPicture>,
    /// Output width in pixels.
    pub width: u32,
    /// Output height in pixels.
    pub height: u32,
    /// Joint pictures per output.
    pub joint: usize,
    /// The output is a map of the canvas: it starts from nothing rather than from it.
    pub map: bool,
}

/// Which conditions a velocity is asked under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// Text and pictures.
    Full,
    /// The empty prompt, all pictures.
    NoText,
    /// The empty prompt, without assets and placement controls. The others keep their numbers.
    NoReferences,
}

/// What identifies the keys and values of a picture: its pixels and everything that is added to its tokens.
/// Where it is placed is no part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ImageKey {
    content: ContentKey,
    index: usize,
    role: Role,
    kind: Option<ControlKind>,
    level: Option<Level>,
    fit: Option<u32>,
}

/// What identifies a latent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ContentKey {
    key: u64,
    mask: bool,
    width: u32,
    height: u32,
}

/// What identifies a [`Context`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Signature {
    ids: Vec<u32>,
    images: Vec<(ImageKey, Option<[u32; 4]>)>,
    frame: Grid,
    joint: usize,
    map: bool,
}

/// Tokens (full attention) or keys and values (cached attention).
enum Encoded {
    Tokens(Tensor),
    Segment(Segment),
}

impl Encoded {
    fn bytes(&self) -> usize {
        match self {
            Encoded::Tokens(tokens) => tokens.elem_count() * tokens.dtype().size_in_bytes(),
            Encoded::Segment(segment) => segment.bytes(),
        }
    }
}

struct PreparedImage {
    key: ImageKey,
    image: ImageInput,
}

struct Prepared {
    ids: Vec<u32>,
    images: Vec<PreparedImage>,
    frame: Grid,
    joint: usize,
    map: bool,
}

/// A loaded model.
pub struct UniReal {
    config: Config,
    hash: String,
    device: Device,
    autoencoder: Autoencoder,
    text: TextEncoder,
    transformer: Transformer,
    light: Option<LightModel>,
    latents: Lru<ContentKey, Tensor>,
    images: Lru<ImageKey, Encoded>,
    texts: Lru<Vec<u32>, Encoded>,
    contexts: HashMap<Signature, Arc<Context>>,
    prepared: Option<Prepared>,
    warnings: Vec<String>,
    stats: CacheStats,
}

fn tensor_bytes(tensor: &Tensor) -> usize {
    tensor.elem_count() * tensor.dtype().size_in_bytes()
}

impl UniReal {
    /// Reads, checks and builds a model.
    ///
    /// # Errors
    /// As [`Self::load_with`].
    pub fn load(source: &Source, device: &Device) -> Result<Self> {
        Self::load_with(source, device, Kernels::for_device(device), &mut |_, _| {})
    }

    /// Like [`UniReal::load`], with a choice of kernels, and tells how far it is.
    ///
    /// # Errors
    /// [`ModelError::Device`] for the fused kernels on another device than the processor; or if a file cannot be read,
    /// is damaged or does not fit the others, or the device has no room.
    pub fn load_with(
        source: &Source,
        device: &Device,
        kernels: Kernels,
        progress: LoadProgress,
    ) -> Result<Self> {
        if kernels == Kernels::Fused && !device.is_cpu() {
            return Err(ModelError::Device(
                "the fused kernels run on the processor only".into(),
            ));
        }
        let weights = Weights::load(source, device, progress)?;
        let config = weights.config;
        Ok(Self {
            autoencoder: Autoencoder::new(&config.autoencoder, &weights.autoencoder, kernels)?,
            text: TextEncoder::new(&config.text, &weights.tokenizer, &weights.text, device)?,
            transformer: Transformer::new(&config, &weights.transformer, device, kernels)?,
            light: match (&config.light, &weights.light) {
                (Some(config), Some(tensors)) => Some(LightModel::new(config, tensors, kernels)?),
                _ => None,
            },
            config,
            hash: weights.hash,
            device: device.clone(),
            latents: Lru::new(CACHE_BYTES / 8),
            images: Lru::new(CACHE_BYTES),
            texts: Lru::new(CACHE_BYTES / 8),
            contexts: HashMap::new(),
            prepared: None,
            warnings: Vec::new(),
            stats: CacheStats::default(),
        })
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// BLAKE3 of all files, hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The device that computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The transformer.
    pub fn transformer(&self) -> &Transformer {
        &self.transformer
    }

    /// The autoencoder.
    pub fn autoencoder(&self) -> &Autoencoder {
        &self.autoencoder
    }

    /// The light model, if there is one.
    pub fn light(&self) -> Option<&LightModel> {
        self.light.as_ref()
    }

    /// The text encoder.
    pub fn text(&mut self) -> &mut TextEncoder {
        &mut self.text
    }

    /// How often work was done.
    pub fn stats(&self) -> CacheStats {
        self.stats
    }

    /// Forgets everything that was kept between requests.
    pub fn clear_caches(&mut self) {
        self.latents.clear();
        self.images.clear();
        self.texts.clear();
        self.contexts.clear();
    }

    /// What the artist should know about the last request; empties the list.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn check(&self, request: &Request) -> Result<()> {
        let m = &self.config.transformer;
        let fail = |text: String| Err(ModelError::Input(text));
        if request.images.len() > m.max_inputs {
            return fail(format!(
                "{} input pictures, masks included, are more than the model's {}: remove some",
                request.images.len(),
                m.max_inputs
            ));
        }
        if request.joint == 0 || request.joint > m.max_outputs {
            return fail(format!(
                "{} joint pictures were asked for, the model makes 1 to {}",
                request.joint, m.max_outputs
            ));
        }
        check_size("the output", request.width, request.height)?;
        for (number, image) in request.images.iter().enumerate() {
            let name = format!("IMG{}", number + 1);
            check_size(&name, image.width, image.height)?;
            if (image.role == Role::Control) != image.kind.is_some() {
                return fail(format!(
                    "{name} must have a kind of control if its role is control, and only then"
                ));
            }
            let mask = image.kind == Some(ControlKind::Mask);
            if mask && image.level.is_none() {
                return fail(format!(
                    "{name} is a mask without level: choose exact, outline, blob or box"
                ));
            }
            let values = image.width as usize * image.height as usize * if mask { 1 } else { 3 };
            if image.values.len() != values {
                return fail(format!(
                    "{name} has {} values, expected {values}",
                    image.values.len()
                ));
            }
            let finite = |v: &f32| v.is_finite();
            if !image.values.iter().all(finite)
                || !image.placed.iter().flatten().all(finite)
                || !image.fit.iter().all(finite)
            {
                return fail(format!("{name} holds values that are not finite"));
            }
        }
        Ok(())
    }

    /// Encodes text and pictures; what did not change since earlier requests is not computed again.
    ///
    /// # Errors
    /// [`ModelError::Input`] for a request that the model does not take; or if the device fails, or `cancel` says so.
    pub fn prepare(&mut self, request: &Request, cancel: &dyn Fn() -> bool) -> Result<()> {
        self.check(request)?;
        self.prepared = None;
        self.warnings.clear();
        let tokens = self.text.tokenize(&request.text)?;
        if tokens.cut > 0 {
            self.warnings.push(format!(
                "The prompt is too long: its last {} of {} tokens are not used",
                tokens.cut,
                tokens.cut + tokens.ids.len()
            ));
        }
        let mut images = Vec::with_capacity(request.images.len());
        for (index, picture) in request.images.iter().enumerate() {
            let mask = picture.kind == Some(ControlKind::Mask);
            let content_key = ContentKey {
                key: picture.key,
                mask,
                width: picture.width,
                height: picture.height,
            };
            let image = ImageInput {
                role: picture.role,
                kind: picture.kind,
                index,
                content: self.content(content_key, picture, cancel)?,
                level: picture.level.filter(|_| mask),
                fit: picture.fit.filter(|_| mask),
                placed: picture.placed.filter(|_| picture.role == Role::Asset),
            };
            let key = ImageKey {
                content: content_key,
                index,
                role: image.role,
                kind: image.kind,
                level: image.level,
                fit: image.fit.map(f32::to_bits),
            };
            images.push(PreparedImage { key, image });
        }
        self.prepared = Some(Prepared {
            ids: tokens.ids,
            images,
            frame: (
                request.height as usize / TOKEN,
                request.width as usize / TOKEN,
            ),
            joint: request.joint,
            map: request.map,
        });
        let previous = std::mem::take(&mut self.contexts);
        for condition in [Condition::Full, Condition::NoText, Condition::NoReferences] {
            let signature = self.signature(condition)?;
            if let Some(context) = previous.get(&signature) {
                self.contexts.insert(signature, context.clone());
            }
        }
        drop(previous);
        self.context(Condition::Full, cancel).map(|_| ())
    }

    fn content(
        &mut self,
        key: ContentKey,
        picture: &InputPicture,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Content> {
        let (w, h) = (picture.width as usize, picture.height as usize);
        if key.mask {
            let mask = Tensor::from_slice(&picture.values, (h, w), &self.device)?;
            return Ok(Content::Mask(mask));
        }
        if let Some(latent) = self.latents.get(&key) {
            self.stats.hits += 1;
            return Ok(Content::Latent((*latent).clone()));
        }
        check_cancel(cancel)?;
        let latent = self.encode(&picture.values, picture.width, picture.height, cancel)?;
        self.stats.image_encodes += 1;
        let bytes = tensor_bytes(&latent);
        self.latents.insert(key, latent.clone(), bytes);
        Ok(Content::Latent(latent))
    }

    /// An RGB picture (0..1, interleaved) as a `[1, C, h, w]` latent.
    ///
    /// # Errors
    /// Sides or values of another number than the model takes; cancelled.
    pub fn encode(
        &self,
        rgb: &[f32],
        width: u32,
        height: u32,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Tensor> {
        check_size("the picture", width, height)?;
        let (w, h) = (width as usize, height as usize);
        if rgb.len() != w * h * 3 {
            return Err(ModelError::Input(format!(
                "a picture of {width} × {height} pixels has {} values, expected {}",
                rgb.len(),
                w * h * 3
            )));
        }
        let rgb = Tensor::from_slice(rgb, (1, h, w, 3), &self.device)?;
        self.autoencoder
            .encode(&rgb.permute((0, 3, 1, 2))?.contiguous()?, cancel)
    }

    /// Latents as RGB pictures `[N, 3, H, W]`, clamped to 0..1.
    ///
    /// # Errors
    /// If there are none, the device fails, or `cancel` says so.
    pub fn decode(&self, z: &Tensor, cancel: &dyn Fn() -> bool) -> Result<Tensor> {
        let pictures = z.dim(0)?;
        let mut parts = Vec::with_capacity(pictures);
        // One at a time: the largest planes are at full resolution.
        for i in 0..pictures {
            check_cancel(cancel)?;
            parts.push(
                self.autoencoder
                    .decode(&z.narrow(0, i, 1)?.contiguous()?, cancel)?,
            );
        }
        Ok(Tensor::cat(&parts, 0)?.clamp(0f32, 1f32)?)
    }

    fn prepared(&self) -> Result<&Prepared> {
        self.prepared
            .as_ref()
            .ok_or_else(|| ModelError::Input("nothing was prepared: call prepare first".into()))
    }

    fn signature(&self, condition: Condition) -> Result<Signature> {
        let p = self.prepared()?;
        let ids = match condition {
            Condition::Full => p.ids.clone(),
            _ => self.text.tokenize("")?.ids,
        };
        let images = p
            .images
            .iter()
            .filter(|i| is_used(condition, &i.image))
            .map(|i| (i.key.clone(), i.image.placed.map(|a| a.map(f32::to_bits))))
            .collect();
        Ok(Signature {
            ids,
            images,
            frame: p.frame,
            joint: p.joint,
            map: p.map,
        })
    }

    fn context(&mut self, condition: Condition, cancel: &dyn Fn() -> bool) -> Result<Arc<Context>> {
        let signature = self.signature(condition)?;
        if let Some(context) = self.contexts.get(&signature) {
            return Ok(context.clone());
        }
        let text = self.encoded_text(&signature.ids, cancel)?;
        let used: Vec<(ImageKey, ImageInput)> = self
            .prepared()?
            .images
            .iter()
            .filter(|i| is_used(condition, &i.image))
            .map(|i| (i.key.clone(), i.image.clone()))
            .collect();
        let mut encoded = vec![(text, None)];
        for (key, image) in &used {
            let rope = self.transformer.cross_rope(image, signature.frame)?;
            encoded.push((self.encoded_image(key, image, cancel)?, Some(rope)));
        }
        let inputs: Vec<_> = used.iter().map(|(_, image)| image).collect();
        let mut basis = self
            .transformer
            .output_basis(&inputs, signature.frame, signature.joint)?;
        if signature.map {
            basis = basis.from_nothing();
        }
        let (mut segments, mut tokens) = (Vec::new(), Vec::new());
        for (encoded, rope) in &encoded {
            match &**encoded {
                Encoded::Segment(segment) => segments.push((segment, rope.clone())),
                Encoded::Tokens(states) => tokens.push((states, rope.clone())),
            }
        }
        let context = match self.transformer.attention() {
            AttentionKind::Cached => {
                self.transformer
                    .cached_context(&segments, basis, signature.frame)?
            }
            AttentionKind::Full => {
                self.transformer
                    .full_context(&tokens, basis, signature.frame)?
            }
        };
        self.stats.contexts += 1;
        let context = Arc::new(context);
        self.contexts.insert(signature, context.clone());
        Ok(context)
    }

    fn encoded_text(&mut self, ids: &Vec<u32>, cancel: &dyn Fn() -> bool) -> Result<Arc<Encoded>> {
        if let Some(encoded) = self.texts.get(ids) {
            self.stats.hits += 1;
            return Ok(encoded);
        }
        check_cancel(cancel)?;
        let states = self.text.encode(ids)?;
        self.stats.text_encodes += 1;
        let tokens = self.transformer.text_tokens(&states, ids)?;
        let encoded = self.encoded(tokens, None, cancel)?;
        self.stats.text_segments += 1;
        let bytes = encoded.bytes();
        Ok(self.texts.insert(ids.clone(), encoded, bytes))
    }

    fn encoded_image(
        &mut self,
        key: &ImageKey,
        image: &ImageInput,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Arc<Encoded>> {
        if let Some(encoded) = self.images.get(key) {
            self.stats.hits += 1;
            return Ok(encoded);
        }
        let tokens = self.transformer.image_tokens(image)?;
        let encoded = self.encoded(tokens, Some(image.grid()?), cancel)?;
        self.stats.image_segments += 1;
        let bytes = encoded.bytes();
        Ok(self.images.insert(key.clone(), encoded, bytes))
    }

    fn encoded(
        &self,
        tokens: Tensor,
        grid: Option<Grid>,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Encoded> {
        Ok(match self.transformer.attention() {
            AttentionKind::Cached => {
                Encoded::Segment(self.transformer.segment(&tokens, grid, cancel)?)
            }
            AttentionKind::Full => Encoded::Tokens(tokens),
        })
    }

    /// dz/dt at time `t` under `condition`; `z` is `[N·joint, C, h, w]`.
    ///
    /// # Errors
    /// [`ModelError::Input`] if nothing is prepared or `z` has not the prepared size; or if the device fails, or
    /// `cancel` says so.
    pub fn velocity(
        &mut self,
        z: &Tensor,
        t: f64,
        condition: Condition,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Tensor> {
        let p = self.prepared()?;
        let (n, c, h, w) = z.dims4()?;
        let (rows, cols) = p.frame;
        let channels = self.config.autoencoder.latent_channels;
        if n == 0 || !n.is_multiple_of(p.joint) || c != channels || (h, w) != (2 * rows, 2 * cols) {
            return Err(ModelError::Input(format!(
                "latents have shape {:?}, expected a multiple of {} × {channels} × {} × {}",
                z.dims(),
                p.joint,
                2 * rows,
                2 * cols
            )));
        }
        let context = self.context(condition, cancel)?;
        self.transformer.velocity(z, t, &context, cancel, None)
    }
}

/// Whether a picture takes part under a condition.
fn is_used(condition: Condition, image: &ImageInput) -> bool {
    let reference = image.role == Role::Asset || image.kind == Some(ControlKind::Placement);
    condition != Condition::NoReferences || !reference
}

fn check_size(name: &str, width: u32, height: u32) -> Result<()> {
    let fits = |side: u32| side > 0 && side <= MAX_SIDE && side.is_multiple_of(TOKEN as u32);
    if fits(width) && fits(height) {
        return Ok(());
    }
    Err(ModelError::Input(format!(
        "{name} is {width} × {height} pixels, expected multiples of {TOKEN} up to {MAX_SIDE}"
    )))
}
