"""All checks, in the order in which they run."""

from __future__ import annotations

from streamfit.testing.checks import (
    bounded_memory,
    construction,
    contents,
    delivery,
    drawing,
    generators,
    inputs_taken,
    load_warnings,
    making,
    object_changes,
    pairing,
    passes,
    process_state,
    rng_calls,
    sample_counts,
    sample_orders,
    sample_values,
    stage_checks,
    streaming,
)
from streamfit.testing.table import Check

_TABLES = (
    construction,
    generators,
    contents,
    sample_values,
    load_warnings,
    rng_calls,
    object_changes,
    process_state,
    delivery,
    drawing,
    passes,
    sample_counts,
    sample_orders,
    pairing,
    inputs_taken,
    stage_checks,
    bounded_memory,
    streaming,
    making,  # last: it calls hooks, which may change variables of modules
)
CHECKS: tuple[Check, ...] = tuple(check for table in _TABLES for check in table.CHECKS)
