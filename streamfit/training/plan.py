"""What `fit` was asked to do, checked: the counts, when to validate, who loads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, SupportsIndex

from streamfit._base.checks import whole, whole_or_none
from streamfit.streams import LoadPolicy
from streamfit.training.notices import warn
from streamfit.workers import check_init

_CONTAINERS = (list, tuple, set, frozenset, range)


def check_verbose(verbose: Any) -> None:
    """Raise unless `verbose` is 0, 1, 2 or 'auto'."""
    if verbose not in (0, 1, 2, "auto"):
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


@dataclass(frozen=True)
class StreamSettings:
    """Who loads the batches. None means: what the data ask for, else the default."""

    max_queue_size: int | None = None
    workers: int | None = None
    use_multiprocessing: bool | None = None
    policy: LoadPolicy = field(default_factory=LoadPolicy)
    worker_init: Callable[[], Any] | None = None

    def __post_init__(self) -> None:
        whole_or_none("max_queue_size", self.max_queue_size, 1)
        whole_or_none("workers", self.workers, 0)
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
    training: Any = None
    validation: Any = None
    _epochs_to_validate: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.epochs = whole("epochs", self.epochs, 0)
        self.initial_epoch = whole("initial_epoch", self.initial_epoch, 0)
        self.steps_per_epoch = whole_or_none("steps_per_epoch", self.steps_per_epoch, 1)
        self.validation_steps = whole_or_none("validation_steps", self.validation_steps, 1)
        if self.seed is not None:
            self.seed = whole("seed", self.seed, 0)
        check_verbose(self.verbose)
        self._check_frequency()

    def _check_frequency(self) -> None:
        freq = self.validation_freq
        if isinstance(freq, _CONTAINERS):
            self._epochs_to_validate = {whole("validation_freq entries", item, 1) for item in freq}
        elif isinstance(freq, (bool, float)) or not isinstance(freq, SupportsIndex):
            raise ValueError(f"Expected `validation_freq` to be a list or int, got {freq!r}")
        elif int(freq) < 1:
            raise ValueError(f"`validation_freq` can not be less than 1, got {freq}")

    def validations(self) -> int:
        """Count the epochs after which there is validation."""
        if self.validation is None:
            return 0
        if isinstance(self.validation_freq, _CONTAINERS):
            return sum(self.initial_epoch < epoch <= self.epochs for epoch in self._epochs_to_validate)
        every = int(self.validation_freq)
        return max(0, self.epochs // every - self.initial_epoch // every)

    def check_validation(self) -> None:
        """Warn of an argument that has nothing to act on; called when `validation` is set."""
        if self.validation is None and self.validation_steps is not None:
            warn(f"validation_steps={self.validation_steps} has no effect: there is no validation_data")

    def validates(self, epoch: int) -> bool:
        """Tell whether there is validation after `epoch`, counted from 0."""
        if self.validation is None:
            return False
        if isinstance(self.validation_freq, _CONTAINERS):
            return epoch + 1 in self._epochs_to_validate
        return (epoch + 1) % int(self.validation_freq) == 0
