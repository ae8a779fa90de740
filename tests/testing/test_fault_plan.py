"""Fault plans: drawn from a seed, real signals, the same in the simulator, and survived."""

from __future__ import annotations

import copy
import os
import pickle
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import faulty
from oracles.leaks import nothing_left_behind, wait_until
from oracles.scripts import finish, start

import streamfit
from streamfit.streams import SequenceSource, open_source
from streamfit.testing import Fault, FaultPlan, InjectedFault, assert_same_bits, simulate
from streamfit.testing.fault_plan import DEADLY, KINDS, SURVIVED

pytestmark = pytest.mark.timeout(60)
CERTAIN = [Fault(kind, 0, 1 + number) for number, kind in enumerate(SURVIVED[:5])]


def read(thing: Any, **options: Any) -> list[Any]:
    with streamfit.stream(thing, **options) as stream:
        return list(stream)


def through_workers(thing: Any, workers: int = 2) -> list[Any]:
    return read(thing, workers=workers, use_multiprocessing=True, max_queue_size=4)


def test_plan_is_a_function_of_its_seed() -> None:
    plans = [FaultPlan(seed, rate=0.3) for seed in (1, 1, 2)]
    lists = [list(plan.schedule(0, 200)) for plan in plans]
    assert lists[0] == lists[1] != lists[2]
    assert plans[0].fault(0, 7) == plans[1].fault(0, 7)
    assert list(plans[0].schedule(1, 200)) != lists[0]


def test_plan_draws_as_often_as_it_says_and_every_kind() -> None:
    faults = [fault for fault in FaultPlan(5, rate=0.2).schedule(0, 4000) if fault.attempt == 1]
    assert 700 < len(faults) < 900
    assert {fault.kind for fault in faults} == set(SURVIVED)


def test_loads_beyond_the_attempts_meet_nothing() -> None:
    plan = FaultPlan(0, rate=1, kinds=["kill"])
    assert [plan.fault(0, 3, attempt) is not None for attempt in (1, 2, 3)] == [True, True, False]
    assert list(FaultPlan(0, rate=1, attempts=0).schedule(0, 9)) == []


def test_certain_faults_come_on_top() -> None:
    plan = FaultPlan(rate=0, faults=[Fault("stop", 2, 7)])
    assert [str(fault) for fault in plan.schedule(2, 9)] == ["stop at epoch 2, batch 7"]
    assert plan.needs_deadline
    assert plan.describe(2, 9).splitlines() == [
        "fault plan of seed 0, rate 0: 1 faults in 9 batches of epoch 2; needs a pool with a deadline",
        "  stop at epoch 2, batch 7",
    ]
    assert not FaultPlan(0).needs_deadline
    assert FaultPlan(0, kinds=KINDS).needs_deadline


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"kinds": ["kil"]}, "'kil' is no fault. Did you mean 'kill'"),
        ({"faults": [Fault("hang", 0, 0)]}, "'hang' is no fault"),  # type: ignore[arg-type]
        ({"rate": 2}, "rate must be in"),
        ({"attempts": -1}, "attempts at least 0"),
        ({"kinds": []}, "rate must be in"),
    ],
)
def test_wrong_plans(arguments: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        FaultPlan(**arguments)


def test_every_survived_fault_is_carried_out_and_nothing_is_lost() -> None:
    plan = FaultPlan(rate=0, faults=CERTAIN)
    thing = faulty.Clean()
    expected = read(thing)
    with nothing_left_behind():
        wrapped = plan.wrap(thing)
        assert_same_bits(through_workers(wrapped), expected)
        assert wrapped.log.happened() == CERTAIN
        assert wrapped.log.loads() >= 6 + 5
        del wrapped


def test_drawn_faults_change_nothing_in_two_epochs() -> None:
    plan = FaultPlan(2, rate=0.4)
    wrapped = plan.wrap(faulty.Shuffled())
    with streamfit.stream(wrapped, workers=2, use_multiprocessing=True) as stream:
        passes = [list(stream), list(stream)]
    with streamfit.stream(faulty.Shuffled()) as stream:
        assert_same_bits(passes, [list(stream), list(stream)])
    assert wrapped.log.happened() == [*plan.schedule(0, 5), *plan.schedule(1, 5)] != []


def test_source_is_wrapped_too_and_draws_the_same() -> None:
    plan = FaultPlan(4, rate=0.4, kinds=["kill", "exit"])
    source = SequenceSource(faulty.Augmented(), shuffle=True, seed=9)
    wrapped = plan.wrap(source)
    assert_same_bits(through_workers(wrapped), read(source))
    assert wrapped.log.happened() == list(plan.schedule(0, 6)) != []


def test_fault_that_raises_comes_out_with_its_place() -> None:
    wrapped = FaultPlan(rate=0, faults=[Fault("raise", 0, 3)]).wrap(faulty.Clean())
    with pytest.raises(InjectedFault, match="planned: raise at epoch 0, batch 3"):
        through_workers(wrapped)


def test_batch_that_kills_three_workers_is_named() -> None:
    faults = [Fault("kill", 0, 2, attempt) for attempt in (1, 2, 3)]
    wrapped = FaultPlan(rate=0, faults=faults).wrap(faulty.Clean())
    with pytest.raises(streamfit.WorkerDiedError, match=r"3 workers in a row died .* batch 2"):
        through_workers(wrapped)
    assert wrapped.log.happened() == faults


def test_stop_stops_the_process_until_it_is_told_to_go_on() -> None:
    program = "from streamfit.testing.fault_plan import Fault, carry_out; carry_out(Fault('stop', 0, 0), 0)"
    child = start(f"{program}; print('went on')")
    try:
        status = Path(f"/proc/{child.pid}/stat")
        assert wait_until(lambda: status.read_text().rpartition(")")[2].split()[0] == "T", seconds=30)
        os.kill(child.pid, signal.SIGCONT)
        assert child.communicate(timeout=20)[0] == "went on\n"
    finally:
        finish(child)


def test_nothing_happens_in_this_process_or_in_threads() -> None:
    wrapped = FaultPlan(rate=1, kinds=["kill"]).wrap(faulty.Clean())
    assert_same_bits(read(wrapped), read(faulty.Clean()))
    assert_same_bits(read(wrapped, workers=2), read(faulty.Clean()))
    assert wrapped.log.loads() == 0


def test_hooks_and_length_are_those_of_the_data() -> None:
    wrapped = FaultPlan(0).wrap(faulty.CountsPasses())
    assert (len(wrapped), wrapped.num_batches) == (6, 6)
    wrapped.on_epoch_begin()
    wrapped.on_epoch_end()
    assert (wrapped.sequence.passes, wrapped.epoch) == (1, 1)
    assert pickle.loads(pickle.dumps(wrapped)).epoch == 1
    assert copy.deepcopy(wrapped).log is wrapped.log


def test_generators_cannot_be_wrapped() -> None:
    source = open_source(faulty.clean_batches())
    with pytest.raises(ValueError, match="pulled in the main process"):
        FaultPlan(0).wrap(source)


# -- the simulator ------------------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 2**32),
    rate=st.floats(0, 1),
    batches=st.integers(1, 30),
    workers=st.integers(1, 4),
    ahead=st.integers(1, 12),
    depth=st.integers(1, 5),
)
def test_simulated_pass_delivers_everything_once_in_order(seed: int, rate: float, **sizes: int) -> None:
    plan = FaultPlan(seed, rate=rate)
    batches = sizes.pop("batches")
    outcome = simulate(plan, batches, **sizes)
    assert outcome.delivered == list(range(batches))
    assert outcome.failed is None
    assert outcome.happened == list(plan.schedule(0, batches))
    assert outcome.deaths == sum(fault.kind in DEADLY for fault in outcome.happened)


