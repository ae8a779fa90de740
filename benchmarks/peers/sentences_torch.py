"""PyTorch's side of the benchmark of sentences: `EmbeddingBag`, words looked up in a dictionary."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable

import torch
from sentences_common import (
    BATCH,
    HIDDEN,
    LEARNING_RATE,
    VOCABULARY,
    WARM,
    WIDTH,
    Epoch,
    options,
    read,
    serve,
    vocabulary,
)


class Batches(torch.utils.data.Dataset):
    """Batches of numbers, by place."""

    def __init__(self, sentences: list[str], y: torch.Tensor) -> None:
        self.sentences, self.y = sentences, y
        self.table = {word: number for number, word in enumerate(vocabulary(), 2)}

    def __len__(self) -> int:
        return -(-len(self.sentences) // BATCH)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the numbers of all words, where each sentence begins, and the labels."""
        rows = slice(place * BATCH, (place + 1) * BATCH)
        find, ids, starts = self.table.get, [], []
        for sentence in self.sentences[rows]:
            starts.append(len(ids))
            ids += [find(word, 1) for word in sentence.split()]
        return torch.tensor(ids), torch.tensor(starts), self.y[rows]


def prepare(chosen: argparse.Namespace) -> Epoch:
    """Build everything, train a few batches, and return what trains an epoch."""
    torch.set_num_threads(chosen.threads)
    sentences, labels = read(chosen.file)
    sparse = chosen.kind == "SparseAdam"
    table = torch.nn.EmbeddingBag(VOCABULARY + 2, WIDTH, mode="mean", sparse=sparse)
    torch.nn.init.uniform_(table.weight, -0.05, 0.05)
    head = torch.nn.Sequential(torch.nn.Linear(WIDTH, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 1))
    for layer in (head[0], head[2]):  # as the other sides begin
        torch.nn.init.xavier_uniform_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    if sparse:
        optimizers: list[torch.optim.Optimizer] = [
            torch.optim.SparseAdam(table.parameters(), lr=LEARNING_RATE),
            torch.optim.Adam(head.parameters(), lr=LEARNING_RATE, fused=True),
        ]
    else:
        both = [*table.parameters(), *head.parameters()]
        optimizers = [torch.optim.Adam(both, lr=LEARNING_RATE, fused=True)]
    objective = torch.nn.functional.binary_cross_entropy_with_logits

    def train(data: Iterable[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]) -> float:
        total, count = torch.zeros(()), 0
        for ids, starts, y in data:
            for optimizer in optimizers:
                optimizer.zero_grad(set_to_none=True)
            loss = objective(head(table(ids, starts)), y)
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            total += loss.detach() * len(y)
            count += len(y)
        return float(total) / count

    whole = Batches(sentences, torch.from_numpy(labels))
    train([whole[place] for place in range(min(WARM, len(whole)))])

    def epoch() -> float:
        if not chosen.workers:
            return train(whole[place] for place in range(len(whole)))
        return train(torch.utils.data.DataLoader(whole, batch_size=None, num_workers=chosen.workers))

    return epoch


if __name__ == "__main__":
    parser = options("SparseAdam", "Adam")
    parser.add_argument("--workers", type=int, default=0, help="of the DataLoader; 0: none")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    serve(prepare(parser.parse_args()), "torch", "numpy")
