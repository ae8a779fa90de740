"""`Terminal`: a text stream and its abilities: to redraw a line, show colours, write characters."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from streamfit._base.telling import tell_on

__all__ = ["Terminal"]

_NOTEBOOK_INTERVAL = 0.2  # seconds; every redraw is a message to the browser, and a flood of them freezes it


class Terminal:
    """A text stream and its abilities.

    Args:
        stream: Where to write; None for the standard output of this moment, which may be absent.

    Attributes:
        redraws: Whether a carriage return lets a line be written anew (a terminal or a notebook).
        colours: Whether escape sequences are welcome; never if NO_COLOR is set.
        least_interval: Seconds between redraws that the stream needs at least.

    Example:
        >>> import io
        >>> stream = io.StringIO()
        >>> terminal = Terminal(stream)
        >>> terminal.redraws, terminal.colours, terminal.columns
        (False, False, None)
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        notebook = type(self._stream).__module__.partition(".")[0] == "ipykernel"
        self.redraws = notebook or (_is_terminal(self._stream) and os.environ.get("TERM") != "dumb")
        self.colours = self.redraws and not os.environ.get("NO_COLOR")
        self.least_interval = _NOTEBOOK_INTERVAL if notebook else 0.0

    @property
    def columns(self) -> int | None:
        """Count the columns of the terminal at this moment, or return None if it has none."""
        if not self.redraws:
            return None
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or None
        except Exception:  # a user's stream may raise anything; then it has no columns
            return None

    def encodes(self, text: str) -> bool:
        """Return whether the stream can write `text`."""
        try:
            text.encode(getattr(self._stream, "encoding", None) or "utf-8")
        except (UnicodeEncodeError, LookupError, TypeError):
            return False
        return True

    def write(self, text: str) -> None:
        """Write `text` and show it at once; a stream that cannot be written to stays silent."""
        tell_on(self._stream, text)


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and bool(stream.isatty())
    except Exception:  # no stream at all, a closed one, or one of the user's
        return False
