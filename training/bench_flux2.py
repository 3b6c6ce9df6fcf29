"""PyTorch's time for the step that `inlay bench flux2` measures: the shapes of FLUX.2 [klein] 4B with random weights,
scaled dot-product attention, bfloat16 on a GPU, eager and compiled.

    python bench_flux2.py --size 1024 --references 2 --compile --json
"""

import argparse
import json
import time

import torch
import torch.nn.functional as F
from torch import nn

TEXT, CHANNELS, WIDTH, HEAD, MLP, CONTEXT, TIME = 512, 128, 3072, 128, 9216, 7680, 256


def linear(rows, columns):
    return nn.Linear(columns, rows, bias=False)


def modulated(x, shift, scale):
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift


def rotated(x, cos, sin):
    a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2).to(x.dtype)


def swiglu(h):
    gate, value = h.chunk(2, -1)
    return F.silu(gate) * value


class Heads(nn.Module):
    """q, k, v as [B, heads, tokens, head]; q and k normalised."""

    def __init__(self):
        super().__init__()
        self.q, self.k = nn.RMSNorm(HEAD, eps=1e-6), nn.RMSNorm(HEAD, eps=1e-6)

    def forward(self, qkv):
        q, k, v = (x.unflatten(-1, (-1, HEAD)).transpose(1, 2) for x in qkv.chunk(3, -1))
        return self.q(q), self.k(k), v


def attend(q, k, v, cos, sin):
    x = F.scaled_dot_product_attention(rotated(q, cos, sin), rotated(k, cos, sin), v)
    return x.transpose(1, 2).flatten(-2)


class Stream(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.proj, self.heads = linear(3 * WIDTH, WIDTH), linear(WIDTH, WIDTH), Heads()
        self.mlp_in, self.mlp_out = linear(2 * MLP, WIDTH), linear(WIDTH, MLP)

    def before(self, x, m):
        return self.heads(self.qkv(modulated(x, m[0], m[1])))

    def after(self, x, part, m):
        x = x + self.proj(part) * m[2]
        return x + self.mlp_out(swiglu(self.mlp_in(modulated(x, m[3], m[4])))) * m[5]


class Double(nn.Module):
    def __init__(self):
        super().__init__()
        self.image, self.text = Stream(), Stream()

    def forward(self, image, text, mi, mt, cos, sin):
        t, i = self.text.before(text, mt), self.image.before(image, mi)
        x = attend(*(torch.cat(pair, 2) for pair in zip(t, i)), cos, sin)
        n = text.shape[1]
        return self.image.after(image, x[:, n:], mi), self.text.after(text, x[:, :n], mt)


class Single(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear1, self.linear2 = linear(3 * WIDTH + 2 * MLP, WIDTH), linear(WIDTH, WIDTH + MLP)
        self.heads = Heads()

    def forward(self, x, m, cos, sin):
        qkv, h = self.linear1(modulated(x, m[0], m[1])).split((3 * WIDTH, 2 * MLP), -1)
        return x + self.linear2(torch.cat((attend(*self.heads(qkv), cos, sin), swiglu(h)), -1)) * m[2]


class Transformer(nn.Module):
    """A step without what is the same in every step: modulations, embedded text and references are given."""

    def __init__(self, doubles, singles):
        super().__init__()
        self.img_in, self.out = linear(WIDTH, CHANNELS), linear(CHANNELS, WIDTH)
        self.doubles = nn.ModuleList(Double() for _ in range(doubles))
        self.singles = nn.ModuleList(Single() for _ in range(singles))

    def forward(self, noise, references, text, mi, mt, ms, mo, cos, sin):
        tokens, n = noise.shape[1], text.shape[1]
        image = torch.cat((self.img_in(noise), references), 1)
        for block in self.doubles:
            image, text = block(image, text, mi, mt, cos, sin)
        x = torch.cat((text, image), 1)
        for block in self.singles:
            x = block(x, ms, cos, sin)
        return self.out(modulated(x[:, n : n + tokens], *mo))


def median(f, repeats, device):
    times = []
    for repeat in range(repeats + 1):
        start = time.perf_counter()
        f()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if repeat:
            times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


@torch.inference_mode()
def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--size", type=int, default=1024)
    p.add_argument("--references", type=int, default=2)
    p.add_argument("--outputs", type=int, default=1)
    p.add_argument("--blocks", type=int, nargs=2, default=(5, 20), metavar=("D", "S"))
    p.add_argument("--repeats", type=int, default=3)
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--compile", action="store_true", help="also measure torch.compile")
    p.add_argument("--json", action="store_true")
    a = p.parse_args()
    if a.threads:
        torch.set_num_threads(a.threads)
    device = torch.device(a.device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    with device:
        torch.set_default_dtype(dtype)
        net = Transformer(*a.blocks)
        picture, batch = (a.size // 16) ** 2, a.outputs
        all_ = TEXT + picture * (1 + a.references)
        token = lambda b, n, width: torch.randn(b, n, width)
        angles = torch.rand(all_, HEAD // 2, dtype=torch.float32) * 6
        rows = lambda n: [torch.randn(1, 1, WIDTH) * 0.1 for _ in range(n)]
        given = (token(batch, picture, CHANNELS), token(batch, a.references * picture, WIDTH), token(batch, TEXT, WIDTH))
        given += (rows(6), rows(6), rows(3), rows(2), angles.cos(), angles.sin())
        out = {"device": str(device), "dtype": str(dtype).removeprefix("torch."), "tokens": all_}
        out["step_s"] = median(lambda: net(*given), a.repeats, device)
        if a.compile:
            compiled = torch.compile(net)
            out["compiled_step_s"] = median(lambda: compiled(*given), a.repeats, device)
        n = 2048 if device.type == "cpu" else 8192
        x, y = torch.randn(n, n), torch.randn(n, n)
        out["matmul_gflops"] = 2 * n**3 / median(lambda: x @ y, 10, device) / 1e9
    work = 2 * batch * sum(a.blocks) * all_ * (4 * WIDTH**2 + 3 * WIDTH * MLP + 2 * all_ * WIDTH)
    out["share"] = work / out["step_s"] / 1e9 / out["matmul_gflops"]
    if device.type == "cuda":
        out["peak_memory_bytes"] = torch.cuda.max_memory_allocated()
    print(json.dumps(out) if a.json else "\n".join(f"{k}: {v}" for k, v in out.items()))


if __name__ == "__main__":
    main()
