"""`TrainingState`: everything that a run needs to go on where it stopped, to the bit.

Weights, the optimizer's vectors and its clock, the running results of the epoch, and the place of each
stream. Arrays are arrays, the rest is plain JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamfit._base.specs import Array
from streamfit.training.runner import Runner

VERSION = 2


@dataclass
class TrainingState:
    """A run, stopped.

    Args:
        arrays: Weights, optimizer state and running results, by name.
        facts: Everything else, for JSON.
    """

    arrays: dict[str, Array]
    facts: dict[str, Any]


def capture(model: Any, runner: Runner) -> TrainingState:
    """Copy the state of a model under training."""
    arrays = {f"weight/{path}": weight.numpy() for path, weight in model.weight_paths()}
    optimizer = model.optimizer
    arrays.update({f"optimizer/{name}": vector.copy() for name, vector in optimizer.state.items()})
    arrays["hyper"] = optimizer.hyper.copy()
    arrays.update({name: np.array(state) for name, state in runner.scores().items()})
    facts = {
        "version": VERSION,
        "iterations": int(runner.clock[1]),
        "optimizer": type(optimizer).__name__,
        "learning_rate": None if optimizer.follows_schedule else float(optimizer.learning_rate),
        "input_shapes": [list(tensor.shape[1:]) for tensor in model.inputs],
    }
    return TrainingState(arrays, facts)


def restore(model: Any, runner: Runner, state: TrainingState) -> None:
    """Bring a model back to `state`.

    Raises:
        ValueError: The state is that of another model or optimizer, or of another version.
    """
    _check(model, state)
    optimizer, arrays = model.optimizer, state.arrays
    for path, weight in model.weight_paths():
        weight.assign(arrays[f"weight/{path}"])
    prefix = "optimizer/"
    vectors = {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
    optimizer.restore(vectors, arrays["hyper"], state.facts["iterations"])
    if state.facts["learning_rate"] is not None:
        optimizer.learning_rate = state.facts["learning_rate"]
    runner.clock[1] = state.facts["iterations"]
    runner.keep_scores({name: value for name, value in arrays.items() if name.startswith("score/")})


def _check(model: Any, state: TrainingState) -> None:
    version = state.facts.get("version")
    if version != VERSION:
        raise ValueError(f"this training state has version {version}, this library reads version {VERSION}")
    if not model.inputs:
        model.build_for(_samples(state.facts["input_shapes"]))
    expected = type(model.optimizer).__name__
    if state.facts["optimizer"] != expected:
        raise ValueError(
            f"the training state was saved with the optimizer {state.facts['optimizer']}, the model has "
            f"{expected}; compile it as it was, or begin anew with another backup folder"
        )
    for path, weight in model.weight_paths():
        saved = state.arrays.get(f"weight/{path}")
        if saved is None or saved.shape != weight.value.shape:
            found = "nothing" if saved is None else f"shape {saved.shape}"
            raise ValueError(
                f"the training state is that of another model: for weight {path} of shape "
                f"{weight.value.shape} it holds {found}; make the model as it was, "
                "or begin anew with another backup folder"
            )


def _samples(shapes: list[list[int]]) -> Any:
    samples = [np.zeros((1, *shape)) for shape in shapes]
    return samples[0] if len(samples) == 1 else samples
