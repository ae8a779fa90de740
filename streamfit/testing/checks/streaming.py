"""Checks of whole streams: passes that are read again, loops that end early, leaks."""

from __future__ import annotations

from streamfit.streams import Batch, Stream
from streamfit.testing.checked_object import CheckedObject
from streamfit.testing.comparison import copied, difference
from streamfit.testing.failure import brief_error, fail, skip
from streamfit.testing.leaks import nothing_left_behind
from streamfit.testing.table import Check, Kind

_STREAM: tuple[Kind, ...] = ("stream",)


def _stream(checked: CheckedObject) -> Stream:
    thing = checked.fresh()
    return thing if isinstance(thing, Stream) else Stream(checked.source(), workers=checked.workers)


def _first_batches(stream: Stream, epoch: int, count: int) -> list[Batch]:
    """Read the first batches of a pass and leave the loop."""
    batches: list[Batch] = []
    for batch in stream.epoch(epoch):
        x, y, weight = copied(batch.parts())
        batches.append(Batch(x, y, weight, batch.ids, batch.number, batch.data_epoch, batch.size))
        if len(batches) == count:
            break
    return batches


def check_reread(checked: CheckedObject) -> str | None:
    """Check that a pass is the same when read again, after another pass and after loops that ended early."""
    stream = _stream(checked)
    if not stream.source.traits.rewinds:
        skip("it reads a generator, which cannot be read again")
    whole = _first_batches(stream, 0, checked.limit)
    _first_batches(stream, 1, 1)
    for count in {1, len(whole)}:
        again = _first_batches(stream, 0, count)
        for one, other in zip(whole, again, strict=False):
            found = difference(one.parts(), other.parts(), ("at first", "when read again"))
            if found:
                fail(f"{checked.name}: batch {one.number} of pass 0 is not the same: {found}")
        if len(again) != count:
            fail(f"{checked.name}: pass 0 gave {len(whole)} batches at first and {len(again)} then")
    return None


def check_left_behind(checked: CheckedObject) -> str | None:
    """Check that closing a stream in the middle of a pass leaves nothing behind."""
    try:
        with nothing_left_behind():
            stream = _stream(checked)
            _first_batches(stream, 0, 1)
            stream.close()
            stream.close()
            del stream
    except AssertionError as error:
        fail(f"{checked.name}: {brief_error(error).removeprefix('AssertionError: ')}", error)
    return None


CHECKS: tuple[Check, ...] = (
    Check(
        "reread",
        "A pass that is read again gives the same batches.",
        check_reread,
        _STREAM,
        ("content", "global_randomness", "repeatable"),
        hint=(
            "def on_epoch_begin(self):\n"
            "    ...  # what depends on the number of the pass, not on how often one has begun"
        ),
    ),
    Check(
        "left_behind",
        "Nothing is left when a stream is closed.",
        check_left_behind,
        _STREAM,
        ("content",),
        hint=("with streamfit.stream(data, workers=2) as stream:\n    for batch in stream: ..."),
    ),
)
