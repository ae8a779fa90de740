"""How messages name a batch and its samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamfit._base.specs import Array

_SHOWN = 8


def name_batch(source: str, data_epoch: int, number: int, details: str = "") -> str:
    """Name a batch: its source, pass and number, and perhaps its samples.

    Example:
        >>> name_batch("train", 0, 3, f"samples {name_samples(np.arange(6, 8))}")
        "source 'train', pass 0, batch 3, samples 6..7"
    """
    place = f"source {source!r}, pass {data_epoch}, batch {number}"
    return f"{place}, {details}" if details else place


def name_samples(ids: Array) -> str:
    """Name samples by their ids, briefly: a range, or the first ones.

    Example:
        >>> name_samples(np.array([3, 4, 5])), name_samples(np.array([5, 3]))
        ('3..5', '[5, 3]')
    """
    in_a_row = len(ids) > 1 and ids.dtype.kind in "iu" and int(ids[-1]) - int(ids[0]) == len(ids) - 1
    if in_a_row and (np.diff(ids) == 1).all():
        return f"{ids[0]}..{ids[-1]}"
    shown = ", ".join(str(number) for number in ids[:_SHOWN])
    return f"[{shown}, ... {len(ids)} in all]" if len(ids) > _SHOWN else f"[{shown}]"


def sample_named(ids: Any, row: int | None) -> str:
    """Name the sample in one row of a batch, for the words in front of its batch; empty without ids.

    Example:
        >>> sample_named(np.array([7, 4]), 1), sample_named(3, 1)
        ('sample 4, ', '')
    """
    known = row is not None and isinstance(ids, np.ndarray) and ids.ndim == 1 and row < len(ids)
    return f"sample {ids[row]}, " if known else ""


def name_ids(ids: Any) -> str:
    """Name whatever a source calls its batches: one id, or the first of several.

    Example:
        >>> name_ids(np.arange(3)), name_ids(7), name_ids(None)
        ('ids [0, 1, 2]', 'ids 7', 'ids None')
    """
    if not np.ndim(ids):
        return f"ids {ids}"
    return f"ids [{', '.join(map(str, ids[:_SHOWN]))}{', ...' if len(ids) > _SHOWN else ''}]"
