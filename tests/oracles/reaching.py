"""Objects whose code reaches a set by another name each, in a module where one reaches none."""

from __future__ import annotations


def from_a_set(names: list[str]) -> list[str]:
    """Return names in the order of a set."""
    return list(set(names))


def first_of(names: list[str]) -> str:
    """Return the first name."""
    return names[0]


class Helper:
    """Has a method that uses a set."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def order_of_steps(self) -> list[str]:
        """Return names in the order of a set."""
        return list(set(self.steps))


STEPS = {"first": first_of, "mixed": from_a_set}


class Plain:
    """Reaches nothing of it."""

    def __getitem__(self, index: int) -> str:
        return first_of(["a", "b"])


class ByFunction(Plain):
    def __getitem__(self, index: int) -> str:
        return from_a_set(["a", "b"])[0]


class ByMethod(Plain):
    def __getitem__(self, index: int) -> str:
        return self.helper().order_of_steps()[0]

    def helper(self) -> Helper:
        """Make a helper."""
        return Helper()


class ByTable(Plain):
    def __getitem__(self, index: int) -> str:
        return str([step(["a", "b"]) for step in STEPS.values()])


class ByText(Plain):
    def __getitem__(self, index: int) -> str:
        return str(globals()["from_" + "a_set"](["a"]))


class ByHelper(Plain):
    def __init__(self) -> None:
        self.part = Helper()
