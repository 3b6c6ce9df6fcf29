"""Reference of the light model (src/model/light must equal it): a collage to the light on its objects and its ground."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from autoencoder import ResBlock

LIGHT = {"c0": 32, "n0": 2, "c1": 80, "n1": 2, "c2": 144, "n2": 2, "c3": 192, "n3": 3}
CELL = 8  # pixels to a cell of the coarse grid
GAINS = 3.0  # no factor is beyond e^±3


class Light(nn.Module):
    """canvas, collage, cover, masks [N, 3|3|1|1, H, W] in 0..1 → factors for the objects [N, 3, H/8, W/8], what is
    mirrored in the ground [N, 3, H/8, W/8], factors for the ground [N, 3, H, W]. H and W are multiples of 16."""

    def __init__(self, c0, n0, c1, n1, c2, n2, c3, n3):
        super().__init__()
        blocks = lambda c, n: nn.ModuleList(ResBlock(c) for _ in range(n))
        self.stem = nn.Conv2d(4 * 8 + 2, c0, 3, padding=1)
        self.stage0 = blocks(c0, n0)
        self.down1 = nn.Conv2d(4 * c0, c1, 1)
        self.stage1 = blocks(c1, n1)
        self.down2 = nn.Conv2d(4 * c1, c2, 1)
        self.stage2 = blocks(c2, n2)
        self.down3 = nn.Conv2d(4 * c2, c3, 1)
        self.all = nn.Conv2d(c3, c3, 1)
        self.stage3 = blocks(c3, n3)
        self.up2 = nn.Conv2d(c3, 4 * c2, 1)
        self.back2 = blocks(c2, n2)
        self.grid = nn.Conv2d(c2, 6, 3, padding=1)
        self.up1 = nn.Conv2d(c2, 4 * c1, 1)
        self.back1 = blocks(c1, n1)
        self.up0 = nn.Conv2d(c1, 4 * c0, 1)
        self.back0 = blocks(c0, n0)
        self.head = nn.Conv2d(c0, 12, 3, padding=1)
        for layer in (self.grid, self.head):  # begins as no change
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, canvas, laid, cover, masked):
        x = F.pixel_unshuffle(2 * torch.cat([canvas, laid, cover, masked], 1) - 1, 2)
        n, _, h, w = x.shape
        along = lambda count: (torch.arange(count, dtype=x.dtype, device=x.device) + 0.5) * (2 / count) - 1
        y = along(h)[None, None, :, None].expand(n, 1, h, w)
        z = along(w)[None, None, None, :].expand(n, 1, h, w)
        run = lambda stage, x: [x := b(x) for b in stage][-1]
        x0 = run(self.stage0, self.stem(torch.cat([x, y, z], 1)))
        x1 = run(self.stage1, self.down1(F.pixel_unshuffle(x0, 2)))
        x2 = run(self.stage2, self.down2(F.pixel_unshuffle(x1, 2)))
        x3 = self.down3(F.pixel_unshuffle(x2, 2))
        x3 = run(self.stage3, x3 + self.all(x3.mean((2, 3), keepdim=True)))
        x2 = run(self.back2, x2 + F.pixel_shuffle(self.up2(x3), 2))
        grid = self.grid(F.relu(x2)).float()
        x1 = run(self.back1, x1 + F.pixel_shuffle(self.up1(x2), 2))
        x0 = run(self.back0, x0 + F.pixel_shuffle(self.up0(x1), 2))
        ground = F.pixel_shuffle(self.head(F.relu(x0)), 2).float()
        factor = lambda x: x.clamp(-GAINS, GAINS).exp()
        return factor(grid[:, :3]), grid[:, 3:], factor(ground)


def lit(laid, cover, light):
    """A collage in this light. Where objects half cover the ground both are taken for the collage's own colour."""
    objects, mirrored, ground = light
    smooth = lambda x: F.interpolate(x, size=laid.shape[2:], mode="bilinear", align_corners=False)
    object_ = (laid * smooth(objects)).clamp(0, 1)
    floor = (laid * ground + smooth(mirrored)).clamp(0, 1)
    return cover * object_ + (1 - cover) * floor
