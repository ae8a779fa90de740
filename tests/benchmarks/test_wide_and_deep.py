"""The benchmark of wide-and-deep: all forms of its table are the same rows, and promises compare alike."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from oracles.benchmarks import BENCHMARKS, load


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that measures."""
    return load(BENCHMARKS / "wide_and_deep.py", monkeypatch)


def test_every_variant_belongs_to_a_row_of_one_kind_of_data(driver: ModuleType) -> None:
    names = [side.name for side in driver.contenders(Path("folder"))]
    assert len(set(names)) == len(names)
    rows = {driver.group(name) for name in names}
    kinds = ("strings", "integers")
    peers = {
        f"{peer} from {kind}" for peer in ("Keras on JAX", "Keras on TensorFlow", "PyTorch") for kind in kinds
    }
    assert rows == {driver.ARRAYS, *driver.OURS.values(), *peers}


def test_promises_compare_the_same_kind_of_data(driver: ModuleType) -> None:
    times = {
        **{driver.OURS["strings"]: 10.0, driver.OURS["integers"]: 5.0, driver.ARRAYS: 1.0},
        **{"PyTorch from strings": 50.0, "Keras on JAX from strings": 20.0, "PyTorch from integers": 15.0},
    }
    rows = {name: driver.summarize([value]) for name, value in times.items()}
    found = driver.targets(rows)
    assert [(target.value, target.met) for target in found] == [(2.0, False), (3.0, True)]
    assert "(Keras on JAX from strings)" in found[0].what


@pytest.mark.extras
def test_all_forms_of_the_table_hold_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow", reason="the table is written as Parquet")
    from streamfit import files

    common = load(BENCHMARKS / "peers" / "wide_and_deep_common.py", monkeypatch)
    rng, rows = np.random.default_rng(0), 200
    columns = {name: rng.integers(0, 90, rows).astype(np.float32) for name in common.NUMBERS}
    columns |= {name: rng.choice(np.array(["?", "b", "c", "dé"], object), rows) for name in common.WORDS}
    columns[common.TARGET] = rng.integers(0, 2, rows).astype(np.float32)
    crosses = rng.integers(0, common.BINS, (rows, len(common.CROSSES)))
    common.write(tmp_path, columns, crosses)
    common.write_integers(tmp_path)
    table = common.Table(str(tmp_path))
    assert (table.steps, table.wide.shape, table.y.shape) == (1, (rows, 13), (rows, 1))
    np.testing.assert_allclose(table.numbers.std(0), 1, rtol=1e-5)
    for place, name in enumerate(common.WORDS):
        words = common.vocabulary(columns[name])
        first = sum(table.sizes[:place])
        assert (table.ids[:, place] - first).tolist() == [words[word] for word in columns[name]]
    np.testing.assert_array_equal(table.wide[:, 8:] - table.deep_rows - common.BINS * np.arange(5), crosses)
    stored = files.parquet(str(tmp_path / "integers"), {"wide": list(common.WIDE)}, common.TARGET)
    x, y = next(iter(stored.batch(rows)))
    np.testing.assert_array_equal(x["wide"], table.wide)
    np.testing.assert_array_equal(y, table.y[:, 0])
    names = [*common.NUMBERS, *common.WORDS]
    text, _ = next(iter(files.parquet(str(tmp_path / "rows"), names, common.TARGET).batch(rows)))
    found = sorted(zip(*(text[name].tolist() for name in names), strict=True))
    assert found == sorted(zip(*(columns[name].tolist() for name in names), strict=True))
