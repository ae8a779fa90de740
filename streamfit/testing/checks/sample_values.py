"""Checks of the values of batches: finite numbers, and dtypes that cost more than they give."""

from __future__ import annotations

import numpy as np

from streamfit.testing.census import first_pass
from streamfit.testing.checked_object import CheckedObject
from streamfit.testing.comparison import parts_of
from streamfit.testing.failure import warn
from streamfit.testing.table import KINDS, Check

_SHOWN = 4  # batches that a message names


def check_finite(checked: CheckedObject) -> str | None:
    """Check that no value is NaN or infinite."""
    one = first_pass(checked)
    if one.error is not None:
        raise one.error  # a batch behind those that `content` has looked at cannot be loaded
    if not one.not_finite:
        return None
    first = one.not_finite[0]
    others = [str(found.batch) for found in one.not_finite if found.name == first.name][1:]
    also = {found.name for found in one.not_finite} - {first.name}
    column = first.column and first.count < first.size
    place = (":", *first.at[1:]) if column else first.at
    where = f"{'all of ' if column else ''}{first.name}[{', '.join(map(str, place))}] of batch {first.batch}"
    kind = "NaN" if np.isnan(first.value) else "infinite"
    count = "all" if first.count == first.size else f"{first.count}"
    more = (
        f", and some in batches {', '.join(others[:_SHOWN])}{', ...' if others[_SHOWN:] else ''}"
        if others
        else ""
    )
    warn(
        f"{checked.name}: {where} is {kind}; {count} of its {first.size} values are not finite{more}"
        + (f"; {', '.join(sorted(also))} too" if also else "")
        + ". One such value makes the loss NaN, and then all weights: leave the sample out, or fill it"
    )


def check_input_dtype(checked: CheckedObject) -> str | None:
    """Check that inputs are not of double precision."""
    _, (x, _, _) = checked.expected()[0]
    wide = [
        name for name, array in parts_of((x, None, None)) if array.dtype.kind == "f" and array.itemsize == 8
    ]
    if wide:
        warn(
            f"{checked.name}: {', '.join(wide)} is float64 in batch 0: twice the memory and time of "
            "float32, to "
            'which training converts it anyway. Convert it where it is made: x.astype("float32")'
        )
    return None


CHECKS: tuple[Check, ...] = (
    Check(
        "finite",
        "No value is NaN or infinite.",
        check_finite,
        KINDS,
        ("content",),
        hint=(
            "good = np.isfinite(self.x).all(axis=1)\n"
            "self.x, self.y = self.x[good], self.y[good]  # or: np.nan_to_num(self.x)"
        ),
    ),
    Check(
        "input_dtype",
        "Inputs are not float64.",
        check_input_dtype,
        KINDS,
        ("content",),
        hint=('return x.astype("float32"), y'),
    ),
)
