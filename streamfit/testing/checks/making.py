"""Checks of what makes the object: two of its objects are alike, and use no global random state."""

from __future__ import annotations

from streamfit.testing.table import Check

CHECKS: tuple[Check, ...] = ()
