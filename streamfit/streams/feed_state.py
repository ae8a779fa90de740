"""`FeedState`: the place of a feed as it is saved, and the check that it belongs to the data."""

from __future__ import annotations

from streamfit.streams.cursor import Cursor, CursorState
from streamfit.streams.data_identity import check_same
from streamfit.streams.source import Identity, Source

_MOVING = ("batches", "content")  # these may change from pass to pass; compared at the place of a state


class FeedState(CursorState):
    """The place of a stream, a value for JSON."""

    seed: int
    lost: int
    source: object
    belongs: Identity


def place_of(source: Source, cursor: Cursor, lost: int, identity: Identity, *, within: bool) -> FeedState:
    """Return the place of a stream.

    Args:
        source: The source.
        cursor: Where its feed is.
        lost: How many samples were left out in all epochs.
        identity: The identity of the source.
        within: Whether the current epoch continues after a resume; else a new one begins.
    """
    length = cursor.length if cursor.number else None
    return {
        "seed": source.seed,
        **cursor.state(within=within, filtered=source.filtered),
        "lost": lost,
        "source": source.state(),
        "belongs": {
            **identity,
            "batches": source.batches(cursor.data_epoch) if length is None else length,
            "content": source.sample_digest(),
        },
    }


def check_identity(source: Source, state: FeedState, identity: Identity) -> None:
    """Check that a saved place belongs to the data of a source, without reading them.

    Raises:
        DataError: It belongs to other data.
    """
    saved = {key: value for key, value in state["belongs"].items() if key not in _MOVING}
    check_same(source.name, saved, identity)


def restore(source: Source, state: FeedState, *, replay: bool) -> int | None:
    """Restore the state of a source; return the number of batches of the pass.

    Args:
        source: The source.
        state: The saved place.
        replay: Whether a plain generator may be pulled up to the place, and its items dropped.

    Raises:
        DataError: The source cannot go to the place, or it belongs to other data.
    """
    data_epoch = state["pass"]
    source.restore(state["source"], data_epoch, state["number"], replay=replay)
    length = source.batches(data_epoch)
    saved = {key: state["belongs"][key] for key in _MOVING}
    check_same(source.name, saved, {"batches": length, "content": source.sample_digest()})
    return length
