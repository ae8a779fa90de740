from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from streamfit.streams import Sequence
from streamfit.streams.data_changes import LARGE_BYTES, ChangeWatch


class Data(Sequence):
    kept = [1]

    def __init__(self) -> None:
        super().__init__()
        self.level, self.table = 0, {"a": [1, 2]}
        self.small, self.large = np.zeros(3), np.zeros(LARGE_BYTES // 8)
        self.guarded = {"lock": threading.Lock(), "level": 0}

    def __getitem__(self, index: int) -> Any:
        return index


def setter(name: str, value: Any) -> Any:
    return lambda data: setattr(data, name, value)


CHANGES = {
    "assignment": setter("level", 1),
    "new attribute": setter("other", None),
    "removal": lambda data: delattr(data, "level"),
    "deep": lambda data: data.table["a"].append(3),
    "small array": lambda data: data.small.__setitem__(0, 1.0),
    "another large array": setter("large", np.zeros(LARGE_BYTES // 8)),
    "beside a lock": lambda data: data.guarded.__setitem__("level", 1),
}


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("what", list(CHANGES))
def test_change_is_noticed_once(what: str, shared: bool) -> None:
    data = Data()
    watch = ChangeWatch(data, shared=shared)
    watch.look()
    assert not watch.changed()
    watch.look()
    CHANGES[what](data)
    assert watch.changed()
    assert not watch.changed()
    watch.close()


def test_value_of_the_class_counts() -> None:
    class Own(Data):
        value = 0

    watch = ChangeWatch(Own(), shared=True)
    Own.value = 1
    assert watch.changed()
    watch.close()


def test_what_loads_change_is_theirs_unless_somebody_assigns_it() -> None:
    data = Data()
    watch = ChangeWatch(data, shared=True)
    data.table["a"].append(3)  # as a load does before the last batch of the epoch
    watch.look()
    data.table["a"].append(4)
    assert not watch.changed()
    data.table = {"a": [5]}
    assert watch.changed()
    watch.close()


def test_value_that_was_brought_back_was_changed_all_the_same() -> None:
    data = Data()
    watch = ChangeWatch(data, shared=True)
    data.level = 1
    data.level = 0
    assert watch.changed()
    data.level = 0
    assert not watch.changed()
    watch.close()
    data.level = 2


def test_content_of_large_arrays_is_not_looked_at() -> None:
    data = Data()
    watch = ChangeWatch(data, shared=False)
    data.large[0] = 1.0
    assert not watch.changed()
    watch.close()
