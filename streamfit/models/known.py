"""Tell descriptions which classes and functions there are: the public ones of each package, and models."""

from __future__ import annotations

from streamfit import (
    activations,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    regularizers,
)
from streamfit._base import known_objects
from streamfit.models.model import Model
from streamfit.models.sequential import Sequential
from streamfit.optimizers import schedules

__all__: list[str] = []

for _package in (activations, constraints, initializers, layers, losses, metrics, optimizers, regularizers):
    known_objects.provide(_package.__name__.rpartition(".")[2], vars(_package), _package.__all__)
known_objects.provide("schedules", vars(schedules), schedules.__all__)
known_objects.provide("models", {"Model": Model, "Sequential": Sequential}, ("Model", "Sequential"))
