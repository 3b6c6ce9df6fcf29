"""Training on a machine with a GPU (or, to rehearse it, without) in one command a stage: rendering, training, export.

    python device.py all --inlay inlay --pack PACK --codec MODEL --out runs/device --renderers 14 --minutes 25
    python device.py all --inlay inlay --pack PACK --codec MODEL --out runs/rehearsal --rehearse 60

Stages, each of which begins with the averaged weights of the one before where there are some:

* identity: identity pairs and text to image at 128 px, UniReal's first stage
* 128: all tasks at 128 px
* 256: all tasks at 256 px
* light: the light model, on collages

`all` shares the minutes out among them. `--codec` is a model folder, or a run of train_autoencoder.py with tokenizer.json
in it. Renderers run beside the trainer and end with it. Everything is below `--out`: a folder for each stage, and `model`,
which Inlay reads, written anew after every stage. The same command again goes on where the last one was: `--session
MINUTES` ends a command by itself, in time for a machine that is only lent. What is finished is not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
# Share of the minutes, side, tasks, shift of the times: four times the tokens ask for twice the shift.
STAGES = {
    "identity": dict(share=0.15, size=128, tasks="identity_pair=3,text_to_image=1", shift=0.6),
    "128": dict(share=0.4, size=128, tasks=None, shift=0.6),
    "256": dict(share=0.25, size=256, tasks=None, shift=1.2),
    "light": dict(share=0.2, size=128),
}


class Late(Exception):
    """The session is over."""


def run(a, words: list):
    words = [str(w) for w in words]
    print("$", shlex.join(words), flush=True)
    done = subprocess.run(words, env=dict(os.environ, RAYON_NUM_THREADS="1"))
    if done.returncode:
        raise SystemExit(f"This failed with exit code {done.returncode}: {shlex.join(words)}")


def left(a) -> float:
    """Minutes of this session."""
    return a.session - (time.time() - a.start) / 60


def held_out(a, size: int, collages: bool = False) -> Path:
    """Held-out records, made if they are not there."""
    path = a.out / f"held-{'collages' if collages else size}.records"
    if not path.exists():
        part = path.with_suffix(".part")
        words = [a.inlay, "data", "collages" if collages else "stream", "--pack", a.pack, "--size", size, "--seed", 900]
        words += ["--split", "heldout", "--count", a.held, "--workers", a.renderers, "--out", part]
        run(a, words + ([] if collages else ["--tokenizer", a.codec / "tokenizer.json"]))
        os.replace(part, path)
    return path


def stream(a, size: int, tasks: str | None, collages: bool = False) -> str:
    """The command of a renderer."""
    words = [a.inlay, "data", "collages" if collages else "stream", "--pack", a.pack, "--size", size, "--seed", "{seed}"]
    words += ["--count", a.count] + (["--tasks", tasks] if tasks else [])
    words += ["--out", "/dev/stdout"] if collages else ["--tokenizer", a.codec / "tokenizer.json"]
    return shlex.join(map(str, words))


def residual(a) -> Path:
    """What outputs differ from their start by: what the codec's own model was trained with, else measured."""
    path = a.out / "residual.json"
    config = a.codec / "config.json"
    if not path.exists():
        known = json.load(open(config)).get("transformer", {}).get("residual") if config.exists() else None
        if known:
            path.write_text(json.dumps(known))
        else:
            run(a, [sys.executable, HERE / "residual.py", "--records", held_out(a, 128), "--ae", a.codec, "--out", path])
    return path


def trained(folder: Path, minutes: float) -> bool:
    done = folder / "done.json"
    return done.exists() and json.load(open(done))["minutes"] >= minutes


def train(a, name: str, minutes: float) -> bool:
    """Trains a stage; False if there was nothing left to do."""
    folder, what = a.out / name, STAGES[name]
    if trained(folder, minutes):
        return False
    light = name == "light"
    common = ["--run", folder, "--minutes", minutes, "--batch", a.batch, "--device", a.device, "--threads", a.threads]
    common += ["--renderers", a.renderers, "--pool", a.pool, "--held-out", held_out(a, what["size"], light)]
    common += ["--stream", stream(a, what["size"], what.get("tasks"), light)]
    # The light model has one shape of batch, the transformer one for each kind of sample.
    common += {"none": [], "parts": ["--compile" if light else "--fuse"], "whole": ["--compile"]}[a.compile]
    if light:
        words = [sys.executable, HERE / "train_light.py", *common]
    else:
        words = [sys.executable, HERE / "train.py", *common, "--ae", a.codec, "--tokenizer", a.codec / "tokenizer.json"]
        words += ["--residual", residual(a), "--preset", a.preset, "--shift", what["shift"], "--lr", a.lr]
        words += ["--warmup", 5 if a.rehearse else 60, "--ema", 0.997, "--high", 0.4, "--shadow", 16, "--steps", a.steps]
        names = list(STAGES)
        words += ["--first-seed", 1000000 * (1 + names.index(name))]
        before = [a.out / n / "last.pt" for n in names[: names.index(name)]]
        before = [p for p in before if p.exists()] or ([a.init] if a.init else [])
        words += ["--init", before[-1]] if before else []
    # A minute of it is for the export.
    if left(a) < 2:
        raise Late
    run(a, words + (["--session", left(a) - 1] if left(a) < 1e6 else []))
    lines = open(folder / "log.jsonl").read().splitlines()
    if json.loads(lines[-1])["time"] < 60 * minutes:
        raise Late
    (folder / "done.json").write_text(json.dumps({"minutes": minutes}))
    return True


