from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.order import shuffled

from streamfit._base.keys import derive
from streamfit.kernels.decorator import JIT_ENABLED
from streamfit.streams.order import Order

compiled = pytest.mark.skipif(not JIT_ENABLED, reason="takes minutes where kernels are plain Python")

KEYS = st.integers(0, 2**64 - 1)


@given(st.integers(1, 3000), KEYS)
def test_it_is_a_bijection(n: int, key: int) -> None:
    assert np.array_equal(np.sort(Order(n, key).ids(0, n)), np.arange(n))


@given(st.integers(1, 2**62), KEYS, st.data())
def test_any_position_of_any_size_agrees_with_the_oracle(n: int, key: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, n - 1))
    count = data.draw(st.integers(1, min(20, n - start)))
    expected = [shuffled(n, key, position) for position in range(start, start + count)]
    assert Order(n, key).ids(start, count).tolist() == expected


@given(st.integers(2, 500), KEYS, st.data())
def test_a_part_is_the_same_as_that_part_of_the_whole(n: int, key: int, data: st.DataObject) -> None:
    order = Order(n, key)
    start = data.draw(st.integers(0, n))
    stop = data.draw(st.integers(start, n))
    assert np.array_equal(order.ids(start, stop - start), order.ids(0, n)[start:stop])


def test_the_order_of_a_seed_never_changes() -> None:
    assert Order(10, derive(7, 0, "shuffle")).ids(0, 10).tolist() == [8, 9, 6, 2, 7, 4, 5, 0, 1, 3]
    large = Order(10**12, derive(7, 0, "shuffle"))
    assert large.ids(10**12 - 3, 3).tolist() == [741627042991, 522203433175, 173624923233]


def test_large_orders_spread_and_do_not_collide() -> None:
    n = 10**12
    ids = Order(n, 3).ids(n // 2, 5000)
    assert len(set(ids.tolist())) == 5000
    assert 0 <= ids.min() < n // 100
    assert n - n // 100 < ids.max() < n
    assert abs(ids.mean() / n - 0.5) < 0.03


@compiled
def test_a_sample_of_a_large_order_is_even_and_has_no_duplicates() -> None:
    n, count, bins = 10**12, 1 << 18, 64
    order = Order(n, 11)
    ids = order.ids(n // 3, count)
    assert len(np.unique(ids)) == count
    expected = count / bins
    for found in (ids * bins // n, ids % bins):  # the upper and the lower part of the ids
        statistic = float(((np.bincount(found, minlength=bins) - expected) ** 2 / expected).sum())
        assert 20 < statistic < 130  # chi square with 63 degrees of freedom; 1 - 1e-6 is at 128
    pairs = np.bincount((ids[:-1] * 16 // n) * 16 + ids[1:] * 16 // n, minlength=256)
    expected = (count - 1) / 256
    assert 150 < float(((pairs - expected) ** 2 / expected).sum()) < 380  # 255 degrees of freedom
    scattered = np.random.default_rng(1).choice(n, 1 << 15, replace=False)
    assert len(np.unique(order.at(scattered))) == 1 << 15


@compiled
def test_many_ids_take_no_more_scratch_than_a_few() -> None:
    order = Order(10**12, 5)
    ids = order.ids(7, 100_000)
    assert order._halves.nbytes <= 1 << 18
    assert np.array_equal(ids[30_000:30_500], Order(10**12, 5).ids(30_007, 500))
    assert np.array_equal(order.at(np.arange(7, 100_007)), ids)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_every_permutation_of_a_few_is_equally_likely(n: int) -> None:
    draws = 600 if n < 5 else 2400
    seen = Counter(tuple(Order(n, key).ids(0, n).tolist()) for key in range(draws))
    factorial = {2: 2, 3: 6, 4: 24, 5: 120}[n]
    expected = draws / factorial
    statistic = sum((seen[p] - expected) ** 2 / expected for p in seen) + expected * (factorial - len(seen))
    # Far beyond the 1 - 1e-6 quantile of chi square with (factorial - 1) degrees of freedom.
    assert statistic < factorial - 1 + 6 * (2 * factorial) ** 0.5 + 12


def test_neighbours_and_orders_are_not_related() -> None:
    n = 4096
    first, second = Order(n, 1).ids(0, n), Order(n, 2).ids(0, n)
    assert abs(np.corrcoef(first, np.arange(n))[0, 1]) < 0.06
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.06
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 0.06
    assert (first == second).sum() < 12


@pytest.mark.parametrize("n", [-1, 2**62 + 1])
def test_sizes_that_cannot_be_are_refused(n: int) -> None:
    with pytest.raises(ValueError, match=str(n).replace("-", "\\-")):
        Order(n, 0)


@pytest.mark.parametrize(("start", "count"), [(-1, 2), (9, 2), (11, 0), (2, -1)])
def test_positions_outside_are_refused(start: int, count: int) -> None:
    with pytest.raises(ValueError, match=r"0\.\.9"):
        Order(10, 0).ids(start, count)


def test_no_ids_are_no_ids() -> None:
    assert Order(0, 0).ids(0, 0).size == 0
