"""Trains the autoencoder, towards the teacher's latents or towards latents of its own.

    inlay data split --pack ../worldpack > split.tsv
    python train_autoencoder.py --pack ../worldpack --split split.tsv --run runs/ae --latents own --minutes 20

`--latents teacher` distils: the encoder learns the teacher's latents, the decoder to undo them better. That takes many
thousand steps. `--latents own` starts as the best linear patch codec (principal components of 8×8 patches, written
exactly into the same layers) and learns to reconstruct: good after a few hundred steps, but the latents are no other
model's.

Data: random crops of the pack's photos, shop pictures, panoramas and textures, cut-outs pasted over them, and (if
`--stream` names a file of `inlay data stream` records) rendered pictures. What the data holds out is held out here.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

import common
from autoencoder import AUTOENCODER, Autoencoder
from teacher import Teacher


class Pictures:
    """The pack's pictures in memory, as [3, H, W] u8."""

    def __init__(self, pack: Path, parts: dict[str, bool], held_out: bool):
        entries = json.load(open(pack / "manifest.json"))["entries"]
        self.backs, self.cutouts, self.groceries = [], [], []
        for e in entries:
            path = pack / e["file"]
            if parts[e["id"]] != held_out or not path.exists():
                continue
            if e["kind"] in ("photo", "hdri_ldr", "texture", "photo_grocery"):
                a = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)
                (self.groceries if e["kind"] == "photo_grocery" else self.backs).append(a)
            elif e["kind"] == "cutout":
                self.cutouts.append(torch.from_numpy(np.array(Image.open(path).convert("RGBA"))).permute(2, 0, 1))

    def crop(self, size, rng):
        a = rng.choice(self.backs if rng.random() < 0.55 else self.groceries or self.backs)
        side = int(size * rng.choice((1, 1, 1.5, 2, 3)))
        side = max(min(side, a.shape[1], a.shape[2]), 1)
        y, x = rng.randint(0, a.shape[1] - side), rng.randint(0, a.shape[2] - side)
        c = a[:, y : y + side, x : x + side].float()[None] / 255
        if side != size:
            c = F.interpolate(c, (size, size), mode="bilinear", antialias=True, align_corners=False)
        c = c[0]
        if rng.random() < 0.5:
            c = c.flip(2)
        if rng.random() < 0.3:
            c = (c * rng.uniform(0.6, 1.3) + rng.uniform(-0.1, 0.1)).clamp(0, 1)
        if self.cutouts and rng.random() < 0.35:
            for _ in range(rng.randint(1, 2)):
                o = rng.choice(self.cutouts).float()[None] / 255
                k = rng.uniform(0.3, 1.0) * size / max(o.shape[2:])
                o = F.interpolate(o, scale_factor=k, mode="bilinear", antialias=True, align_corners=False)[0]
                h, w = o.shape[1:]
                if h < 2 or w < 2 or h > size or w > size:
                    continue
                y, x = rng.randint(0, size - h), rng.randint(0, size - w)
                if rng.random() < 0.15:
                    c = torch.full_like(c, rng.uniform(0.3, 1.0))
                c = c.clone()
                c[:, y : y + h, x : x + w] = c[:, y : y + h, x : x + w] * (1 - o[3:]) + o[:3] * o[3:]
        return c

    def batch(self, n, size, rng):
        return torch.stack([self.crop(size, rng) for _ in range(n)])


class Rendered:
    """Pictures from the records that `inlay data stream` writes."""

    def __init__(self, path: str):
        from records import Records

        self.r = Records(path)

    def batch(self, n, rng):
        at = [rng.randrange(len(self.r)) for _ in range(n)]
        return torch.stack([self.r.picture(i, rng) for i in at])


