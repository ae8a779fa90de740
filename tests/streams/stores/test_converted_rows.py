"""Samples whose x is converted a block at a time."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.stores import Numbers

from streamfit import DataError, Model, files, layers, stream
from streamfit._base.errors import SampleError
from streamfit.streams import block_windows, with_mapped_inputs
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.stages import shuffle_stage
from streamfit.streams.stores.converted_rows import ConvertedRows
from streamfit.streams.stores.store_rows import StoreRows


class Doubled:
    """Double the ids; some are refused."""

    row_by_row = True

    def __init__(self, refused=()):
        self.refused, self.calls = set(refused), 0

    def __call__(self, x):
        self.calls += 1
        for row, name in enumerate(x["id"].tolist()):
            if name in self.refused:
                raise SampleError(f"{name} is refused", row)
        return x["id"] * 2


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Windows of a few samples."""
    monkeypatch.setattr(block_windows, "AHEAD_BYTES", 64)
    monkeypatch.setattr(shuffle_stage, "WINDOW_BYTES", 128)


def source(function, **settings):
    data = Pipeline(StoreRows(Numbers([6, 0, 4, 5], **settings))).shuffle(8).batch(4)
    return with_mapped_inputs(data.open_source(seed=1, text=True), function)


def test_a_block_takes_one_call():
    function = Doubled()
    made = source(function)
    base = next(iter(made.stage.bases()))
    assert isinstance(base, ConvertedRows)
    found = [(x.tolist(), y[:, 0].tolist()) for x, y in stream(made)]
    assert function.calls == 3
    assert all(x == [2 * value for value in y] for x, y in found)
    assert sorted(value for x, _ in found for value in x) == list(range(0, 30, 2))


def test_batches_one_by_one_are_the_same():
    made = source(Doubled())
    found = [x.tolist() for x, _ in stream(made)]
    assert [made.load(ticket)[0].tolist() for ticket in made.tickets(0)] == found
    with stream(made, workers=2, use_multiprocessing=True) as batches:
        assert [x.tolist() for x, _ in batches] == found


def test_a_refused_sample_is_named_or_left_out():
    with pytest.raises(SampleError, match=r"block 2, row 1 .sample 7.*7 is refused"):
        list(stream(source(Doubled([7]))))
    kept = stream(source(Doubled([7])), on_bad_sample="skip", max_bad_samples=1)
    with pytest.warns(RuntimeWarning, match="7 is refused"):
        found = list(kept)
    ids = sorted(value // 2 for x, _ in found for value in x.tolist())
    assert ids == [name for name in range(15) if name != 7]


def test_bad_samples_of_the_store_stay_bad():
    with pytest.raises(SampleError, match="not a number"):
        list(stream(source(Doubled(), bad=[2])))


def test_a_block_of_refused_samples_ends_the_pass():
    with pytest.raises(DataError, match=r"is refused .block 0, row"):
        list(stream(source(Doubled(range(6)))))


def test_lookups_of_a_model_run_where_blocks_are_read(tmp_path, monkeypatch):
    words = np.array(["a", "b", "c", "a", "z"] * 40, object)
    (tmp_path / "x.txt").write_text("\n".join(words) + "\n")
    lines = files.text_lines(tmp_path / "x.txt")
    lookup = layers.StringLookup(vocabulary=["a", "b", "c"])
    start = layers.Input((1,), dtype="string")
    model = Model(start, layers.Embedding(4, 1)(lookup(start)))
    calls = []
    real = type(lookup).compute
    monkeypatch.setattr(type(lookup), "compute", lambda self, x: calls.append(len(x)) or real(self, x))
    found = model.predict(lines.batch(8))
    assert calls == [200]
    assert np.array_equal(found, model.predict(words))


def test_only_what_is_computed_row_by_row_is_taken_together():
    assert layers.StringLookup(vocabulary=["a"]).row_by_row
    assert layers.HashedCrossing(5).row_by_row
    assert layers.Hashing(5).row_by_row
    assert not layers.StringLookup(vocabulary=["a"], output_mode="one_hot").row_by_row
    assert not layers.TextVectorization(vocabulary=["a"]).row_by_row
