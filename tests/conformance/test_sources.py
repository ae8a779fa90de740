"""Sequences, generators and workers seen through `fit`: facts 35 to 40 of the Keras contract."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from oracles.leaks import take_ledger, wait_until
from oracles.models import Recorder, cut, data, linear, squares, two_heads

from streamfit import Model, PicklingError, Sequence, Sequential, layers
from streamfit.callbacks import Callback
from streamfit.metrics import Metric

WORKERS: list[dict[str, Any]] = [
    {"workers": 0},
    {"workers": 1},
    {"workers": 3},
    {"workers": 2, "use_multiprocessing": True},
]
pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True, scope="module")
def no_leaks() -> Iterator[None]:
    """Fail if the tests leave a process, a descriptor or a thread.

    Names of shared memory are the whole machine's; the tests of faults look at those.
    """
    before = take_ledger()
    yield
    left: list[str] = []

    def clean() -> bool:
        left[:] = [item for item in take_ledger().beyond(before) if not item.startswith("shared memory")]
        return not left

    assert wait_until(clean, 5.0), f"left behind: {left}"


class Numbered(Sequence):
    """Batch k holds two rows of k; after each pass everything is 100 larger."""

    def __init__(self, count: int = 6) -> None:
        super().__init__()
        self.count, self.shift = count, 0
        self.hooks: list[tuple[str, int]] = []

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return np.full((2, 3), index + self.shift, "float32"), np.zeros((2, 1), "float32")

    def on_epoch_end(self) -> None:
        self.hooks.append(("end", os.getpid()))
        self.shift += 100


class Shown(Callback):
    """Keep the first number of each batch, epoch by epoch: the growth of the metric `Total`."""

    def __init__(self) -> None:
        self.kept: list[list[int]] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.kept.append([])

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.kept[-1].append(round(logs["total"] - sum(self.kept[-1])))


class Total(Metric):
    """Add up the first prediction of each batch."""

    def __init__(self) -> None:
        super().__init__(name="total")
        self.sum = self.add_variable((), name="sum")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.sum.assign_add(float(y_pred[0, 0]))

    def result(self) -> float:
        return float(self.sum)


def showing() -> tuple[Sequential, Shown]:
    """Return a model that logs the sum of the first feature over the batches of an epoch."""
    model = linear(metrics=[Total()])
    model.set_weights([np.array([[1.0], [0.0], [0.0]]), np.zeros(1)])
    return model, Shown()


@pytest.mark.parametrize("options", WORKERS)
def test_every_batch_once_in_order_and_on_epoch_end_between_the_passes(options: dict[str, Any]) -> None:
    model, shown = showing()
    sequence = Numbered()
    model.fit(sequence, epochs=3, shuffle=False, verbose=0, callbacks=[shown], **options)
    assert shown.kept == [[100 * p + k for k in range(6)] for p in range(3)]
    assert sequence.hooks == [("end", os.getpid())] * 3


@pytest.mark.parametrize("options", WORKERS)
def test_shuffling_takes_every_batch_once_and_another_order_each_epoch(options: dict[str, Any]) -> None:
    orders = []
    for given in (options, {"workers": 0}):
        model, shown = showing()
        model.fit(Numbered(), epochs=2, seed=4, verbose=0, callbacks=[shown], **given)
        orders.append(shown.kept)
    assert orders[0] == orders[1]
    first, second = orders[0]
    assert sorted(first) == [0, 1, 2, 3, 4, 5]
    assert sorted(second) == [100 + k for k in range(6)]
    assert first != [k - 100 for k in second]


def test_no_hook_is_called_before_the_first_pass() -> None:
    sequence = Numbered(2)
    seen: list[int] = []

    class Look(Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            seen.append(len(sequence.hooks))

    linear().fit(sequence, epochs=2, workers=0, verbose=0, callbacks=[Look()])
    assert seen == [0, 0, 1, 1]


class Growing(Sequence):
    """Thirteen samples whose batches grow after each pass: lengths 7, 4, 3, 2, 2."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.y, self.size = *data(13), 2

    def __len__(self) -> int:
        return -(-len(self.x) // self.size)

    def __getitem__(self, index: int) -> Any:
        rows = slice(index * self.size, (index + 1) * self.size)
        return self.x[rows], self.y[rows]

    def on_epoch_end(self) -> None:
        self.size += 2


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_the_length_is_read_anew_for_each_pass(workers: int) -> None:
    class Lengths(Recorder):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.steps.append(self.params["steps"])

    lengths = Lengths()
    model = linear()
    history = model.fit(Growing(), epochs=5, workers=workers, verbose=0, callbacks=[lengths])
    assert lengths.steps == [7, 4, 3, 2, 2]
    assert lengths.names().count("train_batch_end") == 18
    x, y = data(13)
    assert history.history["loss"] == pytest.approx([squares(model, x, y).mean()] * 5, rel=1e-6)


class Breaking(Numbered):
    def __getitem__(self, index: int) -> Any:
        if index == 3:
            raise KeyError("no batch 3")
        return super().__getitem__(index)


@pytest.mark.parametrize(
    ("method", "options"),
    [*(("fit", options) for options in WORKERS), ("evaluate", WORKERS[2]), ("predict", WORKERS[2])],
)
def test_an_exception_of_a_sequence_comes_out_as_it_is(method: str, options: dict[str, Any]) -> None:
    extra: dict[str, Any] = {"shuffle": False} if method == "fit" else {}
    recorder = Recorder()
    with pytest.raises(KeyError, match="no batch 3") as caught:
        getattr(linear(), method)(Breaking(), verbose=0, callbacks=[recorder], **extra, **options)
    mode = {"fit": "train", "evaluate": "test"}.get(method, "predict")
    assert recorder.names().count(f"{mode}_batch_end") == 3
    notes = " ".join(getattr(caught.value, "__notes__", []))
    name = "training data" if method == "fit" else "data"
    assert f"source {name!r}, pass 0, batch 3, index 3" in notes


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_an_exception_of_a_generator_comes_out_as_it_is(workers: int) -> None:
    def broken() -> Iterator[Any]:
        yield from cut(*data(4), 2)
        raise LookupError("gone")

    recorder = Recorder()
    with pytest.raises(LookupError, match="gone"):
        linear().fit(broken(), steps_per_epoch=5, workers=workers, verbose=0, callbacks=[recorder])
    assert recorder.names().count("train_batch_end") == 2


class Meeting(Sequence):
    """Every load waits until as many loads as there are workers run at once."""

    def __init__(self, at_once: int, barrier: Any) -> None:
        super().__init__()
        self.barrier, self.at_once = barrier, at_once

    def __len__(self) -> int:
        return 2 * self.at_once

    def __getitem__(self, index: int) -> Any:
        self.barrier.wait(20)
        return np.zeros((2, 3), "float32"), np.zeros((2, 1), "float32")


def test_threads_load_at_the_same_time() -> None:
    history = linear().fit(Meeting(4, threading.Barrier(4)), workers=4, verbose=0)
    assert history.receipts[0].delivered == 8


class MarkingTime(Sequence):
    """Loads in processes meet in a folder: each waits until the other has begun."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        open(os.path.join(self.folder, str(index)), "w").close()
        end = time.monotonic() + 20
        while len(os.listdir(self.folder)) < 2:
            assert time.monotonic() < end, "the other load did not begin"
            time.sleep(0.001)
        return np.zeros((2, 3), "float32"), np.zeros((2, 1), "float32")


def test_processes_load_at_the_same_time(tmp_path: Any) -> None:
    history = linear().fit(MarkingTime(str(tmp_path)), workers=2, use_multiprocessing=True, verbose=0)
    assert history.receipts[0].delivered == 2


class Named(Sequence):
    """Batches of changing length, with inputs and targets by name."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        x, y = data(index + 1, seed=index)
        return {"ib": x, "ia": x}, {"b": y, "a": y}


@pytest.mark.parametrize("options", WORKERS)
def test_dicts_and_changing_lengths_pass_through_workers(options: dict[str, Any]) -> None:
    model = two_heads()
    history = model.fit(Named(), verbose=0, **options)
    assert history.receipts[0].delivered == 4
    total = 0.0
    for index in range(4):
        x, y = Named()[index]
        total += sum(((p - t) ** 2).sum() for p, t in zip(model.predict(x), (y["a"], y["b"]), strict=True))
    assert history.history["loss"] == [pytest.approx(total / 10, rel=1e-5)]


@pytest.mark.parametrize("options", WORKERS)
def test_training_and_validation_workers_do_not_mix(options: dict[str, Any]) -> None:
    model, shown = showing()
    validation = Numbered(3)
    validation.shift = 5000
    history = model.fit(
        Numbered(4),
        epochs=2,
        shuffle=False,
        validation_data=validation,
        verbose=0,
        callbacks=[shown],
        **options,
    ).history
    assert shown.kept == [[0, 1, 2, 3], [100, 101, 102, 103]]
    assert history["val_total"] == [5000 + 5001 + 5002, 5100 + 5101 + 5102]


@pytest.mark.parametrize("options", WORKERS)
def test_predictions_are_joined_in_order(options: dict[str, Any]) -> None:
    model, _ = showing()
    found = model.predict(Numbered(), **options)
    assert found[:, 0].tolist() == [k for k in range(6) for _ in range(2)]


@pytest.mark.parametrize(
    "pack",
    [
        lambda x, y: x,
        lambda x, y: (x,),
        lambda x, y: (x, y),
        lambda x, y: (x, y, y[:, 0]),
        lambda x, y: [x],
    ],
)
def test_what_a_generator_may_yield_for_prediction(pack: Any) -> None:
    x, y = data(7)
    model = linear()
    batches = [pack(a, b) for a, b in cut(x, y, 3)]
    assert (model.predict_generator(iter(batches), 3) == model.predict(x, 3)).all()
    if not isinstance(batches[0], list):
        assert (model.predict(iter(batches)) == model.predict(x, 3)).all()


def test_predictions_of_several_outputs_keep_a_ragged_last_batch() -> None:
    (x, _), (z, _) = data(7), data(7, seed=1)
    model = two_heads()
    whole = model.predict([x, z], 3)
    parts = model.predict_generator(iter([[x[:3], z[:3]], [x[3:6], z[3:6]], [x[6:], z[6:]]]), 3)
    assert [p.shape for p in parts] == [(7, 1), (7, 1)]
    assert all((p == w).all() for p, w in zip(parts, whole, strict=True))


def test_the_last_output_of_a_batch_is_not_overwritten_by_the_next() -> None:
    kept: list[Any] = []

    class Keep(Callback):
        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            kept.append(logs["outputs"])

    model, _ = showing()
    model.predict(Numbered(3), callbacks=[Keep()])
    assert [k[0, 0] for k in kept] == [0, 1, 2]


class Own(Numbered):
    """Says itself how it wants to be loaded; notes in which processes that happens."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        Sequence.__init__(self, **options)

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return np.full_like(x, os.getpid()), y


@pytest.mark.parametrize(
    ("own", "asked", "away"),
    [
        ({"workers": 2, "use_multiprocessing": True}, {}, True),
        ({"workers": 2, "use_multiprocessing": True}, {"use_multiprocessing": False}, False),
        ({"workers": 2, "use_multiprocessing": True}, {"workers": 0}, False),
        ({"workers": 0}, {"workers": 1, "use_multiprocessing": True}, True),
    ],
)
def test_what_fit_is_told_wins_over_what_a_sequence_says(own: Any, asked: Any, away: bool) -> None:
    model, _ = showing()
    pids = set(model.predict(Own(**own), **asked)[:, 0].tolist())
    assert (float(np.float32(os.getpid())) not in pids) == away


def test_a_sequence_that_cannot_be_sent_to_a_process_is_refused() -> None:
    sequence = Numbered()
    sequence.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(PicklingError, match="lock"):
        linear().fit(sequence, workers=1, use_multiprocessing=True, verbose=0)
    assert linear().fit(sequence, workers=2, verbose=0).receipts[0].delivered == 6


class Duck:
    """Knows nothing of our classes."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        x, y = data(6)
        return x[3 * index : 3 * index + 3], y[3 * index : 3 * index + 3]


def test_whatever_has_a_length_and_batches_is_a_sequence() -> None:
    model = linear()
    x, y = data(6)
    assert model.evaluate(Duck(), verbose=0) == pytest.approx(squares(model, x, y).mean(), rel=1e-6)
    assert model.fit_generator(Duck(), verbose=0).params["steps"] == 2


def test_the_kind_of_the_source_does_not_matter() -> None:
    x, y = data(12)

    class Cut(Sequence):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> Any:
            return x[4 * index : 4 * index + 4], y[4 * index : 4 * index + 4]

    start = linear().get_weights()
    found = []
    for given, options in [
        ((x, y), {"batch_size": 4}),
        ((cut(x, y, 4),), {}),
        ((Cut(),), {"workers": 0}),
        ((Cut(),), {"workers": 2}),
    ]:
        model = linear(optimizer="adam")
        model.set_weights(start)
        model.fit(*given, shuffle=False, seed=1, verbose=0, **options)
        found.append([w.tobytes() for w in model.get_weights()])
    assert all(weights == found[0] for weights in found)


def test_memory_maps(tmp_path: Any) -> None:
    x, y = data(20)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    model = linear()
    assert model.evaluate(mapped, y, 6, 0) == pytest.approx(squares(model, x, y).mean(), rel=1e-6)
    history = model.fit(mapped, y, 6, validation_split=0.5, verbose=0).history
    assert history["val_loss"] == [pytest.approx(squares(model, x[10:], y[10:]).mean(), rel=1e-6)]


def test_a_subclassed_model_trains_on_a_sequence() -> None:
    class Own(Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, inputs: Any) -> Any:
            return self.dense(inputs)

    model = Own()
    model.compile("sgd", "mse")
    assert len(model.fit(Numbered(), epochs=2, verbose=0).history["loss"]) == 2
