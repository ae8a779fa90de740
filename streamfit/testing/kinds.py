"""Which kind of thing a user passes to the checks, and how it is made anew.

Data sets of other libraries are known by the modules of their classes, without importing these.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable
from typing import Literal, cast

from streamfit._base.checks import is_mapping
from streamfit._base.names import did_you_mean
from streamfit.streams import Pipeline, Source, Stream
from streamfit.streams.adapt import kind_of
from streamfit.streams.frames import is_frame
from streamfit.streams.leaves import brief, is_arraylike
from streamfit.streams.table_advice import table_advice
from streamfit.testing.checked_object import CheckedObject
from streamfit.testing.counting_input import ReadingFactory
from streamfit.testing.sample_batches import BatchedItems, BatchedIterator
from streamfit.testing.settings import CheckSettings
from streamfit.testing.table import KINDS, Kind

_WANTED = "pass a Sequence, a Source, or a function that makes one"
_Foreign = Literal["samples", "items", "batches"]

# The classes of other libraries, by their modules and names: what their objects give.
_FOREIGN: tuple[tuple[str, str, _Foreign], ...] = (
    ("torch.utils.data", "IterableDataset", "items"),
    ("torch.utils.data", "Dataset", "samples"),
    ("torch.utils.data", "DataLoader", "batches"),
    ("datasets.iterable_dataset", "IterableDataset", "items"),
    ("datasets.arrow_dataset", "Dataset", "samples"),
)


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
        found = _agree(kind, _kind_of(obj, kind), obj)
        _refuse_used_up(obj, found)
        if _gives_items(obj, kind):
            items = BatchedItems(cast("Iterable[object]", obj), settings.ragged)
            return CheckedObject(lambda: items, found, type(obj).__name__, settings, items)
        return CheckedObject(lambda: obj, found, type(obj).__name__, settings, obj)
    if not callable(obj):
        raise TypeError(_no_batches(obj))
    _refuse_arguments(obj)
    name = _name_of(obj)
    try:
        made = None if kind in ("sequence", "source", "generator", "stream") else obj()
    except Exception:  # the first check tells of it
        return CheckedObject(obj, kind or _likely_kind(obj), name, settings)
    found = _agree(kind, kind if made is None and kind else _kind_of(made, kind), obj)
    if made is not None and _gives_items(made, kind):
        return CheckedObject(_in_batches(obj, settings.ragged), found, name, settings)
    return CheckedObject(obj, found, name, settings)


def _likely_kind(factory: Callable[..., object]) -> Kind:
    """Return the kind of what a factory would make that raises."""
    return "sequence" if isinstance(factory, type) and _indexes(factory) else "generator"


def _name_of(factory: Callable[..., object]) -> str:
    """Return the name of a function or class; of one without a name, that of what it makes.

    Example:
        >>> _name_of(dict), _name_of(lambda: range(3))
        ('dict', 'range')
    """
    name: str = getattr(factory, "__name__", "<lambda>")
    if name != "<lambda>":
        return name
    try:
        made = factory()
    except Exception:  # the checks report it
        return str(getattr(getattr(factory, "func", None), "__name__", "the function"))
    return str(getattr(made, "__name__", type(made).__name__))


def _in_batches(factory: Callable[..., object], ragged: bool) -> Callable[[], object]:
    """Return a function that stacks the samples of what a factory makes to batches."""

    def make() -> object:
        made = cast("Iterable[object]", factory())
        return (BatchedIterator if hasattr(made, "__next__") else BatchedItems)(made, ragged)

    return make


def _is_data(obj: object) -> bool:
    """Return whether an object gives batches itself; a class or a function must be called first."""
    if isinstance(obj, type):
        return False
    return isinstance(obj, (Source, Stream)) or _indexes(obj) or hasattr(obj, "__iter__")


def _indexes(obj: object) -> bool:
    return hasattr(obj, "__getitem__") and (hasattr(obj, "__len__") or hasattr(obj, "num_batches"))


def foreign_kind(obj: object) -> _Foreign | None:
    """Return what an object of another library gives: samples by index, items that are samples, or batches.

    Example:
        >>> foreign_kind([1, 2]) is None
        True
    """
    for cls in type(obj).__mro__:
        for module, name, found in _FOREIGN:
            if cls.__name__ == name and f"{cls.__module__}.".startswith(f"{module}."):
                return found
    return None


def _gives_items(obj: object, kind: Kind | None) -> bool:
    """Return whether an object is read in order and its items are samples."""
    return foreign_kind(obj) == "items" or (kind == "samples" and not _indexes(obj))


def _kind_of(made: object, kind: Kind | None) -> Kind:
    if isinstance(made, Stream):
        return "stream"
    if isinstance(made, (Source, Pipeline)) or hasattr(made, "open_source"):  # it says what `fit` reads
        return "source"
    foreign = foreign_kind(made)
    if foreign is not None:
        return "samples" if foreign == "samples" else "generator"
    if kind == "samples" and isinstance(made, (list, tuple)):
        return "samples"
    advice = _advice_for_data(made)
    if advice is not None:
        raise TypeError(advice)
    if _indexes(made):
        return "samples" if kind == "samples" else "sequence"
    if hasattr(made, "__iter__"):
        return "generator"
    raise TypeError(_no_batches(made))


def _advice_for_data(made: object) -> str | None:
    """Return what to pass in place of an object that holds data and gives no batches; else None."""
    if isinstance(made, (str, bytes, os.PathLike)):
        return _refusal(made)
    table = table_advice(made)
    if table is not None:
        return f"{brief(made)} is a table and gives no batches; {table}"
    holds = f"{brief(made)} holds data and gives no batches; pass streamfit.source"
    if is_frame(made):
        return f"{holds}(frame[features], frame[target]).batch(32), with the names of the columns"
    if is_mapping(made) and any(foreign_kind(entry) for entry in list(made.values())[:8]):
        return f"{brief(made)} holds several data sets; pass one of them: [{next(iter(made))!r}]"
    if is_mapping(made):
        return f"{holds}(x, y).batch(32): x may be a mapping of arrays, and y the targets"
    if isinstance(made, (list, tuple)):
        return (
            f"{holds}(...).batch(32) with arrays; of a list of samples, such as (x, y), pass "
            "kind='samples', or streamfit.source(samples, kind='samples').batch(32)"
        )
    if is_arraylike(made):
        return f"{holds}(...).batch(32)"
    if isinstance(made, (set, frozenset)):
        return _refusal(made)
    return None


def _refusal(made: object) -> str:
    """Return why the library takes an object for no data, with the reader of a file that it may name."""
    try:
        kind_of(made)
    except TypeError as error:
        return str(error).removeprefix("source 'data': ")
    return _no_batches(made)


def _no_batches(made: object) -> str:
    if isinstance(made, os.PathLike):
        return _refusal(made)
    if hasattr(made, "__getitem__"):
        return f"{brief(made)} has __getitem__ and no __len__; add def __len__(self), which counts its items"
    return f"{brief(made)} gives no batches; {_WANTED}"


def _refuse_used_up(obj: object, found: Kind) -> None:
    """Refuse what the first check would use up."""
    if found != "stream" and not (found == "generator" and hasattr(obj, "__next__")):
        return
    module = type(obj).__module__
    if module.startswith("tensorflow."):
        raise TypeError("an iterator of tf.data is used up by a check; pass the data set itself")
    if module.startswith("torch."):
        raise TypeError("an iterator of a DataLoader is used up by a check; pass the DataLoader itself")
    raise TypeError(f"a {found} is used up by a check; pass the function that makes it, uncalled")


def _agree(kind: Kind | None, found: Kind | None, obj: object) -> Kind:
    if kind in (None, found) and found is not None:
        return found
    if kind in ("stream", "source") and found in ("source", "stream", "sequence", "samples"):
        return kind
    if kind == "sequence" and found in ("source", "samples") and _indexes(obj):
        return kind
    if kind == "samples" and found == "generator":  # its items are samples
        return found
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
