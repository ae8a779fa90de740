"""What all sides of the benchmark of augmentation share: the images, and how the sides are asked.

A request is one JSON line, ``{"what": "small"}``: transform as many batches as there are. The answer is one
JSON line with the seconds for an image, of processor time. Needs numpy only.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

import numpy as np

SMALL, PHOTO, MOVED = "small", "photo", "moved"
SHAPES = {SMALL: (128, 32, 32, 3), PHOTO: (32, 256, 256, 3), MOVED: (32, 128, 128, 3)}
BATCHES = {SMALL: 24, PHOTO: 4, MOVED: 2}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def images(what: str) -> list[np.ndarray]:
    """Return batches of smooth random images, uint8; float32 (0 to 255) for `MOVED`."""
    draw = np.random.default_rng(20240501)
    count, height, width, channels = SHAPES[what]
    batches = []
    for _ in range(BATCHES[what]):
        coarse = draw.integers(0, 256, (count, height // 8, width // 8, channels))
        smooth = coarse.repeat(8, 1).repeat(8, 2) + draw.integers(-20, 20, SHAPES[what])
        batch = smooth.clip(0, 255).astype(np.uint8)
        batches.append(batch.astype(np.float32) if what == MOVED else batch)
    return batches


def serve(work: Mapping[str, Callable[[np.ndarray], object]], packages: Sequence[str]) -> None:
    """Transform one batch of each work, say its form, then answer requests until standard input closes.

    Args:
        work: For each workload a function that transforms one batch (n, height, width, 3) of `images`, with
            draws of its own for each image, and returns what a training loop is given.
        packages: Whose versions to tell.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    data = {what: images(what) for what in work}
    forms = {what: str(np.shape(function(data[what][0]))) for what, function in work.items()}
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    print(json.dumps({"forms": forms, "versions": found}), file=answers)
    for line in sys.stdin:
        what = json.loads(line)["what"]
        function = work[what]
        begin = time.process_time()
        for batch in data[what]:
            function(batch)
        seconds = (time.process_time() - begin) / (BATCHES[what] * SHAPES[what][0])
        print(json.dumps({"seconds": seconds}), file=answers)
