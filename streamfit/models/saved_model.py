"""Models on disk: `save_model`, `load_model`, and descriptions as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import BinaryIO

from streamfit._base.custom_objects import CustomObjectScope
from streamfit._base.errors import NoFileError
from streamfit._base.serialization import ObjectSharingScope, deserialize_keras_object
from streamfit.models import known as known  # descriptions are made objects of from here on
from streamfit.models import registered_formats as registered_formats
from streamfit.models.file_objects import read
from streamfit.models.formats import model_format
from streamfit.models.model import Model


def save_model(
    model: Model,
    filepath: str | os.PathLike[str] | BinaryIO,
    overwrite: bool = True,
    include_optimizer: bool = True,
    **options: object,
) -> None:
    """Write a model to a file; see `Model.save`."""
    model.save(filepath, overwrite, include_optimizer, **options)


def load_model(
    filepath: str | os.PathLike[str] | BinaryIO,
    custom_objects: Mapping[str, object] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Model:
    """Read a model from a file.

    Nothing in the file is run, nothing that it names is imported, and no other file is opened: it can refer
    to the classes and functions of this library and to your own, registered with
    `register_keras_serializable` or passed here.

    Args:
        filepath: A file that `Model.save` wrote; or one of Keras, ``.keras``, ``.h5`` or ``.hdf5`` (these
            need h5py); or a file object with the content of one.
        custom_objects: Your own classes and functions by name.
        compile: Whether the model is compiled as it was, and its optimizer continues.
        safe_mode: Must be True: code in a file is never run.

    Returns:
        The model, with the weights that it was saved with.

    Raises:
        NoFileError: There is no such file.
        UnknownNameError: It uses a class or a function that is not known.
        ValueError: The file is damaged, of another format, of a newer version, asks for more than it holds,
            or, if it is of Keras, uses something that is not known here.
        MissingExtraError: h5py is needed and not installed.

    Example:
        >>> import tempfile
        >>> import numpy as np, streamfit as sf
        >>> model = sf.Sequential([sf.Input((3,)), sf.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/model.streamfit")
        ...     again = load_model(f"{folder}/model.streamfit")
        >>> x = np.ones((1, 3), "float32")
        >>> bool((again.predict(x) == model.predict(x)).all())
        True
    """
    if not safe_mode:
        raise ValueError(
            "safe_mode=False would run code that is in the file, which streamfit never does; pass your own "
            "functions as custom_objects"
        )
    if not isinstance(filepath, (str, os.PathLike)):
        with read(filepath) as copied:
            return load_model(copied, custom_objects, compile)
    path, form = model_format(filepath)
    if not path.exists():
        raise NoFileError(f"there is no file {path}")
    with CustomObjectScope(custom_objects):
        model: Model = form.load(path, compile)
    return model


def model_from_json(json_string: str, custom_objects: Mapping[str, object] | None = None) -> Model:
    """Make a model of the result of `Model.to_json`, with new first weights.

    Args:
        json_string: The text.
        custom_objects: Your own classes and functions by name.

    Raises:
        UnknownNameError: It uses a class or a function that is not known.
        ValueError: It describes no model.

    Example:
        >>> from streamfit import Input, Sequential, layers
        >>> model = Sequential([Input((3,)), layers.Dense(2)])
        >>> model_from_json(model.to_json()).output_shape
        (None, 2)
    """
    with CustomObjectScope(custom_objects), ObjectSharingScope():
        model = deserialize_keras_object(json.loads(json_string))
    if not isinstance(model, Model):
        raise ValueError(f"the text describes no model, but a {type(model).__name__}")
    return model
