"""`Home`: the owner of memory that variables live in."""

from __future__ import annotations

from typing import Protocol


class Home(Protocol):
    """The owner of memory that variables live in, such as the flat vector of a model."""

    def settle(self) -> None:
        """Bring everything in it up to date that is computed later than it counts."""
