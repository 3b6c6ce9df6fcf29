"""The teacher autoencoder "taef2" (Ollin Boer Bohan, MIT) from the data pack: defines the latent space to learn."""

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class Block(nn.Module):
    def __init__(self, w, name, pool=False):
        super().__init__()
        self.w, self.name, self.pool = w, name, pool

    def forward(self, x):
        g = lambda k: self.w[f"{self.name}.{k}"].to(x.dtype)
        if self.pool:
            y = F.conv2d(x, g("pool.0.weight"))
            y = F.relu(F.group_norm(y, 4, g("pool.1.weight"), g("pool.1.bias"), 1e-5))
            x = x + F.conv2d(y, g("pool.3.weight"))
        y = x
        for i in (0, 2, 4):
            y = F.conv2d(y, g(f"conv.{i}.weight"), g(f"conv.{i}.bias"), padding=1)
            if i != 4:
                y = F.relu(y)
        return F.relu(y + x)


class Teacher:
    """encode: RGB 0..1 [N,3,H,W] → [N,32,H/8,W/8]; decode: the reverse (not clamped)."""

    def __init__(self, folder, dtype=torch.float32, device="cpu"):
        self.e = {k: v.float().to(device) for k, v in load_file(f"{folder}/taef2_encoder.safetensors").items()}
        self.d = {k: v.float().to(device) for k, v in load_file(f"{folder}/taef2_decoder.safetensors").items()}
        self.dtype = dtype

    def _conv(self, w, i, x, stride=1):
        b = w.get(f"{i}.bias")
        return F.conv2d(
            x, w[f"{i}.weight"].to(x.dtype), None if b is None else b.to(x.dtype), stride=stride, padding=1
        )

    @torch.no_grad()
    def encode(self, rgb, layers=15):
        x = rgb.to(self.dtype).contiguous(memory_format=torch.channels_last)
        for i in range(layers):
            if i in (0, 14):
                x = self._conv(self.e, i, x)
            elif i in (2, 6, 10):
                x = self._conv(self.e, i, x, 2)
            else:
                x = Block(self.e, str(i), pool=i > 10)(x)
        return x.float()

    @torch.no_grad()
    def decode(self, z):
        x = (3 * torch.tanh(z / 3)).to(self.dtype)
        for i in range(1, 20):
            if i in (1, 7, 12, 17, 19):
                x = self._conv(self.d, i, x)
                if i == 1:
                    x = F.relu(x)
            elif i == 2:
                continue
            elif i in (6, 11, 16):
                x = F.interpolate(x, scale_factor=2)
            else:
                x = Block(self.d, str(i), pool=i in (3, 4, 5))(x)
        return x.float()
