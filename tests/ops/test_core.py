"""Tensors: operators, traces, variables."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamfit import ops
from streamfit._base.specs import Spec
from streamfit.ops import Constant, Op, Tensor, Variable, tracing
from streamfit.ops.core import OPERATORS, STEP_STATE

X = Tensor(Spec((None, 3), np.dtype("float32")), name="x")


@pytest.mark.parametrize(
    ("expression", "operation"),
    [
        (lambda x: x + 1, "add"),
        (lambda x: 1 + x, "add"),
        (lambda x: x - 1, "subtract"),
        (lambda x: 1 - x, "subtract"),
        (lambda x: x * 2, "multiply"),
        (lambda x: 2 * x, "multiply"),
        (lambda x: x / 2, "divide"),
        (lambda x: 2 / x, "divide"),
        (lambda x: x**3, "power"),
        (lambda x: 3**x, "power"),
        (lambda x: -x, "negative"),
        (lambda x: abs(x), "abs"),
        (lambda x: x > 0, "greater"),
        (lambda x: x >= 0, "greater_equal"),
        (lambda x: x < 0, "greater"),
        (lambda x: x <= 0, "greater_equal"),
        (lambda x: x @ np.ones((3, 2), "float32"), "matmul"),
        (lambda x: np.ones((4, 3), "float32")[0] + x, "add"),
    ],
)
def test_operators_add_nodes(expression: Callable[[Any], Any], operation: str) -> None:
    result = expression(X)
    assert isinstance(result, Tensor)
    assert result.node is not None
    assert result.node.op.name == operation


def test_all_operators_are_filled_in() -> None:
    for name in ("add", "subtract", "multiply", "divide", "power", "matmul", "negative", "abs"):
        assert callable(OPERATORS[name])


def test_operations_on_a_symbolic_tensor_keep_variables_symbolic() -> None:
    weight = Variable(np.ones(3, "float32"))
    for result in (ops.add(X, weight), ops.where(X > 0, weight, 0), ops.maximum(weight, X)):
        assert any(each is weight for each in result.node.inputs)


def test_a_variable_alone_means_its_value_outside_a_trace() -> None:
    weight = Variable(np.arange(3, dtype="float32"))
    np.testing.assert_array_equal(ops.square(weight), [0, 1, 4])
    np.testing.assert_array_equal(weight + 1, [1, 2, 3])
    assert isinstance(ops.sum(weight), np.ndarray)
    with tracing():
        total = ops.sum(weight)
    assert isinstance(total, Tensor)
    assert total.node.inputs == (weight,)


def test_variables_are_assigned_copied_and_shown() -> None:
    weight = Variable(np.zeros((2, 2), "float32"), name="kernel")
    weight.assign([[1, 2], [3, 4]])
    values = weight.numpy()
    values[:] = 0
    np.testing.assert_array_equal(np.asarray(weight), [[1, 2], [3, 4]])
    assert repr(weight) == "<Variable shape=(2, 2) dtype=float32, name='kernel'>"
    with pytest.raises(ValueError, match=r"'kernel' has shape \(2, 2\), got a value of shape \(2,\)"):
        weight.assign([1, 2])


def test_constants_copy_their_value() -> None:
    value = np.zeros(2)
    constant = Constant(value)
    value[:] = 1
    np.testing.assert_array_equal(constant.value, [0, 0])


def test_copies_of_the_step_state_are_the_same_tensor() -> None:
    assert copy.deepcopy(STEP_STATE) is STEP_STATE
    assert pickle.loads(pickle.dumps(STEP_STATE)) is STEP_STATE


def test_an_operation_without_rules_says_so() -> None:
    class Half(Op):
        pass

    for call in (
        lambda: Half().infer(),
        lambda: Half().forward([], [], []),
        lambda: Half().backward([], [], [], [], []),
    ):
        with pytest.raises(TypeError, match="Half"):
            call()
    assert Half().name == "half"
    assert Half().scratch() == ()


def test_operations_have_the_names_of_their_functions() -> None:
    wanted = ["softmax", "log_softmax", "dropout", "concatenate", "broadcast_to", "one_hot", "max"]
    made = [
        ops.softmax(X),
        ops.log_softmax(X),
        ops.dropout(X, 0.5, np.array([1, 2]), 0),
        ops.concatenate([X, X]),
        ops.broadcast_to(X, (None, 3)),
        ops.one_hot(ops.argmax(X, -1), 3),
        ops.max(X, axis=1),
    ]
    assert [tensor.node.op.name for tensor in made] == wanted


def test_variables_add_and_subtract_in_their_own_memory() -> None:
    weight = Variable(np.array([1.0, 2.0], "float32"), "w")
    memory = weight.value
    weight.assign_add(np.array([0.5, 0.25]))
    weight.assign_sub([1, 1])
    assert weight.value is memory
    assert weight.numpy().tolist() == [0.5, 1.25]
    assert weight.dtype == np.float32
    count = Variable(np.zeros((), "int64"), "count")
    count.assign_add(np.int32(3))
    assert int(count.numpy()) == 3
    small = Variable(np.zeros(2, "uint8"), "small")
    small.assign([3, 255])
    assert small.numpy().tolist() == [3, 255]


@pytest.mark.parametrize("how", ["assign", "assign_add", "assign_sub"])
@pytest.mark.parametrize(
    ("held", "value", "error", "message"),
    [
        (np.zeros((2, 2)), np.zeros(2), ValueError, r"'w' has shape \(2, 2\), got a value of shape \(2,\)"),
        (np.zeros(2), 1.0, ValueError, r"has shape \(2,\), got a value of shape \(\)"),
        (np.zeros(2, "int64"), [0.5, 1.0], TypeError, "has dtype int64, got a value of dtype float64"),
        (np.zeros(1), np.array([1j]), TypeError, "has dtype float64, got a value of dtype complex128"),
        (np.zeros(1, bool), [1], TypeError, "has dtype bool, got a value of dtype int64; convert it with"),
        (np.zeros(2, "int8"), [1, 300], ValueError, "has dtype int8, whose range is too small for 300"),
        (np.zeros(1, "uint8"), [-1], ValueError, "has dtype uint8, whose range is too small for -1"),
    ],
)
def test_what_a_variable_cannot_hold_is_refused(
    how: str, held: Any, value: Any, error: Any, message: str
) -> None:
    weight = Variable(held, "w")
    with pytest.raises(error, match=message):
        getattr(weight, how)(value)
    assert not weight.value.any()
