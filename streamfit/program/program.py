"""Programs: a graph, and its bindings to the shapes of batches.

A `Binding` is the whole work of a step on batches of one size as one `CallList`: all arrays are allocated,
all kernels have their arguments, and a run is one native loop. Another size (a partial last batch, longer
sequences) is another binding of the same graph over the same memory. The shape of every array is inferred
again when a program is bound, from the shapes of its inputs, so any axis of an input may be free.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call, CallList, kernel
from streamfit.kernels.matrix import copy_into
from streamfit.ops.core import STEP_STATE, Constant, Node, Tensor, Variable, flat, workspace_from
from streamfit.program.constraining import constraint_calls
from streamfit.program.finite import finite_check
from streamfit.program.gradient import Borrowing, Gradient, dependents
from streamfit.program.graph import leaves, sorted_nodes
from streamfit.program.lifetimes import Lifetimes
from streamfit.program.memory import Arena, FlatVariables

_KEPT_BINDINGS = 16  # that stay bound however long their lists are
_KEPT_CALLS = 1 << 15  # calls of all bindings that stay bound: about 20 MB
Size = int | tuple[tuple[int, ...], ...]
"""The size of a batch, or where other axes are free the shape of each array that is fed."""


@kernel
def tick(step_state: Array) -> None:
    """Count one finished training step."""
    step_state[1] += 1


class Training:
    """The variables that a program trains, their gradient, and the calls of optimizer and constraints.

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
        """Make the calls anew; programs that use the old ones must forget their bindings."""
        update = self._update(self.flat.vector, self.gradient, self.flat.sizes, self.step_state)
        bounds = constraint_calls(self.flat.variables)
        self.calls: list[Call] = [*update, *bounds, (tick, (self.step_state,))]


class Binding:
    """A program bound to the size of a batch, or to the shapes of what it is fed.

    Attributes:
        feeds: An `InputPointer` for each tensor that is fed, in the program's order.
        fetches: The array of each tensor that is fetched; valid until the next run of any program
            that shares the arena.
    """

    def __init__(self, program: Program, size: Size) -> None:
        self._program = program
        program.arena.rewind()
        shapes = [t.spec.at(size) for t in program.feeds] if isinstance(size, int) else size
        take = program.arena.take
        self._arrays: dict[Tensor, Array] = {
            tensor: take(shape, tensor.dtype) for tensor, shape in zip(program.feeds, shapes, strict=True)
        }
        self._scratch: dict[Node, list[Array]] = {}
        self._bind_leaves()
        calls = self._bind_nodes()
        calls += [call for sink in program.sinks for call in self._forward(sink)]
        calls += [] if program.training is None else program.training.calls
        self.count = len(calls)
        self._calls = CallList(calls or [(copy_into, (np.zeros(1), np.zeros(1)))])
        self.run = self._calls.run
        self.feeds = [self._calls.input_pointer(self._arrays[tensor]) for tensor in program.feeds]
        self._scratch.clear()

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

    def _bind_nodes(self) -> list[Call]:
        """Return the calls of the nodes, of fetched copies and of the gradient."""
        program, nodes = self._program, self._program.nodes
        training = program.training if program.objective is not None else None
        needed = set() if training is None else dependents(nodes, training.flat.variables)
        self._differentiated = {
            node for node in nodes if node.op.differentiable and any(t in needed for t in node.inputs)
        }
        self._lifetimes = Lifetimes(nodes, self._differentiated, program.kept)
        calls: list[Call] = []
        for i, node in enumerate(nodes):
            calls += self._forward(node)
            if node not in self._differentiated:
                self._give_back_scratch(node)
            self._give_back(i)
        self.fetches, copies = self._bind_fetches()
        return calls + copies + self._gradient()

    def _give_back(self, moment: int) -> None:
        """Give back the memory of tensors that are not needed after this moment."""
        for tensor in self._lifetimes.ending(moment):
            self._program.arena.give_back(self._arrays[tensor])

    def _give_back_scratch(self, node: Node) -> None:
        for array in self._scratch[node]:
            self._program.arena.give_back(array)

    def _forward(self, node: Node) -> list[Call]:
        inputs = [self._arrays[tensor] for tensor in node.inputs]
        known = [Spec(array.shape, tensor.dtype) for array, tensor in zip(inputs, node.inputs, strict=True)]
        specs = self._infer(node, known)
        if node.op.is_view:
            self._arrays[node.outputs[0]] = inputs[0].reshape(_lengths(specs[0]))
            self._scratch[node] = []
            return []
        take = self._program.arena.take
        outputs = [take(_lengths(spec), spec.dtype) for spec in specs]
        self._arrays.update(zip(node.outputs, outputs, strict=True))
        self._scratch[node] = [take(_lengths(spec), spec.dtype) for spec in node.op.scratch(*known)]
        borrowed = Borrowing(self._program.arena)
        with workspace_from(borrowed.take):
            calls: list[Call] = node.op.forward(inputs, outputs, self._scratch[node])
        borrowed.give_back()
        return calls

    def _infer(self, node: Node, known: Sequence[Spec]) -> tuple[Spec, ...]:
        """Return the specs of a node's outputs, all lengths known.

        Raises:
            ShapeError: The lengths of free axes do not fit together.
        """
        try:
            return tuple(node.op.infer(*known))
        except ShapeError as error:
            fed = ", ".join(f"{t.name or 'input'} {self._arrays[t].shape}" for t in self._program.feeds)
            raise ShapeError(f"{error} (the data of this batch: {fed})") from None

    def _bind_fetches(self) -> tuple[list[Array], list[Call]]:
        """Return the fetched arrays; an array in fed memory is copied, because feeding changes its place."""
        fed = [self._arrays[tensor] for tensor in self._program.feeds]
        fetches: list[Array] = []
        calls: list[Call] = []
        for tensor in self._program.fetches:
            array = self._arrays[tensor]
            if any(np.may_share_memory(array, other) for other in fed):
                copied = self._program.arena.take(array.shape, array.dtype)
                calls.append((copy_into, (flat(array), flat(copied))))
                array = copied
            fetches.append(array)
        return fetches, calls

    def _gradient(self) -> list[Call]:
        """Return the calls from the objective to the gradient, and the check of both if there is one."""
        training, objective, nodes = self._program.training, self._program.objective, self._program.nodes
        if training is None or objective is None:
            return []

        def done(number: int) -> None:
            if nodes[number] in self._differentiated:
                self._give_back_scratch(nodes[number])
            self._give_back(2 * len(nodes) - number)

        gradient = Gradient(self._arrays, self._scratch, training.grads, self._program.arena, done)
        calls = gradient.build(nodes, objective, np.ones((), objective.dtype))
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


