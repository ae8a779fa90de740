"""Kernels that read text: bytes into tokens, and tokens into numbers.

Text is UTF-8. Tokens lie one behind the other in an array of bytes, each with a space behind it, so that n
neighbouring tokens are also one token: their n-gram. A table of tokens has open addressing and linear
probing: a slot is the upper half of the token's hash and, in its lower half, the number of the token plus 1;
0 is an empty slot. A token is found only where its bytes are the same.
"""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels.decorator import inlined, kernel

DROP, BREAK, END = -1, -2, -3
"""What may be done with a byte, beside writing another one: leave it out, end the token, end the text."""
WORDS, CHARACTERS, WHOLE = 0, 1, 2
"""Where text is split: at bytes whose action is `BREAK`, behind each character, nowhere."""
SPACE = 32
SLACK = 8
"""Bytes that arrays of tokens have behind the last token, so that 8 bytes can be read at once."""

_NOTHING, _ALL, _LOW = np.uint64(0), np.uint64(2**64 - 1), np.uint64(2**32 - 1)
_ONE, _TWO, _THREE, _FOUR = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
_FIVE, _SIX, _SEVEN, _EIGHT = np.uint64(5), np.uint64(6), np.uint64(7), np.uint64(8)
_S16, _S24, _S32, _S40 = np.uint64(16), np.uint64(24), np.uint64(32), np.uint64(40)
_S48, _S56, _S30, _S27, _S31 = np.uint64(48), np.uint64(56), np.uint64(30), np.uint64(27), np.uint64(31)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@kernel
def split_texts(data: Array, actions: Array, mode: int, out: Array, starts: Array, rows: Array) -> None:
    """Split texts into tokens.

    Args:
        data: uint8: the texts, each with a byte behind it whose action is `END`.
        actions: int16 (256,): the byte that is written for each byte, or `DROP`, `BREAK` or `END`.
        mode: `WORDS`, `CHARACTERS` or `WHOLE`.
        out: uint8: the tokens, a space behind each.
        starts: int64 (tokens + 1 or more,): where each token begins in `out`, and where the last one ends.
        rows: int64 (texts + 1,): the number of each text's first token, and the number of all.
    """
    begin = used = token = row = 0
    starts[0] = rows[0] = 0
    for i in range(data.shape[0]):
        action = actions[data[i]]
        if action >= 0:
            if mode == CHARACTERS and used > begin and (data[i] & 0xC0) != 0x80:
                out[used] = SPACE
                used += 1
                token += 1
                starts[token] = begin = used
            out[used] = action
            used += 1
        elif action != DROP:
            if used > begin or (mode == WHOLE and action == END):
                out[used] = SPACE
                used += 1
                token += 1
                starts[token] = begin = used
            if action == END:
                row += 1
                rows[row] = token


@inlined
def eight(data: Array, at: int) -> np.uint64:
    """Return 8 bytes as one number, by unsigned indices: these compile to a single load."""
    i = np.uint64(at)
    return (
        np.uint64(data[i])
        | np.uint64(data[i + _ONE]) << _EIGHT
        | np.uint64(data[i + _TWO]) << _S16
        | np.uint64(data[i + _THREE]) << _S24
        | np.uint64(data[i + _FOUR]) << _S32
        | np.uint64(data[i + _FIVE]) << _S40
        | np.uint64(data[i + _SIX]) << _S48
        | np.uint64(data[i + _SEVEN]) << _S56
    )


@inlined
def hash_of(data: Array, begin: int, end: int) -> np.uint64:
    """Hash bytes, 8 at a time, by multiplications and shifts as in SplitMix64's finaliser."""
    code = np.uint64(end - begin) * _FIRST
    at = begin
    while end - at >= 8:
        code = (code ^ eight(data, at)) * _SECOND
        code ^= code >> _S32
        at += 8
    if end > at:
        code ^= eight(data, at) & (_ALL >> np.uint64(64 - 8 * (end - at)))
    code = (code ^ (code >> _S30)) * _FIRST
    code = (code ^ (code >> _S27)) * _SECOND
    return code ^ (code >> _S31)


@inlined
def is_same(data: Array, begin: int, words: Array, first: int, size: int) -> bool:
    """Return whether `size` bytes are the same."""
    at = 0
    while size - at >= 8:
        if eight(data, begin + at) != eight(words, first + at):
            return False
        at += 8
    if size == at:
        return True
    different = eight(data, begin + at) ^ eight(words, first + at)
    return bool(different << np.uint64(64 - 8 * (size - at)) == _NOTHING)


@inlined
def slot_of(
    data: Array, begin: int, end: int, code: np.uint64, slots: Array, words: Array, places: Array
) -> np.int64:
    """Return the slot of a token, or the empty one where it belongs."""
    last = slots.shape[0] - 1
    at = np.int64(code & np.uint64(last))
    size = end - begin
    while slots[at] != _NOTHING:
        if slots[at] >> _S32 == code >> _S32:
            number = np.int64(slots[at] & _LOW) - 1
            first = places[number]
            if places[number + 1] - 1 - first == size and is_same(data, begin, words, first, size):
                return at
        at = (at + 1) & last
    return at


