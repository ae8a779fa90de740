"""`Model`: a layer that can be trained. A facade of short methods over the graph and the one loop."""

from __future__ import annotations

from typing import Any, Self

from streamfit._base.configs import Config
from streamfit._base.tree import flatten, pack
from streamfit.models.copies import become, state_of
from streamfit.models.generator_methods import GeneratorMethods
from streamfit.models.graph_model import GraphModel
from streamfit.models.network import from_the_middle


class Model(GeneratorMethods):
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
        """Return the arguments that make an equal model, for a subclass with a `call`.

        Raises:
            TypeError: The model is a graph of tensors, which has no description.
        """
        if type(self).call is GraphModel.call:
            raise TypeError(
                f"the graph of model {self.name!r} has no config; copy.deepcopy(model) and pickle make an "
                "equal model, with its weights, and Sequential.get_config describes a stack"
            )
        return super().get_config()

    # -- copies ---------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, object]:
        return state_of(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        become(self, state)

    def __copy__(self) -> Model:
        twin = type(self).__new__(type(self))
        vars(twin).update(vars(self))  # a second name for the same layers, weights and programs
        return twin
