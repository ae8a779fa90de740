"""Layers for images in models: draws by the keys of samples, in training alone, whoever loads."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit import DataError, Input, Model, Sequence, Sequential, layers, losses, set_random_seed, source
from streamfit.callbacks import BackupAndRestore, Callback
from streamfit.layers.host import OnHost
from streamfit.training.host_inputs import HostPart

pytestmark = pytest.mark.jit  # fits; tests/layers/test_images.py runs the lines of the kernels

X = np.random.default_rng(0).integers(0, 256, (10, 5, 4, 1)).astype(np.uint8)
Y = np.arange(10) % 3


class Batches(Sequence):
    """Batches of 3; the worker that loads one of them first is killed, where a file says so."""

    def __init__(self, once: Path | None = None) -> None:
        self.once = once

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        if index == 2 and self.once is not None and self.once.exists():
            self.once.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return X[3 * index : 3 * index + 3], Y[3 * index : 3 * index + 3]


def generator() -> Any:
    while True:
        yield from ((X[at : at + 3], Y[at : at + 3]) for at in range(0, 10, 3))


def same(x: Any, y: Any) -> Any:
    return x, y


DATA: dict[str, Any] = {
    "arrays": lambda: {"x": X, "y": Y, "batch_size": 3},
    "sequence": lambda: {"x": Batches()},
    "samples": lambda: {"x": source(X, Y).shuffle().map(same).batch(3)},
    "filtered": lambda: {"x": source(X, Y).filter(lambda x, y: y >= 0).batch(3)},
    "generator": lambda: {"x": generator(), "steps_per_epoch": 4},
}


def made(*, seed: int | None = None, plain: bool = False, fixed: bool | None = None) -> Model:
    set_random_seed(1)
    start = Input((5, 4, 1))
    x = layers.Rescaling(1 / 255)(start)
    if not plain:
        x = layers.RandomTranslation(0.3, 0.3, seed=seed)(layers.RandomFlip()(x), training=fixed)
    model = Model(start, layers.Dense(3, "softmax")(layers.Flatten()(x)))
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def trained(data: dict[str, Any], epochs: int = 2, *, model: Model | None = None, **how: Any) -> list[Any]:
    model = made() if model is None else model
    history = model.fit(**data, epochs=epochs, **{"seed": 3, "verbose": 0, **how})
    return [history.history["loss"], *(weight.tobytes() for weight in model.get_weights())]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", DATA)
def test_the_same_bits_inline_on_threads_and_on_processes(name: str) -> None:
    wanted = trained(DATA[name]())
    assert trained(DATA[name](), workers=2, use_multiprocessing=False) == wanted
    if name == "samples":
        assert trained(DATA[name](), workers=2, use_multiprocessing=True) == wanted
    assert trained(DATA[name](), seed=4) != wanted
    assert trained(DATA[name](), model=made(plain=True)) != wanted


@pytest.mark.timeout(60)
def test_a_killed_worker_changes_no_bit(tmp_path: Path) -> None:
    once = tmp_path / "once"
    once.touch()
    killed = trained({"x": Batches(once)}, workers=1, use_multiprocessing=True)
    assert not once.exists()
    assert killed == trained({"x": Batches()})


class Stop(Callback):
    """Ends the program in the middle of the second epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.batches = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.batches += 1
        if self.batches == 6:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("name", "seed"),
    [("arrays", None), ("arrays", 3), ("sequence", None), ("samples", None), ("filtered", None)],
)
def test_a_resumed_run_draws_what_it_would_have_drawn(name: str, seed: int | None, tmp_path: Path) -> None:
    def run(*callbacks: Any) -> Any:
        return trained(DATA[name](), 3, seed=seed, callbacks=list(callbacks))[1:]

    wanted = run()
    with pytest.raises(KeyboardInterrupt):
        run(BackupAndRestore(tmp_path, save_freq=1), Stop())
    again = made()
    set_random_seed(77)
    again.fit(
        **DATA[name](), epochs=3, verbose=0, seed=seed, callbacks=[BackupAndRestore(tmp_path, save_freq=1)]
    )
    assert [weight.tobytes() for weight in again.get_weights()] == wanted


class Seen(layers.ImageLayer):
    """Keeps what it is given, and draws a number for each image."""

    log: list[Any] = []

    def drawn(self, draws: Any, shape: Any) -> Any:
        return {"number": draws.uniform("number")}

    def changed(self, images: Any, transformation: Any, interpolation: Any) -> Any:
        Seen.log.append((images[:, 0, 0, 0].tolist(), transformation["number"].tolist()))
        return images


