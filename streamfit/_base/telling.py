"""Output to users: text on streams, and warnings. A failing stream never ends a run.

A stream may be closed, full, a pipe without a reader, absent (a program without a console), or unable to
encode a character. None of these is a reason to lose a training run: characters that cannot be encoded are
replaced; after any other error the text is dropped.

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
        """Write some text."""
        ...

    def flush(self) -> object:
        """Write out what is buffered."""
        ...


def tell(text: str) -> bool:
    """Write a line to the current standard output, as `print` does.

    Returns:
        Whether the stream accepted the text.

    Example:
        >>> tell("Epoch 3: early stopping")
        Epoch 3: early stopping
        True
    """
    return tell_on(sys.stdout, f"{text}\n")


def tell_on(stream: TextStream | None, text: str) -> bool:
    """Write `text` to a stream without adding a line break, and flush the stream.

    Args:
        stream: An object with ``write`` and ``flush``; None writes nothing.
        text: The text. Characters that the stream cannot encode become ``?``.

    Returns:
        Whether the stream accepted the text.

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
    except (LookupError, TypeError, UnicodeError):  # unknown encoding, or one without replacement
        return text.encode("ascii", "replace").decode("ascii")


def warn(text: str, category: type[Warning] = UserWarning, stacklevel: int = 1) -> None:
    """Issue a warning as `warnings.warn` does; ignore a standard error stream that cannot be written to.

    Args:
        text: The problem, and what to write instead.
        category: Its class.
        stacklevel: 1 for the line that calls this function, 2 for its caller, and so on.

    Raises:
        Warning: A filter turns the warning into an exception.
    """
    with undisturbed():
        try:
            warnings.warn(text, category, stacklevel=stacklevel + 1)
        except UnicodeEncodeError:  # a replaced standard error stream
            tell_on(sys.stderr, f"{category.__name__}: {text}\n")


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore errors of streams in this block.

    Raises:
        Warning: A filter turns the warning into an exception.
    """
    try:
        yield
    except Warning:
        raise
    except Exception as error:
        _raise_if_from_a_signal(error)


def _raise_if_from_a_signal(error: Exception) -> None:
    """Raise `error` again if a signal handler raised it during the output: it is meant for the run."""
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    codes = [getattr(getattr(handler, "func", handler), "__code__", None) for handler in handlers]
    place = error.__traceback__
    while place is not None:
        if place.tb_frame.f_code in codes:
            raise error
        place = place.tb_next
