"""`Work`: what an optimizer remembers of one model.

One optimizer object may be given to several models. Its settings count for all of them; what it remembers,
the count of steps and a vector for each memory, is kept apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streamfit._base.specs import Array

Places = Mapping[Any, slice]
"""Where each weight lies in the vectors."""


def places_of(variables: Sequence[Any], sizes: Array) -> dict[Any, slice]:
    """Return where weights lie in a vector in which they stand side by side.

    Args:
        variables: The weights; anything that has a hash.
        sizes: How many elements belong to each, int64.

    Example:
        >>> places_of(["kernel", "bias"], np.array([6, 2]))
        {'kernel': slice(0, 6, None), 'bias': slice(6, 8, None)}
    """
    ends = np.cumsum(sizes, dtype=np.int64)
    starts, ends = (ends - sizes).tolist(), ends.tolist()
    return {v: slice(start, end) for v, start, end in zip(variables, starts, ends, strict=True)}


class Work:
    """The memory of an optimizer that works for one model.

    Args:
        owner: The model, or what stands for it; None as long as there is none.

    Attributes:
        state: Vectors by name.
        clock: int64 array [seed, finished steps].
        needed: Names of the vectors of `state` that the settings have asked for.
        places: Where each weight lies in the vectors; None when that is not known.
    """

    def __init__(self, owner: Any = None) -> None:
        self.owner = owner
        self.state: dict[str, Array] = {}
        self.clock: Array = np.zeros(2, dtype=np.int64)
        self.needed: set[str] = set()
        self.places: Places | None = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what was pickled; arrays are copied, because workers may share their memory."""
        self.__dict__.update(state)
        self.clock = np.array(self.clock)
        self.state = {name: np.array(vector) for name, vector in self.state.items()}

    def forget(self) -> None:
        """Begin anew: no vectors, no steps."""
        self.state, self.needed, self.places = {}, set(), None
        self.clock[1] = 0

    def arrange(self, places: Places, weights: Array, first: Mapping[str, float]) -> None:
        """Make the vectors fit weights that lie at `places`.

        What is remembered of a weight goes with it; a weight that was not there before starts with the first
        value of each vector.

        Example:
            >>> work = Work()
            >>> work.places = {"kernel": slice(0, 2), "bias": slice(2, 3)}
            >>> work.state["m"] = np.array([1.0, 2.0, 3.0])
            >>> work.arrange({"bias": slice(0, 1), "new": slice(1, 3)}, np.zeros(3), {"m": 0.0})
            >>> work.state["m"]
            array([3., 0., 0.])
        """
        before, self.places = self.places, places
        if before is None or before == places:
            return
        length = max((place.stop for place in before.values()), default=0)
        for name, vector in self.state.items():
            if vector.shape != (length,):
                continue  # no vector over the weights
            moved = np.full(weights.shape, first.get(name, 0.0), dtype=weights.dtype)
            for variable, place in places.items():
                old = before.get(variable)
                if old is not None and old.stop - old.start == place.stop - place.start:
                    moved[place] = vector[old]
            self.state[name] = moved

    def drop_unneeded(self, needed: Mapping[str, float]) -> None:
        """Forget the vectors that settings have asked for and no longer do."""
        for name in self.needed.difference(needed):
            self.state.pop(name, None)
        self.needed = set(needed)
