"""Runs a trainer on a GPU that is not there: PyTorch's fake tensors know device, type and shape, but have no values.

    python fake_cuda.py train --records a.records --held-out b.records --ae MODEL --tokenizer MODEL/tokenizer.json --run RUN \\
        --stop 12 --batch 4
    python fake_cuda.py train_light --watch FOLDER --held-out c.records --run RUN --minutes 1

Finds tensors made on the wrong device and types that don't go together, forward, in the optimisers, when judging and in
sheets. What it can't know: values, the backward pass (autograd asks the driver), pinned copies, kernels, speed.
"""

import importlib
import os
import sys
import threading

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import common
import model

MODE, GPU = FakeTensorMode(), torch.device("cuda")
networks, told = [], []


class Inline:
    """A thread that has run before it begins."""

    def __init__(self, target=None, args=(), **_):
        self.start = lambda: target(*args)


class Anything:
    """Stands for numbers whose count depends on values."""

    def __rmul__(self, _):
        return self

    def __getitem__(self, at):
        return self

    def tolist(self):
        return [1.0]


def moved(module, device=None, memory_format=None):
    """Module.to, which can't move fake parameters in place."""
    if device is not None:
        for m in module.modules():
            for name, p in list(m._parameters.items()):
                m._parameters[name] = None if p is None else torch.nn.Parameter(p.detach().to(device))
            for name, b in list(m._buffers.items()):
                m._buffers[name] = b.to(device)
    return module


def backward(loss):
    assert loss.device.type == "cuda" and loss.dim() == 0, loss
    for p in networks[0].parameters():
        p.grad = torch.zeros_like(p)


def patch(trainer):
    real = torch.from_numpy
    torch.from_numpy = lambda a: MODE.from_tensor(real(np.ascontiguousarray(a)))
    torch.Tensor.item = torch.Tensor.__float__ = lambda x: 0.5
    torch.Tensor.__int__, torch.Tensor.__bool__, torch.Tensor.backward = lambda x: 40, lambda x: True, backward
    torch.nn.Module.to, torch.nn.Module.load_state_dict = moved, lambda *a, **k: None
    torch.cuda.amp.common.amp_definitely_not_available = lambda: False
    torch.cuda.is_bf16_supported = lambda *a, **k: True
    common.device_of, common.onto = lambda _: GPU, lambda device, x: x.to(device)
    common.matmul_peak, common.check_finite, common.export_half = lambda _: 1.0, lambda *a: None, lambda *a: None
    devices = lambda tensors: {str(x.device) for x in tensors}
    common.sheet = lambda path, rows: told.append(f"sheet on {devices(x for row in rows for x in row)}")
    common.Run.save = lambda self, **k: told.append(f"weights on {devices(k['model'].values())}, {devices(k['ema']['shadow'].values())}")
    common.Run.load, common.Run.curve = lambda self: None, lambda *a: None
    common.Run.log = lambda self, **k: told.append(f"log of {', '.join(k)}")
    fused = model.attend_fused
    model.attend_fused = lambda q, *a: (told.append(f"fused attention of {q.dtype}"), fused(q, *a))[1]
    if trainer.__name__ == "train":
        make = trainer.make_optimisers
        trainer.make_optimisers = lambda net, lr: (networks.append(net), make(net, lr))[1]
        trainer.load_file, trainer.Cost = lambda _: {}, lambda net: lambda *a: 1
        trainer.Samples.add = lambda self, path: [self.put(key, [entry]) for key, entry in self.encoded(path, 64)]
        threading.Thread, torch.log10 = Inline, lambda x: Anything()
    else:
        begin = common.Training.__init__
        common.Training.__init__ = lambda self, run, net, *a: (networks.append(net), begin(self, run, net, *a))[1]


def main():
    trainer = importlib.import_module(sys.argv[1])
    sys.argv = sys.argv[1:]
    patch(trainer)
    with MODE:
        trainer.main()
    for line in dict.fromkeys(told):
        print(line)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
