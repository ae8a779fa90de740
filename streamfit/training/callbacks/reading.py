"""What a hook of the user's may do to the logs it is given, read from its code.

A callback may put any name into the logs of an epoch; then a name that nobody else logs is no mistake. Most
callbacks only count or look, which their code shows. Whatever is not understood may add anything.
"""

from __future__ import annotations

import dis
from types import MethodType
from typing import Any

__all__ = ["may_add_to_logs"]

_READS = ("get", "items", "keys", "values", "copy")
_LOAD_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD")
_SUBSCRIPTS = ("BINARY_SUBSCR", "BINARY_OP")  # the latter from Python 3.14 on, with "[]" for its argument


def may_add_to_logs(hook: Any) -> bool:
    """Tell whether a hook, called with a number and logs, may put something into them.

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
    steps = [step for step in dis.get_instructions(code) if step.opname not in ("CACHE", "EXTENDED_ARG")]
    return any(
        _mentions(step, name) and not _only_looked_up(steps[at:])
        for at, step in enumerate(steps)
        if step.opname != "DELETE_FAST"
    )


def _mentions(step: dis.Instruction, name: str) -> bool:
    value = step.argval
    return "FAST" in step.opname and (value == name or (isinstance(value, tuple) and name in value))


def _only_looked_up(steps: list[dis.Instruction]) -> bool:
    """Tell whether what the first of these steps puts on the stack is only asked for a value."""
    load, *after = steps[:3]
    if isinstance(load.argval, tuple) or not load.opname.startswith("LOAD_FAST") or not after:
        return False
    if after[0].opname in _LOAD_ATTRIBUTE:
        return after[0].argval in _READS
    looked_up = len(after) == 2 and after[0].opname == "LOAD_CONST" and after[1].opname in _SUBSCRIPTS
    return looked_up and (after[1].opname == "BINARY_SUBSCR" or "[" in after[1].argrepr)
