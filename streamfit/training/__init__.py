"""Floor 5: the one loop, and what is around it: arguments, running results, callbacks, history, progress."""

from __future__ import annotations

from streamfit.training import batches, sessions
from streamfit.training.callbacks import History
from streamfit.training.compiled import Compiled
from streamfit.training.plan import FitPlan, StreamSettings, compile_checks, renamed_epochs
from streamfit.training.runner import Runner
from streamfit.training.state import TrainingState
from streamfit.training.stopping import StopFlag
from streamfit.training.trainable import TrainableFlags

__all__ = [
    "Compiled",
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
