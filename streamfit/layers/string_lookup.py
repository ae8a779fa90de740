"""The layer that turns text into whole numbers by a vocabulary."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike

from streamfit._base.configs import Config
from streamfit._base.specs import Array, Spec
from streamfit._base.text import TEXT, text_array
from streamfit.kernels.hashes import hashes_of_texts
from streamfit.layers.base import LayerOptions
from streamfit.layers.checks import one_of
from streamfit.layers.index_lookup import _UNKNOWN, IndexLookup
from streamfit.layers.token_table import ONE, TokenCounter
from streamfit.layers.token_text import split


class StringLookup(IndexLookup[str]):
    """Turn each text into its number in a vocabulary, or numbers back into texts.

    The numbers are, in this order: 0 for `mask_token`, if there is one and the output is ``'int'``;
    `num_oov_indices` numbers for texts that are not in the vocabulary; one for each token of the vocabulary.
    An
    unknown text goes to one of its numbers by TensorFlow's hash (FarmHash's Fingerprint64), the same in all
    processes and on all machines.

    The layer runs where batches are loaded, also in worker processes. Its vocabulary is part of `get_config`
    and not of the weights.

    Args:
        max_tokens: The largest size of the vocabulary, special tokens included; None for any.
        num_oov_indices: How many numbers unknown texts share; 0 makes them an error.
        mask_token: The text that stands for nothing; None for none.
        oov_token: What `invert` returns for numbers of unknown texts.
        vocabulary: The tokens: a list, an array or the path of a UTF-8 file with one a line; else `adapt`
            makes it.
        idf_weights: A number for each token, with a vocabulary and ``output_mode='tf_idf'``; unknown texts
            have their mean.
        invert: Whether numbers come in and texts go out. In a model the texts are an output, which `predict`
            returns; no loss and no layer that computes can read them.
        output_mode: ``'int'``: the numbers, int64, in the shape of the input. ``'one_hot'``: a row for each
            text, of the length of the vocabulary; an axis of length 1 becomes the row. ``'multi_hot'``,
            ``'count'``, ``'tf_idf'``: a row for each sample, that is for the last axis of the input; masked
            texts are left out.
        pad_to_max_tokens: Whether rows have the length `max_tokens`, however large the vocabulary is.
        sparse: Must be False.
        encoding: Must be ``'utf-8'``.
        salt: A whole number in [0, 2**64), or two of them: unknown texts are hashed by SipHash with this key.
        oov_method: Read and kept as in Keras, where it means nothing for texts.
        **options: As for `Layer`; `dtype` is that of rows.

    Raises:
        ValueError: Arguments that do not go together, or a vocabulary with a token twice.

    Example:
        >>> layer = StringLookup(vocabulary=["no", "yes"])
        >>> layer(["yes", "no", "perhaps"])
        array([2, 1, 0])
        >>> layer = StringLookup()
        >>> layer.adapt([["a", "c", "d"], ["d", "z", "b"]])
        >>> layer.get_vocabulary()
        ['[UNK]', 'd', 'z', 'c', 'b', 'a']
    """

    _counts: TokenCounter

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: object = None,
        idf_weights: ArrayLike | None = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        salt: int | Sequence[int] | None = None,
        oov_method: str = "floormod",
        **options: Unpack[LayerOptions],
    ) -> None:
        self.input_dtype = "int64" if invert else "string"
        one_of("encoding", encoding, ("utf-8",))
        super().__init__(
            *(max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights),
            *(invert, output_mode, pad_to_max_tokens, sparse, oov_method, salt),
            **options,
        )

    def compute_output_spec(self, spec: Spec) -> Spec:
        """Return the spec of the output."""
        return spec.with_dtype(TEXT) if self.invert else super().compute_output_spec(spec)

    def _read_tokens(self, values: Iterable[object]) -> list[str]:
        found: list[str] = text_array(list(values), "the vocabulary").reshape(-1).tolist()
        return found

    def _read_file(self, lines: list[str]) -> list[str]:
        return lines

    def _batch(self, x: object) -> Array:
        return text_array(x, f"the data of layer {self.name!r}")

    def reset_state(self) -> None:
        """Forget the tokens that were counted."""
        object.__setattr__(self, "_counts", TokenCounter())

    def _count(self, x: Array) -> None:
        tokens, rows = split(x.reshape(-1).tolist(), None, None), len(x) if x.ndim else 1
        self._counts.add(tokens.in_rows(rows), ONE)

    def _find(self, x: Array) -> Array:
        table: dict[str, int] | None = self._table
        if table is None:
            table = {token: number for number, token in enumerate(self._need_vocabulary())}
            object.__setattr__(self, "_table", table)
        numbers = map(table.get, x.reshape(-1).tolist(), itertools.repeat(_UNKNOWN))  # without a loop of ours
        return np.fromiter(numbers, np.int64, x.size).reshape(x.shape)

    def _buckets(self, tokens: Sequence[str]) -> Array:
        hashes = hashes_of_texts(tokens, self.salt or ()) % np.uint64(self.num_oov_indices)
        return hashes.astype(np.int64)

    def _as_array(self, tokens: Sequence[str]) -> Array:
        return np.array(tokens, dtype=object)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer, the vocabulary among them."""
        return {**super().get_config(), "encoding": "utf-8"}
