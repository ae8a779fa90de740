"""NumPy's permutation for the benchmark of permutations: a table of all ids."""

from __future__ import annotations

import numpy as np
from permutation_common import ALL, SMALL, serve

rng = np.random.default_rng(0)
serve({ALL: lambda: len(rng.permutation(SMALL))})
