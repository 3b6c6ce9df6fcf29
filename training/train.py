"""Trains text encoder and transformer on the records of `inlay data stream`.

    inlay data stream --pack ../worldpack --tokenizer tokenizer.json --size 128 --seed 1 --count 20000 --out a.records
    python train.py --records a.records b.records --ae runs/ae --run runs/nano-s --preset nano-s --minutes 120

Pictures are encoded once, in the background, and kept as f16 latents in memory; new record files that appear beside
the named ones (`--watch FOLDER`) join while the training runs. With `--stream "inlay data stream …
--seed {seed}"` renderers run beside the trainer and the pool of samples is bounded: the oldest make room. Velocity loss
on the linear path, logit-normal times, weighted by the changed region; text dropped 10 %, references 10 %, both 5 %.
"""

from __future__ import annotations

import argparse
import copy
import json
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

import common
import model
import records
from autoencoder import Autoencoder
from feed import Feed, Ring
from model import Image, UniReal, preset, to_velocity


class Samples:
    """Latents and labels in the device's memory, grouped by signature; `most` of them, if given."""

    def __init__(self, encoder, name: str, device=torch.device("cpu"), most: int | None = None):
        self.name = name  # of the autoencoder's weights
        self.device, self.most = device, most
        self.encoder, self.groups, self.lock, self.count = encoder, {}, threading.Lock(), 0

    @torch.no_grad()
    def encode(self, pictures: np.ndarray) -> torch.Tensor:
        """u8 [N, S, S, 3] → f16 latents."""
        x = common.onto(self.device, torch.from_numpy(pictures)).permute(0, 3, 1, 2).float() / 255
        with common.half(self.device):
            z = self.encoder(x.contiguous(memory_format=torch.channels_last))
        return z.half()

    def cached(self, path: str):
        """The latents that an earlier run with this autoencoder left beside these records; None if it left none, or of other
        records of the same name."""
        cache = Path(f"{path}.{self.name}.latents")
        if not cache.exists():
            return None
        found = torch.load(cache, map_location="cpu", weights_only=True, mmap=True)
        same = isinstance(found, dict) and found["of"] == records.Records(path).stamp()
        return found["groups"] if same else None

    def add(self, path: str, chunk: int = 64):
        """Encodes a record file, or takes its latents from beside it."""
        if (found := self.cached(path)) is not None:
            for key, entries in found:
                self.put(key, entries)
            return
        cache, stamp, kept = Path(f"{path}.{self.name}.latents"), records.Records(path).stamp(), {}
        for key, entry in self.encoded(path, chunk):
            kept.setdefault(key, []).append({k: [x.cpu() for x in v] if k == "inputs" else v.cpu() for k, v in entry.items()})
            self.put(key, [entry])
        common.save_atomic(cache, lambda p: torch.save({"of": stamp, "groups": list(kept.items())}, p))

    def put(self, key, entries):
        with self.lock:
            # Lengths stay with the processor, which has to know the longest of a batch without waiting for the device.
            ring = self.groups.setdefault(key, Ring(self.device, host=("len",)))
            for entry in entries:
                if "z" in ring.fields and ring.fields["z"].shape[1:] != entry["z"].shape[1:]:
                    raise SystemExit("These records and those before are not of one size.")
                rows = {k: v for k, v in entry.items() if k != "inputs"}
                rows |= {f"input {i}": v for i, v in enumerate(entry["inputs"])}
                self.count += ring.put(rows, None if self.most is None else self.most - self.count)

    def encoded(self, path: str, chunk: int):
        shard = records.Records(path)
        for start in range(0, len(shard), chunk):
            yield from self.encoded_rows(shard.data[start : start + chunk])

    def encoded_rows(self, rows: np.ndarray):
        by = {}
        for r in rows:
            by.setdefault(records.signature(r), []).append(r)
        for key, members in by.items():
            a = np.stack(members)
            (layout, outputs) = key
            entry = {
                "z": torch.stack([self.encode(a["outputs"][:, o]) for o in range(outputs)], 1),
                "ids": torch.from_numpy(a["tokens"].astype(np.int64)),
                "len": torch.from_numpy(a["n_tokens"].astype(np.int64)),
                "changed": self.weights(a["changed"]),
                "object": self.weights(a["object"]),
                "level": torch.from_numpy(a["input_level"].astype(np.int64)),
                "fit": torch.from_numpy(a["input_fit"].copy()),
                "placed": torch.from_numpy(a["input_placed"].copy()),
                "kind": torch.from_numpy(a["output_kind"][:, :outputs].astype(np.int64)),
                "inputs": [
                    torch.from_numpy(a["inputs"][:, i, :, :, 0].copy()) if kind == 0 else self.encode(a["inputs"][:, i])
                    for i, (_, kind) in enumerate(layout)
                ],
            }
            yield key, entry

    @staticmethod
    def weights(mask: np.ndarray) -> torch.Tensor:
        """u8 [N, S, S] → share of set pixels in each latent cell, f16 [N, S/8, S/8]."""
        m = torch.from_numpy(mask.copy()).float()[:, None] / 255
        return torch.nn.functional.avg_pool2d(m, 8)[:, 0].half()

    @staticmethod
    def share(key) -> float:
        """How often a signature is drawn against its size: placements more, what has no canvas less while compute is short."""
        return 1.2 if 4 in [k for _, k in key[0]] else 1.0 if key[0] and key[0][0][0] == 0 else 0.4

    def batch(self, n: int, rng: np.random.Generator):
        """n samples of one signature, signatures drawn by their size."""
        with self.lock:
            keys = list(self.groups)
            sizes = np.array([self.groups[k].n * self.share(k) for k in keys])
            key = keys[rng.choice(len(keys), p=sizes / sizes.sum())]
            ring = self.groups[key]
            rows = ring.take(rng.integers(0, ring.n, n))
        inputs = [rows.pop(f"input {i}") for i in range(len(key[0]))]
        return key, rows, inputs


