"""Copies of models: the state that is pickled or deep-copied, and how it becomes a model again.

Layers, weights, the arguments of `compile`, the optimizer with its state, the history and the running results
travel. The parts that belong to this process stay: programs with their memory and addresses, and a `fit`
under way.
"""

from __future__ import annotations

import threading
from typing import Any

from streamfit._base import uses
from streamfit._base.specs import Array
from streamfit.layers.base import Layer
from streamfit.layers.layer_call import LayerCall
from streamfit.models.trainer import Trainer
from streamfit.ops import Variable
from streamfit.program import sorted_nodes

_STAYS = ("_uses", "_runner", "session", "_stop_evaluating_of", "_stop_predicting_of")
_MOMENT, _NODES = "_moment", "_nodes"

Moment = tuple[list[tuple[Variable, Array]], tuple[dict[str, Array], Array, int] | None]
"""Weights with their values; and vectors, settings and steps of the optimizer, if there is one."""


def state_of(model: Trainer) -> dict[str, object]:
    """Return the state that travels."""
    # The nodes come first and in their order, so that no chain of them is followed to its end by recursion.
    state: dict[str, object] = {_NODES: sorted_nodes(model.outputs)}
    state.update((name, value) for name, value in vars(model).items() if name not in _STAYS)
    runner = model._runner
    if runner is not None:
        results = {name: value.copy() for name, value in runner.results.states().items()}
        state["_carried"] = runner.step_state.copy(), results
    things = frozenset((model, *model.weights))
    others = runner is not None and runner.callers - {threading.get_ident()}
    if others or uses.written(things):  # weights are pickled one by one, and may change meanwhile
        state[_MOMENT] = uses.read("pickling", model.name, things, lambda: _moment(model))
    return state


def _moment(model: Trainer) -> Moment:
    """Copy weights and optimizer, all as they are between two steps."""
    weights = [(weight, weight.value.copy()) for weight in model.weights]
    optimizer = model.optimizer
    if optimizer is None:
        return weights, None
    state = {name: vector.copy() for name, vector in optimizer.state.items()}
    return weights, (state, optimizer.hyper.copy(), optimizer.iterations)


def become(model: Trainer, state: dict[str, Any]) -> None:
    """Make a model of a state that `state_of` returned."""
    weights, optimizer = state.pop(_MOMENT, ((), None))
    nodes = state.pop(_NODES, ())
    vars(model).update(state, _runner=None, session=None)
    for node in nodes:
        if isinstance(node.op, LayerCall) and isinstance(node.op.layer, Layer):
            node.op.layer.note_use(node)
    for weight, value in weights:
        weight.put(value)
    if optimizer is not None:
        model.optimizer.restore(*optimizer)
