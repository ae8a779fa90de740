"""Checks of the values of batches: finite numbers, and dtypes that cost more than they give."""

from __future__ import annotations

from streamfit.testing.table import Check

CHECKS: tuple[Check, ...] = ()
