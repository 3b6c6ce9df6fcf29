//! The autoencoder of FLUX.2: a convolutional encoder and decoder with attention in the middle (Rombach et al. 2022),
//! and a batch norm that gives the latents mean 0 and deviation 1.
//!
//! Three forms of a latent occur: what the networks read and write, `[B, C, H/8, W/8]`; the *normalised* one of the
//! same shape, in which sampling, masks and previews live; and tokens `[B, h·w, 4C]`, one for 2×2 normalised cells.

use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};

use super::archive::Archive;
use super::attention::attend;
use super::conv::{Conv, GroupNorm};
use super::detect::{Naming, Part};
use super::linear::Compute;
use crate::model::error::{ModelError, Result, check_cancel};

/// Pixels along a side of a latent cell.
pub const CELL: usize = 8;
/// Pixels along a side of a token.
pub const TOKEN_PIXELS: usize = 16;
/// ε of the latents' batch norm.
const BN_EPS: f64 = 1e-4;
/// Levels of resolution of both networks.
const LEVELS: usize = 4;
/// Residual blocks of a level: of the encoder and of the decoder.
const BLOCKS: [usize; 2] = [2, 3];

/// Sizes, all read off the weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaeConfig {
    /// Latent channels C.
    pub channels: usize,
    /// Channels of the encoder's levels, finest first.
    pub encoder: [usize; LEVELS],
    /// Channels of the decoder's levels, finest first. Smaller ones are the small decoder's.
    pub decoder: [usize; LEVELS],
    /// Groups of all group norms.
    pub groups: usize,
}

impl VaeConfig {
    fn of(archive: &Archive) -> Result<Self> {
        let names = Names(archive.detected.naming);
        let rows = |name: String| -> Result<usize> {
            Ok(archive.shape(&name)?.first().copied().unwrap_or(0))
        };
        let mut encoder = [0; LEVELS];
        let mut decoder = [0; LEVELS];
        for level in 0..LEVELS {
            encoder[level] = rows(format!("{}.conv1.weight", names.down(level, 0)))?;
            // The decoder counts its levels from the coarsest.
            decoder[level] = rows(format!("{}.conv1.weight", names.up(LEVELS - 1 - level, 0)))?;
        }
        let name = names.quant(false);
        let channels = rows(format!("{name}.weight"))?;
        let narrowest = encoder.into_iter().chain(decoder).min().unwrap_or(0);
        // 32 groups; the tiny models of tests have at least two channels a group.
        let groups = (narrowest / 2).min(32);
        let even = |c: &usize| groups > 0 && c.is_multiple_of(groups);
        if channels == 0 || !encoder.iter().chain(&decoder).all(even) {
            return Err(archive.wrong(
                &format!("{name}.weight"),
                "the channels around it make no sense",
            ));
        }
        Ok(Self {
            channels,
            encoder,
            decoder,
            groups,
        })
    }
}

/// The tensors' names in a naming.
struct Names(Naming);

impl Names {
    fn diffusers(&self) -> bool {
        self.0 == Naming::Diffusers
    }

    fn down(&self, level: usize, block: usize) -> String {
        match self.diffusers() {
            true => format!("encoder.down_blocks.{level}.resnets.{block}"),
            false => format!("encoder.down.{level}.block.{block}"),
        }
    }

    fn downsample(&self, level: usize) -> String {
        match self.diffusers() {
            true => format!("encoder.down_blocks.{level}.downsamplers.0.conv"),
            false => format!("encoder.down.{level}.downsample.conv"),
        }
    }

    /// Level 0 is the coarsest; single files count from the finest.
    fn up(&self, level: usize, block: usize) -> String {
        match self.diffusers() {
            true => format!("decoder.up_blocks.{level}.resnets.{block}"),
            false => format!("decoder.up.{}.block.{block}", LEVELS - 1 - level),
        }
    }

    fn upsample(&self, level: usize) -> String {
        match self.diffusers() {
            true => format!("decoder.up_blocks.{level}.upsamplers.0.conv"),
            false => format!("decoder.up.{}.upsample.conv", LEVELS - 1 - level),
        }
    }

