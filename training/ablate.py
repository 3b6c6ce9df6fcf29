"""UniReal's ablations (its Table 4) at our size, each with one command: data, training, export, evaluation.

    python ablate.py full           --minutes 30 --pack PACK --ae runs/ae --tokenizer tokenizer.json --out runs/ablation
    python ablate.py no-context     …the same
    python ablate.py no-image       …
    python ablate.py single-task    …
    python ablate.py full-attention …
    python ablate.py summary        --out runs/ablation

`all` runs the five one after the other. All have the same budget of minutes or steps, seed, batch and schedule, and are judged by
`inlay eval --suite` on the same scenes. What differs:

* full: all 13 tasks, context tags, role and control embeddings, `cached` attention.
* no-context: the tags before the base prompt are cut from every text, in training and when judged.
* no-image: role and control embeddings are zero throughout (UniReal's image prompt). Which input is the canvas still
  decides from where the output starts and what is added position by position: that is no embedding.
* single-task: trained on insertion with reference alone, as many samples.
* full-attention: every token attends to every token.

`summary` writes summary.md and summary.json: a row a variant, and differences to `full` with 95 % bootstrap intervals.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
VARIANTS = {
    "full": {},
    "no-context": {"drop": "context"},
    "no-image": {"drop": "image"},
    "single-task": {"tasks": "insert_reference=1"},
    "full-attention": {"attention": "full"},
}
SHARDS = 4
# Task, method, measure, digits, and whether more is better.
COLUMNS = [
    ("insert_reference", "model", "PSNR", 2, True),
    ("insert_reference", "model", "SSIM", 3, True),
    ("insert_reference", "model", "shadow", 4, False),
    ("insert_reference", "model", "identity", 3, True),
    ("insert_reference", "model", "IoU with mask", 3, True),
    ("insert_words", "model", "PSNR", 2, True),
    ("remove", "model", "PSNR", 2, True),
    ("move", "model", "PSNR", 2, True),
    ("outpaint", "model", "PSNR", 2, True),
    ("frame2frame", "model", "PSNR", 2, True),
    ("customise", "model", "identity", 3, True),
    ("segment", "model", "IoU", 3, True),
    ("depth", "model", "log RMSE", 3, False),
    ("edges", "model", "F1 within 1 px", 3, True),
]


def run(words: list, threads: int):
    words = [str(w) for w in words]
    print("$", " ".join(words), flush=True)
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), RAYON_NUM_THREADS=str(threads))
    done = subprocess.run(words, env=environment)
    if done.returncode:
        raise SystemExit(f"This failed with exit code {done.returncode}: {' '.join(words)}")


def stream(a, folder: Path, tasks: str | None, split: str, seed: int, count: int) -> Path:
    """Records, made if they are not there; a stream of a seed is always the same."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{seed}.records"
    if not path.exists():
        part = path.with_suffix(".part")
        words = [a.inlay, "data", "stream", "--pack", a.pack, "--tokenizer", a.tokenizer, "--size", a.size]
        words += ["--seed", seed, "--count", count, "--split", split, "--out", part]
        run(words + (["--tasks", tasks] if tasks else []), a.threads)
        os.replace(part, path)
    return path


