"""`Binding`: the whole work of a step on batches of one size, as one list of calls.

The nodes are cut into *runs*: neighbouring nodes of which each row of the output depends on the same row of
the inputs (`Op.rowwise`), and the others. Where the work is worth it, the batch is cut into blocks of rows,
and a run of such nodes becomes a section whose blocks may run at the same time, forward and backward. A
node that needs the whole batch, such as the mean of the losses, comes between two sections.

Guarantee kept here: into how many blocks a batch is cut depends on the graph and on the size of the batch
alone (`blocks.py`), and so do all results; the number of threads changes no bit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Protocol

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec
from streamfit._base.thread_budget import free_threads
from streamfit.kernels import Call, CallList
from streamfit.kernels.matrix import copy_into
from streamfit.kernels.sections import Section, SectionedCallList, parallel, serial
from streamfit.kernels.thread_choice import ThreadChoice
from streamfit.ops.core import STEP_STATE, Constant, Node, Tensor, Variable, flat
from streamfit.ops.operation import block_from, workspace_from
from streamfit.program.blocks import MOST_BLOCKS, block_rows, blocked_tensors, is_rowwise
from streamfit.program.gradient import Borrowing, Gradient, dependents
from streamfit.program.lifetimes import Lifetimes
from streamfit.program.memory import Arena, deferring
from streamfit.program.portions import Portion, Whole
from streamfit.program.table_rows import TableRows
from streamfit.program.updating import Training

Size = int | tuple[tuple[int, ...], ...]
"""The size of a batch, or where other axes are free the shape of each array that is fed."""
Run = Sequence[tuple[int, Node]]
"""Neighbouring nodes with their numbers."""


class BoundProgram(Protocol):
    """A program, as its bindings read it; see `Program`."""

    feeds: list[Tensor]
    fetches: list[Tensor]
    kept: list[Tensor]
    leaves: list[Tensor]
    nodes: list[Node]
    sinks: list[Node]
    arena: Arena
    step_state: Array
    objective: Tensor | None
    training: Training | None
    checked: bool
    values: Mapping[Variable, Array] | None


class Binding:
    """A program bound to the size of a batch, or to the shapes of what it is fed.

    Attributes:
        feeds: An `InputPointer` for each tensor that is fed, in the program's order.
        fetches: The array of each tensor that is fetched; valid until the next run of any program
            that shares the arena.
        blocks: Into how many blocks the batch is cut.
        count: The length of the list of calls.
        seen_in: The number of the run of a loop in which its program last looked at it.
    """

    seen_in = 0

    def __init__(self, program: BoundProgram, size: Size) -> None:
        self._program = program
        program.arena.rewind()
        shapes = [t.spec.at(size) for t in program.feeds] if isinstance(size, int) else size
        self.variables: list[tuple[Variable, Array]] = []
        self._whole = Whole(program.arena)
        for tensor, shape in zip(program.feeds, shapes, strict=True):
            self._whole.arrays[tensor] = program.arena.take(shape, tensor.dtype)
        training = program.training
        self._tables = TableRows({} if training is None else training.tables, program.arena)
        self._lock = contextlib.nullcontext() if training is None else training.lock
        self._bind_leaves()
        self._known = self._infer_all()
        self._cut(shapes[0][0] if shapes and shapes[0] else 1)
        self._sections: list[Section] = []
        self._bind_nodes()
        self._bind_ends()
        self._calls = self._listed()
        self.run = self._run_locked if self._tables.tables else self._calls.run
        self.feeds = [self._calls.input_pointer(self._whole.arrays[tensor]) for tensor in program.feeds]
        del self._known, self._portions, self._gradient, self._sections

    @property
    def nodes(self) -> list[Node]:
        """Return the nodes of the program, in the order of their calls."""
        return self._program.nodes

    @property
    def threads(self) -> int:
        """Return how many threads run the next step."""
        choice = self._threads.threads if self.blocks > 1 else 1
        return choice.threads if isinstance(choice, ThreadChoice) else choice

    def _bind_leaves(self) -> None:
        arrays = self._whole.arrays
        for leaf in self._program.leaves:
            if isinstance(leaf, Variable) and self._program.values is not None:
                arrays[leaf] = self._program.values[leaf]
            elif isinstance(leaf, Variable):
                self.variables.append((leaf, leaf.memory))
                arrays[leaf] = leaf.memory
            elif isinstance(leaf, Constant):
                arrays[leaf] = leaf.value
            elif leaf is STEP_STATE:
                arrays[leaf] = self._program.step_state
            elif leaf not in arrays:
                raise ValueError(
                    f"the graph reads {leaf}, which is not among its inputs; "
                    "is an Input missing from Model(inputs=...)?"
                )

    def _infer_all(self) -> dict[Tensor, Spec]:
        """Return the spec of every tensor, all lengths known.

        Raises:
            ShapeError: The lengths of free axes do not fit together.
        """
        known = {tensor: Spec(array.shape, tensor.dtype) for tensor, array in self._whole.arrays.items()}
        for node in self._program.nodes:
            try:
                specs = node.op.infer(*(known[tensor] for tensor in node.inputs))
            except ShapeError as error:
                fed = ", ".join(f"{t.name or 'input'} {known[t].shape}" for t in self._program.feeds)
                raise ShapeError(f"{error} (the data of this batch: {fed})") from None
            known.update(zip(node.outputs, specs, strict=True))
        return known

    def _cut(self, size: int) -> None:
        """Cut the batch into blocks, if the work is worth it."""
        program, arena = self._program, self._program.arena
        rows = block_rows(program.nodes, self._known, size, training=program.training is not None)
        self.blocks = len(rows)
        self._batch = Portion(self._whole, arena, size)
        self._portions = [
            Portion(self._whole, arena.part(number), size, part, number) for number, part in enumerate(rows)
        ]
        if self.blocks > 1:
            self._whole.blocked = blocked_tensors(program.nodes, program.kept)

    def _runs(self) -> list[tuple[bool, Run]]:
        """Return the nodes in runs, each with whether its blocks run apart."""
        nodes = list(enumerate(self._program.nodes))
        if self.blocks == 1:
            return [(False, nodes)]
        return [(apart, list(run)) for apart, run in groupby(nodes, key=lambda pair: is_rowwise(pair[1]))]

    def _bind_nodes(self) -> None:
        """List the calls of the nodes, of fetched copies and of the gradient."""
        program, nodes = self._program, self._program.nodes
        training = program.training if program.objective is not None else None
        needed = set() if training is None else dependents(nodes, training.flat.variables)
        self._differentiated = {
            node for node in nodes if node.op.differentiable and any(t in needed for t in node.inputs)
        }
        self._lifetimes = Lifetimes(nodes, self._differentiated, program.kept)
        self._gradient = Gradient(
            self._whole, {} if training is None else training.grads, needed, self._tables, self.blocks
        )
        runs = self._runs()
        for apart, run in runs:
            portions = self._portions if apart else [self._batch]
            for portion in portions:
                for i, node in run:
                    self._forward(node, portion)
                    self._give_back(i, portion)
            self._end_section(portions, [i for i, _ in run] if apart else [])
        self.fetches = self._bind_fetches()
        if training is None or program.objective is None:
            return
        self._gradient.start(program.objective, np.ones((), program.objective.dtype))
        for apart, run in reversed(runs):
            self._backward(apart, run)

    # -- forward ------------------------------------------------------------------------------------

    def _forward(self, node: Node, portion: Portion) -> None:
        inputs = [portion.array(tensor) for tensor in node.inputs]
        shapes = [self._shape(tensor, portion) for tensor in node.outputs]
        if node.op.is_view:
            portion.make_view(node.outputs[0], node.inputs[0], shapes[0])
            return
        outputs = [portion.make(tensor, shape) for tensor, shape in zip(node.outputs, shapes, strict=True)]
        specs = [Spec(array.shape, tensor.dtype) for array, tensor in zip(inputs, node.inputs, strict=True)]
        scratch = [portion.memory.take(_lengths(spec), spec.dtype) for spec in node.op.scratch(*specs)]
        portion.scratch[node] = scratch
        borrowed = Borrowing(portion.memory)
        if self._tables.reads(node):
            portion.calls += self._tables.forward(node, inputs[1])
        with workspace_from(borrowed.take), block_from(portion.first_row):
            portion.calls += node.op.forward(inputs, outputs, scratch)
        borrowed.give_back()
        if node not in self._differentiated:
            portion.give_back_scratch(node)

    def _shape(self, tensor: Tensor, portion: Portion) -> tuple[int, ...]:
        """Return the shape of a tensor in a portion."""
        shape = _lengths(self._known[tensor])
        if portion.rows is None or not tensor.spec.batched:
            return shape
        return (portion.rows.stop - portion.rows.start, *shape[1:])

    def _give_back(self, moment: int, portion: Portion) -> None:
        """Give back the memory of tensors that are not needed after this moment."""
        for tensor in self._lifetimes.ending(moment):
            portion.give_back(tensor)

    def _end_section(self, portions: Sequence[Portion], moments: Sequence[int]) -> None:
        """Take the calls of these portions as a section; `moments` are those of a section of blocks."""
        lists = [portion.take_calls() for portion in portions]
        if len(lists) == 1:
            self._finish_with(lists[0])
        elif any(lists):
            self._sections.append(parallel(lists))
        for moment in moments:
            for tensor in self._lifetimes.ending(moment):
                if tensor not in self._whole.blocked:
                    self._whole.give_back_later(self._whole.arrays[tensor])
        self._whole.end_section()

    def _finish_with(self, calls: Sequence[Call]) -> None:
        if calls and self._sections and len(self._sections[-1].blocks) == 1:
            calls = [*self._sections.pop().blocks[0], *calls]
        if calls:
            self._sections.append(serial(calls))

    def _bind_fetches(self) -> list[Array]:
        """Return the fetched arrays; an array in fed memory is copied, because feeding changes its place."""
        arrays = self._whole.arrays
        fed = [arrays[tensor] for tensor in self._program.feeds]
        fetches: list[Array] = []
        for tensor in self._program.fetches:
            array = arrays[tensor]
            if any(np.may_share_memory(array, other) for other in fed):
                copied = self._program.arena.take(array.shape, array.dtype)
                self._finish_with([(copy_into, (flat(array), flat(copied)))])
                array = copied
            fetches.append(array)
        return fetches

    # -- backward -----------------------------------------------------------------------------------

    def _backward(self, apart: bool, run: Run) -> None:
        """List the gradient of a run of nodes."""
        last = 2 * len(self._program.nodes)
        portions, seen = self._portions if apart else [self._batch], set(self._whole.grads)
        for portion in portions:
            portion.seen = set(seen)
            for i, node in reversed(run):
                self._differentiate(node, portion)
                portion.give_back_scratch(node)
                self._give_back(last - i, portion)
            portion.forget_parts()
        sums = self._gradient.end_section([node for _, node in run]) if apart else []
        self._end_section(portions, [last - i for i, _ in run] if apart else [])
        self._finish_apart(sums)

    def _differentiate(self, node: Node, portion: Portion) -> None:
        with block_from(portion.first_row):
            self._gradient.add(node, portion)

    # -- ends ---------------------------------------------------------------------------------------

    def _bind_ends(self) -> None:
        """List the check of the gradient if there is one, the sinks, and the update.

        The parts of the gradient that blocks have computed are added in pieces of the flat vectors, and each
        piece is updated while it is in the cache, if nothing has to see the whole gradient before.
        """
        program, training = self._program, self._program.training
        sinks = [call for sink in program.sinks for call in self._sink(sink)]
        if training is None or program.objective is None:
            self._finish_with(sinks)
            return
        pieces = training.pieces(MOST_BLOCKS) if self.blocks > 1 else []
        sums = self._gradient.sums_of_variables(pieces, training.places())
        split = training.calls_in_pieces(pieces) if pieces else None
        if program.checked or split is None:
            self._finish_apart(sums)
            sums = [[] for _ in pieces]
        if program.checked:
            loss = self._whole.arrays[program.objective]
            self._finish_with(training.finite_calls(loss, self._tables.gradients))
        self._finish_with(sinks)
        if split is None:
            self._finish_with(training.calls(self._tables.gradients))
            return
        first, updates, last = split
        self._finish_with(first)
        self._finish_apart([[*added, *update] for added, update in zip(sums, updates, strict=True)])
        self._finish_with(last)

    def _finish_apart(self, lists: Sequence[list[Call]]) -> None:
        if any(lists):
            self._sections.append(parallel([calls for calls in lists if calls]))

    # -- the list -----------------------------------------------------------------------------------

    def _sink(self, node: Node) -> list[Call]:
        calls: list[Call] = node.op.forward([self._whole.arrays[tensor] for tensor in node.inputs], [], [])
        return calls

    def _listed(self) -> CallList:
        """Return one list of all sections."""
        self.count = sum(len(block) for section in self._sections for block in section.blocks)
        if self.blocks > 1:
            listed = SectionedCallList(self._sections)
            self._threads = listed
            self.use_threads()
            return listed
        calls = [call for section in self._sections for block in section.blocks for call in block]
        return CallList(calls or [(copy_into, (np.zeros(1), np.zeros(1)))])

    def use_threads(self) -> None:
        """Choose among as many threads as are free now."""
        if self.blocks > 1:
            most = min(free_threads(), self.blocks)
            choice = self._threads.threads
            if most == 1 or (isinstance(choice, ThreadChoice) and choice.numbers[-1] == most):
                self._threads.threads = 1 if most == 1 else choice
            else:
                self._threads.threads = ThreadChoice(most)

    def run_steps(self, data: Sequence[Array], steps: int, asked: Array | None = None) -> int:
        """Run `steps` times in one native call, on the next rows of each of `data` at each step.

        Returns:
            How many times: fewer where `asked` (int64 (1,), read after each step) was not 0.
        """
        with self._lock:
            return self._calls.run_steps(self.feeds, data, steps, asked)

    def _run_locked(self) -> None:
        with self._lock:
            self._calls.run()

    @property
    def gradients(self) -> dict[Variable, Array]:
        """Return the gradient of each trained variable, as the last step left it; of tables the rows read."""
        training = self._program.training
        return {} if training is None else {**training.grads, **self._tables.filled()}

    def settle(self) -> None:
        """Bring rows of tables up to date that other programs have left behind."""
        if deferring:
            training = self._program.training
            own = None if training is None else training.flat
            for variable, _ in self.variables:
                if variable.home is not None and variable.home is not own:
                    variable.home.settle()

    @property
    def is_valid(self) -> bool:
        """Return whether all variables are still where this binding reads them."""
        return all(variable.memory is array for variable, array in self.variables)


def _lengths(spec: Spec) -> tuple[int, ...]:
    """Return a shape of which all lengths are known."""
    assert None not in spec.shape
    return spec.shape  # type: ignore[return-value]
