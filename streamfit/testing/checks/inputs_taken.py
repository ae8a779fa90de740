"""Checks that a generator uses every item that it takes from its input."""

from __future__ import annotations

from streamfit.testing.table import Check

CHECKS: tuple[Check, ...] = ()
