"""Writes the golden of the preview decoder: a picture, FLUX.2's latents of it, and what the decoder makes of them.

    python preview_golden.py --pack ../worldpack --picture render.png

The latents are the teacher's encoder's, which stands in for FLUX.2's own (Teacher's README in the pack).
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import common
from autoencoder import Decoder
from teacher import Teacher

ROOT = Path(__file__).parent.parent


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--pack", type=Path, required=True)
    p.add_argument("--picture", type=Path, required=True, help="sides are multiples of 8")
    p.add_argument("--weights", type=Path, default=ROOT / "assets/models/flux2-preview")
    p.add_argument("--out", type=Path, default=ROOT / "tests/golden/preview.safetensors")
    a = p.parse_args()
    picture = torch.from_numpy(np.array(Image.open(a.picture).convert("RGB"))).permute(2, 0, 1)[None].contiguous()
    decoder = Decoder(**json.load(open(a.weights / "config.json"))["decoder"])
    decoder.load_state_dict({k: v.float() for k, v in load_file(a.weights / "decoder.safetensors").items()})
    with torch.no_grad():
        latents = Teacher(a.pack / "teacher").encode(picture.float() / 255)
        rgb = decoder(latents).clamp(0, 1)
    print(f"{common.psnr(rgb, picture.float() / 255):.2f} dB")
    save_file({"picture": picture, "latents": latents.contiguous(), "rgb": rgb.contiguous()}, a.out)


if __name__ == "__main__":
    main()
