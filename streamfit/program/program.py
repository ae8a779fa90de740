"""Programs: a graph, and its bindings to batch sizes.

A `Binding` is the whole work of a step on a batch of n samples as one `CallList`: all arrays are allocated,
all kernels have their arguments, and a run is one native loop. Another batch size (a partial last batch) is
another binding of the same graph over the same memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import Call, CallList, kernel
from streamfit.kernels.matrix import copy_into
from streamfit.ops.core import STEP_STATE, Constant, Node, Tensor, Variable, flat
from streamfit.program.finite import finite_check
from streamfit.program.gradient import Gradient
from streamfit.program.graph import leaves, sorted_nodes
from streamfit.program.memory import Arena, FlatVariables

_KEPT_BINDINGS = 16  # batch sizes that stay bound; more only cost memory for their call lists


@kernel
def tick(step_state: Array) -> None:
    """Count one finished training step."""
    step_state[1] += 1


class Training:
    """The variables that a program trains, their gradient, and the optimizer's calls.

    Args:
        variables: The trainable variables; they move into one flat vector.
        step_state: int64 array [seed, finished steps], shape (2,).
        update: Given (weights, gradient, sizes, step_state), returns the optimizer's calls.
    """

    def __init__(
        self,
        variables: Sequence[Variable],
        step_state: Array,
        update: Callable[[Array, Array, Array, Array], list[Call]],
    ) -> None:
        self.flat = FlatVariables(variables)
        self.gradient = self.flat.zeros_like()
        self.step_state = step_state
        self.grads = dict(zip(self.flat.variables, self.flat.views(self.gradient), strict=True))
        self._update = update
        self.rebind()

    def rebind(self) -> None:
        """Make the optimizer's calls anew; programs that use the old ones must forget their bindings."""
        update = self._update(self.flat.vector, self.gradient, self.flat.sizes, self.step_state)
        self.calls: list[Call] = [*update, (tick, (self.step_state,))]


class Binding:
    """A program bound to one batch size.

    Attributes:
        feeds: An `InputPointer` for each tensor that is fed, in the program's order.
        fetches: The array of each tensor that is fetched; valid until the next run of any program
            that shares the arena.
    """

    def __init__(self, program: Program, batch_size: int) -> None:
        self.batch_size = batch_size
        self._program = program
        program.arena.rewind()
        self._arrays: dict[Tensor, Array] = {t: self._take(t) for t in program.feeds}
        self._scratch: dict[Node, list[Array]] = {}
        self._bind_leaves()
        calls = [call for node in program.nodes for call in self._forward(node)]
        self.fetches, copies = self._bind_fetches()
        calls += copies + self._gradient()
        calls += [call for sink in program.sinks for call in self._forward(sink)]
        calls += [] if program.training is None else program.training.calls
        self._calls = CallList(calls or [(copy_into, (np.zeros(1), np.zeros(1)))])
        self.run = self._calls.run
        self.feeds = [self._calls.input_pointer(self._arrays[tensor]) for tensor in program.feeds]

    def _take(self, tensor: Tensor) -> Array:
        return self._program.arena.take(tensor.spec.at(self.batch_size), tensor.dtype)

    def _bind_leaves(self) -> None:
        self.variables: list[tuple[Variable, Array]] = []
        for leaf in self._program.leaves:
            if isinstance(leaf, Variable) and self._program.values is not None:
                self._arrays[leaf] = self._program.values[leaf]
            elif isinstance(leaf, Variable):
                self.variables.append((leaf, leaf.value))
                self._arrays[leaf] = leaf.value
            elif isinstance(leaf, Constant):
                self._arrays[leaf] = leaf.value
            elif leaf is STEP_STATE:
                self._arrays[leaf] = self._program.step_state
            elif leaf not in self._arrays:
                raise ValueError(
                    f"the graph reads {leaf}, which is not among its inputs; "
                    "is an Input missing from Model(inputs=...)?"
                )

    def _forward(self, node: Node) -> list[Call]:
        inputs = [self._arrays[tensor] for tensor in node.inputs]
        if node.op.is_view:
            output = node.outputs[0]
            self._arrays[output] = inputs[0].reshape(output.spec.at(self.batch_size))
            self._scratch[node] = []
            return []
        outputs = [self._take(tensor) for tensor in node.outputs]
        self._arrays.update(zip(node.outputs, outputs, strict=True))
        specs = node.op.scratch(*(tensor.spec for tensor in node.inputs))
        take = self._program.arena.take
        self._scratch[node] = [take(spec.at(self.batch_size), spec.dtype) for spec in specs]
        calls: list[Call] = node.op.forward(inputs, outputs, self._scratch[node])
        return calls

    def _bind_fetches(self) -> tuple[list[Array], list[Call]]:
        """Return the fetched arrays; an array in fed memory is copied, because feeding changes its place."""
        fed = [self._arrays[tensor] for tensor in self._program.feeds]
        fetches: list[Array] = []
        calls: list[Call] = []
        for tensor in self._program.fetches:
            array = self._arrays[tensor]
            if any(np.may_share_memory(array, other) for other in fed):
                copied = self._take(tensor)
                calls.append((copy_into, (flat(array), flat(copied))))
                array = copied
            fetches.append(array)
        return fetches, calls

    def _gradient(self) -> list[Call]:
        """Return the calls from the objective to the gradient, and the check of both if there is one."""
        training, objective = self._program.training, self._program.objective
        if training is None or objective is None:
            return []
        gradient = Gradient(self._arrays, self._scratch, training.grads, self._take)
        calls = gradient.build(self._program.nodes, objective, np.ones((), objective.dtype))
        if self._program.checked:
            calls.append(finite_check(self._arrays[objective], training.gradient))
        return calls

    def run_steps(self, data: Sequence[Array], steps: int, asked: Array | None = None) -> int:
        """Run `steps` times in one native call, on the next rows of each of `data` at each step.

        Returns:
            How many times: fewer where `asked` (int64 (1,), read after each step) was not 0.
        """
        return self._calls.run_steps(self.feeds, data, steps, asked)

    @property
    def nodes(self) -> list[Node]:
        """Return the nodes of the program, in the order of their calls."""
        return self._program.nodes

    @property
    def is_valid(self) -> bool:
        """Return whether all variables are still where this binding reads them."""
        return all(variable.value is array for variable, array in self.variables)


