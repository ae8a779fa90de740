"""The accuracy of Keras on movie reviews, with the same layers: prints the share of right answers of each
split.
"""

from __future__ import annotations

import json
import sys

import keras
import numpy as np
import tensorflow as tf
from reviews_common import BATCH, DIM, EPOCHS, HIDDEN, SEEDS, read, split

if __name__ == "__main__":
    texts, y = read(sys.argv[1])
    x, found = np.array(texts, dtype=object), []
    for seed in SEEDS:
        train, test = split(len(x), seed)
        keras.utils.set_random_seed(seed)
        words = keras.layers.TextVectorization()
        words.adapt(tf.constant(x[train].tolist()))
        model = keras.Sequential(
            [
                keras.Input((None,), dtype="int64"),
                keras.layers.Embedding(words.vocabulary_size(), DIM, mask_zero=True),
                keras.layers.GlobalAveragePooling1D(),
                keras.layers.Dense(HIDDEN, activation="relu"),
                keras.layers.Dense(1),
            ]
        )
        model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
        ids = [np.asarray(words(tf.constant(x[part].tolist()))) for part in (train, test)]
        model.fit(ids[0], y[train], batch_size=BATCH, epochs=EPOCHS, verbose=0)
        found.append(float(np.mean((model.predict(ids[1], verbose=0) > 0) == y[test])))
    print(json.dumps(found))
