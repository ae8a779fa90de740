"""PyTorch's other side of the step benchmark: forward, gradient, Adam and metrics as one compiled graph.

No module, no autograd tape, no optimizer object: `torch.func` and `torch.compile` over a hand-written step.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from serve import serve, timed, versions
from torch.func import grad_and_value
from torch.nn.functional import cross_entropy
from workload import BATCH, BETA_1, BETA_2, EPSILON, LEARNING_RATE, SAMPLES, STEPS, data, weights

Tensors = list[torch.Tensor]


def loss_of(params: Tensors, xb: torch.Tensor, yb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the batch's mean cross-entropy and its number of right answers."""
    w1, b1, w2, b2 = params
    scores = torch.relu(xb @ w1 + b1) @ w2 + b2
    return cross_entropy(scores, yb), (scores.argmax(1) == yb).sum()


@torch.compile(fullgraph=True)
def step(
    params: Tensors,
    first: Tensors,
    second: Tensors,
    alpha: torch.Tensor,
    xb: torch.Tensor,
    yb: torch.Tensor,
    total: torch.Tensor,
    right: torch.Tensor,
) -> None:
    """Train one batch in place (Adam in the efficient form, as in Keras)."""
    gradients, (loss, hits) = grad_and_value(loss_of, has_aux=True)(params, xb, yb)
    for p, m, v, g in zip(params, first, second, gradients, strict=True):
        m.add_((g - m) * (1 - BETA_1))
        v.add_((g * g - v) * (1 - BETA_2))
        p.sub_(alpha * m / (v.sqrt() + EPSILON))
    total.add_(loss)
    right.add_(hits)


def prepare() -> Callable[[], tuple[float, float]]:
    """Make the tensors; return a function that trains one epoch and returns (loss, accuracy)."""
    x, y = (torch.from_numpy(array) for array in data())
    y = y.long()
    params = [torch.from_numpy(weight) for weight in weights()]
    first, second = ([torch.zeros_like(weight) for weight in params] for _ in range(2))
    count = 0

    @torch.no_grad()
    def epoch() -> tuple[float, float]:
        nonlocal count
        order = torch.randperm(SAMPLES)
        total, right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for xb, yb in zip(x[order].split(BATCH), y[order].split(BATCH), strict=True):
            count += 1
            alpha = LEARNING_RATE * math.sqrt(1 - BETA_2**count) / (1 - BETA_1**count)
            step(params, first, second, torch.tensor(alpha), xb, yb, total, right)
        return total.item() / STEPS, right.item() / SAMPLES

    return epoch


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve(timed(prepare()), STEPS, versions("torch", "numpy"))
