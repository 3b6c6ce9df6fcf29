"""Trains the light model: what to make of a collage so that it looks like the true picture.

    inlay data collages --pack ../worldpack --seed 1 --count 8000 --out a/1.records
    inlay data collages --pack ../worldpack --seed 2 --count 500 --split heldout --out held.records
    python train_light.py --watch a --held-out held.records --run runs/light --minutes 60

Error is a root mean square over what differs between canvas and true picture, a little of it over all the rest, and
once more over the ground alone: shadows are small and objects large. Each layer is judged only where it is the true one,
objects under the cut-out and ground beside it: else the ground learns to paint what of the object the cut-out misses,
as a smear around it. Pictures are flipped and brightened at random.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

import common
from light import LIGHT, Light, lit
from records import Records

NAMES = ("canvas", "laid", "target", "cover", "masked", "object")
TASKS = {0: "insert", 2: "remove", 3: "move"}


def tensors(rows: np.ndarray) -> dict:
    """Records as [N, C, H, W] in 0..1."""
    of = lambda name: torch.from_numpy(rows[name].copy()).float() / 255
    return {k: of(k).permute(0, 3, 1, 2) if of(k).ndim == 4 else of(k)[:, None] for k in NAMES}


class Collages:
    """All records of a folder; files that come later join in."""

    def __init__(self, folder: Path):
        self.folder, self.files = folder, {}

    def look(self):
        for path in sorted(self.folder.glob("*.records")):
            if path.name not in self.files:
                self.files[path.name] = Records(str(path)).data
        self.ends = np.cumsum([len(f) for f in self.files.values()])
        return len(self.ends)

    def batch(self, n: int, rng: np.random.Generator) -> dict:
        picks = rng.integers(0, self.ends[-1], n)
        which = np.searchsorted(self.ends, picks, side="right")
        files = list(self.files.values())
        rows = np.stack([files[w][p - self.ends[w] + len(files[w])] for w, p in zip(which, picks)])
        b = tensors(rows)
        flip = torch.from_numpy(rng.random(n) < 0.5)[:, None, None, None]
        gain = torch.from_numpy(rng.uniform(0.85, 1.15, (n, 1, 1, 1)) * rng.uniform(0.96, 1.04, (n, 3, 1, 1))).float()
        b = {k: torch.where(flip, v.flip(3), v) for k, v in b.items()}
        return b | {k: (b[k] * gain).clamp(0, 1) for k in ("canvas", "laid", "target")}


def error(x, b, where=1.0):
    """Mean squares over what is to change, over its ground, and over the rest: [N] each; only `where`, if given."""
    changed = ((b["target"] - b["canvas"]).abs().amax(1, keepdim=True) > 2.5 / 255).float()
    squares = (x - b["target"]).pow(2).mean(1, keepdim=True)
    over = lambda w: (squares * w * where).sum((1, 2, 3)) / (w * where).sum((1, 2, 3)).clamp(min=40)
    return over(changed), over(changed * (b["object"] < 0.5)), over(1 - changed)


def own(b):
    """Where the layer that shows is the true one; what is taken away leaves ground everywhere."""
    same = (b["object"] > 0.5) == (b["cover"] > 0.5)
    return (same | (b["cover"].amax((1, 2, 3), keepdim=True) == 0)).float()


@torch.no_grad()
def judge(model, held: np.ndarray) -> dict:
    """Mean dB where something is to change, for collage and model, and the ground's error against the canvas's."""
    db = lambda e: float(-10 * torch.log10(e.clamp(min=1e-5)).mean())
    rows = {}
    for at in range(0, len(held), 32):
        b = tensors(held[at : at + 32])
        y = lit(b["laid"], b["cover"], model(b["canvas"], b["laid"], b["cover"], b["masked"]))
        all_ = torch.stack([torch.stack(error(x, b)[:2]) for x in (b["canvas"], b["laid"], y)])
        for i, task in enumerate(held["task"][at : at + 32]):
            rows.setdefault(TASKS[int(task)], []).append(all_[:, :, i])
    out = {}
    for task, found in rows.items():
        e = torch.stack(found)
        out[task] = round(db(e[:, 2, 0]), 2)
        out[f"{task} collage"] = round(db(e[:, 1, 0]), 2)
        out[f"{task} ground"] = round(float(e[:, 2, 1].mean() / e[:, 0, 1].mean()), 3)
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--watch", type=Path, required=True, help="folder of records; new ones join while it runs")
    p.add_argument("--held-out", type=Path, required=True)
    p.add_argument("--run", required=True)
    p.add_argument("--init", type=Path, help="a run to begin with")
    p.add_argument("--minutes", type=float, default=60)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--lr", type=float, default=1.5e-3)
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    run = common.Run(a.run, a.minutes)
    json.dump(LIGHT, open(run.dir / "config.json", "w"))
    held = Records(str(a.held_out)).data
    data = Collages(a.watch)
    if not data.look():
        raise SystemExit(f"There are no records in {a.watch}: make some with `inlay data collages`.")
    model = Light(**LIGHT).to(memory_format=torch.channels_last)
    if a.init:
        model.load_state_dict(torch.load(a.init / "last.pt", weights_only=True)["ema"]["shadow"])
    optimiser = torch.optim.AdamW(model.parameters(), lr=a.lr, betas=(0.9, 0.97), weight_decay=1e-3, fused=True)
    ema = common.Ema(model, 0.998)
    step = 0
    if state := run.load():
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        ema.load(state["ema"])
        step = state["step"]
    rng = np.random.default_rng(1000 + step)
    progress = tqdm(total=int(a.minutes * 60), initial=int(run.spent), unit="s", mininterval=5)
    last_save = last_log = time.time()
    began, seen = time.time(), 0
    while run.share < 1:
        b = data.batch(a.batch, rng)
        inputs = [b[k].contiguous(memory_format=torch.channels_last) for k in ("canvas", "laid", "cover", "masked")]
        with torch.autocast("cpu", torch.bfloat16):
            light = model(*inputs)
        changed, ground, rest = error(lit(b["laid"], b["cover"], light), b, own(b))
        root = lambda e: (e + 1e-3).sqrt().mean()
        loss = root(changed + 0.3 * rest) + 0.5 * root(ground)
        common.check_finite(loss, run, step)
        for group in optimiser.param_groups:
            group["lr"] = a.lr * common.schedule(run.share, step, 200)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        ema.update(model)
        step, seen = step + 1, seen + a.batch
        now = time.time()
        if now - last_log > 15:
            last_log = now
            run.log(step=step, loss=loss.item(), changed=changed.mean().item(), norm=norm.item())
            progress.n = int(run.share * a.minutes * 60)
            progress.set_postfix(step=step, loss=f"{loss.item():.4f}", pool=int(data.ends[-1]), rate=f"{seen / (now - began):.1f}/s")
        if now - last_save > 240 or run.share >= 1:
            last_save = now
            data.look()
            run.save(model=model.state_dict(), optimiser=optimiser.state_dict(), ema=ema.state(), step=step)
            best = Light(**LIGHT)
            best.load_state_dict(ema.shadow)
            figures = judge(best, held)
            run.log(step=step, **figures)
            print(step, figures, flush=True)
            with torch.no_grad():
                b = tensors(held[:16])
                y = lit(b["laid"], b["cover"], best(b["canvas"], b["laid"], b["cover"], b["masked"]))
            common.sheet(run.dir / "sheet.png", [[b[k][i] for k in ("canvas", "laid")] + [y[i], b["target"][i]] for i in range(16)])
            common.export_half(ema.shadow, run.dir / "light.safetensors")
            run.curve(["loss", "insert", "insert ground"])


if __name__ == "__main__":
    main()
