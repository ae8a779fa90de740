"""One side of the parity check: train every case and write what it found to a file.

``one_side.py streamfit FILE`` or ``one_side.py keras FILE`` (on the backend in KERAS_BACKEND): streamfit has
Keras' names, so that the same lines train both.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from cases import (
    BATCH,
    CASES,
    EVALUATED,
    EXTRAS,
    HEADS,
    LOOKUPS,
    OPTIMIZERS,
    STEPS,
    Case,
    batches,
    hidden_layers,
    texts,
    weights,
)
from features import FEATURES, compute
from numpy.typing import NDArray

Figures = dict[str, NDArray[Any]]


def build(library: Any, case: Case) -> Any:
    """Return the model of a case."""
    outputs, activation = HEADS[case.loss]
    extra = {
        argument: getattr(getattr(library, module), name)(**arguments)
        for argument, (module, name, arguments) in EXTRAS[case.extra].items()
    }
    shape, dtype = case.input
    return library.Sequential(
        [
            library.layers.Input(shape, dtype=dtype),
            *(getattr(library.layers, name)(**given, **extra) for name, given in hidden_layers(case)),
            library.layers.Dense(outputs, activation=activation),
        ]
    )


def joined(arrays: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """Return arrays as one vector."""
    return np.concatenate([np.asarray(array, np.float64).ravel() for array in arrays])


def train(library: Any, case: Case) -> Figures:
    """Train one case.

    Returns:
        Outputs in inference for the first batch, at the start and at the end; the change by a step of SGD
        with rate 1, which is the gradient (and what moves the averages); the loss of every step; the last
        weights in one vector; and the metrics of them over several batches.
    """
    model, data = build(library, case), batches(case)
    start = weights(
        [weight.shape for weight in model.get_weights()], [weight.name for weight in model.weights]
    )

    given = data.sample_weight
    if given is not None and case.weighted == "samples" and library.__name__ == "keras":
        given = given[..., None]  # Keras does not spread weights of shape (batch,) over the steps

    def step(number: int) -> float:
        weight = None if given is None else given[number]
        return float(model.train_on_batch(data.x[number], data.y[number], sample_weight=weight))

    def begin(optimizer: Any, *names: str) -> None:
        more = {"sample_weight_mode": "temporal"} if case.weighted == "positions" else {}
        plain, weighted = (
            [getattr(library.metrics, name)(name=f"{kind} {name}") for name in names]
            for kind in ("plain", "weighted")
        )
        model.compile(
            optimizer=optimizer,
            loss=case.loss,
            metrics=plain,
            weighted_metrics=weighted if case.weighted else [],
            **(more if library.__name__ == "streamfit" else {}),
        )
        model.set_weights(start)

    begin(library.optimizers.SGD(learning_rate=1.0))
    first = np.asarray(model.predict_on_batch(data.x[0]), np.float64)
    step(0)
    gradient = joined(start) - joined(model.get_weights())
    name, arguments = OPTIMIZERS[case.optimizer]
    begin(getattr(library.optimizers, name)(**arguments))
    losses = np.array([step(number) for number in range(STEPS)])
    last = model.get_weights()
    begin("sgd", *case.metrics)
    model.set_weights(last)
    logs = model.evaluate(
        *(np.concatenate(array[:EVALUATED]) for array in (data.x, data.y)),
        sample_weight=None if given is None else np.concatenate(given[:EVALUATED]),
        batch_size=BATCH,
        verbose=0,
        return_dict=True,
    )
    return {
        "outputs": first,
        "gradient": gradient,
        "losses": losses,
        "metrics": np.array([logs[name] for name in sorted(logs) if name != "loss"], np.float64),
        "weights": joined(last),
        "last outputs": np.asarray(model.predict_on_batch(data.x[0]), np.float64),
    }


def look_up(library: Any, name: str, arguments: dict[str, Any]) -> Figures:
    """Adapt a layer to texts; return its vocabulary and what it makes of other texts."""
    layer, (known, others) = getattr(library.layers, name)(**arguments), texts(name, arguments)
    layer.adapt(known)
    return {"vocabulary": np.array(layer.get_vocabulary(), str), "numbers": np.asarray(layer(others))}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", choices=["streamfit", "keras"])
    parser.add_argument("file")
    parser.add_argument("--only", default="", help="cases whose names contain this")
    options = parser.parse_args()
    library = importlib.import_module(options.library)
    found: Figures = {}
    for case in CASES:
        if options.only in case.name:
            found |= {f"{what}:{case.name}": figure for what, figure in train(library, case).items()}
    for lookup, case in LOOKUPS.items():
        found |= {f"{what}:lookup {lookup}": figure for what, figure in look_up(library, *case).items()}
    for name, feature in FEATURES.items():
        found[f"feature {name}"] = compute(library, feature)
    np.savez(options.file, **found)  # type: ignore[arg-type]
