"""`ImageLayer`: the base of the layers that preprocess images where batches are loaded.

A layer makes a *transformation* of the draws and the shape of a batch: a dictionary with the random numbers
of each sample, under the names that Keras has for them. Images, masks, boxes and labels are then transformed
with the same one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self, Unpack, cast

import numpy as np
from numpy.typing import ArrayLike

from streamfit._base.checks import is_mapping
from streamfit._base.config import image_data_format, next_seed
from streamfit._base.configs import Config
from streamfit._base.errors import ShapeError
from streamfit._base.keys import derive, each_key, seed_or_none
from streamfit._base.sample_keys import offered_keys
from streamfit._base.specs import Array, Shape, Spec
from streamfit._base.tree import flatten
from streamfit.augment.draws import SampleDraws
from streamfit.layers.base import LayerOptions
from streamfit.layers.checks import one_of
from streamfit.layers.host import HostLayer
from streamfit.layers.image_boxes import box_format, converted, dense_boxes
from streamfit.ops.core import Tensor, is_symbolic

Transformation = Mapping[str, Any]
"""The random numbers of a batch by name; arrays with an entry for each sample."""
Entry = Spec | Mapping[str, Spec]
"""The spec of an entry of a dictionary: of an array, or of boxes and their labels."""


class ImageOptions(LayerOptions, total=False):
    """Arguments that every layer for images takes; see `ImageLayer`."""

    data_format: str | None
    bounding_box_format: str | None


class SeededOptions(ImageOptions, total=False):
    """Arguments that every layer for images that draws takes."""

    seed: int | None


class ImageLayer(HostLayer):
    """Base of layers for images, as Keras 3 has them.

    They run where batches are loaded: as the first layers of a model (in the workers, if `fit` has some),
    on a source (``train.map(layer)``, or in a function of your own), or called on arrays. Random ones change
    images in training only: in `fit` and `train_on_batch`, not in `evaluate` and `predict`. Called on arrays,
    and on a source, they do so unless `training` is False.

    In `fit` and on a source, the random numbers of a sample depend on seed, pass and sample alone. Called on
    arrays, a layer with a `seed` repeats itself from its first call on; one without draws anew.

    Images are arrays (n, height, width, channels) or (height, width, channels), of whole or real numbers. The
    results are of the layer's dtype, by default float32, in the range that the images had. A dictionary has
    the images under ``images``, and perhaps ``labels`` (one-hot or numbers), ``segmentation_masks`` (n,
    height, width, 1) and ``bounding_boxes``: a dictionary with ``boxes`` (n, k, 4) and ``labels`` (n, k).

    Args:
        data_format: ``'channels_last'`` or ``'channels_first'``; None for `backend.image_data_format`.
        bounding_box_format: That of the boxes: ``'xyxy'`` (left, upper, right, lower edge in pixels),
            ``'xywh'``, ``'center_xywh'``, ``'yxyx'``, ``'center_yxhw'``, or with ``'rel_'`` in front in units
            of the size of the image.
        seed: Of layers that draw: a whole number that fixes the draws, or None.
        **options: As for `Layer`.

    A subclass defines `changed`, and if it draws `drawn`. It overrides what else it moves.

    Attributes:
        draws: Whether it draws random numbers.
        always: Whether it does its work in inference, too.
    """

    advice = (
        "Put it in front of the layers that the model computes, behind nothing but inputs, other layers for "
        "images and Rescaling; or map the source with it: train.map(layer)"
    )
    draws: ClassVar[bool] = True
    always: ClassVar[bool] = False

    def __init__(
        self,
        *,
        data_format: str | None = None,
        bounding_box_format: str | None = None,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        chosen = image_data_format() if data_format is None else data_format
        self.data_format = one_of("data_format", chosen, ("channels_last", "channels_first"))
        self.bounding_box_format = None if bounding_box_format is None else box_format(bounding_box_format)
        self.seed = seed_or_none(seed)
        self._calls = 0

    # -- for subclasses -----------------------------------------------------------------------------

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Return the random numbers of a batch.

        Args:
            draws: Where they come from.
            shape: (n, height, width, channels) of the images.
        """
        return {}

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Return changed images.

        Args:
            images: float32 (n, height, width, channels), which may be written to.
            transformation: From `drawn`.
            interpolation: ``'nearest'`` for masks, None for the layer's own.
        """
        raise TypeError(f"{type(self).__name__} must define changed(self, images, transformation, ...)")

    def moved_boxes(self, boxes: Array, transformation: Transformation, height: int, width: int) -> Array:
        """Return moved boxes, float32 (n, k, 4): left, upper, right and lower edge in pixels."""
        return boxes

    def resized(self, height: int | None, width: int | None) -> tuple[int | None, int | None]:
        """Return the size of the images behind the layer, given that in front of it."""
        return height, width

    def result_dtype(self, dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
        """Return the dtype of the images behind the layer, given that in front of it."""
        return np.dtype(self.dtype)

    # -- the parts of a batch, with a transformation that is known ---------------------------------

    def get_random_transformation(
        self, data: object, training: bool = True, seed: int | None = None
    ) -> Transformation | None:
        """Draw the random numbers for a batch, or for one image: what the methods below take.

        Args:
            data: Images, or a dictionary with them.
            training: Whether this is training; in inference there are none.
            seed: A whole number; None for the layer's own draws.
        """
        shape = self._batch_shape(np.asarray(_images_of(data)).shape)
        if not training:
            return {"input_shape": shape} if self.always else None
        keys = self._own_keys(shape[0]) if seed is None else each_key(derive(seed), np.arange(shape[0]))
        return self._drawn(keys, shape)

    def transform_images(
        self, images: object, transformation: Transformation | None = None, training: bool = True
    ) -> Array:
        """Return images of the layer's dtype behind a transformation."""
        return self._transformed(images, transformation, training, None)

    def transform_segmentation_masks(
        self, segmentation_masks: object, transformation: Transformation | None = None, training: bool = True
    ) -> Array:
        """Return masks, moved as the images are and without new values between theirs."""
        return np.asarray(segmentation_masks)

    def transform_labels(
        self, labels: object, transformation: Transformation | None = None, training: bool = True
    ) -> Array:
        """Return the labels of the images."""
        return np.asarray(labels)

    def transform_bounding_boxes(
        self,
        bounding_boxes: Mapping[str, object],
        transformation: Transformation | None = None,
        training: bool = True,
    ) -> dict[str, Array]:
        """Return boxes and their labels; a box that is outside the image gets the label -1."""
        return dense_boxes(bounding_boxes)

    # -- calling ------------------------------------------------------------------------------------

    def __call__(self, *inputs: object, training: bool | None = None, **settings: object) -> Any:
        """Apply the layer to tensors, or now to arrays: in training unless `training` is False."""
        if any(is_symbolic(leaf) for leaf in flatten(inputs)):
            return super().__call__(*inputs, training=training, **settings)
        (data,) = inputs
        self.ensure_built(np.asarray(_images_of(data)))
        return self.call(data, training=training is None or bool(training))

    def call(self, data: object, training: bool = True) -> object:
        """Transform arrays; on tensors return those that stand for the results."""
        if not any(isinstance(leaf, Tensor) for leaf in flatten(data)):
            return self.compute(data, bool(training))
        if self.always and not self.draws:
            return self.traced((data,))
        same = self.compute_output_spec(_specs(data)) == _specs(data)
        return data if same and not (training or self.always) else self.traced((data,), bool(training))

    def compute(self, data: object, training: bool = False, keys: Array | None = None) -> object:
        """Return images, or a dictionary of what was given, behind the layer.

        Args:
            data: Images or a dictionary with them: a batch, or one.
            training: Whether this is training.
            keys: The key of each sample, uint64 (n,); None for draws of the layer's own.
        """
        shape = np.asarray(_images_of(data)).shape
        batch = self._batch_shape(shape)
        transformation: Transformation | None = {"input_shape": batch} if self.always else None
        if training:
            own = self._own_keys(batch[0]) if keys is None else keys[: batch[0]]
            transformation = self._drawn(own, batch)
        if not is_mapping(data):
            return self.transform_images(data, transformation, training)
        one = len(shape) == 3
        found = {key: self._entry(key, entry, one, transformation, training) for key, entry in data.items()}
        return found

    def transform_batch(self, x: object, y: object, keys: Array) -> tuple[object, object]:
        """Transform x of a batch in training, and y where the layer mixes labels; `map` calls this.

        Args:
            x: Images or a dictionary with them; of different sizes in an array of objects.
            y: The targets; None where there are none.
            keys: The key of each sample, uint64 (n,).
        """
        if isinstance(x, np.ndarray) and x.dtype == object:
            images = [self.compute(image, True, keys[at : at + 1]) for at, image in enumerate(x)]
            return images, y
        if is_mapping(x) or y is None or not self.mixes:
            return self.compute(x, True, keys), y
        mixed = cast("dict[str, Array]", self.compute({"images": x, "labels": y}, True, keys))
        return mixed["images"], mixed["labels"]

    mixes: ClassVar[bool] = False
    """Whether labels are mixed as the images are."""

    @property
    def needs_batch(self) -> bool:
        """Whether it mixes the samples of a batch, so that on a source it must stand behind `batch`."""
        return self.mixes

    def _entry(
        self, key: str, entry: object, one: bool, transformation: Transformation | None, training: bool
    ) -> object:
        if key == "bounding_boxes":
            if self.bounding_box_format is None:
                raise ValueError(
                    f"layer {self.name!r} was given bounding boxes; say how they are written: "
                    f"{type(self).__name__}(..., bounding_box_format='xyxy')"
                )
            boxes = {
                name: value[None] if one else value
                for name, value in dense_boxes(cast("Mapping[str, object]", entry)).items()
            }
            moved = self.transform_bounding_boxes(boxes, transformation, training)
            return {name: value[0] for name, value in moved.items()} if one else moved
        methods = {
            "images": self.transform_images,
            "labels": self.transform_labels,
            "segmentation_masks": self.transform_segmentation_masks,
        }
        if key not in methods:
            return entry
        array = np.asarray(entry)
        made = methods[key](array[None] if one else array, transformation, training)
        return made[0] if one else made

    def compute_output_spec(self, spec: object) -> object:
        """Return the specs of the results."""
        if is_mapping(spec):
            return {key: self._entry_spec(key, entry) for key, entry in spec.items()}
        return self._image_spec(cast(Spec, spec))

    def _entry_spec(self, key: str, entry: Entry) -> object:
        if not isinstance(entry, Spec):
            boxes = key == "bounding_boxes"
            return {**entry, "boxes": Spec(entry["boxes"].shape, np.dtype(np.float32))} if boxes else entry
        if key == "images" or (key == "segmentation_masks" and self._image_spec(entry).shape != entry.shape):
            made = self._image_spec(entry)
            return made if key == "images" else Spec(made.shape, entry.dtype)
        if key == "labels" and self.mixes:
            return Spec(entry.shape, np.dtype(self.dtype))
        return entry

    def _image_spec(self, spec: Spec) -> Spec:
        return Spec(self._output_shape(spec.shape), self.result_dtype(spec.dtype))

    def compute_output_shape(self, input_shape: object) -> object:
        """Return the shape of the result for that of a batch, or of one image."""
        if is_mapping(input_shape):
            return {**input_shape, "images": self._output_shape(tuple(input_shape["images"]))}
        return self._output_shape(tuple(cast("tuple[int | None, ...]", input_shape)))

    def _output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        if len(shape) not in (3, 4):
            raise ShapeError(
                f"layer {self.name!r} takes images (n, height, width, channels) or one image (height, width, "
                f"channels), got the shape {shape}"
            )
        first = len(shape) - 3 + (self.data_format == "channels_first")
        return (*shape[:first], *self.resized(shape[first], shape[first + 1]), *shape[first + 2 :])

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        config = {**super().get_config(), "data_format": self.data_format}
        if self.bounding_box_format is not None:
            config["bounding_box_format"] = self.bounding_box_format
        return {**config, "seed": self.seed} if self.draws else config

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Make a layer of its description; pairs of numbers are written as tuples, by Keras too."""
        return super().from_config({name: _pair(value) for name, value in config.items()})

    # -- inside -------------------------------------------------------------------------------------

    def _own_keys(self, count: int) -> Array:
        """Return keys for a call by hand: those of the sample inside `map`, else the next of the layer."""
        found = offered_keys(count)
        if found is not None:
            return found
        if self.seed is None:
            return each_key(next_seed(), np.arange(count))
        self._calls += 1
        return each_key(derive(self.seed, "calls", self._calls), np.arange(count))

    def _drawn(self, keys: Array, shape: Shape) -> Transformation:
        draws = SampleDraws(keys if self.seed is None else each_key(derive(self.seed, "layer"), keys))
        return {**self.drawn(draws, shape), "input_shape": shape}

    def _batch_shape(self, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
        """Return (n, height, width, channels) of images."""
        self._output_shape(shape)
        shape = shape if len(shape) == 4 else (1, *shape)
        if self.data_format == "channels_first":
            shape = (shape[0], *shape[2:], shape[1])
        return cast("tuple[int, int, int, int]", shape)

    def _transformed(
        self, images: object, transformation: Transformation | None, training: bool, interpolation: str | None
    ) -> Array:
        """Return images behind a transformation; masks where there is an interpolation."""
        given = np.asarray(images)
        dtype = self.result_dtype(given.dtype) if interpolation is None else given.dtype
        if not (self.always or (training and (transformation is not None or not self.draws))):
            return given.astype(dtype)
        batch = given if given.ndim == 4 else given[None]
        first = self.data_format == "channels_first"
        work = np.array(np.moveaxis(batch, 1, -1) if first else batch, np.float32, order="C")
        made = self.changed(work, transformation or {}, interpolation)
        made = np.ascontiguousarray(np.moveaxis(made, -1, 1)) if first else made
        made = made if given.ndim == 4 else made[0]
        return _as(made, dtype)

    def _with_moved_boxes(
        self, bounding_boxes: Mapping[str, object], transformation: Transformation | None, training: bool
    ) -> dict[str, Array]:
        """Move boxes with `moved_boxes`, and clip them to the image."""
        given = dense_boxes(bounding_boxes)
        if transformation is None or not (training or self.always):
            return given
        form = self.bounding_box_format or "xyxy"
        shape = transformation["input_shape"]
        _, height, width, _ = shape if len(shape) == 4 else self._batch_shape(shape)
        boxes = np.asarray(given["boxes"], np.float32)
        one = boxes.ndim == 2
        pixels = converted(boxes[None] if one else boxes, form, "xyxy", height, width)
        moved = self.moved_boxes(pixels, transformation, height, width)
        after = cast("tuple[int, int]", self.resized(height, width))
        edge = np.array([after[1], after[0]] * 2, np.float32)
        moved = np.clip(moved, 0, edge)
        gone = np.asarray(((moved[..., 2:] - moved[..., :2]) <= 0).any(axis=-1))
        back = converted(moved, "xyxy", form, *after)
        found = {**given, "boxes": back[0] if one else back}
        if "labels" in given:
            gone = np.reshape(gone[0] if one else gone, np.shape(given["labels"]))
            found["labels"] = np.where(gone, -1, given["labels"])
        return found


class GeometricLayer(ImageLayer):
    """Base of layers that move pixels, so that masks and boxes move with them."""

    def transform_segmentation_masks(
        self, segmentation_masks: object, transformation: Transformation | None = None, training: bool = True
    ) -> Array:
        """Return masks, moved as the images are and without new values between theirs."""
        return self._transformed(segmentation_masks, transformation, training, "nearest")

    def transform_bounding_boxes(
        self,
        bounding_boxes: Mapping[str, object],
        transformation: Transformation | None = None,
        training: bool = True,
    ) -> dict[str, Array]:
        """Return moved boxes, clipped to the image; one that is outside of it gets the label -1."""
        return self._with_moved_boxes(bounding_boxes, transformation, training)


def _pair(value: object) -> object:
    tagged = is_mapping(value) and value.get("class_name") == "__tuple__"
    return tuple(value["config"]["value"]) if tagged else value  # type: ignore[index]


def _images_of(data: object) -> object:
    if not is_mapping(data):
        return data
    if "images" not in data:
        raise ValueError(f"a dictionary for a layer of images needs an entry 'images', got {list(data)}")
    return data["images"]


def _specs(data: object) -> object:
    if is_mapping(data):
        return {key: _specs(entry) for key, entry in data.items()}
    return cast(Tensor, data).spec


def _as(made: Array, dtype: np.dtype[np.generic]) -> Array:
    """Return numbers in a dtype; whole ones rounded, and those out of its range at its ends."""
    if made.dtype == dtype:
        return made
    if dtype.kind in "iu":
        ends = np.iinfo(dtype.name)
        made = np.clip(np.rint(made), ends.min, ends.max)
    return made.astype(dtype)


def column(numbers: ArrayLike) -> Array:
    """Return a number for each sample, in any shape, as float32 (n, 1, 1, 1)."""
    return np.asarray(numbers, np.float32).reshape(-1, 1, 1, 1)
