"""Relatives of the mistakes that were collected, as other people would write them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit import Sequence
from streamfit.testing import Battery, run_checks

pytestmark = pytest.mark.timeout(60)

X = np.random.default_rng(8).normal(size=(48, 3)).astype("float32")
Y = np.arange(48) % 5


def result(thing: Any, name: str, **options: Any) -> Any:
    (found,) = run_checks(thing, only=name, workers=1, **options)
    return found


class Rows(Sequence):
    """48 samples in batches of 8."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.y = X.copy(), Y.copy()

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        rows = slice(8 * index, 8 * index + 8)
        return self.x[rows], self.y[rows]


# -- what cannot be made ------------------------------------------------------------------------------------


def broken() -> Any:
    raise TypeError("The only supported seed types are: None,\nint, float and str.")


@pytest.mark.parametrize("kind", [None, "sequence", "source", "generator"])
def test_what_cannot_be_made_gives_one_failure(kind: Any) -> None:
    results = Battery(broken, kind).results()
    (failed,) = [one for one in results if one.status == "fail"]
    assert failed.message.startswith(
        "broken: the object cannot be made: TypeError: The only supported seed types are: None, int, float "
        "and str, raised at test_relatives.py:"
    )
    assert {one.waits_for for one in results if one is not failed} == {"made"}
