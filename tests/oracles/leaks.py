"""The check for leaks is the one that users get."""

from __future__ import annotations

from streamfit.testing.leaks import Ledger, nothing_left_behind, take_ledger, wait_until

__all__ = ["Ledger", "nothing_left_behind", "take_ledger", "wait_until"]