@kernel
def fill_slots(words: Array, places: Array, count: int, slots: Array) -> None:
    """Put tokens that differ from each other into empty slots.

    Args:
        words: uint8: the tokens, a space behind each.
        places: int64 (count + 1 or more,): where each begins.
        count: How many there are.
        slots: uint64: a power of two, more than `count`; all 0.
    """
    last = slots.shape[0] - 1
    for number in range(count):
        code = hash_of(words, places[number], places[number + 1] - 1)
        at = np.int64(code & np.uint64(last))
        while slots[at] != _NOTHING:
            at = (at + 1) & last
        slots[at] = (code >> _S32) << _S32 | np.uint64(number + 1)


@kernel
def find_tokens(
    data: Array,
    starts: Array,
    rows: Array,
    meaning: Array,
    widths: Array,
    slots: Array,
    words: Array,
    places: Array,
    numbers: Array,
    lengths: Array,
) -> None:
    """Look up the n-grams of texts.

    Args:
        data: uint8: the tokens of the texts, a space behind each.
        starts: int64: where each token begins, and where the last one ends.
        rows: int64 (texts + 1,): the number of each text's first token.
        widths: int64: how many tokens are one n-gram; all of the first width come first.
        slots: uint64: the table.
        words: uint8: the tokens of the table.
        places: int64: where each of these begins.
        meaning: int64 (3,): what stands for the first token of the table, for an unknown one, for an empty
            one that is unknown.
        numbers: int64: what stands for each n-gram, text behind text.
        lengths: int64 (texts,): how many n-grams each text has.
    """
    first, unknown, empty = meaning[0], meaning[1], meaning[2]
    used = 0
    for row in range(lengths.shape[0]):
        before = used
        for place in range(widths.shape[0]):
            width = widths[place]
            for token in range(rows[row], rows[row + 1] - width + 1):
                begin, end = starts[token], starts[token + width] - 1
                code = hash_of(data, begin, end)
                slot = slots[slot_of(data, begin, end, code, slots, words, places)]
                if slot != _NOTHING:
                    numbers[used] = np.int64(slot & _LOW) - 1 + first
                else:
                    numbers[used] = unknown if end > begin else empty
                used += 1
        lengths[row] = used - before


@kernel
def count_tokens(
    data: Array,
    starts: Array,
    rows: Array,
    widths: Array,
    part: Array,
    slots: Array,
    words: Array,
    places: Array,
    figures: Array,
    sizes: Array,
) -> None:
    """Count n-grams that begin at some of the tokens of texts; those that are new go into the table.

    Args:
        data: uint8: the tokens, a space behind each.
        starts: int64: where each token begins, and where the last one ends.
        rows: int64 (texts + 1,): the number of each text's first token.
        widths: int64: how many tokens are one n-gram.
        part: int64 (4,): the first token to look at, the token behind the last one, the text of the first
            one, and the number of the first text among all that were ever counted.
        slots: uint64: the table.
        words: uint8: the tokens of the table, with room for the new ones.
        places: int64: where each of these begins, likewise.
        figures: int64 (., 3): how often each was seen, in how many texts, and in which text last; likewise.
        sizes: int64 (2,): how many tokens are in the table, and how many bytes of `words` they take.
    """
    row, sample = part[2], part[3]
    for token in range(part[0], part[1]):
        while rows[row + 1] <= token:
            row += 1
        for place in range(widths.shape[0]):
            behind = token + widths[place]
            if behind > rows[row + 1]:
                continue
            begin, end = starts[token], starts[behind] - 1
            code = hash_of(data, begin, end)
            at = slot_of(data, begin, end, code, slots, words, places)
            if slots[at] == _NOTHING:
                number, used = sizes[0], sizes[1]
                for i in range(end - begin + 1):
                    words[used + i] = data[begin + i]
                sizes[0] = number + 1
                sizes[1] = places[number + 1] = used + end - begin + 1
                figures[number, 0] = figures[number, 1] = 0
                figures[number, 2] = -1
                slots[at] = (code >> _S32) << _S32 | np.uint64(number + 1)
            else:
                number = np.int64(slots[at] & _LOW) - 1
            figures[number, 0] += 1
            if figures[number, 2] != sample + row:
                figures[number, 1] += 1
                figures[number, 2] = sample + row


@kernel
def fill_rows(numbers: Array, lengths: Array, out: Array) -> None:
    """Write the numbers of each text to its row of `out`, whose rest is 0; what is too long is cut.

    Args:
        numbers: int64: text behind text.
        lengths: int64 (texts,): how many each text has.
        out: int64 (texts, any).
    """
    first = 0
    for row in range(lengths.shape[0]):
        kept = min(lengths[row], out.shape[1])
        for i in range(kept):
            out[row, i] = numbers[first + i]
        for i in range(kept, out.shape[1]):
            out[row, i] = 0
        first += lengths[row]


@kernel
def count_rows(numbers: Array, lengths: Array, most: int, out: Array) -> None:
    """Count the numbers of each text, up to `most`, in its row of `out`.

    Args:
        numbers: int64: text behind text; negative ones are left out.
        lengths: int64 (texts,): how many each text has.
        most: The largest count.
        out: (texts, any): zeros.
    """
    first = 0
    for row in range(lengths.shape[0]):
        for i in range(first, first + lengths[row]):
            number = numbers[i]
            if number >= 0 and out[row, number] < most:
                out[row, number] += 1
        first += lengths[row]