    fn middle(&self, half: &str, block: usize) -> String {
        match self.diffusers() {
            true => format!("{half}.mid_block.resnets.{block}"),
            false => format!("{half}.mid.block_{}", block + 1),
        }
    }

    fn attention(&self, half: &str, part: &str) -> String {
        if !self.diffusers() {
            return format!("{half}.mid.attn_1.{part}");
        }
        let part = match part {
            "norm" => "group_norm",
            "q" => "to_q",
            "k" => "to_k",
            "v" => "to_v",
            _ => "to_out.0",
        };
        format!("{half}.mid_block.attentions.0.{part}")
    }

    fn shortcut(&self) -> &'static str {
        match self.diffusers() {
            true => "conv_shortcut",
            false => "nin_shortcut",
        }
    }

    fn norm_out(&self, half: &str) -> String {
        match self.diffusers() {
            true => format!("{half}.conv_norm_out"),
            false => format!("{half}.norm_out"),
        }
    }

    fn quant(&self, encoder: bool) -> &'static str {
        match (self.diffusers(), encoder) {
            (true, true) => "quant_conv",
            (true, false) => "post_quant_conv",
            (false, true) => "encoder.quant_conv",
            (false, false) => "decoder.post_quant_conv",
        }
    }
}

struct ResBlock {
    norm1: GroupNorm,
    conv1: Conv,
    norm2: GroupNorm,
    conv2: Conv,
    shortcut: Option<Conv>,
}

impl ResBlock {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let h = self.conv1.forward(&self.norm1.forward(x, true)?)?;
        let h = self.conv2.forward(&self.norm2.forward(&h, true)?)?;
        match &self.shortcut {
            Some(conv) => Ok((conv.forward(x)? + h)?),
            None => Ok((x + h)?),
        }
    }
}

struct Attention {
    norm: GroupNorm,
    q: Conv,
    k: Conv,
    v: Conv,
    out: Conv,
}

impl Attention {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, channels, rows, columns) = x.dims4()?;
        let h = self.norm.forward(x, false)?;
        let tokens = |conv: &Conv| -> Result<Tensor> {
            let y = conv.forward(&h)?;
            Ok(y.reshape((batch, 1, channels, rows * columns))?
                .transpose(2, 3)?
                .contiguous()?)
        };
        let y = attend(
            &tokens(&self.q)?,
            &tokens(&self.k)?,
            &tokens(&self.v)?,
            None,
        )?;
        let y = y
            .transpose(2, 3)?
            .reshape((batch, channels, rows, columns))?;
        Ok((x + self.out.forward(&y)?)?)
    }
}

struct Middle {
    first: ResBlock,
    attention: Attention,
    second: ResBlock,
}

impl Middle {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.first.forward(x)?;
        self.second.forward(&self.attention.forward(&x)?)
    }
}

/// A level: blocks and what changes the resolution behind them.
struct Level {
    blocks: Vec<ResBlock>,
    resample: Option<Conv>,
}

struct Half {
    conv_in: Conv,
    levels: Vec<Level>,
    middle: Middle,
    norm_out: GroupNorm,
    conv_out: Conv,
    /// 1×1, behind the encoder and before the decoder.
    quant: Conv,
}

/// Encoder, decoder and batch norm. Computes in f32.
pub struct Vae {
    config: VaeConfig,
    device: Device,
    encoder: Half,
    decoder: Half,
    /// Mean and deviation of token channels, `[1, 4C, 1, 1]`.
    mean: Tensor,
    deviation: Tensor,
}

/// Reads the pieces of a VAE.
struct Reader<'a> {
    archive: &'a mut Archive,
    names: Names,
    groups: usize,
    device: Device,
}

