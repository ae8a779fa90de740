"""Every exception that streamfit raises on its own account.

::

    StreamfitError
    ├── NotCompiledError (RuntimeError, ValueError)   fit, evaluate, ... before compile
    ├── DataError (ValueError)                        the data are not what the model or the stream needs
    │   └── ShapeError                                ... because a shape does not fit
    ├── WorkerError (RuntimeError)                    a worker could not give a result
    │   ├── WorkerDiedError                           ... because it died on the same batch again and again
    │   └── PicklingError (TypeError)                 ... because something cannot travel to it
    ├── UnknownNameError (ValueError)                 a string that names nothing we have
    └── MissingExtraError (ImportError)               an optional package is not installed

Each class also derives from the built-in exception that a Keras user would catch. Wrong arguments
are plain ``ValueError`` and ``TypeError``. An exception from user code that runs in a worker keeps its
own type.
"""

from __future__ import annotations


class StreamfitError(Exception):
    """Base of all exceptions that streamfit defines."""


class NotCompiledError(StreamfitError, RuntimeError, ValueError):
    """Raised when a model is trained or evaluated before `compile`."""


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


class UnknownNameError(StreamfitError, ValueError):
    """Raised when a string names no known object."""


class MissingExtraError(StreamfitError, ImportError):
    """Raised when an optional package is needed and not installed."""
