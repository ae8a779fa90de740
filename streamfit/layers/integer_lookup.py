"""The layer that turns whole numbers of a vocabulary into places in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike

from streamfit import ops
from streamfit._base.configs import Config
from streamfit._base.exact import exact
from streamfit._base.specs import Array
from streamfit.kernels.hashes import hashes_of_numbers
from streamfit.layers.base import LayerOptions
from streamfit.layers.checks import one_of
from streamfit.layers.index_lookup import _UNKNOWN, IndexLookup
from streamfit.ops.core import Value, is_symbolic

_INT64 = np.dtype(np.int64)


class IntegerLookup(IndexLookup[int]):
    """Turn each whole number into its place in a vocabulary, or places back into numbers; exact up to 2**63.

    An unknown number goes to one of `num_oov_indices` places by its remainder, or by a hash. All else is as
    in `StringLookup`, but that ``invert=True`` may stand anywhere in a model, for example behind an argmax.

    Args:
        max_tokens: The largest size of the vocabulary, special tokens included; None for any.
        num_oov_indices: How many places unknown numbers share; 0 makes them an error.
        mask_token: The number that stands for nothing; None for none.
        oov_token: What `invert` returns for places of unknown numbers.
        vocabulary: The numbers: a list, an array or the path of a file with one a line; else `adapt` makes
            it.
        vocabulary_dtype: Must be ``'int64'``.
        idf_weights: A number for each token, with a vocabulary and ``output_mode='tf_idf'``.
        invert: Whether places come in and numbers go out.
        output_mode: As for `StringLookup`.
        sparse: Must be False.
        pad_to_max_tokens: As for `StringLookup`.
        oov_method: ``'floormod'``: the remainder of the number; ``'farmhash'``: that of the hash of its
            decimal digits, FarmHash's Fingerprint64.
        salt: A whole number in [0, 2**64), or two of them, with ``'farmhash'``: the hash is SipHash with this
            key.
        **options: As for `Layer`.

    Example:
        >>> layer = IntegerLookup(vocabulary=[7, 2**62])
        >>> layer([[2**62, 7, 8]])
        array([[2, 1, 0]])
    """

    input_dtype = "int64"
    reserves_oov_token = False  # a number as good as any other

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int = -1,
        vocabulary: object = None,
        vocabulary_dtype: str = "int64",
        idf_weights: ArrayLike | None = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: int | Sequence[int] | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        one_of("vocabulary_dtype", vocabulary_dtype, ("int64",))
        if salt is not None and oov_method != "farmhash":
            raise ValueError(f"salt goes with oov_method='farmhash', got {oov_method!r}")
        super().__init__(
            *(max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights),
            *(invert, output_mode, pad_to_max_tokens, sparse, oov_method, salt),
            **options,
        )

    def _read_tokens(self, values: Iterable[object]) -> list[int]:
        found: list[int] = exact(np.asarray(list(values)), _INT64, "the vocabulary").reshape(-1).tolist()
        return found

    def _read_file(self, lines: list[str]) -> list[int]:
        return [int(line) for line in lines]

    def _batch(self, x: object) -> Array:
        return exact(np.asarray(x), _INT64, f"the data of layer {self.name!r}")

    def _find(self, x: Array) -> Array:
        if self._table is None:
            tokens = np.array(self._need_vocabulary(), np.int64)
            order = np.argsort(tokens)
            object.__setattr__(self, "_table", (tokens[order], order))
        ordered, order = self._table
        places = np.minimum(np.searchsorted(ordered, x), len(ordered) - 1)
        return np.where(ordered[places] == x, order[places], _UNKNOWN)

    def _buckets(self, tokens: Sequence[int]) -> Array:
        numbers = np.array(tokens, np.int64)
        if self.oov_method == "floormod":
            return np.asarray(numbers % self.num_oov_indices)
        return (hashes_of_numbers(numbers, self.salt or ()) % np.uint64(self.num_oov_indices)).astype(
            np.int64
        )

    def _as_array(self, tokens: Sequence[int]) -> Array:
        return np.array(tokens, np.int64)

    def call(self, x: Value) -> Any:
        """Look numbers up; with `invert` as operations of the graph, wherever the places come from."""
        if not (self.invert and is_symbolic(x)):
            return super().call(x)
        self._need_vocabulary()
        listed = self.get_vocabulary()
        places = ops.cast(x, "int64")
        outside = ops.logical_or(ops.less(places, 0), ops.greater_equal(places, len(listed)))
        table = self._as_array([*listed, self.oov_token])
        return ops.take(table, ops.where(outside, len(listed), places))

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer, the vocabulary among them."""
        return {**super().get_config(), "vocabulary_dtype": "int64"}
