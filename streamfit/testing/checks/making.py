"""Checks of how the object is made, and of what its constructor and its hooks do to the global random
state.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from streamfit.testing.checked_object import CheckedObject, data_of, seed_globals
from streamfit.testing.checks.contents import global_states
from streamfit.testing.comparison import difference
from streamfit.testing.failure import fail, skip, warn
from streamfit.testing.held_state import advanced, held_states
from streamfit.testing.table import Check
from streamfit.testing.torch_random import kept_torch

_HOOKS = ("on_epoch_begin", "on_epoch_end")
_SEEDS = (11, 12)
_READ = 4  # batches of a generator
_SLOW = 1.0  # seconds; what is slower is made once


def check_made_alike(checked: CheckedObject) -> str | None:
    """Check that two objects that the factory makes give the same batches."""
    if not checked.factory:
        skip("it was given as an object, not as a class or function that makes it")
    copies = checked.copies()
    if copies and checked.make_seconds > _SLOW:
        skip(f"it takes {checked.make_seconds:.1f} s to make one")
    found = checked.made_alike()
    if found is None:
        return None
    if _changes_by_itself(checked):
        skip("a batch is another one each time it is loaded, also from one object")
    source = (
        "numpy.random or random in the constructor: seeding them before it makes the objects alike"
        if _alike_when_seeded(checked)
        else "a generator without a seed, as of np.random.default_rng() or np.random.seed(None), the clock, "
        "or a file"
    )
    text = (
        f"{checked.name}: two objects that {checked.name}() makes differ: {found}. They depend on {source}. "
    )
    if not copies:
        fail(
            f"{text}As it cannot be copied, it is made again for each check and each worker would get "
            "another one: pass a seed to the constructor"
        )
    warn(f"{text}A program that resumes makes another one, and trains on other batches: pass a seed")


def _changes_by_itself(checked: CheckedObject) -> bool:
    """Return whether loads advance what all objects share, as a generator of the module."""
    source = checked.source()
    held = held_states(data_of(source))
    ticket = next(iter(source.tickets(0)))
    one, other = (checked.load(source, ticket) for _ in range(2))
    names = advanced(held, held_states(data_of(source)))
    return difference(one, other) is not None and any(not name.startswith("self.") for name in names)


def _alike_when_seeded(checked: CheckedObject) -> bool:
    """Return whether two objects are alike if the global random states are the same before each is made."""
    with suppress(Exception):
        return checked.made_alike(partial(seed_globals, 1)) is None
    return False


def check_global_use(checked: CheckedObject) -> str | None:
    """Check that the constructor and the hooks do not use the global random states."""
    found: list[str] = []
    reading = checked.kind == "generator"
    if reading:
        used = _use(lambda: list(itertools.islice(checked.iterable(), _READ)))
        found += [f"reading it {used}"] if used else []
    elif checked.factory:
        used = _use(checked.make)
        found += [f"the constructor {used}"] if used else []
    for name in () if reading else _HOOKS:
        data = data_of(checked.source())
        if data is checked.original():  # it cannot be copied, and a hook would change it for all other checks
            continue
        hook = getattr(data, name, None)
        if callable(hook) and not getattr(hook, "__module__", "").startswith("streamfit."):
            used = _use(hook)
            found += [f"{name} {used}"] if used else []
    if found:
        wipes = any("seeds" in text for text in found)
        hurt = (
            "The seed that the user set is lost, and every other part of the program draws other numbers"
            if wipes
            else "Its result depends on all that has drawn before, and resuming gives other batches"
        )
        warn(
            f"{checked.name}: {' and '.join(found)}. {hurt}: "
            f"{'draw from' if reading else 'keep a generator in self, made by'} np.random.default_rng(seed)"
        )
    return None


def _use(call: Callable[[], object]) -> str:
    """Describe what a call does to the global random states; empty if it does nothing."""
    ends: list[dict[str, object]] = []
    used: list[str] = []
    with kept_torch(), suppress(Exception):  # other checks report what raises
        for seed in _SEEDS:
            seed_globals(seed)
            before = global_states()
            began = time.monotonic()
            with suppress(Exception):
                call()
            ends.append(global_states())
            used = [name for name, state in ends[-1].items() if state != before[name]]
            if not used or time.monotonic() - began > _SLOW:
                break
    if not used:
        return ""
    if len(ends) == 1:
        return f"uses the global random state of {' and '.join(used)}"
    same = [name for name in used if ends[0][name] == ends[1][name]]
    if same:
        return f"seeds the global random state of {' and '.join(same)} with a constant"
    how = "seeds" if _reseeds(call, used) else "draws from"
    return f"{how} the global random state of {' and '.join(used)}{' anew' if how == 'seeds' else ''}"


def _reseeds(call: Callable[[], object], used: list[str]) -> bool:
    """Return whether a call ends in another state each time, though it begins in the same one."""
    ends = []
    with kept_torch():
        for _ in range(2):
            seed_globals(_SEEDS[0])
            with suppress(Exception):
                call()
            ends.append(global_states())
    return any(ends[0][name] != ends[1][name] for name in used)


CHECKS: tuple[Check, ...] = (
    Check(
        "made_alike",
        "Two objects of the factory give the same batches.",
        check_made_alike,
        ("sequence", "source"),
        ("content",),
        hint=(
            "def __init__(self, seed=0):\n"
            "    self.order = np.random.default_rng(seed).permutation(len(self.x))"
        ),
    ),
    Check(
        "global_use",
        "The constructor, the hooks and generators do not use the global random states.",
        check_global_use,
        ("sequence", "source", "generator"),
        ("content", "equal"),
        hint=(
            "def __init__(self, seed=0):\n"
            "    self.generator = np.random.default_rng(seed)  # and self.generator.shuffle(self.order)"
        ),
    ),
)
