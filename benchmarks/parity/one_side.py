"""One side of the parity check: train every case and write its losses and last weights to a file.

``one_side.py streamfit FILE`` or ``one_side.py keras FILE`` (on the backend in KERAS_BACKEND): streamfit has
Keras' names, so that the same lines train both.
"""

from __future__ import annotations

import argparse
import importlib
from typing import Any

import numpy as np
from cases import CASES, EXTRAS, FEATURES, HEADS, OPTIMIZERS, STEPS, Case, batches, hidden_layers, weights
from numpy.typing import NDArray


def train(library: Any, case: Case) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Train one case; return the loss of every step and the last weights in one vector."""
    outputs, activation = HEADS[case.loss]
    extra = {
        argument: getattr(getattr(library, module), name)(**arguments)
        for argument, (module, name, arguments) in EXTRAS[case.extra].items()
    }
    model = library.Sequential(
        [
            library.layers.Input((FEATURES,)),
            *(getattr(library.layers, name)(**given, **extra) for name, given in hidden_layers(case)),
            library.layers.Dense(outputs, activation=activation),
        ]
    )
    name, arguments = OPTIMIZERS[case.optimizer]
    model.compile(optimizer=getattr(library.optimizers, name)(**arguments), loss=case.loss)
    model.set_weights(weights([weight.shape for weight in model.get_weights()]))
    x, y = batches(case)
    losses = [float(model.train_on_batch(x[step], y[step])) for step in range(STEPS)]
    last = np.concatenate([np.asarray(weight, np.float64).ravel() for weight in model.get_weights()])
    return np.array(losses), last


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", choices=["streamfit", "keras"])
    parser.add_argument("file")
    options = parser.parse_args()
    library = importlib.import_module(options.library)
    found: dict[str, NDArray[np.float64]] = {}
    for case in CASES:
        losses, last = train(library, case)
        found |= {f"losses:{case.name}": losses, f"weights:{case.name}": last}
    np.savez(options.file, **found)  # type: ignore[arg-type]
