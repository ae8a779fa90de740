"""Pipelines over a store: batches read block by block are those that are loaded one by one."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.stores import Numbers, Plain

from streamfit import Sequential, layers, set_random_seed, stream
from streamfit._base.errors import DataError, SampleError
from streamfit.callbacks import Callback
from streamfit.streams import block_windows
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.stages import shuffle_stage
from streamfit.streams.stores.store_rows import StoreRows


def pipeline(*args, **settings):
    return Pipeline(StoreRows(Numbers(*args, **settings)), "numbers")


def read(made, seed=1, number=0, **settings):
    ids, texts = [], []
    with stream(made, seed=seed, **settings) as batches:
        for batch in batches.epoch(number):
            (x, y) = batch.given()
            assert np.array_equal(y[:, 1], x["id"] + np.float32(0.5))
            assert x["id"].tolist() == batch.ids.tolist()
            ids.append(x["id"].tolist())
            texts += x["text"].tolist()
    assert texts == [f"n{i}" for batch in ids for i in batch]
    return ids


def one_by_one(made, seed=1, number=0):
    """Load each batch alone, without the reader of blocks."""
    source = made.open_source(seed=seed, text=True)
    return [source.load(ticket)[0]["id"].tolist() for ticket in source.tickets(number)]


FORMS = [
    lambda p: p,
    lambda p: p.shuffle(),
    lambda p: p.shuffle(7),
    lambda p: p.skip(3).take(30).shuffle(5),
    lambda p: p.shuffle(9).shard(2, 1),
    lambda p: p.shard(3, 0).shuffle(4),
    lambda p: p.split(0.6, seed=4)[0].shuffle(6),
    lambda p: p.shuffle(5).shuffle(20),
    lambda p: p.map(lambda x, y: (x, y)).shuffle(8),
]


@pytest.fixture
def small(monkeypatch):
    """Windows of a few samples."""
    monkeypatch.setattr(block_windows, "AHEAD_BYTES", 160)
    monkeypatch.setattr(shuffle_stage, "WINDOW_BYTES", 320)


@pytest.mark.parametrize("number", range(len(FORMS)))
@pytest.mark.parametrize("maps", [False, True])
def test_batches_are_those_that_are_loaded_one_by_one(small, number, maps):
    made = FORMS[number](pipeline([3, 0, 1, 10, 10, 2, 15])).batch(4)
    made = made.map(lambda x, y: (x, y)) if maps else made
    for epoch in (0, 3):
        wanted = one_by_one(made, number=epoch)
        assert read(made, number=epoch) == wanted
        assert read(made, number=epoch, workers=2, max_queue_size=3) == wanted
    delivered = list(itertools.chain(*wanted))
    assert len(delivered) == len(set(delivered))


@pytest.mark.jit
@pytest.mark.parametrize("number", [1, 3, 8])
def test_processes_read_the_same(small, number):
    made = FORMS[number](pipeline([3, 0, 1, 10, 10, 2, 15])).batch(4)
    assert read(made, workers=2, use_multiprocessing=True) == one_by_one(made)


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(any),
    st.integers(1, 7),
    st.integers(1, 40),
    st.integers(0, 2),
)
def test_each_sample_once_from_any_batch_on(lengths, size, buffer, epoch):
    made = pipeline(lengths).shuffle(buffer).batch(size)
    wanted = one_by_one(made, number=epoch)
    assert sorted(itertools.chain(*wanted)) == list(range(sum(lengths)))
    source = made.open_source(seed=1, text=True)
    for start in range(len(wanted)):
        taken = source.make_reader().in_pool(None, (epoch, start))
        assert [taken.take(1).x["id"].tolist() for _ in range(start, len(wanted))] == wanted[start:]
        taken.close()


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=6),
    st.integers(1, 5),
    st.one_of(st.none(), st.integers(1, 60)),
    st.booleans(),
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
)
def test_joined_batches_are_whole_batches_one_behind_the_other(lengths, size, buffer, drop, asked):
    made = pipeline(lengths) if buffer is None else pipeline(lengths).shuffle(buffer)
    made = made.batch(size, drop_remainder=drop and sum(lengths) >= size)
    wanted = one_by_one(made)
    found, reader = [], made.open_source(seed=1, text=True).make_reader().in_pool(None, (0, 0))
    for most in itertools.cycle(asked):
        try:
            batch = reader.take(most)
        except StopIteration:
            break
        assert batch.number == len(found)
        assert 1 <= batch.steps <= most
        assert batch.size == size * batch.steps or batch.steps == 1
        ids = batch.x["id"].tolist()
        assert ids == batch.ids.tolist()
        found += [ids[at : at + size] for at in range(0, len(ids), size)]
    assert found == wanted


@pytest.mark.parametrize("order", [lambda p: p, lambda p: p.shuffle()])
def test_batches_come_joined_up_to_the_end_of_a_window(order):
    reader = order(pipeline([40])).batch(4).open_source(seed=1, text=True).make_reader().in_pool(None, (0, 0))
    assert [reader.take(most).steps for most in (5, 5, 7)] == [1, 5, 4]  # the first shows the form


def test_training_on_joined_batches_has_the_bits_of_training_on_single_ones():
    steps = []

    class Counts(Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.append(batch)

    found = []
    for callbacks, order in itertools.product([[], [Counts()]], [lambda p: p, lambda p: p.shuffle()]):
        set_random_seed(3)
        model = Sequential([layers.Input((1,)), layers.Dense(3, activation="tanh"), layers.Dense(1)])
        model.compile("adam", "mse")
        data = order(Pipeline(StoreRows(Plain([40, 7, 60])), "numbers"))
        history = model.fit(data.batch(4), epochs=2, seed=5, verbose=0, callbacks=callbacks)
        found.append(([array.tobytes() for array in model.get_weights()], history.receipts[1].digest))
    assert len(steps) == 2 * 2 * 27
    assert found[:2] == found[2:]


def test_blocks_are_read_once_in_a_pass(small):
    made = pipeline([6] * 40).shuffle(30).batch(7)
    store = made.stage.input.input.store
    read(made)
    assert sorted(store.reads) == list(range(40))


def test_without_a_size_as_many_blocks_as_fit_are_shuffled_together(small):
    made = pipeline([2] * 20, row_bytes=16).shuffle()
    # 320 bytes: 8 samples of 16 bytes, and 24 for the order of each
    assert np.diff(made.stage.windows(made._pass(0)).starts).tolist() == [8, 8, 8, 8, 8]
    everything = pipeline([2] * 6, row_bytes=1).shuffle()
    assert everything.stage.windows(everything._pass(0)).windows == 1


def test_few_large_blocks_are_read_ahead():
    assert block_windows.blocks_ahead(Numbers([4, 9], row_bytes=1 << 20), workers=1) == 3  # 32 MiB
    assert block_windows.blocks_ahead(Numbers([4, 9], row_bytes=1 << 30), workers=2) == 3
    for order, most in ((lambda p: p, 1 + 3), (lambda p: p.shuffle(8), 3 + 3)):
        made = order(pipeline([4] * 30, row_bytes=1 << 30)).batch(4)
        base = next(made.stage.bases())
        with stream(made, seed=1, workers=2, max_queue_size=20) as found:
            batches = iter(found)
            next(batches)
            time.sleep(0.1)
            assert 1 <= len(base.store.reads) <= most
            assert len(list(batches)) == 29
        assert len(base.store.reads) == 30


def test_bad_samples_end_the_pass_or_are_left_out(small):
    made = pipeline([4] * 5, bad=[9]).batch(4)
    with pytest.raises(SampleError, match=r"block 2, row 1.*not a number"):
        read(made)
    with (
        pytest.warns(RuntimeWarning, match="left out"),
        stream(made, on_bad_sample="skip", max_bad_samples=1) as found,
    ):
        kept = [x["id"].tolist() for x, _ in found]
    assert kept[2] == [8, 10, 11]


def test_a_block_that_cannot_be_read_is_named_and_its_samples_may_be_left_out(small):
    made = pipeline([4] * 5, broken=[3]).batch(4)
    with pytest.raises(DataError, match="block 3 cannot be read"):
        read(made, workers=1)
    with (
        pytest.warns(RuntimeWarning, match="left out"),
        stream(made, on_bad_sample="skip", max_bad_samples=4) as found,
    ):
        assert [x["id"].tolist() for x, _ in found] == [
            [0, 1, 2, 3],
            [4, 5, 6, 7],
            [8, 9, 10, 11],
            [16, 17, 18, 19],
        ]


def test_bad_samples_that_nobody_asks_for_do_no_harm(small):
    assert read(pipeline([4] * 5, bad=[9]).take(9).batch(4))[-1] == [8]


def test_draws_are_read_block_by_block(small):
    weights = np.tile([1.0, 0.0, 3.0], 20)
    made = pipeline([6] * 10).sample(weights).batch(4)
    store = made.stage.input.input.store
    wanted = one_by_one(made)
    store.reads.clear()
    with stream(made, seed=1, workers=1) as batches:
        assert [x["id"].tolist() for x, _ in (batch.given() for batch in batches.epoch(0))] == wanted
    assert len(store.reads) <= 2 * 10
    counts = np.bincount(list(itertools.chain(*wanted)), minlength=60)
    assert counts[1::3].sum() == 0
    assert counts.sum() == 60


def test_classes_are_balanced_without_reading_at_random(small):
    labels = np.array([0] * 50 + [1] * 10)
    made = pipeline([6] * 10).balance(labels).batch(4)
    store = made.stage.input.input.input.store
    delivered = list(itertools.chain(*one_by_one(made)))
    assert abs(int((labels[delivered] == 1).sum()) - 50) <= 2
    store.reads.clear()
    with stream(made, seed=1) as batches:
        read_now = [x["id"].tolist() for x, _ in (batch.given() for batch in batches.epoch(0))]
    assert list(itertools.chain(*read_now)) == delivered
    assert len(store.reads) <= 3 * 10


@pytest.mark.parametrize("workers", [0, 2])
def test_what_was_drawn_may_be_mapped(small, workers):
    def noisy(x, y, rng):
        return {**x, "noise": rng.normal()}, y

    labels = np.array([0] * 50 + [1] * 10)
    for drawn in (pipeline([6] * 10).balance(labels), pipeline([6] * 10).sample(labels + 1).shuffle(8)):
        made = drawn.map(noisy, new_form=True).batch(4)
        source = made.open_source(seed=1, text=True)
        wanted = [source.load(ticket)[0] for ticket in source.tickets(0)]
        with stream(made, seed=1, workers=workers) as batches:
            found = [batch.given()[0] for batch in batches.epoch(0)]
        assert len({x["noise"][0] for x in found}) == len(found)  # a copy has draws of its own
        for one, other in zip(found, wanted, strict=True):
            assert one["id"].tolist() == other["id"].tolist()
            assert one["noise"].tolist() == other["noise"].tolist()


@pytest.mark.parametrize("drop_remainder", [False, True])
@pytest.mark.parametrize("count", range(4, 16))
def test_batches_are_shuffled_whatever_remains(small, count, drop_remainder):
    made = pipeline([5] * 3).take(count).batch(4, drop_remainder).shuffle(2)
    found = read(made)
    assert sorted(itertools.chain(*found)) == list(range(count - count % 4 if drop_remainder else count))
