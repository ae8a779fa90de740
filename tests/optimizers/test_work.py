"""The state of an optimizer for a model: it moves with the weights, and each model has its own."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamfit import optimizers
from streamfit.optimizers.work import Work, places_of

LAYOUTS = st.lists(st.integers(0, 5), unique=True, max_size=6)


@given(LAYOUTS, LAYOUTS)
def test_state_moves_with_its_weight(before: list[int], after: list[int]) -> None:
    def length(weight: int) -> int:
        return 2 * weight + 1

    old, new = (places_of(names, np.array([length(n) for n in names], np.int64)) for names in (before, after))
    work = Work()
    work.places = old
    vector = np.zeros(sum(map(length, before)))
    for weight, place in old.items():
        vector[place] = weight + 10
    work.state["m"] = vector
    work.arrange(new, np.zeros(sum(map(length, after)), "float32"), {"m": 0.5})
    for weight, place in new.items():
        assert work.state["m"][place].tolist() == [weight + 10 if weight in old else 0.5] * length(weight)
    assert work.state["m"].shape == (sum(map(length, after)),)


def test_a_weight_of_another_size_starts_again_and_other_vectors_stay() -> None:
    work = Work()
    work.places = {"w": slice(0, 4)}
    work.state = {"m": np.ones(4), "product": np.full(1, 0.25)}
    work.arrange({"w": slice(0, 6)}, np.zeros(6), {"m": 0.0})
    assert work.state["m"].tolist() == [0] * 6
    assert work.state["product"].tolist() == [0.25]


def test_the_first_model_takes_earlier_settings_and_others_start_again() -> None:
    optimizer = optimizers.Adam()
    optimizer.iterations = 5
    first, second = object(), object()
    work = optimizer.work_for(first)
    assert (optimizer.iterations, optimizer.work_for(first)) == (5, work)
    assert optimizer.work_for(second) is not work
    assert optimizer.iterations == 0
    assert work.step_state[1] == 5


def test_revision_moves_where_other_calls_are_needed() -> None:
    optimizer = optimizers.SGD(momentum=0.5, weight_decay=0.1, clipnorm=1.0)
    for name, value, moves in [
        ("momentum", 0.9, False),
        ("learning_rate", 0.5, False),
        ("weight_decay", 0.2, False),
        ("clipnorm", 2.0, False),
        ("nesterov", False, False),
        ("iterations", 3, False),
        ("momentum", 0.0, True),
        ("weight_decay", None, True),
        ("clipnorm", None, True),
        ("nesterov", True, True),
    ]:
        before = optimizer.revision
        setattr(optimizer, name, value)
        assert (optimizer.revision != before) is moves, name
