"""PyTorch's side of the benchmark of embeddings: a plain loop, with sparse gradients or without."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from embedding_common import BATCH, LEARNING_RATE, STEPS, WIDTH, data, options
from serve import serve, timed, versions


def prepare(chosen: argparse.Namespace) -> Callable[[], tuple[float, float]]:
    """Build everything; return a function that trains one epoch and returns (loss, 0)."""
    sparse = chosen.kind == "SparseAdam"
    table = torch.nn.EmbeddingBag(chosen.rows, WIDTH, mode="mean", sparse=sparse)
    head = torch.nn.Linear(WIDTH, 1)
    torch.nn.init.uniform_(table.weight, -0.05, 0.05)
    if sparse:
        found = [
            torch.optim.SparseAdam(table.parameters(), lr=LEARNING_RATE),
            torch.optim.Adam(head.parameters(), lr=LEARNING_RATE, fused=True),
        ]
    else:
        found = [torch.optim.Adam([*table.parameters(), *head.parameters()], lr=LEARNING_RATE, fused=True)]
    x, y = (torch.from_numpy(array) for array in data(chosen.ids))

    def epoch() -> tuple[float, float]:
        order = torch.randperm(len(x))
        total = torch.zeros(())
        for xb, yb in zip(x[order].split(BATCH), y[order].split(BATCH), strict=True):
            for optimizer in found:
                optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.mse_loss(head(table(xb)), yb)
            loss.backward()
            for optimizer in found:
                optimizer.step()
            total += loss.detach()
        return total.item() / STEPS, 0.0

    return epoch


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve(timed(prepare(options("SparseAdam", "Adam"))), STEPS, versions("torch", "numpy"))
