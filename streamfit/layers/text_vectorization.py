"""The layer that turns text into the numbers of its words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Unpack, cast

import numpy as np
from numpy.typing import ArrayLike

from streamfit._base.checks import integer
from streamfit._base.configs import Config
from streamfit._base.errors import DataError, SampleError, ShapeError
from streamfit._base.serialization import deserialize_keras_object
from streamfit._base.specs import Array, Shape, Spec
from streamfit._base.text import text_array
from streamfit.layers.base import LayerOptions
from streamfit.layers.checks import dense_only, length
from streamfit.layers.string_lookup import StringLookup
from streamfit.layers.token_kernels import count_rows, fill_rows
from streamfit.layers.token_table import TokenTable, decoded
from streamfit.layers.token_text import SPLITS, STANDARDS, Tokens, parts, split, words_of

Standardize = Callable[[Any], Any]
Split = Callable[[Any], Any]

_MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
_EXACT = 1 << 24  # float32 holds the whole numbers up to here
_UNBOUNDED = 1 << 62


class TextVectorization(StringLookup):
    """Turn each text into the numbers of its words (or of its characters, or of its n-grams).

    A text is standardized and split; where n-grams are wanted, n neighbouring tokens are joined by a space;
    each token becomes its number in a vocabulary. 0 is padding, 1 stands for unknown tokens, ``'[UNK]'``, and
    the vocabulary begins at 2. Where rows are counts (any `output_mode` but ``'int'``) there is no padding,
    and all numbers are less by 1.

    An input has the shape (batch,) or (batch, 1). The numbers have the shape (batch, longest), int64, where
    *longest* is the number of tokens of the longest text in the batch (a free axis in a model), or (batch,
    output_sequence_length). Counts have the shape (batch, size of the vocabulary).

    As in TensorFlow, standardizing and splitting know the letters, signs and blanks of ASCII alone: ``'Ä'``
    stays as it is. A character is a code point of Unicode. The layer runs where batches are loaded, also in
    worker processes. Its vocabulary is part of `get_config` and not of the weights.

    Args:
        max_tokens: The largest size of the vocabulary, special tokens included; None for any.
        standardize: ``'lower_and_strip_punctuation'``, ``'lower'``, ``'strip_punctuation'``, None for none,
            or a function from an array of text (NumPy's dtype ``U``, of the shape of the input) to one of
            the same shape.
        split: ``'whitespace'``, ``'character'``; None: each text is one token, and the input may have the
            shape (batch, tokens), while (batch,) is read as (batch, 1); or a function from an array of text
            (dtype ``U``, shape (batch,)) to one list of tokens for each text.
        ngrams: n for all n-grams of 1 to n tokens, or a tuple of the wanted n; None for single tokens. Those
            of the first n come first.
        output_mode: ``'int'``; ``'one_hot'``: the numbers, less by 1, as rows with a single 1, those of
            padding without one, in the shape (batch, longest, size of the vocabulary); or one row for each
            text: ``'multi_hot'`` has a 1 for each token that occurs, ``'count'`` how often it does,
            ``'tf_idf'`` that times its weight.
        output_sequence_length: To this length rows of numbers are padded or cut.
        pad_to_max_tokens: Whether rows of counts have the length `max_tokens`, however large the vocabulary
            is.
        vocabulary: The tokens: a list, an array or the path of a UTF-8 file with one a line; else `adapt`
            makes it.
        idf_weights: A number for each token, with a vocabulary and ``output_mode='tf_idf'``; unknown tokens
            have their mean.
        sparse: Only False: rows are arrays.
        ragged: Only False: rows are padded.
        encoding: Only ``'utf-8'``: of texts that are given as bytes.
        **options: As for `Layer`; `dtype` is that of counts.

    Raises:
        ValueError: Arguments that do not go together, or a vocabulary with a token twice.

    Example:
        >>> layer = TextVectorization()
        >>> layer.adapt(["The cat sat.", "The dog sat, too!"])
        >>> layer.get_vocabulary()
        ['', '[UNK]', 'the', 'sat', 'too', 'dog', 'cat']
        >>> layer(["The bird", "the dog and the cat"])
        array([[2, 1, 0, 0, 0],
               [2, 5, 1, 2, 6]])
        >>> TextVectorization(vocabulary=["a", "b", "a b"], ngrams=2, output_mode="count")(["a b a", "c"])
        array([[1., 2., 1., 1.],
               [1., 0., 0., 0.]], dtype=float32)
    """

    fixed = StringLookup.fixed | {"standardize", "split", "ngrams", "output_sequence_length"}
    _tokens: TokenTable | None

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: str | Standardize | None = "lower_and_strip_punctuation",
        split: str | Split | None = "whitespace",
        ngrams: int | Sequence[int] | None = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: object = None,
        idf_weights: ArrayLike | None = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        **options: Unpack[LayerOptions],
    ) -> None:
        self.standardize = _named("standardize", standardize, STANDARDS)
        self.split = _named("split", split, SPLITS)
        self._widths = _widths(ngrams)
        self.ngrams: int | tuple[int, ...] | None = tuple(self._widths.tolist())
        if not isinstance(ngrams, (list, tuple)):
            self.ngrams = None if ngrams is None else len(self._widths)
        output_mode = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(output_mode, output_mode)
        if output_mode not in _MODES:
            raise ValueError(f"output_mode must be one of {_MODES}, got {output_mode!r}")
        self.output_sequence_length = _sequence_length(output_sequence_length, output_mode)
        dense_only(sparse, ragged)
        _check_encoding(encoding)
        super().__init__(
            *(max_tokens, 1, "", "[UNK]", vocabulary, idf_weights),
            *(False, output_mode, pad_to_max_tokens),
            **options,
        )

    # -- vocabulary -----------------------------------------------------------------------------

    def _keep(self, tokens: Sequence[str] | None, idf_weights: list[float] | None) -> None:
        super()._keep(None if tokens is None else TokenTable(tokens), idf_weights)

    def _count(self, x: Array) -> None:
        for tokens in self._tokenized(x):
            self._counts.add(tokens, self._widths)

    # -- computing ------------------------------------------------------------------------------

    def compute_output_spec(self, spec: Spec) -> Spec:
        """Return the spec of the output."""
        lead = self._lead(spec.shape)
        if self.output_mode == "int":
            return Spec((*lead, self.output_sequence_length), np.dtype(np.int64))
        words = (None,) if self.output_mode == "one_hot" else ()
        return Spec((*lead, *words, self._free_depth()), np.dtype(self.dtype))

    @property
    def row_by_row(self) -> bool:
        """Whether rows can be computed in any company: their lengths may depend on the batch."""
        return False

    def compute(self, x: Array) -> Array:
        """Look the words of a batch of texts up."""
        table = self._need_vocabulary()
        assert isinstance(table, TokenTable)
        if x.size == 1 and self._is_plain():
            return self._of_one(x, table)
        by_word = self.output_mode in ("int", "one_hot")
        meaning = _NUMBERS if by_word else _COUNTS
        found = [table.find(tokens, self._widths, meaning) for tokens in self._tokenized(x)]
        rows = self._padded(found) if by_word else self._counted(found)
        if self.output_mode == "one_hot":
            rows = (rows[..., None] == np.arange(1, self._depth() + 1)).astype(self.dtype)
        return rows.reshape((*self._lead(x.shape), *rows.shape[1:]))

    def _is_plain(self) -> bool:
        """Return whether texts are split at blanks into words, whose numbers are wanted."""
        standard = self.standardize is None or type(self.standardize) is str
        return standard and self.split == "whitespace" and self.output_mode == "int" and self.ngrams is None

    def _of_one(self, x: Array, table: TokenTable) -> Array:
        """Look the words of one text up, in less time than kernels are called."""
        shape: tuple[int, ...] = tuple(axis or 0 for axis in self._lead(x.shape))
        words = words_of(x.item(), self.standardize)  # type: ignore[arg-type]
        numbers = table.numbers(words, 2, 1)
        length = self.output_sequence_length
        if length is not None:
            numbers = numbers[:length] + [0] * (length - len(numbers))
        return np.array(numbers, np.int64).reshape(*shape, len(numbers))

    def _lead(self, shape: Shape) -> Shape:
        """Return the shape of texts without the axis that the output has in the place of their words."""
        if len(shape) < 2 or self.split is None:
            return shape[:-1] if len(shape) > 1 else shape
        if shape[-1] != 1:
            raise ShapeError(
                f"layer {self.name!r} splits texts of shape (batch,) or (batch, 1), got {shape}; give each "
                "text as a sample of its own, or write split=None if the texts are tokens already"
            )
        return shape[:-1]

    def _tokenized(self, x: Array) -> Iterator[Tokens]:
        """Yield the tokens of texts, part by part."""
        count = math.prod(axis or 0 for axis in self._lead(x.shape))
        standardize = None if callable(self.standardize) else self.standardize
        if callable(self.standardize):
            x = self._standardized(x)
        texts: list[str] = x.reshape(-1).tolist()
        if self.split is None:
            yield split(texts, standardize, None).in_rows(count)
        elif callable(self.split):
            if standardize is not None:
                tokens = split(texts, standardize, None)
                texts = decoded(tokens.data, tokens.starts, np.arange(len(texts)))
            yield self._split_by_function(texts)
        else:
            for part in parts(texts):
                yield split(part, standardize, self.split)

    def _standardized(self, x: Array) -> Array:
        """Return what the user's function makes of texts."""
        assert callable(self.standardize)
        what = f"what standardize of layer {self.name!r} returns"
        found = text_array(self.standardize(self._for_functions(x)), what)
        if found.shape != x.shape:
            raise ShapeError(f"{what} must have the shape of its input, {x.shape}, got {found.shape}")
        return found

    def _split_by_function(self, texts: list[str]) -> Tokens:
        """Return the tokens that the user's function makes of texts."""
        assert callable(self.split)
        made = self.split(self._for_functions(np.array(texts, dtype=object)))
        listed = [one.tolist() if isinstance(one, np.ndarray) else one for one in made]
        if len(listed) != len(texts) or not all(isinstance(one, (list, tuple)) for one in listed):
            raise DataError(
                f"what split of layer {self.name!r} returns must be one list of tokens for each of the "
                f"{len(texts)} texts, got {made!r:.200}"
            )
        flat: list[str] = []
        for row, one in enumerate(listed):
            wrong = [item for item in one if not isinstance(item, str)]
            if wrong:
                raise SampleError(
                    f"layer {self.name!r}: what split made of row {row} holds {wrong[0]!r} "
                    f"({type(wrong[0]).__name__}), which is no token; return a list of str for each text",
                    row,
                )
            flat.extend(one)
        tokens = split(flat, None, None)
        return Tokens(tokens.data, tokens.starts, np.cumsum([0, *map(len, listed)]))

    def _for_functions(self, x: Array) -> Array:
        """Return texts as functions of the user's get them: in NumPy's dtype U, as Keras gives them."""
        for row, text in enumerate(x.reshape(-1).tolist()):
            if text.endswith("\0"):
                raise SampleError(
                    f"layer {self.name!r}: row {row} ends with the character NUL, {text[-40:]!r}, which "
                    "NumPy's dtype U would drop before standardize or split see it; strip it first",
                    row,
                )
        return x.astype(str)

    def _padded(self, found: list[tuple[Array, Array]]) -> Array:
        """Return numbers as rows of one length."""
        longest = self.output_sequence_length
        if longest is None:
            longest = max((int(lengths.max(initial=0)) for _, lengths in found), default=0)
        rows = np.empty((sum(len(lengths) for _, lengths in found), longest), np.int64)
        first = 0
        for numbers, lengths in found:
            fill_rows(numbers, lengths, rows[first : first + len(lengths)])
            first += len(lengths)
        return rows

    def _counted(self, found: list[tuple[Array, Array]]) -> Array:
        """Return how often each number occurs, a row for each text."""
        longest = max((int(lengths.max(initial=0)) for _, lengths in found), default=0)
        dtype = self.dtype if longest <= _EXACT else "float64"
        rows = np.zeros((sum(len(lengths) for _, lengths in found), self._depth()), dtype)
        first = 0
        for numbers, lengths in found:
            most = 1 if self.output_mode == "multi_hot" else _UNBOUNDED
            count_rows(numbers, lengths, most, rows[first : first + len(lengths)])
            first += len(lengths)
        factors = self._factors()
        if factors is not None:
            np.multiply(rows, factors, out=rows, casting="unsafe")
        return rows.astype(self.dtype, copy=False)

    # -- configuration --------------------------------------------------------------------------

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer, the vocabulary among them.

        A function in the place of `standardize` or `split` is there as it is.
        """
        config = super().get_config()
        for name in ("num_oov_indices", "mask_token", "oov_token", "invert", "oov_method", "salt"):
            del config[name]
        return {
            **config,
            "standardize": self.standardize,
            "split": self.split,
            "ngrams": list(self.ngrams) if isinstance(self.ngrams, tuple) else self.ngrams,
            "output_sequence_length": self.output_sequence_length,
            "sparse": False,
            "ragged": False,
            "encoding": "utf-8",
        }


_NUMBERS, _COUNTS = np.array([2, 1, 0]), np.array([1, 0, -1])  # see `TokenTable.find`


def _named(
    name: str, value: str | Callable[[Any], Any] | None, known: Sequence[str]
) -> str | Callable[[Any], Any] | None:
    if isinstance(value, dict):  # the description of a function
        value = cast("Callable[[Any], Any]", deserialize_keras_object(value))
    if value is None or callable(value) or value in known:
        return value
    raise ValueError(f"{name} must be one of {tuple(known)}, None or a function, got {value!r}")


def _widths(ngrams: int | Sequence[int] | None) -> Array:
    wanted = ngrams if isinstance(ngrams, (list, tuple)) else [1 if ngrams is None else ngrams]
    numbers = [integer(n) for n in wanted]
    if not numbers or any(n is None or n < 1 for n in numbers):
        raise ValueError(
            f"ngrams must be a whole number of at least 1, a tuple of such numbers or None, got {ngrams!r}"
        )
    if not isinstance(ngrams, (list, tuple)):
        numbers = list(range(1, (numbers[0] or 1) + 1))
    return np.array(numbers, np.int64)


def _sequence_length(value: int | None, output_mode: str) -> int | None:
    if value is None:
        return None
    if output_mode != "int":
        raise ValueError(
            f"output_sequence_length={value!r} goes with output_mode='int', got {output_mode!r}; rows of "
            "counts have the length of the vocabulary"
        )
    return length("output_sequence_length", value)


def _check_encoding(encoding: str) -> None:
    if str(encoding).lower().replace("_", "-") not in ("utf-8", "utf8"):
        raise ValueError(
            f"encoding={encoding!r}: texts given as bytes are UTF-8 here; decode others first, for example "
            f"[text.decode({encoding!r}) for text in x]"
        )