@torch.no_grad()
def start_linear(model: Autoencoder, pictures: torch.Tensor, exponent: float = 0.4, largest: float = 1.3):
    """Makes the autoencoder the linear codec of the pictures' principal components, with the rest left random.

    A component of standard deviation σ gets the latent scale ∝ σ^exponent: fully whitened latents would ask the
    diffusion model for noise-like fine detail first. `relu(x) − relu(−x) = x` carries values through the two ReLUs.
    """
    x = 2 * pictures - 1
    patches = F.pixel_unshuffle(F.pixel_unshuffle(x, 4), 2).permute(0, 2, 3, 1).reshape(-1, 192).double()
    mean = patches.mean(0)
    values, vectors = torch.linalg.eigh((patches - mean).T @ (patches - mean) / len(patches))
    sigma = values.flip(0)[:32].clamp(min=1e-9).sqrt()
    basis = vectors.flip(1)[:, :32].T
    scale = largest * (sigma / sigma[0]).pow(exponent) / sigma
    forward, back = (basis * scale[:, None]).float(), (basis.T / scale).float()
    mean = mean.float()

    def zero_into(conv, rows):
        conv.weight[rows] = 0
        conv.bias[rows] = 0

    for name, parameter in model.named_parameters():
        if ".conv2." in name:
            parameter.zero_()  # residual blocks begin as the identity
    e, d = model.encoder, model.decoder
    zero_into(e.stem, slice(0, 48))
    e.stem.weight[range(48), range(48), 1, 1] = 1
    zero_into(e.down, slice(0, 64))
    for sign, at in ((1, 0), (-1, 32)):
        e.down.weight[at : at + 32, :192, 0, 0] = sign * forward
        e.down.bias[at : at + 32] = -sign * forward @ mean
    e.head.weight.mul_(0.05)
    e.head.bias.zero_()
    e.head.weight[:, :64] = 0
    e.head.weight[range(32), range(32), 1, 1] = 1
    e.head.weight[range(32), range(32, 64), 1, 1] = -1
    zero_into(d.stem, slice(0, 32))
    d.stem.weight[range(32), range(32), 1, 1] = 1
    zero_into(d.up1, slice(0, 192))
    d.up1.weight[:192, :32, 0, 0] = back
    d.up1.bias[:192] = mean
    zero_into(d.up2, slice(0, 96))
    d.head.weight.mul_(0.05)
    d.head.bias.zero_()
    d.head.weight[:, :24] = 0
    for c in range(3):
        for y in range(4):
            for x in range(4):
                out = c * 4 + (y % 2) * 2 + x % 2
                sub = (y // 2) * 2 + x // 2
                d.up2.weight[out * 4 + sub, c * 16 + y * 4 + x, 0, 0] = 1
                d.up2.weight[(12 + out) * 4 + sub, c * 16 + y * 4 + x, 0, 0] = -1
    d.head.weight[range(12), range(12), 1, 1] = 1
    d.head.weight[range(12), range(12, 24), 1, 1] = -1


def gradients(a, b):
    """Mean absolute difference of the finite differences at three scales."""
    total = 0.0
    for s in range(3):
        if s:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        total = total + ((a - b).diff(dim=2)).abs().mean() + ((a - b).diff(dim=3)).abs().mean()
    return total


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--pack", type=Path, required=True)
    p.add_argument("--split", type=Path, required=True, help="what inlay data split --pack PACK prints")
    p.add_argument("--run", required=True)
    p.add_argument("--stream")
    p.add_argument("--minutes", type=float, default=40)
    p.add_argument("--batch", type=int, default=24)
    p.add_argument("--size", type=int, default=128)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--latents", choices=("own", "teacher"), default="teacher")
    p.add_argument("--noise", type=float, default=0.15, help="largest noise on the latents the decoder is given")
    p.add_argument("--init", help="safetensors file to start from")
    common.arguments(p)
    a = p.parse_args()
    device = common.device_of(a.device)
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    run = common.Run(a.run, a.minutes, a.session)
    parts = common.split_of(a.split)
    train, held = Pictures(a.pack, parts, False), Pictures(a.pack, parts, True)
    rendered = Rendered(a.stream) if a.stream else None
    validation = held.batch(32, a.size, random.Random(1)).to(device)
    teacher = Teacher(a.pack / "teacher", torch.bfloat16, device)
    truth = Teacher(a.pack / "teacher", device=device).encode(validation)
    teacher_psnr = common.psnr(Teacher(a.pack / "teacher", device=device).decode(truth), validation)
    model = Autoencoder().to(memory_format=torch.channels_last)
    if a.latents == "own":
        start_linear(model, train.batch(1024, a.size, random.Random(3)))
    if a.init:
        from safetensors.torch import load_file

        model.load_state_dict({k: v.float() for k, v in load_file(a.init).items()})
    model.to(device)
    training = common.Training(run, model, a.lr, (0.9, 0.95), 1e-4)
    encode, decode = (torch.compile(m) if a.compile else m for m in (model.encoder, model.decoder))
    rng = random.Random(1000 + training.step)

    def loss_of():
        x = train.batch(a.batch if rendered is None else a.batch // 2, a.size, rng)
        if rendered is not None:
            x = torch.cat([x, rendered.batch(a.batch - len(x), rng)])
        x = common.onto(device, x).contiguous(memory_format=torch.channels_last)
        z = teacher.encode(x) if a.latents == "teacher" else None
        with common.half(device):
            e = encode(x)
            given = e + a.noise * torch.rand(len(x), 1, 1, 1, device=device) * torch.randn_like(e)
            if z is not None:
                given = torch.where(torch.rand(len(x), 1, 1, 1, device=device) < 0.8, given, z.to(given.dtype))
            y = decode(given)
        e, y = e.float(), y.float()
        latent = F.mse_loss(e, z) if z is not None else 0.02 * e.pow(2).mean()
        pixels = (y - x).abs().mean()
        return latent + 4 * pixels + 2 * gradients(y, x) + 8 * F.mse_loss(y, x), {"latent": latent, "pixels": pixels}

    def judge(weights):
        with torch.no_grad():
            best = Autoencoder().to(device)
            best.load_state_dict(weights)
            e = best.encoder(validation)
            y = best.decoder(e)
            t = best.decoder(truth)
        common.sheet(run.dir / "sheet.png", [list(validation[:8]), list(y[:8]), list(t[:8])])
        common.export_half(weights, run.dir / "autoencoder.safetensors")
        return {"psnr": common.psnr(y, validation), "psnr_teacher_latents": common.psnr(t, validation),
                "teacher": teacher_psnr, "latent_error": F.mse_loss(e, truth).item()}

    training.until_spent(loss_of, judge, 100, 180, ["latent", "pixels", "psnr"])
    # latent → RGB by least squares, for previews
    with torch.no_grad():
        best = Autoencoder()
        best.load_state_dict(training.ema.shadow)
        x = train.batch(256, a.size, random.Random(2))
        z = best.encoder(x).permute(0, 2, 3, 1).reshape(-1, 32)
        rgb = F.avg_pool2d(x, 8).permute(0, 2, 3, 1).reshape(-1, 3)
        m = torch.linalg.lstsq(torch.cat([z, torch.ones(len(z), 1)], 1), rgb).solution.T
        json.dump(m.tolist(), open(run.dir / "latent_rgb.json", "w"))
    json.dump(AUTOENCODER, open(run.dir / "config.json", "w"))


if __name__ == "__main__":
    main()
