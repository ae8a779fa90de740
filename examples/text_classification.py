"""Text classification from raw strings: words are looked up, their vectors averaged, two dense layers decide.

Reads ``rt-polarity.pos`` and ``rt-polarity.neg`` (movie reviews, one sentence a line; Pang and Lee, 2005)
from the folder given as argument, or from ``../shared/data``. Without them it tells prose from code: the
lines of Python's own library, comments and documentation against statements.
"""

import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy as np

from streamfit import Input, Sequential, layers, losses, set_random_seed, source
from streamfit.metrics import BinaryAccuracy

HERE = Path(__file__).resolve().parent


def reviews(folder: Path) -> tuple[list[str], list[int]]:
    """Read the sentences, and whether each is in favour of its film."""
    texts: list[str] = []
    labels: list[int] = []
    for name, label in (("rt-polarity.neg", 0), ("rt-polarity.pos", 1)):
        lines = (folder / name).read_text(encoding="latin-1").splitlines()
        texts += lines
        labels += [label] * len(lines)
    return texts, labels


def lines_of_python() -> tuple[list[str], list[int]]:
    """Read lines of Python's library, and whether each is a comment or documentation."""
    texts, labels = [], []
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.glob("*.py"))[:120]:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            words = line.split()
            if len(words) >= 4:
                texts.append(" ".join(words).removeprefix("# "))
                labels.append(int(words[0] == "#" or words[0][0].isupper()))
    return texts, labels


folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent.parent / "shared" / "data"
has_reviews = (folder / "rt-polarity.pos").exists()
texts, labels = reviews(folder) if has_reviews else lines_of_python()
order = np.random.default_rng(0).permutation(len(texts))
x, y = np.array(texts, dtype=object)[order], np.array(labels, "float32")[order, None]
held_out = len(x) // 10
train = source(x[held_out:], y[held_out:])
test = source(x[:held_out], y[:held_out])

set_random_seed(1)
embedding = layers.SentenceEmbedding(32)  # the mean of the vectors of a sentence's words, which are learned
embedding.adapt(x[held_out:])
model = Sequential(
    [Input((), dtype="string"), embedding, layers.Dense(16, activation="relu"), layers.Dense(1)]
)
model.summary()
model.compile(
    optimizer="adam",
    loss=losses.BinaryCrossentropy(from_logits=True),
    metrics=[BinaryAccuracy(name="accuracy", threshold=0.0)],
)
model.fit(train.shuffle(10_000).batch(512), epochs=20, validation_data=test.batch(512), seed=1, verbose=2)
results = model.evaluate(test.batch(512), return_dict=True, verbose=0)
print({name: round(value, 4) for name, value in results.items()})
assert results["accuracy"] > 0.74

sentences = ["a warm , funny and moving film .", "a dull and lifeless mess ."]
if not has_reviews:
    sentences = ["Return the number of bytes that were written.", "self.count = max(self.count, len(data))"]
predicted = model.predict(sentences)
print(dict(zip(sentences, (predicted[:, 0] > 0).tolist(), strict=True)))

with tempfile.TemporaryDirectory() as place:
    model.save(f"{place}/reviews.streamfit")
    program = (
        "from streamfit.models import load_model\n"
        f"print(load_model({place + '/reviews.streamfit'!r}).predict({sentences!r}).tobytes().hex())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == predicted.tobytes().hex()  # the same bits in another process
