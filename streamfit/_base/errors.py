"""Every exception that streamfit raises on its own account.

::

    StreamfitError
    ├── NotCompiledError (RuntimeError, ValueError)   fit, evaluate, ... before compile
    ├── ModelInUseError (RuntimeError)                another thread trains the model, or changes its weights
    ├── NonFiniteError (RuntimeError)                 a loss or gradient is NaN or infinite, where that counts
    ├── DataError (ValueError)                        the data are not what the model or the stream needs
    │   └── ShapeError                                ... because a shape does not fit
    ├── WorkerError (RuntimeError)                    a worker could not give a result
    │   ├── WorkerDiedError                           ... because it died on the same batch again and again
    │   └── PicklingError (TypeError)                 ... because something cannot travel to it
    ├── FolderInUseError (RuntimeError)               a folder belongs to another run at this moment
    ├── UnknownNameError (ValueError)                 a string that names nothing we have
    └── MissingExtraError (ImportError)               an optional package is not installed

Each class also derives from the built-in exception that a Keras user would catch. Wrong arguments
are plain ``ValueError`` and ``TypeError``. An exception from user code that runs in a worker keeps its
own type.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


class StreamfitError(Exception):
    """Base of all exceptions that streamfit defines."""


class NotCompiledError(StreamfitError, RuntimeError, ValueError):
    """Raised when a model is trained or evaluated before `compile`."""


class ModelInUseError(StreamfitError, RuntimeError):
    """Raised when a model is to be changed while another thread trains it, or a model that shares weights."""


class NonFiniteError(StreamfitError, RuntimeError):
    """Raised when a loss or a gradient is NaN or infinite, before anything of the batch is applied.

    Args:
        text: All that is known.
        epoch: Number of the pass over the data.
        batch: Number of the batch in that pass.
        ids: Which samples the batch holds.
        loss: The loss of the batch.
        weights: The weights whose gradient is not finite, by path.
        data: Which of ``"x"``, ``"y"`` and ``"sample_weight"`` are not finite.

    Example:
        >>> error = NonFiniteError("loss is nan", batch=3, data=["x"])
        >>> error.batch, error.data, str(error)
        (3, ['x'], 'loss is nan')
    """

    def __init__(
        self,
        text: str = "",
        *,
        epoch: int = 0,
        batch: int = 0,
        ids: object = None,
        loss: float = math.nan,
        weights: Sequence[str] = (),
        data: Sequence[str] = (),
    ) -> None:
        super().__init__(text)
        self.epoch, self.batch, self.ids, self.loss = epoch, batch, ids, loss
        self.weights, self.data = list(weights), list(data)


class DataError(StreamfitError, ValueError):
    """Raised when data are not what the model or the stream needs."""


class ShapeError(DataError):
    """Raised when the shape of an array does not fit."""


class WorkerError(StreamfitError, RuntimeError):
    """Raised when a worker could not give a result."""


class WorkerDiedError(WorkerError):
    """Raised when workers died repeatedly on the same batch."""


class PicklingError(WorkerError, TypeError):
    """Raised when an object cannot be sent to a worker process."""


class FolderInUseError(StreamfitError, RuntimeError):
    """Raised when another run works with a folder, in this program or in another one."""


class UnknownNameError(StreamfitError, ValueError):
    """Raised when a string names no known object."""


class MissingExtraError(StreamfitError, ImportError):
    """Raised when an optional package is needed and not installed."""
