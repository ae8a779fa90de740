"""Files of a folder with their labels: found, ordered, and split for training and validation.

What data sets of files have in common, whatever is in the files. For one seed the order and the split are
those of Keras 3.

Guarantees kept here: a file that is there is found, or there is an error; the two subsets of a split have no
file in common and together have all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamfit._base.checks import integer, number
from streamfit._base.errors import DataError
from streamfit._base.keys import derive, seed_from
from streamfit._base.specs import Array
from streamfit._base.telling import tell

LabelMode = Literal["int", "categorical", "binary"]
Subset = Literal["training", "validation", "both"]
Labels = Literal["inferred"] | Sequence[int] | None


@dataclass(frozen=True)
class LabelledFiles:
    """Paths with labels.

    Args:
        paths: The files.
        labels: The label of each, int32 (n,); None without labels.
        class_names: The name of each class; None without labels.
    """

    paths: list[str]
    labels: Array | None = None
    class_names: list[str] | None = None

    def part(self, order: Array) -> LabelledFiles:
        """Return some of the files, in an order."""
        labels = None if self.labels is None else self.labels[order]
        return replace(self, paths=[self.paths[at] for at in order], labels=labels)

    def shuffled(self, seed: int) -> LabelledFiles:
        """Return the files in the order that Keras gives them for a seed."""
        start = seed_from(seed)
        if start >= 1 << 32:  # NumPy's old generator takes 32 bits
            start = derive(start, "files") >> 32
        return self.part(np.random.RandomState(start).permutation(len(self.paths)))

    def split(self, fraction: float) -> tuple[LabelledFiles, LabelledFiles]:
        """Return the files for training, and the last ``int(fraction * n)`` for validation.

        Raises:
            ValueError: One of the two would be empty.

        Example:
            >>> first, second = LabelledFiles(["a", "b", "c"]).split(0.4)
            >>> first.paths, second.paths
            (['a', 'b'], ['c'])
        """
        total = len(self.paths)
        count = int(fraction * total)
        if not 0 < count < total:
            raise ValueError(
                f"validation_split={fraction} of {total} files leaves {total - count} for training and "
                f"{count} for validation; write another fraction"
            )
        order = np.arange(total)
        return self.part(order[:-count]), self.part(order[-count:])

    def subsets(
        self, shuffle: bool, seed: int | None, validation_split: float | None, subset: Subset | None
    ) -> list[tuple[LabelledFiles, bool]]:
        """Return the subset that is wanted, or both, each with whether it is shuffled in each pass.

        Args:
            shuffle: Whether the files are shuffled, before they are split and in each pass; those for
                validation beside those for training are in a fixed order.
            seed: Of the shuffling; None leaves the files in order.
            validation_split: The fraction for validation; None for all files as one.
            subset: As `check_subset` takes it.

        Raises:
            ValueError: A subset would be empty.
        """
        files = self.shuffled(seed) if shuffle and seed is not None else self
        if validation_split is None:
            return [(files, shuffle)]
        training, validation = files.split(validation_split)
        if subset == "both":
            return [(training, shuffle), (validation, False)]
        return [(training if subset == "training" else validation, shuffle)]

    def tell(self) -> None:
        """Print how many files there are."""
        classes = "" if self.class_names is None else f" of {len(self.class_names)} classes"
        tell(f"{len(self.paths):,} files{classes}")

    def targets(self, mode: LabelMode) -> Array:
        """Return what a model learns of each file.

        Args:
            mode: ``'int'``: int32 (n,); ``'binary'``: 0 or 1, float32 (n, 1); ``'categorical'``: one-hot
                rows, float32 (n, classes).

        Raises:
            ValueError: The mode is ``'binary'`` and there are not two classes.
            DataError: A label is not the number of a class.
        """
        labels, classes = self.labels, len(self.class_names or ())
        if labels is None:
            raise ValueError("the files have no labels")
        if mode == "int":
            return labels
        if mode == "binary" and classes != 2:
            raise ValueError(
                f"label_mode='binary' needs two classes, got {self.class_names}; write 'categorical'"
            )
        wrong = labels[(labels < 0) | (labels >= classes)]
        if wrong.size:
            raise DataError(
                f"label {wrong[0]} is not in 0..{classes - 1}; number the {classes} classes from 0"
            )
        if mode == "binary":
            return labels.astype(np.float32)[:, None]
        return np.eye(classes, dtype=np.float32)[labels]


def check_kinds(label_mode: object, format: object) -> None:
    """Check two arguments of Keras.

    Raises:
        ValueError: One is none of those that there are.
    """
    if label_mode not in (None, "int", "binary", "categorical"):
        raise ValueError(f"label_mode={label_mode!r}: write 'int', 'binary', 'categorical' or None")
    if format not in (None, "tf", "grain"):
        raise ValueError(f"format={format!r}: the result is a pipeline of this library; leave it out")


def check_subset(validation_split: float | None, subset: str | None, shuffle: bool, seed: object) -> None:
    """Check the arguments that say which subset of the files is wanted.

    Raises:
        ValueError: They contradict each other, or one is out of range.
    """
    if subset not in (None, "training", "validation", "both"):
        raise ValueError(f"subset={subset!r}: write 'training', 'validation', 'both' or None")
    if (validation_split is None) != (subset is None):
        raise ValueError(
            f"validation_split={validation_split} and subset={subset!r} go together; give both or none"
        )
    if validation_split is None:
        return
    if not 0 < number("validation_split", validation_split) < 1:
        raise ValueError(
            f"validation_split={validation_split}: write a fraction between 0 and 1, such as 0.2"
        )
    if shuffle and seed is None:
        raise ValueError(
            "validation_split of shuffled files needs a seed, so that the subsets have no file in common"
        )


def find_files(
    directory: str | os.PathLike[str],
    labels: Labels,
    class_names: Sequence[str] | None,
    suffixes: tuple[str, ...],
    follow_links: bool = False,
) -> LabelledFiles:
    """Find the files of a folder, in alphabetical order.

    Args:
        directory: The folder.
        labels: ``'inferred'``: each folder in it is a class, and files beside these folders do not count; a
            label for each file; or None.
        class_names: Which folders are the classes, in order; None for all, in alphabetical order. Those whose
            names begin with a dot do not count.
        suffixes: How the names of the files end, in lower case; other files do not count.
        follow_links: Whether to look into folders that are links.

    Raises:
        ValueError: There are no such files, a class has no folder, or there is not one label for each file.
        OSError: A folder cannot be read.
    """
    top = os.fspath(directory)
    if labels != "inferred":
        if class_names is not None:
            raise ValueError(f"class_names={class_names!r} are for labels='inferred'; leave them out")
        paths = list(_walk(top, suffixes, follow_links))
        found = LabelledFiles(paths) if labels is None else _with_labels(paths, labels, top)
    else:
        names = _classes(top, class_names)
        by_class = [list(_walk(os.path.join(top, name), suffixes, follow_links)) for name in names]
        numbers = np.repeat(np.arange(len(names), dtype=np.int32), [len(paths) for paths in by_class])
        found = LabelledFiles([path for paths in by_class for path in paths], numbers, names)
    if not found.paths:
        where = "in the folders of" if labels == "inferred" else "in"
        loose = labels == "inferred" and any(name.lower().endswith(suffixes) for name in os.listdir(top))
        advice = "; those in it belong to no class: make a folder of each class" if loose else ""
        raise ValueError(f"there are no files {' '.join(suffixes)} {where} {top!r}{advice}")
    return found


def _classes(top: str, class_names: Sequence[str] | None) -> list[str]:
    folders = sorted(
        entry.name for entry in os.scandir(top) if entry.is_dir() and not entry.name.startswith(".")
    )
    if class_names is None:
        return folders
    names = list(class_names)
    missing = [name for name in names if name not in folders]
    if missing or len(set(names)) < len(names) or isinstance(class_names, str):
        raise ValueError(
            f"class names {class_names!r} must be names of folders in {top!r}, each once: {folders}"
        )
    return names


def _with_labels(paths: list[str], labels: Any, top: str) -> LabelledFiles:
    if not isinstance(labels, (list, tuple, np.ndarray)):
        raise ValueError(f"labels={labels!r}: write 'inferred', a list of whole numbers, or None")
    if len(labels) != len(paths):
        raise ValueError(
            f"there are {len(labels)} labels for {len(paths)} files in {top!r}; give one for each file"
        )
    numbers = [integer(label) for label in labels]
    if None in numbers:
        at = numbers.index(None)
        raise ValueError(f"labels[{at}] is {labels[at]!r}; labels must be whole numbers")
    return LabelledFiles(paths, np.array(numbers, np.int32), [str(label) for label in sorted(set(numbers))])  # type: ignore[type-var]


def _walk(top: str, suffixes: tuple[str, ...], follow_links: bool) -> Iterator[str]:
    """Yield the files below a folder: those of one folder after the other, by name.

    Raises:
        ValueError: A link leads to a folder that it lies in, so that there would be no end.
        OSError: A folder cannot be read.
    """
    folders = os.walk(top, onerror=_raise, followlinks=follow_links)
    for root, _, names in sorted(_without_circles(folders) if follow_links else folders):
        for name in sorted(names):
            if name.lower().endswith(suffixes):
                yield os.path.join(root, name)


def _without_circles(folders: Iterator[Any]) -> Iterator[Any]:
    for found in folders:
        path = Path(found[0]).absolute()
        real = path.resolve()
        if path.is_symlink() and real in [parent.resolve() for parent in path.parents]:
            raise ValueError(
                f"{found[0]!r} is a link to a folder that it lies in; remove it, or write follow_links=False"
            )
        yield found


def _raise(error: OSError) -> None:
    raise error
