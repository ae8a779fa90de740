"""Checks of the state that differs between processes: settings of modules, and the order of sets."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import cast

from streamfit.streams import Source, SourceTraits, Ticket
from streamfit.streams.items import Value
from streamfit.testing.checked_object import CheckedObject, Loads, data_of, place
from streamfit.testing.comparison import copied, difference
from streamfit.testing.failure import fail, skip
from streamfit.testing.object_state import Settings, modules_behind, settings_of
from streamfit.testing.settings import CheckSettings
from streamfit.testing.source_code import may_hash, names_used_in, settings_as_written
from streamfit.testing.table import KINDS, Check
from streamfit.workers import make_pool
from streamfit.workers.transport.loader_pickle import LoaderRegistry

_HASH_SEEDS = (1, 2, 3, 4)  # two names have the same order for all four seeds in one case of eight
_LISTED = 3


# -- settings of modules ----------------------------------------------------------------------------------


class _SettingsSource(Source):
    """Load the settings of modules in a worker, in place of the batches of a source."""

    traits = SourceTraits(in_workers=True)
    name = "settings of modules"

    def __init__(self, source: Source, modules: list[str]) -> None:
        self.source, self.modules = source, modules

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        """Write one ticket."""
        yield next(iter(self.source.tickets(data_epoch, start)))

    def load(self, ticket: Ticket) -> Value:
        """Load the batch, so that everything is imported; return the settings as x."""
        with suppress(Exception):  # the check that calls this has seen the exception already
            self.source.load(ticket)
        for name in self.modules:
            with suppress(Exception):
                importlib.import_module(name)
        return settings_of(self.modules), None, None  # type: ignore[return-value]  # no batch of arrays


def unseen_settings(checked: CheckedObject) -> str:
    """Name the settings of the user's modules that differ in a worker process; empty if none does."""
    source, modules, here = _settings_here(checked)
    asked = _SettingsSource(source, modules)
    try:
        with make_pool("processes", 1, 1) as pool, pool.open(asked.make_reader(), asked.tickets(0)) as run:
            there = cast("dict[str, tuple[str, str]]", next(iter(run)).value[0])
    except Exception:  # then there is nothing to add to what the check has found
        return ""
    listed = _listed(modules, here, there, "there")
    if not listed:
        return ""
    return (
        f" In a worker process {listed}: workers import modules anew. Keep what batches depend on in the "
        "object itself"
    )


def borrowed_settings(checked: CheckedObject) -> str | None:
    """Name the settings of the user's modules that differ from the modules' source; None if none does."""
    _, modules, here = _settings_here(checked)
    listed = _listed(modules, here, settings_as_written(modules), "in the module")
    return f"{listed}: another program that loads these data has to set it as well" if listed else None


def _settings_here(checked: CheckedObject) -> tuple[Source, list[str], Settings]:
    source = checked.source()
    modules = modules_behind(data_of(source))
    return source, modules, settings_of(modules)


def _listed(modules: list[str], here: Settings, there: Settings, where: str) -> str:
    """List the settings that differ; if the functions of the modules read some of them, only those."""
    differ = [name for name in here if name in there and here[name][0] != there[name][0]]
    used = names_used_in(modules)
    differ = [name for name in differ if name.rpartition(".")[2] in used] or differ
    shown = [f"{name} is {here[name][1]} here and {there[name][1]} {where}" for name in differ[:_LISTED]]
    more = f", and {len(differ) - _LISTED} more differ" if len(differ) > _LISTED else ""
    return ", ".join(shown) + more


# -- the order of sets ------------------------------------------------------------------------------------


