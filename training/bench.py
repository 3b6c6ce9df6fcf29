"""PyTorch's times for the work that `inlay bench` measures: the same weights and shapes, eager and compiled.

    python bench.py ../assets/models/unireal-nano --json
"""

import argparse
import json
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

from autoencoder import Autoencoder
from model import Image, TextConfig, TransformerConfig, UniReal


def median(f, repeats):
    f()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2] * 1e3


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("model", type=Path)
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--repeats", type=int, default=15)
    p.add_argument("--compile", action="store_true", help="also measure torch.compile")
    p.add_argument("--json", action="store_true")
    a = p.parse_args()
    if a.threads:
        torch.set_num_threads(a.threads)
    config = json.load(open(a.model / "config.json"))
    c = TransformerConfig(**config["transformer"], text_width=config["text"]["d_model"])
    net = UniReal(TextConfig(**config["text"]), c)
    weights = {f"text.{k}": v.float() for k, v in load_file(a.model / "text.safetensors").items()}
    weights |= {f"transformer.{k}": v.float() for k, v in load_file(a.model / "transformer.safetensors").items()}
    net.load_state_dict(weights)
    ae = Autoencoder(config["autoencoder"])
    ae.load_state_dict({k: v.float() for k, v in load_file(a.model / "autoencoder.safetensors").items()})
    side = config["resolution"] // 8
    ids = torch.randint(15, 200, (1, 24))

    def images(n):
        kinds = [(0, None), (1, None), (2, 0)] + [(1, None)] * 8
        out = []
        for i, (role, kind) in enumerate(kinds[:n]):
            if kind == 0:
                out.append(Image(role=role, index=i, kind=0, mask=torch.rand(1, side * 8, side * 8),
                                 level=torch.tensor([2]), fit=torch.tensor([0.5])))
            else:
                out.append(Image(role=role, index=i, latent=torch.randn(1, 32, side, side)))
        return out

    report = {"threads": torch.get_num_threads(), "torch": torch.__version__, "step_ms": {}}
    with torch.inference_mode():
        z, t = torch.randn(1, 1, 32, side, side), torch.tensor([0.5])
        encoded = net.text(ids)
        for mode in ("eager", "compiled") if a.compile else ("eager",):
            for kind in ("cached", "full"):
                net.transformer.c.attention = kind
                f = torch.compile(net.transformer) if mode == "compiled" else net.transformer
                for n in (1, 2, 3, 4, 8):
                    x = images(n)
                    report["step_ms"][f"{mode}.{kind}.{n}"] = median(lambda: f(z, t, encoded, ids, x), a.repeats)
        x = torch.rand(1, 3, side * 8, side * 8)
        report["encode_ms"] = median(lambda: ae.encoder(x), a.repeats)
        report["decode_ms"] = median(lambda: ae.decoder(z[:, 0]), a.repeats)
        a1, b1 = torch.randn(2048, 2048), torch.randn(2048, 2048)
        report["matmul_gflops"] = 2 * 2048**3 / median(lambda: a1 @ b1, 8) / 1e6
    if a.json:
        print(json.dumps(report))
    else:
        for k, v in report.items():
            if isinstance(v, dict):
                for name, ms in v.items():
                    print(f"{k} {name:24} {ms:8.2f}")
            else:
                print(k, v)


if __name__ == "__main__":
    main()
