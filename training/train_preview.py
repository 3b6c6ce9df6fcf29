"""Trains the small decoder that previews FLUX.2: from FLUX.2's latents, as the teacher's encoder makes them, to pictures.

    inlay data split --pack ../worldpack > split.tsv
    python train_preview.py --pack ../worldpack --split split.tsv --run runs/preview --minutes 60

Encoding a picture costs twice what a step of the decoder does, so each step draws its batch from a pool of crops and
encodes only a few new ones. Noise is added to latents at times: previews show estimates, not finished latents.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import torch
import torch.nn.functional as F

import common
from autoencoder import Decoder
from teacher import Teacher
from train_autoencoder import Pictures, gradients

PREVIEW = {"c2": 96, "n2": 3, "c1": 64, "n1": 2, "c0": 32, "n0": 1}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--pack", type=Path, required=True)
    p.add_argument("--split", type=Path, required=True, help="what inlay data split --pack PACK prints")
    p.add_argument("--run", required=True)
    p.add_argument("--minutes", type=float, default=60)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--fresh", type=int, default=4, help="new crops a step")
    p.add_argument("--pool", type=int, default=6000, help="crops kept")
    p.add_argument("--size", type=int, default=128)
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--noise", type=float, default=0.3, help="largest noise on the latents")
    p.add_argument("--threads", type=int, default=2)
    common.arguments(p)
    a = p.parse_args()
    device = common.device_of(a.device)
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    run = common.Run(a.run, a.minutes, a.session)
    parts = common.split_of(a.split)
    train, held = Pictures(a.pack, parts, False), Pictures(a.pack, parts, True)
    teacher = Teacher(a.pack / "teacher", torch.bfloat16, device)
    exact = Teacher(a.pack / "teacher", device=device)
    validation = held.batch(32, a.size, random.Random(1)).to(device)
    latents = exact.encode(validation)
    teacher_psnr = common.psnr(exact.decode(latents).clamp(0, 1), validation)
    model = Decoder(**PREVIEW).to(device, memory_format=torch.channels_last)
    training = common.Training(run, model, a.lr, (0.9, 0.95), 1e-4)
    decode = torch.compile(model) if a.compile else model
    rng = random.Random(1000 + training.step)
    pictures, codes = [], []

    def loss_of():
        x = train.batch(a.fresh if len(pictures) >= 8 * a.batch else a.batch, a.size, rng)
        for picture, code in zip((x * 255).round().byte(), teacher.encode(common.onto(device, x)).half()):
            if len(pictures) < a.pool:
                pictures.append(common.onto(device, picture))
                codes.append(code)
            else:
                at = rng.randrange(a.pool)
                pictures[at], codes[at] = common.onto(device, picture), code
        picks = [rng.randrange(len(pictures)) for _ in range(a.batch)]
        x = torch.stack([pictures[i] for i in picks]).float() / 255
        z = torch.stack([codes[i] for i in picks]).float()
        if rng.random() < 0.5:
            z = z + a.noise * torch.rand(len(z), 1, 1, 1, device=device) * torch.randn_like(z)
        with common.half(device):
            y = decode(z.contiguous(memory_format=torch.channels_last))
        y = y.float()
        pixels = (y - x).abs().mean()
        return 4 * pixels + 2 * gradients(y, x) + 8 * F.mse_loss(y, x), {"pixels": pixels}

    def judge(weights):
        best = Decoder(**PREVIEW).to(device)
        best.load_state_dict(weights)
        with torch.no_grad():
            y = best(latents).clamp(0, 1)
        common.sheet(run.dir / "sheet.png", [list(validation[:8]), list(y[:8])])
        common.export_half(weights, run.dir / "preview.safetensors")
        return {"psnr": common.psnr(y, validation), "teacher": teacher_psnr}

    training.until_spent(loss_of, judge, 100, 180, ["pixels", "psnr"])
    json.dump(PREVIEW, open(run.dir / "config.json", "w"))


if __name__ == "__main__":
    main()
