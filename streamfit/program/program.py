"""Programs: a graph, and its bindings to the shapes of batches.

A `Binding` is the whole work of a step on batches of one size as one list of calls: all arrays are allocated,
all kernels have their arguments, and a run is one native loop. Another size (a partial last batch, longer
sequences) is another binding of the same graph over the same memory. The shape of every array is inferred
again when a program is bound, from the shapes of its inputs, so any axis of an input may be free.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from streamfit._base.specs import Array
from streamfit.ops.core import Node, Tensor, Variable
from streamfit.program.binding import Binding, Size
from streamfit.program.graph import leaves, sorted_nodes
from streamfit.program.memory import Arena
from streamfit.program.table_rows import find_tables
from streamfit.program.updating import Training

_KEPT_BINDINGS = 16  # that stay bound however long their lists are
_KEPT_CALLS = 1 << 15  # calls of all bindings that stay bound: about 20 MB


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
        layer_of: For each node of a layer the path of its name; see `Lowering`.

    Attributes:
        free: Whether an axis beside the batch is free, so that bindings are found by the shapes of all feeds.
        kept: Tensors whose arrays must last for the whole run.
        tables: Variables that lookups read and nothing else.
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
        layer_of: Mapping[Node, str] | None = None,
    ) -> None:
        self.values, self.layer_of = values, {} if layer_of is None else layer_of
        self.feeds, self.fetches, self.arena, self.step_state = list(feeds), list(fetches), arena, step_state
        self.objective, self.training, self.checked = objective, training, checked
        self.sinks = list(sinks)
        wanted = self.fetches + ([] if objective is None else [objective])
        wanted += [tensor for node in (*guards, *sinks) for tensor in node.inputs]
        self.leaves = list(dict.fromkeys([*self.feeds, *leaves(wanted)]))
        self.nodes = sorted_nodes(wanted, self.feeds) + list(guards)
        self.kept = [*self.feeds, *wanted]
        self.tables = find_tables([*self.nodes, *self.sinks], self.kept)
        self.free = any(tensor.spec.free for tensor in self.feeds)
        self._bindings: OrderedDict[Size, Binding] = OrderedDict()
        self._used: dict[Size, Binding] = {}  # since the last `release`
        self._bound_calls = 0
        self._runs = 0  # of a loop

    def bind(self, size: Size) -> Binding:
        """Return the binding for the size of a batch, or for the shapes of what is fed; made on first use.

        Raises:
            ShapeError: These shapes do not fit the graph.
        """
        binding = self._bindings.get(size)
        if binding is not None and binding.seen_in != self._runs and not self._refresh(binding):
            binding = None
        if binding is None:
            binding = self._bindings[size] = Binding(self, size)
            binding.seen_in = self._runs
            self._bound_calls += binding.count
            while self._bound_calls > _KEPT_CALLS and len(self._bindings) > _KEPT_BINDINGS:
                oldest, dropped = self._bindings.popitem(last=False)
                self._bound_calls -= dropped.count
                self._used.pop(oldest, None)
        else:
            self._bindings.move_to_end(size)
        self._used[size] = binding
        return binding

    def release(self) -> None:
        """Drop the references to the memory that was fed last."""
        for binding in self._used.values():
            for feed in binding.feeds:
                feed.release()
        self._used.clear()

    def forget(self) -> None:
        """Forget all bindings."""
        self._bindings.clear()
        self._bound_calls = 0

    def refresh_bindings(self) -> None:
        """Forget bindings whose variables moved, and let the others use the threads that are free now.

        Called before each run of a loop, not before each step. There may be hundreds of bindings, so it looks
        at the one used last; `bind` looks at each other one when it is used.
        """
        self._runs += 1
        if self._bindings:
            self._refresh(next(reversed(self._bindings.values())))

    def _refresh(self, binding: Binding) -> bool:
        """Make a binding ready for this run of a loop; or forget all whose variables moved, if its did."""
        if binding.is_valid:
            binding.use_threads()
            binding.seen_in = self._runs
            return True
        for size in [size for size, other in self._bindings.items() if not other.is_valid]:
            self._bound_calls -= self._bindings.pop(size).count
        return False
