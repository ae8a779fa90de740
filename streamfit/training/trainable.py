"""`Trainable`: a model as training and its callbacks see it; `FitSession`: a run of `fit` as they see it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Protocol

from streamfit._base.specs import Array
from streamfit.metrics import Metric
from streamfit.training.model_call import HasRunner
from streamfit.training.model_graph import CompiledModel
from streamfit.training.results import Measure
from streamfit.training.training_state import TrainingState

if TYPE_CHECKING:  # the package of callbacks imports this module
    from streamfit.training.callbacks.history import History


class FitSession(Protocol):
    """A run of `fit` under way."""

    def measures(self) -> list[Measure]:
        """Describe the results in the logs of training, as far as they can be known."""

    def log_names(self) -> list[str]:
        """List the names in the logs of an epoch, as far as they can be known."""

    def keep(self, context: contextlib.AbstractContextManager[object]) -> None:
        """Enter a context that is left when this run ends, however it ends."""

    def check_state(self) -> None:
        """Raise now the error that a backup would raise at the end of the first epoch."""

    def state(self, *, ended: dict[str, object] | None = None) -> TrainingState:
        """Return everything that is needed to continue from here, but for the history."""

    def resume(self, state: TrainingState, *, replay: bool = False) -> None:
        """Continue where another run was when its `state` was taken."""


class Trainable(CompiledModel, HasRunner, Protocol):
    """A model that can be trained, evaluated and asked for predictions.

    Attributes:
        history: The history of the last run of `fit`.
        session: The run of `fit` that is under way.
        stop_training: Set to True to end training after the running batch.
    """

    history: History | None
    session: FitSession | None
    stop_training: bool

    @property
    def metrics(self) -> list[Metric]:
        """List the metrics; none before the first batch."""

    def get_weights(self) -> list[Array]:
        """Return copies of all weights."""

    def set_weights(self, weights: list[Array]) -> None:
        """Overwrite all weights."""

    def save_weights(self, filepath: str) -> None:
        """Write all weights to a file."""

    def check_weights_path(self, filepath: str) -> None:
        """Raise the error that `save_weights` would raise for this path."""

    def write_state(self, state: TrainingState, filepath: os.PathLike[str]) -> None:
        """Write a training state, whole or not at all."""

    def read_state(self, filepath: os.PathLike[str]) -> TrainingState:
        """Read a training state."""
