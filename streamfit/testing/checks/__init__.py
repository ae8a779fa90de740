"""The checks: each module has a table `CHECKS`; `all_checks` has all of them."""

from __future__ import annotations