def export(a):
    """The newest transformer and light model there are, as a model folder."""
    runs = [a.out / n for n in ("256", "128", "identity") if (a.out / n / "last.pt").exists()]
    lights = [f for f in (a.out / "light", a.codec) if (f / "light.safetensors").exists()]
    if not runs:
        print("There is no transformer yet: nothing to export.", flush=True)
        return
    words = [sys.executable, HERE / "export.py", "--ae", a.codec, "--run", runs[0], "--tokenizer", a.codec / "tokenizer.json"]
    words += ["--out", a.out / "model", "--name", a.name, "--steps", a.steps, "--grain", 0.06]
    run(a, words + (["--light", lights[0]] if lights else []))


def table(a):
    """What the stages came to: their last rates, and the first and last losses."""
    print(f"{'stage':10}{'minutes':>9}{'steps':>8}{'samples/s':>11}{'rendered/s':>12}{'of peak':>9}  loss")
    for name in STAGES:
        path = a.out / name / "log.jsonl"
        rows = [json.loads(line) for line in open(path)] if path.exists() else []
        steps = [r for r in rows if "loss" in r]
        if steps:
            last = steps[-1]
            rate = last.get("rate", a.batch * last.get("steps_a_second", 0))
            of_peak = f"{last['of_peak']:.1%}" if "of_peak" in last else "–"
            print(f"{name:10}{rows[-1]['time'] / 60:9.1f}{last['step']:8}{rate:11.1f}{last.get('rendered', 0):12.1f}{of_peak:>9}"
                  f"  {steps[0]['loss']:.4f} → {last['loss']:.4f}")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=[*STAGES, "all"])
    p.add_argument("--inlay", default="inlay", help="the program")
    p.add_argument("--pack", type=Path, required=True)
    p.add_argument("--codec", type=Path, required=True, help="a model folder, or an autoencoder's run with a tokenizer.json")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--init", type=Path, help="last.pt or model folder that the first stage begins with")
    p.add_argument("--minutes", type=float, default=25, help="training time, of all stages together for `all`")
    p.add_argument("--session", type=float, default=1e9, help="minutes after which this command ends, whatever is done")
    p.add_argument("--preset", default="small")
    p.add_argument("--name", default="unireal-device")
    p.add_argument("--batch", type=int, default=256)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--steps", type=int, default=2, help="sampling steps")
    p.add_argument("--pool", type=int, default=40000)
    p.add_argument("--renderers", type=int, default=max(1, (os.cpu_count() or 2) - 2))
    p.add_argument("--count", type=int, default=2000, help="samples that a renderer makes before the next takes its place")
    p.add_argument("--held", type=int, default=256, help="held-out samples")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    p.add_argument("--compile", choices=("none", "parts", "whole"), default="parts", help="whole: a graph for each kind of sample")
    p.add_argument("--rehearse", type=float, help="the same in so many seconds of training, as small as can be, on the CPU")
    a = p.parse_args()
    a.start = time.time()
    if a.rehearse:
        a.minutes, a.device, a.batch, a.pool, a.held, a.count = a.rehearse / 60, "cpu", 4, 256, 24, 48
        a.renderers, a.threads, a.preset, a.compile = 1, 1, "nano-s", "none"
    a.out.mkdir(parents=True, exist_ok=True)
    names = list(STAGES) if a.what == "all" else [a.what]
    total = sum(STAGES[n]["share"] for n in names)
    try:
        for name in names:
            if train(a, name, a.minutes * STAGES[name]["share"] / total) or not (a.out / "model/config.json").exists():
                export(a)
    except Late:
        export(a)
        print("The session is over; the same command goes on.", flush=True)
    table(a)


if __name__ == "__main__":
    main()
