"""One model, many callers: correct results in every thread, and bit for bit the same training."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.leaks import nothing_left_behind

import streamfit as sf
from streamfit import Input, Model, ModelInUseError, Sequence, Sequential, layers, metrics, ops
from streamfit.callbacks import Callback
from streamfit.optimizers import SGD

pytestmark = [pytest.mark.timeout(60), pytest.mark.jit]

RNG = np.random.default_rng(3)
X = RNG.normal(size=(1200, 6)).astype("float32")
Y = RNG.integers(0, 3, 1200)
PROBE = RNG.normal(size=(70, 6)).astype("float32")
PROBE_Y = RNG.integers(0, 3, 70)


class Spread(metrics.Metric):
    """A metric that the program does not compute, with state beside its variables."""

    def __init__(self, name: str = "spread") -> None:
        super().__init__(name)
        self.most = self.add_variable(())
        self.seen: list[int] = []

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.seen.append(len(y_pred))
        self.most.assign(max(float(self.most), float(np.ptp(y_pred))))

    def reset_state(self) -> None:
        super().reset_state()
        self.seen = []

    def result(self) -> float:
        return float(self.most) + 1000 * sum(self.seen)


def classifier(eager: bool = False, **compiled: Any) -> Sequential:
    sf.set_random_seed(11)
    model = Sequential(
        [layers.Dense(24, "tanh", input_shape=(6,)), layers.Dropout(0.2), layers.Dense(3, "softmax")]
    )
    extra = [Spread()] if eager else []
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy", *extra], **compiled)
    return model


def bits(model: Model) -> list[bytes]:
    return [array.tobytes() for array in [*model.get_weights(), *model.optimizer.state.values()]]


@contextlib.contextmanager
def beside(*acts: Callable[[], Any]) -> Iterator[list[list[Any]]]:
    """Repeat each act on a thread of its own until the block ends; then raise any of their exceptions."""
    end, errors = threading.Event(), []
    found: list[list[Any]] = [[] for _ in acts]

    def repeat(act: Callable[[], Any], results: list[Any]) -> None:
        try:
            while not end.is_set():
                results.append(act())
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=repeat, args=pair, daemon=True) for pair in zip(acts, found, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        end.set()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
    if errors:
        raise errors[0]


def elsewhere(act: Callable[[], Any]) -> Any:
    """Run an act on another thread; return its result or its exception."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(act())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    return found[0]


class Rows(Sequence):
    def __init__(self, look: Callable[[int], Any] = lambda index: None) -> None:
        super().__init__()
        self.look = look

    def __len__(self) -> int:
        return 30

    def __getitem__(self, index: int) -> Any:
        self.look(index)
        rows = slice(index * 40, index * 40 + 40)
        return X[rows], Y[rows]


class AtBatch(Callback):
    """Act after one batch."""

    def __init__(self, batch: int, act: Callable[[], Any]) -> None:
        self.batch, self.act = batch, act

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == self.batch:
            self.act()


class Moments(Callback):
    """Record the model's predictions after each step."""

    def __init__(self, ask: Callable[[], np.ndarray]) -> None:
        self.ask, self.answers = ask, list[bytes]()

    def on_train_begin(self, logs: Any = None) -> None:
        self.answers = [self.ask().tobytes()]

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.answers.append(self.ask().tobytes())


# -- beside a training -----------------------------------------------------------------------------------


def train(model: Model, **how: Any) -> Any:
    return model.fit(X, Y, 8, epochs=3, validation_split=0.1, verbose=0, **how).history


