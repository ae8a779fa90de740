"""What `fit` was asked to do, checked: the counts, when to validate, who loads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streamfit._base.checks import integer, is_mapping, plain, scalar, truth, whole, whole_or_none
from streamfit._base.keys import seed_from
from streamfit._base.names import did_you_mean
from streamfit.streams import LoadPolicy
from streamfit.training.user_warnings import warn
from streamfit.workers import check_init


def check_verbose(verbose: Any) -> int | str:
    """Return `verbose` as 0, 1, 2 or 'auto'; True and False are 1 and 0.

    Raises:
        ValueError: It is none of these.
    """
    number = integer(verbose)
    if isinstance(scalar(verbose), (bool, np.bool_)):
        number = int(verbose)
    if number in (0, 1, 2):
        return number
    if isinstance(verbose, str) and verbose == "auto":
        return "auto"
    raise ValueError(f"verbose must be 0, 1, 2 or 'auto', got {verbose!r}")


def compile_checks(target_tensors: Any, distribute: Any, others: dict[str, Any]) -> None:
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


def renamed_epochs(epochs: int, kwargs: dict[str, Any], method: Callable[..., Any]) -> int:
    """Return `epochs`, or what was passed under its old name.

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


@dataclass(frozen=True)
class StreamSettings:
    """Who loads the batches. None means: what the data ask for, else the default."""

    max_queue_size: int | None = None
    workers: int | None = None
    use_multiprocessing: bool | None = None
    policy: LoadPolicy = field(default_factory=LoadPolicy)
    worker_init: Callable[[], Any] | None = None

    def __post_init__(self) -> None:
        settle = object.__setattr__  # the class is frozen
        settle(self, "max_queue_size", whole_or_none("max_queue_size", self.max_queue_size, 1))
        settle(self, "workers", whole_or_none("workers", self.workers, 0))
        if self.use_multiprocessing is not None:
            settle(self, "use_multiprocessing", truth("use_multiprocessing", self.use_multiprocessing))
        check_init(self.worker_init)


@dataclass
class FitPlan:
    """The arguments of `fit` that are not data."""

    epochs: int
    initial_epoch: int
    steps_per_epoch: int | None
    validation_steps: int | None
    validation_freq: Any
    class_weight: Any
    callbacks: Any
    verbose: int | str
    settings: StreamSettings
    seed: int | None
    wrap: bool = False
    audit: bool = False
    training: Any = None
    validation: Any = None

    def __post_init__(self) -> None:
        self.epochs = whole("epochs", self.epochs, 0)
        self.initial_epoch = whole("initial_epoch", self.initial_epoch, 0)
        self.steps_per_epoch = whole_or_none("steps_per_epoch", self.steps_per_epoch, 1)
        self.validation_steps = whole_or_none("validation_steps", self.validation_steps, 1)
        if self.seed is not None:
            self.seed = seed_from(whole("seed", self.seed, 0))
        self.verbose = check_verbose(self.verbose)
        self.class_weight = plain(self.class_weight)
        self._check_frequency()

    def _check_frequency(self) -> None:
        """Make `validation_freq` an int, or a frozen set of epochs."""
        freq = scalar(self.validation_freq)
        every = None if isinstance(freq, (float, np.floating)) else integer(freq)
        if every is not None and every < 1:
            raise ValueError(f"`validation_freq` can not be less than 1, got {freq}")
        if every is not None:
            self.validation_freq = every
        elif isinstance(freq, Iterable) and not (isinstance(freq, (str, bytes)) or is_mapping(freq)):
            self.validation_freq = frozenset(whole("validation_freq entries", item, 1) for item in freq)
        else:
            raise ValueError(f"Expected `validation_freq` to be a list or int, got {freq!r}")

    def validations(self) -> int:
        """Count the epochs after which there is validation."""
        if self.validation is None:
            return 0
        every = self.validation_freq
        if isinstance(every, frozenset):
            return sum(self.initial_epoch < epoch <= self.epochs for epoch in every)
        return int(max(0, self.epochs // every - self.initial_epoch // every))

    def check_validation(self) -> None:
        """Warn of an argument that has nothing to act on; called when `validation` is set."""
        if self.validation is None and self.validation_steps is not None:
            warn(f"validation_steps={self.validation_steps} has no effect: there is no validation_data")

    def validates(self, epoch: int) -> bool:
        """Return whether there is validation after `epoch`, counted from 0."""
        if self.validation is None:
            return False
        every = self.validation_freq
        return bool(epoch + 1 in every if isinstance(every, frozenset) else (epoch + 1) % every == 0)
