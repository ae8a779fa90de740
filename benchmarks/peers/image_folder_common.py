"""What all sides of the benchmark of image folders share: the folder, and how the sides are asked.

A request is one JSON line, ``{}``: read all images once, shuffled, as batches. The answer is one JSON line
with the wall-clock seconds, the processor seconds of all processes of the side, and the images. Writing the
folder needs numpy, Pillow and scikit-learn, the rest numpy alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

SIZE, BATCH, WORKERS = 224, 32, 2
_TICKS = os.sysconf("SC_CLK_TCK")


def write(folder: Path, count: int, seed: int = 0) -> None:
    """Write JPEG files of around 500 x 375 pixels in 10 classes: pieces of two photographs, with noise."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    draw = np.random.default_rng(seed)
    photographs = load_sample_images().images
    for number in range(count):
        width, height = int(draw.integers(460, 541)), int(draw.integers(340, 411))
        photograph = Image.fromarray(photographs[number % 2])
        wide = int(draw.integers(360, 640))
        tall = min(427, wide * height // width)
        left, top = int(draw.integers(0, 641 - wide)), int(draw.integers(0, 428 - tall))
        piece = photograph.resize((width, height), box=(left, top, left + wide, top + tall))
        noisy = np.asarray(piece).astype(np.int16) + draw.integers(-3, 4, (height, width, 3), np.int16)
        path = folder / str(number % 10) / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def options() -> argparse.Namespace:
    """Return folder and variant."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--variant", default="")
    return parser.parse_args()


def serve(read: Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]]) -> None:
    """Read a pass to warm up and check it, then answer requests until standard input closes."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    _pass(read)
    classes: list[int] = []
    forms = set()
    for x, y in read():
        forms.add(f"{x.dtype} {tuple(x.shape[1:])}")
        classes += np.asarray(y).tolist()
    counts = np.bincount(classes, minlength=10)
    print(json.dumps({"forms": sorted(forms), "classes": counts.tolist()}), file=answers)
    for _ in sys.stdin:
        print(json.dumps(_pass(read)), file=answers)


def _pass(read: Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]]) -> dict[str, float]:
    busy, begin = processor_seconds(), time.perf_counter()
    images = sum(len(y) for _, y in read())
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "processor": processor_seconds() - busy, "images": images}


def processor_seconds() -> float:
    """Return the processor seconds of this process and of all processes below it."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            parents[int(entry.name)] = int(fields[1])
            used[int(entry.name)] = (int(fields[11]) + int(fields[12])) / _TICKS
    found = {os.getpid()}
    while True:
        below = {pid for pid, parent in parents.items() if parent in found} - found
        if not below:
            return sum(used[pid] for pid in found)
        found |= below
