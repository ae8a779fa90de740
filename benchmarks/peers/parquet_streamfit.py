"""streamfit's side of the Parquet benchmarks: files to batches of NumPy arrays.

``columns`` makes a dictionary of 24 columns, ``matrices`` one matrix of the floats and one of the codes.
"""

from __future__ import annotations

from collections.abc import Iterator

from parquet_common import CATEGORIES, FLOATS, TARGET, WORDS, Array, options, serve

import streamfit


def main() -> None:
    """Serve passes."""
    chosen = options("columns", "matrices")
    made = streamfit.files.parquet(
        chosen.folder,
        columns=None if chosen.variant == "columns" else {"numbers": FLOATS, "codes": WORDS},
        target=TARGET,
        categories=CATEGORIES,
    )
    if chosen.shuffle:
        made = made.shuffle(seed=1)
    total = len(made)
    batches = streamfit.stream(made.batch(chosen.batch), workers=chosen.workers)

    def read() -> Iterator[Array]:
        for _, y in batches:
            yield y

    serve(read, total)


if __name__ == "__main__":
    main()
