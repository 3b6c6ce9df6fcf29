//! A whole FLUX.2 [klein]: its parts, loaded when they are needed, and what is kept between requests.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use serde::Serialize;

use super::files::Files;
use super::linear::Compute;
use super::rgb;
use super::rope::{RopeTable, picture_places, reference_time, text_places};
use super::text::{ChatTokenizer, TEXT_TOKENS, TextEncoder};
use super::transformer::{Modulation, Transformer};
use super::vae::{TOKEN_PIXELS, Vae, folded, from_tokens, to_tokens, unfolded};
use crate::model::cache::Lru;
use crate::model::error::{ModelError, Result, check_cancel};

/// Bytes kept at most of each kind of intermediate result.
pub(super) struct Kept {
    prompts: usize,
    pictures: usize,
    texts: usize,
    references: usize,
    ropes: usize,
    modulations: usize,
}

/// Room for the kinds by the size that they have: a prompt takes 16 MB (25 with klein 9B), a picture of 1024² 2 MB, four
/// such references behind the input layer 200 MB in f32, the angles of such a request 11 MB.
pub(super) const KEPT: Kept = Kept {
    prompts: 128 << 20,
    pictures: 64 << 20,
    texts: 64 << 20,
    references: 256 << 20,
    ropes: 64 << 20,
    modulations: 16 << 20,
};

impl Kept {
    /// Bytes of all kinds.
    pub fn sum(&self) -> u64 {
        let first = self.prompts + self.pictures + self.texts;
        (first + self.references + self.ropes + self.modulations) as u64
    }
}

/// How the parts share the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Residency {
    /// All parts stay loaded.
    All,
    /// A part is loaded when its turn comes, and the one before is freed.
    InTurn,
}

/// How often work was done, and how often it was saved. Tests count with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KleinStats {
    /// Prompts that went through the text encoder.
    pub text_encodes: u64,
    /// Pictures that went through the autoencoder's encoder.
    pub image_encodes: u64,
    /// Texts and groups of references that went through the transformer's input layers.
    pub embeds: u64,
    /// Tables of rotary angles that were computed.
    pub ropes: u64,
    /// Times for which shifts, scales and gates were computed.
    pub modulations: u64,
    /// Parts that were loaded from files.
    pub loads: u64,
}

/// A reference picture at the size the model is to see it.
#[derive(Clone, Debug)]
pub struct Reference {
    /// Hash of the values; equal keys share work.
    pub key: u64,
    /// Width in pixels, a multiple of 16.
    pub width: u32,
    /// Height in pixels, a multiple of 16.
    pub height: u32,
    /// RGB in 0..1, interleaved.
    pub values: Arc<[f32]>,
}

/// Everything the model needs before the first step.
#[derive(Clone, Debug)]
pub struct KleinRequest {
    /// The prompt as it is sent, without the chat template.
    pub text: String,
    /// The references in order: "image 1" is the first.
    pub references: Vec<Reference>,
    /// Output width in pixels, a multiple of 16.
    pub width: u32,
    /// Output height in pixels.
    pub height: u32,
}

/// A prompt that went through the text encoder.
struct Prompt {
    embedding: Tensor,
    /// Tokens that were left out.
    cut: usize,
}

/// A prepared request.
struct Current {
    text: String,
    references: Vec<u64>,
    /// Token rows and columns: the output's, then the references'.
    grids: Vec<(usize, usize)>,
}

