"""What both trainers share: checkpoints, averages, logs, curves, sheets."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file


def save_atomic(path: Path, write) -> None:
    """Writes beside `path`, then renames: a crash leaves the old file whole."""
    temporary = path.with_name(path.name + ".part")
    write(temporary)
    os.replace(temporary, path)


class Ema:
    """Exponential moving average of parameters; the decay warms up as min(decay, (1+n)/(10+n))."""

    def __init__(self, model: torch.nn.Module, decay: float):
        self.decay, self.n = decay, 0
        self.shadow = {k: v.detach().clone().float() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model):
        self.n += 1
        d = min(self.decay, (1 + self.n) / (10 + self.n))
        named = model.state_dict()
        torch._foreach_lerp_(list(self.shadow.values()), [named[k].float() for k in self.shadow], 1 - d)

    def state(self):
        return {"n": self.n, "shadow": self.shadow}

    def load(self, s):
        self.n, self.shadow = s["n"], s["shadow"]


class Run:
    """A run's folder: log.jsonl, curve.png, last.pt and the sheets."""

    def __init__(self, folder: str, minutes: float):
        self.dir = Path(folder)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.start, self.minutes, self.spent = time.time(), minutes, 0.0

    @property
    def share(self) -> float:
        """Share of the time budget used, over all resumptions."""
        return min(1.0, (self.spent + time.time() - self.start) / (60 * self.minutes))

    def log(self, **values):
        values["time"] = round(self.spent + time.time() - self.start, 1)
        with open(self.dir / "log.jsonl", "a") as f:
            f.write(json.dumps(values) + "\n")

    def save(self, **state):
        state["spent"] = self.spent + time.time() - self.start
        save_atomic(self.dir / "last.pt", lambda p: torch.save(state, p))

    def load(self):
        path = self.dir / "last.pt"
        if not path.exists():
            return None
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.spent = state["spent"]
        return state

    def curve(self, keys):
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        rows = [json.loads(line) for line in open(self.dir / "log.jsonl")]
        fig, axes = plt.subplots(1, len(keys), figsize=(5 * len(keys), 3.5), squeeze=False)
        for ax, key in zip(axes[0], keys):
            points = [(r["step"], r[key]) for r in rows if key in r]
            if points:
                ax.plot(*zip(*points))
            ax.set_title(key)
            ax.set_xlabel("step")
        fig.tight_layout()
        save_atomic(self.dir / "curve.png", lambda p: fig.savefig(p, format="png"))
        plt.close(fig)


def schedule(share: float, step: int, warmup: int, low: float = 0.02) -> float:
    """Linear warm-up by steps, then cosine by share of the time budget."""
    return min(1.0, (step + 1) / warmup) * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * share)))


def check_finite(loss: torch.Tensor, run: Run, step: int):
    """A loss that is no number stops the run; the last good checkpoint stays."""
    if not torch.isfinite(loss):
        run.log(step=step, stopped="loss is not finite")
        raise SystemExit(f"Step {step}: the loss is not finite. The last good checkpoint is {run.dir / 'last.pt'}.")


def sheet(path: Path, rows: list[list[torch.Tensor]]):
    """Rows of [3, H, W] pictures in 0..1 as one PNG."""
    lines = [torch.cat([p.clamp(0, 1) for p in row], 2) for row in rows]
    grid = (torch.cat(lines, 1).permute(1, 2, 0).float().numpy() * 255 + 0.5).astype(np.uint8)
    save_atomic(path, lambda p: Image.fromarray(grid).save(p, format="png"))


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * torch.log10((a.clamp(0, 1) - b).pow(2).mean(dim=(1, 2, 3)).clamp(min=1e-10)).mean())


def export_half(state: dict, path: Path):
    save_atomic(Path(path), lambda p: save_file({k: v.half().contiguous() for k, v in state.items()}, p))
