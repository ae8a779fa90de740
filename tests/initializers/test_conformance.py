"""Every initializer: shapes, dtypes, seeds, descriptions, names."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import numpy as np
import pytest

from streamfit import initializers
from streamfit._base.config import set_floatx, set_random_seed
from streamfit._base.errors import UnknownNameError

CASES = [
    initializers.Zeros(),
    initializers.Ones(),
    initializers.Constant(0.5),
    initializers.Identity(2.0),
    initializers.RandomUniform(-1.0, 2.0, seed=3),
    initializers.RandomNormal(1.0, 2.0, seed=3),
    initializers.TruncatedNormal(1.0, 2.0, seed=3),
    initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal", seed=3),
    initializers.GlorotUniform(seed=3),
    initializers.GlorotNormal(seed=3),
    initializers.HeUniform(seed=3),
    initializers.HeNormal(seed=3),
    initializers.LecunUniform(seed=3),
    initializers.LecunNormal(seed=3),
    initializers.Orthogonal(2.0, seed=3),
]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: type(case).__name__)
RANDOM = [case for case in CASES if hasattr(case, "seed")]
each_random = pytest.mark.parametrize("case", RANDOM, ids=lambda case: type(case).__name__)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each
def test_shape_and_dtype_are_those_asked_for(case: Any, dtype: str) -> None:
    values = case((4, 3), dtype)
    assert values.shape == (4, 3)
    assert values.dtype == dtype
    assert values.flags.c_contiguous
    assert values.flags.writeable
    assert np.isfinite(values).all()


@each
def test_default_dtype_is_floatx(case: Any) -> None:
    assert case((2, 2)).dtype == np.float32
    set_floatx("float64")
    assert case((2, 2)).dtype == np.float64


@each
def test_description_makes_an_equal_initializer(case: Any) -> None:
    for again in (
        initializers.get({"class_name": type(case).__name__, "config": case.get_config()}),
        pickle.loads(pickle.dumps(case)),
    ):
        assert type(again) is type(case)
        np.testing.assert_array_equal(again((3, 3), "float64"), case((3, 3), "float64"))


@each
def test_spellings_of_keras(case: Any) -> None:
    cls = type(case)
    snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("_")
    assert getattr(initializers, snake) is cls
    for spelling in (cls.__name__, snake, cls):
        assert type(initializers.get(spelling)) is cls
    assert initializers.get(case) is case


@each_random
def test_seeded_initializers_repeat_and_unseeded_draw_anew(case: Any) -> None:
    np.testing.assert_array_equal(case((5, 5)), case((5, 5)))
    free = type(case)()
    assert (free((5, 5)) != free((5, 5))).any()
    assert (type(case)(seed=4)((5, 5)) != type(case)(seed=5)((5, 5))).any()


@each_random
def test_unseeded_draws_follow_the_random_seed(case: Any) -> None:
    free = type(case)()
    draws = []
    for _ in range(2):
        set_random_seed(7)
        draws.append((free((3, 3)), free((3, 3))))
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0][0] != draws[0][1]).any()


@each_random
def test_wrong_seeds_are_refused(case: Any) -> None:
    for wrong in (0.5, "1", True):
        with pytest.raises(TypeError, match="seed must be a whole number or None"):
            type(case)(seed=wrong)


def test_every_initializer_has_a_case() -> None:
    classes = {getattr(initializers, name) for name in initializers.__all__}
    wanted = {cls for cls in classes if inspect.isclass(cls)} - {initializers.Initializer}
    assert wanted == {type(case) for case in CASES}


def test_other_names() -> None:
    assert isinstance(initializers.get("uniform"), initializers.RandomUniform)
    assert isinstance(initializers.get("normal"), initializers.RandomNormal)
    assert isinstance(initializers.get("zero"), initializers.Zeros)


def test_function_is_an_initializer() -> None:
    def thirds(shape: Any, dtype: Any) -> Any:
        return np.full(shape, 1 / 3, dtype)

    assert initializers.get(thirds) is thirds


def test_unknown_names_get_a_hint() -> None:
    with pytest.raises(
        UnknownNameError, match=r"Unknown initializer: 'glorot_unifrom'\. Did you mean 'glorot_uni"
    ):
        initializers.get("glorot_unifrom")
    with pytest.raises(TypeError, match="initializer must be a name"):
        initializers.get(None)


def test_base_class_asks_for_draw() -> None:
    with pytest.raises(TypeError, match="Initializer must define draw"):
        initializers.Initializer()((2,))
