"""A seed is a whole number of any kind and size, reduced in one way everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import streamfit
from streamfit import Sequence, Sequential, initializers, layers, optimizers

X = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
LARGE = [2**63, 2**64 - 1, 2**64, 2**64 + 1, 10**40]


class Index:
    """A whole number that has only `__index__`."""

    def __index__(self) -> int:
        return 2**64


def trained(seed: Any, **options: Any) -> Any:
    model = Sequential(
        [
            layers.Dense(4, input_shape=(3,), kernel_initializer="ones"),
            layers.Dropout(0.5),
            layers.Dense(1, kernel_initializer="ones"),
        ]
    )
    model.compile(optimizers.SGD(0.01), "mse")
    return model.fit(X, X[:, :1], batch_size=4, epochs=2, verbose=0, seed=seed, **options)


@pytest.fixture(autouse=True)
def unseeded() -> Any:
    yield
    streamfit.set_random_seed(0)


@pytest.mark.parametrize("seed", LARGE)
def test_a_large_seed_repeats_the_order(seed: int) -> None:
    orders = []
    for _ in range(2):
        with streamfit.stream(np.arange(50), batch_size=50, shuffle=True, seed=seed) as stream:
            orders.append(next(iter(stream)).tolist())
    assert orders[0] == orders[1]


def test_seeds_that_differ_in_any_bit_give_other_orders() -> None:
    orders = set()
    for seed in [0, 1, *LARGE]:
        with streamfit.stream(np.arange(50), batch_size=50, shuffle=True, seed=seed) as stream:
            orders.add(tuple(next(iter(stream)).tolist()))
    assert len(orders) == 2 + len(LARGE)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.int8(5), 5),
        (np.array(5), 5),
        (Index(), 2**64),
        (5.0, 5),
        (np.array(2**63, dtype=np.uint64), 2**63),
    ],
)
def test_equal_numbers_of_different_kinds_are_one_seed(one: Any, other: int) -> None:
    streamfit.set_random_seed(one)
    first = trained(None).history
    streamfit.set_random_seed(other)
    assert trained(None).history == first
    assert layers.Dropout(0.5, seed=one).seed == layers.Dropout(0.5, seed=other).seed
    drawn = [initializers.RandomNormal(seed=seed)((3, 3)) for seed in (one, other)]
    assert np.array_equal(*drawn)


@pytest.mark.parametrize("seed", [2**63, 10**40])
def test_fit_repeats_and_the_history_names_a_seed_that_repeats_it(seed: int) -> None:
    streamfit.set_random_seed(1)
    first = trained(seed)
    streamfit.set_random_seed(1)
    again = trained(first.seed)
    assert 0 <= first.seed < 2**63
    assert (again.history, again.seed) == (first.history, first.seed)


class Noise(Sequence):
    """Draws its batches."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return self.rng(index).normal(size=(4, 3)), np.zeros(4)


@pytest.mark.timeout(60)
def test_draws_of_a_sequence_follow_a_large_seed_on_every_kind_of_worker() -> None:
    found = []
    for placement in ({"workers": 0}, {"workers": 2}, {"workers": 2, "use_multiprocessing": True}):
        with streamfit.stream(Noise(), seed=2**65 + 7, **placement) as stream:
            found.append(np.stack([x for x, _ in stream]))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    with streamfit.stream(Noise(), seed=7) as stream:
        assert not np.array_equal(found[0], np.stack([x for x, _ in stream]))


def test_small_seeds_stand_for_themselves() -> None:
    assert trained(7).seed == 7
    assert trained(np.int64(2**63 - 1)).seed == 2**63 - 1


@pytest.mark.parametrize("seed", ["7", 1.5, True, np.array([1]), [1]])
def test_what_is_no_whole_number_is_refused_by_name(seed: Any) -> None:
    for call in (
        lambda: trained(seed),
        lambda: streamfit.set_random_seed(seed),
        lambda: streamfit.stream(X, seed=seed),
        lambda: layers.Dropout(0.5, seed=seed),
        lambda: initializers.RandomNormal(seed=seed),
    ):
        with pytest.raises(TypeError, match="seed must be a whole number"):
            call()
