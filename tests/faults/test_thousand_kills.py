"""A thousand workers killed in one fit: nothing lost, nothing doubled, everything in order, the same bits."""

from __future__ import annotations

import pytest
from soak_fits import storm

pytestmark = [pytest.mark.jit, pytest.mark.timeout(120)]


def test_5_a_thousand_kills_in_one_fit() -> None:
    tally = storm("sequence", kills=1000, workers=3, seed=1)
    assert tally.kills == 1000
    assert tally.clean, tally
