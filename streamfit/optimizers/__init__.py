"""Optimizers: from a gradient to a change of the weights, on one flat vector each."""

from __future__ import annotations

from streamfit.optimizers import schedules
from streamfit.optimizers.adagrad import Adadelta, Adagrad
from streamfit.optimizers.adam import Adam, Adamax, AdamW, LazyAdam, Nadam
from streamfit.optimizers.lookup import get
from streamfit.optimizers.optimizer import Optimizer
from streamfit.optimizers.rmsprop import RMSprop
from streamfit.optimizers.sgd import SGD

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "LazyAdam",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "get",
    "schedules",
]
