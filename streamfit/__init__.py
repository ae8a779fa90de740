"""streamfit trains models on streams.

Arrays, generators, `Sequence` objects, files larger than memory and validation data are all streams, and one
fit loop reads them. Workers load in parallel; the order is fixed and every sample is used exactly once per
epoch. `compile`, `fit`, `evaluate`, `predict`, `fit_generator` and `Sequence` mean the same as in Keras.

Vocabulary, used the same way everywhere:

sample
    One row: one x, its y, its weight.
batch
    The samples of one training step.
source
    Defines which batches exist and in which order, and loads a ticket.
ticket
    A small picklable request for one batch: pass, number, sample ids, random key.
stage
    One step of a pipeline, such as `map`, `shuffle` or `batch`: an immutable description.
stream
    The ordered batches of an epoch, from any kind of data.
slot
    Preallocated shared memory for one batch in flight.
receipt
    The proof of an epoch: batches planned, delivered and retried, and the digest of the order.
op
    One differentiable operation: a shape rule, a forward kernel, a backward kernel.
kernel
    A function on arrays that Numba compiles.
program
    A model lowered to an ordered list of kernel calls over flat buffers.
"""

from __future__ import annotations

from streamfit import (
    activations,
    augment,
    backend,
    callbacks,
    constraints,
    datasets,
    files,
    initializers,
    layers,
    losses,
    metrics,
    models,
    ops,
    optimizers,
    plots,
    preprocessing,
    regularizers,
    saving,
    utils,
)
from streamfit._base.config import epsilon, floatx, set_floatx, set_random_seed
from streamfit._base.errors import (
    DataError,
    FolderInUseError,
    MissingExtraError,
    ModelInUseError,
    NonFiniteError,
    NotCompiledError,
    PicklingError,
    ShapeError,
    StreamfitError,
    UnknownNameError,
    WorkerDiedError,
    WorkerError,
)
from streamfit._base.thread_budget import num_threads, set_num_threads
from streamfit.layers import Input
from streamfit.models import Model, Sequential
from streamfit.streams import (
    Batch,
    DelegatingSource,
    Pipeline,
    Receipt,
    Sequence,
    ShuffleQuality,
    Source,
    SourceTraits,
    Stream,
    Ticket,
    interleave,
    mix,
    shuffle_quality,
    source,
    stream,
)
from streamfit.training import History
from streamfit.workers import empty

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "DataError",
    "DelegatingSource",
    "FolderInUseError",
    "History",
    "Input",
    "MissingExtraError",
    "Model",
    "ModelInUseError",
    "NonFiniteError",
    "NotCompiledError",
    "PicklingError",
    "Pipeline",
    "Receipt",
    "Sequence",
    "Sequential",
    "ShapeError",
    "ShuffleQuality",
    "Source",
    "SourceTraits",
    "Stream",
    "StreamfitError",
    "Ticket",
    "UnknownNameError",
    "WorkerDiedError",
    "WorkerError",
    "__version__",
    "activations",
    "augment",
    "backend",
    "callbacks",
    "constraints",
    "datasets",
    "empty",
    "epsilon",
    "files",
    "floatx",
    "initializers",
    "interleave",
    "layers",
    "losses",
    "metrics",
    "mix",
    "models",
    "num_threads",
    "ops",
    "optimizers",
    "plots",
    "preprocessing",
    "regularizers",
    "saving",
    "set_floatx",
    "set_num_threads",
    "set_random_seed",
    "shuffle_quality",
    "source",
    "stream",
    "utils",
]
