"""`function`: a function of the user's, or a transform of another library, on each image, drawing by key."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np

from streamfit._base.checks import is_mapping, truth
from streamfit._base.errors import DataError, SampleError
from streamfit._base.sample_rows import of_row
from streamfit._base.specs import Array
from streamfit.augment.draws import SampleDraws
from streamfit.augment.foreign_images import FORMS, Form, as_array, given_as
from streamfit.augment.global_generators import OwnGenerators, Seed, global_generators, imported_torch
from streamfit.augment.image_steps import Step
from streamfit.augment.images import Frames
from streamfit.augment.labels import NO_BOX, LabelKind, Labels, named_kinds
from streamfit.augment.transform import LabelKinds, Transform

_KEYWORDS: dict[LabelKind, str] = {"mask": "mask", "boxes": "bboxes", "points": "keypoints"}


class FunctionTransform(Transform):
    """Call a function on each image: one of your own, or a transform of another library.

    ``source(x, y).map(augment.function(f)).batch(32)``. Random numbers depend on seed, pass and sample alone,
    so they are the same on any workers and after a resume: around each call the global generators of
    `random`, NumPy and torch (if it is imported) are seeded from the key of the sample, and then put back.
    Generators that the function holds are seeded too: NumPy's, Python's and torch's in its attributes, its
    closure and the globals that it names, and objects with a method ``set_random_state`` or
    ``set_random_seed`` (Albumentations) or ``seed_`` (imgaug); these are not put back.

    The threads of a process share the global generators, so one thread at a time calls functions; worker
    processes do not wait for one another. Other threads of the program must not draw from the global
    generators meanwhile.

    Ways to be called:

    * ``f(x)``, as torchvision's transforms and plain functions are. It returns the image, or a dictionary
      with ``'image'``.
    * ``f(image=x)``, as those of Albumentations are. It returns the same.
      With `labels`, ``mask=``, ``bboxes=`` and ``keypoints=`` come too, and are in the dictionary returned.
      Boxes are rows (left, upper, right, lower, number), in pixels: ``A.BboxParams(format='pascal_voc')``;
      one that is not returned becomes a row of -1. Key points are rows (x, y, number), where the centre of
      the first pixel is (0, 0): ``A.KeypointParams(format='xy')``; one that is not returned becomes NaN.

    All images of a batch must come back with one dtype and with as many axes as they had; sizes may differ.

    Args:
        function: The function. Worker processes need one that can be pickled.
        form: What it is given: ``'array'``, ``'pil'`` (an image of Pillow, of uint8), or ``'tensor'`` (of
            torch, channels first); None for a tensor where the function is torchvision's, else an array.
        keywords: Whether it is called as ``f(image=x)``; None to see by its parameters.
        labels: Which targets move; see `Transform.with_labels`.
        image: Which entry of a dictionary x holds the images.

    Example:
        >>> from streamfit import augment
        >>> def noise(x):
        ...     return x + np.random.normal(0, 0.1, x.shape).astype("float32")
        >>> noisy = augment.function(noise)
        >>> images = np.zeros((2, 4, 4, 3), np.float32)
        >>> bool((noisy(images, seed=1) == noisy(images, seed=1)).all())
        True
    """

    def __init__(
        self,
        function: Callable[..., object],
        *,
        form: Form | None = None,
        keywords: bool | None = None,
        labels: LabelKinds = None,
        image: str | None = None,
    ) -> None:
        if not callable(function):
            raise TypeError(f"function() takes a function, got {function!r} ({type(function).__name__})")
        if isinstance(function, Transform):
            raise TypeError(f"{function!r} is a transform of streamfit: write .map({function!r})")
        if form not in (None, *FORMS):
            raise ValueError(f"form={form!r}: write 'array', 'pil' or 'tensor'")
        foreign = type(function).__module__.split(".")[0] == "torchvision"
        self.call = function
        self.form: Form = form or ("tensor" if foreign else "array")
        self.keywords = _only_keywords(function) if keywords is None else truth("keywords", keywords)
        named_kinds(labels)
        self.label_kinds, self.image_key = labels, image
        self._own: OwnGenerators | None = None

    def __repr__(self) -> str:
        return f"function({getattr(self.call, '__name__', type(self.call).__name__)})"

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_own": None}

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Refuse: what a function does to an image is not known before it is called.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            f"{self!r} cannot be part of another transform; it is a stage: .map(augment.chain(...))"
            f".map({self!r})"
        )

    def transformed(self, x: object, y: object, keys: Array) -> tuple[object, object]:
        """Return images and targets behind the function."""
        images = [np.array(image) for image in cast("Sequence[Array]", x)]
        labels = self._labels(y, images)
        if self._own is None:
            self._own = OwnGenerators(self.call)
        words = SampleDraws(keys).hashes("function").tolist()
        made: list[Array] = []
        with global_generators() as seed:
            for row, image in enumerate(images):
                with of_row(row):
                    found = self._called(
                        image, {kind: rows[row] for kind, rows in labels.items()}, words[row], seed
                    )
                    made.append(self._checked(found["image"], image, made, row))
                for kind, rows in labels.items():
                    rows[row] = _LABELS[kind](found.get(_KEYWORDS[kind]), rows[row], made[row], row)
        return _stacked(made, x), self._targets(y, labels)

    def _called(
        self, image: Array, labels: Mapping[LabelKind, Array], word: int, seed: Seed
    ) -> Mapping[str, object]:
        """Call the function; where it imports torch, once more, as torch was not seeded before."""
        assert self._own is not None
        options = {_KEYWORDS[kind]: _given(kind, label) for kind, label in labels.items()}
        while True:
            before = imported_torch()
            seed(word)
            self._own.seed(word)
            given = given_as(self.form, image.copy())
            if self.keywords:
                made = self.call(
                    image=given, **{_KEYWORDS[kind]: _given(kind, label) for kind, label in labels.items()}
                )
            else:
                made = self.call(given)
            if imported_torch() == before:
                break
        if is_mapping(made) and "image" in made:
            return made
        if labels:
            raise DataError(
                f"{self!r} returned {_named(made)}; with labels it must return a dictionary with the keys "
                f"'image' and {', '.join(map(repr, options))}"
            )
        return {"image": made}

    def _checked(self, made: object, image: Array, before: Sequence[Array], row: int) -> Array:
        found = as_array(made, image)
        if found is None:
            raise SampleError(f"{self!r} returned {_named(made)}; it must return the image", row)
        if found.ndim != image.ndim or found.dtype.kind not in "fiub":
            raise SampleError(
                f"{self!r} was given an image {image.shape} of {image.dtype} and returned {found.shape} of "
                f"{found.dtype}; it must return numbers, with as many axes as it was given",
                row,
            )
        first = before[0] if before else found
        if found.dtype != first.dtype or found.shape[2:] != first.shape[2:]:
            raise SampleError(
                f"{self!r} returned {found.shape} of {found.dtype}, and {first.shape} of {first.dtype} for "
                "another image; all must have one dtype and as many channels",
                row,
            )
        return found

    def _labels(self, y: object, images: Sequence[Array]) -> dict[LabelKind, list[Array]]:
        """Return the labels of each image, by their kind."""
        if self.label_kinds is None:
            return {}
        if not self.keywords:
            raise ValueError(
                f"{self!r} is called with the image alone, so no labels={self.label_kinds!r} can move with "
                "it; take a function f(image=..., mask=..., bboxes=..., keypoints=...)"
            )
        sizes = np.array([image.shape[:2] for image in images], np.int64).reshape(-1, 2)
        labels = Labels.of(self.label_kinds, y, Frames(sizes, 1, np.dtype(np.uint8), (0.0, 255.0)))
        found: dict[LabelKind, list[Array]] = {}
        for key, kind in labels.kinds.items():
            if kind in found:
                raise ValueError(f"labels={self.label_kinds!r}: a function takes one target of each kind")
            found[kind] = [np.array(label) for label in cast("Sequence[Array]", labels.get(key))]
        return found

    def _targets(self, y: object, labels: Mapping[LabelKind, list[Array]]) -> object:
        kinds = self.label_kinds
        if is_mapping(kinds):
            entries = cast("dict[str, object]", dict(cast("Mapping[str, object]", y)))
            for key, kind in kinds.items():
                entries[key] = _stacked(labels[kind], entries[key])
            return entries
        return y if kinds is None else _stacked(labels[cast(LabelKind, kinds)], y)


def _only_keywords(function: Callable[..., object]) -> bool:
    """Return whether a function takes its image by name: it has ``**keywords`` and no first parameter."""
    try:
        # The parameters of a torch module are those of `forward`.
        parameters = inspect.signature(getattr(function, "forward", function)).parameters.values()
    except (TypeError, ValueError):  # built-in functions may have no signature
        return False
    kinds = [parameter.kind for parameter in parameters]
    takes_one = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    if takes_one.intersection(kinds):
        return False
    named = any(parameter.name == "image" for parameter in parameters)
    return named or inspect.Parameter.VAR_KEYWORD in kinds


def _given(kind: LabelKind, label: Array) -> Array:
    """Return labels as a function takes them."""
    if kind == "mask":
        return label.copy()
    missing = (label == NO_BOX).all(axis=1) if kind == "boxes" else np.isnan(label).any(axis=1)
    shift = label.dtype.type(0.5 if kind == "points" else 0)
    numbers = np.arange(len(label), dtype=label.dtype)[:, None]
    found: Array = np.concatenate([label - shift, numbers], axis=1)[~missing]
    return found


def _mask(made: object, before: Array, image: Array, row: int) -> Array:
    found = as_array(made, before)
    if found is None or found.shape[:2] != image.shape[:2] or found.ndim != before.ndim:
        shape = "none" if found is None else f"{found.shape}"
        raise SampleError(f"an image came back with shape {image.shape}, and as its mask {shape}", row)
    return found


def _boxes(made: object, before: Array, image: Array, row: int) -> Array:
    rows = _rows(made, 5, "bboxes", row)
    found = np.full_like(before, NO_BOX)
    found[_numbers(rows, len(before), "bboxes", row)] = rows[:, :4]
    return found


def _points(made: object, before: Array, image: Array, row: int) -> Array:
    rows = _rows(made, 3, "keypoints", row)
    found = np.full_like(before, np.nan)
    found[_numbers(rows, len(before), "keypoints", row)] = rows[:, :2] + 0.5
    return found


_LABELS: dict[LabelKind, Callable[[object, Array, Array, int], Array]] = {
    "mask": _mask,
    "boxes": _boxes,
    "points": _points,
}


def _rows(made: object, width: int, name: str, row: int) -> Array:
    found = np.asarray([] if made is None else made, np.float64)
    found = found.reshape(-1, width) if not found.size else found
    if found.ndim != 2 or found.shape[1] != width:
        raise SampleError(
            f"{name} came back with shape {found.shape}; the columns that were given, with the number of the "
            f"row as the last one, must come back: (k, {width})",
            row,
        )
    return found


def _numbers(rows: Array, count: int, name: str, row: int) -> Array:
    numbers = np.rint(rows[:, -1]).astype(np.int64)
    if len(set(numbers.tolist())) != len(numbers) or ((numbers < 0) | (numbers >= count)).any():
        raise SampleError(f"{name} came back with the numbers {rows[:, -1].tolist()} for {count} rows", row)
    return numbers


def _stacked(rows: Sequence[Array], like: object) -> object:
    """Return the rows of a batch as one array, where they have one shape; else as a list."""
    alike = len({row.shape for row in rows}) == 1
    if alike or (not rows and isinstance(like, np.ndarray)):
        return np.stack(rows) if rows else like
    return list(rows)


def _named(made: object) -> str:
    if is_mapping(made):
        return f"a dictionary with the keys {list(made)}"
    return "None" if made is None else f"a {type(made).__name__}"
