"""The demo: handwritten digits, augmented by worker processes. A worker is killed, then the whole program.

Run it with ``python -m streamfit demo`` (it needs the extra ``demo``).
"""

from __future__ import annotations

from streamfit.demo.tour import run

__all__ = ["run"]