def make_optimisers(net, lr):
    """Muon for the matrices inside the blocks (Jordan et al. 2024), AdamW for everything else."""
    inside = lambda name, p: p.dim() == 2 and (".blocks." in name or ".encoder.block." in name) and "bias" not in name
    matrices = [p for n, p in net.named_parameters() if inside(n, p)]
    rest = [p for n, p in net.named_parameters() if not inside(n, p)]
    return [
        torch.optim.Muon(matrices, lr=3 * lr, weight_decay=0.02, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]


def placement_last(key, b, inputs):
    """The placement after the masks, numbers and words included: an automatic placement comes last."""
    kinds = [k for _, k in key[0]]
    if 4 not in kinds or 0 not in kinds:
        return key, b, inputs
    p = kinds.index(4)
    order = [i for i in range(len(kinds)) if i != p] + [p]
    ids = b["ids"]
    for new, old in enumerate(order):
        ids = torch.where(b["ids"] == 3 + old, 3 + new, ids)
    columns = order + list(range(len(order), 4))
    b = dict(b, ids=ids, **{k: b[k][:, columns] for k in ("level", "fit", "placed")})
    return (tuple(key[0][i] for i in order), key[1]), b, [inputs[i] for i in order]


def start_from(path: Path) -> dict:
    """Averaged weights to start from: a run's last.pt, or a model folder as export.py writes it."""
    if path.is_dir():
        parts = ("text", "transformer")
        return {f"{p}.{k}": v.float() for p in parts for k, v in load_file(path / f"{p}.safetensors").items()}
    return torch.load(path, map_location="cpu", weights_only=True)["ema"]["shadow"]


def maps_of(b) -> torch.Tensor:
    """Samples whose first output is a map, [N] bool."""
    return b["kind"][:, 0] != records.PICTURE


def images_of(key, b, inputs, absent=None):
    """The batch's input pictures as the model takes them."""
    images = []
    for i, (role, kind) in enumerate(key[0]):
        image = Image(role=role, index=i, kind=None if kind == records.NONE else kind)
        if kind == 0:
            image.mask = inputs[i].float() / 255
            image.level = b["level"][:, i].clamp(0, 3)
            image.fit = b["fit"][:, i]
        else:
            image.latent = inputs[i].float()
        if role == 1:
            image.placed = b["placed"][:, i]
        if absent is not None and (role == 1 or kind == 4):
            image.absent = absent
        images.append(image)
    return images


class Cost:
    """FLOPs of a training step, counted on tensors without memory: thrice the forward pass."""

    def __init__(self, net):
        self.net, self.known = copy.deepcopy(net).to("meta"), {}

    def __call__(self, key, b, inputs) -> int:
        shapes = (key, len(b["ids"]), -(-b["ids"].shape[1] // 32))
        if shapes not in self.known:
            b = {k: v.to("meta") for k, v in b.items()}
            b["ids"] = b["ids"].new_empty((shapes[1], shapes[2] * 32))
            images = images_of(key, b, [x.to("meta") for x in inputs])
            t = torch.empty(shapes[1], device="meta")
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                self.net(b["z"].float(), t, b["ids"], b["len"], images, maps=maps_of(b))
            self.known[shapes] = 3 * counter.get_total_flops()
        return self.known[shapes]


def kept_of(key, inputs):
    """Where a picture may change, [N, 1, 1, h, w], and the canvas's latents, which the program keeps elsewhere; None if
    there is no canvas or no mask. The margin for shadows is two cells (16 px) at every level."""
    masks = [x for (_, kind), x in zip(key[0], inputs) if kind == 0]
    if not masks or key[0][0][0] != 0:
        return None
    may = torch.stack(masks).amax(0).float()[:, None]
    may = torch.nn.functional.max_pool2d((may > 0).float(), 8)
    return torch.nn.functional.max_pool2d(may, 5, 1, 2)[:, None], inputs[0].float()[:, None]


@torch.no_grad()
def sample(net, prediction, key, b, inputs, steps, shift, seed=0):
    """Euler sampling of a batch; beyond the masks a picture is clamped to the canvas, as the program does."""
    g = torch.Generator().manual_seed(seed)
    noise = torch.randn(b["z"].shape, generator=g).to(b["z"].device)
    z = noise
    times = [1 - i / steps for i in range(steps + 1)]
    times = [shift * t / (1 + (shift - 1) * t) for t in times]
    images = images_of(key, b, inputs)
    # Joint maps are no pictures of the canvas.
    pictures = (b["kind"] == records.PICTURE)[:, :, None, None, None]
    kept = kept_of(key, inputs)
    for i in range(steps):
        t = torch.full((len(z),), times[i], device=z.device)
        with common.half(z.device):
            y = net(z, t, b["ids"], b["len"], images, maps=maps_of(b)).float()
        z = z + (times[i + 1] - times[i]) * to_velocity(y, z, t, prediction)
        if kept:
            may, canvas = kept
            known = (1 - times[i + 1]) * canvas + times[i + 1] * noise
            z = torch.where(pictures & (may == 0), known, z)
    return z


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--records", nargs="*", default=[])
    p.add_argument("--watch", type=Path, help="folder in which finished *.records files appear")
    p.add_argument("--stream", help="command that writes records to its standard output, {seed} for its seed")
    p.add_argument("--renderers", type=int, default=1, help="how many of them at a time")
    p.add_argument("--first-seed", type=int, default=100000, help="of the first of them; a resumed run goes on from its last")
    p.add_argument("--pool", type=int, default=40000, help="samples kept in memory with --stream")
    p.add_argument("--reuse", type=float, default=1.0, help="how often a streamed sample is drawn at least, in the mean: more are not taken")
    p.add_argument("--held-out", help="records of the held-out split, for the validation loss and the sheets")
    p.add_argument("--ae", type=Path, required=True)
    p.add_argument("--tokenizer", type=Path, required=True)
    p.add_argument("--run", required=True)
    p.add_argument("--residual", help="JSON list: deviation of x0 from its base by latent channel (residual.py); left out, that of --init")
    p.add_argument("--init", type=Path, help="last.pt of a run whose averaged weights to start from, or a model folder")
    p.add_argument("--preset", default="nano-s")
    p.add_argument("--attention", default="cached")
    p.add_argument("--prediction", default="x0")
    p.add_argument("--minutes", type=float, default=120)
    p.add_argument("--stop", type=int, help="train for so many steps, whatever time they take, in place of --minutes")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--warmup", type=int, default=200, help="steps")
    p.add_argument("--fuse", action="store_true", help="compile the element-wise parts (a minute or two at the start)")
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--ema", type=float, default=0.999)
    p.add_argument("--mu", type=float, default=0.0, help="mean of the logit-normal times")
    p.add_argument("--shift", type=float, default=1.0)
    p.add_argument("--high", type=float, default=0.0, help="share of samples at times of 0.85 to 1")
    p.add_argument("--shadow", type=float, default=0.0, help="further weight of what changes beside the object")
    p.add_argument("--maps", type=float, default=0.5, help="weight of masks, depth and edges against pictures")
    p.add_argument("--steps", type=int, default=12, help="sampling steps for the sheets and the exported default")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seed", type=int, default=0)
    common.arguments(p)
    a = p.parse_args()
    device = common.device_of(a.device)
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    vocab = len(json.load(open(a.tokenizer))["model"]["vocab"])
    if a.residual:
        residual = json.load(open(a.residual))
    elif a.init and a.init.is_dir():
        residual = json.load(open(a.init / "config.json"))["transformer"]["residual"]
    else:
        residual = []
    spread = float(np.mean(np.square(residual))) if residual else 1.0
    text, transformer = preset(a.preset, vocab, a.attention, a.prediction, residual)
    net = UniReal(text, transformer).to(device)
    # What can't be compiled runs as it is: no reason to lose a run.
    torch._dynamo.config.suppress_errors = True
    if a.fuse:
        model.fuse()
    ae = Autoencoder()
    ae.load_state_dict({k: v.float() for k, v in load_file(a.ae / "autoencoder.safetensors").items()})
    ae.eval().to(device, memory_format=torch.channels_last)
    run = common.Run(a.run, a.minutes, a.session)
    optimisers = make_optimisers(net, a.lr)
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["initial"] = group["lr"]
    ema = common.Ema(net, a.ema)
    step = seen = 0
    seed = a.first_seed
    if a.init:
        net.load_state_dict(start_from(a.init))
        ema = common.Ema(net, a.ema)
    if state := run.load():
        net.load_state_dict(state["model"])
        for optimiser, saved in zip(optimisers, state["optimisers"]):
            optimiser.load_state_dict(saved)
        ema.load(state["ema"])
        step, seen = state["step"], state["seen"]
        seed = state.get("seed", seed)
    meta = dict(preset=a.preset, vocab=vocab, residual=residual, attention=a.attention, prediction=a.prediction, shift=a.shift,
                steps=a.steps)

    name_of_codec = format(zlib.crc32((a.ae / "autoencoder.safetensors").read_bytes()), "08x")
    samples = Samples(ae.encoder, name_of_codec, device, a.pool if a.stream else None)
    held = Samples(ae.encoder, name_of_codec, device)
    if a.held_out:
        held.add(a.held_out.rstrip("/"))
    pending = [r.rstrip("/") for r in a.records]
    peak = common.matmul_peak(device)
    feed = Feed(a.stream, a.renderers, seed) if a.stream else None
    failed = []

    def load():
        done = set()
        while True:
            names = pending + records.finished(a.watch) if a.watch else list(pending)
            # What is encoded already comes first, so that a resumed run starts at once.
            ready = lambda n: not Path(f"{n}.{name_of_codec}.latents").exists()
            for name in sorted(names, key=ready):
                if name not in done:
                    done.add(name)
                    samples.add(name)
            if not a.watch:
                return
            time.sleep(5)

    taken = 0

    def encode(rows):
        nonlocal taken
        taken += len(rows)
        for key, entry in samples.encoded_rows(rows):
            samples.put(key, [entry])

    def work():
        try:
            load()
        except BaseException as e:  # told by the trainer, which would wait for ever
            failed.append(e)

    def check_sources():
        if failed:
            raise failed[0]
        if feed:
            feed.check()

    first = min(16 * a.batch, a.pool) if feed else 16 * a.batch
    threading.Thread(target=work, name="encode", daemon=True).start()
    if feed:
        began = seen
        # Encoding costs the trainer's device time: no more than it has a use for.
        enough = lambda: samples.count >= first and (taken - samples.count) * a.reuse > seen - began
        feed.drain(encode, 64 if device.type == "cpu" else 256, lambda: not enough())
    while samples.count < first:
        check_sources()
        time.sleep(1)
    if feed:
        run.begin()
    # A latent has eight pixels to a side's step; all of a run's pictures are of one size.
    meta["size"] = 8 * next(iter(samples.groups.values())).fields["z"].shape[-1]
    cost, spent_flops = Cost(net), 0
    print(f"{device}: {peak / 1e12:.3g} TFLOP/s in a bf16 product, {samples.count} samples, {meta['size']} px", flush=True)
    rng = np.random.default_rng(a.seed * 7919 + step)
    progress = tqdm(total=int(a.minutes * 60), unit="s", mininterval=5)
    last_log = last_save = time.time()
    since, running = 0, []

    def loss_of(key, b, inputs, network, t, noise, absent):
        z0 = b["z"].float()
        tt = t.view(-1, 1, 1, 1, 1)
        z = (1 - tt) * z0 + tt * noise
        with common.half(device):
            y = network(z, t, b["ids"], b["len"], images_of(key, b, inputs, absent), maps=maps_of(b))
        y = y.float()
        if a.prediction == "x0":
            # The network's own error: x0's, divided by what the linear estimate leaves unexplained at this time.
            error = (z0 - y).pow(2) * ((1 - tt) ** 2 * spread + tt**2) / (tt.clamp(min=0.02) ** 2 * spread)
        else:
            error = (y - (noise - z0)).pow(2)
        weight = 1 + 6 * torch.nn.functional.max_pool2d(b["changed"].float()[:, None], 3, 1, 1)[:, None]
        # Shadows and reflections: faint against objects, so they need more to be learned at all.
        weight = weight + a.shadow * (b["changed"].float() - b["object"].float()).clamp(min=0)[:, None, None]
        if not (key[0] and key[0][0][0] == 0):
            weight = torch.ones_like(weight)
        total = weight.expand_as(error).sum()
        # Masks, depth and edges are further from their start than pictures: as they are they would drown the rest.
        weight = weight * torch.where(b["kind"] == records.PICTURE, 1.0, a.maps)[:, :, None, None, None]
        return (error * weight).sum() / total

    objective = loss_of
    if a.compile:
        # A graph for each signature and order of its inputs, so text is not cut, and who lacks a reference always told.
        torch._dynamo.config.cache_size_limit = 256
        torch._dynamo.config.cache_size_limit = 256
        objective = torch.compile(loss_of, dynamic=False)
    share = lambda: min(1.0, step / a.stop) if a.stop else run.share
    unchecked = []
    while share() < 1 and not run.leaves:
        key, b, inputs = samples.batch(a.batch, rng)
        if rng.random() < 0.5:
            key, b, inputs = placement_last(key, b, inputs)
        n = a.batch
        t = torch.sigmoid(torch.randn(n) + a.mu)
        t = a.shift * t / (1 + (a.shift - 1) * t)
        t = torch.where(torch.rand(n) < 0.1, torch.rand(n), t)
        # Little noise leaves broad, faint things such as shadows to be read off: only pure noise teaches to make them.
        t = torch.where(torch.rand(n) < a.high, 1 - 0.15 * torch.rand(n) ** 2, t).clamp(0.001, 1)
        u = torch.rand(n)
        b["ids"] = b["ids"].clone() if a.compile else b["ids"][:, : max(int(b["len"].max()), 1)].clone()
        no_text = (u < 0.10) | ((u > 0.20) & (u < 0.25))
        absent = ((u >= 0.10) & (u < 0.25)) & torch.tensor(any(r == 1 for r, _ in key[0]))
        b["len"] = common.onto(device, torch.where(no_text, 1, b["len"]))
        t, no_text = common.onto(device, t), common.onto(device, no_text)
        b["ids"][:, 0].masked_fill_(no_text, 1)
        absent = common.onto(device, absent) if a.compile or bool(absent.any()) else None
        spent_flops += cost(key, b, inputs)
        loss = objective(key, b, inputs, net, t, torch.randn(b["z"].shape, device=device), absent)
        unchecked.append(loss.detach())
        # Looking at a loss waits for the device, so that is done now and then there.
        if device.type == "cpu" or len(unchecked) == 10:
            common.check_finite(sum(unchecked), run, step)
            check_sources()
            unchecked = []
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["initial"] * common.schedule(share(), step, a.warmup)
        net.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
        ema.update(net)
        step += 1
        seen += n
        since += n
        running.append(loss.detach())
        now = time.time()
        done = share() >= 1 or run.leaves
        if now - last_log > 20 or done:
            rate, flops = since / (now - last_log), spent_flops / (now - last_log)
            mean = float(np.mean([x.item() for x in running]))
            rates = dict(rate=rate, tflops=flops / 1e12, of_peak=flops / peak)
            if feed:
                rates["rendered"] = feed.rate()
            if feed and done:
                feed.stop()
            run.log(step=step, seen=seen, loss=mean, norm=float(norm), pool=samples.count, **rates)
            progress.n = int(share() * a.minutes * 60)
            progress.set_postfix(step=step, loss=f"{mean:.4f}", pool=samples.count, rate=f"{rate:.1f}/s",
                                 of_peak=f"{flops / peak:.1%}", **{k: f"{v:.1f}/s" for k, v in rates.items() if k == "rendered"})
            last_log, since, running, spent_flops = now, 0, [], 0
        if now - last_save > 300 or done:
            last_save = now
            common.check_finite(loss, run, step)
            more = {"seed": feed.seed} if feed else {}
            run.save(model=net.state_dict(), optimisers=[o.state_dict() for o in optimisers], ema=ema.state(), step=step,
                     seen=seen, meta=meta, **more)
            if held.count:
                validate(run, text, transformer, ema, held, ae, loss_of, a, step)
            run.curve(["loss", "held_out", "psnr"])


def validate(run, text, transformer, ema, held, ae, loss_of, a, step):
    """Held-out loss at fixed times and noise, and a sheet: inputs, target, result."""
    device = next(iter(ema.shadow.values())).device
    best = UniReal(text, transformer).to(device)
    best.load_state_dict(ema.shadow)
    best.eval()
    rng = np.random.default_rng(5)
    generator = torch.Generator().manual_seed(5)
    losses, rows, scores = [], [], []
    for i in range(6):
        key, b, inputs = held.batch(16, rng)
        b["ids"] = b["ids"][:, : int(b["len"].max())]
        b["len"] = b["len"].to(device)
        t = torch.linspace(0.05, 0.98, 16).to(device)
        with torch.no_grad():
            losses.append(loss_of(key, b, inputs, best, t, torch.randn(b["z"].shape, generator=generator).to(device), None).item())
            few = 4
            cut = {k: v[:few] for k, v in b.items()}
            cut_inputs = [x[:few] for x in inputs]
            z = sample(best, a.prediction, key, cut, cut_inputs, a.steps, a.shift)
            picture, truth = ae.decoder(z[:, 0]), ae.decoder(cut["z"][:, 0].float())
            changed = torch.nn.functional.interpolate(cut["changed"].float()[:, None], scale_factor=8)
            error = ((picture.clamp(0, 1) - truth.clamp(0, 1)).pow(2) * changed).sum((1, 2, 3)) / (3 * changed.sum((1, 2, 3)).clamp(min=1))
            scores += (-10 * torch.log10(error.clamp(min=1e-6)))[changed.sum((1, 2, 3)) > 0].tolist()
            for j in range(few):
                row = [
                    (x[j].float() / 255)[None].expand(3, -1, -1) if k == 0 else ae.decoder(x[j : j + 1].float())[0]
                    for (_, k), x in zip(key[0], cut_inputs)
                ]
                row = row[:4] + [torch.ones_like(truth[j])] * (4 - len(row))
                rows.append(row + [truth[j], picture[j]])
    run.log(step=step, held_out=float(np.mean(losses)), psnr=float(np.mean(scores)) if scores else 0.0)
    common.sheet(run.dir / "sheet.png", rows)


if __name__ == "__main__":
    main()
