"""Trains the light model: what to make of a collage so that it looks like the true picture.

    inlay data collages --pack ../worldpack --seed 1 --count 8000 --out a/1.records
    inlay data collages --pack ../worldpack --seed 2 --count 500 --split heldout --out held.records
    python train_light.py --watch a --held-out held.records --run runs/light --minutes 60

Error is a root mean square over what differs between canvas and true picture, a little of it over all the rest, and
once more over the ground alone: shadows are small and objects large. With `--share` there also counts the mean absolute
error as a share of the canvas's, which is what `inlay eval` prints as the shadow's, though with something added to the canvas's
error (`FAINT`), so that faint shadows do not rule; with `--still` the error of ground beyond the shadow too, for the light shows
on all of it. Pictures with less than 16 pixels of shadow have no share, so shade on those costs only what the rest does. Each layer is judged only where it is
the true one, objects under the cut-out and ground beside it: else the ground learns to paint what of the object the cut-out misses,
as a smear around it. Pictures are flipped and brightened at random. `--stream "inlay data collages … --seed {seed} --out
/dev/stdout"` in place of `--watch` renders beside the trainer into a pool of so many collages, of which the oldest make room.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from pathlib import Path

import numpy as np
import torch

import common
from feed import Feed, Ring
from light import LIGHT, Light, lit
from records import Records

NAMES = ("canvas", "laid", "target", "cover", "masked", "object")
FAINT = 5.0  # a shadow of a hundred pixels that takes a twentieth
TASKS = {0: "insert", 2: "remove", 3: "move"}


def tensors(rows, device) -> dict:
    """Records as [N, C, H, W] in 0..1."""
    of = lambda v: common.onto(device, v if torch.is_tensor(v) else torch.from_numpy(v.copy())).float() / 255
    pictures = {k: of(rows[k]) for k in NAMES}
    return {k: v.permute(0, 3, 1, 2) if v.ndim == 4 else v[:, None] for k, v in pictures.items()}


def varied(b: dict, n: int, rng: np.random.Generator, device) -> dict:
    """Flipped and brightened."""
    flip = torch.from_numpy(rng.random(n) < 0.5)[:, None, None, None]
    gain = torch.from_numpy(rng.uniform(0.85, 1.15, (n, 1, 1, 1)) * rng.uniform(0.96, 1.04, (n, 3, 1, 1))).float()
    flip, gain = common.onto(device, flip), common.onto(device, gain)
    b = {k: torch.where(flip, v.flip(3), v) for k, v in b.items()}
    return b | {k: (b[k] * gain).clamp(0, 1) for k in ("canvas", "laid", "target")}


class Collages:
    """All records of a folder; files that come later join in."""

    def __init__(self, folder: Path, device):
        self.folder, self.device, self.files = folder, device, {}

    def look(self):
        for path in sorted(self.folder.glob("*.records")):
            if path.name not in self.files:
                self.files[path.name] = Records(str(path)).data
        self.ends = np.cumsum([len(f) for f in self.files.values()])
        return len(self.ends)

    def __len__(self):
        return int(self.ends[-1])

    def batch(self, n: int, rng: np.random.Generator) -> dict:
        picks = rng.integers(0, self.ends[-1], n)
        which = np.searchsorted(self.ends, picks, side="right")
        files = list(self.files.values())
        rows = np.stack([files[w][p - self.ends[w] + len(files[w])] for w, p in zip(which, picks)])
        return varied(tensors(rows, self.device), n, rng, self.device)


class Stream:
    """The last `most` collages that renderers made."""

    def __init__(self, feed: Feed, most: int, device):
        self.feed, self.most, self.device = feed, most, device
        self.ring, self.lock = Ring(device), threading.Lock()
        feed.drain(self.put, 64)

    def put(self, rows: np.ndarray):
        with self.lock:
            self.ring.put({k: torch.from_numpy(rows[k].copy()) for k in NAMES}, self.most - self.ring.n)

    def look(self):
        self.feed.check()
        return self.ring.n

    def __len__(self):
        return self.ring.n

    def batch(self, n: int, rng: np.random.Generator) -> dict:
        with self.lock:
            rows = self.ring.take(rng.integers(0, self.ring.n, n))
        return varied(tensors(rows, self.device), n, rng, self.device)


def error(x, b, where=1.0):
    """Mean squares over what is to change, over its ground, and over the rest: [N] each; only `where`, if given."""
    changed = ((b["target"] - b["canvas"]).abs().amax(1, keepdim=True) > 2.5 / 255).float()
    squares = (x - b["target"]).pow(2).mean(1, keepdim=True)
    over = lambda w: (squares * w * where).sum((1, 2, 3)) / (w * where).sum((1, 2, 3)).clamp(min=40)
    return over(changed), over(changed * (b["object"] < 0.5)), over(1 - changed)


def share(x, b, where=1.0, least=0.02, still=0.0, faint=0.0):
    """Mean absolute error over ground that is to change as a share of the canvas's: [N]; 0 where hardly any is. Error over
    ground that is to stay as it is counts `still` times as much, and what is added to the canvas's error keeps shadows that
    are hardly more than that, in pixels times brightness, from ruling."""
    changed = (b["target"] - b["canvas"]).abs().amax(1, keepdim=True) > 2.5 / 255
    ground = (b["object"] < 0.5).float() * where
    total = lambda y, of: ((y - b["target"]).abs().mean(1, keepdim=True) * of).sum((1, 2, 3))
    both = ground * torch.where(changed, 1.0, still)
    ground = ground * changed
    count = ground.sum((1, 2, 3))
    of = total(b["canvas"], ground).maximum(least * count).clamp(min=1e-6)
    return torch.where(count < 16, 0.0, total(x, both) / (of + faint))


def own(b):
    """Where the layer that shows is the true one; what is taken away leaves ground everywhere."""
    same = (b["object"] > 0.5) == (b["cover"] > 0.5)
    return (same | (b["cover"].amax((1, 2, 3), keepdim=True) == 0)).float()


@torch.no_grad()
def judge(model, held: np.ndarray, device) -> dict:
    """Mean dB where something is to change, for collage and model, and the ground's error against the canvas's."""
    db = lambda e: float(-10 * torch.log10(e.clamp(min=1e-5)).mean())
    rows, shadows = {}, {}
    for at in range(0, len(held), 32):
        b = tensors(held[at : at + 32], device)
        y = lit(b["laid"], b["cover"], model(b["canvas"], b["laid"], b["cover"], b["masked"]))
        all_ = torch.stack([torch.stack(error(x, b)[:2]) for x in (b["canvas"], b["laid"], y)])
        shares = share(y, b, least=1e-4)
        for i, task in enumerate(held["task"][at : at + 32]):
            rows.setdefault(TASKS[int(task)], []).append(all_[:, :, i])
            shadows.setdefault(TASKS[int(task)], []).append(float(shares[i]))
    out = {}
    for task, found in rows.items():
        e = torch.stack(found)
        out[task] = round(db(e[:, 2, 0]), 2)
        out[f"{task} collage"] = round(db(e[:, 1, 0]), 2)
        out[f"{task} ground"] = round(float(e[:, 2, 1].mean() / e[:, 0, 1].mean()), 3)
        out[f"{task} share"] = round(float(np.mean([s for s in shadows[task] if s])), 3)
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--watch", type=Path, help="folder of records; new ones join while it runs")
    p.add_argument("--stream", help="command that writes collages to its standard output, {seed} for its seed")
    p.add_argument("--renderers", type=int, default=1, help="how many of them at a time")
    p.add_argument("--first-seed", type=int, default=200000, help="of the first of them; a resumed run goes on from its last")
    p.add_argument("--pool", type=int, default=20000, help="collages kept in memory with --stream")
    p.add_argument("--held-out", type=Path, required=True)
    p.add_argument("--run", required=True)
    p.add_argument("--init", type=Path, help="a run to begin with")
    p.add_argument("--minutes", type=float, default=60)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--lr", type=float, default=1.5e-3)
    p.add_argument("--share", type=float, default=0, help="weight of the shadow's share of error in the loss")
    p.add_argument("--still", type=float, default=0, help="how much error beyond the shadow counts in that share")
    p.add_argument("--threads", type=int, default=1)
    common.arguments(p)
    a = p.parse_args()
    if bool(a.watch) == bool(a.stream):
        p.error("either --watch or --stream must be given")
    device = common.device_of(a.device)
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    run = common.Run(a.run, a.minutes, a.session)
    json.dump(LIGHT, open(run.dir / "config.json", "w"))
    held = Records(str(a.held_out)).data
    model = Light(**LIGHT).to(device, memory_format=torch.channels_last)
    if a.init:
        model.load_state_dict(torch.load(a.init / "last.pt", map_location="cpu", weights_only=True)["ema"]["shadow"])
    training = common.Training(run, model, a.lr, (0.9, 0.97), 1e-3)
    if a.stream:
        feed = Feed(a.stream, a.renderers, training.state.get("seed", a.first_seed))
        training.more["seed"] = lambda: feed.seed
        data = Stream(feed, a.pool, device)
        while data.look() < min(8 * a.batch, a.pool):
            time.sleep(1)
        run.begin()
    else:
        data = Collages(a.watch, device)
        if not data.look():
            raise SystemExit(f"There are no records in {a.watch}: make some with `inlay data collages`.")
    rng = np.random.default_rng(1000 + training.step)
    estimate = torch.compile(model) if a.compile else model

    def loss_of():
        b = data.batch(a.batch, rng)
        inputs = [b[k].contiguous(memory_format=torch.channels_last) for k in ("canvas", "laid", "cover", "masked")]
        with common.half(device):
            light = estimate(*inputs)
        x, where = lit(b["laid"], b["cover"], light), own(b)
        changed, ground, rest = error(x, b, where)
        root = lambda e: (e + 1e-3).sqrt().mean()
        loss = root(changed + 0.3 * rest) + 0.5 * root(ground)
        shadow = share(x, b, where, still=a.still, faint=FAINT).mean()
        return loss + a.share * shadow if a.share else loss, {"changed": changed.mean(), "shadow": shadow}

    def judged(weights):
        data.look()
        best = Light(**LIGHT).to(device)
        best.load_state_dict(weights)
        figures = judge(best, held, device)
        print(training.step, figures, flush=True)
        with torch.no_grad():
            b = tensors(held[:16], device)
            y = lit(b["laid"], b["cover"], best(b["canvas"], b["laid"], b["cover"], b["masked"]))
        rows = range(len(y))
        common.sheet(run.dir / "sheet.png", [[b[k][i] for k in ("canvas", "laid")] + [y[i], b["target"][i]] for i in rows])
        common.export_half(weights, run.dir / "light.safetensors")
        return figures

    def beside():
        data.look() if a.stream else None
        return {"pool": len(data)} | ({"rendered": feed.rate()} if a.stream else {})

    training.until_spent(loss_of, judged, 200, 240, ["loss", "insert", "insert ground"], beside)


if __name__ == "__main__":
    main()
