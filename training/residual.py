"""Deviation of the target's latents from their base (placement, else canvas), by channel, where the picture changes.
Masks, depth and edges are no changes of a canvas: they do not count.

    python residual.py --records s1.records --ae runs/ae --out residual.json
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from autoencoder import Autoencoder
from train import Samples, maps_of


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--records", required=True)
    p.add_argument("--ae", type=Path, required=True)
    p.add_argument("--out", required=True)
    a = p.parse_args()
    ae = Autoencoder()
    ae.load_state_dict({k: v.float() for k, v in load_file(a.ae / "autoencoder.safetensors").items()})
    samples = Samples(ae.encoder, "residual")
    total, weight = torch.zeros(32), 0.0
    for key, b in samples.encoded(a.records, 64):
        kinds = [k for _, k in key[0]]
        if not key[0] or key[0][0][0] != 0:
            continue
        base = b["inputs"][kinds.index(4) if 4 in kinds else 0].float()
        changed = (b["changed"].float() > 0.25).float() * (~maps_of(b)).float()[:, None, None]
        total += ((b["z"][:, 0].float() - base).pow(2) * changed[:, None]).sum((0, 2, 3))
        weight += float(changed.sum())
    deviation = (total / weight).sqrt()
    json.dump([round(x, 4) for x in deviation.tolist()], open(a.out, "w"))
    print(deviation)


if __name__ == "__main__":
    main()
