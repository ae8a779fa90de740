"""The soak's bookkeeping: what it adds up, and what its table says."""

from __future__ import annotations

from pathlib import Path

import pytest
from soak import PARTS, _plan, quantiles, table
from soak_fits import KINDS, Tally, arguments_of


def test_anything_wrong_shows_in_the_sum_and_in_the_table() -> None:
    total = Tally("workers", kills=2, seen=[0.001])
    total.add(Tally("workers", kills=3, seen=[0.003], replaced=[0.01]))
    assert total.clean
    told = table([total]).splitlines()[-1]
    assert told == "| workers | 5 | 0 | 0 | kept | same | 0 | 0 | 3.0 / 3.0 | 10.0 / 10.0 |"
    for wrong in (
        {"lost": 1},
        {"doubled": 1},
        {"ordered": False},
        {"same_bits": False},
        {"leaks": ["x"]},
        {"hangs": 1},
    ):
        total = Tally("workers")
        total.add(Tally("workers", **wrong))  # type: ignore[arg-type]
        assert not total.clean
        assert table([total]) != table([Tally("workers")])


def test_quantiles() -> None:
    assert quantiles([]) == []
    assert quantiles([float(n) for n in range(101)]) == [50.0, 99.0]


def test_the_whole_soak_has_the_promised_size() -> None:
    sizes = {part: sum(pieces) for part, pieces, _ in _plan(1.0)}
    assert sizes.keys() == PARTS.keys()
    assert sum(sizes[kind] for kind in ("pool", *KINDS)) == 10_000
    assert (sizes["resume"], sizes["main process"], sizes["process group"]) == (100, 200, 200)
    assert sum(sizes[name] for name in ("scheduler", "feeds", "feeds on processes")) == 5000


def test_kinds_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sequence, source"):
        arguments_of("queue", 3, tmp_path)
