"""Transforms of series against NumPy and SciPy; keys, lengths and pipelines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline

from streamfit import augment, stream
from streamfit._base.errors import DataError, SampleError
from streamfit.augment.draws import SampleDraws
from streamfit.streams import source

pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # kernels as Python

series = augment.series

ALL: list[Any] = [
    series.jitter((0.1, 0.5)),
    series.scaling(0.3),
    series.magnitude_warp(0.3, knots=2),
    series.time_warp(0.4, knots=3),
    series.window_slice((0.5, 0.9)),
    series.crop(5),
    series.permutation(3),
    series.time_shift(0.4),
    series.time_shift(0.4, wrap=True, p=0.5),
    series.time_mask(0.5, count=2),
    series.channel_mask(2),
    series.channel_dropout(0.4),
    series.flip(),
    series.flip("sign"),
    series.maybe(series.jitter(0.2)),
    series.chain(series.scaling(0.1), series.jitter(0.1), series.time_warp()),
]
KEYS = np.arange(1, 6, dtype=np.uint64) * np.uint64(7919)


def batch(count: int = 5, steps: int = 9, channels: int = 3) -> Any:
    return np.random.default_rng(3).normal(size=(count, steps, channels)).astype("float32")


@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_a_sample_depends_on_its_key_alone(transform: Any) -> None:
    x = batch()
    given_x = x.copy()
    whole, y = transform.transform_batch(x, "targets", KEYS)
    np.testing.assert_array_equal(x, given_x)
    assert y == "targets"
    assert whole.dtype == np.float32
    assert np.isfinite(whole).all()
    for row in (0, 4):
        alone, _ = transform.transform_batch(x[row : row + 1], None, KEYS[row : row + 1])
        np.testing.assert_array_equal(alone[0], whole[row])
    ragged = [each[: 9 - row] for row, each in enumerate(x)]
    found = transform.transform_batch(ragged, None, KEYS)[0]
    np.testing.assert_array_equal(found[0], whole[0])
    for row in range(5):
        alone = transform.transform_batch([ragged[row]], None, KEYS[row : row + 1])[0]
        np.testing.assert_array_equal(found[row], alone[0])
    other, _ = transform.transform_batch(x, None, KEYS + np.uint64(1))
    assert not np.array_equal(other, whole)
    flat = transform.transform_batch(x[..., 0], None, KEYS)[0]
    assert flat.shape == whole.shape[:2]


@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_empty_batches_and_single_steps(transform: Any) -> None:
    assert len(transform.transform_batch(np.empty((0, 6, 2), "float32"), None, KEYS[:0])[0]) == 0
    if "crop" not in repr(transform):
        made = transform.transform_batch(np.ones((5, 1, 2), "float32"), None, KEYS)[0]
        assert made.shape == (5, 1, 2)


def test_jitter_is_box_and_mullers_formula() -> None:
    x = batch()
    made = series.jitter(0.5).transform_batch(x, None, KEYS)[0]
    words = SampleDraws(KEYS).hashes("noise", 27).reshape(5, 9, 3)
    first = ((words >> np.uint64(32)) + 0.5) / 2**32
    second = (words & np.uint64(0xFFFFFFFF)) / 2**32
    normal = np.sqrt(-2 * np.log(first)) * np.cos(2 * np.pi * second)
    np.testing.assert_allclose(made, x + 0.5 * normal, rtol=0, atol=1e-6)


@pytest.mark.jit
def test_noise_is_normally_distributed() -> None:
    from scipy.stats import kstest

    noise = series.jitter(1.0)(np.zeros((4, 2000, 2), "float32"), seed=1)
    assert kstest(np.ravel(noise), "norm").pvalue > 0.01  # type: ignore[arg-type]


def test_scaling_and_magnitude_warp_are_products_with_splines() -> None:
    x = batch()
    draws = SampleDraws(KEYS)
    made = series.scaling(0.3).transform_batch(x, None, KEYS)[0]
    np.testing.assert_allclose(made, x * (1 + 0.3 * draws.normal("factor", (1, 3))), rtol=1e-6)
    made = series.magnitude_warp(0.3, knots=2).transform_batch(x, None, KEYS)[0]
    knots = 1 + 0.3 * draws.normal("knots", (4, 3))
    for row in range(5):
        curve = CubicSpline(np.linspace(0, 8, 4), knots[row])(np.arange(9))
        np.testing.assert_allclose(made[row], x[row] * curve, rtol=1e-5, atol=1e-6)


def test_time_warp_interpolates_at_summed_speeds() -> None:
    x = batch()
    made = series.time_warp(0.4, knots=3).transform_batch(x, None, KEYS)[0]
    knots = 1 + 0.4 * SampleDraws(KEYS).normal("speeds", (5,))
    for row in range(5):
        speeds = np.maximum(CubicSpline(np.linspace(0, 8, 5), knots[row])(np.arange(9)), 0.1)
        times = np.cumsum(speeds) - speeds[0]
        times *= 8 / times[-1]
        for c in range(3):
            wanted = np.interp(times, np.arange(9), x[row, :, c])
            np.testing.assert_allclose(made[row, :, c], wanted, rtol=0, atol=1e-5)
    np.testing.assert_allclose(made[:, [0, -1]], x[:, [0, -1]], atol=1e-6)


def test_window_slice_stretches_a_part() -> None:
    ramp = np.tile(np.arange(11, dtype="float32")[:, None], (5, 1, 1))
    made = series.window_slice(0.5).transform_batch(ramp, None, KEYS)[0][..., 0]
    np.testing.assert_allclose(np.diff(made), 0.5, atol=1e-5)
    assert made.min() >= 0
    assert made.max() <= 10
    np.testing.assert_array_equal(series.window_slice(1.0)(ramp, seed=1), ramp)


@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 99))
def test_crop_takes_neighbouring_steps(steps: int, wanted: int, seed: int) -> None:
    ramp = np.arange(1, steps + 1, dtype="float32")
    if wanted > steps:
        with pytest.raises(SampleError, match=f"a series has {steps} steps; crop fewer, or write padding=0"):
            series.crop(wanted)([ramp], seed=seed)
    (made,) = series.crop(wanted, padding=-1)([ramp], seed=seed)  # type: ignore[misc]
    inside = made[made > 0]
    assert len(made) == wanted
    assert inside.tolist() == list(range(int(inside[0]), int(inside[0]) + min(steps, wanted)))
    assert (made[len(inside) :] == -1).all()


def test_crops_are_all_drawn_and_fixed_ones_are_where_they_are_said_to_be() -> None:
    ramp = np.tile(np.arange(6, dtype="float32"), (200, 1))
    assert set(np.asarray(series.crop(3)(list(ramp), seed=0))[:, 0].tolist()) == {0, 1, 2, 3}
    assert series.crop(3, at="center")(list(ramp[:1])).tolist() == [[1, 2, 3]]  # type: ignore[attr-defined]
    assert series.crop(3, at="start")(list(ramp[:1])).tolist() == [[0, 1, 2]]  # type: ignore[attr-defined]


def test_permutation_keeps_segments_whole() -> None:
    ramp = np.tile(np.arange(10, dtype="float32")[:, None], (5, 1, 1))
    made = series.permutation(3).transform_batch(ramp, None, KEYS)[0][..., 0]
    assert (np.sort(made) == np.arange(10)).all()
    for row in made.astype(int).tolist():
        assert all(
            "".join(map(str, part)) in "".join(map(str, row)) for part in ([0, 1, 2], [3, 4, 5], [6, 7, 8, 9])
        )


def test_shift_moves_steps() -> None:
    ramp = np.tile(np.arange(1, 11, dtype="float32")[:, None], (5, 1, 1))
    for wrap in (False, True):
        made = series.time_shift(0.3, wrap=wrap).transform_batch(ramp, None, KEYS)[0][..., 0]
        shifts = SampleDraws(KEYS).whole("shift", -3, 4)
        assert len(set(shifts.tolist())) > 1
        for row, shift in zip(made, shifts.tolist(), strict=True):
            rolled = np.roll(ramp[0, :, 0], shift)
            if not wrap:
                rolled[slice(0, shift) if shift >= 0 else slice(shift, None)] = 0
            np.testing.assert_array_equal(row, rolled)


@given(st.integers(0, 5) | st.floats(0, 0.9), st.integers(1, 3), st.integers(0, 50))
def test_masks_are_runs_no_longer_than_said(most: float, count: int, seed: int) -> None:
    longest = int(8 * most) if most < 1 else int(most)
    for transform, axis in ((series.time_mask, 0), (series.channel_mask, 1)):
        made = transform(most, count, value=9.0)(np.ones((8, 8), "float32"), seed=seed)
        gone = np.asarray(made) == 9
        lines = gone.all(axis=1 - axis)
        np.testing.assert_array_equal(lines, gone.any(axis=1 - axis))
        runs = np.diff(np.flatnonzero(np.diff(np.r_[0, lines, 0])))[::2]
        assert len(runs) <= count
        assert lines.sum() <= longest * count


def test_masks_of_all_lengths_and_the_mean() -> None:
    x = batch(300, 6, 2)
    made = np.asarray(series.time_mask(2, value="mean")(x, seed=1))
    lengths = (made != x).any(axis=2).sum(axis=1)
    assert set(lengths.tolist()) == {0, 1, 2}
    row = int((lengths == 2).argmax())
    changed = made[row][(made[row] != x[row]).any(axis=1)]
    np.testing.assert_allclose(changed, x[row].mean(), rtol=1e-5)


def test_flips_and_dropout() -> None:
    x = batch()
    np.testing.assert_array_equal(series.flip(p=1)(x), x[:, ::-1])
    np.testing.assert_array_equal(series.flip("sign", p=1)(x), -x)
    made = np.asarray(series.channel_dropout(0.5, value=7)(batch(200), seed=1))
    dead = (made == 7).all(axis=1)
    np.testing.assert_array_equal(dead, (made == 7).any(axis=1))
    assert 0.4 < dead.mean() < 0.6


def test_maybe_transforms_some_series_whole() -> None:
    x = batch(200)
    made = np.asarray(series.maybe(series.flip("sign", p=1), 0.3)(x, seed=2))
    flipped = (made == -x).all(axis=(1, 2))
    assert ((made == x).all(axis=(1, 2)) != flipped).all()
    assert 0.2 < flipped.mean() < 0.4
    with pytest.raises(ValueError, match=r"write series.crop\(.* outside of maybe"):
        series.maybe(series.crop(3), 1.0)(x)


@pytest.mark.jit
def test_bits_are_the_same_on_workers_and_differ_between_passes() -> None:
    x, y = batch(20), np.arange(20)
    made = source(x, y).shuffle().map(series.chain(series.time_warp(), series.jitter(0.1))).batch(6)
    found = []
    for workers, processes in ((0, False), (2, False), (2, True)):
        with stream(made, seed=3, workers=workers, use_multiprocessing=processes) as batches:
            found.append([[(a.tobytes(), b.tolist()) for a, b in batches] for _ in range(2)])
    assert found[0] == found[1] == found[2]
    one, two = (b"".join(xs for xs, _ in sorted(each)) for each in found[0])
    assert one != two
    again = source(x, y).map(series.jitter(0.1)).batch(20)
    first, second = (x.tobytes() for x, _ in (next(again.elements(number)) for number in (0, 1)))
    assert first != second


def test_behind_windows_and_on_different_lengths() -> None:
    windows = source(batch(1, 30)[0]).window(6, shift=2, horizon=1).map(series.jitter(0.1)).batch(4)
    x, y = next(iter(windows))
    assert (x.shape, y.shape) == ((4, 6, 3), (4, 3))
    np.testing.assert_array_equal(y[0], batch(1, 30)[0][6])
    ragged = (
        source([3, 8, 5]).map(lambda n: np.ones((n, 2), "float32")).map(series.crop(4, padding=0)).batch(3)
    )
    assert next(iter(ragged)).sum(axis=(1, 2)).tolist() == [6, 8, 8]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: series.jitter(-1), ValueError, "scale must be at least 0"),
        (lambda: series.jitter((0.2, 0.1)), ValueError, "scale must be a pair"),
        (lambda: series.window_slice(1.5), ValueError, "fraction must be above 0 and at most 1"),
        (lambda: series.flip("channels"), ValueError, "write 'time' or 'sign'"),
        (lambda: series.crop(4, at="end"), ValueError, "write 'random', 'start' or 'center'"),
        (lambda: series.time_mask(1.5), ValueError, "most must be a whole number, or a fraction below 1"),
        (lambda: series.time_mask(value="median"), ValueError, "write a number or 'mean'"),
        (lambda: series.chain(np.abs), TypeError, r"series.chain\(\) takes transforms such as"),
        (lambda: series.flip()(np.zeros((2, 3, 1))), DataError, "dtype float32, got float64"),
        (lambda: series.flip()(np.zeros(3, "f4")), DataError, r"shape \(n, steps, channels\)"),
        (lambda: series.flip()([np.zeros((2, 2), "f4"), np.zeros(2, "f4")]), SampleError, "as many channels"),
        (
            lambda: series.flip()([np.zeros((2, 2, 2), "f4")]),
            SampleError,
            r"must have shape \(steps, channels\)",
        ),
        (lambda: series.flip()([]), DataError, "there are no series"),
        (lambda: series.flip().transform_batch({"a": 1}, None, KEYS), DataError, "x is a dictionary"),
    ],
)
def test_wrong_arguments_and_series(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()
