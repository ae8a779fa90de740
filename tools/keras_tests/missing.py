"""What stands for a name of Keras that streamfit does not have.

While files are imported it may be called, derived from and used as a decorator, so that one missing name does
not hide all tests of a file. While a test runs, any use of it fails that test with its name.
"""

from __future__ import annotations

from typing import Any


class MissingError(Exception):
    """A test used a name of Keras that streamfit does not have."""


class _Phase:
    running = False


phase = _Phase()
"""Whether a test is running, rather than a file being imported."""


def _refuse(name: str) -> MissingError:
    return MissingError(f"streamfit has no {name}")


class Missing:
    """Stand for a name of Keras that streamfit does not have."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Missing:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if phase.running:
            raise _refuse(f"{self._name}.{attribute}")
        return Missing(f"{self._name}.{attribute}")

    def __call__(self, *args: Any, **settings: Any) -> Any:
        if phase.running:
            raise _refuse(self._name)
        if len(args) == 1 and not settings and (isinstance(args[0], type) or hasattr(args[0], "__code__")):
            return args[0]  # used as a decorator
        return Missing(f"{self._name}()")

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        name = self._name

        class MissingBase:
            def __init__(self, *args: Any, **settings: Any) -> None:
                raise _refuse(name)

        return (MissingBase,)

    def __instancecheck__(self, instance: object) -> bool:
        raise _refuse(self._name)

    def __bool__(self) -> bool:
        if phase.running:
            raise _refuse(self._name)
        return False

    def __iter__(self) -> Any:
        raise _refuse(self._name)

    def __repr__(self) -> str:
        return f"<streamfit has no {self._name}>"