def test_each_answer_is_that_of_one_step_and_training_does_not_notice() -> None:
    model = classifier()
    noted = Moments(lambda: model.predict(PROBE, batch_size=16))
    history, want = train(model, callbacks=[noted]), bits(model)
    places = {answer: step for step, answer in enumerate(noted.answers)}
    within = False
    for _ in range(30):
        served = classifier()
        ask = functools.partial(served.predict, PROBE, batch_size=16)
        with beside(ask, ask) as found:
            assert train(served) == history
        assert bits(served) == want
        answers = [answer.tobytes() for answers in found for answer in answers]
        assert all(answer in places for answer in answers)
        within = within or any(places[answer] % 64 for answer in answers)
        if within:
            break
    assert within  # an answer did not have to wait for 64 joined steps


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("how", ["arrays", "threads", "inline"])
def test_training_is_the_same_beside_all_kinds_of_calls(how: str, eager: bool) -> None:
    def run(model: Model) -> Any:
        if how == "arrays":
            return train(model)
        workers = 2 if how == "threads" else 0
        done = model.fit(
            Rows(), epochs=3, validation_data=(PROBE, PROBE_Y), verbose=0, workers=workers,
            use_multiprocessing=False,
        )  # fmt: skip
        return done.history

    model = classifier(eager)
    history, want = run(model), bits(model)
    served = classifier(eager)
    with beside(
        lambda: served.evaluate(PROBE, PROBE_Y, batch_size=32, verbose=0),
        lambda: served.test_on_batch(PROBE, PROBE_Y),
        lambda: served.predict_on_batch(PROBE),
        lambda: served(PROBE),
        lambda: served.get_weights(),
        lambda: served.layers[0](PROBE),
    ) as found:
        got = run(served)
    assert got == history
    assert bits(served) == want
    assert all(found)
    for answers in found:
        assert all(
            np.isfinite(np.concatenate([np.ravel(part) for part in answer])).all() for answer in answers
        )
    assert served.history.history == history
    assert served.session is None


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("batch", [0, 1, 2])
def test_evaluation_keeps_its_results_when_a_training_begins_after_any_batch(batch: int, eager: bool) -> None:
    class AtTestBatch(Callback):
        def on_test_batch_end(self, step: int, logs: Any = None) -> None:
            if step == batch:
                elsewhere(lambda: model.fit(X, Y, verbose=0))

    model = classifier(eager)
    want = model.evaluate(PROBE, PROBE_Y, batch_size=32, verbose=0, return_dict=True)
    model = classifier(eager)  # one that has no other memory to go on with yet
    before = bits(model)
    got = model.evaluate(
        PROBE, PROBE_Y, batch_size=32, verbose=0, return_dict=True, callbacks=[AtTestBatch()]
    )
    assert got == want
    assert bits(model) != before


def test_model_and_layers_on_arrays_and_weights_are_those_of_one_moment() -> None:
    start = Input((6,))
    model = Model(start, layers.Dense(3)(layers.Dense(8, "relu")(start)))
    # Each step takes the same from every weight: all of them differ by one number from the beginning.
    model.compile(SGD(0.125), lambda y, p: 0.0 * ops.mean(p, axis=-1))
    model.fit(X[:8], Y[:8, None], verbose=0)

    def drift() -> None:
        model.set_weights([weight + np.float32(1) for weight in model.get_weights()])

    before = model.get_weights()

    def moved() -> set[float]:
        return {
            float(d)
            for w, b in zip(model.get_weights(), before, strict=True)
            for d in np.unique(np.round(w - b))
        }

    with beside(moved) as found:
        for _ in range(300):
            drift()
    assert found[0]
    assert all(len(steps) == 1 for steps in found[0])


def test_seeds_are_not_drawn_by_others() -> None:
    def run(also: Callable[[Model], Any]) -> Any:
        model = classifier()
        model.predict(PROBE)
        histories = []
        for _ in range(2):
            act = AtBatch(1, lambda: elsewhere(lambda: also(model)))
            histories.append(model.fit(X[:80], Y[:80], 8, verbose=0, callbacks=[act]).history)
        return histories, bits(model)

    alone = run(lambda model: None)
    assert run(lambda model: model.predict(PROBE)) == alone
    assert run(lambda model: model.evaluate(PROBE, PROBE_Y, verbose=0)) == alone