def _lengths(spec: Spec) -> tuple[int, ...]:
    """Return a shape of which all lengths are known."""
    assert None not in spec.shape
    return spec.shape  # type: ignore[return-value]


class Program:
    """A graph of operations that is run for batches of any size.

    Args:
        feeds: Tensors whose arrays are given at each run.
        fetches: Tensors whose arrays are read after a run.
        guards: Nodes without outputs that run before the gradient, to stop a step with wrong data.
        sinks: Nodes without outputs that run after it, such as metric sums and assignments to variables.
        arena: Memory for everything that lives for one run.
        step_state: int64 array [seed, finished steps], shape (2,).
        objective: The scalar to minimise, when training.
        training: Variables, gradient and optimizer, when training.
        checked: Whether a step stops, before sinks and optimizer, when the objective or its gradient is not
            finite.
        values: Arrays to read in the place of the values of variables, such as copies from an earlier step.

    Attributes:
        free: Whether an axis beside the batch is free, so that bindings are found by the shapes of all feeds.
        kept: Tensors whose arrays must last for the whole run.
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
        self.kept = [*self.feeds, *wanted]
        self.free = any(tensor.spec.free for tensor in self.feeds)
        self._bindings: OrderedDict[Size, Binding] = OrderedDict()
        self._bound_calls = 0

    def bind(self, size: Size) -> Binding:
        """Return the binding for the size of a batch, or for the shapes of what is fed; made on first use.

        Raises:
            ShapeError: These shapes do not fit the graph.
        """
        binding = self._bindings.get(size)
        if binding is None:
            binding = self._bindings[size] = Binding(self, size)
            self._bound_calls += binding.count
            while self._bound_calls > _KEPT_CALLS and len(self._bindings) > _KEPT_BINDINGS:
                self._bound_calls -= self._bindings.popitem(last=False)[1].count
        else:
            self._bindings.move_to_end(size)
        return binding

    def release(self) -> None:
        """Drop the references to the memory that was fed last."""
        for binding in self._bindings.values():
            for feed in binding.feeds:
                feed.release()

    def forget(self) -> None:
        """Forget all bindings."""
        self._bindings.clear()
        self._bound_calls = 0

    def refresh_bindings(self) -> None:
        """Forget bindings whose variables moved; called before each run of a loop, not before each step."""
        for size in [size for size, binding in self._bindings.items() if not binding.is_valid]:
            self._bound_calls -= self._bindings.pop(size).count
