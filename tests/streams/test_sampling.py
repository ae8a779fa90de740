"""What receipts say of passes that do not have every sample once."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from oracles.stages import flat, in_order, kept, negative, numbers

from streamfit._base.errors import DataError
from streamfit.streams import DelegatingSource, Feed, Pipeline, Receipt, Sampling, Ticket, source
from streamfit.testing import CheckFailure, check_source
from streamfit.workers import make_pool

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


@pytest.mark.parametrize("drawn", DRAWN.values(), ids=list(DRAWN))
def test_a_resumed_pass_has_the_same_receipt(drawn: Pipeline) -> None:
    pipeline = drawn.shuffle().batch(2)
    with Feed(pipeline.open_source(seed=5)) as feed:
        states = [json.loads(json.dumps(feed.state(within=True))) for _ in feed.run()]
        expected = feed.receipt()
    for state in states:
        with Feed(pipeline.open_source(seed=1)) as feed:
            feed.resume(state)
            list(feed.run())
            assert feed.receipt() == expected


def test_other_weights_are_other_data() -> None:
    with Feed(DRAWN["even"].batch(2).open_source(seed=5)) as feed:
        next(feed.run())
        state = feed.state(within=True)
    weights = [*WEIGHTS[:6], 0.4]
    for other in (numbers(7).sample(weights, 12), numbers(7).sample(WEIGHTS, 13), DRAWN["independent"]):
        with Feed(other.batch(2).open_source(seed=5)) as feed, pytest.raises(DataError, match="stages"):
            feed.resume(state)


def test_a_batch_is_replayed_from_its_receipt() -> None:
    for then in (THEN["shuffled"], THEN["mapped"]):
        with Feed(then(DRAWN["oversample"]).open_source(seed=5)) as feed:
            batches = [batch.x.tolist() for batch in feed.run()]
            receipt = feed.receipt()
            assert [receipt.batch(at).x.tolist() for at in range(2)] == batches


class Broken:
    """Seven samples of which one cannot be loaded."""

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> np.ndarray[Any, Any]:
        if index == 2:
            raise OSError("no such file")
        return np.asarray(index)


@pytest.mark.filterwarnings("ignore:.*left out")
def test_copies_of_a_bad_sample_are_left_out_one_by_one() -> None:
    pipeline = source(Broken(), kind="samples").balance(LABELS).batch(5)
    with make_pool("threads", 2) as pool, Feed(pipeline.open_source(seed=5), pool, tolerance=3) as feed:
        found = Counter(flat(batch.x.tolist() for batch in feed.run()))
        receipt = feed.receipt()
    whole = Counter(read(numbers(7).balance(LABELS).batch(5), 1)[1][0])
    assert found == whole - Counter({2: whole[2]})
    assert [int(name) % 7 for name in receipt.skipped] == [2] * whole[2]  # type: ignore[call-overload]


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
    assert last.startswith("Drawn: balance(2 classes #")
    assert last.endswith("drew 10 times from 7 samples in pass 0: 7 different ones, each at most 3 times")


class Greedy(DelegatingSource):
    """A source whose passes are those of another one, twice."""

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        first = list(super().tickets(data_epoch))
        again = [dataclasses.replace(each, number=each.number + len(first)) for each in first]
        yield from [*first, *again][start:]

    def batches(self, data_epoch: int) -> int:
        return 2 * (super().batches(data_epoch) or 0)


def test_the_checker_takes_what_receipts_tell() -> None:
    for then in (THEN["shuffled"], THEN["mapped"]):
        (found,) = check_source(then(DRAWN["oversample"]), only=["exactly_once"])
        assert found.message.startswith("samples are drawn: balance(")
    with pytest.raises(CheckFailure, match="of the same epoch, though it is drawn 3 times at most"):
        check_source(Greedy(THEN["shuffled"](DRAWN["oversample"]).open_source()), only=["exactly_once"])
