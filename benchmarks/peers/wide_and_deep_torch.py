"""PyTorch's side of the benchmark of wide-and-deep: a plain loop, at its best.

The columns of words share one table with a range for each, the wide part is one `EmbeddingBag`, the shuffled
epoch is gathered at once and split, metrics stay tensors, Adam is the fused one. ``strings`` looks all words
of the table up in dictionaries at the beginning of each epoch, and makes crosses of their numbers;
``integers`` has done so before.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import torch
from serve import serve, timed, versions
from torch.nn import functional
from wide_and_deep_common import (
    BATCH,
    BINS,
    CROSSES,
    HIDDEN,
    LEARNING_RATE,
    NUMBERS,
    WIDTH,
    WORDS,
    Table,
    options,
    vocabulary,
)


class Network(torch.nn.Module):
    """A linear model of words and crosses beside a network of numbers and embedded words."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self.wide = torch.nn.EmbeddingBag(table.wide_rows, 1, mode="sum")
        self.embedding = torch.nn.Embedding(table.deep_rows, WIDTH)
        sizes = (len(NUMBERS) + WIDTH * len(WORDS), *HIDDEN, 1)
        self.deep = torch.nn.ModuleList(torch.nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        for weight in (self.wide.weight, self.embedding.weight):  # as the other sides begin
            torch.nn.init.uniform_(weight, -0.05, 0.05)
        for linear in self.deep:
            torch.nn.init.xavier_uniform_(linear.weight)
            torch.nn.init.zeros_(linear.bias)

    def forward(self, numbers: torch.Tensor, ids: torch.Tensor, wide: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        x = torch.cat([numbers, self.embedding(ids).flatten(1)], 1)
        for linear in self.deep[:-1]:
            x = functional.relu(linear(x))
        return self.deep[-1](x) + self.wide(wide)


class Lookup:
    """Make integers of all rows of a table of words."""

    def __init__(self, table: Table) -> None:
        self.columns = [table.columns[name].tolist() for name in WORDS]
        self.tables = [vocabulary(table.columns[name]) for name in WORDS]
        self.starts = np.cumsum([0, *table.sizes[:-1]])
        self.first = table.deep_rows

    def __call__(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the numbers of words, and those of words and crosses."""
        found = [
            np.fromiter(map(known.__getitem__, column), np.int64, len(column))
            for known, column in zip(self.tables, self.columns, strict=True)
        ]
        crosses = []
        for place, names in enumerate(CROSSES):
            mixed = np.zeros(len(found[0]), np.int64)
            for name in names:
                mixed = mixed * 1_000_003 + found[WORDS.index(name)]
            crosses.append(mixed % BINS + self.first + place * BINS)
        ids = np.stack(found, 1) + self.starts
        return torch.from_numpy(ids), torch.from_numpy(np.concatenate([ids, np.stack(crosses, 1)], 1))


def prepare(kind: str, folder: str, compiled: str) -> tuple[Callable[[], tuple[float, float]], int]:
    """Build everything; return a function that trains one epoch, and the number of its steps."""
    table = Table(folder)
    network = Network(table)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, eps=1e-7, fused=True)
    numbers, y = torch.from_numpy(table.numbers), torch.from_numpy(table.y)
    lookup = Lookup(table)
    known = torch.from_numpy(table.ids), torch.from_numpy(table.wide)

    def forward(*batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        *x, yb = batch
        logits = network(*x)
        return functional.binary_cross_entropy_with_logits(logits, yb), ((logits > 0) == (yb > 0)).sum()

    move: Callable[[], object] = optimizer.step
    if compiled != "no":
        forward = torch.compile(forward, dynamic=False)
    if compiled == "step":
        move = torch.compile(optimizer.step)

    def epoch() -> tuple[float, float]:
        ids, wide = lookup() if kind == "strings" else known
        order = torch.randperm(len(y))
        batches = (part[order].split(BATCH) for part in (numbers, ids, wide, y))
        total, right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for batch in zip(*batches, strict=True):
            optimizer.zero_grad(set_to_none=True)
            loss, hits = forward(*batch)
            loss.backward()
            move()
            total += loss.detach() * len(batch[0])
            right += hits
        return total.item() / len(y), right.item() / len(y)

    return epoch, table.steps


if __name__ == "__main__":
    parser = options("strings", "integers")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", choices=["no", "model", "step"], default="no")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    train, steps = prepare(chosen.kind, chosen.folder, chosen.compile)
    serve(timed(train), steps, versions("torch", "numpy"))
