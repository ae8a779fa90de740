"""The demo: worker processes augment handwritten digits; a worker is killed, then the whole program.

Run it with ``python -m streamfit demo`` (it needs the extra ``demo``).
"""

from __future__ import annotations

from streamfit.demo.tour import run

__all__ = ["run"]
