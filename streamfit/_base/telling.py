"""Telling people what happens: text on a stream, warnings. What is told never ends what is done.

A stream may be closed, full, a pipe that nobody reads any more, absent (a program without a console), or
unable to encode a character. None of that is a reason to lose a training run: characters that cannot be
encoded are replaced, anything else makes the text disappear.

Guarantee kept here: every text that the library shows during a run goes through this module, and no error of
a stream leaves it.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import warnings
from collections.abc import Iterator
from typing import Protocol

__all__ = ["encodable", "tell", "tell_on", "undisturbed", "warn"]


class TextStream(Protocol):
    """The part of a text stream that is used here."""

    def write(self, text: str, /) -> object:
        """Take in some text."""
        ...

    def flush(self) -> object:
        """Show it at once."""
        ...


def tell(text: str) -> bool:
    """Write a line on the standard output of this moment, as `print` does.

    Returns:
        Whether the stream took it.

    Example:
        >>> tell("Epoch 3: early stopping")
        Epoch 3: early stopping
        True
    """
    return tell_on(sys.stdout, f"{text}\n")


def tell_on(stream: TextStream | None, text: str) -> bool:
    """Write `text` on a stream, without a line break at its end, and show it at once.

    Args:
        stream: Anything with ``write`` and ``flush``; None for nothing.
        text: What the stream cannot encode is shown as ``?``.

    Returns:
        Whether the stream took it.

    Example:
        >>> import io
        >>> stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        >>> tell_on(stream, "größe"), stream.buffer.getvalue()
        (True, b'gr??e')
        >>> stream.close()
        >>> tell_on(stream, "lost")
        False
    """
    if stream is None:
        return False
    with undisturbed():
        try:
            stream.write(text)
        except UnicodeError:
            stream.write(encodable(stream, text))
        stream.flush()
        return True
    return False


def encodable(stream: object, text: str) -> str:
    """Return `text` with a question mark for each character that the stream cannot encode.

    Example:
        >>> from types import SimpleNamespace
        >>> encodable(SimpleNamespace(encoding="cp1252"), "größe_Δ")
        'größe_?'
    """
    try:
        encoding = getattr(stream, "encoding", None) or "ascii"
        return text.encode(encoding, "replace").decode(encoding)
    except (LookupError, TypeError, UnicodeError):  # no such encoding, or one that cannot even replace
        return text.encode("ascii", "replace").decode("ascii")


def warn(text: str, category: type[Warning] = UserWarning, stacklevel: int = 1) -> None:
    """Give a warning as `warnings.warn` does; a standard error that cannot be written to is no error.

    Args:
        text: What is wrong, and what to write instead.
        category: Its class.
        stacklevel: 1 for the line that calls this function, 2 for its caller, and so on.

    Raises:
        Warning: A filter asks for an exception in place of a warning.
    """
    with undisturbed():
        try:
            warnings.warn(text, category, stacklevel=stacklevel + 1)
        except UnicodeEncodeError:  # a standard error of somebody's own
            tell_on(sys.stderr, f"{category.__name__}: {text}\n")


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Go on after what is shown in this block could not be shown.

    Raises:
        Warning: A filter asks for an exception in place of a warning.
    """
    try:
        yield
    except Warning:
        raise
    except Exception as error:
        _raise_if_from_a_signal(error)


def _raise_if_from_a_signal(error: Exception) -> None:
    """Raise what a signal handler raised while a stream was being written to: it is meant for the run."""
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    codes = [getattr(getattr(handler, "func", handler), "__code__", None) for handler in handlers]
    place = error.__traceback__
    while place is not None:
        if place.tb_frame.f_code in codes:
            raise error
        place = place.tb_next
