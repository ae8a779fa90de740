"""What all sides of the benchmark of permutations share: how they are asked.

A request is one JSON line, ``{"what": "batches of 256 of 10^12"}``; the answer is one JSON line with the
positions computed and the seconds of processor time. Standard library only.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping

SMALL, LARGE = 10**7, 10**12
ALL, BATCHES, SCATTERED = "all of 10^7", "batches of 256 of 10^12", "scattered positions of 10^12"
BATCH, BATCHED = 256, 1 << 20


def serve(works: Mapping[str, Callable[[], int]]) -> None:
    """Do each work once, say which there are, then answer requests until standard input closes.

    Args:
        works: What can be asked; each returns how many positions it has computed.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for work in works.values():
        work()
    print(json.dumps({"works": list(works)}), file=answers)
    for line in sys.stdin:
        work = works[json.loads(line)["what"]]
        begin = time.process_time()
        count = work()
        print(json.dumps({"positions": count, "seconds": time.process_time() - begin}), file=answers)
