"""The layer that turns combinations of values into numbers of buckets by a hash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np

from streamfit._base.configs import Config
from streamfit._base.errors import ShapeError
from streamfit._base.exact import exact
from streamfit._base.specs import Array, Shape, Spec
from streamfit.kernels.hashes import buckets_of_crosses
from streamfit.layers.base import LayerOptions
from streamfit.layers.checks import dense_only, length, one_of
from streamfit.layers.host import HostLayer
from streamfit.layers.known_hashes import KnownHashes
from streamfit.layers.vocabulary import encode, encoded_shape

_INT64 = np.dtype(np.int64)


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
    _known: KnownHashes | None = None  # made when it is needed

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

    @property
    def row_by_row(self) -> bool:
        """Whether rows can be computed in any company: numbers, in the shape of the input."""
        return self.output_mode == "int"

    def compute(self, inputs: Sequence[Array]) -> Array:
        """Find the bucket of each combination."""
        parts = np.empty((len(inputs), inputs[0].size), np.uint64)
        for part, x in zip(parts, inputs, strict=True):
            if x.dtype.kind == "O":
                part[:] = self._hash(x.reshape(-1).tolist())
            else:
                part[:] = exact(x, _INT64, f"layer {self.name!r}").reshape(-1).astype(np.uint64)
        buckets = buckets_of_crosses(parts, self.num_bins).reshape(inputs[0].shape)
        if self.output_mode == "int":
            return buckets.astype(self.dtype, copy=False)
        return encode(buckets, "one_hot", self.num_bins, self.dtype)

    def _hash(self, texts: list[str]) -> Array:
        known = self._known
        if known is None:
            known = KnownHashes()
            object.__setattr__(self, "_known", known)
        return known(texts)

    def __getstate__(self) -> dict[str, object]:
        return {**super().__getstate__(), "_known": None}

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
