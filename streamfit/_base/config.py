"""Process-wide settings: the default float type, the fuzz factor, where channels are, the random seed."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator
from typing import Literal, cast

from streamfit._base.checks import number, whole
from streamfit._base.keys import derive, draw_seed, seed_from

DataFormat = Literal["channels_last", "channels_first"]


class _Settings:
    """Hold the settings; each process has one instance."""

    def __init__(self) -> None:
        self.floatx = "float32"
        self.epsilon = 1e-7
        self.image_data_format: DataFormat = "channels_last"
        self.seed: int | None = None
        self.draws = 0


_settings = _Settings()
_drawing = threading.Lock()


def floatx() -> str:
    """Return the default float type of new layers, ``'float32'`` unless set.

    Example:
        >>> floatx()
        'float32'
    """
    return _settings.floatx


def set_floatx(name: str) -> None:
    """Set the default float type of new layers.

    Args:
        name: ``'float32'`` or ``'float64'``.

    Raises:
        ValueError: Any other name.
    """
    if name not in ("float32", "float64"):
        raise ValueError(f"floatx must be 'float32' or 'float64', got {name!r}")
    _settings.floatx = name


def epsilon() -> float:
    """Return the fuzz factor (1e-7, as in Keras) that keeps logarithms and divisions finite.

    Example:
        >>> epsilon()
        1e-07
    """
    return _settings.epsilon


def set_epsilon(value: float) -> None:
    """Set the fuzz factor for what is computed from now on.

    Args:
        value: A number above 0.

    Raises:
        TypeError: It is no number.
        ValueError: It is not above 0, or not finite.
    """
    found = number("epsilon", value)
    if not 0 < found < math.inf:
        raise ValueError(f"epsilon must be a number above 0, such as 1e-7, got {value!r}")
    _settings.epsilon = found


def image_data_format() -> DataFormat:
    """Return where the channels of images are by default, ``'channels_last'`` unless set.

    Example:
        >>> image_data_format()
        'channels_last'
    """
    return _settings.image_data_format


def set_image_data_format(name: str) -> None:
    """Set where the channels of images are by default.

    Args:
        name: ``'channels_last'`` or ``'channels_first'``.

    Raises:
        ValueError: Any other name.
    """
    _settings.image_data_format = as_data_format(name)


def as_data_format(name: str | None) -> DataFormat:
    """Return an argument ``data_format``, or the default for None.

    Raises:
        ValueError: It is something else.
    """
    if name is None:
        return _settings.image_data_format
    if name not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format={name!r}: write 'channels_last' or 'channels_first'")
    return cast("DataFormat", name)


def set_random_seed(seed: int) -> None:
    """Make everything that follows repeatable: initial weights, shuffling, dropout, augmentation.

    Args:
        seed: A whole number from 0 on, of any kind and size.

    Raises:
        TypeError: `seed` is not a whole number.
        ValueError: It is negative.

    Example:
        >>> set_random_seed(1)
        >>> a = next_seed()
        >>> set_random_seed(1)
        >>> a == next_seed()
        True
        >>> forget_seed()
    """
    _settings.seed = seed_from(whole("seed", seed, 0))
    _settings.draws = 0


def forget_seed() -> None:
    """Return to seeds drawn from the operating system."""
    _settings.seed = None
    _settings.draws = 0


@contextlib.contextmanager
def keeping_seeds() -> Iterator[None]:
    """Let what draws seeds inside the block change none of the seeds that are drawn behind it.

    Example:
        >>> set_random_seed(1)
        >>> with keeping_seeds():
        ...     inside = next_seed()
        >>> inside == next_seed()
        True
        >>> forget_seed()
    """
    before = _settings.seed, _settings.draws
    try:
        yield
    finally:
        _settings.seed, _settings.draws = before


def next_seed() -> int:
    """Return the next seed: derived from the seed that was set, or drawn from the operating system."""
    with _drawing:
        if _settings.seed is None:
            return draw_seed()
        _settings.draws += 1
        return derive(_settings.seed, _settings.draws) >> 1


def read_only_seed() -> int:
    """Return a seed for code that only inspects data; it does not change the seed of the next training."""
    seed = _settings.seed
    return draw_seed() if seed is None else derive(seed, "looking") >> 1
