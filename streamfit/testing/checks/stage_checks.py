"""Checks of each stage of a pipeline that is composed of several."""

from __future__ import annotations

from streamfit.testing.table import Check

CHECKS: tuple[Check, ...] = ()
