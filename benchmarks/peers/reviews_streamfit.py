"""The accuracy of streamfit on movie reviews: prints the share of right answers of each split."""

from __future__ import annotations

import json
import sys

import numpy as np
from reviews_common import BATCH, DIM, EPOCHS, HIDDEN, SEEDS, read, split

import streamfit as sf

if __name__ == "__main__":
    texts, y = read(sys.argv[1])
    x, found = np.array(texts, dtype=object), []
    for seed in SEEDS:
        train, test = split(len(x), seed)
        sf.set_random_seed(seed)
        embedding = sf.layers.SentenceEmbedding(DIM)
        embedding.adapt(x[train])
        model = sf.Sequential(
            [
                sf.Input((), dtype="string"),
                embedding,
                sf.layers.Dense(HIDDEN, activation="relu"),
                sf.layers.Dense(1),
            ]
        )
        model.compile("adam", sf.losses.BinaryCrossentropy(from_logits=True))
        data = sf.source(x[train], y[train]).shuffle().batch(BATCH)
        model.fit(data, epochs=EPOCHS, seed=seed, verbose=0)
        found.append(float(np.mean((model.predict(x[test]) > 0) == y[test])))
    print(json.dumps(found))
