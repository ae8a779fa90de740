"""Stores in memory, for tests of what reads them."""

from __future__ import annotations

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Spec
from streamfit.streams.stores.store import Store, StoreBlock


class Numbers(Store):
    """Blocks of whole numbers: sample i holds i."""

    name = "numbers"

    def __init__(self, lengths, row_bytes=8, bad=(), broken=()):
        self._lengths, self.bytes = np.array(lengths, np.int64), row_bytes
        self.bad, self.broken = set(bad), set(broken)
        self.reads = []

    @property
    def lengths(self):
        return self._lengths

    @property
    def specs(self):
        return {"id": Spec((), np.dtype(np.int64)), "text": Spec((), np.dtype(object))}, Spec(
            (2,), np.dtype("f4")
        )

    @property
    def row_bytes(self):
        return self.bytes

    def read(self, block):
        self.reads.append(block)
        if block in self.broken:
            raise DataError(f"{self.where(block)} cannot be read")
        start = int(self._lengths[:block].sum())
        ids = np.arange(start, start + self._lengths[block])
        text = np.array([f"n{i}" for i in ids] + [None], object)[:-1]
        bad = {row: "not a number" for row, name in enumerate(ids.tolist()) if name in self.bad}
        return StoreBlock(({"id": ids, "text": text}, np.stack([ids, ids + 0.5], axis=1).astype("f4")), bad)

    def where(self, block, row=None):
        return f"block {block}" + ("" if row is None else f", row {row}")

    def identity(self):
        return {"rows": int(self._lengths.sum())}

    def text(self):
        return f"numbers({int(self._lengths.sum())})"


class Plain(Numbers):
    """The same as pairs: (i, i as a float)."""

    @property
    def specs(self):
        return Spec((), np.dtype(np.int64)), Spec((), np.dtype("f4"))

    def read(self, block):
        x, y = super().read(block).rows
        return StoreBlock((x["id"], np.ascontiguousarray(y[:, 0])))
