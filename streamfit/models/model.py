"""`Model`: a layer that can be trained. A facade of short methods over the graph and the one loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from streamfit._base.configs import Config
from streamfit._base.custom_objects import CustomObjectScope
from streamfit._base.serialization import deserialize_keras_object
from streamfit._base.tree import flatten, pack
from streamfit.models.copies import become, state_of
from streamfit.models.graph_config import graph_config, graph_of
from streamfit.models.graph_description import Graph, described_graph, graph_again
from streamfit.models.graph_model import GraphModel
from streamfit.models.network import from_the_middle
from streamfit.models.saving_methods import SavingMethods


class Model(SavingMethods):
    """Group layers into something that can be trained, evaluated and asked for predictions.

    Args:
        inputs: A tensor made with `Input`, or one that a layer has made (the model then begins behind that
            layer), or a list or dictionary of them.
        outputs: Tensors computed from them by layers and `ops`, or a list or dictionary of them.
        name: A name.

    Without `inputs` and `outputs`, subclass it: create layers in ``__init__`` and use them in ``call``.

    Raises:
        ValueError: The outputs cannot be computed from the inputs.

    Example:
        >>> import streamfit as sf
        >>> x = sf.Input((4,), name="x")
        >>> model = sf.Model(x, sf.layers.Dense(2, name="y")(x))
        >>> model.output_names, model.count_params()
        (['y'], 10)
    """

    # As in `Layer`: here, not in __init__, so that a subclass may assign layers before it calls super().
    def __new__(cls, *args: object, **settings: object) -> Self:
        model = super().__new__(cls, *args, **settings)
        model._reset_trainer()
        model._set_graph()
        return model

    def __init__(
        self, inputs: object = None, outputs: object = None, *, name: str | None = None, **settings: Any
    ) -> None:
        super().__init__(name=name, **settings)
        if (inputs is None) != (outputs is None):
            raise ValueError(
                "Model needs both inputs and outputs, or neither (for a subclass with a call method)"
            )
        if inputs is not None:
            starts, ends = from_the_middle(flatten(inputs), flatten(outputs))
            self._connect(pack(inputs, starts), pack(outputs, ends))

    def get_config(self) -> Config:
        """Return what makes an equal model, without the values of its weights.

        Returns:
            For a graph of tensors: the arguments of the model, a description of each layer and of its calls,
            and which of them are inputs and outputs. For a subclass with a `call` or an ``__init__`` of its
            own: the arguments that it was made with.

        Raises:
            TypeError: Something in the graph, or an argument, cannot be described.
            ValueError: Two layers have the same name.
        """
        config = super().get_config()
        if self._arguments is not None or type(self).call is not GraphModel.call:
            return config
        return {**config, **graph_config(self.described_graph())}

    def described_graph(self) -> Graph:
        """Return the description of the graph; see `streamfit.models.graph_description`."""
        self._need_graph("graph")
        return described_graph(self.name, self._input_structure, self._output_structure)

    @property
    def described_class_name(self) -> str:
        """Return the name of the class in descriptions: Keras' one for a graph."""
        return "Functional" if type(self) is Model else type(self).__name__

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, object] | None = None) -> Self:
        """Make a model from the result of `get_config`.

        Args:
            config: The result.
            custom_objects: Your own classes and functions by name.

        Raises:
            UnknownNameError: A class or a function is not known.
            ValueError: It is no such config.

        Example:
            >>> from streamfit import Input, layers
            >>> x = Input((3,), name="x")
            >>> model = Model(x, layers.Dense(2, name="y")(x))
            >>> Model.from_config(model.get_config()).output_shape
            (None, 2)
        """
        with CustomObjectScope(custom_objects):
            if "input_layers" not in config:
                return super().from_config(config)
            graph, made = graph_of(config)
            inputs, outputs = graph_again(graph, made)
            own = {key: config[key] for key in ("name", "dtype") if key in config}
            if isinstance(own.get("dtype"), dict):
                own["dtype"] = deserialize_keras_object(own["dtype"])
            make: Callable[..., Self] = cls
            model = make(inputs, outputs, **own)
        model._trainable = bool(config.get("trainable", True))  # that of each layer is in its own description
        return model

    # -- copies ---------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, object]:
        return state_of(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        become(self, state)

    def __copy__(self) -> Model:
        twin = type(self).__new__(type(self))
        vars(twin).update(vars(self))  # a second name for the same layers, weights and programs
        return twin
