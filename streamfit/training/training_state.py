"""`TrainingState`: everything that a run needs to continue where it stopped, to the bit.

Weights, the optimizer's vectors and steps, the running results of the epoch, and the place of each
stream. Arrays are arrays, the rest is plain JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamfit._base.inspection import differences
from streamfit._base.specs import Array
from streamfit._base.text import dtype_name, dtype_of
from streamfit._base.tree import part_of
from streamfit.ops import Variable
from streamfit.training.model_graph import CompiledModel
from streamfit.training.optimizer_state import check_settings, check_vectors
from streamfit.training.runner import Runner

VERSION = 4
_FOLDER = "or begin anew with another backup folder"


@dataclass
class TrainingState:
    """A run, stopped.

    Args:
        arrays: Weights, optimizer state and running results, by name.
        facts: Everything else: None, numbers, text, lists, tuples, dictionaries and arrays, nested.
    """

    arrays: dict[str, Array]
    facts: dict[str, Any]


def capture(model: CompiledModel, runner: Runner, settings: dict[str, object]) -> TrainingState:
    """Copy the state of a model under training.

    Args:
        model: The model.
        runner: Its runner.
        settings: Those of its optimizer when the run began, from `settings_of`.
    """
    arrays = {f"weight/{path}": weight.numpy() for path, weight in model.weight_paths()}
    optimizer = model.optimizer
    arrays.update({f"optimizer/{name}": vector.copy() for name, vector in optimizer.state.items()})
    arrays["hyper"] = optimizer.hyper.copy()
    arrays.update({name: np.array(state) for name, state in runner.results.states().items()})
    facts = {
        "version": VERSION,
        "iterations": int(runner.step_state[1]),
        "optimizer": settings,
        "learning_rate": None if optimizer.follows_schedule else float(optimizer.learning_rate),
        "input_shapes": [list(tensor.shape[1:]) for tensor in model.inputs],
        "input_dtypes": [dtype_name(tensor.dtype) for tensor in model.inputs],
        "loss": runner.loss_described,
        "results": runner.names,
    }
    return TrainingState(arrays, facts)


def restore(model: CompiledModel, runner: Runner, state: TrainingState, settings: dict[str, object]) -> None:
    """Bring a model back to `state`; nothing is changed unless everything fits.

    Args:
        model: The model.
        runner: Its runner.
        state: What `capture` returned.
        settings: Those of its optimizer when this run began.

    Raises:
        ValueError: The state is that of another model or optimizer, is not whole, or is of another version.
    """
    _check(model, runner, state, settings)
    optimizer, arrays = model.optimizer, state.arrays
    for path, weight in model.weight_paths():
        weight.assign(arrays[f"weight/{path}"])
    optimizer.restore(part_of(arrays, "optimizer/"), arrays["hyper"], state.facts["iterations"])
    if state.facts["learning_rate"] is not None:
        optimizer.learning_rate = state.facts["learning_rate"]
    runner.step_state[1] = state.facts["iterations"]
    runner.restore_states({name: value for name, value in arrays.items() if name.startswith("score/")})


def check_same_run(facts: dict[str, Any], arguments: dict[str, object], epochs: int) -> None:
    """Raise unless a run has the arguments of the interrupted one.

    Args:
        facts: Those of the saved state.
        arguments: The arguments of `fit` that must be the same.
        epochs: How many epochs are wanted; they may have become more.

    Raises:
        ValueError: An argument differs, or the state is beyond the end.
    """
    differ = differences(facts["arguments"], arguments)
    if differ:
        raise ValueError(
            f"the training state is that of a fit with other arguments: {'; '.join(differ)}; resume with "
            f"those of the interrupted run, {_FOLDER}"
        )
    if facts["epoch"] + (facts["step"] > 0) > epochs:
        raise ValueError(
            f"the training state is in epoch {facts['epoch']} (counted from 0), step {facts['step']}, which "
            f"is beyond the end of epochs={epochs}; ask for more epochs, {_FOLDER}"
        )


def _check(model: CompiledModel, runner: Runner, state: TrainingState, settings: dict[str, object]) -> None:
    version = state.facts.get("version")
    if version != VERSION:
        raise ValueError(
            f"this training state has version {version}, this library reads version {VERSION}: end the "
            f"run with the release that began it, {_FOLDER}"
        )
    if not model.inputs:
        shapes = state.facts["input_shapes"]
        model.build_for(_samples(shapes, state.facts.get("input_dtypes", ["float32"] * len(shapes))))
    check_settings(state.facts["optimizer"], settings)
    weights = dict(model.weight_paths())
    _check_weights(weights, part_of(state.arrays, "weight/"))
    optimizer = model.optimizer
    kept, hyper = optimizer.hyper.copy(), state.arrays.get("hyper", np.empty(0))
    check_vectors({"hyper": hyper}, {"hyper": optimizer.hyper})
    vector = runner.trained_vector()
    optimizer.hyper[...] = hyper  # decides which vectors there are
    try:
        saved = part_of(state.arrays, "optimizer/")
        wanted = {name: array for name, array in optimizer.state.items() if name in saved}
        check_vectors(saved, {**dict.fromkeys(optimizer.first_values(), vector), **wanted})
    finally:
        optimizer.hyper[...] = kept
    for what, now in (("loss", runner.loss_described), ("results", runner.names)):
        if state.facts[what] != now:
            raise ValueError(
                f"the training state is that of a model compiled otherwise: {what} was "
                f"{state.facts[what]!r} and is {now!r}; compile it as it was, {_FOLDER}"
            )


def _check_weights(weights: dict[str, Variable], saved: dict[str, Array]) -> None:
    for path in dict.fromkeys([*weights, *saved]):
        weight, array = weights.get(path), saved.get(path)
        wanted = None if weight is None else (weight.memory.shape, weight.memory.dtype)
        found = None if array is None else (array.shape, array.dtype)
        if wanted != found:
            raise ValueError(
                f"the training state is that of another model: for weight {path} it holds {_form(found)}, "
                f"the model has {_form(wanted)}; make the model as it was, {_FOLDER}"
            )


def _form(form: tuple[object, object] | None) -> str:
    return "nothing" if form is None else f"shape {form[0]} of {form[1]}"


def _samples(shapes: list[list[int]], dtypes: list[str]) -> Array | list[Array]:
    samples: list[Array] = [
        np.zeros((1, *shape), dtype_of(dtype)) for shape, dtype in zip(shapes, dtypes, strict=True)
    ]
    return samples[0] if len(samples) == 1 else samples
