"""Audio files against the samples that were written; resampling against soxr's whole files; damaged files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit import DataError, files, stream
from streamfit.utils import audio_dataset_from_directory

soundfile = pytest.importorskip("soundfile")
soxr = pytest.importorskip("soxr")
pytestmark = pytest.mark.extras


def wave(frames: int, channels: int = 1, seed: int = 0) -> Any:
    """Return what 16 bits hold exactly."""
    drawn = np.random.default_rng(seed).integers(-30_000, 30_000, (frames, channels))
    return (drawn / 32768).astype("float32")


def write(path: Path, frames: Any, rate: int = 8000, **options: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, frames, rate, **options)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(6):
        write(tmp_path / "ab"[number % 2] / f"{number}.wav", wave(50 + number, seed=number))
    return tmp_path


@pytest.mark.parametrize("ending", ["wav", "flac"])
@pytest.mark.parametrize("mono", [True, False])
def test_what_was_written_is_read(tmp_path: Path, ending: str, mono: bool) -> None:
    frames = wave(100, 2)
    write(tmp_path / f"x.{ending}", frames, subtype="PCM_16")
    (found,) = files.audio(tmp_path, mono=mono)
    wanted = frames.mean(axis=1, keepdims=True) if mono else frames
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-7)
    assert found.dtype == np.float32


@pytest.mark.parametrize("ending", ["ogg", "mp3"])
def test_compressed_audio_is_near_what_was_written(tmp_path: Path, ending: str) -> None:
    if ending.upper() not in soundfile.available_formats():
        pytest.skip("this libsndfile cannot write it")
    tone = (0.5 * np.sin(np.arange(16_000) * 0.1)).astype("float32")
    write(tmp_path / f"x.{ending}", tone, 16_000)
    (found,) = files.audio(tmp_path)
    assert abs(len(found) - 16_000) < 2_500
    assert 0.3 < found[2000:14_000].std() < 0.4


def test_parts_are_parts_and_are_drawn_anew(tmp_path: Path) -> None:
    ramp = (np.arange(400) / 32768).astype("float32")
    paths = [write(tmp_path / f"{number}.wav", ramp) for number in range(20)]
    clips = files.audio([str(path) for path in paths], np.arange(20), length=100)
    first, second = (list(clips.elements(number)) for number in (0, 1))
    starts = [round(float(x[0, 0]) * 32768) for x, _ in first]
    for (x, _), start in zip(first, starts, strict=True):
        np.testing.assert_array_equal(x[:, 0], ramp[start : start + 100])
    assert len(set(starts)) > 10
    assert starts != [round(float(x[0, 0]) * 32768) for x, _ in second]
    assert [int(y) for _, y in first] == list(range(20))
    x, _ = next(iter(clips.batch(20)))
    np.testing.assert_array_equal(x, np.stack([x for x, _ in first]))
    for at, start in (("start", 0), ("center", 150)):
        x, _ = next(iter(files.audio(str(paths[0]), [0], length=100, at=at)))  # type: ignore[arg-type]
        np.testing.assert_array_equal(x[:, 0], ramp[start : start + 100])


def test_bits_are_the_same_on_workers(folder: Path) -> None:
    clips = files.audio(folder, "inferred", length=20, sample_rate=4000).shuffle().batch(4)
    found = []
    for workers, processes in ((0, False), (2, False), (2, True)):
        with stream(clips, seed=3, workers=workers, use_multiprocessing=processes) as batches:
            found.append([[(x.tobytes(), y.tolist()) for x, y in batches] for _ in range(2)])
    assert found[0] == found[1] == found[2]
    assert sorted(label for _, y in found[0][0] for label in y) == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("rates", [(8000, 16_000), (44_100, 16_000), (16_000, 11_025)])
def test_a_part_of_a_resampled_file_is_a_part_of_the_whole(tmp_path: Path, rates: tuple[int, int]) -> None:
    old, new = rates
    frames = wave(3000)
    paths = [str(write(tmp_path / f"{number}.wav", frames, old)) for number in range(4)]
    whole = soxr.resample(frames, old, new)
    found = next(iter(files.audio(paths[0], sample_rate=new)))
    np.testing.assert_allclose(found, whole, atol=1e-6)
    for at in ("start", "center", "random"):
        for clip in files.audio(paths, sample_rate=new, length=500, at=at):  # type: ignore[arg-type]
            errors = [np.abs(whole[first : first + 500] - clip).max() for first in range(len(whole) - 499)]
            assert min(errors) < 2e-4
            assert at != "start" or int(np.argmin(errors)) == 0


def test_short_files_are_filled_up_or_refused(tmp_path: Path) -> None:
    frames = wave(30)
    write(tmp_path / "x.wav", frames)
    (found,) = files.audio(tmp_path, length=50, padding=0)
    np.testing.assert_array_equal(found, np.pad(frames, ((0, 20), (0, 0))))
    with pytest.raises(DataError, match=r"x.wav' has 30 frames, fewer than length=50; write padding=0"):
        list(files.audio(tmp_path, length=50))
    with pytest.raises(DataError, match="has 60 frames, fewer than length=70"):
        list(files.audio(tmp_path, length=70, sample_rate=16_000))


def damaged(path: Path) -> dict[str, tuple[Path, str]]:
    whole = write(path / "whole.wav", wave(500)).read_bytes()
    flac = write(path / "whole.flac", wave(5000)).read_bytes()
    made = {
        "cut.wav": (whole[:600], "cut off: it says that it holds 1,000 bytes of audio and has 556"),
        "cut.flac": (flac[: len(flac) // 2], "cut off|no audio that can be read"),
        "text.wav": (b"no audio at all, but text", "no audio that can be read"),
        "empty.wav": (b"", "no audio that can be read"),
        "header.wav": (whole[:20], "no audio that can be read"),
    }
    for name, (content, _) in made.items():
        (path / name).write_bytes(content)
    write(path / "silent.wav", wave(0))
    write(path / "other.wav", wave(9), 9000)
    write(path / "stereo.wav", wave(9, 2))
    found = {name: (path / name, message) for name, (_, message) in made.items()}
    return found | {
        "silent.wav": (path / "silent.wav", "holds no audio: it has 0 frames"),
        "other.wav": (
            path / "other.wav",
            "9,000 frames a second, where 8,000 are wanted",
        ),
        "stereo.wav": (path / "stereo.wav", "has 2 channels, and the first file 1"),
        "gone.wav": (path / "gone.wav", "cannot be read: No such file"),
    }


def test_damaged_files_are_named(tmp_path: Path) -> None:
    for name, (path, message) in damaged(tmp_path).items():
        path.touch() if name == "gone.wav" else None
        clips = files.audio([str(tmp_path / "whole.wav"), str(path)], mono=False)
        if name == "gone.wav":
            path.unlink()
        with pytest.raises(DataError, match=message) as caught:
            list(clips)
        assert name in str(caught.value)


def test_a_bad_file_can_be_left_out(tmp_path: Path) -> None:
    bad = damaged(tmp_path)["cut.wav"][0]
    good = str(tmp_path / "whole.wav")
    last = str(write(tmp_path / "last.wav", wave(200)))
    clips = files.audio([good, str(bad), last], [0, 1, 2], length=100).batch(3)
    with (
        stream(clips, seed=0, workers=0, on_bad_sample="skip", max_bad_samples=1) as batches,
        pytest.warns(RuntimeWarning, match="cut.wav"),
    ):
        ((_, y),) = list(batches)
    assert y.tolist() == [0, 2]


def test_streamed_wav_of_unknown_length_is_read(tmp_path: Path) -> None:
    content = bytearray(write(tmp_path / "x.wav", wave(100)).read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "x.wav").write_bytes(bytes(content))
    (found,) = files.audio(tmp_path)
    np.testing.assert_array_equal(found, wave(100))


def test_data_set_of_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = audio_dataset_from_directory(folder, batch_size=4, shuffle=False, label_mode="categorical")
    assert capsys.readouterr().out == "6 files of 2 classes\n"
    assert (made.class_names, made.sample_rate) == (["a", "b"], 8000)
    x, y = next(iter(made))
    assert (x.shape, x.dtype, y.tolist()) == ((4, 54, 1), np.float32, [[1, 0], [1, 0], [1, 0], [0, 1]])
    np.testing.assert_array_equal(x[0, :50], wave(50))
    assert not x[0, 50:].any()
    assert [Path(path).name for path in made.file_paths] == [
        "0.wav",
        "2.wav",
        "4.wav",
        "1.wav",
        "3.wav",
        "5.wav",
    ]


def test_lengths_rates_and_subsets(folder: Path) -> None:
    options: dict[str, Any] = {"verbose": False, "seed": 1, "batch_size": 3}
    cut = audio_dataset_from_directory(
        folder, output_sequence_length=52, labels=None, shuffle=False, **options
    )
    first = next(iter(cut))
    np.testing.assert_array_equal(first[0], np.pad(wave(50), ((0, 2), (0, 0))))
    np.testing.assert_array_equal(first[2], wave(54, seed=4)[:52])
    fast = audio_dataset_from_directory(folder, sampling_rate=16_000, shuffle=False, **options)
    assert (next(iter(fast))[0].shape, fast.sample_rate) == ((3, 108, 1), 16_000)
    both = audio_dataset_from_directory(folder, validation_split=0.34, subset="both", **options)
    assert [len(part.file_paths) for part in both] == [4, 2]
    assert not set(both[0].file_paths) & set(both[1].file_paths)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda path: audio_dataset_from_directory(path, ragged=True), "ragged=True: batches are arrays"),
        (lambda path: audio_dataset_from_directory(path, label_mode="text"), "label_mode='text'"),
        (lambda path: files.audio(path, [1, 2]), "labels has shape .2,., and there are 6 files"),
        (lambda path: files.audio(path, "folders"), "write labels='inferred'"),
        (lambda path: files.audio(path, at="end"), "write 'random', 'start' or 'center'"),
        (lambda path: files.audio(path, length=0), "length must be at least 1"),
        (lambda path: files.audio(path, sample_rate=0), "sample_rate must be at least 1"),
    ],
)
def test_wrong_arguments(folder: Path, call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(folder)