impl Reader<'_> {
    fn conv(&mut self, name: &str, out: usize, inputs: usize, kernel: usize) -> Result<Conv> {
        let weight_name = format!("{name}.weight");
        let mut weight = self.archive.floats(&weight_name)?;
        // Attention's matrices are 1×1 convolutions in some files and plain in others.
        if weight.rank() == 2 && kernel == 1 {
            weight = weight.unsqueeze(2)?.unsqueeze(3)?;
        }
        if weight.dims() != [out, inputs, kernel, kernel] {
            let reason = format!(
                "it has shape {:?}, expected {:?}",
                weight.dims(),
                [out, inputs, kernel, kernel]
            );
            return Err(self.archive.wrong(&weight_name, &reason));
        }
        let bias = self
            .archive
            .vector(&format!("{name}.bias"), out, &self.device)?;
        Conv::new(weight.to_device(&self.device)?, bias)
    }

    fn norm(&mut self, name: &str, channels: usize) -> Result<GroupNorm> {
        let mut vector = |part: &str| {
            self.archive
                .vector(&format!("{name}.{part}"), channels, &self.device)
        };
        let (weight, bias) = (vector("weight")?, vector("bias")?);
        GroupNorm::new(weight, bias, self.groups)
    }

    fn block(&mut self, name: &str, inputs: usize, out: usize) -> Result<ResBlock> {
        let shortcut = format!("{name}.{}", self.names.shortcut());
        Ok(ResBlock {
            norm1: self.norm(&format!("{name}.norm1"), inputs)?,
            conv1: self.conv(&format!("{name}.conv1"), out, inputs, 3)?,
            norm2: self.norm(&format!("{name}.norm2"), out)?,
            conv2: self.conv(&format!("{name}.conv2"), out, out, 3)?,
            shortcut: (inputs != out)
                .then(|| self.conv(&shortcut, out, inputs, 1))
                .transpose()?,
        })
    }

    fn middle(&mut self, half: &str, channels: usize) -> Result<Middle> {
        let first = self.block(&self.names.middle(half, 0), channels, channels)?;
        let second = self.block(&self.names.middle(half, 1), channels, channels)?;
        let norm = self.norm(&self.names.attention(half, "norm"), channels)?;
        let mut conv = |part: &str| {
            let name = self.names.attention(half, part);
            self.conv(&name, channels, channels, 1)
        };
        Ok(Middle {
            first,
            attention: Attention {
                norm,
                q: conv("q")?,
                k: conv("k")?,
                v: conv("v")?,
                out: conv("proj_out")?,
            },
            second,
        })
    }

    fn encoder(&mut self, c: &VaeConfig) -> Result<Half> {
        let conv_in = self.conv("encoder.conv_in", c.encoder[0], 3, 3)?;
        let mut inputs = c.encoder[0];
        let mut levels = Vec::with_capacity(LEVELS);
        for (level, &out) in c.encoder.iter().enumerate() {
            let mut blocks = Vec::new();
            for block in 0..BLOCKS[0] {
                let from = if block == 0 { inputs } else { out };
                blocks.push(self.block(&self.names.down(level, block), from, out)?);
            }
            let resample = (level + 1 < LEVELS)
                .then(|| self.conv(&self.names.downsample(level), out, out, 3))
                .transpose()?;
            levels.push(Level { blocks, resample });
            inputs = out;
        }
        Ok(Half {
            conv_in,
            levels,
            middle: self.middle("encoder", inputs)?,
            norm_out: self.norm(&self.names.norm_out("encoder"), inputs)?,
            conv_out: self.conv("encoder.conv_out", 2 * c.channels, inputs, 3)?,
            quant: self.conv(self.names.quant(true), 2 * c.channels, 2 * c.channels, 1)?,
        })
    }

    fn decoder(&mut self, c: &VaeConfig) -> Result<Half> {
        let mut inputs = c.decoder[LEVELS - 1];
        let conv_in = self.conv("decoder.conv_in", inputs, c.channels, 3)?;
        let middle = self.middle("decoder", inputs)?;
        let mut levels = Vec::with_capacity(LEVELS);
        for level in 0..LEVELS {
            let out = c.decoder[LEVELS - 1 - level];
            let mut blocks = Vec::new();
            for block in 0..BLOCKS[1] {
                let from = if block == 0 { inputs } else { out };
                blocks.push(self.block(&self.names.up(level, block), from, out)?);
            }
            let resample = (level + 1 < LEVELS)
                .then(|| self.conv(&self.names.upsample(level), out, out, 3))
                .transpose()?;
            levels.push(Level { blocks, resample });
            inputs = out;
        }
        Ok(Half {
            conv_in,
            levels,
            middle,
            norm_out: self.norm(&self.names.norm_out("decoder"), inputs)?,
            conv_out: self.conv("decoder.conv_out", 3, inputs, 3)?,
            quant: self.conv(self.names.quant(false), c.channels, c.channels, 1)?,
        })
    }
}

