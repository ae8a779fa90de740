"""`Augmented`: a transform of whole batches that draws by the keys of samples, as `streamfit.augment` has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeGuard

import numpy as np

from streamfit._base.errors import DataError, SampleError
from streamfit._base.keys import each_key
from streamfit._base.sample_rows import row_of
from streamfit._base.specs import Array
from streamfit.streams.leaves import brief
from streamfit.streams.stages.elements import (
    Element,
    as_mapping,
    batch_size,
    collate,
    form_of,
    lists_as_arrays,
    map_leaves,
    named_leaves,
    own,
    split,
)
from streamfit.streams.stages.map import Map
from streamfit.streams.stages.stage import Pass, Stage


class KeyedTransform(Protocol):
    """What transforms a whole batch at once, with random numbers that depend on the key of each sample.

    It may have an attribute ``needs_batch``, True where it mixes the samples of a batch. Any other one does
    the same to a sample whatever else is in the batch, which may be any samples that are loaded together.
    """

    def transform_batch(self, x: object, y: object, keys: Array, /) -> tuple[object, object]:
        """Return x and y of a batch behind the transform.

        Args:
            x: An array (n, ...), a list of arrays of different shapes, or a dictionary of these.
            y: The same for the targets; None where there are none.
            keys: The key of each sample, uint64 (n,).
        """
        ...


def is_keyed_transform(function: object) -> TypeGuard[KeyedTransform]:
    """Return whether a function of `map` is a transform of whole batches."""
    return callable(getattr(function, "transform_batch", None))


class Augmented(Map):
    """Transform elements, as many at once as are loaded together.

    The key of a sample is made of seed, pass and the id of the sample. Behind a batch whose samples have no
    ids it is made of the number of the batch and the place in it.

    Args:
        stage: Whose elements to transform.
        transform: The transform.
    """

    def __init__(self, stage: Stage, transform: KeyedTransform) -> None:
        super().__init__(stage, transform.transform_batch)
        self.transform = transform
        if getattr(transform, "needs_batch", False) and not stage.traits.batched:
            raise ValueError(
                f"map({transform!r}) mixes the samples of a batch, and there are no batches here; write it "
                f"behind batch: .batch(32).map({transform!r})"
            )

    def __repr__(self) -> str:
        kind = type(self.transform)
        # The text of an object without one of its own is an address, which differs after a resume.
        plain = kind.__repr__ is object.__repr__
        return f"map({kind.__name__ if plain else repr(self.transform)})"

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Load elements by id and transform them."""
        if self.traits.batched:
            return super().fetch(p, ids)
        found = self.input.fetch(p, ids)
        return split(self._batch(_columns(found), self._keys(p, ids), ids)) if found else []

    def stacked(self, p: Pass, ids: Array) -> Element:
        """Load elements by id, and transform them as one batch."""
        if self.traits.batched or self.input.specs() is None:
            return collate(self.fetch(p, ids), ids)
        return self._batch(self.input.stacked(p, ids), self._keys(p, ids), ids)

    def one(self, p: Pass, element: Element, element_id: int, members: Array | None = None) -> Element:
        """Transform one element."""
        if not self.traits.batched:
            ids = np.array([element_id])
            (made,) = split(self._batch(_columns([element]), self._keys(p, ids), ids))
            return made
        count = batch_size(element)
        if members is not None and len(members) == count:
            return self._batch(element, self._keys(p, members), members)
        first = p.key("augment", self.salt, element_id)
        return self._batch(element, each_key(first, np.arange(count)), f"batch {element_id}")

    def _members_of(self, p: Pass, element_id: int) -> Array | None:
        """Return the ids of the samples of a batch, where they have any."""
        if not self.traits.batched or not self.traits.seekable:
            return None
        members = self.input.members(p, np.array([element_id]))
        return None if members is None else members[0]

    def _keys(self, p: Pass, ids: Array) -> Array:
        return each_key(p.key("augment", self.salt), ids)

    def _batch(self, element: Element, keys: Array, names: Array | str) -> Element:
        """Transform a batch.

        Args:
            element: The batch.
            keys: The key of each sample.
            names: The ids of the samples, or what the batch is called, for messages.
        """
        given = element if type(element) is tuple else (element,)
        if not 1 <= len(given) <= 3:
            raise DataError(f"{self!r} needs x, (x, y) or (x, y, sample_weight), got {form_of(element)}")
        try:
            x, y = self.transform.transform_batch(given[0], given[1] if len(given) > 1 else None, keys)
        except Exception as error:
            raise self._named(error, names) from error.__cause__
        made = (_leaves(x, given[0]), _leaves(y, *given[1:2]), *given[2:])[: len(given)]
        if form_of(made) != form_of(given):
            raise DataError(f"{self!r} was given {form_of(given)} and returned {form_of(made)}")
        self._check_size(given, made)
        return made if element is given else made[0]

    def _named(self, error: Exception, names: Array | str) -> Exception:
        """Return an exception that says which sample it is about, where that is known."""
        row = row_of(error)
        if isinstance(names, str):
            where = names if row is None else f"sample {row} of {names}"
        else:
            where = f"samples {brief(names.tolist())}" if row is None else f"sample {names[row]}"
        if isinstance(error, SampleError):
            return SampleError(f"{error} (in {self!r} of {where})")
        if isinstance(error, StopIteration):
            return RuntimeError(f"{self!r} raised StopIteration for {where}, which would end the pass")
        error.add_note(f"in {self!r} of {where}")
        return error


class KeyedMap(Augmented):
    """Call a function on the x of batches and the keys of their samples.

    Args:
        stage: Of batches.
        function: From x and the keys, uint64 (n,), to another x.
    """

    def __init__(self, stage: Stage, function: Callable[[Element, Array], Element]) -> None:
        Map.__init__(self, stage, function, on="x", new_form=True)

    def __repr__(self) -> str:
        return Map.__repr__(self)

    def _batch(self, element: Element, keys: Array, names: Array | str) -> Element:
        x, rest = (element[0], element[1:]) if type(element) is tuple else (element, None)
        made = lists_as_arrays(own([self.function(x, keys)]))
        return made if rest is None else (made, *rest)


def _columns(elements: Sequence[Element]) -> Element:
    """Return elements as one batch, in which arrays of different shapes are an array of objects."""
    wanted = form_of(elements[0])
    if any(form_of(element) != wanted for element in elements):
        return collate(elements)  # which refuses them
    rows = [[leaf for _, leaf in named_leaves(element)] for element in elements]
    columns = iter([_column(list(leaves)) for leaves in zip(*rows, strict=True)])
    return map_leaves(elements[0], lambda _: next(columns))


def _column(leaves: list[object]) -> Array:
    arrays = [np.asarray(leaf) for leaf in leaves]
    if len({(array.shape, array.dtype) for array in arrays}) == 1:
        return np.stack(arrays)
    return _objects(arrays)


def _objects(arrays: Sequence[object]) -> Array:
    made = np.empty(len(arrays), object)
    for place, array in enumerate(arrays):
        made[place] = array
    return made


def _leaves(part: Element, given: Element = None) -> Element:
    """Return a part of a batch with an array of objects in place of each list of arrays that was made."""
    if part is given:
        return part
    mapping = as_mapping(part)
    if mapping is not None:
        return {key: _leaves(entry) for key, entry in mapping.items()}
    return _objects(part) if isinstance(part, list) else part