/// A FLUX.2 [klein]. Latents are normalised: `[N, C, H/8, W/8]`, f32, about N(0, 1).
pub struct Klein {
    files: Files,
    compute: Compute,
    residency: Residency,
    tokenizer: ChatTokenizer,
    text: Option<TextEncoder>,
    transformer: Option<Transformer>,
    vae: Option<Vae>,
    channels: usize,
    latent_rgb: Vec<[f32; 3]>,
    hash: String,
    parameters: u64,
    /// Embeddings of prompts.
    prompts: Lru<String, Prompt>,
    /// Latent tokens of pictures.
    pictures: Lru<u64, Tensor>,
    /// Prompts and references behind the transformer's input layers.
    texts: Lru<String, Tensor>,
    references: Lru<Vec<u64>, Tensor>,
    ropes: Lru<Vec<(usize, usize)>, RopeTable>,
    modulations: Lru<u64, Modulation>,
    current: Option<Current>,
    stats: KleinStats,
    warnings: Vec<String>,
}

fn bytes_of(tensor: &Tensor) -> usize {
    tensor.elem_count() * tensor.dtype().size_in_bytes()
}

impl Klein {
    /// Loads a model. `progress` is told the share done, 0 to 1, and what is read.
    ///
    /// # Errors
    /// If a file cannot be read, is damaged or belongs to another model, the device has no room, or `cancel` says so.
    pub fn load(
        files: Files,
        compute: Compute,
        residency: Residency,
        cancel: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(f32, &str),
    ) -> Result<Self> {
        progress(0.0, "the tokenizer");
        let tokenizer = ChatTokenizer::load(&files.tokenizer)?;
        let hash = files.fingerprint()? + &compute.in_words();
        let parameters = files.parameters()?;
        check_cancel(cancel)?;
        progress(0.02, "the autoencoder");
        let vae = Vae::load(&files.vae, &compute)?;
        let channels = vae.config().channels;
        let latent_rgb = rgb::fit(&vae, cancel)?;
        let mut model = Self {
            files,
            compute,
            residency,
            tokenizer,
            text: None,
            transformer: None,
            vae: Some(vae),
            channels,
            latent_rgb,
            hash,
            parameters,
            prompts: Lru::new(KEPT.prompts),
            pictures: Lru::new(KEPT.pictures),
            texts: Lru::new(KEPT.texts),
            references: Lru::new(KEPT.references),
            ropes: Lru::new(KEPT.ropes),
            modulations: Lru::new(KEPT.modulations),
            current: None,
            stats: KleinStats {
                loads: 1,
                ..KleinStats::default()
            },
            warnings: Vec::new(),
        };
        if residency == Residency::All {
            model.load_text(cancel, &mut |share| {
                progress(0.1 + 0.4 * share, "the text encoder");
            })?;
            model.load_transformer(cancel, &mut |share| {
                progress(0.5 + 0.5 * share, "the transformer");
            })?;
        }
        progress(1.0, "the model");
        Ok(model)
    }

    /// Whether it was distilled: few steps, no guidance.
    pub fn distilled(&self) -> bool {
        self.files.distilled
    }

    /// Channels of a latent.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// rgb (0..1) = M · [z; 1]: `channels + 1` columns.
    pub fn latent_rgb(&self) -> &[[f32; 3]] {
        &self.latent_rgb
    }

