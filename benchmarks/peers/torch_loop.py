"""PyTorch's side of the step benchmark: the plain training loop, at its best.

The shuffled epoch is gathered at once and split, metrics stay tensors until the epoch's end, gradients are
set to None, and Adam is the fused or the multi-tensor one. ``--compile model`` compiles model and loss;
``--compile step`` also compiles the optimizer's step.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from serve import serve, timed, versions
from torch.nn import functional
from workload import (
    BATCH,
    BETA_1,
    BETA_2,
    CLASSES,
    EPSILON,
    FEATURES,
    HIDDEN,
    LEARNING_RATE,
    SAMPLES,
    STEPS,
    data,
    weights,
)


def build(adam: str) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """Return the network with the workload's start weights, and its optimizer."""
    network = torch.nn.Sequential(
        torch.nn.Linear(FEATURES, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, CLASSES)
    )
    with torch.no_grad():
        for parameter, start in zip(network.parameters(), weights(), strict=True):
            parameter.copy_(torch.from_numpy(start.T.copy()))
    chosen: dict[str, Any] = {"fused": adam == "fused", "foreach": adam == "foreach"}
    optimizer = torch.optim.Adam(
        network.parameters(), lr=LEARNING_RATE, betas=(BETA_1, BETA_2), eps=EPSILON, **chosen
    )
    return network, optimizer


def prepare(adam: str, compiled: str) -> Callable[[], tuple[float, float]]:
    """Build everything; return a function that trains one epoch and returns (loss, accuracy)."""
    network, optimizer = build(adam)
    x, y = (torch.from_numpy(array) for array in data())
    y = y.long()

    def forward(xb: torch.Tensor, yb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores = network(xb)
        return functional.cross_entropy(scores, yb), (scores.argmax(1) == yb).sum()

    move: Callable[[], Any] = optimizer.step
    if compiled != "no":
        forward = torch.compile(forward)
    if compiled == "step":
        move = torch.compile(optimizer.step)

    def epoch() -> tuple[float, float]:
        order = torch.randperm(SAMPLES)
        total, right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for xb, yb in zip(x[order].split(BATCH), y[order].split(BATCH), strict=True):
            optimizer.zero_grad(set_to_none=True)
            loss, hits = forward(xb, yb)
            loss.backward()
            move()
            total += loss.detach()
            right += hits
        return total.item() / STEPS, right.item() / SAMPLES

    return epoch


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--adam", choices=["fused", "foreach", "loop"], default="fused")
    parser.add_argument("--compile", choices=["no", "model", "step"], default="no")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    serve(timed(prepare(options.adam, options.compile)), STEPS, versions("torch", "numpy"))
