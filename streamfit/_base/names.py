"""Names that users write: registries, hints for misspelled names, snake case."""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Iterable
from typing import Any, Generic, TypeVar, cast

from streamfit._base.custom_objects import custom_object
from streamfit._base.errors import UnknownNameError

T = TypeVar("T")


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return a hint with the nearest option, or an empty string.

    Example:
        >>> did_you_mean("adm", ["adam", "sgd"])
        " Did you mean 'adam'?"
    """
    import difflib  # only needed for misspelled names

    near = difflib.get_close_matches(str(name), list(options), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""


def snake_case(name: str) -> str:
    """Turn a class name into a snake-case name.

    Example:
        >>> snake_case("CategoricalCrossentropy"), snake_case("RMSprop"), snake_case("Conv2D")
        ('categorical_crossentropy', 'rmsprop', 'conv2d')
    """
    name = re.sub(r"(?<=[a-z0-9])([A-Z][a-z])", r"_\1", name)
    name = (
        re.sub(r"(?<=[A-Z]{2})([A-Z][a-z]{3,})", r"_\1", name)
        if name[:2].isupper() and name != "RMSprop"
        else name
    )
    return name.lower()


class UniqueNames:
    """Make names that are unique within one scope: dense, dense_1, dense_2.

    Example:
        >>> names = UniqueNames()
        >>> [names.new("dense"), names.new("dense")]
        ['dense', 'dense_1']
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def new(self, base: str) -> str:
        """Return `base`, with a number appended if it was returned before."""
        with self._lock:
            count = self._counts.get(base, 0)
            self._counts[base] = count + 1
        return base if count == 0 else f"{base}_{count}"

    def clear(self) -> None:
        """Forget all names."""
        self._counts.clear()


class Registry(Generic[T]):
    """Find an object by any of the names a Keras user writes for it.

    Names are compared without case and underscores: ``'mean_squared_error'``, ``'MeanSquaredError'`` and
    the registered alias ``'mse'`` find the same object.

    Args:
        kind: What the entries are, for messages, such as ``"optimizer"``.

    Example:
        >>> registry = Registry("shape")
        >>> registry.register(int, "whole", "whole_number")
        >>> registry.find("WholeNumber") is int
        True
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}
        self._names: list[str] = []

    def register(self, entry: T, *names: str) -> None:
        """Register `entry` under each of `names`."""
        for name in names:
            key = _fold(name)
            if self._entries.get(key, entry) is not entry:
                raise ValueError(f"the {self.kind} name {name!r} is already taken by {self._entries[key]!r}")
            self._entries[key] = entry
            self._names.append(name)

    def find(self, name: str) -> T:
        """Return the entry registered under `name`; the user's own registered objects come first.

        Raises:
            UnknownNameError: No entry has that name.
        """
        own = custom_object(name)
        if own is not None:
            return cast(T, own)
        try:
            return self._entries[_fold(name)]
        except KeyError:
            known = sorted(set(self._names))
            raise UnknownNameError(
                f"Unknown {self.kind}: {name!r}.{did_you_mean(name, known)} Known names: {', '.join(known)}."
            ) from None

    def has(self, name: str) -> bool:
        """Return whether an entry has that name."""
        return _fold(name) in self._entries

    def get(self, identifier: object) -> Any:
        """Resolve a name, a class or an instance to an instance (or to the function itself).

        A class, given itself or by name, is called without arguments; any other object is returned as it is.
        """
        found = self.find(identifier) if isinstance(identifier, str) else identifier
        return found() if inspect.isclass(found) else found

    @property
    def entries(self) -> list[T]:
        """List the distinct entries in the order of registration."""
        return list(dict.fromkeys(self._entries.values()))

    @property
    def names(self) -> list[str]:
        """List every registered name."""
        return sorted(set(self._names))


def _fold(name: str) -> str:
    return str(name).replace("_", "").replace(" ", "").lower()


def describe_callable(function: object) -> str:
    """Return the name of a function or of the class of a callable object.

    Example:
        >>> describe_callable(len)
        'len'
    """
    return getattr(function, "__name__", None) or type(function).__name__
