"""Reference of the `unireal` family: text encoder and transformer (autoencoder.py has the rest).

The Rust side (src/model) must equal it; `goldens.py` ties the two together. Shapes are PyTorch's:
pictures [N, 3, H, W] with RGB in 0..1, latents [N, 32, H/8, W/8], tokens [N, T, width].
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import nn

from autoencoder import LATENT

PATCH = 2
TOKEN = LATENT * PATCH * PATCH  # values in one latent token
PIXELS_PER_TOKEN = 8 * PATCH
MASK_TOKEN = PIXELS_PER_TOKEN**2  # values in one mask token
CONTROLS = ("mask", "edge", "depth", "scribble", "placement")
ROLES = ("canvas", "asset", "control")
ROPE_THETA = 100.0

PRESETS = {
    "nano-s": dict(width=256, layers=6, heads=4, mlp=512, text_width=128, text_layers=2, text_ff=320),
    "nano": dict(width=384, layers=12, heads=6, mlp=1024, text_width=192, text_layers=4, text_ff=512),
    "small": dict(width=768, layers=16, heads=12, mlp=2048, text_width=384, text_layers=6, text_ff=1024),
    "base": dict(width=1280, layers=24, heads=20, mlp=3456, text_width=512, text_layers=8, text_ff=1408),
}


def rms(x: torch.Tensor, eps: float = 1e-6) -> torch.Tensor:
    """x / sqrt(mean(x²)) over the last axis, in f32."""
    y = x.float()
    return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype)


def modulated(x, shift, scale):
    """rms(x)·(1 + scale) + shift."""
    return rms(x) * (1 + scale) + shift


def head_norm(x, weight):
    """RMS norm over the head's width with a weight, as the model does to queries and keys."""
    return rms(x) * weight.to(x.dtype)


def gated(x, gate, y):
    return x + gate * y


def swiglu(a, b):
    return F.silu(a) * b


def attend(q, k, v, mask=None, scale=None):
    """Scaled dot-product attention, [N, heads, T, D]; written out, because on CPU the products then run in bf16
    tiles and the backward pass is several times faster than the fused one's. GPUs have the fused one."""
    if q.is_cuda:
        return attend_fused(q, k, v, mask, scale)
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    s = torch.matmul(q * scale, k.transpose(-1, -2)).float()
    if mask is not None:
        s = s + mask
    return torch.matmul(s.softmax(-1).to(v.dtype), v)


def attend_fused(q, k, v, mask=None, scale=None):
    """The same in one kernel, which asks for the mask in the queries' type."""
    mask = None if mask is None else mask.to(q.dtype)
    return F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v, mask, scale=scale)


# --- text ---------------------------------------------------------------------------------------------------------


@dataclass
class TextConfig:
    """Field names and meaning as in Hugging Face's T5Config."""

    vocab_size: int = 1024
    d_model: int = 128
    d_kv: int = 32
    d_ff: int = 320
    num_layers: int = 3
    num_heads: int = 4
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128
    layer_norm_epsilon: float = 1e-6
    feed_forward_proj: str = "gated-gelu"
    dropout_rate: float = 0.0
    initializer_factor: float = 1.0
    is_encoder_decoder: bool = False
    is_decoder: bool = False
    use_cache: bool = False
    pad_token_id: int = 0
    eos_token_id: int = 1


class RmsWeight(nn.Module):
    def __init__(self, n, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))
        self.eps = eps

    def forward(self, x):
        return rms(x, self.eps) * self.weight.to(x.dtype)


