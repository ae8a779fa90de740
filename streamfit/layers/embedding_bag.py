"""The layer that looks rows of a table up and combines those of each sample, as for a sentence of words."""

from __future__ import annotations

from typing import Unpack

from numpy.typing import ArrayLike

from streamfit import ops
from streamfit._base.configs import Config
from streamfit.layers.base import LayerOptions
from streamfit.layers.embedding import Embedding
from streamfit.ops.core import Value
from streamfit.ops.embedding_bag import COMBINERS


class EmbeddingBag(Embedding):
    """Look up a row of a table for each whole number, and combine the rows of each sample into one.

    It computes what `Embedding` with `mask_zero` and `GlobalAveragePooling1D` compute, in one pass: the rows
    of a batch are never held, and a step updates only those rows of a large table that it has read, under the
    same conditions as for `Embedding` (no regularizer, no constraint). PyTorch has it under this name; the
    combiners are those of TensorFlow's ``embedding_lookup_sparse``.

    Input is whole numbers in [0, input_dim), of shape (batch, ..., n); n may differ from batch to batch.
    Output has shape (batch, ..., output_dim). A number that occurs twice counts twice. A sample of nothing
    but padding gives zeros. A mask of the input leaves out further positions; the output has no mask. A
    number that has no row stops the step, before anything changes, with an error that names the sample and
    the position.

    Args:
        input_dim: Number of rows.
        output_dim: Length of a row.
        combiner: ``'mean'``, ``'sum'``, or ``'sqrtn'``: the sum divided by the square root of the number of
            rows that count.
        embeddings_initializer: As for `Embedding`.
        embeddings_regularizer: As for `Embedding`.
        embeddings_constraint: As for `Embedding`.
        mask_zero: Whether the number 0 is padding, which is left out.
        weights: As for `Embedding`.
        **options: As for `Layer`; ``trainable=False`` keeps the table as it is.

    Raises:
        ValueError: The combiner is unknown, `input_dim` or `output_dim` is not a whole number of at least 1,
            or `weights` has another shape.

    Example:
        >>> import numpy as np
        >>> layer = EmbeddingBag(3, 2, weights=[[9.0, 9.0], [1.0, 2.0], [3.0, 4.0]])
        >>> layer(np.array([[1, 2, 0], [2, 2, 2], [0, 0, 0]]))
        array([[2., 3.],
               [3., 4.],
               [0., 0.]], dtype=float32)
    """

    supports_masking = False
    fixed = Embedding.fixed | {"combiner"}

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        combiner: str = "mean",
        embeddings_initializer: object = "uniform",
        embeddings_regularizer: object = None,
        embeddings_constraint: object = None,
        mask_zero: bool = True,
        weights: ArrayLike | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        if combiner not in COMBINERS:
            raise ValueError(f"combiner must be one of {COMBINERS}, got {combiner!r}")
        super().__init__(
            *(input_dim, output_dim),
            *(embeddings_initializer, embeddings_regularizer, embeddings_constraint),
            *(mask_zero, weights),
            **options,
        )
        self.combiner = combiner

    def call(self, x: Value, mask: Value | None = None) -> Value:
        """Look the rows up and combine them."""
        padding = 0 if self.mask_zero else None
        return ops.embedding_bag(self.embeddings, self.checked(x), mask, self.combiner, padding)

    def compute_mask(self, inputs: Value, mask: Value | None = None) -> None:
        """Return None: the positions are combined."""
        return

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer; the table itself is a weight."""
        return {**super().get_config(), "combiner": self.combiner}
