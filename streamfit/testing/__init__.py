"""Checks for the pipelines of users, similar to scikit-learn's `check_estimator`.

Nothing here needs pytest or Hypothesis. Only `streamfit.testing.strategies` needs Hypothesis; import it by
its own name.
"""

from __future__ import annotations

from streamfit.testing.augmentation_strength import check_augmentation
from streamfit.testing.check_runner import Battery
from streamfit.testing.checking import check_generator, check_sequence, check_source, check_stream, run_checks
from streamfit.testing.failure import CheckFailure
from streamfit.testing.fault_plan import Fault, FaultPlan, InjectedFault
from streamfit.testing.leaks import nothing_left_behind
from streamfit.testing.result import Result
from streamfit.testing.same_bits import assert_same_bits
from streamfit.testing.simulation import Simulation, simulate
from streamfit.testing.splits import check_split

__all__ = [
    "Battery",
    "CheckFailure",
    "Fault",
    "FaultPlan",
    "InjectedFault",
    "Result",
    "Simulation",
    "assert_same_bits",
    "check_augmentation",
    "check_generator",
    "check_sequence",
    "check_source",
    "check_split",
    "check_stream",
    "nothing_left_behind",
    "run_checks",
    "simulate",
]