class T5Attention(nn.Module):
    def __init__(self, c: TextConfig, bias: bool):
        super().__init__()
        self.c = c
        inner = c.num_heads * c.d_kv
        self.q = nn.Linear(c.d_model, inner, bias=False)
        self.k = nn.Linear(c.d_model, inner, bias=False)
        self.v = nn.Linear(c.d_model, inner, bias=False)
        self.o = nn.Linear(inner, c.d_model, bias=False)
        nn.init.normal_(self.q.weight, std=(c.d_model * c.d_kv) ** -0.5)
        for m in (self.k, self.v):
            nn.init.normal_(m.weight, std=c.d_model**-0.5)
        nn.init.normal_(self.o.weight, std=inner**-0.5)
        if bias:
            self.relative_attention_bias = nn.Embedding(c.relative_attention_num_buckets, c.num_heads)
            nn.init.normal_(self.relative_attention_bias.weight, std=c.d_model**-0.5)

    def position_bias(self, n: int, device) -> torch.Tensor:
        """[1, heads, n, n], T5's bidirectional buckets (Raffel et al. 2020)."""
        c = self.c
        rel = torch.arange(n, device=device)[None, :] - torch.arange(n, device=device)[:, None]
        half = c.relative_attention_num_buckets // 2
        bucket = (rel > 0).long() * half
        rel = rel.abs()
        exact = half // 2
        large = exact + (
            torch.log(rel.float().clamp(min=1) / exact)
            / math.log(c.relative_attention_max_distance / exact)
            * (half - exact)
        ).long()
        bucket = bucket + torch.where(rel < exact, rel, large.clamp(max=half - 1))
        return self.relative_attention_bias(bucket).permute(2, 0, 1)[None]

    def forward(self, x, bias):
        n, t, _ = x.shape
        q, k, v = (m(x).view(n, t, self.c.num_heads, self.c.d_kv).transpose(1, 2) for m in (self.q, self.k, self.v))
        y = attend(q, k, v, bias.float(), 1.0)
        return self.o(y.transpose(1, 2).reshape(n, t, -1))


class T5Layer0(nn.Module):
    def __init__(self, c, bias):
        super().__init__()
        self.SelfAttention = T5Attention(c, bias)
        self.layer_norm = RmsWeight(c.d_model, c.layer_norm_epsilon)