@pytest.mark.parametrize("workers", [None, 0, 2])
def test_a_generator_asks_the_model_that_it_feeds(workers: int | None) -> None:
    model = classifier()
    model.optimizer.learning_rate = 0.0
    want = model.predict(PROBE)
    answers = []

    def batches() -> Iterator[Any]:
        while True:
            answers.append(model.predict_on_batch(PROBE))
            answers.append(model.predict(PROBE))
            yield X[:40], Y[:40]

    model.fit(batches(), steps_per_epoch=10, epochs=2, verbose=0, workers=workers)
    assert len(answers) >= 40
    assert all((answer == want).all() for answer in answers)


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_getitem_asks_the_model_on_worker_threads(method: str) -> None:
    model = classifier()
    model.optimizer.learning_rate = 0.0
    want, wrong = model.predict(PROBE), []
    rows = Rows(lambda index: wrong.append(1) if (model.predict(PROBE) != want).any() else None)
    result = getattr(model, method)(rows, verbose=0, workers=3, use_multiprocessing=False)
    assert not wrong
    if method == "predict":
        np.testing.assert_array_equal(result, model.predict(X))


def test_getitem_asks_a_copy_of_the_model_in_worker_processes() -> None:
    model = classifier()
    model.fit(X[:80], Y[:80], verbose=0)
    asking = Asking(model, PROBE)
    through = Sequential([layers.Flatten(input_shape=(3,))])
    with nothing_left_behind():
        got = through.predict(asking, workers=2, use_multiprocessing=True)
    np.testing.assert_array_equal(got, np.concatenate([model.predict(PROBE)] * 4))


class Asking(Sequence):
    def __init__(self, model: Model, x: np.ndarray) -> None:
        super().__init__()
        self.model, self.x = model, x

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return self.model.predict(self.x)


def test_the_other_threads_callbacks_and_stops_are_their_own() -> None:
    seen: list[Any] = []

    class Ends(Callback):
        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append((self.model, self.model.predict(PROBE[:4]).shape))
            self.model.stop_evaluating = True

    def run(act: Callable[[Model], Any]) -> Any:
        model = classifier()

        class AtTest(Callback):
            def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
                if batch == 1:
                    act(model)

        history = model.fit(
            X[:64], Y[:64], 8, epochs=2, verbose=0, validation_data=(PROBE, PROBE_Y), validation_batch_size=7,
            callbacks=[AtTest()],
        )  # fmt: skip
        return history.history, bits(model)

    other = Ends()
    alone = run(lambda model: None)
    got = run(lambda m: elsewhere(lambda: m.evaluate(PROBE, PROBE_Y, 10, verbose=0, callbacks=[other])))
    assert got == alone
    assert len(seen) == 2  # it ended itself after one batch in each epoch, and not the validation


# -- a training that begins in the middle of a call ----------------------------------------------------


@pytest.mark.parametrize("where", ["another thread", "this thread", "the puller"])
@pytest.mark.parametrize("how", ["fit", "train_on_batch", "set_weights"])
def test_a_prediction_keeps_its_weights_when_a_training_begins(where: str, how: str) -> None:
    model = classifier()
    change = {
        "fit": lambda: model.fit(X[:80], Y[:80], verbose=0),
        "train_on_batch": lambda: model.train_on_batch(X[:80], Y[:80]),
        "set_weights": lambda: model.set_weights([np.zeros_like(w) for w in model.get_weights()]),
    }[how]
    want = model.predict(PROBE)

    def parts() -> Iterator[Any]:
        yield PROBE[:10]
        yield PROBE[10:40]
        assert not isinstance(elsewhere(change) if where == "another thread" else change(), Exception)
        yield PROBE[40:60]
        yield PROBE[60:]

    got = model.predict(parts(), verbose=0, workers=None if where == "the puller" else 0)
    assert got.tobytes() == want.tobytes()
    assert (model.predict(PROBE) != want).any()


