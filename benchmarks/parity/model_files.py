"""Do streamfit and Keras open each other's files of models, and continue from them alike?

Each library makes and trains every model, and writes it as ``.keras``, ``.h5`` and ``.weights.h5``; the other
one reads these files, predicts, and trains on. The outputs, before and after, must agree to 1e-4 of the
largest of them. The exit code is 1 if a case fails. Run with ``STREAMFIT_PEERS_PYTHON`` naming the
interpreter that has Keras and h5py (see benchmarks/README.md).

``model_files.py write LIBRARY FOLDER`` and ``model_files.py read LIBRARY FOLDER`` are the two sides.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

LIMIT = 1e-4
ROWS = 32
WORDS = ["red", "green", "blue", "red", "other", "green", "blue", "red"]
Case = Callable[[Any], tuple[Any, Any, Any]]
CASES: dict[str, Case] = {}


def case(make: Case) -> Case:
    """Add a case: from a library to a compiled model, x and y."""
    CASES[make.__name__] = make
    return make


def numbers(*shape: int, seed: int = 0) -> Any:
    """Return the same numbers on both sides."""
    return np.random.default_rng(seed).normal(size=(ROWS, *shape)).astype("float32")


@case
def dense(sf: Any) -> Any:
    """A stack with Adam."""
    layers = sf.layers
    stack = [sf.Input((5,)), layers.Dense(4, activation="tanh", kernel_regularizer="l2"), layers.Dense(1)]
    model = sf.Sequential(stack)
    model.compile(sf.optimizers.Adam(0.01, amsgrad=True), "mse", metrics=["mae"])
    return model, numbers(5), numbers(1, seed=1)


@case
def normalized(sf: Any) -> Any:
    """Batch normalization, moving averages, a schedule."""
    layers = sf.layers
    model = sf.Sequential(
        [
            sf.Input((5,)),
            layers.Dense(4, use_bias=False),
            layers.BatchNormalization(momentum=0.8),
            layers.ReLU(),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Dense(1),
        ]
    )
    rate = sf.optimizers.schedules.ExponentialDecay(0.05, 2, 0.5)
    model.compile(sf.optimizers.SGD(rate, momentum=0.9, nesterov=True), sf.losses.Huber())
    return model, numbers(5), numbers(1, seed=1)


def _pictures(sf: Any, rank: int) -> Any:
    layers, shape = sf.layers, (8, 6, 5)[:rank]
    found = [sf.Input((*shape, 2)), getattr(layers, f"Conv{rank}D")(3, 3, padding="same", activation="relu")]
    found += [getattr(layers, f"MaxPooling{rank}D")(2), getattr(layers, f"AveragePooling{rank}D")(2)]
    found += [
        getattr(layers, f"Conv{rank}D")(4, 1, use_bias=False),
        layers.Flatten(),
        layers.Dense(3, "softmax"),
    ]
    model = sf.Sequential(found)
    model.compile(sf.optimizers.RMSprop(0.01, momentum=0.5), "sparse_categorical_crossentropy")
    return model, numbers(*shape, 2), np.arange(ROWS) % 3


@case
def conv1d(sf: Any) -> Any:
    """Convolution and pooling in one dimension."""
    return _pictures(sf, 1)


@case
def conv2d(sf: Any) -> Any:
    """In two dimensions."""
    return _pictures(sf, 2)


@case
def conv3d(sf: Any) -> Any:
    """In three dimensions."""
    return _pictures(sf, 3)


@case
def embedding(sf: Any) -> Any:
    """An embedding with a mask, pooled."""
    layers = sf.layers
    model = sf.Sequential(
        [
            sf.Input((6,), dtype="int32"),
            layers.Embedding(9, 4, mask_zero=True),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(sf.optimizers.AdamW(0.01), "binary_crossentropy", metrics=["accuracy"])
    return model, np.random.default_rng(0).integers(0, 9, (ROWS, 6)), (np.arange(ROWS) % 2)[:, None]


@case
def graph(sf: Any) -> Any:
    """Shared layers, a nested stack and a nested graph, functions of ops, two inputs and outputs."""
    layers, ops = sf.layers, sf.ops
    a, b = sf.Input((4,), name="a"), sf.Input((4,), name="b")
    shared = layers.Dense(3, name="shared")
    inner = sf.Input((6,), name="inner_input")
    nested = sf.Model(
        inner, layers.Dense(2, name="deep")(layers.Dense(3, name="deeper")(inner)), name="nested"
    )
    x = layers.Concatenate()([shared(a), shared(b)])
    y = sf.Sequential([layers.Dense(5, activation="relu"), layers.Dense(2)], name="stacked")(x)
    y = layers.Add()([y, nested(x)])
    y = ops.relu(y * 2.0 + 1.0)
    y = ops.concatenate([y, ops.expand_dims(ops.mean(x, axis=-1), 1)], axis=-1)
    left = layers.Dense(1, name="left")(layers.Dropout(0.0)(y))
    right = layers.Dense(2, name="right")(layers.Dense(3, name="before")(b))
    model = sf.Model([a, b], [left, right])
    model.compile(sf.optimizers.Nadam(0.01), ["mse", "mae"], loss_weights=[1.0, 0.5])
    return model, [numbers(4), numbers(4, seed=2)], [numbers(1, seed=1), numbers(2, seed=3)]


@case
def named_outputs(sf: Any) -> Any:
    """Outputs in a dictionary, a frozen layer, Adagrad."""
    layers = sf.layers
    x = sf.Input((4,), name="x")
    hidden = layers.Dense(3, name="frozen", trainable=False)(x)
    outputs = {"one": layers.Dense(1, name="first")(hidden), "two": layers.Dense(1, name="second")(hidden)}
    model = sf.Model(x, outputs)
    model.compile(sf.optimizers.Adagrad(0.1), {"one": "mse", "two": "mse"})
    return model, numbers(4), {"one": numbers(1, seed=1), "two": numbers(1, seed=2)}


@case
def others(sf: Any) -> Any:
    """Layers without weights, Adamax."""
    layers = sf.layers
    model = sf.Sequential(
        [
            sf.Input((4, 3)),
            layers.Permute((2, 1)),
            layers.Rescaling(0.5, 0.1),
            layers.GaussianNoise(0.0),
            layers.Reshape((12,)),
            layers.RepeatVector(2),
            layers.Activation("softplus"),
            layers.GlobalMaxPooling1D(),
            layers.ELU(),
            layers.Dense(2, kernel_constraint="non_neg", bias_initializer=sf.initializers.Constant(0.1)),
            layers.Softmax(),
        ]
    )
    model.compile(sf.optimizers.Adamax(0.01), sf.losses.CategoricalCrossentropy(label_smoothing=0.1))
    return model, numbers(4, 3), np.eye(2, dtype="float32")[np.arange(ROWS) % 2]


@case
def adadelta(sf: Any) -> Any:
    """Adadelta."""
    model = sf.Sequential([sf.Input((3,)), sf.layers.Dense(1)])
    model.compile(sf.optimizers.Adadelta(0.5), "mse")
    return model, numbers(3), numbers(1, seed=1)


@case
def centered(sf: Any) -> Any:
    """Centered RMSprop."""
    model = sf.Sequential([sf.Input((3,)), sf.layers.Dense(1)])
    model.compile(sf.optimizers.RMSprop(0.01, centered=True), "mse")
    return model, numbers(3), numbers(1, seed=1)


@case
def words(sf: Any) -> Any:
    """A lookup of words that has adapted."""
    layers = sf.layers
    lookup = layers.StringLookup(num_oov_indices=2)
    lookup.adapt(np.array([[word] for word in WORDS[:4]]))
    stack = [
        sf.Input((1,), dtype="string"),
        lookup,
        layers.Embedding(6, 2),
        layers.Flatten(),
        layers.Dense(1),
    ]
    model = sf.Sequential(stack)
    return model, np.array([[WORDS[i % len(WORDS)]] for i in range(ROWS)]), None


@case
def counted_words(sf: Any) -> Any:
    """A lookup with factors, of a graph."""
    layers = sf.layers
    lookup = layers.StringLookup(output_mode="tf_idf")
    lookup.adapt(np.array([WORDS[:4], WORDS[2:6]]))
    x = sf.Input((3,), dtype="string", name="text")
    model = sf.Model(x, layers.Dense(2)(lookup(x)))
    return model, np.array([[WORDS[(i + j) % len(WORDS)] for j in range(3)] for i in range(ROWS)]), None


@case
def whole_numbers(sf: Any) -> Any:
    """A lookup of whole numbers with its vocabulary as an argument."""
    layers = sf.layers
    x = sf.Input((2,), dtype="int64", name="numbers")
    lookup = layers.IntegerLookup(vocabulary=[7, 3, 12], output_mode="multi_hot")
    model = sf.Model(x, layers.Dense(2)(lookup(x)))
    return model, np.random.default_rng(0).integers(0, 13, (ROWS, 2)), None


TEXT = ("words", "counted_words", "whole_numbers", "features", "sentences")
NOT_IN_KERAS_H5 = ("words", "counted_words", "graph", "sentences")
"""What Keras writes no vocabularies of, or no modules of operations, so that it cannot read it either."""


def chosen() -> dict[str, Case]:
    """Return the cases of this backend of Keras: lookups are for TensorFlow's.

    Its own gradients of embeddings count ids twice in Adam, so that JAX is the measure for the others.
    """
    text = os.environ.get("KERAS_BACKEND") == "tensorflow"
    return {name: make for name, make in CASES.items() if (name in TEXT) == text}


@case
def features(sf: Any) -> Any:
    """What adapted to numbers, and bins, codes and hashes."""
    layers = sf.layers
    x, data = sf.Input((3,), name="x"), numbers(3)
    normal, bins = layers.Normalization(), layers.Discretization(num_bins=4, output_mode="one_hot")
    normal.adapt(data)
    bins.adapt(data)
    ids = sf.Input((2,), dtype="int64", name="ids")
    parts = [normal(x), layers.Flatten()(bins(x)), layers.CategoryEncoding(5, output_mode="multi_hot")(ids)]
    model = sf.Model([x, ids], layers.Dense(2)(layers.Concatenate()(parts)))
    return model, [data, np.random.default_rng(0).integers(0, 5, (ROWS, 2))], None


@case
def sentences(sf: Any) -> Any:
    """Texts as numbers of words."""
    layers = sf.layers
    texts = np.array([[f"{WORDS[i % 8]} {WORDS[(i + 3) % 8]}, {WORDS[(i + 5) % 7]}!"] for i in range(ROWS)])
    words = layers.TextVectorization(output_sequence_length=4)
    words.adapt(texts[:8])
    counts = layers.TextVectorization(output_mode="tf_idf")
    counts.adapt(texts[:8])
    x = sf.Input((1,), dtype="string", name="text")
    pooled = layers.GlobalAveragePooling1D()(layers.Embedding(12, 3)(words(x)))
    model = sf.Model(x, layers.Dense(2)(layers.Concatenate()([pooled, layers.Flatten()(counts(x))])))
    return model, texts, None


def train(model: Any, x: Any, y: Any) -> None:
    """Train for three steps on the whole data."""
    if y is not None:
        model.fit(x, y, batch_size=ROWS, epochs=3, verbose=0, shuffle=False)


def outputs(model: Any, x: Any) -> list[Any]:
    """Return what a model computes, as lists."""
    if getattr(x, "dtype", np.dtype(float)).kind == "U" and "tensorflow" in sys.modules:
        x = sys.modules["tensorflow"].constant(x)
    found = model.predict(x, verbose=0)
    found = list(found.values()) if isinstance(found, dict) else found
    return [np.asarray(each).tolist() for each in (found if isinstance(found, list) else [found])]


def write(library: Any, folder: Path) -> None:
    """Make all models and write their files, and what they compute before and after more steps."""
    for name, make in chosen().items():
        model, x, y = make(library)
        train(model, x, y)
        for ending in ("keras", "h5"):
            model.save(folder / f"{name}.{ending}")
        model.save_weights(folder / f"{name}.weights.h5")
        now = outputs(model, x)
        train(model, x, y)
        (folder / f"{name}.json").write_text(json.dumps([now, outputs(model, x)]))


def apart(left: list[Any], right: list[Any]) -> float:
    """Return how far apart outputs are, in shares of the largest."""
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(left, right, strict=True)]
    return max(float(np.abs(a - b).max() / max(1e-6, np.abs(a).max())) for a, b in pairs)


def read(library: Any, folder: Path) -> dict[str, str]:
    """Read all files that there are; return what is wrong with each."""
    wrong: dict[str, str] = {}
    for name, make in chosen().items():
        fresh, x, y = make(library)
        expected = json.loads((folder / f"{name}.json").read_text())
        for ending in ("keras", "h5", "weights.h5"):
            path = folder / f"{name}.{ending}"
            try:
                if ending == "weights.h5":
                    fresh.load_weights(path)
                    found = [apart(expected[0], outputs(fresh, x))]
                elif ending == "h5" and name in NOT_IN_KERAS_H5 and library.__name__ != "keras":
                    continue
                else:
                    again = ending == "keras" or library.__name__ != "keras"
                    model = library.saving.load_model(path)
                    found = [apart(expected[0], outputs(model, x))]
                    if again:  # Keras itself cannot continue from an .h5 file
                        train(model, x, y)
                        found.append(apart(expected[1], outputs(model, x)))
                bad = [distance for distance in found if not distance <= LIMIT]
                if bad:
                    wrong[path.name] = f"outputs differ by {found}"
            except Exception as error:  # all cases are wanted
                wrong[path.name] = f"{type(error).__name__}: {error}"
    return wrong


def both(peer: str) -> dict[str, str]:
    """Let each library read the files of the other one."""
    wrong: dict[str, str] = {}
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "JAX_DEFAULT_MATMUL_PRECISION": "float32"}
    sides = {"streamfit": sys.executable, "keras": peer}
    pairs = [("keras", "streamfit"), ("streamfit", "keras")]
    for backend, (writer, reader) in itertools.product(("jax", "tensorflow"), pairs):
        quiet["KERAS_BACKEND"] = backend
        with tempfile.TemporaryDirectory() as folder:
            for action, library in (("write", writer), ("read", reader)):
                command = [sides[library], str(Path(__file__).resolve()), action, library, folder]
                subprocess.run(command, check=True, env={**os.environ, **quiet})
            result = json.loads((Path(folder) / "wrong.json").read_text())
            wrong.update((f"{name} of {writer} in {reader}", reason) for name, reason in result.items())
    return wrong


def main() -> int:
    """Run one side, or both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", nargs="?", choices=["write", "read"])
    parser.add_argument("library", nargs="?")
    parser.add_argument("folder", nargs="?", type=Path)
    given = parser.parse_args()
    if given.action is None:
        from harness import peers_python

        wrong = both(peers_python())
        for name, reason in wrong.items():
            print(f"{name}: {reason}")
        print(f"{len(CASES)} models, {len(wrong)} files with another result")
        return 1 if wrong else 0
    library = importlib.import_module(given.library)
    if given.action == "write":
        write(library, given.folder)
    else:
        (given.folder / "wrong.json").write_text(json.dumps(read(library, given.folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
