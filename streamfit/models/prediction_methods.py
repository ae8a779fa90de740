"""`PredictionMethods`: the methods of a model that compute its outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamfit._base.checks import is_mapping, steps_or_none
from streamfit._base.specs import Array
from streamfit.models.trainer import Trainer
from streamfit.streams import LoadPolicy
from streamfit.training import StreamSettings, batches, prediction, single_batches


class PredictionMethods(Trainer):
    """Add `predict`, for whole data sets, batch by batch and for single batches."""

    def predict(
        self,
        x: object,
        batch_size: int | None = None,
        verbose: int | str = 0,
        steps: float | None = None,
        callbacks: object = None,
        max_queue_size: int | None = None,
        workers: int | None = None,
        use_multiprocessing: bool | None = None,
        *,
        out: object = None,
        load_timeout: float | None = None,
        worker_init: Callable[[], object] | None = None,
    ) -> Any:
        """Compute the outputs for all samples, in order.

        Args:
            x: As in `fit`; targets and weights of a stream are ignored.
            batch_size, verbose, callbacks, max_queue_size, workers, use_multiprocessing: As in `fit`.
            steps: Stop after so many batches.
            out: Where the outputs are written, batch by batch, so that they need not fit in memory: an array
                or a memory map of shape (n, ...) and of the output's dtype, or the path of a new ``.npy``
                file; for several outputs a list or a dictionary of these. An array must be filled exactly,
                also by a generator; a file takes as many samples as there are. Memory maps are flushed at the
                end. What was written before an error stays, and the error says how many samples that is.
            load_timeout, worker_init: As in `fit`. No sample is ever left out: outputs stay where their
                inputs are.

        Returns:
            An array (n, ...), or a list of them for several outputs (a dictionary if the model was made with
            one). With `out` these arrays, and a memory map of a file; only the rows that were written, where
            a callback has set `stop_predicting`.

        Raises:
            ShapeError: `out` has another shape, or more or fewer rows than there are samples.
            TypeError: `out` has another dtype (nothing is cast), or is nothing of these.
            ValueError: `out` is read-only, shares memory with `x`, or has more or fewer arrays than the model
                has outputs.
            FileExistsError: There is a file at the path.

        Example:
            >>> import numpy as np, streamfit as sf
            >>> model = sf.Sequential([sf.layers.Dense(3, input_shape=(2,))])
            >>> x = np.ones((100, 2), "float32")
            >>> scores = np.empty((100, 3), "float32")
            >>> model.predict(x, out=scores) is scores, bool((scores == model.predict(x)).all())
            (True, True)
        """
        data = batches.Data(x, None, None, batch_size, shuffle=False, targets=False)
        policy = LoadPolicy(load_timeout)
        settings = StreamSettings(max_queue_size, workers, use_multiprocessing, policy, worker_init)
        count = steps_or_none("steps", steps)
        return self._pack_outputs(prediction.predict(self, data, settings, count, verbose, callbacks, out))

    def predict_batches(
        self,
        x: object,
        batch_size: int | None = None,
        steps: float | None = None,
        max_queue_size: int | None = None,
        workers: int | None = None,
        use_multiprocessing: bool | None = None,
        *,
        load_timeout: float | None = None,
        worker_init: Callable[[], object] | None = None,
    ) -> prediction.PredictedBatches:
        """Compute the outputs batch by batch, in order: an iterator that keeps none of them.

        All batches are computed with the weights of the moment at which the first one is asked for, also when
        the model is trained meanwhile.

        Args:
            x, batch_size, steps, max_queue_size, workers, use_multiprocessing, load_timeout, worker_init: As
                in `predict`.

        Returns:
            An iterator of (ids, predictions): which samples they are (an int64 array of their ids where
            samples can be read by id, as in arrays; else the number of the batch, as for a `Sequence` or a
            generator), and what `predict` returns for them. They are yours: no later batch overwrites them.
            Leave it early with ``close()`` or a ``with`` statement; that stops the workers.

        Example:
            >>> import numpy as np, streamfit as sf
            >>> model = sf.Sequential([sf.layers.Dense(3, input_shape=(2,))])
            >>> for ids, predictions in model.predict_batches(np.ones((5, 2)), batch_size=3):
            ...     print(ids, predictions.shape)
            [0 1 2] (3, 3)
            [3 4] (2, 3)
        """
        data = batches.Data(x, None, None, batch_size, shuffle=False, targets=False)
        policy = LoadPolicy(load_timeout)
        settings = StreamSettings(max_queue_size, workers, use_multiprocessing, policy, worker_init)
        each = prediction.predict_batches(self, data, settings, steps_or_none("steps", steps))
        return prediction.PredictedBatches(each, self._pack_outputs)

    def _pack_outputs(self, arrays: list[Array]) -> Any:
        if is_mapping(self._output_structure):
            return dict(zip(self.output_names, arrays, strict=True))
        return arrays[0] if len(arrays) == 1 else arrays

    def predict_on_batch(self, x: object) -> Any:
        """Return the outputs for one batch.

        Args:
            x: As in `train_on_batch`.

        Returns:
            As `predict` does.
        """
        return self._pack_outputs(single_batches.predict_on_batch(self, x))