def train_in_pieces(model: Model) -> list[Any]:
    return [model.train_on_batch(X[i : i + 8], Y[i : i + 8], reset_metrics=not i) for i in range(0, 80, 8)]


@pytest.mark.parametrize("eager", [False, True])
def test_an_evaluation_keeps_weights_and_results_when_a_training_begins(eager: bool) -> None:
    model = classifier(eager)
    want = model.evaluate(PROBE, PROBE_Y, 10, verbose=0)

    def change() -> list[float]:
        return [
            model.train_on_batch(X[i : i + 8], Y[i : i + 8], reset_metrics=not i) for i in range(0, 80, 8)
        ]

    def parts() -> Iterator[Any]:
        for i in range(0, 70, 10):
            if i == 30:
                losses.extend(elsewhere(change))
            yield PROBE[i : i + 10], PROBE_Y[i : i + 10]

    losses: list[Any] = []
    assert model.evaluate(parts(), verbose=0, workers=0) == want
    twin = classifier(eager)
    assert losses == train_in_pieces(twin)
    assert bits(model) == bits(twin)


def test_a_prediction_that_waits_for_the_trainer_does_not_block_it() -> None:
    model = classifier()
    trained = threading.Event()

    def parts() -> Iterator[Any]:
        yield PROBE
        thread.start()
        assert trained.wait(30)
        yield PROBE

    def run() -> None:
        model.fit(X[:80], Y[:80], verbose=0)
        trained.set()

    thread = threading.Thread(target=run, daemon=True)
    got = model.predict(parts(), workers=0)
    assert (got[:70] == got[70:]).all()


def test_an_evaluation_before_the_first_fit_leaves_its_validation_alone() -> None:
    found = []
    for looks in (False, True):
        model = classifier()
        if looks:
            model.evaluate(PROBE, PROBE_Y, verbose=0)
        found.append(model.fit(X[:80], Y[:80], validation_data=(PROBE, PROBE_Y), verbose=0).history)
    assert found[0] == found[1]


# -- two that would change one model -------------------------------------------------------------------


CHANGES: dict[str, Callable[[Any, Path], Any]] = {
    "fit": lambda model, path: model.fit(X[:8], Y[:8], verbose=0),
    "fit_generator": lambda model, path: model.fit_generator(Rows(), 2, verbose=0),
    "train_on_batch": lambda model, path: model.train_on_batch(X[:8], Y[:8]),
    "set_weights": lambda model, path: model.set_weights(model.get_weights()),
    "weights of a layer": lambda model, path: model.layers[0].set_weights(model.layers[0].get_weights()),
    "assign": lambda model, path: model.weights[0].assign(model.weights[0].numpy()),
    "load_weights": lambda model, path: model.load_weights(path),
    "compile": lambda model, path: model.compile("sgd", "sparse_categorical_crossentropy"),
    "compile with its optimizer": lambda model, path: classifier().compile(model.optimizer, "mse"),
    "add": lambda model, path: model.add(layers.Dense(3)),
    "pop": lambda model, path: model.pop(),
    "reset_metrics": lambda model, path: model.reset_metrics(),
}


@pytest.mark.parametrize("what", CHANGES)
def test_changes_beside_a_fit_are_refused_and_harm_nothing(what: str, tmp_path: Path) -> None:
    def run(act: Callable[[Model], Any]) -> Any:
        model = classifier(eager=True)
        path = tmp_path / "w.safetensors"
        model.save_weights(path)
        found: list[Any] = []
        at = AtBatch(3, lambda: found.append(elsewhere(lambda: act(model))))
        history = model.fit(X[:96], Y[:96], 8, epochs=2, verbose=0, callbacks=[at], validation_split=0.1)
        return (history.history, bits(model), len(model.layers)), found

    alone, _ = run(lambda model: None)
    got, found = run(lambda model: CHANGES[what](model, tmp_path / "w.safetensors"))
    assert got == alone
    for error in found:
        assert isinstance(error, ModelInUseError)
        assert isinstance(error, RuntimeError)
        assert "another thread ('MainThread') is in fit" in str(error)


