"""`map`: a function of the user's on each element."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np

from streamfit._base.checks import is_mapping, truth
from streamfit._base.errors import DataError
from streamfit._base.keys import generator
from streamfit._base.sample_keys import SampleKeys
from streamfit._base.specs import Array
from streamfit.streams.stages.elements import (
    ROLES,
    Element,
    batch_size,
    collate,
    form_of,
    lists_as_arrays,
    own,
    split,
    takes_rng,
)
from streamfit.streams.stages.stage import Pass, Runs, Stage

Per = Literal["sample", "batch"]
_PARTS = ("x", "y", "sample_weight")


class Map(Stage):
    """Call a function on each element.

    Args:
        stage: Whose elements to map.
        function: Called as ``function(x)``, ``function(x, y)`` or ``function(x, y, sample_weight)``, whatever
            an element is; with a dictionary whole. It returns the same form.
        per: ``'sample'`` or ``'batch'``; None for what the elements are.
        on: The part that alone is passed and returned: ``'x'``, ``'y'`` or ``'sample_weight'``.
        new_form: Whether the function may return another form, such as (x, y) for a dictionary.
    """

    computes = True

    def __init__(
        self,
        stage: Stage,
        function: Callable[..., Element],
        per: Per | None = None,
        on: str | None = None,
        new_form: bool = False,
    ) -> None:
        super().__init__((stage,), stage.traits)
        if not callable(function):
            raise TypeError(f"map needs a function, got {function!r}")
        if per not in (None, "sample", "batch"):
            raise ValueError(f"per={per!r}: write 'sample' or 'batch'")
        if per == "batch" and not stage.traits.batched:
            raise ValueError("map(..., per='batch') needs batches; write .batch(32).map(function)")
        if on is not None and on not in _PARTS:
            raise ValueError(f"on={on!r}: write 'x', 'y' or 'sample_weight'")
        self.function, self.on, self.new_form = function, on, truth("new_form", new_form)
        self.per: Per = per or ("batch" if stage.traits.batched else "sample")
        self._draws = takes_rng(function)

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", type(self.function).__name__)
        rest = "" if self.on is None else f", on={self.on!r}"
        rest += ", per='sample'" if self.per == "sample" and self.traits.batched else ""
        return f"map({name}{rest})"

    def size(self, p: Pass) -> int | None:
        """Return the number of elements."""
        return self.input.size(p)

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids at these positions."""
        return self.input.ids(p, positions)

    def runs(self, p: Pass) -> Runs | None:
        """Return how the elements lie in blocks: as those of the input."""
        return self.input.runs(p)

    def members(self, p: Pass, batch_ids: Array) -> list[Array] | None:
        """Return the ids of the samples in each of these batches."""
        return self.input.members(p, batch_ids)

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Load elements by id and map them."""
        found = self.input.fetch(p, ids)
        return [
            self.one(p, element, int(name), self._members_of(p, int(name)))
            for element, name in zip(found, ids, strict=True)
        ]

    def _members_of(self, p: Pass, element_id: int) -> Array | None:
        """Return the ids of the samples that are mapped one by one, where they have any."""
        if self.per == "batch" or not self.traits.batched or not self.traits.seekable:
            return None
        members = self.input.members(p, np.array([element_id]))
        return None if members is None else members[0]

    def load(self, p: Pass, batch_id: int, members: Array | None) -> Element:
        """Load one batch and map it."""
        return self.one(p, self.input.load(p, batch_id, members), batch_id, members)

    def apply(self, p: Pass, element: Element, element_id: int) -> Iterable[Element]:
        """Return the mapped element."""
        return (self.one(p, element, element_id, self._members_of(p, element_id)),)

    def one(self, p: Pass, element: Element, element_id: int, members: Array | None = None) -> Element:
        """Map one element, or each sample of a batch."""
        if self.per == "batch" or not self.traits.batched:
            return self._call(p, element, element_id)
        samples = split(element)
        names = members if members is not None and len(members) == len(samples) else None
        # Where samples have no ids of their own, they are numbered within their batch.
        keys = [(element_id, at) for at in range(len(samples))]
        if names is not None:
            keys = [(int(name), 0) for name in names]
        return collate(
            [self._call(p, sample, *key) for sample, key in zip(samples, keys, strict=True)], names
        )

    def _call(self, p: Pass, element: Element, element_id: int, within: int = 0) -> Element:
        if self._draws:
            options = {"rng": generator(p.key("map", self.salt, element_id, within))}
        else:
            options = {}
        try:
            with SampleKeys(lambda: p.key("map-keys", self.salt, element_id, within)):
                made = self._made(element, options)
        except StopIteration as error:
            raise RuntimeError(
                f"{self!r} raised StopIteration for element {element_id}, which would end the pass; "
                "return a value, or raise another exception. To leave elements out, use .filter() or .take()"
            ) from error
        except Exception as error:
            what = "batch" if self.traits.batched and self.per == "batch" else "sample"
            error.add_note(
                f"in {self!r} of {what} {element_id}" + (f", sample {within} in it" if within else "")
            )
            raise
        if not self.new_form:
            self._check_form(element, made)
        if self.traits.batched and self.per == "batch":
            self._check_size(element, made)
        return made

    def _made(self, element: Element, options: dict[str, np.random.Generator]) -> Element:
        if self.on is not None:
            return self._on_part(element, options)
        if type(element) is tuple:
            return lists_as_arrays(own([self.function(*element, **options)]))
        return lists_as_arrays(own([self.function(element, **options)]))

    def _on_part(self, element: Element, options: dict[str, np.random.Generator]) -> Element:
        place = ROLES.index(self.on or "x")
        if place == 0 and type(element) is not tuple:
            return lists_as_arrays(own([self.function(element, **options)]))
        if type(element) is not tuple or len(element) <= place:
            raise DataError(f"{self!r}: there is no {self.on} in {form_of(element)}")
        entries = list(element)
        entries[place] = lists_as_arrays(own([self.function(entries[place], **options)]))
        return tuple(entries)

    def _check_form(self, element: Element, made: Element) -> None:
        if type(made) is type(element) is np.ndarray:
            return
        same = type(made) is type(element) or (_plain(element) and _plain(made))
        if same and isinstance(element, tuple):
            same = isinstance(made, tuple) and len(made) == len(element)
        if not same and is_mapping(made):
            same = is_mapping(element) or type(element) is tuple
        elif not same and is_mapping(element):  # its entries are named anew; nothing is lost by mistake
            same = type(made) is tuple and 1 <= len(made) <= len(_PARTS)
        if not same:
            raise DataError(
                f"{self!r} was given {form_of(element)} and returned {form_of(made)}; it must return the "
                "form that it was given. Where the form is to change, write map(function, new_form=True)"
            )

    def _check_size(self, element: Element, made: Element) -> None:
        before, after = batch_size(element), batch_size(made)
        if before != after:
            raise DataError(
                f"{self!r} was given a batch of {before} samples and returned one of {after}; a map keeps "
                "the number of samples. To leave samples out, filter them before .batch()"
            )


def _plain(element: Element) -> bool:
    return element is not None and not isinstance(element, (tuple, list)) and not is_mapping(element)
