"""`Work`: the state of an optimizer for one model.

One optimizer object may be given to several models. Its settings count for all of them; its state, that is
the count of steps and the state vectors, is separate for each.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Self

import numpy as np

from streamfit._base.specs import Array
from streamfit.ops import Variable
from streamfit.optimizers.update import Update

Places = Mapping[Hashable, slice]
"""The slice of each weight in the vectors."""


def places_of(variables: Iterable[Hashable], sizes: Array) -> dict[Hashable, slice]:
    """Return the slice of each weight in a vector that holds them one after the other.

    Args:
        variables: The weights; anything that has a hash.
        sizes: The number of elements of each, int64.

    Example:
        >>> places_of(["kernel", "bias"], np.array([6, 2]))
        {'kernel': slice(0, 6, None), 'bias': slice(6, 8, None)}
    """
    ends = np.cumsum(sizes, dtype=np.int64)
    starts, ends = (ends - sizes).tolist(), ends.tolist()
    return {v: slice(start, end) for v, start, end in zip(variables, starts, ends, strict=True)}


class Work:
    """The state of an optimizer for one model.

    Args:
        owner: The model, or an object in its place; None as long as there is none.

    Attributes:
        state: State vectors by name.
        step_state: int64 array [seed, finished steps].
        needed: Names of the vectors of `state` that the settings need.
        places: The slice of each weight in the vectors; None when it is not known.
        update: What takes the steps; None before the first.
    """

    def __init__(self, owner: object = None) -> None:
        self.owner = owner
        self.state: dict[str, Array] = {}
        self.step_state: Array = np.zeros(2, dtype=np.int64)
        self.needed: set[str] = set()
        self.places: Places | None = None
        self.update: Update | None = None

    def __getstate__(self) -> dict[str, object]:
        """Return the state to be pickled, with all rows up to date."""
        self.settle()
        return {**self.__dict__, "update": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Restore a pickled object; arrays are copied, because workers may share their memory."""
        self.__dict__.update(state)
        self.step_state = np.array(self.step_state)
        self.state = {name: np.array(vector) for name, vector in self.state.items()}

    def forget(self) -> None:
        """Start again: no vectors, no steps."""
        self.state, self.needed, self.places = {}, set(), None
        self.step_state[1] = 0

    def settle(self, *, wake: bool = False) -> None:
        """Bring all rows of tables up to date; `wake` if somebody may change the vectors."""
        if self.update is not None:
            self.update.settle(wake=wake)

    def part(self, place: slice, length: int) -> Self:
        """Return the state of some weights, in the same memory.

        Args:
            place: Their elements in the vectors.
            length: The number of elements of all weights.

        Example:
            >>> work = Work()
            >>> work.state = {"m": np.arange(4.0), "product": np.ones(1)}
            >>> work.part(slice(1, 3), 4).state
            {'m': array([1., 2.]), 'product': array([1.])}
        """
        if place == slice(0, length):
            return self
        part = type(self)(self.owner)
        part.step_state, part.needed = self.step_state, self.needed
        part.state = {
            name: vector[place] if vector.shape == (length,) else vector
            for name, vector in self.state.items()
        }
        return part

    def arrange(self, places: Places, weights: Array, first: Mapping[str, float]) -> None:
        """Make the vectors fit weights whose slices are `places`.

        The state of a weight moves with the weight; a new weight starts with the first value of each vector.

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

    def by_weight(self, sizes: Mapping[Hashable, int]) -> dict[str, dict[Hashable | None, Array]]:
        """Return copies of the parts of each vector that belong to weights of these sizes.

        A vector over no weights is whole, with None in the place of a weight.

        Example:
            >>> work = Work()
            >>> work.places = {"kernel": slice(0, 4), "bias": slice(4, 8)}
            >>> work.state = {"m": np.arange(8.0), "product": np.ones(1)}
            >>> work.by_weight({"kernel": 3, "bias": 1})
            {'m': {'kernel': array([0., 1., 2.]), 'bias': array([4.])}, 'product': {None: array([1.])}}
        """
        places = self.places or {}
        length = max((place.stop for place in places.values()), default=0)
        found: dict[str, dict[Hashable | None, Array]] = {}
        for name, vector in self.state.items():
            if vector.shape == (length,):
                starts = {weight: places[weight].start for weight in sizes if weight in places}
                found[name] = {w: vector[start : start + sizes[w]].copy() for w, start in starts.items()}
            else:
                found[name] = {None: vector.copy()}
        return found

    def arrays(self) -> list[Array]:
        """Return copies of the state: of each weight, in its shape, one of each vector; then what is left."""
        self.settle()
        weights = [weight for weight in self.places or () if isinstance(weight, Variable)]
        sizes: dict[Hashable, int] = {weight: weight.memory.size for weight in weights}
        parts = dict(sorted(self.by_weight(sizes).items()))
        found = [
            part[weight].reshape(weight.memory.shape)
            for weight in weights
            for part in parts.values()
            if weight in part
        ]
        return found + [part[None] for part in parts.values() if None in part]

    def drop_unneeded(self, needed: Mapping[str, float]) -> None:
        """Forget the vectors that the settings needed before and no longer need."""
        for name in self.needed.difference(needed):
            self.state.pop(name, None)
        self.needed = set(needed)