@given(st.integers(0, 2**32), st.sampled_from(["raise", "kill"]), st.integers(0, 9))
def test_simulated_pass_ends_at_the_batch_that_fails(seed: int, kind: Any, at: int) -> None:
    faults = [Fault(kind, 0, at, attempt) for attempt in (1, 2, 3)]
    outcome = simulate(FaultPlan(seed, rate=0.2, kinds=["slow"], faults=faults), 10)
    assert outcome.failed == at
    assert outcome.delivered == list(range(at))


@pytest.mark.parametrize("seed", range(3))
def test_simulator_and_real_workers_meet_the_same_faults(seed: int) -> None:
    plan = FaultPlan(seed, rate=0.35, kinds=["kill", "exit", "slow"], seconds=0.001)
    wrapped = plan.wrap(faulty.Clean())
    through_workers(wrapped)
    assert wrapped.log.happened() == simulate(plan, 6).happened


def test_simulator_has_no_clock() -> None:
    with pytest.raises(ValueError, match="only noticed by a clock"):
        simulate(FaultPlan(rate=0, faults=[Fault("stop", 0, 0)]), 3)


# -- same bits ----------------------------------------------------------------------------------------------


def fit(**options: Any) -> Any:
    streamfit.set_random_seed(3)
    model = streamfit.Sequential([streamfit.layers.Dense(2, input_shape=(3,))])
    model.compile(optimizer="sgd", loss="mse")
    rng = np.random.default_rng(0)
    history = model.fit(rng.normal(size=(24, 3)), rng.normal(size=(24, 2)), epochs=2, verbose=0, **options)
    return model, history


def test_equal_trainings_have_the_same_bits_and_others_have_not() -> None:
    assert_same_bits(fit, fit)
    with pytest.raises(AssertionError, match=r"result\[0\].weights\[0\] differs: value\[0, 0\] is"):
        assert_same_bits(fit, lambda: fit(batch_size=8))
    with pytest.raises(AssertionError, match=r"result.history\['loss'\]\[0\] is \d"):
        assert_same_bits(fit()[1], lambda: fit(batch_size=8)[1])


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        ([1, 2], [1], r"result\[1\] is in one of the two results only"),
        ({"a": 1}, {"b": 1}, r"result\['a'\] is in one of the two results only"),
        (0.0, -0.0, "result is 0.0 in the first and -0.0 in the second"),
        (np.float32(1), 1.0, "result is"),
        (np.zeros(2), np.zeros(3), r"result differs: value is an array of shape \(2,\)"),
        ("a", "b", "result is 'a' in the first and 'b' in the second"),
        (np.zeros(2), None, r"result is array of shape \(2,\) .* and None in the second"),
    ],
)
def test_difference_is_named(one: Any, other: Any, text: str) -> None:
    assert_same_bits(one, copy.deepcopy(one))
    with pytest.raises(AssertionError, match=text):
        assert_same_bits(one, other)
