"""`FitPlan`: the arguments of `fit`, checked; and the checks of arguments that methods have in common."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamfit._base.checks import integer, is_mapping, plain, scalar, steps_or_none, whole, whole_or_none
from streamfit._base.keys import seed_from
from streamfit._base.names import did_you_mean
from streamfit.training.batches import Data
from streamfit.training.stream_settings import StreamSettings
from streamfit.training.user_warnings import warn


def check_verbose(verbose: object) -> int | str:
    """Return `verbose` as 0, 1, 2 or 'auto'; True and False are 1 and 0.

    Raises:
        ValueError: It is none of these.
    """
    value = scalar(verbose)
    number = int(value) if isinstance(value, (bool, np.bool_)) else integer(value)
    if number in (0, 1, 2):
        return number
    if isinstance(verbose, str) and verbose == "auto":
        return "auto"
    raise ValueError(f"verbose must be 0, 1, 2 or 'auto', got {verbose!r}")


def compile_checks(target_tensors: object, distribute: object, others: Collection[str]) -> None:
    """Check the arguments of `compile` that can have one meaning only.

    Raises:
        ValueError: `target_tensors` or `distribute` is given.
        TypeError: An unknown keyword.
    """
    if target_tensors is not None:
        raise ValueError(
            "target_tensors is not supported: targets come with the data. "
            "Pass them to fit as y, or have the generator yield (x, y)."
        )
    if distribute is not None:
        raise ValueError("distribute must be None; a strategy is not an argument of compile")
    allowed = {"run_eagerly", "steps_per_execution", "jit_compile", "auto_scale_loss"}
    unknown = set(others) - allowed
    if unknown:
        raise TypeError(f"compile got unexpected keyword arguments: {sorted(unknown)}")


def renamed_epochs(epochs: int, kwargs: dict[str, Any], method: Callable[..., object]) -> int:
    """Return `epochs`, or the argument that was passed under its old name.

    Raises:
        TypeError: `kwargs` holds anything else.
    """
    if "nb_epoch" in kwargs:
        warn("The `nb_epoch` argument in `fit` has been renamed `epochs`.")
        epochs = int(kwargs.pop("nb_epoch"))
    if kwargs:
        parameters = inspect.signature(method).parameters.values()
        known = [parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD]
        hints = "".join(did_you_mean(name, known) for name in kwargs)
        raise TypeError(f"Unrecognized keyword arguments: {kwargs}" + (f".{hints}" if hints else ""))
    return epochs


def whole_steps(steps_per_epoch: object, validation_steps: object) -> tuple[int | None, int | None]:
    """Return both numbers of steps, rounded up."""
    own = steps_or_none("steps_per_epoch", steps_per_epoch)
    return own, steps_or_none("validation_steps", validation_steps)


@dataclass(frozen=True)
class FitPlan:
    """The arguments of `fit`, checked.

    Attributes:
        validation_freq: Validate every so many epochs, or after the epochs of a set (counted from 1).
        wrap: Whether passes over the data follow one another within an epoch.
        training: The training data.
        validation: The validation data, or the share of the training data to split off.
    """

    epochs: int
    initial_epoch: int
    steps_per_epoch: int | None
    validation_steps: int | None
    validation_freq: int | Collection[int]
    class_weight: object
    callbacks: object
    verbose: int | str
    settings: StreamSettings
    seed: int | None
    wrap: bool = False
    audit: bool = False
    training: Data | None = None
    validation: Data | float | None = None

    def __post_init__(self) -> None:
        settle = functools.partial(object.__setattr__, self)  # the class is frozen
        settle("epochs", whole("epochs", self.epochs, 0))
        settle("initial_epoch", whole("initial_epoch", self.initial_epoch, 0))
        settle("steps_per_epoch", whole_or_none("steps_per_epoch", self.steps_per_epoch, 1))
        settle("validation_steps", whole_or_none("validation_steps", self.validation_steps, 1))
        if self.seed is not None:
            settle("seed", seed_from(whole("seed", self.seed, 0)))
        settle("verbose", check_verbose(self.verbose))
        settle("class_weight", plain(self.class_weight))
        settle("validation_freq", _frequency(self.validation_freq))

    def with_data(self, training: Data, validation: Data | float | None) -> FitPlan:
        """Return the plan with its data."""
        plan = copy.copy(self)  # `dataclasses.replace` would check the other arguments again
        object.__setattr__(plan, "training", training)
        object.__setattr__(plan, "validation", validation)
        return plan

    def split(self) -> FitPlan:
        """Return the plan with validation data of its own, where they are a share of the training data.

        Raises:
            ValueError: The training data cannot be split in this way.
        """
        if not isinstance(self.validation, float):
            return self
        assert self.training is not None
        return self.with_data(*self.training.split(self.validation))

    def validations(self) -> int:
        """Count the epochs after which there is validation."""
        if self.validation is None:
            return 0
        every = self.validation_freq
        if not isinstance(every, int):
            return sum(self.initial_epoch < epoch <= self.epochs for epoch in every)
        return max(0, self.epochs // every - self.initial_epoch // every)

    def check_validation(self) -> None:
        """Warn of an argument that has no effect; called when `validation` is set."""
        if self.validation is None and self.validation_steps is not None:
            warn(f"validation_steps={self.validation_steps} has no effect: there is no validation_data")

    def validates(self, epoch: int) -> bool:
        """Return whether there is validation after `epoch`, counted from 0."""
        if self.validation is None:
            return False
        every = self.validation_freq
        return (epoch + 1) % every == 0 if isinstance(every, int) else epoch + 1 in every


def _frequency(given: object) -> int | frozenset[int]:
    """Return `validation_freq` as an int, or as a frozen set of epochs."""
    freq = scalar(given)
    every = None if isinstance(freq, (float, np.floating)) else integer(freq)
    if every is not None and every < 1:
        raise ValueError(f"`validation_freq` can not be less than 1, got {freq}")
    if every is not None:
        return every
    if isinstance(freq, Iterable) and not (isinstance(freq, (str, bytes)) or is_mapping(freq)):
        return frozenset(whole("validation_freq entries", item, 1) for item in freq)
    raise ValueError(f"Expected `validation_freq` to be a list or int, got {freq!r}")
