"""How much memory does a deep network take to predict, and to train?

Networks of layers of one width, at one batch, so that memory is counted in *activations*: the outputs of one
layer for the whole batch. Two figures: the arena, in which all arrays of a program lie (but for weights,
their gradients and the optimizer's states), and the peak of everything that NumPy and Python allocate during
the first call, that is with the result, the lists of calls and, in training, gradients and states, which do
not depend on the batch. They are counted, not timed: they are the same in every run, so there are no rounds.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from harness import ROOT, Target, arguments, exit_code, machine_facts, publish, table

sys.path.insert(0, str(ROOT))

import streamfit as sf
from streamfit import layers

DEPTHS = (5, 20, 40)
PROMISED, LIMIT = 20, 4.0


@dataclass(frozen=True)
class Network:
    """Equal layers: the number of rows of the batch, the shape of a row, and how to make one layer."""

    rows: int
    shape: tuple[int, ...]
    make: Callable[[], list[layers.Layer]]

    @property
    def activation(self) -> int:
        """The bytes of the outputs of one layer."""
        return self.rows * int(np.prod(self.shape)) * 4


NETWORKS = {
    "Dense": Network(1024, (256,), lambda: [layers.Dense(256, "relu")]),
    "Dense, BatchNormalization": Network(
        1024, (256,), lambda: [layers.Dense(256, "relu"), layers.BatchNormalization()]
    ),
    "Conv2D": Network(1024, (8, 8, 8), lambda: [layers.Conv2D(8, 3, padding="same", activation="relu")]),
}


@dataclass(frozen=True)
class Used:
    """The memory of a first call, in activations."""

    arena: float
    peak: float


def build(network: Network, depth: int) -> sf.Model:
    """Return a network of so many layers (or groups of them)."""
    model = sf.Sequential(
        [sf.Input(network.shape), *(layer for _ in range(depth) for layer in network.make())]
    )
    model.compile("sgd", "mse")
    return model


def measure(network: Network, depth: int, train: bool) -> Used:
    """Measure the first call on a new model, with kernels that are compiled already."""
    x = np.zeros((network.rows, *network.shape), "float32")
    for model in (build(network, 2), build(network, depth)):  # the first one compiles
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        if train:
            model.train_on_batch(x, x)
        else:
            model.predict_on_batch(x)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    built = model.runner()._built
    assert built is not None
    return Used(built.programs._arena.nbytes / network.activation, (peak - before) / network.activation)


def name_of(name: str, depth: int, train: bool) -> str:
    """Return the name of a row."""
    return f"{depth} x {name}, {'train' if train else 'predict'}"


def targets(rows: dict[str, Used]) -> list[Target]:
    """Return the promise for each network of 20 layers that was measured."""
    found = []
    for name in NETWORKS:
        row = name_of(name, PROMISED, False)
        if row in rows:
            found.append(Target(row, rows[row].arena, LIMIT, unit=" activations"))
    return found


def main() -> int:
    """Measure everything once."""
    options = arguments(__doc__, 1).parse_args()
    facts, rows = machine_facts(), dict[str, Used]()
    for train in (False, True):
        for name, network in NETWORKS.items():
            for depth in DEPTHS:
                rows[name_of(name, depth, train)] = measure(network, depth, train)
    lines = [[name, f"{row.arena:.1f}", f"{row.peak:.1f}"] for name, row in rows.items()]
    print(table(["activations", "arena", "peak of the first call"], lines))
    judged = targets(rows)
    publish(
        "program_memory",
        facts,
        {},
        {},
        judged,
        rows={name: asdict(row) for name, row in rows.items()},
        unit="outputs of one layer for the whole batch",
    )
    return exit_code(options, judged)


if __name__ == "__main__":
    sys.exit(main())
