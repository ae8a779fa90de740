"""`BuiltSteps`: everything that takes steps of a model, made when the model is built."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from streamfit._base.specs import Array
from streamfit.layers import number_streams
from streamfit.ops import Variable
from streamfit.training.batch_inputs import BatchInputs
from streamfit.training.compile_config import CompileConfig, OutputPlan, with_own_metrics
from streamfit.training.host_inputs import HostPart
from streamfit.training.model_graph import ModelGraph
from streamfit.training.programs import Programs
from streamfit.training.running_results import RunningResults
from streamfit.training.steps import Steps
from streamfit.training.trainable_flags import TrainableFlags


@dataclass(frozen=True, slots=True)
class BuiltSteps:
    """Everything that takes steps of a model.

    Attributes:
        plans: One for each output.
        batch_inputs: Makes arrays of batches; for the steps that train (True), and for others.
        programs: The programs for each kind of data.
        steps: Runs the programs.
        host: What of the model runs where batches are loaded.
        things: The model, its weights and its optimizer: the objects that a call works with.
    """

    plans: list[OutputPlan]
    batch_inputs: Mapping[bool, BatchInputs]
    programs: Programs
    steps: Steps
    host: HostPart
    things: frozenset[object]


def build_steps(
    model: ModelGraph,
    compiled: CompileConfig | None,
    step_state: Array,
    results: RunningResults,
    values: Mapping[Variable, Array] | None,
    spare: bool,
) -> BuiltSteps:
    """Make ready for steps of a model that is built.

    Args:
        model: The model.
        compiled: The arguments of `compile`; None for a model that only predicts.
        step_state: int64 array [seed, finished steps].
        results: Gets the plans of the outputs.
        values: Copies of the weights to read; None to read the weights themselves.
        spare: Whether these steps never train, and count in metrics of their own.
    """
    names = model.output_names
    number_streams(model.layers)
    plans = [OutputPlan(name, None, 1.0) for name in names] if compiled is None else compiled.plan(names)
    trained: list[Variable] = []
    update = None
    if spare:
        plans = [with_own_metrics(plan) for plan in plans]
    elif compiled is not None:
        trained = compiled.flags.weights(model)
        update = functools.partial(compiled.bind, variables=trained)
    results.plan(plans)
    flags = compiled.flags if compiled is not None else TrainableFlags(model)
    unfrozen = set(flags.weights(model))
    penalties = [(penalty, weight) for penalty, weight in model.penalties if weight in unfrozen]
    host = HostPart(model)
    programs = Programs(model, plans, step_state, results, trained, update, values, penalties, host)
    specs = [tensor.spec for tensor in model.outputs]
    batch_inputs = {training: BatchInputs(feeds, plans, specs) for training, feeds in host.feeds.items()}
    return BuiltSteps(plans, batch_inputs, programs, Steps(programs), host, things_of(model, compiled))


def things_of(model: ModelGraph, compiled: CompileConfig | None) -> frozenset[object]:
    """Return the model, its weights and its optimizer, as they are now."""
    optimizer = () if compiled is None else (compiled.optimizer,)
    return frozenset((model, *model.weights, *optimizer))
