"""The first batch of many files: print the seconds from naming the folder to holding the batch, as JSON."""

from __future__ import annotations

import argparse
import json
import time

from parquet_common import CATEGORIES, TARGET

import streamfit


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--shuffle", action="store_true")
    chosen = parser.parse_args()
    begin = time.perf_counter()
    made = streamfit.files.parquet(chosen.folder, target=TARGET, categories=CATEGORIES)
    if chosen.shuffle:
        made = made.shuffle(seed=1)
    with streamfit.stream(made.batch(256), workers=2) as batches:
        first = next(iter(batches))
        seconds = time.perf_counter() - begin
    assert len(first[1]) == 256
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
