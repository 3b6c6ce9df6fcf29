"""Trains the small decoder that previews FLUX.2: from FLUX.2's latents, as the teacher's encoder makes them, to pictures.

    python train_preview.py --pack ../worldpack --run runs/preview --minutes 60

Encoding a picture costs twice what a step of the decoder does, so each step draws its batch from a pool of crops and
encodes only a few new ones. Noise is added to latents at times: previews show estimates, not finished latents.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from tqdm import tqdm

import common
from autoencoder import Decoder
from teacher import Teacher
from train_autoencoder import Pictures, gradients

PREVIEW = {"c2": 96, "n2": 3, "c1": 64, "n1": 2, "c0": 32, "n0": 1}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--pack", type=Path, required=True)
    p.add_argument("--run", required=True)
    p.add_argument("--minutes", type=float, default=60)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--fresh", type=int, default=4, help="new crops a step")
    p.add_argument("--pool", type=int, default=6000, help="crops kept")
    p.add_argument("--size", type=int, default=128)
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--noise", type=float, default=0.3, help="largest noise on the latents")
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    run = common.Run(a.run, a.minutes)
    train, held = Pictures(a.pack, False), Pictures(a.pack, True)
    teacher = Teacher(a.pack / "teacher", torch.bfloat16)
    exact = Teacher(a.pack / "teacher")
    validation = held.batch(32, a.size, random.Random(1))
    latents = exact.encode(validation)
    teacher_psnr = common.psnr(exact.decode(latents).clamp(0, 1), validation)
    model = Decoder(**PREVIEW).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=a.lr, betas=(0.9, 0.95), weight_decay=1e-4, fused=True)
    ema = common.Ema(model, 0.998)
    step = 0
    if state := run.load():
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        ema.load(state["ema"])
        step = state["step"]
    rng = random.Random(1000 + step)
    pictures, codes = [], []
    progress = tqdm(total=int(a.minutes * 60), initial=int(run.spent), unit="s", mininterval=5)
    last_save = last_log = time.time()
    while run.share < 1:
        x = train.batch(a.fresh if len(pictures) >= 8 * a.batch else a.batch, a.size, rng)
        for picture, code in zip((x * 255).round().byte(), teacher.encode(x).half()):
            if len(pictures) < a.pool:
                pictures.append(picture)
                codes.append(code)
            else:
                at = rng.randrange(a.pool)
                pictures[at], codes[at] = picture, code
        picks = [rng.randrange(len(pictures)) for _ in range(a.batch)]
        x = torch.stack([pictures[i] for i in picks]).float() / 255
        z = torch.stack([codes[i] for i in picks]).float()
        if rng.random() < 0.5:
            z = z + a.noise * torch.rand(len(z), 1, 1, 1) * torch.randn_like(z)
        with torch.autocast("cpu", torch.bfloat16):
            y = model(z.contiguous(memory_format=torch.channels_last))
        y = y.float()
        pixels = (y - x).abs().mean()
        loss = 4 * pixels + 2 * gradients(y, x) + 8 * F.mse_loss(y, x)
        common.check_finite(loss, run, step)
        for group in optimiser.param_groups:
            group["lr"] = a.lr * common.schedule(run.share, step, 100)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        ema.update(model)
        step += 1
        now = time.time()
        if now - last_log > 15:
            last_log = now
            run.log(step=step, loss=loss.item(), pixels=pixels.item(), norm=norm.item())
            progress.n = int(run.share * a.minutes * 60)
            progress.set_postfix(step=step, l1=f"{pixels.item():.4f}", pool=len(pictures))
        if now - last_save > 180 or run.share >= 1:
            last_save = now
            run.save(model=model.state_dict(), optimiser=optimiser.state_dict(), ema=ema.state(), step=step)
            best = Decoder(**PREVIEW)
            best.load_state_dict(ema.shadow)
            with torch.no_grad():
                y = best(latents).clamp(0, 1)
            run.log(step=step, psnr=common.psnr(y, validation), teacher=teacher_psnr)
            common.sheet(run.dir / "sheet.png", [list(validation[:8]), list(y[:8])])
            common.export_half(ema.shadow, run.dir / "preview.safetensors")
            run.curve(["pixels", "psnr"])
    json.dump(PREVIEW, open(run.dir / "config.json", "w"))


if __name__ == "__main__":
    main()
