"""Reads the records of `inlay data stream` (one format, described by the JSON header in the stream itself)."""

from __future__ import annotations

import json
import struct

import numpy as np
import torch

MAGIC = b"INLAYDS1"
NONE = 255
PICTURE = 0  # an output's kind; the others are maps


def read_header(f) -> dict:
    magic = f.read(8)
    if magic != MAGIC:
        raise ValueError("This is not an Inlay data stream: it does not begin with INLAYDS1.")
    (n,) = struct.unpack("<I", f.read(4))
    header = json.loads(f.read(n))
    header["start"] = 12 + n
    return header


def dtype(header) -> np.dtype:
    kinds = {"u8": "u1", "u16": "<u2", "u64": "<u8", "f32": "<f4"}
    of = lambda f: kinds.get(f["dtype"], f["dtype"])
    return np.dtype(
        {
            "names": [f["name"] for f in header["fields"]],
            "formats": [(of(f), tuple(f["shape"])) if f["shape"] else of(f) for f in header["fields"]],
            "offsets": [f["offset"] for f in header["fields"]],
            "itemsize": header["record_bytes"],
        }
    )


class Records:
    """A shard file, memory-mapped."""

    def __init__(self, path: str):
        with open(path, "rb") as f:
            self.header = read_header(f)
        self.data = np.memmap(path, dtype=np.uint8, mode="r", offset=self.header["start"])
        n = len(self.data) // self.header["record_bytes"]
        self.data = self.data[: n * self.header["record_bytes"]].view(dtype(self.header))

    def __len__(self):
        return len(self.data)

    def picture(self, i, rng) -> torch.Tensor:
        """One of a record's pictures (not a mask), [3, S, S] in 0..1."""
        r = self.data[i]
        at = rng.randint(-1, int(r["n_inputs"]) - 1)
        if at >= 0 and r["input_kind"][at] in (0,):
            at = -1
        a = r["outputs"][0] if at < 0 else r["inputs"][at]
        return torch.from_numpy(a.copy()).permute(2, 0, 1).float() / 255


def signature(r) -> tuple:
    """Roles, kinds and outputs: samples of one signature make a batch."""
    n = int(r["n_inputs"])
    return tuple(zip(r["input_role"][:n].tolist(), r["input_kind"][:n].tolist())), int(r["n_outputs"])