def variant(a, name: str):
    """Data, training, export and evaluation of one variant. What is finished is not done again."""
    what = VARIANTS[name]
    tasks = what.get("tasks")
    count = -(-a.samples // SHARDS)
    # Samples that the two mixtures share would be no gain: they are streams of their own.
    records = [
        stream(a, a.out / "records" / (name if tasks else "all"), tasks, "train", a.seed * 100 + s, count)
        for s in range(SHARDS)
    ]
    held = stream(a, a.out / "records" / "held-out", None, "heldout", a.seed * 100 + 90, 256)
    residual = a.residual
    if residual is None:
        # One for all: what the output starts from is no part of what is compared.
        residual = a.out / "residual.json"
        if not residual.exists():
            first = stream(a, a.out / "records" / "all", None, "train", a.seed * 100, count)
            run([sys.executable, HERE / "residual.py", "--records", first, "--ae", a.ae, "--out", residual], a.threads)
    # Beforehand: what is encoded once for all shall not take from the first variant's minutes.
    run([sys.executable, HERE / "ablate.py", "encode", a.ae, a.threads, *records, held], a.threads)
    folder = a.out / name
    model, report = folder / "model", folder / "report"
    if (report / "report.json").exists():
        return
    words = [sys.executable, HERE / "ablate.py", "train", "--drop", what.get("drop", "nothing"), "--", "--records"]
    words += [*records, "--held-out", held, "--ae", a.ae, "--tokenizer", a.tokenizer, "--run", folder]
    words += ["--residual", residual, "--attention", what.get("attention", "cached"), "--preset", a.preset]
    words += ["--stop", a.stop] if a.stop else ["--minutes", a.minutes]
    words += ["--batch", a.batch, "--seed", a.seed, "--threads", a.threads]
    if not (model / "config.json").exists():
        run(words + a.train, a.threads)
        words = [sys.executable, HERE / "export.py", "--ae", a.ae, "--run", folder, "--tokenizer", a.tokenizer]
        run(words + ["--out", model, "--name", f"ablation-{name}", "--steps", a.steps], a.threads)
    words = [a.inlay, "eval", "--suite", report, "--no-cost", "--model", model, "--generated", a.cases]
    words += ["--pack", a.pack, "--size", a.size, "--seed", a.seed, "--device", "cpu"]
    run(words + (["--no-context"] if what.get("drop") == "context" else []), a.threads)


def prefixes(tokenizer) -> list[list[int]]:
    """The tokens of every line of context tags, longest first. Words are tokens of their own, so what a line becomes
    does not depend on what follows it."""
    from itertools import combinations

    # src/doc/prompt.rs has them, in this order.
    tags = ["realistic style", "synthetic style", "static scenario", "dynamic scenario", "novel scenario"]
    tags += ["perception task", "with reference object"]
    lines = ["; ".join(some) for n in range(1, 5) for some in combinations(tags, n)]
    lines = [line[0].upper() + line[1:] + "." for line in lines]
    return sorted((tokenizer.encode(line, add_special_tokens=False).ids for line in lines), key=len, reverse=True)


def without_tags(ids, lengths, lines, space: int):
    """Token ids [N, T] and their lengths without the tags that a text begins with; what is left moves to the front.
    `space` is the token of a lone space: there is none before an IMG word (3 to 14) that begins a text."""
    ids, lengths = ids.clone(), lengths.clone()
    for i in range(len(ids)):
        row = ids[i].tolist()
        line = next((line for line in lines if row[: len(line)] == line), [])
        if line:
            first = len(line) + (row[len(line)] == space and 3 <= row[len(line) + 1] < 15)
            rest = row[first:]
            ids[i, : len(rest)] = ids.new_tensor(rest)
            ids[i, len(rest) :] = 0
            lengths[i] -= first
    return ids, lengths


def train(drop: str, words: list[str]):
    """`train.py` with something dropped."""
    import torch

    import train as trainer

    if drop == "context":
        from tokenizers import Tokenizer

        path = words[words.index("--tokenizer") + 1]
        tokenizer = Tokenizer.from_file(path)
        lines, space = prefixes(tokenizer), tokenizer.token_to_id("▁")

        class Samples(trainer.Samples):
            def batch(self, n, rng):
                key, b, inputs = super().batch(n, rng)
                ids, lengths = without_tags(b["ids"], b["len"], lines, space)
                return key, dict(b, ids=ids, len=lengths), inputs

        trainer.Samples = Samples
    if drop == "image":

        class UniReal(trainer.UniReal):
            def __init__(self, text, transformer):
                super().__init__(text, transformer)
                for table in (self.transformer.role_embedding, self.transformer.control_embedding):
                    torch.nn.init.zeros_(table.weight)
                    table.weight.requires_grad_(False)

        trainer.UniReal = UniReal
    sys.argv = ["train.py", *words]
    trainer.main()


def encode(ae: Path, threads: int, records: list[str]):
    """Leaves the latents of records beside them, where `train.py` finds them."""
    import zlib

    import torch
    from safetensors.torch import load_file

    from autoencoder import Autoencoder
    from train import Samples

    torch.set_num_threads(threads)
    weights = ae / "autoencoder.safetensors"
    autoencoder = Autoencoder()
    autoencoder.load_state_dict({k: v.float() for k, v in load_file(weights).items()})
    autoencoder.eval().to(memory_format=torch.channels_last)
    name = format(zlib.crc32(weights.read_bytes()), "08x")
    for path in records:
        samples = Samples(autoencoder.encoder, name)
        if samples.cached(path) is None:
            samples.add(path)


def values(report: dict, column) -> dict:
    """Figures by case, means over its levels."""
    task, method, measure, *_ = column
    found: dict = {}
    for part in report["parts"]:
        if part["task"] == task:
            for entry in part["entries"]:
                if entry["method"] == method and measure in entry["measures"]:
                    found.setdefault(entry["case"], []).append(entry["measures"][measure])
    return {case: sum(all) / len(all) for case, all in found.items()}


def summary(out: Path):
    import numpy as np

    reports = {}
    for name in VARIANTS:
        path = out / name / "report" / "report.json"
        if path.exists():
            reports[name] = json.load(open(path))
    if not reports:
        raise SystemExit(f"There is no report below {out}: run a variant first.")
    table = {}
    for name, report in reports.items():
        row = table[name] = {}
        for column in COLUMNS:
            own = values(report, column)
            if not own:
                continue
            cell = {"mean": float(np.mean(list(own.values()))), "cases": len(own)}
            full = values(reports["full"], column) if "full" in reports and name != "full" else {}
            shared = [own[case] - full[case] for case in own if case in full]
            if shared:
                rng = np.random.default_rng(0x1A1A)
                means = np.mean(rng.choice(shared, (2000, len(shared))), 1)
                low, high = np.percentile(means, [2.5, 97.5])
                cell |= {"difference": float(np.mean(shared)), "low": float(low), "high": float(high)}
            row[f"{column[0]}: {column[2]}"] = cell
    json.dump(table, open(out / "summary.json", "w"), indent=1)
    lines = ["| | " + " | ".join(table) + " |", "|---|" + "---|" * len(table)]
    for task, _, measure, digits, more in COLUMNS:
        cells = []
        for name in table:
            cell = table[name].get(f"{task}: {measure}")
            text = "–" if cell is None else f"{cell['mean']:.{digits}f}"
            if cell and "difference" in cell:
                text += f" ({cell['difference']:+.{digits}f}, {cell['low']:+.{digits}f} to {cell['high']:+.{digits}f})"
            cells.append(text)
        better = "more" if more else "less"
        lines.append(f"| {task}: {measure} ({better} is better) | " + " | ".join(cells) + " |")
    text = "In brackets: difference to full, and its 95 % interval over cases.\n\n" + "\n".join(lines) + "\n"
    (out / "summary.md").write_text(text)
    print(text)


def main():
    if sys.argv[1:2] == ["train"]:
        return train(sys.argv[sys.argv.index("--drop") + 1], sys.argv[sys.argv.index("--") + 1 :])
    if sys.argv[1:2] == ["encode"]:
        return encode(Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=[*VARIANTS, "all", "summary"])
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--minutes", type=float, help="training time of each variant")
    p.add_argument("--stop", type=int, help="training steps of each variant in place of time: equal whatever else the machine does")
    p.add_argument("--pack", type=Path)
    p.add_argument("--ae", type=Path)
    p.add_argument("--tokenizer", type=Path)
    p.add_argument("--residual", type=Path, help="as for train.py; measured on the first records if left out")
    p.add_argument("--inlay", default="inlay", help="the program")
    p.add_argument("--samples", type=int, default=20000, help="training samples of each mixture")
    p.add_argument("--size", type=int, default=128)
    p.add_argument("--cases", type=int, default=100, help="scenes of each task that variants are judged by")
    p.add_argument("--preset", default="nano-s")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--steps", type=int, default=2, help="sampling steps when judged")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--seed", type=int, default=7)
    p.add_argument("--train", nargs=argparse.REMAINDER, help="everything after this goes to train.py")
    a = p.parse_args()
    # As the shipped model is trained.
    a.train = a.train or ["--lr", "1e-3", "--shift", "0.6", "--high", "0.35", "--shadow", "16", "--ema", "0.995", "--warmup", "40", "--fuse"]
    if a.what != "summary":
        missing = [f"--{n}" for n in ("pack", "ae", "tokenizer") if getattr(a, n) is None]
        if a.minutes is None and a.stop is None:
            missing.append("--minutes or --stop")
        if missing:
            p.error(f"{', '.join(missing)} must be given")
        a.out.mkdir(parents=True, exist_ok=True)
        for name in VARIANTS if a.what == "all" else [a.what]:
            variant(a, name)
    summary(a.out)


if __name__ == "__main__":
    main()