class T5Ff(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.wi_0 = nn.Linear(c.d_model, c.d_ff, bias=False)
        self.wi_1 = nn.Linear(c.d_model, c.d_ff, bias=False)
        self.wo = nn.Linear(c.d_ff, c.d_model, bias=False)

    def forward(self, x):
        return self.wo(F.gelu(self.wi_0(x), approximate="tanh") * self.wi_1(x))


class T5Layer1(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.DenseReluDense = T5Ff(c)
        self.layer_norm = RmsWeight(c.d_model, c.layer_norm_epsilon)


class T5Block(nn.Module):
    def __init__(self, c, bias):
        super().__init__()
        self.layer = nn.ModuleList([T5Layer0(c, bias), T5Layer1(c)])


class T5Stack(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.block = nn.ModuleList(T5Block(c, i == 0) for i in range(c.num_layers))
        self.final_layer_norm = RmsWeight(c.d_model, c.layer_norm_epsilon)


class TextEncoder(nn.Module):
    """T5 encoder with Hugging Face's names, so that candle-transformers reads the same file."""

    def __init__(self, c: TextConfig):
        super().__init__()
        self.c = c
        self.shared = nn.Embedding(c.vocab_size, c.d_model)
        nn.init.normal_(self.shared.weight, std=1.0)
        self.encoder = T5Stack(c)

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor | None = None, record: dict | None = None):
        """ids [N, T] → [N, T, d_model]; positions at or past `lengths` are padding."""
        x = self.shared(ids)
        attention = self.encoder.block[0].layer[0].SelfAttention
        bias = attention.position_bias(ids.shape[1], ids.device)
        if lengths is not None:
            pad = torch.arange(ids.shape[1], device=ids.device)[None] >= lengths[:, None]
            bias = bias + pad[:, None, None].float() * -1e4
        for i, block in enumerate(self.encoder.block):
            a, f = block.layer
            x = x + a.SelfAttention(a.layer_norm(x), bias)
            x = x + f.DenseReluDense(f.layer_norm(x))
            if record is not None:
                record[f"text.block.{i}"] = x
        return self.encoder.final_layer_norm(x)


# --- transformer --------------------------------------------------------------------------------------------------


@dataclass
class TransformerConfig:
    width: int = 256
    layers: int = 6
    heads: int = 4
    mlp: int = 512
    attention: str = "cached"
    prediction: str = "x0"
    # Standard deviation, by latent channel, of what the network has to add to the base; empty = plain outputs.
    residual: list[float] = field(default_factory=list)
    max_inputs: int = 8
    max_outputs: int = 4
    text_width: int = 128


def patchify(z: torch.Tensor) -> torch.Tensor:
    """[N, 32, h, w] → [N, (h/2)(w/2), 128], values in the order channel, row, column."""
    n, c, h, w = z.shape
    z = z.view(n, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return z.reshape(n, (h // 2) * (w // 2), c * 4)


def unpatchify(x: torch.Tensor, h: int, w: int) -> torch.Tensor:
    """Inverse of `patchify`; h and w are the latent's rows and columns."""
    n = x.shape[0]
    x = x.view(n, h // 2, w // 2, LATENT, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return x.reshape(n, LATENT, h, w)


def mask_patches(m: torch.Tensor) -> torch.Tensor:
    """[N, H, W] in 0..1 → [N, (H/16)(W/16), 256], each patch row-major."""
    n, h, w = m.shape
    m = m.view(n, h // 16, 16, w // 16, 16).permute(0, 1, 3, 2, 4)
    return m.reshape(n, (h // 16) * (w // 16), 256)


def grid(rows: int, cols: int, placed: torch.Tensor | None = None, frame: tuple[int, int] | None = None, device=None):
    """Token positions [..., rows·cols, 2] (y, x) in units of 16 px of the output frame.

    `placed` [N, 4] = top, left, bottom, right as shares of the frame, NaN for the whole frame.
    """
    device = device if placed is None else placed.device
    y = torch.arange(rows, dtype=torch.float32, device=device)
    x = torch.arange(cols, dtype=torch.float32, device=device)
    own = torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2)
    if placed is None:
        return own
    fh, fw = frame
    p = torch.where(torch.isnan(placed), whole_frame(device), placed)
    u = torch.stack([(own[:, 0] + 0.5) / rows, (own[:, 1] + 0.5) / cols], -1)[None]
    low, high = p[:, None, 0:2], p[:, None, 2:4]
    sides = torch.where(torch.arange(2, device=device) == 0, float(fh), float(fw))
    return (low + u * (high - low)) * sides - 0.5


def whole_frame(device=None) -> torch.Tensor:
    """Top, left, bottom, right of everything; made on the device, since a copy to it would wait for what it does."""
    return (torch.arange(4, device=device) >= 2).float()


def rope_table(positions: torch.Tensor, head_dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """cos, sin [..., T, head_dim/2]; first half of the pairs turns with y, second with x."""
    quarter = head_dim // 4
    freq = ROPE_THETA ** (-torch.arange(quarter, dtype=torch.float32, device=positions.device) / quarter)
    angle = torch.cat([positions[..., 0:1] * freq, positions[..., 1:2] * freq], -1)
    return angle.cos(), angle.sin()


def rotate(x: torch.Tensor, table) -> torch.Tensor:
    """x [N, heads, T, D]; interleaved pairs (2i, 2i+1)."""
    cos, sin = (t.to(x.dtype) for t in table)
    if cos.dim() == 3:
        cos, sin = cos[:, None], sin[:, None]
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)


class Block(nn.Module):
    def __init__(self, c: TransformerConfig):
        super().__init__()
        w, self.heads, self.d = c.width, c.heads, c.width // c.heads
        self.qkv = nn.Linear(w, 3 * w, bias=False)
        self.q_norm = RmsWeight(self.d, 1e-6)
        self.k_norm = RmsWeight(self.d, 1e-6)
        self.proj = nn.Linear(w, w, bias=False)
        self.gate = nn.Linear(w, c.mlp, bias=False)
        self.up = nn.Linear(w, c.mlp, bias=False)
        self.down = nn.Linear(c.mlp, w, bias=False)

    def project(self, x, shift, scale):
        """q, k (normalised, not rotated) and v, each [N, heads, T, D]."""
        n, t, w = x.shape
        h = modulated(x, shift, scale)
        q, k, v = self.qkv(h).view(n, t, 3, self.heads, self.d).permute(2, 0, 3, 1, 4)
        return head_norm(q, self.q_norm.weight), head_norm(k, self.k_norm.weight), v

    def finish(self, x, attended, gate1, shift2, scale2, gate2):
        n, _, t, _ = attended.shape
        x = gated(x, gate1, self.proj(attended.transpose(1, 2).reshape(n, t, -1)))
        h = modulated(x, shift2, scale2)
        return gated(x, gate2, self.down(swiglu(self.gate(h), self.up(h))))


@dataclass
class Image:
    """One input image of a batch; all samples of a batch share role, kind and grid."""

    role: int
    index: int  # 0 = IMG1
    kind: int | None = None  # position in CONTROLS
    latent: torch.Tensor | None = None  # [N, 32, h, w]
    mask: torch.Tensor | None = None  # [N, H, W] for mask controls
    level: torch.Tensor | None = None  # [N] long, for masks
    fit: torch.Tensor | None = None  # [N] share or NaN, for masks
    placed: torch.Tensor | None = None  # [N, 4] or None
    absent: torch.Tensor | None = None  # [N] bool: dropped for these samples (training only)

    @property
    def rows_cols(self):
        if self.mask is not None:
            return self.mask.shape[1] // 16, self.mask.shape[2] // 16
        return self.latent.shape[2] // 2, self.latent.shape[3] // 2


class Transformer(nn.Module):
    def __init__(self, c: TransformerConfig):
        super().__init__()
        self.c = c
        w = c.width
        self.text_proj = nn.Linear(c.text_width, w)
        self.patch_in = nn.Linear(TOKEN, w)
        self.mask_in = nn.Linear(MASK_TOKEN, w)
        self.noise_in = nn.Linear(TOKEN, w)
        self.align = nn.ModuleDict(
            {k: nn.Linear(MASK_TOKEN if k == "mask" else TOKEN, w) for k in ("canvas",) + CONTROLS}
        )
        self.index_embedding = nn.Embedding(c.max_inputs + c.max_outputs, w)
        self.role_embedding = nn.Embedding(len(ROLES), w)
        self.control_embedding = nn.Embedding(len(CONTROLS), w)
        self.level_embedding = nn.Embedding(4, w)
        self.fit_in = nn.Linear(1, w)
        self.fit_null = nn.Parameter(torch.zeros(w))
        self.time_in = nn.Sequential(nn.Linear(256, w), nn.SiLU(), nn.Linear(w, w))
        self.mod_time = nn.Linear(w, 6 * w)
        self.mod_out = nn.Embedding(c.layers, 6 * w)
        self.mod_in = nn.Embedding(c.layers, 6 * w)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.layers))
        self.final_mod = nn.Linear(w, 2 * w)
        self.out = nn.Linear(w, TOKEN)
        self.register_buffer("residual", torch.tensor(c.residual), persistent=False)
        for e in (self.index_embedding, self.role_embedding, self.control_embedding, self.level_embedding):
            nn.init.normal_(e.weight, std=0.5)
        for k, m in self.align.items():
            nn.init.zeros_(m.bias)
        for b in self.blocks:
            for m in (b.proj, b.down):
                nn.init.normal_(m.weight, std=0.02)
        nn.init.zeros_(self.mod_time.weight)
        nn.init.zeros_(self.mod_time.bias)
        for e in (self.mod_out, self.mod_in):
            # Gates start small, not at zero: with few training steps a dead start costs too much.
            nn.init.zeros_(e.weight)
            with torch.no_grad():
                e.weight.view(c.layers, 6, w)[:, [2, 5]] = 0.5
        nn.init.zeros_(self.final_mod.weight)
        nn.init.zeros_(self.final_mod.bias)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)

    # tokens

    def text_tokens(self, encoded: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """IMGn and RESn tokens (ids 3…14) also get their picture's index embedding."""
        row = (ids - 3).clamp(0, self.index_embedding.num_embeddings - 1)
        named = ((ids >= 3) & (ids < 3 + self.index_embedding.num_embeddings))[..., None]
        return self.text_proj(encoded) + self.index_embedding(row) * named

    def image_tokens(self, image: Image) -> torch.Tensor:
        constant = self.index_embedding.weight[image.index] + self.role_embedding.weight[image.role]
        if image.kind is not None:
            constant = constant + self.control_embedding.weight[image.kind]
        if image.mask is None:
            return self.patch_in(patchify(image.latent)) + constant
        x = self.mask_in(mask_patches(image.mask)) + constant + self.level_embedding(image.level)[:, None]
        known = ~torch.isnan(image.fit)
        fit = self.fit_in(torch.nan_to_num(image.fit)[:, None])
        return x + torch.where(known[:, None], fit, self.fit_null)[:, None]

    def aligned(self, images: list[Image], rows_cols) -> torch.Tensor | float:
        """What the pictures that share the output's frame say at each output token."""
        total = 0.0
        for image in images:
            if image.role == ROLES.index("asset") or image.rows_cols != rows_cols:
                continue
            if image.mask is not None:
                part = self.align["mask"](mask_patches(image.mask))
            else:
                name = "canvas" if image.role == 0 else CONTROLS[image.kind]
                part = self.align[name](patchify(image.latent))
            if image.absent is not None:
                part = part * (~image.absent)[:, None, None]
            total = total + part
        return total

    def base(self, images: list[Image], rows_cols) -> torch.Tensor | None:
        """Where the first output starts from: the placement if there is one, else the canvas; [N, 32, h, w]."""
        base = None
        for image in images:
            placement = image.kind == CONTROLS.index("placement")
            if (image.role == 0 or placement) and image.rows_cols == rows_cols:
                latent = image.latent
                if image.absent is not None:
                    other = torch.zeros_like(latent) if base is None else base
                    latent = torch.where(image.absent[:, None, None, None], other, latent)
                base = latent
        return base

    def time_embedding(self, t: torch.Tensor) -> torch.Tensor:
        """t [N] in 0..1 → [N, width]."""
        freq = torch.exp(-math.log(10000.0) * torch.arange(128, dtype=torch.float32, device=t.device) / 128)
        a = 1000.0 * t[:, None].float() * freq
        return self.time_in(torch.cat([a.cos(), a.sin()], -1).to(self.time_in[0].weight.dtype))

    def forward(
        self,
        z: torch.Tensor,
        t: torch.Tensor,
        text: torch.Tensor,
        ids: torch.Tensor,
        images: list[Image],
        text_lengths: torch.Tensor | None = None,
        record: dict | None = None,
        maps: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """z [N, R, 32, h, w] and t [N] → the network's output (x0 or v), same shape as z.

        `maps` [N] bool: samples whose output is a map of the canvas, which starts from nothing rather than from it.
        """
        n, r, _, h, w = z.shape
        width, d = self.c.width, self.c.width // self.c.heads
        rows, cols = h // 2, w // 2
        per = rows * cols

        x = self.noise_in(patchify(z.flatten(0, 1))).view(n, r, per, width)
        x = x + self.index_embedding.weight[self.c.max_inputs : self.c.max_inputs + r][None, :, None]
        aligned = self.aligned(images, (rows, cols))
        if not isinstance(aligned, float):
            x = x + aligned[:, None]
        x = x.reshape(n, r * per, width)
        text_x = self.text_tokens(text, ids)
        inputs = [self.image_tokens(i) for i in images]

        grids = [i.rows_cols for i in images]
        own = [rope_table(grid(*i.rows_cols, device=z.device), d) for i in images]
        cross = [
            rope_table(grid(*i.rows_cols, i.placed, (rows, cols)), d)
            if i.role == 1 and i.placed is not None
            else rope_table(frame_positions(i, rows, cols, z.device), d)
            for i in images
        ]
        cos, sin = rope_table(grid(rows, cols, device=z.device), d)
        out_table = (cos.repeat(r, 1), sin.repeat(r, 1))

        temb = F.silu(self.time_embedding(t))
        time_mod = self.mod_time(temb)
        keep = self.key_mask(n, r * per, text_x, text_lengths, images)
        if record is not None:
            record.update({"tokens.text": text_x, "tokens.out": x, "temb": temb})
            record.update({f"tokens.image.{k}": v for k, v in enumerate(inputs)})

        for l, block in enumerate(self.blocks):
            out_mod = (self.mod_out.weight[l] + time_mod)[:, None].chunk(6, -1)
            in_mod = self.mod_in.weight[l].chunk(6, -1)
            if self.c.attention == "cached":
                x, text_x, inputs = self.cached_layer(
                    block, x, text_x, inputs, out_mod, in_mod, out_table, grids, own, cross, keep, text_lengths,
                    last=l + 1 == self.c.layers,
                )
            else:
                x, text_x, inputs = self.full_layer(
                    block, x, text_x, inputs, out_mod, in_mod, out_table, cross, keep
                )
            if record is not None:
                record[f"block.{l}"] = x

        shift, scale = self.final_mod(temb)[:, None].chunk(2, -1)
        y = self.out(rms(x) * (1 + scale) + shift)
        y = unpatchify(y.view(n * r, per, TOKEN), h, w).view(n, r, LATENT, h, w)
        if not self.c.residual:
            return y
        base = self.base(images, (rows, cols))
        start = torch.zeros_like(z)
        if base is not None:
            start[:, 0] = base if maps is None else torch.where(maps[:, None, None, None], 0.0, base)
        return preconditioned(y, z, t, start, self.residual)

    def key_mask(self, n, outputs, text_x, text_lengths, images):
        """Additive [N, 1, 1, keys] mask of absent images and text padding, order: out, text, images; or None."""
        if text_lengths is None and all(i.absent is None for i in images):
            return None
        device = text_x.device
        parts = [torch.zeros(n, outputs, dtype=torch.bool, device=device)]
        t = text_x.shape[1]
        parts.append(
            torch.zeros(n, t, dtype=torch.bool, device=device)
            if text_lengths is None
            else torch.arange(t, device=device)[None] >= text_lengths[:, None]
        )
        for i in images:
            rows, cols = i.rows_cols
            absent = torch.zeros(n, dtype=torch.bool, device=device) if i.absent is None else i.absent
            parts.append(absent[:, None].expand(n, rows * cols))
        return torch.cat(parts, 1)[:, None, None].float() * -1e4

    def cached_layer(
        self, block, x, text_x, inputs, out_mod, in_mod, out_table, grids, own, cross, keep, text_lengths, last
    ):
        s1, c1, g1, s2, c2, g2 = in_mod
        q, k, v = block.project(text_x, s1, c1)
        keys, values = [k], [v]
        pad = None
        if text_lengths is not None:
            n_out = x.shape[1]
            pad = keep[..., n_out : n_out + text_x.shape[1]]
        # Nothing reads what text and pictures would become after the last layer.
        if not last:
            text_x = block.finish(text_x, attend(q, k, v, pad), g1, s2, c2, g2)
        # Images of one shape go through together: attention to oneself is a larger batch.
        sizes = set(grids)
        new = [None] * len(inputs)
        image_keys, image_values = [None] * len(inputs), [None] * len(inputs)
        for size in sizes:
            at = [j for j, g in enumerate(grids) if g == size]
            group = torch.cat([inputs[j] for j in at])
            q, k, v = block.project(group, s1, c1)
            for part, j in enumerate(at):
                rows = slice(part * x.shape[0], (part + 1) * x.shape[0])
                image_keys[j] = rotate(k[rows], cross[j])
                image_values[j] = v[rows]
            if last:
                continue
            table = own[at[0]]
            group = block.finish(group, attend(rotate(q, table), rotate(k, table), v), g1, s2, c2, g2)
            for part, j in enumerate(at):
                new[j] = group[part * x.shape[0] : (part + 1) * x.shape[0]]
        s1, c1, g1, s2, c2, g2 = out_mod
        q, k, v = block.project(x, s1, c1)
        keys = torch.cat([rotate(k, out_table)] + keys + image_keys, 2)
        values = torch.cat([v] + values + image_values, 2)
        x = block.finish(x, attend(rotate(q, out_table), keys, values, keep), g1, s2, c2, g2)
        return x, text_x, new

    def full_layer(self, block, x, text_x, inputs, out_mod, in_mod, out_table, cross, keep):
        parts = [x, text_x] + inputs
        tables = [out_table, None] + cross
        mods = [out_mod] + [in_mod] * (1 + len(inputs))
        qs, ks, vs = [], [], []
        for p, table, m in zip(parts, tables, mods):
            q, k, v = block.project(p, m[0], m[1])
            qs.append(q if table is None else rotate(q, table))
            ks.append(k if table is None else rotate(k, table))
            vs.append(v)
        y = attend(torch.cat(qs, 2), torch.cat(ks, 2), torch.cat(vs, 2), keep)
        parts = [
            block.finish(p, a, *m[2:]) for p, a, m in zip(parts, y.split([p.shape[1] for p in parts], 2), mods)
        ]
        return parts[0], parts[1], parts[2:]


def preconditioned(y, z, t, base, sigma):
    """x̂0 from the network's unit-scale answer y, all [N, R, C, h, w]; t [N]; sigma [C].

    With x0 ~ N(base, σ²) and z = (1−t)·x0 + t·ε, the best linear estimate is base + k·(z − (1−t)·base) with
    k = (1−t)σ² / ((1−t)²σ² + t²), and what it leaves unexplained has deviation σt / √((1−t)²σ² + t²)
    (Karras et al. 2022, table 1, for the linear path and a known mean).
    """
    t = t.view(-1, 1, 1, 1, 1).float()
    s2 = sigma.view(1, 1, -1, 1, 1) ** 2
    spread = (1 - t) ** 2 * s2 + t**2
    k = (1 - t) * s2 / spread
    return base + k * (z - (1 - t) * base) + (s2 / spread).sqrt() * t * y


def frame_positions(image: Image, rows: int, cols: int, device=None) -> torch.Tensor:
    """Cross coordinates of an image that is not placed: its grid stretched over the output's frame."""
    r, c = image.rows_cols
    if (r, c) == (rows, cols):
        return grid(r, c, device=device)
    return grid(r, c, whole_frame(device)[None], (rows, cols))[0]


class UniReal(nn.Module):
    """Text encoder and transformer, trained together."""

    def __init__(self, text: TextConfig, transformer: TransformerConfig):
        super().__init__()
        self.text = TextEncoder(text)
        self.transformer = Transformer(transformer)

    def forward(self, z, t, ids, lengths, images, record=None, maps=None):
        encoded = self.text(ids, lengths, record)
        return self.transformer(z, t, encoded, ids, images, lengths, record, maps)


def preset(name: str, vocab_size: int, attention: str = "cached", prediction: str = "x0", residual=()):
    """The configurations of a preset (the same table as src/model/config.rs)."""
    p = PRESETS[name]
    text = TextConfig(
        vocab_size=vocab_size, d_model=p["text_width"], d_ff=p["text_ff"], num_layers=p["text_layers"],
        num_heads=p["text_width"] // 32,
    )
    transformer = TransformerConfig(
        width=p["width"], layers=p["layers"], heads=p["heads"], mlp=p["mlp"], text_width=p["text_width"],
        attention=attention, prediction=prediction, residual=list(residual),
    )
    return text, transformer


def fuse():
    """Compiles the element-wise parts, which cost more than the matrix products on a CPU."""
    import model as module

    torch._dynamo.config.cache_size_limit = 64
    for name in ("modulated", "head_norm", "rotate", "gated", "swiglu"):
        setattr(module, name, torch.compile(getattr(module, name), dynamic=True))


def to_velocity(output: torch.Tensor, z: torch.Tensor, t: torch.Tensor, prediction: str) -> torch.Tensor:
    """The network's output as dz/dt; t broadcasts over [N, R, C, h, w]."""
    if prediction == "velocity":
        return output
    return (z - output) / t.view(-1, 1, 1, 1, 1).clamp(min=0.05)
