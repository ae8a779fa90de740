"""The global random state of PyTorch, where a pipeline has imported it; transforms of images draw from it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, cast

from streamfit._base.specs import Array


class _TorchState(Protocol):
    def numpy(self) -> Array: ...


class _TorchRandom(Protocol):
    def get_rng_state(self) -> _TorchState: ...

    def set_rng_state(self, state: _TorchState, /) -> None: ...

    def manual_seed(self, seed: int, /) -> object: ...


def _random() -> _TorchRandom | None:
    """Return the module `torch.random` if it was imported."""
    module: object = sys.modules.get("torch.random")
    return cast(_TorchRandom, module) if hasattr(module, "get_rng_state") else None


def seed_torch(seed: int) -> None:
    """Seed the global random state of PyTorch; do nothing where it was not imported."""
    module = _random()
    if module is not None:
        module.manual_seed(seed % 2**63)


def torch_state() -> dict[str, object]:
    """Return the global random state of PyTorch by the name of its module; empty where it was not imported.

    Example:
        >>> set(torch_state()) <= {"torch"}
        True
    """
    module = _random()
    return {} if module is None else {"torch": module.get_rng_state().numpy().tobytes()}


@contextmanager
def kept_torch() -> Iterator[None]:
    """Restore the global random state of PyTorch after a block."""
    module = _random()
    state = None if module is None else module.get_rng_state()
    try:
        yield
    finally:
        if module is not None and state is not None:
            module.set_rng_state(state)
