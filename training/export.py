"""Writes a model folder that Inlay reads: config.json, tokenizer.json and safetensors files in half precision.

    python export.py --ae runs/ae --run runs/nano-s --tokenizer tokenizer.json --out ../assets/models/unireal-nano
"""

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file

import common
from autoencoder import AUTOENCODER
from model import preset


def latent_rgb(folder: Path) -> list:
    """The matrix from latents to colours, from an autoencoder's run or from a model folder."""
    matrix = folder / "latent_rgb.json"
    return json.load(open(matrix)) if matrix.exists() else json.load(open(folder / "config.json"))["latent_rgb"]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--ae", type=Path, required=True, help="the autoencoder's run, or a model folder")
    p.add_argument("--run", type=Path, required=True)
    p.add_argument("--tokenizer", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--steps", type=int, help="default sampling steps, if not the run's")
    p.add_argument("--grain", type=float, default=0.0, help="noise that sampling leaves in pictures, in RGB 0..1")
    p.add_argument("--light", type=Path, help="the light model's run, or a model folder that has one")
    p.add_argument("--name", default="unireal-nano")
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    state = torch.load(a.run / "last.pt", map_location="cpu", weights_only=True)
    meta = state["meta"]
    weights = state["ema"]["shadow"]
    text, transformer = preset(meta["preset"], meta["vocab"], meta["attention"], meta["prediction"], meta["residual"])
    part = lambda prefix: {k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)}
    common.export_half(part("text."), a.out / "text.safetensors")
    common.export_half(part("transformer."), a.out / "transformer.safetensors")
    common.export_half(load_file(a.ae / "autoencoder.safetensors"), a.out / "autoencoder.safetensors")
    shutil.copyfile(a.tokenizer, a.out / "tokenizer.json")
    config = {
        "format": 1, "family": "unireal", "name": a.name, "preset": meta["preset"], "resolution": meta["size"],
        "autoencoder": AUTOENCODER, "text": asdict(text),
        "transformer": {k: v for k, v in asdict(transformer).items() if k != "text_width"},
        "schedule": {"shift": meta["shift"], "steps": a.steps or meta["steps"], "grain": a.grain},
        "latent_rgb": latent_rgb(a.ae),
    }
    if a.light:
        about = json.load(open(a.light / "config.json"))
        config["light"] = about.get("light", about)
        common.export_half(load_file(a.light / "light.safetensors"), a.out / "light.safetensors")
    json.dump(config, open(a.out / "config.json", "w"), indent=1)
    print({f.name: f.stat().st_size for f in sorted(a.out.iterdir())})


if __name__ == "__main__":
    main()
