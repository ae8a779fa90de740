"""`text_dataset_from_directory`: texts in files, read where batches are loaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal, Self, overload

import numpy as np

from streamfit._base.checks import truth, whole_or_none
from streamfit._base.errors import SampleError
from streamfit._base.keys import seed_or_none
from streamfit._base.specs import Array
from streamfit.preprocessing.labelled_files import (
    LabelledFiles,
    LabelMode,
    Labels,
    Subset,
    check_kinds,
    check_subset,
    find_files,
)
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.stages import Pass, Stage
from streamfit.streams.stages.elements import Element
from streamfit.streams.traits import SourceTraits


class TextFiles(Stage):
    """Samples that are the texts of files, with targets where there are any.

    Args:
        paths: The files, encoded in UTF-8.
        targets: The target of each, of shape (n, ...); None for texts alone.
        max_length: How many characters of each file to read; None for all.
    """

    def __init__(self, paths: list[str], targets: Array | None, max_length: int | None) -> None:
        super().__init__((), SourceTraits(in_workers=True, batched=False))
        self.paths, self.targets, self.max_length = paths, targets, max_length

    def __repr__(self) -> str:
        return f"text_files({len(self.paths):,} files)"

    def size(self, p: Pass) -> int:
        """Return the number of files."""
        return len(self.paths)

    def space(self, p: Pass) -> int:
        """Return the number of files."""
        return len(self.paths)

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids of files: their positions."""
        return positions

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Read files."""
        texts = [self._text(int(name), row) for row, name in enumerate(ids)]
        return list(texts) if self.targets is None else list(zip(texts, self.targets[ids], strict=True))

    def stacked(self, p: Pass, ids: Array) -> Element:
        """Read files as one batch: an array of `str` objects, which may be of any length."""
        texts = np.empty(len(ids), object)
        texts[:] = [self._text(int(name), row) for row, name in enumerate(ids)]
        return texts if self.targets is None else (texts, self.targets[ids])

    def _text(self, name: int, row: int) -> str:
        path = self.paths[name]
        try:
            if self.max_length is None:
                with open(path, "rb", buffering=0) as whole:
                    return whole.read().decode()
            with open(path, encoding="utf-8", newline="") as file:  # line breaks stay as they are
                return file.read(self.max_length)
        except UnicodeDecodeError as error:
            raise SampleError(
                f"{path!r} is no text in UTF-8: {error.reason} (byte {error.object[error.start]:#x}); "
                "convert it, for example with iconv, or read the files with a function of your own: "
                "source(list(zip(paths, labels)), kind='samples').map(read)",
                row,
            ) from None  # the error holds the file's bytes


class FilePipeline(Pipeline):
    """A pipeline whose elements come from files; its stages keep the attributes.

    Attributes:
        class_names: The name of each class, by its label; None without labels.
        file_paths: The files in the order of their ids, which those of samples are until a stage such as
            `concatenate` or `repeat` gives them others.
    """

    class_names: list[str] | None = None
    file_paths: list[str]

    @classmethod
    def of(cls, stage: Stage, files: LabelledFiles, seed: int | None) -> Self:
        """Make a pipeline of a stage that reads some files."""
        made = cls(stage, seed=seed)
        made.class_names, made.file_paths = files.class_names, files.paths
        return made

    def _with(self, stage: Stage) -> Self:
        made = super()._with(stage)
        made.class_names, made.file_paths = self.class_names, self.file_paths
        return made


@overload
def text_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Labels = ...,
    label_mode: LabelMode | None = ...,
    class_names: Sequence[str] | None = ...,
    batch_size: int | None = ...,
    max_length: int | None = ...,
    shuffle: bool = ...,
    seed: int | None = ...,
    validation_split: float | None = ...,
    subset: Literal["training", "validation"] | None = ...,
    follow_links: bool = ...,
    format: Literal["tf", "grain"] | None = ...,
    verbose: bool = ...,
) -> FilePipeline: ...


@overload
def text_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Labels = ...,
    label_mode: LabelMode | None = ...,
    class_names: Sequence[str] | None = ...,
    batch_size: int | None = ...,
    max_length: int | None = ...,
    shuffle: bool = ...,
    seed: int | None = ...,
    validation_split: float | None = ...,
    *,
    subset: Literal["both"],
    follow_links: bool = ...,
    format: Literal["tf", "grain"] | None = ...,
    verbose: bool = ...,
) -> list[FilePipeline]: ...


def text_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Labels = "inferred",
    label_mode: LabelMode | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: Subset | None = None,
    follow_links: bool = False,
    format: Literal["tf", "grain"] | None = None,
    verbose: bool = True,
) -> FilePipeline | list[FilePipeline]:
    """Make a pipeline of the ``.txt`` files of a folder, in which each folder is a class.

    A file is opened when its batch is loaded, by the worker that loads it. Texts are read as UTF-8, and are
    arrays of `str` objects, (n,); line breaks stay as they are. Other files, and files beside the folders of
    the classes, do not count.

    Args:
        directory: The folder.
        labels: ``'inferred'`` for the folders that the files are in; whole numbers, one for each file in
            alphabetical order of the folders and of the files in each; None for texts alone.
        label_mode: ``'int'``: int32 (n,); ``'binary'``: 0 or 1, float32 (n, 1); ``'categorical'``: one-hot
            rows, float32 (n, classes); None for texts alone, as with ``labels=None``: those of all files
            below the folder.
        class_names: Which folders are the classes, in order; None for all, in alphabetical order.
        batch_size: Samples in a batch; None for single samples.
        max_length: How many characters of each text to read; None for all. What is behind them is not read.
        shuffle: Whether the samples come in another order in each pass.
        seed: Of the orders and of the split; None follows the run.
        validation_split: The fraction of the files for validation.
        subset: ``'training'``, ``'validation'`` or ``'both'``, with `validation_split`. For one seed the
            split is that of Keras; without `shuffle`, the last files are for validation.
        follow_links: Whether to look into folders that are links.
        format: ``'tf'`` and ``'grain'`` are accepted for scripts of Keras; the result is a pipeline.
        verbose: Whether to print how many files there are.

    Returns:
        The pipeline, with `class_names` and `file_paths` (by the ids of samples); a list of two for
        ``'both'``, of which that for validation is in a fixed order.

    Raises:
        ValueError: An argument is none of these, or there are no files.
        OSError: A folder cannot be read.

    Reading raises a `SampleError` with the path of a file that is no UTF-8.

    Example:
        >>> import pathlib, tempfile
        >>> holder = tempfile.TemporaryDirectory()
        >>> folder = pathlib.Path(holder.name)
        >>> for name in ("bad", "good"):
        ...     (folder / name).mkdir()
        ...     _ = (folder / name / "1.txt").write_text(f"It is {name}.")
        >>> texts = text_dataset_from_directory(folder, batch_size=2, shuffle=False)
        2 files of 2 classes
        >>> texts.class_names, next(iter(texts))
        (['bad', 'good'], (array(['It is bad.', 'It is good.'], dtype=object), array([0, 1], dtype=int32)))
        >>> holder.cleanup()
    """
    shuffle, length = truth("shuffle", shuffle), whole_or_none("max_length", max_length, 1)
    size, seed = whole_or_none("batch_size", batch_size, 1), seed_or_none(seed)
    check_kinds(label_mode, format)
    check_subset(validation_split, subset, shuffle, seed)
    labels = None if label_mode is None else labels
    files = find_files(directory, labels, class_names, (".txt",), truth("follow_links", follow_links))
    mode = None if labels is None else label_mode
    if truth("verbose", verbose):
        files.tell()
    parts = files.subsets(shuffle, seed, validation_split, subset)
    made = [_pipeline(part, mode, length, size, shuffled, seed) for part, shuffled in parts]
    return made if subset == "both" else made[0]


def _pipeline(
    files: LabelledFiles,
    mode: LabelMode | None,
    max_length: int | None,
    batch_size: int | None,
    shuffle: bool,
    seed: int | None,
) -> FilePipeline:
    targets = None if mode is None else files.targets(mode)
    made = FilePipeline.of(TextFiles(files.paths, targets, max_length), files, seed)
    made = made.shuffle() if shuffle else made
    return made if batch_size is None else made.batch(batch_size)
