"""Whether a hook of the user's may put something into the logs, read from its code.

A callback may put any name into the logs of an epoch; then an unknown name is no mistake. Most
callbacks only count or read, which their code shows. Code that is not understood may add anything.
"""

from __future__ import annotations

import dis
import re
from types import MethodType
from typing import NamedTuple

__all__ = ["may_add_to_logs"]

_READS = ("get", "items", "keys", "values", "copy")
_LOAD_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD")
_ON_ONE_VARIABLE = re.compile("(?:LOAD|STORE)_FAST(?:_BORROW)?")
_SUBSCRIPTS = ("BINARY_SUBSCR", "BINARY_OP")  # the latter from Python 3.14 on, with "[]" for its argument


def may_add_to_logs(hook: object) -> bool:
    """Return whether a hook, called with a number and logs, may put something into them.

    Args:
        hook: A function, or a method.

    Returns:
        False if the code uses the logs to look values up and for nothing else.

    Example:
        >>> may_add_to_logs(lambda epoch, logs: print(epoch, logs["loss"], logs.get("mae")))
        False
        >>> may_add_to_logs(lambda epoch, logs: logs.update(f1=0.5)), may_add_to_logs(print)
        (True, True)
    """
    function = getattr(hook, "__func__", hook)
    code = getattr(function, "__code__", None)
    place = 2 if isinstance(hook, MethodType) else 1
    if code is None or code.co_argcount <= place or code.co_cellvars:
        return True
    name = code.co_varnames[place]
    steps = [part for step in dis.get_instructions(code) for part in _parts(step)]
    return any(
        step.mentions(name) and not _only_looked_up(steps[at:])
        for at, step in enumerate(steps)
        if step.does != "DELETE_FAST"
    )


class _Step(NamedTuple):
    """One operation of the interpreter: its name, its argument, and the argument as `dis` writes it."""

    does: str
    to: object
    written: str

    def mentions(self, name: str) -> bool:
        return "FAST" in self.does and self.to == name


def _parts(step: dis.Instruction) -> list[_Step]:
    """Split an instruction on two variables (Python 3.13: LOAD_FAST_LOAD_FAST) into one for each."""
    if step.opname in ("CACHE", "EXTENDED_ARG"):
        return []
    if isinstance(step.argval, tuple) and "FAST" in step.opname:
        does = _ON_ONE_VARIABLE.findall(step.opname)
        return [_Step(one, name, name) for one, name in zip(does, step.argval, strict=True)]
    return [_Step(step.opname, step.argval, step.argrepr)]


def _only_looked_up(steps: list[_Step]) -> bool:
    """Return whether the value that the first of these steps puts on the stack is only read."""
    load, *after = steps[:3]
    if not load.does.startswith("LOAD_FAST") or not after:
        return False
    if after[0].does in _LOAD_ATTRIBUTE:
        return after[0].to in _READS
    looked_up = len(after) == 2 and after[0].does == "LOAD_CONST" and after[1].does in _SUBSCRIPTS
    return looked_up and (after[1].does == "BINARY_SUBSCR" or "[" in after[1].written)
