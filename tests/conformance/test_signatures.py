"""Signatures: section 0 of the contract. Names and order of the seed, Keras 3's additions as keywords."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from oracles.models import Recorder, cut, data, linear, squares

from streamfit import Model

QUEUE = ["max_queue_size", "workers", "use_multiprocessing"]
POSITIONAL: dict[str, list[str]] = {
    "compile": [
        *("optimizer", "loss", "metrics", "loss_weights", "sample_weight_mode", "weighted_metrics"),
        *("target_tensors", "distribute"),
    ],
    "fit": [
        *("x", "y", "batch_size", "epochs", "verbose", "callbacks", "validation_split", "validation_data"),
        *("shuffle", "class_weight", "sample_weight", "initial_epoch", "steps_per_epoch"),
        *("validation_steps", "validation_freq", *QUEUE),
    ],
    "evaluate": ["x", "y", "batch_size", "verbose", "sample_weight", "steps", "callbacks", *QUEUE],
    "predict": ["x", "batch_size", "verbose", "steps", "callbacks", *QUEUE],
    "fit_generator": [
        *("generator", "steps_per_epoch", "epochs", "verbose", "callbacks", "validation_data"),
        *("validation_steps", "validation_freq", "class_weight", *QUEUE, "shuffle", "initial_epoch"),
    ],
    "evaluate_generator": ["generator", "steps", "callbacks", *QUEUE, "verbose"],
    "predict_generator": ["generator", "steps", "callbacks", *QUEUE, "verbose"],
    "train_on_batch": ["x", "y", "sample_weight", "class_weight", "reset_metrics"],
    "test_on_batch": ["x", "y", "sample_weight", "reset_metrics"],
    "predict_on_batch": ["x"],
}
POLICY = ("load_timeout", "on_bad_sample", "max_bad_samples", "worker_init")
KEYWORDS = {
    "fit": {"validation_batch_size", "seed", "audit", *POLICY},
    "fit_generator": {"seed", "audit", *POLICY},
    "evaluate": {"return_dict", *POLICY},
    "predict": {"load_timeout", "out", "worker_init"},
    "evaluate_generator": {"worker_init"},
    "predict_generator": {"worker_init"},
    "train_on_batch": {"return_dict"},
    "test_on_batch": {"return_dict"},
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "compile": {"optimizer": "rmsprop", "loss": None},
    "fit": {"batch_size": None, "epochs": 1, "verbose": "auto", "shuffle": True, "validation_freq": 1},
    "predict": {"verbose": 0},
    "fit_generator": {"epochs": 1, "verbose": 1, "shuffle": True, "initial_epoch": 0},
    "evaluate_generator": {"verbose": 0},
    "train_on_batch": {"y": None, "reset_metrics": True},
}


@pytest.mark.parametrize("method", list(POSITIONAL))
def test_names_order_and_defaults(method: str) -> None:
    parameters = inspect.signature(getattr(Model, method)).parameters
    kinds = inspect.Parameter
    positional = [n for n, p in parameters.items() if p.kind is kinds.POSITIONAL_OR_KEYWORD]
    assert positional[1:] == POSITIONAL[method]
    keywords = {n for n, p in parameters.items() if p.kind is kinds.KEYWORD_ONLY}
    assert keywords == KEYWORDS.get(method, set())
    for name, value in DEFAULTS.get(method, {}).items():
        assert parameters[name].default == value


@pytest.mark.parametrize("method", list(POSITIONAL))
def test_every_argument_is_in_the_docstring(method: str) -> None:
    text = inspect.getdoc(getattr(Model, method)) or ""
    if method.endswith("_generator"):
        assert "see `" in text or "those of `fit`" in text
        return
    for name in [*POSITIONAL[method], *KEYWORDS.get(method, ())]:
        assert f"{name}:" in text or f"{name}," in text, name


@pytest.mark.parametrize("name", ["run_eagerly", "steps_per_execution", "jit_compile", "auto_scale_loss"])
def test_keras_3_arguments_of_compile_are_taken(name: str) -> None:
    linear(**{name: 1 if name == "steps_per_execution" else True})


def test_an_unknown_argument_of_compile_is_refused() -> None:
    with pytest.raises(TypeError, match=r"compile got unexpected keyword arguments: \['lr'\]"):
        linear(lr=0.1)


def test_what_cannot_be_had_is_refused_with_advice() -> None:
    with pytest.raises(ValueError, match="target_tensors is not supported: targets come with the data"):
        linear(target_tensors=[np.zeros(3)])
    with pytest.raises(ValueError, match="distribute must be None"):
        linear(distribute="mirrored")
    linear(target_tensors=None, distribute=None)


@pytest.mark.parametrize("method", ["fit", "fit_generator"])
def test_an_unknown_argument_of_fit_is_refused(method: str) -> None:
    arguments = data() if method == "fit" else (cut(*data(), 2), 5)
    with pytest.raises(TypeError, match=r"Unrecognized keyword arguments: \{'foo': 1\}"):
        getattr(linear(), method)(*arguments, verbose=0, foo=1)


@pytest.mark.parametrize("method", ["fit", "fit_generator"])
def test_a_misspelt_argument_of_fit_is_refused_with_the_right_name(method: str) -> None:
    arguments = data() if method == "fit" else (cut(*data(), 2), 5)
    with pytest.raises(TypeError, match=r"arguments: \{'epoch': 3\}\. Did you mean 'epochs'\?$"):
        getattr(linear(), method)(*arguments, verbose=0, epoch=3)


@pytest.mark.parametrize("method", ["fit", "fit_generator"])
def test_only_names_that_can_be_written_are_proposed(method: str) -> None:
    arguments = data() if method == "fit" else (cut(*data(), 2), 5)
    with pytest.raises(TypeError, match=r"arguments: \{'kwarg': 3\}$"):
        getattr(linear(), method)(*arguments, verbose=0, kwarg=3)


@pytest.mark.parametrize("method", ["fit", "fit_generator"])
def test_the_old_name_of_epochs(method: str) -> None:
    x, y = data(4)
    arguments: Any = (x, y) if method == "fit" else (cut(np.tile(x, (2, 1)), np.tile(y, (2, 1)), 2), 2)
    with pytest.warns(
        UserWarning, match="The `nb_epoch` argument in `fit` has been renamed `epochs`"
    ) as caught:
        history = getattr(linear(), method)(*arguments, verbose=0, nb_epoch=2)
    assert history.epoch == [0, 1]
    assert caught[0].filename == __file__


@pytest.mark.parametrize("verbose", [0, 1, 2, "auto", True, False])
def test_verbose(verbose: Any, capsys: pytest.CaptureFixture[str]) -> None:
    model = linear()
    model.fit(*data(), epochs=2, verbose=verbose)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == (4 if verbose else 0)
    assert all("loss: " in line for line in lines[1::2])


def test_evaluate_shows_progress_and_predict_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = data()
    model = linear()
    model.evaluate(x, y)
    assert "loss: " in capsys.readouterr().out
    model.predict(x)
    assert capsys.readouterr().out == ""
    model.predict(x, verbose=1)
    assert "1/1" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
@pytest.mark.parametrize("verbose", [3, -1, "loud", None])
def test_verbose_of_another_kind_is_refused(method: str, verbose: Any) -> None:
    with pytest.raises(ValueError, match="verbose must be 0, 1, 2 or 'auto', got"):
        getattr(linear(), method)(
            data()[0], **({"y": data()[1]} if method != "predict" else {}), verbose=verbose
        )


def test_positional_use_of_the_seed() -> None:
    x, y = data(10)
    model = linear()
    model.compile("sgd", "mse", ["mae"], [1.0], None, ["mse"])
    assert model.metrics_names == ["loss", "mae", "mse"]
    recorder = Recorder()
    history = model.fit(
        x, y, 5, 2, 0, [recorder], 0.0, (x, y), False, None, np.ones(10), 1, 1, 1, 1, 4, 0, False
    )
    assert history.epoch == [1]
    assert recorder.names().count("train_batch_end") == 1
    assert recorder.names().count("test_batch_end") == 1
    assert len(model.evaluate(x, y, 5, 0, np.ones(10), 2, None, 4, 0, False)) == 3
    assert model.predict(x, 5, 0, 1, None, 4, 0, False).shape == (5, 1)
    model.fit_generator(cut(x, y, 5), 1, 2, 0, [recorder], (x, y), 1, 1, None, 4, 0, False, True, 0)
    model.evaluate_generator(cut(x, y, 5), 2, None, 4, 0, False, 0)
    assert model.predict_generator(cut(x, y, 5), 2, None, 4, 0, False, 0).shape == (10, 1)


def test_the_results_of_single_batches() -> None:
    x, y = data(10)
    model = linear(metrics=["mae"])
    loss = squares(model, x, y).mean()
    assert model.train_on_batch(x, y)[0] == pytest.approx(loss, rel=1e-6)
    assert model.train_on_batch(x, y, None, None, True, return_dict=True)["loss"] == pytest.approx(
        loss, rel=1e-6
    )
    assert list(model.test_on_batch(x, y, None, True, return_dict=True)) == ["loss", "mae"]
    assert (model.predict_on_batch(x) == model.predict(x)).all()


@pytest.mark.parametrize("value", [0, -1, 2.5, -2.5, "many", True])
@pytest.mark.parametrize("name", ["max_queue_size", "steps_per_epoch", "validation_steps"])
def test_counts_must_be_counts(name: str, value: Any) -> None:
    if value == 2.5 and name != "max_queue_size":
        return  # numbers of steps are rounded up, as in Keras 2: tests/training/test_parts_of_steps.py
    error = ValueError if value in (0, -1) and value is not True else TypeError
    with pytest.raises(error, match=f"{name} must be"):
        linear().fit(*data(), verbose=0, validation_data=data(), **{name: value})


@pytest.mark.parametrize("name", ["epochs", "initial_epoch", "workers", "seed"])
def test_counts_from_0_must_be_counts(name: str) -> None:
    for value, error in [(-1, ValueError), (1.5, TypeError), ("two", TypeError), (float("nan"), ValueError)]:
        with pytest.raises(error, match=f"{name} must be"):
            linear().fit(*data(), verbose=0, **{name: value})


@pytest.mark.parametrize("size", [0, -3, 2.0, float("nan"), "all", True])
def test_a_batch_size_must_be_a_count(size: Any) -> None:
    error = ValueError if size in (0, -3) and size is not True else TypeError
    for call in (linear().fit, linear().evaluate):
        with pytest.raises(error, match=r"batch_size must be .* write for example batch_size=32"):
            call(*data(), batch_size=size, verbose=0)
    with pytest.raises(error, match="batch_size must be"):
        linear().predict(data()[0], batch_size=size)


@pytest.mark.parametrize("method", ["evaluate", "predict"])
@pytest.mark.parametrize("steps", [0, -1, -1.5, float("inf")])
def test_steps_must_be_a_count(method: str, steps: Any) -> None:
    arguments = data() if method == "evaluate" else data()[:1]
    with pytest.raises((ValueError, TypeError), match="steps must be"):
        getattr(linear(), method)(*arguments, steps=steps, verbose=0)


@pytest.mark.parametrize("shuffle", [None, "batches", 2])
def test_shuffle_of_another_kind_is_refused(shuffle: Any) -> None:
    with pytest.raises(ValueError, match="shuffle must be True, False or 'batch', got"):
        linear().fit(*data(), shuffle=shuffle, verbose=0)


@pytest.mark.parametrize("name", ["y", "sample_weight", "batch_size"])
def test_array_arguments_along_with_a_generator_are_refused(name: str) -> None:
    value = 2 if name == "batch_size" else data()[1]
    with pytest.raises(ValueError, match=rf"`{name}` argument (is not supported|must not be specified) when"):
        linear().fit(cut(*data(), 2), verbose=0, **{name: value})


def test_callbacks_must_be_callbacks() -> None:
    with pytest.raises(TypeError, match="callbacks must be Callback instances"):
        linear().fit(*data(), verbose=0, callbacks=["history"])
