"""One process from nothing to the end of the first training step, in PyTorch.

Import, build, one step by hand.
"""

from __future__ import annotations

import torch
from workload import BATCH, CLASSES, FEATURES, HIDDEN, data

if __name__ == "__main__":
    x, y = (torch.from_numpy(array[:BATCH]) for array in data())
    network = torch.nn.Sequential(
        torch.nn.Linear(FEATURES, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, CLASSES)
    )
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    scores = network(x)
    loss = torch.nn.functional.cross_entropy(scores, y.long())
    right = (scores.argmax(1) == y).sum()
    loss.backward()
    optimizer.step()
    assert loss.item() > 0
    assert right.item() >= 0
