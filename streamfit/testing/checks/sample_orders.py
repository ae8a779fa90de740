"""Checks of the order of samples: batches that are all alike, groups that never change, sizes."""

from __future__ import annotations

from streamfit.testing.table import Check

CHECKS: tuple[Check, ...] = ()
