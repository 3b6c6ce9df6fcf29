//! The transformer's sizes, and what its tensors are called in each file layout.

use super::archive::Archive;
use super::detect::Naming;
use crate::model::error::Result;

/// Sizes, all read off the weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformerConfig {
    /// Channels of a latent token, in and out.
    pub channels: usize,
    /// Width of a token inside.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Dimensions of a head.
    pub head_dim: usize,
    /// Double-stream blocks.
    pub doubles: usize,
    /// Single-stream blocks.
    pub singles: usize,
    /// Width of the feed-forward networks.
    pub mlp: usize,
    /// Width of the text encoder's embedding.
    pub text_width: usize,
    /// Channels of the time embedding.
    pub time_channels: usize,
}

impl TransformerConfig {
    pub(super) fn of(archive: &Archive) -> Result<Self> {
        let names = Names(archive.detected.naming);
        let two = |name: &str| -> Result<(usize, usize)> {
            match archive.shape(name)?[..] {
                [rows, columns] => Ok((rows, columns)),
                _ => Err(archive.wrong(name, "it must be a matrix")),
            }
        };
        let img_in = names.top("img_in");
        let (width, channels) = two(&img_in)?;
        let (_, text_width) = two(&names.top("txt_in"))?;
        let (_, time_channels) = two(&names.top("time_in.in_layer"))?;
        let norm =
            archive.shape(&names.norm(archive, &names.block(0, false), "q", Stream::Single)?)?;
        let head_dim = norm.first().copied().unwrap_or(0);
        let doubles = archive.count(|n| names.double(n, Stream::Image).mlp_out);
        let singles = archive.count(|n| names.single(n).1);
        let (_, both) = two(&names.single(0).1)?;
        let splits = head_dim > 0 && head_dim.is_multiple_of(8) && width.is_multiple_of(head_dim);
        if !splits || width == 0 {
            return Err(archive.wrong(
                &img_in,
                &format!("its {width} rows do not split into heads of {head_dim}"),
            ));
        }
        if doubles == 0 || both <= width || !time_channels.is_multiple_of(2) {
            return Err(archive.wrong(&img_in, "the blocks around it make no sense"));
        }
        Ok(Self {
            channels,
            width,
            heads: width / head_dim,
            head_dim,
            doubles,
            singles,
            mlp: both - width,
            text_width,
            time_channels,
        })
    }
}

/// The tokens that a block's weights are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Image,
    Text,
    Single,
}

/// The tensors' names in a naming.
pub(super) struct Names(pub(super) Naming);

/// Names of a stream of a double block; the first has one entry or those of q, k and v.
pub(super) struct DoubleNames {
    pub(super) qkv: Vec<String>,
    pub(super) proj: String,
    pub(super) mlp_in: String,
    pub(super) mlp_out: String,
}

impl Names {
    /// A tensor outside of the blocks, by its single-file name without `.weight`.
    pub(super) fn top(&self, single: &str) -> String {
        let name = match (self.0, single) {
            (Naming::Diffusers, "img_in") => "x_embedder",
            (Naming::Diffusers, "txt_in") => "context_embedder",
            (Naming::Diffusers, "time_in.in_layer") => {
                "time_guidance_embed.timestep_embedder.linear_1"
            }
            (Naming::Diffusers, "time_in.out_layer") => {
                "time_guidance_embed.timestep_embedder.linear_2"
            }
            (Naming::Diffusers, "final_layer.adaLN_modulation.1") => "norm_out.linear",
            (Naming::Diffusers, "final_layer.linear") => "proj_out",
            (Naming::Diffusers, other) => {
                return format!("{}.linear.weight", other.trim_end_matches(".lin"));
            }
            (_, other) => other,
        };
        format!("{name}.weight")
    }

    pub(super) fn block(&self, n: usize, double: bool) -> String {
        match (self.0, double) {
            (Naming::Diffusers, true) => format!("transformer_blocks.{n}"),
            (Naming::Diffusers, false) => format!("single_transformer_blocks.{n}"),
            (_, true) => format!("double_blocks.{n}"),
            (_, false) => format!("single_blocks.{n}"),
        }
    }

    pub(super) fn double(&self, n: usize, stream: Stream) -> DoubleNames {
        let block = self.block(n, true);
        let image = stream == Stream::Image;
        let at = |name: &str| format!("{block}.{name}.weight");
        if self.0 == Naming::Diffusers {
            let (qkv, proj, ff) = if image {
                (["to_q", "to_k", "to_v"], "to_out.0", "ff")
            } else {
                (
                    ["add_q_proj", "add_k_proj", "add_v_proj"],
                    "to_add_out",
                    "ff_context",
                )
            };
            return DoubleNames {
                qkv: qkv.iter().map(|q| at(&format!("attn.{q}"))).collect(),
                proj: at(&format!("attn.{proj}")),
                mlp_in: at(&format!("{ff}.linear_in")),
                mlp_out: at(&format!("{ff}.linear_out")),
            };
        }
        let s = if image { "img" } else { "txt" };
        DoubleNames {
            qkv: vec![at(&format!("{s}_attn.qkv"))],
            proj: at(&format!("{s}_attn.proj")),
            mlp_in: at(&format!("{s}_mlp.0")),
            mlp_out: at(&format!("{s}_mlp.2")),
        }
    }

    /// First and second matrix of a single block.
    pub(super) fn single(&self, n: usize) -> (String, String) {
        let block = self.block(n, false);
        match self.0 {
            Naming::Diffusers => (
                format!("{block}.attn.to_qkv_mlp_proj.weight"),
                format!("{block}.attn.to_out.weight"),
            ),
            _ => (
                format!("{block}.linear1.weight"),
                format!("{block}.linear2.weight"),
            ),
        }
    }

    /// The norm of queries ("q") or keys ("k"). Single files call it `.scale`, some converters `.weight`.
    pub(super) fn norm(
        &self,
        archive: &Archive,
        block: &str,
        which: &str,
        stream: Stream,
    ) -> Result<String> {
        if self.0 == Naming::Diffusers {
            let added = if stream == Stream::Text { "added_" } else { "" };
            return Ok(format!("{block}.attn.norm_{added}{which}.weight"));
        }
        let part = match stream {
            Stream::Image => "img_attn.norm",
            Stream::Text => "txt_attn.norm",
            Stream::Single => "norm",
        };
        let word = if which == "q" { "query" } else { "key" };
        let name = format!("{block}.{part}.{word}_norm");
        Ok(if archive.has(&format!("{name}.weight")) {
            format!("{name}.weight")
        } else {
            format!("{name}.scale")
        })
    }
}
