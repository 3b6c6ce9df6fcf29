"""What the trainers share: devices, checkpoints, averages, logs, curves, sheets, the loop of those with one network."""

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
from tqdm import tqdm


def arguments(p):
    """What every trainer can be told."""
    p.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU if there is one")
    p.add_argument("--compile", action="store_true", help="compile the whole network (minutes at the start; for GPUs)")
    p.add_argument("--session", type=float, help="minutes after which this command saves and ends; the next goes on")


def device_of(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        if not torch.cuda.is_available():
            raise SystemExit("There is no GPU that PyTorch can use; --device cpu or auto trains without.")
        torch.set_float32_matmul_precision("high")
    return torch.device(name)


def half(device):
    """The block in which products are in bf16."""
    return torch.autocast(torch.device(device).type, torch.bfloat16)


def onto(device, x: torch.Tensor) -> torch.Tensor:
    """`x` on the device; from pinned memory, else the copy would hold up what is queued there."""
    if x.device.type == "cpu" and torch.device(device).type == "cuda":
        return x.contiguous().pin_memory().to(device, non_blocking=True)
    return x.to(device)


def matmul_peak(device) -> float:
    """FLOP/s of a large bf16 product on random values: what a trainer's share of the device is measured against."""
    cuda = torch.device(device).type == "cuda"
    n, repeats = (8192, 10) if cuda else (1024, 3)
    generator = torch.Generator(device).manual_seed(0)
    a, b = (torch.randn(n, n, generator=generator, device=device).bfloat16() for _ in range(2))
    for _ in range(3):
        a @ b
    wait = torch.cuda.synchronize if cuda else lambda: None
    wait()
    start = time.perf_counter()
    for _ in range(repeats):
        a @ b
    wait()
    return 2 * n**3 * repeats / (time.perf_counter() - start)


def save_atomic(path: Path, write) -> None:
    """Writes beside `path`, then renames: a crash leaves the old file whole."""
    temporary = path.with_name(path.name + ".part")
    write(temporary)
    os.replace(temporary, path)


def split_of(path: Path) -> dict[str, bool]:
    """Asset ids and whether they are held out, from what `inlay data split --pack PACK` printed into a file: one split for
    the data and for what is trained on pictures of the pack."""
    parts = dict(line.split("\t") for line in path.read_text().splitlines())
    if set(parts.values()) != {"train", "heldout"}:
        raise SystemExit(f"{path} is not what inlay data split prints, or one of its parts is empty.")
    return {name: part == "heldout" for name, part in parts.items()}


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
        self.n = s["n"]
        self.shadow = {k: v.to(self.shadow[k].device) for k, v in s["shadow"].items()}


class Run:
    """A run's folder: log.jsonl, curve.png, last.pt and the sheets."""

    def __init__(self, folder: str, minutes: float, session: float | None = None):
        self.dir = Path(folder)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.start, self.minutes, self.spent = time.time(), minutes, 0.0
        self.ends = math.inf if session is None else self.start + 60 * session

    def begin(self):
        """The run's time counts from now on, as there was nothing to train on so far; the session's is the clock's."""
        self.start = time.time()

    @property
    def share(self) -> float:
        """Share of the time budget used, over all resumptions."""
        return min(1.0, (self.spent + time.time() - self.start) / (60 * self.minutes))

    @property
    def leaves(self) -> bool:
        """Whether this command has had its time, though the run may go on."""
        return time.time() >= self.ends

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
    grid = (torch.cat(lines, 1).permute(1, 2, 0).float().cpu().numpy() * 255 + 0.5).astype(np.uint8)
    save_atomic(path, lambda p: Image.fromarray(grid).save(p, format="png"))


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * torch.log10((a.clamp(0, 1) - b).pow(2).mean(dim=(1, 2, 3)).clamp(min=1e-10)).mean())


def export_half(state: dict, path: Path):
    save_atomic(Path(path), lambda p: save_file({k: v.half().contiguous() for k, v in state.items()}, p))


class Training:
    """One network, AdamW and averaged weights: the loop that the trainers of autoencoder, preview and light share."""

    def __init__(self, run: Run, model: torch.nn.Module, lr: float, betas, weight_decay: float):
        self.run, self.model, self.lr = run, model, lr
        self.optimiser = torch.optim.AdamW(model.parameters(), lr=lr, betas=betas, weight_decay=weight_decay, fused=True)
        self.ema = Ema(model, 0.998)
        self.step = 0
        self.more = {}  # what else is saved
        torch.backends.cudnn.benchmark = True  # batches are all of one shape
        self.state = run.load() or {}
        if self.state:
            model.load_state_dict(self.state["model"])
            self.optimiser.load_state_dict(self.state["optimiser"])
            self.ema.load(self.state["ema"])
            self.step = self.state["step"]

    def until_spent(self, loss_of, judge, warmup: int, every: float, curve: list[str], beside=dict):
        """Trains until the run's minutes are spent.

        `loss_of()` makes a batch and gives its loss and what is logged of it; `judge(weights)` is called with the
        averaged weights at each save, makes the sheet and gives figures; `beside()` gives what else is logged.
        """
        run = self.run
        progress = tqdm(total=int(run.minutes * 60), initial=int(run.spent), unit="s", mininterval=5)
        last_save = last_log = time.time()
        steps = 0
        done = run.share >= 1
        while not done:
            loss, parts = loss_of()
            # Looking at a loss waits for the device, so that is done now and then there.
            if not loss.is_cuda or self.step % 10 == 0:
                check_finite(loss, run, self.step)
            for group in self.optimiser.param_groups:
                group["lr"] = self.lr * schedule(run.share, self.step, warmup)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimiser.step()
            self.ema.update(self.model)
            self.step, steps = self.step + 1, steps + 1
            now = time.time()
            done = run.share >= 1 or run.leaves
            if now - last_log > 15 or done:
                parts = {k: v.item() for k, v in parts.items()} | {"steps_a_second": steps / max(now - last_log, 1e-3)} | beside()
                last_log, steps = now, 0
                run.log(step=self.step, loss=loss.item(), norm=norm.item(), **parts)
                progress.n = int(run.share * run.minutes * 60)
                progress.set_postfix(step=self.step, loss=f"{loss.item():.4f}", **{k: f"{v:.4g}" for k, v in parts.items()})
            if now - last_save > every or done:
                last_save = now
                check_finite(loss, run, self.step)
                run.save(model=self.model.state_dict(), optimiser=self.optimiser.state_dict(), ema=self.ema.state(),
                         step=self.step, **{k: v() for k, v in self.more.items()})
                run.log(step=self.step, **judge(self.ema.shadow))
                run.curve(curve)
