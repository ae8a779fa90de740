"""Without an internal of Numba, kernels run through its public functions, with the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit._base.specs import Array
from streamfit.kernels import CallList, KernelStoppedError, decorator, numba_internals, run
from streamfit.kernels.decorator import CompiledKernel, inlined, kernel
from streamfit.kernels.exponentials import tanh
from streamfit.kernels.products import left_by_blas, product_by_blas, right_by_blas

pytestmark = pytest.mark.jit
LIMIT = 120


@inlined
def moved(x: float) -> float:
    """Add a tenth."""
    return x + 0.1


@kernel
def bend(x: Array, out: Array) -> None:
    """Add the hyperbolic tangent of what a function of this file returns."""
    for i in range(x.shape[0]):
        out[i] += tanh(x.dtype.type(moved(x[i])))


@kernel
def stop_above(x: Array, limit: int) -> None:
    """Raise if x[0] is above the limit, as guards do."""
    if x[0] > limit:
        raise FloatingPointError


@kernel
def not_compilable(x: Array) -> None:
    """Use an attribute that no array has."""
    x.no_such_attribute()  # type: ignore[attr-defined]


def fresh(function: Any) -> Any:
    """Return a kernel that nothing was compiled for."""
    return CompiledKernel(function.py_func, function.options)


@pytest.fixture
def internals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Let a test break internals: nothing is found on disk, and all is as before at the end."""
    CallList([(bend, (np.zeros(1, "float32"), np.zeros(1, "float32")))])  # loads the call loop
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(numba_internals._State, "usable", True)
    return monkeypatch


def no_module(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sys.modules, "streamfit.kernels.thunks", None)


def no_compiling(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sys.modules, "streamfit.kernels.compiling", None)
    patch.delattr("streamfit.kernels.compiling", raising=False)


def no_option(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(decorator._BARE, "an_option_of_no_release", True)


def no_object_code(patch: pytest.MonkeyPatch) -> None:
    from numba.core.codegen import CPUCodeLibrary

    patch.delattr(CPUCodeLibrary, "serialize_using_object_code")


def no_hook(patch: pytest.MonkeyPatch) -> None:
    from streamfit.kernels.thunks import CompilerWithThunk

    patch.setattr(CompilerWithThunk, "define_pipelines", lambda self: self.no_such_hook())


def another_layout(patch: pytest.MonkeyPatch) -> None:
    """Take arrays for other words than they are: no thunk may then be written."""
    from streamfit.kernels import thunks

    patch.setattr(thunks, "_layout", lambda kinds: ["p"] * 3)


BROKEN = [no_module, no_compiling, no_option, no_object_code, no_hook, another_layout]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_lists_run_with_the_same_bits(
    broken: Callable[[pytest.MonkeyPatch], None], internals: pytest.MonkeyPatch
) -> None:
    x = np.linspace(-3, 3, 50, dtype="float32")
    expected = np.zeros_like(x)
    CallList([(bend, (x, expected))]).run()
    broken(internals)
    function, total = fresh(bend), np.zeros_like(x)
    with pytest.warns(RuntimeWarning, match="cannot use the internals of Numba") as caught:
        calls = CallList([(function, (x, total))])
    assert len(caught) == 1
    assert not calls.native
    calls.run()
    run([(function, (x, total))])
    function(x, total)
    expected[:] = (expected + expected) + expected
    np.testing.assert_array_equal(total, expected)


@pytest.mark.parametrize("broken", [no_module, no_compiling], ids=lambda broken: broken.__name__)
def test_matrices_are_multiplied(
    broken: Callable[[pytest.MonkeyPatch], None], internals: pytest.MonkeyPatch
) -> None:
    """Whole numbers, so that any order of their sums has the same bits."""
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-9, 9, shape).astype("float32") for shape in ((5, 7), (7, 3)))
    y, ga, gb = np.zeros((5, 3), "float32"), np.zeros_like(a), np.zeros_like(b)
    broken(internals)
    product, left, right = map(fresh, (product_by_blas, left_by_blas, right_by_blas))
    with pytest.warns(RuntimeWarning, match="cannot use the internals of Numba"):
        calls = CallList([(product, (a, b, y)), (left, (y, b, ga)), (right, (a, y, gb))])
    calls.run()
    for got, wanted in ((y, a @ b), (ga, a @ b @ b.T), (gb, a.T @ (a @ b))):
        np.testing.assert_array_equal(got, wanted)


def test_readers_and_several_steps_work(internals: pytest.MonkeyPatch) -> None:
    no_module(internals)
    rows, total = np.ones((6, 4), "float32"), np.zeros(4, "float32")
    with pytest.warns(RuntimeWarning, match="internals"):
        calls = CallList([(fresh(bend), (rows[0], total))])
    reader = calls.input_pointer(rows[0])
    assert calls.run_steps([reader], [rows.reshape(-1)], 6) == 6
    assert total == pytest.approx(6 * np.tanh(1.1))
    reader.feed(np.zeros(4))
    calls.run()
    assert total == pytest.approx(6 * np.tanh(1.1) + np.tanh(0.1))


def test_a_guard_ends_the_list(internals: pytest.MonkeyPatch) -> None:
    no_module(internals)
    x, total = np.array([5.0]), np.zeros(1)
    guard, after = fresh(stop_above), fresh(bend)
    with pytest.warns(RuntimeWarning, match="internals"):
        calls = CallList([(guard, (x, 3)), (after, (x, total))])
    with pytest.raises(KernelStoppedError, match="stop_above") as caught:
        calls.run()
    assert caught.value.kernel is guard
    assert total[0] == 0
    with pytest.raises(FloatingPointError):
        run([(guard, (x, 3))])


def test_a_kernel_with_a_mistake_is_no_reason_to_give_up(internals: pytest.MonkeyPatch) -> None:
    from numba.core.errors import NumbaError

    with pytest.raises(NumbaError, match="no_such_attribute"):
        CallList([(fresh(not_compilable), (np.zeros(1),))])
    assert numba_internals.usable()


def test_the_warning_comes_once(internals: pytest.MonkeyPatch) -> None:
    with pytest.warns(RuntimeWarning, match=r"Numba \d.*\(KeyError: 'gone'\).*slower"):
        numba_internals.give_up(KeyError("gone"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        numba_internals.give_up(KeyError("gone"))


PROGRAM = """
import sys, warnings
if "without" in sys.argv:
    sys.modules["streamfit.kernels.thunks"] = None
    warnings.simplefilter("ignore")
import numpy as np
from streamfit.kernels import numba_internals
from streamfit.layers import Dense
from streamfit.models import Sequential
x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
model = Sequential([Dense(1, input_shape=(3,), kernel_initializer="ones")])
model.compile("sgd", "mse")
history = model.fit(x, x.sum(1, keepdims=True), batch_size=8, epochs=2, seed=1, verbose=0)
print(numba_internals.usable(), history.history["loss"], [w.tobytes().hex() for w in model.get_weights()])
"""


@pytest.mark.timeout(LIMIT)
def test_a_training_has_the_same_bits(tmp_path: Path) -> None:
    def trained(*words: str, **variables: str) -> str:
        environment = {k: v for k, v in os.environ.items() if k != "NUMBA_DISABLE_JIT"}
        environment |= {"PYTHONPATH": os.pathsep.join(sys.path), **variables}
        command = [sys.executable, "-c", PROGRAM, *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT)
        assert done.returncode == 0, done.stderr
        return done.stdout

    usual = trained()
    assert usual.startswith("True")
    assert trained("without", NUMBA_CACHE_DIR=str(tmp_path)) == usual.replace("True", "False", 1)