class Program:
    """A graph of operations that is run for batches of any size.

    Args:
        feeds: Tensors whose arrays are given at each run.
        fetches: Tensors whose arrays are read after a run.
        guards: Nodes without outputs that run before the gradient, to stop a step with wrong data.
        sinks: Nodes without outputs that run after it, such as metric sums.
        arena: Memory for everything that lives for one run.
        step_state: int64 array [seed, finished steps], shape (2,).
        objective: The scalar to minimise, when training.
        training: Variables, gradient and optimizer, when training.
        checked: Whether a step stops, before sinks and optimizer, when the objective or its gradient is not
            finite.
        values: Arrays to read in the place of the values of variables, such as copies from an earlier step.
    """

    def __init__(
        self,
        feeds: Sequence[Tensor],
        fetches: Sequence[Tensor],
        *,
        arena: Arena,
        step_state: Array,
        guards: Sequence[Node] = (),
        sinks: Sequence[Node] = (),
        objective: Tensor | None = None,
        training: Training | None = None,
        checked: bool = False,
        values: Mapping[Variable, Array] | None = None,
    ) -> None:
        self.values = values
        self.feeds, self.fetches, self.arena, self.step_state = list(feeds), list(fetches), arena, step_state
        self.objective, self.training, self.checked = objective, training, checked
        self.sinks = list(sinks)
        wanted = self.fetches + ([] if objective is None else [objective])
        wanted += [tensor for node in (*guards, *sinks) for tensor in node.inputs]
        self.leaves = list(dict.fromkeys([*self.feeds, *leaves(wanted)]))
        self.nodes = sorted_nodes(wanted, self.feeds) + list(guards)
        self._bindings: OrderedDict[int, Binding] = OrderedDict()

    def bind(self, batch_size: int) -> Binding:
        """Return the binding for a batch size, made on first use."""
        binding = self._bindings.get(batch_size)
        if binding is None:
            binding = self._bindings[batch_size] = Binding(self, batch_size)
            if len(self._bindings) > _KEPT_BINDINGS:
                self._bindings.popitem(last=False)
        return binding

    def release(self) -> None:
        """Drop the references to the memory that was fed last."""
        for binding in self._bindings.values():
            for feed in binding.feeds:
                feed.release()

    def forget(self) -> None:
        """Forget all bindings."""
        self._bindings.clear()

    def refresh_bindings(self) -> None:
        """Forget bindings whose variables moved; called before each run of a loop, not before each step."""
        for size in [size for size, binding in self._bindings.items() if not binding.is_valid]:
            del self._bindings[size]
