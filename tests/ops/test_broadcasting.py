"""Broadcasting, slicing and transposing against NumPy over generated shapes and keys."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from oracles.gradients import Trace

from streamfit import ops
from streamfit.ops.broadcasting import broadcast_shapes, matrices
from streamfit.ops.sums import sum_onto


@given(
    hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=5, max_side=4, min_side=1), st.integers(0, 99)
)
def test_where_and_add_broadcast_like_numpy(shapes: hnp.BroadcastableShapes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    c, a, b = (np.asarray(rng.normal(size=shape)) for shape in shapes.input_shapes)
    np.testing.assert_array_equal(ops.where(c > 0, a, b), np.where(c > 0, a, b))
    np.testing.assert_array_equal(ops.subtract(ops.add(c, a), b), (c + a) - b)
    assert broadcast_shapes("add", *shapes.input_shapes) == shapes.result_shape


@given(
    hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=5, max_side=4, min_side=1), st.integers(0, 99)
)
def test_gradients_add_up_over_broadcast_axes(shapes: hnp.BroadcastableShapes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (np.asarray(rng.normal(size=shape)) for shape in shapes.input_shapes)
    trace = Trace(ops.multiply, [a, b], 1, [False, False])
    trace.compute()
    gy = np.asarray(rng.normal(size=shapes.result_shape))
    ga, gb = trace.gradients([gy])[0]
    np.testing.assert_allclose(ga, folded(gy * b, a.shape), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gb, folded(gy * a, b.shape), rtol=1e-12, atol=1e-12)


def folded(full: Any, shape: tuple[int, ...]) -> Any:
    extra = full.ndim - len(shape)
    axes = [*range(extra), *(extra + i for i, n in enumerate(shape) if n == 1)]
    return full.sum(axis=tuple(axes), keepdims=True).reshape(shape)


def test_scattered_axes_are_expanded_and_plain_ones_are_not() -> None:
    full, bias, column = np.empty((4, 3, 5)), np.empty(5), np.empty((4, 1, 1))
    assert not matrices((4, 3, 5), [full, bias])[2]
    assert not matrices((4, 3, 5), [full, column])[2]
    assert matrices((4, 3, 5), [full, np.empty((1, 3, 1))])[2]


def test_sums_onto_a_shape_are_accumulated_in_double_precision() -> None:
    full = np.full((300, 3, 300), 0.1, "float32")
    part = np.empty((3, 1), "float32")
    for function, arguments in sum_onto(full, part):
        function(*arguments)
    np.testing.assert_array_equal(part, np.float32(9e4 * np.float64(np.float32(0.1))))


@given(st.data())
def test_getitem_is_that_of_numpy(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=5))
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True))
    x = np.arange(float(np.prod(shape))).reshape(shape)
    np.testing.assert_array_equal(ops.getitem(x, key), x[key])
    trace = Trace(lambda v: ops.getitem(v, key), [x], 1, [False])
    gy = 1 + np.asarray(trace.compute()[0])
    gradient = trace.gradients([gy])[0][0]
    wanted = np.zeros(shape)
    wanted[key] = gy
    np.testing.assert_array_equal(gradient, wanted)


@given(st.permutations(range(4)), hnp.array_shapes(min_dims=4, max_dims=4, max_side=4))
def test_transpose_is_that_of_numpy(axes: list[int], shape: tuple[int, ...]) -> None:
    x = np.arange(float(np.prod(shape))).reshape(shape)
    np.testing.assert_array_equal(ops.transpose(x, axes), x.transpose(axes))


@given(hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=3), st.data())
def test_reductions_are_those_of_numpy_for_any_axes(shape: tuple[int, ...], data: st.DataObject) -> None:
    axes = data.draw(st.sets(st.integers(0, len(shape) - 1)).map(tuple))
    keepdims = data.draw(st.booleans())
    x = np.random.default_rng(0).normal(size=shape)
    np.testing.assert_allclose(ops.sum(x, axes, keepdims), x.sum(axes, keepdims=keepdims), atol=1e-12)
    if 0 not in shape:
        np.testing.assert_array_equal(ops.max(x, axes, keepdims), x.max(axes, keepdims=keepdims))


def test_empty_batches_pass_through() -> None:
    x = np.empty((0, 3), "float32")
    assert ops.add(x, np.ones(3, "float32")).shape == (0, 3)
    assert ops.relu(x).shape == (0, 3)
    assert ops.sum(x, axis=0).tolist() == [0, 0, 0]
    assert ops.concatenate([x, x]).shape == (0, 6)
    assert ops.getitem(x, (slice(None), 1)).shape == (0,)
    assert ops.softmax(x).shape == (0, 3)
    assert ops.transpose(x).shape == (3, 0)
    assert ops.broadcast_to(x, (2, 0, 3)).shape == (2, 0, 3)
    assert ops.matmul(x, np.ones((3, 2), "float32")).shape == (0, 2)
