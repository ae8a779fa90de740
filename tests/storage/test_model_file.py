"""The model file: what is in it, and that a damaged one is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit.storage.model_file import ModelFile, read_model, write_model

WORDS = [f"word{i}" for i in range(100)] + ["", "ünï", "\ud800", "a\x00b", "\n"]


def content() -> ModelFile:
    arrays = {"weight/a": np.arange(6.0).reshape(2, 3), "weight/b": np.float32(3) * np.ones((), "float32")}
    return ModelFile(
        {"model": {"words": WORDS, "few": ["a", "b"], "n": [1, 2.5, None, float("inf")]}}, arrays
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_model(tmp_path / "m.streamfit", content())
    return tmp_path / "m.streamfit"


def test_there_and_back(path: Path) -> None:
    found = read_model(path)
    assert found.description["model"] == content().description["model"]
    assert found.size == path.stat().st_size
    for name, array in content().arrays.items():
        assert found.arrays[name].dtype == array.dtype
        assert found.arrays[name].shape == array.shape
        assert np.array_equal(found.arrays[name], array)


def test_other_programs_can_read_it(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["model.json", "vocabularies/0.json", "weights.safetensors"]
        described = json.loads(archive.read("model.json"))
        assert described["format"] == "streamfit model"
        assert described["model"]["words"] == {"$vocabulary": "vocabularies/0.json"}
        assert json.loads(archive.read("vocabularies/0.json")) == WORDS
    assert path.parent.iterdir()
    assert [each.name for each in path.parent.iterdir()] == ["m.streamfit"]


def test_a_file_with_any_byte_changed_or_cut_off_is_refused_or_the_same(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    damaged = tmp_path / "damaged.streamfit"
    same = 0
    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 0xFF
        damaged.write_bytes(bytes(changed))
        try:
            found = read_model(damaged)
        except ValueError as error:
            assert "damaged.streamfit" in str(error)  # noqa: PT017
            continue
        same += 1  # a byte that means nothing, such as the time of a member
        assert found.description == read_model(path).description
        assert all(np.array_equal(found.arrays[name], array) for name, array in content().arrays.items())
    assert same < len(whole) / 7 / 4
    for length in range(0, len(whole), 97):
        damaged.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"damaged\.streamfit"):
            read_model(damaged)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "a model file of version 2, this library reads versions up to 1; install"),
        ({"version": "1"}, "a model file of version '1'"),
        ({"format": "pickle"}, "does not say that it is one"),
        ({"model": {"$vocabulary": "vocabularies/9.json"}}, "'vocabularies/9.json' is damaged"),
        ({"model": {"$vocabulary": "model.json"}}, "is no list of words"),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(path: Path, change: dict[str, Any], message: str) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["model.json"] = json.dumps({**json.loads(members["model.json"]), **change}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(ValueError, match=message):
        read_model(path)


def test_a_file_that_is_no_zip_and_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "m.streamfit").write_bytes(b"\x80\x04pickle")
    with pytest.raises(ValueError, match="is not a whole model file of streamfit"):
        read_model(tmp_path / "m.streamfit")
    with pytest.raises(FileNotFoundError):
        read_model(tmp_path / "n.streamfit")
