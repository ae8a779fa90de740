"""Checks of how often each sample comes: repeated, lost and identical samples."""

from __future__ import annotations

from streamfit.testing.table import Check

CHECKS: tuple[Check, ...] = ()