def seen(data: dict[str, Any], epochs: int = 1) -> list[dict[float, float]]:
    """Return the number of each image, by its first pixel, of each pass."""
    model = Sequential([Input((1, 1, 1)), Seen(), layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", losses.MeanSquaredError())
    Seen.log.clear()
    model.fit(**data, epochs=epochs, verbose=0, seed=3)
    pairs = [pair for images, numbers in Seen.log for pair in zip(images, numbers, strict=True)]
    size = len(pairs) // epochs
    return [dict(pairs[at * size : (at + 1) * size]) for at in range(epochs)]


def test_a_sample_draws_by_its_id_whatever_the_batch_and_the_order_and_anew_in_each_pass() -> None:
    x, y = np.arange(8.0).reshape(8, 1, 1, 1), np.zeros(8)
    first, second = seen({"x": x, "y": y, "batch_size": 3}, 2)
    assert len(set(first.values())) == 8
    assert not set(first.values()) & set(second.values())
    assert seen({"x": x, "y": y, "batch_size": 5, "shuffle": False}) == [first]
    piped = seen({"x": source(x, y).shuffle().batch(3)})
    assert seen({"x": source(x, y).batch(5)}) == piped
    assert piped[0].keys() == first.keys()


def test_evaluate_predict_and_validation_are_those_of_the_model_without_the_layers() -> None:
    model, plain = made(), made(plain=True)
    plain.set_weights(model.get_weights())
    np.testing.assert_array_equal(model.predict(X), plain.predict(X))
    assert model.evaluate(X, Y, verbose=0) == plain.evaluate(X, Y, verbose=0)
    assert model.test_on_batch(X, Y) == plain.test_on_batch(X, Y)
    np.testing.assert_array_equal(model(X), plain(X))
    np.testing.assert_array_equal(model.predict_on_batch(X), plain.predict_on_batch(X))
    frozen = made()
    frozen.compile("sgd", "sparse_categorical_crossentropy")
    history = frozen.fit(X, Y, validation_data=(X, Y), verbose=0, epochs=2)
    assert history.history["val_loss"][-1] == frozen.evaluate(X, Y, verbose=0)


def test_train_on_batch_is_training_and_each_step_draws_anew() -> None:
    model = made()
    model.optimizer.learning_rate = 0.0
    losses_seen = [model.train_on_batch(X, Y) for _ in range(4)]
    assert len(set(losses_seen)) == 4
    again = made()
    again.optimizer.learning_rate = 0.0
    assert [again.train_on_batch(X, Y) for _ in range(4)] == losses_seen


def test_a_use_that_is_always_in_training_or_never_is_so() -> None:
    always, never, plain = made(fixed=True), made(fixed=False), made(plain=True)
    plain.set_weights(always.get_weights())
    assert not np.array_equal(always.predict(X), plain.predict(X))
    np.testing.assert_array_equal(always.predict(X), always.predict(X))
    flips_alone = trained(DATA["arrays"](), model=never)
    assert flips_alone != trained(DATA["arrays"]())


def test_two_uses_and_two_layers_draw_apart_and_a_seed_changes_draws() -> None:
    start = Input((1, 1, 1))
    layer = Seen()
    both = layers.Add()([layer(start), layers.Rescaling(0.5)(layer(layers.Rescaling(2.0)(start)))])
    model = Model(start, layers.Dense(1)(layers.Flatten()(both)))
    model.compile("sgd", "mse")
    Seen.log.clear()
    model.fit(np.arange(4.0).reshape(4, 1, 1, 1), np.zeros(4), batch_size=4, verbose=0, seed=1, shuffle=False)
    (_, first), (_, second) = Seen.log
    assert not set(first) & set(second)
    assert trained(DATA["arrays"](), model=made(seed=1)) != trained(DATA["arrays"](), model=made(seed=2))


def test_another_form_in_training_than_in_inference() -> None:
    class OnlyTraining(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = layers.RandomInvert()

        def call(self, x: Any, training: bool = False) -> Any:
            return self.inner(x, training=True) if training else x

    model = Sequential([Input((5, 4, 1), dtype="uint8"), OnlyTraining(), layers.Flatten(), layers.Dense(3)])
    model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(X, Y, verbose=0)
    assert model.predict(X).shape == (10, 3)


def test_resizing_in_front_of_a_model_takes_images_of_any_size_of_a_batch() -> None:
    start = Input((None, None, 1), dtype="uint8")
    x = layers.Rescaling(1 / 255)(layers.RandomCrop(4, 4)(layers.Resizing(6, 6)(start)))
    model = Model(start, layers.Dense(3)(layers.Flatten()(x)))
    model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(X, Y, verbose=0)
    assert model.predict(np.zeros((2, 9, 8, 1), "uint8")).shape == (2, 3)


def test_rescaling_is_computed_on_the_host_only_where_a_layer_there_reads_it() -> None:
    part = HostPart(made())
    in_training, otherwise = part.inputs[True], part.inputs[False]
    assert in_training is not None
    assert otherwise is not None
    kinds = [type(step[0]) for step in in_training._steps]
    assert kinds == [OnHost, layers.RandomFlip, layers.RandomTranslation]
    assert otherwise._steps == []
    assert HostPart(made(plain=True)).inputs == {True: None, False: None}


def test_a_generator_needs_a_model_that_is_built_and_says_so() -> None:
    model = Sequential([layers.RandomFlip(), layers.Flatten(), layers.Dense(3)])
    model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(DataError, match="begin it with an Input"):
        model.fit(generator(), steps_per_epoch=2, verbose=0)
    model.fit(source(X, Y).batch(4), verbose=0)
    assert model.predict(X).shape == (10, 3)
