"""`StreamProfiler`: measures where the time of a run of `fit` goes.

Guarantee kept here: batches, weights and results are those of a run without it; where no callback of this
class is passed, nothing is measured and nothing is slower.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from streamfit.streams import Source
from streamfit.streams.profiling.profile import Profile, profile_of
from streamfit.streams.profiling.recorder import StreamRecorder
from streamfit.streams.profiling.watching import watched_source
from streamfit.training.callbacks.base import Callback, Logs
from streamfit.training.callbacks.list import flat

__all__ = ["StreamProfiler"]


class StreamProfiler(Callback):
    """Measure where the time of a run of `fit` goes: reading, each stage, transport, the model.

    After the run `result` has it as text, picture and trace, and says in one sentence what limits. The
    first batches are not counted, until kernels are compiled and every worker has loaded something.
    Validation is not measured.

    Args:
        plot: Where to write a picture when training ends (needs the extra `plot`); None for none.
        trace: Where to write a trace for https://ui.perfetto.dev; None for none.
        epochs: Numbers of the epochs to measure, counted from 0, such as ``range(1, 3)``; None for all.

    Attributes:
        result: Where the time went up to now.

    Raises:
        TypeError: `epochs` is no collection.
        ValueError: When training begins, there is more than one of its kind.

    Example:
        >>> import numpy as np
        >>> import streamfit as sf
        >>> model = sf.Sequential([sf.layers.Dense(1, input_shape=(3,))])
        >>> model.compile("sgd", "mse")
        >>> data = sf.source(np.ones((64, 3)), np.ones((64, 1))).map(lambda x, y: (x * 2, y)).batch(8)
        >>> profiler = StreamProfiler()
        >>> history = model.fit(data, workers=0, verbose=0, callbacks=[profiler])
        >>> profiler.result.stages
        ["source('data', 64 samples)", 'map(<lambda>)', 'batch(8)', 'model']
        >>> profiler.result.elements
        7
    """

    def __init__(
        self,
        *,
        plot: str | os.PathLike[str] | None = None,
        trace: str | os.PathLike[str] | None = None,
        epochs: Collection[int] | None = None,
    ) -> None:
        super().__init__()
        if epochs is not None and not isinstance(epochs, Collection):
            raise TypeError(f"epochs must be a collection of numbers such as range(1, 3), got {epochs!r}")
        self.plot, self.trace, self.epochs = plot, trace, epochs
        self._recorder: StreamRecorder | None = None

    def watch(self, source: Source) -> tuple[StreamRecorder, Source]:
        """Return what measures a run, and a copy of its source whose stages are measured; for `fit`."""
        names: list[str] = []
        other, rest = watched_source(source, names)
        self._recorder = StreamRecorder(names, rest, in_order=not source.traits.seekable)
        return self._recorder, other

    @property
    def result(self) -> Profile:
        """Where the time went up to now.

        Raises:
            ValueError: No run has begun.
        """
        if self._recorder is None:
            raise ValueError("nothing was measured yet: pass this callback to fit and look afterwards")
        return profile_of(self._recorder)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Measure this epoch, or not."""
        if self._recorder is not None:
            self._recorder.recording = self.epochs is None or epoch in self.epochs

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Write picture and trace."""
        if self.plot is not None:
            self.result.plot(self.plot)
        if self.trace is not None:
            self.result.trace(self.trace)


def watched(callbacks: object, source: Source) -> tuple[StreamRecorder | None, Source]:
    """Return what measures the run for a `StreamProfiler` among callbacks, and the source to read."""
    found = [callback for callback in flat(callbacks) if isinstance(callback, StreamProfiler)]
    if len(found) > 1:
        raise ValueError("callbacks has more than one StreamProfiler; one measures everything, pass one")
    return found[0].watch(source) if found else (None, source)
