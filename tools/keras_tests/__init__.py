"""Run unit tests of the installed Keras package with streamfit in Keras' place.

``python -m keras_tests`` copies the files named in `files.py` out of the package into a temporary folder and
runs them there with pytest. In that process the name ``keras`` leads to stand-ins of ours (`importing.py`),
which lead to streamfit. Tests that do not count are named, each with a reason, in ``left_out.toml``.
"""

from __future__ import annotations
