"""Pipelines in `fit`, `evaluate` and `predict`: the same on any workers, resumed at any batch, replayed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit import Sequential, layers, set_random_seed, source, stream
from streamfit.callbacks import BackupAndRestore, Callback
from streamfit.streams import DelegatingSource, SequenceSource
from streamfit.testing import check_source
from streamfit.utils import Sequence

pytestmark = pytest.mark.timeout(60)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4)).astype(np.float32)
Y = (X.sum(axis=1) > 0).astype(np.float32)
PLACES: list[dict[str, Any]] = [
    {},
    {"workers": 2},
    {"workers": 1, "use_multiprocessing": True},
    {"workers": 3, "use_multiprocessing": True},
]


def noisy(x: Any, y: Any, rng: np.random.Generator) -> Any:
    return x + rng.normal(0, 0.1, x.shape).astype(np.float32), y


def kept(x: Any, y: Any) -> bool:
    return bool(x[0] > -0.5)


def doubled(x: Any, y: Any) -> Any:
    return x * 2, y


PIPELINES = {
    "seeks": source(X, Y).map(noisy).shuffle().batch(16),
    "in order": source(X, Y).filter(kept).map(noisy).shuffle(20).batch(16).map(doubled),
    "drawn": source(X, Y).balance(weights={0: 1, 1: 3}).map(noisy).batch(16),
    "orders only": source(X, Y).skip(5).shuffle().batch(16, drop_remainder=True),
}


def model() -> Any:
    set_random_seed(1)
    made = Sequential([layers.Input((4,)), layers.Dense(3, "tanh"), layers.Dense(1, "sigmoid")])
    made.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return made


@pytest.mark.parametrize("name", PIPELINES)
def test_same_bits_on_any_workers(name: str) -> None:
    found = []
    for place in PLACES:
        one = model()
        history = one.fit(
            PIPELINES[name], validation_data=source(X, Y).batch(30), epochs=3, seed=7, verbose=0, **place
        )
        digests = [receipt.digest for receipt in history.receipts]
        found.append((history.history, digests, [weight.tobytes() for weight in one.get_weights()]))
    assert all(other == found[0] for other in found[1:])


class Stop(Callback):
    """Ends the run as a crash would: after a step, by an exception."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self.left = batches

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("batches", [1, 4, 7])
def test_resumed_at_any_batch_with_other_workers(name: str, batches: int, tmp_path: Path) -> None:
    whole = model()
    expected = whole.fit(PIPELINES[name], epochs=3, seed=7, verbose=0)
    backup = BackupAndRestore(tmp_path, save_freq=1)
    with pytest.raises(KeyboardInterrupt):
        model().fit(
            PIPELINES[name], epochs=3, seed=7, verbose=0, callbacks=[Stop(batches), backup], workers=2
        )
    resumed = model()
    history = resumed.fit(
        PIPELINES[name],
        epochs=3,
        seed=7,
        verbose=0,
        callbacks=[BackupAndRestore(tmp_path, save_freq=1)],
        workers=1,
        use_multiprocessing=True,
    )
    assert history.history == expected.history
    assert [receipt.digest for receipt in history.receipts] == [r.digest for r in expected.receipts]
    assert [receipt.filtered for receipt in history.receipts] == [r.filtered for r in expected.receipts]
    for ours, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()
    again, original = history.receipts[0].batch(2), expected.receipts[0].batch(2)
    assert np.array_equal(again.x, original.x)


def test_batch_size_of_fit() -> None:
    history = model().fit(source(X, Y), batch_size=40, epochs=1, verbose=0)
    assert history.receipts[0].planned == 3
    assert model().fit(source(X, Y), epochs=1, verbose=0).receipts[0].planned == 3  # 32, as for arrays
    with pytest.raises(ValueError, match="the pipeline makes batches itself"):
        model().fit(source(X, Y).batch(16), batch_size=8, epochs=1, verbose=0)
    with pytest.raises(ValueError, match="`y` argument is not supported"):
        model().fit(source(X, Y).batch(16), Y, epochs=1, verbose=0)


def test_evaluate_and_predict_read_pipelines() -> None:
    one = model()
    assert one.evaluate(source(X, Y).batch(30), verbose=0) == one.evaluate(X, Y, batch_size=30, verbose=0)
    assert np.array_equal(
        one.predict(source(X).batch(30), verbose=0), one.predict(X, batch_size=30, verbose=0)
    )


def test_stream_reads_pipelines() -> None:
    pipeline = PIPELINES["seeks"]
    with stream(pipeline, seed=3) as inline, stream(pipeline, seed=3, workers=2) as threads:
        for ours, theirs in zip(inline, threads, strict=True):
            assert np.array_equal(ours[0], theirs[0])


class Hooks(Sequence):
    """Counts its hooks."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = 0

    def __len__(self) -> int:
        return 4 + self.ended

    def __getitem__(self, index: int) -> Any:
        return X[index * 8 : index * 8 + 8], Y[index * 8 : index * 8 + 8]

    def on_epoch_end(self) -> None:
        self.ended += 1


def test_hooks_of_a_sequence_run_behind_stages_and_wrappers() -> None:
    data = Hooks()
    history = model().fit(source(data).map(doubled), epochs=3, verbose=0)
    assert data.ended == 3
    assert [receipt.planned for receipt in history.receipts] == [4, 5, 6]
    data = Hooks()

    class Doubled(DelegatingSource):
        def load(self, ticket: Any) -> Any:
            x, y, weight = super().load(ticket)
            return x * 2, y, weight

    history = model().fit(Doubled(SequenceSource(data)), epochs=3, verbose=0, workers=2)
    assert data.ended == 3
    assert [receipt.planned for receipt in history.receipts] == [4, 5, 6]


def test_generator_is_pulled_in_order_and_its_items_mapped_on_workers() -> None:
    def items() -> Any:
        for start in range(0, 80, 8):
            yield X[start : start + 8], Y[start : start + 8]

    found = []
    for place in PLACES:
        history = model().fit(source(items()).map(noisy, per="sample"), epochs=1, seed=2, verbose=0, **place)
        found.append((history.history["loss"], history.receipts[0].digest))
    assert all(other == found[0] for other in found[1:])


def test_a_filter_that_leaves_nothing_is_an_error() -> None:
    with pytest.raises(Exception, match="filters left out all 90 samples"):
        model().fit(source(X, Y).filter(lambda x, y: False).batch(4), epochs=1, verbose=0)


@pytest.mark.parametrize("name", PIPELINES)
def test_the_checkers_pass(name: str) -> None:
    check_source(PIPELINES[name].open_source(seed=3))
