"""Programs: values and gradients of whole graphs against NumPy and finite differences, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamfit import ops, optimizers
from streamfit._base.specs import Spec
from streamfit.ops.core import Tensor, Variable, tracing
from streamfit.program import Arena, FlatVariables, Program, Training, weighted_total
from streamfit.program.binding import Binding

FLOAT = np.dtype(np.float64)


def variable(shape: tuple[int, ...], seed: int = 0) -> Variable:
    return Variable(np.random.default_rng(seed).normal(size=shape), f"w{seed}")


def trained(
    build: Callable[[Tensor], Any], variables: list[Variable], width: int
) -> tuple[Program, Training]:
    """Make the program of the sum of what `build` makes of an input, with an optimizer that does nothing."""
    x = Tensor(Spec((None, width), FLOAT), "x")
    step_state = np.zeros(2, np.int64)
    with tracing():
        objective = weighted_total([ops.sum(build(x))], [1.0])
    training = Training(variables, step_state, optimizers.SGD(0.0).update)
    program = Program(
        [x], [objective], arena=Arena(), step_state=step_state, objective=objective, training=training
    )
    return program, training


def run(program: Program, x: np.ndarray) -> float:
    binding = program.bind(len(x))
    binding.feeds[0].feed(x)
    binding.run()
    return float(binding.fetches[0])


def check_gradient(build: Callable[[Tensor], Any], variables: list[Variable], width: int = 4) -> None:
    """Compare the gradient with central differences, for several batch sizes over the same memory."""
    program, training = trained(build, variables, width)
    for size in (5, 1, 3):
        x = np.random.default_rng(size).normal(size=(size, width))
        run(program, x)
        found = [gradient.copy() for gradient in training.grads.values()]
        for weight, gradient in zip(variables, found, strict=True):
            for place in np.ndindex(weight.value.shape):
                kept, step = weight.value[place], 1e-6
                weight.value[place] = kept + step
                above = run(program, x)
                weight.value[place] = kept - step
                below = run(program, x)
                weight.value[place] = kept
                expected = (above - below) / (2 * step)
                assert gradient[place] == pytest.approx(expected, rel=1e-6, abs=1e-7)


def test_a_chain() -> None:
    w, b = variable((4, 3), 1), variable((3,), 2)
    check_gradient(lambda x: ops.square(ops.dense(x, w, b, "tanh")), [w, b])


def test_a_weight_that_is_used_twice_gets_the_sum() -> None:
    w, b = variable((4, 4), 1), variable((4,), 2)
    check_gradient(lambda x: ops.dense(ops.dense(x, w, b, "tanh"), w, b, "sigmoid"), [w, b])


def test_a_tensor_with_three_uses_gets_the_sum() -> None:
    w, b = variable((4, 3), 1), variable((3,), 2)

    def build(x: Tensor) -> Any:
        h = ops.dense(x, w, b, "tanh")
        return h * h + ops.exp(h) * 0.5 - h

    check_gradient(build, [w, b])


def test_views_pass_gradients_through_and_still_add_up() -> None:
    w, b = variable((4, 6), 1), variable((6,), 2)

    def build(x: Tensor) -> Any:
        h = ops.dense(x, w, b, "tanh")
        folded = ops.reshape(h, (-1, 2, 3))
        return ops.sum(folded * folded, axis=(1, 2)) + ops.sum(h, axis=1)

    check_gradient(build, [w, b])


def test_a_view_of_a_weight() -> None:
    w = variable((2, 6), 1)
    check_gradient(lambda x: ops.matmul(x, ops.reshape(w, (4, 3))) * ops.sum(w), [w])


def test_a_weight_that_nothing_uses_has_gradient_zero() -> None:
    w, b, idle = variable((4, 3), 1), variable((3,), 2), variable((7,), 3)
    program, training = trained(lambda x: ops.dense(x, w, b), [w, b, idle], 4)
    run(program, np.ones((2, 4)))
    assert not training.grads[idle].any()
    assert training.grads[b].all()


def test_the_step_is_counted() -> None:
    w, b = variable((4, 3), 1), variable((3,), 2)
    program, training = trained(lambda x: ops.dense(x, w, b), [w, b], 4)
    for _ in range(3):
        run(program, np.ones((2, 4)))
    assert training.step_state.tolist() == [0, 3]


def test_fed_memory_is_pointed_at_or_copied_with_the_same_result() -> None:
    w, b = variable((4, 3), 1), variable((3,), 2)
    program, _ = trained(lambda x: ops.dense(x, w, b, "tanh"), [w, b], 4)
    x = np.random.default_rng(0).normal(size=(6, 4))
    expected = np.tanh(x @ w.value + b.value).sum()
    for given in (x, np.asfortranarray(x), x[::-1][::-1], x.astype(">f8"), np.repeat(x, 2, axis=0)[::2]):
        assert run(program, given) == pytest.approx(expected, rel=1e-12)
    read_only = x.copy()
    read_only.setflags(write=False)
    assert run(program, read_only) == pytest.approx(expected, rel=1e-12)


def test_an_output_that_is_an_input_is_fetched_from_each_batch() -> None:
    x = Tensor(Spec((None, 2), FLOAT), "x")
    program = Program([x], [ops.reshape(x, (-1, 2, 1)), x], arena=Arena(), step_state=np.zeros(2, np.int64))
    binding = program.bind(1)
    for value in (1.0, 2.0):
        binding.feeds[0].feed(np.full((1, 2), value))
        binding.run()
        assert all((fetched == value).all() for fetched in binding.fetches)


def test_variables_come_home_and_keep_their_values() -> None:
    w = variable((3,), 1)
    first = FlatVariables([w])
    second = FlatVariables([w])
    assert second.at_home
    assert not first.at_home
    w.assign([1, 2, 3])
    first.rebind()
    assert first.at_home
    assert w.value.tolist() == [1, 2, 3]
    assert first.views(first.vector)[0].tolist() == [1, 2, 3]


def test_a_binding_follows_a_weight_that_moved() -> None:
    w, b = variable((2, 2), 1), variable((2,), 2)
    x = Tensor(Spec((None, 2), FLOAT), "x")
    with tracing():
        y = ops.dense(x, w, b)
    program = Program([x], [y], arena=Arena(), step_state=np.zeros(2, np.int64))
    program.bind(1)
    FlatVariables([w, b])
    w.assign(np.zeros((2, 2)))
    b.assign([5, 6])
    program.refresh_bindings()
    binding = program.bind(1)
    binding.feeds[0].feed(np.ones((1, 2)))
    binding.run()
    assert binding.fetches[0].tolist() == [[5.0, 6.0]]


def test_each_binding_of_a_weight_that_moved_is_made_again_when_it_is_used() -> None:
    w, b = variable((2, 2), 1), variable((2,), 2)
    x = Tensor(Spec((None, 2), FLOAT), "x")
    with tracing():
        y = ops.dense(x, w, b)
    program = Program([x], [y], arena=Arena(), step_state=np.zeros(2, np.int64))
    old = {size: program.bind(size) for size in (1, 2, 3)}
    program.refresh_bindings()
    assert all(program.bind(size) is binding for size, binding in old.items())
    FlatVariables([w, b])
    w.assign(np.zeros((2, 2)))
    b.assign([5, 6])
    program.refresh_bindings()
    for size, binding in old.items():
        new = program.bind(size)
        assert new is not binding
        new.feeds[0].feed(np.ones((size, 2)))
        new.run()
        assert new.fetches[0].tolist() == [[5.0, 6.0]] * size
    assert program._bound_calls == sum(program.bind(size).count for size in old)


def test_a_run_looks_at_the_bindings_that_it_uses_not_at_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    w, b = variable((2, 2), 1), variable((2,), 2)
    x = Tensor(Spec((None, 2), FLOAT), "x")
    with tracing():
        y = ops.dense(x, w, b)
    program = Program([x], [y], arena=Arena(), step_state=np.zeros(2, np.int64))
    for size in range(1, 12):
        program.bind(size)
    looked: list[Binding] = []
    monkeypatch.setattr(Binding, "use_threads", lambda binding: looked.append(binding))
    program.refresh_bindings()
    program.bind(4)
    program.bind(4)
    program.bind(11)
    assert [len(binding.fetches[0]) for binding in looked] == [11, 4]


def test_weights_of_two_dtypes_are_refused() -> None:
    with pytest.raises(ValueError, match="one dtype"):
        FlatVariables([Variable(np.zeros(1, "float32"), "a"), Variable(np.zeros(1), "b")])


def test_a_missing_input_is_named() -> None:
    x, other = Tensor(Spec((None, 2), FLOAT), "x"), Tensor(Spec((None, 2), FLOAT), "other")
    program = Program([x], [ops.add(x, other)], arena=Arena(), step_state=np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="other"):
        program.bind(1)


def test_arena_gives_the_same_memory_after_a_rewind_and_aligns() -> None:
    arena = Arena()
    first = arena.take((3, 5), np.float32)
    second = arena.take((2,), np.float64)
    assert first.ctypes.data % 64 == second.ctypes.data % 64 == 0
    assert not np.may_share_memory(first, second)
    big = arena.take((1 << 19,), np.float64)
    arena.rewind()
    assert arena.take((3, 5), np.float32).ctypes.data == first.ctypes.data
    before = arena.nbytes
    arena.take((2,), np.float64)
    arena.take((1 << 19,), np.float64)
    assert arena.nbytes == before
    assert big.shape == (1 << 19,)
