"""Floor 5: the one loop, and what is around it: arguments, running results, callbacks, history, progress."""

from __future__ import annotations

from streamfit.training import batches, sessions
from streamfit.training.callbacks import History
from streamfit.training.compile_config import CompileConfig
from streamfit.training.plan import FitPlan, StreamSettings, compile_checks, renamed_epochs
from streamfit.training.runner import Runner
from streamfit.training.stopping import StopFlag
from streamfit.training.trainable import TrainableFlags
from streamfit.training.training_state import TrainingState

__all__ = [
    "CompileConfig",
    "FitPlan",
    "History",
    "Runner",
    "StopFlag",
    "StreamSettings",
    "TrainableFlags",
    "TrainingState",
    "batches",
    "compile_checks",
    "renamed_epochs",
    "sessions",
]
