"""Texts of Parquet: the same values whether they repeat or not; equal ones are one object where they do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit import files

pa = pytest.importorskip("pyarrow", reason="Parquet is read by pyarrow")
parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet is read by pyarrow")

pytestmark = pytest.mark.extras

RNG = np.random.default_rng(0)
WORDS = ["", "a", "né", "𝄞" * 40]
REPEATED = RNG.choice(WORDS, 3000).tolist()
KINDS = {
    "repeated": REPEATED,
    "different": [f"text {number}" for number in range(3000)],
    "late": [f"text {number}" for number in range(1000)] + REPEATED[:2000],
    "early": REPEATED[:2000] + [f"text {number}" for number in range(1000)],
    "one": ["x"],
}


def read(path: Path, table: Any, **options: Any) -> list[Any]:
    parquet.write_table(table, path, row_group_size=5000)
    rows = files.parquet(path, "word", **options)
    return [word for batch in rows.batch(700) for word in batch.tolist()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["string", "large_string"])
def test_texts_stay_what_they_are(tmp_path: Path, kind: str, dtype: str) -> None:
    words = KINDS[kind]
    kept = pa.table({"word": pa.array(words, type=dtype)})
    assert read(tmp_path / "words.parquet", kept) == words
    chunks = pa.chunked_array([pa.array(words[i : i + 900], type=dtype) for i in range(0, len(words), 900)])
    assert read(tmp_path / "chunks.parquet", pa.table({"word": chunks})) == words


def test_equal_texts_are_one_object_where_they_repeat(tmp_path: Path) -> None:
    found = read(tmp_path / "words.parquet", pa.table({"word": REPEATED}))
    assert len({id(word) for word in found}) == len(WORDS)


def test_missing_texts_are_filled_before(tmp_path: Path) -> None:
    words = [None if number % 7 == 0 else word for number, word in enumerate(REPEATED)]
    table = pa.table({"word": pa.array(words, type="string")})
    found = read(tmp_path / "words.parquet", table, nulls={"word": "?"})
    assert found == ["?" if word is None else word for word in words]
