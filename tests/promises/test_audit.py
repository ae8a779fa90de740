"""fit(audit=True): a checksum in the receipts of the data themselves, beside the digest of the sample ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit import Receipt, Sequence, Sequential, layers, optimizers
from streamfit.callbacks import BackupAndRestore, Callback

pytestmark = pytest.mark.timeout(60)

RNG = np.random.default_rng(0)
X, Y, W = RNG.normal(size=(40, 3)), RNG.normal(size=(40, 1)), RNG.uniform(size=40)


class Rows(Sequence):
    def __init__(self, x: Any = X) -> None:
        super().__init__()
        self.x = x

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> Any:
        rows = slice(4 * index, 4 * index + 4)
        return self.x[rows], Y[rows], W[rows]


def model() -> Any:
    made = Sequential([layers.Dense(1, input_shape=(3,), kernel_initializer="ones")])
    made.compile(optimizers.SGD(0.01), "mse")
    return made


def audited(data: Any, *more: Any, **options: Any) -> list[Receipt]:
    settings = {"epochs": 2, "verbose": 0, "seed": 5, "audit": True} | options
    receipts: list[Receipt] = model().fit(data, *more, **settings).receipts
    return receipts


def contents(*data: Any, **options: Any) -> list[str | None]:
    return [receipt.contents for receipt in audited(*data, **options)]


def test_it_does_not_depend_on_who_loads() -> None:
    inline = contents(Rows(), workers=0)
    assert None not in inline
    assert inline[0] != inline[1]
    assert contents(Rows(), workers=2) == inline
    assert contents(Rows(), workers=2, use_multiprocessing=True) == inline


def test_it_does_not_depend_on_how_batches_come() -> None:
    joined = contents(X, Y, sample_weight=W, batch_size=4, shuffle=False)

    class Listening(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            return

    single = contents(X, Y, sample_weight=W, batch_size=4, shuffle=False, callbacks=[Listening()])
    as_generator = contents(((x, y, w) for x, y, w in list(Rows()) * 2), steps_per_epoch=10)
    assert joined == single == contents(Rows(), shuffle=False) == as_generator
    assert joined == contents(np.asfortranarray(X), Y, sample_weight=W, batch_size=4, shuffle=False)


def test_one_bit_one_dtype_one_shape_and_the_order_tell() -> None:
    def first(x: Any, y: Any = Y, **options: Any) -> str | None:
        return contents(x, y, batch_size=4, shuffle=False, epochs=1, **options)[0]

    other = X.copy()
    other[17, 1] = np.nextafter(other[17, 1], 2.0)
    seen = {first(X), first(other), first(X.astype("float32")), first(X, Y[:, 0]), first(X, sample_weight=W)}
    seen.add(first(np.concatenate([X[4:], X[:4]]), np.concatenate([Y[4:], Y[:4]])))
    assert len(seen) == 6


def test_the_receipt_shows_it_and_has_none_without_an_audit() -> None:
    (receipt,) = audited(X, Y, epochs=1)
    assert f"contents {receipt.contents}" in str(receipt)
    (silent,) = audited(X, Y, epochs=1, audit=False)
    assert silent.contents is None
    assert "contents" not in str(silent)
    assert silent.digest == receipt.digest


def test_the_weights_are_those_of_a_run_without_an_audit() -> None:
    one, other = model(), model()
    one.fit(X, Y, batch_size=4, epochs=3, seed=1, verbose=0, audit=True)
    other.fit(X, Y, batch_size=4, epochs=3, seed=1, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def test_fit_generator_can_be_audited() -> None:
    got = model().fit_generator(Rows(), 7, 3, verbose=0, seed=2, audit=True).receipts
    want = model().fit_generator(Rows(), 7, 3, verbose=0, seed=2, audit=True, workers=0).receipts
    assert [receipt.contents for receipt in got] == [receipt.contents for receipt in want]
    assert None not in [receipt.contents for receipt in got]


class Crash(Callback):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.model.history.epoch and batch == 6:
            raise RuntimeError("planned")


@pytest.mark.parametrize("audit", [True, False])
def test_it_goes_on_over_a_resume(tmp_path: Path, audit: bool) -> None:
    options: Any = {"epochs": 3, "verbose": 0, "seed": 9}
    whole = model().fit(Rows(), audit=True, **options).receipts
    stops = [BackupAndRestore(tmp_path, save_freq=3), Crash()]
    with pytest.raises(RuntimeError, match="planned"):
        model().fit(Rows(), callbacks=stops, audit=audit, **options)
    goes_on = BackupAndRestore(tmp_path)
    again = model().fit(Rows(), callbacks=[goes_on], audit=True, workers=0, **options).receipts
    got = [receipt.contents for receipt in again]
    if audit:
        assert got == [receipt.contents for receipt in whole]
    else:  # no checksum of data that were not read
        assert got == [None, None, whole[2].contents]
