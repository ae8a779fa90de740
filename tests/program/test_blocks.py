"""Blocks of rows: the same bits on any number of threads, and the numbers of the whole batch."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.kernel_threads import small_blocks, threads

import streamfit as sf
from streamfit import layers, ops
from streamfit.ops.core import Node, Tensor, apply
from streamfit.program import gradient
from streamfit.program.blocks import block_rows, is_rowwise

Array = np.ndarray[Any, Any]


def seeded(units: int, activation: str = "linear", **options: Any) -> layers.Dense:
    start = sf.initializers.GlorotUniform(seed=units)
    return layers.Dense(units, activation, kernel_initializer=start, dtype="float64", **options)


PIECES: dict[str, Callable[[Any], Any]] = {
    "dense": lambda x: seeded(5, "relu")(x),
    "penalty": lambda x: seeded(4, "tanh", kernel_regularizer="l2")(x),
    "dropout": lambda x: layers.Dropout(0.25, seed=3)(x),
    "batch normalization": lambda x: layers.BatchNormalization(dtype="float64")(x),
    "branches": lambda x: layers.Concatenate()([seeded(3)(x), layers.Activation("sigmoid")(x)]),
    "shared": lambda x: shared(x),
    "softmax": lambda x: ops.softmax(x),
    "mean of the batch": lambda x: x - ops.mean(x, axis=0, keepdims=True),
    "noise": lambda x: layers.GaussianNoise(0.1, seed=5)(x),
    "reversed": lambda x: x[..., ::-1],
    "activity": lambda x: seeded(5, activity_regularizer="l2")(x),
    "constrained": lambda x: seeded(5, kernel_constraint="max_norm")(x),
}


def shared(x: Any) -> Any:
    layer = seeded(int(x.shape[-1]))
    return layers.Add()([layer(x), layer(layer(x))])


def trained(names: list[str], number: int, rows: int, checked: bool = False) -> tuple[list[Array], Any]:
    """Train a stack of pieces with a number of threads; return weights and results."""
    with threads(number):
        start = sf.Input((None, 3), dtype="float64")
        x: Any = layers.Masking(9.0, dtype="float64")(start)
        for name in names:
            x = PIECES[name](x)
        model = sf.Model(start, seeded(2)(x))
        model.compile(sf.optimizers.Adam(0.01), "mse", metrics=["mae"])
        rng = np.random.default_rng(0)
        data, targets = rng.normal(size=(2 * rows + 1, 4, 3)), rng.normal(size=(2 * rows + 1, 4, 2))
        data[1, 2:] = 9.0
        guards = [sf.callbacks.TerminateOnNaN(before_update=True)] if checked else []
        history = model.fit(
            data, targets, batch_size=rows, epochs=2, seed=1, verbose=0, shuffle=False, callbacks=guards
        )
        return model.get_weights(), (history.history, model.predict(data, batch_size=rows))


@pytest.mark.jit
@pytest.mark.timeout(300)  # a new machine compiles some 40 kernels here
@given(st.lists(st.sampled_from(sorted(PIECES)), max_size=4), st.integers(8, 70), st.booleans())
@settings(max_examples=12, deadline=None)
def test_same_bits_on_any_number_of_threads_and_the_numbers_of_the_whole(
    names: list[str], rows: int, checked: bool
) -> None:
    whole = trained(names, 1, rows, checked)
    with small_blocks():
        one, two, four = (trained(names, number, rows, checked) for number in (1, 2, 4))
    for other in (two, four):
        assert all(np.array_equal(a, b) for a, b in zip(one[0], other[0], strict=True))
        assert one[1][0] == other[1][0]
        np.testing.assert_array_equal(one[1][1], other[1][1])
    for mine, theirs in zip(one[0], whole[0], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(one[1][1], whole[1][1], rtol=1e-7, atol=1e-9)


@pytest.mark.jit
def test_the_number_of_blocks_depends_on_work_and_weights() -> None:
    def blocks_of(rows: int, *units: int) -> int:
        model = sf.Sequential([sf.Input((784,)), *(layers.Dense(n, "relu") for n in units)])
        model.compile("sgd", "mse")
        model.train_on_batch(np.zeros((rows, 784), "float32"), np.zeros((rows, units[-1]), "float32"))
        built = model.runner()._built
        assert built is not None
        (program,) = built.programs._programs.values()
        return program.bind(rows).blocks

    assert blocks_of(32, 64, 2) == 1
    assert blocks_of(256, 128, 10) == 2
    assert blocks_of(2048, 128, 10) > 2


@pytest.mark.parametrize(
    ("make", "apart"),
    [
        (lambda x: ops.relu(x), True),
        (lambda x: ops.mean(x, axis=1), True),
        (lambda x: ops.mean(x, axis=0), False),
        (lambda x: ops.transpose(x, (0, 2, 1)), True),
        (lambda x: ops.softmax(x), True),
        (lambda x: x[:, 0], True),
        (lambda x: ops.concatenate([x, x], 1), True),
        (lambda x: ops.reshape(x, (None, -1)), True),
        (lambda x: ops.batch_normalize(x, np.ones(3), np.zeros(3))[0], False),
    ],
)
def test_which_operations_work_row_by_row(make: Callable[[Tensor], Tensor], apart: bool) -> None:
    node = make(sf.Input((4, 3), dtype="float64")).node
    assert isinstance(node, Node)
    assert is_rowwise(node) is apart


def test_blocks_cover_all_rows_once() -> None:
    x = Tensor(sf._base.specs.Spec((None, 8), np.dtype("float64")))
    y = apply(import_module("streamfit.ops.dense").Dense("linear"), x, np.ones((8, 8)), np.ones(8))
    assert isinstance(y, Tensor)
    known = {t: sf._base.specs.Spec((50, 8), t.dtype) for t in (x, y)}
    known.update({t: t.spec for t in y.node.inputs[1:]})  # type: ignore[union-attr]
    with small_blocks():
        rows = block_rows([y.node], known, 50, training=True)  # type: ignore[list-item]
    assert len(rows) == 8
    assert [i for part in rows for i in range(part.start, part.stop)] == list(range(50))


@given(st.integers(1, 16), st.integers(1, 9000), st.booleans())
@settings(max_examples=25, deadline=None)
def test_parts_are_added_along_a_binary_tree(count: int, size: int, added: bool) -> None:
    rng = np.random.default_rng(count * size)
    parts = rng.normal(size=(count, size)).astype("float32")
    total = rng.normal(size=size).astype("float32")

    def tree(own: list[Array]) -> Array:
        if len(own) == 1:
            return own[0]
        pairs = [own[i] + own[i + 1] if i + 1 < len(own) else own[i] for i in range(0, len(own), 2)]
        return tree(pairs)

    wanted = tree(list(parts.copy())) + (total if added else 0)
    gradient.sum_parts(parts, 0, size // 2, total, int(added))
    gradient.sum_parts(parts, size // 2, size, total, int(added))
    np.testing.assert_array_equal(total, wanted)
