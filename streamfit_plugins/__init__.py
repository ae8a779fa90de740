"""What other tools load when they start: hooks for pytest and for Hypothesis.

They are a package of their own because ``import streamfit`` brings a compiler along. Here nothing is
imported before a test asks for it, so that a test run that does not use streamfit does not wait for it, and
one that does can still set up its environment in ``conftest.py``.
"""

from __future__ import annotations
