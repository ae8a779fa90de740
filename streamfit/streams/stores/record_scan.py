"""`scan`: where the records of a text lie, for lines and for CSV with line ends inside of quotes.

Guarantee kept here: the scan of a text does not depend on how it was cut before, as long as it was cut
behind a record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels.decorator import kernel

_WHITE, _FEED, _RETURN, _DELIMITER, _QUOTE, _ESCAPE = range(1, 7)
MOST_RECORDS = 1 << 18
"""How many records make a block at most: lines of one letter must not become millions of objects at once."""


@dataclass(frozen=True)
class RecordForm:
    """What ends a record. A line feed does, and a carriage return before a line feed belongs to it.

    Args:
        delimiter: The byte between fields, -1 if there are no fields.
        quote: The byte that, at the start of a field, begins a quoted part, in which nothing but the same
            byte ends anything; two of them stand for one. -1 if there is none.
        escape: The byte that takes from the next one its meaning, -1 if there is none.
        returns: Whether a carriage return alone ends a record too.
        blank: Which records count for nothing: ``"none"``, ``"empty"`` (without any character) or
            ``"white"`` (nothing but spaces and tabs).
    """

    delimiter: int = -1
    quote: int = -1
    escape: int = -1
    returns: bool = False
    blank: str = "none"

    def kinds(self) -> Array:
        """Return what each of the 256 bytes means, uint8: see `scan_records`."""
        made = np.zeros(256, np.uint8)
        if self.blank == "white":
            made[[32, 9]] = _WHITE
        for byte, kind in ((self.delimiter, _DELIMITER), (self.quote, _QUOTE), (self.escape, _ESCAPE)):
            if byte >= 0:
                made[byte] = kind
        made[10], made[13] = _FEED, _RETURN
        return made


class Scanned(NamedTuple):
    """What a scan has found.

    Args:
        records: How many whole records there are.
        end: The byte behind the last of them, and behind blank lines that follow.
        lines: How many lines end before that.
        unclosed: Whether the text ends inside of quotes.
        starts: The first byte of each record, where it was asked for.
    """

    records: int
    end: int
    lines: int
    unclosed: bool
    starts: Array


def scan(
    data: bytes, form: RecordForm, *, final: bool, most: int = MOST_RECORDS, starts: bool = False
) -> Scanned:
    """Find the records of a text that begins with a record.

    Args:
        data: The text.
        form: What ends a record.
        final: Whether the text ends here: then the last record needs no line end.
        most: After how many records to stop.
        starts: Whether to return where each of them begins.

    Example:
        >>> comma = RecordForm(delimiter=ord(","), quote=ord('"'), returns=True, blank="empty")
        >>> scan(b'a,"1\\n2"\\n\\nb,3', comma, final=True, starts=True).starts.tolist()
        [0, 9]
        >>> scan(b'a,"1\\n2"\\n\\nb,3', comma, final=False)[:3]
        (1, 9, 3)
    """
    places = np.empty(min(most, len(data)) if starts else 0, np.int64)
    found = np.zeros(4, np.int64)
    settings = np.array([form.returns, form.blank != "none", final, most], np.int64)
    scan_records(letters(data), form.kinds(), settings, places, found)
    records, end, lines, unclosed = found.tolist()
    return Scanned(records, end, lines, bool(unclosed), places[:records])


def letters(data: bytes) -> Array:
    """Return a text as an array of bytes that may be written to: kernels are kept on disk for such alone."""
    return np.frombuffer(data, np.uint8).copy()


@kernel
def scan_records(data: Array, kinds: Array, settings: Array, starts: Array, found: Array) -> None:
    """Write to `found`: the whole records, the byte behind them, the lines that end there, and whether the
    last one ends inside of quotes.

    Args:
        data: uint8 (n,): the text.
        kinds: uint8 (256,): what each byte means.
        settings: int64 (4,): whether a carriage return alone ends a record, whether blank records count for
            nothing, whether the text ends here, and after how many records to stop.
        starts: int64 (m,): receives where the first m records begin.
        found: int64 (4,), zeros.
    """
    returns, blank, final, most = int(settings[0]), int(settings[1]), int(settings[2]), int(settings[3])
    size, room = data.shape[0], starts.shape[0]
    position, count, lines = 0, 0, 0
    while position < size and count < most:
        start, field = position, position  # a field begins where `position` is `field`
        empty, quoted, ended = 1, 0, 0
        while position < size and ended == 0:
            kind = int(kinds[data[position]])
            position += 1
            if kind == 0:
                empty = 0
                while position < size and kinds[data[position]] == 0:
                    position += 1
            elif kind == _ESCAPE:
                empty = 0
                if position < size:
                    lines += int(data[position]) == 10
                    position += 1
            elif quoted == 1:
                if kind == _QUOTE:
                    if position < size and kinds[data[position]] == _QUOTE:
                        position += 1
                    else:
                        quoted = 0
                elif kind == _FEED:
                    lines += 1
            elif kind == _FEED:
                ended = 1
            elif kind == _RETURN:
                if position < size and int(data[position]) == 10:
                    position += 1
                    ended = 1
                elif returns == 1 and (position < size or final == 1):
                    ended = 1
            elif kind == _DELIMITER:
                empty, field = 0, position
            elif kind == _QUOTE:
                empty = 0
                quoted = int(field == position - 1)
        lines += ended
        if ended == 0 and final == 0:
            break
        if blank == 0 or empty == 0:
            if count < room:
                starts[count] = start
            count += 1
            found[3] = quoted
        found[0], found[1], found[2] = count, position, lines
