"""Reference of the autoencoder (src/model/autoencoder must equal it): RGB pictures to latents and back."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

LATENT = 32
AUTOENCODER = {
    "kind": "conv",
    "latent_channels": LATENT,
    "encoder": {"c1": 64, "n1": 2, "c2": 160, "n2": 3},
    "decoder": {"c2": 160, "n2": 4, "c1": 96, "n1": 3, "c0": 48, "n0": 2},
}


class ResBlock(nn.Module):
    """x + conv2(relu(conv1(x))): no normalisation, so tiles equal the whole picture."""

    def __init__(self, c: int):
        super().__init__()
        self.conv1 = nn.Conv2d(c, c, 3, padding=1)
        self.conv2 = nn.Conv2d(c, c, 3, padding=1)
        nn.init.normal_(self.conv2.weight, std=0.02)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x):
        return x + self.conv2(F.relu(self.conv1(x)))


class Encoder(nn.Module):
    def __init__(self, c1, n1, c2, n2):
        super().__init__()
        self.stem = nn.Conv2d(48, c1, 3, padding=1)
        self.stage1 = nn.ModuleList(ResBlock(c1) for _ in range(n1))
        self.down = nn.Conv2d(4 * c1, c2, 1)
        self.stage2 = nn.ModuleList(ResBlock(c2) for _ in range(n2))
        self.head = nn.Conv2d(c2, LATENT, 3, padding=1)

    def forward(self, rgb):
        x = self.stem(F.pixel_unshuffle(2 * rgb - 1, 4))
        for b in self.stage1:
            x = b(x)
        x = self.down(F.pixel_unshuffle(x, 2))
        for b in self.stage2:
            x = b(x)
        return self.head(F.relu(x))


class Decoder(nn.Module):
    def __init__(self, c2, n2, c1, n1, c0, n0):
        super().__init__()
        self.stem = nn.Conv2d(LATENT, c2, 3, padding=1)
        self.stage2 = nn.ModuleList(ResBlock(c2) for _ in range(n2))
        self.up1 = nn.Conv2d(c2, 4 * c1, 1)
        self.stage1 = nn.ModuleList(ResBlock(c1) for _ in range(n1))
        self.up2 = nn.Conv2d(c1, 4 * c0, 1)
        self.stage0 = nn.ModuleList(ResBlock(c0) for _ in range(n0))
        self.head = nn.Conv2d(c0, 12, 3, padding=1)

    def forward(self, z):
        x = self.stem(3 * torch.tanh(z / 3))
        for b in self.stage2:
            x = b(x)
        x = F.pixel_shuffle(self.up1(x), 2)
        for b in self.stage1:
            x = b(x)
        x = F.pixel_shuffle(self.up2(x), 2)
        for b in self.stage0:
            x = b(x)
        return (F.pixel_shuffle(self.head(F.relu(x)), 2) + 1) / 2


class Autoencoder(nn.Module):
    """RGB 0..1 ↔ FLUX.2 latents (32 channels, 8× down)."""

    def __init__(self, config: dict = AUTOENCODER):
        super().__init__()
        self.encoder = Encoder(**config["encoder"])
        self.decoder = Decoder(**config["decoder"])
