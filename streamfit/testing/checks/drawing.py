"""Checks of pipelines that draw at each load, where the closer checks of equal bits have to wait."""

from __future__ import annotations

from streamfit.testing.table import Check

CHECKS: tuple[Check, ...] = ()
