"""Hooks that pytest and Hypothesis load when they start.

They are a package of their own because ``import streamfit`` imports all of the library. These hooks import it
only when a test asks for it. So a test run without streamfit does not wait for it, and a test run with it can
still set up its environment in ``conftest.py``.
"""

from __future__ import annotations
