"""All exceptions that streamfit defines.

::

    StreamfitError
    ├── NotCompiledError (RuntimeError, ValueError)   fit, evaluate, ... before compile
    ├── ModelInUseError (RuntimeError)                another thread trains the model, or changes its weights
    ├── NonFiniteError (RuntimeError)                 a loss or gradient is NaN or infinite and must not be
    ├── DataError (ValueError)                        the data do not fit the model or the stream
    │   ├── NoArrayError (TypeError)                  ... because something is no array
    │   ├── ShapeError                                ... because a shape does not fit
    │   └── SampleError                               ... because a value of one sample does not fit
    ├── WorkerError (RuntimeError)                    a worker could not return a result
    │   ├── WorkerDiedError                           ... because it died repeatedly on the same batch
    │   └── PicklingError (TypeError)                 ... because an object cannot be sent to it
    ├── FolderInUseError (RuntimeError)               another run uses the folder at this moment
    ├── NotAdaptedError (RuntimeError, ValueError)    a layer must see data first: call its `adapt`
    ├── ArgumentError (TypeError, ValueError)         an argument has the wrong type or value
    ├── UnknownNameError (ValueError)                 a string is not a known name
    ├── NoFileError (FileNotFoundError, ValueError)   a file to be read does not exist
    └── MissingExtraError (ImportError)               an optional package is not installed

Each class also derives from the built-in exception that a Keras user would catch. Wrong arguments
raise plain ``ValueError`` and ``TypeError``. An exception from user code that runs in a worker keeps its
type.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


class StreamfitError(Exception):
    """Base of all exceptions that streamfit defines."""


class NotCompiledError(StreamfitError, RuntimeError, ValueError):
    """Raised when a model is trained or evaluated before `compile`."""


class ModelInUseError(StreamfitError, RuntimeError):
    """Raised when a call would change a model that another thread trains, or that shares weights with one."""


class NonFiniteError(StreamfitError, RuntimeError):
    """Raised when a loss or a gradient is NaN or infinite, before the batch changes any weight.

    Args:
        text: The message.
        epoch: Number of the pass over the data.
        batch: Number of the batch in that pass.
        ids: Ids of the samples in the batch.
        loss: The loss of the batch.
        weights: The weights whose gradient is not finite, by path.
        data: Those of ``"x"``, ``"y"`` and ``"sample_weight"`` that are not finite.

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
    """Raised when data do not fit the model or the stream."""


class ShapeError(DataError):
    """Raised when the shape of an array does not fit."""


class NoArrayError(DataError, TypeError):
    """Raised when a single value stands where an array of samples should."""


class SampleError(DataError):
    """Raised when a value of one sample does not fit.

    Args:
        text: The message.
        row: Which sample of the batch it is, counted from 0; None where that is in the message.

    Example:
        >>> SampleError("row 2 of x holds 2.5", 2).row
        2
    """

    def __init__(self, text: str = "", row: int | None = None) -> None:
        super().__init__(text)
        self.row = row


class WorkerError(StreamfitError, RuntimeError):
    """Raised when a worker could not return a result."""


class WorkerDiedError(WorkerError):
    """Raised when workers died repeatedly on the same batch."""


class PicklingError(WorkerError, TypeError):
    """Raised when an object cannot be sent to a worker process."""


class FolderInUseError(StreamfitError, RuntimeError):
    """Raised when another run uses a folder, in this program or in another one."""


class UnknownNameError(StreamfitError, ValueError):
    """Raised when a string names no known object."""


class NotAdaptedError(StreamfitError, RuntimeError, ValueError):
    """Raised when a layer is called that has no vocabulary or no bounds yet, which `adapt` finds."""


class ArgumentError(StreamfitError, TypeError, ValueError):
    """Raised for an argument that is of the wrong type, or of the right one with a wrong value."""


class NoFileError(StreamfitError, FileNotFoundError, ValueError):
    """Raised when there is no file under a path that the user gave; Keras users catch `ValueError`."""


class MissingExtraError(StreamfitError, ImportError):
    """Raised when an optional package is needed and not installed."""
