"""Training that stops at any batch and continues in another process ends with the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.interruptions import Stop, StopError
from oracles.leaks import nothing_left_behind

from streamfit import Sequential, layers, set_random_seed
from streamfit.callbacks import BackupAndRestore
from streamfit.streams import Sequence, source

BATCHES, EPOCHS = 7, 3
X = np.random.default_rng(0).normal(size=(BATCHES * 8 - 3, 4))
Y = (X[:, 0] > 0).astype(np.int64)


class Drawing(Sequence):
    """Draws its batches, and changes at the end of each pass."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = 0.0

    def __len__(self) -> int:
        return BATCHES

    def __getitem__(self, index: int) -> Any:
        x = self.rng(index).normal(self.shift, 1.0, size=(6, 4))
        return x, (x[:, 0] > 0).astype(np.int64)

    def on_epoch_end(self) -> None:
        self.shift += 0.1


class Reader:
    """An iterator with a state."""

    def __init__(self) -> None:
        self.at = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        x = np.random.default_rng(self.at).normal(size=(6, 4))
        self.at += 1
        return x, (x[:, 0] > 0).astype(np.int64)

    def state_dict(self) -> dict[str, int]:
        return {"at": self.at}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.at = state["at"]


def plain() -> Iterator[Any]:
    yield from Reader()


def jittered(x: np.ndarray, y: int, rng: np.random.Generator) -> Any:
    return x + rng.normal(size=4), y


KINDS: dict[str, Any] = {
    "arrays": lambda: {"x": X, "y": Y, "batch_size": 8},
    "sequence": lambda: {"x": Drawing()},
    "reader": lambda: {"x": Reader(), "steps_per_epoch": BATCHES},
    "generator": lambda: {"x": plain(), "steps_per_epoch": BATCHES},
    "drawn": lambda: {
        "x": source(X, Y).sample(1 + Y, BATCHES * 8 - 3, independent=True).map(jittered).batch(8)
    },
}


def make_model() -> Sequential:
    set_random_seed(1)
    model = Sequential(
        [layers.Dense(6, "relu", input_shape=(4,)), layers.Dropout(0.3), layers.Dense(2, "softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def run(kind: str, callbacks: list[Any], seed: int | None, **how: Any) -> tuple[Any, ...]:
    model = make_model()
    how = {"validation_data": (X[:9], Y[:9]), "verbose": 0, "epochs": EPOCHS, "callbacks": callbacks, **how}
    history = model.fit(**KINDS[kind](), **how, seed=seed)
    bits = [array.tobytes() for array in [*model.get_weights(), *model.optimizer.state.values()]]
    receipts = [(r.planned, r.delivered, r.digest, r.seed, r.sampling) for r in history.receipts]
    return bits, model.optimizer.iterations, history.history, history.epoch, receipts


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # 3 steps of a pass of 7
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [None, 3])
@settings(max_examples=8)
@given(stop=st.integers(1, BATCHES * EPOCHS - 1), every=st.sampled_from(["epoch", 1, 2, 5]))
def test_stopped_anywhere_and_resumed(
    tmp_path_factory: pytest.TempPathFactory, kind: str, limit: int | None, stop: int, every: Any
) -> None:
    folder = tmp_path_factory.mktemp("backup")
    how: dict[str, Any] = (
        {"epochs": 7, "steps_per_epoch": limit} if limit and kind in ("arrays", "sequence") else {}
    )
    if limit and not how:
        return
    expected = run(kind, [], 5, **how)

    def backup() -> BackupAndRestore:
        return BackupAndRestore(folder, save_freq=every, replay=kind == "generator")

    with pytest.raises(StopError):
        run(kind, [backup(), Stop(stop % (expected[1] - 1) + 1)], 5, **how)
    seed = 99 if list(folder.iterdir()) else 5  # the seed is the backup's, where there was time for one
    assert run(kind, [backup()], seed, **how) == expected
    assert list(folder.iterdir()) == [], "the backup is deleted in the end"


@pytest.mark.jit
@pytest.mark.timeout(60)
def test_workers_may_change_over_a_resume(tmp_path: Path) -> None:
    expected = run("sequence", [], 5, workers=0)
    with nothing_left_behind():
        with pytest.raises(StopError):
            run("sequence", [BackupAndRestore(tmp_path, 1), Stop(10)], 5, workers=2, use_multiprocessing=True)
        with pytest.raises(StopError):
            run("sequence", [BackupAndRestore(tmp_path, 1), Stop(3)], None, workers=4)
        found = run("sequence", [BackupAndRestore(tmp_path, 1)], None, workers=1, use_multiprocessing=True)
    assert found == expected


def test_a_plain_generator_is_not_replayed_unasked(tmp_path: Path) -> None:
    with pytest.raises(StopError):
        run("generator", [BackupAndRestore(tmp_path, 1), Stop(4)], 5)
    with pytest.raises(ValueError, match=r"cannot jump to batch 4.*replay=True"):
        run("generator", [BackupAndRestore(tmp_path, 1)], 5)


def test_a_damaged_backup_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StopError):
        run("arrays", [BackupAndRestore(tmp_path, 1), Stop(4)], 5)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ValueError, match=r"damaged|whole"):
            make_model().read_state(path)


def test_a_backup_of_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StopError):
        run("arrays", [BackupAndRestore(tmp_path), Stop(10)], 5)
    model = Sequential([layers.Dense(2, "softmax", input_shape=(4,))])
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="another model"):
        model.fit(X, Y, callbacks=[BackupAndRestore(tmp_path)], verbose=0)
    other = make_model()
    other.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="optimizer Adam"):
        other.fit(X, Y, callbacks=[BackupAndRestore(tmp_path)], verbose=0)
