"""Descriptions of models as Keras 3 reads them, made of ours: the same form, other modules and details."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from streamfit import losses, metrics
from streamfit._base.configs import Config
from streamfit._base.serialization import serialize_keras_object
from streamfit.models.keras_operations import keras_operation
from streamfit.models.model import Model

_LAYERS = (
    *("Activation", "Add", "Average", "BatchNormalization", "CategoryEncoding", "Concatenate", "Dense"),
    *(f"{kind}{rank}D" for rank in (1, 2, 3) for kind in ("AveragePooling", "Conv", "MaxPooling")),
    *(f"Global{kind}Pooling{rank}D" for rank in (1, 2, 3) for kind in ("Average", "Max")),
    *("Discretization", "Dropout", "ELU", "Embedding", "Flatten", "GaussianDropout", "GaussianNoise"),
    *("HashedCrossing", "Hashing", "InputLayer", "IntegerLookup", "LeakyReLU", "Masking", "Maximum"),
    *("MelSpectrogram", "Minimum", "Multiply", "Normalization", "Permute", "ReLU", "RepeatVector"),
    *("Rescaling", "Reshape", "Softmax", "StringLookup", "Subtract", "TextVectorization", "Wrapper"),
    *("AugMix", "AutoContrast", "CenterCrop", "CutMix", "Equalization", "MaxNumBoundingBoxes", "MixUp"),
    *("ContrastLimitedAdaptiveHistogramEqualization", "Pipeline", "RandAugment", "Resizing", "Solarization"),
    *(f"Random{kind}" for kind in ("Brightness", "ColorDegeneration", "ColorJitter", "Contrast", "Crop")),
    *(f"Random{kind}" for kind in ("ElasticTransform", "Erasing", "Flip", "GaussianBlur", "Grayscale")),
    *(f"Random{kind}" for kind in ("Hue", "Invert", "Perspective", "Posterization", "Rotation")),
    *(f"Random{kind}" for kind in ("Saturation", "Sharpness", "Shear", "Translation", "Zoom")),
)
"""The layers of this library that Keras has too."""
_NOT_IN_KERAS = {
    "losses": ("FunctionLoss",),
    "metrics": ("FunctionMetric", "MeanMetric"),
    "constraints": ("ScaleToNorm",),
    "optimizers": ("LazyAdam",),
}
_KINDS = {
    "initializer": "keras.initializers",
    "regularizer": "keras.regularizers",
    "constraint": "keras.constraints",
    "learning_rate": "keras.optimizers.schedules",
    "activation": "keras.layers",
}
_OWN = "streamfit."


def keras_model_config(model: Model, described: Mapping[str, object], compiled: Config | None) -> Config:
    """Return Keras' description of a model.

    Args:
        model: The model.
        described: Its own description.
        compiled: How it was compiled; None to leave that out.

    Raises:
        ValueError: It uses something that Keras does not have.
    """
    config: Config = _converted(dict(described), "")
    shapes = model.get_build_config()
    if shapes is not None:
        config["build_config"] = _build_shapes(shapes)
    config["compile_config"] = None if compiled is None else keras_compile_config(compiled)
    return config


def keras_compile_config(compiled: Mapping[str, object]) -> Config:
    """Return Keras' form of how a model was compiled.

    Raises:
        ValueError: An argument that Keras does not have.
    """
    if compiled.get("sample_weight_mode") is not None:
        raise ValueError(
            "Keras 3 has no sample_weight_mode; compile without it, save as .streamfit, or pass "
            "include_optimizer=False"
        )
    return {name: _converted(value, name) for name, value in compiled.items() if name != "sample_weight_mode"}


def spelled_out(compiled: Mapping[str, object]) -> Config:
    """Return how a model was compiled with objects in the place of names, which Keras misreads in ``.h5``.

    'accuracy' and 'crossentropy' depend on the output and stay names.
    """

    def spelled(value: object, get: Callable[[object], object]) -> object:
        if isinstance(value, dict) and "class_name" not in value:
            return {key: spelled(item, get) for key, item in value.items()}
        if isinstance(value, list):
            return [spelled(item, get) for item in value]
        named = isinstance(value, str) and value not in ("accuracy", "acc", "crossentropy", "ce")
        return serialize_keras_object(get(value)) if named else value

    given = {"loss": losses.get, "metrics": metrics.get, "weighted_metrics": metrics.get}
    return {name: spelled(item, given[name]) if name in given else item for name, item in compiled.items()}


def _converted(value: Any, key: str) -> Any:
    if isinstance(value, list):
        return [_converted(item, key) for item in value]
    if not isinstance(value, Mapping):
        return value
    if "class_name" not in value or "config" not in value:
        return {name: _converted(item, name) for name, item in value.items()}
    if value.get("module") == "streamfit.ops":
        return _converted(keras_operation(value), key)
    if value["class_name"] == "__tuple__" and _is_list_in_keras(value["config"]["value"]):
        return [_converted(item, key) for item in value["config"]["value"]]
    found = {name: _converted(item, name) for name, item in value.items()}
    name, module = str(value["class_name"]), value.get("module")
    if module is None and not name.startswith("__"):
        kind = next((kind for word, kind in _KINDS.items() if key.endswith(word)), None)
        if kind is not None:
            found.update(module=kind, registered_name=value.get("registered_name"))
    elif isinstance(module, str) and module.startswith(_OWN):
        found["module"] = _keras_module(name, module.removeprefix(_OWN), value)
        found["registered_name"] = value.get("registered_name")
        if name == "Functional":
            found["registered_name"] = "Functional"
    if name in _DETAILS and isinstance(found["config"], dict):
        _DETAILS[name](found)
    if "decay" in value["config"] and module == "streamfit.optimizers":
        _without_decay(found["config"])
    if "build_config" in found and "inputs" in found["build_config"]:
        found["build_config"] = _build_shapes(found["build_config"])
    return found


def _is_list_in_keras(items: list[object]) -> bool:
    """Return whether Keras reads a list in place of a tuple: of tensors, or of numbers."""
    numbers = all(isinstance(item, (int, float)) for item in items)
    return numbers or "__keras_tensor__" in str(items)


def _keras_module(name: str, kind: str, value: Mapping[str, Any]) -> str:
    if kind == "models":
        return "keras.src.models.functional" if name == "Functional" else "keras"
    missing = (kind == "layers" and name not in _LAYERS) or name in _NOT_IN_KERAS.get(kind, ())
    if missing and name not in ("function", "class"):
        called = value["config"].get("name") if isinstance(value["config"], Mapping) else None
        raise ValueError(
            f"Keras has no {name} (here {called!r}, one of the {kind}); save the model as .streamfit"
        )
    return f"keras.{'optimizers.schedules' if kind == 'schedules' else kind}"


def _stack(found: Config) -> None:
    """Give a stack the input layer that Keras has in it."""
    config: Any = found["config"]
    dtype, name = config.pop("build_input_dtype", None), config.pop("build_input_name", None)
    shape = config.get("build_input_shape")
    if shape is not None:
        start = {"batch_shape": shape, "dtype": dtype, "name": name}
        described = {"module": "keras.layers", "class_name": "InputLayer", "config": start}
        config["layers"] = [{**described, "registered_name": None}, *config["layers"]]
    else:
        config.pop("build_input_shape", None)


def _input(found: Config) -> None:
    config: Any = found["config"]
    if "shape" in config:
        config["batch_shape"] = [None, *config.pop("shape")]


def _not_trainable(found: Config) -> None:
    config: Any = found["config"]
    config.pop("trainable", None)  # without weights it says nothing, and Keras' layer does not take it


def _pipeline(found: Config) -> None:
    config = cast(Config, found["config"])
    found["config"] = {"layers": config["layers"], "name": config["name"]}  # Keras' takes no more


_DETAILS = {
    "Sequential": _stack,
    "InputLayer": _input,
    "Pipeline": _pipeline,
    "Discretization": _not_trainable,
}


def _without_decay(config: Config) -> None:
    if config.pop("decay"):
        raise ValueError(
            "Keras 3 has no decay=... of optimizers; use schedules.InverseTimeDecay as learning rate, or "
            "save the model as .streamfit"
        )


def _build_shapes(config: Mapping[str, Any]) -> Config:
    shapes = [each["shape"] for each in config["inputs"]]

    def placed(structure: Any) -> object:
        if isinstance(structure, Mapping):
            return {key: placed(item) for key, item in structure.items()}
        return [placed(item) for item in structure] if isinstance(structure, list) else shapes[structure]

    return {"input_shape": placed(config["structure"])}
