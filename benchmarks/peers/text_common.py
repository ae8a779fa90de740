"""What all sides of the benchmark of text share: the texts, and how the sides are asked.

A request is one JSON line, ``{"what": "adapt"}`` or ``{"what": "transform"}``: make the vocabulary of all
texts, or turn all texts into numbers, in batches. The answer is one JSON line with the seconds. Needs numpy
only.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping

import numpy as np

VOCABULARY, WORDS, BATCH = 100_000, 20, 512
_LETTERS = "etaoinshrdlcumwfgypbvk"


def texts(megabytes: float) -> list[str]:
    """Make texts of 20 words each, drawn by Zipf's law; some have a capital letter or a comma."""
    rng = np.random.default_rng(20240301)
    lengths = np.minimum(2 + rng.poisson(np.linspace(2, 7, VOCABULARY)), 16)
    spelled = ["".join(_LETTERS[place] for place in rng.integers(0, len(_LETTERS), size)) for size in lengths]
    forms = np.array(
        [form for word in spelled for form in (word, word, word.capitalize(), f"{word},")], object
    )
    odds = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
    found: list[str] = []
    size = 0
    while size < megabytes * 1e6:
        drawn = np.searchsorted(odds, rng.random(2000 * WORDS) * odds[-1])
        words = forms[drawn * 4 + rng.integers(0, 4, len(drawn))].reshape(-1, WORDS).tolist()
        found += [" ".join(row) + "." for row in words]
        size += sum(len(text) for text in found[-2000:]) + 2000
    return found


def options(*kinds: str) -> argparse.Namespace:
    """Read from the command line which variant of a side this is, and how much text there is."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=kinds)
    parser.add_argument("megabytes", type=float)
    return parser.parse_args()


def serve(work: Mapping[str, Callable[[], int]]) -> None:
    """Do each work once, say what it gave, then answer requests until standard input closes.

    Args:
        work: What can be asked; each returns a number by which it can be seen that all was done.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    print(json.dumps({what: function() for what, function in work.items()}), file=answers)
    for line in sys.stdin:
        function = work[json.loads(line)["what"]]
        begin = time.perf_counter()
        function()
        print(json.dumps({"seconds": time.perf_counter() - begin}), file=answers)
