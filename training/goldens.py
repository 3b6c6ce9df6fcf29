"""Writes tests/golden: tiny random weights and every intermediate tensor that the Rust side must reproduce.

    python goldens.py ../tests/golden
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file

import tokenizer
from autoencoder import Autoencoder
from model import Image, TextConfig, TransformerConfig, UniReal, rms, to_velocity

PROMPTS = [
    "With reference object; static scenario. Put the red chair of IMG2 into IMG1 at the place of IMG3.",
    "",
    "RES1 is the picture, RES2 its mask: naïve 漢字.",
]
AE = {
    "kind": "conv", "latent_channels": 32,
    "encoder": {"c1": 8, "n1": 1, "c2": 16, "n2": 2},
    "decoder": {"c2": 16, "n2": 2, "c1": 12, "n1": 1, "c0": 8, "n0": 1},
}


def flat(record, prefix=""):
    return {prefix + k: v.detach().float().contiguous() for k, v in record.items()}


def spread(module):
    """Random values everywhere, so that no zero hides a mistake."""
    with torch.no_grad():
        for name, p in module.named_parameters():
            if p.dim() == 1 and name.endswith("norm.weight"):
                p.copy_(1 + 0.2 * torch.randn_like(p))
            elif p.dim() > 1 and "embedding" not in name and "mod_" not in name and "shared" not in name:
                p.normal_(std=1.0 / p[0].numel() ** 0.5)
            else:
                p.normal_(std=0.3)


def main(out: Path):
    torch.manual_seed(7)
    tiny = out / "tiny"
    tiny.mkdir(parents=True, exist_ok=True)
    tok = tokenizer.build(PROMPTS * 50 + ["a brown dog stands on the grass", "remove the cup"] * 20, 384)
    tok.save(str(tiny / "tokenizer.json"))
    text_config = TextConfig(vocab_size=tok.get_vocab_size(), d_model=32, d_kv=16, d_ff=48, num_layers=2, num_heads=2)
    deviations = [0.1 + 0.05 * (i % 9) for i in range(32)]
    base = dict(width=64, layers=2, heads=2, mlp=96, text_width=32, residual=deviations)
    net = UniReal(text_config, TransformerConfig(**base))
    ae = Autoencoder(AE)
    spread(net)
    spread(ae)
    save_file({k: v.contiguous() for k, v in ae.state_dict().items()}, tiny / "autoencoder.safetensors")
    save_file({k: v.contiguous() for k, v in net.text.state_dict().items()}, tiny / "text.safetensors")
    save_file({k: v.contiguous() for k, v in net.transformer.state_dict().items()}, tiny / "transformer.safetensors")
    transformer = {k: v for k, v in asdict(net.transformer.c).items() if k != "text_width"}
    config = {
        "format": 1, "family": "unireal", "preset": "tiny", "resolution": 64, "autoencoder": AE,
        "text": asdict(text_config), "transformer": transformer, "schedule": {"shift": 1.5, "steps": 3},
        "latent_rgb": (0.1 * torch.randn(3, 33)).tolist(),
    }
    json.dump(config, open(tiny / "config.json", "w"), indent=1)

    g = {}
    with torch.no_grad():
        # text
        for i, prompt in enumerate(PROMPTS):
            ids = tok.encode(prompt).ids + [1]
            r = {}
            y = net.text(torch.tensor([ids]), None, r)
            g |= flat(r, f"text.{i}.") | {f"text.{i}.ids": torch.tensor(ids).int(), f"text.{i}.out": y}
        # autoencoder, two aspect ratios
        for name, (h, w) in {"square": (64, 64), "wide": (32, 80)}.items():
            rgb = torch.rand(1, 3, h, w)
            z = ae.encoder(rgb)
            g |= {f"ae.{name}.rgb": rgb, f"ae.{name}.latent": z, f"ae.{name}.decoded": ae.decoder(z)}
        # transformer: canvas, placed asset, mask with level and fit; two joint outputs
        h, w = 8, 12
        canvas, asset = torch.randn(2, 1, 32, h, w)[0:1][0], torch.randn(1, 32, 8, 8)
        mask = torch.zeros(1, h * 8, w * 8)
        mask[:, 16:48, 40:80] = 1
        placed = torch.tensor([[0.25, 40 / 96, 0.75, 80 / 96]])
        images = [
            Image(role=0, index=0, latent=canvas),
            Image(role=1, index=1, latent=asset, placed=placed),
            Image(role=2, index=2, kind=0, mask=mask, level=torch.tensor([2]), fit=torch.tensor([0.6])),
            Image(role=2, index=3, kind=4, latent=torch.randn(1, 32, h, w)),
        ]
        ids = torch.tensor([tok.encode(PROMPTS[0]).ids + [1]])
        encoded = net.text(ids)
        z, t = torch.randn(1, 2, 32, h, w), torch.tensor([0.7])
        g |= {"x.canvas": canvas, "x.asset": asset, "x.mask": mask, "x.placed": placed, "x.placement": images[3].latent,
              "x.z": z, "x.t": t, "x.ids": ids.int()}
        for kind in ("cached", "full"):
            net.transformer.c.attention = kind
            r = {}
            y = net.transformer(z, t, encoded, ids, images, None, r)
            g |= flat(r, f"{kind}.") | {f"{kind}.out": y, f"{kind}.velocity": to_velocity(y, z, t, "x0")}
            unknown = [images[0], images[1], Image(role=2, index=2, kind=0, mask=mask, level=torch.tensor([0]),
                                                   fit=torch.tensor([float("nan")]))]
            g[f"{kind}.unknown_fit"] = net.transformer(z, t, encoded, ids, unknown)
            g[f"{kind}.map"] = net.transformer(z, t, encoded, ids, images, maps=torch.tensor([True]))
            g[f"{kind}.text_only"] = net.transformer(z, t, encoded, ids, [])
        # a whole sampling: 3 Euler steps, two inputs and a mask, guidance 1, background clamped every step
        net.transformer.c.attention = "cached"
        inputs = images[:3]
        noise = torch.randn(1, 1, 32, h, w)
        keep = torch.nn.functional.max_pool2d(mask[:, None], 8)[:, None]
        s, steps = 1.5, 3
        times = [1 - i / steps for i in range(steps + 1)]
        times = [s * t / (1 + (s - 1) * t) for t in times]
        z = noise
        g |= {"sample.noise": noise, "sample.times": torch.tensor(times)}
        for i in range(steps):
            t = torch.tensor([times[i]])
            v = to_velocity(net.transformer(z, t, encoded, ids, inputs), z, t, "x0")
            z = z + (times[i + 1] - times[i]) * v
            known = (1 - times[i + 1]) * canvas[None] + times[i + 1] * noise
            z = keep * z + (1 - keep) * known
            g[f"sample.z.{i}"] = z
        g["sample.rgb"] = ae.decoder(z[:, 0])
        g["rms"] = rms(torch.arange(12.0).view(2, 6))
    save_file({k: v.contiguous() for k, v in g.items()}, out / "golden.safetensors")
    print(len(g), "tensors,", sum(f.stat().st_size for f in out.rglob("*") if f.is_file()) // 1024, "KiB")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../tests/golden"))
