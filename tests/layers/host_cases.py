"""The table of layers that run where batches are loaded: how to make each, and its formula in Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamfit import Input, layers
from streamfit._base.farmhash import fingerprint64
from streamfit._base.siphash import siphash

Array = np.ndarray[Any, Any]
WORDS = ["one", "two", "three", "", "zwölf", "two\0", "five"]
NUMBERS = [7, -3, 2**62, -(2**63), 2**63 - 1, 0, 2**53 + 1]


@dataclass(frozen=True)
class HostCase:
    """One layer with its settings.

    Attributes:
        make: Makes the layer.
        tokens: What its inputs are drawn from.
        shape: Of one sample.
        compute: From an input to the output.
        label: Tells cases of one layer apart.
        inputs: How many inputs the layer takes in a list, all of them alike.
        tolerance: By how much floats may differ.
    """

    make: Callable[..., layers.HostLayer]
    tokens: list[Any]
    shape: tuple[int, ...]
    compute: Callable[[Array], Array]
    label: str = ""
    inputs: int = 1
    tolerance: float = 0.0

    @property
    def name(self) -> str:
        return type(self.make()).__name__

    def __str__(self) -> str:
        return f"{self.name}{self.label}"

    def input(self, n: int, seed: int = 0) -> Any:
        """Return an array, or a list of them."""
        drawn = [self._drawn(n, seed + place) for place in range(self.inputs)]
        return drawn if self.inputs > 1 else drawn[0]

    def symbolic(self) -> Any:
        """Return an input of a model, or a list of them."""
        dtype = {str: "string", float: "float32"}.get(type(self.tokens[0]), "int64")
        made = [Input(self.shape, dtype=dtype) for _ in range(self.inputs)]
        return made if self.inputs > 1 else made[0]

    def _drawn(self, n: int, seed: int) -> Array:
        dtype: Any = {str: object, float: np.float32}.get(type(self.tokens[0]), np.int64)
        drawn = np.random.default_rng(seed).integers(0, len(self.tokens), (n, *self.shape))
        return np.array(self.tokens, dtype)[drawn]


def numbers(vocabulary: list[Any], unknown: int = 0, first: int = 1) -> Callable[[Array], Array]:
    def compute(x: Array) -> Array:
        flat = [vocabulary.index(t) + first if t in vocabulary else unknown for t in x.reshape(-1).tolist()]
        return np.array(flat, np.int64).reshape(x.shape)

    return compute


def counts(vocabulary: list[Any], factors: list[float], most: int = 99) -> Callable[[Array], Array]:
    def compute(x: Array) -> Array:
        out = np.zeros((len(x), len(factors)), np.float32)
        for row, tokens in zip(out, x.reshape(len(x), -1).tolist(), strict=True):
            for place in range(len(factors)):
                found = sum(
                    (token not in vocabulary) if place == 0 else token == vocabulary[place - 1]
                    for token in tokens
                )
                row[place] = min(found, most) * factors[place]
        return out

    return compute


def buckets(bins: int, first: int = 0, masked: Any = None, key: Any = None) -> Callable[[Array], Array]:
    def compute(x: Array) -> Array:
        flat = [
            0
            if masked is not None and token == masked
            else first + (siphash(text, key) if key else fingerprint64(text)) % (bins - first)
            for token in x.reshape(-1).tolist()
            for text in [str(token).encode()]
        ]
        return np.array(flat, np.int64).reshape(x.shape)

    return compute


def rows(numbers: Callable[[Array], Array], depth: int, most: int = 99) -> Callable[[Array], Array]:
    def compute(x: Array) -> Array:
        found = (numbers(x).reshape(len(x), -1)[..., None] == np.arange(depth)).sum(1)
        return np.minimum(found, most).astype("float32")

    return compute


def crossed(bins: int) -> Callable[[Any], Array]:
    def compute(inputs: Any) -> Array:
        flat = []
        for tokens in zip(*(x.reshape(-1).tolist() for x in inputs), strict=True):
            total = 0xDECAFCAFFE
            for token in tokens:
                number = fingerprint64(token.encode()) if isinstance(token, str) else token % 2**64
                total = combined(total, number)
            flat.append(total % bins)
        return np.array(flat, np.int64).reshape(inputs[0].shape)

    return compute


def combined(a: int, b: int) -> int:
    factor, mask = 0xC6A4A7935BD1E995, 2**64 - 1

    def mix(value: int) -> int:
        return (value & mask) ^ (value & mask) >> 47

    return mix(mix((a ^ factor ^ mix(b * factor) * factor) * factor) * factor)


V, N = WORDS[:4], NUMBERS[:4]
SENTENCES = ["one Two", "two! zwölf two", "", "three"]
VECTORS = layers.TextVectorization
TEXTS, WHOLE = layers.StringLookup, layers.IntegerLookup
IDF = [0.5, 1.5, 2.0, 4.0]


def words(known: list[str], first: int = 2, unknown: int = 1) -> Callable[[Array], Array]:
    """Numbers of the words of texts, padded to three of them."""

    def compute(x: Array) -> Array:
        out = np.zeros((len(x), 3), np.int64)
        for row, text in zip(out, x.reshape(-1).tolist(), strict=True):
            found = text.lower().replace("!", "").split(" ") if text else []
            row[: len(found)] = [known.index(t) + first if t in known else unknown for t in found]
        return out

    return compute


def words_counted(known: list[str]) -> Callable[[Array], Array]:
    def compute(x: Array) -> Array:
        out = np.zeros((len(x), len(known) + 1), np.float32)
        for row, text in zip(out, x.reshape(-1).tolist(), strict=True):
            for token in text.lower().replace("!", "").split(" ") if text else []:
                row[known.index(token) + 1 if token in known else 0] += 1
        return out

    return compute


def options(make: Callable[..., Any], **named: Any) -> Callable[..., Any]:
    return lambda **more: make(**{**named, **more})


def mel_spectrogram(x: Array) -> Array:
    """Return the decibels of 3 bands of HTK's scale at 1,000 samples a second, of 16 samples every 8."""
    edges = np.linspace(2595 * np.log10(1 + 50 / 700), 2595 * np.log10(1 + 500 / 700), 5)
    mels = 2595 * np.log10(1 + np.arange(9) * 62.5 / 700)
    bands = [np.interp(mels, edges[k : k + 3], [0, 1, 0]) for k in range(3)]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(16) / 16)
    padded = np.pad(x.astype(np.float64), ((0, 0), (8, 8)), mode="reflect")
    frames = np.stack([padded[:, at : at + 16] * hann for at in range(0, x.shape[1] + 1, 8)], axis=1)
    powers = np.abs(np.fft.rfft(frames)) ** 2 @ np.stack(bands, 1)
    found = 10 * np.log10(np.maximum(powers, 1e-10)).swapaxes(1, 2)
    return np.maximum(found, found.max(axis=(1, 2), keepdims=True) - 80).astype(np.float32)


