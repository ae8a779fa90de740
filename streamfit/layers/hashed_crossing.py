"""The layer that turns combinations of values into numbers of buckets by a hash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np

from streamfit._base.configs import Config
from streamfit._base.errors import ShapeError
from streamfit._base.exact import exact
from streamfit._base.specs import Array, Shape, Spec
from streamfit.kernels.hashes import hashes_of_texts
from streamfit.layers.base import LayerOptions
from streamfit.layers.checks import dense_only, length, one_of
from streamfit.layers.host import HostLayer
from streamfit.layers.vocabulary import encode, encoded_shape

_INT64 = np.dtype(np.int64)
_START, _FACTOR, _SHIFT = np.uint64(0xDECAFCAFFE), np.uint64(0xC6A4A7935BD1E995), np.uint64(47)


class HashedCrossing(HostLayer):
    """Turn each combination of values of several features into the number of a bucket, the same everywhere.

    The hash is that of TensorFlow's ``tf.sparse.cross_hashed``, which Keras uses: FarmHash's Fingerprint64 of
    texts, and whole numbers as they are, are combined in the order of the inputs, modulo the number of
    buckets.

    The layer runs where batches are loaded, also in worker processes.

    Args:
        num_bins: Number of buckets.
        output_mode: ``'int'``: the numbers, in the shape of one input. ``'one_hot'``: rows of length
            `num_bins`; an axis of length 1 becomes the row.
        sparse: Must be False.
        **options: As for `Layer`; `dtype` is that of the output: ``'int64'`` (the default) or ``'int32'`` for
            numbers of buckets, a float for rows.

    Raises:
        ValueError: `num_bins` is not a whole number of at least 1, or another argument is none of those
            above. When called: on less than two inputs.
        ShapeError: When called: the inputs are not all of shape (batch,), or all of shape (batch, 1).

    Example:
        >>> import numpy as np
        >>> layer = HashedCrossing(num_bins=5)
        >>> layer((np.array(["A", "B", "A"]), np.array([101, 101, 102])))
        array([1, 4, 3])
    """

    input_dtype = "int64"
    accepts_text = True
    fixed = HostLayer.fixed | {"num_bins", "output_mode"}

    def __init__(
        self, num_bins: int, output_mode: str = "int", sparse: bool = False, **options: Unpack[LayerOptions]
    ) -> None:
        self.output_mode = one_of("output_mode", output_mode, ("int", "one_hot"))
        if options.get("dtype") is None and output_mode == "int":
            options["dtype"] = "int64"
        super().__init__(**options)
        dense_only(sparse)
        wanted = ("int32", "int64") if output_mode == "int" else ("float32", "float64")
        one_of(f"dtype of HashedCrossing with output_mode={output_mode!r}", self.dtype, wanted)
        self.num_bins = length("num_bins", num_bins)

    def compute(self, inputs: Sequence[Array]) -> Array:
        """Find the bucket of each combination."""
        total = np.full(inputs[0].shape, _START)
        for x in inputs:
            total = _combined(total, self._numbers(x))
        buckets = (total % np.uint64(self.num_bins)).astype(np.int64)
        if self.output_mode == "int":
            return buckets.astype(self.dtype, copy=False)
        return encode(buckets, "one_hot", self.num_bins, self.dtype)

    def _numbers(self, x: Array) -> Array:
        if x.dtype.kind == "O":
            return hashes_of_texts(x.reshape(-1).tolist()).reshape(x.shape)
        return exact(x, _INT64, f"layer {self.name!r}").astype(np.uint64)

    def compute_output_spec(self, specs: Sequence[Spec]) -> Spec:
        """Return the spec of the output."""
        if not isinstance(specs, (list, tuple)) or len(specs) < 2:
            raise ValueError(
                f"layer {self.name!r} combines at least two inputs; call it on a list of arrays or tensors, "
                "one for each feature"
            )
        shape = self._common_shape([spec.shape for spec in specs])
        if self.output_mode == "one_hot":
            shape = encoded_shape(shape, "one_hot", self.num_bins)
        return Spec(shape, np.dtype(self.dtype))

    def _common_shape(self, shapes: Sequence[Shape]) -> Shape:
        if len(set(shapes)) > 1 or len(shapes[0]) > 2 or shapes[0][1:] not in ((), (1,)):
            raise ShapeError(
                f"the inputs of layer {self.name!r} must all have the shape (batch,), or all (batch, 1); got "
                f"{', '.join(map(str, shapes))}"
            )
        return shapes[0]

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "num_bins": self.num_bins,
            "output_mode": self.output_mode,
            "sparse": False,
        }


def _combined(a: Array, b: Array) -> Array:
    """Combine hashes as TensorFlow's ``FingerprintCat64`` does."""
    result = a ^ _FACTOR ^ (_mixed(b * _FACTOR) * _FACTOR)
    return _mixed(_mixed(result * _FACTOR) * _FACTOR)


def _mixed(value: Array) -> Array:
    mixed: Array = value ^ (value >> _SHIFT)
    return mixed
