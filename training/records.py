"""Reads the records of `inlay data stream` (one format, described by the JSON header in the stream itself), and those of
`inlay data video`, which lie in tar files with the header beside them.

    python records.py PATH     says what is in a file of records or a folder of shards
    python records.py          checks that both are read alike
"""

from __future__ import annotations

import io
import json
import struct
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path

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


class Shards:
    """The records of a folder of shards, read when asked for: their places in the tar files differ with their texts."""

    def __init__(self, folder: Path, kind: np.dtype):
        self.kind, self.places = kind, []
        for shard in json.loads((folder / "index.json").read_bytes())["shardlist"]:
            path = folder / shard["url"]
            with tarfile.open(path, "r:") as tar:
                found = [m for m in tar if m.name.endswith(".record")]
            if len(found) != shard["nsamples"] or any(m.size != kind.itemsize for m in found):
                raise ValueError(f"{path} is not what index.json and header.bin say it is.")
            self.places += [(path, m.offset_data) for m in found]

    def __len__(self):
        return len(self.places)

    def __getitem__(self, at):
        if not isinstance(at, slice):
            return self[at : at + 1][0]
        rows = np.empty(len(self.places[at]), self.kind)
        for i, (path, start) in enumerate(self.places[at]):
            with open(path, "rb") as f:
                f.seek(start)
                rows[i] = np.frombuffer(f.read(self.kind.itemsize), self.kind)[0]
        return rows


class Records:
    """A file of records, memory-mapped, or a folder of shards."""

    def __init__(self, path: str):
        if (folder := Path(path)).is_dir():
            with open(folder / "header.bin", "rb") as f:
                self.header = read_header(f)
            self.data = Shards(folder, dtype(self.header))
            return
        with open(path, "rb") as f:
            self.header = read_header(f)
        self.data = np.memmap(path, dtype=np.uint8, mode="r", offset=self.header["start"])
        n = len(self.data) // self.header["record_bytes"]
        self.data = self.data[: n * self.header["record_bytes"]].view(dtype(self.header))

    def __len__(self):
        return len(self.data)

    def stamp(self) -> list[int]:
        """What tells these records from others of the same name: how many, of how many bytes, a checksum of the first."""
        head = self.data[:8].tobytes()
        return [len(self), self.header["record_bytes"], zlib.crc32(head)]

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


def finished(folder: Path) -> list[str]:
    """Files of records in a folder, and folders of shards, which have their index once they are whole."""
    return sorted(str(f) for f in folder.glob("*.records")) + sorted(str(f.parent) for f in folder.glob("*/index.json"))


def check():
    """Writes records as the program does, both ways, and reads them."""
    fields = [("id", "u64", [], 0), ("n_inputs", "u8", [], 8), ("n_outputs", "u8", [], 9), ("input_role", "u8", [4], 10)]
    fields += [("input_kind", "u8", [4], 14), ("outputs", "u8", [2, 16, 16, 3], 18)]
    named = [dict(zip(("name", "dtype", "shape", "offset"), f)) for f in fields]
    text = json.dumps({"version": 1, "size": 16, "record_bytes": 18 + 2 * 768, "fields": named}).encode()
    header = MAGIC + struct.pack("<I", len(text)) + text
    kind = dtype(json.loads(text))
    rows = np.frombuffer(np.random.default_rng(0).bytes(7 * kind.itemsize), kind).copy()
    rows["n_inputs"], rows["n_outputs"] = [0, 1, 2, 3, 4, 1, 1], 1
    with tempfile.TemporaryDirectory() as place:
        stream, folder = Path(place) / "a.records", Path(place) / "clips"
        stream.write_bytes(header + rows.tobytes())
        folder.mkdir()
        (folder / "header.bin").write_bytes(header)
        shards = []
        for start in range(0, 7, 3):
            shards.append({"url": f"video-{start // 3:06}.tar", "nsamples": len(rows[start : start + 3])})
            with tarfile.open(folder / shards[-1]["url"], "w", format=tarfile.USTAR_FORMAT) as tar:
                for i, row in enumerate(rows[start : start + 3]):
                    for end, data in (("record", row.tobytes()), ("json", b"{}" * 200 * i)):
                        entry = tarfile.TarInfo(f"{start + i:06}.{end}")
                        entry.size = len(data)
                        tar.addfile(entry, io.BytesIO(data))
        assert finished(Path(place)) == [str(stream)]
        (folder / "index.json").write_text(json.dumps({"shardlist": shards}))
        assert finished(Path(place)) == [str(stream), str(folder)]
        a, b = Records(str(stream)), Records(str(folder))
        assert len(a) == len(b) == 7 and a.data[4]["id"] == b.data[4]["id"] == rows["id"][4]
        for start in range(0, 7, 4):
            assert a.data[start : start + 4].tobytes() == b.data[start : start + 4].tobytes()
        assert a.stamp() == b.stamp()
        other = rows.copy()
        other["id"][0] += 1
        stream.write_bytes(header + other.tobytes())
        assert Records(str(stream)).stamp() != b.stamp()
        stream.write_bytes(header + rows[:6].tobytes())
        assert Records(str(stream)).stamp() != b.stamp()
        stream.write_bytes(header + rows.tobytes())
        assert [signature(r) for r in a.data] == [signature(b.data[i]) for i in range(7)]
    print("Streams and shards are read alike.")


if __name__ == "__main__":
    for path in sys.argv[1:]:
        r = Records(path)
        counts = {}
        for i in range(len(r)):
            key = signature(r.data[i])
            counts[key] = counts.get(key, 0) + 1
        print(f"{path}: {len(r)} records of {r.header['size']} px")
        for (inputs, outputs), n in sorted(counts.items(), key=lambda item: -item[1]):
            print(f"{n:8}  (role, kind) of inputs {inputs}, {outputs} outputs")
    if len(sys.argv) == 1:
        check()
