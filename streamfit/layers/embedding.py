"""The layer that looks rows of a table up by number."""

from __future__ import annotations

from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike

from streamfit import constraints, initializers, ops, regularizers
from streamfit._base.configs import Config, describe
from streamfit._base.specs import Shape
from streamfit.layers.base import Layer, LayerOptions
from streamfit.layers.checks import count, length
from streamfit.ops.core import Value

_EXACT = {"float16": 1 << 11, "float32": 1 << 24, "float64": 1 << 53}
"""Up to which whole number a dtype holds all of them."""


class Embedding(Layer):
    """Look up a row of a table, which is learned, for each whole number.

    A number that has no row stops the step, before anything changes, with an error that names the sample and
    the position.

    Args:
        input_dim: Number of rows; the numbers lie in [0, input_dim).
        output_dim: Length of a row.
        embeddings_initializer: First values of the table, shape (input_dim, output_dim). Keras' ``'uniform'``
            draws them from [-0.05, 0.05).
        embeddings_regularizer: Penalty on the whole table, or None.
        embeddings_constraint: Applied to the table after each update by the optimizer, or None; see
            `streamfit.constraints`.
        mask_zero: Whether the number 0 stands for nothing, such as the padding behind a short sentence:
            layers that take a mask leave it out.
        weights: A table to begin with, or a list of that one, in place of the initializer.
        input_length: Length of the sequences, for the first layer of a `Sequential` model; short for
            ``input_shape=(n,)``.
        **options: As for `Layer`.

    Raises:
        ValueError: `input_dim` or `output_dim` is not a whole number of at least 1, or `weights` has another
            shape.

    Example:
        >>> layer = Embedding(3, 2, weights=[[0.0, 0.1], [1.0, 1.1], [2.0, 2.1]])
        >>> layer(np.array([[2, 0]]))
        array([[[2. , 2.1],
                [0. , 0.1]]], dtype=float32)
    """

    input_dtype = "int64"
    fixed = Layer.fixed | {
        *("input_dim", "output_dim", "embeddings_initializer"),
        *("embeddings_regularizer", "embeddings_constraint"),
    }

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: object = "uniform",
        embeddings_regularizer: object = None,
        embeddings_constraint: object = None,
        mask_zero: bool = False,
        weights: ArrayLike | None = None,
        *,
        input_length: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        if input_length is not None:
            options.setdefault("input_shape", (length("input_length", input_length),))
        super().__init__(**options)
        self.input_dim, self.output_dim = count("input_dim", input_dim), count("output_dim", output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = self.supports_masking = bool(mask_zero)
        self._table = None if weights is None else self._checked_table(weights)
        if weights is not None and type(self) is Embedding:  # a subclass may have more to set up
            self.build()

    def _checked_table(self, weights: ArrayLike) -> np.ndarray:
        table = np.asarray(weights)
        if table.ndim == 3 and len(table) == 1:
            table = table[0]
        if table.shape != (self.input_dim, self.output_dim):
            raise ValueError(
                f"weights of layer {self.name!r} must have shape {(self.input_dim, self.output_dim)} "
                f"(input_dim, output_dim), got {table.shape}"
            )
        return table

    def build(self, input_shape: Shape | None = None) -> None:
        """Create the table, which is the same for inputs of all shapes."""
        shape = (self.input_dim, self.output_dim)
        first = self.embeddings_initializer if self._table is None else "zeros"
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=shape,
            initializer=first,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )
        if self._table is not None:
            self.embeddings.assign(self._table)
            self._table = None

    def checked(self, x: Value) -> Value:
        """Return the numbers of rows as int64, checked to have one.

        Raises:
            ValueError: Their dtype cannot hold all numbers of rows.
            SampleError: A number has no row; in a graph the step is stopped.
        """
        most = _EXACT.get(x.dtype.name, self.input_dim)
        if self.input_dim > most:
            raise ValueError(
                f"layer {self.name!r} has {self.input_dim} rows, but its input is {x.dtype}, which holds "
                "whole "
                f"numbers up to {most} only; write Input(shape, dtype='int64')"
            )
        return ops.checked_indices(x, self.input_dim, f"layer {self.name!r}")

    def call(self, x: Value) -> Value:
        """Look the rows up."""
        return ops.take(self.embeddings, self.checked(x))

    def compute_mask(self, inputs: Value, mask: Value | None = None) -> Value | None:
        """Return where the numbers are not 0, with `mask_zero`; else None."""
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer; the table itself is a weight."""
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": describe(self.embeddings_initializer),
            "embeddings_regularizer": describe(self.embeddings_regularizer),
            "embeddings_constraint": describe(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
        }