HOST_CASES = [
    HostCase(
        options(
            layers.MelSpectrogram,
            fft_length=16,
            sequence_stride=8,
            sampling_rate=1000,
            num_mel_bins=3,
            min_freq=50,
        ),
        [0.5, -1.0, 0.25, 2.0],
        (40,),
        mel_spectrogram,
        tolerance=1e-4,
    ),
    HostCase(options(TEXTS, vocabulary=V), WORDS, (3,), numbers(V)),
    HostCase(options(TEXTS, vocabulary=V), WORDS, (), numbers(V), "-numbers"),
    HostCase(
        options(TEXTS, vocabulary=V[:3], mask_token=""),
        WORDS[:4],
        (3,),
        numbers(["", "/", *V[:3]], 1, 0),
        "-mask",
    ),
    HostCase(
        options(TEXTS, vocabulary=V, output_mode="multi_hot"), WORDS, (3,), counts(V, [1] * 5, 1), "-multi"
    ),
    HostCase(options(TEXTS, vocabulary=V, output_mode="one_hot"), WORDS, (1,), counts(V, [1] * 5, 1), "-one"),
    HostCase(
        options(TEXTS, vocabulary=V, output_mode="one_hot"), WORDS, (), counts(V, [1] * 5, 1), "-one-number"
    ),
    HostCase(options(TEXTS, vocabulary=V, output_mode="count"), WORDS, (5,), counts(V, [1] * 5), "-count"),
    HostCase(
        options(TEXTS, vocabulary=V, output_mode="count", max_tokens=7, pad_to_max_tokens=True),
        WORDS,
        (5,),
        lambda x: np.pad(counts(V, [1] * 5)(x), [(0, 0), (0, 2)]),
        "-padded",
    ),
    HostCase(
        options(TEXTS, vocabulary=V, output_mode="tf_idf", idf_weights=IDF),
        WORDS,
        (5,),
        counts(V, [2.0, *IDF]),
        "-tf-idf",
    ),
    HostCase(
        options(TEXTS, vocabulary=V, invert=True),
        [0, 1, 2, 4, 5, -1],
        (3,),
        lambda x: np.array(["[UNK]", *V, "[UNK]"], object)[np.where((x < 0) | (x > 4), 5, x)],
        "-invert",
    ),
    HostCase(
        options(TEXTS, vocabulary=["/", *V], output_mode="tf_idf", idf_weights=[9, *IDF], oov_token="/"),
        WORDS,
        (5,),
        counts(V, [9.0, *IDF]),
        "-tf-idf-of-unknown",
    ),
    HostCase(
        options(TEXTS, vocabulary=V, num_oov_indices=3, salt=[5, 6]),
        WORDS,
        (3,),
        lambda x: np.where(np.isin(x, V), numbers(V, first=3)(x), buckets(3, key=(5, 6))(x)),
        "-salt",
    ),
    HostCase(
        options(WHOLE, vocabulary=N, num_oov_indices=3, oov_method="farmhash"),
        NUMBERS,
        (3,),
        lambda x: np.where(np.isin(x, N), numbers(N, first=3)(x), buckets(3)(x)),
        "-farmhash",
    ),
    HostCase(options(layers.Hashing, num_bins=9), WORDS, (3,), buckets(9)),
    HostCase(options(layers.Hashing, num_bins=9), NUMBERS, (3,), buckets(9), "-whole"),
    HostCase(options(layers.Hashing, num_bins=9), WORDS, (), buckets(9), "-numbers"),
    HostCase(options(layers.Hashing, num_bins=5, mask_value=""), WORDS, (3,), buckets(5, 1, ""), "-mask"),
    HostCase(options(layers.Hashing, num_bins=9, salt=7), WORDS, (3,), buckets(9, key=(7, 7)), "-salt"),
    HostCase(
        options(layers.Hashing, num_bins=5, mask_value=7, salt=[1, 2**64 - 1], dtype="int32"),
        NUMBERS,
        (3,),
        lambda x: buckets(5, 1, 7, (1, 2**64 - 1))(x).astype("int32"),
        "-mask-salt",
    ),
    HostCase(
        options(layers.Hashing, num_bins=4, output_mode="one_hot"), WORDS, (1,), rows(buckets(4), 4), "-one"
    ),
    HostCase(
        options(layers.Hashing, num_bins=4, output_mode="multi_hot"),
        WORDS,
        (3,),
        rows(buckets(4), 4, 1),
        "-multi",
    ),
    HostCase(
        options(layers.Hashing, num_bins=4, output_mode="count"), WORDS, (6,), rows(buckets(4), 4), "-count"
    ),
    HostCase(options(layers.HashedCrossing, num_bins=99), WORDS, (1,), crossed(99), inputs=2),
    HostCase(options(layers.HashedCrossing, num_bins=99), NUMBERS, (), crossed(99), "-whole", inputs=3),
    HostCase(
        options(layers.HashedCrossing, num_bins=4, output_mode="one_hot"),
        WORDS,
        (1,),
        lambda inputs: rows(lambda x: crossed(4)(inputs), 4)(inputs[0]),
        "-one",
        inputs=2,
    ),
    HostCase(options(WHOLE, vocabulary=N), NUMBERS, (3,), numbers(N)),
    HostCase(
        options(WHOLE, vocabulary=N, num_oov_indices=3),
        NUMBERS,
        (3,),
        lambda x: np.where(np.isin(x, N), numbers(N, first=3)(x), x % 3),
        "-remainders",
    ),
    HostCase(options(WHOLE, vocabulary=N, output_mode="count"), NUMBERS, (5,), counts(N, [1] * 5), "-count"),
    HostCase(
        options(WHOLE, vocabulary=N, invert=True),
        [0, 1, 2, 4],
        (3,),
        lambda x: np.array([-1, *N], np.int64)[x],
        "-invert",
    ),
    HostCase(
        options(VECTORS, vocabulary=["two", "one"], output_sequence_length=3),
        SENTENCES,
        (),
        words(["two", "one"]),
    ),
    HostCase(
        options(VECTORS, vocabulary=["two", "one"], output_mode="count"),
        SENTENCES,
        (1,),
        words_counted(["two", "one"]),
        "-count",
    ),
]
