"""Gives the collages in records the light that the program gives them, so that a transformer is trained on what it will
be shown.

    python relight.py --light runs/light --out lit a/1.records a/2.records
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tqdm import tqdm

import common
from light import Light, lit
from records import Records

MASK, PLACEMENT = 0, 4  # kinds of inputs
REMOVE, MOVE = 2, 3  # tasks
LAID = 0.06  # the difference from the canvas from which on a pixel is surely of what was laid in


def relit(rows: np.ndarray, model: Light) -> np.ndarray:
    """The placements of records that have one: u8 [N, S, S, 3], and which input each is."""
    kinds, tasks = rows["input_kind"], rows["task"]
    at = (kinds == PLACEMENT).argmax(1)
    each = np.arange(len(rows))
    picture = lambda a: torch.from_numpy(a).permute(0, 3, 1, 2).float() / 255
    canvas, laid = picture(rows["inputs"][:, 0]), picture(rows["inputs"][each, at])
    cover = ((laid - canvas).abs().amax(1, keepdim=True) / LAID).clamp(max=1)
    masks = torch.from_numpy(np.where((kinds == MASK)[:, :, None, None], rows["inputs"][..., 0], 0)).float() / 255
    masked = masks.amax(1, keepdim=True)
    # The last mask is where a moved object goes; ground that was filled is ground.
    last = masks[each, np.where(kinds == MASK, np.arange(kinds.shape[1]), 0).max(1)][:, None]
    task = torch.from_numpy(tasks.astype(np.int64))[:, None, None, None]
    cover = torch.where(task == REMOVE, 0.0, torch.where(task == MOVE, cover * (last > 0.5), cover))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        light = model(canvas, laid, cover, masked)
    y = lit(laid, cover, light).clamp(0, 1)
    return (y * 255).round().byte().permute(0, 2, 3, 1).numpy(), at


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("records", nargs="+", type=Path)
    p.add_argument("--light", type=Path, required=True, help="the light model's run")
    p.add_argument("--out", type=Path, required=True, help="folder for the new files")
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    a.out.mkdir(parents=True, exist_ok=True)
    model = Light(**json.load(open(a.light / "config.json"))).to(memory_format=torch.channels_last)
    model.load_state_dict({k: v.float() for k, v in load_file(a.light / "light.safetensors").items()})
    for path in a.records:
        source = Records(str(path))

        def write(to):
            with open(to, "wb") as f, open(path, "rb") as given:
                f.write(given.read(source.header["start"]))
                for start in tqdm(range(0, len(source), 64), desc=path.name, mininterval=10):
                    rows = source.data[start : start + 64].copy()
                    chosen = np.flatnonzero((rows["input_kind"] == PLACEMENT).any(1))
                    if len(chosen):
                        pictures, at = relit(rows[chosen], model)
                        rows["inputs"][chosen, at] = pictures
                    f.write(rows.tobytes())

        common.save_atomic(a.out / path.name, write)


if __name__ == "__main__":
    main()
