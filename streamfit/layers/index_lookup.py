"""`IndexLookup`: the base of layers that turn tokens of a vocabulary into whole numbers."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any, Generic, Self, Unpack

import numpy as np
from numpy.typing import ArrayLike

from streamfit._base.configs import Config
from streamfit._base.errors import ArgumentError, NoFileError, NotAdaptedError, SampleError
from streamfit._base.exact import row_of
from streamfit._base.loading import refuse_path, reserve
from streamfit._base.specs import Array, Spec
from streamfit._base.tree import flatten
from streamfit.layers.adaptation import batches_of
from streamfit.layers.base import LayerOptions, changes
from streamfit.layers.checks import dense_only, hash_key, length, one_of
from streamfit.layers.host import HostLayer
from streamfit.layers.vocabulary import DROPPED, MODES, Counts, Token, TokenCounts, encode, encoded_shape

_FACTORS = "idf_weights"
_UNKNOWN = -2
_VOCABULARY = "vocabulary.txt"
_OLD_NAMES = {"binary": "multi_hot", "tf-idf": "tf_idf"}  # of values of output_mode
_NO_ARGUMENTS = ("vocabulary_size", "has_input_vocabulary")  # in configurations, but not in `__init__`


class IndexLookup(HostLayer, Generic[Token]):
    """Base of `StringLookup` and `IntegerLookup`, which describe the arguments.

    A subclass says how its tokens are read, found and hashed.
    """

    reserves_oov_token = True
    """Whether the token for unknown ones may not be among the others, also where nothing is inverted."""
    mask_token: Token | None
    oov_token: Token
    _tokens: Sequence[Token] | None
    _idf_weights: list[float] | None
    _special_weights: list[float] | None  # of the special tokens, where they were given
    _table: Any  # how a subclass finds tokens; made when it is needed
    _counts: Counts[Token]
    fixed = HostLayer.fixed | {
        *("max_tokens", "num_oov_indices", "invert", "output_mode", "pad_to_max_tokens", "oov_method", "salt")
    }

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Token | None,
        oov_token: Token,
        vocabulary: object,
        idf_weights: ArrayLike | None,
        invert: bool,
        output_mode: str,
        pad_to_max_tokens: bool,
        sparse: bool = False,
        oov_method: str = "floormod",
        salt: int | Sequence[int] | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        if unknown := sorted(set(options) - set(LayerOptions.__annotations__)):
            raise ArgumentError(f"{type(self).__name__} has no argument {unknown[0]!r}")
        super().__init__(**options)
        dense_only(sparse)
        self.max_tokens = None if max_tokens is None else length("max_tokens", max_tokens)
        if self.max_tokens == 1:
            raise ValueError("max_tokens=1 leaves no room for a token; write at least 2, or None")
        self.num_oov_indices = length("num_oov_indices", num_oov_indices) if num_oov_indices else 0
        reserve(8 * self.num_oov_indices, f"num_oov_indices={num_oov_indices} of layer {self.name!r}")
        self.oov_method = one_of("oov_method", oov_method, ("floormod", "farmhash"))
        self.salt = hash_key(salt)
        output_mode = one_of("output_mode", _OLD_NAMES.get(output_mode, output_mode), MODES)
        if invert and output_mode != "int":
            raise ValueError(f"invert=True goes with output_mode='int', got {output_mode!r}")
        if pad_to_max_tokens and (self.max_tokens is None or output_mode == "int"):
            raise ValueError("pad_to_max_tokens=True needs max_tokens, and another output_mode than 'int'")
        self.mask_token, self.oov_token = mask_token, oov_token
        self.invert, self.output_mode = bool(invert), output_mode
        self.pad_to_max_tokens = bool(pad_to_max_tokens)
        self._special_weights = None
        self._keep(None, None)
        self.reset_state()
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)
        elif idf_weights is not None:
            raise ValueError("idf_weights go with a vocabulary")

    # -- to be defined by subclasses ------------------------------------------------------------

    @abstractmethod
    def _read_tokens(self, values: Iterable[object]) -> list[Token]:
        """Return values of the user's as tokens."""

    @abstractmethod
    def _read_file(self, lines: list[str]) -> list[Token]:
        """Return the lines of a file as tokens."""

    @abstractmethod
    def _batch(self, x: object) -> Array:
        """Return a batch to adapt to as an array of tokens."""

    @abstractmethod
    def _find(self, x: Array) -> Array:
        """Return the place of each token in the vocabulary, int64; `_UNKNOWN` where it is not in it."""

    @abstractmethod
    def _buckets(self, tokens: Sequence[Token]) -> Array:
        """Return for each token a number in [0, num_oov_indices), the same everywhere."""

    @abstractmethod
    def _as_array(self, tokens: Sequence[Token]) -> Array:
        """Return tokens as an array."""

    # -- vocabulary -----------------------------------------------------------------------------

    def _keep(self, tokens: Sequence[Token] | None, idf_weights: list[float] | None) -> None:
        set_ = object.__setattr__  # `Layer` would look for layers among the tokens
        set_(self, "_tokens", tokens)
        set_(self, "_idf_weights", idf_weights)
        set_(self, "_table", None)
        if self.built:
            set_(self, "_revision", self._revision + 1)
            changes.count += 1

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_table": None}

    @property
    def _specials(self) -> list[Token]:
        found: list[Token] = []
        if self.mask_token is not None and self.output_mode == "int":
            found.append(self.mask_token)
        found.extend([self.oov_token] * self.num_oov_indices)
        return found

    @property
    def _first_oov(self) -> int:
        return len(self._specials) - self.num_oov_indices

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Token]:
        """List the tokens by their numbers.

        Args:
            include_special_tokens: Whether those for masked and unknown tokens are among them.
        """
        found = self._specials if include_special_tokens else []
        found.extend(self._tokens or ())
        return found

    def vocabulary_size(self) -> int:
        """Count the tokens of the vocabulary, those for masked and unknown tokens included."""
        return len(self._specials) + len(self._tokens or ())

    def set_vocabulary(self, vocabulary: object, idf_weights: ArrayLike | None = None) -> None:
        """Set the vocabulary.

        Args:
            vocabulary: The tokens in order: a list or an array, or the path of a text file with one token a
                line. It may begin with the tokens for masked and unknown tokens, as `get_vocabulary` has
                them.
            idf_weights: One number for each token, for ``output_mode='tf_idf'``. Unknown tokens have their
                mean, unless the vocabulary begins with the tokens for these and so has weights for them.

        Raises:
            ValueError: There are no tokens, or too many, or one twice, or a special one among them.
        """
        tokens, specials = self._all_tokens(vocabulary), self._specials
        weights = None if idf_weights is None else np.asarray(idf_weights, np.float64)
        if weights is not None and weights.shape != (len(tokens),):
            raise ValueError(
                f"idf_weights must be one number for each of the {len(tokens)} tokens, got shape "
                f"{weights.shape}"
            )
        special_weights = None
        if specials and tokens[: len(specials)] == specials:
            tokens = tokens[len(specials) :]
            if weights is not None:
                special_weights, weights = weights[: len(specials)].tolist(), weights[len(specials) :]
        if (weights is not None) != (self.output_mode == "tf_idf"):
            raise ValueError(f"output_mode={self.output_mode!r} and idf_weights do not go together")
        self._check(tokens)
        self._special_weights = special_weights
        self._keep(tokens, None if weights is None else weights.tolist())

    def _all_tokens(self, vocabulary: object) -> list[Token]:
        if isinstance(vocabulary, (str, os.PathLike)):
            refuse_path(vocabulary, f"the vocabulary of layer {self.name!r}")
            if not os.path.exists(vocabulary):
                raise NoFileError(
                    f"layer {self.name!r}: there is no vocabulary file {os.fspath(vocabulary)!r}"
                )
            with open(vocabulary, encoding="utf-8", newline="") as file:
                lines = file.read().replace("\r\n", "\n").removesuffix("\n").split("\n")
            return self._read_file(lines)
        if isinstance(vocabulary, np.ndarray):
            vocabulary = vocabulary.reshape(-1).tolist()
        if not isinstance(vocabulary, Iterable):
            raise TypeError(f"vocabulary must be a list, an array or the path of a file, got {vocabulary!r}")
        return self._read_tokens(vocabulary)

    def _check(self, tokens: list[Token]) -> None:
        if not tokens:
            raise ValueError(f"the vocabulary of layer {self.name!r} has no tokens")
        if len(set(tokens)) < len(tokens):
            seen: set[Token] = set()
            twice = next(token for token in tokens if token in seen or seen.add(token))  # type: ignore[func-returns-value]
            raise ValueError(f"the vocabulary of layer {self.name!r} has {twice!r} twice")
        reserved = self.num_oov_indices and self.reserves_oov_token
        oov_token = self.oov_token if reserved or self.invert else None
        for special in (self.mask_token, oov_token):
            if special is not None and special in set(tokens):
                raise ValueError(
                    f"the vocabulary of layer {self.name!r} has {special!r} among its tokens, which stands "
                    "for "
                    f"masked or unknown ones; leave it out, or begin with {self._specials}"
                )
        if self.max_tokens is not None and len(tokens) + len(self._specials) > self.max_tokens:
            raise ValueError(
                f"the vocabulary of layer {self.name!r} has {len(tokens)} tokens and {len(self._specials)} "
                f"special ones, more than max_tokens={self.max_tokens}"
            )

    # -- adapting -------------------------------------------------------------------------------

    def adapt(self, data: object, batch_size: int | None = None, steps: int | None = None) -> None:
        """Make the vocabulary of data, in one pass: the most frequent tokens.

        Args:
            data: Arrays, a generator, a `Sequence`, a `Source` or a pipeline of tokens; targets are ignored.
            batch_size: Samples that are looked at together, for arrays.
            steps: The number of batches to read; None for a whole pass.
        """
        self.reset_state()
        for x in batches_of(data, batch_size, steps):
            self.update_state(x)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forget the tokens that were counted."""
        object.__setattr__(self, "_counts", TokenCounts[Token]())

    def update_state(self, data: object) -> None:
        """Count the tokens of a batch."""
        for leaf in flatten(data) if not isinstance(data, (list, tuple)) else [data]:
            self._count(self._batch(leaf))

    def _count(self, x: Array) -> None:
        """Count the tokens of a batch."""
        assert isinstance(self._counts, TokenCounts)
        self._counts.add(x.reshape(len(x), -1).tolist() if x.ndim else [[x.item()]])

    def finalize_state(self) -> None:
        """Make the vocabulary of the tokens that were counted."""
        special = {self.mask_token, self.oov_token}
        most = None if self.max_tokens is None else max(0, self.max_tokens - len(self._specials))
        found = self._counts.ranked(None if most is None else most + len(special))
        ranked = [token for token in found if token not in special][:most]
        if not ranked:
            raise ValueError(f"layer {self.name!r}: the data hold no token that could be in the vocabulary")
        weights = self._counts.inverse_frequencies(ranked) if self.output_mode == "tf_idf" else None
        self.reset_state()
        self._special_weights = None
        self._keep(ranked, weights)

    # -- computing ------------------------------------------------------------------------------

    def _depth(self) -> int:
        """Return the length of rows of counts."""
        if self.pad_to_max_tokens and self.max_tokens is not None:
            return self.max_tokens
        return self.vocabulary_size()

    def _free_depth(self) -> int | None:
        """Return the length of rows of counts, or None where no vocabulary decides it yet."""
        return None if self._tokens is None and not self.pad_to_max_tokens else self._depth()

    def _need_vocabulary(self) -> Sequence[Token]:
        tokens: Sequence[Token] | None = self._tokens
        if tokens is None:
            raise NotAdaptedError(
                f"layer {self.name!r} has no vocabulary yet: pass vocabulary=..., or call adapt(data) first "
                f"(`output_mode={self.output_mode}`)"
            )
        return tokens

    def compute_output_spec(self, spec: Spec) -> Spec:
        """Return the spec of the output."""
        if self.output_mode == "int":
            return spec.with_dtype(np.int64)
        return Spec(encoded_shape(spec.shape, self.output_mode, self._free_depth()), np.dtype(self.dtype))

    @property
    def row_by_row(self) -> bool:
        """Whether rows can be computed in any company: numbers, in the shape of the input."""
        return self.output_mode == "int"

    def compute(self, x: Array) -> Array:
        """Look the tokens of a batch up."""
        self._need_vocabulary()
        if self.invert:
            return self._inverted(x)
        numbers = self._find(x) if x.size else np.empty(x.shape, np.int64)
        unknown = numbers == _UNKNOWN
        numbers = np.where(unknown, 0, numbers + len(self._specials))
        if self.mask_token is not None:
            masked = np.asarray(x == self.mask_token)
            unknown &= ~masked
            numbers[masked] = 0 if self.output_mode == "int" else DROPPED
        if unknown.any():
            self._place_unknown(x, numbers, unknown)
        if self.output_mode == "int":
            return numbers
        return encode(numbers, self.output_mode, self._depth(), self.dtype, self._factors())

    @property
    def idf_weights(self) -> Array | None:
        """Return the weight of each number, those of unknown tokens first, for ``output_mode='tf_idf'``.

        None in other modes, and before there is a vocabulary.
        """
        return self._factors()

    def _factors(self) -> Array | None:
        """Return what counts of each number are multiplied by, for ``output_mode='tf_idf'``."""
        if self._idf_weights is None:
            return None
        factors, first = np.zeros(self._depth()), len(self._specials)
        special = self._special_weights
        factors[:first] = np.mean(self._idf_weights) if special is None else special
        factors[first : first + len(self._idf_weights)] = self._idf_weights
        return factors

    def _place_unknown(self, x: Array, numbers: Array, unknown: Array) -> None:
        if not self.num_oov_indices:
            place = int(np.flatnonzero(unknown)[0])
            row = row_of(place, x.shape)
            raise SampleError(
                f"layer {self.name!r}: row {row} holds {x.reshape(-1)[place]!r}, which is not in its "
                "vocabulary; "
                "write num_oov_indices=1 to have a number for such tokens",
                row,
            )
        first = self._first_oov
        if self.num_oov_indices == 1:
            numbers[unknown] = first
            return
        numbers[unknown] = first + self._buckets(x[unknown].tolist())

    def _inverted(self, numbers: Array) -> Array:
        listed: list[Token] = self.get_vocabulary()
        listed.append(self.oov_token)
        tokens = self._as_array(listed)
        known = (numbers >= 0) & (numbers < len(tokens) - 1)
        return np.asarray(tokens[np.where(known, numbers, len(tokens) - 1)])

    # -- files of Keras -------------------------------------------------------------------------

    def save_own_variables(self, store: MutableMapping[str, Array]) -> None:
        """Put the factors of numbers into a file of Keras, which has them apart from the vocabulary."""
        factors = self._factors()
        if factors is not None:
            store[_FACTORS] = factors.astype(np.float32)

    def load_own_variables(self, store: Mapping[str, Array]) -> None:
        """Take the factors of numbers from a file of Keras.

        Raises:
            ValueError: They are not one for each number.
        """
        if set(store) != ({_FACTORS} if self._idf_weights is not None else set()):
            raise ValueError(
                f"layer {self.name!r} has output_mode={self.output_mode!r} and "
                f"{self.vocabulary_size()} numbers; the file has {sorted(store)} for it"
            )
        if self._idf_weights is None:
            return
        found, first = store[_FACTORS], len(self._specials)
        if found.shape != (self._depth(),):
            raise ValueError(
                f"layer {self.name!r} has {self._depth()} numbers, the file has factors of shape "
                f"{found.shape}"
            )
        self.set_vocabulary(self.get_vocabulary(), found[: first + len(self._idf_weights)])

    def save_assets(self, dir_path: str | os.PathLike[str]) -> None:
        """Write the vocabulary to ``vocabulary.txt`` in a folder, a token a line, the special ones first."""
        self._need_vocabulary()
        with open(os.path.join(dir_path, _VOCABULARY), "w", encoding="utf-8", newline="\n") as file:
            file.write("\n".join(map(str, self.get_vocabulary())))

    def load_assets(self, dir_path: str | os.PathLike[str]) -> None:
        """Take the vocabulary over that `save_assets` wrote.

        Raises:
            NoFileError: There is none in the folder.
        """
        self.set_vocabulary(os.path.join(dir_path, _VOCABULARY), self.idf_weights)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer, the vocabulary among them."""
        tokens: list[Token] | None = None if self._tokens is None else list(self._tokens)
        weights: list[float] | None = self._idf_weights
        special: list[float] | None = self._special_weights
        if tokens is not None and weights is not None and special is not None:
            tokens, weights = self.get_vocabulary(), special + weights
        return {
            **super().get_config(),
            "max_tokens": self.max_tokens,
            "num_oov_indices": self.num_oov_indices,
            "mask_token": self.mask_token,
            "oov_token": self.oov_token,
            "vocabulary": tokens,
            "idf_weights": weights,
            "invert": self.invert,
            "output_mode": self.output_mode,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "sparse": False,
            "oov_method": self.oov_method,
            "salt": self.salt,
            "vocabulary_size": None if tokens is None else self.vocabulary_size(),
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Make a layer from the result of `get_config`, here or in Keras."""
        known = {name: value for name, value in config.items() if name not in _NO_ARGUMENTS}
        return super().from_config(known)
