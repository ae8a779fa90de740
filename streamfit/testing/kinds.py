"""Which kind of thing a user passes to the checks, and how it is made anew."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from streamfit._base.names import did_you_mean
from streamfit.streams import Pipeline, Source, Stream
from streamfit.streams.leaves import brief, is_arraylike
from streamfit.testing.checked_object import CheckedObject
from streamfit.testing.counting_input import ReadingFactory
from streamfit.testing.settings import CheckSettings
from streamfit.testing.table import KINDS, Kind

_WANTED = "pass a Sequence, a Source, or a function that makes one"


def checked_object(obj: object, kind: Kind | None, settings: CheckSettings) -> CheckedObject:
    """Return what the checks look at, for an object or for what makes one.

    Args:
        obj: An object, a class, or a function without required arguments that makes one.
        kind: What it is; None: found from `obj`.
        settings: The options of the checks.

    Raises:
        TypeError: `obj` does not give batches, is of another kind, or is used up by reading it.
        ValueError: There is no such kind.

    Example:
        >>> checked_object(lambda: iter([1]), None, CheckSettings()).kind
        'generator'
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind={kind!r} is none of {', '.join(KINDS)}.{did_you_mean(str(kind), KINDS)}")
    if settings.source is not None:
        obj = ReadingFactory(obj, settings.source)
    if _is_data(obj):
        found = _agree(kind, _kind_of(obj), obj)
        if found == "stream" or (found == "generator" and hasattr(obj, "__next__")):
            raise TypeError(f"a {found} is used up by a check; pass the function that makes it, uncalled")
        return CheckedObject(lambda: obj, found, type(obj).__name__, settings, obj)
    if not callable(obj):
        raise TypeError(f"{brief(obj)} gives no batches; {_WANTED}")
    _refuse_arguments(obj)
    name = getattr(obj, "__name__", type(obj).__name__)
    found = _agree(kind, kind, obj) if kind else _kind_of(obj())
    return CheckedObject(obj, found, name, settings)


def _is_data(obj: object) -> bool:
    """Return whether an object gives batches itself; a class or a function must be called first."""
    if isinstance(obj, type):
        return False
    return isinstance(obj, (Source, Stream)) or _indexes(obj) or hasattr(obj, "__iter__")


def _indexes(obj: object) -> bool:
    return hasattr(obj, "__getitem__") and (hasattr(obj, "__len__") or hasattr(obj, "num_batches"))


def _kind_of(made: object) -> Kind:
    if isinstance(made, Stream):
        return "stream"
    if isinstance(made, (Source, Pipeline)) or hasattr(made, "open_source"):  # it says what `fit` reads
        return "source"
    if isinstance(made, (str, bytes, dict, list, tuple)) or is_arraylike(made):
        raise TypeError(
            f"{brief(made)} holds data and gives no batches; pass streamfit.source(...).batch(32)"
        )
    if _indexes(made):
        return "sequence"
    if hasattr(made, "__iter__"):
        return "generator"
    raise TypeError(f"{brief(made)} gives no batches; {_WANTED}")


def _agree(kind: Kind | None, found: Kind | None, obj: object) -> Kind:
    if kind in (None, found) and found is not None:
        return found
    if kind in ("stream", "source") and found in ("source", "stream", "sequence"):
        return kind
    if kind == "sequence" and found == "source" and _indexes(obj):
        return kind
    raise TypeError(f"{brief(obj)} is a {found}, not a {kind}")


def _refuse_arguments(factory: Callable[..., object]) -> None:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # a built-in function without a signature
        return
    plain = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in plain]
    if needed:
        name = getattr(factory, "__name__", brief(factory))
        raise TypeError(
            f"{name} needs {', '.join(needed)}; pass an object that is made, or a function without required "
            f"arguments: lambda: {name}(...)"
        )
