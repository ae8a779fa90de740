"""PyTorch's `randperm` for the benchmark of permutations: a table of all ids, as `RandomSampler` makes."""

from __future__ import annotations

import torch
from permutation_common import ALL, SMALL, serve

torch.set_num_threads(1)
serve({ALL: lambda: len(torch.randperm(SMALL))})