    /// The weights' fingerprint, and behind it in words how they are used if not as they are.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Parameters in all.
    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.compute.device
    }

    /// How its parts share the memory.
    pub fn residency(&self) -> Residency {
        self.residency
    }

    /// What was done and saved so far.
    pub fn stats(&self) -> KleinStats {
        self.stats
    }

    /// What the artist should know since the last call.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Frees the other parts if they may not stay.
    fn make_room(&mut self) {
        if self.residency == Residency::InTurn {
            self.text = None;
            self.transformer = None;
            self.vae = None;
        }
    }

    fn load_text(&mut self, cancel: &dyn Fn() -> bool, tell: &mut dyn FnMut(f32)) -> Result<()> {
        if self.text.is_none() {
            self.make_room();
            self.stats.loads += 1;
            let text = TextEncoder::load(&self.files.text, &self.compute, cancel, tell)?;
            self.text = Some(text);
        }
        Ok(())
    }

    fn load_transformer(
        &mut self,
        cancel: &dyn Fn() -> bool,
        tell: &mut dyn FnMut(f32),
    ) -> Result<()> {
        if self.transformer.is_none() {
            self.make_room();
            self.stats.loads += 1;
            let loaded = Transformer::load(&self.files.transformer, &self.compute, cancel, tell)?;
            if loaded.config().channels != 4 * self.channels {
                return Err(ModelError::Format(format!(
                    "the transformer works on {} channels and the autoencoder makes {}: they belong to different models",
                    loaded.config().channels,
                    4 * self.channels
                )));
            }
            self.transformer = Some(loaded);
        }
        Ok(())
    }

    fn transformer(&mut self, cancel: &dyn Fn() -> bool) -> Result<&Transformer> {
        self.load_transformer(cancel, &mut |_| ())?;
        self.transformer
            .as_ref()
            .ok_or_else(|| ModelError::Input("the transformer is not loaded".into()))
    }

    fn vae(&mut self, cancel: &dyn Fn() -> bool) -> Result<&Vae> {
        check_cancel(cancel)?;
        if self.vae.is_none() {
            self.make_room();
            self.stats.loads += 1;
            self.vae = Some(Vae::load(&self.files.vae, &self.compute)?);
        }
        self.vae
            .as_ref()
            .ok_or_else(|| ModelError::Input("the autoencoder is not loaded".into()))
    }

    /// The embedding of a prompt.
    fn prompt(&mut self, text: &str, cancel: &dyn Fn() -> bool) -> Result<Arc<Prompt>> {
        let key = text.to_owned();
        if let Some(found) = self.prompts.get(&key) {
            return Ok(found);
        }
        let tokens = self.tokenizer.tokenize(text, TEXT_TOKENS)?;
        self.load_text(cancel, &mut |_| ())?;
        let Some(encoder) = &self.text else {
            return Err(ModelError::Input("the text encoder is not loaded".into()));
        };
        let embedding = encoder.encode(&tokens, cancel)?;
        self.stats.text_encodes += 1;
        let bytes = bytes_of(&embedding);
        let cut = tokens.cut;
        Ok(self.prompts.insert(key, Prompt { embedding, cut }, bytes))
    }

    /// The latent tokens of a reference.
    fn picture(&mut self, reference: &Reference, cancel: &dyn Fn() -> bool) -> Result<Arc<Tensor>> {
        if let Some(found) = self.pictures.get(&reference.key) {
            return Ok(found);
        }
        let pixels = pixels(
            &reference.values,
            reference.width,
            reference.height,
            &self.compute.device,
        )?;
        let planes = self.vae(cancel)?.encode(&pixels, cancel)?;
        self.stats.image_encodes += 1;
        let tokens = to_tokens(&planes)?;
        let bytes = bytes_of(&tokens);
        Ok(self.pictures.insert(reference.key, tokens, bytes))
    }

    /// Encodes text and references, as far as they are not known from before. Guidance needs the empty text too.
    ///
    /// # Errors
    /// [`ModelError::Input`] if a reference has sides that are no multiples of 16 or another number of values; or if a
    /// part cannot be loaded, the device fails, or `cancel` says so.
    pub fn prepare(
        &mut self,
        request: &KleinRequest,
        guided: bool,
        cancel: &dyn Fn() -> bool,
    ) -> Result<()> {
        // What was prepared before is not what is asked for now.
        self.current = None;
        let grid = |width: u32, height: u32| {
            (
                height as usize / TOKEN_PIXELS,
                width as usize / TOKEN_PIXELS,
            )
        };
        check_sides(request.width, request.height)?;
        for reference in &request.references {
            check_sides(reference.width, reference.height)?;
        }
        let cut = self.prompt(&request.text, cancel)?.cut;
        if cut > 0 {
            self.warnings.push(format!(
                "The prompt is longer than the model reads: its last {cut} words or parts of words are left out"
            ));
        }
        if guided {
            self.prompt("", cancel)?;
        }
        for reference in &request.references {
            self.picture(reference, cancel)?;
        }
        let mut grids = vec![grid(request.width, request.height)];
        grids.extend(request.references.iter().map(|r| grid(r.width, r.height)));
        self.current = Some(Current {
            text: request.text.clone(),
            references: request.references.iter().map(|r| r.key).collect(),
            grids,
        });
        Ok(())
    }

    /// An RGB picture (0..1, interleaved, sides multiples of 16) as a latent `[1, C, H/8, W/8]`.
    ///
    /// # Errors
    /// As [`Self::prepare`] for a reference.
    pub fn encode(
        &mut self,
        rgb: &[f32],
        width: u32,
        height: u32,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Tensor> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&width.to_le_bytes());
        hasher.update(bytemuck::cast_slice(rgb));
        let mut key = [0; 8];
        key.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        let reference = Reference {
            key: u64::from_le_bytes(key),
            width,
            height,
            values: Arc::from(rgb),
        };
        let tokens = self.picture(&reference, cancel)?;
        let side = |pixels: u32| pixels as usize / TOKEN_PIXELS;
        unfolded(&from_tokens(&tokens, side(height), side(width))?)
    }

    /// The velocity of latents `[N, C, H/8, W/8]` at time σ, with the prepared text or the empty one.
    ///
    /// # Errors
    /// [`ModelError::Input`] if nothing is prepared or the references take more room than is kept; or if `z` has
    /// another number of channels or cells than was prepared, a part cannot be loaded or belongs to another model, the
    /// device fails, or `cancel` says so.
    pub fn velocity(
        &mut self,
        z: &Tensor,
        sigma: f64,
        with_text: bool,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Tensor> {
        let Some(current) = self.current.take() else {
            return Err(ModelError::Input("nothing is prepared".into()));
        };
        let result = self.velocity_of(&current, z, sigma, with_text, cancel);
        self.current = Some(current);
        result
    }

    fn velocity_of(
        &mut self,
        current: &Current,
        z: &Tensor,
        sigma: f64,
        with_text: bool,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Tensor> {
        let (rows, columns) = current.grids[0];
        let (_, _, high, wide) = z.dims4()?;
        if (high, wide) != (2 * rows, 2 * columns) {
            return Err(ModelError::Input(format!(
                "the latent has {wide} × {high} cells and the request {} × {}",
                2 * columns,
                2 * rows
            )));
        }
        let prompt = if with_text { current.text.as_str() } else { "" };
        let text = self.embedded_text(prompt, cancel)?;
        let references = self.embedded_references(&current.references, cancel)?;
        let rope = self.rope(&current.grids, cancel)?;
        let modulation = self.modulation(sigma, cancel)?;
        let tokens = to_tokens(&folded(z)?)?;
        let velocity = self.transformer(cancel)?.velocity(
            &tokens,
            references.as_deref(),
            &text,
            &rope,
            &modulation,
            cancel,
            None,
        )?;
        unfolded(&from_tokens(&velocity, rows, columns)?)
    }

    fn embedded_text(&mut self, prompt: &str, cancel: &dyn Fn() -> bool) -> Result<Arc<Tensor>> {
        let key = prompt.to_owned();
        if let Some(found) = self.texts.get(&key) {
            return Ok(found);
        }
        let prompt = self.prompt(prompt, cancel)?;
        let embedded = self.transformer(cancel)?.embed_text(&prompt.embedding)?;
        self.stats.embeds += 1;
        let bytes = bytes_of(&embedded);
        Ok(self.texts.insert(key, embedded, bytes))
    }

    fn embedded_references(
        &mut self,
        keys: &[u64],
        cancel: &dyn Fn() -> bool,
    ) -> Result<Option<Arc<Tensor>>> {
        if keys.is_empty() {
            return Ok(None);
        }
        if let Some(found) = self.references.get(&keys.to_vec()) {
            return Ok(Some(found));
        }
        let parts = keys
            .iter()
            .map(|key| {
                self.pictures.get(key).ok_or_else(|| {
                    ModelError::Input(
                        "the references take more room than is kept: use fewer or smaller ones"
                            .into(),
                    )
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let parts: Vec<&Tensor> = parts.iter().map(AsRef::as_ref).collect();
        let tokens = Tensor::cat(&parts, 1)?;
        let embedded = self.transformer(cancel)?.embed_tokens(&tokens)?;
        self.stats.embeds += 1;
        let bytes = bytes_of(&embedded);
        let kept = self.references.insert(keys.to_vec(), embedded, bytes);
        Ok(Some(kept))
    }

    fn rope(
        &mut self,
        grids: &[(usize, usize)],
        cancel: &dyn Fn() -> bool,
    ) -> Result<Arc<RopeTable>> {
        if let Some(found) = self.ropes.get(&grids.to_vec()) {
            return Ok(found);
        }
        let mut places = text_places(TEXT_TOKENS);
        for (i, &(rows, columns)) in grids.iter().enumerate() {
            let time = i.checked_sub(1).map_or(0, reference_time);
            places.extend(picture_places(time, rows, columns));
        }
        let table = self.transformer(cancel)?.rope(&places)?;
        self.stats.ropes += 1;
        let bytes = bytes_of(&table.cos) + bytes_of(&table.sin);
        Ok(self.ropes.insert(grids.to_vec(), table, bytes))
    }

    fn modulation(&mut self, sigma: f64, cancel: &dyn Fn() -> bool) -> Result<Arc<Modulation>> {
        if let Some(found) = self.modulations.get(&sigma.to_bits()) {
            return Ok(found);
        }
        let transformer = self.transformer(cancel)?;
        let modulation = transformer.modulation(sigma, None)?;
        // 6 + 6 + 3 + 2 vectors of the width.
        let bytes = 17 * transformer.config().width * transformer.compute().dtype.size_in_bytes();
        self.stats.modulations += 1;
        Ok(self.modulations.insert(sigma.to_bits(), modulation, bytes))
    }

    /// Latents as RGB pictures, `[N, 3, H, W]`, 0..1.
    ///
    /// # Errors
    /// If `z` has other channels than [`Self::channels`] or an odd side, the autoencoder cannot be loaded, the device
    /// fails, or `cancel` says so.
    pub fn decode(&mut self, z: &Tensor, cancel: &dyn Fn() -> bool) -> Result<Tensor> {
        let planes = folded(&z.to_dtype(DType::F32)?)?;
        self.vae(cancel)?.decode(&planes, cancel)
    }
}

/// Refuses sides that are no whole tokens.
fn check_sides(width: u32, height: u32) -> Result<()> {
    let fits = |side: u32| side > 0 && (side as usize).is_multiple_of(TOKEN_PIXELS);
    if fits(width) && fits(height) {
        return Ok(());
    }
    Err(ModelError::Input(format!(
        "{width} × {height} pixels are no multiples of {TOKEN_PIXELS}: choose another size"
    )))
}

/// Interleaved RGB in 0..1 as a picture `[1, 3, H, W]` in −1..1.
fn pixels(rgb: &[f32], width: u32, height: u32, device: &Device) -> Result<Tensor> {
    check_sides(width, height)?;
    let (w, h) = (width as usize, height as usize);
    if rgb.len() != w * h * 3 {
        return Err(ModelError::Input(format!(
            "a picture of {w} × {h} pixels needs {} values and has {}",
            w * h * 3,
            rgb.len()
        )));
    }
    let x = Tensor::from_slice(rgb, (1, h, w, 3), &Device::Cpu)?;
    let x = x.permute((0, 3, 1, 2))?.contiguous()?.affine(2.0, -1.0)?;
    Ok(x.to_device(device)?)
}
