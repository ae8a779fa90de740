"""The model of the tutorial on sentences: the same bits however it is loaded, computed, killed, saved and
resumed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracles.scripts import complaints, environment
from oracles.sentences import BAD, BATCH, GOOD, Sentences

from streamfit import Input, Sequential, layers, losses, set_num_threads, set_random_seed, source
from streamfit.callbacks import BackupAndRestore, Callback
from streamfit.models import load_model

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"
RNG = np.random.default_rng(0)
WORDS = np.array([*GOOD, *BAD, "the", "a", "film", "plot."], dtype=object)
PICKED = [WORDS[RNG.integers(0, len(WORDS), RNG.integers(1, 9))] for _ in range(96)]
X = np.array([" ".join(words) for words in PICKED], dtype=object)
Y = np.array([[float(sum(w in GOOD for w in words) > sum(w in BAD for w in words))] for words in PICKED])
EPOCHS = 3


def batches(mark: Path | None = None) -> Sentences:
    """Return the sentences as lists, in batches; the worker that first loads a batch may be killed."""
    return Sentences(mark, X, Y)


def made(**options: Any) -> Sequential:
    set_random_seed(3)
    embedding = layers.SentenceEmbedding(8, **options)
    if "num_hash_buckets" not in options:
        embedding.adapt(X)
    model = Sequential([Input((), dtype="string"), embedding, layers.Dense(4, "relu"), layers.Dense(1)])
    model.compile("adam", losses.BinaryCrossentropy(from_logits=True))
    return model


def bits(model: Any) -> list[bytes]:
    return [weight.tobytes() for weight in model.get_weights()]


def trained(data: Any, **how: Any) -> tuple[list[bytes], dict[str, Any]]:
    model = made()
    history = model.fit(data, epochs=EPOCHS, verbose=0, seed=5, validation_data=(X[:16], Y[:16]), **how)
    return bits(model), history.history


WORKERS: list[dict[str, Any]] = [
    {"workers": 0},
    {},
    {"workers": 2},
    {"workers": 2, "use_multiprocessing": True},
]


@pytest.mark.timeout(120)
def test_one_result_for_all_workers_threads_and_kills(tmp_path: Path) -> None:
    pipeline = source(X, Y).shuffle().batch(BATCH)
    for data, others in ((pipeline, WORKERS[3:]), (batches(), WORKERS[1:])):
        expected = trained(data, **WORKERS[0])
        assert expected[1]["loss"][-1] < expected[1]["loss"][0]
        for how in others:
            assert trained(data, **how) == expected
    assert trained(batches(tmp_path / "mark"), **WORKERS[3]) == expected
    assert (tmp_path / "mark").exists()
    try:
        for threads in (1, 4):
            set_num_threads(threads)
            assert trained(batches(), workers=0) == expected
    finally:
        set_num_threads(None)


def forms() -> list[Any]:
    return [
        X,
        X.tolist(),
        X.astype(str),
        np.char.encode(X.astype(str), "utf-8"),
        X.astype(np.dtypes.StringDType()),
        X[:, None],
        pd.Series(X),
        pd.Series(X).astype("category"),
        pd.DataFrame({"text": X})["text"].astype("string"),
        source(X).batch(7),
        (X[i : i + 5] for i in range(0, len(X), 5)),
    ]


def test_every_form_of_sentences_predicts_the_same() -> None:
    model = made()
    expected = model.predict(X)
    for place, data in enumerate(forms()):
        np.testing.assert_array_equal(model.predict(data), expected, err_msg=str(place))
    one = model.predict(["a great film"])
    np.testing.assert_array_equal(np.asarray(model(np.array(["a great film"], dtype=object))), one)
    assert not np.array_equal(one, model.predict(["an awful film"]))


class StoppedError(Exception):
    """The end of a run that does not end well."""


class StopAt(Callback):
    """Stop a run in the middle of an epoch."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Raise at the fifth batch of the second epoch."""
        if self.model.optimizer.iterations == 17:
            raise StoppedError


RESUME = """
import sys
sys.path.insert(0, sys.argv[1])
import test_sentence_models as t
from streamfit.callbacks import BackupAndRestore
from streamfit.models import load_model

model = t.made() if sys.argv[3] == "made" else load_model(sys.argv[3])
model.fit(t.batches(), epochs=t.EPOCHS, verbose=0, seed=5, workers=2, validation_data=(t.X[:16], t.Y[:16]),
          callbacks=[BackupAndRestore(sys.argv[2], save_freq=3)] if sys.argv[2] else [])
model.save(sys.argv[4])
"""


def run(*arguments: str) -> None:
    command = [sys.executable, "-c", RESUME, str(Path(__file__).parent), *arguments]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, complaints(done.stderr)


@pytest.mark.timeout(120)
def test_stopped_resumed_and_saved_elsewhere(tmp_path: Path) -> None:
    expected = trained(batches(), workers=0)
    backup = BackupAndRestore(tmp_path / "backup", save_freq=3)
    model = made()
    how: dict[str, Any] = {"epochs": EPOCHS, "verbose": 0, "seed": 5, "validation_data": (X[:16], Y[:16])}
    with pytest.raises(StoppedError):
        model.fit(batches(), callbacks=[backup, StopAt()], workers=0, **how)
    run(str(tmp_path / "backup"), "made", str(tmp_path / "resumed.streamfit"))
    again = load_model(tmp_path / "resumed.streamfit")
    assert bits(again) == expected[0]
    np.testing.assert_array_equal(
        again.predict(X[:5]), load_model(tmp_path / "resumed.streamfit").predict(X[:5])
    )
    whole = made()
    whole.save(tmp_path / "fresh.streamfit")
    run("", str(tmp_path / "fresh.streamfit"), str(tmp_path / "trained.streamfit"))
    assert bits(load_model(tmp_path / "trained.streamfit")) == expected[0]


def test_hashed_words_need_no_vocabulary(tmp_path: Path) -> None:
    model = made(num_hash_buckets=50, combiner="sqrtn")
    model.fit(X, Y, epochs=2, verbose=0, seed=1)
    model.save(tmp_path / "m.streamfit")
    np.testing.assert_array_equal(load_model(tmp_path / "m.streamfit").predict(X), model.predict(X))


@pytest.mark.skipif(not (FOLDER / "rt-polarity.pos").exists(), reason="the movie reviews are not here")
def test_movie_reviews_are_told_apart() -> None:
    texts: list[str] = []
    for name in ("neg", "pos"):
        texts += (FOLDER / f"rt-polarity.{name}").read_text(encoding="latin-1").splitlines()
    x, y = np.array(texts, dtype=object), np.repeat([[0.0], [1.0]], len(texts) // 2, axis=0)
    found = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(x))
        test, train = order[: len(x) // 10], order[len(x) // 10 :]
        set_random_seed(seed)
        embedding = layers.SentenceEmbedding(32)
        embedding.adapt(x[train])
        model = Sequential([Input((), dtype="string"), embedding, layers.Dense(16, "relu"), layers.Dense(1)])
        model.compile("adam", losses.BinaryCrossentropy(from_logits=True))
        model.fit(source(x[train], y[train]).shuffle().batch(512), epochs=20, seed=seed, verbose=0)
        found.append(np.mean((model.predict(x[test]) > 0) == y[test]))
    assert np.mean(found) >= 0.755, found
