"""Comparison of the data that a saved place in a stream belongs to with the present data."""

from __future__ import annotations

from collections.abc import Mapping

from streamfit._base.errors import DataError
from streamfit._base.inspection import differences

__all__ = ["check_same"]


def check_same(name: str, saved: Mapping[str, object], now: Mapping[str, object]) -> None:
    """Raise unless the data are those of a saved place.

    Args:
        name: Name of the source in messages.
        saved: The identity of the data when the place was saved, as `Source.identity` returned it.
        now: The identity of the present data.

    Raises:
        DataError: A value differs; the message has both values.

    Example:
        >>> check_same("data", {"batch_size": 8, "samples": 96}, {"batch_size": 16, "samples": 96})
        Traceback (most recent call last):
        streamfit._base.errors.DataError: source 'data': the saved place belongs to other data: batch_size \
was 8 and is 16; resume with the data and the settings of the interrupted run, or begin anew with another \
backup folder
    """
    differ = differences(saved, now)
    if differ:
        raise DataError(
            f"source {name!r}: the saved place belongs to other data: {'; '.join(differ)}; resume with the "
            "data and the settings of the interrupted run, or begin anew with another backup folder"
        )
