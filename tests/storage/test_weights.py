"""Weights on disk: there and back, damaged, of another model, and never half written."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.models import data, linear
from oracles.scripts import environment
from safetensors.numpy import load_file, save_file

from streamfit import Input, Model, Sequential, layers
from streamfit.callbacks import ModelCheckpoint
from streamfit.layers import Layer
from streamfit.storage import files


def stack(units: int = 4, **options: Any) -> Sequential:
    return Sequential([Input((3,)), layers.Dense(units, **options), layers.Dense(1)])


def same(left: Any, right: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(left.get_weights(), right.get_weights(), strict=True))


def writes_without_a_name(folder: Path) -> bool:
    """Return whether files of this folder can be written before they have a name."""
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY))
    except (OSError, AttributeError):
        return False
    return os.path.isdir("/proc/self/fd")


@pytest.fixture(params=[False, True], ids=["without a name", "under another name"])
def named(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have files written in both ways."""
    if request.param:
        monkeypatch.setattr(files, "_OPEN_FILES", "/nonexistent")


@pytest.mark.parametrize("kind", [str, Path])
def test_there_and_back(tmp_path: Path, kind: Any) -> None:
    saved, loaded = stack(), stack()
    path = kind(tmp_path / "w.safetensors")
    saved.save_weights(path)
    assert not same(saved, loaded)
    loaded.load_weights(path)
    assert same(saved, loaded)


def test_trained_and_frozen_weights_are_all_there(tmp_path: Path) -> None:
    saved, loaded = stack(), stack()
    saved.layers[0].trainable = False
    for model in (saved, loaded):
        model.compile("adam", "mse")
        model.fit(*data(), verbose=0)
    saved.save_weights(tmp_path / "w.safetensors")
    loaded.load_weights(tmp_path / "w.safetensors")
    assert same(saved, loaded)
    x, y = data()
    assert loaded.evaluate(x, y, verbose=0) == saved.evaluate(x, y, verbose=0)
    loaded.train_on_batch(x, y)
    assert not same(saved, loaded)


def test_scalar_and_float64_weights(tmp_path: Path) -> None:
    class Scale(Layer):
        def build(self, input_shape: Any) -> None:
            self.factor = self.add_weight("factor", (), "ones")

        def call(self, x: Any) -> Any:
            return x * self.factor

    saved = Sequential([Input((3,), dtype="float64"), Scale(dtype="float64")])
    saved.set_weights([np.array(1 / 3)])
    saved.save_weights(tmp_path / "w.safetensors")
    loaded = Sequential([Input((3,), dtype="float64"), Scale(dtype="float64")])
    loaded.load_weights(tmp_path / "w.safetensors")
    assert loaded.get_weights() == [1 / 3]


@pytest.mark.parametrize("name", ["w.ckpt.h4", "w", "w.npz"])
def test_another_ending_is_refused_with_advice(tmp_path: Path, name: str) -> None:
    message = r"must end in '.safetensors' or '.weights.h5', got .* Write 'w.safetensors'"
    for call in (linear().save_weights, linear().load_weights):
        with pytest.raises(ValueError, match=message):
            call(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_kept_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    linear().save_weights(path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="exists; pass overwrite=True to replace it"):
        linear().save_weights(path, overwrite=False)
    assert path.read_bytes() == before
    linear().save_weights(path)
    assert path.read_bytes() != before


@pytest.mark.usefixtures("named")
def test_the_file_is_readable_by_others_as_the_mask_says(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        linear().save_weights(tmp_path / "w.safetensors")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "w.safetensors").stat().st_mode) == 0o644


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no file .*w.safetensors"):
        linear().load_weights(tmp_path / "w.safetensors")


def test_a_model_without_weights_says_how_to_get_them(tmp_path: Path) -> None:
    model = Sequential([layers.Dense(2)])
    for name in ("save_weights", "load_weights"):
        with pytest.raises(
            ValueError, match=f"{name} needs the weights, .* give it an Input or an input_shape"
        ):
            getattr(model, name)(tmp_path / "w.safetensors")


