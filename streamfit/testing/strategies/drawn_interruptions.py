"""Interruptions of a training that Hypothesis draws."""

from __future__ import annotations

from typing import Literal, get_args

from streamfit.testing.fault_plan import FaultPlan
from streamfit.testing.interruption import HOWS, How, Interruption, Interruptions, Where
from streamfit.testing.strategies.hypothesis_package import st


@st.composite
def interruptions(
    draw: st.DrawFn,
    *,
    batches: int = 20,
    most: int = 3,
    hows: tuple[How, ...] = HOWS,
    faults: st.SearchStrategy[FaultPlan] | None = None,
) -> Interruptions:
    """Draw when a training is interrupted, and how; examples shrink to one interruption of the first batch.

    Args:
        draw: Passed by Hypothesis.
        batches: How many batches the training has in all its epochs.
        most: How many interruptions at most.
        hows: How it may be interrupted.
        faults: Draws what happens to worker processes, such as `fault_plans`; None for nothing.

    Example:
        >>> from hypothesis import given
        >>> from streamfit.testing import assert_same_bits
        >>> from streamfit.testing.strategies import with_interruptions
        >>> @given(interruptions(batches=12))
        ... def test_my_training_can_be_resumed(plan):
        ...     assert_same_bits(with_interruptions(train, plan), train([]))
    """
    where = st.sampled_from(get_args(Where))
    stop = st.builds(Interruption, st.integers(0, batches), st.sampled_from(hows), where)
    stops = draw(st.lists(stop, min_size=1, max_size=most))
    every: int | Literal["epoch"] = draw(st.integers(1, 5) | st.just("epoch"))
    return Interruptions(tuple(stops), every, None if faults is None else draw(faults))
