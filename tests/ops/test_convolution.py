"""Convolution beyond the table: drawn shapes, tiles, gradients, free axes, errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import ops as twins
from oracles.gradients import Trace, finite_differences

from streamfit import ops
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec
from streamfit.kernels.bias_activation import FUSED
from streamfit.ops import Tensor, convolution
from streamfit.ops.operation import workspace_from

NUMBERS = st.integers(1, 3)


@contextmanager
def tiles_of(tile: int) -> Iterator[None]:
    """Compute so many positions at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "_FEWEST_ROWS", tile)
        patch.setattr(convolution, "_MOST_ROWS", tile)
        with workspace_from(nonsense):
            yield


def nonsense(shape: Any, dtype: Any) -> Array:
    """Return memory whose content shows in every result that reads it before it is written."""
    return np.full(tuple(shape), np.nan, dtype)


@st.composite
def arguments(draw: st.DrawFn) -> tuple[list[Any], dict[str, Any]]:
    """Draw inputs, kernel, and everything else, as whole numbers in floats: sums of them are exact."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rank, groups, own, each = draw(NUMBERS), draw(NUMBERS), draw(NUMBERS), draw(NUMBERS)
    size = tuple(draw(NUMBERS) for _ in range(rank))
    lengths = tuple(draw(st.integers(1, 7 - rank)) for _ in range(rank))
    options = {
        "strides": tuple(draw(NUMBERS) for _ in range(rank)),
        "dilation_rate": tuple(draw(st.sampled_from([1, 1, 2, 3])) for _ in range(rank)),
        "padding": draw(st.sampled_from(["valid", "same", *(["causal"] if rank == 1 else [])])),
    }
    spans = [(k - 1) * d + 1 for k, d in zip(size, options["dilation_rate"], strict=True)]
    assume(options["padding"] != "valid" or all(n >= s for n, s in zip(lengths, spans, strict=True)))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    x = rng.integers(-4, 5, (draw(st.integers(1, 3)), *lengths, groups * own)).astype(dtype)
    w = rng.integers(-4, 5, (*size, own, groups * each)).astype(dtype)
    return [x, w], options


@given(arguments(), st.sampled_from([1, 3, 64]))
def test_whole_numbers_are_convolved_exactly(drawn: tuple[list[Any], dict[str, Any]], tile: int) -> None:
    (x, w), options = drawn
    with tiles_of(tile):
        found = ops.conv(x, w, **options)
    assert found.dtype == x.dtype
    np.testing.assert_array_equal(found, twins.conv(x, w, **options))


@given(arguments(), st.sampled_from([1, 3, 64]), st.sampled_from(FUSED), st.integers(0, 2**32))
@settings(max_examples=40)
def test_gradients_are_those_of_finite_differences(
    drawn: tuple[list[Any], dict[str, Any]], tile: int, activation: str, seed: int
) -> None:
    (x, w), options = drawn
    rng = np.random.default_rng(seed)
    given_arrays = [x.astype(float), w.astype(float) / 8, rng.normal(size=w.shape[-1])]

    def function(x: Any, w: Any, b: Any) -> Any:
        return ops.conv(x, w, bias=b, activation=activation, **options)

    def twin(x: Any, w: Any, b: Any) -> Any:
        return twins.conv(x, w, bias=b, activation=activation, **options)

    with tiles_of(tile):
        trace = Trace(function, given_arrays, len(x), [True, False, False])
        (y,) = trace.compute()
        weights = [rng.normal(size=y.shape)]
        found, _ = trace.gradients(weights)
    for i, gradient in enumerate(found):
        assert gradient is not None
        places = rng.permutation(gradient.size)[:6]
        wanted = finite_differences(twin, given_arrays, i, weights, places)
        np.testing.assert_allclose(gradient.ravel()[places], wanted, rtol=1e-5, atol=1e-6)


@given(arguments(), st.integers(0, 2**32))
def test_tiles_of_any_size_give_the_same_gradients(
    drawn: tuple[list[Any], dict[str, Any]], seed: int
) -> None:
    """On whole numbers, to the bit."""
    arrays, options = drawn

    def gradients(tile: int) -> list[Array | None]:
        with tiles_of(tile):
            trace = Trace(ops.conv, arrays, len(arrays[0]), [True, False], **options)
            (y,) = trace.compute()
            weights = np.random.default_rng(seed).integers(-4, 5, y.shape).astype(y.dtype)
            return trace.gradients([weights])[0]

    for one, other in zip(gradients(1 << 12), gradients(2), strict=True):
        assert one is not None
        np.testing.assert_array_equal(one, other)


def test_work_of_the_size_of_all_patches_is_never_kept() -> None:
    """A batch may be as large as it likes: the memory beside inputs and outputs stays the same."""

    def bytes_taken(n: int) -> int:
        taken: list[int] = []

        def counted(shape: Any, dtype: Any) -> Array:
            array = np.empty(tuple(shape), dtype)
            taken.append(array.nbytes)
            return array

        with workspace_from(counted):
            x, w = np.zeros((n, 9, 9, 4), "float32"), np.zeros((3, 3, 4, 8), "float32")
            trace = Trace(ops.conv, [x, w], n, [True, False], bias=np.zeros(8, "float32"), activation="relu")
            trace.compute()
            trace.gradients([np.zeros((n, 7, 7, 8), "float32")])
        return sum(taken)

    assert bytes_taken(1) == bytes_taken(50)


def test_samples_do_not_touch_each_other() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(5, 6, 5, 3)), rng.normal(size=(3, 3, 3, 4))
    whole = ops.conv(x, w, 2, "same")
    x[2] = np.nan
    spoiled = ops.conv(x, w, 2, "same")
    assert np.isnan(spoiled[2]).any()
    np.testing.assert_array_equal(np.delete(spoiled, 2, 0), np.delete(whole, 2, 0))


def test_no_samples_give_no_outputs_and_a_gradient_of_zero() -> None:
    w = np.ones((2, 2, 1, 3))
    trace = Trace(ops.conv, [np.ones((0, 4, 4, 1)), w], 0, [True, False])
    (y,) = trace.compute()
    assert y.shape == (0, 3, 3, 3)
    gx, gw = trace.gradients([y])[0]
    assert gx is not None
    assert gx.shape == (0, 4, 4, 1)
    np.testing.assert_array_equal(gw, np.zeros_like(w))


def test_whole_numbers_and_lists_become_floats() -> None:
    assert ops.conv(np.ones((1, 3, 1), "uint8"), np.ones((2, 1, 1), "int64")).dtype == np.float32
    assert ops.conv(np.ones((1, 3, 1), "float64"), [[[1.0]]]).dtype == np.float64


def tensor(*shape: int | None) -> Tensor:
    return Tensor(Spec(shape, np.dtype("float32")))


def test_free_axes_stay_free_where_the_graph_is_made() -> None:
    x, w = tensor(None, None, 9, 3), np.ones((3, 3, 3, 5), "float32")
    assert ops.conv(x, w, 2).shape == (None, None, 4, 5)
    assert ops.conv(tensor(None, None, None, 3), w, padding="same").shape == (None, None, None, 5)


X, W = np.ones((2, 5, 6, 4), "float32"), np.ones((3, 2, 2, 6), "float32")
SHAPE_ERRORS: list[tuple[Callable[[], Any], str]] = [
    (lambda: ops.conv(np.ones((2, 4)), W), r"got \(2, 4\) and \(3, 2, 2, 6\)"),
    (lambda: ops.conv(X, W[0]), r"got \(2, 5, 6, 4\) and \(2, 2, 6\)"),
    (lambda: ops.conv(np.ones((2, 1, 1, 1, 1, 1)), np.ones((1, 1, 1, 1, 1, 1))), "kernel of shape"),
    (lambda: ops.conv(X[..., :3], W), "channels / groups"),
    (lambda: ops.conv(X[..., :0], W), "channels / groups"),
    (lambda: ops.conv(X, W[..., :0, :]), "channels / groups"),
    (lambda: ops.conv(tensor(None, 5, 6, None), W), "channels / groups"),
    (lambda: ops.conv(X, W[..., :5]), "5 filters, which 2 groups cannot share evenly"),
    (lambda: ops.conv(X, W, groups=1), "conv with groups=1"),
    (lambda: ops.conv(X, W, bias=np.ones(4, "float32")), r"bias of shape \(6,\), got \(4,\)"),
    (lambda: ops.conv(X[:, :2], W), r"a window of 3 does not fit into a height of 2; use padding='same'"),
    (lambda: ops.conv(tensor(None, 2, None, 4), W), "height of 2"),
]
VALUE_ERRORS: list[tuple[Callable[[], Any], str]] = [
    (lambda: ops.conv(X, W, strides=(1, 2, 3)), r"strides must be .* got \(1, 2, 3\)"),
    (lambda: ops.conv(X, W, dilation_rate=0), "dilation_rate must be"),
    (lambda: ops.conv(X, W, padding="causal"), "padding must be 'valid' or 'same', got 'causal'"),
    (lambda: ops.conv(X, W, data_format="channels_first"), "Transpose the data once"),
    (lambda: ops.conv(X, W, bias=np.ones(6), activation="elu"), "got 'elu'"),
    (lambda: ops.conv(X, W, activation="relu"), "'relu' and no bias"),
]


@pytest.mark.parametrize(("call", "message"), SHAPE_ERRORS)
def test_shapes_that_do_not_fit_are_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        call()


@pytest.mark.parametrize(("call", "message"), VALUE_ERRORS)
def test_values_that_make_no_sense_are_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
