"""Whether a hook changes its logs is read from its code, on every supported version of Python."""

from __future__ import annotations

from typing import Any

import pytest

from streamfit.training.callbacks.log_writers import may_add_to_logs


class Hooks:
    """Hooks of users, written so that Python 3.13 joins uses of variables in one instruction."""

    seen: Any = None

    def looks_up(self, epoch: int, logs: Any = None) -> None:
        found = logs["loss"]
        print(epoch, logs["loss"])
        self.seen = found, logs.get("mae")

    def walks(self, epoch: int, logs: Any = None) -> None:
        here = epoch
        print(here, logs.items(), logs.copy())

    def ignores(self, epoch: int, logs: Any = None) -> None:
        print(epoch, self.seen)

    def stores(self, epoch: int, logs: Any = None) -> None:
        logs["epoch"] = epoch

    def stores_what_it_stored(self, epoch: int, logs: Any = None) -> None:
        value = 1
        logs["epoch"] = value

    def stores_elsewhere_named(self, epoch: int, logs: Any = None) -> None:
        same = logs
        same["epoch"] = epoch

    def passes(self, epoch: int, logs: Any = None) -> None:
        print(epoch, logs)

    def keeps(self, epoch: int, logs: Any = None) -> None:
        self.seen = logs

    def updates(self, epoch: int, logs: Any = None) -> None:
        value = epoch
        dict.update(logs, epoch=value)

    def nested(self, epoch: int, logs: Any = None) -> None:
        print([logs.update(epoch=number) for number in range(epoch)])

    def deletes(self, epoch: int, logs: Any = None) -> None:
        print(epoch, logs.pop("loss"))


READS = ("looks_up", "walks", "ignores")
HOOKS = [name for name, member in vars(Hooks).items() if callable(member)]


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_that_only_look_are_told_from_those_that_may_add(name: str) -> None:
    assert may_add_to_logs(getattr(Hooks(), name)) is (name not in READS)


def test_code_that_cannot_be_read_may_add() -> None:
    assert may_add_to_logs(print)
    assert may_add_to_logs(lambda: None)
