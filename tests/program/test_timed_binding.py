"""Timed bindings: the same calls with the same bits, and which node each of them is for."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.kernel_threads import small_blocks, threads

from streamfit import ops, optimizers
from streamfit._base.specs import Spec
from streamfit.ops.core import Tensor, Variable, tracing
from streamfit.program import Arena, Program, Training, weighted_total
from streamfit.program.binding import Binding
from streamfit.program.timed_binding import TimedBinding

ROWS = 24


def made() -> tuple[Program, list[Variable]]:
    draw = np.random.default_rng(1)
    shapes = [(5, 4), (4,), (4, 3), (3,)]
    variables = [Variable(draw.normal(size=shape), f"w{i}") for i, shape in enumerate(shapes)]
    x = Tensor(Spec((None, 5), np.dtype(np.float64)), "x")
    step_state = np.zeros(2, np.int64)
    w, b, v, c = variables
    with tracing():
        hidden = ops.dense(x, w, b, "relu")
        output = ops.dense(hidden + hidden, v, c, "tanh")
        objective = weighted_total([ops.sum(ops.square(output))], [1.0])
    training = Training(variables, step_state, optimizers.Adam(0.1).update)
    program = Program(
        [x], [objective, output], arena=Arena(), step_state=step_state, objective=objective, training=training
    )
    return program, variables


def after_three_steps(way: str) -> list[bytes]:
    program, variables = made()
    x = np.random.default_rng(2).normal(size=(ROWS, 5))
    binding = Binding(program, ROWS) if way == "plain" else TimedBinding(program, ROWS)
    for _ in range(3):
        if isinstance(binding, TimedBinding):
            binding.feed_copies([x])
        else:
            binding.feeds[0].feed(x)
        if way == "timed" and isinstance(binding, TimedBinding):
            binding.run_timed()
        elif way == "alone" and isinstance(binding, TimedBinding):
            assert binding.run_alone() > 0
            assert binding.threads == 1
        else:
            binding.run()
    return [array.tobytes() for array in (*(v.value for v in variables), *binding.fetches)]


@pytest.mark.parametrize("way", ["timed", "alone", "whole"])
def test_a_step_in_parts_has_the_bits_of_a_step(way: str) -> None:
    assert after_three_steps(way) == after_three_steps("plain")
    with small_blocks(), threads(2):
        assert after_three_steps(way) == after_three_steps("plain")


def test_each_part_is_named() -> None:
    program, _ = made()
    binding = TimedBinding(program, ROWS)
    binding.feed_copies([np.ones((ROWS, 5))])
    times = binding.run_timed()
    assert all(seconds >= 0 for seconds in times.values())
    names = [(part.node and part.node.op.name, part.phase) for part in times]
    forward = [name for name, phase in names if phase == "forward"]
    backward = [name for name, phase in names if phase == "backward"]
    assert forward == [node.op.name for node in program.nodes]
    assert backward == forward[::-1]
    assert names[-1] == (None, "update")
    with small_blocks(), threads(2):
        blocked, _ = made()
        parts = TimedBinding(blocked, ROWS)
        assert parts.blocks > 1
        parts.feed_copies([np.ones((ROWS, 5))])
        phases = {part.phase for part in parts.run_timed()}
    assert phases == {"forward", "backward", "sums", "update"}


def test_work_of_products_is_counted() -> None:
    program, _ = made()
    found = {(part.node, part.phase): flops for part, flops in TimedBinding(program, ROWS).flops.items()}
    first, second = (node for node in program.nodes if node.op.name == "dense")
    assert found == {
        (first, "forward"): 2 * ROWS * 5 * 4,
        (first, "backward"): 2 * ROWS * 5 * 4,  # the input has no gradient
        (second, "forward"): 2 * ROWS * 4 * 3,
        (second, "backward"): 2 * (2 * ROWS * 4 * 3),
    }


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda a: ops.matmul(a, np.ones((5, 2))), 3 * 4 * 2 * 5),
        (lambda a: ops.matmul(a, np.ones((3, 5, 2))), 3 * 4 * 2 * 5),
        (lambda a: ops.conv(a, np.ones((2, 5, 6))), 3 * 3 * 6 * (2 * 5)),
        (lambda a: ops.conv(ops.concatenate([a, a]), np.ones((2, 5, 6)), groups=2), 3 * 3 * 6 * (2 * 5)),
        (lambda a: ops.exp(a), 0),
    ],
)
def test_multiply_adds(build, expected: int) -> None:  # type: ignore[no-untyped-def]
    node = build(Tensor(Spec((3, 4, 5), np.dtype(np.float64)), "a")).node
    assert node.op.multiply_adds([t.spec for t in node.inputs], [t.spec for t in node.outputs]) == expected
