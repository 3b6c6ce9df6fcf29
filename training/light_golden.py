"""Writes the golden of the light model: a made-up collage, and the light that the shipped weights give it.

    python light_golden.py
"""

import argparse
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from light import Light

ROOT = Path(__file__).parent.parent


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--model", type=Path, default=ROOT / "assets/models/unireal-nano")
    p.add_argument("--out", type=Path, default=ROOT / "tests/golden/light.safetensors")
    a = p.parse_args()
    light = Light(**json.load(open(a.model / "config.json"))["light"])
    light.load_state_dict({k: v.float() for k, v in load_file(a.model / "light.safetensors").items()})
    height, width = 96, 128
    random = torch.Generator().manual_seed(1)
    smooth = lambda c: F.interpolate(torch.rand(1, c, 7, 9, generator=random), (height, width), mode="bicubic").clamp(0, 1)
    canvas = smooth(3)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    cover = (((x - 70) / 20.0) ** 2 + ((y - 55) / 28.0) ** 2 < 1).float()[None, None]
    masked = ((x >= 48) & (x < 92) & (y >= 26) & (y < 84)).float()[None, None]
    laid = canvas * (1 - cover) + smooth(3) * cover
    with torch.no_grad():
        objects, mirrored, ground = light(canvas, laid, cover, masked)
    golden = {"input": torch.cat([canvas, laid, cover, masked], 1)[0]}
    golden |= {"objects": objects[0], "mirrored": mirrored[0], "ground": ground[0]}
    print({k: (tuple(v.shape), round(float(v.mean()), 4)) for k, v in golden.items()})
    save_file({k: v.contiguous() for k, v in golden.items()}, a.out)


if __name__ == "__main__":
    main()
