"""The number of processors and of threads for BLAS changes no bit; users keep their own setting."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
from oracles.scripts import environment

import streamfit
from streamfit import Sequential, initializers, layers, ops
from streamfit.callbacks import LambdaCallback

pytestmark = [pytest.mark.jit, pytest.mark.timeout(100)]

PROGRAM = """
import hashlib, threading
import numpy as np
import streamfit
from streamfit import Input, Model, Sequential, initializers, layers, ops

def report(name, *arrays):
    print(name, hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()[:12])

def network(seed):
    streamfit.set_random_seed(seed)
    model = Sequential([
        layers.Dense(300, activation="tanh", input_shape=(400,), kernel_initializer="orthogonal"),
        layers.Dropout(0.2), layers.Dense(200), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model

def trained(model):
    model.fit(x, y, batch_size=200, epochs=2, verbose=0, validation_split=0.25)
    return model.get_weights()

rng = np.random.default_rng(0)
x, y = rng.normal(size=(800, 400)), rng.normal(size=(800, 1))
report("orthogonal", initializers.Orthogonal(seed=1)((500, 300), "float64"))
model = network(1)
report("fit", *trained(model))
report("evaluate", model.evaluate(x, y, batch_size=400, verbose=0))
report("predict", model.predict(x, batch_size=800))
report("train_on_batch", model.train_on_batch(x, y), *model.get_weights())
report("matmul", ops.matmul(rng.normal(size=(4, 300, 200)), rng.normal(size=(4, 200, 300))))
report("dense", ops.dense(x, rng.normal(size=(400, 300)), np.zeros(300), "relu"))
# Three threads at once: the first that ends must not give the others more threads of BLAS.
models = [network(seed) for seed in (2, 3, 4)]
threads = [threading.Thread(target=trained, args=(model,)) for model in models]
for thread in threads: thread.start()
for thread in threads: thread.join()
report("threads", *(weight for model in models for weight in model.get_weights()))
streamfit.set_floatx("float64")
report("double", *trained(network(5)))
"""


def start(threads: str | None, cpus: set[int]) -> subprocess.Popen[str]:
    surroundings = environment()
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        surroundings.pop(name, None)
        if threads is not None:
            surroundings[name] = threads

    def limit() -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cpus)

    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=surroundings,
        preexec_fn=limit,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(os.name != "posix", reason="limits a process to some processors before it starts")
def test_processors_and_threads_change_no_bit() -> None:
    every = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    first = {min(every)} if every else set()
    runs = [start(None, first), start("4", every), start(None, every)]
    outputs = []
    for run in runs:
        out, err = run.communicate()
        assert run.returncode == 0, err
        outputs.append(out.splitlines())
    assert len(outputs[0]) == 9
    assert outputs[0] == outputs[1]
    assert outputs[0] == outputs[2]


def limits() -> dict[str, int]:
    """Return the number of threads of each loaded BLAS library, by its file."""
    pools = pytest.importorskip("threadpoolctl").threadpool_info()
    return {pool["filepath"]: pool["num_threads"] for pool in pools if pool["user_api"] == "blas"}


def large() -> Any:
    streamfit.set_random_seed(0)
    model = Sequential([layers.Dense(300, input_shape=(400,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


X, Y = np.random.default_rng(0).normal(size=(400, 400)), np.zeros((400, 1))


def with_nan_labels(model: Any) -> None:
    wrong = Sequential([layers.Dense(300, input_shape=(400,)), layers.Dense(2)])
    wrong.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="class"):
        wrong.fit(X, np.full(400, 5), batch_size=200, verbose=0)


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model.fit(X, Y, batch_size=200, verbose=0),
        lambda model: model.predict(X, batch_size=400),
        lambda model: ops.matmul(X[None], X[None]),
        lambda model: initializers.Orthogonal(seed=1)((300, 300)),
        with_nan_labels,
    ],
    ids=["fit", "predict", "ops", "orthogonal", "stopped"],
)
def test_the_users_number_of_threads_is_as_before(use: Any) -> None:
    control = pytest.importorskip("threadpoolctl")
    model = large()
    use(model)  # loads the libraries
    with control.threadpool_limits(3, user_api="blas"):
        before = limits()
        seen = []
        looks = LambdaCallback(on_batch_end=lambda batch, logs: seen.append(limits()))
        model.fit(X, Y, batch_size=200, verbose=0, callbacks=[looks])
        use(model)
        assert limits() == before
        assert seen == [before] * 2
    assert 3 in before.values()


def test_it_is_as_before_when_several_threads_have_used_it() -> None:
    control = pytest.importorskip("threadpoolctl")
    models = [large() for _ in range(4)]
    models[0].predict(X, batch_size=400)
    with control.threadpool_limits(2, user_api="blas"):
        before = limits()
        threads = [threading.Thread(target=lambda m=m: m.fit(X, Y, 200, 5, verbose=0)) for m in models]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert limits() == before
