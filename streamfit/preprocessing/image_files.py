"""`images` and `image_table`: images in folders, lists and tables of paths."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, cast

import numpy as np

from streamfit._base.checks import is_mapping
from streamfit._base.errors import DataError
from streamfit._base.names import did_you_mean
from streamfit._base.specs import Array
from streamfit.preprocessing.image.decoding import ENDINGS, MAX_PIXELS, ColorMode
from streamfit.preprocessing.image.encoded_images import EncodedImages, ImagePaths
from streamfit.preprocessing.image.image_form import Fit, ImageForm, ImageSize
from streamfit.preprocessing.labelled_files import LabelledFiles
from streamfit.preprocessing.labelled_files import find_files as find_classes
from streamfit.preprocessing.text_files import FilePipeline
from streamfit.streams.frames import DataFrame, is_frame
from streamfit.streams.stores.paths import Paths, find_files

Table = str | os.PathLike[str] | DataFrame | Mapping[str, Sequence[object]]
"""The path of a CSV file with a line of names, a data frame, or a dictionary of columns."""


def images(
    paths: Paths,
    labels: Literal["inferred"] | Sequence[object] | Array | None = "inferred",
    *,
    class_names: Sequence[str] | None = None,
    color_mode: ColorMode = "rgb",
    image_size: ImageSize | None = None,
    fit: Fit = "stretch",
    interpolation: str = "bilinear",
    antialias: bool = True,
    dtype: str = "uint8",
    data_format: str | None = None,
    max_pixels: int = MAX_PIXELS,
    reduce: bool = False,
    name: str = "images",
) -> FilePipeline:
    """Make a pipeline of images in files. Needs the extra ``image``.

    A file is decoded when its batch is loaded, by the worker that loads it, and turned as its EXIF
    orientation says.

    Args:
        paths: A folder, a file, a glob, or several of them. In folders, files that end in .bmp, .gif, .jpeg,
            .jpg, .png, .webp, .tif and .tiff count.
        labels: ``'inferred'``: the class of an image is the folder in `paths`, where that is one folder, or
            else the folder that it lies in. Or a label for each file: text, of which classes are made in
            alphabetical order, or numbers of shape (n, ...). None for images alone.
        class_names: The classes, in order; None for all.
        color_mode: ``'rgb'``, ``'rgba'`` or ``'grayscale'``.
        image_size: Height and width, or a number for a square; None for those of each file.
        fit: ``'stretch'``, ``'crop'`` or ``'pad'`` for images of another ratio.
        interpolation: ``'bilinear'``, ``'nearest'``, ``'bicubic'``, ``'area'`` or ``'lanczos3'``.
        antialias: Whether each pixel counts where an image shrinks.
        dtype: ``'uint8'`` or ``'float32'``; 0 to 255.
        data_format: ``'channels_last'`` or ``'channels_first'``; None for `image_data_format`.
        max_pixels: Larger images are refused before they are decoded.
        reduce: As for `image_dataset_from_directory`.
        name: What to call the data in messages.

    Returns:
        The pipeline of samples, in the order of the paths, with `class_names` and `file_paths`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: An argument is none of these.

    Example:
        >>> import pathlib, tempfile
        >>> holder = tempfile.TemporaryDirectory()
        >>> path = pathlib.Path(holder.name, "a.ppm")
        >>> _ = path.write_bytes(b"P6 1 1 255 " + bytes([9, 8, 7]))
        >>> next(iter(images([path], [0.5]).batch(1)))
        (array([[[[9, 8, 7]]]], dtype=uint8), array([0.5]))
        >>> holder.cleanup()
    """
    form = ImageForm.of(
        color_mode, image_size, fit, interpolation, antialias, dtype, data_format, max_pixels, reduce
    )
    if isinstance(paths, (str, os.PathLike)) and os.path.isdir(paths) and labels == "inferred":
        found = find_classes(paths, "inferred", class_names, ENDINGS)
        return _pipeline(LabelledFiles(found.paths, None, found.class_names), found.labels, form, name)
    files = find_files(paths, ENDINGS, "images()")
    if labels is None:
        return _pipeline(LabelledFiles(files), None, form, name)
    if isinstance(labels, str):
        if labels != "inferred":
            raise ValueError(f"labels={labels!r}: write 'inferred', a label for each file, or None")
        labels = [os.path.basename(os.path.dirname(os.path.abspath(path))) for path in files]
    if len(labels) != len(files):
        raise ValueError(f"there are {len(labels)} labels for {len(files)} files; give one for each file")
    targets, names = _targets(labels, "labels", class_names)
    return _pipeline(LabelledFiles(files, None, names), targets, form, name)


def image_table(
    table: Table,
    path: str = "path",
    target: str | Sequence[str] | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
    class_names: Sequence[str] | None = None,
    color_mode: ColorMode = "rgb",
    image_size: ImageSize | None = None,
    fit: Fit = "stretch",
    interpolation: str = "bilinear",
    antialias: bool = True,
    dtype: str = "uint8",
    data_format: str | None = None,
    max_pixels: int = MAX_PIXELS,
    reduce: bool = False,
    name: str = "image_table",
) -> FilePipeline:
    """Make a pipeline of images whose paths stand in a table. Needs the extra ``image``.

    Args:
        table: A CSV file with a line of names, a data frame, or a dictionary of columns.
        path: The column of paths.
        target: The column of targets; of several, the numbers make a matrix (n, columns). Whole numbers stay
            such, others become float64, text becomes classes in alphabetical order. None for images alone.
        root: The folder that relative paths begin in; None for that of the CSV file, or the one that the
            program is in.
        class_names: The classes of a column of text, in order; None for all.

    The other arguments are those of `images`.

    Raises:
        ValueError: A column is not there, or an argument is none of these.
        DataError: A value is missing, or is no class.

    Example:
        >>> import pathlib, tempfile
        >>> holder = tempfile.TemporaryDirectory()
        >>> folder = pathlib.Path(holder.name)
        >>> _ = folder.joinpath("a.ppm").write_bytes(b"P6 1 1 255 " + bytes([9, 8, 7]))
        >>> _ = folder.joinpath("all.csv").write_text("path,animal\\na.ppm,cat\\n")
        >>> table = image_table(folder / "all.csv", target="animal")
        >>> table.class_names, next(iter(table.batch(1)))
        (['cat'], (array([[[[9, 8, 7]]]], dtype=uint8), array([0], dtype=int32)))
        >>> holder.cleanup()
    """
    form = ImageForm.of(
        color_mode, image_size, fit, interpolation, antialias, dtype, data_format, max_pixels, reduce
    )
    wanted = [] if target is None else [target] if isinstance(target, str) else list(target)
    columns = _columns(table, [path, *wanted])
    given = os.fspath(table) if isinstance(table, (str, os.PathLike)) else ""
    top = os.path.abspath(os.path.dirname(given) if root is None else root)
    files = [os.path.join(top, _path(value, path, row)) for row, value in enumerate(columns[path])]
    if not files:
        raise ValueError("image_table(): the table has no rows")
    if target is None:
        return _pipeline(LabelledFiles(files), None, form, name)
    if isinstance(target, str):
        targets, names = _targets(columns[target], f"column {target!r}", class_names)
        return _pipeline(LabelledFiles(files, None, names), targets, form, name)
    numbers = []
    for column in wanted:
        made, names = _targets(columns[column], f"column {column!r}", None)
        if names is not None or made.ndim != 1:
            raise DataError(f"column {column!r} holds no numbers; a matrix of targets is made of numbers")
        numbers.append(made)
    return _pipeline(LabelledFiles(files), np.stack(numbers, axis=1), form, name)


def _pipeline(files: LabelledFiles, targets: Array | None, form: ImageForm, name: str) -> FilePipeline:
    stage = EncodedImages(ImagePaths(files.paths, name), targets, form, targets is not None)
    return FilePipeline.of(stage, files, None)


def _path(value: object, column: str, row: int) -> str:
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise DataError(f"column {column!r} holds {value!r} in row {row}, which is no path")
    return os.fspath(value)


def _columns(table: Table, names: Sequence[str]) -> dict[str, Sequence[object]]:
    """Return the columns of a table that are wanted."""
    if isinstance(table, (str, os.PathLike)):
        return _read_csv(os.fspath(table), names)
    if is_frame(table):
        _check_names(names, [str(label) for label in table.columns])
        return {name: list(cast("Iterable[object]", table[name].to_numpy())) for name in names}
    if not is_mapping(table):
        raise TypeError(
            "image_table() needs the path of a CSV file, a data frame or a dictionary of columns, got a "
            f"{type(table).__name__}"
        )
    _check_names(names, list(table))
    found: dict[str, Sequence[object]] = {name: list(table[name]) for name in names}
    lengths = {name: len(column) for name, column in found.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"the columns have different lengths: {lengths}")
    return found


def _check_names(names: Sequence[str], available: Sequence[str]) -> None:
    for name in names:
        if name not in available:
            advice = did_you_mean(name, available)
            raise ValueError(f"the table has no column {name!r}.{advice} Its columns are {list(available)}")


def _read_csv(path: str, names: Sequence[str]) -> dict[str, Sequence[object]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            head = next(lines, [])
            _check_names(names, head)
            places = [head.index(name) for name in names]
            rows: list[list[object]] = [[] for _ in names]
            for line in lines:
                if not line:
                    continue
                if len(line) != len(head):
                    raise DataError(
                        f"{path!r}, line {lines.line_num}: {len(line)} values for {len(head)} columns"
                    )
                for column, place in zip(rows, places, strict=True):
                    column.append(line[place])
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path!r} is no CSV file in UTF-8: {error}") from None
    return {name: _parsed(column) for name, column in zip(names, rows, strict=True)}


def _parsed(column: list[object]) -> Sequence[object]:
    """Return a column of texts as numbers where all of them are."""
    texts = cast("list[str]", column)
    if any("_" in text for text in texts):  # which Python allows inside of numbers
        return column
    for kind in (int, float):
        try:
            return [kind(text) for text in texts]
        except ValueError:
            continue
    return column


def _targets(
    labels: Sequence[object] | Array, what: str, class_names: Sequence[str] | None
) -> tuple[Array, list[str] | None]:
    """Return targets as an array, and the names of the classes that text was numbered by."""
    if isinstance(labels, np.ndarray) and labels.dtype.kind not in "OUS":
        return _finite(labels, what), None
    values = list(labels)
    for row, value in enumerate(values):
        if value is None or value == "" or value != value:
            raise DataError(f"{what}: a value is missing (row {row}); fill it, or leave the row out")
    if not all(isinstance(value, str) for value in values):
        made = np.array(values)
        if made.dtype.kind not in "biuf":
            raise DataError(f"{what}: values must be numbers, or all text; got {values[:3]!r}")
        return _finite(made, what), None
    texts = cast("list[str]", values)
    names = sorted(set(texts)) if class_names is None else list(class_names)
    places = {name: place for place, name in enumerate(names)}
    for row, text in enumerate(texts):
        if text not in places:
            raise DataError(f"{what}: {text!r} (row {row}) is none of the classes {names}")
    return np.array([places[text] for text in texts], np.int32), names


def _finite(made: Array, what: str) -> Array:
    if made.dtype.kind == "f" and not np.isfinite(made).all():
        row = int(np.argwhere(~np.isfinite(made))[0, 0])
        raise DataError(f"{what}: a value is missing or infinite (row {row}); fill it, or leave the row out")
    return made