def test_of_two_fits_that_begin_together_one_is_refused() -> None:
    for _ in range(5):
        model, alone = classifier(), classifier()
        start, refused = threading.Barrier(2), threading.Event()
        results: list[Any] = []
        waits = AtBatch(3, lambda refused=refused: refused.wait(20))

        def fit(model: Any, waits: Any, start: Any, refused: Any, results: Any) -> None:
            start.wait()
            try:
                results.append(model.fit(X, Y, 8, verbose=0, seed=5, callbacks=[waits]).history)
            except ModelInUseError as error:
                results.append(error)
                refused.set()

        given = model, waits, start, refused, results
        threads = [threading.Thread(target=fit, args=given, daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(isinstance(result, ModelInUseError) for result in results) == [False, True]
        history = next(result for result in results if not isinstance(result, Exception))
        assert history == alone.fit(X, Y, 8, verbose=0, seed=5).history
        assert bits(model) == bits(alone)
        model.fit(X, Y, 8, verbose=0, seed=5)  # no use is left over


def test_single_batches_from_several_threads_come_one_after_the_other() -> None:
    sf.set_random_seed(1)
    model = Sequential([layers.Dense(1, use_bias=False, kernel_initializer="zeros", input_shape=(2,))])
    model.compile(SGD(0.25), lambda y, p: p * y)
    x, y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
    start = threading.Barrier(4)
    losses: list[float] = []

    def work() -> None:
        start.wait()
        losses.extend(model.train_on_batch(x, y) for _ in range(50))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert model.optimizer.iterations == 200
    assert model.get_weights()[0].ravel().tolist() == [-50.0, -50.0]  # each step takes 0.25 from each
    assert sorted(losses, reverse=True) == [-0.5 * step for step in range(200)]


def test_a_fit_inside_a_fit_leaves_the_outer_one_as_it_was() -> None:
    def run(inner: bool) -> Any:
        model = classifier()
        other: list[Any] = []

        def act() -> None:
            before = model.get_weights()
            state = {name: vector.copy() for name, vector in model.optimizer.state.items()}
            steps = model.optimizer.iterations
            if inner:
                other.append(model.fit(X[:16], Y[:16], 8, verbose=0, seed=8))
            model.set_weights(before)
            model.optimizer.restore(state, model.optimizer.hyper.copy(), steps)

        history = model.fit(X[:96], Y[:96], 8, epochs=2, verbose=0, callbacks=[AtBatch(3, act)], seed=4)
        assert model.history is history
        assert all(inside is not history for inside in other)
        return history.history, bits(model)

    assert run(True) == run(False)


# -- models that share weights, and models that do not -------------------------------------------------


def gan() -> tuple[Model, Model, Model]:
    sf.set_random_seed(2)
    noise, sample = Input((6,)), Input((4,))
    generator = Model(noise, layers.Dense(4)(layers.Dense(12, "tanh")(noise)))
    judge = Model(sample, layers.Dense(1, "sigmoid")(layers.Dense(8, "tanh")(sample)))
    judge.compile(SGD(0.1), "binary_crossentropy")
    whole = Model(noise, judge(generator(noise)))
    whole.compile("adam", "binary_crossentropy")
    return generator, judge, whole


def test_models_that_share_weights_keep_the_same_rules() -> None:
    ones = np.ones((1200, 1), "float32")
    generator, judge, whole = gan()
    noted = Moments(lambda: generator.predict(PROBE, batch_size=20))
    history, want = whole.fit(X, ones, 8, verbose=0, callbacks=[noted]).history, bits(whole)
    generator, judge, whole = gan()
    samples = np.ones((4, 4), "float32")
    refused: list[Any] = []
    with beside(
        lambda: generator.predict(PROBE, batch_size=20).tobytes(), lambda: judge.predict(samples)
    ) as found:
        assert whole.fit(X, ones, 8, verbose=0).history == history
    assert bits(whole) == want
    assert found[0]
    assert set(found[0]) <= set(noted.answers)
    act = AtBatch(0, lambda: refused.append(elsewhere(lambda: judge.train_on_batch(samples, ones[:4]))))
    whole.fit(X, ones, 8, verbose=0, callbacks=[act])
    assert isinstance(refused[0], ModelInUseError)
    assert "shares weights" in str(refused[0])


def test_models_with_nothing_in_common_train_at_the_same_time() -> None:
    one, other = classifier(), classifier()
    inside = []

    def act() -> None:
        inside.append(elsewhere(lambda: other.fit(X[:80], Y[:80], 8, verbose=0, seed=4).history))

    one.fit(X[:80], Y[:80], 8, verbose=0, callbacks=[AtBatch(3, act)])
    alone = classifier()
    assert inside == [alone.fit(X[:80], Y[:80], 8, verbose=0, seed=4).history]
    assert bits(other) == bits(alone)


# -- without a training ----------------------------------------------------------------------


def test_many_evaluate_and_predict_at_once() -> None:
    model = classifier(eager=True)
    want = model.evaluate(X, Y, 8, verbose=0), model.predict(X, 16).tobytes()
    start = threading.Barrier(6)
    found: list[Any] = []

    def work() -> None:
        start.wait()
        for _ in range(4):
            found.append((model.evaluate(X, Y, 8, verbose=0), model.predict(X, 16).tobytes()))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [want] * 24


def test_a_wrong_label_is_told_to_who_passed_it() -> None:
    model = classifier()
    wrong = PROBE_Y.copy()
    wrong[3] = 7

    def fail() -> bool:
        with pytest.raises(sf.DataError, match="7"):
            model.evaluate(PROBE, wrong, verbose=0)
        return True

    with beside(fail, lambda: model.evaluate(PROBE, PROBE_Y, verbose=0)) as found:
        history = model.fit(X, Y, 8, epochs=3, verbose=0).history
    assert all(found)
    assert np.isfinite(history["loss"]).all()


class Own(Model):
    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = layers.Dense(8, "relu"), layers.Dense(3)

    def call(self, x: Any) -> Any:
        return self.high(self.low(x))


@pytest.mark.parametrize("make", [Own, lambda: Sequential([layers.Dense(8, "relu"), layers.Dense(3)])])
@pytest.mark.parametrize("method", ["predict", "predict_on_batch", "__call__"])
def test_the_first_use_may_be_that_of_several_threads(make: Callable[[], Model], method: str) -> None:
    for _ in range(10):
        model = make()
        start = threading.Barrier(4)
        found: list[np.ndarray] = []

        def work(model: Model = model, start: Any = start, found: Any = found) -> None:
            start.wait()
            found.append(getattr(model, method)(PROBE))

        threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(found) == 4
        assert len(model.weights) == 4
        assert all((answer == found[0]).all() for answer in found)


def test_a_model_that_is_not_built_is_asked_while_it_trains() -> None:
    sf.set_random_seed(1)
    model = Sequential([layers.Dense(8, "relu"), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], 8, verbose=0, seed=2)
    want = bits(model)
    sf.set_random_seed(1)
    model = Sequential([layers.Dense(8, "relu"), layers.Dense(1)])
    model.compile("sgd", "mse")
    found: list[Any] = []

    def batches() -> Iterator[Any]:
        for i in range(0, 1200, 8):
            if i in (0, 400):
                found.append(elsewhere(lambda: model.predict(PROBE)))
            yield X[i : i + 8], X[i : i + 8, :1]

    model.fit(batches(), verbose=0, seed=2, workers=0)
    assert len(found) == 2
    assert all(np.isfinite(answer).all() for answer in found)
    shuffled = Sequential([layers.Dense(8, "relu", input_shape=(6,)), layers.Dense(1)])
    assert len(want) == len(bits(model)) == len(shuffled.weights)
