"""The layer that turns texts and whole numbers into numbers of buckets by a hash, without a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np

from streamfit._base.configs import Config
from streamfit._base.exact import exact
from streamfit._base.specs import Array, Spec
from streamfit.kernels.hashes import hashes_of_numbers, hashes_of_texts
from streamfit.layers.base import LayerOptions
from streamfit.layers.checks import dense_only, hash_key, length, one_of
from streamfit.layers.host import HostLayer
from streamfit.layers.vocabulary import encode, encoded_shape

_MODES = ("int", "one_hot", "multi_hot", "count")
_INT64 = np.dtype(np.int64)


class Hashing(HostLayer):
    """Turn each text or whole number into the number of a bucket, the same on every machine.

    The hash is that of TensorFlow and Keras: FarmHash's Fingerprint64 of the UTF-8 of the text, or with a
    `salt` SipHash-2-4 (Aumasson and Bernstein, 2012), modulo the number of buckets. Whole numbers are hashed
    as the text of their decimal digits. Different values may share a bucket; a vocabulary (`StringLookup`)
    avoids that.

    The layer runs where batches are loaded, also in worker processes.

    Args:
        num_bins: Number of buckets, that of masked values included.
        mask_value: The text or number that stands for nothing: its bucket is 0, and all others have the
            buckets from 1. None for none.
        salt: A whole number in [0, 2**64), or two of them, which change all buckets; None hashes without a
            key.
        output_mode: ``'int'``: the numbers, in the shape of the input. ``'one_hot'``: a row for each value,
            of length `num_bins`; an axis of length 1 becomes the row. ``'multi_hot'``, ``'count'``: a row for
            each sample, that is for the last axis of the input.
        sparse: Must be False.
        **options: As for `Layer`; `dtype` is that of the output: ``'int64'`` (the default) or ``'int32'`` for
            numbers of buckets, a float for rows.

    Raises:
        ValueError: `num_bins` is not a whole number of at least 1, or another argument is none of those
            above.

    Example:
        >>> layer = Hashing(num_bins=3)
        >>> layer([["A"], ["B"], ["C"], ["D"], ["E"]]).ravel()  # the example of Keras
        array([1, 0, 1, 1, 2])
        >>> Hashing(num_bins=3, mask_value="", salt=1337)([["A", "", "B"]])
        array([[1, 0, 2]])
    """

    input_dtype = "int64"
    accepts_text = True
    fixed = HostLayer.fixed | {"num_bins", "mask_value", "salt", "output_mode"}

    def __init__(
        self,
        num_bins: int,
        mask_value: str | int | None = None,
        salt: int | Sequence[int] | None = None,
        output_mode: str = "int",
        sparse: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        self.output_mode = one_of("output_mode", output_mode, _MODES)
        if options.get("dtype") is None and output_mode == "int":
            options["dtype"] = "int64"
        super().__init__(**options)
        dense_only(sparse)
        wanted = ("int32", "int64") if output_mode == "int" else ("float32", "float64")
        one_of(f"dtype of {type(self).__name__} with output_mode={output_mode!r}", self.dtype, wanted)
        self.num_bins, self.mask_value, self.salt = length("num_bins", num_bins), mask_value, hash_key(salt)
        if not (mask_value is None or isinstance(mask_value, (str, int, np.integer))):
            raise ValueError(f"mask_value must be a text or a whole number, got {mask_value!r}")

    @property
    def row_by_row(self) -> bool:
        """Whether rows can be computed in any company: numbers, in the shape of the input."""
        return self.output_mode == "int"

    def compute(self, x: Array) -> Array:
        """Find the bucket of each value."""
        flat = x.reshape(-1)
        text = flat.dtype.kind == "O"
        masked, bins = None, self.num_bins
        if self.mask_value is not None and bins > 1:
            masked, bins = self._masked(flat, text), bins - 1
        key = self.salt or ()
        hashes = (
            hashes_of_texts(flat.tolist(), key)
            if text
            else hashes_of_numbers(exact(flat, _INT64, f"layer {self.name!r}"), key)
        )
        buckets = (hashes % np.uint64(bins)).astype(np.int64)
        if masked is not None:
            buckets = np.where(masked, 0, buckets + 1)
        buckets = buckets.reshape(x.shape)
        if self.output_mode == "int":
            return buckets.astype(self.dtype, copy=False)
        return encode(buckets, self.output_mode, self.num_bins, self.dtype)

    def _masked(self, flat: Array, text: bool) -> Array:
        if isinstance(self.mask_value, str) != text:
            found = "text" if text else "numbers"
            raise TypeError(
                f"layer {self.name!r} has mask_value={self.mask_value!r}, but its input is {found}"
            )
        return np.asarray(flat == self.mask_value)

    def compute_output_spec(self, spec: Spec) -> Spec:
        """Return the spec of the output."""
        mode = self.output_mode
        shape = spec.shape if mode == "int" else encoded_shape(spec.shape, mode, self.num_bins)
        return Spec(shape, np.dtype(self.dtype))

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "num_bins": self.num_bins,
            "mask_value": self.mask_value,
            "salt": self.salt,
            "output_mode": self.output_mode,
            "sparse": False,
        }
