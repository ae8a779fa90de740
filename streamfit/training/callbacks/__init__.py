"""Callbacks: the history, the progress bar, and those of Keras."""

from __future__ import annotations

from streamfit.training.callbacks.backup_and_restore import BackupAndRestore
from streamfit.training.callbacks.base import Callback
from streamfit.training.callbacks.csv_logger import CSVLogger
from streamfit.training.callbacks.early_stopping import EarlyStopping
from streamfit.training.callbacks.history import History
from streamfit.training.callbacks.lambda_callback import LambdaCallback
from streamfit.training.callbacks.learning_rate_scheduler import LearningRateScheduler
from streamfit.training.callbacks.list import CallbackList
from streamfit.training.callbacks.model_checkpoint import ModelCheckpoint
from streamfit.training.callbacks.progress import ProgressBar
from streamfit.training.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
from streamfit.training.callbacks.stream_profiler import StreamProfiler
from streamfit.training.callbacks.terminate_on_nan import TerminateOnNaN

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgressBar",
    "ReduceLROnPlateau",
    "StreamProfiler",
    "TerminateOnNaN",
]