def test_a_model_of_which_some_weights_are_not_made_yet_neither_saves_nor_loads(tmp_path: Path) -> None:
    class Counted(Model):
        def __init__(self) -> None:
            super().__init__()
            self.count = self.add_weight((), "zeros", trainable=False, name="count")
            self.dense = layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.dense(x)

    path, whole = tmp_path / "w.safetensors", Counted()
    whole(np.ones((1, 3), "float32"))
    whole.save_weights(path)
    written = path.read_bytes()
    for name in ("save_weights", "load_weights"):
        with pytest.raises(ValueError, match=f"{name} needs the weights, but .* not built yet"):
            getattr(Counted(), name)(path)
    assert path.read_bytes() == written
    other = Counted()
    other(np.ones((1, 3), "float32"))
    other.load_weights(path)
    assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), other.get_weights(), strict=True))


def test_weights_of_another_model_are_refused_and_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    linear().save_weights(path)
    model, twin = stack(), stack()
    twin.set_weights(model.get_weights())
    with pytest.raises(
        ValueError, match="was written for another model: it holds 2 weights, the model has 4"
    ):
        model.load_weights(path)
    stack(5).save_weights(path)
    with pytest.raises(
        ValueError, match=r"weight 0000/kernel has shape \(3, 5\) in .*, but \(3, 4\) in the model"
    ):
        model.load_weights(path)
    assert same(model, twin)


def test_every_damaged_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    model = linear()
    model.save_weights(path)
    whole = path.read_bytes()
    before = model.get_weights()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        try:
            model.load_weights(path)
        except ValueError:
            pass
        else:  # spaces that pad the header may change
            assert whole[at : at + 1] == b" "
        assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9, 0.999])
def test_a_cut_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "w.safetensors"
    linear().save_weights(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ValueError, match="is not a whole safetensors file"):
        linear().load_weights(path)


def test_files_of_other_programs_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    model = linear()
    model.save_weights(path)
    arrays = {name: array + 1 for name, array in load_file(path).items()}
    save_file(arrays, path)
    expected = [weight + 1 for weight in model.get_weights()]
    model.load_weights(path)
    assert all((a == b).all() for a, b in zip(expected, model.get_weights(), strict=True))


@pytest.mark.usefixtures("named")
def test_what_cannot_be_written_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.safetensors"
    linear().save_weights(path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        linear().save_weights(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["w.safetensors"]


KILLED = """
import os, sys
from streamfit import Input, Sequential, layers
model = Sequential([Input((3,)), layers.Dense(1)])
model.set_weights([w * 0 + 1 for w in model.get_weights()])
model.save_weights(sys.argv[1])
model.set_weights([w * 0 + 2 for w in model.get_weights()])
setattr(os, sys.argv[2], lambda *_, **__: os.kill(os.getpid(), 9))
model.save_weights(sys.argv[1])
"""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("call", ["fsync", "link", "replace"])
def test_a_process_killed_while_it_writes_leaves_the_old_file(tmp_path: Path, call: str) -> None:
    path = tmp_path / "w.safetensors"
    command = [sys.executable, "-c", KILLED, str(path), call]
    done = subprocess.run(command, env=environment(), timeout=50, check=False)
    nameless = writes_without_a_name(tmp_path)
    assert done.returncode == (-signal.SIGKILL if nameless or call != "link" else 0)
    assert len(os.listdir(tmp_path)) == 1 + (call == "replace" or (call == "fsync" and not nameless))
    if done.returncode == 0:
        return
    model = linear()
    model.load_weights(path)
    assert all((weight == 1).all() for weight in model.get_weights())


def test_checkpoints_of_weights(tmp_path: Path) -> None:
    model = linear(optimizer="sgd")
    checkpoint = ModelCheckpoint(tmp_path / "{epoch}.safetensors", save_weights_only=True)
    model.fit(*data(), epochs=2, verbose=0, callbacks=[checkpoint])
    assert sorted(os.listdir(tmp_path)) == ["1.safetensors", "2.safetensors"]
    twin = linear()
    twin.load_weights(tmp_path / "2.safetensors")
    assert same(model, twin)


def test_checkpoints_in_another_format_are_refused_before_training(tmp_path: Path) -> None:
    model = linear(optimizer="sgd")
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"a model is saved as .*write '.*m.streamfit'"):
        model.fit(*data(), verbose=0, callbacks=[ModelCheckpoint(tmp_path / "m.pt")])
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