class _RemadeSource(Source):
    """Make the user's object in the process that loads it, so that its __init__ runs there."""

    traits = SourceTraits(in_workers=True)

    def __init__(self, checked: CheckedObject, count: int) -> None:
        self.make, self.kind, self.name, self.count = checked.make, checked.kind, checked.name, count
        self.settings = CheckSettings(max(2, count), 1, checked.settings.ragged)
        self.most_samples = checked.most_samples
        self._loads: Loads | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_loads": None}

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        """Write one ticket for each batch that the check compares."""
        return (Ticket(data_epoch, number, number) for number in range(start, self.count))

    def load(self, ticket: Ticket) -> Value:
        """Return a batch of the object made in this process."""
        if self._loads is None:
            checked = CheckedObject(self.make, self.kind, self.name, self.settings)
            checked.most_samples = self.most_samples
            self._loads = checked.expected()
            checked.close()
        return self._loads[ticket.number][1]


def check_hash_seed(checked: CheckedObject) -> str | None:
    """Check that batches do not depend on Python's hash seed, for example on the order of a set of names."""
    if sys.flags.ignore_environment:
        skip("this interpreter ignores PYTHONHASHSEED")
    tickets = [ticket for ticket, _ in checked.few()]
    if not any(map(may_hash, (checked.make, data_of(checked.source())))):
        skip("its code uses no set and no hash()")
    load = _loader(checked, tickets)
    first = load(_HASH_SEEDS[0])
    for hash_seed in _HASH_SEEDS[1:]:
        for ticket, one, other in zip(tickets, first, load(hash_seed), strict=True):
            words = (f"with PYTHONHASHSEED={_HASH_SEEDS[0]}", f"with {hash_seed}")
            found = difference(one, other, words)
            if found and _any_difference(first, load(_HASH_SEEDS[0])):
                skip("batches differ between processes that have the same hash seed")
            if found:
                fail(
                    f"{checked.name}: {place(ticket)} depends on Python's hash seed, which is another one in "
                    f"each program: {found}. Is the order of a set used, or hash() of text? Sort the set, as "
                    "in sorted(names), and use zlib.crc32(name.encode()) for hash(name)"
                )
    return None


def _any_difference(one: list[Value], other: list[Value]) -> bool:
    return any(difference(*pair) is not None for pair in zip(one, other, strict=True))


def _loader(checked: CheckedObject, tickets: list[Ticket]) -> Callable[[int], list[Value]]:
    """Return a function that loads tickets in a process with a given hash seed."""
    if checked.factory:
        count = max(ticket.number for ticket in tickets) + 1
        remade, numbers = _RemadeSource(checked, count), {ticket.number for ticket in tickets}
        if can_be_sent(remade):
            wanted = [ticket for ticket in remade.tickets(0) if ticket.number in numbers]
            return lambda hash_seed: _loaded_in_process(remade, wanted, hash_seed)
    source = checked.source()
    if not source.traits.in_workers:
        skip("its batches are loaded in the main process only")
    return lambda hash_seed: _loaded_in_process(source, tickets, hash_seed)


def can_be_sent(source: Source) -> bool:
    """Return whether a source can be sent to a worker process."""
    registry = LoaderRegistry()
    try:
        registry.pickled_loader_for(source)
    except Exception:
        return False
    finally:
        registry.clear()
    return True


def _loaded_in_process(source: Source, tickets: list[Ticket], hash_seed: int) -> list[Value]:
    values = []
    try:
        with (
            make_pool("processes", 1, hash_seed=hash_seed) as pool,
            pool.open(source.make_reader(), tickets, describe=source.describe) as run,
        ):
            for loaded in run:
                values.append(copied(loaded.value))
                del loaded
    except Exception as error:
        skip(f"it cannot be loaded in a worker process ({type(error).__name__})")
    return values


CHECKS: tuple[Check, ...] = (
    Check(
        "hash_seed",
        "Batches do not depend on Python's hash seed.",
        check_hash_seed,
        KINDS,
        ("global_randomness", "repeatable", "any_order", "picklable", "equal"),
        hint=(
            "for name in sorted(names):  # a list in a fixed order\n"
            "    number = zlib.crc32(name.encode())  # in place of hash(name)"
        ),
    ),
)
