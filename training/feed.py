"""Feeds a trainer while it trains: processes that render, a bounded queue of their records, a bounded pool of samples.

    python feed.py    checks both
"""

from __future__ import annotations

import atexit
import io
import queue
import shlex
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import torch

import common
import records

LEAST = 256  # rows that a signature may have even when the pool is full: what is rare must not be the same few for ever


class Ring:
    """Rows of tensors on a device, growing; once there is no room, new rows replace the oldest."""

    def __init__(self, device, host=()):
        self.device, self.host, self.n, self.oldest, self.fields = device, host, 0, 0, {}

    def put(self, rows: dict, room: int | None = None) -> int:
        """Adds rows, `room` of them at most beside what there is; gives how many those were."""
        new = len(next(iter(rows.values())))
        grow = new if room is None else min(new, max(room, LEAST - self.n, 0))
        rows = {k: v if k in self.host else common.onto(self.device, v) for k, v in rows.items()}
        for name, v in rows.items():
            field = self.fields.get(name)
            if field is None or self.n + grow > len(field):
                larger = v.new_empty((max(self.n + grow, self.n * 3 // 2), *v.shape[1:]))
                if field is not None:
                    larger[: self.n] = field[: self.n]
                field = self.fields[name] = larger
            field[self.n : self.n + grow] = v[:grow]
        self.n += grow
        left = min(new - grow, self.n)
        if left:
            at = (self.oldest + torch.arange(left)) % self.n
            for name, v in rows.items():
                self.fields[name][at.to(v.device)] = v[new - left :]
            self.oldest = (self.oldest + left) % self.n
        return grow

    def take(self, picks: np.ndarray) -> dict:
        at = torch.from_numpy(picks)
        there = common.onto(self.device, at)
        return {k: v.index_select(0, at if k in self.host else there) for k, v in self.fields.items()}


class Feed:
    """`count` processes at a time of a command that writes records to its standard output; `{seed}` in the command is
    another number for each, and a process that has ended is followed by the next. They wait while the queue is full."""

    def __init__(self, command: str, count: int, seed: int, chunk: int = 32, depth: int = 16):
        if "{seed}" not in command:
            raise SystemExit("The command of --stream has no {seed}: every process would render the same samples.")
        self.command, self.seed, self.chunk = command, seed, chunk
        self.queue, self.lock = queue.Queue(depth), threading.Lock()
        self.rendered, self.began, self.failures, self.error, self.size = 0, time.time(), 0, None, None
        self.running, self.over, self.thread = set(), False, None
        atexit.register(self.stop)
        for i in range(count):
            threading.Thread(target=self.render, name=f"renderer {i}", daemon=True).start()

    def render(self):
        while not self.over and self.error is None:
            with self.lock:
                seed, self.seed = self.seed, self.seed + 1
            with tempfile.TemporaryFile() as said:
                words = shlex.split(self.command.replace("{seed}", str(seed)))
                try:
                    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=said)
                except OSError as e:
                    self.error = f"{words[0]} can't be started: {e}"
                    return
                self.running.add(process)
                if self.over:
                    process.kill()
                made, why = 0, ""
                try:
                    made = self.read(process.stdout)
                except ValueError as e:
                    why = str(e)
                    process.kill()
                code = process.wait()
                self.running.discard(process)
                if self.over:
                    return
                if code or why or not made:
                    said.seek(0)
                    words = said.read()[-500:].decode(errors="replace").strip()
                    # One that fails may be bad luck; three in a row are the command.
                    self.failures += 1
                    if self.failures >= 3:
                        self.error = f"A renderer failed with exit code {code}: {why} {words}"
                else:
                    self.failures = 0

    def read(self, pipe: io.BufferedReader) -> int:
        """Queues what comes down a pipe; gives the number of records."""
        header = records.read_header(pipe)
        kind = records.dtype(header)
        with self.lock:
            if self.size not in (None, header["size"]):
                raise ValueError(f"The records are of {header['size']} px, those before of {self.size} px.")
            self.size = header["size"]
        made = 0
        while data := pipe.read(self.chunk * kind.itemsize):
            whole = len(data) // kind.itemsize
            if whole * kind.itemsize < len(data):
                raise ValueError("The stream ended within a record.")
            self.queue.put(np.frombuffer(data, kind))
            made += whole
            with self.lock:
                self.rendered += whole
        return made

    def drain(self, take, most: int, wanted=lambda: True):
        """Gives `take` what there is, up to about `most` records at a time, from a thread of its own, while `wanted()`."""

        def work():
            while not self.over:
                if not wanted():
                    time.sleep(0.05)
                    continue
                chunks = []
                try:
                    chunks.append(self.queue.get(timeout=0.2))
                    while sum(map(len, chunks)) < most:
                        chunks.append(self.queue.get_nowait())
                except queue.Empty:
                    if not chunks:
                        continue
                try:
                    take(np.concatenate(chunks))
                except BaseException as e:  # told by the trainer, which would wait for ever
                    self.error = f"Records can't be used: {e}"
                    return

        self.thread = threading.Thread(target=work, name="drain", daemon=True)
        self.thread.start()

    def check(self):
        if self.error:
            self.stop()
            raise SystemExit(self.error)

    def rate(self) -> float:
        """Records a second since this was last asked."""
        with self.lock:
            now = time.time()
            rate = self.rendered / max(now - self.began, 1e-3)
            self.rendered, self.began = 0, now
        return rate

    def stop(self):
        self.over = True
        for process in list(self.running):
            process.kill()
        # A thread that computes while the interpreter ends brings it down.
        if self.thread and self.thread is not threading.current_thread():
            self.thread.join()


def check():
    """The pool keeps the newest; a feed gives what its processes write, and says why if they fail."""
    ring, total = Ring(torch.device("cpu"), host=("b",)), 0
    for i in range(0, 1000, 7):
        rows = torch.arange(i, i + 7)
        total += ring.put({"a": rows, "b": rows}, LEAST + 44 - total)
    assert ring.n == total == LEAST + 44
    kept = ring.take(np.arange(ring.n))
    assert sorted(kept["a"].tolist()) == sorted(kept["b"].tolist()) == list(range(1001 - ring.n, 1001))
    header = b'{"size": 16, "record_bytes": 8, "fields": [{"name": "id", "dtype": "u64", "shape": [], "offset": 0}]}'
    write = f"import sys, struct; o = sys.stdout.buffer; h = {header!r}; o.write(b'INLAYDS1' + struct.pack('<I', len(h)) + h)"
    write += "; o.write(struct.pack('<5Q', *range(5 * {seed}, 5 * {seed} + 5)))"
    feed, found = Feed(shlex.join([sys.executable, "-c", write]), 2, 3, chunk=2), []
    feed.drain(lambda rows: found.extend(rows["id"].tolist()), 4)
    while len(found) < 40:
        feed.check()
        time.sleep(0.01)
    feed.stop()
    assert feed.size == 16 and len(set(found)) == len(found) and {15, 19, 20, 24} <= set(found), found
    feed = Feed(shlex.join([sys.executable, "-c", "import sys; sys.exit('no pack {seed}')"]), 1, 0)
    while feed.error is None:
        time.sleep(0.01)
    assert "exit code 1" in feed.error and "no pack 2" in feed.error, feed.error
    print("What is rendered arrives, the oldest make room, and failures are told.")


if __name__ == "__main__":
    check()