impl Vae {
    /// Loads the files of an autoencoder.
    ///
    /// # Errors
    /// If a file cannot be read, is damaged or is no autoencoder, or the device has no room.
    pub fn load(paths: &[PathBuf], compute: &Compute) -> Result<Self> {
        let mut archive = Archive::open(paths, Part::Vae)?;
        let config = VaeConfig::of(&archive)?;
        let device = compute.device.clone();
        let tokens = 4 * config.channels;
        let row = |archive: &mut Archive, name: &str| -> Result<Tensor> {
            let values = archive.vector(name, tokens, &device)?;
            Ok(values.reshape((1, tokens, 1, 1))?)
        };
        let mean = row(&mut archive, "bn.running_mean")?;
        let deviation = (row(&mut archive, "bn.running_var")? + BN_EPS)?.sqrt()?;
        let mut reader = Reader {
            names: Names(archive.detected.naming),
            archive: &mut archive,
            groups: config.groups,
            device: device.clone(),
        };
        let encoder = reader.encoder(&config)?;
        let decoder = reader.decoder(&config)?;
        Ok(Self {
            config,
            device,
            encoder,
            decoder,
            mean,
            deviation,
        })
    }

    /// Its sizes.
    pub fn config(&self) -> &VaeConfig {
        &self.config
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Pictures `[B, 3, H, W]` in −1..1 → the posterior's mean, `[B, C, H/8, W/8]`.
    ///
    /// # Errors
    /// [`ModelError::Input`] if a side is no multiple of [`TOKEN_PIXELS`]; or if there are not three channels, the
    /// device fails, or `cancel` says so.
    pub fn mean_latent(&self, pixels: &Tensor, cancel: &dyn Fn() -> bool) -> Result<Tensor> {
        let (_, _, height, width) = pixels.dims4()?;
        if height % TOKEN_PIXELS != 0 || width % TOKEN_PIXELS != 0 {
            return Err(ModelError::Input(format!(
                "a picture of {width} × {height} pixels cannot be encoded: its sides must be multiples of {TOKEN_PIXELS}"
            )));
        }
        let e = &self.encoder;
        let mut x = e.conv_in.forward(pixels)?;
        for level in &e.levels {
            for block in &level.blocks {
                check_cancel(cancel)?;
                x = block.forward(&x)?;
            }
            if let Some(conv) = &level.resample {
                x = conv.forward_halving(&x)?;
            }
        }
        check_cancel(cancel)?;
        x = e.middle.forward(&x)?;
        x = e.conv_out.forward(&e.norm_out.forward(&x, true)?)?;
        let x = e.quant.forward(&x)?;
        Ok(x.narrow(1, 0, self.config.channels)?.contiguous()?)
    }

    /// What the networks write and read → pictures `[B, 3, H, W]` in −1..1, not yet clamped.
    ///
    /// # Errors
    /// If it is not `[B, C, h, w]`, the device fails, or `cancel` says so.
    pub fn decode_latent(&self, latent: &Tensor, cancel: &dyn Fn() -> bool) -> Result<Tensor> {
        let d = &self.decoder;
        let mut x = d.conv_in.forward(&d.quant.forward(latent)?)?;
        check_cancel(cancel)?;
        x = d.middle.forward(&x)?;
        for level in &d.levels {
            for block in &level.blocks {
                check_cancel(cancel)?;
                x = block.forward(&x)?;
            }
            if let Some(conv) = &level.resample {
                let (_, _, rows, columns) = x.dims4()?;
                x = conv.forward(&x.upsample_nearest2d(2 * rows, 2 * columns)?)?;
            }
        }
        check_cancel(cancel)?;
        d.conv_out.forward(&d.norm_out.forward(&x, true)?)
    }

    /// Pictures in −1..1 → normalised token planes `[B, 4C, H/16, W/16]`.
    ///
    /// # Errors
    /// As [`Self::mean_latent`].
    pub fn encode(&self, pixels: &Tensor, cancel: &dyn Fn() -> bool) -> Result<Tensor> {
        let planes = folded(&self.mean_latent(pixels, cancel)?)?;
        Ok(planes
            .broadcast_sub(&self.mean)?
            .broadcast_div(&self.deviation)?)
    }

    /// Normalised token planes → pictures `[B, 3, H, W]` in 0..1.
    ///
    /// # Errors
    /// If they are not `[B, 4C, h, w]`, the device fails, or `cancel` says so.
    pub fn decode(&self, planes: &Tensor, cancel: &dyn Fn() -> bool) -> Result<Tensor> {
        let planes = planes
            .to_dtype(DType::F32)?
            .broadcast_mul(&self.deviation)?
            .broadcast_add(&self.mean)?;
        let pixels = self.decode_latent(&unfolded(&planes)?, cancel)?;
        Ok(pixels.affine(0.5, 0.5)?.clamp(0f32, 1f32)?)
    }
}

/// `[B, C, 2h, 2w]` → `[B, 4C, h, w]`; channel = c·4 + dy·2 + dx.
///
/// # Errors
/// What candle says, if there are not four axes, a side is odd, or there is no memory.
pub fn folded(cells: &Tensor) -> Result<Tensor> {
    let (b, c, h, w) = cells.dims4()?;
    Ok(cells
        .reshape((b, c, h / 2, 2, w / 2, 2))?
        .permute((0, 1, 3, 5, 2, 4))?
        .reshape((b, 4 * c, h / 2, w / 2))?)
}

/// The inverse of [`folded`].
///
/// # Errors
/// What candle says, if there are not four axes, the channels are no multiple of 4, or there is no memory.
pub fn unfolded(planes: &Tensor) -> Result<Tensor> {
    let (b, c, h, w) = planes.dims4()?;
    Ok(planes
        .reshape((b, c / 4, 2, 2, h, w))?
        .permute((0, 1, 4, 2, 5, 3))?
        .reshape((b, c / 4, 2 * h, 2 * w))?)
}

/// `[B, C, h, w]` → `[B, h·w, C]`.
///
/// # Errors
/// What candle says, if there are fewer than three axes or there is no memory.
pub fn to_tokens(planes: &Tensor) -> Result<Tensor> {
    Ok(planes.flatten_from(2)?.transpose(1, 2)?.contiguous()?)
}

/// The inverse of [`to_tokens`].
///
/// # Errors
/// What candle says, if there are not `rows · columns` tokens or there is no memory.
pub fn from_tokens(tokens: &Tensor, rows: usize, columns: usize) -> Result<Tensor> {
    let (b, _, c) = tokens.dims3()?;
    Ok(tokens
        .transpose(1, 2)?
        .contiguous()?
        .reshape((b, c, rows, columns))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_orders_channels_by_channel_row_and_column() {
        let cells: Vec<f32> = (0..2 * 2 * 4).map(|v| v as f32).collect();
        let cells = Tensor::from_vec(cells, (1, 2, 2, 4), &Device::Cpu).unwrap();
        let planes = folded(&cells).unwrap();
        assert_eq!(planes.dims(), [1, 8, 1, 2]);
        // Channel 0 is the upper left cell of each token, channel 1 the upper right, 2 the lower left.
        let rows = planes.reshape((8, 2)).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(rows[..4], [[0.0, 2.0], [1.0, 3.0], [4.0, 6.0], [5.0, 7.0]]);
        assert_eq!(rows[4], [8.0, 10.0]);
        let back = unfolded(&planes).unwrap();
        assert_eq!(
            back.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
            cells.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        );
        let tokens = to_tokens(&planes).unwrap();
        assert_eq!(tokens.dims(), [1, 2, 8]);
        let again = from_tokens(&tokens, 1, 2).unwrap();
        assert_eq!(
            again.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
            planes.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        );
    }
}
