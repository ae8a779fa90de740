from __future__ import annotations

import gc
import weakref
from typing import Any

from streamfit._base.identity import IdentityMap


class Equal:
    """Equal to everything, and so not hashable."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def test_equal_objects_are_told_apart() -> None:
    values: IdentityMap[int] = IdentityMap()
    one, other = Equal(), Equal()
    values.put(one, 1)
    values.put(other, 2)
    assert (values.get(one), values.get(other)) == (1, 2)
    assert (values.pop(one), values.pop(one), values.get(other)) == (1, None, 2)


def test_an_entry_goes_with_its_object() -> None:
    values: IdentityMap[Any] = IdentityMap()
    thing, value = Equal(), Equal()
    values.put(thing, value)
    alive = weakref.ref(value)
    del value
    gc.collect()
    assert alive() is not None
    del thing
    gc.collect()
    assert alive() is None


def test_what_cannot_be_referred_to_weakly_is_let_go_when_nobody_else_holds_it() -> None:
    values: IdentityMap[Any] = IdentityMap()
    iterator, value = map(str, range(3)), Equal()
    values.put(iterator, value)
    alive = weakref.ref(value)
    del value
    assert values.get(iterator) is alive()
    values.put(object(), None)
    assert alive() is not None
    del iterator
    values.put(Equal(), None)
    gc.collect()
    assert alive() is None


def test_a_later_object_at_the_same_address_has_nothing() -> None:
    values: IdentityMap[int] = IdentityMap()
    seen = set()
    for _ in range(200):
        thing = Equal()
        seen.add(values.get(thing))
        values.put(thing, 1)
        del thing
    assert seen == {None}
