"""`LogNames`: the names that the logs of a run will hold; any other name is refused before training."""

from __future__ import annotations

from dataclasses import dataclass

from streamfit._base.names import did_you_mean
from streamfit.training.user_warnings import warn

__all__ = ["LogNames", "watched"]


@dataclass(frozen=True)
class LogNames:
    """The names that the logs of a run will hold.

    Args:
        batch: Names in the logs of a training batch: losses and metrics.
        epoch: Names in the logs of an epoch, those of validation and of callbacks included.
        sure_of_batch: Whether nothing else can come in those of a batch. A metric that decides on its names
            while it runs, or a callback of the user's, may add others.
        sure: Whether nothing else can come in those of an epoch.
    """

    batch: tuple[str, ...]
    epoch: tuple[str, ...]
    sure_of_batch: bool = True
    sure: bool = True


def watched(name: str, names: LogNames, owner: str) -> bool:
    """Return whether the logs of an epoch are sure to hold a name, now and then at least.

    Args:
        name: The quantity that a callback watches.
        names: The names that the logs will hold.
        owner: Name of the callback, for messages.

    Raises:
        ValueError: No epoch will ever log it.

    Example:
        >>> watched("val_los", LogNames(("loss",), ("loss", "val_loss")), "EarlyStopping")
        Traceback (most recent call last):
        ValueError: EarlyStopping got monitor='val_los', which no epoch of this fit will log; the names are \
loss, val_loss. Did you mean 'val_loss'?
    """
    if name in names.epoch:
        return True
    if not names.sure:
        return False
    if name.removeprefix("val_") in names.batch:  # the name is right, and as in Keras training continues
        warn(
            f"{owner} got monitor={name!r}, but this fit has no validation, so it will do nothing; pass "
            f"validation_data, or one of {', '.join(names.epoch)} as monitor"
        )
        return False
    raise ValueError(
        f"{owner} got monitor={name!r}, which no epoch of this fit will log; the names are "
        f"{', '.join(names.epoch)}.{did_you_mean(name, names.epoch)}"
    )
