"""What receipts say of passes that do not have every sample once."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from oracles.stages import flat, in_order, kept, negative, numbers

from streamfit.streams import Feed, Pipeline, Receipt, source
from streamfit.streams.sampling import Sampling

WEIGHTS = [0.1, 2, 0, 1, 1, 5, 0.3]
LABELS = [0, 0, 1, 0, 0, 0, 1]


def read(pipeline: Pipeline, passes: int = 2) -> tuple[list[Receipt], list[list[int]]]:
    """Return receipts and numbers of each pass."""
    receipts, found = [], []
    with Feed(pipeline.open_source(seed=5)) as feed:
        for _ in range(passes):
            found.append(flat(np.abs(batch.x).tolist() for batch in feed.run()))
            receipts.append(feed.receipt())
    return receipts, found


DRAWN = {
    "even": numbers(7).sample(WEIGHTS, 12),
    "independent": numbers(7).sample(WEIGHTS, 12, independent=True),
    "oversample": numbers(7).balance(LABELS),
    "undersample": numbers(7).balance(LABELS, how="undersample"),
}
THEN: dict[str, Any] = {
    "arrays": lambda p: p.batch(5),
    "shuffled": lambda p: p.shuffle().batch(5),
    "mapped": lambda p: p.map(negative).batch(5),
    "in order": lambda p: p.filter(kept).batch(5),
}


@pytest.mark.parametrize("then", THEN.values(), ids=list(THEN))
@pytest.mark.parametrize("drawn", DRAWN.values(), ids=list(DRAWN))
def test_what_was_drawn_is_what_came(drawn: Pipeline, then: Any) -> None:
    receipts, found = read(then(drawn))
    for number, (receipt, values) in enumerate(zip(receipts, found, strict=True)):
        counts = Counter(values)
        (sampling,) = receipt.sampling
        assert sampling == Sampling(
            repr(drawn.stage), number, len(values), 7, len(counts), max(counts.values())
        )
        assert sampling.left_out == 7 - len(counts)
        assert str(receipt).endswith(f"; {sampling}")
        assert Receipt(**json.loads(json.dumps(dataclasses.asdict(receipt)))) == receipt
        receipt.verify()


def test_others_say_nothing() -> None:
    for pipeline in (numbers(7).shuffle().batch(2), in_order(7).batch(2), numbers(7).repeat(2).batch(2)):
        receipts, _ = read(pipeline)
        assert [receipt.sampling for receipt in receipts] == [[], []]
        assert str(receipts[0]).endswith("seed 5")


def test_several_draws() -> None:
    drawn = DRAWN["even"]
    repeated, _ = read(drawn.repeat(3).batch(4), 2)
    assert [each.data_epoch for each in repeated[1].sampling] == [3, 4, 5]
    cached, _ = read(drawn.cache().batch(4), 2)
    assert [each.data_epoch for each in cached[1].sampling] == [0]
    both, _ = read(drawn.concatenate(DRAWN["oversample"]).batch(4), 1)
    assert [each.draws for each in both[0].sampling] == [12, 10]
    twice, _ = read(numbers(7).sample(WEIGHTS, 12).zip(drawn).map(lambda a, b: a, new_form=True).batch(4), 1)
    assert [each.draws for each in twice[0].sampling] == [12, 12]


def test_an_epoch_of_several_passes() -> None:
    with Feed(DRAWN["independent"].batch(4).open_source(seed=5), wrap=True) as feed:
        for wanted in ([0, 1], [1, 2, 3]):
            list(feed.run(4 if wanted[0] == 0 else 6))
            assert [each.data_epoch for each in feed.receipt().sampling] == wanted


def test_without_an_end() -> None:
    with Feed(DRAWN["even"].repeat().batch(4).open_source(seed=5)) as feed:
        list(feed.run(2))
        (sampling,) = feed.receipt().sampling
    assert sampling.data_epoch == 0


def test_a_pass_that_happens_to_have_all() -> None:
    (receipt, _), _ = read(numbers(7).sample(np.ones(7)).batch(3))
    assert receipt.sampling[0].once
    assert "7 different ones, each at most once" in str(receipt.sampling[0])
    assert not read(DRAWN["undersample"].batch(3))[0][0].sampling[0].once


def test_a_summary_says_it(capsys: pytest.CaptureFixture[str]) -> None:
    source(np.arange(7.0), name="cells").balance(LABELS).batch(4).summary()
    *_, last = capsys.readouterr().out.splitlines()
    assert last.startswith("Not every sample once: balance(2 classes #")
    assert last.endswith("drew 10 of 7 samples in pass 0: 7 different ones, each at most 3 times")
