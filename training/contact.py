"""Measures the shade around objects in rendered insertions: what src/doc/contact.rs is fitted to.

    python contact.py --records s1.records

Prints the mean ratio of linear light with and without the object on the ground that is seen, by place in widths of the
object from the middle of its foot (columns −1 to 1 across, rows −0.5 to 1 down), and how far multiplying by it brings
the canvas to the true picture.
"""

import argparse

import numpy as np

import records

CELLS = 48  # over three widths, either way


def place(at, middle, width):
    return ((at - middle) / width + 1.5) / 3 * CELLS


def samples(path):
    """Canvas and target (grey linear light), ground seen in both, ground that changed, foot and width."""
    linear = lambda u8: ((u8.astype(float) / 255) ** 2.2).mean(-1) + 0.01
    for r in records.Records(path).data:
        object_ = r["object"] >= 64
        if r["task"] != 0 or object_.sum() < 50:
            continue
        ground = ~object_
        for axis in (0, 1):
            for step in (1, -1):
                ground &= ~np.roll(object_, step, axis)
        ys, xs = np.nonzero(object_)
        left, right, foot = xs.min(), xs.max() + 1, ys.max() + 1
        yield linear(r["inputs"][0]), linear(r["outputs"][0]), ground, r["changed"] > 0, (left + right) / 2, foot, right - left


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--records", required=True)
    a = p.parse_args()
    total, count, kept = np.zeros((CELLS, CELLS)), np.zeros((CELLS, CELLS)), []
    for sample in samples(a.records):
        canvas, target, ground, changed, middle, foot, width = sample
        y, x = np.nonzero(ground)
        u, v = place(x, middle, width), place(y, foot, width)
        near = (u >= 0) & (u < CELLS) & (v >= 0) & (v < CELLS)
        y, x, at = y[near], x[near], (v[near].astype(int), u[near].astype(int))
        ratio = np.where(changed[y, x], np.log(target[y, x] / canvas[y, x]), 0)
        np.add.at(total, at, np.clip(ratio, -2, 0.7))
        np.add.at(count, at, 1)
        kept.append(sample)
    mean = np.where(count > 5, total / np.maximum(count, 1), 0)
    np.set_printoptions(linewidth=200, precision=2, suppress=True)
    print(len(kept), "insertions")
    print(np.exp(mean[16:40:2, 8:40:2]))
    before = after = 0.0
    for canvas, target, ground, changed, middle, foot, width in kept:
        y, x = np.nonzero(ground & changed)
        if len(y) == 0:
            continue
        u, v = place(x, middle, width), place(y, foot, width)
        near = (u >= 0) & (u < CELLS) & (v >= 0) & (v < CELLS)
        shade = np.zeros(len(y))
        shade[near] = mean[v[near].astype(int), u[near].astype(int)]
        byte = lambda light: light.clip(0, 1) ** (1 / 2.2)
        before += np.abs(byte(canvas[y, x]) - byte(target[y, x])).mean()
        after += np.abs(byte(canvas[y, x] * np.exp(shade)) - byte(target[y, x])).mean()
    print(f"error of the changed ground against the canvas's: {after / before:.2f}")


if __name__ == "__main__":
    main()
