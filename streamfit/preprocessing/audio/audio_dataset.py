"""`audio_dataset_from_directory`, as in Keras 3, and `files.audio`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal, Self, get_args, overload

import numpy as np

from streamfit._base.checks import number, truth, whole_or_none
from streamfit._base.keys import seed_or_none
from streamfit._base.specs import Array
from streamfit.preprocessing.audio.audio_files import At, AudioFiles, WaveForm
from streamfit.preprocessing.audio.sound_package import ENDINGS, sound_form
from streamfit.preprocessing.labelled_files import (
    LabelledFiles,
    LabelMode,
    Labels,
    Subset,
    check_kinds,
    check_subset,
    find_files,
)
from streamfit.preprocessing.text_files import FilePipeline
from streamfit.streams.stages import Stage
from streamfit.streams.stores import paths as store_paths


class AudioPipeline(FilePipeline):
    """A pipeline whose elements come from audio files; its stages keep the attributes.

    Attributes:
        sample_rate: Frames in a second.
    """

    sample_rate: int

    def _with(self, stage: Stage) -> Self:
        made = super()._with(stage)
        made.sample_rate = self.sample_rate
        return made


def audio(
    paths: store_paths.Paths,
    labels: object = None,
    *,
    sample_rate: int | None = None,
    mono: bool = True,
    length: int | None = None,
    at: At = "random",
    padding: float | None = None,
    seed: int | None = None,
) -> AudioPipeline:
    """Make a pipeline of audio files: WAV, FLAC, OGG and MP3. Needs the extra ``audio``.

    A sample is a waveform, float32 (frames, channels), or (waveform, label). A file is opened when its batch
    is loaded, by the worker that loads it; with `length` only that part of it is read.

    Args:
        paths: A folder, a glob, a file, or a list of these.
        labels: A label for each file, (n, ...), in the order of `file_paths`; ``'inferred'`` for the numbers
            of the folders that the files are in, in alphabetical order (`paths` is the folder of these); None
            for waveforms alone.
        sample_rate: Frames in a second. Files of other rates are resampled (soxr, its high quality). None
            for the rate of the first file; another rate is an error then.
        mono: Whether the channels are averaged. Else all files have as many as the first one.
        length: How many frames to read of each file; None for all. Then batches need
            ``.padded_batch(...)`` or a crop in front, as files differ in length.
        at: Where these begin: ``'random'``, drawn anew in each pass, by seed, pass and file;
            ``'start'`` or ``'center'``.
        padding: What files with fewer frames are filled up with behind their end, for example 0; None for an
            error.
        seed: Of orders and random numbers; None follows the run.

    Returns:
        The pipeline, with `class_names`, `file_paths` and `sample_rate`.

    Raises:
        ValueError: An argument is none of these.
        FileNotFoundError: There are no such files.
        MissingExtraError: soundfile is not installed.

    Loading raises a `SampleError` with the path of a file that is no audio, is cut off or too short, or
    has another rate; ``fit(on_bad_sample="skip", max_bad_samples=n)`` leaves out up to n of them.
    """
    if isinstance(labels, str):
        if labels != "inferred" or not isinstance(paths, (str, os.PathLike)):
            raise ValueError(f"labels={labels!r}: write labels='inferred' with a folder, an array, or None")
        files = find_files(paths, "inferred", None, ENDINGS)
        targets: Array | None = files.labels
    else:
        files = LabelledFiles(store_paths.find_files(paths, ENDINGS, "files.audio"))
        targets = None if labels is None else np.asarray(labels)
        if targets is not None and targets.shape[:1] != (len(files.paths),):
            raise ValueError(
                f"labels has shape {targets.shape}, and there are {len(files.paths):,} files; give one for "
                "each"
            )
    if at not in get_args(At):
        raise ValueError(f"at={at!r}: write 'random', 'start' or 'center'")
    fill = None if padding is None else number("padding", padding)
    form = _form(files, sample_rate, truth("mono", mono), whole_or_none("length", length, 1), at, fill)
    return _made(files, targets, form, seed_or_none(seed))


@overload
def audio_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Labels = ...,
    label_mode: LabelMode | None = ...,
    class_names: Sequence[str] | None = ...,
    batch_size: int | None = ...,
    sampling_rate: int | None = ...,
    output_sequence_length: int | None = ...,
    ragged: bool = ...,
    shuffle: bool = ...,
    seed: int | None = ...,
    validation_split: float | None = ...,
    subset: Literal["training", "validation"] | None = ...,
    follow_links: bool = ...,
    verbose: bool = ...,
) -> AudioPipeline: ...


@overload
def audio_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Labels = ...,
    label_mode: LabelMode | None = ...,
    class_names: Sequence[str] | None = ...,
    batch_size: int | None = ...,
    sampling_rate: int | None = ...,
    output_sequence_length: int | None = ...,
    ragged: bool = ...,
    shuffle: bool = ...,
    seed: int | None = ...,
    validation_split: float | None = ...,
    *,
    subset: Literal["both"],
    follow_links: bool = ...,
    verbose: bool = ...,
) -> list[AudioPipeline]: ...


def audio_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Labels = "inferred",
    label_mode: LabelMode | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    sampling_rate: int | None = None,
    output_sequence_length: int | None = None,
    ragged: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: Subset | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> AudioPipeline | list[AudioPipeline]:
    """Make a pipeline of the audio files of a folder, in which each folder is a class.

    Needs the extra ``audio``. Files that end in .wav (as in Keras), .flac, .ogg and .mp3 count. A file is
    read when its batch is loaded, by the worker that loads it. Waveforms are float32 (frames, channels); all
    files have as many channels as the first one.

    Args:
        sampling_rate: Frames in a second: files of other rates are resampled. None for the rate of the first
            file; another rate is an error then (Keras mixes them).
        output_sequence_length: How many frames of each file, from its start; shorter ones are filled up with
            0. None fills the files of a batch up to the longest of them.
        ragged: Must be False: batches are arrays.

    The other arguments are those of `text_dataset_from_directory`.

    Returns:
        The pipeline, with `class_names`, `file_paths` and `sample_rate`; a list of two for
        ``subset='both'``.

    Raises:
        ValueError: An argument is none of these, or there are no files.

    Loading raises a `SampleError` with the path of a file that is no audio, or is cut off.
    """
    shuffle, seed = truth("shuffle", shuffle), seed_or_none(seed)
    size = whole_or_none("batch_size", batch_size, 1)
    if truth("ragged", ragged):
        raise ValueError(
            "ragged=True: batches are arrays; leave it out to pad, or give output_sequence_length"
        )
    check_kinds(label_mode, None)
    check_subset(validation_split, subset, shuffle, seed)
    labels = None if label_mode is None else labels
    files = find_files(directory, labels, class_names, ENDINGS, truth("follow_links", follow_links))
    if truth("verbose", verbose):
        files.tell()
    length = whole_or_none("output_sequence_length", output_sequence_length, 1)
    rate = whole_or_none("sampling_rate", sampling_rate, 1)
    form = _form(files, rate, False, length, "start", 0.0)
    made = []
    for part, shuffled in files.subsets(shuffle, seed, validation_split, subset):
        targets = None if labels is None or label_mode is None else part.targets(label_mode)
        each = _made(part, targets, form, seed)
        each = each.shuffle() if shuffled else each
        if size is not None:
            each = each.padded_batch(size) if length is None else each.batch(size)
        made.append(each)
    return made if subset == "both" else made[0]


def _form(
    files: LabelledFiles, rate: object, mono: bool, length: int | None, at: At, padding: float | None
) -> WaveForm:
    """Return what becomes of the files, by what the first one holds."""
    wanted = whole_or_none("sample_rate", rate, 1)
    if wanted is not None and mono:
        return WaveForm(wanted, True, 1, mono, length, at, padding)
    first = sound_form(files.paths[0])
    channels = 1 if mono else first.channels
    return WaveForm(wanted or first.rate, wanted is not None, channels, mono, length, at, padding)


def _made(files: LabelledFiles, targets: Array | None, form: WaveForm, seed: int | None) -> AudioPipeline:
    absolute = LabelledFiles(store_paths.absolute(files.paths), files.labels, files.class_names)
    made = AudioPipeline.of(AudioFiles(absolute.paths, targets, form), files, seed)
    made.sample_rate = form.rate
    return made
