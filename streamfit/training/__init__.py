"""The one loop; its arguments, running results, callbacks, history and progress bar."""

from __future__ import annotations

from streamfit.training import batches, data_reader, evaluation, fitting, prediction, single_batches
from streamfit.training.callbacks import History
from streamfit.training.compile_config import CompileConfig
from streamfit.training.plan import FitPlan, compile_checks, renamed_epochs, whole_steps
from streamfit.training.runner import Runner
from streamfit.training.stopping import StopFlag
from streamfit.training.stream_settings import StreamSettings
from streamfit.training.trainable import FitSession, Trainable
from streamfit.training.trainable_flags import TrainableFlags
from streamfit.training.training_state import TrainingState

__all__ = [
    "CompileConfig",
    "FitPlan",
    "FitSession",
    "History",
    "Runner",
    "StopFlag",
    "StreamSettings",
    "Trainable",
    "TrainableFlags",
    "TrainingState",
    "batches",
    "compile_checks",
    "data_reader",
    "evaluation",
    "fitting",
    "prediction",
    "renamed_epochs",
    "single_batches",
    "whole_steps",
]
